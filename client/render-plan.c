/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The final tree of a plan, drawn by libsmartcols: each mount under the one that it is put on. */

#include <libsmartcols.h>

#include "client/render.h"
#include "client/report.h"
#include "client/value.h"
#include "util/array.h"

static const struct render_column columns[] = {
        {"target", "TARGET", RENDER_TEXT, false},
        {"type", "TYPE", RENDER_TEXT, false},
        {"source", "SOURCE", RENDER_TEXT, false},
        {"options", "OPTIONS", RENDER_TEXT, false},
};

static void table_unrefp(struct libscols_table **table) {
        scols_unref_table(*table);
}

/* As deep as the daemon nests, which is bounded by it and by the parser. */
static int add_mounts(struct libscols_table *table, struct libscols_line *parent, struct json_object *mounts) {
        for (size_t i = 0; mounts && i < json_object_array_length(mounts); i++) {
                struct json_object *mount = json_object_array_get_idx(mounts, i);
                struct libscols_line *line = scols_table_new_line(table, parent);
                char *text;

                if (!line || asprintf(&text, "%s:%s", value_string(mount, "container", ""), value_string(mount, "target", "")) < 0)
                        return -ENOMEM;
                if (render_cell(line, 0, text) < 0)
                        return -ENOMEM;
                for (size_t j = 1; j < ELEMENTSOF(columns); j++)
                        if (render_cell(line, j, render_text(mount, columns[j].key, columns[j].kind)) < 0)
                                return -ENOMEM;
                if (add_mounts(table, line, value_array(mount, "mounts")) < 0)
                        return -ENOMEM;
        }
        return 0;
}

int render_plan_tree(struct json_object *mounts) {
        _cleanup_(table_unrefp) struct libscols_table *table = render_new_table();

        if (!table)
                return report_oom();
        for (size_t i = 0; i < ELEMENTSOF(columns); i++)
                if (!scols_table_new_column(table, columns[i].heading, 0, i == 0 ? SCOLS_FL_TREE : 0))
                        return report_oom();
        if (add_mounts(table, NULL, mounts) < 0)
                return report_oom();
        return scols_print_table(table) != 0 ? report_error("Cannot print the tree") : 0;
}
