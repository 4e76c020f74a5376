/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reading mountinfo: recorded texts with every oddity, and the real thing in a mount namespace of the test's own. */

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "kernel/mountinfo.h"
#include "tests/unit/namespace.h"
#include "tests/unit/unit.h"

enum { LINES_MAX = 8 };

struct kept {
        size_t n;
        uint32_t id[LINES_MAX], parent_id[LINES_MAX];
        dev_t device[LINES_MAX];
        char *root[LINES_MAX], *point[LINES_MAX], *type[LINES_MAX], *source[LINES_MAX], *options_mount[LINES_MAX],
                *options_super[LINES_MAX], *optional[LINES_MAX];
};

static char *copy(const char *text) {
        return text ? strdup(text) : NULL;
}

static int keep(const struct mountinfo_line *line, void *userdata) {
        struct kept *kept = userdata;

        ck_assert_uint_lt(kept->n, LINES_MAX);
        kept->id[kept->n] = line->id;
        kept->parent_id[kept->n] = line->parent_id;
        kept->device[kept->n] = line->device;
        kept->root[kept->n] = copy(line->root);
        kept->point[kept->n] = copy(line->point);
        kept->type[kept->n] = copy(line->type);
        kept->source[kept->n] = copy(line->source);
        kept->options_mount[kept->n] = copy(line->options_mount);
        kept->options_super[kept->n] = copy(line->options_super);
        kept->optional[kept->n] = copy(line->optional);
        kept->n++;
        return 0;
}

static void kept_done(struct kept *kept) {
        for (size_t i = 0; i < kept->n; i++) {
                free(kept->root[i]);
                free(kept->point[i]);
                free(kept->type[i]);
                free(kept->source[i]);
                free(kept->options_mount[i]);
                free(kept->options_super[i]);
                free(kept->optional[i]);
        }
}

static int text_fd(const char *text) {
        int fd = memfd_create("mountinfo", MFD_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t) strlen(text));
        return fd; /* at its end: the reader must rewind */
}

static void read_text(const char *text, struct kept *kept, size_t *ret_skipped) {
        _cleanup_close_ int fd = text_fd(text);

        ck_assert_int_eq(mountinfo_read(fd, keep, kept, ret_skipped), 0);
}

START_TEST(test_fields) {
        _cleanup_(kept_done) struct kept kept = {};
        size_t skipped = 7;

        read_text("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:12 - ext3 /dev/root rw,errors=continue\n"
                  "37 36 0:43 / /a\\040b\\011c\\012d\\134e ro,nosuid - fuse.sshfs host:/x\\040y rw,user_id=0\n",
                &kept, &skipped);
        ck_assert_uint_eq(skipped, 0);
        ck_assert_uint_eq(kept.n, 2);
        ck_assert_uint_eq(kept.id[0], 36);
        ck_assert_uint_eq(kept.parent_id[0], 35);
        ck_assert_uint_eq(kept.device[0], makedev(98, 0));
        ck_assert_str_eq(kept.root[0], "/mnt1");
        ck_assert_str_eq(kept.point[0], "/mnt2");
        ck_assert_str_eq(kept.options_mount[0], "rw,noatime");
        ck_assert_str_eq(kept.optional[0], "master:1 shared:12");
        ck_assert_str_eq(kept.type[0], "ext3");
        ck_assert_str_eq(kept.source[0], "/dev/root");
        ck_assert_str_eq(kept.options_super[0], "rw,errors=continue");

        ck_assert_str_eq(kept.point[1], "/a b\tc\nd\\e");
        ck_assert_str_eq(kept.type[1], "fuse.sshfs");
        ck_assert_str_eq(kept.source[1], "host:/x y");
        ck_assert_ptr_null(kept.optional[1]);
}
END_TEST

/* What libmount would take for the space between two fields, and so for another mount point, source or type. In options, which are nobody's place, it hides no
 * mount. */
START_TEST(test_tabs) {
        _cleanup_(kept_done) struct kept kept = {};
        size_t skipped = 0;

        read_text("1 0 0:1 /a\tb /x rw - tmpfs tmpfs rw\n"
                  "2 0 0:1 / /x\t/y rw - tmpfs tmpfs rw\n"
                  "3 0 0:1 / /x rw - tmpfs tmp\tfs rw\n"
                  "4 0 0:1 / /x rw\t- - tmpfs tmpfs rw\n"
                  "5 0 0:1 / /good rw - tmpfs tmpfs rw,a=b\tc\n",
                &kept, &skipped);
        ck_assert_uint_eq(skipped, 4);
        ck_assert_uint_eq(kept.n, 1);
        ck_assert_str_eq(kept.point[0], "/good");
}
END_TEST

