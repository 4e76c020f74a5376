/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * An event only says which mount to look at: what is true is what statmount(2) says then, so that events may be late,
 * double or about what is gone again.
 *
 * Two things come without an event of their own and follow from another's. A mount that is put beneath another takes
 * its place, and the other becomes its child: so a new mount's children are asked for (note_tucked() says how). When
 * such a mount goes, what was on it falls back: so the children of one that is gone are looked at again.
 *
 * Where a notification names the new mount, those beside it that were looked at since the queue was read are right
 * already: it was there before. If it moves again, another notification comes, with a later reading.
 */

#include <string.h>

#include "kernel/submounts.h"
#include "table/diff.h"
#include "table/following.h"
#include "table/reading.h"
#include "util/array.h"
#include "util/log.h"

enum {
        SWEEP_SLICE = 256,   /* of a look at everything: less than a millisecond */
        LIST_TABLE = 1024,   /* mounts in the table up to which a new one's children are listed: the kernel goes through
                              * all mounts for it… */
        LOOK_SIBLINGS = 16,  /* …and beyond that, up to how many others on its parent are looked at instead */
        DOUBTS = 16,         /* parents whose children wait for a look; of more, all mounts do */
        LIST_CHILDREN = 256, /* at once */
};

struct following {
        struct watch *watch;
        struct table *table;
        struct statmount *statmount; /* NULL when mountinfo is read */
        struct following_counters counters;
        struct watch_events events; /* out of the queue… */
        size_t at;                  /* …and looked at up to here */
        uint16_t fetches;           /* how often the queue was read, from 1 on, again and again */
        uint64_t doubts[DOUBTS];    /* unique ids of mounts on which one was put that may lie beneath another of their children… */
        size_t n_doubts;            /* …or SIZE_MAX: there were too many to tell which */
};

/* Ids of mounts still to be looked at. */
struct agenda {
        uint64_t *ids;
        size_t n;
        uint64_t told; /* the one that a notification named; 0: none did */
};

static void agenda_done(struct agenda *agenda) {
        free(agenda->ids);
}

int following_new(struct watch *watch, struct table *table, struct following **ret) {
        _cleanup_(following_freep) struct following *following = calloc(1, sizeof(*following));

        if (!following)
                return log_oom();
        following->watch = watch;
        following->table = table;
        if (watch_tracking(watch) != WATCH_MOUNTINFO) {
                following->statmount = statmount_new();
                if (!following->statmount)
                        return log_oom();
        }
        *ret = TAKE_PTR(following);
        return 0;
}

struct following *following_free(struct following *following) {
        if (!following)
                return NULL;
        (void) statmount_free(following->statmount);
        free(following);
        return NULL;
}

const struct following_counters *following_counters(const struct following *following) {
        return &following->counters;
}

/* Of what was taken out of the queue and not looked at yet: everything is about to be read. */
static void forget_events(struct following *following) {
        following->events.n = following->at = 0;
        following->events.overflow = false;
}

int following_read(struct following *following, struct changes *ret) {
        _cleanup_free_ struct entry **entries = NULL;
        size_t n;
        int r;

        forget_events(following);
        r = following->statmount ? reading_take_statmount(following->statmount, &entries, &n)
                                 : reading_take_mountinfo(watch_mountinfo_fd(following->watch), &entries, &n);
        if (r < 0)
                return r;
        following->counters.full_reads++;
        r = table_replace(following->table, entries, n, ret);
        if (r < 0)
                return log_errno(LOG_ERR, r, "take a reading of the mount table");
        following->n_doubts = 0;
        return 0;
}

static int note(struct agenda *agenda, uint64_t id) {
        uint64_t *slot = array_append(&agenda->ids, &agenda->n);

        if (!slot)
                return log_oom();
        *slot = id;
        return 0;
}

static int note_children(struct agenda *agenda, const struct entry *entry) {
        int r = 0;

        for (const struct entry *child = entry->children; child && r >= 0; child = child->next)
                r = note(agenda, child->unique_id);
        return r;
}

