/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Holders(), and holders in the answer of what was busy. */

#include "api/request.h"

/* Entries of the method table. */
int prepare_holders(struct request *request, struct failure *f);
/* The rows of the only work. */
int encode_holders(struct request *request, sd_bus_message *m);

/* The work was executed and found something busy: looks for who holds it, and calls `done` when that is known and in the work's failure.
 * False where there is nothing to look for. */
bool holders_explain(struct work *work, void (*done)(struct work *work));
/* The holders of a work that was explained, as an entry "Holders" of a dictionary. */
int holders_append(sd_bus_message *m, const struct work *work);
