/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The least that a change of this design can take, whoever writes it: a client and a front with sd-bus, an executor behind it, the
 * system calls that the rules for mounts ask for, the spec read by json-c, records in SQLite; nothing checked, planned, compared or told. */

#include <stdbool.h>
#include <stddef.h>

#include "sample.h"

struct least {
        bool bus;            /* the system bus, not a socket */
        bool records;        /* else none is kept */
        const char *root;    /* what is bound, and the root of pods */
        const char *scratch; /* an empty directory on a tmpfs with a directory "bind" */
        const char *spec;    /* of a pod; NULL: a bind is measured */
};

/* Adds the times of `n` requests, each undone again. Ends the program on failure, as all of the bench does. */
void least_measure(const struct least *least, size_t n, struct samples *ret);
