/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of who may what, a row for each method and property, and the look-up in it. Reading needs no right but to
 * see the pod; changing one's own pods is asked for, once for creating and once for everything else.
 */

#include "admit/verdict.h"

#include <string.h>

#include "dbus/names.h"

#define ROW(interface, member, is_property, owner, stranger, action) \
        {(interface), (member), (is_property), VERDICT_ALLOW, (owner), (stranger), (action)}

/* A pod's own: what a stranger to it names does not exist. */
#define MANAGER_READS_POD(member) ROW(PODMOUNT_MANAGER_INTERFACE, member, false, VERDICT_ALLOW, VERDICT_HIDE, NULL)
#define MANAGER_CHANGES_POD(member) \
        ROW(PODMOUNT_MANAGER_INTERFACE, member, false, VERDICT_ASK, VERDICT_HIDE, PODMOUNT_ACTION_MANAGE)
#define POD_READS(member) ROW(PODMOUNT_POD_INTERFACE, member, false, VERDICT_ALLOW, VERDICT_HIDE, NULL)
#define POD_CHANGES(member) \
        ROW(PODMOUNT_POD_INTERFACE, member, false, VERDICT_ASK, VERDICT_HIDE, PODMOUNT_ACTION_MANAGE)
#define POD_PROPERTY(member) ROW(PODMOUNT_POD_INTERFACE, member, true, VERDICT_ALLOW, VERDICT_HIDE, NULL)

/* Whose layers are not the caller's are not there for it: the rest is asked about its own. */
#define LAYERS_ANYBODY(member) ROW(PODMOUNT_LAYER_STORE_INTERFACE, member, false, VERDICT_ALLOW, VERDICT_ALLOW, NULL)
#define LAYERS_ASKS(member) \
        ROW(PODMOUNT_LAYER_STORE_INTERFACE, member, false, VERDICT_ASK, VERDICT_DENY, PODMOUNT_ACTION_MANAGE_LAYERS)

/* No pod is named: everybody's, showing each caller only what it may see. */
#define MANAGER_ANYBODY(member) ROW(PODMOUNT_MANAGER_INTERFACE, member, false, VERDICT_ALLOW, VERDICT_ALLOW, NULL)
#define MANAGER_ASKS(member, action) ROW(PODMOUNT_MANAGER_INTERFACE, member, false, VERDICT_ASK, VERDICT_DENY, action)
#define MANAGER_PROPERTY(member) ROW(PODMOUNT_MANAGER_INTERFACE, member, true, VERDICT_ALLOW, VERDICT_ALLOW, NULL)
#define STANDARD(interface, member) \
        ROW("org.freedesktop.DBus." interface, member, false, VERDICT_ALLOW, VERDICT_HIDE, NULL)

