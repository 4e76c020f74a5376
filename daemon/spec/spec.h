/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a client wants, as it said it: podmount-spec(5). Parsed from an OCI config.json (OCI runtime specification,
 * config.md and config-linux.md) or from podmount's own format; nothing is interpreted but the shape.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spec/idmap.h"
#include "util/array.h"
#include "util/cleanup.h"
#include "util/failure.h"

enum spec_limits {
        SPEC_CONTAINERS_MAX = 64,
        SPEC_OPTIONS_MAX = 256, /* of one mount, without lowerdir+ */
        SPEC_OPTION_MAX = 4096, /* bytes of one option but lowerdir */
        SPEC_PATHS_MAX = 1024,  /* masked paths of a container, and read-only ones; directories of "prepare" */
        SPEC_VOLUMES_MAX = 256, /* of a pod */
        SPEC_HOST_MAX = 64,     /* mounts of a pod on the host */
        SPEC_CGROUPS_MAX = 64,  /* of a pod */
        SPEC_CGROUP_NAME_MAX = 128, /* bytes */
};

/* What a pod's volumes have in the place of a container's name, which no container can be called: volume NAME is the
 * mount at "/NAME" there. */
#define SPEC_VOLUMES ".volumes"
/* The same for its mounts on the host, whose targets are the host's own paths. */
#define SPEC_HOST ".host"

/* Where a mount's content comes from. */
enum source_kind { SOURCE_NONE, SOURCE_PATH, SOURCE_FD, SOURCE_VOLUME, SOURCE_LAYER };
struct source {
        enum source_kind kind;
        char *text; /* SOURCE_PATH: an absolute, normalised path; SOURCE_FD: the name behind "fd:"; SOURCE_VOLUME: that
                     * behind "volume:"; SOURCE_LAYER, a root alone: the id of a layer; SOURCE_NONE: a label or NULL */
};
void source_done(struct source *source);
/* What stands before the text for people: "fd:", "volume:", "layer:" or "". */
const char *source_prefix(enum source_kind kind);

struct spec_mount {
        char *pointer;     /* JSON pointer of the mount object in the document: "/mounts/3" */
        char *destination; /* normalised */
        char *type;        /* NULL when absent */
        char *source;      /* as given; NULL when absent */
        char **options;    /* as given; NULL when absent */
        struct idmap idmap;   /* uidMappings and gidMappings; none when absent… */
        struct source userns; /* …or "userns": SOURCE_FD, else SOURCE_NONE */
        bool prepared;        /* of "prepare": the upper and work directories of an overlay are made */
};

/* The namespaces that file systems show. */
enum spec_namespace {
        SPEC_NAMESPACE_PID,
        SPEC_NAMESPACE_NET,
        SPEC_NAMESPACE_IPC,
        SPEC_NAMESPACE_CGROUP,
        _SPEC_NAMESPACE_MAX,
};
/* "pid", "net", "ipc", "cgroup" */
const char *spec_namespace_name(enum spec_namespace name_space);
/* _SPEC_NAMESPACE_MAX for an unknown one; "network" is net, as the OCI specification has it. */
enum spec_namespace spec_namespace_find(const char *name);

/* Mounts on the host of this type bind a namespace to a file; their source is "CONTAINER:KIND", a container of the pod and what
 * spec_pin_find() knows. They wait until a process of the container is named. */
#define SPEC_PIN_TYPE "namespace"
/* The kind, as /proc/PID/ns has it ("net", "mnt"…), within the source of such a mount; NULL for a source that is none. */
const char *spec_pin_kind(const char *source);
/* Whether the source names this container. */
bool spec_pin_is_of(const char *source, const char *container);
/* Whether /proc/PID/ns has a kind of this name that can be bound. */
bool spec_pin_find(const char *kind);

/* What linuxkit calls an interface: a link that is made for a container, or one of the host that is lent to it. */
enum { SPEC_LINKS_MAX = 64 /* of a pod */ };
struct spec_link {
        char *pointer;
        char *name;
        char *kind;   /* as rtnetlink(7) has it; NULL for a link that the host has */
        char *peer;   /* of a "veth", which always has one: it stays with the host */
        bool in_root; /* it is made among the host's links, and moved when the container's process is there; a veth always is */
};
void spec_link_done(struct spec_link *link);

/* Whether a cgroup can have this name: one component of at most SPEC_CGROUP_NAME_MAX bytes, without blanks and control characters. */
bool spec_cgroup_is_name(const char *name);

enum spec_overlay {
        SPEC_OVERLAY_NONE,
        SPEC_OVERLAY_TMPFS,
        SPEC_OVERLAY_ALL,        /* on each writable bind, too */
        SPEC_OVERLAY_PERSISTENT, /* the read-write layer that the root is takes what is written */
};

