/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON text that grows: pieces, escapes, and text far past the first allocation. */

#include "util/json-writer.h"

#include <stdlib.h>
#include <string.h>

#include "../unit.h"
#include "util/cleanup.h"

static void add_text(struct json_writer *writer, const char *text) {
        json_writer_add_string(writer, text, strlen(text));
}

START_TEST(test_empty) {
        struct json_writer writer = {.text = NULL};
        _cleanup_free_ char *text = json_writer_take(&writer);

        ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(test_pieces) {
        struct json_writer writer = {.text = NULL};
        _cleanup_free_ char *first = NULL, *second = NULL;

        json_writer_add(&writer, "{\"a\":", 5);
        add_text(&writer, "plain / \xc3\xa4");
        json_writer_add_byte(&writer, ',');
        add_text(&writer, "a \"quote\",\n\\");
        first = json_writer_take(&writer);
        ck_assert_str_eq(first, "{\"a\":\"plain / \xc3\xa4\",\"a \\\"quote\\\",\\n\\\\\"");

        /* What was taken is gone from the writer. */
        add_text(&writer, "");
        second = json_writer_take(&writer);
        ck_assert_str_eq(second, "\"\"");
}
END_TEST

/* Every length around the powers of two at which the text is moved. */
START_TEST(test_growth) {
        for (size_t length = 0; length < 1100; length++) {
                _cleanup_free_ char *long_one = calloc(1, length + 1), *text = NULL;
                struct json_writer writer = {.text = NULL};

                ck_assert_ptr_nonnull(long_one);
                memset(long_one, 'x', length);
                for (size_t i = 0; i < length / 2; i++)
                        json_writer_add_byte(&writer, 'y');
                json_writer_add(&writer, long_one + length / 2, length - length / 2);
                text = json_writer_take(&writer);
                ck_assert_ptr_nonnull(text);
                ck_assert_uint_eq(strlen(text), length);
                ck_assert_uint_eq(strspn(text, "y"), length / 2);
        }
}
END_TEST

UNIT_MAIN("json-writer", test_empty, test_pieces, test_growth)
