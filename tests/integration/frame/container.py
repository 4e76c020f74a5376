# SPDX-License-Identifier: LGPL-2.1-or-later
"""A process in namespaces of its own, as a runtime makes it."""

import os
import signal
import subprocess

from frame import host
from frame.tap import eventually


def read(path):
    with open(path) as file:
        return file.read()


def in_namespaces(uid, *words):
    """A process of this user in a user namespace and pid, network, ipc and cgroup namespaces of its own: its pid."""
    process = subprocess.Popen(['setpriv', f'--reuid={uid}', f'--regid={uid}', '--clear-groups', 'unshare', '--user',
            '--map-root-user', '--pid', '--net', '--ipc', '--cgroup', '--fork', '--kill-child', 'busybox', 'sleep', '600']
            if uid else ['unshare', '--pid', '--net', '--ipc', '--cgroup', '--fork', '--kill-child', 'busybox', 'sleep', '600'],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    def child():
        found = host.processes_of(process.pid)
        for pid in found:
            try:
                if 'sleep' in read(f'/proc/{pid}/cmdline'):
                    return pid
            except OSError:
                pass
        return None
    pid = eventually(child, 'the container runs')
    return process, pid


class Container:
    def __init__(self, uid):
        self.process, self.pid = in_namespaces(uid)

    def fds(self):
        return {name: os.open(f'/proc/{self.pid}/ns/{name}', os.O_RDONLY) for name in ('pid', 'net', 'ipc', 'cgroup')}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
