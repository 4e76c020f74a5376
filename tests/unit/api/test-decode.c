/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Arguments from messages that sd-bus itself has written, good ones and bad ones. */

#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-bus.h>

#include "api/decode.h"
#include "api/method.h"
#include "dbus/names.h"
#include "unit.h"

static sd_bus *bus;

static void connect_bus(void) {
        int pair[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
        ck_assert_int_ge(sd_bus_new(&bus), 0);
        ck_assert_int_ge(sd_bus_set_fd(bus, pair[0], pair[0]), 0);
        ck_assert_int_ge(sd_bus_negotiate_fds(bus, true), 0);
        ck_assert_int_ge(sd_bus_start(bus), 0);
}

static sd_bus_message *new_call(const char *member) {
        sd_bus_message *m;

        if (!bus)
                connect_bus();
        ck_assert_int_ge(sd_bus_message_new_method_call(bus, &m, PODMOUNT_BUS_NAME, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, member), 0);
        return m;
}

/* Decodes the finished message as a call of this method, releases it, and returns what came of it. */
static int decode(sd_bus_message *m, struct arguments *ret, struct failure *f) {
        bool known;
        const struct method *method = method_find(OBJECT_MANAGER, PODMOUNT_MANAGER_INTERFACE, sd_bus_message_get_member(m), &known);
        int r;

        ck_assert_ptr_nonnull(method);
        ck_assert_int_ge(sd_bus_message_seal(m, 1, 0), 0);
        r = decode_arguments(m, method->in, method->keys, ret, f);
        if (r != 0)
                sd_bus_message_unref(m); /* else the arguments point into it; the process ends with the test */
        return r;
}

static void refuse(sd_bus_message *m, const char *words) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct arguments arguments = {};

        ck_assert_int_eq(decode(m, &arguments, &f), FAILURE_INVALID_ARGS);
        ck_assert_msg(f.text && strstr(f.text, words), "\"%s\" does not say \"%s\"", f.text ? f.text : "", words);
        ck_assert_ptr_null(arguments.fds); /* nothing was handed out */
}

START_TEST(test_bind) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_close_ int fd = open("/", O_PATH | O_CLOEXEC);
        struct arguments arguments = {};
        sd_bus_message *m = new_call("Bind");

        ck_assert_int_ge(sd_bus_message_append(m, "sssa{sh}a{sv}", "web", "fd:data", "/data", 1, "data", fd, 4, "container", "s", "main",
                                               "options", "as", 2, "ro", "nosuid", "stack", "b", 1, "timeout", "t", UINT64_C(5000000)),
                         0);
        ck_assert_int_eq(decode(m, &arguments, &f), 0);
        ck_assert_str_eq(arguments.id, "web");
        ck_assert_str_eq(arguments.source, "fd:data");
        ck_assert_str_eq(arguments.target, "/data");
        ck_assert_str_eq(arguments.container, "main");
        ck_assert_uint_eq(strv_length(arguments.options), 2);
        ck_assert_str_eq(arguments.options[1], "nosuid");
        ck_assert(arguments.stack);
        ck_assert_uint_eq(arguments.timeout_us, 5000000);
        ck_assert_uint_eq(arguments.n_fds, 1);
        ck_assert_str_eq(arguments.fd_names[0], "data");
        ck_assert_int_ne(arguments.fds[0], fd);
        ck_assert(fcntl(arguments.fds[0], F_GETFD) & FD_CLOEXEC);
        arguments_done(&arguments);
        ck_assert_uint_eq(arguments.n_fds, 0);
        sd_bus_message_unref(m);
}
END_TEST

START_TEST(test_gc) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct arguments arguments = {};
        sd_bus_message *m = new_call("GC");

        ck_assert_int_ge(sd_bus_message_append(m, "asa{sv}", 0, 2, "lazy", "b", 1, "dry-run", "b", 0), 0);
        ck_assert_int_eq(decode(m, &arguments, &f), 0);
        ck_assert_ptr_nonnull(arguments.ids); /* none, but given */
        ck_assert_ptr_null(arguments.ids[0]);
        ck_assert(arguments.lazy && !arguments.dry_run && !arguments.wait);
        arguments_done(&arguments);
        sd_bus_message_unref(m);
}
END_TEST

START_TEST(test_unknown_option) {
        sd_bus_message *m = new_call("GetPod");

        ck_assert_int_ge(sd_bus_message_append(m, "sa{sv}", "web", 0), 0);
        refuse(m, "the method takes 's'");

        m = new_call("ListMounts");
        ck_assert_int_ge(sd_bus_message_append(m, "sa{sv}", "web", 1, "colour", "s", "red"), 0);
        refuse(m, "Unknown option \"colour\"; this method takes: after, limit, timeout");
}
END_TEST

START_TEST(test_wrong_type) {
        sd_bus_message *m = new_call("ListMounts");

        ck_assert_int_ge(sd_bus_message_append(m, "sa{sv}", "web", 1, "limit", "t", UINT64_C(1)), 0);
        refuse(m, "\"limit\" is of D-Bus type 'u', not 't'");

        m = new_call("ListMounts");
        ck_assert_int_ge(sd_bus_message_append(m, "sa{sv}", "web", 1, "limit", "(u)", 1U), 0);
        refuse(m, "not '(u)'");
}
END_TEST

START_TEST(test_twice) {
        sd_bus_message *m = new_call("ListMounts");

        ck_assert_int_ge(sd_bus_message_append(m, "sa{sv}", "web", 2, "limit", "u", 1U, "limit", "u", 2U), 0);
        refuse(m, "\"limit\" is given twice");
}
END_TEST

static sd_bus_message *bind_with(const char *name, int fd) {
        sd_bus_message *m = new_call("Bind");

        ck_assert_int_ge(sd_bus_message_append(m, "sssa{sh}a{sv}", "web", "fd:x", "/x", 1, name, fd, 0), 0);
        return m;
}

START_TEST(test_fd_kinds) {
        _cleanup_close_ int event = eventfd(0, EFD_CLOEXEC), root = open("/", O_PATH | O_CLOEXEC);

        refuse(bind_with("x", event), "no file or directory but anon_inode:[eventfd]");
        refuse(bind_with("", root), "cannot name an fd");
        refuse(bind_with("a/b", root), "cannot name an fd");
}
END_TEST

START_TEST(test_fd_twice) {
        _cleanup_close_ int fd = open("/", O_PATH | O_CLOEXEC);
        sd_bus_message *m = new_call("Bind");

        ck_assert_int_ge(sd_bus_message_append(m, "sssa{sh}a{sv}", "web", "fd:x", "/x", 2, "x", fd, "x", fd, 0), 0);
        refuse(m, "Two fds are named \"x\"");
}
END_TEST

/* A refusal in the middle closes what was duplicated before. */
START_TEST(test_no_leak) {
        _cleanup_close_ int fd = open("/", O_PATH | O_CLOEXEC);
        int next, after;

        connect_bus();
        next = dup(fd);
        (void) close_fd(next);
        for (int i = 0; i < 10; i++) {
                sd_bus_message *m = new_call("Bind");

                ck_assert_int_ge(sd_bus_message_append(m, "sssa{sh}a{sv}", "web", "fd:x", "/x", 2, "x", fd, "y", fd, 1, "nonsense", "b", 1), 0);
                refuse(m, "Unknown option");
        }
        after = dup(fd);
        ck_assert_int_eq(after, next);
        (void) close_fd(after);
}
END_TEST

UNIT_MAIN("decode", test_bind, test_gc, test_unknown_option, test_wrong_type, test_twice, test_fd_kinds, test_fd_twice, test_no_leak)
