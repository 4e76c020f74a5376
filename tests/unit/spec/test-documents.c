/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Documents that exist outside this test: what `runc spec` and `crun spec` write today, and the examples. */

#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/unit/spec/spec-cases.h"

static void compile(
        const char *text, size_t size, const struct wanted_facts *facts, struct spec **ret_spec, struct wanted **ret) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        int r = spec_parse(text, size, SIZE_MAX_OF_SPEC, UINT64_MAX, ret_spec, &f);

        ck_assert_msg(r == 0, "%d %s", r, f.text ? f.text : "");
        r = wanted_from_spec(*ret_spec, facts, ret, &f);
        ck_assert_msg(r == 0, "%d %s", r, f.text ? f.text : "");
}

/* Runs `<runtime> spec` in a directory of its own and returns what it wrote, its root made absolute. */
static char *generate(const char *runtime) {
        char directory[] = "/tmp/podmount-spec-XXXXXX", *text = NULL, *rootfs;
        _cleanup_free_ char *path = NULL, *result = NULL;
        _cleanup_fclose_ FILE *file = NULL;
        size_t size = 0;
        int status = -1;
        pid_t pid;

        ck_assert_ptr_nonnull(mkdtemp(directory));
        pid = fork();
        if (pid == 0) {
                if (chdir(directory) == 0)
                        (void) execlp(runtime, runtime, "spec", (char *) NULL); /* the exit tells that it failed */
                _exit(127);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(status == 0, "`%s spec` failed; is the package %s installed?", runtime, runtime);
        ck_assert_int_gt(asprintf(&path, "%s/config.json", directory), 0);
        file = fopen(path, "re");
        ck_assert_ptr_nonnull(file);
        ck_assert_int_gt(getdelim(&text, &size, '\0', file), 0);
        ck_assert_int_eq(unlink(path), 0);
        ck_assert_int_eq(rmdir(directory), 0);

        rootfs = strstr(text, "\"rootfs\"");
        ck_assert_ptr_nonnull(rootfs);
        ck_assert_int_gt(
                asprintf(&result, "%.*s\"/rootfs\"%s", (int) (rootfs - text), text, rootfs + strlen("\"rootfs\"")), 0);
        free(text);
        return TAKE_PTR(result);
}

static void check_runtime(const char *runtime) {
        static const char *const destinations[] = {
                "/", "/tmp", "/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup"};
        static const char *const told[] = {"/process", "/hostname", "/linux/resources", "/linux/namespaces"};
        _cleanup_free_ char *text = generate(runtime);
        _cleanup_(spec_freep) struct spec *spec = NULL;
        _cleanup_(wanted_freep) struct wanted *root = NULL, *user = NULL;
        _cleanup_(spec_freep) struct spec *again = NULL;
        size_t n = 0;

        compile(text, strlen(text), &as_root, &spec, &root);
        compile(text, strlen(text), &as_user, &again, &user);
        while (n < root->n_mounts && root->mounts[n].kind != WANTED_READONLY)
                n++;
        ck_assert_uint_eq(n, ELEMENTSOF(destinations));
        ck_assert_uint_gt(root->n_mounts, n + 4); /* read-only paths, then those that are hidden */
        ck_assert_int_eq(root->mounts[root->n_mounts - 1].kind, WANTED_MASK);
        for (size_t i = 0; i < ELEMENTSOF(destinations); i++) {
                ck_assert_str_eq(root->mounts[i].target, destinations[i]);
                ck_assert_uint_eq(user->mounts[i].attr_set & MOUNT_ATTR_NOSUID, MOUNT_ATTR_NOSUID);
        }
        ck_assert_uint_eq(root->mounts[0].attr_set, MOUNT_ATTR_RDONLY);
        ck_assert(root->mounts[1].mandatory && !root->mounts[2].mandatory);
        ck_assert_str_eq(root->mounts[3].type, "devtmpfs"); /* the spec's tmpfs gets the default devices */
        ck_assert_uint_eq(root->mounts[7].attr_set & MOUNT_ATTR_RDONLY, MOUNT_ATTR_RDONLY);
        for (size_t i = 0; i < ELEMENTSOF(told); i++) {
                bool found = false;

                for (char **warning = root->warnings; *warning; warning++)
                        found = found || strncmp(*warning, told[i], strlen(told[i])) == 0;
                ck_assert_msg(found, "%s of `%s spec` is not told", told[i], runtime);
        }
}

START_TEST(test_runc) {
        check_runtime("runc");
}
END_TEST

START_TEST(test_crun) {
        check_runtime("crun");
}
END_TEST

START_TEST(test_examples) {
        static const char *const names[] = {"examples/oci-config.json", "examples/two-containers.json",
                "examples/shared-volume.json", "examples/host-mounts.json", "examples/host-namespaces.json"};

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_(spec_freep) struct spec *spec = NULL;
                _cleanup_(wanted_freep) struct wanted *wanted = NULL;
                _cleanup_free_ char *text = NULL;
                size_t size;

                text = read_source_file(names[i], &size);
                compile(text, size, &as_user, &spec, &wanted);
                ck_assert_uint_gt(wanted->n_mounts, spec->n_containers);
        }
}
END_TEST

