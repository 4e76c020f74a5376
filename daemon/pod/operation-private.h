/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the five verbs share: an operation's life from new to ended, with its caller, fds, job and turn. Each verb is a
 * struct of its own that begins with this one, and a class of functions.
 */

#include "admit/quota.h"
#include "executor/intent.h"
#include "plan/plan.h"
#include "pod/operation.h"

enum operation_stage {
        OPERATION_NEW,
        OPERATION_WAITING,   /* in its pod's queue */
        OPERATION_WOKEN,     /* its turn has come, the resume function is about to be called */
        OPERATION_VALIDATED,
        OPERATION_INTENDED,
        OPERATION_EXECUTING, /* from here on it ends by itself */
        OPERATION_ENDED,
};

struct made;

struct operation_class {
        enum operation_verb verb;
        int (*validate)(struct operation *operation, struct failure *f);
        /* Called again for each new try of a job whose outcome was busy. A job without steps has nothing to execute. */
        int (*plan)(struct operation *operation, struct failure *f);
        int (*intend)(struct operation *operation, struct failure *f);
        /* Intended, but nothing was executed, or all of it was undone: the store and the registry forget it. */
        void (*take_back)(struct operation *operation);
        /* The executors' answer, NULL when there was nothing to do: ends in operation_end(), operation_retry() or
         * operation_undo(). */
        void (*result)(struct operation *operation, const struct job_result *result);
        /* The job of an undo, NULL when the kernel has nothing of it; and what becomes of the pod when that failed. */
        int (*undo_job)(struct operation *operation, struct job **ret, struct failure *f);
        void (*undo_failed)(struct operation *operation, const char *reason);
        /* Or NULL: the operation goes on after an undo (its cause is moved out), instead of ending with it. */
        void (*undone)(struct operation *operation, struct failure *cause);
        /* Or NULL: its maker has gone, and it goes on. It may end here. */
        void (*abandoned)(struct operation *operation);
        void (*release)(struct operation *operation);
};

struct operation {
        const struct operation_class *class;
        enum operation_stage stage;
        struct pods *pods;
        struct pod *pod;
        char *uuid;            /* of its pod; "" for one without… */
        const char *layer;     /* …which may be about a layer: its id, the verb's own; NULL or "" while there is none */
        struct caller caller;
        uint64_t begun_us;     /* CLOCK_MONOTONIC: when it was executed */
        bool abandoned;        /* its maker has gone, and it goes on */
        bool internal;         /* nobody waits for it: freed when it ended */
        bool queued;           /* it has the pod's turn or a place in its queue */

        char **fd_names;       /* NULL-terminated */
        int *fds;
        size_t n_fds;

        uint64_t job_id;       /* 0 until it is planned */
        struct job *job;
        struct pool_job *pool_job;
        sd_event_source *timer;
        unsigned tries;        /* that ended busy or lost… */
        unsigned n_lost;       /* …and the lost ones among them */
        bool undoing;
        bool begun;            /* a job of it was done: it is gone on with, also when nobody waits for it any more */
        struct failure cause;  /* what the undo is for */
        uint32_t new_mounts;   /* that it will add to the record: counted against quotas already… */
        uint32_t brought_max;  /* …with these, which recursive clones may bring along */
        uint64_t new_tmpfs;    /* bytes that the tmpfs among them may take… */
        bool grows;            /* …or one that is there, and no mount is new */

        uint64_t *ids;
        size_t n_ids;
        char *plan_text;
        char **warnings;

        operation_done_fn done;
        void *done_userdata;
        operation_resume_fn resume;
        void *resume_userdata;
        struct operation *next; /* in the pod's queue, or among those woken */
};

/* A zeroed operation of `size` bytes with its caller copied and its fds duplicated; `pod` may be NULL. */
int operation_new(const struct operation_class *class, size_t size, struct pods *pods, const struct caller *caller,
                  struct pod *pod, const char *uuid, const struct operation_fds *fds, struct operation **ret,
                  struct failure *f);

/* After quota_check(): charges what recursive clones may bring along, until it is known. */
void operation_reserve(struct operation *operation, const struct quota_use *use);
/* The plan's view of the pod; points into the operation. Gives the operation its job id unless `dry`. */
void operation_plan_pod(struct operation *operation, bool dry, struct job_caller *caller, struct plan_pod *ret);
/* What the executors said went wrong, with the JSON pointer of the mount that it concerns (`wanted` may be NULL). */
int operation_failure(const struct operation *operation, const struct job_result *result, const struct wanted *wanted,
                      struct failure *f);

/* Tells its maker that it succeeded, while it goes on: operation_end() tells nobody any more. */
void operation_answer(struct operation *operation);

/* Ends the operation: releases its turn, tells its maker. The operation may be gone afterwards; `f` is emptied. */
void operation_end(struct operation *operation, struct failure *f);
/* Whether this answer, busy or lost, is followed by another try after the configured interval. */
bool operation_retry(struct operation *operation, const struct job_result *result);
/* Plans and executes the operation's job anew, under its number: it was about something that comes before. */
void operation_again(struct operation *operation);
/* Takes away what a job left behind that did not end well, then ends with `cause` (moved out). */
void operation_undo(struct operation *operation, struct failure *cause);

/* For an operation of several jobs, when one is over and recorded: plans, intends and executes the next under a number of
 * its own. 0; else what the plan said (OPERATION_FINISHED: there is no other job), or a negative errno, and nothing of
 * it is intended. */
int operation_next(struct operation *operation, struct failure *f);

/* Runs an operation that nobody waits for to its end, through all stations and waiting for its turn. Takes it over. */
void operation_run_internal(struct operation *operation);
/* A Mount() of this pod that a crash interrupted: detaches what its job had attached (taken over, also on failure). */
int operation_new_undo(struct pods *pods, struct pod *pod, uint64_t job, struct made *made,
                       struct operation **ret, struct failure *f);

/* An AddContainer() that a crash interrupted, by the detail of its intent. */
int operation_new_undo_add(struct pods *pods, struct pod *pod, uint64_t job, const char *detail, struct operation **ret,
                           struct failure *f);
/* A RemoveContainer() likewise: it is done, lazily. */
int operation_new_finish_remove(struct pods *pods, struct pod *pod, uint64_t job, const char *container,
                                struct operation **ret, struct failure *f);

/* A Replace() of this pod that a crash interrupted, by the detail of its intent: brought to its end. */
int operation_new_resumed(struct pods *pods, struct pod *pod, uint64_t job, const char *detail, struct operation **ret,
                          struct failure *f);

/* Mount() with the option remount; the arguments are emptied. `fd_name` says the running container's mount namespace that is
 * meant; NULL: of the pod, or else of any. Again: one that a crash interrupted. */
int operation_new_remount(struct pods *pods, const struct caller *caller, struct pod *pod, const char *fd_name,
                          struct mount_arguments *arguments, const struct operation_fds *fds, struct operation **ret,
                          struct failure *f);
int operation_new_remount_again(struct pods *pods, struct pod *pod, const struct record_intent *intent,
                                struct operation **ret, struct failure *f);

/* The house's caller for what nobody asked for. */
extern const struct caller caller_house;
