/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* create, plan and restore: the same call but for its name, and what comes back; and what restore begins with. */

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "client/call.h"
#include "client/document.h"
#include "client/fetch.h"
#include "client/render.h"
#include "client/report.h"
#include "client/value.h"
#include "client/verb.h"
#include "dbus/names.h"

#define LEASE_OF_PROCESS "pid:"

/* What is sent of the arguments: a lease of a process by its number goes as one of a pidfd. */
struct sent {
        struct arguments arguments;
        struct argument_fd *fds;
        int pidfd;
};

static void sent_done(struct sent *sent) {
        free(sent->fds);
        if (sent->pidfd >= 0)
                (void) close_fd(sent->pidfd);
}

static int take_lease(const struct arguments *arguments, struct sent *sent) {
        static char name[] = "lease";
        const char *text = arguments->lease;
        uint64_t pid;

        sent->arguments = *arguments;
        if (text && strcmp(text, "caller") == 0)
                return report_usage("--lease caller would end with podmountctl; say pid:PID, of the process that the pod is for");
        if (!text || strncmp(text, LEASE_OF_PROCESS, strlen(LEASE_OF_PROCESS)) != 0)
                return 0;
        text += strlen(LEASE_OF_PROCESS);
        if (argument_parse_number(text, &pid) < 0 || pid == 0 || pid > INT32_MAX)
                return report_usage("--lease pid:%s: expected the number of a process", text);
        sent->pidfd = (int) syscall(SYS_pidfd_open, (pid_t) pid, 0);
        if (sent->pidfd < 0)
                return report_errno(-errno, "Cannot open process %s", text);
        sent->fds = calloc(arguments->n_fds + 1, sizeof(*sent->fds));
        if (!sent->fds)
                return report_oom();
        for (size_t i = 0; i < arguments->n_fds; i++)
                sent->fds[i] = arguments->fds[i];
        sent->fds[arguments->n_fds] = (struct argument_fd) {.name = name, .fd = sent->pidfd};
        sent->arguments.fds = sent->fds;
        sent->arguments.n_fds++;
        sent->arguments.lease = "pid";
        return 0;
}

/* CreatePod(s spec, a{sh} fds, a{sv} options), or Plan with the same. */
static int send_spec(
        struct client *client, const struct arguments *arguments, const char *member, sd_bus_message **ret_reply) {
        _cleanup_message_unref_ sd_bus_message *m = NULL;
        _cleanup_document_ struct document document = {0};
        _cleanup_(sent_done) struct sent sent = {.pidfd = -1};
        int r;

        r = take_lease(arguments, &sent);
        if (r == 0)
                r = document_read_spec(client, arguments->words[1], &document);
        if (r == 0)
                r = call_new(client, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, member, &m);
        if (r != 0)
                return r;
        r = sd_bus_message_append(m, "s", document.text);
        if (r == -EINVAL)
                return report_error("The document is not UTF-8 text");
        if (r < 0)
                return report_errno(r, "Cannot put the document into the call");
        r = call_append_fds(client, m, &sent.arguments);
        if (r != 0)
                return r;
        r = call_open_options(client, m);
        if (r >= 0)
                r = call_option_string(m, "id", arguments->id);
        if (r >= 0)
                r = call_option_string(m, "name", arguments->name);
        if (r >= 0)
                r = call_option_string(m, "lease", sent.arguments.lease);
        if (r >= 0)
                r = call_option_string(m, "visibility", arguments->visibility);
        if (r >= 0)
                r = call_close_options(m);
        return call_send(client, m, r, ret_reply);
}

/* Says on stderr that there is more to know about a pod that was created all the same. */
static int tell_warnings(struct client *client, const char *uuid, const char *path) {
        _cleanup_json_ struct json_object *pod = NULL;
        struct json_object *warnings;
        size_t n;
        int r;

        r = fetch_properties(client, path, PODMOUNT_POD_INTERFACE, &pod);
        if (r != 0)
                return r;
        warnings = value_array(pod, "Warnings");
        n = warnings ? json_object_array_length(warnings) : 0;
        if (n > 0)
                report_warning("%zu thing%s of the spec %s not applied or changed; see `podmountctl show %.8s`", n,
                               n == 1 ? "" : "s", n == 1 ? "is" : "are", uuid);
        return 0;
}

