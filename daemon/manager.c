/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Holds the front together. The mount table is re-read a moment after the kernel says that it changed: not before a
 * pause in proportion to what the last reading cost, not while a job runs whose answer would have to wait, yet always
 * in time for drift to be seen. Until it is read, further changes say nothing new and wake nobody. An operation that
 * needs the table as it is now has it re-read at once (sync_table).
 */

#include "manager.h"

#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>
#include <time.h>

#include "api/api.h"
#include "pod/pods.h"
#include "store/store.h"
#include "table/reading.h"
#include "table/table.h"
#include "util/array.h"
#include "util/log.h"
#include "util/path.h"

enum {
        PAUSE_MIN_US = 20 * 1000, /* between two readings */
        PAUSE_MAX_US = 70 * 1000, /* drift is to be seen within 100 ms */
        PAUSE_FACTOR = 5,         /* of a reading's cost: at most a sixth of the time goes into readings */
        DELAY_US = 2 * 1000,      /* from a change to its reading: what belongs together comes together… */
        DELAY_MAX_US = 70 * 1000, /* …and at most so long where jobs run all the time */
};

struct manager {
        sd_event *event;
        struct watch *watch;
        const struct runtime *runtime;
        struct settings settings;
        struct store *store;
        struct table *table;
        struct executor_pool *executors;
        struct pods pods;
        bool pods_ready;
        struct api *api;

        sd_event_source *watch_source;
        sd_event_source *reread_timer; /* armed while a change waits for the pause to end */
        bool dirty;                    /* a change was told and the table not read since: the watch is off */
        uint64_t dirty_since_us;       /* CLOCK_MONOTONIC, as the next one */
        uint64_t pause_until_us;

        sd_event_source *stop_timer, *stop_post;
};

static uint64_t now_us(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail for this clock */
        return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

static void enable_watch(struct manager *manager, bool enable) {
        int r = 0;

        if (manager->watch_source)
                r = sd_event_source_set_enabled(manager->watch_source, enable ? SD_EVENT_ON : SD_EVENT_OFF);
        if (r < 0)
                (void) log_errno(LOG_ERR, r, "cannot turn the watch of the mount table %s", enable ? "on" : "off");
}

/* Reads the table and tells the pods what changed. */
static int reread(struct manager *manager) {
        _cleanup_changes_ struct changes changes = {};
        _cleanup_free_ struct entry **entries = NULL;
        uint64_t start = now_us(), pause;
        size_t n = 0;
        int r;

        (void) watch_take(manager->watch); /* what happened until here is in the reading, the rest is told again */
        manager->dirty = false;
        r = reading_take(manager->watch, &entries, &n);
        if (r >= 0)
                r = table_replace(manager->table, entries, n, &changes);
        pause = (now_us() - start) * PAUSE_FACTOR;
        manager->pause_until_us = now_us() + (pause < PAUSE_MIN_US ? PAUSE_MIN_US : pause > PAUSE_MAX_US ? PAUSE_MAX_US : pause);
        if (r < 0) {
                manager->dirty = true;
                return log_errno(LOG_ERR, r, "cannot read the mount table");
        }
        enable_watch(manager, true);
        if (manager->pods_ready) /* without changes, too: some pods may wait to be judged */
                pods_judge_drift(&manager->pods, &changes);
        return 0;
}

/* No earlier than the pause and the delay since the change allow. */
static int arm_reread(struct manager *manager) {
        uint64_t at = manager->dirty_since_us + DELAY_US;
        int r;

        r = sd_event_source_set_time(manager->reread_timer, at > manager->pause_until_us ? at : manager->pause_until_us);
        if (r >= 0)
                r = sd_event_source_set_enabled(manager->reread_timer, SD_EVENT_ONESHOT);
        return r < 0 ? log_errno(LOG_ERR, r, "cannot arm the timer of the mount table") : 0;
}

static int schedule_reread(struct manager *manager) {
        manager->dirty = true;
        manager->dirty_since_us = now_us();
        enable_watch(manager, false);
        return arm_reread(manager);
}

static int on_reread(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        struct manager *manager = userdata;
        uint64_t now = now_us();

        if (!manager->dirty) /* sync_table() was faster */
                return 0;
        if (map_size(manager->pods.operations) > 0 && now < manager->dirty_since_us + DELAY_MAX_US)
                manager->pause_until_us = now + DELAY_US;
        else if (reread(manager) >= 0)
                return 0;
        return arm_reread(manager);
}

static int on_watch(sd_event_source *source _unused_, int fd _unused_, uint32_t revents _unused_, void *userdata) {
        struct manager *manager = userdata;

        if (!watch_take(manager->watch) && !manager->dirty) /* sync_table() was faster */
                return 0;
        return schedule_reread(manager);
}

static int sync_table(void *userdata) {
        struct manager *manager = userdata;
        int r;

        if (!watch_take(manager->watch) && !manager->dirty)
                return 0;
        r = reread(manager);
        if (r < 0)
                (void) arm_reread(manager); /* logged; the next change tries again */
        return r;
}

static bool table_is_current(void *userdata) {
        struct manager *manager = userdata;

        if (!manager->dirty && watch_take(manager->watch))
                return schedule_reread(manager) < 0; /* then it is as current as it gets */
        return !manager->dirty;
}

static int rescan(void *userdata) {
        return reread(userdata);
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
        struct statfs fs;

        manager->pods.facts.propagation_private = manager->settings.propagation == SETTINGS_PROPAGATION_PRIVATE;
        manager->pods.facts.tmpfs_size = manager->settings.tmpfs_size;
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
                log_error("%s/state.db has version %d, written by a newer podmountd: start that one again, or collect every pod with "
                          "it before going back",
                          directory, version);
                return -EPROTONOSUPPORT;
        case STORE_DAMAGED:
                log_error("%s/state.db is damaged or no database of podmount: unmount what lies below %s/pods by hand, then remove it",
                          directory, manager->runtime->path);
                return -EBADMSG;
        }
        return -EBADMSG;
}

