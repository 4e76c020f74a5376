#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""OpenTree: what is given away stays what it was, whoever owns a user namespace."""

import json
import os
import subprocess

from frame import host, specs, tap
from frame.bus import Bus
from frame.daemon import ERROR
from frame.host import ALICE, BOB
from frame.situation import WithPolkit
from frame.tap import case, contains, equal

bus = None

# Takes fd 3 for what it is and tries to make more of it, in a user namespace of its own. What came of it, as JSON.
ATTACK = r'''
import ctypes, errno, json, os, struct
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    if libc.syscall(number, *arguments) >= 0:
        return 'done'
    return errno.errorcode[ctypes.get_errno()]
def clear(bits, recursive, path=b''):
    return call(442, 3, path, (0x1000 if not path else 0) | recursive, struct.pack('QQQQ', 0, bits, 0, 0), 32)
found = {}
assert libc.unshare(0x10020000) == 0, os.strerror(ctypes.get_errno())
flags = {'ro': 1, 'nosuid': 2, 'nodev': 4, 'noexec': 8, 'atime': 0x70}
for name, bits in flags.items():
    found[name] = sorted({clear(bits, 0), clear(bits, 0x8000)})
for name, bits in flags.items():
    for below in BELOW:
        found[f'{below} {name}'] = [clear(bits, 0, below.encode())]
found['move'] = call(429, 3, b'', -100, b'/mnt', 4)
for name, bits in flags.items():
    for below in BELOW:
        found[f'{below} {name} attached'] = [call(442, -100, b'/mnt/' + below.encode(), 0, struct.pack('QQQQ', 0, bits, 0, 0), 32)]
for below in BELOW:
    found[f'{below} unmount'] = 'done' if libc.umount2(b'/mnt/' + below.encode(), 2) == 0 else errno.errorcode[ctypes.get_errno()]
found['plain clone'] = call(428, -100, b'/mnt', 1)
for path in READ:
    try:
        found[f'read {path}'] = open(f'/mnt/{path}').read()
    except OSError as error:
        found[f'read {path}'] = errno.errorcode[error.errno]
for path in WRITE:
    try:
        open(f'/mnt/{path}', 'w')
        found[f'write {path}'] = 'done'
    except OSError as error:
        found[f'write {path}'] = errno.errorcode[error.errno]
print(json.dumps(found))
'''


def attack(below=(), read=(), write=()):
    return f'BELOW, READ, WRITE = {list(below)!r}, {list(read)!r}, {list(write)!r}\n{ATTACK}'


class Situation(WithPolkit):
    def __init__(self):
        super().__init__(bus, 'yes')

    def create(self, *mounts, uid=ALICE, **how):
        return self.daemon.create(specs.oci(self.root, mounts=mounts, **how), user=uid, over_bus=True)

    def run(self, pod, path, *command, uid=ALICE, **more):
        return self.daemon.ctl('open-tree', pod, path, '--', *command, user=uid, over_bus=True, **more)

    def attack(self, pod, path, **what):
        done = self.run(pod, path, '/usr/bin/python3', '-c', attack(**what))
        equal(done.status, 0, done)
        return json.loads(done.out)


@case('an ordinary user gets a clone in which every flag is locked, on it and on what is mounted below')
def flags(s):
    data = specs.tree('tree-data', {'file': 'x', 'below/': ''}, owner=ALICE)
    options = ('ro', 'nosuid', 'nodev', 'noexec', 'noatime')
    pod = s.create(specs.bind(data, '/mnt', 'bind', *options), specs.mount('/mnt/below', options=options))
    found = s.attack(pod, '/mnt', below=['below'], read=['file'], write=['file', 'new', 'below/new'])
    for name in ('ro', 'nosuid', 'nodev', 'noexec', 'atime'):
        equal(found[name], ['EPERM'], name)
        equal(found[f'below {name} attached'], ['EPERM'], f'{name} below')
        assert found[f'below {name}'] != ['done'], found
    equal(found['move'], 'done', 'attaching it')
    equal(found['below unmount'], 'EINVAL', 'unmounting what is below')
    equal(found['plain clone'], 'EINVAL', 'a clone without what is below')
    equal(found['read file'], 'x', 'the content')
    for path in ('file', 'new', 'below/new'):
        equal(found[f'write {path}'], 'EROFS', f'writing {path}')


