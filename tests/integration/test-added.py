#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Containers that are prepared when they are added to a living pod: what was made for them goes with them."""

import errno
import json
import os
import random
import re
import signal
import struct
import subprocess

import dbus

from frame import host, specs, tap
from frame.ambush import Ambush, number_of
from frame.bus import Bus
from frame.daemon import ERROR, MANAGER, Daemon, Stage
from frame.host import ALICE, UserError, as_user
from frame.kills import kill_during
from frame.situation import WithPolkit
from frame.tap import PATIENCE, case, contains, equal, eventually

bus = None


class Place:
    """A writable root and layers for an overlay, and what they look like untouched."""

    def __init__(self, name, owner=0):
        self.root = specs.rootfs(f'{name}-root', owner)
        self.lower = specs.tree(f'{name}-lower', {'from-below': 'x\n'}, owner)
        self.store = specs.tree(f'{name}-store', {'kept/': ''}, owner)
        self.before = self.files()

    def overlay(self, target='/srv', upper='service/upper', work='service/work'):
        return specs.mount(target, 'overlay', 'overlay', ['rw', f'lowerdir={self.lower}', f'upperdir={self.store}/{upper}',
                f'workdir={self.store}/{work}'])

    def prepare(self, **more):
        return {'mounts': [specs.mount('/tmp/run', 'tmpfs', 'tmpfs', ['rw', 'size=1m']), self.overlay(),
                specs.mount('/new/point')], 'mkdir': ['/tmp/run/sockets', '/srv/data/files', '/data/deep/er', '/new/beside'], **more}

    def spec(self, **more):
        return dict(specs.oci(self.root), prepare=self.prepare(**more))

    def files(self):
        found = []
        for top in (self.root, self.lower, self.store):
            for base, directories, names in os.walk(top):
                found += [f'{base}/{name}' for name in directories + names]
        return sorted(found)

    def untouched(self, what=''):
        equal(self.files(), self.before, f'files of the sources {what}')


class Situation(Daemon):
    def __init__(self):
        super().__init__()
        self.place = Place(os.path.basename(self.directory))
        self.pod = self.create(specs.podmount({'main': (specs.rootfs(), True, ())}))

    def add(self, name='side', **more):
        return self.ok('add-container', self.pod, name, '-', input=json.dumps(self.place.spec(**more)))


def check_made(daemon, place, pod, name='side'):
    rootfs = daemon.rootfs(pod, name)
    for path in ('tmp/run/sockets', 'srv/data/files', 'data/deep/er', 'new/beside'):
        equal(oct(os.stat(f'{rootfs}/{path}').st_mode), '0o40755', path)
    equal(os.listdir(f'{place.store}/service/upper'), ['data'], 'the upper directory')
    assert os.path.isdir(f'{place.root}/data/deep/er'), 'the root takes the directories'
    equal(sorted(target for target in daemon.mounts(pod) if target.startswith(f'{name}:')),
            [f'{name}:{target}' for target in ('/', '/new/point', '/srv', '/tmp/run')], 'mounts')
    equal(daemon.state(pod), 'ready', 'state')


@case('mounts, upper and work directories, then directories; all of it goes with the container, strictly and lazily')
def whole(daemon):
    place, before = daemon.place, host.mount_table()
    for words, restart in (([], False), (['--lazy'], False), ([], True), (['--lazy'], True)):
        daemon.add()
        daemon.add()  # a retry
        if restart:
            daemon.restart()
        check_made(daemon, place, daemon.pod)
        contains(daemon.refused('add-container', daemon.pod, 'side', '-', input=json.dumps(place.spec(mkdir=[]))), 'another spec')
        daemon.ok('remove-container', daemon.pod, 'side', *words)
        equal(host.mount_table(), before, 'the mount table')
        place.untouched(f'{words} {restart}')


