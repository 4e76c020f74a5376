/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Volumes: how a spec names them, what they come to, and which of them a bind may show. */

#include "tests/unit/spec/spec-cases.h"
#include "util/array.h"

#define OF(volumes, mounts)                                                                                           \
        "{\"podmount\": 1, \"mandatoryMounts\": false, \"volumes\": [" volumes "], \"containers\": ["                 \
        "{\"name\": \"a\", \"root\": {\"path\": \"/r\"}, \"mounts\": [" mounts "]}]}"
#define CACHE "{\"name\": \"cache\", \"type\": \"tmpfs\", \"options\": [\"size=1m\"]}"
#define DATA "{\"name\": \"proc\", \"type\": \"bind\", \"source\": \"fd:data\", \"options\": [\"ro\"]}"
#define BIND(source, target) "{\"destination\": \"" target "\", \"type\": \"bind\", \"source\": \"" source "\"}"

START_TEST(test_compiled) {
        _cleanup_(spec_freep) struct spec *spec =
                parse(OF(CACHE ", " DATA, BIND("volume:cache", "/x") ", " BIND("volume:proc", "/y")));
        _cleanup_(wanted_freep) struct wanted *wanted = NULL;
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_strv_ char **names = NULL;
        const struct wanted_mount *w;

        ck_assert_int_eq(spec_fd_names(spec, &names), 0);
        ck_assert_uint_eq(strv_length(names), 1);
        ck_assert_str_eq(names[0], "data");
        ck_assert_int_eq(wanted_from_spec(spec, &as_user, &wanted, &f), 0);
        ck_assert_uint_eq(strv_length(wanted->containers), 1);
        ck_assert_uint_eq(wanted->n_mounts, 5);
        w = wanted->mounts;
        ck_assert_uint_eq(w[0].container, WANTED_VOLUMES);
        ck_assert_str_eq(wanted_container(wanted, &w[0]), SPEC_VOLUMES);
        ck_assert_str_eq(w[0].target, "/cache");
        ck_assert_str_eq(w[0].pointer, "/volumes/0");
        ck_assert_str_eq(w[0].request, "{\"destination\":\"/cache\",\"options\":[\"size=1m\"],\"type\":\"tmpfs\"}");
        ck_assert(w[0].attr_set & MOUNT_ATTR_NOSUID && w[0].attr_set & MOUNT_ATTR_NODEV);
        ck_assert_str_eq(w[1].target, "/proc"); /* a name, and no place for proc alone */
        ck_assert_int_eq(w[1].kind, WANTED_BIND);
        ck_assert_int_eq(w[2].kind, WANTED_ROOT);
        ck_assert_int_eq(w[3].source.kind, SOURCE_VOLUME);
        ck_assert_str_eq(w[3].source.text, "cache");
        ck_assert(w[3].own_volume);
        ck_assert_str_eq(w[3].request, "{\"destination\":\"/x\",\"source\":\"volume:cache\",\"type\":\"bind\"}");
        ck_assert(!w[4].own_volume);
        ck_assert_str_eq(wanted_container(wanted, &w[4]), "a");
}
END_TEST

START_TEST(test_not_overlaid) {
        _cleanup_(spec_freep) struct spec *spec = parse(
                "{\"podmount\": 1, \"mandatoryMounts\": false, \"volumes\": [" CACHE "], \"containers\": [{\"name\": \"a\", "
                "\"root\": {\"path\": \"/r\", \"overlay\": \"all\"}, \"mounts\": [" BIND("volume:cache", "/x") ", "
                BIND("/s", "/y") "]}]}");
        _cleanup_(wanted_freep) struct wanted *wanted = NULL;
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        ck_assert_int_eq(wanted_from_spec(spec, &as_root, &wanted, &f), 0);
        ck_assert_int_eq(wanted->mounts[2].overlay, SPEC_OVERLAY_NONE);
        ck_assert_int_eq(wanted->mounts[3].overlay, SPEC_OVERLAY_TMPFS);
}
END_TEST

/* A pod that lives has what its record says. */
START_TEST(test_living) {
        static const struct wanted_volume volumes[] = {{.name = "cache", .own = true}, {.name = "data"}};
        const struct wanted_facts living = {.caller_is_root = true, .volumes = volumes, .n_volumes = 2},
                                  unknown = {.any_volume = true};
        static const char bind[] = "{'destination': '/x', 'type': 'bind', 'source': 'volume:%s'}";
        const struct {
                const char *name;
                const struct wanted_facts *facts;
                bool good, own;
        } rows[] = {{"cache", &living, true, true}, {"data", &living, true, false}, {"dat", &living, false, false},
                {"cache", &as_root, false, false}, {"any", &unknown, true, false}};

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_failure_ struct failure f = FAILURE_INIT;
                _cleanup_(wanted_freep) struct wanted *wanted = NULL;
                char text[sizeof(bind) + 16];
                int r;

                (void) snprintf(text, sizeof(text), bind, rows[i].name);
                r = compile_one(text, rows[i].facts, &wanted, &f);
                ck_assert_msg(r == (rows[i].good ? 0 : (int) FAILURE_INVALID_SPEC), "%zu: %d %s", i, r, f.text ? f.text : "");
                ck_assert(!rows[i].good || wanted->mounts[0].own_volume == rows[i].own);
                ck_assert(rows[i].good || strstr(f.text, "has no volume"));
        }
}
END_TEST

