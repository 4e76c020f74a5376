/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What layers change, on real overlays. */

#include <endian.h>
#include <linux/capability.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/unit/content/layers.h"
#include "util/text.h"

static void shell(const char *command) {
        if (system(command) != 0)
                ck_abort_msg("%s", command);
}

static void attribute(const char *path, const char *name, const void *value, size_t size) {
        if (lsetxattr(path, name, value, size, 0) != 0)
                ck_abort_msg("%s of %s: %m", name, path);
}

/* An access control list: the owner, one user and one group more, the rest (linux/posix_acl_xattr.h). */
static void access_list(const char *path, const char *name, uint32_t user, uint32_t group) {
        const struct {
                uint32_t version;
                struct posix_acl_xattr_entry entries[6];
        } list = {
                .version = htole32(POSIX_ACL_XATTR_VERSION),
                .entries = {
                        {htole16(ACL_USER_OBJ), htole16(6), htole32(ACL_UNDEFINED_ID)},
                        {htole16(ACL_USER), htole16(7), htole32(user)},
                        {htole16(ACL_GROUP_OBJ), htole16(4), htole32(ACL_UNDEFINED_ID)},
                        {htole16(ACL_GROUP), htole16(4), htole32(group)},
                        {htole16(ACL_MASK), htole16(7), htole32(ACL_UNDEFINED_ID)},
                        {htole16(ACL_OTHER), htole16(0), htole32(ACL_UNDEFINED_ID)},
                },
        };

        attribute(path, name, &list, sizeof(list));
}

static void expect_list(struct beside *beside, const char *wanted) {
        _cleanup_free_ char *found = list_diff(beside);

        ck_assert_str_eq(found, wanted);
        beside_done(beside);
}

#define LOW                                                                                                            \
        "cd /tmp/low && mkdir -p a/b c gone/deep opaque/sub dir moved/x && echo 1 >a/b/file && echo 2 >c/same && echo 3 >gone/deep/file && "   \
        "echo 4 >opaque/old && echo 5 >opaque/sub/old && echo 6 >dir/inside && echo 7 >file && ln -s target link && echo 8 >moved/x/y && "     \
        "echo 9 >touched && echo 10 >owned && mkfifo fifo && find . -exec touch -h -d @1000000000.123456789 {} +"

#define CHANGE                                                                                                         \
        "cd /tmp/merged && echo 11 >>a/b/file && rm -r gone && rm -r opaque && mkdir opaque opaque/sub && echo 12 >opaque/new && "             \
        "echo 13 >opaque/sub/new && rm -r dir && echo 14 >dir && rm file && mkdir file && echo 15 >file/inside && ln -sfn other link && "      \
        "touch -d @1000000000.123456789 touched && chown 5:6 owned && echo 16 >new && chmod 700 a && rm fifo && mkfifo fifo2"

START_TEST(test_kinds) {
        struct beside beside;

        if (!layers_begin())
                return;
        shell(LOW);
        layers_mount("redirect_dir=nofollow,metacopy=off");
        shell(CHANGE);
        beside_layer(&beside);
        expect_list(&beside,
                "modified  time\n"
                "modified a mode\n"
                "modified a/b/file size,time\n"
                "modified dir type\n"
                "deleted fifo\n"
                "added fifo2\n"
                "modified file type\n"
                "added file/inside\n"
                "deleted gone\n"
                "modified link time,target\n"
                "added new\n"
                "modified opaque time\n"
                "added opaque/new\n"
                "deleted opaque/old\n"
                "modified opaque/sub time\n"
                "added opaque/sub/new\n"
                "deleted opaque/sub/old\n"
                "modified owned owner\n"
                "modified touched\n");
}
END_TEST

static void make_socket(const char *path) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        strcpy(address.sun_path, path);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(bind(fd, (const struct sockaddr *) &address, sizeof(address)), 0);
}

