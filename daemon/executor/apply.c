/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two of libarchive's readers, one behind the other: the first undoes the compression, the second reads the tar. In between,
 * what the tar has beside files is written down. */

#include "executor/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor/layer-split.h"
#include "executor/recorder.h"

enum { TRAILER_MAX = 16 * 1024 * 1024 /* bytes behind the end of a tar */ };

struct apply {
        struct worker *worker;
        const struct apply_setup *setup;
        struct tar_source *source;
        struct archive *archive;
        struct extract *extract;
        struct recorder *recorder; /* or NULL */
        int failed;                /* of the source: what its last call returned */
};

static void apply_done(struct apply *apply) {
        if (apply->archive)
                (void) archive_read_free(apply->archive); /* there is nothing to lose */
        (void) extract_free(apply->extract);
        (void) recorder_free(apply->recorder);
        (void) tar_source_free(apply->source);
}

static la_ssize_t on_read(struct archive *archive, void *userdata, const void **ret) {
        struct apply *apply = userdata;
        size_t size;

        if (apply->recorder)
                recorder_keep(apply->recorder);
        apply->failed = tar_source_next(apply->source, ret, &size);
        if (apply->failed != 0) {
                archive_set_error(archive, apply->failed < 0 ? -apply->failed : EIO, "the stream ended");
                return -1;
        }
        if (apply->recorder)
                recorder_feed(apply->recorder, *ret, size);
        return (la_ssize_t) size;
}

/* What the source said comes first. */
static int no_tar(struct apply *apply, const char *what) {
        if (apply->failed != 0)
                return apply->failed;
        if (archive_errno(apply->archive) == ENOMEM)
                return -ENOMEM;
        return worker_fail(apply->worker, FAILURE_INVALID_ARGS, 0, "%s: %s", what, archive_error_string(apply->archive) ?: "");
}

static int begin(struct apply *apply) {
        struct tar_source_setup source = apply->setup->source;
        int r = tar_source_new(apply->worker, &source, &apply->source);

        if (r == 0)
                r = extract_new(apply->worker, &apply->setup->into, &apply->extract);
        if (r != 0)
                return r;
        apply->archive = archive_read_new();
        if (!apply->archive)
                return -ENOMEM;
        if (apply->setup->split >= 0)
                apply->recorder = recorder_new(apply->setup->split);
        if (archive_read_support_format_tar(apply->archive) < ARCHIVE_WARN)
                return no_tar(apply, "libarchive reads no tar");
        if (archive_read_open(apply->archive, apply, NULL, on_read, NULL) != ARCHIVE_OK)
                return no_tar(apply, "this is not a tar, alone or compressed by gzip, zstd or xz");
        return 0;
}

/* What is written down is a stranger's, too: past a bound it is given up. */
static void bound_record(struct apply *apply) {
        struct stat st;

        if (apply->recorder && (fstat(apply->setup->split, &st) < 0 || st.st_size > SPLIT_SIZE_MAX))
                apply->recorder = recorder_free(apply->recorder);
}

/* Holes are free, but whoever reads the layer goes over them and adds such sizes up. Numbers that are no size come out of libarchive as the largest, or as
 * negative ones. */
static int check_size(struct apply *apply, struct archive_entry *entry) {
        const la_int64_t size = archive_entry_size(entry);
        const char *name = archive_entry_pathname(entry);

        if (size >= 0 && size <= APPLY_FILE_SIZE_MAX)
                return 0;
        return worker_fail(apply->worker, FAILURE_INVALID_ARGS, 0, "%s: a size of %" PRId64 " bytes, and no file may have more than 1 PiB", name ? name : "",
                           (int64_t) size);
}

static int one_entry(struct apply *apply, struct archive_entry *entry) {
        uint64_t *content = &worker_figures(apply->worker)[apply->setup->content_figure];
        const char *name;
        int r = check_size(apply, entry);

        if (r == 0)
                r = extract_look(apply->extract, entry, &name);
        if (r != 0)
                return r;
        if (archive_entry_filetype(entry) == AE_IFREG && __builtin_add_overflow(*content, (uint64_t) archive_entry_size(entry), content))
                *content = UINT64_MAX;
        bound_record(apply);
        if (name && apply->recorder)
                recorder_file(apply->recorder, (uint64_t) archive_filter_bytes(apply->archive, 0), name, (uint64_t) archive_entry_size(entry));
        r = extract_write(apply->extract, apply->archive, entry);
        return apply->failed != 0 ? apply->failed : r;
}

