/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The events that an administrator may look for in the journal: each has a MESSAGE_ID=, which the catalog
 * (systemd/podmount.catalog) explains, and a priority of its own. tests/catalog.sh compares the table with the catalog.
 * Everything else that is logged has no id and is for people who read the lines before and after.
 *
 *     event_log(EVENT_DRIFT_DETECTED, EVENT_OF_POD(uuid), "Pod %s departs from its record", uuid);
 */

#include <stdint.h>

#include "util/log.h"

enum event {
        EVENT_REQUEST_DONE,
        EVENT_REQUEST_DENIED,
        EVENT_REQUEST_FAILED,
        EVENT_POD_CREATED,
        EVENT_POD_REMOVED,
        EVENT_POD_COLLECTED,
        EVENT_CONTAINER_ADDED,
        EVENT_CONTAINER_REMOVED,
        EVENT_LEASE_ENDED,
        EVENT_DRIFT_DETECTED,
        EVENT_DRIFT_ENDED,
        EVENT_OPERATION_FAILED,
        EVENT_MOUNTS_LEFT,
        EVENT_RECOVERY,
        EVENT_RECOVERY_FAILED,
        EVENT_EXECUTOR_HUNG,
        EVENT_EXECUTOR_ENDED,
        EVENT_EXECUTOR_ADDED,
        EVENT_TABLE_OVERFLOW,
        EVENT_BUS_SERVED,
        EVENT_BUS_LOST,
        EVENT_BUS_REFUSED,
        EVENT_POLKIT_SILENT,
        EVENT_CONNECTION_REFUSED,
        EVENT_CONNECTION_CUT,
        EVENT_FRONT_FAILED,
        EVENT_CONFIGURATION_READ,
        EVENT_CONFIGURATION_REFUSED,
        EVENT_STORE_REFUSED,
        EVENT_ALREADY_RUNNING,
        EVENT_LAYERS_UNAVAILABLE,
        EVENT_LAYER_CHANGED,
        EVENT_GC_PROGRAM_SAID,
        EVENT_GC_PROGRAM_FAILED,
        EVENT_REGISTRY_NOT_TOLD,
        _EVENT_MAX,
};

/* Room for a number of 64 bits and its end. */
#define EVENT_NUMBER_MAX sizeof("18446744073709551615")
/* The number as text in `buffer`, which is returned. */
const char *event_number(uint64_t number, char buffer[static EVENT_NUMBER_MAX]);
/* The same of an id; NULL, so that the field is left out, for 0. */
const char *event_id(uint64_t id, char buffer[static EVENT_NUMBER_MAX]);

/* Fields of util/log.h for an event that is about a pod, about a layer, or about what a user did. */
#define EVENT_OF_POD(uuid) ((const char *const[]) {"POD=", (uuid), NULL})
#define EVENT_OF_LAYER(id) ((const char *const[]) {"LAYER=", (id), NULL})
#define EVENT_OF_USER(uid) ((const char *const[]) {"CALLER_UID=", event_number((uid), (char[EVENT_NUMBER_MAX]) {}), NULL})

/* "drift-detected"… */
const char *event_name(enum event event);
/* 32 hexadecimal digits. */
const char *event_message_id(enum event event);
/* LOG_ERR to LOG_INFO. */
int event_priority(enum event event);

/* Writes the line as log_fields() does; `fields` may be NULL. */
#define event_log(event, fields, ...) log_fields(event_priority(event), event_message_id(event), (fields), __VA_ARGS__)
