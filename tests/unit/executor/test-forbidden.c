/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A captured front: an executor process whose socket the test has. Of each kind of step there is in one table what is forbidden of it, and the table is whole.
 * Then messages that are none: cut off, too long, with other fds than they say; and what no job shows, but the kernel or the configuration: fds of another kind,
 * ids that are not the caller's, images and places on the host that are not granted. The rules of the door, one by one, are in test-door*.c.
 */

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "executor/executor.h"
#include "plan/layer.h"
#include "spec/spec.h"
#include "tests/unit/executor/hands.h"
#include "util/channel.h"
#include "util/log.h"

enum { FDS_MAX = 4 };

static int front = -1;
static pid_t child;

static bool begin(void) {
        if (!hands_begin(NULL))
                return false;
        child = start_executor(&front);
        return true;
}

/* It has lived through all of it, and ends with its socket, in order. */
static void end(void) {
        int status;

        ck_assert_int_eq(waitpid(child, &status, WNOHANG), 0);
        front = close_fd(front);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", (unsigned) status);
}

/* Sends these bytes: they are refused with these words, and no mount has come or gone. */
static void send_refused(const uint8_t *data, size_t size, const int *fds, size_t n_fds, enum failure_kind kind, const char *words, const char *what) {
        _cleanup_free_ char *before = namespace_snapshot();
        _cleanup_message_ struct channel_message message = {};
        _cleanup_job_result_ struct job_result result = {};

        ck_assert_int_eq(channel_send(front, data, size, fds, n_fds), 0);
        ck_assert_msg(channel_receive(front, 0, &message) == 1, "%s: no answer", what);
        ck_assert_int_eq(job_result_decode(message.data, message.size, &result), 0);
        ck_assert_msg(result.failure == kind && result.text && strstr(result.text, words), "%s: %d, %s", what, result.failure, result.text ? result.text : "not refused");
        ck_assert_msg(!result.fd && message.n_fds == 0, "%s: an fd came back", what);
        for (size_t i = 0; i < result.n_steps; i++)
                ck_assert_msg(!result.steps[i].done, "%s: step %zu was done", what, i);
        namespace_unchanged(before);
}

/* The same of a job, which is freed. */
static void forbid(struct job *job, const int *fds, size_t n_fds, enum failure_kind kind, const char *words, const char *what) {
        _cleanup_free_ uint8_t *data = NULL;
        size_t size;

        ck_assert_msg(job_encode(job, &data, &size) == 0, "%s is no job", what);
        job_free(job);
        send_refused(data, size, fds, n_fds, kind, words, what);
}

