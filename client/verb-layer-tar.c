/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * layer apply: a tar for a layer. How far it is, is seen here: whoever shares an open file shares where it is read from, and what
 * comes through a pipe is carried over by a child that counts it. Only a terminal is told.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/call.h"
#include "client/render.h"
#include "client/report.h"
#include "client/value.h"
#include "client/verb.h"
#include "client/verb-layer.h"
#include "dbus/names.h"

enum { PROGRESS_MS = 200, BLOCK = 64 * 1024 };

struct progress {
        pid_t child; /* or 0 */
};

static void show(uint64_t done, uint64_t all) {
        const double mib = 1024 * 1024;

        if (all > 0)
                (void) fprintf(stderr, "\r%.1f of %.1f MiB ", (double) done / mib, (double) all / mib); /* lost, nothing is lost */
        else
                (void) fprintf(stderr, "\r%.1f MiB ", (double) done / mib);
}

/* A file: the daemon reads on from where we see it. */
static _noreturn_ void watch_file(int fd, uint64_t all) {
        for (;;) {
                off_t at = lseek(fd, 0, SEEK_CUR);

                if (at >= 0)
                        show((uint64_t) at, all);
                (void) poll(NULL, 0, PROGRESS_MS);
        }
}

static bool pass_on(int to, const char *data, size_t size) {
        while (size > 0) {
                ssize_t n = write(to, data, size);

                if (n < 0 && errno != EINTR)
                        return false;
                data += n > 0 ? n : 0;
                size -= n > 0 ? (size_t) n : 0;
        }
        return true;
}

static _noreturn_ void pump(int from, int to) {
        static char block[BLOCK];
        uint64_t done = 0;
        ssize_t n;

        while ((n = read(from, block, sizeof(block))) != 0) {
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 || !pass_on(to, block, (size_t) n))
                        break;
                done += (uint64_t) n;
                show(done, 0);
        }
        _exit(n == 0 ? 0 : 1);
}

static pid_t child_of_ours(void) {
        pid_t parent = getpid(), child = fork();

        if (child == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent))
                _exit(1);
        return child;
}

/* Without a terminal, or a child, nothing is shown, and that is all. *fd may be replaced by another one. */
static void begin_progress(struct progress *progress, int *fd) {
        struct stat st;
        int pair[2];

        *progress = (struct progress) {};
        if (!isatty(STDERR_FILENO) || fstat(*fd, &st) < 0)
                return;
        if (S_ISREG(st.st_mode)) {
                progress->child = child_of_ours();
                if (progress->child == 0)
                        watch_file(*fd, (uint64_t) st.st_size);
                return;
        }
        if (pipe2(pair, O_CLOEXEC) < 0)
                return;
        progress->child = child_of_ours();
        if (progress->child == 0) {
                (void) close(pair[0]);
                pump(*fd, pair[1]);
        }
        (void) close_fd(pair[1]);
        if (progress->child < 0)
                (void) close_fd(pair[0]);
        else {
                (void) close_fd(*fd);
                *fd = pair[0];
        }
}

static void end_progress(const struct progress *progress) {
        if (progress->child <= 0)
                return;
        (void) kill(progress->child, SIGKILL); /* it may have ended by itself */
        (void) waitpid(progress->child, NULL, 0);
        (void) fputs("\r\033[K", stderr); /* clears the line */
}

static int open_tar(const char *name, int *ret) {
        *ret = !name || strcmp(name, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(name, O_RDONLY | O_CLOEXEC);
        return *ret < 0 ? report_errno(errno, "Cannot open %s", name ? name : "-") : 0;
}

int layer_apply(struct client *client, const struct arguments *arguments) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_close_ int fd = -1;
        struct progress progress;
        uint64_t bytes;
        int r;

        if (!call_can_send_fds(client))
                return report_error("This connection carries no file descriptors; use the host's own bus or socket");
        r = open_tar(arguments->n_words > 3 ? arguments->words[3] : NULL, &fd);
        if (r == 0)
                r = call_new(client, PODMOUNT_OBJECT_PATH, PODMOUNT_LAYER_STORE_INTERFACE, "ApplyDiff", &m);
        if (r != 0)
                return r;
        begin_progress(&progress, &fd);
        r = sd_bus_message_append(m, "sh", arguments->words[2], fd);
        fd = close_fd(fd); /* the message has its own: a writer learns of the end of the reading */
        if (r >= 0)
                r = call_open_options(client, m);
        if (r >= 0)
                r = call_close_options(m);
        client->patient = true; /* how long, is whoever writes the tar's to say */
        r = call_send(client, m, r, &reply);
        end_progress(&progress);
        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "t", &bytes);
        return r < 0 ? call_bad_reply(r) : layer_print_number(client, "Bytes", bytes);
}
