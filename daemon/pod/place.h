/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The place of a recorded mount that is missing, as the table has it now. */

#include "pod/pods.h"
#include "util/failure.h"

/* Whether a mount at the record's target would lie on what it lay on before, the mount of `ground` (NULL: it left the
 * record). Else FAILURE_BUSY with what is in the way. Paths are compared as the record spells them: where symbolic
 * links lead elsewhere, place_check_parent() finds it out afterwards. -ENOMEM. */
int place_check(const struct pods *pods, const struct record_pod *record, const struct record_mount *mount,
                const struct record_mount *ground, struct failure *f);
/* Whether a mount that was made lies on one that is on record: else FAILURE_BUSY. */
int place_check_parent(const struct pods *pods, const struct record_pod *record, const struct record_mount *mount,
                       struct failure *f);
