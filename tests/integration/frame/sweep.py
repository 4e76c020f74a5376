# SPDX-License-Identifier: LGPL-2.1-or-later
"""A scene's operation, interrupted at one system call after the other; each time all there is is as before it, or as after it."""

import collections
import os
import time

import dbus

from frame import host
from frame.ambush import Ambush, name_of
from frame.daemon import ERROR
from frame.look import difference, look
from frame.scenes import SECONDS, Refused
from frame.tap import PATIENCE, diagnose, eventually

# Whose system calls are counted, and who is killed there.
WAYS = {'front': ('front', 'front'), 'executor': ('executor', 'executor'), 'keeper-front': ('front', 'keeper'), 'keeper-executor': ('executor', 'keeper'),
        'front-executor': ('executor', 'front')}
DONE, REFUSED, UNTOLD, LATE = 'done', 'refused', 'untold', 'nothing in all its time'


def attempt(function):
    """What the client was told, and in which words: untold is what became of it when the connection ended, not when nobody answered."""
    begin = time.monotonic()
    try:
        function()
        return DONE, ''
    except Refused as error:
        return REFUSED, str(error)
    except dbus.exceptions.DBusException as error:
        name = error.get_dbus_name()
        untold = UNTOLD if time.monotonic() - begin < 0.9 * SECONDS * PATIENCE else LATE
        return (REFUSED if name.startswith(ERROR) else untold), f'{name}: {error.get_dbus_message()}'


class Sweep:
    """`turn` is 'act' or 'back'."""

    def __init__(self, scene, turn):
        self.scene, self.daemon, self.turn = scene, scene.daemon, turn
        self.function, self.undo = (scene.act, scene.back) if turn == 'act' else (scene.back, scene.act)
        self.counts, self.problems = collections.Counter(), []
        self.settle_once()

    def look(self):
        return {**look(self.daemon, self.scene.places), **self.scene.seen()}

    def settle_once(self):
        """Twice to and fro, so that what is there for good is there; then what it looks like before and after."""
        for _ in range(2):
            self.scene.act()
            self.scene.back()
        self.settled = self.stable()
        self.scene.act()
        self.acted = self.stable()
        if self.turn == 'act':
            self.scene.back()
            self.before, self.after = self.settled, self.acted
        else:
            self.before, self.after = self.acted, self.settled
        self.stable()
        self.n_executors = len(self.daemon.executors())

    def stable(self):
        seen = [self.look()]

        def same():
            seen.append(self.look())
            return seen[-1] == seen[-2]
        eventually(same, 'it rests', 20, 0.1)
        return seen[-1]

    def traced(self, way):
        whose = WAYS[way][0]
        return [self.daemon.front()] if whose == 'front' else self.daemon.executors()

    def ambush(self, way, **more):
        return Ambush(self.traced(way), follow=WAYS[way][0] == 'executor', **more)

    def count(self, way):
        """How many system calls there are to be interrupted."""
        with self.ambush(way) as ambush:
            self.function()
        self.again()
        return ambush.calls

    def again(self):
        """Takes an operation that was done back."""
        self.undo()
        self.come_to('it was taken back', self.before)

    def victim(self, way):
        return {'front': self.daemon.front, 'keeper': self.daemon.keeper, 'executor': lambda: 'own'}[WAYS[way][1]]()

    def come_to(self, what, *wanted):
        """One of the looks that are wanted, which it comes to after a while."""
        seen = []

        def there():
            seen[:] = [self.look()]
            return [number for number, one in enumerate(wanted) if seen[0] == one]
        try:
            return eventually(there, what, 8, 0.05)[0]
        except AssertionError:
            differences = [difference(seen[0], one) for one in wanted]
            nearest = min(differences, key=len)
            raise AssertionError(f'{what}: ' + '; '.join(f'{key}: {one!r:.300} instead of {other!r:.300}' for key, (one, other) in nearest.items())) from None

    def interrupt(self, way, number):
        """One interruption; whether there was a call to be interrupted at."""
        with self.ambush(way, at=number, kill=self.victim(way)) as ambush:
            said, words = attempt(self.function)
        if ambush.hit is None:
            self.again()
            return False
        call = name_of(ambush.hit)
        if WAYS[way][1] != 'executor':
            self.daemon.wait()
            self.daemon.start()
        eventually(lambda: len(self.daemon.executors()) == self.n_executors, 'executors', 10)
        what = f'{self.scene.name.lower()} {self.turn}, {way} at call {number}, {call}; the client was told: {said} {words}'
        if said == LATE or said == UNTOLD and WAYS[way][1] == 'executor':  # the front lives and has to say it
            raise AssertionError(what)
        wanted = {DONE: [self.after], REFUSED: [self.before], UNTOLD: [self.before, self.after]}[said]
        if said == REFUSED and self.turn in self.scene.collects:
            wanted = [self.before, self.after]
        done = wanted[self.come_to(what, *wanted)] is self.after
        self.counts[f'{said}, {"done" if done else "undone"}'] += 1
        if done:
            self.again()
        return True

    def replace(self):
        """After something was found, another daemon in another directory, so that one find is not many."""
        diagnose('\n'.join(self.daemon.log().splitlines()[-8:]))
        scene = type(self.scene)
        self.scene.end()
        for path in self.scene.places:
            os.rename(path, f'{path}.{os.urandom(4).hex()}')
        self.renew(scene())

    def renew(self, scene):
        counts, problems = self.counts, self.problems
        Sweep.__init__(self, scene, self.turn)
        self.counts, self.problems = counts, problems

    def run(self, way, numbers):
        """Interruptions at these calls; how many there were. Endless numbers end where there are no more calls; of a list of some each
        has its kill, sooner if there are fewer calls this time than there were."""
        done, some = 0, isinstance(numbers, list)
        for number in numbers:
            try:
                hit = self.interrupt(way, number)
                while some and not hit and number > 1:
                    number //= 2
                    hit = self.interrupt(way, number)
                if not hit:
                    break
            except (AssertionError, dbus.exceptions.DBusException) as error:
                self.problems.append(f'{error}')
                diagnose(f'LOST: {error}')
                self.replace()
            done += 1
        return done
