/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any bytes as what a connection of the private socket sends: libsystemd's reading of messages, and all of ours behind it (api/listener.c, rounds.c, call.c,
 * decode.c, dispatch.c, authorise.c, and the questions that need no executor). There is no executor and no layer, and one pod, the user's: whatever would
 * change something is refused, or waits until the connection ends.
 *
 * The first byte says what comes: bit 0, as it is, with its own handshake; else behind one, and with bit 1 the rest is one message whose lengths are made to
 * fit, so that what is in it is looked at. Bit 2: the caller is root, for whom there is no pod, which root could have changed.
 */

#include <fcntl.h>
#include <ftw.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/api.h"
#include "api/peer.h"
#include "api/request.h"
#include "pod/registry.h"
#include "tests/fuzz/fuzz.h"
#include "util/array.h"

#define UUID "0123abcd-4567-89ab-cdef-0123456789ab"

enum { RAW = 1, MENDED = 2, ROOT = 4, HEADER = 16, USER = 1000 };

static sd_event *event;
static struct api *api;
static struct pods pods;
static struct pod *pod;
static struct layers layers;
static struct settings settings;
static struct sockaddr_un address;
static socklen_t address_size = sizeof(sa_family_t);
static char directory[] = "/tmp/podmount-fuzz-dbus-XXXXXX";

static int rescan(void *userdata _unused_) {
        return 0;
}

static void costs(struct table_costs *ret, void *userdata _unused_) {
        *ret = (struct table_costs) {};
}

static void replace(unsigned slot _unused_, void *userdata _unused_) {
        fuzz_check(false);
}

static int sync_table(void *userdata _unused_) {
        return 0;
}

static int sync_below(const char *path _unused_, void *userdata _unused_) {
        return 0;
}

static int look_at(const uint64_t *ids _unused_, size_t n _unused_, void *userdata _unused_) {
        return 0;
}

static int remove_one(const char *path, const struct stat *st _unused_, int type _unused_, struct FTW *ftw _unused_) {
        return remove(path);
}

static void clean_up(void) {
        (void) api_free(api);
        pods_done(&pods);
        (void) executor_pool_free(pods.executors);
        (void) store_free(pods.store);
        layers_done(&layers);
        (void) table_free(pods.table);
        (void) close_fd(pods.runtime_fd);
        (void) sd_event_unref(event);
        (void) nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int listen_somewhere(void) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        const struct sockaddr_un any = {.sun_family = AF_UNIX};

        fuzz_check(fd >= 0 && bind(fd, (const struct sockaddr *) &any, sizeof(sa_family_t)) == 0 && listen(fd, 4) == 0);
        return fd;
}

static void add_mount(struct record_pod *record, const char *container, const char *target, const char *type, uint64_t id) {
        struct record_mount *mount = array_append(&record->mounts, &record->n_mounts);

        fuzz_check(mount);
        mount->row = (int64_t) id;
        mount->id = id;
        mount->mount_id = (uint32_t) id;
        mount->container = strdup(container);
        mount->target = strdup(target);
        mount->source = strdup("source");
        mount->type = strdup(type);
        fuzz_check(mount->container && mount->target && mount->source && mount->type);
}

static void make_pod(void) {
        struct record_pod *record = calloc(1, sizeof(*record));

        fuzz_check(record);
        record->uuid = strdup(UUID);
        record->owner = record->owner_group = USER;
        record->state = RECORD_READY;
        record->spec = strdup("{\"ociVersion\":\"1.0.2\",\"mandatoryMounts\":false,\"root\":{\"path\":\"/r\"}}");
        fuzz_check(record->uuid && record->spec && strv_append(&record->containers, "main") == 0 && strv_append(&record->warnings, "one") == 0);
        add_mount(record, "", "", "tmpfs", 101);
        add_mount(record, "main", "/", "bind", 102);
        add_mount(record, "main", "/mnt", "tmpfs", 103);
        fuzz_check(pod_new(record, &pod) == 0);
        pod->announced = true;
        fuzz_check(pods_add(&pods, pod) == 0);
}

static void make_pods(void) {
        static const struct layers_setup none = {.records_fd = -1, .reason = "there is none", .path = "/nowhere"};
        int version;

        fuzz_check(mkdtemp(directory));
        settings_defaults(&settings);
        settings.requests_per_user = 64;
        pods = (struct pods) {.event = event, .table = table_new(), .settings = &settings, .layers = &layers, .facts = {.tmpfs_size = 1024 * 1024},
                              .sync_table = sync_table, .sync_below = sync_below, .look_at = look_at, .runtime_directory = directory, .runtime_fd = open(directory, O_PATH | O_CLOEXEC)};
        fuzz_check(pods.table && pods.runtime_fd >= 0);
        fuzz_check(store_open(directory, &pods.store, &version) == STORE_OPENED);
        fuzz_check(layers_open(&none, &layers) >= 0);
        fuzz_check(executor_pool_new(event, 30 * 1000 * 1000, replace, NULL, &pods.executors) == 0);
        fuzz_check(pods_init(&pods) == 0);
        make_pod();
}

