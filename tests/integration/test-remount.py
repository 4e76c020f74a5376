#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""remount: a recorded mount changes, its record with it; refused, failed or cut off, it is as before or as asked."""

import json
import os
import signal
import subprocess
import threading
import time

import dbus

from frame import host, specs, tap
from frame.bus import Bus
from frame.daemon import MANAGER, PATH, Stage
from frame.host import ALICE, UserError, as_user
from frame.situation import WithPolkit
from frame.tap import case, contains, equal, eventually


def fields(daemon, pod, target):
    return host.mounts_below(daemon.rootfs(pod))[daemon.rootfs(pod) + target]


def words(daemon, pod, target):
    return fields(daemon, pod, target)[5].split(',')


def superblock(daemon, pod, target):
    return fields(daemon, pod, target)[-1].split(',')


def undrifted(daemon, pod):
    """Neither now, nor after a look at everything, nor after a restart: what is recorded is what is there."""
    equal(daemon.state(pod), 'ready', 'state')
    daemon.manager('Rescan', '')
    equal(daemon.state(pod), 'ready', f'state after Rescan()\n{daemon.ok("show", pod)}')


def remount(daemon, pod, target, options, **more):
    return int(daemon.ok('mount', pod, target, '-o', f'remount,{options}', **more))


@case('attributes of a bind: changed in place, recorded, under the same id')
def attributes(daemon):
    source = specs.tree('remount-source', {'file': 'x'})
    pod = daemon.create(specs.oci(mounts=[specs.bind(source, '/data', 'bind')]))
    ident = daemon.mounts(pod)['main:/data']['ID']
    equal(remount(daemon, pod, '/data', 'ro,noexec'), ident, 'id')
    for word in ('ro', 'noexec'):
        contains(words(daemon, pod, '/data'), word, 'attributes')
        contains(daemon.mounts(pod)['main:/data']['Options'], word, 'ListMounts')
    undrifted(daemon, pod)
    equal(remount(daemon, pod, '/data', 'rw'), ident, 'id of the second')
    equal(('rw' in words(daemon, pod, '/data'), 'noexec' in words(daemon, pod, '/data')), (True, True), 'what stays')
    undrifted(daemon, pod)
    equal(os.path.exists(f'{source}/file'), True, 'source')
    equal(daemon.ctl('mount', pod, '/data', '-o', 'remount,bind,ro').status, 0, 'bind beside remount, as mount(8) has it')
    found = daemon.manager('Bind', 'sssa{sh}a{sv}', pod, '', '/data', {},
                           {'options': dbus.Array(['remount', 'rw', 'nosuid'], signature='s')})
    equal(int(found), ident, 'id by Bind()')
    equal(('rw' in words(daemon, pod, '/data'), 'nosuid' in words(daemon, pod, '/data')), (True, True), 'by Bind()')
    undrifted(daemon, pod)
    daemon.restart()
    undrifted(daemon, pod)
    subprocess.run(['umount', f'{daemon.rootfs(pod)}/data'], check=True)
    eventually(lambda: daemon.state(pod) == 'degraded', 'a missing mount')
    daemon.ok('repair', pod)
    for word in ('rw', 'nosuid', 'noexec'):
        contains(words(daemon, pod, '/data'), word, 'what is made again is what it was last')


@case('recursive words reach the mounts below, and nothing else')
def recursive(daemon):
    source = specs.tree('remount-nested', {'below/': ''})
    if not os.path.ismount(f'{source}/below'):
        subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'below', f'{source}/below'], check=True)
    pod = daemon.create(specs.oci(mounts=[specs.mount('/data', 'bind', source, ['rbind'])]))
    remount(daemon, pod, '/data', 'noexec')
    equal(['noexec' in words(daemon, pod, t) for t in ('/data', '/data/below')], [True, False], 'a plain word')
    undrifted(daemon, pod)
    remount(daemon, pod, '/data', 'rro')
    equal(['ro' in words(daemon, pod, t) for t in ('/data', '/data/below')], [True, True], 'a recursive one')
    undrifted(daemon, pod)
    equal('ro' in host.mounts_below(source)[f'{source}/below'][5].split(','), False, 'the source')
    remount(daemon, pod, '/data', 'rrw,ro')
    equal(['ro' in words(daemon, pod, t) for t in ('/data', '/data/below')], [True, False], 'both')
    undrifted(daemon, pod)
    daemon.restart()
    undrifted(daemon, pod)


