/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Varlink from a blocking client's side: one call, one answer. Messages are made on a bus object that is connected to nobody, for
 * sd-bus knows no other way to make any.
 */

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "client/report.h"
#include "client/value.h"
#include "client/varlink.h"
#include "dbus/contract.h"
#include "dbus/names.h"
#include "util/array.h"
#include "util/bus-json.h"
#include "util/clock.h"

#define INTERFACE "org.podmount1."
#define SERVICE "org.varlink.service."
#define INTERACTIVE "allowInteractiveAuthentication"

enum {
        MESSAGE_MAX = 16 * 1024 * 1024, /* as the daemon's */
        FDS_MAX = 253,                  /* SCM_RIGHTS, unix(7) */
};

struct varlink {
        int fd;
        int other_fd;      /* the far end of client->bus */
        char *buffer;
        size_t size, room;
        struct bus_json_fds fds; /* that came and were not taken yet */
        char *description; /* of the daemon's interface; NULL until somebody asks */
};

/* What D-Bus calls otherwise. */
static const struct name_row {
        const char *member, *path_name, *other_name; /* of a pod, of anything else */
} names[] = {
        {"GetAll", "List", "Describe"},
        {"Subscribe", NULL, "Monitor"},
        {"LayerExists", NULL, "HasLayer"},
};

static const struct fields_row {
        const char *member, *fields;
} fields[] = {
        {"ListPods", PODMOUNT_FIELDS_PODS},
        {"GC", PODMOUNT_FIELDS_COLLECTED},
        {"Repair", PODMOUNT_FIELDS_REPAIRED},
        {"Changes", PODMOUNT_FIELDS_CHANGES},
};

static int make_bus(struct client *client, struct varlink *varlink) {
        int pair[2], r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
                return -errno;
        varlink->other_fd = pair[1];
        r = sd_bus_new(&client->bus);
        if (r >= 0)
                r = sd_bus_negotiate_fds(client->bus, true);
        if (r >= 0)
                r = sd_bus_set_fd(client->bus, pair[0], pair[0]);
        if (r < 0) {
                (void) close_fd(pair[0]);
                return r;
        }
        return sd_bus_start(client->bus);
}

int varlink_open(struct client *client) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        struct varlink *varlink = calloc(1, sizeof(*varlink));
        int r;

        if (!varlink)
                return report_oom();
        client->varlink = varlink;
        varlink->fd = varlink->other_fd = -1;
        if (strlen(client->where) >= sizeof(address.sun_path))
                return report_error("%s is longer than the path of a socket can be; use a shorter one", client->where);
        strcpy(address.sun_path, client->where); /* it fits */
        varlink->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (varlink->fd < 0)
                return report_errno(errno, "Cannot make a socket");
        if (connect(varlink->fd, (struct sockaddr *) &address, sizeof(address)) < 0) {
                if (errno == ENOENT || errno == ECONNREFUSED)
                        return report_error("No podmountd listens on %s; start it, or name its varlink socket with --varlink", client->where);
                return report_errno(errno, "Cannot connect to %s", client->where);
        }
        r = make_bus(client, varlink);
        if (r < 0)
                return report_errno(r, "Cannot make messages");
        client->reached = strdup(client->where);
        return client->reached ? 0 : report_oom();
}

void varlink_close(struct client *client) {
        struct varlink *varlink = client->varlink;

        if (!varlink)
                return;
        client->varlink = NULL;
        if (client->bus)
                sd_bus_close(client->bus); /* nothing of it was for anybody */
        client->bus = sd_bus_unref(client->bus);
        (void) close_fd(varlink->other_fd);
        (void) close_fd(varlink->fd);
        bus_json_fds_done(&varlink->fds);
        free(varlink->description);
        free(varlink->buffer);
        free(varlink);
}

/* The wire. */

static int send_bytes(struct varlink *varlink, char *text, size_t size, const struct bus_json_fds *fds) {
        union {
                char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
                struct cmsghdr align;
        } control = {};
        size_t sent = 0, bytes = fds ? fds->n_fds * sizeof(int) : 0;

        if (bytes > FDS_MAX * sizeof(int))
                return -E2BIG;
        while (sent < size) {
                struct iovec part = {.iov_base = text + sent, .iov_len = size - sent};
                struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
                ssize_t n;

                if (sent == 0 && bytes > 0) {
                        control.align = (struct cmsghdr) {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(bytes)};
                        memcpy(CMSG_DATA(&control.align), fds->fds, bytes);
                        message.msg_control = &control;
                        message.msg_controllen = CMSG_SPACE(bytes);
                }
                n = sendmsg(varlink->fd, &message, MSG_NOSIGNAL);
                if (n < 0 && errno != EINTR)
                        return -errno;
                sent += n > 0 ? (size_t) n : 0;
        }
        return 0;
}

