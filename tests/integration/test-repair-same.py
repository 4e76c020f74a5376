#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Repair: what comes back is what was there, with all that kept it from its source and that from the container."""

import json
import os
import subprocess

from frame import host, specs, tap
from frame.daemon import Daemon
from frame.tap import case, contains, equal


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
    # what is bound later is what it says
    daemon.ok('bind', pod, a, '/srv', '--container', 'main')
    umount(daemon.rootfs(pod, 'main'), '/srv')
    equal(outcomes(repair(daemon, pod)), {'/srv': 'repaired'}, 'a bind that was made later')
    equal(os.path.samefile(f"{daemon.rootfs(pod, 'main')}/srv/file", f'{a}/file'), True, 'it is its source')
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


if __name__ == '__main__':
    host.prepare()
    tap.run(Daemon)
