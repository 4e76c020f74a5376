/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whatever the front says, the hands map a caller's own ids alone: here there are no subordinate ones. */

#include <sys/stat.h>

#include "tests/unit/executor/hands.h"

static bool begin(void) {
        struct job_result pod;

        if (!hands_begin(NULL))
                return false;
        pod = make_pod();
        job_result_done(&pod);
        make_file("/tmp/empty", "");
        if (!exists("/etc/subuid") || !exists("/etc/subgid")) {
                unit_skip("there is no /etc/subuid or no /etc/subgid to put another in the place of");
                return false;
        }
        ck_assert_int_eq(mount("/tmp/empty", "/etc/subuid", NULL, MS_BIND, NULL), 0);
        ck_assert_int_eq(mount("/tmp/empty", "/etc/subgid", NULL, MS_BIND, NULL), 0);
        return true;
}

static void map(struct id_mapping **list, size_t *n, uint32_t container_id, uint32_t host_id) {
        struct id_mapping *mapping = array_append(list, n);

        ck_assert_ptr_nonnull(mapping);
        *mapping = (struct id_mapping){.container_id = container_id, .host_id = host_id, .size = 1};
}

static struct job_result bind_mapped(bool root, uint32_t container_id, uint32_t host_id, uint32_t group) {
        struct job *job = new_job(root);
        struct step *step = add_bind(job, "/tmp/src", "/data");

        step->idmap.given = true;
        map(&step->idmap.uids, &step->idmap.n_uids, container_id, host_id);
        map(&step->idmap.gids, &step->idmap.n_gids, group, group);
        return run(job);
}

static void refused(struct job_result result, const char *words) {
        ck_assert_failed(result, FAILURE_SOURCE_DENIED, words);
        job_result_done(&result);
}

START_TEST(test_foreign) {
        _cleanup_free_ char *before = NULL;

        if (!begin())
                return;
        before = namespace_snapshot();
        refused(bind_mapped(false, 0, CALLER, CALLER), "names the uid 0,");
        refused(bind_mapped(false, CALLER, 0, CALLER), "names the uid 0,");
        refused(bind_mapped(false, CALLER, CALLER, 0), "names the gid 0,");
        /* its own ids, and a directory that is root's */
        refused(bind_mapped(false, CALLER, CALLER, CALLER), "belongs to user 0");
        namespace_unchanged(before);
}
END_TEST

START_TEST(test_root) {
        struct job_result result;
        struct stat status;

        if (!begin())
                return;
        result = bind_mapped(true, 0, 4321, 0);
        if (result.failure == FAILURE_NOT_SUPPORTED) { /* tmpfs of Linux before 6.3 */
                unit_skip("tmpfs knows no id mapping");
                job_result_done(&result);
                return;
        }
        ck_assert_done(result);
        job_result_done(&result);
        ck_assert_int_eq(stat(ROOTFS "/data/hello", &status), 0);
        ck_assert_uint_eq(status.st_uid, 4321);
        ck_assert_int_eq(stat("/tmp/src/hello", &status), 0);
        ck_assert_uint_eq(status.st_uid, 0);
}
END_TEST

static struct job_result bind_by(bool root, const char *path) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct job *job = new_job(root);
        struct step *step = add_bind(job, "/tmp/src", "/data");

        ck_assert_int_ge(fd, 0);
        step->idmap.given = true;
        step->userns.kind = STEP_SOURCE_FD;
        job->n_fds = 1;
        return run_fds(job, &fd);
}

START_TEST(test_fds) {
        static const char *const paths[] = {"/proc/self/ns/user", "/proc/self/ns/mnt", "/etc/passwd"};

        if (!begin())
                return;
        for (size_t i = 0; i < ELEMENTSOF(paths); i++)
                for (int root = 0; root < 2; root++) {
                        struct job_result result = bind_by(root, paths[i]);

                        ck_assert_failed(result, FAILURE_INVALID_ARGS, "is no user namespace, or the host's own");
                        job_result_done(&result);
                }
}
END_TEST

UNIT_MAIN("mapping", test_foreign, test_root, test_fds)
