#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Cgroups of pods, "cgroups" of linuxkit's runtime.json: made in every hierarchy of this machine with the pod, and gone with it."""

import json
import os
import random
import subprocess
import sys

from frame import host, specs, tap
from frame.bus import Bus
from frame.daemon import MANAGER, Daemon
from frame.host import ALICE, UserError, as_user
from frame.kills import check_log, kill_during
from frame.places import Places, config
from frame.situation import WithPolkit
from frame.tap import case, contains, equal, eventually

bus = None
ACTION = 'org.podmount1.prepare-cgroups'


def hierarchies():
    """{where it is mounted: which file system it is} of this machine's own, as mountinfo has them; the first of each."""
    found = {}
    with open('/proc/self/mountinfo') as file:
        for line in file:
            fields = line.split()
            if fields[fields.index('-') + 1] in ('cgroup', 'cgroup2') and fields[3] == '/' and fields[2] not in found.values():
                found[fields[4]] = fields[2]
    return list(found)


HIERARCHIES = hierarchies()


class Situation(Daemon):
    """With a parent of its own, which is removed at the end."""

    def __init__(self, parent=None, **more):
        self.parent = parent or f'/podmount-test-{random.randrange(1 << 40)}'
        super().__init__(config=f'[Prepare]\nCgroupParent={self.parent}\n', **more)

    def place(self, hierarchy, *names):
        return os.path.join(hierarchy, self.parent[1:], *names)

    def there(self):
        """{name: in how many hierarchies}"""
        counts = {}
        for hierarchy in HIERARCHIES:
            for entry in os.scandir(self.place(hierarchy)) if os.path.isdir(self.place(hierarchy)) else ():
                if entry.is_dir():
                    counts[entry.name] = counts.get(entry.name, 0) + 1
        return counts

    def all(self, *names):
        return {name: len(HIERARCHIES) for name in names}

    def __exit__(self, *words):
        super().__exit__(*words)
        clear(self)


def clear(daemon):
    """The parent, with what is left below it."""
    for hierarchy in HIERARCHIES:
        for directory, _, _ in os.walk(daemon.place(hierarchy), topdown=False):
            os.rmdir(directory)


def spec(*names, **more):
    return dict(specs.oci(), prepare={'cgroups': list(names), **more})


class Resident:
    """A process in a cgroup."""

    def __init__(self, path):
        self.child = subprocess.Popen(['sleep', '1000'])
        with open(f'{path}/cgroup.procs', 'w') as file:
            file.write(str(self.child.pid))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()


@case('runtime.json of a bundle: made in every hierarchy before the pod is there, listed, kept over a restart, gone with the pod')
def whole(daemon):
    bundle = specs.tree(f'{os.path.basename(daemon.directory)}-bundle', {})
    with open(f'{bundle}/config.json', 'w') as file:
        json.dump(specs.oci(), file)
    with open(f'{bundle}/runtime.json', 'w') as file:
        json.dump({'cgroups': ['podruntime', 'kubepods', 'podruntime']}, file)
    plan = daemon.json('plan', bundle)
    steps = [(step['step'], step['target'], step['source'], step['undo']) for step in plan['steps'] if 'cgroup' in step['step']]
    equal(steps, [('cgroup', name, daemon.parent, 'remove-cgroups') for name in ('podruntime', 'kubepods')], 'steps of the plan')
    equal(daemon.there(), {}, 'after a plan')
    pod = daemon.create(bundle)
    equal(daemon.there(), daemon.all('podruntime', 'kubepods'), 'cgroups')
    shown = daemon.json('show', pod)
    equal(shown['Cgroups'], [f'{daemon.parent}/podruntime', f'{daemon.parent}/kubepods'], 'Cgroups')
    equal([warning for warning in shown['Warnings'] if 'cgroup' in warning], [], 'warnings')
    contains(daemon.ok('show', pod), f'{daemon.parent}/kubepods', 'show')
    daemon.restart()
    equal(daemon.there(), daemon.all('podruntime', 'kubepods'), 'after a restart')
    equal(daemon.json('show', pod)['Cgroups'], shown['Cgroups'], 'Cgroups after a restart')
    daemon.ok('gc', pod)
    equal(daemon.there(), {}, 'after the pod')


