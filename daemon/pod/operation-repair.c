/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Repairing a pod: its missing mounts are made again from their records, in the records' order, so that what others lie
 * on comes first. Each is a job of its own, with what may not be there without it (pod/again.h), recorded before the next begins: what
 * fails leaves nothing, and stops nothing but what lies on it. All is done as the pod's owner, whoever asks: a path on record may lead to another file
 * by now, and nobody's right but the owner's shall open it.
 */

#include <inttypes.h>
#include <string.h>
#include <sys/mount.h>

#include "pod/again.h"
#include "pod/cgroups.h"
#include "pod/container.h"
#include "pod/doom.h"
#include "pod/footing.h"
#include "pod/host.h"
#include "pod/judge.h"
#include "pod/made.h"
#include "pod/own-table.h"
#include "pod/place.h"
#include "pod/present.h"
#include "pod/recording.h"
#include "pod/registry.h"
#include "pod/turn.h"
#include "pod/use.h"
#include "pod/volume.h"
#include "util/array.h"
#include "util/event.h"
#include "util/log.h"
#include "util/path.h"

enum { BLAMED_MAX = 16 };

struct repair {
        struct operation operation;
        char *container; /* as given, or NULL */
        bool dry_run;
        struct damage *damages;
        size_t n_damages;
        size_t current;        /* the damage that the job is about; the next ones follow */
        size_t blamed_for;     /* the one for which… */
        unsigned n_blamed;     /* …so many of its group failed, and it was tried again without each */
        bool cgroups;          /* …or, when there are none, about the pod's cgroups, once… */
        bool cgroups_done;     /* …and that was it */
        struct again_group group; /* the current one, and those that its job mends with it */
        struct made made;      /* by a job that is being undone */
};

static struct repair *repair_of(struct operation *operation) {
        return (struct repair *) operation;
}

static void release(struct operation *operation) {
        struct repair *repair = repair_of(operation);

        free(repair->container);
        damages_free(repair->damages, repair->n_damages);
        again_group_done(&repair->group);
        made_done(&repair->made);
}

/* Its drift as of now: the table is looked at again, for what the kernel tells nobody, too. */
static int survey(struct repair *repair) {
        struct operation *operation = &repair->operation;
        const struct record_pod *record = operation->pod->record;
        _cleanup_free_ char *directory = pods_directory(operation->pods, operation->uuid);
        struct drift *drifts = NULL;
        size_t n_drifts = 0;
        int r;

        if (!directory)
                return log_oom();
        r = pods_sync_pod_below(operation->pods, operation->pod, directory);
        if (r < 0)
                return log_errno(LOG_ERR, r, "read the mount table");
        r = footing_look_host(operation->pods, operation->pod);
        if (r < 0)
                return r;
        damages_free(repair->damages, repair->n_damages);
        repair->damages = NULL;
        repair->n_damages = 0;
        repair->current = 0;
        operation->pod->judge_again = true; /* the look may have shown what was not known before */
        r = drift_judge(record, pods_table(operation->pods, record), operation->pods->table, directory, &drifts, &n_drifts);
        if (r == 0)
                r = damage_survey(record, drifts, n_drifts, repair->container, &repair->damages, &repair->n_damages);
        drifts_free(drifts, n_drifts);
        return r < 0 ? log_errno(LOG_ERR, r, "judge the drift of pod %s", operation->uuid) : 0;
}

static int check_quota(struct operation *operation, uint32_t n, struct failure *f) {
        const struct quota_ask ask = {.mounts = n};
        const struct pod *pod = operation->pod;
        struct quota_use use = {
                .mounts_of_pod = use_mounts(pod->record) - n, /* the records are there already */
                .mounts_of_namespace = table_size(pods_table(operation->pods, operation->pod->record)),
                .mounts_max = operation->pods->mounts_max,
        };
        int r;

        operation->new_mounts = n;
        r = use_check(operation, &use, &ask, n, f);
        operation->new_mounts -= n;
        return r;
}

