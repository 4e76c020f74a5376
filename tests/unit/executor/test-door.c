/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The door refuses whatever a captured front may send: one case a rule, each a good job with one thing wrong. */

#include "spec/spec.h"
#include "tests/unit/executor/refusals.h"
#include "util/settings.h"

static struct job *good(void) {
        struct job *job = new_job(true);
        struct step *step;

        add_tree(job);
        add_root(job, "/tmp/root");
        step = add_bind(job, "/tmp/src", "/data");
        step->cover_step = 1;
        step = add_fs(job, "tmpfs", "/tmp");
        add_option(step, "size", "65536");
        step = add_step(job, STEP_OVERLAY, NULL, "/both");
        for (unsigned i = 0; i < 2; i++) {
                struct step_source *layer = array_append(&step->layers, &step->n_layers);

                *layer = (struct step_source){.kind = STEP_SOURCE_PATH, .path = strdup("/tmp/src")};
        }
        add_publish(job);
        return job;
}

static struct job *good_unmount(void) {
        struct job *job = new_job(true);
        struct step *step = job_add(job, STEP_UNMOUNT);

        step->target = strdup("main/rootfs/data");
        step->id = 5;
        ck_assert_ptr_nonnull(job_add(job, STEP_REMOVE_POD));
        return job;
}

static struct job *new_job_root(void) {
        return new_job(true);
}

START_TEST(test_good) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct job *create = good(), *unmount = good_unmount();
        uint32_t step;

        ck_assert_msg(door_check(create, &step, &f) == 0, "%s", f.text);
        ck_assert_msg(door_check(unmount, &step, &f) == 0, "%s", f.text);
        job_free(create);
        job_free(unmount);
}
END_TEST

static struct step *volume_of(struct job *job, const char *name, const char *target) {
        struct step *step = add_step(job, STEP_BIND, NULL, target);

        step->source = (struct step_source){.kind = STEP_SOURCE_VOLUME, .path = strdup(name)};
        return step;
}

/* 0 tree, 1 and 2 volumes, 3 root, 4 a bind of the first. */
static struct job *good_volumes(void) {
        struct job *job = new_job(true);

        add_tree(job);
        ck_assert_int_eq(strv_append(&job->containers, SPEC_VOLUMES), 0);
        add_option(add_fs(job, "tmpfs", "/proc"), "size", "65536");
        add_bind(job, "/tmp/src", "/data");
        for (size_t i = 1; i < 3; i++)
                set(&job->steps[i].container, SPEC_VOLUMES);
        add_root(job, "/tmp/root");
        volume_of(job, "proc", "/cache");
        add_publish(job);
        return job;
}

static struct job *good_living_volume(void) {
        struct job *job = new_job(true);

        volume_of(job, "cache", "/data")->source.id = 7;
        return job;
}

/* AddContainer: its tree, its root, a bind. */
static struct job *good_added(void) {
        struct job *job = new_job(true);
        struct step *step = job_add(job, STEP_CONTAINER);

        step->container = strdup("main");
        step->size = 65536;
        add_root(job, "/tmp/root");
        volume_of(job, "cache", "/data")->source.id = 7;
        step = job_add(job, STEP_JOIN);
        step->container = strdup("main");
        return job;
}

