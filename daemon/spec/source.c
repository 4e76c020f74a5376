/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sources: paths are normalised lexically, which is right only because ".." is refused (what it leads to is the
 * kernel's to say, see path_resolution(7)); fd names follow the rule of names.
 */

#include <string.h>

#include "spec/reader.h"
#include "spec/source.h"
#include "util/array.h"
#include "util/path.h"

static const char FD_PREFIX[] = "fd:";
static const char VOLUME_PREFIX[] = "volume:";
static const char LAYER_PREFIX[] = "layer:";
enum { FD_PREFIX_LENGTH = sizeof(FD_PREFIX) - 1, VOLUME_PREFIX_LENGTH = sizeof(VOLUME_PREFIX) - 1 };

void source_done(struct source *source) {
        if (!source)
                return;
        free(source->text);
        *source = (struct source) {.kind = SOURCE_NONE};
}

const char *source_prefix(enum source_kind kind) {
        switch (kind) {
        case SOURCE_FD:
                return FD_PREFIX;
        case SOURCE_VOLUME:
                return VOLUME_PREFIX;
        case SOURCE_LAYER:
                return LAYER_PREFIX;
        case SOURCE_PATH:
        case SOURCE_NONE:
                break;
        }
        return "";
}

bool source_is_fd(const char *text) {
        return strncmp(text, FD_PREFIX, FD_PREFIX_LENGTH) == 0;
}

bool source_is_volume(const char *text) {
        return strncmp(text, VOLUME_PREFIX, VOLUME_PREFIX_LENGTH) == 0;
}

/* What is behind the prefix. `what`: of which this is no name, for people. */
static int parse_name(const char *text, size_t prefix, const char *what, const char *pointer, enum failure_kind kind,
        char **ret, struct failure *f) {
        const char *name = text + prefix;

        if (!name_is_valid(name))
                return reader_fail(f, kind, pointer,
                        "\"%.80s\" names no %s: after %.*s goes a name of 1 to 64 of A-Z a-z 0-9 . _ -, "
                        "the first a letter or digit",
                        text, what, (int) prefix, text);
        *ret = strdup(name);
        return *ret ? 0 : -ENOMEM;
}

int source_parse(const char *text, const char *pointer, enum failure_kind kind, struct source *ret, struct failure *f) {
        char *path = NULL;
        int r;

        if (source_is_fd(text)) {
                r = parse_name(text, FD_PREFIX_LENGTH, "fd", pointer, kind, &path, f);
                if (r == 0)
                        *ret = (struct source) {.kind = SOURCE_FD, .text = path};
                return r;
        }
        if (source_is_volume(text))
                return reader_fail(f, kind, pointer,
                        "\"%.80s\" is a volume of the pod, which the binds of its containers can show and nothing else can "
                        "be made of; give an absolute path, or fd:NAME for an fd of the call",
                        text);
        r = path_normalize(text, &path);
        switch (r) {
        case 0:
                *ret = (struct source) {.kind = SOURCE_PATH, .text = path};
                return 0;
        case -EINVAL:
                return reader_fail(f, kind, pointer,
                        "\"%.80s\" is relative; give an absolute path, or fd:NAME for an fd of the call", text);
        case -EXDEV:
                return reader_fail(
                        f, kind, pointer, "\"%.80s\" has a \"..\" in it; give the path that it leads to", text);
        case -ENAMETOOLONG:
                return reader_fail(f, kind, pointer,
                        "the path \"%.40s…\" is longer than a path may be (4095 bytes, 255 a component); "
                        "send an fd instead",
                        text);
        default:
                return r;
        }
}

int source_parse_bind(
        const char *text, const char *pointer, enum failure_kind kind, struct source *ret, struct failure *f) {
        char *name = NULL;
        int r;

        if (!source_is_volume(text))
                return source_parse(text, pointer, kind, ret, f);
        r = parse_name(text, VOLUME_PREFIX_LENGTH, "volume", pointer, kind, &name, f);
        if (r == 0)
                *ret = (struct source) {.kind = SOURCE_VOLUME, .text = name};
        return r;
}

char *source_to_text(const struct source *source) {
        char *text = NULL;

        return asprintf(&text, "%s%s", source_prefix(source->kind), source->text ? source->text : "") < 0 ? NULL : text;
}

int source_split_layers(const char *text, char ***ret) {
        _cleanup_strv_ char **layers = NULL;
        _cleanup_free_ char *layer = malloc(strlen(text) + 1);

        if (!layer)
                return -ENOMEM;
        for (const char *p = text;; p++) {
                size_t n = 0;
                int r;

                if (source_is_fd(p)) {
                        memcpy(layer, p, FD_PREFIX_LENGTH);
                        n = FD_PREFIX_LENGTH;
                        p += FD_PREFIX_LENGTH;
                }
                for (; *p != '\0' && *p != ':'; p++) {
                        if (*p == '\\' && *++p == '\0')
                                return -EINVAL;
                        layer[n++] = *p;
                }
                if (n == 0)
                        return -EINVAL;
                layer[n] = '\0';
                r = strv_append(&layers, layer);
                if (r < 0)
                        return r;
                if (*p == '\0')
                        break;
        }
        *ret = TAKE_PTR(layers);
        return 0;
}
