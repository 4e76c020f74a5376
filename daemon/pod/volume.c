/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A volume and its binds are mounts of their own: each can be unmounted without the others, and what a volume holds
 * lives as long as the last of them.
 */

#include "pod/volume.h"

#include <string.h>

#include "pod/doom.h"
#include "pod/own-table.h"
#include "pod/registry.h"
#include "util/log.h"

static const char PREFIX[] = "volume:";

bool volume_is(const struct record_mount *mount) {
        return strcmp(mount->container, SPEC_VOLUMES) == 0 && !mount->nested;
}

static const char *name_of(const struct record_mount *volume) {
        return volume->target + 1;
}

/* The name of the volume that it is a bind of, or NULL. A label of a file system could look the same. */
static const char *bound_by(const struct record_mount *mount) {
        bool bind = mount->source && mount->type && strcmp(mount->type, "bind") == 0 && !mount->nested;

        return bind && strncmp(mount->source, PREFIX, strlen(PREFIX)) == 0 ? mount->source + strlen(PREFIX) : NULL;
}

static struct record_mount *find(const struct record_pod *record, const char *name) {
        for (size_t i = 0; i < record->n_mounts; i++)
                if (volume_is(&record->mounts[i]) && strcmp(name_of(&record->mounts[i]), name) == 0)
                        return &record->mounts[i];
        return NULL;
}

struct record_mount *volume_of(const struct record_pod *record, const struct record_mount *mount) {
        const char *name = bound_by(mount);

        return name ? find(record, name) : NULL;
}

int volume_facts(const struct pod *pod, struct wanted_facts *facts, struct wanted_volume **ret) {
        const struct record_pod *record = pod->record;
        struct wanted_volume *volumes = calloc(record->n_mounts + 1, sizeof(*volumes));
        size_t n = 0;

        if (!volumes)
                return log_oom();
        for (size_t i = 0; i < record->n_mounts; i++)
                if (volume_is(&record->mounts[i]))
                        volumes[n++] = (struct wanted_volume) {
                                .name = name_of(&record->mounts[i]), .own = record->mounts[i].ground_free};
        facts->volumes = *ret = volumes;
        facts->n_volumes = n;
        return 0;
}

static int resolve(const struct operation *operation, struct step_source *source, struct failure *f) {
        const struct record_pod *record = operation->pod->record;
        const struct record_mount *volume = find(record, source->path);

        if (!volume || !doom_find_entry(operation->pods, record, volume))
                return failure_set(f, FAILURE_NO_SUCH_SOURCE, "Volume %s of pod %s is not mounted any more; podmountctl "
                                                              "repair %s tells what can be done.", source->path,
                                   record->uuid, record->uuid);
        source->id = volume->id;
        return 0;
}

int volume_resolve(struct operation *operation, struct failure *f) {
        bool synced = false;
        int r = 0;

        for (size_t i = 0; i < operation->job->n_steps && r == 0; i++) {
                struct step_source *source = &operation->job->steps[i].source;

                if (source->kind != STEP_SOURCE_VOLUME)
                        continue;
                if (!synced) {
                        r = pods_sync_pod(operation->pods, operation->pod);
                        if (r < 0)
                                return log_errno(LOG_ERR, r, "read the mount table");
                        synced = true;
                }
                r = resolve(operation, source, f);
        }
        return r;
}

/* The first record of a bind of the volume; with `pods`, of one that is mounted, or was in a running container's own mount
 * namespace when that was last looked at. */
static const struct record_mount *find_user(const struct pods *pods, const struct record_pod *record,
                                            const struct record_mount *volume) {
        for (size_t i = 0; i < record->n_mounts; i++) {
                const struct record_mount *mount = &record->mounts[i];
                const char *name = bound_by(mount);

                if (name && strcmp(name, name_of(volume)) == 0 && (!pods || doom_find_entry(pods, record, mount)))
                        return mount;
        }
        for (size_t i = 0; i < record->n_inside; i++) {
                const char *name = bound_by(&record->inside[i]);

                if (name && strcmp(name, name_of(volume)) == 0 && !record->inside[i].lost)
                        return &record->inside[i];
        }
        return NULL;
}

int volume_check_unused(const struct record_pod *record, const struct record_mount *volume, struct failure *f) {
        const struct record_mount *user = find_user(NULL, record, volume);

        if (!user)
                return 0;
        return failure_set(f, FAILURE_BUSY, "Volume %s is bound at %s of container %s; unmount that first.",
                           name_of(volume), user->target, user->container);
}

int volume_check_split(const struct pods *pods, const struct record_pod *record, const struct record_mount *volume,
                       struct failure *f) {
        const struct record_mount *user = strcmp(volume->type, "bind") == 0 ? NULL : find_user(pods, record, volume);

        if (!user)
                return 0;
        return failure_set(f, FAILURE_BUSY, "The volume's file system lives on in %s of container %s, and a new one would not "
                                            "have its files: some containers would see one and some the other. Unmount "
                                            "the binds of the volume to have it made anew and empty, or collect the pod.",
                           user->target, user->container);
}
