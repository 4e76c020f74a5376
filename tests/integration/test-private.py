#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pods that have a mount namespace to themselves: the host's table has one line of each, and all verbs work on them."""

import json
import os
import random
import shutil
import signal
import subprocess

from frame import host, specs
from frame.daemon import Daemon, Stage
from frame.kills import KILLS, SEED, kill_during
from frame.own_space import MNT_DETACH, MS_BIND, Resident, mount, points, umount, within
from frame.tap import Skip, case, contains, equal, eventually, run


class Situation(Daemon):
    def __init__(self, config=''):
        self.root = specs.rootfs('private-root')
        self.data = specs.tree('private-data', {'hello': 'from the host\n'})
        super().__init__(config=config)

    def spec(self, *mounts, **more):
        return dict({'podmount': 1, 'visibility': 'private', 'mandatoryMounts': False, 'containers': [
            {'name': 'main', 'root': {'path': self.root}, 'mounts': [specs.bind(self.data, '/data'), specs.mount('/tmp'), *mounts]}]}, **more)

    def file(self, pod):
        return f'{self.runtime}/ns/{pod}'

    def inside(self, pod, *arguments):
        return within(self.file(pod), *arguments)

    def points(self, pod, container='main'):
        root = self.rootfs(pod, container)
        return [point[len(root):] or '/' for point in points(self.file(pod), root)]

    def drift(self, pod):
        return sorted((mount['State'], mount['Target']) for mount in self.json('show', pod)['Mounts'] if mount['State'] not in ('ok', 'deferred'))

    def is_whole(self, pod, *points):
        equal(self.state(pod), 'ready', 'state')
        equal(self.drift(pod), [], 'drift')
        equal(self.points(pod), sorted(['/', '/data', '/tmp', *points]), 'what is mounted in the namespace')

    def nothing_left(self):
        equal(os.listdir(f'{self.runtime}/ns'), [], 'files of namespaces')
        equal(sorted(host.mounts_below(self.runtime)), [], 'mounts on the host')
        equal(os.listdir(f'{self.runtime}/pods'), [], 'directories of pods on the host')


def lines_of(directory):
    with open('/proc/self/mountinfo') as file:
        return [line for line in file if directory in line]


def read(path):
    with open(path) as file:
        return file.read()


@case('the host sees one line of a pod, whatever is mounted in it, and the pod has all of it')
def one_line(daemon):
    pod = daemon.create(daemon.spec())
    equal(len(lines_of(daemon.runtime)), 1, 'lines of the host')
    contains(lines_of(daemon.runtime)[0], f' {daemon.file(pod)} ')
    contains(lines_of(daemon.runtime)[0], ' nsfs ')
    daemon.is_whole(pod)
    equal(daemon.inside(pod, read, f'{daemon.rootfs(pod)}/data/hello'), 'from the host\n', 'contents')
    equal(os.path.lexists(daemon.rootfs(pod)), False, 'the pod on the host')
    for number in range(5):
        daemon.ok('bind', pod, daemon.data, f'/mnt/{number}')
    equal(len(lines_of(daemon.runtime)), 1, 'lines of the host after binds')
    equal(daemon.json('show', pod)['MountNamespace'], daemon.file(pod), 'property')
    pod_directory = f'{daemon.runtime}/pods/{pod}'
    equal([point for point in points(daemon.file(pod)) if not point.startswith(pod_directory)], ['/', '/proc'], 'what else is there')
    daemon.ok('gc', pod)
    daemon.nothing_left()


