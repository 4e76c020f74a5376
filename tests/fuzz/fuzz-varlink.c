/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any bytes as what a connection of varlink sends: framing (api/varlink-wire.c), JSON, then the parameters of each method as the D-Bus message that says the
 * same (api/varlink-convert.c, util/bus-json.c), and that as arguments (api/decode.c). A byte 0xff in the input is a pause between two writes.
 */

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/varlink-convert.h"
#include "api/varlink-wire.h"
#include "tests/fuzz/fuzz.h"

enum { VALUES_MAX = 128 * 1024, CONTAINERS_MAX = 256, N_FDS = 2, PAUSE = 0xff };

static sd_event *event;
static sd_bus *bus;
static struct varlink_wire *wire;
static size_t n_fds;

/* Through the table's decoder. */
static void check_arguments(const struct varlink_method *method, struct varlink_converted *converted) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct arguments arguments = {};

        if (method->method->in)
                fuzz_outcome(decode_arguments(converted->m, method->method->in, method->method->keys, &arguments, &f), &f);
        arguments_done(&arguments);
}

static void check_call(struct json_object *object, const char *name) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct varlink_converted converted = {};
        struct bus_json_fds fds = {};
        struct varlink_method method;
        _cleanup_free_ char *wrong = NULL;
        struct json_object *parameters = NULL;
        int r;

        if (!varlink_method_find(name, &method))
                return;
        if (!json_object_object_get_ex(object, "parameters", &parameters) || !json_object_is_type(parameters, json_type_object))
                return;
        fds.fds = calloc(N_FDS, sizeof(*fds.fds));
        fds.used = calloc(N_FDS, sizeof(*fds.used));
        fuzz_check(fds.fds && fds.used);
        while (fds.n_fds < N_FDS) {
                fds.fds[fds.n_fds] = open("/dev/null", O_RDONLY | O_CLOEXEC);
                fuzz_check(fds.fds[fds.n_fds++] >= 0);
        }
        r = varlink_convert_call(bus, &method, parameters, &fds, &converted, &wrong, &f);
        fuzz_outcome(r, &f);
        if (r == 0)
                check_arguments(&method, &converted);
        varlink_converted_done(&converted);
        bus_json_fds_done(&fds);
}

static int on_message(const char *text, size_t size, struct bus_json_fds *fds _unused_, void *userdata _unused_) {
        _cleanup_json_ struct json_object *object = NULL;
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct json_object *method;
        int r = json_parse_few(text, size, VALUES_MAX, CONTAINERS_MAX, &object, &f);

        fuzz_outcome(r, &f);
        if (r != 0 || !json_object_is_type(object, json_type_object) || !json_object_object_get_ex(object, "method", &method) ||
            !json_object_is_type(method, json_type_string))
                return -EBADMSG;
        if (strncmp(json_object_get_string(method), VARLINK_INTERFACE ".", sizeof(VARLINK_INTERFACE)) == 0)
                check_call(object, json_object_get_string(method) + sizeof(VARLINK_INTERFACE));
        return varlink_wire_send(wire, object, NULL) == -ENOMEM ? -ENOMEM : 0;
}

static bool may_grow(size_t size, void *userdata _unused_) {
        return size <= 1024 * 1024;
}

static bool take_fd(int fd _unused_, size_t n_others, void *userdata _unused_) {
        n_fds++;
        return n_others < 8;
}

static void on_closed(void *userdata _unused_) {
        wire = varlink_wire_free(wire);
}

static const struct varlink_wire_handlers handlers = {.message = on_message, .may_grow = may_grow, .take_fd = take_fd, .closed = on_closed};

int LLVMFuzzerInitialize(int *argc _unused_, char ***argv _unused_) {
        int pair[2];

        fuzz_quiet();
        fuzz_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
        fuzz_check(sd_event_new(&event) >= 0 && sd_bus_new(&bus) >= 0);
        fuzz_check(sd_bus_set_fd(bus, pair[0], pair[0]) >= 0 && sd_bus_negotiate_fds(bus, true) >= 0 && sd_bus_start(bus) >= 0);
        return 0;
}

static void turn(void) {
        while (wire && sd_event_run(event, 0) > 0)
                continue;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static char unread[64 * 1024];
        int pair[2];

        fuzz_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
        fuzz_check(varlink_wire_new(event, pair[0], &handlers, NULL, &wire) >= 0);
        while (size > 0 && wire) {
                const uint8_t *end = memchr(data, PAUSE, size);
                size_t part = end ? (size_t) (end - data) : size;

                if (part > 0 && send(pair[1], data, part, MSG_NOSIGNAL) < 0)
                        break;
                turn();
                while (recv(pair[1], unread, sizeof(unread), 0) > 0)
                        turn();
                data += part + (end != NULL);
                size -= part + (end != NULL);
        }
        (void) close(pair[1]);
        turn();
        wire = varlink_wire_free(wire);
        return 0;
}
