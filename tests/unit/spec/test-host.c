/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Mounts on the host: which a spec may ask for, and what they come to. */

#include "tests/unit/spec/spec-cases.h"
#include "util/array.h"

#define OCI(mounts) \
        "{\"ociVersion\": \"1.0.2\", \"mandatoryMounts\": false, \"root\": {\"path\": \"/r\"}, \"prepare\": {\"hostMounts\": [" mounts "]}}"
#define OWN(mounts, more) \
        "{\"podmount\": 1, \"mandatoryMounts\": false, \"containers\": [{\"name\": \"a\", \"root\": {\"path\": \"/r\"}, \"prepare\": " \
        "{\"hostMounts\": [" mounts "]}}, {\"name\": \"b\", \"root\": {\"path\": \"/r\"}, \"prepare\": {\"mounts\": [" TMPFS("/x") "]," \
        "\"hostMounts\": [" more "]}}]}"
#define TMPFS(target) "{\"destination\": \"" target "\", \"type\": \"tmpfs\"}"
#define BIND(source, target, options) \
        "{\"destination\": \"" target "\", \"type\": \"bind\", \"source\": \"" source "\", \"options\": [\"bind\"" options "]}"
#define OVERLAY(target) \
        "{\"destination\": \"" target "\", \"type\": \"overlay\", \"options\": [\"lowerdir=/l\", \"upperdir=/u\", \"workdir=/w\"]}"

static int compile(const char *text, const struct wanted_facts *facts, struct wanted **ret, struct failure *f) {
        _cleanup_(spec_freep) struct spec *spec = NULL;
        int r = spec_parse(text, strlen(text), SIZE_MAX_OF_SPEC, UINT64_MAX, &spec, f);

        return r == 0 ? wanted_from_spec(spec, facts, ret, f) : r;
}

/* Behind all that is in the pod, whichever container prepares them. */
START_TEST(test_compiled) {
        const uint64_t restricted = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;

        for (unsigned user = 0; user < 2; user++) {
                _cleanup_(wanted_freep) struct wanted *wanted = NULL;
                _cleanup_failure_ struct failure f = FAILURE_INIT;
                const struct wanted_mount *w;

                ck_assert_int_eq(compile(OWN(BIND("/s", "/srv/one", ""), OVERLAY("/srv/two") ", " TMPFS("/srv/three")),
                                         user ? &as_user : &as_root, &wanted, &f), 0);
                ck_assert_uint_eq(wanted->n_mounts, 6);
                ck_assert_uint_eq(wanted_count_host(wanted), 3);
                ck_assert_str_eq(wanted->mounts[2].target, "/x"); /* one of "mounts" stays in its container */
                w = wanted->mounts + 3;
                for (size_t i = 0; i < 3; i++) {
                        ck_assert_uint_eq(w[i].container, WANTED_HOST);
                        ck_assert_str_eq(wanted_container(wanted, &w[i]), SPEC_HOST);
                        ck_assert_uint_eq(w[i].attr_set & restricted, restricted);
                        ck_assert_uint_eq(w[i].propagation, MS_PRIVATE);
                        ck_assert(!w[i].recursive);
                }
                ck_assert_str_eq(w[0].target, "/srv/one");
                ck_assert_str_eq(w[0].pointer, "/containers/0/prepare/hostMounts/0");
                ck_assert_int_eq(w[0].kind, WANTED_BIND);
                ck_assert(w[1].make_layers);
                ck_assert_str_eq(w[2].pointer, "/containers/1/prepare/hostMounts/1");
                ck_assert_int_eq(w[2].kind, WANTED_FILESYSTEM);
                ck_assert_uint_eq(strv_length(wanted->containers), 2);
        }
}
END_TEST

/* What root asks for by name, and nobody else. */
START_TEST(test_granted) {
        static const char text[] = OCI(BIND("/s", "/srv/one", ", \"suid\", \"dev\", \"shared\""));
        _cleanup_(wanted_freep) struct wanted *wanted = NULL, *none = NULL;
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        ck_assert_int_eq(compile(text, &as_root, &wanted, &f), 0);
        ck_assert_uint_eq(wanted->mounts[1].attr_set & (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV), 0);
        ck_assert_uint_eq(wanted->mounts[1].propagation, MS_SHARED);
        ck_assert_int_eq(compile(text, &as_user, &none, &f), FAILURE_ACCESS_DENIED);
}
END_TEST