@case('bind, mount, replace, remount, unmount, containers, volumes and trees work in it')
def verbs(daemon):
    pod = daemon.create(daemon.spec(volumes=[specs.volume('shared')]))
    daemon.ok('bind', pod, daemon.data, '/mnt/a')
    daemon.ok('mount', pod, '-', input=json.dumps([specs.mount('/srv'), specs.bind(daemon.data, '/srv/b', 'bind', 'ro'),
        specs.bind('volume:shared', '/srv/v')]))
    daemon.is_whole(pod, '/mnt/a', '/srv', '/srv/b', '/srv/v')
    if 'beneath' in daemon.json('status')['Features']:
        daemon.ok('replace', pod, '/mnt/a', '-', input=json.dumps(specs.mount('/mnt/a')))
        equal(daemon.mounts(pod)['main:/mnt/a']['Type'], 'tmpfs', 'after replace')
    daemon.ok('mount', pod, '-', input=json.dumps(specs.mount('/data', 'none', None, ['remount', 'bind', 'ro'])))
    daemon.is_whole(pod, '/mnt/a', '/srv', '/srv/b', '/srv/v')
    daemon.ok('unmount', pod, '/srv/b')
    daemon.ok('add-container', pod, 'side', '-', input=json.dumps({'podmount': 1, 'mandatoryMounts': False, 'containers': [
        {'name': 'side', 'root': {'path': daemon.root}, 'mounts': [specs.bind('volume:shared', '/v')]}]}))
    equal(daemon.points(pod, 'side'), ['/', '/v'], 'the other container')
    daemon.is_whole(pod, '/mnt/a', '/srv', '/srv/v')
    tree = daemon.ok('open-tree', pod, '/data', '--container', 'main', '--', 'cat', 'hello')
    equal(tree, 'from the host\n', 'a clone of a part')
    contains(daemon.ok('which', f'{pod}:main', 'sh', '--path', '/bin'), '/bin/sh')
    daemon.ok('remove-container', pod, 'side')
    daemon.is_whole(pod, '/mnt/a', '/srv', '/srv/v')
    equal(len(lines_of(daemon.runtime)), 1, 'lines of the host')
    daemon.ok('gc', pod)
    daemon.nothing_left()


@case('enter and nsenter lead into it, for a command of the container')
def enter(daemon):
    pod = daemon.create(daemon.spec())
    equal(daemon.ok('enter', pod, '--', '/bin/cat', '/data/hello'), 'from the host\n', 'enter')
    equal(daemon.ok('enter', pod, 'main', '--', '/bin/echo', '--', 'x'), '-- x\n', 'enter with a container')
    equal(daemon.ctl('enter', pod, '--', '/bin/nothing').status, 127, 'status without such a command')
    contains(daemon.refused('enter', pod, 'other', '--', '/bin/true'), 'has no container other')
    equal(daemon.ctl('enter', pod, '/bin/true').status, 2, 'status without dashes')
    done = subprocess.run(['nsenter', f'--mount={daemon.file(pod)}', f'{daemon.rootfs(pod)}/bin/busybox', 'cat', f'{daemon.rootfs(pod)}/data/hello'],
            capture_output=True, text=True)
    equal((done.returncode, done.stdout), (0, 'from the host\n'), 'nsenter')
    visible = daemon.create(daemon.spec(visibility='host'))
    equal(daemon.ok('enter', visible, '--', '/bin/cat', '/data/hello'), 'from the host\n', 'enter a visible pod')


