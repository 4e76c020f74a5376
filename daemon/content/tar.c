/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tar by libarchive. What it makes is gathered here and handed on in large pieces; so it is known here, too, where it was when something
 * failed. */

#include "content/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "content/links.h"
#include "util/log.h"
#include "util/text.h"

enum {
        PIECE_SIZE = 64 * 1024, /* handed on at once: each page of it is one that a young process does not have yet… */
        READ_SIZE = 64 * 1024,  /* …and read */
        SKIP_SIZE = 1 << 30,    /* of a hole, which nobody reads */
        PASS_SIZE = 32 * 1024,  /* of a file: not worth a call more below that */
        SPOIL_MAX = 64,
};

#define OPAQUE_NAME ".wh..wh..opq"
#define WHITEOUT ".wh."

struct tar {
        tar_put_fn put;
        void *userdata;
        tar_pass_fn pass;
        tar_drop_fn drop;
        int (*before)(void *userdata);
        void *before_userdata;
        bool passed; /* libarchive only counts the bytes that it is given now: they are there already */
        int error; /* of put(), or of before() */
        bool over; /* what libarchive writes from now on goes nowhere: nobody takes it, or it is being freed */
        struct archive *archive;
        struct archive_entry *entry;
        struct links links;
        int64_t missing; /* bytes of a file that its header has promised */
        char *piece, *buffer;
        size_t size;
};

int tar_release(struct tar *tar) {
        return tar->before ? tar->before(tar->before_userdata) : 0;
}

static int flush(struct tar *tar) {
        int r = tar->size > 0 && !tar->drop ? tar_release(tar) : 0;

        if (r == 0 && tar->size > 0)
                r = tar->put(tar->userdata, tar->piece, tar->size);
        if (r < 0)
                tar->error = r;
        tar->size = 0;
        return r;
}

static la_ssize_t take(struct archive *archive _unused_, void *userdata, const void *data, size_t size) {
        struct tar *tar = userdata;

        for (size_t done = 0; done < size && !tar->over && !tar->passed;) {
                size_t n = PIECE_SIZE - tar->size;

                n = n < size - done ? n : size - done;
                memcpy(tar->piece + tar->size, (const char *) data + done, n);
                tar->size += n;
                done += n;
                /* libarchive keeps what it has of an archive whose writing has failed: each call looks for the error itself. */
                if (tar->size == PIECE_SIZE && flush(tar) < 0)
                        tar->over = true;
        }
        return (la_ssize_t) size;
}

void tar_prepare(void) {
        (void) setlocale(LC_CTYPE, "C.UTF-8"); /* without it names have a header more that says what they are */
}

static bool begin(struct tar *tar) {
        tar->archive = archive_write_new();
        return tar->archive && archive_write_set_format_pax(tar->archive) == ARCHIVE_OK &&
                archive_write_set_format_option(tar->archive, "pax", "xattrheader", "SCHILY") == ARCHIVE_OK &&
                archive_write_set_bytes_per_block(tar->archive, 0) == ARCHIVE_OK &&
                archive_write_open(tar->archive, tar, NULL, take, NULL) == ARCHIVE_OK;
}

static void end(struct tar *tar) {
        tar->over = true;
        (void) archive_write_free(tar->archive); /* takes NULL */
        tar->archive = NULL;
        links_done(&tar->links);
}

struct tar *tar_new(tar_put_fn put, void *userdata) {
        struct tar *tar = calloc(1, sizeof(*tar));

        if (!tar)
                return NULL;
        tar->put = put;
        tar->userdata = userdata;
        tar->piece = malloc(PIECE_SIZE);
        tar->buffer = malloc(READ_SIZE);
        tar->entry = archive_entry_new();
        return tar->piece && tar->buffer && tar->entry && begin(tar) ? tar : tar_free(tar);
}

struct tar *tar_free(struct tar *tar) {
        if (!tar)
                return NULL;
        end(tar);
        archive_entry_free(tar->entry);
        free(tar->piece);
        free(tar->buffer);
        free(tar);
        return NULL;
}

void tar_before(struct tar *tar, int (*fn)(void *userdata), void *userdata) {
        tar->before = fn;
        tar->before_userdata = userdata;
}

void tar_pass(struct tar *tar, tar_pass_fn fn) {
        tar->pass = fn;
}

void tar_hold(struct tar *tar, tar_drop_fn fn) {
        tar->drop = fn;
}

