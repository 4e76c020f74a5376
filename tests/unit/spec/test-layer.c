/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Roots that are layers: what a spec says of one, and what comes of that for each kind of layer. */

#include "tests/unit/spec/spec-cases.h"
#include "util/array.h"

#define ROOT(members)                                                                                                  \
        "{\"podmount\": 1, \"mandatoryMounts\": false, \"containers\": [{\"name\": \"a\", \"root\": {" members "}}]}"
#define MAPS(host)                                                                                                     \
        ", \"uidMappings\": [{\"containerID\": 0, \"hostID\": " host ", \"size\": 10}], "                               \
        "\"gidMappings\": [{\"containerID\": 0, \"hostID\": " host ", \"size\": 10}]"

static struct id_mapping mapping = {.container_id = 0, .host_id = 500, .size = 10};
static const struct idmap maps = {.given = true, .uids = &mapping, .n_uids = 1, .gids = &mapping, .n_gids = 1};
static const char *const below[] = {"middle", "base"};
static const struct wanted_layer layers[] = {
        {.id = "ro", .number = 3, .below = below, .n_below = 2, .label = "x:y"},
        {.id = "rw", .number = 4, .read_write = true, .below = below, .n_below = 2},
        {.id = "mapped", .number = 5, .read_write = true, .below = below, .n_below = 2, .idmap = &maps},
};
static const struct wanted_facts facts = {.caller_is_root = true, .tmpfs_size = 64 << 20, .layers = layers, .n_layers = 3};

static int compile(const char *text, const struct wanted_facts *with, struct wanted **ret, struct failure *f) {
        _cleanup_(spec_freep) struct spec *spec = parse(text);

        return wanted_from_spec(spec, with, ret, f);
}

/* What comes of a root, which is readonly, written to in the layer, or in a tmpfs. */
static void check(const char *text, bool readonly, bool writable, enum spec_overlay overlay) {
        _cleanup_(wanted_freep) struct wanted *wanted = NULL;
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        const struct wanted_mount *w;

        ck_assert_msg(compile(text, &facts, &wanted, &f) == 0, "%s: %s", text, f.text);
        w = wanted->mounts;
        ck_assert_int_eq(w->kind, WANTED_ROOT);
        ck_assert_int_eq(w->source.kind, SOURCE_LAYER);
        ck_assert_msg(((w->attr_set & MOUNT_ATTR_RDONLY) != 0) == readonly, "%s", text);
        ck_assert_msg(w->layer_writable == writable, "%s", text);
        ck_assert_msg(w->overlay == overlay, "%s", text);
        ck_assert(!w->recursive && !w->attr_recursive && !w->idmap.recursive);
        ck_assert_uint_eq(w->n_lower, 2);
        ck_assert_str_eq(w->lower[0].text, "middle");
        ck_assert_int_eq(w->lower[1].kind, SOURCE_LAYER);
        for (char **word = w->options; *word; word++)
                ck_assert_ptr_null(strstr(*word, "middle"));
}

START_TEST(test_kinds) {
        check(ROOT("\"layer\": \"ro\""), true, false, SPEC_OVERLAY_NONE);
        check(ROOT("\"layer\": \"ro\", \"readonly\": true"), true, false, SPEC_OVERLAY_NONE);
        check(ROOT("\"layer\": \"ro\", \"overlay\": \"tmpfs\""), false, false, SPEC_OVERLAY_TMPFS);
        check(ROOT("\"layer\": \"ro\", \"overlay\": \"all\", \"readonly\": false"), false, false, SPEC_OVERLAY_TMPFS);
        check(ROOT("\"layer\": \"ro\", \"overlay\": \"tmpfs\", \"readonly\": true"), true, false, SPEC_OVERLAY_TMPFS);
        check(ROOT("\"layer\": \"rw\""), false, true, SPEC_OVERLAY_NONE);
        check(ROOT("\"layer\": \"rw\", \"overlay\": \"persistent\", \"readonly\": false"), false, true, SPEC_OVERLAY_NONE);
        check(ROOT("\"layer\": \"rw\", \"readonly\": true"), true, true, SPEC_OVERLAY_NONE);
}
END_TEST

static void check_refused(const char *text, enum failure_kind kind, const char *begin, const char *more) {
        _cleanup_(wanted_freep) struct wanted *wanted = NULL;
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        int r = compile(text, &facts, &wanted, &f);

        ck_assert_msg(r == (int) kind, "%s: %d %s", text, r, f.text ? f.text : "");
        ck_assert_msg(strncmp(f.text, begin, strlen(begin)) == 0, "%s", f.text);
        ck_assert_msg(strstr(f.text, more) != NULL, "%s", f.text);
}

