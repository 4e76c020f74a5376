/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Steps: what the front asks of an executor, typed and bounded. A job is an ordered list of steps for one pod; it is
 * one flat buffer on the wire (job_encode, job_decode) plus fds. Pure.
 *
 * Whoever decodes trusts nothing: every length, count, index and string is checked against the buffer, and the
 * meaning of each step against what the executor may do at all (executor/door.h).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "spec/idmap.h"
#include "util/cleanup.h"
#include "util/failure.h"

enum step_limits {
        JOB_STEPS_MAX = 131072,
        JOB_GROUPS_MAX = 65536, /* NGROUPS_MAX */
        JOB_LAYERS_MAX = 500,   /* lower ones of one overlay */
        JOB_LAYERS_BESIDE_MAX = JOB_LAYERS_MAX + 1, /* of what is read beside another: a read-write one with all that it stands on */
        JOB_CANDIDATES_MAX = 256, /* of one STEP_FIND */
        HOLDERS_MOUNTS_MAX = 4096, /* STEP_HOLDERS of one job */
        JOB_OPTIONS_MAX = 512,  /* of one file system: a spec's and our own */
        JOB_UUID_SIZE = 37,     /* lower-case with dashes, and its NUL */
};

enum step_kind {
        STEP_TREE,       /* make the pod's detached tree: a small tmpfs with <container>/rootfs for each container */
        STEP_ROOT,       /* clone a container's root and put it at <container>/rootfs */
        STEP_BIND,       /* clone a source and put it at a target */
        STEP_FILESYSTEM, /* make a file system and put it at a target */
        STEP_IMAGE,      /* mount the file system in a file or on a block device and put it at a target */
        STEP_OVERLAY,    /* make an overlay and put it at a target */
        STEP_MASK,       /* hide a target, if there is one: /dev/null over a file, an empty tmpfs over a directory */
        STEP_READONLY,   /* put a read-only clone of a target, if there is one, over it */
        STEP_MKDIR,      /* make a directory of a container, with those above it, if it is missing */
        STEP_REMOUNT,    /* change attributes and options of the mount at a target, checked by id */
        STEP_PUBLISH,    /* make pods/<uuid> and attach the tree there: one move_mount(2) */
        STEP_CONTAINER,  /* make the detached tree of one more container: a small tmpfs with rootfs */
        STEP_JOIN,       /* make pods/<uuid>/<container> and attach that tree there: one move_mount(2) */
        STEP_UNMOUNT,    /* unmount one mount, found by path and checked by id; busy is an outcome */
        STEP_DETACH,     /* the same lazily, with all that hangs below it */
        STEP_UNMAKE,     /* remove directories, or a file in them, that were made in a source, as far as they are empty */
        STEP_REMOVE_POD, /* remove pods/<uuid>, which nothing is mounted on any more */
        STEP_OPEN_TREE,  /* clone a part of a container and send the fd back */
        STEP_FIND,       /* which of several paths in a container is a program */
        STEP_EXAMINE,    /* what a path of a container, or of the host, lies on */
        STEP_IDENTIFY,   /* look up the namespaces and the root directory of a process by its pidfd */
        STEP_ENTER,      /* what the steps after it make is put into a mount namespace: that of a process by pidfd, or itself */
        STEP_SEEK,       /* whether a mount is in another mount namespace, both by id */
        STEP_WITHDRAW,   /* unmount one mount in another mount namespace, both by id */
        STEP_LAYER_MAKE,   /* make the directory of a layer, its content the job's owner's, out of sight, and give it its name when it is on the disk */
        STEP_LAYER_RETIRE, /* take that name away from it: it is a leftover from then on */
        STEP_LAYER_MOUNT,  /* mount a layer with all that it stands on at its place */
        STEP_LAYER_UNMOUNT, /* unmount it there, checked by id; busy is an outcome */
        STEP_LAYER_PURGE,  /* remove some of what a layer's directory has become, finished or not */
        STEP_LAYER_APPLY,  /* have a worker make what a layer is to have, beside what it has, of a tar; answers with its channel */
        STEP_LAYER_MERGE,  /* have another one put that over what the layer has; answers with its channel */
        STEP_LAYER_ADOPT,  /* exchange the two */
        STEP_LAYER_CLEAR,  /* remove some of whatever lies beside a layer's content since then */
        STEP_IMAGE_READ,   /* have a worker read an image layout; answers with its channel */
        STEP_IMAGE_BLOB,   /* open a blob of an image layout; answers with its fd */
        STEP_LAYER_DIFF,    /* have a worker write what a layer changes into a pipe, as a tar; answers with its channel, as do the next two */
        STEP_LAYER_CHANGES, /* …tell it, name by name */
        STEP_LAYER_SIZE,    /* …count its bytes */
        STEP_LAYER_OPEN,    /* clone the directory of a layer and send the fd back */
        STEP_PIN,           /* bind a namespace of a process, by pidfd, to a file of the host; with a file below <runtime>/ns/ made for it */
        STEP_HOLDERS,       /* have a worker find who keeps mounts alive, one for each step of the job; answers with its channel */
        STEP_GC_PROGRAM,    /* run the program that a pod wants to be run before it is collected; answers with the channel of who waits for it */
        STEP_LINK,          /* make a network interface, or move one: of the host, or, by pidfd, of a process */
        STEP_UNLINK,        /* remove one that was made, wherever it is, or move one back to the host */
        STEP_CGROUP_MAKE,   /* make a cgroup, `target`, in every hierarchy, below the parent that is the source (none: below systemd's unit) */
        STEP_CGROUP_REMOVE, /* remove it in all of them when all else of the job is done; one that is busy stays */
        _STEP_KIND_MAX,
};

