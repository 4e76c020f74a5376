/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "image/platform.h"

#include <errno.h>
#include <string.h>

#include "util/log.h"
#include "util/text.h"

/* The machines of uname(2) and what Go calls them. 64-bit ARM has one variant, which may be left out. */
static const struct {
        const char *machine, *architecture, *variant;
} machines[] = {
        {"x86_64", "amd64", NULL},      {"aarch64", "arm64", "v8"},     {"armv8l", "arm", "v8"},   {"armv7l", "arm", "v7"},
        {"armv6l", "arm", "v6"},        {"armv5tel", "arm", "v5"},      {"i686", "386", NULL},     {"i586", "386", NULL},
        {"i486", "386", NULL},          {"i386", "386", NULL},          {"riscv64", "riscv64", NULL}, {"ppc64le", "ppc64le", NULL},
        {"ppc64", "ppc64", NULL},       {"s390x", "s390x", NULL},       {"mips", "mips", NULL},    {"mips64", "mips64", NULL},
        {"loongarch64", "loong64", NULL},
};

void platform_done(struct platform *platform) {
        if (!platform)
                return;
        free(platform->os);
        free(platform->architecture);
        free(platform->variant);
        *platform = (struct platform) {};
}

static int fill(const char *os, size_t os_size, const char *architecture, size_t architecture_size, const char *variant, struct platform *ret) {
        _cleanup_platform_ struct platform platform = {
                .os = strndup(os, os_size),
                .architecture = strndup(architecture, architecture_size),
                .variant = variant ? strdup(variant) : NULL,
        };

        if (!platform.os || !platform.architecture || (variant && !platform.variant))
                return log_oom();
        *ret = platform;
        platform = (struct platform) {};
        return 0;
}

int platform_parse(const char *text, struct platform *ret) {
        size_t os = strcspn(text, "/"), architecture;
        const char *rest = text + os;

        if (os == 0 || *rest != '/')
                return -EINVAL;
        rest++;
        architecture = strcspn(rest, "/");
        if (architecture == 0)
                return -EINVAL;
        if (rest[architecture] == '\0')
                return fill(text, os, rest, architecture, NULL, ret);
        if (rest[architecture + 1] == '\0' || strchr(rest + architecture + 1, '/'))
                return -EINVAL;
        return fill(text, os, rest, architecture, rest + architecture + 1, ret);
}

int platform_of_machine(const char *machine, struct platform *ret) {
        for (size_t i = 0; i < ELEMENTSOF(machines); i++)
                if (strcmp(machines[i].machine, machine) == 0)
                        return fill("linux", strlen("linux"), machines[i].architecture, strlen(machines[i].architecture), machines[i].variant, ret);
        return -EOPNOTSUPP;
}

char *platform_text(const struct platform *platform) {
        return text_format("%s/%s%s%s", platform->os ?: "unknown", platform->architecture ?: "unknown", platform->variant ? "/" : "",
                           platform->variant ?: "");
}

enum platform_match platform_match(const struct platform *wanted, const struct platform *is) {
        if (!is->os && !is->architecture)
                return PLATFORM_UNSAID;
        if (!is->os || !is->architecture || strcmp(wanted->os, is->os) != 0 || strcmp(wanted->architecture, is->architecture) != 0)
                return PLATFORM_OTHER;
        if (!wanted->variant || !is->variant)
                return wanted->variant || is->variant ? PLATFORM_MATCHES : PLATFORM_SAME;
        return strcmp(wanted->variant, is->variant) == 0 ? PLATFORM_SAME : PLATFORM_OTHER;
}
