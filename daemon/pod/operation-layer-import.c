/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An image becomes layers, the lowest first. A worker reads the layout as the caller and says what the image is made of; what the caller
 * has of it already, by its chain id, is shared. Each other layer is on record as being made, gets its directory, and has the tar of its
 * blob made into its content by a worker that verifies both digests; only then is it there. What fails in between is removed, by the next
 * start if need be; the layers below it stay, whole as they are, and the next try shares them.
 */

#include <inttypes.h>
#include <string.h>

#include "executor/image-message.h"
#include "image/chain.h"
#include "plan/layer.h"
#include "pod/layer-stream.h"
#include "pod/layer-turn.h"
#include "pod/operation-layer-private.h"
#include "util/array.h"
#include "util/clock.h"
#include "util/event.h"
#include "util/log.h"
#include "util/text.h"

enum {
        WAIT_MS = 100, /* between looks at a layer that somebody else is making or removing */
};

enum phase {
        PHASE_READ,
        PHASE_MAKE,
        PHASE_BLOB,
        PHASE_APPLY,
        PHASE_ADOPT,
        PHASE_CLEAR,
};

struct import {
        struct operation operation;
        struct layer_stream stream;
        char *reference, *platform;
        struct image image;
        enum phase phase;
        size_t at;              /* the layer of the image that is looked at… */
        struct digest chain;    /* …its chain id… */
        struct digest below;    /* …and that of what it stands on, if at > 0 */
        struct layer *made;     /* it, while it is being made */
        int layout;             /* while the fd of the operation is a blob's, else -1 */
        uint64_t read, total;   /* bytes of blobs: done with, and all of them */
        uint64_t bytes, inodes; /* that were written into the layer */
        char *id;               /* of the last one that is there */
        import_progress_fn progress;
        void *progress_userdata;
};

static struct import *import_of(struct operation *operation) {
        return (struct import *) operation;
}

/* The job's fd is the layout's again. */
static void drop_blob(struct import *import) {
        if (import->layout <= 0) /* 0, which is stdin: there was no memory for more than this */
                return;
        (void) close_fd(import->operation.fds[0]);
        import->operation.fds[0] = TAKE_FD(import->layout);
}

static void release(struct operation *operation) {
        struct import *import = import_of(operation);

        layer_stream_end(&import->stream);
        drop_blob(import);
        image_done(&import->image);
        free(import->reference);
        free(import->platform);
        free(import->id);
}

static int validate(struct operation *operation, struct failure *f) {
        struct import *import = import_of(operation);
        _cleanup_platform_ struct platform platform = {};
        int r = layers_check_backing(operation->pods->layers, f);

        if (r == 0 && *import->platform && platform_parse(import->platform, &platform) < 0)
                r = failure_set(f, FAILURE_INVALID_OPTION, "The option platform must be OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT, as linux/arm64/v8, not \"%.80s\"",
                                import->platform);
        if (r == 0 && strlen(import->reference) > IMPORT_REFERENCE_MAX)
                r = failure_set(f, FAILURE_INVALID_ARGS, "A reference has at most %d bytes", IMPORT_REFERENCE_MAX);
        return r == 0 ? layer_stream_check(operation, f) : r;
}

static void fill_caller(const struct operation *operation, struct job_caller *ret) {
        *ret = (struct job_caller) {
                .root = caller_is_root(&operation->caller),
                .uid = operation->caller.uid,
                .gid = operation->caller.gid,
                .groups = operation->caller.groups,
                .n_groups = operation->caller.n_groups,
        };
}

static int plan_apply_job(struct import *import, struct failure *f) {
        const struct image_layer *layer = &import->image.layers[import->at];
        char digest[DIGEST_TEXT_SIZE], diff_id[DIGEST_TEXT_SIZE];

        return layer_plan_apply(&import->operation, import->made, digest_text(&layer->digest, digest), digest_text(&layer->diff_id, diff_id), false, f);
}

