#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Volumes: mounted once in a pod, where no container sees them, and bound into each that wants one."""

import json
import os
import random
import subprocess

from frame import host, specs, tap
from frame.bus import Bus
from frame.daemon import Daemon, ERROR, Stage
from frame.host import ALICE, BOB
from frame.kills import EXECUTOR, kill_during
from frame.situation import WithPolkit
from frame.tap import case, contains, equal, eventually

bus = None
volume, shared = specs.volume, specs.shared


class Situation(WithPolkit):
    def __init__(self):
        super().__init__(bus, 'yes')


CACHE = specs.bind('volume:cache', '/cache')


def pair(daemon, *options, **more):
    """Two containers that share a tmpfs at /mnt, the second with these options."""
    return daemon.create(shared([volume('cache', options=['size=1m', 'mode=1777'])], {
        'one': [specs.bind('volume:cache', '/mnt')],
        'two': [specs.bind('volume:cache', '/mnt', 'bind', *options)]}, **more))


def put(path, text='x'):
    with open(path, 'w') as file:
        file.write(text)


def read(path):
    with open(path) as file:
        return file.read()


def place(daemon, pod, name):
    return f'{daemon.runtime}/pods/{pod}/.volumes/rootfs/{name}'


def below(daemon, pod):
    return sorted(point.split(f'/{pod}', 1)[1] for point in host.mounts_below(f'{daemon.runtime}/pods/{pod}'))


def umount(*words):
    subprocess.run(['umount', *words], check=True)


def repair(daemon, pod, *words, status=0):
    done = daemon.ctl('--json=short', 'repair', pod, *words)
    equal(done.status, status, f'exit status of repair ({done})')
    return {f"{row['Container']}:{row['Target']}": row for row in json.loads(done.out)}


def missing(daemon, pod, *places):
    def seen():
        return sorted(key for key, row in daemon.mounts(pod).items() if row['State'] == 'missing') == sorted(places)
    eventually(seen, f'missing: {places}')


@case('two containers see one another\'s writes, one of them read-only, and the volume is mounted once')
def both_see(s):
    daemon, before = s.daemon, host.mount_table()
    pod = pair(daemon, 'ro', 'noexec')
    one, two = daemon.rootfs(pod, 'one'), daemon.rootfs(pod, 'two')
    put(f'{one}/mnt/file', 'of one')
    equal(read(f'{two}/mnt/file'), 'of one', 'what the other sees')
    try:
        put(f'{two}/mnt/other')
        assert False, 'written to a read-only bind'
    except OSError as error:
        equal(error.errno, 30, 'errno')
    flags = os.statvfs(f'{two}/mnt').f_flag
    assert flags & os.ST_RDONLY and flags & os.ST_NOEXEC, flags
    assert not os.statvfs(f'{one}/mnt').f_flag & os.ST_RDONLY
    mounts = daemon.mounts(pod)
    equal(sorted(mounts), ['.volumes:/cache', 'one:/', 'one:/mnt', 'two:/', 'two:/mnt'], 'mounts')
    equal({mounts[key]['Source'] for key in ('one:/mnt', 'two:/mnt')}, {'volume:cache'}, 'sources')
    equal(mounts['.volumes:/cache']['Path'], place(daemon, pod, 'cache'), 'path')
    equal(len({mounts[key]['Device'] for key in ('.volumes:/cache', 'one:/mnt', 'two:/mnt')}), 1, 'devices')
    equal(os.statvfs(place(daemon, pod, 'cache')).f_blocks * 4096, 1 << 20, 'size')
    equal(list(daemon.json('show', pod)['Containers']), ['one', 'two'], 'containers')
    assert not os.path.exists(f'{one}/.volumes')
    contains(daemon.ok('tree', pod), 'volume:cache', 'tree')
    equal(daemon.state(pod), 'ready', 'state')
    daemon.restart()
    equal(daemon.state(pod), 'ready', 'state after a restart')
    put(f'{one}/mnt/file', 'of later')
    equal(read(f'{two}/mnt/file'), 'of later', 'after a restart')
    equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'collection')
    equal(host.mount_table(), before, 'the mount table')
    assert not os.path.exists(f'{daemon.runtime}/pods/{pod}')


