/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signals, fds and privileges of the keeper's children. */

#include "process.h"

#include <fcntl.h>
#include <grp.h>
#include <link.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "util/log.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

void process_reset_signals(void) {
        static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
        sigset_t none;

        for (size_t i = 0; i < ELEMENTSOF(ignored); i++)
                (void) signal(ignored[i], SIG_IGN); /* cannot fail for these numbers */
        (void) signal(SIGCHLD, SIG_DFL);
        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
}

int process_die_with(pid_t parent) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
                return log_errno(LOG_ERR, errno, "PR_SET_PDEATHSIG");
        return getppid() == parent ? 0 : -ESRCH; /* it may have died before the line above */
}

void process_raise_files(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= limit.rlim_max)
                return;
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
                (void) log_errno(LOG_WARNING, errno, "raise the limit of open files");
}

static int compare_fds(const void *a, const void *b) {
        int left = *(const int *) a, right = *(const int *) b;

        return left < right ? -1 : left > right;
}

int process_close_others(int *keep, size_t n) {
        unsigned first = STDERR_FILENO + 1;

        qsort(keep, n, sizeof(*keep), compare_fds);
        for (size_t i = 0; i < n; i++) {
                if (keep[i] < (int) first)
                        continue;
                if ((unsigned) keep[i] > first && close_range(first, (unsigned) keep[i] - 1, 0) < 0)
                        return log_errno(LOG_ERR, errno, "close_range");
                first = (unsigned) keep[i] + 1;
        }
        if (close_range(first, ~0U, 0) < 0)
                return log_errno(LOG_ERR, errno, "close_range");
        return 0;
}

/* Whether any capability is left in any set that execve(2) or this process could use. */
static int verify_no_capability(void) {
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};

        if (syscall(SYS_capset, &header, data) < 0)
                return log_errno(LOG_ERR, errno, "capset");
        if (syscall(SYS_capget, &header, data) < 0)
                return log_errno(LOG_ERR, errno, "capget");
        for (size_t i = 0; i < ELEMENTSOF(data); i++)
                if (data[i].effective || data[i].permitted || data[i].inheritable)
                        return log_errno(LOG_ERR, EPERM, "a capability is left");
        return 0;
}

int process_drop_privileges(uid_t uid, gid_t gid) {
        for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++)
                if (prctl(PR_CAPBSET_DROP, capability) < 0)
                        return log_errno(LOG_ERR, errno, "PR_CAPBSET_DROP %lu", capability);
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
                return log_errno(LOG_ERR, errno, "PR_CAP_AMBIENT_CLEAR_ALL");
        if (setgroups(0, NULL) < 0)
                return log_errno(LOG_ERR, errno, "setgroups");
        if (setresgid(gid, gid, gid) < 0)
                return log_errno(LOG_ERR, errno, "setresgid %u", (unsigned) gid);
        if (setresuid(uid, uid, uid) < 0)
                return log_errno(LOG_ERR, errno, "setresuid %u", (unsigned) uid);
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return log_errno(LOG_ERR, errno, "PR_SET_NO_NEW_PRIVS");
        return verify_no_capability();
}

int process_hide(void) {
        if (SANITIZED) /* the leak checker attaches to its own process at exit */
                return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0 ? log_errno(LOG_ERR, errno, "PR_SET_DUMPABLE") : 0;
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return log_errno(LOG_ERR, errno, "PR_SET_DUMPABLE");
        return 0;
}

/* What the linker relocates, and makes read-only afterwards, lies in segments that the file calls writable. */
static int forget_object(struct dl_phdr_info *object, size_t size _unused_, void *userdata) {
        const size_t *page = userdata;

        for (size_t i = 0; i < object->dlpi_phnum; i++) {
                const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
                uintptr_t begin = (object->dlpi_addr + segment->p_vaddr) / *page * *page;
                uintptr_t end = object->dlpi_addr + segment->p_vaddr + segment->p_memsz;

                if (segment->p_type == PT_LOAD && !(segment->p_flags & PF_W))
                        (void) madvise((void *) begin, end - begin, MADV_DONTNEED); /* EINVAL: the vDSO, locked memory */
        }
        return 0;
}

void process_forget_code(void) {
        size_t page = (size_t) sysconf(_SC_PAGESIZE);

        (void) dl_iterate_phdr(forget_object, &page); /* it returns what the last one did */
}

void process_exit(int status) {
        if (SANITIZED)
                exit(status);
        _exit(status);
}
