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

/* verb-layer-tar.c */
int layer_apply(struct client *client, const struct arguments *arguments);
