/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the compilation (wanted*.c) share. Of this floor's own use. */

#include "spec/wanted.h"

struct compile {
        const struct wanted_facts *facts;
        struct wanted *wanted; /* under construction; warnings go there */
        bool lenient;          /* unknown types and options are left out with a warning */
        struct failure *f;
        const struct idmap *maps;    /* for mounts with idmap that name no mappings: the container's… */
        const struct source *userns; /* …or this user namespace; NULL for none */
        const struct source *spaces; /* the namespaces that are named, by enum spec_namespace; NULL for none */
};

/* Whether the mount is a clone: by its type (bind, rbind) or by an option; the option decides about recursion. */
bool compile_is_bind(const struct spec_mount *mount, bool *ret_recursive);

/* Compiles one mount of the container and appends it. */
int compile_mount(struct compile *c, size_t container, const struct spec_mount *mount);

/* Whether the mount is a volume. */
bool compile_is_volume(const struct compile *c, const struct wanted_mount *w);
/* Compiles one volume and appends it: FAILURE_NOT_SUPPORTED for a type that is none for a volume. */
int compile_volume(struct compile *c, const struct spec_mount *volume);
/* Finds the volume that the bind shows. FAILURE_INVALID_SPEC when there is none of its name. `place`: of the source. */
int compile_find_volume(struct compile *c, struct wanted_mount *w, const char *place);

/* Whether the mount is on the host. */
bool compile_is_host(const struct compile *c, const struct wanted_mount *w);
/* Compiles one mount on the host and appends it; or all of the spec. FAILURE_NOT_SUPPORTED for a type that none is of,
 * FAILURE_INVALID_TARGET for a destination that none has, FAILURE_INVALID_SPEC for two of which one lies below the other. */
int compile_host(struct compile *c, size_t container, const struct spec_mount *mount);
int compile_all_host(struct compile *c, const struct spec *spec);

/* Whether the mount binds a namespace to a file; compiles such a one and appends it: deferred unless the facts name a process.
 * FAILURE_INVALID_SPEC, FAILURE_INVALID_OPTION. */
bool compile_is_pin(const struct spec_mount *mount);
int compile_pin(struct compile *c, size_t container, const struct spec_mount *mount);

/* Appends a WANTED_MASK or WANTED_READONLY. */
int compile_path(struct compile *c, size_t container, enum wanted_kind kind, const char *pointer, const char *target);

/* The mounts that the container gets where its spec is silent; the caller's to free with spec_mounts_free(). -ENOMEM. */
int compile_mandatory(const struct spec_container *container, struct spec_mount **ret, size_t *ret_n);
/* Whether the tmpfs that the spec has at /dev becomes a /dev of the container's own, with devices and links. */
bool compile_is_dev(const struct spec_container *container, const struct spec_mount *mount);

/* Folds the mount's options in their order into attributes, propagation and data; `type` is the one whose allow-list
 * holds, NULL for a clone. */
int compile_options(struct compile *c, struct wanted_mount *w, const struct spec_mount *mount, const char *type);

/* Refuses what options say together and cannot mean: FAILURE_INVALID_OPTION. `type` as above. */
int compile_check_together(struct compile *c, struct wanted_mount *w, const char *type);

/* Settles the id mapping of a bind or an overlay from the mount's members, its options and the container's. Refuses it
 * for any other mount. */
int compile_idmap(struct compile *c, struct wanted_mount *w, const struct spec_mount *mount);
/* Settles a root that is a layer: whether it is written to, what it stands on, its ids. FAILURE_INVALID_SPEC for what the spec
 * says and the layer cannot be. */
int compile_root_layer(struct compile *c, struct wanted_mount *w, const struct spec_container *container);
/* The id mapping of the container's root: its own, its layer's or that of its user namespace; one without mappings is none. */
const struct idmap *compile_maps(const struct compile *c, const struct spec_container *container);
/* The id mapping of a root. */
int compile_root_idmap(struct wanted_mount *w, const struct spec_container *container);

/* Settles what the options left open: nosuid and nodev for who was not granted more, and the propagation. To be called
 * with `kind`, `type` and `recursive` final. */
int compile_attributes(struct compile *c, struct wanted_mount *w);

/* A file system in an image: its source, and read-only unless rw was asked for. After compile_options(). */
int compile_image(struct compile *c, struct wanted_mount *w, const struct spec_mount *mount);

/* How the warning says which mount waits: type, target, container. */
#define WANTED_WAITS_FORMAT "%s at %s of %s is deferred: "

/* What a file system that shows a namespace comes to: the named one, the host's for root, or deferred. `shows` is the
 * namespace, for people. */
int compile_namespace(struct compile *c, struct wanted_mount *w, enum wanted_namespace name_space, const char *shows);
/* Turns a cgroup file system without data options into a clone of the host's, or into the named namespace's cgroup2. */
int compile_cgroup(struct compile *c, struct wanted_mount *w);

/* Moves lowerdir, upperdir and workdir out of the data options into sources. */
int compile_layers(struct compile *c, struct wanted_mount *w);

/* Fills `options`: what holds in the end, as words. */
int compile_words(struct wanted_mount *w);

/* The data option of this name, or NULL. */
struct data_option *compile_find_data(struct wanted_mount *w, const char *name);
/* Adds a data option; the name and the value (or NULL) are copied. */
int compile_add_data(struct wanted_mount *w, const char *name, const char *value);
/* Takes the data option out. */
void compile_remove_data(struct wanted_mount *w, struct data_option *option);
