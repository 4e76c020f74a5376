/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Network interfaces, as a spec names them. */

#include "tests/unit/spec/spec-cases.h"
#include "util/link-name.h"

#define OF(list) "{\"podmount\": 1, \"containers\": [{\"name\": \"a\", \"root\": {\"path\": \"/r\"}, \"prepare\": {\"interfaces\": " list "}}]}"
#define OCI(list) "{\"ociVersion\": \"1.0.2\", \"root\": {\"path\": \"/r\"}, \"prepare\": {\"interfaces\": " list "}}"

START_TEST(test_named) {
        _cleanup_(spec_freep) struct spec *spec = parse(OF("[{\"name\": \"eth0\", \"peer\": \"h0\"}, {\"name\": \"wg0\", \"add\": \"wireguard\", \"createInRoot\": true},"
                                                           " {\"name\": \"d0\", \"add\": \"dummy\", \"peer\": \"\"}, {\"name\": \"eth1\", \"add\": \"\"}]"));
        const struct spec_link *links = spec->containers[0].links;

        ck_assert_uint_eq(spec->containers[0].n_links, 4);
        ck_assert_str_eq(links[0].name, "eth0");
        ck_assert_str_eq(links[0].kind, "veth"); /* as linuxkit has it */
        ck_assert_str_eq(links[0].peer, "h0");
        ck_assert(links[0].in_root);
        ck_assert_str_eq(links[1].kind, "wireguard");
        ck_assert(links[1].in_root && !links[1].peer);
        ck_assert_str_eq(links[2].kind, "dummy");
        ck_assert(!links[2].in_root && !links[2].peer);
        ck_assert_ptr_null(links[3].kind);
}
END_TEST

START_TEST(test_unknown_members) {
        _cleanup_(spec_freep) struct spec *spec = parse(OCI("[{\"name\": \"eth0\", \"peer\": \"h0\", \"mtu\": 9000}]"));

        ck_assert_ptr_nonnull(spec->warnings);
        ck_assert_ptr_nonnull(strstr(spec->warnings[0], "/prepare/interfaces/0/mtu"));
}
END_TEST

START_TEST(test_refused) {
        static const struct {
                const char *spec, *words;
        } cases[] = {
                {OF("{}"), "/interfaces"},
                {OF("[1]"), "/interfaces/0"},
                {OF("[{}]"), "/interfaces/0/name: it is missing"},
                {OF("[{\"name\": \"\", \"add\": \"dummy\"}]"), "/interfaces/0/name: it is missing"},
                {OF("[{\"name\": \"a b\"}]"), "no name"},
                {OF("[{\"name\": \"a%d\"}]"), "no name"},
                {OF("[{\"name\": \"a\", \"peer\": \"lo\"}]"), "/interfaces/0/peer"},
                {OF("[{\"name\": \"a\", \"add\": \"x y\"}]"), "/interfaces/0/add"},
                {OF("[{\"name\": \"a\", \"add\": \"veth\"}]"), "/interfaces/0/peer: it is missing"},
                {OF("[{\"name\": \"a\", \"add\": \"dummy\", \"peer\": \"b\"}]"), "has no peer"},
                {OF("[{\"name\": \"a\", \"mtu\": 9000}]"), "/interfaces/0/mtu"},
                {OF("[{\"name\": \"a\"}, {\"name\": \"b\", \"peer\": \"a\"}]"), "/interfaces/1/name: b is named twice"},
                {OF("[{\"name\": \"a\", \"createInRoot\": 1}]"), "/interfaces/0/createInRoot"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_failure_ struct failure f = FAILURE_INIT;
                struct spec *spec = NULL;

                ck_assert_msg(spec_parse(cases[i].spec, strlen(cases[i].spec), 1 << 20, 1000, &spec, &f) == FAILURE_INVALID_SPEC, "%s", cases[i].spec);
                ck_assert_msg(strstr(f.text, cases[i].words) != NULL, "\"%s\" is not in: %s", cases[i].words, f.text);
        }
}
END_TEST

START_TEST(test_words) {
        static const char *const good[] = {"a", "eth0", "br-1234_x.y", "0123456789abcde", "@!~"};
        static const char *const bad[] = {"", ".", "..", "lo", "all", "default", "0123456789abcdef", "a/b", "a:b", "a b", "a\tb", "a\n", "a%", "\x7f", "\xc3\xa4", "a\"", "a\\"};
        char list[PREFIXES_SIZE] = "";

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                ck_assert_msg(link_name_is_valid(good[i]), "%s", good[i]);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                ck_assert_msg(!link_name_is_valid(bad[i]), "%s", bad[i]);
        ck_assert(link_kind_is_valid("veth") && link_kind_is_valid("ip6gretap") && link_kind_is_valid("ovs-system_1"));
        ck_assert(!link_kind_is_valid("") && !link_kind_is_valid("Veth") && !link_kind_is_valid("1x") && !link_kind_is_valid("a b") && !link_kind_is_valid("0123456789abcdef"));
        ck_assert_int_eq(link_names_add(list, " eth1\twg0 "), 0);
        ck_assert_int_eq(link_names_add(list, "x0"), 0);
        ck_assert_str_eq(list, "eth1 wg0 x0");
        ck_assert_int_eq(link_names_add(list, "ok bad/one"), -EINVAL);
        while (link_names_add(list, "0123456789abcde") == 0)
                ;
        ck_assert_int_eq(link_names_add(list, "0123456789abcde"), -E2BIG);
        ck_assert_uint_lt(strlen(list), PREFIXES_SIZE);
}
END_TEST

/* Of a pod, also where an export has it in parts. */
START_TEST(test_limit) {
        char list[4096] = "[", spec[16384];

        for (unsigned i = 0; i < SPEC_LINKS_MAX; i++)
                (void) snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s{\"name\": \"d%u\", \"add\": \"dummy\"}", i > 0 ? ", " : "", i);
        strcat(list, "]");
        for (unsigned twice = 0; twice < 2; twice++) {
                _cleanup_failure_ struct failure f = FAILURE_INIT;
                _cleanup_(spec_freep) struct spec *parsed = NULL;
                int r;

                (void) snprintf(spec, sizeof(spec), "{\"podmount-export\": 1, \"parts\": [{\"spec\": " OF("%s") "}, {\"container\": \"late\", \"spec\": " OCI("%s") "}]}",
                                list, twice ? "[{\"name\": \"x\", \"add\": \"dummy\"}]" : "[]");
                r = spec_parse(spec, strlen(spec), 1 << 20, 1000, &parsed, &f);
                ck_assert_msg(r == (twice ? FAILURE_INVALID_SPEC : 0), "%d: %s", r, f.text ?: "");
                ck_assert(!twice || strstr(f.text, "at most 64 network interfaces"));
        }
}
END_TEST

UNIT_MAIN("spec-links", test_named, test_unknown_members, test_refused, test_words, test_limit)
