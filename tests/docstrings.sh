#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every function that a header declares has a comment: before it, before the first of a group without a blank line
# between, or behind it on the same line. Destructors (_free, _done, _unref) all keep the rule of util/cleanup.h, and
# those for the cleanup attribute (…p) call them.
. "${srcdir:-.}/tests/lib.sh"

# shellcheck disable=SC2046 # file names of ours
undescribed() {
	$AWK '
	FNR == 1 { described = 0; comment = 0; body = 0; open = 0 }
	comment { if ($0 ~ /\*\//) { comment = 0; described = 1 } next }
	body { if ($0 ~ /^}/) body = 0; next }
	open { if ($0 ~ /[;{][ \t]*$/) open = 0; if ($0 ~ /\{[ \t]*$/) body = 1; next }
	/^[ \t]*$/ { described = 0; next }
	/^[ \t]*\/\*/ { if ($0 ~ /\*\//) described = 1; else comment = 1; next }
	/^#/ { continued = /\\$/; next }
	continued { continued = /\\$/; next }
	/^(struct|enum|union|typedef)[^(]*\{[ \t]*$/ || /= *\{[ \t]*$/ { body = 1; next }
	/^[a-z_][A-Za-z0-9_ \t*]*[ \t*][a-z_][a-z0-9_]*\(/ && !/^typedef/ {
		name = $0
		sub(/\(.*/, "", name)
		sub(/.*[ \t*]/, "", name)
		if (!described && $0 !~ /\/\*.*\*\/[ \t]*$/ && name !~ /_(free|done|unref)$/ &&
		    !($0 ~ /^static inline/ && name ~ /p$/))
			print FILENAME ":" FNR ": " name "()"
		if ($0 ~ /\{[ \t]*$/)
			body = 1
		else if ($0 !~ /;/)
			open = 1
	}
' $(sources daemon client dbus -- -name '*.h') /dev/null
}

verdict "every function in a header has a comment" undescribed

finish
