/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bench: times podmountd beside the raw system calls and beside Peer.Ping, in turns within one run, and prints one JSON
 * line a figure. Started by scripts/bench in a mount namespace of its own, with the daemon already running there.
 *
 *     bench --socket PATH [--bus] --root DIR --scratch DIR [--bundle DIR] [FIGURE…]
 *
 * --bundle is one that `runc spec` made and that crun runs; the file is written again with more mounts.
 * --root is a root file system with the mount points that raw.c names; --scratch an empty directory on a tmpfs.
 */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <systemd/sd-bus.h>

#include "bundle.h"
#include "dbus/names.h"
#include "raw.h"
#include "least-request.h"
#include "roundtrip.h"
#include "varlink.h"
#include "sample.h"

enum { BLOCK = 20, BIND_BLOCKS = 20, LEAST_BLOCKS = 20, POD_ROUNDS = 100, BATCH = 1000, BATCH_ROUNDS = 9, BIG = 10000, BIG_ROUNDS = 3 };
enum { BUNDLE_ROUNDS = 30, KUBERNETES_MOUNTS = 40 };

struct bench {
        sd_bus *bus;
        const char *transport; /* "socket" or "bus" */
        const char *destination;
        const char *root, *scratch, *bundle;
        double bind_budget;
};

static void must(int r, const char *what) {
        if (r >= 0)
                return;
        fprintf(stderr, "bench: %s: %s\n", what, strerror(-r));
        exit(EXIT_FAILURE);
}

/* One call that must succeed; its reply is the caller's. */
static sd_bus_message *call(struct bench *b, sd_bus_message *m) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        int r = sd_bus_call(b->bus, m, UINT64_C(300000000), &error, &reply);

        if (r < 0) {
                fprintf(stderr, "bench: %s: %s: %s\n", sd_bus_message_get_member(m), error.name ?: "-", error.message ?: strerror(-r));
                exit(EXIT_FAILURE);
        }
        return reply;
}

static sd_bus_message *manager(struct bench *b, const char *member) {
        sd_bus_message *m = NULL;

        must(sd_bus_message_new_method_call(b->bus, &m, b->destination, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, member),
             member);
        return m;
}

static void finish(sd_bus_message *m, sd_bus_message *reply) {
        (void) sd_bus_message_unref(reply);
        (void) sd_bus_message_unref(m);
}

static double ping(struct bench *b) {
        sd_bus_message *m = NULL;
        double start = sample_now();

        must(sd_bus_message_new_method_call(b->bus, &m, b->destination, PODMOUNT_OBJECT_PATH, "org.freedesktop.DBus.Peer", "Ping"),
             "Ping");
        finish(m, call(b, m));
        return sample_now() - start;
}

static char *text(const char *format, ...) _printf_(1, 2);
static char *text(const char *format, ...) {
        char *result = NULL;
        va_list ap;

        va_start(ap, format);
        must(vasprintf(&result, format, ap) < 0 ? -ENOMEM : 0, "text");
        va_end(ap);
        return result;
}

/* Creates a pod and returns its UUID. */
static char *create(struct bench *b, const char *spec, double *ret_time) {
        sd_bus_message *m, *reply;
        const char *uuid;
        double start = sample_now();
        char *result;

        m = manager(b, "CreatePod");
        must(sd_bus_message_append(m, "sa{sh}a{sv}", spec, 0, 0), "append");
        reply = call(b, m);
        *ret_time = sample_now() - start;
        must(sd_bus_message_read(reply, "so", &uuid, NULL), "read");
        result = text("%s", uuid);
        finish(m, reply);
        return result;
}

static double gc(struct bench *b, const char *uuid, bool lazy) {
        sd_bus_message *m, *reply;
        const char *outcome;
        double start = sample_now(), end;

        m = manager(b, "GC");
        must(sd_bus_message_append(m, "as", 1, uuid), "append");
        must(lazy ? sd_bus_message_append(m, "a{sv}", 1, "lazy", "b", 1) : sd_bus_message_append(m, "a{sv}", 0), "append");
        reply = call(b, m);
        end = sample_now();
        must(sd_bus_message_enter_container(reply, 'a', "(ssa{sv})"), "read");
        must(sd_bus_message_enter_container(reply, 'r', "ssa{sv}"), "read");
        must(sd_bus_message_read(reply, "ss", NULL, &outcome), "read");
        if (strcmp(outcome, "removed") != 0) {
                fprintf(stderr, "bench: gc: %s\n", outcome);
                exit(EXIT_FAILURE);
        }
        finish(m, reply);
        return end - start;
}