static const struct row {
        enum step_kind kind;
        const char *container, *target, *type, *stub; /* NULL: it has none */
        uint64_t serial;
        bool pod;       /* the job is one of a pod */
        unsigned n_fds; /* come along; the first is its source */
        const char *words;
} rows[] = {
        {STEP_TREE, NULL, NULL, NULL, NULL, 0, false, 0, "a pod without a UUID"},
        {STEP_TREE, NULL, NULL, NULL, NULL, 0, true, 0, "a tree that is not published"},
        {STEP_ROOT, "main", "/", NULL, NULL, 0, true, 1, "a root comes with its pod or container"},
        {STEP_BIND, "main", "/data/../../x", NULL, NULL, 0, true, 1, "a target is no normalised absolute path"},
        {STEP_BIND, "..", "/data", NULL, NULL, 0, true, 1, "a container's name is none"},
        {STEP_BIND, "main/../x", "/data", NULL, NULL, 0, true, 1, "a container's name is none"},
        {STEP_BIND, "main", "/proc/self", NULL, NULL, 0, true, 1, "/proc"},
        {STEP_BIND, "main", "/data", NULL, NULL, 0, true, 0, "a source is missing"},
        {STEP_BIND, SPEC_HOST, "/etc", NULL, NULL, 0, true, 1, "a container's name is none"},
        {STEP_FILESYSTEM, "main", "/data", "ext4", NULL, 0, true, 0, "a file-system type that is not on the list"},
        {STEP_FILESYSTEM, "main", "/data", "nfs", NULL, 0, true, 0, "a file-system type that is not on the list"},
        {STEP_FILESYSTEM, "main", "/..", "tmpfs", NULL, 0, true, 0, "a target is no normalised absolute path"},
        {STEP_FILESYSTEM, "main", "/data", "fuse", NULL, 0, true, 0, "without the option fd"},
        {STEP_IMAGE, "main", "/data", "xfs", NULL, 0, true, 1, "an image of a type that is not on the list"},
        {STEP_IMAGE, "main", "data", "erofs", NULL, 0, true, 1, "a target is no normalised absolute path"},
        {STEP_OVERLAY, "main", "/data", NULL, NULL, 0, true, 0, "an overlay has 1 to"},
        {STEP_OVERLAY, "main", "/sys/x", NULL, NULL, 0, true, 0, "/sys"},
        {STEP_MASK, "main", "/", NULL, NULL, 0, true, 0, "a target is no normalised absolute path below the root"},
        {STEP_MASK, "main", "/../etc", NULL, NULL, 0, true, 0, "a target is no normalised absolute path below the root"},
        {STEP_READONLY, "main", "/../etc", NULL, NULL, 0, true, 0, "a target is no normalised absolute path below the root"},
        {STEP_REMOUNT, "main", "/data", "tmpfs", NULL, 0, true, 0, "what is to be changed has no id"},
        {STEP_MKDIR, "main", "/data", NULL, NULL, 0, true, 0, "a directory comes with its container"},
        {STEP_PUBLISH, NULL, NULL, NULL, NULL, 0, true, 0, "a tree is published last"},
        {STEP_CONTAINER, "main", NULL, NULL, NULL, 0, true, 0, "a tree that is not published"},
        {STEP_JOIN, "main", NULL, NULL, NULL, 0, true, 0, "a tree is published last"},
        {STEP_UNMOUNT, NULL, "../../../etc", NULL, NULL, 0, true, 0, "what is to be unmounted has no plain path"},
        {STEP_UNMOUNT, NULL, "/etc", NULL, NULL, 0, true, 0, "what is to be unmounted has no plain path"},
        {STEP_UNMOUNT, NULL, "main/rootfs/etc", NULL, NULL, 0, true, 0, "what is to be unmounted has no id"},
        {STEP_DETACH, NULL, "main/..", NULL, NULL, 0, true, 0, "what is to be unmounted has no plain path"},
        {STEP_UNMAKE, NULL, "/data", NULL, NULL, 0, true, 1, "what was made is in no normalised absolute path"},
        {STEP_REMOVE_POD, NULL, NULL, NULL, NULL, 0, false, 0, "a pod without a UUID"},
        {STEP_OPEN_TREE, "main", "/..", NULL, NULL, 0, true, 0, "what is to be opened is no normalised absolute path"},
        {STEP_OPEN_TREE, "main", "/", NULL, NULL, 0, false, 0, "a tree is opened alone, and of a pod"},
        {STEP_FIND, "main", NULL, NULL, "bin/sh", 0, true, 0, "a program is looked for at"},
        {STEP_EXAMINE, "", "/etc", NULL, NULL, 0, true, 0, "in a pod or on the host"},
        {STEP_EXAMINE, "", "etc", NULL, NULL, 0, false, 0, "what is looked at is no absolute path"},
        {STEP_IDENTIFY, NULL, NULL, NULL, NULL, 0, false, 0, "who is to be identified comes as a pidfd"},
        {STEP_ENTER, "main", NULL, NULL, NULL, 0, true, 0, "where to mount comes as an fd"},
        {STEP_SEEK, NULL, NULL, NULL, NULL, 0, true, 0, "is known by the ids of both"},
        {STEP_WITHDRAW, NULL, NULL, NULL, NULL, 0, true, 0, "is known by the ids of both"},
        {STEP_LAYER_MAKE, NULL, "../x", NULL, NULL, 7, false, 0, "a layer's id is none"},
        {STEP_LAYER_MAKE, NULL, "1:2:x", NULL, NULL, 2, false, 0, "a layer's id is none"},
        {STEP_LAYER_MAKE, NULL, "x", NULL, NULL, 7, true, 0, "a layer is worked on alone, and in no pod"},
        {STEP_LAYER_RETIRE, NULL, "..", NULL, NULL, 7, false, 0, "a layer's id is none"},
        {STEP_LAYER_MOUNT, NULL, ".x-removing-7", NULL, NULL, 7, false, 0, "a layer's id is none"},
        {STEP_LAYER_MOUNT, NULL, "1:2:x", NULL, NULL, 7, false, 0, "a layer in a store with two numbers"},
        {STEP_LAYER_MOUNT, NULL, "x", NULL, "x", 7, false, 0, "a layer that stands on what is no layer"},
        {STEP_LAYER_UNMOUNT, NULL, "x", NULL, NULL, 7, false, 0, "what is to be unmounted has no id"},
        {STEP_LAYER_PURGE, NULL, "a/b", NULL, NULL, 7, false, 0, "a layer's id is none"},
        {STEP_LAYER_APPLY, NULL, "x", NULL, NULL, 7, false, 1, "a tar without a limit"},
        {STEP_LAYER_APPLY, NULL, "1:7:x", NULL, NULL, 7, false, 1, "a layer's id is none"},
        {STEP_LAYER_MERGE, NULL, ".apply", NULL, NULL, 7, false, 0, "a layer's id is none"},
        {STEP_LAYER_ADOPT, NULL, "x", NULL, NULL, 0, false, 0, "a layer without a number"},
        {STEP_LAYER_CLEAR, NULL, "", NULL, NULL, 7, false, 0, "a layer's id is none"},
        {STEP_IMAGE_READ, NULL, NULL, NULL, NULL, 0, false, 0, "an image is read alone, and in no pod"},
        {STEP_IMAGE_READ, NULL, NULL, NULL, "x", 0, false, 1, "an image without a reference and a platform"},
        {STEP_IMAGE_BLOB, NULL, NULL, NULL, "../etc/shadow", 0, false, 1, "a blob without a digest"},
        {STEP_LAYER_DIFF, NULL, "x", NULL, "..", 7, false, 1, "a layer that stands on what is no layer"},
        {STEP_LAYER_CHANGES, NULL, "x/y", NULL, NULL, 7, false, 0, "a layer's id is none"},
        {STEP_LAYER_SIZE, NULL, "1:2:x", NULL, NULL, 7, false, 0, "a layer in a store with two numbers"},
        {STEP_LAYER_OPEN, NULL, "x", NULL, NULL, 0, false, 0, "a layer without a number"},
        {STEP_PIN, SPEC_HOST, "/tmp/run/ns/x", "net", NULL, 0, true, 1, "a namespace is bound to a file of the host"},
        {STEP_LINK, "main", "eth/0", "dummy", NULL, 0, true, 0, "the name of an interface is none"},
        {STEP_LINK, "main", "eth0", "", NULL, 0, true, 0, "what is to be made is of a kind"},
        {STEP_LINK, "main", "eth0", "veth", NULL, 0, true, 0, "a veth has another end"},
        {STEP_LINK, "main", "eth0", "dummy", NULL, 0, false, 0, "a pod without a UUID"},
        {STEP_UNLINK, "main", "eth0", "", NULL, 0, true, 0, "an interface that podmount did not make is never removed"},
        {STEP_UNLINK, "main/..", "eth0", "dummy", NULL, 0, true, 0, "an interface is in no container"},
        {STEP_UNLINK, "main", "eth0", "dummy", NULL, 0, false, 0, "a pod without a UUID"},
        {STEP_GC_PROGRAM, "main", "/bin/../sh", NULL, NULL, 0, true, 0, "a gc program has no normalised absolute path"},
        {STEP_GC_PROGRAM, "main", "/", NULL, NULL, 0, true, 0, "a gc program has no normalised absolute path"},
        {STEP_GC_PROGRAM, "..", "/bin/sh", NULL, NULL, 0, true, 0, "a container's name is none"},
        {STEP_GC_PROGRAM, "main", "/bin/sh", NULL, NULL, 0, false, 0, "a gc program runs alone, and for a pod"},
        {STEP_HOLDERS, NULL, NULL, NULL, NULL, 0, false, 0, "holders are looked for of no mount"},
        {STEP_CGROUP_MAKE, NULL, "..", NULL, NULL, 0, true, 0, "a cgroup that may be there"},
        {STEP_CGROUP_REMOVE, NULL, "..", NULL, NULL, 0, true, 0, "a name of one component"},
        {STEP_CGROUP_REMOVE, NULL, "a/b", NULL, NULL, 0, true, 0, "a name of one component"},
        {STEP_CGROUP_REMOVE, NULL, "x", NULL, NULL, 0, false, 0, "a pod without a UUID"},
};

