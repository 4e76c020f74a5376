/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The mount table of a pod that has a mount namespace to itself. The front, which may not look into that, holds an fd of the text of
 * its table (proc_pid_mountinfo(5)), which an executor or the keeper has opened there: it is read before each operation on the pod and
 * when poll(2) says that it has changed, and it keeps the namespace alive.
 */

#include "pod/pods.h"

struct own_table;

/* An empty one: what the pod has while it is created, and when its namespace is gone. -ENOMEM. */
int own_table_new(struct pods *pods, struct pod *pod);
struct own_table *own_table_free(struct own_table *own);

/* The same for a pod that the store has known before, with the text that the start has found (pods->texts), if any. A negative errno, logged. */
int own_table_resume(struct pods *pods, struct pod *pod);

/* From now on it is what the text says; takes the fd over, also on failure, and reads it. A negative errno, logged. */
int own_table_open(struct pod *pod, int fd);
/* Reads it again; without a text nothing. Whose drift is to be judged is marked. 1 when something changed, 0, or a negative errno, logged. */
int own_table_read(struct pod *pod);

/* Whether the pod's own namespace shows mounts, but nothing at the pod's place, or cannot be looked at although it is there: somebody who entered it has
 * made another directory its root, and all that is on record is out of reach. */
bool own_table_is_astray(const struct pods *pods, const struct pod *pod);

/* Whether a mount namespace is bound to <runtime>/ns/<uuid>, as the host's table has it. */
bool pods_has_pin(const struct pods *pods, const char *uuid);

/* The table that a pod's mounts are in; without a record the host's. */
struct table *pods_table(const struct pods *pods, const struct record_pod *record);
/* Brings the pod's table up to date, as pods_sync() and pods_sync_below() do, and the host's with it. */
int pods_sync_pod(struct pods *pods, struct pod *pod);
int pods_sync_pod_below(struct pods *pods, struct pod *pod, const char *path);