static double bind_one(struct bench *b, const char *uuid, const char *source, const char *target) {
        double start = sample_now();
        sd_bus_message *m = manager(b, "Bind");

        must(sd_bus_message_append(m, "sssa{sh}a{sv}", uuid, source, target, 0, 0), "append");
        finish(m, call(b, m));
        return sample_now() - start;
}

static void unmount_one(struct bench *b, const char *uuid, const char *target) {
        sd_bus_message *m = manager(b, "Unmount");

        must(sd_bus_message_append(m, "ssa{sv}", uuid, target, 0), "append");
        finish(m, call(b, m));
}

static char *figure(const struct bench *b, const char *name) {
        return text("%s-%s", name, b->transport);
}

static void report(const struct bench *b, const char *name, struct samples *ours, const char *base, double base_median, double budget) {
        _cleanup_free_ char *label = figure(b, name);

        sample_print(label, samples_median(ours), base, base_median, budget);
}

static char *plain_spec(const struct bench *b) {
        return text("{\"podmount\":1,\"mandatoryMounts\":false,\"containers\":[{\"name\":\"main\",\"root\":{\"path\":\"%s\"},\"mounts\":["
                    "{\"destination\":\"/tmp\",\"type\":\"tmpfs\",\"options\":[\"mode=755\",\"size=64m\"]}]}]}", b->root);
}

/* Gives the daemon's trailing reading of the table its time, as an operator who types gc would. */
static void settle(void) {
        (void) usleep(300000); /* an early wake-up only makes the figure worse */
}

/* Pings of a daemon that has nothing else to do. */
static void ping_block(struct bench *b, struct samples *pings) {
        settle();
        for (size_t i = 0; i < BLOCK; i++)
                samples_add(pings, ping(b));
}

/* The part of every change that no code of ours can make shorter: two more wake-ups. */
static void bench_roundtrip(void) {
        struct samples direct = {}, through = {};

        roundtrip_measure(BLOCK * BIND_BLOCKS, &direct, &through);
        sample_print("executor-roundtrip", samples_median(&through), "the same without the executor", samples_median(&direct), 0);
        samples_done(&direct);
        samples_done(&through);
}

/* How far a budget can be kept at all: with records, and without. */
static void bench_least(const struct bench *b, const char *name, const char *spec, double base, double budget) {
        _cleanup_free_ char *unrecorded = text("%s-unrecorded", name);
        struct least least = {.bus = b->destination != NULL, .root = b->root, .scratch = b->scratch, .spec = spec};
        struct samples with = {}, without = {};

        for (size_t block = 0; block < LEAST_BLOCKS; block++) {
                least.records = block % 2 == 1;
                least_measure(&least, BLOCK, least.records ? &with : &without);
        }
        report(b, name, &with, "ping + raw calls", base, budget);
        report(b, unrecorded, &without, "ping + raw calls", base, 0);
        samples_done(&with);
        samples_done(&without);
}

static void bench_varlink(struct bench *b, const char *socket) {
        struct samples varlink = {}, dbus = {};

        varlink_measure(b->bus, socket, BLOCK * BIND_BLOCKS * 10, &varlink, &dbus);
        sample_print("varlink-roundtrip", samples_median(&varlink), "the same call over D-Bus", samples_median(&dbus), 1.0);
        samples_done(&varlink);
        samples_done(&dbus);
}

/* Blocks of Ping, of raw binds and of Bind in turns. */
static void bench_bind(struct bench *b) {
        struct samples pings = {}, raws = {}, binds = {};
        _cleanup_close_ int scratch = open(b->scratch, O_PATH | O_DIRECTORY | O_CLOEXEC);
        _cleanup_free_ char *spec = plain_spec(b), *uuid = NULL;
        double unused;

        must(mkdirat(scratch, "bind", 0755) < 0 && errno != EEXIST ? -errno : 0, "mkdir");
        uuid = create(b, spec, &unused);
        for (size_t block = 0; block < BIND_BLOCKS; block++) {
                ping_block(b, &pings);
                for (size_t i = 0; i < BLOCK; i++) {
                        double start = sample_now();

                        raw_bind(b->root, scratch, "bind");
                        samples_add(&raws, sample_now() - start);
                        raw_unmount(scratch, "bind", 0);
                }
                settle();
                for (size_t i = 0; i < BLOCK; i++) {
                        samples_add(&binds, bind_one(b, uuid, b->root, "/mnt"));
                        unmount_one(b, uuid, "/mnt");
                }
        }
        (void) gc(b, uuid, false);
        report(b, "ping", &pings, NULL, 0, 0);
        bench_least(b, "least-bind", NULL, samples_median(&pings) + samples_median(&raws), b->bind_budget);
        report(b, "bind", &binds, "ping + raw bind", samples_median(&pings) + samples_median(&raws), b->bind_budget);
        samples_done(&pings);
        samples_done(&raws);
        samples_done(&binds);
}

