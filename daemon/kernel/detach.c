/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* umount2(2), through the parent's fd. The caller has compared the mount's id just before. */

#include "kernel/detach.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "kernel/syscalls.h"
#include "kernel/visit.h"
#include "util/log.h"

int detach_enter(int directory) {
        return fchdir(directory) < 0 ? -errno : 0;
}

void detach_leave(void) {
        /* "/" can always be entered by root. */
        if (chdir("/") < 0)
                (void) log_errno(LOG_WARNING, errno, "leave a mount point's directory");
}

static int unmount_here(const char *name, int flags) {
        return umount2(name, flags) < 0 ? -errno : 0;
}

/* The working directory, in which the name is, may well be held open for as long. */
static int unmount_away(const char *name, int flags, int r) {
        _cleanup_visit_ struct visit visit = VISIT_INIT;

        if (!away_enter(&visit))
                return r;
        return fchdir(visit.directory) < 0 ? -errno : unmount_here(name, flags);
}

int detach_name(const char *name, bool lazy) {
        const int flags = UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0);
        int r = unmount_here(name, flags);

        return r == -EINVAL ? unmount_away(name, flags, r) : r;
}

enum { THREADS = 16 };

struct crowd {
        struct detach_item *items;
        size_t n;
        void (*begun)(size_t i, void *userdata);
        void *userdata;
        atomic_size_t next, n_places;
        atomic_size_t places[THREADS]; /* what each of them is at; SIZE_MAX: nothing */
        atomic_bool over;              /* one does not go */
};

/* Two that tell at the same time may tell in the wrong order; the next one that is begun tells again. */
static void tell_begun(struct crowd *crowd) {
        size_t first = SIZE_MAX;

        for (size_t i = 0; i < THREADS; i++) {
                const size_t at = atomic_load(&crowd->places[i]);

                first = at < first ? at : first;
        }
        if (first != SIZE_MAX)
                crowd->begun(first, crowd->userdata);
}

static bool take_off(struct detach_item *item) {
        if (identity_read(AT_FDCWD, item->name, true, &item->identity) < 0 || item->identity.key != item->id || !item->identity.mount_root)
                return false;
        item->gone = unmount_here(item->name, UMOUNT_NOFOLLOW) == 0;
        return item->gone;
}

/* With a working directory of its own, which it leaves: a thread that has been joined may hold what it had for a while. */
static void *take_turns(void *userdata) {
        struct crowd *crowd = userdata;
        atomic_size_t *place = &crowd->places[atomic_fetch_add(&crowd->n_places, 1)];
        size_t i;

        if (unshare(CLONE_FS) < 0)
                return NULL;
        while (!atomic_load(&crowd->over) && (i = atomic_fetch_add(&crowd->next, 1)) < crowd->n) {
                atomic_store(place, i);
                tell_begun(crowd);
                if (!take_off(&crowd->items[i]))
                        atomic_store(&crowd->over, true);
        }
        atomic_store(place, SIZE_MAX);
        tell_begun(crowd);
        detach_leave();
        return NULL;
}

void detach_many(struct detach_item *items, size_t n, void (*begun)(size_t i, void *userdata), void *userdata) {
        enum { SHARE = 8 /* not worth a thread: fewer */, STACK_SIZE = 64 * 1024 };
        struct crowd crowd = {.items = items, .n = n, .begun = begun, .userdata = userdata};
        pthread_t threads[THREADS];
        pthread_attr_t attributes;
        size_t n_threads = 0;

        if (pthread_attr_init(&attributes) != 0)
                return;
        for (size_t i = 0; i < THREADS; i++)
                atomic_init(&crowd.places[i], SIZE_MAX);
        (void) pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN + STACK_SIZE); /* as it is, it would do */
        while (n_threads < THREADS && n_threads < n / SHARE && pthread_create(&threads[n_threads], &attributes, take_turns, &crowd) == 0)
                n_threads++;
        for (size_t i = 0; i < n_threads; i++)
                (void) pthread_join(threads[i], NULL); /* cannot fail: each is joined once */
        (void) pthread_attr_destroy(&attributes);
}

int detach_fd(int mount) {
        char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
        _cleanup_visit_ struct visit visit = VISIT_INIT;
        int r;

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", mount); /* cannot be cut: sized for any int */
        r = unmount_here(path, MNT_DETACH);
        return r == -EINVAL && away_enter(&visit) ? visit_detach(&visit, mount) : r;
}
