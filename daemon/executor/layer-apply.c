/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STEP_LAYER_APPLY: opens what a worker needs to make of a tar what a layer is to have, beside what it has, and starts it. Its
 * root directory is the one that it fills; beside that it can read what the layer stands on. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor/apply.h"
#include "executor/layer-stack.h"
#include "executor/layer.h"
#include "executor/worker.h"
#include "image/digest.h"
#include "kernel/userns.h"
#include "plan/layer.h"
#include "util/log.h"

#define CAPABILITY(name) (UINT64_C(1) << (name))

enum { MEMORY_MAX = 768 * 1024 * 1024 /* of a worker: a window of 256 MiB, twice, and the names of many directories */ };

/* In the order of the worker's fds. */
enum { FD_TAR, FD_ROOT, FD_SPLIT, FD_OPAQUE, FD_NOTES, FD_STASH, FD_BELOW /* or none… */, FD_OWN /* …or not this… */, FD_UNDER /* …or that */, _FD_MAX };

struct request {
        const struct step *step;
        bool devices, below;
        bool over; /* the layer has content, which is what shows below… */
        bool under; /* …and stands on something */
        bool acls_unmapped;
};

/* What an image says of the blob and of the tar in it. */
struct digests {
        struct digest blob, diff_id; /* wanted */
        struct digester *of_blob, *of_tar;
};

static void see_blob(const void *data, size_t size, void *userdata) {
        digester_add(((struct digests *) userdata)->of_blob, data, size);
}

static void see_tar(const void *data, size_t size, void *userdata) {
        digester_add(((struct digests *) userdata)->of_tar, data, size);
}

static int verify_blob(struct worker *worker, void *userdata) {
        const struct digests *digests = userdata;
        char wanted[DIGEST_TEXT_SIZE], is[DIGEST_TEXT_SIZE];
        struct digest blob;

        digester_end(digests->of_blob, &blob);
        if (digest_equal(&blob, &digests->blob))
                return 0;
        return worker_fail(worker, FAILURE_INVALID_SPEC, 0, "the blob %s has another digest: %s", digest_text(&digests->blob, wanted), digest_text(&blob, is));
}

static int verify_tar(struct worker *worker, void *userdata) {
        const struct digests *digests = userdata;
        char wanted[DIGEST_TEXT_SIZE], is[DIGEST_TEXT_SIZE], of[DIGEST_TEXT_SIZE];
        struct digest tar;

        digester_end(digests->of_tar, &tar);
        if (digest_equal(&tar, &digests->diff_id))
                return 0;
        return worker_fail(worker, FAILURE_INVALID_SPEC, 0, "the layer in the blob %s has the diff-id %s, not %s as the image's config says",
                           digest_text(&digests->blob, wanted), digest_text(&tar, is), digest_text(&digests->diff_id, of));
}

/* The reading of a blob of an image, with its digests; that of any other tar as it is. */
static int prepare_digests(const struct step *step, struct digests *digests, struct apply_setup *setup) {
        if (!step->stubs || !step->stubs[0])
                return 0;
        if (digest_parse(step->stubs[0], &digests->blob) < 0 || digest_parse(step->stubs[1], &digests->diff_id) < 0)
                return -EINVAL; /* the door has looked */
        digests->of_blob = digester_new(digests->blob.algorithm);
        digests->of_tar = digester_new(digests->diff_id.algorithm);
        if (!digests->of_blob || !digests->of_tar)
                return -ENOMEM; /* the process ends, and frees them */
        setup->source.read = see_blob;
        setup->source.plain = see_tar;
        setup->source.userdata = digests;
        setup->verify_read = verify_blob;
        setup->verify_plain = verify_tar;
        return 0;
}

static int work(struct worker *worker, const int *fds, void *userdata) {
        const struct request *request = userdata;
        const struct step *step = request->step;
        struct digests digests = {};
        struct apply_setup setup = {
                .source = {.fd = fds[FD_TAR], .figure = APPLY_READ},
                .into = {
                        .root = fds[FD_ROOT],
                        .opaque = fds[FD_OPAQUE],
                        .below = request->below ? fds[FD_BELOW] : -1,
                        .own = request->over ? fds[FD_OWN] : -1,
                        .stash = fds[FD_STASH],
                        .under = request->under ? fds[FD_UNDER] : -1,
                        .root_below = request->over || !(step->flags & STEP_LAYER_WRITABLE),
                        .notes = request->over ? fds[FD_NOTES] : -1,
                        .base = (step->flags & STEP_LAYER_BASE) && !request->over,
                        .acls_unmapped = request->acls_unmapped,
                        .devices = request->devices,
                        .idmap = step->idmap.given ? &step->idmap : NULL,
                        .bytes_max = step->size,
                        .inodes_max = step->id,
                        .bytes_figure = APPLY_WRITTEN,
                        .inodes_figure = APPLY_INODES,
                },
                /* What is written to is not what it was made of for long, and what had content is of more than this tar. */
                .split = request->over || step->flags & STEP_LAYER_WRITABLE ? -1 : fds[FD_SPLIT],
                .content_figure = APPLY_CONTENT,
        };

        return prepare_digests(step, &digests, &setup) ?: apply_tar(worker, &setup);
}

