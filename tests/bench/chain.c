/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * chain: GetLayer of a layer that stands on 127 others, beside Peer.Ping and the raw calls that mount the same directories, in turns; one JSON line.
 * PutLayer and the raw unmount are between the rounds. Started by scripts/bench, with a daemon that has no layers, in its mount namespace.
 *
 *     chain --socket PATH --layers DIR --scratch DIR
 *
 * --layers is the daemon's own directory of layers, --scratch an empty directory.
 */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "dbus/names.h"
#include "sample.h"

enum { LAYERS = 128, ROUNDS = 40, WARM = 3, ID_SIZE = sizeof("l-1234567890") };

static int must(int r, const char *what) {
        if (r >= 0)
                return r;
        fprintf(stderr, "bench: %s: %s\n", what, strerror(r == -1 ? errno : -r));
        exit(EXIT_FAILURE);
}

static const char *name_of(unsigned number, char id[static ID_SIZE]) {
        (void) snprintf(id, ID_SIZE, "l-%u", number); /* always fits */
        return id;
}

static double call(sd_bus *bus, const char *method, const char *types, const char *id, const char *parent) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        double start = sample_now();
        int r;

        if (parent)
                r = sd_bus_call_method(bus, NULL, PODMOUNT_OBJECT_PATH, PODMOUNT_LAYER_STORE_INTERFACE, method, &error, NULL, types, id, parent, 0);
        else
                r = sd_bus_call_method(bus, NULL, PODMOUNT_OBJECT_PATH, PODMOUNT_LAYER_STORE_INTERFACE, method, &error, NULL, types, id, 0);
        if (r < 0) {
                fprintf(stderr, "bench: %s: %s\n", method, error.message ?: strerror(-r));
                exit(EXIT_FAILURE);
        }
        return sample_now() - start;
}

static double ping(sd_bus *bus) {
        double start = sample_now();

        must(sd_bus_call_method(bus, NULL, PODMOUNT_OBJECT_PATH, "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, ""), "Ping");
        return sample_now() - start;
}

/* As few calls as the same mount needs. */
static double raw_mount(int layers, int scratch) {
        static const char *const options[][2] = {
                {"source", "layers"}, {"redirect_dir", "nofollow"}, {"metacopy", "off"}, {"index", "off"}, {"nfs_export", "off"},
        };
        double start = sample_now();
        _cleanup_close_ int context = must(fsopen("overlay", FSOPEN_CLOEXEC), "fsopen"), tree = -1;

        for (size_t i = 0; i < ELEMENTSOF(options); i++)
                must(fsconfig(context, FSCONFIG_SET_STRING, options[i][0], options[i][1], 0), options[i][0]);
        for (unsigned i = LAYERS; i-- > 0;) {
                char id[ID_SIZE], path[ID_SIZE + sizeof("/diff")];
                _cleanup_close_ int fd = -1;

                (void) snprintf(path, sizeof(path), "%s/diff", name_of(i, id)); /* always fits */
                fd = must(openat(layers, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), path);
                must(fsconfig(context, FSCONFIG_SET_FD, "lowerdir+", NULL, fd), "lowerdir+");
        }
        must(fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0), "create");
        tree = must(fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV), "fsmount");
        must(mkdirat(scratch, "chain", 0755), "mkdir");
        must(move_mount(tree, "", scratch, "chain", MOVE_MOUNT_F_EMPTY_PATH), "move_mount");
        return sample_now() - start;
}

static void raw_unmount(int scratch) {
        must(fchdir(scratch), "fchdir");
        must(umount2("chain", UMOUNT_NOFOLLOW), "umount2");
        must(unlinkat(scratch, "chain", AT_REMOVEDIR), "rmdir");
}

static sd_bus *open_bus(const char *path) {
        _cleanup_free_ char *address = NULL;
        sd_bus *bus = NULL;

        must(asprintf(&address, "unix:path=%s", path), "address");
        must(sd_bus_new(&bus), "sd_bus_new");
        must(sd_bus_set_address(bus, address), "address");
        must(sd_bus_start(bus), path);
        return bus;
}

static void measure(sd_bus *bus, int layers, int scratch) {
        struct samples ours = {}, pings = {}, raws = {};
        char id[ID_SIZE];

        (void) name_of(LAYERS - 1, id);
        for (unsigned i = 0; i < ROUNDS + WARM; i++) {
                double one = ping(bus), raw = raw_mount(layers, scratch), get;

                raw_unmount(scratch);
                get = call(bus, "GetLayer", "sa{sv}", id, NULL);
                (void) call(bus, "PutLayer", "sa{sv}", id, NULL);
                if (i < WARM)
                        continue;
                samples_add(&pings, one);
                samples_add(&raws, raw);
                samples_add(&ours, get);
        }
        sample_print("get-layer-128", samples_median(&ours), "ping + raw calls", samples_median(&pings) + samples_median(&raws), 1.3);
        samples_done(&ours);
        samples_done(&pings);
        samples_done(&raws);
}

int main(int argc, char *argv[]) {
        static const struct option options[] = {
                {"socket", required_argument, NULL, 's'}, {"layers", required_argument, NULL, 'l'}, {"scratch", required_argument, NULL, 'd'}, {},
        };
        const char *socket = NULL, *directory = NULL, *place = NULL;
        _cleanup_close_ int layers = -1, scratch = -1;
        char id[ID_SIZE], parent[ID_SIZE];
        sd_bus *bus;
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                if (c == 's')
                        socket = optarg;
                else if (c == 'l')
                        directory = optarg;
                else if (c == 'd')
                        place = optarg;
        if (!socket || !directory || !place) {
                fprintf(stderr, "usage: chain --socket PATH --layers DIR --scratch DIR\n");
                return 2;
        }
        bus = open_bus(socket);
        for (unsigned i = 0; i < LAYERS; i++)
                (void) call(bus, "CreateLayer", "ssa{sv}", name_of(i, id), i == 0 ? "" : name_of(i - 1, parent));
        layers = must(open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC), directory);
        scratch = must(open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC), place);
        measure(bus, layers, scratch);
        for (unsigned i = LAYERS; i-- > 0;)
                (void) call(bus, "RemoveLayer", "sa{sv}", name_of(i, id), NULL);
        (void) sd_bus_flush_close_unref(bus);
        return EXIT_SUCCESS;
}
