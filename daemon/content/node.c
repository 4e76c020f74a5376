/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Entries of a tree. /proc is not there for who reads layers, and symlinks, FIFOs and devices are not to be opened. Small things are
 * read at once, into as much room as most of them need. */

#include "content/node.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/xattr.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "content/node-ids.h"
#include "kernel/attributes.h"
#include "util/array.h"

#define OVERLAY "trusted.overlay."

enum {
        FEW_ATTRIBUTES = 512, /* bytes of their names… */
        FEW_BYTES = 256,      /* …and of one's value */
};

/* By its name in a directory. */
struct entry {
        int directory;
        const char *name;
};

static void attribute_done(struct attribute *attribute) {
        free(attribute->name);
        free(attribute->value);
}

void node_done(struct node *node) {
        free(node->target);
        free(node->redirect);
        for (size_t i = 0; i < node->n_attributes; i++)
                attribute_done(&node->attributes[i]);
        free(node->attributes);
        *node = NODE_INIT;
}

int node_look(int directory, const char *name, struct stat *ret) {
        return fstatat(directory, name, ret, AT_SYMLINK_NOFOLLOW | (*name ? 0 : AT_EMPTY_PATH)) < 0 ? -errno : 0;
}

int node_is_moved(int directory, bool *ret) {
        ssize_t size = fgetxattr(directory, OVERLAY "redirect", NULL, 0);

        if (size < 0 && errno != ENODATA && errno != EOPNOTSUPP)
                return -errno;
        *ret = size > 0;
        return 0;
}

bool node_is_whiteout(const struct stat *status) {
        return S_ISCHR(status->st_mode) && status->st_rdev == makedev(0, 0);
}

static int read_target(int directory, const char *name, struct node *node) {
        size_t size = node->status.st_size > 0 ? (size_t) node->status.st_size + 1 : 4096;

        for (;; size *= 2) {
                ssize_t n;

                free(node->target);
                node->target = malloc(size);
                if (!node->target)
                        return -ENOMEM;
                n = readlinkat(directory, name, node->target, size);
                if (n < 0)
                        return -errno;
                if ((size_t) n < size) {
                        node->target[n] = '\0';
                        return 0;
                }
        }
}

/* Whether an attribute is a part of what a layer has, and not of this host's. Capabilities are of files: the kernel takes them for others, and
 * never looks at them. */
static bool is_content(const char *name, bool trusted, bool file) {
        if (strncmp(name, XATTR_USER_PREFIX, XATTR_USER_PREFIX_LEN) == 0)
                return strncmp(name, "user.overlay.", strlen("user.overlay.")) != 0;
        if (strncmp(name, XATTR_TRUSTED_PREFIX, XATTR_TRUSTED_PREFIX_LEN) == 0)
                return trusted;
        return (strcmp(name, XATTR_NAME_CAPS) == 0 && file) || strcmp(name, XATTR_NAME_POSIX_ACL_ACCESS) == 0 ||
               strcmp(name, XATTR_NAME_POSIX_ACL_DEFAULT) == 0;
}

/* The value, with a zero behind it, or NULL where it has gone since. */
static int read_value(const struct entry *entry, const char *name, char **ret, size_t *ret_size) {
        for (size_t room = FEW_BYTES;;) {
                _cleanup_free_ char *value = malloc(room + 1);
                ssize_t size = value ? attributes_get(entry->directory, entry->name, name, value, room) : -ENOMEM;

                if (size == -ERANGE && room == FEW_BYTES) {
                        room = XATTR_SIZE_MAX;
                        continue;
                }
                if (size < 0)
                        return size == -ENODATA ? 0 : (int) size;
                value[size] = '\0';
                *ret = TAKE_PTR(value);
                *ret_size = (size_t) size;
                return 0;
        }
}

/* What overlayfs noted for itself. */
static int read_note(const struct entry *entry, const char *name, struct node *node) {
        _cleanup_free_ char *value = NULL;
        const char *note = name + strlen(OVERLAY);
        size_t size = 0;
        int r = 0;

        if (strcmp(note, "metacopy") == 0)
                node->metacopy = S_ISREG(node->status.st_mode);
        else if (strcmp(note, "opaque") == 0 && S_ISDIR(node->status.st_mode)) {
                r = read_value(entry, name, &value, &size);
                node->opaque = r == 0 && value && strcmp(value, "y") == 0;
        } else if (strcmp(note, "redirect") == 0) {
                r = read_value(entry, name, &value, &size);
                if (r == 0 && value && *value && strlen(value) == size)
                        node->redirect = TAKE_PTR(value);
        }
        return r;
}

static int read_attribute(const struct entry *entry, const char *name, bool trusted, struct node *node) {
        struct attribute *attribute;
        char *value = NULL;
        size_t size = 0;
        int r;

        if (strncmp(name, OVERLAY, strlen(OVERLAY)) == 0)
                return read_note(entry, name, node);
        if (!is_content(name, trusted, S_ISREG(node->status.st_mode)))
                return 0;
        r = read_value(entry, name, &value, &size);
        if (r < 0 || !value)
                return r;
        attribute = array_append(&node->attributes, &node->n_attributes);
        if (!attribute) {
                free(value);
                return -ENOMEM;
        }
        *attribute = (struct attribute) {.name = strdup(name), .value = value, .size = size};
        return attribute->name ? 0 : -ENOMEM;
}

