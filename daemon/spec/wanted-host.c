/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Mounts on the host: the few kinds that what has to be prepared for a container there can be, each a single mount at a
 * place of its own. Where on the host they may be is the configuration's to say, and not known here.
 */

#include <string.h>

#include "spec/compile.h"
#include "spec/reader.h"
#include "util/path.h"

bool compile_is_host(const struct compile *c, const struct wanted_mount *w) {
        return w->kind != WANTED_ROOT && strcmp(wanted_container(c->wanted, w), SPEC_HOST) == 0;
}

size_t wanted_count_host(const struct wanted *wanted) {
        size_t n = 0;

        while (n < wanted->n_mounts && wanted->mounts[wanted->n_mounts - n - 1].container == WANTED_HOST)
                n++;
        return n;
}

static int check_type(const struct compile *c, const struct spec_mount *mount) {
        bool recursive = false;
        const char *type = mount->type ? mount->type : "";

        if (compile_is_bind(mount, &recursive))
                return !recursive ? 0
                                  : reader_fail_member(c->f, FAILURE_NOT_SUPPORTED, mount->pointer, "options",
                                            "what is mounted below the source would come along onto the host; leave rbind out "
                                            "and name each mount for itself");
        if (strcmp(type, "tmpfs") == 0 || strcmp(type, "overlay") == 0)
                return 0;
        return reader_fail_member(c->f, FAILURE_NOT_SUPPORTED, mount->pointer, "type",
                "%s%.80s%s; on the host podmount mounts bind, tmpfs, overlay and namespace", *type ? "\"" : "it is missing", type,
                *type ? "\" is none for a mount on the host" : "");
}

/* Blanks stand between the paths that polkit's rules are told, and in mountinfo. */
static int check_destination(const struct compile *c, const struct spec_mount *mount) {
        for (const char *p = mount->destination; *p; p++)
                if ((unsigned char) *p <= ' ' || *p == 0x7f)
                        return reader_fail_member(c->f, FAILURE_INVALID_TARGET, mount->pointer, "destination",
                                "a place on the host has no blanks and no control characters in its path; choose another");
        return 0;
}

/* A source of whoever calls: what came as a volume, or is a layer and came as an fd, may bring anything along. The fd of a bind is
 * that of a namespace; the executor looks. */
static const char *source_refusal(const struct wanted_mount *w) {
        bool paths = w->kind != WANTED_BIND || w->source.kind == SOURCE_PATH || w->source.kind == SOURCE_FD;

        for (size_t i = 0; i < w->n_lower; i++)
                paths = paths && w->lower[i].kind == SOURCE_PATH;
        if (w->kind == WANTED_OVERLAY && w->upper.kind != SOURCE_NONE)
                paths = paths && w->upper.kind == SOURCE_PATH && w->work.kind == SOURCE_PATH;
        return paths ? NULL : "what is mounted on the host comes from a path of the host, or is a namespace's fd; name one";
}

static int check(const struct compile *c, const struct wanted_mount *w) {
        const char *sentence = NULL;

        if (w->idmap.given)
                sentence = "a mount on the host has no id mapping; leave it out";
        else if (w->way & OPTION_WAY_COPY_UP)
                sentence = "option tmpcopyup: what lies on the host is not copied; leave it out";
        else if (w->way & (OPTION_WAY_SOURCE_NOFOLLOW | OPTION_WAY_TARGET_NOFOLLOW))
                sentence = "options src-nofollow and dest-nofollow: on the host nothing is mounted on a symlink, nor is one bound; "
                           "leave them out";
        if (sentence)
                return reader_fail_member(c->f, FAILURE_INVALID_OPTION, w->pointer, "options", "%s", sentence);
        sentence = source_refusal(w);
        return sentence ? reader_fail_member(c->f, FAILURE_INVALID_SPEC, w->pointer, "source", "%s", sentence) : 0;
}

int compile_host(struct compile *c, size_t container, const struct spec_mount *mount) {
        int r = check_destination(c, mount);

        if (r == 0 && compile_is_pin(mount))
                return compile_pin(c, container, mount);
        if (r == 0)
                r = check_type(c, mount);
        if (r == 0)
                r = compile_mount(c, container, mount);
        return r != 0 ? r : check(c, &c->wanted->mounts[c->wanted->n_mounts - 1]);
}

/* Each is at a directory or file that is there, so that none is on another. */
static int check_apart(const struct compile *c, const struct spec *spec) {
        for (size_t i = 0; i < spec->n_host; i++)
                for (size_t j = 0; j < spec->n_host; j++)
                        if (i != j && path_is_below(spec->host[i].destination, spec->host[j].destination))
                                return reader_fail_member(c->f, FAILURE_INVALID_SPEC, spec->host[i].pointer, "destination",
                                        "%.200s is at or below the destination of %s; mounts on the host lie apart",
                                        spec->host[i].destination, spec->host[j].pointer);
        return 0;
}

int compile_all_host(struct compile *c, const struct spec *spec) {
        int r = check_apart(c, spec);

        c->spaces = NULL;
        c->maps = NULL;
        c->userns = NULL;
        /* What waits comes last, so that the others' steps are in the order of the records. */
        for (size_t i = 0; r == 0 && i < spec->n_host; i++)
                if (!compile_is_pin(&spec->host[i]))
                        r = compile_host(c, WANTED_HOST, &spec->host[i]);
        for (size_t i = 0; r == 0 && i < spec->n_host; i++)
                if (compile_is_pin(&spec->host[i]))
                        r = compile_host(c, WANTED_HOST, &spec->host[i]);
        return r;
}
