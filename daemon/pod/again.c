/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a record says of how its mount was made, compiled once more. */

#include "pod/again.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "plan/plan.h"
#include "pod/grounds.h"
#include "pod/recording.h"
#include "pod/registry.h"
#include "pod/source.h"
#include "pod/use.h"
#include "pod/volume.h"
#include "util/array.h"
#include "util/log.h"
#include "util/map.h"
#include "util/path.h"

/* Root's rights may have gone into a mount that the owner has to be content without: `r` and `f` are what compiling it
 * for the owner came to. */
static int check_rights(const struct wanted *wanted, const struct record_mount *mount, int r, struct failure *f) {
        enum { RESTRICTING = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC };
        _cleanup_failure_ struct failure cause = FAILURE_INIT;

        if (r < 0)
                return r;
        if (r == 0 && !wanted->mounts[0].deferred && (wanted->mounts[0].attr_set & RESTRICTING & ~mount->attributes) == 0)
                return 0;
        failure_move(&cause, f);
        return failure_set(f, FAILURE_NOT_SUPPORTED, "It was made with rights that the owner of the pod has not; root can "
                                                     "unmount it and mount it again.%s%s%s", cause.text ? " (" : "",
                           cause.text ?: "", cause.text ? ")" : "");
}

/* What took the writes went with the mount; where one was is on record, its size too. */
static int restore_overlay(struct wanted_mount *wanted, const struct record_mount *mount, struct failure *f) {
        if (!use_is_overlaid(mount) || wanted_overlay_bind(wanted, mount->tmpfs))
                return 0;
        return failure_set(f, FAILURE_NOT_SUPPORTED, "It was remounted read-only, and a tmpfs had what was written to it before; made again "
                                                     "it would be its source alone. Unmount it and mount it again.");
}

/* A path has no request: its target and its kind are all that there is to it. */
static int compile_path(const struct operation *operation, const struct record_mount *mount, struct wanted **ret, struct failure *f) {
        const struct wanted_waiting path = {.container = mount->container, .path = mount->target, .type = mount->type};

        return wanted_from_waiting(&path, 1, &operation->pods->facts, ret, f);
}

int again_compile(const struct operation *operation, const struct record_mount *mount, struct wanted **ret, struct failure *f) {
        struct wanted_facts facts = operation->pods->facts;
        _cleanup_(wanted_freep) struct wanted *wanted = NULL;
        _cleanup_free_ struct wanted_volume *volumes = NULL;
        _cleanup_strv_ char **names = NULL;
        struct spec_mount *mounts = NULL;
        size_t n = 0;
        int r;

        if (damage_is_path(mount))
                return compile_path(operation, mount, ret, f);
        r = spec_parse_mounts(mount->request, strlen(mount->request), operation->pods->settings->spec_size_max, &mounts, &n,
                              f);
        if (r != 0)
                return r;
        r = spec_mounts_fd_names(mounts, n, &names);
        if (r == 0 && names && names[0])
                r = failure_set(f, FAILURE_NOT_SUPPORTED, "Its source was the file descriptor %s of the call that made it, "
                                                          "which no name leads to; unmount it and mount it again with a "
                                                          "new one.", names[0]);
        if (r == 0 && strcmp(mount->type, SPEC_PIN_TYPE) == 0)
                r = failure_set(f, FAILURE_NOT_SUPPORTED, "It was a namespace of a process, which no record names; name the process "
                                                          "again with podmountctl prepare-process.");
        facts.caller_is_root = caller_is_root(&operation->caller);
        if (r == 0 && n != 1)
                r = log_errno(LOG_ERR, EBADMSG, "read the record of %s in pod %s", mount->target, operation->uuid);
        if (r == 0 && wanted_namespace_of(mount->type) != _SPEC_NAMESPACE_MAX && mount->source &&
            strncmp(mount->source, "fd:", strlen("fd:")) == 0)
                r = failure_set(f, FAILURE_NOT_SUPPORTED, "It showed the namespace behind the file descriptor %s of a call, "
                                                          "which no name leads to; unmount it, or add the container anew.",
                                mount->source);
        if (r == 0)
                r = volume_facts(operation->pod, &facts, &volumes);
        if (r == 0) {
                r = wanted_from_mounts(mount->container, mounts, n, &facts, &wanted, f);
                r = check_rights(wanted, mount, r, f);
        }
        if (r == 0)
                r = restore_overlay(wanted->mounts, mount, f);
        spec_mounts_free(mounts, n);
        if (r == 0)
                r = source_check_paths(operation, wanted, f);
        if (r == 0)
                *ret = TAKE_PTR(wanted);
        return r;
}

void again_group_done(struct again_group *group) {
        group->wanted = wanted_free(group->wanted);
        free(group->damages);
        *group = (struct again_group) {};
}

struct gathering {
        const struct pod *pod;
        const struct damage *damages;
        size_t n, first;
        struct wanted **wanted; /* by number from `first`: of those that are in it */
        bool *refused;
        size_t last_path;       /* the last of the paths that are in it; 0: none is */
};

static struct wanted *wanted_of(const struct gathering *g, size_t i) {
        return i >= g->first && i < g->n ? g->wanted[i - g->first] : NULL;
}

static bool is_path(const struct wanted *wanted) {
        return wanted->mounts[0].kind == WANTED_MASK || wanted->mounts[0].kind == WANTED_READONLY;
}

/* Whether a path that is in it would come to lie below the mount. */
static bool is_under_path(const struct gathering *g, size_t i) {
        for (size_t j = i + 1; j <= g->last_path; j++)
                if (wanted_of(g, j) && is_path(wanted_of(g, j)) && path_is_below(g->damages[i].target, g->damages[j].target))
                        return true;
        return false;
}

