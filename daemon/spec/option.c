/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The plain options: all names of "Linux mount options" in the OCI runtime specification (config.md), and those that
 * runc and crun take beyond it. The rows of the access-time group clear what their word takes back; whoever folds
 * them widens that to the whole group, as mount_setattr(2) demands. podmount-spec(5) carries the same table; a test
 * compares the two.
 */

#include <string.h>
#include <sys/mount.h>

#include "spec/option.h"

#define ATTRIBUTE(n, s, c, text) \
        {.name = n, .kind = OPTION_ATTRIBUTE, .set = (s), .clear = (c), .summary = text}, \
        { \
                .name = "r" n, .kind = OPTION_ATTRIBUTE, .recursive = true, .set = (s), .clear = (c), \
                .summary = text "; also on the mounts below", \
        }
#define SUPERBLOCK(n, on, flag, text) \
        {.name = n, .kind = OPTION_SUPERBLOCK, .set = (on), .superblock = flag, .summary = text}
#define PROPAGATION(n, bit, text) \
        {.name = n, .kind = OPTION_PROPAGATION, .propagation = (bit), .summary = text}, \
        { \
                .name = "r" n, .kind = OPTION_PROPAGATION, .recursive = true, .propagation = (bit), \
                .summary = text "; also the mounts below", \
        }
#define IGNORED(n, text) {.name = n, .kind = OPTION_IGNORED, .summary = text}
#define REFUSED(n, text) {.name = n, .kind = OPTION_REFUSED, .summary = text}

static const struct option_row options[] = {
        ATTRIBUTE("ro", MOUNT_ATTR_RDONLY, 0, "read-only"),
        ATTRIBUTE("rw", 0, MOUNT_ATTR_RDONLY, "writable"),
        ATTRIBUTE("nosuid", MOUNT_ATTR_NOSUID, 0, "set-user-ID and file capabilities have no effect"),
        ATTRIBUTE("suid", 0, MOUNT_ATTR_NOSUID, "they have (root only)"),
        ATTRIBUTE("nodev", MOUNT_ATTR_NODEV, 0, "device nodes cannot be opened"),
        ATTRIBUTE("dev", 0, MOUNT_ATTR_NODEV, "they can (root only)"),
        ATTRIBUTE("noexec", MOUNT_ATTR_NOEXEC, 0, "programs cannot be executed"),
        ATTRIBUTE("exec", 0, MOUNT_ATTR_NOEXEC, "they can"),
        ATTRIBUTE("noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME, "access times are not updated"),
        ATTRIBUTE("atime", 0, MOUNT_ATTR_NOATIME, "they are, as relatime does"),
        ATTRIBUTE("strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME, "access times are updated at each access"),
        ATTRIBUTE("nostrictatime", 0, MOUNT_ATTR_STRICTATIME, "they are not, as relatime does"),
        ATTRIBUTE("relatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME, "access times are updated now and then"),
        ATTRIBUTE("norelatime", 0, 0, "without effect: relatime is the kernel's default"),
        ATTRIBUTE("nodiratime", MOUNT_ATTR_NODIRATIME, 0, "access times of directories are not updated"),
        ATTRIBUTE("diratime", 0, MOUNT_ATTR_NODIRATIME, "they are"),
        ATTRIBUTE("nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0, "symbolic links are not followed"),
        ATTRIBUTE("symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW, "they are"),

        SUPERBLOCK("sync", 1, "sync", "writes are synchronous"),
        SUPERBLOCK("async", 0, "sync", "they are not"),
        SUPERBLOCK("dirsync", 1, "dirsync", "changes of directories are synchronous"),
        SUPERBLOCK("lazytime", 1, "lazytime", "times are kept in memory for a while"),
        SUPERBLOCK("nolazytime", 0, "lazytime", "they are not"),
        SUPERBLOCK("mand", 1, "mand", "mandatory locks: without effect since Linux 5.15"),
        SUPERBLOCK("nomand", 0, "mand", "no mandatory locks"),
        SUPERBLOCK("iversion", 1, "iversion", "without effect: no type that podmount mounts has it"),
        SUPERBLOCK("noiversion", 0, "iversion", "the default"),
        SUPERBLOCK("rsync", 1, "sync", "the same as sync"),
        SUPERBLOCK("rasync", 0, "sync", "the same as async"),
        SUPERBLOCK("rdirsync", 1, "dirsync", "the same as dirsync"),
        SUPERBLOCK("rmand", 1, "mand", "the same as mand"),
        SUPERBLOCK("rnomand", 0, "mand", "the same as nomand"),

        PROPAGATION("shared", MS_SHARED, "shared, in a peer group of the pod's own"),
        PROPAGATION("slave", MS_SLAVE, "receives the source's mounts and unmounts, sends none"),
        PROPAGATION("private", MS_PRIVATE, "neither sends nor receives"),
        PROPAGATION("unbindable", MS_UNBINDABLE, "private, and cannot be cloned"),

        {.name = "bind", .kind = OPTION_BIND, .summary = "a clone of the source, without the mounts below it"},
        {.name = "rbind", .kind = OPTION_BIND, .recursive = true, .summary = "the same with the mounts below it"},

        IGNORED("defaults", "without effect"),
        IGNORED("silent", "without effect"),
        IGNORED("loud", "without effect"),
        IGNORED("auto", "without effect"),
        IGNORED("noauto", "without effect"),
        IGNORED("nofail", "without effect: a mount that fails is always told"),
        IGNORED("_netdev", "without effect"),

        REFUSED("remount", "unmount it and mount it anew"),
        REFUSED("idmap", "clone the source with its id mapping yourself and send the fd"),
        REFUSED("ridmap", "clone the source with its id mapping yourself and send the fd"),
        REFUSED("tmpcopyup", "copy the files after the mount"),
        REFUSED("copy-symlink", "name what the link leads to"),
        {.name = NULL},
};

const struct option_row *option_table(void) {
        return options;
}

const struct option_row *option_find(const char *name) {
        for (const struct option_row *row = options; row->name; row++)
                if (row->name[0] == name[0] && strcmp(row->name, name) == 0) /* few begin alike */
                        return row;
        return NULL;
}
