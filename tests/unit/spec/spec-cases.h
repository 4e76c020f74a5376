/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the tests of this floor share: short ways from a text to a spec, to its wanted mounts, or to its refusal. */

#include <string.h>
#include <sys/mount.h>

#include "spec/wanted.h"
#include "tests/unit/unit.h"

enum { SIZE_MAX_OF_SPEC = 1024 * 1024 };

static const struct wanted_facts as_root = {.caller_is_root = true, .tmpfs_size = 64 << 20};
static const struct wanted_facts as_user = {.caller_is_root = false, .tmpfs_size = 64 << 20};

static inline struct spec *parse(const char *text) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct spec *spec = NULL;
        int r = spec_parse(text, strlen(text), SIZE_MAX_OF_SPEC, UINT64_MAX, &spec, &f);

        ck_assert_msg(r == 0, "%s: %d %s", text, r, f.text ? f.text : "");
        ck_assert_int_eq(f.kind, FAILURE_NONE);
        return spec;
}

/* The text is refused with this kind and a sentence that begins so and contains `more`. */
static inline void refuse(const char *text, enum failure_kind kind, const char *begin, const char *more) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct spec *spec = NULL;
        int r = spec_parse(text, strlen(text), SIZE_MAX_OF_SPEC, UINT64_MAX, &spec, &f);

        ck_assert_msg(
                r == (int) kind && f.kind == kind, "%.200s: %d, kind %d, %s", text, r, f.kind, f.text ? f.text : "");
        ck_assert_ptr_null(spec);
        ck_assert_msg(f.text && strncmp(f.text, begin, strlen(begin)) == 0, "%s, not %s", f.text, begin);
        ck_assert_msg(strstr(f.text, more) != NULL, "no %s in: %s", more, f.text);
}

/* The same in either half: the shape, or what it means. */
static inline void refuse_whole(const char *text, enum failure_kind kind, const char *begin, const char *more) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(wanted_freep) struct wanted *wanted = NULL;
        _cleanup_(spec_freep) struct spec *spec = NULL;
        int r = spec_parse(text, strlen(text), SIZE_MAX_OF_SPEC, UINT64_MAX, &spec, &f);

        if (r == 0)
                r = wanted_from_spec(spec, &as_root, &wanted, &f);
        ck_assert_msg(r == (int) kind && f.kind == kind, "%.300s: %d, %s", text, r, f.text ? f.text : "");
        ck_assert_msg(strncmp(f.text, begin, strlen(begin)) == 0, "%s, not %s", f.text, begin);
        ck_assert_msg(strstr(f.text, more) != NULL, "no %s in: %s", more, f.text);
}

/* One mount object, given with ' for ", compiled alone. */
static inline int compile_one(
        const char *quoted, const struct wanted_facts *facts, struct wanted **ret, struct failure *f) {
        _cleanup_free_ char *text = strdup(quoted);
        struct spec_mount *mounts = NULL;
        size_t n = 0;
        int r;

        ck_assert_ptr_nonnull(text);
        for (char *p = text; (p = strchr(p, '\''));)
                *p = '"';
        r = spec_parse_mounts(text, strlen(text), SIZE_MAX_OF_SPEC, &mounts, &n, f);
        if (r != 0)
                return r;
        ck_assert_uint_eq(n, 1);
        r = wanted_from_mounts("main", mounts, n, facts, ret, f);
        spec_mounts_free(mounts, n);
        return r;
}

static inline struct wanted *want(const char *quoted, const struct wanted_facts *facts) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct wanted *wanted = NULL;
        int r = compile_one(quoted, facts, &wanted, &f);

        ck_assert_msg(r == 0, "%s: %d %s", quoted, r, f.text ? f.text : "");
        ck_assert_uint_eq(wanted->n_mounts, 1);
        ck_assert_str_eq(wanted->containers[0], "main");
        ck_assert_ptr_null(wanted->containers[1]);
        return wanted;
}

static inline void refuse_mount(const char *quoted, const struct wanted_facts *facts, enum failure_kind kind,
        const char *begin, const char *more) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct wanted *wanted = NULL;
        int r = compile_one(quoted, facts, &wanted, &f);

        ck_assert_msg(
                r == (int) kind && f.kind == kind, "%s: %d, kind %d, %s", quoted, r, f.kind, f.text ? f.text : "");
        ck_assert_ptr_null(wanted);
        ck_assert_msg(f.text && strncmp(f.text, begin, strlen(begin)) == 0, "%s, not %s", f.text, begin);
        ck_assert_msg(strstr(f.text, more) != NULL, "no %s in: %s", more, f.text);
}

static inline bool strv_has(char *const *strv, const char *text) {
        for (; strv && *strv; strv++)
                if (strcmp(*strv, text) == 0)
                        return true;
        return false;
}

/* The path of a file below the source directory; automake exports srcdir to tests. */
static inline char *source_file(const char *name) {
        const char *srcdir = getenv("srcdir");
        char *path = NULL;

        ck_assert_int_gt(asprintf(&path, "%s/%s", srcdir ? srcdir : ".", name), 0);
        return path;
}

/* The whole file. Not inline: gcc would take what it returns for a variable of its own that is gone. */
static _unused_ __attribute__((__noinline__)) char *read_source_file(const char *name, size_t *ret_size) {
        _cleanup_free_ char *path = source_file(name);
        _cleanup_fclose_ FILE *file = NULL;
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);

        ck_assert_ptr_nonnull(out);
        file = fopen(path, "re");
        ck_assert_msg(file != NULL, "open %s: %s", path, strerror(errno));
        for (int c; (c = fgetc(file)) != EOF;)
                ck_assert_int_ne(fputc(c, out), EOF);
        ck_assert_int_eq(fclose(out), 0);
        *ret_size = size;
        return text;
}

/* The example of a bundle in one document, as the client sends it: runtime.json in it, its root made absolute. */
static _unused_ char *read_linuxkit_example(void) {
        static const char relative[] = "\"rootfs\"";
        size_t size;
        _cleanup_free_ char *config = read_source_file("examples/linuxkit/config.json", &size);
        _cleanup_free_ char *runtime = read_source_file("examples/linuxkit/runtime.json", &size);
        char *root = strstr(config, relative), *end = strrchr(config, '}'), *text;

        ck_assert(root && end);
        *root = *end = '\0';
        ck_assert_int_gt(asprintf(&text, "%s\"/srv/rootfs\"%s, \"prepare\": %s}", config, root + strlen(relative), runtime), 0);
        return text;
}
