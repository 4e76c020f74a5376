# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is done to layers while system calls fail: each time all of it has happened or nothing, and what failed can be done again."""

from frame import tap
from frame.faults import SEED, failing, faults
from frame.kills import check_log
from frame.layers import call, listed, on_disk, tried
from frame.tap import equal, eventually

BATCH = 6


def again(daemon, function, *arguments):
    """What failed works when nothing fails."""
    last = []

    def works():
        last[:] = [tried(function, daemon, *arguments)]
        return last == [None]
    try:
        eventually(works, 'it works again', 20, 0.2)
    except AssertionError as error:
        raise AssertionError(f'{error}: {last[0]}') from None


def restarted(daemon):
    daemon.restart()
    eventually(lambda: daemon.json('layer', 'status')['Removing'] == 0, 'removals have come to their end', 20)
    eventually(lambda: on_disk(daemon) == listed(daemon), 'what is on the disk is on record', 20)


def remove_all(daemon):
    for layer in reversed(daemon.json('layer', 'list')):
        call(daemon, 'RemoveLayer', 'sa{sv}', layer['ID'], {})
    eventually(lambda: on_disk(daemon) == [], 'all are removed', 20)


class Operation:
    """What is tried, on a layer of its own each time."""
    TOGETHER = True  # whether several such layers are there at a time

    def __init__(self, daemon):
        self.daemon = daemon

    def prepare(self, ident):
        pass

    def do(self, daemon, ident):
        raise NotImplementedError

    def check(self, ident, done, restarted=True):
        """After a restart: all of it, or nothing; all of it if it was done."""
        raise NotImplementedError

    def finish(self, ident):
        """Does again what was not done; then it is there."""
        again(self.daemon, self.do, ident)


def run(daemon, operation):
    """Faults in batches, each followed by a restart; every other batch is done again before that."""
    batch = BATCH if operation.TOGETHER else 1
    operation.prepare('first')
    todo = faults(daemon, lambda: operation.do(daemon, 'first'))
    remove_all(daemon)
    seen = {}
    for at in range(0, len(todo), batch):
        results = {}
        for number, fault in enumerate(todo[at:at + batch], at):
            ident = f'l{number}'
            operation.prepare(ident)
            with failing(daemon, fault):
                results[ident] = tried(operation.do, daemon, ident)
            tap.diagnose(f'{fault}: {results[ident]}')
            seen[results[ident] is None] = seen.get(results[ident] is None, 0) + 1
            tap.equal(daemon.process.poll(), None, f'podmountd is there after {fault}')
        try:
            if at // batch % 2:
                for ident in results:
                    if operation.TOGETHER and results[ident]:
                        operation.check(ident, False, False)
                        operation.finish(ident)
                        results[ident] = None
            restarted(daemon)
            for ident, error in results.items():
                operation.check(ident, error is None)
                operation.finish(ident)
        except BaseException:
            tap.diagnose(f'PODMOUNT_SEED={SEED}: after {todo[at:at + batch]}: {results}')
            raise
        remove_all(daemon)
    check_log(daemon)
    tap.diagnose(f'{len(todo)} faults: {seen.get(False, 0)} told, {seen.get(True, 0)} without consequence')
    equal(seen.get(False, 0) > 0, True, 'some fail')
