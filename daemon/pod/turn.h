/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Operations of one pod take turns. The one whose turn it is stands in pod->running from its validation until it ends;
 * the others wait in pod->waiting and are resumed from the loop, one at a time, in order.
 */

#include "pod/operation-private.h"

/* True: it is the operation's turn on this pod. False: it waits, and will be resumed. */
bool turn_take(struct operation *operation, struct pod *pod);
/* Gives the turn (or the place in the queue) back; the next one's has come. Harmless without either. */
void turn_release(struct operation *operation);
/* An operation that waits, in no queue any more, is resumed from the loop. */
void turn_wake(struct pods *pods, struct operation *operation);
/* The pod is about to be freed: everyone who waits for it is resumed and will find it gone. */
void turn_dissolve(struct pods *pods, struct pod *pod);
/* Resumes operations whose turn has come and judges pods whose table changed during an operation: a handler of the
 * loop. */
int turn_dispatch(sd_event_source *source, void *userdata);
