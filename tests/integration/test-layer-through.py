#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Names of a tar that lead through links of the layers below: what comes through one lies where it would in a mounted layer, and never outside."""

import os
import stat
import tarfile

from frame import backing, tap
from frame.daemon import Stage
from frame.layers import apply_error, content, create, differences, directory_of, entry, fill, get, make_tar, put, tar_of
from frame.layouts import Layout, import_error, import_image, unpack
from frame.layouts import tar_of as bytes_of
from frame.tap import case, contains, equal

INVALID = 'org.freedesktop.DBus.Error.InvalidArgs'


def directory(name):
    return entry(name, tarfile.DIRTYPE, mode=0o755, mtime=1500000000), None


def symlink(name, to):
    return entry(name, tarfile.SYMTYPE, linkname=to, mtime=1500000000), None


def hard(name, to):
    return entry(name, tarfile.LNKTYPE, linkname=to), None


def file(name, data=None):
    return entry(name, mode=0o644, mtime=1500000000), (name if data is None else data).encode()


BASE = [directory('usr'), directory('usr/lib'), file('usr/lib/gone'), file('usr/lib/kept'), directory('usr/hidden'), file('usr/hidden/old'),
        directory('etc'), directory('deep'), file('file'),
        symlink('lib', 'usr/lib'), symlink('abs', '/usr/lib'), symlink('up', '../../usr/lib'), symlink('loop', 'loop'), symlink('deep/l', '../usr'),
        symlink('out', '../../../etc'), symlink('root', '/'), symlink('two', 'deep/l/lib'), symlink('dots', './usr/../deep/./l/../usr//lib/'),
        symlink('dangling', 'no/such'), symlink('odd', 'no/../usr/lib'), symlink('hides', 'usr/hidden'), symlink('replaced', 'usr/lib'),
        symlink('other', 'usr/lib'), symlink('to-file', 'file'), symlink('into-file', 'file/x')]
THROUGH = [file('lib/through'), file('abs/a'), file('up/u'), file('deep/l/d'), file('deep/l/lib/deeper'), file('out/o'), file('root/r'), file('two/t'),
        file('dots/dots'), file('dangling/x'), file('odd/odd'), directory('lib/new'), file('abs/new/in'), symlink('lib/s', 'kept'),
        file('lib/.wh.gone', ''), file('hides/.wh..wh..opq', ''), file('hides/young'), hard('hard', 'up/through'), hard('lib/hard', 'usr/lib/u'),
        directory('replaced'), file('replaced/own'), file('other', 'no link')]
LANDED = {'usr/lib/through': 'lib/through', 'usr/lib/a': 'abs/a', 'usr/lib/u': 'up/u', 'usr/d': 'deep/l/d', 'usr/lib/deeper': 'deep/l/lib/deeper', 'etc/o': 'out/o',
        'r': 'root/r', 'usr/lib/t': 'two/t', 'usr/lib/dots': 'dots/dots', 'no/such/x': 'dangling/x', 'usr/lib/odd': 'odd/odd', 'usr/lib/new/in': 'abs/new/in',
        'usr/hidden/young': 'hides/young', 'hard': 'lib/through', 'usr/lib/hard': 'up/u', 'replaced/own': 'replaced/own', 'other': 'no link'}
LINKS = [info.name for info, _ in BASE if info.type == tarfile.SYMTYPE and info.name not in ('replaced', 'other')]


def check(where, own):
    """What is mounted, and what the layer itself has."""
    for name, text in LANDED.items():
        equal(os.path.islink(f'{where}/{name}'), False, name)
        with open(f'{where}/{name}', encoding='utf-8') as seen:
            equal(seen.read(), text, name)
    for info, _ in BASE:
        if info.name in LINKS:
            equal(os.readlink(f'{where}/{info.name}'), info.linkname, info.name)
    equal([name for name in LINKS if os.path.lexists(f'{own}/{name}') and name != 'deep/l'], [], 'links that the layer hides')
    equal(sorted(os.listdir(f'{where}/usr/hidden')), ['young'], 'what the opaque directory hides')
    equal((os.path.lexists(f'{where}/usr/lib/gone'), stat.S_ISCHR(os.lstat(f'{own}/usr/lib/gone').st_mode)), (False, True), 'the whiteout')
    equal((os.listdir(f'{where}/replaced'), os.path.islink(f'{where}/replaced')), (['own'], False), 'a directory in the place of a link')
    equal(os.stat(f'{where}/hard').st_ino, os.stat(f'{where}/usr/lib/through').st_ino, 'one file')


