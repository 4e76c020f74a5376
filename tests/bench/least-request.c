/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "least-request.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
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

#define BUS_NAME "org.podmount1.Bench"
#define UUID "01234567-89ab-cdef-0123-456789abcdef"

enum { TEXT_SIZE = 256, POD_MOUNTS = 14, WARM = 20 };

struct job {
        bool pod;
        char source[TEXT_SIZE], target[TEXT_SIZE];
};

struct answer {
        uint64_t id;
};

struct front {
        const struct least *least;
        int executor;
        sqlite3 *db;
        sqlite3_stmt *begin, *pod, *ready, *mount, *commit;
        sd_bus_message *request;
        struct job job;
};

static long must(long r, const char *what) {
        if (r >= 0)
                return r;
        fprintf(stderr, "bench: least: %s: %s\n", what, strerror(errno));
        exit(EXIT_FAILURE);
}

static void must_bus(int r, const char *what) {
        if (r < 0)
                errno = -r;
        (void) must(r, what);
}

static void must_sql(const struct front *front, int rc, int wanted) {
        if (rc == wanted)
                return;
        fprintf(stderr, "bench: least: %s\n", sqlite3_errmsg(front->db));
        exit(EXIT_FAILURE);
}

static char *below(const struct least *least, const char *name, char path[static TEXT_SIZE]) {
        must_bus(snprintf(path, TEXT_SIZE, "%s/%s", least->scratch, name) < TEXT_SIZE ? 0 : -ENAMETOOLONG, name);
        return path;
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
        _cleanup_close_ int tree = raw_clone(job->source), root = raw_open(top, "."), at = raw_open(root, job->target);
        struct statx stx;
        struct statfs sfs;

        (void) must(statx(tree, "", AT_EMPTY_PATH, STATX_MNT_ID_UNIQUE, &stx), "statx");
        (void) must(fstatfs(at, &sfs), "fstatfs");
        raw_attach(tree, at);
        return stx.stx_mnt_id;
}

static void executor(const struct least *least, int socket) {
        _cleanup_close_ int top = (int) must(open(least->scratch, O_PATH | O_DIRECTORY | O_CLOEXEC), least->scratch);
        struct job job;

        while (recv(socket, &job, sizeof(job), 0) == sizeof(job)) {
                struct answer answer = {};

                if (job.pod) {
                        (void) must(mkdir(job.target, 0700), "mkdir");
                        raw_pod(job.source, job.source, job.target);
                } else
                        answer.id = bind_there(top, &job);
                (void) must(send(socket, &answer, sizeof(answer), 0), "send");
        }
        _exit(EXIT_SUCCESS);
}

static void run(struct front *front, sqlite3_stmt *statement) {
        must_sql(front, sqlite3_step(statement), SQLITE_DONE);
        (void) sqlite3_reset(statement); /* repeats what the step said */
}

/* The store knows of a pod before the kernel does. */
static void intend(struct front *front, const char *spec) {
        run(front, front->begin);
        must_sql(front, sqlite3_bind_text(front->pod, 1, spec, -1, SQLITE_STATIC), SQLITE_OK);
        run(front, front->pod);
        run(front, front->commit);
}

static void record(struct front *front, const struct answer *answer) {
        run(front, front->begin);
        for (int i = 0; i < (front->job.pod ? POD_MOUNTS : 1); i++) {
                must_sql(front, sqlite3_bind_int64(front->mount, 1, (sqlite3_int64) answer->id), SQLITE_OK);
                must_sql(front, sqlite3_bind_text(front->mount, 2, front->job.source, -1, SQLITE_STATIC), SQLITE_OK);
                must_sql(front, sqlite3_bind_text(front->mount, 3, front->job.target, -1, SQLITE_STATIC), SQLITE_OK);
                run(front, front->mount);
        }
        if (front->job.pod)
                run(front, front->ready);
        run(front, front->commit);
}

