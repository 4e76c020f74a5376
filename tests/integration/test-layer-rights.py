#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whose layers are whose: polkit, what callers see of each other, quotas, and what is asked on the private socket."""

import os

import dbus

from frame import host, tap
from frame.bus import Bus
from frame.daemon import ERROR, LAYERS, PATH
from frame.host import ALICE, BOB, UserError, as_user
from frame.situation import WithPolkit
from frame.tap import case, contains, equal, eventually

INTROSPECTABLE, PROPERTIES = 'org.freedesktop.DBus.Introspectable', 'org.freedesktop.DBus.Properties'
DENIED = 'org.freedesktop.DBus.Error.AccessDenied'
ACTION = 'org.podmount1.manage-layers'
bus = None


class Situation(WithPolkit):
    def __init__(self):
        super().__init__(bus, config='[Limits]\nLayersPerUser=3\n')


def create(uid, ident, parent='', options=None):
    return as_user(uid, lambda: str(bus.call(LAYERS, 'CreateLayer', 'ssa{sv}', ident, parent, options or {})))


def remove(uid, ident):
    as_user(uid, lambda: bus.call(LAYERS, 'RemoveLayer', 'sa{sv}', ident, {}) and None)


def exists(uid, ident):
    return as_user(uid, lambda: bool(bus.call(LAYERS, 'LayerExists', 's', ident)))


def listed(uid):
    return as_user(uid, lambda: [str(found['ID']) for found in bus.call(LAYERS, 'ListLayers', 'a{sv}', {})])


def refused(function, *arguments):
    try:
        result = function(*arguments)
    except UserError as error:
        return error.name, error.text
    raise AssertionError(f'{function.__name__}{arguments} was not refused: {result}')


def on_disk(s):
    return sorted(os.listdir(f'{s.daemon.directory}/state/layers'))


@case('yes: the layer is the caller\'s, and polkit saw which one and on what')
def yes(s):
    s.polkit.answer('yes')
    create(ALICE, 'base')
    create(ALICE, 'top', 'base', {'read-write': True})
    call = s.polkit.calls()[1]
    equal(call['action'], ACTION, 'action')
    equal({key: call['details'].get(key) for key in ('verb', 'layer', 'parent')}, {'verb': 'CreateLayer', 'layer': 'top', 'parent': 'base'},
            'details')
    equal(s.daemon.json('layer', 'info', 'top')['Owner'], ALICE, 'owner')
    s.polkit.forget()
    remove(ALICE, 'top')
    equal([(c['action'], c['details']['layer']) for c in s.polkit.calls()], [(ACTION, 'top')], 'the removal is asked, too')


@case('no, an error, no answer in words: nothing is made, nothing removed')
def no(s):
    s.polkit.answer('yes')
    create(ALICE, 'mine')
    for word in ('no', 'error'):
        s.polkit.answer(word)
        equal(refused(create, ALICE, 'x')[0], DENIED, word)
        equal(refused(remove, ALICE, 'mine')[0], DENIED, word)
    equal((on_disk(s), listed(ALICE)), (['mine'], ['mine']), 'what is there')


@case('without polkit nobody but root changes anything, and everybody sees what is its own')
def absent(s):
    s.polkit.stop()
    equal(refused(create, ALICE, 'x')[0], DENIED, 'error')
    s.daemon.ok('layer', 'create', '--id', 'of-root', over_bus=True)
    equal((listed(ALICE), exists(ALICE, 'of-root')), ([], False), 'what Alice sees')
    equal(listed(0), ['of-root'], 'what root sees')


