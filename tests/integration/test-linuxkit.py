#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""linuxkit's runtime.json, the mount side: mounts, the directories of their overlays, and directories, in order."""

import json
import os
import random
import time

from frame import host, specs, tap
from frame.bus import Bus
from frame.daemon import ERROR, MANAGER, Daemon, Stage
from frame.host import ALICE, UserError, as_user
from frame.kills import kill_during
from frame.situation import WithPolkit
from frame.tap import case, contains, equal, eventually

bus = None


class Place:
    """A root that takes directories, layers for an overlay, and what they look like untouched."""

    def __init__(self, name, owner=0):
        self.root = specs.rootfs(f'{name}-root', owner)
        self.lower = specs.tree(f'{name}-lower', {'from-below': 'x\n', 'old/': ''}, owner)
        self.store = specs.tree(f'{name}-store', {'kept/': ''}, owner)
        self.upper, self.work = f'{self.store}/service/upper', f'{self.store}/service/work'
        self.before = self.files()

    def overlay(self, target='/srv', upper=None, work=None):
        return specs.mount(target, 'overlay', 'overlay', ['rw', f'lowerdir={self.lower}',
                f'upperdir={upper or self.upper}', f'workdir={work or self.work}'])

    def runtime(self, **more):
        """As linuxkit writes it for a service, with all that podmount applies of it."""
        return {'mounts': [specs.mount('/tmp/run', 'tmpfs', 'tmpfs', ['rw', 'nosuid', 'nodev', 'size=1m']), self.overlay()],
                'mkdir': ['/tmp/run/service/sockets', '/srv/data/files', '/data/deep/er', '/data/deep/too', '/data'], **more}

    def spec(self, **more):
        return dict(specs.oci(self.root, readonly=False), prepare=self.runtime(**more))

    def files(self):
        found = []
        for top in (self.root, self.lower, self.store):
            for base, directories, names in os.walk(top):
                found += [f'{base}/{name}' for name in directories + names]
        return sorted(found)

    def untouched(self):
        equal(self.files(), self.before, 'files of the sources')


class Situation(Daemon):
    def __init__(self):
        super().__init__()
        self.place = Place(os.path.basename(self.directory))


def bundle(place, **more):
    """A bundle as runc and linuxkit know it; its root is relative."""
    directory = specs.tree(f'bundle-{os.path.basename(place.root)}', {})
    if not os.path.exists(f'{directory}/rootfs'):
        os.symlink(place.root, f'{directory}/rootfs')
    with open(f'{directory}/config.json', 'w') as file:
        json.dump(specs.oci('rootfs', readonly=False), file)
    with open(f'{directory}/runtime.json', 'w') as file:
        json.dump(place.runtime(**more), file)
    return directory


def check_made(daemon, place, pod):
    rootfs = daemon.rootfs(pod)
    for path in ('tmp/run/service/sockets', 'srv/data/files', 'data/deep/er', 'data/deep/too'):
        equal(oct(os.stat(f'{rootfs}/{path}').st_mode), '0o40755', path)
    equal(sorted(os.listdir(f'{rootfs}/srv')), ['data', 'from-below', 'old'], 'the overlay')
    equal(os.listdir(place.upper), ['data'], 'its upper directory')
    assert os.path.isdir(f'{place.root}/data/deep/er'), 'the root takes the directories'
    assert not os.path.exists(f'{place.root}/tmp/run/service'), 'what lies on a tmpfs stays there'


@case('a bundle with runtime.json: mounts, upper and work directories, then directories; all of it goes again')
def whole(daemon):
    place, before = daemon.place, host.mount_table()
    pod = daemon.create(bundle(place))
    check_made(daemon, place, pod)
    equal(daemon.state(pod), 'ready', 'state')
    mounts = daemon.mounts(pod)
    equal(mounts['main:/srv']['Type'], 'overlay', 'type')
    assert 'nosuid' in mounts['main:/tmp/run']['Options'], mounts['main:/tmp/run']
    daemon.ok('gc', pod)
    equal(host.mount_table(), before, 'the mount table')
    place.untouched()