START_TEST(test_contradictions) {
        check_refused(ROOT("\"layer\": \"ro\", \"readonly\": false"), FAILURE_INVALID_SPEC, "/containers/0/root/readonly: ", "read-only");
        check_refused(ROOT("\"layer\": \"ro\", \"overlay\": \"persistent\""), FAILURE_INVALID_SPEC, "/containers/0/root/overlay: ",
                "--read-write --parent ro");
        check_refused(ROOT("\"layer\": \"rw\", \"overlay\": \"tmpfs\""), FAILURE_INVALID_SPEC, "/containers/0/root/overlay: ", "read-write");
        check_refused(ROOT("\"layer\": \"rw\", \"overlay\": \"all\""), FAILURE_INVALID_SPEC, "/containers/0/root/overlay: ", "read-write");
        check_refused(ROOT("\"layer\": \"other\""), FAILURE_NO_SUCH_LAYER, "/containers/0/root/layer: ", "other");
        check_refused(ROOT("\"layer\": \"rw\"" MAPS("500")), FAILURE_INVALID_SPEC, "/containers/0/root/uidMappings: ", "uid-map");
        check_refused(ROOT("\"layer\": \"mapped\"" MAPS("501")), FAILURE_INVALID_SPEC, "/containers/0/root/uidMappings: ", "of its own");
        check_refused(ROOT("\"layer\": \"mapped\", \"userns\": \"fd:u\""), FAILURE_INVALID_SPEC, "/containers/0/root/userns: ", "of its own");
}
END_TEST

START_TEST(test_shape) {
        refuse(ROOT("\"layer\": \"x\", \"path\": \"/r\""), FAILURE_INVALID_SPEC, "/containers/0/root/layer: ", "one of them");
        refuse(ROOT("\"layer\": \"../x\""), FAILURE_INVALID_SPEC, "/containers/0/root/layer: ", "no id of a layer");
        refuse(ROOT("\"layer\": \".x\""), FAILURE_INVALID_SPEC, "/containers/0/root/layer: ", "no id of a layer");
        refuse(ROOT("\"layer\": 1"), FAILURE_INVALID_SPEC, "/containers/0/root/layer: ", "");
        refuse(ROOT("\"layer\": \"x\", \"overlay\": \"persistent\", \"readonly\": true"), FAILURE_INVALID_SPEC, "/containers/0/root/overlay: ",
                "readonly");
        refuse(ROOT("\"layer\": \"x\", \"overlay\": \"persistent\", \"overlaySize\": 65536"), FAILURE_INVALID_SPEC,
                "/containers/0/root/overlaySize: ", "tmpfs");
        refuse(ROOT("\"path\": \"/r\", \"overlay\": \"persistent\""), FAILURE_INVALID_SPEC, "/containers/0/root/overlay: ", "read-write layer");
        refuse("{\"ociVersion\": \"1.0.2\", \"root\": {\"layer\": \"x\"}}", FAILURE_INVALID_SPEC, "/root/path: ", "missing");
}
END_TEST

static const struct wanted_mount *root_of(const char *text, const struct wanted_facts *with, struct wanted **wanted) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        ck_assert_msg(compile(text, with, wanted, &f) == 0, "%s", f.text);
        return (*wanted)->mounts;
}

START_TEST(test_more) {
        _cleanup_(wanted_freep) struct wanted *labelled = NULL, *own = NULL, *given = NULL, *same = NULL, *unknown = NULL;
        const struct wanted_facts any = {.caller_is_root = true, .tmpfs_size = 1 << 20, .any_layer = true};
        const struct wanted_mount *w = root_of(ROOT("\"layer\": \"ro\""), &facts, &labelled);

        ck_assert_uint_eq(w->layer, 3);
        ck_assert_str_eq(w->data[0].name, "context");
        ck_assert_str_eq(w->data[0].value, "x:y");
        w = root_of(ROOT("\"layer\": \"mapped\""), &facts, &own);
        ck_assert(w->idmap.given && w->idmap.uids[0].host_id == 500);
        w = root_of(ROOT("\"layer\": \"mapped\"" MAPS("500")), &facts, &same);
        ck_assert(w->idmap.given && w->idmap.n_uids == 1);
        w = root_of(ROOT("\"layer\": \"ro\"" MAPS("700")), &facts, &given);
        ck_assert(w->idmap.given && w->idmap.gids[0].host_id == 700 && !w->idmap.recursive);
        w = root_of(ROOT("\"layer\": \"whichever\""), &any, &unknown);
        ck_assert_str_eq(w->source.text, "whichever");
        ck_assert_str_eq(source_prefix(w->source.kind), "layer:");
        ck_assert(w->attr_set & MOUNT_ATTR_RDONLY);
}
END_TEST

UNIT_MAIN("layer", test_kinds, test_contradictions, test_shape, test_more)