@case('a layer of another user is not there: not to be seen, built on or removed')
def strangers(s):
    s.polkit.answer('yes')
    create(ALICE, 'hers')
    create(ALICE, 'above', 'hers')
    equal((listed(BOB), exists(BOB, 'hers'), listed(ALICE)), ([], False, ['hers', 'above']), 'layers')
    info = refused(as_user, BOB, lambda: str(bus.call(LAYERS, 'LayerInfo', 's', 'hers')))
    equal(info[0], ERROR + 'NoSuchLayer', 'LayerInfo')
    equal(refused(create, BOB, 'his', 'hers')[0], ERROR + 'NoSuchLayer', 'parent')
    remove(BOB, 'above')  # it is gone, as far as he knows
    equal(listed(ALICE), ['hers', 'above'], 'layers')
    name, text = refused(create, BOB, 'hers')
    equal(name, ERROR + 'LayerExists', 'an id is taken for everybody')
    contains(text, 'of another user')
    equal(refused(create, 0, 'hers')[0], ERROR + 'LayerExists', "root's is not a retry of hers")
    equal(as_user(BOB, lambda: int(bus.call(LAYERS, 'Status', '')['Layers'])), 0, 'the count')
    s.daemon.ok('layer', 'create', '--id', 'of-root', '--parent', 'hers')
    contains(refused(remove, ALICE, 'hers')[1], 'layers stand on layer hers')


def told(uid, method, ident, parent=''):
    arguments = {'Diff': ('ssa{sv}', ident, parent, {}), 'OpenDiff': ('s', ident)}.get(method, ('ss', ident, parent))

    def work():
        answer = bus.call(LAYERS, method, *arguments)
        if method in ('Changes', 'DiffSize'):
            return str(answer)
        fd = answer.take()
        if method == 'Diff':
            with os.fdopen(fd, 'rb') as tar:
                return len(tar.read())
        try:
            os.open('new', os.O_CREAT | os.O_WRONLY, dir_fd=fd)
        except OSError as error:
            return os.strerror(error.errno)
        return 'written'
    return as_user(uid, work)


@case('what a layer changes is told to whoever it belongs to, if polkit lets it; for others it is not there, as a parent neither')
def changes(s):
    s.polkit.answer('yes')
    create(ALICE, 'own')
    create(BOB, 'his')
    methods = ('Diff', 'Changes', 'DiffSize', 'OpenDiff')
    for method in methods:
        told(ALICE, method, 'own')
        equal(refused(told, ALICE, method, 'his')[0], ERROR + 'NoSuchLayer', method)
        if method != 'OpenDiff':
            equal(refused(told, ALICE, method, 'own', 'his')[0], ERROR + 'NoSuchLayer', f'{method} beside it')
    equal(told(ALICE, 'OpenDiff', 'own'), 'Read-only file system', 'writing through the fd')
    s.polkit.answer('no')
    for method in methods:
        equal(refused(told, ALICE, method, 'own')[0], DENIED, method)


@case("why a tar has no end is told to the user who has read it, and to root")
def broken_off(s):
    s.polkit.answer('yes')
    create(ALICE, 'hers')
    with open(f'{s.daemon.directory}/state/layers/hers/diff/.wh.x', 'w'):
        pass

    def read(uid):
        as_user(uid, lambda: len(os.fdopen(bus.call(LAYERS, 'Diff', 'ssa{sv}', 'hers', '', {}).take(), 'rb').read()))

    def reason(uid):
        return as_user(uid, lambda: str(bus.call(LAYERS, 'LayerInfo', 's', 'hers')['LastDiffError']))

    read(0)
    eventually(lambda: '/.wh.x cannot be told' in reason(0), 'root is told')
    equal(reason(ALICE), '', "what Alice is told of root's")
    read(ALICE)
    eventually(lambda: '/.wh.x cannot be told' in reason(ALICE), 'Alice is told')
    contains(reason(0), '/.wh.x cannot be told', 'root, too')


@case('a label is for root, whoever may make layers')
def labels(s):
    s.polkit.answer('yes')
    create(ALICE, 'hers')
    name, text = refused(create, ALICE, 'labelled', 'hers', {'label': 'system_u:object_r:container_file_t:s0'})
    equal((name, listed(ALICE)), (ERROR + 'SourceDenied', ['hers']), text)
    contains(text, 'for root')


