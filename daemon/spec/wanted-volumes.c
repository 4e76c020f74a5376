/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Volumes: mounted once, before any container, where no container sees them, and bound into each that wants one. What
 * shows a namespace or is a /dev of its own is a container's matter and no volume.
 */

#include <string.h>
#include <sys/mount.h>

#include "spec/compile.h"
#include "spec/reader.h"
#include "util/json.h"

bool compile_is_volume(const struct compile *c, const struct wanted_mount *w) {
        return strcmp(wanted_container(c->wanted, w), SPEC_VOLUMES) == 0;
}

static bool may_be_volume(const struct spec_mount *volume) {
        static const char *const types[] = {"tmpfs", "overlay", "erofs", "squashfs", "ext4", "fuse", "9p", NULL};
        bool recursive;

        if (compile_is_bind(volume, &recursive))
                return true;
        for (const char *const *name = types; volume->type && *name; name++)
                if (strcmp(volume->type, *name) == 0)
                        return true;
        return volume->type && strncmp(volume->type, "fuse.", strlen("fuse.")) == 0;
}

/* What options can say of a mount and not of a volume. */
static int check(struct compile *c, const struct wanted_mount *w) {
        const char *sentence = NULL;

        if (w->propagation == MS_UNBINDABLE)
                sentence = "option unbindable: a volume is there to be bound; leave it out";
        else if (w->way & OPTION_WAY_COPY_UP)
                sentence = "option tmpcopyup: a volume covers nothing that could be copied; leave it out";
        else if (w->way & OPTION_WAY_SOURCE_NOFOLLOW)
                sentence = "option src-nofollow: a symlink is no volume; leave it out, or name what it leads to";
        else if (w->way & OPTION_WAY_TARGET_NOFOLLOW)
                sentence = "option dest-nofollow: nothing is where a volume is mounted; leave it out";
        return sentence ? reader_fail_member(c->f, FAILURE_INVALID_OPTION, w->pointer, "options", "%s", sentence) : 0;
}

int compile_volume(struct compile *c, const struct spec_mount *volume) {
        int r;

        if (!may_be_volume(volume))
                return reader_fail_member(c->f, volume->type ? FAILURE_NOT_SUPPORTED : FAILURE_INVALID_SPEC, volume->pointer,
                        "type", "%s%.80s%s; a volume is of type tmpfs, bind, rbind, overlay, erofs, squashfs, ext4, fuse or 9p",
                        volume->type ? "\"" : "it is missing", volume->type ? volume->type : "",
                        volume->type ? "\" is none for a volume" : "");
        r = compile_mount(c, WANTED_VOLUMES, volume);
        return r != 0 ? r : check(c, c->wanted->mounts + c->wanted->n_mounts - 1);
}

static int fail_unknown(struct compile *c, const struct wanted_mount *w, const char *place) {
        _cleanup_strv_ char **names = NULL;
        _cleanup_free_ char *list = NULL;
        int r = strv_copy(NULL, &names);

        for (size_t i = 0; r == 0 && i < c->wanted->n_mounts && c->wanted->mounts[i].container == WANTED_VOLUMES; i++)
                r = strv_append(&names, c->wanted->mounts[i].target + 1);
        for (size_t i = 0; r == 0 && i < c->facts->n_volumes; i++)
                r = strv_append(&names, c->facts->volumes[i].name);
        list = r == 0 ? strv_join(names, ", ") : NULL;
        if (!list)
                return -ENOMEM;
        return reader_fail(c->f, FAILURE_INVALID_SPEC, place, "the pod has no volume \"%s\"%s%.400s", w->source.text,
                list[0] ? "; it has: " : ", nor any other: \"volumes\" of its spec names them", list);
}

int compile_find_volume(struct compile *c, struct wanted_mount *w, const char *place) {
        for (size_t i = 0; i < c->wanted->n_mounts && c->wanted->mounts[i].container == WANTED_VOLUMES; i++) {
                const struct wanted_mount *volume = &c->wanted->mounts[i];

                if (strcmp(volume->target + 1, w->source.text) != 0)
                        continue;
                w->own_volume = volume->kind == WANTED_FILESYSTEM && strcmp(volume->type, "tmpfs") == 0 &&
                                !(volume->attr_set & MOUNT_ATTR_RDONLY);
                return 0;
        }
        for (size_t i = 0; i < c->facts->n_volumes; i++)
                if (strcmp(c->facts->volumes[i].name, w->source.text) == 0) {
                        w->own_volume = c->facts->volumes[i].own;
                        return 0;
                }
        return c->facts->any_volume ? 0 : fail_unknown(c, w, place);
}