int tar_again(struct tar *tar) {
        int r = tar->drop ? tar->drop(tar->userdata) : 0;

        end(tar);
        if (r < 0)
                return r;
        tar->error = 0;
        tar->over = false;
        tar->missing = 0;
        tar->size = 0;
        return begin(tar) ? 0 : log_oom();
}

/* What libarchive, or whoever takes the bytes, has refused. */
static int fail(const struct tar *tar, const char *path, struct failure *f) {
        const char *why = archive_error_string(tar->archive);

        if (tar->error < 0)
                return tar->error;
        if (archive_errno(tar->archive) == ENOMEM)
                return log_oom();
        return failure_set(f, FAILURE_MOUNT_FAILED, "/%s cannot be written to a tar archive: %s", path, why ? why : "for no reason that is told");
}

static int write_header(struct tar *tar, const char *path, struct failure *f) {
        int r = archive_write_header(tar->archive, tar->entry);

        /* A warning is of names that are no UTF-8: they are written as they are. */
        return (r == ARCHIVE_OK || r == ARCHIVE_WARN) && tar->error == 0 ? 0 : fail(tar, path, f);
}

/* An empty file whose name says what is gone. */
static int write_marker(struct tar *tar, const char *path, const char *directory, size_t size, const char *name, struct failure *f) {
        _cleanup_free_ char *marker = text_format("%.*s%s%s", (int) size, directory, size > 0 ? "/" : "", name);

        if (!marker)
                return log_oom();
        archive_entry_clear(tar->entry);
        archive_entry_copy_pathname(tar->entry, marker);
        archive_entry_set_filetype(tar->entry, AE_IFREG);
        archive_entry_set_perm(tar->entry, 0);
        archive_entry_set_size(tar->entry, 0);
        archive_entry_set_mtime(tar->entry, 0, 0);
        return write_header(tar, path, f);
}

static int write_whiteout(struct tar *tar, const struct change *change, struct failure *f) {
        size_t size = strlen(change->path) - strlen(change->name);
        _cleanup_free_ char *name = text_format(WHITEOUT "%s", change->name);

        if (!name)
                return log_oom();
        return write_marker(tar, change->path, change->path, size > 0 ? size - 1 : 0, name, f);
}

/* The parts of a file that are not holes. */
static int add_extents(struct tar *tar, int fd, const struct stat *status) {
        off_t at = 0;

        if (status->st_blocks * 512 >= status->st_size)
                return 0;
        for (;;) {
                off_t from = lseek(fd, at, SEEK_DATA), to;

                if (from < 0 && errno == ENXIO && at == 0)
                        archive_entry_sparse_add_entry(tar->entry, status->st_size, 0); /* it is a hole and nothing else */
                if (from < 0)
                        return errno == ENXIO || errno == EINVAL ? 0 : -errno;
                to = lseek(fd, from, SEEK_HOLE);
                if (to < 0)
                        return -errno;
                if (from >= status->st_size)
                        return 0;
                to = to < status->st_size ? to : status->st_size;
                if (from > 0 || to < status->st_size)
                        archive_entry_sparse_add_entry(tar->entry, from, to - from);
                at = to;
        }
}

static int shortened(const char *path, struct failure *f) {
        return failure_set(f, FAILURE_MOUNT_FAILED, "/%s became shorter while it was read", path);
}

/* Bytes that are there, or a hole or what was passed, which libarchive counts and does not look at. */
static int hand_on(struct tar *tar, const char *path, size_t size, bool hole, struct failure *f) {
        for (size_t done = 0; done < size;) {
                la_ssize_t n = archive_write_data(tar->archive, hole ? tar->buffer : tar->buffer + done, size - done);

                if (n < 0 || tar->error < 0)
                        return fail(tar, path, f);
                if (n == 0)
                        return shortened(path, f); /* it takes what the header said, and no more */
                done += (size_t) n;
                tar->missing -= hole ? 0 : n;
        }
        return 0;
}

/* As many of the next bytes of a file as were passed are counted; 0 where they have to be read. */
static int pass_on(struct tar *tar, const char *path, int fd, off_t at, off_t end, size_t *ret, struct failure *f) {
        const bool worth_it = tar->pass && end - at >= PASS_SIZE;
        ssize_t n = 0;
        int r = 0;

        *ret = 0;
        /* What comes before them first: libarchive tells where holes are when it gets the first bytes. */
        if (worth_it && (archive_write_data(tar->archive, tar->buffer, 0) < 0 || tar->error < 0))
                return fail(tar, path, f);
        if (worth_it)
                n = flush(tar);
        if (worth_it && n == 0)
                n = tar->pass(tar->userdata, fd, at, (size_t) (end - at));
        *ret = n > 0 ? (size_t) n : 0;
        if (n == -EOPNOTSUPP)
                return 0;
        if (n < 0) {
                tar->error = (int) n;
                tar->over = true;
                return (int) n;
        }
        tar->passed = true;
        for (size_t done = 0; done < *ret && r == 0; done += READ_SIZE)
                r = hand_on(tar, path, *ret - done < READ_SIZE ? *ret - done : READ_SIZE, false, f);
        tar->passed = false;
        return r;
}

