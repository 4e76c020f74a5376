/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Workers: what they say, how they end, and that they reach nothing but what they were given. */

#include <errno.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "executor/stream.h"
#include "executor/worker.h"
#include "tests/unit/executor/hands.h"

static sd_event *event;
static struct stream *stream;

/* What was told. */
static struct {
        unsigned progress, portions, ends;
        uint64_t figures[STREAM_FIGURES];
        enum stream_kind kind;
        enum failure_kind failure;
        char text[512], portion[8192];
        size_t bytes;
} told;

static void on_told(const struct stream_report *report, void *userdata _unused_) {
        memcpy(told.figures, report->figures, sizeof(told.figures));
        told.progress += report->kind == STREAM_PROGRESS;
        if (report->kind == STREAM_PORTION) {
                told.portions++;
                told.bytes += report->size;
                if (report->size < sizeof(told.portion))
                        memcpy(told.portion, report->data, report->size);
        }
        if (report->kind != STREAM_DONE && report->kind != STREAM_FAILED)
                return;
        told.ends++;
        told.kind = report->kind;
        told.failure = report->failure;
        (void) snprintf(told.text, sizeof(told.text), "%s", report->text ? report->text : "");
        stream = stream_free(stream); /* whoever is told may */
}

static bool begin(void) {
        if (!hands_begin(NULL))
                return false;
        ck_assert_int_ge(sd_event_new(&event), 0);
        make_directory("/tmp/place");
        make_file("/tmp/place/file", "inside\n");
        (void) signal(SIGCHLD, SIG_IGN); /* as in an executor */
        return true;
}

static int start(int (*work)(struct worker *, const int *, void *), struct worker_setup setup) {
        _cleanup_close_ int root = open("/tmp/place", O_PATH | O_DIRECTORY | O_CLOEXEC);
        int channel;

        setup.name = "podmount-test";
        setup.root = setup.root == 0 ? root : setup.root;
        setup.work = work;
        ck_assert_int_eq(worker_start(&setup, &channel), 0);
        return channel;
}

static void follow(int channel, uint64_t timeout_us) {
        ck_assert_int_eq(stream_new(event, channel, timeout_us, "Test", on_told, NULL, &stream), 0);
}

static void until_end(void) {
        while (told.ends == 0)
                ck_assert_int_gt(sd_event_run(event, 20 * 1000 * 1000), 0);
}

static int work_talks(struct worker *worker, const int *fds, void *userdata) {
        static char big[STREAM_BYTES_MAX];
        char text[16] = "";

        if (read(fds[0], text, sizeof(text) - 1) < 0)
                return -errno;
        worker_figures(worker)[0] = 17;
        for (unsigned i = 0; i < 1000; i++)
                if (worker_progress(worker) < 0) /* only a few are sent */
                        return -EPIPE;
        for (unsigned i = 0; i < 100; i++)
                if (worker_portion(worker, big, sizeof(big)) < 0)
                        return -EPIPE;
        if (worker_portion(worker, big, sizeof(big) + 1) != -E2BIG)
                return -EINVAL;
        worker_figures(worker)[1] = *(unsigned *) userdata;
        return worker_portion(worker, text, sizeof(text));
}

START_TEST(test_talk) {
        unsigned number = 4711;
        int fds[2];

        if (!begin())
                return;
        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        ck_assert_int_eq(write(fds[1], "hello", 5), 5);
        follow(start(work_talks, (struct worker_setup) {.fds = fds, .n_fds = 1, .userdata = &number}), 20 * 1000 * 1000);
        until_end();
        ck_assert_msg(told.kind == STREAM_DONE, "%s", told.text);
        ck_assert_uint_eq(told.figures[0], 17);
        ck_assert_uint_eq(told.figures[1], 4711);
        ck_assert_uint_ge(told.progress, 1);
        ck_assert_uint_lt(told.progress, 100);
        ck_assert_uint_eq(told.portions, 101);
        ck_assert_uint_eq(told.bytes, 100 * STREAM_BYTES_MAX + 16);
        ck_assert_str_eq(told.portion, "hello");
}
END_TEST

static int work_fails(struct worker *worker, const int *fds _unused_, void *userdata _unused_) {
        (void) worker_fail(worker, FAILURE_QUOTA_EXCEEDED, ENOSPC, "no room for %s", "this");
        return worker_fail(worker, FAILURE_BUSY, 0, "what came of it");
}

