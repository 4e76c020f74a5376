/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opens additional stores. Of a path no component may be a symlink, so that it leads where the configuration says. */

#include "stores.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "kernel/resolve.h"
#include "state.h"
#include "util/event.h"
#include "util/log.h"
#include "util/text.h"

static void close_store(struct additional_store *store) {
        store->layers_fd = close_fd(store->layers_fd);
        store->records_fd = close_fd(store->records_fd);
        store->lock_fd = close_fd(store->lock_fd);
        store->mount_fd = close_fd(store->mount_fd);
}

/* Why it cannot be used. 1, for "no failure, but no store either". */
static int give_up(struct additional_store *store, int error, const char *what) {
        close_store(store);
        store->reason = error ? text_format("%s (%s)", what, strerror(error)) : strdup(what);
        if (!store->reason)
                return log_oom();
        event_log(EVENT_LAYERS_UNAVAILABLE, NULL, "the additional store %s cannot be used: %s", store->path, store->reason);
        return 1;
}

static int open_directory(struct additional_store *store, int *ret_fd) {
        _cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), place = -1;
        int r;

        if (root < 0)
                return log_errno(LOG_ERR, errno, "open /");
        r = resolve_beneath(root, store->path + 1, false);
        if (r == -ELOOP)
                return give_up(store, 0, "its path leads over a symlink; name the place itself");
        if (r == -ENOENT)
                return give_up(store, 0, "there is no such directory; mount it, and start podmountd again");
        if (r < 0)
                return give_up(store, -r, "it cannot be reached");
        place = r;
        *ret_fd = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return *ret_fd < 0 ? give_up(store, errno, "it cannot be opened") : 0;
}

static int compare_own(struct additional_store *store, int fd, const char *own, struct stat *ret) {
        struct stat st;

        if (fstat(fd, ret) < 0)
                return give_up(store, errno, "it cannot be looked at");
        if (stat(own, &st) >= 0 && st.st_dev == ret->st_dev && st.st_ino == ret->st_ino)
                return give_up(store, 0, "it is this podmountd's own state directory; take it off AdditionalStores=");
        return 0;
}

/* Nobody but root decides what is in it. */
static int check_owner(struct additional_store *store, const struct stat *st) {
        if (st->st_uid != 0)
                return give_up(store, 0, "it is not root's; chown it");
        if (st->st_mode & (S_IWGRP | S_IWOTH))
                return give_up(store, 0, "others than root could write to it; chmod go-w it");
        return 0;
}

static int take_lock(struct additional_store *store, int fd) {
        struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};

        store->lock_fd = openat(fd, "lock", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (store->lock_fd < 0)
                return errno == ENOENT ? 0 : give_up(store, errno, "its lock cannot be opened");
        if (fcntl(store->lock_fd, F_SETLK, &lock) >= 0)
                return 0;
        if (errno == EAGAIN || errno == EACCES)
                return give_up(store, 0, "a podmountd runs on it; stop that one, and start this one again");
        return 0; /* a file system without locks: then nobody else has one, either */
}

static int open_part(struct additional_store *store, int fd, const char *name, struct stat *ret_st, int *ret_fd) {
        *ret_fd = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (*ret_fd < 0 && errno == ENOENT)
                return give_up(store, 0, "layers/ or records/ is missing in it: it is no state directory of a podmountd (--state-dir)");
        if (*ret_fd < 0 || fstat(*ret_fd, ret_st) < 0)
                return give_up(store, errno, "layers/ or records/ in it cannot be opened");
        return 0;
}

/* Whether whoever has this file or directory could change what is in the store's records. The user that its daemon had is another's here, unless it
 * is that of our front; nobody reaches what is in a directory that only root may pass. */
static bool is_safe(const struct stat *st, const struct stat *top, uid_t uid) {
        if (st->st_mode & (S_IWGRP | S_IWOTH))
                return false;
        return st->st_uid == 0 || st->st_uid == uid || (top->st_mode & (S_IXGRP | S_IXOTH)) == 0;
}

