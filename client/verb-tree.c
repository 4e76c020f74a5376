/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tree: the mounts of one pod, or of all, below each other. */

#include "client/fetch.h"
#include "client/render.h"
#include "client/report.h"
#include "client/value.h"
#include "client/verb.h"

static int add_pod(struct client *client, const char *id, struct json_object *pods) {
        struct json_object *pod;
        int r = fetch_pod(client, id, &pod);

        if (r != 0)
                return r;
        if (json_object_array_add(pods, pod) < 0) {
                (void) json_object_put(pod);
                return report_oom();
        }
        return 0;
}

/* A pod that goes while we fetch is told, and the others are still drawn. */
static int add_all_pods(struct client *client, struct json_object *pods) {
        _cleanup_json_ struct json_object *list = NULL;
        int r = fetch_pods(client, &list), worst = 0;

        if (r != 0)
                return r;
        for (size_t i = 0; i < json_object_array_length(list); i++) {
                r = add_pod(client, value_string(json_object_array_get_idx(list, i), "UUID", ""), pods);
                if (r != 0)
                        worst = r;
        }
        return worst;
}

int verb_tree(struct client *client, const struct arguments *arguments) {
        _cleanup_json_ struct json_object *pods = json_object_new_array();
        bool one = arguments->n_words > 1;
        int fetched, r;

        if (!pods)
                return report_oom();
        fetched = one ? add_pod(client, arguments->words[1], pods) : add_all_pods(client, pods);
        if (one && fetched != 0)
                return fetched;
        r = render_wants_json(client) ? render_json(client, pods) : render_tree(pods);
        return r != 0 ? r : fetched;
}
