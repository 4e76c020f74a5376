#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Layers that are mounted: what they show, who holds them, and when they go."""

import io
import os
import signal
import stat
import subprocess
import tarfile
import time

import dbus
import dbus.lowlevel

from frame import host, tap
from frame.daemon import ERROR, LAYERS, PATH, Stage
from frame.layers import call, changes, create, directory_of, error_of, fill, get, put, read, tar_of, write
from frame.tap import Skip, case, contains, equal, eventually


def mounts(daemon):
    return sorted(os.path.basename(point) for point in host.mounts_below(f'{daemon.runtime}/layers'))


def holders(daemon, ident):
    return sorted((holder['Name'], holder['Count'], holder['ConnectionBound']) for holder in daemon.json('layer', 'info', ident)['Holders'])


def options_of(path):
    for line in host.mount_table():
        fields = line.split(' ')
        if fields[4] == path:
            return fields[5].split(',') + line.split(' - ')[1].split(' ')[2].split(',')
    raise AssertionError(f'nothing is mounted at {path}')


def begin(daemon, *words):
    return subprocess.Popen([f'{host.DIRECTORY}/bin/podmountctl', '--socket', daemon.socket, *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@case('a layer without a parent is a bind, read-only unless it is read-write')
def single(daemon):
    create(daemon, 'base', file='of base\n')
    before = host.mount_table()
    path = get(daemon, 'base')
    equal(path, f'{daemon.runtime}/layers/base', 'path')
    equal(read(f'{path}/file'), 'of base\n', 'content')
    equal({word for word in options_of(path) if word in ('ro', 'rw', 'nosuid', 'nodev', 'noexec')}, {'ro', 'nosuid', 'nodev', 'rw'} & set(options_of(path))
            | {'ro', 'nosuid', 'nodev'}, 'options')
    assert 'noexec' not in options_of(path), options_of(path)
    put(daemon, 'base')
    equal((mounts(daemon), os.path.exists(path)), ([], False), 'mounts')
    equal(host.mount_table(), before, 'the mount table')
    create(daemon, 'scratch', None, '--read-write')
    path = get(daemon, 'scratch')
    write(f'{path}/new', 'x')
    equal(os.listdir(directory_of(daemon, 'scratch')), ['new'], 'what was written')
    put(daemon, 'scratch')


@case('a chain shows each layer above those below, with whiteouts and opaque directories')
def chain(daemon):
    create(daemon, 'one', file='1', kept='k', gone='g')
    write(f'{directory_of(daemon, "one")}/dir/below', 'b')
    create(daemon, 'two', 'one', file='2')
    os.mknod(f'{directory_of(daemon, "two")}/gone', stat.S_IFCHR, os.makedev(0, 0))
    os.mkdir(f'{directory_of(daemon, "two")}/dir')
    os.setxattr(f'{directory_of(daemon, "two")}/dir', 'trusted.overlay.opaque', b'y')
    write(f'{directory_of(daemon, "two")}/dir/above', 'a')
    create(daemon, 'three', 'two', '--read-write')
    path = get(daemon, 'three')
    equal(sorted(os.listdir(path)), ['dir', 'file', 'kept'], 'what it shows')
    equal((read(f'{path}/file'), os.listdir(f'{path}/dir')), ('2', ['above']), 'contents')
    write(f'{path}/file', '3')
    os.unlink(f'{path}/kept')
    put(daemon, 'three')
    equal(sorted(os.listdir(directory_of(daemon, 'three'))), ['file', 'kept'], 'what was written')
    assert stat.S_ISCHR(os.stat(f'{directory_of(daemon, "three")}/kept').st_mode), 'a whiteout'
    equal((read(f'{directory_of(daemon, "one")}/file'), read(f'{directory_of(daemon, "two")}/file')), ('1', '2'), 'the layers below')
    path = get(daemon, 'two')
    equal((read(f'{path}/file'), sorted(os.listdir(path))), ('2', ['dir', 'file', 'kept']), 'read-only')
    try:
        write(f'{path}/x', '')
        raise AssertionError('a read-only layer was written to')
    except OSError:
        pass
    put(daemon, 'two')


@case('it is mounted once and counted for each holder; the last one unmounts it')
def counted(daemon):
    create(daemon, 'base', file='x')
    for holder in ('a', 'a', 'b'):
        get(daemon, 'base', holder)
    equal(mounts(daemon), ['base'], 'mounts')
    equal(holders(daemon, 'base'), [('a', 2, False), ('b', 1, False)], 'holders')
    equal(daemon.json('layer', 'status')['Mounted'], 1, 'status')
    text = daemon.refused('layer', 'remove', 'base')
    contains(text, 'held by a, b')
    put(daemon, 'base', 'b')
    put(daemon, 'base', 'b')  # once more is no error
    put(daemon, 'base', 'nobody')
    equal((holders(daemon, 'base'), mounts(daemon)), ([('a', 2, False)], ['base']), 'what is left')
    put(daemon, 'base', 'a')
    equal(mounts(daemon), ['base'], 'mounts')
    put(daemon, 'base', 'a')
    equal((holders(daemon, 'base'), mounts(daemon)), ([], []), 'what is left')
    for _ in range(3):
        get(daemon, 'base', 'a')
    put(daemon, 'base', 'a', '--all')
    equal((holders(daemon, 'base'), mounts(daemon)), ([], []), 'after --all')
    daemon.ok('layer', 'get', 'base')
    equal(holders(daemon, 'base'), [('default', 1, False)], 'a holder without a name')
    daemon.ok('layer', 'put', 'base')
    daemon.ok('layer', 'remove', 'base')


@case('holders last over a restart of the daemon, and the mount with them')
def restarts(daemon):
    create(daemon, 'base', file='x')
    create(daemon, 'top', 'base', '--read-write')
    path = get(daemon, 'top', 'a')
    write(f'{path}/written', 'w')
    busy = open(f'{path}/written')
    before = host.mount_table()
    daemon.restart()
    equal(host.mount_table(), before, 'the mount table')
    equal(holders(daemon, 'top'), [('a', 1, False)], 'holders')
    equal(daemon.json('layer', 'info', 'top')['Path'], path, 'path')
    equal(get(daemon, 'top', 'b'), path, 'path')
    equal(host.mount_table(), before, 'the mount table')
    put(daemon, 'top', 'a')
    busy.close()
    put(daemon, 'top', 'b')
    equal(mounts(daemon), [], 'mounts')


@case('as after a boot: what nobody has mounted any more is mounted by the next who gets it, and counts are kept')
def boot(daemon):
    create(daemon, 'base', file='x')
    path = get(daemon, 'base', 'a')
    daemon.stop()
    subprocess.run(['umount', path], check=True)
    daemon.start()
    equal((holders(daemon, 'base'), mounts(daemon), daemon.json('layer', 'info', 'base')['Path']), ([('a', 1, False)], [], ''), 'state')
    equal(read(f'{get(daemon, "base", "b")}/file'), 'x', 'content')
    subprocess.run(['umount', path], check=True)  # behind the daemon's back
    equal(daemon.json('layer', 'info', 'base')['Path'], '', 'where it is')
    equal(read(f'{get(daemon, "base", "c")}/file'), 'x', 'content')
    for holder in 'abc':
        put(daemon, 'base', holder)
    equal(mounts(daemon), [], 'mounts')


@case('what is in use stays held, and can be put back again')
def busy(daemon):
    create(daemon, 'base', file='x')
    path = get(daemon, 'base')
    with open(f'{path}/file'):
        name, text = error_of(daemon, 'PutLayer', 'sa{sv}', 'base', {'holder': 'h'})
        equal(name, ERROR + 'Busy', f'error: {text}')
        equal((holders(daemon, 'base'), mounts(daemon)), ([('h', 1, False)], ['base']), 'what is left')
    put(daemon, 'base')
    equal(mounts(daemon), [], 'mounts')


@case('a holder that goes with its connection: also when the client or the daemon is killed')
def bound(daemon):
    create(daemon, 'base', file='x')
    connection = daemon.connection()
    path = str(call(daemon, 'GetLayer', 'sa{sv}', 'base', {'connection-bound': True, 'holder': 'c'}, connection=connection))
    equal((holders(daemon, 'base'), read(f'{path}/file')), ([('c', 1, True)], 'x'), 'holders')
    put(daemon, 'base', 'c')  # another one: that is not its
    equal(holders(daemon, 'base'), [('c', 1, True)], 'holders')
    get(daemon, 'base', 'lasts')
    connection.close()
    eventually(lambda: holders(daemon, 'base') == [('lasts', 1, False)], 'the holder is gone')
    equal(mounts(daemon), ['base'], 'mounts')
    put(daemon, 'base', 'lasts')
    connection = daemon.connection()
    call(daemon, 'GetLayer', 'sa{sv}', 'base', {'connection-bound': True}, connection=connection)
    call(daemon, 'GetLayer', 'sa{sv}', 'base', {'connection-bound': True}, connection=connection)
    call(daemon, 'PutLayer', 'sa{sv}', 'base', {'connection-bound': True}, connection=connection)
    equal(holders(daemon, 'base'), [('default', 1, True)], 'holders')
    connection.close()
    eventually(lambda: mounts(daemon) == [], 'it is unmounted')
    connection = daemon.connection()
    call(daemon, 'GetLayer', 'sa{sv}', 'base', {'connection-bound': True}, connection=connection)
    os.kill(daemon.keeper(), signal.SIGKILL)
    daemon.wait()
    equal(mounts(daemon), ['base'], 'mounts of a dead daemon')
    daemon.start()
    eventually(lambda: mounts(daemon) == [], 'it is unmounted')
    equal(holders(daemon, 'base'), [], 'holders')


@case('Cleanup unmounts what nobody holds, and removes what could not be removed')
def cleanup(daemon):
    create(daemon, 'base', file='x')
    create(daemon, 'other', file='x')
    get(daemon, 'other')
    connection = daemon.connection()
    path = str(call(daemon, 'GetLayer', 'sa{sv}', 'base', {'connection-bound': True}, connection=connection))
    file = open(f'{path}/file')
    connection.close()
    eventually(lambda: 'Layer base stays mounted' in daemon.log(), 'the log tells', 20)
    equal((mounts(daemon), daemon.ok('layer', 'cleanup').strip()), (['base', 'other'], '0'), 'while it is in use')
    contains(daemon.refused('layer', 'remove', 'base'), 'in use where it is mounted')
    file.close()
    equal(daemon.ok('layer', 'cleanup').strip(), '1', 'what was cleaned up')
    equal((mounts(daemon), holders(daemon, 'other')), (['other'], [('h', 1, False)]), 'what is held stays')
    contains(daemon.log(), 'Cleanup base by uid 0: done')
    create(daemon, 'stuck')
    os.mkdir(f'{directory_of(daemon, "stuck")}/point')
    subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', f'{directory_of(daemon, "stuck")}/point'], check=True)
    daemon.ok('layer', 'remove', 'stuck')
    eventually(lambda: 'What is left of layer stuck stays' in daemon.log(), 'the log tells', 20)
    subprocess.run(['umount', list(host.mounts_below(f'{daemon.directory}/state'))[0]], check=True)
    equal(daemon.ok('layer', 'cleanup').strip(), '1', 'what was cleaned up')
    eventually(lambda: daemon.json('layer', 'status')['Removing'] == 0, 'it is removed')
    put(daemon, 'other')


def leave_mounted(daemon, ident):
    """A layer whose holder disconnected while it was in use: by the file that is returned."""
    create(daemon, ident, file='x')
    connection = daemon.connection()
    path = str(call(daemon, 'GetLayer', 'sa{sv}', ident, {'connection-bound': True}, connection=connection))
    file = open(f'{path}/file')
    connection.close()
    eventually(lambda: f'Layer {ident} stays mounted' in daemon.log(), 'the log tells', 20)
    return file


@case('a layer that is left mounted by nobody can be removed')
def removed(daemon):
    file = leave_mounted(daemon, 'base')
    file.close()
    daemon.ok('layer', 'remove', 'base')
    equal((mounts(daemon), daemon.json('layer', 'list')), ([], []), 'what is left')
    eventually(lambda: os.listdir(f'{daemon.directory}/state/layers') == [], 'its directory is gone')


def begin_busy_removal(daemon, entries=0):
    """A layer that is left mounted by nobody, a file of it that is open, and its removal, which waits for that."""
    file = leave_mounted(daemon, 'base')
    for number in range(entries):
        os.mknod(f'{directory_of(daemon, "base")}/{number}')
    tries = daemon.log().count('is tried again')
    removal = begin(daemon, 'layer', 'remove', 'base')
    eventually(lambda: daemon.log().count('is tried again') > tries, 'the removal tries', 20)
    return file, removal


@case('a mount that goes while its removal waits for it: the removal is on record, and the id is free at once')
def removed_meanwhile(daemon):
    file, removal = begin_busy_removal(daemon, entries=20000)  # so that what is left takes a while
    subprocess.run(['umount', '-l', f'{daemon.runtime}/layers/base'], check=True)
    equal(removal.wait(timeout=60), 0, 'the removal')
    create(daemon, 'base', file='y')
    equal(read(f'{get(daemon, "base")}/file'), 'y', 'the new one')
    file.close()
    put(daemon, 'base')
    eventually(lambda: daemon.json('layer', 'status')['Removing'] == 0, 'what was left goes', 30)


@case('a layer that is about to be removed gets no child: that waits, and is told that there is none')
def removed_under_child(daemon):
    file, removal = begin_busy_removal(daemon)
    child = begin(daemon, 'layer', 'create', '--id', 'child', '--parent', 'base')
    time.sleep(0.1)
    file.close()
    text, other = child.communicate(timeout=60)[1], removal.communicate(timeout=60)[1]
    layers = [layer['ID'] for layer in daemon.json('layer', 'list')]
    if removal.returncode == 0:
        equal((child.returncode != 0, layers), (True, []), f'{text}{other}')
        contains(text, 'base')
    else:
        equal((child.returncode, layers), (0, ['base', 'child']), f'{text}{other}')


@case('a chain of 500 layers is mounted, or, past what the kernel takes, refused with what to do')
def long_chain(daemon):
    connection, parent = daemon.connection(), ''
    for number in range(500):
        parent = str(call(daemon, 'CreateLayer', 'ssa{sv}', f'l{number}', parent, {}, connection=connection))
        if number % 50 == 0:
            write(f'{directory_of(daemon, parent)}/file-{number}', str(number))
    if 'lowerdir-plus' not in daemon.json('status')['Features']:
        contains(daemon.refused('layer', 'get', parent, '--holder', 'h'), 'this kernel takes fewer')
        get(daemon, 'l40')
        put(daemon, 'l40')
        return
    path = get(daemon, parent)
    equal(len(os.listdir(path)), 10, 'files')
    equal(read(f'{path}/file-0'), '0', 'of the lowest')
    put(daemon, parent)
    create(daemon, 'written', parent, '--read-write')
    path = get(daemon, 'written')
    write(f'{path}/file-0', 'new')
    equal(len(os.listdir(path)), 10, 'files')
    put(daemon, 'written')
    # What is mounted is limited: what is below a read-write layer is as many as that of any other.
    equal([one[:2] for one in changes(daemon, 'written', parent) if one[1]], [('modified', 'file-0')], 'beside its parent')
    equal(sorted(one[:2] for one in changes(daemon, 'l0', 'written') if one[1]),
            sorted([('modified', 'file-0')] + [('deleted', f'file-{n}') for n in range(50, 500, 50)]), 'of another beside it')
    os.mkdir(f'{directory_of(daemon, "l0")}/way', 0o701)
    for name in ('way/first', 'way/second'):
        fill(daemon, 'written', (name, b'x'))
    with tarfile.open(fileobj=io.BytesIO(tar_of(daemon, 'written', parent))) as tar:
        equal({'way/first', 'way/second'} - set(tar.getnames()), set(), 'what the tar lacks')
    path = get(daemon, 'written')
    equal((sorted(os.listdir(f'{path}/way')), os.stat(f'{path}/way').st_mode & 0o777), (['first', 'second'], 0o701), 'a directory from below')
    equal((read(f'{path}/file-0'), len(os.listdir(path))), ('new', 11), 'files')
    put(daemon, 'written')


@case('nothing is believed that is written in the attributes of a layer')
def hostile(daemon):
    create(daemon, 'base', file='x', secret='s')
    os.makedirs(f'{directory_of(daemon, "base")}/hidden/inner')
    write(f'{directory_of(daemon, "base")}/hidden/inner/file', 'h')
    create(daemon, 'top', 'base')
    os.mkdir(f'{directory_of(daemon, "top")}/shown')
    os.setxattr(f'{directory_of(daemon, "top")}/shown', 'trusted.overlay.redirect', b'/hidden/inner')
    write(f'{directory_of(daemon, "top")}/meta', '')
    os.setxattr(f'{directory_of(daemon, "top")}/meta', 'trusted.overlay.metacopy', b'')
    os.setxattr(f'{directory_of(daemon, "top")}/meta', 'trusted.overlay.redirect', b'/secret')
    path = get(daemon, 'top')
    try:
        shown = os.listdir(f'{path}/shown')
    except OSError:
        shown = []
    equal(shown, [], 'a redirected directory')
    try:
        text = read(f'{path}/meta')
    except OSError:
        text = ''
    equal(text, '', 'a file with the data of another')
    put(daemon, 'top')


@case('ids are mapped in what is read, with one copy on the disk; what is written has those of whoever writes')
def mapped(daemon):
    words = ['--uid-map', '0-100000-65536', '--gid-map', '0-200000-65536']
    create(daemon, 'base', None, *words, file='x')
    os.chown(f'{directory_of(daemon, "base")}/file', 5, 6)
    done = daemon.ctl('layer', 'get', 'base', '--holder', 'h')
    if done.status != 0 and 'knows no id mapping' in done.err:
        raise Skip('the file system of the tests knows no id mapping')
    path = done.out.strip()
    found = os.stat(f'{path}/file')
    equal((found.st_uid, found.st_gid), (100005, 200006), 'ids')
    put(daemon, 'base')
    create(daemon, 'top', 'base', '--read-write', *words)
    path = get(daemon, 'top')
    found = os.stat(f'{path}/file')
    equal((found.st_uid, found.st_gid), (100005, 200006), 'ids through the overlay')
    found = os.stat(path)
    equal((found.st_uid, found.st_gid), (100000, 200000), 'the root directory')
    pid = os.fork()
    if pid == 0:
        os.setgid(200000)
        os.setuid(100000)
        write(f'{path}/mine', 'm')
        write(f'{path}/dir/mine', 'm')
        os._exit(0)
    equal(os.waitpid(pid, 0)[1], 0, 'the writer')
    found = os.stat(f'{directory_of(daemon, "top")}/mine')
    equal((found.st_uid, found.st_gid), (100000, 200000), 'ids on the disk')
    put(daemon, 'top')


@case('a foreign mount where a layer would be is told, and left')
def foreign(daemon):
    create(daemon, 'base', file='x')
    os.mkdir(f'{daemon.runtime}/layers/base')
    subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', f'{daemon.runtime}/layers/base'], check=True)
    name, text = error_of(daemon, 'GetLayer', 'sa{sv}', 'base', {})
    equal(name, ERROR + 'TargetInUse', f'error: {text}')
    equal((mounts(daemon), holders(daemon, 'base')), (['base'], []), 'what is there')
    daemon.restart()
    equal(mounts(daemon), ['base'], 'it stays')
    subprocess.run(['umount', f'{daemon.runtime}/layers/base'], check=True)
    get(daemon, 'base')
    put(daemon, 'base')


@case('a held layer that something else covers is not given, put back or removed until that has gone')
def covered(daemon):
    create(daemon, 'base', file='x')
    create(daemon, 'over', 'base', file='y')
    for ident in ('base', 'over'):
        path = get(daemon, ident)
        for cover in (['-t', 'tmpfs', 'cover', path], ['--bind', path, path]):
            subprocess.run(['mount', *cover], check=True)
            before = host.mount_table()
            equal(error_of(daemon, 'GetLayer', 'sa{sv}', ident, {})[0], ERROR + 'TargetInUse', 'got')
            name, text = error_of(daemon, 'PutLayer', 'sa{sv}', ident, {'holder': 'h'})
            equal(name, ERROR + 'Busy', f'put back: {text}')
            contains(text, 'unmount that first')
            equal(host.mount_table(), before, 'the mount table')
            equal(len(holders(daemon, ident)), 1, 'holders')
            daemon.restart()
            equal(host.mount_table(), before, 'the mount table')
            subprocess.run(['umount', path], check=True)
        put(daemon, ident)
        equal(os.path.exists(path), False, 'its mount point')


@case('holders, layers and options that cannot be are refused')
def refusals(daemon):
    create(daemon, 'base')
    for name in ['', 'x' * 129, 'a b', 'pod:1', 'a\n']:
        equal(error_of(daemon, 'GetLayer', 'sa{sv}', 'base', {'holder': name})[0], 'org.freedesktop.DBus.Error.InvalidArgs', repr(name))
    for method in ('GetLayer', 'PutLayer'):
        equal(error_of(daemon, method, 'sa{sv}', 'none', {})[0], ERROR + 'NoSuchLayer', method)
    contains(error_of(daemon, 'GetLayer', 'sa{sv}', 'base', {'lazy': True})[1], 'this method takes: holder, connection-bound, timeout')
    for number in range(256):
        get(daemon, 'base', f'h{number}') if number in (0, 255) else call(daemon, 'GetLayer', 'sa{sv}', 'base', {'holder': f'h{number}'})
    equal(error_of(daemon, 'GetLayer', 'sa{sv}', 'base', {'holder': 'one-more'})[0], ERROR + 'QuotaExceeded', 'too many')
    get(daemon, 'base', 'h7')
    for number in range(256):
        put(daemon, 'base', f'h{number}', '--all') if number == 255 else call(daemon, 'PutLayer', 'sa{sv}', 'base',
                {'holder': f'h{number}', 'all': True})
    equal(mounts(daemon), [], 'mounts')


@case('what fails when its caller has gone is told in the log, by the name of its layer')
def nobody_waits(daemon):
    connection = daemon.connection()

    def ask():
        connection.call_blocking(None, PATH, LAYERS, 'LayerExists', 's', ('base',))
    create(daemon, 'base')
    ask()  # it is known now who calls
    os.rename(directory_of(daemon, 'base'), directory_of(daemon, 'base') + '-away')
    stopped = daemon.executors()
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        message = dbus.lowlevel.MethodCallMessage(None, PATH, LAYERS, 'GetLayer')
        message.append('base', dbus.Dictionary({}, 'sv'), signature='sa{sv}')
        connection.send_message(message)
        ask()
        connection.close()
        eventually(lambda: 'what was begun is finished' in daemon.log(), 'its caller has gone')
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    eventually(lambda: 'that nobody waits for failed' in daemon.log(), 'it has failed')
    contains(daemon.log(), 'An operation on layer base that nobody waits for failed: ')


if __name__ == '__main__':
    host.prepare()
    tap.run(Stage)
