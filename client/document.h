/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The document that a verb is given: a file, a bundle's directory, stdin. The daemon knows neither our working
 * directory nor the bundle's, so relative paths in it are made absolute here (OCI runtime specification, config.md:
 * root.path and the sources of binds are relative to the bundle).
 */

#include <stddef.h>

#include "client/client.h"
#include "util/cleanup.h"
#include "util/json.h"

enum { DOCUMENT_MAX = 120 * 1024 * 1024 }; /* bytes: below what one D-Bus message can hold (128 MiB) */

struct document {
        char *text; /* owned, NUL-terminated; may hold further NUL bytes */
        size_t size;
        bool is_bundle; /* it is the config.json of a directory */
        char *base; /* owned: the directory that relative paths start from */
};

void document_done(struct document *document);
#define _cleanup_document_ _cleanup_(document_done)

/* Reads a spec: a file, the config.json of a directory (with the runtime.json beside it as its member "prepare"), or "-" for stdin. Relative paths are absolute afterwards;
 * with a client that talks to another host or machine they are refused. */
int document_read_spec(const struct client *client, const char *where, struct document *ret);
/* Reads the mounts of `mount`: JSON itself if it begins with { or [, else as above. */
int document_read_mounts(const struct client *client, const char *where, struct document *ret);

/* A path below `base` as an absolute one. A path with ".." is resolved on the file system, as whoever wrote it meant
 * it; where that fails it is only joined, and the daemon says what is wrong with it. NULL when memory is short. */
char *document_absolute(const char *base, const char *path);

/* Makes the relative paths of a whole spec, or of a mount or an array of them, absolute. 1 if something changed, 0
 * if not, -ENOMEM. With `base` NULL nothing is changed and -EXDEV says that there is a relative path. */
int document_absolutize_spec(struct json_object *spec, const char *base);
int document_absolutize_mounts(struct json_object *mounts, const char *base);
