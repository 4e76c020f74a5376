/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mounts on the host: what the door lets through, whoever sends it, and that the hands never go over a symlink. */

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kernel/inside.h"
#include "kernel/space.h"
#include "spec/spec.h"
#include "tests/unit/executor/refusals.h"

#define PLACES "/tmp/places"

static struct step *on_host(struct step *step, const char *target) {
        free(step->container);
        free(step->target);
        step->container = strdup(SPEC_HOST);
        step->target = strdup(target);
        step->propagation = MS_PRIVATE;
        step->flags |= STEP_HOST;
        return step;
}

static struct job *good(void) {
        struct job *job = new_job(true);

        add_tree(job);
        add_root(job, "/tmp/root");
        add_publish(job);
        (void) on_host(add_bind(job, "/tmp/src", "/"), PLACES "/one");
        add_option(on_host(add_fs(job, "tmpfs", "/"), PLACES "/two"), "size", "65536");
        return job;
}

static struct job *alone(void) {
        struct job *job = new_job(true);

        (void) on_host(add_bind(job, "/tmp/src", "/"), PLACES "/one");
        return job;
}

static struct job *unmount_job(void) {
        struct job *job = new_job(true);
        struct step *step = job_add(job, STEP_UNMOUNT);

        step->target = strdup(PLACES "/one");
        step->flags = STEP_HOST;
        step->id = 5;
        return job;
}

static void swap_steps(struct job *job, size_t a, size_t b) {
        struct step kept = job->steps[a];

        job->steps[a] = job->steps[b];
        job->steps[b] = kept;
}

START_TEST(test_shapes) {
        struct job *jobs[] = {good(), alone(), unmount_job()};

        for (size_t i = 0; i < ELEMENTSOF(jobs); i++) {
                _cleanup_failure_ struct failure f = FAILURE_INIT;
                uint32_t step;

                ck_assert_msg(door_check(jobs[i], &step, &f) == 0, "%zu: %s", i, f.text);
                job_free(jobs[i]);
        }
        REFUSE(good, "comes last", swap_steps(job, 2, 3));
        REFUSE(good, "published last", job->steps[0].kind = STEP_CONTAINER; job->steps[2].kind = STEP_JOIN;
                job->steps[0].container = strdup("main"); job->steps[2].container = strdup("main"));
        REFUSE(good, "not published", job->steps[2].kind = STEP_MKDIR);
        REFUSE(alone, "comes last", (void) add_bind(job, "/tmp/src", "/data"));
        REFUSE(alone, "names no paths", job->caller.root = false; job->caller.uid = 0);
        REFUSE(good, "in no container", set(&job->steps[3].container, "main"));
        REFUSE(good, "not published", job->steps[3].flags = 0);
        REFUSE(alone, "name is none", job->steps[0].flags = 0);
        REFUSE(good, "normalised", set(&job->steps[3].target, "/"));
        REFUSE(good, "normalised", set(&job->steps[3].target, PLACES "/../x"));
        REFUSE(good, "normalised", set(&job->steps[3].target, PLACES "/one/"));
        REFUSE(good, "normalised", set(&job->steps[3].target, "tmp/places/one"));
        REFUSE(good, "proc", set(&job->steps[3].target, "/proc/sys"));
        REFUSE(good, "would be made", job->steps[3].create = STEP_CREATE_FREELY);
        REFUSE(good, "would be made", job->steps[3].cover_step = 1);
        REFUSE(good, "not on the list", set(&job->steps[4].type, "devpts"));
        REFUSE(good, "not on the list", job->steps[3].kind = STEP_IMAGE; job->steps[3].type = strdup("ext4"));
        for (uint32_t flag = 1; flag < STEP_HOST; flag <<= 1)
                if (!(flag & (STEP_ATTR_RECURSIVE | STEP_PROPAGATION_RECURSIVE | STEP_MAKE_LAYERS)))
                        REFUSE(alone, "refused", job->steps[0].flags |= flag);
        REFUSE(alone, "more than", job->steps[0].stubs = calloc(2, sizeof(char *)); job->steps[0].stubs[0] = strdup("/x"));
        REFUSE(alone, "more than", job->steps[0].source.kind = STEP_SOURCE_VOLUME);
        REFUSE(alone, "more than", job->steps[0].idmap.given = true);
        REFUSE(good, "flags", job->steps[1].flags |= STEP_HOST);
        REFUSE(unmount_job, "normalised", set(&job->steps[0].target, "/tmp/places/../x"));
        REFUSE(unmount_job, "normalised", set(&job->steps[0].target, "main/rootfs"));
        REFUSE(unmount_job, "normalised", set(&job->steps[0].target, ""));
        REFUSE(unmount_job, "no id", job->steps[0].id = 0);
        REFUSE(unmount_job, "removed", job->steps[0].made = 1);
        REFUSE(unmount_job, "not mounted again", job->steps[0].flags |= STEP_RESTORE | STEP_LAZY_BELOW);
        REFUSE(unmount_job, "not mounted again", job->steps[0].flags |= STEP_RESTORE; job->steps[0].kind = STEP_DETACH);
        REFUSE(unmount_job, "plain path", job->steps[0].flags = 0);
}
END_TEST

