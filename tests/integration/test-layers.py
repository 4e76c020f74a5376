#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The store of layers: made, listed and removed, whole or not at all, for their owner and for root."""

import os
import stat
import subprocess
import threading

import dbus

from frame import host, tap
from frame.daemon import ERROR, Stage
from frame.layers import call, error_of
from frame.tap import case, contains, equal, eventually

INVALID_ARGS = 'org.freedesktop.DBus.Error.InvalidArgs'


def layer(daemon, *words, **more):
    return daemon.ok('layer', *words, **more)


def listed(daemon):
    return [found['ID'] for found in daemon.json('layer', 'list')]


def on_disk(daemon):
    return sorted(os.listdir(f'{daemon.directory}/state/layers'))


def settled(daemon, *ids):
    """What was removed is gone from the disk, too, and no record is left of it."""
    eventually(lambda: on_disk(daemon) == sorted(ids), f'the directories are {ids}, not {on_disk(daemon)}\n{daemon.log()[-2000:]}', 20)
    eventually(lambda: daemon.json('layer', 'status')['Removing'] == 0, 'nothing is being removed', 20)


def take_room(path):
    """Takes all the room that there is."""
    with open(path, 'wb', buffering=0) as file:
        try:
            while True:
                file.write(b'x' * 4096)
        except OSError:
            pass


def create_error(daemon, ident, parent='', **options):
    return error_of(daemon, 'CreateLayer', 'ssa{sv}', ident, parent, {name.replace('_', '-'): value for name, value in options.items()})


@case('a layer is made, told of in full, and removed; its directory comes and goes')
def life(daemon):
    equal(layer(daemon, 'create', '--id', 'base').strip(), 'base', 'the id')
    made = layer(daemon, 'create', '--parent', 'base', '--read-write', '--metadata', 'a=b', '--metadata', 'empty=',
            '--uid-map', '0-100000-65536', '--gid-map', '0-100000-65536').strip()
    equal(len(made), 32, 'a new id')
    info = daemon.json('layer', 'info', made)
    equal((info['Parent'], info['ReadWrite'], info['Depth'], info['Owner'], info['Metadata'], info['UIDMap']),
            ('base', True, 2, 0, {'a': 'b', 'empty': ''}, '0-100000-65536'), 'info')
    equal(daemon.json('layer', 'info', 'base')['Children'], 1, 'children')
    equal(listed(daemon), ['base', made], 'in the order of creation')
    contains(daemon.ok('layer', 'info', made), 'Metadata: a=b')
    equal(daemon.ok('layer', 'exists', made).strip(), 'yes', 'exists')
    state = f'{daemon.directory}/state'
    for path, mode, owner in [('', 0o700, 0), ('/layers', 0o700, 0), ('/records', 0o700, host.FRONT), ('/layers/base', 0o700, 0),
            ('/layers/base/diff', 0o755, 0), ('/layers/base/work', 0o700, 0)]:
        found = os.stat(state + path)
        equal((stat.S_IMODE(found.st_mode), found.st_uid), (mode, owner), f'mode and owner of {path}')
    layer(daemon, 'remove', made, 'base')
    equal(daemon.ctl('layer', 'exists', made).status, 1, 'exists after the removal')
    equal(listed(daemon), [], 'layers')
    settled(daemon)


@case('the status says what the file system can do')
def status(daemon):
    found = daemon.json('layer', 'status')
    equal({name: found[name] for name in ('Usable', 'Reason', 'TellsTypes', 'Attributes', 'Whiteouts', 'Lower', 'Upper', 'ChainMax')},
            {'Usable': True, 'Reason': '', 'TellsTypes': True, 'Attributes': True, 'Whiteouts': True, 'Lower': True, 'Upper': True,
                    'ChainMax': 500}, 'status')
    equal(found['StateDirectory'], f'{daemon.directory}/state', 'the directory')
    contains(daemon.ok('layer', 'status'), 'Usable: yes')


@case('what stands on a layer keeps it, by name; what is gone already is no error')
def in_use(daemon):
    layer(daemon, 'create', '--id', 'below')
    for number in range(10):
        layer(daemon, 'create', '--id', f'above-{number}', '--parent', 'below')
    name, text = error_of(daemon, 'RemoveLayer', 'sa{sv}', 'below', {})
    equal(name, ERROR + 'LayerInUse', 'error')
    contains(text, '10 layers stand on layer below (above-')
    contains(text, ', …)')
    layer(daemon, 'remove', *[f'above-{number}' for number in range(10)])
    layer(daemon, 'remove', 'below')
    layer(daemon, 'remove', 'below', 'never-there')
    equal(error_of(daemon, 'LayerInfo', 's', 'below')[0], ERROR + 'NoSuchLayer', 'error')
    settled(daemon)