static int is_empty(int layer) {
        int fd = openat(layer, "diff", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), n = 0, r;
        DIR *entries = fd < 0 ? NULL : fdopendir(fd);

        if (!entries) {
                (void) close_fd(fd);
                return -errno;
        }
        do
                errno = 0;
        while (n < 3 && readdir(entries) && ++n);
        r = -errno; /* a directory that cannot be read is not empty */
        (void) closedir(entries);
        return r < 0 ? r : n < 3;
}

/* Owner and mode are those of what it is to take the place of; a tar may have others. */
static int make_place(int layer, int *fds) {
        _cleanup_close_ int place = -1;
        size_t budget = SIZE_MAX;
        struct stat st;
        int r = layer_clear(layer, LAYER_APPLY, &budget);

        if (r < 0)
                return r;
        if (fstatat(layer, "diff", &st, AT_SYMLINK_NOFOLLOW) < 0 || mkdirat(layer, LAYER_APPLY, 0700) < 0)
                return -errno;
        place = openat(layer, LAYER_APPLY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (place < 0 || mkdirat(place, "stash", 0700) < 0 || mkdirat(place, "diff", 0700) < 0 || fchownat(place, "diff", st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
            fchmodat(place, "diff", st.st_mode & 07777, 0) < 0)
                return -errno;
        fds[FD_ROOT] = openat(place, "diff", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        fds[FD_SPLIT] = openat(place, "split", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        fds[FD_OPAQUE] = openat(place, "opaque", O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
        if (fds[FD_ROOT] < 0 || fds[FD_SPLIT] < 0 || fds[FD_OPAQUE] < 0)
                return -errno;
        fds[FD_NOTES] = openat(place, "notes", O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
        fds[FD_STASH] = openat(place, "stash", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fds[FD_NOTES] < 0 || fds[FD_STASH] < 0 ? -errno : 0;
}

static int start(struct run *run, const struct step *step, bool over, int *fds) {
        struct request request = {.step = step, .devices = run->job->caller.root, .below = fds[FD_BELOW] >= 0, .over = over, .under = fds[FD_UNDER] >= 0};
        struct worker_setup setup = {
                .name = "podmount-apply",
                .fds = fds,
                .n_fds = request.under ? _FD_MAX : over ? FD_UNDER : request.below ? FD_OWN : FD_BELOW,
                .capabilities = CAPABILITY(CAP_CHOWN) | CAPABILITY(CAP_DAC_OVERRIDE) | CAPABILITY(CAP_FOWNER) | CAPABILITY(CAP_FSETID) |
                                CAPABILITY(CAP_SETFCAP) | (run->job->caller.root ? CAPABILITY(CAP_MKNOD) : 0),
                .memory_max = MEMORY_MAX,
                .work = work,
                .userdata = &request,
        };
        int channel, r;

        if (request.below && step->idmap.given) {
                r = userns_maps_acls();
                if (r < 0)
                        return log_errno(LOG_ERR, r, "try how the kernel maps the ids of ACLs");
                request.acls_unmapped = r == 0;
        }
        setup.root = fds[FD_ROOT];
        r = worker_start(&setup, &channel);
        return r < 0 ? r : run_answer_fd(run, channel);
}

int hand_layer_apply(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        _cleanup_close_ int layer = -1;
        int fds[_FD_MAX] = {[FD_TAR] = run->fds[step->source.fd], [FD_ROOT] = -1, [FD_SPLIT] = -1, [FD_OPAQUE] = -1, [FD_NOTES] = -1, [FD_STASH] = -1, [FD_BELOW] = -1, [FD_OWN] = -1};
        bool over;
        int r = layer_open(run, step, &layer);

        fds[FD_UNDER] = -1;
        if (r != 0)
                return r;
        r = is_empty(layer);
        over = r == 0;
        if (r >= 0)
                r = make_place(layer, fds);
        if (r < 0)
                r = layer_failed(run, "writing", step->target, r);
        if (r == 0 && (over || step->n_layers > 0))
                r = layer_show(run, i, over, &fds[FD_BELOW]);
        if (r == 0 && over)
                r = layer_show_own(run, i, &fds[FD_OWN]);
        if (r == 0 && over && step->n_layers > 0)
                r = layer_show(run, i, false, &fds[FD_UNDER]);
        if (r == 0)
                r = start(run, step, over, fds);
        run->result->steps[i].attributes = over ? APPLY_OVER : APPLY_ALONE;
        for (size_t j = FD_ROOT; j < _FD_MAX; j++)
                if (fds[j] >= 0)
                        (void) close_fd(fds[j]);
        return r;
}