/* What the diff has is what the list tells. */
static void expect_entries(struct beside *beside, const char *list, const char *entries) {
        _cleanup_(sink_done) struct sink sink = {};
        _cleanup_free_ char *found = NULL;
        size_t size = 0;
        FILE *to = open_memstream(&found, &size);
        struct archive *archive = archive_read_new();
        struct archive_entry *entry;

        write_diff(beside, &sink);
        ck_assert_uint_eq(size_diff(beside), 2);
        ck_assert_int_eq(archive_read_support_format_tar(archive), ARCHIVE_OK);
        ck_assert_int_eq(archive_read_open_memory(archive, sink.data, sink.size), ARCHIVE_OK);
        while (archive_read_next_header(archive, &entry) == ARCHIVE_OK)
                fprintf(to, "%s\n", archive_entry_pathname(entry));
        archive_read_free(archive);
        ck_assert_int_eq(fclose(to), 0);
        ck_assert_str_eq(found, entries);
        expect_list(beside, list);
}

START_TEST(test_sockets) {
        static const char entries[] = "./\nkept\nrun/\nrun/.wh.app\nrun/.wh.dd\n";
        struct beside beside;

        if (!layers_begin())
                return;
        shell("cd /tmp/low && mkdir -p run/dd/x && echo 1 >run/app && echo 1 >kept && find . -exec touch -d @1000000000 {} +");
        make_socket("/tmp/low/run/both");
        shell("touch -d @1000000000 /tmp/low/run");
        layers_mount("redirect_dir=nofollow,metacopy=off");
        shell("cd /tmp/merged && rm -r run/app run/dd run/both && echo 2 >kept");
        make_socket("/tmp/merged/run/app");
        make_socket("/tmp/merged/run/dd");
        make_socket("/tmp/merged/run/both");
        make_socket("/tmp/merged/run/new");
        shell("touch -d @1000000000 /tmp/merged /tmp/low");
        beside_layer(&beside);
        expect_entries(&beside, "modified kept time\nmodified run time\ndeleted run/app\ndeleted run/dd\n", entries);
        beside_tree(&beside, "/tmp/merged", "/tmp/low");
        expect_entries(&beside, "modified kept time\nmodified run time\ndeleted run/app\ndeleted run/dd\n", entries);
        beside_view(&beside, "/tmp/low");
        expect_entries(&beside, "modified kept time\nmodified run time\ndeleted run/app\ndeleted run/dd\n", entries);
        beside_view(&beside, NULL);
        expect_entries(&beside, "added \nadded kept\nadded run\n", "./\nkept\nrun/\n");
        /* The other way round a file takes the place of nothing. */
        beside_tree(&beside, "/tmp/low", "/tmp/merged");
        shell("rm /tmp/low/kept && cp -a /tmp/merged/kept /tmp/low/kept");
        shell("echo 1 >/tmp/low/run/app && touch -r /tmp/merged/run /tmp/low/run && touch -d @1000000000 /tmp/low");
        expect_entries(&beside, "added run/app\nadded run/dd\nadded run/dd/x\n", "./\nrun/\nrun/app\nrun/dd/\nrun/dd/x/\n");
}
END_TEST

/* All ways to tell it have the same outcome. */
static void check_all(const char *options) {
        struct beside beside;

        layers_mount(options);
        beside_layer(&beside);
        check_diff(&beside, "/tmp/low", "/tmp/merged");
        beside_done(&beside);
        beside_tree(&beside, "/tmp/merged", "/tmp/low");
        check_diff(&beside, "/tmp/low", "/tmp/merged");
        beside_done(&beside);
        beside_view(&beside, "/tmp/low");
        check_diff(&beside, "/tmp/low", "/tmp/merged");
        beside_done(&beside);
        make_directory("/tmp/empty");
        beside_view(&beside, NULL);
        check_diff(&beside, "/tmp/empty", "/tmp/merged");
        beside_done(&beside);
        ck_assert_int_eq(rmdir("/tmp/empty"), 0);
}

