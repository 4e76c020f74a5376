/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Asks polkit: org.freedesktop.PolicyKit1.Authority.CheckAuthorization() of the polkit reference manual, asynchronously. */

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "util/cleanup.h"

enum polkit_answer {
        POLKIT_YES,
        POLKIT_NO,        /* refused, or dismissed */
        POLKIT_CHALLENGE, /* a person would have to authenticate, and the caller did not offer to wait for one */
        POLKIT_ABSENT,    /* there is none, or it did not answer what it should */
        POLKIT_FAILED,    /* it answered that it cannot say: it knows no such process any more, action or kind of subject */
};

/* Who is to be authorised: a unique name of the bus, or, without one, a process by its pidfd, which polkit takes since its version 124
 * (an older one wants a number and a start time, and fails, which is no yes). */
struct polkit_subject {
        const char *bus_name;
        int pidfd;
        uid_t uid; /* of the process */
};

struct polkit_query;
typedef void (*polkit_fn)(enum polkit_answer answer, void *userdata);

/* Asks whether `subject` is authorised for `action`. `details` are pairs of key and value,
 * NULL-terminated. `answered` is called once, from the loop, unless the query is freed before. */
int polkit_ask(sd_bus *bus, const struct polkit_subject *subject, const char *action, char *const *details, bool interactive, polkit_fn answered,
               void *userdata, struct polkit_query **ret);
/* Ends a query; one that is out is cancelled, so that no dialogue stays on anybody's screen. */
struct polkit_query *polkit_query_free(struct polkit_query *query);
DEFINE_CLEANUP(struct polkit_query *, polkit_query_free)