/* Settles a damage that stays: by what `r`, of the house's convention, and `f` say. */
static void settle(struct damage *damage, int r, struct failure *f) {
        bool left = f->kind == FAILURE_NOT_SUPPORTED || f->kind == FAILURE_BUSY;

        if (r < 0)
                (void) failure_from_errno(f, r);
        damage->failure = left ? FAILURE_NONE : f->kind;
        damage_settle(damage, left ? DAMAGE_LEFT : DAMAGE_FAILED, "%s", f->text ?: "");
        failure_clear(f);
}

static enum damage_outcome outcome_of_row(const struct repair *repair, int64_t row) {
        for (size_t i = 0; row != 0 && i < repair->n_damages; i++)
                if (repair->damages[i].row == row)
                        return repair->damages[i].outcome;
        return DAMAGE_LEFT;
}

/* A volume is not made twice, and a bind of one not before it. */
static int check_volume(const struct repair *repair, const struct record_mount *mount, struct failure *f) {
        const struct pods *pods = repair->operation.pods;
        const struct record_pod *record = repair->operation.pod->record;
        const struct record_mount *volume = volume_of(record, mount);

        if (volume_is(mount))
                return volume_check_split(pods, record, mount, f);
        if (!volume || doom_find_entry(pods, record, volume) ||
            (repair->dry_run && outcome_of_row(repair, volume->row) == DAMAGE_WOULD_REPAIR))
                return 0;
        return failure_set(f, FAILURE_BUSY, "What it shows, volume %s, is missing itself.", volume->target + 1);
}

/* The mount's record, in whichever list it is. */
static struct record_mount *find_row(const struct pod *pod, int64_t row) {
        return recording_find_row(pod, row) ?: host_find_row(pod, row);
}

static bool is_on_host(const struct record_mount *mount) {
        return strcmp(mount->container, SPEC_HOST) == 0;
}

/* Everything that can be said of one without an executor and without what it lies on. */
static int look_alone(const struct repair *repair, const struct record_mount *mount, struct wanted **ret, struct failure *f) {
        const struct operation *operation = &repair->operation;
        int r = again_compile(operation, mount, ret, f);

        if (r == 0 && is_on_host(mount))
                return host_check(operation->pods, &operation->caller, operation->uuid, *ret, f);
        return r != 0 ? r : check_volume(repair, mount, f);
}

static int look_at(const struct repair *repair, const struct damage *damage, const struct record_mount *mount,
                   struct wanted **ret, struct failure *f) {
        const struct operation *operation = &repair->operation;
        const struct pod *pod = operation->pod;
        int r = look_alone(repair, mount, ret, f);

        if (r != 0 || is_on_host(mount) || (repair->dry_run && outcome_of_row(repair, damage->ground_row) == DAMAGE_WOULD_REPAIR))
                return r;
        return place_check(operation->pods, pod->record, mount, recording_find_row(pod, damage->ground_row), f);
}

/* One that comes with what it lies on. */
static int look_with(void *userdata, size_t damage, struct wanted **ret, struct failure *f) {
        struct repair *repair = userdata;
        const struct record_mount *mount = find_row(repair->operation.pod, repair->damages[damage].row);

        return mount ? look_alone(repair, mount, ret, f) : -ENOENT;
}

static void settle_with(void *userdata, size_t damage, int r, struct failure *f) {
        struct repair *repair = userdata;

        settle(&repair->damages[damage], r, f);
}

static void foretell(struct repair *repair) {
        for (size_t i = 0; i < repair->n_damages; i++) {
                _cleanup_(wanted_freep) struct wanted *wanted = NULL;
                _cleanup_failure_ struct failure f = FAILURE_INIT;
                struct damage *damage = &repair->damages[i];
                const struct record_mount *mount;
                int r;

                if (damage->outcome != DAMAGE_PENDING)
                        continue;
                mount = find_row(repair->operation.pod, damage->row);
                r = mount ? look_at(repair, damage, mount, &wanted, &f) : -ENOENT;
                if (r == 0)
                        damage_settle(damage, DAMAGE_WOULD_REPAIR, "It would be made again from its record.");
                else
                        settle(damage, r, &f);
        }
}

