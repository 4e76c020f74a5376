#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Targets and sources that somebody exchanges for symlinks, other directories and files while pods are created and binds
made: whatever each call comes to, nothing outside the root is mounted on or written to, and nothing is shown that its
caller could not have opened.

PODMOUNT_ATTACKS is how many creations and binds (2,000 unless told; scripts/torture: 100,000), PODMOUNT_SEED which.
"""

import json
import os
import random
import signal
import subprocess
import time

import dbus

from frame import host, own_space, specs, tap
from frame.bus import Bus
from frame.daemon import MANAGER, Daemon
from frame.host import ALICE, as_user
from frame.polkit import Polkit
from frame.tap import case, diagnose, equal

ATTACKS = int(os.environ.get('PODMOUNT_ATTACKS', '2000'))
SEED = int(os.environ.get('PODMOUNT_SEED', str(int(time.time()))))
BATCH = 200
CONFIG = '[Limits]\nPodsPerUser=1000\nMountsPerPod=10000\nMountsPerUser=100000\n'
# What a call may be refused with when its place was exchanged under it; anything else is a fault.
# Busy: a mount of the tree was lost with its mount point, and so each time that it was tried again.
REFUSALS = {'InvalidTarget', 'TargetInUse', 'EscapesRoot', 'SourceDenied', 'NoSuchSource', 'Busy'}


class Field:
    """A root of Alice's whose directories and files she exchanges, and beside it what is not to be touched: open to her,
    but for what is private, so that nothing but the resolution of paths keeps a mount or a directory away from it."""

    def __init__(self, name):
        self.root = specs.rootfs(f'{name}-root', owner=ALICE)
        self.outside = specs.tree(f'{name}-outside', {'file': 'outside', 'sub/target/': '', 'deep/sub/target/': '',
                                                      'sub/file': 'outside'}, owner=ALICE)
        self.private = specs.tree(f'{name}-private', {'secret': 'secret', 'directory/secret': 'secret'})
        os.chmod(f'{self.private}/secret', 0o600)
        os.chmod(self.private, 0o700)
        self.source = specs.tree(f'{name}-source', {'file': 'alice', 'directory/file': 'alice', 'plain/file': 'alice'},
                                 owner=ALICE)
        self.pairs = []
        up = '../' * 24 + self.outside[1:]
        self.target('absolute', 'sub/', self.outside)
        self.target('climbing', 'sub/', up)
        self.target('magic', 'sub/', f'/proc/self/root{self.outside}')
        self.target('cwd', 'sub/', f'/proc/1/root{self.outside}')
        self.target('parent/inner', 'sub/target/', f'{up}/deep')
        self.directory(f'{self.root}/a/level/sub')
        self.directory(f'{self.root}/b/level')
        os.symlink(f'{up}/sub', f'{self.root}/b/level/sub')
        self.pair(f'{self.root}/a', f'{self.root}/b')
        self.pair(f'{self.root}/a/level', f'{self.root}/b/level')
        self.directory(f'{self.root}/kind')
        with open(f'{self.root}/kind-file', 'w') as file:
            file.write('inside')
        self.pair(f'{self.root}/kind', f'{self.root}/kind-file')
        with open(f'{self.root}/leaf', 'w') as file:
            file.write('inside')
        os.symlink(f'{up}/file', f'{self.root}/leaf-link')
        self.pair(f'{self.root}/leaf', f'{self.root}/leaf-link')
        for name, beside in (('file', f'{self.private}/secret'), ('directory', f'{self.private}/directory')):
            os.symlink(beside, f'{self.source}/{name}-link')
            self.pair(f'{self.source}/{name}', f'{self.source}/{name}-link')
        for base in (self.root, self.source):
            for path, directories, files in os.walk(base):
                for entry in [path] + [f'{path}/{n}' for n in directories + files]:
                    os.chown(entry, ALICE, ALICE, follow_symlinks=False)
        # (source, target): new directories are to be made below the last ones.
        directory, file = f'{self.source}/directory', f'{self.source}/file'
        plain = f'{self.source}/plain'
        self.binds = [(plain, f'/{way}{end}') for way in ('absolute', 'climbing', 'magic', 'cwd') for end in ('', '/sub', '/new/er')]
        self.binds += [(plain, '/parent/inner/sub/target'), (plain, '/a/level/sub'), (plain, '/b/level/sub'),
                       (plain, '/b/level/sub/target'), (plain, '/a/level/new'), (plain, '/kind'), (plain, '/kind/new'),
                       (f'{plain}/file', '/leaf'), (f'{plain}/file', '/kind'), (file, '/etc/hostname'),
                       (directory, '/mnt'), (directory, '/srv'), (f'{directory}/file', '/leaf')]

    def directory(self, path):
        os.makedirs(path, exist_ok=True)

    def pair(self, a, b):
        self.pairs += [a, b]

    def target(self, name, below, link):
        self.directory(f'{self.root}/{name}/{below}')
        os.symlink(link, f'{self.root}/{name}-link')
        self.pair(f'{self.root}/{name}', f'{self.root}/{name}-link')

    def attack(self):
        """Someone in a mount namespace of its own, where none of the pods' mounts is in its way."""
        command = ['unshare', '--mount', '--propagation', 'private', 'setpriv', f'--reuid={ALICE}', f'--regid={ALICE}',
                   '--clear-groups', f'{host.BUILD}/tests/swap', *self.pairs]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        equal(process.stdout.readline(), 'ready\n', 'swap')
        return process

    def marker(self):
        """All that is outside, as exactly as it can be told."""
        found = {}
        for base in (self.outside, self.private):
            for path, directories, files in os.walk(base):
                for entry in [path] + [f'{path}/{name}' for name in directories + files]:
                    st = os.lstat(entry)
                    found[entry] = (st.st_dev, st.st_ino, st.st_mode, st.st_nlink, st.st_uid, st.st_size, st.st_mtime_ns, st.st_ctime_ns)
        return found

    def shown(self):
        """Mounts on what is outside, and mounts that show it, whoever made them."""
        device = os.stat(self.outside).st_dev
        device = f'{os.major(device)}:{os.minor(device)}'
        bad = []
        for line in open('/proc/self/mountinfo', encoding='utf-8', errors='surrogateescape'):
            fields = line.split()
            point, root = host.unescape(fields[4]), host.unescape(fields[3])
            for base in (self.outside, self.private):
                inner = base[len(host.DIRECTORY):]
                if f'{point}/'.startswith(f'{base}/') or (fields[2] == device and f'{root}/'.startswith(f'{inner}/')):
                    bad.append(line)
        return bad


