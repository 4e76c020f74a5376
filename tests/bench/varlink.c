/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whether there is a layer, of which there is none: a call that costs nothing but its way, which all requests take. */

#include "varlink.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "dbus/names.h"

static void must(int r, const char *what) {
        if (r >= 0)
                return;
        fprintf(stderr, "bench: %s: %s\n", what, strerror(-r));
        exit(EXIT_FAILURE);
}

static int connect_varlink(const char *socket_path) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        const char *slash = strrchr(socket_path, '/');
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        must(fd < 0 ? -errno : 0, "socket");
        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%.*s/varlink", (int) (slash - socket_path), socket_path); /* seen by connect() */
        must(connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0 ? -errno : 0, address.sun_path);
        return fd;
}

static double call_varlink(int fd) {
        static const char message[] = "{\"method\":\"org.podmount1.HasLayer\",\"parameters\":{\"id\":\"none\"}}"; /* with its NUL */
        static const char expected[] = "{\"parameters\":{\"exists\":false}}";
        char answer[256];
        size_t size = 0;
        double start = sample_now();

        must(write(fd, message, sizeof(message)) == (ssize_t) sizeof(message) ? 0 : -EIO, "write");
        do {
                ssize_t n = read(fd, answer + size, sizeof(answer) - size);

                must(n > 0 ? 0 : -EIO, "read");
                size += (size_t) n;
        } while (answer[size - 1]);
        must(strcmp(answer, expected) == 0 ? 0 : -EBADMSG, answer);
        return sample_now() - start;
}

static double call_dbus(sd_bus *bus) {
        sd_bus_message *reply = NULL;
        double start = sample_now();
        int exists = -1;

        must(sd_bus_call_method(bus, NULL, PODMOUNT_OBJECT_PATH, PODMOUNT_LAYER_STORE_INTERFACE, "LayerExists", NULL, &reply, "s", "none"), "LayerExists");
        must(sd_bus_message_read(reply, "b", &exists), "reply");
        (void) sd_bus_message_unref(reply);
        return sample_now() - start;
}

void varlink_measure(sd_bus *bus, const char *socket_path, size_t n, struct samples *varlink, struct samples *dbus) {
        int fd = connect_varlink(socket_path);

        (void) call_varlink(fd); /* the first one waits until the caller is known */
        (void) call_dbus(bus);
        for (size_t i = 0; i < n; i++) {
                samples_add(varlink, call_varlink(fd));
                samples_add(dbus, call_dbus(bus));
        }
        (void) close(fd);
}
