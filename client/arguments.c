/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Reads the command line with getopt_long(3). Options may stand before or after the verb; which of them a verb takes is
 * main.c's table, here they are only read and checked for their own shape.
 */

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <sys/pidfd.h>

#include "client/arguments.h"
#include "client/report.h"
#include "util/array.h"

enum {
        OPTION_SOCKET = 0x100,
        OPTION_VARLINK,
        OPTION_JSON,
        OPTION_NO_ASK_PASSWORD,
        OPTION_ID,
        OPTION_NAME,
        OPTION_FD,
        OPTION_LEASE,
        OPTION_CONTAINER,
        OPTION_STACK,
        OPTION_LAZY,
        OPTION_MISSING_OK,
        OPTION_DRY_RUN,
        OPTION_TREE,
        OPTION_WAIT,
        OPTION_TIMEOUT,
        OPTION_VERSION,
        OPTION_PATH,
        OPTION_CWD,
        OPTION_PROCESS,
        OPTION_NAMESPACE,
        OPTION_VISIBILITY,
        OPTION_PARENT,
        OPTION_READ_WRITE,
        OPTION_LABEL,
        OPTION_UID_MAP,
        OPTION_GID_MAP,
        OPTION_METADATA,
        OPTION_HOLDER,
        OPTION_ALL,
        OPTION_OWNER,
        OPTION_PLATFORM,
};

static const struct option long_options[] = {
        {"socket", required_argument, NULL, OPTION_SOCKET},
        {"varlink", required_argument, NULL, OPTION_VARLINK},
        {"host", required_argument, NULL, 'H'},
        {"machine", required_argument, NULL, 'M'},
        {"json", required_argument, NULL, OPTION_JSON},
        {"no-ask-password", no_argument, NULL, OPTION_NO_ASK_PASSWORD},
        {"id", required_argument, NULL, OPTION_ID},
        {"name", required_argument, NULL, OPTION_NAME},
        {"fd", required_argument, NULL, OPTION_FD},
        {"lease", required_argument, NULL, OPTION_LEASE},
        {"visibility", required_argument, NULL, OPTION_VISIBILITY},
        {"container", required_argument, NULL, OPTION_CONTAINER},
        {"options", required_argument, NULL, 'o'},
        {"stack", no_argument, NULL, OPTION_STACK},
        {"lazy", no_argument, NULL, OPTION_LAZY},
        {"missing-ok", no_argument, NULL, OPTION_MISSING_OK},
        {"dry-run", no_argument, NULL, OPTION_DRY_RUN},
        {"tree", no_argument, NULL, OPTION_TREE},
        {"wait", no_argument, NULL, OPTION_WAIT},
        {"timeout", required_argument, NULL, OPTION_TIMEOUT},
        {"path", required_argument, NULL, OPTION_PATH},
        {"cwd", required_argument, NULL, OPTION_CWD},
        {"process", required_argument, NULL, OPTION_PROCESS},
        {"namespace", required_argument, NULL, OPTION_NAMESPACE},
        {"parent", required_argument, NULL, OPTION_PARENT},
        {"read-write", no_argument, NULL, OPTION_READ_WRITE},
        {"label", required_argument, NULL, OPTION_LABEL},
        {"uid-map", required_argument, NULL, OPTION_UID_MAP},
        {"gid-map", required_argument, NULL, OPTION_GID_MAP},
        {"metadata", required_argument, NULL, OPTION_METADATA},
        {"holder", required_argument, NULL, OPTION_HOLDER},
        {"all", no_argument, NULL, OPTION_ALL},
        {"owner", required_argument, NULL, OPTION_OWNER},
        {"platform", required_argument, NULL, OPTION_PLATFORM},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, OPTION_VERSION},
        {NULL, 0, NULL, 0},
};

