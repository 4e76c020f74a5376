/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Options that say contrary things. Where an option and its contrary are two words for one thing the later one holds;
 * here is what remains: pairs that the kernel refuses or, worse, resolves in silence.
 */

#include <string.h>

#include "spec/compile.h"
#include "spec/reader.h"

struct pair {
        const char *type;     /* NULL: any */
        const char *a, *b;    /* "name", or "name=value" for that value alone… */
        bool without;         /* …b must be there */
        const char *sentence; /* what to do */
};

static const struct pair pairs[] = {
        {NULL, "context", "fscontext", false, "one label for all files leaves no other; give one of them"},
        {NULL, "context", "defcontext", false, "one label for all files leaves no other; give one of them"},
        {"overlay", "nfs_export=on", "index=off", false, "file handles need the index; leave one of them out"},
        {"overlay", "nfs_export=on", "metacopy=on", false, "the kernel has not both; leave one of them out"},
        {"overlay", "metacopy=on", "redirect_dir=off", false, "metacopy needs redirects; leave one of them out"},
        {"overlay", "metacopy=on", "redirect_dir=nofollow", false, "metacopy needs redirects; leave one of them out"},
        {"overlay", "userxattr", "redirect_dir=on", false, "the kernel has not both; leave one of them out"},
        {"overlay", "userxattr", "metacopy=on", false, "the kernel has not both; leave one of them out"},
        {"overlay", "volatile", "upperdir", true, "it is about the upper layer; give upperdir= and workdir="},
        {"cgroup", "all", "none", false, "these exclude each other"},
        {"cgroup", "none", "name", true, "a hierarchy without a controller needs a name"},
        {"9p", "rfdno", "wfdno", true, "a transport has an fd for each direction; both may name the same"},
        {"9p", "wfdno", "rfdno", true, "a transport has an fd for each direction; both may name the same"},
        {NULL, NULL, NULL, false, NULL},
};

static bool has(struct wanted_mount *w, const char *text) {
        size_t length = strcspn(text, "=");

        for (size_t i = 0; i < w->n_data; i++) {
                const struct data_option *option = &w->data[i];

                if (strncmp(option->name, text, length) != 0 || option->name[length] != '\0')
                        continue;
                return text[length] == '\0' || (option->value && strcmp(option->value, text + length + 1) == 0);
        }
        return false;
}

int compile_check_together(struct compile *c, struct wanted_mount *w, const char *type) {
        for (const struct pair *pair = pairs; pair->a; pair++) {
                if (pair->type && (!type || strcmp(pair->type, type) != 0))
                        continue;
                if (!has(w, pair->a) || has(w, pair->b) == pair->without)
                        continue;
                return reader_fail_member(c->f, FAILURE_INVALID_OPTION, w->pointer, "options", "option %s %s %s: %s",
                        pair->a, pair->without ? "without" : "contradicts", pair->b, pair->sentence);
        }
        return 0;
}
