/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hard links. */

#include "content/links.h"

#include <errno.h>
#include <string.h>

struct link {
        dev_t device;
        struct link *next;
        char path[];
};

void links_done(struct links *links) {
        struct link *link;

        if (links->first)
                MAP_FOREACH(link, links->first)
                        for (struct link *next; link; link = next) {
                                next = link->next;
                                free(link);
                        }
        links->first = map_free(links->first);
}

bool links_matter(const struct stat *status) {
        return !S_ISDIR(status->st_mode) && status->st_nlink > 1;
}

int links_note(struct links *links, const struct stat *status, const char *path, const char **ret) {
        size_t size = strlen(path) + 1;
        struct link *first, *link;
        int r;

        if (!links->first)
                links->first = map_new(MAP_KEY_U64);
        if (!links->first)
                return -ENOMEM;
        first = map_get_u64(links->first, status->st_ino);
        for (link = first; link; link = link->next)
                if (link->device == status->st_dev) {
                        *ret = link->path;
                        return 0;
                }
        link = malloc(sizeof(*link) + size);
        if (!link)
                return -ENOMEM;
        link->device = status->st_dev;
        link->next = NULL;
        memcpy(link->path, path, size);
        *ret = NULL;
        if (first) {
                link->next = first->next;
                first->next = link;
                return 0;
        }
        r = map_put_u64(links->first, status->st_ino, link);
        if (r < 0)
                free(link);
        return r;
}
