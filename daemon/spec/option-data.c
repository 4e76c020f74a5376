/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The allow-lists: for each file-system type the data options that reach fsconfig(2), with the form of their values.
 * What could reach beyond the mount itself is not here (cgroup's release_agent, overlay's verity…), and what is safe
 * only in root's hands is marked: overlay trusts the xattrs of its upper layer with redirects and metacopy
 * (Documentation/filesystems/overlayfs.rst), and whoever owns that layer chooses them.
 */

#include <ctype.h>
#include <limits.h>
#include <string.h>

#include "spec/option.h"
#include "spec/source.h"
#include "util/array.h"

#define FLAG(t, n, text) {.type = t, .name = n, .value = VALUE_NONE, .summary = text}
#define ROOT_FLAG(t, n, text) {.type = t, .name = n, .value = VALUE_NONE, .root_words = "*", .summary = text}
#define VALUE(t, n, k, text) {.type = t, .name = n, .value = k, .summary = text}
#define WORD(t, n, w, text) {.type = t, .name = n, .value = VALUE_WORD, .words = w, .summary = text}
#define ROOT_WORD(t, n, w, root, text) \
        {.type = t, .name = n, .value = VALUE_WORD, .words = w, .root_words = root, .summary = text}

static const struct data_row rows[] = {
        VALUE("tmpfs", "size", VALUE_SIZE, "most bytes; 0 for no limit (root only)"),
        VALUE("tmpfs", "nr_blocks", VALUE_COUNT, "the same in pages"),
        VALUE("tmpfs", "nr_inodes", VALUE_COUNT, "most inodes; 0 for no limit (root only)"),
        VALUE("tmpfs", "mode", VALUE_MODE, "mode of the root directory; 1777 unless given"),
        VALUE("tmpfs", "uid", VALUE_NUMBER, "owner of the root directory"),
        VALUE("tmpfs", "gid", VALUE_NUMBER, "group of the root directory"),
        WORD("tmpfs", "huge", "never|always|within_size|advise", "huge pages"),

        FLAG("devpts", "newinstance", "always set: no mount shares the host's terminals"),
        VALUE("devpts", "ptmxmode", VALUE_MODE, "mode of its ptmx"),
        VALUE("devpts", "mode", VALUE_MODE, "mode of new terminals"),
        VALUE("devpts", "uid", VALUE_NUMBER, "owner of new terminals"),
        VALUE("devpts", "gid", VALUE_NUMBER, "group of new terminals"),
        VALUE("devpts", "max", VALUE_NUMBER, "most terminals"),

        WORD("proc", "hidepid", "0|1|2|4|off|noaccess|invisible|ptraceable", "who sees others' processes"),
        VALUE("proc", "gid", VALUE_NUMBER, "the group that sees all processes"),
        WORD("proc", "subset", "pid", "show processes alone"),

        FLAG("cgroup2", "nsdelegate", "cgroup namespaces are delegation boundaries"),
        FLAG("cgroup2", "favordynmods", "cheaper moves between groups"),
        FLAG("cgroup2", "nofavordynmods", "the contrary"),
        FLAG("cgroup2", "memory_localevents", "memory.events counts the group alone"),
        FLAG("cgroup2", "memory_recursiveprot", "memory protection reaches down"),
        FLAG("cgroup2", "memory_hugetlb_accounting", "huge pages count as memory"),
        FLAG("cgroup2", "pids_localevents", "pids.events counts the group alone"),

        FLAG("cgroup", "all", "all controllers that no other hierarchy has"),
        FLAG("cgroup", "none", "no controller; needs name="),
        VALUE("cgroup", "name", VALUE_TEXT, "a named hierarchy"),
        FLAG("cgroup", "cpuset", "this controller"),
        FLAG("cgroup", "cpu", "this controller"),
        FLAG("cgroup", "cpuacct", "this controller"),
        FLAG("cgroup", "blkio", "this controller"),
        FLAG("cgroup", "memory", "this controller"),
        FLAG("cgroup", "devices", "this controller"),
        FLAG("cgroup", "freezer", "this controller"),
        FLAG("cgroup", "net_cls", "this controller"),
        FLAG("cgroup", "perf_event", "this controller"),
        FLAG("cgroup", "net_prio", "this controller"),
        FLAG("cgroup", "hugetlb", "this controller"),
        FLAG("cgroup", "pids", "this controller"),
        FLAG("cgroup", "rdma", "this controller"),
        FLAG("cgroup", "misc", "this controller"),
        FLAG("cgroup", "xattr", "extended attributes"),

        VALUE("overlay", "lowerdir", VALUE_PATHS, "lower layers, topmost first"),
        VALUE("overlay", "lowerdir+", VALUE_PATH, "one more lower layer, below those before it"),
        VALUE("overlay", "upperdir", VALUE_PATH, "the writable layer; without one the overlay is read-only"),
        VALUE("overlay", "workdir", VALUE_PATH, "an empty directory on the file system of upperdir"),
        ROOT_WORD("overlay", "redirect_dir", "on|off|follow|nofollow", "on|follow", "renaming of directories"),
        ROOT_WORD("overlay", "index", "on|off", "on", "the index of hard links"),
        ROOT_WORD("overlay", "metacopy", "on|off", "on", "copy up of metadata alone"),
        ROOT_WORD("overlay", "nfs_export", "on|off", "on", "file handles for NFS"),
        WORD("overlay", "xino", "on|off|auto", "unique inode numbers"),
        WORD("overlay", "uuid", "on|off|null|auto", "the file system's UUID"),
        FLAG("overlay", "volatile", "no sync to the upper layer"),
        ROOT_FLAG("overlay", "userxattr", "user.overlay. xattrs"),
        {.type = NULL},
};

