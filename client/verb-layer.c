/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* layer: the verbs of the layer store, one function each. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/call.h"
#include "client/connection.h"
#include "client/render.h"
#include "client/report.h"
#include "client/value.h"
#include "client/verb.h"
#include "client/verb-layer.h"
#include "dbus/names.h"

static int new_call(struct client *client, const char *member, sd_bus_message **ret) {
        return call_new(client, PODMOUNT_OBJECT_PATH, PODMOUNT_LAYER_STORE_INTERFACE, member, ret);
}

static int append_metadata(sd_bus_message *m, char *const *metadata) {
        int r;

        if (!metadata)
                return 0;
        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", "metadata");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "a{ss}");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{ss}");
        for (; r >= 0 && metadata[0]; metadata += 2)
                r = sd_bus_message_append(m, "{ss}", metadata[0], metadata[1]);
        for (unsigned i = 0; r >= 0 && i < 3; i++)
                r = sd_bus_message_close_container(m);
        return r;
}

/* Prints what one string says, as a member of this name with JSON. */
int layer_print_string(struct client *client, const char *name, const char *text) {
        _cleanup_json_ struct json_object *result = NULL;

        if (!render_wants_json(client)) {
                puts(text);
                return 0;
        }
        result = json_object_new_object();
        if (!result || value_add(result, name, json_object_new_string(text)) < 0)
                return report_oom();
        return render_json(client, result);
}

int layer_print_number(struct client *client, const char *name, uint64_t number) {
        _cleanup_json_ struct json_object *result = NULL;

        if (!render_wants_json(client)) {
                printf("%" PRIu64 "\n", number);
                return 0;
        }
        result = json_object_new_object();
        if (!result || value_add(result, name, json_object_new_uint64(number)) < 0)
                return report_oom();
        return render_json(client, result);
}

static int create(struct client *client, const struct arguments *arguments) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        const char *id;
        int r;

        if (!arguments->uid_map != !arguments->gid_map)
                return report_usage("--uid-map and --gid-map are given together or not at all");
        r = new_call(client, "CreateLayer", &m);
        if (r != 0)
                return r;
        r = sd_bus_message_append(m, "ss", arguments->id ? arguments->id : "", arguments->parent ? arguments->parent : "");
        if (r >= 0)
                r = call_open_options(client, m);
        if (r >= 0)
                r = call_option_true(m, "read-write", arguments->given & ARGUMENT_READ_WRITE);
        if (r >= 0)
                r = call_option_string(m, "label", arguments->label);
        if (r >= 0)
                r = call_option_string(m, "uid-map", arguments->uid_map);
        if (r >= 0)
                r = call_option_string(m, "gid-map", arguments->gid_map);
        if (r >= 0)
                r = append_metadata(m, arguments->metadata);
        if (r >= 0)
                r = call_close_options(m);
        r = call_send(client, m, r, &reply);
        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "s", &id);
        return r < 0 ? call_bad_reply(r) : layer_print_string(client, "ID", id);
}

/* A call about one layer and its holder. */
static int send_hold(struct client *client, const struct arguments *arguments, const char *member, sd_bus_message **ret_reply) {
        _cleanup_message_unref_ sd_bus_message *m = NULL;
        int r = new_call(client, member, &m);

        if (r != 0)
                return r;
        r = sd_bus_message_append(m, "s", arguments->words[2]);
        if (r >= 0)
                r = call_open_options(client, m);
        if (r >= 0)
                r = call_option_string(m, "holder", arguments->holder);
        if (r >= 0)
                r = call_option_true(m, "all", arguments->given & ARGUMENT_ALL);
        if (r >= 0 && arguments->given & ARGUMENT_OWNER)
                r = sd_bus_message_append(m, "{sv}", "owner", "u", arguments->owner);
        if (r >= 0)
                r = call_close_options(m);
        return call_send(client, m, r, ret_reply);
}

static int get(struct client *client, const struct arguments *arguments) {
        _cleanup_message_unref_ sd_bus_message *reply = NULL;
        const char *path;
        int r = send_hold(client, arguments, "GetLayer", &reply);

        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "s", &path);
        return r < 0 ? call_bad_reply(r) : layer_print_string(client, "Path", path);
}

