/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sources: what a caller reaches, what lies hidden, fds of every kind. */

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/unit/executor/hands.h"

static bool begin(void) {
        struct job_result pod;

        if (!hands_begin(NULL))
                return false;
        pod = make_pod();
        job_result_done(&pod);
        return true;
}

static struct job_result bind_path(bool root, const char *source, uint32_t flags) {
        struct job *job = new_job(root);

        add_bind(job, source, "/data")->flags = flags;
        return run(job);
}

static struct job_result bind_fd(bool root, int fd, uint32_t flags) {
        struct job *job = new_job(root);
        struct step *step = add_bind(job, NULL, "/data");

        step->source.kind = STEP_SOURCE_FD;
        step->flags = flags;
        job->n_fds = 1;
        return run_fds(job, &fd);
}

#define ck_assert_refused(kind, words, call)                                                                           \
        do {                                                                                                           \
                _cleanup_free_ char *_before = namespace_snapshot();                                                   \
                _cleanup_job_result_ struct job_result _result = call;                                                 \
                                                                                                                       \
                ck_assert_failed(_result, kind, words);                                                                \
                namespace_unchanged(_before);                                                                          \
        } while (0)

static void undo_data(void) {
        ck_assert_int_eq(umount2(ROOTFS "/data", MNT_DETACH), 0);
}

#define ck_assert_bound(call)                                                                                          \
        do {                                                                                                           \
                _cleanup_job_result_ struct job_result _result = call;                                                 \
                                                                                                                       \
                ck_assert_done(_result);                                                                               \
        } while (0)

START_TEST(test_reach) {
        if (!begin())
                return;
        make_directory("/tmp/closed");
        make_directory("/tmp/closed/in");
        ck_assert_int_eq(chmod("/tmp/closed", 0700), 0);
        ck_assert_bound(bind_path(true, "/tmp/closed/in", 0));
        undo_data();
        ck_assert_refused(
                FAILURE_SOURCE_DENIED, "cannot be reached by the caller", bind_path(false, "/tmp/closed/in", 0));
        ck_assert_refused(FAILURE_NO_SUCH_SOURCE, "does not exist", bind_path(true, "/tmp/none", 0));
        ck_assert_refused(FAILURE_NO_SUCH_SOURCE, "does not exist", bind_path(false, "/tmp/none", 0));
        ck_assert_refused(FAILURE_NO_SUCH_SOURCE, "ENOTDIR", bind_path(false, "/tmp/src/hello/x", 0));
        ck_assert_refused(FAILURE_SOURCE_DENIED, "magic link", bind_path(true, "/proc/self/root", 0));
        ck_assert_refused(FAILURE_SOURCE_DENIED, "magic link", bind_path(true, "/proc/self/cwd", 0));
        ck_assert_refused(FAILURE_SOURCE_DENIED, "", bind_path(false, "/proc/1/root", 0));
        ck_assert_int_eq(symlink("src", "/tmp/alias"), 0);
        ck_assert_bound(bind_path(false, "/tmp/alias", 0));
        ck_assert(exists(ROOTFS "/data/hello"));
}
END_TEST

/* What lies under a mount stays hidden from whoever is not root. */
START_TEST(test_hidden) {
        if (!begin())
                return;
        make_directory("/tmp/src/sub");
        make_file("/tmp/src/sub/secret", "secret\n");
        ck_assert_bound(bind_path(false, "/tmp/src", 0));
        undo_data();
        ck_assert_int_eq(mount("cover", "/tmp/src/sub", "tmpfs", 0, NULL), 0);
        ck_assert_refused(FAILURE_SOURCE_DENIED, "has mounts below it", bind_path(false, "/tmp/src", 0));
        ck_assert_bound(bind_path(true, "/tmp/src", 0));
        ck_assert(exists(ROOTFS "/data/sub/secret"));
        undo_data();
        ck_assert_bound(bind_path(false, "/tmp/src", STEP_RECURSIVE));
        ck_assert(!exists(ROOTFS "/data/sub/secret"));
        ck_assert_uint_eq(namespace_count(ROOTFS "/data/sub"), 1);
        undo_data();
        /* A recursive clone leaves unbindable mounts out. */
        ck_assert_int_eq(mount(NULL, "/tmp/src/sub", NULL, MS_UNBINDABLE, NULL), 0);
        ck_assert_refused(FAILURE_SOURCE_DENIED, "unbindable", bind_path(false, "/tmp/src", STEP_RECURSIVE));
        /* A sibling whose name begins alike hides nothing. */
        make_directory("/tmp/src2");
        ck_assert_int_eq(mount("beside", "/tmp/src2", "tmpfs", 0, NULL), 0);
        ck_assert_int_eq(umount2("/tmp/src/sub", 0), 0);
        ck_assert_bound(bind_path(false, "/tmp/src", 0));
}
END_TEST

