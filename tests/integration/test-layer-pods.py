#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Containers that stand on layers: what their roots are, who holds the layers, and what is left of that after a crash."""

import contextlib
import json
import os
import shutil
import sqlite3
import stat
import subprocess

from frame import backing, host, specs, tap
from frame.bus import Bus
from frame.daemon import ERROR, Stage
from frame.host import ALICE, BOB
from frame.layers import create, directory_of, error_of, read, write
from frame.situation import WithPolkit
from frame.tap import case, contains, equal, eventually

bus = None
UUID = '5b1d2c3e-0000-4000-8000-0000000000%02x'


class Situation(WithPolkit):
    def __init__(self):
        super().__init__(bus, 'yes')


def image(daemon, ident='top'):
    """A root with busybox in the lowest of three layers; `ident` is the topmost."""
    create(daemon, f'{ident}-base')
    shutil.copytree(specs.rootfs(), directory_of(daemon, f'{ident}-base'), symlinks=True, dirs_exist_ok=True)
    create(daemon, f'{ident}-middle', f'{ident}-base', middle='m')
    os.mknod(f'{directory_of(daemon, f"{ident}-middle")}/srv', stat.S_IFCHR, os.makedev(0, 0))
    create(daemon, ident, f'{ident}-middle', top='t')
    return ident


def spec(containers, mandatory=False, **more):
    """Containers by name: their root, or (root, mounts)."""
    pairs = {name: root if isinstance(root, tuple) else (root, []) for name, root in containers.items()}
    return {'podmount': 1, 'mandatoryMounts': mandatory, **more,
            'containers': [{'name': name, 'root': root, 'mounts': list(mounts)} for name, (root, mounts) in pairs.items()]}


def on(layer, mounts=(), mandatory=False, **members):
    return spec({'main': ({'layer': layer, **members}, mounts)}, mandatory)


def refused(daemon, document, **more):
    return daemon.refused('create', '-', input=json.dumps(document), **more)


def holders(daemon, ident):
    return sorted((holder['UID'], holder['Name'], holder['Count']) for holder in daemon.json('layer', 'info', ident)['Holders'])


def can_write(path):
    try:
        write(f'{path}/written')
    except OSError as error:
        return error.strerror
    return True


def root_options(daemon, pod, container='main'):
    for line in host.mount_table():
        fields = line.split(' ')
        if fields[4] == daemon.rootfs(pod, container):
            return set(fields[5].split(','))
    raise AssertionError('no root')


@case('a read-only layer is a read-only root; a tmpfs takes what is written, a read-write layer keeps it')
def kinds(daemon):
    image(daemon)
    before = host.mount_table()
    for root, writes in [({}, False), ({'readonly': True}, False), ({'overlay': 'tmpfs'}, True), ({'overlay': 'tmpfs', 'readonly': False}, True),
            ({'overlay': 'all', 'overlaySize': 1 << 20}, True), ({'overlay': 'tmpfs', 'readonly': True}, False)]:
        pod = daemon.create(on('top', **root))
        path = daemon.rootfs(pod)
        equal((read(f'{path}/middle'), read(f'{path}/top'), os.path.exists(f'{path}/srv')), ('m', 't', False), f'{root}: what it shows')
        equal(can_write(path) is True, writes, f'{root}: writing')
        equal(os.path.exists(f'{directory_of(daemon, "top")}/written'), False, f'{root}: the layer')
        equal('noexec' in root_options(daemon, pod), False, f'{root}: options')
        equal(daemon.state(pod), 'ready', 'state')
        equal(daemon.mounts(pod)['main:/']['Source'], 'layer:top', 'source')
        daemon.ok('gc', pod)
    create(daemon, 'own', 'top', '--read-write')
    for root in ({}, {'readonly': False}, {'overlay': 'persistent'}):
        pod = daemon.create(on('own', **root))
        write(f'{daemon.rootfs(pod)}/kept', str(root))
        os.path.exists(f'{daemon.rootfs(pod)}/top') and os.unlink(f'{daemon.rootfs(pod)}/top')
        daemon.ok('gc', pod)
        equal(read(f'{directory_of(daemon, "own")}/kept'), str(root), f'{root}: it is kept')
    pod = daemon.create(on('own', readonly=True))
    equal((read(f'{daemon.rootfs(pod)}/kept'), os.path.exists(f'{daemon.rootfs(pod)}/top')), (str({'overlay': 'persistent'}), False), 'the next pod')
    equal(can_write(daemon.rootfs(pod)), 'Read-only file system', 'read-only')
    daemon.ok('gc', pod)
    equal(read(f'{directory_of(daemon, "top")}/top'), 't', 'the layer below')
    equal(host.mount_table(), before, 'the mount table')


