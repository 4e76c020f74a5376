/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who may what: a pure look-up in one table that has a row for each method and each property of the contract. What has
 * no row cannot be registered (api/method.c checks at start, a test compares).
 */

#include <stdbool.h>

#include "admit/caller.h"

enum verdict { VERDICT_DENY, VERDICT_ALLOW, VERDICT_ASK, VERDICT_HIDE /* the pod does not exist for this caller */ };

/* How the caller stands to the pod that the request names. */
enum relation { RELATION_NONE /* no pod named */, RELATION_OWNER, RELATION_STRANGER };

struct verdict_row {
        const char *interface; /* "org.podmount1.Manager" */
        const char *member;    /* method or property */
        bool property;
        enum verdict root, owner, stranger; /* owner: also for requests that name no pod */
        const char *action;    /* polkit action of VERDICT_ASK */
};

/* The row of a method or property; NULL when the contract has no such member. */
const struct verdict_row *verdict_find(const char *interface, const char *member, bool property);
/* All rows, for those who compare them with what is registered. */
const struct verdict_row *verdict_table(size_t *ret_n);
/* The verdict. VERDICT_ASK is VERDICT_DENY on a transport without polkit (the private socket). A uid 0 that is not root
 * is a stranger to every pod (uid 0 owns root's), and what it would be asked for without naming one is VERDICT_DENY,
 * because polkit grants uid 0 everything. */
enum verdict verdict_decide(const struct verdict_row *row, const struct caller *caller, enum relation relation);