@case('what leads through links of the layer below lies where they lead to')
def landed(daemon):
    create(daemon, 'low')
    fill(daemon, 'low', *BASE)
    create(daemon, 'high', 'low')
    tar = fill(daemon, 'high', *THROUGH)
    check(get(daemon, 'high'), directory_of(daemon, 'high'))
    with open(tar, 'rb') as wanted:
        equal(tar_of(daemon, 'high', 'low') == wanted.read(), True, 'the same tar')
    put(daemon, 'high')


@case('the same through a chain of layers, each of which may have changed what a link leads to')
def chain(daemon):
    create(daemon, 'low')
    fill(daemon, 'low', *BASE)
    create(daemon, 'middle', 'low')
    fill(daemon, 'middle', file('between'), directory('usr/own'), symlink('way', 'lib2'), symlink('lib2', 'abs'), directory('was'), file('.wh.odd', ''), file('.wh.up', ''))
    create(daemon, 'again', 'middle')
    fill(daemon, 'again', symlink('odd', 'no/../usr/lib'), symlink('up', '../../usr/lib'))
    create(daemon, 'high', 'again')
    fill(daemon, 'high', file('way/by-three'), *THROUGH)
    where = get(daemon, 'high')
    check(where, directory_of(daemon, 'high'))
    equal(os.path.exists(f'{where}/usr/lib/by-three'), True, 'through three links')
    put(daemon, 'high')
    # What a layer above has put in the place of a link counts, whiteouts too.
    create(daemon, 'changed', 'low')
    fill(daemon, 'changed', file('.wh.lib', ''), symlink('abs', '/etc'), directory('up'))
    create(daemon, 'top', 'changed')
    fill(daemon, 'top', file('lib/x'), file('abs/x'), file('up/x'), file('two/x'))
    own = directory_of(daemon, 'top')
    equal([name for name in ('lib/x', 'etc/x', 'up/x', 'usr/lib/x') if not os.path.isfile(f'{own}/{name}')], [], 'where they are')
    equal(sorted(os.listdir(own)), ['etc', 'lib', 'up', 'usr'], 'all there is')


@case('what the tar itself has, has removed or hides comes before the links below')
def own_first(daemon):
    create(daemon, 'low')
    fill(daemon, 'low', *BASE)
    create(daemon, 'high', 'low')
    fill(daemon, 'high', file('lib/first'), file('.wh.lib', ''), file('lib/second'), file('deep/.wh..wh..opq', ''), file('deep/l/x'),
            file('.wh.usr', ''), file('abs/third'), file('odd/fourth'))
    own = directory_of(daemon, 'high')
    equal(sorted(f'{top}/{name}'.removeprefix(f'{own}/') for top, _, names in os.walk(own) for name in names),
            ['deep/l/x', 'lib/second', 'usr/lib/first', 'usr/lib/fourth', 'usr/lib/third'], 'where they are')


def refused(daemon, ident, members, *words):
    before = content(directory_of(daemon, ident))
    with open(make_tar(f'{daemon.directory}/refused.tar', *members), 'rb') as tar:
        found, text = apply_error(daemon, ident, tar.fileno())
    equal(found, INVALID, text)
    for word in words:
        contains(text, word)
    equal(differences(content(directory_of(daemon, ident)), before), {}, f'{text}: the layer is as it was')


