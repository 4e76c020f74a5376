/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file: a header, then one entry a mount, written through a shared mapping. Nothing is synced: the file has to
 * outlive processes, not the boot. An entry is there when the count says so, so the count is written last. */

#include "executor/intent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "plan/step.h"
#include "util/log.h"
#include "util/text.h"

#define INTENT_MAGIC UINT64_C(0x31746e65746e6970) /* "pintent1" */

struct layout {
        uint64_t magic;
        _Atomic uint64_t job;
        _Atomic uint32_t count;
        _Atomic uint32_t running; /* 0: it has ended; else the step that it is at, counted from 1 */
        struct intent_mount mounts[JOB_STEPS_MAX];
};

struct intent {
        int fd;
        struct layout *layout;
        uint32_t reserved; /* entries that the file system has room for */
};

enum {
        FIRST = 128,    /* entries that are in the first page… */
        PORTION = 1024, /* …and that room is made for at a time after that */
};

/* Text lies in entries of a step that no job has. */
enum {
        TEXT_STEP = UINT32_MAX,
        TEXT_SIZE = sizeof(struct intent_mount) - sizeof(uint32_t),
        TEXT_ENTRIES_MAX = JOB_STEPS_MAX / 8, /* and no more text after that */
};
_Static_assert(offsetof(struct intent_mount, mount_id) == sizeof(uint32_t), "the step is what text does not use");
_Static_assert(offsetof(struct layout, mounts) + FIRST * sizeof(struct intent_mount) <= 4096, "the first page");

/* Where there is no room, a write through the mapping would end the process, SIGBUS in mmap(2): so room is made before. */
static int reserve(struct intent *intent, uint32_t entries) {
        int r;

        if (entries > JOB_STEPS_MAX)
                entries = JOB_STEPS_MAX;
        do
                r = fallocate(intent->fd, 0, 0, (off_t) (offsetof(struct layout, mounts) + entries * sizeof(struct intent_mount)));
        while (r < 0 && errno == EINTR);
        if (r < 0 && errno != EOPNOTSUPP) /* then the file system cannot say */
                return log_errno(LOG_ERR, errno, "make room in the intent file, in the runtime directory");
        intent->reserved = entries;
        return 0;
}

