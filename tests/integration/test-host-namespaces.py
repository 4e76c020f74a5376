#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Namespaces bound to files of the host: a bind of "hostMounts" whose source is the fd of one. They live as long as their pod, whatever
dies."""

import json
import os
import random
import signal
import subprocess

from frame import host, specs, tap
from frame.daemon import Daemon
from frame.kills import kill_during
from frame.places import Places, config, listed
from frame.tap import case, contains, equal, eventually

KINDS = ('net', 'ipc', 'pid', 'cgroup', 'uts', 'user')  # a mount namespace has a case of its own


class Situation(Daemon):
    def __init__(self):
        self.places = Places(f'p{random.randrange(1 << 40)}')
        for kind in (*KINDS, 'mnt'):
            with open(f'{self.places.top}/{kind}', 'w'):
                pass
        super().__init__(config=config(self.places.top))


class Spaces:
    """The namespaces of a process that has its own of each kind, as fds; it has ended."""

    def __init__(self):
        child = subprocess.Popen(['unshare', '-nipCumU', '-f', 'sh', '-c', 'echo; exec sleep 1000'], stdout=subprocess.PIPE)
        child.stdout.readline()
        children = f'/proc/{child.pid}/task/{child.pid}/children'
        with open(children) as file:
            pid = int(file.read().split()[0])
        self.fds = {kind: os.open(f'/proc/{pid}/ns/{kind}', os.O_RDONLY) for kind in (*KINDS, 'mnt')}
        self.files = {kind: os.readlink(f'/proc/{pid}/ns/{kind}') for kind in KINDS}
        os.kill(pid, signal.SIGKILL)
        child.kill()
        child.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for fd in self.fds.values():
            os.close(fd)
        self.fds = {}

    def words(self, *kinds):
        return [word for kind in kinds or KINDS for word in ('--fd', f'{kind}={self.fds[kind]}')]


def spec(daemon, *kinds):
    return daemon.places.spec([specs.bind(f'fd:{kind}', f'{daemon.places.top}/{kind}') for kind in kinds or KINDS])


def create(daemon, spaces, *kinds):
    return daemon.create(spec(daemon, *kinds), *spaces.words(*kinds), fds=tuple(spaces.fds.values()))


def check(daemon, spaces, pod):
    found = host.mounts_below(daemon.places.top)
    equal({os.path.basename(point): fields[3] for point, fields in found.items()}, spaces.files, 'what is mounted')
    for point, fields in found.items():
        equal(fields[6], '-', f'propagation of {point}')
    equal(set(listed(daemon, pod).values()), {'ok'}, 'states')
    equal(daemon.state(pod), 'ready', 'state')


@case('all kinds, whose processes have ended: bound with the pod, entered, listed, unbound with it; a restart leaves them')
def whole(daemon):
    before = host.mount_table()
    with Spaces() as spaces:
        pod = create(daemon, spaces)
    check(daemon, spaces, pod)
    links = subprocess.run(['nsenter', f'--net={daemon.places.top}/net', 'ls', '/sys/class/net'], stdout=subprocess.PIPE, text=True)
    equal(links.returncode, 0, 'nsenter')
    rows = {mount['Target']: mount for mount in daemon.json('show', pod)['Mounts'] if mount['Container'] == '.host'}
    equal(rows[f'{daemon.places.top}/uts']['Source'], 'fd:uts', 'source')
    daemon.restart()
    check(daemon, spaces, pod)
    daemon.ok('gc', pod)
    equal(host.mount_table(), before, 'the mount table')
    daemon.places.untouched()


@case('a plan names them; without the fd, of a file, of the host, or where nothing is: refused, and nothing stays')
def refused(daemon):
    before, places = host.mount_table(), daemon.places
    with Spaces() as spaces:
        fds = tuple(spaces.fds.values())
        plan = json.loads(daemon.ok('--json=short', 'plan', *spaces.words(), '-', input=json.dumps(spec(daemon)), fds=fds))
        equal([step['target'] for step in plan['steps'][-6:]], [f'{places.top}/{kind}' for kind in KINDS], 'steps')
        contains(daemon.refused('create', '-', input=json.dumps(spec(daemon, 'net'))), 'net')
        missing = places.spec([specs.bind('fd:net', f'{places.top}/net'), specs.bind('fd:uts', f'{places.top}/none')])
        contains(daemon.refused('create', *spaces.words('net', 'uts'), '-', input=json.dumps(missing), fds=fds), 'make it first')
        directory = places.spec([specs.bind('fd:net', places.bound)])
        contains(daemon.refused('create', *spaces.words('net'), '-', input=json.dumps(directory), fds=fds), 'is a directory')
        outside = places.spec([specs.bind('fd:net', f'{places.outside}/bound')])
        contains(daemon.refused('create', *spaces.words('net'), '-', input=json.dumps(outside), fds=fds), 'HostTargets=')
    for path, word in (('/proc/self/ns/net', "host's own"), ('/proc/self/ns/mnt', "host's own"), ('/etc/hostname', 'no namespace'),
            ('/', f'fd "net" for {places.top}/net is no namespace'), (None, f'fd "net" for {places.top}/net was opened with O_PATH')):
        fd = os.open(path, os.O_RDONLY) if path else os.open('/proc/self/ns/net', os.O_PATH)
        contains(daemon.refused('create', '--fd', f'net={fd}', '-', input=json.dumps(spec(daemon, 'net')), fds=(fd,)), word, path)
        os.close(fd)
    equal(host.mount_table(), before, 'the mount table')
    equal(daemon.pods(), [], 'pods')


@case('a mount namespace is bound where the kernel allows it, and else refused with a reason; nothing stays of either')
def mounts(daemon):
    before = host.mount_table()
    with Spaces() as spaces:
        made = daemon.ctl('create', *spaces.words('mnt'), '-', input=json.dumps(spec(daemon, 'mnt')), fds=tuple(spaces.fds.values()))
        if made.status == 0:
            equal(os.stat(f'{daemon.places.top}/mnt').st_ino, os.fstat(spaces.fds['mnt']).st_ino, 'the namespace')
            daemon.ok('gc', made.out.strip())
        else:
            contains(made.err, 'mount namespace', 'the reason')
    equal(host.mount_table(), before, 'the mount table')
    equal(daemon.pods(), [], 'pods')


@case('one that somebody unmounted is missing; Repair says why it cannot make it again; Export names the fd, and Restore takes a new one')
def again(daemon):
    places = daemon.places
    with Spaces() as spaces:
        pod = create(daemon, spaces)
        subprocess.run(['umount', f'{places.top}/net'], check=True)
        eventually(lambda: listed(daemon, pod)[f'{places.top}/net'] == 'missing', 'it is missing')
        contains(daemon.ctl('--json=short', 'repair', pod).out, 'file descriptor')
        text = daemon.ok('export', pod)
        daemon.ok('gc', pod)
        places.untouched()
        contains(daemon.refused('restore', '-', input=text), 'net')
        pod = daemon.ok('restore', *spaces.words(), '-', input=text, fds=tuple(spaces.fds.values())).split()[0]
        check(daemon, spaces, pod)
    daemon.ok('gc', pod)
    places.untouched()


@case('killed at any instant of creating and collecting: no namespace stays bound that no record names', alone=True)
def kills():
    chance = random.Random(11)
    seen = {}
    with Situation() as daemon, Spaces() as spaces:
        places = daemon.places
        for turn in range(18):
            ident = f'00000000-0000-4000-8000-{turn:012}'
            words = ('create', '--id', ident, *spaces.words(), '-')
            more = {'input': json.dumps(spec(daemon)), 'fds': tuple(spaces.fds.values())}
            if turn % 2:
                daemon.ok(*words, **more)
                words, more = ('gc', ident), {}
            kill_during(daemon, chance, turn // 2, *words, within=0.03, **more)
            pods = [pod['UUID'] for pod in daemon.pods() if pod['State'] not in ('creating', 'stopping')]
            for pod in pods:
                recorded = listed(daemon, pod)
                for kind in KINDS:
                    point = f'{places.top}/{kind}'
                    equal(point in places.tops(), recorded[point] == 'ok', f'turn {turn}: {point} is {recorded[point]}')
            seen[bool(turn % 2), bool(pods)] = seen.get((bool(turn % 2), bool(pods)), 0) + 1
            eventually(lambda: not daemon.pods() or (daemon.ctl('gc', ident) and not daemon.pods()), 'the pod goes')
            eventually(lambda: places.tops() == [], f'turn {turn}: nothing stays: {places.tops()}', 5)
        tap.diagnose(f'(collecting, a pod is there afterwards): {seen}')


if __name__ == '__main__':
    host.prepare()
    tap.run(Situation)
