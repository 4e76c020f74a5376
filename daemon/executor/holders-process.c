/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Processes come and go while they are looked at: what is gone has nothing to tell, and is left out. Nothing of theirs is opened; which mount
 * a file lies on is asked of the magic link that leads to it.
 *
 * Threads share files and directories with their process unless they were told not to (clone(2), CLONE_FS, CLONE_FILES). Nobody tells who does, so
 * working and root directory of each are looked at, and its fds unless they are many and have the same numbers as the process's.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "executor/holders.h"
#include "util/array.h"
#include "util/text.h"

enum {
        ROWS_MAX = 8,          /* that a process gets of one kind */
        SHARED_FDS_MIN = 64,   /* from how many on a thread's fds are not looked at if their numbers are the process's */
        PATH_SIZE = 4096 + 16, /* what the kernel writes, and " (deleted)" */
        TEXT_SIZE = 4096,
};

/* A process that is being looked at, with the thread of it whose turn it is. */
struct subject {
        struct holders *holders;
        pid_t pid;
        int directory;
        bool thread; /* it is a thread's turn: what it shares with the process has been seen */
        size_t n[_HOLDER_KIND_MAX];
        char *told[_HOLDER_KIND_MAX][ROWS_MAX];
};

static char *read_text(int directory, const char *name, char *text, size_t size) {
        _cleanup_close_ int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

        text[n > 0 ? n : 0] = 0;
        return text;
}

/* What all four of its user ids are, or UINT32_MAX; *ret_one: one of them. */
static uid_t read_uid(int directory, uid_t *ret_one) {
        char text[TEXT_SIZE];
        const char *line = strstr(read_text(directory, "status", text, sizeof(text)), "\nUid:");
        unsigned ids[4] = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};

        if (line)
                (void) sscanf(line, "\nUid: %u %u %u %u", &ids[0], &ids[1], &ids[2], &ids[3]); /* what is missing stays nobody's */
        *ret_one = ids[0];
        return ids[0] == ids[1] && ids[1] == ids[2] && ids[2] == ids[3] ? ids[0] : UINT32_MAX;
}

static bool ends_as_unit(const char *name, size_t size) {
        static const char *const suffixes[] = {".service", ".scope", ".socket", ".mount", ".swap"};

        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                size_t length = strlen(suffixes[i]);

                if (size > length && strncmp(name + size - length, suffixes[i], length) == 0)
                        return true;
        }
        return false;
}

/* The innermost unit of the path of a control group, or else the path. */
static char *unit_of(char *path) {
        const char *found = NULL;
        size_t found_size = 0;

        path[strcspn(path, "\n")] = 0;
        for (const char *at = path; *at;) {
                size_t size = strcspn(at, "/");

                if (ends_as_unit(at, size)) {
                        found = at;
                        found_size = size;
                }
                at += size + (at[size] == '/');
        }
        return found ? strndup(found, found_size) : strdup(path);
}

/* Of the hierarchy that systemd keeps: the unified one, or with it the old one of its name. */
static char *read_unit(int directory) {
        char text[TEXT_SIZE];
        char *line, *unified;

        (void) read_text(directory, "cgroup", text, sizeof(text));
        line = strstr(text, ":name=systemd:/");
        if (line)
                return unit_of(line + strlen(":name=systemd:"));
        unified = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
        return unified ? unit_of(strstr(unified, "::") + 2) : strdup("");
}

/* Root, and whoever all ids of the process are, may know. */
static bool may_know(const struct holders *holders, uid_t uid) {
        const struct job_caller *caller = &holders->job->caller;

        return caller->root || (uid != UINT32_MAX && uid == caller->uid && caller->uid != 0);
}

/* Of what the caller may not know it learns that much: which process of whom holds, and how. */
static int tell(struct holders *holders, enum holder_kind kind, pid_t pid, int directory, const char *detail) {
        _cleanup_free_ char *unit = NULL, *copy = NULL;
        char command[64] = "";
        uid_t one, uid = read_uid(directory, &one);
        struct mount_holder row = {.kind = kind, .pid = (uint32_t) pid, .uid = one};

        if (one == UINT32_MAX)
                return 0; /* it has gone */
        if (may_know(holders, uid)) {
                row.command = read_text(directory, "comm", command, sizeof(command));
                command[strcspn(command, "\n")] = 0;
                row.unit = unit = read_unit(directory);
                row.detail = copy = strdup(detail);
                if (!unit || !copy)
                        return -ENOMEM;
        }
        return holders_tell(holders, &row);
}

