/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The store: whatever is committed loads back as it was, whatever is not never happened. */

#include "store/store.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store-dir.h"
#include "store/schema.h"
#include "store/statement.h"
#include "util/array.h"

static char uuid_1[] = "0123abcd-4567-89ab-cdef-0123456789ab";
static char uuid_2[] = "fedcba98-4567-89ab-cdef-0123456789ab";

/* Strings that a careless format would lose: UTF-8, tab, newline, quotes, backslash, bytes that are no UTF-8. */
static char odd_1[] = "/gr\xc3\xbc\xc3\x9f e\t'x'\n\\040\"; DROP TABLE pod; --";
static char odd_2[] = "\xff\xfe";
static char empty[] = "";

static struct record_pod small_pod(char *uuid) {
        return (struct record_pod) {.uuid = uuid, .state = RECORD_CREATING, .created_us = 1, .spec = empty};
}

static struct record_mount small_mount(uint64_t id) {
        static char container[] = "main", target[] = "/data";

        return (struct record_mount) {.id = id, .container = container, .target = target};
}

static void check_texts(const char *have, const char *want) {
        if (!want)
                ck_assert_ptr_null(have);
        else
                ck_assert_str_eq(have, want);
}

static void check_strvs(char *const *have, char *const *want) {
        if (!want) {
                ck_assert_ptr_null(have);
                return;
        }
        ck_assert_ptr_nonnull(have);
        ck_assert_uint_eq(strv_length(have), strv_length(want));
        for (size_t i = 0; want[i]; i++)
                ck_assert_str_eq(have[i], want[i]);
}

static void check_mount(const struct record_mount *have, const struct record_mount *want) {
        ck_assert_int_eq(have->row, want->row);
        ck_assert_uint_eq(have->id, want->id);
        ck_assert_uint_eq(have->mount_id, want->mount_id);
        check_texts(have->container, want->container);
        check_texts(have->target, want->target);
        check_texts(have->source, want->source);
        check_texts(have->type, want->type);
        check_strvs(have->options, want->options);
        check_texts(have->request, want->request);
        check_texts(have->source_key, want->source_key);
        check_texts(have->root, want->root);
        check_texts(have->point, want->point);
        check_texts(have->fs_options, want->fs_options);
        ck_assert_uint_eq(have->device, want->device);
        ck_assert_uint_eq(have->job, want->job);
        ck_assert_uint_eq(have->attributes, want->attributes);
        ck_assert_uint_eq(have->propagation, want->propagation);
        ck_assert_uint_eq(have->made, want->made);
        ck_assert_int_eq(have->made_file, want->made_file);
        ck_assert_int_eq(have->nested, want->nested);
        ck_assert_int_eq(have->deferred, want->deferred);
        ck_assert_int_eq(have->ground_free, want->ground_free);
        ck_assert_int_eq(have->ground_caller, want->ground_caller);
        ck_assert_uint_eq(have->namespace, want->namespace);
}

static void check_pod(const struct record_pod *have, const struct record_pod *want) {
        check_texts(have->uuid, want->uuid);
        check_texts(have->name, want->name);
        ck_assert_uint_eq(have->owner, want->owner);
        ck_assert_uint_eq(have->owner_group, want->owner_group);
        ck_assert_int_eq(have->state, want->state);
        ck_assert_uint_eq(have->created_us, want->created_us);
        check_texts(have->spec, want->spec);
        ck_assert_int_eq(have->private, want->private);
        check_texts(have->lease, want->lease);
        check_texts(have->reason, want->reason);
        check_strvs(have->containers, want->containers);
        check_strvs(have->warnings, want->warnings);
}