static int plan(struct operation *operation, struct failure *f) {
        struct import *import = import_of(operation);
        const struct image_layer *layer = import->image.layers ? &import->image.layers[import->at] : NULL;
        struct job_caller caller;
        char digest[DIGEST_TEXT_SIZE];

        if (operation->job_id == 0)
                operation->job_id = store_next_job(operation->pods->store);
        fill_caller(operation, &caller);
        switch (import->phase) {
        case PHASE_READ:
                return plan_image_read(operation->job_id, &caller, import->reference, import->platform, &operation->job);
        case PHASE_MAKE:
                return layer_plan(operation, STEP_LAYER_MAKE, import->made->record->id, import->made->record->number);
        case PHASE_BLOB:
                return plan_image_blob(operation->job_id, &caller, digest_text(&layer->digest, digest), layer->size, &operation->job);
        case PHASE_APPLY:
                return plan_apply_job(import, f);
        case PHASE_ADOPT:
                return layer_plan(operation, STEP_LAYER_ADOPT, import->made->record->id, import->made->record->number);
        case PHASE_CLEAR:
                break;
        }
        return layer_plan(operation, STEP_LAYER_CLEAR, import->made->record->id, import->made->record->number);
}

/* The record of a layer that is being made says all there is to say. */
static int intend(struct operation *operation, struct failure *f _unused_) {
        struct import *import = import_of(operation);

        if (!import->stream.begun)
                layer_stream_begin(&import->stream, operation, "ImportImage", true);
        return 0;
}

/* What is half made goes. */
static void abolish(struct import *import) {
        struct layer *layer = TAKE_PTR(import->made);

        layer_stream_end(&import->stream);
        drop_blob(import);
        if (layer)
                layer_abolish(import->operation.pods, layer);
}

static void take_back(struct operation *operation) {
        abolish(import_of(operation));
}

/* Ends the import; the failure says which layer of the image it is about. */
static void fail(struct import *import, struct failure *f) {
        struct failure whole = FAILURE_INIT;
        char digest[DIGEST_TEXT_SIZE];

        if (import->image.layers && import->at < import->image.n_layers)
                (void) failure_set(&whole, f->kind, "layer %zu of %zu of the image (%s): %s", import->at + 1, import->image.n_layers,
                                   digest_text(&import->image.layers[import->at].digest, digest), f->text);
        else
                failure_move(&whole, f);
        failure_clear(f);
        abolish(import);
        operation_end(&import->operation, &whole);
}

static void fail_errno(struct import *import, int r) {
        struct failure f = FAILURE_INIT;

        (void) layer_not_recorded(r, import->made ? import->made->record->id : "of the image", &f);
        fail(import, &f);
}

static void tell_progress(struct import *import, uint64_t read) {
        const char *id = import->made ? import->made->record->id : import->id ? import->id : "";

        if (import->progress && !import->operation.internal)
                import->progress(id, import->read + read, import->total, import->progress_userdata);
}

static void go_on(struct import *import, enum phase phase) {
        struct failure f = FAILURE_INIT;
        int r;

        import->phase = phase;
        r = operation_next(&import->operation, &f);
        if (r == 0)
                return;
        if (r < 0)
                (void) failure_from_errno(&f, r);
        fail(import, &f);
}

static int add_pair(char ***metadata, const char *key, const char *value) {
        int r = value ? strv_append(metadata, key) : 0;

        return r == 0 && value ? strv_append(metadata, value) : r;
}

/* What of a layer is known, so that its image can be put together again. */
static int describe(const struct import *import, char ***ret) {
        const struct image *image = &import->image;
        const struct image_layer *layer = &image->layers[import->at];
        char text[DIGEST_TEXT_SIZE], size[sizeof("18446744073709551615")];
        int r;

        (void) snprintf(size, sizeof(size), "%" PRIu64, layer->size); /* always fits */
        r = add_pair(ret, "diff-id", digest_text(&layer->diff_id, text));
        if (r == 0)
                r = add_pair(ret, "digest", digest_text(&layer->digest, text));
        if (r == 0)
                r = add_pair(ret, "size", size);
        if (r == 0)
                r = add_pair(ret, "media-type", layer->media_type);
        if (import->at + 1 < image->n_layers)
                return r;
        if (r == 0)
                r = add_pair(ret, "image-config", digest_text(&image->config, text));
        if (r == 0)
                r = add_pair(ret, "image-manifest", digest_text(&image->manifest, text));
        return r == 0 ? add_pair(ret, "image-reference", image->reference) : r;
}

