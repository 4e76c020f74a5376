/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cgroups in documents: whose they are, what can be one, and where else they may stand. */

#include <stdio.h>
#include <string.h>

#include "spec/spec.h"
#include "spec/wanted.h"
#include "tests/unit/unit.h"
#include "util/array.h"

#define OCI(names) "{\"ociVersion\": \"1.0.2\", \"root\": {\"path\": \"/r\"}, \"prepare\": {\"cgroups\": " names "}}"
#define BOX(name, names) "{\"name\": \"" name "\", \"root\": {\"path\": \"/r\"}, \"prepare\": {\"cgroups\": " names "}}"

static int parse(const char *text, struct spec **ret, struct failure *f) {
        return spec_parse(text, strlen(text), 1024 * 1024, 1000, ret, f);
}

static void refuse(const char *text, const char *begin, const char *words) {
        _cleanup_(spec_freep) struct spec *spec = NULL;
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        ck_assert_msg(parse(text, &spec, &f) == FAILURE_INVALID_SPEC, "not refused: %s", text);
        ck_assert_msg(strncmp(f.text, begin, strlen(begin)) == 0 && strstr(f.text, words), "%s: %s", text, f.text);
}

START_TEST(test_names) {
        static const char *const good[] = {"x", "...", "a..b", ".a", "gr\xc3\xbc\xc3\x9f", "a\\b"};
        static const char *const bad[] = {"", ".", "..", "/", "a/", "/a", "a/b", "a b", "\t", "a\n", "\x01", "a\x7f"};
        char name[SPEC_CGROUP_NAME_MAX + 2];

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                ck_assert_msg(spec_cgroup_is_name(good[i]), "%s", good[i]);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                ck_assert_msg(!spec_cgroup_is_name(bad[i]), "%zu", i);
        memset(name, 'x', sizeof(name));
        name[SPEC_CGROUP_NAME_MAX + 1] = '\0';
        ck_assert(!spec_cgroup_is_name(name));
        name[SPEC_CGROUP_NAME_MAX] = '\0';
        ck_assert(spec_cgroup_is_name(name));
}
END_TEST

/* Of all containers, each once. */
START_TEST(test_parsed) {
        static const struct wanted_facts facts = {.caller_is_root = true};
        _cleanup_(spec_freep) struct spec *spec = NULL, *none = NULL;
        _cleanup_(wanted_freep) struct wanted *wanted = NULL;
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        ck_assert_int_eq(parse("{\"podmount\": 1, \"containers\": [" BOX("a", "[\"x\", \"y\", \"x\"]") ", " BOX("b", "[\"z\", \"y\"]") "]}", &spec, &f), 0);
        ck_assert_uint_eq(strv_length(spec->cgroups), 3);
        ck_assert_str_eq(spec->cgroups[2], "z");
        ck_assert_str_eq(spec->cgroups_pointer, "/containers/0/prepare/cgroups");
        ck_assert_int_eq(wanted_from_spec(spec, &facts, &wanted, &f), 0);
        ck_assert_uint_eq(strv_length(wanted->cgroups), 3);
        ck_assert_int_eq(parse(OCI("[]"), &none, &f), 0);
        ck_assert_ptr_null(none->cgroups);
}
END_TEST

START_TEST(test_refused) {
        char names[70 * 8] = "[\"n\"";
        _cleanup_free_ char *many = NULL;

        refuse(OCI("\"x\""), "/prepare/cgroups: ", "");
        refuse(OCI("{}"), "/prepare/cgroups: ", "");
        refuse(OCI("[\"x\", 1]"), "/prepare/cgroups/1: ", "");
        refuse(OCI("[\"x\", \"\"]"), "/prepare/cgroups/1: ", "");
        refuse(OCI("[\"a/b\"]"), "/prepare/cgroups/0: ", "\"a/b\" is no name for a cgroup");
        refuse(OCI("[\"..\"]"), "/prepare/cgroups/0: ", "\"..\" is no name for a cgroup");
        for (int i = 0; i < SPEC_CGROUPS_MAX; i++)
                (void) snprintf(names + strlen(names), sizeof(names) - strlen(names), ", \"n%d\"", i);
        ck_assert_int_gt(asprintf(&many, OCI("%s]"), names), 0);
        refuse(many, "/prepare/cgroups/64: ", "at most 64");
}
END_TEST

/* An export has them for the whole pod; a container that is added has none. */
START_TEST(test_other_ways) {
        static const char export[] = "{\"podmount-export\": 1, \"cgroups\": [\"x\"], \"parts\": [{\"spec\": "
                                     "{\"ociVersion\": \"1.0.2\", \"root\": {\"path\": \"/r\"}}}]}";
        static const char inside[] = "{\"podmount-export\": 1, \"parts\": [{\"spec\": " OCI("[\"x\"]") "}]}";
        static const char added[] = OCI("[\"x\"]");
        _cleanup_(spec_freep) struct spec *spec = NULL, *container = NULL;
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        ck_assert_int_eq(parse(export, &spec, &f), 0);
        ck_assert_str_eq(spec->cgroups[0], "x");
        refuse(inside, "/parts/0/spec: ", "a member of the whole document");
        ck_assert_int_eq(spec_parse_container(added, strlen(added), 1024 * 1024, 1000, "side", &container, &f), FAILURE_INVALID_SPEC);
        ck_assert_msg(strncmp(f.text, "/prepare/cgroups: ", strlen("/prepare/cgroups: ")) == 0, "%s", f.text);
}
END_TEST

UNIT_MAIN("cgroups", test_names, test_parsed, test_refused, test_other_ways)
