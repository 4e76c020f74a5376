/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Attributes, propagation and flags: order, recursion, and who gets what. */

#include "tests/unit/spec/spec-cases.h"

enum {
        RO = MOUNT_ATTR_RDONLY,
        NOSUID = MOUNT_ATTR_NOSUID,
        NODEV = MOUNT_ATTR_NODEV,
        NOEXEC = MOUNT_ATTR_NOEXEC,
        NOATIME = MOUNT_ATTR_NOATIME,
        STRICT = MOUNT_ATTR_STRICTATIME,
        ATIME = MOUNT_ATTR__ATIME,
        NODIR = MOUNT_ATTR_NODIRATIME,
        NOSYM = MOUNT_ATTR_NOSYMFOLLOW,
        SAFE = NOSUID | NODEV,
};

struct attributes {
        const char *options; /* with ' and without brackets */
        uint64_t set, clear, set_below, clear_below;
};

static void check(const char *type, const struct attributes *a, const struct wanted_facts *facts) {
        _cleanup_(wanted_freep) struct wanted *wanted = NULL;
        _cleanup_free_ char *text = NULL;
        const struct wanted_mount *w;

        ck_assert_int_gt(asprintf(&text, "{'destination': '/a', 'type': '%s', 'source': '/s', 'options': [%s]}", type,
                                 a->options),
                0);
        wanted = want(text, facts);
        w = wanted->mounts;
        ck_assert_msg(w->attr_set == a->set && w->attr_clear == a->clear, "%s: set %#lx clear %#lx", text,
                (unsigned long) w->attr_set, (unsigned long) w->attr_clear);
        ck_assert_msg(w->attr_set_below == a->set_below && w->attr_clear_below == a->clear_below,
                "%s below: set %#lx clear %#lx", text, (unsigned long) w->attr_set_below,
                (unsigned long) w->attr_clear_below);
        ck_assert_int_eq(w->attr_recursive, (a->set_below | a->clear_below) != 0);
}

