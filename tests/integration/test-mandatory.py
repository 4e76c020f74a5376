#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What every container has where its spec is silent: /proc, /sys, /dev with its devices, and /tmp."""

import json
import os
import shutil
import stat
import subprocess
import time

from frame import host, specs, tap
from frame.bus import Bus
from frame.daemon import Daemon
from frame.situation import WithPolkit
from frame.tap import PATIENCE, Skip, case, contains, equal

bus = None

TARGETS = ['/', '/dev', '/dev/mqueue', '/dev/pts', '/dev/shm', '/proc', '/sys', '/tmp']
DEVICES = {'null': (1, 3), 'zero': (1, 5), 'full': (1, 7), 'random': (1, 8), 'urandom': (1, 9), 'tty': (5, 0)}


def listing(path):
    return sorted((os.path.join(base, name), os.lstat(os.path.join(base, name)).st_mode)
                  for base, directories, files in os.walk(path) for name in directories + files)


def check_dev(rootfs):
    for name, (major, minor) in DEVICES.items():
        status = os.stat(f'{rootfs}/dev/{name}')
        assert stat.S_ISCHR(status.st_mode), name
        equal((os.major(status.st_rdev), os.minor(status.st_rdev)), (major, minor), name)
    equal(os.readlink(f'{rootfs}/dev/fd'), '/proc/self/fd', 'the link fd')
    equal(os.readlink(f'{rootfs}/dev/ptmx'), 'pts/ptmx', 'the link ptmx')
    with open(f'{rootfs}/dev/null', 'w') as file:
        file.write('nothing')


def own_targets(daemon, pod):
    return sorted(mount['Target'] for mount in daemon.json('show', pod)['Mounts'] if mount['Target'][:5] != '/dev/'
                  or mount['Target'][5:] not in DEVICES)


@case('root and a silent spec: all of them, with their options, told in warnings')
def silent(daemon):
    before, there = host.mount_table(), listing(specs.rootfs())
    for readonly in (True, False):
        for spec in (specs.oci(readonly=readonly, mandatory=True),
                     specs.podmount({'main': (specs.rootfs(), readonly, ())}, mandatory=True)):
            pod = daemon.create(spec)
            rootfs = daemon.rootfs(pod)
            equal(own_targets(daemon, pod), TARGETS, 'mounts')
            assert os.path.exists(f'{rootfs}/proc/self/stat') and os.path.exists(f'{rootfs}/sys/class/net')
            check_dev(rootfs)
            equal(stat.S_IMODE(os.stat(f'{rootfs}/tmp').st_mode), 0o1777, 'mode of /tmp')
            equal(stat.S_IMODE(os.stat(f'{rootfs}/dev/shm').st_mode), 0o1777, 'mode of /dev/shm')
            shm = os.statvfs(f'{rootfs}/dev/shm')
            equal(shm.f_blocks * shm.f_frsize, 64 << 20, 'size of /dev/shm')
            assert os.statvfs(f'{rootfs}/sys').f_flag & os.ST_RDONLY
            equal(stat.S_IMODE(os.stat(f'{rootfs}/dev/pts/ptmx').st_mode), 0o666, 'mode of ptmx')
            contains(' '.join(daemon.json('show', pod)['Warnings']), "proc at /proc shows the host's pid namespace")
            equal(daemon.state(pod), 'ready', 'state')
            daemon.ok('gc', pod)
            equal(host.mount_table(), before, 'the mount table')
    equal(listing(specs.rootfs()), there, 'the root')


@case('a spec that is not silent has its own: by the words of its destinations')
def not_silent(daemon):
    spec = specs.oci(mounts=[specs.mount('/tmp//', options=['size=1m']), specs.bind('/dev', '/dev', 'rbind')],
            readonly=True, mandatory=True)
    pod = daemon.create(spec)
    rootfs = daemon.rootfs(pod)
    tmp = os.statvfs(f'{rootfs}/tmp')
    equal(tmp.f_blocks * tmp.f_frsize, 1 << 20, 'size of /tmp')
    equal(sorted(name for name in own_targets(daemon, pod) if not name.startswith('/dev/')),
            ['/', '/dev', '/proc', '/sys', '/tmp'], 'mounts')
    equal(os.stat(f'{rootfs}/dev').st_ino, os.stat('/dev').st_ino, "the host's /dev")
    equal([step['target'] for step in daemon.json('plan', '-', input=json.dumps(spec))['steps'] if step.get('mandatory')],
            ['/proc', '/sys'], 'mandatory steps')
    pod = daemon.create(dict(spec, mandatoryMounts=False))
    assert '/proc' not in own_targets(daemon, pod)


