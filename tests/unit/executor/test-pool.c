/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pool with real executor processes: order, parallelism, death, timeouts, replacement. */

#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "executor/executor.h"
#include "executor/pool.h"
#include "util/channel.h"
#include "util/clock.h"
#include "tests/unit/executor/hands.h"

static sd_event *event;
static struct executor_pool *pool;
static pid_t executors[POOL_GROWN_MAX];
static unsigned replaced, n_executors, asked_for_more;
static bool grows; /* the keeper makes one more when it is asked to */

/* What came back. */
struct answer {
        unsigned n, order;
        enum failure_kind failure;
        bool lost;
        uint64_t id;
        struct step_result first;
        char text[256];
};
static unsigned answered;

static void on_done(const struct job_result *result, void *userdata) {
        struct answer *answer = userdata;

        answer->n++;
        answer->order = ++answered;
        answer->failure = result->failure;
        answer->lost = result->lost;
        answer->id = result->job;
        if (result->n_steps > 0)
                answer->first = result->steps[result->n_steps - 1];
        (void) snprintf(answer->text, sizeof(answer->text), "%s", result->text ? result->text : "");
}

static void add_executor(unsigned slot) {
        int pair[2], intent = memfd_create("intent", MFD_CLOEXEC), runtime = open("/tmp/run", O_PATH | O_CLOEXEC);
        pid_t child;

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        child = fork();
        if (child == 0) {
                const struct executor_setup setup = {
                        .slot = slot, .socket = pair[1], .intent_fd = intent, .runtime_fd = runtime, .layers_fd = -1};

                _exit(executor_main(&setup));
        }
        ck_assert_int_gt(child, 0);
        executors[slot] = child;
        (void) close_fd(pair[1]);
        (void) close_fd(runtime);
        ck_assert_int_eq(executor_pool_add(pool, slot, pair[0], intent), 0);
}

static bool replace_later;

/* As the keeper does: kills, reaps, makes another. */
static void on_replace(unsigned slot, void *userdata _unused_) {
        if (slot == POOL_SLOT_NEW) {
                asked_for_more++;
                if (grows)
                        add_executor(n_executors++);
                return;
        }
        replaced++;
        ck_assert_int_eq(kill(executors[slot], SIGKILL), 0);
        ck_assert_int_eq(waitpid(executors[slot], NULL, 0), executors[slot]);
        if (!replace_later)
                add_executor(slot);
}

static bool begin(unsigned n, uint64_t timeout_us) {
        if (!hands_begin(NULL))
                return false;
        ck_assert_int_ge(sd_event_new(&event), 0);
        ck_assert_int_eq(executor_pool_new(event, timeout_us, on_replace, NULL, &pool), 0);
        for (unsigned i = 0; i < n; i++)
                add_executor(i);
        n_executors = n;
        return true;
}

static void until(const unsigned *count, unsigned n) {
        while (*count < n)
                ck_assert_int_gt(sd_event_run(event, 20 * 1000 * 1000), 0);
}

static void end(void) {
        unsigned n = 0;

        pool = executor_pool_free(pool);
        for (unsigned i = 0; i < ELEMENTSOF(executors); i++) {
                int status;

                if (executors[i] == 0)
                        continue;
                ck_assert_int_eq(waitpid(executors[i], &status, 0), executors[i]); /* the end of the socket ends it */
                ck_assert_int_eq(status, 0);
                n++;
        }
        ck_assert_uint_gt(n, 0);
        event = sd_event_unref(event);
}

static struct pool_job *submit(struct job *job, const int *fds, struct answer *answer) {
        struct pool_job *queued;

        ck_assert_int_eq(executor_pool_submit(pool, job, fds, job->n_fds, on_done, answer, &queued), 0);
        job_free(job);
        return queued;
}

static struct job *create_job(unsigned number) {
        struct job *job = new_job(true);

        job->uuid[0] = (char) ('0' + number);
        add_tree(job);
        add_root(job, "/tmp/root");
        add_publish(job);
        return job;
}

static struct job *bind_job(unsigned number, const char *source) {
        struct job *job = new_job(true);

        job->uuid[0] = (char) ('0' + number);
        add_bind(job, source, "/data")->flags = STEP_STACK;
        return job;
}

