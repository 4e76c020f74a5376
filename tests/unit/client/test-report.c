/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Nothing that the daemon or a spec says can steer the terminal. */

#include "client/report.h"
#include "tests/unit/unit.h"

START_TEST(test_escape) {
        static const struct {
                const char *text, *escaped;
        } cases[] = {
                {"plain text, ümläut, 日本, 🙂", "plain text, ümläut, 日本, 🙂"},
                {"a\033[31mb\nc\td\177", "a\\x1b[31mb\\x0ac\\x09d\\x7f"},
                {"\xc2\x9b" "31m", "\\xc2\\x9b31m"},                 /* a C1 control */
                {"\xff\xc3", "\\xff\\xc3"},                          /* not UTF-8, and cut short */
                {"\xc0\xaf\xe0\x80\xaf", "\\xc0\\xaf\\xe0\\x80\\xaf"}, /* overlong */
                {"\xed\xa0\x80", "\\xed\\xa0\\x80"},                 /* a surrogate */
                {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},         /* past U+10FFFF */
                {"a\xe2\x80\xae" "b\xe2\x81\xa6" "c\xe2\x80\x8e" "d\xd8\x9c", "a\\xe2\\x80\\xaeb\\xe2\\x81\\xa6c\\xe2\\x80\\x8ed\\xd8\\x9c"}, /* what turns text around */
                {"\xe2\x80\xa9\xe2\x81\xaa\xe2\x80\x8d", "\xe2\x80\xa9\xe2\x81\xaa\xe2\x80\x8d"}, /* their neighbours */
                {"", ""},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *escaped = report_escape(cases[i].text);

                ck_assert_str_eq(escaped, cases[i].escaped);
        }
}
END_TEST

UNIT_MAIN("client/report", test_escape)
