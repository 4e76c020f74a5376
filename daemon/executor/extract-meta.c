/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an entry carries beside its content: owners, extended attributes, ACLs, times. */

#include "executor/extract-private.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"

/* An ACL as the kernel has it, linux/posix_acl_xattr.h. */
enum { ACL_VERSION = 2, ACL_ENTRIES_MAX = 1024 };
struct acl_entry {
        uint16_t tag, permissions;
        uint32_t id;
};
struct acl {
        uint32_t version;
        struct acl_entry entries[];
};
enum acl_tag {
        TAG_USER_OBJ = 0x01,
        TAG_USER = 0x02,
        TAG_GROUP_OBJ = 0x04,
        TAG_GROUP = 0x08,
        TAG_MASK = 0x10,
        TAG_OTHER = 0x20,
};

/* The id on the disk of one in the tar. */
static int map_id(struct extract *extract, const struct id_mapping *list, size_t n, la_int64_t id, const char *what, uint32_t *ret) {
        for (size_t i = 0; extract->setup.idmap && i < n; i++)
                if (id >= list[i].container_id && (uint64_t) id - list[i].container_id < list[i].size) {
                        *ret = list[i].host_id + ((uint32_t) id - list[i].container_id);
                        return 0;
                }
        if (extract->setup.idmap)
                return worker_fail(extract->worker, FAILURE_INVALID_ARGS, 0, "%s: its %s %" PRId64 " is not in the %s-map of the layer", extract->name, what,
                                   (int64_t) id, what);
        if (id < 0 || id >= UINT32_MAX)
                return worker_fail(extract->worker, FAILURE_INVALID_ARGS, 0, "%s: its %s %" PRId64 " is none", extract->name, what, (int64_t) id);
        *ret = (uint32_t) id;
        return 0;
}

static int map_uid(struct extract *extract, la_int64_t id, uint32_t *ret) {
        const struct idmap *idmap = extract->setup.idmap;

        return map_id(extract, idmap ? idmap->uids : NULL, idmap ? idmap->n_uids : 0, id, "uid", ret);
}

static int map_gid(struct extract *extract, la_int64_t id, uint32_t *ret) {
        const struct idmap *idmap = extract->setup.idmap;

        return map_id(extract, idmap ? idmap->gids : NULL, idmap ? idmap->n_gids : 0, id, "gid", ret);
}

int extract_ids(struct extract *extract, struct archive_entry *entry, uid_t *ret_uid, gid_t *ret_gid) {
        int r = map_uid(extract, archive_entry_uid(entry), ret_uid);

        return r != 0 ? r : map_gid(extract, archive_entry_gid(entry), ret_gid);
}

void extract_times(struct archive_entry *entry, struct timespec times[2]) {
        times[0] = (struct timespec) {.tv_nsec = UTIME_OMIT};
        times[1] = (struct timespec) {.tv_sec = (time_t) archive_entry_mtime(entry), .tv_nsec = archive_entry_mtime_nsec(entry)};
        if (archive_entry_atime_is_set(entry))
                times[0] = (struct timespec) {.tv_sec = (time_t) archive_entry_atime(entry), .tv_nsec = archive_entry_atime_nsec(entry)};
        if (!archive_entry_mtime_is_set(entry))
                times[1] = (struct timespec) {.tv_nsec = UTIME_OMIT};
}

/* What a stranger's tar may set. The rest is left out: attributes of overlayfs, of security modules and of root. */
bool extract_keeps(const char *name, bool file) {
        if (strncmp(name, "user.", strlen("user.")) == 0)
                return strncmp(name, "user.overlay.", strlen("user.overlay.")) != 0;
        return strcmp(name, ACL_ACCESS) == 0 || (strcmp(name, ACL_DEFAULT) == 0 && !file) || (strcmp(name, "security.capability") == 0 && file);
}

static enum acl_tag tag_of(int tag) {
        switch (tag) {
        case ARCHIVE_ENTRY_ACL_USER_OBJ:
                return TAG_USER_OBJ;
        case ARCHIVE_ENTRY_ACL_USER:
                return TAG_USER;
        case ARCHIVE_ENTRY_ACL_GROUP_OBJ:
                return TAG_GROUP_OBJ;
        case ARCHIVE_ENTRY_ACL_GROUP:
                return TAG_GROUP;
        case ARCHIVE_ENTRY_ACL_MASK:
                return TAG_MASK;
        default: /* libarchive's own are all above */
                return TAG_OTHER;
        }
}

