/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The methods of org.podmount1.LayerStore. A layer that the caller may not see is answered like one that is not there. */

#include <string.h>

#include "api/verb.h"
#include "api/wire.h"
#include "layer/holders.h"
#include "layer/uses.h"
#include "pod/layer-mount.h"
#include "pod/operation-layer.h"
#include "util/log.h"

enum {
        LAYERS_PAGE_MAX = 10000,             /* layers that one ListLayers() tells of… */
        LAYERS_PAGE_BYTES = 8 * 1024 * 1024, /* …and about how many bytes */
};

static struct layers *layers_of(const struct request *request) {
        return request->api->pods->layers;
}

static int add(struct request *request, int r, struct operation *operation) {
        if (r != 0)
                return r;
        return request_add_work(request, operation, NULL) ? 0 : log_oom();
}

int prepare_create_layer(struct request *request, struct failure *f) {
        const struct arguments *arguments = &request->arguments;
        const struct layer_asked asked = {
                .id = arguments->layer,
                .parent = arguments->parent,
                .read_write = arguments->read_write,
                .label = arguments->label,
                .uid_map = arguments->uid_map,
                .gid_map = arguments->gid_map,
                .metadata = arguments->metadata,
        };
        struct operation *operation = NULL;
        int r = operation_new_layer_create(request->api->pods, &request->peer->caller, &asked, &operation, f);

        return add(request, r, operation);
}

int encode_create_layer(struct request *request, sd_bus_message *m) {
        const char *id = operation_layer(request->works[0]->operation);

        return id ? sd_bus_message_append(m, "s", id) : -EIO;
}

int prepare_remove_layer(struct request *request, struct failure *f) {
        struct operation *operation = NULL;
        int r = operation_new_layer_remove(request->api->pods, &request->peer->caller, request->arguments.layer, &operation, f);

        return add(request, r, operation);
}

/* Without a name a holder is the one that has none. */
static const char *holder_of(const struct arguments *arguments) {
        return arguments->holder ? arguments->holder : "default";
}

/* The connection that a holder goes with; 0: none. */
static int connection_of(const struct request *request, uint64_t *ret, struct failure *f) {
        *ret = request->arguments.connection_bound ? request->peer->number : 0;
        if (*ret != 0 && request->peer->caller.transport == CALLER_BUS && !request->peer->watch_slot)
                return failure_set(f, FAILURE_QUOTA_EXCEEDED,
                                   "The bus does not tell podmountd when another connection ends: use the private socket, or hold the layer by a name");
        return 0;
}

int prepare_get_layer(struct request *request, struct failure *f) {
        struct operation *operation = NULL;
        uint64_t connection;
        int r = connection_of(request, &connection, f);

        if (r == 0)
                r = operation_new_layer_get(request->api->pods, &request->peer->caller, request->arguments.layer,
                                            holder_of(&request->arguments), connection, &operation, f);
        return add(request, r, operation);
}

int encode_get_layer(struct request *request, sd_bus_message *m) {
        const char *path = operation_layer_path(request->works[0]->operation);

        return path ? wire_append_text(m, path) : -EIO;
}

int prepare_put_layer(struct request *request, struct failure *f) {
        const struct arguments *arguments = &request->arguments;
        struct operation *operation = NULL;
        const struct caller *caller = &request->peer->caller;
        const uid_t owner = arguments->owner != ARGUMENTS_NO_UID ? arguments->owner : caller->uid;
        uint64_t connection;
        int r = connection_of(request, &connection, f);

        if (r == 0 && owner != caller->uid && !caller_is_root(caller))
                r = failure_set(f, FAILURE_ACCESS_DENIED, "The option owner is for root: what others hold they put back themselves");
        if (r == 0)
                r = operation_new_layer_put(request->api->pods, caller, arguments->layer, holder_of(arguments), owner, connection, arguments->all,
                                            &operation, f);
        return add(request, r, operation);
}

int prepare_apply_diff(struct request *request, struct failure *f) {
        const struct operation_fds fds = request_fds(request);
        struct operation *operation = NULL;
        int r = operation_new_layer_apply(request->api->pods, &request->peer->caller, request->arguments.layer, &fds, &operation, f);

        return add(request, r, operation);
}

