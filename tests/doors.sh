#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The mount-family system calls have one door: daemon/kernel/. So do raw system calls of that
# family and libmount. podmountctl enter, which is root's and no daemon's, enters a namespace by itself, and mounts nothing. The headers with the mount flags' names are everybody's.
. "${srcdir:-.}/tests/lib.sh"

calls='open_tree open_tree_attr move_mount fsopen fsconfig fspick fsmount mount_setattr mount umount umount2 statmount
listmount pivot_root setns fanotify_init fanotify_mark'

# shellcheck disable=SC2046 # file names of ours
calls_elsewhere() {
	$AWK -v calls="$calls" '
	BEGIN {
		n = split(calls, word, /[ \n]+/)
		for (i = 1; i <= n; i++)
			door[word[i]] = 1
	}
	FNR == 1 { comment = 0 }
	{
		line = $0
		# Strings first (a name in a message is no call), then comments.
		gsub(/\\./, "", line)
		gsub(/"[^"]*"/, "\"\"", line)
		code = ""
		while (line != "") {
			if (comment) {
				end = index(line, "*/")
				if (!end)
					break
				line = substr(line, end + 2)
				comment = 0
			}
			start = index(line, "/*")
			if (!start) {
				code = code line
				break
			}
			code = code substr(line, 1, start - 1) " "
			line = substr(line, start + 2)
			comment = 1
		}
		sub(/\/\/.*/, "", code)
		rest = code
		while (match(rest, /[A-Za-z_][A-Za-z0-9_]*[ \t]*\(/)) {
			name = substr(rest, RSTART, RLENGTH - 1)
			before = RSTART > 1 ? substr(rest, RSTART - 1, 1) : ""
			sub(/[ \t]+$/, "", name)
			if (name == "setns" && FILENAME ~ /client\/verb-enter\.c$/)
				name = ""
			if ((name in door) && before != "." && before != ">")
				print FILENAME ":" FNR ": " name "()"
			rest = substr(rest, RSTART + RLENGTH)
		}
		if (match(code, /(SYS|__NR)_[a-z0-9_]+/)) {
			name = substr(code, RSTART, RLENGTH)
			sub(/^(SYS|__NR)_/, "", name)
			if (name in door)
				print FILENAME ":" FNR ": raw system call " name
		}
		if ($0 ~ /#[ \t]*include[ \t]*<(libmount|sys\/fanotify|linux\/fanotify)/)
			print FILENAME ":" FNR ": " $0
	}' $(sources daemon client -- -name '*.[ch]' ! -path 'daemon/kernel/*') /dev/null
}

verdict "mount-family calls are made in daemon/kernel alone" calls_elsewhere

finish