/* The kernel wants entries by tag, then by id. */
static int compare_entries(const void *a, const void *b) {
        const struct acl_entry *x = a, *y = b;

        if (x->tag != y->tag)
                return le16toh(x->tag) < le16toh(y->tag) ? -1 : 1;
        return le32toh(x->id) < le32toh(y->id) ? -1 : le32toh(x->id) > le32toh(y->id);
}

/* What a name means on the host of the tar is not known here, and on this one it is not asked. */
static int named_alone(struct extract *extract, int tag, const char *name) {
        const char *what = tag_of(tag) == TAG_USER ? "user" : "group";

        return worker_fail(extract->worker, FAILURE_NOT_SUPPORTED, 0,
                           "%s: its ACL has the %s \"%.100s\" by name alone, and names are not looked up: make the tar with bsdtar, which writes ids, too, or without ACLs",
                           extract->name, what, name ? name : "");
}

/* libarchive counts in int and tells INT_MAX for everything above: whose it is is lost, and is not guessed. */
static int too_high(struct extract *extract, const char *name) {
        return worker_fail(extract->worker, FAILURE_NOT_SUPPORTED, 0,
                           "%s: its ACL names a user or group whose id is above %d (\"%.100s\"), which cannot be read from the text of an ACL: give the tar the attribute as the kernel has it (SCHILY.xattr), or no ACLs",
                           extract->name, INT_MAX - 1, name ? name : "");
}

static int add_acl_entry(struct extract *extract, struct acl *acl, size_t *n, int permissions, int tag, int id, const char *name) {
        struct acl_entry *slot = &acl->entries[*n];
        uint32_t mapped = UINT32_MAX;
        int r = 0;

        if (id == -1 && (tag_of(tag) == TAG_USER || tag_of(tag) == TAG_GROUP)) /* libarchive's for none */
                return named_alone(extract, tag, name);
        if (id == INT_MAX)
                return too_high(extract, name);
        if (tag_of(tag) == TAG_USER)
                r = map_uid(extract, (uint32_t) id, &mapped);
        else if (tag_of(tag) == TAG_GROUP)
                r = map_gid(extract, (uint32_t) id, &mapped);
        if (r != 0)
                return r;
        *slot = (struct acl_entry) {
                .tag = htole16((uint16_t) tag_of(tag)),
                .permissions = htole16((uint16_t) (((permissions & ARCHIVE_ENTRY_ACL_READ) ? 4 : 0) | ((permissions & ARCHIVE_ENTRY_ACL_WRITE) ? 2 : 0) |
                                                   ((permissions & ARCHIVE_ENTRY_ACL_EXECUTE) ? 1 : 0))),
                .id = htole32(mapped),
        };
        ++*n;
        return 0;
}

/* As text in the tar. *ret NULL: it has none. */
static int read_acl(struct extract *extract, struct archive_entry *entry, int type, void **ret, size_t *ret_size) {
        int n = archive_entry_acl_reset(entry, type), kind, permissions, tag, id, r = 0;
        _cleanup_free_ struct acl *acl = NULL;
        const char *name;
        size_t used = 0;

        if (n <= 0)
                return 0;
        if (n > ACL_ENTRIES_MAX)
                return extract_fail(extract, FAILURE_INVALID_ARGS, 0, "an ACL with too many entries");
        acl = malloc(sizeof(*acl) + ((size_t) n + 4) * sizeof(acl->entries[0]));
        if (!acl)
                return -ENOMEM;
        acl->version = htole32(ACL_VERSION);
        while (r == 0 && used < (size_t) n + 4 && archive_entry_acl_next(entry, type, &kind, &permissions, &tag, &id, &name) == ARCHIVE_OK)
                r = add_acl_entry(extract, acl, &used, permissions, tag, id, name);
        if (r != 0)
                return r;
        qsort(acl->entries, used, sizeof(acl->entries[0]), compare_entries);
        *ret_size = sizeof(*acl) + used * sizeof(acl->entries[0]);
        *ret = TAKE_PTR(acl);
        return 0;
}

