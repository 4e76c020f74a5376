/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The properties of the contract, one row each, and org.freedesktop.DBus.Properties on top of them. What a value says
 * depends on who asks: counts are those of what the caller may see.
 */

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "admit/caller.h"
#include "api/api.h"
#include "api/request.h"

struct property_context {
        const struct api *api;
        const struct caller *caller;
        const struct pod *pod;     /* for properties of org.podmount1.Pod */
        const struct pod *leaving; /* not counted any more, though still registered; NULL for most */
};

enum property_change {
        PROPERTY_CONSTANT, /* never changes while the object lives */
        PROPERTY_SIGNALS,  /* PropertiesChanged tells the new value */
        PROPERTY_SILENT,   /* changes too often to be told */
};

struct property_row {
        const char *interface, *name, *type;
        enum property_change change;
        int (*append)(const struct property_context *context, sd_bus_message *m); /* the bare value */
};

/* Ended by a row without a name. */
extern const struct property_row property_table[];

/* NULL when the contract has no such property. */
const struct property_row *property_find(const char *interface, const char *name);

/* Appends a{sv} of an interface's properties: all of them, or those that `names` (NULL-terminated) lists. */
int property_append_all(const struct property_context *context, const char *interface, const char *const *names, sd_bus_message *m);

/* org.freedesktop.DBus.Properties. */
int query_get(struct request *request, struct failure *f);
int encode_get(struct request *request, sd_bus_message *m);
int query_get_all(struct request *request, struct failure *f);
int encode_get_all(struct request *request, sd_bus_message *m);
int query_set(struct request *request, struct failure *f);
