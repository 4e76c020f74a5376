/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A link is made where nobody sees it, in a network namespace that goes with this process, and comes to the host with its name
 * and its mark, so that there is no moment at which a crash would leave one that nobody knows. One that is made in the namespace of a
 * process has a name of its own until it has its mark. */

#include "executor/link.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "executor/link-pin.h"
#include "executor/pin.h"
#include "kernel/link.h"
#include "util/log.h"
#include "util/text.h"

/* One link of the job, and where it may be. */
struct where {
        const struct step *step;
        char *mark;
        struct link_space *host, *inside; /* NULL: no namespace is kept for the container */
        int host_fd, inside_fd;
};

static void where_done(struct where *where) {
        free(where->mark);
        link_space_close(where->host);
        link_space_close(where->inside);
        (void) close_fd(where->host_fd);
        (void) close_fd(where->inside_fd);
}
#define _cleanup_where_ _cleanup_(where_done)
#define WHERE_INIT ((struct where){.host_fd = -1, .inside_fd = -1})

static char *make_mark(const struct run *run, const char *container, const char *name) {
        return text_format("podmount:%s:%s:%s", run->job->uuid, container, name);
}

static bool is_lent(const struct step *step) {
        return step->type[0] == 0;
}

static const char *peer_of(const struct step *step) {
        return step->stubs ? step->stubs[0] : NULL;
}

static int begin(struct run *run, size_t i, struct where *where) {
        int r = 0;

        where->step = &run->job->steps[i];
        where->mark = make_mark(run, where->step->container, where->step->target);
        if (!where->mark)
                return log_oom();
        where->host_fd = link_space_own();
        if (where->host_fd < 0)
                r = where->host_fd;
        if (r == 0)
                r = link_space_open(-1, &where->host);
        return r < 0 ? log_errno(LOG_ERR, r, "open a socket for network interfaces") : 0;
}

/* The namespace of the process, which is kept from now on. */
static int begin_process(struct run *run, size_t i, struct where *where) {
        int r = begin(run, i, where);

        if (r == 0)
                r = pin_open_namespace(run, where->step, "net", &where->inside_fd);
        if (r == 0)
                r = pin_check(run, where->step->target, where->inside_fd);
        if (r == 0)
                r = link_pin_make(run, where->step->container, where->inside_fd, &run->hands[i].pinned);
        if (r != 0)
                return r;
        r = link_space_open(where->inside_fd, &where->inside);
        return r < 0 ? run_fail(run, FAILURE_ACCESS_DENIED, -r, "the network namespace for %s cannot be entered", where->step->target) : 0;
}

/* That which is kept, if there is one. */
static int begin_kept(struct run *run, size_t i, struct where *where) {
        int r = begin(run, i, where);

        if (r == 0)
                r = link_pin_open(run, where->step->container, &where->inside_fd);
        if (r == 0 && where->inside_fd >= 0)
                r = link_space_open(where->inside_fd, &where->inside);
        return r < 0 ? log_errno(LOG_ERR, r, "enter the network namespace of container %s", where->step->container) : r;
}

/* `name` is the step's, or of the other end. */
static int fail(struct run *run, const struct step *step, const char *name, int r, const char *what) {
        switch (-r) {
        case ENOMEM:
                return log_oom();
        case EEXIST:
                return run_fail(run, FAILURE_TARGET_IN_USE, -r,
                        "network interface %s cannot be %s: there is one of this name already; choose another name", name, what);
        case EOPNOTSUPP:
                return run_fail(run, FAILURE_NOT_SUPPORTED, -r,
                        "network interface %s cannot be %s: this kernel has no kind \"%s\"", name, what, step->type);
        default:
                return run_fail(run, FAILURE_MOUNT_FAILED, -r, "network interface %s cannot be %s", name, what);
        }
}

/* Marks what is in the space by its name, and moves it to the host. */
static int bring(struct run *run, const struct where *where, struct link_space *space, const char *name) {
        _cleanup_free_ char *mark = make_mark(run, where->step->container, name);
        struct link_info info;
        int r = mark ? link_find(space, name, &info) : -ENOMEM;

        if (r == 0)
                r = link_mark(space, info.index, mark);
        return r == 0 ? link_move(space, info.index, where->host_fd, name, 0) : r;
}

/* The other end comes first: without the one that has the step's name both go with the namespace. */
static int make_on_host(struct run *run, size_t i, const struct where *where) {
        const struct step *step = where->step;
        _cleanup_close_ int nursery = link_space_new();
        _cleanup_(link_space_closep) struct link_space *space = NULL;
        int r = nursery < 0 ? nursery : link_space_open(nursery, &space);

        if (r < 0)
                return log_errno(LOG_ERR, r, "make a network namespace");
        r = link_make(where->host, step->target, step->type, peer_of(step), nursery);
        if (r < 0)
                return fail(run, step, step->target, r, "made");
        run->hands[i].linked = true;
        r = peer_of(step) ? bring(run, where, space, peer_of(step)) : 0;
        if (r < 0)
                return fail(run, step, peer_of(step), r, "brought to the host");
        r = bring(run, where, space, step->target);
        return r < 0 ? fail(run, step, step->target, r, "brought to the host") : 0;
}

