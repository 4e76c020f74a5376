/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A unit's way: GetUnit says its object, a match is set on that, and then its state is asked for, so that no change is lost in
 * between. A change is a reason to ask again: what a signal says may be past. A service manager that comes to the bus, again or
 * later than we do, knows of no subscription, and all is asked anew.
 */

#include "api/units.h"

#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "api/bus.h"
#include "pod/lease.h"
#include "util/log.h"
#include "util/text.h"

#define MANAGER_NAME "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER_INTERFACE "org.freedesktop.systemd1.Manager"
#define UNIT_INTERFACE "org.freedesktop.systemd1.Unit"
#define PROPERTIES_INTERFACE "org.freedesktop.DBus.Properties"

#define OWNER_RULE                                                                                                             \
        "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',interface='org.freedesktop.DBus',"           \
        "member='NameOwnerChanged',arg0='" MANAGER_NAME "'"

enum { ASK_AGAIN_US = 10 * 1000 * 1000 /* after a question that nobody answered */ };

struct units {
        struct api *api;
        struct map *by_name; /* struct watch * */
        sd_bus *bus;         /* NULL without a connection */
        sd_bus_slot *owner, *subscription;
        sd_event_source *again;
        bool subscribed;     /* to this service manager, or it is asked */
};

struct watch {
        struct units *units;
        unsigned n_leases;
        char *name, *path;
        sd_bus_slot *match, *question;
};

static void watch_rest(struct watch *watch) {
        watch->question = sd_bus_slot_unref(watch->question);
        watch->match = sd_bus_slot_unref(watch->match);
        free(watch->path);
        watch->path = NULL;
}

static void watch_free(struct watch *watch) {
        (void) map_remove(watch->units->by_name, watch->name);
        watch_rest(watch);
        free(watch->name);
        free(watch);
}

static void ask_later(struct units *units);
static void begin(struct watch *watch);

/* The watch goes with the last of the leases that end. */
static void over(struct watch *watch, const char *why) {
        _cleanup_free_ char *name = strdup(watch->name);

        if (name)
                leases_unit_ended(watch->units->api->pods, name, why);
        else
                ask_later(watch->units);
}

static void begin_all(struct units *units) {
        struct watch *watch;

        MAP_FOREACH(watch, units->by_name)
                begin(watch);
}

static int on_again(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        struct units *units = userdata;

        units->again = sd_event_source_disable_unref(units->again);
        begin_all(units);
        return 0;
}

static void ask_later(struct units *units) {
        if (!units->again && sd_event_add_time_relative(units->api->event, &units->again, CLOCK_MONOTONIC, ASK_AGAIN_US, 0, on_again, units) < 0)
                log_error("No timer to ask again of units; the next connection to the bus does");
}

/* The lease stays: who is not answered does not know. */
static void ask_again(struct watch *watch, const char *what, const char *why) {
        log_warning("Whether the unit %s is active is not known: %s (%s); its pods' leases stay, and it is asked again", watch->name, what, why);
        watch_rest(watch);
        ask_later(watch->units);
}

/* From inactive and failed alone a unit does not come back by itself: systemd(1), "Units". */
static bool is_over(const char *state) {
        return strcmp(state, "inactive") == 0 || strcmp(state, "failed") == 0;
}

static bool says_there_is_none(const sd_bus_error *error) {
        return sd_bus_error_has_name(error, "org.freedesktop.systemd1.NoSuchUnit") || sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_OBJECT);
}

static int on_state(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        struct watch *watch = userdata;
        const sd_bus_error *failure = sd_bus_message_get_error(m);
        const char *state = NULL;

        watch->question = sd_bus_slot_unref(watch->question);
        if (failure && says_there_is_none(failure))
                over(watch, "its unit is gone.");
        else if (failure || sd_bus_message_read(m, "v", "s", &state) < 0)
                ask_again(watch, "its state could not be read", failure ? failure->name : "bad answer");
        else if (is_over(state))
                over(watch, "its unit is not active any more.");
        return 1;
}

static void ask_state(struct watch *watch) {
        int r;

        watch->question = sd_bus_slot_unref(watch->question);
        r = sd_bus_call_method_async(watch->units->bus, &watch->question, MANAGER_NAME, watch->path, PROPERTIES_INTERFACE, "Get", on_state, watch,
                                     "ss", UNIT_INTERFACE, "ActiveState");
        if (r < 0)
                ask_again(watch, "the bus took no question", strerrordesc_np(-r));
}

static int on_change(sd_bus_message *m _unused_, void *userdata, sd_bus_error *error _unused_) {
        ask_state(userdata);
        return 0;
}

static int on_match(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        struct watch *watch = userdata;

        if (sd_bus_message_is_method_error(m, NULL))
                ask_again(watch, "the bus has no room for a match rule", sd_bus_message_get_error(m)->name);
        else
                ask_state(watch);
        return 1;
}

static int match(struct watch *watch) {
        _cleanup_free_ char *rule = text_format("type='signal',sender='" MANAGER_NAME "',path='%s',interface='" PROPERTIES_INTERFACE "',"
                                                "member='PropertiesChanged',arg0='" UNIT_INTERFACE "'",
                                                watch->path);

        if (!rule)
                return -ENOMEM;
        return sd_bus_add_match_async(watch->units->bus, &watch->match, rule, on_change, on_match, watch);
}

