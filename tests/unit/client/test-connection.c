/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The address of a socket, whatever its path holds, and the sentence for one that nobody listens on. */

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "client/connection.h"
#include "tests/unit/unit.h"

START_TEST(test_address) {
        _cleanup_free_ char *plain = connection_address("/run/podmount/socket");
        _cleanup_free_ char *odd = connection_address("/tmp/a b,c;d=e%f\xc3\xa9");

        ck_assert_str_eq(plain, "unix:path=/run/podmount/socket");
        ck_assert_str_eq(odd, "unix:path=/tmp/a%20b%2cc%3bd%3de%25f%c3%a9");
}
END_TEST

START_TEST(test_nobody_listens) {
        struct client client = {.transport = CLIENT_SOCKET, .where = "/nonexistent/socket"};

        ck_assert_int_eq(connection_open(&client), EXIT_FAILURE);
        ck_assert_ptr_null(client.bus);
        connection_close(&client);
}
END_TEST

START_TEST(test_odd_path_is_found) {
        char directory[] = "/tmp/podmount test,XXXXXX";
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_close_ int listener = -1;
        _cleanup_free_ char *path = NULL, *dbus_address = NULL;
        sd_bus *bus = NULL;

        ck_assert_ptr_nonnull(mkdtemp(directory));
        ck_assert_int_gt(asprintf(&path, "%s/s=1", directory), 0);
        memcpy(address.sun_path, path, strlen(path) + 1);
        listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(bind(listener, (struct sockaddr *) &address, sizeof(address)), 0);
        ck_assert_int_eq(listen(listener, 1), 0);

        dbus_address = connection_address(path);
        ck_assert_int_ge(sd_bus_new(&bus), 0);
        ck_assert_int_ge(sd_bus_set_address(bus, dbus_address), 0);
        ck_assert_int_ge(sd_bus_start(bus), 0);
        sd_bus_close_unref(bus);
        ck_assert_int_eq(unlink(path), 0);
        ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

UNIT_MAIN("client/connection", test_address, test_nobody_listens, test_odd_path_is_found)
