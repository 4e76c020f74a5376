/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "least-bind.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "dbus/names.h"
#include "raw.h"

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x00004000U
#endif

enum { TEXT_SIZE = 256 };

struct job {
        char source[TEXT_SIZE], target[TEXT_SIZE];
};

struct answer {
        uint64_t id;
};

struct front {
        int executor;
        const char *root;
        sqlite3 *db;
        sqlite3_stmt *begin, *insert, *commit;
        sd_bus_message *request;
        struct job job;
};

static long must(long r, const char *what) {
        if (r >= 0)
                return r;
        fprintf(stderr, "bench: least-bind: %s: %s\n", what, strerror(errno));
        exit(EXIT_FAILURE);
}

static void must_bus(int r, const char *what) {
        errno = -r;
        (void) must(r, what);
}

static void must_sql(const struct front *front, int rc, int wanted) {
        if (rc == wanted)
                return;
        fprintf(stderr, "bench: least-bind: %s\n", sqlite3_errmsg(front->db));
        exit(EXIT_FAILURE);
}

static pid_t start(void) {
        pid_t pid = fork();

        (void) must(pid, "fork");
        if (pid == 0)
                (void) must(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0), "prctl");
        return pid;
}

/* What raw_bind() does, the id before it is attached, and whether the target is one of /proc or /sys. */
static uint64_t bind_there(int top, const struct job *job) {
        _cleanup_close_ int tree = raw_clone(job->source), below = raw_open(top, "."), at = raw_open(below, job->target);
        struct statx stx;
        struct statfs sfs;

        (void) must(statx(tree, "", AT_EMPTY_PATH, STATX_MNT_ID_UNIQUE, &stx), "statx");
        (void) must(fstatfs(at, &sfs), "fstatfs");
        raw_attach(tree, at);
        return stx.stx_mnt_id;
}

static void executor(int socket, const char *root) {
        _cleanup_close_ int top = (int) must(open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), root);
        struct job job;

        while (recv(socket, &job, sizeof(job), 0) == sizeof(job)) {
                struct answer answer = {.id = bind_there(top, &job)};

                (void) must(send(socket, &answer, sizeof(answer), 0), "send");
        }
        _exit(EXIT_SUCCESS);
}

static void run(struct front *front, sqlite3_stmt *statement) {
        must_sql(front, sqlite3_step(statement), SQLITE_DONE);
        (void) sqlite3_reset(statement); /* repeats what the step said */
}

static void record(struct front *front, const struct answer *answer) {
        run(front, front->begin);
        must_sql(front, sqlite3_bind_int64(front->insert, 1, (sqlite3_int64) answer->id), SQLITE_OK);
        must_sql(front, sqlite3_bind_text(front->insert, 2, front->job.source, -1, SQLITE_STATIC), SQLITE_OK);
        must_sql(front, sqlite3_bind_text(front->insert, 3, front->job.target, -1, SQLITE_STATIC), SQLITE_OK);
        run(front, front->insert);
        run(front, front->commit);
}

static int on_answer(sd_event_source *source _unused_, int fd, uint32_t revents _unused_, void *userdata) {
        struct front *front = userdata;
        struct answer answer;

        (void) must(recv(fd, &answer, sizeof(answer), 0), "recv");
        if (front->db)
                record(front, &answer);
        must_bus(sd_bus_reply_method_return(front->request, "t", answer.id), "reply");
        front->request = sd_bus_message_unref(front->request);
        return 0;
}

