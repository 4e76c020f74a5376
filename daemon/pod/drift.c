/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Judges a pod's drift: each recorded mount is looked up in the table and compared in what statvfs(3) would show, in
 * its propagation, in whether its source still has a name, and in whether something foreign covers it; what hangs below
 * the pod and belongs to no record is extra.
 */

#include <inttypes.h>
#include <string.h>
#include <sys/mount.h>

#include "pod/drift-words.h"
#include "pod/drift.h"
#include "pod/fs-options.h"
#include "pod/sight.h"
#include "spec/spec.h"
#include "table/hidden.h"
#include "util/array.h"
#include "util/map.h"
#include "util/path.h"
#include "util/text.h"

/* What of MOUNT_ATTR_* statvfs(3) shows. The access times are a field of their own and compared as one. */
#define ATTRIBUTES_SHOWN                                                                                               \
        (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR__ATIME |            \
                MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOSYMFOLLOW)

struct judgement {
        const struct table *table;
        const struct entry *tree; /* the pod's own tmpfs, NULL when it is gone */
        struct map *recorded;     /* recycled id of an entry → the record that names it */
        struct map *hidden;       /* those below the tree on which no path walk ends; NULL without a tree */
        struct drift *drifts;
        size_t n_drifts;
};

static void judgement_done(struct judgement *judgement) {
        (void) map_free(judgement->recorded);
        (void) map_free(judgement->hidden);
        drifts_free(judgement->drifts, judgement->n_drifts);
}

void drifts_free(struct drift *drifts, size_t n) {
        for (size_t i = 0; i < n; i++) {
                free(drifts[i].container);
                free(drifts[i].target);
                free(drifts[i].detail);
        }
        free(drifts);
}

int drift_append(struct drift **drifts, size_t *n, enum drift_kind kind, uint64_t id, int64_t row, const char *container,
        const char *target, char *detail) {
        struct drift *drift = detail ? array_append(drifts, n) : NULL;

        if (!drift) {
                free(detail);
                return -ENOMEM;
        }
        *drift = (struct drift){.kind = kind, .id = id, .row = row, .detail = detail};
        drift->container = strdup(container);
        drift->target = strdup(target);
        return drift->container && drift->target ? 0 : -ENOMEM;
}

static int add_drift(struct judgement *judgement, enum drift_kind kind, uint64_t id, int64_t row, const char *container,
        const char *target, char *detail) {
        return drift_append(&judgement->drifts, &judgement->n_drifts, kind, id, row, container, target, detail);
}

bool drift_has_devices_of_its_own(const struct entry *entry) {
        static const char *const types[] = {"bcachefs", "btrfs", "overlay"};

        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                if (entry->type && strcmp(entry->type, types[i]) == 0)
                        return true;
        return false;
}

static bool same_word(const char *recorded, const char *seen) {
        recorded = recorded && strcmp(recorded, "none") != 0 ? recorded : "";
        return strcmp(recorded, seen ?: "") == 0;
}

/* Whether type and source are those on record, where the record has the kernel's words for them. A /dev of ours has a
 * source of its own. */
static bool has_type_and_source(const struct entry *entry, const struct record_mount *mount) {
        bool is_tmpfs = mount->type && strcmp(mount->type, "tmpfs") == 0;

        if (!is_tmpfs && !mount->nested)
                return true;
        if (!same_word(mount->type, entry->type))
                return false;
        return same_word(mount->source, entry->source) || (!mount->nested && strcmp(mount->target, "/dev") == 0);
}

struct entry *drift_find_entry(const struct table *table, const struct record_mount *mount) {
        bool unique = mount->id != 0 && mount->id != mount->mount_id;
        struct entry *entry;

        if (mount->deferred)
                return NULL;
        entry = unique ? table_get_unique(table, mount->id) : NULL;
        if (entry)
                return entry;
        entry = table_get(table, mount->mount_id);
        if (!entry || (unique && entry->unique_id != 0))
                return NULL;
        if (!has_type_and_source(entry, mount))
                return NULL;
        if (!sight_fits(mount, entry))
                return NULL;
        /* Of one that a crash left on the host, the device is not known. */
        return entry->device == mount->device || mount->device == 0 || drift_has_devices_of_its_own(entry) ? entry : NULL;
}