static int write_range(struct tar *tar, const char *path, int fd, off_t at, off_t end, struct failure *f) {
        size_t passed;
        int r = pass_on(tar, path, fd, at, end, &passed, f);

        if (r != 0)
                return r;
        at += (off_t) passed;
        while (at < end) {
                size_t size = end - at < READ_SIZE ? (size_t) (end - at) : READ_SIZE;
                ssize_t n = pread(fd, tar->buffer, size, at);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return failure_set(f, FAILURE_MOUNT_FAILED, "/%s cannot be read: %s", path, strerror(errno));
                if (n == 0)
                        return shortened(path, f);
                r = hand_on(tar, path, (size_t) n, false, f);
                if (r != 0)
                        return r;
                at += n;
        }
        return 0;
}

/* More at a time than the buffer has: libarchive counts it, and looks at none of it. */
static int skip_range(struct tar *tar, const char *path, off_t at, off_t end, struct failure *f) {
        while (at < end) {
                size_t size = end - at < SKIP_SIZE ? (size_t) (end - at) : SKIP_SIZE;
                int r = hand_on(tar, path, size, true, f);

                if (r != 0)
                        return r;
                at += (off_t) size;
        }
        return 0;
}

static int write_contents(struct tar *tar, const char *path, int fd, off_t size, struct failure *f) {
        la_int64_t from, length;
        off_t at = 0;
        int r = 0;

        if (archive_entry_sparse_reset(tar->entry) == 0) {
                tar->missing = size;
                return write_range(tar, path, fd, 0, size, f);
        }
        while (archive_entry_sparse_next(tar->entry, &from, &length) == ARCHIVE_OK)
                tar->missing += length;
        (void) archive_entry_sparse_reset(tar->entry); /* to the first again */
        while (r == 0 && archive_entry_sparse_next(tar->entry, &from, &length) == ARCHIVE_OK) {
                r = skip_range(tar, path, at, from, f);
                if (r == 0)
                        r = write_range(tar, path, fd, from, from + length, f);
                at = from + length;
        }
        return r; /* a hole at the end goes without saying */
}

/* libarchive writes others in a way that no reader understands. */
static int check_attributes(const struct change *change, struct failure *f) {
        for (size_t i = 0; i < change->node->n_attributes; i++)
                for (const char *c = change->node->attributes[i].name; *c; c++)
                        if (*c <= ' ' || *c > '~' || *c == '%' || *c == '=')
                                return failure_set(f, FAILURE_NOT_SUPPORTED,
                                        "/%s has the extended attribute %s, a name that cannot be told in a tar archive; remove the attribute",
                                        change->path, change->node->attributes[i].name);
        return 0;
}

static void describe(struct tar *tar, const struct change *change) {
        struct archive_entry *entry = tar->entry;
        const struct node *node = change->node;
        const struct stat *status = &node->status;

        archive_entry_clear(entry);
        archive_entry_copy_pathname(entry, *change->path ? change->path : ".");
        archive_entry_set_filetype(entry, status->st_mode & S_IFMT);
        archive_entry_set_perm(entry, status->st_mode & 07777);
        archive_entry_set_uid(entry, status->st_uid);
        archive_entry_set_gid(entry, status->st_gid);
        archive_entry_set_mtime(entry, status->st_mtim.tv_sec, status->st_mtim.tv_nsec);
        if (S_ISLNK(status->st_mode))
                archive_entry_copy_symlink(entry, node->target);
        if (S_ISCHR(status->st_mode) || S_ISBLK(status->st_mode)) {
                archive_entry_set_rdevmajor(entry, major(status->st_rdev));
                archive_entry_set_rdevminor(entry, minor(status->st_rdev));
        }
        for (size_t i = 0; i < node->n_attributes; i++)
                archive_entry_xattr_add_entry(entry, node->attributes[i].name, node->attributes[i].value, node->attributes[i].size);
}

