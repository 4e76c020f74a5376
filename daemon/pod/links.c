/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "pod/links.h"

#include <stdlib.h>
#include <string.h>

#include "util/array.h"
#include "util/log.h"
#include "util/prefixes.h"

static int check_lent(const struct pods *pods, const struct caller *caller, const struct spec_link *link, struct failure *f) {
        if (!caller_is_root(caller))
                return failure_set(f, FAILURE_ACCESS_DENIED, "%s: network interface %s is the host's, which are root's to lend; have one made (\"add\").",
                                   link->pointer, link->name);
        if (prefixes_has(pods->settings->interfaces, link->name))
                return 0;
        return failure_set(f, FAILURE_NOT_SUPPORTED,
                           "%s: network interface %s is the host's, and Interfaces= of podmountd.conf(5) does not name it; an administrator can.",
                           link->pointer, link->name);
}

int links_check(const struct pods *pods, const struct caller *caller, const struct spec *spec, size_t n_there, struct failure *f) {
        size_t n = n_there;
        int r = 0;

        for (size_t i = 0; i < spec->n_containers; i++)
                n += spec->containers[i].n_links;
        if (n > n_there && n > SPEC_LINKS_MAX)
                return failure_set(f, FAILURE_QUOTA_EXCEEDED, "A pod has at most %d network interfaces; this one would have %zu.", SPEC_LINKS_MAX, n);
        for (size_t i = 0; i < spec->n_containers; i++)
                for (size_t j = 0; j < spec->containers[i].n_links && r == 0; j++)
                        if (!spec->containers[i].links[j].kind)
                                r = check_lent(pods, caller, &spec->containers[i].links[j], f);
        return r;
}

static int copy(const char *from, char **ret) {
        *ret = from ? strdup(from) : NULL;
        return from && !*ret ? log_oom() : 0;
}

static int append(const char *container, const struct spec_link *from, bool made, struct record_pod *record) {
        struct record_link *link = array_append(&record->links, &record->n_links);

        if (!link)
                return log_oom();
        link->in_root = from->kind && from->in_root;
        link->made = made && link->in_root;
        if (copy(container, &link->container) < 0 || copy(from->name, &link->name) < 0 || copy(from->kind, &link->kind) < 0 ||
            copy(from->peer, &link->peer) < 0) {
                links_truncate(record, record->n_links - 1);
                return -ENOMEM;
        }
        return 0;
}

int links_intend(const struct spec *spec, bool made, struct record_pod *record) {
        int r = 0;

        for (size_t i = 0; i < spec->n_containers; i++)
                for (size_t j = 0; j < spec->containers[i].n_links && r == 0; j++)
                        r = append(spec->containers[i].name, &spec->containers[i].links[j], made, record);
        return r;
}

void links_truncate(struct record_pod *record, size_t n) {
        while (record->n_links > n)
                record_link_done(&record->links[--record->n_links]);
}

int links_plan_make(const struct spec *spec, struct job *job) {
        int r = 0;

        for (size_t i = 0; i < spec->n_containers; i++)
                for (size_t j = 0; j < spec->containers[i].n_links && r == 0; j++) {
                        const struct spec_link *link = &spec->containers[i].links[j];
                        const struct plan_link one = {
                                .container = spec->containers[i].name, .name = link->name, .kind = link->kind, .peer = link->peer, .on_host = link->in_root};

                        r = plan_links_make(job, &one, 1);
                }
        return r;
}

static bool is_of(const struct record_link *link, const char *container) {
        return !container || strcmp(link->container, container) == 0;
}

static struct plan_link plan_of(const struct record_link *link) {
        return (struct plan_link) {
                .container = link->container, .name = link->name, .kind = link->kind, .peer = link->peer, .on_host = link->in_root, .index = link->index};
}

int links_plan_enter(const struct plan_pod *pod, const struct record_pod *record, const char *container, struct job **job) {
        int r = 0;

        for (size_t i = 0; i < record->n_links && r == 0; i++) {
                const struct record_link *link = &record->links[i];
                const struct plan_link one = plan_of(link);

                if (is_of(link, container) && link->place == RECORD_LINK_OUTSIDE)
                        r = plan_links_enter(pod, &one, 1, !link->made, 0, job);
        }
        return r;
}

