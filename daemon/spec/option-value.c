/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Values of options: each checked for its form and its range before anything else sees it. */

#include <ctype.h>
#include <limits.h>
#include <string.h>

#include "spec/idmap.h"
#include "spec/option.h"
#include "spec/source.h"
#include "util/array.h"

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

bool option_is_for_root(const struct option_row *row, const char *value) {
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
static bool is_count(const char *value, uint64_t max) {
        static const char suffixes[] = "kmgtpe";
        const char *suffix, *end;
        uint64_t number;

        end = scan_number(value, 10, max, &number);
        if (!end)
                return false;
        if (*end == '\0')
                return true;
        suffix = strchr(suffixes, tolower((unsigned char) *end));
        return suffix && end[1] == '\0' && number <= max >> (10 * (suffix - suffixes + 1));
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

static int check_path(const struct option_row *row, const char *value, struct failure *f) {
        struct source source = {.kind = SOURCE_NONE};
        int r;

        r = source_parse(value, row->name, FAILURE_INVALID_OPTION, &source, f);
        source_done(&source);
        return r;
}

static int check_paths(const struct option_row *row, const char *value, struct failure *f) {
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

static int bad_value(const struct option_row *row, const char *value, const char *must, struct failure *f) {
        return failure_set(f, FAILURE_INVALID_OPTION, "option %s%s%s: \"%.80s\" is not %s", row->name,
                           row->type ? " of type " : "", row->type ?: "", value, must);
}

static int check_number(const struct option_row *row, const char *value, struct failure *f) {
        uint64_t max = row->max ?: UINT32_MAX - 1, number = 0;
        const char *end = scan_number(value, 10, max, &number);
        _cleanup_free_ char *must = NULL;

        if (end && *end == '\0' && number >= row->min)
                return 0;
        if (asprintf(&must, "a number from %llu to %llu", (unsigned long long) row->min, (unsigned long long) max) < 0) {
                must = NULL; /* undefined after a failure (asprintf(3)) */
                return -ENOMEM;
        }
        return bad_value(row, value, must, f);
}

/* A label has no quote within, since the quotes around it are no part of it. */
static bool is_label(const char *value) {
        for (; *value != '\0'; value++)
                if (!isgraph((unsigned char) *value) || (unsigned char) *value > 0x7e || strchr("\"'\\", *value))
                        return false;
        return true;
}

static int check_maps(const struct option_row *row, const char *value, struct failure *f) {
        _cleanup_idmap_ struct idmap idmap = {};
        const char *must = NULL;
        int r = idmap_parse(value, &idmap, &must);

        return r <= 0 ? r : bad_value(row, value, must, f);
}

static int check_length(const struct option_row *row, const char *value, struct failure *f) {
        if (row->value == VALUE_PATH || row->value == VALUE_PATHS || row->value == VALUE_MAPS ||
            strlen(value) <= OPTION_VALUE_MAX)
                return 0;
        return failure_set(f, FAILURE_INVALID_OPTION, "option %s%s%s: the value is longer than %d bytes", row->name,
                           row->type ? " of type " : "", row->type ?: "", OPTION_VALUE_MAX);
}

static int check_form(const struct option_row *row, const char *value, struct failure *f) {
        switch (row->value) {
        case VALUE_NONE:
        case _VALUE_KIND_MAX:
                break;
        case VALUE_SIZE:
                /* The kernel rounds up to pages: from a size near 2^64 it would come to 0, which is no limit at all. */
                return is_count(value, INT64_MAX) || is_percentage(value)
                               ? 0
                               : bad_value(row, value, "a size such as 64m or 10%", f);
        case VALUE_COUNT:
                return is_count(value, UINT64_MAX) ? 0 : bad_value(row, value, "a number such as 4096 or 4k", f);
        case VALUE_NUMBER:
                return check_number(row, value, f);
        case VALUE_MODE:
                return is_number(value, 8, row->max ?: 07777) ? 0
                                                              : bad_value(row, value, "an octal mode such as 0755", f);
        case VALUE_WORD:
                return word_is_in(row->words, value) ? 0 : bad_value(row, value, row->words, f);
        case VALUE_TEXT:
                return is_text(value) ? 0 : bad_value(row, value, "printable ASCII without commas and spaces", f);
        case VALUE_LABEL:
                return is_label(value) ? 0 : bad_value(row, value, "printable ASCII without spaces and quotes", f);
        case VALUE_MAPS:
                return check_maps(row, value, f);
        case VALUE_PATH:
                return check_path(row, value, f);
        case VALUE_PATHS:
                return check_paths(row, value, f);
        case VALUE_FD:
                return source_is_fd(value) ? check_path(row, value, f)
                                           : bad_value(row, value, "fd:NAME, the name of an fd of the call", f);
        }
        return 0;
}

int option_check_value(const struct option_row *row, const char *value, struct failure *f) {
        int r;

        if (row->value == VALUE_NONE && value)
                return failure_set(f, FAILURE_INVALID_OPTION, "option %s%s%s takes no value", row->name,
                                   row->type ? " of type " : "", row->type ?: "");
        if (row->value == VALUE_NONE || (row->value == VALUE_MAPS && !value))
                return 0;
        if (!value || value[0] == '\0')
                return failure_set(f, FAILURE_INVALID_OPTION, "option %s%s%s needs a value: %s=…", row->name,
                                   row->type ? " of type " : "", row->type ?: "", row->name);
        r = check_length(row, value, f);
        return r != 0 ? r : check_form(row, value, f);
}
