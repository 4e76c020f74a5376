/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Steps on layers: each is alone in its job, unless a container has the layer as its root, and names its layer by an id that can
 * only be the name of a directory in the one that all layers lie in. Whose a layer is, is the front's word. */

#include <string.h>
#include <sys/mount.h>

#include "executor/door.h"
#include "image/digest.h"
#include "plan/layer.h"
#include "spec/option.h"
#include "util/array.h"

static int refuse(struct failure *f, const char *what) {
        return failure_set(f, FAILURE_INVALID_ARGS, "refused at the executor's door: %s", what);
}

/* The name of a layer, wherever it is; which stores there are, the hand knows. */
static bool is_layer(const char *text) {
        struct layer_reference reference;

        return text && layer_reference_parse(text, &reference);
}

/* One that is mounted or read: in a store it has the number that its name says, and nothing is written there. */
static int check_read_one(const char *text, uint64_t number, bool writes, struct failure *f) {
        struct layer_reference reference;

        if (!text || !layer_reference_parse(text, &reference))
                return refuse(f, "a layer's id is none");
        if (number == 0)
                return refuse(f, "a layer without a number");
        if (reference.store > 0 && reference.number != number)
                return refuse(f, "a layer in a store with two numbers");
        return reference.store > 0 && writes ? refuse(f, "a layer in a store that is written to") : 0;
}

/* The layers below, by id, beside `more` lower ones. */
static int check_chain(const struct step *step, size_t more, struct failure *f) {
        size_t n = strv_length(step->stubs);

        if (n + more > JOB_LAYERS_MAX)
                return refuse(f, "a layer that stands on too many others");
        for (size_t i = 0; i < n; i++)
                if (!is_layer(step->stubs[i]) || strcmp(step->stubs[i], step->target) == 0)
                        return refuse(f, "a layer that stands on what is no layer");
        return 0;
}

static bool stands_on_others(const struct step *step) {
        return step->kind == STEP_ROOT ? step->n_layers > 0 : step->stubs && step->stubs[0];
}

/* A label and nothing else: which options the overlay has, is the executor's to say. */
static int check_label(const struct job *job, const struct step *step, struct failure *f) {
        _cleanup_failure_ struct failure reason = FAILURE_INIT;
        const struct option_row *row = option_find("context");

        if (step->n_options == 0)
                return 0;
        if (step->n_options != 1 || strcmp(step->options[0].name, "context") != 0 || step->options[0].fd != STEP_NO_FD ||
            !step->options[0].value || !row || option_check_value(row, step->options[0].value, &reason) != 0)
                return refuse(f, "a layer with options that are no label");
        if (!job->caller.root && option_is_for_root(row, step->options[0].value))
                return refuse(f, "a label of a layer is for root");
        return stands_on_others(step) ? 0 : refuse(f, "a label on a layer that stands on none");
}

static int check_idmap(const struct job *job, const struct step *step, struct failure *f) {
        if (!step->idmap.given)
                return 0;
        if (!job->caller.root && job->caller.uid == 0)
                return refuse(f, "the root of another place maps no ids");
        if (step->userns.kind != STEP_SOURCE_NONE || step->idmap.n_uids == 0 || step->idmap.n_gids == 0 ||
            idmap_check(step->idmap.uids, step->idmap.n_uids) || idmap_check(step->idmap.gids, step->idmap.n_gids))
                return refuse(f, "an id mapping of a layer that is none");
        return 0;
}

static int check_mount(const struct job *job, const struct step *step, struct failure *f) {
        const uint64_t must = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (step->flags & STEP_LAYER_WRITABLE ? 0 : MOUNT_ATTR_RDONLY);
        int r = check_chain(step, !(step->flags & STEP_LAYER_WRITABLE), f);

        if (r == 0)
                r = check_idmap(job, step, f);
        if (r == 0)
                r = check_label(job, step, f);
        if (r != 0)
                return r;
        if (step->attr_set != must || step->attr_clear != 0)
                return refuse(f, "a layer with attributes that it does not have");
        if (step->propagation != MS_SHARED && step->propagation != MS_PRIVATE)
                return refuse(f, "a propagation that is not known");
        return step->flags & ~(uint32_t) STEP_LAYER_WRITABLE ? refuse(f, "a layer with flags") : 0;
}

