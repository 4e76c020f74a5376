/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plan is pure and knows no caller; who asks, and of what there is, comes in here. */

#include "pod/forecast.h"

#include <errno.h>
#include <string.h>

#include "admit/own-ids.h"
#include "dbus/names.h"
#include "util/json.h"
#include "util/log.h"

static int add(struct json_object *object, const char *key, struct json_object *value) {
        if (value && json_object_object_add(object, key, value) == 0)
                return 0;
        (void) json_object_put(value);
        return log_oom();
}

static int append(struct json_object *array, struct json_object *value) {
        if (value && json_object_array_add(array, value) == 0)
                return 0;
        (void) json_object_put(value);
        return log_oom();
}

static int add_actions(struct json_object *plan, const struct wanted *wanted, const struct caller *caller,
                       const struct settings *settings) {
        _cleanup_json_ struct json_object *actions = json_object_new_array();
        bool images = false, devices = false, ids = false, host = false, pins = false;
        int r = actions ? 0 : log_oom();

        for (size_t i = 0; i < wanted->n_mounts; i++) {
                const struct wanted_mount *mount = &wanted->mounts[i];

                images |= mount->kind == WANTED_IMAGE && !mount->device;
                pins |= mount->kind == WANTED_PIN;
                host |= mount->container == WANTED_HOST && mount->kind != WANTED_PIN;
                devices |= mount->kind == WANTED_IMAGE && mount->device;
                /* Without the setting nobody is asked: such a mapping is refused. */
                ids = ids || (settings->foreign_ids && mount->idmap.n_uids > 0 && !caller_is_root(caller) &&
                              !(mount->source.kind == SOURCE_LAYER ? own_ids_of_layer(caller, &mount->idmap) : own_ids_only(caller, &mount->idmap)));
        }
        if (r == 0 && !caller_is_root(caller))
                r = append(actions, json_object_new_string(PODMOUNT_ACTION_CREATE));
        if (r == 0 && !caller_is_root(caller) && images)
                r = append(actions, json_object_new_string(PODMOUNT_ACTION_MOUNT_IMAGE));
        if (r == 0 && !caller_is_root(caller) && devices)
                r = append(actions, json_object_new_string(PODMOUNT_ACTION_MOUNT_DEVICE));
        if (r == 0 && !caller_is_root(caller) && host)
                r = append(actions, json_object_new_string(PODMOUNT_ACTION_HOST_TARGET));
        if (r == 0 && !caller_is_root(caller) && pins)
                r = append(actions, json_object_new_string(PODMOUNT_ACTION_BIND_NAMESPACE));
        if (r == 0 && !caller_is_root(caller) && strv_length(wanted->cgroups) > 0)
                r = append(actions, json_object_new_string(PODMOUNT_ACTION_PREPARE_CGROUPS));
        if (r == 0 && ids)
                r = append(actions, json_object_new_string(PODMOUNT_ACTION_IDMAP));
        return r < 0 ? r : add(plan, "actions", TAKE_PTR(actions));
}

static int append_limit(struct json_object *quota, const char *limit, uint64_t used, uint64_t asked, uint64_t maximum) {
        _cleanup_json_ struct json_object *row = json_object_new_object();

        if (!row || add(row, "limit", json_object_new_string(limit)) < 0 ||
            add(row, "used", json_object_new_uint64(used)) < 0 || add(row, "asked", json_object_new_uint64(asked)) < 0 ||
            add(row, "maximum", json_object_new_uint64(maximum)) < 0)
                return -ENOMEM;
        return append(quota, TAKE_PTR(row));
}

static int add_quota(struct json_object *plan, const struct caller *caller, const struct settings *settings,
                     const struct quota_use *use, const struct quota_ask *ask) {
        const struct {
                enum quota_limit limit;
                uint64_t used, asked;
        } of_caller[] = {
                {QUOTA_PODS_OF_USER, use->pods_of_user, ask->pods},
                {QUOTA_MOUNTS_OF_USER, use->mounts_of_user, ask->mounts},
                {QUOTA_TMPFS_OF_USER, use->tmpfs_of_user, ask->tmpfs},
                {QUOTA_PODS_OF_GROUP, use->pods_of_group, ask->pods},
                {QUOTA_MOUNTS_OF_GROUP, use->mounts_of_group, ask->mounts},
                {QUOTA_TMPFS_OF_GROUP, use->tmpfs_of_group, ask->tmpfs},
        };
        _cleanup_json_ struct json_object *quota = json_object_new_array();
        int r = quota ? 0 : log_oom();

        for (size_t i = 0; i < ELEMENTSOF(of_caller) && r == 0 && !caller_is_root(caller); i++)
                r = append_limit(quota, quota_setting(of_caller[i].limit), of_caller[i].used, of_caller[i].asked,
                                 quota_maximum(settings, of_caller[i].limit));
        if (r == 0)
                r = append_limit(quota, "MountsPerPod", use->mounts_of_pod, ask->mounts, settings->mounts_per_pod);
        if (r == 0 && use->mounts_max > 0)
                r = append_limit(quota, "fs.mount-max", use->mounts_of_namespace, ask->mounts, use->mounts_max);
        return r < 0 ? r : add(plan, "quota", TAKE_PTR(quota));
}

int forecast_add(char **text, const struct wanted *wanted, const struct caller *caller, const struct settings *settings,
                 const struct quota_use *use, const struct quota_ask *ask) {
        const int flags = JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE;
        _cleanup_json_ struct json_object *plan = json_tokener_parse(*text);
        char *longer;

        if (!json_object_is_type(plan, json_type_object))
                return -EBADMSG;
        if (add_actions(plan, wanted, caller, settings) < 0 || add_quota(plan, caller, settings, use, ask) < 0)
                return -ENOMEM;
        longer = strdup(json_object_to_json_string_ext(plan, flags));
        if (!longer)
                return log_oom();
        free(*text);
        *text = longer;
        return 0;
}
