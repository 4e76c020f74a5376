/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Inline id mappings, and what makes a list of them one that a kernel takes: user_namespaces(7). */

#include "spec/idmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/array.h"

static const char FORM[] = "of the form uids=CONTAINER-HOST-SIZE#…;gids=CONTAINER-HOST-SIZE#…";

void idmap_done(struct idmap *idmap) {
        free(idmap->uids);
        free(idmap->gids);
        *idmap = (struct idmap){};
}

static int copy_list(const struct id_mapping *from, size_t n, struct id_mapping **ret) {
        if (n == 0)
                return 0;
        *ret = reallocarray(NULL, n, sizeof(*from));
        if (!*ret)
                return -ENOMEM;
        memcpy(*ret, from, n * sizeof(*from));
        return 0;
}

int idmap_copy(const struct idmap *from, struct idmap *ret) {
        _cleanup_idmap_ struct idmap copy = {.given = from->given, .recursive = from->recursive};

        if (copy_list(from->uids, from->n_uids, &copy.uids) < 0 || copy_list(from->gids, from->n_gids, &copy.gids) < 0)
                return -ENOMEM;
        copy.n_uids = from->n_uids;
        copy.n_gids = from->n_gids;
        *ret = copy;
        copy = (struct idmap){};
        return 0;
}

/* Reads a number below 2^32-1 that `after` follows. */
static bool take_id(const char **text, char after, uint32_t *ret) {
        uint64_t number = 0;
        const char *p = *text;

        for (; *p >= '0' && *p <= '9'; p++) {
                number = number * 10 + (uint64_t) (*p - '0');
                if (number >= UINT32_MAX)
                        return false;
        }
        if (p == *text || (after != '\0' && *p != after))
                return false;
        *text = p + (after != '\0');
        *ret = (uint32_t) number;
        return true;
}

static size_t digits(uint32_t number) {
        size_t n = 1;

        for (; number >= 10; number /= 10)
                n++;
        return n;
}

static bool meet(uint32_t a, uint32_t a_size, uint32_t b, uint32_t b_size) {
        return (uint64_t) a < (uint64_t) b + b_size && (uint64_t) b < (uint64_t) a + a_size;
}

const char *idmap_check_last(const struct id_mapping *list, size_t n) {
        const struct id_mapping *last = &list[n - 1];
        size_t size = 0;

        if (n > IDMAP_MAX)
                return "at most 340 mappings, which is the kernel's limit";
        for (size_t i = 0; i < n; i++)
                size += digits(list[i].container_id) + digits(list[i].host_id) + digits(list[i].size) + 3;
        if (size > IDMAP_TEXT_MAX)
                return "at most 4095 bytes as the kernel writes them, which is its limit: merge ranges";
        if (last->size == 0 || (uint64_t) last->container_id + last->size > UINT32_MAX ||
                (uint64_t) last->host_id + last->size > UINT32_MAX)
                return "made of ranges below 4294967295 with a size above 0";
        for (size_t i = 0; i + 1 < n; i++)
                if (meet(list[i].container_id, list[i].size, last->container_id, last->size) ||
                        (list[i].relative == last->relative &&
                                meet(list[i].host_id, list[i].size, last->host_id, last->size)))
                        return "made of ranges that do not overlap";
        return NULL;
}

const char *idmap_check(const struct id_mapping *list, size_t n) {
        const char *must = NULL;

        if (n > IDMAP_MAX)
                return idmap_check_last(list, n);
        for (size_t i = 1; i <= n && !must; i++)
                must = idmap_check_last(list, i);
        return must;
}

static int parse_list(const char **text, struct id_mapping **list, size_t *n, const char **ret_must) {
        do {
                struct id_mapping mapping = {};

                *text += **text == '#' && *n > 0;
                mapping.relative = **text == '@';
                *text += mapping.relative;
                if (!take_id(text, '-', &mapping.container_id) || !take_id(text, '-', &mapping.host_id) ||
                        !take_id(text, '\0', &mapping.size)) {
                        *ret_must = FORM;
                        return 1;
                }
                if (!array_append(list, n))
                        return -ENOMEM;
                (*list)[*n - 1] = mapping;
                *ret_must = idmap_check_last(*list, *n);
                if (*ret_must)
                        return 1;
        } while (**text == '#');
        return 0;
}

int idmap_parse(const char *text, struct idmap *ret, const char **ret_must) {
        _cleanup_idmap_ struct idmap idmap = {};

        for (;;) {
                bool users = strncmp(text, "uids=", 5) == 0;
                int r;

                if ((!users && strncmp(text, "gids=", 5) != 0) || (users ? idmap.n_uids : idmap.n_gids) > 0) {
                        *ret_must = FORM;
                        return 1;
                }
                text += 5;
                r = users ? parse_list(&text, &idmap.uids, &idmap.n_uids, ret_must)
                          : parse_list(&text, &idmap.gids, &idmap.n_gids, ret_must);
                if (r != 0)
                        return r;
                if (*text == '\0')
                        break;
                if (*text++ != ';') {
                        *ret_must = FORM;
                        return 1;
                }
        }
        free(ret->uids);
        free(ret->gids);
        ret->uids = TAKE_PTR(idmap.uids);
        ret->gids = TAKE_PTR(idmap.gids);
        ret->n_uids = idmap.n_uids;
        ret->n_gids = idmap.n_gids;
        return 0;
}
