/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads D-Bus messages into arguments. Everything here was written by a client: nothing is assumed of it. */

#include "api/decode.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "util/log.h"
#include "util/path.h"

void arguments_done(struct arguments *arguments) {
        for (size_t i = 0; i < arguments->n_fds; i++)
                (void) close_fd(arguments->fds[i]);
        free(arguments->fds);
        strv_free(arguments->fd_names);
        strv_free(arguments->ids);
        strv_free(arguments->options);
        strv_free(arguments->metadata);
        *arguments = (struct arguments) {};
}

/* What sd-bus says of a message: short of memory, or bytes that are not what the signature promises. */
static int broken(int r, const char *what, struct failure *f) {
        if (r == -ENOMEM)
                return log_oom();
        return failure_set(f, FAILURE_INVALID_ARGS, "The argument \"%s\" cannot be read: the message is damaged", what);
}

/* What stands before the colon in the names of those that are on no file system and that a mount can need all the same:
 * namespaces, pidfds, and the transports of a 9p server. Where they are no good the executor says so. */
static bool is_known(const char *target) {
        static const char *const kinds[] = {"pid", "net", "ipc", "cgroup", "user", "mnt", "uts", "socket", "pipe", "pidfd"};
        size_t length = strcspn(target, ":");

        for (size_t i = 0; target[length] == ':' && i < ELEMENTSOF(kinds); i++)
                if (strlen(kinds[i]) == length && strncmp(target, kinds[i], length) == 0)
                        return true;
        return strcmp(target, "anon_inode:[pidfd]") == 0; /* on file systems of their own since Linux 6.9 */
}

/* What the fd is, by its name in /proc: asking its file system could block for as long as that likes. */
static int check_fd(const char *name, int fd, struct failure *f) {
        char path[sizeof("/proc/self/fd/2147483647")], target[64];
        ssize_t n;

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd); /* always fits */
        n = readlink(path, target, sizeof(target) - 1);
        if (n < 0)
                return log_errno(LOG_ERR, errno, "readlink %s", path);
        target[n] = '\0';
        if (target[0] == '/' || is_known(target) || strncmp(target, "(unreachable)", strlen("(unreachable)")) == 0)
                return 0;
        return failure_set(f, FAILURE_INVALID_ARGS, "The fd \"%s\" is no file or directory but %s: open the source, O_PATH is enough",
                           name, target);
}

static int take_fd(struct arguments *arguments, const char *name, int fd, struct failure *f) {
        _cleanup_close_ int copy = -1;
        int *slot, r;

        if (!name_is_valid(name))
                return failure_set(f, FAILURE_INVALID_ARGS,
                                   "\"%.80s\" cannot name an fd: 1 to 64 letters, digits, '.', '_' and '-' are needed", name);
        for (size_t i = 0; i < arguments->n_fds; i++)
                if (strcmp(arguments->fd_names[i], name) == 0)
                        return failure_set(f, FAILURE_INVALID_ARGS, "Two fds are named \"%s\"", name);
        if (arguments->n_fds >= DECODE_FDS_MAX)
                return failure_set(f, FAILURE_INVALID_ARGS, "More than %d fds in one call", DECODE_FDS_MAX);
        copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (copy < 0 && errno == EMFILE)
                return failure_set(f, FAILURE_QUOTA_EXCEEDED, "podmountd has no room for another fd now: try again later");
        if (copy < 0)
                return log_errno(LOG_ERR, errno, "duplicate an fd");
        r = check_fd(name, copy, f);
        if (r != 0)
                return r;
        r = strv_append(&arguments->fd_names, name);
        if (r < 0)
                return r;
        slot = array_append(&arguments->fds, &arguments->n_fds);
        if (!slot)
                return log_oom();
        *slot = TAKE_FD(copy);
        return 0;
}

static int read_fds(sd_bus_message *m, struct arguments *arguments, struct failure *f) {
        int r = sd_bus_message_enter_container(m, 'a', "{sh}");

        if (r < 0)
                return broken(r, "fds", f);
        for (;;) {
                const char *name;
                int fd;

                r = sd_bus_message_read(m, "{sh}", &name, &fd);
                if (r == 0)
                        break;
                if (r < 0)
                        return r == -ENOMEM ? log_oom()
                                            : failure_set(f, FAILURE_INVALID_ARGS,
                                                          "The dictionary of fds points to an fd that did not come with the message");
                r = take_fd(arguments, name, fd, f);
                if (r != 0)
                        return r;
        }
        r = sd_bus_message_exit_container(m);
        return r < 0 ? broken(r, "fds", f) : 0;
}

