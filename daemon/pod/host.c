/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records of mounts on the host, and where they may be.
 */

#include "pod/host.h"

#include <string.h>
#include <sys/mount.h>

#include "dbus/names.h"
#include "executor/door.h"
#include "executor/link.h"
#include "pod/drift.h"
#include "pod/recording.h"
#include "util/array.h"
#include "util/log.h"
#include "util/path.h"
#include "util/prefixes.h"

static bool lie_together(const char *a, const char *b) {
        return path_is_below(a, b) || path_is_below(b, a);
}

/* Another pod's mount on the host that this one would lie on or below. */
static const struct record_mount *find_other(const struct pods *pods, const char *uuid, const char *target) {
        const struct pod *pod;

        MAP_FOREACH(pod, pods->on_host) {
                if (strcmp(pod->record->uuid, uuid) == 0)
                        continue;
                for (size_t i = 0; i < pod->record->n_host; i++)
                        if (lie_together(pod->record->host[i].target, target))
                                return &pod->record->host[i];
        }
        return NULL;
}

/* The name of a file directly in the directory for namespaces; or NULL. */
static const char *name_of_pin(const struct pods *pods, const struct wanted_mount *mount) {
        const char *name = mount->kind == WANTED_PIN ? path_below(mount->target, pods->runtime_directory) : NULL;

        name = name ? path_below(name, "ns") : NULL;
        return name && path_is_component(name) ? name : NULL;
}

/* Of a pod's own mount namespace, or of a network namespace that is kept for its interfaces: the executors' door refuses them, too. */
static bool is_reserved(const char *name) {
        return door_is_uuid(name) || strncmp(name, LINK_PIN_PREFIX, strlen(LINK_PIN_PREFIX)) == 0;
}

static int refuse_place(const struct pods *pods, const struct caller *caller, const struct wanted_mount *mount, struct failure *f) {
        const char *pointer = mount->pointer ?: "";

        if (mount->kind == WANTED_PIN)
                return failure_set(f, FAILURE_INVALID_TARGET,
                                   "%s%s%s is no file directly in %s/ns, and HostTargets= of podmountd.conf(5) names no directory "
                                   "above it; choose one there, or have an administrator add a directory above it to HostTargets=.",
                                   pointer, *pointer ? ": " : "", mount->target, pods->runtime_directory);
        return failure_set(f, FAILURE_INVALID_TARGET,
                           "%s%s%s is on the host, and HostTargets= of podmountd.conf(5) names no directory above it; "
                           "choose another place, or have an administrator add a directory above it to HostTargets=%s.", pointer,
                           *pointer ? ": " : "", mount->target,
                           caller_is_root(caller) ? "" : " (and polkit allow you " PODMOUNT_ACTION_HOST_TARGET ")");
}

static int check_one(const struct pods *pods, const struct caller *caller, const char *uuid, const struct wanted_mount *mount,
                     struct failure *f) {
        const char *pointer = mount->pointer ?: "";
        const struct record_mount *other;
        const char *name = name_of_pin(pods, mount);
        size_t length;

        if (name && is_reserved(name))
                return failure_set(f, FAILURE_INVALID_TARGET, "%s%s%s has a name that podmountd keeps for its own files there: a UUID, or one that "
                                                              "begins with " LINK_PIN_PREFIX "; choose another.",
                                   pointer, *pointer ? ": " : "", mount->target);
        if (!name && !prefixes_find(pods->settings->host_targets, mount->target, &length))
                return refuse_place(pods, caller, mount, f);
        other = find_other(pods, uuid, mount->target);
        return other ? failure_set(f, FAILURE_TARGET_IN_USE, "%s%s%s lies at, above or below %s, where another pod has a mount "
                                                             "on the host; choose another place.",
                                   pointer, *pointer ? ": " : "", mount->target, other->target)
                     : 0;
}

