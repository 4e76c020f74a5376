# SPDX-License-Identifier: LGPL-2.1-or-later
# Turns interface files into C: for each <interface> one string, without comments and blank lines, in a table
# `contract_xml` of name and text that ends with an empty row.

BEGIN {
        print "/* Generated from the interface files of dbus/; do not edit. */"
        print "#include \"dbus/contract.h\"\n"
        print "const struct contract_xml contract_xml[] = {"
}

{
        line = $0
        while (1) {
                if (comment) {
                        end = index(line, "-->")
                        if (!end)
                                next
                        line = substr(line, end + 3)
                        comment = 0
                }
                start = index(line, "<!--")
                if (!start)
                        break
                head = head substr(line, 1, start - 1)
                line = substr(line, start + 4)
                comment = 1
        }
        line = head line
        head = ""
        if (line ~ /^[ \t]*$/)
                next
        if (match(line, /<interface name="[^"]*"/)) {
                name = substr(line, RSTART + 17, RLENGTH - 18)
                printf "        {\"%s\",\n", name
                inside = 1
        }
        if (!inside)
                next
        text = line
        gsub(/\\/, "\\\\", text)
        gsub(/"/, "\\\"", text)
        printf "         \"%s\\n\"\n", text
        if (line ~ /<\/interface>/) {
                print "        },"
                inside = 0
        }
}

END {
        print "        {NULL, NULL},"
        print "};"
}
