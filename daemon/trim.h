/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Gives memory back to the system after many mounts went: the table alone takes some 350 bytes a mount, and the
 * allocator keeps what is free between what is not. A while after the last big drop, not in a storm's midst; without
 * one it is nothing: no timer, no wake-up.
 */

#include <systemd/sd-event.h>

#include "table/table.h"

struct trim;

/* The table outlives it. NULL when memory is short. */
struct trim *trim_new(sd_event *event, struct table *table);
struct trim *trim_free(struct trim *trim);
DEFINE_CLEANUP(struct trim *, trim_free)

/* To be called when the table has changed: counts, and decides whether it is time. */
void trim_note(struct trim *trim);