START_TEST(test_volumes) {
        struct job *(*const good_ones[])(void) = {good_volumes, good_living_volume, good_added};

        for (size_t i = 0; i < ELEMENTSOF(good_ones); i++) {
                _cleanup_failure_ struct failure f = FAILURE_INIT;
                struct job *job = good_ones[i]();
                uint32_t step;

                ck_assert_msg(door_check(job, &step, &f) == 0, "%zu: %s", i, f.text);
                job_free(job);
        }
        REFUSE_AT(good_volumes, 0, "container's name", set(&job->containers[1], ".others"));
        REFUSE_AT(good_volumes, 1, "comes with its pod", set(&job->containers[1], "other"));
        REFUSE_AT(good_volumes, 1, "name is none", set(&job->steps[1].target, "/a/b"));
        REFUSE_AT(good_volumes, 1, "name is none", set(&job->steps[1].target, "/"));
        REFUSE_AT(good_volumes, 1, "name is none", set(&job->steps[1].target, "/.."));
        REFUSE_AT(good_volumes, 1, "name is none", set(&job->steps[1].target, "cache"));
        REFUSE_AT(good_volumes, 2, "where nothing is", job->steps[2].flags = STEP_STACK);
        REFUSE_AT(good_volumes, 2, "where nothing is", job->steps[2].flags = STEP_TARGET_NOFOLLOW);
        REFUSE_AT(good_volumes, 2, "volume of a volume", job->steps[2].source.kind = STEP_SOURCE_VOLUME);
        REFUSE_AT(good_volumes, 3, "container's name", set(&job->steps[3].container, SPEC_VOLUMES));
        REFUSE_AT(good_volumes, 4, "no step before", set(&job->steps[4].source.path, "other"));
        REFUSE_AT(good_volumes, 4, "no step before", job->steps[4].source.id = 7);
        REFUSE_AT(good_volumes, 4, "name is none", set(&job->steps[4].source.path, "../main"));
        REFUSE_AT(good_volumes, 4, "overlay of a volume", job->steps[4].flags = STEP_OVERLAY_TMPFS, job->steps[4].size = 4096);
        REFUSE_AT(good_volumes, 4, "overlay of a volume", strv_append(&job->steps[4].stubs, "/cache/x"));
        REFUSE_AT(good_volumes, 3, "nothing else is made", job->steps[3].source.kind = STEP_SOURCE_VOLUME);
        REFUSE_AT(good_living_volume, 0, "without its id", job->steps[0].source.id = 0);
        REFUSE_AT(good_added, 2, "without its id", job->steps[2].source.id = 0);
        REFUSE_AT(good_added, 2, "comes with its pod", set(&job->steps[2].container, SPEC_VOLUMES));
        REFUSE_AT(good_living_volume, 0, "container's name", job->steps[0].kind = STEP_MASK, set(&job->steps[0].container, SPEC_VOLUMES));
}
END_TEST

static struct job *good_kinds(void) {
        struct job *job = new_job(true);
        struct step *step;

        add_tree(job);
        add_root(job, "/tmp/root");
        step = add_step(job, STEP_IMAGE, "/tmp/image", "/i");
        step->type = strdup("erofs");
        step->flags = STEP_DEVICE;
        step = add_fs(job, "fuse", "/f");
        add_option(step, "fd", NULL);
        step->options[0].fd = 0;
        step = add_fs(job, "proc", "/proc");
        step->space.kind = STEP_SOURCE_FD;
        job->n_fds = 1;
        add_publish(job);
        return job;
}

