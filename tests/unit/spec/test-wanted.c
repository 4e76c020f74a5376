/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Compilation: which mounts a document comes to, and what each type needs. */

#include <inttypes.h>

#include "tests/unit/spec/spec-cases.h"

static const struct data_option *find_data(const struct wanted_mount *w, const char *name) {
        for (size_t i = 0; i < w->n_data; i++)
                if (strcmp(w->data[i].name, name) == 0)
                        return w->data + i;
        return NULL;
}

START_TEST(test_order) {
        _cleanup_(spec_freep) struct spec *spec =
                parse("{\"podmount\": 1, \"mandatoryMounts\": false, \"containers\": ["
                      "{\"name\": \"a\", \"root\": {\"path\": \"/r\", \"readonly\": true, \"overlay\": \"tmpfs\"}, "
                      "\"mounts\": ["
                      "{\"destination\": \"/z\", \"type\": \"tmpfs\"}, {\"destination\": \"/b\", \"type\": \"bind\", "
                      "\"source\": \"/s\"}]}, "
                      "{\"name\": \"b\", \"root\": {\"path\": \"fd:r\"}}]}");
        _cleanup_(wanted_freep) struct wanted *wanted = NULL;
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        const struct wanted_mount *w;

        ck_assert_int_eq(wanted_from_spec(spec, &as_root, &wanted, &f), 0);
        ck_assert_uint_eq(strv_length(wanted->containers), 2);
        ck_assert_str_eq(wanted->containers[1], "b");
        ck_assert_uint_eq(wanted->n_mounts, 4);
        w = wanted->mounts;
        ck_assert_int_eq(w[0].kind, WANTED_ROOT);
        ck_assert_str_eq(w[0].target, "/");
        ck_assert_str_eq(w[0].pointer, "/containers/0/root");
        ck_assert_str_eq(w[0].type, "bind");
        ck_assert_ptr_null(w[0].request);
        ck_assert(w[0].recursive && w[0].attr_recursive);
        ck_assert_uint_eq(w[0].attr_set, MOUNT_ATTR_RDONLY);
        ck_assert_uint_eq(w[0].attr_set_below, MOUNT_ATTR_RDONLY);
        ck_assert_int_eq(w[0].overlay, SPEC_OVERLAY_TMPFS);
        ck_assert_uint_eq(w[0].overlay_size, as_root.tmpfs_size);
        ck_assert_str_eq(w[1].target, "/z");
        ck_assert_str_eq(w[2].target, "/b");
        ck_assert_str_eq(w[2].pointer, "/containers/0/mounts/1");
        ck_assert_int_eq(w[3].kind, WANTED_ROOT);
        ck_assert_uint_eq(w[3].container, 1);
        ck_assert_int_eq(w[3].source.kind, SOURCE_FD);
        ck_assert_str_eq(w[3].source.text, "r");
        ck_assert_uint_eq(w[3].attr_set, 0);
        ck_assert(!w[3].attr_recursive);
        ck_assert_uint_eq(w[3].overlay_size, 0);
}
END_TEST

START_TEST(test_bind) {
        _cleanup_(wanted_freep) struct wanted *plain =
                want("{'destination': '/a', 'type': 'bind', 'source': '/s//x/'}", &as_root);
        _cleanup_(wanted_freep) struct wanted *type =
                want("{'destination': '/a', 'type': 'rbind', 'source': 'fd:x'}", &as_root);
        _cleanup_(wanted_freep) struct wanted *option = want("{'destination': '/a', 'type': 'none', 'source': '/s', "
                                                             "'options': ['bind', 'rbind']}",
                &as_root);
        _cleanup_(wanted_freep) struct wanted *untyped =
                want("{'destination': '/a', 'source': '/s', 'options': ['bind']}", &as_root);
        _cleanup_(wanted_freep) struct wanted *other = want("{'destination': '/a', 'type': 'tmpfs', 'source': '/s', "
                                                            "'options': ['rbind']}",
                &as_root);

        ck_assert_int_eq(plain->mounts->kind, WANTED_BIND);
        ck_assert_int_eq(plain->mounts->source.kind, SOURCE_PATH);
        ck_assert_str_eq(plain->mounts->source.text, "/s/x");
        ck_assert(!plain->mounts->recursive);
        ck_assert(!plain->mounts->propagation_recursive);
        ck_assert_str_eq(plain->mounts->request, "{\"destination\":\"/a\",\"source\":\"/s//x/\",\"type\":\"bind\"}");
        ck_assert(type->mounts->recursive);
        ck_assert(type->mounts->propagation_recursive);
        ck_assert_int_eq(type->mounts->source.kind, SOURCE_FD);
        ck_assert(option->mounts->recursive);
        ck_assert_str_eq(option->mounts->type, "bind");
        ck_assert(!untyped->mounts->recursive);
        ck_assert_int_eq(other->mounts->kind, WANTED_BIND);
        ck_assert(other->mounts->recursive);
}
END_TEST