static void check_change(const char *options, const char *low, const char *change, void (*more)(void)) {
        layers_clear();
        shell(low);
        layers_mount(options);
        shell(change);
        if (more)
                more();
        ck_assert_int_eq(umount2("/tmp/merged", MNT_DETACH), 0);
        check_all(options);
}

START_TEST(test_applied) {
        if (!layers_begin())
                return;
        check_change("redirect_dir=nofollow,metacopy=off", LOW, CHANGE, NULL);
}
END_TEST

/* What overlays with other options leave is found in what lies below. */
START_TEST(test_redirects) {
        static const char low[] = "cd /tmp/low && mkdir -p a/b/c d/e && echo 1 >a/b/c/file && echo 2 >a/b/other && echo 3 >d/e/file && echo 4 >a/same && ln a/same a/second && mkdir k l && echo 8 >k/one && ln k/one l/two && ln k/one three";
        static const char *const changes[] = {
                "cd /tmp/merged && mv a moved && echo 5 >moved/b/new && rm moved/b/other && mkdir a && echo 6 >a/fresh",
                "cd /tmp/merged && mv a/b d/b && mv d a/d && mv a/d/e/file a/d/f && mkdir d && echo 7 >d/e",
                "cd /tmp/merged && chmod 755 a/same && chown 3:4 a/b/other && mv a/b/other a/other && mv a/b a/bb && rm a/bb/c/file",
                "cd /tmp/merged && mv a/b/c c && mv a/b a/c && mv c a/b && rmdir d/e 2>/dev/null; mv d/e a/e && mv a aa",
                "cd /tmp/merged && mv l moved",
        };

        if (!layers_begin())
                return;
        for (size_t i = 0; i < ELEMENTSOF(changes); i++)
                check_change("redirect_dir=on,metacopy=on", low, changes[i], NULL);
}
END_TEST

/* Takes what is written as whoever lets nothing go before there is enough of it. */
struct holder {
        struct sink sink;
        struct tar *tar;
        unsigned dropped;
};

enum { HOLDER_MAX = 200 * 1024 };

static int holder_put(void *userdata, const void *data, size_t size) {
        struct holder *holder = userdata;
        int r = sink_put(&holder->sink, data, size);

        return r == 0 && holder->sink.size > HOLDER_MAX ? tar_release(holder->tar) : r;
}

static int holder_drop(void *userdata) {
        struct holder *holder = userdata;

        holder->dropped++;
        holder->sink.size = 0;
        return 0;
}

static void expect_held(struct beside *beside, const struct sink *wanted) {
        struct holder holder = {};
        _cleanup_tar_ struct tar *tar = holder.tar = tar_new(holder_put, &holder);
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        tar_hold(tar, holder_drop);
        ck_assert_int_eq(diff_write(&beside->changes, NULL, tar, &f), 0);
        ck_assert_int_eq(tar_end(tar), 0);
        ck_assert_uint_eq(holder.dropped, 1);
        ck_assert_uint_eq(holder.sink.size, wanted->size);
        ck_assert_int_eq(memcmp(holder.sink.data, wanted->data, wanted->size), 0);
        sink_done(&holder.sink);
}

/* The same, found out when more has been told than is held back: what is told is the comparison of two trees, from the beginning and once. */
START_TEST(test_redirects_late) {
        struct beside beside, trees;
        _cleanup_(sink_done) struct sink sink = {}, wanted_sink = {};
        _cleanup_free_ char *list = NULL, *wanted = NULL;

        if (!layers_begin())
                return;
        shell("cd /tmp/low && mkdir -p k l && echo 8 >k/one && ln k/one l/two && ln k/one three");
        layers_mount("redirect_dir=on,metacopy=on");
        shell("cd /tmp/merged && mkdir a && for i in $(seq 1000 3000); do echo $i >a/with-a-name-that-is-a-little-longer-$i; done && mv l moved");
        beside_layer(&beside);
        beside_view(&trees, "/tmp/low");
        list = list_diff(&beside);
        wanted = list_diff(&trees);
        ck_assert_uint_gt(strlen(list), 64 * 1024);
        ck_assert_str_eq(list, wanted);
        write_diff(&beside, &sink);
        write_diff(&trees, &wanted_sink);
        ck_assert_uint_gt(sink.size, 512 * 1024);
        ck_assert_uint_eq(sink.size, wanted_sink.size);
        ck_assert_int_eq(memcmp(sink.data, wanted_sink.data, sink.size), 0);
        expect_held(&beside, &wanted_sink);
        ck_assert_uint_eq(size_diff(&beside), size_diff(&trees));
        beside_done(&beside);
        beside_done(&trees);
}
END_TEST

