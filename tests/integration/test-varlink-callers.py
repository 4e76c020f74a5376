#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who calls over varlink: what they may, what they may take of the daemon, and where they find it."""

import contextlib
import json
import os
import socket
import subprocess
import threading
import time

from frame import host, specs, tap
from frame.bus import Bus
from frame.fuse import Hanging
from frame.host import ALICE, BOB, as_user
from frame.layers import make_tar
from frame.layouts import Layout, tar_of
from frame.situation import WithPolkit
from frame.tap import Skip, case, contains, equal, eventually
from frame.varlink import Closed, Connection, Refused, Varlink, closed, spec, tells_peers

ERROR = 'org.podmount1.'


def as_alice(daemon, function):
    def inside():
        with daemon.connect() as c:
            return function(c)
    return as_user(ALICE, inside)


@case('who calls is the process at the other end: others see and do only what is theirs; without a bus nobody can be asked')
def strangers(daemon):
    with daemon.connect() as c:
        uuid = c.call('CreatePod', {'spec': spec(), 'options': {'name': 'roots'}})['uuid']
        equal(as_alice(daemon, lambda a: a.call('ListPods')), {'pods': []}, 'pods that Alice sees')
        equal(as_alice(daemon, lambda a: list(a.stream('List'))), [{}], 'pods that are listed for Alice')
        for name, parameters in [('GetPod', {'id': uuid}), ('List', {'id': uuid}), ('Collect', {'id': uuid}), ('ListMounts', {'id': 'roots'}),
                                 ('Bind', {'id': uuid, 'source': '/etc', 'target': '/mnt'})]:
            equal(as_alice(daemon, lambda a: a.error_of(name, parameters))[0], ERROR + 'NoSuchPod', name)
        error, told = as_alice(daemon, lambda a: a.error_of('CreatePod', {'spec': spec()}))
        equal(error, ERROR + 'AccessDenied', 'CreatePod')
        contains(told['message'], 'bus', 'the reason')
        equal(as_alice(daemon, lambda a: a.error_of('Rescan'))[0], ERROR + 'AccessDenied', 'Rescan')
        equal(as_alice(daemon, lambda a: a.call('Describe'))['properties']['PodCount'], 0, 'pods that Alice counts')
        c.call('GC', {'ids': [uuid]})


@case('polkit is asked about the process at the other end, by its pidfd, and its answer is what happens', alone=True)
def polkit():
    with Bus() as bus, WithPolkit(bus, 'no') as s:
        def inside(interactive):
            with Connection(f'{s.daemon.runtime}/varlink') as c:
                try:
                    return os.getpid(), c.call('CreatePod', {'spec': json.dumps(specs.oci(s.root)), 'options': {'name': 'asked'},
                            **({} if interactive is None else {'allowInteractiveAuthentication': interactive})})['uuid']
                except Refused as error:
                    return os.getpid(), error.name

        if not tells_peers():
            s.polkit.answer('yes')
            equal(as_user(ALICE, inside, None)[1], ERROR + 'AccessDenied', 'nobody can be asked')
            equal(s.polkit.calls(), [], 'what polkit was asked')
            return
        for answer, interactive, outcome, flags in [('no', None, 'AccessDenied', 0), ('challenge', False, 'InteractiveAuthorizationRequired', 0),
                                                    ('challenge', True, 'InteractiveAuthorizationRequired', 1), ('error', None, 'AccessDenied', 0)]:
            s.polkit.forget()
            s.polkit.answer(answer)
            pid, name = as_user(ALICE, inside, interactive)
            equal(name, ERROR + outcome, f'{answer}, {interactive}')
            asked, = s.polkit.calls()
            equal((asked['subject'], asked['action'], asked['flags']),
                    (['unix-process', {'pidfd': str(pid), 'uid': str(ALICE)}], 'org.podmount1.create', flags), 'what polkit was asked')
        s.polkit.answer('yes')
        _, uuid = as_user(ALICE, inside, None)
        equal([(pod['UUID'], pod['Owner']) for pod in s.daemon.pods()], [(uuid, ALICE)], 'the pod')
        s.polkit.answer('hang')

        def leave():
            with Connection(f'{s.daemon.runtime}/varlink') as c:
                c.send('Collect', {'id': 'asked'})
                time.sleep(0.5)

        as_user(ALICE, leave)
        s.polkit.answer('yes')
        time.sleep(0.5)
        equal(len(s.daemon.pods()), 1, 'pods, after who asked has left')


