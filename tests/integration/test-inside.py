#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Mounts in a running container's own mount namespace: made, listed, unmounted, undone, and refused elsewhere."""

import json
import os
import shutil
import signal
import subprocess
import sys

import dbus

from frame import host, specs, tap
from frame.bus import Bus
from frame.daemon import ERROR, MANAGER, Daemon
from frame.dweller import Dweller, RuntimeContainer
from frame.host import ALICE, BOB, UserError, as_user
from frame.situation import WithPolkit
from frame.tap import Skip, case, contains, equal, eventually

bus = None


class Situation(WithPolkit):
    """polkit says yes."""

    def __init__(self):
        super().__init__(bus, 'yes')
        self.data = specs.tree('inside-data', {'hello': 'from the host', 'below/deep': 'x'})

    def __enter__(self):
        super().__enter__()
        if 'namespace-ids' not in self.daemon.json('status')['Features']:
            raise Skip('this kernel cannot find a mount namespace again')
        return self


def inside(s, pod):
    return {mount['Target']: mount for mount in s.daemon.json('show', pod)['Mounts'] if 'NamespaceID' in mount}


def by_bus(s, uid, pod, mounts, fd, **options):
    """Mount() of a user over the bus: the ids, or the error's last name."""
    options = dict(options, namespace='fd:there')
    def call():
        return [int(i) for i in bus.call(MANAGER, 'Mount', 'ssa{sh}a{sv}', pod, json.dumps(mounts), {'there': dbus.types.UnixFd(fd)},
                dbus.Dictionary(options, signature='sv'))]
    try:
        return as_user(uid, call)
    except UserError as error:
        return error.name.rsplit('.', 1)[1], str(error)


def refused(s, uid, pod, mounts, fd, name, words, **options):
    found = by_bus(s, uid, pod, mounts, fd, **options)
    equal(found[0], name, f'refusal {found}')
    contains(found[1], words, 'why')


def lives_in(s, container, name):
    """One container's life with mounts of every sort."""
    pod = name
    before, table = container.table(), host.mount_table()
    bind = s.daemon.ok('bind', pod, s.data, '/data', '--process', container.pid).strip()
    assert container.sees('/data/hello'), 'the bind is not there'
    equal(os.path.exists(f'{s.daemon.rootfs(pod)}/data/hello'), False, 'the pod has it')
    equal(host.mount_table(), table, "the host's table")
    equal(s.daemon.ok('bind', pod, s.data, '/data', '--namespace', f'/proc/{container.pid}/ns/mnt').strip(), bind, 'a retry')
    contains(s.daemon.refused('bind', pod, '/etc', '/data', '--process', container.pid), 'is in use in that namespace')
    stacked = s.daemon.ok('bind', pod, '/etc', '/data', '--process', container.pid, '--stack').strip()
    assert stacked != bind and not container.sees('/data/hello')
    s.daemon.ok('unmount', pod, '--id', stacked)
    s.daemon.ok('bind', pod, f'{s.data}/hello', '/etc/hostname', '-o', 'ro', '--process', container.pid)
    equal(open(f'/proc/{container.pid}/root/etc/hostname').read(), 'from the host', 'the file')
    many = [specs.mount('/srv', options=['size=1m']), specs.bind(s.data, '/srv/made/here')]
    s.daemon.ok('mount', pod, json.dumps(many), '--process', container.pid)
    assert container.sees('/srv/made/here/hello')
    rows = inside(s, pod)
    equal(sorted(rows), ['/data', '/etc/hostname', '/srv', '/srv/made/here'], 'what is listed')
    equal({(row['State'], row['Path'], row['Container']) for row in rows.values()}, {('ok', '', 'main')}, 'how')
    equal(str(rows['/data']['ID']), bind, 'which')

    half = [specs.bind(s.data, '/mnt'), specs.mount('/tmp', options=['size=1m']), specs.bind(s.data, '/nowhere')]
    now = container.table()
    contains(s.daemon.refused('mount', pod, json.dumps(half), '--process', container.pid), 'does not exist')
    equal(container.table(), now, 'after all or nothing')
    equal(sorted(inside(s, pod)), sorted(rows), 'on record')

    contains(s.daemon.refused('unmount', pod, '/srv'), 'in use')
    s.daemon.ok('unmount', pod, '/srv', '--lazy')
    s.daemon.ok('unmount', pod, '/etc/hostname')
    s.daemon.ok('unmount', pod, '/data')
    contains(s.daemon.refused('unmount', pod, '/data'), 'Nothing is recorded')
    equal(container.table(), before, 'the table of the container')
    equal(inside(s, pod), {}, 'on record')
    equal(s.daemon.state(pod), 'ready', 'state')


