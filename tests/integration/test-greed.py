#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a caller who wants too much takes from the others: bounded memory of the front, no fd, no mount past the limits."""

import json
import os
import signal
import socket
import struct
import time

import dbus

from frame import host, specs, tap
from frame.bus import Bus
from frame.daemon import MANAGER
from frame.host import ALICE, UserError, as_user
from frame.raw import marshal, raw_connection
from frame.situation import WithPolkit
from frame.tap import case, equal, eventually

bus = None
CONFIG = '[Limits]\nMountsPerUser=3000\nMountsPerPod=3000\n'
MIB = 1024  # in KiB, as /proc has it


class Situation(WithPolkit):
    """polkit says yes. Alice has a pod."""

    def __init__(self):
        super().__init__(bus, 'yes', CONFIG)
        self.pod = self.create()
        self.inside = self.daemon.rootfs(self.pod)

    def create(self, spec=None):
        text = json.dumps(spec or specs.oci(self.root))
        return as_user(ALICE, lambda: str(bus.call(MANAGER, 'CreatePod', 'sa{sh}a{sv}', text, {}, {})[0]))

    def bind(self, source, target, descriptor=None):
        fds = {} if descriptor is None else {'x': dbus.types.UnixFd(descriptor)}
        options = {'options': dbus.Array(['rbind'], signature='s')}
        return as_user(ALICE, lambda: int(bus.call(MANAGER, 'Bind', 'sssa{sh}a{sv}', self.pod, source, target, dbus.Dictionary(fds, signature='sh'), options)))

    def memory(self):
        """Of the front, in KiB."""
        return int(host.status_of(self.daemon.front())['VmRSS'].split()[0])

    def descriptors(self):
        """How many fds the front and each executor have open."""
        return [len(os.listdir(f'/proc/{pid}/fd')) for pid in [self.daemon.front()] + self.daemon.executors()]


def errors(data):
    """How many error replies are in these bytes, by name."""
    found = {}
    for name in (b'org.podmount1.Error.QuotaExceeded', b'org.podmount1.Error.InvalidSpec', b'org.podmount1.Error.NoSuchPod'):
        found[name.decode().rsplit('.', 1)[1]] = data.count(name)
    return found


def drain(connection, seconds=3.0):
    data = b''
    connection.settimeout(seconds)
    try:
        while chunk := connection.recv(1 << 20):
            data += chunk
            connection.settimeout(0.5)
    except TimeoutError:
        pass
    return data


@case('who does not read its answers gets no more of them into our memory, and those who read do not notice')
def unread(s):
    points = [f'/mnt/{i:03}' for i in range(300)]
    as_user(ALICE, lambda: [os.makedirs(f'{s.root}{point}', exist_ok=True) for point in points] and None)
    pod = s.create(specs.oci(s.root, [specs.mount(point) for point in points]))
    raw = pod.encode()
    body = struct.pack('<I', len(raw)) + raw + b'\0'
    body += b'\0' * (-len(body) % 4) + struct.pack('<I', 0)
    body += b'\0' * (-len(body) % 8)
    before = s.memory()

    def attack():
        connection = raw_connection(s.daemon.socket, ALICE)
        for serial in range(1, 1501):
            connection.sendall(marshal(body, serial=serial, member='ListMounts', signature='sa{sv}'))
        time.sleep(0.5)
        while_waiting = s.memory()
        refused = errors(drain(connection))['QuotaExceeded']
        connection.sendall(marshal(body, serial=2000, member='ListMounts', signature='sa{sv}'))
        return while_waiting, refused, errors(drain(connection))['QuotaExceeded']
    while_waiting, refused, later = as_user(ALICE, attack)
    equal(while_waiting - before < 64 * MIB, True, f'the front grew from {before} to {while_waiting} KiB')
    equal(refused > 1000, True, f'{refused} refusals')
    equal(later, 0, 'refusals after everything was read')
    equal(len(s.daemon.mounts(pod)), len(points) + 1, 'what another connection sees')


@case('while nobody knows who calls, a connection may have few calls waiting, and none with a document past the limit')
def strangers(s):
    before = s.memory()
    for pid in s.daemon.executors():
        os.kill(pid, signal.SIGSTOP)

    def attack():
        connection = raw_connection(s.daemon.socket, ALICE)
        for serial in range(1, 201):
            connection.sendall(marshal(b'\0' * 500000, serial=serial, member='GetPod', signature='s'))
        time.sleep(0.5)
        spec = struct.pack('<I', 2 << 20) + b'x' * (2 << 20) + b'\0'
        spec += b'\0' * (-len(spec) % 4) + struct.pack('<I', 0)  # no fds…
        spec += b'\0' * (-len(spec) % 8) + struct.pack('<I', 0)  # …and no options
        spec += b'\0' * (-len(spec) % 8)
        for serial in range(301, 321):
            connection.sendall(marshal(spec, serial=serial, member='Plan', signature='sa{sh}a{sv}'))
        time.sleep(0.5)
        return s.memory(), errors(drain(connection))
    try:
        while_waiting, found = as_user(ALICE, attack)
    finally:
        for pid in s.daemon.executors():
            os.kill(pid, signal.SIGCONT)
    equal(while_waiting - before < 64 * MIB, True, f'the front grew from {before} to {while_waiting} KiB')
    equal(found['QuotaExceeded'] + found['InvalidSpec'] > 0, True, f'errors: {found}')
    equal(as_user(ALICE, lambda: str(bus.call(MANAGER, 'GetPod', 's', s.pod)))[:1], '/', 'the daemon answers')


@case('recursive binds of recursive binds end at the limit')
def growth(s):
    as_user(ALICE, lambda: [os.makedirs(f'{s.root}/mnt/{i}') for i in range(40)] and None)
    counts = []
    for i in range(40):
        try:
            s.bind(s.inside, f'/mnt/{i}')
        except UserError as error:
            equal(error.name, 'org.podmount1.Error.QuotaExceeded', error.text)
            break
        counts.append(len(host.mounts_below(s.inside)))
    equal(len(counts) > 2 and counts[-1] <= 100, True, f'mounts after each bind: {counts}')
    done = s.daemon.ok('bind', s.pod, s.inside, '/data', '-o', 'rbind')
    equal(done.strip().isdigit(), True, 'what root binds')


@case('fds that come with noise, with too few or too many words for them, or that are left behind, are closed')
def left_behind(s):
    etc = os.open('/etc', os.O_PATH)
    call = marshal(b'\0' * 16, member='GetPod', signature='s', fds=1)
    broken = bytearray(call)
    broken[20] = 255
    s.descriptors()
    before = s.descriptors()

    def attack():
        for data, n in [(call, 1), (call, 5), (call, 0), (call[:40], 5), (call[:8], 3), (bytes(broken), 2), (b'x' * 100, 3)]:
            for _ in range(20):
                connection = raw_connection(s.daemon.socket, ALICE)
                socket.send_fds(connection, [data], [etc] * n)
                connection.close()
    as_user(ALICE, attack)
    s.daemon.ok('status')
    eventually(lambda: s.descriptors()[0] <= before[0] + 1, f'no fd is left open: {before} before, {s.descriptors()} after')


if __name__ == '__main__':
    host.prepare()
    bus = Bus()
    tap.run(Situation)
