/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a layer changes is told by a worker, as a tar, as a list or as a number. A tar's reader gets the pipe as soon as the
 * worker works, and the operation goes on without anybody who waits for it: what fails then makes the tar an incomplete one.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "layer/uses.h"
#include "plan/layer.h"
#include "pod/layer-mount.h"
#include "pod/layer-stream.h"
#include "pod/layer-turn.h"
#include "pod/operation-layer-private.h"
#include "util/log.h"

#define GONE "whoever asked for it has gone"

enum {
        CHANGES_MAX = 32 * 1024 * 1024, /* bytes of a list: a message of D-Bus has 128 MiB, an array in it 64 */
        PIPE_SIZE = 1024 * 1024,
};

struct read {
        struct operation operation;
        struct layer_stream stream;
        enum layer_reading reading;
        char *id, *parent;
        int fd;       /* the reader's end, or the mount; or -1 */
        char *changes;
        size_t size, room;
        uint64_t bytes;
        bool answered;
};

static const struct {
        const char *method;
        enum step_kind kind;
} readings[] = {
        [LAYER_READ_DIFF] = {"Diff", STEP_LAYER_DIFF},
        [LAYER_READ_CHANGES] = {"Changes", STEP_LAYER_CHANGES},
        [LAYER_READ_SIZE] = {"DiffSize", STEP_LAYER_SIZE},
        [LAYER_READ_OPEN] = {"OpenDiff", STEP_LAYER_OPEN},
};

static struct read *read_of(struct operation *operation) {
        return (struct read *) operation;
}

static void release(struct operation *operation) {
        struct read *read = read_of(operation);

        layer_turn_leave(operation);
        layer_stream_end(&read->stream);
        if (read->fd >= 0)
                (void) close_fd(read->fd);
        free(read->id);
        free(read->parent);
        free(read->changes);
}

static struct layer *find(const struct read *read, const char *id) {
        return layers_find(read->operation.pods->layers, id, &read->operation.caller);
}

static int check(struct operation *operation, const char *id, struct failure *f) {
        struct layer *layer = find(read_of(operation), id);
        int r;

        if (!layer)
                return layers_no_such(id, f);
        if (layer->busy)
                return layer_turn_take(operation, layer);
        r = read_of(operation)->reading == LAYER_READ_OPEN && !layer->missing ? 0 : layer_check_whole(layer, f);
        return r == 0 ? layer_check_written(layer, f) : r;
}

static int validate(struct operation *operation, struct failure *f) {
        struct read *read = read_of(operation);
        int r = layers_check(operation->pods->layers, f);

        if (r == 0)
                r = check(operation, read->id, f);
        if (r == 0 && *read->parent)
                r = check(operation, read->parent, f);
        return r == 0 && read->reading != LAYER_READ_OPEN ? layer_stream_check(operation, f) : r;
}

int layer_chain(const struct layer *top, const char ***ret, size_t *ret_n) {
        size_t n = 0;

        for (const struct layer *layer = top; layer; layer = layer->parent)
                n++;
        *ret = calloc(n + 1, sizeof(**ret));
        if (!*ret)
                return log_oom();
        for (const struct layer *layer = top; layer; layer = layer->parent)
                (*ret)[(*ret_n)++] = layer_reference(layer);
        return 0;
}

static int make_pipe(struct operation *operation) {
        struct read *read = read_of(operation);
        int pair[2];

        for (; operation->n_fds > 0; operation->n_fds--) { /* a retry: something may be in the old one already */
                (void) close_fd(operation->fds[0]);
                read->fd = close_fd(read->fd);
        }
        if (!operation->fds)
                operation->fds = malloc(sizeof(*operation->fds));
        if (!operation->fds)
                return log_oom();
        if (pipe2(pair, O_CLOEXEC) < 0)
                return log_errno(LOG_ERR, errno, "make a pipe for a tar");
        (void) fcntl(pair[1], F_SETPIPE_SZ, PIPE_SIZE); /* a smaller one is slower, and that is all */
        read->fd = pair[0];
        operation->fds[0] = pair[1];
        operation->n_fds = 1;
        return 0;
}

