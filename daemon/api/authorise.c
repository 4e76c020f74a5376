/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Verdicts and their enforcement. A pod that the caller may not see does not exist for it, in whatever way it is named. */

#include "api/authorise.h"

#include <string.h>

#include "admit/verdict.h"
#include "api/bus.h"
#include "api/dispatch.h"
#include "api/identify.h"
#include "api/kinds.h"
#include "api/mappings.h"
#include "api/polkit.h"
#include "dbus/names.h"
#include "pod/history.h"
#include "util/log.h"

struct authorisation {
        struct authorisation *next; /* what else the request was asked for */
        struct request *request;
        struct polkit_query *query; /* while it is out */
        char *action;
        char **details;             /* pairs of key and value: what was asked, and so what was granted */
        bool granted;
};

struct authorisation *authorisation_free(struct authorisation *authorisation) {
        while (authorisation) {
                struct authorisation *next = authorisation->next;

                (void) polkit_query_free(authorisation->query);
                free(authorisation->action);
                strv_free(authorisation->details);
                free(authorisation);
                authorisation = next;
        }
        return NULL;
}

char *authorise_actions(const struct request *request) {
        _cleanup_strv_ char **actions = NULL;

        for (const struct authorisation *one = request->authorisation; one; one = one->next)
                if (strv_append(&actions, one->action) < 0)
                        return NULL;
        return actions ? strv_join(actions, " ") : NULL;
}

static enum relation relation_to(const struct pod *pod, const struct caller *caller) {
        if (!pod)
                return RELATION_NONE;
        return pod->record->owner == caller->uid ? RELATION_OWNER : RELATION_STRANGER;
}

bool authorise_property(const struct request *request, const char *interface, const char *property) {
        const struct verdict_row *row = verdict_find(interface, property, true);
        const struct caller *caller = &request->peer->caller;

        return row && verdict_decide(row, caller, relation_to(request->pod, caller)) == VERDICT_ALLOW;
}

static bool takes(const struct method *method, size_t offset) {
        for (const struct argument_row *row = method->in; row && row->name; row++)
                if (row->kind != ARGUMENT_FDS && row->kind != ARGUMENT_STREAM && row->kind != ARGUMENT_DIRECTORY && row->kind != ARGUMENT_OPTIONS && row->kind != ARGUMENT_ANY && row->offset == offset)
                        return true;
        return false;
}

/* The pod of an object path, by its last component: a UUID with '_' for '-'. */
static struct pod *pod_of_path(struct api *api, const char *path) {
        _cleanup_free_ char *uuid = strdup(strrchr(path, '/') + 1);
        struct pod *pod;

        if (!uuid)
                return NULL;
        for (char *p = uuid; *p; p++)
                if (*p == '_')
                        *p = '-';
        pod = map_get(api->pods->by_uuid, uuid);
        return pod && strcmp(pod->object_path, path) == 0 ? pod : NULL;
}

/* A pod that is gone, for a method that may be asked about one. */
static int find_gone(struct request *request, struct failure *f) {
        int r = history_find_gone(request->api->pods, request->arguments.id, &request->peer->caller, &request->uuid);

        if (r > 0)
                failure_clear(f);
        return r > 0 ? 0 : r < 0 ? r : (int) f->kind;
}

/* Finds what the request names: by its path, or by its argument "id", which over varlink stands for the path, too. */
static int find_pod(struct request *request, struct failure *f) {
        const struct caller *caller = &request->peer->caller;

        free(request->uuid);
        request->uuid = NULL;
        if (request->object == OBJECT_POD && !request->arguments.id) {
                struct pod *pod = pod_of_path(request->api, request->path);

                if (!pod || !pods_may_see(pod, caller)) {
                        request->dbus_error = SD_BUS_ERROR_UNKNOWN_OBJECT;
                        return failure_set(f, FAILURE_NO_SUCH_POD, "There is no object %s", request->path);
                }
                request->pod = pod;
        } else if (request->object == OBJECT_POD || takes(request->method, offsetof(struct arguments, id))) {
                if (request->method->host && !*request->arguments.id)
                        return 0;
                request->pod = pods_find(request->api->pods, request->arguments.id, caller, request->method->prefix, f);
                if (!request->pod && request->method->past && f->kind == FAILURE_NO_SUCH_POD)
                        return find_gone(request, f);
                if (!request->pod)
                        return f->kind != FAILURE_NONE ? (int) f->kind : -ENOMEM;
        }
        request->uuid = request->pod ? strdup(request->pod->record->uuid) : NULL;
        return request->pod && !request->uuid ? log_oom() : 0;
}

/* The verdict on the whole request. One that names several pods is judged by the strictest of those that exist for the
 * caller: the reply tells of the others that they are not there. */
static enum verdict judge(const struct request *request, const struct verdict_row *row) {
        const struct caller *caller = &request->peer->caller;
        enum verdict verdict = VERDICT_ALLOW;

