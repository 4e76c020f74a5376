/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The raw side reads the document before the clock runs: what it knows then is what a program made for it would know. */

#include "bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <spawn.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "raw.h"
#include "sample.h"

enum { MOUNTS_MAX = 64, OPTIONS_MAX = 8 };

struct row {
        const char *target, *type, *source; /* type NULL: a bind of the source */
        const char *options[OPTIONS_MAX];   /* name=value, for fsconfig */
        size_t n_options;
        uint64_t set;
};

struct bundle {
        char *directory;
        struct json_object *document;
        const char *root;
        struct row rows[MOUNTS_MAX];
        size_t n_rows;
        struct json_object *masked, *readonly;
};

static void must(int r, const char *what) {
        if (r >= 0)
                return;
        fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
        exit(EXIT_FAILURE);
}

static struct json_object *member(struct json_object *object, const char *key) {
        struct json_object *value = object ? json_object_object_get(object, key) : NULL;

        if (!value) {
                fprintf(stderr, "bench: config.json has no %s\n", key);
                exit(EXIT_FAILURE);
        }
        return value;
}

static void read_option(struct row *row, const char *option) {
        static const struct {
                const char *name;
                uint64_t set;
        } known[] = {
                {"ro", MOUNT_ATTR_RDONLY}, {"nosuid", MOUNT_ATTR_NOSUID}, {"nodev", MOUNT_ATTR_NODEV}, {"noexec", MOUNT_ATTR_NOEXEC},
                {"strictatime", MOUNT_ATTR_STRICTATIME}, {"relatime", 0}, {"bind", 0}, {"newinstance", 0},
        };

        for (size_t i = 0; i < ELEMENTSOF(known); i++)
                if (strcmp(option, known[i].name) == 0) {
                        row->set |= known[i].set;
                        return;
                }
        if (!strchr(option, '=') || row->n_options == OPTIONS_MAX) {
                fprintf(stderr, "bench: the option %s is not known here\n", option);
                exit(EXIT_FAILURE);
        }
        row->options[row->n_options++] = option;
}

static void read_rows(struct bundle *bundle) {
        struct json_object *mounts = member(bundle->document, "mounts"), *options = NULL;

        for (size_t i = 0; i < json_object_array_length(mounts) && i < MOUNTS_MAX; i++) {
                struct json_object *mount = json_object_array_get_idx(mounts, i);
                struct row *row = &bundle->rows[bundle->n_rows++];

                row->target = json_object_get_string(member(mount, "destination"));
                row->source = json_object_get_string(member(mount, "source"));
                row->type = json_object_get_string(member(mount, "type"));
                if (strcmp(row->type, "bind") == 0)
                        row->type = NULL;
                else if (strcmp(row->type, "cgroup") == 0)
                        row->type = "cgroup2"; /* as every runtime takes it on a host of the second version */
                if (json_object_object_get_ex(mount, "options", &options))
                        for (size_t k = 0; k < json_object_array_length(options); k++)
                                read_option(row, json_object_get_string(json_object_array_get_idx(options, k)));
        }
}

static void add_binds(struct json_object *mounts, size_t n, const char *source) {
        for (size_t i = 0; json_object_array_length(mounts) < n; i++) {
                struct json_object *mount = json_object_new_object(), *options = json_object_new_array();
                char target[16];

                (void) snprintf(target, sizeof(target), "/b%u", (unsigned) i); /* fits up to 13 digits */
                json_object_object_add(mount, "destination", json_object_new_string(target));
                json_object_object_add(mount, "type", json_object_new_string("bind"));
                json_object_object_add(mount, "source", json_object_new_string(source));
                json_object_array_add(options, json_object_new_string("bind"));
                if (i % 2 == 0)
                        json_object_array_add(options, json_object_new_string("ro"));
                json_object_object_add(mount, "options", options);
                json_object_array_add(mounts, mount);
        }
}

struct bundle *bundle_load(const char *directory, size_t n_mounts, const char *source) {
        struct bundle *bundle = calloc(1, sizeof(*bundle));
        _cleanup_free_ char *path = NULL;
        struct json_object *linux_section;

        must(bundle ? 0 : -1, "calloc");
        must(asprintf(&path, "%s/config.json", directory), "asprintf");
        bundle->directory = strdup(directory);
        bundle->document = json_object_from_file(path);
        add_binds(member(bundle->document, "mounts"), n_mounts, source);
        must(json_object_to_file_ext(path, bundle->document, JSON_C_TO_STRING_PLAIN), path);
        bundle->root = json_object_get_string(member(member(bundle->document, "root"), "path"));
        linux_section = member(bundle->document, "linux");
        bundle->masked = member(linux_section, "maskedPaths");
        bundle->readonly = member(linux_section, "readonlyPaths");
        read_rows(bundle);
        return bundle;
}

