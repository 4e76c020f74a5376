/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * D-Bus values to json-c values, by the signature that each message carries, so that a field which a later daemon adds
 * is shown without a change here.
 */

#include <string.h>

#include "client/value.h"
#include "dbus/names.h"

static int read_basic(sd_bus_message *m, char type, struct json_object **ret) {
        struct json_object *value = NULL;
        union {
                uint8_t y;
                int boolean;
                int16_t n;
                uint16_t q;
                int32_t i;
                uint32_t u;
                int64_t x;
                uint64_t t;
                double d;
                const char *s;
        } basic;
        int r = sd_bus_message_read_basic(m, type, &basic);

        if (r < 0)
                return r;
        switch (type) {
        case 'y':
                value = json_object_new_int64(basic.y);
                break;
        case 'b':
                value = json_object_new_boolean(basic.boolean);
                break;
        case 'n':
                value = json_object_new_int64(basic.n);
                break;
        case 'q':
                value = json_object_new_int64(basic.q);
                break;
        case 'i':
                value = json_object_new_int64(basic.i);
                break;
        case 'u':
                value = json_object_new_int64(basic.u);
                break;
        case 'x':
                value = json_object_new_int64(basic.x);
                break;
        case 't':
                value = json_object_new_uint64(basic.t);
                break;
        case 'd':
                value = json_object_new_double(basic.d);
                break;
        case 'h':
                *ret = NULL; /* JSON's null: the number means nothing to a reader */
                return 0;
        default: /* s, o, g */
                value = json_object_new_string(basic.s);
                break;
        }
        if (!value)
                return -ENOMEM;
        *ret = value;
        return 0;
}

/* Reads the members of the container that was entered, until its end. */
static int read_elements(sd_bus_message *m, struct json_object *array) {
        int r;

        while ((r = sd_bus_message_at_end(m, 0)) == 0) {
                struct json_object *element;

                r = value_read(m, &element);
                if (r < 0)
                        return r;
                if (json_object_array_add(array, element) < 0) {
                        (void) json_object_put(element);
                        return -ENOMEM;
                }
        }
        return r < 0 ? r : 0;
}

static int read_dictionary(sd_bus_message *m, struct json_object *object) {
        int r;

        while ((r = sd_bus_message_at_end(m, 0)) == 0) {
                struct json_object *member;
                const char *contents, *key;
                char type;

                r = sd_bus_message_peek_type(m, &type, &contents);
                if (r < 0)
                        return r;
                if (type != 'e' || !strchr("sog", contents[0]))
                        return -EBADMSG;
                r = sd_bus_message_enter_container(m, 'e', contents);
                if (r < 0)
                        return r;
                r = sd_bus_message_read_basic(m, contents[0], &key);
                if (r < 0)
                        return r;
                r = value_read(m, &member);
                if (r < 0)
                        return r;
                if (json_object_object_add(object, key, member) < 0) {
                        (void) json_object_put(member);
                        return -ENOMEM;
                }
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : 0;
}

static int read_container(sd_bus_message *m, char type, const char *contents, struct json_object **ret) {
        bool dictionary = type == 'a' && contents[0] == '{';
        _cleanup_json_ struct json_object *value = dictionary ? json_object_new_object() : json_object_new_array();
        int r;

        if (!value)
                return -ENOMEM;
        r = sd_bus_message_enter_container(m, type, contents);
        if (r < 0)
                return r;
        r = dictionary ? read_dictionary(m, value) : read_elements(m, value);
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(value);
        return 0;
}

int value_read(sd_bus_message *m, struct json_object **ret) {
        const char *contents;
        char type;
        int r;

        r = sd_bus_message_peek_type(m, &type, &contents);
        if (r < 0)
                return r;
        if (r == 0)
                return -EBADMSG;
        if (type == 'a' || type == 'r')
                return read_container(m, type, contents, ret);
        if (type != 'v')
                return read_basic(m, type, ret);
        r = sd_bus_message_enter_container(m, 'v', contents);
        if (r < 0)
                return r;
        r = value_read(m, ret);
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(m);
        if (r < 0) {
                (void) json_object_put(*ret);
                *ret = NULL;
        }
        return r < 0 ? r : 0;
}

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
