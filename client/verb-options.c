/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* options: the table of mount options as this version has it, without asking the daemon. */

#include <string.h>

#include "client/render.h"
#include "client/report.h"
#include "client/value.h"
#include "client/verb.h"
#include "spec/option.h"
#include "util/array.h"

static struct json_object *row_to_json(const struct option_row *row) {
        _cleanup_json_ struct json_object *object = json_object_new_object();

        if (!object || value_add(object, "Option", json_object_new_string(row->name)) < 0 ||
                value_add(object, "Type", json_object_new_string(row->type ? row->type : "")) < 0 ||
                value_add(object, "Kind", json_object_new_string(option_kind_name(row->kind))) < 0 ||
                value_add(object, "Value", json_object_new_string(option_value_name(row))) < 0 ||
                value_add(object, "Root", json_object_new_string(row->root_words ? row->root_words : "")) < 0 ||
                value_add(object, "Recursive", json_object_new_boolean(row->recursive)) < 0 ||
                value_add(object, "Remount", json_object_new_boolean(row->kind != OPTION_DATA || row->changes)) < 0 ||
                value_add(object, "Summary", json_object_new_string(row->summary)) < 0)
                return NULL;
        return TAKE_PTR(object);
}

/* The rows of one type, of the plain options ("plain"), or all. */
static int table_to_json(const char *type, struct json_object **ret) {
        _cleanup_json_ struct json_object *rows = json_object_new_array();

        for (const struct option_row *row = option_table(); rows && row->name; row++) {
                struct json_object *object;

                if (type && strcmp(row->type ? row->type : "plain", type) != 0)
                        continue;
                object = row_to_json(row);
                if (!object || json_object_array_add(rows, object) < 0) {
                        (void) json_object_put(object);
                        return report_oom();
                }
        }
        if (!rows)
                return report_oom();
        *ret = TAKE_PTR(rows);
        return 0;
}

int verb_options(struct client *client, const struct arguments *arguments) {
        static const struct render_column columns[] = {
                {"Option", "OPTION", RENDER_TEXT, false}, {"Type", "TYPE", RENDER_TEXT, false},
                {"Kind", "KIND", RENDER_TEXT, false},     {"Value", "VALUE", RENDER_TEXT, false},
                {"Summary", "SUMMARY", RENDER_TEXT, false},
        };
        _cleanup_json_ struct json_object *rows = NULL;
        const char *type = arguments->n_words > 1 ? arguments->words[1] : NULL;
        int r = table_to_json(type, &rows);

        if (r != 0)
                return r;
        if (type && json_object_array_length(rows) == 0)
                return report_error("There is no option of type %s; without a type all options are listed", type);
        return render_wants_json(client) ? render_json(client, rows)
                                         : render_table(columns, ELEMENTSOF(columns), rows, NULL);
}