START_TEST(test_refused) {
        static const struct {
                const char *text;
                enum failure_kind kind;
                const char *begin, *more;
        } rows[] = {
                {OF("", BIND("volume:x", "/x")), FAILURE_INVALID_SPEC, "/containers/0/mounts/0/source: ", "nor any other"},
                {OF(CACHE, BIND("volume:x", "/x")), FAILURE_INVALID_SPEC, "/containers/0/mounts/0/source: ", "it has: cache"},
                {OF(CACHE, BIND("volume:", "/x")), FAILURE_INVALID_SPEC, "/containers/0/mounts/0/source: ", "names no volume"},
                {OF(CACHE, BIND("volume:../x", "/x")), FAILURE_INVALID_SPEC, "/containers/0/mounts/0/source: ", "no volume"},
                {OF(CACHE ", " CACHE, ""), FAILURE_INVALID_SPEC, "/volumes/1/name: ", "is the name of /volumes/0 already"},
                {OF("{\"name\": \"..\", \"type\": \"tmpfs\"}", ""), FAILURE_INVALID_SPEC, "/volumes/0/name: ", "is no name"},
                {OF("{\"name\": \"a/b\", \"type\": \"tmpfs\"}", ""), FAILURE_INVALID_SPEC, "/volumes/0/name: ", "is no name"},
                {OF("{\"type\": \"tmpfs\"}", ""), FAILURE_INVALID_SPEC, "/volumes/0/name: ", "missing"},
                {OF("{\"name\": \"a\"}", ""), FAILURE_INVALID_SPEC, "/volumes/0/type: ", "missing"},
                {OF("7", ""), FAILURE_INVALID_SPEC, "/volumes/0: ", ""},
                {OF("{\"name\": \"a\", \"type\": \"tmpfs\", \"destination\": \"/a\"}", ""), FAILURE_INVALID_SPEC,
                        "/volumes/0/destination: ", ""},
                {OF("{\"name\": \"a\", \"type\": \"proc\"}", ""), FAILURE_NOT_SUPPORTED, "/volumes/0/type: ", "none for a volume"},
                {OF("{\"name\": \"a\", \"type\": \"bind\", \"source\": \"volume:a\"}", ""), FAILURE_INVALID_SPEC,
                        "/volumes/0/source: ", "is a volume of the pod"},
                {OF("{\"name\": \"a\", \"type\": \"bind\"}", ""), FAILURE_INVALID_SPEC, "/volumes/0/source: ", "missing"},
                {OF("{\"name\": \"a\", \"type\": \"tmpfs\", \"options\": [\"unbindable\"]}", ""), FAILURE_INVALID_OPTION,
                        "/volumes/0/options: ", "unbindable"},
                {OF("{\"name\": \"a\", \"type\": \"tmpfs\", \"options\": [\"tmpcopyup\"]}", ""), FAILURE_INVALID_OPTION,
                        "/volumes/0/options: ", "tmpcopyup"},
                {OF(CACHE, "{\"destination\": \"/x\", \"type\": \"squashfs\", \"source\": \"volume:cache\"}"),
                        FAILURE_INVALID_SPEC, "/containers/0/mounts/0/source: ", "nothing else can"},
                {OF(CACHE, "{\"destination\": \"/x\", \"type\": \"overlay\", \"options\": [\"lowerdir+=volume:cache\", "
                           "\"lowerdir+=/a\"]}"), FAILURE_INVALID_OPTION, "/containers/0/mounts/0/options", "nothing else can"},
                {"{\"podmount\": 1, \"volumes\": {}, \"containers\": []}", FAILURE_INVALID_SPEC, "/volumes: ", ""},
                {"{\"podmount\": 1, \"containers\": [{\"name\": \"a\", \"root\": {\"path\": \"volume:a\"}}]}",
                        FAILURE_INVALID_SPEC, "/containers/0/root/path: ", "nothing else can"},
                {"{\"podmount\": 1, \"containers\": [{\"name\": \".volumes\", \"root\": {\"path\": \"/r\"}}]}",
                        FAILURE_INVALID_SPEC, "/containers/0/name: ", "is no name"},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                refuse_whole(rows[i].text, rows[i].kind, rows[i].begin, rows[i].more);
}
END_TEST

START_TEST(test_limit) {
        _cleanup_strv_ char **volumes = NULL;
        _cleanup_free_ char *list = NULL, *text = NULL;

        for (size_t i = 0; i <= SPEC_VOLUMES_MAX; i++)
                ck_assert_int_eq(strv_appendf(&volumes, "{\"name\": \"v%zu\", \"type\": \"tmpfs\"}", i), 0);
        list = strv_join(volumes, ",");
        ck_assert_int_gt(asprintf(&text, "{\"podmount\": 1, \"volumes\": [%s], \"containers\": []}", list), 0);
        refuse(text, FAILURE_INVALID_SPEC, "/volumes: ", "257 volumes, and a pod has at most 256");
}
END_TEST

/* They come with their pod, at the top of an export, and not with a container. */
START_TEST(test_places) {
        static const char added[] = OF(CACHE, ""),
                          export[] = "{\"podmount-export\": 1, \"volumes\": [" CACHE "], \"parts\": [{\"spec\": "
                                     OF("", BIND("volume:cache", "/x")) "}]}",
                          inside[] = "{\"podmount-export\": 1, \"parts\": [{\"spec\": " OF(CACHE, "") "}]}";
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(spec_freep) struct spec *spec = parse(export);
        struct spec *none = NULL;

        ck_assert_uint_eq(spec->n_volumes, 1);
        refuse(inside, FAILURE_INVALID_SPEC, "/parts/0/spec/volumes: ", "whole document");
        ck_assert_int_eq(spec_parse_container(added, strlen(added), SIZE_MAX_OF_SPEC, UINT64_MAX, "a", &none, &f), FAILURE_INVALID_SPEC);
        ck_assert_ptr_nonnull(strstr(f.text, "/volumes: "));
}
END_TEST

UNIT_MAIN("volumes", test_compiled, test_not_overlaid, test_living, test_refused, test_limit, test_places)
