#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""An executor dies when it has made or removed a layer and has not said so, and then the front cannot try again: what was done is undone, or brought to its end."""

import os
import re
import time

from frame import host, tap
from frame.ambush import Ambush, number_of
from frame.layers import call, create, listed, on_disk, tried
from frame.scarcity import Scarce
from frame.tap import PATIENCE, case, equal, eventually

PAUSE = 2 * PATIENCE  # before a job is tried again
CONFIG = f'[Daemon]\nExecutors=1\n[Mounts]\nBusyIntervalMSec={int(PAUSE * 1000)}\n'


class Situation(Scarce):
    def __init__(self):
        super().__init__(config=CONFIG)


def started(daemon):
    return len(re.findall(r'executor 0 is process', daemon.log()))


def lose(daemon, method, signature, *arguments):
    """The call, whose executor dies before it answers, and which is not tried again for want of memory. What it fails with."""
    before = started(daemon)
    executor, = daemon.executors()
    # Its first answer is who the caller is.
    with Ambush([executor], at=2, kill=executor, call=number_of('sendmsg')) as ambush:
        pid = os.fork()
        if pid == 0:
            os._exit(tried(call, daemon, method, signature, *arguments) is None)
        eventually(lambda: started(daemon) > before, 'another executor', 10)
    equal(ambush.hit, number_of('sendmsg'), 'where the executor was killed: at its answer')
    time.sleep(PAUSE / 4)  # the front has it
    with daemon.scarce([daemon.front()], 1):
        equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0, f'{method} fails')
    equal(daemon.count() >= 1, True, 'an allocation failed')


def gone(daemon):
    """Nothing is left of any layer, here and for the next daemon."""
    eventually(lambda: (listed(daemon), on_disk(daemon)) == ([], []), f'all is gone: {listed(daemon)}, {on_disk(daemon)}', 10)
    equal(daemon.json('layer', 'status')['Removing'], 0, 'what is being removed')


@case('a layer that was made, though nobody said so, is removed')
def made(daemon):
    lose(daemon, 'CreateLayer', 'ssa{sv}', 'one', '', {})
    gone(daemon)
    create(daemon, 'one')
    daemon.restart()
    equal((listed(daemon), on_disk(daemon)), (['one'], ['one']), 'the one of the same id')


@case('a layer that was removed, though nobody said so, does not come back without its directory')
def removed(daemon):
    create(daemon, 'one')
    create(daemon, 'two', 'one')
    lose(daemon, 'RemoveLayer', 'sa{sv}', 'two', {})
    eventually(lambda: (listed(daemon), on_disk(daemon)) == (['one'], ['one']), 'it is gone', 10)
    create(daemon, 'two', 'one')
    daemon.ok('layer', 'remove', 'two')
    daemon.ok('layer', 'remove', 'one')
    gone(daemon)


if __name__ == '__main__':
    host.prepare()
    tap.run(Situation)
