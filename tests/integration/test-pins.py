#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Namespaces of a container's process bound to files, "bindNS" of linuxkit's runtime.json: they wait until PrepareProcess names the
process, and go with their pod."""

import json
import os
import random
import signal
import subprocess

import dbus

from frame import host, specs, tap
from frame.bus import Bus
from frame.daemon import MANAGER, Daemon
from frame.host import ALICE, BOB, UserError, as_user
from frame.kills import kill_during
from frame.places import Places, config, listed
from frame.situation import WithPolkit
from frame.tap import case, contains, equal, eventually

bus = None
ACTION = 'org.podmount1.bind-namespace'
KINDS = ('cgroup', 'ipc', 'net', 'pid', 'user', 'uts')  # a mount namespace has a case of its own


class Situation(Daemon):
    def __init__(self):
        self.places = Places(f'p{random.randrange(1 << 40)}')
        with open(f'{self.places.top}/file', 'w'):
            pass
        super().__init__(config=config(self.places.top))
        self.ns = f'{self.runtime}/ns'


class Process:
    """One that has namespaces of its own, of each kind."""

    def __init__(self, uid=0):
        words = ['unshare', '-nipCumU', '--map-root-user', '-f', 'sh', '-c', 'echo; exec sleep 1000']
        if uid:
            words = ['setpriv', f'--reuid={uid}', f'--regid={uid}', '--clear-groups', *words]
        self.child = subprocess.Popen(words, stdout=subprocess.PIPE)
        self.child.stdout.readline()
        with open(f'/proc/{self.child.pid}/task/{self.child.pid}/children') as file:
            self.pid = int(file.read().split()[0])
        self.files = {kind: os.readlink(f'/proc/{self.pid}/ns/{kind}') for kind in KINDS}

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        self.child.kill()
        self.child.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


def spec(daemon, kinds=KINDS, **more):
    return dict(specs.oci(), prepare={'bindNS': {kind: f'{daemon.ns}/{kind}-file' for kind in kinds}, **more})


def bound(daemon):
    return {os.path.basename(point).removesuffix('-file'): fields[3] for point, fields in host.mounts_below(daemon.ns).items()}


def rows(daemon, pod):
    return {mount['Target']: mount for mount in daemon.json('show', pod)['Mounts'] if mount['Container'] == '.host'}


def nothing(daemon, before):
    equal(host.mount_table(), before, 'the mount table')
    equal(os.listdir(daemon.ns), [], 'files for namespaces')


@case('runtime.json of a bundle: nothing is bound before the process is named, then all is; it outlives the process, a restart, not the pod')
def whole(daemon):
    before = host.mount_table()
    bundle = specs.tree(f'{os.path.basename(daemon.directory)}-bundle', {})
    with open(f'{bundle}/config.json', 'w') as file:
        json.dump(specs.oci(), file)
    with open(f'{bundle}/runtime.json', 'w') as file:
        json.dump({'bindNS': {**spec(daemon)['prepare']['bindNS'], 'mnt': ''}}, file)
    pod = daemon.ok('create', bundle).split()[0]
    equal(bound(daemon), {}, 'what is bound before there is a process')
    equal(daemon.state(pod), 'ready', 'state')
    shown = daemon.json('show', pod)
    equal(sum('podmountctl prepare-process' in warning for warning in shown['Warnings']), len(KINDS), 'warnings')
    equal({row['State'] for row in rows(daemon, pod).values()}, {'deferred'}, 'states')
    with Process() as process:
        ids = daemon.ok('prepare-process', pod, str(process.pid)).split()
        equal(bound(daemon), process.files, 'what is bound')
        files = process.files
        equal(daemon.ok('prepare-process', pod, str(process.pid)).split(), ids, 'a retry')
    equal(bound(daemon), files, 'when the process has ended')
    equal(sorted(int(number) for number in ids), sorted(row['ID'] for row in rows(daemon, pod).values()), 'ids')
    for point, fields in host.mounts_below(daemon.ns).items():
        equal(fields[6], '-', f'propagation of {point}')
        for option in ('nosuid', 'nodev', 'noexec'):
            contains(fields[5].split(','), option, point)
    equal([w for w in daemon.json('show', pod)['Warnings'] if 'prepare-process' in w], [], 'warnings')
    links = subprocess.run(['nsenter', f'--net={daemon.ns}/net-file', 'ls', '/sys/class/net'], stdout=subprocess.PIPE, text=True)
    equal(links.returncode, 0, 'nsenter')
    daemon.restart()
    equal(bound(daemon), files, 'after a restart')
    equal(set(listed(daemon, pod).values()), {'ok'}, 'states')
    daemon.ok('gc', pod)
    nothing(daemon, before)


@case('two containers: each names its own process; of several the container has to be said; D-Bus by pid and by pidfd')
def several(daemon):
    before = host.mount_table()
    containers = [{'name': name, 'root': {'path': specs.rootfs(f'pin-{name}')},
                   'prepare': {'bindNS': {'net': f'{daemon.ns}/{name}'}}} for name in ('one', 'two')]
    pod = daemon.create({'podmount': 1, 'containers': containers})
    with Process() as first, Process() as second:
        contains(daemon.refused('prepare-process', pod, str(first.pid)), 'several containers')
        call = daemon.manager('PrepareProcess', 'sa{sh}a{sv}', pod, {}, {'container': 'one', 'pid': dbus.UInt32(first.pid)})
        equal(len(call[0]) if isinstance(call, tuple) else len(call), 1, 'ids')
        pidfd = os.pidfd_open(second.pid)
        daemon.ok('prepare-process', pod, '--container', 'two', '--fd', f'process={pidfd}', fds=(pidfd,))
        os.close(pidfd)
        equal(bound(daemon), {'one': first.files['net'], 'two': second.files['net']}, 'what is bound')
    # A number of another pid namespace means another process.
    call = {'method': 'org.podmount1.PrepareProcess', 'parameters': {'id': pod, 'options': {'container': 'one', 'pid': 1}}}
    script = ('import json, socket, sys\nc = socket.socket(socket.AF_UNIX)\nc.connect(sys.argv[1])\nc.sendall(sys.argv[2].encode() + b"\\0")\n'
            'print(c.recv(65536).decode())')
    elsewhere = host.run(['unshare', '--pid', '--fork', 'python3', '-c', script, f'{daemon.runtime}/varlink', json.dumps(call)])
    contains(elsewhere.out, "host's own pid namespace")
    # What is of a container that is gone is in no export: nobody could restore it.
    daemon.ok('remove-container', pod, 'two')
    exported = daemon.ok('export', pod)
    equal([mount['source'] for mount in json.loads(exported)['hostMounts']], ['one:net'], 'in the export')
    daemon.ok('gc', '--lazy', pod)
    nothing(daemon, before)
    pod = daemon.ok('restore', '-', input=exported).split()[0]
    daemon.ok('gc', pod)


@case('refused, and nothing stays: unknown kinds, places elsewhere, two at one place, the host\'s own, no pidfd, a process that has ended, all or none')
def refused(daemon):
    before = host.mount_table()
    for pins, word in (({'net': f'{daemon.runtime}/pods/x'}, 'HostTargets='), ({'net': f'{daemon.ns}/a/b'}, 'HostTargets='),
            ({'net': f'{daemon.ns}/aaaaaaaa-0000-4000-8000-00000000000a'}, 'its own files'), ({'net': f'{daemon.ns}/link-x'}, 'its own files'),
            ({'net': '/tmp/x'}, 'HostTargets='), ({'net': f'{daemon.ns}/../x'}, '".."'), ({'net': 'x'}, 'relative'), ({'net': 3}, 'bindNS/net'),
            ({'time': f'{daemon.ns}/x'}, 'bindNS/time'), ({'net': f'{daemon.ns}/x', 'uts': f'{daemon.ns}/x'}, 'apart'), ([], 'bindNS')):
        contains(daemon.refused('create', '-', input=json.dumps(dict(specs.oci(), prepare={'bindNS': pins}))), word, str(pins))
    equal(daemon.pods(), [], 'pods')
    pod = daemon.create(spec(daemon))
    other = spec(daemon, ('net',))
    contains(daemon.refused('create', '-', input=json.dumps(other)), 'another pod')
    contains(daemon.refused('prepare-process', pod, str(os.getpid())), "host's own")
    contains(daemon.refused('prepare-process', pod, '--fd', 'process=0', fds=()), 'fd "process", which names the process, is no pidfd')
    with Process() as process:
        pidfd = os.pidfd_open(process.pid)
    contains(daemon.refused('prepare-process', pod, '--fd', f'process={pidfd}', fds=(pidfd,)), 'ended')
    os.close(pidfd)
    with subprocess.Popen(['unshare', '-n', 'sleep', '1000']) as child:
        eventually(lambda: os.readlink(f'/proc/{child.pid}/ns/net') != os.readlink('/proc/self/ns/net'), 'it lives')
        contains(daemon.refused('prepare-process', pod, str(child.pid)), "host's own", 'one of its own, the others the host\'s')
        child.kill()
    equal(bound(daemon), {}, 'what is bound')
    equal(os.listdir(daemon.ns), [], 'files')
    plain = daemon.create(specs.oci())
    with Process() as process:
        contains(daemon.refused('prepare-process', plain, str(process.pid)), 'bindNS')
    daemon.ok('gc', pod, plain)
    nothing(daemon, before)


@case('a mount namespace is bound where the kernel allows it, and else refused with a reason; nothing stays of either')
def mounts(daemon):
    before = host.mount_table()
    pod = daemon.create(spec(daemon, ('net', 'mnt')))
    with Process() as process:
        made = daemon.ctl('prepare-process', pod, str(process.pid))
        if made.status == 0:
            equal(os.stat(f'{daemon.ns}/mnt-file').st_ino, os.stat(f'/proc/{process.pid}/ns/mnt').st_ino, 'the namespace')
        else:
            contains(made.err, 'mount namespace', 'the reason')
            equal(bound(daemon), {}, 'what is bound')
            equal(os.listdir(daemon.ns), [], 'files')
    daemon.ok('gc', pod)
    nothing(daemon, before)


@case('elsewhere on the host: only below HostTargets=, on a file that is there, which stays')
def elsewhere(daemon):
    places = daemon.places
    pod = daemon.create(dict(specs.oci(), prepare={'bindNS': {'net': f'{places.top}/file'}}))
    with Process() as process:
        daemon.ok('prepare-process', pod, str(process.pid))
        equal(host.mounts_below(places.top)[f'{places.top}/file'][3], process.files['net'], 'what is bound')
    daemon.ok('gc', pod)
    equal(os.path.isfile(f'{places.top}/file'), True, 'the file')
    pod = daemon.create(dict(specs.oci(), prepare={'bindNS': {'net': f'{places.top}/none', 'uts': f'{daemon.ns}/uts'}}))
    with Process() as process:
        contains(daemon.refused('prepare-process', pod, str(process.pid)), 'make it first')
    equal(os.listdir(daemon.ns), [], 'files')
    daemon.ok('gc', pod)
    places.untouched()


@case('one that somebody unmounted is missing; Repair says what to do, and PrepareProcess does it; Export and Restore')
def again(daemon):
    before = host.mount_table()
    pod = daemon.create(spec(daemon, ('net', 'uts')))
    with Process() as process:
        daemon.ok('prepare-process', pod, str(process.pid))
        subprocess.run(['umount', f'{daemon.ns}/net-file'], check=True)
        eventually(lambda: listed(daemon, pod)[f'{daemon.ns}/net-file'] == 'missing', 'it is missing')
        contains(daemon.ctl('--json=short', 'repair', pod).out, 'prepare-process')
        daemon.ok('prepare-process', pod, str(process.pid))
        equal(set(listed(daemon, pod).values()), {'ok'}, 'states')
        text = daemon.ok('export', pod)
        daemon.ok('gc', pod)
        equal(os.listdir(daemon.ns), [], 'files')
        pod = daemon.ok('restore', '-', input=text).split()[0]
        equal(bound(daemon), {}, 'what is bound after Restore')
        daemon.ok('prepare-process', pod, str(process.pid))
        equal(bound(daemon), {kind: process.files[kind] for kind in ('net', 'uts')}, 'what is bound')
    daemon.ok('gc', pod)
    nothing(daemon, before)


@case('a busy pod that strict GC leaves whole has its namespaces bound as before')
def busy(daemon):
    pod = daemon.create(spec(daemon, ('net', 'uts')))
    with Process() as process:
        daemon.ok('prepare-process', pod, str(process.pid))
        fd = os.open(daemon.rootfs(pod), os.O_RDONLY)
        equal(daemon.ctl('gc', pod).status, 1, 'gc of a busy pod')
        equal(bound(daemon), {kind: process.files[kind] for kind in ('net', 'uts')}, 'what is bound')
        equal(set(listed(daemon, pod).values()), {'ok'}, 'states')
        os.close(fd)
    daemon.ok('gc', pod)
    equal(os.listdir(daemon.ns), [], 'files')


@case('a user: polkit is asked for the files, and the namespaces that its own user namespaces own are bound, nobody else\'s', alone=True)
def users():
    with WithPolkit(bus, 'yes') as s:
        ns = f'{s.daemon.runtime}/ns'
        text = json.dumps(dict(specs.oci(s.root), prepare={'bindNS': {'net': f'{ns}/net', 'user': f'{ns}/user'}}))

        def as_alice(method, signature, *arguments):
            return as_user(ALICE, lambda: [str(word) for word in bus.call(MANAGER, method, signature, *arguments)])

        def refusal(method, signature, *arguments):
            try:
                as_alice(method, signature, *arguments)
            except UserError as error:
                return error.name, error.text
            raise AssertionError('it was done')

        contains(json.loads(as_user(ALICE, lambda: str(bus.call(MANAGER, 'Plan', 'sa{sh}a{sv}', text, {}, {}))))['actions'], ACTION)
        pod = as_alice('CreatePod', 'sa{sh}a{sv}', text, {}, {})[0]
        calls = s.polkit.calls()
        equal([call['action'] for call in calls], ['org.podmount1.create', ACTION], 'actions')
        equal(calls[1]['details']['target'].split(), [f'{ns}/net', f'{ns}/user'], 'targets')
        equal(calls[1]['details']['source'].split(), ['main:net', 'main:user'], 'sources')
        for owner in (0, BOB):
            with Process(owner) as process:
                name, words = refusal('PrepareProcess', 'sa{sh}a{sv}', pod, {}, {'pid': dbus.UInt32(process.pid)})
                equal(name, 'org.freedesktop.DBus.Error.AccessDenied', f'a process of {owner}')
                contains(words, 'belongs to somebody else')
        equal(os.listdir(ns), [], 'files')
        with Process(ALICE) as process:
            equal(len(as_alice('PrepareProcess', 'sa{sh}a{sv}', pod, {}, {'pid': dbus.UInt32(process.pid)})), 2, 'ids')
            found = {os.path.basename(point): fields[3] for point, fields in host.mounts_below(ns).items()}
            equal(found, {kind: process.files[kind] for kind in ('net', 'user')}, 'what is bound')
        s.daemon.ok('gc', pod)
        equal(os.listdir(ns), [], 'files')
        s.polkit.answer('no')
        equal(refusal('CreatePod', 'sa{sh}a{sv}', text, {}, {})[0], 'org.freedesktop.DBus.Error.AccessDenied', 'polkit says no')


@case('killed at any instant of binding and collecting: all or none is bound, and in the end nothing stays', alone=True)
def kills():
    chance = random.Random(12)
    seen = {}
    with Situation() as daemon, Process() as process:
        before = host.mount_table()
        for turn in range(24):
            pod = daemon.create(spec(daemon))
            words = ('prepare-process', pod, str(process.pid))
            if turn % 2:
                daemon.ok(*words)
                words = ('gc', pod)
            kill_during(daemon, chance, turn // 2, *words, within=0.03)
            there = [row['UUID'] for row in daemon.pods() if row['State'] not in ('creating', 'stopping')]
            if there:
                eventually(lambda: bound(daemon) in ({}, process.files), f'turn {turn}: {bound(daemon)}', 5)
                equal({row['State'] for row in rows(daemon, pod).values()}, {'ok' if bound(daemon) else 'deferred'}, f'turn {turn}: states')
                if bound(daemon) == {}:
                    equal(os.listdir(daemon.ns), [], f'turn {turn}: files')
                    daemon.ok('prepare-process', pod, str(process.pid))
            seen[turn % 2, bool(there)] = seen.get((turn % 2, bool(there)), 0) + 1
            eventually(lambda: not daemon.pods() or (daemon.ctl('gc', pod) and not daemon.pods()), 'the pod goes')
            eventually(lambda: bound(daemon) == {} and os.listdir(daemon.ns) == [], f'turn {turn}: nothing stays', 5)
        equal(host.mount_table(), before, 'the mount table')
        tap.diagnose(f'(collecting, a pod is there afterwards): {seen}')


if __name__ == '__main__':
    host.prepare()
    with Bus() as bus:
        tap.run(Situation)
