/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Additional stores as the keeper opens them: what it takes, and what each thing that is wrong with one is told as. */

#include "stores.h"

#include <sys/file.h>
#include <sys/wait.h>

#include "tests/unit/kernel-features.h"
#include "tests/unit/namespace.h"

enum { FRONT = 1000, STRANGER = 1001 };

static struct features features;

static void make_at(const char *path, mode_t mode) {
        ck_assert_msg(mkdir(path, mode) == 0, "mkdir %s: %s", path, strerror(errno));
}

static void fill(const char *path, const char *text) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t) strlen(text));
}

/* /tmp/a and /tmp/b, as a podmountd that was stopped leaves them, and our own state directory. */
static bool begin(void) {
        if (!namespace_enter())
                return false;
        umask(0);
        ck_assert_int_eq(features_probe(unit_without(), &features), 0);
        make_at("/tmp/own", 0700);
        for (const char *const *at = (const char *const[]) {"/tmp/a", "/tmp/b", NULL}; *at; at++) {
                make_at(*at, 0700);
                ck_assert_int_eq(chdir(*at), 0);
                make_at("layers", 0700);
                make_at("records", 0700);
                ck_assert_int_eq(chown("records", FRONT, FRONT), 0);
                fill("records/layers.db", "some records");
                ck_assert_int_eq(chown("records/layers.db", FRONT, FRONT), 0);
                fill("lock", "");
        }
        return chdir("/tmp") == 0;
}

static void prepare(const char *list, struct stores *ret) {
        ck_assert_int_eq(stores_prepare(list, "/tmp/own", FRONT, &features, ret), 0);
}

#define _cleanup_stores_ _cleanup_(stores_done)

/* The one store of the list is not used, for a reason with these words; nothing of it stays open. */
static void refused(const char *path, const char *words) {
        _cleanup_stores_ struct stores stores = {};
        const struct additional_store *store = &stores.list[0];

        prepare(path, &stores);
        ck_assert_uint_eq(stores.n, 1);
        ck_assert_str_eq(store->path, path);
        ck_assert_msg(store->reason && strstr(store->reason, words), "not \"%s\", but %s", words, store->reason ? store->reason : "used");
        ck_assert(store->lock_fd < 0 && store->mount_fd < 0 && store->layers_fd < 0 && store->records_fd < 0);
}

static void used(const char *path) {
        _cleanup_stores_ struct stores stores = {};

        prepare(path, &stores);
        ck_assert_msg(!stores.list[0].reason, "%s", stores.list[0].reason);
}