START_TEST(test_hidden_mountinfo) {
        if (!begin())
                return;
        executor.features.statmount = false;
        make_directory("/tmp/src/s b");
        ck_assert_int_eq(mount("cover", "/tmp/src/s b", "tmpfs", 0, NULL), 0);
        executor.features.unique_id = false;
        ck_assert_refused(FAILURE_SOURCE_DENIED, "has mounts below it", bind_path(false, "/tmp/src", 0));
        ck_assert_int_eq(mount(NULL, "/tmp/src/s b", NULL, MS_UNBINDABLE, NULL), 0);
        ck_assert_refused(FAILURE_SOURCE_DENIED, "unbindable", bind_path(false, "/tmp/src", STEP_RECURSIVE));
        ck_assert_int_eq(umount2("/tmp/src/s b", 0), 0);
        ck_assert_bound(bind_path(false, "/tmp/src", 0));
}
END_TEST

/* Whoever is not root cannot take off what the source's mount has on. */
START_TEST(test_restrictions_stay) {
        _cleanup_job_result_ struct job_result result = {};
        struct job *job;
        struct step *step;

        if (!begin())
                return;
        make_directory("/tmp/ro");
        ck_assert_int_eq(mount("ro", "/tmp/ro", "tmpfs", MS_NOEXEC, NULL), 0);
        ck_assert_int_eq(mount(NULL, "/tmp/ro", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOEXEC, NULL), 0);
        job = new_job(false);
        step = add_bind(job, "/tmp/ro", "/data");
        step->attr_clear = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
        result = run(job);
        ck_assert_done(result);
        ck_assert_uint_eq(result.steps[0].attributes &
                                  (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV),
                MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
        undo_data();
        job_result_done(&result);
        job = new_job(true);
        step = add_bind(job, "/tmp/ro", "/data");
        step->attr_clear = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC;
        result = run(job);
        ck_assert_done(result);
        ck_assert_uint_eq(result.steps[0].attributes & (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC), 0);
}
END_TEST

START_TEST(test_plain_fds) {
        _cleanup_close_ int directory = -1, file = -1;

        if (!begin())
                return;
        directory = open("/tmp/src", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_bound(bind_fd(false, directory, 0));
        ck_assert(exists(ROOTFS "/data/hello"));
        undo_data();
        file = open("/tmp/src", O_PATH | O_CLOEXEC);
        ck_assert_bound(bind_fd(true, file, 0));
        undo_data();
        make_directory("/tmp/src/sub");
        ck_assert_int_eq(mount("cover", "/tmp/src/sub", "tmpfs", 0, NULL), 0);
        ck_assert_refused(FAILURE_SOURCE_DENIED, "has mounts below it", bind_fd(false, file, 0));
}
END_TEST

START_TEST(test_detached_fds) {
        _cleanup_close_ int tree = -1, fresh = -1;

        if (!begin())
                return;
        make_directory("/tmp/src/sub");
        ck_assert_int_eq(mount("cover", "/tmp/src/sub", "tmpfs", 0, NULL), 0);
        tree = open_tree(AT_FDCWD, "/tmp/src", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
        ck_assert_int_ge(tree, 0);
        ck_assert_bound(bind_fd(true, tree, 0));
        ck_assert(exists(ROOTFS "/data/hello"));
        ck_assert_uint_eq(namespace_count(ROOTFS "/data/sub"), 1);
        undo_data();
        fresh = fscontext_tmpfs(65536, 0, 0755, 0, 0, 0);
        ck_assert_int_ge(fresh, 0);
        ck_assert_int_eq(mkdirat(fresh, "made", 0755), 0);
        ck_assert_bound(bind_fd(false, fresh, 0));
        ck_assert(exists(ROOTFS "/data/made"));
}
END_TEST

START_TEST(test_wrong_fds) {
        int pipes[2], sockets[2];
        _cleanup_close_ int memory = -1, event = -1, epoll = -1, pid = -1, name_space = -1;

        if (!begin())
                return;
        ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
        memory = memfd_create("m", MFD_CLOEXEC);
        event = eventfd(0, EFD_CLOEXEC);
        epoll = epoll_create1(EPOLL_CLOEXEC);
        pid = (int) syscall(SYS_pidfd_open, getpid(), 0);
        name_space = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        ck_assert_refused(FAILURE_INVALID_ARGS, "a pipe", bind_fd(true, pipes[0], 0));
        ck_assert_refused(FAILURE_INVALID_ARGS, "a socket", bind_fd(true, sockets[0], 0));
        ck_assert_refused(FAILURE_INVALID_ARGS, "a memfd", bind_fd(false, memory, 0));
        ck_assert_refused(FAILURE_INVALID_ARGS, "an anonymous inode", bind_fd(true, event, 0));
        ck_assert_refused(FAILURE_INVALID_ARGS, "an anonymous inode", bind_fd(false, epoll, 0));
        ck_assert_refused(FAILURE_INVALID_ARGS, "pid", bind_fd(true, pid, 0));
        ck_assert_refused(FAILURE_INVALID_ARGS, "a namespace", bind_fd(false, name_space, 0));
        /* A socket and a fifo that have a path are files like others. */
        ck_assert_int_eq(mkfifo("/tmp/fifo", 0600), 0);
        {
                _cleanup_close_ int fifo = open("/tmp/fifo", O_PATH | O_CLOEXEC);
                struct job *job = new_job(true);
                struct step *step = add_bind(job, NULL, "/etc/file");
                _cleanup_job_result_ struct job_result result = {};

                step->source.kind = STEP_SOURCE_FD;
                job->n_fds = 1;
                result = run_fds(job, &fifo);
                ck_assert_done(result);
        }
}
END_TEST

/* An fd of another mount namespace says what to do. */
START_TEST(test_foreign_fd) {
        _cleanup_close_ int fd = -1;
        int sockets[2], status;
        pid_t child;

        if (!begin())
                return;
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
        child = fork();
        if (child == 0) {
                _exit(unshare(CLONE_NEWNS) == 0 && write(sockets[1], "x", 1) == 1 && read(sockets[1], &status, 1) == 1
                                ? 0
                                : 1);
        }
        ck_assert_int_eq(read(sockets[0], &status, 1), 1);
        {
                _cleanup_free_ char *path = NULL;

                ck_assert_int_gt(asprintf(&path, "/proc/%d/root/tmp/src", child), 0);
                fd = open(path, O_PATH | O_CLOEXEC);
        }
        ck_assert_int_ge(fd, 0);
        ck_assert_refused(FAILURE_SOURCE_DENIED, "on no mount of the host's mount namespace", bind_fd(true, fd, 0));
        ck_assert_refused(FAILURE_SOURCE_DENIED, "on no mount of the host's mount namespace", bind_fd(false, fd, 0));
        ck_assert_int_eq(write(sockets[0], "x", 1), 1);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(test_overlay) {
        if (!begin())
                return;
        ck_assert_int_eq(chown("/tmp/src", CALLER, CALLER), 0);
        make_directory("/tmp/upper");
        make_directory("/tmp/work");
        ck_assert_int_eq(chown("/tmp/work", CALLER, CALLER), 0);
        for (unsigned round = 0; round < 4; round++) {
                _cleanup_job_result_ struct job_result result = {};
                struct job *job = new_job(false);
                struct step *step = add_step(job, STEP_OVERLAY, NULL, "/data");
                struct step_source *layer = array_append(&step->layers, &step->n_layers);

                *layer = (struct step_source){.kind = STEP_SOURCE_PATH, .path = strdup("/tmp/src")};
                step->upper = (struct step_source){.kind = STEP_SOURCE_PATH, .path = strdup("/tmp/upper")};
                step->work = (struct step_source){.kind = STEP_SOURCE_PATH, .path = strdup("/tmp/work")};
                result = run(job);
                switch (round) {
                case 0:
                        ck_assert_failed(result, FAILURE_SOURCE_DENIED,
                                "upper directory /tmp/upper must be owned by the caller");
                        ck_assert_int_eq(chown("/tmp/upper", CALLER, CALLER), 0);
                        make_directory("/tmp/work/full");
                        break;
                case 1:
                        ck_assert_failed(result, FAILURE_SOURCE_DENIED, "must be empty");
                        ck_assert_int_eq(rmdir("/tmp/work/full"), 0);
                        make_directory("/tmp/src/sub");
                        ck_assert_int_eq(mount("cover", "/tmp/src/sub", "tmpfs", 0, NULL), 0);
                        break;
                case 2:
                        ck_assert_failed(result, FAILURE_SOURCE_DENIED, "has mounts below it");
                        ck_assert_int_eq(umount2("/tmp/src/sub", 0), 0);
                        break;
                default:
                        ck_assert_done(result);
                        make_file(ROOTFS "/data/hello", "changed\n");
                        ck_assert(exists("/tmp/upper/hello"));
                        ck_assert(result.steps[0].attributes & MOUNT_ATTR_NODEV);
                }
        }
}
END_TEST

/* The kernel's own words reach the client. */
START_TEST(test_kernel_words) {
        _cleanup_job_result_ struct job_result result = {}, option = {};
        struct job *job;
        struct step *step;
        struct step_source *layer;

        if (!begin())
                return;
        make_directory("/tmp/upper");
        make_directory("/tmp/work");
        ck_assert_int_eq(mount("other", "/tmp/work", "tmpfs", 0, NULL), 0);
        job = new_job(true);
        step = add_step(job, STEP_OVERLAY, NULL, "/data");
        layer = array_append(&step->layers, &step->n_layers);
        *layer = (struct step_source){.kind = STEP_SOURCE_PATH, .path = strdup("/tmp/src")};
        step->upper = (struct step_source){.kind = STEP_SOURCE_PATH, .path = strdup("/tmp/upper")};
        step->work = (struct step_source){.kind = STEP_SOURCE_PATH, .path = strdup("/tmp/work")};
        result = run(job);
        ck_assert_failed(result, FAILURE_MOUNT_FAILED, "EINVAL");
        ck_assert_int_eq(result.error, EINVAL);
        job = new_job(true);
        add_option(add_fs(job, "cgroup", "/data"), "none", NULL);
        option = run(job);
        ck_assert_failed(option, FAILURE_MOUNT_FAILED, "making the cgroup of /data failed, the kernel says: ");
}
END_TEST

/* A recursive clone brings mounts along that no spec names: anyone but root has a limit of them for a whole job. */
START_TEST(test_brought) {
        struct job *job;
        int tree;

        if (!begin())
                return;
        for (int i = 0; i < 3; i++) {
                char path[] = "/tmp/src/0";

                path[sizeof(path) - 2] += (char) i;
                make_directory(path);
                ck_assert_int_eq(mount("nested", path, "tmpfs", 0, NULL), 0);
        }
        for (int way = 0; way < 2; way++) {
                executor.features.statmount &= way == 0;
                ck_assert_refused(FAILURE_QUOTA_EXCEEDED, "more than 2", bind_path(false, "/tmp/src", STEP_RECURSIVE));
                ck_assert_bound(bind_path(true, "/tmp/src", STEP_RECURSIVE));
                undo_data();
                tree = open_tree(AT_FDCWD, "/tmp/src", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
                ck_assert_int_ge(tree, 0);
                ck_assert_refused(FAILURE_QUOTA_EXCEEDED, "more than 2", bind_fd(false, tree, STEP_RECURSIVE));
                (void) close_fd(tree);
        }
        ck_assert_int_eq(umount2("/tmp/src/0", 0), 0);
        ck_assert_bound(bind_path(false, "/tmp/src", STEP_RECURSIVE));
        ck_assert_uint_eq(namespace_count(ROOTFS "/data"), 3);
        undo_data();
        job = new_job(false);
        add_bind(job, "/tmp/src", "/data")->flags = STEP_RECURSIVE;
        add_bind(job, "/tmp/src", "/etc")->flags = STEP_RECURSIVE;
        ck_assert_refused(FAILURE_QUOTA_EXCEEDED, "more than 2", run(job));
}
END_TEST

UNIT_MAIN("source", test_reach, test_hidden, test_brought, test_hidden_mountinfo, test_restrictions_stay, test_plain_fds,
        test_detached_fds, test_wrong_fds, test_foreign_fd, test_overlay, test_kernel_words)
