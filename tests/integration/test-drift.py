#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Drift: what others do to a pod's mounts is noticed, told and shown; what they do elsewhere is not."""

import ctypes
import json
import os
import statistics
import subprocess
import time

import dbus

from frame import host, specs, tap
from frame.daemon import MANAGER, Daemon
from frame.tap import case, contains, equal, eventually


class Watch:
    """`podmountctl watch`: the records it prints, as they arrive."""

    def __init__(self, daemon):
        self.process = subprocess.Popen([f'{host.DIRECTORY}/bin/podmountctl', '--socket', daemon.socket, '--json=short',
                'watch'], stdout=subprocess.PIPE)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.rest, self.records = b'', []
        self.wait_for(lambda record: record['Signal'] == 'Subscribed')

    def read(self):
        try:
            data = os.read(self.process.stdout.fileno(), 65536)
        except BlockingIOError:
            data = b''
        *whole, self.rest = (self.rest + data).split(b'\n')
        self.records += [json.loads(line.lstrip(b'\x1e')) for line in whole]
        return self.records

    def wait_for(self, condition, seconds=10):
        return eventually(lambda: next((record for record in self.read() if condition(record)), None),
                f'a record, seen {self.records}', seconds, 0.001)

    def forget(self):
        self.read()
        self.records.clear()

    def stop(self):
        self.process.kill()
        self.process.wait()


def drift(kind, target):
    return lambda record: record['Signal'] == 'DriftDetected' and (record['Kind'], record['Target']) == (kind, target)


@case('a foreign mount, its removal, and the removal of an own mount: each told within 100 ms, each shown')
def foreign(daemon):
    pod = daemon.create(specs.oci(mounts=[specs.mount('/tmp'), specs.mount('/srv')]))
    root, watch, delays = daemon.rootfs(pod), Watch(daemon), []
    for _ in range(5):
        watch.forget()
        subprocess.run(['mount', '-t', 'tmpfs', 'foreign', f'{root}/mnt'], check=True)
        begin = time.monotonic()
        record = watch.wait_for(drift('extra', '/mnt'))
        delays.append(time.monotonic() - begin)
        equal((record['UUID'], record['Container']), (pod, 'main'), 'who drifted')
        equal(daemon.state(pod), 'degraded', 'state')
        equal(daemon.json('show', pod)['Drifted'], True, 'Drifted')
        contains(daemon.ok('show', pod), 'extra main:/mnt', 'show')
        subprocess.run(['umount', f'{root}/mnt'], check=True)
        eventually(lambda: daemon.state(pod) == 'ready', 'ready again')
    subprocess.run(['umount', f'{root}/srv'], check=True)
    begin = time.monotonic()
    watch.wait_for(drift('missing', '/srv'))
    delays.append(time.monotonic() - begin)
    contains(daemon.ok('show', pod), 'missing main:/srv', 'show')
    equal(statistics.median(delays) < 0.1 * tap.PATIENCE, True, f'delays {delays}')
    watch.stop()
    equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'collection')


@case('a remount by someone else is `changed`')
def changed(daemon):
    pod = daemon.create(specs.oci(mounts=[specs.mount('/tmp')]))
    watch = Watch(daemon)
    subprocess.run(['mount', '-o', 'remount,bind,ro', f'{daemon.rootfs(pod)}/tmp'], check=True)
    watch.wait_for(drift('changed', '/tmp'))
    equal(daemon.mounts(pod)['main:/tmp']['State'], 'changed', 'state of the mount')
    subprocess.run(['mount', '-o', 'remount,bind,rw', f'{daemon.rootfs(pod)}/tmp'], check=True)
    eventually(lambda: daemon.state(pod) == 'ready', 'ready again')
    watch.stop()
    daemon.ok('gc', pod)


