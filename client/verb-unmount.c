/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* unmount: by target, or by the id of one of several mounts that lie on one target. */

#include "client/call.h"
#include "client/render.h"
#include "client/report.h"
#include "client/verb.h"
#include "dbus/names.h"

static int mount_id(const struct arguments *arguments, uint64_t *ret) {
        uint64_t id = 0;

        if (arguments->id && (argument_parse_number(arguments->id, &id) < 0 || id == 0))
                return report_usage(
                        "--id %s: expected the number of a mount, as `podmountctl show` has it", arguments->id);
        if (!arguments->id && arguments->n_words < 3)
                return report_usage("unmount needs a TARGET or --id");
        *ret = id;
        return 0;
}

int verb_unmount(struct client *client, const struct arguments *arguments) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_json_ struct json_object *result = NULL;
        uint64_t id = 0;
        int r;

        r = mount_id(arguments, &id);
        if (r == 0)
                r = call_new(client, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, "Unmount", &m);
        if (r != 0)
                return r;
        r = sd_bus_message_append(m, "ss", arguments->words[1], arguments->n_words > 2 ? arguments->words[2] : "");
        if (r >= 0)
                r = call_open_options(client, m);
        if (r >= 0)
                r = call_option_string(m, "container", arguments->container);
        if (r >= 0 && id > 0)
                r = call_option_u64(m, "mount-id", id);
        if (r >= 0)
                r = call_option_true(m, "lazy", arguments->given & ARGUMENT_LAZY);
        if (r >= 0)
                r = call_option_true(m, "missing-ok", arguments->given & ARGUMENT_MISSING_OK);
        if (r >= 0)
                r = call_close_options(m);
        r = call_send(client, m, r, &reply);
        if (r != 0 || !render_wants_json(client))
                return r;
        result = json_object_new_object();
        return result ? render_json(client, result) : report_oom();
}