/* One mount with every field set, one with each flag alone, one with nothing but what must be. */
static size_t odd_mounts(struct record_mount *ret, char **options, char **none) {
        size_t n = 0;

        ret[n++] = (struct record_mount) {
                .id = UINT64_MAX, .mount_id = UINT32_MAX, .container = odd_2, .target = odd_1, .source = odd_1,
                .type = odd_2, .options = options, .request = odd_1, .source_key = odd_2, .root = odd_1, .point = odd_2, .fs_options = odd_1,
                .device = UINT64_MAX - 1, .job = UINT64_MAX - 2, .attributes = 1ULL << 63, .propagation = 3, .made = UINT32_MAX, .made_file = true, .nested = true,
                .deferred = true, .ground_free = true, .ground_caller = true,
        };
        for (size_t i = 0; i < 5; i++)
                ret[n++] = (struct record_mount) {
                        .id = i, .container = empty, .target = empty, .options = none, .made_file = i == 0,
                        .nested = i == 1, .deferred = i == 2, .ground_free = i == 3, .ground_caller = i == 4,
                };
        ret[n++] = (struct record_mount) {.container = empty, .target = empty};
        return n;
}

START_TEST(test_everything_loads_back) {
        _cleanup_store_dir_ char *directory = store_dir_new();
        char *strings[] = {odd_1, empty, odd_2, NULL}, *none[] = {NULL};
        struct record_pod full = {.uuid = uuid_1, .name = odd_1, .owner = UINT32_MAX - 1, .owner_group = UINT32_MAX - 2,
                .state = RECORD_FAILED, .created_us = UINT64_MAX, .spec = odd_1, .lease = odd_2, .reason = odd_1,
                .containers = strings, .warnings = none, .private = true};
        struct record_pod bare = {.uuid = uuid_2};
        struct record_intent intents[] = {
                {.job = 7, .uuid = uuid_1, .verb = RECORD_VERB_COLLECT, .lazy = true, .detail = odd_1},
                {.job = UINT64_MAX >> 1, .uuid = uuid_2, .verb = RECORD_VERB_CREATE},
        };
        struct record_mount mounts[8], inside = {.id = 5, .container = odd_1, .target = odd_2, .namespace = UINT64_MAX};
        char on_host[] = ".host";
        struct record_mount host = {.id = 6, .container = on_host, .target = odd_2, .job = 7};
        size_t n = odd_mounts(mounts, strings, none);
        struct store *store = store_dir_open(directory);

        ck_assert_int_eq(store_begin(store), 0);
        ck_assert_int_eq(store_put_pod(store, &full), 0);
        ck_assert_int_eq(store_put_pod(store, &bare), 0);
        for (size_t i = 0; i < n; i++) {
                ck_assert_int_eq(store_put_mount(store, uuid_1, &mounts[i]), 0);
                ck_assert_int_gt(mounts[i].row, 0);
        }
        ck_assert_int_eq(store_put_mount(store, uuid_1, &inside), 0);
        ck_assert_int_eq(store_put_mount(store, uuid_1, &host), 0);
        for (size_t i = ELEMENTSOF(intents); i-- > 0;)
                ck_assert_int_eq(store_put_intent(store, &intents[i]), 0);
        ck_assert_int_eq(store_commit(store), 0);

        for (int again = 0; again < 2; again++) {
                _cleanup_loaded_ struct store_dir_loaded loaded = store_dir_load(store);

                ck_assert_uint_eq(loaded.n_pods, 2);
                check_pod(loaded.pods[0], &full);
                check_pod(loaded.pods[1], &bare);
                ck_assert_uint_eq(loaded.pods[0]->n_mounts, n);
                ck_assert_uint_eq(loaded.pods[1]->n_mounts, 0);
                ck_assert_uint_eq(loaded.pods[1]->n_inside, 0);
                ck_assert_uint_eq(loaded.pods[0]->n_inside, 1);
                check_mount(&loaded.pods[0]->inside[0], &inside);
                ck_assert_uint_eq(loaded.pods[0]->n_host, 1);
                ck_assert_uint_eq(loaded.pods[1]->n_host, 0);
                check_mount(&loaded.pods[0]->host[0], &host);
                for (size_t i = 0; i < n; i++)
                        check_mount(&loaded.pods[0]->mounts[i], &mounts[i]);
                ck_assert_uint_eq(loaded.n_intents, 2);
                for (size_t i = 0; i < 2; i++) {
                        ck_assert_uint_eq(loaded.intents[i].job, intents[i].job);
                        ck_assert_str_eq(loaded.intents[i].uuid, intents[i].uuid);
                        ck_assert_int_eq(loaded.intents[i].verb, intents[i].verb);
                        ck_assert_int_eq(loaded.intents[i].lazy, intents[i].lazy);
                        check_texts(loaded.intents[i].detail, intents[i].detail);
                }
                store_free(store);
                store = store_dir_open(directory);
        }
        store_free(store);
}
END_TEST

