/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records from results. Memory is prepared first and the store committed last, so that a failing commit leaves nothing
 * but mounts to be undone.
 */

#include "pod/own-table.h"
#include "pod/recording.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "kernel/submounts.h"
#include "pod/directories.h"
#include "pod/doom.h"
#include "pod/drift.h"
#include "pod/history.h"
#include "pod/host.h"
#include "pod/points.h"
#include "pod/registry.h"
#include "pod/within.h"
#include "util/array.h"
#include "util/log.h"
#include "util/path.h"

static int copy(const char *from, char **ret) {
        if (!from)
                return 0;
        *ret = strdup(from);
        return *ret ? 0 : -ENOMEM;
}

/* For people: a path, fd:NAME (that of a namespace, too), volume:NAME, layer:ID, or a label. */
static int copy_source(const struct wanted_mount *wanted, char **ret) {
        const struct source *source = wanted->space.kind == SOURCE_FD ? &wanted->space : &wanted->source;

        if (*source_prefix(source->kind))
                return asprintf(ret, "%s%s", source_prefix(source->kind), source->text) < 0 ? -ENOMEM : 0;
        return copy(wanted->source.text ?: wanted->type, ret);
}

/* What may be done about mount points on this mount; the planner judges mounts of one job by the same rule. */
static void set_ground(const struct wanted_mount *wanted, struct record_mount *mount) {
        bool readonly = wanted->attr_set & MOUNT_ATTR_RDONLY;

        switch (wanted->kind) {
        case WANTED_ROOT:
                mount->ground_free = !readonly && wanted->overlay == SPEC_OVERLAY_TMPFS;
                mount->ground_caller = !readonly && wanted->overlay == SPEC_OVERLAY_NONE;
                break;
        case WANTED_FILESYSTEM:
                mount->ground_free = !readonly &&
                                     (strcmp(wanted->type, "tmpfs") == 0 || strcmp(wanted->type, "devtmpfs") == 0);
                break;
        case WANTED_BIND:
                mount->ground_free = !readonly && (wanted->overlay == SPEC_OVERLAY_TMPFS || wanted->own_volume);
                break;
        case WANTED_OVERLAY:
                mount->ground_caller = !readonly && wanted->upper.kind != SOURCE_NONE;
                break;
        case WANTED_IMAGE:
        case WANTED_MASK:
        case WANTED_READONLY:
        case WANTED_PIN:
                break;
        }
}

static void set_result(const struct step_result *result, struct record_mount *mount) {
        mount->id = result->id ?: result->mount_id;
        mount->mount_id = result->mount_id;
        mount->device = result->device;
        mount->attributes = result->attributes;
        mount->made = result->made;
        mount->made_file = result->made_file;
}

static int append_wanted(struct pod *pod, const struct wanted *wanted, size_t i, const char *key,
                         const struct step_result *result) {
        const struct wanted_mount *from = &wanted->mounts[i];
        struct record_mount *mount = array_append(&pod->record->mounts, &pod->record->n_mounts);

        if (!mount)
                return -ENOMEM;
        mount->propagation = from->propagation;
        mount->deferred = !result; /* what has no step waits */
        mount->tmpfs = result ? wanted_tmpfs(from, wanted->memory) : 0;
        set_ground(from, mount);
        if (result)
                set_result(result, mount);
        if (copy(wanted_container(wanted, from), &mount->container) < 0 ||
            copy(from->target, &mount->target) < 0 || copy_source(from, &mount->source) < 0 ||
            copy(from->type, &mount->type) < 0 ||
            copy(from->request, &mount->request) < 0 || copy(key, &mount->source_key) < 0 ||
            (from->options && strv_copy(from->options, &mount->options) < 0))
                return -ENOMEM;
        return 0;
}

int recording_describe(const struct wanted *wanted, size_t i, const char *key, const struct step_result *result,
                       struct record_mount *ret) {
        struct record_pod record = {};
        struct pod pod = {.record = &record};
        int r = append_wanted(&pod, wanted, i, key, result);

        if (r == 0)
                *ret = record.mounts[0];
        else if (record.n_mounts > 0)
                record_mount_done(&record.mounts[0]);
        free(record.mounts);
        return r;
}

/* A row without strings would trip its readers, so what could not be filled is taken out at once by the caller. */
static int append_tree(struct pod *pod, const char *container, const struct step_result *result) {
        struct record_mount *mount = array_append(&pod->record->mounts, &pod->record->n_mounts);

        if (!mount)
                return -ENOMEM;
        set_result(result, mount);
        if (copy("", &mount->container) < 0 || copy(container, &mount->target) < 0 || copy("podmount", &mount->source) < 0 ||
            copy("tmpfs", &mount->type) < 0)
                return -ENOMEM;
        return 0;
}

