/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the hands that make file systems share. Hands' convention: executor/run.h. */

#include "executor/run.h"
#include "kernel/fscontext.h"

/* The sentence for a context that could not be opened, configured (`option`) or made into a mount. */
int filesystem_failed(
        struct run *run, const struct step *step, const struct fscontext *context, const char *option, int r);

/* Sets the step's options, those that are fds by the number that they have in this process. */
int filesystem_set_options(struct run *run, const struct step *step, struct fscontext *context);

/* Opens the context of a file system that shows a namespace, for the one that the step brings, if it is the caller's to
 * give. `visit` is where this process is until the mount is made. */
struct space_visit;
int filesystem_open_in(struct run *run, const struct step *step, struct fscontext *context, struct space_visit *visit);

/* FUSE and 9p: whether the fds are what they should be; then, what the kernel wants to know besides. */
int server_check(struct run *run, const struct step *step);
int server_set_options(struct run *run, const struct step *step, struct fscontext *context);
/* Whether nothing may be asked of the new file system, because who answers may be waiting for us. */
bool server_is_one(const struct step *step);

/* Whether its root is a file. */
bool server_is_file(const struct step *step);

/* A /dev of the container's own: a tmpfs with the links; once it is placed, the devices on it. */
int devices_make(struct run *run, const struct step *step, int *ret_mount);
int devices_attach(struct run *run, const struct step *step, int mount);