@case('what a mount hides never leaves, also after the pod has gone')
def masked(s):
    data = specs.tree('tree-hidden', {'hidden/secret': 'x'}, owner=ALICE)
    empty = specs.tree('tree-empty', {}, owner=ALICE)
    pod = s.create(specs.bind(data, '/mnt', 'bind', 'ro'), specs.bind(empty, '/mnt/hidden', 'bind', 'ro'))
    found = s.attack(pod, '/mnt', below=['hidden'], read=['hidden/secret'])
    equal(found['hidden unmount'], 'EINVAL', 'unmounting the mask')
    equal(found['read hidden/secret'], 'ENOENT', 'the secret')
    process = subprocess.Popen([f'{host.DIRECTORY}/bin/podmountctl', '--socket', s.daemon.socket, 'open-tree', pod, '/mnt', '--',
            'sh', '-c', 'echo begun; read go; ls hidden; echo end'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    equal(process.stdout.readline(), 'begun\n', 'the command')
    s.daemon.ok('gc', pod)
    out, _ = process.communicate('go\n', timeout=30)
    equal(out, 'end\n', 'what it sees after the pod')


@case('root gets a plain clone; files and the container\'s own links are resolved inside')
def root_and_paths(s):
    data = specs.tree('tree-root', {'file': 'x'}, owner=0)
    os.symlink('/etc/hostname', f'{data}/link')
    pod = s.create(specs.bind(data, '/mnt', 'bind'), uid=0)
    done = s.run(pod, '/mnt', 'cat', 'file', uid=0)
    equal((done.status, done.out), (0, 'x'), done)
    done = s.run(pod, '/', 'ls', uid=0)
    contains(done.out, 'mnt', 'the root')
    done = s.run(pod, '/mnt/nowhere', 'true', uid=0)
    equal(done.status, 1, done)
    contains(done.err, 'has no /mnt/nowhere', 'error')
    contains(s.run(pod, 'mnt', 'true', uid=0).err, 'no absolute path', 'error')
    contains(s.run(pod, '/../..', 'true', uid=0).err, 'no absolute path', 'error')
    contains(s.daemon.refused('open-tree', pod, '/', '--container', 'side', 'true'), 'no container "side"', 'error')
    equal(s.run(pod, '/', 'sh', '-c', 'exit 7', uid=0).status, 7, 'exit status')
    tree = s.daemon.manager('OpenTree', 'sssa{sv}', pod, 'main', '/mnt/link', {})
    fd = tree.take()
    try:
        with open(f'/proc/self/fd/{fd}') as file:
            equal(file.read(), 'pod\n', 'the link\'s end in the container')
    finally:
        os.close(fd)


@case('whoever may not see the pod is told that there is none, whoever may not have it AccessDenied')
def strangers(s):
    pod = s.create()
    done = s.run(pod, '/', 'true', uid=BOB)
    equal(done.status, 1, done)
    contains(done.err, f'No pod "{pod}" is known', 'error')
    s.polkit.answer('no')
    try:
        done = s.run(pod, '/', 'true')
    finally:
        s.polkit.answer('yes')
    equal(done.status, 1, done)
    contains(done.err, 'org.podmount1.open-tree', 'error')


@case('what the kernel cannot lock is refused to all but root')
def not_lockable(s):
    data = specs.tree('tree-nolink', {'below/': ''}, owner=ALICE)
    pod = s.create(specs.bind(data, '/mnt', 'bind'), specs.mount('/mnt/below', options=['nosymfollow']))
    for path in ('/', '/mnt', '/mnt/below'):
        contains(s.run(pod, path, 'true').err, 'nosymfollow', path)
    equal(s.run(pod, '/mnt', 'true', uid=0).status, 0, 'root')
    data = specs.tree('tree-unbindable', {'below/secret': 'x'}, owner=ALICE)
    pod = s.create(specs.bind(data, '/mnt', 'bind'), specs.mount('/mnt/below', options=['unbindable']))
    done = s.run(pod, '/mnt', 'ls', 'below')
    if done.status == 0:  # newer kernels copy it like any other
        equal(done.out, '', 'what is hidden')
    else:
        contains(done.err, 'unbindable', 'error')


@case('nothing of it stays behind: no mount, no record, no process, no namespace')
def traces(s):
    pod = s.create()
    before, children = host.mount_table(), sorted(host.processes_of(s.daemon.keeper()))
    for _ in range(20):
        equal(s.run(pod, '/', 'true').status, 0, 'open-tree')
    equal(host.mount_table(), before, 'the mount table')
    equal(sorted(host.processes_of(s.daemon.keeper())), children, 'processes')
    equal(s.daemon.state(pod), 'ready', 'state')
    equal(s.daemon.json('show', pod)['Drifted'], False, 'drift')


if __name__ == '__main__':
    host.prepare()
    bus = Bus()
    tap.run(Situation)