@case('what nobody is told of is drift before an operation that comes to it goes on, also when that is refused')
def silent_refused(daemon):
    if daemon.call('org.freedesktop.DBus.Properties', 'Get', 'ss', MANAGER, 'Tracking') == 'mountinfo':
        raise tap.Skip('mounts without unique ids are read all together')
    connection = daemon.connection()
    for number, change in enumerate([['--make-private'], ['--make-unbindable'], ['-o', 'remount,size=2m']]):
        pod = daemon.create(specs.oci(mounts=[specs.mount('/tmp', options=['size=1m'])]))
        time.sleep(0.5 * tap.PATIENCE)  # what was put off at the creation is done
        watch, point = Watch(daemon), f'{daemon.rootfs(pod)}/tmp'
        subprocess.run(['mount', *change, point], check=True)
        try:  # the source is looked for when the operation is planned already: nothing is mounted that would wake anybody
            daemon.manager('Bind', 'sssa{sh}a{sv}', pod, '/no/such/source', '/tmp/etc', dbus.Dictionary({}, 'sh'), {}, connection=connection)
            raise AssertionError('the source is there')
        except dbus.DBusException as error:
            equal(error.get_dbus_name(), 'org.podmount1.Error.NoSuchSource', 'error')
        path = str(daemon.manager('GetPod', 's', pod, connection=connection))
        state = daemon.call('org.freedesktop.DBus.Properties', 'Get', 'ss', 'org.podmount1.Pod', 'State', path=path, connection=connection)
        equal(str(state), 'degraded', f'state right after the reply ({number})')
        watch.wait_for(drift('changed', '/tmp'), 1)
        watch.stop()
        daemon.ok('gc', pod)
    connection.close()


@case('options of a file system of the pod are `changed`, by remount and in words; a pod\'s own remount is none, nor is a restart')
def fs_options(daemon):
    pod = daemon.create(specs.oci(mounts=[specs.mount('/tmp', options=['size=1m']), specs.mount('/srv', options=['size=1m'])]))
    rootfs = daemon.rootfs(pod)

    def details():
        return {mount['Target']: mount.get('Detail') for mount in daemon.json('show', pod)['Mounts'] if mount['State'] != 'ok'}

    def remount(target, options):
        subprocess.run(['mount', '-o', f'remount,{options}', f'{rootfs}{target}'], check=True)
        daemon.manager('Rescan', '')
    equal(details(), {}, 'before')
    remount('/tmp', 'size=2m')
    equal(details(), {'/tmp': 'size=1024k -> size=2048k'}, 'another size')
    contains(daemon.ok('show', pod), 'changed main:/tmp: size=1024k -> size=2048k', 'show')
    time.sleep(0.7 * tap.PATIENCE)  # the record is written down
    daemon.restart()
    eventually(lambda: details() == {'/tmp': 'size=1024k -> size=2048k'}, f'after a restart {details()}')
    remount('/tmp', 'size=1m,sync')
    equal(details(), {'/tmp': 'no sync -> sync'}, 'a flag')
    remount('/tmp', 'size=1m,async')
    remount('/srv', 'ro')
    equal('its file system rw -> ro' in details().pop('/srv'), True, 'read-only')
    remount('/srv', 'rw,size=1m')
    equal((details(), daemon.state(pod)), ({}, 'ready'), 'as it was')
    daemon.ok('mount', pod, '/tmp', '-o', 'remount,size=4m')
    daemon.manager('Rescan', '')
    equal((details(), daemon.state(pod)), ({}, 'ready'), 'a remount of the pod\'s')
    remount('/tmp', 'size=1m')
    equal(details(), {'/tmp': 'size=4096k -> size=1024k'}, 'against that')
    daemon.ok('gc', pod)


@case('what nobody is told of is found with the next bind to it')
def silent(daemon):
    if daemon.call('org.freedesktop.DBus.Properties', 'Get', 'ss', MANAGER, 'Tracking') == 'mountinfo':
        raise tap.Skip('mounts without unique ids are read all together')
    pod = daemon.create(specs.oci(mounts=[specs.mount('/tmp')]))
    time.sleep(0.5 * tap.PATIENCE)  # what was put off at the creation is done
    subprocess.run(['mount', '--make-private', f'{daemon.rootfs(pod)}/tmp'], check=True)
    equal(daemon.state(pod), 'ready', 'state')
    daemon.ok('bind', pod, '/etc', '/tmp/etc', '-o', 'rbind,ro')
    equal(daemon.state(pod), 'degraded', 'state')
    contains(daemon.ok('show', pod), 'changed main:/tmp: propagation shared -> private', 'show')
    daemon.ok('gc', pod)


