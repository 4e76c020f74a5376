/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A pod: what its record says, looked up by container, target and id, and the spellings of its UUID.
 */

#include "pod/pod.h"

#include <string.h>
#include <systemd/sd-id128.h>

#include "dbus/names.h"
#include "pod/drift.h"
#include "pod/lease.h"
#include "pod/own-table.h"
#include "util/array.h"

const char *pod_state_name(enum pod_state state) {
        switch (state) {
        case POD_CREATING:
                return "creating";
        case POD_READY:
                return "ready";
        case POD_DEGRADED:
                return "degraded";
        case POD_STOPPING:
                return "stopping";
        case POD_FAILED:
                return "failed";
        }
        return NULL;
}

const char *drift_kind_name(enum drift_kind kind) {
        switch (kind) {
        case DRIFT_MISSING:
                return "missing";
        case DRIFT_EXTRA:
                return "extra";
        case DRIFT_CHANGED:
                return "changed";
        }
        return NULL;
}

char *pod_object_path(const char *uuid) {
        char *path;

        if (asprintf(&path, "%s/%s", PODMOUNT_POD_PATH, uuid) < 0)
                return NULL;
        for (char *c = path + strlen(PODMOUNT_POD_PATH); *c; c++)
                if (*c == '-')
                        *c = '_';
        return path;
}

int pod_new(struct record_pod *record, struct pod **ret) {
        struct pod *pod = calloc(1, sizeof(*pod));

        if (!pod) {
                record_pod_free(record);
                return -ENOMEM;
        }
        pod->record = record;
        pod->object_path = pod_object_path(record->uuid);
        if (record->name && asprintf(&pod->name_key, "%u:%s", record->owner, record->name) < 0)
                pod->name_key = NULL;
        if (!pod->object_path || (record->name && !pod->name_key)) {
                pod_free(pod);
                return -ENOMEM;
        }
        *ret = pod;
        return 0;
}

struct pod *pod_free(struct pod *pod) {
        if (!pod)
                return NULL;
        (void) lease_free(pod->lease);
        (void) own_table_free(pod->own);
        drifts_free(pod->drifts, pod->n_drifts);
        record_pod_free(pod->record);
        free(pod->object_path);
        free(pod->name_key);
        strv_free(pod->layers);
        free(pod);
        return NULL;
}

enum pod_state pod_get_state(const struct pod *pod) {
        switch (pod->record->state) {
        case RECORD_CREATING:
                return POD_CREATING;
        case RECORD_READY:
                return pod->n_drifts > 0 ? POD_DEGRADED : POD_READY;
        case RECORD_STOPPING:
                return POD_STOPPING;
        case RECORD_FAILED:
        case _RECORD_STATE_MAX:
                break;
        }
        return POD_FAILED;
}

const struct record_mount *pod_tree_mount(const struct pod *pod) {
        for (size_t i = 0; i < pod->record->n_mounts; i++)
                if (pod->record->mounts[i].container[0] == '\0')
                        return &pod->record->mounts[i];
        return NULL;
}

bool pod_was_ready(const struct pod *pod) {
        return pod->record->state == RECORD_READY || (pod->record->state == RECORD_STOPPING && pod_tree_mount(pod));
}

struct record_mount *pod_find_mount(const struct pod *pod, const char *container, const char *target) {
        for (size_t i = pod->record->n_mounts; i > 0; i--) {
                struct record_mount *mount = &pod->record->mounts[i - 1];

                if (strcmp(mount->target, target) == 0 && strcmp(mount->container, container) == 0)
                        return mount;
        }
        return NULL;
}

struct record_mount *pod_find_mount_id(const struct pod *pod, uint64_t id) {
        if (id == 0)
                return NULL;
        /* Of two with one recycled id the later has it. */
        for (size_t i = pod->record->n_mounts; i > 0; i--)
                if (pod->record->mounts[i - 1].id == id)
                        return &pod->record->mounts[i - 1];
        return NULL;
}

bool pod_has_container(const struct pod *pod, const char *container) {
        for (char **name = pod->record->containers; name && *name; name++)
                if (strcmp(*name, container) == 0)
                        return true;
        return false;
}

int pod_uuid_canonical(const char *text, char **ret) {
        sd_id128_t id;
        char *uuid;

        if (sd_id128_from_string(text, &id) < 0 || sd_id128_is_null(id))
                return -EINVAL;
        uuid = strdup(SD_ID128_TO_UUID_STRING(id));
        if (!uuid)
                return -ENOMEM;
        *ret = uuid;
        return 0;
}

static bool is_digit(char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool pod_looks_like_uuid(const char *text) {
        bool dashed = true, plain = true;
        size_t length = strlen(text);

        if (length < 8 || length > 36)
                return false;
        for (size_t i = 0; i < length; i++) {
                if (i == 8 || i == 13 || i == 18 || i == 23)
                        dashed = dashed && text[i] == '-';
                else
                        dashed = dashed && is_digit(text[i]);
                plain = plain && is_digit(text[i]);
        }
        return dashed || (plain && length <= 32);
}

bool pod_uuid_has_prefix(const char *uuid, const char *prefix) {
        for (;; uuid++, prefix++) {
                while (*prefix == '-')
                        prefix++;
                while (*uuid == '-')
                        uuid++;
                if (!*prefix)
                        return true;
                if (*uuid != (*prefix >= 'A' && *prefix <= 'F' ? *prefix - 'A' + 'a' : *prefix))
                        return false;
        }
}
