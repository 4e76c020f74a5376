/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A namespace of a container's process, bound to a file of the host. There is no process before the pod is made, so all of
 * them wait until one is named.
 */

#include <string.h>
#include <sys/mount.h>

#include "spec/compile.h"
#include "spec/reader.h"
#include "spec/warning.h"
#include "util/array.h"

bool compile_is_pin(const struct spec_mount *mount) {
        return mount->type && strcmp(mount->type, SPEC_PIN_TYPE) == 0;
}

static int check_container(const struct compile *c, size_t container, const struct spec_mount *mount) {
        for (char **name = c->wanted->containers; name && *name; name++)
                if (container != WANTED_HOST || spec_pin_is_of(mount->source, *name)) /* what is on record was looked at before */
                        return 0;
        return reader_fail_member(c->f, FAILURE_INVALID_SPEC, mount->pointer, "source",
                "\"%.80s\" names no container of the pod", mount->source);
}

static int check(const struct compile *c, size_t container, const struct spec_mount *mount) {
        if (!spec_pin_kind(mount->source))
                return reader_fail_member(c->f, FAILURE_INVALID_SPEC, mount->pointer, "source",
                        "%s%.80s%s; name a container of the pod and a namespace of its process, CONTAINER:KIND, where KIND is "
                        "cgroup, ipc, mnt, net, pid, user or uts",
                        mount->source ? "\"" : "it is missing", mount->source ?: "", mount->source ? "\" is none" : "");
        if (strv_length(mount->options) > 0)
                return reader_fail_member(c->f, FAILURE_INVALID_OPTION, mount->pointer, "options",
                        "a namespace that is bound to a file has no options; leave them out");
        if (mount->idmap.given || mount->userns.kind != SOURCE_NONE)
                return reader_fail_member(c->f, FAILURE_INVALID_OPTION, mount->pointer, "uidMappings",
                        "a namespace has no id mapping; leave it out");
        return check_container(c, container, mount);
}

static int fill(struct compile *c, size_t container, const struct spec_mount *mount, struct wanted_mount *w) {
        const struct source *process = c->facts->process;

        w->kind = WANTED_PIN;
        w->container = container;
        w->pointer = strdup(mount->pointer);
        w->target = strdup(mount->destination);
        w->type = strdup(SPEC_PIN_TYPE);
        w->pin = strdup(spec_pin_kind(mount->source));
        w->source = (struct source) {.kind = process ? process->kind : SOURCE_NONE, .text = strdup(process ? process->text : mount->source)};
        if (!w->pointer || !w->target || !w->type || !w->pin || !w->source.text)
                return -ENOMEM;
        w->attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
        w->propagation = MS_PRIVATE;
        w->deferred = !process;
        return spec_mount_to_text(mount, &w->request);
}

int compile_pin(struct compile *c, size_t container, const struct spec_mount *mount) {
        struct wanted_mount *w;
        int r = check(c, container, mount);

        if (r != 0)
                return r;
        w = array_append(&c->wanted->mounts, &c->wanted->n_mounts);
        if (!w)
                return -ENOMEM;
        r = fill(c, container, mount, w);
        if (r == 0)
                r = compile_words(w);
        if (r < 0 || !w->deferred || container != WANTED_HOST)
                return r;
        return warning_add(&c->wanted->warnings, "%s: " WANTED_WAITS_FORMAT "it is bound when a process of the container is named with "
                                                                            "podmountctl prepare-process",
                mount->pointer, w->type, w->target, SPEC_HOST);
}
