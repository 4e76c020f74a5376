/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes the runtime directory what runtime.h says. Everything is done on fds, nothing follows a symbolic link below the
 * directory, and nothing but the directory itself is touched before the lock is ours.
 */

#include "runtime.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "kernel/own-space.h"
#include "util/array.h"
#include "util/event.h"
#include "util/log.h"

enum { LISTEN_BACKLOG = 128 };

/* Opens the directory `name` below `fd`, made when missing, and gives it this owner and mode. */
static int own_directory(int fd, const char *name, uid_t uid, gid_t gid, mode_t mode) {
        _cleanup_close_ int directory = -1;

        if (mkdirat(fd, name, 0700) < 0 && errno != EEXIST)
                return log_errno(LOG_ERR, errno, "cannot make %s in the runtime directory", name);
        directory = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (directory < 0)
                return log_errno(LOG_ERR, errno, "%s in the runtime directory must be a directory; remove what is there", name);
        if (fchown(directory, uid, gid) < 0 || fchmod(directory, mode) < 0)
                return log_errno(LOG_ERR, errno, "cannot set owner and mode of %s in the runtime directory", name);
        return TAKE_FD(directory);
}

static int open_directory(const char *path, char **ret_path, int *ret_fd) {
        _cleanup_close_ int fd = -1;
        _cleanup_free_ char *real = NULL;
        struct stat st;

        if (mkdir(path, 0755) < 0 && errno != EEXIST)
                return log_errno(LOG_ERR, errno, "cannot make the runtime directory %s", path);
        real = realpath(path, NULL);
        if (!real)
                return log_errno(LOG_ERR, errno, "cannot resolve the runtime directory %s", path);
        fd = open(real, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return log_errno(LOG_ERR, errno, "cannot open the runtime directory %s", real);
        if (st.st_uid != 0)
                return log_errno(LOG_ERR, EPERM, "the runtime directory %s belongs to uid %u, it must be root's: chown it or choose another",
                                 real, (unsigned) st.st_uid);
        if (fchmod(fd, 0755) < 0)
                return log_errno(LOG_ERR, errno, "cannot set the mode of %s", real);
        *ret_path = TAKE_PTR(real);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static int take_lock(int fd, const char *path) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        _cleanup_close_ int lock_fd = openat(fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

        if (lock_fd < 0)
                return log_errno(LOG_ERR, errno, "cannot open %s/lock", path);
        if (fcntl(lock_fd, F_SETLK, &lock) >= 0)
                return TAKE_FD(lock_fd);
        if (errno != EAGAIN && errno != EACCES)
                return log_errno(LOG_ERR, errno, "cannot lock %s/lock", path);

        lock = (struct flock) {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        if (fcntl(lock_fd, F_GETLK, &lock) >= 0 && lock.l_type != F_UNLCK && lock.l_pid > 0)
                event_log(EVENT_ALREADY_RUNNING, NULL, "podmountd runs on %s already, as process %d: stop that one or choose another --runtime-dir", path,
                          (int) lock.l_pid);
        else
                event_log(EVENT_ALREADY_RUNNING, NULL, "podmountd runs on %s already: stop that one or choose another --runtime-dir", path);
        return -EBUSY;
}

/* Replaces a link that points elsewhere: ours is the only writer of the directory. */
static int link_database(int fd) {
        if (unlinkat(fd, "state.db", 0) < 0 && errno != ENOENT)
                return log_errno(LOG_ERR, errno, "cannot replace state.db in the runtime directory; remove it");
        if (symlinkat("state/state.db", fd, "state.db") < 0)
                return log_errno(LOG_ERR, errno, "cannot link state.db in the runtime directory");
        return 0;
}

/* Binds by way of /proc/self/fd, so that a long path to the directory does not matter to sun_path's 108 bytes. */
static int listen_socket(int fd, const char *path, const char *name) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_close_ int listener = -1;

        if (unlinkat(fd, name, 0) < 0 && errno != ENOENT)
                return log_errno(LOG_ERR, errno, "cannot replace %s/%s; remove it", path, name);
        listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (listener < 0)
                return log_errno(LOG_ERR, errno, "socket");
        (void) snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", fd, name); /* always fits */
        if (bind(listener, (struct sockaddr *) &address, sizeof(address)) < 0)
                return log_errno(LOG_ERR, errno, "cannot bind %s/%s", path, name);
        if (fchmodat(fd, name, 0666, 0) < 0)
                return log_errno(LOG_ERR, errno, "cannot set the mode of %s/%s", path, name);
        if (listen(listener, LISTEN_BACKLOG) < 0)
                return log_errno(LOG_ERR, errno, "cannot listen on %s/%s", path, name);
        return TAKE_FD(listener);
}

/* Takes the listening socket that the service manager calls `name`, if it passes one; -1 if not. What else it passes is closed. */
static int adopt_socket(const char *name, int *ret) {
        char **names = NULL;
        int n = sd_listen_fds_with_names(true, &names), r = n < 0 ? log_errno(LOG_ERR, n, "cannot take the service manager's sockets") : 0;

        *ret = -1;
        for (int i = 0; i < n; i++) {
                int fd = SD_LISTEN_FDS_START + i;

                if (*ret < 0 && strcmp(names[i], name) == 0 && sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0) > 0)
                        *ret = fd;
                else {
                        log_warning("the service manager passes a socket \"%s\" that podmountd does not listen on: it is closed", names[i]);
                        (void) close_fd(fd);
                }
                free(names[i]);
        }
        free(names);
        if (*ret >= 0 && (fcntl(*ret, F_SETFL, O_NONBLOCK) < 0 || fcntl(*ret, F_SETFD, FD_CLOEXEC) < 0))
                r = log_errno(LOG_ERR, errno, "cannot set the flags of the service manager's socket");
        return r;
}

/*
 * An executor of an earlier keeper that was killed in the middle of a system call makes its mount before it ends. As long as
 * it is there, so is its open file description with this lock, flock(2): recovery begins when all are gone. Whoever hangs in
 * a dead file system may never end; a start does not hang with it. `turns`: what is left of the time for all of them.
 */
static void await_executor(int fd, unsigned slot, int *turns) {
        for (bool told = false;; told = true) {
                const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};

                if (flock(fd, LOCK_EX | LOCK_NB) >= 0)
                        return;
                if (errno != EWOULDBLOCK && errno != EINTR)
                        return (void) log_errno(LOG_WARNING, errno, "lock intent/%u in the runtime directory", slot);
                if (*turns == 0)
                        break;
                if (!told)
                        log_notice("Waiting for executor %u of an earlier podmountd, which has not ended yet", slot);
                --*turns;
                (void) nanosleep(&pause, NULL); /* a signal makes it shorter */
        }
        log_warning("Executor %u of an earlier podmountd does not end: what it still does may depart from the records", slot);
}

