/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The mounts of Mount() and Bind() calls, their canonical text, and the fds that documents name. */

#include "tests/unit/spec/spec-cases.h"

static int parse_mounts(const char *text, struct spec_mount **ret, size_t *ret_n, struct failure *f) {
        return spec_parse_mounts(text, strlen(text), SIZE_MAX_OF_SPEC, ret, ret_n, f);
}

START_TEST(test_mounts) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct spec_mount *mounts = NULL;
        size_t n = 0;

        ck_assert_int_eq(parse_mounts("{\"destination\": \"/a\", \"type\": \"tmpfs\"}", &mounts, &n, &f), 0);
        ck_assert_uint_eq(n, 1);
        ck_assert_str_eq(mounts[0].pointer, "");
        spec_mounts_free(mounts, n);

        ck_assert_int_eq(parse_mounts("[{\"destination\": \"/a\"}, {\"destination\": \"/b\"}]", &mounts, &n, &f), 0);
        ck_assert_uint_eq(n, 2);
        ck_assert_str_eq(mounts[1].pointer, "/1");
        spec_mounts_free(mounts, n);
}
END_TEST

START_TEST(test_mounts_refused) {
        static const struct {
                const char *text;
                enum failure_kind kind;
                const char *begin;
        } cases[] = {
                {"[]", FAILURE_INVALID_SPEC, "document: "},
                {"7", FAILURE_INVALID_SPEC, "document: "},
                {"{}", FAILURE_INVALID_SPEC, "/destination: "},
                {"[{}]", FAILURE_INVALID_SPEC, "/0/destination: "},
                {"[1]", FAILURE_INVALID_SPEC, "/0: "},
                {"[{\"destination\": \"/a\"}, {\"destination\": \"/a/.\"}]", FAILURE_INVALID_SPEC, "/1/destination: "},
                {"{\"destination\": \"/a\", \"target\": \"/b\"}", FAILURE_INVALID_SPEC, "/target: "},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_failure_ struct failure f = FAILURE_INIT;
                struct spec_mount *mounts = NULL;
                size_t n = 0;

                ck_assert_int_eq(parse_mounts(cases[i].text, &mounts, &n, &f), cases[i].kind);
                ck_assert_msg(strncmp(f.text, cases[i].begin, strlen(cases[i].begin)) == 0, "%s", f.text);
                ck_assert_ptr_null(mounts);
        }
}
END_TEST

static void check_bind(const char *source, const char *const *options, const char *text) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(spec_mount_done) struct spec_mount mount = {.pointer = NULL};
        _cleanup_strv_ char **copy = NULL;
        _cleanup_free_ char *canonical = NULL;

        for (; options && *options; options++)
                ck_assert_int_eq(strv_append(&copy, *options), 0);
        ck_assert_int_eq(spec_mount_from_bind(source, "/a//b/", copy, &mount, &f), 0);
        ck_assert_int_eq(spec_mount_to_text(&mount, &canonical), 0);
        ck_assert_str_eq(canonical, text);
}

START_TEST(test_bind) {
        static const char *const ro[] = {"ro", NULL}, *const rbind[] = {"rro", "rbind", NULL};

        check_bind("/s", NULL, "{\"destination\":\"/a/b\",\"options\":[\"bind\"],\"source\":\"/s\",\"type\":\"bind\"}");
        check_bind("/s/.", ro,
                "{\"destination\":\"/a/b\",\"options\":[\"ro\",\"bind\"],\"source\":\"/s\",\"type\":\"bind\"}");
        check_bind("fd:x", rbind,
                "{\"destination\":\"/a/b\",\"options\":[\"rro\",\"rbind\"],\"source\":\"fd:x\",\"type\":\"bind\"}");
}
END_TEST

