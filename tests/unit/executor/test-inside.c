/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mounts in a container's own mount namespace: which namespaces are entered, what is made, undone and taken away there. */

#include "kernel/identity.h"
#include "kernel/inside.h"
#include "tests/unit/dweller.h"
#include "tests/unit/executor/hands.h"

static bool begin(void) {
        if (!hands_begin(NULL))
                return false;
        if (executor.features.namespace_ids)
                return true;
        unit_skip("no ids of mount namespaces here");
        return false;
}

/* STEP_ENTER with the job's only fd. */
static struct job *new_inside(bool root) {
        struct job *job = new_job(root);
        struct step *step = job_add(job, STEP_ENTER);

        ck_assert_ptr_nonnull(step);
        step->container = strdup("main");
        step->source.kind = STEP_SOURCE_FD;
        job->n_fds = 1;
        return job;
}

static struct job *bind_inside(void) {
        struct job *job = new_inside(true);

        add_bind(job, "/tmp/src", "/data");
        return job;
}

static struct job_result withdraw(uint64_t namespace, uint64_t id, bool lazy) {
        struct job *job = new_job(true);
        struct step *step = job_add(job, STEP_WITHDRAW);

        step->namespace = namespace;
        step->id = id;
        step->flags = lazy ? STEP_LAZY_BELOW : 0;
        return run(job);
}

static struct job_result look(uint64_t namespace, uint64_t id, uint32_t flags) {
        struct job *job = new_job(true);
        struct step *step = job_add(job, STEP_SEEK);

        step->namespace = namespace;
        step->id = id;
        step->flags = flags;
        return run(job);
}

static enum seek_state seek(uint64_t namespace, uint64_t id) {
        _cleanup_job_result_ struct job_result result = look(namespace, id, 0);

        ck_assert_done(result);
        return (enum seek_state) result.steps[0].attributes;
}

/* The mount table of the dweller; the caller frees it. */
static char *table_of(const struct dweller *dweller) {
        _cleanup_fclose_ FILE *file = NULL;
        char path[64], *text = NULL;
        size_t size = 0;

        (void) snprintf(path, sizeof(path), "/proc/%d/mountinfo", dweller->pid); /* fits: a pid */
        file = fopen(path, "re");
        ck_assert_ptr_nonnull(file);
        ck_assert_int_gt(getdelim(&text, &size, '\0', file), 0);
        return text;
}

static void check_one(const struct dweller *dweller, int fd) {
        _cleanup_free_ char *here = namespace_snapshot(), *there = table_of(dweller), *after = NULL;
        _cleanup_job_result_ struct job_result made = {}, gone = {}, again = {};

        made = run_fds(bind_inside(), &fd);
        ck_assert_done(made);
        ck_assert_int_eq(dweller_do(dweller, dweller_finds, "/data/hello"), 0);
        ck_assert(!exists(ROOTFS "/data/hello"));
        namespace_unchanged(here);
        ck_assert_int_eq(seek(made.steps[0].id, made.steps[1].id), SEEK_THERE);

        gone = withdraw(made.steps[0].id, made.steps[1].id, false);
        ck_assert_done(gone);
        again = withdraw(made.steps[0].id, made.steps[1].id, false);
        ck_assert_done(again);
        ck_assert_int_eq(seek(made.steps[0].id, made.steps[1].id), SEEK_MISSING);
        after = table_of(dweller);
        ck_assert_str_eq(after, there);
}

START_TEST(test_one) {
        _cleanup_job_result_ struct job_result pod = {}, gone = {};
        struct dweller dweller;
        uint64_t namespace;

        if (!begin())
                return;
        pod = make_pod();
        ck_assert_int_eq(chmod(POD, 0755), 0);
        dweller = dweller_start(false, 0, ROOTFS, true);
        check_one(&dweller, dweller.pidfd);
        ck_assert_int_eq(inside_id(dweller.namespace, &namespace), 0);
        dweller_end(&dweller);
        gone = withdraw(namespace, pod.steps[0].id, false);
        ck_assert_done(gone);
        ck_assert_int_eq(seek(namespace, pod.steps[0].id), SEEK_GONE);

        dweller = dweller_start(true, 0, ROOTFS, true);
        check_one(&dweller, dweller.pidfd);
        dweller_end(&dweller);
}
END_TEST