static const struct {
        const char *mount;
        enum failure_kind kind;
        const char *begin, *more;
} refused_cases[] = {
        {"{'destination': '/a'}", FAILURE_INVALID_SPEC, "/type: ", "neither"},
        {"{'destination': '/a'}", FAILURE_INVALID_SPEC, "/type: ", "neither"},
        {"{'destination': '/a', 'type': 'erofs'}", FAILURE_INVALID_SPEC, "/source: ", "image"},
        {"{'destination': '/a', 'type': 'erofs', 'source': 'x'}", FAILURE_INVALID_SPEC, "/source: ", "relative"},
        {"{'destination': '/a', 'type': 'squashfs', 'source': '/x', 'options': ['rw']}", FAILURE_INVALID_OPTION,
                "/options: ", "cannot be written to"},
        {"{'destination': '/a', 'type': 'fuse'}", FAILURE_INVALID_OPTION, "/options: ", "fd=fd:NAME"},
        {"{'destination': '/a', 'type': 'fuse', 'options': ['fd=3']}", FAILURE_INVALID_OPTION, "/options/0: ",
                "is not fd:NAME"},
        {"{'destination': '/a', 'type': 'fuse.', 'options': ['fd=fd:x']}", FAILURE_INVALID_SPEC, "/type: ",
                "after fuse."},
        {"{'destination': '/a', 'type': '9p', 'options': ['rfdno=fd:x', 'wfdno=fd:x']}", FAILURE_INVALID_OPTION,
                "/options: ", "trans=fd"},
        {"{'destination': '/a', 'type': '9p', 'options': ['trans=tcp']}", FAILURE_INVALID_OPTION, "/options/0: ",
                "trans"},
        {"{'destination': '/a', 'type': 'xfs', 'source': '/dev/sda'}", FAILURE_NOT_SUPPORTED,
                "/type: ", "tmpfs, devpts, proc"},
        {"{'destination': '/a', 'type': 'bind'}", FAILURE_INVALID_SPEC, "/source: ", "missing"},
        {"{'destination': '/a', 'type': 'bind', 'source': 's'}", FAILURE_INVALID_SPEC, "/source: ", "relative"},
        {"{'destination': '/a', 'type': 'bind', 'source': '/s/../t'}", FAILURE_INVALID_SPEC,
                "/source: ", "\"..\""},
        {"{'destination': '/a', 'type': 'bind', 'source': 'fd:/'}", FAILURE_INVALID_SPEC,
                "/source: ", "names no fd"},
        {"{'destination': '/a', 'type': 'tmpfs', 'source': 'fd:x'}", FAILURE_INVALID_SPEC,
                "/source: ", "takes no fd"},
        {"{'destination': '/proc', 'type': 'tmpfs'}", FAILURE_INVALID_TARGET, "/destination: ", "type proc"},
        {"{'destination': '/a', 'type': 'tmpfs', 'options': ['foo']}", FAILURE_INVALID_OPTION,
                "/options/0: ", "option foo of type tmpfs"},
        {"{'destination': '/a', 'type': 'tmpfs', 'options': ['ro', 'foo=1']}", FAILURE_INVALID_OPTION,
                "/options/1: ", "podmount-spec(5)"},
        {"{'destination': '/a', 'type': 'bind', 'source': '/s', 'options': ['size=1']}", FAILURE_INVALID_OPTION,
                "/options/0: ", "of a bind"},
        {"{'destination': '/a', 'type': 'tmpfs', 'options': ['ro=1']}", FAILURE_INVALID_OPTION,
                "/options/0: ", "takes no value"},
        {"{'destination': '/a', 'type': 'tmpfs', 'options': ['ro,nosuid']}", FAILURE_INVALID_OPTION,
                "/options/0: ", "unknown"},
        {"{'destination': '/a', 'type': 'tmpfs', 'options': ['size=lots']}", FAILURE_INVALID_OPTION,
                "/options/0: ", "64m"},
        {"{'destination': '/a', 'type': 'cgroup', 'options': ['release_agent=/bin/sh']}",
                FAILURE_INVALID_OPTION, "/options/0: ", "unknown"},
        {"{'destination': '/a', 'type': 'tmpfs', 'options': ['remount']}", FAILURE_INVALID_OPTION,
                "/options/0: ", "nothing yet"},
        {"{'destination': '/a', 'type': 'tmpfs', 'options': ['idmap']}", FAILURE_INVALID_OPTION,
                "/options/0: ", "only binds"},
        {"{'destination': '/a', 'type': 'tmpfs', 'options': ['src-nofollow']}", FAILURE_INVALID_OPTION,
                "/options/0: ", "only a bind"},
        {"{'destination': '/a', 'type': 'bind', 'source': '/s', 'options': ['tmpcopyup']}",
                FAILURE_INVALID_OPTION, "/options/0: ", "only a tmpfs"},
        {"{'destination': '/a', 'type': 'overlay', 'options': ['lowerdir=/a:/b', 'volatile']}",
                FAILURE_INVALID_OPTION, "/options: ", "volatile without upperdir"},
        {"{'destination': '/a', 'type': 'cgroup', 'options': ['none']}", FAILURE_INVALID_OPTION, "/options: ",
                "none without name"},
        {"{'destination': '/a', 'type': 'cgroup', 'options': ['all', 'none', 'name=x']}",
                FAILURE_INVALID_OPTION, "/options: ", "all contradicts none"},
        {"{'destination': '/a', 'type': 'bind', 'source': '/s', 'options': ['idmap']}", FAILURE_INVALID_OPTION,
                "/options: ", "no mapping"},
        {"{'destination': '/a', 'type': 'bind', 'source': '/s', 'options': ['ridmap']}", FAILURE_INVALID_OPTION,
                "/options: ", "no mapping"},
        {"{'destination': '/a', 'type': 'overlay'}", FAILURE_INVALID_SPEC, "/options: ", "lowerdir="},
        {"{'destination': '/a', 'type': 'overlay', 'options': ['lowerdir=/l:/m:/l']}", FAILURE_INVALID_SPEC,
                "/options: ", "\"/l\" is named as a layer twice"},
        {"{'destination': '/a', 'type': 'overlay', 'options': ['lowerdir=fd:x:fd:x']}", FAILURE_INVALID_SPEC,
                "/options: ", "fd:x"},
        {"{'destination': '/a', 'type': 'overlay', 'options': ['lowerdir=/l:/m', 'upperdir=/m/u', 'workdir=/w']}",
                FAILURE_INVALID_SPEC, "/options: ", "lie one in the other"},
        {"{'destination': '/a', 'type': 'overlay', 'options': ['lowerdir=/l']}", FAILURE_INVALID_OPTION,
                "/options: ", "two lower"},
        {"{'destination': '/a', 'type': 'overlay', 'options': ['lowerdir=/l', 'upperdir=/u']}",
                FAILURE_INVALID_OPTION, "/options: ", "go together"},
        {"{'destination': '/a', 'type': 'overlay', 'options': ['lowerdir=l']}", FAILURE_INVALID_OPTION,
                "/options/0: ", "relative"},
};

