#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real Debian: as a directory, as an erofs image and as an overlay of three layers, the file systems and all namespaces
of a container made by podmount alone, and crun that mounts nothing."""

import json
import os
import shutil
import subprocess

import dbus

from frame import debian, host, specs, tap
from frame.container import Container
from frame.daemon import Daemon
from frame.tap import Skip, case, contains, equal, eventually

KINDS = ('pid', 'net', 'ipc', 'cgroup')


def as_directory():
    return specs.bind(debian.base(), '/mnt', 'rbind', 'ro')


def as_image():
    if not shutil.which('mkfs.erofs'):
        raise Skip('mkfs.erofs is not installed')
    path = f'{debian.CACHE}/image.erofs'
    if not os.path.exists(path):
        subprocess.run(['mkfs.erofs', '--quiet', f'{path}.new', debian.base()], check=True, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL)
        os.rename(f'{path}.new', path)
    return specs.mount('/mnt', 'erofs', path)


def as_overlay():
    """Debian without its /usr/share, that, and a file on top of both."""
    top = specs.tree('layer-top', {'etc/hostname': 'three-layers\n'})
    middle = f'{host.DIRECTORY}/layer-middle'
    if not os.path.exists(middle):
        os.makedirs(f'{middle}/usr')
        shutil.copytree(f'{debian.base()}/usr/share/perl5', f'{middle}/usr/share/perl5', symlinks=True)
    return specs.mount('/mnt', 'overlay', 'overlay', [f'lowerdir={top}:{middle}:{debian.base()}'])


SYSTEM = [specs.mount('/mnt/proc', 'proc', 'proc'), specs.mount('/mnt/sys', 'sysfs', 'sysfs', ['ro']),
          specs.mount('/mnt/dev', 'devtmpfs', 'dev'), specs.mount('/mnt/dev/pts', 'devpts', 'devpts', ['newinstance']),
          specs.mount('/mnt/dev/shm', 'tmpfs', 'shm', ['size=64m']), specs.mount('/mnt/dev/mqueue', 'mqueue', 'mqueue'),
          specs.mount('/mnt/tmp', 'tmpfs', 'tmp', ['size=16m'])]

SCRIPT = '''
. /etc/os-release; echo "$ID $VERSION_ID"
echo "processes" /proc/[0-9]*
echo "links" /sys/class/net/*
echo "hostname $(cat /etc/hostname)"
touch /tmp/x && echo writable
dpkg --status bash | grep ^Status
'''


def config(bundle, rootfs, pid):
    """What `crun spec` writes, with no mount at all and the namespaces that are there."""
    subprocess.run(['crun', 'spec'], cwd=bundle, check=True, stdout=subprocess.DEVNULL)
    with open(f'{bundle}/config.json') as file:
        found = json.load(file)
    found['root'] = {'path': rootfs, 'readonly': False}
    found['mounts'] = []
    found['process'].update(terminal=False, args=['/bin/sh', '-c', SCRIPT])
    linux = found['linux']
    for key in ('resources', 'maskedPaths', 'readonlyPaths'):
        linux.pop(key, None)
    names = {'pid': 'pid', 'net': 'network', 'ipc': 'ipc', 'cgroup': 'cgroup'}
    linux['namespaces'] = [{'type': 'mount'}, {'type': 'uts'}] + [
        {'type': names[kind], 'path': f'/proc/{pid}/ns/{kind}'} for kind in KINDS]
    with open(f'{bundle}/config.json', 'w') as file:
        json.dump(found, file)


def run(daemon, name, root):
    if not shutil.which('crun'):
        raise Skip('crun is not installed')
    if not os.path.exists('/sys/fs/cgroup/cgroup.controllers'):  # crun refuses the hybrid hierarchy
        subprocess.run(['umount', '-R', '/sys/fs/cgroup'], check=True)
        subprocess.run(['mount', '-t', 'cgroup2', 'cgroup2', '/sys/fs/cgroup'], check=True)
    before = host.mount_table()
    with Container(0) as container:
        spec = specs.podmount({'main': (specs.rootfs(), True, [root] + SYSTEM)})
        spec['namespaces'] = {kind: f'fd:{kind}' for kind in KINDS}
        fds = {kind: os.open(f'/proc/{container.pid}/ns/{kind}', os.O_RDONLY) for kind in KINDS}
        pod = str(daemon.manager('CreatePod', 'sa{sh}a{sv}', json.dumps(spec),
                {kind: dbus.types.UnixFd(fd) for kind, fd in fds.items()}, {})[0])
        for fd in fds.values():
            os.close(fd)
        bundle = specs.tree(f'bundle-{name}', {})
        config(bundle, f'{daemon.rootfs(pod)}/mnt', container.pid)
        done = host.run(['crun', '--root', f'{host.DIRECTORY}/crun', 'run', f'debian-{name}-{os.getpid()}'], cwd=bundle)
        equal(done.status, 0, f'crun run: {done}')
        words = dict(line.split(' ', 1) for line in done.out.splitlines() if ' ' in line)
        equal(words['debian'], '12', f'which Debian: {done}')
        processes = words['processes'].split()
        assert '/proc/1' in processes and len(processes) <= 3, processes  # its first one, and this shell
        equal(words['links'], '/sys/class/net/lo', 'network links')
        contains(done.out, 'writable', 'its /tmp')
        contains(done.out, 'Status: install ok installed', 'what dpkg says')
        equal(daemon.state(pod), 'ready', 'state after the container')
        equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'outcome')
    equal(host.mount_table(), before, 'mount table')
    return words


@case('crun runs a Debian that is a directory, on mounts of podmount alone')
def directory(daemon):
    run(daemon, 'directory', as_directory())


@case('the same as an erofs image; its loop device is free afterwards')
def image(daemon):
    root = as_image()
    daemon.write_config('[Mounts]\nImageTypes=erofs\n')
    daemon.restart()
    run(daemon, 'image', root)
    def is_free():
        return not any(debian.CACHE in line for line in subprocess.run(['losetup', '--list', '--noheadings', '--output', 'BACK-FILE'],
                stdout=subprocess.PIPE, text=True).stdout.splitlines())
    eventually(is_free, 'the loop device is free')


@case('the same as an overlay of three layers, the topmost seen first')
def overlay(daemon):
    equal(run(daemon, 'overlay', as_overlay())['hostname'], 'three-layers', 'its hostname')


if __name__ == '__main__':
    host.prepare()
    tap.run(Daemon)
