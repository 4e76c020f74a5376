#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Leases: what they hang on, what ends them, what is collected then, and that they last over a restart."""

import contextlib
import json
import os
import signal
import subprocess
import time
import uuid

import dbus

from frame import host, specs, tap
from frame.daemon import ERROR, MANAGER, PATH, Stage
from frame.tap import case, contains, equal, eventually

GRACE = '[Daemon]\nLeaseGraceSec=100ms\n'
LONG = '[Daemon]\nLeaseGraceSec=60min\n'


def configure(daemon, text):
    daemon.write_config(text)
    daemon.restart()


def spec():
    return {'podmount': 1, 'containers': [{'name': 'main', 'root': {'path': specs.rootfs()}}]}


@contextlib.contextmanager
def process(**more):
    with subprocess.Popen(['sleep', '1000'], **more) as one:
        try:
            yield one
        finally:
            one.kill()


def finish(one):
    one.kill()
    one.wait()


def alive(daemon, pod):
    return pod in {one['UUID'] for one in daemon.pods()}


def gone(daemon, pod):
    eventually(lambda: not alive(daemon, pod), f'pod {pod} is collected')
    equal([point for point in host.mounts_below(f'{daemon.runtime}/pods') if pod in point], [], 'mounts')


def garbage(daemon):
    return {one['UUID']: one for one in daemon.json('gc', '--dry-run')}


def lease(daemon, text, fds=None, connection=None, **options):
    return daemon.call(MANAGER, 'CreatePod', 'sa{sh}a{sv}', json.dumps(spec()), dbus.Dictionary(fds or {}, signature='sh'),
            dict(options, lease=text), connection=connection)


def refused(daemon, text, fds=None):
    return daemon.error_of('CreatePod', 'sa{sh}a{sv}', json.dumps(spec()), dbus.Dictionary(fds or {}, signature='sh'), {'lease': text})


@case('of a process: the pod goes when it ends, and whoever watches is told why')
def of_process(daemon):
    configure(daemon, GRACE)
    with process() as one, subprocess.Popen([f'{host.DIRECTORY}/bin/podmountctl', '--socket', daemon.socket, '--json=short', 'watch'],
            stdout=subprocess.PIPE, text=True) as watch:
        contains(watch.stdout.readline(), 'Subscribed')
        pod = daemon.create(spec(), '--lease', f'pid:{one.pid}')
        kept = daemon.create(spec(), '--lease', 'none')
        time.sleep(0.5)
        equal(alive(daemon, pod), True, 'while the process lives')
        finish(one)
        gone(daemon, pod)
        line = ''
        while 'PodRemoved' not in line:
            line = watch.stdout.readline()
        contains(line, pod)
        contains(line, '"lease"')
        watch.terminate()
    equal(alive(daemon, kept), True, 'a pod without a lease')
    contains(daemon.log(), 'its process has ended')


@case('of a time: it is renewed, or it ends')
def of_time(daemon):
    configure(daemon, GRACE)
    pod = daemon.create(spec(), '--lease', 'ttl:4')
    for _ in range(4):
        time.sleep(1.5)
        until = daemon.json('renew', pod)['Until'] / 1e6
        equal(time.time() + 2 < until < time.time() + 5, True, f'until {until}, now {time.time()}')
    equal(alive(daemon, pod), True, 'while it is renewed')
    gone(daemon, pod)


@case('of a connection: it goes with it; renewed, it goes with another')
def of_caller(daemon):
    configure(daemon, GRACE)
    first, second = daemon.connection(), daemon.connection()
    one = str(lease(daemon, 'caller', connection=first)[0])
    other = str(lease(daemon, 'caller', connection=first)[0])
    equal(daemon.call(MANAGER, 'Renew', 'sa{sv}', other, {}, connection=second), 0, 'no time')
    first.close()
    gone(daemon, one)
    equal(alive(daemon, other), True, 'what hangs on the other connection')
    second.close()
    gone(daemon, other)


@case('a creation that is repeated on another connection hangs on that; of a process it has to be the same one')
def repeated(daemon):
    configure(daemon, GRACE)
    ident = str(uuid.uuid4())
    first, second = daemon.connection(), daemon.connection()
    for connection in (first, second):
        equal(str(lease(daemon, 'caller', connection=connection, id=ident)[0]), ident, 'the pod')
    first.close()
    time.sleep(1)
    equal(alive(daemon, ident), True, 'the pod of the second connection')
    second.close()
    gone(daemon, ident)
    with process() as one, process() as other:
        ident = str(uuid.uuid4())
        for _ in range(2):
            daemon.create(spec(), '--id', ident, '--lease', f'pid:{one.pid}')
        contains(daemon.refused('create', '--id', ident, '--lease', f'pid:{other.pid}', '-', input=json.dumps(spec())), 'another process')


