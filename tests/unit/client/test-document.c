/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Documents: where they are read from, and which of their paths become absolute. */

#include <string.h>
#include <sys/stat.h>

#include "client/document.h"
#include "client/value.h"
#include "tests/unit/unit.h"

static char *absolutized(int (*change)(struct json_object *, const char *), const char *text, int expected) {
        _cleanup_json_ struct json_object *json = json_tokener_parse(text);

        ck_assert_ptr_nonnull(json);
        ck_assert_int_eq(change(json, "/base"), expected);
        return strdup(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

START_TEST(test_oci) {
        _cleanup_free_ char *text = absolutized(document_absolutize_spec,
                "{\"root\":{\"path\":\"rootfs\"},\"mounts\":[{\"type\":\"bind\",\"source\":\"data\"},"
                "{\"type\":\"tmpfs\",\"source\":\"tmpfs\"},{\"source\":\"x/y\",\"options\":[\"ro\",\"rbind\"]},"
                "{\"type\":\"bind\",\"source\":\"fd:a\"},{\"type\":\"bind\",\"source\":\"/abs\"}]}", 1);

        ck_assert_str_eq(text,
                "{\"root\":{\"path\":\"/base/rootfs\"},\"mounts\":[{\"type\":\"bind\",\"source\":\"/base/data\"},"
                "{\"type\":\"tmpfs\",\"source\":\"tmpfs\"},{\"source\":\"/base/x/y\",\"options\":[\"ro\",\"rbind\"]},"
                "{\"type\":\"bind\",\"source\":\"fd:a\"},{\"type\":\"bind\",\"source\":\"/abs\"}]}");
}
END_TEST

START_TEST(test_podmount) {
        _cleanup_free_ char *text = absolutized(document_absolutize_spec,
                "{\"podmount\":1,\"containers\":[{\"name\":\"a\",\"root\":{\"path\":\"r\"}},"
                "{\"name\":\"b\",\"root\":{\"path\":\"/r\"},\"mounts\":[{\"type\":\"bind\",\"source\":\"s\"}]}]}", 1);

        ck_assert_str_eq(text, "{\"podmount\":1,\"containers\":[{\"name\":\"a\",\"root\":{\"path\":\"/base/r\"}},"
                               "{\"name\":\"b\",\"root\":{\"path\":\"/"
                               "r\"},\"mounts\":[{\"type\":\"bind\",\"source\":\"/base/s\"}]}]}");
}
END_TEST

/* What is wrong with a document is the daemon's to say. */
START_TEST(test_wrong_shapes) {
        static const char *const texts[] = {
                "[]",
                "3",
                "{\"root\":3,\"mounts\":4}",
                "{\"mounts\":[1,[{}],null]}",
                "{\"containers\":[1,{\"mounts\":{}}]}",
                "{\"root\":{\"path\":7}}",
                "{\"mounts\":[{\"options\":[1,null],\"source\":\"x\"}]}",
                "{\"mounts\":[{\"type\":\"bind\",\"source\":\"\"}]}",
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                free(absolutized(document_absolutize_spec, texts[i], 0));
}
END_TEST

START_TEST(test_elsewhere) {
        _cleanup_json_ struct json_object *json = json_tokener_parse("{\"root\":{\"path\":\"rootfs\"}}");

        ck_assert_int_eq(document_absolutize_spec(json, NULL), -EXDEV);
        ck_assert_str_eq(value_string(json_object_object_get(json, "root"), "path", ""), "rootfs");
}
END_TEST

START_TEST(test_absolute) {
        char directory[] = "/tmp/podmount-test-XXXXXX";
        _cleanup_free_ char *plain = document_absolute("/base", "a/b"), *kept = document_absolute("/base", "/c");
        _cleanup_free_ char *up = NULL, *gone = document_absolute("/nonexistent", "../x"), *sub = NULL, *dots = NULL;

        ck_assert_str_eq(plain, "/base/a/b");
        ck_assert_str_eq(kept, "/c");
        ck_assert_str_eq(gone, "/nonexistent/../x");
        ck_assert_ptr_nonnull(mkdtemp(directory));
        ck_assert_int_gt(asprintf(&sub, "%s/..sub", directory), 0);
        ck_assert_int_eq(mkdir(sub, 0700), 0);
        up = document_absolute(sub, "..");
        ck_assert_str_eq(up, directory);
        dots = document_absolute(directory, "..sub/x"); /* no component ".." */
        ck_assert_int_eq(strncmp(dots, sub, strlen(sub)), 0);
        ck_assert_int_eq(rmdir(sub), 0);
        ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

START_TEST(test_bundle) {
        char directory[] = "/tmp/podmount-test-XXXXXX";
        const struct client client = {.transport = CLIENT_SOCKET};
        _cleanup_document_ struct document from_bundle = {0}, from_file = {0}, unchanged = {0};
        _cleanup_free_ char *config = NULL, *expected = NULL;
        FILE *file;

        ck_assert_ptr_nonnull(mkdtemp(directory));
        ck_assert_int_gt(asprintf(&config, "%s/config.json", directory), 0);
        file = fopen(config, "we");
        ck_assert_ptr_nonnull(file);
        fputs("{ \"root\" : {\"path\":\"rootfs\"} }\n", file);
        ck_assert_int_eq(fclose(file), 0);
        ck_assert_int_gt(asprintf(&expected, "{\"root\":{\"path\":\"%s/rootfs\"}}", directory), 0);

        ck_assert_int_eq(document_read_spec(&client, directory, &from_bundle), 0);
        ck_assert_str_eq(from_bundle.text, expected);
        ck_assert_int_eq(document_read_spec(&client, config, &from_file), 0);
        ck_assert_str_eq(from_file.text, expected);

        /* nothing relative to our own directory: sent as it stands */
        ck_assert_int_eq(document_read_mounts(&client, "[ {\"type\" : \"tmpfs\"} ]", &unchanged), 0);
        ck_assert_str_eq(unchanged.text, "[ {\"type\" : \"tmpfs\"} ]");
        ck_assert_int_eq(unlink(config), 0);
        ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

START_TEST(test_unreadable) {
        const struct client client = {.transport = CLIENT_SOCKET};
        struct document document;

        ck_assert_int_eq(document_read_spec(&client, "/nonexistent/spec.json", &document), EXIT_FAILURE);
        ck_assert_int_eq(document_read_spec(&client, "/dev", &document), EXIT_FAILURE);
        ck_assert_int_eq(document_read_mounts(&client, "{\"type\":", &document), EXIT_FAILURE);
        ck_assert_int_eq(document_read_mounts(&client, "[] trailing", &document), EXIT_FAILURE);
}
END_TEST

UNIT_MAIN("client/document", test_oci, test_podmount, test_wrong_shapes, test_elsewhere, test_absolute, test_bundle,
        test_unreadable)
