/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes strings that sd-bus would refuse. */

#include "api/wire.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/text.h"

int wire_append_text(sd_bus_message *m, const char *text) {
        _cleanup_free_ char *escaped = NULL;

        if (!text || text_is_utf8(text, strlen(text)))
                return sd_bus_message_append(m, "s", text ? text : "");
        escaped = text_escape(text, PATH_MAX * strlen("\\xHH"));
        return escaped ? sd_bus_message_append(m, "s", escaped) : -ENOMEM;
}

int wire_append_entry(sd_bus_message *m, const char *key, const char *text) {
        int r = sd_bus_message_open_container(m, 'e', "sv");

        if (r >= 0)
                r = sd_bus_message_append(m, "s", key);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "s");
        if (r >= 0)
                r = wire_append_text(m, text);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}