START_TEST(test_list) {
        static const struct {
                const char *list, *target;
                bool good;
        } rows[] = {
                {PLACES, PLACES "/one", true}, {"/srv " PLACES, PLACES "/one", true}, {"", PLACES "/one", false},
                {PLACES, PLACES, false}, {PLACES "/one", PLACES "/one", false}, {PLACES "/on", PLACES "/one", false},
                {"/tmp/place", PLACES "/one", false}, {PLACES, "/tmp/run/pods/x", false}, {PLACES, "/tmp/placesx/one", false},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                for (unsigned goes = 0; goes < 2; goes++) {
                        struct job *job = goes ? unmount_job() : alone();
                        _cleanup_failure_ struct failure f = FAILURE_INIT;
                        uint32_t step;
                        int r;

                        set(&job->steps[0].target, rows[i].target);
                        r = door_check_host(job, rows[i].list, NULL, &step, &f);
                        ck_assert_msg(r == (rows[i].good ? 0 : (int) FAILURE_INVALID_TARGET), "%zu: %d", i, r);
                        ck_assert(rows[i].good || (strstr(f.text, "HostTargets=") && strstr(f.text, rows[i].target)));
                        ck_assert(rows[i].good || !!strstr(f.text, "any more") == goes);
                        job_free(job);
                }
}
END_TEST

/* The keeper writes while executors read: one list or the other, and nothing in between. */
START_TEST(test_grants) {
        static struct executor_grants *grants;
        char a[PREFIXES_SIZE] = {}, b[PREFIXES_SIZE] = {}, seen[PREFIXES_SIZE];
        enum { TURNS = 1000 }; /* the list is seen to change so often */
        bool which = true;
        pid_t writer;

        memset(a, 'a', PREFIXES_SIZE - 1);
        memset(b, 'b', 17);
        grants = mmap(NULL, sizeof(*grants), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        ck_assert(grants != MAP_FAILED);
        grants_set_host_targets(grants, a);
        writer = fork();
        ck_assert_int_ge(writer, 0);
        while (writer == 0) {
                which = !which;
                grants_set_host_targets(grants, which ? a : b);
                (void) usleep(20);
        }
        for (unsigned turns = 0; turns < TURNS;) {
                grants_host_targets(grants, seen);
                ck_assert_msg(strcmp(seen, a) == 0 || strcmp(seen, b) == 0, "half of one and half of the other");
                turns += which != (seen[0] == 'a');
                which = seen[0] == 'a';
        }
        (void) kill(writer, SIGKILL);
        ck_assert_int_eq(waitpid(writer, NULL, 0), writer);
        grants->sequence = 0; /* it may have died in the middle */
        grants_host_targets(NULL, seen);
        ck_assert_str_eq(seen, "");
        grants_set_host_targets(grants, "");
        grants_host_targets(grants, seen);
        ck_assert_str_eq(seen, "");
}
END_TEST

static bool begin(void) {
        if (!hands_begin(NULL))
                return false;
        make_directory(PLACES);
        make_directory(PLACES "/one");
        make_directory(PLACES "/two");
        make_file(PLACES "/file", "");
        make_directory("/tmp/outside");
        make_directory("/tmp/outside/one");
        ck_assert_int_eq(symlink("/tmp/outside", PLACES "/link"), 0);
        ck_assert_int_eq(symlink("one", PLACES "/near"), 0);
        return true;
}

/* Made last, seen at once, unmounted by id and strictly, and nothing else with it. */
START_TEST(test_made) {
        _cleanup_job_result_ struct job_result result = {}, end = {};
        _cleanup_free_ char *before = NULL;
        struct job *job;

        if (!begin())
                return;
        before = namespace_snapshot();
        result = run(good());
        ck_assert_done(result);
        ck_assert(exists(PLACES "/one/hello"));
        for (unsigned other = 0; other < 3; other++) {
                _cleanup_job_result_ struct job_result answer = {};
                struct step *step;

                job = unmount_job();
                step = &job->steps[0];
                step->id = result.steps[3].id + (other == 0);
                step->mount_id = result.steps[3].mount_id + (other == 0);
                step->device = result.steps[3].device;
                if (other == 1)
                        set(&step->target, PLACES "/link/one");
                answer = run(job); /* of what is there no more or never was, that is success */
                ck_assert(exists(PLACES "/one/hello") == (other < 2));
        }
        job = new_job(true);
        for (unsigned i = 0; i < 2; i++) {
                struct step *step = job_add(job, STEP_DETACH);

                step->target = strdup(i == 0 ? PLACES "/two" : "");
                step->flags = i == 0 ? STEP_HOST : 0;
                step->id = result.steps[i == 0 ? 4 : 0].id;
                step->mount_id = result.steps[i == 0 ? 4 : 0].mount_id;
        }
        ck_assert_ptr_nonnull(job_add(job, STEP_REMOVE_POD));
        end = run(job);
        ck_assert_done(end);
        namespace_unchanged(before);
}
END_TEST

START_TEST(test_undone) {
        static const struct {
                const char *target;
                enum failure_kind kind;
                const char *words;
        } rows[] = {
                {PLACES "/link/one", FAILURE_ESCAPES_ROOT, "symlink"}, {PLACES "/link", FAILURE_ESCAPES_ROOT, "symlink"},
                {PLACES "/near", FAILURE_ESCAPES_ROOT, "symlink"}, {PLACES "/none", FAILURE_INVALID_TARGET, "make it first"},
                {PLACES "/file", FAILURE_INVALID_TARGET, "is a file"}, {PLACES "/file/x", FAILURE_INVALID_TARGET, "cannot be reached"},
                {PLACES "/two", FAILURE_TARGET_IN_USE, "mount point already"},
        };
        _cleanup_free_ char *before = NULL;

        if (!begin())
                return;
        before = namespace_snapshot();
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_job_result_ struct job_result result = {};
                struct job *job = good();

                add_option(on_host(add_fs(job, "tmpfs", "/"), rows[i].target), "size", "65536");
                result = run(job);
                ck_assert_failed(result, rows[i].kind, rows[i].words);
                namespace_unchanged(before);
                ck_assert(!exists(POD));
        }
}
END_TEST

/* The file of a namespace of a new process, which is the user's own if it makes a user namespace as well. */
static int new_space(uid_t uid, int kind, const char *name) {
        char path[64], byte;
        int ready[2], fd = -1;
        pid_t child;

        ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
        child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
                if ((uid != 0 && (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0 || unshare(CLONE_NEWUSER) < 0)) ||
                    (kind != CLONE_NEWUSER && unshare(kind) < 0) || write(ready[1], "x", 1) != 1)
                        _exit(1);
                for (;;)
                        (void) pause();
        }
        (void) close(ready[1]);
        (void) snprintf(path, sizeof(path), "/proc/%d/ns/%s", child, name);
        if (read(ready[0], &byte, 1) == 1)
                fd = open(path, O_RDONLY | O_CLOEXEC);
        (void) close(ready[0]);
        (void) kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
        return fd;
}

