#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""ApplyDiff into a layer that has content: the same as the tars extracted one after the other, or nothing of it."""

import contextlib
import os
import shutil
import sqlite3
import stat
import subprocess
import tarfile
import tempfile

from frame import backing, tap
from frame.daemon import LAYERS, Stage
from frame.layers import apply, apply_error, content, differences, directory_of, entry, make_tar
from frame.tap import case, contains, equal

INVALID = 'org.freedesktop.DBus.Error.InvalidArgs'
OLD = 1500000000123456789


def fill(root):
    """What the first tar has."""
    for name in ('kept/deep', 'changed', 'emptied/in', 'gone/in', 'becomes-file/in', 'led/in', 'own'):
        os.makedirs(f'{root}/{name}')
    for name in ('kept/deep/file', 'changed/same', 'changed/other', 'emptied/in/file', 'emptied/file', 'gone/in/file', 'gone-file', 'becomes-file/in/file',
            'becomes-directory', 'led/in/file', 'linked', 'own/one', 'source', 'sparse'):
        with open(f'{root}/{name}', 'wb') as file:
            file.write(name.encode() * 100)
    with open(f'{root}/sparse', 'wb') as file:
        file.truncate(1 << 20)
        file.seek(1 << 19)
        file.write(b'x' * 4096)
    os.link(f'{root}/linked', f'{root}/kept/also')
    os.link(f'{root}/linked', f'{root}/gone/third')
    os.symlink('kept/deep', f'{root}/symlink')
    os.symlink('becomes-directory', f'{root}/other-symlink')
    os.mkfifo(f'{root}/kept/fifo', 0o640)
    os.chmod(f'{root}/kept/deep/file', 0o4755)
    os.setxattr(f'{root}/kept/deep/file', 'user.note', b'kept')
    os.setxattr(f'{root}/led', 'user.note', b'led')
    os.chown(f'{root}/led/in', 12, 34)
    os.chmod(f'{root}/led/in', 0o2710)
    os.chmod(f'{root}/changed', 0o700)
    for top, directories, files in os.walk(root, topdown=False):
        for name in directories + files:
            os.utime(f'{top}/{name}', ns=(1, OLD), follow_symlinks=False)
    os.utime(root, ns=(1, OLD))


def pack(root, path, *names):
    subprocess.run(['bsdtar', '-c', '--format=pax', '--xattrs', '--acls', '-f', path, '-C', root, *(names or '.')], check=True)
    return path


SECOND = [
        (entry('changed', tarfile.DIRTYPE, mode=0o2751, uid=5, gid=6, mtime=1600000000), None),
        (entry('changed/same', mode=0o600, uid=7, mtime=1600000001), b'changed now'),
        (entry('changed/added', mode=0o444, mtime=1600000002), b'added'),
        (entry('becomes-file', mode=0o640, mtime=1600000003), b'a file'),
        (entry('becomes-directory', tarfile.DIRTYPE, mode=0o711, mtime=1600000004), None),
        (entry('becomes-directory/file', mtime=1600000005), b'in it'),
        (entry('led/in/file', mode=0o644, mtime=1600000006), b'another'),
        (entry('other-symlink', mode=0o644, mtime=1600000007), b'no link'),
        # A hard link to what was there, then something else of that name: the former stays what it was.
        (entry('hard', tarfile.LNKTYPE, linkname='source'), None),
        (entry('hard-too', tarfile.LNKTYPE, linkname='hard'), None),
        (entry('symlink', tarfile.LNKTYPE, linkname='kept/deep/file'), None),
        (entry('twice', tarfile.LNKTYPE, linkname='source'), None),
        (entry('twice', tarfile.LNKTYPE, linkname='kept/also'), None),
        (entry('source', mode=0o600, uid=9, mtime=1600000008), b'a new source'),
        (entry('emptied/.wh..wh..opq'), b''),
        (entry('emptied/new', mtime=1600000009), b'new'),
        (entry('.wh.gone'), b''),
        (entry('.wh.gone-file'), b''),
        (entry('.wh.never-there'), b''),
        (entry('own/.wh.one'), b''),
        (entry('own/two', mtime=1600000010), b'two'),
        (entry('own/.wh..wh..opq'), b''),
        (entry('again', mtime=1600000011), b'first'),
        (entry('again', mtime=1600000012), b'second'),
]


