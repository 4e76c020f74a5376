#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""AdditionalStores=: layers of another podmountd's state directory, which are read, stood on and held, and never changed."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess

from frame import host, specs, tap
from frame.bus import Bus
from frame.daemon import ERROR, Stage
from frame.host import ALICE, as_user
from frame.layers import apply_error, call, changes, content, create, directory_of, error_of, get, make_tar, put, read, size, tar_of, write
from frame.polkit import Polkit
from frame.tap import case, contains, equal, eventually

bus = None


def own(daemon):
    """Where a state directory lies."""
    return f'{daemon.directory}/state'


@contextlib.contextmanager
def built(**more):
    """A podmountd that has made layers and was stopped: `base`, `middle` on it, `work` for a container, `other` of another content."""
    with Stage() as daemon:
        create(daemon, 'base', etc='e', secret='s', gone='g')
        os.chmod(f'{directory_of(daemon, "base")}/secret', 0o600)
        create(daemon, 'middle', 'base', middle='m')
        os.mknod(f'{directory_of(daemon, "middle")}/gone', 0o020000, 0)
        create(daemon, 'work', 'middle', '--read-write')
        for ident, files in more.items():
            create(daemon, ident, None, **files)
        daemon.stop()
        yield daemon


def configuration(*stores, more=''):
    return ''.join(f'{more}[Layers]\nAdditionalStores={store}\n' for store in stores)


def using(*stores, **more):
    return Stage(config=configuration(*stores), **more)


def listed(daemon, **more):
    return {one['ID']: one for one in daemon.json('layer', 'list', **more)}


def stores_of(daemon):
    return [(one['Path'], one['Usable'], one['Reason'], one['Layers']) for one in daemon.json('layer', 'status')['Stores']]


def problem(daemon):
    """Why the one store cannot be used."""
    (_, usable, reason, n), = stores_of(daemon)
    equal((usable, n), (False, 0), 'usable')
    contains(daemon.log(), reason, 'the log')
    return reason


def everything(directory):
    return content(directory)


@case('layers of a store are listed, told as its own, got, read, compared; nothing there is changed')
def reading():
    with built() as builder:
        before = everything(own(builder))
        with using(own(builder)) as daemon:
            equal(stores_of(daemon), [(own(builder), True, '', 2)], 'stores')
            equal({name: (one['Store'], one['Parent'], one['Problem'], one['Depth']) for name, one in listed(daemon).items()},
                    {'base': (own(builder), '', '', 1), 'middle': (own(builder), 'base', '', 2)}, 'layers')
            equal(daemon.json('layer', 'info', 'middle')['Store'], own(builder), 'info')
            contains(daemon.ok('layer', 'info', 'middle'), own(builder))
            contains(daemon.ok('layer', 'list'), own(builder))
            contains(daemon.ok('layer', 'status'), own(builder))
            equal(daemon.ok('layer', 'exists', 'base').strip(), 'yes', 'exists')
            path = get(daemon, 'middle')
            equal((path, read(f'{path}/etc'), read(f'{path}/middle'), os.path.exists(f'{path}/gone')), (f'{daemon.runtime}/layers/middle', 'e', 'm', False), 'the overlay')
            base = get(daemon, 'base')
            equal((read(f'{base}/gone'), os.statvfs(base).f_flag & os.ST_RDONLY), ('g', os.ST_RDONLY), 'the bind')
            equal([one for one in changes(daemon, 'middle', 'base') if one[1]], [('deleted', 'gone', ''), ('added', 'middle', '')], 'changes')
            equal(size(daemon, 'middle', 'base'), 1, 'size')
            contains(str(tar_of(daemon, 'middle', 'base')), '.wh.gone')
            fd = call(daemon, 'OpenDiff', 's', 'middle').take()
            equal(sorted(os.listdir(fd)), ['gone', 'middle'], 'its own directory')
            os.close(fd)
            put(daemon, 'middle')
            put(daemon, 'base')
            equal(daemon.json('layer', 'info', 'base')['Holders'], [], 'holders')
            daemon.stop()
        equal(everything(own(builder)), before, 'the store')


