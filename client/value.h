/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Replies as JSON values: the one form that both --json and the tables are made from. util/bus-json.h reads them. */

#include <systemd/sd-bus.h>

#include "util/bus-json.h"
#include "util/cleanup.h"
#include "util/json.h"

/* Turns an array of structures ([[…], […]]) into one of objects, the fields named in order; NULL-terminated names.
 * -EBADMSG if a structure has another number of fields. */
int value_name_fields(struct json_object *structures, const char *const *names, struct json_object **ret);

/* Members of an object; the fallback when it is absent or of another type. Strings are the object's. */
const char *value_string(struct json_object *object, const char *key, const char *fallback);
uint64_t value_u64(struct json_object *object, const char *key);
/* Borrowed; NULL when absent or no array. */
struct json_object *value_array(struct json_object *object, const char *key);

/* Adds a member that the object owns from here on (released on failure; NULL is a failure). -ENOMEM. */
int value_add(struct json_object *object, const char *key, struct json_object *member);

/* The UUID that a pod's object path ends in; NULL for another path or when memory is short. The caller frees it. */
char *value_uuid_from_path(const char *path);
