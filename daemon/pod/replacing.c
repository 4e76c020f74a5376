/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records of mounts that were made again: they take the places of the old ones, because the order of a pod's records
 * says what lies on what.
 */

#include <errno.h>
#include <string.h>

#include "pod/doom.h"
#include "pod/recording.h"
#include "pod/registry.h"
#include "util/log.h"
#include "util/path.h"

struct replacing {
        struct pod *pod;
        size_t *at, n_at;           /* the old records; of each a new one, in their order… */
        size_t from;                /* …the first of which is here, before what came along with them */
        struct map *there;          /* records whose mounts the kernel has */
        size_t *places;             /* by new record: where it goes, SIZE_MAX for the end */
        struct record_mount *gone;  /* shallow copies of the old records */
        size_t n_gone;
        size_t *leaving;            /* places that nothing takes */
        size_t n_leaving;
};

static void replacing_done(struct replacing *replacing) {
        (void) map_free(replacing->there);
        free(replacing->at);
        free(replacing->places);
        free(replacing->gone);
        free(replacing->leaving);
}

static int replacing_init(struct replacing *replacing, struct pods *pods, struct pod *pod, const int64_t *rows, size_t n_rows, size_t from) {
        size_t n = pod->record->n_mounts;

        *replacing = (struct replacing) {.pod = pod, .from = from};
        replacing->at = calloc(n_rows + 1, sizeof(*replacing->at));
        replacing->places = calloc(n - from + 1, sizeof(*replacing->places));
        replacing->gone = calloc(n + 1, sizeof(*replacing->gone));
        replacing->leaving = calloc(n + 1, sizeof(*replacing->leaving));
        if (!replacing->at || !replacing->places || !replacing->gone || !replacing->leaving)
                return -ENOMEM;
        for (size_t i = 0; i < from && replacing->n_at < n_rows; i++)
                if (pod->record->mounts[i].row == rows[replacing->n_at])
                        replacing->at[replacing->n_at++] = i;
        if (replacing->n_at < n_rows || n - from < n_rows)
                return -ENOENT;
        return doom_index(pods, pod->record, &replacing->there);
}

/* Whether the record is of a mount that came along with an old one, and is gone. */
static bool went_along(const struct replacing *replacing, size_t i) {
        const struct record_mount *mounts = replacing->pod->record->mounts, *mount = &mounts[i];

        if (!mount->nested || map_get_u64(replacing->there, mount->mount_id) == mount)
                return false;
        for (size_t j = 0; j < replacing->n_at && replacing->at[j] < i; j++) {
                const struct record_mount *old = &mounts[replacing->at[j]];

                if (strcmp(mount->container, old->container) == 0 && path_is_below(mount->target, old->target))
                        return true;
        }
        return false;
}

/* Finds a place for every new record. */
static int arrange(struct replacing *replacing) {
        _cleanup_(map_freep) struct map *fresh = map_new(MAP_KEY_STRING);
        struct record_mount *mounts = replacing->pod->record->mounts;

        if (!fresh)
                return -ENOMEM;
        for (size_t i = 0; i < replacing->n_at; i++) {
                replacing->places[i] = replacing->at[i];
                replacing->gone[replacing->n_gone++] = mounts[replacing->at[i]];
        }
        for (size_t i = replacing->from + replacing->n_at; i < replacing->pod->record->n_mounts; i++) {
                replacing->places[i - replacing->from] = SIZE_MAX;
                if (map_put(fresh, mounts[i].target, &mounts[i]) == -ENOMEM) /* of two at one target the first */
                        return -ENOMEM;
        }
        for (size_t i = replacing->at[0] + 1; i < replacing->from; i++) {
                struct record_mount *taker;

                if (!went_along(replacing, i))
                        continue;
                taker = map_remove(fresh, mounts[i].target);
                if (taker)
                        replacing->places[(size_t) (taker - mounts) - replacing->from] = i;
                else
                        replacing->leaving[replacing->n_leaving++] = i;
                replacing->gone[replacing->n_gone++] = mounts[i];
        }
        return 0;
}

