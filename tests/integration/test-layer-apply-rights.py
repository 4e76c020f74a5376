#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""ApplyDiff by users over the bus: polkit, whose layers, devices, and quotas that hold while a tar is read."""

import gzip
import itertools
import os
import tarfile

import dbus

from frame import host, tap
from frame.bus import Bus
from frame.daemon import ERROR, LAYERS
from frame.host import ALICE, BOB, UserError, as_user
from frame.layers import entry, make_tar
from frame.situation import WithPolkit
from frame.tap import case, contains, equal, eventually

DENIED = 'org.freedesktop.DBus.Error.AccessDenied'
ACTION = 'org.podmount1.manage-layers'
CONFIG = '[Limits]\nLayerBytesPerUser=1M\nLayerInodesPerUser=20\nLayerStreamsPerUser=1\n'
bus, numbers = None, itertools.count()


class Situation(WithPolkit):
    def __init__(self):
        super().__init__(bus, config=CONFIG)


def create(uid, ident, **options):
    options = {key.replace('_', '-'): value for key, value in options.items()}
    as_user(uid, lambda: str(bus.call(LAYERS, 'CreateLayer', 'ssa{sv}', ident, '', options)))


def apply(uid, ident, path):
    with open(path, 'rb') as file:
        return as_user(uid, lambda: int(bus.call(LAYERS, 'ApplyDiff', 'sha{sv}', ident, dbus.types.UnixFd(file.fileno()), {})))


def refused(uid, ident, path):
    try:
        result = apply(uid, ident, path)
    except UserError as error:
        return error.name, error.text
    raise AssertionError(f'{path} for {ident} was not refused: {result}')


def tar(s, *members):
    return make_tar(f'{s.daemon.directory}/{next(numbers)}.tar', *members)


def left(s, ident):
    return sorted(os.listdir(f'{s.daemon.directory}/state/layers/{ident}')), os.listdir(f'{s.daemon.directory}/state/layers/{ident}/diff')


@case('polkit is asked for the layer; layers of others are not there; devices are for root')
def rights(s):
    s.polkit.answer('yes')
    create(ALICE, 'hers')
    path = tar(s, ('file', b'x' * 100))
    equal(refused(BOB, 'hers', path)[0], ERROR + 'NoSuchLayer', 'another user')
    s.polkit.forget()
    s.polkit.answer('no')
    equal(refused(ALICE, 'hers', path)[0], DENIED, 'polkit says no')
    equal([(call['action'], call['details']['verb'], call['details']['layer']) for call in s.polkit.calls()],
            [(ACTION, 'ApplyDiff', 'hers')], 'what polkit was asked')
    s.polkit.answer('yes')
    device = tar(s, ('file', b'x'), (entry('null', tarfile.CHRTYPE, devmajor=1, devminor=3), None))
    name, text = refused(ALICE, 'hers', device)
    equal(name, DENIED, text)
    contains(text, 'null')
    equal(left(s, 'hers'), (['diff', 'meta', 'work'], []), 'what there is of it')
    equal(apply(ALICE, 'hers', tar(s, (entry('suid', mode=0o4755, uid=0), b'x' * 100))), 100, 'bytes')
    info = os.stat(f'{s.daemon.directory}/state/layers/hers/diff/suid')
    equal((info.st_uid, oct(info.st_mode)), (0, '0o104755'), 'owner and mode')


@case('bytes and files are counted as they are written; what fails or goes is not charged, and root is not')
def quotas(s):
    s.polkit.answer('yes')
    for ident in ('q1', 'q2', 'q3'):
        create(ALICE, ident)
    bomb = f'{s.daemon.directory}/bomb.tar.gz'
    with open(tar(s, ('zeros', b'\0' * (64 << 20))), 'rb') as plain, gzip.open(bomb, 'wb') as packed:
        packed.write(plain.read())
    for path, word in [(bomb, 'LayerBytesPerUser='), (tar(s, *[(f'f{n}', b'x' * 90000) for n in range(12)]), 'LayerBytesPerUser='),
            (tar(s, *[(f'f{n}', b'') for n in range(21)]), 'LayerInodesPerUser='), (tar(s, ('a/' * 30 + 'f', b'')), 'LayerInodesPerUser=')]:
        name, text = refused(ALICE, 'q1', path)
        equal(name, ERROR + 'QuotaExceeded', text)
        contains(text, word)
        equal(left(s, 'q1'), (['diff', 'meta', 'work'], []), 'what there is of it')
    create(ALICE, 'q0')
    as_user(ALICE, lambda: str(bus.call(LAYERS, 'CreateLayer', 'ssa{sv}', 'q4', 'q0', {})))
    way = '/'.join(['d' * 200] * 15)
    name, text = refused(ALICE, 'q4', tar(s, (f'{way}/f', b''), *[(f'{way}/.wh..wh..opq', b'')] * 400))
    equal(name, ERROR + 'QuotaExceeded', text)
    contains(text, 'LayerInodesPerUser=')
    odd = [(entry(f'f{n}', pax_headers={'comment': os.urandom(250000).hex()}), b'x') for n in range(8)]
    equal(apply(ALICE, 'q4', tar(s, *odd)), 8, 'a tar that is mostly headers')
    equal('tar-split' in left(s, 'q4')[0], False, 'there is no room for its record')
    as_user(ALICE, lambda: bus.call(LAYERS, 'RemoveLayer', 'sa{sv}', 'q4', {}) and None)
    equal(apply(ALICE, 'q1', tar(s, ('half', b'x' * 600000))), 600000, 'what failed is not charged')
    other = tar(s, ('other', b'x' * 600000))
    contains(refused(ALICE, 'q2', other)[1], 'LayerBytesPerUser=')
    as_user(ALICE, lambda: bus.call(LAYERS, 'RemoveLayer', 'sa{sv}', 'q1', {}) and None)
    eventually(lambda: s.daemon.json('layer', 'status')['Removing'] == 0, 'it is removed', 10)
    equal(apply(ALICE, 'q2', other), 600000, 'what went is not charged')
    s.daemon.restart()
    contains(refused(ALICE, 'q3', other)[1], 'LayerBytesPerUser=')
    s.daemon.ok('layer', 'create', '--id', 'roots')
    equal(int(s.daemon.ok('layer', 'apply', 'roots', bomb)), 64 << 20, 'root')


