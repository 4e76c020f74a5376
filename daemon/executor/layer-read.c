/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * STEP_LAYER_DIFF, STEP_LAYER_CHANGES and STEP_LAYER_SIZE: opens what a worker has to read and starts it. It sees the layer's own
 * directory and what is merged below it, and nothing else; an archive of what one tar has made is that tar, played back.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>

#include "content/diff.h"
#include "executor/layer-split.h"
#include "executor/layer-stack.h"
#include "executor/layer.h"
#include "executor/outlet.h"
#include "executor/spare.h"
#include "kernel/resolve.h"
#include "plan/layer.h"
#include "util/array.h"
#include "util/log.h"

#define CAPABILITY(name) (UINT64_C(1) << (name))

enum {
        MEMORY_MAX = 768 * 1024 * 1024, /* of a worker: what differs in two trees is gathered before it is told */
        FILES_MAX = 4 * CHANGES_DEPTH_MAX + 64, /* for each directory on the way down there are up to four */
        BLOCK = 64 * 1024,
        PAUSE_MS = 4, /* what was answered goes first, and takes as long with little to tell */
};

enum { MAP_NOW, MAP_THEN, _MAP_MAX };
enum { FD_OUT, FD_TOP, FD_BASE, FD_OTHER, FD_OTHER_BASE, FD_SPLIT, _FD_MAX };

/* What a worker is told, followed by the mappings of uids, then of gids, of the layer; then those of the other one. */
struct request {
        int at[_FD_MAX]; /* among the worker's fds, or -1 */
        uint32_t kind, flags;
        struct {
                uint32_t given, n_uids, n_gids;
        } maps[_MAP_MAX];
};

struct reading {
        struct worker *worker;
        struct outlet *outlet; /* of a tar */
        int fds[_FD_MAX]; /* or -1 */
        uint8_t *portion;
        size_t size;
};

static int pulse(void *userdata, struct failure *f _unused_) {
        struct reading *reading = userdata;

        worker_figures(reading->worker)[READ_DONE]++;
        return worker_progress(reading->worker);
}

/* All of a file's content: as many bytes as the record says, or -EBADMSG. */
static int play_file(struct reading *reading, const struct split_record *record) {
        static uint8_t block[BLOCK];
        _cleanup_close_ int fd = resolve_open_beneath(reading->fds[FD_TOP], record->name);
        uint64_t left = record->size;
        struct stat status;
        ssize_t passed;

        if (fd < 0)
                return fd;
        if (fstat(fd, &status) < 0)
                return -errno;
        if (!S_ISREG(status.st_mode) || (uint64_t) status.st_size != record->size)
                return -EBADMSG;
        passed = outlet_pass(reading->outlet, fd, 0, left);
        if (passed < 0 && passed != -EOPNOTSUPP)
                return (int) passed;
        left -= passed > 0 ? (uint64_t) passed : 0;
        while (left > 0) {
                ssize_t n = pread(fd, block, left < sizeof(block) ? (size_t) left : sizeof(block), (off_t) (record->size - left));
                int r;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EBADMSG;
                r = outlet_put(reading->outlet, block, (size_t) n);
                if (r < 0)
                        return r;
                left -= (uint64_t) n;
        }
        return 0;
}

static int play(struct reading *reading) {
        _cleanup_(split_reader_freep) struct split_reader *reader = NULL;
        struct split_record record;
        int r = split_reader_new(reading->fds[FD_SPLIT], &reader);

        if (r < 0)
                return r;
        while ((r = split_reader_next(reader, &record)) > 0) {
                r = record.kind == SPLIT_RAW ? outlet_put(reading->outlet, record.data, record.size) : play_file(reading, &record);
                if (r < 0)
                        return r;
        }
        return r;
}

static int stopped(struct reading *reading, int error) {
        if (error == -EPIPE)
                return worker_fail(reading->worker, FAILURE_INVALID_ARGS, 0, "nobody reads it any more");
        return worker_fail(reading->worker, FAILURE_MOUNT_FAILED, -error, "the tar cannot be written");
}

