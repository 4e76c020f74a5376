/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the configuration says of file systems in images and on block devices, whatever the front asks for. */

#include "executor/door.h"
#include "util/settings.h"

int door_check_images(const struct job *job, uint32_t images, uint32_t devices, uint32_t *ret_step, struct failure *f) {
        for (size_t i = 0; i < job->n_steps; i++) {
                const struct step *step = &job->steps[i];
                bool device = step->flags & STEP_DEVICE;

                if (step->kind != STEP_IMAGE || (settings_image_bit(step->type) & (device ? devices : images)))
                        continue;
                *ret_step = (uint32_t) i;
                return failure_set(f, FAILURE_NOT_SUPPORTED,
                        "the configuration does not allow file systems of type %s %s; an administrator can add it to %s= in "
                        "podmountd.conf(5)",
                        step->type, device ? "on block devices" : "in image files", device ? "DeviceTypes" : "ImageTypes");
        }
        return 0;
}