/* Whether the ids in its own directory are those that the host sees; a read-only one's are the container's. */
static bool is_mapped(const struct layer *layer) {
        return layer->record->read_write && layer->record->uid_map;
}

static int plan_reading(struct operation *operation, const struct layer *layer, const struct layer *other, const struct job_caller *caller) {
        struct read *read = read_of(operation);
        _cleanup_free_ const char **below = NULL, **beside = NULL;
        _cleanup_idmap_ struct idmap idmap = {}, other_idmap = {};
        struct plan_read plan = {.id = layer_reference(layer), .number = layer->record->number, .own = other && layer->parent == other};
        int r = layer_chain(layer->parent, &below, &plan.n_below);

        if (r == 0 && other && !plan.own)
                r = layer_chain(other, &beside, &plan.n_beside);
        if (r == 0 && is_mapped(layer)) {
                r = layer_read_map(layer->record, &idmap);
                plan.idmap = &idmap;
        }
        if (r == 0 && plan.n_beside > 0 && is_mapped(other)) {
                r = layer_read_map(other->record, &other_idmap);
                plan.beside_idmap = &other_idmap;
        }
        if (r == 0 && read->reading == LAYER_READ_DIFF)
                r = make_pipe(operation);
        if (r < 0)
                return r;
        plan.below = below;
        plan.beside = beside;
        return plan_layer_read(operation->job_id, caller, readings[read->reading].kind, &plan, &operation->job);
}

static int plan(struct operation *operation, struct failure *f) {
        struct read *read = read_of(operation);
        const struct job_caller caller = {
                .root = caller_is_root(&operation->caller), .uid = operation->caller.uid, .gid = operation->caller.gid};
        const struct layer *layer = find(read, read->id), *other = *read->parent ? find(read, read->parent) : NULL;

        if (!layer || (*read->parent && !other))
                return layers_no_such(layer ? read->parent : read->id, f);
        if (operation->job_id == 0)
                operation->job_id = store_next_job(operation->pods->store);
        if (read->reading == LAYER_READ_OPEN)
                return plan_layer_open(operation->job_id, &caller, layer_reference(layer), layer->record->number, &operation->job);
        return plan_reading(operation, layer, other, &caller);
}

static int intend(struct operation *operation, struct failure *f _unused_) {
        struct read *read = read_of(operation);

        layer_stream_begin(&read->stream, operation, readings[read->reading].method, false);
        layer_stream_hold(&read->stream, find(read, read->id));
        if (*read->parent)
                layer_stream_hold(&read->stream, find(read, read->parent));
        return 0;
}

static void take_back(struct operation *operation) {
        layer_stream_end(&read_of(operation)->stream);
}

/* For LayerInfo: whoever reads a tar hears of nothing else but its end. NULL: a new one begins, which is nothing to the tars of others. */
static void set_diff_error(const struct read *read, const char *text) {
        struct layer *layer = find(read, read->id);

        if (!layer || (!text && layer->diff_user != read->operation.caller.uid))
                return;
        free(layer->diff_error);
        layer->diff_error = text ? strdup(text) : NULL; /* without memory for it, the log has it */
        layer->diff_user = read->operation.caller.uid;
}

/* The failure is moved out. */
static void finish(struct operation *operation, struct failure *f) {
        struct read *read = read_of(operation);

        layer_stream_end(&read->stream);
        if ((read->answered || operation->internal) && f->kind != FAILURE_NONE) {
                log_notice("%s of layer %s ended before its end: %s", readings[read->reading].method, read->id, f->text);
                if (read->answered)
                        set_diff_error(read, f->text);
                failure_clear(f);
        }
        operation_end(operation, f);
}

static bool keep(struct read *read, const struct stream_report *report) {
        size_t wanted = read->size + report->size;
        char *changes = read->changes;

        if (wanted > read->room) {
                changes = realloc(read->changes, 2 * wanted);
                if (!changes)
                        return false;
                read->changes = changes;
                read->room = 2 * wanted;
        }
        memcpy(changes + read->size, report->data, report->size);
        read->size = wanted;
        return true;
}