@case('it goes with the pod, too, and as part of a creation')
def with_the_pod(daemon):
    place = daemon.place
    for words, restart in (([], False), (['--lazy'], True)):
        daemon.add()
        if restart:
            daemon.restart()
        daemon.ok('gc', *words, daemon.pod)
        place.untouched()
        pod = daemon.create(place.spec())
        check_made(daemon, place, pod, 'main')
        daemon.ok('gc', *words, pod)
        place.untouched()
        daemon.pod = daemon.create(specs.podmount({'main': (specs.rootfs(), True, ())}))


@case('one container takes its own directories along, and none of another, that of the pod\'s creation included')
def of_each(daemon):
    places = {name: Place(f'{os.path.basename(daemon.directory)}-{name}') for name in ('main', 'one', 'two')}
    spec = specs.podmount({'main': (places['main'].root, False, ())})
    spec['containers'][0]['prepare'] = places['main'].prepare()
    pod = daemon.create(spec)
    for name in ('one', 'two'):
        daemon.ok('add-container', pod, name, '-', input=json.dumps(places[name].spec()))
    for name in ('main', 'one'):
        daemon.ok('remove-container', pod, name)
        places[name].untouched(f'of {name}')
        for other in places:
            if other != name and other in daemon.json('show', pod)['Containers']:
                check_made(daemon, places[other], pod, other)
    daemon.ok('gc', pod)
    places['two'].untouched('of two')


@case('a mount point that was made later in a directory that was made goes before it')
def mounted_later(daemon):
    for words in ([], ['--lazy']):
        daemon.add()
        daemon.ok('bind', daemon.pod, '/etc', '/data/deep/er/later', '--container', 'side')
        assert os.path.isdir(f'{daemon.place.root}/data/deep/er/later'), 'the root takes the mount point'
        daemon.ok('remove-container', daemon.pod, 'side', *words)
        daemon.place.untouched(str(words))


@case('a busy container keeps its directories; what holds something stays')
def kept(daemon):
    place = daemon.place
    daemon.add()
    rootfs = daemon.rootfs(daemon.pod, 'side')
    with subprocess.Popen(['sleep', '100'], cwd=f'{rootfs}/bin') as process:
        try:
            contains(daemon.refused('remove-container', daemon.pod, 'side'), 'in use')
            check_made(daemon, place, daemon.pod)
        finally:
            process.kill()
    with open(f'{rootfs}/srv/data/files/kept', 'w') as file:
        file.write('kept\n')
    os.mkdir(f'{rootfs}/data/deep/er/kept')
    daemon.ok('remove-container', daemon.pod, 'side')
    new = sorted(set(place.files()) - set(place.before))
    equal(new, sorted([f'{place.store}/service', f'{place.store}/service/upper', f'{place.store}/service/upper/data',
            f'{place.store}/service/upper/data/files', f'{place.store}/service/upper/data/files/kept', f'{place.root}/data/deep',
            f'{place.root}/data/deep/er', f'{place.root}/data/deep/er/kept']), 'what stays')


@case('when a later step fails, all that was made goes in reverse, and the record is what it was')
def undone(daemon):
    place, before = daemon.place, host.mount_table()
    prepare, shown = place.prepare(), daemon.json('show', daemon.pod)
    for broken, word in (({'mkdir': prepare['mkdir'] + ['/etc/hostname/below']}, 'is a file'),
            ({'mkdir': prepare['mkdir'] + ['/proc/podmount']}, 'no directories are made'),
            ({'mounts': prepare['mounts'] + [specs.bind('/nonexistent', '/mnt')]}, 'does not exist')):
        contains(daemon.refused('add-container', daemon.pod, 'side', '-', input=json.dumps(place.spec(**broken))), word)
        equal(host.mount_table(), before, 'the mount table')
        equal(daemon.json('show', daemon.pod), shown, 'the pod')
        place.untouched()
    daemon.restart()
    daemon.add()
    check_made(daemon, place, daemon.pod)


