/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* remount: what a recorded mount and the options of a remount come to. */

#include "tests/unit/spec/spec-cases.h"

static void read_one(const char *quoted, struct spec_mount **ret) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ char *text = strdup(quoted);
        size_t n = 0;

        for (char *p = text; (p = strchr(p, '\''));)
                *p = '"';
        ck_assert_msg(spec_parse_mounts(text, strlen(text), SIZE_MAX_OF_SPEC, ret, &n, &f) == 0, "%s", f.text);
        ck_assert_uint_eq(n, 1);
}

static int change(const char *there, const char *asked, const struct wanted_facts *facts, struct wanted **ret,
        struct failure *f) {
        struct spec_mount *before = NULL, *after = NULL;
        int r;

        read_one(there, &before);
        read_one(asked, &after);
        ck_assert(wanted_is_remount(after));
        ck_assert(!wanted_is_remount(before));
        r = wanted_from_remount("main", before, after, facts, ret, f);
        spec_mounts_free(before, 1);
        spec_mounts_free(after, 1);
        return r;
}

#define TMPFS(options) "{'destination': '/t', 'type': 'tmpfs', 'options': [" options "]}"
#define BIND(options) "{'destination': '/t', 'type': 'bind', 'source': '/s', 'options': ['rbind'" options "]}"
#define REMOUNT(options) "{'destination': '/t', 'options': ['remount'" options "]}"

/* What is sent to the file system, joined. */
static void check(const char *there, const char *asked, const struct wanted_facts *facts, uint64_t set, uint64_t clear,
        const char *data, const char *options) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(wanted_freep) struct wanted *wanted = NULL;
        const struct wanted_mount *w;
        char text[256] = "";
        int r = change(there, asked, facts, &wanted, &f);

        ck_assert_msg(r == 0, "%s: %s", asked, f.text);
        w = wanted->mounts;
        for (size_t i = 0; i < w->n_data; i++)
                (void) snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s=%s", i > 0 ? " " : "", w->data[i].name,
                        w->data[i].value ?: "");
        ck_assert_str_eq(text, data);
        ck_assert_uint_eq(w->attr_set & ~(uint64_t) (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV), set);
        ck_assert_uint_eq(w->attr_clear, clear);
        ck_assert_msg(strstr(w->request, options) != NULL, "no %s in %s", options, w->request);
        ck_assert_ptr_null(strstr(w->request, "remount"));
}

START_TEST(test_merged) {
        check(TMPFS("'size=1m', 'mode=700'"), REMOUNT(", 'ro'"), &as_root, MOUNT_ATTR_RDONLY, 0, "",
                "[\"size=1m\",\"mode=700\",\"ro\"]");
        check(TMPFS("'ro', 'size=1m'"), REMOUNT(", 'rw'"), &as_user, 0, MOUNT_ATTR_RDONLY, "", "[\"ro\",\"size=1m\",\"rw\"]");
        check(TMPFS("'ro', 'rw'"), REMOUNT(", 'ro'"), &as_user, MOUNT_ATTR_RDONLY, 0, "", "[\"rw\",\"ro\"]");
        check(TMPFS("'size=1m', 'nr_inodes=9'"), REMOUNT(", 'size=2m'"), &as_user, 0, 0, "size=2m",
                "[\"nr_inodes=9\",\"size=2m\"]");
        check(TMPFS("'size=1m'"), REMOUNT(", 'nr_blocks=7'"), &as_user, 0, 0, "nr_blocks=7", "\"nr_blocks=7\"");
        check(TMPFS("'sync'"), REMOUNT(", 'async'"), &as_user, 0, 0, "async=", "[\"sync\",\"async\"]");
        check(TMPFS("'async'"), REMOUNT(", 'rsync'"), &as_user, 0, 0, "sync=", "[\"async\",\"rsync\"]");
        check("{'destination': '/p', 'type': 'devpts', 'options': ['gid=5', 'newinstance']}", REMOUNT(", 'mode=600'"), &as_root,
                0, 0, "gid=5 mode=600", "mode=600");
        check("{'destination': '/p', 'type': 'devpts', 'options': ['gid=5']}", REMOUNT(", 'noexec'"), &as_root,
                MOUNT_ATTR_NOEXEC, 0, "", "noexec");
        check(BIND(", 'noexec'"), REMOUNT(", 'bind', 'ro', 'defaults'"), &as_user, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC, 0, "",
                "[\"rbind\",\"noexec\",\"ro\"]");
        check(BIND(", 'ro'"), REMOUNT(", 'rw'"), &as_root, 0, MOUNT_ATTR_RDONLY, "", "\"/s\"");
}
END_TEST

