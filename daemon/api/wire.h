/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Texts that may be any bytes (paths of the kernel's table) as D-Bus strings, which are UTF-8. */

#include <systemd/sd-bus.h>

/* Appends one string "s". What is not UTF-8 is written with \xHH escapes; NULL is "". */
int wire_append_text(sd_bus_message *m, const char *text);
/* Appends an entry {sv} of a dictionary whose value is such a string. */
int wire_append_entry(sd_bus_message *m, const char *key, const char *text);
