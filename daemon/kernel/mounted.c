/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file system's type says what proc, sysfs and devtmpfs are: statfs(2) would say it, too, but asks the server of a
 * FUSE, which may never answer. */

#include "kernel/mounted.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/identity.h"
#include "kernel/mountinfo.h"
#include "kernel/statmount.h"
#include "kernel/visit.h"
#include "util/array.h"

enum { DEPTH_MAX = 4096 }; /* mounts on each other; what an ever-changing table could make of them is not followed */

static void mark(struct mounted *mounted, const char *type) {
        if (!type)
                return;
        if (strcmp(type, "proc") == 0 || strcmp(type, "sysfs") == 0)
                mounted->system = true;
        if (strcmp(type, "devtmpfs") == 0)
                mounted->devices = true;
}

static int keep(struct mounted *mounted, dev_t device, const char *point, const char *source, const char *type,
                const char *subtype) {
        mounted->device = device;
        mounted->point = strdup(point ? point : "");
        mounted->source = strdup(source ? source : "");
        if (asprintf(&mounted->type, "%s%s%s", type ? type : "", subtype ? "." : "", subtype ? subtype : "") < 0)
                mounted->type = NULL;
        mark(mounted, type);
        return mounted->point && mounted->source && mounted->type ? 0 : -ENOMEM;
}

static int by_statmount(uint64_t id, uint64_t top, struct mounted *mounted) {
        _cleanup_(statmount_freep) struct statmount *statmount = statmount_new();
        struct statmount_line line;
        int r;

        if (!statmount)
                return -ENOMEM;
        r = statmount_read(statmount, id, &line);
        if (r < 0)
                return r == -EPERM ? -ENOENT : r;
        if (!line.source)
                return -EOPNOTSUPP; /* a kernel that tells it in mountinfo alone */
        r = keep(mounted, line.device, line.point, line.source, line.type, line.subtype);
        for (unsigned i = 0; r == 0 && i < DEPTH_MAX && line.id != top && line.parent_id != line.id; i++) {
                if (statmount_read(statmount, line.parent_id, &line) < 0)
                        break; /* above the root directory, or gone */
                mark(mounted, line.type);
        }
        return r;
}

struct node {
        uint32_t id, parent;
        bool system, devices;
};

struct scan {
        uint32_t id;
        struct mounted *mounted;
        struct node *nodes;
        size_t n_nodes;
};

static int scan_line(const struct mountinfo_line *line, void *userdata) {
        struct scan *scan = userdata;
        struct node *node = array_append(&scan->nodes, &scan->n_nodes);
        struct mounted marks = {};

        if (!node)
                return -ENOMEM;
        mark(&marks, line->type);
        *node = (struct node) {
                .id = line->id, .parent = line->parent_id, .system = marks.system, .devices = marks.devices};
        if (line->id != scan->id || scan->mounted->point)
                return 0;
        return keep(scan->mounted, line->device, line->point, line->source, line->type, NULL);
}

static const struct node *find_node(const struct scan *scan, uint32_t id) {
        for (size_t i = 0; i < scan->n_nodes; i++)
                if (scan->nodes[i].id == id)
                        return &scan->nodes[i];
        return NULL;
}

/* Takes the fd over. */
static int by_mountinfo(int text, uint32_t id, uint32_t top, struct mounted *mounted) {
        _cleanup_close_ int fd = text;
        struct scan scan = {.id = id, .mounted = mounted};
        const struct node *node;
        size_t skipped;
        int r;

        if (fd < 0)
                return fd == -1 ? -errno : fd;
        r = mountinfo_read(fd, scan_line, &scan, &skipped);
        if (r == 0 && !mounted->point)
                r = -ENOENT;
        node = r == 0 ? find_node(&scan, id) : NULL;
        for (unsigned i = 0; node && i < DEPTH_MAX; i++) {
                mounted->system |= node->system;
                mounted->devices |= node->devices;
                node = node->id == top || node->parent == node->id ? NULL : find_node(&scan, node->parent);
        }
        free(scan.nodes);
        return r;
}

int mounted_read(int fd, int top, bool unique, bool statmount, struct mounted *ret) {
        _cleanup_mounted_ struct mounted mounted = {};
        struct identity identity, above = {};
        uint32_t id, top_id = 0;
        int r = identity_read(fd, "", unique, &identity);

        if (r == 0 && top >= 0)
                r = identity_read(top, "", unique, &above);
        if (r < 0)
                return r;
        r = unique && statmount ? by_statmount(identity.key, above.key, &mounted) : -EOPNOTSUPP;
        if (r == -EOPNOTSUPP) {
                r = identity_mount_id(fd, &id);
                if (r == 0 && top >= 0)
                        r = identity_mount_id(top, &top_id);
                if (r == 0)
                        r = by_mountinfo(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC), id, top_id, &mounted);
                if (r == -ENOENT)
                        r = by_mountinfo(away_mountinfo(), id, top_id, &mounted);
        }
        if (r < 0)
                return r;
        mounted.id = identity.key;
        mounted.mode = identity.mode;
        *ret = mounted;
        mounted = (struct mounted) {};
        return 0;
}

void mounted_done(struct mounted *mounted) {
        free(mounted->point);
        free(mounted->source);
        free(mounted->type);
        *mounted = (struct mounted) {};
}