/* Says with JSON that all is done. */
static int print_nothing(struct client *client) {
        _cleanup_json_ struct json_object *result = NULL;

        if (!render_wants_json(client))
                return 0;
        result = json_object_new_object();
        return result ? render_json(client, result) : report_oom();
}

static int put(struct client *client, const struct arguments *arguments) {
        _cleanup_message_unref_ sd_bus_message *reply = NULL;
        int r = send_hold(client, arguments, "PutLayer", &reply);

        return r != 0 ? r : print_nothing(client);
}

static int remove_one(struct client *client, const char *id) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        int r = new_call(client, "RemoveLayer", &m);

        if (r != 0)
                return r;
        r = sd_bus_message_append(m, "s", id);
        if (r >= 0)
                r = call_open_options(client, m);
        if (r >= 0)
                r = call_close_options(m);
        return call_send(client, m, r, &reply);
}

/* The failure of one does not keep the others. */
static int remove_all(struct client *client, const struct arguments *arguments) {
        int all = 0;

        for (size_t i = 2; i < arguments->n_words; i++) {
                int r = remove_one(client, arguments->words[i]);

                all = all != 0 ? all : r;
        }
        return all != 0 ? all : print_nothing(client);
}

/* A call whose one argument is an id, or none, and its answer. */
int layer_ask(struct client *client, const char *member, const char *id, struct json_object **ret) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        int r = new_call(client, member, &m);

        if (r != 0)
                return r;
        r = call_send(client, m, id ? sd_bus_message_append(m, "s", id) : 0, &reply);
        if (r != 0)
                return r;
        r = bus_json_read_as_is(reply, ret);
        return r < 0 ? call_bad_reply(r) : 0;
}

static int cleanup(struct client *client, const struct arguments *arguments _unused_) {
        _cleanup_json_ struct json_object *count = NULL, *result = NULL;
        int r = layer_ask(client, "Cleanup", NULL, &count);

        if (r != 0)
                return r;
        if (!render_wants_json(client)) {
                puts(json_object_get_string(count));
                return 0;
        }
        result = json_object_new_object();
        if (!result || value_add(result, "Count", json_object_get(count)) < 0)
                return report_oom();
        return render_json(client, result);
}

static int fetch_page(struct client *client, uint64_t after, struct json_object **ret) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        int r = new_call(client, "ListLayers", &m);

        if (r != 0)
                return r;
        r = call_open_options(client, m);
        if (r >= 0 && after > 0)
                r = call_option_u64(m, "after", after);
        if (r >= 0)
                r = call_close_options(m);
        r = call_send(client, m, r, &reply);
        if (r != 0)
                return r;
        r = bus_json_read_as_is(reply, ret);
        return r < 0 ? call_bad_reply(r) : 0;
}

/* How many are on a page depends on what there is to tell of them: the last page is the one with none. */
static int fetch_layers(struct client *client, struct json_object **ret) {
        _cleanup_json_ struct json_object *layers = json_object_new_array();
        uint64_t after = 0;

        if (!layers)
                return report_oom();
        for (;;) {
                _cleanup_json_ struct json_object *page = NULL;
                int r = fetch_page(client, after, &page);
                size_t n = r == 0 ? json_object_array_length(page) : 0;

                if (r != 0)
                        return r;
                for (size_t i = 0; i < n; i++)
                        if (json_object_array_add(layers, json_object_get(json_object_array_get_idx(page, i))) < 0)
                                return report_oom();
                if (n == 0 || value_u64(json_object_array_get_idx(page, n - 1), "Number") <= after)
                        break;
                after = value_u64(json_object_array_get_idx(page, n - 1), "Number");
        }
        *ret = TAKE_PTR(layers);
        return 0;
}

static int list(struct client *client, const struct arguments *arguments _unused_) {
        static const struct render_column columns[] = {
                {"ID", "LAYER", RENDER_TEXT, false},   {"Parent", "PARENT", RENDER_TEXT, false},
                {"Owner", "OWNER", RENDER_USER, false}, {"ReadWrite", "READ-WRITE", RENDER_TEXT, false},
                {"Store", "STORE", RENDER_TEXT, false}, {"Depth", "DEPTH", RENDER_TEXT, true}, {"CreatedTimestamp", "CREATED", RENDER_TIME, false},
                {"Path", "MOUNTED AT", RENDER_TEXT, false},
        };
        _cleanup_json_ struct json_object *layers = NULL;
        int r = fetch_layers(client, &layers);

        if (r != 0)
                return r;
        return render_wants_json(client) ? render_json(client, layers) : render_table(columns, ELEMENTSOF(columns), layers, "No layers.");
}

