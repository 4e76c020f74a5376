/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Jobs on the wire: identity, strictness of both directions, and a decoder that no bytes can lead astray. */

#include "plan/step.h"

#include <errno.h>
#include <sys/mount.h>

#include "tests/unit/unit.h"
#include "util/array.h"
#include "util/channel.h"
#include "wire-cases.h"

static char *copy(const char *text) {
        char *made = strdup(text);

        ck_assert_ptr_nonnull(made);
        return made;
}

static struct step *add(struct job *job, enum step_kind kind, const char *container, const char *target) {
        struct step *step = job_add(job, kind);

        ck_assert_ptr_nonnull(step);
        step->container = container ? copy(container) : NULL;
        step->target = target ? copy(target) : NULL;
        return step;
}

static struct step_source path_source(const char *path) {
        return (struct step_source) {.kind = STEP_SOURCE_PATH, .path = copy(path)};
}

static void add_option(struct step *step, const char *name, const char *value) {
        struct step_option *option = array_append(&step->options, &step->n_options);

        ck_assert_ptr_nonnull(option);
        *option = (struct step_option) {.name = copy(name), .value = value ? copy(value) : NULL, .fd = STEP_NO_FD};
}

static void add_overlay(struct job *job) {
        struct step *step = add(job, STEP_OVERLAY, "main", "/srv/\xc3\xbc b\t\\");

        for (size_t i = 0; i < 3; i++) {
                struct step_source *layer = array_append(&step->layers, &step->n_layers);

                ck_assert_ptr_nonnull(layer);
                *layer = i == 1 ? (struct step_source) {.kind = STEP_SOURCE_FD, .fd = 2} : path_source("/lower");
        }
        step->upper = path_source("/upper");
        step->work = (struct step_source) {.kind = STEP_SOURCE_FD, .fd = 0};
        add_option(step, "volatile", NULL);
        add_option(step, "redirect_dir", "on");
        step->flags = STEP_BENEATH;
        step->cover_id = 1234567890123;
        step->create = STEP_CREATE_AS_CALLER;
}

static void add_inside(struct job *job) {
        struct step *step = add(job, STEP_ENTER, "main", NULL);

        step->source = (struct step_source) {.kind = STEP_SOURCE_FD, .fd = 1};
        step->namespace = UINT64_MAX - 2;
        step = add(job, STEP_SEEK, NULL, NULL);
        step->id = 3;
        step->namespace = 4;
        step = add(job, STEP_WITHDRAW, NULL, NULL);
        step->id = UINT64_MAX;
        step->namespace = 5;
        step->flags = STEP_LAZY_BELOW;
}

/* A job that has every kind of step and every field of each set to something. */
static void add_remount(struct job *job) {
        struct step *step = add(job, STEP_REMOUNT, "main", "/r");

        step->type = copy("tmpfs");
        step->flags = STEP_ATTR_RECURSIVE;
        step->attr_set = MOUNT_ATTR_RDONLY;
        step->attr_clear_below = MOUNT_ATTR_NOEXEC;
        step->id = UINT64_MAX - 2;
        step->mount_id = 78;
        add_option(step, "size", "2m");
}

static void add_directories(struct job *job) {
        struct step *step = add(job, STEP_MKDIR, "main", "/data/new");

        step->create = STEP_CREATE_AS_CALLER;
        step->cover_step = 1;
        step = add(job, STEP_UNMAKE, NULL, "/data/new");
        step->source = path_source("/s");
        step->made = 2;
}

static void add_layer_root(struct job *job) {
        struct step *step = add(job, STEP_ROOT, "main", "/");

        step->source = (struct step_source) {.kind = STEP_SOURCE_LAYER, .path = copy("sha256.1"), .id = UINT64_MAX - 6};
        step->flags = STEP_LAYER_WRITABLE;
        add_option(step, "context", "x:y");
        *(struct step_source *) array_append(&step->layers, &step->n_layers) =
                (struct step_source) {.kind = STEP_SOURCE_LAYER, .path = copy("base")};
}

static void add_paths(struct job *job) {
        (void) add(job, STEP_MASK, "main", "/proc/kcore");
        (void) add(job, STEP_READONLY, "main", "/proc/sys");
        add_layer_root(job);
}

