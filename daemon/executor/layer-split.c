/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The compression is libarchive's, of a file without a format. What is read back was written by a worker, which a stranger's tar
 * may have taken over: nothing in it is believed. */

#include "executor/layer-split.h"

#include <archive.h>
#include <archive_entry.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "util/path.h"

struct split_writer {
        struct archive *archive;
        uint64_t total;
};

struct split_reader {
        struct archive *archive;
        uint64_t total;
        uint8_t *data; /* of the last record, with room for a NUL */
        size_t room;
};

static int error_of(struct archive *archive) {
        int error = archive_errno(archive);

        return error > 0 ? -error : -EIO;
}

struct split_writer *split_writer_free(struct split_writer *writer) {
        if (!writer)
                return NULL;
        if (writer->archive)
                (void) archive_write_free(writer->archive); /* without its end it is incomplete, and known for it */
        free(writer);
        return NULL;
}

static int put(struct split_writer *writer, const void *data, size_t size) {
        return archive_write_data(writer->archive, data, size) == (la_ssize_t) size ? 0 : error_of(writer->archive);
}

int split_writer_new(int fd, struct split_writer **ret) {
        _cleanup_(split_writer_freep) struct split_writer *writer = calloc(1, sizeof(*writer));
        struct archive_entry *entry;
        int r;

        if (!writer)
                return -ENOMEM;
        writer->archive = archive_write_new();
        entry = archive_entry_new();
        if (!writer->archive || !entry) {
                archive_entry_free(entry);
                return -ENOMEM;
        }
        archive_entry_set_filetype(entry, AE_IFREG);
        if (archive_write_set_format_raw(writer->archive) < ARCHIVE_WARN || archive_write_add_filter_zstd(writer->archive) < ARCHIVE_WARN ||
            archive_write_set_filter_option(writer->archive, "zstd", "compression-level", "1") < ARCHIVE_WARN ||
            archive_write_open_fd(writer->archive, fd) < ARCHIVE_WARN || archive_write_header(writer->archive, entry) < ARCHIVE_WARN)
                r = error_of(writer->archive);
        else
                r = put(writer, SPLIT_MAGIC, strlen(SPLIT_MAGIC));
        archive_entry_free(entry);
        if (r == 0)
                *ret = TAKE_PTR(writer);
        return r;
}

static int put_number(struct split_writer *writer, char kind, uint64_t number, size_t size) {
        uint8_t bytes[1 + sizeof(number)] = {(uint8_t) kind};

        number = htole64(number);
        memcpy(bytes + 1, &number, size); /* the low bytes come first */
        return put(writer, bytes, 1 + size);
}

int split_writer_raw(struct split_writer *writer, const void *data, size_t size) {
        int r = 0;

        for (const uint8_t *next = data; size > 0 && r == 0;) {
                size_t n = size < SPLIT_RAW_MAX ? size : SPLIT_RAW_MAX;

                r = put_number(writer, 'R', n, sizeof(uint32_t));
                if (r == 0)
                        r = put(writer, next, n);
                writer->total += n;
                next += n;
                size -= n;
        }
        return r;
}

int split_writer_file(struct split_writer *writer, const char *name, uint64_t size) {
        uint32_t length = htole32((uint32_t) strlen(name));
        int r = put_number(writer, 'F', size, sizeof(size));

        if (strlen(name) > SPLIT_NAME_MAX)
                return -E2BIG;
        if (r == 0)
                r = put(writer, &length, sizeof(length));
        writer->total += size;
        return r < 0 ? r : put(writer, name, strlen(name));
}

int split_writer_end(struct split_writer *writer) {
        int r = put_number(writer, 'E', writer->total, sizeof(writer->total));

        if (r == 0 && archive_write_close(writer->archive) < ARCHIVE_WARN)
                r = error_of(writer->archive);
        return r;
}

struct split_reader *split_reader_free(struct split_reader *reader) {
        if (!reader)
                return NULL;
        if (reader->archive)
                (void) archive_read_free(reader->archive); /* there is nothing to lose */
        free(reader->data);
        free(reader);
        return NULL;
}