@case('volumes are directories, single files, overlays and unused ones; mount points are made, in read-only roots, too')
def kinds(s):
    daemon = s.daemon
    data = specs.tree('volume-data', {'file': 'data', 'sub/file': 'y'})
    lower = [specs.tree(f'volume-lower-{n}', {f'file-{n}': str(n)}) for n in (1, 2)]
    pod = daemon.create(shared([
        volume('data', 'bind', source=data, options=['ro']), volume('file', 'bind', source=f'{data}/file'),
        volume('layers', 'overlay', options=['lowerdir=' + ':'.join(lower)]), volume('unused'), volume('proc')],
        {'one': [specs.bind('volume:data', '/new/place'), specs.bind('volume:file', '/etc/hostname'),
                 specs.bind('volume:layers', '/mnt'), specs.bind('volume:proc', '/tmp')],
         'two': [specs.bind('volume:file', '/new-file'), specs.bind('volume:data', '/data')]}))
    one, two = daemon.rootfs(pod, 'one'), daemon.rootfs(pod, 'two')
    equal(sorted(os.listdir(f'{one}/new/place')), ['file', 'sub'], 'a directory')
    assert os.statvfs(f'{one}/new/place').f_flag & os.ST_RDONLY
    equal(sorted(os.listdir(f'{one}/mnt')), ['file-1', 'file-2'], 'an overlay')
    put(f'{one}/etc/hostname', 'written')
    equal(read(f'{two}/new-file'), 'written', 'a file in the other container')
    equal(read(f'{data}/file'), 'written', 'a file on the host')
    assert '.volumes:/unused' in daemon.mounts(pod)
    equal(daemon.state(pod), 'ready', 'state')
    contains(daemon.refused('unmount', pod, '/file', '--container', '.volumes'), 'bound at /etc/hostname of container one')
    contains(daemon.refused('unmount', pod, '/file', '--container', '.volumes', '--lazy'), 'bound at')
    daemon.ok('unmount', pod, '/unused', '--container', '.volumes')
    assert not os.path.exists(place(daemon, pod, 'unused'))
    contains(daemon.refused('bind', pod, 'volume:unused', '/srv', '--container', 'one'), 'no volume "unused"')
    daemon.ok('gc', pod)


@case('a mount point on a shared tmpfs is made there, and is not asked of a read-only bind')
def nested(s):
    daemon = s.daemon
    pod = daemon.create(shared([volume('cache'), volume('inner')], {
        'one': [specs.bind('volume:cache', '/mnt'), specs.bind('volume:inner', '/mnt/a/b')], 'two': [
            specs.bind('volume:cache', '/mnt')]}))
    equal(os.listdir(daemon.rootfs(pod, 'two') + '/mnt/a'), ['b'], 'the mount point, in the other container')
    put(daemon.rootfs(pod, 'one') + '/mnt/a/b/file')
    equal(os.listdir(daemon.rootfs(pod, 'two') + '/mnt/a/b'), [], 'mounts are not shared')
    daemon.ok('add-container', pod, 'late', '-', input=json.dumps(specs.oci(readonly=True, mounts=[
        specs.bind('volume:cache', '/mnt'), specs.bind('volume:inner', '/mnt/late')])))
    equal(sorted(os.listdir(daemon.rootfs(pod, 'two') + '/mnt')), ['a', 'late'], 'the mount point of the new one')
    daemon.ok('remove-container', pod, 'late')
    equal(os.listdir(daemon.rootfs(pod, 'two') + '/mnt'), ['a'], 'what a container leaves')
    daemon.ok('bind', pod, 'volume:inner', '/mnt/live', '--container', 'two')
    daemon.ok('unmount', pod, '/mnt/live', '--container', 'two')
    equal(os.listdir(daemon.rootfs(pod, 'one') + '/mnt'), ['a'], 'what an unmount leaves')
    daemon.ok('gc', pod)
    before = host.mount_table()
    contains(daemon.refused('create', '-', input=json.dumps(shared([volume('cache'), volume('inner')], {
        'one': [specs.bind('volume:cache', '/mnt', 'bind', 'ro'), specs.bind('volume:inner', '/mnt/a')]}))), 'does not exist')
    equal(host.mount_table(), before, 'the mount table')


