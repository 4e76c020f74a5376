/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * least: what the bare system calls take that tell the changes of a layer, whoever makes them: names, status and lists of attributes of what lies in its own
 * directory, and for Changes of the same below it; for Diff the contents, through a pipe to another process. No daemon, no connection, no process of its own
 * for it, nothing compared, sorted or formatted. Two medians, in microseconds: of Changes and of Diff. Started by tests/bench/layers.
 *
 *     least LAYER BELOW        the directory of the layer's own files, and that of the layer below
 *
 * Needs listxattrat(2), Linux 6.13.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sample.h"

#ifndef SYS_listxattrat
#define SYS_listxattrat 465
#endif

enum { ROUNDS = 41, LIST_SIZE = 32 * 1024, BLOCK = 128 * 1024, PIECE = 256 * 1024, WRITE = 64 * 1024, PIPE = 1024 * 1024, HEADER = 1024, PAUSE_US = 5000 };

static struct {
        int pipe; /* -1: Changes */
        char piece[PIECE];
        size_t size;
} out = {.pipe = -1};

static long must(long r, const char *what) {
        if (r >= 0)
                return r;
        fprintf(stderr, "least: %s: %s\n", what, strerror(errno));
        exit(EXIT_FAILURE);
}

static void flush(void) {
        for (size_t done = 0; done < out.size;)
                done += (size_t) must(write(out.pipe, out.piece + done, out.size - done < WRITE ? out.size - done : WRITE), "write");
        out.size = 0;
}

static void put(const char *data, size_t size) {
        while (size > 0) {
                size_t n = PIECE - out.size < size ? PIECE - out.size : size;

                memcpy(out.piece + out.size, data, n);
                out.size += n;
                data += n;
                size -= n;
                if (out.size == PIECE)
                        flush();
        }
}

static void copy(int directory, const char *name, off_t size) {
        static char block[BLOCK];
        static const char header[HEADER];
        int fd = (int) must(openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), name);

        put(header, sizeof(header));
        while (size > 0) {
                ssize_t n = must(read(fd, block, sizeof(block)), "read");

                if (n == 0)
                        break;
                put(block, (size_t) n);
                size -= n;
        }
        (void) close(fd);
}

/* Nothing may be there below. */
static void look(int directory, const char *name, struct stat *ret) {
        char list[HEADER];

        if (fstatat(directory, name, ret, AT_SYMLINK_NOFOLLOW) == 0)
                (void) syscall(SYS_listxattrat, directory, name, AT_SYMLINK_NOFOLLOW, list, sizeof(list));
}

static void walk(int top, int below);

static void tell(int top, int below, const struct dirent64 *entry) {
        struct stat status, other;

        look(top, entry->d_name, &status);
        if (out.pipe < 0)
                look(below, entry->d_name, &other);
        if (entry->d_type == DT_DIR) {
                int fd = (int) must(openat(top, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), entry->d_name);
                int under = out.pipe < 0 ? openat(below, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;

                walk(fd, under);
                (void) close(fd);
                if (under >= 0)
                        (void) close(under);
        } else if (out.pipe >= 0 && entry->d_type == DT_REG)
                copy(top, entry->d_name, status.st_size);
}

static void walk(int top, int below) {
        _Alignas(struct dirent64) char list[LIST_SIZE];
        ssize_t size;

        while ((size = must(getdents64(top, list, sizeof(list)), "getdents64")) > 0)
                for (ssize_t at = 0; at < size;) {
                        const struct dirent64 *entry = (const struct dirent64 *) (const void *) (list + at);

                        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                                tell(top, below, entry);
                        at += entry->d_reclen;
                }
}

static double median(const char *layer, const char *below) {
        struct samples samples = {};
        double result;

        for (unsigned i = 0; i < ROUNDS; i++) {
                const double start = sample_now();
                int top = (int) must(open(layer, O_RDONLY | O_DIRECTORY | O_CLOEXEC), layer);
                int under = (int) must(open(below, O_RDONLY | O_DIRECTORY | O_CLOEXEC), below);

                walk(top, under);
                flush();
                (void) close(top);
                (void) close(under);
                samples_add(&samples, sample_now() - start);
                (void) usleep(PAUSE_US); /* as whoever asks now and then */
        }
        result = samples_median(&samples);
        samples_done(&samples);
        return result;
}

static pid_t start_reader(void) {
        static char room[PIPE];
        int ends[2];
        pid_t pid;

        must(pipe2(ends, O_CLOEXEC), "pipe2");
        must(fcntl(ends[1], F_SETPIPE_SZ, PIPE), "F_SETPIPE_SZ");
        pid = (pid_t) must(fork(), "fork");
        if (pid == 0) {
                (void) close(ends[1]);
                while (read(ends[0], room, sizeof(room)) > 0)
                        ;
                _exit(EXIT_SUCCESS);
        }
        (void) close(ends[0]);
        out.pipe = ends[1];
        return pid;
}

int main(int argc, char *argv[]) {
        double changes;
        pid_t reader;

        if (argc != 3) {
                fprintf(stderr, "usage: least LAYER BELOW\n");
                return 2;
        }
        changes = median(argv[1], argv[2]);
        reader = start_reader();
        printf("%.0f %.0f\n", changes, median(argv[1], argv[2]));
        (void) close(out.pipe);
        return waitpid(reader, NULL, 0) == reader ? EXIT_SUCCESS : EXIT_FAILURE;
}