@case('a layer that stands on none is a bind; a read-write one of its own, too')
def single(daemon):
    create(daemon, 'base', file='f')
    create(daemon, 'scratch', None, '--read-write', file='g')
    pod = daemon.create(spec({'a': {'layer': 'base'}, 'b': {'layer': 'base', 'overlay': 'tmpfs'}, 'c': {'layer': 'scratch'}}))
    types = {fields[4].split('/')[-2]: line.split(' - ')[1].split(' ')[0] for line in host.mount_table() for fields in [line.split(' ')]
            if f'/{pod}/' in fields[4]}
    equal(types['b'], 'overlay', 'types')
    equal('overlay' in (types['a'], types['c']), False, f'types {types}')
    equal([can_write(daemon.rootfs(pod, name)) for name in 'abc'], ['Read-only file system', True, True], 'writing')
    equal((sorted(os.listdir(directory_of(daemon, 'base'))), sorted(os.listdir(directory_of(daemon, 'scratch')))), (['file'], ['file', 'written']), 'the layers')
    equal(holders(daemon, 'base'), [(0, f'pod:{pod}', 2)], 'holders')
    daemon.ok('gc', pod)


@case('mount points that a layer lacks are in no layer')
def stubs(daemon):
    create(daemon, 'empty')
    create(daemon, 'full', 'empty', file='f')
    create(daemon, 'own', 'full', '--read-write')
    create(daemon, 'alone', None, '--read-write')
    data = specs.tree('data', {'x': 'of the host'})
    mounts = [specs.bind(data, '/deep/er/data'), specs.bind(f'{data}/x', '/file')]
    roots = {'empty': {}, 'full': {}, 'own': {}, 'alone': {}, 'tmpfs': {'overlay': 'tmpfs'}}
    pod = daemon.create(spec({name: ({'layer': name if name != 'tmpfs' else 'full', **root}, mounts) for name, root in roots.items()}, True))
    for name in roots:
        path = daemon.rootfs(pod, name)
        equal(read(f'{path}/deep/er/data/x'), 'of the host', f'{name}: a directory')
        equal(read(f'{path}/file'), 'of the host', f'{name}: a file')
        equal(os.path.isdir(f'{path}/proc/1'), True, f'{name}: /proc')
    write(f'{daemon.rootfs(pod, "own")}/new', 'n')
    daemon.ok('bind', pod, data, '/later', '--container', 'own')
    contains(daemon.refused('bind', pod, data, '/later', '--container', 'full'), '/later')
    equal(daemon.state(pod), 'ready', 'state')
    daemon.ok('gc', pod)
    equal([sorted(os.listdir(directory_of(daemon, ident))) for ident in ('empty', 'full', 'own', 'alone')], [[], ['file'], ['new'], []], 'the layers')


