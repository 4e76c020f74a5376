/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "pod/cgroups.h"

#include <string.h>

#include "store/cgroups.h"
#include "util/array.h"
#include "util/log.h"
#include "util/path.h"

const char *cgroups_parent(const struct pods *pods) {
        return pods->cgroups_of_systemd ? "" : settings_cgroup_parent(pods->settings);
}

static const struct record_cgroup *find(const struct record_cgroup *list, size_t n, const char *name, const char *parent) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(list[i].name, name) == 0 && strcmp(list[i].parent, parent) == 0)
                        return &list[i];
        return NULL;
}

static const struct pod *find_owner(const struct pods *pods, const char *uuid, const char *name) {
        const struct pod *pod, *owner = NULL;

        MAP_FOREACH(pod, pods->by_uuid)
                if (strcmp(pod->record->uuid, uuid) != 0 && find(pod->record->cgroups, pod->record->n_cgroups, name, cgroups_parent(pods)))
                        owner = pod;
        return owner;
}

int cgroups_check(const struct pods *pods, const char *uuid, const struct wanted *wanted, struct failure *f) {
        for (char **name = wanted->cgroups; name && *name; name++) {
                if (find_owner(pods, uuid, *name))
                        return failure_set(f, FAILURE_TARGET_IN_USE, "Another pod has the cgroup %s; choose another name.", *name);
                if (find(pods->cgroups_left, pods->n_cgroups_left, *name, cgroups_parent(pods)))
                        return failure_set(f, FAILURE_TARGET_IN_USE, "A pod that is gone has left the cgroup %s, which was busy then; "
                                           "try again in a moment, or choose another name.", *name);
        }
        return 0;
}

int cgroups_intend(const struct job *job, struct record_pod *record) {
        for (size_t i = 0; i < job->n_steps; i++) {
                const struct step *step = &job->steps[i];
                const struct record_cgroup from = {.uuid = record->uuid, .name = step->target, .step = (uint32_t) i,
                        .parent = step->source.path ? step->source.path : (char *) ""};
                struct record_cgroup *cgroup;

                if (step->kind != STEP_CGROUP_MAKE)
                        continue;
                cgroup = array_append(&record->cgroups, &record->n_cgroups);
                if (!cgroup)
                        return log_oom();
                if (record_cgroup_copy(&from, cgroup) < 0) {
                        record->n_cgroups--;
                        return -ENOMEM;
                }
        }
        return 0;
}

int cgroups_put(struct store *store, const struct record_pod *record) {
        int r = 0;

        for (size_t i = 0; r == 0 && i < record->n_cgroups; i++)
                r = store_put_cgroup(store, &record->cgroups[i]);
        return r;
}

int cgroups_commit(struct pods *pods, const struct record_pod *record) {
        int r;

        if (record->n_cgroups == 0)
                return 0;
        r = store_begin(pods->store);
        if (r == 0)
                r = cgroups_put(pods->store, record);
        r = store_end(pods->store, r);
        return r < 0 ? log_errno(LOG_ERR, r, "record the cgroups of pod %s", record->uuid) : 0;
}

void cgroups_settle(struct record_pod *record, const struct job_result *result) {
        const char *parent = result->texts ? result->texts[0] : NULL;

        for (size_t i = 0; i < record->n_cgroups; i++) {
                struct record_cgroup *cgroup = &record->cgroups[i];

                if (cgroup->step >= result->n_steps)
                        continue;
                cgroup->made = result->steps[cgroup->step].made > 0;
                if (cgroup->made && parent && !cgroup->path)
                        cgroup->path = path_join(parent, cgroup->name); /* for people: without memory it is not shown */
        }
}

void cgroups_settle_entries(struct record_pod *record, const struct intent_mount *entries, size_t n) {
        for (size_t i = 0; i < n; i++) {
                uint32_t made = 0;

                if (intent_is_directory(&entries[i], &made) != INTENT_TARGET)
                        continue;
                for (size_t j = 0; j < record->n_cgroups; j++)
                        record->cgroups[j].made |= record->cgroups[j].step == entries[i].step && made > 0;
        }
}

int cgroups_doom(const struct record_pod *record, const struct plan_pod *pod, struct job **job) {
        int r = 0;

        for (size_t i = 0; r == 0 && record && i < record->n_cgroups; i++)
                if (record->cgroups[i].made)
                        r = plan_cgroup(pod, STEP_CGROUP_REMOVE, record->cgroups[i].name, record->cgroups[i].parent, job);
        return r;
}

