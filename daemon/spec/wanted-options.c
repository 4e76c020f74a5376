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

/* Adds a data option in place of one of the same name, or of the same group of the table. */
static int set_data(struct wanted_mount *w, const struct option_row *row, const char *name, const char *value) {
        for (size_t i = w->n_data; i > 0; i--) {
                struct data_option *before = &w->data[i - 1];
                const struct option_row *other = row && row->group ? option_find_data(row->type, before->name) : NULL;

                if (strcmp(before->name, name) == 0 ||
                        (other && other->group && strcmp(other->group, row->group) == 0))
                        compile_remove_data(w, before);
        }
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
                return set_data(w, NULL, row->superblock, NULL);
        if (before)
                compile_remove_data(w, before);
        return 0;
}

static int fold_idmap(
        struct compile *c, struct wanted_mount *w, const struct asked *asked, const struct option_row *row,
        const char *value) {
        const char *must;
        int r = 0;

        if (asked->type && strcmp(asked->type, "overlay") != 0)
                return fail_option(c, asked, FAILURE_INVALID_OPTION, "only binds and the layers of overlays have an id mapping");
        idmap_done(&w->idmap);
        if (value)
                r = idmap_parse(value, &w->idmap, &must); /* it was checked */
        w->idmap.given = true;
        w->idmap.recursive = row->recursive;
        return r > 0 ? -EINVAL : r;
}

static int fold_way(struct compile *c, struct wanted_mount *w, const struct asked *asked, const struct option_row *row) {
        if ((row->way & OPTION_WAY_SOURCE_NOFOLLOW) && asked->type)
                return fail_option(c, asked, FAILURE_INVALID_OPTION, "only a bind has a source that could be a symlink");
        if ((row->way & OPTION_WAY_COPY_UP) && (!asked->type || strcmp(asked->type, "tmpfs") != 0))
                return fail_option(c, asked, FAILURE_INVALID_OPTION, "only a tmpfs can begin with a copy");
        w->way |= row->way;
        return 0;
}

/* The label without the quotes that mount(8) wants around one with commas. */
static int fold_label(struct compile *c, struct wanted_mount *w, const struct asked *asked,
        const struct option_row *row, const char *value) {
        if (!asked->type)
                return fail_option(c, asked, FAILURE_INVALID_OPTION,
                        "a label is the file system's, not the bind's; label the source");
        return set_data(w, NULL, row->name, value);
}

static int fold_plain(struct compile *c, struct wanted_mount *w, const struct asked *asked,
        const struct option_row *row, const char *value) {
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
        case OPTION_REMOUNT:
                return fail_option(c, asked, FAILURE_INVALID_OPTION,
                        "there is nothing yet that it could change; mount first, then Mount() with remount");
        case OPTION_IDMAP:
                return fold_idmap(c, w, asked, row, value);
        case OPTION_WAY:
                return fold_way(c, w, asked, row);
        case OPTION_LABEL:
                return fold_label(c, w, asked, row, value);
        case OPTION_DATA:
        case _OPTION_KIND_MAX:
                break;
        }
        return -EINVAL;
}

static int fold_data(struct compile *c, struct wanted_mount *w, const struct option_row *row, const char *value) {
        if (row->unheard)
                return warning_add(&c->wanted->warnings, "%s: option %s is not applied: %s",
                        w->pointer[0] != '\0' ? w->pointer : w->target, row->name, row->summary);
        /* Only one option adds to those of its name. */
        return strcmp(row->name, "lowerdir+") == 0 ? compile_add_data(w, row->name, value)
                                                   : set_data(w, row, row->name, value);
}

static int fail_unknown(struct compile *c, struct wanted_mount *w, const struct asked *asked) {
        if (!c->lenient)
                return fail_option(c, asked, FAILURE_INVALID_OPTION,
                        "it is unknown; podmount-spec(5) lists the options that there are");
        return warning_add(&c->wanted->warnings, "%s: option %.80s%s%s is left out: it is unknown",
                w->pointer[0] != '\0' ? w->pointer : w->target, asked->option, asked->type ? " of type " : " of a bind",
                asked->type ?: "");
}

/* The value behind the "=" of an option, without the quotes around that of a label. */
static int take_value(const struct option_row *row, const char *equals, char **ret) {
        size_t length = equals ? strlen(equals + 1) : 0;

        if (!equals)
                return 0;
        if (row->value == VALUE_LABEL && length >= 2 && equals[1] == '"' && equals[length] == '"') {
                equals++;
                length -= 2;
        }
        *ret = strndup(equals + 1, length);
        return *ret ? 0 : -ENOMEM;
}

static int fold_option(struct compile *c, struct wanted_mount *w, const struct asked *asked) {
        _cleanup_free_ char *name = strndup(asked->option, strcspn(asked->option, "=")), *value = NULL;
        _cleanup_failure_ struct failure inner = FAILURE_INIT;
        const struct option_row *row;
        int r;

        if (!name)
                return -ENOMEM;
        row = option_find(name);
        if (!row && asked->type)
                row = option_find_data(asked->type, name);
        if (!row)
                return fail_unknown(c, w, asked);
        r = take_value(row, strchr(asked->option, '='), &value);
        if (r < 0)
                return r;
        r = option_check_value(row, value, &inner);
        if (r > 0)
                return fail_option(c, asked, inner.kind, inner.text ? inner.text : "the value is not valid");
        if (r < 0)
                return r;
        if (!c->facts->caller_is_root && option_is_for_root(row, value))
                return fail_option(c, asked, FAILURE_ACCESS_DENIED, "it is for root; leave it out");
        return row->kind == OPTION_DATA ? fold_data(c, w, row, value) : fold_plain(c, w, asked, row, value);
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
        return compile_check_together(c, w, type);
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
        w->propagation = c->facts->propagation_private || compile_is_host(c, w) ? MS_PRIVATE : MS_SHARED;
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
        } else if (!clone || compile_is_host(c, w))
                w->attr_set |= withheld(w) & ~w->attr_clear;
        if (clone && !c->facts->caller_is_root) {
                tighten_only(&w->attr_set, &w->attr_clear);
                tighten_only(&w->attr_set_below, &w->attr_clear_below);
        }
        if (!w->recursive || !clone)
                w->attr_set_below = w->attr_clear_below = 0;
        widen_access_time(w->attr_set, &w->attr_clear);
        widen_access_time(w->attr_set_below, &w->attr_clear_below);
        w->attr_recursive = w->attr_set_below != 0 || w->attr_clear_below != 0;
        settle_propagation(c, w);
        return 0;
}
