/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* podmountd(8): reads the command line, refuses to run where it could not do its work, and becomes the keeper. */

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keeper.h"
#include "options.h"
#include "util/log.h"

enum { EXIT_USAGE = 2 };

/* PROC_USER_INIT_INO of the kernel's include/linux/proc_ns.h: fixed since 3.8 and visible to users ever since. */
static const ino_t initial_user_namespace = 0xEFFFFFFDU;

static int check_place(void) {
        struct stat st;

        if (stat("/proc/self/ns/user", &st) < 0)
                return log_errno(LOG_ERR, errno, "cannot read /proc/self/ns/user: podmountd needs /proc");
        if (st.st_ino != initial_user_namespace) {
                log_error("podmountd runs in a user namespace, where it could neither own the host's mounts nor judge who calls: "
                          "start it on the host");
                return -EPERM;
        }
        if (geteuid() != 0) {
                log_error("podmountd must be started by root: it gives up the privilege where clients are read");
                return -EPERM;
        }
        return 0;
}

int main(int argc, char **argv) {
        _cleanup_options_ struct options options = {};
        int r;

        r = options_parse(argc, argv, &options);
        if (r < 0)
                return EXIT_FAILURE;
        if (r == OPTIONS_DONE)
                return EXIT_SUCCESS;
        if (r == OPTIONS_HOLD)
                for (;;)
                        (void) pause(); /* whatever wakes it, it goes on until a signal ends it */
        if (r == OPTIONS_WRONG)
                return EXIT_USAGE;

        log_set_role("keeper");
        if (options.log_level >= 0)
                log_set_level(options.log_level);
        if (check_place() < 0)
                return EXIT_FAILURE;
        return keeper_run(&options);
}