/* A redirect or a copy of metadata that leads nowhere, or out, is told, with the path. */
START_TEST(test_led_out) {
        static const char *const redirects[] = {"/../../etc", "/gone", "/link", "/file", "sub/dir", "..", "/"};

        if (!layers_begin())
                return;
        shell("cd /tmp/low && mkdir dir && ln -s /etc link && echo 1 >file && cd /tmp/up && mkdir dir && echo 2 >copy");
        for (size_t i = 0; i <= ELEMENTSOF(redirects); i++) {
                _cleanup_(sink_done) struct sink sink = {};
                _cleanup_tar_ struct tar *tar = tar_new(sink_put, &sink);
                _cleanup_failure_ struct failure f = FAILURE_INIT;
                const char *path = i < ELEMENTSOF(redirects) ? "/tmp/up/dir" : "/tmp/up/copy";
                struct beside beside;

                if (i < ELEMENTSOF(redirects))
                        ck_assert_int_eq(lsetxattr(path, "trusted.overlay.redirect", redirects[i], strlen(redirects[i]), 0), 0);
                else {
                        ck_assert_int_eq(lremovexattr("/tmp/up/dir", "trusted.overlay.redirect"), 0);
                        ck_assert_int_eq(lsetxattr(path, "trusted.overlay.metacopy", "", 0, 0), 0);
                }
                beside_layer(&beside);
                ck_assert_int_eq(diff_write(&beside.changes, NULL, tar, &f), FAILURE_MOUNT_FAILED);
                ck_assert_ptr_nonnull(strstr(f.text, i < ELEMENTSOF(redirects) ? "/dir " : "/copy "));
                beside_done(&beside);
        }
}
END_TEST

static void add_attributes(void) {
        attribute("/tmp/merged/a1", "user.one", "\0\1\n=", 5);
        attribute("/tmp/merged/a1", "user.empty", "", 0);
        attribute("/tmp/merged/b", "trusted.two", "2", 1);
        attribute("/tmp/merged/link", "trusted.three", "3", 1);
        access_list("/tmp/merged/a1", "system.posix_acl_access", 7, 8);
        access_list("/tmp/merged/b", "system.posix_acl_default", 9, 10);
}

START_TEST(test_contents) {
        static const char change[] =
                "cd /tmp/merged && truncate -s 30M sparse && printf x | dd of=sparse bs=1 seek=5000000 conv=notrunc status=none && truncate -s 64K hole && "
                "printf y >tail && truncate -s 1M tail && dd if=/dev/urandom of=big bs=64K count=40 status=none && dd if=/dev/zero of=zeros bs=4K count=9 status=none && "
                "printf 1 >a1 && ln a1 b/a2 && ln a1 a0 && ln -s $(printf '%0250d' 1) long-target && mkdir -p $(printf '%0200d/%0200d' 1 2) && "
                "echo 2 >$(printf '%0200d/%0200d/%0200d' 1 2 3) && mknod null c 1 3 && mknod disk b 300 70000 && mkfifo pipe && "
                "chmod 6755 big && setcap cap_net_raw+ep big && chown 4000000:4000001 b && touch -d @-5.25 b/x && "
                "touch \"$(printf 'caf\\303\\251')\" \"$(printf 'bad\\377')\" \"$(printf 'new\\nline')\" && ln big b/big && chmod 1777 b";

        if (!layers_begin())
                return;
        check_change("redirect_dir=nofollow,metacopy=off", "cd /tmp/low && mkdir b && ln -s x link", change, add_attributes);
}
END_TEST

