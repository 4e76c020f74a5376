#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Network interfaces of containers, "interfaces" of linuxkit's runtime.json: those on the host come with the pod, all come to the process
that PrepareProcess names, and go with the pod; what the host had is given back."""

import errno
import json
import os
import random
import shutil
import subprocess

import dbus

from frame import host, specs, tap
from frame.ambush import Ambush, number_of
from frame.bus import Bus
from frame.daemon import MANAGER, Daemon
from frame.host import ALICE, BOB, UserError, as_user
from frame.faults import traced
from frame.kills import check_log, kill_during
from frame.links import Process, enter, ip, links, marks, names, simple_kind
from frame.situation import WithPolkit
from frame.tap import case, contains, equal, eventually

bus = None
kind = None
ACTION = 'org.podmount1.prepare-interfaces'
CONFIG = '[Prepare]\nInterfaces=lent0 lent1\nInterfaces=other0\n'


class Situation(Daemon):
    def __init__(self):
        for name in names():  # what a case left that failed
            ip('link', 'del', name, check=False)
        super().__init__(config=CONFIG)
        self.ns = f'{self.runtime}/ns'


def veth(name='eth0', peer='host0'):
    return {'name': name, 'add': 'veth', 'peer': peer}


def made(name, **more):
    return {'name': name, 'add': kind, **more}


def spec(*interfaces, **more):
    return dict(specs.oci(), prepare={'interfaces': list(interfaces), **more})


def shown(daemon, pod):
    return {row['Name']: row['State'] for row in daemon.json('show', pod)['Interfaces']}


def nothing(daemon, before=()):
    equal(names(), sorted(before), 'links of the host')
    equal(os.listdir(daemon.ns), [], 'namespaces that are kept')


class Lent:
    """A link of the host with the configuration's blessing: one end of a veth, the other one is `far`."""

    def __init__(self, name='lent0'):
        self.name, self.far = name, f'{name}-far'
        ip('link', 'add', name, 'type', 'veth', 'peer', 'name', self.far)
        self.address = links()[name]['address']

    def is_back(self):
        link = links().get(self.name)
        return bool(link) and link['address'] == self.address and not link.get('altnames')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        ip('link', 'del', self.far, check=False)


@case('a bundle\'s runtime.json: a veth is made with the pod, one end comes to the process, and all goes with the pod, not with a restart')
def whole(daemon):
    bundle = specs.tree(f'{os.path.basename(daemon.directory)}-bundle', {})
    with open(f'{bundle}/config.json', 'w') as file:
        json.dump(specs.oci(), file)
    with open(f'{bundle}/runtime.json', 'w') as file:
        json.dump({'interfaces': [{'name': 'eth0', 'peer': 'host0', 'createInRoot': False}, {'name': 'x0', 'add': kind}]}, file)
    pod = daemon.ok('create', bundle).split()[0]
    equal(host.status_of(daemon.front())['Seccomp'], '2', 'the front refuses itself other sockets')
    equal(names(), ['eth0', 'host0'], 'links of the host before there is a process')
    equal([len(marks(link)) for link in links().values()], [1, 1], 'their marks')
    equal(shown(daemon, pod), {'eth0': 'made', 'x0': 'waiting'}, 'before')
    equal(daemon.ok('--json=short', 'repair', pod).count('prepare-process'), 2, 'what Repair says')
    with Process() as process:
        daemon.ok('prepare-process', pod, str(process.pid))
        equal((names(), names(process.pid)), (['host0'], ['eth0', 'x0']), 'links of host and process')
        equal(shown(daemon, pod), {'eth0': 'inside', 'x0': 'inside'}, 'with the process')
        equal(daemon.ok('--json=short', 'repair', pod).count('prepare-process'), 0, 'what Repair says')
        daemon.ok('prepare-process', pod, str(process.pid))
        ip('link', 'set', 'eth0', 'name', 'renamed', pid=process.pid)
        daemon.restart()
        equal((names(), names(process.pid)), (['host0'], ['renamed', 'x0']), 'after a restart')
        equal(shown(daemon, pod), {'eth0': 'inside', 'x0': 'inside'}, 'after a restart')
        ip('link', 'add', 'own0', 'type', 'veth', 'peer', 'name', 'own1', pid=process.pid)
        daemon.ok('gc', pod)
        equal(names(process.pid), ['own0', 'own1'], 'the process keeps its own')
    nothing(daemon)