/* The new record knows what the old one did of the place: a mount point that was made then is ours still. */
static void inherit(const struct replacing *replacing) {
        struct record_mount *mounts = replacing->pod->record->mounts;

        for (size_t i = replacing->from; i < replacing->pod->record->n_mounts; i++) {
                size_t place = replacing->places[i - replacing->from];

                if (place == SIZE_MAX)
                        continue;
                mounts[i].row = mounts[place].row;
                if (mounts[i].made == 0)
                        mounts[i].made_file = mounts[place].made_file;
                if (mounts[i].made < mounts[place].made) /* of what was made then, only the last had gone */
                        mounts[i].made = mounts[place].made;
        }
}

/* Recycled ids that the kernel gave away again: who had them is gone, and must not be taken for the new mounts. */
static int disown(struct store *store, const struct replacing *replacing) {
        struct record_pod *record = replacing->pod->record;
        int r = 0;

        for (size_t i = replacing->from; i < record->n_mounts && r == 0; i++)
                for (size_t j = 0; j < replacing->from && r == 0; j++) {
                        if (record->mounts[j].mount_id != record->mounts[i].mount_id || record->mounts[j].deferred)
                                continue;
                        record->mounts[j].mount_id = 0;
                        r = store_put_mount(store, record->uuid, &record->mounts[j]);
                }
        return r;
}

static int commit(struct store *store, const struct replacing *replacing, uint64_t job) {
        struct record_pod *record = replacing->pod->record;
        int r = store_begin(store);

        if (r == 0)
                r = disown(store, replacing);
        for (size_t i = replacing->from; i < record->n_mounts && r == 0; i++)
                r = store_put_mount(store, record->uuid, &record->mounts[i]);
        for (size_t i = 0; i < replacing->n_leaving && r == 0; i++)
                r = store_delete_mount(store, record->uuid, record->mounts[replacing->leaving[i]].row);
        if (r == 0)
                r = store_delete_intent(store, job);
        return store_end(store, r);
}

/* In memory as in the store; it cannot fail any more. What leaves is marked by having no target. */
static void move_in(const struct replacing *replacing) {
        struct record_pod *record = replacing->pod->record;
        size_t kept = 0;

        for (size_t i = replacing->from; i < record->n_mounts; i++) {
                size_t place = replacing->places[i - replacing->from];

                if (place == SIZE_MAX)
                        continue;
                record->mounts[place] = record->mounts[i];
                record->mounts[i] = (struct record_mount) {};
        }
        for (size_t i = 0; i < replacing->n_leaving; i++)
                record->mounts[replacing->leaving[i]] = (struct record_mount) {};
        for (size_t i = 0; i < record->n_mounts; i++)
                if (record->mounts[i].target)
                        record->mounts[kept++] = record->mounts[i];
        record->n_mounts = kept;
}

int recording_replace(struct pods *pods, struct pod *pod, const int64_t *rows, size_t n_rows, size_t from, uint64_t job) {
        _cleanup_(replacing_done) struct replacing replacing;
        _cleanup_free_ struct record_mount *added = NULL;
        size_t n_added = pod->record->n_mounts - from;
        int r;

        r = replacing_init(&replacing, pods, pod, rows, n_rows, from);
        if (r == 0)
                r = arrange(&replacing);
        added = r == 0 ? calloc(n_added, sizeof(*added)) : NULL;
        if (r == 0 && !added)
                r = -ENOMEM;
        if (r == 0) {
                inherit(&replacing);
                r = commit(pods->store, &replacing, job);
        }
        if (r < 0)
                return log_errno(LOG_ERR, r, "record a mount of pod %s that was made again", pod->record->uuid);
        recording_mark_unseen(pods, pod, from);
        memcpy(added, pod->record->mounts + from, n_added * sizeof(*added)); /* for telling alone */
        move_in(&replacing);
        tell_mounts_removed(pods, pod, replacing.gone, replacing.n_gone);
        tell_mounts_added(pods, pod, added, n_added);
        for (size_t i = 0; i < replacing.n_gone; i++)
                record_mount_done(&replacing.gone[i]);
        return 0;
}
