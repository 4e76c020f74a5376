#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Keeper, front or an executor is killed at a system call of an operation, one call after the other: the operation is done or undone, and
nothing is left over.

PODMOUNT_STRIDE is every how many-th call (a number, 1 for each), from one on that PODMOUNT_SEED says; PODMOUNT_SCENES which operations
(frame/scenes.py), PODMOUNT_WAYS who is killed where (frame/sweep.py).
"""

import itertools
import os
import random

from frame import host, tap
from frame.kills import SEED
from frame.scenes import SCENES
from frame.sweep import WAYS, Sweep
from frame.tap import case, equal

STRIDE = int(os.environ.get('PODMOUNT_STRIDE', '0'))
KILLS = 2  # of each operation in each way, without a stride
chance = random.Random(SEED)


def chosen(name, known):
    words = os.environ.get(name, '').split()
    equal([word for word in words if word not in known], [], f'unknown words in {name}')
    return words or list(known)


def numbers(sweep, way):
    """The calls to interrupt at."""
    if STRIDE:
        return itertools.count(chance.randrange(STRIDE) + 1, STRIDE)
    return sorted(chance.sample(range(1, sweep.count(way) + 1), KILLS))


def sweep_all(name, turn):
    sweep = Sweep(SCENES[name](), turn)
    try:
        for way in chosen('PODMOUNT_WAYS', WAYS):
            before = sum(sweep.counts.values())
            done = sweep.run(way, numbers(sweep, way))
            tap.diagnose(f'{name} {turn}, {way}: {done} kills, {len(sweep.problems)} lost so far; {dict(sweep.counts)}')
            equal(sum(sweep.counts.values()) + len(sweep.problems) > before, True, 'kills')
        equal(sweep.problems, [], 'what was lost')
    finally:
        sweep.scene.end()


for one in chosen('PODMOUNT_SCENES', SCENES):
    for turn in SCENES[one].turns:
        case(f'{one}: {turn}, PODMOUNT_SEED={SEED}', alone=True)(lambda one=one, turn=turn: sweep_all(one, turn))


if __name__ == '__main__':
    host.prepare()
    tap.run()
