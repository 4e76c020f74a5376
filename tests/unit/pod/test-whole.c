/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A strict collection that finds something busy: whoever looks at the pod afterwards sees nothing of it but other ids. */

#include <ctype.h>

#include "pod/drift.h"
#include "tests/unit/kernel-features.h"
#include "tests/unit/pod/world.h"

#define TMPFS(target, options) \
        "{\"destination\":\"" target "\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[" options "]}"
#define FULL                                                                                                                   \
        SPEC(TMPFS("/mnt", "\"nosuid\"") "," TMPFS("/mnt/deep", "\"size=64k\",\"noexec\"") "," BIND("/tmp/src", "/mnt/nested") "," \
             BIND("/tmp/src", "/data") "," TMPFS("/private", "\"private\"") "," TMPFS("/private/shared", "\"nodev\"") ","          \
             TMPFS("/loner", "\"unbindable\"") "," TMPFS("/loner/below", "\"ro\""))

static const char *const contents[] = {"/mnt", "/mnt/deep", "/private", "/private/shared", "/loner"};

static void name(const char *place, char ret[static 256]) {
        ck_assert_int_lt(snprintf(ret, 256, ROOTFS_A "%s/kept", place), 256);
}

static bool begin(struct world *world, char **ret_before) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        if (!world_begin(world))
                return false;
        *ret_before = world_snapshot();
        world->settings.busy_interval_us = 0;
        ck_assert_msg(world_create(world, NULL, UUID_A, NULL, FULL, &f) == 0, "%s", f.text);
        for (size_t i = 0; i < ELEMENTSOF(contents); i++) {
                char path[256];

                name(contents[i], path);
                make_file(path, contents[i]);
        }
        make_file(ROOTFS_A "/of-the-root", "root");
        return true;
}

