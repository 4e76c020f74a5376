/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One mount: a clone, a new file system, an image, or an overlay. The words that gVisor has for two of them hold here,
 * too: "none" without bind is sysfs, and "devtmpfs" is a /dev of the container's own.
 */

#include <string.h>

#include "spec/compile.h"
#include "spec/reader.h"
#include "spec/source.h"
#include "spec/target.h"
#include "spec/warning.h"
#include "util/json.h"

struct type_row {
        const char *name;
        enum wanted_kind kind;
        enum wanted_namespace name_space;
        const char *shows; /* the namespace, for people */
};

enum { SUBTYPE_MAX = 64 };

static const struct type_row types[] = {
        {"tmpfs", WANTED_FILESYSTEM},
        {"devpts", WANTED_FILESYSTEM},
        {"proc", WANTED_FILESYSTEM, WANTED_NAMESPACE_PID, "pid"},
        {"sysfs", WANTED_FILESYSTEM, WANTED_NAMESPACE_NET, "network"},
        {"mqueue", WANTED_FILESYSTEM, WANTED_NAMESPACE_IPC, "ipc"},
        {"cgroup", WANTED_FILESYSTEM, WANTED_NAMESPACE_CGROUP, "cgroup"},
        {"cgroup2", WANTED_FILESYSTEM, WANTED_NAMESPACE_CGROUP, "cgroup"},
        {"devtmpfs", WANTED_FILESYSTEM},
        {"fuse", WANTED_FILESYSTEM},
        {"9p", WANTED_FILESYSTEM},
        {"erofs", WANTED_IMAGE},
        {"squashfs", WANTED_IMAGE},
        {"ext4", WANTED_IMAGE},
        {"overlay", WANTED_OVERLAY},
        {NULL},
};

static const struct type_row *type_find(const char *name) {
        if (strcmp(name, "none") == 0)
                name = "sysfs";
        if (strncmp(name, "fuse.", strlen("fuse.")) == 0)
                name = "fuse";
        for (const struct type_row *row = types; row->name; row++)
                if (strcmp(row->name, name) == 0)
                        return row;
        return NULL;
}

bool compile_is_bind(const struct spec_mount *mount, bool *ret_recursive) {
        bool recursive = mount->type && strcmp(mount->type, "rbind") == 0;
        bool bind = recursive || (mount->type && strcmp(mount->type, "bind") == 0);

        for (char **option = mount->options; option && *option; option++) {
                const struct option_row *row = option_find(*option);

                if (!row || row->kind != OPTION_BIND)
                        continue;
                bind = true;
                recursive = row->recursive;
        }
        if (bind)
                *ret_recursive = recursive;
        return bind;
}

bool wanted_is_bind(const struct spec_mount *mount) {
        bool recursive;

        return compile_is_bind(mount, &recursive);
}

static int fail_member(struct compile *c, const struct wanted_mount *w, enum failure_kind kind, const char *member,
        const char *sentence) {
        return reader_fail_member(c->f, kind, w->pointer, member, "%s", sentence);
}

static int compile_bind(struct compile *c, struct wanted_mount *w, const struct spec_mount *mount) {
        _cleanup_free_ char *place = NULL;
        int r;

        w->kind = WANTED_BIND;
        w->type = strdup("bind");
        place = json_pointer_join(w->pointer, "source");
        if (!w->type || !place)
                return -ENOMEM;
        if (!mount->source)
                return reader_fail(c->f, FAILURE_INVALID_SPEC, place,
                        "it is missing; a bind needs the absolute path of what is bound, "
                        "fd:NAME for an fd of the call, or volume:NAME for a volume of the pod");
        r = compile_is_volume(c, w) ? source_parse(mount->source, place, FAILURE_INVALID_SPEC, &w->source, c->f)
                                    : source_parse_bind(mount->source, place, FAILURE_INVALID_SPEC, &w->source, c->f);
        if (r == 0 && w->source.kind == SOURCE_VOLUME)
                r = compile_find_volume(c, w, place);
        if (r != 0)
                return r;
        return compile_options(c, w, mount, NULL);
}

/* No limit at all is root's to give: a tmpfs is memory. */
static int check_unlimited(struct compile *c, struct wanted_mount *w) {
        static const char *const limits[] = {"size", "nr_blocks", "nr_inodes", NULL};

        for (const char *const *name = limits; *name; name++) {
                const struct data_option *option = compile_find_data(w, *name);

                if (option && !c->facts->caller_is_root &&
                        strspn(option->value, "0") >= strcspn(option->value, "kKmMgGtTpPeE%"))
                        return reader_fail_member(c->f, FAILURE_ACCESS_DENIED, w->pointer, "options",
                                "option %s=%s would take the limit away, which is for "
                                "root; give a limit",
                                *name, option->value);
        }
        return 0;
}

static int compile_tmpfs(struct compile *c, struct wanted_mount *w) {
        char size[sizeof("18446744073709551615")];
        int r;

        r = check_unlimited(c, w);
        if (r != 0)
                return r;
        if (c->facts->tmpfs_size == 0 || compile_find_data(w, "size") || compile_find_data(w, "nr_blocks"))
                return 0;
        (void) snprintf(size, sizeof(size), "%llu", (unsigned long long) c->facts->tmpfs_size); /* fits by its type */
        return compile_add_data(w, "size", size);
}

/* The source of a new file system is a label that mountinfo shows. */
static int compile_label(struct compile *c, struct wanted_mount *w, const struct spec_mount *mount) {
        if (!mount->source)
                return 0;
        if (source_is_fd(mount->source))
                return fail_member(c, w, FAILURE_INVALID_SPEC, "source",
                        "this type is made anew and takes no fd; give a label, or leave it out");
        if (strlen(mount->source) > OPTION_VALUE_MAX)
                return fail_member(
                        c, w, FAILURE_INVALID_SPEC, "source", "the label is longer than 255 bytes; give a shorter one");
        w->source.text = strdup(mount->source);
        return w->source.text ? 0 : -ENOMEM;
}

