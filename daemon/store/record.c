/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Records as values: the names of their states, and what they own. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/cgroups.h"
#include "util/array.h"

static const char *const state_names[_RECORD_STATE_MAX] = {
        [RECORD_CREATING] = "creating",
        [RECORD_READY] = "ready",
        [RECORD_STOPPING] = "stopping",
        [RECORD_FAILED] = "failed",
};

const char *record_state_name(enum record_state state) {
        if ((unsigned) state >= _RECORD_STATE_MAX)
                return "unknown";
        return state_names[state];
}

void record_mount_done(struct record_mount *mount) {
        if (!mount)
                return;
        free(mount->container);
        free(mount->target);
        free(mount->source);
        free(mount->type);
        strv_free(mount->options);
        free(mount->request);
        free(mount->source_key);
        free(mount->root);
        free(mount->point);
        free(mount->fs_options);
        *mount = (struct record_mount) {};
}

static int copy_text(const char *from, char **ret) {
        if (!from)
                return 0;
        *ret = strdup(from);
        return *ret ? 0 : -ENOMEM;
}

int record_mount_copy(const struct record_mount *from, struct record_mount *ret) {
        struct record_mount copy = *from;

        /* The copy must own nothing of `from` if it fails halfway. */
        copy.container = copy.target = copy.source = copy.type = copy.request = copy.source_key = NULL;
        copy.root = copy.point = copy.fs_options = NULL;
        copy.options = NULL;
        if (copy_text(from->container, &copy.container) < 0 || copy_text(from->target, &copy.target) < 0 ||
                copy_text(from->source, &copy.source) < 0 || copy_text(from->type, &copy.type) < 0 ||
                copy_text(from->request, &copy.request) < 0 || copy_text(from->source_key, &copy.source_key) < 0 ||
                copy_text(from->root, &copy.root) < 0 || copy_text(from->point, &copy.point) < 0 ||
                copy_text(from->fs_options, &copy.fs_options) < 0 ||
                (from->options && strv_copy(from->options, &copy.options) < 0)) {
                record_mount_done(&copy);
                return -ENOMEM;
        }
        *ret = copy;
        return 0;
}

void record_directory_done(struct record_directory *directory) {
        free(directory->root);
        free(directory->path);
        free(directory->container);
        *directory = (struct record_directory) {};
}

struct record_pod *record_pod_free(struct record_pod *pod) {
        if (!pod)
                return NULL;
        for (size_t i = 0; i < pod->n_mounts; i++)
                record_mount_done(&pod->mounts[i]);
        free(pod->mounts);
        for (size_t i = 0; i < pod->n_inside; i++)
                record_mount_done(&pod->inside[i]);
        free(pod->inside);
        for (size_t i = 0; i < pod->n_host; i++)
                record_mount_done(&pod->host[i]);
        free(pod->host);
        record_gc_done(&pod->gc);
        record_cgroups_free(pod->cgroups, pod->n_cgroups);
        for (size_t i = 0; i < pod->n_directories; i++)
                record_directory_done(&pod->directories[i]);
        free(pod->directories);
        for (size_t i = 0; i < pod->n_links; i++)
                record_link_done(&pod->links[i]);
        free(pod->links);
        free(pod->uuid);
        free(pod->name);
        free(pod->spec);
        free(pod->lease);
        free(pod->lease_on.ended);
        free(pod->reason);
        strv_free(pod->containers);
        strv_free(pod->warnings);
        free(pod);
        return NULL;
}

void record_intents_free(struct record_intent *intents, size_t n) {
        for (size_t i = 0; i < n; i++) {
                free(intents[i].uuid);
                free(intents[i].detail);
        }
        free(intents);
}
