/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "client/value.h"
#include "dbus/names.h"

int value_name_fields(struct json_object *structures, const char *const *names, struct json_object **ret) {
        _cleanup_json_ struct json_object *array = json_object_new_array();
        size_t n_names = 0;

        if (!array)
                return -ENOMEM;
        while (names[n_names])
                n_names++;
        for (size_t i = 0; i < json_object_array_length(structures); i++) {
                struct json_object *structure = json_object_array_get_idx(structures, i);
                struct json_object *object;

                if (!json_object_is_type(structure, json_type_array) || json_object_array_length(structure) != n_names)
                        return -EBADMSG;
                object = json_object_new_object();
                if (!object || json_object_array_add(array, object) < 0) {
                        (void) json_object_put(object);
                        return -ENOMEM;
                }
                for (size_t field = 0; field < n_names; field++)
                        if (value_add(object, names[field],
                                    json_object_get(json_object_array_get_idx(structure, field))) < 0)
                                return -ENOMEM;
        }
        *ret = TAKE_PTR(array);
        return 0;
}

const char *value_string(struct json_object *object, const char *key, const char *fallback) {
        struct json_object *member;

        if (!json_object_object_get_ex(object, key, &member) || !json_object_is_type(member, json_type_string))
                return fallback;
        return json_object_get_string(member);
}

uint64_t value_u64(struct json_object *object, const char *key) {
        struct json_object *member;

        if (!json_object_object_get_ex(object, key, &member) || !json_object_is_type(member, json_type_int))
                return 0;
        return json_object_get_uint64(member);
}

struct json_object *value_array(struct json_object *object, const char *key) {
        struct json_object *member;

        if (!json_object_object_get_ex(object, key, &member) || !json_object_is_type(member, json_type_array))
                return NULL;
        return member;
}

int value_add(struct json_object *object, const char *key, struct json_object *member) {
        if (!member)
                return -ENOMEM;
        if (json_object_object_add(object, key, member) < 0) {
                (void) json_object_put(member);
                return -ENOMEM;
        }
        return 0;
}

char *value_uuid_from_path(const char *path) {
        static const char prefix[] = PODMOUNT_POD_PATH "/";
        char *uuid;

        if (strncmp(path, prefix, strlen(prefix)) != 0 || strchr(path + strlen(prefix), '/'))
                return NULL;
        uuid = strdup(path + strlen(prefix));
        for (char *p = uuid; p && *p; p++)
                if (*p == '_')
                        *p = '-';
        return uuid;
}
