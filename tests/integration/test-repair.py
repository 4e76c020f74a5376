#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Repair: what others took from a pod is made again from its record; everything else that differs is told and left."""

import json
import os
import signal
import subprocess
import threading

import dbus

from frame import host, specs, tap
from frame.bus import Bus
from frame.daemon import MANAGER, Daemon, Stage
from frame.host import ALICE, BOB
from frame.situation import WithPolkit
from frame.tap import case, contains, equal, eventually


def umount(*words):
    subprocess.run(['umount', *words], check=True)


def mount(*words):
    subprocess.run(['mount', *words], check=True)


def repair(daemon, pod, *words, status=0, **more):
    """{container:target: row} of a repair that exits so."""
    done = daemon.ctl('--json=short', 'repair', pod, *words, **more)
    equal(done.status, status, f'exit status of repair ({done})')
    return {f"{row['Container']}:{row['Target']}": row for row in json.loads(done.out)}


def pages(daemon, pod):
    """(target, state) of all mounts of the pod, asked for one by one; rows of one id come together."""
    rows, options = [], {'limit': dbus.UInt32(1)}
    while True:
        page = daemon.manager('ListMounts', 'sa{sv}', pod, options)
        if not page:
            return sorted(rows)
        rows += [(str(row['Target']), str(row['State'])) for row in page]
        options['after'] = dbus.UInt64(page[-1]['ID'])


def outcomes(rows):
    return {place: row['Outcome'] for place, row in rows.items()}


def state_is(daemon, pod, state):
    eventually(lambda: daemon.state(pod) == state, f'pod {pod} is {state}')


def missing(daemon, pod, *places):
    """Waits until the daemon has seen that just these mounts are missing."""
    def seen():
        return sorted(place for place, row in daemon.mounts(pod).items() if row['State'] == 'missing') == sorted(places)
    eventually(seen, f'missing: {places}')


@case('a mount that somebody unmounted is told, made again and told, once')
def once(daemon):
    source = specs.tree('once', {'file': 'here'})
    pod = daemon.create(specs.oci(mounts=[specs.bind(source, '/data', 'bind', 'ro'), specs.mount('/tmp')]))
    root, before = daemon.rootfs(pod), daemon.mounts(pod)
    umount(f'{root}/data')
    missing(daemon, pod, 'main:/data')
    equal(daemon.state(pod), 'degraded', 'state')
    contains(daemon.ok('show', pod), 'missing main:/data: unmounted', 'show')
    equal(outcomes(repair(daemon, pod, '--dry-run')), {'main:/data': 'would-repair'}, 'dry run')
    equal(daemon.mounts(pod)['main:/data']['State'], 'missing', 'a dry run changes nothing')
    equal(os.listdir(f'{root}/data'), [], 'a dry run mounts nothing')
    rows = repair(daemon, pod)
    equal(outcomes(rows), {'main:/data': 'repaired'}, 'repair')
    equal(daemon.state(pod), 'ready', 'state at once')
    after = daemon.mounts(pod)
    equal(after['main:/data']['ID'], rows['main:/data']['ID'], 'the new id')
    if 'unique-id' in daemon.json('status')['Features']:  # else the id that the lost mount had is free to be used again
        equal(after['main:/data']['ID'] != before['main:/data']['ID'], True, 'another id')
    for key in ['Options', 'Source', 'Type', 'Propagation', 'Device', 'Path']:
        equal(after['main:/data'][key], before['main:/data'][key], key)
    equal(open(f'{root}/data/file').read(), 'here', 'content')
    equal(repair(daemon, pod), {}, 'a second repair')
    contains(daemon.ok('repair', pod), 'Nothing to repair', 'a second repair, for people')
    daemon.restart()
    equal(daemon.state(pod), 'ready', 'state after a restart')
    equal(daemon.mounts(pod)['main:/data']['ID'], rows['main:/data']['ID'], 'id after a restart')
    daemon.ok('unmount', pod, '/data')
    equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'collection')