int cgroups_make_again(const struct record_pod *record, const struct plan_pod *pod, struct job **job) {
        for (size_t i = 0; i < record->n_cgroups; i++) {
                int r = plan_cgroup(pod, STEP_CGROUP_MAKE, record->cgroups[i].name, record->cgroups[i].parent, job);

                if (r < 0)
                        return r;
                (*job)->steps[(*job)->n_steps - 1].flags = STEP_OPTIONAL;
        }
        return 0;
}

static bool is_left(const struct record_cgroup *cgroup, const struct job *job, const struct job_result *result) {
        for (size_t i = 0; i < job->n_steps && i < result->n_steps; i++) {
                const struct step *step = &job->steps[i];

                if (step->kind == STEP_CGROUP_REMOVE && strcmp(step->target, cgroup->name) == 0 &&
                    strcmp(step->source.path ?: "", cgroup->parent) == 0)
                        return result->steps[i].attributes == CGROUP_LEFT;
        }
        return cgroup->made;
}

/* Those for which `left` is set go on without a pod; the others leave the store. */
static int sort_out(struct pods *pods, struct record_cgroup *list, const bool *left, size_t n) {
        int r = store_begin(pods->store);

        for (size_t i = 0; r == 0 && i < n; i++) {
                if (left[i])
                        list[i].step = RECORD_CGROUP_LEFT;
                r = left[i] ? store_put_cgroup(pods->store, &list[i]) : store_delete_cgroup(pods->store, &list[i]);
        }
        r = store_end(pods->store, r);
        for (size_t i = 0; i < n; i++) {
                struct record_cgroup *slot = left[i] ? array_append(&pods->cgroups_left, &pods->n_cgroups_left) : NULL;

                if (left[i] && !slot)
                        log_warning("Cgroup %s is removed by the next start, for memory is short", list[i].name);
                if (!slot)
                        continue;
                *slot = list[i];
                list[i] = (struct record_cgroup) {.uuid = NULL};
        }
        return r;
}

static void leave(struct pods *pods, struct record_pod *record, const struct job *job, const struct job_result *result) {
        _cleanup_free_ bool *left = NULL;

        if (record->n_cgroups == 0)
                return;
        left = calloc(record->n_cgroups, sizeof(*left));
        for (size_t i = 0; left && i < record->n_cgroups; i++)
                left[i] = job ? is_left(&record->cgroups[i], job, result) : record->cgroups[i].made;
        if (!left || sort_out(pods, record->cgroups, left, record->n_cgroups) < 0)
                log_warning("The records of cgroups of pod %s stay until the next start", record->uuid);
        record_cgroups_free(record->cgroups, record->n_cgroups);
        record->cgroups = NULL;
        record->n_cgroups = 0;
}

void cgroups_gone(struct pods *pods, struct record_pod *record, const struct job *job, const struct job_result *result) {
        leave(pods, record, job, result);
}

void cgroups_leave(struct pods *pods, struct record_pod *record) {
        leave(pods, record, NULL, NULL);
        cgroups_retry(pods);
}

int cgroups_load(struct pods *pods) {
        struct record_cgroup *list = NULL;
        size_t n = 0;
        int r = store_load_cgroups(pods->store, &list, &n);

        for (size_t i = 0; r == 0 && i < n; i++) {
                struct pod *pod = list[i].step == RECORD_CGROUP_LEFT ? NULL : map_get(pods->by_uuid, list[i].uuid);
                struct record_cgroup *slot = pod ? array_append(&pod->record->cgroups, &pod->record->n_cgroups)
                                                 : array_append(&pods->cgroups_left, &pods->n_cgroups_left);

                if (!slot) {
                        r = log_oom();
                        break;
                }
                *slot = list[i];
                list[i] = (struct record_cgroup) {.uuid = NULL};
        }
        record_cgroups_free(list, n);
        return r < 0 ? log_errno(LOG_ERR, r, "load the records of cgroups") : 0;
}

void cgroups_done(struct pods *pods) {
        record_cgroups_free(pods->cgroups_left, pods->n_cgroups_left);
        pods->cgroups_left = NULL;
        pods->n_cgroups_left = 0;
}
