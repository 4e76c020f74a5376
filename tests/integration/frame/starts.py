# SPDX-License-Identifier: LGPL-2.1-or-later
"""A daemon that finds an operation half done, and is killed while it starts: the next start brings it to its end."""

import subprocess

from frame.ambush import Ambush, name_of
from frame.scenes import SECONDS
from frame.sweep import DONE, REFUSED, Sweep, attempt
from frame.tap import equal, eventually


class Starts(Sweep):
    """`chance` says where the operation is interrupted. Whoever makes the call is killed: keeper, front, an executor, or what they fork."""

    def __init__(self, scene, turn, chance):
        super().__init__(scene, turn)
        self.chance = chance
        with self.ambush('executor') as ambush:
            self.function()
        self.n_calls = ambush.calls
        self.again()
        self.features = self.daemon.json('status')['Features']

    def renew(self, scene):
        counts, problems = self.counts, self.problems
        Starts.__init__(self, scene, self.turn, self.chance)
        self.counts, self.problems = counts, problems

    def break_off(self):
        """The operation, half done when the keeper dies: what its client was told, and where."""
        number = self.chance.randint(1, self.n_calls)
        with self.ambush('keeper-executor', at=number, kill=self.daemon.keeper()) as ambush:
            said, _ = attempt(self.function)
        if ambush.hit is None:  # there were fewer
            self.daemon.process.kill()
        self.daemon.wait()
        return said, f'{number}, {name_of(ambush.hit) if ambush.hit is not None else "its end"}'

    def waiting(self):
        """The daemon's process, which waits for a line before it begins."""
        with open(self.daemon.log_path, 'ab') as log:
            self.daemon.process = subprocess.Popen(['sh', '-c', 'read -r line; exec "$@" </dev/null', 'sh', *self.daemon.command()],
                    env=self.daemon.environment(), stdin=subprocess.PIPE, stdout=log, stderr=log)
        return self.daemon.process

    def begin(self, **more):
        """A start, up to its first answer or its end; the ambush that it ran into."""
        process = self.waiting()
        with Ambush([process.pid], follow=True, **more) as ambush:
            process.stdin.write(b'\n')
            process.stdin.close()
            eventually(self.is_over, 'it answers or ends', SECONDS, 0.02)
        return ambush

    def is_over(self):
        try:
            return self.daemon.process.poll() is not None or self.daemon.answers()
        except AssertionError:  # it has ended since
            return True

    def ends(self):
        """Whether the process ends for what was done to one of its own: at once, or not at all."""
        try:
            self.daemon.wait(0.3)
            return True
        except subprocess.TimeoutExpired:
            return False

    def count_starts(self):
        """How many system calls a start makes after an operation that was broken off, about."""
        self.break_off()
        calls = self.begin().calls
        if self.come_to('a start', self.before, self.after):
            self.again()
        return calls

    def interrupt(self, way, number):
        """One start that is interrupted; whether there was a call to be interrupted at."""
        said, where = self.break_off()
        wanted = {DONE: [self.after], REFUSED: [self.before]}.get(said, [self.before, self.after])
        if said == REFUSED and self.turn in self.scene.collects:
            wanted = [self.before, self.after]
        ambush = self.begin(at=number, kill='self')
        what = f'{self.scene.name.lower()} {self.turn}, broken off at call {where}, and its start at call {number}, {name_of(ambush.hit or -1)}'
        ended = ambush.hit is not None and self.ends()
        if ended:
            self.daemon.start()
        equal(self.daemon.json('status')['Features'], self.features, f'{what}: what the kernel is known to be able to')
        done = wanted[self.come_to(what, *wanted)] is self.after
        self.counts[f'{"started again" if ended else "went on"}, {"done" if done else "undone"}'] += 1
        if done:
            self.again()
        return ambush.hit is not None
