/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every type of D-Bus from JSON and back, and what JSON cannot be. */

#include "util/bus-json.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "../unit.h"

static sd_bus *bus;

static sd_bus_message *new_message(void) {
        sd_bus_message *m;
        int pair[2];

        if (!bus) {
                ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
                ck_assert_int_ge(sd_bus_new(&bus), 0);
                ck_assert_int_ge(sd_bus_set_fd(bus, pair[0], pair[0]), 0);
                ck_assert_int_ge(sd_bus_negotiate_fds(bus, true), 0);
                ck_assert_int_ge(sd_bus_start(bus), 0);
        }
        ck_assert_int_ge(sd_bus_message_new_signal(bus, &m, "/", "org.example", "Example"), 0);
        return m;
}

static struct json_object *parse(const char *text) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct json_object *object;

        ck_assert_msg(json_parse(text, strlen(text), &object, &f) == 0, "%s: %s", text, f.text ? f.text : "");
        return object;
}

/* JSON to D-Bus and back: what it is then, canonically. */
static void turn(const char *type, const char *fields, const char *text, const char *expected) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = new_message();
        _cleanup_json_ struct json_object *object = parse(text), *again = NULL;
        _cleanup_free_ char *form = NULL;

        ck_assert_msg(bus_json_append(m, type, fields, object, NULL) >= 0, "%s as %s", text, type);
        ck_assert_int_ge(sd_bus_message_seal(m, 1, 0), 0);
        ck_assert_str_eq(sd_bus_message_get_signature(m, true), type);
        ck_assert_int_ge(sd_bus_message_rewind(m, true), 0);
        ck_assert_int_eq(bus_json_read(m, fields, NULL, &again), 0);
        form = json_canonical(again);
        ck_assert_str_eq(form, expected);
        ck_assert_int_eq(bus_json_read(m, fields, NULL, &again), -EBADMSG); /* there is nothing more */
}

static void refuse(const char *type, const char *fields, const char *text) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = new_message();
        _cleanup_json_ struct json_object *object = parse(text);

        ck_assert_msg(bus_json_append(m, type, fields, object, NULL) == -EBADMSG, "%s as %s", text, type);
}

START_TEST(test_basic) {
        turn("s", NULL, "\"\"", "\"\"");
        turn("s", NULL, "\"h\\u00e4\\n\"", "\"hä\\n\"");
        turn("o", NULL, "\"/org/podmount1\"", "\"/org/podmount1\"");
        turn("b", NULL, "true", "true");
        turn("b", NULL, "false", "false");
        turn("u", NULL, "4294967295", "4294967295");
        turn("t", NULL, "999999999999999999", "999999999999999999");
        turn("x", NULL, "-999999999999999999", "-999999999999999999");
}
END_TEST

START_TEST(test_made) {
        turn("as", NULL, "[]", "[]");
        turn("as", NULL, "[\"a\",\"\"]", "[\"a\",\"\"]");
        turn("at", NULL, "[0,1]", "[0,1]");
        turn("a{ss}", NULL, "{\"a-b\":\"c_d\",\"\":\"x\"}", "{\"\":\"x\",\"a-b\":\"c_d\"}");
        turn("a(ssuso)", "uuid name owner state pod", "[{\"pod\":\"/a\",\"uuid\":\"1\",\"name\":\"2\",\"owner\":3,\"state\":\"4\"}]",
             "[{\"name\":\"2\",\"owner\":3,\"pod\":\"/a\",\"state\":\"4\",\"uuid\":\"1\"}]");
        turn("a(sssa{sv})", "a b c d", "[{\"a\":\"\",\"b\":\"\",\"c\":\"\",\"d\":{\"ID\":1,\"Lazy\":true}}]",
             "[{\"a\":\"\",\"b\":\"\",\"c\":\"\",\"d\":{\"ID\":1,\"Lazy\":true}}]");
        turn("a{sv}", NULL, "{\"s\":\"x\",\"n\":-1,\"l\":[\"a\"],\"e\":[],\"o\":{\"p\":[{\"q\":1}]}}",
             "{\"e\":[],\"l\":[\"a\"],\"n\":-1,\"o\":{\"p\":[{\"q\":1}]},\"s\":\"x\"}");
        turn("aa{sv}", NULL, "[{},{\"a\":1}]", "[{},{\"a\":1}]");
        turn("a{oa{sa{sv}}}", NULL, "{\"/a\":{\"i\":{\"X\":1}}}", "{\"/a\":{\"i\":{\"X\":1}}}");
}
END_TEST

START_TEST(test_read_without_names) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = new_message();
        _cleanup_json_ struct json_object *object = NULL;
        _cleanup_free_ char *form = NULL;

        ck_assert_int_ge(sd_bus_message_append(m, "(ynqixd)", 1, -2, 3, -4, INT64_C(-5), 0.5), 0);
        ck_assert_int_ge(sd_bus_message_seal(m, 1, 0), 0);
        ck_assert_int_eq(bus_json_read(m, NULL, NULL, &object), 0);
        form = json_canonical(object);
        ck_assert_str_eq(form, "[1,-2,3,-4,-5,0.5]");
}
END_TEST