@case('a process in a namespace of its own gets binds, files, file systems and arrays, and loses them again')
def unshared(s):
    pod = s.daemon.create(specs.oci())
    with Dweller(s.daemon.rootfs(pod)) as container:
        # its namespace's root is the host's: only the process says where it lives
        contains(s.daemon.refused('bind', pod, s.data, '/data', '--namespace', f'/proc/{container.pid}/ns/mnt'), 'another than that')
        s.daemon.ok('bind', pod, s.data, '/data', '--process', container.pid)
        assert container.sees('/data/hello')
        s.daemon.ok('unmount', pod, '/data')


@case('the same in a container of runc')
def runc(s):
    pod = s.daemon.create(specs.oci())
    with RuntimeContainer('runc', s.daemon.rootfs(pod)) as container:
        lives_in(s, container, pod)


@case('the same in a container of crun')
def crun(s):
    pod = s.daemon.create(specs.oci())
    with RuntimeContainer('crun', s.daemon.rootfs(pod)) as container:
        lives_in(s, container, pod)


@case("a user's own container is mounted in over the bus, nosuid, nodev, and locked; a stranger's is not")
def users(s):
    pod = as_user(ALICE, lambda: str(bus.call(MANAGER, 'CreatePod', 'sa{sh}a{sv}', json.dumps(specs.oci(root=s.root)), {}, {})[0]))
    data = specs.tree('alice-inside', {'hello': 'x'}, owner=ALICE)
    mounts = [specs.bind(data, '/data', 'bind', 'ro')]
    with Dweller(s.daemon.rootfs(pod), ALICE) as container, Dweller('/', BOB) as stranger, Dweller(s.daemon.rootfs(pod)) as roots:
        ids = by_bus(s, ALICE, pod, mounts, os.pidfd_open(container.pid))
        equal(len(ids), 1, f'ids {ids}')
        assert container.sees('/data/hello')
        line = [line.split() for line in container.table().splitlines() if line.split()[4].endswith('/data')][-1]
        for word in ('ro', 'nosuid', 'nodev'):
            contains(line[5].split(','), word, 'options')
        enter = ['nsenter', '-t', str(container.pid), '--user', '--mount', '--root', '/bin/busybox', 'mount', '-o', 'remount,bind,rw', '/data']
        assert subprocess.run(enter, stderr=subprocess.DEVNULL).returncode != 0, 'its root has made it writable'
        refused(s, ALICE, pod, mounts, os.pidfd_open(stranger.pid), 'AccessDenied', 'belongs to somebody else')
        refused(s, ALICE, pod, mounts, os.pidfd_open(roots.pid), 'AccessDenied', 'belongs to somebody else')
        as_user(ALICE, lambda: bus.call(MANAGER, 'Unmount', 'ssa{sv}', pod, '/data', {}))
        equal(container.sees('/data/hello'), False, 'still there')
        # the options of a label without a lock
        refused(s, ALICE, pod, [specs.bind(data, '/data', 'bind', 'nosymfollow')], os.pidfd_open(container.pid), 'AccessDenied', 'no lock')


@case("the host's namespace, another pod's container, a process that ended and fds of other kinds are refused")
def kinds(s):
    pod, other = s.daemon.create(specs.oci()), s.daemon.create(specs.oci(root=specs.rootfs('other-root')))
    mounts, table = [specs.bind(s.data, '/data')], host.mount_table()
    with Dweller(s.daemon.rootfs(other)) as neighbour, Dweller(s.daemon.rootfs(pod), propagation='unchanged') as shared, Dweller(s.daemon.rootfs(pod)) as ended:
        fd = os.pidfd_open(ended.pid)
        ended.end()
        for what, name, words in (
                (os.open('/proc/self/ns/mnt', os.O_RDONLY), 'AccessDenied', "host's own"),
                (os.pidfd_open(s.daemon.keeper()), 'AccessDenied', "host's own"),
                (os.pidfd_open(neighbour.pid), 'AccessDenied', 'another than that'),
                (os.pidfd_open(shared.pid), 'InvalidTarget', 'appears on the host'),
                (fd, 'InvalidArgs', 'has ended'),
                (os.open('/proc/self/ns/net', os.O_RDONLY), 'InvalidArgs', 'fd "there", which names where to mount, is neither a pidfd'),
                (os.open(f'/proc/{neighbour.pid}/ns/mnt', os.O_PATH), 'InvalidArgs', 'neither a pidfd'),
                (os.open('/etc', os.O_PATH), 'InvalidArgs', 'neither a pidfd')):
            refused(s, 0, pod, mounts, what, name, words)
        equal(host.mount_table(), table, 'the table')
        for dweller in (shared, neighbour):
            refused(s, 0, pod, [specs.mount('/data', options=['remount', 'ro'])], os.pidfd_open(dweller.pid),
                    *(('NoSuchMount', 'could be changed') if dweller is shared else ('AccessDenied', 'another than that')))
        name, text = s.daemon.error_of('Bind', 'sssa{sh}a{sv}', pod, s.data, '/data', {}, {'namespace': 'there'})
        contains(text, 'fd:NAME')
        name, text = s.daemon.error_of('Bind', 'sssa{sh}a{sv}', pod, s.data, '/data', {}, {'namespace': 'fd:there'})
        equal(name.rsplit('.', 1)[1], 'InvalidArgs', text)
    equal(inside(s, pod), {}, 'on record')


