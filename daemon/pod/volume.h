/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The volumes of a living pod: records in the place of a container that is called SPEC_VOLUMES, which the binds of
 * containers name as sources.
 */

#include "pod/operation-private.h"

/* Whether it is a volume itself, and not what came along with one. */
bool volume_is(const struct record_mount *mount);
/* The volume that the record's mount is a bind of; NULL for any other mount, and when it is not on record. */
struct record_mount *volume_of(const struct record_pod *record, const struct record_mount *mount);

/* What the pod has, for the compilation: names are the record's, the array is the caller's. -ENOMEM. */
int volume_facts(const struct pod *pod, struct wanted_facts *facts, struct wanted_volume **ret);

/* Gives the binds of volumes in the operation's job the ids of what they are to show, as of now. FAILURE_NO_SUCH_SOURCE
 * for a volume that is missing. */
int volume_resolve(struct operation *operation, struct failure *f);

/* FAILURE_BUSY while a bind of the volume is on record. */
int volume_check_unused(const struct record_pod *record, const struct record_mount *volume, struct failure *f);
/* Whether a missing volume can be made again without some containers showing the old one and others the new: else
 * FAILURE_BUSY with the bind that keeps the old one. */
int volume_check_split(const struct pods *pods, const struct record_pod *record, const struct record_mount *volume,
                       struct failure *f);
