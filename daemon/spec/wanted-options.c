/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Options: folded in their order, so that a later one beats an earlier one; an r… word speaks for the mount and those
 * below it, a plain word for the mount alone. What stays open is settled by who asks (podmount-spec(5), "Who gets
 * what"): nosuid and nodev hold wherever more was not granted.
 */

#include <string.h>
#include <sys/mount.h>

#include "spec/compile.h"
#include "spec/reader.h"
#include "spec/warning.h"
#include "util/json.h"

struct data_option *compile_find_data(struct wanted_mount *w, const char *name) {
        for (size_t i = 0; i < w->n_data; i++)
                if (strcmp(w->data[i].name, name) == 0)
                        return w->data + i;
        return NULL;
}

int compile_add_data(struct wanted_mount *w, const char *name, const char *value) {
        struct data_option *option = array_append(&w->data, &w->n_data);

        if (!option)
                return -ENOMEM;
        option->name = strdup(name);
        option->value = value ? strdup(value) : NULL;
        return option->name && (!value || option->value) ? 0 : -ENOMEM;
}

void compile_remove_data(struct wanted_mount *w, struct data_option *option) {
        size_t index = (size_t) (option - w->data);

        free(option->name);
        free(option->value);
        memmove(option, option + 1, (w->n_data - index - 1) * sizeof(*option));
        w->n_data--;
}

/* Adds a data option in place of one of the same name. */
static int set_data(struct wanted_mount *w, const char *name, const char *value) {
        struct data_option *before = compile_find_data(w, name);

        if (before)
                compile_remove_data(w, before);
        return compile_add_data(w, name, value);
}

/* One option on its way through the functions below. */
struct asked {
        const struct spec_mount *mount;
        size_t index;
        const char *option;
        const char *type; /* NULL for a clone */
};

static int fail_option(struct compile *c, const struct asked *asked, enum failure_kind kind, const char *sentence) {
        _cleanup_free_ char *list = json_pointer_join(asked->mount->pointer, "options"), *place = NULL;

        place = list ? json_pointer_join_index(list, asked->index) : NULL;
        if (!place)
                return -ENOMEM;
        return reader_fail(c->f, kind, place, "option %.80s%s%s: %s", asked->option,
                asked->type ? " of type " : " of a bind", asked->type ? asked->type : "", sentence);
}

static void fold_bits(uint64_t *set, uint64_t *clear, const struct option_row *row) {
        *set = (*set & ~row->clear) | row->set;
        *clear = (*clear & ~row->set) | row->clear;
}

static void fold_attribute(struct wanted_mount *w, const struct option_row *row) {
        fold_bits(&w->attr_set, &w->attr_clear, row);
        if (row->recursive)
                fold_bits(&w->attr_set_below, &w->attr_clear_below, row);
}

static int fold_superblock(
        struct compile *c, struct wanted_mount *w, const struct asked *asked, const struct option_row *row) {
        struct data_option *before = compile_find_data(w, row->superblock);

        if (row->set != 0 && (!asked->type || strcmp(row->superblock, "iversion") == 0))
                return warning_add(&c->wanted->warnings, "%s: option %s is not applied: %s",
                        w->pointer[0] != '\0' ? w->pointer : w->target, row->name,
                        asked->type ? "the type has no such flag" : "it is the file system's, not the bind's");
        if (row->set != 0)
                return set_data(w, row->superblock, NULL);
        if (before)
                compile_remove_data(w, before);
        return 0;
}

static int fold_plain(
        struct compile *c, struct wanted_mount *w, const struct asked *asked, const struct option_row *row) {
        switch (row->kind) {
        case OPTION_ATTRIBUTE:
                fold_attribute(w, row);
                return 0;
        case OPTION_SUPERBLOCK:
                return fold_superblock(c, w, asked, row);
        case OPTION_PROPAGATION:
                w->propagation = row->propagation;
                w->propagation_recursive = row->recursive;
                return 0;
        case OPTION_BIND:
        case OPTION_IGNORED:
                return 0;
        case OPTION_REFUSED: {
                _cleanup_free_ char *sentence = NULL;

                if (asprintf(&sentence, "podmount does not support it; %s", row->summary) < 0) {
                        sentence = NULL; /* undefined after a failure (asprintf(3)) */
                        return -ENOMEM;
                }
                return fail_option(c, asked, FAILURE_NOT_SUPPORTED, sentence);
        }
        }
        return 0;
}

static int fold_data(
        struct compile *c, struct wanted_mount *w, const struct asked *asked, const char *name, const char *value) {
        const struct data_row *row = asked->type ? option_find_data(asked->type, name) : NULL;
        _cleanup_failure_ struct failure inner = FAILURE_INIT;
        int r;

        if (!row)
                return fail_option(c, asked, FAILURE_INVALID_OPTION,
                        option_find(name) ? "it takes no value"
                                          : "it is unknown; podmount-spec(5) lists the options that there are");
        r = option_check_value(row, value, &inner);
        if (r > 0)
                return fail_option(c, asked, inner.kind, inner.text ? inner.text : "the value is not valid");
        if (r < 0)
                return r;
        if (!c->facts->caller_is_root && option_is_for_root(row, value))
                return fail_option(c, asked, FAILURE_ACCESS_DENIED,
                        "it is for root, since it trusts the owner of the layers; leave it out");
        /* Only one option adds to those of its name. */
        return strcmp(name, "lowerdir+") == 0 ? compile_add_data(w, name, value) : set_data(w, name, value);
}

static int fold_option(struct compile *c, struct wanted_mount *w, const struct asked *asked) {
        const char *equals = strchr(asked->option, '=');
        const struct option_row *row = option_find(asked->option);
        _cleanup_free_ char *name = NULL;

        if (row)
                return fold_plain(c, w, asked, row);
        name = equals ? strndup(asked->option, (size_t) (equals - asked->option)) : strdup(asked->option);
        if (!name)
                return -ENOMEM;
        return fold_data(c, w, asked, name, equals ? equals + 1 : NULL);
}

int compile_options(struct compile *c, struct wanted_mount *w, const struct spec_mount *mount, const char *type) {
        struct asked asked = {.mount = mount, .type = type};

        for (; mount->options && mount->options[asked.index]; asked.index++) {
                int r;

                asked.option = mount->options[asked.index];
                r = fold_option(c, w, &asked);
                if (r != 0)
                        return r;
        }
        return 0;
}

/* The device nodes of a devpts are the terminals of that instance and of nobody else: the kernel itself lets them be
 * opened in mounts of a user namespace. With nodev a devpts would be of no use. */
static uint64_t withheld(const struct wanted_mount *w) {
        return MOUNT_ATTR_NOSUID | (strcmp(w->type, "devpts") == 0 ? 0 : MOUNT_ATTR_NODEV);
}

static int check_granted(struct compile *c, const struct wanted_mount *w) {
        uint64_t asked = (w->attr_clear | w->attr_clear_below) & withheld(w);

        if (c->facts->caller_is_root || asked == 0)
                return 0;
        return reader_fail_member(c->f, FAILURE_ACCESS_DENIED, w->pointer, "options",
                "option %s is for root: everyone else's mounts have nosuid and nodev; "
                "leave it out",
                asked & MOUNT_ATTR_NOSUID ? "suid" : "dev");
}

/* A clone keeps what its source has. Someone who is not root may tighten that and not loosen it, else a read-only or
 * noexec mount of the host's would be no barrier; the kernel locks the same flags in a user namespace. */
static void tighten_only(uint64_t *set, uint64_t *clear) {
        *set &= ~(uint64_t) MOUNT_ATTR_STRICTATIME;
        *clear = *set & MOUNT_ATTR_NOATIME ? MOUNT_ATTR__ATIME : 0;
}

/* mount_setattr(2) takes the access-time group as a whole or not at all. */
static void widen_access_time(uint64_t set, uint64_t *clear) {
        if ((set | *clear) & MOUNT_ATTR__ATIME)
                *clear |= MOUNT_ATTR__ATIME;
}

static void settle_propagation(const struct compile *c, struct wanted_mount *w) {
        if (w->propagation != 0)
                return;
        w->propagation = c->facts->propagation_private ? MS_PRIVATE : MS_SHARED;
        w->propagation_recursive = w->recursive;
}

int compile_attributes(struct compile *c, struct wanted_mount *w) {
        bool clone = w->kind == WANTED_ROOT || w->kind == WANTED_BIND;
        int r;

        r = check_granted(c, w);
        if (r != 0)
                return r;
        if (!c->facts->caller_is_root) {
                w->attr_set |= withheld(w);
                w->attr_set_below |= withheld(w);
        } else if (!clone)
                w->attr_set |= withheld(w) & ~w->attr_clear;
        if (clone && !c->facts->caller_is_root) {
                tighten_only(&w->attr_set, &w->attr_clear);
                tighten_only(&w->attr_set_below, &w->attr_clear_below);
        }
        if (!w->recursive)
                w->attr_set_below = w->attr_clear_below = 0;
        widen_access_time(w->attr_set, &w->attr_clear);
        widen_access_time(w->attr_set_below, &w->attr_clear_below);
        w->attr_recursive = w->attr_set_below != 0 || w->attr_clear_below != 0;
        settle_propagation(c, w);
        return 0;
}