const char *argument_option_name(unsigned mask) {
        static const char *const names[] = {
                "--id",
                "--name",
                "--fd",
                "--lease",
                "--container",
                "-o",
                "--stack",
                "--lazy",
                "--missing-ok",
                "--dry-run",
                "--wait",
                "--timeout",
                "--help",
                "--version",
                "--tree",
                "--path",
                "--cwd",
                "--process or --namespace",
                "--parent",
                "--read-write",
                "--label",
                "--uid-map",
                "--gid-map",
                "--metadata",
                "--holder",
                "--all",
                "--platform",
                "--visibility",
                "--owner",
        };
        int lowest = mask ? __builtin_ctz(mask) : 0;

        return names[(size_t) lowest < ELEMENTSOF(names) ? (size_t) lowest : 0];
}

int argument_parse_number(const char *text, uint64_t *ret) {
        uint64_t number = 0;

        if (!*text)
                return -EINVAL;
        for (const char *p = text; *p; p++) {
                if (!isdigit((unsigned char) *p))
                        return -EINVAL;
                if (__builtin_mul_overflow(number, (uint64_t) 10, &number) ||
                    __builtin_add_overflow(number, (uint64_t) (*p - '0'), &number))
                        return -ERANGE;
        }
        *ret = number;
        return 0;
}

int argument_parse_duration(const char *text, uint64_t *ret_us) {
        static const struct {
                const char *name;
                uint64_t us;
        } units[] = {{"us", 1}, {"ms", 1000}, {"s", 1000000}, {"", 1000000}, {"min", 60000000}, {"h", 3600000000}};
        const uint64_t year = UINT64_C(366) * 24 * 3600000000;
        size_t digits = strspn(text, "0123456789");
        _cleanup_free_ char *number = strndup(text, digits);
        uint64_t value, us;
        int r;

        if (!number)
                return -ENOMEM;
        r = argument_parse_number(number, &value);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(units); i++) {
                if (strcmp(text + digits, units[i].name) != 0)
                        continue;
                if (value == 0)
                        return -EINVAL;
                if (__builtin_mul_overflow(value, units[i].us, &us) || us > year)
                        return -ERANGE;
                *ret_us = us;
                return 0;
        }
        return -EINVAL;
}

int argument_parse_fd(const char *text, struct argument_fd *ret) {
        const char *equals = strrchr(text, '=');
        uint64_t number;
        char *name;

        if (!equals || equals == text || argument_parse_number(equals + 1, &number) < 0 || number > INT32_MAX)
                return -EINVAL;
        if (fcntl((int) number, F_GETFD) < 0)
                return -EBADF;
        name = strndup(text, (size_t) (equals - text));
        if (!name)
                return -ENOMEM;
        *ret = (struct argument_fd) {.name = name, .fd = (int) number};
        return 0;
}

int argument_split_options(const char *text, char ***options) {
        _cleanup_free_ char *copy = strdup(text);
        char *rest = copy, *word;

        if (!copy)
                return -ENOMEM;
        while ((word = strsep(&rest, ",")))
                if (*word && strv_append(options, word) < 0)
                        return -ENOMEM;
        return 0;
}

static int add_owner(const char *text, struct arguments *arguments) {
        uint64_t uid;

        if (argument_parse_number(text, &uid) < 0 || uid >= UINT32_MAX)
                return report_usage("--owner %s: expected the uid of a user", text);
        arguments->given |= ARGUMENT_OWNER;
        arguments->owner = (uint32_t) uid;
        return 0;
}

/* The fd stays open as long as we live. */
static int add_namespace(int option, const char *text, struct arguments *arguments) {
        struct argument_fd *slot;
        uint64_t pid = 0;
        int fd;

        if (arguments->given & ARGUMENT_NAMESPACE)
                return report_usage("--process and --namespace exclude each other: give one of them once");
        if (option == OPTION_PROCESS && (argument_parse_number(text, &pid) < 0 || pid == 0 || pid > INT32_MAX))
                return report_usage("--process %s: expected the pid of a process in the container", text);
        fd = option == OPTION_PROCESS ? pidfd_open((pid_t) pid, 0) : open(text, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0 && option == OPTION_PROCESS)
                return report_errno(errno, "Cannot get hold of process %s", text);
        if (fd < 0)
                return report_errno(errno, "Cannot open the mount namespace %s", text);
        slot = array_append(&arguments->fds, &arguments->n_fds);
        if (slot)
                *slot = (struct argument_fd) {.name = strdup(ARGUMENT_NAMESPACE_FD), .fd = fd};
        if (!slot || !slot->name)
                return report_oom();
        arguments->given |= ARGUMENT_NAMESPACE;
        return 0;
}

