/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads podmountd's command line. What is wrong with it is told in one sentence on stderr that names the option. */

#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "dbus/names.h"
#include "util/log.h"
#include "util/path.h"

#define STATE_DIRECTORY "/var/lib/podmount"
#define CONFIG_FILE "/etc/podmount/podmountd.conf"
#define FRONT_USER "podmount"

enum option_id {
        OPTION_HELP = 'h',
        OPTION_VERSION = 0x100,
        OPTION_RUNTIME_DIR,
        OPTION_STATE_DIR,
        OPTION_CONFIG,
        OPTION_USER,
        OPTION_BUS,
        OPTION_LOG_LEVEL,
        OPTION_DISABLE_FEATURE,
        OPTION_HOLD_CGROUPS,
};

static const struct option long_options[] = {
        {"help", no_argument, NULL, OPTION_HELP},
        {"version", no_argument, NULL, OPTION_VERSION},
        {"runtime-dir", required_argument, NULL, OPTION_RUNTIME_DIR},
        {"state-dir", required_argument, NULL, OPTION_STATE_DIR},
        {"config", required_argument, NULL, OPTION_CONFIG},
        {"user", required_argument, NULL, OPTION_USER},
        {"bus", required_argument, NULL, OPTION_BUS},
        {"log-level", required_argument, NULL, OPTION_LOG_LEVEL},
        {"disable-feature", required_argument, NULL, OPTION_DISABLE_FEATURE},
        {PODMOUNT_HOLD_OPTION_NAME, no_argument, NULL, OPTION_HOLD_CGROUPS},
        {NULL, 0, NULL, 0},
};

static void print_help(void) {
        printf("podmountd [OPTIONS]\n\n"
               "Owns every mount of every registered pod.\n\n"
               "      --runtime-dir DIR   pods, sockets and records; default " PODMOUNT_RUNTIME_DIRECTORY "\n"
               "      --state-dir DIR     what outlives a boot; default " STATE_DIRECTORY "\n"
               "      --config FILE       configuration; default " CONFIG_FILE "\n"
               "      --user NAME         whom the unprivileged front runs as; default " FRONT_USER "\n"
               "      --bus system|none   take " PODMOUNT_BUS_NAME " on the system bus, or serve the socket alone; default system\n"
               "      --log-level LEVEL   error, warning, notice, info or debug; default the configuration's\n"
               "  -h, --help              show this help\n"
               "      --version           show the version\n\n"
               "See podmountd(8) and podmountd.conf(5).\n");
}

static int wrong(const char *option, const char *what) {
        (void) fprintf(stderr, "podmountd: %s%s%s; see podmountd --help\n", option, *option ? ": " : "", what);
        return OPTIONS_WRONG;
}

/* Takes an absolute path, normalised, in the place of what stood there. */
static int take_path(const char *option, const char *text, char **path) {
        char *normal = NULL;
        int r = path_normalize(text, &normal);

        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return wrong(option, "an absolute path without \"..\" is needed");
        free(*path);
        *path = normal;
        return OPTIONS_RUN;
}

static int take_text(const char *option, const char *text, char **value) {
        char *copy;

        if (!*text)
                return wrong(option, "a name is needed");
        copy = strdup(text);
        if (!copy)
                return -ENOMEM;
        free(*value);
        *value = copy;
        return OPTIONS_RUN;
}

static int take_bus(const char *text, bool *bus) {
        if (strcmp(text, "system") == 0)
                *bus = true;
        else if (strcmp(text, "none") == 0)
                *bus = false;
        else
                return wrong("--bus", "either \"system\" or \"none\" is needed");
        return OPTIONS_RUN;
}

static int take_log_level(const char *text, int *level) {
        int r = log_level_from_string(text);

        if (r < 0)
                return wrong("--log-level", "one of error, warning, notice, info, debug is needed");
        *level = r;
        return OPTIONS_RUN;
}

static int add_feature(const char *name, char **list) {
        char *longer;

        if (asprintf(&longer, "%s%s%s", *list ? *list : "", *list ? "," : "", name) < 0)
                return -ENOMEM;
        free(*list);
        *list = longer;
        return OPTIONS_RUN;
}

static int take_option(struct options *options, int id) {
        switch (id) {
        case OPTION_HELP:
                print_help();
                return OPTIONS_DONE;
        case OPTION_VERSION:
                printf("podmountd %s\n", PACKAGE_VERSION);
                return OPTIONS_DONE;
        case OPTION_RUNTIME_DIR:
                return take_path("--runtime-dir", optarg, &options->runtime_dir);
        case OPTION_STATE_DIR:
                return take_path("--state-dir", optarg, &options->state_dir);
        case OPTION_CONFIG:
                options->config_given = true;
                return take_path("--config", optarg, &options->config);
        case OPTION_USER:
                return take_text("--user", optarg, &options->user);
        case OPTION_BUS:
                return take_bus(optarg, &options->bus);
        case OPTION_LOG_LEVEL:
                return take_log_level(optarg, &options->log_level);
        case OPTION_DISABLE_FEATURE:
                return add_feature(optarg, &options->features_off);
        case OPTION_HOLD_CGROUPS:
                return OPTIONS_HOLD;
        default: /* getopt_long(3) has told what is wrong */
                return OPTIONS_WRONG;
        }
}

int options_parse(int argc, char **argv, struct options *ret) {
        _cleanup_options_ struct options options = {.bus = true, .log_level = -1};
        int id;

        options.runtime_dir = strdup(PODMOUNT_RUNTIME_DIRECTORY);
        options.state_dir = strdup(STATE_DIRECTORY);
        options.config = strdup(CONFIG_FILE);
        options.user = strdup(FRONT_USER);
        if (!options.runtime_dir || !options.state_dir || !options.config || !options.user)
                return log_oom();

        optind = 0; /* GNU: start over, whatever was parsed before in this process */
        while ((id = getopt_long(argc, argv, "h", long_options, NULL)) >= 0) {
                int r = take_option(&options, id);

                if (r != OPTIONS_RUN)
                        return r;
        }
        if (optind < argc)
                return wrong(argv[optind], "no argument is taken");
        if (strcmp(options.runtime_dir, "/") == 0)
                return wrong("--runtime-dir", "the root directory cannot be used");

        *ret = options;
        options = (struct options) {};
        return OPTIONS_RUN;
}

void options_done(struct options *options) {
        free(options->runtime_dir);
        free(options->state_dir);
        free(options->config);
        free(options->user);
        free(options->features_off);
        *options = (struct options) {};
}
