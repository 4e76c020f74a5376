/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Mounts that waited for their namespaces, compiled once more when these are named: with the rights of a user, since
 * nobody else's mounts wait.
 */

#include <string.h>

#include "spec/compile.h"
#include "util/text.h"

static int compile_one(struct compile *c, size_t container, const struct wanted_waiting *waiting) {
        if (waiting->mount)
                return compile_mount(c, container, waiting->mount);
        return compile_path(c, container, strcmp(waiting->type, "mask") == 0 ? WANTED_MASK : WANTED_READONLY, "",
                waiting->path);
}

int wanted_from_waiting(const struct wanted_waiting *waiting, size_t n, const struct wanted_facts *facts,
        struct wanted **ret, struct failure *f) {
        _cleanup_(wanted_freep) struct wanted *wanted = calloc(1, sizeof(*wanted));
        struct wanted_facts users = *facts;
        struct compile c = {.facts = &users, .wanted = wanted, .f = f, .spaces = facts->spaces};
        int r;

        users.caller_is_root = false;
        if (!wanted)
                return -ENOMEM;
        r = strv_copy(NULL, &wanted->warnings); /* an empty vector, so that readers need not ask */
        for (size_t i = 0; i < n && r == 0; i++) {
                size_t container = 0;

                while (wanted->containers && wanted->containers[container] &&
                        strcmp(wanted->containers[container], waiting[i].container) != 0)
                        container++;
                if (!wanted->containers || !wanted->containers[container])
                        r = strv_append(&wanted->containers, waiting[i].container);
                if (r == 0)
                        r = compile_one(&c, container, &waiting[i]);
        }
        if (r != 0)
                return r;
        *ret = TAKE_PTR(wanted);
        return 0;
}

int wanted_warns_of(const char *warning, const char *container, const char *type, const char *target) {
        _cleanup_free_ char *words = text_format(WANTED_WAITS_FORMAT, type, target, container);
        _cleanup_free_ char *safe = words ? text_escape(words, strlen(words) * 4 + 4) : NULL;

        return safe ? strstr(warning, safe) != NULL : -ENOMEM;
}
