/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whose mount table shows a pod, as its spec says. */

#include "tests/unit/spec/spec-cases.h"

#define CONTAINERS "\"containers\": [{\"name\": \"a\", \"root\": {\"path\": \"/r\"}}]"
#define OF(word) "{\"podmount\": 1, \"visibility\": " word ", " CONTAINERS "}"

START_TEST(test_said) {
        _cleanup_(spec_freep) struct spec *private = parse(OF("\"private\"")), *host = parse(OF("\"host\"")), *none = parse("{\"podmount\": 1, " CONTAINERS "}");
        _cleanup_(spec_freep) struct spec *exported =
                parse("{\"podmount-export\": 1, \"visibility\": \"private\", \"parts\": [{\"spec\": {\"podmount\": 1, " CONTAINERS "}}]}");

        ck_assert_int_eq(private->visibility, SPEC_VISIBILITY_PRIVATE);
        ck_assert_int_eq(host->visibility, SPEC_VISIBILITY_HOST);
        ck_assert_int_eq(none->visibility, SPEC_VISIBILITY_UNSAID);
        ck_assert_int_eq(exported->visibility, SPEC_VISIBILITY_PRIVATE);
}
END_TEST

START_TEST(test_refused) {
        static const struct {
                const char *spec, *words;
        } cases[] = {
                {OF("\"public\""), "/visibility: \"public\" is neither"},
                {OF("\"\""), "/visibility"},
                {OF("true"), "/visibility"},
                {"{\"podmount-export\": 1, \"parts\": [{\"spec\": " OF("\"host\"") "}]}", "/parts/0/spec: the \"visibility\" of an export"},
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
        static const char text[] = OF("\"private\"");
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct spec *spec = NULL;

        ck_assert_int_eq(spec_parse_container(text, strlen(text), 1 << 20, 1000, "a", &spec, &f), FAILURE_INVALID_SPEC);
        ck_assert_ptr_nonnull(strstr(f.text, "is where its pod is"));
}
END_TEST

UNIT_MAIN("visibility", test_said, test_refused, test_not_added)
