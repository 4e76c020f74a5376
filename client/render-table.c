/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Tables for people, by libsmartcols. */

#include <inttypes.h>
#include <libsmartcols.h>
#include <pwd.h>
#include <string.h>
#include <time.h>

#include "client/render.h"
#include "client/report.h"
#include "util/array.h"

static void table_unrefp(struct libscols_table **table) {
        scols_unref_table(*table);
}

/* libsmartcols would escape control characters itself, but not what turns text around. */
struct libscols_table *render_new_table(void) {
        struct libscols_table *table = scols_new_table();

        if (table && scols_table_enable_noencoding(table, 1) != 0) {
                scols_unref_table(table);
                return NULL;
        }
        return table;
}

int render_cell(struct libscols_line *line, size_t column, char *text) {
        char *escaped = text ? report_escape_cell(text) : NULL;

        free(text);
        if (escaped && scols_line_refer_data(line, column, escaped) == 0)
                return 0; /* the line owns it from here */
        free(escaped);
        return -ENOMEM;
}

static char *user_text(struct json_object *value) {
        const struct passwd *user;
        uid_t uid = (uid_t) json_object_get_int64(value);
        char *text;

        user = getpwuid(uid); /* one thread: the static buffer is ours */
        if (user)
                return strdup(user->pw_name);
        return asprintf(&text, "%" PRIu32, (uint32_t) uid) < 0 ? NULL : text;
}

static char *time_text(struct json_object *value) {
        time_t seconds = (time_t) (json_object_get_uint64(value) / 1000000);
        struct tm local;
        char text[64];

        if (!localtime_r(&seconds, &local) || strftime(text, sizeof(text), "%a %Y-%m-%d %H:%M:%S %Z", &local) == 0)
                return strdup("");
        return strdup(text);
}

static char *array_text(struct json_object *array) {
        _cleanup_strv_ char **strings = NULL;

        for (size_t i = 0; i < json_object_array_length(array); i++)
                if (strv_append(&strings, json_object_get_string(json_object_array_get_idx(array, i))) < 0)
                        return NULL;
        return strings ? strv_join(strings, ",") : strdup("");
}

char *render_text(struct json_object *object, const char *key, enum render_kind kind) {
        struct json_object *value;

        if (!json_object_object_get_ex(object, key, &value) || !value)
                return strdup("");
        if (json_object_is_type(value, json_type_int) && kind == RENDER_USER)
                return user_text(value);
        if (json_object_is_type(value, json_type_int) && kind == RENDER_TIME)
                return time_text(value);
        if (json_object_is_type(value, json_type_boolean))
                return strdup(json_object_get_boolean(value) ? "yes" : "no");
        if (json_object_is_type(value, json_type_array))
                return array_text(value);
        if (kind == RENDER_PATH && *json_object_get_string(value) == '\0')
                return strdup("/");
        return strdup(json_object_get_string(value));
}

static int add_row(
        struct libscols_table *table, const struct render_column *columns, size_t n_columns, struct json_object *row) {
        struct libscols_line *line = scols_table_new_line(table, NULL);

        if (!line)
                return -ENOMEM;
        for (size_t i = 0; i < n_columns; i++) {
                int r = render_cell(line, i, render_text(row, columns[i].key, columns[i].kind));

                if (r < 0)
                        return r;
        }
        return 0;
}

int render_table(const struct render_column *columns, size_t n_columns, struct json_object *rows, const char *empty) {
        _cleanup_(table_unrefp) struct libscols_table *table = NULL;

        if (json_object_array_length(rows) == 0) {
                if (empty)
                        puts(empty);
                return 0;
        }
        table = render_new_table();
        if (!table)
                return report_oom();
        for (size_t i = 0; i < n_columns; i++)
                if (!scols_table_new_column(table, columns[i].heading, 0, columns[i].right ? SCOLS_FL_RIGHT : 0))
                        return report_oom();
        for (size_t i = 0; i < json_object_array_length(rows); i++)
                if (add_row(table, columns, n_columns, json_object_array_get_idx(rows, i)) < 0)
                        return report_oom();
        return scols_print_table(table) != 0 ? report_error("Cannot print the table") : 0;
}

int render_properties(const struct render_column *columns, size_t n_columns, struct json_object *object) {
        int width = 0;

        for (size_t i = 0; i < n_columns; i++)
                if ((int) strlen(columns[i].heading) > width)
                        width = (int) strlen(columns[i].heading);
        for (size_t i = 0; i < n_columns; i++) {
                _cleanup_free_ char *text = render_text(object, columns[i].key, columns[i].kind);
                _cleanup_free_ char *escaped = text ? report_escape(text) : NULL;

                if (!escaped)
                        return report_oom();
                if (*escaped)
                        printf("%*s: %s\n", width, columns[i].heading, escaped);
        }
        return 0;
}

void render_list(const char *heading, struct json_object *strings) {
        if (!strings || json_object_array_length(strings) == 0)
                return;
        printf("%s:\n", heading);
        for (size_t i = 0; i < json_object_array_length(strings); i++) {
                _cleanup_free_ char *escaped =
                        report_escape(json_object_get_string(json_object_array_get_idx(strings, i)));

                printf("  - %s\n", escaped ? escaped : "out of memory");
        }
}
