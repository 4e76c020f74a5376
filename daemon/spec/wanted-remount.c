/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * remount: the options of a mount that is there, followed by those of the remount, are what holds from now on. So the
 * whole list is compiled anew, a later option beats an earlier one as ever, and the mount is brought to the outcome;
 * what a remount cannot change is refused first.
 */

#include <string.h>
#include <sys/mount.h>

#include "spec/compile.h"
#include "spec/reader.h"
#include "spec/source.h"
#include "util/array.h"
#include "util/json.h"

/* What an overlay has of its layers', and a clone of its source's, and only root takes off them. */
#define INHERITED (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW)
#define RESTRICTING (INHERITED | MOUNT_ATTR_RDONLY)

/* What is there, what is asked of it, and one option of that. */
struct remount {
        const struct spec_mount *there, *asked;
        const struct wanted_facts *facts;
        bool clone;
        const char *type; /* NULL for a clone */
        size_t i;
        struct failure *f;
};

bool wanted_is_remount(const struct spec_mount *mount) {
        for (char **option = mount->options; option && *option; option++) {
                const struct option_row *row = option_find(*option);

                if (row && row->kind == OPTION_REMOUNT)
                        return true;
        }
        return false;
}

static int fail(const struct remount *remount, enum failure_kind kind, const char *sentence) {
        _cleanup_free_ char *list = json_pointer_join(remount->asked->pointer, "options"), *place = NULL;

        place = list ? json_pointer_join_index(list, remount->i) : NULL;
        if (!place)
                return -ENOMEM;
        return reader_fail(remount->f, kind, place, "option %.80s of a remount: %s", remount->asked->options[remount->i],
                sentence);
}

static size_t name_size(const char *option) {
        return strcspn(option, "=");
}

static bool same_name(const char *a, const char *b) {
        return name_size(a) == name_size(b) && strncmp(a, b, name_size(a)) == 0;
}

/* The row of an option with or without a value; `type` is NULL for a clone. */
static int find_row(const char *type, const char *option, const struct option_row **ret) {
        _cleanup_free_ char *name = strndup(option, name_size(option));

        if (!name)
                return -ENOMEM;
        *ret = option_find(name);
        if (!*ret && type)
                *ret = option_find_data(type, name);
        return 0;
}

static bool has_option(const struct spec_mount *mount, const char *name) {
        for (char **option = mount->options; option && *option; option++)
                if (same_name(*option, name))
                        return true;
        return false;
}

static bool is_volume(const struct spec_mount *mount) {
        return mount->source && source_is_volume(mount->source);
}

static int check_attribute(const struct remount *remount, const struct option_row *row) {
        if (remount->clone && !remount->facts->caller_is_root && (row->clear & RESTRICTING))
                return fail(remount, FAILURE_ACCESS_DENIED,
                        "only root loosens a bind, which may have this from its source; leave it out, or unmount it and bind "
                        "anew");
        if (remount->clone && remount->facts->overlay == SPEC_OVERLAY_ALL && !is_volume(remount->there) && (row->clear & MOUNT_ATTR_RDONLY))
                return fail(remount, FAILURE_INVALID_OPTION,
                        "the root says \"overlay\": \"all\", and what is written would go to the source; unmount it and bind it anew");
        if (remount->type && strcmp(remount->type, "overlay") == 0 && !remount->facts->caller_is_root &&
                (row->clear & INHERITED))
                return fail(remount, FAILURE_ACCESS_DENIED,
                        "only root loosens an overlay, which may have this from its layers; leave it out, or unmount it and "
                        "mount it anew");
        if (wanted_is_image(remount->there) && (row->clear & MOUNT_ATTR_RDONLY) && !has_option(remount->there, "rw"))
                return fail(remount, FAILURE_INVALID_OPTION,
                        "the image was opened for reading alone; unmount it and mount it with rw");
        return 0;
}

static int check_value(const struct remount *remount, const struct option_row *row) {
        const char *option = remount->asked->options[remount->i], *equals = strchr(option, '=');
        _cleanup_failure_ struct failure reason = FAILURE_INIT;
        int r = option_check_value(row, equals ? equals + 1 : NULL, &reason);

        if (r > 0)
                return fail(remount, reason.kind, reason.text ?: "the value is not valid");
        if (r == 0 && !remount->facts->caller_is_root && option_is_for_root(row, equals ? equals + 1 : NULL))
                return fail(remount, FAILURE_ACCESS_DENIED, "it is for root; leave it out");
        return r;
}

static int check_reconfigured(const struct remount *remount, const struct option_row *row, bool changes) {
        if (remount->clone)
                return fail(remount, FAILURE_INVALID_OPTION, "it is the file system's, not the bind's; leave it out");
        if (!option_is_reconfigured(remount->type) || !changes)
                return fail(remount, FAILURE_INVALID_OPTION,
                        "a file system of this type takes it only when it is made; unmount it and mount it anew");
        return check_value(remount, row);
}

