/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A copy of a mount, which comes with unshare(2), is another mount of the same directory of the same file system. It is known by the peer group that both
 * are in, or by the pod's own tmpfs that it lies below there, which is no other pod's. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "executor/holders.h"
#include "plan/step.h"
#include "util/array.h"
#include "util/text.h"

enum { OVERLAYS_SIZE = 64 * 1024 * 1024 /* bytes of where they are and what they are made of */ };

struct holders_mount {
        uint64_t id, peer_group, master_group;
        uint32_t mount_id, parent_mount_id;
        dev_t device;
        char *root, *point; /* NULL in other namespaces, of what cannot be a copy */
        bool overlay;
        struct holders_mount *same; /* the next that is meant of the same directory */
};

/* One namespace on its way. */
struct listing {
        struct holders *holders;
        size_t space;
        struct holders_mount *mounts;
        size_t n_mounts;
        int r; /* what failed, for mountinfo's reader goes on */
};

static void mounts_free(struct holders_mount *mounts, size_t n) {
        for (size_t i = 0; i < n; i++) {
                free(mounts[i].root);
                free(mounts[i].point);
        }
        free(mounts);
}

/* Whoever makes many, or long ones, keeps nobody from hearing of the rest. */
static int keep_overlay(const struct listing *listing, const struct elsewhere_mount *mount) {
        struct holders *holders = listing->holders;
        size_t size = strlen(mount->point) + strlen(mount->options);
        struct holders_overlay *overlay;
        int r = map_put_u64(holders->overlay_devices, mount->device, holders);

        if (r < 0 || size > OVERLAYS_SIZE - holders->overlay_bytes)
                return r == -ENOMEM ? r : 0;
        holders->overlay_bytes += size;
        overlay = array_append(&holders->overlays, &holders->n_overlays);
        if (!overlay)
                return -ENOMEM;
        *overlay = (struct holders_overlay) {
                .space = listing->space, .mount_id = mount->mount_id, .point = strdup(mount->point), .options = strdup(mount->options)};
        return overlay->point && overlay->options ? 0 : -ENOMEM;
}

static int take(const struct elsewhere_mount *mount, void *userdata) {
        struct listing *listing = userdata;
        struct holders_mount *slot = array_append(&listing->mounts, &listing->n_mounts);
        int r = slot ? holders_pulse(listing->holders) : -ENOMEM;

        if (r < 0)
                return r;
        *slot = (struct holders_mount) {
                .id = mount->id,
                .peer_group = mount->peer_group,
                .master_group = mount->master_group,
                .mount_id = mount->mount_id,
                .parent_mount_id = mount->parent_mount_id,
                .device = mount->device,
                .overlay = strcmp(mount->type, "overlay") == 0,
        };
        if (listing->space == 0 || map_get_u64(listing->holders->devices, mount->device)) {
                slot->root = strdup(mount->root);
                slot->point = strdup(mount->point);
                if (!slot->root || !slot->point)
                        return -ENOMEM;
        }
        return slot->overlay ? keep_overlay(listing, mount) : 0;
}

