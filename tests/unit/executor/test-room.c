/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The room that workers are shut in: one for all, in which nothing can be changed, and no worker sees another. */

#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "executor/worker.h"
#include "tests/unit/executor/hands.h"
#include "util/channel.h"
#include "util/text.h"

#define CAPABILITY(name) (UINT64_C(1) << (name))

static bool begin(void) {
        if (!hands_begin(NULL))
                return false;
        make_directory("/tmp/place");
        (void) signal(SIGCHLD, SIG_IGN); /* as in an executor */
        return true;
}

static int start(int (*work)(struct worker *, const int *, void *), struct worker_setup setup) {
        int channel;

        setup.name = "podmount-test";
        setup.work = work;
        ck_assert_int_eq(worker_start(&setup, &channel), 0);
        return channel;
}

/* A worker that is done. */
static void until_done(int channel) {
        for (;;) {
                _cleanup_message_ struct channel_message message = {};
                struct stream_head head;

                ck_assert_int_eq(channel_receive(channel, 0, &message), 1);
                memcpy(&head, message.data, sizeof(head));
                if (head.kind == STREAM_FAILED)
                        ck_abort_msg("%.*s", (int) (message.size - sizeof(head)), (const char *) message.data + sizeof(head));
                if (head.kind == STREAM_DONE)
                        break;
        }
        (void) close_fd(channel);
}

static int refused(struct worker *worker, const char *what, bool done, int wanted) {
        if (!done && errno == wanted)
                return 0;
        return worker_fail(worker, FAILURE_BUSY, 0, "%s: %s", what, done ? "done" : strerrorname_np(errno));
}

/* What one worker could leave for the next, with all that any of them may. */
static int work_litters(struct worker *worker, const int *fds _unused_, void *userdata _unused_) {
        return refused(worker, "file", open("/new", O_WRONLY | O_CREAT, 0600) >= 0, EROFS) ?: refused(worker, "directory", mkdir("/new", 0700) == 0, EROFS)
                ?: refused(worker, "mode", chmod("/", 0777) == 0, EROFS) ?: refused(worker, "owner", chown("/", 1, 1) == 0, EROFS)
                ?: refused(worker, "times", utimensat(AT_FDCWD, "/", NULL, 0) == 0, EROFS)
                ?: refused(worker, "attribute", setxattr("/", "trusted.x", "x", 1, 0) == 0, EROFS)
                ?: refused(worker, "mount", mount("x", "/", "tmpfs", 0, NULL) == 0, EPERM)
                ?: refused(worker, "remount", mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL) == 0, EPERM)
                ?: refused(worker, "umount", umount2("/", MNT_DETACH) == 0, EPERM)
                ?: refused(worker, "socket", socket(AF_UNIX, SOCK_STREAM, 0) >= 0, EPERM)
                ?: refused(worker, "watch", syscall(SYS_fanotify_init, 0, O_RDONLY) >= 0, EPERM);
}

START_TEST(test_litter) {
        if (!begin())
                return;
        for (unsigned i = 0; i < 2; i++)
                until_done(start(work_litters, (struct worker_setup) {.root = -1,
                        .capabilities = CAPABILITY(CAP_SYS_ADMIN) | CAPABILITY(CAP_DAC_OVERRIDE) | CAPABILITY(CAP_CHOWN) | CAPABILITY(CAP_FOWNER)}));
}
END_TEST

static int work_waits(struct worker *worker _unused_, const int *fds, void *userdata _unused_) {
        char c;

        return read(fds[0], &c, 1) < 0 ? -errno : 0;
}

/* None of a parent that has ended meanwhile. */
static unsigned count_children(pid_t parent, pid_t *children, unsigned max) {
        _cleanup_free_ char *path = text_format("/proc/%d/task/%d/children", parent, parent);
        _cleanup_fclose_ FILE *file = fopen(path, "re");
        unsigned n = 0;

        if (!file && errno == ENOENT)
                return 0;
        ck_assert_ptr_nonnull(file);
        while (n < max && fscanf(file, "%d", &children[n]) == 1)
                n++;
        return n;
}

