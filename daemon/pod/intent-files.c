/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "pod/intent-files.h"

#include <string.h>

#include "pod/doom.h"
#include "pod/registry.h"
#include "util/array.h"
#include "util/log.h"
#include "util/path.h"

/* Text at the end, whose directory did not come to be noted, would be taken for that of the next file's first one. */
static size_t without_loose_text(const struct intent_mount *entries, size_t n) {
        uint32_t made;

        while (n > 0 && !intent_is_mount(&entries[n - 1]) && intent_is_directory(&entries[n - 1], &made) == INTENT_NO_DIRECTORY)
                n--;
        return n;
}

static int read_intent(int fd, uint64_t job, struct intent_mount **entries, size_t *n_entries) {
        _cleanup_free_ struct intent_mount *found = NULL;
        uint64_t of = 0;
        size_t n = 0;
        int r = intent_read(fd, &of, &found, &n);

        if (r < 1 || of != job)
                return r < 0 ? r : 0;
        n = without_loose_text(found, n);
        for (size_t i = 0; i < n; i++) {
                struct intent_mount *entry = array_append(entries, n_entries);

                if (!entry)
                        return -ENOMEM;
                *entry = found[i];
        }
        return 0;
}

int intent_files_read(const int *fds, size_t n_fds, uint64_t job, struct intent_mount **ret, size_t *ret_n) {
        _cleanup_free_ struct intent_mount *entries = NULL;
        size_t n = 0;

        for (size_t i = 0; i < n_fds; i++) {
                int r = fds[i] >= 0 ? read_intent(fds[i], job, &entries, &n) : 0;

                if (r == -ENOMEM)
                        return log_oom();
                if (r < 0) /* another one may be about the job */
                        (void) log_errno(LOG_WARNING, r, "read intent file %zu", i);
        }
        *ret = TAKE_PTR(entries);
        *ret_n = n;
        return 0;
}

int intent_files_read_mounts(const int *fds, size_t n_fds, uint64_t job, struct intent_mount **ret, size_t *ret_n) {
        int r = intent_files_read(fds, n_fds, job, ret, ret_n);
        size_t n = 0;

        for (size_t i = 0; r == 0 && i < *ret_n; i++)
                if (intent_is_mount(&(*ret)[i]))
                        (*ret)[n++] = (*ret)[i];
        if (r == 0)
                *ret_n = n;
        return r;
}

/* How sure it is that the mount is there: not at all, something with its id is, or in its pod, or at its very place. An id that
 * is used again may be that of any other mount, also of one that the same job has made. */
static int presence_of(const struct pods *pods, const char *uuid, const char *place, const struct intent_mount *mount) {
        _cleanup_free_ char *directory = pods_directory(pods, uuid);
        const struct entry *entry = doom_find_made(pods, uuid, mount);
        size_t length = directory ? strlen(directory) : 0;

        if (!entry || !directory)
                return entry != NULL;
        if (!path_is_below(entry->point, directory))
                return 1;
        return place && entry->point[length] == '/' && strcmp(entry->point + length + 1, place) == 0 ? 3 : 2;
}

const struct intent_mount *intent_files_choose(const struct pods *pods, const char *uuid, const char *place, const struct intent_mount *mounts, size_t n) {
        const struct intent_mount *best = NULL;
        int presence = -1;

        for (size_t i = 0; i < n; i++) {
                int p = presence_of(pods, uuid, place, &mounts[i]);

                if (p > presence) {
                        best = &mounts[i];
                        presence = p;
                }
        }
        return best;
}