static int write_file(struct tar *tar, const struct change *change, struct failure *f) {
        _cleanup_close_ int fd = -1;
        struct stat status;
        int r = place_open(change->view, change->place, change->name, change->node, change->part, &fd);

        if (r == 0 && fstat(fd, &status) < 0)
                r = -errno;
        if (r == 0 && !S_ISREG(status.st_mode))
                r = -ESTALE;
        archive_entry_set_size(tar->entry, change->node->status.st_size); /* first: it takes no extent that lies past the end */
        if (r == 0 && change->node->status.st_size > 0) {
                status.st_size = change->node->status.st_size;
                r = add_extents(tar, fd, &status);
        }
        if (r == -ENOENT && change->node->metacopy)
                return failure_set(f, FAILURE_MOUNT_FAILED, "/%s has its contents in a layer below, where they are not", change->path);
        if (r < 0)
                return failure_set(f, FAILURE_MOUNT_FAILED, "/%s cannot be read: %s", change->path, strerror(-r));
        r = write_header(tar, change->path, f);
        if (r != 0)
                return r;
        return write_contents(tar, change->path, fd, change->node->status.st_size, f);
}

/* Another name of what has been written before: its header says all there is to say. */
static int write_link(struct tar *tar, const struct change *change, const char *first, struct failure *f) {
        archive_entry_copy_hardlink(tar->entry, first);
        archive_entry_xattr_clear(tar->entry);
        archive_entry_set_size(tar->entry, 0);
        return write_header(tar, change->path, f);
}

static int write_entry(struct tar *tar, const struct change *change, struct failure *f) {
        const struct stat *status = &change->node->status;
        const char *first = NULL;
        int r = check_attributes(change, f);

        if (r != 0)
                return r;
        describe(tar, change);
        if (links_matter(status))
                r = links_note(&tar->links, status, change->path, &first);
        if (r < 0)
                return log_oom();
        if (first)
                return write_link(tar, change, first, f);
        if (S_ISREG(status->st_mode))
                return write_file(tar, change, f);
        archive_entry_set_size(tar->entry, 0);
        return write_header(tar, change->path, f);
}

int tar_change(struct tar *tar, const struct change *change, struct failure *f) {
        int r;

        if (strncmp(change->name, WHITEOUT, strlen(WHITEOUT)) == 0)
                return failure_set(f, FAILURE_NOT_SUPPORTED,
                        "/%s cannot be told in a tar archive, where such a name says that something was deleted; rename it", change->path);
        if (!change->node)
                return write_whiteout(tar, change, f);
        if (S_ISSOCK(change->node->status.st_mode))
                return 0;
        r = write_entry(tar, change, f);
        if (r == 0 && (archive_write_finish_entry(tar->archive) != ARCHIVE_OK || tar->error < 0))
                r = fail(tar, change->path, f);
        if (r == 0)
                tar->missing = 0;
        if (r == 0 && change->opaque)
                r = write_marker(tar, change->path, change->path, strlen(change->path), OPAQUE_NAME, f);
        return r;
}

int tar_end(struct tar *tar) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        int r = archive_write_close(tar->archive) == ARCHIVE_OK && tar->error == 0 ? 0 : fail(tar, "", &f);

        if (r > 0)
                return log_errno(LOG_ERR, EIO, "%s", f.text);
        return r == 0 ? flush(tar) : r;
}

/* Not zeros, for they end an archive. Within a file it ends before its contents do, else with the header of one without contents. */
void tar_spoil(struct tar *tar) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        char text[SPOIL_MAX];

        if (tar->error < 0)
                return;
        memset(text, '!', sizeof(text));
        if (tar->missing > 1) {
                size_t size = tar->missing - 1 < SPOIL_MAX ? (size_t) (tar->missing - 1) : SPOIL_MAX;

                (void) archive_write_data(tar->archive, text, size);
                (void) flush(tar); /* as far as somebody takes it */
                return;
        }
        if (tar->missing == 1)
                (void) archive_write_data(tar->archive, text, 1);
        archive_entry_clear(tar->entry);
        archive_entry_copy_pathname(tar->entry, "this archive is incomplete");
        archive_entry_set_filetype(tar->entry, AE_IFREG);
        archive_entry_set_perm(tar->entry, 0);
        archive_entry_set_size(tar->entry, SPOIL_MAX);
        archive_entry_set_mtime(tar->entry, 0, 0);
        (void) write_header(tar, "", &f); /* finishes the entry before it; if that fails, nothing can be done */
        (void) flush(tar);
}
