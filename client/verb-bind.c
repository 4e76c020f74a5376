/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bind and mount: what goes into a pod that is there. */

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

        if (*source == '/' || strncmp(source, "fd:", 3) == 0 || !*source) {
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

/* The options that Bind and Mount share, and the call. */
static int send_mounts(
        struct client *client, sd_bus_message *m, const struct arguments *arguments, sd_bus_message **ret_reply) {
        int r = call_append_fds(client, m, arguments);

        if (r != 0)
                return r;
        r = call_open_options(client, m);
        if (r >= 0)
                r = call_option_string(m, "container", arguments->container);
        if (r >= 0)
                r = call_option_strv(m, "options", arguments->options);
        if (r >= 0)
                r = call_option_true(m, "stack", arguments->given & ARGUMENT_STACK);
        if (r >= 0)
                r = call_close_options(m);
        return call_send(client, m, r, ret_reply);
}

int verb_bind(struct client *client, const struct arguments *arguments) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_json_ struct json_object *result = NULL;
        _cleanup_free_ char *source = NULL;
        uint64_t id;
        int r;

        r = absolute_source(client, arguments->words[2], &source);
        if (r == 0)
                r = call_new(client, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, "Bind", &m);
        if (r != 0)
                return r;
        r = sd_bus_message_append(m, "sss", arguments->words[1], source, arguments->words[3]);
        if (r < 0)
                return report_errno(r, "Cannot put the paths into the call");
        r = send_mounts(client, m, arguments, &reply);
        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "t", &id);
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

int verb_mount(struct client *client, const struct arguments *arguments) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_document_ struct document document = {0};
        _cleanup_json_ struct json_object *result = NULL;
        struct json_object *ids;
        int r;

        r = document_read_mounts(client, arguments->words[2], &document);
        if (r == 0)
                r = call_new(client, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, "Mount", &m);
        if (r != 0)
                return r;
        r = sd_bus_message_append(m, "ss", arguments->words[1], document.text);
        if (r < 0)
                return report_errno(r, "Cannot put the mounts into the call");
        r = send_mounts(client, m, arguments, &reply);
        if (r != 0)
                return r;
        r = value_read(reply, &ids);
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
