/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* add-container and remove-container: whole containers of a pod that is there. */

#include "client/call.h"
#include "client/document.h"
#include "client/render.h"
#include "client/report.h"
#include "client/verb.h"
#include "dbus/names.h"

/* Sends the message, which is complete but for a failure `r`, and says with JSON that all is done. */
static int finish(struct client *client, sd_bus_message *m, int r) {
        _cleanup_message_unref_ sd_bus_message *reply = NULL;
        _cleanup_json_ struct json_object *result = NULL;

        r = call_send(client, m, r, &reply);
        if (r != 0 || !render_wants_json(client))
                return r;
        result = json_object_new_object();
        return result ? render_json(client, result) : report_oom();
}

int verb_add_container(struct client *client, const struct arguments *arguments) {
        _cleanup_message_unref_ sd_bus_message *m = NULL;
        _cleanup_document_ struct document document = {0};
        int r;

        r = document_read_spec(client, arguments->words[3], &document);
        if (r == 0)
                r = call_new(client, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, "AddContainer", &m);
        if (r != 0)
                return r;
        r = sd_bus_message_append(m, "sss", arguments->words[1], arguments->words[2], document.text);
        if (r == -EINVAL)
                return report_error("The document or the name is not UTF-8 text");
        if (r < 0)
                return report_errno(r, "Cannot put the document into the call");
        r = call_append_fds(client, m, arguments);
        if (r != 0)
                return r;
        r = call_open_options(client, m);
        if (r >= 0)
                r = call_close_options(m);
        return finish(client, m, r);
}

int verb_remove_container(struct client *client, const struct arguments *arguments) {
        _cleanup_message_unref_ sd_bus_message *m = NULL;
        int r;

        r = call_new(client, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, "RemoveContainer", &m);
        if (r != 0)
                return r;
        r = sd_bus_message_append(m, "ss", arguments->words[1], arguments->words[2]);
        if (r >= 0)
                r = call_open_options(client, m);
        if (r >= 0)
                r = call_option_true(m, "lazy", arguments->given & ARGUMENT_LAZY);
        if (r >= 0)
                r = call_option_true(m, "missing-ok", arguments->given & ARGUMENT_MISSING_OK);
        if (r >= 0)
                r = call_close_options(m);
        return finish(client, m, r);
}
