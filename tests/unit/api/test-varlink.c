/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dbus/org.podmount1.varlink says what the method table, the property table and the failures say, no more and no less; and
 * calls become the messages that the table's decoder takes.
 */

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "admit/verdict.h"
#include "api/errors.h"
#include "api/property.h"
#include "api/varlink-connection.h"
#include "dbus/names.h"
#include "unit.h"
#include "util/array.h"

enum { WORDS_MAX = 4096 };

static char *words[WORDS_MAX]; /* of the description */
static size_t n_words;

/* The file as words: names, "->", "[]", "[string]", and single characters. */
static void read_words(void) {
        const char *p = NULL;

        for (const struct varlink_description *row = varlink_descriptions; row->name; row++)
                if (strcmp(row->name, VARLINK_INTERFACE) == 0)
                        p = row->text;
        ck_assert_ptr_nonnull(p);
        while (*p) {
                size_t length = 1;

                if (isspace((unsigned char) *p) || *p == '#') {
                        p += *p == '#' ? strcspn(p, "\n") : 1;
                        continue;
                }
                if (isalpha((unsigned char) *p))
                        length = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.");
                else if (*p == '[')
                        length = strcspn(p, "]") + 1;
                else if (*p == '-')
                        length = 2;
                ck_assert_uint_lt(n_words, WORDS_MAX);
                words[n_words++] = strndup(p, length);
                p += length;
        }
}

/* Where "<kind> <name>" stands: the word behind it. 0: nowhere. */
static size_t find_word(const char *kind, const char *name) {
        if (n_words == 0)
                read_words();
        for (size_t i = 0; i + 2 < n_words; i++)
                if (strcmp(words[i], kind) == 0 && strcmp(words[i + 1], name) == 0)
                        return i + 2;
        return 0;
}

static size_t count_words(const char *kind) {
        size_t n = 0;

        (void) find_word("", "");
        for (size_t i = 0; i + 2 < n_words; i++)
                n += strcmp(words[i], kind) == 0 && strcmp(words[i + 2], "(") == 0;
        return n;
}

static void expect(size_t *at, const char *word) {
        ck_assert_msg(*at < n_words && strcmp(words[*at], word) == 0, "%s instead of %s, after %s %s", words[*at], word, words[*at - 2], words[*at - 1]);
        (*at)++;
}

static void expect_type(size_t *at, const char *type, const char *fields, const struct option_key *keys);

/* "name: type", with a comma before it unless it is the first. */
static void expect_member(size_t *at, bool *first, const char *name, bool optional, const char *type, const char *fields,
                          const struct option_key *keys) {
        if (!*first)
                expect(at, ",");
        *first = false;
        expect(at, name);
        expect(at, ":");
        if (optional)
                expect(at, "?");
        expect_type(at, type, fields, keys);
}

/* A type of its own, of a structure's members or a dictionary's keys. */
static void expect_structure(const char *name, const char *types, const char *fields, const struct option_key *keys) {
        size_t at = find_word("type", name);
        bool first = true;

        ck_assert_msg(at > 0, "there is no type %s", name);
        if (!fields && !keys)
                return; /* what is in it, the calls of the integration tests tell */
        expect(&at, "(");
        for (; keys && keys->name; keys++) {
                _cleanup_free_ char *key = bus_json_key(keys->name, true);

                expect_member(&at, &first, key, true, keys->type, NULL, NULL);
        }
        for (; fields && *fields; fields += strspn(fields, " ")) {
                _cleanup_free_ char *field = strndup(fields, strcspn(fields, " ")), *type = strndup(types, bus_json_type_length(types));

                expect_member(&at, &first, field, false, type, NULL, NULL);
                types += strlen(type);
                fields += strlen(field);
        }
        ck_assert(!fields || *types == ')');
        expect(&at, ")");
}

static void expect_type(size_t *at, const char *type, const char *fields, const struct option_key *keys) {
        if (strcmp(type, "a{sv}") == 0)
                expect_structure(words[(*at)++], NULL, NULL, keys);
        else if (*type == '(')
                expect_structure(words[(*at)++], type + 1, fields, NULL);
        else if (strncmp(type, "a{s", 3) == 0) {
                _cleanup_free_ char *inner = strndup(type + 3, strlen(type) - 4);

                expect(at, "[string]");
                expect_type(at, inner, NULL, NULL);
        } else if (*type == 'a') {
                expect(at, "[]");
                expect_type(at, type + 1, fields, keys);
        } else
                expect(at, strchr("so", *type) ? "string" : *type == 'b' ? "bool" : "int");
}

