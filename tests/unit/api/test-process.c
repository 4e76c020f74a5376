/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What children of the keeper do to themselves, seen from outside: in /proc. Needs root for the privileges. */

#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"
#include "unit.h"

enum { SOMEBODY = 65534 };

START_TEST(test_close_others) {
        int keep[] = {-1, 0, 0, -1}, closed;

        keep[1] = fcntl(0, F_DUPFD_CLOEXEC, 100);
        keep[2] = fcntl(0, F_DUPFD_CLOEXEC, 50);
        closed = fcntl(0, F_DUPFD_CLOEXEC, 70);
        ck_assert(keep[1] >= 0 && keep[2] >= 0 && closed >= 0);
        ck_assert_int_eq(process_close_others(keep, ELEMENTSOF(keep)), 0);
        for (size_t i = 0; i < ELEMENTSOF(keep); i++)
                ck_assert(keep[i] < 0 || fcntl(keep[i], F_GETFD) >= 0);
        ck_assert_int_lt(fcntl(closed, F_GETFD), 0);
        for (int fd = 3; fd < 200; fd++)
                ck_assert_int_eq(fcntl(fd, F_GETFD) >= 0, fd == 100 || fd == 50);
        ck_assert_int_ge(fcntl(STDERR_FILENO, F_GETFD), 0);
}
END_TEST

/* The value of a line of /proc/self/status. */
static void expect_status(const char *key, const char *value) {
        _cleanup_fclose_ FILE *file = fopen("/proc/self/status", "re");
        char line[512];

        ck_assert_ptr_nonnull(file);
        while (fgets(line, sizeof(line), file)) {
                if (strncmp(line, key, strlen(key)) != 0)
                        continue;
                line[strcspn(line, "\n")] = '\0';
                ck_assert_str_eq(line + strlen(key), value);
                return;
        }
        ck_abort_msg("no line %s", key);
}

START_TEST(test_drop) {
        if (geteuid() != 0)
                return;
        ck_assert_int_eq(process_drop_privileges(SOMEBODY, SOMEBODY), 0);
        expect_status("Uid:", "\t65534\t65534\t65534\t65534");
        expect_status("Gid:", "\t65534\t65534\t65534\t65534");
        expect_status("Groups:", "\t ");
        expect_status("CapInh:", "\t0000000000000000");
        expect_status("CapPrm:", "\t0000000000000000");
        expect_status("CapEff:", "\t0000000000000000");
        expect_status("CapBnd:", "\t0000000000000000");
        expect_status("CapAmb:", "\t0000000000000000");
        expect_status("NoNewPrivs:", "\t1");
        ck_assert_int_lt(setuid(0), 0);
}
END_TEST

START_TEST(test_dies_with_parent) {
        int ready[2];
        pid_t parent, child = 0;
        siginfo_t info;

        ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
        ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0); /* so that we see the grandchild's end */
        parent = fork();
        if (parent == 0) {
                pid_t self = getpid();

                if (fork() == 0) {
                        process_reset_signals();
                        if (process_die_with(self) < 0)
                                _exit(1);
                        self = getpid();
                        (void) !write(ready[1], &self, sizeof(self));
                        for (;;)
                                pause();
                }
                for (;;)
                        pause();
        }
        ck_assert_int_eq(read(ready[0], &child, sizeof(child)), sizeof(child));
        ck_assert_int_eq(kill(child, SIGTERM), 0); /* the keeper alone ends its children */
        ck_assert_int_eq(kill(parent, SIGKILL), 0);
        ck_assert_int_eq(waitid(P_PID, (id_t) parent, &info, WEXITED), 0);
        ck_assert_int_eq(waitid(P_PID, (id_t) child, &info, WEXITED), 0);
        ck_assert_int_eq(info.si_status, SIGKILL);
        ck_assert_int_eq(process_die_with(child), -ESRCH);
}
END_TEST

/* Pages of files that are in memory for this process (proc_pid_statm(5)). */
static unsigned long file_pages(void) {
        _cleanup_fclose_ FILE *file = fopen("/proc/self/statm", "re");
        unsigned long size, resident, shared;

        ck_assert_ptr_nonnull(file);
        ck_assert_int_eq(fscanf(file, "%lu %lu %lu", &size, &resident, &shared), 3);
        return shared;
}

/* Has all constants and code of an object in memory. */
static int use_object(struct dl_phdr_info *object, size_t size _unused_, void *userdata) {
        unsigned *sum = userdata;

        for (size_t i = 0; i < object->dlpi_phnum && *object->dlpi_name; i++) {
                const ElfW(Phdr) *segment = &object->dlpi_phdr[i];

                if (segment->p_type != PT_LOAD || segment->p_flags & PF_W)
                        continue;
                for (size_t at = 0; at < segment->p_memsz; at += 4096)
                        *sum += ((const volatile unsigned char *) object->dlpi_addr + segment->p_vaddr)[at];
        }
        return 0;
}

/* What was relocated, and what a variable holds, is still there. */
START_TEST(test_forget_code) {
        static int (*volatile compare)(const char *, const char *) = strcmp;
        static volatile int variable = 1;
        unsigned long before, after;
        unsigned sum = 0;

        ck_assert_int_eq(dl_iterate_phdr(use_object, &sum), 0);
        variable = 2;
        before = file_pages();
        process_forget_code();
        after = file_pages();
        ck_assert_uint_lt(after, before / 2);
        ck_assert_int_eq(variable, 2);
        ck_assert_int_eq(compare("a", "a"), 0);
}
END_TEST

UNIT_MAIN("process", test_close_others, test_drop, test_dies_with_parent, test_forget_code)
