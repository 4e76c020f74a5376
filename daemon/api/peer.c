/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counts references to a peer and ends what depends on its connection. */

#include "api/peer.h"

#include "api/dispatch.h"
#include "api/identify.h"
#include "pod/lease.h"
#include "pod/operation-layer.h"

struct peer *peer_new(struct api *api, sd_bus *bus, enum caller_transport transport) {
        struct peer *peer = calloc(1, sizeof(*peer));

        if (!peer)
                return NULL;
        peer->references = 1;
        peer->number = ++api->last_peer;
        peer->api = api;
        peer->bus = sd_bus_ref(bus);
        peer->caller.transport = transport;
        peer->pidfd = -1;
        peer->next = api->peers;
        if (peer->next)
                peer->next->link = &peer->next;
        peer->link = &api->peers;
        api->peers = peer;
        return peer;
}

struct peer *peer_ref(struct peer *peer) {
        peer->references++;
        return peer;
}

static void unlink_peer(struct peer *peer) {
        if (!peer->link)
                return;
        *peer->link = peer->next;
        if (peer->next)
                peer->next->link = peer->link;
        peer->link = NULL;
        peer->next = NULL;
}

struct peer *peer_unref(struct peer *peer) {
        if (!peer || --peer->references > 0)
                return NULL;
        identify_cancel(peer);
        unlink_peer(peer);
        (void) sd_bus_slot_unref(peer->watch_slot);
        (void) sd_bus_unref(peer->bus);
        (void) close_fd(peer->pidfd);
        caller_done(&peer->caller);
        free(peer);
        return NULL;
}

void peer_disconnect(struct peer *peer) {
        if (peer->gone)
                return;
        peer->gone = true;
        peer->subscribed = false;
        unlink_peer(peer);
        identify_cancel(peer);
        dispatch_cancel_peer(peer);
        layers_disconnect(peer->api->pods, peer->number);
        leases_disconnect(peer->api->pods, peer->number);
        if (peer->on_disconnect)
                peer->on_disconnect(peer);
        (void) peer_unref(peer);
}
