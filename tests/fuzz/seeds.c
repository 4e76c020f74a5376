/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes what fuzz targets of binary forms begin with: seeds SOURCE-DIRECTORY DIRECTORY makes DIRECTORY/<target>/<name>. */

#include "tests/fuzz/seeds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <syslog.h>
#include <unistd.h>

#include "executor/image-message.h"
#include "kernel/syscalls.h"
#include "plan/holder.h"
#include "plan/plan.h"
#include "spec/spec.h"
#include "util/array.h"
#include "util/log.h"

#define UUID "0123abcd-4567-89ab-cdef-0123456789ab"

static const char *into;

static _Noreturn void give_up(const char *what) {
        fprintf(stderr, "seeds: %s: %s\n", what, strerror(errno));
        exit(EXIT_FAILURE);
}

void seed(const char *target, const char *name, int which, const void *data, size_t size) {
        _cleanup_free_ char *directory = NULL, *path = NULL;
        _cleanup_fclose_ FILE *file = NULL;

        if (asprintf(&directory, "%s/%s", into, target) < 0 || asprintf(&path, "%s/%s", directory, name) < 0)
                give_up("memory");
        if (mkdir(directory, 0755) < 0 && errno != EEXIST)
                give_up(directory);
        file = fopen(path, "we");
        if (!file || (which >= 0 && fputc(which, file) == EOF) || fwrite(data, 1, size, file) != size || fflush(file) != 0)
                give_up(path);
}

void seed_file(const char *target, const char *name, int which, const char *path) {
        _cleanup_fclose_ FILE *file = fopen(path, "re");
        _cleanup_free_ char *data = NULL;
        struct stat st;

        if (!file || fstat(fileno(file), &st) < 0)
                give_up(path);
        data = malloc((size_t) st.st_size + 1);
        if (!data || fread(data, 1, (size_t) st.st_size, file) != (size_t) st.st_size)
                give_up(path);
        seed(target, name, which, data, (size_t) st.st_size);
}

/* A step of each kind with no more than it must have: which texts these are, the encoder says. */
static void seed_kind(enum step_kind kind) {
        for (unsigned texts = 0; texts < 8; texts++) {
                _cleanup_(job_freep) struct job *job = job_new();
                struct step *step = job ? job_add(job, kind) : NULL;
                _cleanup_free_ uint8_t *data = NULL;
                size_t size;

                if (!step || strv_append(&job->containers, "main") < 0)
                        give_up("memory");
                strcpy(job->uuid, UUID);
                job->n_fds = 1;
                step->container = texts & 1 ? strdup("main") : NULL;
                step->target = texts & 2 ? strdup("/data") : NULL;
                step->type = texts & 4 ? strdup("tmpfs") : NULL;
                if (job_encode(job, &data, &size) < 0)
                        continue;
                seed("fuzz-job", step_kind_name(kind), -1, data, size);
                return;
        }
        give_up(step_kind_name(kind));
}

static char *read_text(const char *directory, const char *name, size_t *ret_size) {
        _cleanup_free_ char *path = NULL, *text = NULL;
        _cleanup_fclose_ FILE *file = NULL;
        struct stat st;

        if (asprintf(&path, "%s/examples/%s", directory, name) < 0)
                give_up("memory");
        file = fopen(path, "re");
        if (!file || fstat(fileno(file), &st) < 0)
                give_up(path);
        text = malloc((size_t) st.st_size + 1);
        if (!text || fread(text, 1, (size_t) st.st_size, file) != (size_t) st.st_size)
                give_up(path);
        *ret_size = (size_t) st.st_size;
        return TAKE_PTR(text);
}

/* The job that is planned of an example. */
static void seed_example(const char *sources, const char *name) {
        const struct job_caller caller = {.root = true, .brought_max = 100};
        const struct wanted_facts facts = {.caller_is_root = true, .tmpfs_size = 64 << 20, .any_layer = true};
        struct plan_pod pod = {.job = 1, .uuid = UUID, .caller = &caller};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(spec_freep) struct spec *spec = NULL;
        _cleanup_(wanted_freep) struct wanted *wanted = NULL;
        _cleanup_(job_freep) struct job *job = NULL;
        _cleanup_strv_ char **names = NULL;
        _cleanup_free_ uint8_t *data = NULL;
        size_t size;
        _cleanup_free_ char *text = read_text(sources, name, &size);

        if (spec_parse(text, size, SIZE_MAX, UINT64_MAX, &spec, &f) != 0 || spec_fd_names(spec, &names) < 0 ||
            wanted_from_spec(spec, &facts, &wanted, &f) != 0) {
                fprintf(stderr, "seeds: %s: %s\n", name, f.text ? f.text : "memory");
                exit(EXIT_FAILURE);
        }
        pod.fd_names = names;
        if (plan_create(&pod, wanted, &job, &f) != 0 || job_encode(job, &data, &size) != 0)
                give_up(name);
        seed("fuzz-job", name, -1, data, size);
}

