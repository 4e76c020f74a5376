# SPDX-License-Identifier: LGPL-2.1-or-later
"""tests/ambush: waits for the N-th system call of processes, and kills somebody there or makes it fail."""

import ctypes
import ctypes.util
import os
import subprocess

from frame import host
from frame.tap import PATIENCE, Skip

PROGRAM = f'{host.BUILD}/tests/ambush'


class Ambush:
    """While it lasts, these processes (those that they fork, too, with `follow`) are waited for. `hit` is then the number of the system
    call at which it happened, or None, and `calls` how many there were in all."""

    def __init__(self, pids, at=None, kill=None, error=None, call=None, follow=False, listed=None):
        if not os.path.exists(PROGRAM):
            raise Skip('tests/ambush is not built: make check TESTS=')
        words = [PROGRAM]
        for name, value in (('at', at), ('kill', kill), ('error', error), ('call', call), ('list', listed)):
            words += [f'--{name}', str(value)] if value is not None else []
        self.words = words + (['--follow'] if follow else []) + [str(pid) for pid in pids]
        self.hit, self.calls, self.process = None, None, None

    def __enter__(self):
        self.process = subprocess.Popen(self.words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != 'ready\n':
            self.process.kill()
            raise AssertionError(f'{" ".join(self.words)}: {self.process.wait()}')
        return self

    def __exit__(self, *_):
        told = self.process.communicate(timeout=30 * PATIENCE)[0].split()
        if self.process.returncode != 0 or len(told) != 2:
            raise AssertionError(f'{" ".join(self.words)}: {self.process.returncode} {told}')
        if told[0] == 'hit':
            self.hit = int(told[1])
        else:
            self.calls = int(told[1])


def number_of(name):
    """Of a system call, on this architecture."""
    try:
        number = ctypes.CDLL('libseccomp.so.2').seccomp_syscall_resolve_name(name.encode())
    except OSError as error:
        raise Skip('libseccomp is not installed') from error
    assert number >= 0, name
    return number


def name_of(number):
    """What a system call is called."""
    try:
        library = ctypes.CDLL('libseccomp.so.2')
    except OSError:
        return str(number)
    library.seccomp_syscall_resolve_num_arch.restype = ctypes.c_char_p
    found = library.seccomp_syscall_resolve_num_arch(0, number)
    return found.decode() if found else str(number)
