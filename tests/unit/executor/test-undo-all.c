/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A job with a step of every kind that makes something, and of every way in which that is done, fails at each of them in
 * turn: afterwards mount table, sources, loop devices and open fds are as they were. */

#include <dirent.h>
#include <ftw.h>
#include <poll.h>

#include "spec/spec.h"
#include "tests/unit/executor/hands.h"

enum { IMAGE_SIZE = 1024 * 1024, PATIENCE_MS = 5000 };

static FILE *out;

static uint64_t content_of(const char *path) {
        _cleanup_fclose_ FILE *file = fopen(path, "re");
        uint64_t sum = 14695981039346656037u; /* FNV-1a */

        ck_assert_ptr_nonnull(file);
        for (int c; (c = fgetc(file)) != EOF;)
                sum = (sum ^ (uint64_t) c) * 1099511628211u;
        return sum;
}

/* A directory in which a mount point was made and removed again tells by its time, and by that alone. */
static int list_one(const char *path, const struct stat *status, int type _unused_, struct FTW *ftw _unused_) {
        const bool file = S_ISREG(status->st_mode), directory = S_ISDIR(status->st_mode);

        ck_assert_int_gt(fprintf(out, "%s %o %u %ld.%ld %llx\n", path, status->st_mode, status->st_uid,
                                 directory ? 0 : status->st_mtim.tv_sec, directory ? 0 : status->st_mtim.tv_nsec,
                                 file ? (unsigned long long) content_of(path) : 0ull), 0);
        return 0;
}

static void list_loops(void) {
        for (unsigned i = 0; i < 64; i++) {
                _cleanup_free_ char *path = NULL, *line = NULL;
                _cleanup_fclose_ FILE *file = NULL;
                size_t size = 0;

                ck_assert_int_gt(asprintf(&path, "/sys/block/loop%u/loop/backing_file", i), 0);
                file = fopen(path, "re");
                /* other tests have loop devices, too */
                if (file && getline(&line, &size, file) > 0 && strstr(line, "/tmp/image"))
                        ck_assert_int_gt(fprintf(out, "loop%u %s", i, line), 0);
        }
}

static void count_fds(void) {
        DIR *directory = opendir("/proc/self/fd");
        unsigned n = 0;

        ck_assert_ptr_nonnull(directory);
        while (readdir(directory))
                n++;
        ck_assert_int_eq(closedir(directory), 0);
        ck_assert_int_gt(fprintf(out, "%u fds\n", n), 0);
}

/* All that must not change but the mount table; the caller frees it. */
static char *world_snapshot(void) {
        char *text = NULL;
        size_t size = 0;

        out = open_memstream(&text, &size);
        ck_assert_ptr_nonnull(out);
        ck_assert_int_eq(nftw("/tmp/root", list_one, 16, FTW_PHYS | FTW_MOUNT), 0);
        ck_assert_int_eq(nftw("/tmp/src", list_one, 16, FTW_PHYS | FTW_MOUNT), 0);
        ck_assert_int_eq(nftw("/tmp/image", list_one, 16, FTW_PHYS | FTW_MOUNT), 0);
        ck_assert_int_eq(nftw("/tmp/run/pods", list_one, 16, FTW_PHYS | FTW_MOUNT), 0);
        list_loops();
        count_fds();
        ck_assert_int_eq(fclose(out), 0);
        return text;
}

/* A loop device that frees itself does so after the last of its mount has gone, in the kernel's own time. */
static void world_unchanged(const char *before, const char *what) {
        _cleanup_free_ char *now = world_snapshot();

        for (int waited = 0; strcmp(now, before) != 0 && waited < PATIENCE_MS; waited += 20) {
                (void) poll(NULL, 0, 20);
                free(now);
                now = world_snapshot();
        }
        ck_assert_msg(strcmp(now, before) == 0, "%s: before\n%s\nnow\n%s", what, before, now);
}

static bool have_image;

static void begin_sources(void) {
        make_directory("/tmp/src/lower");
        make_directory("/tmp/src/sub");
        make_file("/tmp/src/lower/deep", "deep\n");
        make_directory("/tmp/root/bin");
        ck_assert_int_eq(symlink("loop", "/tmp/root/loop"), 0);
        make_file("/tmp/image", "");
        ck_assert_int_eq(truncate("/tmp/image", IMAGE_SIZE), 0);
        have_image = system("mke2fs -q -F -t ext4 -O ^has_journal /tmp/image >/dev/null 2>&1") == 0 &&
                     access("/dev/loop-control", R_OK) == 0;
}

static struct step *layered(struct step *step, const char *stub) {
        ck_assert_int_eq(strv_append(&step->stubs, stub), 0);
        return step;
}

static void add_layer(struct step *step, const char *path) {
        struct step_source *layer = array_append(&step->layers, &step->n_layers);

        layer->kind = STEP_SOURCE_PATH;
        layer->path = strdup(path);
}