START_TEST(test_bad_lines) {
        _cleanup_(kept_done) struct kept kept = {};
        size_t skipped = 0;

        read_text("1 0 0:1 / / rw - rootfs rootfs rw\n"
                  "no mountinfo at all\n"
                  "2 1 0:2 / /half rw\n"
                  "3 1 0:3 / /good rw - tmpfs tmpfs rw\n",
                &kept, &skipped);
        ck_assert_uint_eq(skipped, 2);
        ck_assert_uint_eq(kept.n, 2);
        ck_assert_str_eq(kept.point[1], "/good");
}
END_TEST

/* The format is guessed from the first line: a bad one must not turn the rest into an fstab. */
START_TEST(test_bad_first_line) {
        _cleanup_(kept_done) struct kept kept = {};
        size_t skipped = 0;

        read_text("/dev/sda1 / ext4 rw 0 0\n"
                  "garbage\n"
                  "3 1 0:3 / /good rw - tmpfs tmpfs rw\n",
                &kept, &skipped);
        ck_assert_uint_eq(skipped, 2);
        ck_assert_uint_eq(kept.n, 1);
        ck_assert_uint_eq(kept.id[0], 3);
        ck_assert_str_eq(kept.point[0], "/good");
}
END_TEST

/* Escapes, and names that look as if something had been appended to them. */
START_TEST(test_names) {
        _cleanup_(kept_done) struct kept kept = {};
        size_t skipped = 7;

        read_text("2 1 0:2 /a\\040b//deleted /mnt/x//deleted rw - tmpfs t rw\n"
                  "3 1 0:3 / /mnt/gone\\040(deleted) rw - tmpfs a\\040source\\040(deleted) rw\n"
                  "4 1 0:3 / /mnt/(deleted) rw - tmpfs \\043hash\\011tab\\012line\\134back rw\n"
                  "5 1 0:3 / /mnt/\\040 rw - ext4 /dev/root rw\n"
                  "6 1 0:4 net:[4026531840] /run/netns/a rw shared:7 - nsfs nsfs rw\n"
                  "7 1 0:5 / /mnt/l rw - ext4 LABEL=a\\040b rw\n"
                  "8 1 0:5 / /mnt/s/ rw - nfs4 host:/ rw,addr=::1\n",
                &kept, &skipped);
        ck_assert_uint_eq(skipped, 0);
        ck_assert_uint_eq(kept.n, 7);
        ck_assert_str_eq(kept.root[0], "/a b//deleted");
        ck_assert_str_eq(kept.point[0], "/mnt/x//deleted");
        ck_assert_str_eq(kept.point[1], "/mnt/gone (deleted)");
        ck_assert_str_eq(kept.source[1], "a source (deleted)");
        ck_assert_str_eq(kept.point[2], "/mnt/(deleted)");
        ck_assert_str_eq(kept.source[2], "#hash\ttab\nline\\back");
        ck_assert_str_eq(kept.point[3], "/mnt/ ");
        ck_assert_str_eq(kept.source[3], "/dev/root");
        ck_assert_str_eq(kept.root[4], "net:[4026531840]");
        ck_assert_str_eq(kept.source[5], "LABEL=a b");
        ck_assert_str_eq(kept.point[6], "/mnt/s/");
        ck_assert_str_eq(kept.source[6], "host:/");
}
END_TEST

/* libmount would look for the device by its number. */
START_TEST(test_dev_root) {
        _cleanup_(kept_done) struct kept kept = {};
        _cleanup_free_ char *text = NULL;
        struct stat st;

        ck_assert_int_eq(stat("/", &st), 0);
        ck_assert_int_gt(asprintf(&text, "2 1 %u:%u / / rw - ext4 /dev/root rw\n", major(st.st_dev), minor(st.st_dev)), 0);
        read_text(text, &kept, NULL);
        ck_assert_uint_eq(kept.n, 1);
        ck_assert_str_eq(kept.source[0], "/dev/root");
}
END_TEST

