/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STEP_BIND: a clone of a source at a target. */

#include "executor/run.h"
#include "executor/source.h"
#include "executor/target.h"

int hand_bind(struct run *run, size_t step) {
        _cleanup_close_ int mount = -1, target = -1;
        bool recursive, directory;
        int r = source_clone(run, step, &mount, &recursive);

        if (r == 0)
                r = run_dress(run, step, mount, recursive);
        if (r == 0)
                r = run_note(run, step, mount, &directory);
        if (r == 0)
                r = target_open(run, step, !directory, &target);
        if (r == 0)
                r = run_attach(run, step, &mount, target);
        if (r == 0 && run->tree < 0)
                r = source_count(run, run->hands[step].mount, 0);
        run->hands[step].source = close_fd(run->hands[step].source);
        return r;
}