@case('refused by its name, and nothing stays: no component, too long, too many, another pod\'s, somebody else\'s, a container that is added')
def refused(daemon):
    for name in ('..', '.', 'a/b', '/a', '', 'a b', 'a\nb', 'a\x7fb', 'x' * 129, 3, None):
        contains(daemon.refused('create', '-', input=json.dumps(spec('fine', name))), '/prepare/cgroups/1', repr(name))
    contains(daemon.refused('create', '-', input=json.dumps(spec(*(f'n{i}' for i in range(65))))), 'at most 64')
    contains(daemon.refused('create', '-', input=json.dumps(dict(specs.oci(), prepare={'cgroups': 'x'}))), '/prepare/cgroups')
    equal(daemon.there(), {}, 'cgroups')
    pod = daemon.create(spec('mine', 'x' * 128))
    contains(daemon.refused('create', '-', input=json.dumps(spec('other', 'mine'))), 'cgroup mine')
    contains(daemon.refused('add-container', pod, 'side', '-', input=json.dumps(spec('side'))), 'made with their pod')
    equal(daemon.there(), daemon.all('mine', 'x' * 128), 'cgroups')
    foreign = daemon.place(HIERARCHIES[-1], 'foreign')
    os.mkdir(foreign)
    contains(daemon.refused('create', '-', input=json.dumps(spec('before', 'foreign', 'after'))), 'foreign')
    equal(daemon.there(), {**daemon.all('mine', 'x' * 128), 'foreign': 1}, 'what is somebody else\'s stays, and nothing else')
    # A file of the kernel's is no cgroup to be had.
    contains(daemon.refused('create', '-', input=json.dumps(spec('cgroup.procs'))), 'cgroup.procs')
    daemon.ok('gc', pod)
    equal(daemon.there(), {'foreign': 1}, 'after the pod')
    os.rmdir(foreign)


@case('what fails after them takes them back')
def undone(daemon):
    bad = dict(spec('gone'), mounts=[specs.mount('/late', 'bind', '/nonexistent', ['bind'])])
    daemon.refused('create', '-', input=json.dumps(bad))
    equal(daemon.there(), {}, 'cgroups')
    # The very last step fails, when they are made.
    places = Places(f'c{random.randrange(1 << 40)}')
    daemon.write_config(f'[Prepare]\nCgroupParent={daemon.parent}\n{config(places.top)}')
    daemon.restart()
    text = json.dumps(spec('gone', hostMounts=[specs.bind(places.source, f'{places.top}/none')]))
    contains(daemon.refused('create', '-', input=text), f'{places.top}/none')
    equal(daemon.there(), {}, 'cgroups')
    equal(daemon.pods(), [], 'pods')


@case('a hierarchy that refuses is a warning, all of them an error')
def refusing(daemon):
    for hierarchy in HIERARCHIES:
        os.mkdir(daemon.place(hierarchy))
    limited = daemon.place(HIERARCHIES[-1], 'cgroup.max.descendants')
    if os.path.exists(limited):  # version 2 alone has it
        with open(limited, 'w') as file:
            file.write('0')
        pod = daemon.create(spec('some'))
        equal(daemon.there(), {'some': len(HIERARCHIES) - 1} if len(HIERARCHIES) > 1 else {}, 'cgroups')
        warning, = [text for text in daemon.json('show', pod)['Warnings'] if 'cgroup' in text]
        contains(warning, 'unified (EAGAIN)')
        daemon.ok('gc', pod)
        equal(daemon.there(), {}, 'after the pod')
    # Where no cgroup can be: below a file of the kernel's.
    daemon.write_config(f'[Prepare]\nCgroupParent={daemon.parent}/cgroup.procs/x\n')
    daemon.restart()
    contains(daemon.refused('create', '-', input=json.dumps(spec('none'))), 'no hierarchy takes')
    equal(daemon.pods(), [], 'pods')


@case('a busy one stays with a warning, its name is not given away, and the next collection, start or asking for the name removes it')
def busy(daemon):
    def ask():
        contains(daemon.refused('create', '-', input=json.dumps(spec('crowded'))), 'was busy then')

    for again in (lambda: daemon.ok('gc'), daemon.restart, ask):
        pod = daemon.create(spec('crowded', 'empty'))
        with Resident(daemon.place(HIERARCHIES[0], 'crowded')):
            done = daemon.json('gc', pod)
            contains(json.dumps(done), 'crowded')
            equal(daemon.pods(), [], 'pods')
            equal(daemon.there(), {'crowded': 1}, 'what is busy')
            contains(daemon.refused('create', '-', input=json.dumps(spec('crowded'))), 'was busy then')
            daemon.ok('gc')
            equal(daemon.create(spec('fresh'), '--id', pod), pod, 'another pod of the same UUID')
            daemon.restart()
            equal(daemon.there(), {'crowded': 1, **daemon.all('fresh')}, 'what is busy still')
            equal(daemon.json('show', pod)['Cgroups'], [f'{daemon.parent}/fresh'], 'Cgroups')
            daemon.ok('gc', pod)
        again()
        eventually(lambda: daemon.there() == {}, f'it goes: {daemon.there()}')
        eventually(lambda: daemon.ctl('create', '--name', 'next', '-', input=json.dumps(spec('crowded'))).status == 0, 'its name is free')
        daemon.ok('gc', 'next')
        equal(daemon.there(), {}, 'in the end')
    check_log(daemon)


