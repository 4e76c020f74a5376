/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The configuration, podmountd.conf(5): /etc/podmount/podmountd.conf, then the *.conf files of podmountd.conf.d beside
 * it in lexical order; later beats earlier. Read by the keeper with inih, handed to the front as one text.
 */

#include <stdbool.h>
#include <stdint.h>

#include "util/cleanup.h"
#include "util/prefixes.h"

enum settings_propagation { SETTINGS_PROPAGATION_SHARED, SETTINGS_PROPAGATION_PRIVATE };

enum settings_visibility { SETTINGS_VISIBILITY_HOST, SETTINGS_VISIBILITY_PRIVATE };

enum { SETTINGS_STORES_MAX = 16 /* AdditionalStores= */ };

struct settings {
        /* [Daemon] */
        int log_level;          /* LogLevel=info */
        uint32_t executors;     /* Executors=2, 1 to 16 */
        uint64_t job_timeout_us;/* JobTimeoutSec=30: an executor that takes longer is replaced */
        uint64_t stream_timeout_us; /* StreamTimeoutSec=60: work on a client's stream that makes no progress for longer is ended; Changes and DiffSize that take longer, too */
        uint64_t lease_grace_us; /* LeaseGraceSec=5: from the end of a pod's lease to its collection */
        uint64_t sweep_us;      /* SweepSec=0: how often all mounts are looked at for what nobody tells; 0 is never */
        /* [Collection] */
        char gc_programs[PREFIXES_SIZE]; /* GcPrograms=: programs of the host that a spec may name as its gc program */
        bool gc_in_pods;        /* GcInPods=: other gc programs run from their pods' roots… */
        bool gc_in_root_pods;   /* GcInRootPods=no: …those of root's own pods, too, which run as root */
        uint64_t gc_timeout_us; /* GcTimeoutSec=10: a gc program, or the next one, that takes longer is ended */
        char registry_program[PREFIXES_SIZE]; /* RegistryProgram=: of the host, told of each pod that goes, in machined's place; "" for none */
        /* [Mounts] */
        enum settings_propagation propagation; /* Propagation=shared|private */
        enum settings_visibility visibility;   /* Visibility=host|private: of a pod whose spec does not say */
        uint32_t busy_retries;  /* BusyRetries=5 */
        uint64_t busy_interval_us; /* BusyIntervalMSec=100 */
        uint32_t image_types;   /* ImageTypes=: bits of settings_image_bit(); none unless named */
        uint32_t device_types;  /* DeviceTypes=: the same for block devices */
        char host_targets[PREFIXES_SIZE]; /* HostTargets=: directories of the host below which a pod may have mounts */
        bool foreign_ids;       /* ForeignIDs=no: id mappings of ids that are not the caller's, if polkit allows them */
        /* [Prepare] */
        char interfaces[PREFIXES_SIZE]; /* Interfaces=: network interfaces of the host that root's pods may take */
        char cgroup_parent[PREFIXES_SIZE]; /* CgroupParent=/podmount: below which pods' cgroups are made where systemd does not run; see settings_cgroup_parent() */
        /* [Layers] */
        char additional_stores[PREFIXES_SIZE]; /* AdditionalStores=: state directories whose layers may be read, in the order of search */
        /* [Limits] */
        uint32_t pods_per_user;       /* PodsPerUser=256 */
        uint32_t pods_per_group;      /* PodsPerGroup=4294967295, like all of groups as good as none */
        uint32_t mounts_per_pod;      /* MountsPerPod=16384 */
        uint32_t mounts_per_user;     /* MountsPerUser=65536 */
        uint32_t mounts_per_group;    /* MountsPerGroup= */
        uint32_t mounts_headroom;     /* MountsHeadroom=5000: mounts below fs.mount-max that are left to the host */
        uint64_t tmpfs_size;          /* TmpfsSize=64M: of a tmpfs whose spec names no size */
        uint64_t tmpfs_bytes_per_user, tmpfs_bytes_per_group; /* TmpfsBytesPerUser=64G, TmpfsBytesPerGroup=: what their tmpfs may take */
        uint64_t spec_size_max;       /* SpecSizeMax=1M */
        uint32_t connections_per_user;/* ConnectionsPerUser=64, of the private socket */
        uint32_t requests_per_user, requests_per_group; /* RequestsPerUser=1024, RequestsPerGroup= in flight */
        uint32_t fds_per_user, fds_per_group; /* FdsPerUser=4096, FdsPerGroup=: that came with requests in flight */
        uint32_t layers_per_user, layers_per_group; /* LayersPerUser=1024, LayersPerGroup= */
        uint64_t layer_bytes_per_user;/* LayerBytesPerUser=64G: what ApplyDiff and ImportImage wrote into a user's layers */
        uint32_t layer_inodes_per_user; /* LayerInodesPerUser=4194304: likewise, files and directories */
        uint32_t layer_streams;       /* LayerStreams=16: at work on layers at the same time, of all users */
        uint32_t layer_streams_per_user; /* LayerStreamsPerUser=4 */
};

/* The bit of a file-system type that images may have: erofs, squashfs, ext4; 0 for any other. */
uint32_t settings_image_bit(const char *type);

/* CgroupParent=, or its default. */
const char *settings_cgroup_parent(const struct settings *settings);

/* The defaults above. Root (caller_is_root) is not charged for the per-user limits. */
void settings_defaults(struct settings *ret);

/* Reads `path` and its `<path>.d/` over the defaults. A missing file is no error when `must_exist` is false.
 * Unknown sections and keys and bad values are logged with file and line and make it fail with -EINVAL, `ret` untouched.
 * `reserved` are the directories that HostTargets= may not name, nor anything in or above them; NULL-terminated. */
int settings_read(const char *path, bool must_exist, const char *const *reserved, struct settings *ret);

/* The whole configuration as one ini text (owned by the caller), and back. */
int settings_to_text(const struct settings *settings, char **ret);
int settings_from_text(const char *text, struct settings *ret);