static int watch_table(struct manager *manager) {
        int r = sd_event_add_io(manager->event, &manager->watch_source, watch_fd(manager->watch), EPOLLPRI, on_watch, manager);

        if (r >= 0)
                r = sd_event_add_time(manager->event, &manager->reread_timer, CLOCK_MONOTONIC, 0, 1000, on_reread, manager);
        if (r >= 0)
                r = sd_event_source_set_enabled(manager->reread_timer, SD_EVENT_OFF);
        if (r < 0)
                return log_errno(LOG_ERR, r, "cannot watch the mount table");
        return reread(manager);
}

static int make_pods(struct manager *manager) {
        manager->pods.event = manager->event;
        manager->pods.store = manager->store;
        manager->pods.executors = manager->executors;
        manager->pods.table = manager->table;
        manager->pods.settings = &manager->settings;
        manager->pods.sync_table = sync_table;
        manager->pods.table_is_current = table_is_current;
        manager->pods.sync_userdata = manager;
        manager->pods.runtime_directory = manager->runtime->path;
        manager->pods.runtime_fd = manager->runtime->fd;
        manager->pods.mounts_max = read_mount_max();
        set_facts(manager);
        return pods_init(&manager->pods);
}

static int make_api(struct manager *manager, const struct manager_setup *setup) {
        const struct api_setup api_setup = {
                .event = manager->event,
                .pods = &manager->pods,
                .settings = &manager->settings,
                .listen_fd = setup->runtime->listen_fd,
                .bus = setup->bus,
                .tracking = watch_tracking_name(watch_tracking(setup->watch)),
                .features = setup->features,
                .rescan = rescan,
                .userdata = manager,
        };

        return api_new(&api_setup, &manager->api);
}

int manager_new(const struct manager_setup *setup, struct manager **ret) {
        _cleanup_(manager_freep) struct manager *manager = calloc(1, sizeof(*manager));
        int r;

        if (!manager) {
                (void) close_fd(setup->runtime->listen_fd);
                return log_oom();
        }
        manager->event = sd_event_ref(setup->event);
        manager->watch = setup->watch;
        manager->runtime = setup->runtime;
        manager->settings = *setup->settings;
        manager->table = table_new();
        if (!manager->table) {
                (void) close_fd(setup->runtime->listen_fd);
                return log_oom();
        }
        r = make_api(manager, setup); /* first: it owns the listening socket from here on */
        if (r < 0)
                return r;
        r = open_store(manager);
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
        (void) sd_event_source_disable_unref(manager->reread_timer);
        (void) sd_event_source_disable_unref(manager->watch_source);
        manager->api = api_free(manager->api);
        if (manager->pods_ready)
                pods_done(&manager->pods);
        manager->executors = executor_pool_free(manager->executors);
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
        int r = pods_recover(&manager->pods, manager->runtime->intent_fds, ELEMENTSOF(manager->runtime->intent_fds));

        if (r < 0)
                return log_errno(LOG_ERR, r, "cannot recover the pods on record");
        return api_start(manager->api);
}

void manager_set_settings(struct manager *manager, const struct settings *settings) {
        manager->settings = *settings;
        set_facts(manager);
        executor_pool_set_timeout(manager->executors, settings->job_timeout_us);
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