/* In place of what is missing of it. */
static int spoil(struct reading *reading, struct tar *tar, int r) {
        tar_spoil(tar);
        (void) outlet_flush(reading->outlet); /* as far as somebody takes it */
        return r;
}

static int write_tar(struct reading *reading, const struct changes *changes, struct tar *tar, struct failure *f) {
        int r;

        if (reading->fds[FD_SPLIT] >= 0) {
                r = play(reading);
                if (r < 0 && r != -EPIPE)
                        return spoil(reading, tar, worker_fail(reading->worker, FAILURE_MOUNT_FAILED, -r, "the layer is not what its tar had any more"));
        } else {
                r = diff_write(changes, reading, tar, f);
                if (r != 0 && r != -EPIPE)
                        return spoil(reading, tar, r);
                if (r == 0)
                        r = tar_end(tar);
        }
        if (r == 0)
                r = outlet_flush(reading->outlet);
        return r < 0 ? stopped(reading, r) : 0;
}

static int work_tar(struct reading *reading, const struct changes *changes, struct failure *f) {
        _cleanup_outlet_ struct outlet outlet;
        _cleanup_tar_ struct tar *tar = NULL;

        outlet_open(&outlet, reading->worker, reading->fds[FD_OUT]);
        reading->outlet = &outlet;
        tar = tar_new(outlet_put, &outlet);
        if (!tar)
                return log_oom();
        tar_pass(tar, outlet_pass);
        tar_hold(tar, outlet_drop);
        outlet.tar = tar;
        return write_tar(reading, changes, tar, f);
}

static int flush(struct reading *reading) {
        int r = reading->size > 0 ? worker_portion(reading->worker, reading->portion, reading->size) : 0;

        reading->size = 0;
        return r;
}

/* Three texts with their NULs. */
static int tell(const char *kind, const char *path, const char *detail, void *userdata, struct failure *f) {
        struct reading *reading = userdata;
        const char *const texts[] = {kind, path, detail};
        size_t size = strlen(kind) + strlen(path) + strlen(detail) + ELEMENTSOF(texts);
        int r = 0;

        if (size > STREAM_BYTES_MAX)
                return failure_set(f, FAILURE_NOT_SUPPORTED, "a path is too long to be told: %.200s…", path);
        if (reading->size + size > STREAM_BYTES_MAX)
                r = flush(reading);
        for (size_t i = 0; i < ELEMENTSOF(texts) && r == 0; i++) {
                memcpy(reading->portion + reading->size, texts[i], strlen(texts[i]) + 1);
                reading->size += strlen(texts[i]) + 1;
        }
        return r;
}

static int work_changes(struct reading *reading, const struct changes *changes, struct failure *f) {
        int r;

        reading->portion = malloc(STREAM_BYTES_MAX);
        if (!reading->portion)
                return log_oom();
        r = diff_list(changes, reading, tell, f);
        if (r == 0)
                r = flush(reading);
        free(reading->portion);
        return r;
}

static int tell_all(struct reading *reading, const struct request *request, const struct changes *changes, struct failure *f) {
        switch (request->kind) {
        case STEP_LAYER_DIFF:
                return work_tar(reading, changes, f);
        case STEP_LAYER_CHANGES:
                return work_changes(reading, changes, f);
        default:
                return diff_size(changes, reading, &worker_figures(reading->worker)[READ_SIZE], f);
        }
}

/* The mappings lie behind the request, and stay there. */
static int take_maps(const struct request *request, void *order, size_t size, struct idmap ret[static _MAP_MAX]) {
        struct id_mapping *at = (void *) ((uint8_t *) order + sizeof(*request));
        size_t n = 0;

        for (size_t i = 0; i < _MAP_MAX; i++)
                n += (size_t) request->maps[i].n_uids + request->maps[i].n_gids;
        if (size != sizeof(*request) + n * sizeof(*at))
                return -EBADMSG;
        for (size_t i = 0; i < _MAP_MAX; i++) {
                const uint32_t n_uids = request->maps[i].n_uids, n_gids = request->maps[i].n_gids;

                ret[i] = (struct idmap) {.given = request->maps[i].given, .uids = at, .n_uids = n_uids, .gids = at + n_uids, .n_gids = n_gids};
                at += n_uids + n_gids;
        }
        return 0;
}

