/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What directories that a redirect has moved bring to a layer. */

#include "content/changes.h"

/* `changes` is of a layer beside what it stands on. Whether one of them brings a file with several names from below: *ret. The others may be anywhere there, so that only whoever looks at all of
 * both trees tells them as one. Reads the layer's directories, and more of it if one was moved. Fails as changes_walk() does. */
int moved_links(const struct changes *changes, bool *ret, struct failure *f);