void bundle_free(struct bundle *bundle) {
        json_object_put(bundle->document);
        free(bundle->directory);
        free(bundle);
}

const char *bundle_text(const struct bundle *bundle) {
        return json_object_to_json_string_ext(bundle->document, JSON_C_TO_STRING_PLAIN);
}

/* What a container finds in its /dev: the devices of the OCI specification, links, and places for what comes on it. */
static void fill_dev(int dev) {
        static const char *const names[] = {"null", "zero", "full", "random", "urandom", "tty"};
        static const char *const links[][2] = {
                {"/proc/self/fd", "fd"}, {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"}, {"/proc/self/fd/2", "stderr"},
                {"pts/ptmx", "ptmx"}, {"/proc/kcore", "core"},
        };
        static const char *const directories[] = {"pts", "shm", "mqueue"};
        _cleanup_close_ int host = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);

        must(host, "/dev");
        for (size_t i = 0; i < ELEMENTSOF(directories); i++)
                must(mkdirat(dev, directories[i], 0755), directories[i]);
        for (size_t i = 0; i < ELEMENTSOF(links); i++)
                must(symlinkat(links[i][0], dev, links[i][1]), links[i][1]);
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                must(mknodat(dev, names[i], S_IFREG | 0666, 0), names[i]);
                raw_bind_at(host, names[i], dev, names[i], MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
        }
}

static void make_row(const struct row *row, int inside) {
        _cleanup_close_ int dev = -1;

        if (!row->type) {
                raw_bind_at(AT_FDCWD, row->source, inside, row->target, row->set);
                return;
        }
        raw_file_system(row->type, row->source, row->options, row->n_options, inside, row->target, row->set);
        if (strcmp(row->target, "/dev") != 0)
                return;
        dev = raw_open(inside, row->target);
        must(dev, "/dev");
        fill_dev(dev);
}

/* Hides a path that is there: a directory by an empty tmpfs, anything else by /dev/null. */
static void mask(int inside, const char *path) {
        _cleanup_close_ int fd = raw_open(inside, path);
        struct stat status;

        if (fd < 0)
                return;
        must(fstat(fd, &status), path);
        if (S_ISDIR(status.st_mode))
                raw_file_system("tmpfs", "tmpfs", NULL, 0, inside, path, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        else
                raw_bind_at(AT_FDCWD, "/dev/null", inside, path, 0);
}

static void make_readonly(int inside, const char *path) {
        _cleanup_close_ int fd = raw_open(inside, path);

        if (fd >= 0)
                raw_bind_at(fd, "", inside, path, MOUNT_ATTR_RDONLY);
}

void bundle_raw(const struct bundle *bundle, const char *point) {
        int tree = raw_tree();
        _cleanup_close_ int inside = raw_rootfs(tree, bundle->root);

        for (size_t i = 0; i < bundle->n_rows; i++)
                make_row(&bundle->rows[i], inside);
        for (size_t i = 0; i < json_object_array_length(bundle->masked); i++)
                mask(inside, json_object_get_string(json_object_array_get_idx(bundle->masked, i)));
        for (size_t i = 0; i < json_object_array_length(bundle->readonly); i++)
                make_readonly(inside, json_object_get_string(json_object_array_get_idx(bundle->readonly, i)));
        raw_publish(tree, point);
}

/* One run of crun with its output thrown away. */
static int run_crun(char *const argv[]) {
        extern char **environ;
        posix_spawn_file_actions_t actions;
        int status = 0, r;
        pid_t pid;

        must(-posix_spawn_file_actions_init(&actions), "file actions");
        must(-posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDWR, 0), "file actions");
        must(-posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO), "file actions");
        r = -posix_spawnp(&pid, "crun", &actions, NULL, argv, environ);
        (void) posix_spawn_file_actions_destroy(&actions); /* cannot fail */
        if (r < 0)
                return r;
        must(waitpid(pid, &status, 0), "waitpid");
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

int bundle_crun(const struct bundle *bundle, char *state, double *ret_time) {
        char program[] = "crun", root[] = "--root", create[] = "create", from[] = "--bundle", clean[] = "delete", force[] = "--force";
        char name[] = "podmount-bench";
        char *making[] = {program, root, state, create, from, bundle->directory, name, NULL};
        char *cleaning[] = {program, root, state, clean, force, name, NULL};
        double start = sample_now();
        int r = run_crun(making);

        *ret_time = sample_now() - start;
        return r < 0 ? r : run_crun(cleaning);
}