static struct job *job_of(const struct row *row) {
        struct job *job = new_job(true);
        struct step *step = job_add(job, row->kind);

        if (!row->pod)
                job->uuid[0] = '\0';
        job->n_fds = row->n_fds;
        step->container = row->container ? strdup(row->container) : NULL;
        step->target = row->target ? strdup(row->target) : NULL;
        step->type = row->type ? strdup(row->type) : NULL;
        step->serial = row->serial;
        if (row->stub)
                ck_assert_int_eq(strv_append(&step->stubs, row->stub), 0);
        if (row->n_fds > 0)
                step->source.kind = STEP_SOURCE_FD;
        return job;
}

START_TEST(test_every_kind) {
        int fds[FDS_MAX];

        if (!begin())
                return;
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                fds[i] = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *what = NULL;

                ck_assert_int_gt(asprintf(&what, "row %zu (%s)", i, step_kind_name(rows[i].kind)), 0);
                forbid(job_of(&rows[i]), fds, rows[i].n_fds, FAILURE_INVALID_ARGS, rows[i].words, what);
        }
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                (void) close_fd(fds[i]);
        end();
}
END_TEST

/* A kind that is new has something that is forbidden of it. */
START_TEST(test_table_is_whole) {
        for (int kind = 0; kind < _STEP_KIND_MAX; kind++) {
                bool found = false;

                for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                        found |= (int) rows[i].kind == kind;
                ck_assert_msg(found, "nothing is forbidden of %s", step_kind_name((enum step_kind) kind));
        }
}
END_TEST

