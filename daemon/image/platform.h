/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What an image runs on, in the words of the image-spec (image-index.md): GOOS and GOARCH, and for some architectures a variant. Pure. */

#include <stdbool.h>

#include "util/cleanup.h"

struct platform {
        char *os, *architecture; /* NULL: not said */
        char *variant;           /* NULL: none */
};
void platform_done(struct platform *platform);
#define _cleanup_platform_ _cleanup_(platform_done)

/* "OS/ARCHITECTURE" or "OS/ARCHITECTURE/VARIANT". -EINVAL, -ENOMEM. */
int platform_parse(const char *text, struct platform *ret);
/* That of a Linux machine, by the name that uname(2) gives it. -EOPNOTSUPP for one that has no GOARCH that is known here, -ENOMEM. */
int platform_of_machine(const char *machine, struct platform *ret);
/* In the form above, "unknown" where it is not said; NULL when memory is short. */
char *platform_text(const struct platform *platform);

enum platform_match {
        PLATFORM_OTHER,   /* it does not run there */
        PLATFORM_UNSAID,  /* `is` does not say */
        PLATFORM_MATCHES, /* but for a variant that one of both does not name */
        PLATFORM_SAME,
};
/* How well what `is` for one platform suits the one that is wanted. */
enum platform_match platform_match(const struct platform *wanted, const struct platform *is);