@case('RequestsPerUser= counts requests of all connections of a user', alone=True)
def requests():
    if not tells_peers():
        raise Skip('polkit cannot be asked about who calls over varlink here')
    with Bus() as bus, WithPolkit(bus, 'hang', '[Limits]\nRequestsPerUser=2\n') as s:
        call = {'spec': json.dumps(specs.oci(s.root))}

        def inside():
            connections = [Connection(f'{s.daemon.runtime}/varlink') for _ in range(3)]
            for c in connections[:2]:
                c.send('CreatePod', call)
            tap.eventually(lambda: len(s.polkit.calls()) == 2, 'two questions')
            return connections[2].error_of('CreatePod', call)[0]
        equal(as_user(ALICE, inside), ERROR + 'QuotaExceeded', 'the third request')


@case('ConnectionsPerUser= holds here, too, and not for root', alone=True)
def limits():
    with Varlink(config='[Limits]\nConnectionsPerUser=4\n') as daemon:
        def inside():
            connections = [daemon.connect() for _ in range(6)]
            served = 0
            for c in connections:
                try:
                    c.call('ListPods')
                    served += 1
                except (Closed, ConnectionResetError, BrokenPipeError):
                    pass
                time.sleep(0.05)
            return served
        equal(as_user(ALICE, inside), 4, "Alice's connections")
        equal(as_user(BOB, inside), 4, "Bob's connections")
        equal(inside(), 6, "root's connections")


@case('messages that are not whole yet take no more than 64 MiB of one user', alone=True)
def unfinished():
    with Varlink(config='[Limits]\nConnectionsPerUser=64\n') as daemon:
        def inside():
            ended = 0
            for _ in range(8):
                c = daemon.connect()
                kept.append(c)
                try:
                    for _ in range(15):
                        c.send_bytes(b' ' * (1 << 20))
                    c.socket.setblocking(False)
                    time.sleep(0.2)
                    try:
                        ended += c.socket.recv(1) == b''
                    except BlockingIOError:
                        pass
                except (BrokenPipeError, ConnectionResetError):
                    ended += 1
            return ended
        kept = []
        equal(as_user(ALICE, inside) >= 3, True, 'connections that were ended')
        with daemon.connect() as c:
            equal(c.call('ListPods'), {'pods': []}, 'others')


@case('the service manager\'s socket is served when it passes one, and left where it is', alone=True)
def activation():
    daemon = Varlink(start=False)
    path = f'{daemon.directory}/passed'
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen(16)
        command = daemon.command()
        daemon.command = lambda: ['/bin/sh', '-c', f'exec env LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=varlink "$@" 3<&{listener.fileno()}', 'sh'] + command
        launch = subprocess.Popen

        def with_fd(*arguments, **more):
            return launch(*arguments, pass_fds=[listener.fileno()], **more)

        subprocess.Popen = with_fd
        try:
            daemon.start()
        finally:
            subprocess.Popen = launch
        equal(os.path.exists(daemon.varlink), False, 'a socket of its own')
        with Connection(path) as c:
            equal(c.call('ListPods'), {'pods': []}, 'pods over the passed socket')
        daemon.stop()
        equal(os.path.exists(path), True, 'the passed socket is still there')
        daemon.__exit__()


@case('the socket is for everybody, and a stop answers what executes')
def stopping(daemon):
    equal(os.stat(daemon.varlink).st_mode & 0o777, 0o666, 'mode')
    with daemon.connect() as c:
        c.call('CreatePod', {'spec': spec(), 'options': {'name': 'stays'}})
        equal(daemon.stop(), 0, 'exit status')
        equal(closed(c), True, 'the connection')
    daemon.start()
    with daemon.connect() as c:
        equal(c.call('GC', {'ids': ['stays']})['outcomes'][0]['outcome'], 'removed', 'outcome')


