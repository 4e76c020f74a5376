/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The floors below and beside pod/, for real: a mount namespace of the test's own, a runtime directory, executor
 * processes with their pool, a store, the kernel's table, followed in the best way that there is, and an observer that
 * counts. What PODMOUNT_WITHOUT names is left out (tests/unit/kernel-features.h).
 */

#include "executor/intent.h"
#include "kernel/watch.h"
#include "pod/garbage.h"
#include "pod/operation.h"
#include "table/following.h"
#include "tests/unit/namespace.h"
#include "tests/unit/unit.h"

#define RUNTIME "/tmp/run"
#define UUID_A "11111111-2222-3333-4444-555555555555"
#define UUID_B "22222222-2222-3333-4444-555555555555"
#define POD_A RUNTIME "/pods/" UUID_A
#define WORLD_PLACES "/tmp/places" /* HostTargets= */
#define ROOTFS_A POD_A "/main/rootfs"

/* One container on /tmp/root with a tmpfs over it; `mounts` are OCI mount objects. */
#define SPEC(mounts)                                                                                             \
        "{\"podmount\":1,\"mandatoryMounts\":false,\"containers\":[{\"name\":\"main\",\"root\":{\"path\":\"/tmp/root\",\"readonly\":false," \
        "\"overlay\":\"tmpfs\"},\"mounts\":[" mounts "]}]}"
#define BIND(source, target) \
        "{\"destination\":\"" target "\",\"type\":\"bind\",\"source\":\"" source "\",\"options\":[\"rbind\"]}"

enum { WORLD_EXECUTORS = 2, USER = 12345 };

struct world_executor {
        pid_t pid;
        int intent_fd;
        int socket; /* a second fd of the pool's end, so that an answer can be kept from it */
};

struct world {
        sd_event *event;
        struct settings settings;
        struct watch *watch;
        struct following *following;
        struct pods pods;
        struct world_executor executors[WORLD_EXECUTORS];
        unsigned n_new, n_removed, n_changed, n_mounts_added, n_mounts_removed, n_drifts;
        unsigned n_looked_at;         /* mounts, before operations */
        char reason[32];              /* of the last pod_removed */
        enum drift_kind drift_kind;   /* of the last drift */
        char *drift_target;
};

extern const struct caller world_root, world_user;

/* False without root. Makes /tmp/root (etc/, data/, mnt/, proc/), /tmp/src (hello, sub/), the runtime directory, and
 * starts. */
bool world_begin(struct world *world);
/* Executors, store, registry, recovery; and their end as by SIGKILL: nothing is said to the store. */
void world_start(struct world *world);
void world_stop(struct world *world);
/* From one life of the daemon to the next, which then does all that it has to. */
void world_restart(struct world *world);
void world_done(struct world *world);
/* Writes down the replacement of the mount at this row by a bind of /tmp/next at /data, as it is before its job, with what the
 * job had made; `namespace`: of a running container, or 0. */
void world_intend_replace(struct world *world, int64_t row, uint64_t namespace, const struct intent_mount *made);

/* Runs the loop until `*flag`, or until nothing happens any more; fails the test after ten seconds. */
void world_wait(struct world *world, const bool *flag);
void world_idle(struct world *world);
int world_sync(struct world *world);

/* All stations of an operation, waiting for its turn and its end; frees it unless `ret` is given. The failure's kind, 0,
 * or OPERATION_FINISHED. */
int world_run(struct world *world, struct operation *operation, struct operation **ret, struct failure *f);
/* An operation that goes through the stations in the background. */
struct world_task {
        struct world *world;
        struct operation *operation;
        int result; /* as of world_run() */
        bool ended;
        struct failure failure;
};
void world_task_start(struct world *world, struct operation *operation, struct world_task *task);
void world_task_done(struct world_task *task);

/* Calls with the usual arguments; they end as world_run() does. `caller` NULL: root. */
int world_create(struct world *world, const struct caller *caller, const char *uuid, const char *name, const char *spec,
                 struct failure *f);
struct operation *world_new_create(struct world *world, const struct caller *caller, const char *uuid,
                                   const char *spec);
struct operation *world_new_bind(struct world *world, const char *uuid, const char *source, const char *target,
                                 bool stack);
int world_bind(struct world *world, const char *uuid, const char *source, const char *target, uint64_t *ret_id,
               struct failure *f);
int world_unmount(struct world *world, const char *uuid, const struct unmount_arguments *arguments, struct failure *f);
struct operation *world_new_collect(struct world *world, const char *uuid, bool lazy);
int world_collect(struct world *world, const char *uuid, bool lazy, struct failure *f);
struct pod *world_pod(struct world *world, const char *uuid);

/* Waits, without the loop, until an executor has answered, takes the answers away, and kills the executors: what they
 * did is done, and nobody was told. */
void world_steal_answers(struct world *world);
/* Starts an operation and steals the answers of its first job. */
void world_lose_answer(struct world *world, struct operation *operation, struct world_task *task);
/* New executors in the slots of dead ones, as the keeper does it. */
void world_restart_executors(struct world *world);
/* What comes of an operation whose executors are dead: the daemon dies as well, and the next one does all that it has to; or it
 * dies once more before its loop has run, with what the intent files said, and the one after it does that; or it lives and ends
 * the operation with new executors. The result of that is as of world_run(), and the task stays. */
void world_crash(struct world *world, struct world_task *task);
void world_crash_twice(struct world *world, struct world_task *task);
/* It sees that they are dead and begins to undo, and dies when other jobs have written over the intent files; the next one does the rest. */
void world_crash_undoing(struct world *world, struct world_task *task);
int world_survive(struct world *world, struct world_task *task);
/* What the intent file of an executor says that is not the one which has made what is there: nothing; mounts that are gone; or their ids are
 * those of others that are there. */
enum world_tried { WORLD_NOTHING, WORLD_GONE, WORLD_USED_AGAIN };
/* Has the intent files say that two executors have tried the job whose answer was lost. `first`: what is there is read first. WORLD_TRIES
 * calls `lose` with what there is of both. */
void world_have_two_tried(struct world *world, bool first, enum world_tried other);
#define WORLD_TRIES(lose)                                                                                        \
        for (unsigned try = 0; try < 4; try++)                                                                   \
                lose(try % 2 == 0, try < 2 ? WORLD_NOTHING : WORLD_GONE)
/* Keeps the mount at this path busy until the fd is closed. */
int world_hold(const char *path);
/* How many mounts the kernel has at or below this path. */
unsigned world_count(const char *path);
/* The mount table as text, and that it is as it was then. */
char *world_snapshot(void);
void world_unchanged(const char *before);
