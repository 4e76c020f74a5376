/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What comes when a container's process is named, told with the plan of its pod. */

#include <errno.h>
#include <string.h>

#include "dbus/names.h"
#include "pod/forecast.h"
#include "pod/links.h"
#include "util/json.h"
#include "util/log.h"

static int append(struct json_object *array, struct json_object *value) {
        if (value && json_object_array_add(array, value) == 0)
                return 0;
        (void) json_object_put(value);
        return log_oom();
}

static int add_text(struct json_object *object, const char *key, const char *text) {
        struct json_object *value = json_object_new_string(text);

        if (value && json_object_object_add(object, key, value) == 0)
                return 0;
        (void) json_object_put(value);
        return log_oom();
}

static int add_pins(struct json_object *steps, const struct wanted *wanted) {
        int r = 0;

        for (size_t i = 0; r == 0 && i < wanted->n_mounts; i++) {
                const struct wanted_mount *mount = &wanted->mounts[i];
                _cleanup_json_ struct json_object *step = NULL;

                if (mount->kind != WANTED_PIN)
                        continue;
                step = json_object_new_object();
                if (!step || add_text(step, "step", step_kind_name(STEP_PIN)) < 0 || add_text(step, "container", SPEC_HOST) < 0 ||
                    add_text(step, "target", mount->target) < 0 || add_text(step, "source", mount->source.text) < 0 ||
                    add_text(step, "undo", "detach, remove-mount-point") < 0)
                        return log_oom();
                r = append(steps, TAKE_PTR(step));
        }
        return r;
}

/* As the planner has them for a process, by the record that the pod would have. */
static int add_links(struct json_object *steps, const struct plan_pod *pod, const struct spec *spec) {
        static char name[] = "process";
        char *const names[] = {name, NULL};
        struct plan_pod with_process = *pod;
        struct record_pod record = {};
        _cleanup_(job_freep) struct job *job = NULL;
        _cleanup_json_ struct json_object *plan = NULL;
        _cleanup_free_ char *text = NULL;
        struct json_object *found = NULL;
        int r = links_intend(spec, true, &record);

        with_process.fd_names = names;
        if (r == 0)
                r = links_plan_enter(&with_process, &record, NULL, &job);
        links_truncate(&record, 0);
        free(record.links);
        if (r < 0 || !job)
                return r;
        r = plan_to_json(job, NULL, &text);
        if (r < 0)
                return r;
        plan = json_tokener_parse(text);
        if (!json_object_object_get_ex(plan, "steps", &found))
                return -EBADMSG;
        for (size_t i = 0; r == 0 && i < json_object_array_length(found); i++)
                r = append(steps, json_object_get(json_object_array_get_idx(found, i)));
        return r;
}

static bool has_links(const struct spec *spec) {
        for (size_t i = 0; i < spec->n_containers; i++)
                if (spec->containers[i].n_links > 0)
                        return true;
        return false;
}

int forecast_add_process(char **text, const struct plan_pod *pod, const struct spec *spec, const struct wanted *wanted, const struct caller *caller) {
        const int flags = JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE;
        _cleanup_json_ struct json_object *plan = json_tokener_parse(*text), *steps = json_object_new_array();
        struct json_object *actions = NULL;
        char *longer;

        if (!steps)
                return log_oom();
        if (!json_object_object_get_ex(plan, "actions", &actions))
                return -EBADMSG;
        if (add_pins(steps, wanted) < 0 || add_links(steps, pod, spec) < 0 ||
            (!caller_is_root(caller) && has_links(spec) && append(actions, json_object_new_string(PODMOUNT_ACTION_PREPARE_INTERFACES)) < 0))
                return -ENOMEM;
        if (json_object_object_add(plan, "process", steps) < 0)
                return log_oom();
        (void) TAKE_PTR(steps); /* the plan's */
        longer = strdup(json_object_to_json_string_ext(plan, flags));
        if (!longer)
                return log_oom();
        free(*text);
        *text = longer;
        return 0;
}