@case('subscribers hear of the missing mount, of its return and of the state')
def signals(daemon):
    pod = daemon.create(specs.oci(mounts=[specs.mount('/tmp')]))
    watch = subprocess.Popen([f'{host.DIRECTORY}/bin/podmountctl', '--socket', daemon.socket, '--json=short', 'watch'],
            stdout=subprocess.PIPE)
    records = [json.loads(watch.stdout.readline().lstrip(b'\x1e'))]
    old = daemon.mounts(pod)['main:/tmp']['ID']
    umount(f'{daemon.rootfs(pod)}/tmp')
    missing(daemon, pod, 'main:/tmp')
    new = repair(daemon, pod)['main:/tmp']['ID']
    daemon.ok('gc', pod)
    while records[-1]['Signal'] != 'PodRemoved':
        records.append(json.loads(watch.stdout.readline().lstrip(b'\x1e')))
    watch.kill()
    watch.wait()
    told = []
    for record in records:
        if record['Signal'] == 'DriftDetected':
            told.append((record['Kind'], record['Target']))
        elif record['Signal'] in ['MountsAdded', 'MountsRemoved'] and record['UUID'] == pod:
            told.append((record['Signal'], [entry['ID'] for entry in record['Mounts']]))
        elif record['Signal'] == 'PropertiesChanged' and 'State' in record['Changed']:
            told.append(record['Changed']['State'])
    told = told[:told.index('stopping')]
    equal([item for item in told if item != 'degraded'], [('missing', '/tmp'), ('MountsRemoved', [old]), ('MountsAdded', [new]),
            'ready'], f'what was told in all: {told}')


@case('what others lie on comes first; with it gone for good, they are left')
def nested(daemon):
    source = specs.tree('nested', {'inner/': '', 'file': ''})
    pod = daemon.create(specs.oci(mounts=[specs.mount('/srv'), specs.bind(source, '/srv/a/b'), specs.mount('/srv/a/b/inner')]))
    root = daemon.rootfs(pod)
    umount('-R', f'{root}/srv')
    missing(daemon, pod, 'main:/srv', 'main:/srv/a/b', 'main:/srv/a/b/inner')
    os.rename(source, source + '-away')
    rows = repair(daemon, pod, status=1)
    equal(outcomes(rows), {'main:/srv': 'repaired', 'main:/srv/a/b': 'failed', 'main:/srv/a/b/inner': 'left'}, 'repair')
    contains(rows['main:/srv/a/b']['Error'], 'NoSuchSource', 'error')
    contains(rows['main:/srv/a/b/inner']['Message'], '/srv/a/b, is missing itself', 'why it is left')
    missing(daemon, pod, 'main:/srv/a/b', 'main:/srv/a/b/inner')
    equal(os.listdir(f'{root}/srv'), [], 'a failed repair leaves nothing half made')
    os.rename(source + '-away', source)
    equal(outcomes(repair(daemon, pod)), {'main:/srv/a/b': 'repaired', 'main:/srv/a/b/inner': 'repaired'}, 'the rest')
    equal(daemon.state(pod), 'ready', 'state')
    equal(os.listdir(f'{root}/srv/a/b'), sorted(os.listdir(source)), 'content')
    equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'collection')


