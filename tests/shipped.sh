#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every test in Python is named where make dist takes it from, and every file that is named there is there.
. "${srcdir:-.}/tests/lib.sh"

lists=$(sources . -- -name '*.am' ! -path './build*')

forgotten() {
	sources tests examples -- -name '*.py' | while read -r file; do
		# shellcheck disable=SC2086 # several files
		grep -qE "(^|[[:space:]])$file([[:space:]]|\$)" $lists || echo "$file"
	done
}

missing() {
	# shellcheck disable=SC2086
	grep -ohE '(^|[[:space:]])(tests|examples)/[^[:space:]]+\.py' $lists | tr -d '[:blank:]' | while read -r file; do
		[ -e "$file" ] || echo "$file"
	done
}

verdict "every test is shipped" forgotten
verdict "what is shipped is there" missing

finish