@case('the same call again is a retry, also while the first one runs; another one is refused')
def retry(daemon):
    layer(daemon, 'create', '--id', 'base')
    options = ['--id', 'one', '--parent', 'base', '--metadata', 'k=v', '--metadata', 'l=w']
    layer(daemon, 'create', *options)
    created = daemon.json('layer', 'info', 'one')['CreatedTimestamp']
    equal(layer(daemon, 'create', '--id', 'one', '--parent', 'base', '--metadata', 'l=w', '--metadata', 'k=v').strip(), 'one', 'id')
    equal(daemon.json('layer', 'info', 'one')['CreatedTimestamp'], created, 'the same layer')
    for other in [['--id', 'one'], options + ['--read-write'], options + ['--metadata', 'm=x'], ['--id', 'one', '--parent', 'base',
            '--metadata', 'k=v', '--metadata', 'l=x']]:
        contains(daemon.refused('layer', 'create', *other), 'There is a layer one already, made with other arguments')
    outcomes = []

    def make():
        outcomes.append((str(call(daemon, 'CreateLayer', 'ssa{sv}', 'many', 'base', {}))))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(outcomes, ['many'] * 8, 'eight at once')
    equal(listed(daemon), ['base', 'one', 'many'], 'layers')


@case('what no layer can be is refused in words, and nothing is left of it')
def refusals(daemon):
    layer(daemon, 'create', '--id', 'rw', '--read-write')
    for ident in ['.hidden', '-x', '_x', 'a/b', '..', 'a b', 'x' * 129, 'ä', '.new-1', '.a-removing-1']:
        name, text = create_error(daemon, ident)
        equal((name, 'is no id of a layer' in text), (INVALID_ARGS, True), f'{ident}: {text}')
    equal(create_error(daemon, 'a', 'b')[0], ERROR + 'NoSuchLayer', 'a parent that is not there')
    equal(create_error(daemon, 'a', '../x')[0], ERROR + 'NoSuchLayer', 'a parent that cannot be')
    contains(create_error(daemon, 'a', 'a')[1], 'its own parent')
    contains(create_error(daemon, 'a', 'rw')[1], 'read-write')
    name, text = create_error(daemon, 'a', colour='blue')
    equal(name, INVALID_ARGS, 'error')
    contains(text, 'Unknown option "colour"; this method takes: read-write, label, uid-map, gid-map, metadata')
    contains(create_error(daemon, 'a', uid_map='0-1-1')[1], 'together')
    for bad in ['', '0-1', '0-1-0', '@0-1-1', '0-1-1;gids=0-0-1', '0-1-1#0-5-1']:
        equal(create_error(daemon, 'a', uid_map=bad, gid_map='0-1-1')[0], ERROR + 'InvalidOption', f'uid-map {bad}')
    contains(create_error(daemon, 'a', metadata=dbus.Dictionary({str(n): '' for n in range(65)}, 'ss'))[1], 'at most 64 keys')
    contains(create_error(daemon, 'a', metadata=dbus.Dictionary({'k': 'x' * 16384}, 'ss'))[1], 'at most 16384 bytes')
    contains(create_error(daemon, 'a', label='l')[1], 'A label is for a layer on a parent')
    for words in [['create', 'x'], ['remove'], ['list', 'x'], ['info'], ['list', '--parent', 'x'], ['get'], ['put', 'x', '--parent', 'y'], ['get', 'x', '--all'], ['nothing'], ['create', '--metadata', 'x'], ['create', '--uid-map', '0-1-1'], ['put', 'x', '--owner', 'me'], ['get', 'x', '--owner', '1']]:
        equal(daemon.ctl('layer', *words).status, 2, f'wrong usage: {words}')
    layer(daemon, 'create', '--id', 'base')
    equal(create_error(daemon, 'a', 'base', label='a"b')[0], ERROR + 'InvalidOption', 'label')
    equal((listed(daemon), on_disk(daemon)), (['rw', 'base'], ['base', 'rw']), 'what is there')


@case('a chain has 500 layers and no more')
def chain(daemon):
    connection = daemon.connection()
    parent = ''
    for number in range(500):
        parent = str(call(daemon, 'CreateLayer', 'ssa{sv}', f'l{number}', parent, {}, connection=connection))
    equal(daemon.json('layer', 'info', parent)['Depth'], 500, 'depth')
    name, text = create_error(daemon, 'more', parent)
    equal(name, ERROR + 'NotSupported', 'error')
    contains(text, 'at most 500')
    layer(daemon, 'create', '--id', 'written', '--parent', parent, '--read-write')
    daemon.restart()
    equal(daemon.json('layer', 'info', 'written')['Depth'], 501, 'depth after a restart')
    equal(len(listed(daemon)), 501, 'layers')