static int add_fd(const char *text, struct arguments *arguments) {
        struct argument_fd parsed, *fd;
        int r = argument_parse_fd(text, &parsed);

        if (r == -ENOMEM)
                return report_oom();
        if (r == -EBADF)
                return report_usage(
                        "--fd %s: no such fd is open; open it in the shell, as in `--fd data=3 3</srv/data`", text);
        if (r < 0)
                return report_usage("--fd %s: expected NAME=N with N the number of an open fd", text);
        for (size_t i = 0; i < arguments->n_fds; i++)
                if (strcmp(arguments->fds[i].name, parsed.name) == 0) {
                        free(parsed.name);
                        return report_usage("--fd %s: the name is given twice", text);
                }
        fd = array_append(&arguments->fds, &arguments->n_fds);
        if (!fd) {
                free(parsed.name);
                return report_oom();
        }
        *fd = parsed;
        return 0;
}

static int add_metadata(const char *text, struct arguments *arguments) {
        const char *equals = strchr(text, '=');
        _cleanup_free_ char *key = NULL;

        if (!equals || equals == text)
                return report_usage("--metadata %s: expected KEY=VALUE", text);
        key = strndup(text, (size_t) (equals - text));
        if (!key || strv_append(&arguments->metadata, key) < 0 || strv_append(&arguments->metadata, equals + 1) < 0)
                return report_oom();
        return 0;
}

static int set_transport(struct client *client, enum client_transport transport, const char *where) {
        if (client->transport != CLIENT_AUTOMATIC)
                return report_usage("--socket, --varlink, -H and -M exclude each other: give one of them once");
        if (!*where)
                return report_usage("--socket, --varlink, -H and -M need a value that is not empty");
        client->transport = transport;
        client->where = where;
        return 0;
}

static int set_output(struct client *client, const char *text) {
        if (strcmp(text, "pretty") == 0)
                client->output = CLIENT_OUTPUT_JSON_PRETTY;
        else if (strcmp(text, "short") == 0)
                client->output = CLIENT_OUTPUT_JSON_SHORT;
        else
                return report_usage("--json=%s: expected pretty or short", text);
        return 0;
}

static int set_timeout(struct client *client, const char *text) {
        int r = argument_parse_duration(text, &client->timeout_us);

        if (r == -ENOMEM)
                return report_oom();
        if (r < 0)
                return report_usage("--timeout %s: expected a number with us, ms, s, min or h, such as 500ms", text);
        return 0;
}

/* Options that have effect on how the daemon is reached and answered. */
static int apply_common(int option, const char *value, struct client *client, struct arguments *arguments) {
        switch (option) {
        case OPTION_SOCKET:
                return set_transport(client, CLIENT_SOCKET, value);
        case OPTION_VARLINK:
                return set_transport(client, CLIENT_VARLINK, value);
        case 'H':
                return set_transport(client, CLIENT_HOST, value);
        case 'M':
                return set_transport(client, CLIENT_MACHINE, value);
        case OPTION_JSON:
                return set_output(client, value);
        case OPTION_NO_ASK_PASSWORD:
                client->ask_password = false;
                return 0;
        case 'h':
                arguments->given |= ARGUMENT_HELP;
                return 0;
        case OPTION_VERSION:
                arguments->given |= ARGUMENT_VERSION;
                return 0;
        case OPTION_TIMEOUT:
                arguments->given |= ARGUMENT_TIMEOUT;
                return set_timeout(client, value);
        default: /* '?' and ':' of getopt_long(3), which has said what is wrong */
                fputs("Next: see `podmountctl --help` or podmountctl(1).\n", stderr);
                return EXIT_USAGE;
        }
}