int encode_apply_diff(struct request *request, sd_bus_message *m) {
        return sd_bus_message_append(m, "t", operation_layer_bytes(request->works[0]->operation));
}

static int prepare_reading(struct request *request, enum layer_reading reading, struct failure *f) {
        const struct arguments *arguments = &request->arguments;
        struct operation *operation = NULL;
        int r = operation_new_layer_read(request->api->pods, &request->peer->caller, reading, arguments->layer,
                                         arguments->parent ? arguments->parent : "", &operation, f);

        return add(request, r, operation);
}

int prepare_diff(struct request *request, struct failure *f) {
        return prepare_reading(request, LAYER_READ_DIFF, f);
}

int prepare_changes(struct request *request, struct failure *f) {
        return prepare_reading(request, LAYER_READ_CHANGES, f);
}

int prepare_diff_size(struct request *request, struct failure *f) {
        return prepare_reading(request, LAYER_READ_SIZE, f);
}

int prepare_open_diff(struct request *request, struct failure *f) {
        return prepare_reading(request, LAYER_READ_OPEN, f);
}

/* The message has its own copy: that its reader goes is seen by whoever writes. */
int encode_diff(struct request *request, sd_bus_message *m) {
        _cleanup_close_ int fd = operation_layer_take_fd(request->works[0]->operation);

        return sd_bus_message_append(m, "h", fd);
}

int encode_changes(struct request *request, sd_bus_message *m) {
        size_t left;
        const char *at = operation_layer_changes(request->works[0]->operation, &left);
        int r = sd_bus_message_open_container(m, 'a', "(sss)");

        while (r >= 0 && left > 0) {
                r = sd_bus_message_open_container(m, 'r', "sss");
                for (int i = 0; i < 3 && r >= 0; i++) {
                        size_t size = strnlen(at, left);

                        if (size == left)
                                return -EBADMSG; /* a worker that was taken over */
                        r = wire_append_text(m, at);
                        at += size + 1;
                        left -= size + 1;
                }
                if (r >= 0)
                        r = sd_bus_message_close_container(m);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int encode_diff_size(struct request *request, sd_bus_message *m) {
        return sd_bus_message_append(m, "t", operation_layer_size(request->works[0]->operation));
}

int prepare_cleanup_layers(struct request *request, struct failure *f) {
        const struct layers *layers = layers_of(request);
        const struct caller *caller = &request->peer->caller;
        const struct layer *layer;
        int r = layers_check(layers, f);

        if (r != 0)
                return r;
        MAP_FOREACH(layer, layers->by_id) {
                struct operation *operation;

                if (!layer->mounted || holders_of_mount(layer) > 0 || !layers_may_see(layer, caller))
                        continue;
                r = operation_new_layer_let_go(request->api->pods, caller, layer->record->id, &operation, f);
                if (r != 0)
                        return r;
                if (!request_add_work(request, operation, layer->record->id))
                        return log_oom();
        }
        request->number = layers_purge_again(request->api->pods, caller);
        return 0;
}

int encode_cleanup_layers(struct request *request, sd_bus_message *m) {
        uint32_t n = (uint32_t) request->number;

        for (size_t i = 0; i < request->n_works; i++)
                n += request->works[i]->operation && operation_layer_unmounted(request->works[i]->operation);
        return sd_bus_message_append(m, "u", n);
}

int query_layers(struct request *request, struct failure *f) {
        return layers_check(layers_of(request), f);
}

int encode_layer_exists(struct request *request, sd_bus_message *m) {
        return sd_bus_message_append(m, "b", layers_find(layers_of(request), request->arguments.layer, &request->peer->caller) != NULL);
}

static int append_metadata(sd_bus_message *m, char *const *metadata) {
        int r = sd_bus_message_open_container(m, 'e', "sv");

        if (r >= 0)
                r = sd_bus_message_append(m, "s", "Metadata");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "a{ss}");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{ss}");
        for (; r >= 0 && metadata && metadata[0]; metadata += 2)
                r = sd_bus_message_append(m, "{ss}", metadata[0], metadata[1]);
        for (unsigned i = 0; r >= 0 && i < 3; i++)
                r = sd_bus_message_close_container(m);
        return r;
}

static int append_holders(sd_bus_message *m, const struct layer *layer, const struct caller *caller) {
        int r = sd_bus_message_open_container(m, 'e', "sv");

        if (r >= 0)
                r = sd_bus_message_append(m, "s", "Holders");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "aa{sv}");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "a{sv}");
        for (size_t i = 0; r >= 0 && i < layer->n_holders; i++) {
                const struct holder *holder = &layer->holders[i];

                /* What is for everybody others hold, too, and who they are is theirs. */
                if (layer->store && !caller_is_root(caller) && holder->owner != caller->uid)
                        continue;
                r = sd_bus_message_append(m, "a{sv}", 4, "Name", "s", holder->name, "UID", "u", (uint32_t) holder->owner,
                                          "Count", "u", holder->count, "ConnectionBound", "b", holder->connection != 0);
        }
        for (unsigned i = 0; r >= 0 && i < 3; i++)
                r = sd_bus_message_close_container(m);
        return r;
}

