/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whose mount table shows a pod: the host's, or that of a namespace which is the pod's alone. */

#include <errno.h>
#include <string.h>

#include "spec/document.h"
#include "spec/reader.h"

int spec_visibility_from_name(const char *name) {
        if (strcmp(name, "host") == 0)
                return SPEC_VISIBILITY_HOST;
        return strcmp(name, "private") == 0 ? SPEC_VISIBILITY_PRIVATE : -EINVAL;
}

int document_parse_visibility(struct json_object *document, struct spec *spec, struct failure *f) {
        _cleanup_free_ char *word = NULL;
        int r = reader_get_string(document, "", "visibility", &word, f);

        if (r != 0 || !word)
                return r;
        r = spec_visibility_from_name(word);
        if (r < 0)
                return reader_fail(f, FAILURE_INVALID_SPEC, "/visibility", "\"%.80s\" is neither \"host\" nor \"private\"", word);
        spec->visibility = (enum spec_visibility) r;
        return 0;
}
