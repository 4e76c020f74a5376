/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records in memory and store; the operations on them are in operation-within.c, -withdraw.c and -seek.c. */

#include "pod/within.h"

#include <errno.h>
#include <string.h>

#include "pod/recording.h"
#include "pod/registry.h"
#include "table/entry.h"
#include "util/array.h"
#include "util/log.h"
#include "util/path.h"

struct record_mount *within_find(const struct pod *pod, uint64_t namespace, const char *container, const char *target) {
        for (size_t i = pod->record->n_inside; i > 0; i--) {
                struct record_mount *mount = &pod->record->inside[i - 1];

                if ((namespace == 0 || mount->namespace == namespace) && strcmp(mount->target, target) == 0 &&
                    strcmp(mount->container, container) == 0)
                        return mount;
        }
        return NULL;
}

int within_find_one(const struct pod *pod, uint64_t namespace, const char *container, const char *target,
                    struct record_mount **ret, struct failure *f) {
        struct record_mount *mount = within_find(pod, namespace, container, target);

        for (size_t i = 0; mount && namespace == 0 && i < pod->record->n_inside; i++) {
                const struct record_mount *other = &pod->record->inside[i];

                if (other->namespace != mount->namespace && strcmp(other->target, mount->target) == 0 &&
                    strcmp(other->container, container) == 0)
                        return failure_set(f, FAILURE_INVALID_ARGS,
                                           "%s is mounted in several namespaces; say which is meant.",
                                           mount->target);
        }
        *ret = mount;
        return 0;
}

struct record_mount *within_find_id(const struct pod *pod, uint64_t id) {
        for (size_t i = 0; i < pod->record->n_inside && id != 0; i++)
                if (pod->record->inside[i].id == id)
                        return &pod->record->inside[i];
        return NULL;
}

struct record_mount *within_find_row(const struct pod *pod, int64_t row) {
        for (size_t i = 0; i < pod->record->n_inside; i++)
                if (pod->record->inside[i].row == row)
                        return &pod->record->inside[i];
        return NULL;
}

bool within_is_meant(const struct pod *pod, const struct unmount_arguments *arguments) {
        const char *container = arguments->container;

        if (!container && pod->record->containers)
                container = pod->record->containers[0];
        if (arguments->namespace != 0 || within_find_id(pod, arguments->mount_id))
                return true;
        return arguments->mount_id == 0 && arguments->target && container &&
               !pod_find_mount(pod, container, arguments->target) && within_find(pod, 0, container, arguments->target);
}

size_t within_end(const struct record_pod *record, size_t top) {
        const struct record_mount *mount = &record->inside[top];
        size_t end = top + 1;

        while (!mount->nested && end < record->n_inside && record->inside[end].nested && record->inside[end].namespace == mount->namespace &&
               strcmp(record->inside[end].container, mount->container) == 0 && path_is_below(record->inside[end].target, mount->target))
                end++;
        return end;
}

int within_list(const struct pod *pod, const char *container, struct plan_inside **ret, size_t *ret_n) {
        struct plan_inside *list = calloc(pod->record->n_inside + 1, sizeof(*list));
        size_t n = 0;

        if (!list)
                return log_oom();
        for (size_t i = 0; i < pod->record->n_inside; i++) {
                const struct record_mount *mount = &pod->record->inside[i];

                if (!container || strcmp(mount->container, container) == 0)
                        list[n++] = (struct plan_inside) {.id = mount->id, .namespace = mount->namespace,
                                                          .deep = within_end(pod->record, i) > i + 1, .nested = mount->nested};
        }
        *ret = list;
        *ret_n = n;
        return 0;
}

int within_rows(const struct pod *pod, const char *container, int64_t **rows, size_t *n) {
        for (size_t i = 0; i < pod->record->n_inside; i++) {
                int64_t *row;

                if (strcmp(pod->record->inside[i].container, container) != 0)
                        continue;
                row = array_append(rows, n);
                if (!row)
                        return log_oom();
                *row = pod->record->inside[i].row;
        }
        return 0;
}

static void truncate_to(struct record_pod *record, size_t n) {
        while (record->n_inside > n)
                record_mount_done(&record->inside[--record->n_inside]);
}

