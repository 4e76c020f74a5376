/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The directories of a pod, as one list of strings: so the store keeps them with the pod itself. */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/store.h"
#include "util/array.h"

enum { STRINGS = 3 /* a directory */ };

int record_directories_write(const struct record_pod *pod, char ***ret) {
        _cleanup_strv_ char **strv = NULL;

        for (size_t i = 0; i < pod->n_directories; i++) {
                const struct record_directory *directory = &pod->directories[i];
                _cleanup_free_ char *numbers = NULL;

                if (asprintf(&numbers, "%" PRIu32 " %" PRIu32 " %" PRIu32, directory->made, directory->step,
                            directory->which) < 0) {
                        numbers = NULL;
                        return -ENOMEM;
                }
                if (strv_append(&strv, directory->root) < 0 || strv_append(&strv, directory->path) < 0 ||
                        strv_append(&strv, numbers) < 0)
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

int record_directories_read(char *const *strv, struct record_pod *pod) {
        if (strv_length(strv) % STRINGS != 0)
                return -EBADMSG;
        for (size_t i = 0; strv && strv[i]; i += STRINGS) {
                struct record_directory *directory = array_append(&pod->directories, &pod->n_directories);
                const char *numbers = strv[i + 2];

                if (!directory)
                        return -ENOMEM;
                directory->root = strdup(strv[i]);
                directory->path = strdup(strv[i + 1]);
                if (!directory->root || !directory->path)
                        return -ENOMEM;
                if (!take_number(&numbers, &directory->made) || !take_number(&numbers, &directory->step) ||
                        !take_number(&numbers, &directory->which) || *numbers != 0)
                        return -EBADMSG;
        }
        return 0;
}
