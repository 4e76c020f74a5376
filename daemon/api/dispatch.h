/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The stations of a request, in the order of the request path: decode, identify, authorise, validate, plan, intend,
 * execute, (record,) announce. One path for every transport and every method.
 */

#include "api/request.h"

/* A station's outcomes beside 0 (go on), a failure kind, or a negative errno. */
enum dispatch_next {
        DISPATCH_WAIT = -1000010, /* dispatch_continue() or another function below is called later */
};

/* Sends a new request on its way. It is answered and freed by the dispatcher, perhaps before this returns. */
void dispatch_run(struct request *request);

/* What a waiting request waited for has come: its station runs again. */
void dispatch_continue(struct request *request);
/* polkit has answered yes: the request is run again from its decoding. */
void dispatch_restart(struct request *request);
/* A waiting request ends with this failure (moved out). */
void dispatch_fail(struct request *request, struct failure *f);

/* The identification of a peer is over; if it failed, what waits for it is refused. */
void dispatch_identified(struct peer *peer, bool known);
/* The peer is gone: what executes goes on by itself, everything else is taken back. */
void dispatch_cancel_peer(struct peer *peer);
/* Refuses every request that executes nothing yet, because the daemon stops. */
void dispatch_refuse_waiting(struct api *api);
