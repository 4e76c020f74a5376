/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All is counted in one walk over each kind of thing, into an account for each user and each group that has any.
 */

#include "api/usage.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/peer.h"
#include "api/request.h"
#include "pod/layer-stream.h"
#include "pod/use.h"
#include "util/array.h"

struct account {
        uint32_t id;
        uint64_t used[_QUOTA_LIMIT_MAX];
        uint64_t varlink; /* connections of the other socket, for which the limit holds likewise */
};

struct accounts {
        const struct api *api;
        const struct caller *caller;
        struct map *users, *groups;
        uint64_t streams;
        const struct pod *fullest, *longest; /* by mounts, and by its spec */
        uint64_t most_mounts, most_bytes;
        uint64_t *most; /* by limit: only what is most is asked for… */
        struct usage *rows; /* …or NULL, and this is */
        size_t n_rows;
};

static void accounts_done(struct accounts *accounts) {
        struct map *const maps[] = {accounts->users, accounts->groups};

        for (size_t i = 0; i < ELEMENTSOF(maps); i++) {
                struct account *account;

                if (maps[i])
                        MAP_FOREACH(account, maps[i])
                                free(account);
                (void) map_free(maps[i]);
        }
        free(accounts->rows);
}

static bool sees_all(const struct accounts *accounts) {
        return !accounts->caller || caller_is_root(accounts->caller);
}

/* NULL for one that is not shown, or when memory is short. */
static struct account *account_of(const struct accounts *accounts, bool group, uint32_t id) {
        struct map *map = group ? accounts->groups : accounts->users;
        struct account *account = map_get_u64(map, id);

        if (account)
                return account;
        if (!sees_all(accounts) && id != (group ? accounts->caller->gid : accounts->caller->uid))
                return NULL;
        account = calloc(1, sizeof(*account));
        if (!account)
                return NULL;
        account->id = id;
        if (map_put_u64(map, id, account) >= 0)
                return account;
        free(account);
        return NULL;
}

static void charge(const struct accounts *accounts, enum quota_limit limit, uint32_t id, uint64_t n) {
        struct account *account = account_of(accounts, quota_scope(limit) == QUOTA_GROUP, id);

        if (account && __builtin_add_overflow(account->used[limit], n, &account->used[limit]))
                account->used[limit] = UINT64_MAX;
}

static void count_pods(struct accounts *accounts) {
        const struct pod *pod;

        MAP_FOREACH(pod, accounts->api->pods->by_uuid) {
                const struct record_pod *record = pod->record;
                uint64_t tmpfs, bytes = record->spec ? strlen(record->spec) : 0;
                uint32_t mounts;

                use_of_pod(pod, NULL, &mounts, &tmpfs);
                if (accounts->caller ? pods_may_see(pod, accounts->caller) : true) {
                        if (!accounts->fullest || mounts > accounts->most_mounts) {
                                accounts->fullest = pod;
                                accounts->most_mounts = mounts;
                        }
                        if (!accounts->longest || bytes > accounts->most_bytes) {
                                accounts->longest = pod;
                                accounts->most_bytes = bytes;
                        }
                }
                if (record->owner == 0)
                        continue;
                charge(accounts, QUOTA_PODS_OF_USER, record->owner, 1);
                charge(accounts, QUOTA_PODS_OF_GROUP, record->owner_group, 1);
                charge(accounts, QUOTA_MOUNTS_OF_USER, record->owner, mounts);
                charge(accounts, QUOTA_MOUNTS_OF_GROUP, record->owner_group, mounts);
                charge(accounts, QUOTA_TMPFS_OF_USER, record->owner, tmpfs);
                charge(accounts, QUOTA_TMPFS_OF_GROUP, record->owner_group, tmpfs);
        }
}

static void count_layer(const struct accounts *accounts, const struct layer *layer) {
        const struct record_layer *record = layer->record;

        if (layer->store || record->owner == 0)
                return;
        charge(accounts, QUOTA_LAYERS_OF_USER, record->owner, 1);
        charge(accounts, QUOTA_LAYERS_OF_GROUP, record->owner_group, 1);
        charge(accounts, QUOTA_LAYER_BYTES_OF_USER, record->owner, record->bytes);
        charge(accounts, QUOTA_LAYER_INODES_OF_USER, record->owner, record->inodes);
        if (!layer->mounted && !layer->mounting)
                return;
        charge(accounts, QUOTA_MOUNTS_OF_USER, record->owner, 1);
        charge(accounts, QUOTA_MOUNTS_OF_GROUP, record->owner_group, 1);
}

static void count_layers(struct accounts *accounts) {
        const struct pods *pods = accounts->api->pods;
        const struct layer *layer;

        if (pods->layers && pods->layers->by_id) {
                MAP_FOREACH(layer, pods->layers->by_id)
                        count_layer(accounts, layer);
                for (size_t i = 0; i < pods->layers->n_removing; i++)
                        count_layer(accounts, pods->layers->removing[i]);
        }
        for (const struct layer_stream *stream = pods->layer_streams; stream; stream = stream->next) {
                accounts->streams++;
                if (layer_stream_user(stream) != 0)
                        charge(accounts, QUOTA_STREAMS_OF_USER, layer_stream_user(stream), 1);
        }
}

