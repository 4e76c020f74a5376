/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The ids of a layer that is written to under a mapping: on the disk it has the host's, in a tar those that its container sees. Both
 * ways; also where ids are in extended attributes. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spec/idmap.h"

/* The id in the container of one on the host; false: it has none. */
bool ids_inverse(const struct id_mapping *list, size_t n, uint32_t host, uint32_t *ret);

/* A POSIX ACL as the kernel hands it out (acl(5); linux/posix_acl_xattr.h), changed in place. -ERANGE with the first id that has none; what is
 * no ACL is left alone. */
int ids_in_acl(const struct idmap *idmap, void *value, size_t size, uint32_t *ret_foreign);
/* security.capability: capabilities that count for the root of a user namespace count in a tar for its container's root, so
 * that nobody is named in them (capabilities(7), "File capability extended attribute versioning"). */
int ids_in_capability(const struct idmap *idmap, void *value, size_t *size, uint32_t *ret_foreign);