        if (!request->arguments.ids || !request->arguments.ids[0])
                return verdict_decide(row, caller, relation_to(request->pod, caller));
        for (char **id = request->arguments.ids; *id; id++) {
                _cleanup_failure_ struct failure f = FAILURE_INIT;
                const struct pod *pod = pods_find(request->api->pods, *id, caller, false, &f);
                enum verdict one = pod ? verdict_decide(row, caller, relation_to(pod, caller)) : VERDICT_HIDE;

                if (one == VERDICT_DENY)
                        return VERDICT_DENY;
                if (one == VERDICT_ASK)
                        verdict = VERDICT_ASK;
        }
        return verdict;
}

static int add_detail(char ***details, const char *key, const char *value) {
        int r;

        if (!value)
                return 0;
        r = strv_append(details, key);
        return r < 0 ? r : strv_append(details, value);
}

/* What polkit's rules and the person at the dialogue get to know, org.podmount1(5). */
static int make_details(const struct request *request, char *const *more, char ***ret) {
        const struct arguments *arguments = &request->arguments;
        _cleanup_strv_ char **details = NULL;
        _cleanup_free_ char *owner = NULL, *ids = NULL;
        int r = add_detail(&details, "verb", request->method->member);

        if (request->pod) {
                if (asprintf(&owner, "%u", (unsigned) request->pod->record->owner) < 0)
                        return -ENOMEM;
                if (r >= 0)
                        r = add_detail(&details, "pod", request->pod->record->uuid);
                if (r >= 0)
                        r = add_detail(&details, "name", request->pod->record->name);
                if (r >= 0)
                        r = add_detail(&details, "owner", owner);
        } else if (arguments->ids) {
                ids = strv_join(arguments->ids, " ");
                r = r < 0 ? r : ids ? add_detail(&details, "pod", ids) : -ENOMEM;
        } else {
                if (r >= 0)
                        r = add_detail(&details, "pod", arguments->uuid);
                if (r >= 0)
                        r = add_detail(&details, "name", arguments->name);
        }
        if (r >= 0)
                r = add_detail(&details, "layer", arguments->layer);
        if (r >= 0)
                r = add_detail(&details, "parent", arguments->parent);
        if (r >= 0)
                r = add_detail(&details, "source", arguments->source);
        if (r >= 0)
                r = add_detail(&details, "target", arguments->target);
        for (; r >= 0 && more && more[0]; more += 2)
                r = add_detail(&details, more[0], more[1]);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(details);
        return 0;
}

static bool same_details(char *const *a, char *const *b) {
        for (; *a && *b; a++, b++)
                if (strcmp(*a, *b) != 0)
                        return false;
        return !*a && !*b;
}

/* What stands before the action's name. */
static const char *why_denied(enum polkit_answer answer, enum caller_transport transport) {
        if (answer == POLKIT_NO)
                return "polkit refused";
        if (answer == POLKIT_ABSENT)
                return "there is no polkit to ask for";
        return transport == CALLER_VARLINK ? "polkit cannot say (one older than 124 can over the system bus alone) whether to allow"
                                           : "polkit cannot say whether to allow";
}

static void on_polkit(enum polkit_answer answer, void *userdata) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct authorisation *authorisation = userdata;
        struct request *request = authorisation->request;

        authorisation->query = polkit_query_free(authorisation->query);
        switch (answer) {
        case POLKIT_YES:
                authorisation->granted = true;
                dispatch_restart(request);
                return;
        case POLKIT_CHALLENGE:
                (void) failure_set(&f, FAILURE_INTERACTIVE_AUTHORIZATION_REQUIRED,
                                   "%s by user %u needs authentication (%s): call again with interactive authorisation allowed",
                                   request->method->member, (unsigned) request->peer->caller.uid, authorisation->action);
                break;
        case POLKIT_NO:
        case POLKIT_ABSENT:
        case POLKIT_FAILED:
                (void) failure_set(&f, FAILURE_ACCESS_DENIED, "User %u may not call %s: %s %s; ask an administrator for a polkit rule, or to be "
                                                              "put into the group podmount",
                                   (unsigned) request->peer->caller.uid, request->method->member,
                                   why_denied(answer, request->peer->caller.transport), authorisation->action);
                break;
        }
        dispatch_fail(request, &f);
}

/* The bus on which polkit is asked, and who about. NULL, a failure, where it cannot be. Over varlink the process that connected is
 * judged, for whoever holds its socket: once it has ended there is nobody to judge, and its number may be another's. */