@case('its warnings say what is not applied and what cannot be removed again, and go with it')
def told(daemon):
    place = daemon.place
    root = os.open(place.root, os.O_PATH)
    spec = place.spec(oomScore=5)
    spec['root']['path'] = 'fd:root'
    daemon.manager('AddContainer', 'sssa{sh}a{sv}', daemon.pod, 'side', json.dumps(spec),
            dbus.Dictionary({'root': dbus.types.UnixFd(root)}, signature='sh'), {})
    os.close(root)
    warnings = daemon.json('show', daemon.pod)['Warnings']
    for text in ('/prepare/oomScore is not applied', 'directory /data/deep/er of container side stays'):
        equal(len([line for line in warnings if text in line and line.startswith('container side: ')]), 1, f'{text}: {warnings}')
    daemon.ok('remove-container', daemon.pod, 'side')
    equal(daemon.json('show', daemon.pod)['Warnings'], [], 'warnings')


@case('an export keeps what an added container was prepared with, and Restore makes its directories again')
def exported(daemon):
    place = daemon.place
    daemon.add()
    document = daemon.ok('export', daemon.pod)
    daemon.ok('gc', daemon.pod)
    place.untouched()
    again = daemon.ok('restore', '-', input=document).split()[0]
    check_made(daemon, place, again)
    equal(json.loads(daemon.ok('export', again)), json.loads(document), 'the export of what was restored')
    daemon.ok('remove-container', again, 'side')
    place.untouched()


@case('its mounts count against the limit of a user\'s pod; a user gets what that user could make', alone=True)
def as_owner():
    with WithPolkit(bus, 'yes', '[Limits]\nMountsPerPod=8\n') as s:
        place = Place('alice', ALICE)

        def call(method, signature, *arguments):
            return as_user(ALICE, lambda: str(bus.call(MANAGER, method, signature, *arguments)))

        def add(prepare):
            return call('AddContainer', 'sssa{sh}a{sv}', pod, 'side', json.dumps(dict(specs.oci(place.root), prepare=prepare)), {}, {})

        pod = as_user(ALICE, lambda: str(bus.call(
                MANAGER, 'CreatePod', 'sa{sh}a{sv}', json.dumps(specs.podmount({'main': (s.root, True, ())})), {}, {})[0]))
        add(place.prepare())
        check_made(s.daemon, place, pod)
        for path in (f'{place.store}/service/upper', f'{place.store}/service/work', f'{place.root}/data/deep/er'):
            equal(os.stat(path).st_uid, ALICE, f'owner of {path}')
        s.daemon.ok('remove-container', pod, 'side')  # by root, in the owner's name
        place.untouched()
        os.chown(f'{place.root}/mnt', 0, 0)
        many = place.prepare()['mounts'] + [specs.mount(f'/tmp/{number}') for number in range(4)]
        for prepare, name, word in (({'mkdir': ['/data/own', '/mnt/foreign']}, 'InvalidTarget', '/mnt/foreign'),
                (place.prepare(mounts=many), 'QuotaExceeded', 'mounts per pod')):
            try:
                add(prepare)
            except UserError as error:
                equal(error.name, f'{ERROR}{name}', 'error')
                contains(error.text, word)
            else:
                raise AssertionError(f'{prepare} was made')
            place.untouched()


def is_settled(daemon, place, pod):
    """Whether the container is there with all that it has, or not at all."""
    if daemon.state(pod) != 'ready':
        return False
    if 'side' not in daemon.json('show', pod)['Containers']:
        return place.files() == place.before
    return os.path.isdir(f'{daemon.rootfs(pod, "side")}/srv/many/39/x') and len([name for name in daemon.mounts(pod)
            if name.startswith('side:')]) == 44


