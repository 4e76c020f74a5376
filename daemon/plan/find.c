/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where a program may be, in the order of looking, as execvp(3) has it but for entries that are not absolute: which
 * directory they mean is the caller's to say. */

#include <limits.h>
#include <string.h>

#include "plan/make.h"
#include "util/array.h"
#include "util/log.h"
#include "util/path.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static int add(char ***candidates, const char *directory, const char *name, struct failure *f) {
        _cleanup_free_ char *path = *name == '/' ? strdup(name) : path_join(directory, name);

        if (!path)
                return log_oom();
        if (strlen(path) >= PATH_MAX)
                return failure_set(f, FAILURE_INVALID_ARGS, "%.64s… in %.64s… is longer than a path can be.", name, directory);
        return strv_append(candidates, path) < 0 ? log_oom() : 0;
}

static int add_all(char ***candidates, const char *path, const char *name, struct failure *f) {
        size_t n = 0;

        for (const char *at = *path ? path : DEFAULT_PATH; *at;) {
                size_t size = strcspn(at, ":");
                _cleanup_free_ char *directory = strndup(at, size);
                int r;

                if (!directory)
                        return log_oom();
                at += size + (at[size] == ':');
                if (*directory != '/')
                        continue;
                if (++n > JOB_CANDIDATES_MAX)
                        return failure_set(f, FAILURE_INVALID_ARGS, "The path has more than %d directories.", JOB_CANDIDATES_MAX);
                r = add(candidates, directory, name, f);
                if (r != 0)
                        return r;
        }
        return n > 0 ? 0 : failure_set(f, FAILURE_INVALID_ARGS, "No directory of the path \"%.256s\" is absolute.", path);
}

int plan_find(const struct plan_pod *pod, const char *container, const char *name, const char *path, const char *cwd,
        struct job **ret, struct failure *f) {
        _cleanup_(job_freep) struct job *job = NULL;
        struct step *step;
        int r;

        if (!*name)
                return failure_set(f, FAILURE_INVALID_ARGS, "The program has no name.");
        if (*cwd && *cwd != '/')
                return failure_set(f, FAILURE_INVALID_ARGS, "The working directory \"%.256s\" is not absolute.", cwd);
        r = make_job(pod, &job);
        if (r < 0)
                return r;
        step = job_add(job, STEP_FIND);
        if (!step)
                return log_oom();
        step->container = strdup(container);
        if (!step->container)
                return log_oom();
        r = strchr(name, '/') ? add(&step->stubs, *cwd ? cwd : "/", name, f) : add_all(&step->stubs, path, name, f);
        if (r == 0)
                *ret = TAKE_PTR(job);
        return r;
}
