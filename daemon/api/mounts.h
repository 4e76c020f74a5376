/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The mounts of a pod as rows: what is on record, what the table shows of it, and what of it has drifted. */

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "api/request.h"

enum { MOUNTS_PAGE_MAX = 10000 /* rows of one ListMounts() */ };

/* The pod's own tmpfs holds the containers' roots; it is of no use to clients and left out of lists, counts and signals. */
bool mounts_is_shown(const struct record_mount *mount);
uint32_t mounts_count(const struct pod *pod);

/* <runtime>/pods/<uuid>; the caller's. NULL: memory. */
char *mounts_pod_directory(const struct api *api, const struct pod *pod);

/* ListMounts() of either interface: aa{sv}, in the order of ids, after `after`, at most `limit`. */
int prepare_list_mounts(struct request *request, struct failure *f);
int encode_list_mounts(struct request *request, sd_bus_message *m);