@case('layers outlive the daemon, with all that is known of them')
def restart(daemon):
    layer(daemon, 'create', '--id', 'base', '--metadata', 'k=v')
    layer(daemon, 'create', '--id', 'top', '--parent', 'base', '--read-write')
    with open(f'{daemon.directory}/state/layers/base/diff/file', 'w') as file:
        file.write('kept\n')
    before = daemon.json('layer', 'list')
    daemon.restart()
    equal(daemon.json('layer', 'list'), before, 'layers')
    equal(open(f'{daemon.directory}/state/layers/base/diff/file').read(), 'kept\n', 'content')
    contains(daemon.refused('layer', 'remove', 'base'), 'top')
    layer(daemon, 'remove', 'top', 'base')
    settled(daemon)


def fill(directory):
    """Things that are hard to remove, or lead elsewhere."""
    os.makedirs(f'{directory}/wide')
    for number in range(12000):
        open(f'{directory}/wide/{number}', 'w').close()
    for number in range(300):
        os.makedirs(f'{directory}/many/{number}/below')
    where = os.open(directory, os.O_RDONLY)
    for _ in range(3000):  # far past PATH_MAX
        os.mkdir('a-directory-in-a-directory', 0o000, dir_fd=where)
        below = os.open('a-directory-in-a-directory', os.O_RDONLY, dir_fd=where)
        os.close(where)
        where = below
    os.close(where)
    os.symlink('/', f'{directory}/root')
    os.symlink(host.DIRECTORY, f'{directory}/out')
    os.mknod(f'{directory}/whiteout', stat.S_IFCHR, os.makedev(0, 0))
    os.mkfifo(f'{directory}/fifo')
    os.mkdir(f'{directory}/\xff\n'.encode('latin-1'))


@case('a removed layer is gone at once, whatever is in it, and its id is free for another')
def removal(daemon):
    layer(daemon, 'create', '--id', 'big')
    fill(f'{daemon.directory}/state/layers/big/diff')
    canary = f'{host.DIRECTORY}/canary'
    open(canary, 'w').close()
    layer(daemon, 'remove', 'big')
    equal(listed(daemon), [], 'layers')
    layer(daemon, 'create', '--id', 'big', '--metadata', 'second=')
    equal(os.listdir(f'{daemon.directory}/state/layers/big/diff'), [], 'the new one is empty')
    settled(daemon, 'big')
    assert os.path.exists(canary) and os.path.exists('/etc/passwd'), 'links were followed'


@case('a list comes in pages, by number and by size, and the client joins them')
def pages(daemon):
    connection = daemon.connection()
    big = dbus.Dictionary({str(key): 'x' * 1000 for key in range(16)}, 'ss')
    numbers = [f'n{number}' for number in range(700)]
    for number, ident in enumerate(numbers):
        call(daemon, 'CreateLayer', 'ssa{sv}', ident, '', {'metadata': big} if number >= 100 else {}, connection=connection)

    def page(**options):
        return [(str(layer['ID']), int(layer['Number'])) for layer in call(daemon, 'ListLayers', 'a{sv}', options, connection=connection)]
    first = page()
    equal((624 > len(first) > 450, [ident for ident, _ in first]), (True, numbers[:len(first)]), f'the first page has {len(first)}')
    second = page(after=dbus.UInt64(first[-1][1]))
    equal([ident for ident, _ in first + second], numbers, 'two pages')
    equal(page(after=dbus.UInt64(second[-1][1])), [], 'and none')
    equal([ident for ident, _ in page(after=dbus.UInt64(first[9][1]), limit=dbus.UInt32(5))], numbers[10:15], 'a limit')
    equal(sorted(number for _, number in first) == [number for _, number in first], True, 'numbers')
    equal([layer['ID'] for layer in daemon.json('layer', 'list')], numbers, 'the client')
    contains(error_of(daemon, 'ListLayers', 'a{sv}', {'colour': 1})[1], 'after, limit')


@case('a stop in the middle of a removal: the next daemon goes on')
def interrupted(daemon):
    layer(daemon, 'create', '--id', 'big')
    fill(f'{daemon.directory}/state/layers/big/diff')
    for number in range(60000):
        open(f'{daemon.directory}/state/layers/big/diff/wide/more-{number}', 'w').close()
    layer(daemon, 'remove', 'big')
    left = on_disk(daemon)
    daemon.stop()
    assert left and left[0].startswith('.big-removing-'), left
    daemon.start()
    equal(listed(daemon), [], 'layers')
    settled(daemon)


