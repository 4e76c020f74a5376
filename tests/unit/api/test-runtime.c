/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The runtime directory as the keeper makes it. Needs root; mounts nothing. */

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime.h"
#include "unit.h"
#include "util/path.h"

enum { SOMEBODY = 65534 };

static char directory[] = "/tmp/podmount-runtime-XXXXXX";
static char *path;

static void remove_all(void) {
        _cleanup_free_ char *command = NULL;

        if (asprintf(&command, "rm -rf %s", directory) >= 0 && system(command) != 0)
                perror("rm");
}

static bool begin(void) {
        if (geteuid() != 0)
                return false;
        ck_assert_ptr_nonnull(mkdtemp(directory));
        ck_assert_int_eq(atexit(remove_all), 0);
        path = path_join(directory, "run");
        ck_assert_ptr_nonnull(path);
        return true;
}

static void expect(const char *name, mode_t mode, uid_t uid) {
        _cleanup_free_ char *full = path_join(path, name);
        struct stat st;

        ck_assert_int_eq(lstat(full, &st), 0);
        ck_assert_msg(st.st_mode == mode, "%s has mode %o, not %o", name, st.st_mode, mode);
        ck_assert_uint_eq(st.st_uid, uid);
}

START_TEST(test_made) {
        _cleanup_runtime_ struct runtime runtime = RUNTIME_INIT;

        if (!begin())
                return;
        (void) umask(077); /* the modes do not depend on it */
        ck_assert_int_eq(runtime_prepare(path, SOMEBODY, SOMEBODY, 2, &runtime), 0);
        ck_assert_str_eq(runtime.path, path);
        expect(".", S_IFDIR | 0755, 0);
        expect("pods", S_IFDIR | 0711, 0);
        expect("intent", S_IFDIR | 0700, 0);
        expect("intent/0", S_IFREG | 0600, 0);
        expect("intent/1", S_IFREG | 0600, 0);
        expect("state", S_IFDIR | 0700, SOMEBODY);
        expect("state.db", S_IFLNK | 0777, 0);
        expect("lock", S_IFREG | 0600, 0);
        expect("socket", S_IFSOCK | 0666, 0);
        ck_assert_int_ge(runtime.intent_fds[1], 0);
        ck_assert_int_lt(runtime.intent_fds[2], 0);
        ck_assert_int_eq(fcntl(runtime.read_intent_fds[1], F_GETFL) & O_ACCMODE, O_RDONLY);
        ck_assert_int_lt(runtime.read_intent_fds[2], 0);
}
END_TEST

START_TEST(test_lock) {
        _cleanup_runtime_ struct runtime runtime = RUNTIME_INIT;
        int status;
        pid_t pid;

        if (!begin())
                return;
        ck_assert_int_eq(runtime_prepare(path, SOMEBODY, SOMEBODY, 1, &runtime), 0);
        pid = fork(); /* the lock is the process's, so another process has to try */
        if (pid == 0) {
                struct runtime second = RUNTIME_INIT;

                _exit(runtime_prepare(path, SOMEBODY, SOMEBODY, 1, &second) == -EBUSY ? 0 : 1);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
        expect("socket", S_IFSOCK | 0666, 0); /* and the loser has touched nothing */
}
END_TEST

/* What an earlier daemon left: more intent files, a socket that nobody listens on. */
START_TEST(test_again) {
        _cleanup_runtime_ struct runtime first = RUNTIME_INIT, second = RUNTIME_INIT;
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_close_ int client = -1;

        if (!begin())
                return;
        ck_assert_int_eq(runtime_prepare(path, SOMEBODY, SOMEBODY, 3, &first), 0);
        runtime_done(&first);
        ck_assert_int_eq(runtime_prepare(path, SOMEBODY, SOMEBODY, 1, &second), 0);
        ck_assert_int_ge(second.intent_fds[2], 0);
        client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_lt(snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", path), (int) sizeof(address.sun_path));
        ck_assert_int_eq(connect(client, (struct sockaddr *) &address, sizeof(address)), 0);
}
END_TEST

/* An executor of an earlier keeper ends later than that one: what it still mounts is there before anything is read. */
START_TEST(test_executor_that_ends) {
        _cleanup_runtime_ struct runtime first = RUNTIME_INIT, second = RUNTIME_INIT;
        const useconds_t life = 300000;
        struct timespec before, after;
        pid_t pid;

        if (!begin())
                return;
        ck_assert_int_eq(runtime_prepare(path, SOMEBODY, SOMEBODY, 2, &first), 0);
        pid = fork();
        if (pid == 0) {
                (void) usleep(life);
                _exit(0);
        }
        ck_assert_int_gt(pid, 0);
        ck_assert_int_eq(clock_gettime(CLOCK_MONOTONIC, &before), 0);
        runtime_done(&first);
        ck_assert_int_eq(runtime_prepare(path, SOMEBODY, SOMEBODY, 1, &second), 0);
        ck_assert_int_eq(clock_gettime(CLOCK_MONOTONIC, &after), 0);
        ck_assert_int_ge((after.tv_sec - before.tv_sec) * 1000000 + (after.tv_nsec - before.tv_nsec) / 1000, life / 2);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

START_TEST(test_traps) {
        struct runtime runtime = RUNTIME_INIT;
        _cleanup_free_ char *pods = NULL, *elsewhere = NULL;
        struct stat st;

        if (!begin())
                return;
        pods = path_join(path, "pods");
        elsewhere = path_join(directory, "elsewhere");
        ck_assert_int_eq(mkdir(path, 0755), 0);
        ck_assert_int_eq(mkdir(elsewhere, 0700), 0);
        ck_assert_int_eq(symlink(elsewhere, pods), 0);
        ck_assert_int_lt(runtime_prepare(path, SOMEBODY, SOMEBODY, 1, &runtime), 0); /* no link is followed */
        ck_assert_int_eq(stat(elsewhere, &st), 0);
        ck_assert_uint_eq(st.st_mode & 0777, 0700);

        ck_assert_int_eq(unlink(pods), 0);
        ck_assert_int_eq(chown(path, SOMEBODY, SOMEBODY), 0);
        ck_assert_int_eq(runtime_prepare(path, SOMEBODY, SOMEBODY, 1, &runtime), -EPERM);
        ck_assert_int_eq(runtime_prepare("/nonexistent/run", SOMEBODY, SOMEBODY, 1, &runtime), -ENOENT);
}
END_TEST

UNIT_MAIN("runtime", test_made, test_lock, test_again, test_executor_that_ends, test_traps)
