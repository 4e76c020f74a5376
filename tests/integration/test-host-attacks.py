#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Mounts on the host, in hostile hands and under SIGKILL: who may have them, renames and symlinks on the way, deaths at any
instant."""

import ctypes
import json
import os
import random
import subprocess
import time
import threading

import dbus

from frame import host, specs, tap
from frame.bus import Bus
from frame.daemon import ERROR, MANAGER, Daemon, Stage
from frame.host import ALICE, UserError, as_user
from frame.kills import kill_during
from frame.places import Places, config, listed
from frame.situation import WithPolkit
from frame.tap import Skip, case, contains, equal, eventually

bus = None
libc = ctypes.CDLL(None, use_errno=True)
ACTION = 'org.podmount1.host-target'


class Situation(Daemon):
    def __init__(self):
        self.places = Places(f'p{random.randrange(1 << 40)}')
        super().__init__(config=config(self.places.top))


@case('a user needs polkit\'s word, whose action names what goes where; without it nothing is made, whatever else is allowed', alone=True)
def asked():
    places = Places('asked', ALICE)
    with WithPolkit(bus, 'yes', config(places.top)) as s:
        def create(spec=None, uid=ALICE):
            return as_user(uid, lambda: str(bus.call(MANAGER, 'CreatePod', 'sa{sh}a{sv}', json.dumps(spec or places.spec()), {}, {})[0]))

        def refusal(spec=None):
            try:
                create(spec)
            except UserError as error:
                places.untouched()
                return error.name
            raise AssertionError('it was made')

        pod = create()
        calls = s.polkit.calls()
        equal([call['action'] for call in calls], ['org.podmount1.create', ACTION], 'actions')
        equal(calls[1]['details']['target'].split(), [places.bound, places.memory, places.layers], 'targets')
        equal(calls[1]['details']['source'].split(), [places.source, 'tmpfs', 'overlay'], 'sources')
        equal(calls[1]['details']['type'].split(), ['bind', 'tmpfs', 'overlay'], 'types')
        for point, fields in host.mounts_below(places.top).items():
            assert {'nosuid', 'nodev'} <= set(fields[5].split(',')), (point, fields)
        equal(os.stat(f'{places.store}/service/upper').st_uid, ALICE, 'owner of what was made')
        exported = as_user(ALICE, lambda: str(bus.call(MANAGER, 'Export', 'sa{sv}', pod, {})))
        s.daemon.ok('gc', pod)
        places.untouched()
        # an escape in JSON hides nothing
        s.polkit.forget()
        text = json.dumps(places.spec()).replace('hostMounts', 'host\\u004dounts')
        pod = as_user(ALICE, lambda: str(bus.call(MANAGER, 'CreatePod', 'sa{sh}a{sv}', text, {}, {})[0]))
        contains([call['action'] for call in s.polkit.calls()], ACTION)
        s.daemon.ok('gc', pod)
        # Restore asks the same
        s.polkit.forget()
        pod = as_user(ALICE, lambda: str(bus.call(MANAGER, 'Restore', 'sa{sh}a{sv}', exported, {}, {})[0]))
        contains([call['action'] for call in s.polkit.calls()], ACTION)
        s.daemon.ok('gc', pod)
        plan = json.loads(as_user(ALICE, lambda: str(bus.call(MANAGER, 'Plan', 'sa{sh}a{sv}', json.dumps(places.spec()), {}, {}))))
        contains(plan['actions'], ACTION)
        # what is not the caller's to open, and suid, stay refused
        private = specs.tree('private', {'x': ''})
        os.chmod(private, 0o700)
        hidden = specs.tree('hidden', {'bound/': ''})
        os.chmod(hidden, 0o700)
        equal(refusal(places.spec([specs.bind(f'{hidden}/bound', places.bound)])), f'{ERROR}SourceDenied', 'a source of root\'s')
        equal(refusal(places.spec([specs.mount(places.memory, options=['suid'])])), 'org.freedesktop.DBus.Error.AccessDenied', 'suid')
        equal(refusal(places.spec([specs.mount('/mnt')])), f'{ERROR}InvalidTarget', 'off the list')
        for answer, error in (('no', 'AccessDenied'), ('die', 'AccessDenied')):
            s.polkit.answer(answer)
            equal(refusal(), f'org.freedesktop.DBus.Error.{error}', answer)
        pod = create(uid=0)  # root is not asked
        s.daemon.ok('gc', pod)
        places.untouched()


@case('polkit\'s yes to creating is none to mounting on the host', alone=True)
def told_apart():
    places = Places('apart', ALICE)
    with WithPolkit(bus, 'yes', config(places.top)) as s:
        def switch():  # yes to the first question, no to all others
            eventually(lambda: s.polkit.calls(), 'a question', interval=0.0005)
            s.polkit.answer('no')
        for _ in range(20):
            s.polkit.forget()
            s.polkit.answer('yes')
            thread = threading.Thread(target=switch)
            thread.start()
            try:
                pod = as_user(ALICE, lambda: str(bus.call(MANAGER, 'CreatePod', 'sa{sh}a{sv}', json.dumps(places.spec()), {}, {})[0]))
            except UserError as error:
                equal(error.name, 'org.freedesktop.DBus.Error.AccessDenied', 'error')
                contains(error.text, ACTION if len(s.polkit.calls()) > 1 else 'create')
                places.untouched()
            else:
                s.daemon.ok('gc', pod)
            thread.join()


@case('who does not see the host\'s paths has no mounts on the host', alone=True)
def elsewhere():
    places = Places('elsewhere', ALICE)
    with WithPolkit(bus, 'yes', config(places.top)) as s:
        spec = dict(places.spec([specs.mount(places.memory)]))
        spec['root']['path'] = 'fd:root'

        def create(apart):
            if apart and libc.unshare(0x20000) != 0:
                raise OSError(ctypes.get_errno(), 'unshare')
            host.drop_to(ALICE)
            root = os.open(places.root, os.O_PATH)
            return str(bus.call(MANAGER, 'CreatePod', 'sa{sh}a{sv}', json.dumps(spec), {'root': dbus.types.UnixFd(root)}, {})[0])
        s.daemon.ok('gc', as_user(0, create, False))
        try:
            as_user(0, create, True)
        except UserError as error:
            equal(error.name, f'{ERROR}InvalidTarget', error.text)
            contains(error.text, 'another mount namespace')
        else:
            raise AssertionError('it was made')
        places.untouched()


def exchange(a, b):
    return libc.syscall(316, -100, a.encode(), -100, b.encode(), 2)  # renameat2(RENAME_EXCHANGE)


@case('directories and symlinks swapped on the way to a target: never a mount anywhere but below the list')
def swapped(daemon):
    if os.uname().machine != 'x86_64':
        raise Skip('the number of renameat2 is known for x86_64 only')
    places = daemon.places
    victim = specs.tree(f'{os.path.basename(places.top)}-victim', {'deep/place/': ''})
    specs.tree(os.path.basename(places.top), {'way/deep/place/': '', 'spare/': ''})
    os.symlink(victim, f'{places.top}/link')
    target = f'{places.top}/way/deep/place'
    ended, made, failed = threading.Event(), 0, 0

    def swap():
        while not ended.is_set():
            exchange(f'{places.top}/way', f'{places.top}/link')
            exchange(f'{places.top}/way', f'{places.top}/link')
            # and a directory on the way out of the list and back
            os.rename(f'{places.top}/way/deep', f'{places.outside}/deep')
            os.rename(f'{places.outside}/deep', f'{places.top}/way/deep')

    def creating():
        nonlocal made, failed
        spec = json.dumps(places.spec([specs.mount(target)]))
        for _ in range(300):
            answer = daemon.ctl('create', '-', input=spec)
            if answer.status == 0:
                made += 1
                pod = answer.out.strip()
                eventually(lambda: daemon.ctl('gc', pod).status == 0, 'the pod goes', 20)
            else:
                failed += 1
            equal([point for point in host.mounts_below(victim)], [], 'mounts where the symlink leads')

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        creating()
    finally:
        ended.set()
        swapping.join()
    assert made and failed, f'{made} were made and {failed} refused: nothing was tried'
    equal(daemon.pods(), [], 'pods')
    equal(host.mounts_below(victim), {}, 'mounts where the symlink leads')
    equal(host.mounts_below(places.outside), {}, 'mounts outside')
    places.untouched()


@case('killed at any instant of creating, repairing and collecting: no mount on the host stays that no record names', alone=True)
def kills():
    chance = random.Random(7)
    places = Places('kills')
    seen = {}
    with Stage(config=config(places.top)) as daemon:
        daemon.places = places
        begin = time.monotonic()
        whole = daemon.create(places.spec())
        took = time.monotonic() - begin
        daemon.ok('gc', whole)
        for turn in range(45):
            ident = f'00000000-0000-4000-8000-{turn:012}'
            verb = ('create', 'gc', 'repair')[turn % 3]
            if verb != 'create':
                daemon.create(places.spec(), '--id', ident)
            if verb == 'repair':
                for point in places.all():
                    subprocess.run(['umount', point], check=True)
                eventually(lambda: set(listed(daemon, ident).values()) == {'missing'}, 'all is missing')
            # a pod that is busy has its mounts on the host back after each try to collect it
            held = open(f'{daemon.rootfs(ident)}/etc/hostname') if verb == 'gc' and turn % 2 else None
            words = {'create': ('create', '--id', ident, '-'), 'gc': ('gc', ident), 'repair': ('repair', ident)}[verb]
            kill_during(daemon, chance, turn // 3, *words, within=0.15 if held else took if verb == 'create' else 0.03, input=json.dumps(places.spec()))
            pods = [pod['UUID'] for pod in daemon.pods() if pod['UUID'] == ident and pod['State'] not in ('creating', 'stopping')]
            if pods:
                recorded = listed(daemon, ident)
                equal(sorted(recorded), places.all(), 'on record')
                for point in places.all():
                    equal(point in places.tops(), recorded[point] == 'ok', f'turn {turn}: {point} is {recorded[point]}')
            if held:
                held.close()
            seen[verb, bool(pods)] = seen.get((verb, bool(pods)), 0) + 1
            eventually(lambda: not daemon.pods() or (daemon.ctl('gc', ident) and not daemon.pods()), 'the pod goes')
            eventually(lambda: places.tops() == [] and os.listdir(places.store) == [],
                    f'turn {turn}: nothing stays: {places.tops()} {os.listdir(places.store)}', 5)
        tap.diagnose(f'pods after the kill: {seen}')
        assert seen.get(('create', True)) and seen.get(('create', False)), seen


if __name__ == '__main__':
    host.prepare()
    bus = Bus()
    tap.run(Situation)
