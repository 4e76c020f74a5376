/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The detail of an intent in the store: of an unmount, {"rows":[…]}, the records that are to go, the mount's own first;
 * of a Mount() that is being undone, {"mounts":[[id, recycled id]…],"points":[[container and target, components made, whether the last
 * is a file]…]}, because the intent file of the executor that made
 * them serves the next job by then; of AddContainer() and RemoveContainer(), {"container":…,"mounts":[…]}, the latter
 * holding the container's own tmpfs as soon as one is known to have been made. Ids are written in two halves: JSON's numbers are signed.
 */

#include "executor/intent.h"

struct made;

/* The text, owned by the caller. -ENOMEM. */
int intent_detail_write_rows(const int64_t *rows, size_t n, char **ret);
int intent_detail_write_mounts(const struct intent_mount *mounts, size_t n, char **ret);
int intent_detail_write_made(const struct made *made, char **ret);
/* `tree` may be NULL. */
int intent_detail_write_container(const char *name, const struct intent_mount *tree, char **ret);
/* -EBADMSG for what was not written by the functions above. */
int intent_detail_read_rows(const char *text, int64_t **ret, size_t *ret_n);
/* A zeroed tree if there is none. */
int intent_detail_read_container(const char *text, char **ret_name, struct intent_mount *ret_tree);
int intent_detail_read_mounts(const char *text, struct intent_mount **ret, size_t *ret_n);
/* What it filled on a failure is the caller's, too. */
int intent_detail_read_made(const char *text, struct made *ret);

/* Of a creation: {"host":[…]}, the first step that mounts on the host. -ENOMEM; -EBADMSG. */
int intent_detail_write_host(uint32_t first, char **ret);
int intent_detail_read_host(const char *text, uint32_t *ret);

/* Of a Mount() in the mount namespace with this id: what it has made there. -EBADMSG, -ENOMEM, logged but for the first. */
int intent_detail_write_inside(uint64_t namespace, const struct intent_mount *mounts, size_t n, char **ret);
int intent_detail_read_inside(const char *text, uint64_t *ret_namespace, struct intent_mount **ret, size_t *ret_n);