static struct job *good_job(void) {
        struct job *job = new_job(true);

        add_tree(job);
        add_root(job, "/tmp/root");
        add_bind(job, "/tmp/src", "/data");
        add_publish(job);
        return job;
}

/* Every beginning of a good job, with bytes behind it, with fds that it does not say, and past the size of a message. */
START_TEST(test_bytes) {
        _cleanup_(job_freep) struct job *job = NULL;
        _cleanup_free_ uint8_t *data = NULL, *longer = NULL;
        static const char none[] = "the message is no job";
        int fds[2], pair[2];
        size_t size;

        if (!begin())
                return;
        job = good_job();
        ck_assert_int_eq(job_encode(job, &data, &size), 0);
        fds[0] = fds[1] = open("/tmp/src", O_PATH | O_CLOEXEC);
        for (size_t i = 1; i < size; i++)
                send_refused(data, i, NULL, 0, FAILURE_INVALID_ARGS, none, "a part");
        longer = calloc(1, CHANNEL_INLINE_MAX * 2);
        memcpy(longer, data, size);
        send_refused(longer, size + 1, NULL, 0, FAILURE_INVALID_ARGS, none, "a byte more");
        send_refused(longer, CHANNEL_INLINE_MAX * 2, NULL, 0, FAILURE_INVALID_ARGS, none, "more than goes in one piece");
        send_refused(data, size, fds, 1, FAILURE_INVALID_ARGS, "1 fds came instead of 0", "an fd more");
        send_refused(data, size, fds, 2, FAILURE_INVALID_ARGS, "2 fds came instead of 0", "two fds more");
        job->n_fds = 2;
        free(data);
        ck_assert_int_eq(job_encode(job, &data, &size), 0);
        send_refused(data, size, fds, 1, FAILURE_INVALID_ARGS, "1 fds came instead of 2", "an fd less");
        (void) close_fd(fds[0]);
        /* What this side's channel does not send. */
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        ck_assert_int_eq(channel_send(pair[0], longer, (size_t) CHANNEL_MESSAGE_MAX + 1, NULL, 0), -E2BIG);
        (void) close_fd(pair[0]);
        (void) close_fd(pair[1]);
        end();
}
END_TEST

static struct job *bind_job(bool root) {
        struct job *job = new_job(root);

        add_bind(job, "/tmp/src", "/data");
        return job;
}

static struct job *fd_job(struct job *job) {
        struct step_source *source = &job->steps[0].source;