@case('what a spec says against its layer is refused, with what to do')
def contradictions(daemon):
    image(daemon)
    create(daemon, 'own', 'top', '--read-write')
    for document, words in [
            (on('top', overlay='persistent'), ['/containers/0/root/overlay', '--read-write --parent top']),
            (on('top', readonly=False), ['/containers/0/root/readonly', 'read-only', 'tmpfs']),
            (on('own', overlay='tmpfs'), ['/containers/0/root/overlay', 'read-write']),
            (on('own', overlay='all'), ['/containers/0/root/overlay']),
            (on('own', overlay='persistent', readonly=True), ['/containers/0/root/overlay', 'readonly']),
            (on('own', overlay='persistent', overlaySize=1 << 20), ['/containers/0/root/overlaySize']),
            (on('top', path='/'), ['/containers/0/root/layer', 'one of them']),
            (on('../x'), ['/containers/0/root/layer', 'no id']),
            (on('gone'), ['/containers/0/root/layer', 'No layer "gone"', 'layer list']),
            (spec({'main': {'path': specs.rootfs(), 'overlay': 'persistent'}}), ['/containers/0/root/overlay', 'read-write layer']),
            (spec({'a': {'layer': 'own'}, 'b': {'layer': 'own'}}), ['/containers/1/root/layer', 'one container alone', 'a has it']),
            (on('own', uidMappings=[{'containerID': 0, 'hostID': 5, 'size': 1}], gidMappings=[{'containerID': 0, 'hostID': 5, 'size': 1}]),
                ['/containers/0/root/uidMappings', 'uid-map'])]:
        err = refused(daemon, document)
        for word in words:
            contains(err, word)
    name, text = daemon.error_of('CreatePod', 'sa{sh}a{sv}', json.dumps(on('gone')), {}, {})
    equal(name, ERROR + 'NoSuchLayer', text)
    equal((daemon.pods(), holders(daemon, 'top'), holders(daemon, 'own')), ([], [], []), 'what is left')
    checked = daemon.json('check', '-', input=json.dumps(on('anything')))
    equal(checked['Mounts'][0]['Source'], 'layer:anything', 'check, without a daemon')


@case('a pod holds its layers until it is collected, and nobody takes that away')
def held(daemon):
    image(daemon)
    create(daemon, 'own', 'top', '--read-write')
    pod = daemon.create(spec({'a': {'layer': 'top'}, 'b': {'layer': 'top', 'overlay': 'tmpfs'}, 'c': {'layer': 'own'}}))
    name = f'pod:{pod}'
    equal((holders(daemon, 'top'), holders(daemon, 'own')), ([(0, name, 2)], [(0, name, 1)]), 'holders')
    for ident in ('top', 'own'):
        kind, text = error_of(daemon, 'RemoveLayer', 'sa{sv}', ident, {})
        equal(kind, ERROR + 'LayerInUse', text)
    contains(daemon.refused('layer', 'remove', 'own'), name)
    kind, text = error_of(daemon, 'PutLayer', 'sa{sv}', 'top', {'holder': name})
    equal(kind, 'org.freedesktop.DBus.Error.InvalidArgs', text)
    kind, text = error_of(daemon, 'GetLayer', 'sa{sv}', 'own', {})
    equal(kind, ERROR + 'LayerInUse', text)
    contains(text, name)
    contains(refused(daemon, on('own')), f'{name} has it')
    # A read-only one is also mounted for others, and that mount goes with them.
    path = daemon.ok('layer', 'get', 'top', '--holder', 'h').strip()
    daemon.ok('layer', 'put', 'top', '--holder', 'h')
    equal(os.path.exists(path), False, 'the mount')
    daemon.ok('layer', 'cleanup')
    equal((holders(daemon, 'top'), daemon.state(pod)), ([(0, name, 2)], 'ready'), 'holders')
    daemon.restart()
    equal((holders(daemon, 'top'), holders(daemon, 'own'), daemon.state(pod)), ([(0, name, 2)], [(0, name, 1)], 'ready'), 'after a restart')
    daemon.ok('gc', pod)
    equal((holders(daemon, 'top'), holders(daemon, 'own')), ([], []), 'after gc')
    daemon.ok('layer', 'get', 'own', '--holder', 'h')
    contains(refused(daemon, on('own')), 'h has it')
    daemon.ok('layer', 'put', 'own', '--holder', 'h')
    daemon.ok('layer', 'remove', 'own', 'top')


