/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The one table of methods: the contract's own and those that D-Bus gives every object. A row says what a method takes and
 * gives, where it is found, and what each station does for it. The verdict on who may call it is admit/verdict.h's.
 */

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "api/decode.h"
#include "util/failure.h"

struct request;

enum object_kind {
        OBJECT_NODE = 1 << 0,    /* a path above or between the objects */
        OBJECT_MANAGER = 1 << 1,
        OBJECT_POD = 1 << 2,
};

struct method {
        const char *interface, *member;
        unsigned objects;                   /* enum object_kind: where it can be called */
        const struct argument_row *in, *out;/* both end with a row without a name */
        const struct option_key *keys;      /* of its options, or NULL */
        bool changes;                       /* leaves an audit line also when it is allowed */
        bool host;                          /* an empty id means the host instead of a pod */
        bool past;                          /* its pod may be gone: then only request->uuid is set */
        bool prefix;                        /* its pod may be named by the start of its UUID */

        /* Station 5 for a method that changes pods: adds its works to the request (work.h). */
        int (*prepare)(struct request *request, struct failure *f);
        /* Station 5 for any other: all that there is to do before the answer. NULL: nothing. */
        int (*query)(struct request *request, struct failure *f);
        /* Station 10: writes the reply. NULL for an empty one. */
        int (*encode)(struct request *request, sd_bus_message *reply);
};

/* All methods, ended by one without a member. */
extern const struct method method_table[];

/* Looks a method up for an object of this kind; `interface` may be NULL (D-Bus allows to leave it out). NULL when there
 * is none; then `*ret_interface_known` says whether at least the interface is known there. */
const struct method *method_find(enum object_kind kind, const char *interface, const char *member, bool *ret_interface_known);

/* What a call that no row answers gets: identified like any other, so that it learns nothing of pods it may not see. */
extern const struct method method_unknown;