START_TEST(test_updates) {
        _cleanup_store_dir_ char *directory = store_dir_new();
        _cleanup_(store_freep) struct store *store = store_dir_open(directory);
        _cleanup_loaded_ struct store_dir_loaded loaded = {};
        struct record_pod pod = small_pod(uuid_1), other = small_pod(uuid_2);
        struct record_mount first = small_mount(1), second = small_mount(2), others = small_mount(3);
        struct record_intent intent = {.job = 1, .uuid = uuid_1, .verb = RECORD_VERB_MOUNT};

        ck_assert_int_eq(store_begin(store), 0);
        ck_assert_int_eq(store_put_pod(store, &pod), 0);
        ck_assert_int_eq(store_put_pod(store, &other), 0);
        ck_assert_int_eq(store_put_mount(store, uuid_1, &first), 0);
        ck_assert_int_eq(store_put_mount(store, uuid_2, &others), 0);
        ck_assert_int_eq(store_put_mount(store, uuid_1, &second), 0);
        ck_assert_int_eq(store_put_intent(store, &intent), 0);
        ck_assert_int_eq(store_commit(store), 0);

        ck_assert_int_eq(store_begin(store), 0);
        pod.name = odd_1;
        pod.state = RECORD_READY;
        ck_assert_int_eq(store_put_pod(store, &pod), 0); /* keeps its mounts */
        ck_assert_int_eq(store_set_state(store, uuid_2, RECORD_FAILED, "why"), 0);
        first.id = 11;
        first.source = odd_2;
        ck_assert_int_eq(store_put_mount(store, uuid_1, &first), 0);
        ck_assert_int_eq(store_delete_mount(store, uuid_1, second.row), 0);
        ck_assert_int_eq(store_delete_mount(store, uuid_1, others.row), 0); /* another pod's: stays */
        intent.lazy = true;
        ck_assert_int_eq(store_put_intent(store, &intent), 0);
        ck_assert_int_eq(store_delete_intent(store, 77), 0);
        ck_assert_int_eq(store_commit(store), 0);

        loaded = store_dir_load(store);
        ck_assert_uint_eq(loaded.n_pods, 2);
        check_pod(loaded.pods[0], &pod);
        ck_assert_uint_eq(loaded.pods[0]->n_mounts, 1);
        check_mount(&loaded.pods[0]->mounts[0], &first);
        ck_assert_int_eq(loaded.pods[1]->state, RECORD_FAILED);
        ck_assert_str_eq(loaded.pods[1]->reason, "why");
        ck_assert_uint_eq(loaded.pods[1]->n_mounts, 1);
        ck_assert_uint_eq(loaded.n_intents, 1);
        ck_assert(loaded.intents[0].lazy);
}
END_TEST