static void expect_arguments(size_t *at, bool *first, const struct method *method) {
        for (const struct argument_row *row = method->in; row && row->name; row++)
                expect_member(at, first, row->name, row->kind == ARGUMENT_OPTIONS || row->kind == ARGUMENT_FDS, row->type, NULL,
                              row->kind == ARGUMENT_OPTIONS ? method->keys : NULL);
}

static void expect_method(const char *name, const struct varlink_method *found) {
        const struct method *method = found->method;
        bool first = true, import = strcmp(name, "ImportImage") == 0;
        size_t at = find_word("method", name);

        ck_assert_msg(at > 0, "%s is not in the description", name);
        expect(&at, "(");
        if (found->kind == VARLINK_OF_POD)
                expect_member(&at, &first, "id", false, "s", NULL, NULL);
        if (found->kind == VARLINK_LIST)
                expect_member(&at, &first, "id", true, "s", NULL, NULL);
        if (found->kind == VARLINK_PLAIN || found->kind == VARLINK_OF_POD)
                expect_arguments(&at, &first, method);
        if (varlink_method_may_ask(method))
                expect_member(&at, &first, "allowInteractiveAuthentication", true, "b", NULL, NULL);
        expect(&at, ")");
        if (found->kind == VARLINK_LIST || found->kind == VARLINK_MONITOR)
                return; /* their answers have shapes of their own */
        expect(&at, "->");
        expect(&at, "(");
        first = true;
        for (const struct argument_row *row = method->out; row && row->name; row++)
                expect_member(&at, &first, row->name, import, row->type, row->fields, NULL);
        if (!import) /* which has its progress besides */
                expect(&at, ")");
}

START_TEST(test_methods) {
        size_t n = 0;

        for (const struct method *method = method_table; method->member; method++) {
                const char *name = varlink_method_name(method);
                struct varlink_method found;

                if (!name)
                        continue;
                ck_assert_msg(varlink_method_find(name, &found), "%s", name);
                ck_assert_msg(found.method == method, "%s is the name of two methods", name);
                expect_method(name, &found);
                n++;
        }
        ck_assert_uint_eq(count_words("method"), n);
}
END_TEST

/* Types, methods and errors share one space of names: varlinkctl validate-idl says so, too. */
START_TEST(test_symbols) {
        size_t n = 0;

        (void) find_word("", "");
        for (size_t i = 0; i + 2 < n_words; i++) {
                if (strcmp(words[i + 2], "(") != 0 || (strcmp(words[i], "type") != 0 && strcmp(words[i], "method") != 0 && strcmp(words[i], "error") != 0))
                        continue;
                n++;
                for (size_t j = i + 1; j + 2 < n_words; j++)
                        ck_assert_msg(strcmp(words[j + 2], "(") != 0 || strcmp(words[j + 1], words[i + 1]) != 0 ||
                                              (strcmp(words[j], "type") != 0 && strcmp(words[j], "method") != 0 && strcmp(words[j], "error") != 0),
                                      "%s is there twice", words[i + 1]);
        }
        ck_assert_uint_eq(n, count_words("type") + count_words("method") + count_words("error"));
}
END_TEST

/* What has no name over varlink has something that stands for it. */
START_TEST(test_nothing_is_left_out) {
        static const char *const stand_ins[][2] = {
                {"Unsubscribe", NULL}, {"Introspect", NULL}, {"Set", NULL}, {"Get", "Describe"},
        };
        struct varlink_method found;

        for (const struct method *method = method_table; method->member; method++) {
                bool known = varlink_method_name(method);

                if (strcmp(method->interface, PODMOUNT_POD_INTERFACE) == 0 && !known)
                        known = varlink_method_find(method->member, &found) && strcmp(found.method->interface, PODMOUNT_MANAGER_INTERFACE) == 0;
                for (size_t i = 0; i < ELEMENTSOF(stand_ins); i++)
                        known |= strcmp(stand_ins[i][0], method->member) == 0 &&
                                 (!stand_ins[i][1] || varlink_method_find(stand_ins[i][1], &found));
                ck_assert_msg(known, "%s.%s cannot be had over varlink", method->interface, method->member);
        }
        ck_assert(varlink_method_find_show(&found));
        ck_assert(!varlink_method_find("Subscribe", &found) && !varlink_method_find("", &found));
}
END_TEST

