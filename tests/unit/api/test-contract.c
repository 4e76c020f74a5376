/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The contract is written down three times: for people and tools in dbus/'s XML, for the code in the tables of the api
 * floor, and for judgement in the verdicts. Each says what the others say, no more and no less.
 */

#include <stdio.h>
#include <string.h>

#include "admit/verdict.h"
#include "api/introspect.h"
#include "api/method.h"
#include "api/property.h"
#include "api/signals.h"
#include "dbus/names.h"
#include "unit.h"
#include "util/array.h"

static const struct argument_row no_arguments[] = {{}};

/* "CreatePod(s spec, a{sh} fds) -> (s uuid)" from a row of the table. */
static char *describe_method(const struct method *method) {
        char *text = NULL;
        size_t size;
        FILE *file = open_memstream(&text, &size);
        const struct argument_row *in = method->in ? method->in : no_arguments, *out = method->out ? method->out : no_arguments;

        ck_assert_ptr_nonnull(file);
        fprintf(file, "%s.%s(", method->interface, method->member);
        for (; in->name; in++)
                fprintf(file, "%s %s,", in->type, in->name);
        fprintf(file, ") -> (");
        for (; out->name; out++)
                fprintf(file, "%s %s,", out->type, out->name);
        fprintf(file, ")");
        ck_assert_int_eq(fclose(file), 0);
        return text;
}

/* The value of an attribute of the element at `element`; NULL if it has none. */
static char *attribute(const char *element, const char *name) {
        _cleanup_free_ char *start = NULL;
        const char *end = strchr(element, '>'), *found;

        ck_assert_ptr_nonnull(end);
        ck_assert_int_gt(asprintf(&start, " %s=\"", name), 0);
        found = strstr(element, start);
        if (!found || found > end)
                return NULL;
        found += strlen(start);
        return strndup(found, strcspn(found, "\""));
}

/* The end of an element: of "<x .../>" itself, or its "</x>". */
static const char *element_end(const char *element) {
        _cleanup_free_ char *closing = NULL;
        const char *end = strchr(element, '>');

        if (end[-1] == '/')
                return end;
        ck_assert_int_gt(asprintf(&closing, "</%.*s>", (int) strcspn(element + 1, " >"), element + 1), 0);
        end = strstr(end, closing);
        ck_assert_ptr_nonnull(end);
        return end;
}

static void write_arguments(FILE *file, const char *element, const char *direction) {
        const char *end = element_end(element);

        for (const char *arg = strstr(element, "<arg "); arg && arg < end; arg = strstr(arg + 1, "<arg ")) {
                _cleanup_free_ char *name = attribute(arg, "name"), *type = attribute(arg, "type"), *way = attribute(arg, "direction");

                ck_assert(name && type);
                if (!direction)
                        fprintf(file, "%s", type);
                else {
                        ck_assert_ptr_nonnull(way);
                        if (strcmp(way, direction) == 0)
                                fprintf(file, "%s %s,", type, name);
                }
        }
}

static char *describe_method_xml(const char *interface, const char *element) {
        _cleanup_free_ char *name = attribute(element, "name");
        char *text = NULL;
        size_t size;
        FILE *file = open_memstream(&text, &size);

        ck_assert(file && name);
        fprintf(file, "%s.%s(", interface, name);
        write_arguments(file, element, "in");
        fprintf(file, ") -> (");
        write_arguments(file, element, "out");
        fprintf(file, ")");
        ck_assert_int_eq(fclose(file), 0);
        return text;
}

static char *describe_signal_xml(const char *interface, const char *element) {
        _cleanup_free_ char *name = attribute(element, "name");
        char *text = NULL;
        size_t size;
        FILE *file = open_memstream(&text, &size);

        ck_assert(file && name);
        fprintf(file, "%s.%s ", interface, name);
        write_arguments(file, element, NULL);
        ck_assert_int_eq(fclose(file), 0);
        return text;
}

static char *describe_property_xml(const char *interface, const char *element) {
        _cleanup_free_ char *name = attribute(element, "name"), *type = attribute(element, "type"), *access = attribute(element, "access");
        const char *end = element_end(element), *change = "signals", *annotation = strstr(element, "EmitsChangedSignal");
        char *text;

        ck_assert(name && type && access);
        ck_assert_str_eq(access, "read");
        if (annotation && annotation < end)
                change = strstr(annotation, "\"const\"") && strstr(annotation, "\"const\"") < end ? "constant" : "silent";
        ck_assert_int_gt(asprintf(&text, "%s.%s %s %s", interface, name, type, change), 0);
        return text;
}

static char *describe_property(const struct property_row *row) {
        static const char *const changes[] = {[PROPERTY_CONSTANT] = "constant", [PROPERTY_SIGNALS] = "signals", [PROPERTY_SILENT] = "silent"};
        char *text;

        ck_assert_int_gt(asprintf(&text, "%s.%s %s %s", row->interface, row->name, row->type, changes[row->change]), 0);
        return text;
}