static int check_unmount(const struct step *step, struct failure *f) {
        if (step->id == 0 && step->mount_id == 0)
                return refuse(f, "what is to be unmounted has no id");
        return step->flags == 0 ? 0 : refuse(f, "a layer with flags");
}

static int check_root_chain(const struct step *step, struct failure *f) {
        if (step->upper.kind != STEP_SOURCE_NONE || step->work.kind != STEP_SOURCE_NONE)
                return refuse(f, "a layer has its own upper and work directories");
        if (step->n_layers + !(step->flags & STEP_LAYER_WRITABLE) > JOB_LAYERS_MAX)
                return refuse(f, "a layer that stands on too many others");
        for (size_t i = 0; i < step->n_layers; i++) {
                const struct step_source *below = &step->layers[i];

                if (below->kind != STEP_SOURCE_LAYER || !is_layer(below->path) ||
                    strcmp(below->path, step->source.path) == 0)
                        return refuse(f, "a layer that stands on what is no layer");
        }
        return 0;
}

/* No other root of the job writes to it, or sees what is written meanwhile. */
static int check_alone(const struct job *job, const struct step *step, struct failure *f) {
        for (size_t i = 0; (step->flags & STEP_LAYER_WRITABLE) && i < job->n_steps; i++) {
                const struct step *other = &job->steps[i];

                if (other != step && other->kind == STEP_ROOT && other->source.kind == STEP_SOURCE_LAYER && other->source.path &&
                    strcmp(other->source.path, step->source.path) == 0)
                        return refuse(f, "a read-write layer belongs to one container alone");
        }
        return 0;
}

int door_check_layer_root(const struct job *job, const struct step *step, struct failure *f) {
        const bool writable = step->flags & STEP_LAYER_WRITABLE, tmpfs = step->flags & STEP_OVERLAY_TMPFS;
        int r = check_read_one(step->source.path, step->source.id, writable, f);

        if (r != 0)
                return r;
        if (step->flags & (STEP_RECURSIVE | STEP_ATTR_RECURSIVE) || (writable && tmpfs))
                return refuse(f, "a layer with flags");
        /* What others stand on is never written to. */
        if (!writable && !tmpfs && !(step->attr_set & MOUNT_ATTR_RDONLY))
                return refuse(f, "a read-only layer as a root that is written to");
        r = check_root_chain(step, f);
        if (r == 0)
                r = check_label(job, step, f);
        if (r == 0)
                r = check_alone(job, step, f);
        return r;
}

/* None, or that of what comes and that of the tar in it. */
static int check_digests(const struct step *step, struct failure *f) {
        size_t n = strv_length(step->stubs);
        struct digest digest;

        for (size_t i = 0; i < n; i++)
                if (n != 2 || digest_parse(step->stubs[i], &digest) < 0)
                        return refuse(f, "digests that are none");
        return 0;
}

/* Layers beside that of the step: of what it is read beside, or of what it stands on. */
static int check_layers(const struct step *step, size_t max, struct failure *f) {
        if (step->upper.kind != STEP_SOURCE_NONE || step->work.kind != STEP_SOURCE_NONE || step->n_layers > max)
                return refuse(f, "a layer beside what is none");
        for (size_t i = 0; i < step->n_layers; i++)
                if (step->layers[i].kind != STEP_SOURCE_LAYER || !is_layer(step->layers[i].path))
                        return refuse(f, "a layer beside what is none");
        return 0;
}

