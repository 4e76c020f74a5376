/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Room for many small pieces: how many page faults they take, and that what is freed is given back. */

#include "util/heap.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/resource.h>

#include "../unit.h"

#if defined(__SANITIZE_ADDRESS__)
#define OWN_HEAP true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OWN_HEAP true
#endif
#endif
#ifndef OWN_HEAP
#define OWN_HEAP false /* whether the allocator is another than the C library's */
#endif

enum { PIECE = 240, N = 100000, MIB = 1024 * 1024, BYTES = N * (PIECE + 16), PAGE = 4096 };

static long faults(void) {
        struct rusage usage;

        ck_assert_int_eq(getrusage(RUSAGE_SELF, &usage), 0);
        return usage.ru_minflt;
}

/* What is resident of this process, in bytes. */
static size_t resident(void) {
        _cleanup_fclose_ FILE *file = fopen("/proc/self/statm", "re");
        size_t size, pages;

        ck_assert_ptr_nonnull(file);
        ck_assert_int_eq(fscanf(file, "%zu %zu", &size, &pages), 2);
        return pages * PAGE;
}

static bool has_huge_pages(void) {
        _cleanup_fclose_ FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
        char line[64] = "";

        return file && fgets(line, sizeof(line), file) && !strstr(line, "[never]");
}

/* Whether a part of the heap has this flag of proc_pid_smaps(5). */
static bool heap_has_flag(const char *flag) {
        _cleanup_fclose_ FILE *file = fopen("/proc/self/smaps", "re");
        bool heap = false;
        char line[512];

        ck_assert_ptr_nonnull(file);
        while (fgets(line, sizeof(line), file))
                if (strstr(line, "[heap]"))
                        heap = true;
                else if (strncmp(line, "VmFlags:", 8) == 0) {
                        if (heap && strstr(line, flag))
                                return true;
                        heap = false;
                }
        return false;
}

static void **allocate(void) {
        void **pieces = calloc(N, sizeof(*pieces));

        ck_assert_ptr_nonnull(pieces);
        for (size_t i = 0; i < N; i++) {
                pieces[i] = malloc(PIECE);
                ck_assert_ptr_nonnull(pieces[i]);
                memset(pieces[i], 1, PIECE);
        }
        return pieces;
}

static void release(void **pieces) {
        for (size_t i = 0; i < N; i++)
                free(pieces[i]);
        free(pieces);
}

START_TEST(test_faults) {
        struct heap_room room;
        size_t before;
        void **pieces;
        long n;

        if (OWN_HEAP || !has_huge_pages())
                return unit_skip("no huge pages, or the heap of a sanitizer");
        before = resident();
        heap_room_make(&room, BYTES);
        ck_assert_ptr_nonnull(room.begin);
        ck_assert(heap_has_flag(" hg"));
        ck_assert_uint_lt(resident(), before + MIB); /* nothing is taken before it is used */
        n = faults();
        pieces = allocate();
        ck_assert_int_lt(faults() - n, BYTES / PAGE / 3);
        heap_room_done(&room);
        ck_assert(!heap_has_flag(" hg"));
        release(pieces);
        (void) malloc_trim(0);
        ck_assert_uint_lt(resident(), before + 3 * MIB);
}
END_TEST

/* What was not used of the room goes with the next large piece that is freed. */
START_TEST(test_unused) {
        size_t before = resident();
        struct heap_room room;

        heap_room_make(&room, BYTES);
        heap_room_done(&room);
        heap_room_done(&room);
        (void) malloc_trim(0);
        if (!OWN_HEAP) /* a sanitizer marks the memory in memory of its own */
                ck_assert_uint_lt(resident(), before + MIB);
        heap_room_make(&room, BYTES);
        release(allocate());
        heap_room_done(&room);
}
END_TEST

START_TEST(test_little) {
        struct heap_room room;

        heap_room_make(&room, 100 * 1024);
        ck_assert_ptr_null(room.begin);
        heap_room_done(&room);
        heap_room_make(&room, (size_t) 1 << 60);
        ck_assert_ptr_null(room.begin);
        heap_room_done(&room);
}
END_TEST

UNIT_MAIN("heap", test_faults, test_unused, test_little)
