/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Random trees and random changes of them, made through real overlays: the diff, applied to a copy of what it was taken against, is what
 * was seen, and the diff again has the same bytes. Each run has other ones; PODMOUNT_SEED repeats one. */

#include <dirent.h>
#include <time.h>

#include "tests/unit/content/layers.h"

enum { ROUNDS = 12, ENTRIES = 40, LINKS = 30, MOVES = 3, CHANGES = 60 };

static unsigned number(unsigned below) {
        return (unsigned) random() % below;
}

/* One of few names, three directories deep at most, so that they meet. */
static char *pick(const char *root) {
        char *path = NULL;
        unsigned depth = number(3);

        ck_assert_int_gt(asprintf(&path, "%s%s%c%s%c/%c", root, depth > 0 ? "/" : "", depth > 0 ? (char) ('a' + number(5)) : '/', depth > 1 ? "/" : "",
                                  depth > 1 ? (char) ('a' + number(5)) : '/', (char) ('a' + number(5))), 0);
        return path;
}

static void write_some(const char *path) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600 + number(64));
        char data[64];

        if (fd < 0)
                return;
        memset(data, (int) number(256), sizeof(data));
        (void) !pwrite(fd, data, 1 + number(sizeof(data)), number(4) == 0 ? 100000 + (off_t) number(500000) : (off_t) number(100));
}

static void set_some(const char *path) {
        const char value[] = {(char) number(256), (char) number(256)};

        switch (number(4)) {
        case 0:
                (void) !lchown(path, number(70000), number(70000));
                break;
        case 1:
                (void) !fchmodat(AT_FDCWD, path, number(010000), 0);
                break;
        case 2:
                (void) lsetxattr(path, number(2) ? "trusted.a" : "user.c", value, number(3), 0);
                break;
        default:
                (void) lsetxattr(path, number(2) ? "trusted.b" : "trusted.a", value, number(3), 0);
        }
}

/* A directory that hides what is below it: what is there goes, and one of the same name comes. Chance alone does that too seldom. */
static void replace(const char *root) {
        _cleanup_free_ char *path = NULL;
        struct stat st;

        ck_assert_int_gt(asprintf(&path, "%s/%c", root, (char) ('a' + number(5))), 0);
        if (lstat(path, &st) == 0 && nftw(path, applier_remove, 64, FTW_PHYS | FTW_DEPTH) == 0)
                (void) mkdir(path, 0700 + number(64));
}

static void link_some(const char *root) {
        _cleanup_free_ char *path = pick(root), *other = pick(root);

        (void) !link(other, path);
}

/* A directory gets another name, often one that nothing else has, and keeps what is in it. */
static void move(const char *root) {
        _cleanup_free_ char *from = NULL, *to = NULL;

        ck_assert_int_gt(asprintf(&from, "%s/%c", root, (char) ('a' + number(5))), 0);
        ck_assert_int_gt(asprintf(&to, "%s/%c", root, (char) ('a' + number(10))), 0);
        (void) rename(from, to);
}

/* What cannot be done is not: there are others. */
static void do_some(const char *root) {
        _cleanup_free_ char *path = pick(root), *other = pick(root);

        switch (number(12)) {
        case 0:
        case 1:
                (void) mkdir(path, 0700 + number(64));
                break;
        case 2:
        case 3:
                write_some(path);
                break;
        case 4:
                (void) !symlink(other, path);
                break;
        case 5:
                link_some(root);
                break;
        case 6:
                (void) mknod(path, (mode_t[]) {S_IFIFO, S_IFCHR, S_IFBLK}[number(3)] | 0600, makedev(1 + number(300), number(300)));
                break;
        case 7:
                (void) rename(path, other);
                break;
        case 8:
                if (number(2))
                        (void) nftw(path, applier_remove, 64, FTW_PHYS | FTW_DEPTH);
                break;
        case 9:
                replace(root);
                break;
        case 10:
                move(root);
                break;
        default:
                set_some(path);
        }
}

static void check_round(bool redirects) {
        const char *options = redirects ? "redirect_dir=on,metacopy=on" : "redirect_dir=nofollow,metacopy=off";
        struct beside beside;

        layers_clear();
        for (unsigned i = 0; i < ENTRIES; i++)
                do_some("/tmp/low");
        for (unsigned i = 0; i < LINKS; i++)
                link_some("/tmp/low");
        layers_mount(options);
        for (unsigned i = 0; i < MOVES; i++)
                move("/tmp/merged");
        for (unsigned i = 0; i < CHANGES; i++)
                do_some("/tmp/merged");
        /* What is mounted keeps some of what it knows to itself. */
        ck_assert_int_eq(umount2("/tmp/merged", 0), 0);
        layers_mount(options);
        beside_layer(&beside);
        check_diff(&beside, "/tmp/low", "/tmp/merged");
        beside_done(&beside);
        beside_view(&beside, "/tmp/low");
        check_diff(&beside, "/tmp/low", "/tmp/merged");
        beside_done(&beside);
}

START_TEST(test_random) {
        const char *given = getenv("PODMOUNT_SEED");
        unsigned seed = given ? (unsigned) strtoul(given, NULL, 10) : (unsigned) time(NULL) ^ (unsigned) getpid() << 16;

        if (!layers_begin())
                return;
        umask(0);
        fprintf(stderr, "# PODMOUNT_SEED=%u\n", seed);
        srandom(seed);
        for (unsigned i = 0; i < ROUNDS; i++)
                check_round(i % 2);
}
END_TEST

UNIT_MAIN("random", test_random)
