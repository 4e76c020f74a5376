/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Id mappings as text, for the kernel and for people, and whose ids they name. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "spec/idmap.h"
#include "util/array.h"

/* Each mapping as three numbers with `between` between them and `after` after each mapping but the last, or each. */
static int write_list(FILE *out, const struct id_mapping *list, size_t n, char between, char after, bool always) {
        int r = 0;

        for (size_t i = 0; i < n && r >= 0; i++) {
                r = fprintf(out, "%s%" PRIu32 "%c%" PRIu32 "%c%" PRIu32, list[i].relative ? "@" : "", list[i].container_id,
                        between, list[i].host_id, between, list[i].size);
                if (r >= 0 && (always || i + 1 < n))
                        r = fputc(after, out);
        }
        return r;
}

char *idmap_to_lines(const struct id_mapping *list, size_t n) {
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        int r;

        if (!out)
                return NULL;
        r = write_list(out, list, n, ' ', '\n', true);
        if (fclose(out) != 0 || r < 0) {
                free(text);
                return NULL;
        }
        return text;
}

char *idmap_to_text(const struct idmap *idmap) {
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        int r;

        if (!out)
                return NULL;
        r = fputs("uids=", out);
        if (r >= 0)
                r = write_list(out, idmap->uids, idmap->n_uids, '-', '#', false);
        if (r >= 0)
                r = fputs(";gids=", out);
        if (r >= 0)
                r = write_list(out, idmap->gids, idmap->n_gids, '-', '#', false);
        if (fclose(out) != 0 || r < 0) {
                free(text);
                return NULL;
        }
        return text;
}

int idmap_from_lines(const char *lines, struct id_mapping **ret, size_t *ret_n) {
        _cleanup_free_ struct id_mapping *list = NULL;
        size_t n = 0;

        while (*lines) {
                struct id_mapping *mapping;
                uint32_t container_id, host_id, size;
                int length = 0;

                if (sscanf(lines, " %" SCNu32 " %" SCNu32 " %" SCNu32 "%n", &container_id, &host_id, &size, &length) != 3 ||
                        lines[length] != '\n' || n >= IDMAP_MAX)
                        return -EINVAL;
                mapping = array_append(&list, &n);
                if (!mapping)
                        return -ENOMEM;
                *mapping = (struct id_mapping){.container_id = container_id, .host_id = host_id, .size = size};
                lines += length + 1;
        }
        *ret = TAKE_PTR(list);
        *ret_n = n;
        return 0;
}

/* The first id from `first` on, `size` of them, that is in no range; UINT64_MAX for none. */
static uint64_t find_foreign(uint32_t first, uint32_t size, const struct id_range *ranges, size_t n) {
        uint64_t at = first, end = (uint64_t) first + size;

        while (at < end) {
                uint64_t before = at;

                for (size_t i = 0; i < n; i++)
                        if (at >= ranges[i].first && at < (uint64_t) ranges[i].first + ranges[i].size)
                                at = (uint64_t) ranges[i].first + ranges[i].size;
                if (at == before)
                        return at;
        }
        return UINT64_MAX;
}

bool idmap_is_within(const struct id_mapping *list, size_t n, const struct id_range *ranges, size_t n_ranges,
        uint32_t *ret_foreign) {
        for (size_t i = 0; i < n; i++) {
                uint64_t foreign = find_foreign(list[i].container_id, list[i].size, ranges, n_ranges);

                if (foreign == UINT64_MAX)
                        foreign = find_foreign(list[i].host_id, list[i].size, ranges, n_ranges);
                if (foreign == UINT64_MAX)
                        continue;
                *ret_foreign = (uint32_t) foreign;
                return false;
        }
        return true;
}

bool idmap_has(const struct id_mapping *list, size_t n, uint32_t container_id) {
        for (size_t i = 0; i < n; i++)
                if (container_id >= list[i].container_id && container_id - list[i].container_id < list[i].size)
                        return true;
        return false;
}
