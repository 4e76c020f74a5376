/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Holds the front together. When the mount table is brought up to date is tracker.h's.
 */

#include "manager.h"

#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <systemd/sd-daemon.h>

#include "api/api.h"
#include "layer/layers.h"
#include "pod/gc-program.h"
#include "pod/host.h"
#include "pod/layer-stream.h"
#include "pod/operation-layer.h"
#include "pod/pods.h"
#include "store/store.h"
#include "sweep.h"
#include "table/table.h"
#include "tracker.h"
#include "trim.h"
#include "util/array.h"
#include "util/event.h"
#include "util/log.h"
#include "util/path.h"

struct manager {
        sd_event *event;
        struct watch *watch;
        struct runtime *runtime;
        const struct state *state;
        struct settings settings;
        struct layers layers;
        struct store *store;
        struct table *table;
        struct tracker *tracker;
        struct sweep *sweep;
        struct trim *trim;
        struct executor_pool *executors;
        struct pods pods;
        bool pods_ready;
        struct api *api;

        sd_event_source *stop_timer, *stop_post;
};

static void on_changes(const struct changes *changes, bool settled, void *userdata) {
        struct manager *manager = userdata;

        trim_note(manager->trim);
        if (!manager->pods_ready)
                return;
        if (settled)
                pods_judge_drift(&manager->pods, changes);
        else
                pods_mark_drift(&manager->pods, changes);
}

static bool is_busy(void *userdata) {
        const struct manager *manager = userdata;

        return manager->pods_ready && map_size(manager->pods.operations) > 0;
}

static int list_others(uint64_t **ids, size_t *n, void *userdata) {
        const struct manager *manager = userdata;

        return manager->pods_ready ? host_append_ids(&manager->pods, ids, n) : 0;
}

static bool is_concerned(void *userdata) {
        const struct manager *manager = userdata;

        return !manager->pods_ready || map_size(manager->pods.by_uuid) > 0;
}

static int sync_table(void *userdata) {
        struct manager *manager = userdata;

        return tracker_sync(manager->tracker);
}

static int sync_below(const char *path, void *userdata) {
        struct manager *manager = userdata;

        return tracker_sync_below(manager->tracker, path);
}

static int look_at(const uint64_t *ids, size_t n, void *userdata) {
        struct manager *manager = userdata;

        return tracker_look_at(manager->tracker, ids, n);
}

static bool table_is_current(void *userdata) {
        struct manager *manager = userdata;

        return tracker_is_current(manager->tracker);
}

static void tell_costs(struct table_costs *ret, void *userdata) {
        const struct manager *manager = userdata;

        tracker_costs(manager->tracker, ret);
}

static int rescan(void *userdata) {
        struct manager *manager = userdata;

        return tracker_rescan(manager->tracker);
}

/* fs.mount-max, 0 when it cannot be read. */
static uint64_t read_mount_max(void) {
        _cleanup_fclose_ FILE *file = fopen("/proc/sys/fs/mount-max", "re");
        unsigned long long value = 0;

        if (!file || fscanf(file, "%llu", &value) != 1)
                return 0;
        return value;
}

static void set_facts(struct manager *manager) {
        struct sysinfo host;
        struct statfs fs;

        manager->pods.facts.propagation_private = manager->settings.propagation == SETTINGS_PROPAGATION_PRIVATE;
        manager->pods.facts.tmpfs_size = manager->settings.tmpfs_size;
        manager->pods.facts.memory = sysinfo(&host) == 0 ? (uint64_t) host.totalram * host.mem_unit : 0;
        manager->pods.facts.cgroup = WANTED_CGROUP_HYBRID;
        if (statfs("/sys/fs/cgroup", &fs) >= 0 && (unsigned long) fs.f_type == CGROUP2_SUPER_MAGIC)
                manager->pods.facts.cgroup = WANTED_CGROUP_UNIFIED;
}

