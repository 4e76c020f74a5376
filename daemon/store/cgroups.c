/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "store/cgroups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/statement.h"
#include "util/array.h"
#include "util/log.h"

void record_cgroup_done(struct record_cgroup *cgroup) {
        free(cgroup->uuid);
        free(cgroup->name);
        free(cgroup->parent);
        free(cgroup->path);
        *cgroup = (struct record_cgroup) {.uuid = NULL};
}

void record_cgroups_free(struct record_cgroup *cgroups, size_t n) {
        for (size_t i = 0; i < n; i++)
                record_cgroup_done(&cgroups[i]);
        free(cgroups);
}

int record_cgroup_copy(const struct record_cgroup *from, struct record_cgroup *ret) {
        struct record_cgroup copy = {.uuid = strdup(from->uuid), .name = strdup(from->name), .parent = strdup(from->parent),
                .path = from->path ? strdup(from->path) : NULL, .made = from->made, .step = from->step};

        if (!copy.uuid || !copy.name || !copy.parent || (from->path && !copy.path)) {
                record_cgroup_done(&copy);
                return log_oom();
        }
        *ret = copy;
        return 0;
}

/* The error of the transaction, if there is one. */
static int check(const struct store *store) {
        return sqlite3_get_autocommit(store->db) ? -EINVAL : store->failed;
}

int store_put_cgroup(struct store *store, const struct record_cgroup *cgroup) {
        struct statement statement;
        int r = check(store);

        if (r < 0)
                return r;
        statement = statement_use(store, STATEMENT_PUT_CGROUP);
        statement_bind_text(&statement, cgroup->uuid);
        statement_bind_text(&statement, cgroup->name);
        statement_bind_text(&statement, cgroup->parent);
        statement_bind_text(&statement, cgroup->path);
        statement_bind_int(&statement, cgroup->made);
        statement_bind_int(&statement, cgroup->step);
        return statement_run(&statement);
}

int store_delete_cgroup(struct store *store, const struct record_cgroup *cgroup) {
        struct statement statement;
        int r = check(store);

        if (r < 0)
                return r;
        statement = statement_use(store, STATEMENT_DELETE_CGROUP);
        statement_bind_text(&statement, cgroup->name);
        statement_bind_text(&statement, cgroup->parent);
        return statement_run(&statement);
}

static int read_row(struct statement *statement, struct record_cgroup **list, size_t *n) {
        struct record_cgroup *cgroup = array_append(list, n);

        if (!cgroup)
                return log_oom();
        if (statement_name(statement, &cgroup->uuid) < 0 || statement_name(statement, &cgroup->name) < 0 ||
            statement_name(statement, &cgroup->parent) < 0 || statement_text(statement, &cgroup->path) < 0)
                return -ENOMEM;
        cgroup->made = statement_bool(statement);
        cgroup->step = statement_u32(statement);
        return 0;
}

int store_load_cgroups(struct store *store, struct record_cgroup **ret, size_t *ret_n) {
        struct statement statement = statement_use(store, STATEMENT_LOAD_CGROUPS);
        struct record_cgroup *list = NULL;
        size_t n = 0;
        int r;

        while ((r = statement_next(&statement)) > 0) {
                r = read_row(&statement, &list, &n);
                if (r < 0) {
                        statement_end(&statement);
                        break;
                }
        }
        if (r < 0) {
                record_cgroups_free(list, n);
                return r;
        }
        *ret = list;
        *ret_n = n;
        return 0;
}