/* 1; 0 where there is nothing more and `may_end`; -EBADMSG. */
static int take(struct split_reader *reader, void *data, size_t size, bool may_end) {
        size_t done = 0;

        while (done < size) {
                la_ssize_t n = archive_read_data(reader->archive, (uint8_t *) data + done, size - done);

                if (n < 0)
                        return archive_errno(reader->archive) == ENOMEM ? -ENOMEM : -EBADMSG;
                if (n == 0)
                        return done == 0 && may_end ? 0 : -EBADMSG;
                done += (size_t) n;
        }
        return 1;
}

int split_reader_new(int fd, struct split_reader **ret) {
        _cleanup_(split_reader_freep) struct split_reader *reader = calloc(1, sizeof(*reader));
        struct archive_entry *entry;
        char magic[sizeof(SPLIT_MAGIC) - 1];
        int r;

        if (!reader)
                return -ENOMEM;
        reader->archive = archive_read_new();
        if (!reader->archive)
                return -ENOMEM;
        if (archive_read_support_format_raw(reader->archive) < ARCHIVE_WARN || archive_read_support_filter_zstd(reader->archive) < ARCHIVE_WARN)
                return error_of(reader->archive);
        if (archive_read_open_fd(reader->archive, fd, 64 * 1024) != ARCHIVE_OK || archive_read_next_header(reader->archive, &entry) != ARCHIVE_OK)
                return -EBADMSG;
        r = take(reader, magic, sizeof(magic), false);
        if (r < 0)
                return r;
        if (memcmp(magic, SPLIT_MAGIC, sizeof(magic)) != 0)
                return -EBADMSG;
        *ret = TAKE_PTR(reader);
        return 0;
}

static int make_room(struct split_reader *reader, size_t size) {
        uint8_t *larger;

        if (size < reader->room)
                return 0;
        larger = realloc(reader->data, size + 1);
        if (!larger)
                return -ENOMEM;
        reader->data = larger;
        reader->room = size + 1;
        return 0;
}

static bool name_is_plain(const char *name) {
        if (!*name)
                return false;
        for (;;) {
                size_t size = strcspn(name, "/");
                _cleanup_free_ char *component = strndup(name, size);

                if (!component || !path_is_component(component))
                        return false;
                if (!name[size])
                        return true;
                name += size + 1;
        }
}

/* The bytes or the name of a record. */
static int take_bytes(struct split_reader *reader, size_t size, size_t max) {
        int r = size == 0 || size > max ? -EBADMSG : make_room(reader, size);

        if (r == 0)
                r = take(reader, reader->data, size, false);
        if (r < 0)
                return r;
        reader->data[size] = '\0';
        return 0;
}

static int read_raw(struct split_reader *reader, struct split_record *ret) {
        uint32_t size;
        int r = take(reader, &size, sizeof(size), false);

        if (r > 0)
                r = take_bytes(reader, le32toh(size), SPLIT_RAW_MAX);
        if (r < 0)
                return r;
        *ret = (struct split_record) {.kind = SPLIT_RAW, .data = reader->data, .size = le32toh(size)};
        return 1;
}

static int read_file(struct split_reader *reader, struct split_record *ret) {
        uint64_t size;
        uint32_t length;
        int r = take(reader, &size, sizeof(size), false);

        if (r > 0)
                r = take(reader, &length, sizeof(length), false);
        if (r > 0)
                r = take_bytes(reader, le32toh(length), SPLIT_NAME_MAX);
        if (r < 0)
                return r;
        if (strlen((const char *) reader->data) != le32toh(length) || !name_is_plain((const char *) reader->data))
                return -EBADMSG;
        *ret = (struct split_record) {.kind = SPLIT_FILE, .name = (const char *) reader->data, .size = le64toh(size)};
        return 1;
}

static int read_end(struct split_reader *reader) {
        uint64_t total;
        char more;
        int r = take(reader, &total, sizeof(total), false);

        if (r > 0 && le64toh(total) != reader->total)
                r = -EBADMSG;
        if (r > 0)
                r = take(reader, &more, 1, true);
        return r > 0 ? -EBADMSG : r;
}

int split_reader_next(struct split_reader *reader, struct split_record *ret) {
        char kind;
        int r = take(reader, &kind, 1, false);

        if (r < 0)
                return r;
        if (kind == 'E')
                return read_end(reader);
        r = kind == 'R' ? read_raw(reader, ret) : kind == 'F' ? read_file(reader, ret) : -EBADMSG;
        if (r > 0 && __builtin_add_overflow(reader->total, ret->size, &reader->total))
                return -EBADMSG;
        return r;
}