int intent_map(int fd, struct intent **ret) {
        _cleanup_(intent_freep) struct intent *intent = calloc(1, sizeof(*intent));

        int r;

        if (!intent)
                return log_oom();
        intent->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (intent->fd < 0)
                return log_errno(LOG_ERR, errno, "keep the intent file");
        if (ftruncate(fd, sizeof(struct layout)) < 0)
                return log_errno(LOG_ERR, errno, "size the intent file");
        intent->layout = mmap(NULL, sizeof(struct layout), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (intent->layout == MAP_FAILED) {
                intent->layout = NULL;
                return log_errno(LOG_ERR, errno, "map the intent file");
        }
        /* Openers are no place for it. */
        if (madvise(intent->layout, sizeof(struct layout), MADV_DONTFORK) < 0)
                return log_errno(LOG_ERR, errno, "keep the intent file from children");
        r = reserve(intent, FIRST);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(intent);
        return 0;
}

struct intent *intent_free(struct intent *intent) {
        if (!intent)
                return NULL;
        if (intent->layout)
                (void) munmap(intent->layout, sizeof(struct layout)); /* fails for a bad address only */
        (void) close_fd(intent->fd);
        free(intent);
        return NULL;
}

void intent_begin(struct intent *intent, uint64_t job) {
        struct layout *layout = intent->layout;

        atomic_store(&layout->count, 0);
        atomic_store(&layout->job, job);
        atomic_store(&layout->running, 1);
        layout->magic = INTENT_MAGIC;
}

int intent_add(struct intent *intent, uint32_t step, uint64_t id, uint32_t mount_id) {
        struct layout *layout = intent->layout;
        uint32_t n = atomic_load(&layout->count);

        if (n >= JOB_STEPS_MAX)
                return -E2BIG;
        if (n >= intent->reserved) {
                int r = reserve(intent, n + PORTION);

                if (r < 0)
                        return r;
        }
        layout->mounts[n] = (struct intent_mount){.step = step, .mount_id = mount_id, .id = id};
        atomic_store(&layout->count, n + 1);
        return 0;
}

int intent_add_directory(struct intent *intent, uint32_t step, enum intent_directory which, uint32_t made) {
        return intent_add(intent, step, (uint64_t) which << 32 | made, 0);
}

enum intent_directory intent_is_directory(const struct intent_mount *entry, uint32_t *ret_made) {
        uint64_t which = entry->mount_id == 0 && entry->step != TEXT_STEP ? entry->id >> 32 : INTENT_NO_DIRECTORY;

        if (which == INTENT_NO_DIRECTORY || which > INTENT_POINT_FILE)
                return INTENT_NO_DIRECTORY;
        *ret_made = (uint32_t) entry->id;
        return (enum intent_directory) which;
}

bool intent_is_mount(const struct intent_mount *entry) {
        uint32_t made;

        return entry->step != TEXT_STEP && intent_is_directory(entry, &made) == INTENT_NO_DIRECTORY;
}

int intent_add_place(struct intent *intent, const char *container, const char *target) {
        _cleanup_free_ char *text = text_format("%s%s", container, target);
        size_t length = text ? strlen(text) : 0;

        if (!text)
                return log_oom();
        if (atomic_load(&intent->layout->count) + length / TEXT_SIZE + 1 > TEXT_ENTRIES_MAX)
                return 0;
        for (size_t done = 0; done < length; done += TEXT_SIZE) {
                struct intent_mount entry = {.step = TEXT_STEP};
                size_t part = length - done < TEXT_SIZE ? length - done : TEXT_SIZE;
                int r;

                memcpy((char *) &entry + sizeof(entry.step), text + done, part);
                r = intent_add(intent, entry.step, entry.id, entry.mount_id);
                if (r < 0)
                        return r;
        }
        return 0;
}

int intent_place_of(const struct intent_mount *entries, size_t n, char **ret) {
        size_t first = n;
        char *text;

        while (first > 0 && entries[first - 1].step == TEXT_STEP)
                first--;
        if (first == n)
                return 0;
        text = calloc(n - first + 1, TEXT_SIZE);
        if (!text)
                return log_oom();
        for (size_t i = first; i < n; i++)
                memcpy(text + (i - first) * TEXT_SIZE, (const char *) &entries[i] + sizeof(entries[i].step), TEXT_SIZE);
        *ret = text;
        return 1;
}

void intent_end(struct intent *intent) {
        atomic_store(&intent->layout->running, 0);
}

void intent_at(struct intent *intent, uint32_t step) {
        atomic_store(&intent->layout->running, step + 1);
}

static int read_all(int fd, void *data, size_t size, off_t offset) {
        for (size_t done = 0; done < size;) {
                ssize_t n = pread(fd, (char *) data + done, size - done, offset + (off_t) done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return -EBADMSG;
                done += (size_t) n;
        }
        return 0;
}

/* What stands before the mounts. */
struct header {
        uint64_t magic, job;
        uint32_t count, running;
};
_Static_assert(sizeof(struct header) == offsetof(struct layout, mounts), "the header of the file");

bool intent_read_at(int fd, uint64_t job, uint32_t *ret_step) {
        struct header header;

        if (read_all(fd, &header, sizeof(header), 0) < 0 || header.magic != INTENT_MAGIC || header.job != job || header.running == 0)
                return false;
        *ret_step = header.running - 1;
        return true;
}

int intent_read(int fd, uint64_t *ret_job, struct intent_mount **ret, size_t *ret_n) {
        struct header header;
        _cleanup_free_ struct intent_mount *mounts = NULL;
        struct stat status;
        int r;

        if (fstat(fd, &status) < 0)
                return log_errno(LOG_ERR, errno, "fstat an intent file");
        if (status.st_size == 0)
                return 0;
        r = read_all(fd, &header, sizeof(header), 0);
        if (r < 0)
                return r;
        if (header.magic == 0 && header.job == 0 && header.count == 0)
                return 0;
        if (header.magic != INTENT_MAGIC || header.count > JOB_STEPS_MAX)
                return -EBADMSG;
        mounts = calloc(header.count > 0 ? header.count : 1, sizeof(*mounts));
        if (!mounts)
                return log_oom();
        r = read_all(fd, mounts, header.count * sizeof(*mounts), sizeof(header));
        if (r < 0)
                return r;
        *ret_job = header.job;
        *ret_n = header.count;
        *ret = TAKE_PTR(mounts);
        return 1;
}