@case('volumes of the pod are bound into a running container, which keeps them from being unmounted')
def volumes(s):
    spec = dict(specs.podmount({'main': (specs.rootfs(), True, [specs.bind('volume:cache', '/mnt')])}),
            volumes=[{'name': 'cache', 'type': 'tmpfs', 'options': ['size=1m', 'mode=1777']}, {'name': 'other', 'type': 'tmpfs', 'options': ['size=1m']}])
    pod = s.daemon.create(spec)
    with Dweller(s.daemon.rootfs(pod)) as container:
        before = container.table()
        there = [specs.bind('volume:cache', '/data', 'bind', 'ro'), specs.bind('volume:other', '/srv'), specs.bind('volume:cache', '/srv/made/here')]
        s.daemon.ok('mount', pod, json.dumps(there), '--process', container.pid)
        s.daemon.ok('bind', pod, 'volume:other', '/srv', '--process', container.pid)  # a retry
        open(f'{s.daemon.rootfs(pod)}/mnt/word', 'w').close()
        assert container.sees('/data/word') and container.sees('/srv/made/here/word'), 'not the volume'
        equal(inside(s, pod)['/data']['Source'], 'volume:cache', 'source')
        contains(s.daemon.refused('bind', pod, 'volume:none', '/tmp', '--process', container.pid), 'no volume')
        contains(s.daemon.refused('unmount', pod, '/other', '--container', '.volumes'), 'Volume other is bound at /srv')
        s.daemon.ok('unmount', pod, '/srv', '--lazy')
        s.daemon.ok('unmount', pod, '/data')
        equal(container.table(), before, 'the table of the container')
        s.daemon.ok('unmount', pod, '/other', '--container', '.volumes')


def flags(container, target):
    """The mount's own options and those of its file system, as the container's table has them."""
    words = [line.split() for line in container.table().splitlines()]
    found = [line for line in words if line[4].endswith(target)][-1]
    return set(found[5].split(',')), set(found[-1].split(','))


@case('what is mounted in a running container is remounted there, on record as it is then, and undone when it fails')
def remounts(s):
    pod, other = s.daemon.create(specs.oci()), s.daemon.create(specs.oci(root=specs.rootfs('other-root')))
    with Dweller(s.daemon.rootfs(pod)) as container, Dweller(s.daemon.rootfs(other)) as neighbour:
        process, table = ('--process', container.pid), host.mount_table()
        data = s.daemon.ok('bind', pod, s.data, '/data', '-o', 'bind,nosuid', *process).strip()
        s.daemon.ok('mount', pod, json.dumps([specs.mount('/srv', options=['size=1m'])]), *process)
        # named by the process, and then by nothing: there is but one
        equal(s.daemon.ok('mount', pod, '/data', '-o', 'remount,ro,noexec', *process).strip(), data, 'id')
        equal({'ro', 'noexec', 'nosuid'} - flags(container, '/data')[0], set(), 'not set')
        contains(inside(s, pod)["/data"]["Options"], "noexec", "on record")
        s.daemon.ok('mount', pod, '/data', '-o', 'remount,rw,exec')
        equal({'ro', 'noexec'} & flags(container, '/data')[0], set(), 'not cleared')
        equal({'nosuid'} - flags(container, '/data')[0], set(), 'cleared, too')
        s.daemon.ok('mount', pod, '/srv', '-o', 'remount,size=2m,nodev')
        equal({'size=2048k'} - flags(container, '/srv')[1], set(), 'size')
        open(f'/proc/{container.pid}/root/srv/big', 'wb').write(b'x' * 1500000)
        contains(s.daemon.refused('mount', pod, '/srv', '-o', 'remount,size=1m,noexec'), 'remount')
        equal(flags(container, '/srv')[0] & {'noexec', 'nodev'}, {'nodev'}, 'after a failure')
        contains(s.daemon.refused('mount', pod, '/nowhere', '-o', 'remount,ro', *process), 'could be changed')
        contains(s.daemon.refused('mount', pod, '/data', '-o', 'remount,ro', '--process', neighbour.pid), 'another than that')
        held = open(f'/proc/{container.pid}/root/data/held', 'w')
        contains(s.daemon.refused('mount', pod, '/data', '-o', 'remount,ro'), 'open for writing')
        held.close()
        equal(host.mount_table(), table, "the host's table")
        s.daemon.restart()
        s.daemon.ok('mount', pod, '/data', '-o', 'remount,ro')
        equal({'ro', 'nosuid'} - flags(container, '/data')[0], set(), 'after a restart')
        # with one in each of two containers it has to be said which
        with Dweller(s.daemon.rootfs(pod)) as second:
            s.daemon.ok('bind', pod, s.data, '/data', '--process', second.pid)
            contains(s.daemon.refused('mount', pod, '/data', '-o', 'remount,noexec'), 'several namespaces')
            s.daemon.ok('mount', pod, '/data', '-o', 'remount,noexec', '--process', second.pid)
            equal(['noexec' in flags(each, '/data')[0] for each in (container, second)], [False, True], 'which')
        # what it covers is not changed in its place
        subprocess.run(['nsenter', '-t', str(container.pid), '--mount', 'mount', '-t', 'tmpfs', 'cover', f'{s.daemon.rootfs(pod)}/data'], check=True)
        contains(s.daemon.refused('mount', pod, '/data', '-o', 'remount,nodev', *process), 'is covered')
        subprocess.run(['nsenter', '-t', str(container.pid), '--mount', 'umount', '-R', f'{s.daemon.rootfs(pod)}/srv'], check=True)
        contains(s.daemon.refused('mount', pod, '/srv', '-o', 'remount,ro', *process), 'not there any more')