static struct step *writes(struct step *step) {
        step->flags |= STEP_OVERLAY_TMPFS;
        step->size = IMAGE_SIZE;
        return step;
}

/* Everything that goes to a target; the mount points that are missing lie on step `cover` or on mount `cover_id`. */
static void add_everything(struct job *job, uint32_t cover, uint64_t cover_id) {
        size_t from = job->n_steps;
        struct step *step;

        (void) add_bind(job, "/tmp/src", "/a/bind");
        (void) add_bind(job, "/tmp/src/hello", "/a/file");
        add_bind(job, "/tmp/src", "/a/recursive")->flags |= STEP_RECURSIVE | STEP_PROPAGATION_RECURSIVE;
        (void) writes(add_bind(job, "/tmp/src", "/a/overlay"));
        (void) writes(add_bind(job, "/tmp/src/hello", "/a/copy"));
        step = layered(add_bind(job, "/tmp/src", "/a/stubbed"), "/a/stubbed/stub/deep");
        step->attr_set = MOUNT_ATTR_RDONLY;
        add_option(add_fs(job, "tmpfs", "/a/tmpfs"), "size", "65536");
        step = add_fs(job, "tmpfs", "/etc");
        step->flags |= STEP_COPY_UP;
        add_option(step, "size", "65536");
        (void) add_fs(job, "devpts", "/a/pts");
        (void) add_fs(job, "mqueue", "/a/mqueue");
        (void) add_fs(job, "devtmpfs", "/a/dev");
        (void) add_fs(job, "proc", "/proc");
        step = add_step(job, STEP_OVERLAY, NULL, "/a/layers");
        add_layer(step, "/tmp/src/lower");
        add_layer(step, "/tmp/src/sub");
        if (have_image) {
                step = add_step(job, STEP_IMAGE, "/tmp/image", "/a/image");
                step->type = strdup("ext4");
                step->attr_set = MOUNT_ATTR_RDONLY;
        }
        for (size_t i = from; i < job->n_steps; i++) {
                job->steps[i].create = STEP_CREATE_AS_CALLER;
                job->steps[i].cover_step = cover;
                job->steps[i].cover_id = cover_id;
                job->steps[i].propagation = i % 2 ? MS_SHARED : MS_PRIVATE;
        }
        add_step(job, STEP_READONLY, NULL, "/bin")->attr_set = MOUNT_ATTR_RDONLY;
        add_step(job, STEP_MASK, NULL, "/proc/version")->attr_set = MOUNT_ATTR_RDONLY;
        add_step(job, STEP_MASK, NULL, "/data")->attr_set = MOUNT_ATTR_RDONLY;
}

/* What cannot be done at a step, whatever was done before it. */
static void sabotage(struct job *job, size_t i) {
        struct step *step = &job->steps[i];

        if (step->kind == STEP_TREE) { /* it is to be staged, and the staging directory is a file */
                executor.features.detached_attach = false;
                ck_assert_int_eq(close(open("/tmp/run/staging", O_CREAT | O_EXCL | O_CLOEXEC, 0600)), 0);
        } else if (step->kind == STEP_ROOT) {
                free(step->source.path);
                step->source.path = strdup("/tmp/nothing");
        } else if (step->kind == STEP_PUBLISH) {
                ck_assert_int_eq(mkdir(POD, 0700), 0);
                ck_assert_int_eq(mount("taken", POD, "tmpfs", 0, NULL), 0);
        } else if (strcmp(step->container, SPEC_VOLUMES) == 0) { /* nothing is where it goes */
                step->create = STEP_CREATE_NEVER;
        } else {
                free(step->target);
                step->target = strdup("/loop");
        }
}

static void restore(enum step_kind kind, bool detached_attach) {
        executor.features.detached_attach = detached_attach;
        if (kind == STEP_TREE)
                ck_assert_int_eq(unlink("/tmp/run/staging"), 0);
        if (kind == STEP_PUBLISH) {
                ck_assert_int_eq(umount2(POD, 0), 0);
                ck_assert_int_eq(rmdir(POD), 0);
        }
}

static struct step *in_volumes(struct step *step) {
        free(step->container);
        step->container = strdup(SPEC_VOLUMES);
        step->create = STEP_CREATE_FREELY;
        step->cover_step = 0;
        return step;
}

static void add_volumes(struct job *job) {
        ck_assert_int_eq(strv_append(&job->containers, SPEC_VOLUMES), 0);
        add_option(in_volumes(add_fs(job, "tmpfs", "/memory")), "size", "65536");
        in_volumes(add_bind(job, "/tmp/src", "/source"))->flags |= STEP_RECURSIVE;
        (void) in_volumes(add_bind(job, "/tmp/src/hello", "/file"));
}