/* The chain id's digits, unless somebody has that id. */
static char *choose_id(const struct import *import) {
        const struct layers *layers = import->operation.pods->layers;
        char hex[DIGEST_TEXT_SIZE];

        digest_hex(&import->chain, hex);
        return layer_id_is_valid(hex) && !map_get(layers->by_id, hex) ? strdup(hex) : layers_new_id(layers);
}

static int new_record(const struct import *import, struct record_layer **ret) {
        _cleanup_(record_layer_freep) struct record_layer *record = calloc(1, sizeof(*record));
        char chain[DIGEST_TEXT_SIZE];

        if (!record)
                return log_oom();
        record->id = choose_id(import);
        record->chain = strdup(digest_text(&import->chain, chain));
        if (!record->id || !record->chain || describe(import, &record->metadata) < 0)
                return log_oom();
        record->owner = import->operation.caller.uid;
        record->owner_group = import->operation.caller.gid;
        record->created_us = clock_us(CLOCK_REALTIME);
        record->state = RECORD_LAYER_CREATING;
        *ret = TAKE_PTR(record);
        return 0;
}

static void make_layer(struct import *import, struct layer *parent) {
        struct operation *operation = &import->operation;
        struct layers *layers = operation->pods->layers;
        _cleanup_(record_layer_freep) struct record_layer *record = NULL;
        struct failure f = FAILURE_INIT;
        int r = layers_check_quota(layers, operation->pods->settings, &operation->caller, (uint32_t) (import->image.n_layers - import->at), &f);

        if (r == 0)
                r = new_record(import, &record);
        if (r == 0)
                r = layers_add(layers, record, parent, &import->made);
        if (r != 0) {
                if (r < 0)
                        (void) layer_not_recorded(r, record ? record->id : "of the image", &f);
                fail(import, &f);
                return;
        }
        record = NULL; /* the layer's */
        import->made->busy = true;
        layer_stream_hold(&import->stream, import->made);
        go_on(import, PHASE_MAKE);
}

static bool same_metadata(char *const *a, char *const *b) {
        size_t n = strv_length(a);

        if (n != strv_length(b))
                return false;
        for (size_t i = 0; i < n; i++)
                if (strcmp(a[i], b[i]) != 0)
                        return false;
        return true;
}

/* The top layer is known for the image that it was last the top of. */
static void finish(struct import *import, struct layer *top) {
        struct operation *operation = &import->operation;
        _cleanup_strv_ char **metadata = NULL;
        struct failure f = FAILURE_INIT;
        int r;

        import->at = import->image.n_layers - 1;
        r = describe(import, &metadata);
        if (r == 0 && !same_metadata(metadata, top->record->metadata)) {
                r = layers_set_metadata(operation->pods->layers, top, metadata);
                if (r == 0)
                        metadata = NULL; /* the layer's */
        }
        if (r < 0) {
                fail_errno(import, r);
                return;
        }
        layer_stream_end(&import->stream);
        event_log(EVENT_LAYER_CHANGED, EVENT_OF_LAYER(import->id), "Imported an image of %zu layers as layer %s of user %u", import->image.n_layers, import->id, (unsigned) operation->caller.uid);
        operation_end(operation, &f);
}

static void look(struct import *import);

static int on_wait(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        struct import *import = userdata;

        import->operation.timer = sd_event_source_disable_unref(import->operation.timer);
        look(import);
        return 0;
}

/* Somebody else, this caller's too, is making it or removing it. */
static void wait_for_other(struct import *import) {
        struct operation *operation = &import->operation;
        int r;

        operation->timer = sd_event_source_disable_unref(operation->timer);
        r = sd_event_add_time_relative(operation->pods->event, &operation->timer, CLOCK_MONOTONIC, WAIT_MS * 1000, 0, on_wait, import);
        if (r < 0)
                fail_errno(import, log_errno(LOG_ERR, r, "wait for a layer"));
}

