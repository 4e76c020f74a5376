/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The rows. Plain: all names of "Linux mount options" in the OCI runtime specification (config.md), and those that runc
 * and crun take beyond it. The rows of the access-time group clear what their word takes back; whoever folds them
 * widens that to the whole group, as mount_setattr(2) demands.
 *
 * Data: for each file-system type the options that reach fsconfig(2). What could reach beyond the mount itself is not
 * here (cgroup's release_agent, overlay's verity, ext4's journal_path, errors=panic…), and what is safe only in root's
 * hands is marked: overlay trusts the xattrs of its upper layer with redirects and metacopy
 * (Documentation/filesystems/overlayfs.rst), and whoever owns that layer chooses them.
 */

#include <sys/mount.h>

#include "spec/option.h"

#define ATTRIBUTE(n, s, c, text)                                                                                       \
        {.name = n, .kind = OPTION_ATTRIBUTE, .set = (s), .clear = (c), .summary = text},                              \
        {                                                                                                              \
                .name = "r" n, .kind = OPTION_ATTRIBUTE, .recursive = true, .set = (s), .clear = (c),                  \
                .summary = text "; also on the mounts below",                                                          \
        }
#define SUPERBLOCK(n, on, flag, not, text)                                                                             \
        {.name = n, .kind = OPTION_SUPERBLOCK, .set = (on), .superblock = flag, .contrary = not, .summary = text}
#define PROPAGATION(n, bit, text)                                                                                      \
        {.name = n, .kind = OPTION_PROPAGATION, .propagation = (bit), .summary = text},                                \
        {                                                                                                              \
                .name = "r" n, .kind = OPTION_PROPAGATION, .recursive = true, .propagation = (bit),                    \
                .summary = text "; also the mounts below",                                                             \
        }
#define WAY(n, w, text) {.name = n, .kind = OPTION_WAY, .way = (w), .summary = text}
#define LABEL(n, text) {.name = n, .kind = OPTION_LABEL, .value = VALUE_LABEL, .root_words = "*", .summary = text}
#define IGNORED(n, text) {.name = n, .kind = OPTION_IGNORED, .summary = text}

#define DATA(t, n, ...) {.type = t, .name = n, .kind = OPTION_DATA, __VA_ARGS__}
#define FLAG(t, n, text) DATA(t, n, .summary = text)
#define VALUE(t, n, k, text) DATA(t, n, .value = k, .summary = text)
#define WORD(t, n, w, text) DATA(t, n, .value = VALUE_WORD, .words = w, .summary = text)
#define CONTROLLER(n) FLAG("cgroup", n, "this controller")

static const struct option_row rows[] = {
        ATTRIBUTE("ro", MOUNT_ATTR_RDONLY, 0, "read-only"),
        ATTRIBUTE("rw", 0, MOUNT_ATTR_RDONLY, "writable"),
        ATTRIBUTE("nosuid", MOUNT_ATTR_NOSUID, 0, "set-user-ID bits and file capabilities have no effect"),
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

        SUPERBLOCK("sync", 1, "sync", "async", "writes are synchronous; like the following a flag of the file system, "
                                               "which a bind does not apply and tells so"),
        SUPERBLOCK("async", 0, "sync", "async", "they are not"),
        SUPERBLOCK("dirsync", 1, "dirsync", NULL, "changes of directories are synchronous"),
        SUPERBLOCK("lazytime", 1, "lazytime", "nolazytime", "times are kept in memory for a while"),
        SUPERBLOCK("nolazytime", 0, "lazytime", "nolazytime", "they are not"),
        SUPERBLOCK("mand", 1, "mand", "nomand", "mandatory locks: without effect since Linux 5.15"),
        SUPERBLOCK("nomand", 0, "mand", "nomand", "no mandatory locks"),
        SUPERBLOCK("iversion", 1, "iversion", NULL, "without effect, and told so: no type that podmount mounts has it"),
        SUPERBLOCK("noiversion", 0, "iversion", NULL, "the default"),
        SUPERBLOCK("rsync", 1, "sync", "async", "the same as sync"),
        SUPERBLOCK("rasync", 0, "sync", "async", "the same as async"),
        SUPERBLOCK("rdirsync", 1, "dirsync", NULL, "the same as dirsync"),
        SUPERBLOCK("rmand", 1, "mand", "nomand", "the same as mand"),
        SUPERBLOCK("rnomand", 0, "mand", "nomand", "the same as nomand"),

        PROPAGATION("shared", MS_SHARED, "shared, in a peer group of the pod's own"),
        PROPAGATION("slave", MS_SLAVE, "receives the source's mounts and unmounts, sends none"),
        PROPAGATION("private", MS_PRIVATE, "neither sends nor receives"),
        PROPAGATION("unbindable", MS_UNBINDABLE, "private, and cannot be cloned"),

        {.name = "bind", .kind = OPTION_BIND, .summary = "a clone of the source, without the mounts below it"},
        {.name = "rbind", .kind = OPTION_BIND, .recursive = true, .summary = "the same with the mounts below it"},
        {.name = "remount", .kind = OPTION_REMOUNT, .summary = "changes the mount that is at the destination"},

        {.name = "idmap", .kind = OPTION_IDMAP, .value = VALUE_MAPS,
                .summary = "the owners of a bind's files are mapped: by uidMappings and gidMappings, or as given here"},
        {.name = "ridmap", .kind = OPTION_IDMAP, .value = VALUE_MAPS, .recursive = true,
                .summary = "the same, also on the mounts below"},
        WAY("tmpcopyup", OPTION_WAY_COPY_UP, "a tmpfs begins with a copy of the directory that it covers"),
        WAY("copy-symlink", OPTION_WAY_SOURCE_NOFOLLOW, "a source that is a symlink is shown as that symlink"),
        WAY("src-nofollow", OPTION_WAY_SOURCE_NOFOLLOW, "the same"),
        WAY("dest-nofollow", OPTION_WAY_TARGET_NOFOLLOW, "a destination that is a symlink is mounted on itself"),

        LABEL("context", "the SELinux label of every file of the file system (root only)"),
        LABEL("fscontext", "the SELinux label of the file system (root only)"),
        LABEL("defcontext", "the SELinux label of files without one (root only)"),
        LABEL("rootcontext", "the SELinux label of the root directory (root only)"),

        IGNORED("defaults", "without effect"),
        IGNORED("silent", "without effect"),
        IGNORED("loud", "without effect"),
        IGNORED("auto", "without effect"),
        IGNORED("noauto", "without effect"),
        IGNORED("nofail", "without effect: a mount that fails is always told"),
        IGNORED("_netdev", "without effect"),

        DATA("tmpfs", "size", .value = VALUE_SIZE, .group = "size", .changes = true,
                .summary = "most bytes; 0 for no limit (root only)"),
        DATA("tmpfs", "nr_blocks", .value = VALUE_COUNT, .group = "size", .changes = true,
                .summary = "the same in pages"),
        DATA("tmpfs", "nr_inodes", .value = VALUE_COUNT, .changes = true,
                .summary = "most inodes; 0 for no limit (root only)"),
        VALUE("tmpfs", "mode", VALUE_MODE, "mode of the root directory; 1777 unless given"),
        VALUE("tmpfs", "uid", VALUE_NUMBER, "owner of the root directory"),
        VALUE("tmpfs", "gid", VALUE_NUMBER, "group of the root directory"),
        DATA("tmpfs", "huge", .value = VALUE_WORD, .words = "never|always|within_size|advise", .changes = true,
                .summary = "huge pages"),
        DATA("tmpfs", "inode32", .group = "inode numbers", .summary = "inode numbers of 32 bits"),
        DATA("tmpfs", "inode64", .group = "inode numbers", .summary = "inode numbers of 64 bits"),
        DATA("tmpfs", "noswap", .root_words = "*", .summary = "its pages are never swapped out (root only)"),

        FLAG("devpts", "newinstance", "always set: no mount shares the host's terminals"),
        DATA("devpts", "ptmxmode", .value = VALUE_MODE, .changes = true, .summary = "mode of its ptmx"),
        DATA("devpts", "mode", .value = VALUE_MODE, .changes = true, .summary = "mode of new terminals"),
        DATA("devpts", "uid", .value = VALUE_NUMBER, .changes = true, .summary = "owner of new terminals"),
        DATA("devpts", "gid", .value = VALUE_NUMBER, .changes = true, .summary = "group of new terminals"),
        DATA("devpts", "max", .value = VALUE_NUMBER, .max = 1048576, .changes = true, .summary = "most terminals"),

        DATA("proc", "hidepid", .value = VALUE_WORD, .words = "0|1|2|4|off|noaccess|invisible|ptraceable",
                .changes = true, .summary = "who sees others' processes; see proc(5)"),
        DATA("proc", "gid", .value = VALUE_NUMBER, .changes = true, .summary = "the group that sees all processes"),
        WORD("proc", "subset", "pid", "show processes alone"),

        FLAG("cgroup2", "nsdelegate", "cgroup namespaces are delegation boundaries"),
        DATA("cgroup2", "favordynmods", .group = "dynmods",
                .summary = "moves between groups are cheaper, forks and exits dearer"),
        DATA("cgroup2", "nofavordynmods", .group = "dynmods", .summary = "the contrary"),
        FLAG("cgroup2", "memory_localevents", "memory.events counts the group alone"),
        FLAG("cgroup2", "memory_recursiveprot", "memory protection reaches down"),
        FLAG("cgroup2", "memory_hugetlb_accounting", "huge pages count as memory"),
        FLAG("cgroup2", "pids_localevents", "pids.events counts the group alone"),

        FLAG("cgroup", "all", "all controllers that no other hierarchy has"),
        FLAG("cgroup", "none", "no controller; needs name="),
        VALUE("cgroup", "name", VALUE_TEXT, "a named hierarchy"),
        CONTROLLER("cpuset"),
        CONTROLLER("cpu"),
        CONTROLLER("cpuacct"),
        CONTROLLER("blkio"),
        CONTROLLER("memory"),
        CONTROLLER("devices"),
        CONTROLLER("freezer"),
        CONTROLLER("net_cls"),
        CONTROLLER("perf_event"),
        CONTROLLER("net_prio"),
        CONTROLLER("hugetlb"),
        CONTROLLER("pids"),
        CONTROLLER("rdma"),
        CONTROLLER("misc"),
        FLAG("cgroup", "xattr", "extended attributes"),

        VALUE("overlay", "lowerdir", VALUE_PATHS,
                "lower layers, topmost first; a colon or backslash in a path has a backslash before it"),
        VALUE("overlay", "lowerdir+", VALUE_PATH, "one more lower layer, below those before it"),
        VALUE("overlay", "upperdir", VALUE_PATH, "the writable layer; without one the overlay is read-only"),
        VALUE("overlay", "workdir", VALUE_PATH, "an empty directory on the file system of upperdir"),
        DATA("overlay", "redirect_dir", .value = VALUE_WORD, .words = "on|off|follow|nofollow",
                .root_words = "on|follow",
                .summary = "renaming of directories; on and follow are for root only, since they trust what the owner "
                           "of a layer wrote in it, and so are the following where it is said"),
        DATA("overlay", "index", .value = VALUE_WORD, .words = "on|off", .root_words = "on",
                .summary = "the index of hard links; on is for root only"),
        DATA("overlay", "metacopy", .value = VALUE_WORD, .words = "on|off", .root_words = "on",
                .summary = "copy up of metadata alone; on is for root only"),
        DATA("overlay", "nfs_export", .value = VALUE_WORD, .words = "on|off", .root_words = "on",
                .summary = "file handles for NFS; on is for root only"),
        WORD("overlay", "xino", "on|off|auto", "unique inode numbers"),
        WORD("overlay", "uuid", "on|off|null|auto", "the file system's UUID"),
        FLAG("overlay", "volatile", "no sync to the upper layer; no other overlay takes its work directory afterwards"),
        DATA("overlay", "userxattr", .root_words = "*",
                .summary = "the xattrs user.overlay. instead of trusted.overlay. (root only)"),

        WORD("9p", "trans", "fd", "the transport: fds that came with the call"),
        VALUE("9p", "rfdno", VALUE_FD, "the fd to read from"),
        VALUE("9p", "wfdno", VALUE_FD, "the fd to write to"),
        WORD("9p", "version", "9p2000|9p2000.u|9p2000.L", "the protocol"),
        DATA("9p", "msize", .value = VALUE_NUMBER, .min = 4096, .max = 1073741824, .summary = "most bytes of a message"),
        WORD("9p", "cache", "none|readahead|mmap|loose|fscache", "what is kept in memory"),
        DATA("9p", "access", .value = VALUE_WORD, .words = "user|any|client",
                .summary = "who may use it: each user as itself, anyone as the one who mounted it, or as the ACLs say"),
        VALUE("9p", "uname", VALUE_TEXT, "the user that attaches"),
        VALUE("9p", "aname", VALUE_TEXT, "the tree that is attached"),
        VALUE("9p", "dfltuid", VALUE_NUMBER, "the owner where the server tells none"),
        VALUE("9p", "dfltgid", VALUE_NUMBER, "the group where the server tells none"),
        FLAG("9p", "nodevmap", "device nodes are shown as plain files"),
        FLAG("9p", "noxattr", "no extended attributes"),
        FLAG("9p", "posixacl", "POSIX ACLs are the client's to enforce"),
        DATA("9p", "privateunixsocket", .unheard = true, .value = VALUE_WORD, .words = "true|false",
                .summary = "an option of gVisor: without effect on Linux, and told so"),

        VALUE("fuse", "fd", VALUE_FD, "the fd of /dev/fuse that the server answers on"),
        DATA("fuse", "rootmode", .value = VALUE_MODE, .max = 0177777,
                .summary = "type and mode of the root: 40000 for a directory, 100000 for a file"),
        VALUE("fuse", "user_id", VALUE_NUMBER, "the user who mounts it"),
        VALUE("fuse", "group_id", VALUE_NUMBER, "the group who mounts it"),
        DATA("fuse", "allow_other", .root_words = "*",
                .summary = "others than user_id may use it, and so wait for its server (root only)"),
        FLAG("fuse", "default_permissions", "the kernel checks modes"),
        DATA("fuse", "max_read", .value = VALUE_NUMBER, .min = 4096, .max = 1073741824,
                .summary = "most bytes of a read"),
        VALUE("fuse", "subtype", VALUE_TEXT, "the server's name, for people: fuse.NAME"),

        FLAG("erofs", "user_xattr", "extended attributes of users"),
        FLAG("erofs", "nouser_xattr", "none"),
        FLAG("erofs", "acl", "POSIX ACLs"),
        FLAG("erofs", "noacl", "none"),
        WORD("erofs", "cache_strategy", "disabled|readahead|readaround", "what is kept of compressed data"),

        WORD("squashfs", "errors", "continue", "reading goes on behind a damaged place"),
        WORD("squashfs", "threads", "single|multi|percpu", "how many decompress"),

        WORD("ext4", "errors", "continue|remount-ro", "what a damaged place does to the rest"),
        DATA("ext4", "noload", .summary = "the journal is not replayed"),
        DATA("ext4", "norecovery", .summary = "the same"),
        WORD("ext4", "data", "journal|ordered|writeback", "what goes through the journal"),
        DATA("ext4", "commit", .value = VALUE_NUMBER, .min = 1, .max = 300, .summary = "seconds between commits"),
        DATA("ext4", "barrier", .group = "barrier", .summary = "barriers order the writes"),
        DATA("ext4", "nobarrier", .group = "barrier", .summary = "nothing does"),
        DATA("ext4", "discard", .group = "discard", .summary = "freed blocks are told to the device"),
        DATA("ext4", "nodiscard", .group = "discard", .summary = "they are not"),
        FLAG("ext4", "user_xattr", "extended attributes of users"),
        DATA("ext4", "acl", .group = "acl", .summary = "POSIX ACLs"),
        DATA("ext4", "noacl", .group = "acl", .summary = "none"),
        DATA("ext4", "delalloc", .group = "delalloc", .summary = "blocks are allocated when they are written back"),
        DATA("ext4", "nodelalloc", .group = "delalloc", .summary = "…when they are written"),
        {.name = NULL},
};

const struct option_row *option_table(void) {
        return rows;
}
