/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The registry program of the configuration, and a pod's gc program: what its spec names is on record with who made the pod, and a collection has it run once before anything is
 * unmounted. Whatever becomes of it, the collection goes on; that it failed is a warning.
 */

#include "executor/stream.h"
#include "pod/operation-private.h"

enum { GC_LINE_MAX = 2048, GC_LINES_MAX = 1000 /* of one run, in the log */ };

/* Where a collection stands with it. */
struct gc_program {
        bool registry; /* it is the registry program */
        char *path;    /* from its job on */
        bool begun;  /* its job is the operation's */
        bool slot;   /* it is counted in pods->gc_owners */
        uid_t owner;
        bool waiting;            /* in pods->gc_waiting… */
        struct gc_program *next; /* …before this one; from when it was planned, so that the order is that of the calls… */
        bool armed;              /* …and since its job without steps was over, with a timer for its turn */
        bool ended;  /* it ran, or could not: it does not run again */
        struct operation *operation;
        void (*go_on)(struct operation *operation);
        struct stream *stream;
        char line[GC_LINE_MAX]; /* of its stderr, not at its end yet */
        size_t n_line;
        unsigned n_lines;
        uint64_t left_out; /* bytes of lines past the limit */
};

/* Puts what the spec says on the record of the pod that the operation makes. Where it would not run by the configuration as it is,
 * the pod's warnings say so. */
int gc_program_intend(const struct operation *operation, const struct spec *spec, struct record_pod *record);

/* Whether it is to run before the collection goes on: the pod was created, there is one and it has not run yet. */
bool gc_program_is_due(const struct gc_program *program, const struct operation *operation);
/* Makes the operation's job of it, or none while too many others run: it waits. A negative errno. */
int gc_program_plan(struct gc_program *program, struct operation *operation);
/* What came of that job (NULL: there was none), which began it or could not. `go_on` is called once, from here or from the event loop, when it has ended; the
 * operation may be gone afterwards. */
void gc_program_result(struct gc_program *program, struct operation *operation, const struct job_result *answer, void (*go_on)(struct operation *operation));
/* The daemon stops: those that wait are not begun any more, and go on from the loop. */
void gc_programs_stop(struct pods *pods);
/* Ends it, if it runs; or it waits no more. */
void gc_program_done(struct gc_program *program, struct pods *pods);