@case('an overlay over all binds leaves volumes shared')
def overlay_all(s):
    daemon = s.daemon
    data = specs.tree('volume-kept', {'file': 'kept'})
    spec = shared([volume('data', 'bind', source=data)], {
        'one': [specs.bind('volume:data', '/mnt'), specs.bind(data, '/srv')], 'two': [specs.bind('volume:data', '/mnt')]})
    for container in spec['containers']:
        container['root'].update({'readonly': False, 'overlay': 'all'})
    pod = daemon.create(spec)
    put(daemon.rootfs(pod, 'one') + '/srv/file', 'mine alone')
    equal(read(f'{data}/file'), 'kept', 'the source behind an overlay')
    put(daemon.rootfs(pod, 'one') + '/mnt/file', 'shared')
    equal(read(daemon.rootfs(pod, 'two') + '/mnt/file'), 'shared', 'the volume')
    equal(read(f'{data}/file'), 'shared', 'the source of the volume')
    daemon.ok('gc', pod)


@case('a container that is added uses the pod\'s volumes, and leaves them when it goes')
def added(s):
    daemon = s.daemon
    pod = pair(daemon)
    put(daemon.rootfs(pod, 'one') + '/mnt/file', 'here')
    daemon.ok('add-container', pod, 'late', '-', input=json.dumps(specs.oci(mounts=[
        specs.bind('volume:cache', '/data', 'bind', 'ro')], readonly=True)))
    equal(read(daemon.rootfs(pod, 'late') + '/data/file'), 'here', 'what the new one sees')
    for name in ('one', 'late'):
        daemon.ok('remove-container', pod, name)
    equal(below(daemon, pod), ['', '/.volumes/rootfs/cache', '/two/rootfs', '/two/rootfs/mnt'], 'mounts')
    equal(read(daemon.rootfs(pod, 'two') + '/mnt/file'), 'here', 'what is left')
    found, text = daemon.error_of('AddContainer', 'sssa{sh}a{sv}', pod, 'x', json.dumps(specs.oci(mounts=[
        specs.bind('volume:other', '/data')])), {}, {})
    equal(found, ERROR + 'InvalidSpec', 'error')
    contains(text, '/mounts/0/source: the pod has no volume "other"; it has: cache')
    found, text = daemon.error_of('AddContainer', 'sssa{sh}a{sv}', pod, 'x', json.dumps(shared([volume('new')], {'x': []})),
            {}, {})
    equal(found, ERROR + 'InvalidSpec', 'error')
    contains(text, '/volumes')
    equal(daemon.state(pod), 'ready', 'state')
    daemon.ok('gc', pod)


@case('live: bind, mount, replace and remount take volumes, and unmounting a bind leaves them')
def live(s):
    daemon = s.daemon
    pod = pair(daemon)
    put(daemon.rootfs(pod, 'one') + '/mnt/file', 'here')
    daemon.ok('bind', pod, 'volume:cache', '/srv', '--container', 'one', '-o', 'ro')
    daemon.ok('mount', pod, json.dumps([specs.mount('/tmp'), specs.bind('volume:cache', '/tmp/deep')]), '--container', 'one')
    root = daemon.rootfs(pod, 'one')
    equal([read(f'{root}/{at}/file') for at in ('srv', 'tmp/deep')], ['here', 'here'], 'what is bound')
    ids = {key: row['ID'] for key, row in daemon.mounts(pod).items()}
    daemon.ok('bind', pod, 'volume:cache', '/srv', '--container', 'one', '-o', 'ro')
    equal({key: row['ID'] for key, row in daemon.mounts(pod).items()}, ids, 'a retry')
    daemon.ok('mount', pod, json.dumps(specs.mount('/srv', 'bind', options=['remount', 'rw'])), '--container', 'one')
    put(f'{root}/srv/file', 'later')
    equal(read(daemon.rootfs(pod, 'two') + '/mnt/file'), 'later', 'after the remount')
    for target in ('/srv', '/tmp/deep', '/mnt'):
        daemon.ok('unmount', pod, target, '--container', 'one')
    equal(read(place(daemon, pod, 'cache') + '/file'), 'later', 'the volume')
    if 'beneath' in daemon.json('status')['Features']:
        daemon.ok('replace', pod, '/tmp', json.dumps(specs.bind('volume:cache', '/tmp')), '--container', 'one')
        equal(read(f'{root}/tmp/file'), 'later', 'after the replacement')
    found, text = daemon.error_of('Bind', 'sssa{sh}a{sv}', pod, 'volume:none', '/srv', {}, {'container': 'one'})
    equal(found, ERROR + 'InvalidSpec', 'error')
    contains(text, 'no volume "none"; it has: cache')
    for method, words in [('Bind', ('sssa{sh}a{sv}', pod, '/etc', '/x', {}, {'container': '.volumes'})),
                          ('Mount', ('ssa{sh}a{sv}', pod, json.dumps(specs.mount('/x')), {}, {'container': '.volumes'})),
                          ('OpenTree', ('sssa{sv}', pod, '.volumes', '/cache', {})),
                          ('RemoveContainer', ('ssa{sv}', pod, '.volumes', {})),
                          ('ResolveExecutable', ('sssss', pod, '.volumes', 'sh', '', ''))]:
        equal(daemon.error_of(method, *words)[0], ERROR + 'NoSuchContainer', method)
    equal(daemon.state(pod), 'ready', 'state')
    daemon.ok('gc', pod)


