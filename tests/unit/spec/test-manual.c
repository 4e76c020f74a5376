/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * podmount-spec(5) and the option tables name the same options. In the page the plain ones stand in the section "Plain
 * options", those of a type in "Options of <type>": names in bold, after .B or .BR, or before the value after .BI.
 */

#include "tests/unit/spec/spec-cases.h"

/* "plain ro", "tmpfs size"… for each name in the page. */
static void read_names(char *page, char ***names) {
        const char *section = NULL;
        char *rest = page;

        for (char *line; (line = strsep(&rest, "\n"));) {
                if (strncmp(line, ".S", 2) == 0) {
                        const char *title = strlen(line) > 4 ? line + 4 : "";

                        section = strcmp(title, "Plain options") == 0      ? "plain"
                                  : strncmp(title, "Options of ", 11) == 0 ? title + 11
                                                                           : NULL;
                }
                if (!section || strncmp(line, ".B", 2) != 0 || strchr(line, '('))
                        continue;
                line += strcspn(line, " ");
                for (char *word; (word = strsep(&line, " \""));) {
                        size_t length = strlen(word);

                        if (length > 0 && word[length - 1] == '=') {
                                word[length - 1] = '\0';
                                line = NULL; /* what follows is the value */
                        }
                        if (length > 0)
                                ck_assert_int_eq(strv_appendf(names, "%s %s", section, word), 0);
                }
        }
}

START_TEST(test_same) {
        _cleanup_strv_ char **names = NULL;
        _cleanup_free_ char *page = NULL;
        size_t size, n_rows = 0;

        page = read_source_file("docs/man/podmount-spec.5", &size);
        read_names(page, &names);
        for (const struct option_row *row = option_table(); row->name; row++, n_rows++) {
                _cleanup_free_ char *name = NULL;

                ck_assert_int_gt(asprintf(&name, "plain %s", row->name), 0);
                ck_assert_msg(strv_has(names, name), "podmount-spec(5) has no option %s", row->name);
        }
        for (const struct data_row *row = option_data_table(); row->type; row++, n_rows++) {
                _cleanup_free_ char *name = NULL;

                ck_assert_int_gt(asprintf(&name, "%s %s", row->type, row->name), 0);
                ck_assert_msg(strv_has(names, name), "podmount-spec(5) has no option %s of %s", row->name, row->type);
        }
        for (char **name = names; *name; name++) {
                _cleanup_free_ char *type = strndup(*name, strcspn(*name, " "));
                const char *option = strchr(*name, ' ') + 1;

                ck_assert_msg(strcmp(type, "plain") == 0 ? option_find(option) != NULL
                                                         : option_find_data(type, option) != NULL,
                        "podmount-spec(5) has %s, which is in no table", *name);
        }
        ck_assert_uint_eq(strv_length(names), n_rows);
}
END_TEST

/* The values that the page gives for an option are the row's words. */
START_TEST(test_words) {
        _cleanup_free_ char *page = NULL;
        size_t size;

        page = read_source_file("docs/man/podmount-spec.5", &size);
        for (const struct data_row *row = option_data_table(); row->type; row++) {
                _cleanup_free_ char *line = NULL;

                if (row->value != VALUE_WORD)
                        continue;
                ck_assert_int_gt(asprintf(&line, "\n.BI %s= %s\n", row->name, row->words), 0);
                ck_assert_msg(strstr(page, line) != NULL, "podmount-spec(5) lacks:%s", line);
        }
}
END_TEST

UNIT_MAIN("manual", test_same, test_words)
