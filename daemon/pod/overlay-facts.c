/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "pod/overlay-facts.h"

#include <errno.h>
#include <string.h>

#include "spec/spec.h"
#include "util/log.h"

/* What the container was made by: the pod's document or, for one that was added, its own. */
static const char *document_of(const struct record_pod *record, const char *container) {
        for (size_t i = 0; i < record->n_mounts; i++)
                if (record->mounts[i].container[0] == '\0' && record->mounts[i].request && strcmp(record->mounts[i].target, container) == 0)
                        return record->mounts[i].request;
        return record->spec;
}

int overlay_facts(const struct record_pod *record, const char *container, struct wanted_facts *facts) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(spec_freep) struct spec *spec = NULL;
        const char *text = document_of(record, container);
        int r;

        facts->overlay = SPEC_OVERLAY_NONE;
        facts->overlay_size = 0;
        if (!text || !strstr(text, "\"overlay\":")) /* no root says so, as in most: there is nothing to read */
                return 0;
        r = spec_parse(text, strlen(text), UINT64_MAX, UINT64_MAX, &spec, &f);
        if (r == -ENOMEM)
                return log_oom();
        if (r != 0) { /* of a version before this one, which did not apply what is wrong with it */
                (void) log_errno(LOG_WARNING, r < 0 ? r : -EBADMSG, "read what container %s was made by: %s", container, f.text ?: "");
                return 0;
        }
        for (size_t i = 0; i < spec->n_containers; i++)
                if (spec->n_containers == 1 || strcmp(spec->containers[i].name, container) == 0) {
                        facts->overlay = spec->containers[i].overlay;
                        facts->overlay_size = spec->containers[i].overlay_size;
                }
        return 0;
}
