/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The layers of an overlay: named by path or fd like any other source and opened like one, so that whoever asks must be
 * able to reach them; what remains in the data options are overlay's switches.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "spec/compile.h"
#include "spec/reader.h"
#include "spec/source.h"
#include "util/path.h"

enum { LAYERS_MAX = 500 }; /* the kernel's OVL_MAX_STACK */

static int add_layer(struct compile *c, struct wanted_mount *w, const char *text) {
        struct source *layer;

        if (w->n_lower >= LAYERS_MAX)
                return reader_fail_member(c->f, FAILURE_INVALID_OPTION, w->pointer, "options",
                        "there are more than %d lower layers, which "
                        "is what overlay takes; merge some",
                        LAYERS_MAX);
        layer = array_append(&w->lower, &w->n_lower);
        if (!layer)
                return -ENOMEM;
        return source_parse(text, w->pointer, FAILURE_INVALID_OPTION, layer, c->f);
}

static int add_layers(struct compile *c, struct wanted_mount *w, const char *lowerdir) {
        _cleanup_strv_ char **layers = NULL;
        int r;

        r = source_split_layers(lowerdir, &layers);
        if (r < 0)
                return r;
        for (char **layer = layers; *layer; layer++) {
                r = add_layer(c, w, *layer);
                if (r != 0)
                        return r;
        }
        return 0;
}

/* Takes upperdir or workdir out of the options. */
static int take_directory(struct compile *c, struct wanted_mount *w, const char *name, struct source *ret) {
        struct data_option *option = compile_find_data(w, name);
        int r;

        if (!option)
                return 0;
        r = source_parse(option->value, w->pointer, FAILURE_INVALID_OPTION, ret, c->f);
        if (r != 0)
                return r;
        compile_remove_data(w, option);
        return 0;
}

static int take_lower(struct compile *c, struct wanted_mount *w) {
        static const char *const names[] = {"lowerdir", "lowerdir+", NULL};

        for (const char *const *name = names; *name; name++) {
                struct data_option *option;

                while ((option = compile_find_data(w, *name))) {
                        int r = strcmp(*name, "lowerdir") == 0 ? add_layers(c, w, option->value)
                                                               : add_layer(c, w, option->value);

                        if (r != 0)
                                return r;
                        compile_remove_data(w, option);
                }
        }
        return 0;
}

/* The kernel calls a layer within another one undefined, or refuses it without saying which. What the words do not show
 * (symlinks, two fds of one directory) is its to find. */
static int check_pair(struct compile *c, const struct wanted_mount *w, const struct source *a, const struct source *b) {
        bool same = a->kind == b->kind && strcmp(a->text, b->text) == 0;

        if (a->kind == SOURCE_PATH && b->kind == SOURCE_PATH && !same &&
                (path_is_below(a->text, b->text) || path_is_below(b->text, a->text)))
                return reader_fail_member(c->f, FAILURE_INVALID_SPEC, w->pointer, "options",
                        "the layers \"%.200s\" and \"%.200s\" lie one in the other; an overlay needs them apart", a->text,
                        b->text);
        if (same)
                return reader_fail_member(c->f, FAILURE_INVALID_SPEC, w->pointer, "options",
                        "\"%s%.200s\" is named as a layer twice; name it once", a->kind == SOURCE_FD ? "fd:" : "", a->text);
        return 0;
}

static int compare_sources(const void *a, const void *b) {
        const struct source *const *x = a, *const *y = b;

        return (*x)->kind != (*y)->kind ? ((*x)->kind > (*y)->kind) - ((*x)->kind < (*y)->kind) : path_compare((*x)->text, (*y)->text);
}

/* In their order what lies in a directory follows it, so that of those that are not apart two are neighbours. */
static int check_apart(struct compile *c, const struct wanted_mount *w) {
        _cleanup_free_ const struct source **sorted = calloc(w->n_lower + 2, sizeof(*sorted));
        size_t n = 0;
        int r = 0;

        if (!sorted)
                return -ENOMEM;
        for (size_t i = 0; i < w->n_lower; i++)
                sorted[n++] = &w->lower[i];
        if (w->upper.kind != SOURCE_NONE)
                sorted[n++] = &w->upper;
        if (w->work.kind != SOURCE_NONE)
                sorted[n++] = &w->work;
        qsort(sorted, n, sizeof(*sorted), compare_sources);
        for (size_t i = 1; i < n && r == 0; i++)
                r = check_pair(c, w, sorted[i - 1], sorted[i]);
        return r;
}

int compile_layers(struct compile *c, struct wanted_mount *w) {
        int r;

        r = take_lower(c, w);
        if (r != 0)
                return r;
        r = take_directory(c, w, "upperdir", &w->upper);
        if (r != 0)
                return r;
        r = take_directory(c, w, "workdir", &w->work);
        if (r != 0)
                return r;
        r = check_apart(c, w);
        if (r != 0)
                return r;
        if (w->n_lower == 0)
                return reader_fail_member(c->f, FAILURE_INVALID_SPEC, w->pointer, "options",
                        "an overlay needs lowerdir=; give its lower layers");
        if ((w->upper.kind == SOURCE_NONE) != (w->work.kind == SOURCE_NONE))
                return reader_fail_member(c->f, FAILURE_INVALID_OPTION, w->pointer, "options",
                        "upperdir= and workdir= go together; give "
                        "both for a writable overlay, neither for a read-only one");
        if (w->upper.kind == SOURCE_NONE && w->n_lower < 2)
                return reader_fail_member(c->f, FAILURE_INVALID_OPTION, w->pointer, "options",
                        "an overlay without upperdir= needs at least "
                        "two lower layers; bind the one read-only instead");
        return 0;
}
