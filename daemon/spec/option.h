/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The option tables: the plain flags of the OCI runtime specification ("Linux mount options") with their negations,
 * the propagation words, and for each file-system type the data options that are let through. One row an option.
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
        OPTION_IGNORED,     /* defaults, silent, nofail…: accepted, no effect on a mount */
        OPTION_REFUSED,     /* remount, idmap…: known, and told not to be supported */
};

struct option_row {
        const char *name;
        enum option_kind kind;
        bool recursive;         /* rbind, rprivate, rro… */
        uint64_t set, clear;    /* OPTION_ATTRIBUTE: MOUNT_ATTR_* bits; OPTION_SUPERBLOCK: set is 0 in a negation */
        uint64_t propagation;   /* OPTION_PROPAGATION: MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE */
        const char *superblock; /* OPTION_SUPERBLOCK: the fsconfig(2) flag that it sets or takes back */
        const char *summary;    /* one line for podmount-spec(5) */
};

/* The row of an option without value; NULL for an unknown one. */
const struct option_row *option_find(const char *name);
/* All rows, ended by one without a name: for the manual and `podmountctl`. */
const struct option_row *option_table(void);

/* What a data option's value must look like. */
enum value_kind {
        VALUE_NONE,   /* a flag */
        VALUE_SIZE,   /* bytes, with a suffix of kmgtpe if wanted, or 1% to 100% of the memory */
        VALUE_COUNT,  /* a number with a suffix of kmgtpe if wanted */
        VALUE_NUMBER, /* a decimal number below 4294967295: an id, a count */
        VALUE_MODE,   /* octal, up to 7777 */
        VALUE_WORD,   /* one of the row's words */
        VALUE_TEXT,   /* printable ASCII without comma and white space */
        VALUE_PATH,   /* an absolute path or fd:NAME */
        VALUE_PATHS,  /* such, with colons between them; a colon or backslash in a path has a backslash before it */
};

/* Bytes of a value that fsconfig(2) takes as a string. */
enum { OPTION_VALUE_MAX = 255 };

struct data_row {
        const char *type; /* file-system type */
        const char *name;
        enum value_kind value;
        const char *words;      /* VALUE_WORD: the accepted words, '|' between them */
        const char *root_words; /* the values that only root may give, '|' between them; "*" for any; NULL for none */
        const char *summary;
};

/* The row of a data option on the type's allow-list, or NULL. */
const struct data_row *option_find_data(const char *type, const char *name);
const struct data_row *option_data_table(void);
/* Whether anyone but root must not give this value (NULL: a flag). */
bool option_is_for_root(const struct data_row *row, const char *value);
/* Whether `value` (NULL: none given) fits the row; FAILURE_INVALID_OPTION with the reason if not. */
int option_check_value(const struct data_row *row, const char *value, struct failure *f);
