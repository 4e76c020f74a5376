#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Mounts on the host, "hostMounts" of "prepare": only below HostTargets=; made and undone, judged, repaired, collected and
exported with their pod."""

import json
import os
import random
import signal
import subprocess

from frame import host, specs, tap
from frame.daemon import Daemon
from frame.places import Places, config, listed
from frame.tap import case, contains, equal, eventually


class Situation(Daemon):
    def __init__(self):
        self.places = Places(f'p{random.randrange(1 << 40)}')
        super().__init__(config=config(self.places.top))


def stays(daemon, pod, *words):
    """What GC says of a pod that it does not collect."""
    answer = daemon.ctl('--json=short', 'gc', *words, pod)
    equal(answer.status, 1, 'exit status')
    assert [row['Outcome'] for row in json.loads(answer.out)] in (['busy'], ['failed']), answer
    return answer.out


def well(daemon, pod):
    equal(listed(daemon, pod), {target: 'ok' for target in daemon.places.all()}, 'states')
    equal(daemon.state(pod), 'ready', 'state of the pod')


@case('a bind, a tmpfs and an overlay on the host: made with the pod, listed, seen, nosuid, nodev, private; gone with it')
def whole(daemon):
    places, before = daemon.places, host.mount_table()
    pod = daemon.create(places.spec())
    equal(places.tops(), places.all(), 'mounts on the host')
    with open(f'{places.bound}/hello') as file:
        equal(file.read(), 'from the source\n', 'what the bind shows')
    equal(os.listdir(places.layers), ['below'], 'the overlay')
    for point, fields in host.mounts_below(places.top).items():
        for option in ('nosuid', 'nodev'):
            contains(fields[5].split(','), option, point)
        equal(fields[6], '-', f'propagation of {point}')
    with open(f'{places.layers}/new', 'w') as file:
        file.write('x')
    os.unlink(f'{places.layers}/new')
    well(daemon, pod)
    shown = {mount['Target']: mount for mount in daemon.json('show', pod)['Mounts']}
    for target, type in ((places.bound, 'bind'), (places.memory, 'tmpfs'), (places.layers, 'overlay')):
        equal((shown[target]['Path'], shown[target]['Type'], shown[target]['Container']), (target, type, '.host'), target)
    equal(daemon.json('show', pod)['MountCount'], 4, 'mounts of the pod')
    contains(daemon.ok('tree', pod), places.memory, 'the tree')
    daemon.ok('gc', pod)
    equal(host.mount_table(), before, 'the mount table')
    places.untouched()
    equal(os.path.isdir(places.bound), True, 'the places themselves stay')


@case('a bind of a file on a file; root may ask for suid and dev, and for other propagation')
def granted(daemon):
    places = daemon.places
    pod = daemon.create(places.spec([specs.bind(f'{places.source}/hello', f'{places.top}/file', 'bind', 'ro'),
            specs.mount(places.memory, 'tmpfs', 'tmpfs', ['suid', 'dev', 'shared'])]))
    found = host.mounts_below(places.top)
    with open(f'{places.top}/file') as file:
        equal(file.read(), 'from the source\n', 'the file')
    contains(found[f'{places.top}/file'][5].split(','), 'ro')
    assert not {'nosuid', 'nodev'} & set(found[places.memory][5].split(',')), found[places.memory]
    contains(found[places.memory][6], 'shared:')
    daemon.ok('gc', '--lazy', pod)
    places.untouched()


@case('outside of the list, the list itself, "..", relative, proc, what is missing, a mount point, a file: refused, nothing made')
def refused(daemon):
    places = daemon.places
    before = host.mount_table()
    os.symlink(places.outside, f'{places.top}/out')
    os.symlink('bound', f'{places.top}/inside')
    os.symlink('/proc/self/root', f'{places.top}/magic')
    for target, word in ((f'{places.outside}/bound', 'HostTargets='), (places.top, 'HostTargets='), ('/mnt', 'HostTargets='),
            (f'{places.top}x', 'HostTargets='), (f'{daemon.runtime}/pods', 'HostTargets='), ('/proc/sys', 'proc'),
            (f'{places.top}/../{os.path.basename(places.outside)}/bound', '".."'), ('bound', 'relative'), ('/', '/'),
            (f'{places.top}/out/bound', 'symlink'), (f'{places.top}/out', 'symlink'), (f'{places.top}/inside', 'symlink'),
            (f'{places.top}/magic/tmp', 'symlink'), (f'{places.top}/none', 'make it first'),
            (f'{places.top}/none/deeper', 'make it first'), (f'{places.top}/file', 'is a file'), (f'{places.top}/a b', 'blanks'),
            (f'{places.top}/file/x', 'cannot be reached')):
        contains(daemon.refused('create', '-', input=json.dumps(places.spec([specs.mount(target)]))), word, target)
        equal(host.mount_table(), before, f'the mount table after {target}')
        equal(daemon.pods(), [], 'pods')
    contains(daemon.refused('create', '-', input=json.dumps(places.spec([specs.bind(places.source, f'{places.top}/file')]))),
            'is a file')
    contains(daemon.refused('create', '-', input=json.dumps(places.spec([specs.bind(f'{places.source}/hello', places.bound)]))),
            'is a directory')
    subprocess.run(['mount', '-t', 'tmpfs', 'foreign', places.bound], check=True)
    contains(daemon.refused('create', '-', input=json.dumps(places.spec([specs.mount(places.bound)]))), 'mount point already')
    subprocess.run(['umount', places.bound], check=True)
    places.untouched()


@case('kinds and options that no mount on the host has are refused, each by its name; so are containers that are added')
def kinds(daemon):
    places = daemon.places
    at = places.memory
    for mount, word in ((specs.mount(at, 'proc'), '"proc" is none'), (specs.mount(at, 'sysfs'), '"sysfs" is none'),
            (specs.mount(at, 'erofs', '/x'), '"erofs" is none'), (specs.mount(at, 'devtmpfs'), '"devtmpfs" is none'),
            (specs.mount(at, 'nothing'), '"nothing" is none'), ({'destination': at}, 'it is missing'),
            (specs.bind(places.source, at, 'rbind'), 'leave rbind out'), (specs.bind('volume:v', at), 'has no volume'),
            (specs.bind('fd:x', at), 'path of the host'), (specs.mount(at, options=['tmpcopyup']), 'tmpcopyup'),
            (specs.bind(places.source, at, 'bind', 'src-nofollow'), 'src-nofollow'),
            (dict(specs.bind(places.source, at), uidMappings=[{'containerID': 0, 'hostID': 1, 'size': 1}],
                gidMappings=[{'containerID': 0, 'hostID': 1, 'size': 1}]), 'id mapping'),
            (specs.mount(at, options=['size=x']), 'size')):
        for lenient in (False, True):
            spec = dict(places.spec([mount]), lenient=lenient)
            error = daemon.refused('create', '-', input=json.dumps(spec))
            if not 'fd:x' in json.dumps(mount):  # the client itself says what it lacks
                contains(error, word, json.dumps(mount))
                contains(error, '/prepare/hostMounts/0', json.dumps(mount))
    for mounts, word in (([specs.mount(at), specs.mount(at)], 'already'), ({}, 'hostMounts'), ([7], '/prepare/hostMounts/0'),
            ([specs.mount(places.top), specs.mount(at)], 'lie apart'),
            ([specs.mount(f'{places.top}/{n}') for n in range(65)], 'at most 64')):
        contains(daemon.refused('create', '-', input=json.dumps(places.spec(mounts))), word, json.dumps(mounts)[:100])
    pod = daemon.create(specs.oci(places.root))
    contains(daemon.refused('add-container', pod, 'more', '-', input=json.dumps(places.spec())), 'made with their pod')
    contains(daemon.refused('mount', pod, '--container', '.host', json.dumps(specs.mount(at))), 'no container')
    daemon.ok('gc', pod)
    places.untouched()


@case('another pod has nothing at, above or below a place that is taken')
def taken(daemon):
    places = daemon.places
    specs.tree(os.path.basename(places.source), {'deeper/': ''})
    pod = daemon.create(places.spec([specs.bind(places.source, places.bound)]))
    for target in (places.bound, f'{places.bound}/deeper'):
        error = daemon.refused('create', '-', input=json.dumps(places.spec([specs.mount(target)])))
        contains(error, 'another pod')
        assert pod not in error, error
    equal(places.tops(), [places.bound], 'mounts')
    daemon.ok('gc', pod)
    pod = daemon.create(places.spec([specs.mount(f'{places.top}/memory')]))
    daemon.ok('gc', pod)
    places.untouched()


@case('a plan shows the steps after the publishing, their undo and the targets, and changes nothing')
def planned(daemon):
    places, before = daemon.places, host.mount_table()
    plan = json.loads(daemon.ok('--json=short', 'plan', '-', input=json.dumps(places.spec())))
    kinds = [step['step'] for step in plan['steps']]
    equal(kinds[kinds.index('publish'):], ['publish', 'bind', 'filesystem', 'overlay'], 'steps')
    equal([(step['container'], step['target'], step['undo']) for step in plan['steps'][-3:]],
            [('.host', places.bound, 'detach'), ('.host', places.memory, 'detach'),
             ('.host', places.layers, 'detach, remove-directories')], 'steps')
    equal(plan['actions'], [], 'actions for root')
    contains(daemon.ok('plan', '-', input=json.dumps(places.spec())), places.memory)
    said = daemon.refused('plan', '-', input=json.dumps(places.spec([specs.mount('/mnt')])))
    contains(said, 'have an administrator add a directory above it to HostTargets=.', 'what to do')
    contains(said, 'for one on the host have an administrator add a directory above it to HostTargets= in podmountd.conf(5)', 'the hint')
    contains(said, 'org.podmount1.host-target', 'the hint')
    equal(host.mount_table(), before, 'the mount table')


@case('what others do to them is drift: unmounted, read-only, covered, moved, something mounted on one')
def drift(daemon):
    places = daemon.places
    pod = daemon.create(places.spec())

    def becomes(target, state, word=None):
        def seen():
            for mount in daemon.json('show', pod)['Mounts']:
                if mount['Target'] == target and mount['State'] == state and (not word or word in mount.get('Detail', '')):
                    return True
            return False
        eventually(seen, f'{target} is {state} ({word})')
        eventually(lambda: daemon.state(pod) == 'degraded', 'the pod is degraded')

    def cured():
        eventually(lambda: daemon.state(pod) == 'ready', 'the pod is as recorded')
        well(daemon, pod)

    subprocess.run(['mount', '-o', 'remount,ro,bind', places.bound], check=True)
    # whoever asks for the list of mounts has them looked at; it is seen without, too
    eventually(lambda: [row['State'] for row in daemon.pods()] == ['degraded'], 'it is noticed')
    becomes(places.bound, 'changed', 'rw -> ro')
    subprocess.run(['mount', '-o', 'remount,rw,bind,nosuid,nodev', places.bound], check=True)
    cured()
    subprocess.run(['mount', '-t', 'tmpfs', 'foreign', places.memory], check=True)
    becomes(places.memory, 'changed', 'covered by mount')
    becomes(places.memory, 'extra')
    subprocess.run(['umount', places.memory], check=True)
    cured()
    os.mkdir(f'{places.memory}/sub')
    subprocess.run(['mount', '-t', 'tmpfs', 'foreign', f'{places.memory}/sub'], check=True)
    becomes(f'{places.memory}/sub', 'extra')
    contains(stays(daemon, pod), places.memory, 'what is busy')
    subprocess.run(['umount', f'{places.memory}/sub'], check=True)
    eventually(lambda: not any(mount['State'] == 'extra' for mount in daemon.json('show', pod)['Mounts']), 'it went')
    if daemon.state(pod) != 'ready':  # what went before the busy one is made again
        daemon.ok('repair', pod)
    cured()
    subprocess.run(['mount', '-t', 'tmpfs', 'foreign', places.top], check=True)
    becomes(places.memory, 'changed', 'covered by mount')
    subprocess.run(['umount', places.top], check=True)
    cured()
    os.rename(places.top, f'{places.top}-away')
    becomes(places.bound, 'changed', 'moved to')
    os.rename(f'{places.top}-away', places.top)
    cured()
    subprocess.run(['umount', places.layers], check=True)
    becomes(places.layers, 'missing')
    daemon.ok('gc', pod)
    places.untouched()


@case('drift is found at a restart, too, and what is well stays well over it')
def restarted(daemon):
    places = daemon.places
    pod = daemon.create(places.spec())
    daemon.restart()
    well(daemon, pod)
    daemon.stop()
    subprocess.run(['umount', places.bound], check=True)
    daemon.start()
    equal(listed(daemon, pod)[places.bound], 'missing', 'state')
    equal(daemon.json('repair', pod)[0]['Outcome'], 'repaired', 'repair')
    well(daemon, pod)
    daemon.restart()
    well(daemon, pod)
    daemon.ok('gc', pod)
    places.untouched()


@case('repair makes what is missing again, where the place is free and on the list still')
def repair(daemon):
    places = daemon.places
    pod = daemon.create(places.spec())
    for point in places.all():
        subprocess.run(['umount', point], check=True)
    eventually(lambda: set(listed(daemon, pod).values()) == {'missing'}, 'all is missing')
    subprocess.run(['mount', '-t', 'tmpfs', 'foreign', places.memory], check=True)
    foretold = {row['Target']: row['Outcome'] for row in daemon.json('repair', '--dry-run', pod)}
    equal(foretold, {target: 'would-repair' for target in places.all()}, 'a dry run')
    outcomes = {row['Target']: row for row in json.loads(daemon.ctl('--json=short', 'repair', pod).out)}
    equal({target: row['Outcome'] for target, row in outcomes.items()},
            {places.bound: 'repaired', places.layers: 'repaired', places.memory: 'failed'}, 'repair')
    contains(outcomes[places.memory]['Message'], 'mount point already')
    subprocess.run(['umount', places.memory], check=True)
    equal([row['Outcome'] for row in daemon.json('repair', '--container', '.host', pod)], ['repaired'], 'repair')
    well(daemon, pod)
    for fields in host.mounts_below(places.top).values():
        contains(fields[5].split(','), 'nosuid')
    daemon.ok('gc', pod)
    places.untouched()


@case('strictly, what is busy on the host keeps the pod, whole, and is named; lazily all goes')
def busy(daemon):
    places = daemon.places
    pod = daemon.create(places.spec([specs.mount(places.memory)]))
    with open(f'{places.memory}/held', 'w'):
        answer = stays(daemon, pod)
        contains(answer, 'busy', 'outcome')
        contains(answer, places.memory, 'what is named')
        equal(daemon.state(pod), 'ready', 'state')
        equal(listed(daemon, pod), {places.memory: 'ok'}, 'states')
        assert os.path.exists(f'{daemon.rootfs(pod)}/bin/busybox'), 'the pod itself is whole'
        daemon.ok('gc', '--lazy', pod)
        places.untouched()
    equal(daemon.pods(), [], 'pods')


@case('what was taken off before the busy one is mounted again, with what it held; so it is when the pod itself is busy')
def mounted_again(daemon):
    places = daemon.places
    shown = None
    pod = daemon.create(places.spec(places.mounts() + [specs.bind(f'{places.source}/hello', f'{places.top}/file')]))
    for held in (f'{places.bound}/hello', f'{daemon.rootfs(pod)}/etc/hostname'):
        with open(f'{places.memory}/kept', 'w') as file:
            file.write('kept\n')
        with open(held):
            contains(stays(daemon, pod), 'busy', 'outcome')
        with open(f'{places.memory}/kept') as file:
            equal(file.read(), 'kept\n', 'what the tmpfs held')
        eventually(lambda: set(listed(daemon, pod).values()) == {'ok'}, f'all is there, and not {listed(daemon, pod)}')
        for point, fields in host.mounts_below(places.top).items():
            assert {'nosuid', 'nodev'} <= set(fields[5].split(',')), (point, fields)
            equal(fields[6], '-', f'propagation of {point}')
        ids = {mount['Target']: mount['ID'] for mount in daemon.json('show', pod)['Mounts'] if mount['Container'] == '.host'}
        assert ids != shown, 'those that were mounted again have other ids'
        shown = ids
        daemon.restart()
        equal(set(listed(daemon, pod).values()), {'ok'}, 'states after a restart')
    daemon.ctl('repair', pod)
    daemon.ok('gc', pod)
    places.untouched()


@case('a step that fails takes the pod and all before it back, in reverse')
def undone(daemon):
    places, before = daemon.places, host.mount_table()
    good = places.mounts()
    for bad, word in ((specs.mount(f'{places.top}/none'), 'make it first'), (specs.bind('/nonexistent', f'{places.top}/file'), 'exist'),
            (specs.mount(f'{places.top}/file'), 'is a file')):
        for position in range(4):
            contains(daemon.refused('create', '-', input=json.dumps(places.spec(good[:position] + [bad] + good[position:]))), word)
            equal(host.mount_table(), before, f'the mount table, {position}')
            equal(daemon.pods(), [], 'pods')
            places.untouched()
            equal(os.listdir(f'{daemon.runtime}/pods'), [], 'pods/')


@case('SIGHUP changes the list: what is off it is refused, and not touched until it is on again')
def reloaded(daemon):
    places = daemon.places
    pod = daemon.create(places.spec())
    spec = json.dumps(places.spec([specs.mount(f'{places.outside}/bound')]))
    contains(daemon.refused('create', '-', input=spec), 'HostTargets=')
    daemon.write_config(config(places.outside))
    os.kill(daemon.keeper(), signal.SIGHUP)
    other = eventually(lambda: daemon.ctl('create', '-', input=spec).out.strip(), 'the new list holds')
    daemon.ok('gc', other)
    well(daemon, pod)
    for words in ([], ['--lazy']):
        error = stays(daemon, pod, *words)
        contains(error, 'any more', 'the reason')
        contains(error, places.layers, 'what')
        equal(places.tops(), places.all(), 'mounts on the host')
    for point in places.all():
        subprocess.run(['umount', point], check=True)
    contains(daemon.ctl('--json=short', 'repair', pod).out, 'HostTargets=')
    equal(places.tops(), [], 'mounts on the host')
    daemon.write_config(config(places.top))
    os.kill(daemon.keeper(), signal.SIGHUP)
    eventually(lambda: 'repaired' in daemon.ctl('--json=short', 'repair', pod).out, 'the list holds again')
    well(daemon, pod)
    daemon.ok('gc', pod)
    places.untouched()


@case('a configuration whose list is no such list is refused, at the start and at SIGHUP')
def bad_lists(daemon):
    places = daemon.places
    pod = daemon.create(places.spec([specs.mount(places.memory)]))
    for value in ('/', 'relative', '/a/../b', '/proc', '/proc/x', '/sys', '/dev/shm', daemon.runtime, f'{daemon.directory}'):
        daemon.write_config(config(value))
        size = len(daemon.log())
        os.kill(daemon.keeper(), signal.SIGHUP)
        eventually(lambda: 'the one before stays in force' in daemon.log()[size:], value)
    daemon.ok('gc', pod)
    daemon.stop()
    daemon.launch()
    assert daemon.wait() != 0, 'it starts'
    daemon.write_config('')
    daemon.start()


@case('Export says what is on the host, whichever container is left, and Restore makes it again')
def exported(daemon):
    places = daemon.places
    own = specs.podmount({'one': (places.root, True, []), 'two': (places.root, True, [])})
    own['containers'][0]['prepare'] = {'hostMounts': places.mounts()}
    for spec in (places.spec(), own):
        pod = daemon.create(spec)
        if spec is own:
            daemon.ok('remove-container', pod, 'one')
            well(daemon, pod)
        text = daemon.ok('export', pod)
        document = json.loads(text)
        equal([mount['destination'] for mount in document['hostMounts']], [places.bound, places.memory, places.layers], 'places')
        equal([mount['device'] for mount in document['mounts'] if mount['container'] == '.host'],
                [f'.host:{target}' for target in (places.bound, places.memory, places.layers)], 'devices')
        contains(daemon.refused('restore', '-', input=text), 'exists')
        daemon.ok('gc', pod)
        places.untouched()
        again = daemon.ok('restore', '-', input=text).split()[0]
        well(daemon, again)
        equal(json.loads(daemon.ok('export', again)), document, 'the export of what was restored')
        daemon.ok('gc', again)
        places.untouched()
    document['hostMounts'][0]['destination'] = '/mnt'
    contains(daemon.refused('restore', '-', input=json.dumps(document)), '/hostMounts/0')
    places.untouched()


if __name__ == '__main__':
    host.prepare()
    tap.run(Situation)
