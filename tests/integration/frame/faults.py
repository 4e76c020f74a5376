# SPDX-License-Identifier: LGPL-2.1-or-later
"""System calls of executors and their workers that fail once, by strace(1), which says before how often each is made.

PODMOUNT_SEED is which, PODMOUNT_FAULTS how many of an operation (25 unless told), or `all`.
"""

import contextlib
import os
import random
import re
import shutil
import subprocess
import time

from frame import host
from frame.tap import Skip, eventually

SEED = int(os.environ.get('PODMOUNT_SEED', str(int(time.time()))))
FAULTS = os.environ.get('PODMOUNT_FAULTS', '25')
# What cannot fail, or leaves something behind that no kernel leaves: a close() that fails has closed. In recvmsg() an executor waits
# when strace comes: it fails at once and for every executor, until strace goes.
NEVER = {'recvmsg', 'close', 'exit', 'exit_group', 'munmap', 'brk', 'futex', 'madvise', 'getpid', 'gettid', 'getppid', 'getuid', 'geteuid', 'umask', 'restart_syscall',
        'rt_sigreturn', 'rt_sigaction', 'rt_sigprocmask', 'clock_nanosleep', 'alarm', 'getrandom', 'set_robust_list', 'rseq', 'arch_prctl'}
ERRORS = {'mmap': ['ENOMEM'], 'clone': ['EAGAIN', 'ENOMEM'], 'clone3': ['EAGAIN', 'ENOMEM'], 'fork': ['EAGAIN']}
DECISIVE = {'renameat', 'renameat2', 'linkat', 'unlinkat'}  # all of these, always
USUAL = ['EIO', 'ENOMEM', 'ENOSPC']


@contextlib.contextmanager
def traced(daemon, *options):
    """While it lasts, strace sees executors and whatever they fork."""
    if not shutil.which('strace'):
        raise Skip('strace is not installed')
    process = eventually(lambda: attach(daemon, options), 'strace has the executors', 20, 0.2)
    try:
        yield
    finally:
        end(process)


def end(process):
    """It lets go of whom it has; sometimes it waits for one that has gone, and then the kernel does that for it."""
    process.terminate()
    try:
        process.wait(3)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def attach(daemon, options):
    """strace that has them, or None: one is just being replaced."""
    pids = daemon.executors()
    if len(pids) < 2:
        return None
    process = subprocess.Popen(['strace', '-f', '-qq', *options, *[word for pid in pids for word in ('-p', str(pid))]], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def attached():
        try:
            return process.poll() is not None or all(host.status_of(pid)['TracerPid'].strip() != '0' for pid in pids)
        except (OSError, KeyError):
            return True
    eventually(attached, 'strace has them, or has gone', 20)
    if process.poll() is None and daemon.executors() == pids:
        return process
    process.kill()
    process.wait()
    return None


def calls_of(daemon, function):
    """All system calls that are made meanwhile, each with how often one process makes it."""
    path, counts = f'{daemon.directory}/calls', {}
    with traced(daemon, '-o', path):
        function()
    with open(path, errors='replace') as file:
        for line in file:
            found = re.match(r'(\d+) +(\w+)\(', line)
            if found:
                counts[found.groups()] = counts.get(found.groups(), 0) + 1
    os.unlink(path)
    most = {}
    for (_, name), number in counts.items():
        if name not in NEVER:
            most[name] = max(most.get(name, 0), number)
    return most


def faults(daemon, function):
    """(call, which of them, error) for each time that one of the calls of this function can fail, or for some of them."""
    chance = random.Random(SEED)
    found = [(name, number, chance.choice(ERRORS.get(name, USUAL))) for name, most in sorted(calls_of(daemon, function).items()) for number in range(1, most + 1)]
    chance.shuffle(found)
    return found if FAULTS == 'all' else [fault for number, fault in enumerate(found) if number < int(FAULTS) or fault[0] in DECISIVE]


@contextlib.contextmanager
def failing(daemon, fault):
    name, number, error = fault
    with traced(daemon, '-o', '/dev/null', '-e', f'trace={name}', '-e', f'inject={name}:error={error}:when={number}'):
        yield