@case('a mount in a running container is replaced there, with what came along; whatever is in the way is named')
def replaces(s):
    pod, other = s.daemon.create(dict(specs.podmount({'main': (specs.rootfs(), True, [])}), volumes=[
            {'name': 'cache', 'type': 'tmpfs', 'options': ['size=1m', 'mode=1777']}])), s.daemon.create(specs.oci(root=specs.rootfs('other-root')))
    with Nested('inside-replaced') as nested, Dweller(s.daemon.rootfs(pod)) as container, Dweller(s.daemon.rootfs(other)) as neighbour:
        before, table, process = container.table(), host.mount_table(), ('--process', container.pid)
        first = s.daemon.ok('bind', pod, s.data, '/data', *process).strip()
        held = open(f'/proc/{container.pid}/root/data/hello')
        second = s.daemon.ok('replace', pod, '/data', nested, '-o', 'rbind,ro', *process, '--id', first).strip()
        equal(held.read(), 'from the host', 'an open file')
        held.close()
        assert container.sees('/data/below/deeper') and not container.sees('/data/below/deep')
        rows = inside(s, pod)
        equal(sorted(rows), NESTED, 'on record')
        equal((str(rows['/data']['ID']), rows['/data']['Source'], 'ro' in rows['/data']['Options']), (second, nested, True), 'what')
        contains(s.daemon.refused('replace', pod, '/data', s.data, *process, '--id', first), 'Another mount is recorded')
        contains(s.daemon.refused('replace', pod, '/data/below', s.data, *process), 'came along with')
        contains(s.daemon.refused('replace', pod, '/nowhere', s.data, *process), 'Nothing that is still there')
        contains(s.daemon.refused('replace', pod, '/data', s.data), 'name that with the option')
        contains(s.daemon.refused('replace', pod, '/data', s.data, '--process', neighbour.pid), 'another than that')
        contains(s.daemon.refused('replace', pod, '/data', f'{s.data}/hello', *process), 'where a file is needed')
        equal(sorted(inside(s, pod)), NESTED, 'on record after refusals')
        # what lies on it goes with it, if it came along; nothing else does
        s.daemon.ok('bind', pod, s.data, '/data/below/deeper', '--stack', *process)
        contains(s.daemon.refused('replace', pod, '/data', s.data, *process), 'lies on it at /data/below/deeper')
        s.daemon.ok('unmount', pod, '/data/below/deeper')
        enter = ['nsenter', '-t', str(container.pid), '--mount']
        subprocess.run(enter + ['mount', '-t', 'tmpfs', 'own', f'{s.daemon.rootfs(pod)}/data/below/deeper'], check=True)
        contains(s.daemon.refused('replace', pod, '/data', s.data, *process), 'not made by podmountd')
        subprocess.run(enter + ['umount', f'{s.daemon.rootfs(pod)}/data/below/deeper'], check=True)
        s.daemon.restart()
        s.daemon.ok('replace', pod, '/data', '{"type": "tmpfs", "options": ["size=64k"]}', *process)
        equal((sorted(inside(s, pod)), flags(container, '/data')[1] & {'size=64k'}), (['/data'], {'size=64k'}), 'a tmpfs')
        s.daemon.ok('replace', pod, '/data', 'volume:cache', *process)
        equal(inside(s, pod)['/data']['Source'], 'volume:cache', 'a volume')
        s.daemon.ok('replace', pod, '/data', s.data, *process)
        s.daemon.ok('unmount', pod, '/data')
        equal((inside(s, pod), container.table(), host.mount_table()), ({}, before, table), 'after all')
        s.daemon.ok('bind', pod, s.data, '/data', *process)
        subprocess.run(enter + ['umount', f'{s.daemon.rootfs(pod)}/data'], check=True)
        contains(s.daemon.refused('replace', pod, '/data', s.data, *process), 'Nothing that is still there')


