/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* layer import: an image out of an OCI image layout. The daemon tells how far it is; only a terminal is told on. */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/call.h"
#include "client/render.h"
#include "client/report.h"
#include "client/value.h"
#include "client/varlink.h"
#include "client/verb.h"
#include "client/verb-layer.h"
#include "dbus/names.h"

enum { CALL_SLACK_US = 30 * 1000000 };

static const char token[] = "import";

struct import {
        sd_bus_message *reply; /* or NULL: there is none yet */
        bool shown;            /* a line without its end */
};

static bool is_directory(const char *path) {
        struct stat st;

        return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* DIR, or DIR:REFERENCE: the first colon that a directory is before. *ret_reference is a part of `word`. */
static int split(const char *word, char **ret_directory, const char **ret_reference) {
        *ret_reference = "";
        *ret_directory = NULL;
        for (const char *colon = word; !is_directory(word) && (colon = strchr(colon, ':')); colon++) {
                _cleanup_free_ char *directory = strndup(word, (size_t) (colon - word));

                if (!directory)
                        return report_oom();
                if (!is_directory(directory))
                        continue;
                *ret_directory = TAKE_PTR(directory);
                *ret_reference = colon + 1;
                return 0;
        }
        *ret_directory = strdup(word);
        return *ret_directory ? 0 : report_oom();
}

static void show(struct import *import, const char *id, uint64_t done, uint64_t total) {
        const double mib = 1024 * 1024;

        (void) fprintf(stderr, "\r%.12s  %.1f of %.1f MiB ", id, (double) done / mib, (double) total / mib); /* lost, nothing is lost */
        import->shown = true;
}

/* Only what is about this call, and well formed. */
static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        const char *of, *id;
        uint64_t done, total;

        if (!sd_bus_message_is_signal(m, PODMOUNT_LAYER_STORE_INTERFACE, "LayerProgress"))
                return 0;
        if (!isatty(STDERR_FILENO) || sd_bus_message_read(m, "sstt", &of, &id, &done, &total) < 0 || strcmp(of, token) != 0)
                return 1;
        show(userdata, id, done, total);
        return 1;
}

/* The same over varlink. */
static void on_answer(struct json_object *answer, void *userdata) {
        struct json_object *progress = json_object_object_get(answer, "progress");

        if (progress)
                show(userdata, value_string(progress, "layer", ""), json_object_get_uint64(json_object_object_get(progress, "done")),
                     json_object_get_uint64(json_object_object_get(progress, "total")));
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        ((struct import *) userdata)->reply = sd_bus_message_ref(m);
        return 0;
}

static int run_over_bus(struct client *client, sd_bus_message *m, struct import *import, uint64_t timeout) {
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *filter = NULL, *call = NULL;
        int r = sd_bus_add_filter(client->bus, &filter, on_message, import);

        if (r >= 0)
                r = sd_bus_call_async(client->bus, &call, m, on_reply, import, timeout);
        while (r >= 0 && !import->reply) {
                r = sd_bus_process(client->bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(client->bus, UINT64_MAX);
        }
        return r;
}

static int run(struct client *client, sd_bus_message *m, struct import *import) {
        uint64_t timeout = client->timeout_us > 0 ? client->timeout_us + CALL_SLACK_US : UINT64_MAX;
        int r = client->varlink ? varlink_call_told(client, m, timeout, isatty(STDERR_FILENO) ? on_answer : NULL, import, &import->reply)
                                : run_over_bus(client, m, import, timeout);

        if (import->shown)
                (void) fputs("\r\033[K", stderr); /* lost, nothing is lost */
        if (client->varlink)
                return r;
        if (r < 0)
                return report_errno(r, "The call got no answer");
        if (sd_bus_message_is_method_error(import->reply, NULL))
                return report_bus_error(sd_bus_message_get_error(import->reply), -sd_bus_message_get_errno(import->reply));
        return 0;
}

static int send_import(struct client *client, const struct arguments *arguments, int layout, const char *reference, struct import *import) {
        _cleanup_message_unref_ sd_bus_message *m = NULL;
        int r = call_new(client, PODMOUNT_OBJECT_PATH, PODMOUNT_LAYER_STORE_INTERFACE, "ImportImage", &m);

        if (r != 0)
                return r;
        r = sd_bus_message_append(m, "hs", layout, reference);
        if (r >= 0)
                r = call_open_options(client, m);
        if (r >= 0)
                r = call_option_string(m, "platform", arguments->platform);
        if (r >= 0)
                r = call_option_string(m, "progress", isatty(STDERR_FILENO) ? token : NULL);
        if (r >= 0)
                r = call_close_options(m);
        return r < 0 ? report_errno(r, "Cannot put the arguments into the call") : run(client, m, import);
}

int layer_import(struct client *client, const struct arguments *arguments) {
        _cleanup_free_ char *directory = NULL;
        _cleanup_close_ int layout = -1;
        struct import import = {};
        const char *reference, *id;
        int r;

        if (!call_can_send_fds(client))
                return report_error("This connection carries no file descriptors; use the host's own bus or socket");
        r = split(arguments->words[2], &directory, &reference);
        if (r != 0)
                return r;
        layout = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (layout < 0)
                return report_errno(errno, "Cannot open the image layout %s", directory);
        r = send_import(client, arguments, layout, reference, &import);
        if (r == 0) {
                r = sd_bus_message_read(import.reply, "s", &id);
                r = r < 0 ? call_bad_reply(r) : layer_print_string(client, "ID", id);
        }
        (void) sd_bus_message_unref(import.reply); /* always NULL */
        return r;
}
