/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* open-tree: runs a command in a clone of a part of a pod, which is its working directory and its fd 3. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/call.h"
#include "client/report.h"
#include "client/verb.h"
#include "dbus/names.h"

enum { TREE_FD = 3, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

/* Does not return when all goes well. */
static int run(char *const *command, int tree) {
        int error;

        if (fchdir(tree) < 0)
                return report_errno(errno, "Cannot enter the tree; is it a directory, and may you search it?");
        if (tree == TREE_FD ? fcntl(tree, F_SETFD, 0) < 0 : dup2(tree, TREE_FD) < 0)
                return report_errno(errno, "Cannot pass the tree on as fd %d", TREE_FD);
        (void) execvp(command[0], command);
        error = errno;
        (void) report_errno(error, "Cannot run %s", command[0]);
        return error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

int verb_open_tree(struct client *client, const struct arguments *arguments) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        int tree, r;

        if (!call_can_send_fds(client))
                return report_error("This connection carries no file descriptors; use the host's own bus or socket");
        r = call_new(client, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, "OpenTree", &m);
        if (r != 0)
                return r;
        r = sd_bus_message_append(m, "sss", arguments->words[1], arguments->container ? arguments->container : "",
                arguments->words[2]);
        if (r >= 0)
                r = call_open_options(client, m);
        if (r >= 0)
                r = call_close_options(m);
        r = call_send(client, m, r, &reply);
        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "h", &tree);
        return r < 0 ? call_bad_reply(r) : run(arguments->words + 3, tree);
}
