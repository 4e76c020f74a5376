/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Turns what the pods' observer hears into messages. A subscriber that does not read is the adapter's to cut off. */

#include "api/signals.h"

#include "api/listener.h"
#include "api/mounts.h"
#include "api/objects.h"
#include "api/peer.h"
#include "api/property.h"
#include "api/wire.h"
#include "dbus/names.h"
#include "util/log.h"

const struct signal_row signal_table[] = {
        {PODMOUNT_MANAGER_INTERFACE, "PodNew", "so"},
        {PODMOUNT_MANAGER_INTERFACE, "PodRemoved", "sos"},
        {PODMOUNT_MANAGER_INTERFACE, "DriftDetected", "ssss"},
        {PODMOUNT_LAYER_STORE_INTERFACE, "LayerProgress", "sstt"},
        {PODMOUNT_POD_INTERFACE, "MountsAdded", "a(tss)"},
        {PODMOUNT_POD_INTERFACE, "MountsRemoved", "a(tss)"},
        {},
};

static const char object_manager[] = "org.freedesktop.DBus.ObjectManager";

/* What one signal is made from, for any of its receivers. */
struct news {
        const char *path, *interface, *member;
        int (*append)(const struct news *news, const struct peer *peer, sd_bus_message *m);
        const struct pod *pod;
        const char *reason;
        const struct drift *drift;
        const struct record_mount *const *mounts;
        size_t n_mounts;
        const char *const *names; /* of properties */
        const struct pod *leaving;
        const char *token, *layer;
        uint64_t done, total; /* bytes */
};

static void send_to(struct peer *peer, const struct news *news) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = sd_bus_message_new_signal(peer->bus, &m, news->path, news->interface, news->member);

        if (r >= 0)
                r = news->append(news, peer, m);
        if (r >= 0 && peer->caller.bus_name)
                r = sd_bus_message_set_destination(m, peer->caller.bus_name);
        if (r >= 0 && peer->deliver) {
                peer->deliver(peer, m);
                return;
        }
        if (r >= 0)
                r = sd_bus_send(peer->bus, m, NULL);
        if (r >= 0 && peer->caller.transport == CALLER_SOCKET)
                listener_check_queue(peer);
        if (r < 0) /* the subscriber learns of a broken connection by itself */
                (void) log_errno(LOG_DEBUG, r, "cannot send %s to a subscriber", news->member);
}

static void send_all(struct api *api, const struct news *news) {
        struct peer *next;

        for (struct peer *peer = api->peers; peer; peer = next) {
                next = peer->next;
                if (peer->subscribed && pods_may_see(news->pod, &peer->caller))
                        send_to(peer, news);
        }
}

static int append_new(const struct news *news, const struct peer *peer _unused_, sd_bus_message *m) {
        return sd_bus_message_append(m, "so", news->pod->record->uuid, news->pod->object_path);
}

static int append_removed(const struct news *news, const struct peer *peer _unused_, sd_bus_message *m) {
        return sd_bus_message_append(m, "sos", news->pod->record->uuid, news->pod->object_path, news->reason);
}

static int append_interfaces_added(const struct news *news, const struct peer *peer, sd_bus_message *m) {
        int r = sd_bus_message_append(m, "o", news->pod->object_path);

        return r < 0 ? r : objects_append_interfaces(peer->api, &peer->caller, news->pod, m);
}

static int append_interfaces_removed(const struct news *news, const struct peer *peer _unused_, sd_bus_message *m) {
        int r = sd_bus_message_append(m, "o", news->pod->object_path);

        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "s");
        for (const char *const *interface = objects_pod_interfaces; r >= 0 && *interface; interface++)
                r = sd_bus_message_append(m, "s", *interface);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_drift(const struct news *news, const struct peer *peer _unused_, sd_bus_message *m) {
        int r = sd_bus_message_append(m, "ss", news->pod->record->uuid, news->drift->container ? news->drift->container : "");

        if (r >= 0)
                r = wire_append_text(m, news->drift->target);
        return r < 0 ? r : sd_bus_message_append(m, "s", drift_kind_name(news->drift->kind));
}

