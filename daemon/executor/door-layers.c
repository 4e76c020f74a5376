/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Steps on layers: each is alone in its job and names its layer by an id that can only be the name of a directory in the
 * one that all layers lie in. Whose a layer is, is the front's word. */

#include "executor/door.h"
#include "plan/layer.h"

static int refuse(struct failure *f, const char *what) {
        return failure_set(f, FAILURE_INVALID_ARGS, "refused at the executor's door: %s", what);
}

int door_check_layer(const struct job *job, const struct step *step, struct failure *f) {
        if (job->n_steps != 1 || job->uuid[0] != 0 || job->n_fds != 0)
                return refuse(f, "a layer is worked on alone, and in no pod");
        if (!step->target || !layer_id_is_valid(step->target))
                return refuse(f, "a layer's id is none");
        if (step->serial == 0)
                return refuse(f, "a layer without a number");
        return step->flags == 0 ? 0 : refuse(f, "a layer with flags");
}
