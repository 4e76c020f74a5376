/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes the rows of ListMounts() from record, table and drift. */

#include "api/mounts.h"

#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#include "api/wire.h"
#include "pod/drift.h"
#include "pod/footing.h"
#include "pod/judge.h"
#include "pod/own-table.h"
#include "pod/within.h"
#include "spec/spec.h"
#include "util/log.h"
#include "util/path.h"

/* One row: a mount on record, or a foreign one. */
struct row {
        uint64_t id;
        const struct record_mount *record; /* NULL for an extra mount */
        const struct drift *drift;         /* NULL when all is well */
        const struct entry *entry;         /* as the kernel has it; NULL when it has not */
};

bool mounts_is_shown(const struct record_mount *mount) {
        return *mount->container != '\0';
}

uint32_t mounts_count(const struct pod *pod) {
        uint32_t n = 0;

        for (size_t i = 0; i < pod->record->n_mounts; i++)
                n += mounts_is_shown(&pod->record->mounts[i]);
        return n + (uint32_t) (pod->record->n_inside + pod->record->n_host);
}

char *mounts_pod_directory(const struct api *api, const struct pod *pod) {
        char *path;

        return asprintf(&path, "%s/pods/%s", api->pods->runtime_directory, pod->record->uuid) < 0 ? NULL : path;
}

/* Where the mount would be seen on the host: the table's word, or else what the record says. */
static char *make_path(const struct api *api, const struct pod *pod, const struct row *row) {
        const char *container = row->record ? row->record->container : row->drift->container;
        const char *target = row->record ? row->record->target : row->drift->target;
        _cleanup_free_ char *directory = NULL;
        char *path;

        if (row->entry)
                return strdup(row->entry->point);
        if (row->record && row->record->namespace != 0)
                return strdup(""); /* the host does not see it */
        if (container && strcmp(container, SPEC_HOST) == 0)
                return strdup(target);
        directory = mounts_pod_directory(api, pod);
        if (!directory)
                return NULL;
        if (!container || !*container) /* a foreign mount in no container: relative to the pod's directory */
                return path_join(directory, target ? target : "");
        if (asprintf(&path, "%s/%s/rootfs%s", directory, container, target && strcmp(target, "/") != 0 ? target : "") < 0)
                return NULL;
        return path;
}

/* The id that the parent goes by: its record's where it has one, for the table may know recycled ids only. */
static uint64_t parent_id(const struct pod *pod, const struct entry *entry) {
        const struct entry *parent = entry ? entry->parent : NULL;

        if (!parent)
                return entry ? entry->parent_id : 0;
        if (parent->unique_id != 0)
                return parent->unique_id;
        for (size_t i = 0; i < pod->record->n_mounts; i++)
                if (pod->record->mounts[i].mount_id == parent->id)
                        return pod->record->mounts[i].id;
        return parent->id;
}

static const char *state_of(const struct row *row) {
        if (row->drift)
                return drift_kind_name(row->drift->kind);
        if (row->record && row->record->lost)
                return drift_kind_name(DRIFT_MISSING);
        return row->record && row->record->deferred ? "deferred" : "ok";
}

static const char *propagation_of(const struct row *row) {
        if (row->entry)
                return entry_propagation_name(row->entry->propagation);
        if (row->record->propagation & MS_SHARED)
                return row->record->propagation & MS_SLAVE ? "slave,shared" : "shared";
        if (row->record->propagation & MS_SLAVE)
                return "slave";
        return row->record->propagation & MS_UNBINDABLE ? "unbindable" : "private";
}

static int append_options(const struct row *row, sd_bus_message *m) {
        _cleanup_strv_ char **names = NULL;
        char **options = row->record ? row->record->options : NULL;
        int r;

        if (!row->record && row->entry) {
                r = entry_attribute_names(row->entry->attributes, &names);
                if (r < 0)
                        return r;
                options = names;
        }
        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", "Options");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_append_strv(m, options);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_device(sd_bus_message *m, const struct row *row) {
        dev_t device = row->entry ? row->entry->device : row->record ? (dev_t) row->record->device : 0;
        char text[sizeof("4294967295:4294967295")];

        (void) snprintf(text, sizeof(text), "%u:%u", major(device), minor(device)); /* always fits */
        return wire_append_entry(m, "Device", device != 0 ? text : "");
}

static int append_row(const struct api *api, const struct pod *pod, const struct row *row, sd_bus_message *m) {
        _cleanup_free_ char *path = make_path(api, pod, row);
        int r;

        if (!path)
                return log_oom();
        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}{sv}", "ID", "t", row->id, "ParentID", "t", parent_id(pod, row->entry));
        if (r >= 0)
                r = wire_append_entry(m, "Container", row->record ? row->record->container : row->drift->container);
        if (r >= 0)
                r = wire_append_entry(m, "Target", row->record ? row->record->target : row->drift->target);
        if (r >= 0)
                r = wire_append_entry(m, "Path", path);
        if (r >= 0)
                r = wire_append_entry(m, "Source", row->record ? row->record->source : row->entry ? row->entry->source : NULL);
        if (r >= 0)
                r = wire_append_entry(m, "Type", row->record ? row->record->type : row->entry ? row->entry->type : NULL);
        if (r >= 0)
                r = append_options(row, m);
        if (r >= 0)
                r = wire_append_entry(m, "Propagation", propagation_of(row));
        if (r >= 0)
                r = append_device(m, row);
        if (r >= 0)
                r = wire_append_entry(m, "State", state_of(row));
        if (r >= 0 && row->drift)
                r = wire_append_entry(m, "Detail", row->drift->detail);
        if (r >= 0 && row->record && row->record->lost)
                r = wire_append_entry(m, "Detail", "unmounted in the container");
        if (r >= 0 && row->record && row->record->namespace != 0)
                r = sd_bus_message_append(m, "{sv}", "NamespaceID", "t", row->record->namespace);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* By the record's row: where the kernel has recycled ids alone, a mount that is missing may have the id of a later one. */
