/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An executor process whose front is in other hands: the bytes on its socket are anybody's. It answers or ends; what lies
 * outside the pods' directory stays as it is, and so does every mount there. */

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "executor/executor.h"
#include "tests/unit/executor/hands.h"
#include "util/channel.h"
#include "util/log.h"
#include "util/path.h"

enum { MUTATIONS = 6000, MESSAGES = 500 };

static int front = -1;
static pid_t child;

static void start(void) {
        child = start_executor(&front);
}

/* Its end by the end of its socket: neither a signal nor a sanitizer's report. */
static void stop(void) {
        int status;

        front = close_fd(front);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) <= EXIT_FAILURE, "status %#x", (unsigned) status);
}

static bool begin(void) {
        if (!hands_begin(NULL))
                return false;
        start();
        return true;
}

/* Sends these bytes and returns what the answer says. */
static enum failure_kind ask(const uint8_t *data, size_t size, const int *fds, size_t n_fds) {
        _cleanup_message_ struct channel_message message = {};
        _cleanup_job_result_ struct job_result result = {};

        ck_assert_int_eq(channel_send(front, data, size, fds, n_fds), 0);
        ck_assert_int_eq(channel_receive(front, 0, &message), 1);
        ck_assert_int_eq(job_result_decode(message.data, message.size, &result), 0);
        return result.failure;
}

static void encode(struct job *job, uint8_t **ret, size_t *ret_size) {
        ck_assert_int_eq(job_encode(job, ret, ret_size), 0);
        job_free(job);
}

static struct job *create_job(bool root) {
        struct job *job = new_job(root);

        add_tree(job);
        add_root(job, "/tmp/root");
        add_bind(job, "/tmp/src", "/data");
        add_option(add_fs(job, "tmpfs", "/etc"), "size", "65536");
        add_publish(job);
        return job;
}

static struct job *unmount_job(void) {
        struct job *job = new_job(true);
        struct step *step = job_add(job, STEP_UNMOUNT);

        step->target = strdup("main/rootfs/data");
        step->id = 1;
        step->mount_id = 1;
        return job;
}

/* Replaces a text in an encoded job by one of the same length. */
static void expect_refused(struct job *job, const char *from, const char *to, int line) {
        _cleanup_free_ char *before = namespace_snapshot();
        _cleanup_free_ uint8_t *data = NULL;
        bool found = false;
        size_t size;

        ck_assert_uint_eq(strlen(from), strlen(to));
        encode(job, &data, &size);
        for (size_t i = 0; i + strlen(from) <= size; i++)
                if (memcmp(data + i, from, strlen(from)) == 0) {
                        memcpy(data + i, to, strlen(to));
                        found = true;
                }
        ck_assert_msg(found, "line %d: %s is not there", line, from);
        ck_assert_msg(ask(data, size, NULL, 0) != FAILURE_NONE, "line %d: not refused", line);
        namespace_unchanged(before);
}
#define REFUSED(job, from, to) expect_refused((job), (from), (to), __LINE__)

START_TEST(test_forbidden) {
        if (!begin())
                return;
        REFUSED(create_job(true), UUID, "../../../tmp/src/aaaaaaaaaaaaaaaaaaa");
        REFUSED(create_job(true), UUID, "../11111-2222-3333-4444-555555555555");
        REFUSED(create_job(true), "main", "../.");
        REFUSED(create_job(true), "main", "a/..");
        REFUSED(create_job(true), "/data", "/../x");
        REFUSED(create_job(true), "/data", "/./xx");
        REFUSED(create_job(true), "/data", "data/");
        REFUSED(create_job(true), "/data", "/proc");
        REFUSED(create_job(true), "/tmp/src", "/tmp/../");
        REFUSED(create_job(true), "/tmp/src", "tmp/srcs");
        REFUSED(create_job(false), "/tmp/src", "/proc/1/");
        REFUSED(create_job(true), "tmpfs", "btrfs");
        REFUSED(create_job(true), "tmpfs", "devfs");
        REFUSED(create_job(false), "65536", "00000");
        REFUSED(create_job(true), "65536", "6553x");
        REFUSED(unmount_job(), UUID, "../../../tmp/src/aaaaaaaaaaaaaaaaaaa");
        REFUSED(unmount_job(), "main/rootfs/data", "../../../../root");
        REFUSED(unmount_job(), "main/rootfs/data", "main/../../data/");
        REFUSED(unmount_job(), "main/rootfs/data", "/ain/rootfs/data");
        stop();
}
END_TEST