START_TEST(test_refused) {
        for (size_t i = 0; i < ELEMENTSOF(refused_cases); i++) {
                refuse_mount(refused_cases[i].mount, &as_root, refused_cases[i].kind, refused_cases[i].begin, refused_cases[i].more);
                refuse_mount(refused_cases[i].mount, &as_user, refused_cases[i].kind, refused_cases[i].begin, refused_cases[i].more);
        }
}
END_TEST

START_TEST(test_tmpfs) {
        _cleanup_(wanted_freep) struct wanted *plain =
                want("{'destination': '/a', 'type': 'tmpfs', 'source': 'label'}", &as_user);
        _cleanup_(wanted_freep) struct wanted *sized = want("{'destination': '/a', 'type': 'tmpfs', 'options': "
                                                            "['size=1m', 'mode=755', 'size=2m']}",
                &as_user);
        _cleanup_(wanted_freep) struct wanted *blocks =
                want("{'destination': '/a', 'type': 'tmpfs', 'options': ['nr_blocks=9']}", &as_user);

        ck_assert_int_eq(plain->mounts->kind, WANTED_FILESYSTEM);
        ck_assert_int_eq(plain->mounts->source.kind, SOURCE_NONE);
        ck_assert_str_eq(plain->mounts->source.text, "label");
        ck_assert_uint_eq(plain->mounts->n_data, 1);
        ck_assert_str_eq(find_data(plain->mounts, "size")->value, "67108864");
        ck_assert_uint_eq(sized->mounts->n_data, 2);
        ck_assert_str_eq(sized->mounts->data[0].name, "mode");
        ck_assert_str_eq(sized->mounts->data[1].value, "2m");
        ck_assert_uint_eq(blocks->mounts->n_data, 1);

        refuse_mount("{'destination': '/a', 'type': 'tmpfs', 'options': ['size=00k']}", &as_user, FAILURE_ACCESS_DENIED,
                "", "size=00k");
        refuse_mount("{'destination': '/a', 'type': 'tmpfs', 'options': ['nr_inodes=0']}", &as_user,
                FAILURE_ACCESS_DENIED, "", "root");
        wanted_free(want("{'destination': '/a', 'type': 'tmpfs', 'options': ['size=0', 'nr_inodes=0']}", &as_root));
        wanted_free(want("{'destination': '/a', 'type': 'tmpfs', 'options': ['size=010', 'nr_inodes=10']}", &as_user));
}
END_TEST