@case('a mount that is moved within its container is `changed`, also after a restart, and no more when it is back')
def moved(daemon):
    root = specs.rootfs('moved-root')
    os.mkdir(f'{root}/real')
    os.mkdir(f'{root}/other')
    os.symlink('real', f'{root}/link')
    pod = daemon.create(specs.oci(root, mounts=[specs.mount('/tmp'), specs.mount('/link')]))
    rootfs = daemon.rootfs(pod)

    def details():
        return {mount['Target']: mount.get('Detail') for mount in daemon.json('show', pod)['Mounts'] if mount['State'] != 'ok'}
    equal(details(), {}, 'before')
    # a mount on a shared one is not to be moved
    subprocess.run(['mount', '--make-private', rootfs], check=True)
    for source, target, at in (('tmp', 'other', '/tmp'), ('real', 'srv', '/link')):
        subprocess.run(['mount', '--move', f'{rootfs}/{source}', f'{rootfs}/{target}'], check=True)
        eventually(lambda at=at: at in details(), f'{at} is told')
        equal(details()[at], f'moved to /{target}', 'detail')
    contains(daemon.ok('show', pod), 'changed main:/tmp: moved to /other', 'show')
    daemon.restart()
    eventually(lambda: len(details()) == 3, 'told after a restart')
    subprocess.run(['mount', '--move', f'{rootfs}/other', f'{rootfs}/tmp'], check=True)
    subprocess.run(['mount', '--move', f'{rootfs}/srv', f'{rootfs}/real'], check=True)
    subprocess.run(['mount', '--make-shared', rootfs], check=True)
    daemon.manager('Rescan', '')
    equal((details(), daemon.state(pod)), ({}, 'ready'), 'after')
    equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'collection')


@case('an own mount replaced by a foreign one at the same place is noticed')
def replaced(daemon):
    pod = daemon.create(specs.oci(mounts=[specs.mount('/tmp')]))
    point = f'{daemon.rootfs(pod)}/tmp'
    subprocess.run(['umount', point], check=True)
    subprocess.run(['mount', '-t', 'tmpfs', 'foreign', point], check=True)
    eventually(lambda: daemon.state(pod) == 'degraded', 'degraded')
    # where the table has no unique ids, the other mount may have got the id and the device of ours: then it is changed
    equal(daemon.mounts(pod)['main:/tmp']['State'] in ('missing', 'changed', 'extra'), True, 'state of the mount')
    contains(daemon.ok('show', pod), 'main:/tmp', 'show')
    equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'collection')


def ids_at(point):
    """The recycled ids of the mounts at a place."""
    with open('/proc/self/mountinfo') as table:
        return [int(line.split()[0]) for line in table if line.split()[4] == point]


def displace(point, source, to):
    """Unmounts what is at `point` and binds `source` at `to`; whether it got the same recycled id, as it mostly does: who
    else mounts on this machine may be faster."""
    ids, kernel = ids_at(point), ctypes.CDLL(None, use_errno=True)
    equal(len(ids), 1, f'mounts at {point}')
    for gone in [point] + 1000 * [to]:
        done = (kernel.umount2(gone.encode(), 0), kernel.mount(source.encode(), to.encode(), None, 4096, None))
        equal(done, (0, 0), f'umount2 and mount ({os.strerror(ctypes.get_errno())})')
        if ids_at(to) == ids:
            return True
    return False


def has_unique_ids(daemon):
    return daemon.call('org.freedesktop.DBus.Properties', 'Get', 'ss', MANAGER, 'Tracking') != 'mountinfo'