static int append_mount(sd_bus_message *m, const struct record_mount *mount) {
        int r = sd_bus_message_open_container(m, 'r', "tss");

        if (r >= 0)
                r = sd_bus_message_append(m, "ts", mount->id, mount->container);
        if (r >= 0)
                r = wire_append_text(m, mount->target);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_mounts(const struct news *news, const struct peer *peer _unused_, sd_bus_message *m) {
        int r = sd_bus_message_open_container(m, 'a', "(tss)");

        for (size_t i = 0; r >= 0 && i < news->n_mounts; i++)
                if (mounts_is_shown(news->mounts[i]))
                        r = append_mount(m, news->mounts[i]);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_properties(const struct news *news, const struct peer *peer, sd_bus_message *m) {
        const struct property_context context = {.api = peer->api, .caller = &peer->caller, .pod = news->pod, .leaving = news->leaving};
        const char *interface = news->reason; /* of the properties, not of the signal */
        int r = sd_bus_message_append(m, "s", interface);

        if (r >= 0)
                r = property_append_all(&context, interface, news->names, m);
        return r < 0 ? r : sd_bus_message_append(m, "as", 0);
}

static void tell_properties(struct api *api, const struct pod *pod, const char *path, const char *interface, const char *const *names,
                            const struct pod *leaving) {
        const struct news news = {
                .path = path,
                .interface = "org.freedesktop.DBus.Properties",
                .member = "PropertiesChanged",
                .append = append_properties,
                .pod = pod,
                .reason = interface,
                .names = names,
                .leaving = leaving,
        };

        send_all(api, &news);
}

/* How many there are, to those who may see this pod, which may be about to go. */
static void tell_counts(struct api *api, const struct pod *pod, const char *const *names, const struct pod *leaving) {
        tell_properties(api, pod, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, names, leaving);
}

static const char *const counts_of_pods[] = {"PodCount", "MountCount", NULL};
static const char *const count_of_mounts[] = {"MountCount", NULL};

static void on_pod_new(struct pod *pod, void *userdata) {
        const struct news added = {
                .path = PODMOUNT_OBJECT_PATH, .interface = object_manager, .member = "InterfacesAdded", .append = append_interfaces_added, .pod = pod,
        };
        const struct news news = {
                .path = PODMOUNT_OBJECT_PATH, .interface = PODMOUNT_MANAGER_INTERFACE, .member = "PodNew", .append = append_new, .pod = pod,
        };

        send_all(userdata, &added);
        send_all(userdata, &news);
        tell_counts(userdata, pod, counts_of_pods, NULL);
}

static void on_pod_removed(struct pod *pod, const char *reason, void *userdata) {
        const struct news removed = {
                .path = PODMOUNT_OBJECT_PATH, .interface = object_manager, .member = "InterfacesRemoved", .append = append_interfaces_removed, .pod = pod,
        };
        const struct news news = {
                .path = PODMOUNT_OBJECT_PATH, .interface = PODMOUNT_MANAGER_INTERFACE, .member = "PodRemoved", .append = append_removed, .pod = pod,
                .reason = reason,
        };

        send_all(userdata, &removed);
        send_all(userdata, &news);
        tell_counts(userdata, pod, counts_of_pods, pod);
}

static void on_pod_changed(struct pod *pod, void *userdata) {
        static const char *const names[] = {"State", "Containers", "Warnings", "Interfaces", "Drifted", "MountCount", NULL};

        tell_properties(userdata, pod, pod->object_path, PODMOUNT_POD_INTERFACE, names, NULL);
}

static void tell_mounts(struct api *api, const struct pod *pod, const struct record_mount *const *mounts, size_t n, const char *member) {
        const struct news news = {
                .path = pod->object_path, .interface = PODMOUNT_POD_INTERFACE, .member = member, .append = append_mounts, .pod = pod,
                .mounts = mounts, .n_mounts = n,
        };
        bool any = false;

        for (size_t i = 0; i < n; i++)
                any |= mounts_is_shown(mounts[i]);
        if (!any)
                return;
        send_all(api, &news);
        tell_counts(api, pod, count_of_mounts, NULL);
}

static void on_mounts_added(struct pod *pod, const struct record_mount *const *mounts, size_t n, void *userdata) {
        tell_mounts(userdata, pod, mounts, n, "MountsAdded");
}

static void on_mounts_removed(struct pod *pod, const struct record_mount *const *mounts, size_t n, void *userdata) {
        tell_mounts(userdata, pod, mounts, n, "MountsRemoved");
}

static void on_drift(struct pod *pod, const struct drift *drift, void *userdata) {
        const struct news news = {
                .path = PODMOUNT_OBJECT_PATH, .interface = PODMOUNT_MANAGER_INTERFACE, .member = "DriftDetected", .append = append_drift, .pod = pod,
                .drift = drift,
        };

        send_all(userdata, &news);
}

static int append_progress(const struct news *news, const struct peer *peer _unused_, sd_bus_message *m) {
        return sd_bus_message_append(m, "sstt", news->token, news->layer, news->done, news->total);
}

void signals_tell_layer_progress(struct peer *peer, const char *token, const char *id, uint64_t done, uint64_t total) {
        const struct news news = {
                .path = PODMOUNT_OBJECT_PATH, .interface = PODMOUNT_LAYER_STORE_INTERFACE, .member = "LayerProgress", .append = append_progress,
                .token = token, .layer = id, .done = done, .total = total,
        };

        send_to(peer, &news);
}

struct pods_observer signals_observer(struct api *api) {
        return (struct pods_observer) {
                .pod_new = on_pod_new,
                .pod_removed = on_pod_removed,
                .pod_changed = on_pod_changed,
                .mounts_added = on_mounts_added,
                .mounts_removed = on_mounts_removed,
                .drift = on_drift,
                .userdata = api,
        };
}
