/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The network interfaces of a pod, as one list of strings: so the store keeps them with the pod itself. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store.h"
#include "util/array.h"

enum { STRINGS = 5 /* of a link */ };

void record_link_done(struct record_link *link) {
        free(link->container);
        free(link->name);
        free(link->kind);
        free(link->peer);
}

int record_links_write(const struct record_pod *pod, char ***ret) {
        _cleanup_strv_ char **strv = NULL;

        for (size_t i = 0; i < pod->n_links; i++) {
                const struct record_link *link = &pod->links[i];
                char numbers[64];

                (void) snprintf(numbers, sizeof(numbers), "%d %d %u %" PRIu32, link->in_root, link->made, (unsigned) link->place, link->index); /* sized for any */
                if (strv_append(&strv, link->container) < 0 || strv_append(&strv, link->name) < 0 || strv_append(&strv, link->kind ?: "") < 0 ||
                        strv_append(&strv, link->peer ?: "") < 0 || strv_append(&strv, numbers) < 0)
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(strv);
        return 0;
}

static int copy(const char *from, bool always, char **ret) {
        if (!always && from[0] == 0)
                return 0;
        *ret = strdup(from);
        return *ret ? 0 : -ENOMEM;
}

/* Four numbers with a blank between them. */
static bool take_numbers(const char *text, struct record_link *link) {
        unsigned long numbers[4];

        for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
                char *end = NULL;

                if (*text < '0' || *text > '9')
                        return false;
                errno = 0;
                numbers[i] = strtoul(text, &end, 10);
                if (errno != 0 || *end != (i + 1 < ELEMENTSOF(numbers) ? ' ' : 0))
                        return false;
                text = end + 1;
        }
        if (numbers[0] > 1 || numbers[1] > 1 || numbers[2] >= _RECORD_LINK_PLACE_MAX || numbers[3] > UINT32_MAX)
                return false;
        link->in_root = numbers[0];
        link->made = numbers[1];
        link->place = (enum record_link_place) numbers[2];
        link->index = (uint32_t) numbers[3];
        return true;
}

int record_links_read(char *const *strv, struct record_pod *pod) {
        size_t n = strv_length(strv);

        if (n % STRINGS != 0)
                return -EBADMSG;
        for (size_t i = 0; i < n; i += STRINGS) {
                struct record_link *link = array_append(&pod->links, &pod->n_links);

                if (!link || copy(strv[i], true, &link->container) < 0 || copy(strv[i + 1], true, &link->name) < 0 ||
                        copy(strv[i + 2], false, &link->kind) < 0 || copy(strv[i + 3], false, &link->peer) < 0)
                        return -ENOMEM;
                if (!take_numbers(strv[i + 4], link))
                        return -EBADMSG;
        }
        return 0;
}