int host_check(const struct pods *pods, const struct caller *caller, const char *uuid, const struct wanted *wanted,
               struct failure *f) {
        int r = 0;

        for (size_t i = 0; i < wanted->n_mounts && r == 0; i++) {
                const struct wanted_mount *mount = &wanted->mounts[i];

                if (strcmp(wanted_container(wanted, mount), SPEC_HOST) != 0)
                        continue;
                if (!caller_sees_host_paths(caller))
                        return failure_set(f, FAILURE_INVALID_TARGET,
                                           "%s%s%s is another place for a caller in another mount namespace or below another "
                                           "root directory than for podmountd; ask from the host's.", mount->pointer ?: "",
                                           mount->pointer && *mount->pointer ? ": " : "", mount->target);
                r = check_one(pods, caller, uuid, mount, f);
        }
        return r;
}

int host_intend(const struct wanted *wanted, struct record_pod *record) {
        for (size_t i = wanted->n_mounts - wanted_count_host(wanted); i < wanted->n_mounts; i++) {
                struct record_mount *mount = array_append(&record->host, &record->n_host);

                if (!mount || recording_describe(wanted, i, NULL, NULL, mount) < 0) {
                        record->n_host -= mount != NULL;
                        return log_oom();
                }
        }
        return 0;
}

size_t host_first_step(const struct job *job) {
        size_t i = 0;

        while (i < job->n_steps && !(job->steps[i].flags & STEP_HOST))
                i++;
        return i;
}

void host_take_result(struct record_mount *mount, const struct step_result *result, uint64_t job) {
        if (result->mount_id == 0)
                return;
        mount->id = result->id ?: result->mount_id;
        mount->mount_id = result->mount_id;
        mount->device = result->device;
        mount->attributes = result->attributes;
        mount->job = job;
        mount->deferred = false;
}

void host_settle(struct record_pod *record, const struct job *job, const struct job_result *result) {
        size_t first = host_first_step(job);

        for (size_t i = 0; i < record->n_host && first + i < result->n_steps; i++)
                host_take_result(&record->host[i], &result->steps[first + i], job->id);
}

/* An id that is used again says nothing beside its place. */
static bool is_attached(const struct table *table, const struct intent_mount *made, const char *target) {
        const struct entry *entry;

        if (made->id)
                return table_get_unique(table, made->id);
        entry = table_get(table, made->mount_id);
        return entry && strcmp(entry->point, target) == 0;
}

void host_settle_entries(const struct table *table, struct record_pod *record, uint32_t first, const struct intent_mount *entries, size_t n) {
        for (size_t i = 0; i < n; i++) {
                const struct step_result result = {.id = entries[i].id, .mount_id = entries[i].mount_id};

                if (entries[i].step >= first && entries[i].step - first < record->n_host && result.mount_id != 0 &&
                    is_attached(table, &entries[i], record->host[entries[i].step - first].target))
                        host_take_result(&record->host[entries[i].step - first], &result, 0);
        }
}

/* It is another mount of the same file system with the same attributes. */
static void take_ids(struct record_mount *mount, uint64_t id, uint32_t mount_id) {
        mount->id = id ?: mount_id;
        mount->mount_id = mount_id;
}

int host_put(struct store *store, struct record_pod *record) {
        int r = 0;

        for (size_t i = 0; i < record->n_host && r == 0; i++)
                r = store_put_mount(store, record->uuid, &record->host[i]);
        return r;
}

const struct record_mount *host_find(const struct pod *pod, uint64_t id, const char *container, const char *target) {
        for (size_t i = 0; i < pod->record->n_host; i++) {
                const struct record_mount *mount = &pod->record->host[i];

                if (id != 0 ? mount->id == id : strcmp(mount->container, container) == 0 && strcmp(mount->target, target) == 0)
                        return mount;
        }
        return NULL;
}

struct record_mount *host_find_row(const struct pod *pod, int64_t row) {
        for (size_t i = 0; i < pod->record->n_host; i++)
                if (pod->record->host[i].row == row)
                        return &pod->record->host[i];
        return NULL;
}

