/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines are user:first:size. One that says something else is nobody's. */

#include "kernel/subids.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/array.h"
#include "util/log.h"

static const char PASSWD[] = "/etc/passwd";

/* The names of the user, as many as there are. */
static int read_names(uid_t user, char ***ret) {
        _cleanup_fclose_ FILE *file = fopen(PASSWD, "re");
        _cleanup_strv_ char **names = NULL;
        const struct passwd *entry;

        if (!file && errno != ENOENT)
                return log_errno(LOG_ERR, errno, "open %s", PASSWD);
        while (file && (entry = fgetpwent(file)))
                if (entry->pw_uid == user && strv_append(&names, entry->pw_name) < 0)
                        return log_oom();
        if (!names && strv_copy(NULL, &names) < 0)
                return log_oom();
        *ret = TAKE_PTR(names);
        return 0;
}

static bool is_user(const char *text, uid_t user, char *const *names) {
        char number[sizeof("4294967295")];

        (void) snprintf(number, sizeof(number), "%" PRIu32, (uint32_t) user); /* cannot be cut: sized for any */
        if (strcmp(text, number) == 0)
                return true;
        for (; *names; names++)
                if (strcmp(text, *names) == 0)
                        return true;
        return false;
}

static bool parse_number(const char *text, uint32_t *ret) {
        unsigned long long number;
        char *end;

        if (*text < '0' || *text > '9')
                return false;
        errno = 0;
        number = strtoull(text, &end, 10);
        if (errno != 0 || *end != '\0' || number > UINT32_MAX)
                return false;
        *ret = (uint32_t) number;
        return true;
}

/* Whether the line, which is taken apart, is a range of the user's. */
static bool parse_line(char *line, uid_t user, char *const *names, struct id_range *ret) {
        char *name = strsep(&line, ":"), *first = strsep(&line, ":"), *size = line;

        if (!first || !size)
                return false;
        size[strcspn(size, "\n")] = '\0';
        return is_user(name, user, names) && parse_number(first, &ret->first) && parse_number(size, &ret->size) &&
               ret->size > 0 && (uint64_t) ret->first + ret->size <= UINT32_MAX;
}

int subids_read(const char *path, uid_t user, uint32_t own, struct id_range **ret, size_t *ret_n) {
        _cleanup_fclose_ FILE *file = fopen(path, "re");
        _cleanup_free_ struct id_range *ranges = NULL;
        _cleanup_strv_ char **names = NULL;
        _cleanup_free_ char *line = NULL;
        struct id_range *range;
        size_t n = 0, room = 0;
        int r;

        if (!file && errno != ENOENT)
                return log_errno(LOG_ERR, errno, "open %s", path);
        r = read_names(user, &names);
        if (r < 0)
                return r;
        range = array_append(&ranges, &n);
        if (!range)
                return log_oom();
        *range = (struct id_range){.first = own, .size = 1};
        while (file && n < SUBIDS_MAX && getline(&line, &room, file) >= 0) {
                struct id_range found;

                if (!parse_line(line, user, names, &found))
                        continue;
                range = array_append(&ranges, &n);
                if (!range)
                        return log_oom();
                *range = found;
        }
        *ret = TAKE_PTR(ranges);
        *ret_n = n;
        return 0;
}
