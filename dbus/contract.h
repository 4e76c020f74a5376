/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The interface files of this folder as they were at build time. */

#include <stddef.h>

/* One <interface> element of the contract, generated. Ended by an empty row. */
struct contract_xml {
        const char *name, *text;
};
extern const struct contract_xml contract_xml[];