static int work_errs(struct worker *worker _unused_, const int *fds _unused_, void *userdata _unused_) {
        return -ENOMEM;
}

START_TEST(test_failure) {
        if (!begin())
                return;
        follow(start(work_fails, (struct worker_setup) {}), 20 * 1000 * 1000);
        until_end();
        ck_assert_int_eq(told.failure, FAILURE_QUOTA_EXCEEDED);
        ck_assert_ptr_nonnull(strstr(told.text, "no room for this: ENOSPC"));
        told.ends = 0;
        follow(start(work_errs, (struct worker_setup) {}), 20 * 1000 * 1000);
        until_end();
        ck_assert_int_eq(told.failure, FAILURE_MOUNT_FAILED);
        ck_assert_ptr_nonnull(strstr(told.text, "ENOMEM"));
}
END_TEST

static int work_dies(struct worker *worker _unused_, const int *fds _unused_, void *userdata) {
        if (*(int *) userdata == 0)
                _exit(0); /* without a word */
        (void) raise(*(int *) userdata);
        abort();
}

START_TEST(test_death) {
        int how[] = {0, SIGKILL, SIGSEGV};

        if (!begin())
                return;
        for (size_t i = 0; i < ELEMENTSOF(how); i++) {
                told.ends = 0;
                follow(start(work_dies, (struct worker_setup) {.userdata = &how[i]}), 20 * 1000 * 1000);
                until_end();
                ck_assert_int_eq(told.failure, FAILURE_MOUNT_FAILED);
                ck_assert_ptr_nonnull(strstr(told.text, "ended before it was done"));
        }
}
END_TEST

/* What a worker says that somebody has taken over. */
START_TEST(test_nonsense) {
        struct stream_head head = {.magic = STREAM_MAGIC, .kind = STREAM_PROGRESS};
        uint8_t data[sizeof(head) + 1];

        if (!begin())
                return;
        for (unsigned i = 0; i < 8; i++) {
                size_t size = sizeof(head);
                int pair[2];

                told.ends = 0;
                ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
                follow(pair[0], 20 * 1000 * 1000);
                head = (struct stream_head) {.magic = STREAM_MAGIC, .kind = STREAM_PROGRESS};
                head.magic -= i == 0;
                head.kind = i == 1 ? _STREAM_KIND_MAX : i == 2 ? UINT32_MAX : head.kind;
                head.kind = i == 3 ? STREAM_FAILED : i == 7 ? STREAM_DONE : head.kind; /* without a failure */
                head.failure = i == 4 ? FAILURE_BUSY : i == 5 ? _FAILURE_KIND_MAX : 0;
                size += i == 6 || i == 7 ? 1 : 0; /* bytes where there are none */
                memcpy(data, &head, sizeof(head));
                ck_assert_int_eq(channel_send(pair[1], data, size, i == 2 ? &pair[1] : NULL, i == 2 ? 1 : 0), 0);
                until_end();
                ck_assert_int_eq(told.failure, FAILURE_MOUNT_FAILED);
                (void) close_fd(pair[1]);
        }
        told.ends = 0;
        {
                int pair[2];

                ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
                follow(pair[0], 20 * 1000 * 1000);
                ck_assert_int_eq(channel_send(pair[1], "?", 1, NULL, 0), 0);
                until_end();
                ck_assert_int_eq(told.failure, FAILURE_MOUNT_FAILED);
                (void) close_fd(pair[1]);
        }
}
END_TEST

/* The worker holds the write end of a pipe: its end is seen. */
static int work_waits(struct worker *worker, const int *fds, void *userdata _unused_) {
        char c;

        (void) worker_progress(worker);
        return read(fds[0], &c, 1) < 0 ? -errno : 0;
}

static void ends_with(int reader) {
        struct pollfd poll_fd = {.fd = reader};

        ck_assert_int_eq(poll(&poll_fd, 1, 20000), 1);
        ck_assert_int_eq(poll_fd.revents, POLLHUP);
}

static void begin_waiting(int *ret_reader, int *ret_channel) {
        int nothing[2], life[2], fds[2];

        ck_assert_int_eq(pipe2(nothing, O_CLOEXEC), 0);
        ck_assert_int_eq(pipe2(life, O_CLOEXEC), 0);
        fds[0] = nothing[0];
        fds[1] = life[1];
        *ret_channel = start(work_waits, (struct worker_setup) {.fds = fds, .n_fds = 2});
        (void) close_fd(life[1]);
        *ret_reader = life[0]; /* `nothing` stays open: nobody answers the worker */
}