@case('while a mount in a running container is replaced again and again, its target always shows one or the other')
def never_bare(s):
    pod = s.daemon.create(specs.oci())
    with Dweller(s.daemon.rootfs(pod)) as container:
        process = ('--process', container.pid)
        s.daemon.ok('bind', pod, s.data, '/data', *process)
        watch = subprocess.Popen(['nsenter', '-t', str(container.pid), '--mount', sys.executable, '-c', 'import os, sys\nn = 0\n'
                'while not os.path.exists(sys.argv[2]):\n    os.stat(sys.argv[1])\n    n += 1\nprint(n)',
                f'{s.daemon.rootfs(pod)}/data/hello', f'{host.DIRECTORY}/seen-enough'], stdout=subprocess.PIPE)
        for _ in range(30):
            s.daemon.ok('replace', pod, '/data', s.data, *process)
        open(f'{host.DIRECTORY}/seen-enough', 'w').close()
        looked = watch.communicate()[0]
        os.unlink(f'{host.DIRECTORY}/seen-enough')
        equal(watch.returncode, 0, 'it was bare')
        assert int(looked) > 1000, f'{looked} looks'
        equal(len([line for line in container.table().splitlines() if line.split()[4] == '/data']), 1, 'mounts')


@case("a user's own container: what is locked is not changed, but a size is")
def locked(s):
    pod = as_user(ALICE, lambda: str(bus.call(MANAGER, 'CreatePod', 'sa{sh}a{sv}', json.dumps(specs.oci(root=s.root)), {}, {})[0]))
    with Dweller(s.daemon.rootfs(pod), ALICE) as container:
        fd = os.pidfd_open(container.pid)
        equal(len(by_bus(s, ALICE, pod, [specs.mount('/srv', options=['size=1m'])], fd)), 1, 'ids')
        before = flags(container, '/srv')[0]
        refused(s, ALICE, pod, [specs.mount('/srv', options=['remount', 'ro'])], fd, 'NotSupported', 'are locked')
        refused(s, ALICE, pod, [specs.mount('/srv', options=['remount', 'suid'])], fd, 'AccessDenied', 'suid is for root')
        equal(flags(container, '/srv')[0], before, 'flags')
        equal(len(by_bus(s, ALICE, pod, [specs.mount('/srv', options=['remount', 'size=64k'])], fd)), 1, 'ids')
        equal({'size=64k'} - flags(container, '/srv')[1], set(), 'size')

        def replace():
            return int(bus.call(MANAGER, 'Replace', 'sssa{sh}a{sv}', pod, '/srv', json.dumps({'type': 'tmpfs', 'options': ['size=1m', 'ro']}),
                    {'there': dbus.types.UnixFd(fd)}, dbus.Dictionary({'namespace': 'fd:there'}, signature='sv')))
        equal(as_user(ALICE, replace), inside(s, pod)['/srv']['ID'], 'id')
        equal({'ro', 'nosuid', 'nodev'} - flags(container, '/srv')[0], set(), 'what replaces it has other flags')
        enter = ['nsenter', '-t', str(container.pid), '--user', '--mount', '--root', '/bin/busybox', 'mount', '-o', 'remount,bind,rw', '/srv']
        assert subprocess.run(enter, stderr=subprocess.DEVNULL).returncode != 0, 'and they are not locked'


@case('they count against the limit of mounts per pod, for a container that is added, too', alone=True)
def counted():
    with WithPolkit(bus, 'yes', '[Limits]\nMountsPerPod=10\n') as s:
        if 'namespace-ids' not in s.daemon.json('status')['Features']:
            raise Skip('this kernel cannot find a mount namespace again')
        spec = specs.podmount({'main': (s.root, True, ())})

        def add():
            mounts = [specs.mount(f'/tmp/{number}', options=['size=64k']) for number in range(4)]
            return bus.call(MANAGER, 'AddContainer', 'sssa{sh}a{sv}', pod, 'side', json.dumps(specs.oci(s.root, mounts)), {}, {})

        pod = as_user(ALICE, lambda: str(bus.call(MANAGER, 'CreatePod', 'sa{sh}a{sv}', json.dumps(spec), {}, {})[0]))
        data = specs.tree('counted-inside', {'hello': 'x'})
        with Dweller(s.daemon.rootfs(pod)) as container:
            for target in ('/data', '/srv', '/mnt'):
                s.daemon.ok('bind', pod, data, target, '--process', container.pid)
            try:
                as_user(ALICE, add)
            except UserError as error:
                equal(error.name, f'{ERROR}QuotaExceeded', str(error))
                contains(error.text, 'mounts per pod')
            else:
                raise AssertionError('it was added')
            s.daemon.ok('unmount', pod, '/data')
            s.daemon.ok('unmount', pod, '/srv')
            as_user(ALICE, add)


