/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * D-Bus values as JSON and back, by their signatures: what varlink and D-Bus say of the same call. Strings and object paths are
 * strings, integers are integers, arrays are arrays, dictionaries and structures are objects, a variant is what it holds, an fd is
 * its place among the fds that go with the message. Keys of a{sv} have '_' in JSON where D-Bus has '-': varlink knows no '-'.
 */

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "util/json.h"

/* The fds that go with a message. */
struct bus_json_fds {
        int *fds;     /* owned by whoever has this */
        size_t n_fds;
        bool *used;   /* for bus_json_append(): room for n_fds, set for those that a value names; NULL if nobody asks */
};

/* Closes and forgets all of them. */
void bus_json_fds_done(struct bus_json_fds *fds);

/* Reads the next complete value of a message; JSON's null for an fd if `fds` is NULL, else duplicates of the fds go there. `fields`:
 * what the members of the value's structures are called, separated by spaces; NULL: structures become arrays. -EBADMSG at the
 * message's end and for what has no JSON form, -ENOMEM, or what sd-bus says. */
int bus_json_read(sd_bus_message *m, const char *fields, struct bus_json_fds *fds, struct json_object **ret);

/* The same with structures as arrays, fds as JSON's null, and keys as they are. */
int bus_json_read_as_is(sd_bus_message *m, struct json_object **ret);

/* Appends a value as one of D-Bus type `type`. What a variant in it holds, its JSON tells: true b, 1 t, -1 x, "" s, ["",] as, [{},] aa{sv},
 * {} a{sv}. -EBADMSG for a value of another type or out of its range, else a negative errno. */
int bus_json_append(sd_bus_message *m, const char *type, const char *fields, struct json_object *value, const struct bus_json_fds *fds);

/* Length of the complete D-Bus type that a signature begins with; 0 if there is none. */
size_t bus_json_type_length(const char *signature);

/* Another spelling of a key: '_' for '-', or '-' for '_'. The caller frees it; NULL when memory is short. */
char *bus_json_key(const char *key, bool to_json);