START_TEST(test_stopped) {
        int reader, channel;

        if (!begin())
                return;
        begin_waiting(&reader, &channel);
        follow(channel, 20 * 1000 * 1000);
        while (told.progress == 0)
                ck_assert_int_gt(sd_event_run(event, 20 * 1000 * 1000), 0);
        stream = stream_free(stream);
        ends_with(reader);
        ck_assert_uint_eq(told.ends, 0);
}
END_TEST

START_TEST(test_no_progress) {
        int reader, channel;

        if (!begin())
                return;
        begin_waiting(&reader, &channel);
        follow(channel, 300 * 1000);
        until_end();
        ck_assert_int_eq(told.failure, FAILURE_TIMED_OUT);
        ck_assert_ptr_nonnull(strstr(told.text, "Test made no progress"));
        ends_with(reader);
}
END_TEST

START_TEST(test_broken_off) {
        int reader, channel;

        if (!begin())
                return;
        begin_waiting(&reader, &channel);
        follow(channel, 20 * 1000 * 1000);
        stream_break(stream, FAILURE_BUSY, "because");
        ck_assert_int_eq(told.failure, FAILURE_BUSY);
        ck_assert_str_eq(told.text, "because");
        ends_with(reader);
}
END_TEST

/* Whatever ends the executor ends its workers. */
START_TEST(test_executor_dies) {
        int nothing[2], life[2], hand[2];
        char c;
        pid_t child;

        if (!begin())
                return;
        ck_assert_int_eq(pipe2(nothing, O_CLOEXEC), 0);
        ck_assert_int_eq(pipe2(life, O_CLOEXEC), 0);
        ck_assert_int_eq(pipe2(hand, O_CLOEXEC), 0);
        child = fork();
        if (child == 0) {
                const int fds[] = {nothing[0], life[1]};

                if (start(work_waits, (struct worker_setup) {.fds = fds, .n_fds = 2}) < 0 || write(hand[1], "", 1) < 0)
                        _exit(1);
                (void) pause();
        }
        (void) close_fd(life[1]);
        ck_assert_int_eq(read(hand[0], &c, 1), 1);
        ck_assert_int_eq(kill(child, SIGKILL), 0);
        ends_with(life[0]);
}
END_TEST

static char escapes[4096];

static void expect(const char *what, bool done, int wanted) {
        int error = errno;
        size_t n = strlen(escapes);

        if (done || (wanted != 0 && error != wanted))
                (void) snprintf(escapes + n, sizeof(escapes) - n, "%s: %s\n", what, done ? "done" : strerrorname_np(error));
}

struct outside {
        pid_t pid;
        int shm;
        int capabilities;
        bool read_only;
        struct sockaddr_un address;
        socklen_t address_size;
};

/* Paths that are no more, and the ways out of a root directory. */
static void try_files(const struct outside *outside) {
        expect("open /etc/passwd", open("/etc/passwd", O_RDONLY) >= 0, ENOENT);
        expect("open /tmp/place", open("/tmp/place", O_PATH) >= 0, ENOENT);
        expect("open /proc/self", open("/proc/self", O_PATH) >= 0, ENOENT);
        expect("open ../etc", open("../../../etc/passwd", O_RDONLY) >= 0, ENOENT);
        expect("open file", open("/file", O_RDONLY) < 0, 0);
        expect("write", outside->read_only == (open("/new", O_WRONLY | O_CREAT, 0600) >= 0), 0);
        expect("chroot", chroot("/") == 0, EPERM);
        expect("mknod", mknod("/device", S_IFCHR | 0600, 0x0103) == 0, outside->read_only ? EROFS : EPERM);
        expect("chown", chown("/file", 1, 1) == 0, outside->read_only ? EROFS : EPERM);
        expect("open by handle", syscall(SYS_open_by_handle_at, 3, NULL, O_RDONLY) >= 0, 0);
}

