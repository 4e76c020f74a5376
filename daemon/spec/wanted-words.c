/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What holds for a mount in the end, as the words of the option table: for people who list mounts or plan them. */

#include <string.h>
#include <sys/mount.h>

#include "spec/compile.h"
#include "spec/source.h"

struct word {
        uint64_t bit;
        const char *set, *cleared;
};

/* Adds the words of one pair of masks, each with the prefix. */
static int add_attributes(char ***words, uint64_t set, uint64_t clear, const char *prefix) {
        static const struct word pairs[] = {
                {MOUNT_ATTR_RDONLY, "ro", "rw"},
                {MOUNT_ATTR_NOSUID, "nosuid", "suid"},
                {MOUNT_ATTR_NODEV, "nodev", "dev"},
                {MOUNT_ATTR_NOEXEC, "noexec", "exec"},
                {MOUNT_ATTR_NODIRATIME, "nodiratime", "diratime"},
                {MOUNT_ATTR_NOSYMFOLLOW, "nosymfollow", "symfollow"},
        };
        int r = 0;

        for (size_t i = 0; r == 0 && i < ELEMENTSOF(pairs); i++)
                if ((set | clear) & pairs[i].bit)
                        r = strv_appendf(words, "%s%s", prefix, set & pairs[i].bit ? pairs[i].set : pairs[i].cleared);
        if (r == 0 && clear & MOUNT_ATTR__ATIME)
                r = strv_appendf(words, "%s%s", prefix,
                        set & MOUNT_ATTR_NOATIME       ? "noatime"
                        : set & MOUNT_ATTR_STRICTATIME ? "strictatime"
                                                       : "relatime");
        return r;
}

static const char *propagation_word(uint64_t propagation) {
        switch (propagation) {
        case MS_SHARED:
                return "shared";
        case MS_SLAVE:
                return "slave";
        case MS_UNBINDABLE:
                return "unbindable";
        default:
                return "private";
        }
}

static int add_source(char ***words, const char *name, const struct source *source) {
        _cleanup_free_ char *text = NULL;

        if (source->kind == SOURCE_NONE)
                return 0;
        text = source_to_text(source);
        return text ? strv_appendf(words, "%s=%s", name, text) : -ENOMEM;
}

static int add_layers(char ***words, const struct wanted_mount *w) {
        int r = 0;

        for (size_t i = 0; r == 0 && i < w->n_lower; i++)
                r = add_source(words, "lowerdir+", w->lower + i);
        if (r == 0)
                r = add_source(words, "upperdir", &w->upper);
        if (r == 0)
                r = add_source(words, "workdir", &w->work);
        return r;
}

static int add_data(char ***words, const struct wanted_mount *w) {
        int r = 0;

        for (size_t i = 0; r == 0 && i < w->n_data; i++)
                r = w->data[i].value ? strv_appendf(words, "%s=%s", w->data[i].name, w->data[i].value)
                                     : strv_append(words, w->data[i].name);
        return r;
}

/* In crun's inline form, whatever it was given in. */
static int add_idmap(char ***words, const struct wanted_mount *w) {
        _cleanup_free_ char *text = NULL;

        if (!w->idmap.given)
                return 0;
        text = w->userns.kind == SOURCE_FD ? source_to_text(&w->userns) : idmap_to_text(&w->idmap);
        return text ? strv_appendf(words, "%sidmap=%s", w->idmap.recursive ? "r" : "", text) : -ENOMEM;
}

int compile_words(struct wanted_mount *w) {
        static const struct {
                unsigned way;
                const char *word;
        } ways[] = {
                {OPTION_WAY_COPY_UP, "tmpcopyup"},
                {OPTION_WAY_SOURCE_NOFOLLOW, "src-nofollow"},
                {OPTION_WAY_TARGET_NOFOLLOW, "dest-nofollow"},
        };
        bool clone = w->kind == WANTED_ROOT || w->kind == WANTED_BIND;
        bool alike =
                w->attr_set == w->attr_set_below && w->attr_clear == w->attr_clear_below; /* the r… words say it all */
        _cleanup_strv_ char **words = NULL;
        int r;

        r = strv_copy(NULL, &words);
        if (r == 0 && clone)
                r = strv_append(&words, w->recursive ? "rbind" : "bind");
        if (r == 0 && !alike)
                r = add_attributes(&words, w->attr_set, w->attr_clear, "");
        if (r == 0)
                r = add_attributes(&words, w->attr_set_below, w->attr_clear_below, "r");
        if (r == 0 && w->propagation_recursive)
                r = strv_appendf(&words, "r%s", propagation_word(w->propagation));
        else if (r == 0)
                r = strv_append(&words, propagation_word(w->propagation));
        for (size_t i = 0; r == 0 && i < ELEMENTSOF(ways); i++)
                if (w->way & ways[i].way)
                        r = strv_append(&words, ways[i].word);
        if (r == 0)
                r = add_idmap(&words, w);
        if (r == 0 && w->source.kind != SOURCE_LAYER) /* the layer says what it stands on */
                r = add_layers(&words, w);
        if (r == 0)
                r = add_data(&words, w);
        if (r < 0)
                return r;
        w->options = TAKE_PTR(words);
        return 0;
}
