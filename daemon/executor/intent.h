/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The intent file of one executor, <runtime>/intent/<slot>: which mounts the running job has made, written into a
 * shared mapping before the mount is attached, so that it outlives the executor and the daemon. After a crash, an id
 * that the kernel has was attached, one that it has not was never.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"

struct intent;

struct intent_mount {
        uint32_t step;
        uint32_t mount_id;
        uint64_t id;
};

/* Beside mounts, an entry may be about directories that are about to be made: then its mount_id is 0. */
enum intent_directory {
        INTENT_NO_DIRECTORY,
        INTENT_TARGET,
        INTENT_UPPER,
        INTENT_WORK,
        INTENT_POINT,      /* a mount point on a writable root, a directory… */
        INTENT_POINT_FILE, /* …or the last of it an empty file */
};

/* Maps the file (grown to its full, sparse size). The fd stays the caller's. -ENOSPC when the file system has not even a page. */
int intent_map(int fd, struct intent **ret);
struct intent *intent_free(struct intent *intent);
DEFINE_CLEANUP(struct intent *, intent_free)

/* Executor: a job begins; a mount is about to be attached; the job is over. -E2BIG when the file is full, -ENOSPC
 * when the file system is; what was noted before stays. */
void intent_begin(struct intent *intent, uint64_t job);
int intent_add(struct intent *intent, uint32_t step, uint64_t id, uint32_t mount_id);
/* `made` trailing components of the step's target, or of one of its overlay directories. */
int intent_add_directory(struct intent *intent, uint32_t step, enum intent_directory which, uint32_t made);
/* Whether the entry is such a one, and which. */
enum intent_directory intent_is_directory(const struct intent_mount *entry, uint32_t *ret_made);
/* Whether the entry is about a mount. */
bool intent_is_mount(const struct intent_mount *entry);
/* Whose target the directory that is added next is, where no record will say so after a crash. In a job with very many of them the later
 * ones are not said: the room is for mounts. -ENOSPC. */
int intent_add_place(struct intent *intent, const char *container, const char *target);
/* What was said of the directory of the n-th entry: the container's name followed by the target, the caller's. 1; 0 if nothing was; -ENOMEM. */
int intent_place_of(const struct intent_mount *entries, size_t n, char **ret);
void intent_end(struct intent *intent);

/* Executor: it is at this step of the job now. */
void intent_at(struct intent *intent, uint32_t step);
/* Anybody: which step of the job that is. False if the file does not say, or is about another job. */
bool intent_read_at(int fd, uint64_t job, uint32_t *ret_step);

/* Recovery: the job of the file and what it noted; 1 with a job (also one that ended), 0 with none, -EBADMSG for a
 * damaged file. */
int intent_read(int fd, uint64_t *ret_job, struct intent_mount **ret, size_t *ret_n);
