/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Steps for the network interfaces of containers, added to jobs that other planners have made. Pure.
 */

#include "plan/plan.h"

/* One interface; borrowed. */
struct plan_link {
        const char *container, *name;
        const char *kind;  /* NULL: the host's own */
        const char *peer;  /* NULL: none */
        bool on_host;      /* it is among the host's links, or is to be made there first */
        uint32_t index;    /* where it is, or was on the host; 0: not known, or it is not there yet */
};

/* A STEP_LINK for each that is made on the host, in the order given, before the STEP_PUBLISH of a whole pod. -ENOMEM. */
int plan_links_make(struct job *job, const struct plan_link *links, size_t n);
/* What it takes to have each in the network namespace of the process that the job's fd `fd` is a pidfd of, at the end of *job, which is made
 * if it is NULL: made there or moved there; with `make`, made on the host before. -ENOMEM. */
int plan_links_enter(const struct plan_pod *pod, const struct plan_link *links, size_t n, bool make, uint32_t fd, struct job **job);
/* A STEP_UNLINK for each, the last one first, behind all else of *job but a STEP_REMOVE_POD; *job is made if it is NULL. What podmount did
 * not make is moved back; `back`: so is what it made on the host, and else that is removed. -ENOMEM. */
int plan_links_leave(const struct plan_pod *pod, const struct plan_link *links, size_t n, bool back, struct job **job);
