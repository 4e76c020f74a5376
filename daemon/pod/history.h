/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The history of pods as it is written down (store/history.h keeps it). Rows wait in memory and go to the store together, a
 * while after the first of them, so that no operation has a transaction more than it had; what a killed front had not
 * written is lost. That a pod is gone is written in the transaction that deletes it, with all that waits.
 */

#include "pod/pods.h"
#include "store/history.h"
#include "util/event.h"

struct history;

/* What somebody asked for. Texts are copied, long ones cut. */
struct history_request {
        const char *method;
        const struct caller *caller;
        uint64_t mount_id; /* 0: none */
        const char *target, *action, *outcome, *detail; /* NULL: none */
};

/* Of a pod, by UUID, that lives or is gone; of any other nothing is kept. Logs its errors: nothing fails for the want of history. */
void history_add_request(struct pods *pods, const char *uuid, const struct history_request *request);
/* What happened to a pod without anybody's asking. */
void history_add_event(struct pods *pods, const char *uuid, enum event event, uint64_t mount_id, const char *target, const char *detail);

/* Inside the transaction that deletes a pod: all that waits, then that it is gone, and why. history_settle() says what came of it. */
int history_put_removal(struct pods *pods, const char *uuid, const char *reason);
void history_settle(struct pods *pods, bool committed);

/* Writes what waits, in a transaction of its own; nothing if nothing does. A negative errno, logged. */
int history_write(struct pods *pods);
struct history *history_free(struct history *history);

/* The UUID of a pod that is gone and that the caller might see if it were not, by UUID or name: 1, 0 for none. */
int history_find_gone(struct pods *pods, const char *id, const struct caller *caller, char **ret);
/* The newest rows, the newest first, with those that wait. The caller frees them. */
int history_load(struct pods *pods, const char *uuid, uint32_t limit, struct record_event **ret, size_t *ret_n);