@case('lazily, after a restart, and by another collection: it goes all the same')
def other_ways(daemon):
    place = daemon.place
    for words, restart in ((['--lazy'], False), ([], True), (['--lazy'], True)):
        pod = daemon.create(place.spec())
        if restart:
            daemon.restart()
            equal(daemon.state(pod), 'ready', 'state')
        check_made(daemon, place, pod)
        daemon.ok('gc', *words, pod)
        place.untouched()


@case('what holds something when the pod goes stays: a file in the upper directory, one in a directory of the root')
def used(daemon):
    place = daemon.place
    pod = daemon.create(place.spec())
    rootfs = daemon.rootfs(pod)
    for path in ('srv/data/files/kept', 'data/deep/er/kept'):
        with open(f'{rootfs}/{path}', 'w') as file:
            file.write('kept\n')
    daemon.ok('gc', pod)
    assert os.path.exists(f'{place.upper}/data/files/kept')
    assert os.path.exists(f'{place.root}/data/deep/er/kept')
    assert not os.path.exists(f'{place.root}/data/deep/too')
    assert not os.path.exists(place.work), 'what the kernel keeps in a work directory keeps nothing'
    # the next one finds it and leaves it
    pod = daemon.create(place.spec())
    assert os.path.exists(f'{daemon.rootfs(pod)}/srv/data/files/kept')
    daemon.ok('gc', pod)
    assert os.path.exists(f'{place.upper}/data/files/kept')


@case('an export keeps what was prepared, but for what was unmounted since, and Restore makes its directories again')
def exported(daemon):
    place = daemon.place
    own = specs.podmount({'main': (place.root, False, [])})
    own['containers'][0]['prepare'] = place.runtime()
    for spec in (place.spec(), own):
        pod = daemon.create(spec)
        document = daemon.ok('export', pod)
        daemon.ok('gc', pod)
        place.untouched()
        again = daemon.ok('restore', '-', input=document).split()[0]
        check_made(daemon, place, again)
        equal(json.loads(daemon.ok('export', again)), json.loads(document), 'the export of what was restored')
        daemon.ok('gc', again)
        place.untouched()
    pod = daemon.create(place.spec())
    daemon.ok('unmount', pod, '/srv')
    daemon.ok('mount', pod, json.dumps(specs.mount('/srv')))
    spec = json.loads(daemon.ok('export', pod))['parts'][0]['spec']
    equal([mount['destination'] for mount in spec['prepare']['mounts']], ['/tmp/run'], 'what is as it was prepared')
    equal(spec['prepare']['mkdir'], place.runtime()['mkdir'], 'directories')
    contains([mount['destination'] for mount in spec['mounts']], '/srv', 'the mounts')
    daemon.ok('gc', pod)
    broken = json.loads(document)
    broken['parts'][0]['spec']['containers'][0]['prepare']['mkdir'] = ['/proc/x']
    contains(daemon.refused('restore', '-', input=json.dumps(broken)), '/parts/0/spec/containers/0/prepare/mkdir/0')
    place.untouched()


@case('what is not applied is told, in either form; a plan shows the steps and changes nothing')
def told(daemon):
    place = daemon.place
    rest = {'oomScore': 5}
    pod = daemon.create(bundle(place, **rest))
    warnings = daemon.json('show', pod)['Warnings']
    for part in rest:
        assert any(f'/prepare/{part} is not applied' in text for text in warnings), (part, warnings)
    daemon.ok('gc', pod)
    own = specs.podmount({'main': (place.root, False, [])})
    own['containers'][0]['prepare'] = place.runtime(bindNS={}, cgroups=[])
    before = host.mount_table()
    plan = json.loads(daemon.ok('--json=short', 'plan', '-', input=json.dumps(own)))
    steps = [(step['step'], step.get('target')) for step in plan['steps']]
    equal([target for step, target in steps if step == 'mkdir'], place.runtime()['mkdir'], 'mkdir')
    assert steps.index(('overlay', '/srv')) < steps.index(('mkdir', '/tmp/run/service/sockets')), steps
    equal(host.mount_table(), before, 'the mount table')
    equal([text for text in plan['warnings'] if 'prepare' in text], [], 'warnings')
    place.untouched()
    pod = daemon.create(own)
    check_made(daemon, place, pod)
    daemon.ok('gc', pod)
    place.untouched()