/* Everything that one job can make, on what it made before; then the third of three fails. */
START_TEST(test_many) {
        _cleanup_job_result_ struct job_result pod = {}, made = {}, failed = {};
        _cleanup_free_ char *before = NULL, *after = NULL;
        struct dweller dweller;
        struct step *step;
        struct job *job;

        if (!begin())
                return;
        pod = make_pod();
        ck_assert_int_eq(chmod(POD, 0755), 0);
        dweller = dweller_start(true, 0, ROOTFS, true);
        before = table_of(&dweller);

        job = new_inside(true);
        add_bind(job, "/tmp/src/hello", "/etc/file");
        add_option(add_fs(job, "tmpfs", "/data"), "size", "65536");
        step = add_bind(job, "/tmp/src", "/nothing");
        failed = run_fds(job, &dweller.pidfd);
        ck_assert_failed(failed, FAILURE_INVALID_TARGET, "does not exist");
        ck_assert_uint_eq(failed.failed_step, 3);
        after = table_of(&dweller);
        ck_assert_str_eq(after, before);

        job = new_inside(true);
        add_bind(job, "/tmp/src/hello", "/etc/file");
        add_option(add_fs(job, "tmpfs", "/up"), "size", "65536"); /* a link to what is inside */
        step = add_bind(job, "/tmp/src", "/data/made/here");
        step->create = STEP_CREATE_FREELY;
        step->cover_step = 2;
        step->propagation = MS_PRIVATE;
        step->attr_set = MOUNT_ATTR_NODEV;
        made = run_fds(job, &dweller.pidfd);
        ck_assert_done(made);
        ck_assert_uint_eq(made.steps[3].made, 2);
        ck_assert_int_eq(dweller_do(&dweller, dweller_finds, "/data/made/here/hello"), 0);
        ck_assert_int_eq(dweller_do(&dweller, dweller_clears_nodev, "/data/made/here"), -EPERM);
        ck_assert(!exists(ROOTFS "/data/made"));
        dweller_end(&dweller);
}
END_TEST

/* What others than root get keeps its flags, whoever is root there. */
START_TEST(test_user) {
        _cleanup_job_result_ struct job_result pod = {}, made = {}, replaced = {}, refused = {};
        struct dweller dweller, stranger;
        struct job *job;
        struct step *step;

        if (!begin())
                return;
        pod = make_pod();
        ck_assert_int_eq(chmod(POD, 0755), 0);
        stranger = dweller_start(true, CALLER + 1, NULL, true);
        dweller = dweller_start(true, CALLER, NULL, true);
        job = new_inside(false);
        add_bind(job, "/tmp/src", "/data");
        refused = run_fds(job, &stranger.pidfd);
        ck_assert_failed(refused, FAILURE_ACCESS_DENIED, "belongs to somebody else");
        job_result_done(&refused);
        job = new_inside(false);
        add_bind(job, "/tmp/src", "/data");
        refused = run_fds(job, &dweller.pidfd);
        ck_assert_failed(refused, FAILURE_ACCESS_DENIED, "another than that of the container");
        dweller_end(&dweller);
        dweller_end(&stranger);

        dweller = dweller_start(true, CALLER, ROOTFS, true);
        job = new_inside(false);
        add_bind(job, "/tmp/src", "/data");
        made = run_fds(job, &dweller.pidfd);
        ck_assert_done(made);
        ck_assert_int_eq(dweller_do(&dweller, dweller_finds, "/data/hello"), 0);
        ck_assert_int_eq(dweller_do(&dweller, dweller_clears_nodev, "/data"), -EPERM);

        job = new_inside(false);
        step = add_bind(job, "/tmp/src/hello", "/data");
        step->flags = STEP_BENEATH;
        step->cover_id = made.steps[1].id;
        replaced = run_fds(job, &dweller.pidfd);
        ck_assert_failed(replaced, FAILURE_INVALID_TARGET, "is a directory");
        job_result_done(&replaced);
        if (!executor.features.beneath)
                return;
        make_directory("/tmp/other");
        make_file("/tmp/other/new", "");
        job = new_inside(false);
        step = add_bind(job, "/tmp/other", "/data");
        step->flags = STEP_BENEATH;
        step->cover_id = made.steps[1].id;
        replaced = run_fds(job, &dweller.pidfd);
        ck_assert_done(replaced);
        ck_assert_int_eq(dweller_do(&dweller, dweller_finds, "/data/new"), 0);
        ck_assert_int_eq(seek(made.steps[0].id, made.steps[1].id), SEEK_MISSING);
        ck_assert_int_eq(seek(made.steps[0].id, replaced.steps[1].id), SEEK_THERE);
        dweller_end(&dweller);
}
END_TEST

