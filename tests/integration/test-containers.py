#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Containers that come to a living pod and leave it: whole or not at all."""

import json
import os
import random
import subprocess

from frame import host, specs, tap
from frame.daemon import Daemon, ERROR, Stage
from frame.kills import kill_during
from frame.tap import case, contains, equal, eventually


def make(daemon, mounts=()):
    return daemon.create(specs.podmount({'main': (specs.rootfs(), True, mounts)}))


def more(*mounts, readonly=True):
    return json.dumps(specs.oci(mounts=mounts, readonly=readonly))


def add(daemon, pod, name, *mounts, **how):
    return daemon.ok('add-container', pod, name, '-', input=more(*mounts, **how))


def containers(daemon, pod):
    return list(daemon.json('show', pod)['Containers'])


def below(daemon, pod):
    return sorted(point.split(f'/{pod}', 1)[1] for point in host.mounts_below(f'{daemon.runtime}/pods/{pod}'))


@case('a container is added to a living pod and removed again, and the kernel has what it had')
def add_remove(daemon):
    pod = make(daemon)
    before = host.mount_table()
    add(daemon, pod, 'side', specs.mount('/tmp'), specs.bind('/etc', '/data', 'bind', 'ro'))
    equal(containers(daemon, pod), ['main', 'side'], 'containers')
    rootfs = daemon.rootfs(pod, 'side')
    assert os.path.exists(f'{rootfs}/data/hostname')
    equal(sorted(daemon.mounts(pod)), ['main:/', 'side:/', 'side:/data', 'side:/tmp'], 'mounts')
    equal(daemon.state(pod), 'ready', 'state')
    daemon.ok('remove-container', pod, 'side')
    equal(containers(daemon, pod), ['main'], 'containers')
    equal(host.mount_table(), before, 'the mount table')
    assert not os.path.exists(f'{daemon.runtime}/pods/{pod}/side')
    equal(daemon.state(pod), 'ready', 'state')


@case('the same call again is a retry, another spec is refused, a container that came with the pod goes, too')
def retry(daemon):
    pod = make(daemon)
    add(daemon, pod, 'side', specs.mount('/tmp'))
    ids = sorted(mount['ID'] for mount in daemon.mounts(pod).values())
    add(daemon, pod, 'side', specs.mount('/tmp'))
    equal(sorted(mount['ID'] for mount in daemon.mounts(pod).values()), ids, 'ids')
    contains(daemon.refused('add-container', pod, 'side', '-', input=more()), 'another spec')
    daemon.ok('remove-container', pod, 'main')
    equal(containers(daemon, pod), ['side'], 'containers')
    assert not os.path.exists(f'{daemon.runtime}/pods/{pod}/main')
    contains(daemon.refused('remove-container', pod, 'side'), 'only one')
    contains(daemon.refused('remove-container', pod, 'main'), 'no container "main"')
    daemon.ok('remove-container', pod, 'main', '--missing-ok')
    add(daemon, pod, 'main')
    equal(containers(daemon, pod), ['side', 'main'], 'containers')


@case('a busy container stays whole: mounted again where it was, and its record knows the new ids')
def busy(daemon):
    pod = make(daemon)
    add(daemon, pod, 'side', specs.mount('/tmp'), specs.mount('/mnt'), specs.bind('/etc', '/data', 'bind', 'ro'))
    rootfs = daemon.rootfs(pod, 'side')
    with open(f'{rootfs}/mnt/kept', 'w') as file:
        file.write('of before\n')
    there = below(daemon, pod)
    with subprocess.Popen(['sleep', '100'], cwd=f'{rootfs}/bin') as process:
        try:
            contains(daemon.refused('remove-container', pod, 'side'), 'in use')
            equal(below(daemon, pod), there, 'mounts')
            equal(open(f'{rootfs}/mnt/kept').read(), 'of before\n', 'what was in a tmpfs')
            assert os.statvfs(f'{rootfs}/data').f_flag & os.ST_RDONLY
            eventually(lambda: daemon.state(pod) == 'ready', 'no drift')
            equal({mount['State'] for mount in daemon.mounts(pod).values()}, {'ok'}, 'states')
            daemon.ok('remove-container', pod, 'side', '--lazy')
        finally:
            process.kill()
    equal(containers(daemon, pod), ['main'], 'containers')
    equal(below(daemon, pod), ['', '/main/rootfs'], 'mounts')


