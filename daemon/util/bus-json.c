/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Both directions walk a value along its signature. Nothing of a value is believed: a client of the other side wrote it. */

#include "util/bus-json.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "util/array.h"

void bus_json_fds_done(struct bus_json_fds *fds) {
        for (size_t i = 0; i < fds->n_fds; i++)
                (void) close_fd(fds->fds[i]);
        free(fds->fds);
        free(fds->used);
        *fds = (struct bus_json_fds) {};
}

size_t bus_json_type_length(const char *signature) {
        size_t length = 0;
        char end;

        if (!*signature)
                return 0;
        if (strchr("ybnqiuxtdhsogv", *signature))
                return 1;
        if (*signature == 'a') {
                length = bus_json_type_length(signature + 1);
                return length > 0 ? 1 + length : 0;
        }
        if (*signature != '(' && *signature != '{')
                return 0;
        end = *signature == '(' ? ')' : '}';
        for (length = 1; signature[length] != end;) {
                size_t inner = bus_json_type_length(signature + length);

                if (inner == 0)
                        return 0;
                length += inner;
        }
        return length + 1;
}

char *bus_json_key(const char *key, bool to_json) {
        char *other = strdup(key), from = to_json ? '-' : '_', to = to_json ? '_' : '-';

        for (char *p = other; p && *p; p++)
                if (*p == from)
                        *p = to;
        return other;
}

/* The next word of a list; NULL at its end. */
static char *next_field(const char **fields) {
        size_t length = strcspn(*fields, " ");
        char *field;

        if (length == 0)
                return NULL;
        field = strndup(*fields, length);
        *fields += length;
        *fields += strspn(*fields, " ");
        return field;
}

/* From D-Bus to JSON. */

struct reader {
        sd_bus_message *m;
        const char *fields;
        struct bus_json_fds *fds;
        bool as_is; /* the keys */
};

static int read_value(struct reader *reader, struct json_object **ret);

static int add_member(struct json_object *object, const char *key, struct json_object *member) {
        if (json_object_object_add(object, key, member) == 0)
                return 0;
        (void) json_object_put(member);
        return -ENOMEM;
}

static int read_fd(struct reader *reader, int fd, struct json_object **ret) {
        int *slot;

        *ret = NULL; /* JSON's null */
        if (!reader->fds)
                return 0;
        slot = array_append(&reader->fds->fds, &reader->fds->n_fds);
        if (!slot)
                return -ENOMEM;
        *slot = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (*slot < 0) {
                reader->fds->n_fds--;
                return -errno;
        }
        *ret = json_object_new_uint64(reader->fds->n_fds - 1);
        return *ret ? 0 : -ENOMEM;
}

static int read_basic(struct reader *reader, char type, struct json_object **ret) {
        union {
                uint8_t y;
                int boolean, fd;
                int16_t n;
                uint16_t q;
                int32_t i;
                uint32_t u;
                int64_t x;
                uint64_t t;
                double d;
                const char *s;
        } basic;
        struct json_object *value = NULL;
        int r = sd_bus_message_read_basic(reader->m, type, &basic);

        if (r < 0)
                return r;
        if (type == 'h')
                return read_fd(reader, basic.fd, ret);
        if (type == 'y')
                value = json_object_new_int64(basic.y);
        else if (type == 'b')
                value = json_object_new_boolean(basic.boolean);
        else if (type == 'n')
                value = json_object_new_int64(basic.n);
        else if (type == 'q')
                value = json_object_new_int64(basic.q);
        else if (type == 'i')
                value = json_object_new_int64(basic.i);
        else if (type == 'u')
                value = json_object_new_int64(basic.u);
        else if (type == 'x')
                value = json_object_new_int64(basic.x);
        else if (type == 't')
                value = json_object_new_uint64(basic.t);
        else if (type == 'd')
                value = json_object_new_double(basic.d);
        else /* s, o, g */
                value = json_object_new_string(basic.s);
        *ret = value;
        return value ? 0 : -ENOMEM;
}

static int read_elements(struct reader *reader, struct json_object *array) {
        int r;

        while ((r = sd_bus_message_at_end(reader->m, 0)) == 0) {
                struct json_object *element;

                r = read_value(reader, &element);
                if (r < 0)
                        return r;
                if (json_object_array_add(array, element) < 0) {
                        (void) json_object_put(element);
                        return -ENOMEM;
                }
        }
        return r < 0 ? r : 0;
}

