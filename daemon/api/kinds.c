/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The arguments are parsed once more for this: rarely, since most documents do not even contain such a type's name. */

#include "api/kinds.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "api/verb.h"
#include "spec/wanted.h"
#include "util/array.h"

void kinds_done(struct kinds *kinds) {
        strv_free(kinds->images);
        strv_free(kinds->devices);
        strv_free(kinds->host);
        strv_free(kinds->pins);
        strv_free(kinds->links);
        strv_free(kinds->cgroups);
        *kinds = (struct kinds) {};
}

/* Whether the operation will find a block device there, by the rules of wanted_is_device_path() and
 * source_mark_devices(). */
static bool is_device(const struct request *request, const char *source) {
        const struct arguments *arguments = &request->arguments;
        struct stat st;

        if (strncmp(source, "fd:", strlen("fd:")) != 0)
                return wanted_is_device_path(source);
        for (size_t i = 0; i < arguments->n_fds; i++)
                if (strcmp(arguments->fd_names[i], source + strlen("fd:")) == 0)
                        return fstat(arguments->fds[i], &st) == 0 && S_ISBLK(st.st_mode);
        return false;
}

/* A word more for the key; polkit takes each key once. */
static int add(char ***details, const char *key, const char *value) {
        char *joined;
        int r;

        for (char **at = *details; at && *at; at += 2) {
                if (strcmp(at[0], key) != 0)
                        continue;
                if (asprintf(&joined, "%s %s", at[1], value) < 0)
                        return -ENOMEM;
                free(at[1]);
                at[1] = joined;
                return 0;
        }
        r = strv_append(details, key);
        return r < 0 ? r : strv_append(details, value);
}

static int judge(const struct request *request, const struct spec_mount *mounts, size_t n, struct kinds *kinds) {
        int r = 0;

        for (size_t i = 0; i < n && r >= 0; i++) {
                char ***details;

                if (!mounts[i].source || !wanted_is_image(&mounts[i]))
                        continue;
                details = is_device(request, mounts[i].source) ? &kinds->devices : &kinds->images;
                r = add(details, "source", mounts[i].source);
                if (r >= 0)
                        r = add(details, "type", mounts[i].type);
                if (r >= 0)
                        r = add(details, "target", mounts[i].destination);
        }
        return r;
}

/* Their targets have no blanks, so that each is one word. What is no bind has a free text for its source. */
static int judge_host(const struct spec_mount *mounts, size_t n, struct kinds *kinds) {
        int r = 0;

        for (size_t i = 0; i < n && r >= 0; i++) {
                bool pin = mounts[i].type && strcmp(mounts[i].type, SPEC_PIN_TYPE) == 0 && spec_pin_kind(mounts[i].source);
                bool bind = wanted_is_bind(&mounts[i]) || !mounts[i].type;
                const char *type = bind ? "bind" : mounts[i].type;
                char ***details = pin ? &kinds->pins : &kinds->host;

                r = add(details, "source", (bind || pin) && mounts[i].source ? mounts[i].source : type);
                if (r >= 0)
                        r = add(details, "type", type);
                if (r >= 0)
                        r = add(details, "target", mounts[i].destination);
        }
        return r;
}

/* Names and kinds have no blanks. */
static int judge_links(const struct spec_container *container, struct kinds *kinds) {
        int r = 0;

        for (size_t i = 0; i < container->n_links && r >= 0; i++) {
                r = add(&kinds->links, "interface", container->links[i].name);
                if (r >= 0)
                        r = add(&kinds->links, "kind", container->links[i].kind ?: "none");
        }
        return r;
}

static bool may_need_more(const char *text) {
        return strstr(text, "erofs") || strstr(text, "squashfs") || strstr(text, "ext4") || strstr(text, "hostMounts") ||
               strstr(text, "bindNS") || strstr(text, "interfaces") || strstr(text, "cgroups");
}

static int judge_spec(const struct request *request, struct kinds *kinds) {
        _cleanup_(spec_freep) struct spec *spec = NULL;
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        int r = request_parse_spec(request, &spec, &f);

        if (r == 0)
                r = judge(request, spec->volumes, spec->n_volumes, kinds);
        if (r == 0)
                r = judge_host(spec->host, spec->n_host, kinds);
        for (char **name = spec ? spec->cgroups : NULL; r == 0 && name && *name; name++)
                r = add(&kinds->cgroups, "cgroups", *name);
        for (size_t i = 0; r == 0 && i < spec->n_containers; i++)
                r = judge(request, spec->containers[i].mounts, spec->containers[i].n_mounts, kinds) ?: judge_links(&spec->containers[i], kinds);
        return r < 0 ? r : 0;
}

static int judge_mounts(const struct request *request, const char *text, struct kinds *kinds) {
        bool replaces = strcmp(request->method->member, "Replace") == 0;
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct spec_mount *mounts = NULL;
        size_t n = 0;
        int r = replaces ? request_replacement(request, &mounts, &n, &f)
                         : spec_parse_mounts(text, strlen(text), request->api->settings->spec_size_max, &mounts, &n, &f);

        if (r == 0)
                r = judge(request, mounts, n, kinds);
        spec_mounts_free(mounts, n);
        return r < 0 ? r : 0;
}

int kinds_read(const struct request *request, struct kinds *ret) {
        const char *text = request->arguments.text;

        /* JSON can write any letter as an escape. */
        if (!text || (!may_need_more(text) && !strchr(text, '\\')))
                return 0;
        return strcmp(request->method->member, "Mount") == 0 || strcmp(request->method->member, "Replace") == 0
                       ? judge_mounts(request, text, ret)
                       : judge_spec(request, ret);
}