def over(daemon, *words, **more):
    """podmountctl over varlink: stdout of a verb that must succeed."""
    done = host.run([f'{host.DIRECTORY}/bin/podmountctl', '--varlink', daemon.varlink] + [str(word) for word in words], **more)
    equal(done.status, 0, f'{words}: {done}')
    return done.out


def both_ways(daemon, *words):
    """stdout of a verb that says the same over varlink and over D-Bus."""
    out = over(daemon, *words)
    equal(out, daemon.ok(*words), f'{words}')
    return out


@case('podmountctl --varlink: every verb does and says what it does over D-Bus')
def client(daemon):
    data = specs.tree('client-data', {'file': 'content'})
    uuid = over(daemon, 'create', '--name', 'web', '-', input=spec(specs.mount('/tmp'))).strip()
    fd = os.open(data, os.O_PATH)
    over(daemon, 'bind', 'web', 'fd:x', '/mnt', '-o', 'ro', '--fd', f'x={fd}', fds=[fd])
    over(daemon, 'mount', 'web', '-', input=json.dumps(specs.mount('/srv')))
    if 'beneath' in daemon.json('status')['Features']:
        over(daemon, 'replace', 'web', '/srv', '-', input=json.dumps({'type': 'tmpfs', 'source': 'tmpfs'}))
    over(daemon, 'add-container', 'web', 'second', '-', input=spec())
    for words in [('list',), ('show', 'web'), ('show', uuid[:8]), ('tree', 'web'), ('--json=short', 'list'), ('--json=short', 'show', 'web'), ('repair', 'web'),
                  ('which', 'web:main', 'sh'), ('path-info', '/'), ('path-info', 'web:main', '/tmp'), ('export', 'web')]:
        both_ways(daemon, *words)
    over(daemon, 'status')
    over(daemon, 'rescan')
    equal(over(daemon, 'plan', '-', input=spec()), daemon.ok('plan', '-', input=spec()), 'plan')
    equal(over(daemon, 'open-tree', 'web', '/mnt', '--container', 'main', '--', 'ls', '/proc/self/fd/3/'), 'file\n', 'what the tree shows')
    over(daemon, 'remove-container', 'web', 'second')
    over(daemon, 'unmount', 'web', '/srv')
    exported = over(daemon, 'export', 'web')
    contains(exported, '/mnt', 'the export')
    over(daemon, 'layer', 'create', '--id', 'one', '--metadata', 'a=b')
    over(daemon, 'layer', 'apply', 'one', make_tar(f'{daemon.directory}/tar', ('applied', b'content')))
    for words in [('layer', 'list'), ('layer', 'info', 'one'), ('layer', 'exists', 'one'), ('layer', 'status'), ('layer', 'changes', 'one')]:
        both_ways(daemon, *words)
    contains(over(daemon, 'layer', 'diff', 'one'), 'applied', 'the tar')
    contains(over(daemon, 'layer', 'get', 'one'), '/layers/one', 'where it is')
    over(daemon, 'layer', 'put', 'one')
    over(daemon, 'layer', 'remove', 'one')
    layout = Layout(f'{daemon.directory}/image')
    layout.image([tar_of(('file', b'hello'))])
    equal(len(over(daemon, 'layer', 'import', layout.path).strip()), 64, 'the id')
    contains(over(daemon, 'gc', 'web'), 'removed', 'the outcome')
    os.close(fd)


@case('podmountctl --varlink: errors, hints and exit status are those of D-Bus')
def client_errors(daemon):
    for words in [('show', 'nobody'), ('unmount', 'nobody', '/x'), ('layer', 'info', 'nothing'), ('create', '/nonexistent')]:
        done = host.run([f'{host.DIRECTORY}/bin/podmountctl', '--varlink', daemon.varlink, *words])
        other = daemon.ctl(*words)
        equal((done.status, done.out, done.err), (other.status, other.out, other.err), f'{words}')
    done = host.run([f'{host.DIRECTORY}/bin/podmountctl', '--varlink', f'{daemon.varlink}x', 'list'])
    equal(done.status, 1, 'status without a daemon')
    contains(done.err, '--varlink', 'what to do')
    done = host.run([f'{host.DIRECTORY}/bin/podmountctl', '--varlink', daemon.varlink, '--socket', daemon.socket, 'list'])
    equal(done.status, 2, 'status of two ways at once')