/* Links that are not the same ones any more, of files that are: all names are told. */
START_TEST(test_links) {
        static const char low[] = "cd /tmp/low && mkdir d && echo 1 >a && ln a b && ln a d/c && echo 2 >e && echo 3 >x && ln x y && find . -exec touch -h -d @1000000000 {} +";
        struct beside beside;

        if (!layers_begin())
                return;
        shell(low);
        copy_tree("/tmp/low");
        shell("cd /tmp/copy && rm b && cp -p a b && rm e && ln d/c e && rm y && cp -p x y && touch -d @1000000000 .");
        ck_assert_int_eq(rename("/tmp/copy", "/tmp/now"), 0);
        beside_tree(&beside, "/tmp/now", "/tmp/low");
        check_diff(&beside, "/tmp/low", "/tmp/now");
        expect_list(&beside, "modified a links\nmodified d/c links\nmodified e content\nmodified x links\nmodified y links\n");
}
END_TEST

/* With the same attributes, sizes and times, contents decide. */
START_TEST(test_compared) {
        struct beside beside;

        if (!layers_begin())
                return;
        shell("cd /tmp/low && mkdir d && echo 1 >d/a && echo 2 >d/b && touch -d @1000000000 d/a d/b d .");
        copy_tree("/tmp/low");
        shell("cd /tmp/copy && echo 3 >d/a && touch -d @1000000000 d/a d .");
        ck_assert_int_eq(rename("/tmp/copy", "/tmp/now"), 0);
        beside_tree(&beside, "/tmp/now", "/tmp/low");
        check_diff(&beside, "/tmp/low", "/tmp/now");
        ck_assert_uint_eq(size_diff(&beside), 2);
        expect_list(&beside, "modified d/a content\n");
}
END_TEST

/* More of them than most entries have. */
static void add_many_attributes(const char *path) {
        for (unsigned i = 0; i < 100; i++) {
                _cleanup_free_ char *name = text_format("user.one-of-many-attributes-%u", i);

                attribute(path, name, name, strlen(name));
        }
}

START_TEST(test_many_attributes) {
        struct beside beside;

        if (!layers_begin())
                return;
        shell("cd /tmp/low && mkdir d && echo 1 >d/a && touch -d @1000000000 d/a d .");
        copy_tree("/tmp/low");
        add_many_attributes("/tmp/low/d/a");
        add_many_attributes("/tmp/copy/d/a");
        attribute("/tmp/copy/d/a", "user.one-of-many-attributes-99", "", 0);
        ck_assert_int_eq(rename("/tmp/copy", "/tmp/now"), 0);
        beside_tree(&beside, "/tmp/now", "/tmp/low");
        check_diff(&beside, "/tmp/low", "/tmp/now");
        expect_list(&beside, "modified d/a xattrs\n");
}
END_TEST

START_TEST(test_size) {
        struct beside beside;

        if (!layers_begin())
                return;
        shell("cd /tmp/low && echo 123 >below && cd /tmp/up && printf 12345 >a && ln a b && truncate -s 1000 c && ln -s 1234567 d && mknod gone c 0 0");
        beside_layer(&beside);
        ck_assert_uint_eq(size_diff(&beside), 1005);
        beside_done(&beside);
        beside_view(&beside, NULL);
        ck_assert_uint_eq(size_diff(&beside), 1009);
        beside_done(&beside);
}
END_TEST

/* In a layer that stands on nothing, nothing is deleted. */
START_TEST(test_base) {
        _cleanup_(sink_done) struct sink sink = {};
        struct beside beside;

        if (!layers_begin())
                return;
        shell("cd /tmp/up && mkdir a && mknod gone c 0 0 && mknod a/gone c 0 0");
        attribute("/tmp/up/a", "trusted.overlay.opaque", "y", 1);
        beside_tree(&beside, "/tmp/up", NULL);
        beside.changes.layer = true;
        write_diff(&beside, &sink);
        ck_assert_ptr_null(memmem(sink.data, sink.size, ".wh.", 4));
        expect_list(&beside, "added \nadded a\n");
}
END_TEST