class Nested:
    """A tree of the host with a tmpfs in it, and another in that; their owner is `uid`."""

    def __init__(self, name, uid=0):
        self.path = specs.tree(name, {'hello': 'x', 'below/': ''}, owner=uid)
        subprocess.run(['mount', '-t', 'tmpfs', 'one', f'{self.path}/below'], check=True)
        os.makedirs(f'{self.path}/below/deeper')
        subprocess.run(['mount', '-t', 'tmpfs', 'two', f'{self.path}/below/deeper'], check=True)
        for path in (self.path, f'{self.path}/below', f'{self.path}/below/deeper'):
            os.chown(path, uid, uid)

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        subprocess.run(['umount', '-R', f'{self.path}/below'], check=True)


NESTED = ['/data', '/data/below', '/data/below/deeper']


@case('what comes along with a recursive bind is on record with it, over a restart, and goes with it: all, or none when it is used')
def recursive(s):
    pod = s.daemon.create(specs.oci())
    with Nested('inside-nested') as source, Dweller(s.daemon.rootfs(pod)) as container:
        before = container.table()
        for restart in (False, True):
            s.daemon.ok('bind', pod, source, '/data', '-o', 'rbind,rnodev', '--process', container.pid)
            if restart:
                s.daemon.restart()
            rows = inside(s, pod)
            equal(sorted(rows), NESTED, 'on record')
            told = tuple(map(int, os.uname().release.split('-')[0].split('.')[:2])) >= (6, 13)  # statmount() tells of sources
            equal([rows[target]['Source'] for target in NESTED], [source, 'one' if told else '', 'two' if told else ''], 'sources')
            equal({row['State'] for row in rows.values()}, {'ok'}, 'states')
            contains(rows['/data/below']['Options'], 'nodev', 'options')
            contains(s.daemon.refused('bind', pod, '/etc', '/data/below', '--process', container.pid), 'in use in that namespace')
            contains(s.daemon.refused('mount', pod, '/data/below', '-o', 'remount,ro'), 'recursive bind')
            held = os.open(f'/proc/{container.pid}/root/data/below', os.O_PATH)
            contains(s.daemon.refused('unmount', pod, '/data'), 'in use')
            os.close(held)
            # the deepest had gone by then, and is on record no more
            equal(sorted(inside(s, pod)), NESTED[:2], 'after a strict unmount that failed')
            s.daemon.ok('bind', pod, '/etc', '/data/below/deeper', '--process', container.pid)
            contains(s.daemon.refused('unmount', pod, '/data'), 'lies on it at /data/below/deeper')
            s.daemon.ok('unmount', pod, '/data/below/deeper')
            s.daemon.ok('unmount', pod, '/data')
            equal(inside(s, pod), {}, 'left on record')
            equal(container.table(), before, 'the table of the container')
        s.daemon.ok('bind', pod, source, '/data', '-o', 'rbind', '--process', container.pid)
        held = os.open(f'/proc/{container.pid}/root/data/below/deeper', os.O_PATH)
        s.daemon.ok('unmount', pod, '/data', '--lazy')
        os.close(held)
        equal((inside(s, pod), container.table()), ({}, before), 'after a lazy unmount')
        s.daemon.ok('bind', pod, source, '/data', '-o', 'rbind', '--process', container.pid)
        s.daemon.ok('unmount', pod, '/data/below/deeper')  # alone
        subprocess.run(['nsenter', '-t', str(container.pid), '--mount', 'umount', f'{s.daemon.rootfs(pod)}/data/below'], check=True)
        equal({target: row['State'] for target, row in inside(s, pod).items()}, {'/data': 'ok', '/data/below': 'missing'}, 'states')
        equal(s.daemon.json('gc', pod)[0]['Outcome'], 'removed', 'outcome')
        equal([line for line in container.table().splitlines() if 'inside-nested' in line],
                [line for line in before.splitlines() if 'inside-nested' in line], 'left there')


@case("in a user's container what came along is locked, and goes with its mount alone")
def recursive_locked(s):
    pod = as_user(ALICE, lambda: str(bus.call(MANAGER, 'CreatePod', 'sa{sh}a{sv}', json.dumps(specs.oci(root=s.root)), {}, {})[0]))
    with Nested('alice-nested', ALICE) as source, Dweller(s.daemon.rootfs(pod), ALICE) as container:
        before = container.table()
        for words in ((), ('--lazy',)):
            equal(len(by_bus(s, ALICE, pod, [specs.bind(source, '/data', 'rbind')], os.pidfd_open(container.pid))), 1, 'ids')
            equal(sorted(inside(s, pod)), NESTED, 'on record')
            contains(s.daemon.refused('unmount', pod, '/data/below/deeper'), 'locked to the one')
            s.daemon.ok('unmount', pod, '/data', *words)
            equal((inside(s, pod), container.table()), ({}, before), 'after an unmount')
        by_bus(s, ALICE, pod, [specs.bind(source, '/data', 'rbind')], os.pidfd_open(container.pid))
        equal(s.daemon.json('gc', pod)[0]['Outcome'], 'removed', 'outcome')
        equal([line for line in container.table().splitlines() if ' two ' in line], [line for line in before.splitlines() if ' two ' in line], 'left')


