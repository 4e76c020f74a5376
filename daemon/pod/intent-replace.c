/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a Replace() was about to do, written down so that a start after a crash can finish it: there is no way back once
 * the new mount lies beneath the old one.
 */

#include "pod/intent-replace.h"

#include <string.h>

#include "util/json.h"
#include "util/log.h"

void intent_replace_done(struct intent_replace *replace) {
        free(replace->request);
        free(replace->key);
        *replace = (struct intent_replace) {};
}

static int add(struct json_object *object, const char *name, struct json_object *member) {
        if (member && json_object_object_add(object, name, member) == 0)
                return 0;
        (void) json_object_put(member);
        return -ENOMEM;
}

static int add_numbers(struct json_object *object, const char *name, const int64_t *numbers, size_t n) {
        struct json_object *array = json_object_new_array();
        int r = add(object, name, array);

        for (size_t i = 0; r == 0 && i < n; i++) {
                struct json_object *number = json_object_new_int64(numbers[i]);

                if (number && json_object_array_add(array, number) == 0)
                        continue;
                (void) json_object_put(number);
                r = -ENOMEM;
        }
        return r;
}

static int add_made(struct json_object *object, const struct intent_mount *made) {
        const int64_t numbers[] = {(int64_t) (made->id >> 32), (int64_t) (made->id & UINT32_MAX), made->mount_id};

        return add_numbers(object, "made", numbers, ELEMENTSOF(numbers));
}

static int add_namespace(struct json_object *object, uint64_t id) {
        const int64_t numbers[] = {(int64_t) (id >> 32), (int64_t) (id & UINT32_MAX)};

        return id == 0 ? 0 : add_numbers(object, "namespace", numbers, ELEMENTSOF(numbers));
}

int intent_replace_write(const struct intent_replace *replace, char **ret) {
        _cleanup_json_ struct json_object *object = json_object_new_object();
        char *text;
        int r;

        if (!object)
                return log_oom();
        r = add(object, "row", json_object_new_int64(replace->row));
        if (r == 0)
                r = add(object, "request", json_object_new_string(replace->request));
        if (r == 0 && replace->key)
                r = add(object, "key", json_object_new_string(replace->key));
        if (r == 0)
                r = add(object, "root", json_object_new_boolean(replace->root));
        if (r == 0)
                r = add_made(object, &replace->made);
        if (r == 0)
                r = add_namespace(object, replace->namespace);
        text = r == 0 ? json_canonical(object) : NULL;
        if (!text)
                return log_oom();
        *ret = text;
        return 0;
}

static bool read_number(struct json_object *number, int64_t maximum, int64_t *ret) {
        if (!json_object_is_type(number, json_type_int))
                return false;
        *ret = json_object_get_int64(number);
        return *ret >= 0 && *ret <= maximum;
}

static bool read_numbers(struct json_object *array, int64_t *numbers, size_t n) {
        if (!json_object_is_type(array, json_type_array) || json_object_array_length(array) != n)
                return false;
        for (size_t i = 0; i < n; i++)
                if (!read_number(json_object_array_get_idx(array, i), UINT32_MAX, &numbers[i]))
                        return false;
        return true;
}

static bool read_made(struct json_object *object, struct intent_mount *ret) {
        struct json_object *array;
        int64_t numbers[3];

        if (!json_object_object_get_ex(object, "made", &array) || !read_numbers(array, numbers, ELEMENTSOF(numbers)))
                return false;
        ret->id = (uint64_t) numbers[0] << 32 | (uint64_t) numbers[1];
        ret->mount_id = (uint32_t) numbers[2];
        return true;
}

static bool read_namespace(struct json_object *object, uint64_t *ret) {
        struct json_object *halves;

        return !json_object_object_get_ex(object, "namespace", &halves) || json_read_halves(halves, ret);
}

int intent_replace_read(const char *text, struct intent_replace *ret) {
        _cleanup_intent_replace_ struct intent_replace replace = {};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_json_ struct json_object *object = NULL;
        struct json_object *member;

        if (!text || json_parse(text, strlen(text), &object, &f) != 0 || !json_object_is_type(object, json_type_object))
                return -EBADMSG;
        if (!json_object_object_get_ex(object, "row", &member) || !read_number(member, INT64_MAX, &replace.row))
                return -EBADMSG;
        if (!json_object_object_get_ex(object, "root", &member) || !json_object_is_type(member, json_type_boolean))
                return -EBADMSG;
        replace.root = json_object_get_boolean(member);
        if (!read_made(object, &replace.made) || !read_namespace(object, &replace.namespace))
                return -EBADMSG;
        if (!json_object_object_get_ex(object, "request", &member) || !json_object_is_type(member, json_type_string))
                return -EBADMSG;
        replace.request = strdup(json_object_get_string(member));
        if (json_object_object_get_ex(object, "key", &member)) {
                if (!json_object_is_type(member, json_type_string))
                        return -EBADMSG;
                replace.key = strdup(json_object_get_string(member));
                if (!replace.key)
                        return log_oom();
        }
        if (!replace.request)
                return log_oom();
        *ret = replace;
        replace = (struct intent_replace) {};
        return 0;
}

int intent_replace_resume(const char *text, uint64_t size_max, struct intent_replace *ret, struct spec_mount **ret_mounts,
                          size_t *ret_n_mounts, char **ret_target, struct failure *f) {
        int r = intent_replace_read(text, ret);

        if (r == 0)
                r = spec_parse_mounts(ret->request, strlen(ret->request), size_max, ret_mounts, ret_n_mounts, f);
        if (r == 0 && *ret_n_mounts != 1)
                r = -EBADMSG;
        if (r != 0)
                return r;
        *ret_target = strdup((*ret_mounts)[0].destination);
        return *ret_target ? 0 : log_oom();
}
