#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Root in a private pod's namespace that mounts, unmounts, moves and renames there while the pod is bound into: whatever each call comes to, it
is told, the host has no mount of it, and the pod is collected."""

import contextlib
import os
import random
import signal

from frame import host, own_space, specs, tap
from frame.daemon import Daemon
from frame.kills import SEED
from frame.tap import case, diagnose, equal

BINDS = int(os.environ.get('PODMOUNT_BINDS', '150'))
MS_MOVE = 1 << 13
POINTS = ('data', 'mnt', 'srv', 'tmp')


def step(root, chance):
    """One deed in the namespace, which may fail."""
    one, other = (f'{root}/{name}' for name in chance.sample(POINTS, 2))
    deed = chance.randrange(6)
    if deed == 0:
        own_space.mount('foreign', one, 'tmpfs')
    elif deed == 1:
        own_space.umount(one)
    elif deed == 2:
        own_space.umount(one, own_space.MNT_DETACH)
    elif deed == 3:
        own_space.mount(one, other, None, MS_MOVE)
    elif deed == 4:
        own_space.mount(one, other, None, own_space.MS_BIND)
    else:
        os.rename(one, f'{one}-away')
        os.rename(f'{one}-away', one)


def vandal(file, root, chance):
    """A process that does it over and over."""
    pid = os.fork()
    if pid == 0:
        own_space.enter(file)
        while True:
            with contextlib.suppress(OSError):
                step(root, chance)
    return pid


@case(f'{BINDS} binds and unmounts beside it, seed {SEED}')
def vandalism(daemon):
    table = host.mount_table()
    root, data = specs.rootfs('vandal-root'), specs.tree('vandal-data', {'file': 'x'})
    names = os.listdir(root)
    pod = daemon.create({'podmount': 1, 'visibility': 'private', 'mandatoryMounts': False, 'containers': [{'name': 'main', 'root': {'path': root},
        'mounts': [specs.bind(data, '/data'), specs.mount('/tmp')]}]})
    chance, counts = random.Random(SEED), {}
    pid = vandal(f'{daemon.runtime}/ns/{pod}', daemon.rootfs(pod), random.Random(SEED))
    try:
        for _ in range(BINDS):
            target = f'/{chance.choice(POINTS)}'
            for words in (('bind', pod, data, target, '--stack'), ('unmount', pod, target)):
                done = daemon.ctl(*words)
                counts[words[0], done.status] = counts.get((words[0], done.status), 0) + 1
                equal(done.status in (0, 1) and (done.status == 0 or done.err != ''), True, f'{words}: {done}')
            equal([line for line in host.mount_table() if line not in table and f'/ns/{pod} ' not in line], [], 'what the host sees')
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    diagnose(f'{counts}')
    equal(counts.get(('bind', 0), 0) > 0, True, 'some binds are made')
    equal(daemon.json('gc', '--lazy', pod)[0]['Outcome'], 'removed', 'collection')
    equal((host.mount_table(), os.listdir(f'{daemon.runtime}/ns'), os.listdir(f'{daemon.runtime}/pods')), (table, [], []), 'what is left')
    # in the root a directory that was away may have come back in the place of one that was made for a mount, and goes as that
    equal(os.listdir(data), ['file'], 'the source')
    equal({name for name in os.listdir(root) if name.removesuffix('-away') not in names}, set(), 'what was made in the root')


if __name__ == '__main__':
    host.prepare()
    tap.run(Daemon)