@case('containers that come and go bring and take their layers')
def added(daemon):
    image(daemon)
    create(daemon, 'own', 'top', '--read-write')
    pod = daemon.create(on('top'))
    name = f'pod:{pod}'
    one = json.dumps(spec({'x': {'layer': 'top', 'overlay': 'tmpfs'}}))
    daemon.ok('add-container', pod, 'x', '-', input=one)
    daemon.ok('add-container', pod, 'x', '-', input=one)  # a retry
    daemon.ok('add-container', pod, 'y', '-', input=json.dumps(spec({'y': {'layer': 'own'}})))
    equal((holders(daemon, 'top'), holders(daemon, 'own')), ([(0, name, 2)], [(0, name, 1)]), 'holders')
    contains(daemon.refused('add-container', pod, 'z', '-', input=json.dumps(spec({'z': {'layer': 'own'}}))), f'{name} has it')
    bad = json.dumps(spec({'z': ({'layer': 'top'}, [specs.bind('/nowhere/at/all', '/mnt')])}))
    daemon.refused('add-container', pod, 'z', '-', input=bad)
    equal(holders(daemon, 'top'), [(0, name, 2)], 'after a failure')
    write(f'{daemon.rootfs(pod, "y")}/y', 'y')
    daemon.restart()
    daemon.ok('remove-container', pod, 'y')
    equal((holders(daemon, 'top'), holders(daemon, 'own')), ([(0, name, 2)], []), 'holders')
    daemon.ok('remove-container', pod, 'x')
    equal(holders(daemon, 'top'), [(0, name, 1)], 'holders')
    daemon.ok('gc', pod)
    equal((holders(daemon, 'top'), read(f'{directory_of(daemon, "own")}/y')), ([], 'y'), 'the end')


@case('a creation that fails holds nothing; the layers are as they were')
def failed(daemon):
    image(daemon)
    create(daemon, 'own', 'top', '--read-write')
    before = host.mount_table()
    for _ in range(3):
        refused(daemon, spec({'a': {'layer': 'own'}, 'b': ({'layer': 'top'}, [specs.bind('/nowhere/at/all', '/mnt')])}))
    equal((holders(daemon, 'top'), holders(daemon, 'own'), os.listdir(directory_of(daemon, 'own'))), ([], [], []), 'holders')
    equal(host.mount_table(), before, 'the mount table')
    pod = daemon.create(on('own'), '--id', UUID % 1)
    equal(daemon.create(on('own'), '--id', UUID % 1), pod, 'a retry meets its own pod')
    equal(holders(daemon, 'own'), [(0, f'pod:{pod}', 1)], 'once')
    daemon.ok('gc', pod)


@case('pods do not outlive a boot, and neither do their holders; others do')
def boot(daemon):
    image(daemon)
    create(daemon, 'own', 'top', '--read-write')
    pods = [daemon.create(spec({'a': {'layer': 'top'}, 'b': {'layer': 'own'}})), daemon.create(on('top', overlay='tmpfs'))]
    daemon.ok('layer', 'get', 'top', '--holder', 'h')
    write(f'{daemon.rootfs(pods[0], "b")}/kept', 'k')
    equal(len(holders(daemon, 'top')), 3, 'holders')
    daemon.stop()
    for point in sorted(host.mounts_below(daemon.runtime), reverse=True):
        host.run(['umount', '--lazy', point])
    shutil.rmtree(daemon.runtime)
    daemon.start()
    equal((holders(daemon, 'top'), holders(daemon, 'own'), daemon.pods()), ([(0, 'h', 1)], [], []), 'after the boot')
    contains(daemon.log(), 'Let go 3 layers')
    pod = daemon.create(on('own'))
    equal(read(f'{daemon.rootfs(pod)}/kept'), 'k', 'what the container wrote')
    daemon.ok('gc', pod)
    daemon.ok('layer', 'put', 'top', '--holder', 'h')


@case('of the two databases that of the pods is right: holders that a crash left wrong are mended at the start')
def wrong(daemon):
    image(daemon)
    create(daemon, 'own', 'top', '--read-write')
    pod = daemon.create(spec({'a': {'layer': 'top'}, 'b': {'layer': 'top', 'overlay': 'tmpfs'}, 'c': {'layer': 'own'}}))
    right = {ident: holders(daemon, ident) for ident in ('top-base', 'top', 'own')}
    for change in ("UPDATE holder SET count = 7", "DELETE FROM holder", "UPDATE holder SET owner = 5", "UPDATE holder SET name = 'pod:" + UUID % 9 + "'",
            "INSERT INTO holder SELECT number, 0, 'pod:" + pod + "', 3 FROM layer WHERE id = 'top-base'"):
        daemon.stop()
        with contextlib.closing(sqlite3.connect(f'{daemon.directory}/state/records/layers.db')) as db:
            db.execute(change)
            db.commit()
        daemon.start()
        equal({ident: holders(daemon, ident) for ident in right}, right, change)
        contains(refused(daemon, on('own')), 'has it')
    daemon.ok('gc', pod)
    equal([holders(daemon, ident) for ident in right], [[], [], []], 'the end')


