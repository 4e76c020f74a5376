/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The records: what podmount has made, in <runtime>/state/state.db (SQLite, WAL, synchronous=OFF: the file does not
 * outlive a boot, and a crash of processes loses nothing that was committed). The head of schema.c describes the file.
 * Beside it is the file of intents that cost no transaction (store/journal.h).
 * The schema version is PRAGMA user_version; older ones are migrated step by step, a newer one is refused. The store
 * keeps the file locked while it is open: sqlite3(1) can look at it when the daemon is stopped.
 *
 * Every function logs its own errors: -ENOSPC on a full disk, -ENOMEM, -EIO else.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/cleanup.h"

enum record_state { RECORD_CREATING, RECORD_READY, RECORD_STOPPING, RECORD_FAILED, _RECORD_STATE_MAX };
/* "creating", "ready", "stopping", "failed" */
const char *record_state_name(enum record_state state);

struct record_mount {
        int64_t row;          /* the store's key, 0 before store_put_mount() */
        uint64_t id;          /* unique id; where the kernel has none, the recycled one. 0 for a deferred mount */
        uint32_t mount_id;    /* the recycled id */
        char *container;      /* "" for the pod's own tmpfs and those of containers that were added */
        char *target;         /* "/" for a root; "" for the pod's own tmpfs, the name for that of a container */
        char *source;         /* for people */
        char *type;
        char **options;       /* effective words */
        char *request;        /* canonical OCI mount object; NULL for roots and the tree; for the tmpfs of a container that
                               * was added its canonical spec */
        char *source_key;     /* "dev:ino" of an fd source, so that a retry can be told from a new mount; or NULL */
        char *root;           /* the path in its file system, as first seen where mounts have no unique id; or NULL */
        char *point;          /* relative to the pod's directory, as first seen; NULL: <container>/rootfs/<target> */
        char *fs_options;     /* of a file system of the pod's own, as the kernel first showed them; or NULL */
        uint64_t device;
        uint64_t job;         /* that made it; 0: not known */
        uint64_t attributes;  /* MOUNT_ATTR_* as statvfs(3) showed them when it was made; MOUNT_ATTR_IDMAP if asked for */
        uint64_t propagation; /* MS_* as wanted */
        uint32_t made;        /* trailing components of the mount point that were created for it */
        bool made_file;
        bool nested;          /* came along with a recursive clone */
        bool deferred;        /* not mounted yet */
        bool ground_free;     /* a file system of the pod's own: mount points may be made on it */
        bool ground_caller;   /* a writable root */
        uint64_t namespace;   /* the id of the mount namespace of a running container that it is in; 0: it is in the pod itself */
        bool lost;            /* it is no more in that namespace, as far as known; not kept */

        /* Not in the store: */
        bool seen;            /* root, point and fs_options are what was first seen… */
        bool unsaved;         /* …and the store does not know it yet */
        uint64_t tmpfs;       /* bytes that the tmpfs that it is, or that takes its writes, may take (pod/use.h) */
};
void record_mount_done(struct record_mount *mount);
/* A deep copy. -ENOMEM. */
int record_mount_copy(const struct record_mount *from, struct record_mount *ret);

#define RECORD_NO_STEP UINT32_MAX

/* A directory that may have been made for a pod beside mount points; it is removed with the pod where it is empty. On
 * record before the job that makes it, `made` when that job has ended, or in what its intent file says. */
struct record_directory {
        char *root;    /* the directory of the host that `path` is in as a container's paths are in its root */
        char *path;    /* absolute */
        char *container; /* for which it is made; "" where that is not known: it goes with the pod */
        uint32_t made; /* trailing components of the path; 0: all was there, or nobody knows yet */
        uint32_t step; /* of the job that makes it, RECORD_NO_STEP when that has ended… */
        uint32_t which; /* …and which of its directories, enum intent_directory */
};

void record_directory_done(struct record_directory *directory);

/* What a lease hangs on, so that it lasts over a restart; pod/lease.h says what ends it. */
struct record_lease {
        uint64_t pid, start; /* a process and when it began, in ticks since the boot (proc_pid_stat(5)); 0: none */
        uint64_t until_us;   /* CLOCK_BOOTTIME; 0: no end is set */
        char *ended;         /* why it has ended, a sentence; NULL: it has not */
};

/* The program that runs before the pod is collected, and as whom: who made the pod. Ids but the groups are the pod's. */
struct record_gc {
        char *path;      /* NULL: there is none, and nothing else here */
        char *container; /* whose root it is in */
        bool root;       /* the pod is root's own, not of a user 0 from elsewhere */
        gid_t *groups;
        size_t n_groups;
};
void record_gc_done(struct record_gc *gc);
/* As the store keeps it: path, container, whether root's, the groups. NULL, with success, for none. -ENOMEM; -EBADMSG for what was
 * not written so. */
int record_gc_write(const struct record_gc *gc, char ***ret);
int record_gc_read(char *const *strv, struct record_gc *ret);

enum record_link_place { RECORD_LINK_OUTSIDE, RECORD_LINK_MOVING, RECORD_LINK_INSIDE, _RECORD_LINK_PLACE_MAX };

/* A network interface of a container: one that is made for it, or one of the host's that is lent to it. On record before anything is done
 * about it; its mark says which it is (executor/link.h). */
struct record_link {
        char *container, *name;
        char *kind;    /* NULL: the host's own, never removed */
        char *peer;    /* the other end, which stays on the host; NULL: none */
        bool in_root;  /* it is made on the host and moved from there… */
        bool made;     /* …and has been, or is being, with the pod */
        enum record_link_place place; /* on the host or nowhere; on the way to a container's process, or back; or with it */
        uint32_t index; /* where it is now; 0: not known, or it is not there */
};
void record_link_done(struct record_link *link);