static int refuse(struct beside *beside, const char *words) {
        _cleanup_(sink_done) struct sink sink = {};
        _cleanup_tar_ struct tar *tar = tar_new(sink_put, &sink);
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        int r = diff_write(&beside->changes, NULL, tar, &f);

        ck_assert_ptr_nonnull(strstr(f.text, words));
        beside_done(beside);
        return r;
}

START_TEST(test_refused) {
        const struct id_mapping map = {.container_id = 0, .host_id = 100000, .size = 10};
        const struct idmap idmap = {.given = true, .uids = (struct id_mapping *) (uintptr_t) &map, .gids = (struct id_mapping *) (uintptr_t) &map, .n_uids = 1, .n_gids = 1};
        struct beside beside;

        if (!layers_begin())
                return;
        shell("cd /tmp/up && touch .wh.name");
        beside_layer(&beside);
        ck_assert_int_eq(refuse(&beside, "/.wh.name "), FAILURE_NOT_SUPPORTED);
        shell("cd /tmp/up && rm .wh.name && touch name");
        attribute("/tmp/up/name", "trusted.a=b", "c", 1);
        beside_layer(&beside);
        ck_assert_int_eq(refuse(&beside, "trusted.a=b"), FAILURE_NOT_SUPPORTED);
        shell("cd /tmp/up && rm name && chown 100000:100000 . && touch name && chown 100003:100010 name");
        beside_layer(&beside);
        beside.changes.now.map = &idmap;
        ck_assert_int_eq(refuse(&beside, "/name is of the id 100010"), FAILURE_NOT_SUPPORTED);
        shell("cd /tmp/up && rm name && perl -e 'for (1..2100) { mkdir \"d\"; chdir \"d\" or die }'");
        beside_layer(&beside);
        ck_assert_int_eq(refuse(&beside, "within each other"), FAILURE_NOT_SUPPORTED);
}
END_TEST

/* The ids that the container sees, in lists and capabilities, too. */
START_TEST(test_mapped) {
        const struct id_mapping map = {.container_id = 0, .host_id = 100000, .size = 1000};
        const struct idmap idmap = {.given = true, .uids = (struct id_mapping *) (uintptr_t) &map, .gids = (struct id_mapping *) (uintptr_t) &map, .n_uids = 1, .n_gids = 1};
        _cleanup_(sink_done) struct sink sink = {};
        char found[256], wanted[256];
        struct beside beside;

        if (!layers_begin())
                return;
        shell("cd /tmp/low && echo 1 >other && cd /tmp/up && chown 100000:100000 . && echo 2 >file && chown 100005:100006 file && "
              "setcap -n 100000 cap_net_raw+ep file");
        access_list("/tmp/up/file", "system.posix_acl_access", 100007, 100008);
        beside_layer(&beside);
        beside.changes.now.map = &idmap;
        write_diff(&beside, &sink);
        beside_done(&beside);
        make_directory("/tmp/copy");
        ck_assert_int_eq(chdir("/tmp/copy"), 0);
        applier_apply(&sink);
        shell("test \"$(stat -c %u:%g . file | tr '\\n' ' ')\" = '0:0 5:6 '");
        access_list("/tmp/low/other", "system.posix_acl_access", 7, 8);
        ck_assert_int_eq(lgetxattr("file", "system.posix_acl_access", found, sizeof(found)), lgetxattr("/tmp/low/other", "system.posix_acl_access", wanted, sizeof(wanted)));
        ck_assert_mem_eq(found, wanted, 44);
        ck_assert_int_eq(lgetxattr("file", "security.capability", found, sizeof(found)), XATTR_CAPS_SZ_2);
}
END_TEST

static struct {
        unsigned n;
        size_t at_once; /* no more than this of a file is passed; 0: nothing can be */
} passing;