static void print_metadata(struct json_object *layer) {
        struct json_object *metadata;

        if (!json_object_object_get_ex(layer, "Metadata", &metadata))
                return;
        json_object_object_foreach(metadata, key, value) {
                _cleanup_free_ char *name = report_escape(key), *text = report_escape(json_object_get_string(value));

                printf("Metadata: %s=%s\n", name ? name : "", text ? text : "");
        }
}

static void print_holders(struct json_object *layer) {
        struct json_object *holders = value_array(layer, "Holders");

        for (size_t i = 0; holders && i < json_object_array_length(holders); i++) {
                struct json_object *holder = json_object_array_get_idx(holders, i), *bound;
                _cleanup_free_ char *name = report_escape(value_string(holder, "Name", ""));
                _cleanup_free_ char *user = render_text(holder, "UID", RENDER_USER);

                (void) json_object_object_get_ex(holder, "ConnectionBound", &bound);
                printf("Held by: %s of %s, %" PRIu64 " times%s\n", name ? name : "", user ? user : "", value_u64(holder, "Count"),
                       json_object_get_boolean(bound) ? ", until it disconnects" : "");
        }
}

static int info(struct client *client, const struct arguments *arguments) {
        static const struct render_column columns[] = {
                {"ID", "ID", RENDER_TEXT, false},
                {"Parent", "Parent", RENDER_TEXT, false},
                {"Owner", "Owner", RENDER_USER, false},
                {"ReadWrite", "Read-write", RENDER_TEXT, false},
                {"Label", "Label", RENDER_TEXT, false},
                {"UIDMap", "Uid map", RENDER_TEXT, false},
                {"GIDMap", "Gid map", RENDER_TEXT, false},
                {"Depth", "Depth", RENDER_TEXT, false},
                {"ChainID", "Chain id", RENDER_TEXT, false},
                {"Children", "Children", RENDER_TEXT, false},
                {"CreatedTimestamp", "Created", RENDER_TIME, false},
                {"Path", "Mounted at", RENDER_TEXT, false},
                {"Store", "Store", RENDER_TEXT, false},
                {"Problem", "Problem", RENDER_TEXT, false},
                {"LastDiffError", "Last diff broke off", RENDER_TEXT, false},
        };
        _cleanup_json_ struct json_object *layer = NULL;
        int r = layer_ask(client, "LayerInfo", arguments->words[2], &layer);

        if (r != 0 || render_wants_json(client))
                return r != 0 ? r : render_json(client, layer);
        r = render_properties(columns, ELEMENTSOF(columns), layer);
        if (r == 0) {
                print_holders(layer);
                print_metadata(layer);
        }
        return r;
}

/* Says it by its exit status, too. */
static int exists(struct client *client, const struct arguments *arguments) {
        _cleanup_json_ struct json_object *there = NULL, *result = NULL;
        int r = layer_ask(client, "LayerExists", arguments->words[2], &there);

        if (r != 0)
                return r;
        if (render_wants_json(client)) {
                result = json_object_new_object();
                if (!result || value_add(result, "Exists", json_object_get(there)) < 0)
                        return report_oom();
                r = render_json(client, result);
        } else
                puts(json_object_get_boolean(there) ? "yes" : "no");
        return r != 0 ? r : json_object_get_boolean(there) ? 0 : EXIT_FAILURE;
}

/* A line for each additional store. */
static void print_stores(struct json_object *facts) {
        struct json_object *stores = value_array(facts, "Stores");

        for (size_t i = 0; stores && i < json_object_array_length(stores); i++) {
                struct json_object *store = json_object_array_get_idx(stores, i);
                _cleanup_free_ char *path = report_escape(value_string(store, "Path", ""));
                _cleanup_free_ char *reason = report_escape(value_string(store, "Reason", ""));

                if (reason && *reason)
                        printf("Additional store %s cannot be used: %s\n", path ? path : "", reason);
                else
                        printf("Additional store %s: %" PRIu64 " layers\n", path ? path : "", value_u64(store, "Layers"));
        }
}