static bool any_pending(const struct repair *repair) {
        for (size_t i = repair->current; i < repair->n_damages; i++)
                if (repair->damages[i].outcome == DAMAGE_PENDING)
                        return true;
        return false;
}

/* What is missing of them shows when they are made. */
static bool wants_cgroups(const struct repair *repair) {
        return repair->operation.pod->record->n_cgroups > 0 && !repair->cgroups_done && !repair->dry_run && !repair->container;
}

static int validate(struct operation *operation, struct failure *f) {
        struct repair *repair = repair_of(operation);
        const char *container;
        int r;

        r = pods_check_runtime(operation->pods, f);
        if (r == 0)
                r = container_begin(operation, f);
        if (r == 0 && repair->container)
                r = container_find_place(operation->pod, repair->container, &container, f);
        if (r == 0)
                r = survey(repair);
        if (r != 0)
                return r;
        if (repair->dry_run)
                foretell(repair);
        return any_pending(repair) || wants_cgroups(repair) ? 0 : OPERATION_FINISHED;
}

static int plan_one(struct repair *repair, const struct damage *damage, struct failure *f) {
        struct operation *operation = &repair->operation;
        const struct record_mount *mount = find_row(operation->pod, damage->row);
        const struct record_mount *ground = recording_find_row(operation->pod, damage->ground_row);
        struct job_caller caller;
        struct plan_present present;
        struct plan_pod pod;
        struct wanted *wanted = NULL;
        int r;

        again_group_done(&repair->group);
        if (!mount || (!ground && !is_on_host(mount)))
                return log_errno(LOG_ERR, ENOENT, "find the record of %s in pod %s", damage->target, operation->uuid);
        r = look_at(repair, damage, mount, &wanted, f);
        if (r != 0) {
                (void) wanted_free(wanted);
                return r;
        }
        r = again_gather(operation->pod, repair->damages, repair->n_damages, repair->current, wanted, look_with, settle_with, repair,
                         &repair->group);
        if (r == 0)
                r = check_quota(operation, (uint32_t) repair->group.n, f);
        if (r != 0)
                return r;
        operation_plan_pod(operation, false, &caller, &pod);
        if (!ground)
                return plan_mount(&pod, repair->group.wanted, NULL, 0, false, &operation->job, f);
        present = present_of(ground);
        if (volume_is(mount)) /* its ground is the pod's own tmpfs */
                present = (struct plan_present) {
                        .container = SPEC_VOLUMES, .target = "/", .id = ground->id, .ground = PLAN_GROUND_FREELY};
        r = plan_mount(&pod, repair->group.wanted, &present, 1, strcmp(ground->target, mount->target) == 0, &operation->job, f);
        if (r == 0)
                r = again_add_stubs(operation->pod, repair->damages, &repair->group, operation->job);
        return r != 0 ? r : volume_resolve(operation, f);
}

static int plan_cgroups(struct repair *repair) {
        struct operation *operation = &repair->operation;
        struct job_caller caller;
        struct plan_pod pod;

        repair->cgroups = repair->cgroups_done = true;
        operation_plan_pod(operation, false, &caller, &pod);
        return cgroups_make_again(operation->pod->record, &pod, &operation->job);
}

/* The next one that can be made; those that cannot are settled on the way. */
static int plan(struct operation *operation, struct failure *f) {
        struct repair *repair = repair_of(operation);

        for (; repair->current < repair->n_damages; repair->current++) {
                struct damage *damage = &repair->damages[repair->current];
                int r;

                if (damage->outcome != DAMAGE_PENDING)
                        continue;
                r = plan_one(repair, damage, f);
                if (r == 0)
                        return 0;
                operation->job = job_free(operation->job); /* as far as it was planned */
                settle(damage, r, f);
        }
        return wants_cgroups(repair) ? plan_cgroups(repair) : OPERATION_FINISHED;
}