static int open_store(struct manager *manager) {
        _cleanup_free_ char *directory = path_join(manager->runtime->path, "state");
        int version = 0, r;

        if (!directory)
                return log_oom();
        r = store_open(directory, &manager->store, &version);
        if (r == -EACCES)
                log_error("the front's user must be able to reach %s: every directory above it needs search permission for others", directory);
        if (r < 0)
                return log_errno(LOG_ERR, r, "cannot open %s/state.db", directory);
        switch ((enum store_outcome) r) {
        case STORE_OPENED:
                return 0;
        case STORE_NEWER:
                event_log(EVENT_STORE_REFUSED, NULL, "%s/state.db has version %d, written by a newer podmountd: start that one again, or collect every pod with "
                          "it before going back",
                          directory, version);
                return -EPROTONOSUPPORT;
        case STORE_DAMAGED:
                event_log(EVENT_STORE_REFUSED, NULL, "%s/state.db is damaged or no database of podmount: unmount what lies below %s/pods by hand, then remove it",
                          directory, manager->runtime->path);
                return -EBADMSG;
        }
        return -EBADMSG;
}

static int watch_table(struct manager *manager) {
        struct tracker_setup setup = {
                .runtime_path = manager->runtime->path,
                .changed = on_changes,
                .busy = is_busy,
                .others = list_others,
                .concerned = is_concerned,
                .userdata = manager,
        };
        int r;

        manager->trim = trim_new(manager->event, manager->table);
        if (!manager->trim)
                return log_oom();
        r = tracker_new(manager->event, manager->watch, manager->table, &setup, &manager->tracker);
        if (r < 0)
                return r;
        manager->sweep = sweep_new(manager->event, manager->tracker);
        if (!manager->sweep)
                return log_oom();
        r = sweep_set_period(manager->sweep, manager->settings.sweep_us);
        return r < 0 ? r : tracker_rescan(manager->tracker);
}

static int make_pods(struct manager *manager) {
        manager->pods.event = manager->event;
        manager->pods.store = manager->store;
        manager->pods.layers = &manager->layers;
        manager->pods.executors = manager->executors;
        manager->pods.table = manager->table;
        manager->pods.settings = &manager->settings;
        manager->pods.sync_table = sync_table;
        manager->pods.sync_below = sync_below;
        manager->pods.look_at = look_at;
        manager->pods.table_is_current = table_is_current;
        manager->pods.sync_userdata = manager;
        manager->pods.runtime_directory = manager->runtime->path;
        manager->pods.runtime_fd = manager->runtime->fd;
        manager->pods.texts = manager->runtime->texts;
        manager->pods.n_texts = manager->runtime->n_texts;
        manager->pods.mounts_max = read_mount_max();
        manager->pods.cgroups_of_systemd = sd_booted() > 0;
        set_facts(manager);
        return pods_init(&manager->pods);
}

static int make_api(struct manager *manager, const struct manager_setup *setup) {
        const struct api_setup api_setup = {
                .event = manager->event,
                .pods = &manager->pods,
                .settings = &manager->settings,
                .listen_fd = setup->runtime->listen_fd,
                .varlink_fd = setup->runtime->varlink_fd,
                .bus = setup->bus,
                .tracking = watch_tracking_name(watch_tracking(setup->watch)),
                .features = setup->features,
                .rescan = rescan,
                .costs = tell_costs,
                .userdata = manager,
        };

        return api_new(&api_setup, &manager->api);
}

static void close_sockets(const struct manager_setup *setup) {
        (void) close_fd(setup->runtime->listen_fd);
        (void) close_fd(setup->runtime->varlink_fd);
}

static int open_layers(struct manager *manager, const struct stores *stores) {
        const struct state *state = manager->state;
        struct layers_store list[SETTINGS_STORES_MAX];

        for (size_t i = 0; i < stores->n; i++) {
                const struct additional_store *store = &stores->list[i];

                list[i] = (struct layers_store) {.path = store->path, .records_fd = store->records_fd, .reason = store->reason};
        }
        return layers_open(&(struct layers_setup) {.records_fd = state->records_fd, .path = state->path, .backing = &state->backing,
                                                   .reason = state->reason, .stores = list, .n_stores = stores->n},
                           &manager->layers);
}

