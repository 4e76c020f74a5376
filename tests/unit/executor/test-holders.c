/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the readers of holders find of real processes and namespaces, by unique ids and by recycled ones: each thing that a process can have on a
 * mount, and nothing of what is beside it. */

#include "executor/holders.h"

#include <sys/mman.h>

#include "kernel/identity.h"
#include "tests/unit/dweller.h"
#include "tests/unit/kernel-features.h"

enum { PORTIONS_SIZE = 1 << 20, USER = 12345 };

static struct mount_holder *rows;
static size_t n_rows;
static bool unique_ids;

int __wrap_worker_progress(struct worker *worker);
int __wrap_worker_portion(struct worker *worker, const void *data, size_t size);

int __wrap_worker_progress(struct worker *worker _unused_) {
        return 0;
}

int __wrap_worker_portion(struct worker *worker _unused_, const void *data, size_t size) {
        return holders_read(data, size, &rows, &n_rows);
}

static void name_mount(const char *point, bool recursive, struct step *step) {
        struct identity identity;
        _cleanup_close_ int fd = open(point, O_PATH | O_CLOEXEC);
        struct stat status;

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(identity_mount_id(fd, &step->mount_id), 0);
        if (unique_ids) {
                ck_assert_int_ge(identity_read(fd, "", true, &identity), 0);
                step->id = identity.key;
        }
        ck_assert_int_eq(fstat(fd, &status), 0);
        step->device = status.st_dev;
        step->flags = recursive ? STEP_RECURSIVE : 0;
}

/* The host's namespace, which is ours, comes first. */
static void list_spaces(struct holders *holders) {
        _cleanup_free_ struct elsewhere_namespace *found = NULL;
        struct stat own;
        size_t n = 0;

        ck_assert_int_eq(stat("/proc/self/ns/mnt", &own), 0);
        if (unique_ids)
                ck_assert_int_eq(elsewhere_namespaces(&found, &n), 0);
        holders->host = getpid();
        holders->n_spaces = n > 0 ? n : 1;
        holders->spaces = calloc(holders->n_spaces, sizeof(*holders->spaces));
        ck_assert_ptr_nonnull(holders->spaces);
        holders->spaces[0] = (struct holders_space) {.inode = own.st_ino, .pid = holders->host};
        for (size_t i = 0; i < n; i++)
                holders->spaces[i] = (struct holders_space) {.id = found[i].id, .inode = found[i].inode, .pid = i == 0 ? holders->host : 0};
        if (n > 0)
                ck_assert_uint_eq(found[0].inode, own.st_ino);
}

/* The readers free nothing: the process ends with them. */
static struct holders *all[64];
static size_t n_all;

static void look_as(const char *point, bool recursive, const struct job_caller *caller) {
        struct step step = {.kind = STEP_HOLDERS};
        struct job job = {.steps = &step, .n_steps = 1, .caller = *caller};
        struct holders *holders = calloc(1, sizeof(*holders));

        ck_assert_ptr_nonnull(holders);
        ck_assert_uint_lt(n_all, ELEMENTSOF(all));
        all[n_all++] = holders;
        holders_free(rows, n_rows);
        rows = NULL;
        n_rows = 0;
        name_mount(point, recursive, &step);
        holders->job = &job;
        holders->unique = unique_ids;
        holders->until_ms = INT64_MAX;
        holders->proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        holders->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        holders->table = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
        holders->sys = -1;
        struct map **const maps[] = {&holders->named, &holders->kept, &holders->recycled, &holders->devices, &holders->trees, &holders->by_inode,
                                     &holders->overlay_devices};
        for (size_t i = 0; i < ELEMENTSOF(maps); i++)
                *maps[i] = map_new(MAP_KEY_U64);
        holders->by_root = map_new(MAP_KEY_STRING);
        list_spaces(holders);
        ck_assert_int_eq(holders_find_mounts(holders), 0);
        ck_assert_int_eq(holders_find_spaces(holders), 0);
        ck_assert_int_eq(holders_find_copies(holders), 0);
        ck_assert_int_eq(holders_find_processes(holders), 0);
        ck_assert_int_eq(holders_flush(holders), 0);
        (void) close(holders->proc);
        (void) close(holders->root);
        (void) close(holders->table);
}

static void look(const char *point, bool recursive) {
        const struct job_caller root = {.root = true};

        look_as(point, recursive, &root);
}

