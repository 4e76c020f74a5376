#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hard links of a tar to what only the layers below have: that is copied into the layer, once, as if the tar were extracted over them."""

import io
import os
import stat
import struct
import subprocess
import tarfile

from frame import backing, host, tap
from frame.daemon import ERROR, Stage
from frame.layers import apply, apply_error, content, create, differences, directory_of, entry, fill, get, make_tar, put, tar_of
from frame.layouts import Layout, import_error, import_image, unpack
from frame.layouts import tar_of as bytes_of
from frame.tap import case, contains, equal

INVALID = 'org.freedesktop.DBus.Error.InvalidArgs'
TIME = 1500000000.123456789
ACL = struct.pack('<IHHIHHIHHIHHIHHI', 2, 1, 6, 2 ** 32 - 1, 2, 5, 1234, 4, 4, 2 ** 32 - 1, 16, 5, 2 ** 32 - 1, 32, 0, 2 ** 32 - 1)
CAPABILITY = struct.pack('<IIIII', 0x02000001, 1 << 10, 0, 0, 0)


def directory(name, **more):
    return entry(name, tarfile.DIRTYPE, **{'mode': 0o755, 'mtime': TIME, **more}), None


def symlink(name, to):
    return entry(name, tarfile.SYMTYPE, linkname=to, mtime=TIME), None


def hard(name, to):
    return entry(name, tarfile.LNKTYPE, linkname=to, mode=0o644, mtime=TIME), None


def file(name, data=None, **more):
    return entry(name, **{'mode': 0o644, 'mtime': TIME, **more}), (name if data is None else data).encode()


def names_of(where):
    """Names that are no directories, with those that are one file together."""
    found = {}
    for top, _, names in os.walk(where):
        for name in names:
            path = os.path.join(top, name)
            found.setdefault(os.lstat(path).st_ino, []).append(os.path.relpath(path, where))
    return sorted(sorted(names) for names in found.values())


def text(path):
    with open(path, encoding='utf-8') as seen:
        return seen.read()


def refused(daemon, ident, members, *words, error=INVALID):
    before = content(directory_of(daemon, ident))
    with open(make_tar(f'{daemon.directory}/refused.tar', *members), 'rb') as tar:
        found, said = apply_error(daemon, ident, tar.fileno())
    equal(found, error, said)
    for word in words:
        contains(said, word)
    equal(differences(content(directory_of(daemon, ident)), before), {}, f'{said}: the layer is as it was')
    equal(os.path.exists(f'{daemon.directory}/state/layers/{ident}/.apply'), False, f'{said}: nothing stays')


def about(path):
    """All of an entry but which names it has."""
    info = os.lstat(path)
    return (stat.filemode(info.st_mode), info.st_uid, info.st_gid, info.st_mtime_ns, info.st_atime_ns if stat.S_ISREG(info.st_mode) else 0, info.st_size,
            [(key, os.getxattr(path, key, follow_symlinks=False)) for key in sorted(os.listxattr(path, follow_symlinks=False))])


