/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* New superblocks. The kernel explains a refusal in messages that are read from the context's fd (fsopen(2)); they are
 * collected after each call, because the client is to get them. */

#include "kernel/fscontext.h"

#include <inttypes.h>
#include <string.h>

#include "kernel/syscalls.h"

enum { MESSAGE_MAX = 1024, WORDS_MAX = 2048 };

static void words_append(struct fscontext *context, const char *message) {
        _cleanup_free_ char *before = TAKE_PTR(context->words);

        if (before && strlen(before) + strlen(message) > WORDS_MAX) {
                context->words = TAKE_PTR(before);
                return;
        }
        if (asprintf(&context->words, "%s%s%s", before ? before : "", before ? "; " : "", message) < 0)
                context->words = NULL; /* the errno alone has to do then */
}

/* Each read(2) gives one message, "e overlay: No changes allowed in reconfigure\n"; ENODATA ends them. */
static void words_collect(struct fscontext *context) {
        int saved = errno;

        for (unsigned i = 0; i < 16; i++) {
                char message[MESSAGE_MAX];
                ssize_t n = read(context->fd, message, sizeof(message) - 1);

                if (n <= 0)
                        break;
                while (n > 0 && (message[n - 1] == '\n' || message[n - 1] == '\0'))
                        n--;
                message[n] = 0;
                words_append(context, n > 2 && message[1] == ' ' ? message + 2 : message);
        }
        errno = saved;
}

bool fscontext_has(const char *type) {
        _cleanup_close_ int fd = fsopen(type, FSOPEN_CLOEXEC);

        return fd >= 0;
}

int fscontext_open(struct fscontext *context, const char *type) {
        int fd = fsopen(type, FSOPEN_CLOEXEC);

        if (fd < 0)
                return -errno;
        *context = (struct fscontext){.fd = fd};
        return 0;
}

int fscontext_pick(struct fscontext *context, int mount) {
        int fd = fspick(mount, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);

        if (fd < 0)
                return -errno;
        *context = (struct fscontext){.fd = fd};
        return 0;
}

void fscontext_done(struct fscontext *context) {
        context->fd = close_fd(context->fd);
        free(context->words);
        context->words = NULL;
}

static int configure(struct fscontext *context, unsigned command, const char *name, const void *value, int aux) {
        if (fsconfig(context->fd, command, name, value, aux) == 0)
                return 0;
        words_collect(context);
        return -errno;
}

int fscontext_set(struct fscontext *context, const char *name, const char *value) {
        if (value && strlen(value) > FSCONTEXT_VALUE_MAX)
                return -E2BIG;
        return configure(context, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, name, value, 0);
}

int fscontext_set_fd(struct fscontext *context, const char *name, int fd) {
        return configure(context, FSCONFIG_SET_FD, name, NULL, fd);
}

int fscontext_reconfigure(struct fscontext *context) {
        return configure(context, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0);
}

int fscontext_mount(struct fscontext *context, uint64_t attributes) {
        int r = configure(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0), fd;

        if (r < 0)
                return r;
        fd = fsmount(context->fd, FSMOUNT_CLOEXEC, (unsigned) attributes);
        if (fd >= 0)
                return fd;
        words_collect(context);
        return -errno;
}

/* Every layer in one string: short names, relative to /proc/self/fd, because 255 bytes must do. */
static int set_layers_joined(struct fscontext *context, const int *layers, size_t n) {
        char text[FSCONTEXT_VALUE_MAX + 1] = "";
        size_t used = 0;

        if (chdir("/proc/self/fd") < 0)
                return -errno;
        for (size_t i = 0; i < n; i++) {
                int size = snprintf(text + used, sizeof(text) - used, "%s%d", i > 0 ? ":" : "", layers[i]);

                if (size < 0 || used + (size_t) size >= sizeof(text))
                        return -E2BIG;
                used += (size_t) size;
        }
        return fscontext_set(context, "lowerdir", text);
}

int fscontext_set_layers(struct fscontext *context, const int *layers, size_t n, bool by_fd, bool one_by_one) {
        if (!by_fd && !one_by_one)
                return set_layers_joined(context, layers, n);
        for (size_t i = 0; i < n; i++) {
                int r = by_fd ? fscontext_set_fd(context, "lowerdir+", layers[i])
                              : fscontext_set_directory(context, "lowerdir+", layers[i], by_fd);

                if (r < 0)
                        return r;
        }
        return 0;
}

int fscontext_set_directory(struct fscontext *context, const char *name, int fd, bool by_fd) {
        char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];

        if (by_fd)
                return fscontext_set_fd(context, name, fd);
        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd); /* cannot be cut: sized for any int */
        return fscontext_set(context, name, path);
}

int fscontext_tmpfs(uint64_t size, uint64_t inodes, mode_t mode, uid_t uid, gid_t gid, uint64_t attributes) {
        _cleanup_fscontext_ struct fscontext context = FSCONTEXT_INIT;
        const struct {
                const char *name;
                int base;
                uint64_t value;
        } options[] = {
                {"size", 10, size}, {"nr_inodes", 10, inodes}, {"mode", 8, mode}, {"uid", 10, uid}, {"gid", 10, gid}};
        int r = fscontext_open(&context, "tmpfs");

        if (r < 0)
                return r;
        r = fscontext_set(&context, "source", "podmount");
        for (size_t i = 0; r == 0 && i < ELEMENTSOF(options); i++) {
                char text[32];

                if (options[i].value == 0 && strcmp(options[i].name, "nr_inodes") == 0)
                        continue;
                (void) snprintf(text, sizeof(text), options[i].base == 8 ? "%" PRIo64 : "%" PRIu64, options[i].value);
                r = fscontext_set(&context, options[i].name, text);
        }
        return r < 0 ? r : fscontext_mount(&context, attributes);
}
