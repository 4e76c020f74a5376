/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * File systems in images: the client names the type, and nobody guesses it from the image's bytes. Read-only unless rw
 * is asked for; erofs and squashfs cannot be anything else.
 */

#include <string.h>
#include <sys/mount.h>

#include "spec/compile.h"
#include "spec/reader.h"
#include "spec/source.h"
#include "util/json.h"
#include "util/path.h"

static bool is_image_type(const char *type) {
        static const char *const types[] = {"erofs", "squashfs", "ext4", NULL};

        for (const char *const *name = types; *name; name++)
                if (strcmp(type, *name) == 0)
                        return true;
        return false;
}

bool wanted_is_image(const struct spec_mount *mount) {
        bool recursive;

        return mount->type && is_image_type(mount->type) && !compile_is_bind(mount, &recursive);
}

bool wanted_is_device_path(const char *source) {
        _cleanup_free_ char *path = NULL;

        return path_normalize(source, &path) == 0 && path_is_below(path, "/dev");
}

int compile_image(struct compile *c, struct wanted_mount *w, const struct spec_mount *mount) {
        _cleanup_free_ char *place = json_pointer_join(w->pointer, "source");
        int r;

        if (!place)
                return -ENOMEM;
        if (!mount->source)
                return reader_fail(c->f, FAILURE_INVALID_SPEC, place,
                        "it is missing; a mount of type %s needs the absolute path of the image, or fd:NAME for an fd of "
                        "the call",
                        w->type);
        r = source_parse(mount->source, place, FAILURE_INVALID_SPEC, &w->source, c->f);
        if (r != 0)
                return r;
        w->device = w->source.kind == SOURCE_PATH && wanted_is_device_path(w->source.text);
        if (!(w->attr_clear & MOUNT_ATTR_RDONLY)) {
                w->attr_set |= MOUNT_ATTR_RDONLY;
                return 0;
        }
        if (strcmp(w->type, "ext4") == 0)
                return 0;
        return reader_fail_member(c->f, FAILURE_INVALID_OPTION, w->pointer, "options",
                "a file system of type %s cannot be written to; leave rw out", w->type);
}