def by_hand(root):
    """The second tar over what is there."""
    shutil.rmtree(f'{root}/emptied/in')
    os.unlink(f'{root}/emptied/file')
    os.unlink(f'{root}/gone-file')
    shutil.rmtree(f'{root}/gone')
    os.unlink(f'{root}/own/one')
    shutil.rmtree(f'{root}/becomes-file')
    os.unlink(f'{root}/becomes-directory')
    os.unlink(f'{root}/other-symlink')
    os.link(f'{root}/source', f'{root}/hard')
    os.link(f'{root}/source', f'{root}/hard-too')
    os.unlink(f'{root}/source')
    os.unlink(f'{root}/symlink')
    os.link(f'{root}/kept/deep/file', f'{root}/symlink')
    os.link(f'{root}/kept/also', f'{root}/twice')
    for name in ('kept/deep', 'kept'):
        os.utime(f'{root}/{name}', ns=(1, OLD))
    path = make_tar(f'{root}.tar', *[(member, data) for member, data in SECOND if '.wh.' not in member.name and member.type != tarfile.LNKTYPE])
    subprocess.run(['bsdtar', '-x', '-p', '--xattrs', '--acls', '-f', path, '-C', root], check=True)
    os.utime(f'{root}/changed', (1600000000, 1600000000))
    for name in ('emptied', 'led', 'led/in', 'own', '.'):  # which the tar only leads through
        os.utime(f'{root}/{name}', ns=(1, OLD))


def shown(daemon, ident):
    where = daemon.ok('layer', 'get', ident).strip()
    found = content(where)
    daemon.ok('layer', 'put', ident)
    return found


@case('two tars are what they are when they are extracted one after the other, in a layer that stands on none')
def base(daemon):
    root = f'{daemon.directory}/source'
    os.mkdir(root)
    fill(root)
    for words in ([], ['--read-write']):
        ident = f'base{len(words)}'
        daemon.ok('layer', 'create', '--id', ident, *words)
        daemon.ok('layer', 'apply', ident, pack(root, f'{daemon.directory}/first.tar'))
        with open(make_tar(f'{daemon.directory}/second.tar', *SECOND), 'rb') as tar:
            equal(apply(daemon, ident, tar.fileno()), sum(len(data or b'') for _, data in SECOND), 'bytes')
        equal(sorted(os.listdir(f'{daemon.directory}/state/layers/{ident}')), ['diff', 'meta', 'work'], 'what lies beside it')
    by_hand(root)
    for ident in ('base0', 'base1'):
        equal(differences(content(directory_of(daemon, ident)), content(root)), {}, 'trees')
        equal(differences(shown(daemon, ident), content(root)), {}, 'what is mounted')
    equal(os.stat(f'{directory_of(daemon, "base0")}/sparse').st_blocks < 1000, True, 'a hole')
    daemon.restart()
    equal(differences(shown(daemon, 'base0'), content(root)), {}, 'after a restart')