static struct layer *find(const struct import *import, const struct digest *chain) {
        char text[DIGEST_TEXT_SIZE];

        return layers_find_chain(import->operation.pods->layers, digest_text(chain, text), import->operation.caller.uid);
}

static bool is_there(const struct layer *layer) {
        return layer && layer->record->state == RECORD_LAYER_READY;
}

/* Goes up from the layer that was looked at last, past those that are there. */
static void look(struct import *import) {
        struct layer *below = NULL;
        struct failure f = FAILURE_INIT;

        if (import->operation.pods->stopping) {
                (void) failure_set(&f, FAILURE_BUSY, "podmountd is stopping: call again when it runs");
                fail(import, &f);
                return;
        }
        for (;;) {
                const struct digest *diff_id = &import->image.layers[import->at].diff_id;
                struct layer *layer;
                int r;

                if (import->at > 0) {
                        below = find(import, &import->below);
                        if (!is_there(below)) {
                                (void) failure_set(&f, FAILURE_LAYER_IN_USE, "what it stands on was removed meanwhile; import the image again");
                                fail(import, &f);
                                return;
                        }
                }
                r = chain_next(import->at > 0 ? &import->below : NULL, diff_id, &import->chain);
                if (r < 0) {
                        fail_errno(import, r);
                        return;
                }
                layer = find(import, &import->chain);
                if (layer && !is_there(layer)) {
                        wait_for_other(import);
                        return;
                }
                if (!layer) {
                        make_layer(import, below);
                        return;
                }
                free(import->id);
                import->id = strdup(layer->record->id);
                if (!import->id) {
                        fail_errno(import, log_oom());
                        return;
                }
                import->read += import->image.layers[import->at].size;
                import->below = import->chain;
                tell_progress(import, 0);
                if (++import->at == import->image.n_layers) {
                        finish(import, layer);
                        return;
                }
        }
}

static void told_image(struct operation *operation, const struct stream_report *report) {
        struct import *import = import_of(operation);
        struct failure f = FAILURE_INIT;
        int r;

        switch (report->kind) {
        case STREAM_PROGRESS:
                return;
        case STREAM_PORTION:
                r = image_message_take(&import->image, report->data, report->size);
                if (r < 0)
                        stream_break(import->stream.stream, FAILURE_MOUNT_FAILED, "the process that read the image said what makes no sense");
                return;
        case STREAM_DONE:
                if (image_message_complete(&import->image))
                        break;
                (void) failure_set(&f, FAILURE_MOUNT_FAILED, "the process that read the image did not say all of it");
                import->at = SIZE_MAX;
                fail(import, &f);
                return;
        case STREAM_FAILED:
                (void) failure_set(&f, report->failure, "%s", report->text ? report->text : "");
                import->at = SIZE_MAX;
                fail(import, &f);
                return;
        case _STREAM_KIND_MAX:
                return;
        }
        for (size_t i = 0; i < import->image.n_layers; i++)
                import->total += import->image.layers[i].size;
        look(import);
}

static void told_apply(struct operation *operation, const struct stream_report *report) {
        struct import *import = import_of(operation);
        struct failure f = FAILURE_INIT;

        switch (report->kind) {
        case STREAM_PROGRESS:
                if (layer_stream_count(&import->stream, report->figures[APPLY_WRITTEN], report->figures[APPLY_INODES], &f) != 0)
                        stream_break(import->stream.stream, f.kind, f.text);
                else
                        tell_progress(import, report->figures[APPLY_READ]);
                failure_clear(&f);
                return;
        case STREAM_DONE:
                import->bytes = report->figures[APPLY_WRITTEN];
                import->inodes = report->figures[APPLY_INODES];
                drop_blob(import);
                if (layer_stream_count(&import->stream, import->bytes, import->inodes, &f) != 0)
                        fail(import, &f);
                else
                        go_on(import, PHASE_ADOPT);
                return;
        case STREAM_FAILED:
                layer_stream_failed(&import->stream, report, &f);
                fail(import, &f);
                return;
        case STREAM_PORTION: /* there are none */
        case _STREAM_KIND_MAX:
                return;
        }
}