@case('a caller that is gone before its pod is made leaves none')
def of_lost_caller(daemon):
    configure(daemon, GRACE)
    for delay in (0, 0.001, 0.003, 0.01):
        connection = daemon.connection()
        connection.call_blocking(None, PATH, 'org.freedesktop.DBus.Peer', 'Ping', '', ())
        connection.call_async(None, PATH, MANAGER, 'CreatePod', 'sa{sh}a{sv}',
                (json.dumps(spec()), dbus.Dictionary({}, signature='sh'), {'lease': 'caller'}), None, None)
        connection.flush()
        time.sleep(delay)
        connection.close()
    eventually(lambda: not daemon.pods(), 'no pod is left')
    equal(list(host.mounts_below(f'{daemon.runtime}/pods')), [], 'mounts')


@case('leases last over a restart, also what ends while no daemon runs')
def over_restart(daemon):
    configure(daemon, GRACE)
    with process() as one, process() as other:
        kept, lost = (daemon.create(spec(), '--lease', f'pid:{each.pid}') for each in (one, other))
        timed, over = daemon.create(spec(), '--lease', 'ttl:1000'), daemon.create(spec(), '--lease', 'ttl:1')
        connection = daemon.connection()  # as long as anybody knows of it
        bound = str(lease(daemon, 'caller', connection=connection)[0])
        os.kill(daemon.keeper(), signal.SIGKILL)
        daemon.wait()
        finish(other)
        time.sleep(1)
        daemon.start()
        gone(daemon, lost)
        gone(daemon, over)
        equal([alive(daemon, pod) for pod in (kept, timed, bound)], [True] * 3, 'the others')
        finish(one)
        gone(daemon, kept)
        equal(alive(daemon, bound), True, 'of a process that had the connection')


@case('a pod that is busy when its lease ends is collected when it can be')
def busy(daemon):
    configure(daemon, GRACE)
    with process() as one:
        pod = daemon.create(spec(), '--lease', f'pid:{one.pid}')
        with process(cwd=daemon.rootfs(pod)) as user:
            finish(one)
            eventually(lambda: daemon.log().count('that nobody waits for failed') > 1, 'collections were tried')
            equal(os.path.exists(f'{daemon.rootfs(pod)}/etc/hostname'), True, 'its content')
            finish(user)
        gone(daemon, pod)


@case('what has ended is garbage until then: gc says why and takes it; renewed, it is none')
def ended(daemon):
    configure(daemon, LONG)
    first, second = daemon.create(spec(), '--lease', 'ttl:1'), daemon.create(spec(), '--lease', 'ttl:1')
    eventually(lambda: len(garbage(daemon)) == 2, 'both are garbage')
    contains(str(garbage(daemon)[first]), 'not renewed')
    daemon.restart()
    equal(len(garbage(daemon)), 2, 'after a restart, too')
    daemon.ok('renew', second)
    equal(set(garbage(daemon)), {first}, 'garbage')
    daemon.ok('gc')
    equal([alive(daemon, first), alive(daemon, second)], [False, True], 'what is there')


@case('what is no lease is refused, and leaves nothing')
def hostile(daemon):
    for text in ('', 'ttl:', 'ttl:0', 'ttl:-1', 'ttl:1x', 'ttl:99999999999999999999', 'ttl:400000000', 'pid:1', 'callers', 'x' * 100000,
                 'unit:', 'unit:x', 'unit:.service', 'unit:x.', 'unit:x@.service', 'unit:a/b.service', 'unit:a b.service', 'unit:' + 'x' * 250 + '.service'):
        name, said = refused(daemon, text)
        equal(name, 'org.freedesktop.DBus.Error.InvalidArgs', f'{text[:30]}: {said}')
    equal(refused(daemon, 'unit:x.service')[0], ERROR + 'NotSupported', 'a unit without the bus')
    contains(refused(daemon, 'pid')[1], 'needs the fd')
    null, pidfd = os.open('/dev/null', os.O_RDONLY), None
    try:
        contains(refused(daemon, 'pid', {'lease': dbus.types.UnixFd(null)})[1], 'no pidfd')
        contains(refused(daemon, 'ttl:5', {'lease': dbus.types.UnixFd(null)})[1], 'named by no source')
        with process() as one:
            pidfd = os.pidfd_open(one.pid)
            finish(one)
        contains(refused(daemon, 'pid', {'lease': dbus.types.UnixFd(pidfd)})[1], 'has ended')
    finally:
        os.close(null)
        if pidfd is not None:
            os.close(pidfd)
    equal(daemon.pods(), [], 'pods')
    contains(daemon.ctl('create', '--lease', 'caller', '-', input=json.dumps(spec())).err, 'pid:PID')
    pod = daemon.create(spec())
    contains(daemon.refused('renew', pod), 'no lease')
    with process() as one:
        contains(daemon.refused('renew', daemon.create(spec(), '--lease', f'pid:{one.pid}')), 'hangs on a process')
        finish(one)


@case('only whose pod it is renews it')
def stranger(daemon):
    pod = daemon.create(spec(), '--lease', 'ttl:1000')
    name = daemon.ctl('renew', pod, user=host.ALICE)
    equal(name.status, 1, 'status')
    contains(name.err, 'No pod')


if __name__ == '__main__':
    host.prepare()
    tap.run(Stage)