static int open_process(const struct holders *holders, pid_t pid) {
        char name[sizeof("4294967295")];

        (void) snprintf(name, sizeof(name), "%u", (unsigned) pid); /* always fits */
        return openat(holders->proc, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int holders_tell_process(struct holders *holders, enum holder_kind kind, pid_t pid, const char *detail) {
        _cleanup_close_ int directory = open_process(holders, pid);

        return directory < 0 ? 0 : tell(holders, kind, pid, directory, detail);
}

/* Two fds of one file, and what threads share, are one row. */
static bool was_told(const struct subject *subject, enum holder_kind kind, const char *path) {
        for (size_t i = 0; i < subject->n[kind] && i < ROWS_MAX; i++)
                if (strcmp(subject->told[kind][i], path) == 0)
                        return true;
        return false;
}

static int found(struct subject *subject, enum holder_kind kind, const char *name) {
        char path[PATH_SIZE];
        ssize_t size;

        if (subject->n[kind] >= ROWS_MAX) {
                subject->n[kind] += !subject->thread;
                return 0;
        }
        size = readlinkat(subject->directory, name, path, sizeof(path) - 1);
        if (size < 0)
                return 0; /* closed meanwhile */
        path[size] = 0;
        if (was_told(subject, kind, path))
                return 0;
        subject->told[kind][subject->n[kind]] = strdup(path);
        if (!subject->told[kind][subject->n[kind]])
                return -ENOMEM;
        subject->n[kind]++;
        return tell(subject->holders, kind, subject->pid, subject->directory, path);
}

static void subject_done(struct subject *subject) {
        for (size_t kind = 0; kind < _HOLDER_KIND_MAX; kind++)
                for (size_t i = 0; i < ROWS_MAX; i++)
                        free(subject->told[kind][i]);
}

static int look(struct subject *subject, enum holder_kind kind, const char *name) {
        return holders_has_link(subject->holders, subject->directory, name) ? found(subject, kind, name) : 0;
}

/* Calls for each name in a directory that is a number. */
static int each_number(int directory, const char *name, int (*fn)(const char *number, void *userdata), void *userdata) {
        int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
        DIR *numbers = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry;

        if (!numbers) {
                (void) close_fd(fd);
                return 0;
        }
        while (r == 0 && (entry = readdir(numbers)))
                if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
                        r = fn(entry->d_name, userdata);
        (void) closedir(numbers);
        return r;
}

/* The fds of a process or, by its directory's name, of a thread. */
struct fds {
        struct subject *subject;
        const char *where;
        uint64_t hash; /* of the numbers, in order */
        size_t n;
};

static int count_fd(const char *number, void *userdata) {
        struct fds *fds = userdata;

        fds->hash = fds->hash * 1099511628211U + strtoull(number, NULL, 10) + 1;
        fds->n++;
        return holders_pulse(fds->subject->holders);
}

static int look_at_fd(const char *number, void *userdata) {
        struct fds *fds = userdata;
        char name[64];

        int r = count_fd(number, fds);

        if (r < 0)
                return r;
        (void) snprintf(name, sizeof(name), "%s/%s", fds->where, number); /* both are short */
        return look(fds->subject, HOLDER_FD, name);
}

/* Only what may lie on one of the mounts; the same file follows itself, part by part. */
static int look_at_line(struct subject *subject, const char *line, unsigned long long *last_inode, dev_t *last_device) {
        unsigned long long start, end, offset, inode;
        unsigned device_major, device_minor;
        char name[sizeof("map_files/") + 2 * 16 + 2];
        dev_t device;

        if (sscanf(line, "%llx-%llx %*4s %llx %x:%x %llu", &start, &end, &offset, &device_major, &device_minor, &inode) != 6 || inode == 0)
                return 0;
        device = makedev(device_major, device_minor);
        if ((!subject->holders->stacked && !map_get_u64(subject->holders->devices, device)) || (inode == *last_inode && device == *last_device))
                return 0;
        *last_inode = inode;
        *last_device = device;
        (void) snprintf(name, sizeof(name), "map_files/%llx-%llx", start, end); /* always fits */
        return look(subject, HOLDER_MAP, name);
}

static int look_at_maps(struct subject *subject) {
        int fd = openat(subject->directory, "maps", O_RDONLY | O_CLOEXEC), r = 0;
        _cleanup_fclose_ FILE *maps = fd < 0 ? NULL : fdopen(fd, "r");
        _cleanup_free_ char *line = NULL;
        unsigned long long inode = 0;
        dev_t device = 0;
        size_t size = 0;

        if (!maps) {
                (void) close_fd(fd);
                return 0;
        }
        while (r == 0 && getline(&line, &size, maps) >= 0)
                r = look_at_line(subject, line, &inode, &device) ?: holders_pulse(subject->holders);
        return r;
}

struct threads {
        struct subject *subject;
        struct fds shared; /* the process's own */
};

static int look_at_thread(const char *number, void *userdata) {
        struct threads *threads = userdata;
        struct subject *subject = threads->subject;
        struct fds own = {.subject = subject};
        char where[64];
        int r;

        if ((pid_t) strtol(number, NULL, 10) == subject->pid)
                return 0;
        (void) snprintf(where, sizeof(where), "task/%s/cwd", number); /* it is short */
        r = look(subject, HOLDER_CWD, where);
        (void) snprintf(where, sizeof(where), "task/%s/root", number);
        if (r == 0)
                r = look(subject, HOLDER_ROOT, where);
        (void) snprintf(where, sizeof(where), "task/%s/fd", number);
        own.where = where;
        if (r == 0)
                r = each_number(subject->directory, where, count_fd, &own);
        if (r != 0 || (own.n >= SHARED_FDS_MIN && own.n == threads->shared.n && own.hash == threads->shared.hash))
                return r;
        return each_number(subject->directory, where, look_at_fd, &own);
}

static int tell_rest(struct subject *subject) {
        int r = 0;

        for (size_t kind = 0; kind < _HOLDER_KIND_MAX && r == 0; kind++) {
                _cleanup_free_ char *detail = NULL;

                if (subject->n[kind] <= ROWS_MAX)
                        continue;
                detail = text_format("and %zu more of the kind %s", subject->n[kind] - ROWS_MAX, holder_kind_name((enum holder_kind) kind));
                r = detail ? tell(subject->holders, HOLDER_MORE, subject->pid, subject->directory, detail) : -ENOMEM;
        }
        return r;
}

/* More than "." and ".." and the first thread. */
static bool has_threads(int directory) {
        struct stat status;

        return fstatat(directory, "task", &status, 0) == 0 && status.st_nlink > 3;
}

static int look_at_process(struct holders *holders, pid_t pid, int directory) {
        struct subject subject = {.holders = holders, .pid = pid, .directory = directory};
        struct threads threads = {.subject = &subject, .shared = {.subject = &subject, .where = "fd"}};
        int r = look(&subject, HOLDER_CWD, "cwd");

        if (r == 0)
                r = look(&subject, HOLDER_ROOT, "root");
        if (r == 0)
                r = look(&subject, HOLDER_EXE, "exe");
        if (r == 0)
                r = each_number(directory, "fd", look_at_fd, &threads.shared);
        if (r == 0)
                r = look_at_maps(&subject);
        subject.thread = true;
        if (r == 0 && has_threads(directory))
                r = each_number(directory, "task", look_at_thread, &threads);
        if (r == 0)
                r = tell_rest(&subject);
        subject_done(&subject);
        return r;
}

struct walk {
        struct holders *holders;
        int (*fn)(struct holders *holders, pid_t pid, int directory);
};

static int on_process(const char *number, void *userdata) {
        const struct walk *walk = userdata;
        pid_t pid = (pid_t) strtol(number, NULL, 10);
        _cleanup_close_ int directory = open_process(walk->holders, pid);

        return directory < 0 ? 0 : walk->fn(walk->holders, pid, directory) ?: holders_pulse(walk->holders);
}

int holders_each_process(struct holders *holders, int (*fn)(struct holders *holders, pid_t pid, int directory)) {
        struct walk walk = {.holders = holders, .fn = fn};

        return each_number(holders->proc, ".", on_process, &walk);
}

static int note_space(struct holders *holders, pid_t pid, int directory, const char *name) {
        struct holders_space *space;
        struct stat status;
        uintptr_t at;
        int r;

        if (fstatat(directory, name, &status, 0) < 0)
                return 0;
        at = (uintptr_t) map_get_u64(holders->by_inode, status.st_ino);
        if (at != 0) {
                space = &holders->spaces[at - 1];
                if (space->pid == 0)
                        space->pid = pid;
                return 0;
        }
        if (holders->spaces[0].id != 0)
                return 0; /* made since the kernel listed them */
        space = array_append(&holders->spaces, &holders->n_spaces);
        if (!space)
                return -ENOMEM;
        *space = (struct holders_space) {.inode = status.st_ino, .pid = pid};
        r = map_put_u64(holders->by_inode, status.st_ino, (void *) (uintptr_t) holders->n_spaces);
        return r;
}

struct thread_spaces {
        struct holders *holders;
        pid_t pid;
        int directory;
};

static int note_thread(const char *number, void *userdata) {
        const struct thread_spaces *of = userdata;
        char name[64];

        (void) snprintf(name, sizeof(name), "task/%s/ns/mnt", number); /* it is short */
        return note_space(of->holders, of->pid, of->directory, name);
}

static int note_process(struct holders *holders, pid_t pid, int directory) {
        struct thread_spaces of = {.holders = holders, .pid = pid, .directory = directory};
        int r = note_space(holders, pid, directory, "ns/mnt");

        return r == 0 && has_threads(directory) ? each_number(directory, "task", note_thread, &of) : r;
}

int holders_find_spaces(struct holders *holders) {
        int r = 0;

        for (size_t i = 0; i < holders->n_spaces && r == 0; i++)
                r = holders_put_once(holders->by_inode, holders->spaces[i].inode, (void *) (uintptr_t) (i + 1));
        return r == 0 ? holders_each_process(holders, note_process) : r;
}

int holders_find_processes(struct holders *holders) {
        return map_size(holders->recycled) > 0 ? holders_each_process(holders, look_at_process) : 0;
}
