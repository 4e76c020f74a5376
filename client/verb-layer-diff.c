/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* layer diff, changes and size: what a layer has that its parent, or another layer, has not. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/call.h"
#include "client/render.h"
#include "client/report.h"
#include "client/value.h"
#include "client/verb.h"
#include "client/verb-layer.h"
#include "dbus/names.h"
#include "util/array.h"

enum {
        BLOCK = 256 * 1024,
        TAR_END = 1024, /* zeros that a whole tar ends with */
        WHY_TRIES = 20,
        WHY_MS = 50,
};

/* Unless one is named, what the layer stands on: *ret is to be freed. */
static int find_parent(struct client *client, const struct arguments *arguments, char **ret) {
        _cleanup_json_ struct json_object *layer = NULL;
        int r;

        if (arguments->parent) {
                *ret = strdup(arguments->parent);
                return *ret ? 0 : report_oom();
        }
        r = layer_ask(client, "LayerInfo", arguments->words[2], &layer);
        if (r != 0)
                return r;
        *ret = strdup(value_string(layer, "Parent", ""));
        return *ret ? 0 : report_oom();
}

static int send_about(struct client *client, const struct arguments *arguments, const char *member, bool options, sd_bus_message **ret_reply) {
        _cleanup_message_unref_ sd_bus_message *m = NULL;
        _cleanup_free_ char *parent = NULL;
        int r = find_parent(client, arguments, &parent);

        if (r == 0)
                r = call_new(client, PODMOUNT_OBJECT_PATH, PODMOUNT_LAYER_STORE_INTERFACE, member, &m);
        if (r != 0)
                return r;
        r = sd_bus_message_append(m, "ss", arguments->words[2], parent);
        if (r >= 0 && options)
                r = call_open_options(client, m);
        if (r >= 0 && options)
                r = call_close_options(m);
        return call_send(client, m, r, ret_reply);
}

/* The last bytes that went through. */
struct tail {
        char bytes[TAR_END];
        size_t size;
};

static void remember(struct tail *tail, const char *data, size_t size) {
        size_t keep = size < TAR_END ? TAR_END - size : 0;

        if (keep > tail->size)
                keep = tail->size;
        if (size > TAR_END) {
                data += size - TAR_END;
                size = TAR_END;
        }
        memmove(tail->bytes, tail->bytes + tail->size - keep, keep);
        memcpy(tail->bytes + keep, data, size);
        tail->size = keep + size;
}

static bool is_end(const struct tail *tail) {
        for (size_t i = 0; i < tail->size; i++)
                if (tail->bytes[i] != 0)
                        return false;
        return tail->size == TAR_END;
}

static int write_all(int fd, const char *data, size_t size, const char *name) {
        while (size > 0) {
                ssize_t n = write(fd, data, size);

                if (n < 0 && errno != EINTR)
                        return report_errno(errno, "Cannot write %s", name);
                data += n > 0 ? n : 0;
                size -= n > 0 ? (size_t) n : 0;
        }
        return 0;
}

/* The daemon hears of it from its worker, maybe after us. */
static int tell_why(struct client *client, const char *id) {
        for (int i = 0; i < WHY_TRIES; i++) {
                _cleanup_json_ struct json_object *layer = NULL;
                const char *why;

                if (layer_ask(client, "LayerInfo", id, &layer) != 0)
                        break;
                why = value_string(layer, "LastDiffError", "");
                if (*why)
                        return report_error("The tar is incomplete, and nothing to use: %s", why);
                (void) poll(NULL, 0, WHY_MS);
        }
        return report_error("The tar is incomplete, and nothing to use; the journal of podmountd says why");
}

/* *ret_whole: it has come to its end. */
static int copy(int from, int to, const char *name, bool *ret_whole) {
        static char block[BLOCK];
        struct tail tail = {};
        ssize_t n;
        int r;

        while ((n = read(from, block, sizeof(block))) != 0) {
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return report_errno(errno, "Cannot read the tar");
                remember(&tail, block, (size_t) n);
                r = write_all(to, block, (size_t) n, name);
                if (r != 0)
                        return r;
        }
        *ret_whole = is_end(&tail);
        return 0;
}

int layer_diff(struct client *client, const struct arguments *arguments) {
        const char *name = arguments->n_words > 3 ? arguments->words[3] : "-";
        const bool file = strcmp(name, "-") != 0;
        _cleanup_message_unref_ sd_bus_message *reply = NULL;
        _cleanup_close_ int out = -1;
        bool whole;
        int fd, r;

        if (!file && isatty(STDOUT_FILENO))
                return report_error("A tar is nothing for a terminal: name a file, or send it through a pipe");
        if (!call_can_send_fds(client))
                return report_error("This connection carries no file descriptors; use the host's own bus or socket");
        r = send_about(client, arguments, "Diff", true, &reply);
        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "h", &fd);
        if (r < 0)
                return call_bad_reply(r);
        out = file ? open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
        if (out < 0)
                return report_errno(errno, "Cannot write %s", name);
        r = copy(fd, out, file ? name : "the tar", &whole);
        return r != 0 || whole ? r : tell_why(client, arguments->words[2]);
}

static int read_changes(sd_bus_message *reply, struct json_object *list) {
        const char *kind, *path, *detail;
        int r = sd_bus_message_enter_container(reply, 'a', "(sss)");

        while (r >= 0 && (r = sd_bus_message_read(reply, "(sss)", &kind, &path, &detail)) > 0) {
                struct json_object *change = json_object_new_object();

                if (!change || json_object_array_add(list, change) < 0)
                        return -ENOMEM;
                if (value_add(change, "Kind", json_object_new_string(kind)) < 0 || value_add(change, "Path", json_object_new_string(path)) < 0 ||
                    value_add(change, "Detail", json_object_new_string(detail)) < 0)
                        return -ENOMEM;
        }
        return r;
}

int layer_changes(struct client *client, const struct arguments *arguments) {
        static const struct render_column columns[] = {
                {"Kind", "CHANGE", RENDER_TEXT, false},
                {"Path", "PATH", RENDER_PATH, false},
                {"Detail", "OF", RENDER_TEXT, false},
        };
        _cleanup_message_unref_ sd_bus_message *reply = NULL;
        _cleanup_json_ struct json_object *list = json_object_new_array();
        int r = list ? send_about(client, arguments, "Changes", false, &reply) : report_oom();

        if (r != 0)
                return r;
        r = read_changes(reply, list);
        if (r < 0)
                return r == -ENOMEM ? report_oom() : call_bad_reply(r);
        return render_wants_json(client) ? render_json(client, list) : render_table(columns, ELEMENTSOF(columns), list, "No changes.");
}

int layer_size(struct client *client, const struct arguments *arguments) {
        _cleanup_message_unref_ sd_bus_message *reply = NULL;
        uint64_t bytes;
        int r = send_about(client, arguments, "DiffSize", false, &reply);

        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "t", &bytes);
        return r < 0 ? call_bad_reply(r) : layer_print_number(client, "Bytes", bytes);
}