static const struct drift *find_drift(const struct pod *pod, int64_t row) {
        for (size_t i = 0; i < pod->n_drifts; i++)
                if (pod->drifts[i].row == row && pod->drifts[i].kind != DRIFT_EXTRA)
                        return &pod->drifts[i];
        return NULL;
}

/* A foreign mount is known by whatever id the table has for it. */
static const struct entry *find_foreign(const struct table *table, uint64_t id) {
        const struct entry *entry = table_get_unique(table, id);

        return entry || id > UINT32_MAX ? entry : table_get(table, (uint32_t) id);
}

static int compare_rows(const void *a, const void *b) {
        const struct row *left = a, *right = b;

        return left->id < right->id ? -1 : left->id > right->id;
}

static struct row row_of(const struct pods *pods, const struct pod *pod, const struct record_mount *mount) {
        struct row row = {.id = mount->id, .record = mount};

        row.drift = mount->deferred || pod->n_drifts == 0 ? NULL : find_drift(pod, mount->row);
        if (!mount->deferred && (!row.drift || row.drift->kind != DRIFT_MISSING))
                row.entry = drift_find_entry(strcmp(mount->container, SPEC_HOST) == 0 ? pods->table : pods_table(pods, pod->record), mount);
        return row;
}

static int collect_rows(const struct pods *pods, const struct pod *pod, struct row **ret, size_t *ret_n) {
        _cleanup_free_ struct row *rows = calloc(pod->record->n_mounts + pod->record->n_inside + pod->record->n_host + pod->n_drifts + 1,
                                                  sizeof(*rows));
        size_t n = 0;

        if (!rows)
                return log_oom();
        for (size_t i = 0; i < pod->record->n_mounts; i++)
                if (mounts_is_shown(&pod->record->mounts[i]))
                        rows[n++] = row_of(pods, pod, &pod->record->mounts[i]);
        for (size_t i = 0; i < pod->record->n_host; i++)
                rows[n++] = row_of(pods, pod, &pod->record->host[i]);
        for (size_t i = 0; i < pod->record->n_inside; i++)
                rows[n++] = (struct row) {.id = pod->record->inside[i].id, .record = &pod->record->inside[i]};
        for (size_t i = 0; i < pod->n_drifts; i++) {
                const struct drift *drift = &pod->drifts[i];

                if (drift->kind != DRIFT_EXTRA)
                        continue;
                rows[n++] = (struct row) {.id = drift->id, .drift = drift, .entry = find_foreign(pods_table(pods, pod->record), drift->id)};
        }
        qsort(rows, n, sizeof(*rows), compare_rows);
        *ret = TAKE_PTR(rows);
        *ret_n = n;
        return 0;
}

/* Rows whose entries come from a table that is as new as the call. */
int prepare_list_mounts(struct request *request, struct failure *f) {
        _cleanup_free_ char *directory = mounts_pod_directory(request->api, request->pod);
        struct operation *operation;
        int r;

        if (!directory)
                return log_oom();
        r = pods_sync_pod_below(request->api->pods, request->pod, directory);
        if (r >= 0 && request->pod->own && request->pod->judge_again)
                judge_pod(request->api->pods, request->pod);
        if (r >= 0)
                r = footing_look_host(request->api->pods, request->pod);
        if (r != 0 || request->pod->record->n_inside == 0)
                return r;
        r = operation_new_seek(request->api->pods, &request->peer->caller, request->pod, &operation, f);
        if (r != 0)
                return r;
        return request_add_work(request, operation, NULL) ? 0 : log_oom();
}

int encode_list_mounts(struct request *request, sd_bus_message *m) {
        const struct arguments *arguments = &request->arguments;
        uint32_t limit = arguments->limit == 0 || arguments->limit > MOUNTS_PAGE_MAX ? MOUNTS_PAGE_MAX : arguments->limit;
        _cleanup_free_ struct row *rows = NULL;
        size_t n = 0;
        int r = collect_rows(request->api->pods, request->pod, &rows, &n);

        if (r < 0)
                return r;
        r = sd_bus_message_open_container(m, 'a', "a{sv}");
        for (size_t i = 0; r >= 0 && i < n; i++) {
                if (arguments->after != 0 && rows[i].id <= arguments->after)
                        continue;
                /* One id on one page, for the next begins behind it: where ids are used again, two rows may have one. */
                if (limit == 0 && rows[i].id != rows[i - 1].id)
                        break;
                r = append_row(request->api, request->pod, &rows[i], m);
                limit -= limit > 0;
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}