/*
 * Whether the entry hangs where the recorded mount can hang: below the pod's tree and in its container, a root exactly
 * at its place. Deeper down, symbolic links in the container may have led anywhere, so the target's name says nothing.
 * That is as sure as mountinfo can be: a kernel without unique ids may give a recycled id to a mount on a recycled
 * device, and one at the same place or with the same root, of the same type and source, passes for the recorded one.
 */
static bool hangs_in_place(const struct entry *entry, const struct entry *tree, const struct record_mount *mount) {
        const char *inside, *target;
        const struct entry *above = entry;

        if (!tree)
                return true;
        while (above && above != tree)
                above = above->parent;
        if (!above)
                return false;
        if (mount->container[0] == '\0')
                return true;
        inside = path_below(entry->point, tree->point);
        inside = inside ? path_below(inside, mount->container) : NULL;
        target = inside ? path_below(inside, "rootfs") : NULL;
        return target && (target[0] == '\0' || strcmp(mount->target, "/") != 0);
}

/* Whether the mount is what was asked for. A slave is one only while its master has another mount: without one, the
 * kernel makes it private, and that is no drift. */
static bool propagation_fits(uint64_t wanted, unsigned is) {
        switch (wanted & (MS_SHARED | MS_SLAVE | MS_PRIVATE | MS_UNBINDABLE)) {
        case MS_SHARED:
                return (is & ENTRY_SHARED) != 0;
        case MS_SLAVE:
                return (is & (ENTRY_SHARED | ENTRY_UNBINDABLE)) == 0;
        case MS_PRIVATE:
                return is == 0;
        case MS_UNBINDABLE:
                return (is & ENTRY_UNBINDABLE) != 0;
        default: /* nothing was asked for, as for what came along with a recursive clone */
                return true;
        }
}

static const char *propagation_word(uint64_t wanted) {
        return wanted & MS_SHARED       ? "shared"
               : wanted & MS_SLAVE      ? "slave"
               : wanted & MS_UNBINDABLE ? "unbindable"
                                        : "private";
}

/* The foreign mount that a walk to the mount's place meets instead of it, or NULL: on its root, or at a directory above
 * it. Covers that are on record are no drift. */
static const struct entry *foreign_cover(const struct judgement *judgement, const struct entry *entry) {
        const struct entry *met;
        _cleanup_free_ char *path = NULL;

        if (!*entry->point || !judgement->tree)
                return NULL;
        if (path_is_below(entry->point, judgement->tree->point) && !map_get_u64(judgement->hidden, entry->id))
                return NULL;
        met = table_at(judgement->table, entry->point);
        if (met == entry)
                return NULL;
        path = met ? NULL : strdup(entry->point);
        while (!met && path && strlen(path) > strlen(judgement->tree->point)) {
                *strrchr(path, '/') = '\0';
                met = table_at(judgement->table, path);
        }
        return met && path_is_below(met->point, judgement->tree->point) && !map_get_u64(judgement->recorded, met->id)
                       ? met
                       : NULL;
}

static int judge_cover(const struct judgement *judgement, const struct entry *entry, char ***details) {
        const struct entry *cover = foreign_cover(judgement, entry);
        _cleanup_free_ char *where = NULL;

        if (!cover)
                return 0;
        if (strcmp(cover->point, entry->point) != 0) {
                where = text_format(" at %s above it", cover->point);
                if (!where)
                        return -ENOMEM;
        }
        return strv_appendf(details, "covered by mount %" PRIu64 " (%s)%s", cover->unique_id ?: cover->id,
                cover->type ?: "of unknown type", where ?: "");
}

/* As the container sees the path; where it lies in none, as the host does. */
static const char *path_inside(const struct record_pod *record, const struct entry *entry, const char *base) {
        const char *below = path_below(entry->point, base);

        for (char **name = record->containers; below && name && *name; name++) {
                const char *inside = path_below(below, *name);

                inside = inside ? path_below(inside, "rootfs") : NULL;
                if (inside)
                        return *inside ? inside - 1 : "/";
        }
        return entry->point;
}