static const struct verdict_row rows[] = {
        MANAGER_ASKS("CreatePod", PODMOUNT_ACTION_CREATE),
        MANAGER_ANYBODY("Plan"),
        MANAGER_READS_POD("GetPod"),
        MANAGER_ANYBODY("ListPods"),
        MANAGER_CHANGES_POD("Bind"),
        MANAGER_CHANGES_POD("Mount"),
        MANAGER_CHANGES_POD("Unmount"),
        MANAGER_CHANGES_POD("Replace"),
        MANAGER_CHANGES_POD("AddContainer"),
        MANAGER_CHANGES_POD("RemoveContainer"),
        MANAGER_CHANGES_POD("SetNamespaces"),
        MANAGER_CHANGES_POD("PrepareProcess"),
        MANAGER_CHANGES_POD("GC"),
        ROW(PODMOUNT_MANAGER_INTERFACE, "Repair", false, VERDICT_ASK, VERDICT_HIDE, PODMOUNT_ACTION_REPAIR),
        ROW(PODMOUNT_MANAGER_INTERFACE, "OpenTree", false, VERDICT_ASK, VERDICT_HIDE, PODMOUNT_ACTION_OPEN_TREE),
        MANAGER_CHANGES_POD("Renew"),
        MANAGER_READS_POD("Export"),
        MANAGER_ASKS("Restore", PODMOUNT_ACTION_CREATE),
        MANAGER_READS_POD("ListMounts"),
        MANAGER_READS_POD("ResolveExecutable"),
        MANAGER_READS_POD("PathInfo"), /* of the host, without a pod: what the caller can open itself */
        MANAGER_READS_POD("Holders"), /* of others' processes little is said: executor/holders-process.c */
        MANAGER_READS_POD("History"),
        MANAGER_ANYBODY("Metrics"), /* counts, and nobody's names */
        MANAGER_ASKS("Rescan", PODMOUNT_ACTION_RESCAN),
        MANAGER_ANYBODY("Subscribe"),
        MANAGER_ANYBODY("Unsubscribe"),
        MANAGER_PROPERTY("Version"),
        MANAGER_PROPERTY("Features"),
        MANAGER_PROPERTY("Tracking"),
        MANAGER_PROPERTY("PodCount"),
        MANAGER_PROPERTY("MountCount"),
        MANAGER_PROPERTY("Generation"),
        MANAGER_PROPERTY("TableEvents"),
        MANAGER_PROPERTY("TableDeltas"),
        MANAGER_PROPERTY("TableFullReads"),
        MANAGER_PROPERTY("TableOverflows"),
        MANAGER_PROPERTY("TableLagLastUSec"),
        MANAGER_PROPERTY("TableLagWorstUSec"),
        MANAGER_PROPERTY("TableEntries"),
        MANAGER_PROPERTY("TableBytes"),
        MANAGER_PROPERTY("Quotas"), /* the caller's own; root everybody's */
        MANAGER_PROPERTY("Hangs"),  /* jobs of pods that the caller may see */

        POD_CHANGES("Bind"),
        POD_CHANGES("Mount"),
        POD_CHANGES("Unmount"),
        POD_CHANGES("Replace"),
        POD_CHANGES("AddContainer"),
        POD_CHANGES("RemoveContainer"),
        POD_CHANGES("Renew"),
        POD_CHANGES("SetNamespaces"),
        POD_CHANGES("PrepareProcess"),
        POD_CHANGES("Collect"),
        ROW(PODMOUNT_POD_INTERFACE, "Repair", false, VERDICT_ASK, VERDICT_HIDE, PODMOUNT_ACTION_REPAIR),
        ROW(PODMOUNT_POD_INTERFACE, "OpenTree", false, VERDICT_ASK, VERDICT_HIDE, PODMOUNT_ACTION_OPEN_TREE),
        POD_READS("ListMounts"),
        POD_READS("Holders"),
        POD_PROPERTY("UUID"),
        POD_PROPERTY("Name"),
        POD_PROPERTY("Owner"),
        POD_PROPERTY("State"),
        POD_PROPERTY("RootDirectory"),
        POD_PROPERTY("Containers"),
        POD_PROPERTY("Warnings"),
        POD_PROPERTY("Interfaces"),
        POD_PROPERTY("Drifted"),
        POD_PROPERTY("MountCount"),
        POD_PROPERTY("MountNamespace"),
        POD_PROPERTY("Cgroups"),
        POD_PROPERTY("CreatedTimestamp"),

        LAYERS_ASKS("CreateLayer"),
        LAYERS_ASKS("RemoveLayer"),
        LAYERS_ASKS("GetLayer"),
        LAYERS_ASKS("PutLayer"),
        LAYERS_ASKS("ApplyDiff"),
        LAYERS_ASKS("ImportImage"),
        LAYERS_ASKS("Diff"),
        LAYERS_ASKS("OpenDiff"),
        LAYERS_ASKS("DiffSize"),
        LAYERS_ASKS("Changes"),
        LAYERS_ASKS("Cleanup"),
        LAYERS_ANYBODY("LayerExists"),
        LAYERS_ANYBODY("ListLayers"),
        LAYERS_ANYBODY("LayerInfo"),
        LAYERS_ANYBODY("Status"),

        /* Which objects and properties these show is filtered by who may see the pod. */
        STANDARD("ObjectManager", "GetManagedObjects"),
        STANDARD("Introspectable", "Introspect"),
        STANDARD("Properties", "Get"),
        STANDARD("Properties", "GetAll"),
        STANDARD("Properties", "Set"),
};

const struct verdict_row *verdict_find(const char *interface, const char *member, bool property) {
        if (!interface || !member)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if (rows[i].property == property && strcmp(rows[i].member, member) == 0 &&
                    strcmp(rows[i].interface, interface) == 0)
                        return &rows[i];
        return NULL;
}

const struct verdict_row *verdict_table(size_t *ret_n) {
        *ret_n = ELEMENTSOF(rows);
        return rows;
}

enum verdict verdict_decide(const struct verdict_row *row, const struct caller *caller, enum relation relation) {
        enum verdict verdict;

        if (caller_is_root(caller))
                return row->root;
        if (caller->uid == 0 && relation == RELATION_OWNER)
                relation = RELATION_STRANGER;

        verdict = relation == RELATION_STRANGER ? row->stranger : row->owner;
        if (verdict == VERDICT_ASK && (caller->uid == 0 || caller->transport == CALLER_SOCKET))
                return VERDICT_DENY;
        return verdict;
}
