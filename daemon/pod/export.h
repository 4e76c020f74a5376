/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A pod's record as the document that makes the same pod again: podmount-spec(5), "EXPORTS". */

#include "store/store.h"
#include "util/failure.h"

/* The document, owned by the caller. It holds what was asked for, not what the kernel made of it: no ids, so that it says
 * the same after a restart and of a pod that was restored from it. FAILURE_NOT_SUPPORTED for mounts that no spec can say:
 * two at one place of a container, or by the same name of two different fds; FAILURE_QUOTA_EXCEEDED for one that Restore() would
 * not take, `spec_size_max` being SpecSizeMax=. */
int export_pod(const struct record_pod *record, uint64_t spec_size_max, char **ret, struct failure *f);

/* Of export_pod(): adds to the document, which is whole but for its lists of mounts and fds, a name for each namespace that a
 * mount of the record shows and no part of it names, so that Restore() asks for them. FAILURE_NOT_SUPPORTED, -ENOMEM. */
struct json_object;
int export_add_namespaces(const struct record_pod *record, struct json_object *document, struct failure *f);