static void refuse_fd(int fd, enum failure_kind kind, const char *words) {
        _cleanup_job_result_ struct job_result result = run_fds(bind_inside(), &fd);

        ck_assert_failed(result, kind, words);
        ck_assert_uint_eq(result.failed_step, 0);
}

START_TEST(test_refused) {
        _cleanup_close_ int own = -1, net = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), path = open("/etc", O_PATH | O_CLOEXEC), self = -1;
        _cleanup_job_result_ struct job_result pod = {}, shared = {}, moved = {}, unsupported = {};
        struct dweller dweller;
        struct job *job;

        if (!begin())
                return;
        pod = make_pod();
        ck_assert_int_eq(chmod(POD, 0755), 0);
        own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
        self = (int) syscall(SYS_pidfd_open, getpid(), 0);
        refuse_fd(own, FAILURE_ACCESS_DENIED, "the host's own");
        refuse_fd(self, FAILURE_ACCESS_DENIED, "the host's own");
        refuse_fd(net, FAILURE_INVALID_ARGS, "neither a pidfd nor");
        refuse_fd(path, FAILURE_INVALID_ARGS, "neither a pidfd nor");

        /* its root is shared with ours: what would be mounted there would be mounted here */
        dweller = dweller_start(false, 0, ROOTFS, false);
        shared = run_fds(bind_inside(), &dweller.pidfd);
        ck_assert_failed(shared, FAILURE_INVALID_TARGET, "appears on the host");
        ck_assert(!exists(ROOTFS "/data/hello"));
        job = bind_inside();
        job->steps[0].namespace = 1;
        moved = run_fds(job, &dweller.pidfd);
        ck_assert_failed(moved, FAILURE_BUSY, "another mount namespace");
        executor.features.namespace_ids = false;
        unsupported = run_fds(bind_inside(), &dweller.pidfd);
        ck_assert_failed(unsupported, FAILURE_NOT_SUPPORTED, "Linux 6.12");
        executor.features.namespace_ids = true;
        ck_assert_int_eq(kill(dweller.pid, SIGKILL), 0);
        ck_assert_int_eq(waitpid(dweller.pid, NULL, 0), dweller.pid);
        refuse_fd(dweller.pidfd, FAILURE_INVALID_ARGS, "has ended");
}
END_TEST

static struct job *remount(uint64_t namespace, uint64_t id, uint64_t attributes) {
        struct job *job = new_job(true);
        struct step *step = add_step(job, STEP_REMOUNT, NULL, "/data");

        step->propagation = 0;
        step->type = strdup("bind");
        step->id = id;
        step->namespace = namespace;
        step->attr_set = attributes;
        return job;
}

