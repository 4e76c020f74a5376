/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Mount points on a root that others write to, too. A mount in a tree that nobody sees yet does not keep its mount point from being
 * removed, and goes with that without a word: another pod on the same root may have made the mount point and have gone meanwhile.
 */

#include "executor/run.h"

/* Right after the tree was attached, from when on removing says EBUSY: FAILURE_BUSY if a mount was lost. Like any hand. */
int points_check(struct run *run);

/* After a failure on the way there: whether a mount was lost, so that trying again helps. */
bool points_lost(struct run *run);
