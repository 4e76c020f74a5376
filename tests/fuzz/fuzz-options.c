/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as the options of a mount, as a client gives them: the type, the source, then options, with newlines between them. spec/option*.c, spec/wanted-options.c and
 * wanted-remount.c; and the whole of them as a target and as an inline id mapping. */

#include "spec/option.h"
#include "spec/spec.h"
#include "spec/target.h"
#include "spec/wanted.h"
#include "tests/fuzz/fuzz.h"
#include "util/array.h"
#include "util/path.h"

enum { LINES_MAX = 64 };

/* Each row that a name has, with what stands behind the "=". */
static void check_row(const char *type, char *option) {
        char *value = strchr(option, '=');
        const struct option_row *rows[2];

        if (value)
                *value++ = '\0';
        rows[0] = option_find(option);
        rows[1] = option_find_data(type, option);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_failure_ struct failure f = FAILURE_INIT;

                if (!rows[i])
                        continue;
                fuzz_outcome(option_check_value(rows[i], value, &f), &f);
                (void) option_is_for_root(rows[i], value);
        }
        (void) option_is_flag(option);
}

static void check_idmap_text(const char *text) {
        _cleanup_idmap_ struct idmap idmap = {};
        _cleanup_free_ char *back = NULL;
        const char *must = NULL;
        int r = idmap_parse(text, &idmap, &must);

        fuzz_check(r == 0 || (r == 1 && must));
        if (r != 0)
                return;
        back = idmap_to_text(&idmap);
        fuzz_check(back);
        for (size_t i = 0; i < idmap.n_uids; i++)
                if (idmap.uids[i].relative)
                        return; /* the kernel's lines have none: they are settled by those of the container first */
        if (idmap.n_uids > 0) {
                _cleanup_free_ char *lines = idmap_to_lines(idmap.uids, idmap.n_uids);
                struct id_mapping *list = NULL;
                size_t n = 0;

                fuzz_check(lines && !idmap_check(idmap.uids, idmap.n_uids));
                fuzz_check(idmap_from_lines(lines, &list, &n) == 0 && n == idmap.n_uids);
                free(list);
        }
}

static void check_mount(const struct spec_mount *mount) {
        for (size_t root = 0; root < 2; root++) {
                const struct wanted_facts facts = {.caller_is_root = root, .tmpfs_size = 1 << 20, .any_volume = true};
                _cleanup_failure_ struct failure f = FAILURE_INIT, of_remount = FAILURE_INIT;
                _cleanup_(wanted_freep) struct wanted *wanted = NULL, *changed = NULL;
                int r = wanted_from_mounts("main", mount, 1, &facts, &wanted, &f);

                fuzz_outcome(r, &f);
                if (r == 0 && wanted_is_remount(mount))
                        fuzz_outcome(wanted_from_remount("main", mount, mount, &facts, &changed, &of_remount), &of_remount);
        }
}

static void check_bind(const char *source, char *const *options) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct spec_mount mount = {};
        int r = spec_mount_from_bind(source, "/data", options, &mount, &f);

        fuzz_outcome(r, &f);
        if (r == 0)
                check_mount(&mount);
        spec_mount_done(&mount);
}

static void check_target(const char *text) {
        _cleanup_free_ char *normal = NULL;

        if (path_normalize(text, &normal) == 0) {
                (void) target_refusal(normal, "bind");
                (void) target_refusal(normal, "proc");
        }
}

int LLVMFuzzerInitialize(int *argc _unused_, char ***argv _unused_) {
        fuzz_quiet();
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = fuzz_string(data, size), *type = NULL;
        _cleanup_strv_ char **options = NULL;
        char *rest = text, *line, *source = NULL;
        struct spec_mount mount;
        size_t n = 0;

        check_idmap_text(text);
        check_target(text);
        while ((line = strsep(&rest, "\n")) && n < LINES_MAX) {
                if (n == 0)
                        type = strdup(line);
                else if (n == 1)
                        source = line;
                else
                        fuzz_check(strv_append(&options, line) == 0);
                n++;
        }
        mount = (struct spec_mount) {.pointer = (char *) "/mounts/0", .destination = (char *) "/data", .type = *type ? type : NULL, .source = source, .options = options};
        check_mount(&mount);
        check_bind(source ? source : "", options);
        for (char **option = options; option && *option; option++)
                check_row(type, *option);
        return 0;
}