@case('changed, foreign, covered, hidden and fd mounts are told and left, each with its reason')
def left(daemon):
    source = specs.tree('left', {'sub/': ''})
    pod = daemon.create(specs.oci(mounts=[specs.bind(source, '/data'), specs.mount('/srv'), specs.mount('/tmp'), specs.mount('/mnt')]))
    root = daemon.rootfs(pod)
    fd = os.open(source, os.O_PATH)
    daemon.ok('bind', pod, 'fd:here', '/srv/fd', '--fd', f'here={fd}', fds=[fd])
    os.close(fd)
    umount(f'{root}/srv/fd')
    mount('-o', 'remount,bind,ro', f'{root}/data')
    umount(f'{root}/tmp')
    mount('-t', 'tmpfs', 'foreign', f'{root}/tmp')
    mount('-t', 'tmpfs', 'cover', f'{root}/mnt')
    daemon.ok('rescan')
    shown = daemon.ok('show', pod)
    # statmount(2) of Linux 6.12 tells no sources
    silent = 'foreign mount of tmpfs\n' in shown and daemon.call('org.freedesktop.DBus.Properties', 'Get', 'ss', MANAGER, 'Tracking') == 'listmount'
    by, of_cover = ('', '') if silent else (', source foreign', ', source cover')
    for line in ['changed main:/data: rw -> ro', 'missing main:/tmp: unmounted', f'extra main:/tmp: foreign mount of tmpfs{by}\n',
            'changed main:/mnt: covered by mount ', 'missing main:/srv/fd: unmounted']:
        contains(shown, line, 'show')
    # without unique ids, a foreign mount has the id of a missing one
    equal(pages(daemon, pod), sorted((row['Target'], row['State']) for row in daemon.json('show', pod)['Mounts']), 'page by page')
    before = host.mount_table()
    done = daemon.ctl('--json=short', 'repair', pod)
    equal(done.status, 1, 'exit status')
    rows = [(row['Target'], row['State'], row['Outcome'], row['Message']) for row in json.loads(done.out)]
    equal({row[2] for row in rows}, {'left'}, f'outcomes of {rows}')
    said = {(row[0], row[1]): row[3] for row in rows}
    contains(said['/data', 'changed'], 'rw -> ro', 'changed')
    contains(said['/mnt', 'changed'], '(tmpfs)', 'covered')
    contains(said['/tmp', 'missing'], 'which podmountd did not make; unmount that first', 'missing and covered')
    contains(said['/tmp', 'extra'], f'foreign mount of tmpfs{by}', 'extra')
    contains(said['/mnt', 'extra'], f'foreign mount of tmpfs{of_cover}', 'the cover')
    contains(said['/srv/fd', 'missing'], 'file descriptor here', 'fd')
    equal(host.mount_table(), before, 'nothing was touched')
    umount(f'{root}/tmp')
    umount(f'{root}/mnt')
    mount('-o', 'remount,bind,rw', f'{root}/data')
    daemon.ok('unmount', pod, '/srv/fd')
    equal(outcomes(repair(daemon, pod)), {'main:/tmp': 'repaired'}, 'the one that can be made again')
    equal(daemon.state(pod), 'ready', 'state')
    mount('-t', 'tmpfs', 'above', f'{root}/srv')
    mount('--make-private', f'{root}/data')
    daemon.ok('rescan')
    contains(daemon.ok('show', pod), 'changed main:/data: propagation shared -> private', 'propagation')
    umount(f'{root}/srv')
    mount('--make-shared', f'{root}/data')
    daemon.ok('rescan')
    state_is(daemon, pod, 'ready')
    daemon.ok('gc', pod)


@case('mounts that came along with a recursive clone come along again')
def recursive(daemon):
    source = specs.tree('recursive', {'one/': '', 'two/': ''})
    mount('-t', 'tmpfs', 'one', f'{source}/one')
    mount('-t', 'tmpfs', 'two', f'{source}/two')
    pod = daemon.create(specs.oci(mounts=[specs.bind(source, '/data', 'rbind')]))
    root, before = daemon.rootfs(pod), sorted(daemon.mounts(pod))
    umount(f'{root}/data/two')
    missing(daemon, pod, 'main:/data/two')
    rows = repair(daemon, pod, status=1)
    equal(outcomes(rows), {'main:/data/two': 'left'}, 'one that came along')
    umount('-R', f'{root}/data')
    missing(daemon, pod, 'main:/data', 'main:/data/one', 'main:/data/two')
    equal(outcomes(repair(daemon, pod)), {'main:/data': 'repaired'}, 'the clone')
    equal(sorted(daemon.mounts(pod)), before, 'what is recorded')
    equal(daemon.state(pod), 'ready', 'state')
    umount('-R', f'{root}/data')
    umount(f'{source}/two')
    missing(daemon, pod, 'main:/data', 'main:/data/one', 'main:/data/two')
    repair(daemon, pod)
    equal(sorted(daemon.mounts(pod)), [place for place in before if place != 'main:/data/two'], 'what the source has now')
    equal(daemon.state(pod), 'ready', 'state')
    daemon.restart()
    equal(daemon.state(pod), 'ready', 'state after a restart')
    equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'collection')
    umount(f'{source}/one')


