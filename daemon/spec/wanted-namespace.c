/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * File systems that show a namespace (proc, sysfs, mqueue, cgroup): the one that the spec or the call names; with none
 * named they show the host's to root, with a warning, and wait until the namespaces are named for anyone else.
 *
 * A cgroup2 made anew in the host's namespace would take the options of the host's own mounts away, since all of them
 * are one superblock and mounting sets its options (nsdelegate, memory_recursiveprot; cgroups(7)). Hence the host's is
 * cloned, unless the client gives such options itself. Within another namespace the kernel leaves those options alone.
 */

#include <string.h>
#include <sys/mount.h>

#include "spec/compile.h"
#include "spec/warning.h"

static const char CGROUP_DIRECTORY[] = "/sys/fs/cgroup";
static const char CGROUP_UNIFIED_DIRECTORY[] = "/sys/fs/cgroup/unified"; /* where systemd has cgroup2 beside v1 */

static const char *place_of(const struct wanted_mount *w) {
        return w->pointer[0] != '\0' ? w->pointer : w->target;
}

/* Where the index of the named ones is. */
static enum spec_namespace index_of(enum wanted_namespace name_space) {
        switch (name_space) {
        case WANTED_NAMESPACE_PID:
                return SPEC_NAMESPACE_PID;
        case WANTED_NAMESPACE_NET:
                return SPEC_NAMESPACE_NET;
        case WANTED_NAMESPACE_IPC:
                return SPEC_NAMESPACE_IPC;
        case WANTED_NAMESPACE_CGROUP:
                return SPEC_NAMESPACE_CGROUP;
        case WANTED_NAMESPACE_NONE:
                break;
        }
        return _SPEC_NAMESPACE_MAX;
}

enum spec_namespace wanted_namespace_of(const char *type) {
        static const struct {
                const char *type;
                enum spec_namespace shows;
        } rows[] = {
                {"proc", SPEC_NAMESPACE_PID},       {"sysfs", SPEC_NAMESPACE_NET},
                {"mqueue", SPEC_NAMESPACE_IPC},     {"cgroup", SPEC_NAMESPACE_CGROUP},
                {"cgroup2", SPEC_NAMESPACE_CGROUP},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if (strcmp(rows[i].type, type) == 0)
                        return rows[i].shows;
        return _SPEC_NAMESPACE_MAX;
}

int compile_namespace(struct compile *c, struct wanted_mount *w, enum wanted_namespace name_space, const char *shows) {
        const struct source *named = c->spaces ? &c->spaces[index_of(name_space)] : NULL;
        const char *place = w->pointer[0] != '\0' ? w->pointer : "this mount";

        w->name_space = name_space;
        if (named && named->kind == SOURCE_FD) {
                w->space = (struct source) {.kind = SOURCE_FD, .text = strdup(named->text)};
                return w->space.text ? 0 : -ENOMEM;
        }
        w->deferred = !c->facts->caller_is_root;
        if (w->deferred)
                return warning_add(&c->wanted->warnings,
                        "%s: " WANTED_WAITS_FORMAT "which %s namespace it shows is not named, and only root gets the "
                        "host's; name it in the spec (\"namespaces\"), or later with podmountctl set-namespaces",
                        place, w->type, w->target, c->wanted->containers[w->container], shows);
        return warning_add(&c->wanted->warnings,
                "%s: %s at %s shows the host's %s namespace, since the spec names none", place, w->type, w->target,
                shows);
}

/* A v1 hierarchy is named by its controllers; who names none gets the one hierarchy that every host has. */
static int compile_named(struct compile *c, struct wanted_mount *w) {
        char *type;

        if (strcmp(w->type, "cgroup") != 0 || w->n_data > 0)
                return 0;
        type = strdup("cgroup2");
        if (!type)
                return -ENOMEM;
        free(w->type);
        w->type = type;
        if (c->facts->cgroup == WANTED_CGROUP_UNIFIED)
                return 0;
        return warning_add(&c->wanted->warnings,
                "%s: cgroup at %s names no controllers and shows the cgroup2 hierarchy of its namespace", place_of(w),
                w->target);
}

int compile_cgroup(struct compile *c, struct wanted_mount *w) {
        bool unified = c->facts->cgroup == WANTED_CGROUP_UNIFIED, v1 = strcmp(w->type, "cgroup") == 0;
        const char *source = v1 || unified ? CGROUP_DIRECTORY : CGROUP_UNIFIED_DIRECTORY;

        if (w->space.kind == SOURCE_FD)
                return compile_named(c, w);
        if (w->deferred || (v1 && w->n_data > 0))
                return 0;
        if (w->n_data > 0)
                return warning_add(&c->wanted->warnings,
                        "%s: the options of cgroup2 are one set for the whole host, whose own mounts "
                        "have these from now on",
                        place_of(w));
        w->kind = WANTED_BIND;
        w->recursive = v1 && !unified;
        free(w->type);
        w->type = strdup("bind");
        free(w->source.text);
        w->source = (struct source) {.kind = SOURCE_PATH, .text = strdup(source)};
        if (!w->type || !w->source.text)
                return -ENOMEM;
        /* A clone of ours of what the client asked for as a file system: it has what file systems have. */
        w->attr_set |= (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV) & ~w->attr_clear;
        if (w->recursive) {
                w->attr_set_below = w->attr_set;
                w->attr_clear_below = w->attr_clear;
        }
        return 0;
}