/* -ENOENT when the namespace has gone. */
static int list(struct listing *listing) {
        const struct holders_space *space = &listing->holders->spaces[listing->space];
        char path[sizeof("4294967295/mountinfo")];
        _cleanup_close_ int fd = -1;

        if (space->id != 0)
                return elsewhere_mounts(space->id, take, listing);
        if (listing->space == 0)
                return elsewhere_mountinfo(listing->holders->table, take, listing);
        (void) snprintf(path, sizeof(path), "%u/mountinfo", (unsigned) space->pid); /* always fits */
        fd = openat(listing->holders->proc, path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -ENOENT;
        return elsewhere_mountinfo(fd, take, listing);
}

static struct map *index_mounts(struct holders_mount *mounts, size_t n) {
        struct map *by_id = map_new(MAP_KEY_U64);

        for (size_t i = 0; by_id && i < n; i++)
                if (map_put_u64(by_id, mounts[i].mount_id, &mounts[i]) == -ENOMEM)
                        by_id = map_free(by_id);
        return by_id;
}

static struct holders_mount *parent_of(const struct map *by_id, const struct holders_mount *mount) {
        return mount->parent_mount_id == mount->mount_id ? NULL : map_get_u64(by_id, mount->parent_mount_id);
}

/* A recycled id may be another mount's by now. */
static const struct step *step_of(const struct holders *holders, const struct holders_mount *mount) {
        const struct step *step = map_get_u64(holders->named, mount->id != 0 && holders->unique ? mount->id : mount->mount_id);

        return step && (holders->unique || step->device == 0 || step->device == mount->device) ? step : NULL;
}

/* Where the mounts have unique ids here, steps are named by them. */
static int index_steps(struct holders *holders) {
        int r = 0;

        for (size_t i = 0; i < holders->job->n_steps && r == 0; i++) {
                const struct step *step = &holders->job->steps[i];

                r = holders_put_once(holders->named, holders->unique && step->id != 0 ? step->id : step->mount_id, &holders->job->steps[i]);
        }
        return r;
}

/* Whether it is named, or hangs below one that is named with all below it. */
static bool is_meant(const struct holders *holders, const struct map *by_id, struct holders_mount *mount) {
        const struct holders_mount *at = mount;

        if (step_of(holders, mount))
                return true;
        for (size_t depth = 0; depth < holders->n_mounts && (at = parent_of(by_id, at)); depth++) {
                const struct step *step = step_of(holders, at);

                if (step && (step->flags & STEP_RECURSIVE))
                        return true;
        }
        return false;
}

static char *key_of(dev_t device, const char *root) {
        return text_format("%ju:%s", (uintmax_t) device, root);
}

static int keep(struct holders *holders, struct holders_mount *mount) {
        int r = holders_put_once(holders->recycled, mount->mount_id, holders);

        return r == 0 && mount->id != 0 ? holders_put_once(holders->kept, mount->id, holders) : r;
}

/* The strings that the map has as its keys stay: the process ends with them. */
static int keep_root(struct holders *holders, struct holders_mount *mount) {
        char *key = key_of(mount->device, mount->root);
        struct holders_mount *first = key ? map_get(holders->by_root, key) : NULL;
        int r;

        if (!key)
                return -ENOMEM;
        if (!first) {
                r = map_put(holders->by_root, key, mount);
                if (r < 0)
                        free(key);
                return r;
        }
        free(key);
        mount->same = first->same;
        first->same = mount;
        return 0;
}

/* The pod's own tmpfs that it lies below. */
static int keep_tree(struct holders *holders, const struct map *by_id, struct holders_mount *mount) {
        struct holders_mount *at = mount;

        for (size_t depth = 0; at && holders->pods_mount != 0 && depth < holders->n_mounts; depth++, at = parent_of(by_id, at))
                if (at->parent_mount_id == holders->pods_mount)
                        return holders_put_once(holders->trees, at->device, holders);
        return 0;
}

int holders_find_mounts(struct holders *holders) {
        struct listing listing = {.holders = holders};
        _cleanup_(map_freep) struct map *by_id = NULL;
        int r = index_steps(holders);

        if (r == 0)
                r = list(&listing);
        if (r < 0)
                return r;
        holders->mounts = listing.mounts;
        holders->n_mounts = listing.n_mounts;
        by_id = index_mounts(holders->mounts, holders->n_mounts);
        if (!by_id)
                return -ENOMEM;
        for (size_t i = 0; i < holders->n_mounts && r == 0; i++) {
                struct holders_mount *mount = &holders->mounts[i];

                if (!is_meant(holders, by_id, mount))
                        continue;
                holders->stacked |= mount->overlay;
                r = keep(holders, mount);
                if (r == 0)
                        r = keep_root(holders, mount);
                if (r == 0)
                        r = holders_put_once(holders->devices, mount->device, holders);
                if (r == 0)
                        r = keep_tree(holders, by_id, mount);
        }
        return r;
}

/* Mounts that lie on one place are each the next one's parent: there may be as many as there are. */
static int below_tree(struct holders *holders, const struct map *by_id, const struct holders_mount *mount, size_t n) {
        int r = 0;

        for (size_t depth = 0; mount && depth < n && r == 0; depth++, mount = parent_of(by_id, mount)) {
                if (map_get_u64(holders->trees, mount->device))
                        return 1;
                r = holders_pulse(holders);
        }
        return r;
}

static bool are_peers(const struct holders_mount *ours, const struct holders_mount *theirs) {
        if (ours->peer_group != 0 && (theirs->peer_group == ours->peer_group || theirs->master_group == ours->peer_group))
                return true;
        return ours->master_group != 0 && theirs->master_group == ours->master_group;
}

static int is_copy(const struct listing *listing, const struct map *by_id, const struct holders_mount *mount) {
        _cleanup_free_ char *key = NULL;
        const struct holders_mount *ours;

        if (!mount->root)
                return 0;
        key = key_of(mount->device, mount->root);
        if (!key)
                return -ENOMEM;
        ours = map_get(listing->holders->by_root, key);
        for (const struct holders_mount *at = ours; at; at = at->same)
                if (are_peers(at, mount))
                        return 1;
        return ours ? below_tree(listing->holders, by_id, mount, listing->n_mounts) : 0;
}

/* *ret: one of them, that nearest to the root. */
static int keep_copies(const struct listing *listing, const struct holders_mount **ret) {
        _cleanup_(map_freep) struct map *by_id = index_mounts(listing->mounts, listing->n_mounts);
        int r = by_id ? 0 : -ENOMEM;

        *ret = NULL;
        for (size_t i = 0; i < listing->n_mounts && r == 0; i++) {
                struct holders_mount *mount = &listing->mounts[i];

                r = is_copy(listing, by_id, mount);
                if (r <= 0)
                        continue;
                r = keep(listing->holders, mount);
                if (!*ret || strlen(mount->point) < strlen((*ret)->point))
                        *ret = mount;
        }
        return r;
}

static int tell_space(struct holders *holders, const struct holders_space *space, char *point) {
        const struct mount_holder row = {.kind = HOLDER_NAMESPACE, .uid = UINT32_MAX, .detail = holders->job->caller.root ? point : NULL};

        if (space->pid != 0)
                return holders_tell_process(holders, HOLDER_NAMESPACE, space->pid, point);
        return holders_tell(holders, &row);
}

int holders_find_copies(struct holders *holders) {
        int r = 0;

        /* Nothing is mounted of what is meant: then it has no copy that anybody could know. */
        for (size_t i = 1; i < holders->n_spaces && r == 0 && map_size(holders->devices) > 0; i++) {
                struct listing listing = {.holders = holders, .space = i};
                const struct holders_mount *copy = NULL;

                r = list(&listing);
                if (r == -EPIPE || r == -ETIME)
                        return r; /* the process ends: it frees nothing */
                r = keep_copies(&listing, &copy); /* of as many as could be listed */
                if (r == 0 && copy)
                        r = tell_space(holders, &holders->spaces[i], copy->point);
                mounts_free(listing.mounts, listing.n_mounts);
                if (r == -ENOMEM) /* what others have in theirs may be too much */
                        r = 0;
        }
        return r;
}