@case('a child on a layer of a store: got, read, written, compared, and again after a restart; the store keeps its lock until then')
def child():
    with built() as builder, using(own(builder)) as daemon:
        create(daemon, 'child', 'middle', child='c')
        create(daemon, 'upper', 'child', '--read-write')
        equal([daemon.json('layer', 'info', 'child')[key] for key in ('Parent', 'Depth', 'Store', 'Problem')], ['middle', 3, '', ''], 'info')
        equal(daemon.json('layer', 'info', 'middle')['Children'], 1, 'children')
        for _ in range(2):
            path = get(daemon, 'upper')
            equal([read(f'{path}/{name}') for name in ('etc', 'middle', 'child')], ['e', 'm', 'c'], 'the overlay')
            equal(sorted(os.listdir(path)), ['child', 'etc', 'middle', 'secret'] + ['written'] * os.path.exists(f'{path}/written'), 'names')
            write(f'{path}/written', 'w')
            daemon.restart()
            equal(read(f'{path}/written'), 'w', 'it is mounted still')
            equal([one['Name'] for one in daemon.json('layer', 'info', 'upper')['Holders']], ['h'], 'holders')
        put(daemon, 'upper', 'h', '--all')
        equal([one[:2] for one in changes(daemon, 'upper', 'child') if one[1]], [('added', 'written')], 'changes')
        create(daemon, 'filled', 'middle')
        daemon.ok('layer', 'apply', 'filled', make_tar(f'{daemon.directory}/x.tar', ('.wh.etc', b''), ('from-tar', b'x')))
        equal([one[:2] for one in changes(daemon, 'filled', 'base') if one[1]], [('deleted', 'etc'), ('added', 'from-tar'), ('deleted', 'gone'), ('added', 'middle')], 'a tar on it')
        # The daemon that the store is of would change it.
        builder.start()
        contains(builder.json('layer', 'status')['Reason'], 'another podmountd has it')
        builder.stop()
        daemon.ok('layer', 'remove', 'upper', 'child', 'filled')
        equal(daemon.json('layer', 'info', 'middle')['Children'], 0, 'children')


@case('holders of a layer in a store count, last over restarts and kills, and are told apart from those of others')
def holders():
    with built() as builder, using(own(builder)) as daemon:
        get(daemon, 'base', 'a')
        get(daemon, 'base', 'a')
        path = get(daemon, 'base', 'b')
        daemon.stop(signal.SIGKILL)
        daemon.start()
        equal(sorted((one['Name'], one['Count']) for one in daemon.json('layer', 'info', 'base')['Holders']), [('a', 2), ('b', 1)], 'holders')
        equal(read(f'{path}/etc'), 'e', 'it is mounted still')
        put(daemon, 'base', 'a', '--all')
        put(daemon, 'base', 'b')
        equal((os.path.exists(path), daemon.json('layer', 'info', 'base')['Holders']), (False, []), 'it is unmounted')
        daemon.restart()
        daemon.stop()
        with contextlib.closing(sqlite3.connect(f'file:{own(daemon)}/records/layers.db?mode=ro', uri=True)) as records:
            equal(records.execute('SELECT count(*) FROM layer').fetchall(), [(0,)], 'records that nothing needs')


@case('a pod stands on a layer of a store, over a restart and a kill')
def pods():
    with Stage() as builder:
        create(builder, 'image')
        shutil.copytree(specs.rootfs(), directory_of(builder, 'image'), symlinks=True, dirs_exist_ok=True)
        create(builder, 'app', 'image', app='a')
        builder.stop()
        with using(own(builder)) as daemon:
            create(daemon, 'mine', 'app', '--read-write')
            spec = {'podmount': 1, 'mandatoryMounts': False, 'containers': [
                {'name': 'shown', 'root': {'layer': 'app'}, 'mounts': []},
                {'name': 'scratch', 'root': {'layer': 'image', 'overlay': 'tmpfs'}, 'mounts': [{'destination': '/new/dir', 'type': 'tmpfs', 'source': 'tmpfs'}]},
                {'name': 'own', 'root': {'layer': 'mine'}, 'mounts': []}]}
            pod = daemon.create(spec)
            equal(read(f'{daemon.rootfs(pod, "shown")}/app'), 'a', 'what it shows')
            write(f'{daemon.rootfs(pod, "scratch")}/written')
            write(f'{daemon.rootfs(pod, "own")}/kept')
            out = subprocess.run(['chroot', daemon.rootfs(pod, 'own'), '/bin/busybox', 'echo', 'ran'], stdout=subprocess.PIPE, check=True).stdout
            equal(out, b'ran\n', 'a program in it')
            for _ in range(2):
                equal([one['Name'] for one in daemon.json('layer', 'info', 'app')['Holders']], [f'pod:{pod}'], 'holders')
                equal((daemon.state(pod), daemon.mounts(pod)['shown:/']['Source']), ('ready', 'layer:app'), 'the pod')
                daemon.stop(signal.SIGKILL)
                daemon.start()
            contains(daemon.refused('layer', 'remove', 'app'), own(builder))
            daemon.ok('gc', pod)
            equal([daemon.json('layer', 'info', name)['Holders'] for name in ('app', 'image', 'mine')], [[], [], []], 'holders')
            equal(os.path.exists(f'{directory_of(daemon, "mine")}/kept'), True, 'what was written')


