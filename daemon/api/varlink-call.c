/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Translates between varlink's messages and requests, as call.c does for those of D-Bus, and nothing else. */

#include <errno.h>
#include <string.h>

#include "api/dispatch.h"
#include "api/errors.h"
#include "api/objects.h"
#include "api/varlink-connection.h"
#include "dbus/names.h"
#include "util/log.h"

/* Of a call: GC names the most pods, and an object takes hundreds of bytes. */
enum { VALUES_MAX = 128 * 1024, CONTAINERS_MAX = 256 };

static struct varlink_connection *connection_of(const struct request *request) {
        return request->peer->adapter; /* NULL once it is gone */
}

/* Answers. */

static int send_object(struct varlink_connection *connection, struct json_object *object, struct bus_json_fds *fds) {
        int r;

        if (!connection || (connection->call && connection->call->oneway))
                return 0;
        r = varlink_wire_send(connection->wire, object, fds);
        if (r < 0 && r != -E2BIG)
                varlink_wire_cut(connection->wire); /* an answer that is missing would make the next one its own */
        return r;
}

/* Takes the member over. */
static int add(struct json_object *object, const char *key, struct json_object *member) {
        if (object && member && json_object_object_add(object, key, member) == 0)
                return 0;
        (void) json_object_put(member);
        return -ENOMEM;
}

int varlink_answer(struct varlink_connection *connection, struct json_object *parameters, struct bus_json_fds *fds, bool continues) {
        _cleanup_json_ struct json_object *object = json_object_new_object();
        int r = add(object, "parameters", parameters);

        if (r >= 0 && continues)
                r = add(object, "continues", json_object_new_boolean(true));
        if (r < 0 && connection)
                varlink_wire_cut(connection->wire);
        return r < 0 ? log_oom() : send_object(connection, object, fds);
}

void varlink_answer_error(struct varlink_connection *connection, const char *name, const char *key, const char *text) {
        _cleanup_json_ struct json_object *object = json_object_new_object();
        struct json_object *parameters = json_object_new_object();
        int r = key ? add(parameters, key, json_object_new_string(text)) : 0;

        if (r < 0) {
                (void) json_object_put(parameters);
                parameters = NULL;
        }
        r = add(object, "error", json_object_new_string(name));
        if (add(object, "parameters", parameters) < 0)
                r = -ENOMEM;
        if (r >= 0)
                (void) send_object(connection, object, NULL); /* small: never too large */
        else if (connection)
                varlink_wire_cut(connection->wire);
}

static void fail(struct request *request, const struct failure *f) {
        const struct varlink_call *call = request->message;
        _cleanup_free_ char *name = NULL;

        if (call->wrong) {
                varlink_answer_error(connection_of(request), "org.varlink.service.InvalidParameter", "parameter", call->wrong);
                return;
        }
        if (asprintf(&name, VARLINK_INTERFACE ".%s", strrchr(error_name(f->kind), '.') + 1) < 0)
                name = NULL;
        varlink_answer_error(connection_of(request), name ? name : VARLINK_INTERFACE ".Failed", "message",
                             f->text ? f->text : "podmountd is short of memory");
}

/* What the method's encoder says, as parameters. */
static int encode(struct request *request, struct bus_json_fds *fds, struct json_object **ret) {
        const struct varlink_call *call = request->message;
        const struct varlink_method *method = &call->method;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        static const struct argument_row objects[] = {{"objects", "a{oa{sa{sv}}}", ARGUMENT_ANY, 0, NULL}, {}};
        int r = sd_bus_message_new_method_return(call->converted.m, &m);

        if (r >= 0 && method->kind == VARLINK_MONITOR)
                r = encode_managed_objects(request, m);
        else if (r >= 0 && method->method->encode)
                r = method->method->encode(request, m);
        if (r < 0)
                return r;
        return varlink_convert_reply(m, method->kind == VARLINK_MONITOR ? objects : method->method->out, fds, ret);
}

/* {"properties": …} of the row as what the interface calls it. */
static int rename_member(struct json_object *parameters, const char *from, const char *to) {
        struct json_object *value = json_object_get(json_object_object_get(parameters, from));

        json_object_object_del(parameters, from);
        return add(parameters, to, value);
}

static int answer(struct request *request) {
        struct varlink_connection *connection = connection_of(request);
        const struct varlink_call *call = request->message;
        _cleanup_(bus_json_fds_done) struct bus_json_fds fds = {};
        _cleanup_json_ struct json_object *parameters = NULL;
        int r;

        if (!connection || call->oneway)
                return 0;
        r = encode(request, &fds, &parameters);
        if (r < 0)
                return r;
        if (call->method.kind == VARLINK_LIST)
                return varlink_stream_list(connection, json_object_object_get(parameters, "objects"));
        if (call->method.kind == VARLINK_MONITOR)
                return varlink_stream_begin(connection, json_object_object_get(parameters, "objects"));
        if (call->method.kind == VARLINK_SHOW)
                r = rename_member(parameters, "properties", "pod");
        return r < 0 ? r : varlink_answer(connection, TAKE_PTR(parameters), &fds, false);
}

static void reply(struct request *request) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        int r = answer(request);

        if (r >= 0)
                return;
        if (r == -E2BIG)
                (void) failure_set(&f, FAILURE_QUOTA_EXCEEDED, "The answer of %s is larger than the %d bytes of a varlink message: ask for less at a time, or over D-Bus",
                                   request->method->member, VARLINK_MESSAGE_MAX);
        else {
                (void) log_errno(LOG_ERR, r, "cannot write the answer to a call of %s", request->method->member);
                (void) failure_from_errno(&f, r);
        }
        fail(request, &f);
}

/* Calls. */

