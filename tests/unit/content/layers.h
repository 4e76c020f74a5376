/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A layer on another one, on a real overlay: /tmp/low is below, /tmp/up is the layer's own directory, /tmp/merged shows both. */

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <utime.h>

#include "content/diff.h"
#include "tests/unit/content/applier.h"
#include "tests/unit/content/sink.h"
#include "tests/unit/content/snapshot.h"
#include "tests/unit/namespace.h"

static inline bool layers_begin(void) {
        if (!namespace_enter())
                return false;
        tar_prepare();
        make_directory("/tmp/low");
        make_directory("/tmp/up");
        make_directory("/tmp/work");
        make_directory("/tmp/merged");
        return true;
}

static inline void layers_mount(const char *options) {
        _cleanup_free_ char *all = NULL;

        ck_assert_int_gt(asprintf(&all, "lowerdir=/tmp/low,upperdir=/tmp/up,workdir=/tmp/work,%s", options), 0);
        ck_assert_int_eq(mount("layers", "/tmp/merged", "overlay", 0, all), 0);
}

/* All that is in them; without a mount. */
static inline void layers_clear(void) {
        static const char *const paths[] = {"/tmp/low", "/tmp/up", "/tmp/work", "/tmp/copy"};

        (void) umount2("/tmp/merged", MNT_DETACH);
        ck_assert_int_eq(chdir("/tmp"), 0);
        for (size_t i = 0; i < ELEMENTSOF(paths); i++)
                applier_delete(paths[i]);
        for (size_t i = 0; i < 3; i++)
                make_directory(paths[i]);
}

static inline int layers_open(const char *path) {
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        return fd;
}

/* The layer beside what it stands on. */
struct beside {
        struct changes changes;
        struct view then;
};

static inline void beside_done(struct beside *beside) {
        if (beside->changes.now.root.base != beside->then.root.base)
                (void) close_fd(beside->then.root.base);
        place_done(&beside->changes.now.root);
}

static inline void beside_layer(struct beside *beside) {
        int low = layers_open("/tmp/low");

        *beside = (struct beside) {.then = {.root = {.top = -1, .base = low}, .trusted = true}};
        beside->changes = (struct changes) {.now = {.root = {.top = layers_open("/tmp/up"), .base = low}, .trusted = true}, .then = &beside->then, .layer = true};
}

/* The tree that is seen at one path beside the one at another. */
static inline void beside_tree(struct beside *beside, const char *now, const char *then) {
        *beside = (struct beside) {.then = {.root = {.top = -1, .base = then ? layers_open(then) : -1}, .trusted = true}};
        beside->changes = (struct changes) {.now = {.root = {.top = -1, .base = layers_open(now)}, .trusted = true}, .then = then ? &beside->then : NULL};
}

/* The layer with all that it stands on, beside a tree or nothing. */
static inline void beside_view(struct beside *beside, const char *then) {
        beside_tree(beside, "/tmp/low", then);
        beside->changes.now.root.top = layers_open("/tmp/up");
}

static inline void write_diff(const struct beside *beside, struct sink *sink) {
        _cleanup_tar_ struct tar *tar = tar_new(sink_put, sink);
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        int r = diff_write(&beside->changes, NULL, tar, &f);

        if (r != 0)
                ck_abort_msg("%s", f.text ? f.text : strerror(-r));
        ck_assert_int_eq(tar_end(tar), 0);
}

static inline int list_line(const char *kind, const char *path, const char *detail, void *userdata, struct failure *f) {
        (void) f;
        fprintf(userdata, "%s %s%s%s\n", kind, path, *detail ? " " : "", detail);
        return 0;
}

static inline char *list_diff(const struct beside *beside) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        char *text = NULL;
        size_t size = 0;
        FILE *to = open_memstream(&text, &size);

        ck_assert_int_eq(diff_list(&beside->changes, to, list_line, &f), 0);
        ck_assert_int_eq(fclose(to), 0);
        return text;
}

static inline uint64_t size_diff(const struct beside *beside) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        uint64_t size = 0;

        ck_assert_int_eq(diff_size(&beside->changes, NULL, &size, &f), 0);
        return size;
}

/* A copy of a tree at /tmp/copy by whoever copies trees. */
static inline void copy_tree(const char *from) {
        _cleanup_free_ char *command = NULL;

        applier_delete("/tmp/copy");
        ck_assert_int_gt(asprintf(&command, "cp -a --sparse=always %s /tmp/copy", from), 0);
        ck_assert_int_eq(system(command), 0);
}

/* What the diff makes of a copy of what it was taken against is what is seen; taken again it is the same. */
static inline void check_diff(struct beside *beside, const char *parent, const char *wanted) {
        _cleanup_(sink_done) struct sink sink = {}, again = {};
        _cleanup_free_ char *seen = snapshot_of(wanted), *made = NULL;

        write_diff(beside, &sink);
        write_diff(beside, &again);
        ck_assert_uint_eq(sink.size, again.size);
        ck_assert_int_eq(memcmp(sink.data, again.data, sink.size), 0);
        copy_tree(parent);
        ck_assert_int_eq(chdir("/tmp/copy"), 0);
        applier_apply(&sink);
        ck_assert_int_eq(chdir("/tmp"), 0);
        made = snapshot_of("/tmp/copy");
        snapshots_equal(seen, made);
}
