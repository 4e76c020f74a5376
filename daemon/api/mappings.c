/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The arguments are compiled once more for this: rarely, since most documents do not contain a mapping's name. */

#include "api/mappings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "admit/own-ids.h"
#include "api/verb.h"
#include "spec/wanted.h"
#include "util/array.h"

/* Adds a word to a text of words. */
static int add(char **words, const char *word) {
        char *joined;

        if (asprintf(&joined, "%s%s%s", *words ?: "", *words ? " " : "", word) < 0)
                return -ENOMEM;
        free(*words);
        *words = joined;
        return 0;
}

static bool are_own(const struct caller *caller, const struct wanted_mount *mount) {
        return mount->source.kind == SOURCE_LAYER ? own_ids_of_layer(caller, &mount->idmap) : own_ids_only(caller, &mount->idmap);
}

static int judge(const struct request *request, const struct wanted *wanted, char ***ret_details) {
        _cleanup_free_ char *targets = NULL, *mappings = NULL;
        _cleanup_strv_ char **details = NULL;
        int r = 0;

        for (size_t i = 0; i < wanted->n_mounts && r == 0; i++) {
                const struct wanted_mount *mount = &wanted->mounts[i];
                _cleanup_free_ char *text = NULL;

                if (mount->idmap.n_uids == 0 || are_own(&request->peer->caller, mount))
                        continue;
                text = idmap_to_text(&mount->idmap);
                r = text ? add(&mappings, text) : -ENOMEM;
                if (r == 0)
                        r = add(&targets, mount->target);
        }
        if (r < 0 || !targets)
                return r;
        if (strv_append(&details, "target") < 0 || strv_append(&details, targets) < 0 ||
            strv_append(&details, "mapping") < 0 || strv_append(&details, mappings) < 0)
                return -ENOMEM;
        *ret_details = TAKE_PTR(details);
        return 0;
}

/* Which volumes a pod has, and which layers there are, is not asked here: who names another is told so later. */
static struct wanted_facts facts_of(const struct request *request) {
        struct wanted_facts facts = request->api->pods->facts;

        facts.any_volume = facts.any_layer = true;
        return facts;
}

static int compile_spec(const struct request *request, struct wanted **ret, struct failure *f) {
        const struct wanted_facts facts = facts_of(request);
        const char *text = request->arguments.text;
        _cleanup_(spec_freep) struct spec *spec = NULL;
        const struct settings *settings = request->api->settings;
        int r;

        if (strcmp(request->method->member, "AddContainer") == 0)
                r = spec_parse_container(text, strlen(text), settings->spec_size_max, settings->mounts_per_pod,
                                         request->arguments.container ?: "", &spec, f);
        else
                r = request_parse_spec(request, &spec, f);
        return r == 0 ? wanted_from_spec(spec, &facts, ret, f) : r;
}

static int compile_mounts(const struct request *request, struct wanted **ret, struct failure *f) {
        const struct wanted_facts facts = facts_of(request);
        const struct arguments *arguments = &request->arguments;
        struct spec_mount *mounts = NULL;
        size_t n = 0;
        int r;

        if (strcmp(request->method->member, "Replace") == 0)
                r = request_replacement(request, &mounts, &n, f);
        else if (arguments->text)
                r = spec_parse_mounts(arguments->text, strlen(arguments->text), request->api->settings->spec_size_max, &mounts,
                                      &n, f);
        else {
                struct spec_mount *mount = array_append(&mounts, &n);

                r = mount ? spec_mount_from_bind(arguments->source ?: "", arguments->target ?: "", arguments->options, mount, f)
                          : -ENOMEM;
        }
        if (r == 0)
                r = wanted_from_mounts("main", mounts, n, &facts, ret, f);
        spec_mounts_free(mounts, n);
        return r;
}

/* Whose text is one mount or an array of them, and no whole spec. */
static bool takes_mounts(const struct request *request) {
        const char *member = request->method->member;

        return !request->arguments.text || strcmp(member, "Mount") == 0 || strcmp(member, "Replace") == 0;
}

static bool may_map(const char *text) {
        /* JSON can write any letter as an escape. */
        return strstr(text, "Mappings") || strstr(text, "idmap") || strchr(text, '\\');
}

int mappings_read(const struct request *request, char ***ret_details, struct failure *f) {
        const struct arguments *arguments = &request->arguments;
        _cleanup_(wanted_freep) struct wanted *wanted = NULL;
        bool may = arguments->text && may_map(arguments->text);
        int r;

        for (char **option = arguments->options; option && *option; option++)
                may |= may_map(*option);
        if (!may || !request->api->settings->foreign_ids)
                return 0;
        r = takes_mounts(request) ? compile_mounts(request, &wanted, f) : compile_spec(request, &wanted, f);
        return r != 0 ? r : judge(request, wanted, ret_details);
}