/* One fd to read from. Whether it is a directory, its file system would have to be asked: whoever reads it sees. */
static int read_stream(sd_bus_message *m, const char *name, struct arguments *arguments, struct failure *f) {
        int fd, flags, r = sd_bus_message_read(m, "h", &fd);

        if (r < 0)
                return broken(r, name, f);
        flags = fcntl(fd, F_GETFL);
        if (flags < 0)
                return log_errno(LOG_ERR, errno, "look at the fd \"%s\"", name);
        if ((flags & O_PATH) || (flags & O_ACCMODE) == O_WRONLY)
                return failure_set(f, FAILURE_INVALID_ARGS, "The fd \"%s\" is not open for reading: send the read end of a pipe, or a file opened O_RDONLY", name);
        return take_fd(arguments, name, fd, f);
}

static int read_directory(sd_bus_message *m, const char *name, struct arguments *arguments, struct failure *f) {
        int fd, r = sd_bus_message_read(m, "h", &fd);

        return r < 0 ? broken(r, name, f) : take_fd(arguments, name, fd, f);
}

static int read_strings(sd_bus_message *m, const char *what, size_t max, char ***strv, struct failure *f) {
        size_t n = 0;
        int r = sd_bus_message_enter_container(m, 'a', "s");

        if (r < 0)
                return broken(r, what, f);
        strv_free(*strv);
        *strv = calloc(1, sizeof(char *)); /* an empty list that was given differs from none */
        if (!*strv)
                return log_oom();
        for (;; n++) {
                const char *text;

                r = sd_bus_message_read(m, "s", &text);
                if (r == 0)
                        break;
                if (r < 0)
                        return broken(r, what, f);
                if (n >= max)
                        return failure_set(f, FAILURE_INVALID_ARGS, "More than %zu entries in \"%s\"", max, what);
                r = strv_append(strv, text);
                if (r < 0)
                        return r;
        }
        r = sd_bus_message_exit_container(m);
        return r < 0 ? broken(r, what, f) : 0;
}

/* Pairs of key and value, one after the other. */
static int read_pairs(sd_bus_message *m, const char *what, char ***strv, struct failure *f) {
        size_t n = 0;
        int r = sd_bus_message_enter_container(m, 'a', "{ss}");

        if (r < 0)
                return broken(r, what, f);
        for (;; n++) {
                const char *key, *value;

                r = sd_bus_message_read(m, "{ss}", &key, &value);
                if (r == 0)
                        break;
                if (r < 0)
                        return broken(r, what, f);
                if (n >= DECODE_PAIRS_MAX)
                        return failure_set(f, FAILURE_INVALID_ARGS, "More than %d entries in \"%s\"", DECODE_PAIRS_MAX, what);
                r = strv_append(strv, key);
                if (r == 0)
                        r = strv_append(strv, value);
                if (r < 0)
                        return r;
        }
        r = sd_bus_message_exit_container(m);
        return r < 0 ? broken(r, what, f) : 0;
}

static int unknown_option(const char *name, const struct option_key *keys, struct failure *f) {
        _cleanup_strv_ char **names = NULL;
        _cleanup_free_ char *list = NULL;

        for (; keys->name; keys++)
                if (strv_append(&names, keys->name) < 0)
                        return -ENOMEM;
        list = strv_join(names, ", ");
        if (!list)
                return log_oom();
        return failure_set(f, FAILURE_INVALID_ARGS, "Unknown option \"%.80s\"; this method takes: %s", name, list);
}