static void add_unmounts(struct job *job) {
        struct step *step = add(job, STEP_UNMOUNT, NULL, "main/rootfs/data");

        step->flags = STEP_LAZY_BELOW | STEP_RESTORE | STEP_OF_TREE;
        step->propagation = UINT64_MAX - 9;
        step->id = UINT64_MAX;
        step->mount_id = 77;
        step->device = UINT64_MAX - 1;
        step->made = 2;
        step->made_file = true;
        step = add(job, STEP_DETACH, NULL, "");
        step->id = 1;
}

static void add_links(struct job *job) {
        struct step *step = add(job, STEP_LINK, "main", "eth0");

        step->type = copy("veth");
        step->source = (struct step_source) {.kind = STEP_SOURCE_FD, .fd = 1};
        step->flags = STEP_LINK_MOVE;
        step->mount_id = 9;
        ck_assert_int_eq(strv_append(&step->stubs, "host0"), 0);
        add(job, STEP_UNLINK, "main", "eth1")->type = copy("");
}

static struct job *example(void) {
        struct job *job = job_new();
        struct step *step;

        ck_assert_ptr_nonnull(job);
        job->id = UINT64_MAX - 7;
        strcpy(job->uuid, "0123abcd-4567-89ab-cdef-0123456789ab");
        job->private = true;
        job->owner = 1000;
        job->owner_group = 1001;
        job->n_fds = 3;
        job->caller = (struct job_caller) {.uid = 1000, .gid = 1001, .groups = calloc(3, sizeof(gid_t)), .n_groups = 3,
                .brought_max = 1002};
        job->caller.groups[0] = 4;
        job->caller.groups[2] = UINT32_MAX - 1;
        ck_assert_int_eq(strv_append(&job->containers, "main"), 0);
        ck_assert_int_eq(strv_append(&job->containers, "second.one"), 0);
        ck_assert_int_eq(strv_append(&job->fd_names, "data"), 0); /* the others have none */

        step = add(job, STEP_TREE, NULL, NULL);
        step->size = 1 << 20;
        step->attr_set = MOUNT_ATTR_NOSUID;
        step->propagation = MS_SHARED;
        step = add(job, STEP_ROOT, "main", "/");
        step->flags = STEP_RECURSIVE | STEP_OVERLAY_TMPFS;
        step->source = path_source("/srv/root");
        step->size = UINT64_MAX;
        step->wanted = 0;
        ck_assert_int_eq(strv_append(&step->stubs, "/proc"), 0);
        ck_assert_int_eq(strv_append(&step->stubs, "/a b"), 0);
        step = add(job, STEP_BIND, "main", "/data");
        step->flags = STEP_RECURSIVE | STEP_ATTR_RECURSIVE | STEP_PROPAGATION_RECURSIVE | STEP_STACK;
        step->source = (struct step_source) {.kind = STEP_SOURCE_FD, .fd = 1};
        step->attr_set = MOUNT_ATTR_RDONLY;
        step->attr_clear = MOUNT_ATTR_NOEXEC;
        step->attr_set_below = MOUNT_ATTR_NOSUID;
        step->attr_clear_below = MOUNT_ATTR_RDONLY;
        step->create = STEP_CREATE_STUB;
        step->cover_step = 1;
        step = add(job, STEP_FILESYSTEM, "main", "/tmp");
        step->type = copy("tmpfs");
        step->source.path = copy("a label");
        add_option(step, "size", "64m");
        add_overlay(job);
        (void) add(job, STEP_PUBLISH, NULL, NULL);
        add_unmounts(job);
        (void) add(job, STEP_REMOVE_POD, NULL, NULL);
        step = add(job, STEP_IDENTIFY, NULL, NULL);
        step->source = (struct step_source) {.kind = STEP_SOURCE_FD, .fd = 0};
        add_inside(job);
        add_directories(job);
        add_paths(job);
        step = add(job, STEP_CONTAINER, "side", NULL);
        step->size = 65536;
        step->propagation = MS_SHARED;
        (void) add(job, STEP_JOIN, "side", NULL);
        (void) add(job, STEP_EXAMINE, "", "/srv/../x");
        step = add(job, STEP_FIND, "side", NULL);
        ck_assert_int_eq(strv_append(&step->stubs, "/bin/sh"), 0);
        step = add(job, STEP_FILESYSTEM, "main", "/p");
        step->type = copy("proc");
        step->space = (struct step_source) {.kind = STEP_SOURCE_FD, .fd = 2};
        add_option(step, "fd", NULL);
        step->options[0].fd = 1;
        step = add(job, STEP_IMAGE, "main", "/i");
        step->type = copy("erofs");
        step->source = path_source("/s");
        step->flags = STEP_DEVICE;
        (void) add(job, STEP_OPEN_TREE, "main", "/data");
        step = add(job, STEP_GC_PROGRAM, "main", "/usr/lib/gc");
        step->flags = STEP_GC_LISTED | STEP_GC_DEBUG;
        add_links(job);
        step = add(job, STEP_BIND, "main", "/v");
        step->source = (struct step_source) {.kind = STEP_SOURCE_VOLUME, .path = copy("cache"), .id = UINT64_MAX - 5};
        add_remount(job);
        return job;
}

