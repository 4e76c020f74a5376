/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One run of podmountctl: where the daemon is, how to answer, and the connection once it is open.
 *
 * The convention of this folder: a function that can fail says so on stderr itself (client/report.h) and returns the
 * exit status that is due: 0, EXIT_FAILURE for what was refused or failed, EXIT_USAGE for a wrong command line.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

enum { EXIT_USAGE = 2 };

enum client_transport {
        CLIENT_AUTOMATIC, /* the system bus, then the daemon's own socket */
        CLIENT_SOCKET,    /* --socket: where is a path */
        CLIENT_VARLINK,   /* --varlink: where is a path */
        CLIENT_HOST,      /* -H: where is [USER@]HOST, reached by ssh */
        CLIENT_MACHINE,   /* -M: where is a local container's name */
};

enum client_output { CLIENT_OUTPUT_TEXT, CLIENT_OUTPUT_JSON_PRETTY, CLIENT_OUTPUT_JSON_SHORT };

struct client {
        enum client_transport transport;
        const char *where; /* of argv; NULL for CLIENT_AUTOMATIC */
        enum client_output output;
        bool ask_password;
        bool patient;        /* a call takes as long as it takes, unless timeout_us says otherwise */
        uint64_t timeout_us; /* 0: the daemon's own limits */

        sd_bus *bus;             /* owned; NULL until connection_open(); with --varlink it makes messages and sends none */
        struct varlink *varlink; /* owned; --varlink (client/varlink.h) */
        bool bus_client;         /* behind a broker, which has names; else the daemon's own socket */
        char *reached;           /* owned: where the connection ended up, for people */
        pid_t agent;             /* the polkit agent on this terminal, 0 if none */
};