/* A path that is to be hidden or read-only and is not there, or what the container would have had beside its spec: nothing
 * was made, and nothing is missing. */
static bool is_left_out(const struct wanted_mount *wanted, const struct step_result *result) {
        return (wanted->kind == WANTED_MASK || wanted->kind == WANTED_READONLY || wanted->mandatory) &&
               result->mount_id == 0;
}

/* `places` gets the index of each one's record, SIZE_MAX for none. */
static int append_made(struct pod *pod, const struct wanted *wanted, char *const *keys, const struct job *job,
                       const struct job_result *result, uint64_t *ids, size_t *places) {
        const size_t n = wanted->n_mounts - wanted_count_host(wanted); /* those on the host are a list of their own */
        size_t next = 0;
        int r = 0;

        for (size_t step = 0; job && step < job->n_steps && r == 0; step++) {
                size_t i = job->steps[step].wanted;

                if (job->steps[step].kind == STEP_TREE || job->steps[step].kind == STEP_CONTAINER)
                        r = append_tree(pod, job->steps[step].container ?: "", &result->steps[step]);
                if (i >= n)
                        continue;
                /* Steps come in the order of what is wanted; what they leave out is deferred. */
                for (; next < i && r == 0; next++) {
                        places[next] = pod->record->n_mounts;
                        r = append_wanted(pod, wanted, next, keys ? keys[next] : NULL, NULL);
                }
                next = i + 1;
                places[i] = SIZE_MAX;
                if (is_left_out(&wanted->mounts[i], &result->steps[step]))
                        continue;
                places[i] = pod->record->n_mounts;
                if (r == 0)
                        r = append_wanted(pod, wanted, i, keys ? keys[i] : NULL, &result->steps[step]);
                if (r == 0 && ids)
                        ids[i] = pod->record->mounts[pod->record->n_mounts - 1].id;
        }
        for (; next < n && r == 0; next++) {
                places[next] = pod->record->n_mounts;
                r = append_wanted(pod, wanted, next, keys ? keys[next] : NULL, NULL);
        }
        for (; next < wanted->n_mounts; next++)
                places[next] = SIZE_MAX;
        return r < 0 ? log_oom() : 0;
}

static bool is_recorded(const struct record_pod *record, uint64_t id) {
        for (size_t i = record->n_mounts; i > 0; i--) /* the newest are the likely ones */
                if (record->mounts[i - 1].id == id)
                        return true;
        return false;
}

/* Asks the kernel for what is below one mount, as far as few words say it. */
static bool may_have_nested(const struct record_pod *record, const struct record_mount *mount) {
        enum { LIST_MAX = 64 };
        uint64_t ids[LIST_MAX];
        int n = mount->id != mount->mount_id && !record->private ? submounts_list(mount->id, 0, ids, LIST_MAX) : -ENOSYS;

        if (n < 0 || n == LIST_MAX)
                return true;
        for (int i = 0; i < n; i++)
                if (!is_recorded(record, ids[i]))
                        return true;
        return false;
}

/* So that the table need not be read again where nothing came along. */
static bool any_may_have_nested(const struct pod *pod, const struct wanted *wanted, const size_t *places) {
        for (size_t i = 0; i < wanted->n_mounts; i++)
                if (wanted->mounts[i].recursive && !wanted->mounts[i].deferred && places[i] != SIZE_MAX &&
                    may_have_nested(pod->record, &pod->record->mounts[places[i]]))
                        return true;
        return false;
}

void recording_truncate(struct pod *pod, size_t from) {
        while (pod->record->n_mounts > from)
                record_mount_done(&pod->record->mounts[--pod->record->n_mounts]);
}

/* The target of an entry below a recorded mount: what follows the mount's own point, appended to its target. */
static char *nested_target(const struct record_mount *above, const struct entry *top, const struct entry *entry) {
        const char *below = entry->point + strlen(top->point);

        while (*below == '/')
                below++;
        return *below ? path_join(above->target, below) : strdup(above->target);
}