@case('the tmpfs that an OCI spec has at /dev gets devices and links, and keeps the options of the spec')
def runc_dev(daemon):
    bundle = specs.generated('runc', 'mandatory-bundle', mandatory=True)
    pod = daemon.create(bundle)
    rootfs = daemon.rootfs(pod)
    check_dev(rootfs)
    dev = os.statvfs(f'{rootfs}/dev')
    equal(dev.f_blocks * dev.f_frsize, 64 << 20, 'size of /dev')
    assert '/tmp' in own_targets(daemon, pod)
    equal(daemon.state(pod), 'ready', 'state')
    daemon.restart()
    equal(daemon.state(pod), 'ready', 'state after a restart')


@case('a root without the directories: stubs when read-only, made and removed again when writable')
def bare(daemon):
    root = specs.tree('bare-root', {'bin/': '', 'etc/hostname': 'pod\n'})
    there = listing(root)
    pod = daemon.create(specs.oci(root=root, readonly=True, mandatory=True))
    equal(own_targets(daemon, pod), TARGETS, 'mounts')
    equal(listing(root), there, 'the root')
    daemon.ok('gc', pod)
    pod = daemon.create(specs.oci(root=root, mandatory=True))
    equal(sorted(os.listdir(root)), ['bin', 'dev', 'etc', 'proc', 'sys', 'tmp'], 'the writable root')
    daemon.ok('gc', pod)
    equal(listing(root), there, 'the root')


@case('an unprivileged caller: what shows a namespace waits, what it cannot make is left out and told')
def unprivileged(_):
    with WithPolkit(bus, 'yes') as situation:
        daemon = situation.daemon

        def create(root):
            return daemon.create(specs.oci(root=root, mandatory=True), user=host.ALICE, over_bus=True)

        pod = create(situation.root)
        mounts = daemon.mounts(pod)
        equal(sorted(key for key, mount in mounts.items() if mount['State'] == 'deferred'),
                ['main:/dev/mqueue', 'main:/proc', 'main:/sys'], 'deferred')
        assert os.statvfs(f'{daemon.rootfs(pod)}/tmp').f_flag & os.ST_NOSUID
        check_dev(daemon.rootfs(pod))
        foreign = specs.tree('mandatory-foreign', {'bin/': ''})
        there = listing(foreign)
        pod = create(foreign)
        targets = own_targets(daemon, pod)
        assert '/tmp' not in targets and '/dev' not in targets, targets
        warnings = ' '.join(daemon.json('show', pod)['Warnings'])
        contains(warnings, 'The tmpfs that every container has at /tmp is left out of container main')
        contains(warnings, 'at /dev is left out')
        equal(daemon.state(pod), 'ready', 'state')
        equal(listing(foreign), there, 'a root of somebody else')


@case('a read-only root keeps the mounts below it and does without what it has no place for')
def brought(daemon):
    root = specs.tree('mandatory-brought', {'bin/': '', 'data/': '', 'proc/': ''})
    subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', f'{root}/data'], check=True)
    subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', f'{root}/proc'], check=True)
    try:
        with open(f'{root}/data/kept', 'w') as file:
            file.write('kept\n')
        pod = daemon.create(specs.oci(root=root, readonly=True, mandatory=True))
        assert os.path.exists(f'{daemon.rootfs(pod)}/data/kept')
        assert not os.path.exists(f'{daemon.rootfs(pod)}/tmp')
        warnings = ' '.join(daemon.json('show', pod)['Warnings'])
        contains(warnings, 'at /tmp is left out')
        contains(warnings, 'at /proc is left out')
        equal(daemon.state(pod), 'ready', 'state')
        daemon.ok('gc', pod)
    finally:
        subprocess.run(['umount', f'{root}/data', f'{root}/proc'], check=True)