@case('exported and restored, the volumes are there again: those that the pod had then')
def export(s):
    daemon = s.daemon
    data = specs.tree('volume-exported', {'file': 'data'})
    pod = daemon.create(shared([volume('cache', options=['size=1m']), volume('data', 'bind', source=data), volume('gone')], {
        'one': [specs.bind('volume:cache', '/mnt', 'bind', 'ro'), specs.bind('volume:data', '/srv')]}))
    daemon.ok('add-container', pod, 'late', '-', input=json.dumps(specs.oci(mounts=[specs.bind('volume:data', '/data')])))
    daemon.ok('unmount', pod, '/gone', '--container', '.volumes')
    daemon.ok('remove-container', pod, 'one')
    document = json.loads(daemon.ok('export', pod))
    equal([v['name'] for v in document['volumes']], ['cache', 'data'], 'volumes')
    assert all('destination' not in v for v in document['volumes'])
    equal([m['device'] for m in document['mounts']], ['.volumes:/cache', '.volumes:/data', 'late:/', 'late:/data'], 'devices')
    before = {key: (row['Source'], row['Type'], row['Options']) for key, row in daemon.mounts(pod).items()}
    daemon.ok('gc', pod)
    equal(daemon.ok('restore', '-', input=json.dumps(document)).strip(), pod, 'the UUID')
    equal({key: (row['Source'], row['Type'], row['Options']) for key, row in daemon.mounts(pod).items()}, before, 'mounts')
    equal(read(daemon.rootfs(pod, 'late') + '/data/file'), 'data', 'content')
    equal(json.loads(daemon.ok('export', pod)), document, 'the export of what was restored')
    equal(daemon.ok('restore', '-', input=json.dumps(document)).strip(), pod, 'a retry')
    daemon.ok('gc', pod)
    document['parts'][0]['spec']['volumes'] = [volume('x')]
    if 'podmount' in document['parts'][0]['spec']:
        contains(daemon.refused('restore', '-', input=json.dumps(document)), '/parts/0/spec/volumes')


@case('a plan shows volumes first, and changes nothing')
def plan(s):
    daemon, before = s.daemon, host.mount_table()
    spec = json.dumps(shared([volume('cache')], {'one': [specs.bind('volume:cache', '/mnt')]}))
    found = json.loads(daemon.ok('--json=short', 'plan', '-', input=spec))
    equal([(step['step'], step.get('container')) for step in found['steps']][:3],
            [('tree', None), ('filesystem', '.volumes'), ('root', 'one')], 'steps')
    equal(found['steps'][3]['source'], 'volume:cache', 'source')
    equal([(top['container'], top['target']) for top in found['tree']], [('.volumes', '/cache'), ('one', '/')], 'tree')
    contains(daemon.ok('plan', '--tree', '-', input=spec), 'volume:cache', 'the tree for people')
    equal(host.mount_table(), before, 'the mount table')