def all_sorts(daemon, ident, *words):
    """A layer with something of each sort, in directories that have attributes of their own."""
    source = f'{daemon.directory}/source'
    os.makedirs(f'{source}/way/deep')
    with open(f'{source}/way/deep/file', 'wb') as out:
        os.truncate(out.fileno(), 64 << 20)
        os.pwrite(out.fileno(), b'begin' * 1000, 1 << 20)
        os.pwrite(out.fileno(), os.urandom(300000), 32 << 20)
    os.mkfifo(f'{source}/way/fifo')
    os.symlink('no/where', f'{source}/way/symlink')
    os.mknod(f'{source}/way/device', stat.S_IFCHR | 0o600, os.makedev(1, 7))
    open(f'{source}/way/empty', 'wb').close()
    for number, name in enumerate(['way/deep/file', 'way/fifo', 'way/symlink', 'way/device', 'way/empty', 'way/deep', 'way', '.']):
        path = f'{source}/{name}'
        os.chown(path, 100 + number, 200 + number, follow_symlinks=False)
        if name != 'way/symlink':
            os.chmod(path, 0o1711 if os.path.isdir(path) else 0o4750)
    for name in ('way/deep/file', 'way/deep', 'way'):
        os.setxattr(f'{source}/{name}', 'user.note', name.encode())
        os.setxattr(f'{source}/{name}', 'system.posix_acl_access', ACL)
    os.setxattr(f'{source}/way/deep', 'system.posix_acl_default', ACL)
    os.setxattr(f'{source}/way/deep/file', 'security.capability', CAPABILITY)
    for number, name in enumerate(['way/deep/file', 'way/fifo', 'way/symlink', 'way/device', 'way/empty', 'way/deep', 'way', '.']):
        os.utime(f'{source}/{name}', ns=(1400000000123456789, 1500000000123456789 + number), follow_symlinks=False)
    create(daemon, ident, None, *words)
    path = f'{daemon.directory}/{ident}.tar'
    subprocess.run(['bsdtar', '-c', '--format=pax', '--xattrs', '--acls', '--read-sparse', '-f', path, '-C', source, '.'], check=True)
    with open(path, 'rb') as tar:
        apply(daemon, ident, tar.fileno())


SORTS = ['way/deep/file', 'way/fifo', 'way/symlink', 'way/device', 'way/empty']


def same_again(daemon, ident, base, *words):
    """What Diff tells of a layer, put over what it stands on once more, is the same."""
    wanted = content(get(daemon, ident))
    put(daemon, ident)
    tar = f'{daemon.directory}/{ident}-again.tar'
    with open(tar, 'wb') as out:
        out.write(tar_of(daemon, ident, base))
    create(daemon, f'{ident}-again', base, *words)
    with open(tar, 'rb') as again:
        apply(daemon, f'{ident}-again', again.fileno())
    equal(differences(content(get(daemon, f'{ident}-again')), wanted), {}, f'{ident} again')
    put(daemon, f'{ident}-again')


def told(daemon, ident):
    """What Diff says of all but the root directory, of which the tar has said nothing."""
    with tarfile.open(fileobj=io.BytesIO(tar_of(daemon, ident, 'low'))) as tar:
        return [(member.name, member.type, member.mode, member.uid, member.gid, member.size, member.linkname, member.pax_headers) for member in tar if member.name != '.']


@case('all that is linked to is copied with all that it has, once, and the directories on the way are')
def copied(daemon):
    all_sorts(daemon, 'low')
    low = directory_of(daemon, 'low')
    for ident, *words in (['high'], ['written', '--read-write'], ['over']):
        create(daemon, ident, 'low', *words)
        if ident == 'over':
            fill(daemon, ident, file('own'))
        path = make_tar(f'{daemon.directory}/links.tar', directory('links'), *[hard(f'links/{number}', name) for number, name in enumerate(SORTS)],
                *[hard(f'links/again-{number}', name) for number, name in enumerate(SORTS)], file('new', 'new'))
        with open(path, 'rb') as tar:
            equal(apply(daemon, ident, tar.fileno()), 3, 'bytes that the files of the tar have')
        own = directory_of(daemon, ident)
        for number, name in enumerate(SORTS):
            equal(about(f'{own}/{name}'), about(f'{low}/{name}'), f'{ident}: {name}')
            equal(os.lstat(f'{own}/{name}').st_nlink, 3, f'{ident}: names of {name}')
            equal({os.lstat(f'{own}/links/{link}').st_ino for link in (number, f'again-{number}')}, {os.lstat(f'{own}/{name}').st_ino}, f'{ident}: {name} is one file')
        for name in ('way/deep', 'way'):
            seen = about(f'{own}/{name}')
            equal((*seen[:4], seen[6]), (*about(f'{low}/{name}')[:4], about(f'{low}/{name}')[6]), f'{ident}: {name}')
        equal(os.stat(f'{own}/way/deep/file').st_blocks * 512 < 4 << 20, True, f'{ident}: holes')
        equal(content(f'{own}/way')['deep/file'].split()[5], content(f'{low}/way')['deep/file'].split()[5], f'{ident}: bytes')
        equal(os.lstat(f'{low}/way/deep/file').st_nlink, 1, 'the layer below is as it was')
        same_again(daemon, ident, 'low', *words)
    if not backing.maps_acls(host.DIRECTORY):
        return
    create(daemon, 'mapped', 'low', '--read-write', '--uid-map', '0-100000-65536', '--gid-map', '0-100000-65536')
    with open(f'{daemon.directory}/links.tar', 'rb') as tar:
        apply(daemon, 'mapped', tar.fileno())
    own = f'{directory_of(daemon, "mapped")}/way/deep/file'
    equal((os.stat(own).st_uid, os.stat(own).st_gid), (100100, 100200), 'owner')
    equal(os.getxattr(own, 'system.posix_acl_access'), ACL.replace(struct.pack('<I', 1234), struct.pack('<I', 101234)), 'ACL')
    equal(told(daemon, 'mapped'), told(daemon, 'written'), 'what a container sees of either')


