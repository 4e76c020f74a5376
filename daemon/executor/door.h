/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The executor's door: what a job means is checked before any of it runs, as if the front that sent it were captured.
 * Pure: shapes and words; what the kernel knows (where a target really lies, whose a directory is) the hands check.
 */

#include "executor/grants.h"
#include "plan/step.h"

/* 0, or FAILURE_INVALID_ARGS ("refused at the executor's door: …") with the step's index in *ret_step (UINT32_MAX: the
 * job itself). The job has been decoded, so its lengths and indexes are good. */
int door_check(const struct job *job, uint32_t *ret_step, struct failure *f);

/* Of door_check(). A step that makes a volume: its target. */
bool door_is_volume(const struct step *step);
int door_check_volume(const struct job *job, size_t i, struct failure *f);
/* A bind whose source is a volume. */
int door_check_volume_source(const struct job *job, size_t i, struct failure *f);
/* The part of door_check() about a step in a container's own mount namespace: STEP_ENTER with all that follows it, which
 * is also checked as any other step; STEP_SEEK; STEP_WITHDRAW. */
int door_check_inside(const struct job *job, size_t step, struct failure *f);

/* Whether the configuration allows the file systems in images and on block devices that the job mounts, by the bits of
 * settings_image_bit(). FAILURE_NOT_SUPPORTED, with the step's index as above. */
int door_check_images(const struct job *job, uint32_t images, uint32_t devices, uint32_t *ret_step, struct failure *f);

/* Whether the job is one of a pod. */
bool door_names_pod(const struct job *job);
/* Whether the text is a UUID as pods have them: lower-case, with dashes. */
bool door_is_uuid(const char *text);

/* Whether a step of the job is about the host (STEP_HOST); and whether each target of those is below one of the directories of
 * the configuration's list (util/prefixes.h), or, of a namespace, in `pins` (NULL: nowhere): FAILURE_INVALID_TARGET, with the
 * step's index as above. */
bool door_is_about_host(const struct job *job);
int door_check_host(const struct job *job, const char *prefixes, const char *pins, uint32_t *ret_step, struct failure *f);

/* Whether the configuration allows the program of a job that is one STEP_GC_PROGRAM; 0 for any other job. `programs` is the list of
 * those of the host, `registry` that of the one that may be told as root, `in_pods` and `in_root_pods` say whether others may run. FAILURE_NOT_SUPPORTED. */
int door_check_gc(const struct job *job, const char *programs, const char *registry, bool in_pods, bool in_root_pods, struct failure *f);

/* Whether a step about a cgroup is about one below the parent that the grants say; and whether each is that makes one:
 * FAILURE_INVALID_TARGET, with the step's index as above. What removes one is told so by the hands (cgroup.c), for the pod goes all
 * the same. */
bool door_cgroup_is_granted(const struct step *step, const struct executor_grants *grants);
int door_check_cgroups(const struct job *job, const struct executor_grants *grants, uint32_t *ret_step, struct failure *f);

/* Of door_check(): the last step that is not about the host; a step that makes something there; one that takes it away. */
size_t door_last(const struct job *job);
int door_check_on_host(const struct job *job, size_t i, struct failure *f);
int door_check_pin(const struct job *job, size_t i, struct failure *f);
int door_check_off_host(const struct step *step, struct failure *f);

/* Of door_check(): STEP_LINK and STEP_UNLINK. And what the configuration says of the interfaces of the host that the job takes: `list` has
 * those that it may. FAILURE_NOT_SUPPORTED, with the step's index as above. */
int door_check_link(const struct job *job, size_t i, struct failure *f);
int door_check_interfaces(const struct job *job, const char *list, uint32_t *ret_step, struct failure *f);

/* Parts of door_check(). */
int door_check_layer(const struct job *job, const struct step *step, struct failure *f);
/* The source of a STEP_ROOT that is a layer, and what goes with it. */
int door_check_layer_root(const struct job *job, const struct step *step, struct failure *f);
/* The same for image layouts. */
int door_check_image(const struct job *job, const struct step *step, struct failure *f);
int door_check_find(const struct job *job, const struct step *step, struct failure *f);
int door_check_examine(const struct job *job, const struct step *step, struct failure *f);
int door_check_holders(const struct job *job, const struct step *step, struct failure *f);
int door_check_gc_program(const struct job *job, const struct step *step, struct failure *f);
int door_check_identify(const struct job *job, const struct step *step, struct failure *f);
int door_check_open_tree(const struct job *job, const struct step *step, struct failure *f);
int door_check_server(const struct step *step, struct failure *f);
int door_check_mkdir(const struct job *job, size_t step, struct failure *f);
int door_check_cgroup(const struct job *job, size_t step, struct failure *f);
/* STEP_UNMOUNT and STEP_DETACH. */
int door_check_unmount(const struct step *step, struct failure *f);
int door_check_unmake(const struct job *job, const struct step *step, struct failure *f);
