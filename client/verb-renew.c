/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* renew: a pod's lease begins anew. */

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "client/call.h"
#include "client/render.h"
#include "client/report.h"
#include "client/value.h"
#include "client/verb.h"
#include "dbus/names.h"

static int tell(uint64_t until_us) {
        time_t until = (time_t) (until_us / 1000000);
        char text[64];
        struct tm local;

        if (until_us == 0)
                return 0; /* it hangs on what it hangs on */
        if (!localtime_r(&until, &local) || strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %Z", &local) == 0)
                return report_errno(-EOVERFLOW, "Cannot say when the lease ends");
        puts(text);
        return 0;
}

int verb_renew(struct client *client, const struct arguments *arguments) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_json_ struct json_object *result = NULL;
        uint64_t until;
        int r;

        r = call_new(client, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, "Renew", &m);
        if (r != 0)
                return r;
        r = sd_bus_message_append(m, "s", arguments->words[1]);
        if (r >= 0)
                r = call_open_options(client, m);
        if (r >= 0)
                r = call_close_options(m);
        r = call_send(client, m, r, &reply);
        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "t", &until);
        if (r < 0)
                return call_bad_reply(r);
        if (!render_wants_json(client))
                return tell(until);
        result = json_object_new_object();
        if (!result || value_add(result, "Until", json_object_new_uint64(until)) < 0)
                return report_oom();
        return render_json(client, result);
}
