#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images of somebody else than root: read as whoever imports them, shared with nobody, counted against quotas, asked of polkit."""

import os
import tarfile

import dbus

from frame import host, tap
from frame.bus import Bus
from frame.daemon import LAYERS
from frame.host import ALICE, BOB, UserError, as_user
from frame.layouts import Layout, chain_of, import_image, tar_of
from frame.layers import call, entry
from frame.situation import WithPolkit
from frame.tap import case, contains, equal

bus = None


class Situation(WithPolkit):
    def __init__(self):
        super().__init__(bus, 'yes', config='[Limits]\nLayersPerUser=3\n')


def ask(uid, path):
    """ImportImage over the bus by a user, who opens the directory."""
    def work():
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        return str(bus.call(LAYERS, 'ImportImage', 'hsa{sv}', dbus.types.UnixFd(fd), '', {}))
    return as_user(uid, work)


def refused(uid, path):
    try:
        return f'not refused: {ask(uid, path)}'
    except UserError as error:
        return f'{error.name}: {error.text}'


def make(s, name, *tars):
    layout = Layout(f'{s.daemon.directory}/{name}')
    return layout, layout.image(list(tars))


@case('a user imports what it can read, and has it by itself')
def mine(s):
    os.chmod(s.daemon.directory, 0o755)
    layout, _ = make(s, 'mine', tar_of(('base', b'base')))
    first = ask(ALICE, layout.path)
    equal(s.daemon.json('layer', 'info', first)['Owner'], ALICE, 'owner')
    equal(ask(ALICE, layout.path), first, 'again')
    others = {ask(BOB, layout.path), import_image(s.daemon, layout.path)}
    equal(len(others | {first}), 3, 'nobody shares with another user')
    equal({str(layer['ChainID']) for layer in call(s.daemon, 'ListLayers', 'a{sv}', {})}, {chain_of(tar_of(('base', b'base')))}, 'chain')


@case('what a user cannot open is not read for it')
def closed(s):
    os.chmod(s.daemon.directory, 0o755)
    layout, manifest = make(s, 'closed', tar_of(('base', b'base')))
    for path, words in ((layout.where(manifest['layers'][0]['digest']), 'layer 1 of 1'), (layout.where(manifest['config']['digest']), 'blobs/sha256/'),
                        (f'{layout.path}/index.json', 'index.json')):
        os.chmod(path, 0o600)
        said = refused(ALICE, layout.path)
        contains(said, 'SourceDenied', 'error')
        contains(said, words, 'what it is')
        os.chmod(path, 0o644)
    ask(ALICE, layout.path)


@case('device nodes are for root')
def devices(s):
    os.chmod(s.daemon.directory, 0o755)
    layout, _ = make(s, 'devices', tar_of((entry('null', tarfile.CHRTYPE, devmajor=1, devminor=3), None)))
    contains(refused(ALICE, layout.path), 'AccessDenied', 'a user')
    import_image(s.daemon, layout.path)


@case('all layers of an image are counted before the first is made')
def quota(s):
    os.chmod(s.daemon.directory, 0o755)
    tars = [tar_of((f'file{turn}', b'x')) for turn in range(4)]
    layout, _ = make(s, 'quota', *tars)
    said = refused(ALICE, layout.path)
    contains(said, 'QuotaExceeded', 'error')
    contains(said, '0 of 3 in use, 4 more asked for', 'words')
    equal(os.listdir(f'{s.daemon.directory}/state/layers'), [], 'nothing made')
    layout, _ = make(s, 'fits', *tars[:3])
    ask(ALICE, layout.path)


@case('polkit that says no is no')
def denied(s):
    os.chmod(s.daemon.directory, 0o755)
    layout, _ = make(s, 'denied', tar_of(('base', b'base')))
    s.polkit.answer('no')
    contains(refused(ALICE, layout.path), 'AccessDenied', 'no')
    contains(s.daemon.log(), f'ImportImage  by uid {ALICE}: denied', 'audit')


if __name__ == '__main__':
    host.prepare()
    bus = Bus()
    tap.run(Situation)
