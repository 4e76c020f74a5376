/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * All pods of this daemon, and everything an operation on them needs: store, executors, table, settings. Owned by the
 * manager; tells observers what happened (the api floor turns that into signals).
 */

#include <systemd/sd-event.h>

#include "admit/caller.h"
#include "executor/pool.h"
#include "kernel/own-space.h"
#include "layer/layers.h"
#include "pod/counters.h"
#include "pod/pod.h"
#include "spec/wanted.h"
#include "store/store.h"
#include "table/table.h"
#include "util/map.h"
#include "util/settings.h"

struct gc_program;

struct pods_observer {
        void (*pod_new)(struct pod *pod, void *userdata);
        void (*pod_removed)(struct pod *pod, const char *reason, void *userdata);
        void (*pod_changed)(struct pod *pod, void *userdata); /* State, Containers, Drifted, MountCount or Warnings */
        void (*mounts_added)(struct pod *pod, const struct record_mount *const *mounts, size_t n, void *userdata);
        void (*mounts_removed)(struct pod *pod, const struct record_mount *const *mounts, size_t n, void *userdata);
        void (*drift)(struct pod *pod, const struct drift *drift, void *userdata);
        void *userdata;
};

/* `failure`: a sentence, or NULL: it is not registered any more, or was not. */
typedef void (*unregistered_fn)(const char *failure, void *userdata);

enum { GC_PROGRAMS_MAX = 8, GC_PROGRAMS_OF_USER = 2 /* at the same time */ };

struct pods {
        sd_event *event;
        struct store *store;
        struct layers *layers;       /* NULL: none */
        struct executor_pool *executors;
        struct table *table;
        const struct settings *settings;
        struct wanted_facts facts;   /* of the host; caller_is_root is set for each request */
        /* Brings the table up to date when the kernel's changed since, and hands what changed to pods_judge_drift();
         * cheap when nothing did. */
        int (*sync_table)(void *userdata);
        /* Whether it is up to date; if not, it will be soon, and pods_judge_drift() is called then. NULL: never known,
         * so that it is brought up to date instead. */
        bool (*table_is_current)(void *userdata);
        /* As sync_table(), and looks again at the mounts at and below a path, for what the kernel tells nobody (renames
         * above a mount point, propagation). NULL: sync_table() does. Entries may go: find them again. */
        int (*sync_below)(const char *path, void *userdata);
        /* Looks again at these mounts alone, by unique id, and has what changed marked (pods_mark_drift()). */
        int (*look_at)(const uint64_t *ids, size_t n, void *userdata);
        void *sync_userdata;
        /* Tells leases_unit_ended() when this unit of the service manager is not active, now or later, for one more lease. NULL: there
         * is nobody who could. -ENOMEM. */
        int (*watch_unit)(const char *name, void *userdata);
        /* One lease less. */
        void (*unwatch_unit)(const char *name, void *userdata);
        void *watch_unit_userdata;
        /* Takes the pod that has this directory out of machined's registry, if that knows it: an object to cancel it with until `done` is
         * called, from the event loop; NULL: nobody could be asked. The function is NULL while there is no bus. */
        void *(*unregister)(const char *uuid, const char *directory, unregistered_fn done, void *userdata, void *unregister_userdata);
        void (*cancel_unregister)(void *question);
        void *unregister_userdata;
        const char *runtime_directory;
        int runtime_fd;
        uint64_t runtime_mount_id;   /* of the mount that the runtime directory lay on at start, set by pods_init():
                                      * compared before each plan… */
        uint64_t runtime_inode;      /* …with its inode */
        uint64_t mounts_max;         /* fs.mount-max */
        struct own_space_text *texts; /* that the start has found, n_texts; whoever gave them closes the rest */
        size_t n_texts;
        struct pods_observer observer;

        /* pods_init()'s */
        struct map *by_uuid;         /* struct pod * */
        struct map *by_name;         /* by pod->name_key */
        struct map *on_host;         /* those with mounts on the host, by UUID */
        struct map *operations;      /* struct operation *, those that execute, by job */
        struct operation *woken;     /* those to be resumed, in order */
        struct operation *layer_waiting; /* those that wait for any layer (pod/layer-turn.h) */
        uint32_t n_bound_leases;     /* leases that hang on connections */
        struct layer_stream *layer_streams; /* those that have, or are about to have, a worker (pod/layer-stream.h) */
        struct operation *searches_waiting; /* for holders (pod/operation-holders.c)… */
        unsigned n_searches, n_searches_waiting; /* …and how many search */
        uid_t gc_owners[GC_PROGRAMS_MAX]; /* of the pods whose gc programs run… */
        size_t n_gc;                      /* …and how many do (pod/gc-program.h)… */
        struct gc_program *gc_waiting;    /* …and those that wait until they may, in order */
        struct counters counters;
        struct history *history;     /* what is to be written down of what was done (pod/history.h); NULL: nothing yet */
        bool cgroups_of_systemd;     /* they lie below a unit of systemd's, set by the manager */
        struct record_cgroup *cgroups_left; /* those of pods that are gone (pod/cgroups.h)… */
        size_t n_cgroups_left;
        size_t cgroups_turn;         /* …from where on they are tried next, modulo their number… */
        bool removing_cgroups;       /* …which are being removed */
        bool stopping;               /* what can be finished at the next start is not gone on with */
        sd_event_source *wake;
        sd_event_source *purge;      /* on while the store has something to purge */
        sd_event_source *remember;   /* armed while it does not know of all that was seen… */
        bool remember_soon;          /* …and for now */
};

/* The manager sets what stands above in a zeroed struct, then calls this, which makes the rest. -ENOMEM, or what
 * statx(2) says of the runtime directory. */
int pods_init(struct pods *pods);
/* Frees every pod and every operation that nobody holds. The executors' pool may be freed before or after, but the loop
 * does not run in between. */
void pods_done(struct pods *pods);

/* Looks a pod up by its UUID or, among the caller's own pods first and then (for root) among all, by its name; with
 * `prefix` also by at least 8 leading digits of its UUID. NULL with a filled failure when there is none that this
 * caller may see (a name of two owners, for root: the failure names both). */
struct pod *pods_find(const struct pods *pods, const char *id, const struct caller *caller, bool prefix,
                      struct failure *f);
bool pods_may_see(const struct pod *pod, const struct caller *caller);

/* The runtime directory is still where it was: else FAILURE_BUSY with what to do, so that nothing is planned on top of
 * a foreign mount. */
int pods_check_runtime(struct pods *pods, struct failure *f);

/* Loads every record, compares with the kernel and runs what a crash left over to its end (undone or done): collects
 * pods left `creating` or `stopping`, undoes half-done mounts, judges drift of the rest. Asynchronous where an executor
 * is needed. The intent files, by slot (-1: none), are read before anything runs; the fds stay the caller's. */
int pods_recover(struct pods *pods, const int *intent_fds, size_t n_intent_fds);

/* Judges the drift of every pod, or of those that these changes touch, against the table. */
void pods_judge_drift(struct pods *pods, const struct changes *changes);
/* Remembers which pods these changes touch, for the next pods_judge_drift(): the table is not complete yet. */
void pods_mark_drift(struct pods *pods, const struct changes *changes);
