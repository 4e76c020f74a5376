#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real container runtimes start a container whose root is a pod's."""

import json
import os
import shutil
import subprocess

from frame import host, specs, tap
from frame.daemon import Daemon
from frame.tap import Skip, case, contains, equal


def run_in_pod(daemon, tool):
    if not shutil.which(tool):
        raise Skip(f'{tool} is not installed')
    before = host.mount_table()
    data = specs.tree('runtime-data', {'file': 'from the host'})
    pod = daemon.create(specs.oci(mounts=[specs.bind(data, '/data', 'rbind', 'ro'),
            specs.mount('/srv', options=['size=1m'])]))
    bundle = specs.tree(f'{tool}-run', {})
    if not os.path.exists(f'{bundle}/config.json'):
        subprocess.run([tool, 'spec'], cwd=bundle, check=True, stdout=subprocess.DEVNULL)
    with open(f'{bundle}/config.json') as file:
        config = json.load(file)
    config['root'] = {'path': daemon.rootfs(pod), 'readonly': False}
    config['process']['terminal'] = False
    config['linux'].pop('resources', None)  # a device filter needs CAP_SYS_RESOURCE, which not every test machine gives
    config['process']['args'] = ['/bin/sh', '-c',
            'cat /data/file; echo; touch /data/x || echo read-only; touch /srv/x && echo writable']
    with open(f'{bundle}/config.json', 'w') as file:
        json.dump(config, file)
    done = host.run([tool, '--root', f'{host.DIRECTORY}/{tool}-state', 'run', f'podmount-test-{os.getpid()}'],
            cwd=bundle)
    equal(done.status, 0, f'{tool} run: {done}')
    for word in ('from the host', 'read-only', 'writable'):
        contains(done.out, word, f'what the container said ({done})')
    equal(daemon.state(pod), 'ready', 'state after the container')
    equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'outcome')
    equal(host.mount_table(), before, 'mount table')


@case("`runc run` starts a container whose root is a pod's rootfs")
def runc(daemon):
    run_in_pod(daemon, 'runc')


@case("`crun run` starts a container whose root is a pod's rootfs")
def crun(daemon):
    # crun refuses the hybrid hierarchy of cgroup v1 and v2: this namespace gets a plain cgroup2
    if not os.path.exists('/sys/fs/cgroup/cgroup.controllers'):
        subprocess.run(['umount', '-R', '/sys/fs/cgroup'], check=True)
        subprocess.run(['mount', '-t', 'cgroup2', 'cgroup2', '/sys/fs/cgroup'], check=True)
    run_in_pod(daemon, 'crun')


if __name__ == '__main__':
    host.prepare()
    tap.run(Daemon)
