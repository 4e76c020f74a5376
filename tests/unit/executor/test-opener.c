/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The opener is the caller and nothing more. */

#include <dirent.h>
#include <signal.h>
#include <sys/prctl.h>

#include "executor/opener.h"
#include "tests/unit/namespace.h"
#include "tests/unit/unit.h"

static gid_t group = 23456;
static const struct job_caller caller = {.uid = 12345, .gid = 12346, .groups = &group, .n_groups = 1};

/* The pid of the one child of this process; openers are no one else's. */
static pid_t child_pid(void) {
        _cleanup_fclose_ FILE *file = NULL;
        _cleanup_free_ char *path = NULL;
        int pid = 0;

        ck_assert_int_gt(asprintf(&path, "/proc/self/task/%d/children", getpid()), 0);
        file = fopen(path, "re");
        ck_assert_ptr_nonnull(file);
        ck_assert_int_eq(fscanf(file, "%d", &pid), 1);
        return pid;
}

static char *status_of(pid_t pid) {
        _cleanup_free_ char *path = NULL;
        _cleanup_fclose_ FILE *file = NULL;
        char *text = NULL;
        size_t size = 0;

        ck_assert_int_gt(asprintf(&path, "/proc/%d/status", pid), 0);
        file = fopen(path, "re");
        ck_assert_ptr_nonnull(file);
        ck_assert_int_gt(getdelim(&text, &size, '\0', file), 0);
        return text;
}

static unsigned count_fds(pid_t pid) {
        _cleanup_free_ char *path = NULL;
        _cleanup_closedir_ DIR *directory = NULL;
        unsigned n = 0;

        ck_assert_int_gt(asprintf(&path, "/proc/%d/fd", pid), 0);
        directory = opendir(path);
        ck_assert_ptr_nonnull(directory);
        for (const struct dirent *entry; (entry = readdir(directory));)
                n += entry->d_name[0] != '.';
        return n;
}

START_TEST(test_is_the_caller) {
        _cleanup_(opener_freep) struct opener *opener = NULL;
        _cleanup_free_ char *status = NULL;
        _cleanup_close_ int fd = -1;

        if (!namespace_enter())
                return;
        ck_assert_int_eq(opener_start(&caller, &opener), 0);
        fd = opener_open(opener, "/"); /* it answers, so it has become the caller */
        ck_assert_int_ge(fd, 0);
        status = status_of(child_pid());
        ck_assert_ptr_nonnull(strstr(status, "Uid:\t12345\t12345\t12345\t12345\n"));
        ck_assert_ptr_nonnull(strstr(status, "Gid:\t12346\t12346\t12346\t12346\n"));
        ck_assert_ptr_nonnull(strstr(status, "Groups:\t23456 \n"));
        ck_assert_ptr_nonnull(strstr(status, "CapPrm:\t0000000000000000\n"));
        ck_assert_ptr_nonnull(strstr(status, "CapEff:\t0000000000000000\n"));
        ck_assert_ptr_nonnull(strstr(status, "NoNewPrivs:\t1\n"));
        for (unsigned i = 0; i < 100 && count_fds(child_pid()) > 1; i++)
                (void) usleep(10 * 1000); /* it closes what it has sent just after the answer */
        ck_assert_uint_eq(count_fds(child_pid()), 1);
}
END_TEST

/* uid 0 of elsewhere keeps its uid and loses its capabilities. */
START_TEST(test_foreign_root) {
        const struct job_caller stranger = {.uid = 0, .gid = 0};
        _cleanup_(opener_freep) struct opener *opener = NULL;
        _cleanup_free_ char *status = NULL;
        _cleanup_close_ int fd = -1;

        if (!namespace_enter())
                return;
        ck_assert_int_eq(opener_start(&stranger, &opener), 0);
        fd = opener_open(opener, "/");
        ck_assert_int_ge(fd, 0);
        status = status_of(child_pid());
        ck_assert_ptr_nonnull(strstr(status, "CapEff:\t0000000000000000\n"));
        ck_assert_ptr_nonnull(strstr(status, "CapPrm:\t0000000000000000\n"));
}
END_TEST

START_TEST(test_rights) {
        _cleanup_(opener_freep) struct opener *opener = NULL;
        _cleanup_close_ int group_fd = -1, base = -1, made = -1;
        struct stat status;

        if (!namespace_enter())
                return;
        make_directory("/tmp/closed");
        make_directory("/tmp/closed/in");
        make_directory("/tmp/mine");
        ck_assert_int_eq(chmod("/tmp/closed", 0750), 0);
        ck_assert_int_eq(chown("/tmp/mine", 12345, 12346), 0);
        ck_assert_int_eq(opener_start(&caller, &opener), 0);
        ck_assert_int_eq(opener_open(opener, "/tmp/closed/in"), -EACCES);
        ck_assert_int_eq(opener_open(opener, "/tmp/none"), -ENOENT);
        ck_assert_int_eq(opener_open(opener, "/proc/self/root"), -ELOOP);
        ck_assert_int_lt(opener_open(opener, "/proc/1/root"), 0);
        ck_assert_int_eq(chown("/tmp/closed", 0, group), 0);
        group_fd = opener_open(opener, "/tmp/closed/in");
        ck_assert_int_ge(group_fd, 0);
        base = open("/tmp/closed", O_PATH | O_CLOEXEC);
        ck_assert_int_eq(opener_make(opener, base, "x", false), -EACCES);
        (void) close_fd(base);
        base = open("/tmp/mine", O_PATH | O_CLOEXEC);
        made = opener_make(opener, base, "a/b/c", true);
        ck_assert_int_ge(made, 0);
        ck_assert_int_eq(stat("/tmp/mine/a/b/c", &status), 0);
        ck_assert(S_ISREG(status.st_mode) && status.st_uid == 12345);
}
END_TEST

/* It dies with a message, not with the executor waiting for ever. */
START_TEST(test_death) {
        _cleanup_(opener_freep) struct opener *opener = NULL;
        _cleanup_close_ int fd = -1;

        if (!namespace_enter())
                return;
        ck_assert_int_eq(opener_start(&caller, &opener), 0);
        fd = opener_open(opener, "/");
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(kill(child_pid(), SIGKILL), 0);
        ck_assert_int_eq(opener_open(opener, "/"), -EIO);
}
END_TEST

UNIT_MAIN("opener", test_is_the_caller, test_foreign_root, test_rights, test_death)