static int describe_nested(const struct record_mount *top, const struct brought *brought, struct record_mount *ret) {
        struct record_mount mount = {
                .id = brought->id,
                .mount_id = brought->mount_id,
                .device = brought->device,
                .attributes = brought->attributes,
                .namespace = top->namespace,
                .nested = true,
                .container = strdup(top->container),
                .source = strdup(brought->source),
                .type = strdup(brought->type),
                .target = *brought->path ? path_join(top->target, brought->path + 1) : strdup(top->target),
        };

        if (!mount.container || !mount.source || !mount.type || !mount.target ||
            entry_attribute_names(brought->attributes, &mount.options) < 0) {
                record_mount_done(&mount);
                return log_oom();
        }
        *ret = mount;
        return 0;
}

/* What came along with the mount that was recorded last; the list's first ones are left out. */
static int append_nested(struct pod *pod, size_t step, const struct job_result *result, size_t first) {
        size_t top = pod->record->n_inside - 1;
        int r = 0;

        for (size_t i = first; i < result->n_brought && r == 0; i++) {
                struct record_mount *mount;

                if (result->brought[i].step != step)
                        continue;
                mount = array_append(&pod->record->inside, &pod->record->n_inside);
                if (!mount)
                        return log_oom();
                r = describe_nested(&pod->record->inside[top], &result->brought[i], mount);
                if (r < 0)
                        pod->record->n_inside--;
        }
        return r;
}

static int append(struct pod *pod, uint64_t namespace, const struct wanted *wanted, char *const *keys, const struct job *job,
                  const struct job_result *result, uint64_t *ids) {
        for (size_t step = 0; step < job->n_steps; step++) {
                size_t i = job->steps[step].wanted;
                struct record_mount *mount;
                int r;

                if (i >= wanted->n_mounts)
                        continue;
                mount = array_append(&pod->record->inside, &pod->record->n_inside);
                if (!mount)
                        return log_oom();
                r = recording_describe(wanted, i, keys[i], &result->steps[step], mount);
                if (r < 0) {
                        pod->record->n_inside--;
                        return log_oom();
                }
                mount->namespace = namespace;
                ids[i] = mount->id;
                r = append_nested(pod, step, result, 0);
                if (r < 0)
                        return r;
        }
        return 0;
}

int within_record(struct pods *pods, struct pod *pod, uint64_t namespace, const struct wanted *wanted, char *const *keys,
                  const struct job *job, const struct job_result *result, uint64_t *ids) {
        size_t from = pod->record->n_inside;
        int r = append(pod, namespace, wanted, keys, job, result, ids);

        if (r == 0)
                r = store_begin(pods->store);
        for (size_t i = from; i < pod->record->n_inside && r == 0; i++)
                r = store_put_mount(pods->store, pod->record->uuid, &pod->record->inside[i]);
        if (r == 0)
                r = store_delete_intent(pods->store, job->id);
        r = store_end(pods->store, r);
        if (r < 0) {
                truncate_to(pod->record, from);
                return log_errno(LOG_ERR, r, "record mounts in a container of pod %s", pod->record->uuid);
        }
        tell_mounts_added(pods, pod, pod->record->inside + from, pod->record->n_inside - from);
        tell_changed(pods, pod);
        return 0;
}

static bool has_row(const int64_t *rows, size_t n, int64_t row) {
        for (size_t i = 0; i < n; i++)
                if (rows[i] == row)
                        return true;
        return false;
}

/* In memory; tells the observer. */
static void forget_rows(struct pods *pods, struct pod *pod, const int64_t *rows, size_t n) {
        struct record_pod *record = pod->record;
        size_t kept = 0;

        for (size_t i = 0; i < record->n_inside; i++) {
                struct record_mount mount = record->inside[i];

                if (!has_row(rows, n, mount.row)) {
                        record->inside[kept++] = mount;
                        continue;
                }
                tell_mounts_removed(pods, pod, &mount, 1);
                record_mount_done(&mount);
        }
        record->n_inside = kept;
}

int within_drop(struct pods *pods, struct pod *pod, const int64_t *rows, size_t n, uint64_t job) {
        const char *uuid = pod->record->uuid;
        int r = store_begin(pods->store);

        for (size_t i = 0; i < n && r == 0; i++)
                r = store_delete_mount(pods->store, uuid, rows[i]);
        if (r == 0 && job != 0)
                r = store_delete_intent(pods->store, job);
        r = store_end(pods->store, r);
        if (r < 0)
                return log_errno(LOG_ERR, r, "drop mounts in a container of pod %s from the store", uuid);
        forget_rows(pods, pod, rows, n);
        if (n > 0)
                tell_changed(pods, pod);
        return 0;
}

