/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * counters.o: linked into every program by scripts/coverage, keeps gcov's counters in a file that all processes of a program map shared. So what
 * a process has run is counted to the instruction at which it is killed, and it needs no right, no directory and no system call to say so when it
 * ends. A program that is run with PODMOUNT_COVERAGE_WRITE adds what its file has to the .gcda files, by libgcov, and does nothing else.
 * tests/coverage/counters.ld puts the counters into whole pages.
 */

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

extern char coverage_begin[], coverage_end[];

/* The linker exchanges these (--wrap). */
int __real_main(int argc, char **argv, char **envp) __attribute__((__weak__)); /* a library has none */
void __real___gcov_dump(void);
int __wrap_main(int argc, char **argv, char **envp);
void __wrap___gcov_dump(void);
void __wrap___gcov_reset(void);
void __wrap___gcov_reset_int(void);
void __wrap___gcov_exit(void);

enum { NAME_MAX_BYTES = 64 };

/* The build ID of the object that the counters are in, in hex: a copied program has its counters with the original's. */
static int name_of(struct dl_phdr_info *object, size_t size, void *userdata) {
        char *name = userdata;
        const ElfW(Nhdr) *build_id = NULL;
        int ours = 0;

        (void) size;
        for (size_t i = 0; i < object->dlpi_phnum; i++) {
                const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
                const char *begin = (const char *) (object->dlpi_addr + segment->p_vaddr), *end = begin + segment->p_memsz;

                if (segment->p_type == PT_LOAD && coverage_begin >= begin && coverage_begin < end)
                        ours = 1;
                while (segment->p_type == PT_NOTE && begin < end) {
                        const ElfW(Nhdr) *note = (const void *) begin;

                        if (note->n_type == NT_GNU_BUILD_ID && note->n_descsz * 2 < NAME_MAX_BYTES)
                                build_id = note;
                        begin += sizeof(*note) + ((note->n_namesz + 3) & ~3U) + ((note->n_descsz + 3) & ~3U);
                }
        }
        if (!ours || !build_id)
                return 0;
        for (size_t i = 0; i < build_id->n_descsz; i++)
                (void) sprintf(name + 2 * i, "%02x", ((const unsigned char *) (build_id + 1))[4 + i]); /* behind "GNU" */
        return 1;
}

/* Where the file cannot be reached, in another root, say, the process counts for itself. */
static int share(void) {
        size_t size = (size_t) (coverage_end - coverage_begin);
        char name[NAME_MAX_BYTES] = "", path[sizeof(COVERAGE_DIRECTORY) + 1 + NAME_MAX_BYTES];
        struct stat st;
        int fd;

        if (dl_iterate_phdr(name_of, name) == 0)
                return -1;
        (void) snprintf(path, sizeof(path), "%s/%s", COVERAGE_DIRECTORY, name);
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (fd < 0)
                return -1;
        (void) fchmod(fd, 0666); /* whoever runs it, and whatever its umask; the owner's alone */
        if (fstat(fd, &st) < 0 || (st.st_size != (off_t) size && ftruncate(fd, (off_t) size) < 0) ||
            mmap(coverage_begin, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
                size = 0;
        (void) close(fd);
        return size > 0 ? 0 : -1;
}

/* Behind all constructors, by which each file's counters become known to libgcov. */
int __wrap_main(int argc, char **argv, char **envp) {
        int r = share();

        if (!getenv("PODMOUNT_COVERAGE_WRITE"))
                return __real_main(argc, argv, envp);
        if (r < 0)
                return 1;
        __real___gcov_dump();
        return 0;
}

/* What libgcov does at an exit, fork(2) and execve(2): the file has it, once. */
void __wrap___gcov_dump(void) {
}

void __wrap___gcov_reset(void) {
}

void __wrap___gcov_reset_int(void) {
}

void __wrap___gcov_exit(void) {
}
