/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * check: parses and compiles a spec here, with the very code of the daemon's spec floor (it is pure), and shows what
 * the daemon would want to mount. What only the host can tell (sources, targets, quotas) is not checked: that is
 * `plan`.
 */

#include <string.h>

#include "client/document.h"
#include "client/hint.h"
#include "client/render.h"
#include "client/report.h"
#include "client/value.h"
#include "client/verb.h"
#include "spec/spec.h"
#include "spec/wanted.h"
#include "util/settings.h"

static int report_kind(int r, const struct failure *f) {
        return r < 0 ? report_errno(r, "Cannot check the spec")
                     : report_failure(hint_error_name((enum failure_kind) r), f);
}

static struct json_object *strings_to_json(char *const *strings) {
        _cleanup_json_ struct json_object *array = json_object_new_array();

        for (size_t i = 0; array && strings && strings[i]; i++) {
                struct json_object *string = json_object_new_string(strings[i]);

                if (!string || json_object_array_add(array, string) < 0) {
                        (void) json_object_put(string);
                        return NULL;
                }
        }
        return TAKE_PTR(array);
}

static struct json_object *source_to_json(const struct source *source) {
        _cleanup_free_ char *text = NULL;

        if (asprintf(&text, "%s%s", source_prefix(source->kind), source->text ? source->text : "") < 0)
                return NULL;
        return json_object_new_string(text);
}

static struct json_object *mount_to_json(const struct wanted *wanted, const struct wanted_mount *mount) {
        _cleanup_json_ struct json_object *object = json_object_new_object();

        if (!object ||
                value_add(object, "Container", json_object_new_string(wanted_container(wanted, mount))) < 0 ||
                value_add(object, "Target", json_object_new_string(mount->target)) < 0 ||
                value_add(object, "Type", json_object_new_string(mount->type ? mount->type : "")) < 0 ||
                value_add(object, "Source", source_to_json(&mount->source)) < 0 ||
                value_add(object, "Options", strings_to_json(mount->options)) < 0 ||
                value_add(object, "State", json_object_new_string(mount->deferred ? "deferred" : "ok")) < 0)
                return NULL;
        return TAKE_PTR(object);
}

static int result_to_json(const struct wanted *wanted, char *const *fds, struct json_object **ret) {
        _cleanup_json_ struct json_object *result = json_object_new_object();
        struct json_object *mounts = json_object_new_array();

        if (!result || value_add(result, "Mounts", mounts) < 0)
                return report_oom();
        for (size_t i = 0; i < wanted->n_mounts; i++) {
                struct json_object *mount = mount_to_json(wanted, &wanted->mounts[i]);

                if (!mount || json_object_array_add(mounts, mount) < 0) {
                        (void) json_object_put(mount);
                        return report_oom();
                }
        }
        if (value_add(result, "Containers", strings_to_json(wanted->containers)) < 0 ||
                value_add(result, "Fds", strings_to_json(fds)) < 0 ||
                value_add(result, "Warnings", strings_to_json(wanted->warnings)) < 0)
                return report_oom();
        *ret = TAKE_PTR(result);
        return 0;
}

static int print_result(struct json_object *result) {
        static const struct render_column columns[] = {
                {"Container", "CONTAINER", RENDER_TEXT, false}, {"Target", "TARGET", RENDER_TEXT, false},
                {"Type", "TYPE", RENDER_TEXT, false},           {"Source", "SOURCE", RENDER_TEXT, false},
                {"Options", "OPTIONS", RENDER_TEXT, false},
        };
        int r = render_table(columns, ELEMENTSOF(columns), value_array(result, "Mounts"), "No mounts.");

        if (r != 0)
                return r;
        render_list("File descriptors that create needs with --fd", value_array(result, "Fds"));
        render_list("Warnings", value_array(result, "Warnings"));
        return 0;
}

/* The facts of a host that a spec is compiled for: this one, as this user, with the default configuration. */
static struct wanted_facts facts(void) {
        struct settings settings;

        settings_defaults(&settings);
        return (struct wanted_facts){
                .caller_is_root = geteuid() == 0,
                .propagation_private = settings.propagation == SETTINGS_PROPAGATION_PRIVATE,
                .tmpfs_size = settings.tmpfs_size,
                .any_layer = true,
                .cgroup = access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0 ? WANTED_CGROUP_UNIFIED
                                                                                 : WANTED_CGROUP_HYBRID,
        };
}

int verb_check(struct client *client, const struct arguments *arguments) {
        const struct wanted_facts here = facts();
        _cleanup_document_ struct document document = {0};
        _cleanup_failure_ struct failure failure = FAILURE_INIT;
        _cleanup_(spec_freep) struct spec *spec = NULL;
        _cleanup_(wanted_freep) struct wanted *wanted = NULL;
        _cleanup_json_ struct json_object *result = NULL;
        _cleanup_strv_ char **fds = NULL;
        struct settings settings;
        int r;

        r = document_read_spec(client, arguments->words[1], &document);
        if (r != 0)
                return r;
        settings_defaults(&settings);
        r = spec_parse(document.text, document.size, settings.spec_size_max, settings.mounts_per_pod, &spec, &failure);
        if (r == 0)
                r = wanted_from_spec(spec, &here, &wanted, &failure);
        if (r != 0)
                return report_kind(r, &failure);
        r = spec_fd_names(spec, &fds);
        if (r < 0)
                return report_oom();
        r = result_to_json(wanted, fds, &result);
        if (r != 0)
                return r;
        return render_wants_json(client) ? render_json(client, result) : print_result(result);
}