struct spec_container {
        char *pointer; /* "" for an OCI document, else "/containers/0" */
        char *name;    /* "main" for an OCI document */
        struct source root;
        bool root_readonly;
        bool root_says; /* …and it says so: a layer is as it is where a spec is silent */
        bool mandatory; /* gets what every container has (/proc, /dev…) where its mounts are silent */
        struct idmap root_idmap;   /* root.uidMappings and root.gidMappings… */
        struct source root_userns; /* …or root.userns */
        struct idmap user_maps;    /* of an OCI document's user namespace: linux.uidMappings and linux.gidMappings */
        enum spec_overlay overlay;
        struct source namespaces[_SPEC_NAMESPACE_MAX]; /* SOURCE_FD, or SOURCE_NONE: not named */
        uint64_t overlay_size; /* bytes of each tmpfs of the overlay, 0: the configured size */
        uint64_t propagation;  /* of the root, MS_SHARED…; 0: the configured one */
        bool propagation_recursive;
        struct spec_mount *mounts;
        size_t n_mounts;
        char *paths_pointer; /* of what the two members below are in: "/linux", "/containers/0" */
        char **masked;       /* normalised; NULL when absent */
        char **readonly;
        char *prepare_pointer; /* of "prepare", whose mounts follow the others above… */
        char **mkdir;          /* …and whose directories come after all mounts; normalised; NULL when absent */
        struct spec_link *links; /* …and of which these are to be in its network namespace */
        size_t n_links;
};

/* Whose mount table shows the pod. */
enum spec_visibility { SPEC_VISIBILITY_UNSAID, SPEC_VISIBILITY_HOST, SPEC_VISIBILITY_PRIVATE };
/* Of its word, or -EINVAL. */
int spec_visibility_from_name(const char *name);

struct spec {
        char *name; /* NULL when the document has none */
        struct spec_container *containers;
        size_t n_containers;
        struct spec_mount *volumes; /* destination "/NAME", each its own */
        size_t n_volumes;
        struct spec_mount *host; /* whose destinations are the host's, of all that its containers prepare */
        size_t n_host;
        char **cgroups;        /* names, each once, of all that its containers prepare; NULL when there are none… */
        char *cgroups_pointer; /* …and where the first was */
        char *gc_path;      /* the program that runs before the pod is collected: absolute, normalised; NULL: none… */
        char *gc_container; /* …and the container whose root it is in */
        enum spec_visibility visibility;
        bool lenient;    /* unknown types and options of mounts are told, not refused */
        char **warnings; /* what of the document is not applied, a sentence each */
        bool exported;   /* it is what Export() wrote, which has… */
        char *id;        /* …the pod's UUID, or NULL… */
        char *lease;     /* …and its lease, or NULL */
        char *canonical; /* the document in canonical form: what a retry is compared with, what the store keeps */
};

/* Parses a whole document of at most `size_max` bytes and `mounts_max` mounts. FAILURE_QUOTA_EXCEEDED for more mounts,
 * before any of them is looked at; those of an export's parts are counted once compiled. FAILURE_INVALID_SPEC (with the JSON pointer of the place at the
 * head of the sentence), FAILURE_INVALID_TARGET and FAILURE_INVALID_OPTION likewise. */
int spec_parse(const char *text, size_t size, uint64_t size_max, uint64_t mounts_max, struct spec **ret, struct failure *f);
struct spec *spec_free(struct spec *spec);
DEFINE_CLEANUP(struct spec *, spec_free)

/* The longest export that Restore() takes and Export() gives, where specs may not be longer anyway: room for as many mounts as a pod has by default, of
 * 500 bytes each. What is built of it takes more memory than its text, and time of everybody's: hence the other two. */
enum {
        SPEC_EXPORT_SIZE_MAX = 8 * 1024 * 1024, /* bytes */
        SPEC_EXPORT_VALUES_MAX = 512 * 1024,
        SPEC_EXPORT_CONTAINERS_MAX = 128 * 1024, /* arrays and objects */
};

/* Parses the argument of Restore(), an export and nothing else: as spec_parse() does up to `size_max` bytes, beyond them within the limits above. */
int spec_parse_restored(const char *text, size_t size, uint64_t size_max, uint64_t mounts_max, struct spec **ret, struct failure *f);
/* Whether spec_parse_restored() would take an export of this length and so many values: FAILURE_QUOTA_EXCEEDED. */
int spec_check_export(const char *text, size_t size, uint64_t size_max, struct failure *f);

/* Parses the argument of AddContainer(): an OCI document, or one of podmount's own with one container, which has this
 * name in either case. `canonical` is of the document as given. */
int spec_parse_container(const char *text, size_t size, uint64_t size_max, uint64_t mounts_max, const char *name,
        struct spec **ret, struct failure *f);

/* Parses the argument of Mount(): one OCI mount object or an array of them. Pointers are "" or "/0", "/1"… */
int spec_parse_mounts(
        const char *text, size_t size, uint64_t size_max, struct spec_mount **ret, size_t *ret_n, struct failure *f);
/* The one mount that a Bind() call stands for; type bind, options as given ("bind" is added if neither bind nor rbind
 * is there); the source may be "" with remount. FAILURE_INVALID_TARGET, FAILURE_INVALID_OPTION, FAILURE_INVALID_ARGS for the source. */
int spec_mount_from_bind(
        const char *source, const char *target, char *const *options, struct spec_mount *ret, struct failure *f);
/* Writes a mount as a canonical OCI mount object: the store keeps it, a retry is compared with it. */
int spec_mount_to_text(const struct spec_mount *mount, char **ret);
void spec_mount_done(struct spec_mount *mount);
void spec_mounts_free(struct spec_mount *mounts, size_t n);

/* Every fd name that the document's sources use, each once, in order. */
int spec_fd_names(const struct spec *spec, char ***ret);
int spec_mounts_fd_names(const struct spec_mount *mounts, size_t n, char ***ret);