/* It hangs in its container still, at another place: moved, or a directory above it was renamed. */
static int judge_place(const struct judgement *judgement, const struct record_pod *record, const struct record_mount *mount,
        const struct entry *entry, char ***details) {
        const char *base = judgement->tree ? judgement->tree->point : "";

        if (!*base || !*entry->point || !mount->seen || sight_is_at(mount, entry, base))
                return 0;
        return strv_appendf(details, "moved to %s", path_inside(record, entry, base));
}

int drift_compare(const struct record_mount *mount, const struct entry *entry, char ***details) {
        /* A clone keeps a mapping that its source had; that one was not asked for and is not on record. */
        uint64_t shown = ATTRIBUTES_SHOWN | (mount->attributes & MOUNT_ATTR_IDMAP);
        int r = words_append_attributes(details, mount->attributes & shown, entry->attributes & shown, entry->superblock_readonly);

        if (r >= 0)
                r = fs_options_compare(mount, entry, details);
        if (r >= 0 && !propagation_fits(mount->propagation, entry->propagation))
                r = strv_appendf(details, "propagation %s -> %s", propagation_word(mount->propagation),
                        entry_propagation_name(entry->propagation));
        if (r >= 0 && !mount->source_key && words_is_deleted(entry->root))
                r = strv_append(details, "its source was deleted and lives on in this mount alone");
        if (r >= 0 && !sight_shows(mount, entry))
                r = strv_appendf(details, "shows %s instead of %s: renamed, or another mount in its place", entry->root, mount->root);
        return r;
}

/* Everything that is not as recorded. */
static int judge_mount(struct judgement *judgement, const struct record_pod *record, const struct record_mount *mount,
        const struct entry *entry) {
        _cleanup_strv_ char **details = NULL;
        int r = drift_compare(mount, entry, &details);

        if (r >= 0)
                r = judge_place(judgement, record, mount, entry, &details);
        if (r >= 0)
                r = judge_cover(judgement, entry, &details);
        if (r < 0 || !details)
                return r;
        return add_drift(judgement, DRIFT_CHANGED, mount->id, mount->row, mount->container, mount->target,
                strv_join(details, "; "));
}

/* What became of a mount that is not where it was made; `entry` is NULL or where it is now. */
static int judge_missing(
        struct judgement *judgement, const struct record_mount *mount, const struct entry *entry, bool is_other) {
        char *detail = entry && !is_other ? text_format("moved to %s", *entry->point ? entry->point : "another place")
                                          : strdup("unmounted");

        return add_drift(judgement, DRIFT_MISSING, mount->id, mount->row, mount->container, mount->target, detail);
}

static int judge_records(struct judgement *judgement, const struct record_pod *record, const struct entry *tree) {
        int r = 0;

        /* First who is there, since a cover is foreign only if no record names it. Of two records with one recycled id the
         * later has it: the mount of the earlier was gone when it was given away. */
        for (size_t i = record->n_mounts; i > 0 && r >= 0; i--) {
                struct record_mount *mount = &record->mounts[i - 1];
                struct entry *entry = drift_find_entry(judgement->table, mount);

                if (!entry || !hangs_in_place(entry, tree, mount))
                        continue;
                r = map_put_u64(judgement->recorded, entry->id, mount);
                if (r == -EEXIST)
                        r = 0;
        }
        for (size_t i = 0; i < record->n_mounts && r >= 0; i++) {
                const struct record_mount *mount = &record->mounts[i];
                const struct entry *entry;

                if (mount->deferred)
                        continue;
                entry = drift_find_entry(judgement->table, mount);
                if (entry && map_get_u64(judgement->recorded, entry->id) == mount)
                        r = judge_mount(judgement, record, mount, entry);
                else
                        r = judge_missing(judgement, mount, entry, entry && entry->unique_id == 0);
        }
        return r;
}

/* What follows "<container>/rootfs" in the path; NULL if it does not begin so. */
static const char *target_in(const char *path, const char *container) {
        const char *inside = path_below(path, container);

        return inside ? path_below(inside, "rootfs") : NULL;
}

