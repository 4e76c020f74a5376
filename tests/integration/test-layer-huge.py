#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Layers that cost more to read than anybody waits for: sizes without content, contents with many names, callers who have gone."""

import io
import os
import signal
import socket
import tarfile
import time

import dbus
import dbus.lowlevel

from frame import backing, host, tap
from frame.daemon import ERROR, LAYERS, PATH, Stage
from frame.layers import apply_error, apply_file, call, changes, create, directory_of, entry, error_of, fill, make_tar, size, tar_of
from frame.tap import case, contains, equal, eventually

TIB = 1 << 40


def sparse_tar(daemon, name, real, data=b'x'):
    """A tar of one file in GNU's sparse format 1.0 that says to be of this size, and has these bytes at its beginning."""
    content = (f'1\n0\n{len(data)}\n'.encode()).ljust(512, b'\0') + data
    headers = {'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.name': 'huge', 'GNU.sparse.realsize': str(real)}
    return make_tar(f'{daemon.directory}/{name}.tar', (entry('huge', mtime=1000000000, pax_headers=headers), content))


def spares(daemon):
    """The processes that wait for an order to read layers, and their guards."""
    found, parents = [], [daemon.keeper()]
    while parents:
        children = host.processes_of(parents.pop())
        parents += children
        found += [pid for pid, name in children.items() if name == 'podmount-spare']
    return found


def sleepers(daemon):
    """The one that waits for the next order, stopped, so that it does nothing with it, and its guard."""
    eventually(lambda: len(spares(daemon)) == 2, 'a worker waits')
    found = spares(daemon)
    for pid in found:
        if parent_of(pid) in found:
            os.kill(pid, signal.SIGSTOP)
    return found


def parent_of(pid):
    with open(f'/proc/{pid}/stat') as file:
        return int(file.read().rsplit(')', 1)[1].split()[1])


def alive(pids):
    return [pid for pid in pids if os.path.exists(f'/proc/{pid}')]


@case('files of some TiB without content are compared and written by what they hold; sizes that no file has are refused')
def sizes(daemon):
    paths = [sparse_tar(daemon, str(number), 4 * TIB, data) for number, data in enumerate((b'x', b'x', b'y'))]
    for number, path in enumerate(paths):
        create(daemon, f'l{number}')
        apply_file(daemon, f'l{number}', path)
    equal(os.stat(f'{directory_of(daemon, "l0")}/huge').st_size, 4 * TIB, 'size')
    begun = time.monotonic()
    equal([one for one in changes(daemon, 'l0', 'l1') if one[1]], [], 'the same')
    equal([one for one in changes(daemon, 'l0', 'l2') if one[1]], [('modified', 'huge', 'content')], 'another content')
    equal(size(daemon, 'l0'), 4 * TIB, 'DiffSize')
    with tarfile.open(fileobj=io.BytesIO(tar_of(daemon, 'l0', 'l2'))) as tar:
        equal(tar.getmember('huge').size, 4 * TIB, 'in the tar')
    equal(time.monotonic() - begun < 20 * tap.PATIENCE, True, 'soon')
    create(daemon, 'none')
    for real in (1 << 63, (1 << 63) - 1, (1 << 50) + 1, 1 << 64, 10 ** 40, -1):
        with open(sparse_tar(daemon, 'none', real), 'rb') as tar:
            name, text = apply_error(daemon, 'none', tar.fileno())
        equal(name, 'org.freedesktop.DBus.Error.InvalidArgs', f'{real}: {text}')
    contains(apply_error_of(daemon, (1 << 63)), '1 PiB')


def apply_error_of(daemon, real):
    with open(sparse_tar(daemon, 'none', real), 'rb') as tar:
        return apply_error(daemon, 'none', tar.fileno())[1]


def many_names(daemon, ident):
    """A layer of one file with many names, each of which is compared with that of another layer."""
    member = entry('f0', mtime=1000000000)
    create(daemon, ident)
    fill(daemon, ident, (member, bytes(64 << 20)),
         *((entry(f'f{number}', tarfile.LNKTYPE, linkname='f0', mtime=1000000000), None) for number in range(1, 2000)))


@case('Changes and DiffSize have to be done by StreamTimeoutSec=, however busy they are')
def bounded(daemon):
    daemon.write_config('[Daemon]\nStreamTimeoutSec=1\n')
    daemon.restart()
    for ident in ('a', 'b'):
        many_names(daemon, ident)
    begun = time.monotonic()
    for method in ('Changes', 'DiffSize'):
        name, text = error_of(daemon, method, 'ss', 'a', 'b')
        equal(name, ERROR + 'TimedOut', text)
        contains(text, f'{method} was not done within 1 s (StreamTimeoutSec=)')
    equal(time.monotonic() - begun < 10 * tap.PATIENCE, True, 'soon')
    daemon.ok('layer', 'remove', 'a')


def leave_bus(daemon, method):
    own = daemon.connection()
    own.call_blocking(None, PATH, 'org.freedesktop.DBus.Peer', 'Ping', '', ())
    message = dbus.lowlevel.MethodCallMessage(None, PATH, LAYERS, method)
    message.append('top', 'low', signature='ss')
    own.send_message(message)
    own.flush()
    return own.close


def leave_varlink(daemon, method):
    own = socket.socket(socket.AF_UNIX)
    own.connect(f'{daemon.runtime}/varlink')
    own.sendall(b'{"method":"org.podmount1.%s","parameters":{"id":"top","parent":"low"}}\0' % method.encode())
    return own.close


@case('a caller of Changes or DiffSize who goes takes the worker along')
def left(daemon):
    daemon.write_config('[Daemon]\nExecutors=1\n')
    daemon.restart()
    fill_pair(daemon)
    for leave in (leave_bus, leave_varlink):
        for method in ('Changes', 'DiffSize'):
            pids = sleepers(daemon)
            close = leave(daemon, method)
            told = f'{method} of layer top ended before its end: whoever asked for it has gone'
            before = daemon.log().count(told)
            time.sleep(0.5)
            equal(alive(pids), pids, 'it is at work')
            equal(error_of(daemon, 'RemoveLayer', 'sa{sv}', 'top', {})[0], ERROR + 'LayerInUse', 'it is being read')
            close()
            eventually(lambda: daemon.log().count(told) > before, f'{method} ended', 20)
            eventually(lambda: not alive(pids), 'the workers are gone', 20)
    equal([one for one in changes(daemon, 'top', 'low') if one[1]], [('added', 'new', '')], 'others are served')
    call(daemon, 'RemoveLayer', 'sa{sv}', 'top', {})


def fill_pair(daemon):
    create(daemon, 'low')
    fill(daemon, 'low', ('old', b'old'))
    create(daemon, 'top', 'low')
    fill(daemon, 'top', ('new', b'new'))
    changes(daemon, 'top', 'low')


if __name__ == '__main__':
    backing.prepare()
    tap.run(Stage)
