/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A tree as text, a line for each entry in the order of the paths: all that a copy of it has to have in common with it, hard links by the first of
 * their names. Written without what it is to test. */

#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "util/cleanup.h"

enum { SNAPSHOT_MAX = 20000 };

static struct snapshot_path {
        char *path;
        struct stat status;
} snapshot_paths[SNAPSHOT_MAX];
static size_t snapshot_n;

static inline int snapshot_add(const char *path, const struct stat *status, int type, struct FTW *where) {
        (void) type;
        (void) where;
        ck_assert_uint_lt(snapshot_n, SNAPSHOT_MAX);
        snapshot_paths[snapshot_n].path = strdup(path);
        snapshot_paths[snapshot_n++].status = *status;
        return 0;
}

static inline int snapshot_compare(const void *a, const void *b) {
        return strcmp(((const struct snapshot_path *) a)->path, ((const struct snapshot_path *) b)->path);
}

static inline void snapshot_hash(FILE *to, const void *data, size_t size) {
        const unsigned char *byte = data;
        unsigned long hash = 5381;

        for (size_t i = 0; i < size; i++)
                hash = hash * 33 + byte[i];
        fprintf(to, "%lx", hash);
}

static inline void snapshot_contents(FILE *to, const char *path, size_t size) {
        _cleanup_free_ char *data = malloc(size + 1);
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        size_t n = 0;
        ssize_t got;

        ck_assert_int_ge(fd, 0);
        while (n < size && (got = read(fd, data + n, size - n)) > 0)
                n += (size_t) got;
        ck_assert_uint_eq(n, size);
        snapshot_hash(to, data, size);
}

static inline int snapshot_compare_names(const void *a, const void *b) {
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static inline void snapshot_attributes(FILE *to, const char *path) {
        char names[65536], value[65536], *sorted[64];
        ssize_t size = llistxattr(path, names, sizeof(names));
        size_t n = 0;

        for (char *name = names; size > 0 && name < names + size && n < 64; name += strlen(name) + 1)
                sorted[n++] = name;
        qsort(sorted, n, sizeof(*sorted), snapshot_compare_names);
        for (size_t i = 0; i < n; i++) {
                ssize_t bytes;

                if (strncmp(sorted[i], "trusted.overlay.", strlen("trusted.overlay.")) == 0)
                        continue;
                bytes = lgetxattr(path, sorted[i], value, sizeof(value));
                ck_assert_int_ge(bytes, 0);
                fprintf(to, " %s=", sorted[i]);
                snapshot_hash(to, value, (size_t) bytes);
        }
}

static inline void snapshot_line(FILE *to, const char *root, size_t i) {
        const struct stat *status = &snapshot_paths[i].status;
        const char *path = snapshot_paths[i].path;
        size_t first = i;
        char target[4097];
        ssize_t n;

        for (size_t j = 0; j < i && !S_ISDIR(status->st_mode); j++)
                if (snapshot_paths[j].status.st_ino == status->st_ino && snapshot_paths[j].status.st_dev == status->st_dev && first == i)
                        first = j;
        fprintf(to, "%s %o %u:%u %ld.%09ld", path + strlen(root), status->st_mode, status->st_uid, status->st_gid, (long) status->st_mtim.tv_sec,
                status->st_mtim.tv_nsec);
        if (first != i)
                fprintf(to, " link of %s", snapshot_paths[first].path + strlen(root));
        if (S_ISREG(status->st_mode)) {
                fprintf(to, " %ld ", (long) status->st_size);
                snapshot_contents(to, path, (size_t) status->st_size);
        }
        if (S_ISLNK(status->st_mode)) {
                n = readlink(path, target, sizeof(target) - 1);
                ck_assert_int_ge(n, 0);
                fprintf(to, " -> %.*s", (int) n, target);
        }
        if (S_ISCHR(status->st_mode) || S_ISBLK(status->st_mode))
                fprintf(to, " %lx", (unsigned long) status->st_rdev);
        snapshot_attributes(to, path);
        fputc('\n', to);
}

/* The caller frees it. */
static inline char *snapshot_of(const char *root) {
        char *text = NULL;
        size_t size = 0;
        FILE *to = open_memstream(&text, &size);

        ck_assert_ptr_nonnull(to);
        snapshot_n = 0;
        ck_assert_int_eq(nftw(root, snapshot_add, 64, FTW_PHYS), 0);
        qsort(snapshot_paths, snapshot_n, sizeof(*snapshot_paths), snapshot_compare);
        for (size_t i = 0; i < snapshot_n; i++)
                snapshot_line(to, root, i);
        for (size_t i = 0; i < snapshot_n; i++)
                free(snapshot_paths[i].path);
        ck_assert_int_eq(fclose(to), 0);
        return text;
}

/* Says which lines they do not have in common, and fails if there are any. */
static inline void snapshots_equal(const char *wanted, const char *found) {
        if (strcmp(wanted, found) == 0)
                return;
        fprintf(stderr, "# wanted:\n%s# found:\n%s", wanted, found);
        ck_abort_msg("the trees are not the same");
}
