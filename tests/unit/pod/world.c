/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The world that operations are tested in; see world.h. */

#include "tests/unit/pod/world.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "executor/executor.h"
#include "executor/grants.h"
#include "pod/intent-replace.h"
#include "tests/unit/kernel-features.h"
#include "util/log.h"
#include "util/path.h"

#define HOST .host_mount_namespace = true, .host_user_namespace = true, .host_root_directory = true
const struct caller world_root = {HOST}, world_user = {.uid = USER, .gid = USER, HOST};

static void on_new(struct pod *pod _unused_, void *userdata) {
        ((struct world *) userdata)->n_new++;
}

static void on_removed(struct pod *pod _unused_, const char *reason, void *userdata) {
        struct world *world = userdata;

        world->n_removed++;
        (void) snprintf(world->reason, sizeof(world->reason), "%s", reason);
}

static void on_changed(struct pod *pod _unused_, void *userdata) {
        ((struct world *) userdata)->n_changed++;
}

static void on_added(struct pod *pod _unused_, const struct record_mount *const *mounts, size_t n, void *userdata) {
        for (size_t i = 0; i < n; i++)
                ck_assert_ptr_nonnull(mounts[i]->target);
        ((struct world *) userdata)->n_mounts_added += (unsigned) n;
}

static void on_mounts_removed(struct pod *pod _unused_, const struct record_mount *const *mounts, size_t n,
                              void *userdata) {
        for (size_t i = 0; i < n; i++)
                ck_assert_ptr_nonnull(mounts[i]->target);
        ((struct world *) userdata)->n_mounts_removed += (unsigned) n;
}

static void on_drift(struct pod *pod _unused_, const struct drift *drift, void *userdata) {
        struct world *world = userdata;

        world->n_drifts++;
        world->drift_kind = drift->kind;
        free(world->drift_target);
        world->drift_target = strdup(drift->target);
}

static int sync_table(void *userdata) {
        return world_sync(userdata);
}

static int sync_below(const char *path, void *userdata) {
        struct world *world = userdata;
        _cleanup_changes_ struct changes changes = {};
        int r = world_sync(world);

        ck_assert_int_eq(following_look(world->following, path, &changes), 0);
        if (world->pods.by_uuid)
                pods_judge_drift(&world->pods, &changes);
        return r;
}

static int look_at(const uint64_t *ids, size_t n, void *userdata) {
        struct world *world = userdata;
        _cleanup_changes_ struct changes changes = {};

        ck_assert_int_eq(following_look_at(world->following, ids, n, &changes), 0);
        world->n_looked_at += (unsigned) n;
        pods_mark_drift(&world->pods, &changes);
        return 0;
}

/* What the daemon's tracker does, at once: the kernel tells, and the pods' mounts are looked at for what it keeps to
 * itself. */
int world_sync(struct world *world) {
        _cleanup_changes_ struct changes changes = {};
        bool told = watch_take(world->watch, NULL);

        if (table_size(world->pods.table) == 0)
                ck_assert_int_eq(following_read(world->following, &changes), 0);
        else
                switch (watch_tracking(world->watch)) {
                case WATCH_FANOTIFY:
                        ck_assert_int_eq(following_events(world->following, 0, &changes), 0);
                        break;
                case WATCH_LISTMOUNT:
                        if (told)
                                ck_assert_int_eq(following_delta(world->following, &changes), 0);
                        break;
                case WATCH_MOUNTINFO:
                        if (told)
                                ck_assert_int_eq(following_read(world->following, &changes), 0);
                        break;
                }
        if (told)
                ck_assert_int_eq(following_look(world->following, RUNTIME "/pods", &changes), 0);
        if (world->pods.by_uuid)
                pods_judge_drift(&world->pods, &changes);
        return 0;
}

static struct executor_grants grants;

