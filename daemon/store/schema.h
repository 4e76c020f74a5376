/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The tables of state.db, version by version. The head of schema.c describes them. */

#include <sqlite3.h>

#include "util/cleanup.h"

enum {
        SCHEMA_APPLICATION_ID = 0x706d6e74, /* "pmnt" */
        SCHEMA_VERSION = 14,
};

enum schema_outcome {
        SCHEMA_OURS = 0,    /* of this version or an older one, or empty */
        SCHEMA_NEWER = 1,
        SCHEMA_FOREIGN = 2, /* a database, but not of podmount */
};

/* Looks, changes nothing. `ret_version` is the file's, 0 for an empty one; written for SCHEMA_OURS and SCHEMA_NEWER.
 * An enum schema_outcome, or minus an SQLite result code. */
int schema_look(sqlite3 *db, int *ret_version);

/* Brings the file from a version to SCHEMA_VERSION, each step a transaction of its own. An SQLite result code. */
int schema_migrate(sqlite3 *db, int version);

/* The first column of the first row that a statement without parameters gives. An SQLite result code. */
int schema_get_int(sqlite3 *db, const char *sql, int *ret);