START_TEST(test_kinds) {
        _cleanup_failure_ struct failure f = FAILURE_INIT, g = FAILURE_INIT;
        uint32_t bit = settings_image_bit("erofs"), step;
        struct job *kinds = good_kinds();

        ck_assert_msg(door_check(kinds, &step, &f) == 0, "%s", f.text);
        ck_assert_int_eq(door_check_images(kinds, 0, bit, &step, &f), 0);
        ck_assert_int_eq(door_check_images(kinds, bit, 0, &step, &f), FAILURE_NOT_SUPPORTED);
        ck_assert_uint_eq(step, 2);
        ck_assert_ptr_nonnull(strstr(f.text, "DeviceTypes="));
        kinds->steps[2].flags = 0;
        ck_assert_int_eq(door_check_images(kinds, 0, ~bit, &step, &g), FAILURE_NOT_SUPPORTED);
        ck_assert_ptr_nonnull(strstr(g.text, "ImageTypes="));
        kinds->caller.uid = CALLER;
        kinds->caller.root = false; /* with the namespace named, proc is everybody's */
        ck_assert_int_eq(door_check(kinds, &step, &f), 0);
        job_free(kinds);
        REFUSE_AT(good_kinds, 2, "not on the list", set(&job->steps[2].type, "xfs"));
        REFUSE_AT(good_kinds, 2, "source is missing", job->steps[2].source.kind = STEP_SOURCE_NONE);
        REFUSE_AT(good_kinds, 3, "is no fd", job->steps[3].options[0].fd = STEP_NO_FD);
        REFUSE_AT(good_kinds, 3, "takes no fd", set(&job->steps[3].options[0].name, "max_read"));
        REFUSE_AT(good_kinds, 3, "without the option fd", free(job->steps[3].options[0].name), job->steps[3].n_options = 0);
        REFUSE_AT(good_kinds, 3, "namespace that it cannot have", job->steps[3].space.kind = STEP_SOURCE_FD);
        REFUSE_AT(good_kinds, 4, "host's namespaces", job->caller.root = false; job->caller.uid = CALLER; job->steps[4].space.kind = STEP_SOURCE_NONE);
}
END_TEST

static struct job *good_remount(void) {
        struct job *job = new_job(true);
        struct step *step = add_step(job, STEP_REMOUNT, NULL, "/tmp");

        step->propagation = 0;
        step->id = 5;
        step->type = strdup("tmpfs");
        add_option(step, "size", "65536");
        return job;
}

START_TEST(test_remount) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct job *remount = good_remount();
        uint32_t failed;

        ck_assert_msg(door_check(remount, &failed, &f) == 0, "%s", f.text);
        job_free(remount);
        REFUSE_AT(good_remount, 0, "no id", job->steps[0].id = 0);
        REFUSE_AT(good_remount, 0, "name", set(&job->steps[0].container, ".."));
        REFUSE_AT(good_remount, 0, "target", set(&job->steps[0].target, "/tmp/../../x"));
        REFUSE_AT(good_remount, 0, "not one for a remount", set(&job->steps[0].options[0].name, "mode"));
        REFUSE_AT(good_remount, 0, "not one for a remount", set(&job->steps[0].options[0].name, "context"));
        REFUSE_AT(good_remount, 0, "not one for a remount", set(&job->steps[0].options[0].name, "nonsense"));
        REFUSE_AT(good_remount, 0, "size", set(&job->steps[0].options[0].value, "much"));
        REFUSE_AT(good_remount, 0, "for root", job->caller.root = false; set(&job->steps[0].options[0].value, "0"));
        REFUSE_AT(good_remount, 0, "takes no options", set(&job->steps[0].type, "bind"));
        REFUSE_AT(good_remount, 0, "takes no options", set(&job->steps[0].type, "sysfs"));
        REFUSE_AT(good_remount, 0, "takes no options", set(&job->steps[0].type, "ext4"));
        REFUSE_AT(good_remount, 0, "propagation", job->steps[0].propagation = MS_SHARED);
        REFUSE_AT(good_remount, 0, "attributes", job->steps[0].attr_set = UINT64_C(1) << 40);
        REFUSE_AT(good_remount, 0, "flags", job->steps[0].flags = STEP_STACK);
        REFUSE_AT(good_remount, 0, "alone", (void) add_fs(job, "tmpfs", "/x"));
        REFUSE_AT(good_remount, 1, "do not go together", ck_assert_ptr_nonnull(job_add(job, STEP_REMOVE_POD)); job->steps[0].kind = STEP_FILESYSTEM);
}
END_TEST