static int compare_attributes(const void *a, const void *b) {
        return strcmp(((const struct attribute *) a)->name, ((const struct attribute *) b)->name);
}

static int take_attributes(const struct entry *entry, const char *names, ssize_t size, bool trusted, struct node *node) {
        int r = 0;

        for (const char *name = names; name < names + size && r == 0; name += strlen(name) + 1)
                r = read_attribute(entry, name, trusted, node);
        if (node->n_attributes > 1)
                qsort(node->attributes, node->n_attributes, sizeof(*node->attributes), compare_attributes);
        return r;
}

static int read_many_attributes(const struct entry *entry, bool trusted, struct node *node) {
        _cleanup_free_ char *names = malloc(XATTR_LIST_MAX);
        ssize_t size = names ? attributes_list(entry->directory, entry->name, names, XATTR_LIST_MAX) : -ENOMEM;

        return size < 0 ? (int) size : take_attributes(entry, names, size, trusted, node);
}

/* The kernel gets itself as much room as it is offered: little for what most entries have. */
static int read_attributes(const struct entry *entry, bool trusted, struct node *node) {
        char names[FEW_ATTRIBUTES];
        ssize_t size = attributes_list(entry->directory, entry->name, names, sizeof(names));

        if (size >= 0)
                return take_attributes(entry, names, size, trusted, node);
        if (size == -ERANGE)
                return read_many_attributes(entry, trusted, node);
        return size == -EOPNOTSUPP ? 0 : (int) size;
}

int node_read(int directory, const char *name, bool trusted, struct node *ret) {
        const struct entry entry = {.directory = directory, .name = *name ? name : "."};
        _cleanup_node_ struct node node = NODE_INIT;
        int r = node_look(directory, entry.name, &node.status);

        if (r == 0 && node_is_whiteout(&node.status)) {
                *ret = TAKE_NODE(node);
                return 0;
        }
        if (r == 0 && S_ISLNK(node.status.st_mode))
                r = read_target(directory, name, &node);
        if (r == 0)
                r = read_attributes(&entry, trusted, &node);
        if (r == 0)
                *ret = TAKE_NODE(node);
        return r;
}

int node_map(struct node *node, const struct idmap *idmap, uint32_t *ret_foreign) {
        uint32_t uid = node->status.st_uid, gid = node->status.st_gid;

        if (!ids_inverse(idmap->uids, idmap->n_uids, uid, &node->status.st_uid)) {
                *ret_foreign = uid;
                return -ERANGE;
        }
        if (!ids_inverse(idmap->gids, idmap->n_gids, gid, &node->status.st_gid)) {
                *ret_foreign = gid;
                return -ERANGE;
        }
        for (size_t i = 0; i < node->n_attributes; i++) {
                struct attribute *attribute = &node->attributes[i];
                int r = 0;

                if (strncmp(attribute->name, "system.posix_acl_", strlen("system.posix_acl_")) == 0)
                        r = ids_in_acl(idmap, attribute->value, attribute->size, ret_foreign);
                else if (strcmp(attribute->name, XATTR_NAME_CAPS) == 0)
                        r = ids_in_capability(idmap, attribute->value, &attribute->size, ret_foreign);
                if (r < 0)
                        return r;
        }
        return 0;
}

static bool same_attributes(const struct node *a, const struct node *b) {
        if (a->n_attributes != b->n_attributes)
                return false;
        for (size_t i = 0; i < a->n_attributes; i++) {
                const struct attribute *x = &a->attributes[i], *y = &b->attributes[i];

                if (strcmp(x->name, y->name) != 0 || x->size != y->size || memcmp(x->value, y->value, x->size) != 0)
                        return false;
        }
        return true;
}

uint32_t node_compare(const struct node *a, const struct node *b) {
        const struct stat *x = &a->status, *y = &b->status;
        uint32_t differences = 0;

        if ((x->st_mode & S_IFMT) != (y->st_mode & S_IFMT))
                return NODE_TYPE;
        if (x->st_mode != y->st_mode)
                differences |= NODE_MODE;
        if (x->st_uid != y->st_uid || x->st_gid != y->st_gid)
                differences |= NODE_OWNER;
        if (S_ISREG(x->st_mode) && x->st_size != y->st_size)
                differences |= NODE_SIZE;
        if (x->st_mtim.tv_sec != y->st_mtim.tv_sec || x->st_mtim.tv_nsec != y->st_mtim.tv_nsec)
                differences |= NODE_TIME;
        if (S_ISLNK(x->st_mode) && strcmp(a->target, b->target) != 0)
                differences |= NODE_TARGET;
        if ((S_ISCHR(x->st_mode) || S_ISBLK(x->st_mode)) && x->st_rdev != y->st_rdev)
                differences |= NODE_DEVICE;
        if (!same_attributes(a, b))
                differences |= NODE_ATTRIBUTES;
        return differences;
}

char *node_words(uint32_t differences) {
        static const char *const words[_NODE_DIFFERENCES] = {
                "type", "mode", "owner", "size", "time", "target", "device", "xattrs", "content", "links",
        };
        _cleanup_strv_ char **found = NULL;

        for (size_t i = 0; i < _NODE_DIFFERENCES; i++)
                if (differences & (1u << i) && strv_append(&found, words[i]) < 0)
                        return NULL;
        return strv_join(found, ",");
}
