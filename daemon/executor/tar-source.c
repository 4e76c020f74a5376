/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libarchive undoes the compression, of something that has no format as far as it is concerned. */

#include "executor/tar-source.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <poll.h>
#include <unistd.h>

enum { BLOCK = 128 * 1024 };

struct tar_source {
        struct worker *worker;
        struct tar_source_setup setup;
        struct archive *archive;
        int error; /* of the last read(2) */
        uint8_t block[BLOCK];
};

static ssize_t read_some(struct tar_source *source) {
        for (;;) {
                ssize_t n = read(source->setup.fd, source->block, sizeof(source->block));
                struct pollfd poll_fd = {.fd = source->setup.fd, .events = POLLIN};

                if (n >= 0)
                        return n;
                /* Whoever shares the open file may have made it non-blocking, and may do so at any time. */
                if (errno == EAGAIN && poll(&poll_fd, 1, -1) < 0 && errno != EINTR)
                        return -1;
                if (errno != EAGAIN && errno != EINTR)
                        return -1;
        }
}

static la_ssize_t on_read(struct archive *archive, void *userdata, const void **ret) {
        struct tar_source *source = userdata;
        ssize_t n = read_some(source);

        if (n < 0) {
                source->error = errno;
                archive_set_error(archive, errno, "read");
                return -1;
        }
        worker_figures(source->worker)[source->setup.figure] += (uint64_t) n;
        if (worker_progress(source->worker) < 0) { /* nobody listens any more: the guard ends this process */
                source->error = EPIPE;
                archive_set_error(archive, EPIPE, "stopped");
                return -1;
        }
        if (source->setup.read && n > 0)
                source->setup.read(source->block, (size_t) n, source->setup.userdata);
        *ret = source->block;
        return n;
}

static int broken(struct tar_source *source) {
        if (source->error == EISDIR)
                return worker_fail(source->worker, FAILURE_INVALID_ARGS, 0, "the fd is a directory, not a tar: send the read end of a pipe, or a file");
        if (source->error != 0)
                return worker_fail(source->worker, FAILURE_INVALID_ARGS, source->error, "the fd cannot be read");
        if (archive_errno(source->archive) == ENOMEM)
                return worker_fail(source->worker, FAILURE_NOT_SUPPORTED, 0, "the compressed stream wants more memory than it is given; compress it with a smaller window");
        return worker_fail(source->worker, FAILURE_INVALID_ARGS, 0, "the compressed stream is damaged or cut off: %s",
                           archive_error_string(source->archive) ?: "");
}

struct tar_source *tar_source_free(struct tar_source *source) {
        if (!source)
                return NULL;
        if (source->archive)
                (void) archive_read_free(source->archive); /* there is nothing to lose */
        free(source);
        return NULL;
}

int tar_source_new(struct worker *worker, const struct tar_source_setup *setup, struct tar_source **ret) {
        struct tar_source *source = *ret = calloc(1, sizeof(*source));
        struct archive_entry *entry;
        struct archive *archive;

        if (!source)
                return -ENOMEM;
        source->worker = worker;
        source->setup = *setup;
        archive = source->archive = archive_read_new();
        if (!archive)
                return -ENOMEM;
        /* "empty" is a format of its own: the raw one wants a byte at least. */
        if (archive_read_support_format_raw(archive) < ARCHIVE_WARN || archive_read_support_format_empty(archive) < ARCHIVE_WARN ||
            archive_read_support_filter_gzip(archive) < ARCHIVE_WARN || archive_read_support_filter_zstd(archive) < ARCHIVE_WARN ||
            archive_read_support_filter_xz(archive) < ARCHIVE_WARN)
                return worker_fail(worker, FAILURE_NOT_SUPPORTED, 0, "libarchive cannot read gzip, zstd and xz: %s", archive_error_string(archive) ?: "");
        if (archive_read_open(archive, source, NULL, on_read, NULL) != ARCHIVE_OK)
                return broken(source);
        switch (archive_read_next_header(archive, &entry)) {
        case ARCHIVE_EOF:
                return worker_fail(worker, FAILURE_INVALID_ARGS, 0, "the stream is empty: an empty tar has two blocks of zeros");
        case ARCHIVE_OK:
        case ARCHIVE_WARN:
                break;
        default:
                return broken(source);
        }
        return 0;
}

int tar_source_next(struct tar_source *source, const void **ret, size_t *ret_size) {
        la_int64_t offset;

        do {
                int r = archive_read_data_block(source->archive, ret, ret_size, &offset);

                if (r == ARCHIVE_EOF)
                        *ret_size = 0;
                if (r == ARCHIVE_EOF)
                        return 0;
                if (r < ARCHIVE_WARN)
                        return broken(source);
        } while (*ret_size == 0);
        if (source->setup.plain)
                source->setup.plain(*ret, *ret_size, source->setup.userdata);
        return 0;
}

int tar_source_drain(struct tar_source *source) {
        const void *data;
        la_ssize_t n;

        do
                n = on_read(source->archive, source, &data);
        while (n > 0);
        return n < 0 ? broken(source) : 0;
}
