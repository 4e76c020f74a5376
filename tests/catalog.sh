#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Each event that is logged has its explanation in the message catalog, and the catalog explains nothing else.
. "${srcdir:-.}/tests/lib.sh"

table=daemon/util/event.c
catalog=systemd/podmount.catalog

# Of the table: the enum's name, the event's and the id.
events() {
	sed -n 's/^ *\[\(EVENT_[A-Z_]*\)\] = {"\([a-z-]*\)", "\([0-9a-f]*\)", LOG_[A-Z]*},$/\1 \2 \3/p' "$table"
}

without_explanation() {
	events | while read -r _ name id; do
		grep -qx -- "-- $id" "$catalog" || echo "$name ($id) is not in $catalog"
	done
}

without_event() {
	sed -n 's/^-- //p' "$catalog" | while read -r id; do
		events | grep -q " $id\$" || echo "$catalog explains $id, which is no event"
	done
}

# 128 bits that no other event has; a name likewise; every row of the table is one that events() reads.
wrong_rows() {
	events | awk '$3 !~ /^[0-9a-f]{32}$/ && length($3) != 32 { print $1 ": " $3 " is no id" } seen[$2]++ || seen[$3]++ { print $1 " is there twice" }'
	[ "$(events | wc -l)" -eq "$(grep -c '^        EVENT_[A-Z_]*,$' daemon/util/event.h)" ] || echo "the enum and the table have not the same events"
	[ "$(sed -n 's/^-- //p' "$catalog" | sort | uniq -d | wc -l)" -eq 0 ] || echo "an id is explained twice"
}

# One that nobody logs promises what does not come.
never_logged() {
	events | while read -r event name _; do
		grep -rqw --include='*.c' --exclude=event.c "$event" daemon || echo "$name is logged nowhere"
	done
}

# Each explanation has a subject, says whose it is, where to read on, and has some text.
incomplete() {
	awk '
	function close_entry() { if (id != "" && !(subject && defined && documentation && text)) print id " lacks a subject, its origin, documentation or text" }
	/^#/ { next }
	/^-- / { close_entry(); id = $2; subject = defined = documentation = text = 0; next }
	/^Subject: ./ { subject = 1; next }
	/^Defined-By: podmount$/ { defined = 1; next }
	/^Documentation: man:/ { documentation = 1; next }
	/./ { text = 1 }
	END { close_entry() }' "$catalog"
}

# What a subject or a text puts in is a field that events carry.
unknown_fields() {
	grep -o '@[A-Z_]*@' "$catalog" | sort -u | tr -d @ | while read -r field; do
		grep -rq --include='*.[ch]' "\"$field=\"" daemon || echo "@$field@ is a field of no event"
	done
}

# What journald itself makes of the file, where it can be asked.
unreadable() {
	command -v journalctl >/dev/null || return 0
	root=$(mktemp -d) || return 1
	mkdir -p "$root/usr/lib/systemd/catalog" "$root/var/lib/systemd/catalog"
	cp "$catalog" "$root/usr/lib/systemd/catalog/"
	journalctl --root="$root" --update-catalog 2>&1
	events | while read -r _ name id; do
		journalctl --root="$root" --dump-catalog "$id" 2>&1 | grep -q '^Subject: ' || echo "$name ($id) is not in the database made of $catalog"
	done
	rm -rf -- "$root"
}

verdict "every event is explained" without_explanation
verdict "everything that is explained is an event" without_event
verdict "every event has an id and a name of its own" wrong_rows
verdict "every event is logged somewhere" never_logged
verdict "every explanation is complete" incomplete
verdict "explanations name fields that there are" unknown_fields
verdict "the catalog can be read by the journal" unreadable

finish