static int status(struct client *client, const struct arguments *arguments _unused_) {
        static const struct render_column columns[] = {
                {"StateDirectory", "State directory", RENDER_TEXT, false},
                {"Usable", "Usable", RENDER_TEXT, false},
                {"Reason", "Reason", RENDER_TEXT, false},
                {"FileSystem", "File system", RENDER_TEXT, false},
                {"TellsTypes", "Tells types", RENDER_TEXT, false},
                {"Attributes", "Attributes", RENDER_TEXT, false},
                {"Whiteouts", "Whiteouts", RENDER_TEXT, false},
                {"Lower", "Lower layers", RENDER_TEXT, false},
                {"Upper", "Upper layers", RENDER_TEXT, false},
                {"ChainMax", "Longest chain", RENDER_TEXT, false},
                {"Layers", "Layers", RENDER_TEXT, false},
                {"Mounted", "Mounted", RENDER_TEXT, false},
                {"Removing", "Being removed", RENDER_TEXT, false},
        };
        _cleanup_json_ struct json_object *facts = NULL;
        int r = layer_ask(client, "Status", NULL, &facts);

        if (r != 0 || render_wants_json(client))
                return r != 0 ? r : render_json(client, facts);
        r = render_properties(columns, ELEMENTSOF(columns), facts);
        if (r == 0)
                print_stores(facts);
        return r;
}

#define CREATE_OPTIONS                                                                                                       \
        (ARGUMENT_ID | ARGUMENT_PARENT | ARGUMENT_READ_WRITE | ARGUMENT_LABEL | ARGUMENT_UID_MAP | ARGUMENT_GID_MAP | ARGUMENT_METADATA)

static const struct layer_verb {
        const char *name;
        verb_fn run;
        unsigned words_min, words_max; /* after both words of the verb */
        unsigned options;              /* enum argument_option */
        const char *synopsis;
} layer_verbs[] = {
        {"create", create, 0, 0, CREATE_OPTIONS,
                "[--id LAYER] [--parent LAYER] [--read-write] [--label LABEL] [--uid-map MAP --gid-map MAP] [--metadata KEY=VALUE]…"},
        {"remove", remove_all, 1, UINT16_MAX, 0, "LAYER…"},
        {"get", get, 1, 1, ARGUMENT_HOLDER, "LAYER [--holder NAME]"},
        {"put", put, 1, 1, ARGUMENT_HOLDER | ARGUMENT_ALL | ARGUMENT_OWNER, "LAYER [--holder NAME] [--all] [--owner UID]"},
        {"apply", layer_apply, 1, 2, 0, "LAYER [FILE|-]"},
        {"import", layer_import, 1, 1, ARGUMENT_PLATFORM, "DIRECTORY[:REFERENCE] [--platform OS/ARCHITECTURE[/VARIANT]]"},
        {"diff", layer_diff, 1, 2, ARGUMENT_PARENT, "LAYER [FILE|-] [--parent LAYER]"},
        {"changes", layer_changes, 1, 1, ARGUMENT_PARENT, "LAYER [--parent LAYER]"},
        {"size", layer_size, 1, 1, ARGUMENT_PARENT, "LAYER [--parent LAYER]"},
        {"cleanup", cleanup, 0, 0, 0, ""},
        {"list", list, 0, 0, 0, ""},
        {"info", info, 1, 1, 0, "LAYER"},
        {"exists", exists, 1, 1, 0, "LAYER"},
        {"status", status, 0, 0, 0, ""},
};

static const struct layer_verb *find(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(layer_verbs); i++)
                if (strcmp(layer_verbs[i].name, name) == 0)
                        return &layer_verbs[i];
        return NULL;
}

int verb_layer(struct client *client, const struct arguments *arguments) {
        const struct layer_verb *verb = find(arguments->words[1]);
        size_t n_words = arguments->n_words - 2;
        unsigned excess;

        if (!verb)
                return report_usage("There is no verb layer %s", arguments->words[1]);
        excess = arguments->given & ~(verb->options | ARGUMENT_TIMEOUT);
        if (excess || n_words < verb->words_min || n_words > verb->words_max)
                return report_usage("%s%s; the usage is: podmountctl layer %s %s",
                        excess ? argument_option_name(excess) : n_words < verb->words_min ? "Too few arguments" : "Too many arguments",
                        excess ? " does not belong there" : "", verb->name, verb->synopsis);
        if (connection_open(client) != 0)
                return EXIT_FAILURE;
        return verb->run(client, arguments);
}
