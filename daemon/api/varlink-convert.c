/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Walks the table's arguments and options along a JSON object. */

#include "api/varlink-convert.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dbus/names.h"
#include "util/log.h"

#define INTERACTIVE "allowInteractiveAuthentication"

/* What is under way; `wrong` is where it ended. */
struct conversion {
        sd_bus_message *m;
        struct json_object *parameters;
        const struct bus_json_fds *fds;
        int n_taken; /* members of the parameters that were */
        char *wrong;
};

void varlink_converted_done(struct varlink_converted *converted) {
        (void) sd_bus_message_unref(converted->m);
        free(converted->id);
        *converted = (struct varlink_converted) {};
}

/* Names what is wrong. */
static int wrong(struct conversion *conversion, const char *parameter, const char *member) {
        if (asprintf(&conversion->wrong, "%s%s%s", parameter, member ? "." : "", member ? member : "") < 0) {
                conversion->wrong = NULL;
                return log_oom();
        }
        return -EBADMSG;
}

/* A parameter, counted; NULL when it is not there, or null. */
static struct json_object *take(struct conversion *conversion, const char *name) {
        struct json_object *value = NULL;

        if (json_object_object_get_ex(conversion->parameters, name, &value))
                conversion->n_taken++;
        return value;
}

/* Appends a value, or names what it is. */
static int append(struct conversion *conversion, const char *type, struct json_object *value, const char *parameter, const char *member) {
        int r = bus_json_append(conversion->m, type, NULL, value, conversion->fds);

        return r == -EBADMSG ? wrong(conversion, parameter, member) : r;
}

static const struct option_key *find_key(const struct option_key *keys, const char *name) {
        _cleanup_free_ char *spelled = strchr(name, '-') ? NULL : bus_json_key(name, false);

        for (; spelled && keys && keys->name; keys++)
                if (strcmp(keys->name, spelled) == 0)
                        return keys;
        return NULL;
}

static int append_option(struct conversion *conversion, const struct option_key *key, struct json_object *value, const char *parameter,
                         const char *member) {
        int r = sd_bus_message_open_container(conversion->m, 'e', "sv");

        if (r >= 0)
                r = sd_bus_message_append_basic(conversion->m, 's', key->name);
        if (r >= 0)
                r = sd_bus_message_open_container(conversion->m, 'v', key->type);
        if (r >= 0)
                r = append(conversion, key->type, value, parameter, member);
        if (r >= 0)
                r = sd_bus_message_close_container(conversion->m);
        return r < 0 ? r : sd_bus_message_close_container(conversion->m);
}

static int append_options(struct conversion *conversion, const char *parameter, const struct option_key *keys) {
        struct json_object *options = take(conversion, parameter);
        int r;

        if (options && !json_object_is_type(options, json_type_object))
                return wrong(conversion, parameter, NULL);
        r = sd_bus_message_open_container(conversion->m, 'a', "{sv}");
        if (r < 0)
                return r;
        if (options) {
                json_object_object_foreach(options, member, value) {
                        const struct option_key *key = find_key(keys, member);

                        if (!key)
                                return wrong(conversion, parameter, member);
                        r = value ? append_option(conversion, key, value, parameter, member) : 0;
                        if (r < 0)
                                return r;
                }
        }
        return sd_bus_message_close_container(conversion->m);
}

static int append_fds(struct conversion *conversion, const char *parameter) {
        struct json_object *places = take(conversion, parameter);
        int r;

        if (places)
                return append(conversion, "a{sh}", places, parameter, NULL);
        r = sd_bus_message_open_container(conversion->m, 'a', "{sh}");
        return r < 0 ? r : sd_bus_message_close_container(conversion->m);
}

static int append_arguments(struct conversion *conversion, const struct method *method) {
        int r = 0;

        for (const struct argument_row *row = method->in; r >= 0 && row && row->name; row++) {
                if (row->kind == ARGUMENT_OPTIONS)
                        r = append_options(conversion, row->name, method->keys);
                else if (row->kind == ARGUMENT_FDS)
                        r = append_fds(conversion, row->name);
                else
                        r = append(conversion, row->type, take(conversion, row->name), row->name, NULL);
        }
        return r;
}

static int take_id(struct conversion *conversion, char **ret) {
        struct json_object *id = take(conversion, "id");

        if (!json_object_is_type(id, json_type_string) || strlen(json_object_get_string(id)) != (size_t) json_object_get_string_len(id))
                return wrong(conversion, "id", NULL);
        *ret = strdup(json_object_get_string(id));
        return *ret ? 0 : log_oom();
}