static int compare_lines(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

/* The pod's mounts without what a new mount gets anew, its ids and its peer group's; sorted. */
static char *shape(void) {
        _cleanup_free_ char *table = namespace_snapshot();
        char *lines[256], *text = NULL, *rest = NULL;
        size_t n = 0, size = 0;
        FILE *file;

        for (char *line = strtok_r(table, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
                char *to = line, *from = line;

                if (!strstr(line, POD_A))
                        continue;
                ck_assert_uint_lt(n, ELEMENTSOF(lines));
                for (unsigned i = 0; i < 2; i++)
                        from += strcspn(from, " ") + 1;
                while (*from) {
                        bool group = strncmp(from, "shared:", 7) == 0;

                        while (group && *from != ' ')
                                if (isdigit((unsigned char) *from))
                                        from++;
                                else
                                        *to++ = *from++;
                        *to++ = *from++;
                }
                *to = '\0';
                lines[n++] = line;
        }
        qsort(lines, n, sizeof(*lines), compare_lines);
        file = open_memstream(&text, &size);
        ck_assert_ptr_nonnull(file);
        for (size_t i = 0; i < n; i++)
                ck_assert_int_gt(fprintf(file, "%s\n", lines[i]), 0);
        ck_assert_int_eq(fclose(file), 0);
        return text;
}

static void check_contents(void) {
        for (size_t i = 0; i < ELEMENTSOF(contents); i++) {
                _cleanup_free_ char *text = calloc(1, 64);
                _cleanup_close_ int fd = -1;
                char path[256];

                name(contents[i], path);
                fd = open(path, O_RDONLY | O_CLOEXEC);
                ck_assert_msg(fd >= 0 && read(fd, text, 63) >= 0 && strcmp(text, contents[i]) == 0, "%s", path);
        }
        ck_assert(exists(ROOTFS_A "/of-the-root"));
}

/* As it was, and on record: of each mount the kernel has the recorded id. */
static void check_whole(struct world *world, const char *as) {
        _cleanup_free_ char *now = shape();
        struct pod *pod = world_pod(world, UUID_A);

        ck_assert_str_eq(now, as);
        check_contents();
        world_idle(world);
        ck_assert_int_ge(world_sync(world), 0);
        world_idle(world);
        ck_assert_ptr_nonnull(pod);
        for (size_t i = 0; i < pod->n_drifts; i++)
                fprintf(stderr, "%s: %s\n", pod->drifts[i].target, pod->drifts[i].detail);
        ck_assert_int_eq(pod_get_state(pod), POD_READY);
        for (size_t i = 0; i < pod->record->n_mounts; i++)
                ck_assert_ptr_nonnull(drift_find_entry(world->pods.table, &pod->record->mounts[i]));
}

static uint64_t id_of(struct world *world, const char *target) {
        return pod_find_mount(world_pod(world, UUID_A), "main", target)->id;
}

static void busy_at(struct world *world, const char *target, const char *as, bool touched) {
        const uint64_t survivor = id_of(world, target), root = id_of(world, "/"), last = id_of(world, "/loner/below");
        const unsigned n_added = world->n_mounts_added, n_drifts = world->n_drifts;
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        char path[256];
        int fd;

        ck_assert_int_lt(snprintf(path, sizeof(path), ROOTFS_A "%s", target), sizeof(path));
        fd = world_hold(path);
        ck_assert_int_eq(world_collect(world, UUID_A, false, &f), FAILURE_BUSY);
        ck_assert_msg(strstr(f.text, "could not be mounted again") == NULL, "%s", f.text);
        check_whole(world, as);
        ck_assert_uint_eq(id_of(world, target), survivor); /* what was busy never went */
        ck_assert_uint_eq(id_of(world, "/"), root);
        if (touched) { /* the one that was made last is the first to go */
                ck_assert_msg(id_of(world, "/loner/below") != last || !unit_features().unique_id, "%s: %s", target, f.text);
                ck_assert_uint_gt(world->n_mounts_added, n_added);
        }
        ck_assert_uint_eq(world->n_drifts, n_drifts);
        (void) close_fd(fd);
}

static void run_whole(void) {
        static const char *const targets[] = {"/loner/below", "/loner", "/private/shared", "/data", "/mnt/deep", "/mnt", "/"};
        _cleanup_free_ char *before = NULL, *as = NULL;
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world world;

        if (!begin(&world, &before))
                return;
        as = shape();
        for (size_t i = 0; i < ELEMENTSOF(targets); i++)
                busy_at(&world, targets[i], as, i > 0);
        world_restart(&world);
        check_whole(&world, as);
        busy_at(&world, "/mnt", as, false); /* siblings have another order by now, that of their ids */
        ck_assert_msg(world_collect(&world, UUID_A, false, &f) == 0, "%s", f.text);
        world_unchanged(before);
        ck_assert(!exists(POD_A));
        world_done(&world);
}

START_TEST(test_whole) {
        run_whole();
}
END_TEST

/* As on kernels that clone nothing of a detached tree. */
START_TEST(test_each_for_itself) {
        setenv("PODMOUNT_WITHOUT", "detached-clone", 1);
        run_whole();
        unsetenv("PODMOUNT_WITHOUT");
}
END_TEST

/* What others have put there comes back, too, and hides what it hid. */
START_TEST(test_foreign) {
        _cleanup_free_ char *before = NULL, *as = NULL;
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world world;
        int fd;

        if (!begin(&world, &before))
                return;
        ck_assert_int_eq(mount("first", ROOTFS_A "/data", "tmpfs", 0, NULL), 0);
        make_file(ROOTFS_A "/data/first", "");
        ck_assert_int_eq(mount("second", ROOTFS_A "/data", "tmpfs", MS_NOEXEC, NULL), 0);
        make_file(ROOTFS_A "/data/second", "");
        ck_assert_int_eq(mount("/tmp/src", ROOTFS_A "/mnt", NULL, MS_BIND, NULL), 0);
        ck_assert_int_eq(mount(NULL, ROOTFS_A "/mnt", NULL, MS_PRIVATE, NULL), 0);
        as = shape();
        fd = world_hold(ROOTFS_A);
        ck_assert_msg(world_collect(&world, UUID_A, false, &f) == FAILURE_BUSY, "%s", f.text);
        failure_clear(&f);
        {
                _cleanup_free_ char *now = shape();

                ck_assert_str_eq(now, as);
        }
        ck_assert(exists(ROOTFS_A "/data/second") && exists(ROOTFS_A "/mnt/hello"));
        /* Read anew, in the order of their ids, what hides another one goes before it still. */
        world_restart(&world);
        ck_assert_int_eq(world_collect(&world, UUID_A, false, &f), FAILURE_BUSY);
        ck_assert_msg(strstr(f.text, "/main/rootfs is in use") != NULL, "%s", f.text);
        failure_clear(&f);
        ck_assert_int_eq(umount2(ROOTFS_A "/data", 0), 0);
        ck_assert(exists(ROOTFS_A "/data/first"));
        (void) close_fd(fd);
        ck_assert_msg(world_collect(&world, UUID_A, false, &f) == 0, "%s", f.text);
        world_unchanged(before);
        world_done(&world);
}
END_TEST

/* What took the place of a mount that is gone, and its recycled id, is not taken for it. */
START_TEST(test_stranger) {
        _cleanup_free_ char *before = NULL;
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world world;
        uint64_t lost;
        int fd;

        if (!begin(&world, &before))
                return;
        lost = id_of(&world, "/data");
        ck_assert_int_eq(umount2(ROOTFS_A "/data", 0), 0);
        ck_assert_int_eq(mount("stranger", ROOTFS_A "/data", "tmpfs", 0, NULL), 0);
        fd = world_hold(ROOTFS_A);
        ck_assert_int_eq(world_collect(&world, UUID_A, false, &f), FAILURE_BUSY);
        ck_assert_int_ge(world_sync(&world), 0);
        world_idle(&world);
        ck_assert_int_eq(pod_get_state(world_pod(&world, UUID_A)), POD_DEGRADED);
        if (unit_features().unique_id)
                ck_assert_uint_eq(id_of(&world, "/data"), lost);
        (void) close_fd(fd);
        failure_clear(&f);
        ck_assert_msg(world_collect(&world, UUID_A, false, &f) == 0, "%s", f.text);
        world_unchanged(before);
        world_done(&world);
}
END_TEST

/* …nor is anything lost that somebody made unbindable, which its record knows nothing of. */
START_TEST(test_made_unbindable) {
        _cleanup_free_ char *before = NULL;
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world world;
        int fd;

        if (!begin(&world, &before))
                return;
        ck_assert_int_eq(umount2(ROOTFS_A "/private/shared", 0), 0);
        ck_assert_int_eq(mount(NULL, ROOTFS_A "/private", NULL, MS_UNBINDABLE, NULL), 0);
        ck_assert_int_eq(mount("tmpfs", ROOTFS_A "/private/shared", "tmpfs", MS_NODEV, NULL), 0);
        make_file(ROOTFS_A "/private/shared/kept", "/private/shared");
        fd = world_hold(ROOTFS_A);
        ck_assert_int_eq(world_collect(&world, UUID_A, false, &f), FAILURE_BUSY);
        ck_assert_msg(strstr(f.text, "could not be mounted again") == NULL, "%s", f.text);
        check_contents();
        (void) close_fd(fd);
        failure_clear(&f);
        ck_assert_msg(world_collect(&world, UUID_A, false, &f) == 0, "%s", f.text);
        world_unchanged(before);
        world_done(&world);
}
END_TEST

/* All that was mounted again has ids which nobody was told of. */
static void lose(bool crash) {
        _cleanup_free_ char *before = NULL, *as = NULL;
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world_task task;
        struct world world;
        int fd;

        if (!begin(&world, &before))
                return;
        world.settings.busy_retries = 0;
        as = shape();
        fd = world_hold(ROOTFS_A "/mnt");
        world_lose_answer(&world, world_new_collect(&world, UUID_A, false), &task);
        if (crash)
                world_crash(&world, &task);
        else {
                ck_assert_int_eq(world_survive(&world, &task), FAILURE_BUSY);
                world_task_done(&task);
        }
        world_idle(&world);
        check_whole(&world, as);
        (void) close_fd(fd);
        ck_assert_msg(world_collect(&world, UUID_A, false, &f) == 0, "%s", f.text);
        world_unchanged(before);
        world_done(&world);
}

START_TEST(test_executor_dies) {
        lose(false);
}
END_TEST

START_TEST(test_daemon_dies) {
        lose(true);
}
END_TEST

START_TEST(test_success_frees_all) {
        _cleanup_free_ char *before = NULL;
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world world;

        if (!begin(&world, &before))
                return;
        ck_assert_msg(world_collect(&world, UUID_A, false, &f) == 0, "%s", f.text);
        ck_assert_uint_eq(world.n_mounts_added, 0); /* nothing was mounted again */
        world_unchanged(before);
        world_done(&world);
}
END_TEST

UNIT_MAIN("whole", test_whole, test_each_for_itself, test_foreign, test_stranger, test_made_unbindable, test_executor_dies, test_daemon_dies, test_success_frees_all)