/* Root's clones keep what the source has, and get what is asked. */
START_TEST(test_root_clone) {
        static const struct attributes cases[] = {
                {""},
                {"'ro'", RO},
                {"'rw'", 0, RO},
                {"'ro', 'rw'", 0, RO},
                {"'rw', 'ro'", RO},
                {"'suid', 'dev', 'exec'", 0, SAFE | NOEXEC},
                {"'nosuid', 'nodev', 'noexec', 'nodiratime', 'nosymfollow'", SAFE | NOEXEC | NODIR | NOSYM},
                {"'noatime'", NOATIME, ATIME},
                {"'strictatime'", STRICT, ATIME},
                {"'relatime'", 0, ATIME},
                {"'noatime', 'atime'", 0, ATIME},
                {"'noatime', 'strictatime'", STRICT, ATIME},
                {"'strictatime', 'noatime'", NOATIME, ATIME},
                {"'strictatime', 'nostrictatime'", 0, ATIME},
                {"'noatime', 'nostrictatime'", NOATIME, ATIME},
                {"'noatime', 'norelatime'", NOATIME, ATIME},
                {"'norelatime'"},
                {"'defaults', 'silent', 'loud', 'nofail'"},
                {"'rro'", RO}, /* no mounts below a clone that is not recursive */
                {"'rbind', 'ro'", RO},
                {"'rbind', 'rro'", RO, 0, RO},
                {"'rbind', 'rro', 'exec'", RO, NOEXEC, RO},
                {"'rbind', 'rro', 'rw'", 0, RO, RO},
                {"'rbind', 'rro', 'rrw'", 0, RO, 0, RO},
                {"'rbind', 'ro', 'rrw'", 0, RO, 0, RO},
                {"'rbind', 'rnoatime', 'rnosuid', 'nodev'", NOATIME | SAFE, ATIME, NOATIME | NOSUID, ATIME},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check("bind", cases + i, &as_root);
}
END_TEST

/* What root makes anew has nosuid and nodev unless granted. */
START_TEST(test_root_fresh) {
        static const struct attributes cases[] = {
                {"", SAFE},
                {"'dev'", NOSUID, NODEV},
                {"'suid'", NODEV, NOSUID},
                {"'suid', 'dev'", 0, SAFE},
                {"'suid', 'nosuid'", SAFE},
                {"'rsuid'", NODEV, NOSUID},
                {"'ro', 'noexec'", SAFE | RO | NOEXEC},
                {"'strictatime'", SAFE | STRICT, ATIME},
                {"'rro'", SAFE | RO},
        };
        _cleanup_(wanted_freep) struct wanted *overlay =
                want("{'destination': '/a', 'type': 'overlay', 'options': ['lowerdir=/1:/2']}", &as_root);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check("tmpfs", cases + i, &as_root);
        ck_assert_uint_eq(overlay->mounts->attr_set, SAFE);
}
END_TEST

/* Everyone else's mounts have them always, and a clone is never looser than its source. */
START_TEST(test_user) {
        static const struct attributes clones[] = {
                {"", SAFE},
                {"'ro'", SAFE | RO},
                {"'rw', 'exec', 'symfollow', 'diratime'", SAFE},
                {"'ro', 'rw'", SAFE},
                {"'strictatime'", SAFE},
                {"'relatime'", SAFE},
                {"'noatime'", SAFE | NOATIME, ATIME},
                {"'suid', 'nosuid'", SAFE},
                {"'rbind'", SAFE, 0, SAFE},
                {"'rbind', 'ro'", SAFE | RO, 0, SAFE},
                {"'rbind', 'rro', 'rnoexec', 'rnoatime'", SAFE | RO | NOEXEC | NOATIME, ATIME,
                        SAFE | RO | NOEXEC | NOATIME, ATIME},
                {"'rbind', 'rrw', 'rexec'", SAFE, 0, SAFE},
        };
        static const struct attributes fresh[] = {
                {"", SAFE},
                {"'exec', 'rw'", SAFE, NOEXEC | RO},
                {"'strictatime'", SAFE | STRICT, ATIME},
        };
        static const char *const refused[] = {"suid", "dev", "rsuid", "rdev"};

        for (size_t i = 0; i < ELEMENTSOF(clones); i++)
                check("bind", clones + i, &as_user);
        for (size_t i = 0; i < ELEMENTSOF(fresh); i++)
                check("tmpfs", fresh + i, &as_user);
        for (size_t i = 0; i < ELEMENTSOF(refused); i++) {
                _cleanup_free_ char *bind = NULL, *tmpfs = NULL;

                ck_assert_int_gt(
                        asprintf(&bind, "{'destination': '/a', 'type': 'rbind', 'source': '/s', 'options': ['%s']}",
                                refused[i]),
                        0);
                ck_assert_int_gt(
                        asprintf(&tmpfs, "{'destination': '/a', 'type': 'tmpfs', 'options': ['%s']}", refused[i]), 0);
                refuse_mount(bind, &as_user, FAILURE_ACCESS_DENIED, "/options: option ", "is for root");
                refuse_mount(tmpfs, &as_user, FAILURE_ACCESS_DENIED, "/options: option ", "is for root");
        }
}
END_TEST

START_TEST(test_user_root) {
        _cleanup_(spec_freep) struct spec *spec =
                parse("{\"ociVersion\": \"1.0\", \"root\": {\"path\": \"/r\", \"readonly\": true}}");
        _cleanup_(wanted_freep) struct wanted *wanted = NULL;
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        ck_assert_int_eq(wanted_from_spec(spec, &as_user, &wanted, &f), 0);
        ck_assert_uint_eq(wanted->mounts->attr_set, SAFE | RO);
        ck_assert_uint_eq(wanted->mounts->attr_set_below, SAFE | RO);
        ck_assert_uint_eq(wanted->mounts->attr_clear, 0);
        ck_assert_str_eq(wanted->mounts->pointer, "/root");
}
END_TEST

START_TEST(test_propagation) {
        static const struct {
                const char *options;
                uint64_t propagation;
                bool recursive;
        } cases[] = {
                {"", MS_SHARED, false},
                {"'rbind'", MS_SHARED, true},
                {"'rbind', 'rprivate'", MS_PRIVATE, true},
                {"'rbind', 'slave'", MS_SLAVE, false},
                {"'rslave', 'unbindable'", MS_UNBINDABLE, false},
                {"'private', 'rshared'", MS_SHARED, true},
        };
        struct wanted_facts facts = as_root;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(wanted_freep) struct wanted *wanted = NULL;
                _cleanup_free_ char *text = NULL;

                ck_assert_int_gt(
                        asprintf(&text, "{'destination': '/a', 'type': 'bind', 'source': '/s', 'options': [%s]}",
                                cases[i].options),
                        0);
                wanted = want(text, &as_root);
                ck_assert_uint_eq(wanted->mounts->propagation, cases[i].propagation);
                ck_assert_int_eq(wanted->mounts->propagation_recursive, cases[i].recursive);
        }
        facts.propagation_private = true;
        {
                _cleanup_(wanted_freep) struct wanted *none =
                        want("{'destination': '/a', 'type': 'rbind', 'source': '/s'}", &facts);
                _cleanup_(wanted_freep) struct wanted *asked =
                        want("{'destination': '/a', 'type': 'tmpfs', 'options': ['shared']}", &facts);

                ck_assert_uint_eq(none->mounts->propagation, MS_PRIVATE);
                ck_assert(none->mounts->propagation_recursive);
                ck_assert_uint_eq(asked->mounts->propagation, MS_SHARED);
        }
}
END_TEST

