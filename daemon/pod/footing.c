/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A job of a thousand mounts goes into a pod of thousands, so that targets are sorted once and each record looked up: by
 * paths whose components are compared one by one, what lies below a path comes right behind it.
 */

#include "pod/footing.h"

#include <stdlib.h>
#include <string.h>

#include "pod/judge.h"
#include "pod/own-table.h"
#include "pod/registry.h"
#include "util/log.h"
#include "util/path.h"

struct place {
        const char *container, *path;
};

/* The slash before every other byte. */
static int compare_places(const void *a, const void *b) {
        const struct place *x = a, *y = b;
        const char *p = x->path, *q = y->path;
        int r = strcmp(x->container, y->container);

        if (r != 0)
                return r;
        while (*p && *p == *q)
                p++, q++;
        return (*p == '/' ? 1 : (unsigned char) *p) - (*q == '/' ? 1 : (unsigned char) *q);
}

/* Zero where the record, `key`, is at or above the place. */
static int compare_above(const void *key, const void *place) {
        const struct place *above = key, *at = place;

        if (strcmp(above->container, at->container) == 0 && path_is_below(at->path, above->path))
                return 0;
        return compare_places(key, place);
}

/* Where nothing is found, which is nearly always, the look is all that it costs. */
int footing_look_at(struct pods *pods, struct pod *pod, const uint64_t *ids, size_t n) {
        bool marked = pod->judge_again, found;
        int r;

        if (!pods->look_at || n == 0)
                return 0;
        pod->judge_again = false;
        r = pods->look_at(ids, n, pods->sync_userdata);
        if (r >= 0 && pod->own)
                r = own_table_read(pod);
        found = pod->judge_again;
        pod->judge_again = marked || found;
        if (r < 0 || !found)
                return r;
        r = pods_sync(pods); /* else the pod's newest mounts would pass for missing */
        if (r >= 0)
                judge_now(pods, pod);
        return r;
}

int footing_look_tree(struct pods *pods, struct pod *pod) {
        const struct record_mount *tree = pod_find_mount(pod, "", "");

        return tree ? footing_look_at(pods, pod, &tree->id, 1) : 0;
}

int footing_look_host(struct pods *pods, struct pod *pod) {
        _cleanup_free_ uint64_t *ids = NULL;
        size_t n = 0;

        if (pod->record->n_host == 0)
                return 0;
        ids = calloc(pod->record->n_host, sizeof(*ids));
        if (!ids)
                return log_oom();
        for (size_t i = 0; i < pod->record->n_host; i++)
                if (!pod->record->host[i].deferred)
                        ids[n++] = pod->record->host[i].id;
        return footing_look_at(pods, pod, ids, n);
}

int footing_look(struct pods *pods, struct pod *pod, const struct wanted *wanted) {
        size_t n_places = wanted->n_mounts, n = 0;
        _cleanup_free_ struct place *places = calloc(n_places + 1, sizeof(*places));
        _cleanup_free_ uint64_t *ids = calloc(pod->record->n_mounts + 1, sizeof(*ids));

        if (!places || !ids)
                return log_oom();
        for (size_t i = 0; i < n_places; i++)
                places[i] = (struct place){wanted_container(wanted, &wanted->mounts[i]), wanted->mounts[i].target};
        qsort(places, n_places, sizeof(*places), compare_places);
        for (size_t i = 0; i < pod->record->n_mounts; i++) {
                const struct record_mount *mount = &pod->record->mounts[i];
                struct place at = {mount->container, mount->target};

                if (mount->deferred || !bsearch(&at, places, n_places, sizeof(*places), compare_above))
                        continue;
                if (n == 0 || ids[n - 1] != mount->id)
                        ids[n++] = mount->id;
        }
        return footing_look_at(pods, pod, ids, n);
}