int links_plan_leave(const struct plan_pod *pod, const struct record_pod *record, const char *container, bool begun, struct job **job) {
        _cleanup_free_ struct plan_link *links = calloc(record->n_links + 1, sizeof(*links));
        size_t n = 0;

        if (!links)
                return log_oom();
        for (size_t i = 0; i < record->n_links; i++) {
                const struct record_link *link = &record->links[i];

                if (!is_of(link, container) || (begun ? link->place != RECORD_LINK_MOVING : link->place == RECORD_LINK_OUTSIDE && !link->made))
                        continue;
                links[n] = plan_of(link);
                links[n].on_host = link->made;
                if (link->place == RECORD_LINK_MOVING && !begun) /* it may be in either namespace */
                        links[n].index = 0;
                n++;
        }
        return n > 0 ? plan_links_leave(pod, links, n, begun, job) : 0;
}

size_t links_count(const struct record_pod *record, const char *container, enum record_link_place place) {
        size_t n = 0;

        for (size_t i = 0; i < record->n_links; i++)
                n += is_of(&record->links[i], container) && record->links[i].place == place;
        return n;
}

size_t links_count_all(const struct record_pod *record, const char *container) {
        size_t n = 0;

        for (size_t i = 0; i < record->n_links; i++)
                n += is_of(&record->links[i], container);
        return n;
}

void links_set(struct record_pod *record, const char *container, enum record_link_place from, enum record_link_place to) {
        for (size_t i = 0; i < record->n_links; i++) {
                struct record_link *link = &record->links[i];

                if (!is_of(link, container) || link->place != from)
                        continue;
                link->place = to;
                if (from == RECORD_LINK_INSIDE || to == RECORD_LINK_INSIDE)
                        link->index = 0;
        }
}

static struct record_link *find(struct record_pod *record, const struct step *step) {
        for (size_t i = 0; i < record->n_links; i++)
                if (strcmp(record->links[i].container, step->container) == 0 && strcmp(record->links[i].name, step->target) == 0)
                        return &record->links[i];
        return NULL;
}

void links_settle(struct record_pod *record, const struct job *job, const struct job_result *answer) {
        for (size_t i = 0; i < job->n_steps && i < answer->n_steps; i++) {
                struct record_link *link = job->steps[i].kind == STEP_LINK ? find(record, &job->steps[i]) : NULL;

                if (link)
                        link->index = (uint32_t) answer->steps[i].attributes;
        }
}

int links_leave(struct record_pod *record, const char *container, struct links_change *ret) {
        struct record_link *kept = calloc(record->n_links + 1, sizeof(*kept));
        char *name = strdup(container);
        size_t n = 0;

        if (!kept || !name) {
                free(kept);
                free(name);
                return log_oom();
        }
        for (size_t i = 0; i < record->n_links; i++)
                if (!is_of(&record->links[i], container))
                        kept[n++] = record->links[i];
        *ret = (struct links_change) {.before = record->links, .n = record->n_links, .container = name};
        record->links = kept;
        record->n_links = n;
        return 0;
}

void links_end(struct record_pod *record, struct links_change *change, bool success) {
        if (!change->container)
                return; /* it was not begun */
        for (size_t i = 0; success && i < change->n; i++)
                if (is_of(&change->before[i], change->container))
                        record_link_done(&change->before[i]);
        free(success ? change->before : record->links);
        if (!success) {
                record->links = change->before;
                record->n_links = change->n;
        }
        free(change->container);
        *change = (struct links_change) {};
}

const char *links_state(const struct record_link *link) {
        switch (link->place) {
        case RECORD_LINK_MOVING:
                return "moving";
        case RECORD_LINK_INSIDE:
                return "inside";
        case RECORD_LINK_OUTSIDE:
        case _RECORD_LINK_PLACE_MAX:
                break;
        }
        return link->made ? "made" : "waiting";
}