@case('one that is made on the host first, and one whose process ends: the namespace is kept until the pod goes')
def outlived(daemon):
    pod = daemon.create(spec(made('first0', createInRoot=True), made('second0'), veth()))
    equal(names(), ['eth0', 'first0', 'host0'], 'links of the host')
    with Process() as process:
        daemon.ok('prepare-process', pod, str(process.pid))
        equal(names(process.pid), ['eth0', 'first0', 'second0'], 'links of the process')
        equal(names(), ['host0'], 'links of the host')
    equal(os.listdir(daemon.ns), [f'link-{pod}-main'], 'the namespace is kept')
    equal(names(), ['host0'], 'links of the host when the process has ended')
    daemon.ok('gc', '--lazy', pod)
    nothing(daemon)
    pod = daemon.create(spec(veth(), made('first0', createInRoot=True)))
    daemon.ok('gc', pod)
    nothing(daemon)


@case('a file of a namespace is bound again, and that cannot be written down: the interfaces stay the process\'s', alone=True)
def unwritten():
    with Situation() as daemon, Process() as process:
        file = f'{daemon.ns}/net0'
        pod = daemon.create(spec(veth(), made('x0'), bindNS={'net': file}))
        words = ('prepare-process', pod, str(process.pid))
        daemon.ok(*words)
        told, refused, hit = shown(daemon, pod), 0, True
        equal(set(told.values()), {'inside'}, 'states')
        subprocess.run(['umount', file], check=True)
        for at in range(1, 200):
            with Ambush([daemon.front()], call=number_of('pwrite64'), at=at, error=errno.ENOSPC) as ambush:
                done = daemon.ctl(*words)
            hit, refused = ambush.hit is not None, refused + (done.status != 0)
            equal(shown(daemon, pod), told, f'write {at}, {done}: states')
            equal(names(process.pid), ['eth0', 'x0'], f'write {at}: links of the process')
            if done.status == 0 and not hit:
                break
            subprocess.run(['umount', file], stderr=subprocess.DEVNULL)
        equal((hit, refused > 1), (False, True), f'it was refused {refused} times, and then done')
        daemon.ok('gc', pod)
        nothing(daemon)
        check_log(daemon)


@case('one of the host\'s: lent, whatever the container calls it, and back under its name when the process, or the daemon, has ended')
def lent(daemon):
    with Lent() as lent0, Lent('lent1') as lent1:
        before = names()
        pod = daemon.create(spec({'name': 'lent0'}, {'name': 'lent1', 'createInRoot': True}, veth()))
        equal(lent0.is_back() and lent1.is_back(), True, 'nothing is done to them before there is a process')
        equal('gone' in daemon.ok('--json=short', 'gc', daemon.create(spec({'name': 'lent0'}))), False, 'a pod that never had it')
        with Process() as process:
            daemon.ok('prepare-process', pod, str(process.pid))
            equal(names(process.pid), ['eth0', 'lent0', 'lent1'], 'links of the process')
            ip('link', 'set', 'lent0', 'name', 'mine0', pid=process.pid)
        daemon.restart()
        equal(names(), ['host0', 'lent0-far', 'lent1-far'], 'while they are away')
        daemon.ok('gc', pod)
        equal(lent0.is_back() and lent1.is_back(), True, 'they are back')
        nothing(daemon, before)
        # Somebody has taken the name: it waits where it is.
        pod = daemon.create(spec({'name': 'lent0'}))
        with Process() as process:
            daemon.ok('prepare-process', pod, str(process.pid))
        ip('link', 'add', 'lent0', 'type', 'veth', 'peer', 'name', 'thief1')
        done = daemon.ctl('gc', pod)
        equal(done.status, 1, 'gc')
        contains(done.out, 'lent0')
        equal(daemon.state(pod), 'ready', 'state')
        ip('link', 'del', 'thief1')
        daemon.ok('gc', pod)
        equal(lent0.is_back(), True, 'it is back')
        nothing(daemon, before)


