/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is printed for people: cells, and the tree whatever the order and the parents of its mounts. */

#include <string.h>

#include "client/render.h"
#include "tests/unit/unit.h"

START_TEST(test_text) {
        static const struct {
                const char *key;
                enum render_kind kind;
                const char *expected;
        } cases[] = {
                {"s", RENDER_TEXT, "x"},
                {"n", RENDER_TEXT, "18446744073709551615"},
                {"b", RENDER_TEXT, "yes"},
                {"a", RENDER_TEXT, "x,y"},
                {"e", RENDER_TEXT, ""},
                {"gone", RENDER_TEXT, ""},
                {"root", RENDER_USER, "root"},
                {"nobody", RENDER_USER, "4242424242"},
        };
        _cleanup_json_ struct json_object *object =
                json_tokener_parse("{\"s\":\"x\",\"n\":18446744073709551615,\"b\":true,\"a\":[\"x\",\"y\"],\"e\":[],"
                                   "\"root\":0,\"nobody\":4242424242}");

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = render_text(object, cases[i].key, cases[i].kind);

                ck_assert_str_eq(text, cases[i].expected);
        }
}
END_TEST

/* Runs `print` with stdout in a file, whose content is returned. */
static char *printed(struct json_object *value, int (*print)(struct json_object *)) {
        char *text = NULL;
        size_t size = 0;
        FILE *memory = open_memstream(&text, &size), *before = stdout;

        ck_assert_ptr_nonnull(memory);
        stdout = memory;
        ck_assert_int_eq(print(value), 0);
        stdout = before;
        ck_assert_int_eq(fclose(memory), 0);
        return text;
}

START_TEST(test_tree) {
        /* a child before its parent, a parent that is not the pod's, and one that is its own parent */
        _cleanup_json_ struct json_object *pods = json_tokener_parse(
                "[{\"UUID\":\"u1\",\"Name\":\"web\",\"State\":\"ready\",\"Mounts\":["
                "{\"ID\":3,\"ParentID\":2,\"Container\":\"main\",\"Target\":\"/"
                "proc\",\"Type\":\"proc\",\"State\":\"ok\"},"
                "{\"ID\":1,\"ParentID\":99,\"Container\":\"\",\"Target\":\"\",\"Type\":\"tmpfs\",\"State\":\"ok\"},"
                "{\"ID\":2,\"ParentID\":1,\"Container\":\"main\",\"Target\":\"/\",\"Type\":\"bind\",\"State\":\"ok\"},"
                "{\"ID\":5,\"ParentID\":5,\"Container\":\"main\",\"Target\":\"/self\",\"State\":\"extra\"},"
                "{\"ID\":0,\"ParentID\":0,\"Container\":\"main\",\"Target\":\"/sys\",\"State\":\"deferred\"}]}]");
        _cleanup_free_ char *text = printed(pods, render_tree);
        const char *root = strstr(text, "main:/ "), *proc = strstr(text, "main:/proc");

        ck_assert_ptr_nonnull(strstr(text, "u1 (web)"));
        ck_assert_ptr_nonnull(root);
        ck_assert_ptr_nonnull(proc);
        ck_assert(root < proc); /* drawn below it */
        ck_assert_ptr_nonnull(strstr(text, "main:/self"));
        ck_assert_ptr_nonnull(strstr(text, "deferred"));
}
END_TEST

START_TEST(test_loop_of_parents) {
        _cleanup_json_ struct json_object *pods = json_tokener_parse(
                "[{\"UUID\":\"u1\",\"Mounts\":[{\"ID\":1,\"ParentID\":2,\"Container\":\"a\",\"Target\":\"/x\"},"
                "{\"ID\":2,\"ParentID\":1,\"Container\":\"a\",\"Target\":\"/y\"}]}]");
        _cleanup_free_ char *text = printed(pods, render_tree);

        ck_assert_ptr_nonnull(strstr(text, "a:/x"));
        ck_assert_ptr_nonnull(strstr(text, "a:/y"));
}
END_TEST

START_TEST(test_no_pods) {
        _cleanup_json_ struct json_object *pods = json_tokener_parse("[]");
        _cleanup_free_ char *text = printed(pods, render_tree);

        ck_assert_str_eq(text, "No pods.\n");
}
END_TEST

UNIT_MAIN("client/render", test_text, test_tree, test_loop_of_parents, test_no_pods)