/* `id` is that of the volume "memory", 0 for one of this job. */
static void add_binds_of_volumes(struct job *job, const char *const *names, uint32_t cover, uint64_t cover_id, uint64_t id) {
        for (; *names; names++) {
                _cleanup_free_ char *target = NULL;
                struct step *step;

                ck_assert_int_gt(asprintf(&target, "/b/%s", *names), 0);
                step = add_step(job, STEP_BIND, NULL, target);
                step->source = (struct step_source) {.kind = STEP_SOURCE_VOLUME, .path = strdup(*names), .id = id};
                step->attr_set = MOUNT_ATTR_RDONLY;
                step->create = STEP_CREATE_AS_CALLER;
                step->cover_step = cover;
                step->cover_id = cover_id;
        }
}

static struct job *whole_job(void) {
        static const char *const names[] = {"memory", "source", "file", "memory", NULL};
        struct job *job = new_job(true);

        add_tree(job);
        add_volumes(job);
        add_root(job, "/tmp/root");
        add_everything(job, 4, 0);
        add_binds_of_volumes(job, names, 4, 0, 0);
        free(job->steps[job->n_steps - 1].target);
        job->steps[job->n_steps - 1].target = strdup("/b/again");
        add_publish(job);
        return job;
}

/* Fails `make`'s job at each of its steps. */
static void fail_each(struct job *(*make)(void)) {
        _cleanup_free_ char *table = namespace_snapshot(), *world = world_snapshot();
        const bool detached_attach = executor.features.detached_attach;
        size_t n = 1;

        for (size_t i = 0; i < n; i++) {
                _cleanup_job_result_ struct job_result result = {};
                struct job *job = make();
                enum step_kind kind = job->steps[i].kind;
                _cleanup_free_ char *what = NULL;

                n = job->n_steps;
                ck_assert_int_gt(asprintf(&what, "step %zu (%s)", i, step_kind_name(kind)), 0);
                if (kind == STEP_TREE && !detached_attach) {
                        job_free(job);
                        continue; /* the staging mount is there */
                }
                sabotage(job, i);
                result = run(job);
                ck_assert_msg(result.failure != FAILURE_NONE && result.failed_step == i, "%s: failure %d at %u: %s", what,
                        result.failure, result.failed_step, result.text ? result.text : "");
                for (size_t j = 0; j < result.n_steps; j++)
                        ck_assert_msg(!result.steps[j].done || result.failed_step == UINT32_MAX, "%s: %zu is done", what, j);
                restore(kind, detached_attach);
                namespace_unchanged(table);
                world_unchanged(world, what);
        }
        ck_assert_uint_gt(n, 10);
}

static struct job *(*made)(void);
static uint64_t living_cover, living_volume;

static struct job *living_job(void) {
        static const char *const names[] = {"memory", NULL};
        struct job *job = new_job(true);

        add_everything(job, STEP_NO_COVER, living_cover);
        add_binds_of_volumes(job, names, STEP_NO_COVER, living_cover, living_volume);
        return job;
}

/* A published pod with volumes and a writable root. */
static void make_living(void) {
        _cleanup_job_result_ struct job_result result = {};
        struct job *job = new_job(true);

        add_tree(job);
        add_volumes(job);
        add_root(job, "/tmp/root");
        add_publish(job);
        result = run(job);
        ck_assert_done(result);
        living_cover = executor.features.unique_id ? result.steps[4].id : result.steps[4].mount_id;
        living_volume = executor.features.unique_id ? result.steps[1].id : result.steps[1].mount_id;
}

/* The largest job can be done at all, so that a failure is the one that was made. */
static void do_once(void) {
        _cleanup_job_result_ struct job_result result = run(made());

        ck_assert_done(result);
        ck_assert(exists(ROOTFS "/a/overlay/hello") && exists(ROOTFS "/a/dev/null") && exists(ROOTFS "/a/stubbed/stub/deep"));
        ck_assert(!have_image || exists(ROOTFS "/a/image/lost+found"));
        ck_assert(exists(POD "/" SPEC_VOLUMES "/rootfs/source/hello") && exists(ROOTFS "/b/memory"));
        make_file(POD "/" SPEC_VOLUMES "/rootfs/memory/shared", "x");
        ck_assert(exists(ROOTFS "/b/memory/shared"));
}

START_TEST(test_create) {
        if (!hands_begin(NULL))
                return;
        begin_sources();
        fail_each(whole_job);
        made = whole_job;
        do_once();
}
END_TEST

START_TEST(test_create_staged) {
        _cleanup_job_result_ struct job_result result = {};

        if (!hands_begin("detached-attach"))
                return;
        begin_sources();
        result = make_pod(); /* the staging mount stays: it is there before the snapshot */
        ck_assert_int_eq(umount2(POD, MNT_DETACH), 0);
        ck_assert_int_eq(rmdir(POD), 0);
        fail_each(whole_job);
}
END_TEST

START_TEST(test_live) {
        if (!hands_begin(NULL))
                return;
        begin_sources();
        make_living();
        fail_each(living_job);
        made = living_job;
        do_once();
}
END_TEST

UNIT_MAIN("undo-all", test_create, test_create_staged, test_live)