static void check_canonical(const uint8_t *data, size_t size) {
        _cleanup_(job_freep) struct job *job = NULL;
        _cleanup_free_ uint8_t *again = NULL;
        size_t again_size;
        int r = job_decode(data, size, &job);

        if (r < 0) {
                ck_assert_int_eq(r, -EBADMSG);
                ck_assert_ptr_null(job);
                return;
        }
        ck_assert_int_eq(job_encode(job, &again, &again_size), 0);
        ck_assert_uint_eq(again_size, size);
        ck_assert_int_eq(memcmp(again, data, size), 0);
}

static void encode(const struct job *job, uint8_t **ret, size_t *ret_size) {
        ck_assert_int_eq(job_encode(job, ret, ret_size), 0);
}

START_TEST(test_identity) {
        _cleanup_(job_freep) struct job *job = example(), *back = NULL;
        _cleanup_free_ uint8_t *data = NULL;
        size_t size;

        encode(job, &data, &size);
        ck_assert_int_eq(job_decode(data, size, &back), 0);
        check_canonical(data, size);

        ck_assert_uint_eq(back->id, UINT64_MAX - 7);
        ck_assert_str_eq(back->uuid, job->uuid);
        ck_assert(back->private);
        ck_assert_uint_eq(back->owner, 1000);
        ck_assert_uint_eq(back->owner_group, 1001);
        ck_assert_uint_eq(back->caller.n_groups, 3);
        ck_assert_uint_eq(back->caller.groups[2], UINT32_MAX - 1);
        ck_assert_uint_eq(back->caller.brought_max, 1002);
        ck_assert(!back->caller.root);
        ck_assert_str_eq(back->containers[1], "second.one");
        ck_assert_ptr_null(back->containers[2]);
        ck_assert_str_eq(back->fd_names[0], "data");
        ck_assert_ptr_null(back->fd_names[1]);
        ck_assert_uint_eq(back->n_steps, job->n_steps);
        ck_assert_str_eq(back->steps[1].stubs[1], "/a b");
        ck_assert_uint_eq(back->steps[1].size, UINT64_MAX);
        ck_assert_uint_eq(back->steps[1].wanted, 0);
        ck_assert_uint_eq(back->steps[2].source.fd, 1);
        ck_assert_uint_eq(back->steps[2].cover_step, 1);
        ck_assert_int_eq(back->steps[2].create, STEP_CREATE_STUB);
        ck_assert_str_eq(back->steps[3].source.path, "a label");
        ck_assert_str_eq(back->steps[3].options[0].value, "64m");
        ck_assert_str_eq(back->steps[4].target, "/srv/\xc3\xbc b\t\\");
        ck_assert_uint_eq(back->steps[4].n_layers, 3);
        ck_assert_int_eq(back->steps[4].layers[1].kind, STEP_SOURCE_FD);
        ck_assert_uint_eq(back->steps[4].cover_step, STEP_NO_COVER);
        ck_assert_uint_eq(back->steps[4].cover_id, 1234567890123);
        ck_assert_ptr_null(back->steps[4].options[0].value);
        ck_assert_str_eq(back->steps[4].upper.path, "/upper");
        ck_assert_uint_eq(back->steps[6].id, UINT64_MAX);
        ck_assert_uint_eq(back->steps[6].made, 2);
        ck_assert(back->steps[6].made_file);
        ck_assert_str_eq(back->steps[7].target, "");
        ck_assert_uint_eq(back->steps[7].wanted, UINT32_MAX);
}
END_TEST