START_TEST(test_keys) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = new_message();
        _cleanup_json_ struct json_object *object = NULL;
        _cleanup_free_ char *form = NULL;

        ck_assert_int_ge(sd_bus_message_append(m, "a{sv}", 2, "dry-run", "b", 1, "mount-id", "t", UINT64_MAX), 0);
        ck_assert_int_ge(sd_bus_message_seal(m, 1, 0), 0);
        ck_assert_int_eq(bus_json_read(m, NULL, NULL, &object), 0);
        form = json_canonical(object);
        ck_assert_str_eq(form, "{\"dry_run\":true,\"mount_id\":18446744073709551615}");
}
END_TEST

START_TEST(test_refused) {
        static const char *const values[] = {"null", "true", "1", "1.5", "\"x\"", "[]", "{}", "[1]", "{\"a\":1}"};
        static const struct {
                const char *type, *good; /* of the values, by their first letters */
        } rows[] = {{"s", "\""}, {"b", "t"}, {"u", "1"}, {"t", "1"}, {"x", "1"}, {"as", "["}, {"a{ss}", "{"}, {"h", ""}, {"o", ""}, {"(s)", ""}};

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                for (size_t j = 0; j < ELEMENTSOF(values); j++)
                        if (values[j][0] != rows[i].good[0] || (values[j][1] && strchr("[{", values[j][0]) && !strchr("]}", values[j][1])) ||
                            strcmp(values[j], "1.5") == 0)
                                refuse(rows[i].type, "a", values[j]);
        refuse("u", NULL, "4294967296");
        refuse("u", NULL, "-1");
        refuse("t", NULL, "-1");
        refuse("as", NULL, "[\"a\",1]");
        refuse("a{ss}", NULL, "{\"a\":\"b\",\"c\":null}");
        refuse("a{sv}", NULL, "{\"a\":null}");
        refuse("a{sv}", NULL, "{\"a\":1.5}");
        refuse("a{sv}", NULL, "{\"a\":[1]}");
        refuse("o", NULL, "\"no/path\"");
        refuse("(ss)", "a b", "{\"a\":\"\"}");
        refuse("(ss)", "a b", "{\"a\":\"\",\"c\":\"\"}");
        refuse("(ss)", "a b", "{\"a\":\"\",\"b\":\"\",\"c\":\"\"}");
        refuse("(ss)", "a", "{\"a\":\"\"}");
        refuse("(s)", "a b", "{\"a\":\"\"}");
}
END_TEST

START_TEST(test_nul_and_bytes) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = new_message();
        struct json_object *nul = json_object_new_string_len("a\0b", 3), *bytes = json_object_new_string("\xff");

        ck_assert_int_eq(bus_json_append(m, "s", NULL, nul, NULL), -EBADMSG);
        ck_assert_int_eq(bus_json_append(m, "s", NULL, bytes, NULL), -EBADMSG);
        json_object_put(nul);
        json_object_put(bytes);
}
END_TEST

START_TEST(test_fds) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = new_message();
        _cleanup_json_ struct json_object *given = parse("{\"a\":1,\"b\":1}"), *none = parse("{\"a\":2}"), *object = NULL;
        _cleanup_(bus_json_fds_done) struct bus_json_fds sent = {.n_fds = 2}, received = {};
        _cleanup_free_ char *form = NULL;

        sent.fds = calloc(2, sizeof(int));
        sent.used = calloc(2, sizeof(bool));
        sent.fds[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        sent.fds[1] = open("/", O_PATH | O_CLOEXEC);
        ck_assert_int_ge(bus_json_append(m, "a{sh}", NULL, given, &sent), 0);
        ck_assert(!sent.used[0] && sent.used[1]);
        ck_assert_int_ge(sd_bus_message_seal(m, 1, 0), 0);
        ck_assert_int_eq(bus_json_read(m, NULL, &received, &object), 0);
        form = json_canonical(object);
        ck_assert_str_eq(form, "{\"a\":0,\"b\":1}");
        ck_assert_uint_eq(received.n_fds, 2);
        ck_assert_int_ge(fcntl(received.fds[1], F_GETFL) & O_PATH, O_PATH);
        ck_assert_int_eq(fcntl(received.fds[1], F_GETFD), FD_CLOEXEC);

        m = sd_bus_message_unref(m);
        m = new_message();
        ck_assert_int_eq(bus_json_append(m, "a{sh}", NULL, none, &sent), -EBADMSG);
}
END_TEST

START_TEST(test_type_length) {
        ck_assert_uint_eq(bus_json_type_length(""), 0);
        ck_assert_uint_eq(bus_json_type_length("sa{sv}"), 1);
        ck_assert_uint_eq(bus_json_type_length("a{sv}s"), 5);
        ck_assert_uint_eq(bus_json_type_length("a(ssa{sv})t"), 10);
        ck_assert_uint_eq(bus_json_type_length("("), 0);
        ck_assert_uint_eq(bus_json_type_length("a"), 0);
        ck_assert_uint_eq(bus_json_type_length("!"), 0);
}
END_TEST

UNIT_MAIN("bus-json", test_basic, test_made, test_read_without_names, test_keys, test_refused, test_nul_and_bytes, test_fds, test_type_length)