START_TEST(test_deletes) {
        _cleanup_store_dir_ char *directory = store_dir_new();
        _cleanup_(store_freep) struct store *store = store_dir_open(directory);
        _cleanup_loaded_ struct store_dir_loaded loaded = {};
        struct record_pod pod = small_pod(uuid_1), other = small_pod(uuid_2);
        struct record_mount mount = small_mount(1), others = small_mount(2);
        struct record_intent intent = {.job = 1, .uuid = uuid_1};

        ck_assert_int_eq(store_begin(store), 0);
        ck_assert_int_eq(store_put_pod(store, &pod), 0);
        ck_assert_int_eq(store_put_pod(store, &other), 0);
        ck_assert_int_eq(store_put_mount(store, uuid_1, &mount), 0);
        ck_assert_int_eq(store_put_mount(store, uuid_2, &others), 0);
        ck_assert_int_eq(store_put_intent(store, &intent), 0);
        ck_assert_int_eq(store_delete_pod(store, uuid_1), 0);
        ck_assert_int_eq(store_delete_pod(store, uuid_1), 0);
        ck_assert_int_eq(store_delete_intent(store, 1), 0);
        ck_assert_int_eq(store_commit(store), 0);
        ck_assert_int_eq(store_begin(store), 0);
        ck_assert_int_eq(store_put_mount(store, uuid_2, &others), 0);
        ck_assert_int_eq(store_delete_pod(store, uuid_2), 0);
        others.row = 0;
        ck_assert_int_eq(store_put_mount(store, uuid_2, &others), -ENOENT); /* nothing remembers it */
        store_rollback(store);
        loaded = store_dir_load(store);
        ck_assert_uint_eq(loaded.n_pods, 1);
        ck_assert_str_eq(loaded.pods[0]->uuid, uuid_2);
        ck_assert_uint_eq(loaded.pods[0]->n_mounts, 1); /* the first pod's went with it */
        ck_assert_uint_eq(loaded.n_intents, 0);
}
END_TEST

START_TEST(test_rollback_and_failure) {
        _cleanup_store_dir_ char *directory = store_dir_new();
        _cleanup_(store_freep) struct store *store = store_dir_open(directory);
        _cleanup_loaded_ struct store_dir_loaded loaded = {};
        struct record_pod pod = small_pod(uuid_1), other = small_pod(uuid_2);
        struct record_mount mount = small_mount(1), gone = small_mount(2);

        ck_assert_int_eq(store_put_pod(store, &pod), -EINVAL); /* no transaction */
        store_rollback(store);
        ck_assert_int_eq(store_begin(store), 0);
        ck_assert_int_eq(store_put_pod(store, &pod), 0);
        store_rollback(store);
        store_rollback(store);

        ck_assert_int_eq(store_begin(store), 0);
        ck_assert_int_eq(store_put_pod(store, &pod), 0);
        ck_assert_int_eq(store_put_mount(store, uuid_2, &mount), -ENOENT); /* no such pod */
        ck_assert_int_eq(mount.row, 0);
        ck_assert_int_eq(store_put_pod(store, &other), -ENOENT); /* spoilt from here on */
        ck_assert_int_eq(store_commit(store), -ENOENT);

        ck_assert_int_eq(store_begin(store), 0);
        ck_assert_int_eq(store_set_state(store, uuid_1, RECORD_READY, NULL), -ENOENT);
        store_rollback(store);
        ck_assert_int_eq(store_begin(store), 0);
        ck_assert_int_eq(store_put_pod(store, &other), 0);
        gone.row = 99;
        ck_assert_int_eq(store_put_mount(store, uuid_2, &gone), -ENOENT);
        store_rollback(store);
        loaded = store_dir_load(store);
        ck_assert_uint_eq(loaded.n_pods, 0);
}
END_TEST

START_TEST(test_end) {
        _cleanup_store_dir_ char *directory = store_dir_new();
        _cleanup_(store_freep) struct store *store = store_dir_open(directory);
        _cleanup_loaded_ struct store_dir_loaded loaded = {};
        struct record_pod pod = small_pod(uuid_1), other = small_pod(uuid_2);

        ck_assert_int_eq(store_begin(store), 0);
        ck_assert_int_eq(store_end(store, store_put_pod(store, &pod)), 0);
        ck_assert_int_eq(store_begin(store), 0);
        ck_assert_int_eq(store_put_pod(store, &other), 0);
        ck_assert_int_eq(store_end(store, -EIO), -EIO);
        ck_assert_int_eq(store_put_pod(store, &other), -EINVAL); /* no transaction is left open */
        loaded = store_dir_load(store);
        ck_assert_uint_eq(loaded.n_pods, 1);
        ck_assert_str_eq(loaded.pods[0]->uuid, uuid_1);
}
END_TEST