/* The kernel binds a mount namespace only in one with a smaller number, which is mostly an older one. */
static bool may_be_bound(int fd) {
        _cleanup_close_ int own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
        uint64_t ours, theirs;

        return space_kind(fd) != CLONE_NEWNS || (inside_id(own, &ours) == 0 && inside_id(fd, &theirs) == 0 && ours < theirs);
}

static struct job_result pin(bool root, int fd) {
        struct job *job = new_job(root);
        struct step *step = on_host(add_bind(job, "/x", "/"), PLACES "/file");

        set(&step->source.path, NULL);
        step->source.kind = STEP_SOURCE_FD;
        job->n_fds = 1;
        return run_fds(job, &fd);
}

/* A namespace outlives its last process on a file of the host, for whoever owns it. */
START_TEST(test_pinned) {
        static const struct {
                int kind;
                const char *name;
        } rows[] = {{CLONE_NEWCGROUP, "cgroup"}, {CLONE_NEWIPC, "ipc"}, {CLONE_NEWNS, "mnt"}, {CLONE_NEWNET, "net"},
                    {CLONE_NEWPID, "pid_for_children"}, {CLONE_NEWUSER, "user"}, {CLONE_NEWUTS, "uts"}};
        _cleanup_free_ char *before = NULL;

        if (!begin())
                return;
        before = namespace_snapshot();
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                for (uid_t uid = 0; uid <= CALLER + 1; uid += uid == 0 ? CALLER : 1) {
                        _cleanup_close_ int fd = rows[i].kind == CLONE_NEWUSER && uid == 0 ? -1 : new_space(uid, rows[i].kind, rows[i].name);
                        struct stat theirs, bound;

                        if (fd < 0)
                                continue; /* users make none here; a pid namespace needs a process to be seen */
                        for (unsigned root = 0; root < 2; root++) {
                                _cleanup_job_result_ struct job_result result = pin(root, fd);

                                if (!root && uid != CALLER) {
                                        ck_assert_failed(result, FAILURE_ACCESS_DENIED, "somebody else");
                                        namespace_unchanged(before);
                                        continue;
                                }
                                if (!may_be_bound(fd)) {
                                        ck_assert_failed(result, FAILURE_NOT_SUPPORTED, "mount namespace");
                                        namespace_unchanged(before);
                                        continue;
                                }
                                ck_assert_done(result);
                                ck_assert(fstat(fd, &theirs) == 0 && stat(PLACES "/file", &bound) == 0);
                                ck_assert(theirs.st_ino == bound.st_ino && theirs.st_dev == bound.st_dev);
                                ck_assert_int_eq(umount2(PLACES "/file", 0), 0);
                                namespace_unchanged(before);
                        }
                }
}
END_TEST

