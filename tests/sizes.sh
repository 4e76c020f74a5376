#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# No file over 600 lines, no function over 80 (tables are data, not functions).
. "${srcdir:-.}/tests/lib.sh"

# shellcheck disable=SC2046 # file names of ours
files=$(sources daemon client dbus tests scripts -- \( -name '*.[ch]' -o -name '*.sh' -o -name '*.py' \))

[ -n "$files" ] || exit 99

long_files() {
	for file in $files; do
		lines=$(wc -l <"$file")
		[ "$lines" -le 600 ] || echo "$file: $lines lines"
	done
}

# A function begins in the first column, ends with a brace there, and has a parameter list before its body. The lines of
# a declaration that is spread over several count.
# shellcheck disable=SC2046 # file names of ours
long_functions() {
	$AWK '
	FNR == 1 { inside = 0; head = "" }
	inside {
		if ($0 ~ /^}/) {
			lines = FNR - first + 1
			if (lines > 80)
				print FILENAME ":" first ": " lines " lines: " head
			inside = 0
			head = ""
		}
		next
	}
	/^[A-Za-z_]/ && head == "" { first = FNR }
	/^[A-Za-z_]/ || (head != "" && /^[ \t]/) { head = head $0 }
	/\{$/ && head != "" {
		if (head ~ /\(/ && head !~ /=/ && head !~ /^(struct|enum|union)[^(]*\{/)
			inside = 1
		else
			head = ""
		next
	}
	/;[ \t]*$/ || /^[ \t]*$/ || /^[#}\/]/ { head = "" }
' $(for file in $files; do case $file in *.[ch]) echo "$file" ;; esac; done) /dev/null
}

verdict "no file is over 600 lines" long_files
verdict "no function is over 80 lines" long_functions

finish
