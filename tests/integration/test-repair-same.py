#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Repair: what comes back is what was there, with all that kept it from its source and that from the container."""

import json
import os
import signal
import subprocess

from frame import host, specs, tap
from frame.bus import Bus
from frame.daemon import Daemon, Stage
from frame.host import ALICE
from frame.situation import WithPolkit
from frame.tap import case, contains, equal, eventually


def own(root, mounts=(), **more):
    return {'podmount': 1, 'mandatoryMounts': False,
            'containers': [{'name': 'main', 'root': root, 'mounts': list(mounts), **more}]}


def umount(root, *targets):
    subprocess.run(['umount', *[root + target for target in targets]], check=True)


def repair(daemon, pod, *words, status=0):
    """{target: row} of a repair that exits so."""
    daemon.ok('rescan')
    done = daemon.ctl('--json=short', 'repair', pod, *words)
    equal(done.status, status, f'exit status of repair ({done})')
    return {row['Target']: row for row in json.loads(done.out)}


def outcomes(rows):
    return {target: row['Outcome'] for target, row in rows.items()}


def contents(*paths):
    """Every file below the paths, with what it holds."""
    found = {}
    for path in paths:
        for base, directories, files in os.walk(path):
            found.update({os.path.join(base, name): '' for name in directories})
            found.update({os.path.join(base, name): open(os.path.join(base, name)).read() for name in files})
    return found


def write(root):
    for path in ('/data/new', '/data/file', '/etc/hostname'):
        with open(root + path, 'a') as file:
            file.write('written')


def same_again(daemon, pod, container, sources, before):
    """Takes the overlays away, repairs and writes into what is there then."""
    root = daemon.rootfs(pod, container)
    write(root)
    umount(root, '/data', '/etc/hostname')
    equal(outcomes(repair(daemon, pod, '--dry-run')), {'/data': 'would-repair', '/etc/hostname': 'would-repair'}, 'dry run')
    rows = repair(daemon, pod)
    equal(outcomes(rows), {'/data': 'repaired', '/etc/hostname': 'repaired'}, f'repair of {container}')
    contains(rows['/data']['Message'], 'what had been written is gone', 'message')
    equal(daemon.state(pod), 'ready', 'state')
    equal(os.path.exists(f'{root}/data/new'), False, 'a new upper layer')
    equal((open(f'{root}/data/file').read(), open(f'{root}/etc/hostname').read()), ('a', 'b'), 'as the sources have it')
    write(root)
    equal((open(f'{root}/data/file').read(), open(f'{root}/etc/hostname').read()), ('awritten', 'bwritten'), 'it takes writes')
    equal(contents(*sources), before, f'the sources of {container}')
    try:
        with open(f'{root}/data/big', 'wb') as file:
            file.write(b'x' * (2 << 20))
        raise AssertionError('2 MiB fit in an overlay of one')
    except OSError:
        pass


@case('overlay "all": binds come back as overlays, and files as copies, also of containers that were added, after restarts, restored')
def overlays(daemon):
    a, b = specs.tree('same-a', {'file': 'a'}), specs.tree('same-b', {'h': 'b'})
    sources, before = (a, b), contents(a, b)
    spec = own({'path': specs.rootfs(), 'overlay': 'all', 'overlaySize': 1 << 20}, [specs.bind(a, '/data'), specs.bind(f'{b}/h', '/etc/hostname')])
    pod = daemon.create(spec)
    spec['containers'][0]['name'] = 'late'
    daemon.ok('add-container', pod, 'late', '-', input=json.dumps(spec))
    same_again(daemon, pod, 'main', sources, before)
    same_again(daemon, pod, 'late', sources, before)
    daemon.restart()
    same_again(daemon, pod, 'main', sources, before)
    same_again(daemon, pod, 'late', sources, before)
    # a mount point is made on one of them, as after the creation
    daemon.ok('mount', pod, json.dumps(specs.mount('/data/made')), '--container', 'main')
    daemon.ok('unmount', pod, '/data/made', '--container', 'main')
    document = daemon.ok('export', pod)
    equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'collection')
    pod = daemon.ok('restore', '-', input=document).strip()
    same_again(daemon, pod, 'main', sources, before)
    same_again(daemon, pod, 'late', sources, before)
    # what is bound later is an overlay, too, before it is repaired and after
    daemon.ok('bind', pod, a, '/srv', '--container', 'main')
    umount(daemon.rootfs(pod, 'main'), '/srv')
    equal(outcomes(repair(daemon, pod)), {'/srv': 'repaired'}, 'a bind that was made later')
    late = f"{daemon.rootfs(pod, 'main')}/srv/late"
    with open(late, 'w') as file:
        file.write('late')
    equal(contents(*sources), before, 'the sources')
    equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'collection')


