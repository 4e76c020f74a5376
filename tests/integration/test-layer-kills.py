#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kills of any process at any instant while layers come and go: each is whole or not there, and nothing lies about.

PODMOUNT_KILLS is how many (30 unless told).
"""

import os
import random

import dbus

from frame import host, tap
from frame.daemon import LAYERS, Stage
from frame.kills import KILLS, SEED, Client, check_log, kill_until_down, load
from frame.tap import case, equal, eventually


class LayerClient(Client):
    """Creates and removes layers, gets them and puts them back."""
    interface = LAYERS

    def __init__(self, daemon, path, seed):
        super().__init__(daemon, path, seed)
        self.prefix, self.chains = f'{seed:x}', [[]]

    def hold(self, ident):
        if self.random.random() < 0.6:
            self.say('get', ident, self.prefix)
            path = str(self.call('GetLayer', 'sa{sv}', ident, {'holder': self.prefix}))
            self.say('got', ident, self.prefix)
            os.listdir(path)
        else:
            self.say('put', ident, self.prefix)
            self.call('PutLayer', 'sa{sv}', ident, {'holder': self.prefix})
            self.say('was-put', ident, self.prefix)

    def step(self, number):
        chain = self.random.choice(self.chains[:4])
        if chain and self.random.random() < 0.5:
            self.hold(self.random.choice(chain[-3:]))
            return
        if self.random.random() < 0.6 or not chain:
            ident, parent = f'{self.prefix}-{number % 7}-{number}', chain[-1] if chain else ''
            self.say('begin', ident, parent)
            self.call('CreateLayer', 'ssa{sv}', ident, parent, {'metadata': dbus.Dictionary({'n': str(number)}, 'ss')})
            self.say('created', ident, parent)
            chain.append(ident)
            if self.random.random() < 0.3:
                self.chains.append([])
        else:
            ident = chain.pop()
            self.say('begin', ident, '')
            self.call('RemoveLayer', 'sa{sv}', ident, {})
            self.say('removed', ident, '')
            if self.random.random() < 0.5:  # the same id once more, at once
                self.say('begin', ident, '')
                self.call('CreateLayer', 'ssa{sv}', ident, '', {})
                self.say('created', ident, '')
                self.chains.append([ident])


class Stories:
    """Which layers must be there, on which parent, and which may be."""

    def __init__(self):
        self.must, self.may = {}, set()
        self.holds = {}  # (layer, holder): [how often at least, and at most]

    @staticmethod
    def hold(verb, counts):
        if verb == 'get':
            counts[1] += 1
        elif verb == 'got':
            counts[0] += 1
        elif verb == 'put':
            counts[0] = max(counts[0] - 1, 0)
        else:
            counts[1] = max(counts[1] - 1, 0)

    def read(self, path):
        for line in open(path):
            words = line.rstrip('\n').split(' ')
            if not line.endswith('\n') or len(words) != 3:
                continue
            verb, ident, parent = words
            if verb in ('get', 'got', 'put', 'was-put'):
                self.hold(verb, self.holds.setdefault((ident, parent), [0, 0]))
                continue
            if verb == 'begin':
                self.must.pop(ident, None)
                self.may.add(ident)
            else:
                self.may.discard(ident)
            if verb == 'created':
                self.must[ident] = parent
        os.unlink(path)


def on_disk(daemon):
    return set(os.listdir(f'{daemon.directory}/state/layers'))


def compare_holds(daemon, stories, what):
    """Counts are what clients were told, give or take what they were not; what somebody holds is mounted, and nothing else."""
    layers = {layer['ID']: layer for layer in daemon.json('layer', 'list')}
    seen = {(ident, holder['Name']): holder['Count'] for ident, layer in layers.items() for holder in layer['Holders']}
    for key, (least, most) in stories.holds.items():
        equal(least <= seen.get(key, 0) <= most, True, f'{what}: {key} is held {seen.get(key, 0)} times, not {least} to {most}')
    equal(set(seen) - set(stories.holds), set(), f'{what}: holders that nobody is')
    held, surely = {ident for ident, _ in seen}, {ident for (ident, _), (least, _) in stories.holds.items() if least > 0}

    def mounted():
        return {os.path.basename(point) for point in host.mounts_below(f'{daemon.runtime}/layers')}
    eventually(lambda: mounted() == held, f'{what}: what is held is mounted, and nothing else', 20)
    equal(surely - {ident for ident, layer in layers.items() if layer['Path']}, set(), f'{what}: paths')
    stories.holds = {key: [count, count] for key, count in seen.items()}


def compare(daemon, stories, what):
    """Recovery has ended: records, directories and the clients' stories agree."""
    listed = {layer['ID']: layer['Parent'] for layer in daemon.json('layer', 'list')}
    eventually(lambda: on_disk(daemon) == set(listed), f'{what}: directories and records agree', 20)
    eventually(lambda: daemon.json('layer', 'status')['Removing'] == 0, f'{what}: nothing is being removed', 20)
    equal({ident: parent for ident, parent in stories.must.items() if listed.get(ident) != parent}, {}, f'{what}: layers that were lost')
    equal(set(listed) - set(stories.must) - stories.may, set(), f'{what}: layers that nobody made')
    for ident in listed:
        equal(sorted(os.listdir(f'{daemon.directory}/state/layers/{ident}')), ['diff', 'meta', 'work'], f'{what}: {ident} is whole')
    compare_holds(daemon, stories, what)
    for ident in list(stories.may):
        if ident in listed:
            stories.must[ident] = listed[ident]
    stories.may.clear()


@case(f'{KILLS} kills of keeper, front and executors while layers come and go')
def kills(daemon):
    chance, stories, done, turn = random.Random(SEED), Stories(), 0, 0
    tap.diagnose(f'seed {SEED}')
    while done < KILLS:
        clients = load(LayerClient, daemon, turn, chance)
        done += kill_until_down(daemon, chance, executors=3)
        for pid, path in clients:
            os.waitpid(pid, 0)
            stories.read(path)
        daemon.start()
        compare(daemon, stories, f'seed {SEED}, kill {done}')
        turn += 1
    tap.diagnose(f'{len(stories.must)} layers at the end')
    for layer in reversed(daemon.json('layer', 'list')):
        for holder in layer['Holders']:
            daemon.ok('layer', 'put', layer['ID'], '--holder', holder['Name'], '--all')
        daemon.ok('layer', 'remove', layer['ID'])
    equal(host.mounts_below(f'{daemon.runtime}/layers'), {}, 'mounts that are left')
    eventually(lambda: on_disk(daemon) == set(), 'directories that are left', 20)
    check_log(daemon)


if __name__ == '__main__':
    host.prepare()
    tap.run(Stage)