@case('options of the file system: tmpfs, devpts, and flags')
def reconfigured(daemon):
    pod = daemon.create(specs.oci(mounts=[specs.mount('/tmp', options=['size=1m', 'mode=0700']),
                                          specs.mount('/dev/pts', 'devpts', 'devpts', ['gid=5', 'mode=0620', 'max=9'])]))
    with open(f'{daemon.rootfs(pod)}/tmp/kept', 'w') as file:
        file.write('x' * 100000)
    remount(daemon, pod, '/tmp', 'size=2m,nr_inodes=50,noexec')
    for word in ('size=2048k', 'nr_inodes=50'):
        contains(superblock(daemon, pod, '/tmp'), word, 'tmpfs')
    remount(daemon, pod, '/tmp', 'sync')
    contains(superblock(daemon, pod, '/tmp'), 'sync', 'a flag')
    remount(daemon, pod, '/tmp', 'async')
    equal('sync' in superblock(daemon, pod, '/tmp'), False, 'a flag that is taken back')
    contains(superblock(daemon, pod, '/tmp'), 'size=2048k', 'what was not named')
    remount(daemon, pod, '/dev/pts', 'mode=0600')
    for word in ('gid=5', 'mode=600', 'max=9'):
        contains(superblock(daemon, pod, '/dev/pts'), word, 'devpts')
    with open(f'{daemon.rootfs(pod)}/tmp/kept') as file:
        equal(len(file.read()), 100000, 'contents')
    undrifted(daemon, pod)
    before = fields(daemon, pod, '/tmp')
    contains(daemon.refused('mount', pod, '/tmp', '-o', 'remount,ro,size=4k'), 'Too small a size', "the kernel's words")
    equal(fields(daemon, pod, '/tmp'), before, 'after a failure: nothing has changed')
    undrifted(daemon, pod)
    with open(f'{daemon.rootfs(pod)}/tmp/open', 'w'):
        contains(daemon.refused('mount', pod, '/tmp', '-o', 'remount,ro'), 'open for writing', 'busy')
    equal(fields(daemon, pod, '/tmp'), before, 'after a busy one')
    for turn in range(40):
        remount(daemon, pod, '/tmp', f'size={turn + 1}m,{"ro" if turn % 2 else "rw"}')
    undrifted(daemon, pod)
    daemon.stop()
    state = open(f'{daemon.runtime}/state/state.db', 'rb').read()
    equal((b'size=40m' in state, b'"size=3m","' in state), (True, False), 'the record has each option once')
    daemon.start()


def refused(daemon, pod, text, name, says):
    before = host.mount_table()
    found, said = daemon.error_of('Mount', 'ssa{sh}a{sv}', pod, json.dumps(text), {}, {})
    equal(found.rsplit('.', 1)[1], name, said)
    contains(said, says, name)
    equal(host.mount_table(), before, 'mount table')