@case('a quota of layers holds for users, not for root, and is free again when they are gone')
def quota(s):
    s.polkit.answer('yes')
    for number in range(3):
        create(ALICE, f'a{number}')
        create(BOB, f'b{number}')
    name, text = refused(create, ALICE, 'a3')
    equal(name, ERROR + 'QuotaExceeded', 'error')
    contains(text, 'LayersPerUser=')
    contains(text, '3 of 3 in use')
    equal(create(ALICE, 'a0'), 'a0', 'a retry needs no quota')
    remove(ALICE, 'a0')
    eventually(lambda: 'a0' not in str(on_disk(s)), 'it is gone from the disk')
    eventually(lambda: s.daemon.json('layer', 'status')['Removing'] == 0, 'and off the record')
    create(ALICE, 'a3')
    for number in range(5):
        s.daemon.ok('layer', 'create')


def get(uid, ident, **options):
    return as_user(uid, lambda: str(bus.call(LAYERS, 'GetLayer', 'sa{sv}', ident, {key.replace('_', '-'): value for key, value in options.items()})))


def put(uid, ident, **options):
    as_user(uid, lambda: bus.call(LAYERS, 'PutLayer', 'sa{sv}', ident, options) and None)


def holders(s, ident):
    return sorted((holder['UID'], holder['Name'], holder['Count']) for holder in s.daemon.json('layer', 'info', ident)['Holders'])


@case('whoever may see a layer holds it under names of its own; polkit is asked for each')
def held(s):
    s.polkit.answer('yes')
    create(ALICE, 'hers', '', {'read-write': True})
    s.polkit.forget()
    path = get(ALICE, 'hers', holder='x')
    equal([(call['action'], call['details']['verb'], call['details']['layer']) for call in s.polkit.calls()],
            [(ACTION, 'GetLayer', 'hers')], 'what polkit was asked')

    def work():
        with open(f'{path}/mine', 'w') as file:
            file.write('m')
    as_user(ALICE, work)
    equal(os.stat(f'{path}/mine').st_uid, ALICE, 'whose it is')
    equal(refused(get, BOB, 'hers')[0], ERROR + 'NoSuchLayer', "another's layer")
    equal(refused(put, BOB, 'hers')[0], ERROR + 'NoSuchLayer', "another's layer")
    equal(get(0, 'hers', holder='x'), path, "root's hold")
    equal(holders(s, 'hers'), [(0, 'x', 1), (ALICE, 'x', 1)], 'holders')
    put(ALICE, 'hers', holder='x')
    equal(holders(s, 'hers'), [(0, 'x', 1)], "root's stays")
    contains(refused(remove, ALICE, 'hers')[1], 'held by x of UID 0;')
    put(0, 'hers', holder='x')
    equal(os.path.exists(path), False, 'it is unmounted')
    for _ in range(2):
        get(ALICE, 'hers', holder='gone')
    get(ALICE, 'hers', holder='x')
    get(0, 'hers', holder='x')
    for _ in range(2):
        put(0, 'hers', holder='x')
    equal(holders(s, 'hers'), [(ALICE, 'gone', 2), (ALICE, 'x', 1)], 'root puts back its own, and again nothing')
    contains(refused(lambda: put(ALICE, 'hers', holder='x', owner=dbus.UInt32(BOB)))[1], 'The option owner is for root')
    contains(refused(lambda: put(ALICE, 'hers', holder='x', owner=dbus.UInt32(0)))[1], 'The option owner is for root')
    put(0, 'hers', holder='x', owner=dbus.UInt32(BOB))
    put(0, 'hers', holder='gone', owner=dbus.UInt32(ALICE))
    equal(holders(s, 'hers'), [(ALICE, 'gone', 1), (ALICE, 'x', 1)], 'what another has twice, once')
    put(ALICE, 'hers', holder='x', owner=dbus.UInt32(ALICE))
    s.daemon.ok('layer', 'put', 'hers', '--holder', 'gone', '--owner', str(ALICE), '--all')
    equal((holders(s, 'hers'), os.path.exists(path)), ([], False), 'what is held by nobody')
    s.polkit.answer('no')
    equal(refused(get, ALICE, 'hers')[0], DENIED, 'without a yes')
    equal(holders(s, 'hers'), [], 'holders')