/* Only what is below the container's root there, and not in the namespace that we are in. */
START_TEST(test_remount) {
        _cleanup_job_result_ struct job_result pod = {}, made = {}, done = {}, other = {}, here = {}, missing = {}, gone = {};
        struct dweller dweller, elsewhere;
        uint64_t namespace, own;
        struct identity identity;
        char path[64];

        if (!begin())
                return;
        pod = make_pod();
        ck_assert_int_eq(chmod(POD, 0755), 0);
        dweller = dweller_start(false, 0, ROOTFS, true);
        elsewhere = dweller_start(false, 0, NULL, true); /* it has the host's root, with the pod somewhere below */
        made = run_fds(bind_inside(), &dweller.pidfd);
        ck_assert_done(made);
        done = run(remount(made.steps[0].id, made.steps[1].id, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC));
        ck_assert_done(done);
        ck_assert_uint_eq(done.steps[0].attributes & (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC), MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC);

        ck_assert_int_eq(inside_id(elsewhere.namespace, &namespace), 0);
        (void) snprintf(path, sizeof(path), "/proc/%d/root/tmp", elsewhere.pid); /* fits: a pid */
        ck_assert_int_eq(identity_read(AT_FDCWD, path, true, &identity), 0);
        other = run(remount(namespace, identity.key, MOUNT_ATTR_RDONLY));
        ck_assert_failed(other, FAILURE_ACCESS_DENIED, "cannot be reached");
        missing = run(remount(namespace, made.steps[1].id, MOUNT_ATTR_RDONLY));
        ck_assert_failed(missing, FAILURE_NO_SUCH_MOUNT, "not there any more");
        ck_assert_int_eq(inside_id(dweller_namespace(getpid(), "mnt"), &own), 0);
        ck_assert_int_eq(identity_read(AT_FDCWD, ROOTFS, true, &identity), 0);
        here = run(remount(own, identity.key, MOUNT_ATTR_RDONLY));
        ck_assert_failed(here, FAILURE_ACCESS_DENIED, "cannot be reached");
        dweller_end(&dweller);
        dweller_end(&elsewhere);
        gone = run(remount(made.steps[0].id, made.steps[1].id, MOUNT_ATTR_RDONLY));
        ck_assert_failed(gone, FAILURE_NO_SUCH_MOUNT, "not there any more");
}
END_TEST

/* As many mounts at one long path as take 4 MiB and more to tell. */
static int dweller_stacks(const char *path) {
        char name[201];

        memset(name, 'n', sizeof(name) - 1);
        name[sizeof(name) - 1] = 0;
        if (mount("t", path, "tmpfs", 0, "size=1m") < 0 || chdir(path) < 0)
                return -errno;
        for (unsigned depth = 0; depth < 15; depth++)
                if (mkdir(name, 0755) < 0 || chdir(name) < 0)
                        return -errno;
        for (unsigned i = 0; i < 1500; i++)
                if (mount("t", ".", "tmpfs", 0, "size=4k") < 0)
                        return -errno;
        return 0;
}

/* Whoever is root in a container mounts what he likes there: the answer has a bound. */
START_TEST(test_told) {
        _cleanup_job_result_ struct job_result pod = {}, made = {}, few = {}, many = {};
        struct dweller dweller;

        if (!begin())
                return;
        pod = make_pod();
        ck_assert_int_eq(chmod(POD, 0755), 0);
        dweller = dweller_start(false, 0, ROOTFS, true);
        made = run_fds(bind_inside(), &dweller.pidfd);
        ck_assert_done(made);
        few = look(made.steps[0].id, made.steps[1].id, STEP_RECURSIVE);
        ck_assert_done(few);
        ck_assert_uint_eq(few.n_brought, 1);
        ck_assert_int_eq(dweller_do(&dweller, dweller_stacks, "/data"), 0);
        many = look(made.steps[0].id, made.steps[1].id, STEP_RECURSIVE);
        ck_assert_failed(many, FAILURE_QUOTA_EXCEEDED, "more than 4 MiB");
        dweller_end(&dweller);
}
END_TEST

static void refuse_at_door(struct job *job, uint32_t step, const char *words, int line) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        uint32_t failed;

        ck_assert_msg(door_check(job, &failed, &f) == FAILURE_INVALID_ARGS, "line %d: not refused", line);
        ck_assert_msg(strstr(f.text, words) != NULL, "line %d: \"%s\" is not in: %s", line, words, f.text);
        ck_assert_msg(failed == step, "line %d: step %u", line, failed);
        job_free(job);
}