@case('a busy pod that strict GC leaves whole keeps its cgroups')
def kept(daemon):
    pod = daemon.create(spec('kept'))
    fd = os.open(daemon.rootfs(pod), os.O_RDONLY)
    equal(daemon.ctl('gc', pod).status, 1, 'gc of a busy pod')
    equal(daemon.there(), daemon.all('kept'), 'cgroups')
    os.close(fd)
    daemon.ok('gc', '--lazy', pod)
    equal(daemon.there(), {}, 'after the pod')


@case('Repair makes again what somebody removed; Export has the names, Restore makes them')
def again(daemon):
    pod = daemon.create(spec('one', 'two'))
    os.rmdir(daemon.place(HIERARCHIES[0], 'one'))
    repaired = daemon.json('repair', pod)
    contains(json.dumps(repaired), f'{daemon.parent}/one')
    equal('two' in json.dumps(repaired), False, 'what was there is not told')
    equal(daemon.there(), daemon.all('one', 'two'), 'cgroups')
    equal(json.dumps(daemon.json('repair', pod)).count('repaired'), 0, 'a second repair')
    text = daemon.ok('export', pod)
    equal(json.loads(text)['cgroups'], ['one', 'two'], 'in the export')
    daemon.ok('gc', pod)
    pod = daemon.ok('restore', '-', input=text).split()[0]
    equal(daemon.there(), daemon.all('one', 'two'), 'after Restore')
    equal(json.loads(daemon.ok('export', pod))['cgroups'], ['one', 'two'], 'in an export of that')
    daemon.ok('gc', pod)
    equal(daemon.there(), {}, 'after the pod')


@case('with another parent configured those of before stay untouched, and go when it is named again')
def moved(daemon):
    pod = daemon.create(spec('moved'))
    other = f'{daemon.parent}-other'
    daemon.write_config(f'[Prepare]\nCgroupParent={other}\n')
    daemon.restart()
    contains(json.dumps(daemon.json('gc', pod)), 'not the configured one')
    equal(daemon.there(), daemon.all('moved'), 'cgroups')
    daemon.write_config(f'[Prepare]\nCgroupParent={daemon.parent}\n')
    daemon.restart()
    eventually(lambda: daemon.there() == {}, 'they go')
    equal([hierarchy for hierarchy in HIERARCHIES if os.path.exists(f'{hierarchy}{other}')], [], 'the other parent')


@case('over varlink; containers that name the same one share it; the host mounts nothing for it')
def containers(daemon):
    before = host.mount_table()
    both = [{'name': name, 'root': {'path': specs.rootfs(f'cgroup-{name}')}, 'prepare': {'cgroups': ['shared', name]}} for name in ('one', 'two')]
    client = [f'{host.DIRECTORY}/bin/podmountctl', '--varlink', f'{daemon.runtime}/varlink', '--json=short']
    pod = json.loads(host.run([*client, 'create', '-'], input=json.dumps({'podmount': 1, 'containers': both})).out)['UUID']
    equal(daemon.there(), daemon.all('shared', 'one', 'two'), 'cgroups')
    shown = json.loads(host.run([*client, 'show', pod]).out)
    equal(shown['Cgroups'], [f'{daemon.parent}/{name}' for name in ('shared', 'one', 'two')], 'Cgroups')
    daemon.ok('gc', pod)
    equal(daemon.there(), {}, 'after the pod')
    equal(host.mount_table(), before, 'the mount table')


@case('a pod in a mount namespace of its own has them on the host as others do')
def private(daemon):
    done = daemon.ctl('create', '--visibility', 'private', '-', input=json.dumps(spec('hidden')))
    equal(done.status, 0, done.err)
    contains(daemon.json('show', done.out.strip())['MountNamespace'], done.out.strip(), 'MountNamespace')
    equal(daemon.there(), daemon.all('hidden'), 'cgroups')
    daemon.restart()
    equal(daemon.json('show', done.out.strip())['Cgroups'], [f'{daemon.parent}/hidden'], 'Cgroups')
    daemon.ok('gc', done.out.strip())
    equal(daemon.there(), {}, 'after the pod')


