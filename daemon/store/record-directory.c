/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The directories of a pod, as one list of strings: so the store keeps them with the pod itself. */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/store.h"
#include "util/array.h"
#include "util/text.h"

enum { STRINGS = 4 /* a directory; before version 8 it had no container, and 3 */ };

int record_directories_write(const struct record_pod *pod, char ***ret) {
        _cleanup_strv_ char **strv = pod->n_directories == 0 ? NULL : calloc(STRINGS * pod->n_directories + 1, sizeof(char *));
        char **next = strv;

        if (!strv && pod->n_directories > 0)
                return -ENOMEM;
        for (size_t i = 0; i < pod->n_directories; i++, next += STRINGS) {
                const struct record_directory *directory = &pod->directories[i];

                next[0] = strdup(directory->root);
                next[1] = next[0] ? strdup(directory->path) : NULL;
                next[2] = next[1] ? strdup(directory->container) : NULL;
                next[3] = next[2] ? text_format("%" PRIu32 " %" PRIu32 " %" PRIu32, directory->made, directory->step, directory->which) : NULL;
                if (!next[3])
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(strv);
        return 0;
}

/* One decimal number, and the blank or the end behind it. */
static bool take_number(const char **text, uint32_t *ret) {
        char *end = NULL;
        unsigned long number;

        if (**text < '0' || **text > '9')
                return false;
        errno = 0;
        number = strtoul(*text, &end, 10);
        if (errno != 0 || number > UINT32_MAX || (*end != ' ' && *end != 0))
                return false;
        *ret = (uint32_t) number;
        *text = end + (*end == ' ');
        return true;
}

static bool take_numbers(const char *text, struct record_directory *ret) {
        return take_number(&text, &ret->made) && take_number(&text, &ret->step) && take_number(&text, &ret->which) && *text == 0;
}

int record_directories_read(char *const *strv, struct record_pod *pod) {
        size_t n = strv_length(strv);

        for (size_t i = 0; i < n;) {
                struct record_directory *directory = array_append(&pod->directories, &pod->n_directories);
                /* Numbers have blanks between them, and a name has none. */
                size_t strings = i + 2 < n && strchr(strv[i + 2], ' ') ? STRINGS - 1 : STRINGS;

                if (!directory)
                        return -ENOMEM;
                if (n - i < strings)
                        return -EBADMSG;
                directory->root = strdup(strv[i]);
                directory->path = strdup(strv[i + 1]);
                directory->container = strdup(strings == STRINGS ? strv[i + 2] : "");
                if (!directory->root || !directory->path || !directory->container)
                        return -ENOMEM;
                if (!take_numbers(strv[i + strings - 1], directory))
                        return -EBADMSG;
                i += strings;
        }
        return 0;
}
