/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * STEP_LAYER_ADOPT: what a worker has made becomes what the layer has, by one rename; what it had is then where the other was, and
 * STEP_LAYER_CLEAR removes it. Which of the two a directory is, is known by its inode: before the rename, the file "split" gets the
 * inode of the new one as a part of its name. So both steps can be done again after an executor died of them. When it is done, what the layer had
 * is called "old": whatever the other step has removed by then, nobody takes that for the new one. The record of a tar goes before the content
 * that it is about, and comes after it: content without one is told as it is, with another's it would be told wrong.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor/layer.h"
#include "plan/layer.h"
#include "util/log.h"

enum { CLEAR_ENTRIES = 8192 /* in one job, as for a layer that is removed */ };

struct adoption {
        const char *id;
        int layer, place; /* the layer's directory, and LAYER_APPLY in it */
        bool exchanged;   /* and not back */
        char split[sizeof("split-18446744073709551615")];
};

static int name_split(struct adoption *of, int directory) {
        struct stat st;

        if (fstatat(directory, "diff", &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        if (!S_ISDIR(st.st_mode))
                return -ENOTDIR;
        (void) snprintf(of->split, sizeof(of->split), "split-%" PRIu64, (uint64_t) st.st_ino); /* always fits */
        return 0;
}

/* 1: it is done already. */
static int is_adopted(struct adoption *of) {
        int r = name_split(of, of->layer);

        if (r < 0)
                return r;
        if (faccessat(of->place, "diff", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 1 : -errno;
        if (faccessat(of->place, of->split, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                return 1;
        return errno == ENOENT ? 0 : -errno;
}

/* What the worker could not set, having no right to. */
static int make_all_opaque(const struct adoption *of) {
        _cleanup_close_ int root = openat(of->place, "diff", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_close_ int names = openat(of->place, "opaque", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        bool some = false;
        int r = root < 0 || names < 0 ? -errno : layer_mark_opaque(root, names, true, &some);

        return r == 0 && some && syncfs(root) < 0 ? -errno : r;
}

/* On the disk, too, before anything is removed. */
static int set_aside(const struct adoption *of) {
        int r;

        if (renameat(of->place, "diff", of->place, "old") < 0)
                return errno == ENOENT ? 0 : -errno;
        r = layer_sync(of->place, "");
        if (r < 0)
                (void) renameat(of->place, "old", of->place, "diff");
        return r;
}

/* The record of the tar that the layer was of, on the disk, too: nobody takes it for one of what is to come. */
static int set_record_aside(const struct adoption *of) {
        if (renameat(of->layer, "tar-split", of->place, "old-split") < 0)
                return errno == ENOENT ? 0 : -errno;
        return layer_sync(of->layer, "");
}

static int exchange_directories(struct adoption *of) {
        int r = make_all_opaque(of);

        if (r == 0)
                r = name_split(of, of->place);
        if (r < 0)
                return r;
        if (renameat(of->place, "split", of->place, of->split) < 0 && errno != ENOENT) /* an earlier try */
                return -errno;
        r = layer_sync(of->place, "");
        if (r == 0)
                r = set_record_aside(of);
        if (r < 0)
                return r;
        if (renameat2(of->place, "diff", of->layer, "diff", RENAME_EXCHANGE) < 0)
                return -errno;
        r = layer_sync(of->layer, "");
        if (r == 0)
                r = set_aside(of);
        if (r < 0) /* as it was, then */
                of->exchanged = renameat2(of->place, "diff", of->layer, "diff", RENAME_EXCHANGE) < 0;
        return r;
}

static int exchange(struct adoption *of) {
        int r = exchange_directories(of);

        if (r < 0 && !of->exchanged) /* it is no record of what another tar made */
                (void) renameat(of->place, "old-split", of->layer, "tar-split"); /* if it was there; its loss makes the layer's tar another one, and no wrong one */
        return r;
}

/* The record of the tar goes with the content that it is about. */
static int adopt_split(const struct adoption *of) {
        struct stat st;

        if (fstatat(of->place, of->split, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno; /* it was done, and is being cleared */
        if (unlinkat(of->layer, "tar-split", 0) < 0 && errno != ENOENT) /* of an earlier try */
                return -errno;
        if (st.st_size == 0) /* none was wanted or could be written, or the layer is not all that the tar had */
                log_info("layer %s has its content, without the record of the tar that it is of: a diff is another tar of the same", of->id);
        /* A copy of the name stays: it says what was done. */
        if (st.st_size > 0 && linkat(of->place, of->split, of->layer, "tar-split", 0) < 0)
                return -errno;
        return layer_sync(of->layer, "");
}

int layer_open(struct run *run, const struct step *step, int *ret) {
        const char *id;
        int layers, r = layer_locate(run, step->target, &layers, &id);

        if (r != 0)
                return r;
        r = layer_is_of(layers, id, step->serial);
        if (r <= 0)
                return run_fail(run, FAILURE_NO_SUCH_LAYER, -r, "the directory of layer %s is not where podmount put it", step->target);
        *ret = openat(layers, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return *ret < 0 ? layer_failed(run, "opening", step->target, -errno) : 0;
}

int hand_layer_adopt(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        _cleanup_close_ int layer = -1, place = -1;
        struct adoption of;
        int r = layer_open(run, step, &layer);

        if (r != 0)
                return r;
        place = openat(layer, LAYER_APPLY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (place < 0 && errno == ENOENT)
                return 0; /* it was done, and cleared, before */
        if (place < 0)
                return layer_failed(run, "writing", step->target, -errno);
        of = (struct adoption) {.id = step->target, .layer = layer, .place = place};
        r = is_adopted(&of);
        /* An executor died between the two renames: then there is nothing to be taken back. */
        if (r > 0 && set_aside(&of) < 0)
                log_warning("what layer %s had before is in it a while longer", step->target);
        if (r == 0)
                r = exchange(&of);
        if (r < 0)
                return layer_failed(run, "writing", step->target, r);
        r = adopt_split(&of);
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "layer %s has its content, without the record of the tar that it is of", step->target);
        return 0;
}

int hand_layer_clear(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        _cleanup_close_ int layer = -1;
        size_t budget = CLEAR_ENTRIES;
        int r = layer_open(run, step, &layer);

        if (r != 0)
                return r;
        r = layer_clear(layer, LAYER_APPLY, &budget);
        if (r < 0)
                return layer_failed(run, "removing what lies beside", step->target, r);
        run->result->steps[i].attributes = r > 0 ? PURGE_MORE : PURGE_DONE;
        if (r == 0)
                r = layer_sync(layer, "");
        return r < 0 ? layer_failed(run, "removing what lies beside", step->target, r) : 0;
}