@case('when a later step fails, all that was made goes in reverse')
def undone(daemon):
    place, before = daemon.place, host.mount_table()
    runtime = place.runtime()
    for broken, word in (
            ({'mkdir': runtime['mkdir'] + ['/etc/hostname/below']}, 'is a file'),
            ({'mkdir': runtime['mkdir'] + ['/etc/hostname']}, 'is a file'),
            ({'mkdir': runtime['mkdir'] + ['/proc/podmount']}, 'no directories are made'),
            ({'mounts': runtime['mounts'] + [specs.bind('/nonexistent', '/mnt')]}, 'does not exist'),
            ({'mounts': runtime['mounts'] + [place.overlay('/mnt', f'{place.store}/a/b/upper', f'{place.store}/file/work')]},
             'ENOTDIR')):
        if 'file/work' in json.dumps(broken):
            open(f'{place.store}/file', 'w').close()
            place.before = place.files()
        error = daemon.refused('create', '-', input=json.dumps(dict(place.spec(), prepare={**runtime, **broken})))
        contains(error, word)
        equal(host.mount_table(), before, 'the mount table')
        place.untouched()


@case('hostile documents are refused: shapes, "..", symlinks, a root that is read-only, a target twice')
def hostile(daemon):
    place = daemon.place
    os.symlink(f'{place.store}/nowhere', f'{place.store}/dangling')
    os.symlink('/proc/self/cwd', f'{place.store}/magic')
    os.symlink('/data/sub', f'{place.root}/srv/link')
    os.symlink('../../../../../../tmp/podmount-escape', f'{place.root}/srv/out')
    os.symlink('/data', f'{place.root}/srv/there')
    place.before = place.files()
    for prepare, word in (
            ([], 'prepare'), ({'mkdir': 'x'}, 'mkdir'), ({'mkdir': [7]}, '/prepare/mkdir/0'), ({'mkdir': ['a']}, 'relative'),
            ({'mkdir': ['/a/../b']}, '".."'), ({'mkdir': ['/']}, 'whole root'), ({'mkdir': ['/sys/x']}, '/prepare/mkdir/0'),
            ({'mkdir': [f'/d{n}' for n in range(1025)]}, '1025'), ({'cgroups': 'x'}, 'cgroups'),
            ({'interfaces': ['x']}, '/prepare/interfaces/0'), ({'bindNS': {'net': 1}}, '/prepare/bindNS/net'),
            ({'mounts': {}}, 'mounts'), ({'mounts': [specs.mount('/data'), specs.mount('/data')]}, 'already'),
            ({'mounts': [place.overlay(upper=f'{place.store}/dangling')]}, 'upper directory'),
            ({'mounts': [place.overlay(upper=f'{place.store}/magic/upper')]}, 'magic link'),
            ({'mounts': [place.overlay(upper=f'{place.store}/../x')]}, '".."')):
        error = daemon.refused('create', '-', input=json.dumps(dict(place.spec(), prepare=prepare)))
        contains(error, word)
        place.untouched()
    error = daemon.refused('create', '-', input=json.dumps(dict(specs.oci(place.root, readonly=True), prepare={'mkdir': ['/data/new']})))
    contains(error, 'read-only')
    # symlinks of the root stay in the root
    for path in ('/srv/out/deep', '/srv/link/deep'):
        contains(daemon.refused('create', '-', input=json.dumps(dict(specs.oci(place.root), prepare={'mkdir': [path]}))),
                'symlink')
    place.untouched()
    pod = daemon.create(dict(specs.oci(place.root), prepare={'mkdir': ['/srv/there/deep']}))
    assert os.path.isdir(f'{place.root}/data/deep')
    daemon.ok('gc', pod)
    place.untouched()
    own = specs.podmount({'main': (place.root, False, [])})
    own['containers'][0]['prepare'] = {'mkdirs': []}
    contains(daemon.refused('create', '-', input=json.dumps(own)), 'mkdirs')


