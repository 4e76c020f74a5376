/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an operation was about to take away, written down so that a start after a crash can finish it.
 */

#include "pod/intent-detail.h"

#include <string.h>

#include "plan/step.h"
#include "pod/made.h"
#include "util/array.h"
#include "util/json.h"
#include "util/log.h"

/* Adds a number to an array; the array owns it. */
static int add(struct json_object *array, int64_t number) {
        struct json_object *item = json_object_new_int64(number);

        if (!item)
                return -ENOMEM;
        if (json_object_array_add(array, item) < 0) {
                (void) json_object_put(item);
                return -ENOMEM;
        }
        return 0;
}

/* {"<name>": <array>} as text; the array is taken over. */
static int write_text(const char *name, struct json_object *array, char **ret) {
        _cleanup_json_ struct json_object *detail = json_object_new_object();
        char *text;

        if (!detail || json_object_object_add(detail, name, array) < 0) {
                (void) json_object_put(array);
                return log_oom();
        }
        text = json_canonical(detail);
        if (!text)
                return log_oom();
        *ret = text;
        return 0;
}

int intent_detail_write_rows(const int64_t *rows, size_t n, char **ret) {
        struct json_object *array = json_object_new_array();

        if (!array)
                return log_oom();
        for (size_t i = 0; i < n; i++)
                if (add(array, rows[i]) < 0) {
                        (void) json_object_put(array);
                        return log_oom();
                }
        return write_text("rows", array, ret);
}

static int add_mount(struct json_object *array, const struct intent_mount *mount) {
        struct json_object *item = json_object_new_array();

        if (!item)
                return -ENOMEM;
        if (json_object_array_add(array, item) < 0) {
                (void) json_object_put(item);
                return -ENOMEM;
        }
        if (add(item, (int64_t) (mount->id >> 32)) < 0 || add(item, (int64_t) (mount->id & UINT32_MAX)) < 0 ||
            add(item, mount->mount_id) < 0)
                return -ENOMEM;
        return 0;
}

/* An array of them, or NULL. */
static struct json_object *mounts_new(const struct intent_mount *mounts, size_t n) {
        struct json_object *array = json_object_new_array();

        for (size_t i = 0; array && i < n; i++)
                if (add_mount(array, &mounts[i]) < 0) {
                        (void) json_object_put(array);
                        array = NULL;
                }
        return array;
}

int intent_detail_write_mounts(const struct intent_mount *mounts, size_t n, char **ret) {
        struct json_object *array = mounts_new(mounts, n);

        return array ? write_text("mounts", array, ret) : log_oom();
}

static int add_point(struct json_object *array, const struct made_point *point) {
        struct json_object *item = json_object_new_array(), *place = json_object_new_string(point->place);

        if (!item || !place || json_object_array_add(item, place) < 0) {
                (void) json_object_put(place);
                (void) json_object_put(item);
                return -ENOMEM;
        }
        if (json_object_array_add(array, item) < 0) {
                (void) json_object_put(item);
                return -ENOMEM;
        }
        return add(item, point->made) < 0 || add(item, point->file) < 0 ? -ENOMEM : 0;
}

int intent_detail_write_made(const struct made *made, char **ret) {
        _cleanup_json_ struct json_object *detail = json_object_new_object();
        struct json_object *mounts = mounts_new(made->mounts, made->n_mounts), *points = json_object_new_array();
        char *text;

        if (!detail || !mounts || !points || json_object_object_add(detail, "mounts", mounts) < 0) {
                (void) json_object_put(mounts);
                (void) json_object_put(points);
                return log_oom();
        }
        if (json_object_object_add(detail, "points", points) < 0) {
                (void) json_object_put(points);
                return log_oom();
        }
        for (size_t i = 0; i < made->n_points; i++)
                if (add_point(points, &made->points[i]) < 0)
                        return log_oom();
        text = json_canonical(detail);
        if (!text)
                return log_oom();
        *ret = text;
        return 0;
}

static int read_array(const char *text, const char *name, struct json_object **ret_detail, struct json_object **ret) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        if (!text || json_parse(text, strlen(text), ret_detail, &f) != 0)
                return -EBADMSG;
        if (!json_object_object_get_ex(*ret_detail, name, ret) || !json_object_is_type(*ret, json_type_array))
                return -EBADMSG;
        return 0;
}

static bool read_number(struct json_object *array, size_t i, int64_t maximum, int64_t *ret) {
        struct json_object *item = json_object_array_get_idx(array, i);

        if (!json_object_is_type(item, json_type_int))
                return false;
        *ret = json_object_get_int64(item);
        return *ret >= 0 && *ret <= maximum;
}

int intent_detail_read_rows(const char *text, int64_t **ret, size_t *ret_n) {
        _cleanup_json_ struct json_object *detail = NULL;
        _cleanup_free_ int64_t *rows = NULL;
        struct json_object *array = NULL;
        size_t n = 0;

        if (read_array(text, "rows", &detail, &array) < 0)
                return -EBADMSG;
        for (size_t i = 0; i < json_object_array_length(array); i++) {
                int64_t *row = array_append(&rows, &n);

                if (!row)
                        return log_oom();
                if (!read_number(array, i, INT64_MAX, row))
                        return -EBADMSG;
        }
        *ret = TAKE_PTR(rows);
        *ret_n = n;
        return 0;
}

