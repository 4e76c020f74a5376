#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""One user floods the private socket: a hundred connections, thousands of calls, nobody who reads the answers. Another one's Ping is answered in
time, memory stays bounded, and nothing is left when the flood is over.

PODMOUNT_FLOOD=N makes the floods N rounds of 10,000 calls long (scripts/torture).
"""

import fcntl
import os
import signal
import struct
import time

from frame import host, specs, tap
from frame.daemon import Stage
from frame.host import ALICE, drop_to
from frame.raw import marshal, raw_connection
from frame.storm import Echo, Pinger, before_others, percentile, ping
from frame.tap import Skip, case, diagnose, equal, eventually

ROUNDS = int(os.environ.get('PODMOUNT_FLOOD', '0')) or 6
CONNECTIONS, CALLS = 100, 10000
TIMES = 5
CONFIG = '[Limits]\nRequestsPerUser=256\n'


class Situation(Stage):
    def __init__(self):
        super().__init__(config=CONFIG)
        self.pod = self.create(specs.oci())


def text(value):
    raw = value.encode()
    data = struct.pack('<I', len(raw)) + raw + b'\0'
    return data + b'\0' * (-len(data) % 4)


def calls():
    """Batches of what costs little to ask: to be refused, and to be told that there is nothing."""
    kinds = [marshal(text('00000000'), member='GetPod', signature='s'), marshal(struct.pack('<I', 0) + b'\0' * 4, member='ListPods', signature='a{sv}'),
             marshal(text('/') + struct.pack('<I', 0) * 4, member='Holders', signature='ssa{sv}'), ping()]
    batch = b''
    for i in range(CALLS // CONNECTIONS):
        one = bytearray(kinds[i % len(kinds)])
        struct.pack_into('<I', one, 8, i + 1)
        batch += one
    return batch


def unread_by_other(connection):
    """How many bytes are on their way (SIOCOUTQ)."""
    return struct.unpack('i', fcntl.ioctl(connection, 0x5411, bytes(4)))[0]


class Flood:
    """A process of Alice's. Each round opens as many connections as it can, sends all of its calls and reads nothing."""

    def __init__(self, daemon, rounds):
        self.results, results = os.pipe()
        self.pid = os.fork()
        if self.pid:
            os.close(results)
            return
        status = 1
        try:
            drop_to(ALICE)
            done = [self.round(daemon.socket) for _ in range(rounds)]
            os.write(results, f'{sum(n for n, _ in done)} {sum(n for _, n in done)}'.encode())
            status = 0
        finally:
            os._exit(status)

    @staticmethod
    def round(path):
        batch, connections, sent = calls(), [], 0
        for _ in range(CONNECTIONS):
            try:
                connections.append(raw_connection(path, ALICE))
            except OSError:  # past ConnectionsPerUser=
                pass
        for connection in connections:
            connection.setblocking(False)
        left = [batch * (CONNECTIONS // max(len(connections), 1) + 1)] * len(connections)
        end = time.monotonic() + 1
        while any(left) and time.monotonic() < end:
            for i, connection in enumerate(connections):
                try:
                    n = connection.send(left[i])
                    sent += n
                    left[i] = left[i][n:]
                except BlockingIOError:
                    pass
                except OSError:  # cut off
                    left[i] = b''
        end = time.monotonic() + 3  # until all of it was taken
        while time.monotonic() < end and any(unread_by_other(connection) for connection in connections):
            time.sleep(0.005)
        for connection in connections:
            connection.close()
        return len(connections), sent * CALLS // (len(batch) * CONNECTIONS)

    def blows(self):
        if self.pid and os.waitpid(self.pid, os.WNOHANG)[0]:
            self.pid = None
        return self.pid is not None

    def stop(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)

    def result(self):
        """How many connections it had, and how many calls it has sent."""
        with os.fdopen(self.results) as file:
            return [int(word) for word in file.read().split()]


def p99s(daemon):
    """The p99 of Ping just before and after the flood, and in it; the same of an echo."""
    pinger, echo = Pinger(daemon), Echo()
    before_others([os.getpid(), echo.pid, daemon.front()], True)

    def quiet():
        time.sleep(0.5)
        end = time.monotonic() + 1.5
        return pinger.sample(lambda: time.monotonic() < end, echo)
    before = quiet()
    flood = Flood(daemon, ROUNDS)
    memory = []

    def blows():
        memory.append(int(host.status_of(daemon.front())['VmRSS'].split()[0]))
        return flood.blows()
    try:
        before_others([flood.pid], False)
        wild = pinger.sample(blows, echo)
        connections, sent = flood.result()
        after = quiet()
    finally:
        flood.stop()
        before_others([os.getpid(), daemon.front()], False)
        pinger.close()
        echo.close()
    diagnose(f'the flood: {connections} connections, {sent} calls in {ROUNDS} rounds; the front had {max(memory)} KiB at most, {memory[0]} before')
    equal(sent >= CALLS, True, f'{sent} calls are enough')
    equal(max(memory) - memory[0] < 64 * 1024, True, 'memory of the front')
    found = []
    for name, calm, in_it in [('Ping', before[0] + after[0], wild[0]), ('echo', before[1] + after[1], wild[1])]:
        found += [percentile(calm, 0.99), percentile(in_it, 0.99)]
        diagnose(f'{name} in us: ' + ', '.join(
            f'{when} median {percentile(times, 0.5):.0f} p99 {percentile(times, 0.99):.0f} max {max(times):.0f} ({len(times)})'
            for when, times in [('undisturbed', calm), ('in the flood', in_it)]) + f'; p99 {found[-1] / found[-2]:.2f} times')
        equal(len(in_it) >= 500, True, f'{len(in_it)} samples are enough')
    return found


@case(f'the p99 of another one\'s Ping is within {TIMES} times the undisturbed while one user floods')
def flooded(daemon):
    seen = []

    def ratio():
        calm, wild, echo_calm, echo_wild = (min(column) for column in zip(*seen))
        return wild / calm / max(echo_wild / echo_calm, 1)
    while len(seen) < 3 and not (seen and ratio() <= TIMES):
        seen.append(p99s(daemon))
    diagnose(f'p99 of Ping in the flood over the undisturbed one, beside an echo: {ratio():.2f}')
    equal(ratio() <= TIMES, True, f'p99 of Ping in the flood over the undisturbed one, beside an echo, is {ratio():.2f}')
    eventually(lambda: [row['Used'] for row in daemon.json('status')['Quotas'] if row['Limit'] in ('ConnectionsPerUser', 'RequestsPerUser')] == [],
               'nothing of the flood is left')
    equal(daemon.state(daemon.pod), 'ready', 'the pod')
    daemon.ok('gc', daemon.pod)


if __name__ == '__main__':
    host.prepare()
    tap.run(Situation)
