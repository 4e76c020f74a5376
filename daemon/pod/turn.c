/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whose turn it is on a pod, and who is resumed next. Both queues are short, so they are plain lists.
 */

#include "pod/turn.h"

#include "pod/judge.h"
#include "util/log.h"

static void append(struct operation **list, struct operation *operation) {
        while (*list)
                list = &(*list)->next;
        operation->next = NULL;
        *list = operation;
}

static bool take_out(struct operation **list, struct operation *operation) {
        for (; *list; list = &(*list)->next)
                if (*list == operation) {
                        *list = operation->next;
                        operation->next = NULL;
                        return true;
                }
        return false;
}

static void arm(struct pods *pods) {
        int r = sd_event_source_set_enabled(pods->wake, SD_EVENT_ONESHOT);

        if (r < 0)
                (void) log_errno(LOG_ERR, r, "enable the source that resumes operations"); /* they time out */
}

void turn_wake(struct pods *pods, struct operation *operation) {
        operation->stage = OPERATION_WOKEN;
        append(&pods->woken, operation);
        arm(pods);
}

static void pass_on(struct pods *pods, struct pod *pod) {
        struct operation *next = pod->waiting;

        pod->running = next;
        if (next) {
                pod->waiting = next->next;
                turn_wake(pods, next);
        } else if (pod->judge_again)
                arm(pods);
}

bool turn_take(struct operation *operation, struct pod *pod) {
        operation->pod = pod;
        operation->queued = true;
        if (pod->running == operation)
                return true;
        if (!pod->running) {
                pod->running = operation;
                return true;
        }
        operation->stage = OPERATION_WAITING;
        append(&pod->waiting, operation);
        return false;
}

void turn_release(struct operation *operation) {
        struct pod *pod = operation->pod;

        if (operation->stage == OPERATION_WOKEN)
                (void) take_out(&operation->pods->woken, operation); /* not there while it is being resumed */
        if (!operation->queued)
                return;
        operation->queued = false;
        if (pod->running == operation)
                pass_on(operation->pods, pod);
        else
                (void) take_out(&pod->waiting, operation);
}

void turn_dissolve(struct pods *pods, struct pod *pod) {
        if (pod->running) {
                pod->running->pod = NULL;
                pod->running->queued = false;
        }
        pod->running = NULL;
        while (pod->waiting) {
                struct operation *operation = pod->waiting;

                pod->waiting = operation->next;
                operation->pod = NULL;
                operation->queued = false;
                turn_wake(pods, operation);
        }
}

int turn_dispatch(sd_event_source *source _unused_, void *userdata) {
        struct pods *pods = userdata;

        /* One operation a turn of the loop: a resumed one may wake others, and the loop has more to do than that. */
        if (pods->woken) {
                struct operation *operation = pods->woken;

                pods->woken = operation->next;
                operation->next = NULL;
                operation->stage = OPERATION_NEW;
                operation->resume(operation, operation->resume_userdata);
        }
        judge_again(pods);
        if (pods->woken)
                arm(pods);
        return 0;
}