/* Where it is mounted, "" if it is not. */
static int append_path(const struct pods *pods, sd_bus_message *m, const struct layer *layer) {
        _cleanup_free_ char *path = layer->mounted ? layer_path(pods, layer) : strdup("");

        return path ? wire_append_entry(m, "Path", path) : -ENOMEM;
}

/* It is the affair of who has read it. */
static const char *diff_error(const struct layer *layer, const struct caller *caller) {
        return layer->diff_error && (caller_is_root(caller) || layer->diff_user == caller->uid) ? layer->diff_error : "";
}

static int append_layer(const struct pods *pods, sd_bus_message *m, const struct layer *layer, const struct caller *caller) {
        const struct record_layer *record = layer->record;
        int r = sd_bus_message_open_container(m, 'a', "{sv}");

        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}",
                                          "ID", "s", record->id,
                                          "Number", "t", layer_list_number(layer),
                                          "Parent", "s", layer->parent ? layer->parent->record->id : "",
                                          "Owner", "u", (uint32_t) record->owner,
                                          "ReadWrite", "b", record->read_write,
                                          "Label", "s", record->label ?: "",
                                          "UIDMap", "s", record->uid_map ?: "",
                                          "GIDMap", "s", record->gid_map ?: "",
                                          "Depth", "u", layer->depth,
                                          "Children", "u", layer->n_children,
                                          "CreatedTimestamp", "t", record->created_us);
        if (r >= 0)
                r = wire_append_entry(m, "ChainID", record->chain ?: "");
        if (r >= 0)
                r = wire_append_entry(m, "Store", layer->store ?: "");
        if (r >= 0)
                r = wire_append_entry(m, "Problem", layer_problem(layer));
        if (r >= 0)
                r = wire_append_entry(m, "LastDiffError", diff_error(layer, caller));
        if (r >= 0)
                r = append_path(pods, m, layer);
        if (r >= 0)
                r = append_holders(m, layer, caller);
        if (r >= 0)
                r = append_metadata(m, record->metadata);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int compare_layers(const void *a, const void *b) {
        const struct layer *x = *(const struct layer *const *) a, *y = *(const struct layer *const *) b;

        return (layer_list_number(x) > layer_list_number(y)) - (layer_list_number(x) < layer_list_number(y));
}

/* About how many bytes of a message the layer is. */
static size_t size_of(const struct layer *layer) {
        enum { FIXED = 1024, EACH = 128 /* what is told beside texts */ };
        size_t size = FIXED + (layer->diff_error ? strlen(layer->diff_error) : 0);

        for (char **text = layer->record->metadata; text && *text; text++)
                size += EACH + strlen(*text);
        for (size_t i = 0; i < layer->n_holders; i++)
                size += EACH + strlen(layer->holders[i].name);
        return size;
}

/* In the order of their creation: parents first. A page ends where a message would become too big for a bus; there is always one
 * layer on it, unless there is none left. */