/* What an fd is of, the executor finds out: a namespace, or it is refused there. */
START_TEST(test_fd) {
        _cleanup_(wanted_freep) struct wanted *wanted = NULL;
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(spec_freep) struct spec *spec = NULL;
        _cleanup_strv_ char **names = NULL;
        static const char text[] = OCI(BIND("fd:net", "/srv/one", ""));

        ck_assert_int_eq(compile(text, &as_user, &wanted, &f), 0);
        ck_assert_int_eq(wanted->mounts[1].source.kind, SOURCE_FD);
        ck_assert_str_eq(wanted->mounts[1].source.text, "net");
        ck_assert_int_eq(spec_parse(text, strlen(text), 1 << 20, 100, &spec, &f), 0);
        ck_assert_int_eq(spec_fd_names(spec, &names), 0);
        ck_assert(names[0] && strcmp(names[0], "net") == 0 && !names[1]);
}
END_TEST

START_TEST(test_refused) {
        static const struct {
                const char *text;
                enum failure_kind kind;
                const char *begin, *more;
        } rows[] = {
                {OCI("{\"destination\": \"/srv/x\", \"type\": \"proc\"}"), FAILURE_NOT_SUPPORTED, "/prepare/hostMounts/0/type: ", "\"proc\""},
                {OCI("{\"destination\": \"/srv/x\", \"type\": \"fuse\"}"), FAILURE_NOT_SUPPORTED, "/prepare/hostMounts/0/type: ", "\"fuse\""},
                {OCI("{\"destination\": \"/srv/x\"}"), FAILURE_NOT_SUPPORTED, "/prepare/hostMounts/0/type: ", "missing"},
                {OCI(BIND("/s", "/srv/x", ", \"rbind\"")), FAILURE_NOT_SUPPORTED, "/prepare/hostMounts/0/options: ", "rbind"},
                {OCI("{\"destination\": \"/srv/x\", \"type\": \"overlay\", \"options\": [\"lowerdir=/l\", \"upperdir=fd:u\", \"workdir=fd:w\"]}"), FAILURE_INVALID_SPEC,
                        "/prepare/hostMounts/0/source: ", "path of the host"},
                {OCI(BIND("/s", "/srv/x", ", \"src-nofollow\"")), FAILURE_INVALID_OPTION, "/prepare/hostMounts/0/options: ", "symlink"},
                {OCI(BIND("/s", "/srv/x", ", \"idmap=uids=0-1-1;gids=0-1-1\"")), FAILURE_INVALID_OPTION,
                        "/prepare/hostMounts/0/options: ", "id mapping"},
                {OCI(TMPFS("/srv/a b")), FAILURE_INVALID_TARGET, "/prepare/hostMounts/0/destination: ", "blanks"},
                {OCI(TMPFS("/srv/a\\nb")), FAILURE_INVALID_TARGET, "/prepare/hostMounts/0/destination: ", "blanks"},
                {OCI(TMPFS("/proc/x")), FAILURE_INVALID_TARGET, "/prepare/hostMounts/0/destination: ", "/proc"},
                {OCI(TMPFS("/srv/../x")), FAILURE_INVALID_TARGET, "/prepare/hostMounts/0/destination: ", ".."},
                {OCI(TMPFS("/srv/x") ", " TMPFS("/srv/x")), FAILURE_INVALID_SPEC, "/prepare/hostMounts/1/destination: ", "already"},
                {OCI(TMPFS("/srv/x") ", " TMPFS("/srv/x/y")), FAILURE_INVALID_SPEC, "/prepare/hostMounts/1/destination: ", "lie apart"},
                {OWN(TMPFS("/srv/x/y"), TMPFS("/srv/x")), FAILURE_INVALID_SPEC, "/containers/0/prepare/hostMounts/0/destination: ",
                        "lie apart"},
                {OWN(TMPFS("/srv/x"), TMPFS("/srv/x")), FAILURE_INVALID_SPEC, "/containers/0/prepare/hostMounts/0/destination: ",
                        "/containers/1/prepare/hostMounts/0"},
                {"{\"podmount-export\": 1, \"parts\": [{\"spec\": " OCI(TMPFS("/srv/x")) "}]}", FAILURE_INVALID_SPEC, "/parts/0/spec: ",
                        "whole document"},
                {"{\"podmount-export\": 1, \"hostMounts\": {}, \"parts\": []}", FAILURE_INVALID_SPEC, "/hostMounts: ", ""},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                refuse_whole(rows[i].text, rows[i].kind, rows[i].begin, rows[i].more);
}
END_TEST

START_TEST(test_many) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        fputs("{\"ociVersion\": \"1.0.2\", \"root\": {\"path\": \"/r\"}, \"prepare\": {\"hostMounts\": [", out);
        for (unsigned i = 0; i <= SPEC_HOST_MAX; i++)
                fprintf(out, "%s{\"destination\": \"/srv/%u\", \"type\": \"tmpfs\"}", i ? ", " : "", i);
        fputs("]}}", out);
        (void) fclose(out);
        refuse(text, FAILURE_INVALID_SPEC, "/prepare/hostMounts: ", "at most 64");
}
END_TEST

#define PIN(target, source) "{\"destination\": \"" target "\", \"type\": \"namespace\", \"source\": \"" source "\"}"