static void expect_properties(const char *type, const char *interface) {
        size_t at = find_word("type", type);
        bool first = true;

        ck_assert_uint_gt(at, 0);
        expect(&at, "(");
        for (const struct property_row *row = property_table; row->name; row++)
                if (strcmp(row->interface, interface) == 0)
                        expect_member(&at, &first, row->name, false, row->type, NULL, NULL);
        expect(&at, ")");
}

START_TEST(test_properties) {
        size_t at = find_word("type", "PodChange");
        bool first = true;

        expect_properties("Pod", PODMOUNT_POD_INTERFACE);
        expect_properties("Manager", PODMOUNT_MANAGER_INTERFACE);
        expect(&at, "(");
        for (const struct property_row *row = property_table; row->name; row++)
                if (strcmp(row->interface, PODMOUNT_POD_INTERFACE) == 0 && row->change == PROPERTY_SIGNALS)
                        expect_member(&at, &first, row->name, true, row->type, NULL, NULL);
        expect(&at, ")");
}
END_TEST

START_TEST(test_errors) {
        for (int kind = FAILURE_NONE + 1; kind < _FAILURE_KIND_MAX; kind++) {
                size_t at = find_word("error", strrchr(error_name((enum failure_kind) kind), '.') + 1);
                bool first = true;

                ck_assert_msg(at > 0, "%s is not in the description", error_name((enum failure_kind) kind));
                expect(&at, "(");
                expect_member(&at, &first, "message", false, "s", NULL, NULL);
                expect(&at, ")");
        }
        ck_assert_uint_eq(count_words("error"), _FAILURE_KIND_MAX - 1);
}
END_TEST

static sd_bus *bus;

static sd_bus *messages(void) {
        int pair[2];

        if (!bus) {
                ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
                ck_assert_int_ge(sd_bus_new(&bus), 0);
                ck_assert_int_ge(sd_bus_set_fd(bus, pair[0], pair[0]), 0);
                ck_assert_int_ge(sd_bus_negotiate_fds(bus, true), 0);
                ck_assert_int_ge(sd_bus_start(bus), 0);
        }
        return bus;
}

static int convert(const char *name, const char *text, struct bus_json_fds *fds, struct varlink_converted *ret, char **ret_parameter) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_json_ struct json_object *parameters = NULL;
        struct bus_json_fds none = {};
        struct varlink_method method;

        ck_assert(varlink_method_find(name, &method));
        ck_assert_int_eq(json_parse(text, strlen(text), &parameters, &f), 0);
        return varlink_convert_call(messages(), &method, parameters, fds ? fds : &none, ret, ret_parameter, &f);
}

START_TEST(test_convert) {
        _cleanup_(varlink_converted_done) struct varlink_converted converted = {};
        _cleanup_(bus_json_fds_done) struct bus_json_fds fds = {.n_fds = 1};
        _cleanup_(arguments_done) struct arguments arguments = {};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ char *parameter = NULL;
        struct varlink_method method;

        fds.fds = calloc(1, sizeof(int));
        fds.used = calloc(1, sizeof(bool));
        fds.fds[0] = open("/", O_PATH | O_CLOEXEC);
        ck_assert_int_eq(convert("Bind",
                                 "{\"options\":{\"options\":[\"ro\"],\"stack\":true,\"timeout\":5,\"container\":\"main\",\"namespace\":null},"
                                 "\"fds\":{\"a\":0},\"target\":\"/mnt\",\"source\":\"fd:a\",\"id\":\"web\",\"allowInteractiveAuthentication\":true}",
                                 &fds, &converted, &parameter),
                         0);
        ck_assert(converted.interactive);
        ck_assert_ptr_null(converted.id);
        ck_assert(varlink_method_find("Bind", &method));
        ck_assert_int_eq(decode_arguments(converted.m, method.method->in, method.method->keys, &arguments, &f), 0);
        ck_assert_str_eq(arguments.id, "web");
        ck_assert_str_eq(arguments.source, "fd:a");
        ck_assert_str_eq(arguments.target, "/mnt");
        ck_assert_str_eq(arguments.container, "main");
        ck_assert_ptr_null(arguments.namespace);
        ck_assert_str_eq(arguments.options[0], "ro");
        ck_assert(arguments.stack);
        ck_assert_uint_eq(arguments.timeout_us, 5);
        ck_assert_uint_eq(arguments.n_fds, 1);
}
END_TEST

