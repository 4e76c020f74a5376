/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The option table, one row an option: the plain options of the OCI runtime specification ("Linux mount options") with
 * what runc and crun accept beyond them, and for each file-system type the data options that are let through. The
 * manual's table (podmount-spec(5)) and `podmountctl options` are made from it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"
#include "util/failure.h"

enum option_kind {
        OPTION_ATTRIBUTE,   /* sets or clears bits of mount_setattr(2) on the mount */
        OPTION_SUPERBLOCK,  /* a flag of the file system: sync, dirsync, lazytime, mand, iversion; negations */
        OPTION_PROPAGATION, /* shared, rprivate… */
        OPTION_BIND,        /* bind, rbind */
        OPTION_REMOUNT,     /* remount: changes a mount that is there */
        OPTION_IDMAP,       /* idmap, ridmap */
        OPTION_WAY,         /* how the mount is made: tmpcopyup, copy-symlink, src-nofollow, dest-nofollow */
        OPTION_LABEL,       /* context= and its like: SELinux labels of a file system */
        OPTION_IGNORED,     /* defaults, silent, nofail…: accepted, no effect on a mount */
        OPTION_DATA,        /* the file system's own: fsconfig(2) */
        _OPTION_KIND_MAX,
};

/* What a value must look like. */
enum value_kind {
        VALUE_NONE,   /* a flag */
        VALUE_SIZE,   /* bytes, with a suffix of kmgtpe if wanted, or 1% to 100% of the memory */
        VALUE_COUNT,  /* a number with a suffix of kmgtpe if wanted */
        VALUE_NUMBER, /* a decimal number from `min` to `max`, 4294967294 where that is 0: an id, a count */
        VALUE_MODE,   /* octal, up to `max`, 7777 where that is 0 */
        VALUE_WORD,   /* one of the row's words */
        VALUE_TEXT,   /* printable ASCII without comma and white space */
        VALUE_LABEL,  /* printable ASCII without white space and quotes, commas allowed; quotes around it are dropped */
        VALUE_MAPS,   /* uids=0-1000-10#…;gids=…, see wanted.h; it may be left out */
        VALUE_PATH,   /* an absolute path or fd:NAME */
        VALUE_PATHS,  /* such, with colons between them; a colon or backslash in a path has a backslash before it */
        VALUE_FD,     /* fd:NAME */
        _VALUE_KIND_MAX,
};

/* OPTION_WAY */
enum option_way {
        OPTION_WAY_COPY_UP = 1 << 0,         /* a tmpfs begins with a copy of what it covers */
        OPTION_WAY_SOURCE_NOFOLLOW = 1 << 1, /* a source that is a symlink is bound itself */
        OPTION_WAY_TARGET_NOFOLLOW = 1 << 2, /* a target that is a symlink is mounted on itself */
};

struct option_row {
        const char *type; /* OPTION_DATA: the file-system type; NULL otherwise */
        const char *name;
        enum option_kind kind;
        bool recursive;         /* rbind, rprivate, rro, ridmap… */
        uint64_t set, clear;    /* OPTION_ATTRIBUTE: MOUNT_ATTR_* bits; OPTION_SUPERBLOCK: set is 0 in a negation */
        uint64_t propagation;   /* OPTION_PROPAGATION: MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE */
        const char *superblock; /* OPTION_SUPERBLOCK: the fsconfig(2) flag that it sets… */
        const char *contrary;   /* …and the one that takes it back, NULL for none */
        unsigned way;           /* OPTION_WAY */
        enum value_kind value;
        const char *words;      /* VALUE_WORD: the accepted words, '|' between them */
        uint64_t min, max;      /* VALUE_NUMBER, VALUE_MODE */
        const char *root_words; /* the values that only root may give, '|' between them; "*" for any; NULL for none */
        const char *group;      /* of options with one, the last that is given holds; NULL: each for itself */
        bool changes;           /* OPTION_DATA: the file system takes it in a remount, too */
        bool unheard;           /* OPTION_DATA: accepted, and told to have no effect: the kernel knows nothing of it */
        const char *summary;    /* one line for podmount-spec(5) */
};

/* Bytes of a value that fsconfig(2) takes as a string. */
enum { OPTION_VALUE_MAX = 255 };

/* All rows, the plain ones first, ended by one without a name. */
const struct option_row *option_table(void);
/* The row of a plain option, NULL for an unknown one. */
const struct option_row *option_find(const char *name);
/* The row of a data option on the type's allow-list, or NULL; devtmpfs has that of tmpfs. */
const struct option_row *option_find_data(const char *type, const char *name);
/* Whether anyone but root must not give this value (NULL: a flag). */
bool option_is_for_root(const struct option_row *row, const char *value);
/* Whether the option is a flag of a file system as fsconfig(2) knows it: sync, async, lazytime… */
bool option_is_flag(const char *name);
/* Whether file systems of this type take options in a remount: those of which each mount that is made is one of its own,
 * so that nobody else's mount is changed along. */
bool option_is_reconfigured(const char *type);
/* Whether `value` (NULL: none given) fits the row; FAILURE_INVALID_OPTION with the reason if not. */
int option_check_value(const struct option_row *row, const char *value, struct failure *f);

/* For the manual and for clients: "attribute", "data"…; "SIZE", "OCTAL"… or the row's words, "" for a flag. */
const char *option_kind_name(enum option_kind kind);
const char *option_value_name(const struct option_row *row);
