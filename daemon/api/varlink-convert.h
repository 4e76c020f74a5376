/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Calls of varlink as the D-Bus messages that say the same, and answers back: so that both take one path, with one decoder behind one table.
 * The parameters are the arguments by their names; an a{sv} of options is an object whose members are typed by the method's option keys,
 * an a{sh} one of places among the message's fds. Both may be left out, nothing else may; null is as good as left out.
 */

#include <systemd/sd-bus.h>

#include "api/varlink-method.h"
#include "util/bus-json.h"
#include "util/failure.h"

struct varlink_converted {
        sd_bus_message *m; /* sealed */
        char *id;          /* of VARLINK_OF_POD and VARLINK_SHOW: the pod */
        bool interactive;  /* allowInteractiveAuthentication */
};

/* Frees what is owned and empties all. */
void varlink_converted_done(struct varlink_converted *converted);

/* Makes the message. `bus`: any that messages can be made on. FAILURE_INVALID_ARGS, with the parameter that is wrong in *ret_parameter
 * ("options.timeout" for one of an object's), which the caller frees. */
int varlink_convert_call(sd_bus *bus, const struct varlink_method *method, struct json_object *parameters, const struct bus_json_fds *fds,
                         struct varlink_converted *ret, char **ret_parameter, struct failure *f);

/* The parameters of an answer, whose message is written and not sealed yet. A negative errno. */
int varlink_convert_reply(sd_bus_message *m, const struct argument_row *rows, struct bus_json_fds *fds, struct json_object **ret);