#define REFUSE(step, words, ...)                                    \
        do {                                                        \
                struct job *job = bind_inside();                    \
                                                                    \
                __VA_ARGS__;                                        \
                refuse_at_door(job, (step), (words), __LINE__);     \
        } while (0)

static void make_first(struct job *job) {
        struct step enter = job->steps[0];

        job->steps[0] = job->steps[1];
        job->steps[1] = enter;
}

START_TEST(test_door) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct job *good = bind_inside();
        uint32_t step;

        ck_assert_int_eq(door_check(good, &step, &f), 0);
        job_free(good);
        REFUSE(0, "comes as an fd", job->steps[0].source.fd = 1);
        REFUSE(0, "comes as an fd", job->steps[0].source.kind = STEP_SOURCE_NONE);
        REFUSE(0, "root of another place", job->caller.root = false; job->caller.uid = 0);
        REFUSE(0, "container's name", strcpy(job->steps[0].container, ".."));
        REFUSE(0, "of another container", strcpy(job->steps[1].container, "side"));
        REFUSE(1, "entered first", make_first(job));
        REFUSE(0, "file system of the container's", job->steps[1].create = STEP_CREATE_AS_CALLER);
        REFUSE(0, "file system of the container's", job->steps[1].create = STEP_CREATE_FREELY; job->steps[1].cover_id = 5);
        REFUSE(0, "file system of the container's", job->steps[1].create = STEP_CREATE_FREELY; job->steps[1].cover_step = 0);
        REFUSE(0, "cannot be done", job->steps[1].kind = STEP_MASK);
        REFUSE(0, "cannot be done", job->steps[1].kind = STEP_READONLY);
        REFUSE(0, "cannot be done", job->steps[1].kind = STEP_REMOUNT);
        REFUSE(0, "cannot be done", job->steps[1].kind = STEP_ROOT);
        REFUSE(0, "cannot be done", job->steps[1].kind = STEP_UNMOUNT);
        REFUSE(0, "not made in one step", add_fs(job, "devtmpfs", "/x"));
        REFUSE(1, "normalised", strcpy(job->steps[1].target, "/.."));
        REFUSE(1, "job of its own", job->steps[1].flags = STEP_BENEATH; job->steps[1].cover_id = 5; add_bind(job, "/tmp/src", "/x"));
        REFUSE(1, "by its id", job->steps[1].flags = STEP_BENEATH);
        good = new_job(true);
        ck_assert_ptr_nonnull(job_add(good, STEP_WITHDRAW));
        good->steps[0].id = 5;
        refuse_at_door(good, 0, "ids of both", __LINE__);
        good = remount(5, 0, MOUNT_ATTR_RDONLY);
        good->steps[0].mount_id = 5;
        refuse_at_door(good, 0, "ids of both", __LINE__);
        good = new_job(true);
        ck_assert_ptr_nonnull(job_add(good, STEP_SEEK));
        good->steps[0].namespace = 5;
        refuse_at_door(good, 0, "ids of both", __LINE__);
}
END_TEST

/* Whoever has the numbers of both: it is the executor that says no, before it looks for the mount. */
START_TEST(test_host) {
        _cleanup_close_ int first = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC); /* which begin() leaves */
        _cleanup_job_result_ struct job_result pod = {}, refused = {};
        uint64_t namespace;

        if (!begin())
                return;
        pod = make_pod();
        ck_assert_int_ge(first, 0);
        if (inside_is_host(first) != 1) /* the test itself runs in another one */
                return;
        ck_assert_int_eq(inside_id(first, &namespace), 0);
        refused = withdraw(namespace, 1, true); /* no mount has this number */
        ck_assert_failed(refused, FAILURE_ACCESS_DENIED, "the host's own mount namespace");
}
END_TEST

UNIT_MAIN("inside", test_host, test_one, test_many, test_user, test_refused, test_remount, test_told, test_door)