static int on_unit(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        struct watch *watch = userdata;
        const sd_bus_error *failure = sd_bus_message_get_error(m);
        const char *path;
        int r;

        watch->question = sd_bus_slot_unref(watch->question);
        if (failure && says_there_is_none(failure)) {
                over(watch, "its unit is not there.");
                return 1;
        }
        r = failure ? -sd_bus_error_get_errno(failure) : sd_bus_message_read(m, "o", &path);
        if (r >= 0) {
                watch->path = strdup(path);
                r = watch->path ? match(watch) : -ENOMEM;
        }
        if (r < 0)
                ask_again(watch, "the service manager does not tell of it", failure ? failure->name : strerrordesc_np(-r));
        return 1;
}

static int on_subscribed(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        const sd_bus_error *failure = sd_bus_message_get_error(m);
        struct units *units = userdata;

        units->subscription = sd_bus_slot_unref(units->subscription);
        if (failure && !sd_bus_error_has_name(failure, "org.freedesktop.systemd1.AlreadySubscribed")) {
                units->subscribed = false;
                ask_later(units);
        }
        return 1;
}

static int on_owner(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        struct units *units = userdata;
        const char *name, *old, *new;

        if (sd_bus_message_read(m, "sss", &name, &old, &new) < 0 || !*new)
                return 0;
        units->subscribed = false;
        begin_all(units);
        return 0;
}

/* Without a subscriber systemd sends no changes. That it ends with the connection is the bus's doing. */
static void subscribe(struct units *units) {
        if (units->subscribed)
                return;
        if (!units->owner && sd_bus_add_match_async(units->bus, &units->owner, OWNER_RULE, on_owner, NULL, units) < 0)
                log_warning("It will not be known when the service manager comes to the bus again");
        units->subscription = sd_bus_slot_unref(units->subscription);
        units->subscribed = sd_bus_call_method_async(units->bus, &units->subscription, MANAGER_NAME, MANAGER_PATH, MANAGER_INTERFACE, "Subscribe",
                                                     on_subscribed, units, NULL) >= 0;
}

static void begin(struct watch *watch) {
        struct units *units = watch->units;
        int r;

        if (!units->bus)
                return; /* units_connected() comes back to it */
        watch_rest(watch);
        subscribe(units);
        r = sd_bus_call_method_async(units->bus, &watch->question, MANAGER_NAME, MANAGER_PATH, MANAGER_INTERFACE, "GetUnit", on_unit, watch, "s",
                                     watch->name);
        if (r < 0)
                ask_again(watch, "the bus took no question", strerrordesc_np(-r));
}

static int watch_unit(const char *name, void *userdata) {
        struct units *units = userdata;
        struct watch *watch = map_get(units->by_name, name);
        int r;

        if (watch) {
                watch->n_leases++;
                begin(watch); /* a change on the way would come too late for this one */
                return 0;
        }
        watch = calloc(1, sizeof(*watch));
        if (!watch)
                return -ENOMEM;
        *watch = (struct watch) {.units = units, .n_leases = 1, .name = strdup(name)};
        r = watch->name ? map_put(units->by_name, watch->name, watch) : -ENOMEM;
        if (r < 0) {
                free(watch->name);
                free(watch);
                return r;
        }
        begin(watch);
        return 0;
}

static void unwatch_unit(const char *name, void *userdata) {
        struct units *units = userdata;
        struct watch *watch = map_get(units->by_name, name);

        if (watch && --watch->n_leases == 0)
                watch_free(watch);
}

struct units *units_new(struct api *api) {
        struct units *units = calloc(1, sizeof(*units));

        if (!units)
                return NULL;
        units->api = api;
        units->by_name = map_new(MAP_KEY_STRING);
        if (!units->by_name) {
                free(units);
                return NULL;
        }
        api->pods->watch_unit = watch_unit;
        api->pods->unwatch_unit = unwatch_unit;
        api->pods->watch_unit_userdata = units;
        return units;
}

struct units *units_free(struct units *units) {
        if (!units)
                return NULL;
        units->api->pods->watch_unit = NULL;
        units->api->pods->unwatch_unit = NULL;
        units_disconnected(units);
        for (;;) {
                size_t position = 0;
                struct watch *watch = map_next(units->by_name, &position);

                if (!watch)
                        break;
                watch_free(watch);
        }
        (void) map_free(units->by_name);
        free(units);
        return NULL;
}

void units_connected(struct units *units) {
        units->bus = bus_connection(units->api->bus);
        begin_all(units);
}

void units_disconnected(struct units *units) {
        struct watch *watch;

        units->again = sd_event_source_disable_unref(units->again);
        units->owner = sd_bus_slot_unref(units->owner);
        units->subscription = sd_bus_slot_unref(units->subscription);
        units->bus = NULL;
        units->subscribed = false;
        MAP_FOREACH(watch, units->by_name)
                watch_rest(watch);
}
