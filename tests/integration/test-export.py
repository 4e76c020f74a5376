#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Export and Restore: the same pod again, as if it had never been away, and from a document nobody trusts."""

import copy
import json
import os
import time

from frame import host, specs, tap
from frame.bus import Bus
from frame.daemon import Daemon, ERROR
from frame.host import ALICE, BOB
from frame.situation import WithPolkit
from frame.tap import case, contains, equal

bus = None


class Situation(WithPolkit):
    def __init__(self):
        super().__init__(bus, 'yes')

    def export(self, pod, daemon=None, **more):
        return json.loads((daemon or self.daemon).ok('export', pod, **more))

    def restore(self, document, *words, daemon=None, **more):
        return (daemon or self.daemon).ok('restore', *words, '-', input=json.dumps(document), **more).strip()

    def refused(self, document, *words, **more):
        before = host.mount_table()
        err = self.daemon.refused('restore', *words, '-', input=json.dumps(document), **more)
        equal(host.mount_table(), before, 'the mount table after the refusal')
        return err


def shape(daemon, pod):
    """What a pod looks like, but for ids, the daemon's directory, and the tmpfs of a container that was added."""
    found = []
    for key, mount in sorted(daemon.mounts(pod).items()):
        found.append((key, mount['Source'], mount['Type'], mount['Options'], mount['Propagation'], mount['State']))
    kernel = sorted((point.split(pod, 1)[1], fields[5], fields[-3]) for point, fields in
            host.mounts_below(f'{daemon.runtime}/pods/{pod}').items() if not point.endswith('/late'))
    return found, kernel


def rich(s, name='rich'):
    """A pod with something of everything, changed since it was made."""
    data = specs.tree('export-data', {'file': 'x', 'sub/file': 'y'})
    daemon = s.daemon
    pod = daemon.create({'podmount': 1, 'name': name, 'containers': [
        {'name': 'main', 'root': {'path': specs.rootfs(), 'readonly': True},
         'mounts': [specs.mount('/tmp', options=['size=2m', 'noexec']), specs.bind(data, '/mnt', 'bind', 'ro', 'noatime'),
                    specs.mount('/srv')],
         'maskedPaths': ['/etc/hostname'], 'readonlyPaths': ['/bin']},
        {'name': 'side', 'root': {'path': specs.rootfs(), 'readonly': True, 'overlay': 'tmpfs'}, 'mounts': []},
        {'name': 'gone', 'root': {'path': specs.rootfs(), 'readonly': True}}]})
    daemon.ok('bind', pod, f'{data}/file', '/etc/hostname', '--container', 'side', '-o', 'ro')
    daemon.ok('mount', pod, json.dumps([specs.mount('/tmp/below', options=['size=1m'])]), '--container', 'main')
    daemon.ok('unmount', pod, '/srv', '--container', 'main')
    daemon.ok('remove-container', pod, 'gone')
    daemon.ok('add-container', pod, 'late', '-', input=json.dumps(specs.oci(mounts=[specs.mount('/tmp')])))
    daemon.ok('bind', pod, data, '/mnt', '--container', 'late')
    return pod


@case('a pod is the same again after a reboot, and says the same of itself')
def reboot(s):
    pod = rich(s)
    document, before = s.export(pod), shape(s.daemon, pod)
    containers = s.daemon.json('show', pod)['Containers']
    equal(containers, ['main', 'side', 'late'], 'containers')
    devices = [mount['device'] for mount in document['mounts']]
    for device in ('main:/', 'main:/tmp', 'main:/tmp/below', 'main:/mnt', 'side:/etc/hostname', 'late:/', 'late:/mnt'):
        contains(devices, device, 'device names')
    assert 'main:/srv' not in devices and 'gone:/' not in devices, devices
    s.daemon.restart()
    equal(s.export(pod), document, 'the export after a restart')
    s.daemon.ok('gc', pod)
    with Daemon() as other:  # another runtime directory, as after a boot
        equal(s.restore(document, daemon=other), pod, 'the UUID')
        equal(other.json('show', pod)['Containers'], containers, 'containers')
        equal(shape(other, pod), before, 'the pod')
        again = s.export(pod, daemon=other)
        equal(again, document, 'the export of what was restored')
        equal(other.state(pod), 'ready', 'state')
        other.ok('unmount', pod, '/tmp/below', '--container', 'main')
        other.ok('remove-container', pod, 'late')
        third = s.export(pod, daemon=other)
        equal([part.get('container') for part in third['parts']], [None], 'parts')
        other.ok('add-container', pod, 'late', '-', input=json.dumps(specs.oci()))
        equal([part.get('container') for part in s.export(pod, daemon=other)['parts']], [None, 'late'], 'parts, one of them anew')
        other.ok('remove-container', pod, 'late')
        other.ok('gc', pod)
        equal(s.restore(third, daemon=other), pod, 'the UUID')
        equal(s.export(pod, daemon=other), third, 'the third export')
        other.ok('gc', pod)


