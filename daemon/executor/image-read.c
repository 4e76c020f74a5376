/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STEP_IMAGE_READ and STEP_IMAGE_BLOB: an image layout is the caller's directory, and is read as the caller. What is in its documents
 * is read by a worker; a blob of a layer is opened by an opener, and is read by the worker that unpacks it. */

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#include "executor/image-message.h"
#include "executor/layer.h"
#include "executor/worker.h"
#include "util/log.h"

enum { MEMORY_MAX = 512 * 1024 * 1024 /* of the worker; the documents' own limits keep it far below that */ };

struct reading {
        const char *reference, *platform; /* "": this machine's */
};

static int find_platform(struct worker *worker, const char *asked, struct platform *ret) {
        struct utsname machine;
        int r = *asked ? platform_parse(asked, ret) : uname(&machine) < 0 ? -errno : platform_of_machine(machine.machine, ret);

        if (r == -EOPNOTSUPP)
                return worker_fail(worker, FAILURE_NOT_SUPPORTED, 0, "podmount does not know what images call this machine (%s): say it by the option platform",
                                   machine.machine);
        return r;
}

/* The head, or with an index below the number of layers that layer. */
static int send_portion(struct worker *worker, const struct image *image, size_t i) {
        _cleanup_free_ uint8_t *data = NULL;
        size_t size = 0;
        int r = i < image->n_layers ? image_message_layer(&image->layers[i], &data, &size) : image_message_head(image, &data, &size);

        return r < 0 ? r : worker_portion(worker, data, size);
}

static int send_image(struct worker *worker, const struct image *image) {
        int r = send_portion(worker, image, SIZE_MAX);

        for (size_t i = 0; i < image->n_layers && r == 0; i++)
                r = send_portion(worker, image, i);
        return r;
}

/* In the worker. */
static int read_image(struct worker *worker, const int *fds, void *userdata) {
        const struct reading *reading = userdata;
        _cleanup_platform_ struct platform platform = {};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_image_ struct image image = {};
        int r = find_platform(worker, reading->platform, &platform);

        if (r != 0)
                return r;
        r = layout_read(fds[0], reading->reference, &platform, &image, &f);
        if (r > 0)
                return worker_fail(worker, f.kind, 0, "%s", f.text);
        return r < 0 ? r : send_image(worker, &image);
}

int hand_image_read(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        struct reading reading = {.reference = step->stubs[0], .platform = step->stubs[1]};
        const struct worker_setup setup = {
                .name = "podmount-image",
                .root = -1,
                .fds = &run->fds[step->source.fd],
                .n_fds = 1,
                .caller = &run->job->caller,
                .memory_max = MEMORY_MAX,
                .work = read_image,
                .userdata = &reading,
        };
        int channel, r = layer_check(run);

        if (r == 0)
                r = worker_start(&setup, &channel);
        return r != 0 ? r : run_answer_fd(run, channel);
}

int hand_image_blob(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ char *path = NULL;
        struct digest digest;
        int fd = -1, r = digest_parse(step->stubs[0], &digest);

        if (r < 0)
                return r; /* the door has looked */
        path = layout_blob_path(&digest);
        if (!path)
                return log_oom();
        r = run->opener ? 0 : opener_start(&run->job->caller, &run->opener);
        if (r < 0)
                return r;
        r = layout_check_blob(opener_open_beneath(run->opener, run->fds[step->source.fd], path), path, step->size, &fd, &f);
        if (r > 0)
                return run_fail(run, f.kind, 0, "%s", f.text);
        return r < 0 ? r : run_answer_fd(run, fd);
}