@case('mounts of layers are charged to whose they are, those under way as well')
def charged(s):
    s.polkit.answer('yes')
    s.daemon.stop()
    s.daemon.write_config('[Limits]\nMountsPerUser=1\n')
    s.daemon.start()
    for ident in ('a', 'b', 'c'):
        create(ALICE, ident)

    def work():
        connection = bus.connect()
        for ident in ('a', 'b'):
            connection.call_async('org.podmount1', PATH, LAYERS, 'GetLayer', 'sa{sv}', (ident, {}), None, None)
        try:
            bus.call(LAYERS, 'GetLayer', 'sa{sv}', 'c', {}, connection=connection)
        finally:
            connection.close()
    name, text = refused(as_user, ALICE, work)
    equal(name, ERROR + 'QuotaExceeded', text)
    contains(text, 'mounts per user (MountsPerUser=): 1 of 1 in use')
    eventually(lambda: s.daemon.json('layer', 'status')['Mounted'] == 1, 'one is mounted')
    for ident in ('a', 'b'):
        put(ALICE, ident)


@case('on the bus, too, a holder goes with its connection')
def connection(s):
    s.daemon.ok('layer', 'create', '--id', 'base')
    equal(get(0, 'base', connection_bound=True), f'{s.daemon.runtime}/layers/base', 'path')  # the child that asked has ended
    eventually(lambda: holders(s, 'base') == [], 'the holder is gone')
    eventually(lambda: not os.path.exists(f'{s.daemon.runtime}/layers/base'), 'it is unmounted')


@case('files are seen as those of nobody but the caller and its ranges')
def maps(s):
    s.polkit.answer('yes')
    for foreign in ('0-0-1', f'0-{BOB}-1', f'0-{ALICE}-5'):
        name, text = refused(create, ALICE, 'x', '', {'uid-map': foreign, 'gid-map': f'0-{ALICE}-1'})
        equal(name, ERROR + 'SourceDenied', f'{foreign}: {text}')
        equal(refused(create, ALICE, 'x', '', {'uid-map': f'0-{ALICE}-1', 'gid-map': foreign})[0], ERROR + 'SourceDenied', foreign)
    create(ALICE, 'x', '', {'uid-map': f'0-{ALICE}-1', 'gid-map': f'0-{ALICE}-1', 'read-write': True})
    path = get(ALICE, 'x')
    equal(os.stat(path).st_uid, ALICE, 'the root directory')
    put(ALICE, 'x')


@case('on the private socket there is nobody to ask: users change nothing there')
def socket(s):
    contains(s.daemon.refused('layer', 'create', '--id', 'x', user=ALICE), 'on this socket')
    contains(s.daemon.refused('layer', 'remove', 'x', user=ALICE), 'on this socket')
    equal(s.daemon.json('layer', 'list', user=ALICE), [], 'layers')
    equal(s.daemon.ctl('layer', 'exists', 'x', user=ALICE).out.strip(), 'no', 'exists')


@case('introspection has the interface, which has no properties')
def introspection(s):
    contains(str(bus.call(INTROSPECTABLE, 'Introspect', '')), 'interface name="org.podmount1.LayerStore"')
    equal(dict(bus.call(PROPERTIES, 'GetAll', 's', LAYERS)), {}, 'properties')
    equal(refused(as_user, 0, lambda: bus.call(PROPERTIES, 'Get', 'ss', LAYERS, 'X'))[0],
            'org.freedesktop.DBus.Error.UnknownProperty', 'one of them')
    equal(refused(as_user, 0, lambda: bus.call(LAYERS, 'ListLayers', 'a{sv}', {}, path=PATH + '/pod'))[0],
            'org.freedesktop.DBus.Error.UnknownInterface', 'another object')


@case('the audit names caller, method and layer')
def audit(s):
    s.polkit.answer('no')
    refused(create, ALICE, 'x')
    contains(s.daemon.log(), f'CreateLayer x by uid {ALICE}: denied')
    s.daemon.ok('layer', 'create', '--id', 'y')
    contains(s.daemon.log(), 'CreateLayer y by uid 0: done')


if __name__ == '__main__':
    host.prepare()
    bus = Bus()
    tap.run(Situation)