static int append_nested(struct pod *pod, size_t above, const struct entry *top, const struct entry *entry) {
        struct record_mount *mount = array_append(&pod->record->mounts, &pod->record->n_mounts);
        const struct record_mount *of;

        if (!mount)
                return -ENOMEM;
        of = &pod->record->mounts[above];
        *mount = (struct record_mount) {
                .id = entry->unique_id ?: entry->id,
                .mount_id = entry->id,
                .device = entry->device,
                .attributes = entry->attributes | (entry->superblock_readonly ? MOUNT_ATTR_RDONLY : 0),
                .nested = true,
        };
        mount->target = nested_target(of, top, entry);
        if (!mount->target || copy(of->container, &mount->container) < 0 || copy(entry->source, &mount->source) < 0 ||
            copy(entry->type, &mount->type) < 0 || entry_attribute_names(entry->attributes, &mount->options) < 0)
                return -ENOMEM;
        return 0;
}

/* What hangs on another recorded mount is that one's to adopt. */
static bool belongs_to(const struct entry *entry, const struct entry *top, const struct map *records) {
        for (; entry && entry != top; entry = entry->parent)
                if (map_get_u64(records, entry->id))
                        return false;
        return entry == top;
}

static int adopt(const struct pods *pods, struct pod *pod, size_t above, const struct map *records) {
        struct entry *top = doom_find_entry(pods, pod->record, &pod->record->mounts[above]);
        _cleanup_free_ struct entry **entries = NULL;
        size_t n = 0;
        int r;

        if (!top || !top->children)
                return 0;
        r = table_subtree(pods_table(pods, pod->record), top, &entries, &n);
        for (size_t i = 1; i < n && r >= 0; i++)
                if (belongs_to(entries[i], top, records))
                        r = append_nested(pod, above, top, entries[i]);
        return r;
}

/* The mounts that came along with recursive clones. */
static int append_all_nested(struct pods *pods, struct pod *pod, const struct wanted *wanted, const size_t *places) {
        _cleanup_(map_freep) struct map *records = NULL;
        int r;

        if (!any_may_have_nested(pod, wanted, places))
                return 0;
        r = pods_sync_pod(pods, pod);
        if (r >= 0)
                r = doom_index(pods, pod->record, &records);
        for (size_t i = 0; i < wanted->n_mounts && r >= 0; i++)
                if (wanted->mounts[i].recursive && places[i] != SIZE_MAX)
                        r = adopt(pods, pod, places[i], records);
        return r < 0 ? log_errno(LOG_ERR, r, "record what came along with a recursive clone") : 0;
}

int recording_append(struct pods *pods, struct pod *pod, const struct wanted *wanted, char *const *keys,
                     const struct job *job, const struct job_result *result, uint64_t *ids) {
        _cleanup_free_ size_t *places = calloc(wanted->n_mounts + 1, sizeof(*places));
        size_t from = pod->record->n_mounts;
        int r;

        if (!places)
                return log_oom();
        r = append_made(pod, wanted, keys, job, result, ids, places);
        if (r == 0)
                r = append_all_nested(pods, pod, wanted, places);
        for (size_t i = from; i < pod->record->n_mounts; i++)
                pod->record->mounts[i].job = job ? job->id : 0;
        if (r == 0)
                r = points_share(pod->record, from);
        if (r < 0)
                recording_truncate(pod, from);
        return r;
}

void recording_mark_unseen(const struct pods *pods, struct pod *pod, size_t from) {
        for (size_t i = from; i < pod->record->n_mounts; i++)
                if (!pod->record->mounts[i].deferred && !drift_find_entry(pods_table(pods, pod->record), &pod->record->mounts[i]))
                        pod->judge_next = true;
        for (size_t i = 0; i < pod->record->n_host; i++)
                if (!pod->record->host[i].deferred && !drift_find_entry(pods->table, &pod->record->host[i]))
                        pod->judge_next = true;
}

int recording_commit(struct pods *pods, struct pod *pod, size_t from, bool state, uint64_t job) {
        int r = store_begin(pods->store);

        if (r == 0 && state)
                r = store_put_pod(pods->store, pod->record);
        if (r == 0 && state)
                r = host_put(pods->store, pod->record);
        for (size_t i = from; i < pod->record->n_mounts && r == 0; i++)
                r = store_put_mount(pods->store, pod->record->uuid, &pod->record->mounts[i]);
        if (r == 0)
                r = store_delete_intent(pods->store, job);
        r = store_end(pods->store, r);
        if (r < 0)
                return log_errno(LOG_ERR, r, "record the mounts of pod %s", pod->record->uuid);
        recording_mark_unseen(pods, pod, from);
        return 0;
}

int recording_forget(struct pods *pods, const char *uuid, const char *reason, uint64_t job) {
        int r = store_begin(pods->store);

        if (r == 0)
                r = store_delete_pod(pods->store, uuid);
        if (r == 0)
                r = store_delete_intent(pods->store, job);
        if (r == 0 && reason)
                r = history_put_removal(pods, uuid, reason);
        r = store_end(pods->store, r);
        if (reason)
                history_settle(pods, r == 0);
        return r < 0 ? log_errno(LOG_ERR, r, "forget pod %s", uuid) : 0;
}

