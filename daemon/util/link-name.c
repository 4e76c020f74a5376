/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "util/link-name.h"

#include <errno.h>
#include <string.h>

#include "util/array.h"

bool link_name_is_valid(const char *name) {
        static const char *const others[] = {".", "..", "lo", "all", "default"}; /* the last two are directories of sysctl */
        size_t length = strnlen(name, LINK_NAME_SIZE);

        if (length == 0 || length >= LINK_NAME_SIZE)
                return false;
        for (size_t i = 0; i < length; i++)
                if (name[i] <= ' ' || name[i] > '~' || strchr("/:%\"'\\", name[i]))
                        return false;
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                if (strcmp(name, others[i]) == 0)
                        return false;
        return true;
}

bool link_kind_is_valid(const char *kind) {
        size_t length = strnlen(kind, LINK_NAME_SIZE);

        return length > 0 && length < LINK_NAME_SIZE && kind[0] >= 'a' && kind[0] <= 'z' &&
               strspn(kind, "abcdefghijklmnopqrstuvwxyz0123456789-_") == length;
}

int link_names_add(char list[PREFIXES_SIZE], const char *text) {
        size_t used = strlen(list);

        for (text += strspn(text, " \t"); *text; text += strspn(text, " \t")) {
                size_t size = strcspn(text, " \t");
                char name[LINK_NAME_SIZE] = "";

                if (size >= sizeof(name))
                        return -EINVAL;
                memcpy(name, text, size);
                if (!link_name_is_valid(name))
                        return -EINVAL;
                if (used + (used > 0) + size + 1 > PREFIXES_SIZE)
                        return -E2BIG;
                if (used > 0)
                        list[used++] = ' ';
                memcpy(list + used, name, size + 1);
                used += size;
                text += size;
        }
        return 0;
}