/* A pod of 12 mounts: the pod's tmpfs and the root aside, six file systems and five binds. */
static void bench_pod(struct bench *b) {
        struct samples pings = {}, raws = {}, pods = {}, strict = {};
        _cleanup_close_ int scratch = open(b->scratch, O_PATH | O_DIRECTORY | O_CLOEXEC);
        _cleanup_free_ char *point = text("%s/pod", b->scratch), *spec = NULL;
        double begin, seconds;

        spec = text("{\"podmount\":1,\"mandatoryMounts\":false,\"containers\":[{\"name\":\"main\",\"root\":{\"path\":\"%s\"},\"mounts\":["
                    "{\"destination\":\"/proc\",\"type\":\"proc\"},{\"destination\":\"/tmp\",\"type\":\"tmpfs\"},"
                    "{\"destination\":\"/sys\",\"type\":\"sysfs\"},{\"destination\":\"/dev\",\"type\":\"tmpfs\"},"
                    "{\"destination\":\"/run\",\"type\":\"tmpfs\"},{\"destination\":\"/mnt\",\"type\":\"mqueue\"},"
                    "{\"destination\":\"/b0\",\"type\":\"bind\",\"source\":\"%s\",\"options\":[\"ro\"]},"
                    "{\"destination\":\"/b1\",\"type\":\"bind\",\"source\":\"%s\",\"options\":[\"ro\"]},"
                    "{\"destination\":\"/b2\",\"type\":\"bind\",\"source\":\"%s\",\"options\":[\"ro\"]},"
                    "{\"destination\":\"/b3\",\"type\":\"bind\",\"source\":\"%s\",\"options\":[\"ro\"]},"
                    "{\"destination\":\"/b4\",\"type\":\"bind\",\"source\":\"%s\",\"options\":[\"ro\"]}]}]}",
                    b->root, b->root, b->root, b->root, b->root, b->root);
        for (size_t i = 0; i < POD_ROUNDS; i++) {
                _cleanup_free_ char *uuid = NULL;
                double start, time;

                if (i % BLOCK == 0)
                        ping_block(b, &pings);
                start = sample_now();
                must(mkdir(point, 0700) < 0 ? -errno : 0, "mkdir");
                raw_pod(b->root, b->root, point);
                samples_add(&raws, sample_now() - start);
                raw_unmount(scratch, "pod", 1);
                must(rmdir(point) < 0 ? -errno : 0, "rmdir");
                uuid = create(b, spec, &time);
                samples_add(&pods, time);
                samples_add(&strict, gc(b, uuid, false));
        }
        bench_least(b, "least-create-12", spec, samples_median(&pings) + samples_median(&raws), 1.5);
        report(b, "create-12", &pods, "ping + raw calls", samples_median(&pings) + samples_median(&raws), 1.5);
        report(b, "gc-12", &strict, NULL, 0, 0);

        begin = sample_now();
        for (size_t i = 0; i < POD_ROUNDS; i++) {
                double unused;
                _cleanup_free_ char *uuid = create(b, spec, &unused);

                (void) gc(b, uuid, true);
        }
        seconds = (sample_now() - begin) / 1e6;
        printf("{ \"figure\": \"pods-per-second-%s\", \"value\": %.0f }\n", b->transport, POD_ROUNDS / seconds);
        samples_done(&pings);
        samples_done(&raws);
        samples_done(&pods);
        samples_done(&strict);
}