static void tell_gone(struct failure *f, int n) {
        _cleanup_free_ char *text = TAKE_PTR(f->text);
        const enum failure_kind kind = f->kind;

        failure_clear(f);
        (void) failure_set(f, kind, "%s; %d of the pod's mounts in running containers had gone by then, and are on record no more", text ?: "", n);
}

int within_drop_gone(struct pods *pods, struct pod *pod, const struct job *job, const struct job_result *answer, uint64_t intent,
                     struct failure *f) {
        _cleanup_free_ int64_t *rows = calloc(pod->record->n_inside + 1, sizeof(*rows));
        size_t n = 0;

        if (!rows) {
                (void) log_oom();
                return -1;
        }
        for (size_t i = 0; i < job->n_steps && i < answer->n_steps; i++) {
                const struct record_mount *mount = job->steps[i].kind == STEP_WITHDRAW ? within_find_id(pod, job->steps[i].id) : NULL;

                if (mount && answer->steps[i].done && answer->steps[i].attributes != SEEK_THERE)
                        rows[n++] = mount->row;
        }
        if (n == 0)
                return 0;
        if (within_drop(pods, pod, rows, n, intent) < 0)
                return -1;
        if (f)
                tell_gone(f, (int) n);
        return (int) n;
}

/* The mount that was found, and those that came along with it. */
static int append_found(struct pod *pod, uint64_t namespace, const struct wanted *wanted, const char *key,
                        const struct job_result *found) {
        const struct brought *top = found->brought;
        const struct step_result step = {.id = top->id, .mount_id = top->mount_id, .attributes = top->attributes, .device = top->device};
        struct record_mount *mount = array_append(&pod->record->inside, &pod->record->n_inside);
        int r = mount ? recording_describe(wanted, 0, key, &step, mount) : -ENOMEM;

        if (r < 0) {
                pod->record->n_inside -= mount != NULL;
                return log_oom();
        }
        mount->namespace = namespace;
        return append_nested(pod, top->step, found, 1);
}

int within_replace(struct pods *pods, struct pod *pod, int64_t row, const struct wanted *wanted, const char *key,
                   const struct job_result *found, uint64_t job) {
        struct record_pod *record = pod->record;
        size_t from = record->n_inside, old = (size_t) (within_find_row(pod, row) - record->inside), n = within_end(record, old) - old;
        _cleanup_free_ int64_t *rows = calloc(n, sizeof(*rows));
        int r = rows ? append_found(pod, record->inside[old].namespace, wanted, key, found) : log_oom();

        if (r == 0)
                r = store_begin(pods->store);
        for (size_t i = from; i < record->n_inside && r == 0; i++)
                r = store_put_mount(pods->store, record->uuid, &record->inside[i]);
        for (size_t i = 0; i < n && r == 0; i++) { /* after those above, which would get the same numbers */
                rows[i] = record->inside[old + i].row;
                r = store_delete_mount(pods->store, record->uuid, rows[i]);
        }
        if (r == 0)
                r = store_delete_intent(pods->store, job);
        r = store_end(pods->store, r);
        if (r < 0) {
                truncate_to(record, from);
                return log_errno(LOG_ERR, r, "record a replaced mount in a container of pod %s", record->uuid);
        }
        tell_mounts_added(pods, pod, record->inside + from, record->n_inside - from);
        forget_rows(pods, pod, rows, n);
        tell_changed(pods, pod);
        return 0;
}

int within_learn(struct pods *pods, struct pod *pod, const struct job *job, const struct job_result *result) {
        _cleanup_free_ int64_t *rows = NULL;
        size_t n = 0;

        for (size_t i = 0; i < job->n_steps && i < result->n_steps; i++) {
                struct record_mount *mount = job->steps[i].kind == STEP_SEEK && result->steps[i].done
                                                     ? within_find_id(pod, job->steps[i].id) : NULL;
                int64_t *row;

                if (!mount)
                        continue;
                mount->lost = result->steps[i].attributes == SEEK_MISSING;
                if (result->steps[i].attributes != SEEK_GONE)
                        continue;
                row = array_append(&rows, &n);
                if (!row)
                        return log_oom();
                *row = mount->row;
        }
        if (n == 0)
                return 0;
        log_debug("%zu mounts of pod %s went with the namespaces of containers that have ended", n, pod->record->uuid);
        return within_drop(pods, pod, rows, n, 0);
}
