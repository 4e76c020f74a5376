/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Arrays of mounts: how many they are, their order, which is the document's, and their destinations, which differ. */

#include <inttypes.h>
#include <string.h>

#include "spec/document.h"
#include "spec/reader.h"
#include "util/json.h"

static size_t count(struct json_object *object, const char *key) {
        struct json_object *array = NULL;

        if (!json_object_is_type(object, json_type_object) || !json_object_object_get_ex(object, key, &array) ||
                !json_object_is_type(array, json_type_array))
                return 0; /* refused by who reads it */
        return json_object_array_length(array);
}

/* Those that the form of the document has read; the lists of an export are for people. */
static size_t count_mounts(struct json_object *document) {
        size_t n, n_containers;
        struct json_object *containers;

        if (!json_object_is_type(document, json_type_object) ||
                json_object_object_get_ex(document, "podmount-export", NULL))
                return 0;
        if (!json_object_object_get_ex(document, "podmount", NULL))
                return count(document, "mounts");
        n = count(document, "volumes");
        n_containers = count(document, "containers");
        containers = json_object_object_get(document, "containers");
        for (size_t i = 0; i < n_containers; i++)
                n += count(json_object_array_get_idx(containers, i), "mounts");
        return n;
}

/* Every mount of a document is one of the pod at least, so this refuses nothing that the quota would let pass: it spares
 * reading and compiling what comes to nothing, and says what the quota says. */
int document_check_count(struct json_object *document, uint64_t mounts_max, struct failure *f) {
        size_t n = count_mounts(document);

        if (n <= mounts_max)
                return 0;
        return failure_set(f, FAILURE_QUOTA_EXCEEDED,
                "mounts per pod: one document asks for %zu, and a pod has at most %" PRIu64
                "; spread them over more pods, or have MountsPerPod= of podmountd.conf(5) raised",
                n, mounts_max);
}

static int compare_destinations(const void *a, const void *b) {
        const struct spec_mount *first = *(const struct spec_mount *const *) a,
                                *second = *(const struct spec_mount *const *) b;
        int order = strcmp(first->destination, second->destination);

        if (order != 0)
                return order;
        return first < second ? -1 : first > second;
}

/* Sorted rather than compared each with each: a document of a mebibyte has room for 30,000 mounts. */
int document_check_duplicates(const struct spec_mount *mounts, size_t n, struct failure *f) {
        _cleanup_free_ const struct spec_mount **sorted = NULL;
        const struct spec_mount *first = NULL, *second = NULL;

        if (n < 2)
                return 0;
        sorted = calloc(n, sizeof(*sorted));
        if (!sorted)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                sorted[i] = mounts + i;
        qsort(sorted, n, sizeof(*sorted), compare_destinations);
        for (size_t i = 1; i < n; i++)
                if (strcmp(sorted[i - 1]->destination, sorted[i]->destination) == 0 &&
                        (!second || sorted[i] < second)) {
                        first = sorted[i - 1];
                        second = sorted[i];
                }
        if (!second)
                return 0;
        return reader_fail_member(f, FAILURE_INVALID_SPEC, second->pointer, "destination",
                "\"%.200s\" is the destination of %s already; "
                "leave one of the two out",
                second->destination, first->pointer);
}

int document_parse_mounts(struct json_object *array, const char *pointer, char ***warnings, struct spec_mount **ret,
        size_t *ret_n, struct failure *f) {
        struct spec_mount *mounts = NULL;
        size_t n_mounts = 0, n = json_object_array_length(array);
        int r = 0;

        for (size_t i = 0; r == 0 && i < n; i++) {
                _cleanup_free_ char *place = json_pointer_join_index(pointer, i);
                struct spec_mount *mount = place ? array_append(&mounts, &n_mounts) : NULL;

                r = mount ? document_parse_mount(json_object_array_get_idx(array, i), place, warnings, mount, f)
                          : -ENOMEM;
        }
        if (r == 0)
                r = document_check_duplicates(mounts, n_mounts, f);
        if (r != 0) {
                spec_mounts_free(mounts, n_mounts);
                return r;
        }
        *ret = mounts;
        *ret_n = n_mounts;
        return 0;
}
