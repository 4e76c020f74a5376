/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The command line of podmountd(8). */

#include <stdbool.h>

#include "util/cleanup.h"

struct options {
        char *runtime_dir; /* absolute, normalised */
        char *state_dir;
        char *config;
        bool config_given;   /* then it must exist */
        char *user;          /* the front's */
        bool bus;            /* --bus=system */
        int log_level;       /* -1: the configuration's */
        char *features_off;  /* --disable-feature, for the tests: names joined by commas, or NULL */
};

enum options_outcome {
        OPTIONS_RUN,   /* go on */
        OPTIONS_DONE,  /* --help or --version was answered: exit 0 */
        OPTIONS_HOLD,  /* --hold-cgroups, of podmount-cgroups.service: do nothing until told to end */
        OPTIONS_WRONG, /* wrong usage was told on stderr: exit 2 */
};

/* An enum options_outcome, or -ENOMEM. `ret` is filled for OPTIONS_RUN alone; release it with options_done(). */
int options_parse(int argc, char **argv, struct options *ret);
void options_done(struct options *options);
#define _cleanup_options_ _cleanup_(options_done)