/* Whether a job of one such step is answered with an fd: a tree, a file, or the channel of a worker (executor/worker.h). */
bool step_kind_answers_fd(enum step_kind kind);
/* Whether it has a worker tell what is in a layer. */
bool step_kind_reads_layer(enum step_kind kind);
/* Whether the job is. */
struct job;
bool job_answers_fd(const struct job *job);
/* The word that plans and logs have for a kind. */
const char *step_kind_name(enum step_kind kind);

enum step_source_kind { STEP_SOURCE_NONE, STEP_SOURCE_PATH, STEP_SOURCE_FD, STEP_SOURCE_VOLUME, STEP_SOURCE_LAYER };
struct step_source {
        enum step_source_kind kind;
        char *path;  /* STEP_SOURCE_PATH: absolute; opened by an opener that is the caller. STEP_SOURCE_VOLUME: its name. STEP_SOURCE_LAYER: its id.
                      * STEP_SOURCE_NONE: a label or NULL */
        uint32_t fd; /* STEP_SOURCE_FD: index in the job's fds */
        uint64_t id; /* STEP_SOURCE_VOLUME: which mount it has to be, unique id or else the recycled one; 0 for one that
                      * an earlier step of the job makes. STEP_SOURCE_LAYER, the source of a STEP_ROOT: the number of the layer */
};

struct step_option {
        char *name;
        char *value; /* NULL: fsconfig(2) FSCONFIG_SET_FLAG */
        uint32_t fd; /* index in the job's fds, which takes the value's place; STEP_NO_FD for none */
};

/* What to do about a target that is not there. */
enum step_create {
        STEP_CREATE_NEVER,     /* InvalidTarget: it lies on something that podmount may not modify */
        STEP_CREATE_FREELY,    /* it lies on a file system that the pod's own plan made (0755, root) */
        STEP_CREATE_AS_CALLER, /* it lies on a writable root: by a child that is the caller */
        STEP_CREATE_STUB,      /* it lies on a read-only root, bind, overlay or tmpfs: that one's step has put a stub there */
        _STEP_CREATE_MAX,
};

