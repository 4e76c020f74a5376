/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What every call has in common. The daemon bounds each job itself, so the wait here is only a last resort: long enough
 * for a person who types a password, and never shorter than the --timeout that the daemon was given.
 */

#include "client/call.h"
#include "client/report.h"
#include "client/varlink.h"
#include "dbus/names.h"

enum {
        CALL_TIMEOUT_S = 600, /* without --timeout */
        CALL_SLACK_S = 5,     /* past --timeout: the daemon answers first, with more to say */
};

int call_new(struct client *client, const char *path, const char *interface, const char *member, sd_bus_message **ret) {
        sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(
                client->bus, &m, client->bus_client ? PODMOUNT_BUS_NAME : NULL, path, interface, member);
        if (r >= 0 && client->ask_password)
                r = sd_bus_message_set_allow_interactive_authorization(m, true);
        if (r < 0) {
                sd_bus_message_unref(m);
                return report_errno(r, "Cannot make the call %s", member);
        }
        *ret = m;
        return 0;
}

bool call_can_send_fds(struct client *client) {
        return client->varlink || sd_bus_can_send(client->bus, SD_BUS_TYPE_UNIX_FD) > 0;
}

int call_append_fds(struct client *client, sd_bus_message *m, const struct arguments *arguments) {
        int r;

        if (arguments->n_fds > 0 && !call_can_send_fds(client))
                return report_error(
                        "This connection carries no file descriptors; use the host's own bus or socket for --fd");
        r = sd_bus_message_open_container(m, 'a', "{sh}");
        for (size_t i = 0; i < arguments->n_fds && r >= 0; i++)
                r = sd_bus_message_append(m, "{sh}", arguments->fds[i].name, arguments->fds[i].fd);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? report_errno(r, "Cannot send the file descriptors") : 0;
}

int call_send(struct client *client, sd_bus_message *m, int r, sd_bus_message **ret_reply) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        uint64_t timeout = client->patient ? UINT64_MAX : (uint64_t) CALL_TIMEOUT_S * 1000000;

        if (r < 0)
                return report_errno(r, "Cannot put the arguments into the call");
        if (client->timeout_us > 0)
                timeout = client->timeout_us + (uint64_t) CALL_SLACK_S * 1000000;
        if (client->varlink)
                return varlink_call(client, m, timeout, ret_reply);
        r = sd_bus_call(client->bus, m, timeout, &error, &reply);
        if (r < 0) {
                r = report_bus_error(&error, r);
                sd_bus_error_free(&error);
                return r;
        }
        *ret_reply = reply;
        return 0;
}

int call_bad_reply(int r) {
        return report_errno(r, "The daemon's reply is not what org.podmount1(5) describes");
}

int call_open_options(struct client *client, sd_bus_message *m) {
        int r = sd_bus_message_open_container(m, 'a', "{sv}");

        if (r >= 0 && client->timeout_us > 0)
                r = call_option_u64(m, "timeout", client->timeout_us);
        return r;
}

int call_option_string(sd_bus_message *m, const char *key, const char *value) {
        return value ? sd_bus_message_append(m, "{sv}", key, "s", value) : 0;
}

int call_option_true(sd_bus_message *m, const char *key, bool value) {
        return value ? sd_bus_message_append(m, "{sv}", key, "b", 1) : 0;
}

int call_option_u64(sd_bus_message *m, const char *key, uint64_t value) {
        return sd_bus_message_append(m, "{sv}", key, "t", value);
}

int call_option_strv(sd_bus_message *m, const char *key, char **value) {
        int r;

        if (!value)
                return 0;
        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", key);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_append_strv(m, value);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int call_close_options(sd_bus_message *m) {
        return sd_bus_message_close_container(m);
}
