#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each system call and each allocation of the front and of an executor fails once during CreatePod, Bind, Unmount and GC: the client is told
what became of it, nobody crashes, nothing is half made and no file stays open.

PODMOUNT_FAULTS is how many of an operation and a process (8 unless told), or `all`; PODMOUNT_SEED which; PODMOUNT_SCENES (`all`: those of all
methods) and PODMOUNT_WHOSE which operations and processes.
"""

import os
import random

from frame import host, tap
from frame.faulty import Faulty
from frame.kills import SEED
from frame.scarcity import Scarce
from frame.scenes import SCENES, WORKING
from frame.tap import case, equal

ALL = {**SCENES, **WORKING}
FAULTS = os.environ.get('PODMOUNT_FAULTS', '8')
OPERATIONS = os.environ.get('PODMOUNT_SCENES', 'creation making privatemaking getting').replace('all', ' '.join(ALL)).split()
LIKELY = 4  # of so many one comes about: each time it is another way to the same
WHOSE = os.environ.get('PODMOUNT_WHOSE', 'front executor').split()


def sweep_all(name, turn):
    scene = type(ALL[name].__name__, (ALL[name],), {'stage': Scarce})
    sweep, chance = Faulty(scene(), turn, SEED), random.Random(SEED)
    try:
        for whose in WHOSE:
            found = sweep.faults(whose)
            if FAULTS != 'all':
                found = chance.sample(found, min(int(FAULTS), len(found)))
            sweep.hits.clear()
            done = sweep.run(whose, found)
            missed = [kind for kind in {fault[0] for fault in found} if sweep.hits[kind] == 0 and sum(fault[0] == kind for fault in found) >= LIKELY]
            equal(missed, [], f'{name} {turn}, {whose}: kinds of faults none of which came about')
            tap.diagnose(f'{name} {turn}, {whose}: {done} faults, {len(sweep.problems)} lost so far; {dict(sweep.counts)}')
        equal(sweep.problems, [], 'what was lost')
    finally:
        sweep.scene.end()


for one in OPERATIONS:
    for turn in ALL[one].turns:
        case(f'{one}: {turn}, PODMOUNT_SEED={SEED}', alone=True)(lambda one=one, turn=turn: sweep_all(one, turn))


if __name__ == '__main__':
    host.prepare()
    tap.run()