@case('crun runs a container in it, by the path of the namespace in its config, and makes the container\'s root its own: that is drift, and busy while it runs')
def runtime(daemon):
    if not shutil.which('crun'):
        raise Skip('crun is not installed')
    if not os.path.exists('/sys/fs/cgroup/cgroup.controllers'):  # crun refuses the hybrid hierarchy
        subprocess.run(['umount', '-R', '/sys/fs/cgroup'], check=True)
        subprocess.run(['mount', '-t', 'cgroup2', 'cgroup2', '/sys/fs/cgroup'], check=True)
    pod = daemon.create(daemon.spec(specs.mount('/proc', 'proc')))
    bundle = specs.tree('private-bundle', {})
    if not os.path.exists(f'{bundle}/config.json'):
        subprocess.run(['crun', 'spec'], cwd=bundle, check=True)
    with open(f'{bundle}/config.json') as file:
        config = json.load(file)
    linux = config['linux']
    linux['namespaces'] = [space for space in linux['namespaces'] if space['type'] not in ('mount', 'cgroup')]
    linux['namespaces'].append({'type': 'mount', 'path': daemon.file(pod)})
    for name in ('maskedPaths', 'readonlyPaths', 'resources'):
        linux.pop(name, None)
    config.update(root={'path': daemon.rootfs(pod)}, mounts=[])
    config['process'].update(terminal=False, args=['/bin/cat', '/data/hello'])
    with open(f'{bundle}/config.json', 'w') as file:
        json.dump(config, file)
    # its working directory, the bundle, has to be there, too
    done = subprocess.run(['crun', '--root', f'{host.DIRECTORY}/crun-state', 'run', '--bundle', '/', '--config', f'{bundle}/config.json',
        f'private-{os.getpid()}'], capture_output=True, text=True)
    equal((done.returncode, done.stdout), (0, 'from the host\n'), done.stderr)
    equal({state for state, _ in daemon.drift(pod)}, {'missing'}, 'drift')
    with subprocess.Popen(['nsenter', f'--mount={daemon.file(pod)}', '/bin/busybox', 'sleep', '600']) as process:
        try:
            eventually(lambda: os.readlink(f'/proc/{process.pid}/ns/mnt') != os.readlink('/proc/self/ns/mnt'), 'it lives there')
            answer = daemon.ctl('--json=short', 'gc', pod).out
            contains(answer, 'busy')
            contains(answer, f'process {process.pid} lives')
            equal(len(lines_of(daemon.file(pod))), 1, 'the namespace stays')
        finally:
            process.kill()
    contains(daemon.ok('--json=short', 'gc', pod), 'removed')
    daemon.nothing_left()


@case('drift is seen at once: what goes, what comes and what changes there; repair makes it again')
def drift(daemon):
    pod = daemon.create(daemon.spec())
    root = daemon.rootfs(pod)
    daemon.inside(pod, umount, f'{root}/data')
    eventually(lambda: daemon.state(pod) == 'degraded', 'state after umount')
    equal(daemon.drift(pod), [('missing', '/data')], 'drift')
    daemon.inside(pod, mount, 'foreign', f'{root}/mnt', 'tmpfs')
    eventually(lambda: daemon.drift(pod) == [('extra', '/mnt'), ('missing', '/data')], 'drift of both')
    equal(daemon.ctl('repair', pod).status, 1, 'status, for what is left alone')
    eventually(lambda: daemon.drift(pod) == [('extra', '/mnt')], 'drift after repair')
    daemon.inside(pod, umount, f'{root}/mnt')
    eventually(lambda: daemon.state(pod) == 'ready', 'state when all is as recorded')
    daemon.is_whole(pod)
    daemon.inside(pod, mount, f'{root}/srv', f'{root}/data', None, MS_BIND)
    eventually(lambda: 'covered' in json.dumps(daemon.json('show', pod)) or daemon.drift(pod) != [], 'a mount that is covered')


@case('a busy pod stays whole and its holder is named; lazily it goes at once, with its namespace when nobody lives there')
def busy(daemon):
    pod = daemon.create(daemon.spec())
    with Resident(daemon.file(pod), f'{daemon.rootfs(pod)}/data') as resident:
        answer = daemon.ctl('--json=short', 'gc', pod)
        contains(answer.out, 'busy')
        daemon.is_whole(pod)
        contains(daemon.ok('holders', pod), str(resident.pid))
        contains(daemon.refused('unmount', pod, '/data'), 'in use')
        daemon.ok('gc', '--lazy', pod)
        daemon.nothing_left()
        equal(os.path.exists(f'/proc/{resident.pid}/cwd/hello'), True, 'what its process still has')
        equal([point for point in open(f'/proc/{resident.pid}/mountinfo') if pod in point], [], 'what is left in the namespace')