START_TEST(test_not_pinned) {
        static const char *const own[] = {"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"};
        _cleanup_close_ int file = -1, path = -1;
        _cleanup_free_ char *before = NULL;
        int old;

        if (!begin())
                return;
        before = namespace_snapshot();
        for (size_t i = 0; i < 2 * ELEMENTSOF(own); i++)
                for (unsigned root = 0; root < 2; root++) {
                        _cleanup_job_result_ struct job_result result = {};
                        char name[64];

                        (void) snprintf(name, sizeof(name), "/proc/%s/ns/%s", i % 2 ? "self" : "1", own[i / 2]);
                        old = open(name, O_RDONLY | O_CLOEXEC);
                        if (old < 0 && i % 2 == 0)
                                continue; /* the first process may have capabilities that this one has not */
                        ck_assert_int_ge(old, 0);
                        result = pin(root, old);
                        (void) close(old);
                        ck_assert_failed(result, FAILURE_ACCESS_DENIED, "host's own");
                        namespace_unchanged(before);
                }
        file = open("/tmp/src/hello", O_RDONLY | O_CLOEXEC);
        path = open("/proc/self/ns/net", O_PATH | O_CLOEXEC);
        for (unsigned i = 0; i < 2; i++) {
                _cleanup_job_result_ struct job_result result = pin(true, i == 0 ? file : path);

                ck_assert_failed(result, FAILURE_INVALID_ARGS, i == 0 ? "is no namespace" : "O_PATH");
                namespace_unchanged(before);
        }
}
END_TEST

