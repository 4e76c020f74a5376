#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a caller without privilege gets of the host through podmount: nothing that it could not have had itself."""

import errno
import json
import os
import socket
import subprocess

import dbus

from frame import host, specs, tap
from frame.bus import Bus
from frame.daemon import MANAGER
from frame.host import ALICE, BOB, UserError, as_user
from frame.situation import WithPolkit
from frame.tap import case, contains, equal, eventually

bus = None
CONFIG = '[Limits]\nPodsPerUser=3\nMountsPerPod=40\nMountsPerUser=60\nTmpfsSize=1M\n'


class Situation(WithPolkit):
    """polkit says yes to everybody: only the rules of podmount itself are left. Alice has a pod."""

    def __init__(self):
        super().__init__(bus, 'yes', CONFIG)
        self.pod = self.create()
        self.inside = self.daemon.rootfs(self.pod)

    def create(self, spec=None, uid=ALICE):
        text = json.dumps(spec or specs.oci(self.root))
        return as_user(uid, lambda: str(bus.call(MANAGER, 'CreatePod', 'sa{sh}a{sv}', text, {}, {})[0]))

    def bind(self, source, target='/mnt', options=('bind',), uid=ALICE):
        return as_user(uid, lambda: int(bus.call(MANAGER, 'Bind', 'sssa{sh}a{sv}', self.pod, source, target, {},
                {'options': dbus.Array(options, signature='s')})))

    def mount(self, *mounts, uid=ALICE):
        return as_user(uid, lambda: [int(i) for i in bus.call(MANAGER, 'Mount', 'ssa{sh}a{sv}', self.pod,
                json.dumps(list(mounts)), {}, {})])

    def refused(self, function, *arguments, **more):
        """(name without prefix, text) of a call that must fail and change nothing."""
        before = host.mount_table()
        try:
            function(*arguments, **more)
        except UserError as error:
            equal(host.mount_table(), before, 'mount table after the refusal')
            return error.name.rsplit('.', 1)[1], error.text
        raise AssertionError(f'{arguments} was not refused')


@case('a directory and a file of its own can be bound, with nosuid and nodev')
def own(s):
    data = specs.tree('own-data', {'file': 'x'}, owner=ALICE)
    s.bind(data)
    s.bind(f'{data}/file', '/etc/hostname')
    with open(f'{s.inside}/mnt/file') as file:
        equal(file.read(), 'x', 'content')
    for point in (f'{s.inside}/mnt', f'{s.inside}/etc/hostname', s.inside):
        options = host.mounts_below(s.inside)[point][5].split(',')
        contains(options, 'nosuid', point)
        contains(options, 'nodev', point)
    for option in ('suid', 'dev'):
        equal(s.refused(s.mount, specs.mount('/tmp', options=[option]))[0], 'AccessDenied', option)
    s.mount(specs.mount('/tmp'))
    options = host.mounts_below(s.inside)[f'{s.inside}/tmp'][5].split(',')
    contains(options, 'nosuid', 'a tmpfs')
    contains(options, 'nodev', 'a tmpfs')


@case('what it cannot reach it cannot bind: a closed directory, a file below one, a closed root')
def unreachable(s):
    secret = specs.tree('secret', {'file': 'secret', 'open/file': 'secret'})
    os.chmod(secret, 0o700)
    for source in (f'{secret}/file', f'{secret}/open'):
        equal(s.refused(s.bind, source)[0], 'SourceDenied', source)
    equal(s.refused(s.create, specs.oci(f'{secret}/open'))[0], 'SourceDenied', 'a root')
    equal(s.refused(s.mount, specs.mount('/mnt', 'overlay', 'overlay', [f'lowerdir=/usr:{secret}/open']))[0],
            'SourceDenied', 'a lower layer')