static int intend(struct operation *operation, struct failure *f _unused_) {
        if (repair_of(operation)->cgroups)
                return 0; /* all of them are on record as made */
        return container_intend(operation, RECORD_VERB_MOUNT, false, NULL);
}

static void take_back(struct operation *operation) {
        operation->new_mounts = 0;
        if (!repair_of(operation)->cgroups)
                container_forget_intent(operation);
}

/* The pod is judged before the caller hears that it is done, so that the state that it sees next is the new one. */
static void finish(struct repair *repair, struct failure *f) {
        struct operation *operation = &repair->operation;
        _cleanup_free_ char *directory = pods_directory(operation->pods, operation->uuid);
        struct pod *pod = operation->pod;

        operation->new_mounts = 0;
        if (directory && pods_sync_pod_below(operation->pods, operation->pod, directory) < 0)
                log_warning("Pod %s was repaired, but the mount table could not be read to see it", operation->uuid);
        tell_changed(operation->pods, pod);
        turn_release(operation);
        judge_pod(operation->pods, pod);
        operation_end(operation, f);
}

/* To the next one, which is the current one still if it is pending. */
static void go_on(struct repair *repair) {
        struct failure f = FAILURE_INIT;
        int r;

        r = operation_next(&repair->operation, &f);
        if (r == 0)
                return;
        if (r < 0 && r != OPERATION_FINISHED)
                (void) failure_from_errno(&f, r);
        finish(repair, &f);
}

/* The record keeps its place, and gets what is to be known of the new mount. */
static int record_on_host(struct repair *repair, struct record_mount *mount, const struct job_result *answer) {
        struct operation *operation = &repair->operation;
        struct store *store = operation->pods->store;
        struct record_mount before = *mount;
        int r = store_begin(store);

        host_take_result(mount, &answer->steps[0], operation->job_id);
        mount->root = mount->fs_options = NULL; /* both are seen anew */
        if (r == 0)
                r = store_put_mount(store, operation->uuid, mount);
        if (r == 0)
                r = store_delete_intent(store, operation->job_id);
        r = store_end(store, r);
        if (r < 0) {
                *mount = before;
                return log_errno(LOG_ERR, r, "record a mount of pod %s on the host", operation->uuid);
        }
        tell_mounts_removed(operation->pods, operation->pod, &before, 1);
        tell_mounts_added(operation->pods, operation->pod, mount, 1);
        free(before.root);
        free(before.fs_options);
        return 0;
}

/* Whether the job made the group's mount of this number: a path that is not there is passed over. */
static bool is_made(const struct job_result *answer, size_t number) {
        return number < answer->n_steps && answer->steps[number].mount_id != 0;
}

/* Once all are known to lie where they should. */
static int record_in_pod(struct repair *repair, const struct job_result *answer, uint64_t *ids, struct failure *f) {
        struct operation *operation = &repair->operation;
        struct again_group *group = &repair->group;
        _cleanup_free_ int64_t *rows = calloc(group->n, sizeof(*rows));
        struct pod *pod = operation->pod;
        size_t from = pod->record->n_mounts, n = 0;
        int r;

        if (!rows)
                return log_oom();
        for (size_t i = 0; i < group->n; i++)
                if (is_made(answer, i))
                        rows[n++] = repair->damages[group->damages[i]].row;
        if (n == 0)
                return 0;
        r = recording_append(operation->pods, pod, group->wanted, NULL, operation->job, answer, ids);
        if (r < 0)
                return r;
        r = pods_sync_pod(operation->pods, operation->pod);
        for (size_t i = 0; i < n && r >= 0 && f->kind == FAILURE_NONE; i++)
                r = place_check_parent(operation->pods, pod->record, &pod->record->mounts[from + i], f);
        if (r == 0)
                r = recording_replace(operation->pods, pod, rows, n, from, operation->job_id);
        if (r != 0)
                recording_truncate(pod, from);
        return r;
}

