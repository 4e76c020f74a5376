/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STEP_LAYER_MAKE and STEP_LAYER_RETIRE: a layer's directory appears and disappears by one rename each. Both can be done
 * again after an executor died of them: the file "meta" says whose a directory is. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "executor/layer.h"
#include "plan/layer.h"
#include "util/log.h"

enum { META_MAX = sizeof("number=18446744073709551615\n") };

int layer_check(struct run *run) {
        if (run->executor->layers_fd < 0)
                return run_fail(run, FAILURE_NOT_SUPPORTED, 0, "this podmountd keeps no layers; its log says why");
        return 0;
}

int layer_failed(struct run *run, const char *what, const char *id, int r) {
        switch (-r) {
        case ENOSPC:
        case EDQUOT:
                return run_fail(run, FAILURE_QUOTA_EXCEEDED, -r, "%s layer %s: the file system of the state directory is full", what, id);
        case EROFS:
                return run_fail(run, FAILURE_NOT_SUPPORTED, -r, "%s layer %s: the file system of the state directory is read-only", what, id);
        case EBUSY:
                return run_fail(run, FAILURE_BUSY, -r, "%s layer %s: something is mounted in it", what, id);
        default:
                return run_fail(run, FAILURE_MOUNT_FAILED, -r, "%s layer %s failed", what, id);
        }
}

int layer_sync(int directory, const char *name) {
        _cleanup_close_ int fd = openat(directory, *name ? name : ".", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0 || fsync(fd) < 0)
                return -errno;
        return 0;
}

int layer_locate(struct run *run, const char *text, int *ret_layers, const char **ret_id) {
        struct layer_reference reference;
        int r;

        if (!layer_reference_parse(text, &reference))
                return run_fail(run, FAILURE_INVALID_ARGS, 0, "refused at the executor's door: a layer's id is none");
        *ret_id = reference.id;
        if (reference.store == 0) {
                *ret_layers = run->executor->layers_fd;
                return layer_check(run);
        }
        if (reference.store > run->executor->n_stores || run->executor->stores[reference.store - 1] < 0)
                return run_fail(run, FAILURE_INVALID_ARGS, 0, "refused at the executor's door: a layer in a store that is none");
        *ret_layers = run->executor->stores[reference.store - 1];
        r = layer_is_of(*ret_layers, reference.id, reference.number);
        if (r <= 0)
                return run_fail(run, FAILURE_NO_SUCH_LAYER, -r, "layer %s is not in its additional store as its records there say: somebody changes that store",
                        reference.id);
        return 0;
}

static int write_meta(int layer, uint64_t number) {
        _cleanup_close_ int fd = openat(layer, "meta", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        char text[META_MAX];
        int size = snprintf(text, sizeof(text), "number=%" PRIu64 "\n", number);
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = write(fd, text, (size_t) size);
        if (n < 0)
                return -errno;
        if (n != size)
                return -ENOSPC;
        return fsync(fd) < 0 ? -errno : 0;
}

int layer_is_of(int layers, const char *name, uint64_t number) {
        _cleanup_close_ int layer = openat(layers, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), fd = -1;
        char text[META_MAX + 1] = "", wanted[META_MAX];
        ssize_t n;

        if (layer < 0)
                return errno == ENOENT ? 0 : -errno;
        fd = openat(layer, "meta", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno; /* none of ours */
        n = read(fd, text, sizeof(text) - 1);
        if (n < 0)
                return -errno;
        (void) snprintf(wanted, sizeof(wanted), "number=%" PRIu64 "\n", number); /* always fits */
        return strcmp(text, wanted) == 0;
}

int layer_rename(int from_directory, const char *from, int to_directory, const char *to) {
        struct stat st;

        if (renameat2(from_directory, from, to_directory, to, RENAME_NOREPLACE) == 0)
                return 0;
        if (errno != EINVAL)
                return -errno;
        if (fstatat(to_directory, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
                return -EEXIST;
        if (errno != ENOENT)
                return -errno;
        return renameat(from_directory, from, to_directory, to) < 0 ? -errno : 0;
}

/* What is to become a layer, complete and on the disk. */
static int fill(const struct job *job, int layers, const char *name) {
        _cleanup_close_ int layer = -1;
        int r;

        if (mkdirat(layers, name, 0700) < 0)
                return -errno;
        layer = openat(layers, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (layer < 0 || mkdirat(layer, "diff", 0755) < 0 || mkdirat(layer, "work", 0700) < 0)
                return -errno;
        if (fchownat(layer, "diff", job->owner, job->owner_group, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        r = write_meta(layer, job->steps[0].serial);
        if (r == 0)
                r = layer_sync(layer, "diff");
        if (r == 0)
                r = layer_sync(layer, "work");
        return r < 0 ? r : layer_sync(layer, "");
}

static int make(const struct job *job, int layers, const char *name) {
        size_t budget = SIZE_MAX; /* of an executor that died: three entries */
        int r = layer_clear(layers, name, &budget);

        if (r == 0)
                r = fill(job, layers, name);
        if (r == 0)
                r = layer_rename(layers, name, layers, job->steps[0].target);
        if (r == 0)
                r = layer_sync(layers, "");
        if (r < 0)
                (void) layer_clear(layers, name, &budget); /* the next start tries, too */
        return r;
}

int hand_layer_make(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        _cleanup_free_ char *name = layer_new_name(step->serial);
        const int layers = run->executor->layers_fd;
        int r = layer_check(run);

        if (r != 0)
                return r;
        if (!name)
                return log_oom();
        r = layer_is_of(layers, step->target, step->serial);
        if (r > 0)
                return 0; /* an executor died between this and its answer */
        r = make(run->job, layers, name);
        if (r == -EEXIST)
                return run_fail(run, FAILURE_LAYER_EXISTS, -r,
                        "there is a directory of the name %s among the layers that no record names; move it away, or choose another id",
                        step->target);
        return r < 0 ? layer_failed(run, "making", step->target, r) : 0;
}

/* What the disk may not have stays a layer. If not even that can be done it is gone: the record goes only when the disk has it (layer-purge.c). */
static int retire(int layers, const char *id, const char *name) {
        int r = layer_rename(layers, id, layers, name);

        if (r < 0)
                return r;
        r = layer_sync(layers, "");
        return r < 0 && layer_rename(layers, name, layers, id) == 0 ? r : 0;
}

int hand_layer_retire(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        _cleanup_free_ char *name = layer_removing_name(step->target, step->serial);
        const int layers = run->executor->layers_fd;
        int r = layer_check(run);

        if (r != 0)
                return r;
        if (!name)
                return log_oom();
        r = layer_is_of(layers, step->target, step->serial);
        if (r == 0)
                return 0; /* it was done before, and another layer may have the id by now; or it was never made */
        if (r > 0)
                r = retire(layers, step->target, name);
        return r < 0 ? layer_failed(run, "removing", step->target, r) : 0;
}