/* None, one, five optional fields, and those that nobody knows yet. */
START_TEST(test_optional) {
        _cleanup_(kept_done) struct kept kept = {};
        size_t skipped = 7;

        read_text("2 1 0:2 / /a rw - tmpfs t rw\n"
                  "3 1 0:2 / /b rw shared:1 - tmpfs t rw\n"
                  "4 1 0:2 / /c rw shared:1 master:2 propagate_from:3 unbindable future - tmpfs t rw\n"
                  "5 1 0:2 / /d rw -x y-:4 -- - tmpfs t rw\n",
                &kept, &skipped);
        ck_assert_uint_eq(skipped, 0);
        ck_assert_uint_eq(kept.n, 4);
        ck_assert_ptr_null(kept.optional[0]);
        ck_assert_str_eq(kept.optional[1], "shared:1");
        ck_assert_str_eq(kept.optional[2], "shared:1 master:2 propagate_from:3 unbindable future");
        ck_assert_str_eq(kept.optional[3], "-x y-:4 --");
        for (size_t i = 0; i < kept.n; i++) {
                ck_assert_str_eq(kept.type[i], "tmpfs");
                ck_assert_str_eq(kept.source[i], "t");
                ck_assert_str_eq(kept.options_super[i], "rw");
        }
}
END_TEST

/* An overlay of 500 layers, its options far longer than a page. */
START_TEST(test_long_line) {
        _cleanup_(kept_done) struct kept kept = {};
        _cleanup_free_ char *text = NULL;
        _cleanup_fclose_ FILE *file = NULL;
        size_t size, skipped = 7;

        file = open_memstream(&text, &size);
        fprintf(file, "2 1 0:2 / /before rw - tmpfs t rw\n3 1 0:3 / /merged rw - overlay overlay rw");
        for (unsigned i = 0; i < 500; i++)
                fprintf(file, "%s/var/lib/containers/storage/overlay/l/%026u", i == 0 ? ",lowerdir=" : ":", i);
        fprintf(file, ",upperdir=/u\\040p,workdir=/w\n4 1 0:2 / /after rw - tmpfs t rw\n");
        ck_assert_int_eq(fflush(file), 0);
        ck_assert_uint_gt(size, 4 * 4096);
        read_text(text, &kept, &skipped);
        ck_assert_uint_eq(skipped, 0);
        ck_assert_uint_eq(kept.n, 3);
        ck_assert_str_eq(kept.point[1], "/merged");
        ck_assert_uint_gt(strlen(kept.options_super[1]), 500 * 60);
        ck_assert_ptr_nonnull(strstr(kept.options_super[1], "/00000000000000000000000499,upperdir="));
        ck_assert_str_eq(kept.point[2], "/after");
}
END_TEST

/* Each of these, as the first, a middle, the last and the unfinished last line: it alone is left out. */
START_TEST(test_bad_anywhere) {
        static const char *const bad[] = {
                "garbage",
                "9",
                "9 1",
                "9 1 0:1",
                "9 1 01 / /bad rw - tmpfs t rw",
                "9x 1 0:1 / /bad rw - tmpfs t rw",
                "9 -1 0:1 / /bad rw - tmpfs t rw",
                "99999999999 1 0:1 / /bad rw - tmpfs t rw",
                "9 1 0:1 / bad rw - tmpfs t rw",
                "9 1 0:1 / /bad",
                "9 1 0:1 / /bad rw",
                "9 1 0:1 / /bad rw shared:1",
                "9 1 0:1 / /bad rw shared:1 -",
                "9 1 0:1 / /bad rw - tmpfs",
                "9 1 0:1 / /bad rw - tmpfs t",
                "9 1 0:1 / /bad rw - tmpfs t ",
                "9 1 0:1 / /bad rw - tmpfs a source rw",
                "/dev/sda1 / ext4 rw 0 0",
                "# 9 1 0:1 / /bad rw - tmpfs t rw",
        };
        static const char good[] = "3 1 0:3 / /good rw - tmpfs t rw\n";

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                for (unsigned place = 0; place < 4; place++) {
                        _cleanup_(kept_done) struct kept kept = {};
                        _cleanup_free_ char *text = NULL;
                        size_t skipped = 0;

                        ck_assert_int_gt(asprintf(&text, "%s%s%s%s%s", place > 0 ? good : "", place > 1 ? good : "",
                                                 bad[i], place < 3 ? "\n" : "", place < 2 ? good : ""), 0);
                        read_text(text, &kept, &skipped);
                        ck_assert_msg(skipped == 1 && kept.n == (place == 1 ? 2 : place == 0 ? 1 : 2),
                                "\"%s\" at place %u: %zu lines, %zu left out", bad[i], place, kept.n, skipped);
                        for (size_t k = 0; k < kept.n; k++)
                                ck_assert_str_eq(kept.point[k], "/good");
                }
}
END_TEST