@case('what cannot be changed is refused, and nothing has changed')
def refusals(daemon):
    source = specs.tree('remount-refused', {'below/': ''})
    if not os.path.ismount(f'{source}/below'):
        subprocess.run(['mount', '-t', 'tmpfs', 'below', f'{source}/below'], check=True)
    pod = daemon.create(specs.oci(mounts=[specs.mount('/tmp'), specs.bind(source, '/data', 'rbind'),
                                          specs.mount('/sys', 'sysfs', 'sysfs')]))
    for option in ('mode=0700', 'inode64', 'uid=5', 'private', 'tmpcopyup', 'nonsense', 'size=0x', 'lowerdir=/etc', 'size'):
        refused(daemon, pod, {'destination': '/tmp', 'options': ['remount', option]}, 'InvalidOption', '/options/1')
    for option in ('sync', 'rshared', 'idmap', 'size=1m'):
        refused(daemon, pod, {'destination': '/data', 'options': ['remount', option]}, 'InvalidOption', '/options/1')
    refused(daemon, pod, {'destination': '/sys', 'options': ['remount', 'sync']}, 'InvalidOption', 'only when it is made')
    refused(daemon, pod, {'destination': '/tmp', 'type': 'devpts', 'options': ['remount']}, 'InvalidSpec', '/type')
    for target in ('/mnt', '/etc', '/data/nothing'):
        refused(daemon, pod, {'destination': target, 'options': ['remount', 'ro']}, 'NoSuchMount', 'without remount')
    subprocess.run(['mount', '-t', 'tmpfs', 'foreign', f'{daemon.rootfs(pod)}/mnt'], check=True)
    refused(daemon, pod, {'destination': '/mnt', 'options': ['remount', 'ro']}, 'NoSuchMount', 'without remount')
    subprocess.run(['umount', f'{daemon.rootfs(pod)}/mnt'], check=True)
    for target in ('/', '/data/below'):
        refused(daemon, pod, {'destination': target, 'options': ['remount', 'ro']},
                'NotSupported' if target != '/' else 'InvalidTarget', '')
    refused(daemon, pod, [{'destination': '/tmp', 'options': ['remount', 'ro']}, specs.mount('/srv')],
            'InvalidArgs', 'alone')
    subprocess.run(['mount', '-t', 'tmpfs', 'cover', f'{daemon.rootfs(pod)}/tmp'], check=True)
    refused(daemon, pod, {'destination': '/tmp', 'options': ['remount', 'ro']}, 'NoSuchMount', 'covered')
    subprocess.run(['umount', f'{daemon.rootfs(pod)}/tmp'], check=True)
    tap.eventually(lambda: daemon.state(pod) == 'ready', 'nothing has changed')
    for mounts in ([specs.mount('/tmp'), specs.mount('/tmp', options=['remount', 'ro'])],
                   [specs.mount('/tmp', options=['remount', 'ro'])]):
        name, said = daemon.error_of('CreatePod', 'sa{sh}a{sv}', json.dumps(specs.oci(mounts=mounts)), {}, {})
        equal(name.rsplit('.', 1)[1] in ('InvalidOption', 'InvalidSpec'), True, said)
        contains(said, '/mounts/', 'the place')


@case('a target that becomes a way out while it is changed: found by its id, or refused')
def swapped(daemon):
    outside = specs.tree('remount-outside', {'data/': ''})
    subprocess.run(['mount', '-t', 'tmpfs', 'outside', f'{outside}/data'], check=True)
    pod = daemon.create(specs.oci(mounts=[specs.mount('/srv/deep/data')]))
    inside = f'{daemon.rootfs(pod)}/srv'
    os.rename(f'{inside}/deep', f'{inside}/moved')
    os.symlink(outside, f'{inside}/deep')
    contains(daemon.refused('mount', pod, '/srv/deep/data', '-o', 'remount,ro'), 'srv/deep', 'sentence')
    equal('ro' in host.mounts_below(outside)[f'{outside}/data'][5].split(','), False, 'outside')
    os.unlink(f'{inside}/deep')
    os.rename(f'{inside}/moved', f'{inside}/deep')
    subprocess.run(['umount', f'{outside}/data'], check=True)


@case('who is not root loosens neither a bind nor what root alone grants', alone=True)
def unprivileged():
    with WithPolkit(Bus(), 'yes') as s:
        as_alice(s)


