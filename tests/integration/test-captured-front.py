#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A front that is in other hands: what it holds is taken out of the running one, and used against the other processes."""

import ctypes
import fcntl
import os
import re
import signal
import socket
import struct
import time

from frame import host, specs, tap
from frame.daemon import Daemon
from frame.tap import case, diagnose, equal, eventually

PIDFD_GETFD = 438
MAGIC = 0x706f646d6f756e74  # of a message, util/channel.c
REPLACE = 3  # CONTROL_REPLACE
SECONDS = 4
AT_ONCE = 16
libc = ctypes.CDLL(None, use_errno=True)


def links_of(pid):
    """What each fd of a process is of."""
    found = {}
    for name in os.listdir(f'/proc/{pid}/fd'):
        try:
            found[int(name)] = os.readlink(f'/proc/{pid}/fd/{name}')
        except FileNotFoundError:
            continue
    return found


def take(pid, number):
    """A duplicate of an fd of another process, pidfd_getfd(2)."""
    pidfd = os.pidfd_open(pid)
    try:
        fd = libc.syscall(PIDFD_GETFD, pidfd, number, 0)
        if fd < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return fd
    finally:
        os.close(pidfd)


def create_and_collect(daemon, name):
    daemon.ok('gc', daemon.create(specs.oci(specs.rootfs(name))))


def check_intents(daemon):
    """The front can do nothing to intent files but read them."""
    fds = [number for number, link in links_of(daemon.front()).items() if f'{daemon.runtime}/intent/' in link]
    equal(len(fds) >= len(daemon.executors()), True, f'intent files of the front: {fds}')
    for number in fds:
        fd = take(daemon.front(), number)
        size = os.fstat(fd).st_size
        equal(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE, os.O_RDONLY, 'how it is open')
        for change in (lambda: os.ftruncate(fd, 0), lambda: os.pwrite(fd, b'x', 0), lambda: os.posix_fallocate(fd, 0, size + 1)):
            try:
                change()
            except OSError:
                continue
            raise AssertionError(f'intent file {number} was written to')
        equal(os.fstat(fd).st_size, size, 'its size')
        os.close(fd)


@case('the front cannot cut short the intent files that executors have mapped, nor those of executors that come later')
def intents(daemon):
    check_intents(daemon)
    before = daemon.executors()
    os.kill(before[0], signal.SIGKILL)
    eventually(lambda: len(daemon.executors()) == len(before) and before[0] not in daemon.executors(), 'another executor', 10)
    create_and_collect(daemon, 'after')
    check_intents(daemon)


def control_of(daemon):
    """The front's socket to the keeper: made in one call with the one that the keeper has, whose number is the one before."""
    def sockets(pid):
        found = {}
        for number, link in links_of(pid).items():
            if link.startswith('socket:['):
                fd = take(pid, number)
                with socket.socket(fileno=fd) as one:
                    if (one.family, one.type) == (socket.AF_UNIX, socket.SOCK_SEQPACKET):
                        found[int(link[8:-1])] = number
        return found
    keepers, fronts = sockets(daemon.keeper()), sockets(daemon.front())
    equal(len(keepers), 1, 'sockets of the keeper')
    return socket.socket(fileno=take(daemon.front(), fronts[next(iter(keepers)) + 1]))


@case('a front that asks for other executors without end has a few started in a second, and then serves on')
def replacements(daemon):
    started = lambda: len(re.findall(r'executor [0-9]+ is process', daemon.log()))
    before, end = started(), time.monotonic() + SECONDS
    with control_of(daemon) as control:
        while time.monotonic() < end:
            for slot in range(20):  # more than there can be
                try:
                    control.send(struct.pack('=QIIII', MAGIC, 8, 0, REPLACE, slot), socket.MSG_DONTWAIT)
                except BlockingIOError:
                    time.sleep(0.001)
    count = started() - before
    diagnose(f'{count} executors in {SECONDS} s')
    # So many at once, and then eight a second.
    equal((count > AT_ONCE, count <= AT_ONCE + 8 * (SECONDS + 1)), (True, True), f'{count} executors were started')
    eventually(lambda: len(daemon.executors()) == len({number for number in re.findall(r'executor ([0-9]+) is process', daemon.log())}), 'all executors', 10)
    create_and_collect(daemon, 'later')


if __name__ == '__main__':
    host.prepare()
    tap.run(Daemon)