enum step_flags {
        STEP_RECURSIVE = 1 << 0,             /* clone with the mounts below the source; STEP_WITHDRAW: with what is locked to it;
                                              * STEP_SEEK: tells of it and of what is below it; STEP_HOLDERS: so are they of that */
        STEP_ATTR_RECURSIVE = 1 << 1,        /* attributes on those, too: attr_set_below, attr_clear_below */
        STEP_PROPAGATION_RECURSIVE = 1 << 2,
        STEP_OVERLAY_TMPFS = 1 << 3,         /* STEP_ROOT, STEP_BIND: a tmpfs takes the writes, the source none */
        STEP_STACK = 1 << 4,                 /* the target may be a mount point of the pod already */
        STEP_LAZY_BELOW = 1 << 5,            /* STEP_UNMOUNT, STEP_WITHDRAW: what hangs below goes with it (an undo) */
        STEP_RESTORE = 1 << 6,               /* STEP_UNMOUNT: mounted again when a later step fails */
        STEP_DEVICE = 1 << 7,                /* STEP_IMAGE: the source is a block device, and else a file */
        STEP_SOURCE_NOFOLLOW = 1 << 8,       /* STEP_BIND: a source path that is a symlink is bound itself */
        STEP_TARGET_NOFOLLOW = 1 << 9,       /* a target that is a symlink is mounted on itself */
        STEP_COPY_UP = 1 << 10,              /* STEP_FILESYSTEM: a tmpfs that begins with what it covers */
        STEP_BENEATH = 1 << 11,              /* takes the place of the mount at the target, which is cover_id */
        STEP_OPTIONAL = 1 << 12,             /* STEP_FILESYSTEM: where it cannot be made it is left out, with a warning.
                                              * STEP_WITHDRAW: where the kernel has locked it to one that it came along with, it is
                                              * left to go with that. STEP_CGROUP_MAKE: what is there already may be */
        STEP_MAKE_LAYERS = 1 << 13,          /* STEP_OVERLAY: upper and work are made, as the caller, where they are missing */
        STEP_HOST = 1 << 14,                 /* STEP_BIND, STEP_FILESYSTEM, STEP_OVERLAY, STEP_PIN, STEP_UNMOUNT, STEP_DETACH: the target is the
                                              * host's, absolute and without symlinks; the container is SPEC_HOST */
        STEP_LAYER_WRITABLE = 1 << 15,       /* STEP_LAYER_MOUNT, STEP_ROOT of a layer: what is written goes into the layer;
                                              * STEP_LAYER_APPLY: its ids are the host's */
        STEP_LAYER_BASE = 1 << 16,           /* STEP_LAYER_APPLY, _MERGE: it stands on none, so that there is nothing to white out */
        STEP_LAYER_OWN = 1 << 17,            /* STEP_LAYER_DIFF, _CHANGES, _SIZE: beside what the layer stands on; else beside `layers`, if
                                              * there are any, or beside nothing */
        STEP_OF_TREE = 1 << 18,              /* STEP_UNMOUNT with STEP_RESTORE: nothing hides it, so that it may come from a clone of the
                                              * pod's whole tree, which is cheaper than one for each */
        STEP_GC_LISTED = 1 << 19,            /* STEP_GC_PROGRAM: the target is a program of the host, on the configuration's list; else it is in
                                              * the container */
        STEP_GC_DEBUG = 1 << 20,             /* STEP_GC_PROGRAM: with --debug */
        STEP_GC_REGISTRY = 1 << 21,          /* STEP_GC_PROGRAM: it is the registry program of the configuration, which runs as root */
        STEP_LINK_MOVE = 1 << 22,            /* STEP_LINK: it is there, made by podmount or, without a type, the host's own; STEP_UNLINK: back */
        STEP_DESERTED = 1 << 23,             /* STEP_REMOVE_POD: of a pod in a namespace of its own, and only if no process lives there */
        _STEP_FLAGS_ALL = (1 << 24) - 1,
};

#define STEP_NO_COVER UINT32_MAX
#define STEP_NO_FD UINT32_MAX

