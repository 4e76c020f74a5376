/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What keeps a pod from being garbage, podmount-spec(5) and org.podmount1(5): nothing (`none`: it stays until it is
 * collected), the connection that created it (`caller`), a process (`pid`), a time that can be renewed (`ttl:SECONDS`), or a unit of the service
 * manager (`unit:NAME`).
 * When that is gone the pod is garbage; it is collected LeaseGraceSec= later, again and again while it is busy.
 *
 * It hangs on the record (struct record_lease), so that it lasts over a restart; a connection does not, and the process
 * that had it takes its place.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pod/pods.h"
#include "util/cleanup.h"
#include "util/failure.h"

#define LEASE_FD "lease" /* the name of the pidfd among the fds of the call */

enum lease_kind { LEASE_NONE, LEASE_CALLER, LEASE_PID, LEASE_TTL, LEASE_UNIT };

struct lease;

/* Reads a lease's text; NULL is "none". `ret_ttl_us` is 0 but for LEASE_TTL. 0, or FAILURE_INVALID_ARGS. */
int lease_parse(const char *text, enum lease_kind *ret_kind, uint64_t *ret_ttl_us, struct failure *f);

/* Finds what process a pidfd is of; it must live. The record gets its pid and when it began. FAILURE_INVALID_ARGS for
 * what is no pidfd, or one of a process that has ended or is not to be seen. */
int lease_of_pidfd(int pidfd, struct record_lease *ret, struct failure *f);
/* The same by its number; a process that cannot be found leaves the record empty. */
void lease_of_pid(pid_t pid, struct record_lease *ret);
/* Sets the end of a lease that lasts `ttl_us` from now. */
void lease_prolong(uint64_t ttl_us, struct record_lease *ret);

/* Watches over a pod's lease from now on. `connection`: of LEASE_CALLER, the number of the api's peer, 0 if it is gone
 * already; `pidfd`: of LEASE_PID, -1 to find the recorded process; stays the caller's. Failures are logged and taken for
 * the end of the lease: a pod that nobody watches over would never go. */
void lease_begin(struct pods *pods, struct pod *pod, uint64_t connection, int pidfd);
/* For a pod that another daemon made. */
void lease_resume(struct pods *pods, struct pod *pod);
/* A connection has ended, and so do the leases that hang on it; not when it is podmountd that ends. */
void leases_disconnect(struct pods *pods, uint64_t connection);

/* A connection goes because podmountd's own to the bus does: the processes that had them take their place, as at a restart. */
void leases_outlive(struct pods *pods, uint64_t connection);

/* The unit is not active, for this reason, a sentence: so end the leases that hang on it. */
void leases_unit_ended(struct pods *pods, const char *unit, const char *why);

/* Begins anew: `ttl:` from now; `caller` with this connection, whose process has `pid`. One that has ended lives again until
 * the pod is being collected. `ret_until_us`: CLOCK_BOOTTIME, 0 if it has no such end. */
int lease_renew(struct pods *pods, struct pod *pod, uint64_t connection, pid_t pid, uint64_t *ret_until_us, struct failure *f);

/* Why the pod is garbage, a sentence; NULL if its lease has not ended. */
const char *lease_ended(const struct pod *pod);

struct lease *lease_free(struct lease *lease);
DEFINE_CLEANUP(struct lease *, lease_free)
