/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A /dev of the container's own: a fresh tmpfs with the links and the default devices of the OCI runtime specification
 * (config-linux.md). The devices are the host's, verified by number: a mount of each, so that the tmpfs itself needs
 * no device nodes and has nodev. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "executor/filesystem.h"
#include "kernel/resolve.h"
#include "kernel/tree.h"
#include "util/log.h"

static const struct {
        const char *name;
        unsigned major, minor;
} devices[] = {
        {"null", 1, 3},
        {"zero", 1, 5},
        {"full", 1, 7},
        {"random", 1, 8},
        {"urandom", 1, 9},
        {"tty", 5, 0},
};

static const struct {
        const char *name, *leads_to;
} links[] = {
        {"fd", "/proc/self/fd"},
        {"stdin", "/proc/self/fd/0"},
        {"stdout", "/proc/self/fd/1"},
        {"stderr", "/proc/self/fd/2"},
        {"ptmx", "pts/ptmx"},
        {"core", "/proc/kcore"},
};

/* For mounts that come later: runtimes put these there. */
static const char *const directories[] = {"pts", "shm", "mqueue"};

enum { DEVICES_SIZE = 64 * 1024 };

static int fill(int mount) {
        for (size_t i = 0; i < ELEMENTSOF(directories); i++)
                if (mkdirat(mount, directories[i], 0755) < 0)
                        return log_errno(LOG_ERR, errno, "make %s in a new /dev", directories[i]);
        for (size_t i = 0; i < ELEMENTSOF(links); i++)
                if (symlinkat(links[i].leads_to, mount, links[i].name) < 0)
                        return log_errno(LOG_ERR, errno, "make %s in a new /dev", links[i].name);
        for (size_t i = 0; i < ELEMENTSOF(devices); i++)
                if (mknodat(mount, devices[i].name, S_IFREG | 0666, 0) < 0)
                        return log_errno(LOG_ERR, errno, "make %s in a new /dev", devices[i].name);
        return 0;
}

/* The host's device in its /dev, or a failure: either is not there, or something else has its name. */
static int open_device(struct run *run, const struct step *step, int directory, size_t i, int *ret_fd) {
        _cleanup_close_ int fd = -1;
        struct stat status;

        if (directory >= 0)
                fd = resolve_beneath(directory, devices[i].name, false);
        if (fd >= 0 && fstat(fd, &status) < 0)
                return log_errno(LOG_ERR, errno, "fstat a device");
        if (fd < 0 || !S_ISCHR(status.st_mode) || status.st_rdev != makedev(devices[i].major, devices[i].minor))
                return run_fail(run, FAILURE_MOUNT_FAILED, 0,
                        "the host's /dev/%s, which the /dev at %s needs, is not the character device %u:%u",
                        devices[i].name, step->target, devices[i].major, devices[i].minor);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* Before anything is made: whether all are there. */
static int check_devices(struct run *run, const struct step *step) {
        _cleanup_close_ int directory = resolve_source("/dev");
        int r = 0;

        for (size_t i = 0; r == 0 && i < ELEMENTSOF(devices); i++) {
                _cleanup_close_ int fd = -1;

                r = open_device(run, step, directory, i, &fd);
        }
        return r;
}

/* What the step says, and for what it does not say the least. */
static int configure(struct run *run, const struct step *step, struct fscontext *context) {
        bool size = false, mode = false;
        char number[sizeof("18446744073709551615")];
        int r = fscontext_open(context, "tmpfs");

        for (size_t i = 0; i < step->n_options; i++) {
                const char *name = step->options[i].name;

                size = size || strcmp(name, "size") == 0 || strcmp(name, "nr_blocks") == 0;
                mode = mode || strcmp(name, "mode") == 0;
        }
        (void) snprintf(number, sizeof(number), "%d", DEVICES_SIZE); /* fits by its type */
        if (r == 0)
                r = fscontext_set(context, "source", "tmpfs");
        if (r == 0 && !size)
                r = fscontext_set(context, "size", number);
        if (r == 0 && !mode)
                r = fscontext_set(context, "mode", "0755");
        return r < 0 ? filesystem_failed(run, step, context, NULL, r) : filesystem_set_options(run, step, context);
}

int devices_make(struct run *run, const struct step *step, int *ret_mount) {
        _cleanup_fscontext_ struct fscontext context = FSCONTEXT_INIT;
        uint64_t attributes = run_attributes(run, step, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
        _cleanup_close_ int mount = -1;
        int r = check_devices(run, step);

        if (r == 0)
                r = configure(run, step, &context);
        if (r != 0)
                return r;
        mount = fscontext_mount(&context, attributes & ~(uint64_t) MOUNT_ATTR_RDONLY);
        if (mount < 0)
                return filesystem_failed(run, step, &context, NULL, mount);
        r = fill(mount);
        if (r == 0 && (attributes & MOUNT_ATTR_RDONLY))
                r = tree_set(mount, false, MOUNT_ATTR_RDONLY, 0, 0);
        if (r < 0)
                return r;
        *ret_mount = TAKE_FD(mount);
        return 0;
}

static int attach(struct run *run, const struct step *step, int directory, int mount, size_t i) {
        _cleanup_close_ int source = -1, device = -1;
        int r = open_device(run, step, directory, i, &source);

        if (r != 0)
                return r;
        device = tree_clone(source, false);
        if (device < 0)
                return run_fail(run, FAILURE_MOUNT_FAILED, -device, "the host's /dev/%s cannot be cloned", devices[i].name);
        r = tree_set(device, false, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY, MS_PRIVATE);
        if (r == 0)
                r = tree_attach(device, mount, devices[i].name);
        if (r == 0 && run->tree < 0 && step->propagation == MS_PRIVATE)
                r = tree_set(device, false, 0, 0, MS_PRIVATE); /* the mount below it may be shared */
        return r < 0 ? run_fail(run, FAILURE_MOUNT_FAILED, -r, "attaching %s in the /dev at %s failed", devices[i].name, step->target)
                     : 0;
}

int devices_attach(struct run *run, const struct step *step, int mount) {
        _cleanup_close_ int directory = resolve_source("/dev");

        for (size_t i = 0; i < ELEMENTSOF(devices); i++) {
                int r = attach(run, step, directory, mount, i);

                if (r != 0)
                        return r;
        }
        return 0;
}