START_TEST(test_devpts) {
        _cleanup_(wanted_freep) struct wanted *plain =
                want("{'destination': '/dev/pts', 'type': 'devpts', 'options': ['gid=5']}", &as_user);
        _cleanup_(wanted_freep) struct wanted *given = want("{'destination': '/dev/pts', 'type': 'devpts', 'options': "
                                                            "['newinstance', 'nodev']}",
                &as_user);

        ck_assert_ptr_nonnull(find_data(plain->mounts, "newinstance"));
        ck_assert_uint_eq(plain->mounts->attr_set, MOUNT_ATTR_NOSUID);
        ck_assert(!plain->mounts->deferred);
        ck_assert_uint_eq(given->mounts->n_data, 1);
        ck_assert_uint_eq(given->mounts->attr_set, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
        wanted_free(want("{'destination': '/dev/pts', 'type': 'devpts', 'options': ['dev']}", &as_user));
}
END_TEST

START_TEST(test_overlay) {
        _cleanup_(wanted_freep) struct wanted *wanted =
                want("{'destination': '/a', 'type': 'overlay', 'source': 'overlay', 'options': ["
                     "'lowerdir=/old', 'upperdir=fd:u', 'xino=off', 'lowerdir=/a\\\\:b/:fd:l', 'lowerdir+=/c:d', "
                     "'workdir=/w', 'volatile']}",
                        &as_root);
        _cleanup_(wanted_freep) struct wanted *read_only =
                want("{'destination': '/a', 'type': 'overlay', 'options': ['lowerdir=/1:/2']}", &as_user);
        const struct wanted_mount *w = wanted->mounts;

        ck_assert_int_eq(w->kind, WANTED_OVERLAY);
        ck_assert_str_eq(w->type, "overlay");
        ck_assert_uint_eq(w->n_lower, 3);
        ck_assert_str_eq(w->lower[0].text, "/a:b");
        ck_assert_int_eq(w->lower[1].kind, SOURCE_FD);
        ck_assert_str_eq(w->lower[1].text, "l");
        ck_assert_str_eq(w->lower[2].text, "/c:d");
        ck_assert_int_eq(w->upper.kind, SOURCE_FD);
        ck_assert_str_eq(w->work.text, "/w");
        ck_assert_uint_eq(w->n_data, 2);
        ck_assert_str_eq(find_data(w, "xino")->value, "off");
        ck_assert_ptr_null(find_data(w, "volatile")->value);
        ck_assert_int_eq(read_only->mounts->upper.kind, SOURCE_NONE);

        refuse_mount("{'destination': '/a', 'type': 'overlay', 'options': ['lowerdir=/1:/2', 'metacopy=on']}", &as_user,
                FAILURE_ACCESS_DENIED, "/options/1: ", "for root");
        refuse_mount("{'destination': '/a', 'type': 'overlay', 'options': ['userxattr', 'lowerdir=/1:/2']}", &as_user,
                FAILURE_ACCESS_DENIED, "/options/0: ", "for root");
        wanted_free(want(
                "{'destination': '/a', 'type': 'overlay', 'options': ['lowerdir=/1:/2', 'metacopy=on', 'index=off']}",
                &as_root));
}
END_TEST

START_TEST(test_namespaces) {
        static const struct {
                const char *mount;
                enum wanted_namespace name_space;
        } cases[] = {
                {"{'destination': '/proc', 'type': 'proc'}", WANTED_NAMESPACE_PID},
                {"{'destination': '/sys', 'type': 'sysfs'}", WANTED_NAMESPACE_NET},
                {"{'destination': '/dev/mqueue', 'type': 'mqueue'}", WANTED_NAMESPACE_IPC},
                {"{'destination': '/sys/fs/cgroup', 'type': 'cgroup2'}", WANTED_NAMESPACE_CGROUP},
                {"{'destination': '/sys/fs/cgroup', 'type': 'cgroup'}", WANTED_NAMESPACE_CGROUP},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(wanted_freep) struct wanted *root = want(cases[i].mount, &as_root);
                _cleanup_(wanted_freep) struct wanted *user = want(cases[i].mount, &as_user);

                ck_assert_int_eq(root->mounts->name_space, cases[i].name_space);
                ck_assert(!root->mounts->deferred);
                ck_assert_uint_eq(strv_length(root->warnings), 1);
                ck_assert_ptr_nonnull(strstr(root->warnings[0], "shows the host's"));
                ck_assert_int_eq(user->mounts->name_space, cases[i].name_space);
                ck_assert(user->mounts->deferred);
                ck_assert_int_eq(user->mounts->kind, WANTED_FILESYSTEM);
                ck_assert_uint_eq(strv_length(user->warnings), 1);
                ck_assert_ptr_nonnull(strstr(user->warnings[0], "deferred"));
        }
}
END_TEST

START_TEST(test_cgroup) {
        struct wanted_facts hybrid = as_root;
        const uint64_t granted = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV; /* unless it is asked for less */
        static const char cgroup[] =
                "{'destination': '/sys/fs/cgroup', 'type': 'cgroup', 'options': ['ro', 'noatime']}";
        static const char cgroup2[] = "{'destination': '/sys/fs/cgroup', 'type': 'cgroup2'}";
        _cleanup_(wanted_freep) struct wanted *one = NULL, *two = NULL, *three = NULL, *four = NULL, *five = NULL,
                                              *six = NULL;

        hybrid.cgroup = WANTED_CGROUP_HYBRID;
        one = want(cgroup, &as_root);
        ck_assert_int_eq(one->mounts->kind, WANTED_BIND);
        ck_assert_str_eq(one->mounts->source.text, "/sys/fs/cgroup");
        ck_assert(!one->mounts->recursive && !one->mounts->attr_recursive);
        ck_assert_uint_eq(one->mounts->attr_set, granted | MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME);

        two = want(cgroup, &hybrid);
        ck_assert_str_eq(two->mounts->source.text, "/sys/fs/cgroup");
        ck_assert(two->mounts->recursive && two->mounts->attr_recursive);
        ck_assert_uint_eq(two->mounts->attr_set_below, granted | MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME);
        ck_assert_uint_eq(two->mounts->attr_clear_below, MOUNT_ATTR__ATIME);

        three = want(cgroup2, &as_root);
        ck_assert_str_eq(three->mounts->source.text, "/sys/fs/cgroup");
        ck_assert_uint_eq(three->mounts->attr_set, granted);
        four = want(cgroup2, &hybrid);
        ck_assert_int_eq(four->mounts->kind, WANTED_BIND);
        ck_assert_str_eq(four->mounts->source.text, "/sys/fs/cgroup/unified");

        /* With options of its own it is made anew, and what that does to the host is told. */
        five = want("{'destination': '/sys/fs/cgroup', 'type': 'cgroup2', 'options': ['nsdelegate']}", &as_root);
        ck_assert_int_eq(five->mounts->kind, WANTED_FILESYSTEM);
        ck_assert_uint_eq(strv_length(five->warnings), 2);
        six = want(
                "{'destination': '/sys/fs/cgroup/memory', 'type': 'cgroup', 'options': ['memory', 'nosuid']}", &hybrid);
        ck_assert_int_eq(six->mounts->kind, WANTED_FILESYSTEM);
        ck_assert_str_eq(six->mounts->type, "cgroup");
        ck_assert_str_eq(six->mounts->data[0].name, "memory");
}
END_TEST

/* A label is one option with its commas, whether or not it came in quotes; of options for one thing the last holds. */
START_TEST(test_labels_and_groups) {
        static const char label[] = "system_u:object_r:container_file_t:s0:c1,c2";
        _cleanup_(wanted_freep) struct wanted *plain =
                want("{'destination': '/a', 'type': 'tmpfs', 'options': "
                     "['context=system_u:object_r:container_file_t:s0:c1,c2', 'size=1m', 'nr_blocks=4', 'inode32', "
                     "'inode64']}",
                        &as_root);
        _cleanup_(wanted_freep) struct wanted *quoted =
                want("{'destination': '/a', 'type': 'tmpfs', 'options': "
                     "['context=\\'system_u:object_r:container_file_t:s0:c1,c2\\'']}",
                        &as_root);

        ck_assert_str_eq(find_data(plain->mounts, "context")->value, label);
        ck_assert_str_eq(find_data(quoted->mounts, "context")->value, label);
        ck_assert_ptr_null(find_data(plain->mounts, "size"));
        ck_assert_str_eq(find_data(plain->mounts, "nr_blocks")->value, "4");
        ck_assert_ptr_null(find_data(plain->mounts, "inode32"));
        ck_assert_ptr_nonnull(find_data(plain->mounts, "inode64"));
        refuse_mount("{'destination': '/a', 'type': 'tmpfs', 'options': ['context=a']}", &as_user,
                FAILURE_ACCESS_DENIED, "/options/0: ", "root");
        refuse_mount("{'destination': '/a', 'type': 'bind', 'source': '/s', 'options': ['context=a']}", &as_root,
                FAILURE_INVALID_OPTION, "/options/0: ", "label the source");
        refuse_mount("{'destination': '/a', 'type': 'tmpfs', 'options': ['context=a', 'fscontext=b']}", &as_root,
                FAILURE_INVALID_OPTION, "/options: ", "context contradicts fscontext");
}
END_TEST

static char *replace(const char *form, const char *mounts) {
        const char *place = strstr(form, "%s");
        char *text = NULL;

        ck_assert_ptr_nonnull(place);
        ck_assert_int_gt(asprintf(&text, "%.*s%s%s", (int) (place - form), form, mounts, place + 2), 0);
        return text;
}

/* What is unknown is left out of a lenient spec and told; what is known and wrong is refused all the same. */
START_TEST(test_lenient) {
        static const char *const forms[] = {
                "{\"podmount\": 1, \"mandatoryMounts\": false, \"lenient\": true, "
                "\"containers\": [{\"name\": \"main\", \"root\": {\"path\": \"/r\"},"
                "\"mounts\": [%s]}]}",
                "{\"ociVersion\": \"1.0.2\", \"mandatoryMounts\": false, \"lenient\": true, "
                "\"root\": {\"path\": \"/r\"}, \"mounts\": [%s]}",
        };
        static const char mounts[] =
                "{\"destination\": \"/a\", \"type\": \"nosuchfs\", \"options\": [\"x\"]},"
                "{\"destination\": \"/b\", \"type\": \"tmpfs\", \"options\": [\"foo\", \"ro\", \"bar=1\"]}";

        for (size_t i = 0; i < ELEMENTSOF(forms); i++) {
                _cleanup_failure_ struct failure f = FAILURE_INIT;
                _cleanup_(wanted_freep) struct wanted *wanted = NULL;
                _cleanup_(spec_freep) struct spec *spec = NULL;
                _cleanup_free_ char *text = NULL, *told = NULL;

                text = replace(forms[i], mounts);
                spec = parse(text);
                ck_assert_int_eq(wanted_from_spec(spec, &as_root, &wanted, &f), 0);
                ck_assert_uint_eq(wanted->n_mounts, 2);
                ck_assert_str_eq(wanted->mounts[1].target, "/b");
                ck_assert_uint_ne(wanted->mounts[1].attr_set & MOUNT_ATTR_RDONLY, 0);
                told = strv_join(wanted->warnings, "\n");
                ck_assert_ptr_nonnull(strstr(told, "nosuchfs"));
                ck_assert_ptr_nonnull(strstr(told, "option foo of type tmpfs is left out"));
                ck_assert_ptr_nonnull(strstr(told, "option bar=1"));
        }
}
END_TEST

/* What a tmpfs may take, as the kernel reads its options; and which mounts take any. */
START_TEST(test_tmpfs_bytes) {
        static const struct {
                const char *option;
                uint64_t bytes;
        } cases[] = {
                {"size=4096", 4096},
                {"size=64k", 64 << 10},
                {"size=3M", 3 << 20},
                {"size=1G", 1 << 30},
                {"size=25%", 250},
                {"nr_blocks=2", 8192},
                {"nr_blocks=1k", 4 << 20},
                {"size=16E", WANTED_TMPFS_MAX},
                {"size=99999999999999999999", WANTED_TMPFS_MAX},
                {"mode=0755", 500},
        };
        _cleanup_(wanted_freep) struct wanted *wanted = NULL;
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(spec_freep) struct spec *spec = NULL;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char *words[] = {(char *) (uintptr_t) "nosuid", (char *) (uintptr_t) cases[i].option, NULL};

                ck_assert_msg(wanted_tmpfs_of_words(words, 1000) == cases[i].bytes, "%s: %" PRIu64, cases[i].option, wanted_tmpfs_of_words(words, 1000));
        }
        spec = parse("{\"podmount\": 1, \"mandatoryMounts\": false, \"containers\": ["
                     "{\"name\": \"a\", \"root\": {\"path\": \"/r\", \"overlay\": \"all\", \"overlaySize\": 65536}, \"mounts\": ["
                     "{\"destination\": \"/t\", \"type\": \"tmpfs\"}, {\"destination\": \"/s\", \"type\": \"tmpfs\", \"options\": [\"size=1M\"]},"
                     "{\"destination\": \"/w\", \"type\": \"bind\", \"source\": \"/x\"},"
                     "{\"destination\": \"/o\", \"type\": \"bind\", \"source\": \"/x\", \"options\": [\"ro\"]}]},"
                     "{\"name\": \"b\", \"root\": {\"path\": \"/r\"}}]}");
        ck_assert_int_eq(wanted_from_spec(spec, &as_root, &wanted, &f), 0);
        ck_assert_uint_eq(wanted->n_mounts, 6);
        ck_assert_uint_eq(wanted_tmpfs(&wanted->mounts[0], 1000), 65536);
        ck_assert_uint_eq(wanted_tmpfs(&wanted->mounts[1], 1000), as_root.tmpfs_size);
        ck_assert_uint_eq(wanted_tmpfs(&wanted->mounts[2], 1000), 1 << 20);
        ck_assert_uint_eq(wanted_tmpfs(&wanted->mounts[3], 1000), 65536);
        ck_assert_uint_eq(wanted_tmpfs(&wanted->mounts[4], 1000), 0);
        ck_assert_uint_eq(wanted_tmpfs(&wanted->mounts[5], 1000), 0);
}
END_TEST

UNIT_MAIN("wanted", test_tmpfs_bytes, test_order, test_bind, test_refused, test_tmpfs, test_devpts, test_overlay, test_namespaces,
        test_cgroup, test_labels_and_groups, test_lenient)