static int on_answer(sd_event_source *source _unused_, int fd, uint32_t revents _unused_, void *userdata) {
        struct front *front = userdata;
        struct answer answer;

        (void) must(recv(fd, &answer, sizeof(answer), 0), "recv");
        if (front->db)
                record(front, &answer);
        must_bus(front->job.pod ? sd_bus_reply_method_return(front->request, "so", UUID, PODMOUNT_OBJECT_PATH) :
                                  sd_bus_reply_method_return(front->request, "t", answer.id), "reply");
        front->request = sd_bus_message_unref(front->request);
        return 0;
}

static void submit(struct front *front, sd_bus_message *m, bool pod, const char *source, const char *target) {
        struct statx stx;

        front->job.pod = pod;
        (void) snprintf(front->job.source, TEXT_SIZE, "%s", source); /* the bench's own paths fit */
        (void) snprintf(front->job.target, TEXT_SIZE, "%s", target);
        (void) must(statx(AT_FDCWD, front->least->scratch, AT_SYMLINK_NOFOLLOW, STATX_MNT_ID_UNIQUE, &stx), "statx");
        (void) must(send(front->executor, &front->job, sizeof(front->job), 0), "send");
        front->request = sd_bus_message_ref(m);
}

static int on_bind(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        const char *source, *target;

        must_bus(sd_bus_message_read(m, "sss", NULL, &source, &target), "read");
        must_bus(sd_bus_message_skip(m, "a{sh}a{sv}"), "skip");
        submit(userdata, m, false, source, target);
        return 1;
}

static int on_create(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        struct front *front = userdata;
        struct json_object *json;
        char point[TEXT_SIZE];
        const char *spec;

        must_bus(sd_bus_message_read(m, "s", &spec), "read");
        must_bus(sd_bus_message_skip(m, "a{sh}a{sv}"), "skip");
        json = json_tokener_parse(spec);
        must_bus(json ? 0 : -EBADMSG, "spec");
        if (front->db)
                intend(front, spec);
        submit(front, m, true, front->least->root, below(front->least, "least", point));
        (void) json_object_put(json);
        return 1;
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Bind", "sssa{sh}a{sv}", "t", on_bind, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("CreatePod", "sa{sh}a{sv}", "so", on_create, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static void prepare(struct front *front, const char *sql, sqlite3_stmt **ret) {
        must_sql(front, sqlite3_prepare_v2(front->db, sql, -1, ret, NULL), SQLITE_OK);
}

/* As the daemon's own store is set. */
static void open_store(struct front *front) {
        char path[TEXT_SIZE];

        must_sql(front, sqlite3_open(below(front->least, "least.db", path), &front->db), SQLITE_OK);
        must_sql(front, sqlite3_exec(front->db,
                                     "PRAGMA locking_mode = EXCLUSIVE; PRAGMA page_size = 1024; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;"
                                     "CREATE TABLE IF NOT EXISTS pod (number INTEGER PRIMARY KEY, state INTEGER, spec TEXT);"
                                     "CREATE TABLE IF NOT EXISTS mount (row INTEGER PRIMARY KEY, id INTEGER, source TEXT, target TEXT)", NULL, NULL, NULL),
                 SQLITE_OK);
        prepare(front, "BEGIN IMMEDIATE", &front->begin);
        prepare(front, "INSERT INTO pod (state, spec) VALUES (0, ?)", &front->pod);
        prepare(front, "UPDATE pod SET state = 1 WHERE number = last_insert_rowid()", &front->ready);
        prepare(front, "INSERT INTO mount (id, source, target) VALUES (?, ?, ?)", &front->mount);
        prepare(front, "COMMIT", &front->commit);
}

static sd_bus *serve(const struct least *least, int client) {
        sd_bus *bus = NULL;
        sd_id128_t id;

        if (least->bus) {
                must_bus(sd_bus_open_system(&bus), "system bus");
                must_bus(sd_bus_request_name(bus, BUS_NAME, 0), "request_name");
                return bus;
        }
        must_bus(sd_id128_randomize(&id), "randomize");
        must_bus(sd_bus_new(&bus), "sd_bus_new");
        must_bus(sd_bus_set_server(bus, true, id), "set_server");
        must_bus(sd_bus_set_fd(bus, client, client), "set_fd");
        must_bus(sd_bus_start(bus), "start");
        return bus;
}

