/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The record of a tar: what is fed in any portions comes back byte by byte, and what is no record is told as none. */

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "executor/layer-split.h"
#include "executor/recorder.h"
#include "tests/unit/unit.h"

enum { FILES = 40 };

/* A "tar" of headers and files, none of whose bytes is like the next one's. */
static uint8_t stream[200 * 1024];
static size_t stream_size;
static struct {
        size_t at, size;
        char name[16];
} files[FILES];

static void make_stream(void) {
        stream_size = 0;
        for (size_t i = 0; i < FILES; i++) {
                size_t header = 1 + i * 37 % 1500, size = i % 7 == 0 ? 0 : i * i * 5 + 1;

                files[i].at = stream_size + header;
                files[i].size = size;
                (void) snprintf(files[i].name, sizeof(files[i].name), "d/%zu", i);
                stream_size += header + size + i % 3;
        }
        stream_size += 1024;
        ck_assert_uint_lt(stream_size, sizeof(stream));
        for (size_t i = 0; i < stream_size; i++)
                stream[i] = (uint8_t) (i * 7 + i / 251);
}

/* Feeds it in blocks, and says what a file is when its header has come, as whoever reads a tar does. */
static int record(size_t block) {
        int fd = memfd_create("split", MFD_CLOEXEC);
        _cleanup_(recorder_freep) struct recorder *recorder = recorder_new(fd);
        static uint8_t buffer[sizeof(stream)]; /* each block takes the place of the last one */
        size_t file = 0;

        ck_assert_ptr_nonnull(recorder);
        for (size_t at = 0; at < stream_size; at += block) {
                size_t n = stream_size - at < block ? stream_size - at : block;

                recorder_keep(recorder);
                memcpy(buffer, stream + at, n);
                recorder_feed(recorder, buffer, n);
                for (; file < FILES && files[file].at <= at + n; file++)
                        if (files[file].size > 0)
                                recorder_file(recorder, files[file].at, files[file].name, files[file].size);
        }
        ck_assert(recorder_end(recorder));
        ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
        return fd;
}

static void check(int fd) {
        _cleanup_(split_reader_freep) struct split_reader *reader = NULL;
        struct split_record found = {};
        size_t at = 0, file = 0;
        int r;

        ck_assert_int_eq(split_reader_new(fd, &reader), 0);
        while ((r = split_reader_next(reader, &found)) > 0) {
                ck_assert_uint_le(at + found.size, stream_size);
                if (found.kind == SPLIT_RAW)
                        ck_assert_int_eq(memcmp(found.data, stream + at, found.size), 0);
                else {
                        while (files[file].size == 0)
                                file++;
                        ck_assert_str_eq(found.name, files[file].name);
                        ck_assert_uint_eq(found.size, files[file].size);
                        ck_assert_uint_eq(at, files[file].at);
                        file++;
                }
                at += found.size;
        }
        ck_assert_int_eq(r, 0);
        ck_assert_uint_eq(at, stream_size);
}

START_TEST(test_portions) {
        static const size_t blocks[] = {1, 7, 512, 4096, 100000, sizeof(stream)};

        make_stream();
        for (size_t i = 0; i < ELEMENTSOF(blocks); i++) {
                int fd = record(blocks[i]);

                check(fd);
                (void) close_fd(fd);
        }
}
END_TEST

/* What does not fit is given up, and said so. */
START_TEST(test_given_up) {
        int fd = memfd_create("split", MFD_CLOEXEC);
        struct recorder *recorder = recorder_new(fd);

        make_stream();
        recorder_feed(recorder, stream, 1000);
        recorder_file(recorder, 2000, "ahead", 5);
        ck_assert(!recorder_end(recorder));
        recorder = recorder_free(recorder);
        recorder = recorder_new(fd);
        recorder_feed(recorder, stream, 1000);
        recorder_file(recorder, 500, "whole", 400);
        recorder_file(recorder, 600, "within", 5);
        ck_assert(!recorder_end(recorder));
        recorder = recorder_free(recorder);
        recorder = recorder_new(fd);
        recorder_feed(recorder, stream, 1000);
        recorder_file(recorder, 500, "cut", 501);
        ck_assert(!recorder_end(recorder));
        recorder = recorder_free(recorder);
        (void) close_fd(fd);
}
END_TEST

static int read_all(int fd) {
        _cleanup_(split_reader_freep) struct split_reader *reader = NULL;
        struct split_record found;
        int r;

        ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
        r = split_reader_new(fd, &reader);
        while (r == 0 && (r = split_reader_next(reader, &found)) > 0)
                r = 0;
        return r;
}

static int one_name(const char *name) {
        int fd = memfd_create("split", MFD_CLOEXEC), r;
        struct split_writer *writer;

        ck_assert_int_eq(split_writer_new(fd, &writer), 0);
        ck_assert_int_eq(split_writer_file(writer, name, 5), 0);
        ck_assert_int_eq(split_writer_end(writer), 0);
        (void) split_writer_free(writer);
        r = read_all(fd);
        (void) close_fd(fd);
        return r;
}

START_TEST(test_bad) {
        static const char *const bad[] = {"", "/a", "a/", "a//b", "..", "a/../b", "./a"};
        int fd = record(4096);
        off_t size = lseek(fd, 0, SEEK_END);

        ck_assert_int_eq(one_name("a/b"), 0);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                ck_assert_int_eq(one_name(bad[i]), -EBADMSG);
        for (off_t cut = size - 1; cut > 0; cut -= 1 + cut / 20) {
                ck_assert_int_eq(ftruncate(fd, cut), 0);
                ck_assert_int_eq(read_all(fd), -EBADMSG);
        }
        ck_assert_int_eq(pwrite(fd, "garbage", 7, 0), 7);
        ck_assert_int_eq(read_all(fd), -EBADMSG);
        (void) close_fd(fd);
}
END_TEST

UNIT_MAIN("split", test_portions, test_given_up, test_bad)
