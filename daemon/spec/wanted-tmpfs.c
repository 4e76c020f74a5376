/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a tmpfs may take at most, by its options as the kernel reads them. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "spec/wanted.h"
#include "util/array.h"

enum { BLOCK = 4096 };

/* The kernel's memparse(): a number with one of its letters behind it; or a part of the memory, in percent. */
static uint64_t parse_size(const char *text, uint64_t memory) {
        static const char letters[] = "kmgtpe";
        uint64_t value;
        char *end;

        errno = 0;
        value = strtoull(text, &end, 0);
        if (errno != 0)
                return UINT64_MAX;
        if (*end == '%')
                return __builtin_mul_overflow(value, memory / 100, &value) ? UINT64_MAX : value;
        for (size_t i = 0; *end && i < sizeof(letters) - 1; i++)
                if ((*end | 0x20) == letters[i])
                        return __builtin_mul_overflow(value, UINT64_C(1) << 10 * (i + 1), &value) ? UINT64_MAX : value;
        return value;
}

uint64_t wanted_tmpfs_of_words(char *const *words, uint64_t memory) {
        uint64_t size = memory / 2; /* the kernel's, without either */

        for (; words && *words; words++) {
                if (strncmp(*words, "size=", strlen("size=")) == 0)
                        size = parse_size(*words + strlen("size="), memory);
                else if (strncmp(*words, "nr_blocks=", strlen("nr_blocks=")) == 0 &&
                         __builtin_mul_overflow(parse_size(*words + strlen("nr_blocks="), memory), BLOCK, &size))
                        size = UINT64_MAX;
        }
        return size > WANTED_TMPFS_MAX ? WANTED_TMPFS_MAX : size;
}

uint64_t wanted_tmpfs(const struct wanted_mount *mount, uint64_t memory) {
        if (mount->deferred)
                return 0;
        if (mount->kind == WANTED_FILESYSTEM && strcmp(mount->type, "tmpfs") == 0)
                return wanted_tmpfs_of_words(mount->options, memory);
        if ((mount->kind == WANTED_ROOT || mount->kind == WANTED_BIND) && mount->overlay == SPEC_OVERLAY_TMPFS &&
            !(mount->attr_set & MOUNT_ATTR_RDONLY)) /* what nobody can write to needs none */
                return mount->overlay_size > WANTED_TMPFS_MAX ? WANTED_TMPFS_MAX : mount->overlay_size;
        return 0;
}