@case('after a restart, by signal or by force, it is ready, and what happened meanwhile is seen')
def restart(daemon):
    pod = daemon.create(daemon.spec())
    daemon.restart()
    daemon.is_whole(pod)
    daemon.ok('bind', pod, daemon.data, '/mnt/a')
    daemon.stop(signal.SIGKILL)
    daemon.inside(pod, umount, f'{daemon.rootfs(pod)}/tmp')
    daemon.start()
    equal(daemon.drift(pod), [('missing', '/tmp')], 'drift after the restart')
    daemon.ok('repair', pod)
    daemon.is_whole(pod, '/mnt/a')
    daemon.inside(pod, umount, f'{daemon.rootfs(pod)}/tmp')
    eventually(lambda: daemon.state(pod) == 'degraded', 'it is watched again')
    daemon.ok('gc', pod)
    daemon.nothing_left()


@case('the configuration, an option and the spec say where a pod is; a retry that says otherwise is another pod')
def where(daemon):
    daemon.write_config('[Mounts]\nVisibility=private\n')
    daemon.restart()
    spec = daemon.spec()
    del spec['visibility']
    private = daemon.create(spec)
    equal(os.path.exists(daemon.file(private)), True, 'by the configuration')
    visible = daemon.create(spec, '--visibility', 'host')
    equal(os.path.exists(daemon.rootfs(visible)), True, 'by the option')
    equal(daemon.json('show', visible)['MountNamespace'], '', 'property')
    by_spec = daemon.create(dict(spec, visibility='host'))
    equal(os.path.exists(daemon.rootfs(by_spec)), True, 'by the spec')
    contains(daemon.refused('create', '--id', visible, '--visibility', 'private', '-', input=json.dumps(spec)), 'visibility')
    equal(daemon.create(spec, '--id', visible, '--visibility', 'host'), visible, 'a retry')
    contains(daemon.refused('create', '--visibility', 'nowhere', '-', input=json.dumps(spec)), 'nowhere')
    contains(daemon.refused('create', '-', input=json.dumps(dict(spec, visibility='x'))), '/visibility')
    contains(daemon.refused('create', '-', input=json.dumps(dict(spec, visibility=1))), '/visibility')
    daemon.ok('gc', by_spec)
    document = daemon.ok('export', visible)
    daemon.ok('gc', visible)
    equal(os.path.exists(daemon.rootfs(daemon.ok('restore', '-', input=document).strip())), True, 'a visible one that was exported stays so')
    document = daemon.ok('export', private)
    daemon.write_config('')
    daemon.restart()
    daemon.ok('gc', private)
    again = daemon.ok('restore', '-', input=document).strip()
    equal((again, os.path.exists(daemon.file(again))), (private, True), 'restored')


@case('mounts of the host come in below a bind that asks for it, with slave, and none goes out')
def slave(daemon):
    shared = specs.tree('private-shared', {'at/': '', 'plain/': ''})
    subprocess.run(['mount', '--bind', shared, shared], check=True)
    subprocess.run(['mount', '--make-shared', shared], check=True)
    try:
        pod = daemon.create(daemon.spec(specs.bind(shared, '/srv', 'rbind', 'rslave'), specs.bind(shared, '/mnt', 'rbind', 'rprivate')))
        subprocess.run(['mount', '-t', 'tmpfs', 'late', f'{shared}/at'], check=True)
        equal('/srv/at' in daemon.points(pod), True, 'it comes in')
        equal('/mnt/at' in daemon.points(pod), False, 'and not without slave')
        daemon.inside(pod, mount, 'own', f'{daemon.rootfs(pod)}/srv/plain', 'tmpfs')
        equal(os.path.ismount(f'{shared}/plain'), False, 'none goes out')
        subprocess.run(['umount', f'{shared}/at'], check=True)
        equal('/srv/at' in daemon.points(pod), False, 'it goes again')
        daemon.ok('bind', pod, shared, '/tmp/late', '-o', 'rbind,rslave')
        subprocess.run(['mount', '-t', 'tmpfs', 'late', f'{shared}/at'], check=True)
        equal('/tmp/late/at' in daemon.points(pod), True, 'it comes in below a later bind')
        daemon.ok('gc', '--lazy', pod)
        equal(os.path.ismount(f'{shared}/at'), True, 'it stays on the host when the pod goes')
    finally:
        subprocess.run(['umount', '-R', shared], check=True)