static int work(struct worker *worker, const int *given, size_t n_given, void *order, size_t size) {
        struct reading reading = {.worker = worker};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct changes changes = {.pulse = pulse, .pulse_userdata = &reading};
        struct view then = {};
        struct idmap idmaps[_MAP_MAX];
        struct request request;
        int *fds = reading.fds;
        int r;

        if (size < sizeof(request))
                return -EBADMSG;
        memcpy(&request, order, sizeof(request));
        r = take_maps(&request, order, size, idmaps);
        if (r < 0)
                return r;
        for (size_t i = 0; i < _FD_MAX; i++)
                fds[i] = request.at[i] < 0 || (size_t) request.at[i] >= n_given ? -1 : given[request.at[i]];
        changes.layer = (request.flags & STEP_LAYER_OWN) && fds[FD_BASE] >= 0;
        changes.now.root = (struct place) {.top = fds[FD_TOP], .base = fds[FD_BASE]};
        changes.now.map = idmaps[MAP_NOW].given ? &idmaps[MAP_NOW] : NULL;
        then.map = idmaps[MAP_THEN].given ? &idmaps[MAP_THEN] : NULL;
        if (changes.layer)
                then.root = (struct place) {.top = -1, .base = fds[FD_BASE]};
        else
                then.root = (struct place) {.top = fds[FD_OTHER], .base = fds[FD_OTHER_BASE]};
        if (changes.layer || fds[FD_OTHER] >= 0)
                changes.then = &then;
        r = tell_all(&reading, &request, &changes, &f);
        if (r > 0 && f.kind != FAILURE_NONE)
                return worker_fail(worker, f.kind, 0, "%s", f.text);
        return r;
}