static sd_bus *find_polkit(const struct request *request, struct polkit_subject *ret, struct failure *f) {
        const struct peer *peer = request->peer;
        sd_bus *bus = peer->caller.transport != CALLER_VARLINK ? peer->bus : request->api->bus ? bus_connection(request->api->bus) : NULL;

        *ret = (struct polkit_subject) {.bus_name = peer->caller.bus_name, .pidfd = peer->pidfd, .uid = peer->caller.uid};
        if (bus && !ret->bus_name && ret->pidfd >= 0 && !identify_process_lives(ret->pidfd)) {
                (void) failure_set(f, FAILURE_ACCESS_DENIED, "User %u may not call %s: polkit would have to be asked about the process that "
                                                             "connected, which has ended; connect anew",
                                   (unsigned) peer->caller.uid, request->method->member);
                return NULL;
        }
        if (bus && (ret->bus_name || ret->pidfd >= 0))
                return bus;
        (void) failure_set(f, FAILURE_ACCESS_DENIED, "User %u may not call %s: polkit would have to be asked, and %s; root can, and others can over the system bus",
                           (unsigned) peer->caller.uid, request->method->member,
                           bus ? "this kernel does not say which process asks (SO_PEERPIDFD)" : "podmountd is not on the system bus");
        return NULL;
}

/* A yes for the same action and details is used; anything else is asked anew. `more`: further details. */
static int ask(struct request *request, const char *action, char *const *more, struct failure *f) {
        _cleanup_strv_ char **details = NULL;
        struct authorisation *authorisation;
        struct polkit_subject subject;
        sd_bus *bus;
        int r = make_details(request, more, &details);

        if (r < 0)
                return r;
        bus = find_polkit(request, &subject, f); /* who has ended meanwhile has no use of a yes, either */
        if (!bus)
                return (int) f->kind;
        for (authorisation = request->authorisation; authorisation; authorisation = authorisation->next)
                if (authorisation->granted && strcmp(authorisation->action, action) == 0 &&
                    same_details(authorisation->details, details))
                        return 0;

        authorisation = calloc(1, sizeof(*authorisation));
        if (!authorisation)
                return log_oom();
        authorisation->next = request->authorisation;
        request->authorisation = authorisation;
        authorisation->request = request;
        authorisation->details = TAKE_PTR(details);
        authorisation->action = strdup(action);
        if (!authorisation->action)
                return log_oom();
        r = polkit_ask(bus, &subject, action, authorisation->details, request->transport->interactive(request), on_polkit, authorisation,
                       &authorisation->query);
        return r < 0 ? r : DISPATCH_WAIT;
}

/* What the mounts of the request need besides: an action for file systems in images, another one for those on block
 * devices, one for mounts on the host, one for namespaces that are bound to files there, one for network interfaces, one for cgroups, and one for the ids of others. */
static int ask_for_kinds(struct request *request, struct failure *f) {
        _cleanup_(kinds_done) struct kinds kinds = {};
        _cleanup_strv_ char **foreign = NULL;
        int r;

        if (caller_is_root(&request->peer->caller) || !request->method->changes)
                return 0;
        r = kinds_read(request, &kinds);
        if (r == 0 && kinds.images)
                r = ask(request, PODMOUNT_ACTION_MOUNT_IMAGE, kinds.images, f);
        if (r == 0 && kinds.devices)
                r = ask(request, PODMOUNT_ACTION_MOUNT_DEVICE, kinds.devices, f);
        if (r == 0 && kinds.host)
                r = ask(request, PODMOUNT_ACTION_HOST_TARGET, kinds.host, f);
        if (r == 0 && kinds.pins)
                r = ask(request, PODMOUNT_ACTION_BIND_NAMESPACE, kinds.pins, f);
        if (r == 0 && kinds.links)
                r = ask(request, PODMOUNT_ACTION_PREPARE_INTERFACES, kinds.links, f);
        if (r == 0 && kinds.cgroups)
                r = ask(request, PODMOUNT_ACTION_PREPARE_CGROUPS, kinds.cgroups, f);
        if (r == 0)
                r = mappings_read(request, &foreign, f);
        if (r == 0 && foreign)
                r = ask(request, PODMOUNT_ACTION_IDMAP, foreign, f);
        return r;
}

int authorise(struct request *request, struct failure *f) {
        const struct verdict_row *row = verdict_find(request->method->interface, request->method->member, false);
        const struct caller *caller = &request->peer->caller;
        int r = find_pod(request, f);

        if (r != 0)
                return r;
        if (request->method == &method_unknown)
                return 0; /* answered with an error, whoever asks */
        if (!row)
                return failure_set(f, FAILURE_ACCESS_DENIED, "%s has no rule that allows it to anybody", request->method->member);
        switch (judge(request, row)) {
        case VERDICT_ALLOW:
                return ask_for_kinds(request, f);
        case VERDICT_ASK:
                r = ask(request, row->action, NULL, f);
                return r != 0 ? r : ask_for_kinds(request, f);
        case VERDICT_HIDE:
                return failure_set(f, FAILURE_NO_SUCH_POD, "There is no pod \"%s\"; podmountctl list shows those that there are",
                                   request->arguments.id ? request->arguments.id : request->path);
        case VERDICT_DENY:
                return failure_set(f, FAILURE_ACCESS_DENIED, "User %u may not call %s%s", (unsigned) caller->uid, request->method->member,
                                   caller->transport == CALLER_SOCKET ? " on this socket, where nobody can be asked: root can, and others "
                                                                        "can over the system bus"
                                                                      : ": only root can");
        }
        return -EINVAL;
}