@case('a user: polkit is asked for them by their names, and no is no', alone=True)
def users():
    parent = f'/podmount-test-{random.randrange(1 << 40)}'
    with WithPolkit(bus, 'yes', f'[Prepare]\nCgroupParent={parent}/below\n') as s:
        text = json.dumps(dict(specs.oci(s.root), prepare={'cgroups': ['alice', 'more']}))

        def as_alice(method, signature, *arguments):
            return as_user(ALICE, lambda: [str(word) for word in bus.call(MANAGER, method, signature, *arguments)])

        contains(json.loads(as_user(ALICE, lambda: str(bus.call(MANAGER, 'Plan', 'sa{sh}a{sv}', text, {}, {}))))['actions'], ACTION)
        s.polkit.answer('no')
        try:
            as_alice('CreatePod', 'sa{sh}a{sv}', text, {}, {})
            raise AssertionError('it was done')
        except UserError as error:
            equal(error.name, 'org.freedesktop.DBus.Error.AccessDenied', 'polkit says no')
        s.polkit.answer('yes')
        pod = as_alice('CreatePod', 'sa{sh}a{sv}', text, {}, {})[0]
        asked = [call for call in s.polkit.calls() if call['action'] == ACTION]
        equal(asked[-1]['details']['cgroups'].split(), ['alice', 'more'], 'details')
        places = [f'{hierarchy}{parent}/below/{name}' for hierarchy in HIERARCHIES for name in ('alice', 'more')]
        equal([place for place in places if not os.path.isdir(place)], [], 'cgroups')
        s.daemon.ok('gc', pod)
        equal([place for place in places if os.path.isdir(place)], [], 'after the pod')
        for hierarchy in HIERARCHIES:
            os.removedirs(f'{hierarchy}{parent}/below')


@case('killed at any instant of creating and collecting: all or none is there with the pod, and in the end nothing stays', alone=True)
def kills():
    chance = random.Random(21)
    seen = {}
    names = [f'k{number}' for number in range(8)]
    with Situation() as daemon:
        before = host.mount_table()
        for turn in range(30):
            words, text = ('create', '-'), json.dumps(spec(*names))
            if turn % 2:
                words, text = ('gc', daemon.create(spec(*names))), None
            kill_during(daemon, chance, turn // 2, *words, within=0.022, input=text)
            eventually(lambda: all(row['State'] in ('ready', 'failed') for row in daemon.pods()), f'turn {turn}: what was begun ends', 10)
            there = [row['UUID'] for row in daemon.pods()]
            equal(set(daemon.there().values()) <= {len(HIERARCHIES)}, True, f'turn {turn}: {daemon.there()}')
            if there and daemon.pods()[0]['State'] == 'ready':
                equal(daemon.there(), daemon.all(*names), f'turn {turn}: cgroups')
            seen[turn % 2, bool(there)] = seen.get((turn % 2, bool(there)), 0) + 1
            for pod in there:
                daemon.ctl('gc', pod)
            eventually(lambda: not daemon.pods() and daemon.there() == {}, f'turn {turn}: nothing stays: {daemon.pods()} {daemon.there()}', 10)
        equal(host.mount_table(), before, 'the mount table')
        check_log(daemon)
        tap.diagnose(f'(collecting, a pod is there afterwards): {seen}')


@case('on a host that has the tree of version 2 alone: made, busy with a process in it, and gone', alone=True)
def unified():
    subprocess.run(['umount', '-R', '/sys/fs/cgroup'], check=True)  # in this test's own mount namespace; the last case
    subprocess.run(['mount', '-t', 'cgroup2', 'cgroup2', '/sys/fs/cgroup'], check=True)
    HIERARCHIES[:] = hierarchies()
    equal(HIERARCHIES, ['/sys/fs/cgroup'], 'hierarchies')
    with Situation() as daemon:
        pod = daemon.create(spec('alone'))
        equal(daemon.there(), {'alone': 1}, 'cgroups')
        equal([warning for warning in daemon.json('show', pod)['Warnings'] if 'cgroup' in warning], [], 'warnings')
        with Resident(daemon.place(HIERARCHIES[0], 'alone')):
            contains(json.dumps(daemon.json('gc', pod)), 'stays until the next collection')
            equal(daemon.there(), {'alone': 1}, 'what is busy')
        daemon.ok('gc')
        eventually(lambda: daemon.there() == {}, 'it goes')
        check_log(daemon)


if __name__ == '__main__':
    host.prepare()
    if not HIERARCHIES:
        print('1..0 # SKIP no cgroup hierarchy is mounted')
        sys.exit(0)
    with Bus() as bus:
        tap.run(Situation)