@case('what is in a store is not removed, written or made anew; each refusal names the store')
def refusals():
    with built() as builder, using(own(builder)) as daemon:
        before = everything(own(builder))
        name, text = error_of(daemon, 'RemoveLayer', 'sa{sv}', 'base', {})
        equal(name, ERROR + 'NotSupported', 'error')
        contains(text, own(builder))
        with open(make_tar(f'{daemon.directory}/x.tar', ('x', b'x')), 'rb') as tar:
            name, text = apply_error(daemon, 'base', tar.fileno())
        equal(name, ERROR + 'NotSupported', 'error')
        contains(text, own(builder))
        # A read-write layer belongs to a container of that podmountd.
        equal(daemon.ctl('layer', 'exists', 'work').out.strip(), 'no', 'the read-write layer')
        contains(daemon.refused('layer', 'create', '--id', 'x', '--parent', 'work'), 'No layer')
        for forged in ('1:1:base', '2:1:base', '0:1:base', '1:base', ':base'):
            contains(daemon.refused('layer', 'get', forged), 'No layer')
            contains(daemon.refused('layer', 'create', '--id', 'x', '--parent', forged), 'No layer')
            contains(daemon.refused('layer', 'create', '--id', forged), 'no id of a layer')
        equal(everything(own(builder)), before, 'the store')


@case('a layer of our own comes before one of a store, and the first store before the second; who holds one is not lost')
def shadowing():
    with built(only={'x': '1'}) as first, built(only={'x': '2'}, second={'y': '2'}) as second, using(f'{own(first)} {own(second)}') as daemon:
        equal({name: one['Store'] for name, one in listed(daemon).items()},
                {'base': own(first), 'middle': own(first), 'only': own(first), 'second': own(second)}, 'layers')
        path = get(daemon, 'only')
        equal(read(f'{path}/x'), '1', 'the first')
        contains(daemon.refused('layer', 'create', '--id', 'only'), 'held or mounted')
        # Who holds it is not moved to another store's by a new order.
        daemon.stop()
        daemon.write_config(configuration(f'{own(second)}\nAdditionalStores={own(first)}'))
        daemon.start()
        equal((daemon.json('layer', 'info', 'only')['Store'], daemon.json('layer', 'info', 'base')['Store']), (own(first), own(second)), 'the other order')
        put(daemon, 'only')
        daemon.restart()
        equal(daemon.json('layer', 'info', 'only')['Store'], own(second), 'nobody holds it')
        create(daemon, 'child', 'only', c='c')
        create(daemon, 'only', None, x='own')
        equal([daemon.json('layer', 'info', 'only')[key] for key in ('Store', 'Children')], ['', 0], 'our own')
        equal(read(f'{get(daemon, "only")}/x'), 'own', 'our own')
        equal(read(f'{get(daemon, "child")}/x'), '2', 'what stood on it stands on it')
        daemon.restart()
        put(daemon, 'only')
        put(daemon, 'child')
        equal(read(f'{get(daemon, "child")}/x'), '2', 'what stood on it stands on it')
        put(daemon, 'child')
        daemon.ok('layer', 'remove', 'only')
        equal((daemon.json('layer', 'info', 'only')['Store'], read(f'{get(daemon, "only")}/x')), (own(second), '2'), 'the store\'s again')
        put(daemon, 'only')