@case('what lies hidden below a mount stays hidden: only a recursive clone is made, which shows the mount')
def hidden_below(s):
    data = specs.tree('covered', {'sub/hidden': 'hidden'}, owner=ALICE)
    subprocess.run(['mount', '-t', 'tmpfs', 'cover', f'{data}/sub'], check=True)
    try:
        equal(s.refused(s.bind, data)[0], 'SourceDenied', 'a bind')
        s.bind(data, '/mnt', ['rbind'])
        equal(os.listdir(f'{s.inside}/mnt/sub'), [], 'what the recursive clone shows')
        as_user(ALICE, lambda: bus.call(MANAGER, 'Unmount', 'ssa{sv}', s.pod, '/mnt', {}) and None)
    finally:
        subprocess.run(['umount', f'{data}/sub'], check=True)


@case('/proc/PID/root and cwd of another, and its own, lead nowhere')
def magic_links(s):
    sleeper = subprocess.Popen(['sleep', '600'], cwd='/root')
    try:
        for link in (f'/proc/{sleeper.pid}/root', f'/proc/{sleeper.pid}/cwd', f'/proc/{sleeper.pid}/root/etc',
                '/proc/self/root', '/proc/1/root', '/proc/self/fd/0'):
            name, text = s.refused(s.bind, link)
            equal(name in ('SourceDenied', 'NoSuchSource'), True, f'{link}: {name}: {text}')
    finally:
        sleeper.kill()
        sleeper.wait()


@case("a caller's own read-only overlay gets stubs, and its directories stay as they are")
def overlay_stubs(s):
    trees = {which: specs.tree(f'stubbed-{which}', {} if which == 'work' else {f'{which}': 'x'}, owner=ALICE) for which in ('low', 'upper', 'work')}
    s.mount(specs.mount('/mnt', 'overlay', 'overlay', [f"lowerdir={trees['low']}", f"upperdir={trees['upper']}", f"workdir={trees['work']}", 'ro']),
            specs.mount('/mnt/made/deep', options=['size=64k']))
    there = f'{s.daemon.rootfs(s.pod)}/mnt'
    equal(sorted(os.listdir(there)), ['low', 'made', 'upper'], 'what it shows')
    assert os.path.ismount(f'{there}/made/deep'), 'nothing is mounted there'
    equal([os.listdir(trees[which]) for which in ('low', 'upper')], [['low'], ['upper']], 'the directories')


@case("a tmpfs over a caller's root and binds gives no devices and no set-user-ID programs")
def overlay_flags(s):
    root, data = specs.rootfs('flags-root', ALICE), specs.tree('flags-data', {'file': 'x'}, ALICE)
    for overlay in ('tmpfs', 'all'):
        spec = specs.oci(root, [specs.bind(data, '/data')])
        spec['root']['overlay'] = overlay
        pod = s.daemon.create(spec, user=ALICE, over_bus=True)
        for path in ('', '/data'):
            equal(os.statvfs(f'{s.daemon.rootfs(pod)}{path}').f_flag & (os.ST_NOSUID | os.ST_NODEV), os.ST_NOSUID | os.ST_NODEV, f'{overlay} {path}')
        s.daemon.ok('gc', pod)


@case("an overlay's directories are the caller's own, lower ones too, and work is empty")
def overlay_directories(s):
    lower = specs.tree('lower', {'file': 'lower'}, owner=ALICE)
    foreign = specs.tree('foreign-lower', {'file': 'of root'})
    mine = specs.tree('mine', {'upper/': '', 'work/': '', 'full/file': 'x'}, owner=ALICE)
    other = specs.tree('other', {'upper/': '', 'work/': ''}, owner=BOB)
    os.chmod(f'{other}/upper', 0o777)

    def overlay(upper, work):
        return specs.mount('/mnt', 'overlay', 'overlay', [f'lowerdir={lower}', f'upperdir={upper}', f'workdir={work}'])
    for upper, work in [(f'{other}/upper', f'{mine}/work'), (f'{mine}/upper', f'{other}/work'),
            (f'{mine}/upper', f'{mine}/full'), (f'{other}/upper', f'{other}/work')]:
        equal(s.refused(s.mount, overlay(upper, work))[0], 'SourceDenied', f'{upper}, {work}')
    options = [f'lowerdir={foreign}', f'upperdir={mine}/upper', f'workdir={mine}/work']
    equal(s.refused(s.mount, specs.mount('/mnt', 'overlay', 'overlay', options))[0], 'SourceDenied',
            'a lower layer of another')
    s.mount(overlay(f'{mine}/upper', f'{mine}/work'))
    with open(f'{s.inside}/mnt/file') as file:
        equal(file.read(), 'lower', 'content')
    with open(f'{s.inside}/mnt/new', 'w') as file:
        file.write('x')
    equal(os.path.exists(f'{lower}/new'), False, 'the lower layer was written to')
    equal(os.path.exists(f'{mine}/upper/new'), True, 'the upper layer was not written to')