/* For who is not root it is nosuid and nodev, whatever the step says. */
START_TEST(test_restricted) {
        _cleanup_job_result_ struct job_result result = {};
        struct job *job;

        if (!begin())
                return;
        job = new_job(false);
        (void) on_host(add_bind(job, "/tmp/src", "/"), PLACES "/one");
        job->steps[0].attr_clear = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
        result = run(job);
        ck_assert_done(result);
        ck_assert_uint_eq(result.steps[0].attributes & (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
        ck_assert_int_eq(umount2(PLACES "/one", MNT_DETACH), 0);
}
END_TEST

static struct step_result mount_alone(const char *target) {
        _cleanup_job_result_ struct job_result result = {};
        struct job *job = new_job(true);

        add_option(on_host(add_fs(job, "tmpfs", "/"), target), "size", "65536");
        result = run(job);
        ck_assert_done(result);
        return result.steps[0];
}

static struct step *add_unmount(struct job *job, const char *target, const struct step_result *made, uint32_t flags) {
        struct step *step = job_add(job, STEP_UNMOUNT);

        step->target = strdup(target);
        step->flags = flags;
        step->id = made->id;
        step->mount_id = made->mount_id;
        step->device = made->device;
        return step;
}

/* What is taken off first is mounted again, since the second one is busy. */
static struct job *fail_job(const char *target, const struct step_result *first, const struct step_result *busy) {
        struct job *job = new_job(true);

        (void) add_unmount(job, target, first, STEP_HOST | STEP_RESTORE);
        (void) add_unmount(job, PLACES "/two", busy, STEP_HOST | STEP_RESTORE);
        return job;
}

static void mount_again(bool taken) {
        _cleanup_job_result_ struct job_result result = {};
        struct step_result made, busy;
        int fd;

        if (!begin())
                return;
        made = mount_alone(PLACES "/one");
        busy = mount_alone(PLACES "/two");
        make_file(PLACES "/one/kept", "kept\n");
        if (taken) { /* what is beneath comes to light when ours goes */
                make_directory(PLACES "/aside");
                ck_assert_int_eq(mount(PLACES "/one", PLACES "/aside", NULL, MS_MOVE, NULL), 0);
                ck_assert_int_eq(mount("foreign", PLACES "/one", "tmpfs", 0, NULL), 0);
                ck_assert_int_eq(mount(PLACES "/aside", PLACES "/one", NULL, MS_MOVE, NULL), 0);
        }
        fd = open(PLACES "/two", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        result = run(fail_job(PLACES "/one", &made, &busy));
        (void) close_fd(fd);
        ck_assert_failed(result, FAILURE_BUSY, PLACES "/two is in use");
        ck_assert_int_eq(result.error, EBUSY);
        ck_assert(exists(PLACES "/one/kept") == !taken);
        ck_assert_int_eq(result.steps[0].mount_id != 0, !taken);
        ck_assert_uint_eq(namespace_count(PLACES "/one "), 1);
}

START_TEST(test_mounted_again) {
        mount_again(false);
}
END_TEST

/* Where something else is mounted by now, nothing is; and the job still says what it failed for. */
START_TEST(test_taken_meanwhile) {
        mount_again(true);
}
END_TEST

/* Runs the job in a process that is stopped when it is about to mount, for a directory on the way to be renamed. */
static bool run_and_rename(struct job *job, const char *from, const char *to) {
        const int options = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
        bool renamed = false;
        pid_t pid = fork();
        int status = 0, signal = 0;

        if (pid == 0) {
                if (intent_map(memfd_create("intent", MFD_CLOEXEC), &executor.intent) != 0) /* the other one is not inherited */
                        _exit(3);
                if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 || raise(SIGSTOP) != 0)
                        _exit(2);
                _exit(run(job).failure == FAILURE_BUSY ? 0 : 1);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status)) {
                ck_assert_int_eq(WEXITSTATUS(status), 2);
                return false;
        }
        ck_assert_int_eq(ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *) (intptr_t) options), 0);
        for (;;) {
                struct __ptrace_syscall_info info = {};

                ck_assert_int_eq(ptrace(PTRACE_SYSCALL, pid, NULL, (void *) (intptr_t) signal), 0);
                ck_assert_int_eq(waitpid(pid, &status, 0), pid);
                if (WIFEXITED(status))
                        break;
                ck_assert_msg(WIFSTOPPED(status), "status %x", (unsigned) status);
                signal = WSTOPSIG(status) == (SIGTRAP | 0x80) ? 0 : WSTOPSIG(status);
                if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *) sizeof(info), &info) <= 0 || renamed ||
                        info.op != PTRACE_SYSCALL_INFO_ENTRY || info.entry.nr != SYS_move_mount)
                        continue;
                ck_assert_int_eq(rename(from, to), 0);
                renamed = true;
        }
        ck_assert_int_eq(WEXITSTATUS(status), 0);
        ck_assert(renamed);
        job_free(job);
        return true;
}

