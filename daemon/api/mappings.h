/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which of the id mappings that a request asks for need a right of their own, because they name ids of others. */

#include "api/request.h"

/* The polkit details, pairs of key and value: "target" and "mapping" (crun's inline form), with a word for each mount;
 * NULL when the mappings are the caller's own, as /etc/subuid and /etc/subgid say, or the configuration allows no others
 * anyway: then an executor refuses them. User namespaces are the executor's to judge. What cannot be understood is
 * refused here, with the failure that compiling it comes to: nobody was asked about it. A negative errno. */
int mappings_read(const struct request *request, char ***ret_details, struct failure *f);
