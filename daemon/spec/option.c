/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Looking things up in the option table, and the words for what is in it. */

#include <string.h>

#include "spec/option.h"

const struct option_row *option_find(const char *name) {
        for (const struct option_row *row = option_table(); row->name && !row->type; row++)
                if (row->name[0] == name[0] && strcmp(row->name, name) == 0) /* few begin alike */
                        return row;
        return NULL;
}

const struct option_row *option_find_data(const char *type, const char *name) {
        if (strcmp(type, "devtmpfs") == 0)
                type = "tmpfs"; /* which it is */
        for (const struct option_row *row = option_table(); row->name; row++)
                if (row->type && row->name[0] == name[0] && strcmp(row->type, type) == 0 && strcmp(row->name, name) == 0)
                        return row;
        return NULL;
}

bool option_is_reconfigured(const char *type) {
        static const char *const types[] = {"tmpfs", "devpts", "proc", "overlay", NULL};

        for (const char *const *name = types; *name; name++)
                if (strcmp(type, *name) == 0)
                        return true;
        return false;
}

bool option_is_flag(const char *name) {
        for (const struct option_row *row = option_table(); row->name && !row->type; row++)
                if (row->kind == OPTION_SUPERBLOCK && (strcmp(row->superblock, name) == 0 ||
                                                              (row->contrary && strcmp(row->contrary, name) == 0)))
                        return strcmp(name, "iversion") != 0; /* which no type has */
        return false;
}

const char *option_kind_name(enum option_kind kind) {
        static const char *const names[_OPTION_KIND_MAX] = {
                [OPTION_ATTRIBUTE] = "attribute",
                [OPTION_SUPERBLOCK] = "superblock",
                [OPTION_PROPAGATION] = "propagation",
                [OPTION_BIND] = "bind",
                [OPTION_REMOUNT] = "remount",
                [OPTION_IDMAP] = "idmap",
                [OPTION_WAY] = "way",
                [OPTION_LABEL] = "label",
                [OPTION_IGNORED] = "ignored",
                [OPTION_DATA] = "data",
        };

        return (unsigned) kind < _OPTION_KIND_MAX ? names[kind] : "unknown";
}

const char *option_value_name(const struct option_row *row) {
        static const char *const names[_VALUE_KIND_MAX] = {
                [VALUE_NONE] = "",
                [VALUE_SIZE] = "SIZE",
                [VALUE_COUNT] = "COUNT",
                [VALUE_NUMBER] = "NUMBER",
                [VALUE_MODE] = "OCTAL",
                [VALUE_TEXT] = "TEXT",
                [VALUE_LABEL] = "LABEL",
                [VALUE_MAPS] = "MAPS",
                [VALUE_PATH] = "PATH",
                [VALUE_PATHS] = "PATH:PATH...",
                [VALUE_FD] = "fd:NAME",
        };

        return row->value == VALUE_WORD ? row->words : names[row->value];
}