static void try_mounts(void) {
        expect("mount", mount("x", "/", "tmpfs", 0, NULL) == 0, EPERM);
        expect("remount", mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL) == 0, EPERM);
        expect("umount", umount2("/", MNT_DETACH) == 0, EPERM);
        expect("fsopen", syscall(SYS_fsopen, "tmpfs", 0) >= 0, EPERM);
        expect("open_tree", syscall(SYS_open_tree, AT_FDCWD, "/", 1 /* OPEN_TREE_CLONE */) >= 0, EPERM);
        expect("unshare", unshare(CLONE_NEWNS) == 0, EPERM);
        expect("user namespace", unshare(CLONE_NEWUSER) == 0, EPERM);
        expect("fork", syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0) >= 0, EPERM);
        expect("program", syscall(SYS_execve, "/file", NULL, NULL) == 0, EPERM);
        expect("watch", syscall(SYS_fanotify_init, 0x200 /* FAN_REPORT_FID, for which no capability is asked */, O_RDONLY) >= 0, EPERM);
}

static void try_others(const struct outside *outside) {
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        expect("kill", kill(outside->pid, 0) == 0, ESRCH);
        expect("kill all", kill(-1, 0) == 0, ESRCH); /* no signal: where the confinement fails, it would reach the whole host */
        expect("ptrace", ptrace(PTRACE_ATTACH, outside->pid, 0, 0) == 0, 0);
        expect("ptrace the first process", ptrace(PTRACE_ATTACH, 1, 0, 0) == 0, EPERM);
        expect("pidfd", syscall(SYS_pidfd_open, outside->pid, 0) >= 0, 0);
        expect("read memory", syscall(SYS_process_vm_readv, outside->pid, NULL, 0, NULL, 0, 0) >= 0, 0);
        expect("shared memory", shmat(outside->shm, NULL, 0) != (void *) -1, 0);
        expect("connect", fd >= 0 && connect(fd, (const struct sockaddr *) &outside->address, outside->address_size) == 0, 0);
        expect("host name", sethostname("x", 1) == 0, EPERM);
        expect("nice", setpriority(PRIO_PROCESS, 0, -5) == 0, EACCES);
        expect("core", setrlimit(RLIMIT_CORE, &(struct rlimit) {1, 1}) == 0, EPERM);
}

static void try_powers(const struct outside *outside) {
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};

        expect("capget", syscall(SYS_capget, &header, data) < 0, 0);
        expect("capabilities", data[0].effective != (uint32_t) outside->capabilities || data[0].permitted != (uint32_t) outside->capabilities ||
                                       data[0].inheritable != 0 || data[1].effective != 0, 0);
        expect("bounding set", prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) != 0, 0);
        expect("new privileges", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1, 0);
        expect("groups", getgroups(0, NULL) != 0, 0);
}

static int work_escapes(struct worker *worker, const int *fds, void *userdata) {
        const struct outside *outside = userdata;

        expect("fds", fds[0] != 4 || fcntl(4, F_GETFD) < 0, 0);
        for (int fd = 5; fd < 4096; fd++)
                expect("fds that it was not given", fcntl(fd, F_GETFD) >= 0, EBADF);
        try_powers(outside);
        try_files(outside);
        try_mounts();
        try_others(outside);
        return *escapes ? worker_fail(worker, FAILURE_BUSY, 0, "%s", escapes) : 0;
}

static void check_escapes(struct outside *outside, const struct worker_setup *setup) {
        told.ends = 0;
        *escapes = '\0';
        outside->capabilities = (int) setup->capabilities;
        outside->read_only = setup->read_only;
        follow(start(work_escapes, *setup), 20 * 1000 * 1000);
        until_end();
        ck_assert_msg(told.kind == STREAM_DONE, "%s", told.text);
}

START_TEST(test_confined) {
        struct outside outside = {.address = {.sun_family = AF_UNIX}};
        int fds[2], server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct worker_setup setup = {.fds = fds, .n_fds = 1, .userdata = &outside};

        if (!begin())
                return;
        outside.pid = getpid();
        outside.shm = shmget(IPC_PRIVATE, 4096, 0666);
        ck_assert_int_ge(outside.shm, 0);
        (void) snprintf(outside.address.sun_path, sizeof(outside.address.sun_path), "%cpodmount-test-%d", 0, getpid());
        outside.address_size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + strlen(outside.address.sun_path + 1));
        ck_assert_int_eq(bind(server, (struct sockaddr *) &outside.address, outside.address_size), 0);
        ck_assert_int_eq(listen(server, 1), 0);
        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        check_escapes(&outside, &setup);
        setup.capabilities = UINT64_C(1) << CAP_DAC_OVERRIDE;
        check_escapes(&outside, &setup);
        setup.read_only = true;
        check_escapes(&outside, &setup);
        (void) shmctl(outside.shm, IPC_RMID, NULL);
}
END_TEST

