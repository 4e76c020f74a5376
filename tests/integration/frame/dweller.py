# SPDX-License-Identifier: LGPL-2.1-or-later
"""A running container, as far as mounts go: a process in a mount namespace of its own, made by unshare or by a runtime."""

import json
import os
import shutil
import subprocess

from frame import host, specs
from frame.tap import Skip, equal, eventually


class Dweller:
    """A process in a mount namespace of its own, with this root directory; a user's in a user namespace, too."""

    def __init__(self, root, uid=0, propagation='private'):
        words = ['unshare', '--mount', f'--propagation={propagation}', f'--root={root}', '/bin/busybox', 'sleep', '600']
        if uid:
            words = ['setpriv', f'--reuid={uid}', f'--regid={uid}', '--clear-groups', 'unshare', '--user', '--map-root-user'] + words[1:]
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL)
        self.pid = self.process.pid
        eventually(lambda: b'sleep' in open(f'/proc/{self.pid}/cmdline', 'rb').read() and
                self.namespace() != os.readlink('/proc/self/ns/mnt'), 'it lives')

    def namespace(self):
        return os.readlink(f'/proc/{self.pid}/ns/mnt')

    def sees(self, path):
        return os.path.lexists(f'/proc/{self.pid}/root{path}')

    def table(self):
        return open(f'/proc/{self.pid}/mountinfo').read()

    def end(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


class RuntimeContainer(Dweller):
    """The same by runc or crun."""

    def __init__(self, tool, root):
        if not shutil.which(tool):
            raise Skip(f'{tool} is not installed')
        if tool == 'crun' and not os.path.exists('/sys/fs/cgroup/cgroup.controllers'):
            subprocess.run(['umount', '-R', '/sys/fs/cgroup'], check=True)
            subprocess.run(['mount', '-t', 'cgroup2', 'cgroup2', '/sys/fs/cgroup'], check=True)
        bundle = specs.tree(f'{tool}-inside', {})
        if not os.path.exists(f'{bundle}/config.json'):
            subprocess.run([tool, 'spec'], cwd=bundle, check=True, stdout=subprocess.DEVNULL)
        with open(f'{bundle}/config.json') as file:
            config = json.load(file)
        config['root'] = {'path': root, 'readonly': False}
        config['process']['terminal'] = False
        config['process']['args'] = ['/bin/busybox', 'sleep', '600']
        config['linux'].pop('resources', None)
        with open(f'{bundle}/config.json', 'w') as file:
            json.dump(config, file)
        self.tool, self.name = [tool, '--root', f'{host.DIRECTORY}/{tool}-state'], f'inside-{os.getpid()}'
        pid_file = f'{bundle}/pid'
        with open(f'{bundle}/said', 'w') as said:  # no pipe: the container keeps it open
            done = subprocess.run(self.tool + ['run', '--detach', '--pid-file', pid_file, self.name], cwd=bundle,
                    stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        equal(done.returncode, 0, open(f'{bundle}/said').read())
        self.pid = int(open(pid_file).read())

    def end(self):
        subprocess.run(self.tool + ['delete', '--force', self.name], check=True, stderr=subprocess.DEVNULL)
