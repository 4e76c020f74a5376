/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What may be asked of a new layer, and when asking again is a retry. */

#include "layer/asked.h"
#include "tests/unit/unit.h"

#include "plan/layer.h"
#include "util/array.h"

#define ASKED_OF(the_id, the_parent, ...) ((struct layer_asked){.id = the_id, .parent = the_parent, __VA_ARGS__})
#define ASKED(...) ASKED_OF("a", "", __VA_ARGS__)
#define METADATA(...) ((char *[]){__VA_ARGS__, NULL})

static enum failure_kind check(struct layer_asked asked) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        int r = layer_asked_check(&asked, &f);

        ck_assert_int_ge(r, 0);
        ck_assert_int_eq(r, f.kind);
        return f.kind;
}

START_TEST(test_ids) {
        static const char *const good[] = {"a", "0", "sha256-0123", "A.b_c-d", "new-1", "a-removing-1"};
        static const char *const bad[] = {"", ".", "..", ".a", "_a", "-a", "a/b", "a b", "a\n", "\xc3\xa4", "a:b"};
        char text[LAYER_ID_MAX + 2] = "";

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                ck_assert(layer_id_is_valid(good[i]));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                ck_assert_msg(!layer_id_is_valid(bad[i]), "%s", bad[i]);
        memset(text, 'x', LAYER_ID_MAX);
        ck_assert(layer_id_is_valid(text));
        text[LAYER_ID_MAX] = 'x';
        ck_assert(!layer_id_is_valid(text));
}
END_TEST

/* What comes and goes is called as no layer can be. */
START_TEST(test_names) {
        _cleanup_free_ char *new = layer_new_name(UINT64_MAX), *removing = layer_removing_name("a", 7);

        ck_assert_str_eq(new, ".new-18446744073709551615");
        ck_assert_str_eq(removing, ".a-removing-7");
        ck_assert(!layer_id_is_valid(new) && !layer_id_is_valid(removing));
}
END_TEST

START_TEST(test_checks) {
        char big[LAYER_METADATA_BYTES + 1] = "";

        memset(big, 'x', LAYER_METADATA_BYTES);
        ck_assert_int_eq(check(ASKED(.read_write = false)), FAILURE_NONE);
        ck_assert_int_eq(check(ASKED_OF("", "", .read_write = true)), FAILURE_NONE);
        ck_assert_int_eq(check(ASKED_OF(".", "", .read_write = true)), FAILURE_INVALID_ARGS);
        ck_assert_int_eq(check(ASKED_OF("a", "a", .read_write = true)), FAILURE_INVALID_ARGS);
        ck_assert_int_eq(check(ASKED_OF("a", "p", .label = "system_u:object_r:container_file_t:s0:c1,c2")), FAILURE_NONE);
        ck_assert_int_eq(check(ASKED_OF("a", "p", .label = "a\"b")), FAILURE_INVALID_OPTION);
        ck_assert_int_eq(check(ASKED(.label = "l")), FAILURE_INVALID_ARGS);
        ck_assert_int_eq(check(ASKED(.uid_map = "0-1000-1", .gid_map = "0-100-1#1-5-9")), FAILURE_NONE);
        ck_assert_int_eq(check(ASKED(.uid_map = "0-1000-1")), FAILURE_INVALID_ARGS);
        ck_assert_int_eq(check(ASKED(.uid_map = "0-1000-1", .gid_map = "")), FAILURE_INVALID_OPTION);
        ck_assert_int_eq(check(ASKED(.uid_map = "@0-1000-1", .gid_map = "0-1-1")), FAILURE_INVALID_OPTION);
        ck_assert_int_eq(check(ASKED(.uid_map = "0-1-1;gids=0-1-1", .gid_map = "0-1-1")), FAILURE_INVALID_OPTION);
        ck_assert_int_eq(check(ASKED(.uid_map = "0-1-2#1-5-1", .gid_map = "0-1-1")), FAILURE_INVALID_OPTION);
        ck_assert_int_eq(check(ASKED(.metadata = METADATA((char *) "k", (char *) "v"))), FAILURE_NONE);
        ck_assert_int_eq(check(ASKED(.metadata = METADATA((char *) "k", (char *) "v", (char *) "k", (char *) "w"))), FAILURE_INVALID_ARGS);
        ck_assert_int_eq(check(ASKED(.metadata = METADATA((char *) "k", big))), FAILURE_INVALID_ARGS);
}
END_TEST

START_TEST(test_retries) {
        const struct layer_asked asked = ASKED_OF("a", "p", .read_write = true, .label = "l", .uid_map = "0-1-1", .gid_map = "0-2-1",
                                               .metadata = METADATA((char *) "k", (char *) "v", (char *) "l", (char *) "w"));
        _cleanup_(record_layer_freep) struct record_layer *record = NULL;
        struct layer_asked other;

        ck_assert_int_eq(layer_asked_record(&asked, "a", &record), 0);
        ck_assert(layer_asked_is(&asked, record, "p"));
        ck_assert(!layer_asked_is(&asked, record, ""));
        other = asked;
        other.metadata = METADATA((char *) "l", (char *) "w", (char *) "k", (char *) "v");
        ck_assert(layer_asked_is(&other, record, "p"));
        other.metadata = METADATA((char *) "l", (char *) "w", (char *) "k", (char *) "x");
        ck_assert(!layer_asked_is(&other, record, "p"));
        other.metadata = METADATA((char *) "l", (char *) "w");
        ck_assert(!layer_asked_is(&other, record, "p"));
        other = asked;
        other.read_write = false;
        ck_assert(!layer_asked_is(&other, record, "p"));
        other = asked;
        other.label = NULL;
        ck_assert(!layer_asked_is(&other, record, "p"));
        other = asked;
        other.uid_map = "0-1-2";
        ck_assert(!layer_asked_is(&other, record, "p"));
        other = asked;
        other.gid_map = NULL;
        ck_assert(!layer_asked_is(&other, record, "p"));
}
END_TEST

UNIT_MAIN("asked", test_ids, test_names, test_checks, test_retries)
