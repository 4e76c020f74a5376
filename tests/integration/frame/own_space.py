# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is in a mount namespace that a pod has to itself: looked at, and changed, by a process of the test that enters it."""

import ctypes
import os
import pickle
import signal
import subprocess

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS = 0x20000
MNT_DETACH, MS_BIND, MS_REMOUNT, MS_RDONLY, MS_SLAVE = 2, 1 << 12, 1 << 5, 1, 1 << 19
PROC = os.open('/proc', os.O_PATH | os.O_DIRECTORY)


def check(result, what):
    if result < 0:
        raise OSError(ctypes.get_errno(), f'{what}: {os.strerror(ctypes.get_errno())}')


def mount(source, target, type=None, flags=0, data=None):
    check(LIBC.mount(*(word.encode() if word is not None else None for word in (source, target, type)), flags,
            data.encode() if data else None), f'mount {target}')


def umount(target, flags=0):
    check(LIBC.umount2(target.encode(), flags), f'umount {target}')


def mountinfo():
    """Of this process, where there may be no /proc."""
    with os.fdopen(os.open('self/mountinfo', os.O_RDONLY, dir_fd=PROC), errors='surrogateescape') as file:
        return file.read()


def enter(file):
    """This process, for good."""
    fd = os.open(file, os.O_RDONLY)
    check(LIBC.setns(fd, CLONE_NEWNS), f'setns {file}')
    os.close(fd)


def within(file, function, *arguments):
    """What the function returns in the namespace that is bound to the file, or an exception that it raises there."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            enter(file)
            answer = True, function(*arguments)
        except BaseException as error:
            answer = False, error
        with os.fdopen(writing, 'wb') as pipe:
            pipe.write(pickle.dumps(answer))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, 'rb') as pipe:
        answer = pipe.read()
    os.waitpid(pid, 0)
    good, value = pickle.loads(answer)
    if not good:
        raise value
    return value


def points(file, below='/'):
    """Mount points in the namespace."""
    found = [line.split()[4] for line in within(file, mountinfo).splitlines()]
    return sorted(point for point in found if point == below or point.startswith(below.rstrip('/') + '/'))


class Resident:
    """A process that lives there with its working directory at the path."""

    def __init__(self, file, path):
        reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                enter(file)
                os.chdir(path)
                os.write(writing, b'x')
                while True:
                    signal.pause()
            finally:
                os._exit(1)
        os.close(writing)
        with os.fdopen(reading, 'rb') as pipe:
            if pipe.read(1) != b'x':
                raise AssertionError(f'nobody can live in {file} at {path}')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def namespaces():
    """Inode numbers of the mount namespaces that some process lives in."""
    found = set()
    for pid in os.listdir('/proc'):
        if pid.isdigit():
            try:
                found.add(os.readlink(f'/proc/{pid}/ns/mnt'))
            except OSError:
                continue
    return found


def inode(file):
    return subprocess.run(['stat', '-L', '-c', '%i', file], check=True, capture_output=True, text=True).stdout.strip()
