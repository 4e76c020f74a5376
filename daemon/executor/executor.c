/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The executor process: receives a job, checks it at the door, runs it, answers. It keeps nothing between jobs but the
 * fds of the runtime directory, of the room that its workers are shut in, and of a worker that waits. What it cannot make sense of it answers with a
 * refusal; it ends with its socket. */

#include "executor/executor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "executor/door.h"
#include "executor/host.h"
#include "executor/layer.h"
#include "executor/run.h"
#include "executor/staging.h"
#include "kernel/resolve.h"
#include "util/channel.h"
#include "util/log.h"

/* Keeps stdio and the fds of the setup, from 3 on. */
static int settle_fds(const struct executor_setup *setup, int *ret_socket, int *ret_intent, struct executor *executor) {
        enum { SOCKET, INTENT, RUNTIME, LAYERS, STORES };
        int wanted[STORES + SETTINGS_STORES_MAX] = {
                [SOCKET] = setup->socket, [INTENT] = setup->intent_fd, [RUNTIME] = setup->runtime_fd, [LAYERS] = setup->layers_fd};
        int placed[STORES + SETTINGS_STORES_MAX], high[STORES + SETTINGS_STORES_MAX];
        const size_t n_wanted = STORES + setup->n_stores;
        size_t n = 0;

        for (size_t i = STORES; i < n_wanted; i++)
                wanted[i] = setup->stores[i - STORES];
        for (size_t i = 0; i < n_wanted; i++) {
                placed[i] = wanted[i] < 0 ? -1 : (int) n + 3;
                if (wanted[i] >= 0)
                        wanted[n++] = wanted[i];
        }
        for (size_t i = 0; i < n; i++) {
                high[i] = fcntl(wanted[i], F_DUPFD_CLOEXEC, 64);
                if (high[i] < 0)
                        return log_errno(LOG_ERR, errno, "duplicate an fd of the keeper");
        }
        for (size_t i = 0; i < n; i++)
                if (dup3(high[i], (int) i + 3, O_CLOEXEC) < 0)
                        return log_errno(LOG_ERR, errno, "place an fd of the keeper");
        if (close_range((unsigned) n + 3, ~0U, 0) < 0)
                return log_errno(LOG_ERR, errno, "close what belongs to the keeper");
        *ret_socket = 3;
        *ret_intent = 4;
        executor->runtime_fd = 5;
        executor->layers_fd = placed[LAYERS];
        executor->n_stores = setup->n_stores;
        for (size_t i = 0; i < setup->n_stores; i++)
                executor->stores[i] = placed[STORES + i];
        return 0;
}

static int settle_process(unsigned slot) {
        static char role[sizeof("executor-") + 3 * sizeof(unsigned)];
        sigset_t none;

        (void) snprintf(role, sizeof(role), "executor-%u", slot); /* cannot be cut: sized for any number */
        log_set_role(role);
        (void) prctl(PR_SET_NAME, role); /* a name is for people */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
                return log_errno(LOG_ERR, errno, "follow the keeper into death");
        /* Openers are reaped by the kernel; a front that went away is an error code; a terminal's ^C is the
         * keeper's. */
        (void) signal(SIGCHLD, SIG_IGN);
        (void) signal(SIGPIPE, SIG_IGN);
        (void) signal(SIGINT, SIG_IGN);
        (void) signal(SIGTERM, SIG_DFL);
        (void) signal(SIGHUP, SIG_IGN);
        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL); /* cannot fail with these arguments */
        umask(0);
        if (chdir("/") < 0)
                return log_errno(LOG_ERR, errno, "chdir /");
        return 0;
}

static int open_pods(struct executor *executor) {
        if (executor->pods_fd >= 0)
                return 0;
        executor->pods_fd = resolve_beneath(executor->runtime_fd, "pods", true);
        if (executor->pods_fd < 0) {
                int r = executor->pods_fd;

                executor->pods_fd = -1;
                return log_errno(LOG_ERR, r, "open pods/ in the runtime directory");
        }
        return 0;
}

static void answer_failure(struct job_result *result, int r, struct failure *f) {
        if (r < 0) {
                result->error = -r;
                (void) failure_from_errno(f, r);
        }
        result->failure = f->kind;
        result->text = TAKE_PTR(f->text);
}