@case('a link of the container leads to a place inside it')
def links(s):
    root = specs.tree('link-root', {'bin/': '', 'data/': ''})
    shutil.copy(shutil.which('busybox'), f'{root}/bin/busybox')
    if not os.path.lexists(f'{root}/out'):
        os.symlink('/../../../../data', f'{root}/out')
        os.symlink('/proc/1/root/data', f'{root}/magic')
    pod, table = s.daemon.create(specs.oci(root=root)), host.mount_table()
    with Dweller(s.daemon.rootfs(pod)) as container:
        s.daemon.ok('bind', pod, s.data, '/out', '--process', container.pid)
        assert container.sees('/data/hello')
        contains(s.daemon.refused('bind', pod, s.data, '/magic', '--process', container.pid), '/magic')
        equal(host.mount_table(), table, 'the table')


@case('what the container unmounts is missing; with its end the records go, and nothing is at fault')
def ends(s):
    pod = s.daemon.create(specs.oci())
    with Dweller(s.daemon.rootfs(pod)) as container:
        s.daemon.ok('bind', pod, s.data, '/data', '--process', container.pid)
        s.daemon.ok('bind', pod, s.data, '/srv', '--process', container.pid)
        subprocess.run(['nsenter', '-t', str(container.pid), '--mount', 'umount', f'{s.daemon.rootfs(pod)}/srv'], check=True)
        equal({target: row['State'] for target, row in inside(s, pod).items()}, {'/data': 'ok', '/srv': 'missing'}, 'states')
        equal(s.daemon.state(pod), 'ready', "the pod's state")
        s.daemon.ok('bind', pod, '/etc', '/srv', '--process', container.pid)  # its place is free
        s.daemon.restart()
        equal(len([m for m in s.daemon.json('show', pod)['Mounts'] if 'NamespaceID' in m]), 3, 'after a restart')
        s.daemon.ok('unmount', pod, '/data')
        equal(container.sees('/data/hello'), False, 'unmounted after a restart')
    equal(inside(s, pod), {}, 'after its end')
    equal(s.daemon.json('gc', pod)[0]['Outcome'], 'removed', 'outcome')


@case('a pod with a living container is collected: its mounts there go, too, strictly and lazily')
def collected(s):
    for lazy in (False, True):
        pod = s.daemon.create(specs.oci())
        with Dweller(s.daemon.rootfs(pod)) as container:
            before = container.table()
            s.daemon.ok('bind', pod, s.data, '/data', '--process', container.pid)
            s.daemon.ok('mount', pod, json.dumps([specs.mount('/srv', options=['size=1m'])]), '--process', container.pid)
            if not lazy:
                held = os.open(f'/proc/{container.pid}/root/data/below', os.O_PATH)
                equal(json.loads(s.daemon.ctl('--json=short', 'gc', pod).out)[0]['Outcome'], 'busy', 'outcome while it is used')
                os.close(held)
            equal(s.daemon.json('gc', pod, *(['--lazy'] if lazy else []))[0]['Outcome'], 'removed', 'outcome')
            for path in ('/data/hello',):
                equal(container.sees(path), False, path)
            equal([line for line in container.table().splitlines() if line.endswith('size=1024k')],
                    [line for line in before.splitlines() if line.endswith('size=1024k')], 'tmpfs left')


@case('a pod that is busy costs its containers no mount; a mount that is busy in one costs the pod none')
def busy(s):
    pod = s.daemon.create(specs.podmount({'main': (specs.rootfs(), False, [specs.mount('/tmp')]), 'side': (specs.rootfs(), False, [])}))
    with Dweller(s.daemon.rootfs(pod)) as container:
        with open(f'{s.daemon.rootfs(pod)}/tmp/kept', 'w') as file:
            file.write('kept')
        there = ['--container', 'main', '--process', container.pid]
        s.daemon.ok('bind', pod, s.data, '/data', *there)
        s.daemon.ok('mount', pod, json.dumps([specs.mount('/srv', options=['size=1m'])]), *there)
        table, rows = container.table(), inside(s, pod)
        for command in (['gc', pod], ['remove-container', pod, 'main']):
            with subprocess.Popen(['sleep', '600'], cwd=f'{s.daemon.rootfs(pod)}/tmp') as holder:
                try:
                    contains(str(s.daemon.ctl('--json=short', *command)), 'in use', command[0])
                finally:
                    holder.kill()
            equal((container.table(), inside(s, pod)), (table, rows), f'the container after {command[0]}')
            equal(s.daemon.state(pod), 'ready', f'state after {command[0]}')
        held = os.open(f'/proc/{container.pid}/root/data/below', os.O_PATH)
        outcome = json.loads(s.daemon.ctl('--json=short', 'gc', pod).out)[0]
        os.close(held)
        equal(outcome['Outcome'], 'busy', 'outcome while one in the container is used')
        contains(str(outcome), '1 of the pod\'s mounts in running containers had gone', 'what is told')
        equal(list(inside(s, pod)), ['/data'], 'on record')
        equal(open(f'{s.daemon.rootfs(pod)}/tmp/kept').read(), 'kept', 'contents')
        equal(s.daemon.state(pod), 'ready', 'state')
        equal(s.daemon.json('gc', pod)[0]['Outcome'], 'removed', 'outcome')


