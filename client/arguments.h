/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The command line, taken apart: options that go with every verb land in the client, the verb's own here. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/client.h"
#include "util/cleanup.h"

/* An fd of ours that goes along under a name. */
struct argument_fd {
        char *name;
        int fd; /* not owned: as whoever started us left it open */
};

enum argument_option {
        ARGUMENT_ID = 1 << 0,
        ARGUMENT_NAME = 1 << 1,
        ARGUMENT_FD = 1 << 2,
        ARGUMENT_LEASE = 1 << 3,
        ARGUMENT_CONTAINER = 1 << 4,
        ARGUMENT_OPTIONS = 1 << 5,
        ARGUMENT_STACK = 1 << 6,
        ARGUMENT_LAZY = 1 << 7,
        ARGUMENT_MISSING_OK = 1 << 8,
        ARGUMENT_DRY_RUN = 1 << 9,
        ARGUMENT_WAIT = 1 << 10,
        ARGUMENT_TIMEOUT = 1 << 11,
        ARGUMENT_HELP = 1 << 12,
        ARGUMENT_VERSION = 1 << 13,
        ARGUMENT_TREE = 1 << 14,
        ARGUMENT_PATH = 1 << 15,
        ARGUMENT_CWD = 1 << 16,
        ARGUMENT_NAMESPACE = 1 << 17, /* --process or --namespace: the fd ARGUMENT_NAMESPACE_FD goes along */
        ARGUMENT_PARENT = 1 << 18,
        ARGUMENT_READ_WRITE = 1 << 19,
        ARGUMENT_LABEL = 1 << 20,
        ARGUMENT_UID_MAP = 1 << 21,
        ARGUMENT_GID_MAP = 1 << 22,
        ARGUMENT_METADATA = 1 << 23,
        ARGUMENT_HOLDER = 1 << 24,
        ARGUMENT_ALL = 1 << 25,
        ARGUMENT_PLATFORM = 1 << 26,
        ARGUMENT_VISIBILITY = 1 << 27,
        ARGUMENT_OWNER = 1 << 28,
};

#define ARGUMENT_NAMESPACE_FD "namespace"

struct arguments {
        unsigned given; /* enum argument_option: what stood on the command line */
        const char *id, *name, *lease, *container, *path, *cwd; /* of argv */
        const char *parent, *label, *uid_map, *gid_map, *holder, *platform, *visibility; /* of argv */
        uint32_t owner; /* a uid */
        char **options; /* of -o, one an element; NULL if none */
        char **metadata; /* pairs of key and value; NULL if none */
        struct argument_fd *fds;
        size_t n_fds;
        char **words; /* of argv: the verb and what follows it */
        size_t n_words;
        size_t n_command; /* how many of them stood behind the first "--" */
};

/* Takes the command line apart (argv is permuted). EXIT_USAGE, reported, for what nothing can make sense of; whether
 * the verb takes what was given is the caller's to check. */
int arguments_parse(int argc, char **argv, struct client *client, struct arguments *ret);
void arguments_done(struct arguments *arguments);
#define _cleanup_arguments_ _cleanup_(arguments_done)

/* The long name of the lowest option in the mask, for messages. */
const char *argument_option_name(unsigned mask);

/* "90", "1.5s" is not: whole numbers with the unit us, ms, s (also none), min or h, to microseconds. -EINVAL,
 * -ERANGE past * a year; 0 is -EINVAL. */
int argument_parse_duration(const char *text, uint64_t *ret_us);
/* "NAME=N" with N an open fd. -EINVAL for the shape, -EBADF for an fd that is not open, -ENOMEM. */
int argument_parse_fd(const char *text, struct argument_fd *ret);
/* A decimal number. -EINVAL, -ERANGE. */
int argument_parse_number(const char *text, uint64_t *ret);
/* Appends the words of a comma-separated list, empty ones left out. -ENOMEM. */
int argument_split_options(const char *text, char ***options);
