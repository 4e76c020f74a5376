/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Drift of the registry's pods; see pods_judge_drift() in pod/pods.h. */

#include "pod/pods.h"

/* Judges those pods whose table changed while an operation ran on them, now that it ended. */
void judge_again(struct pods *pods);
/* One pod, against the table as it is, or when no operation runs on it any more. Tells the observer. */
void judge_pod(struct pods *pods, struct pod *pod);
/* The same also while an operation runs that has not begun to execute. */
void judge_now(struct pods *pods, struct pod *pod);