struct record_mount *recording_find_row(const struct pod *pod, int64_t row) {
        for (size_t i = 0; i < pod->record->n_mounts; i++)
                if (pod->record->mounts[i].row == row)
                        return &pod->record->mounts[i];
        return NULL;
}

static int compare_rows(const void *a, const void *b) {
        int64_t x = *(const int64_t *) a, y = *(const int64_t *) b;

        return (x > y) - (x < y);
}

static bool has_row(const int64_t *rows, size_t n, int64_t row) {
        return bsearch(&row, rows, n, sizeof(*rows), compare_rows) != NULL;
}

size_t recording_gone(const struct pods *pods, const struct pod *pod, int64_t *rows, size_t n_rows) {
        _cleanup_(map_freep) struct map *there = NULL;
        _cleanup_free_ int64_t *gone = calloc(n_rows + 1, sizeof(*gone));
        size_t n = 0;

        if (!gone || doom_index(pods, pod->record, &there) < 0 || n_rows == 0)
                return 0; /* what cannot be told stays on record */
        qsort(rows, n_rows, sizeof(*rows), compare_rows);
        for (size_t i = 0; i < pod->record->n_mounts && n < n_rows; i++) {
                const struct record_mount *mount = &pod->record->mounts[i];

                if (!mount->deferred && map_get_u64(there, mount->mount_id) != mount && has_row(rows, n_rows, mount->row))
                        gone[n++] = mount->row;
        }
        memcpy(rows, gone, n * sizeof(*rows));
        return n;
}

/* The dropped records move to the end of the array, are told, and then freed. */
static void drop_from_memory(struct pods *pods, struct pod *pod, const int64_t *rows, size_t n_rows,
                             struct record_mount *dropped) {
        size_t kept = 0, n = 0;

        for (size_t i = 0; i < pod->record->n_mounts; i++) {
                if (has_row(rows, n_rows, pod->record->mounts[i].row))
                        dropped[n++] = pod->record->mounts[i];
                else
                        pod->record->mounts[kept++] = pod->record->mounts[i];
        }
        pod->record->n_mounts = kept;
        tell_mounts_removed(pods, pod, dropped, n);
        for (size_t i = 0; i < n; i++)
                record_mount_done(&dropped[i]);
}

static int drop_from_store(struct pods *pods, const struct pod *pod, bool itself, const int64_t *rows, size_t n_rows,
                           uint64_t job) {
        int r = store_begin(pods->store);

        if (r == 0 && itself)
                r = store_put_pod(pods->store, pod->record);
        for (size_t i = 0; i < n_rows && r == 0; i++)
                r = store_delete_mount(pods->store, pod->record->uuid, rows[i]);
        if (r == 0 && job != 0)
                r = store_delete_intent(pods->store, job);
        r = store_end(pods->store, r);
        return r < 0 ? log_errno(LOG_ERR, r, "drop mounts of pod %s from the store", pod->record->uuid) : 0;
}

static int drop(struct pods *pods, struct pod *pod, bool itself, const int64_t *rows, size_t n_rows, uint64_t job) {
        _cleanup_free_ struct record_mount *dropped = calloc(n_rows + 1, sizeof(*dropped));
        _cleanup_free_ int64_t *sorted = calloc(n_rows + 1, sizeof(*sorted));
        int r;

        if (!dropped || !sorted)
                return log_oom();
        if (n_rows > 0)
                memcpy(sorted, rows, n_rows * sizeof(*rows));
        qsort(sorted, n_rows, sizeof(*sorted), compare_rows);
        r = drop_from_store(pods, pod, itself, sorted, n_rows, job);
        if (r < 0)
                return r;
        drop_from_memory(pods, pod, sorted, n_rows, dropped);
        return 0;
}

int recording_drop(struct pods *pods, struct pod *pod, const int64_t *rows, size_t n_rows, uint64_t job) {
        return drop(pods, pod, false, rows, n_rows, job);
}

/* A copy without the element `name` or those that begin with `prefix`, whichever is not NULL. */
static int copy_without(char *const *strv, const char *name, const char *prefix, char ***ret) {
        _cleanup_strv_ char **kept = NULL;
        int r = strv_copy(NULL, &kept);

        for (; r == 0 && strv && *strv; strv++)
                if (name ? strcmp(*strv, name) != 0 : strncmp(*strv, prefix, strlen(prefix)) != 0)
                        r = strv_append(&kept, *strv);
        if (r < 0)
                return log_oom();
        *ret = TAKE_PTR(kept);
        return 0;
}

