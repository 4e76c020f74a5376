/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small tars, plain and compressed. */

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/fuzz/seeds.h"
#include "util/cleanup.h"

static const struct row {
        const char *path, *link, *content;
        mode_t type;
} rows[] = {
        {"etc/", NULL, NULL, S_IFDIR},
        {"etc/file", NULL, "content\n", S_IFREG},
        {"etc/again", "etc/file", NULL, S_IFREG},
        {"etc/link", "../etc/file", NULL, S_IFLNK},
        {".wh.gone", NULL, "", S_IFREG},
        {"usr/.wh..wh..opq", NULL, "", S_IFREG},
        {"usr/a-name-that-is-longer-than-what-a-header-of-ustar-holds-so-that-there-is-one-of-pax-before-it-or-two-of-gnu/file", NULL, "x", S_IFREG},
        {"run/pipe", NULL, NULL, S_IFIFO},
        /* Of fuzz-apply.c's layers below: through links, to what is above the root, to nothing, round and round. */
        {"lib/through", NULL, "x", S_IFREG},
        {"a/c/lib/d/deep", NULL, "x", S_IFREG},
        {"l/again", "lib/through", NULL, S_IFREG},
        {"a/b/x/.wh.gone", NULL, "", S_IFREG},
        {"t/u/lib/.wh..wh..opq", NULL, "", S_IFREG},
        {"e/passwd", NULL, "x", S_IFREG},
        {"n/new", NULL, "x", S_IFREG},
        {"lib", NULL, NULL, S_IFDIR},
        {"usr/lib/.wh.f", NULL, "", S_IFREG},
        {"usr/.wh..wh..opq", NULL, "", S_IFREG},
        {".wh..wh..opq", NULL, "", S_IFREG},
};

/* Hard links to what is there alone, what removes it before and after that, and another name of the same file. */
static const struct row links[] = {
        {"hard", "a/b/f", NULL, S_IFREG},
        {"again", "a/b/f.too", NULL, S_IFREG},
        {"through", "lib/d/f", NULL, S_IFREG},
        {"a/own", "a/f", NULL, S_IFREG},
        {"over", "through", NULL, S_IFREG},
        {"symlink", "e", NULL, S_IFREG},
        {"usr/lib/d/.wh.f", NULL, "", S_IFREG},
        {"last", "f", NULL, S_IFREG},
        {"f", NULL, "x", S_IFREG},
        {"a/b/.wh..wh..opq", NULL, "", S_IFREG},
        {"late", "usr/lib/f", NULL, S_IFREG},
        {"usr", NULL, NULL, S_IFDIR},
};

static void write_entry(struct archive *archive, const struct row *row) {
        struct archive_entry *entry = archive_entry_new();
        size_t size = row->content ? strlen(row->content) : 0;

        archive_entry_set_pathname(entry, row->path);
        archive_entry_set_filetype(entry, row->type);
        archive_entry_set_perm(entry, 0755);
        archive_entry_set_mtime(entry, 1000000000, 5);
        if (row->link && row->type == S_IFREG)
                archive_entry_set_hardlink(entry, row->link);
        else if (row->link)
                archive_entry_set_symlink(entry, row->link);
        archive_entry_set_size(entry, (la_int64_t) size);
        if (size > 0)
                archive_entry_xattr_add_entry(entry, "user.name", "value", 5);
        if (archive_write_header(archive, entry) != ARCHIVE_OK || (size > 0 && archive_write_data(archive, row->content, size) < 0)) {
                fprintf(stderr, "seeds: %s: %s\n", row->path, archive_error_string(archive));
                exit(EXIT_FAILURE);
        }
        archive_entry_free(entry);
}

/* `which`: what fuzz-apply.c makes of the first byte. */
static void seed_rows(const char *name, int which, int format, int filter, const struct row *all, size_t n) {
        static char room[256 * 1024];
        struct archive *archive = archive_write_new();
        size_t used = 0;

        if (archive_write_set_format(archive, format) != ARCHIVE_OK || archive_write_add_filter(archive, filter) != ARCHIVE_OK ||
            archive_write_set_bytes_in_last_block(archive, 1) != ARCHIVE_OK || archive_write_open_memory(archive, room, sizeof(room), &used) != ARCHIVE_OK) {
                fprintf(stderr, "seeds: %s: %s\n", name, archive_error_string(archive));
                exit(EXIT_FAILURE);
        }
        for (size_t i = 0; i < n; i++)
                if (format != ARCHIVE_FORMAT_TAR_USTAR || strlen(all[i].path) < 100)
                        write_entry(archive, &all[i]);
        (void) archive_write_close(archive);
        seed("fuzz-apply", name, which, room, used);
        (void) archive_write_free(archive);
}

static void seed_tar(const char *name, int which, int format, int filter) {
        seed_rows(name, which, format, filter, rows, ELEMENTSOF(rows));
}

void seeds_of_tar(void) {
        seed_rows("links", 2, ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE, links, ELEMENTSOF(links));
        seed_rows("links-over", 10, ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE, links, ELEMENTSOF(links));
        seed_tar("pax", 0, ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, ARCHIVE_FILTER_NONE);
        seed_tar("pax-base", 1, ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, ARCHIVE_FILTER_NONE);
        seed_tar("pax-below", 2, ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, ARCHIVE_FILTER_NONE);
        seed_tar("ustar-below", 2, ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE);
        seed_tar("gnu", 0, ARCHIVE_FORMAT_TAR_GNUTAR, ARCHIVE_FILTER_NONE);
        seed_tar("ustar", 0, ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE);
        seed_tar("gzip", 0, ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, ARCHIVE_FILTER_GZIP);
        seed_tar("zstd", 0, ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, ARCHIVE_FILTER_ZSTD);
        seed_tar("xz", 0, ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_XZ);
}