struct step {
        enum step_kind kind;
        uint32_t flags;
        uint32_t wanted;   /* which wanted mount this step makes; UINT32_MAX for none */
        char *container;   /* a name; NULL where the step has none; STEP_EXAMINE: "" for the host */
        char *target;      /* absolute within the container, "/" for STEP_ROOT; STEP_UNMOUNT, STEP_DETACH: relative to
                            * pods/<uuid>, physical ("" for the pod's own tmpfs); STEP_UNMAKE: absolute within the source; STEP_LINK,
                            * STEP_UNLINK: the name of the interface */
        char *type;        /* STEP_FILESYSTEM, STEP_IMAGE, STEP_REMOUNT; STEP_PIN: the kind of namespace, as /proc/PID/ns has it; STEP_LINK, STEP_UNLINK: the kind of
                            * interface, "" for one that podmount did not make */
        struct step_source source;
        struct step_source space;   /* STEP_FILESYSTEM: the namespace that it shows, an fd, or none: the executor's */
        struct step_source *layers; /* STEP_OVERLAY: lower layers, topmost first. STEP_ROOT: what the layer stands on, likewise */
        size_t n_layers;
        struct step_source upper, work;
        struct step_option *options;
        size_t n_options;
        struct idmap idmap;        /* STEP_ROOT, STEP_BIND, and the layers of STEP_OVERLAY: owned… */
        struct step_source userns; /* …or by this user namespace, an fd: then without mappings */
        char **stubs;      /* STEP_ROOT, STEP_BIND, STEP_OVERLAY: targets that must exist in it; what is missing gets a stub overlay. A tmpfs has them made in it.
                            * STEP_FIND: where the program may be. STEP_LINK, STEP_UNLINK: the name of the other end of a veth. STEP_LAYER_MOUNT: the ids of what it stands on, topmost first.
                            * NULL-terminated; never NULL when decoded */
        uint64_t attr_set, attr_clear; /* MOUNT_ATTR_* */
        uint64_t attr_set_below, attr_clear_below; /* STEP_ATTR_RECURSIVE: for the mounts below; 0 without it */
        uint64_t propagation;          /* MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE; STEP_UNMOUNT with STEP_RESTORE: what the mount
                                        * has, and is to have again, never MS_SLAVE; 0: whatever comes of it */
        uint64_t size;     /* STEP_TREE, STEP_CONTAINER, STEP_OVERLAY_TMPFS: bytes; STEP_LAYER_APPLY, _MERGE: at most so many are written… */
        enum step_create create;
        uint32_t cover_step; /* the step of this job whose mount the target must lie on to be created, or none… */
        uint64_t cover_id;   /* …and then the id of a mount that was there before; 0: none */
        uint64_t id;       /* STEP_LAYER_APPLY, _MERGE: …into at most so many files and directories; STEP_UNMOUNT, STEP_DETACH, STEP_REMOUNT: the
                            * unique id (0 where the kernel has none)… */
        uint32_t mount_id; /* …and the recycled one…; STEP_LINK, STEP_UNLINK: the index of the interface where it is, or, back on the host, is
                            * to be; 0: not known */
        uint64_t device;   /* …and, to tell another mount with that from it, st_dev of its root; 0: not known */
        uint64_t namespace; /* STEP_ENTER (0: whichever it is), STEP_SEEK, STEP_WITHDRAW, STEP_REMOUNT (0: the host's, with the pod):
                             * the id of the mount namespace */
        uint32_t made;     /* STEP_UNMOUNT, STEP_UNMAKE: how many trailing components of the target podmount had created… */
        bool made_file;    /* …the last of them an empty file: removed if still empty */
        uint64_t serial;   /* STEP_LAYER_*: the number of the layer, of which `target` is the id */
};

/* Who the openers of this job are. */
struct job_caller {
        bool root; /* the caller is root: sources are opened by the executor itself */
        uid_t uid;
        gid_t gid;
        gid_t *groups;
        size_t n_groups;
        uint32_t brought_max; /* mounts that clones may bring along in this job, unless root's */
};

struct job {
        uint64_t id;
        char uuid[JOB_UUID_SIZE]; /* "" for a job without a pod */
        bool private;             /* the pod has a mount namespace to itself, pinned at <runtime>/ns/<uuid>: its mounts are there, its directory at
                                   * the same path as one of the host's would have. A creation is answered with the text of its mount table */
        uid_t owner;              /* the pod's */
        gid_t owner_group;
        struct job_caller caller;
        char **containers;        /* names, NULL-terminated: STEP_TREE makes them. Never NULL when decoded */
        struct step *steps;
        size_t n_steps;
        uint32_t n_fds;           /* how many fds travel along… */
        char **fd_names;          /* …and what refusals call them: the client's names of the first ones, NULL-terminated. Never NULL when decoded */
};

/* An empty job; NULL when memory is short. */
struct job *job_new(void);
struct job *job_free(struct job *job);
DEFINE_CLEANUP(struct job *, job_free)
/* Appends a zeroed step of this kind with cover_step and wanted set to "none"; NULL when memory is short. */
struct step *job_add(struct job *job, enum step_kind kind);

/* One flat buffer, owned by the caller. A step travels with the fields of its kind alone (the table in job-wire.c).
 * -ENOMEM, -E2BIG past CHANNEL_MESSAGE_MAX; -EINVAL (logged) for a job that no decoder would take: a field set that the
 * kind does not have, one missing that it needs, an index out of bounds. */
int job_encode(const struct job *job, uint8_t **ret, size_t *ret_size);
/* Strict: -EBADMSG for anything that job_encode() would not have written (lengths, counts, kinds, flags, fd indexes
 * past n_fds, a cover_step that is not an earlier one, strings with a NUL inside, trailing bytes). container, target
 * and type are there where the kind has them. Semantics are the door's. */
int job_decode(const uint8_t *data, size_t size, struct job **ret);

/* What STEP_IDENTIFY answers in step_result.id. */
enum identify_flags {
        IDENTIFY_HOST_MOUNT_NAMESPACE = 1 << 0,
        IDENTIFY_HOST_USER_NAMESPACE = 1 << 1,
        IDENTIFY_HOST_ROOT_DIRECTORY = 1 << 2,
        IDENTIFY_HOST_PID_NAMESPACE = 1 << 3,
};

