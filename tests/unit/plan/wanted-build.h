/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Wanted mounts by hand, for the planner's tests: what a spec would be compiled to, without compiling one. */

#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "plan/plan.h"
#include "util/array.h"

#define WANTED_UUID "0123abcd-4567-89ab-cdef-0123456789ab"

static inline char *text(const char *from) {
        char *made = strdup(from);

        if (!made)
                abort();
        return made;
}

static inline size_t want_container(struct wanted *wanted, const char *name) {
        if (strv_append(&wanted->containers, name) < 0)
                abort();
        return strv_length(wanted->containers) - 1;
}

static inline struct wanted_mount *want(struct wanted *wanted, enum wanted_kind kind, size_t container,
        const char *target, const char *type) {
        struct wanted_mount *mount = array_append(&wanted->mounts, &wanted->n_mounts);

        if (!mount)
                abort();
        mount->kind = kind;
        mount->container = container;
        mount->pointer = text("/mounts/0");
        mount->target = text(target);
        mount->type = text(type);
        mount->propagation = MS_SHARED;
        return mount;
}

static inline struct wanted_mount *want_root(struct wanted *wanted, size_t container, bool readonly) {
        struct wanted_mount *mount = want(wanted, WANTED_ROOT, container, "/", "bind");

        mount->source = (struct source) {.kind = SOURCE_PATH, .text = text("/srv/root")};
        mount->attr_set = readonly ? MOUNT_ATTR_RDONLY : 0;
        return mount;
}

static inline struct wanted_mount *want_bind(struct wanted *wanted, size_t container, const char *target,
        const char *source) {
        struct wanted_mount *mount = want(wanted, WANTED_BIND, container, target, "bind");

        if (strncmp(source, "fd:", 3) == 0)
                mount->source = (struct source) {.kind = SOURCE_FD, .text = text(source + 3)};
        else
                mount->source = (struct source) {.kind = SOURCE_PATH, .text = text(source)};
        return mount;
}

static inline void want_source_done(struct source *source) {
        free(source->text);
}

static inline void wanted_build_done(struct wanted *wanted) {
        for (size_t i = 0; i < wanted->n_mounts; i++) {
                struct wanted_mount *mount = &wanted->mounts[i];

                free(mount->pointer);
                free(mount->target);
                free(mount->type);
                want_source_done(&mount->source);
                want_source_done(&mount->upper);
                want_source_done(&mount->work);
                for (size_t j = 0; j < mount->n_lower; j++)
                        want_source_done(&mount->lower[j]);
                free(mount->lower);
                for (size_t j = 0; j < mount->n_data; j++) {
                        free(mount->data[j].name);
                        free(mount->data[j].value);
                }
                free(mount->data);
                strv_free(mount->options);
        }
        for (size_t i = 0; i < wanted->n_directories; i++) {
                free(wanted->directories[i].pointer);
                free(wanted->directories[i].target);
        }
        free(wanted->directories);
        free(wanted->mounts);
        strv_free(wanted->containers);
        strv_free(wanted->warnings);
}
#define _cleanup_wanted_ _cleanup_(wanted_build_done)