/* A file system that a process serves: the fds that lead to it are all that it has. */
static int compile_server(struct compile *c, struct wanted_mount *w, const struct spec_mount *mount) {
        static const char *const nine[] = {"trans", "rfdno", "wfdno", NULL}, *const fuse[] = {"fd", NULL};
        const char *subtype = mount->type + strlen("fuse.");

        for (const char *const *name = strcmp(w->type, "9p") == 0 ? nine : fuse; *name; name++)
                if (!compile_find_data(w, *name))
                        return reader_fail_member(c->f, FAILURE_INVALID_OPTION, w->pointer, "options",
                                "a mount of type %s needs the option %s=%s", w->type, *name,
                                strcmp(*name, "trans") == 0 ? "fd" : "fd:NAME, for an fd of the call");
        if (strcmp(w->type, "9p") == 0 || strcmp(mount->type, "fuse") == 0 || compile_find_data(w, "subtype"))
                return 0;
        if (*subtype == '\0' || strlen(subtype) > SUBTYPE_MAX || strpbrk(subtype, ", \t\n\\"))
                return fail_member(c, w, FAILURE_INVALID_SPEC, "type", "after fuse. goes the server's name, without commas and spaces");
        return compile_add_data(w, "subtype", subtype);
}

static int compile_filesystem(
        struct compile *c, struct wanted_mount *w, const struct spec_mount *mount, const struct type_row *row) {
        int r;

        w->kind = row->kind;
        w->type = strdup(row->name);
        if (!w->type)
                return -ENOMEM;
        if (row->kind != WANTED_IMAGE) {
                r = compile_label(c, w, mount);
                if (r != 0)
                        return r;
        }
        r = compile_options(c, w, mount, row->name);
        if (r != 0)
                return r;
        if (row->name_space != WANTED_NAMESPACE_NONE) {
                r = compile_namespace(c, w, row->name_space, row->shows);
                if (r != 0)
                        return r;
        }
        if (row->kind == WANTED_OVERLAY)
                return compile_layers(c, w);
        if (row->kind == WANTED_IMAGE)
                return compile_image(c, w, mount);
        if (strcmp(row->name, "fuse") == 0 || strcmp(row->name, "9p") == 0)
                return compile_server(c, w, mount);
        w->recursive = strcmp(row->name, "devtmpfs") == 0; /* its devices are mounts below it */
        if (row->name_space == WANTED_NAMESPACE_CGROUP)
                return compile_cgroup(c, w);
        if (w->recursive)
                return check_unlimited(c, w);
        if (strcmp(row->name, "tmpfs") == 0)
                return compile_tmpfs(c, w);
        if (strcmp(row->name, "devpts") == 0 && !compile_find_data(w, "newinstance"))
                return compile_add_data(w, "newinstance", NULL);
        return 0;
}

static int fail_type(struct compile *c, const struct wanted_mount *w, const struct spec_mount *mount) {
        if (!mount->type)
                return fail_member(c, w, FAILURE_INVALID_SPEC, "type",
                        "the mount has neither a type nor the option bind or rbind; give one");
        return reader_fail_member(c->f, FAILURE_NOT_SUPPORTED, w->pointer, "type",
                "podmount does not mount \"%.80s\"; it mounts bind, "
                "rbind, none, tmpfs, devtmpfs, devpts, proc, sysfs, mqueue, cgroup, cgroup2, overlay, erofs, "
                "squashfs, ext4, fuse and 9p",
                mount->type);
}

static int compile_typed(struct compile *c, struct wanted_mount *w, const struct spec_mount *mount) {
        bool bind = compile_is_bind(mount, &w->recursive);
        const struct type_row *row = !bind && mount->type ? type_find(mount->type) : NULL;
        const char *refusal;

        if (!bind && !row)
                return fail_type(c, w, mount);
        refusal = compile_is_volume(c, w) ? NULL : target_refusal(w->target, bind ? "bind" : row->name);
        if (refusal)
                return fail_member(c, w, FAILURE_INVALID_TARGET, "destination", refusal);
        return bind ? compile_bind(c, w, mount) : compile_filesystem(c, w, mount, row);
}

/* What a lenient spec does without. */
static bool is_left_out(const struct compile *c, const struct spec_mount *mount) {
        bool recursive;

        return c->lenient && mount->type && strcmp(mount->type, "none") != 0 && !type_find(mount->type) &&
               !compile_is_bind(mount, &recursive);
}

int compile_mount(struct compile *c, size_t container, const struct spec_mount *mount) {
        struct wanted_mount *w;
        int r;

        if (is_left_out(c, mount))
                return warning_add(&c->wanted->warnings, "%s: the mount at %s is left out: its type %.80s is unknown",
                        mount->pointer, mount->destination, mount->type);
        w = array_append(&c->wanted->mounts, &c->wanted->n_mounts);
        if (!w)
                return -ENOMEM;
        w->container = container;
        w->pointer = strdup(mount->pointer);
        w->target = strdup(mount->destination);
        if (!w->pointer || !w->target)
                return -ENOMEM;
        r = spec_mount_to_text(mount, &w->request);
        if (r < 0)
                return r;
        r = compile_typed(c, w, mount);
        if (r != 0)
                return r;
        w->make_layers = mount->prepared && w->kind == WANTED_OVERLAY && w->upper.kind != SOURCE_NONE;
        r = compile_idmap(c, w, mount);
        if (r != 0)
                return r;
        r = compile_attributes(c, w);
        if (r != 0)
                return r;
        return compile_words(w);
}