static int check_apply(const struct job *job, const struct step *step, struct failure *f) {
        if (step->source.kind != STEP_SOURCE_FD || step->source.fd != 0)
                return refuse(f, "a tar is an fd that came along");
        if (step->size == 0 || step->id == 0 || step->mount_id != 0 || step->device != 0)
                return refuse(f, "a tar without a limit");
        if (step->idmap.given && !(step->flags & STEP_LAYER_WRITABLE))
                return refuse(f, "ids are mapped on the way to a layer that is written to alone");
        if (step->flags & STEP_LAYER_BASE ? step->n_layers > 0 : step->n_layers == 0)
                return refuse(f, "a layer that stands on none and on others, or on neither");
        for (size_t i = 0; i < step->n_layers; i++)
                if (step->layers[i].path && strcmp(step->layers[i].path, step->target) == 0)
                        return refuse(f, "a layer that stands on itself");
        return check_layers(step, JOB_LAYERS_MAX, f) ?: check_digests(step, f) ?: check_idmap(job, step, f);
}

/* The mapping of the layer beside which one is read. */
static int check_beside_idmap(const struct job *job, const struct step *step, struct failure *f) {
        const struct step_option *option = step->options;
        _cleanup_idmap_ struct idmap idmap = {};
        const char *must = NULL;
        int r;

        if (step->n_options == 0)
                return 0;
        if (step->n_options != 1 || step->n_layers == 0 || strcmp(option->name, PLAN_READ_IDMAP) != 0 || option->fd != STEP_NO_FD || !option->value)
                return refuse(f, "a reading with options that are no id mapping of the layer beside it");
        if (!job->caller.root && job->caller.uid == 0)
                return refuse(f, "the root of another place maps no ids");
        r = idmap_parse(option->value, &idmap, &must);
        if (r < 0)
                return r;
        if (r > 0 || idmap.n_uids == 0 || idmap.n_gids == 0 || strchr(option->value, '@'))
                return refuse(f, "an id mapping of a layer that is none");
        return 0;
}

/* What a layer is read beside: nothing, what it stands on, or another one. */
static int check_read(const struct job *job, const struct step *step, struct failure *f) {
        const bool pipe = step->kind == STEP_LAYER_DIFF;
        int r = check_chain(step, 0, f); /* these are merged, and the layer is beside them */

        if (r == 0)
                r = check_idmap(job, step, f);
        if (r == 0)
                r = check_beside_idmap(job, step, f);
        if (r != 0)
                return r;
        if (pipe ? step->source.kind != STEP_SOURCE_FD || step->source.fd != 0 : step->source.kind != STEP_SOURCE_NONE)
                return refuse(f, "a tar goes to an fd that came along");
        if (step->flags & ~(uint32_t) STEP_LAYER_OWN || ((step->flags & STEP_LAYER_OWN) && step->n_layers > 0))
                return refuse(f, "a layer that is read beside two others");
        return check_layers(step, JOB_LAYERS_BESIDE_MAX, f);
}

/* A tar, or a pipe for one. */
static uint32_t fds_of(const struct step *step) {
        return step->kind == STEP_LAYER_APPLY || step->kind == STEP_LAYER_DIFF ? 1 : 0;
}

int door_check_layer(const struct job *job, const struct step *step, struct failure *f) {
        if (job->n_steps != 1 || job->uuid[0] != 0 || job->n_fds != fds_of(step))
                return refuse(f, "a layer is worked on alone, and in no pod");
        if (step->kind == STEP_LAYER_MOUNT || step->kind == STEP_LAYER_OPEN || step_kind_reads_layer(step->kind)) {
                int r = check_read_one(step->target, step->serial, step->flags & STEP_LAYER_WRITABLE, f);

                if (r != 0)
                        return r;
        } else if (!step->target || !layer_id_is_valid(step->target))
                return refuse(f, "a layer's id is none");
        if (step->serial == 0)
                return refuse(f, "a layer without a number");
        if (step->kind == STEP_LAYER_MOUNT)
                return check_mount(job, step, f);
        if (step->kind == STEP_LAYER_UNMOUNT)
                return check_unmount(step, f);
        if (step->kind == STEP_LAYER_APPLY)
                return check_apply(job, step, f);
        if (step_kind_reads_layer(step->kind))
                return check_read(job, step, f);
        if (step->kind == STEP_LAYER_MERGE)
                return step->flags & ~(uint32_t) STEP_LAYER_BASE || step->mount_id != 0 || step->device != 0 ? refuse(f, "a layer with flags") : 0;
        return step->flags == 0 ? 0 : refuse(f, "a layer with flags");
}