START_TEST(test_empty_vectors_are_there) {
        _cleanup_(job_freep) struct job *job = job_new(), *back = NULL;
        _cleanup_free_ uint8_t *data = NULL;
        size_t size;

        add(job, STEP_ROOT, "main", "/")->source = path_source("/");
        encode(job, &data, &size);
        ck_assert_int_eq(job_decode(data, size, &back), 0);
        ck_assert_ptr_nonnull(back->containers);
        ck_assert_ptr_null(back->containers[0]);
        ck_assert_ptr_nonnull(back->steps[0].stubs);
        ck_assert_str_eq(back->uuid, "");
}
END_TEST

START_TEST(test_every_prefix_is_refused) {
        _cleanup_(job_freep) struct job *job = example();
        _cleanup_free_ uint8_t *data = NULL;
        size_t size;

        encode(job, &data, &size);
        for (size_t i = 0; i < size; i++) {
                _cleanup_free_ uint8_t *exact = malloc(i > 0 ? i : 1);
                struct job *back = NULL;

                memcpy(exact, data, i);
                ck_assert_int_eq(job_decode(exact, i, &back), -EBADMSG);
                ck_assert_ptr_null(back);
        }
}
END_TEST

START_TEST(test_trailing_bytes_are_refused) {
        _cleanup_(job_freep) struct job *job = example(), *back = NULL;
        _cleanup_free_ uint8_t *data = NULL, *longer = NULL;
        size_t size;

        encode(job, &data, &size);
        longer = calloc(1, size + 1);
        memcpy(longer, data, size);
        ck_assert_int_eq(job_decode(longer, size + 1, &back), -EBADMSG);
}
END_TEST

START_TEST(test_mutations) {
        _cleanup_(job_freep) struct job *job = example();
        _cleanup_free_ uint8_t *data = NULL;
        size_t size;

        encode(job, &data, &size);
        wire_cases_mutations(check_canonical, data, size);
}
END_TEST

START_TEST(test_random) {
        _cleanup_(job_freep) struct job *job = example();
        _cleanup_free_ uint8_t *data = NULL;
        size_t size;

        encode(job, &data, &size);
        wire_cases_random(check_canonical, data, size, 20000);
}
END_TEST

/* Puts `value` where `find` stands in the encoded example, which must hold it once, and expects a refusal. */
static void check_poked(const uint8_t *data, size_t size, const void *find, const void *value, size_t n) {
        _cleanup_free_ uint8_t *poked = malloc(size);
        uint8_t *at;
        struct job *back = NULL;

        memcpy(poked, data, size);
        at = memmem(poked, size, find, n);
        ck_assert_ptr_nonnull(at);
        memcpy(at, value, n);
        ck_assert_int_eq(job_decode(poked, size, &back), -EBADMSG);
}

START_TEST(test_refused_values) {
        _cleanup_(job_freep) struct job *job = example();
        _cleanup_free_ uint8_t *data = NULL;
        const uint32_t fd = 1, fd_past = 3;
        uint8_t source[5] = {STEP_SOURCE_FD}, source_past[5] = {STEP_SOURCE_FD};
        size_t size;

        encode(job, &data, &size);
        memcpy(source + 1, &fd, sizeof(fd));
        memcpy(source_past + 1, &fd_past, sizeof(fd_past));
        check_poked(data, size, source, source_past, sizeof(source));
        check_poked(data, size, "a label", "a \0abel", 7);
        check_poked(data, size, "0123abcd-", "0123ABCD-", 9);
        check_poked(data, size, "0123abcd-", "0123abcd0", 9);
}
END_TEST