static uint64_t state = 0x9e3779b97f4a7c15;

static uint64_t by_chance(void) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state;
}

/* Whether there was a mount below pods/ to take away. */
static bool unmount_one(void) {
        _cleanup_free_ char *now = namespace_snapshot();

        for (char *line = strtok(now, "\n"); line; line = strtok(NULL, "\n")) {
                _cleanup_free_ char *point = NULL;

                if (sscanf(line, "%*s %*s %*s %*s %ms", &point) == 1 && path_below(point, "/tmp/run/pods")) {
                        ck_assert_int_eq(umount2(point, MNT_DETACH), 0);
                        return true;
                }
        }
        return false;
}

/* Takes away what a job that was good in spite of its changes has put below pods/, and only there. */
static void clean(const char *before) {
        (void) umount2(POD, MNT_DETACH);
        (void) rmdir(POD);
        if (namespace_count("/tmp/run/pods/") > 0) {
                (void) umount2("/tmp/run/pods", MNT_DETACH);
                while (unmount_one())
                        ;
        }
        namespace_unchanged(before);
}

START_TEST(test_changed_anywhere) {
        _cleanup_free_ char *before = NULL;
        int fd;

        if (!begin())
                return;
        before = namespace_snapshot();
        fd = open("/tmp/src", O_PATH | O_DIRECTORY | O_CLOEXEC);
        for (unsigned i = 0; i < MUTATIONS; i++) {
                _cleanup_free_ uint8_t *data = NULL;
                size_t size;

                encode(i % 3 == 2 ? unmount_job() : create_job(false), &data, &size);
                for (uint64_t n = by_chance() % 4 + 1; n > 0; n--)
                        data[by_chance() % size] = i % 2 ? (uint8_t) by_chance() : (uint8_t) (by_chance() % 3);
                (void) ask(data, i % 7 ? size : by_chance() % size, &fd, i % 5 == 0);
                clean(before);
        }
        ck_assert(exists("/tmp/src/hello"));
        ck_assert(exists("/tmp/root/etc/file"));
        ck_assert(!exists("/tmp/root/data/hello"));
        ck_assert_int_eq(kill(child, 0), 0);
        (void) close_fd(fd);
        stop();
}
END_TEST

/* Below the messages: bytes and fds that no channel_send() makes. Some end the executor; the keeper makes another. */
START_TEST(test_no_message) {
        _cleanup_free_ char *before = NULL;

        if (!begin())
                return;
        before = namespace_snapshot();
        for (unsigned i = 0; i < MESSAGES; i++) {
                union {
                        char bytes[CMSG_SPACE(16 * sizeof(int))];
                        struct cmsghdr align;
                } control = {};
                uint8_t data[256];
                int fds[16], n = (int) (by_chance() % 17);
                size_t size = by_chance() % (sizeof(data) + 1);
                struct iovec iov = {.iov_base = data, .iov_len = size};
                struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
                ssize_t sent;

                for (size_t j = 0; j < sizeof(data); j++)
                        data[j] = i % 2 ? (uint8_t) by_chance() : (uint8_t) (by_chance() % 2);
                for (int j = 0; j < 16; j++)
                        fds[j] = open(j % 2 ? "/dev/null" : "/", O_PATH | O_CLOEXEC);
                if (n > 0) {
                        message.msg_control = control.bytes;
                        message.msg_controllen = CMSG_SPACE((size_t) n * sizeof(int));
                        *CMSG_FIRSTHDR(&message) = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
                                .cmsg_len = CMSG_LEN((size_t) n * sizeof(int))};
                        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), fds, (size_t) n * sizeof(int));
                }
                sent = sendmsg(front, &message, MSG_NOSIGNAL);
                for (int j = 0; j < 16; j++)
                        (void) close_fd(fds[j]);
                if (sent >= 0) {
                        _cleanup_message_ struct channel_message answer = {};

                        if (channel_receive(front, 0, &answer) == 1)
                                continue;
                }
                stop();
                start();
        }
        namespace_unchanged(before);
        stop();
}
END_TEST

UNIT_MAIN("captured", test_forbidden, test_changed_anywhere, test_no_message)
