/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the daemon knows, fetched as JSON values. 0 or EXIT_FAILURE, reported; what is returned is the caller's. */

#include "client/client.h"
#include "util/json.h"

/* [{"UUID": …, "Name": …, "Owner": …, "State": …, "Object": …}, …] */
int fetch_pods(struct client *client, struct json_object **ret);
/* The object path of a pod, found by UUID, name or UUID prefix. */
int fetch_pod_path(struct client *client, const char *id, char **ret);
/* All properties of an interface of an object. */
int fetch_properties(struct client *client, const char *path, const char *interface, struct json_object **ret);
/* All mounts of a pod, page after page. */
int fetch_mounts(struct client *client, const char *path, struct json_object **ret);
/* The pod's properties, with its object path as "Object" and its mounts as "Mounts". */
int fetch_pod(struct client *client, const char *id, struct json_object **ret);