/* Without a directory there is nothing at all. */
static int work_nowhere(struct worker *worker, const int *fds _unused_, void *userdata _unused_) {
        expect("open file", open("/file", O_RDONLY) >= 0, ENOENT);
        expect("create", open("/new", O_WRONLY | O_CREAT, 0600) >= 0, EROFS);
        return *escapes ? worker_fail(worker, FAILURE_BUSY, 0, "%s", escapes) : 0;
}

static int work_eats(struct worker *worker, const int *fds _unused_, void *userdata _unused_) {
        void *memory = malloc(512 * 1024 * 1024);

        expect("memory", memory != NULL, ENOMEM);
        return *escapes ? worker_fail(worker, FAILURE_BUSY, 0, "%s", escapes) : 0;
}

START_TEST(test_limits) {
        if (!begin())
                return;
        follow(start(work_nowhere, (struct worker_setup) {.root = -1}), 20 * 1000 * 1000);
        until_end();
        ck_assert_msg(told.kind == STREAM_DONE, "%s", told.text);
#if !defined(__SANITIZE_ADDRESS__) && !(defined(__has_feature) && defined(__clang__))
        told.ends = 0;
        follow(start(work_eats, (struct worker_setup) {.memory_max = 256 * 1024 * 1024}), 20 * 1000 * 1000);
        until_end();
        ck_assert_msg(told.kind == STREAM_DONE, "%s", told.text);
#else
        (void) work_eats;
#endif
}
END_TEST

/* What a worker is made of is gone when it is. */
START_TEST(test_nothing_left) {
        _cleanup_free_ char *before = NULL;

        if (!begin())
                return;
        before = namespace_snapshot();
        for (unsigned i = 0; i < 20; i++) {
                told.ends = 0;
                follow(start(work_fails, (struct worker_setup) {}), 20 * 1000 * 1000);
                until_end();
        }
        namespace_unchanged(before);
}
END_TEST

/* Whatever number is left free in the worker is the executor's there. */
START_TEST(test_no_fd) {
        const int fds[] = {STDIN_FILENO, -1};
        int channel;

        if (!begin())
                return;
        ck_assert_int_eq(worker_start(&(struct worker_setup) {.name = "no-fd", .root = -1, .fds = fds, .n_fds = ELEMENTSOF(fds), .work = work_fails}, &channel), -EBADF);
}
END_TEST

static int work_counts_files(struct worker *worker, const int *fds _unused_, void *userdata _unused_) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return -errno;
        worker_figures(worker)[0] = limit.rlim_cur;
        worker_figures(worker)[1] = limit.rlim_max;
        return 0;
}

/* Where nobody gives an executor as many files as a worker would like, and it may not take them. */
START_TEST(test_few_files) {
        const struct rlimit few = {.rlim_cur = 512, .rlim_max = 1024};
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

        if (!begin())
                return;
        follow(start(work_counts_files, (struct worker_setup) {.files_max = 4096}), 20 * 1000 * 1000);
        until_end();
        ck_assert_uint_eq(told.figures[0], 4096);
        told.ends = 0;
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
        ck_assert_int_eq(syscall(SYS_capget, &header, data), 0);
        data[CAP_TO_INDEX(CAP_SYS_RESOURCE)].effective &= ~CAP_TO_MASK(CAP_SYS_RESOURCE);
        data[CAP_TO_INDEX(CAP_SYS_RESOURCE)].permitted &= ~CAP_TO_MASK(CAP_SYS_RESOURCE);
        ck_assert_int_eq(syscall(SYS_capset, &header, data), 0);
        follow(start(work_counts_files, (struct worker_setup) {.files_max = 4096}), 20 * 1000 * 1000);
        until_end();
        ck_assert_msg(told.kind == STREAM_DONE, "%s", told.text);
        ck_assert_uint_eq(told.figures[0], 1024);
        ck_assert_uint_eq(told.figures[1], 1024);
        told.ends = 0;
        follow(start(work_counts_files, (struct worker_setup) {.files_max = 300}), 20 * 1000 * 1000);
        until_end();
        ck_assert_uint_eq(told.figures[1], 300);
}
END_TEST

UNIT_MAIN("worker", test_talk, test_failure, test_death, test_nonsense, test_stopped, test_no_progress, test_broken_off, test_executor_dies, test_confined, test_limits, test_nothing_left, test_no_fd,
        test_few_files)
