/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Only what nobody but a remount changes is compared. Left out are what the kernel may show otherwise one day by itself (a
 * tmpfs without a size of its own gets one to show when the host's memory grows; a subvolume has the name that somebody
 * renamed it to), what statmount(2) shows on some kernels only (security labels), and whole types whose options are
 * another's: overlay and FUSE show what their servers and layers say, cgroup and sysfs are the host's.
 */

#include "pod/fs-options.h"

#include <errno.h>
#include <string.h>

#include "util/array.h"

static const struct kind {
        const char *type;
        const char *keys;  /* what is compared; NULL: all but the others */
        const char *first; /* of these, what is compared only if it was shown at first */
} kinds[] = {
        {"tmpfs", "size nr_blocks nr_inodes mode uid gid noswap", "size nr_blocks nr_inodes"},
        {"ramfs", "mode", NULL},
        {"proc", "hidepid gid subset", NULL},
        {"devpts", "mode uid gid ptmxmode max", NULL},
        {"ext2", NULL, NULL},
        {"ext3", NULL, NULL},
        {"ext4", NULL, NULL},
        {"xfs", NULL, NULL},
        {"btrfs", NULL, NULL},
        {"erofs", NULL, NULL},
        {"squashfs", NULL, NULL},
        {"vfat", NULL, NULL},
};

/* Of the superblock's flags "rw" and "ro" are told in words of their own. */
static const char flags[] = "sync dirsync lazytime";
static const char never[] = "rw ro subvol subvolid seclabel context fscontext defcontext rootcontext";

struct word {
        const char *text;
        size_t length, key; /* up to the comma, up to the equals sign */
};

static bool next_word(const char **cursor, struct word *ret) {
        *cursor += **cursor == ',';
        ret->text = *cursor;
        ret->length = strcspn(*cursor, ",");
        ret->key = strcspn(*cursor, ",=");
        *cursor += ret->length;
        return ret->length > 0;
}

static bool is_among(const struct word *word, const char *keys) {
        while (keys && *keys) {
                size_t n = strcspn(keys, " ");

                if (n == word->key && memcmp(keys, word->text, n) == 0)
                        return true;
                keys += n;
                keys += *keys == ' ';
        }
        return false;
}

static bool counts(const struct kind *kind, const struct word *word) {
        return !is_among(word, never) && (!kind->keys || is_among(word, flags) || is_among(word, kind->keys));
}

/* The word with the same key, or none. */
static bool find_word(const char *options, const struct word *like, struct word *ret) {
        while (next_word(&options, ret))
                if (ret->key == like->key && memcmp(ret->text, like->text, like->key) == 0)
                        return true;
        return false;
}

static const struct kind *kind_of(const struct record_mount *mount, const struct entry *entry) {
        if (mount->nested || !mount->type || !entry->type || strcmp(mount->type, entry->type) != 0)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                if (strcmp(kinds[i].type, entry->type) == 0)
                        return &kinds[i];
        return NULL;
}

bool fs_options_count(const struct record_mount *mount, const struct entry *entry) {
        return kind_of(mount, entry) != NULL;
}

static int add(char ***details, const struct word *before, const struct word *after) {
        if (!after)
                return strv_appendf(details, "%.*s -> no %.*s", (int) before->length, before->text, (int) before->key, before->text);
        if (!before)
                return strv_appendf(details, "no %.*s -> %.*s", (int) after->key, after->text, (int) after->length, after->text);
        return strv_appendf(details, "%.*s -> %.*s", (int) before->length, before->text, (int) after->length, after->text);
}

int fs_options_compare(const struct record_mount *mount, const struct entry *entry, char ***details) {
        const char *before = mount->fs_options, *after = entry->options;
        const struct kind *kind;
        struct word word, other;
        int r = 0;

        if (!before || strcmp(before, after) == 0)
                return 0;
        kind = kind_of(mount, entry);
        while (kind && r >= 0 && next_word(&before, &word)) {
                bool there = find_word(after, &word, &other);

                if (!counts(kind, &word) || (there && other.length == word.length && memcmp(other.text, word.text, word.length) == 0))
                        continue;
                r = add(details, &word, there ? &other : NULL);
        }
        while (kind && r >= 0 && next_word(&after, &word))
                if (counts(kind, &word) && !is_among(&word, kind->first) && !find_word(mount->fs_options, &word, &other))
                        r = add(details, NULL, &word);
        return r;
}
