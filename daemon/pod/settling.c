/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records of mounts that waited and are made: they keep their places, because the order of a pod's records says what
 * lies on what.
 */

#include <errno.h>
#include <string.h>

#include "pod/recording.h"
#include "pod/registry.h"
#include "util/log.h"

struct settling {
        struct pod *pod;
        size_t from;
        size_t *places;  /* by row that waited: the index of its record… */
        size_t *takers;  /* …and of the record that takes its place, SIZE_MAX for none */
        size_t n;
};

static void settling_done(struct settling *settling) {
        free(settling->places);
        free(settling->takers);
}

static bool is_about_the_same(const struct record_mount *a, const struct record_mount *b) {
        return strcmp(a->container, b->container) == 0 && strcmp(a->target, b->target) == 0 &&
               strcmp(a->type, b->type) == 0;
}

static int find_places(struct settling *settling, const int64_t *rows) {
        const struct record_pod *record = settling->pod->record;
        size_t found = 0;

        for (size_t i = 0; i < settling->from && found < settling->n; i++) /* rows are in the record's order */
                if (record->mounts[i].row == rows[found])
                        settling->places[found++] = i;
        return found == settling->n ? 0 : -ENOENT;
}

static int settling_init(struct settling *settling, struct pod *pod, const int64_t *rows, size_t n, size_t from) {
        const struct record_mount *mounts = pod->record->mounts;
        size_t next = from;
        int r;

        *settling = (struct settling) {.pod = pod, .from = from, .n = n};
        settling->places = calloc(n + 1, sizeof(*settling->places));
        settling->takers = calloc(n + 1, sizeof(*settling->takers));
        if (!settling->places || !settling->takers)
                return -ENOMEM;
        r = find_places(settling, rows);
        for (size_t i = 0; i < n && r == 0; i++) {
                bool taken = next < pod->record->n_mounts && !mounts[next].nested &&
                             is_about_the_same(&mounts[next], &mounts[settling->places[i]]);

                settling->takers[i] = taken ? next++ : SIZE_MAX;
        }
        return r;
}

static int commit(struct store *store, const struct settling *settling, uint64_t job) {
        struct record_pod *record = settling->pod->record;
        int r = store_begin(store);

        if (r == 0)
                r = store_put_pod(store, record);
        for (size_t i = 0; i < settling->n && r == 0; i++) {
                const struct record_mount *old = &record->mounts[settling->places[i]];

                if (settling->takers[i] == SIZE_MAX)
                        r = store_delete_mount(store, record->uuid, old->row);
                else
                        record->mounts[settling->takers[i]].row = old->row;
        }
        for (size_t i = settling->from; i < record->n_mounts && r == 0; i++)
                r = store_put_mount(store, record->uuid, &record->mounts[i]);
        if (r == 0)
                r = store_delete_intent(store, job);
        return store_end(store, r);
}

/* In memory as in the store; it cannot fail any more. What leaves is marked by having no target. */
static void move_in(const struct settling *settling) {
        struct record_pod *record = settling->pod->record;
        size_t kept = 0;

        for (size_t i = 0; i < settling->n; i++) {
                struct record_mount *old = &record->mounts[settling->places[i]];

                record_mount_done(old);
                *old = (struct record_mount) {};
                if (settling->takers[i] == SIZE_MAX)
                        continue;
                *old = record->mounts[settling->takers[i]];
                record->mounts[settling->takers[i]] = (struct record_mount) {};
        }
        for (size_t i = 0; i < record->n_mounts; i++)
                if (record->mounts[i].target)
                        record->mounts[kept++] = record->mounts[i];
        record->n_mounts = kept;
}

static void exchange(char ***a, char ***b) {
        char **kept = *a;

        *a = *b;
        *b = kept;
}

int recording_settle(struct pods *pods, struct pod *pod, const int64_t *rows, size_t n_rows, size_t from,
                     char ***warnings, uint64_t job) {
        _cleanup_(settling_done) struct settling settling;
        _cleanup_free_ struct record_mount *added = NULL;
        size_t n_added = pod->record->n_mounts - from;
        int r = settling_init(&settling, pod, rows, n_rows, from);

        added = r == 0 ? calloc(n_added + 1, sizeof(*added)) : NULL;
        if (r == 0 && !added)
                r = -ENOMEM;
        if (r == 0) {
                exchange(&pod->record->warnings, warnings);
                r = commit(pods->store, &settling, job);
                if (r < 0)
                        exchange(&pod->record->warnings, warnings);
        }
        if (r < 0)
                return log_errno(LOG_ERR, r, "record mounts of pod %s that waited", pod->record->uuid);
        memcpy(added, pod->record->mounts + from, n_added * sizeof(*added)); /* for telling alone */
        move_in(&settling);
        tell_mounts_added(pods, pod, added, n_added);
        return 0;
}