@case('what cannot be made leaves nothing')
def failing(daemon):
    pod = make(daemon)
    before = host.mount_table()
    for mounts, words in [([specs.mount('/tmp'), specs.bind('/nothing', '/data')], 'does not exist'),
                          ([specs.mount('/tmp'), specs.mount('/etc/hostname')], '/etc/hostname')]:
        contains(daemon.refused('add-container', pod, 'side', '-', input=more(*mounts)), words)
        equal(host.mount_table(), before, 'the mount table')
        equal(os.listdir(f'{daemon.runtime}/pods/{pod}'), ['main'], 'directories')
        equal(containers(daemon, pod), ['main'], 'containers')


@case('names and specs that are none are refused')
def hostile(daemon):
    pod = make(daemon)
    for name in ['', '.', '..', '.volumes', '../x', 'a/b', 'x' * 65, '\n', 'ä']:
        found, _ = daemon.error_of('AddContainer', 'sssa{sh}a{sv}', pod, name, more(), {}, {})
        assert found.endswith('InvalidArgs'), (name, found)
    two = specs.podmount({'a': (specs.rootfs(), True, ()), 'b': (specs.rootfs(), True, ())})
    found, text = daemon.error_of('AddContainer', 'sssa{sh}a{sv}', pod, 'a', json.dumps(two), {}, {})
    equal(found, ERROR + 'InvalidSpec', 'error')
    contains(text, '/containers')
    one = specs.podmount({'a': (specs.rootfs(), True, ())})
    found, text = daemon.error_of('AddContainer', 'sssa{sh}a{sv}', pod, 'b', json.dumps(one), {}, {})
    contains(text, '/containers/0/name')
    for spec in ['', '{', '[]', '{"podmount": 1}', '\0'[:0]]:
        found, _ = daemon.error_of('AddContainer', 'sssa{sh}a{sv}', pod, 'b', spec, {}, {})
        equal(found, ERROR + 'InvalidSpec', 'error')
    equal(daemon.error_of('RemoveContainer', 'ssa{sv}', pod, '../main', {})[0], ERROR + 'NoSuchContainer', 'error')
    equal(daemon.error_of('AddContainer', 'sssa{sh}a{sv}', 'nobody', 'a', more(), {}, {})[0], ERROR + 'NoSuchPod',
            'error')


@case('a pod\'s owner who takes the place of a container keeps it, and a symlink there leads nowhere')
def taken(daemon):
    pod = make(daemon)
    place = f'{daemon.runtime}/pods/{pod}/side'
    os.symlink('/etc', place)
    found, _ = daemon.error_of('AddContainer', 'sssa{sh}a{sv}', pod, 'side', more(), {}, {})
    equal(found, ERROR + 'TargetInUse', 'error')
    os.unlink(place)
    os.mkdir(place)
    add(daemon, pod, 'side')
    daemon.ok('remove-container', pod, 'side')


@case('added containers outlive a restart, and are collected with the pod')
def restart(daemon):
    before = host.mount_table()
    pod = make(daemon)
    add(daemon, pod, 'side', specs.mount('/tmp'))
    daemon.restart()
    equal(containers(daemon, pod), ['main', 'side'], 'containers')
    equal(daemon.state(pod), 'ready', 'state')
    daemon.ok('remove-container', pod, 'side')
    add(daemon, pod, 'other')
    daemon.ok('gc', pod)
    equal(host.mount_table(), before, 'the mount table')


def whole(daemon, pod, mounts):
    """Whether the container is there with all of its mounts, or not at all."""
    eventually(lambda: daemon.state(pod) == 'ready', 'the pod is ready')
    there = [point for point in below(daemon, pod) if point.startswith('/side')]
    if not there:
        equal(containers(daemon, pod), ['main'], 'containers')
        equal(os.listdir(f'{daemon.runtime}/pods/{pod}'), ['main'], 'directories')
        return False
    equal(len(there), mounts + 2, 'mounts of the container')
    equal(containers(daemon, pod), ['main', 'side'], 'containers')
    return True


@case('killed at any step of adding or removing, a container is whole or not there', alone=True)
def kills():
    chance = random.Random(7)
    mounts = [specs.mount(f'/tmp/{number}') for number in range(60)]
    seen = {True: 0, False: 0}
    with Stage() as daemon:
        pod = make(daemon)
        for turn in range(24):
            verb = 'remove-container' if whole(daemon, pod, 61) else 'add-container'
            words = ['-'] if verb == 'add-container' else []
            kill_during(daemon, chance, turn, verb, pod, 'side', *words, input=more(specs.mount('/tmp'), *mounts) if words else None)
            seen[whole(daemon, pod, 61)] += 1
        assert seen[True] and seen[False], seen


if __name__ == '__main__':
    host.prepare()
    tap.run(Daemon)
