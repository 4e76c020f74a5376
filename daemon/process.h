/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a child of the keeper does to itself before it does its work. */

#include <stddef.h>
#include <sys/types.h>

#include "util/cleanup.h"

/* Default signal handling but for SIGINT, SIGTERM and SIGHUP, which are ignored: the keeper alone ends its children, in
 * order, also when a terminal or a service manager signals all of them. Unblocks every signal. */
void process_reset_signals(void);

/* SIGKILL when the parent dies; -ESRCH when it is gone already. Lost by a change of uid: to be called after it. */
int process_die_with(pid_t parent);

/* As many open files as are to be had, for this process and those that it makes: a client's connection, a pod in a namespace of its own, and each mount that
 * an undo may have to take back are one or a few each. A lower limit means an earlier QuotaExceeded, no fault. */
void process_raise_files(void);

/* Closes every fd but 0 to 2 and those given (entries below 0 are passed over; the array is sorted in place). */
int process_close_others(int *keep, size_t n);

/* Becomes `uid` and `gid` for good: no supplementary group, no capability in any set, none to be had again. Verified. */
int process_drop_privileges(uid_t uid, gid_t gid);

/* Neither core dumps nor ptrace(2) nor /proc/PID/mem by others of the same uid. */
int process_hide(void);

/* Lets go of the code and constants, its own and the libraries', that are in memory for this process; what is used again
 * comes back from the page cache, a fault a page. For a process that has done its work and waits: what nobody else maps
 * is counted as its own. */
void process_forget_code(void);

/* Ends a child without running the parent's exit handlers… but those of a sanitizer. */
_noreturn_ void process_exit(int status);