@case('on another layer whiteouts stay, and directories that hid what is below still do')
def layered(daemon):
    daemon.ok('layer', 'create', '--id', 'low')
    low = make_tar(f'{daemon.directory}/low.tar', *[(f'{name}/low', name.encode()) for name in
            ('opaque', 'white', 'file', 'plain', 'hidden', 'late', 'stays')], ('gone', b'1'), ('gone-later', b'2'), ('back', b'3'))
    daemon.ok('layer', 'apply', 'low', low)
    daemon.ok('layer', 'create', '--id', 'top', '--parent', 'low')
    first = make_tar(f'{daemon.directory}/1.tar', ('opaque/.wh..wh..opq', b''), ('opaque/mine', b'1'), ('.wh.white', b''), ('file', b'a file over a directory'),
            ('.wh.gone', b''), ('.wh.back', b''), ('hidden/mine', b'2'), ('late/mine', b'3'), ('mine', b'4'), ('plain/.wh.low', b''), ('stays/mine', b'5'))
    daemon.ok('layer', 'apply', 'top', first)
    second = make_tar(f'{daemon.directory}/2.tar', ('opaque/second', b'6'), ('white/second', b'7'), (entry('file', tarfile.DIRTYPE, mode=0o755), None),
            ('file/second', b'8'), ('.wh.gone-later', b''), ('back', b'back'), ('hidden/.wh..wh..opq', b''), ('hidden/second', b'9'), ('.wh.late', b''),
            ('.wh.mine', b''), ('stays/second', b'10'))
    daemon.ok('layer', 'apply', 'top', second)
    where = daemon.ok('layer', 'get', 'top').strip()
    equal({name: sorted(os.listdir(f'{where}/{name}')) if os.path.isdir(f'{where}/{name}') else open(f'{where}/{name}').read() for name in os.listdir(where)},
            {'opaque': ['mine', 'second'], 'white': ['second'], 'file': ['second'], 'plain': [], 'back': 'back', 'hidden': ['second'],
            'stays': ['low', 'mine', 'second']}, 'what is seen')
    daemon.ok('layer', 'put', 'top')
    top = directory_of(daemon, 'top')
    whiteouts = [name for name in os.listdir(top) if stat.S_ISCHR(os.lstat(f'{top}/{name}').st_mode)]
    equal(sorted(whiteouts), ['gone', 'gone-later', 'late'], 'whiteouts')
    with os.fdopen(daemon.call(LAYERS, 'Diff', 'ssa{sv}', 'top', 'low', {}).take(), 'rb') as tar, tarfile.open(fileobj=tar, mode='r|') as diff:
        equal('white/second' in {member.name for member in diff}, True, 'Diff')


