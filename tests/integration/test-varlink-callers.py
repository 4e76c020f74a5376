#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who calls over varlink: what they may, what they may take of the daemon, and where they find it."""

import json
import os
import socket
import subprocess
import time

from frame import host, specs, tap
from frame.bus import Bus
from frame.host import ALICE, BOB, as_user
from frame.situation import WithPolkit
from frame.tap import case, contains, equal
from frame.varlink import Closed, Connection, Refused, Varlink, closed, spec

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


@case('ConnectionsPerUser= and RequestsPerUser= hold here, too, and not for root', alone=True)
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


if __name__ == '__main__':
    host.prepare()
    tap.run(Varlink)