START_TEST(test_example_layers) {
        static const struct wanted_layer layers[] = {{.id = "nginx-1.27", .number = 1}, {.id = "shop-database", .number = 2, .read_write = true}};
        const struct wanted_facts facts = {.tmpfs_size = 1 << 20, .layers = layers, .n_layers = ELEMENTSOF(layers)};
        _cleanup_(spec_freep) struct spec *spec = NULL;
        _cleanup_(wanted_freep) struct wanted *wanted = NULL;
        _cleanup_free_ char *text = NULL;
        size_t size, n = 0;

        text = read_source_file("examples/layers.json", &size);
        compile(text, size, &facts, &spec, &wanted);
        for (size_t i = 0; i < wanted->n_mounts; i++)
                n += wanted->mounts[i].source.kind == SOURCE_LAYER;
        ck_assert_uint_eq(n, 3);
}
END_TEST

/* As the client hands it over: runtime.json as a member of config.json, whose root is absolute. */
START_TEST(test_example_linuxkit) {
        _cleanup_free_ char *text = read_linuxkit_example();
        _cleanup_(spec_freep) struct spec *spec = NULL;
        _cleanup_(wanted_freep) struct wanted *wanted = NULL;
        bool overlay = false;

        compile(text, strlen(text), &as_user, &spec, &wanted);
        ck_assert_uint_eq(wanted->n_directories, 3);
        for (size_t i = 0; i < wanted->n_mounts; i++)
                overlay |= strcmp(wanted->mounts[i].target, "/srv") == 0 && wanted->mounts[i].make_layers;
        ck_assert(overlay);
        for (char **warning = wanted->warnings; *warning; warning++)
                ck_assert_msg(!strstr(*warning, "prepare") || strstr(*warning, "/prepare/bindNS/net: namespace at /run/podmount/ns/web"), "%s",
                        *warning);
}
END_TEST

START_TEST(test_example_mounts) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(wanted_freep) struct wanted *wanted = NULL;
        _cleanup_free_ char *text = NULL;
        struct spec_mount *mounts = NULL;
        size_t size, n = 0;

        text = read_source_file("examples/overlay-mounts.json", &size);
        ck_assert_int_eq(spec_parse_mounts(text, size, SIZE_MAX_OF_SPEC, &mounts, &n, &f), 0);
        ck_assert_int_eq(wanted_from_mounts("main", mounts, n, &as_user, &wanted, &f), 0);
        ck_assert_uint_eq(wanted->n_mounts, 2);
        spec_mounts_free(mounts, n);
}
END_TEST

UNIT_MAIN("documents", test_runc, test_crun, test_example_layers, test_examples, test_example_linuxkit, test_example_mounts)
