/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Linear probing over a power of two of slots, at most three quarters in use. A removed entry leaves a tombstone, so
 * that a walk and the probe sequences stay valid; the next growth sweeps them. Memory shrinks there too, never during
 * a removal: that is what makes removing safe while walking.
 */

#include "util/map.h"

#include <string.h>
#include <sys/random.h>

enum { SLOTS_MIN = 8 };

struct slot {
        union {
                uint64_t number;
                const char *string;
        } key;
        void *value; /* NULL: never used; &tombstone: removed */
};

struct map {
        enum map_key kind;
        struct slot *slots;
        size_t n_slots; /* 0 or a power of two */
        size_t n_used;  /* entries */
        size_t n_dirty; /* entries and tombstones */
};

static char tombstone;

static const uint64_t *hash_key(void) {
        static uint64_t key[2];
        static bool ready;

        if (!ready) {
                /* GRND_INSECURE: hash keys need no entropy that early boot would have to wait for. Should even that
                 * fail, the addresses of a randomised process are what is left. */
                if (getrandom(key, sizeof(key), GRND_INSECURE) != (ssize_t) sizeof(key)) {
                        key[0] = (uint64_t) (uintptr_t) &ready * UINT64_C(0x9e3779b97f4a7c15);
                        key[1] = (uint64_t) (uintptr_t) __builtin_frame_address(0);
                }
                ready = true;
        }
        return key;
}

static uint64_t rotate(uint64_t x, int bits) {
        return (x << bits) | (x >> (64 - bits));
}

static void sip_round(uint64_t v[4]) {
        v[0] += v[1];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[0] = rotate(v[0], 32);
        v[2] += v[3];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[2] = rotate(v[2], 32);
}

/* SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF"), words in host order. */
static uint64_t sip_hash(const void *data, size_t size) {
        const uint64_t *key = hash_key();
        const uint8_t *bytes = data;
        uint64_t v[4] = {
                key[0] ^ UINT64_C(0x736f6d6570736575),
                key[1] ^ UINT64_C(0x646f72616e646f6d),
                key[0] ^ UINT64_C(0x6c7967656e657261),
                key[1] ^ UINT64_C(0x7465646279746573),
        };
        uint64_t last = (uint64_t) size << 56, word;
        size_t left = size;

        for (; left >= sizeof(word); left -= sizeof(word), bytes += sizeof(word)) {
                memcpy(&word, bytes, sizeof(word));
                v[3] ^= word;
                sip_round(v);
                v[0] ^= word;
        }
        word = 0;
        memcpy(&word, bytes, left);
        last |= word;
        v[3] ^= last;
        sip_round(v);
        v[0] ^= last;
        v[2] ^= 0xff;
        for (int i = 0; i < 3; i++)
                sip_round(v);
        return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t hash_slot_key(const struct map *map, const struct slot *slot) {
        if (map->kind == MAP_KEY_STRING)
                return sip_hash(slot->key.string, strlen(slot->key.string));
        return sip_hash(&slot->key.number, sizeof(slot->key.number));
}

static bool same_key(const struct map *map, const struct slot *a, const struct slot *b) {
        if (map->kind == MAP_KEY_STRING)
                return strcmp(a->key.string, b->key.string) == 0;
        return a->key.number == b->key.number;
}

struct map *map_new(enum map_key kind) {
        struct map *map = calloc(1, sizeof(*map));

        if (map)
                map->kind = kind;
        return map;
}

struct map *map_free(struct map *map) {
        if (map) {
                free(map->slots);
                free(map);
        }
        return NULL;
}

size_t map_size(const struct map *map) {
        return map->n_used;
}

size_t map_bytes(const struct map *map) {
        return sizeof(*map) + map->n_slots * sizeof(*map->slots);
}

static struct slot *find(const struct map *map, const struct slot *key) {
        size_t mask = map->n_slots - 1;

        if (map->n_used == 0)
                return NULL;
        for (size_t i = (size_t) hash_slot_key(map, key) & mask;; i = (i + 1) & mask) {
                struct slot *slot = map->slots + i;

                if (!slot->value)
                        return NULL;
                if (slot->value != &tombstone && same_key(map, slot, key))
                        return slot;
        }
}

/* The slot for a key that is known not to be there: the first of its sequence that holds no entry. */
static struct slot *place(struct map *map, const struct slot *new) {
        size_t mask = map->n_slots - 1, i = (size_t) hash_slot_key(map, new) & mask;

        while (map->slots[i].value && map->slots[i].value != &tombstone)
                i = (i + 1) & mask;
        return map->slots + i;
}

static int make_room(struct map *map) {
        struct map roomy = {.kind = map->kind, .n_slots = SLOTS_MIN};

        if (map->n_slots > 0 && map->n_dirty + 1 <= map->n_slots / 4 * 3)
                return 0;
        while (map->n_used + 1 > roomy.n_slots / 2)
                if (__builtin_mul_overflow(roomy.n_slots, 2, &roomy.n_slots))
                        return -ENOMEM;

        roomy.slots = calloc(roomy.n_slots, sizeof(*roomy.slots));
        if (!roomy.slots)
                return -ENOMEM;
        for (size_t i = 0; i < map->n_slots; i++)
                if (map->slots[i].value && map->slots[i].value != &tombstone)
                        *place(&roomy, map->slots + i) = map->slots[i];
        roomy.n_used = roomy.n_dirty = map->n_used;
        free(map->slots);
        *map = roomy;
        return 0;
}

static int put(struct map *map, const struct slot *new) {
        struct slot *slot;
        int r;

        if (!new->value)
                return -EINVAL;
        if (find(map, new))
                return -EEXIST;
        r = make_room(map);
        if (r < 0)
                return r;

        slot = place(map, new);
        if (!slot->value)
                map->n_dirty++;
        *slot = *new;
        map->n_used++;
        return 0;
}

int map_put(struct map *map, const char *key, void *value) {
        return put(map, &(struct slot) {.key.string = key, .value = value});
}

int map_put_u64(struct map *map, uint64_t key, void *value) {
        return put(map, &(struct slot) {.key.number = key, .value = value});
}

void *map_get(const struct map *map, const char *key) {
        struct slot *slot = find(map, &(struct slot) {.key.string = key});

        return slot ? slot->value : NULL;
}

void *map_get_u64(const struct map *map, uint64_t key) {
        struct slot *slot = find(map, &(struct slot) {.key.number = key});

        return slot ? slot->value : NULL;
}

static void *take(struct map *map, struct slot *slot) {
        void *value;

        if (!slot)
                return NULL;
        value = slot->value;
        *slot = (struct slot) {.value = &tombstone};
        map->n_used--;
        return value;
}

void *map_remove(struct map *map, const char *key) {
        return take(map, find(map, &(struct slot) {.key.string = key}));
}

void *map_remove_u64(struct map *map, uint64_t key) {
        return take(map, find(map, &(struct slot) {.key.number = key}));
}

void *map_next(const struct map *map, size_t *position) {
        while (*position < map->n_slots) {
                void *value = map->slots[(*position)++].value;

                if (value && value != &tombstone)
                        return value;
        }
        return NULL;
}
