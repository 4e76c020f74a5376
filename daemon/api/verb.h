/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the methods of org.podmount1 do at their stations: the entries of the method table (method.h). */

#include "api/request.h"

/* change.c */
/* The fds that came with the call, for an operation to duplicate. */
struct operation_fds request_fds(const struct request *request);
/* The name of the fd that says in which namespace to mount; NULL: in the pod itself. FAILURE_INVALID_ARGS. */
int request_namespace(const struct request *request, const char **ret, struct failure *f);
/* An fd that no source names is a mistake of the caller's: told, rather than closed without a word. */
int request_check_fds(const struct request *request, char *const *used, struct failure *f);
int prepare_create(struct request *request, struct failure *f);
int prepare_plan(struct request *request, struct failure *f);
int prepare_bind(struct request *request, struct failure *f);
int prepare_mount(struct request *request, struct failure *f);
int prepare_unmount(struct request *request, struct failure *f);
int prepare_add_container(struct request *request, struct failure *f);
int prepare_prepare_process(struct request *request, struct failure *f);
int prepare_set_namespaces(struct request *request, struct failure *f);
int prepare_remove_container(struct request *request, struct failure *f);
int encode_create(struct request *request, sd_bus_message *m);
int encode_plan(struct request *request, sd_bus_message *m);
int encode_bind(struct request *request, sd_bus_message *m);
int encode_mount(struct request *request, sd_bus_message *m);

/* lease.c */
/* The number of the connection that a lease or a holder may hang on; 0 where its end would not be told. */
uint64_t request_connection(const struct request *request);
/* The fd that a lease of a process names is used, too. -ENOMEM. */
int request_add_lease_fd(const char *lease, char ***used);
int query_renew(struct request *request, struct failure *f);
int encode_renew(struct request *request, sd_bus_message *m);

/* find.c */
int prepare_find(struct request *request, struct failure *f);
int encode_find(struct request *request, sd_bus_message *m);

/* path-info.c */
int prepare_path_info(struct request *request, struct failure *f);
int encode_path_info(struct request *request, sd_bus_message *m);

/* replace.c */
/* The mount that Replace() names, with its destination; an array of them is for the operation to refuse. */
int request_replacement(const struct request *request, struct spec_mount **ret, size_t *ret_n, struct failure *f);
int prepare_replace(struct request *request, struct failure *f);

/* collect.c */
int prepare_gc(struct request *request, struct failure *f);
int prepare_collect(struct request *request, struct failure *f);
int encode_gc(struct request *request, sd_bus_message *m);
int encode_collect(struct request *request, sd_bus_message *m);

/* repair.c */
int prepare_repair(struct request *request, struct failure *f);
int encode_repair(struct request *request, sd_bus_message *m);

/* export.c */
/* Whether the request's text is an export that Restore() is to take, which may be longer than a spec. */
bool request_restores(const struct request *request);
/* Parses the request's text, a spec or an export, within the limits of its method. */
int request_parse_spec(const struct request *request, struct spec **ret, struct failure *f);
int query_export(struct request *request, struct failure *f);
int encode_export(struct request *request, sd_bus_message *m);
int prepare_restore(struct request *request, struct failure *f);

/* open-tree.c */
int prepare_open_tree(struct request *request, struct failure *f);
int encode_open_tree(struct request *request, sd_bus_message *m);

/* layers.c */
int prepare_create_layer(struct request *request, struct failure *f);
int encode_create_layer(struct request *request, sd_bus_message *m);
int prepare_remove_layer(struct request *request, struct failure *f);
int prepare_get_layer(struct request *request, struct failure *f);
int encode_get_layer(struct request *request, sd_bus_message *m);
int prepare_put_layer(struct request *request, struct failure *f);
int prepare_cleanup_layers(struct request *request, struct failure *f);
int encode_cleanup_layers(struct request *request, sd_bus_message *m);
int prepare_apply_diff(struct request *request, struct failure *f);
int encode_apply_diff(struct request *request, sd_bus_message *m);
int prepare_import_image(struct request *request, struct failure *f);
int encode_import_image(struct request *request, sd_bus_message *m);
int prepare_diff(struct request *request, struct failure *f);
int prepare_changes(struct request *request, struct failure *f);
int prepare_diff_size(struct request *request, struct failure *f);
int prepare_open_diff(struct request *request, struct failure *f);
int encode_diff(struct request *request, sd_bus_message *m);
int encode_changes(struct request *request, sd_bus_message *m);
int encode_diff_size(struct request *request, sd_bus_message *m);
int query_layers(struct request *request, struct failure *f);
int encode_layer_exists(struct request *request, sd_bus_message *m);
int encode_list_layers(struct request *request, sd_bus_message *m);
int query_layer_info(struct request *request, struct failure *f);
int encode_layer_info(struct request *request, sd_bus_message *m);
int encode_layer_status(struct request *request, sd_bus_message *m);

/* history.c */
int encode_history(struct request *request, sd_bus_message *m);

/* metrics.c */
int query_metrics(struct request *request, struct failure *f);
int encode_metrics(struct request *request, sd_bus_message *m);

/* query.c */
int encode_get_pod(struct request *request, sd_bus_message *m);
int encode_list_pods(struct request *request, sd_bus_message *m);
int query_rescan(struct request *request, struct failure *f);
int encode_rescan(struct request *request, sd_bus_message *m);
int query_subscribe(struct request *request, struct failure *f);
int query_unsubscribe(struct request *request, struct failure *f);
int query_unknown(struct request *request, struct failure *f);