/* Flags of the file system go to fsconfig(2), and not to a clone's. */
START_TEST(test_superblock) {
        _cleanup_(wanted_freep) struct wanted *tmpfs = want(
                "{'destination': '/a', 'type': 'tmpfs', 'options': "
                "['sync', 'lazytime', 'async', 'dirsync', 'dirsync', 'nomand', 'size=1m', 'iversion', 'noiversion']}",
                &as_root);
        _cleanup_(wanted_freep) struct wanted *bind =
                want("{'destination': '/a', 'type': 'bind', 'source': '/s', 'options': "
                     "['sync', 'async', 'nolazytime']}",
                        &as_root);

        ck_assert_uint_eq(tmpfs->mounts->n_data, 3);
        ck_assert_str_eq(tmpfs->mounts->data[0].name, "lazytime");
        ck_assert_ptr_null(tmpfs->mounts->data[0].value);
        ck_assert_str_eq(tmpfs->mounts->data[1].name, "dirsync");
        ck_assert_uint_eq(strv_length(tmpfs->warnings), 1);
        ck_assert_ptr_nonnull(strstr(tmpfs->warnings[0], "iversion"));
        ck_assert_uint_eq(bind->mounts->n_data, 0);
        ck_assert_uint_eq(strv_length(bind->warnings), 1);
        ck_assert_ptr_nonnull(strstr(bind->warnings[0], "option sync is not applied"));
}
END_TEST

static void check_words(const char *quoted, const struct wanted_facts *facts, const char *words) {
        _cleanup_(wanted_freep) struct wanted *wanted = want(quoted, facts);
        _cleanup_free_ char *joined = strv_join(wanted->mounts->options, ",");

        ck_assert_str_eq(joined, words);
}

START_TEST(test_words) {
        check_words("{'destination': '/a', 'type': 'rbind', 'source': '/s', 'options': ['rro', 'rexec']}", &as_root,
                "rbind,rro,rexec,rshared");
        check_words("{'destination': '/a', 'type': 'bind', 'source': '/s'}", &as_root, "bind,shared");
        check_words("{'destination': '/a', 'type': 'bind', 'source': '/s', 'options': ['rw', 'noatime']}", &as_root,
                "bind,rw,noatime,shared");
        check_words("{'destination': '/a', 'type': 'rbind', 'source': '/s', 'options': ['rro', 'exec']}", &as_root,
                "rbind,ro,exec,rro,rshared");
        check_words("{'destination': '/a', 'type': 'rbind', 'source': '/s', 'options': ['ro', 'rslave']}", &as_user,
                "rbind,ro,nosuid,nodev,rnosuid,rnodev,rslave");
        check_words("{'destination': '/a', 'type': 'tmpfs', 'options': ['mode=755', 'unbindable', 'relatime']}",
                &as_user, "nosuid,nodev,relatime,unbindable,mode=755,size=67108864");
        check_words("{'destination': '/a', 'type': 'overlay', 'options': ['lowerdir=/1:fd:2', 'workdir=/w', "
                    "'upperdir=/u']}",
                &as_root, "nosuid,nodev,shared,lowerdir+=/1,lowerdir+=fd:2,upperdir=/u,workdir=/w");
}
END_TEST

UNIT_MAIN("attributes", test_root_clone, test_root_fresh, test_user, test_user_root, test_propagation, test_superblock,
        test_words)
