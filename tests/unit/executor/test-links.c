/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hard links of a tar to what only a layer below has: what is charged for the copies, and what may not be copied. */

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "executor/apply.h"
#include "executor/layer.h"
#include "executor/stream.h"
#include "tests/unit/executor/hands.h"

#define CAPABILITY(name) (UINT64_C(1) << (name))

enum { BLOCK = 64 * 1024, LINKS = 1000, FIGURE_CONTENT = 1, FIGURE_BYTES, FIGURE_INODES };

static sd_event *event;
static struct stream *stream;
static struct {
        bool ended;
        enum failure_kind failure;
        uint64_t figures[STREAM_FIGURES];
        char text[512];
} told;

static struct {
        uint64_t bytes_max, inodes_max;
        int tar;
} with;

static void on_told(const struct stream_report *report, void *userdata _unused_) {
        if (report->kind != STREAM_DONE && report->kind != STREAM_FAILED)
                return;
        told.ended = true;
        told.failure = report->kind == STREAM_DONE ? FAILURE_NONE : report->failure;
        memcpy(told.figures, report->figures, sizeof(told.figures));
        (void) snprintf(told.text, sizeof(told.text), "%s", report->text ? report->text : "");
        stream = stream_free(stream);
}

static int open_in(const char *name) {
        return open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int work(struct worker *worker, const int *fds, void *userdata _unused_) {
        struct apply_setup setup = {
                .source = {.fd = fds[0], .figure = 0},
                .into = {
                        .root = open_in("/new"),
                        .opaque = open("/opaque", O_RDWR | O_CREAT | O_CLOEXEC, 0600),
                        .below = open_in("/below"),
                        .own = -1,
                        .stash = open_in("/stash"),
                        .notes = -1,
                        .bytes_max = with.bytes_max,
                        .inodes_max = with.inodes_max,
                        .bytes_figure = FIGURE_BYTES,
                        .inodes_figure = FIGURE_INODES,
                },
                .split = -1,
                .content_figure = FIGURE_CONTENT,
        };

        return setup.into.root < 0 || setup.into.opaque < 0 || setup.into.below < 0 || setup.into.stash < 0 ? -EBADF : apply_tar(worker, &setup);
}

/* Of hard links: pairs of names, with a NULL behind. */
static int make_tar(const char *const *links, unsigned times) {
        struct archive *archive = archive_write_new();
        int fd = memfd_create("tar", MFD_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert(archive_write_set_format_ustar(archive) == ARCHIVE_OK && archive_write_open_fd(archive, fd) == ARCHIVE_OK);
        for (; links[0]; links += 2)
                for (unsigned i = 0; i < times; i++) {
                        struct archive_entry *entry = archive_entry_new();
                        char name[64];

                        (void) snprintf(name, sizeof(name), times == 1 ? "%s" : "%s-%u", links[0], i);
                        archive_entry_set_pathname(entry, name);
                        archive_entry_set_hardlink(entry, links[1]);
                        ck_assert_int_eq(archive_write_header(archive, entry), ARCHIVE_OK);
                        archive_entry_free(entry);
                }
        ck_assert(archive_write_close(archive) == ARCHIVE_OK && archive_write_free(archive) == ARCHIVE_OK);
        ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
        return fd;
}

static void put_sparse(int place, const char *name, unsigned blocks) {
        int fd = openat(place, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
        char block[BLOCK];

        memset(block, 'x', sizeof(block));
        ck_assert(fd >= 0 && ftruncate(fd, 100 * BLOCK) == 0);
        for (unsigned i = 0; i < blocks; i++)
                ck_assert_int_eq(pwrite(fd, block, sizeof(block), (off_t) (10 + 3 * i) * BLOCK), BLOCK);
        (void) close(fd);
}

static void put_socket(const char *path) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        ck_assert(fd >= 0 && strlen(path) < sizeof(address.sun_path));
        memcpy(address.sun_path, path, strlen(path) + 1);
        ck_assert_int_eq(bind(fd, (const struct sockaddr *) &address, sizeof(address)), 0);
        (void) close(fd);
}

static int make_place(void) {
        int place;

        (void) signal(SIGCHLD, SIG_IGN);
        if (!event)
                ck_assert_int_ge(sd_event_new(&event), 0);
        ck_assert_int_eq(mkdir("/tmp/place", 0700), 0);
        place = open_in("/tmp/place");
        ck_assert(place >= 0 && mkdirat(place, "below", 0755) == 0 && mkdirat(place, "new", 0755) == 0 && mkdirat(place, "stash", 0700) == 0);
        ck_assert_int_eq(mkdirat(place, "below/d", 0710), 0);
        return place;
}

static void apply(int place, const char *const *links, unsigned times, uint64_t bytes_max, uint64_t inodes_max) {
        int tar = make_tar(links, times), channel;
        const struct worker_setup setup = {
                .name = "podmount-test",
                .root = place,
                .fds = &tar,
                .n_fds = 1,
                .capabilities = CAPABILITY(CAP_CHOWN) | CAPABILITY(CAP_DAC_OVERRIDE) | CAPABILITY(CAP_FOWNER) | CAPABILITY(CAP_FSETID),
                .work = work,
        };

        with.bytes_max = bytes_max;
        with.inodes_max = inodes_max;
        told.ended = false;
        ck_assert_int_eq(worker_start(&setup, &channel), 0);
        ck_assert_int_eq(stream_new(event, channel, 60 * 1000 * 1000, "Test", on_told, NULL, &stream), 0);
        while (!told.ended)
                ck_assert_int_gt(sd_event_run(event, 60 * 1000 * 1000), 0);
        (void) close(tar);
}

/* A thousand links, one copy: its data are charged, its holes are not. */
START_TEST(test_once) {
        static const char *const links[] = {"link", "d/file", NULL};
        struct stat st, link, below;
        int place;

        if (!hands_begin(NULL))
                return;
        place = make_place();
        put_sparse(place, "below/d/file", 3);
        apply(place, links, LINKS, 3 * BLOCK, LINKS + 2);
        ck_assert_msg(told.failure == FAILURE_NONE, "%s", told.text);
        ck_assert_uint_eq(told.figures[FIGURE_BYTES], 3 * BLOCK);
        ck_assert_uint_eq(told.figures[FIGURE_INODES], LINKS + 2); /* and its own name, and the directory */
        ck_assert_uint_eq(told.figures[FIGURE_CONTENT], 0);
        ck_assert(fstatat(place, "new/d/file", &st, 0) == 0 && fstatat(place, "new/link-999", &link, 0) == 0 && fstatat(place, "below/d/file", &below, 0) == 0);
        ck_assert_uint_eq(st.st_ino, link.st_ino);
        ck_assert_uint_eq(st.st_nlink, LINKS + 1);
        ck_assert(st.st_ino != below.st_ino && below.st_nlink == 1 && st.st_size == below.st_size && st.st_mode == below.st_mode);
        ck_assert_int_le(st.st_blocks, below.st_blocks);
        ck_assert_int_eq(st.st_mtim.tv_nsec, below.st_mtim.tv_nsec);
        ck_assert_int_eq(unlinkat(place, "stash", AT_REMOVEDIR), 0);
        ck_assert(fstatat(place, "new/d", &st, 0) == 0 && (st.st_mode & 07777) == 0710);
        event = sd_event_unref(event);
}
END_TEST

static void refuse(const char *const *links, uint64_t bytes_max, uint64_t inodes_max, enum failure_kind failure, const char *word) {
        size_t budget = SIZE_MAX;
        int place = make_place();

        put_sparse(place, "below/one", 2);
        put_sparse(place, "below/two", 2);
        put_socket("/tmp/place/below/socket");
        ck_assert_int_eq(mknodat(place, "below/device", S_IFCHR | 0666, makedev(1, 3)), 0);
        ck_assert_int_eq(mknodat(place, "below/whiteout", S_IFCHR, 0), 0);
        apply(place, links, 1, bytes_max, inodes_max);
        ck_assert_msg(told.failure == failure && strstr(told.text, word), "%d: %s", told.failure, told.text);
        ck_assert_uint_le(told.figures[FIGURE_BYTES], bytes_max);
        (void) close(place);
        ck_assert_int_eq(layer_clear(AT_FDCWD, "/tmp/place", &budget), 0);
}

START_TEST(test_refused) {
        static const char *const both[] = {"a", "one", "b", "two", NULL}, *const one[] = {"a", "one", NULL}, *const socket_too[] = {"a", "one", "b", "socket", NULL},
                                       *const device[] = {"a", "device", NULL}, *const whiteout[] = {"a", "whiteout", NULL}, *const directory[] = {"a", "d", NULL},
                                       *const root[] = {"a", ".", NULL}, *const missing[] = {"a", "d/missing", NULL}, *const in_file[] = {"a", "one/x", NULL};

        if (!hands_begin(NULL))
                return;
        refuse(one, 2 * BLOCK - 1, 100, FAILURE_QUOTA_EXCEEDED, "LayerBytesPerUser=");
        refuse(both, 3 * BLOCK, 100, FAILURE_QUOTA_EXCEEDED, "b: with it there are more bytes");
        refuse(both, 4 * BLOCK, 3, FAILURE_QUOTA_EXCEEDED, "LayerInodesPerUser=");
        refuse(socket_too, 4 * BLOCK, 100, FAILURE_INVALID_ARGS, "type");
        refuse(device, 4 * BLOCK, 100, FAILURE_ACCESS_DENIED, "device node");
        refuse(whiteout, 4 * BLOCK, 100, FAILURE_INVALID_ARGS, "the layers below");
        refuse(directory, 4 * BLOCK, 100, FAILURE_INVALID_ARGS, "is a directory");
        refuse(root, 4 * BLOCK, 100, FAILURE_INVALID_ARGS, "hard link");
        refuse(missing, 4 * BLOCK, 100, FAILURE_INVALID_ARGS, "d/missing");
        refuse(in_file, 4 * BLOCK, 100, FAILURE_INVALID_ARGS, "one/x");
        event = sd_event_unref(event);
}
END_TEST

UNIT_MAIN("links", test_once, test_refused)
