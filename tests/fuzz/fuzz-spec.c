/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a spec, as a container's or as mounts: what is taken is compiled, for root and for others, planned and sent, and the executor's door lets it
 * pass. spec/, plan/. */

#include "executor/door.h"
#include "plan/plan.h"
#include "spec/spec.h"
#include "spec/wanted.h"
#include "tests/fuzz/fuzz.h"
#include "util/array.h"

enum { SIZE_LIMIT = 1024 * 1024, MOUNTS_LIMIT = 1000, CALLER = 1000 };

static const struct job_caller callers[] = {{.root = true, .brought_max = 100}, {.uid = CALLER, .gid = CALLER, .brought_max = 100}};

/* What the planner makes of what the compiler takes, a decoder takes and the door lets pass: else a client could have a job that nobody understands. */
static void check_job(struct job *job) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ uint8_t *data = NULL;
        struct job *arrived = NULL;
        uint32_t step;
        size_t size;
        int r;

        for (size_t i = 0; i < job->n_steps; i++)
                if (job->steps[i].source.kind == STEP_SOURCE_LAYER)
                        job->steps[i].source.id = 1; /* which is the registry's to know */
        r = job_encode(job, &data, &size);
        if (r == 0) {
                fuzz_check(job_decode(data, size, &arrived) == 0);
                r = door_check(arrived, &step, &f);
                if (r != 0)
                        fprintf(stderr, "step %u: %s\n", step, f.text ? f.text : "");
                fuzz_check(r == 0);
        } else
                fuzz_check(r == -E2BIG);
        job_free(arrived);
        job_free(job);
}

static void check_wanted(const struct wanted *wanted, char **fd_names, bool root) {
        const struct plan_pod pod = {.job = 1, .uuid = "0123abcd-4567-89ab-cdef-0123456789ab", .owner = CALLER, .owner_group = CALLER,
                                     .caller = &callers[!root], .fd_names = fd_names};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct job *job = NULL;
        int r;

        for (size_t i = 0; i < wanted->n_mounts; i++) {
                fuzz_check(wanted->mounts[i].propagation != 0);
                fuzz_check(wanted->mounts[i].options);
        }
        if (wanted->n_mounts == 0 || wanted->mounts[0].kind != WANTED_ROOT)
                return;
        r = plan_create(&pod, wanted, &job, &f);
        fuzz_outcome(r, &f);
        if (r == 0) {
                _cleanup_free_ char *json = NULL;

                fuzz_check(plan_to_json(job, wanted, &json) == 0);
                check_job(job);
        }
}

static void check_spec(const struct spec *spec) {
        _cleanup_strv_ char **names = NULL;

        fuzz_check(spec->canonical);
        fuzz_check(spec_fd_names(spec, &names) == 0);
        if (strv_length(names) > 200)
                return;
        for (size_t root = 0; root < 2; root++) {
                const struct wanted_facts facts = {.caller_is_root = root, .tmpfs_size = 64 << 20, .any_layer = true, .cgroup = WANTED_CGROUP_HYBRID};
                _cleanup_failure_ struct failure f = FAILURE_INIT;
                _cleanup_(wanted_freep) struct wanted *wanted = NULL;
                int r = wanted_from_spec(spec, &facts, &wanted, &f);

                fuzz_outcome(r, &f);
                if (r == 0)
                        check_wanted(wanted, names, root);
        }
}

/* What is kept for retries is what it was made of. */
static void check_canonical(const struct spec *spec) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(spec_freep) struct spec *again = NULL;

        if (spec_parse(spec->canonical, strlen(spec->canonical), SIZE_MAX, MOUNTS_LIMIT, &again, &f) != 0)
                fprintf(stderr, "%s: %s\n", spec->canonical, f.text);
        fuzz_check(again);
        fuzz_check(strcmp(spec->canonical, again->canonical) == 0);
}

static void check_mounts(const char *text, size_t size) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct spec_mount *mounts = NULL;
        size_t n = 0;
        int r = spec_parse_mounts(text, size, SIZE_LIMIT, &mounts, &n, &f);

        fuzz_outcome(r, &f);
        for (size_t root = 0; root < 2 && r == 0; root++) {
                const struct wanted_facts facts = {.caller_is_root = root, .tmpfs_size = 64 << 20, .any_volume = true};
                _cleanup_failure_ struct failure inner = FAILURE_INIT;
                _cleanup_(wanted_freep) struct wanted *wanted = NULL;
                int compiled = wanted_from_mounts("main", mounts, n, &facts, &wanted, &inner);

                fuzz_outcome(compiled, &inner);
                for (size_t i = 0; i < n; i++) {
                        _cleanup_free_ char *again = NULL;

                        fuzz_check(spec_mount_to_text(&mounts[i], &again) == 0);
                        (void) wanted_is_image(&mounts[i]);
                        (void) wanted_is_remount(&mounts[i]);
                }
        }
        if (r == 0)
                spec_mounts_free(mounts, n);
}

int LLVMFuzzerInitialize(int *argc _unused_, char ***argv _unused_) {
        fuzz_quiet();
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = (char *) fuzz_exact(data, size);
        _cleanup_failure_ struct failure f = FAILURE_INIT, of_container = FAILURE_INIT;
        struct spec *spec = NULL;
        int r = spec_parse(text, size, SIZE_LIMIT, MOUNTS_LIMIT, &spec, &f);

        fuzz_outcome(r, &f);
        if (r == 0) {
                check_spec(spec);
                check_canonical(spec);
                spec = spec_free(spec);
        }
        r = spec_parse_container(text, size, SIZE_LIMIT, MOUNTS_LIMIT, "main", &spec, &of_container);
        fuzz_outcome(r, &of_container);
        if (r == 0)
                spec = spec_free(spec);
        check_mounts(text, size);
        return 0;
}
