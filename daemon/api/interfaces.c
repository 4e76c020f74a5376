/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/interfaces.h"

#include "api/wire.h"
#include "pod/links.h"

static int append_one(const struct record_link *link, sd_bus_message *m) {
        int r = sd_bus_message_open_container(m, 'a', "{sv}");

        if (r >= 0)
                r = wire_append_entry(m, "Container", link->container);
        if (r >= 0)
                r = wire_append_entry(m, "Name", link->name);
        if (r >= 0)
                r = wire_append_entry(m, "Kind", link->kind);
        if (r >= 0)
                r = wire_append_entry(m, "Peer", link->peer);
        if (r >= 0)
                r = wire_append_entry(m, "State", links_state(link));
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}", "Index", "u", link->index);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int interfaces_append(const struct property_context *context, sd_bus_message *m) {
        const struct record_pod *record = context->pod->record;
        int r = sd_bus_message_open_container(m, 'a', "a{sv}");

        for (size_t i = 0; r >= 0 && i < record->n_links; i++)
                r = append_one(&record->links[i], m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}
