/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * podmountctl(1): picks the verb, checks that it takes what the command line has, connects and runs it. It needs no
 * privilege and no capability; what it may is the daemon's to decide.
 */

#include <locale.h>
#include <string.h>

#include "client/connection.h"
#include "client/report.h"
#include "client/verb.h"

enum { WORDS_ANY = 0xffff };

static const struct verb {
        const char *name;
        verb_fn run;
        unsigned words_min, words_max; /* after the verb */
        unsigned options;              /* enum argument_option: what it takes besides --timeout */
        bool without_daemon;
        const char *synopsis;
        const char *summary;
} verbs[] = {
        {"create", verb_create, 1, 1, ARGUMENT_ID | ARGUMENT_NAME | ARGUMENT_FD | ARGUMENT_LEASE | ARGUMENT_VISIBILITY, false,
                "[--id UUID] [--name NAME] [--fd NAME=N]… [--lease L] [--visibility V] SPEC|BUNDLE|-",
                "Create a pod and print its UUID"},
        {"plan", verb_plan, 1, 1, ARGUMENT_ID | ARGUMENT_NAME | ARGUMENT_FD | ARGUMENT_LEASE | ARGUMENT_VISIBILITY | ARGUMENT_TREE, false,
                "[options of create] [--tree] SPEC|BUNDLE|-", "Show what create would do"},
        {"bind", verb_bind, 3, 3, ARGUMENT_OPTIONS | ARGUMENT_CONTAINER | ARGUMENT_FD | ARGUMENT_STACK | ARGUMENT_NAMESPACE, false,
                "POD SOURCE TARGET [-o OPTIONS] [--container NAME] [--process PID|--namespace PATH] [--fd NAME=N] [--stack]",
                "Bind a file or directory into a pod"},
        {"mount", verb_mount, 2, 2, ARGUMENT_OPTIONS | ARGUMENT_CONTAINER | ARGUMENT_FD | ARGUMENT_STACK | ARGUMENT_NAMESPACE, false,
                "POD MOUNTS-JSON|FILE|-|TARGET [-o remount,OPTIONS] [--container NAME] [--process PID|--namespace PATH] [--fd NAME=N]… "
                "[--stack]",
                "Make OCI mounts in a pod, all or none; or change the mount at TARGET"},
        {"replace", verb_replace, 3, 3, ARGUMENT_OPTIONS | ARGUMENT_CONTAINER | ARGUMENT_FD | ARGUMENT_ID | ARGUMENT_NAMESPACE, false,
                "POD TARGET SOURCE|MOUNT-JSON|- [-o OPTIONS] [--container NAME] [--process PID|--namespace PATH] [--fd NAME=N] [--id N]",
                "Put a mount in the place of another"},
        {"unmount", verb_unmount, 1, 2, ARGUMENT_CONTAINER | ARGUMENT_LAZY | ARGUMENT_MISSING_OK | ARGUMENT_ID, false,
                "POD TARGET [--container NAME] [--lazy] [--missing-ok] [--id N]", "Unmount a pod's mount"},
        {"add-container", verb_add_container, 3, 3, ARGUMENT_FD, false, "POD NAME SPEC|BUNDLE|- [--fd NAME=N]…",
                "Add a container to a pod"},
        {"remove-container", verb_remove_container, 2, 2, ARGUMENT_LAZY | ARGUMENT_MISSING_OK, false,
                "POD NAME [--lazy] [--missing-ok]", "Remove a container from a pod, all or nothing"},
        {"export", verb_export, 1, 1, 0, false, "POD", "Print a pod as a document for restore"},
        {"restore", verb_restore, 1, 1, ARGUMENT_ID | ARGUMENT_NAME | ARGUMENT_FD | ARGUMENT_LEASE | ARGUMENT_VISIBILITY, false,
                "[--id UUID] [--name NAME] [--fd NAME=N]… [--lease L] [--visibility V] FILE|-", "Make an exported pod again and print its UUID"},
        {"open-tree", verb_open_tree, 3, WORDS_ANY, ARGUMENT_CONTAINER, false,
                "POD PATH [--container NAME] [--] COMMAND…", "Run a command in a clone of a part of a pod"},
        {"enter", verb_enter, 2, WORDS_ANY, 0, false, "POD [CONTAINER] -- COMMAND…", "Run a command where a pod is (root)"},
        {"set-namespaces", verb_set_namespaces, 1, 6, ARGUMENT_CONTAINER | ARGUMENT_FD, false,
                "POD [--container NAME] [--fd KIND=N]… [PID | KIND=PID | KIND=PATH]…",
                "Name the namespaces that a pod's mounts wait for"},
        {"prepare-process", verb_prepare_process, 1, 2, ARGUMENT_CONTAINER | ARGUMENT_FD, false,
                "POD [--container NAME] PID|--fd process=N", "Bind the namespaces of a container's process to files, and give it network interfaces"},
        {"gc", verb_gc, 0, WORDS_ANY, ARGUMENT_LAZY | ARGUMENT_DRY_RUN | ARGUMENT_WAIT, false,
                "[POD…] [--lazy] [--dry-run] [--wait]", "Collect pods, or all garbage"},
        {"renew", verb_renew, 1, 1, 0, false, "POD", "Have a pod's lease begin anew"},
        {"repair", verb_repair, 1, 1, ARGUMENT_CONTAINER | ARGUMENT_DRY_RUN, false, "POD [--container NAME] [--dry-run]",
                "Make a pod's missing mounts again and say what is left alone"},
        {"list", verb_list, 0, 0, 0, false, "", "List the pods that you may see"},
        {"show", verb_show, 1, 1, 0, false, "POD", "Show a pod, its warnings, drift and mounts"},
        {"tree", verb_tree, 0, 1, 0, false, "[POD]", "Draw mounts below each other"},
        {"watch", verb_watch, 0, 0, 0, false, "", "Print changes as they happen"},
        {"which", verb_which, 2, 2, ARGUMENT_PATH | ARGUMENT_CWD, false, "POD[:CONTAINER] PROGRAM [--path PATH] [--cwd DIRECTORY]",
                "Print which file a program's name means in a container"},
        {"holders", verb_holders, 1, 2, ARGUMENT_CONTAINER, false, "POD [TARGET] [--container NAME]", "Show who keeps a pod's mounts alive"},
        {"history", verb_history, 1, 1, 0, false, "POD", "Show what was done to a pod, also to one that is gone"},
        {"path-info", verb_path_info, 1, 2, 0, false, "[POD[:CONTAINER]] PATH", "Show what a path in a container, or of the host, lies on"},
        {"layer", verb_layer, 1, WORDS_ANY,
                ARGUMENT_ID | ARGUMENT_PARENT | ARGUMENT_READ_WRITE | ARGUMENT_LABEL | ARGUMENT_UID_MAP | ARGUMENT_GID_MAP |
                        ARGUMENT_METADATA | ARGUMENT_HOLDER | ARGUMENT_ALL | ARGUMENT_OWNER | ARGUMENT_PLATFORM,
                true, "create [--id LAYER] [--parent LAYER] [--read-write] [--label LABEL] [--uid-map MAP --gid-map MAP] "
                "[--metadata KEY=VALUE]… | remove LAYER… | get LAYER [--holder NAME] | put LAYER [--holder NAME] [--all] [--owner UID] | cleanup | list | info LAYER | exists LAYER | status "
                "| apply LAYER [FILE|-] | import DIRECTORY[:REFERENCE] [--platform OS/ARCHITECTURE[/VARIANT]] | diff LAYER [FILE|-] [--parent LAYER] "
                "| changes LAYER [--parent LAYER] | size LAYER [--parent LAYER]",
                "Keep layers of file systems"},
        {"status", verb_status, 0, 0, 0, false, "", "Show the daemon's version, features and counts, what is used of each limit, and what hangs"},
        {"metrics", verb_metrics, 0, 0, 0, false, "", "Print the daemon's counters as OpenMetrics text"},
        {"check", verb_check, 1, 1, 0, true, "SPEC|BUNDLE|-", "Check a spec without a daemon"},
        {"options", verb_options, 0, 1, 0, true, "[TYPE]", "List the mount options that there are"},
        {"rescan", verb_rescan, 0, 0, 0, false, "", "Make the daemon read the kernel's mount table again"},
};

