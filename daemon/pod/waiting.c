/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "pod/own-table.h"
#include "pod/waiting.h"

#include "pod/registry.h"
#include "pod/use.h"
#include "util/array.h"
#include "util/log.h"

int waiting_check_quota(struct operation *operation, uint32_t n, struct failure *f) {
        const struct record_pod *record = operation->pod->record;
        struct quota_use use = {
                .mounts_of_pod = use_mounts(record) - n,
                .mounts_of_namespace = table_size(pods_table(operation->pods, record)),
                .mounts_max = operation->pods->mounts_max,
        };

        operation->new_mounts = 0;
        if (!caller_is_root(&operation->caller)) {
                use_count(operation->pods, record->owner, record->owner_group, operation, &use);
                use.mounts_of_user -= n;
                use.mounts_of_group -= n;
        }
        return quota_check(operation->pods->settings, &operation->caller, &use, &(struct quota_ask) {.mounts = n}, f);
}

/* Whether the warning is about one of the mounts that are made. */
static int is_settled(const struct wanted *wanted, const char *warning) {
        int r = 0;

        for (size_t i = 0; wanted && i < wanted->n_mounts && r == 0; i++)
                r = wanted_warns_of(warning, wanted_container(wanted, &wanted->mounts[i]), wanted->mounts[i].type,
                                    wanted->mounts[i].target);
        return r;
}

int waiting_copy_warnings(const struct pod *pod, const struct wanted *wanted, char ***ret) {
        _cleanup_strv_ char **kept = NULL;
        int r = strv_copy(NULL, &kept);

        for (char **warning = pod->record->warnings; r == 0 && warning && *warning; warning++) {
                r = is_settled(wanted, *warning);
                if (r == 0)
                        r = strv_append(&kept, *warning);
                else if (r == 1)
                        r = 0;
        }
        if (r < 0)
                return log_oom();
        *ret = TAKE_PTR(kept);
        return 0;
}
