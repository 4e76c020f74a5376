/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What can be said of sources without opening any.
 */

#include "pod/source.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "util/array.h"
#include "util/log.h"

static bool has_name(char *const *names, const char *name) {
        for (; names && *names; names++)
                if (strcmp(*names, name) == 0)
                        return true;
        return false;
}

int source_check_fds(const struct operation *operation, char *const *named, struct failure *f) {
        for (char *const *name = named; name && *name; name++)
                if (!has_name(operation->fd_names, *name))
                        return failure_set(f, FAILURE_INVALID_ARGS,
                                           "A source is fd:%s, but no file descriptor of that name came with the "
                                           "call.", *name);
        for (size_t i = 0; i < operation->n_fds; i++) {
                if (!has_name(named, operation->fd_names[i]))
                        return failure_set(f, FAILURE_INVALID_ARGS,
                                           "The file descriptor named %s is no source of any mount; name it as "
                                           "\"fd:%s\" or leave it "
                                           "out.", operation->fd_names[i], operation->fd_names[i]);
                if (has_name(operation->fd_names + i + 1, operation->fd_names[i]))
                        return failure_set(f, FAILURE_INVALID_ARGS, "Two file descriptors are named %s.",
                                           operation->fd_names[i]);
        }
        return 0;
}

static int check_path(const struct wanted_mount *mount, const struct source *source, struct failure *f) {
        const char *pointer = mount->pointer ?: "";

        if (source->kind != SOURCE_PATH)
                return 0;
        return failure_set(f, FAILURE_SOURCE_DENIED,
                           "%s%s%s is another file for a caller in another mount namespace or below another root "
                           "directory than "
                           "for podmountd; open it and send the fd (\"source\": \"fd:NAME\").",
                           pointer, *pointer ? ": " : "", source->text);
}

int source_check_paths(const struct operation *operation, const struct wanted *wanted, struct failure *f) {
        if (caller_sees_host_paths(&operation->caller))
                return 0;
        for (size_t i = 0; i < wanted->n_mounts; i++) {
                const struct wanted_mount *mount = &wanted->mounts[i];
                int r = check_path(mount, &mount->source, f);

                for (size_t j = 0; j < mount->n_lower && r == 0; j++)
                        r = check_path(mount, &mount->lower[j], f);
                if (r == 0)
                        r = check_path(mount, &mount->upper, f);
                if (r == 0)
                        r = check_path(mount, &mount->work, f);
                if (r != 0)
                        return r;
        }
        return 0;
}

static int fd_of(const struct operation *operation, const char *name) {
        for (size_t i = 0; i < operation->n_fds; i++)
                if (strcmp(operation->fd_names[i], name) == 0)
                        return operation->fds[i];
        return -1;
}

void source_mark_devices(const struct operation *operation, struct wanted *wanted) {
        for (size_t i = 0; i < wanted->n_mounts; i++) {
                struct wanted_mount *mount = &wanted->mounts[i];
                struct stat st;

                if (mount->kind == WANTED_IMAGE && mount->source.kind == SOURCE_FD)
                        mount->device = fstat(fd_of(operation, mount->source.text), &st) == 0 && S_ISBLK(st.st_mode);
        }
}

int source_key(const struct operation *operation, const struct spec_mount *mount, char **ret) {
        _cleanup_strv_ char **names = NULL, **keys = NULL;
        char *key;
        int r;

        r = spec_mounts_fd_names(mount, 1, &names);
        if (r != 0)
                return r;
        if (!names || !*names) {
                *ret = NULL;
                return 0;
        }
        for (char **name = names; *name; name++) {
                struct stat st;

                if (fstat(fd_of(operation, *name), &st) < 0)
                        return log_errno(LOG_ERR, errno, "fstat a client's fd");
                r = strv_appendf(&keys, "%" PRIu64 ":%" PRIu64, (uint64_t) st.st_dev, (uint64_t) st.st_ino);
                if (r < 0)
                        return log_oom();
        }
        key = strv_join(keys, ",");
        if (!key)
                return log_oom();
        *ret = key;
        return 0;
}
