/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * org.freedesktop.DBus.Introspectable: the interface files of dbus/, as they were at build time, for the object that is
 * asked, and the names of the child nodes that the caller may see.
 */

#include "api/request.h"
#include "dbus/contract.h"

/* The station of the request path that finds out what there is to say, and the one that says it. */
int query_introspect(struct request *request, struct failure *f);
int encode_introspect(struct request *request, sd_bus_message *m);