static void seed_result(void) {
        struct step_result steps[2] = {{.id = 7, .mount_id = 8, .done = true}, {.made = 1}};
        char *texts[] = {(char *) "/data", (char *) "/dev/sda1", NULL};
        const struct brought brought = {.step = 1, .id = 9, .mount_id = 10, .path = (char *) "/x", .source = (char *) "tmpfs", .type = (char *) "tmpfs"};
        struct job_result result = {.job = 1, .failure = FAILURE_BUSY, .error = EBUSY, .failed_step = 1, .text = (char *) "busy", .warnings = texts,
                                    .texts = texts, .steps = steps, .n_steps = ELEMENTSOF(steps)};
        _cleanup_free_ uint8_t *data = NULL;
        size_t size;

        if (brought_append(&result, &brought) < 0 || job_result_encode(&result, &data, &size) < 0)
                give_up("a result");
        seed("fuzz-answers", "result", 0, data, size);
        free(result.brought[0].path);
        free(result.brought[0].source);
        free(result.brought[0].type);
        free(result.brought);
}

static void seed_holders(void) {
        const struct mount_holder holder = {.kind = HOLDER_FD, .pid = 1, .uid = 0, .command = (char *) "sh", .unit = (char *) "x.service", .detail = (char *) "/data"};
        uint8_t *rows = calloc(2, HOLDER_ROW_MAX);
        size_t size = rows ? holder_write(&holder, rows) : 0;

        if (!rows)
                give_up("memory");
        seed("fuzz-answers", "holders", 1, rows, size + holder_write(&holder, rows + size));
        free(rows);
}

/* Two portions, each behind its size. */
static void seed_image(void) {
        struct image_layer layer = {.media_type = (char *) "application/vnd.oci.image.layer.v1.tar", .size = 5};
        const struct image image = {.reference = (char *) "latest", .layers = &layer, .n_layers = 1};
        uint8_t *parts[2] = {}, both[4096];
        size_t sizes[2], n = 0;

        if (image_message_head(&image, &parts[0], &sizes[0]) < 0 || image_message_layer(&layer, &parts[1], &sizes[1]) < 0)
                give_up("an image");
        for (size_t i = 0; i < 2 && n + sizes[i] + 2 < sizeof(both); i++) {
                both[n++] = (uint8_t) (sizes[i] >> 8);
                both[n++] = (uint8_t) sizes[i];
                memcpy(both + n, parts[i], sizes[i]);
                n += sizes[i];
                free(parts[i]);
        }
        seed("fuzz-answers", "image", 2, both, n);
}

static void seed_statmount(void) {
        static const char texts[] = "/\0/mnt\0ext4\0sub\0/dev/sda1\0rw,size=1m\\040";
        union {
                struct mount_status status;
                uint8_t bytes[sizeof(struct mount_status) + sizeof(texts)];
        } all = {.status = {.mask = MOUNT_STATUS_BASIC | MOUNT_STATUS_SUPERBLOCK | MOUNT_STATUS_FROM | MOUNT_STATUS_ROOT | MOUNT_STATUS_POINT | MOUNT_STATUS_TYPE |
                                    MOUNT_STATUS_NAMESPACE | MOUNT_STATUS_OPTIONS | MOUNT_STATUS_SUBTYPE | MOUNT_STATUS_SOURCE,
                            .id = 1, .parent_id = 2, .mount_id = 3, .parent_mount_id = 4, .root = 0, .point = 2, .type = 7, .subtype = 12, .source = 16,
                            .options = 26, .propagation = MS_SHARED, .peer_group = 5}};

        memcpy(all.bytes + sizeof(struct mount_status), texts, sizeof(texts));
        seed("fuzz-statmount", "whole", -1, all.bytes, sizeof(all.bytes));
        all.status.mask = MOUNT_STATUS_BASIC | MOUNT_STATUS_POINT;
        seed("fuzz-statmount", "few", -1, all.bytes, sizeof(all.bytes));
}

int main(int argc, char **argv) {
        static const char *const examples[] = {"host-mounts.json", "host-namespaces.json", "layers.json", "oci-config.json",
                                               "shared-volume.json", "two-containers.json"};

        if (argc != 3) {
                fprintf(stderr, "usage: seeds SOURCE-DIRECTORY DIRECTORY\n");
                return 2;
        }
        into = argv[2];
        log_set_level(LOG_EMERG);
        for (size_t i = 0; i < ELEMENTSOF(examples); i++)
                seed_example(argv[1], examples[i]);
        for (int kind = 0; kind < _STEP_KIND_MAX; kind++)
                seed_kind((enum step_kind) kind);
        seed_result();
        seed_holders();
        seed_image();
        seed_statmount();
        seeds_of_dbus();
        seeds_of_store();
        seeds_of_tar();
        return EXIT_SUCCESS;
}
