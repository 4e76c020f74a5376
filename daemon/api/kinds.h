/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which of the mounts that a request asks for need a right of their own: file systems in images and on block
 * devices, because the kernel reads them, and not everybody's bytes are fit for that; mounts on the host, which everybody there
 * sees; namespaces that are bound to files there; and network interfaces. And which cgroups. */

#include "api/request.h"

/* The polkit details of each sort, pairs of key and value, NULL where there is none: "source", "type" and "target",
 * each with a word for every mount; of links "interface" and "kind". */
struct kinds {
        char **images, **devices, **host, **pins, **links;
        char **cgroups; /* "cgroups" alone: their names */
};
void kinds_done(struct kinds *kinds);

/* Reads the request's arguments. One that cannot be understood needs nothing here: it is refused later. -ENOMEM. */
int kinds_read(const struct request *request, struct kinds *ret);
