/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Room in the heap for very many small pieces that are about to be allocated one by one. Without it the kernel hands
 * the memory over page by page, each on a fault of its own, which is a third of the time to read 90,000 mounts where
 * faults are dear (a guest whose page tables are shadowed). Where the system has no huge pages for who asks, it is
 * nothing.
 */

#include <stddef.h>

#include "util/cleanup.h"

struct heap_room {
        char *begin; /* page-aligned, within the heap; NULL: nothing was asked for */
        size_t size;
};

/* Lets the heap grow by `bytes` at once, in huge pages (madvise(2), MADV_HUGEPAGE), and keeps that part from being
 * given back until heap_room_done(). It is what malloc(3) hands out from then on. Under 4 MiB, or when memory is short,
 * nothing happens. One at a time, in a process of one thread. */
void heap_room_make(struct heap_room *room, size_t bytes);

/* The room is ordinary heap from now on: what is left of it can be given back, and no page of it is made huge later,
 * so that what is given back stays so. Takes a zeroed one, and may be called twice. */
void heap_room_done(struct heap_room *room);
