/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STEP_IMAGE: the file system in a file, through a loop device, or on a block device. The type is what the client said:
 * nothing here looks at the image's bytes but the file system itself. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "executor/filesystem.h"
#include "executor/run.h"
#include "executor/source.h"
#include "kernel/fscontext.h"
#include "kernel/loop.h"
#include "util/log.h"

/* An image on its way into a mount. */
struct image {
        struct run *run;
        const struct step *step;
        bool writable;
        int data, device; /* the file or block device; the loop device on it, or -1 */
        off_t size;       /* of the file; 0: a block device */
        char *node;       /* what the file system opens */
};

static void image_done(struct image *image) {
        (void) close_fd(image->data);
        (void) close_fd(image->device);
        free(image->node);
}

static int check_kind(struct image *image, const struct stat *status) {
        const struct step_source *source = &image->step->source;
        bool device = image->step->flags & STEP_DEVICE;

        if (S_ISBLK(status->st_mode) && !device)
                return run_fail(image->run, FAILURE_ACCESS_DENIED, 0,
                        "source %s for %s is a block device, which the right to mount images does not cover; name it by its "
                        "path below /dev, or send an fd of it",
                        source_name(image->run, source), image->step->target);
        if (S_ISREG(status->st_mode) && device)
                return run_fail(image->run, FAILURE_NO_SUCH_SOURCE, ENOTBLK, "source %s for %s is no block device",
                        source_name(image->run, source), image->step->target);
        if (!S_ISREG(status->st_mode) && !S_ISBLK(status->st_mode))
                return run_fail(image->run, FAILURE_NO_SUCH_SOURCE, 0,
                        "source %s for %s is neither a file nor a block device, so it holds no file system of type %s",
                        source_name(image->run, source), image->step->target, image->step->type);
        return 0;
}

static int loop_failed(struct image *image, int r) {
        const char *name = source_name(image->run, &image->step->source);

        if (r == -ENODEV)
                return run_fail(image->run, FAILURE_NOT_SUPPORTED, -r,
                        "source %s needs a loop device, and this host has none",
                        name);
        if (r == -EBUSY)
                return run_fail(image->run, FAILURE_BUSY, -r, "no loop device stayed free for source %s; try again",
                        name);
        return run_fail(image->run, FAILURE_MOUNT_FAILED, -r, "a loop device cannot be set up on source %s", name);
}

/* The node of a block device as people know it, if that is still the same device. */
static int find_node(struct image *image, dev_t device) {
        char link[64], target[256];
        const char *name;
        struct stat status;
        ssize_t n;

        /* Cut or not, what comes out is compared below. */
        (void) snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(device), minor(device));
        n = readlink(link, target, sizeof(target) - 1);
        target[n > 0 ? n : 0] = 0;
        name = strrchr(target, '/');
        if (name && asprintf(&image->node, "/dev%s", name) < 0) {
                image->node = NULL;
                return log_oom();
        }
        if (image->node && stat(image->node, &status) == 0 && S_ISBLK(status.st_mode) && status.st_rdev == device)
                return 0;
        free(image->node);
        if (asprintf(&image->node, "/proc/self/fd/%d", image->data) < 0) {
                image->node = NULL;
                return log_oom();
        }
        return 0;
}

static int open_device(struct image *image) {
        struct stat status;
        int r = source_open_data(image->run, &image->step->source, image->writable, &image->data);

        if (r != 0)
                return r;
        if (fstat(image->data, &status) < 0)
                return log_errno(LOG_ERR, errno, "fstat an image");
        r = check_kind(image, &status);
        if (r != 0)
                return r;
        if (S_ISBLK(status.st_mode))
                return find_node(image, status.st_rdev);
        image->size = status.st_size;
        r = loop_attach(image->data, !image->writable, &image->device, &image->node);
        return r < 0 ? loop_failed(image, r) : 0;
}

static int make_failed(struct image *image, const struct fscontext *context, int r) {
        const char *words = context->words;

        if (r == -ENODEV)
                return run_fail(image->run, FAILURE_NOT_SUPPORTED, -r, "this kernel has no file system of type %s",
                        image->step->type);
        return run_fail(image->run, FAILURE_MOUNT_FAILED, -r, "source %s cannot be mounted as %s at %s%s%s",
                source_name(image->run, &image->step->source), image->step->type, image->step->target,
                words ? ", the kernel says: " : ", is it a whole image of that type?", words ? words : "");
}

/* What is in an ext4 image itself may tell the kernel to panic when the image turns out to be damaged. */
static int set_safe(struct image *image, struct fscontext *context) {
        if (strcmp(image->step->type, "ext4") != 0)
                return 0;
        for (size_t i = 0; i < image->step->n_options; i++)
                if (strcmp(image->step->options[i].name, "errors") == 0)
                        return 0;
        return fscontext_set(context, "errors", "remount-ro");
}

/* Erofs mounts what has lost its end, and reading from there fails: the size that it has by its own word is compared with the file's. What
 * has further devices is on those, too. */
static int check_whole(struct image *image, int mount) {
        struct statfs fs;

        if (strcmp(image->step->type, "erofs") != 0 || image->size == 0)
                return 0;
        for (size_t i = 0; i < image->step->n_options; i++)
                if (strcmp(image->step->options[i].name, "device") == 0)
                        return 0;
        if (fstatfs(mount, &fs) < 0)
                return log_errno(LOG_ERR, errno, "fstatfs an image");
        if (fs.f_blocks == 0 || (uint64_t) (fs.f_blocks - 1) * (uint64_t) fs.f_bsize < (uint64_t) image->size)
                return 0;
        return run_fail(image->run, FAILURE_MOUNT_FAILED, EINVAL,
                        "source %s cannot be mounted as erofs at %s: it is truncated, %jd bytes of an image of %" PRIu64,
                        source_name(image->run, &image->step->source), image->step->target, (intmax_t) image->size, (uint64_t) fs.f_blocks * (uint64_t) fs.f_bsize);
}

static int make(struct image *image, int *ret_mount) {
        _cleanup_fscontext_ struct fscontext context = FSCONTEXT_INIT;
        int r = fscontext_open(&context, image->step->type), mount;

        if (r == 0)
                r = fscontext_set(&context, "source", image->node);
        if (r == 0 && !image->writable)
                r = fscontext_set(&context, "ro", NULL);
        if (r == 0)
                r = set_safe(image, &context);
        if (r < 0)
                return make_failed(image, &context, r);
        r = filesystem_set_options(image->run, image->step, &context);
        if (r != 0)
                return r;
        mount = fscontext_mount(&context, run_attributes(image->run, image->step, 0));
        if (mount < 0)
                return make_failed(image, &context, mount);
        r = check_whole(image, mount);
        if (r != 0) {
                (void) close_fd(mount);
                return r;
        }
        *ret_mount = mount;
        return 0;
}

int hand_image(struct run *run, size_t i) {
        _cleanup_(image_done) struct image image = {.run = run, .step = &run->job->steps[i], .data = -1, .device = -1};
        _cleanup_close_ int mount = -1;
        int r = run_check_labels(run, image.step);

        if (r != 0)
                return r;
        image.writable = !(image.step->attr_set & MOUNT_ATTR_RDONLY);
        r = open_device(&image);
        if (r == 0)
                r = make(&image, &mount);
        return r == 0 ? run_place(run, i, &mount) : r;
}
