/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The root goes first, the powers last: changing the root takes what is given up then. */

#include "kernel/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "kernel/fscontext.h"
#include "kernel/resolve.h"
#include "kernel/syscalls.h"
#include "kernel/tree.h"
#include "kernel/visit.h"
#include "util/channel.h"

static int empty_place(void) {
        _cleanup_fscontext_ struct fscontext context = FSCONTEXT_INIT;
        int r = fscontext_open(&context, "tmpfs");

        if (r == 0)
                r = fscontext_set(&context, "nr_inodes", "2");
        if (r < 0)
                return r;
        return fscontext_mount(&context, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

/* The fds are opened while there is a /proc. */
static int furnish(struct confine_room *room) {
        _cleanup_close_ int place = empty_place();

        if (place < 0)
                return place;
        room->mounts = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
        room->network = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        return room->mounts < 0 || room->network < 0 ? -errno : visit_change_root(place);
}

static _noreturn_ void make_room(int socket) {
        struct confine_room room = CONFINE_ROOM_INIT;
        int32_t word;

        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
                _exit(1);
        word = furnish(&room);
        (void) channel_send(socket, &word, sizeof(word), (const int[]) {room.mounts, room.network}, word < 0 ? 0 : 2); /* unheard, it ends just the same */
        _exit(0);
}

int confine_room_make(struct confine_room *ret) {
        _cleanup_message_ struct channel_message message = {};
        _cleanup_close_ int ours = -1;
        int32_t word;
        int pair[2], r;
        long pid;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        ours = pair[0];
        pid = syscall(SYS_clone, CLONE_NEWNS | CLONE_NEWNET | SIGCHLD, NULL, NULL, NULL, 0);
        if (pid == 0)
                make_room(pair[1]);
        r = pid < 0 ? -errno : 0;
        (void) close_fd(pair[1]);
        if (r == 0)
                r = channel_receive(ours, 0, &message);
        if (r < 0)
                return r;
        if (r == 0 || message.size != sizeof(word))
                return -EIO; /* it was killed */
        memcpy(&word, message.data, sizeof(word));
        if (word < 0)
                return word;
        if (message.n_fds != 2)
                return -EIO;
        ret->mounts = TAKE_FD(message.fds[0]);
        ret->network = TAKE_FD(message.fds[1]);
        return 0;
}

void confine_room_done(struct confine_room *room) {
        room->mounts = close_fd(room->mounts);
        room->network = close_fd(room->network);
}

int confine_enter(const struct confine_room *room, int mount) {
        if (setns(room->mounts, CLONE_NEWNS) < 0 || setns(room->network, CLONE_NEWNET) < 0)
                return -errno;
        if (mount < 0)
                return 0;
        return unshare(CLONE_NEWNS) < 0 ? -errno : visit_change_root(mount);
}

int confine_root(int mount) {
        _cleanup_close_ int place = mount >= 0 ? mount : empty_place();

        if (place < 0)
                return mount >= 0 ? -EBADF : place;
        return visit_change_root(place);
}

int confine_within(const char *directory) {
        _cleanup_close_ int top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), root = -1;

        if (top < 0)
                return -errno;
        root = resolve_beneath(top, directory, false);
        if (root < 0)
                return TAKE_FD(root);
        return fchdir(root) < 0 || chroot(".") < 0 || fchdir(top) < 0 ? -errno : 0;
}

static int drop_bounding_set(void) {
        int capability = 0;

        while (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0)
                capability++;
        return errno == EINVAL && capability > 0 ? 0 : -errno; /* the kernel has no more of them */
}

#ifndef SYS_open_tree_attr /* Linux 6.15 */
#define SYS_open_tree_attr 467
#endif

#if defined(__x86_64__)
#define OWN_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define OWN_ARCHITECTURE AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define OWN_ARCHITECTURE AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define OWN_ARCHITECTURE AUDIT_ARCH_S390X
#elif defined(__arm__)
#define OWN_ARCHITECTURE AUDIT_ARCH_ARM
#elif defined(__i386__)
#define OWN_ARCHITECTURE AUDIT_ARCH_I386
#else
#define OWN_ARCHITECTURE 0 /* the rest of the confinement holds without the filter, too */
#endif

/* Without capabilities most of these do little, until somebody makes a user namespace and has them all in there. */
static const long refused[] = {
        SYS_unshare, SYS_setns,
        SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_open_tree, SYS_move_mount, SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_fspick,
        SYS_mount_setattr, SYS_open_tree_attr, SYS_fanotify_init, SYS_open_by_handle_at,
        SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp, SYS_pidfd_getfd,
        SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, SYS_io_uring_setup, SYS_add_key, SYS_request_key, SYS_keyctl,
};

/* What nobody needs, besides, who reads and writes files. */
static const long refused_without_program[] = {
#ifdef SYS_fork
        SYS_fork, SYS_vfork,
#endif
#ifdef SYS_semget
        SYS_semget, SYS_shmget, SYS_shmat, SYS_msgget,
#endif
        SYS_clone, SYS_clone3, SYS_execve, SYS_execveat, SYS_socket, SYS_name_to_handle_at,
};

bool confine_room_lasts(void) {
        return OWN_ARCHITECTURE != 0;
}

/* Where the lower half of the flags of clone(2) is. */
#if defined(__s390x__)
#define CLONE_FLAGS (offsetof(struct seccomp_data, args[1]) + sizeof(uint32_t))
#elif __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define CLONE_FLAGS (offsetof(struct seccomp_data, args[0]) + sizeof(uint32_t))
#else
#define CLONE_FLAGS offsetof(struct seccomp_data, args[0])
#endif

enum { FILTER_MAX = 16 + 2 * (ELEMENTSOF(refused) + ELEMENTSOF(refused_without_program)) };

static unsigned short refuse(struct sock_filter *code, long call, int error) {
        code[0] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t) call, 0, 1);
        code[1] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned) error);
        return 2;
}

