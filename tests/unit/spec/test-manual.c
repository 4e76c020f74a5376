/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The rows of podmount-spec(5) are those of the option table, which they are made from: with UPDATE_MANUAL=1 in the
 * environment this program writes them into the page, otherwise it compares.
 */

#include <ctype.h>

#include "tests/unit/spec/spec-cases.h"

static const char PAGE[] = "docs/man/podmount-spec.5";
static const char BEGIN[] = "from daemon/spec/option-table.c.\n", END[] = ".\\\" rows end\n";

/* A summary as a sentence, in what roff reads as text. */
static void print_summary(FILE *out, const char *summary) {
        if (*summary == '.' || *summary == '\'')
                fputs("\\&", out);
        fputc(toupper((unsigned char) *summary), out);
        for (const char *p = summary + 1; *p; p++)
                fputs(*p == '-' ? "\\-" : (char[]) {*p, '\0'}, out);
        fputs(".\n", out);
}

static void print_name(FILE *out, const char *name) {
        for (const char *p = name; *p; p++)
                fputs(*p == '-' ? "\\-" : (char[]) {*p, '\0'}, out);
}

static void print_row(FILE *out, const struct option_row *row) {
        fputs(row->value == VALUE_NONE ? ".TP\n.B " : ".TP\n.BI ", out);
        print_name(out, row->name);
        if (row->value != VALUE_NONE)
                fputs("= ", out);
        print_name(out, option_value_name(row));
        if (row->value == VALUE_MAPS)
                fputs(" \" (optional)\"", out);
        fputc('\n', out);
        print_summary(out, row->summary);
}

/* One section for the plain options and one for each type. */
static char *print_rows(void) {
        const char *type = "";
        size_t size = 0;
        char *text = NULL;
        FILE *out = open_memstream(&text, &size);

        ck_assert_ptr_nonnull(out);
        for (const struct option_row *row = option_table(); row->name; row++) {
                const char *next = row->type ? row->type : "plain";

                if (strcmp(type, next) != 0)
                        fprintf(out, strcmp(next, "plain") == 0 ? ".SS Plain options\n" : ".SS Options of %s\n", next);
                type = next;
                print_row(out, row);
        }
        ck_assert_int_eq(fclose(out), 0);
        return text;
}

static void write_page(const char *page, const char *begin, const char *rows, const char *end) {
        _cleanup_free_ char *path = source_file(PAGE);
        FILE *out = fopen(path, "we");

        ck_assert_ptr_nonnull(out);
        ck_assert_int_gt(fprintf(out, "%.*s%s%s", (int) (begin - page), page, rows, end), 0);
        ck_assert_int_eq(fclose(out), 0);
}

START_TEST(test_same) {
        _cleanup_free_ char *page = NULL, *rows = print_rows();
        const char *begin, *end;
        size_t size;

        page = read_source_file(PAGE, &size);
        begin = strstr(page, BEGIN);
        ck_assert_ptr_nonnull(begin);
        begin += strlen(BEGIN);
        end = strstr(begin, END);
        ck_assert_ptr_nonnull(end);
        if (getenv("UPDATE_MANUAL"))
                write_page(page, begin, rows, end);
        else
                ck_assert_msg(strlen(rows) == (size_t) (end - begin) && strncmp(begin, rows, strlen(rows)) == 0,
                        "%s has other rows than the option table; run this program with UPDATE_MANUAL=1", PAGE);
}
END_TEST

/* Each type's rows stand together, and the plain ones first: a section has one heading. */
START_TEST(test_order) {
        for (const struct option_row *row = option_table(); row->name && row[1].name; row++) {
                const char *type = row[1].type;

                if (!type)
                        ck_assert_ptr_null(row->type);
                if (!type || (row->type && strcmp(type, row->type) == 0))
                        continue;
                for (const struct option_row *before = option_table(); before <= row; before++)
                        ck_assert_msg(!before->type || strcmp(before->type, type) != 0, "%s stands twice", type);
        }
}
END_TEST

UNIT_MAIN("manual", test_same, test_order)
