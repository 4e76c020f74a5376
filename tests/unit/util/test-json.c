/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* JSON: what is refused, with its place; and the canonical form. */

#include "util/json.h"

#include <string.h>

#include "../unit.h"

static void check_refused_bytes(const char *text, size_t size, const char *expected) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct json_object *object = NULL;

        ck_assert_msg(json_parse(text, size, &object, &f) == FAILURE_INVALID_SPEC, "accepted: %s", text);
        ck_assert_ptr_null(object);
        ck_assert_msg(strstr(f.text, expected), "%s: \"%s\" lacks \"%s\"", text, f.text, expected);
}

static void check_refused(const char *text, const char *expected) {
        check_refused_bytes(text, strlen(text), expected);
}

static void check_accepted(const char *text, const char *canonical) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_json_ struct json_object *object = NULL;
        _cleanup_free_ char *form = NULL;

        ck_assert_msg(json_parse(text, strlen(text), &object, &f) == 0, "%s: %s", text, f.text);
        form = json_canonical(object);
        ck_assert_str_eq(form, canonical);
}

START_TEST(test_accepted) {
        check_accepted("{}", "{}");
        check_accepted(" [ ] \n", "[]");
        check_accepted("null", "null");
        check_accepted("12", "12");
        check_accepted("-0.5e1", "-0.5e1");
        check_accepted("999999999999999999", "999999999999999999");
        check_accepted("\"\\u00e4\\ud83d\\ude00\\/\"", "\"\xc3\xa4\xf0\x9f\x98\x80/\"");
        check_accepted("{\"b\":[1, true,false ,null],\"a\":{\"d\":{},\"c\":\"x\\ny\"}}",
                       "{\"a\":{\"c\":\"x\\ny\",\"d\":{}},\"b\":[1,true,false,null]}");
        check_accepted("{\"a\\\"b\\\\\":\"\\u0001\\u007f\\\"\\\\\\t\"}", "{\"a\\\"b\\\\\":\"\\u0001\x7f\\\"\\\\\\t\"}");
        /* The same key in different objects is no duplicate. */
        check_accepted("[{\"a\":1},{\"a\":{\"a\":2}}]", "[{\"a\":1},{\"a\":{\"a\":2}}]");
}
END_TEST

START_TEST(test_syntax) {
        check_refused("", "line 1, column 1: a value is expected");
        check_refused("  ", "column 3");
        check_refused("nul", "a value is expected");
        check_refused("NULL", "a value is expected");
        check_refused("True", "a value is expected");
        check_refused("NaN", "a value is expected");
        check_refused("-Infinity", "a digit is missing");
        check_refused("{'a':1}", "column 2: a key in double quotes");
        check_refused("{\"a\" 1}", "column 6: a colon");
        check_refused("{\"a\":1,}", "column 8: a key in double quotes");
        check_refused("[1,]", "column 4: a value is expected");
        check_refused("[1 2]", "column 4: a comma or ] is expected");
        check_refused("[1", "column 3: a comma or ]");
        check_refused("{\"a\":1", "a comma or }");
        check_refused("{} {}", "column 4: there is something after the end");
        check_refused("{}\n\n  x", "line 3, column 3");
        check_refused("/* c */ {}", "column 1");
        check_refused("01", "must not begin with a zero");
        check_refused("+1", "a value is expected");
        check_refused("1.", "after the decimal point");
        check_refused("1e", "in the exponent");
        check_refused("9999999999999999999", "too long");
}
END_TEST

START_TEST(test_strings) {
        check_refused("\"abc", "inside a string");
        check_refused("\"a\tb\"", "must be escaped");
        check_refused("\"\\x41\"", "unknown escape");
        check_refused("\"\\u12g4\"", "four hexadecimal digits");
        check_refused("\"\\u0000\"", "NUL character");
        check_refused("\"\\ud800\"", "unpaired surrogate");
        check_refused("\"\\ud800\\u0041\"", "unpaired surrogate");
        check_refused("\"\\udc00\"", "unpaired surrogate");
        check_refused("[\"\xc3\xa4\", \"\xff\"]", "column 8: this byte is not UTF-8");
        check_refused("\"\xc0\xaf\"", "not UTF-8");
        check_refused_bytes("\"a\0b\"", 5, "must be escaped");
        check_refused_bytes("{}\0", 3, "after the end");
        check_refused_bytes("\0", 1, "a value is expected");
}
END_TEST

START_TEST(test_depth) {
        char text[2 * JSON_DEPTH_MAX + 3];
        _cleanup_free_ char *deep = malloc(100001);

        memset(text, '[', JSON_DEPTH_MAX);
        memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
        text[2 * JSON_DEPTH_MAX] = '\0';
        check_accepted(text, text);
        memset(text, '[', JSON_DEPTH_MAX + 1);
        memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
        text[2 * JSON_DEPTH_MAX + 2] = '\0';
        check_refused(text, "column 65: the text is nested too deep");
        memset(deep, '[', 100000);
        deep[100000] = '\0';
        check_refused(deep, "nested too deep");
}
END_TEST

START_TEST(test_duplicates) {
        check_refused("{\"a\":1,\"b\":2,\n \"a\":3}", "line 2, column 2: this key is there twice");
        check_refused("[{\"x\":{\"y\":1,\"y\":1}}]", "column 14: this key is there twice");
        check_refused("{\"a\":1,\"\\u0061\":2}", "a key is there twice");
}
END_TEST

START_TEST(test_pointer) {
        _cleanup_free_ char *a = json_pointer_join("", "mounts"), *b = json_pointer_join_index(a, 3),
                            *c = json_pointer_join(b, "a/b~c"), *d = json_pointer_join("", "");

        ck_assert_str_eq(b, "/mounts/3");
        ck_assert_str_eq(c, "/mounts/3/a~1b~0c");
        ck_assert_str_eq(d, "/");
}
END_TEST

START_TEST(test_halves) {
        static const char *const bad[] = {"[1]", "[1,2,3]", "[-1,2]", "[1,4294967296]", "[1,\"2\"]", "[1,2.0]", "7", "{}"};
        _cleanup_json_ struct json_object *good = json_tokener_parse("[4294967295,4294967294]");
        uint64_t number = 7;

        ck_assert(json_read_halves(good, &number));
        ck_assert_uint_eq(number, UINT64_MAX - 1);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_json_ struct json_object *object = json_tokener_parse(bad[i]);

                ck_assert_msg(!json_read_halves(object, &number), "%s", bad[i]);
        }
        ck_assert_uint_eq(number, UINT64_MAX - 1);
}
END_TEST

UNIT_MAIN("json", test_accepted, test_syntax, test_strings, test_depth, test_duplicates, test_pointer, test_halves)