static void count_requests(const struct accounts *accounts) {
        const struct request_use *use;

        MAP_FOREACH(use, accounts->api->users)
                if (use->id != 0) {
                        charge(accounts, QUOTA_REQUESTS_OF_USER, use->id, use->n_requests);
                        charge(accounts, QUOTA_FDS_OF_USER, use->id, use->n_fds);
                }
        MAP_FOREACH(use, accounts->api->groups) {
                charge(accounts, QUOTA_REQUESTS_OF_GROUP, use->id, use->n_requests);
                charge(accounts, QUOTA_FDS_OF_GROUP, use->id, use->n_fds);
        }
        for (const struct peer *peer = accounts->api->peers; peer; peer = peer->next) {
                if (peer->caller.transport == CALLER_BUS || peer->caller.uid == 0)
                        continue;
                if (peer->caller.transport == CALLER_SOCKET)
                        charge(accounts, QUOTA_CONNECTIONS_OF_USER, peer->caller.uid, 1);
                else {
                        struct account *account = account_of(accounts, false, peer->caller.uid);

                        if (account)
                                account->varlink++;
                }
        }
}

static int add_row(struct accounts *accounts, const struct usage *row) {
        struct usage *slot;

        if (accounts->most) {
                if (row->used > accounts->most[row->limit])
                        accounts->most[row->limit] = row->used;
                return 0;
        }
        if (accounts->n_rows >= USAGE_ROWS_MAX)
                return 0;
        slot = array_append(&accounts->rows, &accounts->n_rows);
        if (!slot)
                return -ENOMEM;
        *slot = *row;
        return 0;
}

static int add_accounts(struct accounts *accounts, enum quota_limit limit, struct map *map) {
        struct usage row = {.limit = limit, .maximum = quota_maximum(accounts->api->settings, limit)};
        const struct account *account;
        int r = 0;

        MAP_FOREACH(account, map) {
                row.id = account->id;
                row.used = account->used[limit];
                if (limit == QUOTA_CONNECTIONS_OF_USER && account->varlink > row.used)
                        row.used = account->varlink;
                if (r == 0 && (row.used > 0 || !sees_all(accounts)))
                        r = add_row(accounts, &row);
        }
        return r;
}

static int add_limit(struct accounts *accounts, enum quota_limit limit) {
        const struct api *api = accounts->api;
        struct usage row = {.limit = limit, .uuid = "", .maximum = quota_maximum(api->settings, limit)};

        switch (quota_scope(limit)) {
        case QUOTA_USER:
                return add_accounts(accounts, limit, accounts->users);
        case QUOTA_GROUP:
                return add_accounts(accounts, limit, accounts->groups);
        case QUOTA_POD: {
                const struct pod *pod = limit == QUOTA_SPEC_SIZE ? accounts->longest : accounts->fullest;

                row.used = limit == QUOTA_SPEC_SIZE ? accounts->most_bytes : accounts->most_mounts;
                row.uuid = pod ? pod->record->uuid : "";
                return add_row(accounts, &row);
        }
        case QUOTA_HOST:
                break;
        }
        row.used = accounts->streams;
        if (limit == QUOTA_MOUNTS_OF_HOST) {
                row.used = table_size(api->pods->table);
                row.maximum = quota_of_host(api->settings, api->pods->mounts_max);
        }
        return add_row(accounts, &row);
}

static int fill(struct accounts *accounts) {
        const struct caller *caller = accounts->caller;
        int r;

        accounts->users = map_new(MAP_KEY_U64);
        accounts->groups = map_new(MAP_KEY_U64);
        r = accounts->users && accounts->groups ? 0 : -ENOMEM;
        if (r == 0 && !sees_all(accounts) && (!account_of(accounts, false, caller->uid) || !account_of(accounts, true, caller->gid)))
                r = -ENOMEM; /* what has nothing is shown, too */
        if (r == 0) {
                count_pods(accounts);
                count_layers(accounts);
                count_requests(accounts);
        }
        for (unsigned limit = 0; limit < _QUOTA_LIMIT_MAX && r == 0; limit++)
                r = add_limit(accounts, limit);
        return r;
}

int usage_most(const struct api *api, uint64_t *ret) {
        struct accounts accounts = {.api = api, .most = ret};
        int r;

        for (unsigned limit = 0; limit < _QUOTA_LIMIT_MAX; limit++)
                ret[limit] = 0;
        r = fill(&accounts);
        accounts_done(&accounts);
        return r;
}

int usage_list(const struct api *api, const struct caller *caller, struct usage **ret, size_t *ret_n) {
        struct accounts accounts = {.api = api, .caller = caller};
        int r = fill(&accounts);

        if (r == 0) {
                *ret = TAKE_PTR(accounts.rows);
                *ret_n = accounts.n_rows;
        }
        accounts_done(&accounts);
        return r;
}

static int append_row(const struct usage *row, sd_bus_message *m) {
        const enum quota_scope scope = quota_scope(row->limit);
        char id[sizeof("4294967295")];

        (void) snprintf(id, sizeof(id), "%" PRIu32, row->id); /* always fits */
        return sd_bus_message_append(m, "a{sv}", 5,
                                     "Limit", "s", quota_setting(row->limit),
                                     "Of", "s", quota_scope_name(scope),
                                     "Name", "s", scope == QUOTA_USER || scope == QUOTA_GROUP ? id : row->uuid,
                                     "Used", "t", row->used,
                                     "Maximum", "t", row->maximum);
}

int usage_append(const struct api *api, const struct caller *caller, sd_bus_message *m) {
        _cleanup_free_ struct usage *rows = NULL;
        size_t n = 0;
        int r = usage_list(api, caller, &rows, &n);

        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "a{sv}");
        for (size_t i = 0; i < n && r >= 0; i++)
                r = append_row(&rows[i], m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}
