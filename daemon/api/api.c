/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes, starts and ends the parts of this floor. */

#include "api/api.h"

#include <string.h>

#include "admit/verdict.h"
#include "api/bus.h"
#include "api/dispatch.h"
#include "api/listener.h"
#include "api/method.h"
#include "api/property.h"
#include "api/signals.h"
#include "api/varlink.h"
#include "util/array.h"
#include "util/log.h"

/* What has no verdict cannot be called: a hole in the table is found at the start, not by a caller. */
static int check_verdicts(void) {
        for (const struct method *method = method_table; method->member; method++)
                if (!verdict_find(method->interface, method->member, false))
                        return log_errno(LOG_ERR, ENOENT, "%s.%s has no verdict", method->interface, method->member);
        for (const struct property_row *row = property_table; row->name; row++)
                if (!verdict_find(row->interface, row->name, true))
                        return log_errno(LOG_ERR, ENOENT, "%s.%s has no verdict", row->interface, row->name);
        return 0;
}

int api_new(const struct api_setup *setup, struct api **ret) {
        static char *const no_features[] = {NULL};
        _cleanup_(api_freep) struct api *api = NULL;
        _cleanup_close_ int listen_fd = setup->listen_fd, varlink_fd = setup->varlink_fd;
        int r = check_verdicts();

        if (r < 0)
                return r;
        api = calloc(1, sizeof(*api));
        if (!api)
                return log_oom();
        api->requests_end = &api->requests;
        api->event = sd_event_ref(setup->event);
        api->pods = setup->pods;
        api->settings = setup->settings;
        api->tracking = setup->tracking;
        api->rescan = setup->rescan;
        api->costs = setup->costs;
        api->userdata = setup->userdata;
        r = strv_copy(setup->features ? setup->features : no_features, &api->features);
        if (r < 0)
                return r;
        api->users = map_new(MAP_KEY_U64);
        api->groups = map_new(MAP_KEY_U64);
        if (!api->users || !api->groups)
                return log_oom();
        r = listener_new(api, TAKE_FD(listen_fd), &api->listener);
        if (r < 0)
                return r;
        r = varlink_new(api, TAKE_FD(varlink_fd), &api->varlink);
        if (r < 0)
                return r;
        if (setup->bus) {
                r = bus_new(api, &api->bus);
                if (r < 0)
                        return r;
        }
        api->pods->observer = signals_observer(api);
        *ret = TAKE_PTR(api);
        return 0;
}

void api_close(struct api *api) {
        while (api->requests)
                (void) request_free(api->requests);
        api->bus = bus_free(api->bus);
        api->listener = listener_free(api->listener);
        api->varlink = varlink_free(api->varlink);
}

struct api *api_free(struct api *api) {
        if (!api)
                return NULL;
        memset(&api->pods->observer, 0, sizeof(api->pods->observer));
        api_close(api);
        (void) map_free(api->users);
        (void) map_free(api->groups);
        strv_free(api->features);
        (void) sd_event_unref(api->event);
        free(api);
        return NULL;
}

int api_start(struct api *api) {
        int r = listener_start(api->listener);

        if (r >= 0)
                r = varlink_start(api->varlink);
        return r < 0 || !api->bus ? r : bus_start(api->bus);
}

void api_stop(struct api *api) {
        api->stopping = true;
        listener_stop(api->listener);
        varlink_stop(api->varlink);
        if (api->bus)
                bus_stop(api->bus);
        dispatch_refuse_waiting(api);
}

bool api_idle(const struct api *api) {
        if (api->requests || (api->bus && !bus_flushed(api->bus)) || !varlink_flushed(api->varlink))
                return false;
        for (const struct peer *peer = api->peers; peer; peer = peer->next) {
                uint64_t n = 0;

                if (peer->caller.transport == CALLER_SOCKET && sd_bus_get_n_queued_write(peer->bus, &n) >= 0 && n > 0)
                        return false;
        }
        return true;
}