def as_alice(s):
    source = specs.tree('remount-alice', {'file': 'x'}, owner=ALICE)
    spec = json.dumps(specs.oci(s.root, mounts=[specs.bind(source, '/data', 'bind', 'noexec'), specs.mount('/tmp')]))
    pod = as_user(ALICE, lambda: str(s.daemon.bus.call(MANAGER, 'CreatePod', 'sa{sh}a{sv}', spec, {}, {})[0]))

    def change(target, *options):
        text = json.dumps({'destination': target, 'options': ['remount', *options]})
        return as_user(ALICE, lambda: [int(i) for i in s.daemon.bus.call(MANAGER, 'Mount', 'ssa{sh}a{sv}', pod, text, {}, {})])

    for target, option in (('/data', 'exec'), ('/data', 'rw'), ('/data', 'suid'), ('/data', 'rdev'), ('/tmp', 'suid'),
                           ('/tmp', 'dev'), ('/tmp', 'size=0')):
        before = fields(s.daemon, pod, target)
        try:
            change(target, option)
            raise AssertionError(f'{option} of {target} was not refused')
        except UserError as error:
            equal(error.name, 'org.freedesktop.DBus.Error.AccessDenied', f'{target} {option}: {error.text}')
        equal(fields(s.daemon, pod, target), before, f'{target} {option}')
    change('/data', 'ro')
    change('/tmp', 'ro', 'noexec')
    change('/tmp', 'rw', 'exec', 'size=1m')
    for target, expected in (('/data', ['ro', 'nosuid', 'nodev', 'noexec']), ('/tmp', ['rw', 'nosuid', 'nodev'])):
        for word in expected:
            contains(words(s.daemon, pod, target), word, target)
    equal('noexec' in words(s.daemon, pod, '/tmp'), False, 'its own tmpfs')
    undrifted(s.daemon, pod)


@case('who is not root takes nothing off an overlay that its layers have', alone=True)
def overlay_of_noexec():
    with WithPolkit(Bus(), 'yes') as s:
        base = specs.tree('remount-noexec', {})
        subprocess.run(['mount', '-t', 'tmpfs', '-o', 'noexec,mode=0755', 'layers', base], check=True)
        for name in ('one', 'two', 'upper', 'work'):
            os.mkdir(f'{base}/{name}')
            os.chown(f'{base}/{name}', ALICE, ALICE)

        def call(method, *arguments):
            return as_user(ALICE, lambda: str(s.daemon.bus.call(MANAGER, method, *arguments)))

        layers = [f'lowerdir={base}/one:{base}/two', f'upperdir={base}/upper', f'workdir={base}/work']
        # A word that had no effect when the overlay was made has none when all its words are looked at again.
        spec = specs.oci(s.root, mounts=[specs.mount('/data', 'overlay', 'overlay', ['exec', *layers])])
        pod = as_user(ALICE, lambda: str(s.daemon.bus.call(MANAGER, 'CreatePod', 'sa{sh}a{sv}', json.dumps(spec), {}, {})[0]))
        contains(words(s.daemon, pod, '/data'), 'noexec', 'an overlay of noexec layers')
        for option in ('exec', 'suid', 'symfollow'):
            try:
                call('Mount', 'ssa{sh}a{sv}', pod, json.dumps({'destination': '/data', 'options': ['remount', option]}), {}, {})
                raise AssertionError(f'{option} was not refused')
            except UserError as error:
                equal(error.name, 'org.freedesktop.DBus.Error.AccessDenied', f'{option}: {error.text}')
        for option in ('ro', 'rw'):
            call('Mount', 'ssa{sh}a{sv}', pod, json.dumps({'destination': '/data', 'options': ['remount', option]}), {}, {})
            for word in (option, 'nosuid', 'nodev', 'noexec'):
                contains(words(s.daemon, pod, '/data'), word, f'after {option}')
        undrifted(s.daemon, pod)