@case('a foreign bind of another directory of the same file system is told from ours, also with its id')
def another_directory(daemon):
    source = specs.tree('another', {'a/ours': 'x', 'b/foreign': 'x'})
    for target in ('/data', '/srv'):
        pod = daemon.create(specs.oci(mounts=[specs.bind(f'{source}/a', '/data')]))
        point, place = (f'{daemon.rootfs(pod)}{name}' for name in ('/data', target))
        recycled = displace(point, f'{source}/b', place)
        for restarted in (False, True):
            if restarted:
                daemon.restart()
            daemon.ok('rescan')
            shown = daemon.ok('show', pod)
            if target == '/data' and recycled and not has_unique_ids(daemon):
                contains(shown, '/another/b instead of ', 'whichever it is')
                continue
            contains(shown, 'missing main:/data: unmounted', 'ours')
            contains(shown, f'extra main:{target}: foreign mount of', 'the other')
        subprocess.run(['umount', place], check=True)
        daemon.ok('repair', pod)
        equal(os.listdir(point), ['ours'], 'what is there')
        equal(daemon.state(pod), 'ready', 'state')
        equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'collection')
    equal(os.listdir(f'{source}/b'), ['foreign'], 'the source')


@case('a source that is renamed or deleted takes nothing away')
def renamed_source(daemon):
    source = specs.tree('renamed', {'a/ours': 'x', 'b/': ''})
    pod = daemon.create(specs.oci(mounts=[specs.bind(f'{source}/a', '/data'), specs.bind(f'{source}/b', '/srv')]))
    point = f'{daemon.rootfs(pod)}/data'
    os.rename(f'{source}/a', f'{source}/c')
    os.rmdir(f'{source}/b')
    daemon.ok('rescan')
    shown = daemon.ok('show', pod)
    contains(shown, 'changed main:/srv: its source was deleted', 'deleted')
    if has_unique_ids(daemon):
        equal(daemon.mounts(pod)['main:/data']['State'], 'ok', 'state of the mount')
    else:
        contains(shown, '/renamed/c instead of ', 'renamed, or another mount')
    daemon.ok('unmount', pod, '/data')
    equal(os.path.ismount(point), False, 'a mount')
    daemon.ok('unmount', pod, '/srv')
    eventually(lambda: daemon.state(pod) == 'ready', 'ready again')
    daemon.ok('gc', pod)


@case('a directory above a mount is renamed, of which no kernel tells: it is unmounted and collected all the same, strictly')
def renamed_above(daemon):
    root = specs.rootfs('renamed-above')
    data = specs.tree('renamed-data', {'file': 'x'})
    def listing():
        return sorted(os.path.join(base, name) for base, directories, _ in os.walk(root) for name in directories)
    before = listing()
    kinds = {'its own tmpfs': [specs.mount('/mnt', options=['size=1m']), specs.mount('/mnt/a/b', options=['size=1m'])],
            'the root': [specs.mount('/mnt/a/b', options=['size=1m'])],
            'a bind below another': [specs.mount('/mnt/a/b', options=['size=1m']), specs.bind(data, '/mnt/a/b/c')]}
    for what, mounts in kinds.items():
        pod = daemon.create(specs.oci(root=root, mounts=mounts))
        inside = daemon.rootfs(pod)
        os.rename(f'{inside}/mnt/a', f'{inside}/mnt/z')
        deepest = mounts[-1]['destination']
        row = daemon.mounts(pod)[f'main:{deepest}']
        equal(row['Path'], f"{inside}{deepest.replace('/a/', '/z/')}", f'{what}: where it is now')
        held = os.open(f"{inside}{deepest.replace('/a/', '/z/')}", os.O_PATH)
        contains(daemon.refused('unmount', pod, deepest), 'in use', what)
        os.close(held)
        os.rename(f'{inside}/mnt/z', f'{inside}/mnt/y')
        daemon.ok('unmount', pod, deepest)
        if os.path.exists(f'{inside}/mnt/y'):  # else it was made for that mount, and went with it
            os.rename(f'{inside}/mnt/y', f'{inside}/mnt/x')
        equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', what)
        for words in (['gc'], ['gc', '--lazy']):
            pod = daemon.create(specs.oci(root=root, mounts=mounts))
            os.rename(f'{daemon.rootfs(pod)}/mnt/a', f'{daemon.rootfs(pod)}/mnt/w')
            equal(daemon.json(*words, pod)[0]['Outcome'], 'removed', f'{what}, all at once: {words}')
            equal(listing(), before, f'{what}, all at once: {words}')
        equal(host.mounts_below(f'{daemon.runtime}/pods'), {}, f'{what}: what is left')
    equal(listing(), before, 'the root')


