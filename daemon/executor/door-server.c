/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* File systems that somebody serves: what they cannot be without. */

#include <string.h>

#include "executor/door.h"

static int refuse(struct failure *f, const char *type, const char *option) {
        return failure_set(f, FAILURE_INVALID_ARGS, "refused at the executor's door: a %s without the option %s", type, option);
}

/* Without their fds these types would look for a server by themselves. */
int door_check_server(const struct step *step, struct failure *f) {
        static const struct {
                const char *type, *option;
        } needed[] = {{"fuse", "fd"}, {"9p", "trans"}, {"9p", "rfdno"}, {"9p", "wfdno"}};

        for (size_t i = 0; i < ELEMENTSOF(needed); i++) {
                bool found = false;

                for (size_t j = 0; j < step->n_options; j++)
                        found |= strcmp(step->options[j].name, needed[i].option) == 0;
                if (!found && strcmp(step->type, needed[i].type) == 0)
                        return refuse(f, step->type, needed[i].option);
        }
        return 0;
}
