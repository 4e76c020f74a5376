/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Everything of the front under one owner: the event loop, the watch and the table that follows it, the store, the
 * executors' pool, the pods, and the api on top. It decides when the mount table is read again.
 */

#include <systemd/sd-event.h>

#include "executor/pool.h"
#include "kernel/watch.h"
#include "runtime.h"
#include "state.h"
#include "stores.h"
#include "util/settings.h"

struct manager;

struct manager_setup {
        sd_event *event;
        struct runtime *runtime; /* outlives the manager; the listening fd is taken over by manager_new() */
        const struct state *state;     /* outlives the manager… */
        const struct stores *stores;   /* …and so do these */
        struct watch *watch;           /* outlives the manager */
        char *const *features;         /* names of what the kernel offers; copied */
        bool bus;                      /* connect to the system bus */
        const struct settings *settings;
        pool_replace_fn replace;       /* asks the keeper for a new executor */
        void *userdata;
};

/* Opens the store, reads the table, makes pods and api; nothing is served yet. */
int manager_new(const struct manager_setup *setup, struct manager **ret);
struct manager *manager_free(struct manager *manager);
DEFINE_CLEANUP(struct manager *, manager_free)

/* A new executor for a slot; takes both fds over, also on failure. The intent file is read only. */
int manager_add_executor(struct manager *manager, unsigned slot, int socket, int intent_fd);

/* Recovers what is on record, then serves. What needs executors goes on in the loop. */
int manager_start(struct manager *manager);

/* After a reload: counts for what is asked from now on. The settings are copied. */
void manager_set_settings(struct manager *manager, const struct settings *settings);

/* Takes no further request, and ends the loop with status 0 once what runs is done and answered, or `limit_us` have passed. */
int manager_stop(struct manager *manager, uint64_t limit_us);

/* One line on what there is, for STATUS= of sd_notify(3); the caller's. NULL when memory is short. */
char *manager_status(const struct manager *manager);