@case('podmountctl --varlink watch prints what happens, and ends with the daemon')
def client_watch(daemon):
    watch = subprocess.Popen([f'{host.DIRECTORY}/bin/podmountctl', '--varlink', daemon.varlink, '--json=short', 'watch'], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)

    def until(signal):
        while True:
            record = json.loads(watch.stdout.readline().lstrip('\x1e'))
            if record['Signal'] == signal:
                return record
    until('Subscribed')
    uuid = daemon.create(specs.oci(mounts=[specs.mount('/tmp')]))
    equal(until('PodNew')['UUID'], uuid, 'the new pod')
    ident = daemon.ok('bind', uuid, '/etc', '/mnt').strip()
    record = until('MountsAdded')
    while record['Mounts'][0]['Target'] != '/mnt':
        record = until('MountsAdded')
    equal((record['UUID'], record['Mounts']), (uuid, [{'ID': int(ident), 'Container': 'main', 'Target': '/mnt'}]), 'the bind')
    daemon.ok('gc', uuid)
    equal(until('PodRemoved')['Reason'], 'collected', 'the reason')
    daemon.stop()
    equal(watch.wait(10 * tap.PATIENCE), 1, 'status of the watch')


@case('an fd whose closing never ends is in nobody\'s way, and is taken for no call')
def hanging(daemon):
    where = f'{daemon.directory}/fuse'
    os.mkdir(where)
    with daemon.connect() as c, daemon.connect() as other, Hanging(where) as fuse:
        fd = os.open(f'{where}/file', os.O_RDONLY)
        try:
            equal(c.error_of('org.varlink.service.GetInfo', fds=[fd]), ('org.varlink.service.InvalidParameter', {'parameter': 'fds'}), 'an answer')
            equal(fuse.flushing.wait(10), True, 'somebody closes it')
            equal(other.call('ListPods'), {'pods': []}, 'others are answered')
            other.call('CreateLayer', {'id': 'one', 'parent': ''})
            equal(c.error_of('ApplyDiff', {'id': 'one', 'tar': 0}, fds=[fd]), ('org.varlink.service.InvalidParameter', {'parameter': 'tar'}), 'the call')
            memory = os.memfd_create('tar')
            with open(make_tar(f'{daemon.directory}/tar', ('file', b'x')), 'rb') as tar:
                os.write(memory, tar.read())
            os.lseek(memory, 0, os.SEEK_SET)
            equal(c.call('ApplyDiff', {'id': 'one', 'tar': 0}, fds=[memory]), {'bytes': 1}, 'memory')
            os.close(memory)
        finally:
            threading.Timer(1, lambda: fuse.libc.umount2(where.encode(), 1)).start()  # until then we wait ourselves
            with contextlib.suppress(OSError):
                os.close(fd)


@case('a message of many values is refused before it takes memory, and fds that no call takes are few')
def greedy(daemon):
    with daemon.connect() as other:
        for filler in ('{}', '0'):
            with daemon.connect() as c:
                c.send_bytes(b'{"method":"org.podmount1.ListPods","parameters":{"x":[' + ','.join([filler] * 4000000).encode() + b']}}\0')
                began = time.monotonic()
                equal(other.call('ListPods'), {'pods': []}, 'others are answered')
                equal(time.monotonic() - began < 2 * tap.PATIENCE, True, f'after {time.monotonic() - began} s')
                equal(closed(c), True, 'the connection')
    null = os.open('/dev/null', os.O_RDONLY)
    connections = [daemon.connect() for _ in range(8)]
    for c in connections:
        c.send_bytes(b' ', [null] * 250)
    with daemon.connect() as c:
        eventually(lambda: len(os.listdir(f'/proc/{daemon.front()}/fd')) > 1000, 'they are there')
        equal(c.call('ListPods'), {'pods': []}, 'an answer')
        equal(len(os.listdir(f'/proc/{daemon.front()}/fd')) < 1200, True, 'fds of the front')
    for c in connections:
        c.close()
    os.close(null)


if __name__ == '__main__':
    host.prepare()
    tap.run(Varlink)
