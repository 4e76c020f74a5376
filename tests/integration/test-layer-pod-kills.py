#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kills of any process at any instant while pods on layers come and go: holders are those of the pods that are there, counts
are right, and no mount is without a record.

PODMOUNT_KILLS is how many (30 unless told).
"""

import json
import os
import random
import uuid
from collections import Counter

from frame import host, specs, tap
from frame.daemon import MANAGER, Stage
from frame.kills import KILLS, SEED, WORKERS, Client, check_log, kill_until_down, load
from frame.tap import case, equal, eventually

LAYERS = ['base', 'middle', 'top'] + [f'own-{number}' for number in range(WORKERS * 2)]


def spec(roots):
    return json.dumps({'podmount': 1, 'mandatoryMounts': False,
        'containers': [{'name': name, 'root': root, 'mounts': [specs.mount('/mnt')]} for name, root in roots.items()]})


class PodClient(Client):
    """Creates pods on layers, some read-write ones of which all clients want, adds and removes containers, and collects."""
    interface = MANAGER

    def __init__(self, daemon, path, seed):
        super().__init__(daemon, path, seed)
        self.pods = []

    def root(self):
        if self.random.random() < 0.4:
            return {'layer': self.random.choice(LAYERS[3:])}
        root = {'layer': self.random.choice(LAYERS[:3])}
        return {**root, 'overlay': 'tmpfs'} if self.random.random() < 0.5 else root

    def step(self, number):
        what = self.random.random()
        if what < 0.45 or not self.pods:
            ident = str(uuid.UUID(int=self.random.getrandbits(128), version=4))
            roots = {f'c{i}': self.root() for i in range(self.random.randint(1, 3))}
            self.say('create', ident)
            self.call('CreatePod', 'sa{sh}a{sv}', spec(roots), {}, {'id': ident})
            self.say('created', ident)
            self.pods.append(ident)
        elif what < 0.65:
            self.call('AddContainer', 'sssa{sh}a{sv}', self.random.choice(self.pods), f'x{number % 3}', spec({f'x{number % 3}': self.root()}), {}, {})
        elif what < 0.75:
            self.call('RemoveContainer', 'ssa{sv}', self.random.choice(self.pods), f'x{number % 3}', {'missing-ok': True})
        else:
            ident = self.pods.pop(self.random.randrange(len(self.pods)))
            self.say('collect', ident)
            self.call('GC', 'asa{sv}', [ident], {'lazy': self.random.random() < 0.5})


class Stories:
    def __init__(self):
        self.must, self.may = set(), set()

    def read(self, path):
        for line in open(path):
            words = line.split()
            if not line.endswith('\n') or len(words) < 2:
                continue
            verb, ident = words
            (self.may if verb == 'created' else self.must).discard(ident)
            (self.must if verb == 'created' else self.may).add(ident)
        os.unlink(path)


def held(daemon):
    """{(layer, holder): count} as the layers have it."""
    return {(layer['ID'], holder['Name']): holder['Count'] for layer in daemon.json('layer', 'list') for holder in layer['Holders']}


def stood_on(daemon):
    """The same as the pods have it."""
    found = Counter()
    for pod in daemon.pods():
        for mount in daemon.json('show', pod['UUID'])['Mounts']:
            if mount['Target'] == '/' and mount['Source'].startswith('layer:'):
                found[mount['Source'][len('layer:'):], f"pod:{pod['UUID']}"] += 1
    return dict(found)


def compare(daemon, stories, what):
    eventually(lambda: all(pod['State'] not in ('creating', 'stopping') for pod in daemon.pods()), f'{what}: recovery ends', 30)
    pods = {pod['UUID']: pod['State'] for pod in daemon.pods()}
    equal(stories.must - set(pods), set(), f'{what}: pods that were lost')
    equal(set(pods) - stories.must - stories.may, set(), f'{what}: pods that nobody created')
    # An interrupted AddContainer or RemoveContainer is undone or finished by an operation of its own.
    eventually(lambda: held(daemon) == stood_on(daemon), f'{what}: holders are the pods that are there', 20)
    equal({ident: state for ident, state in pods.items() if daemon.state(ident) != 'ready'}, {}, f'{what}: states\n{daemon.diagnose()}')
    own = Counter(ident for ident, _ in held(daemon) if ident.startswith('own-'))
    equal([ident for ident, n in own.items() if n > 1], [], f'{what}: read-write layers with several users')
    equal([count for (ident, _), count in held(daemon).items() if ident.startswith('own-') and count > 1], [], f'{what}: counts of read-write layers')
    for point in host.mounts_below(f'{daemon.runtime}/pods'):
        equal(point[len(f'{daemon.runtime}/pods/'):].split('/')[0] in pods, True, f'{what}: an owner of {point}')
    equal(set(os.listdir(f'{daemon.runtime}/pods')) - set(pods), set(), f'{what}: directories in pods/')
    equal(host.mounts_below(f'{daemon.runtime}/layers'), {}, f'{what}: mounts of layers')


@case(f'{KILLS} kills of keeper, front and executors while pods on layers come and go')
def kills(daemon):
    chance, stories, done, turn = random.Random(SEED), Stories(), 0, 0
    tap.diagnose(f'seed {SEED}')
    for number, ident in enumerate(LAYERS):
        parent = ['--parent', LAYERS[min(number, 3) - 1]] if number else []
        daemon.ok('layer', 'create', '--id', ident, *parent, *(['--read-write'] if number > 2 else []))
    while done < KILLS:
        clients = load(PodClient, daemon, turn, chance)
        done += kill_until_down(daemon, chance, executors=3)
        for pid, path in clients:
            os.waitpid(pid, 0)
            stories.read(path)
        daemon.start()
        compare(daemon, stories, f'seed {SEED}, kill {done}')
        if turn % 4 == 3:
            for outcome in daemon.json('gc', '--lazy', *[pod['UUID'] for pod in daemon.pods()]):
                equal(outcome['Outcome'], 'removed', f'seed {SEED}, kill {done}: collection')
            equal(held(daemon), {}, f'seed {SEED}, kill {done}: holders after a collection')
            stories = Stories()
        turn += 1
    tap.diagnose(f'{len(daemon.pods())} pods, {len(held(daemon))} holders at the end')
    for pod in daemon.pods():
        equal(daemon.json('gc', pod['UUID'])[0]['Outcome'], 'removed', 'the last collection')
    equal((held(daemon), host.mounts_below(f'{daemon.runtime}/pods'), os.listdir(f'{daemon.runtime}/pods')), ({}, {}, []), 'what is left')
    for ident in reversed(LAYERS):
        daemon.ok('layer', 'remove', ident)
    eventually(lambda: os.listdir(f'{daemon.directory}/state/layers') == [], 'directories that are left', 20)
    check_log(daemon)


if __name__ == '__main__':
    host.prepare()
    tap.run(Stage)
