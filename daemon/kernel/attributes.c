/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* listxattrat(2) and getxattrat(2), which save the way into each directory and back. */

#include "kernel/attributes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/xattr.h>

#include "kernel/syscalls.h"

#ifndef SYS_getxattrat
#define SYS_getxattrat 464
#endif
#ifndef SYS_listxattrat
#define SYS_listxattrat 465
#endif

/* The kernel's struct xattr_args (include/uapi/linux/xattr.h). */
struct value_arguments {
        _Alignas(8) uint64_t value;
        uint32_t size, flags;
};

static bool missing; /* the kernel has neither */

/* Whether it was asked for in vain, and is not asked for again. */
static bool is_missing(ssize_t r) {
        if (r >= 0 || errno != ENOSYS)
                return false;
        missing = true;
        return true;
}

ssize_t attributes_list(int directory, const char *name, char *names, size_t size) {
        ssize_t r = missing ? 0 : syscall(SYS_listxattrat, directory, name, AT_SYMLINK_NOFOLLOW, names, size);

        if (missing || is_missing(r))
                r = fchdir(directory) < 0 ? -1 : llistxattr(name, names, size);
        return r < 0 ? -errno : r;
}

ssize_t attributes_get(int directory, const char *name, const char *attribute, void *value, size_t size) {
        const struct value_arguments arguments = {.value = (uintptr_t) value, .size = (uint32_t) size};
        ssize_t r = missing ? 0 : syscall(SYS_getxattrat, directory, name, AT_SYMLINK_NOFOLLOW, attribute, &arguments, sizeof(arguments));

        if (missing || is_missing(r))
                r = fchdir(directory) < 0 ? -1 : lgetxattr(name, attribute, value, size);
        return r < 0 ? -errno : r;
}
