/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The next step for each error. The daemon's sentence says what is wrong with this call; the line from here says where
 * a person goes from it. One row a name.
 */

#include <string.h>

#include "client/hint.h"
#include "dbus/names.h"

static const struct hint_row {
        enum failure_kind kind; /* FAILURE_NONE: a name that only a bus uses */
        const char *name;
        const char *hint;
} hints[] = {
        {FAILURE_NO_SUCH_POD, PODMOUNT_ERROR_NO_SUCH_POD, "`podmountctl list` shows the pods that you may see."},
        {FAILURE_NO_SUCH_CONTAINER, PODMOUNT_ERROR_NO_SUCH_CONTAINER,
                "`podmountctl show POD` lists its containers; name one with --container."},
        {FAILURE_POD_EXISTS, PODMOUNT_ERROR_POD_EXISTS,
                "choose another --id or --name, or collect the pod that is there with `podmountctl gc POD`."},
        {FAILURE_INVALID_SPEC, PODMOUNT_ERROR_INVALID_SPEC,
                "correct the place that the JSON pointer names and try `podmountctl check SPEC`; podmount-spec(5) "
                "describes the format, that of exports, too."},
        {FAILURE_INVALID_OPTION, PODMOUNT_ERROR_INVALID_OPTION,
                "podmount-spec(5) lists the options of each file-system type."},
        {FAILURE_INVALID_TARGET, PODMOUNT_ERROR_INVALID_TARGET,
                "choose an absolute path without `..` that exists in the container or that can be created there; for one on the host "
                "have an administrator add a directory above it to HostTargets= in podmountd.conf(5), and, if you are not root, have polkit "
                "allow you org.podmount1.host-target."},
        {FAILURE_TARGET_IN_USE, PODMOUNT_ERROR_TARGET_IN_USE,
                "unmount what is there with `podmountctl unmount POD TARGET`, or mount on top of it with --stack; on the host "
                "choose another place."},
        {FAILURE_ESCAPES_ROOT, PODMOUNT_ERROR_ESCAPES_ROOT,
                "choose a path that does not lead out of the container's root, also not by a symbolic link."},
        {FAILURE_SOURCE_DENIED, PODMOUNT_ERROR_SOURCE_DENIED,
                "name a source that you can open yourself and that has no mounts below it, or use the option rbind; labels of "
                "layers and ids of others are for root."},
        {FAILURE_NO_SUCH_SOURCE, PODMOUNT_ERROR_NO_SUCH_SOURCE,
                "check the source's path as the host sees it; an fd:NAME source needs --fd NAME=N."},
        {FAILURE_NO_SUCH_MOUNT, PODMOUNT_ERROR_NO_SUCH_MOUNT, "`podmountctl tree POD` shows the pod's mounts."},
        {FAILURE_BUSY, PODMOUNT_ERROR_BUSY,
                "stop the processes that use the mount and try again; --lazy detaches a pod's, but not a layer's."},
        {FAILURE_NOT_SUPPORTED, PODMOUNT_ERROR_NOT_SUPPORTED,
                "`podmountctl status` shows what this kernel and this daemon can do."},
        {FAILURE_QUOTA_EXCEEDED, PODMOUNT_ERROR_QUOTA_EXCEEDED,
                "collect pods that are no longer needed with `podmountctl gc POD`, remove layers with `podmountctl layer remove "
                "LAYER`, or raise the limit in podmountd.conf(5)."},
        {FAILURE_TIMED_OUT, PODMOUNT_ERROR_TIMED_OUT,
                "see with `podmountctl show POD` what was done, then try again with a longer --timeout."},
        {FAILURE_MOUNT_FAILED, PODMOUNT_ERROR_MOUNT_FAILED,
                "the kernel refused: correct what its words name; `podmountctl plan SPEC` shows the steps."},
        {FAILURE_NO_SUCH_LAYER, PODMOUNT_ERROR_NO_SUCH_LAYER, "`podmountctl layer list` shows the layers that you may see."},
        {FAILURE_LAYER_EXISTS, PODMOUNT_ERROR_LAYER_EXISTS,
                "choose another --id, or remove the layer that is there with `podmountctl layer remove LAYER`."},
        {FAILURE_LAYER_IN_USE, PODMOUNT_ERROR_LAYER_IN_USE,
                "`podmountctl layer info LAYER` shows what uses it."},
        {FAILURE_ACCESS_DENIED, PODMOUNT_ERROR_ACCESS_DENIED,
                "ask to be added to the group podmount, or run as root; podmountd(8) describes who may what."},
        {FAILURE_INVALID_ARGS, PODMOUNT_ERROR_INVALID_ARGS, "podmountctl(1) describes the arguments of each verb."},
        {FAILURE_INTERACTIVE_AUTHORIZATION_REQUIRED, PODMOUNT_ERROR_INTERACTIVE,
                "run it on a terminal without --no-ask-password, so that you can be asked for a password."},
        {FAILURE_INTERNAL, PODMOUNT_ERROR_FAILED, "`journalctl -u podmountd` has the details."},
        {FAILURE_NONE, "org.freedesktop.DBus.Error.ServiceUnknown", "start the daemon: `systemctl start podmountd`."},
        {FAILURE_NONE, "org.freedesktop.DBus.Error.NameHasNoOwner", "start the daemon: `systemctl start podmountd`."},
        {FAILURE_NONE, "org.freedesktop.DBus.Error.NoReply",
                "see with `podmountctl status` whether the daemon answers; a retry of the same call is safe."},
        {FAILURE_NONE, "org.freedesktop.DBus.Error.Timeout",
                "see with `podmountctl status` whether the daemon answers."},
        {FAILURE_NONE, "org.freedesktop.DBus.Error.Disconnected",
                "see with `podmountctl status` whether the daemon runs; a retry of the same call is safe."},
        {FAILURE_NONE, "org.freedesktop.DBus.Error.UnknownMethod",
                "the daemon is older than this client: `podmountctl status` shows its version."},
        {FAILURE_NONE, "org.freedesktop.DBus.Error.LimitsExceeded",
                "too much is under way for your user: try again later."},
};

const char *hint_for(const char *error_name) {
        for (size_t i = 0; i < ELEMENTSOF(hints); i++)
                if (error_name && strcmp(hints[i].name, error_name) == 0)
                        return hints[i].hint;
        return NULL;
}

const char *hint_error_name(enum failure_kind kind) {
        for (size_t i = 0; i < ELEMENTSOF(hints); i++)
                if (kind != FAILURE_NONE && hints[i].kind == kind)
                        return hints[i].name;
        return NULL;
}
