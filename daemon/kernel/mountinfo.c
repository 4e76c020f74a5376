/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Reads mountinfo with libmount, which knows the file's escapes and its optional fields, and hands each line on as
 * plain strings. The lines pass a gate first, since libmount (2.38) gets three things wrong:
 *
 * - it guesses the format of the whole file from the first line;
 * - it replaces the source "/dev/root" by what it finds for it in sysfs or on the kernel's command line;
 * - it takes lines for good that no kernel writes: a number that no int holds becomes another, a mount point may be
 *   relative, the second word of a source passes for the options, and a tab, which the kernel escapes, is a space.
 *
 * So a line that is not as proc_pid_mountinfo(5) says is left out here, and the source gets one more character at its
 * end, which is taken off again afterwards.
 *
 * The kernel writes the file page by page, so a reading is not one instant: who reads polls before it reads, and reads
 * again when the poll says so (kernel/watch.h).
 */

#include <fcntl.h>
#include <libmount.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "kernel/mountinfo.h"
#include "util/log.h"

static void table_unrefp(struct libmnt_table **table) {
        mnt_unref_table(*table);
}

static void iter_freep(struct libmnt_iter **iter) {
        mnt_free_iter(*iter);
}

struct lines {
        size_t passed, skipped;
};

/* libmount's callback for a bad line: a positive value makes it drop the line and go on (0 would keep the half-read
 * one), a negative one makes it give up. Want of memory is no fault of the line's. */
static int skip_bad_line(struct libmnt_table *table, const char *name, int line) {
        struct lines *lines = mnt_table_get_userdata(table);

        if (errno == ENOMEM)
                return -ENOMEM;
        log_warning("%s: line %d cannot be parsed; it is left out of the mount table.", name, line);
        lines->passed--;
        lines->skipped++;
        return 1;
}

enum { MARK = '/' }; /* behind a source */

/* One field and the space behind it; false at the line's end. An empty field is one. */
static bool take_field(const char **position, const char **ret, size_t *ret_size) {
        size_t size = strcspn(*position, " ");

        if ((*position)[size] != ' ')
                return false;
        *ret = *position;
        *ret_size = size;
        *position += size + 1;
        return true;
}

/* A decimal number that an int holds, and the character behind it. */
static bool take_number(const char **position, char end) {
        char *after = NULL;
        unsigned long value;

        if (**position < '0' || **position > '9')
                return false;
        errno = 0;
        value = strtoul(*position, &after, 10);
        if (errno != 0 || value > INT_MAX || *after != end)
                return false;
        *position = after + 1;
        return true;
}

/* Where the source ends. False for a line that no kernel writes. */
static bool check_line(const char *line, size_t *ret_source_end) {
        const char *position = line, *field;
        size_t size;

        if (!take_number(&position, ' ') || !take_number(&position, ' ') || !take_number(&position, ':') ||
                !take_number(&position, ' '))
                return false;
        if (!take_field(&position, &field, &size) || size == 0) /* root: not always a path (nsfs) */
                return false;
        if (!take_field(&position, &field, &size) || *field != '/')
                return false;
        if (!take_field(&position, &field, &size) || size == 0) /* the mount's options */
                return false;
        do
                if (!take_field(&position, &field, &size)) /* optional fields */
                        return false;
        while (size != 1 || *field != '-');
        if (!take_field(&position, &field, &size) || size == 0) /* type */
                return false;
        if (!take_field(&position, &field, &size))
                return false;
        *ret_source_end = (size_t) (field - line) + size;
        if (memchr(line, '\t', *ret_source_end))
                return false;
        return *position != '\0' && !strchr(position, ' '); /* the file system's options */
}

/* Copies the good lines, marked, to `to`. */
static int pass_lines(FILE *from, FILE *to, struct lines *lines) {
        _cleanup_free_ char *line = NULL;
        size_t room = 0, number = 0;

        for (;;) {
                size_t source_end;
                ssize_t n;

                errno = 0;
                n = getline(&line, &room, from);
                if (n < 0)
                        return ferror(from) || errno == ENOMEM ? log_errno(LOG_ERR, errno, "read mountinfo") : 0;
                number++;
                if (n > 0 && line[n - 1] == '\n')
                        line[--n] = '\0';
                if (n == 0)
                        continue;
                if (strlen(line) != (size_t) n || !check_line(line, &source_end)) {
                        log_warning("mountinfo: line %zu cannot be parsed; it is left out of the mount table.", number);
                        lines->skipped++;
                        continue;
                }
                lines->passed++;
                if (fprintf(to, "%.*s%c%s\n", (int) source_end, line, MARK, line + source_end) < 0)
                        return log_errno(LOG_ERR, errno, "copy mountinfo");
        }
}

/* The text without its mark; what libmount has unescaped is its own to keep, so that a copy is made. */
static int unmark(const char *text, char **ret) {
        size_t size = text ? strlen(text) : 0;
        char *copy = strndup(text ?: "", size > 0 ? size - 1 : 0);

        if (!copy)
                return log_oom();
        *ret = copy;
        return 0;
}