static int check_journals(struct additional_store *store, int records) {
        static const char *const names[] = {"layers.db-wal", "layers.db-journal"};
        struct stat st;

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (fstatat(records, names[i], &st, AT_SYMLINK_NOFOLLOW) >= 0 && st.st_size > 0)
                        return give_up(store, 0, "its podmountd was not stopped in order, and records/layers.db has a journal; start that one and stop it");
        return 0;
}

static int open_records(struct additional_store *store, const struct stat *top, uid_t uid) {
        _cleanup_close_ int records = -1;
        struct stat st;
        int r = open_part(store, store->mount_fd, "records", &st, &records);

        if (r != 0)
                return r;
        if (!is_safe(&st, top, uid))
                return give_up(store, 0, "others than root could write to records/ in it; chown it to root, or chmod 0700 the store");
        r = check_journals(store, records);
        if (r != 0)
                return r;
        store->records_fd = openat(records, "layers.db", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (store->records_fd < 0 || fstat(store->records_fd, &st) < 0)
                return give_up(store, errno, "records/layers.db in it cannot be opened");
        if (!S_ISREG(st.st_mode) || !is_safe(&st, top, uid))
                return give_up(store, 0, "others than root could write to records/layers.db in it; chown it to root, or chmod 0700 the store");
        return 0;
}

static int open_layers(struct additional_store *store) {
        struct stat st;
        int r = open_part(store, store->mount_fd, "layers", &st, &store->layers_fd);

        if (r != 0)
                return r;
        if (st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)))
                return give_up(store, 0, "others than root could write to layers/ in it; chown it to root, and chmod 0700 it");
        return 0;
}

static int open_store(struct additional_store *store, const char *own, uid_t uid, const struct features *features) {
        _cleanup_close_ int fd = -1;
        struct stat st;
        int r = open_directory(store, &fd);

        if (r == 0)
                r = compare_own(store, fd, own, &st); /* first: closing a second fd of a lock gives it up */
        if (r == 0)
                r = check_owner(store, &st);
        if (r == 0)
                r = take_lock(store, fd);
        if (r != 0)
                return r;
        store->mount_fd = state_clone(fd, MOUNT_ATTR_RDONLY, features);
        if (store->mount_fd < 0) {
                r = -store->mount_fd;
                store->mount_fd = -1;
                return give_up(store, r, "no mount of its own can be made");
        }
        r = open_records(store, &st, uid);
        return r == 0 ? open_layers(store) : r;
}

/* Another name for one that is there already would have the lock given up with the one that goes. */
static bool is_there(const struct stores *stores, const struct additional_store *store) {
        struct stat st, other;

        for (size_t i = 0; i < stores->n; i++)
                if (stat(store->path, &st) >= 0 && stat(stores->list[i].path, &other) >= 0 && st.st_dev == other.st_dev && st.st_ino == other.st_ino)
                        return true;
        return false;
}

int stores_prepare(const char *list, const char *own, uid_t uid, const struct features *features, struct stores *ret) {
        int r = 0;

        ret->n = 0;
        for (size_t size; *list && ret->n < SETTINGS_STORES_MAX && r >= 0; list += size + (list[size] == ' ')) {
                struct additional_store *store = &ret->list[ret->n];

                size = strcspn(list, " ");
                *store = (struct additional_store) {.path = strndup(list, size), .lock_fd = -1, .mount_fd = -1, .layers_fd = -1, .records_fd = -1};
                if (!store->path)
                        return log_oom();
                r = is_there(ret, store) ? give_up(store, 0, "another one before it is the same directory") : open_store(store, own, uid, features);
                ret->n++;
        }
        return r < 0 ? r : 0;
}

void stores_done(struct stores *stores) {
        for (size_t i = 0; i < stores->n; i++) {
                close_store(&stores->list[i]);
                free(stores->list[i].path);
                free(stores->list[i].reason);
        }
        stores->n = 0;
}