static int take_interactive(struct conversion *conversion, bool *ret) {
        struct json_object *interactive = take(conversion, INTERACTIVE);

        if (interactive && !json_object_is_type(interactive, json_type_boolean))
                return wrong(conversion, INTERACTIVE, NULL);
        *ret = json_object_get_boolean(interactive);
        return 0;
}

static bool is_known(const struct varlink_method *method, const char *name) {
        const struct method *row = method->method;

        if (strcmp(name, "id") == 0 && (method->kind == VARLINK_OF_POD || method->kind == VARLINK_SHOW || method->kind == VARLINK_LIST))
                return true;
        if (strcmp(name, INTERACTIVE) == 0)
                return varlink_method_may_ask(row);
        if (method->kind != VARLINK_PLAIN && method->kind != VARLINK_OF_POD)
                return false;
        for (const struct argument_row *in = row->in; in && in->name; in++)
                if (strcmp(in->name, name) == 0)
                        return true;
        return false;
}

/* Whether something is left that nobody asked for: a parameter, or an fd. */
static int check_all_taken(struct conversion *conversion, const struct varlink_method *method) {
        if (conversion->n_taken < json_object_object_length(conversion->parameters)) {
                json_object_object_foreach(conversion->parameters, name, value) {
                        (void) value; /* defined by the macro */
                        if (!is_known(method, name))
                                return wrong(conversion, name, NULL);
                }
        }
        for (size_t i = 0; i < conversion->fds->n_fds; i++)
                if (!conversion->fds->used[i])
                        return wrong(conversion, "fds", NULL);
        return 0;
}

static int convert(struct conversion *conversion, const struct varlink_method *method, struct varlink_converted *ret) {
        int r = 0;

        switch (method->kind) {
        case VARLINK_OF_POD:
                r = take_id(conversion, &ret->id);
                if (r >= 0)
                        r = append_arguments(conversion, method->method);
                break;
        case VARLINK_PLAIN:
                r = append_arguments(conversion, method->method);
                break;
        case VARLINK_DESCRIBE:
                r = sd_bus_message_append_basic(conversion->m, 's', PODMOUNT_MANAGER_INTERFACE);
                break;
        case VARLINK_SHOW:
                r = take_id(conversion, &ret->id);
                if (r >= 0)
                        r = sd_bus_message_append_basic(conversion->m, 's', PODMOUNT_POD_INTERFACE);
                break;
        case VARLINK_LIST:
        case VARLINK_MONITOR:
                break; /* take nothing */
        }
        if (r >= 0 && varlink_method_may_ask(method->method))
                r = take_interactive(conversion, &ret->interactive);
        if (r >= 0)
                r = check_all_taken(conversion, method);
        return r < 0 ? r : sd_bus_message_seal(conversion->m, 1, 0);
}

int varlink_convert_call(sd_bus *bus, const struct varlink_method *method, struct json_object *parameters, const struct bus_json_fds *fds,
                         struct varlink_converted *ret, char **ret_parameter, struct failure *f) {
        struct conversion conversion = {.parameters = parameters, .fds = fds};
        struct varlink_converted converted = {};
        int r;

        r = sd_bus_message_new_method_call(bus, &converted.m, PODMOUNT_BUS_NAME, PODMOUNT_OBJECT_PATH, method->method->interface,
                                           method->method->member);
        if (r < 0)
                return log_errno(LOG_ERR, r, "make a message");
        conversion.m = converted.m;
        r = convert(&conversion, method, &converted);
        if (r >= 0) {
                *ret = converted;
                return 0;
        }
        varlink_converted_done(&converted);
        *ret_parameter = conversion.wrong;
        if (r != -EBADMSG)
                return log_errno(LOG_ERR, r, "turn a call into a message");
        return failure_set(f, FAILURE_INVALID_ARGS, "The parameter \"%.255s\" is unknown to %s, missing or of another type", conversion.wrong,
                           method->method->member);
}

int varlink_convert_reply(sd_bus_message *m, const struct argument_row *rows, struct bus_json_fds *fds, struct json_object **ret) {
        _cleanup_json_ struct json_object *parameters = json_object_new_object();
        int r;

        if (!parameters)
                return -ENOMEM;
        r = sd_bus_message_seal(m, 1, 0);
        if (r >= 0)
                r = sd_bus_message_rewind(m, true);
        for (; r >= 0 && rows && rows->name; rows++) {
                struct json_object *value;

                r = bus_json_read(m, rows->fields, fds, &value);
                if (r < 0)
                        return r;
                if (json_object_object_add(parameters, rows->name, value) < 0) {
                        (void) json_object_put(value);
                        return -ENOMEM;
                }
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(parameters);
        return 0;
}