@case('killed at any instant of adding or removing: the container is whole or not there, and nothing else stays', alone=True)
def kills():
    chance = random.Random(17)
    seen = {True: 0, False: 0}
    with Stage() as daemon:
        place = Place('kills')
        spec = place.spec()
        spec['prepare']['mkdir'] += [f'/srv/many/{number}/x' for number in range(40)] + [f'/data/many/{n}' for n in range(40)]
        spec['prepare']['mounts'] += [specs.mount(f'/points/{number}/x') for number in range(20)]
        spec['prepare']['mounts'] += [specs.mount(f'/files/{number}/x', 'none', f'{place.lower}/from-below', ['bind']) for number in range(20)]
        pod = daemon.create(specs.podmount({'main': (specs.rootfs(), True, ())}))
        for turn in range(60):
            there = 'side' in daemon.json('show', pod)['Containers']
            words = ['remove-container', pod, 'side'] + (['--lazy'] if turn % 2 else []) if there else ['add-container', pod, 'side', '-']
            kill_during(daemon, chance, turn, *words, input=None if there else json.dumps(spec))
            try:
                eventually(lambda: is_settled(daemon, place, pod), 'the container is whole or not there', 5)
            except AssertionError as error:
                raise AssertionError(f'turn {turn}, {words}: {sorted(set(place.files()) ^ set(place.before))[:20]}') from error
            seen['side' in daemon.json('show', pod)['Containers']] += 1
        assert seen[True] and seen[False], seen
        tap.diagnose(f'there or not: {seen}')


def slot(daemon, number):
    """The process of the executor in that slot."""
    return int(re.findall(rf'executor {number} is process (\d+)', daemon.log())[-1])


def jobs_noted(daemon):
    """The jobs that the intent files of the first two executors are about, behind the magic number."""
    found = []
    for number in range(2):
        with open(f'{daemon.runtime}/intent/{number}', 'rb') as file:
            found.append(struct.unpack('=QQ', file.read(16))[1])
    return found


def answers(daemon, *words, **more):
    """How many messages the first executor sends at this."""
    with Ambush([slot(daemon, 0)], call=number_of('sendmsg')) as ambush:
        daemon.ok(*words, **more)
    return ambush.calls


def give_up(daemon, words, spec):
    """Starts the call, with a mount point that is removed under the first executor, so that it is tried again after a while."""
    before = daemon.log().count('is tried again')
    for at in range(1, 20):
        with Ambush([slot(daemon, 0)], call=number_of('move_mount'), at=at, error=errno.ENOENT):
            call = subprocess.Popen([f'{host.DIRECTORY}/bin/podmountctl', '--socket', daemon.socket, *words], stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
            call.stdin.write(spec)
            call.stdin.close()
            eventually(lambda: daemon.log().count('is tried again') > before or call.poll() is not None, 'the first try is over', 30)
        if call.poll() is None:
            return call
        equal(call.returncode != 0, True, f'attaching number {at} fails')
    raise AssertionError('no failure passes')


@case('one executor gives up and dies, the next one has made the container when all die: nothing of it stays', alone=True)
def tried_by_two():
    with Stage(config=f'[Daemon]\nExecutors=2\n[Mounts]\nBusyIntervalMSec={int(2000 * PATIENCE)}\n') as daemon:
        place = Place('two')
        pod = daemon.create(specs.podmount({'main': (specs.rootfs(), True, ())}))
        words, spec, before = ['add-container', pod, 'side', '-'], json.dumps(place.spec()), host.mount_table()
        n = answers(daemon, *words, input=spec) - answers(daemon, 'show', pod)  # without that of who calls
        daemon.ok('remove-container', pod, 'side')
        equal(host.mount_table(), before, 'the mount table')
        place.untouched()

        call = give_up(daemon, words, spec)
        os.kill(daemon.keeper(), signal.SIGSTOP)  # no other comes in its place
        os.kill(slot(daemon, 0), signal.SIGKILL)
        with Ambush([slot(daemon, 1)], call=number_of('sendmsg'), at=n, kill=daemon.keeper()) as ambush:
            call.wait(30 * PATIENCE)
        daemon.wait()
        equal(ambush.hit, number_of('sendmsg'), 'where all died: at the answer')
        first, second = jobs_noted(daemon)
        equal(first, second, 'the job that both files are about')
        equal(len(host.mounts_below(daemon.rootfs(pod, 'side'))) > 3, True, 'the container is there')
        daemon.start()
        eventually(lambda: host.mount_table() == before, 'the mount table is as it was')
        place.untouched()
        equal((daemon.state(pod), daemon.json('show', pod)['Containers']), ('ready', ['main']), 'the pod')
        daemon.ok('gc', pod)


if __name__ == '__main__':
    host.prepare()
    bus = Bus()
    tap.run(Situation)
