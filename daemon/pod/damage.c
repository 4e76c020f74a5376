/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sorts a pod's drift into what can be made again and what is left alone, and why.
 */

#include "pod/damage.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "plan/cover.h"
#include "spec/spec.h"
#include "util/array.h"
#include "util/map.h"
#include "util/text.h"

struct survey {
        const struct record_pod *record;
        struct map *drifts;     /* by row */
        struct map *roots;      /* the root's record, by container */
        struct covers *lying;   /* every record so far… */
        struct covers *pending; /* …and those that are going to be made again */
        size_t *rows_lying;     /* by number of the cover: the record's index */
        size_t n_lying;
        size_t *damage_of; /* by the record's index: the pending damage's number, from 1 */
        bool tree_gone;
        int64_t tree_row; /* of the pod's own tmpfs, on which its volumes lie */
        struct damage *damages;
        size_t n_damages;
};

static void survey_done(struct survey *survey) {
        (void) map_free(survey->drifts);
        (void) map_free(survey->roots);
        covers_free(survey->lying);
        covers_free(survey->pending);
        free(survey->rows_lying);
        free(survey->damage_of);
        damages_free(survey->damages, survey->n_damages);
}

void damages_free(struct damage *damages, size_t n) {
        for (size_t i = 0; i < n; i++) {
                free(damages[i].container);
                free(damages[i].target);
                free(damages[i].message);
        }
        free(damages);
}

const char *damage_outcome_name(enum damage_outcome outcome) {
        switch (outcome) {
        case DAMAGE_PENDING:
                return NULL;
        case DAMAGE_REPAIRED:
                return "repaired";
        case DAMAGE_WOULD_REPAIR:
                return "would-repair";
        case DAMAGE_LEFT:
                return "left";
        case DAMAGE_FAILED:
                return "failed";
        case DAMAGE_DEFERRED:
                return "deferred";
        }
        return NULL;
}

void damage_settle(struct damage *damage, enum damage_outcome outcome, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        free(damage->message);
        damage->message = text_vformat(format, arguments);
        va_end(arguments);
        damage->outcome = outcome;
}

static bool is_root(const struct record_mount *mount) {
        return mount->container[0] && !mount->request && !mount->nested && strcmp(mount->target, "/") == 0;
}

bool damage_is_path(const struct record_mount *mount) {
        return mount->container[0] && !mount->request && !mount->nested && (strcmp(mount->type, "mask") == 0 || strcmp(mount->type, "readonly") == 0);
}

static bool is_missing(const struct survey *survey, const struct record_mount *mount) {
        const struct drift *drift = map_get_u64(survey->drifts, (uint64_t) mount->row);

        return drift && drift->kind == DRIFT_MISSING;
}

static int survey_init(struct survey *survey, const struct record_pod *record, const struct drift *drifts, size_t n) {
        *survey = (struct survey) {
                .record = record,
                .drifts = map_new(MAP_KEY_U64),
                .roots = map_new(MAP_KEY_STRING),
                .lying = covers_new(n),
                .pending = covers_new(n),
                .rows_lying = calloc(record->n_mounts + 1, sizeof(*survey->rows_lying)),
                .damage_of = calloc(record->n_mounts + 1, sizeof(*survey->damage_of)),
        };
        if (!survey->drifts || !survey->roots || !survey->lying || !survey->pending || !survey->rows_lying || !survey->damage_of)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                union {
                        const struct drift *in;
                        void *out;
                } drift = {.in = &drifts[i]}; /* the map hands it back as const */

                if (drifts[i].kind != DRIFT_EXTRA && map_put_u64(survey->drifts, (uint64_t) drifts[i].row, drift.out) == -ENOMEM)
                        return -ENOMEM;
        }
        for (size_t i = 0; i < record->n_mounts; i++) {
                struct record_mount *mount = &record->mounts[i];

                if (is_root(mount) && map_put(survey->roots, mount->container, mount) == -ENOMEM)
                        return -ENOMEM;
                if (mount->container[0] || mount->target[0]) /* nor the tmpfs of a container that was added */
                        continue;
                survey->tree_gone = is_missing(survey, mount);
                survey->tree_row = mount->row;
        }
        return 0;
}

static int add(struct survey *survey, const char *state, uint64_t id, const char *container, const char *target,
               struct damage **ret) {
        struct damage *damage = array_append(&survey->damages, &survey->n_damages);

        if (!damage)
                return -ENOMEM;
        *damage = (struct damage) {.state = state, .id = id, .ground = SIZE_MAX};
        damage->container = strdup(container);
        damage->target = strdup(target);
        *ret = damage;
        return damage->container && damage->target ? 0 : -ENOMEM;
}

/* Why a missing mount is not made again, whatever lies below it; false if it can be. */
static bool is_lost(const struct survey *survey, const struct record_mount *mount, struct damage *damage) {
        const struct record_mount *root = map_get(survey->roots, mount->container);
        const char *uuid = survey->record->uuid;

        if (survey->tree_gone)
                damage_settle(damage, DAMAGE_LEFT,
                              "The tree that the pod stood on is gone: such a pod cannot be repaired; collect it with "
                              "podmountctl gc %s and create it again.", uuid);
        else if (is_root(mount) || (root && is_missing(survey, root)))
                damage_settle(damage, DAMAGE_LEFT,
                              "The root of container %s is gone and cannot be made again in a pod that is there; collect "
                              "it with podmountctl gc %s and create it again.", mount->container, uuid);
        else if (mount->nested)
                damage_settle(damage, DAMAGE_LEFT,
                              "It came along with a recursive clone and is not made again by itself; unmount what it "
                              "came with, and mount that again.");
        else if (!damage_is_path(mount) && (!mount->request || !mount->container[0])) /* a tmpfs of ours has the spec of its container there */
                damage_settle(damage, DAMAGE_LEFT, "Nothing on record says how it was made.");
        else
                return false;
        return true;
}

