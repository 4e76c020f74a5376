/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the client says on stderr. Bytes that could steer a terminal are written as \xHH. */

#include <stdarg.h>
#include <systemd/sd-bus.h>

#include "util/cleanup.h"
#include "util/failure.h"

/* "podmountctl: <sentence>"; returns EXIT_FAILURE. */
int report_error(const char *format, ...) _printf_(1, 2);
/* "podmountctl: <sentence>: <strerror>"; takes either sign, returns EXIT_FAILURE. */
int report_errno(int error, const char *format, ...) _printf_(2, 3);
int report_oom(void);
/* "podmountctl: <sentence>" and where to read on; returns EXIT_USAGE. */
int report_usage(const char *format, ...) _printf_(1, 2);
/* Something that did not keep the verb from its end. */
void report_warning(const char *format, ...) _printf_(1, 2);

/* What the daemon answered: its sentence, then the next step that client/hint.h has for the error's name. Returns
 * EXIT_FAILURE. */
int report_bus_error(const sd_bus_error *error, int r);
/* The same for what the client found out by itself: `name` is of dbus/names.h. */
int report_failure(const char *name, const struct failure *f);

/* A copy without control characters, characters that turn text around and broken UTF-8; NULL when memory is short. The caller frees it. */
char *report_escape(const char *text);
/* The same for a cell of a table, where \x itself is escaped, too, and only what the locale has is left. */
char *report_escape_cell(const char *text);
