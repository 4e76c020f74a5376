/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Wanted mounts: the spec after compilation, typed and complete, in the order in which they are to be made (a
 * container's root first, then its mounts as the document has them). Pure: what the host is like comes in as facts.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "spec/idmap.h"
#include "spec/option.h"
#include "spec/spec.h"

enum wanted_kind {
        WANTED_ROOT,
        WANTED_BIND,
        WANTED_FILESYSTEM,
        WANTED_OVERLAY,
        WANTED_IMAGE,
        WANTED_MASK,     /* hides its target, if there is one */
        WANTED_READONLY, /* its target again, read-only, if there is one */
        WANTED_PIN,      /* on the host: a namespace of a process, bound to a file */
};

/* Which namespace a file system shows; none for most. */
enum wanted_namespace {
        WANTED_NAMESPACE_NONE,
        WANTED_NAMESPACE_PID,
        WANTED_NAMESPACE_NET,
        WANTED_NAMESPACE_IPC,
        WANTED_NAMESPACE_CGROUP,
};

struct data_option {
        char *name;
        char *value; /* NULL: a flag */
};

#define WANTED_VOLUMES SIZE_MAX
#define WANTED_HOST (SIZE_MAX - 1)

struct wanted_mount {
        enum wanted_kind kind;
        size_t container; /* index in the wanted's containers, or WANTED_VOLUMES or WANTED_HOST: wanted_container() */
        char *pointer;    /* JSON pointer, for errors */
        char *target;     /* normalised, as the container, or the host, sees it; "/" for a root */
        char *type;       /* "bind" for WANTED_ROOT and WANTED_BIND, "mask", "readonly", else the file-system type */
        char *request;    /* the canonical OCI mount object (NULL for a root, a mask or a read-only path): retries are
                           * compared with it */
        struct source source;
        struct source *lower; /* WANTED_OVERLAY: topmost first */
        size_t n_lower;
        struct source upper, work;     /* SOURCE_NONE when absent: a read-only overlay */
        bool make_layers;              /* upper and work are made where they are missing */
        bool recursive;                /* a clone with the mounts below the source */
        uint64_t attr_set, attr_clear; /* MOUNT_ATTR_*, for the mount itself; a clone keeps what neither names */
        bool attr_recursive;           /* the mounts below the source get attributes, too (rro and its like)… */
        uint64_t attr_set_below, attr_clear_below; /* …these; 0 unless attr_recursive. "rbind,rro,exec" has RDONLY in
                                       * both set masks and NOEXEC in attr_clear alone */
        uint64_t propagation;                      /* MS_SHARED…; never 0 after compilation */
        bool propagation_recursive;
        bool own_volume;          /* WANTED_BIND of a writable tmpfs among the volumes, which takes new mount points */
        unsigned way;             /* OPTION_WAY_*: copied up, links not followed */
        struct idmap idmap;       /* WANTED_ROOT, WANTED_BIND, and the lower layers of WANTED_OVERLAY; if given, complete… */
        struct source userns;     /* …or by this user namespace, SOURCE_FD: then without mappings */
        struct data_option *data; /* fsconfig(2) strings and flags, in order; SELinux labels among them, whole */
        size_t n_data;
        enum wanted_namespace name_space;
        char *pin;                 /* WANTED_PIN: the kind of namespace, as /proc/PID/ns has it; the source is a pidfd, or waits */
        struct source space;       /* …that namespace, SOURCE_FD; SOURCE_NONE: the host's, or deferred */
        bool device;               /* WANTED_IMAGE: the source is a block device, not a file */
        bool mandatory;            /* not the spec's: left out, with a warning, where it cannot be made */
        bool deferred;             /* waits until its namespace is named; recorded, not made */
        char **options;            /* the effective options as words, for people */
        enum spec_overlay overlay; /* WANTED_ROOT, WANTED_BIND: SPEC_OVERLAY_TMPFS or none */
        uint64_t overlay_size;     /* bytes of the tmpfs of SPEC_OVERLAY_TMPFS */
        uint64_t layer;            /* WANTED_ROOT of SOURCE_LAYER: its number; what it stands on is `lower`, its label is data… */
        char *layer_reference;     /* …what steps call it, NULL for its id… */
        bool layer_writable;       /* …and it is a read-write one */
};

/* A directory that is made if it is missing, with those above it, after all mounts. */
struct wanted_directory {
        size_t container;
        char *pointer; /* JSON pointer, for errors */
        char *target;  /* normalised, as the container sees it */
};

struct wanted {
        char **containers; /* names, NULL-terminated */
        struct wanted_directory *directories; /* in the order in which they are made */
        size_t n_directories;
        struct wanted_mount *mounts; /* the volumes first, those on the host last */
        size_t n_mounts;
        char **cgroups;  /* names of the pod's, or NULL */
        char **warnings; /* the spec's and compilation's */
        uint64_t memory; /* the facts' */
};

/* A volume of the pod that is there. */
struct wanted_volume {
        const char *name;
        bool own; /* a writable tmpfs */
};

/* A layer that a root may be of. */
struct wanted_layer {
        const char *id;
        const char *reference;    /* of one in a store what steps call it (plan/layer.h), or NULL */
        uint64_t number;
        bool read_write;
        const char *const *below; /* what steps call what it stands on, topmost first… */
        size_t n_below;           /* …and how many */
        const char *label;        /* or NULL */
        const struct idmap *idmap; /* of its own, or NULL */
};

enum wanted_cgroup { WANTED_CGROUP_UNIFIED, WANTED_CGROUP_HYBRID };

struct wanted_facts {
        bool caller_is_root;       /* the host's root; else nosuid and nodev everywhere, namespaces deferred */
        bool propagation_private;  /* the configuration's Propagation= */
        uint64_t tmpfs_size;       /* of a tmpfs without size=; bytes */
        uint64_t memory;           /* of the host, of which a tmpfs may be a part; bytes */
        const struct wanted_volume *volumes; /* what mounts of a living pod may bind beside those of the spec… */
        size_t n_volumes;
        bool any_volume;           /* …where that is not known, any */
        const struct wanted_layer *layers; /* those that the spec's roots are of… */
        size_t n_layers;
        bool any_layer;            /* …where that is not known, any, as a read-only one without others below */
        enum spec_overlay overlay; /* what the root of the container that mounts of a living pod are for says… */
        uint64_t overlay_size;     /* …and the size, as of struct spec_container */
        const struct source *spaces; /* _SPEC_NAMESPACE_MAX of them: what a Mount() call names; NULL for none */
        const struct source *process; /* SOURCE_FD, a pidfd: whose namespaces are bound to files; NULL: they wait */
        enum wanted_cgroup cgroup; /* what /sys/fs/cgroup is on this host: cgroup2, or v1 in a tmpfs. For root `cgroup`
                                    * without data options is a bind of it, recursive on the second; `cgroup2`
                                    * without them a bind of it or of its directory "unified". Mounting cgroup2 anew
                                    * would reset the options of the host's own */
};

/* The order in which the mounts are to be made, as indexes, which the caller owns: as given, parents before children.
 * -ENOMEM. */
int wanted_order(const struct spec_mount *mounts, size_t n, size_t **ret);

/* Compiles a whole spec. FAILURE_INVALID_SPEC, FAILURE_INVALID_OPTION, FAILURE_INVALID_TARGET (targets under /proc and
 * /sys that are not allowed), FAILURE_NOT_SUPPORTED (a type that podmount does not mount). */
int wanted_from_spec(const struct spec *spec, const struct wanted_facts *facts, struct wanted **ret, struct failure *f);
/* The name of the mount's container; SPEC_VOLUMES for a volume, SPEC_HOST for a mount on the host. */
const char *wanted_container(const struct wanted *wanted, const struct wanted_mount *mount);
/* How many of the mounts are on the host: so many at the end. */
size_t wanted_count_host(const struct wanted *wanted);
/* Whether the mount is of a file system in an image, and whether its source says that this is a block device: a path
 * below /dev, or an fd (`device_fd`: what fstat(2) says of it). What such a mount needs beyond the others: a polkit
 * action of its own. */
bool wanted_is_image(const struct spec_mount *mount);
/* Whether it is a bind, by its type or by an option, whatever else its type says. */
bool wanted_is_bind(const struct spec_mount *mount);
bool wanted_is_device_path(const char *source);

/* Compiles the mounts of a Mount() or Bind() call for one container (its name becomes containers[0]). */
int wanted_from_mounts(const char *container, const struct spec_mount *mounts, size_t n,
        const struct wanted_facts *facts, struct wanted **ret, struct failure *f);

/* Moves the mounts of `from` behind those of the other; both are of the same one container. -ENOMEM: some may be moved. */
int wanted_join(struct wanted *wanted, struct wanted *from);

/* A tmpfs of so many bytes takes the writes to a writable bind, as "overlay": "all" has it; false for any other mount, and for one
 * of a volume, which stay as they are. */
bool wanted_overlay_bind(struct wanted_mount *mount, uint64_t size);

/* A mount on record that waited for its namespace, which facts->spaces names, or a path to hide on such a mount. */
struct wanted_waiting {
        const char *container;
        const struct spec_mount *mount; /* NULL for a path… */
        const char *path, *type;        /* …"mask" or "readonly" */
};
/* Compiles such mounts, of any containers (each becomes one of `containers`), in the order given, for a user. */
int wanted_from_waiting(const struct wanted_waiting *waiting, size_t n, const struct wanted_facts *facts,
        struct wanted **ret, struct failure *f);
/* Which namespace a file system of this type shows; _SPEC_NAMESPACE_MAX for none. */
enum spec_namespace wanted_namespace_of(const char *type);
/* Whether the warning is the one that says that this mount waits: 1, 0, or -ENOMEM. */
int wanted_warns_of(const char *warning, const char *container, const char *type, const char *target);

#define WANTED_TMPFS_MAX (UINT64_C(1) << 62) /* so that a few of them can be added */
/* How many bytes the tmpfs that the mount is, or that takes the writes to it, may take; 0 for any other mount. `memory`: of the
 * host, which percentages are of. */
uint64_t wanted_tmpfs(const struct wanted_mount *mount, uint64_t memory);
/* The same by the options of a tmpfs. */
uint64_t wanted_tmpfs_of_words(char *const *words, uint64_t memory);

/* Whether the mount has the option remount. */
bool wanted_is_remount(const struct spec_mount *mount);
/* Compiles the mount `there` with the options of `asked`, a remount, behind its own: one wanted mount, whose `request`
 * makes it as it is to be, and whose data options are those that the file system takes in a remount. */
int wanted_from_remount(const char *container, const struct spec_mount *there, const struct spec_mount *asked,
        const struct wanted_facts *facts, struct wanted **ret, struct failure *f);
struct wanted *wanted_free(struct wanted *wanted);
DEFINE_CLEANUP(struct wanted *, wanted_free)