static int compare_strings(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

/* The same lines on both sides, in whatever order. */
static void compare(char **table, char **xml) {
        size_t n = strv_length(table);

        qsort(table, n, sizeof(*table), compare_strings);
        qsort(xml, strv_length(xml), sizeof(*xml), compare_strings);
        for (size_t i = 0; i < n && xml && xml[i]; i++)
                ck_assert_str_eq(table[i], xml[i]);
        ck_assert_uint_eq(n, strv_length(xml));
        ck_assert_uint_gt(n, 0);
}

static char **read_xml(const char *tag, char *(*describe)(const char *interface, const char *element)) {
        char **lines = NULL;

        for (const struct contract_xml *xml = contract_xml; xml->name; xml++)
                for (const char *element = strstr(xml->text, tag); element; element = strstr(element + 1, tag)) {
                        _cleanup_free_ char *line = describe(xml->name, element);

                        ck_assert_int_eq(strv_append(&lines, line), 0);
                }
        return lines;
}

static bool is_standard(const char *interface) {
        return strncmp(interface, "org.freedesktop.DBus.", strlen("org.freedesktop.DBus.")) == 0;
}

START_TEST(test_interfaces) {
        ck_assert_str_eq(contract_xml[0].name, PODMOUNT_MANAGER_INTERFACE);
        ck_assert_str_eq(contract_xml[1].name, PODMOUNT_POD_INTERFACE);
        ck_assert_str_eq(contract_xml[2].name, PODMOUNT_LAYER_STORE_INTERFACE);
        ck_assert_ptr_null(contract_xml[3].name);
        for (const struct contract_xml *xml = contract_xml; xml->name; xml++) {
                ck_assert_ptr_null(strstr(xml->text, "<!--"));
                ck_assert_ptr_nonnull(strstr(xml->text, "</interface>"));
        }
}
END_TEST

START_TEST(test_methods) {
        _cleanup_strv_ char **table = NULL, **xml = read_xml("<method ", describe_method_xml);

        for (const struct method *method = method_table; method->member; method++) {
                _cleanup_free_ char *line = describe_method(method);

                if (!is_standard(method->interface))
                        ck_assert_int_eq(strv_append(&table, line), 0);
        }
        compare(table, xml);
}
END_TEST

START_TEST(test_properties) {
        _cleanup_strv_ char **table = NULL, **xml = read_xml("<property ", describe_property_xml);

        for (const struct property_row *row = property_table; row->name; row++) {
                _cleanup_free_ char *line = describe_property(row);

                ck_assert_int_eq(strv_append(&table, line), 0);
        }
        compare(table, xml);
}
END_TEST

START_TEST(test_signals) {
        _cleanup_strv_ char **table = NULL, **xml = read_xml("<signal ", describe_signal_xml);

        for (const struct signal_row *row = signal_table; row->member; row++)
                ck_assert_int_eq(strv_appendf(&table, "%s.%s %s", row->interface, row->member, row->signature), 0);
        compare(table, xml);
}
END_TEST

START_TEST(test_verdicts) {
        size_t n_methods = 0, n_properties = 0, n;

        for (const struct method *method = method_table; method->member; method++, n_methods++)
                ck_assert_msg(verdict_find(method->interface, method->member, false), "%s.%s has no verdict", method->interface, method->member);
        for (const struct property_row *row = property_table; row->name; row++, n_properties++)
                ck_assert_msg(verdict_find(row->interface, row->name, true), "%s.%s has no verdict", row->interface, row->name);
        (void) verdict_table(&n);
        ck_assert_uint_eq(n, n_methods + n_properties); /* nor one for what there is not */
}
END_TEST

START_TEST(test_every_change_takes_a_timeout) {
        for (const struct method *method = method_table; method->member; method++) {
                bool timeout = false;

                for (const struct option_key *key = method->keys; key && key->name; key++)
                        timeout |= strcmp(key->name, "timeout") == 0 && strcmp(key->type, "t") == 0;
                ck_assert_int_eq(timeout, method->keys != NULL);
                /* Of some of the layer store's the signature has no place for options. */
                if (method->changes && strcmp(method->interface, PODMOUNT_LAYER_STORE_INTERFACE) != 0)
                        ck_assert(timeout);
        }
}
END_TEST

START_TEST(test_find) {
        bool known;

        ck_assert_ptr_nonnull(method_find(OBJECT_MANAGER, PODMOUNT_MANAGER_INTERFACE, "Bind", &known));
        ck_assert_ptr_nonnull(method_find(OBJECT_POD, NULL, "Collect", &known));
        ck_assert_ptr_null(method_find(OBJECT_POD, PODMOUNT_MANAGER_INTERFACE, "Bind", &known));
        ck_assert(!known);
        ck_assert_ptr_null(method_find(OBJECT_POD, PODMOUNT_POD_INTERFACE, "CreatePod", &known));
        ck_assert(known);
        ck_assert_ptr_null(method_find(OBJECT_NODE, "org.freedesktop.DBus.Properties", "Get", &known));
        ck_assert(!known);
        ck_assert_ptr_nonnull(method_find(OBJECT_NODE, "org.freedesktop.DBus.Introspectable", "Introspect", &known));
}
END_TEST

UNIT_MAIN("contract", test_interfaces, test_methods, test_properties, test_signals, test_verdicts, test_every_change_takes_a_timeout, test_find)
