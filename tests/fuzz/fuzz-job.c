/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as what a captured front sends to an executor: the decoder (plan/job-wire.c), then the door (executor/door*.c) with a configuration that grants all
 * there is, and with one that grants nothing. */

#include "executor/door.h"
#include "tests/fuzz/fuzz.h"
#include "util/path.h"

int LLVMFuzzerInitialize(int *argc _unused_, char ***argv _unused_) {
        fuzz_quiet();
        return 0;
}

/* The decoder takes what the encoder writes, and nothing else. */
static void check_canonical(const struct job *job, const uint8_t *data, size_t size) {
        _cleanup_free_ uint8_t *again = NULL;
        size_t again_size;

        fuzz_check(job_encode(job, &again, &again_size) == 0);
        fuzz_check(size == again_size && memcmp(data, again, size) == 0);
}

/* Whatever else the door lets pass: no path of a target climbs. */
static void check_passed(const struct job *job) {
        for (size_t i = 0; i < job->n_steps; i++) {
                const struct step *step = &job->steps[i];

                fuzz_check(step->kind >= 0 && step->kind < _STEP_KIND_MAX && step_kind_name(step->kind));
                fuzz_check(!(step->flags & ~(uint32_t) _STEP_FLAGS_ALL));
                fuzz_check(!step->container || !strchr(step->container, '/'));
                if (!step->target || step->kind == STEP_EXAMINE) /* which only looks, and not through links that lead out */
                        continue;
                for (const char *part = step->target; part; part = strchr(part, '/')) {
                        part += strspn(part, "/");
                        fuzz_check(!(part[0] == '.' && part[1] == '.' && (part[2] == '/' || part[2] == '\0')));
                }
        }
}

static void check_door(const struct job *job) {
        static const char *const lists[] = {"/srv/host /mnt", ""};
        static const struct executor_grants granted = {.cgroup_parent = "/podmount"};

        for (size_t i = 0; i < ELEMENTSOF(lists); i++) {
                _cleanup_failure_ struct failure f = FAILURE_INIT;
                uint32_t step = 0;
                int r = door_check(job, &step, &f);

                if (r == 0)
                        r = door_check_images(job, i == 0 ? UINT32_MAX : 0, i == 0 ? UINT32_MAX : 0, &step, &f);
                if (r == 0)
                        r = door_check_interfaces(job, i == 0 ? "eth1 wg0" : "", &step, &f);
                if (r == 0)
                        r = door_check_cgroups(job, i == 0 ? &granted : NULL, &step, &f);
                if (r == 0 && door_is_about_host(job))
                        r = door_check_host(job, lists[i], NULL, &step, &f);
                fuzz_outcome(r, &f);
                fuzz_check(r == 0 || step == UINT32_MAX || step < job->n_steps);
                if (r == 0)
                        check_passed(job);
                fuzz_check(r != 0 || i == 0 || !door_is_about_host(job));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ uint8_t *exact = fuzz_exact(data, size);
        _cleanup_(job_freep) struct job *job = NULL;
        int r = job_decode(exact, size, &job);

        fuzz_check(r == 0 || r == -EBADMSG);
        fuzz_check((r == 0) == (job != NULL));
        if (job) {
                check_canonical(job, data, size);
                check_door(job);
        }
        return 0;
}
