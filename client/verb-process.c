/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* prepare-process: what is prepared once a container's process is there. */

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "client/call.h"
#include "client/render.h"
#include "client/report.h"
#include "client/verb.h"
#include "dbus/names.h"

/* PID, or --fd NAME=N of a pidfd. */
static int open_process(const struct arguments *arguments, int *ret) {
        uint64_t pid;
        int fd;

        if ((arguments->n_words == 3) + arguments->n_fds != 1)
                return report_usage("Give the process: PID, or its pidfd with --fd process=N");
        if (arguments->n_words < 3) {
                fd = fcntl(arguments->fds[0].fd, F_DUPFD_CLOEXEC, 3);
                if (fd < 0)
                        return report_errno(-errno, "Cannot duplicate fd %d", arguments->fds[0].fd);
        } else {
                if (argument_parse_number(arguments->words[2], &pid) < 0 || pid == 0 || pid > INT32_MAX)
                        return report_usage("%s is no process; give its PID", arguments->words[2]);
                fd = (int) syscall(SYS_pidfd_open, (pid_t) pid, 0);
                if (fd < 0)
                        return report_errno(-errno, "Cannot open process %" PRIu64, pid);
        }
        *ret = fd;
        return 0;
}

static int put(struct client *client, sd_bus_message *m, const struct arguments *arguments, int fd) {
        char name[] = "process";
        struct argument_fd process = {.name = name, .fd = fd};
        const struct arguments sent = {.fds = &process, .n_fds = 1};
        int r = sd_bus_message_append(m, "s", arguments->words[1]);

        if (r < 0)
                return report_errno(r, "Cannot put the pod into the call");
        r = call_append_fds(client, m, &sent);
        if (r != 0)
                return r;
        r = call_open_options(client, m);
        if (r >= 0)
                r = call_option_string(m, "container", arguments->container);
        return r >= 0 ? call_close_options(m) : r;
}

static int render_ids(struct client *client, sd_bus_message *reply) {
        _cleanup_json_ struct json_object *array = json_object_new_array();
        uint64_t id;
        int r = array ? sd_bus_message_enter_container(reply, 'a', "t") : -ENOMEM;

        while (r >= 0 && (r = sd_bus_message_read_basic(reply, 't', &id)) > 0) {
                if (!render_wants_json(client))
                        printf("%" PRIu64 "\n", id);
                else if (json_object_array_add(array, json_object_new_uint64(id)) < 0)
                        return report_oom();
        }
        if (r < 0)
                return report_errno(r, "Cannot read the answer");
        return render_wants_json(client) ? render_json(client, array) : 0;
}

int verb_prepare_process(struct client *client, const struct arguments *arguments) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_close_ int fd = -1;
        int r = open_process(arguments, &fd);

        if (r == 0)
                r = call_new(client, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, "PrepareProcess", &m);
        if (r == 0)
                r = put(client, m, arguments, fd);
        if (r != 0)
                return r;
        r = call_send(client, m, r, &reply);
        return r != 0 ? r : render_ids(client, reply);
}