static int check_one(const struct remount *remount) {
        const struct option_row *row;
        int r = find_row(remount->type, remount->asked->options[remount->i], &row);

        if (r < 0)
                return r;
        if (!row)
                return fail(remount, FAILURE_INVALID_OPTION,
                        "it is unknown; podmount-spec(5) lists the options that there are");
        switch (row->kind) {
        case OPTION_ATTRIBUTE:
                return check_attribute(remount, row);
        case OPTION_SUPERBLOCK:
                return check_reconfigured(remount, row, true);
        case OPTION_DATA:
                return check_reconfigured(remount, row, row->changes);
        case OPTION_BIND:
        case OPTION_REMOUNT:
        case OPTION_IGNORED:
                return 0;
        case OPTION_PROPAGATION:
        case OPTION_IDMAP:
        case OPTION_WAY:
        case OPTION_LABEL:
        case _OPTION_KIND_MAX:
                break;
        }
        return fail(remount, FAILURE_INVALID_OPTION, "it is settled when the mount is made; unmount it and mount it anew");
}

/* Appends an option of the remount, in place of those of its name: the list stays short however often it happens. Words
 * that say what a mount is made of are not taken over. */
static int add_option(char ***options, const char *option) {
        const struct option_row *row = option_find(option);
        size_t n = 0;

        if (row && (row->kind == OPTION_BIND || row->kind == OPTION_REMOUNT || row->kind == OPTION_IGNORED))
                return 0;
        for (size_t i = 0; *options && (*options)[i]; i++) {
                if (same_name((*options)[i], option))
                        free((*options)[i]);
                else
                        (*options)[n++] = (*options)[i];
        }
        if (*options)
                (*options)[n] = NULL;
        return strv_append(options, option);
}

static int merge(const struct remount *remount, char ***ret) {
        _cleanup_strv_ char **options = NULL;
        int r = strv_copy(remount->there->options, &options);

        for (char **option = remount->asked->options; r == 0 && option && *option; option++)
                r = add_option(&options, *option);
        if (r == 0)
                *ret = TAKE_PTR(options);
        return r;
}

/* Whether the remount has a word that comes to this flag of fsconfig(2). */
static bool asks_flag(const struct remount *remount, const char *flag) {
        for (char **option = remount->asked->options; option && *option; option++) {
                const struct option_row *row = option_find(*option);
                const char *name = !row ? NULL : row->set != 0 ? row->superblock : row->contrary;

                if (name && strcmp(name, flag) == 0)
                        return true;
        }
        return false;
}

/* Whether the data option goes to the file system: what was asked for and, if anything was, the rest for devpts, which
 * forgets what it is not told again. */
static bool is_sent(const struct remount *remount, const struct data_option *data, bool any) {
        const struct option_row *row = remount->type ? option_find_data(remount->type, data->name) : NULL;

        if (!row)
                return asks_flag(remount, data->name);
        return row->changes && (has_option(remount->asked, data->name) || (any && strcmp(remount->type, "devpts") == 0));
}

/* What reaches the file system, and the contraries of its flags, which compilation leaves out as the default. */
static int settle_data(const struct remount *remount, struct wanted_mount *w) {
        bool any = false;

        for (char **option = remount->asked->options; option && *option; option++) {
                const struct option_row *row;
                int r = find_row(remount->type, *option, &row);

                if (r == 0 && row && row->kind == OPTION_SUPERBLOCK && row->set == 0 && row->contrary &&
                        !compile_find_data(w, row->superblock) && !compile_find_data(w, row->contrary))
                        r = compile_add_data(w, row->contrary, NULL);
                if (r < 0)
                        return r;
                any |= row && (row->kind == OPTION_SUPERBLOCK || row->kind == OPTION_DATA);
        }
        for (size_t i = w->n_data; i > 0; i--)
                if (!is_sent(remount, &w->data[i - 1], any))
                        compile_remove_data(w, &w->data[i - 1]);
        return 0;
}

static int check_type(const struct remount *remount) {
        const char *there = remount->there->type ?: "bind", *asked = remount->asked->type;

        if (!asked || strcmp(asked, there) == 0 || strcmp(asked, "bind") == 0 || strcmp(asked, "none") == 0)
                return 0;
        return reader_fail_member(remount->f, FAILURE_INVALID_SPEC, remount->asked->pointer, "type",
                "\"%.80s\" is not the type of the mount that is there, which is \"%s\"; leave it out", asked, there);
}

int wanted_from_remount(const char *container, const struct spec_mount *there, const struct spec_mount *asked,
        const struct wanted_facts *facts, struct wanted **ret, struct failure *f) {
        struct remount remount = {.there = there, .asked = asked, .facts = facts, .f = f};
        _cleanup_(wanted_freep) struct wanted *wanted = NULL;
        _cleanup_strv_ char **options = NULL;
        struct spec_mount merged = *there; /* borrowed */
        bool recursive;
        int r;

        remount.clone = compile_is_bind(there, &recursive);
        remount.type = remount.clone ? NULL : there->type;
        r = check_type(&remount);
        for (; asked->options && asked->options[remount.i] && r == 0; remount.i++)
                r = check_one(&remount);
        if (r == 0)
                r = merge(&remount, &options);
        if (r != 0)
                return r;
        merged.options = options;
        merged.pointer = asked->pointer;
        r = wanted_from_mounts(container, &merged, 1, facts, &wanted, f);
        if (r != 0)
                return r;
        r = settle_data(&remount, wanted->mounts);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(wanted);
        return 0;
}