/* It is whole: from now on it is there. Another one of this operation's streams begins, so that nobody comes in between. */
static void layer_is_whole(struct import *import) {
        struct operation *operation = &import->operation;
        struct layers *layers = operation->pods->layers;
        struct layer *layer = import->made;
        int r = layers_set_work(layers, layer, RECORD_LAYER_IDLE, import->bytes, import->inodes);

        if (r == 0)
                r = layers_ready(layers, layer);
        if (r < 0) {
                fail_errno(import, r);
                return;
        }
        import->made = NULL;
        layer_stream_end(&import->stream);
        layer_turn_end(operation->pods, layer);
        layer_stream_begin(&import->stream, operation, "ImportImage", true);
        look(import);
}

static void result_worker(struct import *import, const struct job_result *answer, layer_stream_told_fn told) {
        int r = layer_stream_follow(&import->stream, answer, told);

        if (r < 0)
                fail_errno(import, r);
}

static void result_blob(struct import *import, const struct job_result *answer) {
        if (!answer->fd) {
                fail_errno(import, log_errno(LOG_ERR, EBADMSG, "a blob was answered without an fd"));
                return;
        }
        import->layout = import->operation.fds[0];
        import->operation.fds[0] = TAKE_FD(*answer->fd);
        go_on(import, PHASE_APPLY);
}

/* A worker may have begun before its executor died: it is not had twice. */
static bool may_repeat(enum phase phase) {
        return phase != PHASE_APPLY;
}

static void result(struct operation *operation, const struct job_result *answer) {
        struct import *import = import_of(operation);
        struct failure f = FAILURE_INIT;

        if (answer && answer->lost && may_repeat(import->phase) && operation_retry(operation, answer))
                return;
        if (!answer || answer->lost || answer->failure != FAILURE_NONE) {
                (void) layer_failure(answer, import->made ? import->made->record->id : "of the image", &f);
                fail(import, &f);
                return;
        }
        switch (import->phase) {
        case PHASE_READ:
                result_worker(import, answer, told_image);
                return;
        case PHASE_MAKE:
                go_on(import, PHASE_BLOB);
                return;
        case PHASE_BLOB:
                result_blob(import, answer);
                return;
        case PHASE_APPLY:
                result_worker(import, answer, told_apply);
                return;
        case PHASE_ADOPT:
                go_on(import, PHASE_CLEAR);
                return;
        case PHASE_CLEAR:
                if (answer->steps[0].attributes == PURGE_MORE)
                        go_on(import, PHASE_CLEAR);
                else
                        layer_is_whole(import);
                return;
        }
}

static const struct operation_class class = {
        .verb = OPERATION_LAYER_IMPORT,
        .validate = validate,
        .plan = plan,
        .intend = intend,
        .take_back = take_back,
        .result = result,
        .release = release,
};

int operation_new_layer_import(struct pods *pods, const struct caller *caller, const char *reference, const char *platform,
                               const struct operation_fds *fds, struct operation **ret, struct failure *f) {
        _cleanup_(operation_freep) struct operation *operation = NULL;
        struct import *import;
        int r = operation_new(&class, sizeof(struct import), pods, caller, NULL, "", fds, &operation, f);

        if (r != 0)
                return r;
        import = import_of(operation);
        import->layout = -1;
        import->reference = strdup(reference);
        import->platform = strdup(platform);
        if (!import->reference || !import->platform)
                return log_oom();
        *ret = TAKE_PTR(operation);
        return 0;
}

void operation_layer_import_follow(struct operation *operation, import_progress_fn progress, void *userdata) {
        import_of(operation)->progress = progress;
        import_of(operation)->progress_userdata = userdata;
}

const char *operation_layer_imported(const struct operation *operation) {
        return operation->class == &class ? ((const struct import *) operation)->id : NULL;
}