BASE = [directory('d'), directory('d/e'), *[file(name) for name in ('a', 'b', 'c', 'd/a', 'd/b', 'd/e/a', 'gone')], hard('same', 'a'), symlink('s', 'd'), directory('o'), file('o/a')]


@case('what the tar has, removes or hides before and after a link comes out as in a sequence')
def in_sequence(daemon):
    create(daemon, 'low')
    fill(daemon, 'low', *BASE)
    for number, (members, wanted) in enumerate([
        ([hard('h', 'a'), file('.wh.a', '')], [['a'], ['h']]),  # a whiteout and the copy
        ([hard('h', 'd/a'), file('.wh.d', '')], [['d'], ['h']]),
        ([hard('h', 'd/e/a'), file('d/.wh.e', '')], [['d/e'], ['h']]),
        ([hard('h', 'd/a'), file('d/.wh..wh..opq', '')], [['h']]),
        ([hard('d/h', 'd/a'), file('d/.wh..wh..opq', '')], [['d/h']]),
        ([hard('h', 'd/a'), file('.wh.d', ''), file('d/new'), directory('d')], [['d/new'], ['h']]),
        ([hard('h', 'a'), file('a', 'other')], [['a'], ['h']]),
        ([hard('h', 'd/a'), file('d', 'other')], [['d'], ['h']]),
        ([hard('h', 'd/a'), file('d', 'other'), directory('d')], [['h']]),
        ([hard('h', 'a'), directory('a')], [['h']]),
        ([hard('h', 'a'), hard('a', 'b')], [['a', 'b'], ['h']]),
        ([hard('a', 'b'), hard('h', 'a')], [['a', 'b', 'h']]),
        ([hard('h', 'a'), file('h', 'other'), hard('i', 'a')], [['a', 'i'], ['h']]),
        ([hard('h', 'a'), file('.wh.a', ''), hard('i', 'h')], [['a'], ['h', 'i']]),
        ([file('a', 'other'), hard('h', 'a')], [['a', 'h']]),
        ([hard('h', 'a'), hard('i', 'same')], [['a', 'h', 'i', 'same']]),  # two names of one file below
        ([hard('s/h', 's/a')], [['d/a', 'd/h']]),
        ([hard('h', 's')], [['h', 's']]),  # the link itself
        ([hard('d/h', 'd/a'), directory('d', mode=0o700)], [['d/a', 'd/h']]),
        ([file('d/new'), hard('d/e/h', 'd/b')], [['d/b', 'd/e/h'], ['d/new']]),
    ]):
        ident = f'high{number}'
        create(daemon, ident, 'low')
        tar = fill(daemon, ident, *members)
        equal(names_of(directory_of(daemon, ident)), wanted, str([info.name for info, _ in members]))
        where = get(daemon, ident)
        if os.path.isfile(f'{where}/h') and members[0][0].name == 'h':
            equal(text(f'{where}/h'), 'other' if ('h', 'other') in [(info.name, (data or b'').decode()) for info, data in members] else members[0][0].linkname, tar)
        put(daemon, ident)
        same_again(daemon, ident, 'low')
    equal(os.stat(f'{directory_of(daemon, "high18")}/d').st_mode & 0o777, 0o700, 'what the tar says of a directory')
    create(daemon, 'none', 'low')
    for members in ([file('.wh.a', ''), hard('h', 'a')], [file('.wh.d', ''), hard('h', 'd/a')], [file('d/.wh..wh..opq', ''), hard('h', 'd/e/a')],
            [file('d', 'other'), hard('h', 'd/a')], [symlink('d', 'o'), hard('h', 'd/a')], [directory('a'), hard('h', 'a')], [hard('h', 'd')], [hard('h', 'missing')], [hard('h', '.')],
            [hard('d', 'd/a')], [hard('a/h', 'a')], [file('.wh.d', ''), file('d/new'), hard('h', 'd/a')]):
        refused(daemon, 'none', [file('first'), *members], members[-1][0].name, 'hard link')