/* A pod of a bundle's config.json beside the raw system calls of the same mounts, and beside `crun create`, in turns. */
static void bench_bundle(struct bench *b, const char *name, size_t n_mounts) {
        struct samples pings = {}, raws = {}, pods = {}, cruns = {};
        _cleanup_close_ int scratch = open(b->scratch, O_PATH | O_DIRECTORY | O_CLOEXEC);
        _cleanup_free_ char *point = text("%s/bundle", b->scratch), *state = text("%s/crun", b->scratch), *crun = text("crun-%s", name);
        struct bundle *bundle = bundle_load(b->bundle, n_mounts, b->root);

        ping_block(b, &pings);
        for (size_t i = 0; i < BUNDLE_ROUNDS; i++) {
                _cleanup_free_ char *uuid = NULL;
                double start, time;

                start = sample_now();
                must(mkdir(point, 0700) < 0 ? -errno : 0, "mkdir");
                bundle_raw(bundle, point);
                samples_add(&raws, sample_now() - start);
                raw_unmount(scratch, "bundle", 1);
                must(rmdir(point) < 0 ? -errno : 0, "rmdir");
                uuid = create(b, bundle_text(bundle), &time);
                samples_add(&pods, time);
                (void) gc(b, uuid, false);
                if (bundle_crun(bundle, state, &time) == 0)
                        samples_add(&cruns, time);
        }
        ping_block(b, &pings);
        report(b, name, &pods, "ping + raw calls", samples_median(&pings) + samples_median(&raws), 1.5);
        if (cruns.n > 0)
                report(b, crun, &cruns, "podmount", samples_median(&pods), 0);
        bundle_free(bundle);
        samples_done(&pings);
        samples_done(&raws);
        samples_done(&pods);
        samples_done(&cruns);
}

/* "[{bind root at /tmp/t<first>} … ]" */
static char *batch(const struct bench *b, size_t first, size_t n) {
        char *result = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&result, &size);

        must(out ? 0 : -ENOMEM, "open_memstream");
        for (size_t i = 0; i < n; i++)
                fprintf(out, "%c{\"destination\":\"/tmp/t%zu\",\"type\":\"bind\",\"source\":\"%s\",\"options\":[\"bind\"]}", i == 0 ? '[' : ',',
                        first + i, b->root);
        fprintf(out, "]");
        must(fclose(out), "fclose");
        return result;
}

static double mount_batch(struct bench *b, const char *uuid, const char *mounts) {
        double start = sample_now();
        sd_bus_message *m = manager(b, "Mount");

        must(sd_bus_message_append(m, "ssa{sh}a{sv}", uuid, mounts, 0, 0), "append");
        finish(m, call(b, m));
        return sample_now() - start;
}

static void raw_batch(const struct bench *b, int fd, size_t n) {
        char name[32];

        for (size_t i = 0; i < n; i++) {
                (void) snprintf(name, sizeof(name), "t%zu", i); /* 32 bytes hold any size_t */
                must(mkdirat(fd, name, 0755) < 0 && errno != EEXIST ? -errno : 0, "mkdir");
                raw_bind(b->root, fd, name);
        }
}

/* A tmpfs of its own on the scratch directory, so that one MNT_DETACH takes a whole raw tree down. */
static int raw_ground(const struct bench *b, const char *name) {
        _cleanup_free_ char *path = text("%s/%s", b->scratch, name);
        int fd;

        must(mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0, "mkdir");
        must(mount("tmpfs", path, "tmpfs", 0, NULL) < 0 ? -errno : 0, "mount");
        fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        must(fd < 0 ? -errno : 0, "open");
        return fd;
}

static void raw_ground_done(const struct bench *b, const char *name, int *fd) {
        _cleanup_close_ int scratch = open(b->scratch, O_PATH | O_DIRECTORY | O_CLOEXEC);

        *fd = close_fd(*fd);
        raw_unmount(scratch, name, 1);
}

/* 1,000 binds in one Mount call beside the raw loop. */
static void bench_batch(struct bench *b) {
        struct samples raws = {}, ours = {};
        _cleanup_free_ char *spec = plain_spec(b), *mounts = batch(b, 0, BATCH);

        for (size_t i = 0; i < BATCH_ROUNDS; i++) {
                double unused, start;
                _cleanup_free_ char *uuid = create(b, spec, &unused);
                int ground = raw_ground(b, "batch");

                start = sample_now();
                raw_batch(b, ground, BATCH);
                samples_add(&raws, sample_now() - start);
                raw_ground_done(b, "batch", &ground);
                samples_add(&ours, mount_batch(b, uuid, mounts));
                (void) gc(b, uuid, true);
        }
        report(b, "mount-1000", &ours, "raw loop", samples_median(&raws), 1.5);
        samples_done(&raws);
        samples_done(&ours);
}