START_TEST(test_jobs) {
        struct answer create = {}, bind = {}, refused = {};

        if (!begin(1, 30 * 1000 * 1000))
                return;
        submit(create_job(1), NULL, &create);
        submit(bind_job(1, "/tmp/src"), NULL, &bind);
        submit(bind_job(1, "/tmp/none"), NULL, &refused);
        ck_assert_uint_eq(create.n, 0); /* never from submit() */
        until(&answered, 3);
        ck_assert_int_eq(create.failure, FAILURE_NONE);
        ck_assert_int_eq(bind.failure, FAILURE_NONE);
        ck_assert_int_eq(refused.failure, FAILURE_NO_SUCH_SOURCE);
        ck_assert(create.order < bind.order && bind.order < refused.order);
        ck_assert_uint_ne(bind.first.mount_id, 0);
        ck_assert(exists(POD "/main/rootfs/data/hello"));
        end();
}
END_TEST

/* fds travel; the executor tells who a process is. */
START_TEST(test_fds) {
        struct answer me = {}, elsewhere = {}, ended = {};
        int pipes[2], pidfd, status;
        pid_t child;
        char byte;

        if (!begin(2, 30 * 1000 * 1000))
                return;
        for (unsigned i = 0; i < 3; i++) {
                struct job *job = new_job(true);
                struct step *step = job_add(job, STEP_IDENTIFY);

                job->uuid[0] = 0;
                job->n_fds = 1;
                step->source.kind = STEP_SOURCE_FD;
                if (i == 0) {
                        pidfd = (int) syscall(SYS_pidfd_open, getpid(), 0);
                        submit(job, &pidfd, &me);
                        (void) close_fd(pidfd);
                        continue;
                }
                ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
                child = fork();
                if (child == 0) {
                        if (i == 1 && (unshare(CLONE_NEWNS) < 0 || chroot("/tmp") < 0 || write(pipes[1], "x", 1) != 1))
                                _exit(1);
                        if (i == 2)
                                _exit(0);
                        for (;;)
                                pause();
                }
                pidfd = (int) syscall(SYS_pidfd_open, child, 0);
                if (i == 1)
                        ck_assert_int_eq(read(pipes[0], &byte, 1), 1);
                else
                        ck_assert_int_eq(waitpid(child, &status, 0), child);
                submit(job, &pidfd, i == 1 ? &elsewhere : &ended);
                (void) close_fd(pidfd);
                until(&answered, i + 1);
                if (i == 1)
                        ck_assert_int_eq(kill(child, SIGKILL), 0);
        }
        ck_assert_int_eq(me.failure, FAILURE_NONE);
        ck_assert_uint_eq(me.first.id,
                IDENTIFY_HOST_MOUNT_NAMESPACE | IDENTIFY_HOST_USER_NAMESPACE | IDENTIFY_HOST_ROOT_DIRECTORY | IDENTIFY_HOST_PID_NAMESPACE);
        ck_assert_uint_eq(elsewhere.first.id, IDENTIFY_HOST_USER_NAMESPACE | IDENTIFY_HOST_PID_NAMESPACE);
        ck_assert_int_eq(ended.failure, FAILURE_ACCESS_DENIED);
        end();
}
END_TEST

/* One job a pod at a time, those of other pods meanwhile: an executor that is stopped holds up its own pod alone. */
START_TEST(test_side_by_side) {
        struct answer stuck[2] = {}, other[20] = {}, pods[2] = {};
        unsigned running, waiting, alive;
        struct pool_job *second;

        if (!begin(2, 30 * 1000 * 1000))
                return;
        submit(create_job(1), NULL, &pods[0]);
        submit(create_job(2), NULL, &pods[1]);
        until(&answered, 2);
        ck_assert_int_eq(kill(executors[0], SIGSTOP), 0);
        submit(bind_job(1, "/tmp/src"), NULL, &stuck[0]);
        second = submit(bind_job(1, "/tmp/src"), NULL, &stuck[1]);
        for (unsigned i = 0; i < ELEMENTSOF(other); i++)
                submit(bind_job(2, "/tmp/src"), NULL, &other[i]);
        executor_pool_counts(pool, &alive, &running, &waiting);
        ck_assert_uint_eq(alive, 2);
        ck_assert_uint_eq(running, 2);
        ck_assert_uint_eq(waiting, ELEMENTSOF(other));
        until(&answered, 2 + ELEMENTSOF(other));
        for (unsigned i = 0; i < ELEMENTSOF(other); i++)
                ck_assert_uint_eq(other[i].order, 3 + i);
        ck_assert_uint_eq(stuck[0].n, 0);
        ck_assert(!executor_pool_started(second));
        ck_assert(executor_pool_cancel(pool, second));
        ck_assert_int_eq(kill(executors[0], SIGCONT), 0);
        until(&stuck[0].n, 1);
        ck_assert_int_eq(stuck[0].failure, FAILURE_NONE);
        ck_assert_uint_eq(stuck[1].n, 0);
        end();
}
END_TEST

