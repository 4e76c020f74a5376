/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Opens the connection and proves it with one Peer.Ping, so that "no daemon there" is told as such and once, and so
 * that the automatic choice can go on from a bus that knows no org.podmount1 to the daemon's own socket.
 */

#include <ctype.h>
#include <string.h>

#include "client/agent.h"
#include "client/connection.h"
#include "client/report.h"
#include "client/varlink.h"
#include "dbus/names.h"
#include "util/cleanup.h"

enum { PING_TIMEOUT_US = 25 * 1000 * 1000 }; /* an activated daemon may start first */

char *connection_address(const char *path) {
        static const char digits[] = "0123456789abcdef";
        char *address, *to;

        address = malloc(strlen("unix:path=") + strlen(path) * 3 + 1);
        if (!address)
                return NULL;
        to = stpcpy(address, "unix:path=");
        for (const unsigned char *p = (const unsigned char *) path; *p; p++) {
                if ((*p < 0x80 && isalnum(*p)) || strchr("-_/.\\*", *p)) {
                        *to++ = (char) *p;
                } else {
                        *to++ = '%';
                        *to++ = digits[*p >> 4];
                        *to++ = digits[*p & 15];
                }
        }
        *to = '\0';
        return address;
}

static int open_socket(const char *path, sd_bus **ret) {
        sd_bus *bus = NULL;
        _cleanup_free_ char *address = connection_address(path);
        int r;

        if (!address)
                return -ENOMEM;
        r = sd_bus_new(&bus);
        if (r < 0)
                return r;
        r = sd_bus_set_address(bus, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, false);
        if (r >= 0)
                r = sd_bus_negotiate_fds(bus, true);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0) {
                sd_bus_close_unref(bus);
                return r;
        }
        *ret = bus;
        return 0;
}

static int ping(sd_bus *bus, bool bus_client, sd_bus_error *error) {
        sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &m, bus_client ? PODMOUNT_BUS_NAME : NULL, PODMOUNT_OBJECT_PATH,
                                           "org.freedesktop.DBus.Peer", "Ping");
        if (r >= 0)
                r = sd_bus_call(bus, m, PING_TIMEOUT_US, error, &reply);
        sd_bus_message_unref(m);
        sd_bus_message_unref(reply);
        return r;
}

/* Takes the bus over if a daemon answers on it; else lets it go. */
static int adopt(struct client *client, sd_bus *bus, bool bus_client, const char *reached, sd_bus_error *error) {
        int r = ping(bus, bus_client, error);

        if (r >= 0) {
                client->reached = strdup(reached);
                r = client->reached ? 0 : -ENOMEM;
        }
        if (r < 0) {
                sd_bus_close_unref(bus);
                return r;
        }
        client->bus = bus;
        client->bus_client = bus_client;
        return 0;
}

static int try_socket(struct client *client, const char *path, sd_bus_error *error) {
        sd_bus *bus;
        int r = open_socket(path, &bus);

        return r < 0 ? r : adopt(client, bus, false, path, error);
}

static int open_named_socket(struct client *client) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = try_socket(client, client->where, &error);

        if (r >= 0)
                return 0;
        if (sd_bus_error_is_set(&error))
                r = report_bus_error(&error, r);
        else if (r == -ENOENT || r == -ECONNREFUSED)
                r = report_error(
                        "No podmountd listens on %s; start it, or name its socket with --socket", client->where);
        else
                r = report_errno(r, "Cannot connect to %s", client->where);
        sd_bus_error_free(&error);
        return r;
}

/* Whether the bus works and has nobody by our name, so that the socket is worth a try. */
static bool nobody_there(const sd_bus_error *error) {
        return sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
               sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER);
}

static int open_automatic(struct client *client) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus *bus = NULL;
        const char *address;
        bool bus_works = false;
        int r, socket;

        r = sd_bus_open_system(&bus);
        if (r >= 0) {
                address = NULL;
                (void) sd_bus_get_address(bus, &address); /* for people only */
                r = adopt(client, bus, true, address ? address : "the system bus", &error);
                bus_works = sd_bus_error_is_set(&error);
        }
        if (r < 0 && (!sd_bus_error_is_set(&error) || nobody_there(&error))) {
                sd_bus_error socket_error = SD_BUS_ERROR_NULL;

                socket = try_socket(client, PODMOUNT_SOCKET, &socket_error);
                sd_bus_error_free(&socket_error); /* what the bus said is told: it is the first choice */
                if (socket >= 0)
                        r = 0;
        }
        if (r < 0) {
                if (bus_works)
                        r = report_bus_error(&error, r);
                else
                        r = report_errno(r,
                                "No podmountd on %s, and the system bus cannot be reached; start it with "
                                "`systemctl start podmountd`, or name its socket with --socket",
                                PODMOUNT_SOCKET);
        }
        sd_bus_error_free(&error);
        return r;
}

static int open_elsewhere(struct client *client) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus *bus = NULL;
        int r;

        r = client->transport == CLIENT_HOST ? sd_bus_open_system_remote(&bus, client->where)
                                             : sd_bus_open_system_machine(&bus, client->where);
        if (r >= 0)
                r = adopt(client, bus, true, client->where, &error);
        if (r < 0 && sd_bus_error_is_set(&error))
                r = report_bus_error(&error, r);
        else if (r < 0)
                r = report_errno(r, "Cannot reach the system bus of %s", client->where);
        sd_bus_error_free(&error);
        return r;
}

int connection_open(struct client *client) {
        int r = EXIT_FAILURE;

        switch (client->transport) {
        case CLIENT_AUTOMATIC:
                r = open_automatic(client);
                break;
        case CLIENT_SOCKET:
                r = open_named_socket(client);
                break;
        case CLIENT_VARLINK:
                r = varlink_open(client);
                break;
        case CLIENT_HOST:
        case CLIENT_MACHINE:
                r = open_elsewhere(client);
                break;
        }
        if (r != 0)
                return r;
        if (((client->transport == CLIENT_AUTOMATIC && client->bus_client) || client->transport == CLIENT_VARLINK) && client->ask_password)
                client->agent = agent_start();
        return 0;
}

void connection_close(struct client *client) {
        agent_stop(client->agent);
        client->agent = 0;
        varlink_close(client);
        client->bus = sd_bus_flush_close_unref(client->bus);
        free(client->reached);
        client->reached = NULL;
}