@case('layers in between hide what they remove, and give what they have')
def chain(daemon):
    create(daemon, 'low')
    fill(daemon, 'low', *BASE)
    create(daemon, 'middle', 'low')
    fill(daemon, 'middle', file('.wh.gone', ''), file('b', 'of the middle'), file('d/.wh..wh..opq', ''), file('d/new'), file('.wh.o', ''), file('o/young'), symlink('way', 's'))
    create(daemon, 'top', 'middle')
    for name in ('gone', 'd/a', 'd/e/a', 's/a', 'o/a'):
        refused(daemon, 'top', [hard('h', name)], 'h: ', 'the layers below')
    fill(daemon, 'top', hard('h', 'b'), hard('i', 'way/new'), hard('j', 'o/young'), hard('k', 'c'))
    equal(names_of(directory_of(daemon, 'top')), [['b', 'h'], ['c', 'k'], ['d/new', 'i'], ['j', 'o/young']], 'names')
    where = get(daemon, 'top')
    equal([text(f'{where}/{name}') for name in 'hijk'], ['of the middle', 'd/new', 'o/young', 'c'], 'what is linked to')
    put(daemon, 'top')
    same_again(daemon, 'top', 'middle')


@case('into a layer that has content, with ids mapped or not: what the layer has comes before what is below')
def over(daemon):
    create(daemon, 'low')
    fill(daemon, 'low', *BASE, file('owned', uid=1234, gid=4321), file('strange', uid=70000), directory('strangers', uid=70000, mode=0o700),
            file('strangers/file'))
    mapping = ['--read-write', '--uid-map', '0-100000-65536', '--gid-map', '0-100000-65536']
    for ident, *words in (['high'], ['written', *mapping]):
        shift = 100000 if words else 0
        create(daemon, ident, 'low', *words)
        fill(daemon, ident, file('b', 'own'), file('.wh.gone', ''), file('d/own'), file('o/.wh..wh..opq', ''))
        own = directory_of(daemon, ident)
        for name in ('gone', 'o/a'):
            refused(daemon, ident, [hard('h', name)], 'h: ', 'hard link')
        for name in ('strange', 'strangers/file') if words else ():
            refused(daemon, ident, [hard('h', name)], 'the owner of the', name, 'is not in the uid-map or gid-map')
        fill(daemon, ident, hard('h', 'b'), hard('i', 'd/a'), hard('j', 'd/own'), hard('k', 'owned'), hard('l', 'i'))
        equal(names_of(own), [['b', 'h'], ['d/a', 'i', 'l'], ['d/own', 'j'], ['gone'], ['k', 'owned']], f'{ident}: names')
        equal([text(f'{own}/{name}') for name in 'hij'], ['own', 'd/a', 'd/own'], f'{ident}: what is linked to')
        equal((os.stat(f'{own}/k').st_uid, os.stat(f'{own}/k').st_gid), (1234 + shift, 4321 + shift), f'{ident}: owner')
        # A link that is made when the two are put over each other is what its name means from then on.
        fill(daemon, ident, hard('a', 'b'), hard('m', 'a'), hard('n', 'c'), hard('c', 'b'), hard('p', 'c'))
        equal(names_of(own), [['a', 'b', 'c', 'h', 'm', 'p'], ['d/a', 'i', 'l'], ['d/own', 'j'], ['gone'], ['k', 'owned'], ['n']], f'{ident}: names')
        equal(text(f'{own}/n'), 'c', f'{ident}: what it was when it was linked to')
        fill(daemon, ident, hard('q', 'same'), file('.wh.same', ''))
        equal((text(f'{own}/q'), stat.S_ISCHR(os.lstat(f'{own}/same').st_mode)), ('a', True), f'{ident}: a whiteout after that')
        same_again(daemon, ident, 'low', *words)


