/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The registry as operations change it; what everybody may ask of it is in pod/pods.h. */

#include "pod/pods.h"

/* Makes a pod known by its UUID and name, which must be free; the pod is the registry's on success. */
int pods_add(struct pods *pods, struct pod *pod);
/* Forgets and frees a pod; whoever waits for it is resumed and finds it gone. */
void pods_remove(struct pods *pods, struct pod *pod);
struct pod *pods_find_name(const struct pods *pods, uid_t owner, const char *name);

/* "<runtime>/pods/<uuid>"; NULL when memory is short. */
char *pods_directory(const struct pods *pods, const char *uuid);
/* Brings the table up to date. */
int pods_sync(struct pods *pods);
/* The same, exact to the path of every mount that lies at or below `path`. Entries may go: find them again. */
int pods_sync_below(struct pods *pods, const char *path);

/* Has the loop delete, whenever it is idle, what pods that were forgotten left in the store. */
void pods_purge_later(struct pods *pods);

/* Has the loop write down what records of mounts are marked `unsaved`: when it is idle, or, unless it is `urgent`, a
 * while later, together with more of it and without what is collected by then. */
void pods_remember_later(struct pods *pods, bool urgent);

/* Frees an operation that will hear nothing more, without touching pods or store: at the end of the registry. */
void operation_forget(struct operation *operation);

/* What the observer is told, if there is one. */
void tell_new(struct pods *pods, struct pod *pod);
void tell_removed(struct pods *pods, struct pod *pod, const char *reason);
void tell_changed(struct pods *pods, struct pod *pod);
/* Mounts from..n of the pod's record were added. */
void tell_added(struct pods *pods, struct pod *pod, size_t from);
void tell_mounts_added(struct pods *pods, struct pod *pod, const struct record_mount *mounts, size_t n);
void tell_mounts_removed(struct pods *pods, struct pod *pod, const struct record_mount *mounts, size_t n);
