/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* By mallopt(3): a piece as large as the room is taken from the end of the heap, not from a mapping of its own, and
 * freed again while the allocator gives nothing back, so that it is the heap's free end. */

#include "util/heap.h"

#include <limits.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
        LEAST = 4 * 1024 * 1024,     /* two huge pages: below, what is not used of them would show */
        TRIM_THRESHOLD = 128 * 1024, /* as glibc has it */
        MMAP_MAX = 65536,            /* as glibc has it */
};

void heap_room_make(struct heap_room *room, size_t bytes) {
        size_t page = (size_t) sysconf(_SC_PAGESIZE), skipped;
        char *piece;

        *room = (struct heap_room){};
        if (bytes < LEAST || bytes > INT_MAX)
                return;
        (void) mallopt(M_TRIM_THRESHOLD, INT_MAX); /* where it is refused, all stays as it was */
        (void) mallopt(M_MMAP_MAX, 0);
        piece = malloc(bytes);
        (void) mallopt(M_MMAP_MAX, MMAP_MAX);
        if (!piece) {
                (void) mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD);
                return;
        }
        skipped = page - (uintptr_t) piece % page;
        *room = (struct heap_room){.begin = piece + skipped, .size = (bytes - skipped) / page * page};
        (void) madvise(room->begin, room->size, MADV_HUGEPAGE); /* EINVAL: a kernel without */
        free(piece);
}

void heap_room_done(struct heap_room *room) {
        if (!room->begin)
                return;
        (void) madvise(room->begin, room->size, MADV_NOHUGEPAGE);
        (void) mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD);
        *room = (struct heap_room){};
}
