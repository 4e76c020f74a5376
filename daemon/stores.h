/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The additional stores of the configuration: state directories (state.h) of other daemons, of which layers are read and nothing is
 * ever changed. Each is looked at once, by the keeper: that nobody but root could have written it, and that no podmountd has it and
 * none left its records half written. As long as the keeper runs none can take it: several that read one share its lock.
 */

#include "kernel/features.h"
#include "util/cleanup.h"
#include "util/settings.h"

struct additional_store {
        char *path;      /* as configured */
        int lock_fd;     /* or -1: it has none, or on a file system without locks */
        int mount_fd;    /* as struct state has it, read-only, too */
        int layers_fd;   /* -1: it cannot be used */
        int records_fd;  /* layers.db, to be read; or -1 */
        char *reason;    /* why it cannot be used: a phrase, and what to do; NULL: it can */
};

struct stores {
        struct additional_store list[SETTINGS_STORES_MAX]; /* in the order of search */
        size_t n;
};

/* Opens the directories of a list as settings have it, for a front that runs as `uid`. `own`: the daemon's own state directory. Whatever is wrong with
 * one is logged and told in its `reason`, and is no failure. -ENOMEM. */
int stores_prepare(const char *list, const char *own, uid_t uid, const struct features *features, struct stores *ret);
void stores_done(struct stores *stores);