/* "cwd /tmp/a fd /tmp/a/f": what was found of a process, in the order of telling. */
static const char *of(pid_t pid) {
        static char text[4096];
        size_t at = 0;

        text[0] = 0;
        for (size_t i = 0; i < n_rows; i++)
                if (rows[i].pid == (uint32_t) pid)
                        at += (size_t) snprintf(text + at, sizeof(text) - at, "%s%s %s", at > 0 ? " " : "", holder_kind_name(rows[i].kind), rows[i].detail);
        return text;
}

typedef void (*hold_fn)(const char *path);

/* A child that takes hold of something, and stays. */
static pid_t hold(hold_fn fn, const char *path, uid_t uid) {
        int ready[2];
        char byte;
        pid_t pid;

        ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || chdir("/") < 0 || (uid != 0 && setresuid(uid, uid, uid) < 0))
                        _exit(1);
                fn(path);
                (void) !write(ready[1], "x", 1);
                for (;;)
                        pause();
        }
        (void) close(ready[1]);
        ck_assert_int_eq(read(ready[0], &byte, 1), 1);
        (void) close(ready[0]);
        return pid;
}

static void let_go(pid_t pid) {
        (void) kill(pid, SIGKILL);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static void need(bool condition) {
        if (!condition)
                _exit(1);
}

static void hold_cwd(const char *path) {
        need(chdir(path) == 0);
}

static void hold_root(const char *path) {
        need(chroot(path) == 0);
}

static void hold_file(const char *path) {
        need(open(path, O_RDONLY) >= 0);
}

static void hold_path(const char *path) {
        need(open(path, O_PATH) >= 0);
}

static void hold_map(const char *path) {
        int fd = open(path, O_RDONLY);

        need(fd >= 0 && mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED && close(fd) == 0);
}

static void hold_deleted(const char *path) {
        need(open(path, O_RDWR | O_CREAT, 0600) >= 0 && unlink(path) == 0);
}

static void hold_twice(const char *path) {
        int fd = open(path, O_RDONLY);

        need(fd >= 0 && dup(fd) >= 0);
}

static void hold_many(const char *path) {
        char name[64];

        for (int i = 0; i < 20; i++) {
                (void) snprintf(name, sizeof(name), "%s-%d", path, i);
                need(open(name, O_RDWR | O_CREAT, 0600) >= 0);
        }
}

static bool begin(int way) {
        _cleanup_free_ struct elsewhere_namespace *found = NULL;
        struct identity identity;
        size_t n;

        if (!namespace_enter())
                return false;
        unique_ids = way == 1;
        if (unique_ids && (!unit_features().statmount || elsewhere_namespaces(&found, &n) < 0 || identity_read(AT_FDCWD, "/tmp", true, &identity) < 0)) {
                unit_skip("this kernel finds no namespaces by their ids");
                return false;
        }
        make_directory("/tmp/mnt");
        make_directory("/tmp/beside");
        ck_assert_int_eq(mount("held", "/tmp/mnt", "tmpfs", 0, NULL), 0);
        make_file("/tmp/mnt/file", "what is held\n");
        make_file("/tmp/beside/file", "what is not\n");
        make_directory("/tmp/mnt/sub");
        return true;
}

static void check_kinds(void) {
        static const struct {
                hold_fn hold;
                const char *path, *found;
        } cases[] = {
                {hold_cwd, "/tmp/mnt/sub", "cwd /tmp/mnt/sub"},
                {hold_cwd, "/tmp/beside", ""},
                {hold_root, "/tmp/mnt", "root /tmp/mnt"},
                {hold_file, "/tmp/mnt/file", "fd /tmp/mnt/file"},
                {hold_file, "/tmp/beside/file", ""},
                {hold_path, "/tmp/mnt", "fd /tmp/mnt"},
                {hold_map, "/tmp/mnt/file", "map /tmp/mnt/file"},
                {hold_map, "/tmp/beside/file", ""},
                {hold_deleted, "/tmp/mnt/gone", "fd /tmp/mnt/gone (deleted)"},
                {hold_twice, "/tmp/mnt/file", "fd /tmp/mnt/file"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                pid_t pid = hold(cases[i].hold, cases[i].path, 0);

                look("/tmp/mnt", false);
                ck_assert_msg(strcmp(of(pid), cases[i].found) == 0, "%zu: %s, not %s", i, of(pid), cases[i].found);
                look("/tmp", false); /* the mount below it is another one */
                ck_assert_msg(strstr(of(pid), "/tmp/mnt") == NULL, "%zu: %s", i, of(pid));
                let_go(pid);
                look("/tmp/mnt", false);
                ck_assert_str_eq(of(pid), "");
        }
}

START_TEST(test_kinds) {
        if (begin(0))
                check_kinds();
}
END_TEST

START_TEST(test_kinds_unique) {
        if (begin(1))
                check_kinds();
}
END_TEST

/* A process gets few rows of a kind, and what more there is is counted. */
START_TEST(test_many) {
        pid_t pid;

        if (!begin(0))
                return;
        pid = hold(hold_many, "/tmp/mnt/many", 0);
        look("/tmp/mnt", false);
        ck_assert_uint_eq(n_rows, 9);
        ck_assert_int_eq(rows[8].kind, HOLDER_MORE);
        ck_assert_str_eq(rows[8].detail, "and 12 more of the kind fd");
        let_go(pid);
}
END_TEST

/* Root knows of everybody; others of their own processes, and of the rest that they are there. One that has ended, and waits for nobody, holds
 * nothing. */
START_TEST(test_who_may_know) {
        const struct job_caller user = {.uid = USER, .gid = USER};
        pid_t own, other, zombie;

        if (!begin(0))
                return;
        own = hold(hold_file, "/tmp/mnt/file", USER);
        other = hold(hold_file, "/tmp/mnt/file", 0);
        zombie = hold(hold_file, "/tmp/mnt/file", 0);
        ck_assert_int_eq(kill(zombie, SIGKILL), 0);
        ck_assert_int_eq(waitid(P_PID, (id_t) zombie, &(siginfo_t) {}, WEXITED | WNOWAIT), 0);
        look_as("/tmp/mnt", false, &user);
        ck_assert_uint_eq(n_rows, 2);
        for (size_t i = 0; i < n_rows; i++) {
                const bool mine = rows[i].pid == (uint32_t) own;

                ck_assert(mine || rows[i].pid == (uint32_t) other);
                ck_assert_uint_eq(rows[i].uid, mine ? USER : 0);
                ck_assert_str_eq(rows[i].detail, mine ? "/tmp/mnt/file" : "");
                ck_assert_int_eq(*rows[i].command != 0, mine);
        }
        let_go(own);
        let_go(other);
        let_go(zombie);
}
END_TEST

static pid_t dweller_found(const struct dweller *dweller) {
        for (size_t i = 0; i < n_rows; i++)
                if (rows[i].kind == HOLDER_NAMESPACE && rows[i].pid == (uint32_t) dweller->pid)
                        return dweller->pid;
        return 0;
}

/* Copies in other namespaces are known by their peers; mounts of the same file system that are nobody's copies are not. */
static void check_copies(void) {
        struct dweller copy, apart;

        make_directory("/tmp/other");
        ck_assert_int_eq(mount(NULL, "/tmp/mnt", NULL, MS_SHARED, NULL), 0);
        copy = dweller_start(false, 0, NULL, false);
        ck_assert_int_eq(mount("other", "/tmp/other", "tmpfs", 0, NULL), 0);
        look("/tmp/mnt", false);
        ck_assert_int_eq(dweller_found(&copy), copy.pid);
        look("/tmp/other", false); /* made after it */
        ck_assert_int_eq(dweller_found(&copy), 0);
        apart = dweller_start(false, 0, NULL, true);
        look("/tmp/mnt", false);
        ck_assert_int_eq(dweller_found(&copy), copy.pid);
        ck_assert_int_eq(dweller_found(&apart), 0);
        dweller_end(&copy);
        dweller_end(&apart);
        look("/tmp/mnt", false);
        ck_assert_uint_eq(n_rows, 0);
}

START_TEST(test_copies) {
        if (begin(0))
                check_copies();
}
END_TEST

START_TEST(test_copies_unique) {
        if (begin(1))
                check_copies();
}
END_TEST

/* All below a mount, if it is asked for; not what lies beside it. */
START_TEST(test_below) {
        pid_t deep, beside;

        if (!begin(0))
                return;
        ck_assert_int_eq(mount("below", "/tmp/mnt/sub", "tmpfs", 0, NULL), 0);
        make_directory("/tmp/mnt/sub/deep");
        ck_assert_int_eq(mount("deep", "/tmp/mnt/sub/deep", "tmpfs", 0, NULL), 0);
        deep = hold(hold_cwd, "/tmp/mnt/sub/deep", 0);
        beside = hold(hold_cwd, "/tmp/beside", 0);
        look("/tmp/mnt", false);
        ck_assert_uint_eq(n_rows, 0);
        look("/tmp/mnt", true);
        ck_assert_str_eq(of(deep), "cwd /tmp/mnt/sub/deep");
        ck_assert_str_eq(of(beside), "");
        let_go(deep);
        let_go(beside);
}
END_TEST

UNIT_MAIN("holders", test_kinds, test_kinds_unique, test_many, test_who_may_know, test_copies, test_copies_unique, test_below)