@case('a volume by fd, of a directory and of a detached mount; the fd has to come')
def fds(s):
    daemon = s.daemon
    data = specs.tree('volume-fd', {'file': 'by fd'})
    spec = json.dumps(shared([volume('data', 'bind', source='fd:data')], {
        name: [specs.bind('volume:data', '/mnt', 'rbind')] for name in ('one', 'two')}))
    contains(daemon.refused('create', '-', input=spec), 'fd:data')
    fd = os.open(data, os.O_PATH)
    pod = daemon.ok('create', '--fd', f'data={fd}', '-', input=spec, fds=[fd]).strip()
    os.close(fd)
    equal(read(daemon.rootfs(pod, 'two') + '/mnt/file'), 'by fd', 'content')
    daemon.ok('gc', pod)


@case('of a stranger: nosuid and nodev, no more than it could see, and nobody else\'s')
def stranger(s):
    daemon = s.daemon
    pod = daemon.create(shared([volume('cache', options=['size=1m', f'uid={ALICE}'])], {
        name: [specs.bind('volume:cache', '/mnt')] for name in ('one', 'two')}, root=s.root), user=ALICE, over_bus=True)
    flags = os.statvfs(daemon.rootfs(pod, 'two') + '/mnt').f_flag
    assert flags & os.ST_NOSUID and flags & os.ST_NODEV, flags
    put(daemon.rootfs(pod, 'one') + '/mnt/file')
    equal(os.listdir(daemon.rootfs(pod, 'two') + '/mnt'), ['file'], 'the other')
    contains(daemon.refused('bind', pod, 'volume:cache', '/srv', '--container', 'one', user=BOB, over_bus=True), 'No pod')
    daemon.ok('bind', pod, 'volume:cache', '/srv', '--container', 'one', user=ALICE, over_bus=True)
    # What lies below a volume that was bound with all its mounts is hidden from a plain bind of it.
    outer = specs.tree('volume-outer', {'sub/': '', 'file': 'x'}, owner=ALICE)
    subprocess.run(['mount', '-t', 'tmpfs', 'cover', f'{outer}/sub'], check=True)
    try:
        def of(option):
            return json.dumps(shared([volume('data', 'rbind', source=outer)], {
                'one': [specs.bind('volume:data', '/mnt', option)]}, root=s.root))
        before = host.mount_table()
        contains(daemon.refused('create', '-', input=of('bind'), user=ALICE, over_bus=True), 'use rbind')
        equal(host.mount_table(), before, 'the mount table')
        other = daemon.ok('create', '-', input=of('rbind'), user=ALICE, over_bus=True).strip()
        assert os.path.ismount(daemon.rootfs(other, 'one') + '/mnt/sub')
        contains(daemon.refused('bind', other, 'volume:data', '/srv', user=ALICE, over_bus=True), 'use rbind')
        equal(daemon.state(other), 'ready', 'state')
        daemon.ok('gc', other, user=ALICE, over_bus=True)
    finally:
        umount(f'{outer}/sub')
    daemon.ok('gc', pod, user=ALICE, over_bus=True)


@case('an owner who moves things about in the pod\'s directory gets no other mount for a volume')
def moved(s):
    daemon = s.daemon
    pod = daemon.create(shared([volume('cache', options=['size=1m'])], {
        'one': [specs.bind('volume:cache', '/mnt'), specs.mount('/tmp')]}, root=s.root), user=ALICE, over_bus=True)
    directory = f'{daemon.runtime}/pods/{pod}'

    def swap():
        os.rename(f'{directory}/.volumes', f'{directory}/away')
        os.mkdir(f'{directory}/.volumes')
        os.symlink('../one/rootfs', f'{directory}/.volumes/rootfs')
    host.as_user(ALICE, swap)
    for source in ('volume:cache',):
        contains(daemon.refused('bind', pod, source, '/srv', user=ALICE, over_bus=True), 'not where podmount put it')
    host.as_user(ALICE, lambda: (os.unlink(f'{directory}/.volumes/rootfs'), os.makedirs(f'{directory}/.volumes/rootfs/cache')))
    contains(daemon.refused('bind', pod, 'volume:cache', '/srv', user=ALICE, over_bus=True), 'not where podmount put it')
    daemon.ok('gc', pod, '--lazy', user=ALICE, over_bus=True)
    assert not os.path.exists(directory)


