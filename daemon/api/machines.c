/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Three questions, each when the one before is answered: which object, where its root directory is, and that it goes. The last one
 * takes polkit's consent to machined's own action, which policy/50-podmount.rules gives to the front's user for this alone. */

#include "api/machines.h"

#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "api/bus.h"
#include "util/log.h"
#include "util/path.h"
#include "util/text.h"

#define NAME "org.freedesktop.machine1"
#define MANAGER_PATH "/org/freedesktop/machine1"
#define MANAGER_INTERFACE "org.freedesktop.machine1.Manager"
#define MACHINE_INTERFACE "org.freedesktop.machine1.Machine"
#define ANSWER_US (UINT64_C(5) * 1000 * 1000)

struct unregistering {
        struct machines *machines; /* NULL: nobody is asked any more, and it waits to be cancelled */
        struct unregistering *next;
        char *uuid, *directory; /* of the pod */
        sd_bus_slot *question;
        unregistered_fn done;
        void *userdata;
};

struct machines {
        struct api *api;
        sd_bus *bus; /* NULL without a connection */
        struct unregistering *all;
};

static void unregistering_free(struct unregistering *one) {
        for (struct unregistering **at = one->machines ? &one->machines->all : &one->next; *at; at = &(*at)->next)
                if (*at == one) {
                        *at = one->next;
                        break;
                }
        sd_bus_slot_unref(one->question);
        free(one->uuid);
        free(one->directory);
        free(one);
}

/* `failure`: a sentence, or NULL: it is unregistered, or was not registered. */
static void end(struct unregistering *one, const char *failure) {
        unregistered_fn done = one->done;
        void *userdata = one->userdata;

        unregistering_free(one);
        done(failure, userdata);
}

static void fail(struct unregistering *one, const char *what, const char *why) {
        _cleanup_free_ char *text = text_format("%s: %s", what, why);

        end(one, text ? text : what);
}

static int ask(struct unregistering *one, const char *path, const char *interface, const char *method, sd_bus_message_handler_t answer, const char *types, const char *first,
               const char *second) {
        sd_bus_message *m = NULL;
        int r = sd_bus_message_new_method_call(one->machines->bus, &m, NAME, path, interface, method);

        one->question = sd_bus_slot_unref(one->question);
        if (r >= 0)
                r = sd_bus_message_set_auto_start(m, false);
        if (r >= 0)
                r = sd_bus_message_append(m, types, first, second); /* a second one is not looked at where the types have none */
        if (r >= 0)
                r = sd_bus_call_async(one->machines->bus, &one->question, m, answer, one, ANSWER_US);
        (void) sd_bus_message_unref(m);
        return r;
}

static int on_gone(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        const sd_bus_error *failure = sd_bus_message_get_error(m);

        if (failure && !sd_bus_error_has_name(failure, "org.freedesktop.machine1.NoSuchMachine"))
                fail(userdata, "machined does not unregister it", failure->message ? failure->message : failure->name);
        else
                end(userdata, NULL);
        return 1;
}

static int on_root(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        const sd_bus_error *failure = sd_bus_message_get_error(m);
        struct unregistering *one = userdata;
        _cleanup_free_ char *normal = NULL;
        const char *root;
        int r;

        if (failure || sd_bus_message_read(m, "v", "s", &root) < 0)
                fail(one, "machined does not say where its root directory is", failure ? failure->name : "bad answer");
        else if (path_normalize(root, &normal) < 0 || !path_is_below(normal, one->directory)) {
                log_debug("The machine %s is not the pod of that name: its root directory is %s", one->uuid, root);
                end(one, NULL);
        } else {
                r = ask(one, MANAGER_PATH, MANAGER_INTERFACE, "UnregisterMachine", on_gone, "s", one->uuid, NULL);
                if (r < 0)
                        fail(one, "the bus took no question", strerrordesc_np(-r));
        }
        return 1;
}

static bool says_there_is_none(const sd_bus_error *error) {
        return sd_bus_error_has_name(error, "org.freedesktop.machine1.NoSuchMachine") || sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
               sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER);
}

static int on_machine(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        const sd_bus_error *failure = sd_bus_message_get_error(m);
        struct unregistering *one = userdata;
        const char *path;
        int r;

        if (failure && says_there_is_none(failure))
                end(one, NULL);
        else if (failure || sd_bus_message_read(m, "o", &path) < 0)
                fail(one, "machined does not say whether it knows it", failure ? failure->name : "bad answer");
        else {
                r = ask(one, path, "org.freedesktop.DBus.Properties", "Get", on_root, "ss", MACHINE_INTERFACE, "RootDirectory");
                if (r < 0)
                        fail(one, "the bus took no question", strerrordesc_np(-r));
        }
        return 1;
}

static void *unregister(const char *uuid, const char *directory, unregistered_fn done, void *userdata, void *machines_userdata) {
        struct machines *machines = machines_userdata;
        struct unregistering *one = calloc(1, sizeof(*one));
        int r;

        if (!one)
                return NULL;
        *one = (struct unregistering) {.machines = machines, .next = machines->all, .uuid = strdup(uuid), .directory = strdup(directory), .done = done, .userdata = userdata};
        machines->all = one;
        r = one->uuid && one->directory ? ask(one, MANAGER_PATH, MANAGER_INTERFACE, "GetMachine", on_machine, "s", one->uuid, NULL) : -ENOMEM;
        if (r < 0) {
                (void) log_errno(LOG_WARNING, r, "ask machined for pod %s", uuid);
                unregistering_free(one);
                return NULL;
        }
        return one;
}

static void cancel(void *question) {
        unregistering_free(question);
}

struct machines *machines_new(struct api *api) {
        struct machines *machines = calloc(1, sizeof(*machines));

        if (machines)
                machines->api = api;
        return machines;
}

struct machines *machines_free(struct machines *machines) {
        if (!machines)
                return NULL;
        machines_disconnected(machines);
        free(machines);
        return NULL;
}

void machines_connected(struct machines *machines) {
        machines->bus = bus_connection(machines->api->bus);
        machines->api->pods->unregister = unregister;
        machines->api->pods->cancel_unregister = cancel;
        machines->api->pods->unregister_userdata = machines;
}

void machines_disconnected(struct machines *machines) {
        machines->api->pods->unregister = NULL;
        machines->bus = NULL;
        while (machines->all) {
                struct unregistering *one = machines->all;

                if (!machines->api->pods->stopping) {
                        end(one, "the connection to the bus ended");
                        continue;
                }
                /* The next start goes on with the collection. */
                machines->all = one->next;
                one->question = sd_bus_slot_unref(one->question);
                one->machines = NULL;
                one->next = NULL;
        }
}
