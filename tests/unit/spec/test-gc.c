/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A pod's gc program, as its spec names it. */

#include "tests/unit/spec/spec-cases.h"

#define CONTAINER(name) "{\"name\": \"" name "\", \"root\": {\"path\": \"/r\"}}"
#define OF(gc, containers) "{\"podmount\": 1, \"gc\": " gc ", \"containers\": [" containers "]}"

START_TEST(test_named) {
        _cleanup_(spec_freep) struct spec *one = parse(OF("{\"path\": \"/usr//lib/./gc/\"}", CONTAINER("a")));
        _cleanup_(spec_freep) struct spec *two = parse(OF("{\"path\": \"/gc\", \"container\": \"b\"}", CONTAINER("a") ", " CONTAINER("b")));
        _cleanup_(spec_freep) struct spec *none = parse("{\"podmount\": 1, \"containers\": [" CONTAINER("a") "]}");
        _cleanup_(spec_freep) struct spec *exported =
                parse("{\"podmount-export\": 1, \"gc\": {\"path\": \"/gc\"}, \"parts\": [{\"spec\": {\"podmount\": 1, \"containers\": [" CONTAINER("a") "]}}]}");

        ck_assert_str_eq(one->gc_path, "/usr/lib/gc");
        ck_assert_str_eq(one->gc_container, "a");
        ck_assert_str_eq(two->gc_path, "/gc");
        ck_assert_str_eq(two->gc_container, "b");
        ck_assert_ptr_null(none->gc_path);
        ck_assert_str_eq(exported->gc_path, "/gc");
        ck_assert_str_eq(exported->gc_container, "a");
}
END_TEST

START_TEST(test_refused) {
        static const struct {
                const char *spec, *words;
        } cases[] = {
                {OF("{}", CONTAINER("a")), "/gc/path: it is missing"},
                {OF("\"/gc\"", CONTAINER("a")), "/gc"},
                {OF("{\"path\": 1}", CONTAINER("a")), "/gc/path"},
                {OF("{\"path\": \"gc\"}", CONTAINER("a")), "/gc/path: \"gc\" is no absolute path"},
                {OF("{\"path\": \"/a/../gc\"}", CONTAINER("a")), "without \"..\""},
                {OF("{\"path\": \"/\"}", CONTAINER("a")), "of a file"},
                {OF("{\"path\": \"/gc\", \"args\": []}", CONTAINER("a")), "/gc/args"},
                {OF("{\"path\": \"/gc\", \"container\": \"b\"}", CONTAINER("a")), "/gc/container: the pod has no container \"b\""},
                {OF("{\"path\": \"/gc\"}", CONTAINER("a") ", " CONTAINER("b")), "/gc/container: it is missing; the pod has 2 containers"},
                {"{\"podmount-export\": 1, \"parts\": [{\"spec\": " OF("{\"path\": \"/gc\"}", CONTAINER("a")) "}]}", "/parts/0/spec: the \"gc\" of an export"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_failure_ struct failure f = FAILURE_INIT;
                struct spec *spec = NULL;

                ck_assert_msg(spec_parse(cases[i].spec, strlen(cases[i].spec), 1 << 20, 1000, &spec, &f) == FAILURE_INVALID_SPEC, "%s", cases[i].spec);
                ck_assert_msg(strstr(f.text, cases[i].words) != NULL, "\"%s\" is not in: %s", cases[i].words, f.text);
        }
}
END_TEST

START_TEST(test_not_added) {
        static const char text[] = OF("{\"path\": \"/gc\"}", CONTAINER("a"));
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct spec *spec = NULL;

        ck_assert_int_eq(spec_parse_container(text, strlen(text), 1 << 20, 1000, "a", &spec, &f), FAILURE_INVALID_SPEC);
        ck_assert_ptr_nonnull(strstr(f.text, "a container that is added has none"));
}
END_TEST

UNIT_MAIN("spec-gc", test_named, test_refused, test_not_added)