/* A name that is nobody's, of the mark. */
static void passing_name(const char *mark, char ret[LINK_NAME_SIZE]) {
        uint64_t hash = UINT64_C(14695981039346656037);

        for (; *mark; mark++) /* FNV-1a */
                hash = (hash ^ (uint8_t) *mark) * UINT64_C(1099511628211);
        (void) snprintf(ret, LINK_NAME_SIZE, "pm%012" PRIx64, hash & UINT64_C(0xffffffffffff)); /* 14 characters */
}

static int make_inside(struct run *run, size_t i, const struct where *where) {
        const struct step *step = where->step;
        char passing[LINK_NAME_SIZE];
        struct link_info info;
        int r;

        passing_name(where->mark, passing);
        run->hands[i].linked = true;
        r = link_make(where->inside, passing, step->type, NULL, -1);
        if (r == 0)
                r = link_find(where->inside, passing, &info);
        if (r == 0)
                r = link_mark(where->inside, info.index, where->mark);
        if (r == 0)
                r = link_rename(where->inside, info.index, step->target);
        return r < 0 ? fail(run, step, step->target, r, "made") : 0;
}

static int note(struct run *run, size_t i, const struct where *where, struct link_space *space) {
        struct link_info info;
        int r = link_find_marked(space, where->mark, &info);

        if (r < 0)
                return fail(run, where->step, where->step->target, r, "found again");
        run->result->steps[i].attributes = info.index;
        return 0;
}

/* Nothing but what the record says it is, or, of the host's own, what has the name. */
static int find_on_host(struct run *run, const struct where *where, struct link_info *ret) {
        const struct step *step = where->step;
        int r = is_lent(step) ? link_find(where->host, step->target, ret) : link_find_marked(where->host, where->mark, ret);

        if (r == -ENODEV)
                return run_fail(run, FAILURE_NO_SUCH_SOURCE, 0, is_lent(step) ? "the host has no network interface %s" : "network interface %s, which was made for the pod, is gone",
                        step->target);
        if (r < 0)
                return fail(run, step, step->target, r, "found");
        if (is_lent(step) || (strcmp(ret->name, step->target) == 0 && (step->mount_id == 0 || step->mount_id == ret->index)))
                return 0;
        return run_fail(run, FAILURE_NO_SUCH_SOURCE, 0, "network interface %s is another one than the pod's by now", step->target);
}

static int move_inside(struct run *run, size_t i, const struct where *where) {
        const struct step *step = where->step;
        struct link_info info;
        int r = find_on_host(run, where, &info);

        if (r != 0)
                return r;
        r = is_lent(step) ? link_mark(where->host, info.index, where->mark) : 0;
        if (r < 0)
                return fail(run, step, step->target, r, "marked");
        run->hands[i].linked = true;
        r = link_move(where->host, info.index, where->inside_fd, step->target, 0);
        return r < 0 ? fail(run, step, step->target, r, "moved") : 0;
}

int hand_link(struct run *run, size_t i) {
        const bool inside = run->job->steps[i].source.kind == STEP_SOURCE_FD;
        _cleanup_where_ struct where where = WHERE_INIT;
        int r = inside ? begin_process(run, i, &where) : begin(run, i, &where);

        if (r != 0)
                return r;
        if (where.step->flags & STEP_LINK_MOVE)
                r = move_inside(run, i, &where);
        else
                r = inside ? make_inside(run, i, &where) : make_on_host(run, i, &where);
        return r == 0 ? note(run, i, &where, inside ? where.inside : where.host) : r;
}

/* Whether it is the one that is meant; in the namespace of a container it may have got another name. */
static bool is_meant(struct run *run, const struct where *where, const struct link_info *info, bool inside) {
        const struct step *step = where->step;

        if ((step->mount_id == 0 || step->mount_id == info->index) && (inside || strcmp(info->name, step->target) == 0))
                return true;
        (void) run_warn(run, "network interface %s has the mark of container %s's %s and is another one, or has another name; it stays", info->name,
                step->container, step->target);
        return false;
}

/* Gives one of the host's its name back, and takes the mark off. */
static int give_back(const struct where *where) {
        struct link_info info;
        int r = link_find_marked(where->host, where->mark, &info);

        if (r == 0 && strcmp(info.name, where->step->target) != 0)
                r = link_rename(where->host, info.index, where->step->target);
        if (r == 0 && is_lent(where->step))
                r = link_unmark(where->host, info.index, where->mark);
        return r;
}

