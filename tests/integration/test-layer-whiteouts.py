#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whiteouts that have nothing to hide leave no name that can be listed and not be looked at; an opaque root directory hides all that lies below it."""

import os
import stat
import tarfile

from frame import backing, tap
from frame.daemon import Stage
from frame.layers import changes, content, create, differences, directory_of, entry, fill, get, paths_below, put, tar_of
from frame.layouts import Layout, import_image, unpack
from frame.layouts import tar_of as bytes_of
from frame.tap import case, equal

MAPS = ('--read-write', '--uid-map', '0-100000-65536', '--gid-map', '0-100000-65536')


def directory(name):
    return entry(name, tarfile.DIRTYPE, mode=0o755, mtime=1500000000), None


def file(name, data=None):
    return entry(name, mode=0o644, mtime=1500000000), (name if data is None else data).encode()


def white(name):
    """A whiteout, or, of nothing, what makes the directory opaque."""
    top, base = os.path.split(name)
    return entry(os.path.join(top, f'.wh.{base}' if base else '.wh..wh..opq'), mode=0o644, mtime=1500000000), None


def whiteouts(directory_):
    found = []
    for name in paths_below(directory_):
        st = os.lstat(f'{directory_}/{name}')
        if stat.S_ISCHR(st.st_mode) and st.st_rdev == 0:
            found.append(name)
    return found


def shown(daemon, ident):
    """All names of the mounted layer; each can be looked at."""
    where = get(daemon, ident)
    names = paths_below(where)[1:]
    for name in names:
        os.lstat(f'{where}/{name}')
    put(daemon, ident)
    return names


def is_as(daemon, ident, names, own):
    equal(shown(daemon, ident), names, f'{ident}: what is mounted')
    equal(whiteouts(directory_of(daemon, ident)), own, f'{ident}: whiteouts on the disk')


def deleted(daemon, ident):
    return sorted(path for kind, path, _ in changes(daemon, ident, 'low') if kind == 'deleted')


BASE = [directory('a'), file('a/old'), directory('a/sub'), file('a/sub/deep'), file('k')]


@case('a whiteout of what the layer alone had leaves nothing, one of what is below as well is one')
def twice(daemon):
    create(daemon, 'low')
    fill(daemon, 'low', *BASE)
    for ident, *words in (['high'], ['written', *MAPS]):
        create(daemon, ident, 'low', *words)
        fill(daemon, ident, directory('q'), file('q/f'), file('q/g'), file('a/mine'), file('a/old', 'other'), file('top'))
        fill(daemon, ident, white('q/f'), white('a/mine'), white('a/old'), white('top'))
        is_as(daemon, ident, ['a', 'a/sub', 'a/sub/deep', 'k', 'q', 'q/g'], ['a/old'])
        equal(deleted(daemon, ident), ['a/old'], 'what is deleted')
        # In a directory that is opaque since an earlier tar nothing is below.
        fill(daemon, ident, white('a/'), file('a/old', 'again'), file('a/kept'))
        fill(daemon, ident, white('a/old'))
        is_as(daemon, ident, ['a', 'a/kept', 'k', 'q', 'q/g'], [])
    create(daemon, 'alone')
    fill(daemon, 'alone', directory('q'), file('q/f'))
    fill(daemon, 'alone', white('q/f'), white('q/none'))
    is_as(daemon, 'alone', ['q'], [])


