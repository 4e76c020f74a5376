/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a tar that is applied to a throw-away directory, and the record of it read back: executor/apply, extract, recorder, layer-split. */

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "executor/apply.h"
#include "executor/layer-split.h"
#include "executor/worker.h"
#include "tests/fuzz/fuzz.h"

/* In place of executor/worker.c, by the linker (--wrap): nobody is told anything, and there is no other process. */
struct worker {
        uint64_t figures[16];
};

uint64_t *__wrap_worker_figures(struct worker *worker);
int __wrap_worker_progress(struct worker *worker);
int __wrap_worker_fail(struct worker *worker, enum failure_kind kind, int error, const char *format, ...) _printf_(4, 5);

uint64_t *__wrap_worker_figures(struct worker *worker) {
        return worker->figures;
}

int __wrap_worker_progress(struct worker *worker _unused_) {
        return 0;
}

int __wrap_worker_fail(struct worker *worker _unused_, enum failure_kind kind, int error _unused_, const char *format, ...) {
        char text[8192];
        va_list arguments;

        va_start(arguments, format);
        (void) vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        return (int) kind;
}

static char directory[] = "/dev/shm/podmount-fuzz-XXXXXX", below[] = "/dev/shm/podmount-below-XXXXXX", own[] = "/dev/shm/podmount-own-XXXXXX",
        stash[] = "/dev/shm/podmount-stash-XXXXXX"; /* all of one mount */
static unsigned n_below; /* what is in it */

/* The layers below, with links that names may lead through, and files that hard links may be to. */
#define FILE_BELOW "" /* no link leads nowhere */
static const struct {
        const char *name, *target; /* NULL: a directory */
} lower[] = {
        {"usr", NULL}, {"usr/lib", NULL}, {"usr/lib/d", NULL}, {"a", NULL}, {"a/b", NULL}, {"lib", "usr/lib"}, {"l", "/usr/lib"}, {"u", "../../usr"}, {"o", "o"},
        {"a/c", "../usr"}, {"a/b/x", "../../lib/d"}, {"t", "/"}, {"n", "nothing/there"}, {"e", "../../../etc"}, {"x", "y"}, {"y", "a/c"},
        {"f", FILE_BELOW}, {"usr/lib/f", FILE_BELOW}, {"usr/lib/d/f", FILE_BELOW}, {"a/f", FILE_BELOW}, {"a/b/f", FILE_BELOW},
};

static int remove_one(const char *path, const struct stat *status _unused_, int type _unused_, struct FTW *where) {
        return where->level == 0 ? 0 : remove(path);
}

static unsigned counted;

static int count_one(const char *path _unused_, const struct stat *status _unused_, int type _unused_, struct FTW *where _unused_) {
        counted++;
        return 0;
}

/* Nothing comes to what lies below. */
static unsigned count_below(void) {
        counted = 0;
        fuzz_check(nftw(below, count_one, 32, FTW_PHYS) == 0);
        return counted;
}

static void clear(const char *path) {
        (void) nftw(path, remove_one, 32, FTW_PHYS | FTW_DEPTH);
}

static void finish(void) {
        const char *const paths[] = {directory, below, own, stash};

        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                clear(paths[i]);
                (void) rmdir(paths[i]);
        }
}

/* With a hole, an attribute and a second name. */
static void make_file_below(const char *path) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 04755);
        char other[160];

        (void) snprintf(other, sizeof(other), "%s.too", path);
        fuzz_check(fd >= 0 && ftruncate(fd, 1024 * 1024) == 0 && pwrite(fd, "content", 7, 65536) == 7 && link(path, other) == 0);
        (void) fsetxattr(fd, "user.name", "value", 5, 0); /* tmpfs has them since Linux 6.6 */
}

static void make_below(void) {
        char path[128];

        fuzz_check(mkdtemp(below));
        for (size_t i = 0; i < ELEMENTSOF(lower); i++) {
                (void) snprintf(path, sizeof(path), "%s/%s", below, lower[i].name); /* names of ours are short */
                if (lower[i].target && !*lower[i].target)
                        make_file_below(path);
                else
                        fuzz_check((lower[i].target ? symlink(lower[i].target, path) : mkdir(path, 0755)) == 0);
        }
        n_below = count_below();
}

/* What a layer that has content has itself. */
static void make_own(void) {
        char path[128];

        (void) snprintf(path, sizeof(path), "%s/a", own);
        fuzz_check(mkdir(path, 0755) == 0);
        (void) snprintf(path, sizeof(path), "%s/a/f", own);
        make_file_below(path);
}

static int open_directory(const char *path) {
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        fuzz_check(fd >= 0);
        return fd;
}

int LLVMFuzzerInitialize(int *argc _unused_, char ***argv _unused_) {
        fuzz_quiet();
        fuzz_check(mkdtemp(directory) && mkdtemp(own) && mkdtemp(stash));
        make_below();
        make_own();
        (void) atexit(finish);
        return 0;
}

static int file_of(const void *data, size_t size) {
        int fd = memfd_create("input", MFD_CLOEXEC);

        fuzz_check(fd >= 0 && write(fd, data, size) == (ssize_t) size && lseek(fd, 0, SEEK_SET) == 0);
        return fd;
}

static void read_record(int fd) {
        _cleanup_(split_reader_freep) struct split_reader *reader = NULL;
        struct split_record record;

        if (lseek(fd, 0, SEEK_SET) == 0 && split_reader_new(fd, &reader) == 0)
                while (split_reader_next(reader, &record) > 0)
                        ;
}

/* The first byte says how: as a base or not, on layers with links and files or on none, or as a record, or over what the layer has. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_close_ int tar = -1, split = memfd_create("split", MFD_CLOEXEC), opaque = memfd_create("opaque", MFD_CLOEXEC), notes = memfd_create("notes", MFD_CLOEXEC), root = -1,
                            under = -1, mine = -1, copies = -1;
        struct apply_setup setup = {.source = {.figure = 0}, .content_figure = 1};
        struct worker worker = {};

        if (size < 1 || split < 0 || opaque < 0 || notes < 0)
                return 0;
        tar = file_of(data + 1, size - 1);
        if (data[0] & 4) {
                read_record(tar);
                return 0;
        }
        root = open_directory(directory);
        copies = open_directory(stash);
        if (data[0] & 2)
                under = open_directory(below);
        if (data[0] & 8)
                mine = open_directory(own);
        setup.source.fd = tar;
        setup.split = split;
        setup.into = (struct extract_setup) {.root = root, .opaque = opaque, .below = under, .own = under < 0 ? -1 : mine, .under = mine < 0 ? -1 : under, .stash = copies, .notes = mine < 0 ? -1 : notes, .base = data[0] & 1, .devices = false, .bytes_max = 1024 * 1024,
                .inodes_max = 200, .bytes_figure = 5, .inodes_figure = 6};
        if (apply_tar(&worker, &setup) == 0) {
                read_record(split);
                fuzz_check(rmdir(stash) == 0 && mkdir(stash, 0700) == 0);
        }
        clear(directory);
        clear(stash);
        if (under >= 0)
                fuzz_check(count_below() == n_below);
        return 0;
}
