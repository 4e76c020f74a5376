#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pods on one writable root: a mount point that one of them made and removes again is not taken from under another's mount."""

import itertools
import json
import os
import random
import subprocess
import threading
import time

from frame import host, specs, tap
from frame.daemon import Daemon
from frame.dweller import Dweller
from frame.tap import Skip, case, equal, eventually

ROUNDS, TARGETS = 40, 50


def targets(number):
    """Each number has mount points of its own, which a pod has to make; every other one lies on a mount of its own."""
    return [f'/shared-{number}/{target}{deep}' for target in range(TARGETS) for deep in ('', '/deep')]


class Situation(Daemon):
    def __init__(self):
        super().__init__()
        self.root = specs.rootfs(os.path.basename(self.directory) + '-root')

    def spec(self, number=0):
        return specs.oci(self.root, mounts=[specs.mount(target) for target in targets(number)])


def check_whole(daemon, pod, container='main', number=0):
    """As soon as whoever asked for it has the answer."""
    mounts = {name: mount for name, mount in daemon.mounts(pod).items() if name.startswith(f'{container}:/shared-')}
    equal(sorted(mounts), sorted(f'{container}:{target}' for target in targets(number)), 'what is recorded')
    equal([(name, mount['State']) for name, mount in mounts.items() if mount['State'] != 'ok'], [], 'mounts')
    equal([target for target in targets(number) if not os.path.ismount(f'{daemon.rootfs(pod, container)}{target}')], [], 'no mounts')


def side_by_side(first, second, seconds):
    """Calls both, the second one so much later, and returns what it returned."""
    errors, thread = [], threading.Thread(target=lambda: catch(first, errors))
    thread.start()
    time.sleep(seconds)
    try:
        return second()
    finally:
        thread.join()
        if errors:
            raise errors[0]


def catch(function, errors):
    try:
        function()
    except Exception as error:  # it is raised by who started this
        errors.append(error)


def met(daemon):
    return daemon.log().count('is tried again: ')


@case('a pod is created while the one that made its mount points goes: it has all its mounts')
def creations(daemon):
    chance = random.Random(3)
    for number in range(ROUNDS):
        maker = daemon.create(daemon.spec(number))
        user = side_by_side(lambda: daemon.manager('GC', 'asa{sv}', [maker], {'lazy': True} if number % 2 else {}),
                lambda: str(daemon.manager('CreatePod', 'sa{sh}a{sv}', json.dumps(daemon.spec(number)), {}, {})[0]),
                chance.random() * 0.004)
        check_whole(daemon, user, number=number)
        daemon.ok('gc', '--lazy', user)
    tap.diagnose(f'{met(daemon)} jobs met the removal of a mount point and were tried again')


@case('the same for containers of living pods')
def containers(daemon):
    chance = random.Random(4)
    maker, user = [daemon.create(specs.podmount({'main': (specs.rootfs(), True, ())})) for _ in range(2)]
    for number in range(ROUNDS):
        spec = json.dumps(daemon.spec(number))
        daemon.ok('add-container', maker, 'side', '-', input=spec)
        side_by_side(lambda: daemon.manager('RemoveContainer', 'ssa{sv}', maker, 'side', {'lazy': True} if number % 2 else {}),
                lambda: daemon.manager('AddContainer', 'sssa{sh}a{sv}', user, 'side', spec, {}, {}), chance.random() * 0.004)
        check_whole(daemon, user, 'side', number)
        daemon.ok('remove-container', user, 'side', '--lazy')
    tap.diagnose(f'{met(daemon)} jobs met the removal of a mount point and were tried again')


@case('a living pod keeps its mounts when the pod that made the mount points goes')
def living(daemon):
    maker, user = daemon.create(daemon.spec()), daemon.create(daemon.spec())
    daemon.ok('gc', maker)
    check_whole(daemon, user)
    equal(daemon.state(user), 'ready', 'state')


@case('what was made on the way to several mounts of a pod goes with the last of them, whichever that is')
def ways(daemon):
    root = os.path.join(daemon.root, 'way')
    for order in itertools.permutations(('/way/a/one', '/way/b', '/way/a/two')):
        pod = daemon.create(specs.oci(daemon.root))
        for target in ('/way/a/one', '/way/b', '/way/a/two'):
            daemon.ok('mount', pod, json.dumps(specs.mount(target)))
        for target in order:
            equal(os.path.isdir(root), True, f'there is /way before {target} goes')
            daemon.ok('unmount', pod, target)
        equal(os.path.lexists(root), False, f'there is /way after {order}')
        os.makedirs(f'{root}/a')
        daemon.ok('mount', pod, json.dumps(specs.mount('/way/a/one')))
        daemon.ok('mount', pod, json.dumps(specs.mount('/way/a/two')))
        daemon.ok('gc', pod)
        equal(os.listdir(f'{root}/a'), [], 'what is left of what was made')
        os.removedirs(f'{root}/a')


@case('what is mounted in a running container stays when the pod, or the container, that made its mount point goes')
def running(daemon):
    if 'namespace-ids' not in daemon.json('status')['Features']:
        raise Skip('this kernel cannot find a mount namespace again')
    data = specs.tree('shared-data', {'hello': 'x'})
    user = daemon.create(specs.oci(daemon.root))
    spec = dict(daemon.spec(1), prepare={'mkdir': ['/made/for/itself', '/made/beside']})
    used = ('/shared-1/3', '/made/for/itself')
    for verb in (['gc'], ['gc', '--lazy'], ['remove-container', 'side'], ['unmount', '/shared-1/3']):
        maker = daemon.create(spec if verb[0] != 'remove-container' else specs.podmount({'main': (specs.rootfs(), True, ())}))
        if verb[0] == 'remove-container':
            daemon.ok('add-container', maker, 'side', '-', input=json.dumps(spec))
        with Dweller(daemon.rootfs(user)) as dweller:
            for target in used:
                daemon.ok('bind', user, data, target, '--process', dweller.process.pid)
            if verb[0] == 'unmount':
                daemon.ok('unmount', maker, '/shared-1/3/deep')
            daemon.ok(verb[0], maker, *verb[1:])
            equal([target for target in used if not dweller.sees(f'{target}/hello')], [], f'lost by {verb}')
            equal({mount['State'] for mount in daemon.mounts(user).values()}, {'ok'}, 'states')
            if verb[0] != 'unmount':
                equal(os.listdir(f'{daemon.root}/shared-1'), ['3'], 'mount points that nobody uses')
                equal(os.listdir(f'{daemon.root}/made'), ['for'], 'directories that nobody uses')
            for target in used:
                daemon.ok('unmount', user, target)
        daemon.ctl('gc', maker)  # which may be gone
        for path in ('shared-1/3', 'made/for/itself', 'made/for', 'made', 'shared-1'):
            if os.path.exists(f'{daemon.root}/{path}'):
                os.rmdir(f'{daemon.root}/{path}')


if __name__ == '__main__':
    host.prepare()
    tap.run(Situation)
