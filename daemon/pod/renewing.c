/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A step says which mount it took off, by its ids, and its result what that is called since then. Recycled ids go from one
 * mount of the pod to the next in the course of one job, so that all records are found before the first one changes.
 */

#include "pod/own-table.h"
#include "pod/renewing.h"

#include "pod/drift.h"
#include "pod/host.h"
#include "pod/registry.h"
#include "pod/sight.h"
#include "util/log.h"

struct renewal {
        struct record_mount *mount; /* the record's */
        uint64_t id;                /* unique, or 0 */
        uint32_t mount_id;
};

/* Everything that one job has mounted again. `was` and `is` are what observers are told of: the records before and after it, with
 * the strings of the record itself. */
struct renewing {
        struct renewal *renewals;
        struct record_mount *was, *is;
        size_t n;
};

static void renewing_done(struct renewing *renewing) {
        free(renewing->renewals);
        free(renewing->was);
        free(renewing->is);
}

/* The later of two records with one recycled id has it: the mount of the earlier was gone when it was given away. */
static int index_records(struct record_pod *record, struct map *by_id, struct map *by_mount_id) {
        int r = 0;

        for (size_t i = record->n_mounts; i > 0 && r >= 0; i--) {
                struct record_mount *mount = &record->mounts[i - 1];

                if (mount->deferred)
                        continue;
                if (mount->id != mount->mount_id)
                        r = map_put_u64(by_id, mount->id, mount);
                if (r == 0 || r == -EEXIST)
                        r = map_put_u64(by_mount_id, mount->mount_id, mount);
                if (r == -EEXIST)
                        r = 0;
        }
        return r < 0 ? log_oom() : 0;
}

/* By the unique id if there is one: another mount may have the recycled one by now. */
static struct entry *find_entry(const struct table *table, uint64_t id, uint32_t mount_id) {
        struct entry *entry = id != 0 ? table_get_unique(table, id) : NULL;

        if (!entry && mount_id != 0)
                entry = table_get(table, mount_id);
        return entry && id != 0 && entry->unique_id != 0 && entry->unique_id != id ? NULL : entry;
}

static int collect(const struct pods *pods, struct record_pod *record, const struct job *job, const struct job_result *answer,
                   struct renewing *ret) {
        _cleanup_(map_freep) struct map *by_id = map_new(MAP_KEY_U64), *by_mount_id = map_new(MAP_KEY_U64);
        int r = by_id && by_mount_id ? index_records(record, by_id, by_mount_id) : log_oom();

        if (r < 0)
                return r;
        ret->renewals = calloc(job->n_steps + 1, sizeof(*ret->renewals));
        ret->was = calloc(job->n_steps + 1, sizeof(*ret->was));
        ret->is = calloc(job->n_steps + 1, sizeof(*ret->is));
        if (!ret->renewals || !ret->was || !ret->is)
                return log_oom();
        for (size_t i = 0; i < job->n_steps && i < answer->n_steps; i++) {
                const struct step_result *result = &answer->steps[i];
                const struct step *step = &job->steps[i];
                struct record_mount *mount;

                if (!(step->flags & STEP_RESTORE) || (step->flags & STEP_HOST) || result->mount_id == 0 || result->done ||
                    (answer->lost && !find_entry(pods_table(pods, record), result->id, result->mount_id)))
                        continue;
                mount = step->id != 0 ? map_get_u64(by_id, step->id) : NULL;
                if (!mount)
                        mount = map_get_u64(by_mount_id, step->mount_id);
                if (mount && step->id != 0 && mount->id != mount->mount_id && mount->id != step->id)
                        mount = NULL; /* a stranger has the recycled id of one that is gone */
                if (mount) /* else it is somebody else's, and on no record */
                        ret->renewals[ret->n++] = (struct renewal) {mount, result->id, result->mount_id};
        }
        return 0;
}

static void set_ids(struct record_mount *mount, uint64_t id, uint32_t mount_id) {
        mount->id = id ?: mount_id;
        mount->mount_id = mount_id;
}

/* The last one that was mounted again was the first one that had been made. */
static void apply(struct renewing *renewing) {
        for (size_t i = 0; i < renewing->n; i++) {
                const struct renewal *renewal = &renewing->renewals[renewing->n - 1 - i];

                renewing->was[i] = *renewal->mount;
                set_ids(renewal->mount, renewal->id, renewal->mount_id);
                renewing->is[i] = *renewal->mount;
        }
}

