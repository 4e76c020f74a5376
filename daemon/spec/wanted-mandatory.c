/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What every container has, whether its spec says so or not: the file systems that the OCI runtime specification
 * expects of Linux (config-linux.md, "Default Filesystems"), and /tmp. They count only where the spec is silent, by the
 * words of its destinations, and never make a creation fail: where one cannot be, a warning says so.
 */

#include <string.h>

#include "spec/compile.h"
#include "util/json.h"
#include "util/path.h"

enum { MANDATORY_OPTIONS_MAX = 6 };

static const struct {
        const char *destination, *type;
        const char *options[MANDATORY_OPTIONS_MAX + 1];
} rows[] = {
        {"/proc", "proc", {"nosuid", "noexec", "nodev"}},
        {"/sys", "sysfs", {"nosuid", "noexec", "nodev", "ro"}},
        {"/dev", "devtmpfs", {"nosuid", "strictatime"}},
        {"/dev/pts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
        {"/dev/shm", "tmpfs", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
        {"/dev/mqueue", "mqueue", {"nosuid", "noexec", "nodev"}},
        {"/tmp", "tmpfs", {"nosuid", "nodev", "mode=1777"}},
};

static const struct spec_mount *find(const struct spec_container *container, const char *destination) {
        for (size_t i = 0; i < container->n_mounts; i++)
                if (strcmp(container->mounts[i].destination, destination) == 0)
                        return container->mounts + i;
        return NULL;
}

static bool is_plain_tmpfs(const struct spec_mount *mount) {
        bool recursive;

        return mount->type && strcmp(mount->type, "tmpfs") == 0 && !compile_is_bind(mount, &recursive);
}

/* What lies on a file system of the spec's own choice is the spec's to say, unless podmount fills that: a /dev. */
static bool is_silent(const struct spec_container *container, const char *destination) {
        const struct spec_mount *dev = find(container, "/dev");

        if (find(container, destination))
                return false;
        if (!dev || !path_is_below(destination, "/dev"))
                return true;
        return is_plain_tmpfs(dev) || (dev->type && strcmp(dev->type, "devtmpfs") == 0);
}

static int add(const struct spec_container *container, size_t row, struct spec_mount *mount) {
        mount->pointer = json_pointer_join(container->pointer, "mandatoryMounts");
        mount->destination = strdup(rows[row].destination);
        mount->type = strdup(rows[row].type);
        if (!mount->pointer || !mount->destination || !mount->type)
                return -ENOMEM;
        for (size_t i = 0; rows[row].options[i]; i++)
                if (strv_append(&mount->options, rows[row].options[i]) < 0)
                        return -ENOMEM;
        return 0;
}

int compile_mandatory(const struct spec_container *container, struct spec_mount **ret, size_t *ret_n) {
        struct spec_mount *mounts = NULL;
        size_t n = 0;

        for (size_t row = 0; container->mandatory && row < ELEMENTSOF(rows); row++) {
                struct spec_mount *mount;

                if (!is_silent(container, rows[row].destination))
                        continue;
                mount = array_append(&mounts, &n);
                if (!mount || add(container, row, mount) < 0) {
                        spec_mounts_free(mounts, n);
                        return -ENOMEM;
                }
        }
        *ret = mounts;
        *ret_n = n;
        return 0;
}

bool compile_is_dev(const struct spec_container *container, const struct spec_mount *mount) {
        if (!container->mandatory || strcmp(mount->destination, "/dev") != 0 || !is_plain_tmpfs(mount))
                return false;
        for (char **option = mount->options; option && *option; option++)
                if (strcmp(*option, "tmpcopyup") == 0)
                        return false; /* it gets what the root has there */
        return true;
}
