/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* UTF-8 and the escapes of what is not fit to be shown. */

#include "util/text.h"

#include <string.h>

#include "../unit.h"

START_TEST(test_character) {
        static const struct {
                const char *text;
                size_t length;
        } cases[] = {
                {"a", 1},
                {"\xc3\xa4", 2},
                {"\xe2\x82\xac", 3},
                {"\xf0\x9f\x98\x80", 4},
                {"\xf4\x8f\xbf\xbf", 4}, /* U+10FFFF */
                {"\x80", 0},             /* continuation first */
                {"\xc3", 0},             /* cut short */
                {"\xc3(", 0},
                {"\xc0\xaf", 0},         /* overlong slash */
                {"\xe0\x80\xaf", 0},
                {"\xf0\x80\x80\xaf", 0},
                {"\xed\xa0\x80", 0},     /* surrogate */
                {"\xf4\x90\x80\x80", 0}, /* past U+10FFFF */
                {"\xf5\x80\x80\x80", 0},
                {"\xff", 0},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                ck_assert_msg(text_character(cases[i].text, strlen(cases[i].text)) == cases[i].length, "case %zu", i);
        ck_assert_uint_eq(text_character("", 0), 0);
        ck_assert(text_is_utf8("a\xc3\xa4", 3));
        ck_assert(!text_is_utf8("a\xc3\xa4", 2));
}
END_TEST

static void check_escape(const char *text, size_t max, const char *expected) {
        _cleanup_free_ char *escaped = text_escape(text, max);

        ck_assert_str_eq(escaped, expected);
        ck_assert_uint_le(strlen(escaped), max);
}

START_TEST(test_escape) {
        check_escape("", 100, "");
        check_escape("plain \xc3\xa4 \\n", 100, "plain \xc3\xa4 \\n");
        check_escape("a\nb\x1b[31m\x7f", 100, "a\\x0ab\\x1b[31m\\x7f");
        check_escape("\xff\xc3", 100, "\\xff\\xc3");
        check_escape("a\xe2\x80\xae" "b\xe2\x81\xa9", 100, "a\\xe2\\x80\\xaeb\\xe2\\x81\\xa9");
        check_escape("\xe2\x80\xa9\xe2\x81\xaa", 100, "\xe2\x80\xa9\xe2\x81\xaa");
        check_escape("\xc2\x9b", 100, "\\xc2\\x9b"); /* CSI of C1 */
        check_escape("\xc2\xa0", 100, "\xc2\xa0");
}
END_TEST

START_TEST(test_escape_cuts) {
        check_escape("abcdef", 6, "abcdef");
        check_escape("abcdefg", 6, "abc...");
        check_escape("abcd\xc3\xa4", 6, "abcd\xc3\xa4");
        check_escape("ab\xc3\xa4xyz", 6, "ab...");
        check_escape("\n\n", 6, "...");
        check_escape("\n\n", 8, "\\x0a\\x0a");
        check_escape("\n\n\n", 8, "\\x0a...");
}
END_TEST

START_TEST(test_format) {
        _cleanup_free_ char *text = text_format("%s:%04x", "a", 0x2a);

        ck_assert_str_eq(text, "a:002a");
}
END_TEST

UNIT_MAIN("text", test_format, test_character, test_escape, test_escape_cuts)
