/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Replies as JSON: every type of the contract, and structures with their names. */

#include <string.h>
#include <sys/socket.h>

#include "client/value.h"
#include "tests/unit/unit.h"

/* A message of our own, sealed and rewound, as if it had been received. */
struct fixture {
        sd_bus *bus;
        sd_bus_message *m;
        int peer;
};

static struct fixture fixture_new(void) {
        struct fixture fixture = {0};
        int ends[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        ck_assert_int_ge(sd_bus_new(&fixture.bus), 0);
        ck_assert_int_ge(sd_bus_set_fd(fixture.bus, ends[0], ends[0]), 0);
        ck_assert_int_ge(sd_bus_negotiate_fds(fixture.bus, true), 0);
        ck_assert_int_ge(sd_bus_start(fixture.bus), 0);
        ck_assert_int_ge(
                sd_bus_message_new_signal(fixture.bus, &fixture.m, "/org/podmount1", "org.podmount1.Test", "Test"), 0);
        fixture.peer = ends[1];
        return fixture;
}

static void fixture_done(struct fixture *fixture) {
        sd_bus_message_unref(fixture->m);
        sd_bus_close_unref(fixture->bus);
        (void) close_fd(fixture->peer); /* returns -1 */
}

static void assert_reads(struct fixture *fixture, const char *expected) {
        _cleanup_json_ struct json_object *value = NULL;

        ck_assert_int_ge(sd_bus_message_seal(fixture->m, 1, 0), 0);
        ck_assert_int_ge(sd_bus_message_rewind(fixture->m, true), 0);
        ck_assert_int_eq(bus_json_read_as_is(fixture->m, &value), 0);
        ck_assert_str_eq(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE),
                expected);
}

START_TEST(test_properties) {
        struct fixture fixture = fixture_new();

        ck_assert_int_ge(sd_bus_message_append(fixture.m, "a{sv}", 4, "UUID", "s", "x/y", "MountCount", "u", 7,
                                 "Drifted", "b", 1, "Containers", "as", 2, "a", "b"),
                0);
        assert_reads(&fixture, "{\"UUID\":\"x/y\",\"MountCount\":7,\"Drifted\":true,\"Containers\":[\"a\",\"b\"]}");
        fixture_done(&fixture);
}
END_TEST

START_TEST(test_numbers) {
        struct fixture fixture = fixture_new();

        ck_assert_int_ge(
                sd_bus_message_append(fixture.m, "(ynqiuxtd)", 1, -2, 3, -4, 4294967295U, INT64_MIN, UINT64_MAX, 0.5),
                0);
        assert_reads(&fixture, "[1,-2,3,-4,4294967295,-9223372036854775808,18446744073709551615,0.5]");
        fixture_done(&fixture);
}
END_TEST

START_TEST(test_fd_is_null) {
        struct fixture fixture = fixture_new();

        ck_assert_int_ge(sd_bus_message_append(fixture.m, "(sh)", "fd", fixture.peer), 0);
        assert_reads(&fixture, "[\"fd\",null]");
        fixture_done(&fixture);
}
END_TEST

START_TEST(test_named_structures) {
        static const char *const names[] = {"UUID", "Outcome", "Details", NULL}, *const too_few[] = {"UUID", NULL};
        struct fixture fixture = fixture_new();
        _cleanup_json_ struct json_object *structures = NULL, *named = NULL, *refused = NULL;

        ck_assert_int_ge(sd_bus_message_append(
                                 fixture.m, "a(ssa{sv})", 2, "u1", "removed", 0, "u2", "busy", 1, "Message", "s", "m"),
                0);
        ck_assert_int_ge(sd_bus_message_seal(fixture.m, 1, 0), 0);
        ck_assert_int_ge(sd_bus_message_rewind(fixture.m, true), 0);
        ck_assert_int_eq(bus_json_read_as_is(fixture.m, &structures), 0);
        ck_assert_int_eq(value_name_fields(structures, names, &named), 0);
        ck_assert_str_eq(json_object_to_json_string_ext(named, JSON_C_TO_STRING_PLAIN),
                         "[{\"UUID\":\"u1\",\"Outcome\":\"removed\",\"Details\":{}},"
                         "{\"UUID\":\"u2\",\"Outcome\":\"busy\",\"Details\":{\"Message\":\"m\"}}]");
        ck_assert_int_eq(value_name_fields(structures, too_few, &refused), -EBADMSG);
        fixture_done(&fixture);
}
END_TEST

START_TEST(test_refused) {
        struct fixture fixture = fixture_new();
        _cleanup_json_ struct json_object *value = NULL;

        ck_assert_int_ge(sd_bus_message_append(fixture.m, "a{us}", 1, 7, "number as a key"), 0);
        ck_assert_int_ge(sd_bus_message_seal(fixture.m, 1, 0), 0);
        ck_assert_int_ge(sd_bus_message_rewind(fixture.m, true), 0);
        ck_assert_int_eq(bus_json_read_as_is(fixture.m, &value), -EBADMSG);
        fixture_done(&fixture);
}
END_TEST

START_TEST(test_end) {
        struct fixture fixture = fixture_new();
        _cleanup_json_ struct json_object *value = NULL;

        ck_assert_int_ge(sd_bus_message_seal(fixture.m, 1, 0), 0);
        ck_assert_int_ge(sd_bus_message_rewind(fixture.m, true), 0);
        ck_assert_int_eq(bus_json_read_as_is(fixture.m, &value), -EBADMSG);
        fixture_done(&fixture);
}
END_TEST

START_TEST(test_members) {
        _cleanup_json_ struct json_object *object =
                json_tokener_parse("{\"s\":\"x\",\"n\":18446744073709551615,\"a\":[1],\"z\":null}");

        ck_assert_str_eq(value_string(object, "s", "-"), "x");
        ck_assert_str_eq(value_string(object, "n", "-"), "-");
        ck_assert_str_eq(value_string(object, "z", "-"), "-");
        ck_assert_str_eq(value_string(NULL, "s", "-"), "-");
        ck_assert_uint_eq(value_u64(object, "n"), UINT64_MAX);
        ck_assert_uint_eq(value_u64(object, "s"), 0);
        ck_assert_ptr_nonnull(value_array(object, "a"));
        ck_assert_ptr_null(value_array(object, "s"));
        ck_assert_ptr_null(value_array(NULL, "a"));
}
END_TEST

START_TEST(test_uuid) {
        _cleanup_free_ char *uuid = value_uuid_from_path("/org/podmount1/pod/6f1c0f5e_0000_4000_8000_000000000001");

        ck_assert_str_eq(uuid, "6f1c0f5e-0000-4000-8000-000000000001");
        ck_assert_ptr_null(value_uuid_from_path("/org/podmount1"));
        ck_assert_ptr_null(value_uuid_from_path("/org/podmount1/pod/a/b"));
        ck_assert_ptr_null(value_uuid_from_path("/org/podmount1/podium/a"));
}
END_TEST

UNIT_MAIN("client/value", test_properties, test_numbers, test_fd_is_null, test_named_structures, test_refused, test_end,
        test_members, test_uuid)