static int hand_on(struct libmnt_table *table, mountinfo_fn fn, void *userdata) {
        _cleanup_(iter_freep) struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_FORWARD);
        struct libmnt_fs *fs;

        if (!iter)
                return log_oom();
        while (mnt_table_next_fs(table, iter, &fs) == 0) {
                _cleanup_free_ char *source = NULL;
                struct mountinfo_line line = {
                        .id = (uint32_t) mnt_fs_get_id(fs),
                        .parent_id = (uint32_t) mnt_fs_get_parent_id(fs),
                        .device = mnt_fs_get_devno(fs),
                        .root = mnt_fs_get_root(fs),
                        .point = mnt_fs_get_target(fs),
                        .type = mnt_fs_get_fstype(fs),
                        .options_mount = mnt_fs_get_vfs_options(fs),
                        .options_super = mnt_fs_get_fs_options(fs),
                        .optional = mnt_fs_get_optional_fields(fs),
                };
                int r = unmark(mnt_fs_get_source(fs), &source);

                if (r < 0)
                        return r;
                line.source = source;
                r = fn(&line, userdata);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int parse(char *text, size_t size, struct lines *lines, mountinfo_fn fn, void *userdata) {
        _cleanup_(table_unrefp) struct libmnt_table *table = NULL;
        _cleanup_fclose_ FILE *file = NULL;
        int r;

        if (size == 0)
                return 0;
        file = fmemopen(text, size, "r");
        if (!file)
                return log_errno(LOG_ERR, errno, "open a copy of mountinfo");
        table = mnt_new_table();
        if (!table)
                return log_oom();
        mnt_table_set_userdata(table, lines);
        mnt_table_set_parser_errcb(table, skip_bad_line);
        errno = 0;
        r = mnt_table_parse_stream(table, file, "mountinfo");
        if (r >= 0 && (size_t) mnt_table_get_nents(table) != lines->passed) /* libmount (2.38) ends well where it had no memory for a line */
                r = -ENOMEM;
        return r < 0 ? log_errno(LOG_ERR, r, "parse mountinfo") : hand_on(table, fn, userdata);
}

static int open_text(int fd, FILE **ret) {
        _cleanup_close_ int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        FILE *file;

        if (copy < 0)
                return log_errno(LOG_ERR, errno, "duplicate the fd of mountinfo");
        if (lseek(copy, 0, SEEK_SET) < 0) /* the duplicate shares the offset of the last reading */
                return log_errno(LOG_ERR, errno, "rewind mountinfo");
        file = fdopen(copy, "re");
        if (!file)
                return log_errno(LOG_ERR, errno, "open mountinfo as a stream");
        (void) TAKE_FD(copy); /* the stream's now */
        *ret = file;
        return 0;
}

int mountinfo_read(int fd, mountinfo_fn fn, void *userdata, size_t *ret_skipped) {
        _cleanup_free_ char *text = NULL; /* freed last: the stream writes to it until it is closed */
        _cleanup_fclose_ FILE *file = NULL, *marked = NULL;
        struct lines lines = {};
        size_t size = 0;
        int r = open_text(fd, &file);

        if (r < 0)
                return r;
        marked = open_memstream(&text, &size);
        if (!marked)
                return log_oom();
        r = pass_lines(file, marked, &lines);
        if (r < 0)
                return r;
        if (fflush(marked) != 0) /* `text` and `size` are there after it */
                return log_errno(LOG_ERR, errno, "copy mountinfo");
        r = parse(text, size, &lines, fn, userdata);
        if (r < 0)
                return r;
        if (ret_skipped)
                *ret_skipped = lines.skipped;
        return 0;
}

struct search {
        uint32_t id;
        char *source;
};

static int compare_id(const struct mountinfo_line *line, void *userdata) {
        struct search *search = userdata;

        if (line->id != search->id || !line->source || search->source)
                return 0;
        search->source = strdup(line->source);
        return search->source ? 0 : log_oom();
}

int mountinfo_find_source(uint32_t id, char **ret) {
        _cleanup_close_ int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC | O_NOCTTY);
        struct search search = {.id = id};
        int r;

        if (fd < 0)
                return log_errno(LOG_ERR, errno, "open /proc/self/mountinfo");
        r = mountinfo_read(fd, compare_id, &search, NULL);
        if (r < 0)
                free(search.source);
        else
                *ret = search.source;
        return r;
}

bool mountinfo_has_word(const char *options, const char *word) {
        size_t length = strlen(word);

        while (options && *options) {
                size_t n = strcspn(options, ",");

                if (n == length && memcmp(options, word, n) == 0)
                        return true;
                options += n;
                options += *options == ',';
        }
        return false;
}

/* show_mnt_opts() of the kernel's fs/proc_namespace.c writes these words; strictatime is the absence of the other
 * two. */
uint64_t mountinfo_attributes(const char *options) {
        static const struct {
                const char *word;
                uint64_t bit;
        } rows[] = {
                {"ro", MOUNT_ATTR_RDONLY},
                {"nosuid", MOUNT_ATTR_NOSUID},
                {"nodev", MOUNT_ATTR_NODEV},
                {"noexec", MOUNT_ATTR_NOEXEC},
                {"nodiratime", MOUNT_ATTR_NODIRATIME},
                {"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW},
                {"idmapped", MOUNT_ATTR_IDMAP},
        };
        uint64_t attributes = 0;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if (mountinfo_has_word(options, rows[i].word))
                        attributes |= rows[i].bit;
        if (mountinfo_has_word(options, "noatime"))
                attributes |= MOUNT_ATTR_NOATIME;
        else if (!mountinfo_has_word(options, "relatime"))
                attributes |= MOUNT_ATTR_STRICTATIME;
        return attributes;
}