START_TEST(test_odd_texts) {
        _cleanup_(kept_done) struct kept kept = {};
        size_t skipped = 3;

        read_text("", &kept, &skipped);
        ck_assert_uint_eq(kept.n, 0);
        ck_assert_uint_eq(skipped, 0);
        read_text("3 1 0:3 / /empty rw - tmpfs  rw,size=4k", &kept, &skipped); /* an empty source, no final newline */
        ck_assert_uint_eq(kept.n, 1);
        ck_assert(!kept.source[0] || kept.source[0][0] == '\0');
        ck_assert_str_eq(kept.options_super[0], "rw,size=4k");
}
END_TEST

static int refuse(const struct mountinfo_line *line, void *userdata) {
        (void) line;
        ++*(unsigned *) userdata;
        return -ECANCELED;
}

START_TEST(test_callback_ends) {
        _cleanup_close_ int fd = text_fd("3 1 0:3 / /a rw - tmpfs t rw\n4 1 0:3 / /b rw - tmpfs t rw\n");
        unsigned calls = 0;

        ck_assert_int_eq(mountinfo_read(fd, refuse, &calls, NULL), -ECANCELED);
        ck_assert_uint_eq(calls, 1);
}
END_TEST

struct wanted_point {
        const char *point;
        struct stat st;
        unsigned found;
};

static int find(const struct mountinfo_line *line, void *userdata) {
        struct wanted_point *wanted = userdata;

        if (strcmp(line->point, wanted->point) != 0)
                return 0;
        wanted->found++;
        ck_assert_str_eq(line->type, "tmpfs");
        ck_assert_str_eq(line->source, "a source");
        ck_assert_uint_eq(line->device, wanted->st.st_dev);
        ck_assert_ptr_nonnull(strstr(line->options_mount, "nosuid"));
        return 0;
}

START_TEST(test_real) {
        struct wanted_point wanted = {.point = "/tmp/tab\t space \\040 \xc3\xbc\n#"};
        _cleanup_close_ int fd = -1;

        namespace_enter_with_room();
        fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(mkdir(wanted.point, 0700), 0);
        ck_assert_int_eq(mount("a source", wanted.point, "tmpfs", MS_NOSUID, "size=64k"), 0);
        ck_assert_int_eq(stat(wanted.point, &wanted.st), 0);
        for (unsigned i = 1; i <= 2; i++) { /* the second time from the start again */
                ck_assert_int_eq(mountinfo_read(fd, find, &wanted, NULL), 0);
                ck_assert_uint_eq(wanted.found, i);
        }
}
END_TEST

START_TEST(test_source_of_one) {
        _cleanup_free_ char *source = NULL, *none = NULL;
        struct statx status;

        namespace_enter_with_room();
        ck_assert_int_eq(mkdir("/tmp/m", 0700), 0);
        ck_assert_int_eq(mount("below", "/tmp/m", "tmpfs", 0, NULL), 0);
        ck_assert_int_eq(mount("a source", "/tmp/m", "tmpfs", 0, NULL), 0);
        ck_assert_int_eq(statx(AT_FDCWD, "/tmp/m", 0, STATX_MNT_ID, &status), 0);
        ck_assert_int_eq(mountinfo_find_source((uint32_t) status.stx_mnt_id, &source), 0);
        ck_assert_str_eq(source, "a source");
        ck_assert_int_eq(umount2("/tmp/m", 0), 0);
        ck_assert_int_eq(mountinfo_find_source((uint32_t) status.stx_mnt_id, &none), 0);
        ck_assert_ptr_null(none);
}
END_TEST

UNIT_MAIN("mountinfo", test_fields, test_names, test_dev_root, test_optional, test_long_line, test_bad_anywhere, test_bad_lines, test_tabs, test_bad_first_line,
        test_odd_texts, test_callback_ends, test_real, test_source_of_one)