START_TEST(test_jobs) {
        REFUSE_AT(good, UINT32_MAX, "UUID", strcpy(job->uuid, "../../../../etc"));
        REFUSE_AT(good, UINT32_MAX, "UUID", job->uuid[0] = 'A');
        REFUSE_AT(good, UINT32_MAX, "UUID", job->uuid[8] = '1');
        REFUSE_AT(good, UINT32_MAX, "UUID", job->uuid[0] = 0);
        REFUSE_AT(good_unmount, UINT32_MAX, "UUID", strcpy(job->uuid, "."));
        REFUSE_AT(new_job_root, UINT32_MAX, "without a step", (void) job);
        REFUSE_AT(good, UINT32_MAX, "not published", job->n_steps--);
        REFUSE_AT(good, 5, "made first", job->steps[5].kind = STEP_TREE; add_publish(job));
        REFUSE_AT(good, 5, "published last", add_publish(job));
        REFUSE_AT(good, 5, "do not go together", job->steps[5].kind = STEP_REMOVE_POD; add_publish(job));
        REFUSE_AT(good_unmount, 1, "removed last", ck_assert_ptr_nonnull(job_add(job, STEP_REMOVE_POD)));
        REFUSE_AT(good, 0, "size", job->steps[0].size = 0);
        REFUSE_AT(good, 0, "size", job->steps[0].size = UINT64_MAX);
        REFUSE_AT(good, 0, "name", set(&job->containers[0], "../x"));
        REFUSE_AT(good, 0, "name", set(&job->containers[0], "a/b"));
}
END_TEST

static struct job *good_replace(void) {
        struct job *job = new_job(true);
        struct step *step = add_bind(job, "/tmp/src", "/data");

        step->flags = STEP_BENEATH;
        step->cover_id = 5;
        return job;
}

/* What replaces a mount has no undo: it comes alone, and says by its id what it replaces. */
START_TEST(test_replace) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct job *replace = good_replace();
        uint32_t step;

        ck_assert_msg(door_check(replace, &step, &f) == 0, "%s", f.text);
        job_free(replace);
        REFUSE_AT(good, 2, "job of its own", job->steps[2].flags = STEP_BENEATH; job->steps[2].cover_id = 5);
        REFUSE_AT(good_replace, 0, "job of its own", add_bind(job, "/tmp/src", "/etc"));
        REFUSE_AT(good_replace, 0, "job of its own", job->steps[0].flags |= STEP_STACK);
        REFUSE_AT(good_replace, 0, "by its id", job->steps[0].cover_id = 0);
        REFUSE_AT(good_replace, 0, "by its id", job->steps[0].create = STEP_CREATE_FREELY);
        REFUSE_AT(good, 1, "flags", job->steps[1].flags = STEP_BENEATH);
        REFUSE_AT(good_replace, 0, "in one step", job->steps[0].kind = STEP_FILESYSTEM;
                free(TAKE_PTR(job->steps[0].source.path)); job->steps[0].source.kind = STEP_SOURCE_NONE;
                set(&job->steps[0].type, "devtmpfs"));
}
END_TEST

