/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "pod/gc-program.h"

#include <inttypes.h>
#include <string.h>

#include "pod/history.h"
#include "spec/warning.h"
#include "util/event.h"
#include "util/log.h"
#include "util/prefixes.h"
#include "util/text.h"

#define GRACE_US (UINT64_C(15) * 1000000) /* longer than its supervisor takes to end it */

/* Why it does not run; NULL: it does, as far as this configuration is concerned. What the executors have is the door's. */
static const char *refusal(const struct settings *settings, const struct record_pod *record) {
        if (record->owner == 0 && !record->gc.root)
                return "nothing runs as root for the root of another place";
        if (prefixes_has(settings->gc_programs, record->gc.path))
                return NULL;
        if (!settings->gc_in_pods)
                return "GcInPods= allows no program of a pod's own";
        return record->owner == 0 && !settings->gc_in_root_pods ? "as root run only programs on GcPrograms=, unless GcInRootPods= allows others" : NULL;
}

int gc_program_intend(const struct operation *operation, const struct spec *spec, struct record_pod *record) {
        const struct caller *caller = &operation->caller;
        struct record_gc *gc = &record->gc;
        const char *why;

        if (!spec->gc_path)
                return 0;
        gc->path = strdup(spec->gc_path);
        gc->container = strdup(spec->gc_container);
        gc->root = caller_is_root(caller);
        gc->groups = calloc(caller->n_groups + 1, sizeof(*gc->groups));
        if (!gc->path || !gc->container || !gc->groups)
                return log_oom();
        if (caller->n_groups > 0)
                memcpy(gc->groups, caller->groups, caller->n_groups * sizeof(*gc->groups));
        gc->n_groups = caller->n_groups;
        why = refusal(operation->pods->settings, record);
        return why && warning_add(&record->warnings, "the gc program %s will not run: %s", gc->path, why) < 0 ? log_oom() : 0;
}

bool gc_program_is_due(const struct gc_program *program, const struct operation *operation) {
        const struct record_pod *record = operation->pod ? operation->pod->record : NULL;

        if (!record || (program->registry ? operation->pods->settings->registry_program[0] == '\0' : !record->gc.path))
                return false;
        return !program->ended && pod_was_ready(operation->pod);
}

static unsigned count_of(const struct pods *pods, uid_t owner) {
        unsigned own = 0;

        for (size_t i = 0; i < pods->n_gc; i++)
                own += pods->gc_owners[i] == owner;
        return own;
}

static bool has_room(const struct pods *pods, uid_t owner) {
        return pods->n_gc < GC_PROGRAMS_MAX && count_of(pods, owner) < GC_PROGRAMS_OF_USER;
}

/* Whoever waits has been given what was free by then: a newcomer overtakes nobody who could run. */
static bool take_slot(struct gc_program *program, struct pods *pods, uid_t owner) {
        program->owner = owner;
        if (!program->slot && has_room(pods, owner)) {
                pods->gc_owners[pods->n_gc++] = owner;
                program->slot = true;
        }
        return program->slot;
}

static void enter_queue(struct gc_program *program, struct pods *pods) {
        struct gc_program **at = &pods->gc_waiting;

        while (*at)
                at = &(*at)->next;
        *at = program;
        program->next = NULL;
        program->waiting = true;
}

static void leave_queue(struct gc_program *program, struct pods *pods) {
        struct gc_program **at = &pods->gc_waiting;

        while (program->waiting && *at != program)
                at = &(*at)->next;
        if (program->waiting)
                *at = program->next;
        program->waiting = false;
}

static void wake(struct gc_program *program, struct pods *pods) {
        int r;

        leave_queue(program, pods);
        r = program->armed ? sd_event_source_set_time(program->operation->timer, 0) : 0;
        if (r < 0)
                (void) log_errno(LOG_ERR, r, "have a gc program begin");
}

/* The first whose owner runs none has its turn, from the loop, else the first whose owner may run one more: whoever has many waiting does
 * not keep those behind them from their first. */
static void wake_next(struct pods *pods) {
        struct gc_program *next = pods->gc_waiting;

        while (next && count_of(pods, next->owner) > 0)
                next = next->next;
        if (!next || !has_room(pods, next->owner))
                for (next = pods->gc_waiting; next && !has_room(pods, next->owner);)
                        next = next->next;
        if (!next)
                return;
        (void) take_slot(next, pods, next->owner); /* there is room */
        wake(next, pods);
}

void gc_programs_stop(struct pods *pods) {
        while (pods->gc_waiting)
                wake(pods->gc_waiting, pods);
}

static void give_slot(struct gc_program *program, struct pods *pods) {
        for (size_t i = 0; program->slot && i < pods->n_gc; i++)
                if (pods->gc_owners[i] == program->owner) {
                        pods->gc_owners[i] = pods->gc_owners[--pods->n_gc];
                        program->slot = false;
                        wake_next(pods);
                }
}