@case('restoring again is a retry; another id, name or owner makes another pod of it')
def retries(s):
    pod = rich(s)
    document = s.export(pod)
    contains(s.refused(document), 'exists with another spec', 'the pod that is there')
    contains(s.refused(document, '--id', host_uuid()), 'named "rich" already', 'its name')
    second = s.restore(document, '--id', host_uuid(), '--name', 'second')
    equal(s.restore(document, '--id', second, '--name', 'second'), second, 'a retry')
    found = s.export(second)
    equal((found['id'], found['name']), (second, 'second'), 'id and name')
    for key in ('id', 'name'):
        found.pop(key), document.pop(key)
    equal(found, document, 'all the rest')
    third = s.daemon.create(document)
    equal(s.export(third)['parts'], document['parts'], 'what create makes of an export')
    for text, words in (
            (specs.oci(), 'looks like a spec (it has "ociVersion"): give it to CreatePod(), `podmountctl create`'),
            ({'podmount': 1, 'containers': []}, 'looks like a spec (it has "podmount")'),
            ({}, 'that is an object with "podmount-export", as `podmountctl export` prints it'),
            ({'podmount-export': 2}, 'version 2 of the format is not known to this podmount')):
        contains(s.daemon.refused('restore', '-', input=json.dumps(text)), words, str(text))
    two = specs.podmount({name: (s.root, False, []) for name in ('one', 'two')})
    whole = s.export(s.daemon.create(two))
    contains(s.daemon.refused('add-container', third, 'more', '-', input=json.dumps(whole)), 'an export of a pod of 2 containers', 'no container')


def host_uuid():
    with open('/proc/sys/kernel/random/uuid') as file:
        return file.read().strip()


@case('fds are sent anew by name, and all that are missing are named')
def fds(s):
    data = specs.tree('export-fd', {'file': 'x'})
    fd, other = os.open(data, os.O_PATH), os.open(f'{data}/file', os.O_PATH)
    try:
        pod = s.daemon.create(specs.oci(mounts=[specs.bind('fd:one', '/mnt', 'bind', 'ro')]), '--fd', f'one={fd}', fds=[fd])
        s.daemon.ok('bind', pod, 'fd:two', '/etc/hostname', '--fd', f'two={other}', fds=[other])
        document = s.export(pod)
        equal(document['fds'], ['one', 'two'], 'fds')
        s.daemon.ok('gc', pod)
        contains(s.refused(document), 'one, two', 'missing')
        contains(s.refused(document, '--fd', f'two={other}', fds=[other]), 'not sent: one;', 'missing')
        contains(s.refused(document, '--fd', f'two={other}', '--fd', f'one={fd}', '--fd', f'x={fd}', fds=[fd, other]),
                '"x" is named by no source', 'too many')
        equal(s.restore(document, '--fd', f'two={other}', '--fd', f'one={fd}', fds=[fd, other]), pod, 'the UUID')
        with open(f'{s.daemon.rootfs(pod)}/etc/hostname') as file:
            equal(file.read(), 'x', 'content')
        equal(s.export(pod), document, 'the export of what was restored')
        s.daemon.ok('bind', pod, 'fd:same', '/srv', '--fd', f'same={fd}', fds=[fd])
        s.daemon.ok('bind', pod, 'fd:same', '/bin/cat', '--fd', f'same={other}', fds=[other])
        contains(s.daemon.refused('export', pod), 'different fds with the same name', 'two fds of a name')
    finally:
        os.close(fd)
        os.close(other)