static ssize_t pass_some(void *userdata, int fd, off_t at, size_t size) {
        static char room[1024 * 1024];
        ssize_t n;

        passing.n++;
        if (passing.at_once == 0)
                return -EOPNOTSUPP;
        n = pread(fd, room, size < passing.at_once ? size : passing.at_once, at);
        ck_assert_int_ge(n, 0);
        ck_assert_int_eq(sink_put(userdata, room, (size_t) n), 0);
        return n;
}

/* What is passed on, whole, in part or not at all, is in its place; small files, and the parts between holes that are small, are copied. */
START_TEST(test_passed) {
        static const size_t cases[] = {SIZE_MAX, 50000, 0};
        _cleanup_(sink_done) struct sink wanted = {};
        struct beside beside;

        if (!layers_begin())
                return;
        shell("cd /tmp/up && mkdir a && head -c 300000 /dev/urandom >a/large && head -c 3000 /dev/urandom >small && head -c 32768 /dev/urandom >just");
        shell("cd /tmp/up && head -c 100000 /dev/urandom >holes && truncate -s 400000 holes && printf x >>holes && ln a/large z");
        beside_layer(&beside);
        write_diff(&beside, &wanted);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(sink_done) struct sink sink = {};
                _cleanup_tar_ struct tar *tar = tar_new(sink_put, &sink);
                _cleanup_failure_ struct failure f = FAILURE_INIT;

                passing.n = 0;
                passing.at_once = cases[i];
                tar_pass(tar, pass_some);
                ck_assert_int_eq(diff_write(&beside.changes, NULL, tar, &f), 0);
                ck_assert_int_eq(tar_end(tar), 0);
                ck_assert_uint_eq(passing.n, 3);
                ck_assert_uint_eq(sink.size, wanted.size);
                ck_assert_int_eq(memcmp(sink.data, wanted.data, sink.size), 0);
        }
        beside_done(&beside);
}
END_TEST

/* Whatever happens where, no reader takes it for a whole archive. */
START_TEST(test_incomplete) {
        struct beside beside;

        if (!layers_begin())
                return;
        shell("cd /tmp/up && mkdir a && head -c 3000 /dev/zero >a/zeros && printf x >b && truncate -s 10000 c && printf x >>c && truncate -s 20000 c && ln -s x d && touch .wh.z");
        beside_layer(&beside);
        for (unsigned i = 0; i < 2; i++) {
                _cleanup_(sink_done) struct sink sink = {};
                _cleanup_tar_ struct tar *tar = tar_new(sink_put, &sink);
                _cleanup_failure_ struct failure f = FAILURE_INIT;
                static const char zeros[1024];

                if (i > 0) {
                        shell("rm /tmp/up/.wh.z && touch /tmp/up/z");
                        attribute("/tmp/up/z", "trusted.a=b", "c", 1);
                }
                ck_assert_int_ne(diff_write(&beside.changes, NULL, tar, &f), 0);
                tar_spoil(tar);
                ck_assert_uint_gt(sink.size, 1024);
                ck_assert_int_ne(memcmp(sink.data + sink.size - sizeof(zeros), zeros, sizeof(zeros)), 0);
                make_file("/tmp/out.tar", "");
                {
                        _cleanup_fclose_ FILE *out = fopen("/tmp/out.tar", "we");

                        ck_assert_uint_eq(fwrite(sink.data, 1, sink.size, out), sink.size);
                }
                ck_assert_int_ne(system("tar -tf /tmp/out.tar >/dev/null 2>&1"), 0);
                ck_assert_int_ne(system("bsdtar -tf /tmp/out.tar >/dev/null 2>&1"), 0);
        }
        beside_done(&beside);
}
END_TEST

UNIT_MAIN("diff", test_kinds, test_sockets, test_applied, test_redirects, test_redirects_late, test_led_out, test_contents, test_links, test_compared, test_many_attributes, test_size, test_base, test_refused, test_mapped,
        test_passed, test_incomplete)
