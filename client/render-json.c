/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* JSON on stdout: one document for most verbs, a text sequence for `watch`. */

#include "client/render.h"
#include "client/report.h"

bool render_wants_json(const struct client *client) {
        return client->output != CLIENT_OUTPUT_TEXT;
}

int render_json(const struct client *client, struct json_object *value) {
        int flags = JSON_C_TO_STRING_NOSLASHESCAPE;
        const char *text;

        if (client->output == CLIENT_OUTPUT_JSON_PRETTY)
                flags |= JSON_C_TO_STRING_PRETTY;
        text = json_object_to_json_string_ext(value, flags);
        if (!text)
                return report_oom();
        puts(text); /* a failed write is told once, at exit */
        return 0;
}

int render_json_record(struct json_object *value) {
        const char *text = json_object_to_json_string_ext(value, JSON_C_TO_STRING_NOSLASHESCAPE);

        if (!text)
                return report_oom();
        printf("\x1e%s\n", text);
        return fflush(stdout) != 0 ? report_errno(errno, "Cannot write to stdout") : 0;
}
