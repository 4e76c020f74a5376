/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is unmounted is named by its place in the pod and by its ids, and what is mounted again is what was there. */

#include <limits.h>
#include <string.h>
#include <sys/mount.h>

#include "executor/door.h"
#include "util/path.h"

static int refuse(struct failure *f, const char *what) {
        return failure_set(f, FAILURE_INVALID_ARGS, "refused at the executor's door: %s", what);
}

/* Physical and relative: only plain components, joined by single slashes. */
static bool is_plain(const char *path) {
        while (*path) {
                size_t size = strcspn(path, "/");
                _cleanup_free_ char *component = strndup(path, size);

                if (!component || !path_is_component(component) || (path[size] == '/' && !path[size + 1]))
                        return false;
                path += size + (path[size] == '/');
        }
        return true;
}

/* What a mount is to have again says nothing of one that stays away, or on the host, where all are private. */
static int check_restore(const struct step *step, struct failure *f) {
        const bool restore = step->flags & STEP_RESTORE;

        if (restore && (step->kind != STEP_UNMOUNT || (step->flags & STEP_LAZY_BELOW)))
                return refuse(f, "what goes lazily is not mounted again");
        if ((step->flags & STEP_OF_TREE) && (!restore || (step->flags & STEP_HOST)))
                return refuse(f, "a mount of the pod's tree that is not mounted again there");
        if (step->propagation == 0)
                return 0;
        if (!restore || (step->flags & STEP_HOST))
                return refuse(f, "a propagation for what is not mounted again in the pod");
        return step->propagation == MS_SHARED || step->propagation == MS_PRIVATE || step->propagation == MS_UNBINDABLE
                       ? 0
                       : refuse(f, "a propagation that nothing is mounted with again");
}

int door_check_unmount(const struct step *step, struct failure *f) {
        int r = check_restore(step, f);

        if (r != 0)
                return r;
        if (step->flags & STEP_HOST)
                return door_check_off_host(step, f);
        if (!step->target || strlen(step->target) >= PATH_MAX)
                return refuse(f, "what is to be unmounted has no path");
        if (!is_plain(step->target))
                return refuse(f, "what is to be unmounted has no plain path");
        if (step->id == 0 && step->mount_id == 0)
                return refuse(f, "what is to be unmounted has no id");
        if (step->flags & ~(uint32_t) (STEP_LAZY_BELOW | STEP_RESTORE | STEP_OF_TREE))
                return refuse(f, "flags that do not belong to an unmount");
        return 0;
}
