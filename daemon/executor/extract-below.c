/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Directories that a tar leads through and does not have. They are what lies below them, as far as that shows through: with its mode,
 * owner, times, ACLs and attributes, not with those of a directory that nobody asked for. Files that are copied from there (extract-copy.c) have the same
 * of theirs.
 */

#include "executor/extract-private.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "util/array.h"

#define ACL_DEFAULT "system.posix_acl_default"

enum { LIST_MAX = 64 * 1024 /* of names, and of a value: the kernel's XATTR_LIST_MAX and XATTR_SIZE_MAX */ };

int extract_hide(struct extract *extract, const char *name) {
        _cleanup_free_ char *copy = NULL;
        int r;

        /* What was seen may be hidden by this. */
        free(TAKE_PTR(extract->below_name));
        extract->below = close_fd(extract->below);
        if (extract->setup.below < 0)
                return 0;
        if (!extract->hidden)
                extract->hidden = map_new(MAP_KEY_STRING);
        copy = strdup(name);
        if (!extract->hidden || !copy)
                return -ENOMEM;
        r = map_put(extract->hidden, copy, copy);
        if (r == 0)
                copy = NULL; /* the map's */
        return r == -EEXIST ? 0 : r;
}

void extract_below_done(struct extract *extract) {
        char *name;

        if (extract->hidden)
                MAP_FOREACH(name, extract->hidden)
                        free(name);
        (void) map_free(extract->hidden);
        free(extract->below_name);
        (void) close_fd(extract->below);
}

bool extract_hides(const struct extract *extract, const char *name) {
        return extract->hidden && map_get(extract->hidden, name);
}

int extract_below_errno(struct extract *extract, int error, const char *what) {
        if (error == EPERM)
                return extract_fail(extract, FAILURE_NOT_SUPPORTED, error,
                                    "what it leads to in the layers below is there as a redirect or metacopy of overlayfs, and these are not followed");
        return extract_errno(extract, error, what);
}