static void bench_gc(struct bench *b, bool lazy) {
        struct samples raws = {}, ours = {};
        _cleanup_free_ char *spec = plain_spec(b);
        unsigned long long *ids = calloc(BIG, sizeof(*ids));

        must(ids ? 0 : -ENOMEM, "calloc");
        for (size_t round = 0; round < BIG_ROUNDS; round++) {
                double unused, start;
                _cleanup_free_ char *uuid = NULL;
                int ground = raw_ground(b, "gc");
                char name[32];

                raw_batch(b, ground, BIG);
                for (size_t i = 0; i < BIG; i++) {
                        (void) snprintf(name, sizeof(name), "t%zu", i); /* 32 bytes hold any size_t */
                        ids[i] = raw_id(ground, name);
                }
                settle();
                start = sample_now();
                if (lazy) {
                        raw_ground_done(b, "gc", &ground);
                        samples_add(&raws, sample_now() - start);
                } else {
                        raw_teardown(ground, ids, BIG);
                        samples_add(&raws, sample_now() - start);
                        raw_ground_done(b, "gc", &ground);
                }
                uuid = create(b, spec, &unused);
                for (size_t i = 0; i < BIG; i += BATCH) {
                        _cleanup_free_ char *mounts = batch(b, i, BATCH);

                        (void) mount_batch(b, uuid, mounts);
                }
                settle();
                samples_add(&ours, gc(b, uuid, lazy));
        }
        free(ids);
        report(b, lazy ? "gc-10000-lazy" : "gc-10000", &ours, lazy ? "one MNT_DETACH" : "raw loop", samples_median(&raws), lazy ? 3 : 1.3);
        samples_done(&raws);
        samples_done(&ours);
}

static void connect_socket(struct bench *b, const char *path) {
        _cleanup_free_ char *address = text("unix:path=%s", path);

        must(sd_bus_new(&b->bus), "sd_bus_new");
        must(sd_bus_set_address(b->bus, address), "address");
        must(sd_bus_negotiate_fds(b->bus, 1), "fds");
        must(sd_bus_start(b->bus), path);
        b->transport = "socket";
        b->destination = NULL;
        b->bind_budget = 2.25;
}

static bool asked(char **figures, const char *name) {
        if (!*figures)
                return true;
        for (; *figures; figures++)
                if (strcmp(*figures, name) == 0)
                        return true;
        return false;
}

int main(int argc, char *argv[]) {
        static const struct option options[] = {
                {"socket", required_argument, NULL, 's'}, {"bus", no_argument, NULL, 'b'}, {"root", required_argument, NULL, 'r'},
                {"scratch", required_argument, NULL, 'd'}, {"bundle", required_argument, NULL, 'u'}, {},
        };
        struct bench b = {};
        const char *socket = NULL;
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case 's':
                        socket = optarg;
                        break;
                case 'b':
                        must(sd_bus_open_system(&b.bus), "system bus");
                        b.transport = "bus";
                        b.destination = PODMOUNT_BUS_NAME;
                        b.bind_budget = 1.75;
                        break;
                case 'r':
                        b.root = optarg;
                        break;
                case 'd':
                        b.scratch = optarg;
                        break;
                case 'u':
                        b.bundle = optarg;
                        break;
                default:
                        return 2;
                }
        if (!b.root || !b.scratch || (!socket && !b.bus)) {
                fprintf(stderr, "usage: bench --socket PATH | --bus, --root DIR --scratch DIR [FIGURE…]\n");
                return 2;
        }
        if (!b.bus)
                connect_socket(&b, socket);
        argv += optind;
        if (socket && asked(argv, "roundtrip"))
                bench_roundtrip();
        if (socket && asked(argv, "varlink"))
                bench_varlink(&b, socket);
        if (asked(argv, "bind"))
                bench_bind(&b);
        if (asked(argv, "pod"))
                bench_pod(&b);
        if (b.bundle && asked(argv, "bundle")) {
                bench_bundle(&b, "create-runc-spec", 0);
                bench_bundle(&b, "create-kubernetes-40", KUBERNETES_MOUNTS);
        }
        if (asked(argv, "batch"))
                bench_batch(&b);
        if (asked(argv, "gc"))
                bench_gc(&b, false);
        if (asked(argv, "gc-lazy"))
                bench_gc(&b, true);
        (void) sd_bus_flush_close_unref(b.bus);
        return EXIT_SUCCESS;
}
