/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lists are longer than a word, so that a counter says whether one was written while it was read. */

#include "executor/grants.h"

#include <sched.h>
#include <string.h>

static void set_list(struct executor_grants *grants, char place[PREFIXES_SIZE], const char *list) {
        (void) atomic_fetch_add(&grants->sequence, 1);
        atomic_thread_fence(memory_order_seq_cst);
        memset(place, 0, PREFIXES_SIZE);
        memcpy(place, list, strnlen(list, PREFIXES_SIZE - 1));
        atomic_thread_fence(memory_order_seq_cst);
        (void) atomic_fetch_add(&grants->sequence, 1);
}

static void get_list(const struct executor_grants *grants, const char place[PREFIXES_SIZE], char ret[PREFIXES_SIZE]) {
        unsigned before;

        for (;;) { /* who writes is done in no time, or dead, and then so are we */
                before = atomic_load(&grants->sequence);
                atomic_thread_fence(memory_order_seq_cst);
                memcpy(ret, place, PREFIXES_SIZE);
                atomic_thread_fence(memory_order_seq_cst);
                if (before % 2 == 0 && atomic_load(&grants->sequence) == before)
                        break;
                (void) sched_yield();
        }
        ret[PREFIXES_SIZE - 1] = 0;
}

void grants_set_host_targets(struct executor_grants *grants, const char *list) {
        set_list(grants, grants->host_targets, list);
}

void grants_set_gc_programs(struct executor_grants *grants, const char *list) {
        set_list(grants, grants->gc_programs, list);
}

void grants_set_interfaces(struct executor_grants *grants, const char *list) {
        set_list(grants, grants->interfaces, list);
}

void grants_set_registry_program(struct executor_grants *grants, const char *list) {
        set_list(grants, grants->registry_program, list);
}

void grants_set_cgroup_parent(struct executor_grants *grants, const char *path) {
        set_list(grants, grants->cgroup_parent, path);
}

void grants_host_targets(const struct executor_grants *grants, char ret[PREFIXES_SIZE]) {
        ret[0] = 0;
        if (grants)
                get_list(grants, grants->host_targets, ret);
}

void grants_gc_programs(const struct executor_grants *grants, char ret[PREFIXES_SIZE]) {
        ret[0] = 0;
        if (grants)
                get_list(grants, grants->gc_programs, ret);
}

void grants_interfaces(const struct executor_grants *grants, char ret[PREFIXES_SIZE]) {
        ret[0] = 0;
        if (grants)
                get_list(grants, grants->interfaces, ret);
}

void grants_registry_program(const struct executor_grants *grants, char ret[PREFIXES_SIZE]) {
        ret[0] = 0;
        if (grants)
                get_list(grants, grants->registry_program, ret);
}

void grants_cgroup_parent(const struct executor_grants *grants, char ret[PREFIXES_SIZE]) {
        ret[0] = 0;
        if (grants)
                get_list(grants, grants->cgroup_parent, ret);
}