@case('killed at any instant, a remount is made or not, never half, and can be asked for again')
def killed(daemon):
    pod = daemon.create(specs.oci(mounts=[specs.mount('/tmp', options=['size=1m'])]))
    made = 0
    for turn in range(24):
        word, size = ('ro', 'rw')[turn % 2], 2 + turn
        call = subprocess.Popen([f'{host.DIRECTORY}/bin/podmountctl', '--socket', daemon.socket, 'mount', pod, '/tmp', '-o',
                                 f'remount,{word},size={size}m'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(turn * 0.0015)
        os.kill((daemon.keeper(), daemon.front())[turn % 3 == 0], signal.SIGKILL)
        daemon.wait()
        call.wait()
        daemon.start()
        tap.eventually(lambda: daemon.state(pod) == 'ready', f'turn {turn}: the record is what is there')
        undrifted(daemon, pod)
        seen = (word in words(daemon, pod, '/tmp'), f'size={size * 1024}k' in superblock(daemon, pod, '/tmp'))
        equal(seen[0] or not seen[1], True, f'turn {turn}: half of it: {seen}')
        made += seen[1]
        remount(daemon, pod, '/tmp', f'{word},size={size}m')
        contains(superblock(daemon, pod, '/tmp'), f'size={size * 1024}k', 'asked for again')
    tap.diagnose(f'{made} of 24 had been made')


@case('killed with its intent written and nothing done yet, it is made by the next start')
def finished(daemon):
    pod = daemon.create(specs.oci(mounts=[specs.mount('/tmp', options=['size=1m'])]))
    connection = daemon.connection()
    daemon.manager('ListPods', 'a{sv}', {}, connection=connection)  # who we are is known from here on, without an executor
    for pid in daemon.executors():
        os.kill(pid, signal.SIGSTOP)
    text = json.dumps({'destination': '/tmp', 'options': ['remount', 'ro', 'size=7m']})
    connection.call_async(None, PATH, MANAGER, 'Mount', 'ssa{sh}a{sv}', (pod, text, {}, {}), None, None)
    connection.flush()
    daemon.manager('ListPods', 'a{sv}', {}, connection=connection)  # answered after it
    equal('size=1024k' in superblock(daemon, pod, '/tmp'), True, 'nothing is done yet')
    os.kill(daemon.keeper(), signal.SIGKILL)
    daemon.wait()
    connection.close()
    daemon.start()
    eventually(lambda: 'size=7168k' in superblock(daemon, pod, '/tmp'), 'the start makes it')
    contains(daemon.log(), 'Finishing a remount', 'log')
    contains(words(daemon, pod, '/tmp'), 'ro', 'attributes')
    eventually(lambda: daemon.state(pod) == 'ready', 'state')
    undrifted(daemon, pod)
    daemon.restart()
    equal(daemon.log().count('Finishing a remount'), 1, 'how often it was finished')


@case('an executor that dies with it: it is made by the next one')
def lost(daemon):
    pod = daemon.create(specs.oci(mounts=[specs.mount('/tmp', options=['size=1m'])]))
    ident = daemon.mounts(pod)['main:/tmp']['ID']
    connection, answers = daemon.connection(), []
    daemon.manager('ListPods', 'a{sv}', {}, connection=connection)  # who we are is known from here on, without an executor
    for pid in daemon.executors():
        os.kill(pid, signal.SIGSTOP)
    text = json.dumps({'destination': '/tmp', 'options': ['remount', 'ro', 'size=7m']})
    caller = threading.Thread(target=lambda: answers.append(daemon.manager('Mount', 'ssa{sh}a{sv}', pod, text, {}, {},
                                                                           connection=connection)))
    caller.start()
    time.sleep(0.3)
    for pid in daemon.executors():
        os.kill(pid, signal.SIGKILL)
    caller.join()
    equal([int(answer[0]) for answer in answers], [ident], 'the answer')
    contains(daemon.log(), 'ended (signal 9)', 'log')
    contains(superblock(daemon, pod, '/tmp'), 'size=7168k', 'made')
    undrifted(daemon, pod)


if __name__ == '__main__':
    host.prepare()
    tap.run(Stage)