static void check_not_encoded(struct job *job, int error) {
        uint8_t *data = NULL;
        size_t size;

        ck_assert_int_eq(job_encode(job, &data, &size), error);
        ck_assert_ptr_null(data);
        job_free(job);
}

START_TEST(test_encode_refuses) {
        struct job *job;

        job = example();
        job->steps[5].size = 1; /* a publish has no size */
        check_not_encoded(job, -EINVAL);
        job = example();
        job->steps[6].container = copy("main");
        check_not_encoded(job, -EINVAL);
        job = example();
        job->steps[2].source.id = 1; /* an fd has no id of its own */
        check_not_encoded(job, -EINVAL);
        job = example();
        free(job->steps[2].source.path);
        job->steps[2].source = (struct step_source) {.kind = STEP_SOURCE_VOLUME}; /* and a volume needs a name */
        check_not_encoded(job, -EINVAL);
        job = example();
        job->steps[2].flags |= STEP_LAZY_BELOW;
        check_not_encoded(job, -EINVAL);
        job = example();
        job->steps[2].flags &= ~(uint32_t) STEP_ATTR_RECURSIVE; /* but has attributes for below */
        check_not_encoded(job, -EINVAL);
        job = example();
        job->steps[2].cover_step = 2; /* itself */
        check_not_encoded(job, -EINVAL);
        job = example();
        job->steps[2].source.fd = 3;
        check_not_encoded(job, -EINVAL);
        job = example();
        job->steps[4].work.fd = 3;
        check_not_encoded(job, -EINVAL);
        job = example();
        job->n_fds = CHANNEL_FDS_MAX + 1;
        check_not_encoded(job, -EINVAL);
        job = example();
        strcpy(job->uuid, "short");
        check_not_encoded(job, -EINVAL);
        job = example();
        free(job->steps[3].type);
        job->steps[3].type = NULL;
        check_not_encoded(job, -EINVAL);
}
END_TEST

START_TEST(test_more_names_than_fds) {
        struct job *job = job_new();

        ck_assert_ptr_nonnull(job);
        job->n_fds = 1;
        ck_assert_int_eq(strv_append(&job->fd_names, "a"), 0);
        ck_assert_int_eq(strv_append(&job->fd_names, "b"), 0);
        check_not_encoded(job, -EINVAL);
}
END_TEST

START_TEST(test_size_limit) {
        struct job *job = job_new();
        char *big = malloc(CHANNEL_MESSAGE_MAX / 2);

        memset(big, 'x', CHANNEL_MESSAGE_MAX / 2);
        big[CHANNEL_MESSAGE_MAX / 2 - 1] = 0;
        add(job, STEP_UNMOUNT, NULL, big);
        add(job, STEP_UNMOUNT, NULL, big);
        add(job, STEP_UNMOUNT, NULL, big);
        free(big);
        check_not_encoded(job, -E2BIG);
}
END_TEST

/* A count that the buffer cannot hold must not cost memory either: the allocation would be seen as one of gigabytes. */
START_TEST(test_lying_count) {
        _cleanup_(job_freep) struct job *job = job_new(), *back = NULL;
        _cleanup_free_ uint8_t *data = NULL;
        const uint32_t steps = JOB_STEPS_MAX;
        size_t size;

        encode(job, &data, &size);
        memcpy(data + size - sizeof(steps), &steps, sizeof(steps));
        ck_assert_int_eq(job_decode(data, size, &back), -EBADMSG);
}
END_TEST

static void map(struct id_mapping **list, size_t *n, uint32_t container_id, uint32_t host_id, uint32_t size) {
        struct id_mapping *mapping = array_append(list, n);

        ck_assert_ptr_nonnull(mapping);
        *mapping = (struct id_mapping) {.container_id = container_id, .host_id = host_id, .size = size};
}

static struct job *mapped(void) {
        struct job *job = job_new();
        struct step *step;