@case('overlay "all": one that was remounted read-only is left, and comes back writable as an overlay')
def remounted(daemon):
    a = specs.tree('remounted-a', {'file': 'a'})
    pod = daemon.create(own({'path': specs.rootfs(), 'overlay': 'all'}, [specs.bind(a, '/data')]))
    root = daemon.rootfs(pod)
    daemon.ok('mount', pod, '/data', '-o', 'remount,ro')
    umount(root, '/data')
    daemon.restart()
    rows = repair(daemon, pod, status=1)
    equal(outcomes(rows), {'/data': 'left'}, 'repair')
    contains(rows['/data']['Message'], 'a tmpfs had what was written to it', 'message')
    equal(os.listdir(f'{root}/data'), [], 'nothing is there')
    daemon.ok('gc', pod)
    pod = daemon.create(own({'path': specs.rootfs(), 'overlay': 'all'}, [specs.bind(a, '/data')]))
    root = daemon.rootfs(pod)
    daemon.ok('mount', pod, '/data', '-o', 'remount,ro')
    daemon.ok('mount', pod, '/data', '-o', 'remount,rw')
    umount(root, '/data')
    equal(outcomes(repair(daemon, pod)), {'/data': 'repaired'}, 'repair')
    with open(f'{root}/data/file', 'a') as file:
        file.write('written')
    equal(contents(a), {f'{a}/file': 'a'}, 'the source')
    daemon.ok('gc', pod)



def mounted(root):
    """What is mounted where below a root: type and options, a line each."""
    return sorted(f"{point.removeprefix(root)} {fields[5]} {' '.join(fields[fields.index('-') + 1:][:1])}"
            for point, fields in host.mounts_below(root).items())


@case('mount points that only stubs are come back as such, of directories and files, below binds and overlays')
def stubs(daemon):
    a, b = specs.tree('stubs-a', {'file': 'a', 'there/': ''}), specs.tree('stubs-b', {'file': 'b'})
    low, c = specs.tree('stubs-low', {'low': ''}), specs.tree('stubs-c', {'file': 'b'})
    sources, before = (a, b, low, c), contents(a, b, low, c)
    pod = daemon.create(own({'path': specs.rootfs()}, [
        specs.bind(a, '/mnt', 'bind', 'ro'), specs.bind(b, '/mnt/nn/x'), specs.bind(f'{b}/file', '/mnt/nn/word'), specs.bind(b, '/mnt/there'),
        specs.bind(a, '/mnt/ro', 'bind', 'ro'), specs.mount('/mnt/ro/deep'),
        specs.mount('/data', 'overlay', 'overlay', [f'lowerdir={a}:{low}']), specs.bind(f'{c}/file', '/data/of/b')]))
    root = daemon.rootfs(pod)
    there = mounted(root)

    def same(what):
        equal(daemon.state(pod), 'ready', f'state, {what}')
        equal(mounted(root), there, f'mounts, {what}')
        equal([open(f'{root}/{path}').read() for path in ('mnt/file', 'mnt/nn/x/file', 'mnt/nn/word', 'mnt/there/file', 'mnt/ro/file', 'data/of/b')],
                ['a', 'b', 'b', 'b', 'a', 'b'], f'files, {what}')

    same('at first')
    for turn in range(2):
        subprocess.run(['umount', '-R', f'{root}/mnt', f'{root}/data'], check=True)
        rows = repair(daemon, pod)
        equal(outcomes(rows), dict.fromkeys(['/mnt', '/mnt/nn/x', '/mnt/nn/word', '/mnt/there', '/mnt/ro', '/mnt/ro/deep', '/data', '/data/of/b'],
                'repaired'), 'repair')
        for target, row in rows.items():
            equal(daemon.mounts(pod)[f'main:{target}']['ID'], row['ID'], f'the id of {target}')
        same(f'turn {turn}')
        daemon.restart()
        same(f'restarted, turn {turn}')
    # one that cannot come does not keep the others away
    subprocess.run(['umount', '-R', f'{root}/mnt'], check=True)
    os.rename(f'{b}/file', f'{b}/away')
    rows = repair(daemon, pod, status=1)
    equal(outcomes(rows), {'/mnt': 'repaired', '/mnt/nn/x': 'repaired', '/mnt/nn/word': 'failed', '/mnt/there': 'repaired', '/mnt/ro': 'repaired',
            '/mnt/ro/deep': 'repaired'}, 'without a source')
    os.rename(f'{b}/away', f'{b}/file')
    subprocess.run(['umount', '-R', f'{root}/mnt'], check=True)
    os.rename(b, f'{b}-away')
    rows = repair(daemon, pod, status=1)
    equal((rows['/mnt']['Outcome'], rows['/mnt/nn/x']['Outcome'], rows['/mnt/nn/word']['Outcome']), ('repaired', 'failed', 'failed'), 'without any')
    os.rename(f'{b}-away', b)
    equal(outcomes(repair(daemon, pod, status=1))['/mnt/nn/x'], 'repaired', 'its stub is there')
    equal(contents(*sources), before, 'the sources')
    equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'collection')