/* Two jobs of a pod, the first of which hangs with the executor that took it. */
static void submit_to_hanging(struct answer *lost, struct answer *next) {
        struct answer create = {};

        submit(create_job(1), NULL, &create);
        until(&answered, 1);
        ck_assert_int_eq(kill(executors[0], SIGSTOP), 0);
        submit(bind_job(1, "/tmp/src"), NULL, lost);
        submit(bind_job(1, "/tmp/src"), NULL, next);
}

/* A dead executor's job is told as lost, with what its intent file says; the next one runs on its successor. */
static void check_losses(uint64_t hung, uint64_t lost) {
        uint64_t is_hung, is_lost;

        executor_pool_losses(pool, &is_hung, &is_lost);
        ck_assert_uint_eq(is_hung, hung);
        ck_assert_uint_eq(is_lost, lost);
}

START_TEST(test_death) {
        struct answer lost = {}, next = {};

        if (!begin(1, 30 * 1000 * 1000))
                return;
        submit_to_hanging(&lost, &next);
        ck_assert_int_eq(kill(executors[0], SIGKILL), 0);
        ck_assert_int_eq(waitpid(executors[0], NULL, 0), executors[0]);
        until(&lost.n, 1);
        ck_assert(lost.lost);
        ck_assert_ptr_nonnull(strstr(lost.text, "ended"));
        ck_assert_uint_eq(lost.first.mount_id, 0);
        ck_assert_uint_eq(next.n, 0);
        add_executor(0);
        until(&next.n, 1);
        ck_assert_int_eq(next.failure, FAILURE_NONE);
        ck_assert_uint_eq(replaced, 0);
        check_losses(0, 1);
        end();
}
END_TEST

/* The end of the socket is enough to tell the job: its successor may come whenever it does. */
START_TEST(test_timeout_later) {
        struct answer lost = {}, next = {};

        replace_later = true;
        if (!begin(1, 300 * 1000))
                return;
        submit_to_hanging(&lost, &next);
        until(&lost.n, 1);
        ck_assert(lost.lost);
        ck_assert_int_eq(lost.failure, FAILURE_TIMED_OUT);
        ck_assert_uint_eq(next.n, 0);
        add_executor(0);
        until(&next.n, 1);
        ck_assert_int_eq(next.failure, FAILURE_NONE);
        ck_assert_uint_eq(replaced, 1);
        end();
}
END_TEST

START_TEST(test_timeout) {
        struct answer lost = {}, next = {};

        if (!begin(1, 300 * 1000))
                return;
        submit_to_hanging(&lost, &next);
        until(&answered, 3);
        ck_assert_uint_eq(replaced, 1);
        ck_assert(lost.lost);
        ck_assert_int_eq(lost.failure, FAILURE_TIMED_OUT);
        ck_assert_int_eq(next.failure, FAILURE_NONE);
        check_losses(1, 1);
        end();
}
END_TEST

/* An executor that is killed at any moment of a job leaves nothing unknown: every mount of the pod that the kernel
 * has is in the intent file. */
static void signal_all(int signal) {
        for (unsigned i = 0; i < n_executors; i++)
                ck_assert_int_eq(kill(executors[i], signal), 0);
}

/* Where the only one is held up another pod waits for one more, and for no deadline. */
START_TEST(test_held_up) {
        struct answer held = {}, other = {};
        uint64_t begun;

        grows = true;
        if (!begin(1, 60 * 1000 * 1000))
                return;
        signal_all(SIGSTOP);
        submit(create_job(1), NULL, &held);
        submit(create_job(2), NULL, &other);
        begun = clock_us(CLOCK_MONOTONIC);
        until(&other.n, 1);
        ck_assert_int_eq(other.failure, FAILURE_NONE);
        ck_assert(clock_us(CLOCK_MONOTONIC) - begun >= POOL_HELD_UP_US);
        ck_assert_uint_eq(asked_for_more, 1);
        ck_assert_uint_eq(held.n, 0);
        ck_assert_int_eq(kill(executors[0], SIGCONT), 0);
        until(&held.n, 1);
        ck_assert_int_eq(held.failure, FAILURE_NONE);
        ck_assert_uint_eq(replaced, 0);
        end();
}
END_TEST

