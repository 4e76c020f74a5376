#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kills of any process at any instant of an import: what is there is whole, what is not is gone, and the next import brings the rest.

PODMOUNT_KILLS is how many (30 unless told), PODMOUNT_SEED which.
"""

import os
import random
import signal
import threading
import time

from frame import host, tap
from frame.daemon import Stage
from frame.layouts import Layout, chain_of, import_image, tar_of
from frame.kills import KILLS, SEED, check_log, kill_during
from frame.layers import call
from frame.tap import case, contains, equal, eventually

SIZE = 3000000
LONG = 30000000  # takes a worker long enough to be seen


def make(daemon, size=SIZE):
    """A layout of three layers, and what each of them has, by chain id."""
    layout, data = Layout(f'{daemon.directory}/image'), [os.urandom(size) for _ in range(3)]
    tars = [tar_of((f'file{turn}', data[turn]), ('same', b'%d' % turn)) for turn in range(3)]
    layout.image(tars)
    return layout, {chain_of(*tars[:turn + 1]): (f'file{turn}', data[turn]) for turn in range(3)}


def look(daemon, wanted, where):
    """Whatever is on record is whole, and nothing else is there."""
    def known():
        return {str(layer['ID']): layer for layer in call(daemon, 'ListLayers', 'a{sv}', {})}
    eventually(lambda: sorted(os.listdir(f'{daemon.directory}/state/layers')) == sorted(known()), f'{where}: nothing but layers')
    for ident, layer in known().items():
        name, data = wanted[str(layer['ChainID'])]
        equal(sorted(os.listdir(f'{daemon.directory}/state/layers/{ident}')), ['diff', 'meta', 'tar-split', 'work'], where)
        diff = f'{daemon.directory}/state/layers/{ident}/diff'
        equal(sorted(os.listdir(diff)), sorted([name, 'same']), where)
        with open(f'{diff}/{name}', 'rb') as file:
            equal(file.read() == data, True, f'{where}: content')
    return known()


@case('killed at any instant, an import leaves whole layers, which the next one goes on from')
def kills(daemon):
    chance = random.Random(SEED)
    tap.diagnose(f'seed {SEED}')
    layout, wanted = make(daemon)
    began, left = time.monotonic(), set()
    import_image(daemon, layout.path)
    within = (time.monotonic() - began) * 1.1
    for turn in range(KILLS):
        where = f'seed {SEED}, kill {turn}'
        for ident in list(look(daemon, wanted, where))[::-1]:
            daemon.ok('layer', 'remove', ident)
        kill_during(daemon, chance, turn, 'layer', 'import', layout.path, within=within)
        left.add(len(look(daemon, wanted, where)))
        top = import_image(daemon, layout.path)
        equal(len(look(daemon, wanted, where)), 3, where)
        equal(sorted(os.listdir(daemon.ok('layer', 'get', top).strip())), ['file0', 'file1', 'file2', 'same'], where)
        daemon.ok('layer', 'put', top)
    tap.diagnose(f'layers that were left: {sorted(left)}')
    check_log(daemon)


def workers():
    """Processes that unpack."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/comm', encoding='utf-8') as file:
                if file.read().strip() == 'podmount-apply':
                    found.append(int(pid))
        except OSError:
            continue
    return found


def import_without_workers(daemon, layout):
    """What podmountctl says on stderr of an import whose first workers are killed as soon as they are seen."""
    said = []
    thread = threading.Thread(target=lambda: said.append(daemon.ctl('layer', 'import', layout.path)))
    thread.start()
    for pid in eventually(workers, 'a worker works', interval=0.001):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    thread.join()
    return said[0].err


@case('a worker that dies ends the import, and leaves nothing half made')
def worker(daemon):
    layout, wanted = make(daemon, LONG)
    for _ in range(20):  # each may have been seen at its very end
        error = import_without_workers(daemon, layout)
        if error:
            break
        for ident in list(look(daemon, wanted, 'all of it'))[::-1]:
            daemon.ok('layer', 'remove', ident)
    contains(error, 'ended before it was done', 'failure')
    look(daemon, wanted, 'worker')
    import_image(daemon, layout.path)
    equal(len(look(daemon, wanted, 'again')), 3, 'layers')


if __name__ == '__main__':
    host.prepare()
    tap.run(Stage)