/* What is left to a process. */
enum use { USE_FILES, USE_PROGRAMS, USE_PROGRAMS_AND_SOCKETS };

/* The flags that a program has for clone3(2) are out of sight, so that it has to use clone(2). */
static int refuse_calls(enum use use) {
        const bool program = use != USE_FILES;
        struct sock_filter code[FILTER_MAX];
        struct sock_fprog filter = {.filter = code};
        unsigned short n = 0;

        if (OWN_ARCHITECTURE == 0)
                return 0;
        code[n++] = (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
        code[n++] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCHITECTURE, 1, 0);
        code[n++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
        code[n++] = (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
        for (size_t i = 0; i < ELEMENTSOF(refused); i++)
                n += refuse(code + n, refused[i], EPERM);
        for (size_t i = 0; !program && i < ELEMENTSOF(refused_without_program); i++)
                n += refuse(code + n, refused_without_program[i], EPERM);
        /* The x32 names of the same calls. No other machine has so high numbers. */
        code[n++] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1);
        code[n++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
        if (use == USE_PROGRAMS)
                n += refuse(code + n, SYS_socket, EPERM);
        if (program) {
                n += refuse(code + n, SYS_clone3, ENOSYS);
                code[n++] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3);
                code[n++] = (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, CLONE_FLAGS);
                code[n++] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_NEWUSER, 0, 1);
                code[n++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
        }
        code[n++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
        filter.len = n;
        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) < 0 ? -errno : 0;
}

/* Where the lower half of the first argument is. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define FIRST_ARGUMENT (offsetof(struct seccomp_data, args[0]) + sizeof(uint32_t))
#else
#define FIRST_ARGUMENT offsetof(struct seccomp_data, args[0])
#endif

int confine_sockets(void) {
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCHITECTURE, 1, 0),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 5, 0), /* the x32 names of the same calls */
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 4, 0), /* it makes sockets, too (io_uring_enter(2), IORING_OP_SOCKET) */
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 2),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIRST_ARGUMENT),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
        };
        struct sock_fprog filter = {.len = ELEMENTSOF(code), .filter = code};

        if (OWN_ARCHITECTURE == 0)
                return 0;
        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) < 0 ? -errno : 0;
}

struct ids {
        uid_t uid;
        gid_t gid;
        const gid_t *groups;
        size_t n_groups;
};

static int become(const struct ids *ids) {
        if (setgroups(ids->n_groups, ids->groups) < 0 || setresgid(ids->gid, ids->gid, ids->gid) < 0 || setresuid(ids->uid, ids->uid, ids->uid) < 0)
                return -errno;
        return 0;
}

/* `ids`: who it is to be, or NULL: who it is, without its groups. */
static int give_up(uint64_t capabilities, const struct ids *ids, enum use use) {
        const unsigned long locked = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
                                     SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
        int r;

        for (size_t i = 0; i < ELEMENTSOF(data); i++)
                data[i].effective = data[i].permitted = (uint32_t) (capabilities >> (32 * i));
        if ((!ids && setgroups(0, NULL) < 0) || prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
                return -errno;
        r = drop_bounding_set();
        if (r < 0)
                return r;
        if (prctl(PR_SET_SECUREBITS, locked, 0, 0, 0) < 0)
                return -errno;
        r = ids ? become(ids) : 0;
        if (r < 0)
                return r;
        if (syscall(SYS_capset, &header, data) < 0)
                return -errno;
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return -errno;
        return refuse_calls(use);
}

int confine_powers(uint64_t capabilities) {
        return give_up(capabilities, NULL, USE_FILES);
}

int confine_as(uid_t uid, gid_t gid, const gid_t *groups, size_t n_groups) {
        const struct ids ids = {.uid = uid, .gid = gid, .groups = groups, .n_groups = n_groups};
        int r = give_up(0, &ids, USE_FILES);

        /* Changing ids has cleared it. */
        return r == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ? -errno : r;
}

int confine_program(int userns, bool sockets, uid_t uid, gid_t gid, const gid_t *groups, size_t n_groups) {
        const struct ids ids = {.uid = uid, .gid = gid, .groups = groups, .n_groups = n_groups};

        if (userns >= 0 && setns(userns, CLONE_NEWUSER) < 0)
                return -errno;
        return give_up(0, &ids, sockets ? USE_PROGRAMS_AND_SOCKETS : USE_PROGRAMS);
}