static void front(const struct least *least, int client, int worker) {
        struct front front = {.least = least, .executor = worker};
        sd_bus *bus = serve(least, client);
        sd_event *event = NULL;

        if (least->records)
                open_store(&front);
        must_bus(sd_event_new(&event), "sd_event_new");
        must_bus(sd_bus_add_object_vtable(bus, NULL, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, vtable, &front), "vtable");
        must_bus(sd_bus_attach_event(bus, event, 0), "attach");
        must_bus(sd_event_add_io(event, NULL, worker, EPOLLIN, on_answer, &front), "add_io");
        if (least->bus)
                (void) must(send(client, "", 1, 0), "say that it is there");
        (void) sd_event_loop(event); /* until it is killed */
        _exit(EXIT_SUCCESS);
}

static double request(const struct least *least, sd_bus *bus) {
        sd_bus_message *m = NULL, *reply = NULL;
        double begin = sample_now();

        must_bus(sd_bus_message_new_method_call(bus, &m, least->bus ? BUS_NAME : NULL, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE,
                                                least->spec ? "CreatePod" : "Bind"), "message");
        must_bus(least->spec ? sd_bus_message_append(m, "s", least->spec) : sd_bus_message_append(m, "sss", UUID, least->root, "bind"), "append");
        must_bus(sd_bus_message_append(m, "a{sh}a{sv}", 0, 0), "append");
        must_bus(sd_bus_call(bus, m, 0, NULL, &reply), "call");
        (void) sd_bus_message_unref(reply);
        (void) sd_bus_message_unref(m);
        return sample_now() - begin;
}

static void undo(const struct least *least, int scratch) {
        char point[TEXT_SIZE];

        raw_unmount(scratch, least->spec ? "least" : "bind", least->spec != NULL);
        if (least->spec)
                (void) must(rmdir(below(least, "least", point)), "rmdir");
}

static sd_bus *connect_to(const struct least *least, int socket) {
        sd_bus *bus = NULL;
        char byte;

        if (least->bus) {
                (void) must(recv(socket, &byte, 1, 0), "recv");
                must_bus(sd_bus_open_system(&bus), "system bus");
                (void) close(socket); /* it has said what it had to */
                return bus;
        }
        must_bus(sd_bus_new(&bus), "sd_bus_new");
        must_bus(sd_bus_set_fd(bus, socket, socket), "set_fd");
        must_bus(sd_bus_start(bus), "start");
        return bus;
}

void least_measure(const struct least *least, size_t n, struct samples *ret) {
        _cleanup_close_ int scratch = (int) must(open(least->scratch, O_PATH | O_DIRECTORY | O_CLOEXEC), least->scratch);
        int outer[2], inner[2];
        pid_t pids[2];
        sd_bus *bus;

        (void) must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, outer), "socketpair");
        (void) must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, inner), "socketpair");
        pids[0] = start();
        if (pids[0] == 0)
                executor(least, inner[1]);
        pids[1] = start();
        if (pids[1] == 0) {
                (void) close(outer[0]); /* the client's */
                front(least, outer[1], inner[0]);
        }
        (void) close(outer[1]); /* the front's */
        bus = connect_to(least, outer[0]);
        for (size_t i = 0; i < n + WARM; i++) {
                double time = request(least, bus);

                if (i >= WARM)
                        samples_add(ret, time);
                undo(least, scratch);
        }
        (void) sd_bus_flush_close_unref(bus);
        for (size_t i = 0; i < 2; i++) {
                (void) kill(pids[i], SIGKILL); /* it has ended by itself, at best */
                (void) waitpid(pids[i], NULL, 0);
                (void) close(inner[i]);
        }
}