@case('what only root could have written into a layer, a redirect or a metacopy, is refused')
def distrusted(daemon):
    create(daemon, 'low')
    fill(daemon, 'low', *BASE)
    create(daemon, 'middle', 'low')
    fill(daemon, 'middle', directory('moved'), file('meta', 'd/a'))
    os.setxattr(f'{directory_of(daemon, "middle")}/moved', 'trusted.overlay.redirect', b'/d')
    os.setxattr(f'{directory_of(daemon, "middle")}/meta', 'trusted.overlay.metacopy', b'')
    os.setxattr(f'{directory_of(daemon, "middle")}/meta', 'trusted.overlay.redirect', b'/d/a')
    create(daemon, 'top', 'middle')
    for name in ('moved/a', 'meta'):
        refused(daemon, 'top', [hard('h', name)], 'h: ', 'redirect or metacopy', error=ERROR + 'NotSupported')


@case('an image whose layers link to what is below is mounted as umoci unpacks it, and its tars come out again')
def as_umoci(daemon):
    layout = Layout(f'{daemon.directory}/layout')
    first = bytes_of(directory('.'), *BASE, file('set-id', mode=0o4755, uid=5, gid=6, pax_headers={'SCHILY.xattr.user.note': 'kept'}))
    second = bytes_of(hard('h', 'b'), hard('d/h', 'd/e/a'), hard('i', 'set-id'), hard('gone-too', 'gone'), file('.wh.gone', ''), hard('c2', 'c'), file('c', 'another'),
            directory('.'), directory('d'), directory('d/e'))
    third = bytes_of(hard('j', 'c2'), hard('k', 'd/a'), file('d/.wh.a', ''), hard('l', 'o/a'), file('o/.wh..wh..opq', ''), file('o/b'),
            directory('.'), directory('d'), directory('o'))
    layout.image([first, second, third])
    top = import_image(daemon, layout.path, 'v1')
    where = get(daemon, top)
    wanted = content(unpack(layout.path, 'v1', f'{daemon.directory}/bundle'))
    equal(differences(content(where), wanted), {}, 'trees')
    equal([name in wanted for name in ('h', 'd/h', 'i', 'j', 'k', 'l', 'gone', 'd/a', 'o/a')], [True] * 6 + [False] * 3, 'there is something to compare')
    put(daemon, top)
    below = next(layer['Parent'] for layer in daemon.json('layer', 'list') if layer['ID'] == top)
    equal(tar_of(daemon, top, below) == third, True, 'the tar of the image again')
    layout.image([first, bytes_of(file('.wh.b', ''), hard('h', 'b'))], 'bad')
    contains(import_error(daemon, layout.path, 'bad'), 'hard link')


if __name__ == '__main__':
    backing.prepare()
    tap.run(Stage)
