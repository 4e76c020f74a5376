/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* set-namespaces: names the namespaces that mounts of a pod wait for, by process, path or fd. */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "client/call.h"
#include "client/render.h"
#include "client/report.h"
#include "client/verb.h"
#include "dbus/names.h"
#include "util/array.h"

static const char *const kinds[] = {"pid", "net", "ipc", "cgroup"};

/* What goes into the call: fds by name, all of them ours. */
struct spaces {
        struct argument_fd *fds;
        size_t n_fds;
};

static void spaces_done(struct spaces *spaces) {
        for (size_t i = 0; i < spaces->n_fds; i++) {
                free(spaces->fds[i].name);
                (void) close_fd(spaces->fds[i].fd);
        }
        free(spaces->fds);
}

static int add(struct spaces *spaces, const char *name, int fd) {
        struct argument_fd *added;

        for (size_t i = 0; i < spaces->n_fds; i++)
                if (strcmp(spaces->fds[i].name, name) == 0) {
                        (void) close_fd(fd);
                        return report_usage("The %s namespace is named twice", name);
                }
        added = array_append(&spaces->fds, &spaces->n_fds);
        if (!added) {
                (void) close_fd(fd);
                return report_oom();
        }
        *added = (struct argument_fd) {.name = strdup(name), .fd = fd};
        return added->name ? 0 : report_oom();
}

static int add_path(struct spaces *spaces, const char *kind, const char *path) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return report_errno(-errno, "Cannot open the %s namespace %s", kind, path);
        return add(spaces, kind, fd);
}

static char *path_of(const char *pid, const char *kind) {
        char *path;

        return asprintf(&path, "/proc/%s/ns/%s", pid, kind) < 0 ? NULL : path;
}

static bool is_same(const char *a, const char *b) {
        struct stat first, second;

        return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
               first.st_ino == second.st_ino;
}

/* All of a process's namespaces but those that it shares with us. */
static int add_process(struct spaces *spaces, const char *pid) {
        size_t before = spaces->n_fds;
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(kinds) && r == 0; i++) {
                _cleanup_free_ char *path = path_of(pid, kinds[i]), *own = path_of("self", kinds[i]);

                if (!path || !own)
                        return report_oom();
                if (!is_same(path, own))
                        r = add_path(spaces, kinds[i], path);
        }
        if (r == 0 && spaces->n_fds == before)
                return report_error("Process %s is in the same pid, net, ipc and cgroup namespaces as this one", pid);
        return r;
}

/* PID, KIND=PID or KIND=PATH. */
static int add_word(struct spaces *spaces, const char *word) {
        const char *equals = strchr(word, '='), *where = equals ? equals + 1 : word;
        _cleanup_free_ char *kind = equals ? strndup(word, (size_t) (equals - word)) : NULL, *path = NULL;
        uint64_t pid;
        int r = argument_parse_number(where, &pid);

        if (equals && !kind)
                return report_oom();
        if (!equals)
                return r == 0 ? add_process(spaces, where)
                              : report_usage("%s is no process; give PID, KIND=PID or KIND=PATH", word);
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                if (strcmp(kinds[i], kind) != 0)
                        continue;
                if (r < 0)
                        return add_path(spaces, kind, where);
                path = path_of(where, kind);
                return path ? add_path(spaces, kind, path) : report_oom();
        }
        return report_usage("No file system shows a %s namespace; name pid, net, ipc or cgroup", kind);
}

static int collect(struct spaces *spaces, const struct arguments *arguments) {
        int r = 0;

        for (size_t i = 0; i < arguments->n_fds && r == 0; i++) {
                int fd = fcntl(arguments->fds[i].fd, F_DUPFD_CLOEXEC, 3);

                r = fd < 0 ? report_errno(-errno, "Cannot duplicate fd %d", arguments->fds[i].fd)
                           : add(spaces, arguments->fds[i].name, fd);
        }
        for (size_t i = 2; i < arguments->n_words && r == 0; i++)
                r = add_word(spaces, arguments->words[i]);
        if (r == 0 && spaces->n_fds == 0)
                return report_usage("No namespace is named; give PID, KIND=PID, KIND=PATH or --fd KIND=N");
        return r;
}

int verb_set_namespaces(struct client *client, const struct arguments *arguments) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_(spaces_done) struct spaces spaces = {0};
        _cleanup_json_ struct json_object *result = NULL;
        struct arguments sent;
        int r;

        r = collect(&spaces, arguments);
        if (r == 0)
                r = call_new(client, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, "SetNamespaces", &m);
        if (r != 0)
                return r;
        r = sd_bus_message_append(m, "s", arguments->words[1]);
        if (r < 0)
                return report_errno(r, "Cannot put the pod into the call");
        sent = (struct arguments) {.fds = spaces.fds, .n_fds = spaces.n_fds};
        r = call_append_fds(client, m, &sent);
        if (r != 0)
                return r;
        r = call_open_options(client, m);
        if (r >= 0)
                r = call_option_string(m, "container", arguments->container);
        if (r >= 0)
                r = call_close_options(m);
        r = call_send(client, m, r, &reply);
        if (r != 0 || !render_wants_json(client))
                return r;
        result = json_object_new_object();
        return result ? render_json(client, result) : report_oom();
}
