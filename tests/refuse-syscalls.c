/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * refuse-syscalls CALL... -- COMMAND [ARGUMENT...]: runs a command for which, and for all that it starts, these system
 * calls do not exist (ENOSYS), so that the ways without them are tested on a kernel that has them.
 *
 * As root the filter does without no_new_privs, which would change what the tests see of set-user-id programs and
 * capabilities. Calls of another architecture than this program's are let through.
 */

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE AUDIT_ARCH_RISCV64
#else
#error "name this architecture's AUDIT_ARCH_"
#endif

enum { CALLS_MAX = 32, STATUS_USAGE = 2, STATUS_CANNOT = 125, STATUS_NO_COMMAND = 127 };

/* Those from 424 on have the same number everywhere; C libraries and libseccomp of Debian 12 do not know all of them. */
static const struct {
        const char *name;
        unsigned number;
} known[] = {
        {"fanotify_init", SYS_fanotify_init},
        {"open_tree", 428},
        {"move_mount", 429},
        {"fsopen", 430},
        {"openat2", 437},
        {"mount_setattr", 442},
        {"statmount", 457},
        {"listmount", 458},
        {"getxattrat", 464},
        {"listxattrat", 465},
        {"open_tree_attr", 467},
};

static int find_call(const char *name, unsigned *ret) {
        for (size_t i = 0; i < ELEMENTSOF(known); i++)
                if (strcmp(known[i].name, name) == 0) {
                        *ret = known[i].number;
                        return 0;
                }
        fprintf(stderr, "refuse-syscalls: no system call is known here as \"%s\"\n", name);
        return -EINVAL;
}

static int install(const unsigned *calls, size_t n) {
        struct sock_filter filter[2 * CALLS_MAX + 5];
        struct sock_fprog program = {.filter = filter};
        unsigned short size = 0;

        filter[size++] = (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
        filter[size++] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
        filter[size++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
        filter[size++] = (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
        for (size_t i = 0; i < n; i++) {
                filter[size++] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i], 0, 1);
                filter[size++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
        }
        filter[size++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
        program.len = size;
        if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0)
                return 0;
        if (errno != EACCES || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) /* not root */
                return -errno;
        return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
}

int main(int argc, char **argv) {
        unsigned calls[CALLS_MAX];
        size_t n = 0;
        int r, i;

        for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
                if (n == CALLS_MAX || find_call(argv[i], &calls[n++]) < 0)
                        return STATUS_USAGE;
        if (n == 0 || i + 1 >= argc) {
                fprintf(stderr, "usage: refuse-syscalls CALL... -- COMMAND [ARGUMENT...]\n");
                return STATUS_USAGE;
        }
        r = install(calls, n);
        if (r < 0) {
                fprintf(stderr, "refuse-syscalls: the filter cannot be installed: %s\n", strerror(-r));
                return STATUS_CANNOT;
        }
        (void) execvp(argv[i + 1], argv + i + 1); /* returns on failure alone */
        fprintf(stderr, "refuse-syscalls: %s: %s\n", argv[i + 1], strerror(errno));
        return STATUS_NO_COMMAND;
}