START_TEST(test_mounts) {
        REFUSE_AT(good, 2, "name", set(&job->steps[2].container, ".."));
        REFUSE_AT(good, 2, "name", set(&job->steps[2].container, NULL));
        REFUSE_AT(good, 2, "not one of this pod's", set(&job->steps[2].container, "other"));
        REFUSE_AT(good, 2, "target", set(&job->steps[2].target, "/data/../../x"));
        REFUSE_AT(good, 2, "target", set(&job->steps[2].target, "data"));
        REFUSE_AT(good, 2, "target", set(&job->steps[2].target, "//data"));
        REFUSE_AT(good, 2, "target", set(&job->steps[2].target, NULL));
        REFUSE_AT(good, 2, "/proc", set(&job->steps[2].target, "/proc/self/attr"));
        REFUSE_AT(good, 2, "/sys", set(&job->steps[2].target, "/sys/kernel"));
        REFUSE_AT(good, 2, "source", set(&job->steps[2].source.path, "relative"));
        REFUSE_AT(good, 2, "source", set(&job->steps[2].source.path, "/a/../b"));
        REFUSE_AT(good, 2, "source", job->steps[2].source.kind = STEP_SOURCE_NONE);
        REFUSE_AT(good, 2, "no fd", job->steps[2].source.kind = STEP_SOURCE_FD);
        REFUSE_AT(good, 2, "attributes", job->steps[2].attr_set = MOUNT_ATTR_IDMAP);
        REFUSE_AT(good, 2, "attributes", job->steps[2].attr_clear = UINT64_C(1) << 40);
        REFUSE_AT(good, 2, "propagation", job->steps[2].propagation = MS_SHARED | MS_SLAVE);
        REFUSE_AT(good, 2, "flags", job->steps[2].flags = STEP_LAZY_BELOW);
        REFUSE_AT(good, 2, "flags", job->steps[2].flags = STEP_COPY_UP);
        REFUSE_AT(good, 3, "flags", job->steps[3].flags = STEP_SOURCE_NOFOLLOW);
        REFUSE_AT(good, 3, "only a tmpfs", job->steps[3].flags = STEP_COPY_UP; set(&job->steps[3].type, "devpts");
                set(&job->steps[3].options[0].name, "max"); set(&job->steps[3].options[0].value, "7"));
        REFUSE_AT(good, 2, "later one", job->steps[2].cover_step = 2);
        REFUSE_AT(good, 1, "target of a root", set(&job->steps[1].target, "/x"));
        REFUSE_AT(good, 1, "stub", strv_append(&job->steps[1].stubs, "../x"));
        REFUSE_AT(good, 1, "size", job->steps[1].flags = STEP_OVERLAY_TMPFS);
        REFUSE_AT(good, 3, "type", set(&job->steps[3].type, "ext4"));
        REFUSE_AT(good, 3, "type", set(&job->steps[3].type, "overlay"));
        REFUSE_AT(good, 3, "option", set(&job->steps[3].options[0].name, "mpol"));
        REFUSE_AT(good, 3, "option", set(&job->steps[3].options[0].name, "source"));
        REFUSE_AT(good, 4, "lower layers", free(job->steps[4].layers[1].path); job->steps[4].n_layers = 1);
        REFUSE_AT(good, 4, "both",
                job->steps[4].upper = (struct step_source){.kind = STEP_SOURCE_PATH, .path = strdup("/x")});
        REFUSE_AT(good, 4, "option", add_option(&job->steps[4], "lowerdir+", "/etc"));
        REFUSE_AT(good, 4, "option", add_option(&job->steps[4], "upperdir", "/etc"));
        REFUSE_AT(good, 3, "size", set(&job->steps[3].options[0].value, "huge"));
}
END_TEST

static void map(struct id_mapping **list, size_t *n, uint32_t container_id, uint32_t host_id, uint32_t size) {
        struct id_mapping *mapping = array_append(list, n);

        ck_assert_ptr_nonnull(mapping);
        *mapping = (struct id_mapping){.container_id = container_id, .host_id = host_id, .size = size};
}

static struct job *good_mapped(void) {
        struct job *job = new_job(true);
        struct step *step;

        add_tree(job);
        add_root(job, "/tmp/root");
        step = add_bind(job, "/tmp/src", "/data");
        step->cover_step = 1;
        step->idmap.given = true;
        map(&step->idmap.uids, &step->idmap.n_uids, 0, 1000, 10);
        map(&step->idmap.gids, &step->idmap.n_gids, 0, 1000, 10);
        add_publish(job);
        return job;
}