static int open_intents(struct runtime *runtime, int directory, unsigned n_slots) {
        int turns = 1000, *fds = runtime->intent_fds;

        for (unsigned slot = 0; slot < RUNTIME_SLOTS_MAX; slot++) {
                char name[sizeof("4294967295")];

                (void) snprintf(name, sizeof(name), "%u", slot); /* always fits */
                fds[slot] = openat(directory, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | (slot < n_slots ? O_CREAT : 0), 0600);
                if (fds[slot] < 0 && (slot < n_slots || errno != ENOENT))
                        return log_errno(LOG_ERR, errno, "cannot open intent/%s in the runtime directory", name);
                if (fds[slot] < 0)
                        continue;
                runtime->read_intent_fds[slot] = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
                if (runtime->read_intent_fds[slot] < 0)
                        return log_errno(LOG_ERR, errno, "cannot open intent/%s in the runtime directory", name);
                await_executor(fds[slot], slot, &turns);
        }
        return 0;
}

/* The mount namespace that a pod has to itself: its table is opened, for the front may not enter it. */
static int take_text(struct runtime *runtime, int directory, const char *name) {
        _cleanup_close_ int namespace = -1, text = -1;
        struct own_space_text *slot;

        if (strlen(name) != sizeof(slot->name) - 1)
                return 0;
        namespace = own_space_open(directory, name);
        text = namespace < 0 ? namespace : own_space_mountinfo(namespace);
        if (text < 0) { /* the pod's mounts show as missing */
                (void) log_errno(LOG_WARNING, text, "look at the mount namespace at ns/%s", name);
                return 0;
        }
        slot = array_append(&runtime->texts, &runtime->n_texts);
        if (!slot)
                return log_oom();
        strcpy(slot->name, name);
        slot->fd = TAKE_FD(text);
        return 0;
}

/* Files that nothing is mounted on are left over from a bind or an unbind that was interrupted; what is mounted on says EBUSY. */
static int go_over_pin(struct runtime *runtime, int directory, const char *name) {
        if (unlinkat(directory, name, 0) == 0 || errno == ENOENT)
                return 0;
        if (errno == EBUSY)
                return take_text(runtime, directory, name);
        (void) log_errno(LOG_WARNING, errno, "remove what is left over of ns/%s", name);
        return 0;
}

/* A directory that nothing is mounted on is left over from a layer that was got or put back. */
static int go_over_layer(int directory, const char *name) {
        if (name[0] != '.' && unlinkat(directory, name, AT_REMOVEDIR) < 0 && errno != EBUSY && errno != ENOENT)
                (void) log_errno(LOG_WARNING, errno, "remove what is left over of layers/%s", name);
        return 0;
}