@case('parents come before children, whatever the order of the document, and a warning says so')
def order(daemon):
    inner = specs.tree('order-inner', {'file': 'inner\n'})
    spec = specs.oci(mounts=[specs.bind(inner, '/data/a/b'), specs.mount('/srv'), specs.mount('/data')])
    pod = daemon.create(spec)
    equal(open(f'{daemon.rootfs(pod)}/data/a/b/file').read(), 'inner\n', 'the child')
    contains(' '.join(daemon.json('show', pod)['Warnings']), '/mounts/2: the mount at /data is made before')
    mounts = [specs.bind(inner, '/mnt/x/y'), specs.mount('/mnt/z'), specs.mount('/mnt')]
    daemon.ok('mount', pod, '-', input=json.dumps(mounts))
    equal(open(f'{daemon.rootfs(pod)}/mnt/x/y/file').read(), 'inner\n', 'the child of a call')
    ids = {key: mount['ID'] for key, mount in daemon.mounts(pod).items()}
    daemon.ok('mount', pod, '-', input=json.dumps(mounts))
    equal({key: mount['ID'] for key, mount in daemon.mounts(pod).items()}, ids, 'ids after a retry')
    equal([int(number) for number in daemon.manager('Mount', 'ssa{sh}a{sv}', pod, json.dumps(mounts), {}, {})],
            [ids['main:/mnt/x/y'], ids['main:/mnt/z'], ids['main:/mnt']], 'ids in the order of the call')


@case('a hundred thousand mounts in one document: past its size, and past the mounts of a pod, soon and by name')
def many(daemon):
    spec = json.dumps(specs.oci(mounts=[specs.mount(f'/data/{i}/{i % 7}') for i in range(100000)], mandatory=True))
    contains(daemon.refused('create', '-', input=spec), 'SpecSizeMax=')
    before = host.mount_table()
    with Daemon(config='[Limits]\nSpecSizeMax=64M\n') as other:
        resident = int(host.status_of(other.front())['VmHWM'].split()[0])
        begun = time.monotonic()
        contains(other.refused('create', '-', input=spec), 'mounts per pod: one document asks for 100000, and a pod has at most 16384')
        seconds = time.monotonic() - begun
        grown = int(host.status_of(other.front())['VmHWM'].split()[0]) - resident
        print(f'# {seconds:.1f} s, {grown} KiB more, a document of {len(spec)} bytes')
        assert seconds < 30 * PATIENCE, seconds
        assert grown < 1 << 17, grown
        equal(other.pods(), [], 'pods')
    equal(host.mount_table(), before, 'the mount table')


@case("`crun run` of a container that uses nothing but the pod's mounts")
def crun(daemon):
    if not shutil.which('crun'):
        raise Skip('crun is not installed')
    # crun refuses the hybrid hierarchy of cgroup v1 and v2: this namespace gets a plain cgroup2
    if not os.path.exists('/sys/fs/cgroup/cgroup.controllers'):
        subprocess.run(['umount', '-R', '/sys/fs/cgroup'], check=True)
        subprocess.run(['mount', '-t', 'cgroup2', 'cgroup2', '/sys/fs/cgroup'], check=True)
    pod = daemon.create(specs.oci(mandatory=True))
    bundle = specs.tree('mandatory-crun', {})
    if not os.path.exists(f'{bundle}/config.json'):
        subprocess.run(['crun', 'spec'], cwd=bundle, check=True, stdout=subprocess.DEVNULL)
    with open(f'{bundle}/config.json') as file:
        config = json.load(file)
    config['root'] = {'path': daemon.rootfs(pod), 'readonly': False}
    config['mounts'] = []
    config['process']['terminal'] = False
    config['linux'].pop('resources', None)  # a device filter needs CAP_SYS_RESOURCE, which not every test machine gives
    config['process']['args'] = ['/bin/sh', '-c', 'echo lost >/dev/null; ls /proc/1/ns >/dev/null && echo proc; '
            'touch /tmp/x /dev/shm/y && echo writable; ls /dev/ptmx /dev/urandom']
    with open(f'{bundle}/config.json', 'w') as file:
        json.dump(config, file)
    done = host.run(['crun', '--root', f'{host.DIRECTORY}/crun-state', 'run', f'podmount-mandatory-{os.getpid()}'],
            cwd=bundle)
    equal(done.status, 0, f'crun run: {done}')
    for word in ('proc', 'writable', '/dev/ptmx', '/dev/urandom'):
        contains(done.out, word, f'what the container said ({done})')
    equal(daemon.state(pod), 'ready', 'state after the container')


if __name__ == '__main__':
    host.prepare()
    bus = Bus()
    tap.run(Daemon)
