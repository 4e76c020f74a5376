/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Holders: who keeps a mount alive. A worker finds them (executor/holders.c) and says them in portions, each of whole rows, which the front takes
 * in without believing anything but their form. Pure.
 */

#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"

/* How it holds: the words of the contract. */
enum holder_kind {
        HOLDER_CWD,       /* a process's working directory */
        HOLDER_ROOT,      /* …its root directory */
        HOLDER_FD,        /* …an open file, of one of its file descriptors */
        HOLDER_EXE,       /* …the program that it runs */
        HOLDER_MAP,       /* …a file mapped into its memory */
        HOLDER_LOOP,      /* a loop device whose file lies there */
        HOLDER_SWAP,      /* a swap file */
        HOLDER_OVERLAY,   /* an overlay with a layer there */
        HOLDER_NAMESPACE, /* another mount namespace with a copy of the mount */
        HOLDER_MORE,      /* what was left out, and why */
        _HOLDER_KIND_MAX,
};
const char *holder_kind_name(enum holder_kind kind);

enum {
        HOLDER_ROWS_MAX = 20000,       /* rows of one answer, … */
        HOLDER_BYTES_MAX = 4 * 1024 * 1024, /* …and their bytes, by holder_size(): a bus takes messages of 32 MiB, and what is no UTF-8 grows to four times that */
        HOLDER_TEXT_MAX = 8192,    /* bytes of each text, with its NUL: a path, and " (deleted)" */
        HOLDER_ROW_MAX = 3 * sizeof(uint32_t) + 3 * HOLDER_TEXT_MAX,
};

struct mount_holder {
        enum holder_kind kind;
        uint32_t pid;  /* 0: no process, or none that is known */
        uint32_t uid;  /* of the process; UINT32_MAX without one */
        char *command; /* "" where the caller may not know, as for the next two */
        char *unit;    /* the systemd unit, or else the control group */
        char *detail;  /* the path */
};

/* What it counts for HOLDER_BYTES_MAX: its texts, and something for itself. */
size_t holder_size(const struct mount_holder *holder);
/* Writes a row; a text that is too long is cut. `at` has HOLDER_ROW_MAX bytes. How many it takes. */
size_t holder_write(const struct mount_holder *holder, uint8_t *at);
/* Appends the rows of a portion. -EBADMSG for one that holder_write() would not have made, or past HOLDER_ROWS_MAX rows; -ENOMEM. */
int holders_read(const uint8_t *data, size_t size, struct mount_holder **holders, size_t *n);
/* Forgets the rows from `from` on. */
void holders_cut(struct mount_holder *holders, size_t from, size_t *n);
void holders_free(struct mount_holder *holders, size_t n);
/* Who it is, in a few words: "sleep (pid 12, ssh.service, cwd /srv)"; NULL when memory is short. */
char *holder_describe(const struct mount_holder *holder);