/* Files in ns/, or directories in layers/. */
static int go_over(struct runtime *runtime, int directory, const char *what, unsigned char type) {
        _cleanup_closedir_ DIR *entries = NULL;
        const struct dirent *entry;
        int fd = fcntl(directory, F_DUPFD_CLOEXEC, 3), r = 0;

        entries = fd < 0 ? NULL : fdopendir(fd);
        if (!entries) {
                int error = errno;

                (void) close_fd(fd);
                return log_errno(LOG_ERR, error, "read %s/ in the runtime directory", what);
        }
        while (r == 0 && (entry = readdir(entries)))
                if (entry->d_type == type)
                        r = type == DT_REG ? go_over_pin(runtime, directory, entry->d_name) : go_over_layer(directory, entry->d_name);
        return r;
}

static int fill_directory(struct runtime *runtime, uid_t uid, gid_t gid, unsigned n_slots) {
        _cleanup_close_ int pods = -1, layers = -1, intent = -1, state = -1, pins = -1;
        int r;

        pods = own_directory(runtime->fd, "pods", 0, 0, 0711);
        if (pods < 0)
                return pods;
        layers = own_directory(runtime->fd, "layers", 0, 0, 0711);
        if (layers < 0)
                return layers;
        intent = own_directory(runtime->fd, "intent", 0, 0, 0700);
        if (intent < 0)
                return intent;
        state = own_directory(runtime->fd, "state", uid, gid, 0700);
        if (state < 0)
                return state;
        pins = own_directory(runtime->fd, "ns", 0, 0, 0755);
        if (pins < 0)
                return pins;
        r = open_intents(runtime, intent, n_slots);
        if (r < 0)
                return r;
        r = own_space_prepare(pins);
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "prepare ns/ in the runtime directory: pods may have no mount namespaces to themselves");
        pins = close_fd(pins);
        pins = own_directory(runtime->fd, "ns", 0, 0, 0755); /* what is mounted there now */
        if (pins < 0)
                return pins;
        r = go_over(runtime, pins, "ns", DT_REG);
        if (r == 0)
                r = go_over(runtime, layers, "layers", DT_DIR);
        if (r < 0)
                return r;
        return link_database(runtime->fd);
}

int runtime_prepare(const char *path, uid_t uid, gid_t gid, unsigned n_slots, struct runtime *ret) {
        _cleanup_runtime_ struct runtime runtime = RUNTIME_INIT;
        _cleanup_close_ int directory = -1;
        int r;

        r = open_directory(path, &runtime.path, &directory);
        if (r < 0)
                return r;
        runtime.fd = openat(directory, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (runtime.fd < 0)
                return log_errno(LOG_ERR, errno, "cannot open the runtime directory %s", runtime.path);
        runtime.lock_fd = take_lock(directory, runtime.path);
        if (runtime.lock_fd < 0)
                return runtime.lock_fd;
        r = fill_directory(&runtime, uid, gid, n_slots);
        if (r < 0)
                return r;
        runtime.listen_fd = listen_socket(directory, runtime.path, "socket");
        if (runtime.listen_fd < 0)
                return runtime.listen_fd;
        r = adopt_socket("varlink", &runtime.varlink_fd);
        if (r < 0)
                return r;
        if (runtime.varlink_fd < 0)
                runtime.varlink_fd = listen_socket(directory, runtime.path, "varlink");
        if (runtime.varlink_fd < 0)
                return runtime.varlink_fd;

        *ret = runtime;
        runtime = RUNTIME_INIT;
        return 0;
}

void runtime_close_texts(struct runtime *runtime) {
        for (size_t i = 0; i < runtime->n_texts; i++)
                (void) close_fd(runtime->texts[i].fd);
        free(runtime->texts);
        runtime->texts = NULL;
        runtime->n_texts = 0;
}

void runtime_done(struct runtime *runtime) {
        runtime_close_texts(runtime);
        if (runtime->fd >= 0 && runtime->lock_fd >= 0)
                own_space_leave(runtime->fd, "ns"); /* a host without pods' namespaces is as it was */
        free(runtime->path);
        (void) close_fd(runtime->fd);
        (void) close_fd(runtime->lock_fd);
        (void) close_fd(runtime->listen_fd);
        (void) close_fd(runtime->varlink_fd);
        for (unsigned slot = 0; slot < RUNTIME_SLOTS_MAX; slot++)
                (void) close_fd(runtime->intent_fds[slot]);
        for (unsigned slot = 0; slot < RUNTIME_SLOTS_MAX; slot++)
                (void) close_fd(runtime->read_intent_fds[slot]);
        *runtime = RUNTIME_INIT;
}
