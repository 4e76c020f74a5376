/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Every name of the contract, once: for the daemon's adapters, the client and the tests. Described in org.podmount1(5). */

#define PODMOUNT_BUS_NAME "org.podmount1"
#define PODMOUNT_OBJECT_PATH "/org/podmount1"
#define PODMOUNT_POD_PATH "/org/podmount1/pod"

#define PODMOUNT_MANAGER_INTERFACE "org.podmount1.Manager"
#define PODMOUNT_POD_INTERFACE "org.podmount1.Pod"
#define PODMOUNT_LAYER_STORE_INTERFACE "org.podmount1.LayerStore"

#define PODMOUNT_ERROR(name) "org.podmount1.Error." name
#define PODMOUNT_ERROR_NO_SUCH_POD PODMOUNT_ERROR("NoSuchPod")
#define PODMOUNT_ERROR_NO_SUCH_CONTAINER PODMOUNT_ERROR("NoSuchContainer")
#define PODMOUNT_ERROR_POD_EXISTS PODMOUNT_ERROR("PodExists")
#define PODMOUNT_ERROR_INVALID_SPEC PODMOUNT_ERROR("InvalidSpec")
#define PODMOUNT_ERROR_INVALID_OPTION PODMOUNT_ERROR("InvalidOption")
#define PODMOUNT_ERROR_INVALID_TARGET PODMOUNT_ERROR("InvalidTarget")
#define PODMOUNT_ERROR_TARGET_IN_USE PODMOUNT_ERROR("TargetInUse")
#define PODMOUNT_ERROR_ESCAPES_ROOT PODMOUNT_ERROR("EscapesRoot")
#define PODMOUNT_ERROR_SOURCE_DENIED PODMOUNT_ERROR("SourceDenied")
#define PODMOUNT_ERROR_NO_SUCH_SOURCE PODMOUNT_ERROR("NoSuchSource")
#define PODMOUNT_ERROR_NO_SUCH_MOUNT PODMOUNT_ERROR("NoSuchMount")
#define PODMOUNT_ERROR_BUSY PODMOUNT_ERROR("Busy")
#define PODMOUNT_ERROR_NOT_SUPPORTED PODMOUNT_ERROR("NotSupported")
#define PODMOUNT_ERROR_QUOTA_EXCEEDED PODMOUNT_ERROR("QuotaExceeded")
#define PODMOUNT_ERROR_TIMED_OUT PODMOUNT_ERROR("TimedOut")
#define PODMOUNT_ERROR_MOUNT_FAILED PODMOUNT_ERROR("MountFailed")
#define PODMOUNT_ERROR_NO_SUCH_LAYER PODMOUNT_ERROR("NoSuchLayer")
#define PODMOUNT_ERROR_LAYER_EXISTS PODMOUNT_ERROR("LayerExists")
#define PODMOUNT_ERROR_LAYER_IN_USE PODMOUNT_ERROR("LayerInUse")
#define PODMOUNT_ERROR_ACCESS_DENIED "org.freedesktop.DBus.Error.AccessDenied"
#define PODMOUNT_ERROR_INVALID_ARGS "org.freedesktop.DBus.Error.InvalidArgs"
#define PODMOUNT_ERROR_INTERACTIVE "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"
#define PODMOUNT_ERROR_FAILED "org.freedesktop.DBus.Error.Failed"

/* polkit actions; policy/org.podmount1.policy describes them. */
#define PODMOUNT_ACTION_CREATE "org.podmount1.create"
#define PODMOUNT_ACTION_MANAGE "org.podmount1.manage"
#define PODMOUNT_ACTION_OPEN_TREE "org.podmount1.open-tree"
#define PODMOUNT_ACTION_REPAIR "org.podmount1.repair"
#define PODMOUNT_ACTION_MOUNT_IMAGE "org.podmount1.mount-image"
#define PODMOUNT_ACTION_MOUNT_DEVICE "org.podmount1.mount-device"
#define PODMOUNT_ACTION_HOST_TARGET "org.podmount1.host-target"
#define PODMOUNT_ACTION_BIND_NAMESPACE "org.podmount1.bind-namespace"
#define PODMOUNT_ACTION_PREPARE_INTERFACES "org.podmount1.prepare-interfaces"
#define PODMOUNT_ACTION_PREPARE_CGROUPS "org.podmount1.prepare-cgroups"
#define PODMOUNT_ACTION_IDMAP "org.podmount1.idmap"
#define PODMOUNT_ACTION_RESCAN "org.podmount1.rescan"
#define PODMOUNT_ACTION_MANAGE_LAYERS "org.podmount1.manage-layers"

/* What the members of the structures in answers are called where they have names: over varlink. */
#define PODMOUNT_FIELDS_PODS "uuid name owner state pod"
#define PODMOUNT_FIELDS_COLLECTED "uuid outcome details"
#define PODMOUNT_FIELDS_REPAIRED "container target outcome details"
#define PODMOUNT_FIELDS_CHANGES "kind path detail"

/* Where the daemon is found. */
#define PODMOUNT_RUNTIME_DIRECTORY "/run/podmount"
#define PODMOUNT_SOCKET PODMOUNT_RUNTIME_DIRECTORY "/socket"
#define PODMOUNT_VARLINK PODMOUNT_RUNTIME_DIRECTORY "/varlink"

/* The unit that systemd delegates to podmount for pods' cgroups, and the option with which podmountd is its process. */
#define PODMOUNT_CGROUP_UNIT "podmount-cgroups.service"
#define PODMOUNT_HOLD_OPTION_NAME "hold-cgroups"
#define PODMOUNT_HOLD_OPTION "--" PODMOUNT_HOLD_OPTION_NAME