def stand(ident, parent):
    as_user(ALICE, lambda: str(bus.call(LAYERS, 'CreateLayer', 'ssa{sv}', ident, parent, {})))


def hard(name, to):
    return entry(name, tarfile.LNKTYPE, linkname=to), None


@case('what is copied for hard links to layers below is counted like what a tar has, once each, and devices are for root')
def links(s):
    s.polkit.answer('yes')
    create(ALICE, 'base')
    s.daemon.ok('layer', 'apply', 'base', tar(s, *[(f'big{n}', b'x' * 200000) for n in range(3)], (entry('null', tarfile.CHRTYPE, devmajor=1, devminor=3), None)))
    for number, (members, error, word) in enumerate([
        ([hard(f'h{n}', f'big{n}') for n in range(3)], ERROR + 'QuotaExceeded', 'h2: with it there are more bytes than the caller may have (LayerBytesPerUser=)'),
        ([('own', b'x' * 300000), hard('h', 'big0')], ERROR + 'QuotaExceeded', 'h: with it there are more bytes'),
        ([hard(f'h{n}', 'big0') for n in range(16)], ERROR + 'QuotaExceeded', 'LayerInodesPerUser='),  # and the copy's own name
        ([('first', b'1'), hard('h', 'null')], DENIED, 'device node of the layers below'),
    ]):
        stand(f'l{number}', 'base')
        name, text = refused(ALICE, f'l{number}', tar(s, *members))
        equal(name, error, text)
        contains(text, word)
        equal(left(s, f'l{number}'), (['diff', 'meta', 'work'], []), 'what there is of it')
    for members in ([hard(f'h{n}', 'big0') for n in range(15)], [hard('h', 'big1'), hard('i', 'big2')]):
        equal(apply(ALICE, 'l0', tar(s, *members)), 0, 'bytes of the tar')
        equal(os.stat(f'{s.daemon.directory}/state/layers/l0/diff/{members[0][0].linkname}').st_nlink, 1 + len(members) if members[1][0].linkname == 'big0' else 2, 'names')
        contains(refused(ALICE, 'l1', tar(s, *[hard(f'h{n}', f'big{n}') for n in range(3)]))[1], 'PerUser=')
        as_user(ALICE, lambda: bus.call(LAYERS, 'RemoveLayer', 'sa{sv}', 'l0', {}) and None)
        eventually(lambda: s.daemon.json('layer', 'status')['Removing'] == 0, 'it is removed', 10)
        stand('l0', 'base')
    s.daemon.ok('layer', 'apply', 'l1', tar(s, *[hard(f'h{n}', f'big{n}') for n in range(3)], hard('n', 'null')))
    equal(os.stat(f'{s.daemon.directory}/state/layers/l1/diff/n').st_rdev, os.makedev(1, 3), 'root')


@case('a user works on as many layers at a time as it may')
def streams(s):
    s.polkit.answer('yes')
    create(ALICE, 's1')
    create(ALICE, 's2')
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(writer)
        try:
            as_user(ALICE, lambda: int(bus.call(LAYERS, 'ApplyDiff', 'sha{sv}', 's1', dbus.types.UnixFd(reader), {})))
        except UserError:
            pass
        os._exit(0)
    os.close(reader)
    eventually(lambda: '.apply' in left(s, 's1')[0], 'it has begun', 10)
    name, text = refused(ALICE, 's2', tar(s, ('x', b'x')))
    equal(name, ERROR + 'QuotaExceeded', text)
    contains(text, 'LayerStreamsPerUser=')
    os.close(writer)
    os.waitpid(pid, 0)
    eventually(lambda: left(s, 's1') == (['diff', 'meta', 'work'], []), 'what was begun is gone', 10)
    equal(apply(ALICE, 's2', tar(s, ('x', b'x'))), 1, 'then the other')


@case('a layer with maps that is written to has the ids of the host; an id that is in no map is refused by name')
def maps(s):
    s.daemon.ok('layer', 'create', '--id', 'mapped', '--read-write', '--uid-map', '0-100000-1000', '--gid-map', '0-200000-1000')
    found = s.daemon.ctl('layer', 'apply', 'mapped', tar(s, ('d/f', b'x'), (entry('out', uid=1000), None)))
    contains(found.err, 'uid 1000')
    s.daemon.ok('layer', 'apply', 'mapped', tar(s, ('d/f', b'x'), (entry('own', uid=999, gid=7), None)))
    place = f'{s.daemon.directory}/state/layers/mapped/diff'
    equal([(os.stat(f'{place}/{name}').st_uid, os.stat(f'{place}/{name}').st_gid) for name in ('d', 'd/f', 'own')],
            [(100000, 200000), (100000, 200000), (100999, 200007)], 'owners')


if __name__ == '__main__':
    host.prepare()
    bus = Bus()
    tap.run(Situation)