static void exchange(char ***a, char ***b) {
        char **kept = *a;

        *a = *b;
        *b = kept;
}

int recording_drop_container(struct pods *pods, struct pod *pod, const char *container, const int64_t *rows,
                             size_t n_rows, uint64_t job) {
        _cleanup_strv_ char **containers = NULL, **warnings = NULL;
        const struct directories_which which = {.container = container};
        struct directories_change directories = {};
        _cleanup_free_ char *prefix = NULL;
        int r;

        if (asprintf(&prefix, RECORDING_WARNING_OF "%s: ", container) < 0) {
                prefix = NULL;
                return log_oom();
        }
        r = copy_without(pod->record->containers, container, NULL, &containers);
        if (r == 0)
                r = copy_without(pod->record->warnings, NULL, prefix, &warnings);
        if (r == 0)
                r = directories_leave(pod->record, which, &directories);
        if (r < 0)
                return r;
        exchange(&containers, &pod->record->containers);
        exchange(&warnings, &pod->record->warnings);
        r = drop(pods, pod, true, rows, n_rows, job);
        directories_end(pod->record, &directories, r == 0);
        if (r < 0) {
                exchange(&containers, &pod->record->containers);
                exchange(&warnings, &pod->record->warnings);
        }
        return r;
}

/* What mount_setattr(2) makes of attributes; the access-time group is one value. */
static uint64_t changed(uint64_t attributes, uint64_t set, uint64_t clear) {
        return (attributes & ~clear) | set;
}

static bool lies_below(const struct record_mount *mount, const struct record_mount *top) {
        return mount != top && !mount->deferred && mount->namespace == top->namespace &&
               strcmp(mount->container, top->container) == 0 && path_below(mount->target, top->target);
}

static int put_changed(struct pods *pods, const char *uuid, const struct record_mount *mount, uint64_t attributes) {
        struct record_mount copy = *mount; /* borrowed */

        copy.attributes = attributes;
        return store_put_mount(pods->store, uuid, &copy);
}

int recording_change(struct pods *pods, struct pod *pod, int64_t row, const struct wanted_mount *wanted,
                     uint64_t attributes, uint64_t job) {
        struct record_mount *top = recording_find_row(pod, row) ?: within_find_row(pod, row), copy;
        struct record_mount *all = top->namespace == 0 ? pod->record->mounts : pod->record->inside;
        size_t n = top->namespace == 0 ? pod->record->n_mounts : pod->record->n_inside;
        _cleanup_strv_ char **options = NULL;
        _cleanup_free_ char *request = strdup(wanted->request);
        int r;

        if (!request || strv_copy(wanted->options, &options) < 0)
                return log_oom();
        copy = *top;
        copy.attributes = attributes;
        copy.options = options;
        copy.request = request;
        copy.fs_options = NULL; /* what it made of them is seen anew */
        if (wanted->kind == WANTED_FILESYSTEM)
                copy.tmpfs = wanted_tmpfs(wanted, pods->facts.memory);
        if (wanted->kind != WANTED_BIND) /* that says whether a tmpfs takes its writes, which stays so */
                set_ground(wanted, &copy);
        r = store_begin(pods->store);
        if (r == 0)
                r = store_put_mount(pods->store, pod->record->uuid, &copy);
        for (size_t i = 0; i < n && r == 0 && wanted->attr_recursive; i++) {
                struct record_mount *mount = &all[i];

                if (lies_below(mount, top))
                        r = put_changed(pods, pod->record->uuid, mount,
                                        changed(mount->attributes, wanted->attr_set_below, wanted->attr_clear_below));
        }
        if (r == 0)
                r = store_delete_intent(pods->store, job);
        r = store_end(pods->store, r);
        if (r < 0)
                return log_errno(LOG_ERR, r, "record a remount of pod %s", pod->record->uuid);
        for (size_t i = 0; i < n && wanted->attr_recursive; i++) {
                struct record_mount *mount = &all[i];

                if (lies_below(mount, top))
                        mount->attributes =
                                changed(mount->attributes, wanted->attr_set_below, wanted->attr_clear_below);
        }
        strv_free(top->options);
        free(top->request);
        free(top->fs_options);
        top->fs_options = NULL;
        top->attributes = attributes;
        top->tmpfs = copy.tmpfs;
        top->ground_free = copy.ground_free;
        top->ground_caller = copy.ground_caller;
        top->options = TAKE_PTR(options);
        top->request = TAKE_PTR(request);
        return 0;
}
