# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# What the house tests share: each reads the sources and says TAP. Run by make check, or by hand from the top.

cd "${srcdir:-.}" || exit 99
AWK=${AWK:-awk}
n_tests=0
n_failed=0

# The project's own files below the given folders, in a fixed order; nothing that a build leaves behind.
sources() { # FOLDER... -- FIND-EXPRESSION...
	folders=
	while [ "$1" != -- ]; do
		[ ! -e "$1" ] || folders="$folders $1"
		shift
	done
	shift
	# shellcheck disable=SC2086 # folders of ours, without a space in their names
	find $folders -type f "$@" -print | LC_ALL=C sort
}

# One test: what the command found wrong, a line each. Nothing found is a pass; a command that fails is none.
verdict() { # DESCRIPTION COMMAND...
	description=$1
	shift
	n_tests=$((n_tests + 1))
	if findings=$("$@") && [ -z "$findings" ]; then
		echo "ok $n_tests - $description"
		return
	fi
	n_failed=$((n_failed + 1))
	echo "not ok $n_tests - $description"
	echo "${findings:-the check itself failed}" | sed 's/^/#   /'
}

finish() {
	echo "1..$n_tests"
	[ "$n_failed" -eq 0 ] || exit 1
	exit 0
}
