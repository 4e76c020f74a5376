/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* podmountd.conf and its drop-ins. */

#include "util/settings.h"

#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "util/log.h"
#include "util/path.h"

#include "../unit.h"

static char directory[] = "/tmp/podmount-settings-XXXXXX";

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        (void) st, (void) type, (void) ftw; /* nftw(3) passes them */
        return remove(path);
}

static void make_directory(void) {
        ck_assert_ptr_nonnull(mkdtemp(directory));
}

static void remove_directory(void) {
        ck_assert_int_eq(nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static char *write_file(const char *name, const char *text) {
        char *path = path_join(directory, name);
        _cleanup_fclose_ FILE *file = fopen(path, "we");

        ck_assert_ptr_nonnull(file);
        ck_assert_int_ge(fputs(text, file), 0);
        return path;
}

static int capture_stderr(void) {
        int fd = memfd_create("stderr", MFD_CLOEXEC);

        ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
        return fd;
}

START_TEST(test_or_zero) {
        struct settings read;

        ck_assert_int_eq(settings_from_text("[Daemon]\nSweepSec=100ms\n", &read), 0);
        ck_assert_uint_eq(read.sweep_us, 100000);
        ck_assert_int_eq(settings_from_text("[Daemon]\nSweepSec=5\nSweepSec=0\n", &read), 0);
        ck_assert_uint_eq(read.sweep_us, 0);
}
END_TEST

static void check_same(const struct settings *a, const struct settings *b) {
        _cleanup_free_ char *x = NULL, *y = NULL;

        ck_assert_int_eq(settings_to_text(a, &x), 0);
        ck_assert_int_eq(settings_to_text(b, &y), 0);
        ck_assert_str_eq(x, y);
}

START_TEST(test_defaults) {
        struct settings defaults, read;

        settings_defaults(&defaults);
        ck_assert_uint_eq(defaults.executors, 2);
        ck_assert_uint_eq(defaults.job_timeout_us, 30000000);
        ck_assert_uint_eq(defaults.sweep_us, 0);
        ck_assert_uint_eq(defaults.busy_interval_us, 100000);
        ck_assert_uint_eq(defaults.tmpfs_size, 64 << 20);
        ck_assert_uint_eq(defaults.spec_size_max, 1 << 20);
        ck_assert_int_eq(settings_read("/nonexistent/podmountd.conf", false, NULL, &read), 0);
        check_same(&defaults, &read);
        ck_assert_int_eq(settings_read("/nonexistent/podmountd.conf", true, NULL, &read), -ENOENT);
        ck_assert_int_eq(settings_from_text("", &read), 0);
        check_same(&defaults, &read);
}
END_TEST

START_TEST(test_file_and_drop_ins) {
        _cleanup_free_ char *path = NULL, *drop_ins = NULL, *a = NULL, *b = NULL, *ignored = NULL;
        struct settings read;

        make_directory();
        path = write_file("p.conf", "# comment\n[Daemon]\nLogLevel=debug\nExecutors = 4\n\n; other\n[Limits]\nTmpfsSize=2G\n"
                                    "PodsPerUser=7 ; inline\n");
        drop_ins = path_join(directory, "p.conf.d");
        ck_assert_int_eq(mkdir(drop_ins, 0700), 0);
        b = write_file("p.conf.d/20-b.conf", "[Daemon]\nExecutors=6\nJobTimeoutSec=2min\n");
        a = write_file("p.conf.d/10-a.conf", "[Daemon]\nExecutors=5\n[Mounts]\nPropagation=private\nBusyIntervalMSec=5\n");
        ignored = write_file("p.conf.d/30-c.conf.bak", "[Nothing]\nx=y\n");

        ck_assert_int_eq(settings_read(path, true, NULL, &read), 0);
        ck_assert_int_eq(read.log_level, LOG_DEBUG);
        ck_assert_uint_eq(read.executors, 6);
        ck_assert_uint_eq(read.job_timeout_us, 120000000);
        ck_assert_int_eq(read.propagation, SETTINGS_PROPAGATION_PRIVATE);
        ck_assert_uint_eq(read.busy_interval_us, 5000);
        ck_assert_uint_eq(read.tmpfs_size, UINT64_C(2) << 30);
        ck_assert_uint_eq(read.pods_per_user, 7);
        ck_assert_uint_eq(read.mounts_per_pod, 16384);
        remove_directory();
}
END_TEST

static void check_refused(const char *text, const char *expected) {
        struct settings read = {.executors = 99};
        char told[4096] = {};
        _cleanup_close_ int fd = capture_stderr();

        ck_assert_msg(settings_from_text(text, &read) == -EINVAL, "accepted: %s", text);
        ck_assert_uint_eq(read.executors, 99);
        ck_assert_int_ge(pread(fd, told, sizeof(told) - 1, 0), 0);
        ck_assert_msg(strstr(told, expected), "%s: \"%s\" lacks \"%s\"", text, told, expected);
}

START_TEST(test_refused) {
        char long_line[1000] = "[Daemon]\nLogLevel=";

        ck_assert_int_eq(unsetenv("JOURNAL_STREAM"), 0);
        check_refused("[Daemon]\n\nExecutors=0\n", "the configuration:3: Executors=0 is out of range");
        check_refused("[Daemon]\nExecutors=17\n", "out of range");
        check_refused("[Daemon]\nExecutors=-1\n", "Executors=-1 is not a whole number");
        check_refused("[Daemon]\nExecutors=2x\n", "not a whole number");
        check_refused("[Daemon]\nExecutors=\n", "not a whole number");
        check_refused("[Daemon]\nExecutors=99999999999999999999999\n", "out of range");
        check_refused("[Daemon]\nLogLevel=loud\n", "is not one of error");
        check_refused("[Daemon]\nJobTimeoutSec=1day\n", "is not a time");
        check_refused("[Daemon]\nJobTimeoutSec=0\n", "out of range");
        check_refused("[Daemon]\nSweepSec=99ms\n", "out of range");
        check_refused("[Daemon]\nSweepSec=86401\n", "out of range");
        check_refused("[Mounts]\nPropagation=slave\n", "is not shared or private");
        check_refused("[Mounts]\nVisibility=shared\n", "is not host or private");
        check_refused("[Mounts]\nHostTargets=/srv/../etc\n", "the configuration:2: HostTargets=/srv/../etc is not a list of absolute");
        check_refused("[Mounts]\nHostTargets=/srv\nHostTargets=/\n", "the configuration:3: HostTargets=/ is not a list of places");
        check_refused("[Limits]\nTmpfsSize=1\n", "out of range");
        check_refused("[Limits]\nTmpfsSize=99999999999T\n", "out of range");
        check_refused("[Limits]\nTmpfsSize=1X\n", "is not a size");
        check_refused("[Daemon]\nColour=red\n", "[Daemon] has no setting Colour=");
        check_refused("[Colours]\nSky=blue\n", "There is no section [Colours]");
        check_refused("Executors=2\n", "There is no section []");
        check_refused("[Daemon]\nExecutors\n", "the configuration:2: This line is neither");
        memset(long_line + strlen(long_line), 'x', 500);
        check_refused(long_line, "longer than");
}
END_TEST

/* A long comment is a comment, not a line and a half. */
START_TEST(test_long_comment) {
        char text[1000] = "# ";
        struct settings read;

        memset(text + 2, 'c', 600);
        memcpy(text + 602, "\n[Daemon]\nExecutors=3\n", 23);
        ck_assert_int_eq(settings_from_text(text, &read), 0);
        ck_assert_uint_eq(read.executors, 3);
}
END_TEST

/* Names that do not fit, over several lines. */
static void check_long_list(void) {
        static const char line[] = "Interfaces=interface-00001 interface-00002\n";
        char text[sizeof("[Prepare]\n") + 132 * sizeof(line)] = "[Prepare]\n";

        for (size_t i = 0; i < 132; i++)
                strcat(text, line);
        check_refused(text, "is out of range");
}

START_TEST(test_round_trip) {
        _cleanup_free_ char *text = NULL;
        struct settings settings, back;

        settings_defaults(&settings);
        settings.log_level = LOG_WARNING;
        settings.executors = 16;
        settings.job_timeout_us = 1234567;
        settings.propagation = SETTINGS_PROPAGATION_PRIVATE;
        settings.busy_interval_us = 1500;
        settings.pods_per_user = UINT32_MAX;
        settings.tmpfs_size = UINT64_C(12345678901);
        strcpy(settings.host_targets, "/srv/host /opt");
        strcpy(settings.gc_programs, "/usr/lib/gc");
        strcpy(settings.registry_program, "/usr/bin/registry");
        ck_assert_str_eq(settings_cgroup_parent(&settings), "/podmount");
        strcpy(settings.cgroup_parent, "/pods/below");
        settings.gc_in_pods = true;
        settings.visibility = SETTINGS_VISIBILITY_PRIVATE;
        settings.gc_in_root_pods = true;
        settings.gc_timeout_us = 250000;
        ck_assert_int_eq(settings_to_text(&settings, &text), 0);
        ck_assert_int_eq(settings_from_text(text, &back), 0);
        check_same(&settings, &back);
        ck_assert_uint_eq(back.job_timeout_us, 1234567);
        ck_assert_uint_eq(back.busy_interval_us, 1500);
        ck_assert_uint_eq(back.tmpfs_size, UINT64_C(12345678901));
        ck_assert_uint_eq(back.pods_per_user, UINT32_MAX);
        ck_assert_str_eq(back.host_targets, "/srv/host /opt");
        ck_assert_str_eq(back.gc_programs, "/usr/lib/gc");
        ck_assert_str_eq(back.registry_program, "/usr/bin/registry");
        check_refused("[Collection]\nRegistryProgram=/a /b\n", "is out of range");
        ck_assert_int_eq(back.visibility, SETTINGS_VISIBILITY_PRIVATE);
        ck_assert_str_eq(settings_cgroup_parent(&back), "/pods/below");
        check_refused("[Prepare]\nCgroupParent=/a /b\n", "is out of range");
        check_refused("[Prepare]\nInterfaces=a/b\n", "is not names of network interfaces");
        check_long_list();
        check_refused("[Prepare]\nCgroupParent=/a/../b\n", "is not a list of absolute paths");
        check_refused("[Prepare]\nCgroupParent=/\n", "is not a list of absolute paths");
        ck_assert(back.gc_in_pods && back.gc_in_root_pods && back.gc_timeout_us == 250000);
}
END_TEST

/* Lines add up, an empty one begins anew; what is the daemon's own, or the kernel's, is nobody's place. */
START_TEST(test_host_targets) {
        static const char *const reserved[] = {"/proc", "/run/podmount", NULL};
        _cleanup_free_ char *path = NULL, *drop_ins = NULL, *more = NULL, *bad = NULL;
        struct settings read;

        make_directory();
        path = write_file("h.conf", "[Mounts]\nHostTargets=/never\nHostTargets=\nHostTargets=/srv/a /srv/b\n");
        drop_ins = path_join(directory, "h.conf.d");
        ck_assert_int_eq(mkdir(drop_ins, 0700), 0);
        more = write_file("h.conf.d/10.conf", "[Mounts]\nHostTargets=/opt\n");
        ck_assert_int_eq(settings_read(path, true, reserved, &read), 0);
        ck_assert_str_eq(read.host_targets, "/srv/a /srv/b /opt");
        for (size_t i = 0; i < 4; i++) {
                static const char *const lines[] = {"/proc/sys", "/run", "/run/podmount/pods/x", "/"};
                _cleanup_free_ char *text = NULL;

                free(bad);
                ck_assert_int_ge(asprintf(&text, "[Mounts]\nHostTargets=%s\n", lines[i]), 0);
                bad = write_file("h.conf.d/20.conf", text);
                ck_assert_msg(settings_read(path, true, reserved, &read) == -EINVAL, "accepted: %s", lines[i]);
        }
        remove_directory();
}
END_TEST

/* The same, of places that may be anywhere, each once and at most so many. */
START_TEST(test_additional_stores) {
        _cleanup_free_ char *text = NULL, *many = strdup("[Layers]\n");
        struct settings settings, back;

        ck_assert_int_eq(settings_from_text("[Layers]\nAdditionalStores=/never\nAdditionalStores=\nAdditionalStores=/srv/b /srv/a\nAdditionalStores=/run/x\n", &settings), 0);
        ck_assert_str_eq(settings.additional_stores, "/srv/b /srv/a /run/x");
        ck_assert_int_eq(settings_to_text(&settings, &text), 0);
        ck_assert_int_eq(settings_from_text(text, &back), 0);
        check_same(&settings, &back);
        ck_assert_str_eq(back.additional_stores, "/srv/b /srv/a /run/x");
        check_refused("[Layers]\nAdditionalStores=/srv/a /srv/b /srv/a\n", "one is there twice");
        check_refused("[Layers]\nAdditionalStores=/srv/a\nAdditionalStores=/srv/a\n", "the configuration:3: ");
        check_refused("[Layers]\nAdditionalStores=srv\n", "is not a list of absolute paths");
        check_refused("[Layers]\nAdditionalStores=/srv/../x\n", "is not a list of absolute paths");
        check_refused("[Layers]\nAdditionalStores=/srv/\n", "is not a list of absolute paths");
        check_refused("[Layers]\nAdditionalStores=/\n", "is not a list of absolute paths");
        for (int i = 0; i <= SETTINGS_STORES_MAX; i++) {
                char *longer = NULL;

                if (i == SETTINGS_STORES_MAX)
                        ck_assert_int_eq(settings_from_text(many, &settings), 0);
                ck_assert_int_gt(asprintf(&longer, "%sAdditionalStores=/srv/%d\n", many, i), 0);
                free(many);
                many = longer;
        }
        check_refused(many, "out of range");
}
END_TEST

UNIT_MAIN("settings", test_defaults, test_or_zero, test_file_and_drop_ins, test_refused, test_long_comment, test_round_trip,
        test_host_targets, test_additional_stores)
