/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Linear probing. What is removed leaves no trace: those behind it that would be found no longer move up.
 *
 * Looking at an entry is what costs, as hardly any of 100,000 is in a cache: a mark beside each place tells all but one
 * in 128 of the wrong ones.
 */

#include "table/ids.h"

enum { PLACES_MIN = 64 };

static uint64_t id_of(const struct ids *ids, const struct entry *entry) {
        return ids->kind == IDS_UNIQUE ? entry->unique_id : entry->id;
}

/* Ids in a row are spread evenly (Knuth's multiplicative hashing). */
static uint64_t hash(uint64_t id) {
        return id * UINT64_C(0x9e3779b97f4a7c15);
}

/* Where the search for an id begins. */
static size_t home(const struct ids *ids, uint64_t id) {
        return (size_t) (hash(id) >> 32) & (ids->n_places - 1);
}

/* Of bits that the place is not chosen by, while there are fewer than 2^25 of them. */
static uint8_t mark(uint64_t id) {
        return (uint8_t) (hash(id) >> 57 | 0x80);
}

void ids_done(struct ids *ids) {
        free(ids->places);
        *ids = (struct ids){.kind = ids->kind};
}

static void place(struct ids *ids, struct entry *entry) {
        uint64_t id = id_of(ids, entry);
        size_t i = home(ids, id);

        while (ids->marks[i])
                i = (i + 1) & (ids->n_places - 1);
        ids->places[i] = entry;
        ids->marks[i] = mark(id);
}

/* Puts all into so many places, which must be enough. */
static int move(struct ids *ids, size_t n_places) {
        struct ids other = {.kind = ids->kind, .n_places = n_places, .n = ids->n};

        other.places = calloc(n_places, sizeof(*other.places) + sizeof(*other.marks));
        if (!other.places)
                return -ENOMEM;
        other.marks = (uint8_t *) (other.places + n_places);
        for (size_t i = 0; i < ids->n_places; i++)
                if (ids->marks[i])
                        place(&other, ids->places[i]);
        free(ids->places);
        *ids = other;
        return 0;
}

int ids_reserve(struct ids *ids, size_t more) {
        size_t n_places = ids->n_places ?: PLACES_MIN, n;

        if (__builtin_add_overflow(ids->n, more, &n))
                return -ENOMEM;
        if (n <= ids->n_places / 4 * 3)
                return 0;
        while (n > n_places / 4 * 3)
                if (__builtin_mul_overflow(n_places, 2, &n_places))
                        return -ENOMEM;
        return move(ids, n_places);
}

void ids_trim(struct ids *ids) {
        size_t n_places = ids->n_places;

        while (n_places > PLACES_MIN && ids->n <= n_places / 8)
                n_places /= 2;
        if (n_places < ids->n_places)
                (void) move(ids, n_places); /* later, then */
}

void ids_add(struct ids *ids, struct entry *entry) {
        place(ids, entry);
        ids->n++;
}

static size_t find(const struct ids *ids, uint64_t id) {
        size_t i;

        if (ids->n == 0)
                return SIZE_MAX;
        for (i = home(ids, id); ids->marks[i]; i = (i + 1) & (ids->n_places - 1))
                if (ids->marks[i] == mark(id) && id_of(ids, ids->places[i]) == id)
                        return i;
        return SIZE_MAX;
}

void ids_remove(struct ids *ids, const struct entry *entry) {
        size_t mask = ids->n_places - 1, hole = find(ids, id_of(ids, entry));

        if (hole == SIZE_MAX || ids->places[hole] != entry)
                return;
        ids->n--;
        for (size_t i = (hole + 1) & mask; ids->places[i]; i = (i + 1) & mask) {
                size_t start = home(ids, id_of(ids, ids->places[i]));

                if (((i - start) & mask) < ((i - hole) & mask))
                        continue; /* its search begins behind the hole */
                ids->places[hole] = ids->places[i];
                ids->marks[hole] = ids->marks[i];
                hole = i;
        }
        ids->places[hole] = NULL;
        ids->marks[hole] = 0;
}

struct entry *ids_get(const struct ids *ids, uint64_t id) {
        size_t i = find(ids, id);

        return i == SIZE_MAX ? NULL : ids->places[i];
}

struct entry *ids_next(const struct ids *ids, size_t *position) {
        while (*position < ids->n_places) {
                struct entry *entry = ids->places[(*position)++];

                if (entry)
                        return entry;
        }
        return NULL;
}

size_t ids_bytes(const struct ids *ids) {
        return ids->n_places * (sizeof(*ids->places) + sizeof(*ids->marks));
}