@case('a tar that fails leaves the layer as it was, with its record, and its files with one name each')
def failed(daemon):
    root = f'{daemon.directory}/source'
    os.mkdir(root)
    fill(root)
    os.unlink(f'{root}/sparse')  # there is no record of a tar with holes
    os.utime(root, ns=(1, OLD))
    daemon.ok('layer', 'create', '--id', 'f')
    first = pack(root, f'{daemon.directory}/first.tar')
    daemon.ok('layer', 'apply', 'f', first)
    place = directory_of(daemon, 'f')
    before, links = content(place), os.stat(f'{place}/kept/deep/file').st_nlink
    good = open(make_tar(f'{daemon.directory}/good.tar', *SECOND), 'rb').read()
    for members, *words in [([('../x', b'')], '..'), ([(entry('hard', tarfile.LNKTYPE, linkname='missing'), None)], 'hard', 'missing'),
            ([(entry('to', tarfile.LNKTYPE, linkname='kept'), None)], 'to', 'directory'),
            ([(entry('to', tarfile.LNKTYPE, linkname='symlink/file'), None)], 'symlink')]:
        with open(make_tar(f'{daemon.directory}/bad.tar', *SECOND, *members), 'rb') as tar:
            name, text = apply_error(daemon, 'f', tar.fileno())
        equal(name, INVALID, text)
        for word in words:
            contains(text, word)
        equal(differences(content(place), before), {}, text)
    with open(f'{daemon.directory}/cut.tar', 'w+b') as tar:
        tar.write(good[:len(good) // 2])
        tar.seek(0)
        equal(apply_error(daemon, 'f', tar.fileno())[0], INVALID, 'cut off')
    equal(differences(content(place), before), {}, 'as it was')
    equal(os.stat(f'{place}/kept/deep/file').st_nlink, links, 'links')
    equal(sorted(os.listdir(f'{daemon.directory}/state/layers/f')), ['diff', 'meta', 'tar-split', 'work'], 'what lies beside it')
    with os.fdopen(daemon.call(LAYERS, 'Diff', 'ssa{sv}', 'f', '', {}).take(), 'rb') as tar:
        equal(tar.read() == open(first, 'rb').read(), True, 'the tar again')
    daemon.ok('layer', 'apply', 'f', f'{daemon.directory}/good.tar')
    by_hand(root)
    equal(differences(content(place), content(root)), {}, 'after all')


@case('a file with more names than it may have twice is copied, and stays one file as far as it can')
def many_names(daemon):
    root = f'{daemon.directory}/names'
    os.mkdir(root)
    with open(f'{root}/0', 'wb') as file:
        file.write(b'x' * 1000)
    os.setxattr(f'{root}/0', 'user.note', b'many')
    os.chown(f'{root}/0', 3, 4)
    os.utime(f'{root}/0', ns=(OLD, OLD))
    for number in range(1, 34000):
        os.link(f'{root}/0', f'{root}/{number}')
    daemon.ok('layer', 'create', '--id', 'many')
    daemon.ok('layer', 'apply', 'many', pack(root, f'{daemon.directory}/many.tar'))
    daemon.ok('layer', 'apply', 'many', make_tar(f'{daemon.directory}/more.tar', ('more', b'1')))
    place, seen = directory_of(daemon, 'many'), {}
    for name in os.listdir(place):
        if name != 'more':
            seen.setdefault(os.lstat(f'{place}/{name}').st_ino, []).append(name)
    tap.diagnose(f'{[len(names) for names in seen.values()]} names of {len(seen)} files')
    equal(sum(len(names) for names in seen.values()), 34000, 'names')
    equal(len(seen) <= 2, True, 'files')
    for names in seen.values():
        info = os.stat(f'{place}/{names[0]}')
        equal((info.st_uid, info.st_gid, info.st_mtime_ns, open(f'{place}/{names[0]}').read(), os.getxattr(f'{place}/{names[0]}', 'user.note')),
                (3, 4, OLD, 'x' * 1000, b'many'), 'each of them')


@case('directories of any depth that a tar has are gone over, and sizes are those of what is there')
def deep(daemon):
    name = '/'.join(['d' * 100] * 60)
    daemon.ok('layer', 'create', '--id', 'deep')
    daemon.ok('layer', 'apply', 'deep', make_tar(f'{daemon.directory}/deep.tar', (f'{name}/file', b'deep')))
    daemon.ok('layer', 'apply', 'deep', make_tar(f'{daemon.directory}/deeper.tar', (f'{name}/other', b'deeper'), ('top', b'1')))
    equal(int(daemon.ok('layer', 'size', 'deep', '--parent', '')), 11, 'bytes')
    with os.fdopen(daemon.call(LAYERS, 'Diff', 'ssa{sv}', 'deep', '', {}).take(), 'rb') as tar, tarfile.open(fileobj=tar, mode='r|') as diff:
        names = {member.name for member in diff}
    equal([f'{name}/{last}' in names for last in ('file', 'other')], [True, True], 'both')


@case('what a container wrote into a read-write layer is content like any other, by its ids on the host')
def written(daemon):
    daemon.ok('layer', 'create', '--id', 'low')
    daemon.ok('layer', 'apply', 'low', make_tar(f'{daemon.directory}/low.tar', (entry('directory', tarfile.DIRTYPE, mode=0o755), None), ('directory/file', b'low'),
            ('directory/gone', b'low'), ('other/file', b'low')))
    daemon.ok('layer', 'create', '--id', 'own', '--parent', 'low', '--read-write', '--uid-map', '0-100000-1000', '--gid-map', '0-300000-1000')
    where = daemon.ok('layer', 'get', 'own').strip()
    os.unlink(f'{where}/directory/gone')
    os.makedirs(f'{where}/private')
    for name in ('directory/written', 'private/file'):
        with open(f'{where}/{name}', 'w') as file:
            file.write('written')
        os.chown(f'{where}/{name}', 100007, 300008)
    os.chown(f'{where}/private', 100007, 300008)
    os.chmod(f'{where}/private', 0o2750)
    os.setxattr(f'{where}/private', 'trusted.note', b'root\'s')
    daemon.ok('layer', 'put', 'own')
    daemon.ok('layer', 'apply', 'own', make_tar(f'{daemon.directory}/own.tar', (entry('private/added', uid=5, gid=6), b'added'), ('directory/file', b'mine')))
    where = daemon.ok('layer', 'get', 'own').strip()
    equal({name: open(f'{where}/{name}').read() for name in ('directory/file', 'directory/written', 'private/file', 'private/added', 'other/file')},
            {'directory/file': 'mine', 'directory/written': 'written', 'private/file': 'written', 'private/added': 'added', 'other/file': 'low'}, 'files')
    equal(os.path.exists(f'{where}/directory/gone'), False, 'what was removed')
    equal([(os.stat(f'{where}/{name}').st_uid, os.stat(f'{where}/{name}').st_gid, oct(os.stat(f'{where}/{name}').st_mode & 0o7777)) for name in ('private', 'private/file',
            'private/added')], [(100007, 300008, '0o2750'), (100007, 300008, '0o644'), (100005, 300006, '0o644')], 'owners and modes')
    equal(os.getxattr(f'{where}/private', 'trusted.note'), b'root\'s', 'root\'s attribute')
    with open(f'{where}/private/file', 'a') as file:
        file.write(', and more')
    daemon.ok('layer', 'put', 'own')


def put(daemon, ident, *members):
    path = make_tar(f'{daemon.directory}/{ident}.tar', *members)
    with open(path, 'rb') as tar:
        return apply(daemon, ident, tar.fileno())


def figure(daemon, ident):
    """What is charged of it, by a copy of the records: podmountd has them locked."""
    copy = tempfile.mkdtemp(dir=daemon.directory)
    for name in ('layers.db', 'layers.db-wal'):
        shutil.copy(f'{daemon.directory}/state/records/{name}', copy)
    with contextlib.closing(sqlite3.connect(f'{copy}/layers.db')) as db:
        return db.execute('SELECT bytes FROM layer WHERE id = ?', (ident,)).fetchone()[0]


@case('a file counts once, whatever name a tar has left it, and so do its attributes')
def counted(daemon):
    daemon.ok('layer', 'create', '--id', 'base')
    put(daemon, 'base', (entry('a'), b'x' * 1000000), (entry('attributes', pax_headers={'SCHILY.xattr.user.x': 'y' * 2000}), b''))
    before = figure(daemon, 'base')
    equal(before >= 1002000, True, f'bytes: {before}')
    put(daemon, 'base', (entry('b', tarfile.LNKTYPE, linkname='a'), None), (entry('.wh.a'), b''))
    equal(1002000 <= figure(daemon, 'base') < before + 10000, True, f'bytes: {figure(daemon, "base")}, before {before}')
    put(daemon, 'base', (entry('c', tarfile.LNKTYPE, linkname='b'), None))
    equal(1002000 <= figure(daemon, 'base') < before + 10000, True, f'bytes: {figure(daemon, "base")}, before {before}')
    equal(os.stat(f'{directory_of(daemon, "base")}/c').st_nlink, 2, 'names')


@case('a hard link is to what the tar means by its name, and to no whiteout')
def meant(daemon):
    daemon.ok('layer', 'create', '--id', 'base')
    put(daemon, 'base', (entry('x'), b'old x'), (entry('t'), b't'), (entry('gone'), b'gone'))
    put(daemon, 'base', (entry('x', tarfile.LNKTYPE, linkname='t'), None), (entry('z', tarfile.LNKTYPE, linkname='x'), None))
    with open(f'{directory_of(daemon, "base")}/z', 'rb') as file:
        equal(file.read(), b't', 'z')
    put(daemon, 'base', (entry('.wh.gone'), b''), (entry('again', tarfile.LNKTYPE, linkname='gone'), None))
    with open(f'{directory_of(daemon, "base")}/again', 'rb') as file:
        equal(file.read(), b'gone', 'the link to what the layer had')
    daemon.ok('layer', 'create', '--id', 'top', '--parent', 'base')
    put(daemon, 'top', (entry('.wh.t'), b''), (entry('own'), b'own'))
    path = make_tar(f'{daemon.directory}/wrong.tar', (entry('x', tarfile.LNKTYPE, linkname='t'), None))
    with open(path, 'rb') as tar:
        name, text = apply_error(daemon, 'top', tar.fileno())
    equal(name, INVALID, text)
    put(daemon, 'top', (entry('x', tarfile.LNKTYPE, linkname='own'), None), (entry('.wh.x'), b''))
    with open(f'{directory_of(daemon, "top")}/x', 'rb') as file:
        equal(file.read(), b'own', 'what the tar has under a name stays, whatever whiteout comes')


if __name__ == '__main__':
    backing.prepare()
    tap.run(Stage)