@case('what came from elsewhere is checked like any spec, by whose it is now')
def hostile(s):
    pod = rich(s)
    good = s.export(pod)
    s.daemon.ok('gc', pod)

    def broken(change):
        document = copy.deepcopy(good)
        change(document)
        return s.refused(document)
    contains(broken(lambda d: d.update({'podmount-export': 2})), '/podmount-export: version 2', 'version')
    contains(broken(lambda d: d.update({'more': 1})), 'more', 'an unknown member')
    contains(broken(lambda d: d.update({'id': '../../etc'})), 'is no UUID', 'id')
    contains(broken(lambda d: d.update({'name': 'a/b'})), '/name', 'name')
    contains(broken(lambda d: d.update({'parts': []})), '/parts', 'no part')
    contains(broken(lambda d: d.update({'mounts': {}})), '/mounts', 'mounts')
    contains(broken(lambda d: d['parts'].append(d['parts'][0])), 'twice', 'a container twice')
    contains(broken(lambda d: d['parts'][0].update({'spec': good})), '/parts/0/spec', 'an export in an export')
    contains(broken(lambda d: d['parts'][1].update({'container': '../x'})), '/parts/1/container', 'a container\'s name')
    contains(broken(lambda d: d['parts'][1].pop('spec')), '/parts/1/spec', 'no spec')
    contains(broken(lambda d: d['parts'][1]['spec']['mounts'].append(specs.mount('/x', options=['size=-1']))), '/parts/1/spec/mounts/',
            'the place of a bad option')
    contains(broken(lambda d: d['parts'][1]['spec']['mounts'].append(specs.mount('/proc/self/attr'))), '/proc', 'a forbidden target')
    contains(broken(lambda d: d['parts'][1]['spec']['root'].update({'path': '/nonexistent'})), '/nonexistent', 'a root that is not there')

    secret = specs.tree('export-secret', {'file': 'x'})
    os.chmod(secret, 0o700)
    mine = s.daemon.create(specs.oci(s.root, mounts=[specs.bind(f'{secret}/file', '/etc/hostname')]))
    document = s.export(mine)
    s.daemon.ok('gc', mine)
    contains(s.refused(document, user=ALICE, over_bus=True), 'cannot be reached', 'a source that Alice cannot open')
    options = copy.deepcopy(document)
    options['parts'][0]['spec']['mounts'] = [specs.mount('/tmp', options=['suid'])]
    contains(s.refused(options, user=ALICE, over_bus=True), 'suid', 'an option of root\'s')
    options['parts'][0]['spec']['mounts'] = [specs.mount('/tmp')]
    alices = s.restore(options, user=ALICE, over_bus=True)
    equal(s.daemon.json('show', alices)['Owner'], ALICE, 'the owner')
    contains(s.daemon.refused('export', alices, user=BOB, over_bus=True), 'No pod', 'a stranger')


@case('deferred mounts wait again, and what no spec can say is refused')
def deferred_and_stacked(s):
    pod = s.daemon.create(specs.oci(s.root, mounts=[specs.mount('/proc', 'proc', 'proc')]), user=ALICE, over_bus=True)
    document = s.export(pod)
    deferred = [mount['device'] for mount in document['mounts'] if mount['deferred']]
    contains(deferred, 'main:/proc', 'deferred mounts')
    s.daemon.ok('gc', pod)
    equal(s.restore(document, user=ALICE, over_bus=True), pod, 'the UUID')
    equal(s.export(pod), document, 'the export of what was restored')
    equal(s.daemon.mounts(pod)['main:/proc']['State'], 'deferred', 'state')
    s.daemon.ok('mount', pod, json.dumps(specs.mount('/tmp', options=['size=1m'])))
    s.daemon.ok('mount', pod, json.dumps(specs.mount('/tmp', options=['size=2m'])), '--stack')
    contains(s.daemon.refused('export', pod), 'stacked at /tmp', 'two mounts at a place')