bool host_is_concerned(const struct record_pod *record, const struct entry *entry) {
        for (size_t i = 0; i < record->n_host; i++)
                if (record->host[i].mount_id == entry->id ||
                    (*entry->point && lie_together(record->host[i].target, entry->point)))
                        return true;
        return false;
}

int host_append_ids(const struct pods *pods, uint64_t **ids, size_t *n) {
        const struct pod *pod;

        MAP_FOREACH(pod, pods->on_host) {
                for (size_t i = 0; i < pod->record->n_host; i++) {
                        uint64_t *id = pod->record->host[i].deferred ? NULL : array_append(ids, n);

                        if (pod->record->host[i].deferred)
                                continue;
                        if (!id)
                                return log_oom();
                        *id = pod->record->host[i].id;
                }
        }
        return 0;
}

/* The file that a namespace was bound to is left of it, if whoever unmounted it has left that. */
static bool leaves_file(const struct pods *pods, const struct record_mount *mount) {
        return !mount->deferred && strcmp(mount->type, SPEC_PIN_TYPE) == 0 && mount->mount_id != 0 && !table_get(pods->table, mount->mount_id);
}

int host_doom(const struct pods *pods, const struct record_pod *record, struct plan_doomed **list, size_t *n) {
        for (size_t i = record->n_host; i > 0; i--) {
                const struct record_mount *mount = &record->host[i - 1];
                const struct entry *entry = drift_find_entry(pods->table, mount);
                const bool there = entry || leaves_file(pods, mount);
                struct plan_doomed *doomed = there ? array_append(list, n) : NULL;

                if (!there)
                        continue;
                if (!doomed)
                        return log_oom();
                *doomed = (struct plan_doomed) {
                        .id = mount->id != mount->mount_id ? mount->id : entry ? entry->unique_id : 0,
                        .mount_id = entry ? entry->id : mount->mount_id,
                        .device = mount->device,
                        .path = entry && *entry->point ? entry->point : mount->target, /* nothing leads there: it is named by what it was */
                        .host = true,
                        .kept = entry && !(mount->propagation & MS_SHARED), /* of a clone nothing else is known */
                };
        }
        return 0;
}

int host_take_restored(struct store *store, struct record_pod *record, const struct job *job, const struct job_result *result) {
        bool any = false;
        int r;

        for (size_t i = 0; job && i < job->n_steps && i < result->n_steps; i++)
                for (size_t j = 0; j < record->n_host && (job->steps[i].flags & STEP_HOST) && result->steps[i].mount_id != 0; j++) {
                        if (record->host[j].mount_id != job->steps[i].mount_id)
                                continue;
                        take_ids(&record->host[j], result->steps[i].id, result->steps[i].mount_id);
                        any = true;
                        break;
                }
        r = any ? store_begin(store) : 0;
        if (any && r == 0)
                r = host_put(store, record);
        return any ? store_end(store, r) : 0;
}

void host_find_restored(const struct table *table, struct record_pod *record, const struct intent_mount *entries, size_t n) {
        for (size_t i = 0; i < n; i++) {
                const struct entry *entry = entries[i].id ? table_get_unique(table, entries[i].id) : NULL;

                if (!entry)
                        entry = table_get(table, entries[i].mount_id);
                for (size_t j = 0; entry && entries[i].mount_id != 0 && j < record->n_host; j++)
                        if (strcmp(entry->point, record->host[j].target) == 0 && !drift_find_entry(table, &record->host[j]))
                                take_ids(&record->host[j], entries[i].id, entries[i].mount_id);
        }
}

bool host_has_place(const struct record_pod *record, const struct entry *entry) {
        for (size_t i = 0; i < record->n_host; i++)
                if (strcmp(record->host[i].target, entry->point) == 0)
                        return true;
        return false;
}
