/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Drift of the registry's pods; see pods_judge_drift() in pod/pods.h. */

#include "pod/pods.h"

/* Judges those pods whose table changed while an operation ran on them, now that it ended. */
void judge_again(struct pods *pods);
/* One pod, against the table as it is. Tells the observer. */
void judge_pod(struct pods *pods, struct pod *pod);