static void print_help(void) {
        puts("podmountctl [OPTIONS] VERB …\n\nCreate pods, bind into them and collect them, through "
             "podmountd(8).\n\nVerbs:");
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                printf("  %s%s%s\n        %s.\n", verbs[i].name, *verbs[i].synopsis ? " " : "", verbs[i].synopsis,
                        verbs[i].summary);
        puts("\nOptions of every verb:\n"
             "  --socket PATH         Use the daemon's own socket at PATH\n"
             "  --varlink PATH        Use the daemon's varlink socket at PATH\n"
             "  -H, --host HOST       Use the daemon of another host, by ssh\n"
             "  -M, --machine NAME    Use the daemon of a local container\n"
             "  --json=pretty|short   Print JSON (watch: a JSON text sequence)\n"
             "  --timeout TIME        Give up after TIME, such as 500ms, 10s or 2min\n"
             "  --no-ask-password     Never ask for a password on this terminal\n"
             "  -h, --help            Print this\n"
             "  --version             Print the version\n\n"
             "Without --socket, --varlink, -H or -M the system bus is used, then /run/podmount/socket.\n"
             "Exit status: 0 done, 1 refused or failed, 2 wrong usage. See podmountctl(1).");
}

static const struct verb *find_verb(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (strcmp(verbs[i].name, name) == 0)
                        return &verbs[i];
        return NULL;
}

