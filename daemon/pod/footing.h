/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What new mounts stand on: the mounts of a pod at and above their targets. */

#include "pod/pods.h"

/* Looks again at the recorded mounts at and above the targets of what is wanted, by the record's words: the kernel tells
 * nobody that their attributes or propagation are others. What departs from the record is drift at once, before the
 * operation goes on. About 3 µs a mount, and nothing where mounts have no unique ids. A negative errno, logged. */
int footing_look(struct pods *pods, struct pod *pod, const struct wanted *wanted);
/* The same for these mounts, by unique id. */
int footing_look_at(struct pods *pods, struct pod *pod, const uint64_t *ids, size_t n);
/* The same for all of the pod's mounts on the host, by themselves. */
int footing_look_host(struct pods *pods, struct pod *pod);
/* The same for the pod's own tree, which new containers stand on. */
int footing_look_tree(struct pods *pods, struct pod *pod);