        free(source->path);
        *source = (struct step_source) {.kind = STEP_SOURCE_FD};
        job->n_fds = 1;
        return job;
}

/* What the door cannot see, the hands ask the kernel: of a pod that is there. */
START_TEST(test_wrong_fds) {
        _cleanup_job_result_ struct job_result result = {};
        int fd, pair[2];
        struct job *job;

        if (!begin())
                return;
        result = make_pod();
        ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
        forbid(fd_job(bind_job(true)), &pair[0], 1, FAILURE_INVALID_ARGS, "", "a pipe as a source");
        job = new_job(true);
        job->uuid[0] = '\0';
        job->n_fds = 1;
        job_add(job, STEP_IDENTIFY)->source.kind = STEP_SOURCE_FD;
        forbid(job, &pair[0], 1, FAILURE_ACCESS_DENIED, "cannot be looked at", "a pipe as a pidfd");
        (void) close_fd(pair[0]);
        (void) close_fd(pair[1]);
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        job = new_job(true);
        add_fs(job, "fuse", "/data");
        add_option(&job->steps[0], "fd", NULL);
        job->steps[0].options[0].fd = 0;
        job->n_fds = 1;
        forbid(job, &fd, 1, FAILURE_INVALID_ARGS, "is not /dev/fuse", "/dev/null as a FUSE");
        job = new_job(true);
        add_fs(job, "proc", "/proc");
        job->steps[0].space.kind = STEP_SOURCE_FD;
        job->n_fds = 1;
        forbid(job, &fd, 1, FAILURE_INVALID_ARGS, "", "/dev/null as a namespace");
        (void) close_fd(fd);
        end();
}
END_TEST

/* The executor was given no configuration, which grants nothing. */
START_TEST(test_not_granted) {
        _cleanup_job_result_ struct job_result result = {};
        struct id_mapping *mapping;
        struct job *job;

        if (!begin())
                return;
        result = make_pod();
        job = new_job(true);
        add_step(job, STEP_IMAGE, "/tmp/src/hello", "/data")->type = strdup("erofs");
        forbid(job, NULL, 0, FAILURE_NOT_SUPPORTED, "ImageTypes=", "an image");
        job = new_job(true);
        add_step(job, STEP_IMAGE, "/tmp/src/hello", "/data")->type = strdup("ext4");
        job->steps[0].flags = STEP_DEVICE;
        forbid(job, NULL, 0, FAILURE_NOT_SUPPORTED, "DeviceTypes=", "a device");
        job = new_job(true);
        add_bind(job, "/tmp/src", "/etc");
        free(job->steps[0].container);
        job->steps[0].container = strdup(SPEC_HOST);
        job->steps[0].flags = STEP_HOST;
        job->steps[0].propagation = MS_PRIVATE;
        forbid(job, NULL, 0, FAILURE_INVALID_TARGET, "HostTargets=", "a place on the host");
        job = new_job(true);
        job_add(job, STEP_UNMOUNT)->target = strdup("/tmp");
        job->steps[0].flags = STEP_HOST;
        job->steps[0].id = 1;
        forbid(job, NULL, 0, FAILURE_INVALID_TARGET, "HostTargets=", "what is mounted on the host");
        job = new_job(true);
        job_add(job, STEP_REMOVE_POD)->flags = STEP_DESERTED;
        forbid(job, NULL, 0, FAILURE_INVALID_ARGS, "flags", "a namespace of a pod that has none");
        job = bind_job(false);
        job->steps[0].idmap.given = true;
        mapping = array_append(&job->steps[0].idmap.uids, &job->steps[0].idmap.n_uids);
        *mapping = (struct id_mapping) {.container_id = 0, .host_id = CALLER, .size = 1};
        mapping = array_append(&job->steps[0].idmap.gids, &job->steps[0].idmap.n_gids);
        *mapping = (struct id_mapping) {.container_id = 0, .host_id = CALLER, .size = 1};
        forbid(job, NULL, 0, FAILURE_SOURCE_DENIED, "neither the caller's nor in its ranges", "ids that are not the caller's");
        end();
}
END_TEST

UNIT_MAIN("forbidden", test_every_kind, test_table_is_whole, test_bytes, test_wrong_fds, test_not_granted)
