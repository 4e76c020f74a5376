/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a container has where its spec is silent, and the order in which its mounts are made. */

#include "tests/unit/spec/spec-cases.h"

/* A container with these mounts, written with ' for ", in the form that `format` says. */
static struct wanted *compile(const char *format, const char *mounts, const struct wanted_facts *facts) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(spec_freep) struct spec *spec = NULL;
        _cleanup_free_ char *text = NULL;
        struct wanted *wanted = NULL;
        const char *place = strchr(format, '%');
        int r;

        ck_assert_int_gt(asprintf(&text, "%.*s%s%s", (int) (place - format), format, mounts, place + 1), 0);
        for (char *p = text; (p = strchr(p, '\''));)
                *p = '"';
        spec = parse(text);
        r = wanted_from_spec(spec, facts, &wanted, &f);
        ck_assert_msg(r == 0, "%s: %s", text, f.text ? f.text : "");
        return wanted;
}

static const char oci[] = "{'ociVersion': '1.0.2', 'root': {'path': '/r'}, 'mounts': [%]}";
static const char own[] =
        "{'podmount': 1, 'containers': [{'name': 'a', 'root': {'path': '/r'}, 'mounts': [%]}]}";
static const char none[] = "{'podmount': 1, 'containers': [{'name': 'a', 'mandatoryMounts': false, "
                           "'root': {'path': '/r'}, 'mounts': [%]}]}";
static const char one[] = "{'podmount': 1, 'mandatoryMounts': false, 'containers': [{'name': 'a', "
                          "'mandatoryMounts': true, 'root': {'path': '/r'}, 'mounts': [%]}]}";

static void check_targets(const struct wanted *wanted, const char *expected) {
        _cleanup_strv_ char **targets = NULL;
        _cleanup_free_ char *text = NULL;

        for (size_t i = 0; i < wanted->n_mounts; i++)
                ck_assert_int_eq(strv_append(&targets, wanted->mounts[i].target), 0);
        text = strv_join(targets, " ");
        ck_assert_str_eq(text, expected);
}

static const struct {
        const char *format, *mounts, *targets;
} cases[] = {
        {oci, "", "/ /proc /sys /dev /dev/pts /dev/shm /dev/mqueue /tmp"},
        {own, "", "/ /proc /sys /dev /dev/pts /dev/shm /dev/mqueue /tmp"},
        {one, "", "/ /proc /sys /dev /dev/pts /dev/shm /dev/mqueue /tmp"},
        {none, "{'destination': '/a', 'type': 'tmpfs'}", "/ /a"},
        {own, "{'destination': '/a', 'type': 'tmpfs'}", "/ /proc /sys /dev /dev/pts /dev/shm /dev/mqueue /tmp /a"},
        {own, "{'destination': '//tmp/', 'type': 'tmpfs'}", "/ /proc /sys /dev /dev/pts /dev/shm /dev/mqueue /tmp"},
        /* a /dev of the spec's own: what is on it is the spec's, too, unless it is one that gets filled */
        {own, "{'destination': '/dev', 'type': 'bind', 'source': '/dev'}", "/ /proc /sys /tmp /dev"},
        {own, "{'destination': '/dev', 'type': 'tmpfs', 'options': ['rbind'], 'source': '/dev'}",
                "/ /proc /sys /tmp /dev"},
        {own, "{'destination': '/dev', 'type': 'tmpfs'}, {'destination': '/dev/shm', 'type': 'tmpfs'}",
                "/ /proc /sys /dev /dev/pts /dev/mqueue /tmp /dev/shm"},
        /* parents before children, else as given */
        {none, "{'destination': '/b/c/d', 'type': 'tmpfs'}, {'destination': '/a', 'type': 'tmpfs'}, "
               "{'destination': '/b/c', 'type': 'tmpfs'}, {'destination': '/bb', 'type': 'tmpfs'}, "
               "{'destination': '/b', 'type': 'tmpfs'}",
                "/ /b /b/c /b/c/d /a /bb"},
};

START_TEST(test_targets) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(wanted_freep) struct wanted *wanted = compile(cases[i].format, cases[i].mounts, &as_root);

                check_targets(wanted, cases[i].targets);
        }
}
END_TEST

