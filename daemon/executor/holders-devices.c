/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernel itself keeps open tells paths: each is looked up again as whoever named it would, and counts if it leads to one of the mounts. An overlay's layer
 * keeps the file system alive and not the mount: nobody else would say why it does not end. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "executor/holders.h"
#include "util/text.h"

enum { LINE_MAX_SIZE = 8192 };

static int tell(struct holders *holders, enum holder_kind kind, const char *detail) {
        struct mount_holder row = {.kind = kind, .uid = UINT32_MAX};
        _cleanup_free_ char *copy = NULL;

        if (holders->job->caller.root) {
                row.detail = copy = strdup(detail);
                if (!copy)
                        return -ENOMEM;
        }
        return holders_tell(holders, &row);
}

/* Octal escapes of the kernel, in place. */
static void unescape(char *text) {
        char *to = text;

        for (const char *at = text; *at; to++) {
                bool escape = at[0] == '\\' && at[1] >= '0' && at[1] <= '3' && at[2] >= '0' && at[2] <= '7' && at[3] >= '0' && at[3] <= '7';

                *to = escape ? (char) ((at[1] - '0') * 64 + (at[2] - '0') * 8 + (at[3] - '0')) : *at;
                at += escape ? 4 : 1;
        }
        *to = 0;
}

static int look_at_loop(struct holders *holders, int block, const char *name) {
        _cleanup_free_ char *path = text_format("%s/loop/backing_file", name), *detail = NULL;
        _cleanup_close_ int fd = path ? openat(block, path, O_RDONLY | O_CLOEXEC) : -1;
        char file[LINE_MAX_SIZE];
        ssize_t n;

        if (!path)
                return -ENOMEM;
        n = fd < 0 ? -1 : read(fd, file, sizeof(file) - 1);
        if (n <= 0)
                return 0; /* it is free */
        file[n] = 0;
        if (file[n - 1] == '\n') /* one of the name's own stays */
                file[n - 1] = 0;
        if (!holders_has_path(holders, holders->root, file))
                return 0;
        detail = text_format("/dev/%s, of %s", name, file);
        return detail ? tell(holders, HOLDER_LOOP, detail) : -ENOMEM;
}

static int look_at_loops(struct holders *holders) {
        int fd = openat(holders->sys, "block", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
        _cleanup_closedir_ DIR *block = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry;

        if (!block) {
                (void) close_fd(fd);
                return 0;
        }
        while (r == 0 && (entry = readdir(block)))
                if (strncmp(entry->d_name, "loop", 4) == 0)
                        r = look_at_loop(holders, fd, entry->d_name);
        return r;
}

static int look_at_swaps(struct holders *holders) {
        int fd = openat(holders->proc, "swaps", O_RDONLY | O_CLOEXEC), r = 0;
        _cleanup_fclose_ FILE *swaps = fd < 0 ? NULL : fdopen(fd, "r");
        _cleanup_free_ char *line = NULL;
        size_t size = 0;

        if (!swaps) {
                (void) close_fd(fd);
                return 0;
        }
        while (r == 0 && getline(&line, &size, swaps) >= 0) {
                line[strcspn(line, " \t\n")] = 0;
                unescape(line);
                if (line[0] == '/' && holders_has_path(holders, holders->root, line))
                        r = tell(holders, HOLDER_SWAP, line);
        }
        return r;
}

/* The next layer of a value; ':' separates them unless a backslash is before it. */
static char *next_layer(char **at) {
        char *from = *at, *to = *at, *layer = *at;

        while (*from == ':')
                from++;
        if (!*from)
                return NULL;
        for (; *from && *from != ':'; from++) {
                if (*from == '\\' && from[1])
                        from++;
                *to++ = *from;
        }
        *at = from + (*from == ':');
        *to = 0;
        return layer;
}

/* *ret: that one of its layers lies on one of the mounts. */
static bool option_holds(const struct holders *holders, int root, char *option, char **ret_layer) {
        static const char *const names[] = {"lowerdir=", "lowerdir+=", "datadir+=", "upperdir=", "workdir="};
        char *value = NULL, *layer;

        for (size_t i = 0; i < ELEMENTSOF(names) && !value; i++)
                if (strncmp(option, names[i], strlen(names[i])) == 0)
                        value = option + strlen(names[i]);
        if (!value)
                return false;
        unescape(value);
        if (strncmp(option, "lowerdir=", strlen("lowerdir=")) != 0) {
                *ret_layer = value;
                return value[0] == '/' && holders_has_path(holders, root, value);
        }
        while ((layer = next_layer(&value)))
                if (layer[0] == '/' && holders_has_path(holders, root, layer)) {
                        *ret_layer = layer;
                        return true;
                }
        return false;
}

static int open_root(const struct holders *holders, size_t space) {
        char name[sizeof("4294967295/root")];

        if (space == 0)
                return fcntl(holders->root, F_DUPFD_CLOEXEC, 0);
        (void) snprintf(name, sizeof(name), "%u/root", (unsigned) holders->spaces[space].pid); /* always fits */
        return openat(holders->proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static int look_at_overlay(struct holders *holders, const struct holders_overlay *overlay) {
        _cleanup_close_ int root = open_root(holders, overlay->space);
        _cleanup_free_ char *options = strdup(overlay->options), *detail = NULL;
        char *at = options, *option, *layer = NULL;

        if (!options)
                return -ENOMEM;
        if (root < 0 || holders_has(holders, overlay->mount_id, false))
                return 0; /* nobody lives there; or it is one of the mounts itself */
        while ((option = strsep(&at, ",")))
                if (option_holds(holders, root, option, &layer)) {
                        detail = text_format("%s, with %s", overlay->point, layer);
                        return detail ? tell(holders, HOLDER_OVERLAY, detail) : -ENOMEM;
                }
        return 0;
}

int holders_find_devices(struct holders *holders) {
        int r = map_size(holders->recycled) > 0 ? look_at_loops(holders) : 0;

        if (r == 0 && map_size(holders->recycled) > 0)
                r = look_at_swaps(holders);
        for (size_t i = 0; i < holders->n_overlays && r == 0; i++) {
                r = look_at_overlay(holders, &holders->overlays[i]);
                if (r == 0)
                        r = worker_progress(holders->worker);
        }
        return r;
}
