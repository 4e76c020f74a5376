/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The verbs: one function each, called with a connection (check, options: without one). They return the exit status. */

#include "client/arguments.h"
#include "client/client.h"

typedef int (*verb_fn)(struct client *client, const struct arguments *arguments);

/* Each as podmountctl(1) describes the verb. */
int verb_create(struct client *client, const struct arguments *arguments);
int verb_plan(struct client *client, const struct arguments *arguments);
int verb_bind(struct client *client, const struct arguments *arguments);
int verb_mount(struct client *client, const struct arguments *arguments);
int verb_replace(struct client *client, const struct arguments *arguments);
int verb_unmount(struct client *client, const struct arguments *arguments);
int verb_add_container(struct client *client, const struct arguments *arguments);
int verb_remove_container(struct client *client, const struct arguments *arguments);
int verb_export(struct client *client, const struct arguments *arguments);
int verb_restore(struct client *client, const struct arguments *arguments);
int verb_open_tree(struct client *client, const struct arguments *arguments);
int verb_enter(struct client *client, const struct arguments *arguments);
int verb_prepare_process(struct client *client, const struct arguments *arguments);
int verb_set_namespaces(struct client *client, const struct arguments *arguments);
int verb_gc(struct client *client, const struct arguments *arguments);
int verb_renew(struct client *client, const struct arguments *arguments);
int verb_repair(struct client *client, const struct arguments *arguments);
int verb_list(struct client *client, const struct arguments *arguments);
int verb_show(struct client *client, const struct arguments *arguments);
int verb_tree(struct client *client, const struct arguments *arguments);
int verb_watch(struct client *client, const struct arguments *arguments);
int verb_history(struct client *client, const struct arguments *arguments);
int verb_metrics(struct client *client, const struct arguments *arguments);
int verb_holders(struct client *client, const struct arguments *arguments);
int verb_path_info(struct client *client, const struct arguments *arguments);
int verb_which(struct client *client, const struct arguments *arguments);
int verb_layer(struct client *client, const struct arguments *arguments);
int verb_status(struct client *client, const struct arguments *arguments);
int verb_rescan(struct client *client, const struct arguments *arguments);
int verb_check(struct client *client, const struct arguments *arguments);
int verb_options(struct client *client, const struct arguments *arguments);