/* Records what the job has made. */
static int record_all(struct repair *repair, const struct job_result *answer, struct failure *f) {
        struct again_group *group = &repair->group;
        struct record_mount *host = host_find_row(repair->operation.pod, repair->damages[repair->current].row);
        _cleanup_free_ uint64_t *ids = calloc(group->n, sizeof(*ids));
        int r;

        if (!ids)
                return log_oom();
        r = host ? record_on_host(repair, host, answer) : record_in_pod(repair, answer, ids, f);
        if (r != 0)
                return r;
        for (size_t i = 0; i < group->n; i++) {
                struct damage *damage = &repair->damages[group->damages[i]];

                if (is_made(answer, i)) {
                        damage->id = host ? host->id : ids[i];
                        damage_settle(damage, DAMAGE_REPAIRED, "It was made again from its record%s.", again_news(&group->wanted->mounts[i]));
                } else
                        damage_settle(damage, DAMAGE_LEFT, "Nothing is there now that could be hidden or read-only; repair again when there is.");
        }
        return 0;
}

static void blame_path(const struct wanted_mount *path, struct failure *f) {
        _cleanup_failure_ struct failure cause = FAILURE_INIT;

        failure_move(&cause, f);
        (void) failure_set(f, cause.kind, "It would be there without its %s path %s: %s",
                           path->kind == WANTED_MASK ? "masked" : "read-only", path->target, cause.text ?: "");
}

/* Each try makes all of the group and plans it before: a pod's owner may take the sources of thousands away. */
static void give_up(struct repair *repair, enum failure_kind kind) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        (void) failure_set(&f, kind, "%u of the mounts that come with it could not be made; repair again when what these say is mended.",
                           repair->n_blamed);
        settle(&repair->damages[repair->current], (int) kind, &f);
}

/* Whether the failure was settled as that of another mount than the current one, which is tried again without it. That a path
 * cannot be hidden or read-only is the failure of what would be there without it. */
static bool blame_other(struct repair *repair, const struct job_result *answer, struct failure *f) {
        const struct again_group *group = &repair->group;
        size_t number = answer && !answer->lost ? answer->failed_step : SIZE_MAX;
        const struct wanted_mount *failed;
        enum failure_kind kind;

        if (number == 0 || number >= group->n)
                return false;
        failed = &group->wanted->mounts[number];
        if (failed->kind == WANTED_MASK || failed->kind == WANTED_READONLY) {
                blame_path(failed, f);
                return false;
        }
        if (repair->blamed_for != repair->current)
                repair->n_blamed = 0;
        repair->blamed_for = repair->current;
        kind = f->kind;
        settle(&repair->damages[group->damages[number]], (int) kind, f);
        if (++repair->n_blamed >= BLAMED_MAX)
                give_up(repair, kind);
        return true;
}

/* Each that was missing somewhere is a damage, which is over; without memory it is not told. */
static void tell_cgroups(struct repair *repair, const struct job_result *answer) {
        const struct job *job = repair->operation.job;
        const bool failed = answer->lost || answer->failure != FAILURE_NONE;

        for (size_t i = 0; i < job->n_steps && i < answer->n_steps; i++) {
                struct damage *damage = failed || answer->steps[i].made > 0 ? array_append(&repair->damages, &repair->n_damages) : NULL;

                if (!damage)
                        continue;
                damage->state = "missing";
                damage->failure = failed ? answer->failure : FAILURE_NONE;
                damage->container = strdup(SPEC_HOST);
                damage->target = path_join(job->steps[i].source.path ?: "/", job->steps[i].target);
                if (!damage->container || !damage->target) {
                        free(damage->container);
                        free(damage->target);
                        repair->n_damages--;
                } else if (failed)
                        damage_settle(damage, DAMAGE_FAILED, "Its cgroups cannot be looked after: %s", answer->text ?: "the executor died");
                else
                        damage_settle(damage, DAMAGE_REPAIRED, "The cgroup was made again where it was missing.");
        }
}