/* What the configuration says of the job. */
static int check_grants(const struct executor *executor, const struct job *job, uint32_t *ret_step, struct failure *f) {
        const struct executor_grants *grants = executor->grants;
        _cleanup_free_ char *pins = NULL;
        char list[PREFIXES_SIZE], registry[PREFIXES_SIZE];
        int r = door_check_images(job, grants ? grants->image_types : 0, grants ? grants->device_types : 0, ret_step, f);

        if (r == 0 && job->steps[0].kind == STEP_GC_PROGRAM) {
                grants_gc_programs(grants, list);
                grants_registry_program(grants, registry);
                return door_check_gc(job, list, registry, grants && grants->gc_in_pods, grants && grants->gc_in_root_pods, f);
        }
        if (r == 0) {
                grants_interfaces(grants, list);
                r = door_check_interfaces(job, list, ret_step, f);
        }
        if (r == 0)
                r = door_check_cgroups(job, grants, ret_step, f);
        if (r != 0 || !door_is_about_host(job))
                return r;
        grants_host_targets(grants, list);
        r = host_pins(executor, &pins);
        return r < 0 ? r : door_check_host(job, list, pins, ret_step, f);
}

static int work(struct executor *executor, const struct job *job, const struct channel_message *message,
        struct job_result *result) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        int r;

        *result = (struct job_result){.job = job->id, .failed_step = UINT32_MAX};
        result->steps = calloc(job->n_steps > 0 ? job->n_steps : 1, sizeof(*result->steps));
        if (!result->steps)
                return log_oom();
        result->n_steps = job->n_steps;
        r = job->n_fds == message->n_fds
                    ? door_check(job, &result->failed_step, &f)
                    : failure_set(&f, FAILURE_INVALID_ARGS,
                              "refused at the executor's door: %zu fds came instead of %u", message->n_fds, job->n_fds);
        if (r == 0)
                r = check_grants(executor, job, &result->failed_step, &f);
        if (r == 0)
                r = open_pods(executor);
        if (r != 0) {
                answer_failure(result, r, &f);
                return 0;
        }
        run_job(executor, job, message->fds, result);
        return 0;
}

static int serve_one(struct executor *executor, int socket, const struct channel_message *message) {
        _cleanup_job_result_ struct job_result result = {.failed_step = UINT32_MAX};
        _cleanup_(job_freep) struct job *job = NULL;
        _cleanup_free_ uint8_t *data = NULL;
        size_t size;
        int r = job_decode(message->data, message->size, &job);

        if (r < 0) {
                _cleanup_failure_ struct failure f = FAILURE_INIT;

                (void) log_errno(LOG_ERR, r, "a message that is no job");
                (void) failure_set(&f, FAILURE_INVALID_ARGS, "refused at the executor's door: the message is no job");
                answer_failure(&result, 0, &f);
        } else {
                r = work(executor, job, message, &result);
                if (r < 0)
                        return r;
        }
        r = job_result_encode(&result, &data, &size);
        if (r < 0)
                return log_errno(LOG_ERR, r, "encode a result");
        r = channel_send(socket, data, size, result.fd, result.fd ? 1 : 0);
        return r < 0 && r != -EPIPE ? log_errno(LOG_ERR, r, "send a result") : 0;
}

/* What a job may begin with, unless the next one is there. */
static void make_ready(int socket) {
        struct pollfd poll_fd = {.fd = socket, .events = POLLIN};
        const int pause = layer_read_pause();

        if (pause == 0 || poll(&poll_fd, 1, pause) == 0)
                layer_read_prepare();
}

static int serve(struct executor *executor, int socket) {
        for (;;) {
                _cleanup_message_ struct channel_message message = {};
                int r;

                make_ready(socket);
                r = channel_receive(socket, 0, &message);
                if (r == 0)
                        return 0;
                if (r < 0)
                        return log_errno(LOG_ERR, r, "receive a job");
                r = serve_one(executor, socket, &message);
                if (r < 0)
                        return r;
        }
}

int executor_main(const struct executor_setup *setup) {
        struct executor executor = {.slot = setup->slot, .pods_fd = -1, .layers_fd = -1, .grants = setup->grants};
        int socket, intent_fd;

        if (settle_process(setup->slot) < 0 || settle_fds(setup, &socket, &intent_fd, &executor) < 0)
                return EXIT_FAILURE;
        if (features_probe(setup->without, &executor.features) < 0 || intent_map(intent_fd, &executor.intent) < 0)
                return EXIT_FAILURE;
        staging_clean(&executor);
        if (serve(&executor, socket) < 0)
                return EXIT_FAILURE;
        executor.intent = intent_free(executor.intent);
        return EXIT_SUCCESS;
}
