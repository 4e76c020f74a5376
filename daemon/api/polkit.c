/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One question to polkit and its answer. Whatever is not a clear yes is none. */

#include "api/polkit.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "util/event.h"
#include "util/log.h"

#define POLKIT_NAME "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"
#define POLKIT_ERRORS "org.freedesktop.PolicyKit1.Error."

enum {
        POLKIT_ALLOW_USER_INTERACTION = 1, /* CheckAuthorizationFlags */
        POLKIT_TIMEOUT_S = 25,
        POLKIT_INTERACTIVE_TIMEOUT_S = 300, /* a person types a password */
        MICROSECONDS = 1000000,
};

struct polkit_query {
        sd_bus *bus;
        sd_bus_slot *slot; /* while the question is out */
        char *cancellation;
        polkit_fn answered;
        void *userdata;
};

/* (bba{ss}): is_authorized, is_challenge, details. */
static enum polkit_answer read_answer(sd_bus_message *m) {
        int authorized, challenge;

        if (sd_bus_message_is_method_error(m, NULL)) {
                const sd_bus_error *error = sd_bus_message_get_error(m);

                event_log(EVENT_POLKIT_SILENT, NULL, "polkit does not answer (%s: %s): the request is denied", error->name,
                          error->message ? error->message : "no reason given");
                return strncmp(error->name, POLKIT_ERRORS, strlen(POLKIT_ERRORS)) == 0 ? POLKIT_FAILED : POLKIT_ABSENT;
        }
        if (sd_bus_message_enter_container(m, 'r', "bba{ss}") < 0 || sd_bus_message_read(m, "bb", &authorized, &challenge) < 0) {
                log_error("polkit's answer cannot be read: the request is denied");
                return POLKIT_ABSENT;
        }
        return authorized ? POLKIT_YES : challenge ? POLKIT_CHALLENGE : POLKIT_NO;
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        struct polkit_query *query = userdata;

        query->slot = sd_bus_slot_unref(query->slot);
        query->answered(read_answer(m), query->userdata); /* frees the query */
        return 1;
}

static int append_subject(sd_bus_message *m, const struct polkit_subject *subject) {
        if (subject->bus_name)
                return sd_bus_message_append(m, "(sa{sv})", "system-bus-name", 1, "name", "s", subject->bus_name);
        return sd_bus_message_append(m, "(sa{sv})", "unix-process", 2, "pidfd", "h", subject->pidfd, "uid", "i", (int32_t) subject->uid);
}

static int append(sd_bus_message *m, const struct polkit_subject *subject, const char *action, char *const *details, bool interactive,
                  const char *cancellation) {
        int r = append_subject(m, subject);

        if (r >= 0)
                r = sd_bus_message_append(m, "s", action);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{ss}");
        for (; r >= 0 && details && details[0]; details += 2)
                r = sd_bus_message_append(m, "{ss}", details[0], details[1]);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_append(m, "us", interactive ? (uint32_t) POLKIT_ALLOW_USER_INTERACTION : 0U, cancellation);
        return r;
}

int polkit_ask(sd_bus *bus, const struct polkit_subject *subject, const char *action, char *const *details, bool interactive,
               polkit_fn answered, void *userdata, struct polkit_query **ret) {
        static uint64_t last;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        _cleanup_(polkit_query_freep) struct polkit_query *query = calloc(1, sizeof(*query));
        uint64_t timeout = (uint64_t) (interactive ? POLKIT_INTERACTIVE_TIMEOUT_S : POLKIT_TIMEOUT_S) * MICROSECONDS;
        int r;

        if (!query || asprintf(&query->cancellation, "podmount-%" PRIu64, ++last) < 0)
                return log_oom();
        query->bus = sd_bus_ref(bus);
        query->answered = answered;
        query->userdata = userdata;
        r = sd_bus_message_new_method_call(bus, &call, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE, "CheckAuthorization");
        if (r >= 0)
                r = append(call, subject, action, details, interactive, query->cancellation);
        if (r >= 0)
                r = sd_bus_call_async(bus, &query->slot, call, on_answer, query, timeout);
        if (r < 0)
                return log_errno(LOG_ERR, r, "cannot ask polkit");
        *ret = TAKE_PTR(query);
        return 0;
}

struct polkit_query *polkit_query_free(struct polkit_query *query) {
        if (!query)
                return NULL;
        if (query->slot) {
                query->slot = sd_bus_slot_unref(query->slot);
                /* No reply is awaited; a polkit that is gone has no dialogue either. */
                (void) sd_bus_call_method_async(query->bus, NULL, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE, "CancelCheckAuthorization",
                                                NULL, NULL, "s", query->cancellation);
        }
        (void) sd_bus_unref(query->bus);
        free(query->cancellation);
        free(query);
        return NULL;
}