@case('a store that is missing at a start: what stands on it is listed, cannot be mounted, can be removed, and is whole again later')
def missing():
    with built() as builder, using(own(builder)) as daemon:
        create(daemon, 'child', 'middle', c='c')
        create(daemon, 'other', 'base')
        path = get(daemon, 'child')
        get(daemon, 'middle', 'keep')
        daemon.stop()
        os.rename(own(builder), f'{own(builder)}-away')
        daemon.start()
        contains(problem(daemon), 'there is no such directory')
        seen = listed(daemon)
        equal(sorted(seen), ['base', 'child', 'middle', 'other'], 'layers')
        equal((seen['child']['Store'], seen['child']['Parent'], seen['middle']['Store']), ('', 'middle', own(builder)), 'layers')
        contains(seen['child']['Problem'], 'there is no such directory')
        equal(read(f'{path}/etc'), 'e', 'what is mounted stays')
        for words in (('get', 'child'), ('get', 'other'), ('get', 'base'), ('create', '--id', 'x', '--parent', 'child'), ('size', 'child', '--parent', 'middle')):
            done = daemon.refused('layer', *words)
            contains(done, own(builder))
            contains(done, 'cannot be had')
        spec = {'podmount': 1, 'containers': [{'name': 'main', 'root': {'layer': 'child'}, 'mounts': []}]}
        contains(daemon.refused('create', '-', input=json.dumps(spec)), own(builder))
        daemon.ok('layer', 'remove', 'other')
        put(daemon, 'child')
        equal(os.path.exists(path), False, 'it is put back')
        os.rename(f'{own(builder)}-away', own(builder))
        daemon.restart()
        equal(read(f'{get(daemon, "child")}/etc'), 'e', 'whole again')
        equal([one['Name'] for one in daemon.json('layer', 'info', 'middle')['Holders']], ['keep'], 'holders')
        put(daemon, 'child')
        # Not configured any more; and then another of the same ids.
        daemon.stop()
        daemon.write_config('')
        daemon.start()
        contains(daemon.refused('layer', 'get', 'child'), 'AdditionalStores=')
        daemon.stop()
        with built() as another:
            shutil.rmtree(own(builder))
            subprocess.run(['cp', '-a', own(another), own(builder)], check=True)
            daemon.write_config(configuration(own(builder)))
            daemon.start()
            equal(stores_of(daemon)[0][1], True, 'usable')
            contains(daemon.refused('layer', 'get', 'child'), 'another one of this id')