static int all_entries(struct apply *apply) {
        struct archive_entry *entry;

        for (;;) {
                int r = archive_read_next_header(apply->archive, &entry);

                if (r == ARCHIVE_EOF)
                        return 0;
                /* A warning is about a name that is not of our locale's. */
                if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
                        return no_tar(apply, archive_file_count(apply->archive) == 0 ? "this is not a tar, alone or compressed by gzip, zstd or xz"
                                                                                      : "the tar is damaged or cut off");
                r = one_entry(apply, entry);
                if (r != 0)
                        return r;
        }
}

/* A tar says itself where it ends: one that does not was cut off between two files. What follows, zeros as a rule, is a part of it. */
static int read_end(struct apply *apply) {
        size_t size, n = 0;
        const void *data;
        int r;

        if (archive_filter_bytes(apply->archive, 0) <= archive_read_header_position(apply->archive))
                return worker_fail(apply->worker, FAILURE_INVALID_ARGS, 0, "the tar is cut off: the blocks of zeros at its end are missing");
        do {
                if (apply->recorder)
                        recorder_keep(apply->recorder);
                r = tar_source_next(apply->source, &data, &size);
                if (r == 0 && apply->recorder)
                        recorder_feed(apply->recorder, data, size);
                n += size;
                if (n > TRAILER_MAX)
                        return worker_fail(apply->worker, FAILURE_INVALID_ARGS, 0, "the stream goes on after the end of the tar");
        } while (r == 0 && size > 0);
        return r;
}

/* Before anything is kept: what was read is what was promised. */
static int check_digests(struct apply *apply) {
        const struct apply_setup *setup = apply->setup;
        int r = setup->verify_read ? tar_source_drain(apply->source) : 0;

        if (r == 0 && setup->verify_read)
                r = setup->verify_read(apply->worker, setup->source.userdata);
        return r == 0 && setup->verify_plain ? setup->verify_plain(apply->worker, setup->source.userdata) : r;
}

/* That a tar is damaged is told as what it comes of, where that can be known: it is not the one that was promised. */
static int find_cause(struct apply *apply, int r) {
        const struct apply_setup *setup = apply->setup;
        _cleanup_failure_ struct failure found = FAILURE_INIT;
        int other;

        if (r != FAILURE_INVALID_ARGS || !setup->verify_read || !apply->source)
                return r;
        worker_doubt(apply->worker, &found);
        other = tar_source_drain(apply->source);
        if (other == 0)
                other = setup->verify_read(apply->worker, setup->source.userdata);
        if (other != 0)
                return other;
        worker_insist(apply->worker, &found);
        return r;
}

/* It is charged like what is in the layer, and goes without a failure where there is no room for it. */
static bool has_room(const struct apply *apply) {
        uint64_t *written = &worker_figures(apply->worker)[apply->setup->into.bytes_figure];
        struct stat st;

        if (fstat(apply->setup->split, &st) < 0 || st.st_size > SPLIT_SIZE_MAX || (uint64_t) st.st_size > apply->setup->into.bytes_max - *written)
                return false;
        *written += (uint64_t) st.st_size;
        return true;
}

static int keep_split(struct apply *apply) {
        const int fd = apply->setup->split;

        if (fd < 0)
                return 0;
        if (!apply->recorder || !recorder_end(apply->recorder) || !extract_is_plain(apply->extract) || !has_room(apply))
                if (ftruncate(fd, 0) < 0)
                        return -errno;
        return fsync(fd) < 0 ? -errno : 0;
}

int apply_tar(struct worker *worker, const struct apply_setup *setup) {
        _cleanup_(apply_done) struct apply apply = {.worker = worker, .setup = setup};
        int r = begin(&apply);

        if (r == 0)
                r = all_entries(&apply);
        if (r == 0)
                r = read_end(&apply);
        if (r == 0)
                r = check_digests(&apply);
        if (r == 0)
                r = extract_finish(apply.extract);
        if (r == 0)
                r = keep_split(&apply);
        if (r == 0 && syncfs(setup->into.root) < 0)
                r = worker_fail(worker, errno == ENOSPC || errno == EDQUOT ? FAILURE_QUOTA_EXCEEDED : FAILURE_MOUNT_FAILED, errno,
                                "bringing the layer onto the disk");
        return find_cause(&apply, r);
}
