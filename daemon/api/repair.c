/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Repair: one work, and what came of each mount that was not as recorded. */

#include "api/errors.h"
#include "api/verb.h"
#include "api/wire.h"
#include "util/log.h"

int prepare_repair(struct request *request, struct failure *f) {
        const struct repair_arguments arguments = {
                .container = request->arguments.container,
                .dry_run = request->arguments.dry_run,
        };
        struct operation *operation;
        int r = operation_new_repair(request->api->pods, &request->peer->caller, request->pod, &arguments, &operation, f);

        if (r != 0)
                return r;
        return request_add_work(request, operation, NULL) ? 0 : log_oom();
}

static int append_details(sd_bus_message *m, const struct damage *damage) {
        int r = sd_bus_message_open_container(m, 'a', "{sv}");

        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}{sv}", "State", "s",
                                          damage->outcome == DAMAGE_REPAIRED ? "ok" : damage->state, "ID", "t", damage->id);
        if (r >= 0 && damage->failure != FAILURE_NONE)
                r = wire_append_entry(m, "Error", error_name(damage->failure));
        if (r >= 0 && damage->message)
                r = wire_append_entry(m, "Message", damage->message);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_damage(sd_bus_message *m, const struct damage *damage) {
        int r = sd_bus_message_open_container(m, 'r', "sssa{sv}");

        if (r >= 0)
                r = wire_append_text(m, damage->container);
        if (r >= 0)
                r = wire_append_text(m, damage->target);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", damage_outcome_name(damage->outcome));
        if (r >= 0)
                r = append_details(m, damage);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int encode_repair(struct request *request, sd_bus_message *m) {
        size_t n;
        const struct damage *damages = operation_damages(request->works[0]->operation, &n);
        int r = sd_bus_message_open_container(m, 'a', "(sssa{sv})");

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = append_damage(m, &damages[i]);
        return r < 0 ? r : sd_bus_message_close_container(m);
}