static void result(struct operation *operation, const struct job_result *answer) {
        struct repair *repair = repair_of(operation);
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        bool undo, nothing = false;
        int r = 0;

        if (repair->cgroups) {
                if (answer)
                        tell_cgroups(repair, answer);
                finish(repair, &f);
                return;
        }
        if (answer && answer->failure == FAILURE_NONE && !answer->lost) {
                r = record_all(repair, answer, &f);
                undo = r != 0;
                nothing = r == 0 && !is_made(answer, 0);
        } else {
                undo = answer && answer->lost;
                r = answer ? operation_failure(operation, answer, repair->group.wanted, &f) : -EINVAL;
        }
        if (r < 0)
                (void) failure_from_errno(&f, r);
        if (undo) {
                made_done(&repair->made);
                if (made_keep(operation, answer, &repair->made) < 0)
                        log_error("A crash now would leave mounts in pod %s that no record names", operation->uuid);
                operation_undo(operation, &f);
                return;
        }
        if (r != 0 || nothing) {
                take_back(operation);
                if (r != 0 && !blame_other(repair, answer, &f))
                        settle(&repair->damages[repair->current], r, &f);
        }
        go_on(repair);
}

static int undo_job(struct operation *operation, struct job **ret, struct failure *f) {
        return made_undo_job(operation, &repair_of(operation)->made, ret, f);
}

static void undone(struct operation *operation, struct failure *cause) {
        struct repair *repair = repair_of(operation);

        settle(&repair->damages[repair->current], (int) cause->kind, cause);
        go_on(repair);
}

/* What could not be detached shows as drift; its intent stays, so that the next start tries once more. */
static void undo_failed(struct operation *operation, const char *reason) {
        event_log(EVENT_MOUNTS_LEFT, EVENT_OF_POD(operation->uuid), "A mount of a failed repair stays in pod %s: %s", operation->uuid, reason);
}

static const struct operation_class class = {
        .verb = OPERATION_REPAIR,
        .validate = validate,
        .plan = plan,
        .intend = intend,
        .take_back = take_back,
        .result = result,
        .undo_job = undo_job,
        .undo_failed = undo_failed,
        .undone = undone,
        .release = release,
};

int operation_new_repair(struct pods *pods, const struct caller *caller, struct pod *pod,
                         const struct repair_arguments *arguments, struct operation **ret, struct failure *f) {
        const struct caller owner = {
                .transport = caller->transport,
                .uid = pod->record->owner,
                .gid = pod->record->owner_group,
                .pid = caller->pid,
                .host_mount_namespace = true,
                .host_user_namespace = true,
                .host_root_directory = true,
        };
        _cleanup_(operation_freep) struct operation *operation = NULL;
        struct repair *repair;
        int r;

        r = operation_new(&class, sizeof(struct repair), pods, caller->uid == pod->record->owner ? caller : &owner, pod,
                          pod->record->uuid, NULL, &operation, f);
        if (r != 0)
                return r;
        repair = repair_of(operation);
        repair->dry_run = arguments->dry_run;
        repair->container = arguments->container ? strdup(arguments->container) : NULL;
        if (arguments->container && !repair->container)
                return log_oom();
        *ret = TAKE_PTR(operation);
        return 0;
}

const struct damage *operation_damages(const struct operation *operation, size_t *ret_n) {
        const struct repair *repair = (const struct repair *) operation;

        if (operation->class != &class) {
                *ret_n = 0;
                return NULL;
        }
        *ret_n = repair->n_damages;
        return repair->damages;
}