int LLVMFuzzerInitialize(int *argc _unused_, char ***argv _unused_) {
        struct api_setup setup = {.pods = &pods, .settings = &settings, .tracking = "mountinfo", .rescan = rescan, .costs = costs};

        fuzz_quiet();
        fuzz_check(sd_event_new(&event) >= 0);
        make_pods();
        setup.event = event;
        setup.listen_fd = listen_somewhere();
        address_size = sizeof(address);
        fuzz_check(getsockname(setup.listen_fd, (struct sockaddr *) &address, &address_size) == 0);
        setup.varlink_fd = listen_somewhere();
        fuzz_check(api_new(&setup, &api) == 0 && api_start(api) >= 0);
        fuzz_check(atexit(clean_up) == 0);
        return 0;
}

/* As long as there is anything to do; what is answered is read, and thrown away. */
static void turn(int client) {
        static char unread[64 * 1024];

        for (;;) {
                int r = sd_event_run(event, 0);

                fuzz_check(r >= 0);
                if (client >= 0 && recv(client, unread, sizeof(unread), MSG_DONTWAIT) > 0)
                        continue;
                if (r == 0)
                        return;
        }
}

/* Who calls is known before the first message: that is an executor's to find out. */
static void introduce(bool root) {
        struct peer *peer = api->peers;

        fuzz_check(peer && !peer->next);
        peer->identity = PEER_KNOWN;
        peer->caller.uid = peer->caller.gid = root ? 0 : USER;
        peer->caller.host_mount_namespace = peer->caller.host_user_namespace = peer->caller.host_pid_namespace = peer->caller.host_root_directory = true;
}

static void say(int client, const void *data, size_t size) {
        ssize_t n = send(client, data, size, MSG_NOSIGNAL);

        fuzz_check(n == (ssize_t) size || n < 0); /* it may have been cut off */
        turn(client);
}

static uint32_t read_u32(const uint8_t *data) {
        return data[0] | (uint32_t) data[1] << 8 | (uint32_t) data[2] << 16 | (uint32_t) data[3] << 24;
}

static void write_u32(uint8_t *data, uint32_t value) {
        for (unsigned i = 0; i < 4; i++)
                data[i] = (uint8_t) (value >> 8 * i);
}

/* The header of a call or a signal, with lengths that fit, and a serial. */
static void mend(uint8_t *data, size_t size) {
        size_t fields;

        if (size < HEADER)
                return;
        fields = read_u32(&data[12]) % (size - HEADER + 1);
        if (HEADER + (fields + 7) / 8 * 8 > size)
                fields = (size - HEADER) / 8 * 8;
        data[0] = 'l';
        data[3] = 1;
        write_u32(&data[4], (uint32_t) (size - HEADER - (fields + 7) / 8 * 8));
        if (read_u32(&data[8]) == 0)
                write_u32(&data[8], 1);
        write_u32(&data[12], (uint32_t) fields);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char handshake[] = "AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n";
        const unsigned how = size > 0 ? data[0] : 0;
        _cleanup_free_ uint8_t *copy = fuzz_exact(size > 0 ? data + 1 : data, size > 0 ? size - 1 : 0);
        int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        fuzz_check(client >= 0 && connect(client, (const struct sockaddr *) &address, address_size) == 0);
        turn(-1);
        introduce(how & ROOT);
        if (how & ROOT)
                (void) map_remove(pods.by_uuid, UUID);
        if (!(how & RAW)) {
                say(client, "\0", 1);
                say(client, handshake, sizeof(handshake) - 1);
                if (how & MENDED)
                        mend(copy, size - 1);
        }
        if (size > 1)
                say(client, copy, size - 1);
        (void) close(client);
        turn(-1);
        if (how & ROOT)
                fuzz_check(map_put(pods.by_uuid, pod->record->uuid, pod) == 0);
        fuzz_check(!api->peers && !api->requests); /* nothing of it is left… */
        fuzz_check(map_size(api->users) == 0 && map_size(api->groups) == 0 && map_size(pods.by_uuid) == 1); /* …nor came of it */
        fuzz_check(pod->record->state == RECORD_READY && pod->record->n_mounts == 3 && !pod->lease);
        return 0;
}