@case('drift of volumes is told; a lost one is made again only if that splits nothing')
def drift(s):
    daemon = s.daemon
    data = specs.tree('volume-lost', {'file': 'data'})
    pod = daemon.create(shared([volume('cache'), volume('data', 'bind', source=data)], {
        name: [specs.bind('volume:cache', '/mnt'), specs.bind('volume:data', '/srv')] for name in ('one', 'two')}))
    put(daemon.rootfs(pod, 'one') + '/mnt/file', 'kept')
    umount(place(daemon, pod, 'cache'))
    umount(place(daemon, pod, 'data'))
    missing(daemon, pod, '.volumes:/cache', '.volumes:/data')
    contains(daemon.refused('bind', pod, 'volume:cache', '/tmp', '--container', 'one'), 'not mounted any more')
    found = {key: row['Outcome'] for key, row in repair(daemon, pod, '--dry-run', status=1).items()}
    equal(found, {'.volumes:/cache': 'left', '.volumes:/data': 'would-repair'}, 'dry run')
    rows = repair(daemon, pod, status=1)
    equal({key: row['Outcome'] for key, row in rows.items()}, {'.volumes:/cache': 'left', '.volumes:/data': 'repaired'}, 'repair')
    contains(rows['.volumes:/cache']['Message'], 'lives on in /mnt of container one')
    equal(read(daemon.rootfs(pod, 'two') + '/mnt/file'), 'kept', 'what the containers have')
    daemon.ok('bind', pod, 'volume:data', '/tmp', '--container', 'one')
    for name in ('one', 'two'):
        umount(daemon.rootfs(pod, name) + '/mnt')
    missing(daemon, pod, '.volumes:/cache', 'one:/mnt', 'two:/mnt')
    equal({row['Outcome'] for row in repair(daemon, pod, '--dry-run').values()}, {'would-repair'}, 'dry run')
    equal({key: row['Outcome'] for key, row in repair(daemon, pod).items()},
            {'.volumes:/cache': 'repaired', 'one:/mnt': 'repaired', 'two:/mnt': 'repaired'}, 'repair of all')
    put(daemon.rootfs(pod, 'one') + '/mnt/new', 'shared')
    equal(read(daemon.rootfs(pod, 'two') + '/mnt/new'), 'shared', 'what was made again')
    equal(daemon.state(pod), 'ready', 'state')
    umount(daemon.rootfs(pod, 'two') + '/mnt')
    missing(daemon, pod, 'two:/mnt')
    equal({key: row['Outcome'] for key, row in repair(daemon, pod, '--container', 'two').items()}, {'two:/mnt': 'repaired'}, 'one')
    equal(read(daemon.rootfs(pod, 'two') + '/mnt/new'), 'shared', 'a bind made again')
    subprocess.run(['mount', '-t', 'tmpfs', 'foreign', place(daemon, pod, 'data')], check=True)
    eventually(lambda: '.volumes:/data' in {key for key, row in daemon.mounts(pod).items() if row['State'] == 'extra'} or
            daemon.state(pod) == 'degraded', 'an extra mount')
    umount(place(daemon, pod, 'data'))
    eventually(lambda: daemon.state(pod) == 'ready', 'no drift')
    equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'collection')


@case('an unmount reaches copies of the pod in other namespaces, a bind and the volume alike')
def copies(s):
    daemon = s.daemon
    pod = pair(daemon)
    with subprocess.Popen(['unshare', '-m', '--propagation', 'unchanged', 'sleep', '100']) as process:
        try:
            def inside(point):
                return any(line.split()[4] == point for line in open(f'/proc/{process.pid}/mountinfo'))
            bound, volume_at = daemon.rootfs(pod, 'one') + '/mnt', place(daemon, pod, 'cache')
            eventually(lambda: os.readlink(f'/proc/{process.pid}/ns/mnt') != os.readlink('/proc/self/ns/mnt'), 'a namespace')
            assert inside(bound) and inside(volume_at)
            daemon.ok('unmount', pod, '/mnt', '--container', 'one')
            assert not inside(bound) and inside(volume_at)
            daemon.ok('unmount', pod, '/mnt', '--container', 'two')
            daemon.ok('unmount', pod, '/cache', '--container', '.volumes')
            assert not inside(volume_at)
            daemon.ok('gc', pod)
        finally:
            process.kill()