@case('what was exported is restored, however long it is: a pod of 3,000 binds, and within RequestsPerUser=')
def many(s):
    daemon, few = s.daemon, 'detached-attach' not in s.daemon.json('status')['Features']
    n, name = (400, '/'.join(['x' * 240] * 4)) if few else (3000, 'a-mount-point-with-a-name')  # without it each mount costs more than the one before
    data = specs.tree('export-many', {'file': 'x'}, owner=ALICE)
    points = specs.tree('export-points', {f'{name}/{i}/': '' for i in range(n)}, owner=ALICE)
    daemon.write_config('[Limits]\nRequestsPerUser=2\n')
    daemon.restart()
    pod = daemon.create(specs.oci(points), user=ALICE, over_bus=True)
    for first in range(0, n, 200):
        mounts = [specs.bind(data, f'/{name}/{i}', 'bind', 'ro', 'nodev', 'noexec') for i in range(first, first + 200)]
        daemon.ok('mount', pod, '-', input=json.dumps(mounts), user=ALICE, over_bus=True)
    text = daemon.ok('export', pod, user=ALICE, over_bus=True)
    assert len(text) > 1024 * 1024, f'an export of {len(text)} bytes tests nothing'
    daemon.ok('gc', pod)
    contains(daemon.refused('create', '-', input=text), 'SpecSizeMax', 'a spec of that length')
    equal(daemon.ok('restore', '-', input=text, user=ALICE, over_bus=True).strip(), pod, 'the UUID')
    equal(daemon.ok('export', pod, user=ALICE, over_bus=True), text, 'the export of what was restored')
    equal(len(daemon.mounts(pod)), n + 1, 'mounts')
    daemon.ok('gc', pod)


@case('mounts that a spec prepares are exported about as fast as others: the front compares no two of them')
def prepared_speed(s):
    N = 6000 if 'detached-attach' in s.daemon.json('status')['Features'] else 300  # without it each mount costs more than the one before
    root = specs.rootfs('prepared-root')
    for number in range(N):
        os.makedirs(f'{root}/data/{number}')
    mounts = [{'destination': f'/data/{number}', 'type': 'tmpfs'} for number in range(N)]
    fastest = {}
    for name, more in (('asked for', {'mounts': mounts}), ('prepared', {'mounts': [], 'prepare': {'mounts': mounts}})):
        pod = s.daemon.create({**specs.oci(root, readonly=False), **more})
        begins = []
        for _ in range(3):
            begin = time.monotonic()
            document = s.export(pod)
            begins.append(time.monotonic() - begin)
        fastest[name] = min(begins)
        if name == 'prepared':
            equal(len(document['parts'][0]['spec']['prepare']['mounts']), N, 'prepared mounts in the document')
        s.daemon.ok('gc', pod)
    equal(fastest['prepared'] < 3 * fastest['asked for'], True, f'exported in {fastest}')


@case('an export that is too long for Restore is refused by Export; one that is long is judged like any other')
def limits(s):
    pod = s.daemon.create(specs.oci(s.root, mounts=[specs.mount('/tmp')]), user=ALICE, over_bus=True)
    document = s.export(pod)
    s.daemon.ok('gc', pod)
    document['warnings'] = ['x' * (8 << 20)]
    contains(s.refused(document), 'bytes of an export: 0 of 8388608 in use', 'too long')
    document['warnings'] = [[]] * (150 << 10) + ['x' * (1 << 20)]
    contains(s.refused(document), 'more than 131072 arrays', 'too many arrays')
    document['warnings'] = ['x' * (2 << 20)]
    document['parts'][0]['spec']['prepare'] = {'interfaces': [{'name': 'veth0', 'kind': 'dummy'}]}
    s.polkit.forget()
    s.daemon.ctl('restore', '-', input=json.dumps(document), user=ALICE, over_bus=True)
    asked = {call['action'] for call in s.polkit.calls()}
    document['warnings'] = []
    s.polkit.forget()
    s.daemon.ctl('restore', '-', input=json.dumps(document), user=ALICE, over_bus=True)
    equal(asked, {call['action'] for call in s.polkit.calls()}, 'what polkit was asked about the long one')
    equal(len(asked) > 1, True, f'about interfaces, too: {asked}')


if __name__ == '__main__':
    host.prepare()
    bus = Bus()
    tap.run(Situation)