int manager_new(const struct manager_setup *setup, struct manager **ret) {
        _cleanup_(manager_freep) struct manager *manager = calloc(1, sizeof(*manager));
        int r;

        if (!manager) {
                close_sockets(setup);
                return log_oom();
        }
        manager->event = sd_event_ref(setup->event);
        manager->watch = setup->watch;
        manager->runtime = setup->runtime;
        manager->state = setup->state;
        manager->settings = *setup->settings;
        manager->table = table_new();
        if (!manager->table) {
                close_sockets(setup);
                return log_oom();
        }
        r = make_api(manager, setup); /* first: it owns the listening sockets from here on */
        if (r < 0)
                return r;
        r = open_store(manager);
        if (r < 0)
                return r;
        r = open_layers(manager, setup->stores);
        if (r < 0)
                return r;
        r = executor_pool_new(manager->event, manager->settings.job_timeout_us, setup->replace, setup->userdata, &manager->executors);
        if (r < 0)
                return log_errno(LOG_ERR, r, "cannot make the pool of executors");
        r = make_pods(manager);
        if (r < 0)
                return r;
        manager->pods_ready = true;
        r = watch_table(manager);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(manager);
        return 0;
}

struct manager *manager_free(struct manager *manager) {
        if (!manager)
                return NULL;
        (void) sd_event_source_disable_unref(manager->stop_post);
        (void) sd_event_source_disable_unref(manager->stop_timer);
        manager->sweep = sweep_free(manager->sweep);
        manager->tracker = tracker_free(manager->tracker);
        manager->trim = trim_free(manager->trim);
        manager->pods.stopping = true; /* connections that end now end because we do */
        manager->api = api_free(manager->api);
        if (manager->pods_ready)
                pods_done(&manager->pods);
        manager->executors = executor_pool_free(manager->executors);
        layers_done(&manager->layers);
        manager->store = store_free(manager->store);
        manager->table = table_free(manager->table);
        (void) sd_event_unref(manager->event);
        free(manager);
        return NULL;
}

int manager_add_executor(struct manager *manager, unsigned slot, int socket, int intent_fd) {
        int r = executor_pool_add(manager->executors, slot, socket, intent_fd);

        return r < 0 ? log_errno(LOG_ERR, r, "cannot use the executor of slot %u", slot) : 0;
}

int manager_start(struct manager *manager) {
        int r = pods_recover(&manager->pods, manager->runtime->read_intent_fds, ELEMENTSOF(manager->runtime->read_intent_fds));

        runtime_close_texts(manager->runtime);
        manager->pods.texts = NULL;
        manager->pods.n_texts = 0;
        if (r < 0)
                return log_errno(LOG_ERR, r, "cannot recover the pods on record");
        layers_recover(&manager->pods);
        return api_start(manager->api);
}

void manager_set_settings(struct manager *manager, const struct settings *settings) {
        manager->settings = *settings;
        set_facts(manager);
        executor_pool_set_timeout(manager->executors, settings->job_timeout_us);
        (void) sweep_set_period(manager->sweep, settings->sweep_us); /* logged; off then */
}

static int leave(struct manager *manager) {
        api_close(manager->api);
        return sd_event_exit(manager->event, 0);
}

static int on_stop_timer(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        struct manager *manager = userdata;

        if (map_size(manager->pods.operations) > 0)
                log_warning("%zu operations did not end in time: the next start finishes them", map_size(manager->pods.operations));
        return leave(manager);
}

static int on_stop_post(sd_event_source *source _unused_, void *userdata) {
        struct manager *manager = userdata;

        if (map_size(manager->pods.operations) == 0 && api_idle(manager->api))
                return leave(manager);
        return 0;
}

int manager_stop(struct manager *manager, uint64_t limit_us) {
        int r;

        if (manager->stop_timer)
                return 0;
        api_stop(manager->api);
        manager->pods.stopping = true;
        layer_streams_stop(&manager->pods);
        gc_programs_stop(&manager->pods);
        r = sd_event_add_time_relative(manager->event, &manager->stop_timer, CLOCK_MONOTONIC, limit_us, 0, on_stop_timer, manager);
        if (r >= 0)
                r = sd_event_add_post(manager->event, &manager->stop_post, on_stop_post, manager);
        if (r < 0)
                return log_errno(LOG_ERR, r, "cannot wait for what runs");
        return on_stop_post(NULL, manager); /* at rest no event comes that it could follow */
}

char *manager_status(const struct manager *manager) {
        char *text;

        if (asprintf(&text, "%zu pods, %zu mounts on the host", map_size(manager->pods.by_uuid), table_size(manager->table)) < 0)
                return NULL;
        return text;
}