@case('bad input is refused, with the place, and leaves nothing')
def hostile(s):
    daemon, before = s.daemon, host.mount_table()
    use = {'one': [specs.bind('volume:cache', '/mnt')]}

    def refused(volumes, words, containers=use, error='InvalidSpec'):
        spec = {**shared([], containers), 'volumes': volumes}
        found, text = daemon.error_of('CreatePod', 'sa{sh}a{sv}', json.dumps(spec), {}, {})
        assert found in (ERROR + error, 'org.freedesktop.DBus.Error.' + error), (volumes, found, text)
        contains(text, words)

    refused([], '/containers/0/mounts/0/source: the pod has no volume "cache", nor any other')
    refused([volume('a'), volume('b')], 'no volume "cache"; it has: a, b')
    for name in ('', '.', '..', '/', '../x', 'a/b', 'x' * 65, '\n', 'ä', '.volumes', 'a:b'):
        refused([volume(name)], '/volumes/0/name')
        refused([volume('cache')], '/containers/0/mounts/0/source', {'one': [specs.bind(f'volume:{name}', '/mnt')]})
    for wrong in (7, None, {}, []):
        refused([volume(wrong)], '/volumes/0/name')
        refused(wrong if wrong != [] else 'x', '/volumes')
    refused(['cache'], '/volumes/0')
    refused([{'type': 'tmpfs'}], '/volumes/0/name: it is missing')
    refused([{'name': 'cache'}], '/volumes/0/type')
    refused([volume('cache', destination='/x')], '/volumes/0/destination')
    refused([volume('cache'), volume('b'), volume('cache')], '/volumes/2/name: "cache" is the name of /volumes/0 already')
    refused([volume(f'v{n}') for n in range(257)], 'at most 256')
    refused([volume('cache', 'bind', source='volume:cache')], '/volumes/0/source')
    refused([volume('cache', 'bind', source='volume:b'), volume('b', 'bind', source='volume:cache')], '/volumes/0/source')
    refused([volume('cache', 'bind', source='relative')], '/volumes/0/source')
    refused([volume('cache', 'bind', source='/a/../b')], '/volumes/0/source')
    refused([volume('cache', 'bind')], '/volumes/0/source')
    refused([volume('cache', 'bind', source='fd:none')], 'fd:none', error='InvalidArgs')
    refused([volume('cache', 'bind', source='/no/such/thing')], '/no/such/thing', error='NoSuchSource')
    for type in ('proc', 'sysfs', 'none', 'devpts', 'devtmpfs', 'mqueue', 'cgroup', 'cgroup2', 'nfs'):
        refused([volume('cache', type)], '/volumes/0/type', error='NotSupported')
    refused([volume('cache', options=['size=nothing'])], '/volumes/0/options', error='InvalidOption')
    for option in ('unbindable', 'tmpcopyup', 'dest-nofollow', 'remount'):
        refused([volume('cache', options=[option])], '/volumes/0', error='InvalidOption')
    refused([volume('cache')], 'an absolute path', {'one': [specs.mount('/mnt', 'overlay', options=[
        'lowerdir=/etc', 'lowerdir+=volume:cache'])]}, error='InvalidOption')
    refused([volume('cache')], '/containers/0/mounts/0/source', {'one': [specs.mount('/mnt', 'squashfs', 'volume:cache')]})
    spec = shared([volume('cache')], {'one': []})
    spec['containers'][0]['root']['path'] = 'volume:cache'
    contains(daemon.error_of('CreatePod', 'sa{sh}a{sv}', json.dumps(spec), {}, {})[1], '/containers/0/root/path')
    spec = shared([volume('cache')], {'.volumes': []})
    contains(daemon.error_of('CreatePod', 'sa{sh}a{sv}', json.dumps(spec), {}, {})[1], '/containers/0/name')
    contains(daemon.error_of('CreatePod', 'sa{sh}a{sv}', json.dumps(specs.oci(mounts=[CACHE])), {}, {})[1], 'no volume "cache"')
    equal(host.mount_table(), before, 'the mount table')
    equal(os.listdir(f'{daemon.runtime}/pods'), [], 'directories')