/* Splits a path below the pod's directory, "<container>/rootfs/<target>", into what a container sees. */
static int judge_extra(
        struct judgement *judgement, const struct record_pod *record, const struct entry *entry, const char *base) {
        const char *below = path_below(entry->point, base) ?: entry->point, *container;
        _cleanup_free_ char *absolute = NULL;
        uint64_t id = entry->unique_id ?: entry->id;
        char *detail;
        int r = words_extra(judgement->table, entry, &detail);

        if (r < 0)
                return r;
        container = target_in(below, SPEC_VOLUMES) ? SPEC_VOLUMES : NULL;
        for (char **name = record->containers; !container && name && *name; name++)
                container = target_in(below, *name) ? *name : NULL;
        if (!container)
                return add_drift(judgement, DRIFT_EXTRA, id, 0, "", below, detail);
        absolute = path_join("/", target_in(below, container));
        if (!absolute) {
                free(detail);
                return -ENOMEM;
        }
        return add_drift(judgement, DRIFT_EXTRA, id, 0, container, absolute, detail);
}

static struct entry *find_tree(const struct record_pod *record, const struct table *table) {
        for (size_t i = 0; i < record->n_mounts; i++)
                if (record->mounts[i].container[0] == '\0' && record->mounts[i].target[0] == '\0' &&
                        !record->mounts[i].deferred)
                        return drift_find_entry(table, &record->mounts[i]);
        return NULL;
}

/* Where the mount is, or was, if that is not on record yet. */
static int sight_place(struct record_mount *mount, const struct entry *entry, const struct entry *tree) {
        if (!mount->seen)
                return sight_take(mount, entry, tree->point);
        return *entry->point && !sight_is_at(mount, entry, tree->point) ? sight_pin(mount) : 0;
}

int drift_sight(struct record_pod *record, const struct table *table, const struct table *host, bool *ret_urgent) {
        const struct entry *tree = find_tree(record, table);
        int n = 0;

        *ret_urgent = false;
        for (size_t i = 0; tree && i < record->n_mounts; i++) {
                struct record_mount *mount = &record->mounts[i];
                bool placed = mount->seen && mount->point;
                const struct entry *entry = placed && mount->fs_options ? NULL : drift_find_entry(table, mount);
                int r;

                if (!entry || !hangs_in_place(entry, tree, mount))
                        continue;
                r = placed ? 0 : sight_place(mount, entry, tree);
                if (r < 0)
                        return r;
                *ret_urgent = *ret_urgent || r > 0;
                n += r;
                r = sight_take_options(mount, entry);
                if (r < 0)
                        return r;
                n += r;
        }
        for (size_t i = 0; i < record->n_host; i++) {
                const struct entry *entry = drift_find_entry(host, &record->host[i]);
                int root = entry ? sight_take_root(&record->host[i], entry) : 0;
                int options = entry ? sight_take_options(&record->host[i], entry) : 0;

                if (root < 0 || options < 0)
                        return -ENOMEM;
                n += root + options;
        }
        return n;
}

int drift_judge(const struct record_pod *record, const struct table *table, const struct table *host, const char *pod_directory,
        struct drift **ret, size_t *ret_n) {
        _cleanup_(judgement_done) struct judgement judgement = {.table = table, .recorded = map_new(MAP_KEY_U64)};
        struct entry *tree = find_tree(record, table);
        const char *base = tree ? tree->point : pod_directory;
        _cleanup_free_ struct entry **entries = NULL;
        size_t n_entries;
        int r;

        judgement.tree = tree;
        if (!judgement.recorded)
                return -ENOMEM;
        r = tree ? hidden_below(table, tree->point, &judgement.hidden) : 0;
        if (r == 0)
                r = judge_records(&judgement, record, tree);
        if (r < 0)
                return r;
        r = tree ? table_subtree(table, tree, &entries, &n_entries)
                 : table_below(table, pod_directory, &entries, &n_entries);
        for (size_t i = 0; r >= 0 && i < n_entries; i++)
                if (!map_get_u64(judgement.recorded, entries[i]->id))
                        r = judge_extra(&judgement, record, entries[i], base);
        if (r >= 0)
                r = drift_judge_host(record, host, &judgement.drifts, &judgement.n_drifts);
        if (r < 0)
                return r;
        *ret_n = judgement.n_drifts;
        *ret = TAKE_PTR(judgement.drifts);
        judgement.n_drifts = 0;
        return 0;
}
