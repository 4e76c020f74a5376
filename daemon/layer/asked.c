/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a client may ask of a new layer. */

#include "layer/asked.h"

#include <errno.h>
#include <string.h>

#include "plan/layer.h"
#include "spec/idmap.h"
#include "spec/option.h"
#include "util/array.h"
#include "util/log.h"
#include "util/text.h"

#define FORM "made of CONTAINER-HOST-SIZE with # between them, as 0-100000-65536"

static int check_maps(const struct layer_asked *asked, struct failure *f) {
        _cleanup_idmap_ struct idmap idmap = {};
        _cleanup_free_ char *text = NULL;
        const char *must = NULL;
        int r;

        if (!asked->uid_map && !asked->gid_map)
                return 0;
        if (!asked->uid_map || !asked->gid_map)
                return failure_set(f, FAILURE_INVALID_ARGS, "The options uid-map and gid-map are given together or not at all");
        if (strpbrk(asked->uid_map, ";=@") || strpbrk(asked->gid_map, ";=@"))
                must = FORM;
        text = text_format("uids=%s;gids=%s", asked->uid_map, asked->gid_map);
        if (!text)
                return log_oom();
        r = must ? 1 : idmap_parse(text, &idmap, &must);
        if (r == 1 && strstr(must, "uids=")) /* how both are given elsewhere */
                must = FORM;
        if (r < 0)
                return log_oom();
        if (r == 0 && (idmap.n_uids == 0 || idmap.n_gids == 0))
                must = FORM;
        return must ? failure_set(f, FAILURE_INVALID_OPTION, "uid-map and gid-map must be %s", must) : 0;
}

static int check_metadata(char *const *metadata, struct failure *f) {
        size_t n = strv_length(metadata), bytes = 0;

        if (n / 2 > LAYER_METADATA_MAX)
                return failure_set(f, FAILURE_INVALID_ARGS, "A layer has at most %d keys of metadata, not %zu", LAYER_METADATA_MAX, n / 2);
        for (size_t i = 0; i < n; i++)
                bytes += strlen(metadata[i]);
        for (size_t i = 0; i < n; i += 2)
                for (size_t j = 0; j < i; j += 2)
                        if (strcmp(metadata[i], metadata[j]) == 0)
                                return failure_set(f, FAILURE_INVALID_ARGS, "The key \"%.80s\" of the metadata is given twice", metadata[i]);
        if (bytes > LAYER_METADATA_BYTES)
                return failure_set(f, FAILURE_INVALID_ARGS, "A layer's metadata has at most %d bytes, not %zu", LAYER_METADATA_BYTES, bytes);
        return 0;
}

static int check_label(const char *label, struct failure *f) {
        const struct option_row *row = option_find("context");

        if (!label)
                return 0;
        if (!*label || strchr(label, '"') || !row)
                return failure_set(f, FAILURE_INVALID_OPTION, "A label is the text of a security context, without quotation marks");
        return option_check_value(row, label, f);
}

int layer_asked_check(const struct layer_asked *asked, struct failure *f) {
        int r;

        if (*asked->id && !layer_id_is_valid(asked->id))
                return failure_set(f, FAILURE_INVALID_ARGS,
                                   "\"%.140s\" is no id of a layer: 1 to %d letters, digits, '.', '_' and '-', the first a letter or a digit",
                                   asked->id, LAYER_ID_MAX);
        if (*asked->id && strcmp(asked->id, asked->parent) == 0)
                return failure_set(f, FAILURE_INVALID_ARGS, "Layer %s cannot be its own parent", asked->id);
        if (asked->label && !*asked->parent)
                return failure_set(f, FAILURE_INVALID_ARGS, "A label is for a layer on a parent: one without is shown by a bind, which has none of its own");
        r = check_label(asked->label, f);
        if (r == 0)
                r = check_maps(asked, f);
        return r == 0 ? check_metadata(asked->metadata, f) : r;
}

static int copy(const char *from, char **ret) {
        if (!from)
                return 0;
        *ret = strdup(from);
        return *ret ? 0 : -ENOMEM;
}

int layer_asked_record(const struct layer_asked *asked, const char *id, struct record_layer **ret) {
        _cleanup_(record_layer_freep) struct record_layer *record = calloc(1, sizeof(*record));

        if (!record || copy(id, &record->id) < 0 || copy(asked->label, &record->label) < 0 ||
            copy(asked->uid_map, &record->uid_map) < 0 || copy(asked->gid_map, &record->gid_map) < 0 ||
            (asked->metadata && asked->metadata[0] && strv_copy(asked->metadata, &record->metadata) < 0))
                return log_oom();
        record->read_write = asked->read_write;
        record->state = RECORD_LAYER_CREATING;
        *ret = TAKE_PTR(record);
        return 0;
}

static bool same(const char *a, const char *b) {
        return a && b ? strcmp(a, b) == 0 : !a && !b;
}

static const char *value_of(char *const *metadata, const char *key) {
        for (size_t i = 0; metadata && metadata[i]; i += 2)
                if (strcmp(metadata[i], key) == 0)
                        return metadata[i + 1];
        return NULL;
}

/* A dictionary has no order. */
static bool same_metadata(char *const *a, char *const *b) {
        if (strv_length(a) != strv_length(b))
                return false;
        for (size_t i = 0; a && a[i]; i += 2)
                if (!same(a[i + 1], value_of(b, a[i])))
                        return false;
        return true;
}

bool layer_asked_is(const struct layer_asked *asked, const struct record_layer *record, const char *parent) {
        return strcmp(asked->id, record->id) == 0 && strcmp(asked->parent, parent) == 0 && asked->read_write == record->read_write &&
               same(asked->label, record->label) && same(asked->uid_map, record->uid_map) && same(asked->gid_map, record->gid_map) &&
               same_metadata(asked->metadata, record->metadata);
}