static void start_executor(struct world *world, unsigned slot) {
        struct world_executor *executor = &world->executors[slot];
        int pair[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        strcpy(grants.host_targets, WORLD_PLACES);
        executor->pid = fork();
        ck_assert_int_ge(executor->pid, 0);
        if (executor->pid == 0) {
                const struct executor_setup setup = {.slot = slot,
                                                     .socket = pair[1],
                                                     .intent_fd = executor->intent_fd,
                                                     .runtime_fd = world->pods.runtime_fd,
                                                     .grants = &grants,
                                                     .without = unit_without()};

                _exit(executor_main(&setup));
        }
        (void) close_fd(pair[1]);
        executor->socket = fcntl(pair[0], F_DUPFD_CLOEXEC, 3);
        ck_assert_int_eq(executor_pool_add(world->pods.executors, slot, pair[0], dup(executor->intent_fd)), 0);
}

static void end_executor(struct world *world, unsigned slot) {
        struct world_executor *executor = &world->executors[slot];

        if (executor->pid > 0) {
                ck_assert_int_eq(kill(executor->pid, SIGKILL), 0);
                ck_assert_int_eq(waitpid(executor->pid, NULL, 0), executor->pid);
        }
        executor->pid = 0;
        executor->socket = close_fd(executor->socket);
}

static void on_replace(unsigned slot, void *userdata) {
        end_executor(userdata, slot);
}

static void make_files(void) {
        static const char *const directories[] = {"/tmp/root", "/tmp/root/etc", "/tmp/root/data", "/tmp/root/mnt",
                                                  "/tmp/root/proc",
                                                  "/tmp/src", "/tmp/src/sub", RUNTIME, RUNTIME "/pods",
                                                  RUNTIME "/state",
                                                  RUNTIME "/intent"};

        umask(022);
        for (size_t i = 0; i < ELEMENTSOF(directories); i++)
                make_directory(directories[i]);
        make_file("/tmp/src/hello", "hello\n");
        make_file("/tmp/root/etc/file", "of the root\n");
}

bool world_begin(struct world *world) {
        *world = (struct world) {.executors = {{.socket = -1, .intent_fd = -1}, {.socket = -1, .intent_fd = -1}}};
        if (!namespace_enter())
                return false;
        log_set_level(getenv("WORLD_DEBUG") ? LOG_DEBUG : LOG_ERR);
        make_files();
        settings_defaults(&world->settings);
        strcpy(world->settings.host_targets, WORLD_PLACES);
        world->settings.busy_interval_us = 10000;
        ck_assert_int_ge(sd_event_new(&world->event), 0);
        world_start(world);
        return true;
}

void world_start(struct world *world) {
        int intents[WORLD_EXECUTORS], version;

        world->pods = (struct pods) {
                .event = world->event,
                .table = table_new(),
                .settings = &world->settings,
                .facts = {.tmpfs_size = 1024 * 1024},
                .sync_table = sync_table,
                .sync_below = sync_below,
                .look_at = look_at,
                .sync_userdata = world,
                .runtime_directory = RUNTIME,
                .runtime_fd = open(RUNTIME, O_PATH | O_CLOEXEC),
                .observer = {on_new, on_removed, on_changed, on_added, on_mounts_removed, on_drift, world},
        };
        ck_assert_int_eq(store_open(RUNTIME "/state", &world->pods.store, &version), STORE_OPENED);
        ck_assert_int_ge(watch_open(unit_tracking(), false, &world->watch), 0);
        ck_assert_int_eq(following_new(world->watch, world->pods.table, &world->following), 0);
        ck_assert_int_eq(executor_pool_new(world->event, 30 * 1000 * 1000, on_replace, world, &world->pods.executors),
                         0);
        for (unsigned slot = 0; slot < WORLD_EXECUTORS; slot++) {
                _cleanup_free_ char *path = NULL;

                ck_assert_int_gt(asprintf(&path, RUNTIME "/intent/%u", slot), 0);
                if (world->executors[slot].intent_fd < 0)
                        world->executors[slot].intent_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
                intents[slot] = world->executors[slot].intent_fd;
                ck_assert_int_ge(intents[slot], 0);
                start_executor(world, slot);
        }
        ck_assert_int_eq(pods_init(&world->pods), 0);
        ck_assert_int_eq(pods_recover(&world->pods, intents, WORLD_EXECUTORS), 0);
}

void world_stop(struct world *world) {
        pods_done(&world->pods);
        world->pods.executors = executor_pool_free(world->pods.executors);
        for (unsigned slot = 0; slot < WORLD_EXECUTORS; slot++)
                end_executor(world, slot);
        world->pods.store = store_free(world->pods.store);
        world->following = following_free(world->following);
        world->pods.table = table_free(world->pods.table);
        world->pods.runtime_fd = close_fd(world->pods.runtime_fd);
        world->watch = watch_free(world->watch);
}

void world_done(struct world *world) {
        world_stop(world);
        for (unsigned slot = 0; slot < WORLD_EXECUTORS; slot++)
                world->executors[slot].intent_fd = close_fd(world->executors[slot].intent_fd);
        world->event = sd_event_unref(world->event);
        free(world->drift_target);
}

void world_wait(struct world *world, const bool *flag) {
        for (unsigned i = 0; i < 1000 && !*flag; i++)
                ck_assert_int_ge(sd_event_run(world->event, 10000), 0);
        ck_assert_msg(*flag, "nothing happened for ten seconds");
}

void world_idle(struct world *world) {
        unsigned quiet = 0;

        for (unsigned i = 0; i < 1000 && quiet < 5; i++) {
                unsigned executors, running, waiting;
                int r = sd_event_run(world->event, 20000);

                ck_assert_int_ge(r, 0);
                executor_pool_counts(world->pods.executors, &executors, &running, &waiting);
                quiet = r == 0 && running == 0 && waiting == 0 ? quiet + 1 : 0;
        }
        ck_assert_uint_eq(quiet, 5);
}

static void on_done(struct operation *operation _unused_, struct failure *f, void *userdata) {
        struct world_task *task = userdata;

        failure_move(&task->failure, f);
        task->result = (int) task->failure.kind;
        task->ended = true;
}

static void go(struct operation *operation, void *userdata) {
        struct world_task *task = userdata;
        int r = operation_validate(operation, &task->failure);

        if (r == OPERATION_WAIT)
                return;
        if (r == 0)
                r = operation_plan(operation, &task->failure);
        if (r == 0)
                r = operation_intend(operation, &task->failure);
        if (r == 0)
                r = operation_execute(operation, on_done, task, &task->failure);
        if (r == 0)
                return;
        task->result = r;
        task->ended = true;
}

void world_task_start(struct world *world, struct operation *operation, struct world_task *task) {
        *task = (struct world_task) {.world = world, .operation = operation};
        operation_set_resume(operation, go, task);
        go(operation, task);
}

void world_task_done(struct world_task *task) {
        task->operation = operation_free(task->operation);
        failure_clear(&task->failure);
}

int world_run(struct world *world, struct operation *operation, struct operation **ret, struct failure *f) {
        struct world_task task;
        int r;

        world_task_start(world, operation, &task);
        world_wait(world, &task.ended);
        r = task.result;
        failure_move(f, &task.failure);
        if (ret)
                *ret = TAKE_PTR(task.operation);
        world_task_done(&task);
        return r;
}

struct operation *world_new_create(struct world *world, const struct caller *caller, const char *uuid,
                                   const char *spec) {
        const struct create_arguments arguments = {.uuid = uuid, .spec = spec, .spec_size = strlen(spec)};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation = NULL;
        int r = operation_new_create(&world->pods, caller ?: &world_root, &arguments, NULL, &operation, &f);

        ck_assert_msg(r == 0, "create: %d %s", r, f.text);
        return operation;
}

int world_create(struct world *world, const struct caller *caller, const char *uuid, const char *name, const char *spec,
                 struct failure *f) {
        const struct create_arguments arguments = {.uuid = uuid, .name = name, .spec = spec, .spec_size = strlen(spec)};
        struct operation *operation = NULL;
        int r = operation_new_create(&world->pods, caller ?: &world_root, &arguments, NULL, &operation, f);

        return r == 0 ? world_run(world, operation, NULL, f) : r;
}

struct pod *world_pod(struct world *world, const char *uuid) {
        return map_get(world->pods.by_uuid, uuid);
}

struct operation *world_new_bind(struct world *world, const char *uuid, const char *source, const char *target,
                                 bool stack) {
        struct mount_arguments arguments = {.mounts = calloc(1, sizeof(*arguments.mounts)), .n_mounts = 1,
                                            .stack = stack};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation = NULL;
        int r;

        ck_assert_int_eq(spec_mount_from_bind(source, target, NULL, arguments.mounts, &f), 0);
        r = operation_new_mount(&world->pods, &world_root, world_pod(world, uuid), &arguments, NULL, &operation, &f);
        ck_assert_msg(r == 0, "mount: %d %s", r, f.text);
        return operation;
}

int world_bind(struct world *world, const char *uuid, const char *source, const char *target, uint64_t *ret_id,
               struct failure *f) {
        struct operation *operation = NULL;
        int r = world_run(world, world_new_bind(world, uuid, source, target, false), &operation, f);
        size_t n;

        if (ret_id)
                *ret_id = operation_ids(operation, &n)[0];
        operation_free(operation);
        return r;
}

int world_unmount(struct world *world, const char *uuid, const struct unmount_arguments *arguments, struct failure *f) {
        struct operation *operation = NULL;
        int r = operation_new_unmount(&world->pods, &world_root, world_pod(world, uuid), arguments, &operation, f);

        return r == 0 ? world_run(world, operation, NULL, f) : r;
}

struct operation *world_new_collect(struct world *world, const char *uuid, bool lazy) {
        const struct collect_arguments arguments = {.lazy = lazy, .reason = "collected"};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation = NULL;

        ck_assert_int_eq(operation_new_collect(&world->pods, &world_root, world_pod(world, uuid), &arguments,
                                               &operation, &f), 0);
        return operation;
}

int world_collect(struct world *world, const char *uuid, bool lazy, struct failure *f) {
        return world_run(world, world_new_collect(world, uuid, lazy), NULL, f);
}

void world_steal_answers(struct world *world) {
        struct pollfd fds[WORLD_EXECUTORS];
        char data[65536];

        for (unsigned slot = 0; slot < WORLD_EXECUTORS; slot++)
                fds[slot] = (struct pollfd) {.fd = world->executors[slot].socket, .events = POLLIN};
        ck_assert_int_gt(poll(fds, WORLD_EXECUTORS, 10000), 0);
        for (unsigned slot = 0; slot < WORLD_EXECUTORS; slot++)
                if (fds[slot].revents & POLLIN)
                        ck_assert_int_gt(recv(fds[slot].fd, data, sizeof(data), MSG_DONTWAIT), 0);
        for (unsigned slot = 0; slot < WORLD_EXECUTORS; slot++)
                end_executor(world, slot);
}

void world_restart_executors(struct world *world) {
        for (unsigned i = 0; i < 20; i++) /* the pool sees the ends of the dead first */
                ck_assert_int_ge(sd_event_run(world->event, 5000), 0);
        for (unsigned slot = 0; slot < WORLD_EXECUTORS; slot++)
                if (world->executors[slot].pid == 0)
                        start_executor(world, slot);
}

void world_restart(struct world *world) {
        world_stop(world);
        world_start(world);
        world_idle(world);
}

void world_lose_answer(struct world *world, struct operation *operation, struct world_task *task) {
        world_task_start(world, operation, task);
        world_steal_answers(world);
}

void world_crash(struct world *world, struct world_task *task) {
        world_task_done(task);
        world_restart(world);
}

static void start_without_intents(struct world *world) {
        for (unsigned slot = 0; slot < WORLD_EXECUTORS; slot++)
                ck_assert_int_eq(ftruncate(world->executors[slot].intent_fd, 0), 0);
        world_start(world);
        world_idle(world);
}

void world_crash_twice(struct world *world, struct world_task *task) {
        world_task_done(task);
        world_stop(world);
        world_start(world);
        world_stop(world);
        start_without_intents(world);
}

void world_crash_undoing(struct world *world, struct world_task *task) {
        for (unsigned i = 0; i < 20; i++) /* the pool sees the ends of the dead, and has nobody who could undo */
                ck_assert_int_ge(sd_event_run(world->event, 5000), 0);
        world_task_done(task);
        world_stop(world);
        start_without_intents(world);
}

int world_survive(struct world *world, struct world_task *task) {
        world_restart_executors(world);
        world_wait(world, &task->ended);
        return task->result;
}

/* The next mount among the entries, the first one after the last. */
static const struct intent_mount *mount_after(const struct intent_mount *entries, size_t n, size_t i) {
        do
                i = (i + 1) % n;
        while (!intent_is_mount(&entries[i]));
        return &entries[i];
}

static void write_intent(int fd, uint64_t job, const struct intent_mount *entries, size_t n, const enum world_tried *other) {
        _cleanup_(intent_freep) struct intent *intent = NULL;

        ck_assert_int_eq(intent_map(fd, &intent), 0);
        intent_begin(intent, job);
        for (size_t i = 0; i < n && !(other && *other == WORLD_NOTHING); i++) {
                struct intent_mount entry = entries[i];

                if (other && intent_is_mount(&entry) && *other == WORLD_GONE)
                        entry = (struct intent_mount) {.step = entry.step, .id = entry.id ? (UINT64_C(1) << 40) + i : 0,
                                                       .mount_id = 0x7fffff00 + (uint32_t) i};
                else if (other && intent_is_mount(&entry)) {
                        entry = *mount_after(entries, n, i);
                        entry.step = entries[i].step;
                }
                ck_assert_int_eq(intent_add(intent, entry.step, entry.id, entry.mount_id), 0);
        }
}

void world_have_two_tried(struct world *world, bool first, enum world_tried other) {
        _cleanup_free_ struct intent_mount *made = NULL;
        uint64_t job = 0;
        size_t n = 0;

        for (unsigned slot = 0; slot < WORLD_EXECUTORS && n == 0; slot++) {
                free(TAKE_PTR(made));
                (void) intent_read(world->executors[slot].intent_fd, &job, &made, &n);
        }
        ck_assert_uint_gt(n, 0);
        for (unsigned slot = 0; slot < WORLD_EXECUTORS; slot++)
                write_intent(world->executors[slot].intent_fd, job, made, n, (slot == 0) == first ? NULL : &other);
}

int world_hold(const char *path) {
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        return fd;
}

unsigned world_count(const char *path) {
        _cleanup_free_ char *table = namespace_snapshot();
        unsigned n = 0;
        char *rest = NULL;

        for (char *line = strtok_r(table, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
                char *field = line;

                for (unsigned i = 0; i < 4; i++)
                        field += strcspn(field, " ") + 1;
                field[strcspn(field, " ")] = '\0';
                n += path_is_below(field, path);
        }
        return n;
}

char *world_snapshot(void) {
        char *text = namespace_snapshot();

        namespace_unstage(text);
        return text;
}

void world_unchanged(const char *before) {
        _cleanup_free_ char *now = world_snapshot();

        if (strcmp(now, before) != 0)
                fprintf(stderr, "before:\n%snow:\n%s", before, now);
        ck_assert_msg(strcmp(now, before) == 0, "the mount table is not as it was");
}

void world_intend_replace(struct world *world, int64_t row, uint64_t namespace, const struct intent_mount *made) {
        const struct intent_replace replace = {
                .row = row,
                .namespace = namespace,
                .request = (char *) (uintptr_t) BIND("/tmp/next", "/data"),
                .root = true,
                .made = *made,
        };
        struct record_intent intent = {.job = store_next_job(world->pods.store), .uuid = (char *) (uintptr_t) UUID_A,
                .verb = RECORD_VERB_REPLACE};

        ck_assert_int_eq(intent_replace_write(&replace, &intent.detail), 0);
        ck_assert_int_eq(store_begin(world->pods.store), 0);
        ck_assert_int_eq(store_put_intent(world->pods.store, &intent), 0);
        ck_assert_int_eq(store_commit(world->pods.store), 0);
        free(intent.detail);
}
