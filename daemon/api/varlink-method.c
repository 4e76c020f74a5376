/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of varlink's to rows of the table, and back. */

#include "api/varlink-method.h"

#include <string.h>

#include "admit/verdict.h"
#include "dbus/names.h"

/* What is not called as its row, or has no name of its own here: NULL. */
static const struct name_row {
        const char *interface, *member;
        const char *name;
        enum varlink_kind kind;
} names[] = {
        {"org.freedesktop.DBus.Properties", "GetAll", "Describe", VARLINK_DESCRIBE},
        {"org.freedesktop.DBus.ObjectManager", "GetManagedObjects", "List", VARLINK_LIST},
        {PODMOUNT_MANAGER_INTERFACE, "Subscribe", "Monitor", VARLINK_MONITOR},
        {PODMOUNT_LAYER_STORE_INTERFACE, "LayerExists", "HasLayer", VARLINK_PLAIN}, /* one of the two symbols is the error */
        {PODMOUNT_MANAGER_INTERFACE, "Unsubscribe", NULL, VARLINK_PLAIN}, /* the end of the connection */
        {"org.freedesktop.DBus.Introspectable", "Introspect", NULL, VARLINK_PLAIN}, /* org.varlink.service.GetInterfaceDescription */
        {"org.freedesktop.DBus.Properties", "Get", NULL, VARLINK_PLAIN}, /* Describe and List have all of them */
        {"org.freedesktop.DBus.Properties", "Set", NULL, VARLINK_PLAIN}, /* there is nothing to set */
};

static const struct name_row *find_name(const struct method *method) {
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (strcmp(names[i].interface, method->interface) == 0 && strcmp(names[i].member, method->member) == 0)
                        return &names[i];
        return NULL;
}

static bool manager_has(const char *member) {
        bool known;

        return method_find(OBJECT_MANAGER, PODMOUNT_MANAGER_INTERFACE, member, &known);
}

const char *varlink_method_name(const struct method *method) {
        const struct name_row *row = find_name(method);

        if (row)
                return row->name;
        return strcmp(method->interface, PODMOUNT_POD_INTERFACE) == 0 && manager_has(method->member) ? NULL : method->member;
}

bool varlink_method_find(const char *name, struct varlink_method *ret) {
        for (const struct method *method = method_table; method->member; method++) {
                const char *own = varlink_method_name(method);
                const struct name_row *row = find_name(method);

                if (!own || strcmp(own, name) != 0)
                        continue;
                ret->method = method;
                if (row)
                        ret->kind = row->kind;
                else
                        ret->kind = method->objects == OBJECT_POD ? VARLINK_OF_POD : VARLINK_PLAIN;
                ret->object = ret->kind == VARLINK_OF_POD ? OBJECT_POD : OBJECT_MANAGER;
                return true;
        }
        return false;
}

bool varlink_method_find_show(struct varlink_method *ret) {
        bool known;

        *ret = (struct varlink_method) {
                .kind = VARLINK_SHOW,
                .object = OBJECT_POD,
                .method = method_find(OBJECT_POD, "org.freedesktop.DBus.Properties", "GetAll", &known),
        };
        return ret->method;
}

bool varlink_method_may_ask(const struct method *method) {
        const struct verdict_row *row = verdict_find(method->interface, method->member, false);

        return method->changes || (row && row->action);
}