static int note_sibling(const struct entry *sibling, void *userdata) {
        return note(userdata, sibling->unique_id);
}

/* Whether it was looked at after the mount that a notification named was where it is. */
static bool is_fresh(const struct following *following, const struct agenda *agenda, const struct entry *entry) {
        return agenda->told != 0 && entry->looked == following->fetches;
}

/* Of what lies on the mount now, what the table still has beside it. */
static int note_listed(struct following *following, const struct entry *entry, struct agenda *agenda) {
        uint64_t ids[LIST_CHILDREN], after = 0;
        int n, r = 0;

        following->counters.lists++;
        do {
                n = submounts_list(entry->unique_id, after, ids, ELEMENTSOF(ids));
                if (n == -ENOENT) /* gone again, which is told */
                        return 0;
                if (n < 0)
                        return log_errno(LOG_ERR, n, "list what lies on a mount");
                for (int i = 0; i < n && r >= 0; i++) {
                        const struct entry *known = table_get_unique(following->table, ids[i]);

                        if (known && known != entry && known->parent == entry->parent && !is_fresh(following, agenda, known))
                                r = note(agenda, ids[i]);
                        after = ids[i];
                }
        } while (r >= 0 && n == (int) ELEMENTSOF(ids));
        return r;
}

/* Those beside it that it may have been put beneath, up to one more than `most`. */
static size_t count_beside(const struct following *following, const struct agenda *agenda, const struct entry *entry, size_t most) {
        size_t n = 0;

        for (const struct entry *child = entry->parent->children; child && n <= most; child = child->next)
                n += child != entry && !is_fresh(following, agenda, child);
        return n;
}

/* What is on the mount is to be looked at some time. */
static void doubt(struct following *following, uint64_t id) {
        if (following->n_doubts == SIZE_MAX)
                return;
        for (size_t i = 0; i < following->n_doubts; i++)
                if (following->doubts[i] == id)
                        return;
        if (following->n_doubts == DOUBTS)
                following->n_doubts = SIZE_MAX;
        else
                following->doubts[following->n_doubts++] = id;
}

/*
 * What a mount that came may have been put beneath: one that was on its parent. The kernel's list of its children says
 * it whatever the paths are, at a cost that grows with the namespace. Where that is too much, all that is on the parent
 * is looked at, if it is little; else what the table has at the same path, which is wrong only if a directory above
 * was renamed since the last look: what is on the parent is looked at later then.
 */
static int note_tucked(struct following *following, const struct entry *entry, struct agenda *agenda) {
        size_t n = count_beside(following, agenda, entry, LOOK_SIBLINGS);

        if (n == 0)
                return 0;
        if (table_size(following->table) <= LIST_TABLE)
                return note_listed(following, entry, agenda);
        if (n > LOOK_SIBLINGS) {
                doubt(following, entry->parent->unique_id);
                return table_each_beside(following->table, entry, note_sibling, agenda);
        }
        for (const struct entry *child = entry->parent->children; child; child = child->next)
                if (child != entry && !is_fresh(following, agenda, child) && note(agenda, child->unique_id) < 0)
                        return -ENOMEM;
        return 0;
}

/* One that is gone. */
static int take_out(struct following *following, struct entry *entry, struct agenda *agenda, struct changes *changes) {
        int r = note_children(agenda, entry);

        if (r >= 0)
                r = table_drop(following->table, entry, changes);
        return r < 0 ? log_errno(LOG_ERR, r, "forget a mount") : 0;
}

/* One that is there, `known` whether the table has it. */
static int take_in(struct following *following, struct entry *fresh, const struct entry *known, struct agenda *agenda,
        struct changes *changes) {
        bool came = !known || diff_moved(known, fresh), moved = known && came;
        bool told = fresh->unique_id == agenda->told; /* then it may have come by an earlier look, after those beside it */
        struct entry *entry;
        int r;

        r = table_put(following->table, fresh, changes, &entry);
        if (r < 0)
                return log_errno(LOG_ERR, r, "take in a mount");
        entry->looked = following->fetches;
        if ((came || told) && entry->parent)
                r = note_tucked(following, entry, agenda);
        if (r >= 0 && moved) /* their paths are others, and perhaps their propagation */
                r = note_children(agenda, entry);
        return r;
}