static int keep_fds(struct varlink *varlink, struct msghdr *message) {
        for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
                if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
                        continue;
                for (size_t i = 0; i < (header->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
                        int *slot = array_append(&varlink->fds.fds, &varlink->fds.n_fds);

                        if (!slot)
                                return -ENOMEM; /* and our end follows, which closes it */
                        memcpy(slot, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
                }
        }
        return 0;
}

static int receive_bytes(struct varlink *varlink, int timeout_ms) {
        union {
                char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
                struct cmsghdr align;
        } control;
        struct iovec part;
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
        struct pollfd wait = {.fd = varlink->fd, .events = POLLIN};
        ssize_t n;
        int r = poll(&wait, 1, timeout_ms);

        if (r <= 0)
                return r == 0 ? -ETIMEDOUT : -errno;
        if (varlink->room - varlink->size < 4096) {
                size_t room = varlink->room > 0 ? varlink->room * 2 : 65536;
                char *larger = room <= 2 * MESSAGE_MAX ? realloc(varlink->buffer, room) : NULL;

                if (!larger)
                        return -ENOBUFS;
                varlink->buffer = larger;
                varlink->room = room;
        }
        part = (struct iovec) {.iov_base = varlink->buffer + varlink->size, .iov_len = varlink->room - varlink->size};
        n = recvmsg(varlink->fd, &message, MSG_CMSG_CLOEXEC);
        if (n <= 0)
                return n == 0 ? -ECONNRESET : -errno;
        varlink->size += (size_t) n;
        return keep_fds(varlink, &message);
}

/* The next message, an object. */
static int receive(struct varlink *varlink, uint64_t timeout_us, struct json_object **ret) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        uint64_t end = timeout_us == UINT64_MAX ? UINT64_MAX : clock_ms() + timeout_us / 1000;
        char *nul;
        int r;

        while (!(nul = varlink->size > 0 ? memchr(varlink->buffer, '\0', varlink->size) : NULL)) {
                uint64_t now = clock_ms(), left = end == UINT64_MAX ? 0 : end > now ? end - now : 1;

                r = receive_bytes(varlink, end == UINT64_MAX ? -1 : left > INT32_MAX ? INT32_MAX : (int) left);
                if (r == -EINTR)
                        continue;
                if (r < 0)
                        return r;
        }
        r = json_parse(varlink->buffer, (size_t) (nul - varlink->buffer), ret, &f);
        varlink->size -= (size_t) (nul - varlink->buffer) + 1;
        memmove(varlink->buffer, nul + 1, varlink->size);
        if (r == 0 && !json_object_is_type(*ret, json_type_object)) {
                (void) json_object_put(*ret);
                r = -EBADMSG;
        }
        return r > 0 ? -EBADMSG : r;
}