@case('what happens elsewhere on the host, and what podmount does itself, is no drift')
def elsewhere(daemon):
    pod = daemon.create(specs.oci())
    watch = Watch(daemon)
    elsewhere = specs.tree('elsewhere', {})
    for _ in range(10):
        subprocess.run(['mount', '-t', 'tmpfs', 'elsewhere', elsewhere], check=True)
        daemon.ok('bind', pod, '/etc', '/mnt', '-o', 'rbind,ro')
        daemon.ok('unmount', pod, '/mnt')
        subprocess.run(['umount', elsewhere], check=True)
    time.sleep(0.5)
    equal([record for record in watch.read() if record['Signal'] == 'DriftDetected'], [], 'drift')
    equal(daemon.state(pod), 'ready', 'state')
    watch.stop()
    daemon.ok('gc', pod)


@case('what podmount does itself is no drift either while the table is looked at again all the time')
def own_hurry(daemon):
    pod = daemon.create(specs.oci())
    elsewhere = specs.tree('hurry', {})
    script = (f'while :; do mount -t tmpfs h {elsewhere}; mount -o remount,noexec {elsewhere}; umount {elsewhere}; '
              f'usleep 20000; done')
    noise = subprocess.Popen(['busybox', 'sh', '-c', script])
    try:
        end = time.monotonic() + 4
        while time.monotonic() < end:
            daemon.manager('Bind', 'sssa{sh}a{sv}', pod, '/etc', '/mnt', {}, {})
            daemon.manager('Unmount', 'ssa{sv}', pod, '/mnt', {})
    finally:
        noise.kill()
        noise.wait()
    equal([line for line in daemon.log().splitlines() if 'departs' in line], [], 'drift')
    subprocess.run(['umount', elsewhere], stderr=subprocess.DEVNULL)
    daemon.ok('gc', pod)


@case('a burst of foreign mounts is coalesced, and the last one is seen')
def burst(daemon):
    pod = daemon.create(specs.oci())
    root, elsewhere = daemon.rootfs(pod), specs.tree('burst', {})
    script = (f'for i in $(seq 200); do mount -t tmpfs b {elsewhere} && umount {elsewhere}; done; '
              f'mount -t tmpfs last {root}/mnt')
    subprocess.run(['busybox', 'sh', '-c', script], check=True)
    eventually(lambda: daemon.state(pod) == 'degraded', 'the last mount is seen', 2)
    subprocess.run(['umount', f'{root}/mnt'], check=True)
    eventually(lambda: daemon.state(pod) == 'ready', 'its removal is seen', 2)
    daemon.ok('gc', pod)


@case('a pod that takes long to build is no drift when it is there')
def long_building(daemon):
    spec = specs.oci(mounts=[specs.mount(f'/mnt/{i}') for i in range(500)])
    watch = Watch(daemon)
    for _ in range(6):
        pod = daemon.create(spec)
        time.sleep(0.2)
        equal(daemon.state(pod), 'ready', 'state')
        daemon.ok('gc', pod)
    watch.stop()
    equal([record for record in watch.read() if record['Signal'] == 'DriftDetected'], [], 'drift')
    equal('departs from its record' in daemon.log(), False, 'the log tells of drift')


if __name__ == '__main__':
    host.prepare()
    tap.run(Daemon)