START_TEST(test_mounts) {
        _cleanup_(wanted_freep) struct wanted *root = compile(own, "{'destination': '/a', 'type': 'tmpfs'}", &as_root),
                                              *user = compile(oci, "", &as_user);

        for (size_t i = 1; i < 8; i++) {
                ck_assert(root->mounts[i].mandatory);
                ck_assert_int_eq(root->mounts[i].kind, WANTED_FILESYSTEM);
                ck_assert_ptr_nonnull(root->mounts[i].request);
                ck_assert_str_eq(root->mounts[i].pointer, "/containers/0/mandatoryMounts");
                ck_assert_uint_ne(root->mounts[i].attr_set & MOUNT_ATTR_NOSUID, 0);
        }
        ck_assert(!root->mounts[0].mandatory && !root->mounts[8].mandatory);
        ck_assert(root->mounts[3].recursive);
        ck_assert_str_eq(root->mounts[3].type, "devtmpfs");
        ck_assert(strv_has(root->mounts[4].options, "ptmxmode=0666"));
        ck_assert(strv_has(root->mounts[5].options, "size=65536k"));
        ck_assert(strv_has(root->mounts[7].options, "size=67108864")); /* the configured one */
        ck_assert_uint_eq(strv_length(root->warnings), 3);
        ck_assert_ptr_nonnull(strstr(root->warnings[0], "shows the host's pid namespace"));
        for (size_t i = 1; i < 8; i++)
                ck_assert(user->mounts[i].deferred == (i == 1 || i == 2 || i == 6));
        ck_assert_str_eq(user->mounts[1].pointer, "/mandatoryMounts");
}
END_TEST

START_TEST(test_dev) {
        static const char tmpfs[] = "{'destination': '/dev', 'type': 'tmpfs', 'options': ['size=1m', 'mode=755', 'nosuid']}";
        _cleanup_(wanted_freep) struct wanted *filled = compile(own, tmpfs, &as_root), *plain = compile(none, tmpfs, &as_root),
                                              *copied = compile(own, "{'destination': '/dev', 'type': 'tmpfs', "
                                                                     "'options': ['tmpcopyup']}", &as_root);
        const struct wanted_mount *dev = &filled->mounts[3];

        ck_assert_str_eq(dev->target, "/dev");
        ck_assert_str_eq(dev->type, "devtmpfs");
        ck_assert(!dev->mandatory && dev->recursive);
        ck_assert(strv_has(dev->options, "size=1m"));
        ck_assert_ptr_nonnull(strstr(dev->request, "\"devtmpfs\"")); /* so that a repair makes the same */
        ck_assert_str_eq(plain->mounts[1].type, "tmpfs");
        ck_assert_str_eq(copied->mounts[3].type, "tmpfs");
}
END_TEST

START_TEST(test_warning) {
        _cleanup_(wanted_freep) struct wanted *wanted = compile(none,
                "{'destination': '/b/c', 'type': 'tmpfs'}, {'destination': '/b', 'type': 'tmpfs'}, "
                "{'destination': '/c', 'type': 'tmpfs'}", &as_root);

        check_targets(wanted, "/ /b /b/c /c");
        ck_assert_uint_eq(strv_length(wanted->warnings), 1);
        ck_assert_ptr_nonnull(strstr(wanted->warnings[0], "/containers/0/mounts/1: the mount at /b is made before"));
}
END_TEST

START_TEST(test_refused) {
        refuse("{\"podmount\": 1, \"mandatoryMounts\": 0, \"containers\": [{\"name\": \"a\", \"root\": {\"path\": \"/\"}}]}",
                FAILURE_INVALID_SPEC, "/mandatoryMounts: ", "true or false");
        refuse("{\"ociVersion\": \"1.0.2\", \"mandatoryMounts\": \"no\", \"root\": {\"path\": \"/r\"}}",
                FAILURE_INVALID_SPEC, "/mandatoryMounts: ", "true or false");
}
END_TEST

UNIT_MAIN("mandatory", test_targets, test_mounts, test_dev, test_warning, test_refused)
