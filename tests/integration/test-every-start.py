#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A start after an operation that was broken off is itself killed, at one system call after the other of keeper, front and executors, and
started again: the operation is done or undone, and nothing is left over.

PODMOUNT_STRIDE is every how many-th call (a number, 1 for each), from one on that PODMOUNT_SEED says; PODMOUNT_SCENES which operations
(frame/scenes.py).
"""

import itertools
import os
import random

from frame import host, tap
from frame.kills import SEED
from frame.scenes import SCENES
from frame.starts import Starts
from frame.tap import case, equal

STRIDE = int(os.environ.get('PODMOUNT_STRIDE', '0'))
KILLS = 6  # of each operation, without a stride
CHOSEN = os.environ.get('PODMOUNT_SCENES', '').split() or list(SCENES)
chance = random.Random(SEED)


def numbers(starts):
    """The calls to interrupt at."""
    if STRIDE:
        return itertools.count(chance.randrange(STRIDE) + 1, STRIDE)
    calls = starts.count_starts()
    tap.diagnose(f'a start after it makes {calls} system calls')
    return sorted(chance.sample(range(1, calls + 1), KILLS))


def interrupt_all(name, turn):
    starts = Starts(SCENES[name](), turn, chance)
    try:
        done = starts.run('start', numbers(starts))
        tap.diagnose(f'{name} {turn}: {done} starts killed, {len(starts.problems)} lost; {dict(starts.counts)}')
        equal(sum(starts.counts.values()) > 0, True, 'kills')
        equal(starts.problems, [], 'what was lost')
    finally:
        starts.scene.end()


for one in CHOSEN:
    for turn in SCENES[one].turns:
        case(f'{one}: {turn}, PODMOUNT_SEED={SEED}', alone=True)(lambda one=one, turn=turn: interrupt_all(one, turn))


if __name__ == '__main__':
    host.prepare()
    tap.run()
