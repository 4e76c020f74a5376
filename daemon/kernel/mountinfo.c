/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Reads mountinfo with libmount, which knows the file's escapes, its optional fields and its oddities (an empty
 * source, "//deleted"), and hands each line on as plain strings.
 *
 * The kernel writes the file page by page, so a reading is not one instant: who reads polls before it reads, and reads
 * again when the poll says so (kernel/watch.h).
 */

#include <fcntl.h>
#include <libmount.h>
#include <stdio.h>

#include "kernel/mountinfo.h"
#include "util/log.h"

static void table_unrefp(struct libmnt_table **table) {
        mnt_unref_table(*table);
}

static void iter_freep(struct libmnt_iter **iter) {
        mnt_free_iter(*iter);
}

/* libmount's callback for a bad line: a positive value makes it drop the line and go on (0 would keep the half-read
 * one). */
static int skip_bad_line(struct libmnt_table *table, const char *name, int line) {
        size_t *skipped = mnt_table_get_userdata(table);

        log_warning("%s: line %d cannot be parsed; it is left out of the mount table.", name, line);
        (*skipped)++;
        return 1;
}

/*
 * libmount guesses the format of the whole file from its first line, and mountinfo is what starts with two numbers.
 * So whatever comes before the first line that does is dropped here, lest the rest be read as an fstab.
 */
static int skip_bad_head(FILE *file, size_t *skipped) {
        _cleanup_free_ char *line = NULL;
        size_t size = 0;

        for (;;) {
                off_t start = ftello(file);
                unsigned id, parent;

                if (start < 0)
                        return log_errno(LOG_ERR, errno, "tell the position in mountinfo");
                errno = 0;
                if (getline(&line, &size, file) < 0)
                        return ferror(file) || errno == ENOMEM ? log_errno(LOG_ERR, errno, "read mountinfo") : 0;
                if (sscanf(line, "%u %u", &id, &parent) == 2)
                        return fseeko(file, start, SEEK_SET) < 0 ? log_errno(LOG_ERR, errno, "seek in mountinfo") : 1;
                if (line[0] != '\n') {
                        log_warning("mountinfo starts with a line that cannot be parsed; it is left out of the mount "
                                    "table.");
                        (*skipped)++;
                }
        }
}

static int hand_on(struct libmnt_table *table, mountinfo_fn fn, void *userdata) {
        _cleanup_(iter_freep) struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_FORWARD);
        struct libmnt_fs *fs;

        if (!iter)
                return log_oom();
        while (mnt_table_next_fs(table, iter, &fs) == 0) {
                const struct mountinfo_line line = {
                        .id = (uint32_t) mnt_fs_get_id(fs),
                        .parent_id = (uint32_t) mnt_fs_get_parent_id(fs),
                        .device = mnt_fs_get_devno(fs),
                        .root = mnt_fs_get_root(fs),
                        .point = mnt_fs_get_target(fs),
                        .type = mnt_fs_get_fstype(fs),
                        .source = mnt_fs_get_source(fs),
                        .options_mount = mnt_fs_get_vfs_options(fs),
                        .options_super = mnt_fs_get_fs_options(fs),
                        .optional = mnt_fs_get_optional_fields(fs),
                };
                int r = fn(&line, userdata);

                if (r < 0)
                        return r;
        }
        return 0;
}

int mountinfo_read(int fd, mountinfo_fn fn, void *userdata, size_t *ret_skipped) {
        _cleanup_(table_unrefp) struct libmnt_table *table = NULL;
        _cleanup_fclose_ FILE *file = NULL;
        _cleanup_close_ int copy = -1;
        size_t skipped = 0;
        int r;

        copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (copy < 0)
                return log_errno(LOG_ERR, errno, "duplicate the fd of mountinfo");
        if (lseek(copy, 0, SEEK_SET) < 0) /* the duplicate shares the offset of the last reading */
                return log_errno(LOG_ERR, errno, "rewind mountinfo");
        file = fdopen(copy, "re");
        if (!file)
                return log_errno(LOG_ERR, errno, "open mountinfo as a stream");
        (void) TAKE_FD(copy); /* the stream's now */

        table = mnt_new_table();
        if (!table)
                return log_oom();
        mnt_table_set_userdata(table, &skipped);
        mnt_table_set_parser_errcb(table, skip_bad_line);

        r = skip_bad_head(file, &skipped);
        if (r < 0)
                return r;
        if (r > 0) {
                r = mnt_table_parse_stream(table, file, "mountinfo");
                if (r < 0)
                        return log_errno(LOG_ERR, r, "parse mountinfo");
                r = hand_on(table, fn, userdata);
                if (r < 0)
                        return r;
        }
        if (ret_skipped)
                *ret_skipped = skipped;
        return 0;
}