/* The members of a structure, which have to be as many as there are names. */
static int read_fields(struct reader *reader, struct json_object *object) {
        const char *fields = reader->fields;
        int r;

        while ((r = sd_bus_message_at_end(reader->m, 0)) == 0) {
                _cleanup_free_ char *field = next_field(&fields);
                struct json_object *member;

                if (!field)
                        return -EBADMSG;
                r = read_value(reader, &member);
                if (r >= 0)
                        r = add_member(object, field, member);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : *fields ? -EBADMSG : 0;
}

static int read_entry(struct reader *reader, struct json_object *object) {
        _cleanup_free_ char *name = NULL;
        struct json_object *member;
        const char *contents, *key;
        char type;
        int r = sd_bus_message_peek_type(reader->m, &type, &contents);

        if (r < 0)
                return r;
        if (type != 'e' || !strchr("sog", contents[0]))
                return -EBADMSG;
        r = sd_bus_message_enter_container(reader->m, 'e', contents);
        if (r >= 0)
                r = sd_bus_message_read_basic(reader->m, contents[0], &key);
        if (r < 0)
                return r;
        name = strcmp(contents, "sv") == 0 && !reader->as_is ? bus_json_key(key, true) : strdup(key);
        if (!name)
                return -ENOMEM;
        r = read_value(reader, &member);
        if (r >= 0)
                r = add_member(object, name, member);
        return r < 0 ? r : sd_bus_message_exit_container(reader->m);
}

static int read_dictionary(struct reader *reader, struct json_object *object) {
        int r;

        while ((r = sd_bus_message_at_end(reader->m, 0)) == 0) {
                r = read_entry(reader, object);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : 0;
}

static int read_container(struct reader *reader, char type, const char *contents, struct json_object **ret) {
        bool dictionary = type == 'a' && contents[0] == '{', fields = type == 'r' && reader->fields;
        _cleanup_json_ struct json_object *value = dictionary || fields ? json_object_new_object() : json_object_new_array();
        int r;

        if (!value)
                return -ENOMEM;
        r = sd_bus_message_enter_container(reader->m, type, contents);
        if (r < 0)
                return r;
        r = dictionary ? read_dictionary(reader, value) : fields ? read_fields(reader, value) : read_elements(reader, value);
        if (r >= 0)
                r = sd_bus_message_exit_container(reader->m);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(value);
        return 0;
}

static int read_value(struct reader *reader, struct json_object **ret) {
        const char *contents;
        char type;
        int r = sd_bus_message_peek_type(reader->m, &type, &contents);

        if (r < 0)
                return r;
        if (r == 0)
                return -EBADMSG;
        if (type == 'a' || type == 'r')
                return read_container(reader, type, contents, ret);
        if (type != 'v')
                return read_basic(reader, type, ret);
        r = sd_bus_message_enter_container(reader->m, 'v', contents);
        if (r >= 0)
                r = read_value(reader, ret);
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(reader->m);
        if (r < 0) {
                (void) json_object_put(*ret);
                *ret = NULL;
        }
        return r < 0 ? r : 0;
}

int bus_json_read(sd_bus_message *m, const char *fields, struct bus_json_fds *fds, struct json_object **ret) {
        struct reader reader = {.m = m, .fields = fields, .fds = fds};

        return read_value(&reader, ret);
}

int bus_json_read_as_is(sd_bus_message *m, struct json_object **ret) {
        struct reader reader = {.m = m, .as_is = true};

        return read_value(&reader, ret);
}

/* From JSON to D-Bus. */

struct writer {
        sd_bus_message *m;
        const char *fields;
        const struct bus_json_fds *fds;
};

static int append_value(const struct writer *writer, const char *type, struct json_object *value);

static int append_integer(const struct writer *writer, char type, struct json_object *value) {
        int64_t number = json_object_get_int64(value);
        uint64_t natural = json_object_get_uint64(value);
        uint32_t narrow = (uint32_t) natural;

        if (!json_object_is_type(value, json_type_int))
                return -EBADMSG;
        if (type == 'x')
                return number == INT64_MAX && natural > INT64_MAX ? -EBADMSG : sd_bus_message_append_basic(writer->m, 'x', &number);
        if (number < 0)
                return -EBADMSG;
        if (type == 't')
                return sd_bus_message_append_basic(writer->m, 't', &natural);
        if (type != 'u' || natural > UINT32_MAX)
                return -EBADMSG;
        return sd_bus_message_append_basic(writer->m, 'u', &narrow);
}

static int append_fd(const struct writer *writer, struct json_object *value) {
        uint64_t place = json_object_get_uint64(value);

        if (!writer->fds || !json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0 || place >= writer->fds->n_fds)
                return -EBADMSG;
        if (writer->fds->used)
                writer->fds->used[place] = true;
        if (writer->fds->fds[place] < 0) /* one that was not taken */
                return -EBADMSG;
        return sd_bus_message_append_basic(writer->m, 'h', &writer->fds->fds[place]);
}

static int append_string(const struct writer *writer, char type, struct json_object *value) {
        const char *text = json_object_get_string(value);
        int r;

        if (!json_object_is_type(value, json_type_string) || strlen(text) != (size_t) json_object_get_string_len(value))
                return -EBADMSG;
        r = sd_bus_message_append_basic(writer->m, type, text);
        return r == -EINVAL ? -EBADMSG : r; /* no UTF-8, no object path */
}

static int append_boolean(const struct writer *writer, struct json_object *value) {
        int flag = json_object_get_boolean(value);

        return json_object_is_type(value, json_type_boolean) ? sd_bus_message_append_basic(writer->m, 'b', &flag) : -EBADMSG;
}

/* What a variant is made of; NULL for what it cannot hold. */
static const char *guess_type(struct json_object *value) {
        if (json_object_is_type(value, json_type_boolean))
                return "b";
        if (json_object_is_type(value, json_type_string))
                return "s";
        if (json_object_is_type(value, json_type_int))
                return json_object_get_int64(value) < 0 ? "x" : "t";
        if (json_object_is_type(value, json_type_object))
                return "a{sv}";
        if (!json_object_is_type(value, json_type_array))
                return NULL;
        if (json_object_array_length(value) > 0 && json_object_is_type(json_object_array_get_idx(value, 0), json_type_object))
                return "aa{sv}";
        return "as";
}

static int append_entry(const struct writer *writer, const char *contents, const char *key, struct json_object *value) {
        bool variant = strcmp(contents, "sv") == 0;
        _cleanup_free_ char *name = variant ? bus_json_key(key, false) : strdup(key);
        int r;

        if (!name)
                return -ENOMEM;
        r = sd_bus_message_open_container(writer->m, 'e', contents);
        if (r >= 0)
                r = sd_bus_message_append_basic(writer->m, contents[0], name);
        if (r == -EINVAL)
                r = -EBADMSG;
        if (r >= 0)
                r = append_value(writer, contents + 1, value);
        return r < 0 ? r : sd_bus_message_close_container(writer->m);
}

static int append_elements(const struct writer *writer, const char *contents, struct json_object *value) {
        if (!json_object_is_type(value, json_type_array))
                return -EBADMSG;
        for (size_t i = 0; i < json_object_array_length(value); i++) {
                int r = append_value(writer, contents, json_object_array_get_idx(value, i));

                if (r < 0)
                        return r;
        }
        return 0;
}

/* `contents`: of the array, with its braces. */
static int append_entries(const struct writer *writer, const char *contents, struct json_object *value) {
        _cleanup_free_ char *entry = strndup(contents + 1, strlen(contents) - 2);

        if (!json_object_is_type(value, json_type_object))
                return -EBADMSG;
        if (!entry)
                return -ENOMEM;
        json_object_object_foreach(value, key, member) {
                int r = append_entry(writer, entry, key, member);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int append_array(const struct writer *writer, const char *contents, struct json_object *value) {
        int r = sd_bus_message_open_container(writer->m, 'a', contents);

        if (r >= 0)
                r = *contents == '{' ? append_entries(writer, contents, value) : append_elements(writer, contents, value);
        return r < 0 ? r : sd_bus_message_close_container(writer->m);
}

static int append_structure(const struct writer *writer, const char *contents, struct json_object *value) {
        const char *fields = writer->fields ? writer->fields : "";
        size_t n = 0;
        int r;

        if (!json_object_is_type(value, json_type_object))
                return -EBADMSG;
        r = sd_bus_message_open_container(writer->m, 'r', contents);
        for (const char *type = contents; r >= 0 && *type; type += bus_json_type_length(type), n++) {
                _cleanup_free_ char *field = next_field(&fields), *one = strndup(type, bus_json_type_length(type));
                struct json_object *member;

                if (!one)
                        return -ENOMEM;
                if (!field || !json_object_object_get_ex(value, field, &member))
                        return -EBADMSG;
                r = append_value(writer, one, member);
        }
        if (r >= 0 && ((size_t) json_object_object_length(value) != n || *fields))
                return -EBADMSG;
        return r < 0 ? r : sd_bus_message_close_container(writer->m);
}

static int append_variant(const struct writer *writer, struct json_object *value) {
        const char *type = guess_type(value);
        int r;

        if (!type)
                return -EBADMSG;
        r = sd_bus_message_open_container(writer->m, 'v', type);
        if (r >= 0)
                r = append_value(writer, type, value);
        return r < 0 ? r : sd_bus_message_close_container(writer->m);
}

/* `type` is one complete type and nothing behind it. */
static int append_value(const struct writer *writer, const char *type, struct json_object *value) {
        _cleanup_free_ char *contents = NULL;

        switch (*type) {
        case 's':
        case 'o':
                return append_string(writer, *type, value);
        case 'b':
                return append_boolean(writer, value);
        case 'h':
                return append_fd(writer, value);
        case 'v':
                return append_variant(writer, value);
        case 'a':
                return append_array(writer, type + 1, value);
        case '(':
                contents = strndup(type + 1, strlen(type) - 2);
                return contents ? append_structure(writer, contents, value) : -ENOMEM;
        default:
                return append_integer(writer, *type, value);
        }
}

int bus_json_append(sd_bus_message *m, const char *type, const char *fields, struct json_object *value, const struct bus_json_fds *fds) {
        const struct writer writer = {.m = m, .fields = fields, .fds = fds};

        return append_value(&writer, type, value);
}
