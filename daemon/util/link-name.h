/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Names of network interfaces ("links") and of the kinds that rtnetlink(7) makes them of: pure, and narrower than the kernel. */

#include <stdbool.h>

#include "util/cleanup.h"
#include "util/prefixes.h"

enum { LINK_NAME_SIZE = 16 /* IFNAMSIZ, with the NUL */ };

/* 1 to 15 printable ASCII characters; no "/", no ":", no white space, no "%" (a pattern to the kernel), no quotation mark or
 * backslash; not ".", ".." or "lo"; none of the names that the kernel keeps for "all" and "default". */
bool link_name_is_valid(const char *name);

/* What IFLA_INFO_KIND takes: 1 to 15 lower-case letters, digits, dashes and underscores, a letter first. */
bool link_kind_is_valid(const char *kind);

/* Appends names with blanks between them to a list of such. -EINVAL for one that is none, -E2BIG. */
int link_names_add(char list[PREFIXES_SIZE], const char *text);
