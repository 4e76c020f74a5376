/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "util/prefixes.h"

#include <errno.h>
#include <string.h>

#include "util/path.h"

static int check(const char *word, const char *const *reserved) {
        _cleanup_free_ char *normal = NULL;
        int r = path_normalize(word, &normal);

        if (r == -ENOMEM)
                return r;
        if (r < 0 || strcmp(word, normal) != 0)
                return -EINVAL;
        if (strcmp(word, "/") == 0)
                return -EPERM;
        for (; reserved && *reserved; reserved++)
                if (path_is_below(word, *reserved) || path_is_below(*reserved, word))
                        return -EPERM;
        return 0;
}

int prefixes_add(char list[PREFIXES_SIZE], const char *text, const char *const *reserved) {
        size_t used = strlen(list);

        for (text += strspn(text, " \t"); *text; text += strspn(text, " \t")) {
                size_t size = strcspn(text, " \t");
                _cleanup_free_ char *word = strndup(text, size);
                int r = word ? check(word, reserved) : -ENOMEM;

                if (r < 0)
                        return r;
                if (used + (used > 0) + size + 1 > PREFIXES_SIZE)
                        return -E2BIG;
                if (used > 0)
                        list[used++] = ' ';
                memcpy(list + used, word, size + 1);
                used += size;
                text += size;
        }
        return 0;
}

const char *prefixes_find(const char *list, const char *path, size_t *ret_length) {
        for (size_t size; *list; list += size + (list[size] == ' ')) {
                size = strcspn(list, " ");
                if (strncmp(path, list, size) != 0 || path[size] != '/')
                        continue;
                *ret_length = size;
                return list;
        }
        return NULL;
}

bool prefixes_has(const char *list, const char *path) {
        size_t length = strlen(path);

        for (size_t size; *list; list += size + (list[size] == ' ')) {
                size = strcspn(list, " ");
                if (size == length && strncmp(path, list, size) == 0)
                        return true;
        }
        return false;
}