static int read_value(sd_bus_message *m, const struct option_key *key, struct arguments *arguments, struct failure *f) {
        void *place = (char *) arguments + key->offset;
        const char *contents = NULL;
        int r, flag;

        r = sd_bus_message_peek_type(m, NULL, &contents);
        if (r <= 0 || !contents)
                return broken(r, key->name, f);
        if (strcmp(contents, key->type) != 0)
                return failure_set(f, FAILURE_INVALID_ARGS, "The option \"%s\" is of D-Bus type '%s', not '%.80s'", key->name, key->type,
                                   contents);
        r = sd_bus_message_enter_container(m, 'v', key->type);
        if (r < 0)
                return broken(r, key->name, f);
        if (strcmp(key->type, "as") == 0) {
                r = read_strings(m, key->name, DECODE_OPTIONS_MAX, place, f);
                if (r != 0)
                        return r;
        } else if (strcmp(key->type, "a{ss}") == 0) {
                r = read_pairs(m, key->name, place, f);
                if (r != 0)
                        return r;
        } else if (strcmp(key->type, "b") == 0) {
                r = sd_bus_message_read(m, "b", &flag);
                if (r >= 0)
                        *(bool *) place = flag;
        } else
                r = sd_bus_message_read_basic(m, key->type[0], place);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? broken(r, key->name, f) : 0;
}

static int read_option(sd_bus_message *m, const struct option_key *keys, uint64_t *seen, struct arguments *arguments, struct failure *f) {
        const char *name;
        int r = sd_bus_message_read(m, "s", &name);

        if (r < 0)
                return broken(r, "options", f);
        for (size_t i = 0; keys && keys[i].name; i++) {
                if (strcmp(keys[i].name, name) != 0)
                        continue;
                if (*seen & (UINT64_C(1) << i))
                        return failure_set(f, FAILURE_INVALID_ARGS, "The option \"%s\" is given twice", name);
                *seen |= UINT64_C(1) << i;
                return read_value(m, &keys[i], arguments, f);
        }
        return unknown_option(name, keys, f);
}

static int read_options(sd_bus_message *m, const struct option_key *keys, struct arguments *arguments, struct failure *f) {
        uint64_t seen = 0;
        int r = sd_bus_message_enter_container(m, 'a', "{sv}");

        if (r < 0)
                return broken(r, "options", f);
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = read_option(m, keys, &seen, arguments, f);
                if (r != 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return broken(r, "options", f);
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? broken(r, "options", f) : 0;
}

static int read_argument(sd_bus_message *m, const struct argument_row *row, const struct option_key *keys, struct arguments *arguments,
                         struct failure *f) {
        int r;

        switch (row->kind) {
        case ARGUMENT_STRING:
                r = sd_bus_message_read_basic(m, 's', (char *) arguments + row->offset);
                return r < 0 ? broken(r, row->name, f) : 0;
        case ARGUMENT_STRINGS:
                return read_strings(m, row->name, DECODE_IDS_MAX, (char ***) (void *) ((char *) arguments + row->offset), f);
        case ARGUMENT_FDS:
                return read_fds(m, arguments, f);
        case ARGUMENT_STREAM:
                return read_stream(m, row->name, arguments, f);
        case ARGUMENT_DIRECTORY:
                return read_directory(m, row->name, arguments, f);
        case ARGUMENT_OPTIONS:
                return read_options(m, keys, arguments, f);
        case ARGUMENT_ANY:
                r = sd_bus_message_skip(m, row->type);
                return r < 0 ? broken(r, row->name, f) : 0;
        }
        return -EINVAL;
}

static int check_signature(sd_bus_message *m, const struct argument_row *rows, struct failure *f) {
        _cleanup_free_ char *wanted = strdup("");
        const char *given = sd_bus_message_get_signature(m, true);

        for (; wanted && rows->name; rows++) {
                char *longer;

                if (asprintf(&longer, "%s%s", wanted, rows->type) < 0)
                        return log_oom();
                free(wanted);
                wanted = longer;
        }
        if (!wanted)
                return log_oom();
        if (given && strcmp(given, wanted) == 0)
                return 0;
        return failure_set(f, FAILURE_INVALID_ARGS, "The arguments have the D-Bus signature '%.255s', the method takes '%s'",
                           given ? given : "", wanted);
}

int decode_arguments(sd_bus_message *m, const struct argument_row *rows, const struct option_key *keys, struct arguments *ret,
                     struct failure *f) {
        struct arguments arguments = {.owner = ARGUMENTS_NO_UID};
        int r = sd_bus_message_rewind(m, true);

        if (r < 0)
                return broken(r, "message", f);
        r = check_signature(m, rows, f);
        for (; r == 0 && rows->name; rows++)
                r = read_argument(m, rows, keys, &arguments, f);
        if (r != 0) {
                arguments_done(&arguments);
                return r;
        }
        *ret = arguments;
        return 0;
}
