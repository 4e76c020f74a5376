/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * scarcity.so: preloaded (LD_PRELOAD), makes one allocation of a process fail. Which one is said in the file that the environment
 * variable PODMOUNT_SCARCITY names and that is mapped from the start on, so that children have it, too. For a C library that exports
 * __libc_malloc() and its like.
 */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* tests/integration/frame/scarcity.py writes it. */
struct scarcity {
        _Atomic int32_t pids[4]; /* whose allocations are counted, together */
        _Atomic int64_t at;      /* which of them fails; 0: none */
        _Atomic int64_t count;
};

static struct scarcity *scarcity;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);

static void __attribute__((__constructor__)) begin(void) {
        const char *path = getenv("PODMOUNT_SCARCITY");
        int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
        void *map;

        if (fd < 0)
                return;
        map = mmap(NULL, sizeof(*scarcity), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        (void) close(fd);
        if (map != MAP_FAILED)
                scarcity = map;
}

static bool fails(void) {
        pid_t self;

        if (!scarcity || atomic_load(&scarcity->pids[0]) == 0)
                return false;
        self = getpid();
        for (size_t i = 0; i < sizeof(scarcity->pids) / sizeof(scarcity->pids[0]); i++)
                if (atomic_load(&scarcity->pids[i]) == self && atomic_fetch_add(&scarcity->count, 1) + 1 == atomic_load(&scarcity->at)) {
                        errno = ENOMEM;
                        return true;
                }
        return false;
}

void *malloc(size_t size) {
        return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size) {
        return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size) {
        return size > 0 && fails() ? NULL : __libc_realloc(old, size);
}

/* json-c (0.16) uses the names of members that it could not copy: it is spared. */
char *strdup(const char *text) {
        size_t size = strlen(text) + 1;
        Dl_info caller;
        bool spared = scarcity && dladdr(__builtin_return_address(0), &caller) && caller.dli_fname && strstr(caller.dli_fname, "libjson-c");
        char *copy = spared ? __libc_malloc(size) : malloc(size);

        return copy ? memcpy(copy, text, size) : NULL;
}