START_TEST(test_jobs_go_on) {
        _cleanup_store_dir_ char *directory = store_dir_new();
        uint64_t last = 0;

        for (int start = 0; start < 3; start++) {
                _cleanup_(store_freep) struct store *store = store_dir_open(directory);

                for (int i = 0; i < 1000; i++) {
                        uint64_t job = store_next_job(store);

                        ck_assert_uint_gt(job, last);
                        ck_assert_uint_lt(job, UINT64_MAX >> 1);
                        last = job;
                }
        }
}
END_TEST

/* Runs `fn` in a child that is killed when it is done: nothing of it is closed in order. */
static void kill_after(void (*fn)(const char *directory), const char *directory) {
        pid_t pid = fork();
        int status;

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                fn(directory);
                (void) kill(getpid(), SIGKILL);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void commit_one_begin_another(const char *directory) {
        struct store *store = store_dir_open(directory);
        struct record_pod pod = small_pod(uuid_1), other = small_pod(uuid_2);

        (void) store_next_job(store);
        if (store_begin(store) < 0 || store_put_pod(store, &pod) < 0 || store_commit(store) < 0)
                _exit(1);
        if (store_begin(store) < 0 || store_put_pod(store, &other) < 0)
                _exit(1);
}

START_TEST(test_killed) {
        _cleanup_store_dir_ char *directory = store_dir_new();
        _cleanup_(store_freep) struct store *store = NULL;
        _cleanup_loaded_ struct store_dir_loaded loaded = {};

        kill_after(commit_one_begin_another, directory);
        store = store_dir_open(directory);
        loaded = store_dir_load(store);
        ck_assert_uint_eq(loaded.n_pods, 1);
        ck_assert_str_eq(loaded.pods[0]->uuid, uuid_1);
}
END_TEST

START_TEST(test_one_user) {
        _cleanup_store_dir_ char *directory = store_dir_new();
        _cleanup_(store_freep) _unused_ struct store *store = store_dir_open(directory);
        struct store *other = NULL;
        int version;

        ck_assert_int_eq(store_open(directory, &other, &version), -EBUSY);
        ck_assert_ptr_null(other);
}
END_TEST

START_TEST(test_modes) {
        _cleanup_store_dir_ char *directory = store_dir_new();
        _cleanup_free_ char *path = path_join(directory, "state.db");
        struct store *store = store_dir_open(directory);
        struct stat st;

        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_uint_eq(st.st_mode & 07777, 0600);
        store_free(store);
        ck_assert_int_eq(store_open("/nonexistent", &store, &(int) {0}), -ENOENT);
}
END_TEST

static void put_many(struct store *store, uint64_t n) {
        struct record_pod pod = small_pod(uuid_1);

        ck_assert_int_eq(store_begin(store), 0);
        ck_assert_int_eq(store_put_pod(store, &pod), 0);
        for (uint64_t i = 1; i <= n; i++) {
                struct record_mount mount = small_mount(i);

                ck_assert_int_eq(store_put_mount(store, uuid_1, &mount), 0);
        }
        ck_assert_int_eq(store_commit(store), 0);
}

static void delete_one(struct store *store) {
        ck_assert_int_eq(store_begin(store), 0);
        ck_assert_int_eq(store_delete_pod(store, uuid_1), 0);
        ck_assert_int_eq(store_commit(store), 0);
}

static int count_rows(struct store *store, const char *sql) {
        int n = -1;

        ck_assert_int_eq(schema_get_int(store->db, sql, &n), SQLITE_OK);
        return n;
}

/* A big pod is out of sight at once, also for its successor of the same name; its mounts go bit by bit. */
START_TEST(test_purge) {
        _cleanup_store_dir_ char *directory = store_dir_new();
        _cleanup_(store_freep) struct store *store = store_dir_open(directory);
        size_t turns = 0;
        int r;

        put_many(store, STORE_PURGE_ROWS);
        delete_one(store);
        ck_assert(!store_has_buried(store));
        ck_assert_int_eq(store_purge(store), 0);
        ck_assert_int_eq(count_rows(store, "SELECT count(*) FROM mount"), 0);

        put_many(store, 1000);
        delete_one(store);
        ck_assert(store_has_buried(store));
        put_many(store, 3);
        {
                _cleanup_loaded_ struct store_dir_loaded loaded = store_dir_load(store);

                ck_assert_uint_eq(loaded.n_pods, 1);
                ck_assert_uint_eq(loaded.pods[0]->n_mounts, 3);
        }
        while ((r = store_purge(store)) > 0)
                turns++;
        ck_assert_int_eq(r, 0);
        ck_assert_uint_eq(turns, 4);
        ck_assert(!store_has_buried(store));
        ck_assert_int_eq(count_rows(store, "SELECT count(*) FROM mount"), 3);
        ck_assert_int_eq(count_rows(store, "SELECT count(*) FROM pod"), 1);
}
END_TEST

/* What a run had no time to purge is gone before the next one loads. */
START_TEST(test_purge_at_start) {
        _cleanup_store_dir_ char *directory = store_dir_new();
        _cleanup_(store_freep) struct store *store = store_dir_open(directory);

        put_many(store, 1000);
        delete_one(store);
        ck_assert_int_eq(store_purge(store), 1);
        store = store_free(store);
        store = store_dir_open(directory);
        ck_assert_int_eq(count_rows(store, "SELECT count(*) FROM mount"), 0);
        ck_assert_int_eq(count_rows(store, "SELECT count(*) FROM pod"), 0);
}
END_TEST

/* Ten thousand mounts come back in order, and a collection takes them all. */
START_TEST(test_many) {
        _cleanup_store_dir_ char *directory = store_dir_new();
        _cleanup_(store_freep) struct store *store = store_dir_open(directory);

        put_many(store, 10000);
        {
                _cleanup_loaded_ struct store_dir_loaded loaded = store_dir_load(store);

                ck_assert_uint_eq(loaded.pods[0]->n_mounts, 10000);
                for (uint64_t i = 1; i <= 10000; i++)
                        ck_assert_uint_eq(loaded.pods[0]->mounts[i - 1].id, i);
        }
        delete_one(store);
        {
                _cleanup_loaded_ struct store_dir_loaded loaded = store_dir_load(store);

                ck_assert_uint_eq(loaded.n_pods, 0);
        }
}
END_TEST

/* A file system of 1 MiB in a mount namespace of the test's own; false where this user may not have one. */
static bool mount_small_tmpfs(const char *directory) {
        if (unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
                return false;
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return false;
        return mount("tmpfs", directory, "tmpfs", 0, "size=1m") == 0;
}

START_TEST(test_full_disk) {
        _cleanup_store_dir_ char *directory = store_dir_new();
        _cleanup_free_ char *big = malloc(300000);
        struct record_pod pod = small_pod(uuid_1);
        int r = 0, committed = 0;

        if (!mount_small_tmpfs(directory))
                return;
        memset(big, 'x', 299999);
        big[299999] = 0;
        pod.spec = big;
        {
                _cleanup_(store_freep) struct store *store = store_dir_open(directory);
                _cleanup_loaded_ struct store_dir_loaded loaded = {};

                for (int i = 0; i < 16; i++) {
                        char uuid[] = "00000000-0000-0000-0000-000000000000";

                        uuid[0] = (char) ('a' + i);
                        pod.uuid = uuid;
                        ck_assert_int_eq(store_begin(store), 0);
                        (void) store_put_pod(store, &pod); /* told again by the commit */
                        r = store_commit(store);
                        if (r < 0)
                                break;
                        committed++;
                }
                ck_assert_int_eq(r, -ENOSPC);
                ck_assert_int_gt(committed, 0);
                loaded = store_dir_load(store); /* what was committed is there, nothing else */
                ck_assert_uint_eq(loaded.n_pods, committed);
        }
        ck_assert_int_eq(umount2(directory, MNT_DETACH), 0);
}
END_TEST

UNIT_MAIN("store", test_everything_loads_back, test_updates, test_deletes, test_rollback_and_failure, test_end,
        test_jobs_go_on, test_killed, test_one_user, test_modes, test_purge, test_purge_at_start, test_many,
        test_full_disk)
