/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bind, mount and replace: what goes into a pod that is there. */

#include <inttypes.h>
#include <string.h>

#include "client/call.h"
#include "client/document.h"
#include "client/render.h"
#include "client/report.h"
#include "client/value.h"
#include "client/verb.h"
#include "dbus/names.h"

/* The source as the daemon must see it. */
static int absolute_source(const struct client *client, const char *source, char **ret) {
        bool elsewhere = client->transport == CLIENT_HOST || client->transport == CLIENT_MACHINE;
        _cleanup_free_ char *base = NULL;

        if (*source == '/' || strncmp(source, "fd:", 3) == 0 || strncmp(source, "volume:", 7) == 0 || !*source) {
                *ret = strdup(source);
        } else if (elsewhere) {
                return report_error(
                        "The relative source %s means nothing on %s; name it from / on", source, client->where);
        } else {
                base = realpath(".", NULL);
                if (!base)
                        return report_errno(errno, "Cannot tell the working directory");
                *ret = document_absolute(base, source);
        }
        return *ret ? 0 : report_oom();
}

/* The options that Bind, Mount and Replace share, and the call. */
static int send_mounts(struct client *client, sd_bus_message *m, const struct arguments *arguments, char **options,
        uint64_t mount_id, sd_bus_message **ret_reply) {
        int r = call_append_fds(client, m, arguments);

        if (r != 0)
                return r;
        r = call_open_options(client, m);
        if (r >= 0)
                r = call_option_string(m, "container", arguments->container);
        if (r >= 0)
                r = call_option_string(m, "namespace", arguments->given & ARGUMENT_NAMESPACE ? "fd:" ARGUMENT_NAMESPACE_FD : NULL);
        if (r >= 0)
                r = call_option_strv(m, "options", options);
        if (r >= 0)
                r = call_option_true(m, "stack", arguments->given & ARGUMENT_STACK);
        if (r >= 0 && mount_id != 0)
                r = call_option_u64(m, "mount-id", mount_id);
        if (r >= 0)
                r = call_close_options(m);
        return call_send(client, m, r, ret_reply);
}

/* The id of the one mount that was made. */
static int render_id(const struct client *client, sd_bus_message *reply) {
        _cleanup_json_ struct json_object *result = NULL;
        uint64_t id;
        int r = sd_bus_message_read(reply, "t", &id);

        if (r < 0)
                return call_bad_reply(r);
        if (!render_wants_json(client)) {
                printf("%" PRIu64 "\n", id);
                return 0;
        }
        result = json_object_new_object();
        if (!result || value_add(result, "ID", json_object_new_uint64(id)) < 0)
                return report_oom();
        return render_json(client, result);
}

int verb_bind(struct client *client, const struct arguments *arguments) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_free_ char *source = NULL;
        int r;

        r = absolute_source(client, arguments->words[2], &source);
        if (r == 0)
                r = call_new(client, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, "Bind", &m);
        if (r != 0)
                return r;
        r = sd_bus_message_append(m, "sss", arguments->words[1], source, arguments->words[3]);
        if (r < 0)
                return report_errno(r, "Cannot put the paths into the call");
        r = send_mounts(client, m, arguments, arguments->options, 0, &reply);
        return r != 0 ? r : render_id(client, reply);
}

/* A mount object that has the options of the command line, and nothing else yet; NULL when memory is short. */
static struct json_object *mount_with_options(const struct arguments *arguments) {
        _cleanup_json_ struct json_object *mount = json_object_new_object();
        struct json_object *options = json_object_new_array();

        if (!mount || value_add(mount, "options", options) < 0)
                return NULL;
        for (char **option = arguments->options; option && *option; option++) {
                struct json_object *word = json_object_new_string(*option);

                if (!word || json_object_array_add(options, word) < 0) {
                        (void) json_object_put(word);
                        return NULL;
                }
        }
        return TAKE_PTR(mount);
}

/* The OCI mount object of a source and options, or the one that is given instead. */
static int replacement(const struct client *client, const struct arguments *arguments, struct document *document) {
        const char *given = arguments->words[3];
        _cleanup_json_ struct json_object *mount = NULL;
        _cleanup_free_ char *source = NULL;
        int r;

        if (*given == '{' || strcmp(given, "-") == 0) {
                if (arguments->options)
                        return report_usage("-o goes with a source; write the options into the mount object");
                return document_read_mounts(client, given, document);
        }
        r = absolute_source(client, given, &source);
        if (r != 0)
                return r;
        mount = mount_with_options(arguments);
        if (!mount || value_add(mount, "type", json_object_new_string("bind")) < 0 ||
                value_add(mount, "source", json_object_new_string(source)) < 0)
                return report_oom();
        document->text = strdup(json_object_to_json_string_ext(mount, JSON_C_TO_STRING_PLAIN));
        return document->text ? 0 : report_oom();
}

int verb_replace(struct client *client, const struct arguments *arguments) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_document_ struct document document = {0};
        uint64_t mount_id = 0;
        int r;

        if (arguments->id && argument_parse_number(arguments->id, &mount_id) < 0)
                return report_usage("--id %s: expected the number of the mount that is to be replaced", arguments->id);
        r = replacement(client, arguments, &document);
        if (r == 0)
                r = call_new(client, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, "Replace", &m);
        if (r != 0)
                return r;
        r = sd_bus_message_append(m, "sss", arguments->words[1], arguments->words[2], document.text);
        if (r < 0)
                return report_errno(r, "Cannot put the mount into the call");
        r = send_mounts(client, m, arguments, NULL, mount_id, &reply);
        return r != 0 ? r : render_id(client, reply);
}

static bool is_remount(const struct arguments *arguments) {
        for (char **option = arguments->options; option && *option; option++)
                if (strcmp(*option, "remount") == 0)
                        return true;
        return false;
}

/* A target and the options of a remount as the mount object that says the same. */
static int describe_remount(const struct arguments *arguments, struct document *document) {
        _cleanup_json_ struct json_object *mount = mount_with_options(arguments);

        if (!mount || value_add(mount, "destination", json_object_new_string(arguments->words[2])) < 0)
                return report_oom();
        document->text = strdup(json_object_to_json_string_ext(mount, JSON_C_TO_STRING_PLAIN));
        return document->text ? 0 : report_oom();
}

int verb_mount(struct client *client, const struct arguments *arguments) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_document_ struct document document = {0};
        _cleanup_json_ struct json_object *result = NULL;
        struct json_object *ids;
        int r;

        if (is_remount(arguments))
                r = describe_remount(arguments, &document);
        else if (arguments->given & ARGUMENT_OPTIONS)
                return report_usage("-o of mount is for a remount (-o remount,…); a new mount has its options in the JSON");
        else
                r = document_read_mounts(client, arguments->words[2], &document);
        if (r == 0)
                r = call_new(client, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, "Mount", &m);
        if (r != 0)
                return r;
        r = sd_bus_message_append(m, "ss", arguments->words[1], document.text);
        if (r < 0)
                return report_errno(r, "Cannot put the mounts into the call");
        r = send_mounts(client, m, arguments, NULL, 0, &reply);
        if (r != 0)
                return r;
        r = bus_json_read_as_is(reply, &ids);
        if (r < 0)
                return call_bad_reply(r);
        result = json_object_new_object();
        if (!result || value_add(result, "IDs", ids) < 0)
                return report_oom();
        if (render_wants_json(client))
                return render_json(client, result);
        for (size_t i = 0; i < json_object_array_length(ids); i++)
                puts(json_object_get_string(json_object_array_get_idx(ids, i)));
        return 0;
}
