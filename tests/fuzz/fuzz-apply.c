/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a tar that is applied to a throw-away directory, and the record of it read back: executor/apply, extract, recorder, layer-split. */

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>
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

static char directory[] = "/dev/shm/podmount-fuzz-XXXXXX", below[] = "/dev/shm/podmount-below-XXXXXX";
static unsigned n_below; /* what is in it */

/* The layers below, with links that names may lead through. */
static const struct {
        const char *name, *target; /* NULL: a directory */
} lower[] = {
        {"usr", NULL}, {"usr/lib", NULL}, {"usr/lib/d", NULL}, {"a", NULL}, {"a/b", NULL}, {"lib", "usr/lib"}, {"l", "/usr/lib"}, {"u", "../../usr"}, {"o", "o"},
        {"a/c", "../usr"}, {"a/b/x", "../../lib/d"}, {"t", "/"}, {"n", "nothing/there"}, {"e", "../../../etc"}, {"x", "y"}, {"y", "a/c"},
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

static void clear(void) {
        (void) nftw(directory, remove_one, 32, FTW_PHYS | FTW_DEPTH);
}

static void finish(void) {
        clear();
        (void) rmdir(directory);
        (void) nftw(below, remove_one, 32, FTW_PHYS | FTW_DEPTH);
        (void) rmdir(below);
}

static void make_below(void) {
        char path[128];

        fuzz_check(mkdtemp(below));
        for (size_t i = 0; i < ELEMENTSOF(lower); i++) {
                (void) snprintf(path, sizeof(path), "%s/%s", below, lower[i].name); /* names of ours are short */
                fuzz_check((lower[i].target ? symlink(lower[i].target, path) : mkdir(path, 0755)) == 0);
        }
        n_below = count_below();
}

int LLVMFuzzerInitialize(int *argc _unused_, char ***argv _unused_) {
        fuzz_quiet();
        fuzz_check(mkdtemp(directory));
        make_below();
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

/* The first byte says how: as a base or not, on layers with links or on none, or as a record. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_close_ int tar = -1, split = memfd_create("split", MFD_CLOEXEC), opaque = memfd_create("opaque", MFD_CLOEXEC), root = -1, under = -1;
        struct apply_setup setup = {.source = {.figure = 0}, .content_figure = 1};
        struct worker worker = {};

        if (size < 1 || split < 0 || opaque < 0)
                return 0;
        tar = file_of(data + 1, size - 1);
        if (data[0] & 4) {
                read_record(tar);
                return 0;
        }
        root = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (data[0] & 2)
                under = open(below, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        fuzz_check(root >= 0 && (under >= 0 || !(data[0] & 2)));
        setup.source.fd = tar;
        setup.split = split;
        setup.into = (struct extract_setup) {.root = root, .opaque = opaque, .below = under, .own = -1, .base = data[0] & 1, .devices = false, .bytes_max = 1024 * 1024,
                .inodes_max = 200, .bytes_figure = 5, .inodes_figure = 6};
        if (apply_tar(&worker, &setup) == 0)
                read_record(split);
        clear();
        if (under >= 0)
                fuzz_check(count_below() == n_below);
        return 0;
}
