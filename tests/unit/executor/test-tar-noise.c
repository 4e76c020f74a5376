/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Noise for what reads and writes tars: cut off, with bytes changed, exchanged and repeated, compressed or not, thousands of them in workers. None
 * ends a worker before it is done, and nothing but the directory that is to be filled changes. PODMOUNT_SEED says which noise it is. */

#include <linux/capability.h>
#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "executor/apply.h"
#include "executor/merge.h"
#include "executor/stream.h"
#include "executor/worker.h"
#include "tests/unit/executor/hands.h"

enum {
        ROUNDS = 40,     /* workers… */
        TARS = 60,       /* …and tars that each is given */
        FIGURE_DONE = 7, /* …how many it has seen to */
        TAR_MAX = 512 * 1024,
};

static struct {
        bool ended;
        enum stream_kind kind;
        uint64_t done;
        char text[512];
} told;
static struct stream *stream;
static uint8_t base[TAR_MAX];
static size_t base_size;
static uint64_t state;

static uint64_t chance(uint64_t n) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state % n;
}

static void add(struct archive *archive, const char *name, mode_t type, size_t size, const char *link) {
        struct archive_entry *entry = archive_entry_new();
        static const uint8_t data[16384];

        archive_entry_set_pathname(entry, name);
        archive_entry_set_mode(entry, type | 0755);
        archive_entry_set_mtime(entry, 1600000000, 5);
        archive_entry_set_size(entry, (la_int64_t) size);
        if (type == AE_IFLNK)
                archive_entry_set_symlink(entry, link);
        else if (link)
                archive_entry_set_hardlink(entry, link);
        if (type == AE_IFREG && size > 1000) {
                archive_entry_xattr_add_entry(entry, "user.note", "value", 5);
                archive_entry_sparse_add_entry(entry, 0, 600);
                archive_entry_sparse_add_entry(entry, 900, (la_int64_t) size - 900);
                archive_entry_acl_add_entry(entry, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, ARCHIVE_ENTRY_ACL_READ, ARCHIVE_ENTRY_ACL_USER, 7, NULL);
        }
        ck_assert_int_ge(archive_write_header(archive, entry), ARCHIVE_WARN);
        if (size > 0 && !link)
                ck_assert_int_ge(archive_write_data(archive, data, size), 0);
        archive_entry_free(entry);
}

static void make_base(void) {
        struct archive *archive = archive_write_new();
        char long_name[300];

        memset(long_name, 'n', sizeof(long_name));
        memcpy(long_name + 100, "/", 1);
        memcpy(long_name + 200, "/", 1);
        long_name[sizeof(long_name) - 1] = '\0';
        switch (chance(3)) {
        case 0:
                archive_write_set_format_pax(archive);
                break;
        case 1:
                archive_write_set_format_gnutar(archive);
                break;
        default:
                archive_write_set_format_pax_restricted(archive);
        }
        if (chance(4) == 0)
                (void) archive_write_add_filter_gzip(archive);
        else if (chance(4) == 0)
                (void) archive_write_add_filter_zstd(archive);
        ck_assert_int_eq(archive_write_open_memory(archive, base, sizeof(base), &base_size), ARCHIVE_OK);
        add(archive, "d", AE_IFDIR, 0, NULL);
        add(archive, "d/file", AE_IFREG, 3000, NULL);
        add(archive, "d/hard", AE_IFREG, 0, "d/file");
        add(archive, "d/up", AE_IFLNK, 0, "../../..");
        add(archive, "d/.wh.gone", AE_IFREG, 0, NULL);
        add(archive, "e/.wh..wh..opq", AE_IFREG, 0, NULL);
        add(archive, long_name, AE_IFREG, 700, NULL);
        add(archive, "fifo", AE_IFIFO, 0, NULL);
        add(archive, "d", AE_IFREG, 10, NULL); /* in the place of the directory */
        ck_assert_int_ge(archive_write_close(archive), ARCHIVE_WARN);
        (void) archive_write_free(archive);
}

/* Sums of ustar headers that were changed are made right again, so that what is behind them is read. */
static void mend_sums(uint8_t *data, size_t size) {
        for (size_t at = 0; at + 512 <= size; at += 512) {
                unsigned sum = 8 * ' ';

                if (memcmp(data + at + 257, "ustar", 5) != 0)
                        continue;
                for (size_t i = 0; i < 512; i++)
                        sum += i >= 148 && i < 156 ? 0 : data[at + i];
                (void) snprintf((char *) data + at + 148, 8, "%06o", sum);
        }
}

static size_t make_noise(uint8_t *data) {
        static const char *const words[] = {"../..", "/etc/x", ".wh.", "0:0", "\377\377\377\377\377\377\377\377", "77777777777", "-1", "GNU.sparse.size=99999999999\n"};
        size_t size = base_size, n = chance(12);

        memcpy(data, base, base_size);
        for (size_t i = 0; i < n; i++) {
                size_t at = chance(size), length = chance(size - at < 512 ? size - at : 512);
                const char *word = words[chance(ELEMENTSOF(words))];

                switch (chance(5)) {
                case 0:
                        data[at] ^= (uint8_t) (1 << chance(8));
                        break;
                case 1:
                        memcpy(data + at, word, strlen(word) < size - at ? strlen(word) : size - at);
                        break;
                case 2:
                        memmove(data + at, data + chance(size - length), length);
                        break;
                case 3:
                        data[at / 512 * 512 + (at / 512 * 512 + 156 < size ? 156 : 0)] = (uint8_t) "0123456789xgLKSD"[chance(16)];
                        break;
                default:
                        memset(data + at, (int) chance(256), length);
                }
        }
        if (chance(3) > 0)
                mend_sums(data, size);
        return chance(6) == 0 ? chance(size + 1) : size;
}

