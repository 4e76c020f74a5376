/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the configuration allows, whatever the front says: a page that the keeper writes, when it starts and when it reads
 * the configuration anew, and that its executors share read-only while they work. The front does not have it.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/prefixes.h"

struct executor_grants {
        uint32_t image_types, device_types; /* bits of settings_image_bit(), util/settings.h */
        bool foreign_ids; /* mappings of ids that are not the caller's, if polkit allows them */
        bool gc_in_pods;  /* gc programs from the roots of pods… */
        bool gc_in_root_pods; /* …and of root's own, as root */
        uint64_t gc_timeout_us;
        bool cgroups_of_systemd; /* pods' cgroups lie below a unit of systemd's, else below the parent of the list below */
        atomic_uint sequence;               /* odd while one of the lists below is being written */
        char host_targets[PREFIXES_SIZE];   /* directories of the host that pods may have mounts below */
        char gc_programs[PREFIXES_SIZE];    /* programs of the host that may be gc programs */
        char interfaces[PREFIXES_SIZE];     /* network interfaces of the host that root's pods may take */
        char registry_program[PREFIXES_SIZE]; /* the one that is told of pods that go, as root; or none */
        char cgroup_parent[PREFIXES_SIZE];    /* one path, in every hierarchy */
};

/* The keeper's. */
void grants_set_host_targets(struct executor_grants *grants, const char *list);
void grants_set_gc_programs(struct executor_grants *grants, const char *list);
void grants_set_interfaces(struct executor_grants *grants, const char *list);
void grants_set_registry_program(struct executor_grants *grants, const char *list);
void grants_set_cgroup_parent(struct executor_grants *grants, const char *path);
/* A list as it is now, never half of one and half of another. NULL grants nothing. */
void grants_host_targets(const struct executor_grants *grants, char ret[PREFIXES_SIZE]);
void grants_gc_programs(const struct executor_grants *grants, char ret[PREFIXES_SIZE]);
void grants_interfaces(const struct executor_grants *grants, char ret[PREFIXES_SIZE]);
void grants_registry_program(const struct executor_grants *grants, char ret[PREFIXES_SIZE]);
void grants_cgroup_parent(const struct executor_grants *grants, char ret[PREFIXES_SIZE]);