@case('a mount point behind a symlink that led nowhere is no matter of the pod once that stands')
def behind_a_link(daemon):
    root = specs.rootfs('linuxkit-link')
    os.symlink('deep/er/place', f'{root}/link')
    pod = daemon.create(specs.oci(root, mounts=[specs.mount('/link'), specs.mount('/plain/place')]))
    equal(sorted(daemon.json('gc', pod), key=str), [{'UUID': pod, 'Outcome': 'removed', 'Details': {}}], 'collection')
    equal(os.path.exists(f'{root}/plain'), False, 'the mount point that was made')


@case('a user gets what that user could make: own layers, own roots, and nothing in the directories of others', alone=True)
def as_owner():
    with WithPolkit(bus, 'yes') as s:
        place = Place('alice', ALICE)

        def create(spec):
            return as_user(ALICE, lambda: str(bus.call(MANAGER, 'CreatePod', 'sa{sh}a{sv}', json.dumps(spec), {}, {})[0]))

        pod = create(place.spec())
        check_made(s.daemon, place, pod)
        for path in (place.upper, place.work, f'{place.root}/data/deep/er', f'{place.upper}/data/files'):
            equal(os.stat(path).st_uid, ALICE, f'owner of {path}')
        s.daemon.ok('gc', pod)  # by root, in the owner's name
        place.untouched()
        roots = specs.tree('roots-store', {'private/': ''})
        for mounts, mkdir, word in (
                ([place.overlay(upper=f'{roots}/private/upper')], [], 'upper directory'),
                ([place.overlay(work=f'{roots}/work')], [], 'work directory')):
            try:
                create(dict(place.spec(), prepare={'mounts': mounts, 'mkdir': mkdir}))
            except UserError as error:
                equal(error.name, f'{ERROR}SourceDenied', 'error')
                contains(error.text, word)
            else:
                raise AssertionError(f'{mounts} were made')
            place.untouched()
            equal(sorted(os.listdir(roots)), ['private'], 'what is root\'s')
        os.chmod(f'{place.root}/mnt', 0o755)
        os.chown(f'{place.root}/mnt', 0, 0)
        try:
            create(dict(place.spec(), prepare={'mkdir': ['/data/own', '/mnt/foreign']}))
        except UserError as error:
            equal(error.name, f'{ERROR}InvalidTarget', 'error')
        else:
            raise AssertionError('a directory was made where the caller may not')
        place.untouched()
        # what the owner puts in the place of what was made is not followed
        pod = create(place.spec())
        victim = specs.tree('victim', {'er/': ''})
        os.rename(f'{place.root}/data/deep', f'{place.root}/data/away')
        os.symlink(victim, f'{place.root}/data/deep')
        s.daemon.ok('gc', pod)
        equal(os.listdir(victim), ['er'], 'a directory of root\'s')


@case('killed at any instant of a creation, what was made goes with the pod', alone=True)
def kills():
    chance = random.Random(11)
    seen = {True: 0, False: 0}
    with Stage() as daemon:
        place = Place('kills')
        spec = place.spec()
        spec['prepare']['mkdir'] += [f'/srv/many/{number}/x' for number in range(60)] + [f'/data/many/{n}' for n in range(60)]
        begin = time.monotonic()
        whole = daemon.create(spec)
        took = time.monotonic() - begin
        daemon.ok('gc', whole)
        for turn in range(30):
            ident = f'00000000-0000-4000-8000-{turn:012}'
            kill_during(daemon, chance, turn, 'create', '--id', ident, '-', input=json.dumps(spec), within=1.2 * took)
            pods = [pod['UUID'] for pod in daemon.pods()]
            seen[bool(pods)] += 1
            if pods:
                eventually(lambda: daemon.ctl('gc', ident) and not daemon.pods(), 'the pod goes')
            eventually(lambda: place.files() == place.before,
                    f'turn {turn}: the sources are as before, not {sorted(set(place.files()) ^ set(place.before))}', 5)
        assert seen[True] and seen[False], seen


if __name__ == '__main__':
    host.prepare()
    bus = Bus()
    tap.run(Situation)