@case('on a full file system the error says so, again and again, and what is there can be listed and removed, also after a restart')
def full(daemon):
    state = f'{daemon.directory}/state'
    daemon.stop()
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=2m,nr_inodes=60', 'tmpfs', state], check=True)
    daemon.start()
    layer(daemon, 'create', '--id', 'there')
    for pages in range(12):  # it fails on record, on the disk, when it is made ready, and when it is taken back
        take_room(f'{state}/bytes')
        os.truncate(f'{state}/bytes', os.stat(f'{state}/bytes').st_size - pages * 4096)
        for _ in range(2):  # the second one waits for what is left of the first, and no longer
            done = daemon.ctl('--timeout', '20', 'layer', 'create', '--id', 'x')
            if done.status != 0 and 'is in the way' not in done.err:
                contains(done.err, 'full')
        os.unlink(f'{state}/bytes')
        layer(daemon, 'remove', 'x')
        equal(listed(daemon), ['there'], f'layers, with {pages} pages left')
    layer(daemon, 'create', '--id', 'x')
    daemon.stop()
    for number in range(os.statvfs(state).f_ffree - 2):  # one for the records' journal, and one for what is tried
        os.mknod(f'{state}/inode-{number}')
    daemon.start()
    equal(daemon.json('layer', 'status')['Usable'], False, 'the status')
    equal(create_error(daemon, 'y')[0], ERROR + 'QuotaExceeded', 'error')
    layer(daemon, 'remove', 'x')
    equal(listed(daemon), ['there'], 'layers')
    daemon.stop()
    subprocess.run(['umount', state], check=True)
    daemon.start()


@case('what is mounted in a removed layer stays, told in the log, until it is unmounted and the daemon starts again')
def mounted(daemon):
    layer(daemon, 'create', '--id', 'held')
    point = f'{daemon.directory}/state/layers/held/diff/point'
    os.mkdir(point)
    subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', point], check=True)
    layer(daemon, 'remove', 'held')
    eventually(lambda: 'What is left of layer held stays' in daemon.log(), 'the log tells', 20)
    equal(len(on_disk(daemon)), 1, 'what is on the disk')
    equal(daemon.json('layer', 'status')['Removing'], 1, 'the status')
    layer(daemon, 'create', '--id', 'held')
    left = [name for name in on_disk(daemon) if name != 'held'][0]
    points = host.mounts_below(f'{daemon.directory}/state')
    equal(len(points), 1, 'mounts')
    subprocess.run(['umount', list(points)[0]], check=True)
    assert left.startswith('.held-removing-'), left
    daemon.restart()
    settled(daemon, 'held')


@case('two daemons never share a state directory: the second one has no layers, says why, and has its pods')
def lock(daemon):
    other = Stage(start=False)
    with other:
        os.symlink(f'{daemon.directory}/state', f'{other.directory}/state')
        other.start()
        name, text = create_error(other, 'x')
        equal(name, ERROR + 'NotSupported', 'error')
        contains(text, 'another podmountd has it')
        equal(other.json('layer', 'status')['Usable'], False, 'the status')
        contains(other.json('layer', 'status')['Reason'], 'another podmountd has it')
        contains(other.refused('layer', 'list'), 'another podmountd has it')
        equal(other.pods(), [], 'pods go on')
    layer(daemon, 'create', '--id', 'still-works')


@case('records that cannot be used end layers, not pods, and nothing of them is touched')
def damaged(daemon):
    layer(daemon, 'create', '--id', 'kept')
    daemon.stop()
    records = f'{daemon.directory}/state/records'
    for name in os.listdir(records):
        os.rename(f'{records}/{name}', f'{daemon.directory}/{name}.away')
    with open(f'{records}/layers.db', 'w') as file:
        file.write('this is no database\n' * 1000)
    os.chown(f'{records}/layers.db', host.FRONT, host.FRONT)
    daemon.start()
    contains(daemon.json('layer', 'status')['Reason'], 'cannot be used')
    equal(create_error(daemon, 'x')[0], ERROR + 'NotSupported', 'error')
    equal(on_disk(daemon), ['kept'], 'directories')
    daemon.stop()
    for name in os.listdir(daemon.directory):
        if name.endswith('.away'):
            os.rename(f'{daemon.directory}/{name}', f'{records}/{name[:-5]}')
    daemon.start()
    equal(listed(daemon), ['kept'], 'layers')


@case('a directory that no record names is left alone, and is in the way of its own id alone')
def stranger(daemon):
    os.mkdir(f'{daemon.directory}/state/layers/mine')
    name, text = create_error(daemon, 'mine')
    equal(name, ERROR + 'LayerExists', f'error: {text}')
    layer(daemon, 'create', '--id', 'other')
    settled(daemon, 'mine', 'other')
    equal(listed(daemon), ['other'], 'layers')
    os.rmdir(f'{daemon.directory}/state/layers/mine')
    layer(daemon, 'create', '--id', 'mine')


if __name__ == '__main__':
    host.prepare()
    tap.run(Stage)
