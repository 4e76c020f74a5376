/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ids as a container sees them. */

#include "content/node-ids.h"

#include <endian.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <string.h>

bool ids_inverse(const struct id_mapping *list, size_t n, uint32_t host, uint32_t *ret) {
        for (size_t i = 0; i < n; i++)
                if (host >= list[i].host_id && host - list[i].host_id < list[i].size) {
                        *ret = list[i].container_id + (host - list[i].host_id);
                        return true;
                }
        return false;
}

int ids_in_acl(const struct idmap *idmap, void *value, size_t size, uint32_t *ret_foreign) {
        struct posix_acl_xattr_header header;

        if (size < sizeof(header) || (size - sizeof(header)) % sizeof(struct posix_acl_xattr_entry) != 0)
                return 0;
        memcpy(&header, value, sizeof(header));
        if (le32toh(header.a_version) != POSIX_ACL_XATTR_VERSION)
                return 0;
        for (size_t at = sizeof(header); at < size; at += sizeof(struct posix_acl_xattr_entry)) {
                struct posix_acl_xattr_entry entry;
                uint32_t id, seen;
                bool user, found;

                memcpy(&entry, (char *) value + at, sizeof(entry));
                user = le16toh(entry.e_tag) == ACL_USER;
                if (!user && le16toh(entry.e_tag) != ACL_GROUP)
                        continue;
                id = le32toh(entry.e_id);
                found = user ? ids_inverse(idmap->uids, idmap->n_uids, id, &seen) : ids_inverse(idmap->gids, idmap->n_gids, id, &seen);
                if (!found) {
                        *ret_foreign = id;
                        return -ERANGE;
                }
                entry.e_id = htole32(seen);
                memcpy((char *) value + at, &entry, sizeof(entry));
        }
        return 0;
}

int ids_in_capability(const struct idmap *idmap, void *value, size_t *size, uint32_t *ret_foreign) {
        struct vfs_ns_cap_data data;
        uint32_t seen, magic;

        if (*size != XATTR_CAPS_SZ_3)
                return 0;
        memcpy(&data, value, sizeof(data));
        magic = le32toh(data.magic_etc);
        if ((magic & VFS_CAP_REVISION_MASK) != VFS_CAP_REVISION_3)
                return 0;
        if (!ids_inverse(idmap->uids, idmap->n_uids, le32toh(data.rootid), &seen)) {
                *ret_foreign = le32toh(data.rootid);
                return -ERANGE;
        }
        data.rootid = htole32(seen);
        if (seen == 0) {
                data.magic_etc = htole32((magic & ~(uint32_t) VFS_CAP_REVISION_MASK) | VFS_CAP_REVISION_2);
                *size = XATTR_CAPS_SZ_2;
        }
        memcpy(value, &data, *size);
        return 0;
}
