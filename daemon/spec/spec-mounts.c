/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Arrays of mounts: their order is the document's, their destinations differ. */

#include <string.h>

#include "spec/document.h"
#include "spec/reader.h"
#include "util/json.h"

static int compare_destinations(const void *a, const void *b) {
        const struct spec_mount *first = *(const struct spec_mount *const *) a,
                                *second = *(const struct spec_mount *const *) b;
        int order = strcmp(first->destination, second->destination);

        if (order != 0)
                return order;
        return first < second ? -1 : first > second;
}

/* Sorted rather than compared each with each: a document of a mebibyte has room for 30,000 mounts. */
static int check_duplicates(const struct spec_mount *mounts, size_t n, struct failure *f) {
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
                r = check_duplicates(mounts, n_mounts, f);
        if (r != 0) {
                spec_mounts_free(mounts, n_mounts);
                return r;
        }
        *ret = mounts;
        *ret_n = n_mounts;
        return 0;
}