@case('a pod in a mount namespace of its own has them like any other')
def private(daemon):
    with Lent() as lent0:
        before = names()
        container = {'name': 'main', 'root': {'path': specs.rootfs()}, 'prepare': {'interfaces': [{'name': 'lent0'}, veth(), made('x0')]}}
        pod = daemon.create({'podmount': 1, 'visibility': 'private', 'containers': [container]})
        equal(names(), sorted([*before, 'eth0', 'host0']), 'links of the host')
        with Process() as process:
            daemon.ok('prepare-process', pod, str(process.pid))
            equal(names(process.pid), ['eth0', 'lent0', 'x0'], 'links of the process')
            equal(sorted(os.listdir(daemon.ns)), sorted([pod, f'link-{pod}-main']), 'namespaces that are kept')
            daemon.restart()
            daemon.ok('gc', pod)
            equal(names(process.pid), [], 'links of the process')
        equal(lent0.is_back(), True, 'it is back')
        nothing(daemon, before)


@case('two pods on one veth, each with an end; whichever goes first, nothing stays')
def pair(daemon):
    for first in (0, 1):
        left = daemon.create(spec(veth('left0', 'other0')))
        right = daemon.create(spec({'name': 'other0'}))
        with Process() as one, Process() as two:
            daemon.ok('prepare-process', left, str(one.pid))
            daemon.ok('prepare-process', right, str(two.pid))
            for process, name, address in ((one, 'left0', 1), (two, 'other0', 2)):
                ip('addr', 'add', f'10.9.8.{address}/24', 'dev', name, pid=process.pid)
                ip('link', 'set', name, 'up', pid=process.pid)
            ping = ['nsenter', f'--net=/proc/{one.pid}/ns/net', 'busybox', 'ping', '-c', '1', '-W', '5', '10.9.8.2']
            equal(subprocess.run(ping, stdout=subprocess.DEVNULL).returncode, 0, 'ping from one to the other')
            told = [daemon.json('gc', pod) for pod in ((left, right) if first == 0 else (right, left))]
            contains(json.dumps(told), 'other0, which container main had, is gone') if first == 0 else equal('gone' in json.dumps(told), False, 'warnings')
            equal((names(one.pid), names(two.pid)), ([], []), 'links of the processes')
        nothing(daemon)


@case('all or none: what fails takes everything back, of a creation and of a process, and the same can be tried again')
def all_or_none(daemon):
    ip('link', 'add', 'taken0', 'type', 'veth', 'peer', 'name', 'taken1')
    before = names()
    contains(daemon.refused('create', '-', input=json.dumps(spec(veth(), veth('b0', 'taken1')))), 'taken1')
    contains(daemon.refused('create', '-', input=json.dumps(spec(veth(), made('taken0', createInRoot=True)))), 'taken0')
    contains(daemon.refused('create', '-', input=json.dumps(spec(veth(), {'name': 'k0', 'add': 'nosuchkind', 'createInRoot': True}))), 'nosuchkind')
    equal((names(), daemon.pods()), (before, []), 'links and pods')
    ip('link', 'del', 'taken1')
    pod = daemon.create(spec(veth(), made('x0'), made('a0', createInRoot=True), made('y0'), bindNS={'net': f'{daemon.ns}/net'}))
    with Process() as process:
        ip('link', 'add', 'y0', 'type', 'veth', 'peer', 'name', 'y1', pid=process.pid)
        contains(daemon.refused('prepare-process', pod, str(process.pid)), 'y0')
        equal((names(), names(process.pid)), (['a0', 'eth0', 'host0'], ['y0', 'y1']), 'links of host and process')
        equal(shown(daemon, pod), {'eth0': 'made', 'x0': 'waiting', 'a0': 'made', 'y0': 'waiting'}, 'states')
        equal(os.listdir(daemon.ns), [], 'namespaces that are kept')
        ip('link', 'del', 'y1', pid=process.pid)
        daemon.ok('prepare-process', pod, str(process.pid))
        equal(names(process.pid), ['a0', 'eth0', 'x0', 'y0'], 'links of the process')
        # Another one has none of them.
        with Process() as other:
            daemon.ok('prepare-process', pod, str(other.pid))
            equal(names(other.pid), [], 'links of another process')
        daemon.ok('gc', pod)
    nothing(daemon)