@case('what is stacked on a read-only bind, of a file too, comes back on it')
def stacked(daemon):
    a, b = specs.tree('stacked-a', {'file': 'a'}), specs.tree('stacked-b', {'file': 'b'})
    pod = daemon.create(own({'path': specs.rootfs()}, [specs.bind(a, '/mnt', 'bind', 'ro'), specs.bind(f'{a}/file', '/etc/hostname', 'bind', 'ro')]))
    root = daemon.rootfs(pod)
    daemon.ok('bind', pod, b, '/mnt', '--stack')
    daemon.ok('bind', pod, f'{b}/file', '/etc/hostname', '--stack')
    umount(root, '/mnt', '/mnt', '/etc/hostname', '/etc/hostname')
    daemon.ok('rescan')
    equal([row['Outcome'] for row in daemon.json('repair', pod)], ['repaired'] * 4, 'repair')
    equal((open(f'{root}/mnt/file').read(), open(f'{root}/etc/hostname').read()), ('b', 'b'), 'the upper ones')
    equal(daemon.state(pod), 'ready', 'state')
    umount(root, '/mnt', '/etc/hostname')
    equal((open(f'{root}/mnt/file').read(), open(f'{root}/etc/hostname').read()), ('a', 'a'), 'the lower ones')
    daemon.ok('gc', pod)
    # below a read-only path, in one job with it
    pod = daemon.create(own({'path': specs.rootfs()}, [specs.mount('/srv'), specs.bind(b, '/srv/d')], readonlyPaths=['/srv']))
    root = daemon.rootfs(pod)
    there = mounted(root)
    subprocess.run(['umount', '-R', f'{root}/srv'], check=True)
    subprocess.run(['umount', '-R', f'{root}/srv'], check=True)
    daemon.ok('rescan')
    equal({row['Outcome'] for row in daemon.json('repair', pod)}, {'repaired'}, 'repair')
    equal(mounted(root), there, 'mounts')
    equal((open(f'{root}/srv/d/file').read(), daemon.state(pod)), ('b', 'ready'), 'what the path shows')
    daemon.ok('gc', pod)


@case('a mount that waits for its namespace has its stub again, too', alone=True)
def waiting():
    with Bus() as bus, WithPolkit(bus, 'yes') as situation:
        daemon = situation.daemon
        a = specs.tree('waiting-a', {'file': 'a'}, owner=ALICE)
        spec = json.dumps(specs.oci(root=situation.root, mounts=[specs.bind(a, '/mnt', 'bind', 'ro'), specs.mount('/mnt/proc', 'proc', 'proc')]))
        pod = daemon.ok('create', '-', input=spec, user=ALICE, over_bus=True).strip()
        root = daemon.rootfs(pod)
        equal(sorted(os.listdir(f'{root}/mnt')), ['file', 'proc'], 'at first')
        umount(root, '/mnt')
        equal(outcomes(repair(daemon, pod))['/mnt'], 'repaired', 'repair')
        equal(sorted(os.listdir(f'{root}/mnt')), ['file', 'proc'], 'again')
        daemon.ok('gc', pod)


