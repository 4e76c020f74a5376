#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Volumes that are more than a directory or a tmpfs: images, FUSE servers, binds with mapped ids."""

import json
import os
import shutil
import subprocess

from frame import backing, host, images, specs, tap
from frame.bus import Bus
from frame.daemon import Daemon
from frame.host import ALICE
from frame.situation import WithPolkit
from frame.tap import Skip, case, contains, equal, eventually

bus = None
lacking = None  # why nothing can be mapped here
volume, shared = specs.volume, specs.shared


class Situation(WithPolkit):
    def __init__(self):
        super().__init__(bus, 'yes', images.CONFIG)


def read(path):
    with open(path) as file:
        return file.read()


def place(daemon, pod, name):
    return f'{daemon.runtime}/pods/{pod}/.volumes/rootfs/{name}'


def umount(*words):
    subprocess.run(['umount', *words], check=True)


def in_both(s, volume_, fd=None, user=0, options=('bind',), **more):
    """A pod of two containers that have the volume at /mnt, made by a user with the fd that the volume names."""
    spec = shared([volume_], {name: [dict(specs.bind(f"volume:{volume_['name']}", '/mnt', *options), **more)] for name in ('one', 'two')},
            root=s.root if user else None)
    words = ['--fd', f'it={fd}'] if fd is not None else []
    return s.daemon.ok('create', *words, '-', input=json.dumps(spec), fds=[fd] if words else [], user=user, over_bus=True).strip()


@case('of an image, by path and by fd: read-only, one loop device for all, free when the last bind is gone')
def image_volumes(s):
    before = images.loops()
    for type in images.MAKERS:
        for by_fd, user in ((False, 0), (True, 0), (True, ALICE)):
            what = f'{type}, by fd: {by_fd}, user {user}'
            fd = os.open(images.image(type), os.O_RDONLY)
            s.polkit.forget()
            pod = in_both(s, volume('data', type, source='fd:it' if by_fd else images.image(type)), fd if by_fd else None, user)
            os.close(fd)
            if user:
                equal([(call['action'], call['details'].get('target')) for call in s.polkit.calls()],
                        [('org.podmount1.create', None), ('org.podmount1.mount-image', '/data')], what)
            for name in ('one', 'two'):
                point = s.daemon.rootfs(pod, name) + '/mnt'
                equal(read(f'{point}/hello'), 'from the image\n', what)
                equal(os.statvfs(point).f_flag & (os.ST_RDONLY | os.ST_NOSUID | os.ST_NODEV), os.ST_RDONLY | os.ST_NOSUID | os.ST_NODEV, what)
            equal(len(images.loops()), len(before) + 1, f'{what}: loop devices')
            s.daemon.restart()
            equal(s.daemon.state(pod), 'ready', what)
            if not user:
                s.daemon.ok('bind', pod, 'volume:data', '/srv', '--container', 'two')
                equal(read(s.daemon.rootfs(pod, 'two') + '/srv/hello'), 'from the image\n', what)
            s.daemon.ok('gc', pod)
            eventually(lambda: images.loops() == before, f'{what}: the loop device is free')
    # made again after somebody unmounted all of it
    pod = in_both(s, volume('data', 'erofs', source=images.image('erofs')))
    umount(s.daemon.rootfs(pod, 'one') + '/mnt')
    umount(s.daemon.rootfs(pod, 'two') + '/mnt')
    umount(place(s.daemon, pod, 'data'))
    eventually(lambda: s.daemon.state(pod) == 'degraded', 'drift is seen')
    s.daemon.ok('repair', pod)
    equal(read(s.daemon.rootfs(pod, 'two') + '/mnt/hello'), 'from the image\n', 'after a repair')
    # without its type in the configuration, and cut short, nothing of it is made
    cut = f'{host.DIRECTORY}/cut-volume'
    with open(images.image('squashfs'), 'rb') as whole, open(cut, 'wb') as file:
        file.write(whole.read(1000))
    table = host.mount_table()
    spec = shared([volume('data', 'squashfs', source=cut)], {'one': [specs.bind('volume:data', '/mnt')]})
    contains(s.daemon.refused('create', '-', input=json.dumps(spec)), cut)
    equal((host.mount_table(), images.loops() == before), (table, False), 'after a failure: the table, and one loop device')
    s.daemon.ok('gc', pod)
    eventually(lambda: images.loops() == before, 'free')
    with Daemon() as plain:
        contains(plain.refused('create', '-', input=json.dumps(spec)), 'ImageTypes=')


