/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.freedesktop.DBus.ObjectManager at /org/podmount1: the pods that the caller may see. */

#include "api/request.h"

/* Appends a{sa{sv}}: the interfaces of a pod with their properties, as this caller sees them. */
int objects_append_interfaces(const struct api *api, const struct caller *caller, const struct pod *pod, sd_bus_message *m);
/* The names of those interfaces, NULL-terminated. */
extern const char *const objects_pod_interfaces[];

/* The answer to GetManagedObjects(). */
int encode_managed_objects(struct request *request, sd_bus_message *m);
