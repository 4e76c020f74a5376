/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The search for who keeps mounts alive, as its files share it. It is made in a worker, which sees the host's processes by an fd of /proc and
 * its files by an fd of its root directory, opens none of them, and tells its front row by row (plan/holder.h).
 *
 *     holders-mounts.c    which mounts are meant, and their copies in other mount namespaces
 *     holders-process.c   what each process has there
 *     holders-devices.c   loop devices, swap files and overlays
 *
 * Functions return 0 or a negative errno, which ends the search: the front is gone, memory is short, or time is over. What goes meanwhile, and what may not be
 * looked at, is left out.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "executor/worker.h"
#include "kernel/elsewhere.h"
#include "plan/holder.h"
#include "plan/step.h"
#include "util/map.h"

/* A mount namespace. */
struct holders_space {
        uint64_t id;   /* 0 where the kernel has none */
        ino_t inode;
        pid_t pid;     /* of a process that lives there, the first one seen; 0: none */
};

struct holders_overlay {
        size_t space;  /* which of the spaces */
        uint32_t mount_id;
        char *point, *options;
};

struct holders_mount;

struct holders {
        struct worker *worker;
        const struct job *job;
        int proc, root, sys;
        int table;           /* the text of the first space's mount table */
        pid_t host;          /* a process of the host's mount namespace */
        ino_t host_inode;
        uint32_t pods_mount; /* the recycled id of what pods/ lies on */
        bool unique;         /* mounts are told apart by their unique ids */

        struct holders_space *spaces; /* that of the pod is the first: the host's, or its own */
        size_t n_spaces;
        struct map *by_inode; /* → spaces, as index + 1 */

        struct holders_mount *mounts; /* of the first space, all of them */
        size_t n_mounts;
        struct map *named;    /* the job's steps, by the id that each names */
        struct map *kept;     /* ids of what is meant and of its copies, of the sort that `unique` says, … */
        struct map *recycled; /* …and the recycled ones */
        struct map *by_root;  /* "device:root" → the mounts that are meant */
        struct map *devices, *trees; /* of their file systems, and of the pods' own tmpfs among these */
        bool stacked;         /* one of them is an overlay: what is mapped may seem to be of another device */

        struct holders_overlay *overlays;
        size_t n_overlays, overlay_bytes;
        struct map *overlay_devices; /* of what is in them: all mounts of one have its layers */

        uint8_t portion[STREAM_BYTES_MAX];
        size_t portion_size;
        size_t n_rows, n_bytes;
        bool full;            /* the answer is, or the time is over: nothing more is told */
        int64_t until_ms;     /* CLOCK_MONOTONIC */
        unsigned steps;       /* since the clock was asked */
};

/* To be called at each step of something long: says that the search goes on, now and then. -ETIME when it has taken so long that it had better end,
 * which is told by then. */
int holders_pulse(struct holders *holders);

/* Whether something lies on one of the mounts. */
bool holders_has(const struct holders *holders, uint64_t id, bool unique);
/* The same of a magic link of /proc. */
bool holders_has_link(const struct holders *holders, int directory, const char *name);
/* The same of a path that a process sees whose root directory is `root`, or, if `path` is that of a deleted file, of its directory. */
bool holders_has_path(const struct holders *holders, int root, const char *path);

/* Tells a row, of a process with what is known of it, if the caller may know. */
int holders_tell(struct holders *holders, const struct mount_holder *row);
int holders_tell_process(struct holders *holders, enum holder_kind kind, pid_t pid, const char *detail);
int holders_flush(struct holders *holders);

/* As map_put_u64(), and what is there stays. */
int holders_put_once(struct map *map, uint64_t key, void *value);

/* In this order. */
int holders_find_mounts(struct holders *holders);
int holders_find_spaces(struct holders *holders);
int holders_find_copies(struct holders *holders);
int holders_find_processes(struct holders *holders);
int holders_find_devices(struct holders *holders);

/* Every process, in the order of /proc. */
int holders_each_process(struct holders *holders, int (*fn)(struct holders *holders, pid_t pid, int directory));
