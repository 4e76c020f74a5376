/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The registry: every pod by UUID and by its owner's name for it, who may see which, what they count for, and whether
 * the runtime directory is still the one that they were made in.
 */

#include "pod/pods.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "pod/cgroups.h"
#include "pod/history.h"
#include "pod/operation-private.h"
#include "pod/registry.h"
#include "pod/turn.h"
#include "util/log.h"
#include "util/path.h"

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000U /* statx(2), Linux 6.8 */
#endif

enum {
        REMEMBER_ROWS = 256,            /* a turn of the loop: about a millisecond */
        REMEMBER_AFTER_US = 500 * 1000, /* what is not urgent */
};

/* Which mount a path lies on: the unique id where the kernel has one, else the recycled one. */
static int mount_of(int directory, const char *path, int flags, struct statx *ret) {
        if (statx(directory, path, flags | AT_NO_AUTOMOUNT, STATX_INO | STATX_MNT_ID | STATX_MNT_ID_UNIQUE, ret) < 0)
                return -errno;
        return 0;
}

/* Some rows a turn of the loop, and only when it has nothing else to do. */
static int on_purge(sd_event_source *source, void *userdata) {
        struct pods *pods = userdata;

        if (store_purge(pods->store) <= 0) /* an error is logged there; what stays is purged at the next start */
                (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        return 0;
}

void pods_purge_later(struct pods *pods) {
        int r = store_has_buried(pods->store) ? sd_event_source_set_enabled(pods->purge, SD_EVENT_ON) : 0;

        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "enable the source that purges the store"); /* the next start does it */
}

/* Up to `*left` of a pod's mounts. */
static int remember(struct pods *pods, struct pod *pod, size_t *left) {
        int r = 0;

        for (size_t i = 0; i < pod->record->n_mounts && r == 0 && *left > 0; i++) {
                struct record_mount *mount = &pod->record->mounts[i];

                if (!mount->unsaved || mount->row == 0)
                        continue;
                mount->unsaved = false; /* after an error, too: the next start sees it anew */
                r = store_put_mount(pods->store, pod->record->uuid, mount);
                (*left)--;
        }
        for (size_t i = 0; i < pod->record->n_host && r == 0 && *left > 0; i++) {
                struct record_mount *mount = &pod->record->host[i];

                if (!mount->unsaved || mount->row == 0)
                        continue;
                mount->unsaved = false;
                r = store_put_mount(pods->store, pod->record->uuid, mount);
                (*left)--;
        }
        return r;
}

static int arm_remember(struct pods *pods, uint64_t after_us) {
        int r = sd_event_source_set_time_relative(pods->remember, after_us);

        return r < 0 ? r : sd_event_source_set_enabled(pods->remember, SD_EVENT_ONESHOT);
}

/* Whether there may be more. */
static bool remember_some(struct pods *pods) {
        size_t left = REMEMBER_ROWS;
        struct pod *pod;
        int r = store_begin(pods->store);

        MAP_FOREACH(pod, pods->by_uuid)
                if (r == 0 && left > 0 && pod->record->state == RECORD_READY)
                        r = remember(pods, pod, &left);
        return store_end(pods->store, r) == 0 && left == 0; /* an error is logged there */
}

static int on_remember(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        struct pods *pods = userdata;

        pods->remember_soon = remember_some(pods) && arm_remember(pods, 0) >= 0; /* else with the next */
        return 0;
}

void pods_remember_later(struct pods *pods, bool urgent) {
        int r = 0;

        if (urgent ? !pods->remember_soon : sd_event_source_get_enabled(pods->remember, NULL) <= 0)
                r = arm_remember(pods, urgent ? 0 : REMEMBER_AFTER_US);
        pods->remember_soon = pods->remember_soon || (urgent && r >= 0);
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "enable the source that writes down what was seen");
}

