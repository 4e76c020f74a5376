/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the methods of the table (method.h) are called over varlink, which has no objects: one interface, org.podmount1, for all of them.
 * A method of the Manager or of the LayerStore is called as it is there; one of Pod, which the Manager has, too, is the Manager's; any other
 * of Pod takes the pod as a parameter "id" before its own. What D-Bus gives every object has names of its own: Describe for the Manager's
 * properties, List for the pods with theirs, Monitor for the signals. So there is nothing that only one of the two can do, and a test
 * compares both with dbus/org.podmount1.varlink.
 */

#include "api/method.h"

#define VARLINK_INTERFACE "org.podmount1"

enum varlink_kind {
        VARLINK_PLAIN,    /* takes what the method takes */
        VARLINK_OF_POD,   /* …and before it "id" */
        VARLINK_DESCRIBE, /* org.freedesktop.DBus.Properties.GetAll of the Manager */
        VARLINK_SHOW,     /* List of one pod: GetAll of it */
        VARLINK_LIST,     /* List: GetManagedObjects, one pod an answer */
        VARLINK_MONITOR,  /* Subscribe: GetManagedObjects, then each signal */
};

struct varlink_method {
        enum varlink_kind kind;
        enum object_kind object;
        const struct method *method; /* the row that serves it */
};

/* By its name without the interface. False when there is none. */
bool varlink_method_find(const char *name, struct varlink_method *ret);
/* List, when it names a pod. */
bool varlink_method_find_show(struct varlink_method *ret);

/* What a row is called over varlink; NULL for one that another one or org.varlink.service stands for. */
const char *varlink_method_name(const struct method *method);

/* Whether polkit can be asked about a call of it, so that it takes "allowInteractiveAuthentication". */
bool varlink_method_may_ask(const struct method *method);
