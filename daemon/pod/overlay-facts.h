/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* "overlay": "all" of a container's root holds for the binds that come to the living pod, too. */

#include "spec/wanted.h"
#include "store/store.h"

/* What the document says that the container is of, for the compilation of mounts in it. -ENOMEM, logged; one that cannot be read says
 * nothing. */
int overlay_facts(const struct record_pod *record, const char *container, struct wanted_facts *facts);