START_TEST(test_convert_of_pod) {
        _cleanup_(varlink_converted_done) struct varlink_converted converted = {};
        _cleanup_free_ char *parameter = NULL;

        ck_assert_int_eq(convert("Collect", "{\"id\":\"web\",\"options\":{\"dry_run\":true}}", NULL, &converted, &parameter), 0);
        ck_assert_str_eq(converted.id, "web");
        ck_assert_str_eq(sd_bus_message_get_interface(converted.m), PODMOUNT_POD_INTERFACE);
        ck_assert_str_eq(sd_bus_message_get_signature(converted.m, true), "a{sv}");
}
END_TEST

/* Each option of each method, of a type that it is not, and each argument left out. */
START_TEST(test_convert_refuses) {
        for (const struct method *row = method_table; row->member; row++) {
                const char *name = varlink_method_name(row);
                struct varlink_method method;

                if (!name || !varlink_method_find(name, &method) || (method.kind != VARLINK_PLAIN && method.kind != VARLINK_OF_POD))
                        continue;
                for (const struct argument_row *argument = row->in; argument->name; argument++) {
                        _cleanup_json_ struct json_object *parameters = json_object_new_object();
                        _cleanup_failure_ struct failure f = FAILURE_INIT;
                        _cleanup_free_ char *wrong = NULL;
                        struct varlink_converted converted = {};
                        struct bus_json_fds none = {};

                        if (method.kind == VARLINK_OF_POD)
                                json_object_object_add(parameters, "id", json_object_new_string("x"));
                        for (const struct argument_row *other = row->in; other->name; other++)
                                if (other->type[0] == 's')
                                        json_object_object_add(parameters, other->name, json_object_new_string("x"));
                                else if (strcmp(other->type, "as") == 0)
                                        json_object_object_add(parameters, other->name, json_object_new_array());
                        json_object_object_add(parameters, argument->name, json_object_new_double(0.5));
                        if (argument->type[0] != 'h' && strchr("h", row->in->type[0]))
                                continue; /* its fd would be the first to be wrong */
                        ck_assert_int_eq(varlink_convert_call(messages(), &method, parameters, &none, &converted, &wrong, &f),
                                         FAILURE_INVALID_ARGS);
                        if (strcmp(row->member, "ApplyDiff") != 0)
                                ck_assert_str_eq(wrong, argument->name);
                        ck_assert_ptr_null(converted.m);
                }
        }
}
END_TEST

START_TEST(test_convert_names_what_is_wrong) {
        static const char *const rows[][2] = {
                {"{\"id\":\"x\",\"target\":\"/\",\"options\":{\"mount-id\":1}}", "options.mount-id"},
                {"{\"id\":\"x\",\"target\":\"/\",\"options\":{\"mount_id\":true}}", "options.mount_id"},
                {"{\"id\":\"x\",\"target\":\"/\",\"options\":{\"\":1}}", "options."},
                {"{\"id\":\"x\",\"target\":\"/\",\"fds\":{}}", "fds"},
                {"{\"id\":\"x\",\"target\":null}", "target"},
                {"{\"target\":\"/\"}", "id"},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct varlink_converted converted = {};
                _cleanup_free_ char *parameter = NULL;

                ck_assert_int_eq(convert("Unmount", rows[i][0], NULL, &converted, &parameter), FAILURE_INVALID_ARGS);
                ck_assert_str_eq(parameter, rows[i][1]);
        }
}
END_TEST

UNIT_MAIN("varlink", test_methods, test_symbols, test_nothing_is_left_out, test_properties, test_errors, test_convert, test_convert_of_pod, test_convert_refuses,
          test_convert_names_what_is_wrong)