START_TEST(test_mappings) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct job *mapped = good_mapped();
        uint32_t step;

        ck_assert_msg(door_check(mapped, &step, &f) == 0, "%s", f.text);
        job_free(mapped);
        REFUSE_AT(good_mapped, 2, "without mappings", job->steps[2].idmap.n_uids = 0);
        REFUSE_AT(good_mapped, 2, "without mappings", job->steps[2].idmap.n_gids = 0);
        REFUSE_AT(good_mapped, 2, "with a size above 0", job->steps[2].idmap.uids[0].size = 0);
        REFUSE_AT(good_mapped, 2, "below 4294967295", job->steps[2].idmap.gids[0].host_id = UINT32_MAX - 9);
        REFUSE_AT(good_mapped, 2, "do not overlap",
                map(&job->steps[2].idmap.uids, &job->steps[2].idmap.n_uids, 9, 5000, 1));
        REFUSE_AT(good_mapped, 2, "do not overlap",
                map(&job->steps[2].idmap.gids, &job->steps[2].idmap.n_gids, 5000, 1009, 1));
        REFUSE_AT(good_mapped, 2, "is relative", job->steps[2].idmap.uids[0].relative = true);
        REFUSE_AT(good_mapped, 2, "is relative", job->steps[2].idmap.gids[0].relative = true);
        REFUSE_AT(good_mapped, 2, "by more than that", job->steps[2].userns.kind = STEP_SOURCE_FD; job->n_fds = 1);
        REFUSE_AT(good_mapped, 2, "an fd that is not there", job->steps[2].userns.kind = STEP_SOURCE_FD;
                job->steps[2].idmap.n_uids = job->steps[2].idmap.n_gids = 0);
}
END_TEST

START_TEST(test_callers) {
        REFUSE_AT(good, 1, "sends an fd", job->caller.root = false);
        REFUSE_AT(good, 3, "namespaces", set(&job->steps[3].type, "proc"); set(&job->steps[3].target, "/proc");
                job->caller.root = false; job->caller.uid = 1000);
        REFUSE_AT(good, 4, "for root", add_option(&job->steps[4], "userxattr", NULL); job->caller.root = false;
                job->caller.uid = 1000);
        REFUSE_AT(good, 3, "without a limit", job->steps[3].n_options--; free(job->steps[3].options[0].name);
                free(job->steps[3].options[0].value); job->caller.root = false; job->caller.uid = 1000);
        REFUSE_AT(good, 3, "for root", set(&job->steps[3].options[0].value, "0"); job->caller.root = false;
                job->caller.uid = 1000);
}
END_TEST

START_TEST(test_unmounts) {
        REFUSE_AT(good_unmount, 0, "plain path", set(&job->steps[0].target, "main/../x"));
        REFUSE_AT(good_unmount, 0, "plain path", set(&job->steps[0].target, "/main"));
        REFUSE_AT(good_unmount, 0, "plain path", set(&job->steps[0].target, "main//x"));
        REFUSE_AT(good_unmount, 0, "plain path", set(&job->steps[0].target, "main/"));
        REFUSE_AT(good_unmount, 0, "plain path", set(&job->steps[0].target, "."));
        REFUSE_AT(good_unmount, 0, "no path", set(&job->steps[0].target, NULL));
        REFUSE_AT(good_unmount, 0, "no id", job->steps[0].id = 0);
        REFUSE_AT(good_unmount, 0, "flags", job->steps[0].flags = STEP_RECURSIVE);
}
END_TEST

static struct job *good_restore(void) {
        struct job *job = good_unmount();

        job->steps[0].flags = STEP_RESTORE | STEP_OF_TREE;
        job->steps[0].propagation = MS_UNBINDABLE;
        return job;
}

START_TEST(test_restored) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(job_freep) struct job *good_one = good_restore();
        uint32_t step;

        ck_assert_msg(door_check(good_one, &step, &f) == 0, "%s", f.text);
        REFUSE_AT(good_restore, 0, "goes lazily", job->steps[0].kind = STEP_DETACH);
        REFUSE_AT(good_restore, 0, "goes lazily", job->steps[0].flags |= STEP_LAZY_BELOW);
        REFUSE_AT(good_restore, 0, "pod's tree", job->steps[0].flags = STEP_OF_TREE);
        REFUSE_AT(good_restore, 0, "pod's tree", job->steps[0].flags |= STEP_HOST; set(&job->steps[0].target, "/srv/x"));
        REFUSE_AT(good_restore, 0, "a propagation for", job->steps[0].flags = 0);
        REFUSE_AT(good_restore, 0, "a propagation for", job->steps[0].flags = STEP_RESTORE | STEP_HOST; set(&job->steps[0].target, "/srv/x"));
        REFUSE_AT(good_restore, 0, "nothing is mounted with", job->steps[0].propagation = MS_SLAVE);
        REFUSE_AT(good_restore, 0, "nothing is mounted with", job->steps[0].propagation = MS_SHARED | MS_PRIVATE);
        REFUSE_AT(good_restore, 0, "nothing is mounted with", job->steps[0].propagation = MS_REC | MS_PRIVATE);
}
END_TEST

