/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Probes. Each builds the smallest thing that needs the feature out of detached mounts, which vanish with their fds. */

#include "kernel/features.h"

#include <stddef.h>
#include <string.h>

#include "kernel/fscontext.h"
#include "kernel/identity.h"
#include "kernel/inside.h"
#include "kernel/space.h"
#include "kernel/syscalls.h"
#include "kernel/tree.h"
#include "kernel/watch.h"
#include "util/array.h"
#include "util/log.h"

enum { PROBE_SIZE = 64 * 1024 };

static const struct {
        const char *name;
        size_t offset;
} table[] = {
        {"unique-id", offsetof(struct features, unique_id)},
        {"statmount", offsetof(struct features, statmount)},
        {"mount-events", offsetof(struct features, mount_events)},
        {"unlimited-queue", offsetof(struct features, unlimited_queue)},
        {"detached-attach", offsetof(struct features, detached_attach)},
        {"detached-clone", offsetof(struct features, detached_clone)},
        {"detached-layers", offsetof(struct features, detached_layers)},
        {"beneath", offsetof(struct features, beneath)},
        {"lowerdir-plus", offsetof(struct features, lowerdir_plus)},
        {"layer-fd", offsetof(struct features, layer_fd)},
        {"proc-pidns", offsetof(struct features, proc_pidns)},
        {"namespace-ids", offsetof(struct features, namespace_ids)},
};

static bool *feature(struct features *features, size_t i) {
        return (bool *) ((char *) features + table[i].offset);
}

static int probe_tmpfs(void) {
        return fscontext_tmpfs(PROBE_SIZE, 0, 0700, 0, 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

static bool probe_unique_id(void) {
        struct identity identity;

        return identity_read(AT_FDCWD, "/", true, &identity) == 0;
}

static bool probe_statmount(void) {
        struct identity identity;
        struct mount_status status = {};
        uint64_t id;

        return identity_read(AT_FDCWD, "/", true, &identity) == 0 &&
               sys_statmount(identity.key, MOUNT_STATUS_BASIC, &status, sizeof(status)) == 0 &&
               status.id == identity.key && sys_listmount(identity.key, 0, &id, 1) >= 0;
}

static bool probe_detached_attach(void) {
        _cleanup_close_ int below = probe_tmpfs(), above = probe_tmpfs();

        return below >= 0 && above >= 0 && mkdirat(below, "d", 0700) == 0 && tree_attach(above, below, "d") == 0;
}

/* One that lies in the tree, not its root: that is the harder one to have. */
static bool probe_detached_clone(void) {
        _cleanup_close_ int below = probe_tmpfs(), above = probe_tmpfs(), inside = -1, clone = -1;

        if (below < 0 || above < 0 || mkdirat(below, "d", 0700) < 0 || tree_attach(above, below, "d") < 0)
                return false;
        inside = openat(below, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
        clone = inside >= 0 ? tree_clone(inside, false) : -1;
        return clone >= 0;
}

/* A file system of the older kind (overlay before 6.5) takes whatever option it is given, to judge it when it is mounted:
 * only one that refuses what cannot be an option says something by taking another. */
static bool probe_lowerdir_plus(bool by_fd) {
        _cleanup_fscontext_ struct fscontext context = FSCONTEXT_INIT;
        _cleanup_close_ int layer = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

        return layer >= 0 && fscontext_open(&context, "overlay") == 0 &&
               fscontext_set_layers(&context, &layer, 1, by_fd, true) == 0 &&
               fscontext_set(&context, "podmount-no-option", "0") < 0;
}

static bool probe_detached_layers(bool by_fd, bool one_by_one) {
        _cleanup_fscontext_ struct fscontext context = FSCONTEXT_INIT;
        _cleanup_close_ int upper = probe_tmpfs(), lower = probe_tmpfs(), overlay = -1;
        int layers[] = {upper, lower};
        bool found;

        if (upper < 0 || lower < 0 || fscontext_open(&context, "overlay") < 0)
                return false;
        found = fscontext_set_layers(&context, layers, ELEMENTSOF(layers), by_fd, one_by_one) == 0;
        if (found)
                overlay = fscontext_mount(&context, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
        /* The joined layers are named relative to /proc/self/fd. */
        if (!by_fd && !one_by_one && chdir("/") < 0)
                return false;
        return overlay >= 0;
}

/* Which features `without` names. */
static int parse(const char *without, struct features *ret) {
        struct features taken = {};

        while (without && *without) {
                size_t size = strcspn(without, ","), i;

                for (i = 0; i < ELEMENTSOF(table); i++)
                        if (strlen(table[i].name) == size && strncmp(table[i].name, without, size) == 0)
                                break;
                if (i == ELEMENTSOF(table))
                        return log_errno(LOG_ERR, EINVAL, "no kernel feature is called \"%.*s\"", (int) size, without);
                *feature(&taken, i) = true;
                without += size + (without[size] == ',');
        }
        *ret = taken;
        return 0;
}

int features_probe(const char *without, struct features *ret) {
        struct features taken, found = {};
        int r = parse(without, &taken);

        if (r < 0)
                return r;
        found.unique_id = !taken.unique_id && probe_unique_id();
        found.statmount = !taken.statmount && found.unique_id && probe_statmount();
        found.mount_events = !taken.mount_events && found.statmount && watch_probe(false);
        found.unlimited_queue = !taken.unlimited_queue && found.mount_events && watch_probe(true);
        found.detached_attach = !taken.detached_attach && probe_detached_attach();
        found.detached_clone = !taken.detached_clone && found.detached_attach && probe_detached_clone();
        found.beneath = !taken.beneath && tree_has_beneath();
        found.lowerdir_plus = !taken.lowerdir_plus && probe_lowerdir_plus(false);
        found.layer_fd = !taken.layer_fd && found.lowerdir_plus && probe_lowerdir_plus(true);
        found.detached_layers = !taken.detached_layers && probe_detached_layers(found.layer_fd, found.lowerdir_plus);
        found.proc_pidns = !taken.proc_pidns && space_probe_pidns();
        found.namespace_ids = !taken.namespace_ids && found.statmount && inside_probe();
        *ret = found;
        return 0;
}

int features_names(const struct features *features, char ***ret) {
        struct features copy = *features;
        _cleanup_strv_ char **names = NULL;

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (*feature(&copy, i) && strv_append(&names, table[i].name) < 0)
                        return -ENOMEM;
        if (!names) {
                names = calloc(1, sizeof(*names));
                if (!names)
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(names);
        return 0;
}