@case('of a FUSE server by its /dev/fuse: a real one answers in both containers and ends with the pod; a dead one and a silent one hang nobody')
def fuse_volumes(s):
    if not shutil.which('squashfuse'):
        raise Skip('squashfuse is not installed')
    path = images.image('squashfs')

    def serve(fd):
        return subprocess.Popen(['squashfuse', '-f', path, f'/dev/fd/{fd}'], pass_fds=[fd])
    fd = os.open('/dev/fuse', os.O_RDWR)
    pod = in_both(s, volume('served', 'fuse.squashfuse', options=['fd=fd:it', 'ro', 'allow_other']), fd)
    server = serve(fd)  # which answers only when it knows that it is mounted
    os.close(fd)
    try:
        for name in ('one', 'two'):
            equal(read(s.daemon.rootfs(pod, name) + '/mnt/hello'), 'from the image\n', name)
        equal(s.daemon.mounts(pod)['.volumes:/served']['Type'], 'fuse', 'type')
        s.daemon.ok('bind', pod, 'volume:served', '/srv', '--container', 'one')
        equal(read(s.daemon.rootfs(pod, 'one') + '/srv/hello'), 'from the image\n', 'bound later')
        s.daemon.restart()
        equal(s.daemon.state(pod), 'ready', 'state')
        server.kill()
        server.wait()
        s.daemon.ok('bind', pod, 'volume:served', '/tmp', '--container', 'two')
        s.daemon.ok('gc', pod)
    finally:
        server.kill()
        server.wait()
    # nobody serves it yet, and root may not look into Alice's
    for user, options in ((0, ['allow_other']), (ALICE, [])):
        fd = os.open('/dev/fuse', os.O_RDWR)
        pod = in_both(s, volume('served', 'fuse', options=['fd=fd:it', *options]), fd, user)
        equal(s.daemon.state(pod), 'ready', f'the state of a silent one of {user}')
        s.daemon.ok('bind', pod, 'volume:served', '/srv', '--container', 'one', user=user, over_bus=True)
        points = host.mounts_below(f'{s.daemon.runtime}/pods/{pod}')
        equal(sum(line[-3] == 'fuse' for line in points.values()), 4, f'mounts of {user}: {points}')
        s.daemon.ok('gc', pod)
        os.close(fd)


@case('a bind with mapped ids is mapped in each container; a mapping of a mapped one is refused by name')
def mapped_volumes(s):
    if lacking:
        raise Skip(lacking)
    data = specs.tree('volume-mapped', {'file': 'x'})
    mapping = [{'containerID': 0, 'hostID': 12345, 'size': 10}]
    mapped = {'uidMappings': mapping, 'gidMappings': mapping}
    pod = in_both(s, volume('data', 'bind', source=data, **mapped))
    for name in ('one', 'two'):
        status = os.stat(s.daemon.rootfs(pod, name) + '/mnt/file')
        equal((status.st_uid, status.st_gid), (12345, 12345), name)
    equal(os.stat(f'{data}/file').st_uid, 0, 'the source')
    s.daemon.ok('bind', pod, 'volume:data', '/srv', '--container', 'one')
    equal(os.stat(s.daemon.rootfs(pod, 'one') + '/srv/file').st_uid, 12345, 'bound later')
    contains(s.daemon.refused('mount', pod, json.dumps(dict(specs.bind('volume:data', '/tmp'), **mapped)), '--container', 'one'), 'mapped')
    s.daemon.restart()
    equal(s.daemon.state(pod), 'ready', 'state')
    s.daemon.ok('gc', pod)
    # each container maps it for itself
    pod = in_both(s, volume('data', 'bind', source=data), **mapped)
    equal([os.stat(f'{path}/file').st_uid for path in (place(s.daemon, pod, 'data'), s.daemon.rootfs(pod, 'one') + '/mnt')], [0, 12345], 'owners')
    s.daemon.ok('gc', pod)


if __name__ == '__main__':
    lacking = backing.prepare()
    with Bus() as bus:
        tap.run(Situation)
