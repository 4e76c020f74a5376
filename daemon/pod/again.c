/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a record says of how its mount was made, compiled once more. */

#include "pod/again.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "pod/registry.h"
#include "pod/source.h"
#include "pod/use.h"
#include "pod/volume.h"
#include "util/log.h"

/* Root's rights may have gone into a mount that the owner has to be content without: `r` and `f` are what compiling it
 * for the owner came to. */
static int check_rights(const struct wanted *wanted, const struct record_mount *mount, int r, struct failure *f) {
        enum { RESTRICTING = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC };
        _cleanup_failure_ struct failure cause = FAILURE_INIT;

        if (r < 0)
                return r;
        if (r == 0 && !wanted->mounts[0].deferred && (wanted->mounts[0].attr_set & RESTRICTING & ~mount->attributes) == 0)
                return 0;
        failure_move(&cause, f);
        return failure_set(f, FAILURE_NOT_SUPPORTED, "It was made with rights that the owner of the pod has not; root can "
                                                     "unmount it and mount it again.%s%s%s", cause.text ? " (" : "",
                           cause.text ?: "", cause.text ? ")" : "");
}

/* What took the writes went with the mount; where one was is on record, its size too. */
static int restore_overlay(struct wanted_mount *wanted, const struct record_mount *mount, struct failure *f) {
        if (!use_is_overlaid(mount) || wanted_overlay_bind(wanted, mount->tmpfs))
                return 0;
        return failure_set(f, FAILURE_NOT_SUPPORTED, "It was remounted read-only, and a tmpfs had what was written to it before; made again "
                                                     "it would be its source alone. Unmount it and mount it again.");
}

int again_compile(const struct operation *operation, const struct record_mount *mount, struct wanted **ret, struct failure *f) {
        struct wanted_facts facts = operation->pods->facts;
        _cleanup_(wanted_freep) struct wanted *wanted = NULL;
        _cleanup_free_ struct wanted_volume *volumes = NULL;
        _cleanup_strv_ char **names = NULL;
        struct spec_mount *mounts = NULL;
        size_t n = 0;
        int r;

        r = spec_parse_mounts(mount->request, strlen(mount->request), operation->pods->settings->spec_size_max, &mounts, &n,
                              f);
        if (r != 0)
                return r;
        r = spec_mounts_fd_names(mounts, n, &names);
        if (r == 0 && names && names[0])
                r = failure_set(f, FAILURE_NOT_SUPPORTED, "Its source was the file descriptor %s of the call that made it, "
                                                          "which no name leads to; unmount it and mount it again with a "
                                                          "new one.", names[0]);
        if (r == 0 && strcmp(mount->type, SPEC_PIN_TYPE) == 0)
                r = failure_set(f, FAILURE_NOT_SUPPORTED, "It was a namespace of a process, which no record names; name the process "
                                                          "again with podmountctl prepare-process.");
        facts.caller_is_root = caller_is_root(&operation->caller);
        if (r == 0 && n != 1)
                r = log_errno(LOG_ERR, EBADMSG, "read the record of %s in pod %s", mount->target, operation->uuid);
        if (r == 0 && wanted_namespace_of(mount->type) != _SPEC_NAMESPACE_MAX && mount->source &&
            strncmp(mount->source, "fd:", strlen("fd:")) == 0)
                r = failure_set(f, FAILURE_NOT_SUPPORTED, "It showed the namespace behind the file descriptor %s of a call, "
                                                          "which no name leads to; unmount it, or add the container anew.",
                                mount->source);
        if (r == 0)
                r = volume_facts(operation->pod, &facts, &volumes);
        if (r == 0) {
                r = wanted_from_mounts(mount->container, mounts, n, &facts, &wanted, f);
                r = check_rights(wanted, mount, r, f);
        }
        if (r == 0)
                r = restore_overlay(wanted->mounts, mount, f);
        spec_mounts_free(mounts, n);
        if (r == 0)
                r = source_check_paths(operation, wanted, f);
        if (r == 0)
                *ret = TAKE_PTR(wanted);
        return r;
}

const char *again_news(const struct wanted_mount *wanted) {
        if (wanted->kind == WANTED_FILESYSTEM)
                return ", as a new file system";
        if (wanted->kind == WANTED_BIND && wanted->overlay == SPEC_OVERLAY_TMPFS)
                return ", with a new tmpfs for what is written to it: what had been written is gone with the old one";
        return "";
}