static int add_missing(struct survey *survey, const struct record_mount *mount) {
        struct damage *damage;
        size_t number;
        int r;

        if (mount->nested) {
                r = covers_find(survey->pending, mount->container, mount->target, &number);
                if (r < 0 || number != COVER_NONE)
                        return r;
        }
        r = add(survey, drift_kind_name(DRIFT_MISSING), mount->id, mount->container, mount->target, &damage);
        if (r < 0 || is_lost(survey, mount, damage))
                return r;
        damage->row = mount->row;
        survey->damage_of[mount - survey->record->mounts] = survey->n_damages;
        if (strcmp(mount->container, SPEC_VOLUMES) == 0)
                damage->ground_row = survey->tree_row;
        r = covers_find(survey->lying, mount->container, mount->target, &number);
        if (r >= 0 && number != COVER_NONE) {
                damage->ground_row = survey->record->mounts[survey->rows_lying[number]].row;
                damage->ground = survey->damage_of[survey->rows_lying[number]] - 1; /* SIZE_MAX for 0 */
        }
        return r < 0 ? r : covers_add(survey->pending, mount->container, mount->target);
}

static int add_changed(struct survey *survey, const struct record_mount *mount, const struct drift *drift) {
        struct damage *damage;
        int r = add(survey, drift_kind_name(DRIFT_CHANGED), mount->id, mount->container, mount->target, &damage);

        if (r == 0)
                damage_settle(damage, DAMAGE_LEFT,
                              "It is there, but changed (%s): undo that with mount(8), or unmount it and mount it again.",
                              drift->detail);
        return r;
}

static int add_record(struct survey *survey, const struct record_mount *mount) {
        const struct drift *drift = map_get_u64(survey->drifts, (uint64_t) mount->row);
        struct damage *damage;
        int r;

        if (mount->deferred) {
                r = add(survey, "deferred", 0, mount->container, mount->target, &damage);
                if (r == 0)
                        damage_settle(damage, DAMAGE_DEFERRED, "It waits until its namespace is named.");
                return r;
        }
        if (!drift)
                return 0;
        return drift->kind == DRIFT_MISSING ? add_missing(survey, mount) : add_changed(survey, mount, drift);
}

/* On the host each lies for itself: nothing of the pod's is below it. */
static int add_host(struct survey *survey, const struct record_mount *mount) {
        const struct drift *drift = map_get_u64(survey->drifts, (uint64_t) mount->row);
        struct damage *damage;
        int r;

        if (!drift || mount->deferred)
                return 0;
        if (drift->kind != DRIFT_MISSING)
                return add_changed(survey, mount, drift);
        r = add(survey, drift_kind_name(DRIFT_MISSING), mount->id, mount->container, mount->target, &damage);
        if (r == 0 && !is_lost(survey, mount, damage))
                damage->row = mount->row;
        return r;
}

/* A network interface is no mount: what is to be said is who can bring it. One that is with its process is not looked for. */
static int add_link(struct survey *survey, const struct record_link *link) {
        const bool waits = link->place == RECORD_LINK_OUTSIDE;
        struct damage *damage;
        int r;

        if (link->place == RECORD_LINK_INSIDE)
                return 0;
        r = add(survey, waits ? "deferred" : drift_kind_name(DRIFT_MISSING), 0, link->container, link->name, &damage);
        if (r == 0 && waits)
                damage_settle(damage, DAMAGE_DEFERRED, "This network interface waits until a process is named with podmountctl prepare-process.");
        else if (r == 0)
                damage_settle(damage, DAMAGE_LEFT, "This network interface is half on the way to a process: restart podmountd, which brings it back.");
        return r;
}

static int add_extra(struct survey *survey, const struct drift *drift) {
        struct damage *damage;
        int r = add(survey, drift_kind_name(DRIFT_EXTRA), drift->id, drift->container, drift->target, &damage);

        if (r == 0)
                damage_settle(damage, DAMAGE_LEFT,
                              "podmountd did not make it (%s): whoever mounted it is to unmount it.", drift->detail);
        return r;
}

int damage_survey(const struct record_pod *record, const struct drift *drifts, size_t n_drifts, const char *container,
                  struct damage **ret, size_t *ret_n) {
        _cleanup_(survey_done) struct survey survey;
        int r = survey_init(&survey, record, drifts, n_drifts);

        for (size_t i = 0; i < record->n_mounts && r >= 0; i++) {
                const struct record_mount *mount = &record->mounts[i];

                if (!container || strcmp(mount->container, container) == 0)
                        r = add_record(&survey, mount);
                if (mount->deferred || r < 0)
                        continue;
                survey.rows_lying[survey.n_lying++] = i;
                r = covers_add(survey.lying, mount->container, mount->target);
        }
        for (size_t i = 0; i < record->n_host && r >= 0; i++)
                if (!container || strcmp(container, SPEC_HOST) == 0)
                        r = add_host(&survey, &record->host[i]);
        for (size_t i = 0; i < record->n_links && r >= 0; i++)
                if (!container || strcmp(record->links[i].container, container) == 0)
                        r = add_link(&survey, &record->links[i]);
        for (size_t i = 0; i < n_drifts && r >= 0; i++)
                if (drifts[i].kind == DRIFT_EXTRA && (!container || strcmp(drifts[i].container, container) == 0))
                        r = add_extra(&survey, &drifts[i]);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(survey.damages);
        *ret_n = survey.n_damages;
        survey.n_damages = 0;
        return 0;
}