class Tally:
    def __init__(self):
        self.made, self.refused = {}, {}

    def add(self, what, error=None):
        counts = self.made if error is None else self.refused
        key = what if error is None else f'{what}: {error}'
        counts[key] = counts.get(key, 0) + 1

    def take(self, other):
        for mine, theirs in ((self.made, other.made), (self.refused, other.refused)):
            for key, n in theirs.items():
                mine[key] = mine.get(key, 0) + n

    def total(self):
        return sum(self.made.values()) + sum(self.refused.values())


def try_call(tally, what, call, *arguments):
    try:
        result = call(*arguments)
    except dbus.exceptions.DBusException as error:
        name = error.get_dbus_name().rsplit('.', 1)[1]
        if name not in REFUSALS:
            raise AssertionError(f'{what} {arguments!r:.300}: {error.get_dbus_name()}: {error.get_dbus_message()}')
        tally.add(what, name)
        return None
    tally.add(what)
    return result


def batch(field, call, size, seed):
    """Creations, and binds into one pod, piled up until the end: (tally, the pods)."""
    chance, tally, pods = random.Random(seed), Tally(), []
    pods.append(str(call('CreatePod', 'sa{sh}a{sv}', json.dumps(specs.oci(field.root)), {}, {})[0]))
    while tally.total() < size:
        if chance.random() < 0.15:
            some = dict((target, specs.bind(source, target)) for source, target in chance.sample(field.binds, 3))
            result = try_call(tally, 'create', call, 'CreatePod', 'sa{sh}a{sv}',
                              json.dumps(specs.oci(field.root, mounts=some.values())), {}, {})
            if result:
                pods.append(str(result[0]))
        else:
            source, target = chance.choice(field.binds)
            try_call(tally, 'bind', call, 'Bind', 'sssa{sh}a{sv}', pods[0], source, target, {}, {'stack': True})
    return tally, pods