@case('what leads round, to a file, through a link of the tar or too far is refused, and nothing is written')
def hostile(daemon):
    long = [symlink(f'l{number}', f'l{number + 1}') for number in range(45)] + [directory('l45')]
    wide = [symlink('wide0', '/'.join(['d/..'] * 800)), *[symlink(f'wide{number}', f'wide{number - 1}/' * 30) for number in range(1, 4)]]
    create(daemon, 'low')
    fill(daemon, 'low', *BASE, *long, *wide)
    create(daemon, 'high', 'low')
    for members, *words in [
        ([file('loop/x')], 'loop/x', 'too many links'),
        ([file('l0/x')], 'l0/x', 'too many links'),
        ([file('wide3/x')], 'wide3/x', 'too long a way'),
        ([file('to-file/x')], 'to-file/x', 'file', 'layers below'),
        ([file('into-file/x')], 'into-file/x', 'layers below'),
        ([file('lib/../x')], '..'),
        ([file('out/../x')], '..'),
        ([hard('h', 'lib/../x')], '..'),
        ([hard('h', 'loop/x')], 'h', 'hard link', 'too many links'),
        ([hard('h', 'lib/missing')], 'h: ', 'what the tar does not have before it'),
        ([symlink('mine', 'usr/lib'), file('mine/x')], 'mine/x', 'link'),
        ([symlink('usr', '/etc'), file('lib/x')], 'lib/x', 'link or a file of the tar'),
        ([file('usr/lib', ''), file('abs/x')], 'abs/x', 'link or a file of the tar'),
        ([file('lib/.wh.', '')], 'whiteout'),
    ]:
        refused(daemon, 'high', [file('first'), *members], *words)
    fill(daemon, 'high', file('l10/x'), file('root/root/out/out/o'))
    own = directory_of(daemon, 'high')
    equal(sorted(os.listdir(own)), ['etc', 'l45'], 'through fewer links')
    equal(os.listdir(f'{own}/etc'), ['out'], 'only what is a link is followed')
    equal(os.path.exists('/etc/o'), False, 'the host is as it was')


@case('into a layer that has content links of the layers below are followed, those that it has itself are not')
def over(daemon):
    create(daemon, 'low')
    fill(daemon, 'low', *BASE)
    for ident, *words in (['high'], ['written', '--read-write', '--uid-map', '0-100000-65536', '--gid-map', '0-100000-65536']):
        create(daemon, ident, 'low', *words)
        fill(daemon, ident, file('usr/lib/mine'), symlink('own', 'usr/lib'), symlink('usr/own', 'lib'), symlink('over', 'own'))
        for members in ([file('own/x')], [hard('h', 'own/mine')], [file('usr/own/x')], [file('deep/l/own/x')], [file('over/x')]):
            refused(daemon, ident, members, 'which is a link that the layer itself has')
        fill(daemon, ident, *THROUGH, hard('mine', 'abs/mine'))
        where = get(daemon, ident)
        check(where, directory_of(daemon, ident))
        equal(os.stat(f'{where}/mine').st_ino, os.stat(f'{where}/usr/lib/mine').st_ino, 'a hard link to what the layer has')
        put(daemon, ident)


@case('an image with such layers is mounted as umoci unpacks it')
def as_umoci(daemon):
    layout = Layout(f'{daemon.directory}/layout')
    tars = [bytes_of(*BASE), bytes_of(*THROUGH, directory('no'), directory('no/such'), directory('.')), bytes_of(file('lib/third'), file('two/.wh.kept', ''), file('dangling/y'))]
    # Times of directories that no tar has the last word on are when umoci did it.
    times = [directory(name) for name in ('no/such', 'no', 'usr/lib', 'usr/hidden', 'usr/lib/new', 'usr', 'deep', 'etc', 'replaced', '.')]
    layout.image([*tars, bytes_of(*times)])
    top = import_image(daemon, layout.path, 'v1')
    where = get(daemon, top)
    wanted = content(unpack(layout.path, 'v1', f'{daemon.directory}/bundle'))
    equal(differences(content(where), wanted), {}, 'trees')
    equal('usr/lib/third' in wanted and 'lib' in wanted, True, 'there is something to compare')
    put(daemon, top)
    layout.image([tars[0], bytes_of(file('loop/x'))], 'bad')
    contains(import_error(daemon, layout.path, 'bad'), 'too many links')


if __name__ == '__main__':
    backing.prepare()
    tap.run(Stage)