static void told(struct operation *operation, const struct stream_report *report) {
        struct read *read = read_of(operation);
        struct failure f = FAILURE_INIT;

        switch (report->kind) {
        case STREAM_PROGRESS:
        case _STREAM_KIND_MAX:
                return;
        case STREAM_PORTION:
                if (read->size + report->size > CHANGES_MAX)
                        stream_break(read->stream.stream, FAILURE_NOT_SUPPORTED,
                                     "There are more changes than one answer holds (32 MiB): read them from the tar (Diff)");
                else if (!keep(read, report))
                        stream_break(read->stream.stream, FAILURE_QUOTA_EXCEEDED, "Memory is too short for the list of changes");
                return;
        case STREAM_DONE:
                read->bytes = report->figures[READ_SIZE];
                break;
        case STREAM_FAILED:
                (void) failure_set(&f, report->failure, "%s", report->text ? report->text : "");
                break;
        }
        finish(operation, &f);
}

/* The worker has its own copy: that the reader goes, or that the worker ends, is seen at the other end. */
static void close_writer(struct operation *operation) {
        for (size_t i = 0; i < operation->n_fds; i++)
                (void) close_fd(operation->fds[i]);
        operation->n_fds = 0;
}

static void follow(struct operation *operation, const struct job_result *answer, struct failure *f) {
        struct read *read = read_of(operation);
        int r = layer_stream_follow(&read->stream, answer, told);

        if (r < 0) {
                (void) failure_from_errno(f, r);
                return;
        }
        if (read->reading == LAYER_READ_DIFF)
                close_writer(operation);
        else
                stream_bound(read->stream.stream); /* all of the answer comes at once: nobody else would see that it does not come */
        if (operation->internal) { /* nobody is going to read it */
                (void) failure_set(f, FAILURE_INVALID_ARGS, GONE);
                return;
        }
        if (read->reading != LAYER_READ_DIFF)
                return;
        read->answered = true;
        set_diff_error(read, NULL);
        operation_answer(operation);
}

static void result(struct operation *operation, const struct job_result *answer) {
        struct read *read = read_of(operation);
        struct failure f = FAILURE_INIT;

        if (answer && answer->lost && operation_retry(operation, answer))
                return;
        if (!answer || answer->lost || answer->failure != FAILURE_NONE)
                (void) layer_failure(answer, read->id, &f);
        else if (read->reading != LAYER_READ_OPEN) {
                follow(operation, answer, &f);
                if (f.kind == FAILURE_NONE)
                        return;
        } else if (answer->fd)
                read->fd = TAKE_FD(*answer->fd);
        finish(operation, &f);
}

/* Nobody hears what the worker finds out. A tar that is being read is no longer its maker's. */
static void abandoned(struct operation *operation) {
        struct read *read = read_of(operation);

        if (read->stream.stream && !read->answered)
                stream_break(read->stream.stream, FAILURE_INVALID_ARGS, GONE);
}

static const struct operation_class class = {
        .verb = OPERATION_LAYER_READ,
        .validate = validate,
        .plan = plan,
        .intend = intend,
        .take_back = take_back,
        .result = result,
        .abandoned = abandoned,
        .release = release,
};

int operation_new_layer_read(struct pods *pods, const struct caller *caller, enum layer_reading reading, const char *id, const char *parent,
                             struct operation **ret, struct failure *f) {
        _cleanup_(operation_freep) struct operation *operation = NULL;
        struct read *read;
        int r = operation_new(&class, sizeof(struct read), pods, caller, NULL, "", NULL, &operation, f);

        if (r != 0)
                return r;
        read = read_of(operation);
        read->fd = -1;
        read->reading = reading;
        read->id = strdup(id);
        operation->layer = read->id;
        read->parent = strdup(parent);
        if (!read->id || !read->parent)
                return log_oom();
        *ret = TAKE_PTR(operation);
        return 0;
}

int operation_layer_take_fd(struct operation *operation) {
        struct read *read = read_of(operation);

        return operation->class == &class ? TAKE_FD(read->fd) : -1;
}

const char *operation_layer_changes(const struct operation *operation, size_t *ret_size) {
        const struct read *read = (const struct read *) operation;

        *ret_size = operation->class == &class ? read->size : 0;
        return *ret_size > 0 ? read->changes : NULL;
}

uint64_t operation_layer_size(const struct operation *operation) {
        return operation->class == &class ? ((const struct read *) operation)->bytes : 0;
}