@case('nor does one in a directory that is opaque, or that nothing is merged with')
def opaque(daemon):
    create(daemon, 'low')
    fill(daemon, 'low', *BASE)
    for number, (members, names, own) in enumerate([
            ([directory('a'), white('a/'), white('a/old'), file('a/new')], ['a', 'a/new', 'k'], []),
            ([directory('a'), white('a/old'), white('a/sub/deep'), white('a/'), file('a/new')], ['a', 'a/new', 'a/sub', 'k'], []),
            ([white('a/sub/deep'), white('a/'), file('a/sub/x')], ['a', 'a/sub', 'a/sub/x', 'k'], []),
            ([white('a'), white('a/old'), white('a/')], ['k'], ['a']),
            ([white('a/old'), white('a'), file('a/new')], ['a', 'a/new', 'k'], []),
            ([directory('q'), file('q/f'), white('q/gone')], ['a', 'a/old', 'a/sub', 'a/sub/deep', 'k', 'q', 'q/f'], []),
            ([white('a/sub/deep'), white('k')], ['a', 'a/old', 'a/sub'], ['a/sub/deep', 'k']),
            ([white('a/sub'), directory('a/sub'), white('a/sub/deep'), white('a/none')], ['a', 'a/old', 'a/sub', 'k'], []),
            ([directory('k'), white('k/x'), white('none')], ['a', 'a/old', 'a/sub', 'a/sub/deep', 'k'], [])]):
        create(daemon, f'high{number}', 'low')
        tar = fill(daemon, f'high{number}', *members)
        is_as(daemon, f'high{number}', names, own)
        with open(tar, 'rb') as wanted:
            equal(tar_of(daemon, f'high{number}', 'low') == wanted.read(), True, 'the same tar')
        # Times are as if nothing had been removed.
        for info, _ in members:
            if info.type == tarfile.DIRTYPE:
                equal(os.stat(f'{directory_of(daemon, f"high{number}")}/{info.name}').st_mtime, 1500000000, info.name)
        # The same over content of its own.
        create(daemon, f'over{number}', 'low')
        fill(daemon, f'over{number}', directory('own'), file('own/x'))
        fill(daemon, f'over{number}', *members)
        is_as(daemon, f'over{number}', sorted(names + ['own', 'own/x']), own)


@case('what a layer between hides is not there to be hidden, through a chain of many')
def chain(daemon):
    create(daemon, 'l0')
    fill(daemon, 'l0', *BASE, file('late'))
    create(daemon, 'l1', 'l0')
    fill(daemon, 'l1', white('a'))
    for number in range(2, 499):
        create(daemon, f'l{number}', f'l{number - 1}')
    fill(daemon, 'l498', white('a/old'), white('late'), white('none'))
    is_as(daemon, 'l498', ['k'], ['late'])
    for ident, *words in (['top'], ['written', '--read-write']):
        create(daemon, ident, 'l498', *words)
        fill(daemon, ident, white('late'), file('k', 'other'), file('top'))
        fill(daemon, ident, white('k'), white('top'), white('a'))
        is_as(daemon, ident, [], ['k'])


@case('what cannot be looked at through an id mapping has a whiteout in any case')
def unmapped(daemon):
    create(daemon, 'low')
    fill(daemon, 'low', (entry('a', tarfile.DIRTYPE, mode=0o700, uid=70000, gid=70000), None), file('a/x'))
    create(daemon, 'high', 'low', *MAPS)
    fill(daemon, 'high', directory('a'), white('a/x'), white('a/none'))
    equal(whiteouts(directory_of(daemon, 'high')), ['a/none', 'a/x'], 'whiteouts')
    fill(daemon, 'high', white('a/x'), white('a/other'), white('none'))
    equal([name for name in whiteouts(directory_of(daemon, 'high')) if name != 'a/other'], ['a/none', 'a/x'], 'whiteouts')