def assail(daemon, field, run, total):
    """Batches against an attacker, and a look after each."""
    before, tally, swaps = field.marker(), Tally(), 0
    attacker = field.attack()
    number = 0
    try:
        while tally.total() < total:
            made, pods = run(min(BATCH, total - tally.total()), SEED * 1000 + number)
            tally.take(made)
            number += 1
            equal(attacker.poll(), None, 'the attacker goes on')
            equal(field.shown(), [], f'seed {SEED}, batch {number}: mounts outside the root')
            equal(field.marker(), before, f'seed {SEED}, batch {number}: what is outside')
            attacker.send_signal(signal.SIGSTOP)  # a mount that moves while it is looked for is refused, and found later
            for outcome in daemon.json('gc', '--lazy', *pods):
                equal(outcome['Outcome'], 'removed', 'collection')
            attacker.send_signal(signal.SIGCONT)
    finally:
        attacker.send_signal(signal.SIGCONT)
        attacker.terminate()
        swaps = int((attacker.communicate()[0] or '0').strip() or 0)
    equal(field.shown(), [], 'mounts outside the root')
    equal(field.marker(), before, 'what is outside')
    diagnose(f'seed {SEED}, {swaps} exchanges; made {tally.made}; refused {tally.refused}')
    for what in ('bind', 'create'):
        refused = [n for key, n in tally.refused.items() if key.startswith(what)]
        equal((tally.made.get(what, 0) > 0, sum(refused) > 0), (True, True), f'{what}: some are made and some refused')
    equal(swaps > tally.total(), True, 'the attacker is faster than the calls')
    equal(host.mounts_below(f'{daemon.runtime}/pods'), {}, 'mounts that are left')
    equal([word for word in ('Sanitizer', 'runtime error') if word in daemon.log()], [], 'reports of a sanitized build')
    return tally


@case(f'{ATTACKS // 2} creations and binds by root in a tree that another user exchanges', alone=True)
def by_root():
    field = Field('root')
    with Daemon(config=CONFIG) as daemon:
        connection = daemon.connection()

        def call(method, signature, *arguments):
            result = daemon.manager(method, signature, *arguments, connection=connection)
            return result if isinstance(result, tuple) else (result,)
        # the sources of root are root's to choose: those that lead to what is private are not among them
        field.binds = [(source, target) for source, target in field.binds if source.startswith(f'{field.source}/plain')]
        assail(daemon, field, lambda size, seed: batch(field, call, size, seed), ATTACKS // 2)
        connection.close()


@case(f'{ATTACKS // 4} by root into pods in mount namespaces of their own', alone=True)
def in_own_namespaces():
    field = Field('own')
    field.binds = [(source, target) for source, target in field.binds if source.startswith(f'{field.source}/plain')]
    with Daemon(config=f'{CONFIG}[Mounts]\nVisibility=private\n') as daemon:
        connection, table = daemon.connection(), host.mount_table()

        def call(method, signature, *arguments):
            result = daemon.manager(method, signature, *arguments, connection=connection)
            return result if isinstance(result, tuple) else (result,)

        def run(size, seed):
            made, pods = batch(field, call, size, seed)
            grown = [line for line in host.mount_table() if line not in table]
            equal(sorted(line.split()[4] for line in grown), sorted(f'{daemon.runtime}/ns/{pod}' for pod in pods), 'what the host sees')
            for pod in pods:
                lines = own_space.within(f'{daemon.runtime}/ns/{pod}', own_space.mountinfo)
                equal([line for line in lines.splitlines() if line.split()[3].startswith(('/own-outside', '/own-private'))], [], 'what is shown there')
            return made, pods
        assail(daemon, field, run, ATTACKS // 4)
        equal((host.mount_table(), os.listdir(f'{daemon.runtime}/ns')), (table, []), 'what is left on the host')
        connection.close()


@case(f'{ATTACKS - ATTACKS // 2} by that user, whose sources lead to what is not its own', alone=True)
def by_user():
    field = Field('user')
    bus = Bus()
    polkit = Polkit(bus, 'yes')
    with Daemon(bus, CONFIG) as daemon:
        def run(size, seed):
            def child():
                connection = bus.connect()

                def call(method, signature, *arguments):
                    result = bus.call(MANAGER, method, signature, *arguments, connection=connection)
                    return result if isinstance(result, tuple) else (result,)
                return batch(field, call, size, seed)
            return as_user(ALICE, child)
        tally = assail(daemon, field, run, ATTACKS - ATTACKS // 2)
        equal(any('SourceDenied' in key for key in tally.refused), True, 'sources that were refused')
    polkit.stop()
    bus.stop()


if __name__ == '__main__':
    host.prepare()
    tap.run()