def kill_during(s, round, *words):
    """All executors, the front or the keeper are killed, by round, while the call runs; then the daemon is there again."""
    call = subprocess.Popen([f'{host.DIRECTORY}/bin/podmountctl', '--socket', s.daemon.socket, *map(str, words)], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
    tap.time.sleep(0.0012 * (round % 12))
    victim = (None, s.daemon.front(), s.daemon.keeper())[round % 3]
    for pid in [victim] if victim else [p for p in s.daemon.executors() if p != s.daemon.keeper()]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    call.wait()
    if victim:
        s.daemon.wait()
        s.daemon.start()


@case('a process that is killed while it remounts there leaves what is on record')
def kills_remounts(s):
    pod = s.daemon.create(specs.oci())
    with Dweller(s.daemon.rootfs(pod)) as container:
        s.daemon.ok('mount', pod, json.dumps([specs.mount('/srv', options=['size=1m'])]), '--process', container.pid)
        seen = set()
        for round in range(24):
            size, flag = ('2m', 'ro') if round % 2 else ('1m', 'rw')
            kill_during(s, round, 'mount', pod, '/srv', '-o', f'remount,{flag},size={size}', '--process', container.pid)
            eventually(lambda: inside(s, pod)['/srv']['State'] == 'ok', f'round {round}')  # it may still be brought to its end
            row = inside(s, pod)['/srv']
            own, data = flags(container, '/srv')
            equal(('ro' in row['Options'], 'size=2m' in row['Options']), ('ro' in own, 'size=2048k' in data), f'round {round}: {row} {own} {data}')
            equal('ro' in own, 'size=2048k' in data, f'round {round}: half of it: {own} {data}')
            seen.add(('ro' in own) == (flag == 'ro'))
        assert True in seen, 'nothing was ever changed'


@case('a process that is killed while it replaces there leaves the old mount or the new one, on record and alone')
def kills_replacements(s):
    pod = s.daemon.create(specs.oci())
    with Nested('inside-exchanged') as nested, Dweller(s.daemon.rootfs(pod)) as container:
        process, seen = ('--process', container.pid), set()
        s.daemon.ok('bind', pod, s.data, '/data', *process)
        for round in range(36):
            source = nested if round % 2 == 0 else s.data
            kill_during(s, round, 'replace', pod, '/data', source, '-o', 'rbind', *process)

            def there():
                return [line.split()[4] for line in container.table().splitlines() if line.split()[4].startswith('/data')]
            eventually(lambda: sorted(inside(s, pod)) == sorted(there()), f'round {round}: on record and there')  # it may still be brought to its end
            rows = inside(s, pod)
            equal({row['State'] for row in rows.values()}, {'ok'}, f'round {round}: {rows}')
            now = rows['/data']['Source']
            equal(sorted(rows), NESTED if now == nested else ['/data'], f'round {round}: what came along')
            equal(container.sees('/data/below/deeper'), now == nested, f'round {round}: {now}')
            seen.add(now == source)
        assert True in seen, 'nothing was ever replaced'
        s.daemon.ok('unmount', pod, '/data')


@case('a process that is killed while it mounts there leaves nothing behind')
def kills(s):
    pod = s.daemon.create(specs.oci())
    with Nested('inside-killed') as nested, Dweller(s.daemon.rootfs(pod)) as container:
        mounts = json.dumps([specs.mount('/srv', options=['size=1m']), specs.bind(s.data, '/srv/a'), specs.bind(nested, '/data', 'rbind'),
                specs.bind(s.data, '/mnt')])
        before = container.table()
        for round in range(24):
            kill_during(s, round, 'mount', pod, mounts, '--process', container.pid)
            seen = []

            def whole():  # it may still be undone
                rows = inside(s, pod)
                seen[:] = [rows, len(rows), len(container.table().splitlines()) - len(before.splitlines())]
                return seen[1:] in ([0, 0], [6, 6])
            eventually(whole, f'round {round}: all or none, on record and there')
            rows = seen[0]
            for target in sorted(rows, reverse=True):
                s.daemon.ok('unmount', pod, target)
            equal(container.table(), before, f'round {round}')


if __name__ == '__main__':
    host.prepare()
    with Bus() as bus:
        tap.run(Situation)