@case('an opaque root directory hides what is below, and not what the tar has, whichever comes first')
def root(daemon):
    create(daemon, 'low')
    fill(daemon, 'low', *BASE)
    for number, (members, names, own) in enumerate([
            ([white(''), file('new')], ['new'], ['a', 'k']),
            ([file('./.wh..wh..opq', ''), file('new')], ['new'], ['a', 'k']),
            ([file('a/new'), file('new'), white('')], ['a', 'a/new', 'new'], ['k']),
            ([white('a/old'), white('')], ['a'], ['k']),
            ([white('k'), white(''), white(''), directory('a'), white('a/sub'), file('k', 'young')], ['a', 'k'], []),
            ([directory('.'), white(''), white('a'), file('a/sub/x')], ['a', 'a/sub', 'a/sub/x'], ['k'])]):
        create(daemon, f'high{number}', 'low')
        tar = fill(daemon, f'high{number}', *members)
        is_as(daemon, f'high{number}', names, own)
        with open(tar, 'rb') as wanted:
            equal(tar_of(daemon, f'high{number}', 'low') == wanted.read(), True, 'the same tar')
        equal([path for path in deleted(daemon, f'high{number}') if '/' not in path], own, 'what is deleted')
    for ident, *words in (['over'], ['written', *MAPS]):
        create(daemon, ident, 'low', *words)
        fill(daemon, ident, file('mine'), directory('a'), file('a/mine'))
        fill(daemon, ident, file('a/new'), white(''), file('new'))
        is_as(daemon, ident, ['a', 'a/new', 'new'], ['k'])
    create(daemon, 'alone')
    fill(daemon, 'alone', white(''), file('new'))
    is_as(daemon, 'alone', ['new'], [])
    fill(daemon, 'alone', white(''), file('other'))
    is_as(daemon, 'alone', ['other'], [])


@case('a diff of what was hidden so makes the same layer again')
def again(daemon):
    create(daemon, 'low')
    fill(daemon, 'low', *BASE)
    create(daemon, 'high', 'low')
    fill(daemon, 'high', file('a/first'))
    fill(daemon, 'high', white(''), file('a/new'), directory('.'))
    create(daemon, 'copy', 'low')
    path = f'{daemon.directory}/copy.tar'
    with open(path, 'wb') as tar:
        tar.write(tar_of(daemon, 'high', 'low'))
    with tarfile.open(path) as tar:
        equal('.wh.k' in tar.getnames(), True, str(tar.getnames()))
        fill(daemon, 'copy', *[(info, tar.extractfile(info).read() if info.isreg() else None) for info in tar])
    seen = [content(get(daemon, ident)) for ident in ('high', 'copy')]
    equal(differences(*seen), {}, 'the same')
    put(daemon, 'high')
    put(daemon, 'copy')


def timeless(where):
    """Times of directories that no tar has the last word on are when umoci did it."""
    return {name: ' '.join(about.split(' ')[:3]) if about.startswith('d') else about for name, about in content(where).items()}


@case('an image with such layers is mounted as umoci unpacks it')
def as_umoci(daemon):
    layout = Layout(f'{daemon.directory}/layout')
    for number, layers in enumerate([
            [[white('a')], [white('a/old'), file('x')]],
            [[directory('q'), file('q/f'), white('q/gone'), white('q/sub/gone'), white('none/'), white('k/'), white('k/x'), white('a/sub/no/')]],
            [[white('a'), white('a/'), white('a/old')], [white('a/old'), white('a/')]],
            [[file('a/n'), white('a'), white('a/sub')], [white('a/sub/'), white('a/n')]],
            [[directory('a'), white('a/'), white('a/old'), file('a/new')], [white('a/new'), white('a/old')]],
            [[white('a/sub/deep'), file('a/y')], [white('a/'), file('a/z')], [white('a/y'), white('k')]],
            [[white(''), file('new')]],
            [[file('q/f')], [file('first'), file('./.wh..wh..opq', ''), file('a/new')], [white('first'), white('k')]],
            [[directory('a'), file('a/new'), white('')], [white(''), directory('b')]]]):
        layout.image([bytes_of(*members) for members in [BASE, *layers]], f'v{number}')
        top = import_image(daemon, layout.path, f'v{number}')
        equal(differences(*(timeless(where) for where in (get(daemon, top), unpack(layout.path, f'v{number}', f'{daemon.directory}/bundle{number}')))), {}, f'trees of {number}')
        put(daemon, top)


if __name__ == '__main__':
    backing.prepare()
    tap.run(Stage)
