/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The frame: a header, then the message's bytes, or for a large message nothing and a sealed memfd as the first fd.
 * The receiver trusts neither: sizes are checked against the datagram and the limits, and an fd is only read as a memfd
 * after fcntl(F_GET_SEALS) has said that it is one, since reading any other file could block for ever.
 */

#include "util/channel.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* memfd_create(2), Linux 6.3; glibc 2.36 does not have it */
#endif

enum { SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };

struct header {
        uint64_t magic;
        uint32_t size;     /* of the message */
        uint32_t in_memfd; /* 0 or 1 */
};

static const uint64_t header_magic = UINT64_C(0x706f646d6f756e74);

/* Room for the fds of one message, aligned for cmsghdr. */
union control {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * (CHANNEL_FDS_MAX + 1))];
};

static int memfd_with(const void *data, size_t size) {
        _cleanup_close_ int fd = -1;

        fd = memfd_create("podmount-message", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
        if (fd < 0 && errno == EINVAL)
                fd = memfd_create("podmount-message", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
                return -errno;
        for (size_t done = 0; done < size;) {
                ssize_t n = write(fd, (const char *) data + done, size - done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                done += (size_t) n;
        }
        if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static void put_fds(struct msghdr *message, union control *control, int memfd, const int *fds, size_t n_fds) {
        size_t extra = memfd >= 0 ? 1 : 0;
        struct cmsghdr *cmsg;

        if (n_fds + extra == 0)
                return;
        memset(control, 0, sizeof(*control));
        message->msg_control = control->bytes;
        message->msg_controllen = CMSG_SPACE(sizeof(int) * (n_fds + extra));
        cmsg = CMSG_FIRSTHDR(message);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof(int) * (n_fds + extra));
        if (extra > 0)
                memcpy(CMSG_DATA(cmsg), &memfd, sizeof(int));
        if (n_fds > 0)
                memcpy(CMSG_DATA(cmsg) + extra * sizeof(int), fds, sizeof(int) * n_fds);
}

int channel_send(int socket, const void *data, size_t size, const int *fds, size_t n_fds) {
        struct header header = {.magic = header_magic, .size = (uint32_t) size, .in_memfd = size > CHANNEL_INLINE_MAX};
        struct iovec parts[2] = {{.iov_base = &header, .iov_len = sizeof(header)}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 1};
        _cleanup_close_ int memfd = -1;
        union control control;
        ssize_t n;

        if (size > CHANNEL_MESSAGE_MAX || n_fds > CHANNEL_FDS_MAX)
                return -E2BIG;
        if (header.in_memfd) {
                memfd = memfd_with(data, size);
                if (memfd < 0)
                        return memfd;
        } else if (size > 0) {
                /* sendmsg() does not write to what it sends; the type cannot say so. */
                memcpy(&parts[1].iov_base, &data, sizeof(data));
                parts[1].iov_len = size;
                message.msg_iovlen = 2;
        }
        put_fds(&message, &control, memfd, fds, n_fds);

        do
                n = sendmsg(socket, &message, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno == ECONNRESET ? -EPIPE : -errno;
        return 0;
}

/* Takes all fds out of the control data, so that each is somebody's whatever comes next. */
static int take_fds(struct msghdr *received, struct channel_message *message) {
        for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(received); cmsg; cmsg = CMSG_NXTHDR(received, cmsg)) {
                size_t bytes = cmsg->cmsg_len - CMSG_LEN(0);
                int *grown;

                if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
                        continue;
                grown = realloc(message->fds, message->n_fds * sizeof(int) + bytes);
                if (!grown) {
                        for (size_t i = 0; i < bytes / sizeof(int); i++) {
                                int fd;

                                memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(int));
                                (void) close_fd(fd); /* always -1 */
                        }
                        return -ENOMEM;
                }
                memcpy(grown + message->n_fds, CMSG_DATA(cmsg), bytes);
                message->fds = grown;
                message->n_fds += bytes / sizeof(int);
        }
        return 0;
}

/* Replaces the message's data by the contents of its first fd. */
static int read_memfd(size_t size, struct channel_message *message) {
        _cleanup_close_ int fd = -1;
        struct stat st;
        int seals;

        if (message->n_fds == 0 || size <= CHANNEL_INLINE_MAX)
                return -EBADMSG;
        fd = message->fds[0];
        message->n_fds--;
        memmove(message->fds, message->fds + 1, message->n_fds * sizeof(int));

        seals = fcntl(fd, F_GET_SEALS);
        if (seals < 0 || (seals & SEALS) != SEALS)
                return -EBADMSG;
        if (fstat(fd, &st) < 0 || (uint64_t) st.st_size != size)
                return -EBADMSG;
        free(message->data);
        message->data = malloc(size);
        if (!message->data)
                return -ENOMEM;
        for (size_t done = 0; done < size;) {
                ssize_t n = pread(fd, message->data + done, size - done, (off_t) done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return -EBADMSG;
                done += (size_t) n;
        }
        message->size = size;
        return 0;
}

static int check_message(const struct header *header, size_t received, int flags, struct channel_message *message) {
        int r;

        if ((flags & (MSG_TRUNC | MSG_CTRUNC)) || received < sizeof(*header) || header->magic != header_magic)
                return -EBADMSG;
        if (header->size > CHANNEL_MESSAGE_MAX || header->in_memfd > 1)
                return -EBADMSG;
        message->size = received - sizeof(*header);
        if (header->in_memfd) {
                if (message->size > 0)
                        return -EBADMSG;
                r = read_memfd(header->size, message);
                if (r < 0)
                        return r;
        } else if (message->size != header->size)
                return -EBADMSG;
        return message->n_fds > CHANNEL_FDS_MAX ? -EBADMSG : 0;
}

int channel_receive(int socket, int extra_flags, struct channel_message *ret) {
        _cleanup_message_ struct channel_message message = {};
        struct header header;
        struct iovec parts[2] = {{.iov_base = &header, .iov_len = sizeof(header)}};
        union control control;
        struct msghdr received = {.msg_iov = parts, .msg_iovlen = 2, .msg_control = control.bytes,
                                  .msg_controllen = sizeof(control.bytes)};
        ssize_t n;
        int r;

        message.data = malloc(CHANNEL_INLINE_MAX);
        if (!message.data)
                return -ENOMEM;
        parts[1] = (struct iovec) {.iov_base = message.data, .iov_len = CHANNEL_INLINE_MAX};

        do
                n = recvmsg(socket, &received, extra_flags | MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0 && errno != ECONNRESET)
                return -errno;
        if (n <= 0) {
                /* The end, or a datagram without bytes; its fds, if a hostile peer put any there, are not kept. */
                (void) take_fds(&received, &message);
                return 0;
        }
        r = take_fds(&received, &message);
        if (r < 0)
                return r;
        r = check_message(&header, (size_t) n, received.msg_flags, &message);
        if (r < 0)
                return r;

        if (!header.in_memfd && message.size > 0) {
                uint8_t *fitting = realloc(message.data, message.size);

                /* Shrinking that fails leaves the larger block, which serves as well. */
                if (fitting)
                        message.data = fitting;
        }
        *ret = message;
        message = (struct channel_message) {};
        return 1;
}

void channel_message_done(struct channel_message *message) {
        for (size_t i = 0; i < message->n_fds; i++)
                (void) close_fd(message->fds[i]); /* always -1 */
        free(message->fds);
        free(message->data);
        *message = (struct channel_message) {};
}