        ck_assert_ptr_nonnull(job);
        job->n_fds = 1;
        step = add(job, STEP_BIND, "main", "/data");
        step->source = path_source("/srv");
        step->idmap.given = step->idmap.recursive = true;
        map(&step->idmap.uids, &step->idmap.n_uids, 0, UINT32_MAX - 9, 9);
        map(&step->idmap.uids, &step->idmap.n_uids, 70000, 80000, 1);
        map(&step->idmap.gids, &step->idmap.n_gids, 5, 6, 7);
        step = add(job, STEP_BIND, "main", "/by/fd");
        step->source = path_source("/srv");
        step->idmap.given = true;
        step->userns = (struct step_source) {.kind = STEP_SOURCE_FD, .fd = 0};
        return job;
}

START_TEST(test_mappings) {
        _cleanup_(job_freep) struct job *job = mapped(), *back = NULL;
        _cleanup_free_ uint8_t *data = NULL;
        const struct idmap *idmap;
        size_t size;

        encode(job, &data, &size);
        ck_assert_int_eq(job_decode(data, size, &back), 0);
        idmap = &back->steps[0].idmap;
        ck_assert(idmap->given && idmap->recursive);
        ck_assert_uint_eq(idmap->n_uids, 2);
        ck_assert_uint_eq(idmap->uids[0].host_id, UINT32_MAX - 9);
        ck_assert_uint_eq(idmap->uids[1].container_id, 70000);
        ck_assert_uint_eq(idmap->n_gids, 1);
        ck_assert_uint_eq(idmap->gids[0].size, 7);
        ck_assert_int_eq(back->steps[0].userns.kind, job->steps[0].userns.kind);
        idmap = &back->steps[1].idmap;
        ck_assert(idmap->given && !idmap->recursive && idmap->n_uids == 0 && idmap->n_gids == 0);
        ck_assert_int_eq(back->steps[1].userns.kind, STEP_SOURCE_FD);
        for (size_t i = 0; i < size; i++) {
                struct job *none = NULL;

                ck_assert_int_eq(job_decode(data, i, &none), -EBADMSG);
        }
        wire_cases_mutations(check_canonical, data, size);
        wire_cases_random(check_canonical, data, size, 5000);
}
END_TEST

START_TEST(test_mappings_refused) {
        struct job *job;

        job = mapped();
        job->steps[0].idmap.uids[1].relative = true;
        check_not_encoded(job, -EINVAL);
        job = mapped();
        job->steps[0].idmap.gids[0].relative = true;
        check_not_encoded(job, -EINVAL);
        job = mapped();
        job->steps[0].idmap.n_gids = 0;
        check_not_encoded(job, -EINVAL);
        job = mapped();
        job->steps[0].idmap.given = false;
        check_not_encoded(job, -EINVAL);
        job = mapped();
        job->steps[0].userns = job->steps[1].userns;
        check_not_encoded(job, -EINVAL);
        job = mapped();
        job->steps[1].userns.fd = 1;
        check_not_encoded(job, -EINVAL);
        job = mapped();
        job->steps[1].userns = path_source("/proc/self/ns/user");
        check_not_encoded(job, -EINVAL);
        job = mapped();
        while (job->steps[0].idmap.n_uids <= IDMAP_MAX)
                map(&job->steps[0].idmap.uids, &job->steps[0].idmap.n_uids, 0, 0, 1);
        check_not_encoded(job, -EINVAL);
        job = mapped();
        job->steps[0].kind = STEP_FILESYSTEM;
        job->steps[0].type = copy("tmpfs");
        check_not_encoded(job, -EINVAL);
}
END_TEST

START_TEST(test_names) {
        for (int i = 0; i < _STEP_KIND_MAX; i++) {
                ck_assert_ptr_nonnull(step_kind_name((enum step_kind) i));
                for (int j = 0; j < i; j++)
                        ck_assert_str_ne(step_kind_name((enum step_kind) i), step_kind_name((enum step_kind) j));
        }
}
END_TEST

UNIT_MAIN("job-wire", test_identity, test_empty_vectors_are_there, test_every_prefix_is_refused,
        test_trailing_bytes_are_refused, test_mutations, test_random, test_refused_values, test_encode_refuses,
        test_more_names_than_fds, test_size_limit, test_lying_count, test_mappings, test_mappings_refused, test_names)