@case('stores that nobody can trust are told of, with what to do, and the daemon goes on')
def distrust():
    with built() as builder:
        state = own(builder)
        records = f'{state}/records'

        def refused(store=state):
            with using(store) as daemon:
                create(daemon, 'still-works')
                return problem(daemon)

        os.symlink(state, f'{builder.directory}/link')
        contains(refused(f'{builder.directory}/link'), 'symlink')
        contains(refused(f'{builder.directory}/nothing'), 'no such directory')
        for path, mode, bad in ((state, 0o700, 0o770), (f'{state}/layers', 0o700, 0o702), (records, 0o700, 0o720), (f'{records}/layers.db', 0o600, 0o666)):
            os.chmod(path, bad)
            contains(refused(), 'others than root could write')
            os.chmod(path, mode)
        os.chown(state, ALICE, 0)
        contains(refused(), 'not root')
        os.chown(state, 0, 0)
        os.chown(records, ALICE, 0)
        os.chmod(state, 0o755)
        contains(refused(), 'others than root could write')
        os.chmod(state, 0o700)  # which Alice does not pass
        with using(state) as daemon:
            equal(stores_of(daemon)[0][1:3], (True, ''), 'out of reach')
        os.chown(records, host.FRONT, host.FRONT)
        for name in ('layers', 'records'):
            os.rename(f'{state}/{name}', f'{state}/away')
            contains(refused(), 'missing in it')
            os.rename(f'{state}/away', f'{state}/{name}')
        whole = open(f'{records}/layers.db', 'rb').read()
        for damaged in (b'', b'this is no database\n' * 1000, whole[:4096] + b'\xff' * (len(whole) - 4096), whole[:len(whole) // 2]):
            with open(f'{records}/layers.db', 'wb') as file:
                file.write(damaged)
            contains(refused(), 'damaged')
        with open(f'{records}/layers.db', 'wb') as file:
            file.write(whole)
        with contextlib.closing(sqlite3.connect(f'{records}/layers.db')) as database:
            database.execute('PRAGMA user_version = 999')
        for name in ('layers.db-wal', 'layers.db-shm'):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f'{records}/{name}')
        contains(refused(), 'newer podmountd')
        with open(f'{records}/layers.db', 'wb') as file:
            file.write(whole)
        with using(state) as daemon:
            equal(stores_of(daemon), [(state, True, '', 2)], 'usable')
            with using(f'{state} {own(daemon)}') as third:  # a lock that is shared, and one that is taken
                equal([one[1] for one in stores_of(third)], [True, False], 'usable')
                contains(stores_of(third)[1][2], 'a podmountd runs on it')
        with Stage(start=False) as daemon:
            daemon.write_config(configuration(own(daemon)))
            daemon.start()
            contains(problem(daemon), 'own state directory')


@case('a store whose podmountd runs, or was killed, is not used until that has been stopped in order')
def unclean():
    with Stage() as builder:
        create(builder, 'base', etc='e')
        with using(own(builder)) as daemon:
            contains(problem(daemon), 'a podmountd runs on it')
            front = builder.front()
            os.kill(builder.keeper(), signal.SIGSTOP)
            os.kill(front, signal.SIGKILL)
            builder.stop(signal.SIGKILL)
            eventually(lambda: os.path.getsize(f'{own(builder)}/records/layers.db-wal') > 0, 'a journal')
            daemon.restart()
            contains(problem(daemon), 'was not stopped in order')
            daemon.stop()
            builder.start()
            builder.stop()
            daemon.start()
            equal(stores_of(daemon)[0][1:3], (True, ''), 'usable')
            equal(read(f'{get(daemon, "base")}/etc'), 'e', 'its layer')
            put(daemon, 'base')


@case('a layer that is another than the records of its store say is not mounted')
def changed():
    with built() as builder, using(own(builder)) as daemon:
        create(daemon, 'child', 'middle')
        write(f'{own(builder)}/layers/base/meta', 'number=77\n')
        for ident in ('base', 'middle', 'child'):
            contains(daemon.refused('layer', 'get', ident), 'somebody changes that store')
        shutil.rmtree(f'{own(builder)}/layers/base')
        os.symlink('/etc', f'{own(builder)}/layers/base')
        for ident in ('base', 'child'):
            daemon.refused('layer', 'get', ident)
        equal(list(host.mounts_below(f'{daemon.runtime}/layers')), [], 'mounts')


@case('bad values of AdditionalStores= are told with file and line, and podmountd does not start')
def config():
    for value, words in (('relative', 'is not a list of absolute paths'), ('/a/../b', 'is not a list of absolute paths'), ('/', 'is not a list of absolute paths'),
            ('/a /a', 'one is there twice'), (' '.join(f'/s{i}' for i in range(17)), 'out of range')):
        with Stage(start=False, config=f'[Layers]\n\nAdditionalStores={value}\n') as daemon:
            daemon.launch()
            equal(daemon.wait(), 1, 'exit status')
            contains(daemon.log(), f'{daemon.directory}/podmountd.conf:3: AdditionalStores={value}')
            contains(daemon.log(), words)
            daemon.process = None
    with Stage(start=False, config='[Layers]\nAdditionalStores=/nothing-1\nAdditionalStores=\nAdditionalStores=/nothing-2\t/nothing-3\nAdditionalStores=/nothing-4\n') as daemon:
        daemon.start()
        equal([one[0] for one in stores_of(daemon)], ['/nothing-2', '/nothing-3', '/nothing-4'], 'stores')


@contextlib.contextmanager
def polkit_says_yes():
    polkit = Polkit(bus, 'yes')
    try:
        yield polkit
    finally:
        polkit.stop()


@case('everybody uses what root has made in a store; what others have made there is root\'s alone; holders of others are not told')
def users():
    with polkit_says_yes():
        with Stage(bus=bus) as builder:
            create(builder, 'base', etc='e', secret='s')
            os.chmod(f'{directory_of(builder, "base")}/secret', 0o600)
            builder.ok('layer', 'create', '--id', 'alices', user=ALICE, over_bus=True)
            builder.ok('layer', 'create', '--id', 'roots-on-it', '--parent', 'alices')
            builder.stop()
            with using(own(builder), bus=bus) as daemon:
                def seen():
                    return {ident: [holder['Name'] for holder in one['Holders']] for ident, one in listed(daemon, user=ALICE, over_bus=True).items()}

                get(daemon, 'base', 'roots')
                equal(sorted(listed(daemon)), ['alices', 'base', 'roots-on-it'], 'root sees')
                equal(seen(), {'base': [], 'roots-on-it': []}, 'Alice sees')
                contains(daemon.refused('layer', 'get', 'alices', user=ALICE, over_bus=True), 'No layer')
                path = daemon.ok('layer', 'get', 'base', '--holder', 'alice', user=ALICE, over_bus=True).strip()
                equal(seen()['base'], ['alice'], 'Alice sees')
                equal(len(daemon.json('layer', 'info', 'base')['Holders']), 2, 'root sees')
                equal(as_user(ALICE, lambda: (read(f'{path}/etc'), os.access(f'{path}/secret', os.R_OK))), ('e', False), 'modes count where it is mounted')
                daemon.ok('layer', 'create', '--id', 'hers', '--parent', 'base', user=ALICE, over_bus=True)
                equal(sorted(seen()), ['base', 'hers', 'roots-on-it'], 'Alice sees')
                contains(daemon.refused('layer', 'remove', 'base', user=ALICE, over_bus=True), own(builder))
                put(daemon, 'base', 'roots')
                daemon.ok('layer', 'put', 'base', '--holder', 'alice', user=ALICE, over_bus=True)
                contains(daemon.refused('layer', 'create', '--id', 'base', user=ALICE, over_bus=True), 'only root')
                create(daemon, 'base')


if __name__ == '__main__':
    host.prepare()
    bus = Bus()
    tap.run()