/* One that is in the tar as the kernel has it: its ids are mapped in place. */
static int map_acl(struct extract *extract, void *value, size_t size) {
        struct acl *acl = value;
        int r = 0;

        if (size < sizeof(*acl) || (size - sizeof(*acl)) % sizeof(acl->entries[0]) != 0 || le32toh(acl->version) != ACL_VERSION)
                return extract_fail(extract, FAILURE_INVALID_ARGS, 0, "an ACL that is none");
        for (size_t i = 0; r == 0 && i < (size - sizeof(*acl)) / sizeof(acl->entries[0]); i++) {
                uint32_t id = le32toh(acl->entries[i].id);

                if (le16toh(acl->entries[i].tag) == TAG_USER)
                        r = map_uid(extract, id, &id);
                else if (le16toh(acl->entries[i].tag) == TAG_GROUP)
                        r = map_gid(extract, id, &id);
                acl->entries[i].id = htole32(id);
        }
        return r;
}

static int attribute_failed(struct extract *extract, const char *name) {
        return worker_fail(extract->worker, errno == ENOSPC || errno == EDQUOT ? FAILURE_QUOTA_EXCEEDED : FAILURE_NOT_SUPPORTED, errno,
                           "%s: setting its attribute %s", extract->name, name);
}

static int set_attribute(struct extract *extract, int fd, const char *name, const void *value, size_t size) {
        int r = extract_charge(extract, size);

        return r == 0 && fsetxattr(fd, name, value, size, 0) < 0 ? attribute_failed(extract, name) : r;
}

/* Sets it, or keeps it for later; what comes second replaces the first. */
static int place(struct extract *extract, int fd, const char *name, const void *value, size_t size, void **ret_default, size_t *ret_size) {
        _cleanup_free_ void *copy = malloc(size + 1);
        int r = 0;

        if (!copy)
                return -ENOMEM;
        memcpy(copy, value, size);
        if (strncmp(name, "system.", strlen("system.")) == 0)
                r = map_acl(extract, copy, size);
        if (r != 0)
                return r;
        if (strcmp(name, ACL_DEFAULT) != 0)
                return set_attribute(extract, fd, name, copy, size);
        r = extract_charge(extract, size);
        if (r != 0)
                return r;
        free(*ret_default);
        *ret_default = TAKE_PTR(copy);
        *ret_size = size;
        return 0;
}

int extract_attributes(struct extract *extract, struct archive_entry *entry, int fd, void **ret_default, size_t *ret_size) {
        _cleanup_free_ void *access = NULL;
        const char *name;
        const void *value;
        size_t size, access_size = 0;
        int r;

        if (archive_entry_acl_types(entry) != 0) {
                r = read_acl(extract, entry, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, &access, &access_size);
                if (r == 0 && ret_default)
                        r = read_acl(extract, entry, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, ret_default, ret_size);
                if (r == 0 && access)
                        r = set_attribute(extract, fd, ACL_ACCESS, access, access_size);
                if (r != 0)
                        return r;
        }
        if (archive_entry_xattr_reset(entry) <= 0)
                return 0;
        while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
                if (!name || !extract_keeps(name, !ret_default))
                        continue;
                r = place(extract, fd, name, value, size, ret_default, ret_size);
                if (r != 0)
                        return r;
        }
        return 0;
}

/* The last one that the tar has; *ret NULL: none. */
static int find_acl(struct extract *extract, struct archive_entry *entry, void **ret, size_t *ret_size) {
        const char *name;
        const void *value;
        size_t size;
        int r = archive_entry_acl_types(entry) == 0 ? 0 : read_acl(extract, entry, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, ret, ret_size);

        if (r != 0 || archive_entry_xattr_reset(entry) <= 0)
                return r;
        while (r == 0 && archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
                if (!name || strcmp(name, ACL_ACCESS) != 0)
                        continue;
                free(*ret);
                *ret = malloc(size + 1);
                if (!*ret)
                        return -ENOMEM;
                memcpy(*ret, value, size);
                *ret_size = size;
                r = map_acl(extract, *ret, size);
        }
        return r;
}

int extract_special_acl(struct extract *extract, struct archive_entry *entry, int directory, const char *name) {
        _cleanup_free_ void *acl = NULL;
        size_t size = 0;
        int r = find_acl(extract, entry, &acl, &size);

        if (r == 0 && acl)
                r = extract_charge(extract, size);
        if (r == 0 && acl && (fchdir(directory) < 0 || lsetxattr(name, ACL_ACCESS, acl, size, 0) < 0))
                r = attribute_failed(extract, ACL_ACCESS);
        return r;
}
