/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * From the document to the plan: specs as people write them, compiled, planned, sent and shown. Prints each plan (as
 * TAP comments), so that a reader sees what podmount makes of each.
 */

#include "plan/plan.h"

#include <stdio.h>
#include <string.h>

#include "spec/spec.h"
#include "spec/wanted.h"
#include "tests/unit/unit.h"
#include "util/array.h"

#define UUID "0123abcd-4567-89ab-cdef-0123456789ab"

static const char oci[] =
        "{\"ociVersion\": \"1.0.2\", \"mandatoryMounts\": false, \"process\": {\"args\": [\"sh\"]},"
        " \"root\": {\"path\": \"/srv/rootfs\", \"readonly\": true},"
        " \"mounts\": ["
        "  {\"destination\": \"/proc\", \"type\": \"proc\", \"source\": \"proc\"},"
        "  {\"destination\": \"/dev\", \"type\": \"tmpfs\", \"source\": \"tmpfs\","
        "   \"options\": [\"nosuid\", \"strictatime\", \"mode=755\", \"size=65536k\"]},"
        "  {\"destination\": \"/dev/pts\", \"type\": \"devpts\", \"source\": \"devpts\","
        "   \"options\": [\"nosuid\", \"noexec\", \"newinstance\", \"ptmxmode=0666\", \"mode=0620\"]},"
        "  {\"destination\": \"/dev/shm\", \"type\": \"tmpfs\", \"source\": \"shm\", \"options\": [\"mode=1777\"]},"
        "  {\"destination\": \"/dev/mqueue\", \"type\": \"mqueue\", \"source\": \"mqueue\"},"
        "  {\"destination\": \"/sys\", \"type\": \"sysfs\", \"source\": \"sysfs\", \"options\": [\"ro\"]},"
        "  {\"destination\": \"/sys/fs/cgroup\", \"type\": \"cgroup\", \"source\": \"cgroup\", \"options\": [\"ro\"]},"
        "  {\"destination\": \"/data\", \"type\": \"bind\", \"source\": \"/srv/data\","
        "   \"options\": [\"rbind\", \"ro\"]}]}";

static const char own[] =
        "{\"podmount\": 1, \"name\": \"web\", \"mandatoryMounts\": false, \"containers\": ["
        " {\"name\": \"front\", \"root\": {\"path\": \"/srv/front\"}, \"mounts\": ["
        "  {\"destination\": \"/run\", \"type\": \"tmpfs\"},"
        "  {\"destination\": \"/run/back\", \"type\": \"bind\", \"source\": \"fd:shared\", \"options\": [\"bind\"]},"
        "  {\"destination\": \"/var/www\", \"type\": \"bind\", \"source\": \"/srv/www\", \"options\": [\"bind\"]}]},"
        " {\"name\": \"back\", \"root\": {\"path\": \"/srv/back\", \"overlay\": \"tmpfs\"}, \"mounts\": ["
        "  {\"destination\": \"/layers\", \"type\": \"overlay\","
        "   \"options\": [\"lowerdir=/l1:/l2\", \"upperdir=/up\", \"workdir=/work\"]}]}]}";

static struct wanted *compile(const char *document, bool root) {
        const struct wanted_facts facts = {
                .caller_is_root = root, .tmpfs_size = 64 << 20, .cgroup = WANTED_CGROUP_HYBRID};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(spec_freep) struct spec *spec = NULL;
        struct wanted *wanted = NULL;
        int r = spec_parse(document, strlen(document), 1 << 20, UINT64_MAX, &spec, &f);

        ck_assert_msg(r == 0, "%s", f.text);
        r = wanted_from_spec(spec, &facts, &wanted, &f);
        ck_assert_msg(r == 0, "%s", f.text);
        return wanted;
}

static void print_plan(const char *title, const struct job *job, const struct wanted *wanted) {
        _cleanup_free_ char *plan = NULL;
        char *rest, *line;

        ck_assert_int_eq(plan_to_json(job, wanted, &plan), 0);
        rest = plan;
        (void) printf("# %s\n", title);
        while ((line = strsep(&rest, "\n")))
                (void) printf("# %s\n", line);
        (void) fflush(stdout);
}

/* Plans a document, sends the job through the codec and shows what arrives. */
static struct job *plan(const char *title, const struct wanted *wanted, char **fd_names) {
        const struct plan_pod pod = {.job = 1, .uuid = UUID, .owner = 1000, .owner_group = 1000, .fd_names = fd_names};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(job_freep) struct job *job = NULL;
        _cleanup_free_ uint8_t *data = NULL;
        struct job *arrived = NULL;
        size_t size;
        int r = plan_create(&pod, wanted, &job, &f);

        ck_assert_msg(r == 0, "%s", f.text);
        ck_assert_int_eq(job_encode(job, &data, &size), 0);
        ck_assert_int_eq(job_decode(data, size, &arrived), 0);
        print_plan(title, arrived, wanted);
        return arrived;
}

