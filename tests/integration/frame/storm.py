# SPDX-License-Identifier: LGPL-2.1-or-later
"""A storm: foreign mounts and unmounts by a process of its own; and how long the daemon takes to answer meanwhile."""

import ctypes
import gc
import os
import random
import socket
import struct
import time

from frame import raw
from frame.tap import Skip

MS_BIND = 4096

libc = ctypes.CDLL(None, use_errno=True)


def mount(source, target):
    if libc.mount(source.encode(), target.encode(), None, MS_BIND, None) < 0:
        raise OSError(ctypes.get_errno(), f'bind {source} on {target}')


def unmount(target):
    if libc.umount2(target.encode(), 0) < 0:
        raise OSError(ctypes.get_errno(), f'unmount {target}')


class Storm:
    """`pairs` mounts and unmounts on the points in turn, `rate` pairs a second or as fast as it goes; the last one on
    each of the points `stay` is left mounted."""

    def __init__(self, source, points, pairs, rate=None, stay=()):
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self.run(source, points, pairs, rate)
                for point in stay:
                    mount(source, point)
                os._exit(0)
            except BaseException as error:
                os.write(2, f'# the storm: {error}\n'.encode())
            os._exit(1)

    @staticmethod
    def run(source, points, pairs, rate):
        begin = time.monotonic()
        for i in range(pairs):
            point = points[i % len(points)]
            mount(source, point)
            unmount(point)
            if rate:
                ahead = begin + (i + 1) / rate - time.monotonic()
                if ahead > 0:
                    time.sleep(ahead)

    def blows(self):
        if self.pid:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.finish(status)
        return self.pid is not None

    def finish(self, status):
        self.pid = None
        if status != 0:
            raise AssertionError(f'the storm ended with status {status}')

    def wait(self):
        if self.pid:
            self.finish(os.waitpid(self.pid, 0)[1])


class Pinger:
    """Peer.Ping over the private socket, by hand, so that what is measured is the daemon."""

    def __init__(self, daemon):
        self.connection = raw.raw_connection(daemon.socket)
        self.message = bytearray(ping())
        self.serial = 0

    def ping(self):
        """Microseconds from sending to the answer."""
        self.serial += 1
        struct.pack_into('<I', self.message, 8, self.serial)
        begin = time.perf_counter_ns()
        self.connection.sendall(self.message)
        data = self.connection.recv(4096)
        end = time.perf_counter_ns()
        while len(data) < 16 or len(data) < whole(data):
            data += self.connection.recv(4096)
            end = time.perf_counter_ns()
        if data[1] != 2 or len(data) != whole(data):
            raise AssertionError(f'the answer to Ping is {bytes(data)!r}')
        return (end - begin) / 1000

    def sample(self, condition, beside):
        """Two lists of answers' times as long as the condition holds: the daemon's and, asked in turn with it, those of
        an Echo, which say what the machine alone is up to. They are asked for at random moments: whoever asks again as
        soon as he is answered waits once where another waits each time."""
        times, echoes, drawn = [], [], random.Random(1)
        gc.disable()
        try:
            while condition():
                for _ in range(20):
                    time.sleep(drawn.random() * 2 * GAP)
                    times.append(self.ping())
                    echoes.append(beside.ping())
        finally:
            gc.enable()
        return whole_wait(times), whole_wait(echoes)

    def close(self):
        self.connection.close()


GAP = 0.0002  # seconds from an answer to the next question, on average


def whole_wait(times):
    """With those who did not ask while the one before them waited, and would have waited for the rest of that time: a
    stall of 20 ms is not one long answer among many short ones."""
    every, waits = GAP * 1e6, []
    for taken in times:
        waits.append(taken)
        while taken > 2 * every:
            taken -= every
            waits.append(taken)
    return waits


class Echo:
    """A process that sends back what it gets, and does nothing else."""

    def __init__(self):
        self.socket, other = socket.socketpair(socket.AF_UNIX)
        self.pid = os.fork()
        if self.pid == 0:
            self.socket.close()
            while data := other.recv(4096):
                other.sendall(data)
            os._exit(0)
        other.close()

    def ping(self):
        """Microseconds from sending to the answer."""
        begin = time.perf_counter_ns()
        self.socket.sendall(b'ping')
        self.socket.recv(4096)
        return (time.perf_counter_ns() - begin) / 1000

    def close(self):
        self.socket.close()
        os.waitpid(self.pid, 0)


def whole(data):
    body, _, fields = struct.unpack_from('<III', data, 4)
    return 16 + fields + -fields % 8 + body


def ping():
    fields = b''
    for code, kind, value in [(1, b'o', b'/org/podmount1'), (3, b's', b'Ping'), (2, b's', b'org.freedesktop.DBus.Peer')]:
        fields += b'\0' * (-len(fields) % 8)
        fields += bytes([code, 1]) + kind + b'\0' + struct.pack('<I', len(value)) + value + b'\0'
    head = b'l\1\0\1' + struct.pack('<III', 0, 1, len(fields)) + fields
    return head + b'\0' * (-len(head) % 8)


def before_others(pids, yes):
    """Whoever else uses this machine waits for these processes."""
    for pid in pids:
        try:
            os.sched_setscheduler(pid, os.SCHED_FIFO if yes else os.SCHED_OTHER, os.sched_param(1 if yes else 0))
        except PermissionError as error:
            raise Skip('nobody can be put before others here') from error


def percentile(times, share):
    times = sorted(times)
    return times[min(len(times) - 1, int(len(times) * share))]


def cpu_of(pid):
    """Seconds that a process has been on a CPU."""
    with open(f'/proc/{pid}/schedstat') as file:
        return int(file.read().split()[0]) / 1e9
