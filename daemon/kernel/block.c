/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads dev/block/MAJOR:MINOR of sysfs: `uevent` has the name of the node below /dev (the directory's own name has a
 * '!' where that has a '/'), and device-mapper adds `dm/name`. */

#include "kernel/block.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "kernel/resolve.h"

enum { ATTRIBUTE_MAX = 4096 }; /* bytes that sysfs shows of one attribute at most: a page */

/* The whole attribute; *ret is NULL for one that is not there. */
static int read_attribute(int directory, const char *path, char **ret) {
        _cleanup_free_ char *text = malloc(ATTRIBUTE_MAX + 1);
        _cleanup_close_ int file = -1, fd = -1;
        ssize_t n;

        if (!text)
                return -ENOMEM;
        *ret = NULL;
        file = resolve_beneath(directory, path, false);
        if (file == -ENOENT)
                return 0;
        if (file < 0)
                return file;
        fd = resolve_reopen(file, false);
        if (fd < 0)
                return fd;
        n = read(fd, text, ATTRIBUTE_MAX);
        if (n < 0)
                return -errno;
        text[n] = 0;
        *ret = TAKE_PTR(text);
        return 0;
}

/* The value of a line NAME=value. */
static int find_value(const char *lines, const char *name, char **ret) {
        size_t size = strlen(name);

        for (const char *line = lines; *line; line += strcspn(line, "\n"), line += *line == '\n') {
                if (strncmp(line, name, size) != 0 || line[size] != '=')
                        continue;
                *ret = strndup(line + size + 1, strcspn(line + size + 1, "\n"));
                return *ret ? 0 : -ENOMEM;
        }
        *ret = NULL;
        return 0;
}

static int read_node(int directory, char **ret) {
        _cleanup_free_ char *lines = NULL, *name = NULL;
        int r = read_attribute(directory, "uevent", &lines);

        if (r == 0 && lines)
                r = find_value(lines, "DEVNAME", &name);
        if (r < 0 || !name)
                return r;
        return asprintf(ret, "/dev/%s", name) < 0 ? -ENOMEM : 0;
}

int block_read(int sysfs, dev_t device, struct block *ret) {
        char path[sizeof("dev/block/4294967295:4294967295")];
        _cleanup_block_ struct block block = {};
        _cleanup_close_ int directory = -1;
        int r;

        (void) snprintf(path, sizeof(path), "dev/block/%u:%u", major(device), minor(device)); /* always fits */
        directory = resolve_in_root(sysfs, path);
        if (directory < 0 && directory != -ENOENT)
                return directory;
        r = directory < 0 ? 0 : read_node(directory, &block.node);
        if (r == 0 && directory >= 0)
                r = read_attribute(directory, "dm/name", &block.mapper);
        if (r < 0)
                return r;
        if (block.mapper)
                block.mapper[strcspn(block.mapper, "\n")] = 0;
        *ret = block;
        block = (struct block) {};
        return 0;
}

void block_done(struct block *block) {
        free(block->node);
        free(block->mapper);
        *block = (struct block) {};
}
