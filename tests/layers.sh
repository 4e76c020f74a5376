#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# daemon/ is a stack of floors: a file includes its own floor and lower ones, by folder-qualified names. client/ uses
# daemon/util and the contract in dbus/ alone; only `podmountctl check` and `options` know the code that compiles specs,
# which is pure.
. "${srcdir:-.}/tests/lib.sh"

floors='util 1 kernel 2 table 3 spec 3 plan 4 store 4 image 4 content 4 executor 5 admit 6 layer 6 pod 6 api 7 . 8'

# The quoted includes of all files: file, line, included.
# shellcheck disable=SC2046 # file names of ours
includes=$($AWK '/^[ \t]*#[ \t]*include[ \t]*"/ {
		name = $0
		sub(/^[^"]*"/, "", name)
		sub(/".*$/, "", name)
		print FILENAME, FNR, name
	}' $(sources daemon client dbus -- -name '*.[ch]') /dev/null)
[ -n "$includes" ] || exit 99

going_up() {
	echo "$includes" | $AWK -v floors="$floors" '
	BEGIN {
		n = split(floors, word, " ")
		for (i = 1; i < n; i += 2)
			floor[word[i]] = word[i + 1]
	}
	$1 ~ /^daemon\// {
		n = split($1, part, "/")
		own = n > 2 ? part[2] : "."
		if (!(own in floor)) {
			print $1 ": the folder is on no floor; give it one in tests/layers.sh"
			next
		}
		n = split($3, part, "/")
		other = n > 1 ? part[1] : "."
		if (other == "dbus")
			next
		if (!(other in floor))
			print $1 ":" $2 ": \"" $3 "\" is on no floor"
		else if (other != own && floor[other] >= floor[own] && !(own == "pod" && (other == "admit" || other == "layer")) && !(own == "layer" && other == "admit"))
			print $1 ":" $2 ": \"" $3 "\" is not below floor " floor[own]
	}'
}

unqualified() {
	echo "$includes" | $AWK '
	$1 ~ /^daemon\/[^\/]*$/ { next } # the top floor includes its own files beside it
	{
		n = split($3, part, "/")
		if (n < 2 || part[1] == "." || part[1] == "..")
			print $1 ":" $2 ": \"" $3 "\" is not folder-qualified"
	}'
}

beyond_contract() {
	echo "$includes" | $AWK '
	($1 == "client/verb-check.c" || $1 == "client/verb-options.c") && $3 ~ /^spec\// { next }
	$1 ~ /^client\// && $3 !~ /^(client|util|dbus)\// { print $1 ":" $2 ": \"" $3 "\"" }
	$1 ~ /^dbus\// { print $1 ":" $2 ": \"" $3 "\": the contract includes nothing of ours" }
'
}

verdict "the daemon's includes never go up" going_up
verdict "includes are folder-qualified" unqualified
verdict "the client includes itself, util and the contract alone" beyond_contract

finish