/* Also of one that is back already, since its namespace ended or somebody was interrupted. */
static int move_back(struct run *run, const struct where *where) {
        const struct step *step = where->step;
        struct link_info info;
        int r = where->inside ? link_find_marked(where->inside, where->mark, &info) : -ENODEV;

        if (r == 0 && step->id != 0 && info.index != step->id) { /* whoever is root there gave the mark to something of his own */
                r = run_warn(run, "network interface %s has the mark of container %s's %s and is another one; it stays", info.name, step->container,
                        step->target) ?: -ENODEV;
        }
        if (r == 0)
                r = link_move(where->inside, info.index, where->host_fd, step->target, step->mount_id);
        if (r == 0 || r == -ENODEV)
                r = give_back(where);
        if (r == -ENODEV && is_lent(step) && link_find(where->host, step->target, &info) == 0)
                return 0; /* nothing was done to it yet, or all is undone */
        if (r == -ENODEV) {
                (void) run_warn(run, "network interface %s, which container %s had, is gone", step->target, step->container);
                return 0;
        }
        return r < 0 ? fail(run, step, step->target, r, "moved back to the host") : 0;
}

/* 1: there is one with the mark that stays. */
static int remove_at(struct run *run, const struct where *where, struct link_space *space, const char *name, bool inside) {
        _cleanup_free_ char *mark = make_mark(run, where->step->container, name);
        const bool peer = name != where->step->target;
        struct link_info info;
        int r = mark ? link_find_marked(space, mark, &info) : -ENOMEM;

        if (r == 0 && (peer ? strcmp(info.name, name) != 0 : !is_meant(run, where, &info, inside)))
                return 1; /* somebody has made it something of his own */
        if (r == 0)
                r = link_delete(space, info.index);
        return r == -ENODEV ? 0 : r;
}

/* One that has no mark yet. */
static int remove_passing(const struct where *where) {
        char passing[LINK_NAME_SIZE];
        struct link_info info;
        int r;

        passing_name(where->mark, passing);
        r = link_find(where->inside, passing, &info);
        if (r == 0)
                r = link_delete(where->inside, info.index);
        return r == -ENODEV ? 0 : r;
}

static int remove_link(struct run *run, const struct where *where) {
        const struct step *step = where->step;
        int r = where->inside ? remove_passing(where) : 0;

        if (r == 0 && where->inside)
                r = remove_at(run, where, where->inside, step->target, true);
        if (r >= 0) /* what stays in the container is no reason to leave what is on the host */
                r = remove_at(run, where, where->host, step->target, false);
        if (r == 0 && peer_of(step)) /* without the other end, which takes it along */
                r = remove_at(run, where, where->host, peer_of(step), false);
        return r < 0 ? fail(run, step, step->target, r, "removed") : 0;
}

/* Whether no step behind this one needs the container's namespace. */
static bool is_last(const struct job *job, size_t i) {
        for (size_t j = i + 1; j < job->n_steps; j++)
                if (job->steps[j].kind == STEP_UNLINK && strcmp(job->steps[j].container, job->steps[i].container) == 0)
                        return false;
        return true;
}

int hand_unlink(struct run *run, size_t i) {
        _cleanup_where_ struct where where = WHERE_INIT;
        int r = begin_kept(run, i, &where);

        if (r == 0)
                r = where.step->flags & STEP_LINK_MOVE ? move_back(run, &where) : remove_link(run, &where);
        if (r == 0 && is_last(run->job, i))
                link_pin_drop(run, where.step->container);
        return r;
}

void link_undo(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        struct hand *hand = &run->hands[i];

        if (step->kind == STEP_LINK && hand->linked) {
                _cleanup_where_ struct where where = WHERE_INIT;
                _cleanup_free_ char *text = TAKE_PTR(run->failure.text);
                const enum failure_kind kind = run->failure.kind;
                const int error = run->error;
                int r = begin_kept(run, i, &where);

                if (r == 0)
                        r = step->flags & STEP_LINK_MOVE ? move_back(run, &where) : remove_link(run, &where);
                if (r != 0) {
                        run->link_stays = true;
                        log_warning("Network interface %s of pod %s stays where it is: %s", step->target, run->job->uuid, run->failure.text ?: "");
                }
                failure_clear(&run->failure);
                run->failure.kind = kind; /* what is told is what went wrong first */
                run->failure.text = TAKE_PTR(text);
                run->error = error;
        }
        hand->linked = false;
        if (hand->pinned && !run->link_stays) /* that step came first, and is undone last */
                link_pin_drop(run, step->container);
        hand->pinned = false;
}
