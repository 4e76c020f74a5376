/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An image layout is read by a worker and its blobs are opened, both as the caller; and what the worker says is not believed. */

#include "executor/image-message.h"
#include "executor/stream-message.h"
#include "plan/layer.h"
#include "tests/unit/executor/hands.h"
#include "tests/unit/image/layouts.h"

static int layout = -1;

static bool begin(void) {
        static const char *const layers[] = {"first", "second"};
        _cleanup_free_ char *one = NULL;

        if (!hands_begin(NULL))
                return false;
        make_directory("/tmp/layers");
        executor.layers_fd = open("/tmp/layers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        layout = new_layout();
        ck_assert_int_eq(fchmod(layout, 0755), 0);
        one = put_image(layout, layers, 2, "amd64", ", \"annotations\": {\"org.opencontainers.image.ref.name\": \"v1\"}");
        put_index(layout, one);
        return true;
}

static struct job_result run_read(bool root, const char *reference, const char *platform) {
        const struct job_caller caller = {.root = root, .uid = root ? 0 : CALLER, .gid = root ? 0 : CALLER};
        struct job *job = NULL;

        ck_assert_int_eq(plan_image_read(1, &caller, reference, platform, &job), 0);
        return run_fds(job, &layout);
}

static struct job_result run_blob(bool root, const char *digest, uint64_t size) {
        const struct job_caller caller = {.root = root, .uid = root ? 0 : CALLER, .gid = root ? 0 : CALLER};
        struct job *job = NULL;

        ck_assert_int_eq(plan_image_blob(1, &caller, digest, size, &job), 0);
        return run_fds(job, &layout);
}

/* All that the worker says; the failure's kind. */
static enum failure_kind hear(struct job_result *result, struct image *image, char **ret_text) {
        for (;;) {
                _cleanup_message_ struct channel_message message = {};
                struct stream_head head;

                ck_assert_int_eq(channel_receive(*result->fd, 0, &message), 1);
                memcpy(&head, message.data, sizeof(head));
                if (head.kind == STREAM_PORTION)
                        ck_assert_int_eq(image_message_take(image, message.data + sizeof(head), message.size - sizeof(head)), 0);
                else {
                        *ret_text = strndup((const char *) message.data + sizeof(head), message.size - sizeof(head));
                        return (enum failure_kind) head.failure;
                }
        }
}

static void read_as(bool root, const char *reference, enum failure_kind kind, const char *words) {
        _cleanup_job_result_ struct job_result result = run_read(root, reference, "linux/amd64");
        _cleanup_image_ struct image image = {};
        _cleanup_free_ char *text = NULL;

        ck_assert_done(result);
        ck_assert_ptr_nonnull(result.fd);
        ck_assert_int_eq(hear(&result, &image, &text), kind);
        ck_assert_msg(strstr(text, words) != NULL, "%s", text);
        if (kind != FAILURE_NONE)
                return;
        ck_assert(image_message_complete(&image));
        ck_assert_str_eq(image.reference, "v1");
        ck_assert_uint_eq(image.n_layers, 2);
        ck_assert_uint_eq(image.layers[1].size, 6);
        ck_assert_str_eq(image.layers[0].media_type, OCI "layer.v1.tar");
}

START_TEST(test_read) {
        if (!begin())
                return;
        read_as(true, "", FAILURE_NONE, "");
        read_as(false, "v1", FAILURE_NONE, "");
        read_as(false, "v2", FAILURE_NO_SUCH_SOURCE, "no image \"v2\", but v1");
}
END_TEST

/* Root's process, but not root's rights. */
START_TEST(test_rights) {
        if (!begin())
                return;
        ck_assert_int_eq(fchmodat(layout, "index.json", 0600, 0), 0);
        read_as(true, "", FAILURE_NONE, "");
        read_as(false, "", FAILURE_SOURCE_DENIED, "index.json in the image layout cannot be opened for reading by whoever imports it");
        ck_assert_int_eq(fchownat(layout, "index.json", CALLER, CALLER, 0), 0);
        read_as(false, "", FAILURE_NONE, "");
        read_as(true, "", FAILURE_SOURCE_DENIED, "index.json"); /* without a capability root is as anybody */
}
END_TEST

START_TEST(test_blob) {
        struct digest digest;
        char text[DIGEST_TEXT_SIZE];
        _cleanup_free_ char *path = blob_of("first");

        if (!begin())
                return;
        ck_assert_int_eq(digest_of(DIGEST_SHA256, "first", 5, &digest), 0);
        ck_assert_int_eq(fchmodat(layout, path, 0600, 0), 0);
        for (int i = 0; i < 3; i++) {
                _cleanup_job_result_ struct job_result result = run_blob(i == 0, digest_text(&digest, text), i == 1 ? 6 : 5);

                if (i == 0) {
                        char data[6] = "";

                        ck_assert_done(result);
                        ck_assert_int_eq(read(*result.fd, data, sizeof(data)), 5);
                        ck_assert_str_eq(data, "first");
                        ck_assert_int_eq(fcntl(*result.fd, F_GETFL) & O_ACCMODE, O_RDONLY);
                } else if (i == 1) {
                        ck_assert_failed(result, FAILURE_SOURCE_DENIED, path);
                        ck_assert_int_eq(fchmodat(layout, path, 0644, 0), 0);
                } else {
                        ck_assert_done(result);
                        ck_assert_int_eq(fchmodat(layout, path, 0644, 0), 0);
                }
        }
        {
                _cleanup_job_result_ struct job_result result = run_blob(false, digest_text(&digest, text), 6);

                ck_assert_failed(result, FAILURE_INVALID_SPEC, "has 5 bytes, and its descriptor says 6");
        }
}
END_TEST

START_TEST(test_door) {
        const struct job_caller caller = {.root = true};
        struct job *jobs[4] = {};

        if (!begin())
                return;
        ck_assert_int_eq(plan_image_read(1, &caller, "", "linux", &jobs[0]), 0);
        ck_assert_int_eq(plan_image_blob(1, &caller, "sha256:../../etc/passwd", 1, &jobs[1]), 0);
        ck_assert_int_eq(plan_image_blob(1, &caller, "x", 1, &jobs[2]), 0);
        ck_assert_int_eq(plan_image_read(1, &caller, "", "", &jobs[3]), 0);
        jobs[3]->n_fds = 0;
        for (size_t i = 0; i < ELEMENTSOF(jobs); i++) {
                _cleanup_job_result_ struct job_result result = run_fds(jobs[i], &layout);

                ck_assert_failed(result, FAILURE_INVALID_ARGS, "refused at the executor's door");
        }
}
END_TEST

/* Portions as a worker that was taken over would send them. */
START_TEST(test_messages) {
        static const char type[] = OCI "layer.v1.tar";
        char first[sizeof(type)], other[] = "text/plain";
        struct image_layer layer = {.media_type = memcpy(first, type, sizeof(type)), .size = 7};
        struct image said = {.n_layers = 1};
        _cleanup_image_ struct image image = {};
        _cleanup_free_ uint8_t *head = NULL, *body = NULL, *bad = NULL;
        size_t head_size, body_size, bad_size;

        ck_assert_int_eq(image_message_head(&said, &head, &head_size), 0);
        ck_assert_int_eq(image_message_layer(&layer, &body, &body_size), 0);
        layer.media_type = other;
        ck_assert_int_eq(image_message_layer(&layer, &bad, &bad_size), 0);
        for (size_t i = 0; i < head_size; i++) {
                _cleanup_image_ struct image cut = {};

                ck_assert_int_eq(image_message_take(&cut, head, i), -EBADMSG);
        }
        ck_assert(!image_message_complete(&image));
        ck_assert_int_eq(image_message_take(&image, head, head_size), 0);
        ck_assert(!image_message_complete(&image));
        ck_assert_int_eq(image_message_take(&image, body, body_size), 0);
        ck_assert(image_message_complete(&image));
        ck_assert_int_eq(image_message_take(&image, body, body_size), -EBADMSG);
        image_done(&image);
        ck_assert_int_eq(image_message_take(&image, head, head_size), 0);
        ck_assert_int_eq(image_message_take(&image, bad, bad_size), -EBADMSG);
}
END_TEST

UNIT_MAIN("image-read", test_read, test_rights, test_blob, test_door, test_messages)