int gc_program_plan(struct gc_program *program, struct operation *operation) {
        const struct record_pod *record = operation->pod->record;
        const struct job_caller owner = {
                .root = record->gc.root,
                .uid = record->owner,
                .gid = record->owner_group,
                .groups = record->gc.groups,
                .n_groups = record->gc.n_groups,
        };
        const struct job_caller root = {.root = true};
        const struct settings *settings = operation->pods->settings;
        const char *path = program->registry ? settings->registry_program : record->gc.path;
        uint32_t flags = log_level() >= LOG_DEBUG ? STEP_GC_DEBUG : 0;
        struct job_caller caller;
        struct plan_pod pod;

        operation_plan_pod(operation, false, &caller, &pod);
        pod.caller = program->registry ? &root : &owner;
        pod.fd_names = NULL;
        program->begun = true;
        free(program->path);
        program->path = strdup(path);
        if (!program->path)
                return log_oom();
        program->operation = operation;
        if (!take_slot(program, operation->pods, record->owner)) {
                leave_queue(program, operation->pods); /* of an earlier try */
                enter_queue(program, operation->pods);
                return 0;
        }
        if (program->registry)
                flags |= STEP_GC_REGISTRY;
        else if (prefixes_has(settings->gc_programs, path))
                flags |= STEP_GC_LISTED;
        return plan_gc_program(&pod, program->registry ? "registry" : record->gc.container, path, flags, &operation->job);
}

static const char *noun(const struct gc_program *program) {
        return program->registry ? "registry program" : "gc program";
}

static void tell_line(struct gc_program *program) {
        _cleanup_free_ char *line = NULL;

        if (program->n_line == 0)
                return;
        program->line[program->n_line] = '\0';
        if (program->n_lines < GC_LINES_MAX)
                line = text_escape(program->line, GC_LINE_MAX);
        else
                program->left_out += program->n_line;
        program->n_line = 0;
        program->n_lines++;
        if (line)
                event_log(EVENT_GC_PROGRAM_SAID, EVENT_OF_POD(program->operation->uuid), "The %s of pod %s: %s", noun(program), program->operation->uuid, line);
}

static void take(struct gc_program *program, const uint8_t *data, size_t size) {
        for (size_t i = 0; i < size; i++) {
                if (data[i] == '\n' || program->n_line == sizeof(program->line) - 1)
                        tell_line(program);
                if (data[i] != '\n')
                        program->line[program->n_line++] = data[i] ? (char) data[i] : '?';
        }
}

static void warn(struct gc_program *program, const char *reason) {
        struct operation *operation = program->operation;
        _cleanup_free_ char *text = text_format("the %s %s failed: %s", noun(program), program->path ?: "", reason);

        if (!text || strv_append(&operation->warnings, text) < 0)
                (void) log_oom();
        event_log(EVENT_GC_PROGRAM_FAILED, EVENT_OF_POD(operation->uuid), "The %s %s of pod %s failed: %s. The pod is collected all the same", noun(program),
                  program->path ?: "", operation->uuid, reason);
        history_add_event(operation->pods, operation->uuid, EVENT_GC_PROGRAM_FAILED, 0, program->path, reason);
}

static void end(struct gc_program *program, const char *failure) {
        struct operation *operation = program->operation;

        program->begun = false;
        program->ended = true;
        if (failure)
                warn(program, failure);
        gc_program_done(program, operation->pods);
        program->go_on(operation);
}

static void told(const struct stream_report *report, void *userdata) {
        struct gc_program *program = userdata;

        switch (report->kind) {
        case STREAM_PROGRESS:
        case _STREAM_KIND_MAX:
                return;
        case STREAM_PORTION:
                take(program, report->data, report->size);
                return;
        case STREAM_DONE:
        case STREAM_FAILED:
                break;
        }
        tell_line(program);
        program->left_out += report->figures[0] < UINT64_MAX / 2 ? report->figures[0] : 0;
        if (program->left_out > 0)
                log_notice("%" PRIu64 " more bytes that the %s of pod %s wrote to stderr are left out", program->left_out, noun(program), program->operation->uuid);
        end(program, report->kind == STREAM_FAILED ? report->text ?: "nothing is known of its end" : NULL);
}

static int on_turn(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        struct gc_program *program = userdata;

        program->armed = false;
        program->go_on(program->operation);
        return 0;
}

void gc_program_result(struct gc_program *program, struct operation *operation, const struct job_result *answer, void (*go_on)(struct operation *operation)) {
        int r;

        program->operation = operation;
        program->go_on = go_on;
        if (!answer) {
                /* Its turn has come already, or the timer goes off when it does. */
                r = sd_event_add_time(operation->pods->event, &operation->timer, CLOCK_MONOTONIC, program->waiting ? UINT64_MAX : 0, 0, on_turn, program);
                program->armed = r >= 0;
                if (r < 0)
                        end(program, "podmountd has no memory to wait for others to end");
                return;
        }
        if (answer->lost || answer->failure != FAILURE_NONE || !answer->fd) {
                end(program, answer->lost ? "the executor died when it was to begin" : answer->text ?: "the executor gave no reason");
                return;
        }
        r = stream_new(operation->pods->event, TAKE_FD(*answer->fd), operation->pods->settings->gc_timeout_us + GRACE_US, noun(program), told, program,
                       &program->stream);
        if (r < 0)
                end(program, "podmountd has no memory to wait for it");
}

void gc_program_done(struct gc_program *program, struct pods *pods) {
        leave_queue(program, pods);
        give_slot(program, pods);
        program->stream = stream_free(program->stream);
        free(program->path);
        program->path = NULL;
}