@case('a stack is made again in its order, a lazily unmounted tree as well')
def stack(daemon):
    pod = daemon.create(specs.oci(mounts=[specs.bind('/etc', '/mnt')]))
    root = daemon.rootfs(pod)
    daemon.ok('bind', pod, '/usr', '/mnt', '--stack')
    umount(f'{root}/mnt')
    umount(f'{root}/mnt')
    eventually(lambda: daemon.ok('show', pod).count('missing main:/mnt') == 2, 'both are missing')
    equal([row['Outcome'] for row in daemon.json('repair', pod)], ['repaired', 'repaired'], 'repair')
    equal(sorted(os.listdir(f'{root}/mnt')), sorted(os.listdir('/usr')), 'the upper one')
    equal(daemon.state(pod), 'ready', 'state')
    umount(f'{root}/mnt')
    equal(sorted(os.listdir(f'{root}/mnt')), sorted(os.listdir('/etc')), 'the lower one')
    daemon.ok('rescan')
    equal([row['Outcome'] for row in daemon.json('repair', pod)], ['repaired'], 'the upper one alone')
    daemon.ok('gc', pod)


@case('a pod whose root or tree is gone is told to be collected')
def roots(daemon):
    pod = daemon.create(specs.oci(mounts=[specs.mount('/tmp')]))
    umount('-R', daemon.rootfs(pod))
    missing(daemon, pod, 'main:/', 'main:/tmp')
    rows = repair(daemon, pod, status=1)
    equal(set(outcomes(rows).values()), {'left'}, 'outcomes')
    for row in rows.values():
        contains(row['Message'], f'podmountctl gc {pod} and create it again', 'message')
    equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'collection')
    pod = daemon.create(specs.oci(mounts=[specs.mount('/tmp')]))
    umount('-l', f'{daemon.runtime}/pods/{pod}')
    state_is(daemon, pod, 'degraded')
    rows = repair(daemon, pod, status=1)
    equal(set(outcomes(rows).values()), {'left'}, 'outcomes')
    contains(rows['main:/tmp']['Message'], 'The tree that the pod stood on is gone', 'message')
    equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'collection')
    pod = daemon.create(specs.oci(mounts=[specs.mount('/tmp')]))
    daemon.ok('add-container', pod, 'late', '-', input=json.dumps(specs.oci()))
    umount('-l', f'{daemon.runtime}/pods/{pod}/late')
    umount(f'{daemon.rootfs(pod)}/tmp')
    state_is(daemon, pod, 'degraded')
    found = outcomes(repair(daemon, pod, status=1))
    equal((found['main:/tmp'], found['late:/']), ('repaired', 'left'), 'a container that was added has no tree any more')
    equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'collection')


@case('one container alone, and a container that is not there')
def containers(daemon):
    pod = daemon.create(specs.podmount({'a': (specs.rootfs(), False, [specs.mount('/tmp')]), 'b': (specs.rootfs(), False,
            [specs.mount('/tmp')])}))
    umount(f"{daemon.rootfs(pod, 'a')}/tmp")
    umount(f"{daemon.rootfs(pod, 'b')}/tmp")
    missing(daemon, pod, 'a:/tmp', 'b:/tmp')
    equal(outcomes(repair(daemon, pod, '--container', 'b')), {'b:/tmp': 'repaired'}, 'b')
    missing(daemon, pod, 'a:/tmp')
    contains(daemon.refused('repair', pod, '--container', 'c'), 'has no container', 'another container')
    equal(outcomes(repair(daemon, pod)), {'a:/tmp': 'repaired'}, 'the rest')
    daemon.ok('gc', pod)


