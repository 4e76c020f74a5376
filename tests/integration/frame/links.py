# SPDX-License-Identifier: LGPL-2.1-or-later
"""Network interfaces, in network namespaces of the tests' own: the host's of the daemon is the test's."""

import ctypes
import functools
import json
import os
import signal
import subprocess

from frame import host


def enter():
    """A network namespace of our own for this process and all that it starts."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x40000000) < 0:  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), 'unshare a network namespace')


def ip(*words, pid=0, check=True):
    inside = ['nsenter', f'--net=/proc/{pid}/ns/net'] if pid else []
    return subprocess.run([*inside, 'ip', *words], check=check, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def has_kind(kind):
    done = ip('link', 'add', 'probe0', 'type', kind, check=False)
    if done.returncode == 0:
        ip('link', 'del', 'probe0')
    return done.returncode == 0


def simple_kind():
    """One that needs to be told nothing, and can be moved."""
    return next((kind for kind in ('dummy', 'ifb') if has_kind(kind)), None)


@functools.cache
def of_every_namespace():
    done = subprocess.run(['unshare', '--net', 'ip', '-j', 'link'], check=True, stdout=subprocess.PIPE)
    return {link['ifname'] for link in json.loads(done.stdout)}


def links(pid=0):
    """{name: what ip(8) says} of all links but those that every network namespace has: lo, and some of the modules that are loaded."""
    return {link['ifname']: link for link in json.loads(ip('-j', '-d', 'link', pid=pid).stdout) if link['ifname'] not in of_every_namespace()}


def names(pid=0):
    return sorted(links(pid))


def marks(link):
    return [name for name in link.get('altnames', []) if name.startswith('podmount:')]


class Process:
    """One that has a network namespace of its own, in a user namespace of its user."""

    def __init__(self, uid=0):
        words = ['unshare', '-nU', '--map-root-user', 'sh', '-c', 'echo; exec sleep 1000']
        if uid:
            words = ['setpriv', f'--reuid={uid}', f'--regid={uid}', '--clear-groups', *words]
        self.child = subprocess.Popen(words, stdout=subprocess.PIPE)
        self.child.stdout.readline()
        self.pid = self.child.pid

    def end(self):
        if host.alive(self.pid):
            os.kill(self.pid, signal.SIGKILL)
        self.child.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
