/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The detail of the intent of a Replace(): {"key":…,"made":[id's halves, recycled id],"namespace":[halves],"request":…,"root":…,"row":…}, all
 * that is needed to record the new mount if it is found beneath the old one or in its place after a crash.
 */

#include <stdbool.h>

#include "executor/intent.h"
#include "spec/spec.h"
#include "util/cleanup.h"

struct intent_replace {
        int64_t row;              /* of the old mount's record */
        uint64_t namespace;       /* that it is in, of a running container; 0: the pod itself */
        char *request;            /* canonical OCI mount object of the new one */
        char *key;                /* its source key, or NULL */
        bool root;                /* compiled with root's rights */
        struct intent_mount made; /* the new mount, as soon as it is known to have been made; mount_id 0: not yet */
};
void intent_replace_done(struct intent_replace *replace);
#define _cleanup_intent_replace_ _cleanup_(intent_replace_done)

/* The text, owned by the caller. -ENOMEM. */
int intent_replace_write(const struct intent_replace *replace, char **ret);
/* -EBADMSG for what was not written by the function above. */
int intent_replace_read(const char *text, struct intent_replace *ret);
/* The same, with the one mount of its request and that mount's target; all are the caller's, also after a failure. Else as
 * spec_parse_mounts(). */
int intent_replace_resume(const char *text, uint64_t size_max, struct intent_replace *ret, struct spec_mount **ret_mounts,
                          size_t *ret_n_mounts, char **ret_target, struct failure *f);