@case('a mount does not come back without the hidden and read-only paths on it, which come back themselves')
def paths(daemon):
    low, up = specs.tree('paths-low', {'h': 'secret', 'd/f': 'secret', 'r/f': 'x', 'n': 'x', 'deep/': ''}), specs.tree('paths-up', {})
    work, b = specs.tree('paths-work', {}), specs.tree('paths-b', {'file': 'b', 's': 'secret'})
    pod = daemon.create(own({'path': specs.rootfs()}, [
        specs.mount('/srv', 'overlay', 'overlay', [f'lowerdir={low}', f'upperdir={up}', f'workdir={work}']), specs.mount('/sys', 'sysfs', 'sysfs'),
        specs.bind(b, '/srv/deep')],
        maskedPaths=['/srv/h', '/srv/d', '/srv/deep/s', '/sys/kernel', '/srv/none'], readonlyPaths=['/sys', '/srv/r', '/srv/deep']))
    root = daemon.rootfs(pod)
    there, recorded = mounted(root), sorted(daemon.mounts(pod))

    def same(what):
        equal(daemon.state(pod), 'ready', f'state, {what}')
        equal(mounted(root), there, f'mounts, {what}')
        equal(sorted(daemon.mounts(pod)), recorded, f'records, {what}')
        equal((open(f'{root}/srv/h').read(), os.listdir(f'{root}/srv/d'), open(f'{root}/srv/deep/s').read(), os.listdir(f'{root}/sys/kernel')),
                ('', [], '', []), f'hidden, {what}')
        for path in ('sys', 'srv/r', 'srv/deep'):
            equal(os.statvfs(f'{root}/{path}').f_flag & os.ST_RDONLY, os.ST_RDONLY, f'{path}, {what}')
        equal(open(f'{root}/srv/deep/file').read(), 'b', what)

    same('at first')
    umount(root, '/srv/h')
    equal(outcomes(repair(daemon, pod, '--dry-run')), {'/srv/h': 'would-repair'}, 'dry run')
    equal(outcomes(repair(daemon, pod)), {'/srv/h': 'repaired'}, 'one alone')
    same('one alone')
    for turn in range(2):
        subprocess.run(['umount', '-R', f'{root}/srv'], check=True)
        subprocess.run(['umount', '-R', f'{root}/sys'], check=True)
        subprocess.run(['umount', '-R', f'{root}/sys'], check=True)
        equal(set(outcomes(repair(daemon, pod)).values()), {'repaired'}, 'repair')
        same(f'turn {turn}')
        daemon.restart()
        same(f'restarted, turn {turn}')
    # what is not there any more needs no hiding, and is told until it is
    subprocess.run(['umount', '-R', f'{root}/srv'], check=True)
    os.rename(f'{low}/h', f'{low}/away')
    rows = repair(daemon, pod, status=1)
    equal({target for target, row in rows.items() if row['Outcome'] != 'repaired'}, {'/srv/h'}, 'one that is not there')
    contains(rows['/srv/h']['Message'], 'Nothing is there now', 'message')
    equal(daemon.state(pod), 'degraded', 'state')
    subprocess.run(['umount', '-R', f'{root}/srv'], check=True)
    os.rename(f'{low}/away', f'{low}/h')
    equal(set(outcomes(repair(daemon, pod)).values()), {'repaired'}, 'there again')
    same('there again')
    equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'collection')


@case('a hidden path on a mount that came along with a recursive bind comes back alone')
def along(daemon):
    a = specs.tree('along', {'sub/': ''})
    subprocess.run(['mount', '-t', 'tmpfs', 'along', f'{a}/sub'], check=True)
    with open(f'{a}/sub/h', 'w') as file:
        file.write('secret')
    pod = daemon.create(own({'path': specs.rootfs()}, [specs.bind(a, '/srv', 'rbind')], maskedPaths=['/srv/sub/h']))
    root = daemon.rootfs(pod)
    equal(open(f'{root}/srv/sub/h').read(), '', 'hidden')
    umount(root, '/srv/sub/h')
    equal(open(f'{root}/srv/sub/h').read(), 'secret', 'seen')
    equal(outcomes(repair(daemon, pod)), {'/srv/sub/h': 'repaired'}, 'repair')
    equal((open(f'{root}/srv/sub/h').read(), daemon.state(pod)), ('', 'ready'), 'hidden again')
    daemon.ok('gc', pod)
    subprocess.run(['umount', f'{a}/sub'], check=True)