static void take_back(struct renewing *renewing) {
        for (size_t i = 0; i < renewing->n; i++) {
                struct record_mount *mount = renewing->renewals[renewing->n - 1 - i].mount;

                mount->id = renewing->was[i].id;
                mount->mount_id = renewing->was[i].mount_id;
        }
}

static int put(struct pods *pods, struct record_pod *record, const struct renewing *renewing, uint64_t intent) {
        struct store *store = pods->store;
        int r = store_begin(store);

        for (size_t i = 0; i < renewing->n && r == 0; i++)
                r = store_put_mount(store, record->uuid, renewing->renewals[i].mount);
        if (r == 0 && intent != 0)
                r = store_delete_intent(store, intent);
        return store_end(store, r);
}

int renewing_take(struct pods *pods, struct pod *pod, const struct job *job, const struct job_result *answer, uint64_t intent) {
        _cleanup_(renewing_done) struct renewing renewing = {};
        int r = answer->lost ? pods_sync_pod(pods, pod) : 0;

        if (r >= 0)
                r = collect(pods, pod->record, job, answer, &renewing);
        pod->judge_again = true;
        if (r == 0 && (renewing.n > 0 || intent != 0)) {
                apply(&renewing);
                r = put(pods, pod->record, &renewing, intent);
                if (r < 0)
                        take_back(&renewing);
        }
        if (r == 0 && renewing.n > 0) {
                tell_mounts_removed(pods, pod, renewing.was, renewing.n);
                tell_mounts_added(pods, pod, renewing.is, renewing.n);
        }
        if (r >= 0)
                r = host_take_restored(pods->store, pod->record, job, answer);
        return r < 0 ? log_errno(LOG_ERR, r, "write down what pod %s was given again; it shows as drift", pod->record->uuid) : 0;
}

/* What a crash left, by the intent file. */
struct search {
        const struct table *table;
        struct record_pod *record;
        char *base;        /* the pod's directory */
        struct map *again; /* the entries of what was mounted again, by their recycled ids */
        bool *settled;     /* records that have been found one of them */
        size_t from;       /* they come in about the order of the record: the search goes on where the last one ended */
};

static void search_done(struct search *search) {
        free(search->base);
        free(search->settled);
        (void) map_free(search->again);
}

/* A record that names one of them by a recycled id names one that was mounted since. */
static bool is_missing(const struct search *search, size_t at) {
        const struct record_mount *mount = &search->record->mounts[at];
        const struct entry *entry = mount->deferred || search->settled[at] ? NULL : drift_find_entry(search->table, mount);

        return !mount->deferred && !search->settled[at] && (!entry || map_get_u64(search->again, entry->id));
}

/* The record that misses this mount. */
static struct record_mount *find_missing(struct search *search, const struct entry *entry) {
        const size_t n = search->record->n_mounts;

        for (size_t i = 0; i < n; i++) {
                size_t at = (search->from + i) % n;
                struct record_mount *mount = &search->record->mounts[at];

                if (!sight_is_at(mount, entry, search->base) || !is_missing(search, at))
                        continue;
                if (mount->device != entry->device && mount->device != 0 && !drift_has_devices_of_its_own(entry))
                        continue;
                search->from = at + 1;
                search->settled[at] = true;
                return mount;
        }
        return NULL;
}

int renewing_find(struct pods *pods, struct pod *pod, const struct intent_mount *entries, size_t n) {
        _cleanup_(search_done) struct search search = {
                .table = pods_table(pods, pod->record),
                .record = pod->record,
                .base = pods_directory(pods, pod->record->uuid),
                .again = map_new(MAP_KEY_U64),
                .settled = calloc(pod->record->n_mounts + 1, sizeof(*search.settled)),
        };
        int r = search.base && search.again && search.settled ? 0 : log_oom();

        for (size_t i = 0; i < n && r == 0; i++) {
                struct entry *entry = find_entry(search.table, entries[i].id, entries[i].mount_id);

                r = entry ? map_put_u64(search.again, entry->id, entry) : 0;
                if (r == -EEXIST)
                        r = 0;
        }
        for (size_t i = 0; i < n && r == 0; i++) {
                const struct entry *entry = find_entry(search.table, entries[i].id, entries[i].mount_id);
                struct record_mount *mount = entry ? find_missing(&search, entry) : NULL;

                if (!mount)
                        continue;
                set_ids(mount, entries[i].id, entries[i].mount_id);
                r = store_put_mount(pods->store, pod->record->uuid, mount);
        }
        return r;
}