static int create(struct client *client, const struct arguments *arguments, const char *member) {
        _cleanup_message_unref_ sd_bus_message *reply = NULL;
        _cleanup_json_ struct json_object *result = NULL;
        const char *uuid, *path;
        int r;

        r = send_spec(client, arguments, member, &reply);
        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "so", &uuid, &path);
        if (r < 0)
                return call_bad_reply(r);
        if (!render_wants_json(client)) {
                puts(uuid);
                (void) tell_warnings(client, uuid,
                        path); /* the pod is there: what the reading of warnings came to changes nothing */
                return 0;
        }
        result = json_object_new_object();
        if (!result || value_add(result, "UUID", json_object_new_string(uuid)) < 0 ||
            value_add(result, "Object", json_object_new_string(path)) < 0)
                return report_oom();
        return render_json(client, result);
}

int verb_create(struct client *client, const struct arguments *arguments) {
        return create(client, arguments, "CreatePod");
}

int verb_restore(struct client *client, const struct arguments *arguments) {
        return create(client, arguments, "Restore");
}

int verb_export(struct client *client, const struct arguments *arguments) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_json_ struct json_object *document = NULL;
        const char *text;
        int r;

        r = call_new(client, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, "Export", &m);
        if (r != 0)
                return r;
        r = sd_bus_message_append(m, "s", arguments->words[1]);
        if (r >= 0)
                r = call_open_options(client, m);
        if (r >= 0)
                r = call_close_options(m);
        r = call_send(client, m, r, &reply);
        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "s", &text);
        if (r < 0)
                return call_bad_reply(r);
        if (!render_wants_json(client)) {
                puts(text);
                return 0;
        }
        document = json_tokener_parse(text);
        return document ? render_json(client, document) : call_bad_reply(-EBADMSG);
}

/* What a plan has besides its steps. */
static int render_rest(struct json_object *plan) {
        static const struct render_column deferred[] = {
                {"container", "WAITING IN", RENDER_TEXT, false}, {"target", "TARGET", RENDER_TEXT, false},
                {"type", "TYPE", RENDER_TEXT, false},            {"namespace", "FOR NAMESPACE", RENDER_TEXT, false},
        };
        static const struct render_column process[] = {
                {"step", "WITH A PROCESS", RENDER_TEXT, false}, {"container", "CONTAINER", RENDER_TEXT, false}, {"target", "TARGET", RENDER_TEXT, false},
                {"type", "TYPE", RENDER_TEXT, false},           {"link", "LINK", RENDER_TEXT, false},           {"undo", "UNDO", RENDER_TEXT, false},
        };
        static const struct render_column quota[] = {
                {"limit", "LIMIT", RENDER_TEXT, false}, {"used", "USED", RENDER_TEXT, true},
                {"asked", "ASKED", RENDER_TEXT, true},  {"maximum", "MAXIMUM", RENDER_TEXT, true},
        };
        int r;

        puts("");
        r = render_table(deferred, ELEMENTSOF(deferred), value_array(plan, "deferred"), NULL);
        if (r == 0)
                r = render_table(process, ELEMENTSOF(process), value_array(plan, "process"), NULL);
        if (r == 0)
                r = render_table(quota, ELEMENTSOF(quota), value_array(plan, "quota"), NULL);
        if (r != 0)
                return r;
        render_list("Actions asked of polkit", value_array(plan, "actions"));
        render_list("Warnings", value_array(plan, "warnings"));
        return 0;
}

int verb_plan(struct client *client, const struct arguments *arguments) {
        static const struct render_column columns[] = {
                {"step", "STEP", RENDER_TEXT, false},     {"container", "CONTAINER", RENDER_TEXT, false},
                {"target", "TARGET", RENDER_TEXT, false}, {"source", "SOURCE", RENDER_TEXT, false},
                {"type", "TYPE", RENDER_TEXT, false},     {"options", "OPTIONS", RENDER_TEXT, false},
                {"undo", "UNDO", RENDER_TEXT, false},
        };
        _cleanup_message_unref_ sd_bus_message *reply = NULL;
        _cleanup_json_ struct json_object *plan = NULL;
        const char *text;
        int r;

        r = send_spec(client, arguments, "Plan", &reply);
        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "s", &text);
        if (r < 0)
                return call_bad_reply(r);
        plan = json_tokener_parse(text);
        if (!value_array(plan, "steps"))
                return call_bad_reply(-EBADMSG);
        if (render_wants_json(client))
                return render_json(client, plan);
        if (arguments->given & ARGUMENT_TREE)
                return render_plan_tree(value_array(plan, "tree"));
        r = render_table(columns, ELEMENTSOF(columns), value_array(plan, "steps"), "Nothing to do.");
        return r != 0 ? r : render_rest(plan);
}