/* What STEP_EXAMINE answers in step_result.attributes, beside the mount's id and the file system's device… */
enum examine_flags {
        EXAMINE_SYSTEM_MOUNT = 1 << 0, /* proc or sysfs, or mounted in one */
        EXAMINE_HOST_DEVICE = 1 << 1,  /* a device node, or in a devtmpfs and no regular file */
};
/* …and in job_result.texts, in this order. */
enum examine_text {
        EXAMINE_POINT,  /* where the mount is, on the host */
        EXAMINE_SOURCE,
        EXAMINE_TYPE,
        EXAMINE_NODE,   /* the block device that the file system is on; "" for none */
        EXAMINE_MAPPER, /* its name, where device-mapper made it; else "" */
        _EXAMINE_TEXT_MAX,
};

/* What STEP_LAYER_PURGE and STEP_LAYER_CLEAR answer in step_result.attributes. */
enum purge_state {
        PURGE_DONE,
        PURGE_MORE, /* there is more: ask again */
};

/* What STEP_CGROUP_REMOVE answers there. STEP_CGROUP_MAKE answers in `made` in how many hierarchies, and in job_result.texts where
 * the parent is. */
enum cgroup_state {
        CGROUP_GONE,
        CGROUP_LEFT, /* busy, or out of reach */
};

/* What STEP_LAYER_APPLY answers there. */
enum apply_state {
        APPLY_ALONE, /* the layer has nothing: STEP_LAYER_ADOPT comes next… */
        APPLY_OVER,  /* …or it has, and STEP_LAYER_MERGE does */
};

/* What STEP_SEEK answers in step_result.attributes, and STEP_WITHDRAW: whether it is still there. */
enum seek_state {
        SEEK_THERE,
        SEEK_MISSING, /* the namespace has it no more */
        SEEK_GONE,    /* the namespace is no more */
};

struct step_result {
        uint64_t id;         /* STEP_ENTER: the id of the namespace; STEP_FIND: which of its stubs, from 1; else the unique id of the mount that was made, 0 where the kernel has none */
        uint32_t mount_id;   /* the recycled id */
        uint64_t attributes; /* MOUNT_ATTR_* as statvfs(3) shows them, and MOUNT_ATTR_IDMAP; STEP_LINK: the index of the interface where it is now */
        uint64_t device;     /* st_dev of its root */
        uint32_t made;       /* trailing components of the target that were created */
        bool made_file;
        uint32_t made_upper, made_work; /* STEP_MAKE_LAYERS: likewise of the two directories */
        bool done;           /* the step was carried out (and not undone); a STEP_RESTORE that was has the new ids */
};

/* What is in another mount namespace, which the front does not see: a mount that came along with a recursive STEP_BIND, or the
 * mount of a STEP_SEEK with STEP_RECURSIVE, and those below it. */
struct brought {
        uint32_t step;       /* that it came along with, or that asked */
        uint64_t id;         /* unique */
        uint32_t mount_id;   /* the recycled one */
        uint64_t attributes; /* MOUNT_ATTR_* */
        uint64_t device;     /* st_dev of its root */
        char *path;          /* what follows the step's target, with a slash before it; "" for one on the root of its mount */
        char *source, *type;
};

struct job_result;

/* Appends a copy, which is the result's. -ENOMEM. */
int brought_append(struct job_result *result, const struct brought *brought);

struct job_result {
        uint64_t job;
        enum failure_kind failure; /* FAILURE_NONE: all steps done */
        int32_t error;             /* the errno behind it, 0 if none */
        uint32_t failed_step;      /* UINT32_MAX if none */
        bool lost;                 /* the executor died or was replaced: what was done is in the intent file */
        char *text;                /* the sentence of the failure */
        char **warnings;
        char **texts;              /* the answer of STEP_EXAMINE */
        struct step_result *steps; /* one a step */
        size_t n_steps;
        struct brought *brought;   /* by step, parents before children */
        size_t n_brought;
        int *fd;                   /* the answer of STEP_OPEN_TREE or of what a worker does, owned with what it points to; travels beside the buffer;
                                    * or NULL */
};

void job_result_done(struct job_result *result);
#define _cleanup_job_result_ _cleanup_(job_result_done)
/* Both as strict as a job's: -EINVAL for what no decoder would take, -EBADMSG for what no encoder wrote. */
int job_result_encode(const struct job_result *result, uint8_t **ret, size_t *ret_size);
int job_result_decode(const uint8_t *data, size_t size, struct job_result *ret);
