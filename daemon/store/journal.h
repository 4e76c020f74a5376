/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Intents that cost no transaction: <directory>/intents, a file of fixed size that the front maps. What was written into
 * it outlives the process, as a commit does where nothing is synced, and takes no system call. It holds what fits into
 * 64 bytes: jobs of Mount() and Bind(), of which the executor's intent file says the rest (executor/intent.h).
 */

#include "store/store.h"

struct journal;

/* Opens or makes the file. A negative errno, logged: -ENOSPC when the disk has no room for it. */
int journal_open(const char *directory, struct journal **ret);
struct journal *journal_free(struct journal *journal);
DEFINE_CLEANUP(struct journal *, journal_free)

/* Whether there was room for it. The job must not be there yet. */
bool journal_put(struct journal *journal, uint64_t job, const char *uuid, enum record_verb verb, bool lazy);
bool journal_has(const struct journal *journal, uint64_t job);
void journal_drop(struct journal *journal, uint64_t job);

/* The next intent at or after *cursor (0 begins), which moves on: 1, 0 when there is none, -ENOMEM. Places that no
 * podmountd has written are told, emptied and passed over. The strings are the caller's. */
int journal_next(struct journal *journal, size_t *cursor, struct record_intent *ret);
