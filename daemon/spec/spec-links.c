/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The links of a container: member "interfaces" of what linuxkit prepares. A peer means a veth pair, as there; what linuxkit
 * passes over without a word (a peer of something else, a member that it does not know) is refused.
 */

#include <stdlib.h>
#include <string.h>

#include "spec/document.h"
#include "spec/reader.h"
#include "spec/warning.h"
#include "util/array.h"
#include "util/json.h"
#include "util/link-name.h"

void spec_link_done(struct spec_link *link) {
        free(link->pointer);
        free(link->name);
        free(link->kind);
        free(link->peer);
}

/* An empty text asks for nothing, as with linuxkit. */
static int get_text(struct json_object *object, const char *pointer, const char *key, char **ret, struct failure *f) {
        struct json_object *value = NULL;
        int r = reader_get(object, pointer, key, json_type_string, &value, f);

        if (r != 0 || !value || json_object_get_string_len(value) == 0)
                return r;
        return reader_get_string(object, pointer, key, ret, f);
}

static int check_name(const char *name, const char *pointer, const char *key, struct failure *f) {
        if (!name || link_name_is_valid(name))
                return 0;
        return reader_fail_member(f, FAILURE_INVALID_SPEC, pointer, key,
                "\"%.40s\" is no name for a network interface: 1 to 15 characters, without spaces, \"/\", \":\" and \"%%\", and none of those "
                "that every host has",
                name);
}

static int check(struct spec_link *link, struct failure *f) {
        int r = link->name ? check_name(link->name, link->pointer, "name", f)
                           : reader_fail_member(f, FAILURE_INVALID_SPEC, link->pointer, "name", "it is missing; an interface has a name");

        if (r == 0)
                r = check_name(link->peer, link->pointer, "peer", f);
        if (r != 0)
                return r;
        if (link->peer && !link->kind && !(link->kind = strdup("veth")))
                return -ENOMEM;
        if (link->kind && !link_kind_is_valid(link->kind))
                return reader_fail_member(f, FAILURE_INVALID_SPEC, link->pointer, "add",
                        "\"%.40s\" is no kind of interface; rtnetlink has short words for them, as veth and dummy", link->kind);
        if (link->kind && (strcmp(link->kind, "veth") == 0) != (link->peer != NULL))
                return reader_fail_member(f, FAILURE_INVALID_SPEC, link->pointer, "peer",
                        link->peer ? "an interface of kind %s has no peer; leave it out, or add a veth"
                                   : "it is missing: a %s is a pair, and its other end stays on the host under this name",
                        link->kind);
        if (link->peer)
                link->in_root = true;
        return 0;
}

static bool has_name(const struct spec_link *link, const char *name) {
        return strcmp(link->name, name) == 0 || (link->peer && strcmp(link->peer, name) == 0);
}

static int check_apart(const struct spec_container *container, const struct spec_link *link, struct failure *f) {
        bool twice = link->peer && strcmp(link->peer, link->name) == 0;

        for (size_t i = 0; &container->links[i] < link; i++)
                twice |= has_name(&container->links[i], link->name) || (link->peer && has_name(&container->links[i], link->peer));
        if (!twice)
                return 0;
        return reader_fail_member(f, FAILURE_INVALID_SPEC, link->pointer, "name", "%s is named twice: each interface, and each peer, is one",
                link->name);
}

static int check_members(struct json_object *object, const char *pointer, char ***warnings, struct failure *f) {
        static const char *const known[] = {"name", "add", "peer", "createInRoot", NULL};

        if (!warnings)
                return reader_check_known(object, pointer, known, f);
        json_object_object_foreach(object, key, value) {
                (void) value;
                if (!reader_is_known(known, key) &&
                        warning_add(warnings, "%s/%s is not applied: podmount does not know it", pointer, key) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int parse_one(struct json_object *object, const char *pointer, char ***warnings, struct spec_container *container, struct failure *f) {
        struct spec_link *link;
        int r = reader_check_type(object, json_type_object, pointer, f);

        if (r == 0)
                r = check_members(object, pointer, warnings, f);
        if (r != 0)
                return r;
        link = array_append(&container->links, &container->n_links);
        if (!link)
                return -ENOMEM;
        link->pointer = strdup(pointer);
        if (!link->pointer)
                return -ENOMEM;
        r = get_text(object, pointer, "name", &link->name, f);
        if (r == 0)
                r = get_text(object, pointer, "add", &link->kind, f);
        if (r == 0)
                r = get_text(object, pointer, "peer", &link->peer, f);
        if (r == 0)
                r = reader_get_bool(object, pointer, "createInRoot", false, &link->in_root, f);
        if (r == 0)
                r = check(link, f);
        return r == 0 ? check_apart(container, link, f) : r;
}

size_t document_count_links(const struct spec *spec) {
        size_t n = 0;

        for (size_t i = 0; i < spec->n_containers; i++)
                n += spec->containers[i].n_links;
        return n;
}

int document_parse_links(struct json_object *object, const char *pointer, char ***warnings, const struct spec *spec,
        struct spec_container *container, struct failure *f) {
        _cleanup_free_ char *place = json_pointer_join(pointer, "interfaces");
        struct json_object *array = NULL;
        int r = place ? reader_get(object, pointer, "interfaces", json_type_array, &array, f) : -ENOMEM;

        if (r != 0 || !array)
                return r;
        if (document_count_links(spec) + json_object_array_length(array) > SPEC_LINKS_MAX)
                return reader_fail(f, FAILURE_INVALID_SPEC, place, "a pod has at most %d network interfaces", SPEC_LINKS_MAX);
        for (size_t i = 0; i < json_object_array_length(array) && r == 0; i++) {
                _cleanup_free_ char *item = json_pointer_join_index(place, i);

                r = item ? parse_one(json_object_array_get_idx(array, i), item, warnings, container, f) : -ENOMEM;
        }
        return r;
}
