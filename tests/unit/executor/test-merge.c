/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a tar has made over what a layer has: files with more names than they may have, and limits. */

#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/xattr.h>

#include "executor/layer.h"
#include "executor/merge.h"
#include "executor/stream.h"
#include "tests/unit/executor/hands.h"

#define CAPABILITY(name) (UINT64_C(1) << (name))

enum { NAMES = 34000 /* ext4 takes 65000: more than a half, in two trees */ };

static sd_event *event;
static struct stream *stream;
static struct {
        bool ended;
        enum failure_kind failure;
        uint64_t bytes, inodes;
        char text[512];
} told;

static void on_told(const struct stream_report *report, void *userdata _unused_) {
        if (report->kind != STREAM_DONE && report->kind != STREAM_FAILED)
                return;
        told.ended = true;
        told.failure = report->kind == STREAM_DONE ? FAILURE_NONE : report->failure;
        told.bytes = report->figures[0];
        told.inodes = report->figures[1];
        (void) snprintf(told.text, sizeof(told.text), "%s", report->text ? report->text : "");
        stream = stream_free(stream);
}

static int work(struct worker *worker, const int *fds _unused_, void *userdata) {
        struct merge_setup setup = *(const struct merge_setup *) userdata;

        setup.old = open("/old", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        setup.new = open("/new", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        setup.opaque = open("/opaque", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        setup.notes = open("/notes", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        return setup.old < 0 || setup.new < 0 || setup.opaque < 0 || setup.notes < 0 ? -EBADF : merge_trees(worker, &setup);
}

static void merge(int place, uint64_t bytes_max, uint64_t inodes_max) {
        struct merge_setup merge = {.base = true, .bytes_max = bytes_max, .inodes_max = inodes_max, .bytes_figure = 0, .inodes_figure = 1};
        const struct worker_setup setup = {
                .name = "podmount-test",
                .root = place,
                .capabilities = CAPABILITY(CAP_CHOWN) | CAPABILITY(CAP_DAC_OVERRIDE) | CAPABILITY(CAP_DAC_READ_SEARCH) | CAPABILITY(CAP_FOWNER) |
                                CAPABILITY(CAP_SYS_ADMIN),
                .work = work,
                .userdata = &merge,
        };
        int channel;

        told.ended = false;
        ck_assert_int_eq(worker_start(&setup, &channel), 0);
        ck_assert_int_eq(stream_new(event, channel, 60 * 1000 * 1000, "Test", on_told, NULL, &stream), 0);
        while (!told.ended)
                ck_assert_int_gt(sd_event_run(event, 60 * 1000 * 1000), 0);
}

/* An empty place with old/ and new/ in this directory. */
static int make_place(const char *path) {
        int place;

        ck_assert_int_eq(mkdir(path, 0700), 0);
        place = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(place, 0);
        ck_assert(mkdirat(place, "old", 0755) == 0 && mkdirat(place, "new", 0755) == 0);
        return place;
}

static void put(int place, const char *name, const char *text) {
        int fd = openat(place, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t) strlen(text));
        (void) close(fd);
}

static void check_copy(int place, const char *name, const struct stat *original) {
        char path[64], value[8] = "", text[8] = "";
        struct stat st;
        int fd;

        (void) snprintf(path, sizeof(path), "new/%s", name);
        fd = openat(place, path, O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fstat(fd, &st), 0);
        ck_assert(st.st_uid == original->st_uid && st.st_gid == original->st_gid && st.st_mode == original->st_mode && st.st_size == original->st_size);
        ck_assert_int_eq(st.st_mtim.tv_sec, original->st_mtim.tv_sec);
        ck_assert_int_eq(st.st_mtim.tv_nsec, original->st_mtim.tv_nsec);
        ck_assert_int_eq(fgetxattr(fd, "user.note", value, sizeof(value)), 4);
        ck_assert_int_eq(read(fd, text, sizeof(text)), 4);
        ck_assert_str_eq(text, "text");
        (void) close(fd);
}

/* In the file system that the test was started in, which may be one with a bound. */
START_TEST(test_names) {
        _cleanup_free_ char *where = get_current_dir_name();
        char template[] = "merge-XXXXXX", name[32];
        int start, place;
        struct stat original, st;
        size_t budget = SIZE_MAX;
        unsigned inodes = 1;

        if (!hands_begin(NULL))
                return;
        /* By its mount of this namespace; below /tmp there is another one now. */
        start = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (start < 0)
                start = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(start, 0);
        (void) signal(SIGCHLD, SIG_IGN);
        ck_assert_int_ge(sd_event_new(&event), 0);
        ck_assert(fchdir(start) == 0 && mkdtemp(template) && rmdir(template) == 0);
        place = make_place(template);
        put(place, "old/0", "text");
        ck_assert(fchownat(place, "old/0", 3, 4, 0) == 0 && fchdir(place) == 0 && setxattr("old/0", "user.note", "note", 4, 0) == 0);
        for (unsigned i = 1; i < NAMES; i++) {
                (void) snprintf(name, sizeof(name), "old/%u", i);
                ck_assert_int_eq(linkat(place, "old/0", place, name, 0), 0);
        }
        ck_assert_int_eq(fstatat(place, "old/0", &original, 0), 0);
        merge(place, UINT64_MAX, UINT64_MAX);
        ck_assert_msg(told.failure == FAILURE_NONE, "%s", told.text);
        ck_assert_uint_eq(told.inodes, NAMES);
        for (unsigned i = 0; i < NAMES; i++) {
                (void) snprintf(name, sizeof(name), "new/%u", i);
                ck_assert_int_eq(fstatat(place, name, &st, 0), 0);
                if (st.st_ino == original.st_ino)
                        continue;
                if (inodes == 1)
                        check_copy(place, name + strlen("new/"), &original);
                inodes += inodes == 1;
        }
        /* Where two trees of it are too many, two files: no more. */
        ck_assert_int_eq(fstatat(place, "new/0", &st, 0), 0);
        ck_assert_uint_eq(st.st_nlink == 2 * NAMES ? 1 : 2, inodes);
        ck_assert(fchdir(start) == 0 && layer_clear(start, template, &budget) == 0);
        (void) close(place);
        (void) close(start);
        event = sd_event_unref(event);
}
END_TEST

/* What is linked counts, once. */
START_TEST(test_limits) {
        int place;

        if (!hands_begin(NULL))
                return;
        (void) signal(SIGCHLD, SIG_IGN);
        ck_assert_int_ge(sd_event_new(&event), 0);
        place = make_place("/tmp/place");
        put(place, "old/one", "12345");
        ck_assert_int_eq(linkat(place, "old/one", place, "old/two", 0), 0);
        ck_assert_int_eq(mkdirat(place, "old/directory", 0755), 0);
        put(place, "old/directory/three", "123");
        merge(place, 8, 3);
        ck_assert_int_eq(told.failure, FAILURE_QUOTA_EXCEEDED);
        ck_assert_ptr_nonnull(strstr(told.text, "LayerInodesPerUser="));
        place = make_place("/tmp/other");
        put(place, "old/one", "12345");
        ck_assert_int_eq(linkat(place, "old/one", place, "old/two", 0), 0);
        put(place, "new/one", "new");
        merge(place, 5, 1);
        ck_assert_msg(told.failure == FAILURE_NONE, "%s", told.text);
        ck_assert_uint_eq(told.bytes, 5);
        ck_assert_uint_eq(told.inodes, 1);
        put(place, "old/four", "1234");
        merge(place, 3, 10);
        ck_assert_int_eq(told.failure, FAILURE_QUOTA_EXCEEDED);
        ck_assert_ptr_nonnull(strstr(told.text, "LayerBytesPerUser="));
        event = sd_event_unref(event);
}
END_TEST

UNIT_MAIN("merge", test_names, test_limits)
