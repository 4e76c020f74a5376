#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Propagation: nothing done in a pod reaches the host; what is unmounted is gone from every namespace that copied it."""

import os
import subprocess

from frame import host, specs, tap
from frame.daemon import Daemon
from frame.tap import case, equal, eventually


def shared_tree(name):
    """A shared tree of the host with a mount below it, as /home or /run are."""
    path = specs.tree(name, {})
    subprocess.run(['mount', '-t', 'tmpfs', name, path], check=True)
    subprocess.run(['mount', '--make-shared', path], check=True)
    os.mkdir(f'{path}/below')
    subprocess.run(['mount', '-t', 'tmpfs', f'{name}-below', f'{path}/below'], check=True)
    with open(f'{path}/below/file', 'w') as file:
        file.write('of the host')
    return path


def drop(path):
    subprocess.run(['umount', '-R', path], check=True)


def sleeper(propagation):
    """A process in a mount namespace of its own, as systemd makes one for PrivateTmp."""
    process = subprocess.Popen(['unshare', '--mount', '--propagation', propagation, 'sleep', '600'])
    eventually(lambda: os.readlink(f'/proc/{process.pid}/ns/mnt') != os.readlink('/proc/self/ns/mnt'), 'the namespace')
    return process


def copies(process, path):
    with open(f'/proc/{process.pid}/mountinfo') as file:
        return [line for line in file if path in line]


@case("an rbind of a shared host tree: collection unmounts nothing of the host's, strict and lazy")
def rbind_of_shared(daemon):
    path = shared_tree('shared-tree')
    before = host.mount_table()
    for lazy in ([], ['--lazy']):
        pod = daemon.create(specs.oci(mounts=[specs.bind(path, '/mnt', 'rbind')]))
        with open(f'{daemon.rootfs(pod)}/mnt/below/file') as file:
            equal(file.read(), 'of the host', 'the mount below')
        equal(daemon.json('gc', pod, *lazy)[0]['Outcome'], 'removed', 'outcome')
        equal(host.mount_table(), before, 'mount table')
    drop(path)


@case('what is mounted or unmounted in the pod does not reach the shared host tree, nor the other way round')
def cut(daemon):
    path = shared_tree('cut-tree')
    os.mkdir(f'{path}/more')
    pod = daemon.create(specs.oci(mounts=[specs.bind(path, '/mnt', 'rbind')]))
    inside = f'{daemon.rootfs(pod)}/mnt'
    subprocess.run(['mount', '-t', 'tmpfs', 'in-pod', f'{inside}/more'], check=True)
    equal(f'{path}/more' in host.mounts_below(path), False, 'a mount in the pod reached the host')
    subprocess.run(['umount', f'{inside}/below'], check=True)
    equal(f'{path}/below' in host.mounts_below(path), True, "an unmount in the pod took the host's away")
    subprocess.run(['mount', '-t', 'tmpfs', 'on-host', f'{path}/more'], check=True)
    equal(len([line for line in host.mount_table() if f'{inside}/more' in line]), 1, "the host's mount reached the pod")
    daemon.ok('gc', pod)
    drop(path)


@case('neither a namespace made before the pod nor one made while it lived holds a copy after the collection')
def no_copies(daemon):
    subprocess.run(['mount', '--make-rshared', host.DIRECTORY], check=True)
    for propagation in ('slave', 'unchanged'):
        early = sleeper(propagation)
        pod = daemon.create(specs.oci(mounts=[specs.mount('/tmp'), specs.bind('/etc', '/mnt', 'rbind', 'ro')]))
        late = sleeper(propagation)
        equal(len(copies(late, pod)) > 0, True, 'the later namespace copied the pod')
        daemon.ok('unmount', pod, '/tmp')
        equal([line for line in copies(late, f'{pod}/main/rootfs/tmp')], [], 'copies of an unmounted mount')
        equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'outcome')
        for process in (early, late):
            equal(copies(process, pod), [], f'copies ({propagation})')
            process.kill()
            process.wait()
    subprocess.run(['mount', '--make-rprivate', host.DIRECTORY], check=True)


@case('a namespace that made everything private keeps no copy either: the mount point goes with the pod')
def private_copy(daemon):
    pod = daemon.create(specs.oci(mounts=[specs.mount('/tmp')]))
    late = sleeper('private')
    equal(len(copies(late, pod)) > 0, True, 'the namespace copied the pod')
    equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'outcome')
    equal(copies(late, pod), [], 'copies')
    late.kill()
    late.wait()


@case("options say what a mount's propagation is; by default it is shared in a group of its own")
def options(daemon):
    data = specs.tree('propagation-data', {})
    kinds = {'default': [], 'private': ['private'], 'slave': ['rslave'], 'unbindable': ['unbindable'],
            'shared': ['rshared']}
    pod = daemon.create(specs.oci(mounts=[specs.bind(data, f'/mnt/{kind}', 'rbind', *words) for kind,
            words in kinds.items()]))
    found = host.mounts_below(f'{daemon.rootfs(pod)}/mnt')

    def tags(kind):
        fields = found[f'{daemon.rootfs(pod)}/mnt/{kind}']
        return [tag.split(':')[0] for tag in fields[6:fields.index('-')]]
    equal((tags('default'), tags('private'), tags('unbindable'), tags('shared')),
            (['shared'], [], ['unbindable'], ['shared']), 'tags')
    daemon.ok('gc', pod)


if __name__ == '__main__':
    host.prepare()
    tap.run(Daemon)
