/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Applies a tar archive to a plain tree, as the OCI image specification says (layer.md), by libarchive: what a diff is good for. */

#include <archive.h>
#include <archive_entry.h>
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/unit/content/sink.h"

static inline int applier_remove(const char *path, const struct stat *status, int type, struct FTW *where) {
        (void) status;
        (void) type;
        (void) where;
        return remove(path);
}

static inline void applier_delete(const char *path) {
        struct stat status;

        if (lstat(path, &status) == 0)
                ck_assert_int_eq(nftw(path, applier_remove, 64, FTW_PHYS | FTW_DEPTH), 0);
}

/* An archive is applied when nothing of it lies in the directory yet: the marker comes first. */
static inline void applier_empty(const char *path) {
        DIR *directory = opendir(path);
        struct dirent *entry;

        ck_assert_ptr_nonnull(directory);
        while ((entry = readdir(directory))) {
                _cleanup_free_ char *child = NULL;

                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                ck_assert_int_gt(asprintf(&child, "%s/%s", path, entry->d_name), 0);
                applier_delete(child);
        }
        (void) closedir(directory);
}

/* Whether it was a marker. */
static inline bool applier_whiteout(const char *path) {
        _cleanup_free_ char *copy = strdup(path), *gone = NULL;
        const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
        char *directory = dirname(copy);

        if (strncmp(name, ".wh.", 4) != 0)
                return false;
        if (strcmp(name, ".wh..wh..opq") == 0) {
                applier_empty(directory);
                return true;
        }
        ck_assert_int_gt(asprintf(&gone, "%s/%s", directory, name + 4), 0);
        applier_delete(gone);
        return true;
}

/* A directory has the attributes that its entry says, and no others. */
static inline void applier_strip(const char *path) {
        char names[4096];
        ssize_t size = llistxattr(path, names, sizeof(names));

        ck_assert_int_ge(size, 0);
        for (const char *name = names; name < names + size; name += strlen(name) + 1)
                ck_assert_int_eq(lremovexattr(path, name), 0);
}

/* Files are unlinked first, so that no other name of what was there is written to. */
static inline void applier_clear(struct archive_entry *entry) {
        _cleanup_free_ char *path = strdup(archive_entry_pathname(entry));
        size_t size = strlen(path);
        struct stat status;

        if (size > 1 && path[size - 1] == '/') /* behind which a symlink is followed */
                path[size - 1] = '\0';
        if (lstat(path, &status) < 0)
                return;
        if (S_ISDIR(status.st_mode) && archive_entry_filetype(entry) == AE_IFDIR)
                applier_strip(path);
        else
                applier_delete(path);
}

/* Of directories, when nothing is put into them any more: their times, and the lists that what is made in them inherits. */
static struct applier_time {
        char *path;
        struct timespec when;
        void *list;
        size_t list_size;
} applier_times[4096];
static size_t applier_n_times;

static inline void applier_note(struct archive_entry *entry) {
        struct applier_time *time;
        const char *name;
        const void *value;
        size_t size;

        if (archive_entry_filetype(entry) != AE_IFDIR)
                return;
        ck_assert_uint_lt(applier_n_times, ELEMENTSOF(applier_times));
        time = &applier_times[applier_n_times++];
        *time = (struct applier_time) {strdup(archive_entry_pathname(entry)), {archive_entry_mtime(entry), archive_entry_mtime_nsec(entry)}, NULL, 0};
        (void) archive_entry_xattr_reset(entry);
        while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK)
                if (strcmp(name, "system.posix_acl_default") == 0) {
                        time->list = memcpy(malloc(size), value, size);
                        time->list_size = size;
                }
}

static inline void applier_set_times(void) {
        while (applier_n_times > 0) {
                struct applier_time *at = &applier_times[--applier_n_times];
                const struct timespec times[] = {{.tv_nsec = UTIME_OMIT}, at->when};

                if (at->list)
                        ck_assert_int_eq(lsetxattr(at->path, "system.posix_acl_default", at->list, at->list_size, 0), 0);
                ck_assert_int_eq(utimensat(AT_FDCWD, at->path, times, 0), 0);
                free(at->path);
                free(at->list);
        }
}

/* Access control lists, which libarchive leaves out when it sets attributes. */
static inline void applier_lists(struct archive_entry *entry) {
        const char *name;
        const void *value;
        size_t size;

        (void) archive_entry_xattr_reset(entry);
        while (!archive_entry_hardlink(entry) && archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK)
                if (strcmp(name, "system.posix_acl_access") == 0)
                        ck_assert_int_eq(lsetxattr(archive_entry_pathname(entry), name, value, size, 0), 0);
}

/* The working directory is the tree. */
static inline void applier_apply(const struct sink *sink) {
        struct archive *reader = archive_read_new(), *disk = archive_write_disk_new();
        struct archive_entry *entry;
        int r;

        ck_assert_int_eq(archive_read_support_format_tar(reader), ARCHIVE_OK);
        ck_assert_int_eq(archive_read_open_memory(reader, sink->data, sink->size), ARCHIVE_OK);
        ck_assert_int_eq(archive_write_disk_set_options(disk,
                        ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_XATTR | ARCHIVE_EXTRACT_SPARSE), ARCHIVE_OK);
        while ((r = archive_read_next_header(reader, &entry)) == ARCHIVE_OK || r == ARCHIVE_WARN) {
                if (applier_whiteout(archive_entry_pathname(entry)))
                        continue;
                applier_clear(entry);
                r = archive_read_extract2(reader, entry, disk);
                if (r != ARCHIVE_OK)
                        ck_abort_msg("%s: %s", archive_entry_pathname(entry), archive_error_string(reader));
                applier_lists(entry);
                applier_note(entry);
        }
        ck_assert_int_eq(r, ARCHIVE_EOF);
        ck_assert_int_eq(archive_write_free(disk), ARCHIVE_OK);
        ck_assert_int_eq(archive_read_free(reader), ARCHIVE_OK);
        applier_set_times();
}