START_TEST(test_bind_refused) {
        static const struct {
                const char *source, *target, *option;
                enum failure_kind kind;
                const char *begin;
        } cases[] = {
                {"s", "/a", NULL, FAILURE_INVALID_ARGS, "source: "},
                {"", "/a", NULL, FAILURE_INVALID_ARGS, "source: "},
                {"fd:", "/a", NULL, FAILURE_INVALID_ARGS, "source: "},
                {"/a/..", "/a", NULL, FAILURE_INVALID_ARGS, "source: "},
                {"/s", "a", NULL, FAILURE_INVALID_TARGET, "target: "},
                {"/s", "", NULL, FAILURE_INVALID_TARGET, "target: "},
                {"/s", "/", NULL, FAILURE_INVALID_TARGET, "target: "},
                {"/s", "/a/../b", NULL, FAILURE_INVALID_TARGET, "target: "},
                {"/s", "/a", "", FAILURE_INVALID_OPTION, "options: "},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_failure_ struct failure f = FAILURE_INIT;
                struct spec_mount mount = {.pointer = NULL};
                _cleanup_strv_ char **options = NULL;

                if (cases[i].option)
                        ck_assert_int_eq(strv_append(&options, cases[i].option), 0);
                ck_assert_int_eq(
                        spec_mount_from_bind(cases[i].source, cases[i].target, options, &mount, &f), cases[i].kind);
                ck_assert_msg(strncmp(f.text, cases[i].begin, strlen(cases[i].begin)) == 0, "%s", f.text);
                ck_assert_ptr_null(mount.pointer);
        }
}
END_TEST

/* What to_text() writes is read again as the same mount, whatever bytes the strings have. */
START_TEST(test_text_again) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(spec_mount_done) struct spec_mount mount = {.pointer = NULL};
        _cleanup_free_ char *one = NULL, *two = NULL;
        struct spec_mount *mounts = NULL;
        size_t n = 0;

        ck_assert_int_eq(spec_mount_from_bind("/s \t\n\"\\\xc3\xa9", "/t \"\\", NULL, &mount, &f), 0);
        ck_assert_int_eq(spec_mount_to_text(&mount, &one), 0);
        ck_assert_int_eq(parse_mounts(one, &mounts, &n, &f), 0);
        ck_assert_str_eq(mounts[0].source, mount.source);
        ck_assert_str_eq(mounts[0].destination, mount.destination);
        ck_assert_int_eq(spec_mount_to_text(mounts, &two), 0);
        ck_assert_str_eq(one, two);
        spec_mounts_free(mounts, n);
}
END_TEST

START_TEST(test_fd_names) {
        _cleanup_(spec_freep) struct spec *spec =
                parse("{\"podmount\": 1, \"containers\": ["
                      "{\"name\": \"a\", \"root\": {\"path\": \"fd:z\"}, \"mounts\": ["
                      "{\"destination\": \"/1\", \"type\": \"bind\", \"source\": \"fd:b\"}, "
                      "{\"destination\": \"/2\", \"type\": \"overlay\", \"options\": [\"lowerdir=fd:l1:/x:fd:l2\", "
                      "\"lowerdir+=fd:l3\", "
                      "\"upperdir=fd:u\", \"workdir=fd:w\"]}, "
                      "{\"destination\": \"/3\", \"type\": \"bind\", \"source\": \"/fd:x\"}]}, "
                      "{\"name\": \"b\", \"root\": {\"path\": \"/r\"}, \"mounts\": ["
                      "{\"destination\": \"/1\", \"type\": \"bind\", \"source\": \"fd:b\"}]}]}");
        _cleanup_strv_ char **names = NULL;
        _cleanup_free_ char *joined = NULL;

        ck_assert_int_eq(spec_fd_names(spec, &names), 0);
        joined = strv_join(names, " ");
        ck_assert_str_eq(joined, "z b l1 l2 l3 u w");
}
END_TEST

START_TEST(test_no_fd_names) {
        _cleanup_strv_ char **names = NULL;

        ck_assert_int_eq(spec_mounts_fd_names(NULL, 0, &names), 0);
        ck_assert_ptr_nonnull(names);
        ck_assert_ptr_null(names[0]);
}
END_TEST

UNIT_MAIN("spec-mount", test_mounts, test_mounts_refused, test_bind, test_bind_refused, test_text_again, test_fd_names,
        test_no_fd_names)
