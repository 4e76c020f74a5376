/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What each kind of failure is called on D-Bus. */

#include "util/failure.h"

/* An error name of dbus/names.h; "org.freedesktop.DBus.Error.Failed" for what has no name of its own. */
const char *error_name(enum failure_kind kind);