static int apply(int option, const char *value, struct client *client, struct arguments *arguments) {
        static const struct {
                int option;
                enum argument_option bit;
        } switches[] = {
                {OPTION_STACK, ARGUMENT_STACK}, {OPTION_LAZY, ARGUMENT_LAZY}, {OPTION_MISSING_OK, ARGUMENT_MISSING_OK},
                {OPTION_DRY_RUN, ARGUMENT_DRY_RUN}, {OPTION_WAIT, ARGUMENT_WAIT}, {OPTION_TREE, ARGUMENT_TREE},
                {OPTION_READ_WRITE, ARGUMENT_READ_WRITE}, {OPTION_ALL, ARGUMENT_ALL},
        };
        struct {
                int option;
                enum argument_option bit;
                const char **to;
        } texts[] = {
                {OPTION_ID, ARGUMENT_ID, &arguments->id},
                {OPTION_NAME, ARGUMENT_NAME, &arguments->name},
                {OPTION_LEASE, ARGUMENT_LEASE, &arguments->lease},
                {OPTION_CONTAINER, ARGUMENT_CONTAINER, &arguments->container},
                {OPTION_PATH, ARGUMENT_PATH, &arguments->path},
                {OPTION_CWD, ARGUMENT_CWD, &arguments->cwd},
                {OPTION_PARENT, ARGUMENT_PARENT, &arguments->parent},
                {OPTION_LABEL, ARGUMENT_LABEL, &arguments->label},
                {OPTION_UID_MAP, ARGUMENT_UID_MAP, &arguments->uid_map},
                {OPTION_GID_MAP, ARGUMENT_GID_MAP, &arguments->gid_map},
                {OPTION_HOLDER, ARGUMENT_HOLDER, &arguments->holder},
                {OPTION_PLATFORM, ARGUMENT_PLATFORM, &arguments->platform},
                {OPTION_VISIBILITY, ARGUMENT_VISIBILITY, &arguments->visibility},
        };

        for (size_t i = 0; i < ELEMENTSOF(switches); i++)
                if (switches[i].option == option) {
                        arguments->given |= switches[i].bit;
                        return 0;
                }
        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                if (texts[i].option == option) {
                        arguments->given |= texts[i].bit;
                        *texts[i].to = value;
                        return 0;
                }
        if (option == OPTION_OWNER)
                return add_owner(value, arguments);
        if (option == OPTION_PROCESS || option == OPTION_NAMESPACE)
                return add_namespace(option, value, arguments);
        if (option == OPTION_FD) {
                arguments->given |= ARGUMENT_FD;
                return add_fd(value, arguments);
        }
        if (option == OPTION_METADATA) {
                arguments->given |= ARGUMENT_METADATA;
                return add_metadata(value, arguments);
        }
        if (option == 'o') {
                arguments->given |= ARGUMENT_OPTIONS;
                return argument_split_options(value, &arguments->options) < 0 ? report_oom() : 0;
        }
        return apply_common(option, value, client, arguments);
}

/* getopt_long(3) forgets where the dashes were. */
static size_t count_behind_dashes(int argc, char **argv) {
        for (int i = 1; i < argc; i++)
                if (strcmp(argv[i], "--") == 0)
                        return (size_t) (argc - i - 1);
        return 0;
}

int arguments_parse(int argc, char **argv, struct client *client, struct arguments *ret) {
        _cleanup_arguments_ struct arguments arguments = {0};
        const size_t n_command = count_behind_dashes(argc, argv);
        int option, r;

        while ((option = getopt_long(argc, argv, "hH:M:o:", long_options, NULL)) != -1) {
                r = apply(option, optarg, client, &arguments);
                if (r != 0)
                        return r;
        }
        arguments.words = argv + optind;
        arguments.n_words = (size_t) (argc - optind);
        arguments.n_command = n_command;
        *ret = arguments;
        arguments = (struct arguments) {0};
        return 0;
}

void arguments_done(struct arguments *arguments) {
        for (size_t i = 0; i < arguments->n_fds; i++)
                free(arguments->fds[i].name);
        free(arguments->fds);
        (void) strv_free(arguments->options); /* returns NULL */
        (void) strv_free(arguments->metadata);
        *arguments = (struct arguments) {0};
}
