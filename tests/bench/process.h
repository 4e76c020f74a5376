/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a process costs, read from proc_pid(5). Every function ends the program on an error. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "util/cleanup.h"

enum { PROCESSES_MAX = 16 };

/* The processes of one podmountd. */
struct processes {
        pid_t keeper, front;
        pid_t executors[PROCESSES_MAX];
        size_t n_executors;
};

/* Starts `program` with its runtime directory in `directory`, which must not exist, and waits until it says that it is
 * ready. The front runs as `user`. */
void processes_start(const char *program, const char *config, const char *user, const char *directory,
        struct processes *ret);
/* Asks it to end, and waits until it has. */
void processes_stop(struct processes *processes);

/* CPU time that the process has used, µs; of all of them together. */
double process_cpu(pid_t pid);
double processes_cpu(const struct processes *processes);
/* How often the process gave the CPU up or lost it. */
double process_switches(pid_t pid);
double processes_switches(const struct processes *processes);
/* Its proportional set size, bytes. */
double process_memory(pid_t pid);
/* Of that, what is no file's: the heap, above all. What is counted of a file moves with who else maps it. */
double process_heap(pid_t pid);

/* Waits until the process has used no CPU for `ms` milliseconds, or, if it never rests, for two minutes. */
void process_rest(pid_t pid, unsigned ms);
