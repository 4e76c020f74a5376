/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reads every record at the start. A value that no podmountd writes ends it: records are believed whole or not. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "spec/spec.h"
#include "store/journal.h"
#include "store/statement.h"
#include "util/array.h"
#include "util/log.h"

/* What is read so far; the keys tell which pod a mount belongs to. */
struct loading {
        struct record_pod **pods;
        int64_t *numbers;
        size_t n_pods, n_numbers;
        struct record_intent *intents;
        size_t n_intents;
};

static void loading_done(struct loading *loading) {
        for (size_t i = 0; i < loading->n_pods; i++)
                record_pod_free(loading->pods[i]);
        free(loading->pods);
        free(loading->numbers);
        record_intents_free(loading->intents, loading->n_intents);
}

static int read_pod(struct statement *statement, struct loading *loading) {
        _cleanup_strv_ char **directories = NULL, **gc = NULL, **links = NULL;
        struct record_pod **slot = array_append(&loading->pods, &loading->n_pods);
        int64_t *number = array_append(&loading->numbers, &loading->n_numbers);
        struct record_pod *pod = slot ? *slot = calloc(1, sizeof(*pod)) : NULL;
        int r;

        if (!pod || !number)
                return log_oom();
        *number = statement_int(statement);
        if (statement_name(statement, &pod->uuid) < 0 || statement_text(statement, &pod->name) < 0)
                return -ENOMEM;
        pod->owner = statement_u32(statement);
        pod->owner_group = statement_u32(statement);
        pod->state = (enum record_state) statement_enum(statement, _RECORD_STATE_MAX);
        pod->created_us = statement_u64(statement);
        if (statement_text(statement, &pod->spec) < 0 || statement_text(statement, &pod->lease) < 0 ||
                statement_text(statement, &pod->reason) < 0 || statement_strv(statement, &pod->containers) < 0 ||
                statement_strv(statement, &pod->warnings) < 0 || statement_strv(statement, &directories) < 0)
                return -ENOMEM;
        pod->lease_on.pid = statement_u64(statement);
        pod->lease_on.start = statement_u64(statement);
        pod->lease_on.until_us = statement_u64(statement);
        if (statement_text(statement, &pod->lease_on.ended) < 0 || statement_strv(statement, &gc) < 0)
                return -ENOMEM;
        pod->private = statement_bool(statement);
        if (statement_strv(statement, &links) < 0)
                return -ENOMEM;
        r = record_gc_read(gc, &pod->gc);
        if (r < 0)
                return log_errno(LOG_ERR, r, "read the gc program of pod %s", pod->uuid);
        r = record_links_read(links, pod);
        if (r < 0)
                return log_errno(LOG_ERR, r, "read the network interfaces of pod %s", pod->uuid);
        r = record_directories_read(directories, pod);
        return r < 0 ? log_errno(LOG_ERR, r, "read the directories of pod %s", pod->uuid) : 0;
}

static int read_mount(struct statement *statement, struct record_mount *mount) {
        mount->row = statement_int(statement);
        mount->id = statement_u64(statement);
        mount->mount_id = statement_u32(statement);
        if (statement_name(statement, &mount->container) < 0 || statement_name(statement, &mount->target) < 0 ||
                statement_text(statement, &mount->source) < 0 || statement_text(statement, &mount->type) < 0 ||
                statement_strv(statement, &mount->options) < 0 || statement_text(statement, &mount->request) < 0 ||
                statement_text(statement, &mount->source_key) < 0 || statement_text(statement, &mount->root) < 0 ||
                statement_text(statement, &mount->point) < 0 || statement_text(statement, &mount->fs_options) < 0)
                return -ENOMEM;
        mount->device = statement_u64(statement);
        mount->job = statement_u64(statement);
        mount->attributes = statement_u64(statement);
        mount->propagation = statement_u64(statement);
        mount->made = statement_u32(statement);
        mount->made_file = statement_bool(statement);
        mount->nested = statement_bool(statement);
        mount->deferred = statement_bool(statement);
        mount->ground_free = statement_bool(statement);
        mount->ground_caller = statement_bool(statement);
        mount->namespace = statement_u64(statement);
        return 0;
}

/* Of the list that it belongs to. */
static struct record_mount *new_mount(struct record_pod *pod, const struct record_mount *mount) {
        if (mount->namespace != 0)
                return array_append(&pod->inside, &pod->n_inside);
        if (strcmp(mount->container, SPEC_HOST) == 0)
                return array_append(&pod->host, &pod->n_host);
        return array_append(&pod->mounts, &pod->n_mounts);
}