/* Every wanted mount has exactly one step, in order, or is deferred; whatever makes something says how to undo it. */
static void check_complete(const struct job *job, const struct wanted *wanted) {
        size_t next = 0;

        ck_assert_int_eq(job->steps[0].kind, STEP_TREE);
        ck_assert_int_eq(job->steps[job->n_steps - 1].kind, STEP_PUBLISH);
        for (size_t i = 0; i < job->n_steps; i++) {
                const struct step *step = &job->steps[i];

                ck_assert_str_ne(plan_undo(job, step), "none");
                if (step->wanted == UINT32_MAX)
                        continue;
                while (wanted->mounts[next].deferred)
                        next++;
                ck_assert_uint_eq(step->wanted, next);
                ck_assert_str_eq(step->target, wanted->mounts[next].target);
                next++;
        }
        while (next < wanted->n_mounts && wanted->mounts[next].deferred)
                next++;
        ck_assert_uint_eq(next, wanted->n_mounts);
}

static const struct step *find(const struct job *job, const char *target) {
        for (size_t i = 0; i < job->n_steps; i++)
                if (job->steps[i].target && strcmp(job->steps[i].target, target) == 0)
                        return &job->steps[i];
        return NULL;
}

START_TEST(test_oci_for_root) {
        _cleanup_(wanted_freep) struct wanted *wanted = compile(oci, true);
        _cleanup_(job_freep) struct job *job = plan("OCI config.json, for root", wanted, NULL);

        check_complete(job, wanted);
        ck_assert_int_eq(find(job, "/proc")->create, STEP_CREATE_STUB);
        ck_assert_int_eq(find(job, "/dev/pts")->create, STEP_CREATE_FREELY);
        ck_assert_int_eq(find(job, "/sys/fs/cgroup")->kind, STEP_BIND); /* on a hybrid host */
        ck_assert_int_eq(find(job, "/sys/fs/cgroup")->create, STEP_CREATE_NEVER);
        ck_assert(find(job, "/data")->flags & STEP_RECURSIVE);
}
END_TEST

START_TEST(test_oci_for_others) {
        _cleanup_(wanted_freep) struct wanted *wanted = compile(oci, false);
        _cleanup_(job_freep) struct job *job = plan("OCI config.json, for another user", wanted, NULL);

        check_complete(job, wanted);
        ck_assert_ptr_null(find(job, "/proc"));
        ck_assert_ptr_null(find(job, "/sys"));
        ck_assert_ptr_nonnull(find(job, "/dev/pts"));
        ck_assert_str_eq(job->steps[1].stubs[0], "/proc"); /* for when its namespace is named */
}
END_TEST

START_TEST(test_own_format) {
        char name[] = "shared", *names[] = {name, NULL};
        _cleanup_(wanted_freep) struct wanted *wanted = compile(own, false);
        _cleanup_(job_freep) struct job *job = plan("podmount's own format", wanted, names);

        check_complete(job, wanted);
        ck_assert_uint_eq(strv_length(job->containers), 2);
        ck_assert_int_eq(find(job, "/run")->create, STEP_CREATE_AS_CALLER);
        ck_assert_str_eq(plan_undo(job, find(job, "/run")), "close-tree, remove-mount-point");
        ck_assert_int_eq(find(job, "/run/back")->create, STEP_CREATE_FREELY);
        ck_assert_int_eq(find(job, "/run/back")->source.kind, STEP_SOURCE_FD);
        ck_assert_int_eq(find(job, "/layers")->create, STEP_CREATE_FREELY);
        ck_assert_uint_eq(find(job, "/layers")->n_layers, 2);
        ck_assert_str_eq(find(job, "/layers")->upper.path, "/up");
}
END_TEST