static ino_t namespace_of(pid_t pid, const char *name) {
        _cleanup_free_ char *path = text_format("/proc/%d/ns/%s", pid, name);
        struct stat status;

        ck_assert_msg(stat(path, &status) == 0, "%s: %m", path);
        return status.st_ino;
}

static unsigned count_mounts(pid_t pid) {
        _cleanup_free_ char *path = text_format("/proc/%d/mountinfo", pid);
        _cleanup_fclose_ FILE *file = fopen(path, "re");
        unsigned n = 0;

        ck_assert_ptr_nonnull(file);
        for (int c; (c = fgetc(file)) != EOF;)
                n += c == '\n';
        return n;
}

/* The guard keeps nothing of what makes a room. */
static void check_fds(pid_t pid) {
        _cleanup_free_ char *path = text_format("/proc/%d/fd", pid);
        _cleanup_closedir_ DIR *directory = opendir(path);
        const struct dirent *entry;

        ck_assert_ptr_nonnull(directory);
        while ((entry = readdir(directory))) {
                char target[64] = "";

                if (readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1) >= 0)
                        ck_assert_msg(strncmp(target, "mnt:", 4) != 0 && strncmp(target, "net:", 4) != 0, "fd %s of a guard is %s", entry->d_name, target);
        }
}

static bool is_one_of(pid_t pid, const pid_t *pids, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                if (pids[i] == pid)
                        return true;
        return false;
}

/* The new child that has a child, and is where it belongs since then: the one that made the room has none, and ends. */
static pid_t find_guard(const pid_t *before, unsigned n_before) {
        pid_t after[16], worker;

        for (;;) {
                unsigned n = count_children(getpid(), after, ELEMENTSOF(after));

                for (unsigned i = 0; i < n; i++)
                        if (!is_one_of(after[i], before, n_before) && count_children(after[i], &worker, 1) > 0)
                                return after[i];
        }
}

static pid_t begin_guarded(int root, int *ret_channel) {
        pid_t before[16];
        unsigned n = count_children(getpid(), before, ELEMENTSOF(before));
        int nothing[2], fds[1];

        ck_assert_int_eq(pipe2(nothing, O_CLOEXEC), 0);
        fds[0] = nothing[0];
        *ret_channel = start(work_waits, (struct worker_setup) {.root = root, .fds = fds, .n_fds = 1});
        (void) close_fd(nothing[0]); /* the other end stays open: nobody answers the worker */
        return find_guard(before, n);
}

/* Who has a root directory is in a mount namespace of its own. */
START_TEST(test_shared) {
        static const char *const shared[] = {"mnt", "net"}, *const own[] = {"pid_for_children", "ipc", "uts"};
        _cleanup_close_ int root = -1;
        int channels[3];
        pid_t guards[3];

        if (!begin())
                return;
        root = open("/tmp/place", O_PATH | O_DIRECTORY | O_CLOEXEC);
        for (size_t i = 0; i < 3; i++)
                guards[i] = begin_guarded(i < 2 ? -1 : root, &channels[i]);
        for (size_t i = 0; i < ELEMENTSOF(shared); i++) {
                ck_assert_uint_eq(namespace_of(guards[0], shared[i]), namespace_of(guards[1], shared[i]));
                ck_assert_uint_ne(namespace_of(guards[0], shared[i]), namespace_of(getpid(), shared[i]));
        }
        ck_assert_uint_ne(namespace_of(guards[2], "mnt"), namespace_of(guards[0], "mnt"));
        ck_assert_uint_ne(namespace_of(guards[2], "mnt"), namespace_of(getpid(), "mnt"));
        for (size_t i = 0; i < ELEMENTSOF(own); i++) {
                ck_assert_uint_ne(namespace_of(guards[0], own[i]), namespace_of(guards[1], own[i]));
                ck_assert_uint_ne(namespace_of(guards[0], own[i]), namespace_of(getpid(), own[i]));
        }
        for (size_t i = 0; i < 3; i++) {
                ck_assert_uint_eq(count_mounts(guards[i]), 1);
                check_fds(guards[i]);
                (void) close_fd(channels[i]);
        }
}
END_TEST

UNIT_MAIN("room", test_litter, test_shared)