/* One component on, if that is a directory and shows through. `*fd` is closed. */
static int descend(const struct extract *extract, int *fd, const char *name, const char *component) {
        int next;

        if (*fd < 0)
                return 0;
        next = extract_hides(extract, name) ? -1 : openat(*fd, component, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0 && !extract_hides(extract, name) && errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
                return -errno;
        (void) close_fd(*fd);
        *fd = next;
        return 0;
}

/* How much of the way was gone the last time, up to the end of a component. */
static size_t known_way(const struct extract *extract, const char *name) {
        size_t size = extract->below_name ? strlen(extract->below_name) : 0;

        return size > 0 && strncmp(extract->below_name, name, size) == 0 && (!name[size] || name[size] == '/') ? size : 0;
}

int extract_find_below(struct extract *extract, const char *name) {
        _cleanup_free_ char *way = strdup(name);
        size_t done = known_way(extract, name);
        _cleanup_close_ int fd = -1;

        if (!way)
                return -ENOMEM;
        if (done > 0)
                fd = TAKE_FD(extract->below);
        else if (!extract_hides(extract, "")) {
                fd = fcntl(extract->setup.below, F_DUPFD_CLOEXEC, 0);
                if (fd < 0)
                        return -errno;
        }
        for (char *at = way + done + (done > 0); done < strlen(name) && *at;) {
                char *end = strchrnul(at, '/'), saved = *end;
                int r;

                *end = '\0';
                r = descend(extract, &fd, way, at);
                *end = saved;
                if (r < 0)
                        return r;
                at = end + (saved != '\0');
        }
        free(extract->below_name);
        (void) close_fd(extract->below);
        extract->below_name = TAKE_PTR(way);
        extract->below = TAKE_FD(fd);
        return 0;
}

int extract_look_below(struct extract *extract, const char *name, int *ret_fd) {
        int r = extract_find_below(extract, name);

        if (r < 0) /* the way to there is not known */
                free(TAKE_PTR(extract->below_name));
        else
                *ret_fd = extract->below;
        return r;
}

/* Of the owner: an id that a mapping has no place for shows as nobody's. */
static bool is_mapped(const struct id_mapping *list, size_t n, uint32_t id) {
        uint32_t nobody = 65534;

        for (size_t i = 0; i < n && id == nobody; i++)
                if (id >= list[i].host_id && id - list[i].host_id < list[i].size)
                        return true;
        return id != nobody;
}

int extract_not_mapped(struct extract *extract, const char *what, const char *name) {
        return worker_fail(extract->worker, FAILURE_INVALID_ARGS, 0,
                           "%s: the owner of the %s %s, which the layer has below it, is not in the uid-map or gid-map of the layer", extract->name, what, name);
}

bool extract_is_mapped(const struct extract *extract, const struct stat *is) {
        const struct idmap *idmap = extract->setup.idmap;

        return !idmap || (is_mapped(idmap->uids, idmap->n_uids, is->st_uid) && is_mapped(idmap->gids, idmap->n_gids, is->st_gid));
}

static int copy_owner(struct extract *extract, int fd, const struct stat *from, const char *name) {
        if (!extract_is_mapped(extract, from))
                return extract_not_mapped(extract, "directory", name);
        if (fchown(fd, from->st_uid, from->st_gid) < 0 || fchmod(fd, from->st_mode & 07777) < 0)
                return extract_errno(extract, errno, "setting owner and mode of a directory on the way");
        return 0;
}

/* Whether the ACL names users or groups. */
static bool names_somebody(const char *key, const void *value, size_t size) {
        struct posix_acl_xattr_entry entry;
        bool names = false;

        if (strncmp(key, "system.posix_acl_", strlen("system.posix_acl_")) != 0)
                return false;
        for (size_t at = sizeof(struct posix_acl_xattr_header); at + sizeof(entry) <= size; at += sizeof(entry)) {
                memcpy(&entry, (const char *) value + at, sizeof(entry));
                names = names || le16toh(entry.e_tag) == ACL_USER || le16toh(entry.e_tag) == ACL_GROUP;
        }
        return names;
}

int extract_check_acl(struct extract *extract, const char *key, const void *value, size_t size) {
        if (!extract->setup.acls_unmapped || !names_somebody(key, value, size))
                return 0;
        return extract_fail(extract, FAILURE_NOT_SUPPORTED, 0,
                            "what the layers below have for it, or for a directory on the way, has an ACL whose ids this kernel does not map (Linux 6.2 does); have the tar name that itself");
}

/* One attribute, of which the default ACL is kept for the end, as for other directories. */
static int copy_attribute(struct extract *extract, int from, int to, const char *key, struct extract_directory *slot) {
        _cleanup_free_ void *value = NULL;
        ssize_t size;
        int r;

        if (!extract_keeps(key, !slot))
                return 0;
        value = malloc(LIST_MAX);
        if (!value)
                return -ENOMEM;
        size = fgetxattr(from, key, value, LIST_MAX);
        if (size < 0)
                return errno == ENODATA || errno == EOPNOTSUPP ? 0 : extract_errno(extract, errno, "reading an attribute of what lies below");
        r = extract_check_acl(extract, key, value, (size_t) size);
        if (r == 0)
                r = extract_charge(extract, (uint64_t) size);
        if (r != 0)
                return r;
        if (slot && strcmp(key, ACL_DEFAULT) == 0) {
                slot->acl = TAKE_PTR(value);
                slot->acl_size = (size_t) size;
                return 0;
        }
        if (fsetxattr(to, key, value, (size_t) size, 0) == 0)
                return 0;
        if (errno == EINVAL && extract->setup.idmap && strncmp(key, "system.", strlen("system.")) == 0)
                return extract_fail(extract, FAILURE_INVALID_ARGS, 0,
                                    "the ACL of what the layers below have for it, or for a directory on the way, has an id that is not in the uid-map or gid-map of the layer");
        return extract_errno(extract, errno, "setting an attribute of what lies below");
}

int extract_copy_attributes(struct extract *extract, int from, int to, struct extract_directory *slot) {
        _cleanup_free_ char *list = malloc(LIST_MAX);
        ssize_t size;
        int r = 0;

        if (!list)
                return -ENOMEM;
        size = flistxattr(from, list, LIST_MAX);
        if (size < 0)
                return errno == EOPNOTSUPP ? 0 : extract_errno(extract, errno, "reading the attributes of what lies below");
        for (const char *key = list; r == 0 && key < list + size; key += strlen(key) + 1)
                r = copy_attribute(extract, from, to, key, slot);
        return r;
}

/* The directory `to`, of this name, becomes what the one below is; its times at the end. */
static int dress_as(struct extract *extract, int from, int to, const char *name) {
        struct extract_directory *slot;
        struct stat st;
        int r;

        if (fstat(from, &st) < 0)
                return extract_errno(extract, errno, "looking at the directory below one on the way");
        slot = array_append(&extract->directories, &extract->n_directories);
        if (!slot)
                return -ENOMEM;
        slot->name = strdup(name);
        if (!slot->name)
                return -ENOMEM;
        slot->times[0] = st.st_atim;
        slot->times[1] = st.st_mtim;
        extract->led = true;
        r = copy_owner(extract, to, &st, name);
        return r != 0 ? r : extract_copy_attributes(extract, from, to, slot);
}

static int dress_new(struct extract *extract, int directory, const char *base, const char *name) {
        _cleanup_close_ int fd = openat(directory, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        return fd < 0 ? extract_errno(extract, errno, "opening a directory on the way") : dress_as(extract, extract->below, fd, name);
}

static int give_to_root(struct extract *extract, int directory, const char *base) {
        struct archive_entry *root;
        uid_t uid;
        gid_t gid;
        int r;

        if (!extract->setup.idmap)
                return 0;
        root = archive_entry_new();
        if (!root)
                return -ENOMEM;
        r = extract_ids(extract, root, &uid, &gid);
        archive_entry_free(root);
        if (r == 0 && fchownat(directory, base, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
                return extract_errno(extract, errno, "giving a directory on the way to root");
        return r;
}

int extract_lead(struct extract *extract, int directory, const char *base, const char *name) {
        int r = extract_count(extract);

        if (r == 0 && extract->setup.below >= 0) {
                r = extract_find_below(extract, name);
                if (r == -EACCES && extract->setup.idmap) /* nobody has the powers of such an owner */
                        return extract_not_mapped(extract, "directory", name);
                if (r < 0)
                        return r == -ENOMEM ? r : extract_below_errno(extract, -r, "looking for what lies below a directory on the way");
        }
        if (r != 0)
                return r;
        if (mkdirat(directory, base, extract->below >= 0 ? 0700 : 0755) < 0)
                return extract_errno(extract, errno, "making a directory on the way");
        return extract->below >= 0 ? dress_new(extract, directory, base, name) : give_to_root(extract, directory, base);
}

int extract_lead_root(struct extract *extract) {
        _cleanup_close_ int from = -1, to = -1;

        if (extract->has_root || extract->setup.below < 0 || !extract->setup.root_below)
                return 0;
        from = openat(extract->setup.below, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        to = openat(extract->setup.root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return from < 0 || to < 0 ? extract_errno(extract, errno, "opening the root directory") : dress_as(extract, from, to, "");
}

int extract_strip(struct extract *extract, int fd) {
        _cleanup_free_ char *list = NULL;
        ssize_t size;

        if (!extract->led)
                return 0;
        list = malloc(LIST_MAX);
        if (!list)
                return -ENOMEM;
        size = flistxattr(fd, list, LIST_MAX);
        for (const char *key = list; key < list + size; key += strlen(key) + 1)
                if (extract_keeps(key, false) && fremovexattr(fd, key) < 0 && errno != ENODATA)
                        return extract_errno(extract, errno, "removing an attribute");
        return 0;
}
