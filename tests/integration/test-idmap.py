#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Id mappings of mounts: owners as statx(2) shows them inside, whose ids may be mapped, by mappings and by user
namespaces, and a container of a real runtime on a root that is mapped for it."""

import json
import os
import shutil
import subprocess

import dbus

from frame import backing, host, specs, tap
from frame.backing import Space
from frame.bus import Bus
from frame.daemon import MANAGER
from frame.host import ALICE, BOB, UserError, as_user
from frame.situation import WithPolkit
from frame.tap import Skip, case, contains, equal

bus = None
lacking = None  # why nothing can be mapped here
ALICE_SUB, BOB_SUB, COUNT = 100000, 200000, 65536
SUBIDS = f'# a comment\ndaemon:{ALICE_SUB}:{COUNT}\n\n{BOB}:{BOB_SUB}:{COUNT}\ndaemon:nonsense\n'


def mapping(*triples):
    return [{'containerID': c, 'hostID': h, 'size': s} for c, h, s in triples]


def mapped(mount, *triples, gids=None):
    return dict(mount, uidMappings=mapping(*triples), gidMappings=mapping(*(gids or triples)))


def owner(path):
    status = os.stat(path, follow_symlinks=False)
    return status.st_uid, status.st_gid


class Situation(WithPolkit):
    """polkit says yes; root and Alice each have a pod; both Alice and Bob have subordinate ids."""

    def __init__(self, config=''):
        if lacking:
            raise Skip(lacking)
        for name in ('subuid', 'subgid'):
            path = f'{host.DIRECTORY}/{name}'
            with open(path, 'w') as file:
                file.write(SUBIDS)
            if not os.path.exists(f'/etc/{name}'):
                raise Skip(f'there is no /etc/{name} to put another in the place of')
            if open(f'/etc/{name}').read() != SUBIDS:
                subprocess.run(['mount', '--bind', path, f'/etc/{name}'], check=True)
        super().__init__(bus, 'yes', config)
        self.own = specs.tree('alice-files', {'file': 'hers\n', 'sub/file': 'deeper\n'}, owner=ALICE)
        os.chown(f'{self.own}/sub/file', ALICE_SUB + 7, ALICE_SUB + 7)
        self.theirs = specs.tree('root-files', {'file': "root's\n"})
        self.pods = {0: self.create(specs.oci(self.root)), ALICE: self.create(specs.oci(self.root), ALICE)}

    def create(self, spec, uid=0, fds=None):
        named = {name: dbus.types.UnixFd(fd) for name, fd in (fds or {}).items()}
        return as_user(uid, lambda: str(bus.call(MANAGER, 'CreatePod', 'sa{sh}a{sv}', json.dumps(spec), named, {})[0]))

    def inside(self, uid):
        return self.daemon.rootfs(self.pods[uid])

    def mount(self, mounts, fds=None, uid=0):
        named = {name: dbus.types.UnixFd(fd) for name, fd in (fds or {}).items()}
        return as_user(uid, lambda: [int(i) for i in bus.call(MANAGER, 'Mount', 'ssa{sh}a{sv}', self.pods[uid],
                json.dumps(mounts), named, {})])

    def unmount(self, target, uid=0):
        as_user(uid, lambda: bus.call(MANAGER, 'Unmount', 'ssa{sv}', self.pods[uid], target, {}))

    def refused(self, mounts, fds=None, uid=0):
        """(name without prefix, text) of a mount that must fail and change nothing."""
        before = host.mount_table()
        try:
            self.mount(mounts, fds, uid)
        except UserError as error:
            equal(host.mount_table(), before, 'mount table after the refusal')
            return error.name.rsplit('.', 1)[1], error.text
        raise AssertionError(f'{mounts} was not refused')


@case("root maps what it likes: owners are mapped inside, the source's stay; recorded, equal on a retry, no drift")
def plain(s):
    point = f'{s.inside(0)}/mnt'
    wanted = mapped(specs.bind(s.theirs, '/mnt'), (0, 12345, 10))
    id = s.mount(wanted)
    equal(owner(f'{point}/file'), (12345, 12345), 'the owner through the mount')
    equal(owner(f'{s.theirs}/file'), (0, 0), 'the owner on the file system')
    equal(s.mount(wanted), id, 'the same mount again')
    with open(f'{s.theirs}/foreign', 'w'):
        os.chown(f'{s.theirs}/foreign', 99, 99)
    equal(owner(f'{point}/foreign'), (65534, 65534), 'an owner that the mapping has not')
    error = s.refused(mapped(specs.bind(s.theirs, '/mnt'), (0, 12346, 10)))
    equal(error[0], 'TargetInUse', 'another mapping')
    mounts = s.daemon.json('show', s.pods[0])['Mounts']
    found = next(mount for mount in mounts if mount['Target'] == '/mnt')
    contains(found['Options'], 'idmap=uids=0-12345-10;gids=0-12345-10', 'its options')
    contains(host.mounts_below(point)[point][5].split(','), 'idmapped', 'what the kernel shows')
    equal(found['State'], 'ok', 'its state')
    equal(s.daemon.state(s.pods[0]), 'ready', 'the state of the pod')
    s.daemon.restart()
    equal(s.daemon.state(s.pods[0]), 'ready', 'the state of the pod after a restart')
    equal(s.mount(wanted), id, 'the same mount after a restart')
    subprocess.run(['umount', point], check=True)
    s.daemon.ok('repair', s.pods[0])
    equal(owner(f'{point}/file'), (12345, 12345), 'the owner after a repair')
    s.unmount('/mnt')


@case("the inline form, one range after another; idmap leaves the mounts below alone, ridmap maps them, too")
def inline(s):
    point = f'{s.inside(0)}/mnt'
    s.mount(specs.bind(s.own, '/mnt', 'bind',
            f'idmap=uids={ALICE}-500-1#{ALICE_SUB}-600-10;gids={ALICE}-700-1#{ALICE_SUB}-800-10'))
    equal(owner(f'{point}/file'), (500, 700), 'the first range')
    equal(owner(f'{point}/sub/file'), (607, 807), 'the second range')
    s.unmount('/mnt')
    tree = specs.tree('with-mounts', {'below/': '', 'file': 'x'})
    subprocess.run(['mount', '--bind', s.theirs, f'{tree}/below'], check=True)
    try:
        for word, below in (('idmap', (0, 0)), ('ridmap', (900, 900))):
            s.mount(mapped(specs.bind(tree, '/mnt', 'rbind', word), (0, 900, 1)))
            equal(owner(f'{point}/file'), (900, 900), f'{word}: the mount itself')
            equal(owner(f'{point}/below/file'), below, f'{word}: the mount below')
            s.unmount('/mnt')
        subprocess.run(['mount', '-t', 'proc', 'proc', f'{tree}/below'], check=True)
        error = s.refused(mapped(specs.bind(tree, '/mnt', 'rbind', 'ridmap'), (0, 900, 1)))
        equal(error[0], 'NotSupported', 'a proc below')
        contains(error[1], 'a mount below', 'the sentence')
        subprocess.run(['umount', f'{tree}/below'], check=True)
    finally:
        subprocess.run(['umount', f'{tree}/below'], check=True)
    equal(s.refused(mapped(specs.bind('/proc', '/mnt'), (0, 900, 1)))[0], 'NotSupported', 'a file system without')


@case('anyone but root maps its own ids and its subordinate ranges, on both sides, and nothing else')
def ranges(s):
    point = f'{s.inside(ALICE)}/mnt'
    for triples, file, deeper in (
            ([(ALICE, ALICE_SUB, 1)], ALICE_SUB, 65534),
            ([(ALICE, ALICE_SUB + COUNT - 1, 1)], ALICE_SUB + COUNT - 1, 65534),
            ([(ALICE, ALICE_SUB, 1), (ALICE_SUB, ALICE_SUB + 1, 100)], ALICE_SUB, ALICE_SUB + 8)):
        s.mount(mapped(specs.bind(s.own, '/mnt'), *triples), uid=ALICE)
        equal(owner(f'{point}/file'), (file, file), f'{triples}')
        equal(owner(f'{point}/sub/file'), (deeper, deeper), f'{triples}, deeper')
        s.unmount('/mnt', ALICE)
    for triples, id in (
            ([(0, ALICE, 1)], 0),
            ([(ALICE, 0, 1)], 0),
            ([(0, 0, 1)], 0),
            ([(BOB, ALICE, 1)], BOB),
            ([(ALICE, BOB, 1)], BOB),
            ([(ALICE, BOB_SUB, 1)], BOB_SUB),
            ([(ALICE, ALICE_SUB, 2)], ALICE + 1),
            ([(ALICE, ALICE_SUB, 1), (ALICE_SUB + 1, ALICE_SUB + 1, COUNT)], ALICE_SUB + COUNT),
            ([(0, ALICE_SUB, COUNT)], 0)):
        error = s.refused(mapped(specs.bind(s.own, '/mnt'), *triples), uid=ALICE)
        equal(error[0], 'SourceDenied', f'{triples}')
        contains(error[1], f' uid {id},', f'{triples}')
    error = s.refused(mapped(specs.bind(s.own, '/mnt'), (ALICE, ALICE_SUB, 1), gids=[(0, ALICE_SUB, 1)]), uid=ALICE)
    contains(error[1], ' gid 0,', 'a gid')
    error = s.refused(specs.bind(s.own, '/mnt', 'bind', f'idmap=uids=0-{ALICE}-1;gids=0-{ALICE}-1'), uid=ALICE)
    equal(error[0], 'SourceDenied', 'inline')


@case("what somebody can open and not read stays closed behind every mapping of its own ids")
def attack(s):
    closed = specs.tree('closed', {'secret': 'of root\n'})
    os.chmod(f'{closed}/secret', 0o600)
    os.chmod(closed, 0o700)
    identity = (ALICE, ALICE, 1), (ALICE_SUB, ALICE_SUB, COUNT)
    for triples in ([(ALICE, ALICE_SUB, 1)], identity, [(ALICE_SUB, ALICE, 1)]):
        for fd in (False, True):
            opened = as_user(0, lambda: None) or os.open(closed, os.O_PATH)
            source, fds = ('fd:dir', {'dir': opened}) if fd else (closed, {})
            error = s.refused(mapped(specs.bind(source, '/mnt'), *triples), fds, ALICE)
            os.close(opened)
            equal(error[0], 'SourceDenied', f'{triples}')
            contains(error[1], 'belongs to user 0', f'{triples}')
    # In a directory of Alice's own there is a file of root's: it stays root's, and so does a set-user-id bit.
    own = specs.tree('half-own', {'secret': 'of root\n', 'program': '#!/bin/sh\n'}, owner=ALICE)
    for name, mode in (('secret', 0o600), ('program', 0o4755)):
        os.chown(f'{own}/{name}', 0, 0)
        os.chmod(f'{own}/{name}', mode)
    point = f'{s.inside(ALICE)}/mnt'
    s.mount(mapped(specs.bind(own, '/mnt'), *identity), uid=ALICE)
    equal(owner(f'{point}/secret'), (65534, 65534), 'a file of root')
    for path in ('secret', 'program'):
        def reach():
            with open(f'{point}/{path}', 'r+'):
                pass
        try:
            as_user(ALICE, reach)
        except UserError as error:
            equal(error.name, 'PermissionError', path)
        else:
            raise AssertionError(f'{path} was opened')
    contains(host.mounts_below(point)[point][5].split(','), 'nosuid', 'its options')
    s.unmount('/mnt', ALICE)


@case("a user namespace maps if it is the caller's, of the caller's ids, with maps, and not the host's")
def spaces(s):
    point, wanted = f'{s.inside(ALICE)}/mnt', dict(specs.bind(s.own, '/mnt'), userns='fd:ns')
    with Space(ALICE, (ALICE, ALICE_SUB, 1), (ALICE_SUB, ALICE_SUB + 1, 100)) as fd:
        id = s.mount(wanted, {'ns': fd}, ALICE)
        equal(owner(f'{point}/file'), (ALICE_SUB, ALICE_SUB), 'the owner')
        equal(s.mount(wanted, {'ns': fd}, ALICE), id, 'the same again')
        s.unmount('/mnt', ALICE)
        s.mount(dict(specs.bind(s.own, '/mnt'), userns='fd:ns'), {'ns': fd})
        equal(owner(f'{s.inside(0)}/mnt/file'), (ALICE_SUB, ALICE_SUB), "root by Alice's")
        s.unmount('/mnt')
    with Space(ALICE, (0, ALICE, 1)) as fd:
        error = s.refused(wanted, {'ns': fd}, ALICE)
        equal((error[0], ' uid 0,' in error[1]), ('SourceDenied', True), f"Alice's with root's ids: {error}")
    with Space(BOB, (ALICE, ALICE_SUB, 1)) as fd:
        error = s.refused(wanted, {'ns': fd}, ALICE)
        equal((error[0], f'belongs to user {BOB}' in error[1]), ('SourceDenied', True), f"Bob's: {error}")
    with Space(0, (ALICE, ALICE_SUB, 1)) as fd:
        equal(s.refused(wanted, {'ns': fd}, ALICE)[0], 'SourceDenied', "root's")
    with Space(ALICE) as fd:
        error = s.refused(wanted, {'ns': fd}, ALICE)
        equal((error[0], 'uid_map' in error[1]), ('InvalidArgs', True), f'without maps: {error}')
    for path in ('/proc/self/ns/user', '/proc/self/ns/mnt', '/etc/passwd'):
        fd = os.open(path, os.O_RDONLY)
        for uid in (0, ALICE):
            equal(s.refused(wanted, {'ns': fd}, uid)[0], 'InvalidArgs', f'{path}, user {uid}')
        os.close(fd)
    equal(s.refused(wanted, {}, ALICE)[0], 'InvalidArgs', 'an fd that was not sent')


@case("mappings that overlap, are too many, empty, too big, or in the wrong place are refused, with the place")
def malformed(s):
    bind = specs.bind(s.theirs, '/mnt')
    for wanted, name, place in (
            (mapped(bind, (0, 0, 10), (5, 20, 1)), 'InvalidSpec', '/uidMappings/1'),
            (mapped(bind, (0, 0, 10), (20, 5, 1)), 'InvalidSpec', '/uidMappings/1'),
            (mapped(bind, (0, 0, 0)), 'InvalidSpec', '/uidMappings/0'),
            (mapped(bind, (0, 0, 2 ** 32)), 'InvalidSpec', '/uidMappings/0/size'),
            (mapped(bind, (2 ** 32 - 2, 0, 2)), 'InvalidSpec', '/uidMappings/0'),
            (mapped(bind, (-1, 0, 2)), 'InvalidSpec', '/uidMappings/0/containerID'),
            (mapped(bind, *[(2 * i, 2 * i, 1) for i in range(341)]), 'InvalidSpec', '/uidMappings/340'),
            (mapped(bind, *[(10 ** 9 + 2 * i, 10 ** 9 + 2 * i, 1) for i in range(200)]), 'InvalidSpec', '/uidMappings/'),
            (dict(bind, uidMappings=mapping((0, 0, 1))), 'InvalidSpec', '/gidMappings'),
            (dict(bind, userns='/proc/self/ns/user'), 'InvalidSpec', '/userns'),
            (dict(mapped(bind, (0, 0, 1)), userns='fd:x'), 'InvalidSpec', '/userns'),
            (mapped(specs.mount('/mnt', 'tmpfs'), (0, 0, 1)), 'InvalidSpec', '/uidMappings'),
            (specs.bind(s.theirs, '/mnt', 'bind', 'idmap'), 'InvalidOption', '/options'),
            (specs.bind(s.theirs, '/mnt', 'bind', 'idmap=uids=0-0-1'), 'InvalidOption', '/options'),
            (specs.bind(s.theirs, '/mnt', 'bind', 'idmap=uids=@0-0-1;gids=0-0-1'), 'InvalidOption', '/options')):
        fds = {}
        if wanted.get('userns') == 'fd:x':
            fds = {'x': os.open('/etc/passwd', os.O_RDONLY)}
        error = s.refused(wanted, fds)
        equal((error[0], place in error[1]), (name, True), f'{str(wanted)[:200]}: {error}')
    wide = [(4 * i, 4 * i, 1) for i in range(340)]
    s.mount(mapped(bind, *wide))
    equal(owner(f'{s.inside(0)}/mnt/file'), (0, 0), '340 mappings')
    s.unmount('/mnt')


@case('the lower layers of an overlay are mapped, the upper one is not; root and Alice')
def overlays(s):
    for uid, (low, high) in ((0, (0, 5000)), (ALICE, (ALICE, ALICE_SUB))):
        name = f'overlay-{uid}'
        lower = [specs.tree(f'{name}-{i}', {f'file{i}': str(i)}, owner=uid) for i in range(2)]
        upper, work = (specs.tree(f'{name}-{word}', {}, owner=uid) for word in ('upper', 'work'))
        point = f'{s.inside(uid)}/mnt'
        s.mount(mapped(specs.mount('/mnt', 'overlay', options=[f'lowerdir={":".join(lower)}']), (low, high, 1)), uid=uid)
        for i in range(2):
            equal(owner(f'{point}/file{i}'), (high, high), f'layer {i}, user {uid}')
        s.unmount('/mnt', uid)
        s.mount(mapped(specs.mount('/mnt', 'overlay', options=[f'lowerdir={lower[0]}', f'upperdir={upper}',
                f'workdir={work}', 'ridmap']), (low, high, 1)), uid=uid)
        equal(owner(f'{point}/file0'), (high, high), f'below an upper layer, user {uid}')
        with open(f'{point}/file0', 'a') as file:
            file.write('more')
        equal(owner(f'{upper}/file0'), (high, high), 'copied up as it is seen')
        equal(owner(f'{lower[0]}/file0'), (low, low), 'the source')
        s.unmount('/mnt', uid)
        error = s.refused(mapped(specs.mount('/mnt', 'overlay', options=[f'lowerdir={":".join(lower)}']), (0, 0, 1)),
                uid=ALICE)
        equal(error[0], 'SourceDenied', "root's ids")


@case("a root is mapped: alone, under a tmpfs, and with stubs; its mounts with idmap follow it")
def roots(s):
    root = specs.rootfs('mapped-root')
    for overlay, readonly in ((None, False), ('tmpfs', False), (None, True)):
        container = {'name': 'main', 'root': {'path': root, 'readonly': readonly, 'uidMappings': mapping((0, 70000, 1000)),
                'gidMappings': mapping((0, 80000, 1000))},
                'mounts': [specs.bind(s.theirs, '/data', 'bind', 'idmap'), specs.mount('/mnt', 'tmpfs')]}
        if overlay:
            container['root']['overlay'] = overlay
        if readonly:
            container['mounts'].append(specs.mount('/stub/deep', 'tmpfs'))
        pod = s.create({'podmount': 1, 'containers': [container]})
        path = s.daemon.rootfs(pod)
        for name in ('', 'bin/busybox', 'data/file'):
            equal(owner(f'{path}/{name}'), (70000, 80000), f'{overlay}, {readonly}: /{name}')
        equal(s.daemon.state(pod), 'ready', 'no drift')
        if not overlay and not readonly:
            subprocess.run(['umount', f'{path}/data'], check=True)
            s.daemon.ok('repair', pod)
            equal(owner(f'{path}/data/file'), (70000, 80000), 'made again as it was')
        s.daemon.ok('gc', pod)
    alices = {'podmount': 1, 'containers': [{'name': 'main', 'root': {'path': s.root,
            'uidMappings': mapping((ALICE, ALICE_SUB, 1)), 'gidMappings': mapping((ALICE, ALICE_SUB, 1))}}]}
    pod = s.create(alices, ALICE)
    equal(owner(f'{s.daemon.rootfs(pod)}/bin/busybox'), (ALICE_SUB, ALICE_SUB), "Alice's")
    s.daemon.ok('gc', pod)
    for key in ('uidMappings', 'gidMappings'):
        alices['containers'][0]['root'][key] = mapping((0, ALICE, 1), (ALICE, ALICE_SUB, 1))
    before = host.mount_table()
    try:
        s.create(alices, ALICE)
        raise AssertionError('not refused')
    except UserError as error:
        equal(error.name.rsplit('.', 1)[1], 'SourceDenied', "root's ids")
        contains(error.text, '/containers/0/root', 'the place')
    equal(host.mount_table(), before, 'the table')


@case("ids of others: never without ForeignIDs=yes, and with it when polkit grants org.podmount1.idmap")
def granted(s):
    wanted = mapped(specs.bind(s.own, '/mnt'), (ALICE, BOB, 1))
    s.polkit.forget()
    equal(s.refused(wanted, uid=ALICE)[0], 'SourceDenied', 'without the setting')
    equal([call['action'] for call in s.polkit.calls()], ['org.podmount1.manage'], 'what was asked')
    s.daemon.write_config('[Mounts]\nForeignIDs=yes\n')
    s.daemon.restart()
    s.polkit.forget()
    s.mount(wanted, uid=ALICE)
    equal(owner(f'{s.inside(ALICE)}/mnt/file'), (BOB, BOB), 'the owner')
    calls = [call for call in s.polkit.calls() if call['action'] == 'org.podmount1.idmap']
    equal(len(calls), 1, 'asked once')
    equal(calls[0]['details']['mapping'], f'uids={ALICE}-{BOB}-1;gids={ALICE}-{BOB}-1', 'the details')
    equal(calls[0]['details']['target'], '/mnt', 'the details')
    s.unmount('/mnt', ALICE)
    as_user(ALICE, lambda: bus.call(MANAGER, 'Bind', 'sssa{sh}a{sv}', s.pods[ALICE], s.own, '/mnt', {}, {'options':
            dbus.Array([f'idmap=uids={ALICE}-{BOB}-1;gids={ALICE}-{BOB}-1'], signature='s')}))
    s.unmount('/mnt', ALICE)
    s.polkit.forget()
    s.mount(mapped(specs.bind(s.own, '/mnt'), (ALICE, ALICE_SUB, 1)), uid=ALICE)
    equal([call['action'] for call in s.polkit.calls()], ['org.podmount1.manage'], 'own ids')
    s.unmount('/mnt', ALICE)
    own = mapped(specs.bind(s.own, '/mnt'), (ALICE, ALICE_SUB, 1))
    for uid, mount, asked in ((ALICE, wanted, ['org.podmount1.create', 'org.podmount1.idmap']),
            (ALICE, own, ['org.podmount1.create']), (0, wanted, [])):
        plan = json.loads(s.daemon.ok('--json=short', 'plan', '-', input=json.dumps(specs.oci(s.root, mounts=[mount])),
                user=uid, over_bus=bool(uid)))
        equal(plan['actions'], asked, f'what a plan of user {uid} says is asked')
    with Space(ALICE, (0, ALICE, 1)) as fd:
        equal(s.refused(dict(specs.bind(s.own, '/mnt'), userns='fd:ns'), {'ns': fd}, ALICE)[0], 'SourceDenied',
                'a namespace with ids of others')
    s.polkit.answer('no')
    for mount in (wanted, specs.bind(s.own, '/mnt', f'idmap=uids={ALICE}-{BOB}-1;gids={ALICE}-{BOB}-1')):
        equal(s.refused(mount, uid=ALICE)[0], 'AccessDenied', 'polkit says no')
    s.polkit.answer('yes')


@case("a user-namespace container of crun on a mapped root: files owned as expected inside and on the host")
def runtime(s):
    if not shutil.which('crun'):
        raise Skip('crun is not installed')
    if not os.path.exists('/sys/fs/cgroup/cgroup.controllers'):  # crun refuses the hybrid hierarchy
        subprocess.run(['umount', '-R', '/sys/fs/cgroup'], check=True)
        subprocess.run(['mount', '-t', 'cgroup2', 'cgroup2', '/sys/fs/cgroup'], check=True)
    root = specs.rootfs('crun-root')
    maps = mapping((0, 300000, 1000))
    pod = s.create({'podmount': 1, 'mandatoryMounts': False, 'containers': [{'name': 'main', 'root': {'path': root, 'uidMappings': maps,
            'gidMappings': maps}, 'mounts': [specs.bind(s.theirs, '/data', 'idmap', 'ro')]}]})
    # crun looks the root up with the container's ids: the directory is its owner's to open.
    os.chmod(os.path.dirname(os.path.dirname(s.daemon.rootfs(pod))), 0o711)
    bundle = specs.tree('crun-idmap', {})
    subprocess.run(['crun', 'spec'], cwd=bundle, check=True, stdout=subprocess.DEVNULL)
    with open(f'{bundle}/config.json') as file:
        config = json.load(file)
    config['root'] = {'path': s.daemon.rootfs(pod), 'readonly': False}
    config['process'].update(terminal=False, args=['/bin/sh', '-c',
            'ls -nd /bin /data/file; touch /srv/new && ls -n /srv/new; id'])
    config['linux'].pop('resources', None)
    config['linux']['namespaces'].append({'type': 'user'})
    config['linux']['uidMappings'] = config['linux']['gidMappings'] = maps
    with open(f'{bundle}/config.json', 'w') as file:
        json.dump(config, file)
    done = host.run(['crun', '--root', f'{host.DIRECTORY}/crun-idmap-state', 'run', f'podmount-idmap-{os.getpid()}'],
            cwd=bundle)
    equal(done.status, 0, f'crun run: {done}')
    for line in done.out.splitlines():
        if line.startswith(('d', '-')):
            equal(line.split()[2:4], ['0', '0'], f'the owner in the container: {line}')
    equal(len([line for line in done.out.splitlines() if line.startswith(('d', '-'))]), 3, f'three files: {done}')
    equal(owner(f'{root}/srv/new'), (0, 0), 'the new file on the file system')
    equal(owner(f'{s.daemon.rootfs(pod)}/srv/new'), (300000, 300000), 'the new file through the mount')
    s.daemon.ok('gc', pod)


@case('no user namespace, process or fd of a mapping stays behind')
def leftovers(s):
    def count():
        return {pid: len(os.listdir(f'/proc/{pid}/fd')) for pid in s.daemon.executors()}
    s.mount(mapped(specs.bind(s.theirs, '/mnt'), (0, 900, 1)))
    s.unmount('/mnt')
    before = count()
    for i in range(40):
        s.mount(mapped(specs.bind(s.theirs, '/mnt'), (0, 900 + i, 1)))
        s.unmount('/mnt')
        s.refused(mapped(specs.bind('/proc', '/mnt'), (0, 900, 1)))
        s.refused(mapped(specs.bind(s.own, '/mnt'), (0, ALICE, 1)), uid=ALICE)
    equal(count(), before, 'fds and executors')


if __name__ == '__main__':
    lacking = backing.prepare()
    bus = Bus()
    tap.run(Situation)