static int open_in(int layer, const char *name, int flags) {
        int fd = openat(layer, name, flags | O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

/* The layer beside which it is read, with what that stands on. */
static int open_other(struct run *run, size_t i, int *fds) {
        const struct step *step = &run->job->steps[i];
        _cleanup_free_ const char **ids = calloc(step->n_layers + 1, sizeof(*ids));
        int r;

        if (!ids)
                return log_oom();
        for (size_t j = 0; j < step->n_layers; j++)
                ids[j] = step->layers[j].path;
        if (step->n_layers == 0)
                return 0;
        r = layer_merge(run, i, ids, 1, &fds[FD_OTHER]);
        return r == 0 && step->n_layers > 1 ? layer_merge(run, i, ids + 1, step->n_layers - 1, &fds[FD_OTHER_BASE]) : r;
}

static int open_all(struct run *run, size_t i, int *fds) {
        const struct step *step = &run->job->steps[i];
        const size_t n = strv_length(step->stubs);
        _cleanup_close_ int layer = -1;
        int r = layer_open(run, step, &layer);

        if (r != 0)
                return r;
        fds[FD_TOP] = open_in(layer, "diff", O_DIRECTORY);
        if (fds[FD_TOP] < 0)
                return layer_failed(run, "reading", step->target, fds[FD_TOP]);
        if (n > 0)
                r = layer_merge(run, i, (const char *const *) step->stubs, n, &fds[FD_BASE]);
        if (r == 0)
                r = open_other(run, i, fds);
        /* What a tar has made is beside nothing, or beside what it stands on. */
        if (r == 0 && step->kind == STEP_LAYER_DIFF && step->n_layers == 0 && (n == 0 || (step->flags & STEP_LAYER_OWN)))
                fds[FD_SPLIT] = open_in(layer, "tar-split", 0);
        if (r == 0 && fds[FD_SPLIT] < 0 && fds[FD_SPLIT] != -ENOENT && fds[FD_SPLIT] != -1)
                r = layer_failed(run, "reading", step->target, fds[FD_SPLIT]);
        return r;
}

/* What overlayfs has written down beside files is for CAP_SYS_ADMIN to read; what else that allows, the worker's filter refuses. */
static struct spare spare = {
        .setup = {
                .name = "podmount-read",
                .root = -1,
                .capabilities = CAPABILITY(CAP_DAC_READ_SEARCH) | CAPABILITY(CAP_SYS_ADMIN),
                .files_max = FILES_MAX,
                .memory_max = MEMORY_MAX,
        },
        .work = work,
        .channel = -1,
};

static enum step_kind last; /* that there was an order for */

int layer_read_pause(void) {
        return last == STEP_LAYER_DIFF && spare_is_missing(&spare) ? PAUSE_MS : 0;
}

void layer_read_prepare(void) {
        spare_prepare(&spare);
}

static uint8_t *put_maps(uint8_t *at, const struct idmap *idmap) {
        const size_t uids = idmap->n_uids * sizeof(*idmap->uids), gids = idmap->n_gids * sizeof(*idmap->gids);

        if (uids > 0)
                memcpy(at, idmap->uids, uids);
        if (gids > 0)
                memcpy(at + uids, idmap->gids, gids);
        return at + uids + gids;
}

/* That of the layer beside which it is read; the door has seen that it is one. */
static int read_beside_idmap(const struct step *step, struct idmap *ret) {
        const char *must;
        int r = step->n_options > 0 ? idmap_parse(step->options[0].value, ret, &must) : 0;

        ret->given = r == 0 && step->n_options > 0;
        return r > 0 ? -EINVAL : r;
}

static int start(struct run *run, const struct step *step, struct request *request, const int *fds, size_t n) {
        _cleanup_idmap_ struct idmap beside = {};
        const struct idmap *idmaps[_MAP_MAX] = {[MAP_NOW] = &step->idmap, [MAP_THEN] = &beside};
        int channel, r = read_beside_idmap(step, &beside);
        _cleanup_free_ uint8_t *order = NULL;
        size_t size = sizeof(*request);
        uint8_t *at;

        if (r < 0)
                return r;
        request->kind = last = step->kind;
        request->flags = step->flags;
        for (size_t i = 0; i < _MAP_MAX; i++) {
                request->maps[i].given = idmaps[i]->given;
                request->maps[i].n_uids = (uint32_t) idmaps[i]->n_uids;
                request->maps[i].n_gids = (uint32_t) idmaps[i]->n_gids;
                size += (idmaps[i]->n_uids + idmaps[i]->n_gids) * sizeof(*idmaps[i]->uids);
        }
        order = malloc(size);
        if (!order)
                return log_oom();
        memcpy(order, request, sizeof(*request));
        at = order + sizeof(*request);
        for (size_t i = 0; i < _MAP_MAX; i++)
                at = put_maps(at, idmaps[i]);
        tar_prepare();
        r = spare_start(&spare, fds, n, order, size, &channel);
        return r < 0 ? r : run_answer_fd(run, channel);
}

int hand_layer_read(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        struct request request;
        int fds[_FD_MAX] = {-1, -1, -1, -1, -1, -1}, given[_FD_MAX];
        int r = open_all(run, i, fds);
        size_t n = 0;

        if (step->kind == STEP_LAYER_DIFF)
                fds[FD_OUT] = run->fds[step->source.fd];
        for (size_t j = 0; j < _FD_MAX; j++) {
                request.at[j] = fds[j] >= 0 ? (int) n : -1;
                if (fds[j] >= 0)
                        given[n++] = fds[j];
        }
        if (r == 0)
                r = start(run, step, &request, given, n);
        for (size_t j = FD_TOP; j < _FD_MAX; j++)
                if (fds[j] >= 0)
                        (void) close_fd(fds[j]);
        return r;
}
