/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Paths as text. Comparing by whole components, never by substring, is what keeps /pods/a1 out of /pods/a. */

#include "util/path.h"

#include <limits.h>
#include <string.h>

enum { NAME_LENGTH_MAX = 64 };

int path_normalize(const char *path, char **ret) {
        _cleanup_free_ char *normal = NULL;
        size_t at = 0;

        if (path[0] != '/')
                return -EINVAL;
        normal = malloc(strlen(path) + 1);
        if (!normal)
                return -ENOMEM;

        while (*path) {
                size_t length;

                path += strspn(path, "/");
                length = strcspn(path, "/");
                if (length == 2 && path[0] == '.' && path[1] == '.')
                        return -EXDEV;
                if (length > NAME_MAX)
                        return -ENAMETOOLONG;
                if (length > 0 && !(length == 1 && path[0] == '.')) {
                        normal[at++] = '/';
                        memcpy(normal + at, path, length);
                        at += length;
                }
                path += length;
        }
        if (at == 0)
                normal[at++] = '/';
        if (at > PATH_MAX - 1)
                return -ENAMETOOLONG;
        normal[at] = '\0';
        *ret = TAKE_PTR(normal);
        return 0;
}

static int rank(char c) {
        return c == '\0' ? 0 : c == '/' ? 1 : 2 + (unsigned char) c;
}

int path_compare(const char *a, const char *b) {
        size_t i = 0;

        while (a[i] && a[i] == b[i])
                i++;
        return rank(a[i]) - rank(b[i]);
}

const char *path_below(const char *path, const char *prefix) {
        size_t length = strlen(prefix);

        if (length == 1 && prefix[0] == '/')
                return path[0] == '/' ? path + 1 : NULL;
        if (strncmp(path, prefix, length) != 0)
                return NULL;
        if (path[length] == '\0')
                return path + length;
        return path[length] == '/' ? path + length + 1 : NULL;
}

bool path_is_below(const char *path, const char *prefix) {
        return path_below(path, prefix) != NULL;
}

size_t path_length_without(const char *path, uint32_t n) {
        size_t length = strlen(path);

        for (; n > 0 && length > 0; n--)
                do
                        length--;
                while (length > 0 && path[length] != '/');
        return length;
}

char *path_join(const char *directory, const char *name) {
        size_t head = strlen(directory), tail;
        char *joined;

        name += strspn(name, "/");
        if (name[0] == '\0')
                return strdup(directory);
        while (head > 0 && directory[head - 1] == '/')
                head--;
        tail = strlen(name);

        joined = malloc(head + 1 + tail + 1);
        if (!joined)
                return NULL;
        memcpy(joined, directory, head);
        joined[head] = '/';
        memcpy(joined + head + 1, name, tail + 1);
        return joined;
}

bool path_is_component(const char *name) {
        size_t length = strlen(name);

        if (length == 0 || length > NAME_MAX || strchr(name, '/'))
                return false;
        return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* Not isalnum(): the locale has no say in what a name is. */
static bool is_alphanumeric(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool name_is_valid(const char *name) {
        size_t length = strnlen(name, NAME_LENGTH_MAX + 1);

        if (length == 0 || length > NAME_LENGTH_MAX || !is_alphanumeric(name[0]))
                return false;
        for (size_t i = 1; i < length; i++)
                if (!is_alphanumeric(name[i]) && !strchr("._-", name[i]))
                        return false;
        return true;
}

bool layer_id_is_valid(const char *id) {
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
        size_t length = strnlen(id, LAYER_ID_MAX + 1);

        return length > 0 && length <= LAYER_ID_MAX && strspn(id, letters) == length && !strchr("_.-", id[0]);
}