/* Looks at what is noted until nothing is; the latest note first. */
static int work_off(struct following *following, struct agenda *agenda, struct changes *changes) {
        while (agenda->n > 0) {
                uint64_t id = agenda->ids[--agenda->n];
                struct entry *known = table_get_unique(following->table, id), *fresh = NULL;
                int r = reading_look(following->statmount, id, &fresh);

                following->counters.looks++;
                if (r > 0)
                        r = take_in(following, fresh, known, agenda, changes);
                else if (r == 0 && known)
                        r = take_out(following, known, agenda, changes);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* What came and went at once is named twice in a row; both were told before the one look at it. */
static int take_all(struct following *following, const uint64_t *ids, size_t n, bool told, struct changes *changes) {
        _cleanup_(agenda_done) struct agenda agenda = {};
        int r = 0;

        for (size_t i = 0; i < n && r >= 0; i++) {
                if (i + 1 < n && ids[i] == ids[i + 1])
                        continue;
                agenda.told = told ? ids[i] : 0;
                r = note(&agenda, ids[i]);
                if (r >= 0)
                        r = work_off(following, &agenda, changes);
        }
        return r;
}

/* 1: there are events in the buffer. */
static int fetch_events(struct following *following) {
        int r;

        if (following->at < following->events.n)
                return 1;
        if (following->events.overflow) {
                following->counters.overflows++;
                forget_events(following);
                return -ENOBUFS;
        }
        forget_events(following);
        if (following->fetches == UINT16_MAX) { /* what is begun again must not stand in any entry */
                table_forget_looks(following->table);
                following->fetches = 0;
        }
        following->fetches++;
        r = watch_next(following->watch, &following->events);
        return r < 0 ? log_errno(LOG_ERR, r, "read notifications of mounts") : r;
}

int following_events(struct following *following, size_t n, struct changes *changes) {
        struct watch_events *events = &following->events;
        size_t taken = 0, most = n;

        for (;;) {
                bool fetched = following->at >= events->n;
                int r = fetch_events(following);
                size_t some;

                if (r <= 0)
                        return r;
                some = events->n - following->at;
                if (most > 0 && some > most - taken)
                        some = most - taken;
                r = take_all(following, events->ids + following->at, some, true, changes);
                if (r < 0) {
                        forget_events(following);
                        return r;
                }
                following->at += some;
                following->counters.events += some;
                taken += some;
                /* That was the queue's end a moment ago; of what an earlier call has left, nobody knows how long ago. */
                if (fetched && following->at == events->n && !events->overflow && events->n < WATCH_EVENTS_MAX)
                        return 0;
                if (most == 0) { /* others may fill it as fast as it is read */
                        size_t pending = watch_pending(following->watch);

                        most = pending < SIZE_MAX - taken ? taken + pending : SIZE_MAX;
                }
                if (taken >= most && !(following->at == events->n && events->overflow))
                        return 1;
        }
}

static int compare_ids(const void *a, const void *b) {
        const uint64_t *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

/* Of the entries, those that the list does not have. */
static int note_unlisted(struct following *following, const uint64_t *ids, size_t n, struct agenda *agenda) {
        _cleanup_free_ struct entry **entries = NULL;
        size_t n_entries;
        int r = table_below(following->table, "/", &entries, &n_entries);

        if (r < 0)
                return log_oom();
        for (size_t i = 0; i < n_entries && r >= 0; i++)
                if (!bsearch(&entries[i]->unique_id, ids, n, sizeof(*ids), compare_ids))
                        r = note(agenda, entries[i]->unique_id);
        return r;
}

int following_delta(struct following *following, struct changes *changes) {
        _cleanup_(agenda_done) struct agenda agenda = {};
        _cleanup_free_ uint64_t *ids = NULL;
        size_t n;
        int r;

        if (!following->statmount)
                return log_errno(LOG_ERR, EOPNOTSUPP, "list the mounts");
        r = statmount_list(&ids, &n);
        if (r < 0)
                return log_errno(LOG_ERR, r, "list the mounts");
        following->counters.deltas++;
        r = note_unlisted(following, ids, n, &agenda);
        if (r >= 0)
                r = work_off(following, &agenda, changes);
        for (size_t i = 0; i < n && r >= 0; i++)
                if (!table_get_unique(following->table, ids[i]))
                        r = take_all(following, &ids[i], 1, false, changes);
        return r;
}

int following_look(struct following *following, const char *path, struct changes *changes) {
        _cleanup_(agenda_done) struct agenda agenda = {};
        _cleanup_free_ struct entry **entries = NULL;
        size_t n;
        int r;

        if (!following->statmount)
                return 0;
        r = table_below(following->table, path, &entries, &n);
        if (r < 0)
                return log_oom();
        for (size_t i = n; i > 0 && r >= 0; i--)
                r = note(&agenda, entries[i - 1]->unique_id);
        return r < 0 ? r : work_off(following, &agenda, changes);
}

int following_below(const struct following *following, const char *path, uint64_t **ret, size_t *ret_n) {
        _cleanup_free_ struct entry **entries = NULL;
        uint64_t *ids;
        size_t n;

        if (table_below(following->table, path, &entries, &n) < 0)
                return log_oom();
        ids = calloc(n + 1, sizeof(*ids));
        if (!ids)
                return log_oom();
        for (size_t i = 0; i < n; i++)
                ids[i] = entries[i]->unique_id;
        *ret = ids;
        *ret_n = n;
        return 0;
}

static size_t count_children(const struct entry *entry) {
        size_t n = 0;

        for (const struct entry *child = entry->children; child; child = child->next)
                n++;
        return n;
}

static int append_children(const struct entry *entry, uint64_t **ids, size_t *n) {
        uint64_t *grown = reallocarray(*ids, *n + count_children(entry) + 1, sizeof(**ids));

        if (!grown)
                return log_oom();
        *ids = grown;
        for (const struct entry *child = entry->children; child; child = child->next)
                grown[(*n)++] = child->unique_id;
        return 0;
}

int following_doubtful(struct following *following, uint64_t **ids, size_t *n) {
        size_t n_doubts = following->n_doubts;
        int r = 0;

        following->n_doubts = 0;
        if (n_doubts == SIZE_MAX) {
                free(*ids);
                *ids = NULL;
                *n = 0;
                r = following_below(following, "/", ids, n);
        } else
                for (size_t i = 0; i < n_doubts && r >= 0; i++) {
                        const struct entry *parent = table_get_unique(following->table, following->doubts[i]);

                        if (parent)
                                r = append_children(parent, ids, n);
                }
        if (r < 0)
                following->n_doubts = SIZE_MAX;
        return r;
}

int following_look_at(struct following *following, const uint64_t *ids, size_t n, struct changes *changes) {
        return following->statmount ? take_all(following, ids, n, false, changes) : 0;
}

void following_count_read(struct following *following) {
        following->counters.full_reads++;
}

int following_sweep(struct following *following, uint64_t *cursor, struct changes *changes) {
        uint64_t ids[SWEEP_SLICE];
        ssize_t n;
        int r;

        if (!following->statmount)
                return 0;
        n = statmount_page(*cursor, ids, ELEMENTSOF(ids));
        if (n < 0)
                return log_errno(LOG_ERR, (int) n, "list the mounts");
        if (n == 0)
                return 0;
        r = take_all(following, ids, (size_t) n, false, changes);
        if (r < 0)
                return r;
        *cursor = ids[n - 1];
        return n == (ssize_t) ELEMENTSOF(ids);
}
