/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of events, each with its name for people. An id, once released, means the same for ever: new ones come from systemd-id128 new. */

#include "util/event.h"

#include <inttypes.h>
#include <stdio.h>

static const struct {
        const char *name, *message_id;
        int priority;
} events[] = {
        [EVENT_REQUEST_DONE] = {"request-done", "6b1f0f8de0a84f0f8d0b6c9a41b27f35", LOG_INFO},
        [EVENT_REQUEST_DENIED] = {"request-denied", "97e973106e74489eb657a071beeaa2c8", LOG_NOTICE},
        [EVENT_REQUEST_FAILED] = {"request-failed", "32fd24661f0c44829d012dc9e0ae1dfc", LOG_NOTICE},
        [EVENT_POD_CREATED] = {"pod-created", "2c925bbe121a4b4c9aff8068c34137f1", LOG_INFO},
        [EVENT_POD_REMOVED] = {"pod-removed", "141477a947024395943d4a49f3051f74", LOG_INFO},
        [EVENT_POD_COLLECTED] = {"pod-collected", "d6cca5f062da47fb9a40a839b8dd18b0", LOG_INFO},
        [EVENT_CONTAINER_ADDED] = {"container-added", "54f4897bdd8e47729b70dfc2d65248c9", LOG_INFO},
        [EVENT_CONTAINER_REMOVED] = {"container-removed", "7199730a57e043f0a93234c273960624", LOG_INFO},
        [EVENT_LEASE_ENDED] = {"lease-ended", "12130e41c77b43098c58416b50b67e46", LOG_NOTICE},
        [EVENT_DRIFT_DETECTED] = {"drift-detected", "57b23f33ed3a4606bfc9e07228283df1", LOG_WARNING},
        [EVENT_DRIFT_ENDED] = {"drift-ended", "f9ab56b2e48f442a8c6b0eab382407f5", LOG_NOTICE},
        [EVENT_OPERATION_FAILED] = {"operation-failed", "9fb7c9c0c5164b46baac11f900bac14e", LOG_WARNING},
        [EVENT_MOUNTS_LEFT] = {"mounts-left", "0433232179e24cfc907669dd855feb11", LOG_ERR},
        [EVENT_RECOVERY] = {"recovery", "52ae24d3da9745c0bae57eddb810071c", LOG_NOTICE},
        [EVENT_RECOVERY_FAILED] = {"recovery-failed", "0a729d8ee6ec442ead709a75518851a6", LOG_ERR},
        [EVENT_EXECUTOR_HUNG] = {"executor-hung", "0bd294f2d17b4bcba8a8ecb055763a09", LOG_WARNING},
        [EVENT_EXECUTOR_ENDED] = {"executor-ended", "bf2631d3976a4795a503994b586f923a", LOG_WARNING},
        [EVENT_EXECUTOR_ADDED] = {"executor-added", "848267f1ef814d3c949eb11345f64223", LOG_NOTICE},
        [EVENT_TABLE_OVERFLOW] = {"table-overflow", "567208de561047d1a28e320b53cfdcfa", LOG_INFO},
        [EVENT_BUS_SERVED] = {"bus-served", "009a0ef4057448babf69a4a7a4f07faa", LOG_INFO},
        [EVENT_BUS_LOST] = {"bus-lost", "d20a53ab12fc401a84f025516b0a504d", LOG_NOTICE},
        [EVENT_BUS_REFUSED] = {"bus-refused", "d4836a12f1ab4b87998f6c0e4fdb9921", LOG_ERR},
        [EVENT_POLKIT_SILENT] = {"polkit-silent", "8566c1378e394fcfa05aa81fcbb66e80", LOG_WARNING},
        [EVENT_CONNECTION_REFUSED] = {"connection-refused", "55b3ee75e00749baaf79e7adc4231319", LOG_NOTICE},
        [EVENT_CONNECTION_CUT] = {"connection-cut", "876cccb0a8d14079bc6ce31195d5c6cb", LOG_NOTICE},
        [EVENT_FRONT_FAILED] = {"front-failed", "38819368ef7942e89cc98e5a87acb58e", LOG_ERR},
        [EVENT_CONFIGURATION_READ] = {"configuration-read", "bfbedb75d35548c4b8f02437571ee7c6", LOG_INFO},
        [EVENT_CONFIGURATION_REFUSED] = {"configuration-refused", "e8cd7ac2bd1544a38a084b147eda8596", LOG_ERR},
        [EVENT_STORE_REFUSED] = {"store-refused", "d0d589e63c2a4cd89afb31ace582d658", LOG_ERR},
        [EVENT_ALREADY_RUNNING] = {"already-running", "8d0effb85a2a43918042557eb28a8abc", LOG_ERR},
        [EVENT_LAYERS_UNAVAILABLE] = {"layers-unavailable", "0ff9ee65d1e74b45bc2bae3092df1eca", LOG_WARNING},
        [EVENT_LAYER_CHANGED] = {"layer-changed", "d8f56e6efcab4e7a9b31b262f2844690", LOG_INFO},
        [EVENT_GC_PROGRAM_SAID] = {"gc-program-said", "72e09443f2514ed0bb704b037b396668", LOG_NOTICE},
        [EVENT_GC_PROGRAM_FAILED] = {"gc-program-failed", "d2cc3364cb604a2c9235d1e99b03892f", LOG_WARNING},
        [EVENT_REGISTRY_NOT_TOLD] = {"registry-not-told", "b8c42a72b0bb4993a7b538aacfbe5e15", LOG_WARNING},
};

const char *event_name(enum event event) {
        return events[event].name;
}

const char *event_message_id(enum event event) {
        return events[event].message_id;
}

int event_priority(enum event event) {
        return events[event].priority;
}

const char *event_number(uint64_t number, char buffer[static EVENT_NUMBER_MAX]) {
        (void) snprintf(buffer, EVENT_NUMBER_MAX, "%" PRIu64, number); /* always fits */
        return buffer;
}

const char *event_id(uint64_t id, char buffer[static EVENT_NUMBER_MAX]) {
        return id != 0 ? event_number(id, buffer) : NULL;
}
