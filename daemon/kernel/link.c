/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one place that speaks rtnetlink, by libnl. The library's own error numbers are fewer than the kernel's, so that these are
 * read where they come in; and it has no words for alternative names, so that such messages are put together here. */

#include "kernel/link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/link/veth.h>
#include <netlink/socket.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/space.h"
#include "util/log.h"

struct link_space {
        struct nl_sock *socket;
        int error;               /* the kernel's last one, as errno has it */
        struct link_info *found; /* where an answer goes, NULL for nowhere */
        bool any, acknowledged;
};

static int on_error(struct sockaddr_nl *sender _unused_, struct nlmsgerr *message, void *userdata) {
        struct link_space *space = userdata;

        space->error = message->error;
        return NL_STOP;
}

static int on_link(struct nl_msg *message, void *userdata) {
        struct link_space *space = userdata;
        const struct nlmsghdr *header = nlmsg_hdr(message);
        struct nlattr *name;

        if (!space->found || header->nlmsg_type != RTM_NEWLINK)
                return NL_OK;
        name = nlmsg_find_attr(nlmsg_hdr(message), sizeof(struct ifinfomsg), IFLA_IFNAME);
        if (!name || nla_len(name) < 1 || strnlen(nla_data(name), (size_t) nla_len(name)) >= LINK_NAME_SIZE)
                return NL_OK;
        *space->found = (struct link_info) {.index = (uint32_t) ((const struct ifinfomsg *) nlmsg_data(header))->ifi_index};
        memcpy(space->found->name, nla_data(name), strnlen(nla_data(name), (size_t) nla_len(name)));
        space->any = true;
        return NL_OK;
}

static int on_acknowledgement(struct nl_msg *message _unused_, void *userdata) {
        struct link_space *space = userdata;

        space->acknowledged = true;
        return NL_STOP;
}

/* What the library says, when the kernel has said nothing. */
static int errno_of(const struct link_space *space, int r) {
        if (r >= 0)
                return 0;
        if (space->error < 0)
                return space->error;
        return r == -NLE_NOMEM ? -ENOMEM : -EIO;
}

int link_space_own(void) {
        int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

int link_space_new(void) {
        int back = link_space_own(), fd;

        if (back < 0)
                return back;
        if (unshare(CLONE_NEWNET) < 0) {
                int r = -errno;

                (void) close_fd(back);
                return r;
        }
        fd = link_space_own();
        if (setns(back, CLONE_NEWNET) < 0) { /* whatever came next would be done elsewhere */
                (void) log_errno(LOG_CRIT, errno, "return to the network namespace of the host");
                abort();
        }
        (void) close_fd(back);
        return fd;
}

static int connect_socket(struct link_space *space) {
        int r;

        space->socket = nl_socket_alloc();
        if (!space->socket)
                return -ENOMEM;
        r = nl_connect(space->socket, NETLINK_ROUTE);
        if (r < 0)
                return r == -NLE_NOMEM ? -ENOMEM : errno > 0 ? -errno : -EIO;
        if (nl_socket_modify_err_cb(space->socket, NL_CB_CUSTOM, on_error, space) < 0 ||
            nl_socket_modify_cb(space->socket, NL_CB_ACK, NL_CB_CUSTOM, on_acknowledgement, space) < 0 ||
            nl_socket_modify_cb(space->socket, NL_CB_VALID, NL_CB_CUSTOM, on_link, space) < 0)
                return -EINVAL;
        return 0;
}

int link_space_open(int fd, struct link_space **ret) {
        _cleanup_(link_space_closep) struct link_space *space = calloc(1, sizeof(*space));
        _cleanup_space_visit_ struct space_visit visit = SPACE_VISIT_INIT;
        int r = space ? 0 : -ENOMEM;

        if (r == 0 && fd >= 0)
                r = space_enter(&visit, fd, CLONE_NEWNET);
        if (r == 0)
                r = connect_socket(space);
        if (r == 0)
                *ret = TAKE_PTR(space);
        return r;
}

struct link_space *link_space_close(struct link_space *space) {
        if (!space)
                return NULL;
        if (space->socket)
                nl_socket_free(space->socket);
        free(space);
        return NULL;
}

/* A request about one link; NULL when memory is short. */
static struct nl_msg *new_message(int type, int flags, uint32_t index) {
        const struct ifinfomsg about = {.ifi_family = AF_UNSPEC, .ifi_index = (int) index};
        struct nl_msg *message = nlmsg_alloc_simple(type, flags);
        struct ifinfomsg copy = about;

        if (message && nlmsg_append(message, &copy, sizeof(copy), NLMSG_ALIGNTO) < 0) {
                nlmsg_free(message);
                return NULL;
        }
        return message;
}

/* Sends it, takes it over, and waits for the kernel's last word, which comes behind an answer. */
static int ask(struct link_space *space, struct nl_msg *message, bool complete) {
        int r = message && complete ? 0 : -NLE_NOMEM;

        space->error = 0;
        space->acknowledged = false;
        if (r == 0)
                r = nl_send_auto(space->socket, message);
        if (message)
                nlmsg_free(message);
        while (r >= 0 && !space->acknowledged)
                r = nl_recvmsgs_default(space->socket);
        return errno_of(space, r);
}

static int find(struct link_space *space, int attribute, const char *name, struct link_info *ret) {
        struct nl_msg *message = new_message(RTM_GETLINK, 0, 0);
        int r;

        space->found = ret;
        space->any = false;
        r = ask(space, message, message && nla_put_string(message, attribute, name) == 0 && nla_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS) == 0);
        space->found = NULL;
        return r < 0 ? r : space->any ? 0 : -ENODEV;
}

