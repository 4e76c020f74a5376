/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A place is taken when its job is not 0, so the job is written last and erased first. */

#include "store/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "util/log.h"
#include "util/path.h"

#define JOURNAL_MAGIC UINT64_C(0x316c6e726a6d7070) /* "ppmjrnl1" */

enum { JOURNAL_PLACES = 255 /* more jobs at once go into the database */ };

struct place {
        _Atomic uint64_t job;
        char uuid[37];
        uint8_t verb, lazy;
        uint8_t unused[17];
};

struct layout {
        uint64_t magic;
        uint8_t unused[56];
        struct place places[JOURNAL_PLACES];
};

_Static_assert(sizeof(struct place) == 64 && sizeof(struct layout) == 16384, "the file's format");

struct journal {
        struct layout *layout;
        size_t free; /* where a free place is looked for first */
};

static int open_file(const char *directory) {
        _cleanup_free_ char *path = path_join(directory, "intents");
        _cleanup_close_ int fd = -1;
        int r;

        if (!path)
                return log_oom();
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return log_errno(LOG_ERR, errno, "open %s", path);
        r = posix_fallocate(fd, 0, sizeof(struct layout)); /* a page that is missing later would kill us */
        return r != 0 ? log_errno(LOG_ERR, r, "make room for %s", path) : TAKE_FD(fd);
}

int journal_open(const char *directory, struct journal **ret) {
        _cleanup_(journal_freep) struct journal *journal = calloc(1, sizeof(*journal));
        _cleanup_close_ int fd = journal ? open_file(directory) : log_oom();

        if (fd < 0)
                return fd;
        journal->layout = mmap(NULL, sizeof(struct layout), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (journal->layout == MAP_FAILED) {
                journal->layout = NULL;
                return log_errno(LOG_ERR, errno, "map the intents");
        }
        if (journal->layout->magic != JOURNAL_MAGIC) {
                if (journal->layout->magic != 0)
                        log_error("The file of intents is none of podmount's: it begins anew");
                memset(journal->layout, 0, sizeof(struct layout));
                journal->layout->magic = JOURNAL_MAGIC;
        }
        *ret = TAKE_PTR(journal);
        return 0;
}

struct journal *journal_free(struct journal *journal) {
        if (!journal)
                return NULL;
        if (journal->layout)
                (void) munmap(journal->layout, sizeof(struct layout)); /* fails for a bad address only */
        free(journal);
        return NULL;
}

static struct place *find(const struct journal *journal, uint64_t job) {
        for (size_t i = 0; i < JOURNAL_PLACES; i++)
                if (atomic_load_explicit(&journal->layout->places[i].job, memory_order_relaxed) == job)
                        return &journal->layout->places[i];
        return NULL;
}

bool journal_put(struct journal *journal, uint64_t job, const char *uuid, enum record_verb verb, bool lazy) {
        struct place *place = &journal->layout->places[journal->free];

        if (strlen(uuid) >= sizeof(place->uuid))
                return false;
        if (place->job != 0)
                place = find(journal, 0);
        if (!place)
                return false;
        strcpy(place->uuid, uuid);
        place->verb = (uint8_t) verb;
        place->lazy = lazy;
        atomic_store(&place->job, job);
        return true;
}

bool journal_has(const struct journal *journal, uint64_t job) {
        return job != 0 && find(journal, job);
}

void journal_drop(struct journal *journal, uint64_t job) {
        struct place *place = job != 0 ? find(journal, job) : NULL;

        if (!place)
                return;
        atomic_store(&place->job, 0);
        journal->free = (size_t) (place - journal->layout->places);
}

int journal_next(struct journal *journal, size_t *cursor, struct record_intent *ret) {
        for (; *cursor < JOURNAL_PLACES; (*cursor)++) {
                struct place *place = &journal->layout->places[*cursor];

                if (place->job == 0)
                        continue;
                if (!memchr(place->uuid, 0, sizeof(place->uuid)) || place->verb >= _RECORD_VERB_MAX || place->lazy > 1) {
                        log_error("The file of intents holds what podmount does not write; one of them is passed over");
                        atomic_store(&place->job, 0);
                        continue;
                }
                *ret = (struct record_intent){
                        .job = place->job,
                        .uuid = strdup(place->uuid),
                        .verb = (enum record_verb) place->verb,
                        .lazy = place->lazy,
                };
                (*cursor)++;
                return ret->uuid ? 1 : log_oom();
        }
        return 0;
}