/* Undo of every kind of step, in a job that makes a pod and in one that changes one. */
START_TEST(test_undo_of_every_kind) {
        static const struct {
                enum step_kind kind;
                enum step_create create;
                const char *whole, *living;
        } rows[] = {
                {STEP_TREE, STEP_CREATE_NEVER, "close-tree", "close-tree"},
                {STEP_ROOT, STEP_CREATE_NEVER, "close-tree", "detach"},
                {STEP_BIND, STEP_CREATE_NEVER, "close-tree", "detach"},
                {STEP_BIND, STEP_CREATE_STUB, "close-tree", "detach"},
                {STEP_BIND, STEP_CREATE_FREELY, "close-tree", "detach, remove-mount-point"},
                {STEP_BIND, STEP_CREATE_AS_CALLER, "close-tree, remove-mount-point", "detach, remove-mount-point"},
                {STEP_FILESYSTEM, STEP_CREATE_FREELY, "close-tree", "detach, remove-mount-point"},
                {STEP_IMAGE, STEP_CREATE_STUB, "close-tree", "detach"},
                {STEP_OVERLAY, STEP_CREATE_AS_CALLER, "close-tree, remove-mount-point", "detach, remove-mount-point"},
                {STEP_PUBLISH, STEP_CREATE_NEVER, "detach, remove-mount-point", "detach, remove-mount-point"},
                {STEP_MASK, STEP_CREATE_NEVER, "close-tree", "detach"},
                {STEP_READONLY, STEP_CREATE_NEVER, "close-tree", "detach"},
                {STEP_MKDIR, STEP_CREATE_AS_CALLER, "remove-directories", "remove-directories"},
                {STEP_MKDIR, STEP_CREATE_FREELY, "close-tree", "close-tree"},
                {STEP_UNMAKE, STEP_CREATE_NEVER, "none", "none"},
                {STEP_CONTAINER, STEP_CREATE_NEVER, "close-tree", "close-tree"},
                {STEP_JOIN, STEP_CREATE_NEVER, "detach, remove-mount-point", "detach, remove-mount-point"},
                {STEP_PIN, STEP_CREATE_NEVER, "none", "none"}, /* not but on the host */
                {STEP_REMOUNT, STEP_CREATE_NEVER, "attributes-back", "attributes-back"},
                {STEP_UNMOUNT, STEP_CREATE_NEVER, "none", "none"},
                {STEP_DETACH, STEP_CREATE_NEVER, "none", "none"},
                {STEP_REMOVE_POD, STEP_CREATE_NEVER, "none", "none"},
                {STEP_OPEN_TREE, STEP_CREATE_NEVER, "none", "none"},
                {STEP_EXAMINE, STEP_CREATE_NEVER, "none", "none"},
                {STEP_FIND, STEP_CREATE_NEVER, "none", "none"},
                {STEP_IDENTIFY, STEP_CREATE_NEVER, "none", "none"},
                {STEP_ENTER, STEP_CREATE_NEVER, "none", "none"},
                {STEP_SEEK, STEP_CREATE_NEVER, "none", "none"},
                {STEP_WITHDRAW, STEP_CREATE_NEVER, "none", "none"},
                {STEP_LAYER_MAKE, STEP_CREATE_NEVER, "none", "none"},
                {STEP_LAYER_RETIRE, STEP_CREATE_NEVER, "none", "none"},
                {STEP_LAYER_PURGE, STEP_CREATE_NEVER, "none", "none"},
                {STEP_LAYER_APPLY, STEP_CREATE_NEVER, "none", "none"},
                {STEP_LAYER_ADOPT, STEP_CREATE_NEVER, "none", "none"},
                {STEP_LAYER_MERGE, STEP_CREATE_NEVER, "none", "none"},
                {STEP_LAYER_CLEAR, STEP_CREATE_NEVER, "none", "none"},
                {STEP_LAYER_DIFF, STEP_CREATE_NEVER, "none", "none"},
                {STEP_LAYER_CHANGES, STEP_CREATE_NEVER, "none", "none"},
                {STEP_LAYER_SIZE, STEP_CREATE_NEVER, "none", "none"},
                {STEP_LAYER_OPEN, STEP_CREATE_NEVER, "none", "none"},
                {STEP_IMAGE_READ, STEP_CREATE_NEVER, "none", "none"},
                {STEP_IMAGE_BLOB, STEP_CREATE_NEVER, "none", "none"},
                {STEP_HOLDERS, STEP_CREATE_NEVER, "none", "none"},
                {STEP_GC_PROGRAM, STEP_CREATE_NEVER, "none", "none"},
                {STEP_LINK, STEP_CREATE_NEVER, "remove-link", "remove-link"},
                {STEP_UNLINK, STEP_CREATE_NEVER, "none", "none"},
                {STEP_CGROUP_MAKE, STEP_CREATE_NEVER, "remove-cgroups", "remove-cgroups"},
                {STEP_CGROUP_REMOVE, STEP_CREATE_NEVER, "none", "none"},
                {STEP_LAYER_MOUNT, STEP_CREATE_NEVER, "none", "none"},
                {STEP_LAYER_UNMOUNT, STEP_CREATE_NEVER, "none", "none"},
        };
        bool seen[_STEP_KIND_MAX] = {};

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(job_freep) struct job *whole = job_new(), *living = job_new();
                struct step *step;

                ck_assert_ptr_nonnull(job_add(whole, STEP_TREE));
                step = job_add(whole, rows[i].kind);
                step->create = rows[i].create;
                ck_assert_str_eq(plan_undo(whole, step), rows[i].whole);
                if (rows[i].kind != STEP_TREE) {
                        step = job_add(living, rows[i].kind);
                        step->create = rows[i].create;
                        ck_assert_str_eq(plan_undo(living, step), rows[i].living);
                }
                seen[rows[i].kind] = true;
        }
        for (size_t i = 0; i < ELEMENTSOF(seen); i++)
                ck_assert_msg(seen[i], "no undo is tried for %s", step_kind_name((enum step_kind) i));
}
END_TEST

UNIT_MAIN("plan-examples", test_oci_for_root, test_oci_for_others, test_own_format, test_undo_of_every_kind)