@case('a link is known by its mark, its index and its name: somebody else\'s stays, whatever it is called')
def recycled(daemon):
    pod = daemon.create(spec(veth(), made('x0', createInRoot=True)))
    ip('link', 'del', 'x0')
    ip('link', 'add', 'x0', 'type', 'veth', 'peer', 'name', 'x1')
    mark = marks(links()['eth0'])[0]
    with Process() as process:
        contains(daemon.refused('prepare-process', pod, str(process.pid)), 'x0')
    equal(names(), ['eth0', 'host0', 'x0', 'x1'], 'links of the host')
    # Even one with the mark is another one, if it has another index.
    ip('link', 'del', 'eth0')
    ip('link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'host0')
    ip('link', 'property', 'add', 'dev', 'eth0', 'altname', mark)
    daemon.ok('gc', pod)
    equal(names(), ['eth0', 'host0', 'x0', 'x1'], 'links of the host')
    for name in ('x0', 'eth0'):
        ip('link', 'del', name)
    nothing(daemon)


@case('refused, and nothing stays: names and kinds that are none, too many, twice, one that is not on the list, the host\'s own namespace')
def refused(daemon):
    for given, word in (([{}], 'interfaces/0/name'), ([{'name': 'a' * 16, 'add': 'veth'}], 'no name'), ([veth('a/b')], 'no name'), ([veth('a%d')], 'no name'),
            ([veth('a b')], 'no name'), ([veth('lo')], 'no name'), ([veth('..')], 'no name'), ([veth('a:1')], 'no name'), ([veth('x', 'b\u00e4')], 'no name'),
            ([{'name': 'x', 'add': 'Veth!', 'peer': 'y'}], 'no kind'), ([{'name': 'x', 'add': 'veth'}], 'peer'), ([{'name': 'x', 'add': 'dummy', 'peer': 'y'}], 'no peer'),
            ([veth('x', 'x')], 'twice'), ([veth('x', 'y'), veth('y', 'z')], 'twice'), ([3], 'interfaces/0'), ({}, 'interfaces'),
            ([{'name': 'x', 'add': 3}], 'interfaces/0/add'), ([made(f'x{i}') for i in range(65)], 'at most 64')):
        contains(daemon.refused('create', '-', input=json.dumps(spec() | {'prepare': {'interfaces': given}})), word, str(given)[:80])
    own = {'podmount': 1, 'containers': [{'name': 'one', 'root': {'path': specs.rootfs()}, 'prepare': {'interfaces': [dict(made('x'), mtu=3)]}}]}
    contains(daemon.refused('create', '-', input=json.dumps(own)), 'interfaces/0/mtu')
    equal(daemon.pods(), [], 'pods')
    with Lent('wan0'):
        before = names()
        contains(daemon.refused('create', '-', input=json.dumps(spec({'name': 'wan0'}, veth()))), 'Interfaces=')
        equal((names(), daemon.pods()), (before, []), 'links of the host, and pods')
    pod = daemon.create(spec(veth(), {'name': 'lent0'}))
    contains(daemon.refused('prepare-process', pod, str(os.getpid())), "host's own")
    with Process() as process:
        contains(daemon.refused('prepare-process', pod, str(process.pid)), 'no network interface lent0')
        equal((names(), names(process.pid)), (['eth0', 'host0'], []), 'links of host and process')
        pidfd = os.pidfd_open(process.pid)
    contains(daemon.refused('prepare-process', pod, '--fd', f'process={pidfd}', fds=(pidfd,)), 'ended')
    os.close(pidfd)
    equal(os.listdir(daemon.ns), [], 'namespaces that are kept')
    daemon.ok('gc', pod)
    nothing(daemon)


@case('Plan shows both phases; a container that is added has its links when its process is named, and they go with it; Export and Restore')
def plans(daemon):
    document = spec(veth(), made('x0'), made('a0', createInRoot=True), {'name': 'lent0'}, bindNS={'net': f'{daemon.ns}/net'})
    plan = daemon.json('plan', '-', input=json.dumps(document))
    first = [(step['target'], step['link'], step['undo']) for step in plan['steps'] if step['step'] == 'link']
    equal(first, [('eth0', 'made-on-host', 'remove-link'), ('a0', 'made-on-host', 'remove-link')], 'before the process')
    equal([(step['step'], step['target'], step.get('link')) for step in plan['process']],
            [('pin', f'{daemon.ns}/net', None), ('link', 'eth0', 'moved'), ('link', 'x0', 'made'), ('link', 'a0', 'moved'), ('link', 'lent0', 'moved')],
            'when it is there')
    contains(daemon.ok('plan', '-', input=json.dumps(document)), 'WITH A PROCESS')
    equal(names(), [], 'links')
    root = specs.rootfs()
    pod = daemon.create({'podmount': 1, 'containers': [{'name': 'one', 'root': {'path': root}}]})
    added = {'podmount': 1, 'containers': [{'name': 'two', 'root': {'path': root}, 'prepare': {'interfaces': [veth(), made('x0'), made('a0', createInRoot=True)]}}]}
    daemon.ok('add-container', pod, 'two', '-', input=json.dumps(added))
    equal((names(), shown(daemon, pod)), ([], {'eth0': 'waiting', 'x0': 'waiting', 'a0': 'waiting'}), 'before')
    with Process() as process:
        daemon.ok('prepare-process', pod, '--container', 'two', str(process.pid))
        equal((names(), names(process.pid)), (['host0'], ['a0', 'eth0', 'x0']), 'links of host and process')
        exported = daemon.ok('export', pod)
        daemon.ok('remove-container', pod, 'two')
        equal((names(), names(process.pid), shown(daemon, pod)), ([], [], {}), 'without the container')
        daemon.ok('gc', pod)
        pod = daemon.ok('restore', '-', input=exported).split()[0]
        equal(names(), ['a0', 'eth0', 'host0'], 'restored')
        daemon.ok('prepare-process', pod, '--container', 'two', str(process.pid))
        equal(names(process.pid), ['a0', 'eth0', 'x0'], 'links of the process')
    daemon.ok('gc', pod)
    nothing(daemon)


@case('a user: polkit is asked, the process has to be its own, and what the host has is not to be had', alone=True)
def users():
    with WithPolkit(bus, 'yes', config=CONFIG) as s:
        text = json.dumps(dict(specs.oci(s.root), prepare={'interfaces': [veth(), made('x0')]}))

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
        equal((calls[1]['details']['interface'].split(), calls[1]['details']['kind'].split()), (['eth0', 'x0'], ['veth', kind]), 'details')
        for owner in (0, BOB):
            with Process(owner) as process:
                equal(refusal('PrepareProcess', 'sa{sh}a{sv}', pod, {}, {'pid': dbus.UInt32(process.pid)})[0],
                        'org.freedesktop.DBus.Error.AccessDenied', f'a process of {owner}')
                equal((names(), names(process.pid)), (['eth0', 'host0'], []), 'links of host and process')
        with Process(ALICE) as process:
            as_alice('PrepareProcess', 'sa{sh}a{sv}', pod, {}, {'pid': dbus.UInt32(process.pid)})
            equal((names(), names(process.pid)), (['host0'], ['eth0', 'x0']), 'links of host and process')
        s.daemon.ok('gc', pod)
        equal(names(), [], 'links')
        with Lent() as lent0:
            other = json.dumps(dict(specs.oci(s.root), prepare={'interfaces': [{'name': 'lent0'}]}))
            equal(refusal('CreatePod', 'sa{sh}a{sv}', other, {}, {})[0], 'org.freedesktop.DBus.Error.AccessDenied', 'one of the host\'s')
            equal(lent0.is_back(), True, 'it is there')
        s.polkit.answer('no')
        equal(refusal('CreatePod', 'sa{sh}a{sv}', text, {}, {})[0], 'org.freedesktop.DBus.Error.AccessDenied', 'polkit says no')
        equal(names(), [], 'links')


def injected(daemon, number, words, **more):
    """An executor is killed as it sends its message of this number: to the kernel, about a link, or to the front, at last. The outcome."""
    with traced(daemon, '-o', '/dev/null', '-e', 'trace=sendmsg,sendto', '-e', f'inject=sendmsg,sendto:signal=SIGKILL:when={number}'):
        return daemon.ctl(*words, **more)


@case('an executor is killed between any two of its words with the kernel: nothing is half done', alone=True)
def between():
    with Situation() as daemon, Process() as process, Lent() as lent0:
        before = names()
        inside = ['a0', 'eth0', 'lent0', 'x0']
        document = json.dumps(spec(veth(), made('x0'), made('a0', createInRoot=True), {'name': 'lent0'}))
        reached = {}
        for phase in ('create', 'prepare-process', 'gc'):
            number, killed = 0, True
            while killed and number < 60:
                number += 1
                pod = None if phase == 'create' else daemon.ok('create', '-', input=document).split()[0]
                if phase == 'gc':
                    daemon.ok('prepare-process', pod, str(process.pid))
                pids = eventually(lambda: len(daemon.executors()) == 2 and daemon.executors(), 'there are two executors', 10)
                words = {'create': ('create', '-'), 'prepare-process': ('prepare-process', pod, str(process.pid)), 'gc': ('gc', pod)}[phase]
                done = injected(daemon, number, words, **({'input': document} if phase == 'create' else {}))
                killed = daemon.executors() != pids
                eventually(lambda: all(row['State'] not in ('creating', 'stopping') for row in daemon.pods()), f'{phase} {number}: it settles', 10)
                there = daemon.pods()
                equal(len(there), int(done.status == 0) if phase == 'create' else int(phase != 'gc' or done.status != 0), f'{phase} {number}: pods, {done}')
                if there:
                    away = names(process.pid) == inside
                    equal(names(process.pid), inside if away else [], f'{phase} {number}: links of the process')
                    equal(names(), sorted(['host0', 'lent0-far'] if away else [*before, 'a0', 'eth0', 'host0']), f'{phase} {number}: links of the host')
                    equal(set(shown(daemon, there[0]['UUID']).values()), {'inside'} if away else {'made', 'waiting'}, f'{phase} {number}: states')
                    daemon.ok('gc', there[0]['UUID'])
                equal((names(), names(process.pid), lent0.is_back()), (before, [], True), f'{phase} {number}: nothing stays')
                equal(os.listdir(daemon.ns), [], f'{phase} {number}: no namespace is kept')
            reached[phase] = number
        check_log(daemon)
        tap.diagnose(f'messages of one executor: {reached}')
        for phase, number in reached.items():
            assert 12 < number < 60, reached


@case('killed at any instant of creating, naming the process and collecting: all or none is there, what was lent comes back, and nothing stays', alone=True)
def kills():
    chance = random.Random(41)
    seen = {}
    with Situation() as daemon, Process() as process, Lent() as lent0:
        before = names()
        inside = ['a0', 'eth0', 'lent0', 'x0']
        document = spec(veth(), made('x0'), made('a0', createInRoot=True), {'name': 'lent0'})
        for turn in range(27):
            phase, pod = turn % 3, None
            words, more = ('create', '-'), {'input': json.dumps(document)}
            if phase:
                pod = daemon.create(document)
                words, more = ('prepare-process', pod, str(process.pid)), {}
            if phase == 2:
                daemon.ok(*words)
                words = ('gc', pod)
            kill_during(daemon, chance, turn // 3, *words, within=0.03 if phase else 0.06, **more)
            eventually(lambda: all(row['State'] not in ('creating', 'stopping') for row in daemon.pods()), f'turn {turn}: it settles', 10)
            there = [row['UUID'] for row in daemon.pods()]
            if there:
                eventually(lambda: 'moving' not in shown(daemon, there[0]).values(), f'turn {turn}: the links settle', 10)
                eventually(lambda: names(process.pid) in ([], inside), f'turn {turn}: all or none: {names(process.pid)}', 5)
                away = names(process.pid) == inside
                equal(lent0.is_back(), not away, f'turn {turn}: what was lent')
                equal(names(), sorted(['host0', 'lent0-far'] if away else [*before, 'a0', 'eth0', 'host0']), f'turn {turn}: links of the host')
                equal(set(shown(daemon, there[0]).values()), {'inside'} if away else {'made', 'waiting'}, f'turn {turn}: states')
                daemon.ok('prepare-process', there[0], str(process.pid))
                equal(names(process.pid), inside, f'turn {turn}: links of the process')
            seen[phase, bool(there)] = seen.get((phase, bool(there)), 0) + 1
            eventually(lambda: not daemon.pods() or (daemon.ctl('gc', *[row['UUID'] for row in daemon.pods()]) and not daemon.pods()), 'the pod goes')
            equal((names(), names(process.pid), lent0.is_back()), (before, [], True), f'turn {turn}: nothing stays')
            eventually(lambda: os.listdir(daemon.ns) == [], f'turn {turn}: no namespace is kept', 5)
        check_log(daemon)
        tap.diagnose(f'(phase, a pod is there afterwards): {seen}')


if __name__ == '__main__':
    enter()
    host.prepare()
    kind = simple_kind() if shutil.which('ip') else None
    if not kind:
        print('1..0 # SKIP ip(8) is not there, or this kernel has no network interface of a simple kind (dummy, ifb)')
    else:
        with Bus() as bus:
            tap.run(Situation)