@case('as many volumes as a pod may have, each bound twice')
def many(s):
    daemon, before = s.daemon, host.mount_table()
    names = [f'v{n}' for n in range(256)]
    pod = daemon.create(shared([volume(name, options=['size=64k']) for name in names], {
        container: [specs.mount('/mnt')] + [specs.bind(f'volume:{name}', f'/mnt/{name}') for name in names]
        for container in ('one', 'two')}))
    equal(len(daemon.mounts(pod)), 256 * 3 + 4, 'mounts')
    put(daemon.rootfs(pod, 'one') + '/mnt/v255/file', 'last')
    equal(read(daemon.rootfs(pod, 'two') + '/mnt/v255/file'), 'last', 'the last one')
    daemon.ok('gc', pod)
    equal(host.mount_table(), before, 'the mount table')


@case('killed at any instant of creation or collection, a pod with volumes is whole or not there', alone=True)
def kills():
    chance = random.Random(11)
    seen = {True: 0, False: 0}
    with Stage() as daemon:
        before = host.mount_table()
        spec = shared([volume(f'v{n}') for n in range(40)], {
            name: [specs.mount('/mnt')] + [specs.bind(f'volume:v{n}', f'/mnt/{n}') for n in range(40)] for name in ('one', 'two')})
        for turn in range(24):
            kill_during(daemon, chance, turn, 'create', '-', input=json.dumps(spec))
            eventually(lambda: all(pod['State'] == 'ready' for pod in daemon.pods()), 'all pods are ready')
            pods = [pod['UUID'] for pod in daemon.pods()]
            seen[bool(pods)] += 1
            for pod in pods:
                equal(len(below(daemon, pod)), 1 + 40 + 2 * 42, 'mounts of a whole pod')
                equal({row['State'] for row in daemon.mounts(pod).values()}, {'ok'}, 'states')
                put(daemon.rootfs(pod, 'one') + '/mnt/7/file', str(turn))
                equal(read(daemon.rootfs(pod, 'two') + '/mnt/7/file'), str(turn), 'shared')
                kill_during(daemon, chance, EXECUTOR, 'gc', pod, within=0.03)
                daemon.ctl('gc', pod)
            eventually(lambda: host.mount_table() == before, 'nothing is left')
            equal(os.listdir(f'{daemon.runtime}/pods'), [], 'directories')
        assert seen[True] and seen[False], seen


def on_record(daemon, pod):
    """Where the pod's mounts are by its record, but its own tmpfs."""
    return sorted('/' + key.replace(':', '/rootfs').rstrip('/') for key in daemon.mounts(pod))


@case('killed while volumes are bound and unmounted, the record and the kernel agree', alone=True)
def live_kills():
    chance = random.Random(5)
    with Stage() as daemon:
        pod = daemon.create(shared([volume(f'v{n}') for n in range(30)], {'one': [specs.mount('/mnt')]}))
        for turn in range(18):
            here = [m for m in daemon.mounts(pod) if m.startswith('one:/mnt/')]
            if here:
                words, text = ('unmount', pod, '/mnt', '--lazy'), None
            else:
                words = ('mount', pod, '-')
                text = json.dumps(([] if 'one:/mnt' in daemon.mounts(pod) else [specs.mount('/mnt')]) + [
                    specs.bind(f'volume:v{n}', f'/mnt/{n}') for n in range(30)])
            kill_during(daemon, chance, turn, *words, within=0.03, input=text)
            eventually(lambda: daemon.state(pod) == 'ready' and below(daemon, pod) == [''] + on_record(daemon, pod),
                    f'the record is what is there, {words[0]} in turn {turn}')
            bound = len([point for point in on_record(daemon, pod) if point.startswith('/one/rootfs/mnt/')])
            assert bound in (0, 30), bound
        daemon.ok('gc', pod)


if __name__ == '__main__':
    host.prepare()
    bus = Bus()
    tap.run(Situation)