struct record_pod {
        char *uuid, *name; /* name NULL when it has none */
        uid_t owner;
        gid_t owner_group;
        bool private;        /* it has a mount namespace to itself */
        enum record_state state;
        uint64_t created_us; /* CLOCK_REALTIME */
        char *spec;          /* canonical document */
        char *lease;         /* as given, or NULL */
        struct record_lease lease_on;
        char *reason;        /* of `failed`, or NULL */
        char **containers;
        char **warnings;
        struct record_mount *mounts; /* in the order they were made */
        size_t n_mounts;
        struct record_mount *inside; /* those in mount namespaces of running containers, in the order they were made */
        size_t n_inside;
        struct record_mount *host; /* those on the host, of container SPEC_HOST, in the order they were made */
        size_t n_host;
        struct record_gc gc;
        struct record_cgroup *cgroups; /* store/cgroups.h, kept apart: they may outlive the pod */
        size_t n_cgroups;
        struct record_directory *directories; /* in the order in which they are made */
        size_t n_directories;
        struct record_link *links; /* in the order of the spec */
        size_t n_links;
};
/* As the store keeps them: for each its root, its path, its container and its three numbers. NULL, with success, for none. -ENOMEM;
 * -EBADMSG for what was not written so. */
int record_directories_write(const struct record_pod *pod, char ***ret);
int record_directories_read(char *const *strv, struct record_pod *pod);
/* The same of links: for each its four words and its numbers. */
int record_links_write(const struct record_pod *pod, char ***ret);
int record_links_read(char *const *strv, struct record_pod *pod);
struct record_pod *record_pod_free(struct record_pod *pod);
DEFINE_CLEANUP(struct record_pod *, record_pod_free)

enum record_verb {
        RECORD_VERB_CREATE,
        RECORD_VERB_MOUNT,
        RECORD_VERB_UNMOUNT,
        RECORD_VERB_COLLECT,
        RECORD_VERB_ADD_CONTAINER,
        RECORD_VERB_REMOVE_CONTAINER,
        RECORD_VERB_REPLACE,
        RECORD_VERB_REMOUNT,
        RECORD_VERB_MOUNT_INSIDE,
        RECORD_VERB_WITHDRAW,
        _RECORD_VERB_MAX,
};

/* A job that was begun and of which no end is recorded. */
struct record_intent {
        uint64_t job;
        char *uuid;
        enum record_verb verb;
        bool lazy;
        char *detail; /* JSON, the verb's own, or NULL */
};

enum store_outcome {
        STORE_OPENED = 0,
        STORE_NEWER = 1,   /* written by a newer podmountd */
        STORE_DAMAGED = 2, /* not a database, or not ours */
};

struct store;

/* Opens or makes state.db in the directory. An enum store_outcome, or a negative errno (-EBUSY: another process has it
 * open). `ret_version` is the schema version that the file had, 0 for a new one; written for STORE_OPENED and
 * STORE_NEWER. */
int store_open(const char *directory, struct store **ret, int *ret_version);
struct store *store_free(struct store *store);
DEFINE_CLEANUP(struct store *, store_free)

/* Everything, for the start: arrays and their elements are the caller's; pods in the order of creation, intents in that
 * of their jobs. -EBADMSG for a value that no podmountd writes. */
int store_load(struct store *store, struct record_pod ***ret_pods, size_t *ret_n_pods,
        struct record_intent **ret_intents, size_t *ret_n_intents);
void record_intents_free(struct record_intent *intents, size_t n);

/* Transactions: every change below happens inside one (-EINVAL outside); all or nothing: after the first change that
 * failed, the others and store_commit() repeat its error. A commit that fails has rolled back. */
int store_begin(struct store *store);
int store_commit(struct store *store);
void store_rollback(struct store *store); /* no-op outside a transaction */
/* Commits if `r`, what came of the changes, is 0, and rolls back otherwise: what came of it all. */
int store_end(struct store *store, int r);

int store_put_pod(struct store *store, const struct record_pod *pod); /* without its mounts; a new one or an update */
/* -ENOENT for a pod that is not there; deleting what is gone is no error. */
int store_set_state(struct store *store, const char *uuid, enum record_state state, const char *reason);
int store_set_lease(struct store *store, const char *uuid, const struct record_lease *lease);
/* With its mounts. Those of a big pod are out of sight at once and deleted by store_purge(), or at the next start. */
int store_delete_pod(struct store *store, const char *uuid);
/* Inserts (row 0, set on success: a rollback does not take that back) or updates. -ENOENT without the pod or row. */
int store_put_mount(struct store *store, const char *uuid, struct record_mount *mount);
int store_delete_mount(struct store *store, const char *uuid, int64_t row);
/* Inserts or, for a job that is there, updates. */
int store_put_intent(struct store *store, const struct record_intent *intent);
int store_delete_intent(struct store *store, uint64_t job);

/* An intent without detail, outside a transaction and at a fraction of its cost. Whether there was room for it. It ends
 * with the transaction that deletes it or puts another in its place, or rather just after: a crash in between leaves it,
 * and the mounts that name its job say that it was done. */
bool store_note_intent(struct store *store, const struct record_intent *intent);
/* Of one that was noted and came to nothing: whether it was, and is no more. */
bool store_forget_noted(struct store *store, uint64_t job);

/* Deletes some of what deleted pods left, in a transaction of its own, which takes about a millisecond. 1: there may be
 * more, 0: there is none; a negative errno. store_has_buried() says in advance whether there may be any. */
bool store_has_buried(const struct store *store);
int store_purge(struct store *store);

/* A number that no job had before, also not before a restart. Needs no transaction. */
uint64_t store_next_job(struct store *store);
