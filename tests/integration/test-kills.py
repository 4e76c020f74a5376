#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kills of any process at any instant, under load: no pod that a client was told of is lost, no mount is left over.

PODMOUNT_KILLS is how many (30 unless told).
"""

import json
import os
import random
import uuid

from frame import host, specs, tap
from frame.daemon import MANAGER, Stage
from frame.kills import KILLS, SEED, Client, check_log, kill_until_down, load
from frame.tap import case, equal, eventually


class PodClient(Client):
    """Creates pods, binds into them, unmounts and collects."""
    interface = MANAGER

    def __init__(self, daemon, path, seed):
        super().__init__(daemon, path, seed)
        self.spec = json.dumps(specs.oci(mounts=[specs.mount('/tmp'), specs.mount('/mnt'), specs.bind('/etc', '/data', 'bind', 'ro')]))
        self.pods = []

    def step(self, _):
        what = self.random.random()
        if what < 0.4 or not self.pods:
            ident = str(uuid.UUID(int=self.random.getrandbits(128), version=4))
            self.say('create', ident)
            self.call('CreatePod', 'sa{sh}a{sv}', self.spec, {}, {'id': ident})
            self.say('created', ident)
            self.pods.append(ident)
        elif what < 0.6:
            ident = self.random.choice(self.pods)
            self.say('bind', ident)
            found = self.call('Bind', 'sssa{sh}a{sv}', ident, '/usr', '/srv', {}, {})
            self.say('bound', ident, int(found))
        elif what < 0.75:
            ident = self.random.choice(self.pods)
            self.say('bind', ident)  # from here on it may be there or not
            self.call('Unmount', 'ssa{sv}', ident, '/srv', {'missing-ok': True})
        else:
            ident = self.pods.pop(self.random.randrange(len(self.pods)))
            self.say('collect', ident)
            self.call('GC', 'asa{sv}', [ident], {'lazy': self.random.random() < 0.5})


class Stories:
    """What the clients were told: which pods must be there, which may be, and the bind of each that must be."""

    def __init__(self):
        self.must, self.may, self.binds = set(), set(), {}

    def read(self, path):
        for line in open(path):
            words = line.split()
            if not line.endswith('\n') or len(words) < 2:
                continue
            verb, ident = words[:2]
            if verb in ('create', 'collect'):
                self.must.discard(ident)
                self.may.add(ident)
                self.binds.pop(ident, None)
            elif verb == 'created':
                self.may.discard(ident)
                self.must.add(ident)
            elif verb == 'bind':
                self.binds.pop(ident, None)
            elif verb == 'bound':
                self.binds[ident] = int(words[2])
        os.unlink(path)


def compare(daemon, stories, what):
    """Recovery has ended: the store, the kernel and the clients' stories agree."""
    eventually(lambda: all(pod['State'] != 'creating' and pod['State'] != 'stopping' for pod in daemon.pods()), f'{what}: recovery ends', 30)
    pods = {pod['UUID']: pod['State'] for pod in daemon.pods()}
    equal(stories.must - set(pods), set(), f'{what}: pods that were lost')
    equal(set(pods) - stories.must - stories.may, set(), f'{what}: pods that nobody created')
    equal({ident: state for ident, state in pods.items() if state != 'ready'}, {}, f'{what}: states\n{daemon.diagnose()}')
    for point in host.mounts_below(f'{daemon.runtime}/pods'):
        equal(point[len(f'{daemon.runtime}/pods/'):].split('/')[0] in pods, True, f'{what}: an owner of {point}')
    equal(set(os.listdir(f'{daemon.runtime}/pods')) - set(pods), set(), f'{what}: directories in pods/')
    for ident, mount in stories.binds.items():
        if ident in stories.must:
            equal(daemon.mounts(ident)['main:/srv']['ID'], mount, f'{what}: the bind of {ident}')


@case(f'{KILLS} kills of keeper, front and executors under load')
def kills(daemon):
    chance, stories, done, turn = random.Random(SEED), Stories(), 0, 0
    specs.rootfs()  # made once, before several clients want it
    tap.diagnose(f'seed {SEED}')
    while done < KILLS:
        clients = load(PodClient, daemon, turn, chance)
        done += kill_until_down(daemon, chance)
        for pid, path in clients:
            os.waitpid(pid, 0)
            stories.read(path)
        daemon.start()
        compare(daemon, stories, f'seed {SEED}, kill {done}')
        if turn % 4 == 3:
            for outcome in daemon.json('gc', '--lazy', *[pod['UUID'] for pod in daemon.pods()]):
                equal(outcome['Outcome'], 'removed', f'seed {SEED}, kill {done}: collection')
            stories = Stories()
        turn += 1
    for pod in daemon.pods():
        equal(daemon.json('gc', pod['UUID'])[0]['Outcome'], 'removed', 'the last collection')
    equal(host.mounts_below(f'{daemon.runtime}/pods'), {}, 'mounts that are left')
    equal(os.listdir(f'{daemon.runtime}/pods'), [], 'directories that are left')
    equal(daemon.json('gc'), [], 'garbage')
    check_log(daemon)


if __name__ == '__main__':
    host.prepare()
    tap.run(Stage)
