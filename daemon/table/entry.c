/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One mount of the kernel's table, and its words for people. */

#include <linux/mount.h>
#include <malloc.h>
#include <string.h>

#include "table/entry.h"
#include "util/array.h"

struct entry *entry_new(void) {
        return calloc(1, sizeof(struct entry));
}

struct entry *entry_free(struct entry *entry) {
        if (!entry)
                return NULL;
        free(entry->root);
        free(entry);
        return NULL;
}

/* Strings one behind the other: only counted while there is no memory yet. */
struct pack {
        char *memory;
        size_t n;
};

static void add(struct pack *pack, const char *text, size_t length) {
        if (pack->memory)
                memcpy(pack->memory + pack->n, text, length);
        pack->n += length;
}

static void add_text(struct pack *pack, const char *text) {
        if (text)
                add(pack, text, strlen(text));
}

/* \040 and its like. */
static bool is_escape(const char *text) {
        return text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' && text[2] <= '7' && text[3] >= '0' &&
               text[3] <= '7';
}

static void add_unescaped(struct pack *pack, const char *text) {
        while (*text) {
                size_t n = strcspn(text, "\\");

                add(pack, text, n);
                text += n;
                if (is_escape(text)) {
                        add(pack, (char[]){(char) ((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0'))}, 1);
                        text += 4;
                } else if (*text)
                        add(pack, text++, 1);
        }
}

/* Ends the string that begins at `*begin`, and moves on to the next. */
static char *end(struct pack *pack, size_t *begin) {
        char *text = pack->memory ? pack->memory + *begin : NULL;

        add(pack, "", 1);
        *begin = pack->n;
        return text;
}

static void pack_texts(struct pack *pack, const struct entry_texts *texts, struct entry *entry) {
        size_t begin = 0;

        add_text(pack, texts->root);
        entry->root = end(pack, &begin);
        add_text(pack, texts->point);
        entry->point = end(pack, &begin);
        add_text(pack, texts->type);
        if (texts->subtype && *texts->subtype) {
                add(pack, ".", 1);
                add_text(pack, texts->subtype);
        }
        entry->type = end(pack, &begin);
        add_text(pack, texts->flags);
        if (texts->flags && *texts->flags && texts->options && *texts->options)
                add(pack, ",", 1);
        if (texts->escaped && texts->options)
                add_unescaped(pack, texts->options);
        else
                add_text(pack, texts->options);
        entry->options = end(pack, &begin);
        entry->source = NULL;
        if (texts->source) {
                add_text(pack, texts->source);
                entry->source = end(pack, &begin);
        }
}

int entry_set_texts(struct entry *entry, const struct entry_texts *texts) {
        struct pack pack = {};
        struct entry packed;
        char *old = entry->root;

        pack_texts(&pack, texts, &packed);
        pack = (struct pack){.memory = malloc(pack.n)};
        if (!pack.memory)
                return -ENOMEM;
        pack_texts(&pack, texts, entry);
        free(old);
        return 0;
}

/* A chunk of glibc's heap has its size in front of it. */
static size_t chunk_bytes(void *chunk) {
        return chunk ? malloc_usable_size(chunk) + sizeof(size_t) : 0;
}

size_t entry_bytes(struct entry *entry) {
        return chunk_bytes(entry) + chunk_bytes(entry->root);
}

int entry_attribute_names(uint64_t attributes, char ***ret) {
        static const struct {
                uint64_t bit;
                const char *name;
        } rows[] = {
                {MOUNT_ATTR_NOSUID, "nosuid"},
                {MOUNT_ATTR_NODEV, "nodev"},
                {MOUNT_ATTR_NOEXEC, "noexec"},
                {MOUNT_ATTR_NODIRATIME, "nodiratime"},
                {MOUNT_ATTR_NOSYMFOLLOW, "nosymfollow"},
                {MOUNT_ATTR_IDMAP, "idmapped"},
        };
        _cleanup_strv_ char **names = NULL;
        const char *atime;
        int r;

        r = strv_append(&names, attributes & MOUNT_ATTR_RDONLY ? "ro" : "rw");
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                if (!(attributes & rows[i].bit))
                        continue;
                r = strv_append(&names, rows[i].name);
                if (r < 0)
                        return r;
        }

        /* The access times are one value of a field, not bits: relatime is its zero. */
        switch (attributes & MOUNT_ATTR__ATIME) {
        case MOUNT_ATTR_NOATIME:
                atime = "noatime";
                break;
        case MOUNT_ATTR_STRICTATIME:
                atime = "strictatime";
                break;
        default:
                atime = "relatime";
                break;
        }
        r = strv_append(&names, atime);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(names);
        return 0;
}

const char *entry_propagation_name(unsigned propagation) {
        if (propagation & ENTRY_UNBINDABLE)
                return "unbindable";
        switch (propagation & (ENTRY_SHARED | ENTRY_SLAVE)) {
        case ENTRY_SHARED | ENTRY_SLAVE:
                return "slave,shared";
        case ENTRY_SHARED:
                return "shared";
        case ENTRY_SLAVE:
                return "slave";
        default: /* no bit of the two */
                return "private";
        }
}