int intent_detail_read_mounts(const char *text, struct intent_mount **ret, size_t *ret_n) {
        _cleanup_json_ struct json_object *detail = NULL;
        _cleanup_free_ struct intent_mount *mounts = NULL;
        struct json_object *array = NULL;
        size_t n = 0;

        if (read_array(text, "mounts", &detail, &array) < 0)
                return -EBADMSG;
        for (size_t i = 0; i < json_object_array_length(array); i++) {
                struct json_object *item = json_object_array_get_idx(array, i);
                struct intent_mount *mount = array_append(&mounts, &n);
                int64_t high, low, recycled;

                if (!mount)
                        return log_oom();
                if (!json_object_is_type(item, json_type_array) || !read_number(item, 0, UINT32_MAX, &high) ||
                    !read_number(item, 1, UINT32_MAX, &low) || !read_number(item, 2, UINT32_MAX, &recycled))
                        return -EBADMSG;
                mount->id = (uint64_t) high << 32 | (uint64_t) low;
                mount->mount_id = (uint32_t) recycled;
        }
        *ret = TAKE_PTR(mounts);
        *ret_n = n;
        return 0;
}

int intent_detail_read_made(const char *text, struct made *ret) {
        _cleanup_json_ struct json_object *detail = NULL;
        struct json_object *array = NULL;
        int r = intent_detail_read_mounts(text, &ret->mounts, &ret->n_mounts);

        if (r < 0 || read_array(text, "points", &detail, &array) < 0)
                return r; /* without points there are none */
        for (size_t i = 0; i < json_object_array_length(array); i++) {
                struct json_object *item = json_object_array_get_idx(array, i);
                struct json_object *place = json_object_is_type(item, json_type_array) ? json_object_array_get_idx(item, 0) : NULL;
                int64_t made, file;

                if (!json_object_is_type(place, json_type_string) || !read_number(item, 1, UINT32_MAX, &made) || !read_number(item, 2, 1, &file))
                        return -EBADMSG;
                r = made_add_point(ret, json_object_get_string(place), (uint32_t) made, file != 0);
                if (r < 0)
                        return r;
        }
        return 0;
}

int intent_detail_write_container(const char *name, const struct intent_mount *tree, char **ret) {
        _cleanup_json_ struct json_object *detail = json_object_new_object();
        struct json_object *text = json_object_new_string(name), *array = json_object_new_array();
        char *out;

        if (!detail || !text || !array || json_object_object_add(detail, "container", text) < 0) {
                (void) json_object_put(text);
                (void) json_object_put(array);
                return log_oom();
        }
        if (json_object_object_add(detail, "mounts", array) < 0) {
                (void) json_object_put(array);
                return log_oom();
        }
        if (tree && add_mount(array, tree) < 0)
                return log_oom();
        out = json_canonical(detail);
        if (!out)
                return log_oom();
        *ret = out;
        return 0;
}

int intent_detail_read_container(const char *text, char **ret_name, struct intent_mount *ret_tree) {
        _cleanup_json_ struct json_object *detail = NULL;
        _cleanup_free_ struct intent_mount *made = NULL;
        _cleanup_free_ char *name = NULL;
        struct json_object *array = NULL, *member = NULL;
        size_t n = 0;
        int r;

        if (read_array(text, "mounts", &detail, &array) < 0 ||
            !json_object_object_get_ex(detail, "container", &member) ||
            !json_object_is_type(member, json_type_string))
                return -EBADMSG;
        r = intent_detail_read_mounts(text, &made, &n);
        if (r < 0)
                return r;
        name = strdup(json_object_get_string(member));
        if (!name)
                return log_oom();
        *ret_name = TAKE_PTR(name);
        *ret_tree = n > 0 ? made[0] : (struct intent_mount) {.id = 0};
        return 0;
}

int intent_detail_write_inside(uint64_t namespace, const struct intent_mount *mounts, size_t n, char **ret) {
        _cleanup_free_ struct intent_mount *all = calloc(n + 1, sizeof(*all));

        if (!all)
                return log_oom();
        all[0] = (struct intent_mount) {.id = namespace};
        if (n > 0)
                memcpy(all + 1, mounts, n * sizeof(*all));
        return intent_detail_write_mounts(all, n + 1, ret);
}

int intent_detail_read_inside(const char *text, uint64_t *ret_namespace, struct intent_mount **ret, size_t *ret_n) {
        _cleanup_free_ struct intent_mount *all = NULL;
        size_t n = 0;
        int r = intent_detail_read_mounts(text, &all, &n);

        if (r < 0 || n == 0)
                return r < 0 ? r : -EBADMSG;
        *ret_namespace = all[0].id;
        memmove(all, all + 1, (n - 1) * sizeof(*all));
        *ret = TAKE_PTR(all);
        *ret_n = n - 1;
        return 0;
}

int intent_detail_write_host(uint32_t first, char **ret) {
        struct json_object *array = json_object_new_array();

        if (!array)
                return log_oom();
        if (add(array, first) < 0) {
                (void) json_object_put(array);
                return log_oom();
        }
        return write_text("host", array, ret);
}

int intent_detail_read_host(const char *text, uint32_t *ret) {
        _cleanup_json_ struct json_object *detail = NULL;
        struct json_object *array = NULL;
        int64_t first;

        if (read_array(text, "host", &detail, &array) < 0 || json_object_array_length(array) != 1 ||
            !read_number(array, 0, JOB_STEPS_MAX, &first))
                return -EBADMSG;
        *ret = (uint32_t) first;
        return 0;
}