@case('a mount with which too much cannot come is not tried again and again')
def many_fail(daemon):
    a, n = specs.tree('many-fail', {}), 60
    sources = [specs.tree(f'many-fail-{i}', {}) for i in range(n)]
    pod = daemon.create(own({'path': specs.rootfs()}, [specs.bind(a, '/srv', 'bind', 'ro')] +
            [specs.bind(source, f'/srv/{i}') for i, source in enumerate(sources)]))
    root = daemon.rootfs(pod)
    subprocess.run(['umount', '-R', f'{root}/srv'], check=True)
    for source in sources:
        os.rename(source, f'{source}-away')
    rows = repair(daemon, pod, status=1)
    equal(rows['/srv']['Outcome'], 'failed', 'what they lie on')
    contains(rows['/srv']['Message'], '16 of the mounts that come with it could not be made', 'message')
    found = [rows[f'/srv/{i}']['Outcome'] for i in range(n)]
    equal((found.count('failed'), found.count('left')), (16, n - 16), 'the others')
    for source in sources:
        os.rename(f'{source}-away', source)
    equal(set(outcomes(repair(daemon, pod)).values()), {'repaired'}, 'repair')
    equal(daemon.state(pod), 'ready', 'state')
    daemon.ok('gc', pod)


@case('a mount whose path cannot be hidden is not there, and the failure names the path')
def unhidden(daemon):
    a = specs.tree('unhidden', {'h': 'secret', 'file': 'x'})
    pod = daemon.create(own({'path': specs.rootfs()}, [specs.bind(a, '/srv'), specs.mount('/tmp')], maskedPaths=['/srv/h']))
    root = daemon.rootfs(pod)
    subprocess.run(['umount', '-R', f'{root}/srv', f'{root}/tmp'], check=True)
    os.rename(f'{a}/h', f'{a}/away')
    os.symlink('h', f'{a}/h')
    rows = repair(daemon, pod, status=1)
    equal(outcomes(rows), {'/srv': 'failed', '/srv/h': 'left', '/tmp': 'repaired'}, 'repair')
    contains(rows['/srv']['Message'], 'without its masked path /srv/h', 'message')
    equal(os.listdir(f'{root}/srv'), [], 'nothing is there')
    os.rename(f'{a}/away', f'{a}/h')
    equal(outcomes(repair(daemon, pod)), {'/srv': 'repaired', '/srv/h': 'repaired'}, 'repair')
    equal(open(f'{root}/srv/h').read(), '', 'hidden')
    equal(daemon.state(pod), 'ready', 'state')
    daemon.ok('gc', pod)


@case('kill -9 in the middle of a repair leaves no mount without what hides a path of it', alone=True)
def kills():
    with Stage() as daemon:
        a, count = specs.tree('kills-a', {'h': 'secret'}), 40
        pod = daemon.create(own({'path': specs.rootfs()}, [specs.mount('/srv')] + [specs.bind(a, f'/srv/{n}') for n in range(count)],
                maskedPaths=[f'/srv/{n}/h' for n in range(count)]))
        root = daemon.rootfs(pod)

        def naked():
            there = host.mounts_below(root)
            return [n for n in range(count) if f'{root}/srv/{n}' in there and f'{root}/srv/{n}/h' not in there]
        for victim in ['executors', 'front', 'keeper'] * 3:
            subprocess.run(['umount', '-R', *[f'{root}/srv/{n}' for n in range(count)]], check=True)
            daemon.ok('rescan')
            client = subprocess.Popen([f'{host.DIRECTORY}/bin/podmountctl', '--socket', daemon.socket, 'repair', pod],
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            eventually(lambda: len(host.mounts_below(f'{root}/srv')) > 5, 'some are there again', interval=0.0005)
            for pid in {'executors': daemon.executors, 'front': lambda: [daemon.front()], 'keeper': lambda: [daemon.keeper()]}[victim]():
                os.kill(pid, signal.SIGKILL)
            client.wait()
            if victim != 'executors':
                daemon.wait()
                daemon.start()
            equal(naked(), [], f'{victim}: mounts without their masks')
            daemon.json('repair', pod)
            equal(daemon.state(pod), 'ready', 'state')
            equal(len(host.mounts_below(f'{root}/srv')), 2 * count + 1, f'mounts: {sorted(host.mounts_below(root))}')
        equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'collection')


if __name__ == '__main__':
    host.prepare()
    tap.run(Daemon)
