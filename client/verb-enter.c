/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* enter: runs a command in a container's root directory, in the mount namespace that the pod has to itself, if it has one. */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/call.h"
#include "client/fetch.h"
#include "client/report.h"
#include "client/value.h"
#include "client/verb.h"

enum { EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

/* The pod's only one, unless there is a word for it. */
static int choose_container(struct json_object *pod, const char *word, const char **ret) {
        struct json_object *containers = value_array(pod, "Containers");
        size_t n = containers ? json_object_array_length(containers) : 0;

        for (size_t i = 0; i < n; i++) {
                const char *name = json_object_get_string(json_object_array_get_idx(containers, i));

                if (n > 1 && !word)
                        return report_usage("The pod has %zu containers; say which one before the dashes, such as %s", n, name);
                if (!word || strcmp(word, name) == 0) {
                        *ret = name;
                        return 0;
                }
        }
        return report_error("The pod has no container %s", word ? word : "");
}

static int enter_namespace(const char *path) {
        _cleanup_close_ int fd = -1;

        if (!*path)
                return 0; /* it is in the host's */
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return report_errno(errno, "Cannot open %s", path);
        return setns(fd, CLONE_NEWNS) < 0 ? report_errno(errno, "Cannot enter the mount namespace at %s", path) : 0;
}

/* By component, without symlinks: what is below belongs to the pod's owner. */
static int enter_directory(const char *directory, const char *container) {
        const char *const names[] = {container, "rootfs"};
        _cleanup_close_ int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);

        for (size_t i = 0; fd >= 0 && i < 2; i++) {
                int next = openat(fd, names[i], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

                (void) close_fd(fd);
                fd = next;
        }
        if (fd < 0 || fchdir(fd) < 0 || chroot(".") < 0)
                return report_errno(errno, "Cannot enter the root of container %s", container);
        return 0;
}

/* Does not return when all goes well. */
static int run(char *const *command) {
        int error;

        (void) execvp(command[0], command);
        error = errno;
        (void) report_errno(error, "Cannot run %s", command[0]);
        return error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

int verb_enter(struct client *client, const struct arguments *arguments) {
        size_t n_named = arguments->n_words - arguments->n_command;
        _cleanup_json_ struct json_object *pod = NULL;
        const char *container = NULL, *directory, *namespace;
        int r;

        if (arguments->n_command == 0 || n_named < 2 || n_named > 3)
                return report_usage("enter takes POD [CONTAINER] -- COMMAND, with the dashes");
        if (client->transport == CLIENT_HOST || client->transport == CLIENT_MACHINE)
                return report_error("A pod of another machine cannot be entered from here");
        r = fetch_pod(client, arguments->words[1], &pod);
        if (r == 0)
                r = choose_container(pod, n_named == 3 ? arguments->words[2] : NULL, &container);
        if (r != 0)
                return r;
        directory = value_string(pod, "RootDirectory", "");
        namespace = value_string(pod, "MountNamespace", "");
        r = enter_namespace(namespace);
        if (r == 0)
                r = enter_directory(directory, container);
        return r == 0 ? run(arguments->words + n_named) : r;
}
