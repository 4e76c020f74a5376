/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What was done to each pod and what happened to it: the newest rows of every pod, and of each owner's newest pods that
 * are gone. A pod here is known by its UUID alone and needs no record of its own.
 */

#include "store/store.h"

enum {
        HISTORY_ROWS_MAX = 128, /* of a pod; the schema knows it, too */
        HISTORY_GONE_MAX = 64,  /* pods of an owner that are gone */
};
#define HISTORY_NOBODY UINT32_MAX /* no user did it */

struct record_event {
        uint64_t time_us; /* CLOCK_REALTIME */
        char *event;      /* the method that was called, or the event's name in the journal */
        uint32_t uid;     /* HISTORY_NOBODY */
        char *unit;       /* of systemd, NULL where it is not known */
        uint64_t mount_id;/* 0: none */
        char *target;     /* NULL: none */
        char *action;     /* polkit's, NULL: none was asked for */
        char *outcome;    /* "done", "failed", "denied"; NULL of what nobody asked for */
        char *detail;     /* words for people, or NULL */
};

void record_event_done(struct record_event *event);

/* One more row of a pod, inside a transaction; the oldest goes when there are too many. With `owner` NULL the pod is gone, and
 * nothing is written if nothing is known of it. A pod of this UUID that another owner had is forgotten. */
int store_put_event(struct store *store, const char *uuid, const uid_t *owner, const char *name, const struct record_event *event);
/* The pod is gone: it is kept as one of its owner's newest, inside a transaction. */
int store_end_history(struct store *store, const char *uuid, uint64_t time_us);

/* The UUID of a pod that is gone, by UUID or name, of this owner or (NULL) of any: 1, 0 for none. The newest of a name. */
int store_find_gone(struct store *store, const char *id, const uid_t *owner, char **ret);
/* The newest rows of a pod, the newest first; the caller frees them (record_event_done() each). */
int store_load_history(struct store *store, const char *uuid, uint32_t limit, struct record_event **ret, size_t *ret_n);