int link_find(struct link_space *space, const char *name, struct link_info *ret) {
        int r = find(space, IFLA_IFNAME, name, ret);

        return r == 0 && strcmp(ret->name, name) != 0 ? -ENODEV : r; /* it was an alternative name */
}

int link_find_marked(struct link_space *space, const char *mark, struct link_info *ret) {
        return find(space, IFLA_ALT_IFNAME, mark, ret);
}

static int add_peer(struct rtnl_link *link, const char *name, int in) {
        struct rtnl_link *peer = rtnl_link_veth_get_peer(link); /* with a reference of ours */

        if (!peer)
                return -ENOMEM;
        rtnl_link_set_name(peer, name);
        if (in >= 0)
                rtnl_link_set_ns_fd(peer, in);
        rtnl_link_put(peer);
        return 0;
}

int link_make(struct link_space *space, const char *name, const char *kind, const char *peer, int in) {
        struct rtnl_link *link = peer ? rtnl_link_veth_alloc() : rtnl_link_alloc();
        struct nl_msg *message = NULL;
        int r = link ? 0 : -ENOMEM;

        space->error = 0;
        if (r == 0 && peer)
                r = add_peer(link, peer, in);
        if (r == 0 && !peer && rtnl_link_set_type(link, kind) < 0)
                r = -EOPNOTSUPP;
        if (r == 0) {
                rtnl_link_set_name(link, name);
                if (in >= 0)
                        rtnl_link_set_ns_fd(link, in);
                r = rtnl_link_build_add_request(link, NLM_F_CREATE | NLM_F_EXCL, &message);
                r = r < 0 ? errno_of(space, r) : ask(space, message, true);
        }
        if (link)
                rtnl_link_put(link);
        return r;
}

static int change_mark(struct link_space *space, int type, int flags, uint32_t index, const char *mark) {
        struct nl_msg *message = new_message(type, flags, index);
        struct nlattr *list = message ? nla_nest_start(message, IFLA_PROP_LIST | NLA_F_NESTED) : NULL;
        bool complete = list && nla_put_string(message, IFLA_ALT_IFNAME, mark) == 0;

        if (complete)
                complete = nla_nest_end(message, list) == 0;
        return ask(space, message, complete);
}

int link_mark(struct link_space *space, uint32_t index, const char *mark) {
        return change_mark(space, RTM_NEWLINKPROP, NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND, index, mark);
}

int link_unmark(struct link_space *space, uint32_t index, const char *mark) {
        return change_mark(space, RTM_DELLINKPROP, 0, index, mark);
}

int link_rename(struct link_space *space, uint32_t index, const char *name) {
        struct nl_msg *message = new_message(RTM_NEWLINK, 0, index);

        return ask(space, message, message && nla_put_string(message, IFLA_IFNAME, name) == 0);
}

int link_move(struct link_space *space, uint32_t index, int to, const char *name, uint32_t wanted) {
        struct nl_msg *message = new_message(RTM_NEWLINK, 0, index);
        int r = ask(space, message, message && nla_put_u32(message, IFLA_NET_NS_FD, (uint32_t) to) == 0 && nla_put_string(message, IFLA_IFNAME, name) == 0 &&
                                            (wanted == 0 || nla_put_u32(message, IFLA_NEW_IFINDEX, wanted) == 0));

        return r == -EBUSY && wanted != 0 ? link_move(space, index, to, name, 0) : r;
}

int link_delete(struct link_space *space, uint32_t index) {
        return ask(space, new_message(RTM_DELLINK, 0, index), true);
}
