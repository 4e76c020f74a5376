/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.varlink.service, which every server has, https://varlink.org/Service: who we are, and what can be called. */

#include <errno.h>
#include <string.h>

#include "api/varlink-connection.h"

#define SERVICE "org.varlink.service"

static void invalid_parameter(struct varlink_connection *connection, const char *name) {
        varlink_answer_error(connection, SERVICE ".InvalidParameter", "parameter", name);
}

/* The first parameter that is not `known`; NULL if there is none. */
static const char *find_unknown(struct json_object *parameters, const char *known) {
        json_object_object_foreach(parameters, name, value) {
                (void) value; /* defined by the macro */
                if (!known || strcmp(name, known) != 0)
                        return name;
        }
        return NULL;
}

static struct json_object *list_interfaces(void) {
        struct json_object *array = json_object_new_array();

        for (const struct varlink_description *row = varlink_descriptions; array && row->name; row++) {
                struct json_object *name = json_object_new_string(row->name);

                if (!name || json_object_array_add(array, name) < 0) {
                        (void) json_object_put(name);
                        (void) json_object_put(array);
                        return NULL;
                }
        }
        return array;
}

/* An object of these pairs of key and value, the last value NULL for the interfaces. NULL when memory is short. */
static struct json_object *make_info(void) {
        static const char *const pairs[][2] = {
                {"vendor", "podmount"}, {"product", "podmountd"}, {"version", PACKAGE_VERSION}, {"url", PACKAGE_URL}, {"interfaces", NULL},
        };
        _cleanup_json_ struct json_object *info = json_object_new_object();

        for (size_t i = 0; info && i < ELEMENTSOF(pairs); i++) {
                struct json_object *value = pairs[i][1] ? json_object_new_string(pairs[i][1]) : list_interfaces();

                if (!value || json_object_object_add(info, pairs[i][0], value) < 0) {
                        (void) json_object_put(value);
                        return NULL;
                }
        }
        return TAKE_PTR(info);
}

static void get_info(struct varlink_connection *connection, struct json_object *parameters) {
        const char *unknown = find_unknown(parameters, NULL);

        if (unknown)
                invalid_parameter(connection, unknown);
        else
                (void) varlink_answer(connection, make_info(), NULL, false);
}

static struct json_object *make_description(const struct varlink_description *row) {
        _cleanup_json_ struct json_object *answer = json_object_new_object();
        struct json_object *text = json_object_new_string(row->text);

        if (answer && text && json_object_object_add(answer, "description", text) == 0)
                return TAKE_PTR(answer);
        (void) json_object_put(text);
        return NULL;
}

static void get_description(struct varlink_connection *connection, struct json_object *parameters) {
        struct json_object *interface = json_object_object_get(parameters, "interface");
        const char *unknown = find_unknown(parameters, "interface"), *name = json_object_get_string(interface);

        if (unknown || !json_object_is_type(interface, json_type_string)) {
                invalid_parameter(connection, unknown ? unknown : "interface");
                return;
        }
        for (const struct varlink_description *row = varlink_descriptions; row->name; row++)
                if (strcmp(row->name, name) == 0) {
                        (void) varlink_answer(connection, make_description(row), NULL, false);
                        return;
                }
        varlink_answer_error(connection, SERVICE ".InterfaceNotFound", "interface", name);
}

bool varlink_service_answers(struct varlink_connection *connection, const char *method, struct json_object *parameters, size_t n_fds) {
        const char *dot = strrchr(method, '.');
        _cleanup_free_ char *interface = strndup(method, dot ? (size_t) (dot - method) : strlen(method));

        if (interface && strcmp(interface, VARLINK_INTERFACE) == 0)
                return false;
        if (!interface || strcmp(interface, SERVICE) != 0)
                varlink_answer_error(connection, SERVICE ".InterfaceNotFound", "interface", interface ? interface : "");
        else if (n_fds > 0)
                invalid_parameter(connection, "fds");
        else if (strcmp(dot, ".GetInfo") == 0)
                get_info(connection, parameters);
        else if (strcmp(dot, ".GetInterfaceDescription") == 0)
                get_description(connection, parameters);
        else
                varlink_answer_error(connection, SERVICE ".MethodNotFound", "method", method);
        return true;
}
