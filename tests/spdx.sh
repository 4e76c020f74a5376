#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every file that can carry it names its licence in its first five lines.
. "${srcdir:-.}/tests/lib.sh"

# By the ends of their names, and programs by their first line. What has no place for a comment (JSON) is left out.
files() {
	sources daemon client dbus systemd policy tests docs scripts examples m4 .ci -- \
		\( -name '*.[ch]' -o -name '*.sh' -o -name '*.py' -o -name '*.am' -o -name 'podmount-*.m4' -o -name '*.in' \
		-o -name '*.conf' -o -name '*.xml' -o -name '*.policy' -o -name '*.rules' -o -name '*.varlink' -o -name '*.[1-8]' \)
	sources scripts .ci tests client -- ! -name '*.*' | while read -r file; do
		case $(head -c 2 "$file" | tr -d '\0') in '#!') echo "$file" ;; esac
	done
	ls configure.ac Makefile.am autogen.sh
}

unlicensed() {
	files | while read -r file; do
		head -n 5 "$file" | grep -q 'SPDX-License-Identifier: LGPL-2.1-or-later' || echo "$file"
	done
}

verdict "every file names its licence" unlicensed

finish