static int open_noise(void) {
        static uint8_t data[TAR_MAX];
        size_t size = make_noise(data);
        int fd = memfd_create("noise", MFD_CLOEXEC);

        if (fd >= 0 && (write(fd, data, size) != (ssize_t) size || lseek(fd, 0, SEEK_SET) < 0))
                _exit(3);
        return fd;
}

static int work(struct worker *worker, const int *fds _unused_, void *userdata _unused_) {
        char name[16] = "/";

        for (unsigned i = 0; i < TARS; i++) {
                char split[24], copies[24];
                struct apply_setup setup = {.source = {.figure = 0}, .content_figure = 1};
                _cleanup_close_ int tar = open_noise(), root = -1, record = -1, opaque = -1, below = -1, notes = -1, stash = -1;
                struct merge_setup merge = {.base = i % 4 == 3, .bytes_max = 1024 * 1024, .inodes_max = 1000000, .bytes_figure = 3, .inodes_figure = 4};

                /* Every other one over what the last one has left. */
                if (i % 2)
                        below = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                (void) snprintf(name, sizeof(name), "/%u", i);
                (void) snprintf(split, sizeof(split), "/split-%u", i);
                (void) snprintf(copies, sizeof(copies), "/copies-%u", i);
                if (mkdir(name, 0755) < 0 || mkdir(copies, 0755) < 0)
                        return -errno;
                stash = open(copies, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                root = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                record = open(split, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
                opaque = open("/opaque", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
                notes = open("/notes", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
                if (ftruncate(opaque, 0) < 0 || ftruncate(notes, 0) < 0)
                        return -errno;
                setup.source.fd = tar;
                setup.split = record;
                setup.into = (struct extract_setup) {.root = root, .opaque = opaque, .below = below, .own = i % 3 ? -1 : below, .under = i % 5 ? -1 : below, .stash = stash, .notes = below < 0 ? -1 : notes, .root_below = i % 3, .base = i % 4 == 2, .devices = i % 3 == 0, .bytes_max = 1024 * 1024,
                        .inodes_max = 1000000, .bytes_figure = 5, .inodes_figure = 6};
                worker_figures(worker)[5] = 0;
                (void) apply_tar(worker, &setup); /* as a rule it is refused */
                merge.old = below;
                merge.new = root;
                merge.opaque = opaque;
                merge.notes = notes;
                worker_figures(worker)[3] = worker_figures(worker)[4] = 0;
                if (below >= 0) /* with what there is of it */
                        (void) merge_trees(worker, &merge);
                worker_figures(worker)[FIGURE_DONE]++;
        }
        return 0;
}

static void on_told(const struct stream_report *report, void *userdata _unused_) {
        if (report->kind != STREAM_DONE && report->kind != STREAM_FAILED)
                return;
        told.ended = true;
        told.done = report->figures[FIGURE_DONE];
        (void) snprintf(told.text, sizeof(told.text), "%s", report->text ? report->text : "");
        stream = stream_free(stream);
}

static void check_outside(void) {
        _cleanup_fclose_ FILE *file = fopen("/tmp/outside/file", "re");
        DIR *directory = opendir("/tmp/outside");
        char text[16] = "";
        unsigned n = 0;

        ck_assert_ptr_nonnull(file);
        ck_assert_ptr_nonnull(fgets(text, sizeof(text), file));
        ck_assert_str_eq(text, "untouched\n");
        while (readdir(directory))
                n++;
        (void) closedir(directory);
        ck_assert_uint_eq(n, 3);
}

/* Beside the directories and files of work() there is nothing in the worker's own root. */
static void check_inside(const char *path) {
        DIR *directory = opendir(path);
        unsigned n = 0;

        ck_assert_ptr_nonnull(directory);
        while (readdir(directory))
                n++;
        (void) closedir(directory);
        ck_assert_uint_eq(n, 2 + 3 * TARS + 2);
}

START_TEST(test_noise) {
        const char *given = getenv("PODMOUNT_SEED");
        uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t) time(NULL);
        sd_event *event;

        if (!hands_begin(NULL))
                return;
        ck_assert_int_ge(sd_event_new(&event), 0);
        make_directory("/tmp/outside");
        make_file("/tmp/outside/file", "untouched\n");
        (void) signal(SIGCHLD, SIG_IGN);
        for (unsigned round = 0; round < ROUNDS; round++) {
                char path[32];
                struct worker_setup setup = {.name = "podmount-noise", .work = work, .capabilities = 0xff | UINT64_C(1) << CAP_SYS_ADMIN};
                int channel;

                state = seed * 1000 + round + 1;
                make_base();
                (void) snprintf(path, sizeof(path), "/tmp/noise-%u", round);
                make_directory(path);
                setup.root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
                ck_assert_int_eq(worker_start(&setup, &channel), 0);
                (void) close_fd(setup.root);
                told.ended = false;
                ck_assert_int_eq(stream_new(event, channel, 60 * 1000 * 1000, "Noise", on_told, NULL, &stream), 0);
                while (!told.ended)
                        ck_assert_int_gt(sd_event_run(event, 60 * 1000 * 1000), 0);
                ck_assert_msg(told.done == TARS, "seed %llu, round %u: %llu tars, then: %s", (unsigned long long) seed, round,
                        (unsigned long long) told.done, told.text);
                check_inside(path);
                check_outside();
        }
        sd_event_unref(event);
}
END_TEST

UNIT_MAIN("tar-noise", test_noise)