static int check_usage(const struct verb *verb, const struct arguments *arguments) {
        unsigned excess = arguments->given & ~(verb->options | ARGUMENT_TIMEOUT);
        size_t n_words = arguments->n_words - 1;

        if (excess)
                return report_usage("%s does not take %s; its usage is: podmountctl %s%s%s", verb->name,
                        argument_option_name(excess), verb->name, *verb->synopsis ? " " : "", verb->synopsis);
        if (n_words < verb->words_min || n_words > verb->words_max)
                return report_usage("Too %s arguments; the usage is: podmountctl %s%s%s",
                        n_words < verb->words_min ? "few" : "many", verb->name, *verb->synopsis ? " " : "",
                        verb->synopsis);
        return 0;
}

static int run_verb(struct client *client, const struct arguments *arguments) {
        const struct verb *verb;
        int r;

        if (arguments->n_words == 0)
                return report_usage("No verb is given");
        verb = find_verb(arguments->words[0]);
        if (!verb)
                return report_usage("There is no verb %s", arguments->words[0]);
        r = check_usage(verb, arguments);
        if (r == 0 && !verb->without_daemon)
                r = connection_open(client);
        if (r == 0)
                r = verb->run(client, arguments);
        connection_close(client);
        return r;
}

int main(int argc, char **argv) {
        struct client client = {.transport = CLIENT_AUTOMATIC, .ask_password = true};
        _cleanup_arguments_ struct arguments arguments = {0};
        int r;

        (void) setlocale(LC_ALL, ""); /* decides how trees are drawn; the C locale does as well */
        r = arguments_parse(argc, argv, &client, &arguments);
        if (r != 0)
                return r;
        if (arguments.given & ARGUMENT_HELP)
                print_help();
        else if (arguments.given & ARGUMENT_VERSION)
                puts("podmountctl " PACKAGE_VERSION);
        else
                r = run_verb(&client, &arguments);
        if (fflush(stdout) != 0 || ferror(stdout))
                r = report_error("Cannot write to stdout");
        return r;
}