START_TEST(test_used) {
        _cleanup_stores_ struct stores stores = {};
        char text[16] = "";

        if (!begin())
                return;
        prepare("", &stores);
        ck_assert_uint_eq(stores.n, 0);
        prepare("/tmp/b /tmp/a", &stores);
        ck_assert_uint_eq(stores.n, 2);
        ck_assert_str_eq(stores.list[0].path, "/tmp/b"); /* the order of search */
        ck_assert_str_eq(stores.list[1].path, "/tmp/a");
        for (size_t i = 0; i < stores.n; i++) {
                const struct additional_store *store = &stores.list[i];

                ck_assert_ptr_null(store->reason);
                ck_assert_int_eq(pread(store->records_fd, text, sizeof(text) - 1, 0), (ssize_t) strlen("some records"));
                ck_assert_str_eq(text, "some records");
                ck_assert_int_lt(write(store->records_fd, "x", 1), 0);
                if (features.detached_layers) { /* through its own mount nothing is written */
                        ck_assert_int_lt(openat(store->layers_fd, "new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600), 0);
                        ck_assert_int_eq(errno, EROFS);
                }
        }
}
END_TEST

START_TEST(test_places) {
        if (!begin())
                return;
        refused("/tmp/none", "there is no such directory");
        refused("/tmp/a/lock", "it cannot be");
        refused("/tmp/own", "own state directory");
        refused("/tmp/a/layers", "layers/ or records/ is missing in it");
        ck_assert_int_eq(symlink("a", "/tmp/link"), 0);
        refused("/tmp/link", "leads over a symlink");
        make_at("/tmp/above", 0755);
        ck_assert_int_eq(symlink("/tmp", "/tmp/above/tmp"), 0);
        refused("/tmp/above/tmp/a", "leads over a symlink");
        used("/tmp/a");
}
END_TEST

START_TEST(test_twice) {
        _cleanup_stores_ struct stores stores = {};

        if (!begin())
                return;
        make_at("/tmp/c", 0700);
        ck_assert_int_eq(mount("/tmp/a", "/tmp/c", NULL, MS_BIND, NULL), 0);
        prepare("/tmp/a /tmp/c /tmp/b", &stores);
        ck_assert_uint_eq(stores.n, 3);
        ck_assert_ptr_null(stores.list[0].reason);
        ck_assert_ptr_nonnull(strstr(stores.list[1].reason, "is the same directory"));
        ck_assert_ptr_null(stores.list[2].reason);
}
END_TEST

/* Nobody but root could have written what is in it, or in its records. */
START_TEST(test_owners) {
        if (!begin())
                return;
        ck_assert_int_eq(chmod("/tmp/a", 0770), 0);
        refused("/tmp/a", "chmod go-w it");
        ck_assert_int_eq(chmod("/tmp/a", 0702), 0);
        refused("/tmp/a", "chmod go-w it");
        ck_assert_int_eq(chmod("/tmp/a", 0700), 0);
        ck_assert_int_eq(chown("/tmp/a", STRANGER, 0), 0);
        refused("/tmp/a", "it is not root's");
        ck_assert_int_eq(chown("/tmp/a", 0, 0), 0);

        ck_assert_int_eq(chmod("/tmp/a/layers", 0720), 0);
        refused("/tmp/a", "write to layers/ in it");
        ck_assert_int_eq(chmod("/tmp/a/layers", 0700), 0);
        ck_assert_int_eq(chown("/tmp/a/layers", STRANGER, 0), 0);
        refused("/tmp/a", "write to layers/ in it");
        ck_assert_int_eq(chown("/tmp/a/layers", 0, 0), 0);

        ck_assert_int_eq(chmod("/tmp/a/records", 0702), 0);
        refused("/tmp/a", "write to records/ in it");
        ck_assert_int_eq(chmod("/tmp/a/records", 0700), 0);
        ck_assert_int_eq(chmod("/tmp/a/records/layers.db", 0620), 0);
        refused("/tmp/a", "write to records/layers.db in it");
        ck_assert_int_eq(chmod("/tmp/a/records/layers.db", 0600), 0);

        /* The user that its podmountd's front had: nobody's here, as long as nobody gets there. */
        ck_assert_int_eq(chown("/tmp/a/records", STRANGER, 0) | chown("/tmp/a/records/layers.db", STRANGER, 0), 0);
        used("/tmp/a");
        ck_assert_int_eq(chmod("/tmp/a", 0711), 0);
        refused("/tmp/a", "write to records/ in it");
        ck_assert_int_eq(chown("/tmp/a/records", FRONT, 0), 0);
        refused("/tmp/a", "write to records/layers.db in it");
        ck_assert_int_eq(chown("/tmp/a/records/layers.db", FRONT, 0), 0);
        used("/tmp/a");
}
END_TEST

START_TEST(test_records) {
        if (!begin())
                return;
        fill("/tmp/a/records/layers.db-wal", "");
        used("/tmp/a"); /* an empty one says nothing */
        fill("/tmp/a/records/layers.db-wal", "x");
        refused("/tmp/a", "was not stopped in order");
        ck_assert_int_eq(unlink("/tmp/a/records/layers.db-wal"), 0);
        fill("/tmp/a/records/layers.db-journal", "x");
        refused("/tmp/a", "was not stopped in order");
        ck_assert_int_eq(unlink("/tmp/a/records/layers.db-journal"), 0);
        used("/tmp/a");

        ck_assert_int_eq(rename("/tmp/a/records/layers.db", "/tmp/a/records/other"), 0);
        refused("/tmp/a", "records/layers.db in it cannot be opened");
        ck_assert_int_eq(symlink("other", "/tmp/a/records/layers.db"), 0);
        refused("/tmp/a", "records/layers.db in it cannot be opened");
        ck_assert_int_eq(unlink("/tmp/a/records/layers.db"), 0);
        ck_assert_int_eq(mkfifo("/tmp/a/records/layers.db", 0600), 0); /* and nobody waits for who writes it */
        refused("/tmp/a", "write to records/layers.db in it");
        ck_assert_int_eq(unlink("/tmp/a/records/layers.db"), 0);

        ck_assert_int_eq(rename("/tmp/b/records", "/tmp/b/moved"), 0);
        ck_assert_int_eq(symlink("moved", "/tmp/b/records"), 0);
        refused("/tmp/b", "layers/ or records/ in it cannot be opened");
}
END_TEST

/* Takes the lock as a podmountd does whose state directory it is. */
static pid_t lock_it(int *ret_wait) {
        const struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        int told[2], wait[2];
        char byte;
        pid_t pid;

        ck_assert_int_eq(pipe2(told, O_CLOEXEC) | pipe2(wait, O_CLOEXEC), 0);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                int fd = open("/tmp/a/lock", O_RDWR | O_CLOEXEC);

                (void) close_fd(wait[1]);
                if (fd < 0 || fcntl(fd, F_SETLK, &lock) < 0 || write(told[1], "x", 1) != 1)
                        _exit(1);
                _exit(read(wait[0], &byte, 1) == 0 ? 0 : 1);
        }
        (void) close_fd(told[1]);
        (void) close_fd(wait[0]);
        ck_assert_int_eq(read(told[0], &byte, 1), 1);
        (void) close_fd(told[0]);
        *ret_wait = wait[1];
        return pid;
}

/* Whether another process gets the lock, for writing or to share it. */
static bool can_lock(short type) {
        const struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
        int status = -1;
        pid_t pid = fork();

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                int fd = open("/tmp/a/lock", O_RDWR | O_CLOEXEC);

                _exit(fd >= 0 && fcntl(fd, F_SETLK, &lock) == 0 ? 0 : 1);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        return status == 0;
}

START_TEST(test_lock) {
        int wait, status;
        pid_t pid;

        if (!begin())
                return;
        pid = lock_it(&wait);
        refused("/tmp/a", "a podmountd runs on it");
        (void) close_fd(wait);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        {
                _cleanup_stores_ struct stores stores = {};

                prepare("/tmp/a", &stores);
                ck_assert_ptr_null(stores.list[0].reason);
                ck_assert(!can_lock(F_WRLCK)); /* as long as this one reads it, none has it */
                ck_assert(can_lock(F_RDLCK));
        }
        ck_assert(can_lock(F_WRLCK));
        ck_assert_int_eq(unlink("/tmp/a/lock"), 0); /* copied without it */
        used("/tmp/a");
}
END_TEST

UNIT_MAIN("stores", test_used, test_places, test_twice, test_owners, test_records, test_lock)
