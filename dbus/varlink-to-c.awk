# SPDX-License-Identifier: LGPL-2.1-or-later
# Turns .varlink files into C: for each a string, as it is, in a table `varlink_descriptions` of name and text that ends with an
# empty row.

BEGIN {
        print "/* Generated from the .varlink files of dbus/; do not edit. */"
        print "#include \"api/varlink-connection.h\"\n"
        print "const struct varlink_description varlink_descriptions[] = {"
}

FNR == 1 {
        if (NR > 1)
                print "        },"
        name = FILENAME
        sub(/^.*\//, "", name)
        sub(/\.varlink$/, "", name)
        printf "        {\"%s\",\n", name
}

{
        text = $0
        gsub(/\\/, "\\\\", text)
        gsub(/"/, "\\\"", text)
        printf "         \"%s\\n\"\n", text
}

END {
        print "        },"
        print "        {NULL, NULL},"
        print "};"
}