@case('two repairs at once: one makes the mounts, the other finds nothing to do')
def twice(daemon):
    pod = daemon.create(specs.oci(mounts=[specs.mount(f'/srv/{n}') for n in range(20)]))
    root, results = daemon.rootfs(pod), []
    for n in range(20):
        umount(f'{root}/srv/{n}')
    missing(daemon, pod, *[f'main:/srv/{n}' for n in range(20)])
    threads = [threading.Thread(target=lambda: results.append(daemon.json('repair', pod))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(sorted(len(rows) for rows in results), [0, 20], 'rows')
    equal(len([point for point in host.mounts_below(root) if '/srv/' in point]), 20, 'mounts')
    equal(daemon.state(pod), 'ready', 'state')
    daemon.ok('gc', pod)


@case('strangers see no pod to repair; owners are asked about, and repair as themselves, as root does for them', alone=True)
def owners():
    with Bus() as bus, WithPolkit(bus, 'yes') as situation:
        daemon = situation.daemon
        source = specs.tree('alice-source', {'file': 'hers'}, owner=ALICE)
        os.chmod(source, 0o700)
        spec = json.dumps(specs.oci(root=situation.root, mounts=[specs.bind(source, '/data'), specs.mount('/tmp')]))
        pod = daemon.ok('create', '-', input=spec, user=ALICE, over_bus=True).strip()
        umount(f'{daemon.rootfs(pod)}/data')
        contains(daemon.refused('repair', pod, user=BOB, over_bus=True), 'No pod', 'a stranger')
        situation.polkit.answer('no')
        contains(daemon.refused('repair', pod, user=ALICE, over_bus=True), 'org.podmount1.repair', 'refused by polkit')
        situation.polkit.answer('yes')
        equal(outcomes(repair(daemon, pod, user=ALICE, over_bus=True)), {'main:/data': 'repaired'}, 'the owner')
        # what root repairs is opened by the owner's right: the path leads to what is root's now
        umount(f'{daemon.rootfs(pod)}/data')
        os.rename(source, source + '-away')
        secret = specs.tree('secret', {'file': 'of root'})
        os.chmod(secret, 0o700)
        os.symlink(f'{secret}/file', source)
        missing(daemon, pod, 'main:/data')
        rows = repair(daemon, pod, status=1)
        equal(outcomes(rows), {'main:/data': 'failed'}, 'root')
        contains(rows['main:/data']['Error'], 'SourceDenied', 'error')
        os.unlink(source)
        os.rename(source + '-away', source)
        equal(outcomes(repair(daemon, pod)), {'main:/data': 'repaired'}, 'root, for the owner')
        contains(daemon.mounts(pod)['main:/data']['Options'], 'nosuid', 'options')
        # what root has bound with more rights than the owner has
        daemon.ok('bind', pod, '/etc', '/mnt', '-o', 'suid,dev')
        umount(f'{daemon.rootfs(pod)}/mnt')
        missing(daemon, pod, 'main:/mnt')
        contains(repair(daemon, pod, status=1)['main:/mnt']['Message'], 'rights that the owner of the pod has not', 'rights')
        daemon.ok('gc', pod)


def true_records(daemon, pod, below):
    """Whether all that is there is on record and all that is said to be there is, as it is once the start has undone what
    was half done."""
    there = sorted(point for point in host.mounts_below(below[:-1]) if point.startswith(below))
    rows = [row for row in daemon.mounts(pod).values() if row['Path'].startswith(below)]
    return {row['State'] for row in rows} <= {'ok', 'missing'} and sorted(row['Path'] for row in rows if row['State'] == 'ok') == there


@case('kill -9 of executors, front and keeper in the middle of a repair leaves records true', alone=True)
def kills():
    with Stage() as daemon:
        count = 60
        pod = daemon.create(specs.oci(mounts=[specs.mount(f'/srv/{n}') for n in range(count)]))
        root = daemon.rootfs(pod)
        for victim in ['executors', 'front', 'keeper'] * 3:
            for n in range(count):
                subprocess.run(['umount', f'{root}/srv/{n}'], check=True)
            eventually(lambda: list(daemon.mounts(pod).values())[-1]['State'] == 'missing', 'all are missing')
            client = subprocess.Popen([f'{host.DIRECTORY}/bin/podmountctl', '--socket', daemon.socket, 'repair', pod],
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            eventually(lambda: len(host.mounts_below(f'{root}/srv')) > 5, 'some are there again', interval=0.0005)
            for pid in {'executors': daemon.executors, 'front': lambda: [daemon.front()], 'keeper': lambda: [daemon.keeper()]}[victim]():
                os.kill(pid, signal.SIGKILL)
            client.wait()
            if victim != 'executors':
                daemon.wait()
                daemon.start()
            eventually(lambda: true_records(daemon, pod, f'{root}/srv/'), f'{victim}: what is told is what is there')
            daemon.json('repair', pod)
            equal(daemon.state(pod), 'ready', 'state')
            equal(len(host.mounts_below(f'{root}/srv')), count, 'mounts')
        equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'collection')


if __name__ == '__main__':
    host.prepare()
    tap.run(Daemon)