int encode_list_layers(struct request *request, sd_bus_message *m) {
        const struct layers *layers = layers_of(request);
        const struct arguments *arguments = &request->arguments;
        uint32_t limit = arguments->limit == 0 || arguments->limit > LAYERS_PAGE_MAX ? LAYERS_PAGE_MAX : arguments->limit;
        _cleanup_free_ const struct layer **list = calloc(map_size(layers->by_id) + 1, sizeof(*list));
        const struct layer *layer;
        size_t n = 0, size = 0;
        int r;

        if (!list)
                return -ENOMEM;
        MAP_FOREACH(layer, layers->by_id)
                if (layer->record->state == RECORD_LAYER_READY && layer_list_number(layer) > arguments->after &&
                    layers_may_see(layer, &request->peer->caller))
                        list[n++] = layer;
        qsort(list, n, sizeof(*list), compare_layers);
        r = sd_bus_message_open_container(m, 'a', "a{sv}");
        for (size_t i = 0; i < n && i < limit && r >= 0; i++) {
                size += size_of(list[i]);
                if (i > 0 && size > LAYERS_PAGE_BYTES)
                        break;
                r = append_layer(request->api->pods, m, list[i], &request->peer->caller);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int query_layer_info(struct request *request, struct failure *f) {
        int r = query_layers(request, f);

        if (r == 0 && !layers_find(layers_of(request), request->arguments.layer, &request->peer->caller))
                r = layers_no_such(request->arguments.layer, f);
        return r;
}

int encode_layer_info(struct request *request, sd_bus_message *m) {
        struct layer *layer = layers_find(layers_of(request), request->arguments.layer, &request->peer->caller);

        /* Somebody may have unmounted it; whoever works on it knows better. */
        if (layer && layer->mounted && !layer->busy)
                (void) layer_look(request->api->pods, layer); /* logged; then what was known is told */
        return layer ? append_layer(request->api->pods, m, layer, &request->peer->caller) : -ENOENT;
}

static int append_backing(sd_bus_message *m, const struct backing *backing) {
        _cleanup_free_ char *name = backing_name(backing);

        if (!name)
                return -ENOMEM;
        return sd_bus_message_append(m, "{sv}{sv}{sv}{sv}{sv}{sv}",
                                     "FileSystem", "s", name,
                                     "TellsTypes", "b", backing->d_type,
                                     "Attributes", "b", backing->xattrs,
                                     "Whiteouts", "b", backing->whiteouts,
                                     "Lower", "b", backing->lower,
                                     "Upper", "b", backing->upper);
}

static int append_stores(sd_bus_message *m, const struct layers *layers) {
        int r = sd_bus_message_open_container(m, 'e', "sv");

        if (r >= 0)
                r = sd_bus_message_append(m, "s", "Stores");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "aa{sv}");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "a{sv}");
        for (size_t i = 0; r >= 0 && i < layers->n_stores; i++) {
                const struct layers_store *store = &layers->stores[i];

                r = sd_bus_message_append(m, "a{sv}", 4, "Path", "s", store->path, "Usable", "b", !store->reason, "Reason", "s", store->reason ?: "",
                                          "Layers", "u", store->n_layers);
        }
        for (unsigned i = 0; r >= 0 && i < 3; i++)
                r = sd_bus_message_close_container(m);
        return r;
}

/* Also where there is no store, for that is what it says then. */
int encode_layer_status(struct request *request, sd_bus_message *m) {
        const struct layers *layers = layers_of(request);
        const struct caller *caller = &request->peer->caller;
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        const struct layer *layer;
        uint32_t n = 0, n_mounted = 0, n_removing = 0;
        int r = layers_check_backing(layers, &f);

        if (r < 0)
                return r;
        MAP_FOREACH(layer, layers->by_id) {
                bool seen = layer->record->state == RECORD_LAYER_READY && layers_may_see(layer, caller);

                n += seen && !layer->store;
                n_mounted += seen && layer->mounted;
        }
        for (size_t i = 0; i < layers->n_removing; i++)
                n_removing += layers_may_see(layers->removing[i], caller);
        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = wire_append_entry(m, "StateDirectory", layers->path);
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}", "Usable", "b", f.kind == FAILURE_NONE);
        if (r >= 0)
                r = wire_append_entry(m, "Reason", f.text);
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}{sv}{sv}{sv}", "Layers", "u", n, "Mounted", "u", n_mounted, "Removing", "u", n_removing, "ChainMax", "u",
                                          (uint32_t) LAYERS_CHAIN_MAX);
        if (r >= 0)
                r = append_stores(m, layers);
        if (r >= 0 && layers->store && layers->backing)
                r = append_backing(m, layers->backing);
        return r < 0 ? r : sd_bus_message_close_container(m);
}
