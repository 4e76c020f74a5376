/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as podmountd.conf: as a file, which only root writes, and as the text that the keeper gives the front. util/settings.c, and inih behind it. */

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "util/settings.h"

static char directory[] = "/dev/shm/podmount-fuzz-settings-XXXXXX";
static char *path;

static void finish(void) {
        (void) unlink(path);
        (void) rmdir(directory);
        free(path);
}

int LLVMFuzzerInitialize(int *argc _unused_, char ***argv _unused_) {
        fuzz_quiet();
        fuzz_check(mkdtemp(directory));
        fuzz_check(asprintf(&path, "%s/podmountd.conf", directory) > 0);
        (void) atexit(finish);
        return 0;
}

/* What is taken says what it says, to the front, too. */
static void check_text(const struct settings *settings) {
        _cleanup_free_ char *text = NULL, *again = NULL;
        struct settings back;

        fuzz_check(settings_to_text(settings, &text) == 0);
        fuzz_check(settings_from_text(text, &back) == 0);
        fuzz_check(settings_to_text(&back, &again) == 0);
        fuzz_check(strcmp(text, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char *const reserved[] = {"/proc", "/sys", "/dev", "/run/podmount", NULL};
        _cleanup_free_ char *text = fuzz_string(data, size);
        struct settings settings;
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), r;

        fuzz_check(fd >= 0 && write(fd, data, size) == (ssize_t) size);
        (void) close(fd);
        r = settings_read(path, true, reserved, &settings);
        fuzz_check(r == 0 || r == -EINVAL);
        if (r == 0) {
                fuzz_check(settings.executors >= 1 && settings.executors <= 16);
                check_text(&settings);
        }
        settings_defaults(&settings);
        if (settings_from_text(text, &settings) == 0)
                check_text(&settings);
        return 0;
}
