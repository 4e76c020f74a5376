/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The mounts of pods as a tree, drawn by libsmartcols: a line for each pod, below it each mount under the mount that it
 * is mounted on. A mount whose parent is not the pod's (or is gone) hangs below the pod's own line.
 */

#include <libsmartcols.h>
#include <string.h>

#include "client/render.h"
#include "client/report.h"
#include "client/value.h"
#include "util/map.h"

enum { COLUMN_TARGET, COLUMN_STATE, COLUMN_ID, COLUMN_TYPE, COLUMN_SOURCE, COLUMN_OPTIONS, _COLUMN_MAX };

static const struct render_column columns[_COLUMN_MAX] = {
        [COLUMN_TARGET] = {"Target", "TARGET", RENDER_TEXT, false},
        [COLUMN_STATE] = {"State", "STATE", RENDER_TEXT, false},
        [COLUMN_ID] = {"ID", "ID", RENDER_TEXT, true},
        [COLUMN_TYPE] = {"Type", "TYPE", RENDER_TEXT, false},
        [COLUMN_SOURCE] = {"Source", "SOURCE", RENDER_TEXT, false},
        [COLUMN_OPTIONS] = {"Options", "OPTIONS", RENDER_TEXT, false},
};

static void table_unrefp(struct libscols_table **table) {
        scols_unref_table(*table);
}

static int fill_pod_line(struct libscols_line *line, struct json_object *pod) {
        const char *name = value_string(pod, "Name", "");
        char *text;

        if (asprintf(&text, *name ? "%s (%s)" : "%s%s", value_string(pod, "UUID", ""), name) < 0)
                return -ENOMEM;
        if (render_cell(line, COLUMN_TARGET, text) < 0)
                return -ENOMEM;
        return render_cell(line, COLUMN_STATE, strdup(value_string(pod, "State", "")));
}

/* The pod's own tmpfs is what the pod's line stands for. */
static bool is_tree_mount(struct json_object *mount) {
        return !*value_string(mount, "Container", "") && !*value_string(mount, "Target", "");
}

static int fill_mount_line(struct libscols_line *line, struct json_object *mount) {
        char *text;

        /* a container's root is told apart from other containers' by the container's name in front */
        if (asprintf(&text, "%s:%s", value_string(mount, "Container", ""), value_string(mount, "Target", "")) < 0)
                return -ENOMEM;
        if (render_cell(line, COLUMN_TARGET, text) < 0)
                return -ENOMEM;
        for (size_t i = COLUMN_TARGET + 1; i < _COLUMN_MAX; i++)
                if (render_cell(line, i, render_text(mount, columns[i].key, columns[i].kind)) < 0)
                        return -ENOMEM;
        return 0;
}

/* Lines for all mounts first, then each under its parent: the daemon lists in the order of its record, not of the
 * tree. */
static int add_mounts(
        struct libscols_table *table, struct libscols_line *top, struct json_object *mounts, struct map *lines) {
        for (size_t i = 0; i < json_object_array_length(mounts); i++) {
                struct json_object *mount = json_object_array_get_idx(mounts, i);
                uint64_t id = value_u64(mount, "ID");
                struct libscols_line *line = top;
                int r;

                if (!is_tree_mount(mount)) {
                        line = scols_table_new_line(table, NULL);
                        if (!line || fill_mount_line(line, mount) < 0)
                                return -ENOMEM;
                        (void) scols_line_set_userdata(line, mount); /* fails for a NULL line only */
                } else if (render_cell(top, COLUMN_ID, render_text(mount, "ID", RENDER_TEXT)) < 0 ||
                           render_cell(top, COLUMN_TYPE, render_text(mount, "Type", RENDER_TEXT)) < 0) {
                        return -ENOMEM;
                }
                r = id > 0 ? map_put_u64(lines, id, line) : 0;
                if (r < 0 && r != -EEXIST)
                        return r;
        }
        return 0;
}

static int hang_up(struct libscols_table *table, struct libscols_line *top, struct map *lines, size_t first) {
        for (size_t i = first; i < scols_table_get_nlines(table); i++) {
                struct libscols_line *line = scols_table_get_line(table, i), *parent = NULL;
                struct json_object *mount = scols_line_get_userdata(line);

                if (mount && value_u64(mount, "ParentID") > 0)
                        parent = map_get_u64(lines, value_u64(mount, "ParentID"));
                if (!parent || scols_line_is_ancestor(line, parent)) /* also of itself */
                        parent = top;
                if (scols_line_add_child(parent, line) != 0)
                        return -ENOMEM;
        }
        return 0;
}

static int add_pod(struct libscols_table *table, struct json_object *pod) {
        struct map *lines = map_new(MAP_KEY_U64);
        struct libscols_line *top = scols_table_new_line(table, NULL);
        struct json_object *mounts = value_array(pod, "Mounts");
        size_t first = scols_table_get_nlines(table);
        int r = -ENOMEM;

        if (lines && top && mounts) {
                r = fill_pod_line(top, pod);
                if (r >= 0)
                        r = add_mounts(table, top, mounts, lines);
                if (r >= 0)
                        r = hang_up(table, top, lines, first);
        }
        (void) map_free(lines); /* returns NULL */
        return r;
}

int render_tree(struct json_object *pods) {
        _cleanup_(table_unrefp) struct libscols_table *table = render_new_table();

        if (json_object_array_length(pods) == 0) {
                puts("No pods.");
                return 0;
        }
        if (!table)
                return report_oom();
        for (size_t i = 0; i < _COLUMN_MAX; i++) {
                int flags = i == COLUMN_TARGET ? SCOLS_FL_TREE : columns[i].right ? SCOLS_FL_RIGHT : 0;

                if (!scols_table_new_column(table, columns[i].heading, 0, flags))
                        return report_oom();
        }
        for (size_t i = 0; i < json_object_array_length(pods); i++)
                if (add_pod(table, json_object_array_get_idx(pods, i)) < 0)
                        return report_oom();
        return scols_print_table(table) != 0 ? report_error("Cannot print the tree") : 0;
}
