# SPDX-License-Identifier: LGPL-2.1-or-later
"""The host that a case sees: its directory, its mount table, its users, processes run as them."""

import os
import pickle
import re
import shutil
import subprocess
import traceback

from frame.tap import PATIENCE

BUILD = os.environ['PODMOUNT_BUILD']
DIRECTORY = os.environ['PODMOUNT_DIRECTORY']
SOURCE = os.path.realpath(os.path.join(os.path.dirname(__file__), '../../..'))

# Features of the kernel that the daemon is to do without.
WITHOUT = [name for name in os.environ.get('PODMOUNT_WITHOUT', '').split(',') if name]

# Users that every Debian has; the front runs as the last.
ALICE, BOB, FRONT = 1, 5, 65534
FRONT_NAME = 'nobody'
POLKITD, POLKITD_NAME = 8, 'mail'  # a real polkitd, in a root where they are polkitd


def prepare():
    """Makes the directory a tmpfs that is gone with this mount namespace, with programs that every user can reach."""
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'mode=0755', 'tmpfs', DIRECTORY], check=True)
    fill()


def fill():
    """Puts the programs into the directory."""
    os.mkdir(f'{DIRECTORY}/bin')
    for program in ['podmountd', 'podmountctl']:
        shutil.copy(os.path.join(BUILD, program), f'{DIRECTORY}/bin/{program}')


def mount_table():
    """The kernel's table of our namespace, a line a mount, but for the executors' own staging mounts (not what is on
    them), which kernels that cannot mount onto a detached tree need."""
    with open('/proc/self/mountinfo', encoding='utf-8', errors='surrogateescape') as file:
        lines = file.read().splitlines()
    return sorted(line for line in lines if not re.search(r'^(\S+ ){4}\S*/run/staging/\d+ ', line))


def mount_count():
    """How many mounts the kernel's table of our namespace has, with those of the staging directories."""
    with open('/proc/self/mountinfo', 'rb') as file:
        return sum(1 for _ in file)


def unescape(text):
    """A field of mountinfo as it is: \\040 and its like undone."""
    raw = text.encode('utf-8', 'surrogateescape')
    out, i = bytearray(), 0
    while i < len(raw):
        if raw[i:i + 1] == b'\\' and raw[i + 1:i + 4].isdigit():
            out.append(int(raw[i + 1:i + 4], 8))
            i += 4
        else:
            out.append(raw[i])
            i += 1
    return out.decode('utf-8', 'surrogateescape')


def mounts_below(path):
    """{mount point: [fields of mountinfo]} of all mounts at or below a path; the topmost of stacked ones."""
    found = {}
    for line in open('/proc/self/mountinfo', encoding='utf-8', errors='surrogateescape'):
        fields = line.split()
        point = unescape(fields[4])
        if point == path or point.startswith(path + '/'):
            found[point] = fields
    return found


class Done:
    """What a program came to."""

    def __init__(self, process):
        self.status, self.out, self.err = process.returncode, process.stdout, process.stderr

    def __repr__(self):
        return f'status {self.status}\nstdout: {self.out}\nstderr: {self.err}'


def drop_to(uid):
    """For a child: becomes a user for good, without groups and capabilities."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def run(argv, user=0, input=None, fds=(), cwd=None, env=None, timeout=60):
    """Runs a program to its end."""
    if user:
        argv = ['setpriv', f'--reuid={user}', f'--regid={user}', '--clear-groups', '--inh-caps=-all'] + list(argv)
    process = subprocess.run(argv, input=input, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            stdin=None if input is not None else
                             subprocess.DEVNULL, pass_fds=fds, cwd=cwd, env=env, timeout=timeout * PATIENCE, text=True,
                             errors='surrogateescape')
    return Done(process)


def as_user(uid, function, *arguments):
    """Calls a function in a child that is this user and returns (or raises) what it did."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(read_end)
            if uid:
                drop_to(uid)
            result = ('ok', function(*arguments))
        except BaseException as error:
            result = ('error', (getattr(error, 'get_dbus_name', lambda: type(error).__name__)(), str(error),
                    traceback.format_exc()))
        with os.fdopen(write_end, 'wb') as file:
            pickle.dump(result, file)
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, 'rb') as file:
        data = file.read()
    os.waitpid(pid, 0)
    kind, value = pickle.loads(data)
    if kind == 'ok':
        return value
    raise UserError(*value)


def staying(become, begin):
    """A child that becomes somebody, begins something, and stays; what that returns lives as long. What lets it go, and waits for its end."""
    ready, go = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(go[1])
        try:
            become()
            kept = begin()
            os.write(ready[1], b'x')
            os.read(go[0], 1)
            del kept
        finally:
            os._exit(0)
    os.close(go[0])
    os.close(ready[1])
    with os.fdopen(ready[0], 'rb') as file:
        begun = file.read(1)

    def let_go():
        os.close(go[1])
        os.waitpid(pid, 0)
    if not begun:
        let_go()
        raise AssertionError('it has not begun')
    return let_go


class UserError(Exception):
    def __init__(self, name, text, trace):
        super().__init__(f'{name}: {text}\n{trace}')
        self.name, self.text = name, text


def processes_of(parent):
    """{pid: role} of a process's children: a role is what its status calls it."""
    found = {}
    for entry in os.listdir('/proc'):
        if not entry.isdigit():
            continue
        try:
            with open(f'/proc/{entry}/stat') as file:
                text = file.read()
            if int(text[text.rindex(')') + 2:].split()[1]) == parent:
                found[int(entry)] = text[text.index('(') + 1:text.rindex(')')]
        except (OSError, ValueError):
            continue
    return found


def status_of(pid):
    """The fields of proc_pid_status(5)."""
    with open(f'/proc/{pid}/status') as file:
        return dict(line.rstrip('\n').split(':\t', 1) for line in file if ':\t' in line)


def alive(pid):
    try:
        return status_of(pid)['State'][0] not in 'ZX'
    except (OSError, KeyError):
        return False