@case('its fds are sources as far as they are directories, files or mounts')
def fds(s):
    data = specs.tree('fd-own', {'file': 'x'}, owner=ALICE)

    def bind_fd(make):
        descriptor = make()
        number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
        return int(bus.call(MANAGER, 'Bind', 'sssa{sh}a{sv}', s.pod, 'fd:x', '/mnt', {'x': dbus.types.UnixFd(number)},
                {}))
    as_user(ALICE, bind_fd, lambda: os.open(data, os.O_PATH))
    equal(os.listdir(f'{s.inside}/mnt'), ['file'], 'the bound directory')
    as_user(ALICE, lambda: bus.call(MANAGER, 'Unmount', 'ssa{sv}', s.pod, '/mnt', {}) and None)
    for label, make in [('socket', lambda: socket.socketpair()[0]), ('pipe', lambda: os.pipe()[0]),
            ('memfd', lambda: os.memfd_create('x')),
                        ('pidfd', lambda: os.pidfd_open(os.getpid()))]:
        name, text = s.refused(lambda: as_user(ALICE, bind_fd, make))
        equal(name in ('SourceDenied', 'InvalidArgs', 'InvalidTarget', 'NoSuchSource'), True,
                f'{label}: {name}: {text}')


@case('mount points are made in its own root only where it could have made them itself')
def mount_points(s):
    data = specs.tree('points', {'file': 'x'}, owner=ALICE)
    os.makedirs(f'{s.root}/closed', exist_ok=True)
    os.chown(f'{s.root}/closed', 0, 0)
    os.chmod(f'{s.root}/closed', 0o755)
    s.refused(s.bind, data, '/closed/new')
    equal(os.listdir(f'{s.root}/closed'), [], 'a directory of another')
    s.bind(data, '/srv/new')
    equal(os.stat(f'{s.root}/srv').st_uid, ALICE, 'owner')


@case('quotas: pods per user, mounts per pod and user, tmpfs size where none is given')
def quotas(s):
    s.mount(specs.mount('/tmp'))
    size = os.statvfs(f'{s.inside}/tmp')
    equal(size.f_blocks * size.f_frsize, 1024 * 1024, 'bytes of a tmpfs without size')
    name, text = s.refused(s.mount, *[specs.mount(f'/mnt/{i}') for i in range(60)])
    equal(name, 'QuotaExceeded', text)
    s.create()
    s.create()
    name, text = s.refused(s.create)
    equal(name, 'QuotaExceeded', text)
    contains(text, 'pods per user', 'the sentence')
    s.create(specs.oci(specs.rootfs('bob-root', owner=BOB)), uid=BOB)
    for _ in range(5):
        s.daemon.create(specs.oci())


@case('what the xattrs of its layers say is not believed: no redirects, whatever it asks for')
def redirects(s):
    layers = specs.tree('redirecting', {'top/shown/': '', 'bottom/elsewhere/file': 'x', 'bottom/shown/': ''}, owner=ALICE)
    os.setxattr(f'{layers}/top/shown', 'trusted.overlay.redirect', b'/elsewhere')
    pair = f'lowerdir={layers}/top:{layers}/bottom'
    for options in ([pair], [pair, 'redirect_dir=off'], [pair, 'redirect_dir=nofollow']):
        mount = specs.mount('/mnt', 'overlay', 'overlay', options)
        s.mount(mount)
        # The kernel fails what it must not follow.
        with_redirect = None
        try:
            with_redirect = os.listdir(f'{s.inside}/mnt/shown')
        except OSError as error:
            equal(error.errno, errno.EPERM, f'{options}: a redirect that is not followed')
        equal(with_redirect in (None, []), True, f'{options}: {with_redirect}')
        as_user(ALICE, lambda: bus.call(MANAGER, 'Unmount', 'ssa{sv}', s.pod, '/mnt', {}) and None)
    for option in ('redirect_dir=on', 'redirect_dir=follow', 'metacopy=on'):
        equal(s.refused(s.mount, specs.mount('/mnt', 'overlay', 'overlay', [pair, option]))[0], 'AccessDenied', option)