@case('no pod stands on what is being written, and nothing is written that a pod stands on')
def written(daemon):
    create(daemon, 'base')
    create(daemon, 'top', 'base')
    apply = subprocess.Popen([f'{host.DIRECTORY}/bin/podmountctl', '--socket', daemon.socket, 'layer', 'apply', 'base'], stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def text():  # a plan, for a pod would be in the way of the tar
        return daemon.ctl('plan', '-', input=json.dumps(on('top'))).err

    eventually(lambda: 'is being written by ApplyDiff' in text(), 'refused while a tar comes')
    contains(refused(daemon, on('top')), '/containers/0/root/layer: ')
    equal(daemon.pods(), [], 'pods')
    apply.kill()
    apply.stdin.close()
    apply.wait()
    eventually(lambda: not text(), 'when that has ended')
    pod = daemon.create(on('top'))
    contains(daemon.refused('layer', 'apply', 'base', '/dev/null'), f'pod:{pod}')
    daemon.ok('gc', pod)


@case('export and restore, plan, drift, repair, and questions about files')
def rest(daemon):
    image(daemon)
    create(daemon, 'own', 'top', '--read-write')
    document = spec({'a': ({'layer': 'top'}, [specs.mount('/mnt')]), 'b': {'layer': 'own', 'overlay': 'persistent'}})
    plan = daemon.json('plan', '-', input=json.dumps(document))
    roots = [step for step in plan['steps'] if step['step'] == 'root']
    equal([step['source'] for step in roots], ['layer:top', 'layer:own'], 'plan')
    equal((holders(daemon, 'top'), daemon.pods()), ([], []), 'a plan holds nothing')
    pod = daemon.create(document)
    equal(daemon.json('path-info', f'{pod}:a', '/top')['Type'], 'overlay', 'path-info')
    contains(daemon.ok('which', f'{pod}:a', 'sh'), '/bin/sh')
    equal(daemon.ok('open-tree', pod, '/', '--container', 'a', '--', 'cat', 'top'), 't', 'open-tree')
    exported = daemon.json('export', pod)
    equal([part['root'] for part in exported['parts'][0]['spec']['containers']], [{'layer': 'top'}, {'layer': 'own', 'overlay': 'persistent'}], 'export')
    host.run(['umount', f'{daemon.rootfs(pod, "a")}/mnt'])
    eventually(lambda: daemon.state(pod) == 'degraded', 'drift')
    daemon.ok('repair', pod)
    equal(daemon.state(pod), 'ready', 'repaired')
    host.run(['umount', '--lazy', daemon.rootfs(pod, 'b')])
    eventually(lambda: daemon.state(pod) == 'degraded', 'drift of a root')
    done = daemon.ctl('repair', pod)
    contains(done.out + done.err, 'root of container b is gone')
    equal(holders(daemon, 'own'), [(0, f'pod:{pod}', 1)], 'it is held as long as the pod is there')
    daemon.ok('gc', pod)
    equal(daemon.ok('restore', '-', input=json.dumps(exported)).strip(), pod, 'restore')
    equal(holders(daemon, 'own'), [(0, f'pod:{pod}', 1)], 'holders')
    daemon.ok('gc', pod)
    daemon.ok('layer', 'remove', 'own')
    contains(daemon.refused('restore', '-', input=json.dumps(exported)), 'No layer "own"')


def owner(path):
    status = os.stat(path)
    return status.st_uid, status.st_gid


@case('ids: the layer\'s own mappings, or the root\'s on a layer that has none')
def maps(daemon):
    image(daemon)
    mapping = {side: [{'containerID': 0, 'hostID': 4711, 'size': 1000}] for side in ('uidMappings', 'gidMappings')}
    pod = daemon.create(spec({'a': {'layer': 'top', **mapping}, 'b': {'layer': 'top', 'overlay': 'tmpfs', **mapping},
        'c': {'layer': 'top-base', **mapping}, 'd': {'layer': 'top-base'}}))
    equal([owner(f'{daemon.rootfs(pod, name)}/etc/hostname') for name in 'abcd'], [(4711, 4711)] * 3 + [(0, 0)], 'files')
    equal([owner(daemon.rootfs(pod, name)) for name in 'abcd'], [(4711, 4711)] * 3 + [(0, 0)], 'the root directory')
    equal(daemon.state(pod), 'ready', 'state')
    daemon.ok('gc', pod)
    create(daemon, 'own', 'top', '--read-write', '--uid-map', '0-4711-1000', '--gid-map', '0-4711-1000')
    for more in ({}, mapping):
        pod = daemon.create(on('own', **more))
        equal([owner(f'{daemon.rootfs(pod)}/{name}') for name in ('etc/hostname', '.')], [(4711, 4711)] * 2, f'{more}')
        daemon.ok('gc', pod)
    other = {side: [{'containerID': 0, 'hostID': 4712, 'size': 1000}] for side in ('uidMappings', 'gidMappings')}
    contains(refused(daemon, on('own', **other)), 'mappings of its own')


@case('users: their own layers, nosuid and nodev; a stranger\'s layer is not there', alone=True)
def users():
    with Situation() as s:
        of_users(s.daemon)


def of_users(daemon):
    as_alice = {'user': ALICE, 'over_bus': True}
    daemon.ok('layer', 'create', '--id', 'hers', **as_alice)
    shutil.copytree(specs.rootfs(), directory_of(daemon, 'hers'), symlinks=True, dirs_exist_ok=True)
    daemon.ok('layer', 'create', '--id', 'her-own', '--parent', 'hers', '--read-write', **as_alice)
    pod = daemon.create(spec({'a': {'layer': 'hers'}, 'b': {'layer': 'her-own'}}), **as_alice)
    for name in 'ab':
        equal({'nosuid', 'nodev'} <= root_options(daemon, pod, name), True, 'options')
    equal(holders(daemon, 'hers'), [(ALICE, f'pod:{pod}', 1)], 'holders')

    def work():
        write(f'{daemon.rootfs(pod, "b")}/mine', 'm')
    host.as_user(ALICE, work)
    equal(owner(f'{directory_of(daemon, "her-own")}/mine'), (ALICE, ALICE), 'whose it is')
    contains(refused(daemon, on('hers'), user=BOB, over_bus=True), 'No layer "hers"')
    contains(daemon.refused('layer', 'remove', 'hers', user=ALICE, over_bus=True), 'stand on')
    daemon.create(on('hers'), '--id', UUID % 2)  # root sees all
    daemon.ok('gc', UUID % 2)
    daemon.ok('gc', pod, **as_alice)
    equal((holders(daemon, 'hers'), holders(daemon, 'her-own')), ([], []), 'holders')
    daemon.ok('layer', 'create', '--id', 'of-root')
    contains(refused(daemon, on('of-root'), **as_alice), 'No layer "of-root"')
    foreign = {side: [{'containerID': 0, 'hostID': BOB, 'size': 1}] for side in ('uidMappings', 'gidMappings')}
    own = {side: [{'containerID': 0, 'hostID': ALICE, 'size': 1}] for side in ('uidMappings', 'gidMappings')}
    contains(refused(daemon, on('hers', **foreign), **as_alice), 'neither the caller')
    pod = daemon.create(on('hers', **own), **as_alice)
    equal(owner(f'{daemon.rootfs(pod)}/etc/hostname'), (ALICE, ALICE), 'files on the disk are nobody\'s on the host')
    daemon.ok('gc', pod, **as_alice)


if __name__ == '__main__':
    backing.prepare()
    bus = Bus()
    tap.run(Stage)