static int on_bind(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        struct front *front = userdata;
        const char *pod, *source, *target;
        struct statx stx;

        must_bus(sd_bus_message_read(m, "sss", &pod, &source, &target), "read");
        must_bus(sd_bus_message_skip(m, "a{sh}a{sv}"), "skip");
        (void) must(statx(AT_FDCWD, front->root, AT_SYMLINK_NOFOLLOW, STATX_MNT_ID_UNIQUE, &stx), "statx");
        (void) snprintf(front->job.source, TEXT_SIZE, "%s", source); /* the bench's own paths fit */
        (void) snprintf(front->job.target, TEXT_SIZE, "%s", target);
        (void) must(send(front->executor, &front->job, sizeof(front->job), 0), "send");
        front->request = sd_bus_message_ref(m);
        return 1;
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Bind", "sssa{sh}a{sv}", "t", on_bind, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

/* As the daemon's own store is set. */
static void open_store(struct front *front, const char *store) {
        char path[TEXT_SIZE * 2];

        (void) snprintf(path, sizeof(path), "%s/least.db", store); /* as above */
        must_sql(front, sqlite3_open(path, &front->db), SQLITE_OK);
        must_sql(front, sqlite3_exec(front->db,
                                     "PRAGMA locking_mode = EXCLUSIVE; PRAGMA page_size = 1024; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;"
                                     "CREATE TABLE IF NOT EXISTS mount (row INTEGER PRIMARY KEY, id INTEGER, source TEXT, target TEXT)", NULL, NULL, NULL), SQLITE_OK);
        must_sql(front, sqlite3_prepare_v2(front->db, "BEGIN IMMEDIATE", -1, &front->begin, NULL), SQLITE_OK);
        must_sql(front, sqlite3_prepare_v2(front->db, "INSERT INTO mount (id, source, target) VALUES (?, ?, ?)", -1, &front->insert, NULL),
                 SQLITE_OK);
        must_sql(front, sqlite3_prepare_v2(front->db, "COMMIT", -1, &front->commit, NULL), SQLITE_OK);
}

static void front(int client, int worker, const char *root, const char *store) {
        struct front front = {.executor = worker, .root = root};
        sd_event *event = NULL;
        sd_bus *bus = NULL;
        sd_id128_t id;

        if (store)
                open_store(&front, store);
        must_bus(sd_event_new(&event), "sd_event_new");
        must_bus(sd_id128_randomize(&id), "randomize");
        must_bus(sd_bus_new(&bus), "sd_bus_new");
        must_bus(sd_bus_set_server(bus, true, id), "set_server");
        must_bus(sd_bus_set_fd(bus, client, client), "set_fd");
        must_bus(sd_bus_add_object_vtable(bus, NULL, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, vtable, &front), "vtable");
        must_bus(sd_bus_start(bus), "start");
        must_bus(sd_bus_attach_event(bus, event, 0), "attach");
        must_bus(sd_event_add_io(event, NULL, worker, EPOLLIN, on_answer, &front), "add_io");
        (void) sd_event_loop(event); /* until it is killed */
        _exit(EXIT_SUCCESS);
}

static double bind_one(sd_bus *bus, const char *source, const char *target) {
        sd_bus_message *m = NULL, *reply = NULL;
        double begin = sample_now();

        must_bus(sd_bus_message_new_method_call(bus, &m, NULL, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, "Bind"), "Bind");
        must_bus(sd_bus_message_append(m, "sssa{sh}a{sv}", "01234567-89ab-cdef-0123-456789abcdef", source, target, 0, 0), "append");
        must_bus(sd_bus_call(bus, m, 0, NULL, &reply), "call");
        (void) sd_bus_message_unref(reply);
        (void) sd_bus_message_unref(m);
        return sample_now() - begin;
}

void least_bind_measure(const char *source, const char *root, const char *target, const char *store, size_t n, struct samples *ret) {
        enum { WARM = 20 };
        _cleanup_close_ int top = (int) must(open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), root);
        int outer[2], inner[2];
        sd_bus *bus = NULL;
        pid_t pids[2];

        (void) must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, outer), "socketpair");
        (void) must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, inner), "socketpair");
        pids[0] = start();
        if (pids[0] == 0)
                executor(inner[1], root);
        pids[1] = start();
        if (pids[1] == 0) {
                (void) close(outer[0]); /* the client's */
                front(outer[1], inner[0], root, store);
        }
        (void) close(outer[1]); /* the front's */
        must_bus(sd_bus_new(&bus), "sd_bus_new");
        must_bus(sd_bus_set_fd(bus, outer[0], outer[0]), "set_fd");
        must_bus(sd_bus_start(bus), "start");
        for (size_t i = 0; i < n + WARM; i++) {
                double time = bind_one(bus, source, target);

                if (i >= WARM)
                        samples_add(ret, time);
                raw_unmount(top, target, 0);
        }
        (void) sd_bus_flush_close_unref(bus);
        for (size_t i = 0; i < 2; i++) {
                (void) kill(pids[i], SIGKILL); /* it has ended by itself, at best */
                (void) waitpid(pids[i], NULL, 0);
                (void) close(inner[i]);
        }
}
