#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kinds of mount, each by the real thing: images by the tools that make them, a FUSE server, overlays of hundreds of
layers."""

import ctypes
import json
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import threading
import time

import dbus

from frame import clone, host, specs, tap
from frame.bus import Bus
from frame.daemon import MANAGER, Daemon
from frame.host import ALICE, UserError, as_user
from frame.images import CONFIG, MAKERS, image, loops
from frame.situation import WithPolkit
from frame.tap import Skip, case, contains, equal, eventually

bus = None


class Situation(WithPolkit):
    """polkit says yes; root and Alice each have a pod."""

    def __init__(self, config=CONFIG):
        super().__init__(bus, 'yes', config)
        self.pods = {0: self.create(0), ALICE: self.create(ALICE)}

    def create(self, uid):
        text = json.dumps(specs.oci(self.root))
        return as_user(uid, lambda: str(bus.call(MANAGER, 'CreatePod', 'sa{sh}a{sv}', text, {}, {})[0]))

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


def read(path):
    with open(path) as file:
        return file.read()


def options_of(point):
    return host.mounts_below(point)[point][5].split(',')


@case('erofs, squashfs and ext4 from a path and from an fd, read-only, nosuid and nodev; no loop device stays')
def images(s):
    before = loops()
    for type in MAKERS:
        path = image(type)
        for uid in (0, ALICE):
            point = f'{s.inside(uid)}/mnt'
            s.mount(specs.mount('/mnt', type, path), uid=uid)
            equal(read(f'{point}/hello'), 'from the image\n', f'{type} by path, user {uid}')
            for option in ('ro', 'nosuid', 'nodev'):
                contains(options_of(point), option, type)
            equal(len(loops()), len(before) + 1, 'one loop device')
            s.unmount('/mnt', uid)
            eventually(lambda: loops() == before, f'{type}: the loop device is free')
            fd = os.open(path, os.O_RDONLY)
            s.mount(specs.mount('/mnt', type, 'fd:image'), {'image': fd}, uid)
            os.close(fd)
            equal(read(f'{point}/hello'), 'from the image\n', f'{type} by fd, user {uid}')
            s.unmount('/mnt', uid)
    eventually(lambda: loops() == before, 'every loop device is free')


@case('an ext4 image is writable when rw is asked for, and only then')
def writable(s):
    path = f'{host.DIRECTORY}/rw.ext4'
    shutil.copy(image('ext4'), path)
    os.chown(path, ALICE, ALICE)
    s.mount(specs.mount('/mnt', 'ext4', path, ['rw']), uid=ALICE)
    with open(f'{s.inside(ALICE)}/mnt/new', 'w') as file:
        file.write('x')
    s.unmount('/mnt', ALICE)
    s.mount(specs.mount('/mnt', 'ext4', path), uid=ALICE)
    equal(read(f'{s.inside(ALICE)}/mnt/new'), 'x', 'what was written')
    s.unmount('/mnt', ALICE)
    equal(s.refused(specs.mount('/mnt', 'erofs', image('erofs'), ['rw']))[0], 'InvalidOption', 'erofs rw')
    fd = os.open(path, os.O_RDONLY)
    name, text = s.refused(specs.mount('/mnt', 'ext4', 'fd:i', ['rw']), {'i': fd})
    os.close(fd)
    equal(name, 'InvalidArgs', text)
    contains(text, 'not open for reading and writing', 'a read-only fd')
    equal(s.refused(specs.mount('/mnt', 'ext4', image('ext4'), ['rw']), uid=ALICE)[0], 'SourceDenied', "root's image")


@case('a truncated image, one of another type, an O_PATH fd, a directory and a FIFO are refused, each by name')
def bad_images(s):
    before = loops()
    for type in MAKERS:
        path = image(type)
        cut = f'{host.DIRECTORY}/cut.{type}'
        size = os.stat(path).st_size
        for left in 1100, size // 2, size - 4096:
            with open(path, 'rb') as whole, open(cut, 'wb') as file:
                file.write(whole.read(left))
            if left == size - 4096 and type != 'erofs':  # what is behind the last of it is room, or padding
                continue
            name, text = s.refused(specs.mount('/mnt', type, cut))
            equal(name, 'MountFailed', text)
            contains(text, cut, 'which image')
            if type == 'erofs' and left >= 4096:  # that the kernel itself mounts
                contains(text, f'it is truncated, {left} bytes of an image of {size}', 'why')
        other = image('erofs' if type != 'erofs' else 'squashfs')
        name, text = s.refused(specs.mount('/mnt', type, other))
        equal(name, 'MountFailed', text)
        assert any(word in text for word in ('EINVAL', 'EIO', 'ENOTBLK', 'EUCLEAN', 'EFSCORRUPTED')), text
    opath = os.open(image('erofs'), os.O_PATH)
    name, text = s.refused(specs.mount('/mnt', 'erofs', 'fd:image'), {'image': opath})
    os.close(opath)
    equal(name, 'InvalidArgs', text)
    contains(text, 'O_PATH', 'the reason')
    equal(s.refused(specs.mount('/mnt', 'erofs', '/tmp'))[0], 'NoSuchSource', 'a directory')
    fifo = f'{host.DIRECTORY}/fifo'
    os.mkfifo(fifo)
    equal(s.refused(specs.mount('/mnt', 'erofs', fifo))[0], 'NoSuchSource', 'a FIFO')
    equal(s.refused(specs.mount('/mnt', 'erofs', f'{host.DIRECTORY}/none'))[0], 'NoSuchSource', 'nothing')
    equal(s.refused(specs.mount('/mnt', 'xfs', image('ext4')))[0], 'NotSupported', 'a type off the list')
    eventually(lambda: loops() == before, 'every loop device is free')


@case('images need an action of their own, and the configuration')
def rights(s):
    path = image('erofs')
    s.polkit.forget()
    s.mount(specs.mount('/mnt', 'erofs', path), uid=ALICE)
    asked = [(call['action'], call['details'].get('type')) for call in s.polkit.calls()]
    equal(asked, [('org.podmount1.manage', None), ('org.podmount1.mount-image', 'erofs')], 'what polkit was asked')
    s.unmount('/mnt', ALICE)
    s.polkit.answer('no')
    equal(s.refused(specs.mount('/mnt', 'erofs', path), uid=ALICE)[0], 'AccessDenied', 'polkit says no')
    s.polkit.answer('yes')
    s.polkit.forget()
    s.refused(specs.mount('/mnt', 'ext4', '/dev/loop-control'), uid=ALICE)
    equal([call['action'] for call in s.polkit.calls()][1:], ['org.podmount1.mount-device'], 'a device')
    s.daemon.write_config('[Mounts]\nImageTypes=squashfs\n')
    os.kill(s.daemon.keeper(), signal.SIGHUP)
    eventually(lambda: s.refused(specs.mount('/mnt', 'erofs', path))[0] == 'NotSupported' if not tried(s, path) else False,
            'the configuration holds')
    name, text = s.refused(specs.mount('/mnt', 'erofs', path))
    contains(text, 'ImageTypes=', 'what to do')


def tried(s, path):
    """Whether erofs can be mounted; unmounted again."""
    try:
        s.mount(specs.mount('/mnt', 'erofs', path))
    except UserError:
        return False
    s.unmount('/mnt')
    return True


@case('a block device needs its path below /dev or its fd, and the action for devices')
def devices(s):
    found = subprocess.run(['losetup', '--find', '--show', '--read-only', image('ext4')], stdout=subprocess.PIPE, text=True)
    if found.returncode:
        raise Skip('no loop device')
    node = found.stdout.strip()
    try:
        s.mount(specs.mount('/mnt', 'ext4', node))
        equal(read(f'{s.inside(0)}/mnt/hello'), 'from the image\n', 'the device')
        s.unmount('/mnt')
        fd = os.open(node, os.O_RDONLY)
        s.mount(specs.mount('/mnt', 'ext4', 'fd:d'), {'d': fd})
        os.close(fd)
        s.unmount('/mnt')
        os.symlink(node, f'{host.DIRECTORY}/hidden')
        equal(s.refused(specs.mount('/mnt', 'ext4', f'{host.DIRECTORY}/hidden'))[0], 'AccessDenied', 'behind a symlink')
        equal(s.refused(specs.mount('/mnt', 'ext4', node), uid=ALICE)[0], 'SourceDenied', 'not readable for Alice')
        equal(s.refused(specs.mount('/mnt', 'erofs', node))[0], 'NotSupported', 'DeviceTypes=')
    finally:
        subprocess.run(['losetup', '--detach', node], check=True)


@case('the fd of a block device in the spec of a container that is added is one, too')
def added_device(s):
    found = subprocess.run(['losetup', '--find', '--show', '--read-only', image('ext4')], stdout=subprocess.PIPE, text=True)
    if found.returncode:
        raise Skip('no loop device')
    node = found.stdout.strip()
    try:
        fd = os.open(node, os.O_RDONLY)

        def add(name, type):
            spec = specs.oci(s.root, mounts=[specs.mount('/mnt', type, 'fd:d')])
            try:
                as_user(ALICE, lambda: bus.call(MANAGER, 'AddContainer', 'sssa{sh}a{sv}', s.pods[ALICE], name, json.dumps(spec),
                        {'d': dbus.types.UnixFd(fd)}, {}))
            except UserError as error:
                return error.name.rsplit('.', 1)[1], error.text
            return None
        equal(add('side', 'ext4'), None, 'a stranger adds it')
        equal(read(f'{s.daemon.rootfs(s.pods[ALICE], "side")}/mnt/hello'), 'from the image\n', 'the device')
        equal([call['action'] for call in s.polkit.calls()][-1], 'org.podmount1.mount-device', 'what was asked')
        name, text = add('other', 'erofs')
        equal(name, 'NotSupported', text)
        contains(text, 'DeviceTypes=', 'why')
        os.close(fd)
        s.daemon.ok('gc', s.pods[ALICE])
    finally:
        subprocess.run(['losetup', '--detach', node], check=True)


@case('a pod that is collected, and an executor that is killed, leave no loop device')
def freed(s):
    before = loops()
    s.mount(specs.mount('/mnt', 'squashfs', image('squashfs')))
    s.daemon.ok('gc', s.pods[0])
    eventually(lambda: loops() == before, 'free after the collection')
    pod = s.pods[ALICE]
    stop = threading.Event()
    def kill():
        while not stop.is_set():
            for pid in s.daemon.executors():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.05)
    thread = threading.Thread(target=kill)
    thread.start()
    for _ in range(20):
        try:
            s.mount(specs.mount('/mnt', 'erofs', image('erofs')), uid=ALICE)
            s.unmount('/mnt', ALICE)
        except UserError:
            pass
    stop.set()
    thread.join()
    s.daemon.ok('gc', pod)
    eventually(lambda: loops() == before, 'free after kills')


@case('bind: directories, files, sockets, FIFOs and device nodes')
def binds(s):
    base = specs.tree('things', {'d/f': 'x', 'f': 'y'})
    os.mkfifo(f'{base}/fifo')
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f'{base}/socket')
    for name, check in (('d', stat.S_ISDIR), ('f', stat.S_ISREG), ('fifo', stat.S_ISFIFO), ('socket', stat.S_ISSOCK)):
        for type, options in (('bind', None), ('none', ['bind']), ('none', ['rbind'])):
            s.mount(specs.mount(f'/mnt/{name}', type, f'{base}/{name}', options))
            assert check(os.lstat(f'{s.inside(0)}/mnt/{name}').st_mode), name
            s.unmount(f'/mnt/{name}')
    s.mount(specs.bind('/dev/null', '/mnt/null', 'bind', 'dev'))
    equal(os.stat(f'{s.inside(0)}/mnt/null').st_rdev, os.makedev(1, 3), 'device')
    with open(f'{s.inside(0)}/mnt/null', 'w') as file:
        file.write('x')
    s.unmount('/mnt/null')
    listener.close()


@case('an fd of the wrong kind is refused by the name that the client gave it, with the target that it is for')
def wrong_fds(s):
    erofs, files = image('erofs'), specs.tree('wrong-fds', {'file': 'x'})
    opened = {'opath': os.open(erofs, os.O_PATH), 'written': os.open(erofs, os.O_WRONLY), 'dir': os.open(files, os.O_RDONLY),
              'file': os.open(f'{files}/file', os.O_RDONLY), 'memory': os.memfd_create('x'), 'net': os.open('/proc/self/ns/net', os.O_RDONLY),
              'fuse': os.open('/dev/fuse', os.O_RDONLY), 'path': os.open('/dev/fuse', os.O_PATH), 'null': os.open('/dev/null', os.O_RDWR)}
    cases = [
        (specs.mount('/mnt', 'erofs', 'fd:opath'), 'fd "opath" for /mnt was opened with O_PATH'),
        (specs.mount('/mnt', 'erofs', 'fd:written'), 'fd "written" for /mnt is not open for reading'),
        (specs.mount('/mnt', 'erofs', 'fd:dir'), 'fd "dir" for /mnt is neither a file nor a block device'),
        (specs.bind('fd:memory', '/mnt'), 'fd "memory" for /mnt is a memfd'),
        (specs.bind('fd:net', '/mnt'), 'fd "net" for /mnt is a namespace'),
        (specs.mount('/mnt', 'overlay', 'overlay', ['lowerdir+=fd:file', f'lowerdir+={files}']), 'fd "file" for /mnt is not a directory'),
        (specs.mount('/mnt', 'fuse', 'x', ['fd=fd:fuse']), 'fd "fuse" of the fuse at /mnt is not open'),
        (specs.mount('/mnt', 'fuse', 'x', ['fd=fd:path']), 'fd "path", given as option fd of /mnt, was opened with O_PATH'),
        (specs.mount('/mnt', 'fuse', 'x', ['fd=fd:null']), 'fd "null" of the fuse at /mnt is not /dev/fuse'),
        (dict(specs.bind(files, '/mnt'), userns='fd:file'), 'fd "file", which maps the ids of /mnt, is no user namespace'),
    ]
    if '9p' in read('/proc/filesystems'):
        cases.append((specs.mount('/mnt', '9p', 'x', ['trans=fd', 'rfdno=fd:opath', 'wfdno=fd:opath']), 'fd "opath", given as option rfdno of /mnt'))
    for mount, words in cases:
        text = json.dumps(mount)
        contains(s.refused(mount, {name: fd for name, fd in opened.items() if f'fd:{name}"' in text})[1], words, text)
    spec = {'podmount': 1, 'containers': [{'name': 'main', 'root': {'path': 'fd:file'}, 'mounts': []}]}
    contains(s.daemon.refused('create', '-', '--fd', f'file={opened["file"]}', fds=[opened['file']], input=json.dumps(spec)),
             'the root of container main, fd "file", is not a directory', 'a root')
    for fd in opened.values():
        os.close(fd)


@case('FUSE: a real server answers behind a mount made with its /dev/fuse; other fds are refused by name')
def fuse(s):
    if not shutil.which('squashfuse'):
        raise Skip('squashfuse is not installed')
    fd = os.open('/dev/fuse', os.O_RDWR)
    s.mount(specs.mount('/mnt', 'fuse.squashfuse', 'image', ['fd=fd:server', 'ro', 'allow_other']), {'server': fd})
    equal(host.mounts_below(f'{s.inside(0)}/mnt')[f'{s.inside(0)}/mnt'][-3], 'fuse.squashfuse', 'type')
    server = subprocess.Popen(['squashfuse', '-f', image('squashfs'), f'/dev/fd/{fd}'], pass_fds=[fd])
    os.close(fd)
    try:
        equal(read(f'{s.inside(0)}/mnt/hello'), 'from the image\n', 'what the server gives')
        equal(s.daemon.state(s.pods[0]), 'ready', 'no drift')
        s.unmount('/mnt')
        equal(server.wait(10), 0, 'the server ends with its mount')
    finally:
        server.kill()
        server.wait()
    fd = os.open('/dev/fuse', os.O_RDWR)
    s.mount(specs.mount('/mnt', 'fuse', 'own', ['fd=fd:f']), {'f': fd}, ALICE)
    for option in ('nosuid', 'nodev'):
        contains(options_of(f'{s.inside(ALICE)}/mnt'), option, "Alice's")
    contains(host.mounts_below(f'{s.inside(ALICE)}/mnt')[f'{s.inside(ALICE)}/mnt'][-1], f'user_id={ALICE}', 'whose it is')
    s.unmount('/mnt', ALICE)
    os.close(fd)
    null, opath = os.open('/dev/null', os.O_RDWR), os.open('/dev/fuse', os.O_PATH)
    contains(s.refused(specs.mount('/mnt', 'fuse', 'x', ['fd=fd:f']), {'f': null})[1], 'is not /dev/fuse', 'another device')
    contains(s.refused(specs.mount('/mnt', 'fuse', 'x', ['fd=fd:f']), {'f': opath})[1], 'O_PATH', 'no data')
    name, text = s.refused(specs.mount('/mnt', 'fuse', 'x', ['fd=fd:f', 'user_id=0']), {'f': os.open('/dev/fuse', os.O_RDWR)}, ALICE)
    equal(name, 'AccessDenied', text)
    ours, theirs = socket.socketpair()
    name, text = s.refused(specs.mount('/mnt', '9p', 'x', ['trans=fd', 'rfdno=fd:a', 'wfdno=fd:a']), {'a': ours.fileno()})
    assert name == 'NotSupported' or '9p' in open('/proc/filesystems').read(), text


@case('an overlay of 500 layers of long paths; repeated, nested and missing ones are refused by name')
def overlays(s):
    base = f'{host.DIRECTORY}/layers/' + 'long' * 60
    for i in range(500):
        os.makedirs(f'{base}/{i}', exist_ok=True)
        with open(f'{base}/{i}/f{i}', 'w') as file:
            file.write(str(i))
    # without lowerdir+ (Linux 6.7) there is room for some dozens: the case at the end
    n = 500 if 'lowerdir-plus' in s.daemon.json('status')['Features'] else 40
    s.mount(specs.mount('/mnt', 'overlay', 'overlay', ['lowerdir=' + ':'.join(f'{base}/{i}' for i in range(n))]))
    equal(read(f'{s.inside(0)}/mnt/f{n - 1}'), f'{n - 1}', 'the lowest')
    s.unmount('/mnt')
    s.mount(specs.mount('/mnt', 'overlay', 'overlay', [f'lowerdir+={base}/{i}' for i in range(n)]))
    equal(read(f'{s.inside(0)}/mnt/f0'), '0', 'the topmost')
    equal(s.daemon.state(s.pods[0]), 'ready', 'no drift')
    s.unmount('/mnt')
    name, text = s.refused(specs.mount('/mnt', 'overlay', 'overlay', [f'lowerdir+={base}/{i}' for i in range(501)]))
    equal(name, 'InvalidOption', text)
    contains(text, 'more than 500 lower layers', 'the limit')
    for options, words in (([f'lowerdir={base}/1:{base}/2:{base}/1'], f'{base}/1'),
                           ([f'lowerdir={base}/1:{base}'], f'{base}'),
                           (['upperdir=/a', 'workdir=/b'], 'lowerdir')):
        name, text = s.refused(specs.mount('/mnt', 'overlay', 'overlay', options))
        equal(name, 'InvalidSpec', text)
        contains(text, words[:100], 'which layer')
    os.symlink('1', f'{base}/link')
    os.symlink(base, f'{host.DIRECTORY}/layers/all')
    for lower in f'{base}/1:{base}/link', f'{base}/1:{host.DIRECTORY}/layers/all':
        name, text = s.refused(specs.mount('/mnt', 'overlay', 'overlay', [f'lowerdir={lower}']))
        equal(name, 'MountFailed', text)
        contains(text, 'named twice, or lies in another', 'by a symlink')
    name, text = s.refused(specs.mount('/mnt', 'overlay', 'overlay', [f'lowerdir={base}/1:{base}/none']))
    equal(name, 'NoSuchSource', text)
    contains(text, f'{base}/none', 'which layer')


@case("none alone is sysfs, devtmpfs a /dev of the pod's own with the OCI default devices and links")
def words(s):
    s.mount(specs.mount('/sys', 'none', 'none', ['ro']))
    equal(host.mounts_below(f'{s.inside(0)}/sys')[f'{s.inside(0)}/sys'][-3], 'sysfs', 'none')
    for uid in (0, ALICE):
        s.mount(specs.mount('/dev', 'devtmpfs', 'dev'), uid=uid)
        dev = f'{s.inside(uid)}/dev'
        equal(host.mounts_below(dev)[dev][-3], 'tmpfs', 'devtmpfs')
        contains(options_of(dev), 'nodev', 'its own tmpfs')
        equal(sorted(os.listdir(dev)), sorted(['null', 'zero', 'full', 'random', 'urandom', 'tty', 'fd', 'stdin', 'stdout',
                'stderr', 'ptmx', 'core', 'pts', 'shm', 'mqueue']), 'what is there')
        for name, number in (('null', 3), ('zero', 5), ('full', 7), ('random', 8), ('urandom', 9)):
            equal(os.stat(f'{dev}/{name}').st_rdev, os.makedev(1, number), name)
        with open(f'{dev}/zero', 'rb') as file:
            equal(file.read(3), b'\0\0\0', 'zero answers')
        equal(os.readlink(f'{dev}/ptmx'), 'pts/ptmx', 'ptmx')
        s.mount([specs.mount('/dev/pts', 'devpts'), specs.mount('/dev/new', 'tmpfs')], uid=uid)
        equal(s.daemon.state(s.pods[uid]), 'ready', 'no drift')


@case('without lowerdir+ layers go in one string, of paths with colons in them, too; past 255 bytes is a clear error', alone=True)
def joined():
    base = f'{host.DIRECTORY}/joined'
    for i in range(200):
        os.makedirs(f'{base}/a:b,{i}', exist_ok=True)
        with open(f'{base}/a:b,{i}/f{i}', 'w') as file:
            file.write(str(i))
    escaped = [f'{base}/a\\:b,{i}' for i in range(200)]
    host.WITHOUT.extend(['lowerdir-plus'])
    try:
        with Daemon() as daemon:
            pod = daemon.create(specs.oci(mounts=[specs.mount('/mnt', 'overlay', 'overlay', ['lowerdir=' + ':'.join(escaped[:40])])]))
            equal(read(f'{daemon.rootfs(pod)}/mnt/f39'), '39', 'the lowest')
            before = host.mount_table()
            name, text = daemon.error_of('Mount', 'ssa{sh}a{sv}', pod, json.dumps(specs.mount('/srv', 'overlay', 'overlay',
                    ['lowerdir=' + ':'.join(escaped)])), {}, {})
            assert name.rsplit('.', 1)[1] in ('MountFailed', 'InvalidOption', 'NotSupported'), (name, text)
            contains(text, 'layers', 'why')
            equal(host.mount_table(), before, 'the table')
    finally:
        host.WITHOUT.remove('lowerdir-plus')


@case('a detached mount that the client made is a source: as it is for root, nosuid and nodev for anyone else')
def detached(s):
    directory = specs.tree('detached', {'f': 'x'}, owner=ALICE)
    for uid in (0, ALICE):
        fd = clone.call(clone.OPEN_TREE, clone.AT_FDCWD, directory.encode(), clone.CLONE | clone.CLOEXEC)
        s.mount(specs.bind('fd:tree', '/mnt'), {'tree': fd}, uid)
        os.close(fd)
        equal(read(f'{s.inside(uid)}/mnt/f'), 'x', 'contents')
        for option in ('nosuid', 'nodev'):
            equal(option in options_of(f'{s.inside(uid)}/mnt'), uid != 0, f'{option} for user {uid}')
        s.unmount('/mnt', uid)


if __name__ == '__main__':
    host.prepare()
    bus = Bus()
    tap.run(Situation)
