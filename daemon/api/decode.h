/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Station 2 for D-Bus: turns a message into arguments by the method's description. Strict: an option that the method does
 * not take, a value of another type, an fd that is none, are FAILURE_INVALID_ARGS with its name.
 */

#include <systemd/sd-bus.h>

#include "api/arguments.h"
#include "util/failure.h"

enum decode_limits {
        DECODE_IDS_MAX = 65536,     /* pods of one GC() */
        DECODE_OPTIONS_MAX = 256,   /* options of one Bind() */
        DECODE_PAIRS_MAX = 256,     /* entries of one a{ss} */
        DECODE_FDS_MAX = 253,       /* fds of one message, unix(7) SCM_RIGHTS */
};

/* One argument of a method, in the order of its signature. */
enum argument_kind {
        ARGUMENT_STRING,  /* s: into the const char * at `offset` */
        ARGUMENT_STRINGS, /* as: into the char ** at `offset` */
        ARGUMENT_FDS,     /* a{sh} */
        ARGUMENT_STREAM,  /* h: one fd that can be read, called like the argument */
        ARGUMENT_DIRECTORY, /* h: one fd of whatever kind, called like the argument; whoever uses it sees what it is */
        ARGUMENT_OPTIONS, /* a{sv}, by the method's option rows */
        ARGUMENT_ANY,     /* v: not looked at */
};

struct argument_row {
        const char *name; /* as in the XML */
        const char *type; /* D-Bus signature */
        enum argument_kind kind;
        size_t offset;    /* in struct arguments */
        const char *fields; /* of an answer made of structures: what their members are called where they have names, by spaces */
};

struct option_key {
        const char *name;
        const char *type; /* "s", "b", "t", "u", "as", "a{ss}" */
        size_t offset;
};

/* Both lists end with a row without a name. */
int decode_arguments(sd_bus_message *m, const struct argument_row *rows, const struct option_key *keys, struct arguments *ret,
                     struct failure *f);