static int add_mount(struct statement *statement, struct record_pod *pod) {
        struct record_mount mount = {}, *slot;
        int r = read_mount(statement, &mount);

        slot = r < 0 ? NULL : new_mount(pod, &mount);
        if (!slot) {
                record_mount_done(&mount);
                return r < 0 ? r : log_oom();
        }
        *slot = mount;
        return 0;
}

static int read_intent(struct statement *statement, struct loading *loading) {
        struct record_intent *intent = array_append(&loading->intents, &loading->n_intents);

        if (!intent)
                return log_oom();
        intent->job = statement_u64(statement);
        if (statement_name(statement, &intent->uuid) < 0)
                return -ENOMEM;
        intent->verb = (enum record_verb) statement_enum(statement, _RECORD_VERB_MAX);
        intent->lazy = statement_bool(statement);
        return statement_text(statement, &intent->detail);
}

static int load_pods(struct store *store, struct loading *loading) {
        struct statement statement = statement_use(store, STATEMENT_LOAD_PODS);
        int r;

        while ((r = statement_next(&statement)) > 0) {
                r = read_pod(&statement, loading);
                if (r < 0) {
                        statement_end(&statement);
                        break;
                }
        }
        return r;
}

/* Mounts come in the order of their pods, so both lists are walked side by side. */
static int load_mounts(struct store *store, struct loading *loading) {
        struct statement statement = statement_use(store, STATEMENT_LOAD_MOUNTS);
        size_t at = 0;
        int r;

        while ((r = statement_next(&statement)) > 0) {
                int64_t number = statement_int(&statement);

                while (at < loading->n_pods && loading->numbers[at] < number)
                        at++;
                if (at == loading->n_pods || loading->numbers[at] != number)
                        r = log_errno(LOG_ERR, EBADMSG, "state.db holds a mount of no pod");
                else
                        r = add_mount(&statement, loading->pods[at]);
                if (r < 0) {
                        statement_end(&statement);
                        break;
                }
        }
        return r;
}

static int load_intents(struct store *store, struct loading *loading) {
        struct statement statement = statement_use(store, STATEMENT_LOAD_INTENTS);
        int r;

        while ((r = statement_next(&statement)) > 0) {
                r = read_intent(&statement, loading);
                if (r < 0) {
                        statement_end(&statement);
                        break;
                }
        }
        return r;
}

/* What was noted and then moved into the database, just before a crash, is there. */
static bool is_loaded(const struct loading *loading, uint64_t job) {
        for (size_t i = 0; i < loading->n_intents; i++)
                if (loading->intents[i].job == job)
                        return true;
        return false;
}

static int compare_intents(const void *a, const void *b) {
        const struct record_intent *x = a, *y = b;

        return (x->job > y->job) - (x->job < y->job);
}

static int load_noted(struct store *store, struct loading *loading) {
        struct record_intent intent;
        size_t cursor = 0;
        int r;

        while ((r = journal_next(store->journal, &cursor, &intent)) > 0) {
                struct record_intent *slot = is_loaded(loading, intent.job) ? NULL : array_append(&loading->intents, &loading->n_intents);

                if (!slot) {
                        free(intent.uuid);
                        if (!is_loaded(loading, intent.job))
                                return log_oom();
                        journal_drop(store->journal, intent.job);
                        continue;
                }
                *slot = intent;
        }
        if (loading->n_intents > 1)
                qsort(loading->intents, loading->n_intents, sizeof(*loading->intents), compare_intents);
        return r;
}

int store_load(struct store *store, struct record_pod ***ret_pods, size_t *ret_n_pods,
        struct record_intent **ret_intents, size_t *ret_n_intents) {
        _cleanup_(loading_done) struct loading loading = {};
        int r = load_pods(store, &loading);

        if (r == 0)
                r = load_mounts(store, &loading);
        if (r == 0)
                r = load_intents(store, &loading);
        if (r == 0)
                r = load_noted(store, &loading);
        if (r < 0)
                return r;
        *ret_pods = TAKE_PTR(loading.pods);
        *ret_n_pods = loading.n_pods;
        *ret_intents = TAKE_PTR(loading.intents);
        *ret_n_intents = loading.n_intents;
        loading.n_pods = loading.n_intents = 0;
        return 0;
}