static struct pool_job *submit_as(uid_t uid, unsigned number, struct answer *answer) {
        struct job *job = bind_job(0, "/tmp/none");

        job->uuid[1] = (char) ('0' + number / 10);
        job->uuid[2] = (char) ('0' + number % 10);
        job->caller.root = uid == 0;
        job->caller.uid = uid;
        return submit(job, NULL, answer);
}

/* Of as many as there can be a user does not get the last one as well; root and others do. */
START_TEST(test_last_one) {
        enum { SOMEBODY = 1000 };
        struct answer answers[POOL_GROWN_MAX + 3] = {};
        struct pool_job *waits, *other;
        unsigned n = 0;

        if (!begin(POOL_GROWN_MAX, 60 * 1000 * 1000))
                return;
        signal_all(SIGSTOP);
        for (; n < POOL_GROWN_MAX - 1; n++)
                ck_assert(executor_pool_started(submit_as(SOMEBODY, n, &answers[n])));
        waits = submit_as(SOMEBODY, n, &answers[n]);
        ck_assert(!executor_pool_started(waits));
        n++;
        other = submit_as(SOMEBODY + 1, n, &answers[n]);
        ck_assert(executor_pool_started(other) && !executor_pool_started(waits));
        n++;
        ck_assert(!executor_pool_started(submit_as(0, n, &answers[n])));
        n++;
        signal_all(SIGCONT);
        until(&answered, n);
        ck_assert_uint_eq(asked_for_more, 0);
        end();
}
END_TEST

START_TEST(test_killed_anywhere) {
        static const char point[] = POD "/main/rootfs/";

        if (!begin(1, 30 * 1000 * 1000))
                return;
        for (unsigned i = 0; i < 30; i++) {
                struct answer create = {};
                struct job *job = create_job(1);
                struct timespec pause_ns = {.tv_nsec = 20000L * i};

                strcpy(job->uuid, UUID);
                job->n_steps--; /* without its last step, which is put back behind 20 mounts more */
                for (unsigned j = 0; j < 20; j++) {
                        char target[32];
                        struct step *step;

                        (void) snprintf(target, sizeof(target), "/m%u", j);
                        step = add_bind(job, "/tmp/src", target);
                        step->create = STEP_CREATE_AS_CALLER;
                        step->cover_step = 1;
                }
                add_publish(job);
                submit(job, NULL, &create);
                (void) nanosleep(&pause_ns, NULL);
                ck_assert_int_eq(kill(executors[0], SIGKILL), 0);
                ck_assert_int_eq(waitpid(executors[0], NULL, 0), executors[0]);
                until(&create.n, 1);
                /* All of it, or nothing of it. */
                ck_assert_uint_eq(namespace_count(point), namespace_count(POD " ") ? 20 : 0);
                if (namespace_count(POD " ") && create.lost)
                        ck_assert_uint_ne(create.id, 0);
                (void) umount2(POD, MNT_DETACH);
                (void) rmdir(POD);
                add_executor(0);
        }
        end();
}
END_TEST

/* What is no job is answered, and the executor lives on; a second executor for a slot takes over. */
START_TEST(test_garbage) {
        _cleanup_message_ struct channel_message message = {};
        _cleanup_job_result_ struct job_result result = {};
        struct answer create = {};
        int pair[2], intent;
        pid_t child;

        if (!begin(0, 30 * 1000 * 1000))
                return;
        intent = memfd_create("intent", MFD_CLOEXEC);
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        child = fork();
        if (child == 0) {
                const struct executor_setup setup = {
                        .socket = pair[1], .intent_fd = intent, .runtime_fd = executor.runtime_fd, .layers_fd = -1};

                _exit(executor_main(&setup));
        }
        (void) close_fd(pair[1]);
        executors[0] = child;
        ck_assert_int_eq(channel_send(pair[0], "garbage", 7, NULL, 0), 0);
        ck_assert_int_eq(channel_receive(pair[0], 0, &message), 1);
        ck_assert_int_eq(job_result_decode(message.data, message.size, &result), 0);
        ck_assert_failed(result, FAILURE_INVALID_ARGS, "no job");
        ck_assert_int_eq(executor_pool_add(pool, 0, pair[0], intent), 0);
        submit(create_job(1), NULL, &create);
        until(&answered, 1);
        ck_assert_int_eq(create.failure, FAILURE_NONE);
        end();
}
END_TEST

UNIT_MAIN("pool", test_jobs, test_fds, test_side_by_side, test_death, test_timeout, test_timeout_later, test_held_up, test_last_one, test_killed_anywhere, test_garbage)