const struct data_row *option_data_table(void) {
        return rows;
}

const struct data_row *option_find_data(const char *type, const char *name) {
        for (const struct data_row *row = rows; row->type; row++)
                if (strcmp(row->type, type) == 0 && strcmp(row->name, name) == 0)
                        return row;
        return NULL;
}

/* Whether `word` is one of `words`, which have '|' between them. */
static bool word_is_in(const char *words, const char *word) {
        size_t length = strlen(word);

        for (const char *p = words; *p != '\0';) {
                size_t n = strcspn(p, "|");

                if (n == length && memcmp(p, word, n) == 0)
                        return true;
                p += n;
                p += *p == '|';
        }
        return false;
}

bool option_is_for_root(const struct data_row *row, const char *value) {
        if (!row->root_words)
                return false;
        return strcmp(row->root_words, "*") == 0 || (value && word_is_in(row->root_words, value));
}

/* Reads digits of `base`; returns what follows them, or NULL when there is none or the number is above `max`. */
static const char *scan_number(const char *text, unsigned int base, uint64_t max, uint64_t *ret) {
        uint64_t number = 0;
        const char *p = text;

        for (; *p >= '0' && *p < (char) ('0' + base); p++) {
                unsigned int digit = (unsigned int) (*p - '0');

                if (number > (max - digit) / base)
                        return NULL;
                number = number * base + digit;
        }
        if (p == text)
                return NULL;
        *ret = number;
        return p;
}

/* A number with one of the suffixes that the kernel's memparse() takes. */
static bool is_count(const char *value) {
        static const char suffixes[] = "kmgtpe";
        const char *suffix, *end;
        uint64_t number;

        end = scan_number(value, 10, UINT64_MAX, &number);
        if (!end)
                return false;
        if (*end == '\0')
                return true;
        suffix = strchr(suffixes, tolower((unsigned char) *end));
        return suffix && end[1] == '\0' && number <= UINT64_MAX >> (10 * (suffix - suffixes + 1));
}

static bool is_percentage(const char *value) {
        uint64_t number;
        const char *end = scan_number(value, 10, 100, &number);

        return end && strcmp(end, "%") == 0 && number > 0;
}

static bool is_number(const char *value, unsigned int base, uint64_t max) {
        uint64_t number;
        const char *end = scan_number(value, base, max, &number);

        return end && *end == '\0';
}

static bool is_text(const char *value) {
        for (; *value != '\0'; value++)
                if (!isgraph((unsigned char) *value) || (unsigned char) *value > 0x7e || *value == ',')
                        return false;
        return true;
}

static int check_path(const struct data_row *row, const char *value, struct failure *f) {
        struct source source = {.kind = SOURCE_NONE};
        int r;

        r = source_parse(value, row->name, FAILURE_INVALID_OPTION, &source, f);
        source_done(&source);
        return r;
}

static int check_paths(const struct data_row *row, const char *value, struct failure *f) {
        _cleanup_strv_ char **layers = NULL;
        int r;

        r = source_split_layers(value, &layers);
        if (r == -EINVAL)
                return failure_set(f, FAILURE_INVALID_OPTION,
                                   "%s: a layer is empty or ends in a lone backslash; write the layers with "
                                   "one colon between them",
                                   row->name);
        if (r < 0)
                return r;
        for (char **layer = layers; *layer; layer++) {
                r = check_path(row, *layer, f);
                if (r != 0)
                        return r;
        }
        return 0;
}

static int bad_value(const struct data_row *row, const char *value, const char *must, struct failure *f) {
        return failure_set(f, FAILURE_INVALID_OPTION, "option %s of type %s: \"%.80s\" is not %s", row->name, row->type,
                           value, must);
}

int option_check_value(const struct data_row *row, const char *value, struct failure *f) {
        if (row->value == VALUE_NONE)
                return !value ? 0
                              : failure_set(f, FAILURE_INVALID_OPTION, "option %s of type %s takes no value", row->name,
                                            row->type);
        if (!value || value[0] == '\0')
                return failure_set(f, FAILURE_INVALID_OPTION, "option %s of type %s needs a value: %s=…", row->name,
                                   row->type, row->name);
        if (row->value != VALUE_PATH && row->value != VALUE_PATHS && strlen(value) > OPTION_VALUE_MAX)
                return failure_set(f, FAILURE_INVALID_OPTION, "option %s of type %s: the value is longer than %d bytes",
                                   row->name, row->type, OPTION_VALUE_MAX);

        switch (row->value) {
        case VALUE_NONE:
                break;
        case VALUE_SIZE:
                return is_count(value) || is_percentage(value) ? 0
                                                               : bad_value(row, value, "a size such as 64m or 10%", f);
        case VALUE_COUNT:
                return is_count(value) ? 0 : bad_value(row, value, "a number such as 4096 or 4k", f);
        case VALUE_NUMBER:
                return is_number(value, 10, UINT32_MAX - 1) ? 0 : bad_value(row, value, "a number below 4294967295", f);
        case VALUE_MODE:
                return is_number(value, 8, 07777) ? 0 : bad_value(row, value, "an octal mode such as 0755", f);
        case VALUE_WORD:
                return word_is_in(row->words, value) ? 0 : bad_value(row, value, row->words, f);
        case VALUE_TEXT:
                return is_text(value) ? 0 : bad_value(row, value, "printable ASCII without commas and spaces", f);
        case VALUE_PATH:
                return check_path(row, value, f);
        case VALUE_PATHS:
                return check_paths(row, value, f);
        }
        return 0;
}