/* A mount on top of another at the same target needs nothing there. */
static bool is_stacked(const struct gathering *g, size_t i) {
        return strcmp(g->damages[i].target, g->damages[g->damages[i].ground].target) == 0;
}

static bool belongs(const struct gathering *g, size_t i) {
        const struct wanted *ground = wanted_of(g, g->damages[i].ground);
        const struct record_mount *mount;

        if (!ground || g->damages[i].outcome != DAMAGE_PENDING || g->refused[i - g->first] || wanted_of(g, i))
                return false;
        if (plan_gives_stubs(ground->mounts) && !is_stacked(g, i))
                return true;
        mount = recording_find_row(g->pod, g->damages[i].row);
        return (mount && damage_is_path(mount)) || is_under_path(g, i);
}

/* All that belongs to it of what is known by now; 1 if there is any. */
static int gather_once(struct gathering *g, again_look look, void (*settle)(void *, size_t, int, struct failure *), void *userdata) {
        int found = 0;

        for (size_t i = g->first + 1; i < g->n; i++) {
                _cleanup_failure_ struct failure f = FAILURE_INIT;
                int r;

                if (!belongs(g, i))
                        continue;
                r = look(userdata, i, &g->wanted[i - g->first], &f);
                if (r == -ENOMEM)
                        return r;
                if (r != 0) {
                        g->refused[i - g->first] = true;
                        g->wanted[i - g->first] = wanted_free(g->wanted[i - g->first]);
                        settle(userdata, i, r, &f);
                        continue;
                }
                found = 1;
                if (is_path(wanted_of(g, i)) && i > g->last_path)
                        g->last_path = i;
        }
        return found;
}

static int group_of(const struct gathering *g, struct again_group *group) {
        group->damages = calloc(g->n - g->first, sizeof(*group->damages));
        if (!group->damages)
                return -ENOMEM;
        group->wanted = TAKE_PTR(g->wanted[0]);
        group->damages[group->n++] = g->first;
        for (size_t i = 1; i < g->n - g->first; i++) {
                if (!g->wanted[i])
                        continue;
                if (wanted_join(group->wanted, g->wanted[i]) < 0)
                        return -ENOMEM;
                group->damages[group->n++] = g->first + i;
        }
        return 0;
}

int again_gather(const struct pod *pod, const struct damage *damages, size_t n, size_t first, struct wanted *wanted, again_look look,
                 void (*settle)(void *userdata, size_t damage, int r, struct failure *f), void *userdata, struct again_group *group) {
        struct gathering g = {
                .pod = pod, .damages = damages, .n = n, .first = first,
                .wanted = calloc(n - first, sizeof(*g.wanted)), .refused = calloc(n - first, sizeof(*g.refused)),
        };
        int r = g.wanted && g.refused ? 1 : -ENOMEM;

        if (g.wanted)
                g.wanted[0] = wanted;
        else
                (void) wanted_free(wanted);
        while (r > 0)
                r = gather_once(&g, look, settle, userdata);
        if (r == 0)
                r = group_of(&g, group);
        for (size_t i = 0; g.wanted && i < n - first; i++)
                (void) wanted_free(g.wanted[i]);
        free(g.wanted);
        free(g.refused);
        return r < 0 ? log_oom() : 0;
}

/* What mounts are put on: those that wait are not there, what came along is another one's, and paths lie on what is there. */
static bool carries(const struct record_mount *mount) {
        return !mount->deferred && !mount->nested && !damage_is_path(mount);
}

/* The group's numbers from 1, by the rows of their records. */
static int index_rows(const struct damage *damages, const struct again_group *group, struct map **ret) {
        _cleanup_(map_freep) struct map *rows = map_new(MAP_KEY_U64);
        int r = rows ? 0 : -ENOMEM;

        for (size_t i = 0; i < group->n && r == 0; i++)
                r = map_put_u64(rows, (uint64_t) damages[group->damages[i]].row, (void *) (uintptr_t) (i + 1)); /* never NULL */
        if (r == 0)
                *ret = TAKE_PTR(rows);
        return r;
}

int again_add_stubs(const struct pod *pod, const struct damage *damages, const struct again_group *group, struct job *job) {
        _cleanup_free_ const struct record_mount **grounds = NULL;
        _cleanup_(map_freep) struct map *rows = NULL;
        const struct record_pod *record = pod->record;

        if (index_rows(damages, group, &rows) < 0)
                return log_oom();
        if (grounds_find_all(record, carries, &grounds) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < record->n_mounts; i++) {
                const struct record_mount *mount = &record->mounts[i];
                size_t number = grounds[i] ? (size_t) (uintptr_t) map_get_u64(rows, (uint64_t) grounds[i]->row) : 0;

                if (number == 0 || number > job->n_steps || !plan_gives_stubs(&group->wanted->mounts[number - 1]) || mount->nested || !mount->request ||
                    strcmp(mount->target, grounds[i]->target) == 0 || map_get_u64(rows, (uint64_t) mount->row))
                        continue;
                if (strv_append(&job->steps[number - 1].stubs, mount->target) < 0)
                        return log_oom();
        }
        return 0;
}

const char *again_news(const struct wanted_mount *wanted) {
        if (wanted->kind == WANTED_FILESYSTEM)
                return ", as a new file system";
        if (wanted->kind == WANTED_BIND && wanted->overlay == SPEC_OVERLAY_TMPFS)
                return ", with a new tmpfs for what is written to it: what had been written is gone with the old one";
        return "";
}