/* They wait, behind all others; with a process named they do not. */
START_TEST(test_pins) {
        static const char text[] = OCI(PIN("/run/n", "main:net") ", " TMPFS("/srv/x"));
        static const struct source process = {.kind = SOURCE_FD, .text = (char *) "p"};
        static const struct wanted_facts named = {.caller_is_root = true, .process = &process};
        static const struct {
                const char *mount, *begin, *more;
        } rows[] = {
                {PIN("/run/n", "other:net"), "/prepare/hostMounts/0/source: ", "names no container"},
                {PIN("/run/n", "main:time"), "/prepare/hostMounts/0/source: ", "CONTAINER:KIND"},
                {PIN("/run/n", "net"), "/prepare/hostMounts/0/source: ", "CONTAINER:KIND"},
                {PIN("/run/n", ":net"), "/prepare/hostMounts/0/source: ", "CONTAINER:KIND"},
                {"{\"destination\": \"/run/n\", \"type\": \"namespace\"}", "/prepare/hostMounts/0/source: ", "it is missing"},
                {PIN("/run/ n", "main:net"), "/prepare/hostMounts/0/destination: ", "blanks"},
        };
        _cleanup_(spec_freep) struct spec *spec = parse(text);
        _cleanup_(wanted_freep) struct wanted *wanted = NULL, *bound = NULL;
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        const struct wanted_mount *pin;

        ck_assert_int_eq(wanted_from_spec(spec, &as_root, &wanted, &f), 0);
        ck_assert_uint_eq(wanted_count_host(wanted), 2);
        pin = &wanted->mounts[wanted->n_mounts - 1];
        ck_assert_int_eq(pin->kind, WANTED_PIN);
        ck_assert_str_eq(pin->pin, "net");
        ck_assert(pin->deferred && !wanted->mounts[wanted->n_mounts - 2].deferred);
        ck_assert_ptr_nonnull(strstr(wanted->warnings[strv_length(wanted->warnings) - 1], "podmountctl prepare-process"));
        ck_assert_int_eq(wanted_from_mounts(SPEC_HOST, &spec->host[0], 1, &named, &bound, &f), 0);
        ck_assert(!bound->mounts[0].deferred);
        ck_assert_int_eq(bound->mounts[0].source.kind, SOURCE_FD);
        ck_assert_str_eq(bound->mounts[0].source.text, "p");
        ck_assert_str_eq(bound->mounts[0].request, pin->request);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *document = NULL;

                ck_assert_int_gt(asprintf(&document, OCI("%s"), rows[i].mount), 0);
                refuse_whole(document, i == ELEMENTSOF(rows) - 1 ? FAILURE_INVALID_TARGET : FAILURE_INVALID_SPEC, rows[i].begin, rows[i].more);
        }
}
END_TEST

/* An export has them for the whole pod; a container that is added has none; a repair compiles one alone, as strictly. */
START_TEST(test_other_ways) {
        static const char export[] = "{\"podmount-export\": 1, \"hostMounts\": [" TMPFS("/srv/x") "], \"parts\": [{\"spec\": "
                                     "{\"ociVersion\": \"1.0.2\", \"root\": {\"path\": \"/r\"}}}]}";
        static const char added[] = OCI(TMPFS("/srv/x"));
        _cleanup_(spec_freep) struct spec *spec = NULL, *none = NULL;
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct spec_mount *mounts = NULL;
        size_t n = 0;

        spec = parse(export);
        ck_assert_uint_eq(spec->n_host, 1);
        ck_assert_str_eq(spec->host[0].pointer, "/hostMounts/0");
        ck_assert_int_eq(spec_parse_container(added, strlen(added), SIZE_MAX_OF_SPEC, UINT64_MAX, "main", &none, &f), FAILURE_INVALID_SPEC);
        ck_assert_ptr_nonnull(strstr(f.text, "made with their pod"));
        failure_clear(&f);
        for (unsigned bad = 0; bad < 2; bad++) {
                const char *text = bad ? "{\"destination\": \"/srv/x\", \"type\": \"sysfs\"}" : TMPFS("/srv/x");
                _cleanup_(wanted_freep) struct wanted *wanted = NULL;

                ck_assert_int_eq(spec_parse_mounts(text, strlen(text), SIZE_MAX_OF_SPEC, &mounts, &n, &f), 0);
                ck_assert_int_eq(wanted_from_mounts(SPEC_HOST, mounts, n, &as_root, &wanted, &f), bad ? FAILURE_NOT_SUPPORTED : 0);
                if (!bad)
                        ck_assert_uint_eq(wanted->mounts[0].propagation, MS_PRIVATE);
                spec_mounts_free(mounts, n);
        }
}
END_TEST

UNIT_MAIN("host", test_compiled, test_granted, test_fd, test_refused, test_pins, test_many, test_other_ways)