/* Calls. Takes the parameters over. */
static int send_call(struct varlink *varlink, const char *interface, const char *method, struct json_object *parameters, bool more,
                     const struct bus_json_fds *fds) {
        _cleanup_json_ struct json_object *call = json_object_new_object();
        _cleanup_free_ char *name = NULL, *text = NULL;

        if (asprintf(&name, "%s%s", interface, method) < 0)
                name = NULL;
        if (!call || value_add(call, "parameters", parameters) < 0 || !name || value_add(call, "method", json_object_new_string(name)) < 0 ||
            (more && value_add(call, "more", json_object_new_boolean(true)) < 0))
                return -ENOMEM;
        text = strdup(json_object_to_json_string_ext(call, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        return text ? send_bytes(varlink, text, strlen(text) + 1, fds) : -ENOMEM;
}

static int report_wire(int r) {
        if (r == -ECONNRESET || r == -EPIPE)
                return report_error("The daemon closed the connection; try again, and see its journal");
        if (r == -ETIMEDOUT)
                return report_error("The daemon does not answer in time; see with `podmountctl status` whether it does");
        return report_errno(r, "Cannot speak with the daemon");
}

/* An error's name as D-Bus has it, so that hints and scripts are the same over both. */
static int report_varlink_error(const char *name, struct json_object *parameters) {
        const char *member = strrchr(name, '.') ? strrchr(name, '.') + 1 : name, *message = value_string(parameters, "message", "");
        static const char *const shared[] = {"AccessDenied", "InvalidArgs", "InteractiveAuthorizationRequired", "Failed"};
        _cleanup_free_ char *bus_name = NULL, *text = NULL;
        const char *prefix = "org.podmount1.Error.";
        sd_bus_error error;

        for (size_t i = 0; i < ELEMENTSOF(shared); i++)
                if (strcmp(member, shared[i]) == 0)
                        prefix = "org.freedesktop.DBus.Error.";
        if (strncmp(name, SERVICE, strlen(SERVICE)) == 0) {
                const char *what = value_string(parameters, "parameter", value_string(parameters, "method", value_string(parameters, "interface", "")));

                prefix = "org.freedesktop.DBus.Error.";
                if (asprintf(&text, "The daemon does not take this call (%s %s)", member, what) < 0)
                        return report_oom();
                message = text;
                member = strcmp(member, "InvalidParameter") == 0 ? "InvalidArgs" : "UnknownMethod";
        }
        if (asprintf(&bus_name, "%s%s", prefix, member) < 0)
                return report_oom();
        error = (sd_bus_error) {.name = bus_name, .message = message};
        return report_bus_error(&error, -EIO);
}

/* The parameters of the answer. *ret_continues (may be NULL): whether another one follows. */
static int take_answer(struct varlink *varlink, uint64_t timeout_us, struct json_object **ret, bool *ret_continues) {
        _cleanup_json_ struct json_object *message = NULL;
        struct json_object *parameters = NULL;
        int r = receive(varlink, timeout_us, &message);

        if (r < 0)
                return report_wire(r);
        (void) json_object_object_get_ex(message, "parameters", &parameters);
        if (value_string(message, "error", NULL))
                return report_varlink_error(value_string(message, "error", ""), parameters);
        if (ret_continues)
                *ret_continues = json_object_get_boolean(json_object_object_get(message, "continues"));
        *ret = parameters ? json_object_get(parameters) : json_object_new_object();
        return *ret ? 0 : report_oom();
}

/* Whether the method takes the parameter that says that somebody can type a password, by the daemon's own description. */
static int may_ask(struct varlink *varlink, const char *method, bool *ret) {
        _cleanup_json_ struct json_object *answer = NULL;
        _cleanup_free_ char *head = NULL;
        struct json_object *parameters = NULL;
        const char *start, *end;
        int r;

        if (!varlink->description) {
                parameters = json_object_new_object();
                if (!parameters || value_add(parameters, "interface", json_object_new_string("org.podmount1")) < 0) {
                        (void) json_object_put(parameters);
                        return report_oom();
                }
                r = send_call(varlink, SERVICE, "GetInterfaceDescription", parameters, false, NULL);
                r = r < 0 ? report_wire(r) : take_answer(varlink, UINT64_MAX, &answer, NULL);
                if (r != 0)
                        return r;
                varlink->description = strdup(value_string(answer, "description", ""));
        }
        if (!varlink->description || asprintf(&head, "method %s(", method) < 0)
                return report_oom();
        start = strstr(varlink->description, head);
        end = start ? strstr(start, "->") : NULL;
        start = start ? strstr(start, INTERACTIVE) : NULL;
        *ret = start && end && start < end;
        return 0;
}

/* The contract. */

/* The value of an attribute of the element at `element`, which ends at its '>'. */
static char *attribute(const char *element, const char *name) {
        _cleanup_free_ char *start = NULL;
        const char *end = strchr(element, '>'), *found;

        if (!end || asprintf(&start, " %s=\"", name) < 0)
                return NULL;
        found = strstr(element, start);
        return found && found < end ? strndup(found + strlen(start), strcspn(found + strlen(start), "\"")) : NULL;
}

/* The next argument of a method in this direction behind *position; false at the end. */
static bool next_argument(const char **position, const char *end, const char *direction, char **ret_name, char **ret_type) {
        while (*position && (*position = strstr(*position + 1, "<arg ")) && *position < end) {
                _cleanup_free_ char *way = attribute(*position, "direction");

                if (!way || strcmp(way, direction) != 0)
                        continue;
                *ret_name = attribute(*position, "name");
                *ret_type = attribute(*position, "type");
                if (*ret_name && *ret_type)
                        return true;
                free(*ret_name);
                free(*ret_type);
                return false;
        }
        return false;
}

/* The method's element, and its end. NULL when the contract has none. */
static const char *find_method(const char *interface, const char *member, const char **ret_end) {
        _cleanup_free_ char *start = NULL;

        if (asprintf(&start, "<method name=\"%s\"", member) < 0)
                return NULL;
        for (const struct contract_xml *xml = contract_xml; xml->name; xml++) {
                const char *found = strcmp(xml->name, interface) == 0 ? strstr(xml->text, start) : NULL;

                if (!found)
                        continue;
                *ret_end = strchr(found, '>');
                if ((*ret_end)[-1] != '/')
                        *ret_end = strstr(found, "</method>");
                return found;
        }
        return NULL;
}

static const char *fields_of(const char *member) {
        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                if (strcmp(fields[i].member, member) == 0)
                        return fields[i].fields;
        return NULL;
}

/* Reads the message's arguments into parameters by their names. */
static int make_parameters(sd_bus_message *m, const char *element, const char *end, struct bus_json_fds *fds, struct json_object *parameters) {
        char *name, *type;
        int r = 0;

        while (r >= 0 && element && next_argument(&element, end, "in", &name, &type)) {
                struct json_object *value = NULL;

                r = bus_json_read(m, NULL, fds, &value);
                if (r >= 0)
                        r = value_add(parameters, name, value);
                free(name);
                free(type);
        }
        return r;
}

/* Makes the message that D-Bus would have brought. */
static int make_reply(sd_bus_message *m, const char *element, const char *end, struct json_object *parameters, const struct bus_json_fds *fds,
                      sd_bus_message **ret) {
        const char *member = sd_bus_message_get_member(m);
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        char *name, *type;
        int r = sd_bus_message_new_method_return(m, &reply);

        if (r >= 0 && strcmp(member, "GetAll") == 0) {
                struct json_object *properties = json_object_object_get(parameters, "properties");

                r = bus_json_append(reply, "a{sv}", NULL, properties ? properties : json_object_object_get(parameters, "pod"), NULL);
        }
        while (r >= 0 && element && next_argument(&element, end, "out", &name, &type)) {
                r = bus_json_append(reply, type, fields_of(member), json_object_object_get(parameters, name), fds);
                free(name);
                free(type);
        }
        if (r >= 0)
                r = sd_bus_message_seal(reply, 1, 0);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(reply);
        return 0;
}

/* The name of the method, and for a pod's object its id among the parameters. */
static int name_method(sd_bus_message *m, struct json_object *parameters, const char **ret) {
        const char *member = sd_bus_message_get_member(m);
        _cleanup_free_ char *uuid = value_uuid_from_path(sd_bus_message_get_path(m));

        if (uuid && value_add(parameters, "id", json_object_new_string(uuid)) < 0)
                return -ENOMEM;
        *ret = member;
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (strcmp(names[i].member, member) == 0)
                        *ret = uuid ? names[i].path_name : names[i].other_name;
        return 0;
}

/* The last answer; those before it are told. */
static int take_last(struct varlink *varlink, uint64_t timeout_us, varlink_told told, void *userdata, struct json_object **ret) {
        for (;;) {
                struct json_object *answer = NULL;
                bool continues = false;
                int r = take_answer(varlink, timeout_us, &answer, &continues);

                if (r != 0)
                        return r;
                if (!continues) {
                        *ret = answer;
                        return 0;
                }
                if (told)
                        told(answer, userdata);
                (void) json_object_put(answer); /* 1: it was the last reference */
        }
}

int varlink_call(struct client *client, sd_bus_message *m, uint64_t timeout_us, sd_bus_message **ret_reply) {
        return varlink_call_told(client, m, timeout_us, NULL, NULL, ret_reply);
}

int varlink_call_told(struct client *client, sd_bus_message *m, uint64_t timeout_us, varlink_told told, void *userdata,
                      sd_bus_message **ret_reply) {
        struct varlink *varlink = client->varlink;
        _cleanup_json_ struct json_object *parameters = json_object_new_object(), *answer = NULL;
        _cleanup_(bus_json_fds_done) struct bus_json_fds fds = {};
        const char *end = NULL, *element = find_method(sd_bus_message_get_interface(m), sd_bus_message_get_member(m), &end), *method;
        bool ask = false;
        int r = parameters ? sd_bus_message_seal(m, 1, 0) : -ENOMEM;

        if (r >= 0)
                r = sd_bus_message_rewind(m, true);
        if (r >= 0)
                r = name_method(m, parameters, &method);
        if (r >= 0)
                r = make_parameters(m, element, end, &fds, parameters);
        if (r < 0)
                return report_errno(r, "Cannot put the arguments into the call");
        if (sd_bus_message_get_allow_interactive_authorization(m) > 0) {
                r = may_ask(varlink, method, &ask);
                if (r == 0 && ask && value_add(parameters, INTERACTIVE, json_object_new_boolean(true)) < 0)
                        r = report_oom();
                if (r != 0)
                        return r;
        }
        r = send_call(varlink, INTERFACE, method, TAKE_PTR(parameters), told != NULL, &fds);
        r = r < 0 ? report_wire(r) : take_last(varlink, timeout_us, told, userdata, &answer);
        if (r != 0)
                return r;
        r = make_reply(m, element, end, answer, &varlink->fds, ret_reply);
        bus_json_fds_done(&varlink->fds); /* the reply has its own */
        return r < 0 ? report_errno(r, "The daemon's answer is not what org.podmount1(5) describes") : 0;
}

int varlink_monitor(struct client *client) {
        struct json_object *parameters = json_object_new_object();
        int r = parameters ? send_call(client->varlink, INTERFACE, "Monitor", parameters, true, NULL) : -ENOMEM;

        return r < 0 ? report_wire(r) : 0;
}

int varlink_next(struct client *client, struct json_object **ret_event) {
        return take_answer(client->varlink, UINT64_MAX, ret_event, NULL);
}
