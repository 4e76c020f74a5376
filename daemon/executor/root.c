/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STEP_ROOT: a container's root at <container>/rootfs: a clone of the source, or an overlay of it (layered.c), which stays as
 * it is in each case; or a layer (layer-root.c). */

#include <errno.h>
#include <sys/mount.h>

#include "executor/layer.h"
#include "executor/layered.h"
#include "executor/mapping.h"
#include "executor/source.h"
#include "util/log.h"

static int root_make(struct layered *root, int *ret_mount, bool *ret_mapped) {
        int r = layered_make(root, ret_mount);

        if (r != 0)
                return r;
        if (*ret_mount >= 0)
                return run_share(root->run, root->index, *ret_mount);
        *ret_mount = TAKE_FD(root->clone);
        *ret_mapped = root->step->idmap.given; /* it is the root, and not a layer of it */
        return run_dress(root->run, root->index, *ret_mount, root->recursive);
}

static int of_source(struct run *run, size_t i, int *ret_mount, bool *ret_mapped) {
        _cleanup_(layered_done) struct layered root = LAYERED_INIT(run, i);
        bool directory;
        int r = source_is_directory(run, i, &directory);

        if (r != 0)
                return r;
        if (!directory)
                return run_fail(run, FAILURE_NO_SUCH_SOURCE, ENOTDIR,
                        "the root of container %s, %s, is not a directory", root.step->container,
                        source_name(run, &root.step->source));
        root.source = run->hands[i].source;
        r = source_clone(run, i, &root.clone, &root.recursive);
        if (r == 0)
                r = mapping_apply(run, i, &root.step->source, root.clone, root.recursive);
        return r == 0 ? root_make(&root, ret_mount, ret_mapped) : r;
}

int hand_root(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        _cleanup_close_ int mount = -1;
        bool mapped = false;
        int target, r;

        r = step->source.kind == STEP_SOURCE_LAYER ? layer_root(run, i, &mount, &mapped) : of_source(run, i, &mount, &mapped);
        if (r == 0)
                r = run_note(run, i, mount, NULL);
        if (r == 0 && mapped)
                run->result->steps[i].attributes |= MOUNT_ATTR_IDMAP;
        if (r == 0)
                r = run_container_root(run, step->container, &target);
        if (r == 0)
                r = run_attach(run, i, &mount, target);
        run_forget_root(run);
        run->hands[i].source = close_fd(run->hands[i].source);
        return r;
}