@case('namespace-bound file systems of a stranger wait until the namespaces are named')
def deferred(s):
    pod = s.create(specs.oci(s.root, [specs.mount('/proc', 'proc', 'proc'),
            specs.mount('/sys', 'sysfs', 'sysfs', ['ro'])]))
    inside = s.daemon.rootfs(pod)
    equal([point for point in host.mounts_below(inside)], [inside], 'mounts')
    mounts = s.daemon.mounts(pod)
    equal((mounts['main:/proc']['State'], mounts['main:/sys']['State']), ('deferred', 'deferred'), 'states')
    equal(s.daemon.state(pod), 'ready', 'state')


@case('the directory of a pod is open to its owner alone')
def directory_modes(s):
    equal(oct(os.stat(s.daemon.runtime).st_mode & 0o7777), '0o755', 'runtime directory')
    equal(oct(os.stat(f'{s.daemon.runtime}/pods').st_mode & 0o7777), '0o711', 'pods')
    found = os.stat(f'{s.daemon.runtime}/pods/{s.pod}')
    equal((oct(found.st_mode & 0o7777), found.st_uid), ('0o700', ALICE), 'the pod')
    as_user(ALICE, os.listdir, s.inside)
    try:
        as_user(BOB, os.listdir, s.inside)
    except UserError as error:
        equal(error.name, 'PermissionError', 'what another gets')
    else:
        raise AssertionError('another user can look into the pod')
    found = os.stat(f'{s.daemon.runtime}/state')
    equal((oct(found.st_mode & 0o7777), found.st_uid), ('0o700', host.FRONT), 'state')


@case('connections of one user are bounded, and others are served all the same')
def connections(s):
    def crowd():
        held = []
        for _ in range(200):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(s.daemon.socket)
            held.append(connection)
        served = 0
        for connection in held:
            connection.settimeout(5 * tap.PATIENCE)
            try:
                connection.sendall(b'\0AUTH EXTERNAL ' + str(ALICE).encode().hex().encode() + b'\r\n')
                served += connection.recv(100).startswith(b'OK')
            except OSError:
                pass
        with open(f'{s.daemon.directory}/crowd', 'w') as file:
            file.write(str(served))
        os.kill(os.getpid(), 19)  # holds them until it is killed
    os.chmod(s.daemon.directory, 0o777)
    pid = os.fork()
    if pid == 0:
        host.drop_to(ALICE)
        crowd()
        os._exit(0)
    path = f'{s.daemon.directory}/crowd'
    eventually(lambda: os.path.exists(path) and os.path.getsize(path) > 0, 'the crowd is there', 60)
    with open(path) as file:
        equal(file.read(), '64', 'connections that were served')
    equal(s.daemon.ctl('status').status, 0, 'root is served')
    equal(s.daemon.ctl('status', user=BOB).status, 0, 'another user is served')
    os.kill(pid, 9)
    os.waitpid(pid, 0)


@case('a uid 0 in a user namespace of its own is a stranger')
def stranger_root(s):
    program = ['unshare', '--user', '--map-root-user', f'{host.DIRECTORY}/bin/podmountctl', '--socket', s.daemon.socket,
            'create', '-']
    done = host.run(program, user=ALICE, input=json.dumps(specs.oci(s.root)))
    equal(done.status, 1, f'{done}')
    done = host.run(['unshare', '--mount', f'{host.DIRECTORY}/bin/podmountctl', '--socket', s.daemon.socket, 'show',
            s.pod])
    equal(done.status, 1, f'root of another mount namespace sees a pod of another: {done}')


if __name__ == '__main__':
    host.prepare()
    bus = Bus()
    tap.run(Situation)
