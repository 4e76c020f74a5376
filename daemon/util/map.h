/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A hash map from a 64-bit number, or from a string, to a pointer. Open addressing; both keys and values belong to the
 * caller and must outlive their entry (a string key usually lives in the value). Safe against chosen keys: the string
 * hash is SipHash-like with a key of the process's own (getrandom(2)).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"

enum map_key { MAP_KEY_U64, MAP_KEY_STRING };

struct map;

/* A new, empty map; NULL when memory is short. */
struct map *map_new(enum map_key kind);
/* Frees the map, not its keys and values. Takes and returns NULL. */
struct map *map_free(struct map *map);
DEFINE_CLEANUP(struct map *, map_free)

/* The number of entries. */
size_t map_size(const struct map *map);
/* What it has allocated for itself, in bytes; keys and values not. */
size_t map_bytes(const struct map *map);

/* Adds an entry. -EEXIST when the key is there, -EINVAL for a NULL value, -ENOMEM; on failure nothing changed. */
int map_put(struct map *map, const char *key, void *value);
int map_put_u64(struct map *map, uint64_t key, void *value);
/* The value, or NULL. */
void *map_get(const struct map *map, const char *key);
void *map_get_u64(const struct map *map, uint64_t key);
/* Takes the entry out and returns its value, or NULL. */
void *map_remove(struct map *map, const char *key);
void *map_remove_u64(struct map *map, uint64_t key);

/* Walks all entries in no particular order: start with *position = 0, ends with NULL. The entry just returned may be
 * removed during the walk; nothing may be added. */
void *map_next(const struct map *map, size_t *position);

#define MAP_FOREACH(value, map) \
        for (size_t _position = 0; ((value) = map_next((map), &_position));)