START_TEST(test_identify) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct job *job = new_job(true);
        uint32_t step;

        ck_assert_ptr_nonnull(job_add(job, STEP_IDENTIFY));
        job->uuid[0] = 0;
        ck_assert_int_eq(door_check(job, &step, &f), FAILURE_INVALID_ARGS);
        job->steps[0].source.kind = STEP_SOURCE_FD;
        failure_clear(&f);
        ck_assert_int_eq(door_check(job, &step, &f), FAILURE_INVALID_ARGS);
        job->n_fds = 1;
        failure_clear(&f);
        ck_assert_int_eq(door_check(job, &step, &f), 0);
        job_free(job);
}
END_TEST

static struct job *good_mkdir(void) {
        struct job *job = new_job(false);
        struct step *step;

        add_tree(job);
        add_root(job, "/tmp/root");
        step = add_step(job, STEP_MKDIR, NULL, "/data/new");
        step->create = STEP_CREATE_AS_CALLER;
        step->cover_step = 1;
        add_publish(job);
        return job;
}

static struct job *good_unmake(void) {
        struct job *job = new_job(false);
        struct step *step = job_add(job, STEP_UNMAKE);

        set(&step->target, "/data/new");
        set(&step->source.path, "/tmp/root");
        step->source.kind = STEP_SOURCE_PATH;
        step->made = 2;
        return job;
}

START_TEST(test_directories) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(job_freep) struct job *mkdir = good_mkdir(), *unmake = good_unmake();
        uint32_t step;

        ck_assert_msg(door_check(mkdir, &step, &f) == 0, "%s", f.text);
        ck_assert_msg(door_check(unmake, &step, &f) == 0, "%s", f.text);
        REFUSE_AT(good_mkdir, 2, "no container", set(&job->steps[2].container, "other"));
        REFUSE_AT(good_mkdir, 2, "below the root", set(&job->steps[2].target, "/"));
        REFUSE_AT(good_mkdir, 2, "normalised", set(&job->steps[2].target, "/data/../x"));
        REFUSE_AT(good_mkdir, 2, "/proc or /sys", set(&job->steps[2].target, "/sys/fs/cgroup/x"));
        REFUSE_AT(good_mkdir, 2, "later step", job->steps[2].cover_step = 2);
        REFUSE_AT(good_mkdir, 2, "flags", job->steps[2].flags = STEP_RECURSIVE);
        REFUSE_AT(good_unmake, 0, "in no normalised", set(&job->steps[0].source.path, "tmp/root"));
        REFUSE_AT(good_unmake, 0, "in no normalised", job->steps[0].source.kind = STEP_SOURCE_NONE);
        REFUSE_AT(good_unmake, 0, "another place", job->caller.uid = 0);
        REFUSE_AT(good_unmake, 0, "part of its path", job->steps[0].made = 3);
        REFUSE_AT(good_unmake, 0, "part of its path", job->steps[0].made = 0);
        REFUSE_AT(good_unmake, 0, "part of its path", set(&job->steps[0].target, "/data/../new"));
        REFUSE_AT(good_unmake, 0, "flags", job->steps[0].flags = STEP_RECURSIVE);
}
END_TEST

