/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the varlink adapter share: a connection, and the call that it waits for. */

#include "api/peer.h"
#include "api/varlink-convert.h"
#include "api/varlink-wire.h"

struct varlink;

/* A call: the message of its request (request.h). */
struct varlink_call {
        struct varlink_method method;
        struct json_object *parameters;
        struct bus_json_fds fds; /* that came with it, until they are in the message */
        struct varlink_converted converted;
        char *wrong;             /* the parameter that its decoding failed for */
        bool oneway, more;
};

struct varlink_connection {
        struct varlink *server;
        struct peer *peer;         /* this is the adapter's reference */
        struct varlink_wire *wire;
        struct varlink_call *call; /* the one that is being answered, the request's */
        bool monitoring;           /* until the end of the connection */
        struct varlink_connection *next, **link;
};

/* varlink-call.c */
/* Takes a message: a call. A negative errno for what is none, and the connection is to be ended. */
int varlink_call_arrived(struct varlink_connection *connection, const char *text, size_t size, struct bus_json_fds *fds);
/* Sends an answer; takes the parameters over, whatever comes of it (NULL: memory was short). -E2BIG when it is too large, else it is on its
 * way or the connection is cut off. */
int varlink_answer(struct varlink_connection *connection, struct json_object *parameters, struct bus_json_fds *fds, bool continues);
/* Sends an error with one member, or without any. */
void varlink_answer_error(struct varlink_connection *connection, const char *name, const char *key, const char *text);

/* varlink-service.c */
/* org.varlink.service, and what no interface has: answers at once. False for a method of ours. */
bool varlink_service_answers(struct varlink_connection *connection, const char *method, struct json_object *parameters, size_t n_fds);
/* The interfaces that can be asked for, generated from the files of dbus/. Ended by an empty row. */
struct varlink_description {
        const char *name, *text;
};
extern const struct varlink_description varlink_descriptions[];

/* varlink-stream.c */
/* Answers List: one pod an answer. `objects`: what GetManagedObjects says, in JSON. */
int varlink_stream_list(struct varlink_connection *connection, struct json_object *objects);
/* Begins Monitor: the pods that there are, and that they are all. The changes follow by the peer's deliver(). */
int varlink_stream_begin(struct varlink_connection *connection, struct json_object *objects);
/* A signal for this peer: an answer to Monitor, or to an ImportImage that wants more than one. */
void varlink_stream_deliver(struct peer *peer, sd_bus_message *m);
