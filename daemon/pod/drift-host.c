/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The drift of a pod's mounts on the host, each of which is judged alone: there is no tree of the pod's around it, and what
 * else the host has is nobody's business here.
 */

#include <inttypes.h>
#include <string.h>

#include "pod/drift-words.h"
#include "pod/drift.h"
#include "util/array.h"
#include "util/path.h"
#include "util/text.h"

static bool is_above(const struct entry *above, const struct entry *entry) {
        while (entry && entry != above)
                entry = entry->parent;
        return entry;
}

/* The mount that a walk to the place meets and does not leave for the recorded one: on it, or at a directory above it. */
static const struct entry *find_cover(const struct table *table, const struct entry *entry) {
        const struct entry *met = table_at(table, entry->point);
        _cleanup_free_ char *path = met ? NULL : strdup(entry->point);
        char *slash;

        if (met == entry)
                return NULL;
        while (!met && path && (slash = strrchr(path, '/')) && slash > path) {
                *slash = '\0';
                met = table_at(table, path);
        }
        return met && !is_above(met, entry) ? met : NULL;
}

static int judge_place(const struct table *table, const struct record_mount *mount, const struct entry *entry, char ***details) {
        const struct entry *cover;

        if (strcmp(entry->point, mount->target) != 0)
                return strv_appendf(details, "moved to %s", *entry->point ? entry->point : "another place");
        cover = find_cover(table, entry);
        if (!cover)
                return 0;
        return strv_appendf(details, "covered by mount %" PRIu64 " (%s)%s%s", cover->unique_id ? cover->unique_id : cover->id,
                cover->type ? cover->type : "of unknown type", strcmp(cover->point, mount->target) != 0 ? " at " : "",
                strcmp(cover->point, mount->target) != 0 ? cover->point : "");
}

static int judge_there(const struct table *table, const struct record_mount *mount, const struct entry *entry,
        struct drift **drifts, size_t *n) {
        _cleanup_strv_ char **details = NULL;
        int r = drift_compare(mount, entry, &details);

        if (r >= 0)
                r = judge_place(table, mount, entry, &details);
        if (r < 0 || !details)
                return r;
        return drift_append(drifts, n, DRIFT_CHANGED, mount->id, mount->row, mount->container, mount->target,
                strv_join(details, "; "));
}

/* What hangs on it, at any depth. */
static int judge_extra(const struct table *table, const struct record_mount *mount, struct entry *entry, struct drift **drifts,
        size_t *n) {
        _cleanup_free_ struct entry **entries = NULL;
        size_t n_entries = 0;
        int r = entry->children ? table_subtree(table, entry, &entries, &n_entries) : 0;

        for (size_t i = 1; i < n_entries && r >= 0; i++) {
                const struct entry *extra = entries[i];
                char *detail = NULL;

                r = words_extra(table, extra, &detail);
                if (r >= 0)
                        r = drift_append(drifts, n, DRIFT_EXTRA, extra->unique_id ? extra->unique_id : extra->id, 0,
                                mount->container, extra->point, detail);
        }
        return r;
}

int drift_judge_host(const struct record_pod *record, const struct table *table, struct drift **drifts, size_t *n) {
        int r = 0;

        for (size_t i = 0; i < record->n_host && r >= 0; i++) {
                const struct record_mount *mount = &record->host[i];
                struct entry *entry = drift_find_entry(table, mount);

                if (mount->deferred)
                        continue;
                if (!entry) {
                        r = drift_append(drifts, n, DRIFT_MISSING, mount->id, mount->row, mount->container, mount->target,
                                strdup("unmounted"));
                        continue;
                }
                r = judge_there(table, mount, entry, drifts, n);
                if (r >= 0)
                        r = judge_extra(table, mount, entry, drifts, n);
        }
        return r < 0 ? r : 0;
}
