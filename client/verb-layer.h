/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The verbs of layer, by noun; verb-layer.c has their table. They return the exit status. */

#include "client/arguments.h"
#include "client/client.h"

/* Prints what one number says, as a member of this name with JSON. */
int layer_print_number(struct client *client, const char *name, uint64_t number);

/* The same of one string. */
int layer_print_string(struct client *client, const char *name, const char *text);

/* verb-layer-import.c */
int layer_import(struct client *client, const struct arguments *arguments);
/* Calls a method of the layer store without arguments, or about a layer, and reads its one value. */
int layer_ask(struct client *client, const char *member, const char *id, struct json_object **ret);

/* verb-layer-diff.c */
int layer_diff(struct client *client, const struct arguments *arguments);
int layer_changes(struct client *client, const struct arguments *arguments);
int layer_size(struct client *client, const struct arguments *arguments);

/* verb-layer-tar.c */
int layer_apply(struct client *client, const struct arguments *arguments);