START_TEST(test_recursive) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(wanted_freep) struct wanted *wanted = NULL;

        ck_assert_int_eq(change(BIND(""), REMOUNT(", 'rro', 'rw'"), &as_root, &wanted, &f), 0);
        ck_assert(wanted->mounts->attr_recursive);
        ck_assert_uint_eq(wanted->mounts->attr_set_below, MOUNT_ATTR_RDONLY);
        ck_assert_uint_eq(wanted->mounts->attr_clear, MOUNT_ATTR_RDONLY);
}
END_TEST

START_TEST(test_refused) {
        static const struct {
                const char *there, *asked;
                const struct wanted_facts *facts;
                enum failure_kind kind;
                const char *begin, *more;
        } rows[] = {
                {TMPFS(""), REMOUNT(", 'mode=700'"), &as_root, FAILURE_INVALID_OPTION, "/options/1: ", "only when it is made"},
                {TMPFS(""), REMOUNT(", 'private'"), &as_root, FAILURE_INVALID_OPTION, "/options/1: ", "settled"},
                {TMPFS(""), REMOUNT(", 'size=x'"), &as_root, FAILURE_INVALID_OPTION, "/options/1: ", "64m"},
                {TMPFS(""), REMOUNT(", 'what'"), &as_root, FAILURE_INVALID_OPTION, "/options/1: ", "unknown"},
                {TMPFS(""), REMOUNT(", 'context=a'"), &as_root, FAILURE_INVALID_OPTION, "/options/1: ", "settled"},
                {TMPFS(""), REMOUNT(", 'size=0'"), &as_user, FAILURE_ACCESS_DENIED, "/options: ", "root"},
                {TMPFS(""), REMOUNT(", 'dev'"), &as_user, FAILURE_ACCESS_DENIED, "/options: ", "root"},
                {TMPFS("'dev'"), REMOUNT(", 'ro'"), &as_user, FAILURE_ACCESS_DENIED, "/options: ", "root"},
                {TMPFS(""), "{'destination': '/t', 'type': 'proc', 'options': ['remount']}", &as_root, FAILURE_INVALID_SPEC,
                        "/type: ", "\"tmpfs\""},
                {BIND(""), REMOUNT(", 'size=1m'"), &as_root, FAILURE_INVALID_OPTION, "/options/1: ", "unknown"},
                {BIND(""), REMOUNT(", 'sync'"), &as_root, FAILURE_INVALID_OPTION, "/options/1: ", "not the bind's"},
                {BIND(", 'ro'"), REMOUNT(", 'rw'"), &as_user, FAILURE_ACCESS_DENIED, "/options/1: ", "only root loosens"},
                {BIND(""), REMOUNT(", 'rexec'"), &as_user, FAILURE_ACCESS_DENIED, "/options/1: ", "only root loosens"},
                {"{'destination': '/t', 'type': 'sysfs'}", REMOUNT(", 'sync'"), &as_root, FAILURE_INVALID_OPTION, "/options/1: ",
                        "only when it is made"},
                {"{'destination': '/t', 'type': 'ext4', 'source': '/i'}", REMOUNT(", 'rw'"), &as_root, FAILURE_INVALID_OPTION,
                        "/options/1: ", "reading alone"},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_failure_ struct failure f = FAILURE_INIT;
                struct wanted *wanted = NULL;
                int r = change(rows[i].there, rows[i].asked, rows[i].facts, &wanted, &f);

                ck_assert_msg(r == (int) rows[i].kind, "%s: %d %s", rows[i].asked, r, f.text ?: "");
                ck_assert_ptr_null(wanted);
                ck_assert_msg(strncmp(f.text, rows[i].begin, strlen(rows[i].begin)) == 0, "%s: %s", rows[i].asked, f.text);
                ck_assert_msg(strstr(f.text, rows[i].more) != NULL, "%s: %s", rows[i].asked, f.text);
        }
}
END_TEST

UNIT_MAIN("remount", test_merged, test_recursive, test_refused)
