/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * swap A B [C D]...: exchanges A with B, C with D and so on (renameat2(2), RENAME_EXCHANGE), over and over, as fast as it
 * can, until SIGTERM or the end of whoever started it; then prints how many exchanges there were. What the attack tests
 * race with.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { STATUS_USAGE = 2, STATUS_CANNOT = 125 };

static volatile sig_atomic_t over;

static void on_term(int number) {
        (void) number;
        over = 1;
}

int main(int argc, char **argv) {
        struct sigaction action = {.sa_handler = on_term};
        uint64_t done = 0;

        if (argc < 3 || argc % 2 == 0) {
                fputs("usage: swap A B [C D]...\n", stderr);
                return STATUS_USAGE;
        }
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || sigaction(SIGTERM, &action, NULL) < 0)
                return STATUS_CANNOT;
        puts("ready");
        (void) fflush(stdout);
        while (!over)
                for (int i = 1; i < argc && !over; i += 2) {
                        if (renameat2(AT_FDCWD, argv[i], AT_FDCWD, argv[i + 1], RENAME_EXCHANGE) == 0) {
                                done++;
                                continue;
                        }
                        if (errno == EBUSY || errno == ENOENT) /* on the way of another pair, or a mount point */
                                continue;
                        fprintf(stderr, "swap: %s and %s: %s\n", argv[i], argv[i + 1], strerror(errno));
                        return STATUS_CANNOT;
                }
        printf("%" PRIu64 "\n", done);
        return 0;
}