@case('a namespace that was unbound, and one that no pod owns, are collected')
def unbound(daemon):
    pod = daemon.create(daemon.spec())
    other = daemon.create(daemon.spec())
    subprocess.run(['umount', daemon.file(pod)], check=True)
    eventually(lambda: daemon.drift(pod) == [('changed', '/')], 'drift')
    equal(daemon.state(other), 'ready', 'the other pod')
    contains(daemon.refused('bind', pod, daemon.data, '/mnt/a'), 'is not bound to')
    daemon.restart()
    equal(daemon.state(pod), 'degraded', 'state')
    daemon.ok('gc', pod)
    daemon.stop()
    for name in ('state', 'state.db'):
        subprocess.run(['rm', '-rf', f'{daemon.runtime}/{name}'], check=True)
    daemon.start()
    contains(daemon.ok('gc', '--dry-run'), other)
    daemon.ok('gc')
    daemon.nothing_left()


@case('a creation that fails at any of its mounts leaves nothing')
def fails(daemon):
    for bad in (specs.bind(f'{daemon.data}/nothing', '/srv'), specs.mount('/data/x/y', 'tmpfs')):
        daemon.refused('create', '-', input=json.dumps(daemon.spec(specs.mount('/srv/a'), specs.bind(daemon.data, '/data', 'bind', 'ro'), bad)))
        daemon.nothing_left()
    equal(daemon.pods(), [], 'pods')


@case('a hundred pods of twelve mounts are a hundred lines')
def many(daemon):
    mounts = [specs.mount(f'/mnt/{number}') for number in range(9)]
    pods = [daemon.create(daemon.spec(*mounts)) for _ in range(100)]
    equal(len(lines_of(daemon.runtime)), 100, 'lines of the host')
    daemon.is_whole(pods[50], *(f'/mnt/{number}' for number in range(9)))
    daemon.restart()
    equal({pod['State'] for pod in daemon.pods()}, {'ready'}, 'states after a restart')
    daemon.ok('gc', *pods)
    daemon.nothing_left()


@case(f'{KILLS} kills while such pods are made, bound into and collected: each is whole or gone, seed {SEED}', alone=True)
def kills():
    chance = random.Random(SEED)
    with PrivateStage() as daemon:
        for turn in range(KILLS):
            pod = daemon.create(daemon.spec())
            kill_during(daemon, chance, turn, 'create', '-', input=json.dumps(daemon.spec()))
            kill_during(daemon, chance, turn + 1, 'bind', pod, daemon.data, '/mnt/a')
            eventually(lambda: daemon.state(pod) == 'ready', f'turn {turn}: {pod} is ready: {daemon.drift(pod)}')
            equal(daemon.points(pod) in (['/', '/data', '/tmp'], ['/', '/data', '/mnt/a', '/tmp']), True, f'turn {turn}: {daemon.points(pod)}')
            kill_during(daemon, chance, turn + 2, 'gc', pod)
            eventually(lambda: settled(daemon) is not None, f'turn {turn}: what was begun is ended')
            left = settled(daemon)
            equal(sorted(os.listdir(f'{daemon.runtime}/ns')), sorted(left), f'turn {turn}: files of namespaces')
            daemon.ok('gc', *left) if left else None
            daemon.nothing_left()


def settled(daemon):
    pods = daemon.pods()
    return [pod['UUID'] for pod in pods] if all(pod['State'] in ('ready', 'degraded') for pod in pods) else None


class PrivateStage(Situation, Stage):
    pass


if __name__ == '__main__':
    host.prepare()
    run(Situation)