static int add_idle(struct pods *pods) {
        int r = sd_event_add_defer(pods->event, &pods->purge, on_purge, pods);

        if (r >= 0)
                r = sd_event_source_set_priority(pods->purge, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                r = sd_event_source_set_enabled(pods->purge, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time(pods->event, &pods->remember, CLOCK_MONOTONIC, 0, 1000, on_remember, pods);
        if (r >= 0)
                r = sd_event_source_set_priority(pods->remember, SD_EVENT_PRIORITY_IDLE);
        return r < 0 ? r : sd_event_source_set_enabled(pods->remember, SD_EVENT_OFF);
}

int pods_init(struct pods *pods) {
        struct statx runtime;
        int r;

        r = mount_of(pods->runtime_fd, "", AT_EMPTY_PATH, &runtime);
        if (r < 0)
                return log_errno(LOG_ERR, r, "statx the runtime directory %s", pods->runtime_directory);
        pods->runtime_mount_id = runtime.stx_mnt_id;
        pods->runtime_inode = runtime.stx_ino;
        pods->by_uuid = map_new(MAP_KEY_STRING);
        pods->by_name = map_new(MAP_KEY_STRING);
        pods->on_host = map_new(MAP_KEY_STRING);
        pods->operations = map_new(MAP_KEY_U64);
        if (!pods->by_uuid || !pods->by_name || !pods->on_host || !pods->operations) {
                pods_done(pods);
                return log_oom();
        }
        r = sd_event_add_defer(pods->event, &pods->wake, turn_dispatch, pods);
        if (r >= 0)
                r = sd_event_source_set_enabled(pods->wake, SD_EVENT_OFF);
        if (r >= 0)
                r = add_idle(pods);
        if (r < 0) {
                pods_done(pods);
                return log_errno(LOG_ERR, r, "add the source that resumes operations");
        }
        return 0;
}

/* Operations that a client's request still holds are freed with it. */
static void forget_queue(struct operation **queue) {
        while (*queue) {
                struct operation *operation = *queue;

                *queue = operation->next;
                operation->next = NULL;
                operation->pod = NULL;
                operation->queued = false;
                if (operation->internal)
                        operation_forget(operation);
        }
}

static void forget_all(struct pods *pods) {
        struct operation *operation;
        struct pod *pod;

        MAP_FOREACH(operation, pods->operations) {
                (void) map_remove_u64(pods->operations, operation->job_id);
                if (operation->pod)
                        operation->pod->running = NULL;
                operation_forget(operation);
        }
        forget_queue(&pods->woken);
        forget_queue(&pods->layer_waiting);
        MAP_FOREACH(pod, pods->by_uuid) {
                forget_queue(&pod->waiting);
                (void) map_remove(pods->by_uuid, pod->record->uuid);
                (void) map_remove(pods->on_host, pod->record->uuid);
                pod_free(pod);
        }
}

void pods_done(struct pods *pods) {
        while (pods->remember && sd_event_source_get_enabled(pods->remember, NULL) > 0 && remember_some(pods))
                ;
        (void) history_write(pods); /* logged */
        pods->history = history_free(pods->history);
        if (pods->by_uuid && pods->operations)
                forget_all(pods);
        cgroups_done(pods);
        pods->by_uuid = map_free(pods->by_uuid);
        pods->by_name = map_free(pods->by_name);
        pods->on_host = map_free(pods->on_host);
        pods->operations = map_free(pods->operations);
        pods->wake = sd_event_source_disable_unref(pods->wake);
        pods->purge = sd_event_source_disable_unref(pods->purge);
        pods->remember = sd_event_source_disable_unref(pods->remember);
}

int pods_add(struct pods *pods, struct pod *pod) {
        const char *uuid = pod->record->uuid;
        int r = map_put(pods->by_uuid, uuid, pod);

        if (r < 0)
                return log_errno(LOG_ERR, r, "register pod %s", uuid);
        if (pod->record->n_host > 0)
                r = map_put(pods->on_host, uuid, pod);
        if (r >= 0 && pod->name_key)
                r = map_put(pods->by_name, pod->name_key, pod);
        if (r >= 0)
                return 0;
        (void) map_remove(pods->by_uuid, uuid);
        (void) map_remove(pods->on_host, uuid); /* nobody else's: the UUID was free */
        return log_errno(LOG_ERR, r, "register pod %s", uuid);
}

void pods_remove(struct pods *pods, struct pod *pod) {
        (void) map_remove(pods->by_uuid, pod->record->uuid);
        (void) map_remove(pods->on_host, pod->record->uuid);
        if (pod->name_key && map_get(pods->by_name, pod->name_key) == pod)
                (void) map_remove(pods->by_name, pod->name_key);
        turn_dissolve(pods, pod);
        pod_free(pod);
}

bool pods_may_see(const struct pod *pod, const struct caller *caller) {
        return caller_is_root(caller) || (caller->uid != 0 && caller->uid == pod->record->owner);
}

struct pod *pods_find_name(const struct pods *pods, uid_t owner, const char *name) {
        _cleanup_free_ char *key = NULL;

        if (asprintf(&key, "%u:%s", owner, name) < 0) {
                key = NULL;
                return NULL;
        }
        return map_get(pods->by_name, key);
}

static struct pod *not_found(const char *id, struct failure *f) {
        (void) failure_set(f, FAILURE_NO_SUCH_POD, "No pod \"%.128s\" is known; podmountctl list shows those there "
                                                   "are.", id);
        return NULL;
}

/* Root names other people's pods too, as long as one name means one pod. */
static struct pod *find_name_of_all(const struct pods *pods, const char *name, struct failure *f) {
        struct pod *pod, *found = NULL;

        MAP_FOREACH(pod, pods->by_uuid) {
                if (!pod->record->name || strcmp(pod->record->name, name) != 0)
                        continue;
                if (found) {
                        (void) failure_set(f, FAILURE_INVALID_ARGS,
                                           "The name \"%s\" is pod %s of user %u and pod %s of user %u; give the "
                                           "UUID.", name,
                                           found->record->uuid, found->record->owner, pod->record->uuid,
                                           pod->record->owner);
                        return NULL;
                }
                found = pod;
        }
        return found ?: not_found(name, f);
}

static struct pod *find_prefix(const struct pods *pods, const char *prefix, const struct caller *caller,
                               struct failure *f) {
        struct pod *pod, *found = NULL;

        MAP_FOREACH(pod, pods->by_uuid) {
                if (!pod_uuid_has_prefix(pod->record->uuid, prefix) || !pods_may_see(pod, caller))
                        continue;
                if (found) {
                        (void) failure_set(f, FAILURE_INVALID_ARGS, "\"%s\" begins the UUIDs of pods %s and %s; "
                                                                    "give more digits.",
                                           prefix, found->record->uuid, pod->record->uuid);
                        return NULL;
                }
                found = pod;
        }
        return found ?: not_found(prefix, f);
}

struct pod *pods_find(const struct pods *pods, const char *id, const struct caller *caller, bool prefix,
                      struct failure *f) {
        _cleanup_free_ char *uuid = NULL;
        struct pod *pod;

        if (pod_uuid_canonical(id, &uuid) == 0) {
                pod = map_get(pods->by_uuid, uuid);
                return pod && pods_may_see(pod, caller) ? pod : not_found(id, f);
        }
        if (pod_looks_like_uuid(id))
                return prefix ? find_prefix(pods, id, caller, f) : not_found(id, f);
        if (!name_is_valid(id))
                return not_found(id, f);
        pod = pods_find_name(pods, caller->uid, id);
        if (pod && pods_may_see(pod, caller))
                return pod;
        return caller_is_root(caller) ? find_name_of_all(pods, id, f) : not_found(id, f);
}

int pods_check_runtime(struct pods *pods, struct failure *f) {
        struct statx by_path, below;
        int r;

        r = mount_of(AT_FDCWD, pods->runtime_directory, AT_SYMLINK_NOFOLLOW, &by_path);
        if (r < 0)
                return failure_set(f, FAILURE_BUSY, "The runtime directory %s cannot be reached (%s): something was "
                                                    "mounted over it "
                                   "or above it, or it was unmounted or removed; undo that, or restart podmountd.",
                                   pods->runtime_directory, strerror(-r));
        if (by_path.stx_mnt_id != pods->runtime_mount_id || by_path.stx_ino != pods->runtime_inode)
                return failure_set(f, FAILURE_BUSY, "The runtime directory %s is not the one that podmountd was "
                                                    "started with: "
                                   "something was mounted over it or above it, or it was unmounted or replaced; "
                                   "undo that, or "
                                   "restart podmountd.", pods->runtime_directory);
        r = mount_of(pods->runtime_fd, "pods", AT_SYMLINK_NOFOLLOW, &below);
        if (r < 0)
                return failure_set(f, FAILURE_BUSY, "The directory %s/pods cannot be reached (%s); restart "
                                                    "podmountd, which makes "
                                   "it anew.", pods->runtime_directory, strerror(-r));
        if (below.stx_mnt_id != pods->runtime_mount_id)
                return failure_set(f, FAILURE_BUSY, "Something is mounted on %s/pods, where the pods are made; "
                                                    "unmount it.",
                                   pods->runtime_directory);
        return 0;
}