/* What is carried away while it is mounted again is taken off. */
START_TEST(test_carried_away) {
        struct step_result made, busy;
        int fd;

        if (!begin())
                return;
        make_directory(PLACES "/way");
        make_directory(PLACES "/way/one");
        made = mount_alone(PLACES "/way/one");
        busy = mount_alone(PLACES "/two");
        fd = open(PLACES "/two", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (!run_and_rename(fail_job(PLACES "/way/one", &made, &busy), PLACES "/way", "/tmp/outside/way"))
                unit_skip("nothing may be traced here");
        else
                ck_assert_uint_eq(namespace_count("/tmp/outside"), 0);
        (void) close_fd(fd);
}
END_TEST

static struct step_source path_source(const char *path) {
        return (struct step_source) {.kind = STEP_SOURCE_PATH, .path = strdup(path)};
}

/* When the last step fails, an overlay on the host comes back into the directories that were made for it. */
START_TEST(test_layers_stay) {
        static const char *const made_dirs[] = {"/tmp/store/workdir/index", "/tmp/store/workdir/work", "/tmp/store/workdir", "/tmp/store/upper"};
        _cleanup_job_result_ struct job_result result = {};

        if (!begin())
                return;
        make_directory("/tmp/store");
        make_directory(POD);
        make_file(POD "/foreign", "");
        {
                struct job *job = new_job(true);
                struct step *step;

                add_tree(job);
                add_root(job, "/tmp/root");
                add_publish(job);
                step = on_host(add_step(job, STEP_OVERLAY, NULL, "/"), PLACES "/one");
                step->flags |= STEP_MAKE_LAYERS;
                step->n_layers = 1;
                step->layers = calloc(1, sizeof(*step->layers));
                step->layers[0] = path_source("/tmp/src");
                step->upper = path_source("/tmp/store/upper");
                step->work = path_source("/tmp/store/workdir");
                result = run(job);
                ck_assert_done(result);
                ck_assert_uint_eq(result.steps[3].made_upper, 1);
        }
        for (int blocked = 1; blocked >= 0; blocked--) {
                _cleanup_job_result_ struct job_result end = {};
                struct job *job = new_job(true);

                (void) add_unmount(job, PLACES "/one", &result.steps[3], STEP_HOST | STEP_RESTORE);
                (void) add_unmount(job, "main/rootfs", &result.steps[1], 0);
                (void) add_unmount(job, "", &result.steps[0], 0);
                for (size_t i = 0; i < ELEMENTSOF(made_dirs); i++) {
                        struct step *step = job_add(job, STEP_UNMAKE);

                        step->source = path_source("/");
                        step->target = strdup(made_dirs[i]);
                        step->made = 1;
                }
                ck_assert_ptr_nonnull(job_add(job, STEP_REMOVE_POD));
                end = run(job);
                if (blocked) {
                        ck_assert_failed(end, FAILURE_BUSY, "is not empty");
                        result.steps[3].id = end.steps[0].id;
                        result.steps[3].mount_id = end.steps[0].mount_id;
                } else
                        ck_assert_done(end);
                ck_assert(exists("/tmp/store/upper") == blocked && exists("/tmp/store/workdir") == blocked);
                ck_assert(exists(PLACES "/one/hello") == blocked);
                ck_assert_int_eq(unlink(POD "/foreign"), blocked ? 0 : -1);
        }
        ck_assert(!exists(POD));
}
END_TEST

UNIT_MAIN("host", test_shapes, test_list, test_grants, test_made, test_undone, test_pinned, test_not_pinned, test_restricted, test_mounted_again, test_taken_meanwhile, test_carried_away,
        test_layers_stay)
