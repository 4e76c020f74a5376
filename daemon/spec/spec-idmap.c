/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Id mappings as the OCI runtime specification writes them (config.md, "Mounts"; config-linux.md, "User namespace
 * mappings"): uidMappings and gidMappings, arrays of {containerID, hostID, size}; and podmount's own "userns", an fd.
 */

#include <errno.h>
#include <string.h>

#include "spec/document.h"
#include "spec/reader.h"
#include "spec/source.h"
#include "util/json-writer.h"
#include "util/json.h"

static int parse_number(
        struct json_object *object, const char *pointer, const char *name, uint32_t *ret, struct failure *f) {
        struct json_object *value = NULL;
        int64_t number;
        int r = reader_get(object, pointer, name, json_type_int, &value, f);

        if (r != 0)
                return r;
        if (!value)
                return reader_fail_member(f, FAILURE_INVALID_SPEC, pointer, name, "it is missing; a mapping has containerID, hostID and size");
        number = json_object_get_int64(value);
        if (number < 0 || number > UINT32_MAX)
                return reader_fail_member(f, FAILURE_INVALID_SPEC, pointer, name, "%s is no id: ids are of 32 bits",
                        json_object_get_string(value));
        *ret = (uint32_t) number;
        return 0;
}

static int parse_mapping(
        struct json_object *object, const char *pointer, struct id_mapping *mapping, struct failure *f) {
        static const char *const known[] = {"containerID", "hostID", "size", NULL};
        int r = reader_check_type(object, json_type_object, pointer, f);

        if (r == 0)
                r = reader_check_known(object, pointer, known, f);
        if (r == 0)
                r = parse_number(object, pointer, "containerID", &mapping->container_id, f);
        if (r == 0)
                r = parse_number(object, pointer, "hostID", &mapping->host_id, f);
        return r == 0 ? parse_number(object, pointer, "size", &mapping->size, f) : r;
}

static int parse_list(struct json_object *array, const char *pointer, struct id_mapping **list, size_t *n, struct failure *f) {
        for (size_t i = 0; i < json_object_array_length(array); i++) {
                _cleanup_free_ char *place = json_pointer_join_index(pointer, i);
                struct id_mapping *mapping = place ? array_append(list, n) : NULL;
                const char *must;
                int r;

                if (!mapping)
                        return -ENOMEM;
                r = parse_mapping(json_object_array_get_idx(array, i), place, mapping, f);
                if (r != 0)
                        return r;
                must = idmap_check_last(*list, *n);
                if (must)
                        return reader_fail(f, FAILURE_INVALID_SPEC, place, "mappings must be %s", must);
        }
        return 0;
}

static int parse_member(struct json_object *object, const char *pointer, const char *name, struct id_mapping **list, size_t *n,
        struct failure *f) {
        _cleanup_free_ char *place = json_pointer_join(pointer, name);
        struct json_object *array = NULL;
        int r = place ? reader_get(object, pointer, name, json_type_array, &array, f) : -ENOMEM;

        return r != 0 || !array ? r : parse_list(array, place, list, n, f);
}

int document_parse_maps(struct json_object *object, const char *pointer, struct idmap *ret, struct failure *f) {
        _cleanup_idmap_ struct idmap idmap = {};
        int r = parse_member(object, pointer, "uidMappings", &idmap.uids, &idmap.n_uids, f);

        if (r == 0)
                r = parse_member(object, pointer, "gidMappings", &idmap.gids, &idmap.n_gids, f);
        if (r != 0)
                return r;
        if ((idmap.n_uids == 0) != (idmap.n_gids == 0))
                return reader_fail_member(f, FAILURE_INVALID_SPEC, pointer, idmap.n_uids == 0 ? "uidMappings" : "gidMappings",
                        "it is missing or empty; uids and gids are mapped together");
        *ret = idmap;
        idmap = (struct idmap){};
        return 0;
}

int document_parse_idmap(struct json_object *object, const char *pointer, struct idmap *ret, struct source *ret_userns,
        struct failure *f) {
        _cleanup_free_ char *text = NULL, *place = json_pointer_join(pointer, "userns");
        int r = place ? document_parse_maps(object, pointer, ret, f) : -ENOMEM;

        if (r == 0)
                r = reader_get_string(object, pointer, "userns", &text, f);
        if (r != 0 || !text)
                return r;
        if (ret->n_uids > 0)
                return reader_fail(f, FAILURE_INVALID_SPEC, place,
                        "the ids are mapped by uidMappings and gidMappings already; leave one of the two out");
        if (!source_is_fd(text))
                return reader_fail(f, FAILURE_INVALID_SPEC, place,
                        "\"%.80s\" is no fd of the call; open the user namespace, /proc/PID/ns/user, send the fd, and write "
                        "fd:NAME",
                        text);
        return source_parse(text, place, FAILURE_INVALID_SPEC, ret_userns, f);
}

static void write_list(struct json_writer *out, const char *key, const struct id_mapping *list, size_t n) {
        for (size_t i = 0; i < n; i++) {
                char numbers[sizeof("{\"containerID\":,\"hostID\":,\"size\":}") + 3 * sizeof("4294967295")];

                json_writer_add(out, i == 0 ? key : ",", i == 0 ? strlen(key) : 1);
                /* cannot be cut: sized for any numbers */
                (void) snprintf(numbers, sizeof(numbers), "{\"containerID\":%u,\"hostID\":%u,\"size\":%u}",
                        list[i].container_id, list[i].host_id, list[i].size);
                json_writer_add(out, numbers, strlen(numbers));
        }
        if (n > 0)
                json_writer_add_byte(out, ']');
}

void document_write_gids(struct json_writer *out, const struct idmap *idmap) {
        write_list(out, ",\"gidMappings\":[", idmap->gids, idmap->n_gids);
}

void document_write_uids(struct json_writer *out, const struct idmap *idmap) {
        write_list(out, ",\"uidMappings\":[", idmap->uids, idmap->n_uids);
}