static int decode(struct request *request, struct failure *f) {
        struct varlink_call *call = request->message;
        int r = 0;

        if (!call->converted.m)
                r = varlink_convert_call(request->peer->bus, &call->method, call->parameters, &call->fds, &call->converted, &call->wrong, f);
        bus_json_fds_done(&call->fds); /* the message has its own */
        if (r == 0 && request->method->in)
                r = decode_arguments(call->converted.m, request->method->in, request->method->keys, &request->arguments, f);
        if (r == 0 && call->converted.id)
                request->arguments.id = call->converted.id;
        return r;
}

static bool interactive(const struct request *request) {
        const struct varlink_call *call = request->message;

        return call->converted.interactive;
}

static struct varlink_call *call_free(struct varlink_call *call) {
        if (!call)
                return NULL;
        (void) json_object_put(call->parameters);
        bus_json_fds_done(&call->fds);
        varlink_converted_done(&call->converted);
        free(call->wrong);
        free(call);
        return NULL;
}
DEFINE_CLEANUP(struct varlink_call *, call_free)

/* The end of the request, and so of the call: the next one's turn. */
static void release(struct request *request) {
        struct varlink_connection *connection = connection_of(request);

        request->message = call_free(request->message);
        if (!connection)
                return;
        connection->call = NULL;
        if (!connection->monitoring)
                varlink_wire_resume(connection->wire);
}

static const struct request_transport transport = {
        .decode = decode,
        .reply = reply,
        .fail = fail,
        .interactive = interactive,
        .release = release,
};

/* A member of the call that is true, false or not there. */
static int read_flag(struct json_object *object, const char *key, int *n_read, bool *ret) {
        struct json_object *value;

        if (!json_object_object_get_ex(object, key, &value))
                return 0;
        (*n_read)++;
        if (!json_object_is_type(value, json_type_boolean))
                return -EBADMSG;
        *ret = json_object_get_boolean(value);
        return 0;
}

/* {"method": "…", "parameters": {…}, "oneway": …, "more": …, "upgrade": …}, and nothing else. */
static int read_call(struct json_object *object, struct varlink_call *call, const char **ret_method, bool *ret_upgrade) {
        struct json_object *method, *parameters = NULL;
        int n_read = 1, r;

        if (!json_object_is_type(object, json_type_object) || !json_object_object_get_ex(object, "method", &method) ||
            !json_object_is_type(method, json_type_string) || strlen(json_object_get_string(method)) != (size_t) json_object_get_string_len(method))
                return -EBADMSG;
        *ret_method = json_object_get_string(method);
        if (json_object_object_get_ex(object, "parameters", &parameters))
                n_read++;
        if (parameters && !json_object_is_type(parameters, json_type_object))
                return -EBADMSG;
        call->parameters = parameters ? json_object_get(parameters) : json_object_new_object();
        if (!call->parameters)
                return -ENOMEM;
        r = read_flag(object, "oneway", &n_read, &call->oneway);
        if (r >= 0)
                r = read_flag(object, "more", &n_read, &call->more);
        if (r >= 0)
                r = read_flag(object, "upgrade", &n_read, ret_upgrade);
        if (r >= 0 && (n_read != json_object_object_length(object) || (call->oneway && call->more)))
                r = -EBADMSG;
        return r;
}

/* Finds the row. False: there is none, or it is called in the wrong way; answered. */
static bool find_method(struct varlink_connection *connection, struct varlink_call *call, const char *name) {
        const char *member = name + strlen(VARLINK_INTERFACE ".");

        if (!varlink_method_find(member, &call->method)) {
                varlink_answer_error(connection, "org.varlink.service.MethodNotFound", "method", name);
                return false;
        }
        if (call->method.kind == VARLINK_LIST && json_object_object_get(call->parameters, "id"))
                return varlink_method_find_show(&call->method);
        if ((call->method.kind == VARLINK_LIST || call->method.kind == VARLINK_MONITOR) && !call->more) {
                varlink_answer_error(connection, "org.varlink.service.ExpectedMore", NULL, NULL);
                return false;
        }
        return true;
}

static int begin(struct varlink_connection *connection, struct varlink_call *call) {
        struct request *request = request_new(connection->peer, &transport, call);

        if (!request) {
                (void) call_free(call);
                return log_oom();
        }
        request->path = PODMOUNT_OBJECT_PATH;
        request->object = call->method.object;
        request->method = call->method.method;
        varlink_wire_pause(connection->wire); /* until release() */
        dispatch_run(request);
        return 0;
}

int varlink_call_arrived(struct varlink_connection *connection, const char *text, size_t size, struct bus_json_fds *fds) {
        _cleanup_(call_freep) struct varlink_call *call = calloc(1, sizeof(*call));
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_json_ struct json_object *object = NULL;
        const char *method;
        bool upgrade = false;
        int r;

        if (!call)
                return log_oom();
        r = json_parse_few(text, size, VALUES_MAX, CONTAINERS_MAX, &object, &f);
        if (r > 0)
                log_info("User %u sent what is no varlink message: %s", (unsigned) connection->peer->caller.uid, f.text);
        if (r == 0)
                r = read_call(object, call, &method, &upgrade);
        if (r != 0)
                return r < 0 ? r : -EBADMSG;
        connection->call = call; /* whose answers follow */
        if (upgrade)
                varlink_answer_error(connection, "org.varlink.service.MethodNotImplemented", "method", method);
        else if (!varlink_service_answers(connection, method, call->parameters, fds->n_fds) && find_method(connection, call, method)) {
                call->fds = *fds;
                *fds = (struct bus_json_fds) {};
                return begin(connection, TAKE_PTR(call));
        }
        connection->call = NULL;
        return 0;
}
