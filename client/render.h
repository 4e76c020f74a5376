/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Results on stdout: JSON as asked for, tables and trees by libsmartcols. 0 or EXIT_FAILURE, reported. */

#include <stddef.h>

#include "client/client.h"
#include "util/json.h"

struct libscols_line;
struct libscols_table;

enum render_kind {
        RENDER_TEXT, /* strings as they are, numbers in decimal, arrays with commas, booleans as yes and no */
        RENDER_USER, /* a uid, by name where there is one */
        RENDER_TIME, /* microseconds since the epoch, in local time */
        RENDER_PATH, /* relative to a root directory, which is "/" */
};

struct render_column {
        const char *key;     /* member of each row's object */
        const char *heading;
        enum render_kind kind;
        bool right;          /* aligned to the right */
};

/* Whether the run wants JSON. */
bool render_wants_json(const struct client *client);
/* One JSON document and a line feed. */
int render_json(const struct client *client, struct json_object *value);
/* One record of a JSON text sequence (RFC 7464), flushed. */
int render_json_record(struct json_object *value);

/* A table of an array of objects, a row each; nothing at all for an empty one but the `empty` sentence, if there is
 * one. */
int render_table(const struct render_column *columns, size_t n_columns, struct json_object *rows, const char *empty);
/* One line a property, "Heading: value", of one object; members that are absent or empty are left out. */
int render_properties(const struct render_column *columns, size_t n_columns, struct json_object *object);
/* A heading and one line for each string; nothing for an empty or absent array. */
void render_list(const char *heading, struct json_object *strings);
/* The mounts of pods (as fetch_pod() gives them) below each other as they are mounted. */
int render_tree(struct json_object *pods);

/* The "tree" of a plan, each mount under the one that it is put on. */
int render_plan_tree(struct json_object *mounts);

/* For those who draw tables of their own: an empty one, NULL when memory is short; and a cell, escaped. The text is taken over, and may be NULL: -ENOMEM. */
struct libscols_table *render_new_table(void);
int render_cell(struct libscols_line *line, size_t column, char *text);

/* A member as text; "" when it is absent. NULL when memory is short. The caller frees it. */
char *render_text(struct json_object *object, const char *key, enum render_kind kind);