static struct job *good_find(void) {
        struct job *job = new_job(false);
        struct step *step = job_add(job, STEP_FIND);

        ck_assert_ptr_nonnull(step);
        set(&step->container, "main");
        ck_assert_int_eq(strv_append(&step->stubs, "/bin/../bin/sh"), 0);
        return job;
}

START_TEST(test_find) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(job_freep) struct job *good_one = good_find();
        uint32_t step;

        ck_assert_int_eq(door_check(good_one, &step, &f), 0);
        REFUSE_AT(good_find, 0, "alone", ck_assert_ptr_nonnull(job_add(job, STEP_FIND)));
        REFUSE_AT(good_find, 0, "name", set(&job->steps[0].container, "../x"));
        REFUSE_AT(good_find, 0, "absolute paths", set(&job->steps[0].stubs[0], "bin/sh"));
        REFUSE_AT(good_find, 0, "flags", job->steps[0].flags = STEP_RECURSIVE);
}
END_TEST

static struct job *good_examine(void) {
        struct job *job = new_job(false);
        struct step *step = job_add(job, STEP_EXAMINE);

        ck_assert_ptr_nonnull(step);
        set(&step->container, "main");
        set(&step->target, "/data/../x");
        return job;
}

static struct job *good_examine_host(void) {
        struct job *job = good_examine();

        job->uuid[0] = 0;
        set(&job->steps[0].container, "");
        return job;
}

START_TEST(test_examine) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(job_freep) struct job *good_one = good_examine(), *good_host = good_examine_host();
        uint32_t step;

        ck_assert_int_eq(door_check(good_one, &step, &f), 0);
        ck_assert_int_eq(door_check(good_host, &step, &f), 0);
        REFUSE_AT(good_examine, 0, "in a pod or on the host", job->uuid[0] = 0);
        REFUSE_AT(good_examine, 0, "in a pod or on the host", set(&job->steps[0].container, ""));
        REFUSE_AT(good_examine_host, 0, "in a pod or on the host", set(&job->steps[0].container, "main"));
        REFUSE_AT(good_examine, 0, "alone", ck_assert_ptr_nonnull(job_add(job, STEP_EXAMINE)));
        REFUSE_AT(good_examine, 0, "name", set(&job->steps[0].container, "../x"));
        REFUSE_AT(good_examine_host, 0, "absolute path", set(&job->steps[0].target, "etc"));
        REFUSE_AT(good_examine, 0, "absolute path", set(&job->steps[0].target, ""));
        REFUSE_AT(good_examine, 0, "flags", job->steps[0].flags = STEP_RECURSIVE);
}
END_TEST

static struct job *good_open(void) {
        struct job *job = new_job(false);
        struct step *step = job_add(job, STEP_OPEN_TREE);

        ck_assert_ptr_nonnull(step);
        set(&step->container, "main");
        set(&step->target, "/data");
        return job;
}

START_TEST(test_open_tree) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(job_freep) struct job *good_one = good_open();
        uint32_t step;

        ck_assert_int_eq(door_check(good_one, &step, &f), 0);
        REFUSE_AT(good_open, 0, "alone", job->uuid[0] = 0);
        REFUSE_AT(good_open, 0, "alone", ck_assert_ptr_nonnull(job_add(job, STEP_OPEN_TREE)));
        REFUSE_AT(good_open, 0, "name", set(&job->steps[0].container, "../x"));
        REFUSE_AT(good_open, 0, "normalised", set(&job->steps[0].target, "/data/.."));
        REFUSE_AT(good_open, 0, "normalised", set(&job->steps[0].target, "data"));
        REFUSE_AT(good_open, 0, "flags", job->steps[0].flags = STEP_RECURSIVE);
}
END_TEST

UNIT_MAIN("door", test_directories, test_open_tree, test_good, test_find, test_examine, test_kinds, test_remount, test_replace, test_jobs, test_mounts, test_mappings, test_callers, test_unmounts, test_restored, test_identify, test_volumes)
