#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""ApplyDiff: what a tar has becomes what a layer has, all of it or nothing, whatever the tar is made of."""

import contextlib
import gzip
import hashlib
import lzma
import os
import sqlite3
import stat
import struct
import subprocess
import tarfile
import threading
import time

from frame import backing, host, tap
from frame.daemon import ERROR, LAYERS, Stage
from frame.layers import apply, apply_error, content, differences, directory_of, entry, make_tar, tar_of
from frame.tap import case, contains, equal, eventually


@case('files, directories, links, FIFOs and attributes of a tar are what the layer has, compressed or not')
def plain(daemon):
    source = f'{daemon.directory}/source'
    os.makedirs(f'{source}/usr/bin')
    with open(f'{source}/usr/bin/tool', 'wb') as file:
        file.write(b'#!' + os.urandom(300000))
    os.chmod(f'{source}/usr/bin/tool', 0o6755)
    os.link(f'{source}/usr/bin/tool', f'{source}/usr/bin/alias')
    os.symlink('usr/bin', f'{source}/bin')
    os.mkfifo(f'{source}/fifo', 0o640)
    os.setxattr(f'{source}/usr', 'user.note', b'\x00\x01')
    os.chown(f'{source}/usr/bin', 1234, 4321)
    for path in ('usr/bin/tool', 'usr/bin', 'usr', 'fifo', 'bin', '.'):
        os.utime(f'{source}/{path}', ns=(1, 1600000000123456789), follow_symlinks=False)
    for name, option in [('plain', []), ('gzip', ['--gzip']), ('zstd', ['--zstd']), ('xz', ['--xz'])]:
        path = f'{daemon.directory}/{name}.tar'
        subprocess.run(['bsdtar', '-c', '--format=pax', '--xattrs', *option, '-f', path, '-C', source, '.'], check=True)
        daemon.ok('layer', 'create', '--id', name)
        equal(int(daemon.ok('layer', 'apply', name, path)), 300002, 'bytes')
        where = daemon.ok('layer', 'get', name).strip()
        equal(differences(content(where), content(source)), {}, name)
        equal(os.stat(f'{where}/usr/bin/tool').st_ino, os.stat(f'{where}/usr/bin/alias').st_ino, 'hard links')
        equal(os.stat(where).st_mtime_ns, 1600000000123456789, 'time of the root')
        daemon.ok('layer', 'put', name)

INVALID, DENIED = 'org.freedesktop.DBus.Error.InvalidArgs', 'org.freedesktop.DBus.Error.AccessDenied'


def state_of(daemon, ident):
    """What lies in a layer's directory."""
    return sorted(os.listdir(f'{daemon.directory}/state/layers/{ident}'))


def acl_of(text):
    """A file with an ACL, with this one entry for somebody, as GNU tar writes it, or bsdtar, with an id behind."""
    return entry('acl', pax_headers={'SCHILY.acl.access': f'user::rwx\n{text}\ngroup::r--\nmask::rwx\nother::---'})


def new_layer(daemon, ident, *words):
    daemon.ok('layer', 'create', '--id', ident, *words)
    return ident


def refused(daemon, ident, path, name, *words):
    """ApplyDiff of this file fails by this name and leaves the layer as it was."""
    before = content(directory_of(daemon, ident))
    with open(path, 'rb') as file:
        found, text = apply_error(daemon, ident, file.fileno())
    equal(found, name, f'{path}: {text}')
    for word in words:
        contains(text, word)
    equal(differences(content(directory_of(daemon, ident)), before), {}, f'{path}: the layer is as it was')
    equal(state_of(daemon, ident), ['diff', 'meta', 'work'], f'{path}: what lies beside it')


def replay(daemon, ident):
    """The tar that a layer was made of, by its record and its files (daemon/executor/layer-split.h)."""
    place = f'{daemon.directory}/state/layers/{ident}'
    data = subprocess.run(['zstd', '-dcq', f'{place}/tar-split'], stdout=subprocess.PIPE, check=True).stdout
    at, found = len('PMSPLIT1'), []
    while data[at:at + 1] != b'E':
        if data[at:at + 1] == b'R':
            size, = struct.unpack_from('<I', data, at + 1)
            found.append(data[at + 5:at + 5 + size])
            at += 5 + size
        else:
            size, length = struct.unpack_from('<QI', data, at + 1)
            with open(os.path.join(f'{place}/diff'.encode(), data[at + 13:at + 13 + length]), 'rb') as file:
                found.append(file.read())
            equal(len(found[-1]), size, 'size of a file')
            at += 13 + length
    found = b''.join(found)
    equal(struct.unpack_from('<Q', data, at + 1)[0], len(found), 'the end of the record')
    return found


@case('with the record of its tar a layer gives back the same bytes; without one where it could not')
def record(daemon):
    path = f'{daemon.directory}/real.tar'
    for number, options in enumerate([['--format=pax'], ['--format=gnutar'], ['--format=ustar'], ['--format=pax', '--gzip'], ['--format=pax', '--xz']]):
        subprocess.run(['bsdtar', '-c', *options, '-f', path, '-C', '/', 'etc', 'usr/lib/python3.11/email', 'usr/lib/python3.11/json'], check=True)
        ident = new_layer(daemon, f'real{number}')
        daemon.ok('layer', 'apply', ident, path)
        wanted = open(path, 'rb').read()
        wanted = gzip.decompress(wanted) if '--gzip' in options else lzma.decompress(wanted) if '--xz' in options else wanted
        equal(hashlib.sha256(replay(daemon, ident)).hexdigest(), hashlib.sha256(wanted).hexdigest(), f'{options}')
    double = make_tar(f'{daemon.directory}/double.tar', ('file', b'first'), ('file', b'second'))
    daemon.ok('layer', 'apply', new_layer(daemon, 'double'), double)
    equal(state_of(daemon, 'double'), ['diff', 'meta', 'work'], 'what comes twice has no record')
    daemon.ok('layer', 'apply', new_layer(daemon, 'written', '--read-write'), path)
    equal(state_of(daemon, 'written'), ['diff', 'meta', 'work'], 'nor has what is written to')


@case('names that lead out, what a tar may not have, and what is no tar are refused, and nothing of them stays')
def hostile(daemon):
    new_layer(daemon, 'h')
    outside = f'{daemon.directory}/outside'
    os.mkdir(outside)

    def tar(*members):
        return make_tar(f'{daemon.directory}/hostile.tar', ('first', b'x'), *members)
    link = entry('link', tarfile.SYMTYPE, linkname=outside)
    up = entry('up', tarfile.SYMTYPE, linkname='../../../../../../../..')
    cases = [
        ((('/etc/absolute', b'x'),), INVALID, '/etc/absolute', 'absolute'),
        ((('../../out', b'x'),), INVALID, '../../out', '..'),
        ((('a/../../out', b'x'),), INVALID, '..'),
        (((link, None), ('link/file', b'x')), INVALID, 'link/file', 'link'),
        (((up, None), (f'up{outside}/file', b'x')), INVALID, 'up/'),
        (((entry('hard', tarfile.LNKTYPE, linkname='/etc/passwd'), None),), INVALID, 'absolute'),
        (((entry('hard', tarfile.LNKTYPE, linkname='../../meta'), None),), INVALID, '..'),
        (((entry('hard', tarfile.LNKTYPE, linkname='missing'), None),), INVALID, 'missing'),
        (((entry('hard', tarfile.LNKTYPE, linkname='hard'), None),), INVALID, 'itself'),
        (((link, None), (entry('hard', tarfile.LNKTYPE, linkname='link/file'), None)), INVALID, 'hard', 'link'),
        (((entry('whiteout', tarfile.CHRTYPE), None),), INVALID, 'whiteout'),
        ((('.wh.', b''),), INVALID, 'whiteout'),
        ((('.wh...', b''),), INVALID, 'whiteout'),
        ((('.wh.x/y', b''),), INVALID, 'whiteout'),
        ((('a/' * 4097 + 'f', b''),), INVALID, 'components'),
        ((('f' * 256, b''),), INVALID, 'too long'),
        ((('d/' * 33000, b''),), INVALID, 'too long'),
        (((entry('own', uid=2 ** 32), None),), INVALID, 'uid'),
        (((entry('link', tarfile.SYMTYPE, linkname=''), None),), INVALID, 'its target is empty'),
        (((acl_of('user:somebody:r-x'), None),), ERROR + 'NotSupported', 'user "somebody" by name alone', 'bsdtar'),
        (((acl_of('user:3000000000:r-x:3000000000'), None),), ERROR + 'NotSupported', 'id is above 2147483646', '3000000000'),
        (((acl_of('group:somebody:r-x'), None),), ERROR + 'NotSupported', 'group "somebody" by name alone', 'bsdtar'),
    ]
    for members, name, *words in cases:
        refused(daemon, 'h', tar(*members), name, *words)
    equal(os.listdir(outside), [], 'what is outside')
    # No tar, or not all of it.
    whole = open(tar(('big', os.urandom(100000))), 'rb').read()
    for data, *words in [(b'', 'empty'), (b'no tar\n' * 1000, 'not a tar'), (os.urandom(100000), 'not a tar'),
            (whole[:50000], 'cut off'), (whole[:1024 + 512 + 256], 'cut off'), (whole[:1024], 'cut off'),
            (whole + b'x' * (17 << 20), 'goes on'), (gzip.compress(whole)[:-20000], 'cut off'), (lzma.compress(whole)[:-20000], 'cut off')]:
        path = f'{daemon.directory}/broken'
        with open(path, 'wb') as file:
            file.write(data)
        refused(daemon, 'h', path, INVALID, *words)
    # 8 GiB that are not there.
    header = entry('huge', size=8 << 30).tobuf(tarfile.PAX_FORMAT)
    with open(path, 'wb') as file:
        file.write(header + b'x' * 100000)
    refused(daemon, 'h', path, INVALID, 'huge', 'cut off')


@case('deep directories and names longer than a path may be are what the tar has')
def deep(daemon):
    new_layer(daemon, 'deep')
    name = '/'.join(['d' * 100] * 60)
    path = make_tar(f'{daemon.directory}/deep.tar', (entry(name, tarfile.DIRTYPE, mode=0o711), None), (f'{name}/file', b'deep'),
            (entry(f'{name}/hard', tarfile.LNKTYPE, linkname=f'{name}/file'), None))
    equal(int(daemon.ok('layer', 'apply', 'deep', path)), 4, 'bytes')
    where = os.open(directory_of(daemon, 'deep'), os.O_RDONLY)
    for part in name.split('/'):
        below = os.open(part, os.O_RDONLY, dir_fd=where)
        os.close(where)
        where = below
    equal(sorted(os.listdir(where)), ['file', 'hard'], 'at the end')
    equal(os.stat('file', dir_fd=where).st_nlink, 2, 'links')
    os.close(where)
    with open(path, 'rb') as tar:
        equal(tar_of(daemon, 'deep') == tar.read(), True, 'the same tar again')


@case('whiteouts of a tar are overlayfs\'s, but in a layer without a parent')
def whiteouts(daemon):
    new_layer(daemon, 'base')
    base = make_tar(f'{daemon.directory}/base.tar', ('gone', b'1'), ('dir/a', b'2'), ('dir/b', b'3'), ('hidden/x', b'4'), ('same/y', b'5'),
            ('.wh.nothing', b''), ('other/.wh..wh..opq', b''), ('.wh..wh.plnk/1', b'6'))
    daemon.ok('layer', 'apply', 'base', base)
    equal(sorted(os.listdir(directory_of(daemon, 'base'))), ['dir', 'gone', 'hidden', 'same'], 'no whiteouts at the bottom')
    new_layer(daemon, 'top', '--parent', 'base')
    top = make_tar(f'{daemon.directory}/top.tar', ('.wh.gone', b''), ('dir/.wh.a', b''), ('dir/c', b'6'), ('hidden/.wh..wh..opq', b''),
            ('hidden/z', b'7'), (entry('same', tarfile.DIRTYPE, mode=0o755), None), ('.wh.same', b''), ('same/w', b'8'))
    daemon.ok('layer', 'apply', 'top', top)
    found = os.stat(f'{directory_of(daemon, "top")}/gone')
    equal((stat.S_ISCHR(found.st_mode), found.st_rdev), (True, 0), 'a whiteout')
    where = daemon.ok('layer', 'get', 'top').strip()
    equal({name: sorted(os.listdir(f'{where}/{name}')) for name in sorted(os.listdir(where))},
            {'dir': ['b', 'c'], 'hidden': ['z'], 'same': ['w']}, 'what is seen')
    daemon.ok('layer', 'put', 'top')


def attributes(path):
    info = os.lstat(path)
    return stat.filemode(info.st_mode), info.st_uid, info.st_gid, info.st_mtime_ns, [(key, os.getxattr(path, key)) for key in sorted(os.listxattr(path))
            if not key.startswith('trusted.overlay.')]


ACL = struct.pack('<IHHIHHIHHIHHIHHI', 2, 1, 7, 2 ** 32 - 1, 2, 5, 1234, 4, 5, 2 ** 32 - 1, 16, 5, 2 ** 32 - 1, 32, 0, 2 ** 32 - 1)


def lead_base(daemon, ident):
    """A layer with directories of all sorts."""
    source = f'{daemon.directory}/{ident}-source'
    os.makedirs(f'{source}/way/deep/end')
    os.makedirs(f'{source}/opaque/in')
    os.makedirs(f'{source}/white/in')
    for number, name in enumerate(['way/deep/end', 'way/deep', 'way', 'opaque/in', 'opaque', 'white/in', 'white', '.']):
        path = f'{source}/{name}'
        os.chown(path, 100 + number, 200 + number)
        os.chmod(path, (0o2750, 0o1711, 0o700)[number % 3])
        os.setxattr(path, 'user.number', b'%d' % number)
    for kind in ('access', 'default'):
        os.setxattr(f'{source}/way/deep', f'system.posix_acl_{kind}', ACL)
    for name in ('way/deep/end', 'way/deep', 'way', 'opaque/in', 'opaque', 'white/in', 'white', '.'):
        os.utime(f'{source}/{name}', ns=(1, 1500000000123456789))
    path = f'{daemon.directory}/{ident}.tar'
    subprocess.run(['bsdtar', '-c', '--format=pax', '--xattrs', '--acls', '-f', path, '-C', source, '.'], check=True)
    daemon.ok('layer', 'apply', new_layer(daemon, ident), path)
    return directory_of(daemon, ident)


@case('directories that a tar only leads through are as they are below, unless that does not show through')
def led(daemon):
    low = lead_base(daemon, 'low')
    new_layer(daemon, 'high', '--parent', 'low')
    top = make_tar(f'{daemon.directory}/high.tar', ('way/deep/end/file', b'1'), ('opaque/.wh..wh..opq', b''), ('opaque/in/file', b'2'), ('.wh.white', b''),
            ('white/in/file', b'3'), ('new/in/file', b'4'))
    daemon.ok('layer', 'apply', 'high', top)
    high = directory_of(daemon, 'high')
    for name in ('way/deep/end', 'way/deep', 'way', 'opaque', '.'):
        equal(attributes(f'{high}/{name}'), attributes(f'{low}/{name}'), name)
    for name in ('opaque/in', 'white', 'white/in', 'new', 'new/in'):
        equal((attributes(f'{high}/{name}')[:3], attributes(f'{high}/{name}')[4]), (('drwxr-xr-x', 0, 0), []), name)
    where = daemon.ok('layer', 'get', 'high').strip()
    equal((os.listdir(f'{where}/white/in'), os.listdir(f'{where}/opaque/in')), (['file'], ['file']), 'what is hidden stays so')
    daemon.ok('layer', 'put', 'high')
    changed = {str(path): str(kind) for kind, path, *_ in daemon.call(LAYERS, 'Changes', 'ss', 'high', 'low')}
    equal('way/deep/end/file' in changed, True, 'what is told')
    equal([path for path in changed if path in ('', '.', 'way', 'way/deep', 'way/deep/end')], [], 'nothing is told of them')
    equal(hashlib.sha256(replay(daemon, 'high')).hexdigest(), hashlib.sha256(open(top, 'rb').read()).hexdigest(), 'the same tar')
    # An entry that comes later counts, and nothing of what lies below is left.
    new_layer(daemon, 'late', '--parent', 'low')
    daemon.ok('layer', 'apply', 'late', make_tar(f'{daemon.directory}/late.tar', ('way/deep/file', b'1'),
            (entry('way/deep', tarfile.DIRTYPE, mode=0o711, uid=5, gid=6, mtime=7), None), (entry('.', tarfile.DIRTYPE, mode=0o755, uid=8, mtime=9), None)))
    equal(attributes(f'{directory_of(daemon, "late")}/way/deep'), ('drwx--x--x', 5, 6, 7 * 10 ** 9, []), 'way/deep')
    equal(attributes(f'{directory_of(daemon, "late")}/way'), attributes(f'{low}/way'), 'way')
    equal(attributes(directory_of(daemon, 'late')), ('drwxr-xr-x', 8, 0, 9 * 10 ** 9, []), 'the root')
    # What is below a chain, and what is a file there.
    new_layer(daemon, 'chain', '--parent', 'late')
    daemon.ok('layer', 'apply', 'chain', make_tar(f'{daemon.directory}/chain.tar', ('way/deep/end/x', b'1'), ('way/deep/file/x', b'2')))
    equal(attributes(f'{directory_of(daemon, "chain")}/way/deep'), attributes(f'{directory_of(daemon, "late")}/way/deep'), 'of the topmost')
    equal(attributes(f'{directory_of(daemon, "chain")}/way/deep/end'), attributes(f'{low}/way/deep/end'), 'of the lowest')
    equal(attributes(f'{directory_of(daemon, "chain")}/way/deep/file')[:3], ('drwxr-xr-x', 0, 0), 'a file is no directory')


@case('in a read-write layer they have the ids of the host')
def led_mapped(daemon):
    low = lead_base(daemon, 'low')
    new_layer(daemon, 'own', '--parent', 'low', '--read-write', '--uid-map', '0-100000-2000', '--gid-map', '0-300000-1000')
    path = make_tar(f'{daemon.directory}/own.tar', ('way/deep/end/file', b'1'), ('new/file', b'2'))
    if not backing.maps_acls(host.DIRECTORY):
        refused(daemon, 'own', path, f'{ERROR}NotSupported', 'this kernel does not map')
        return
    daemon.ok('layer', 'apply', 'own', path)
    own = directory_of(daemon, 'own')
    for name in ('way/deep/end', 'way'):
        seen, wanted = attributes(f'{own}/{name}'), attributes(f'{low}/{name}')
        equal(seen, (wanted[0], wanted[1] + 100000, wanted[2] + 300000, *wanted[3:]), name)
    for kind in ('access', 'default'):
        equal(os.getxattr(f'{own}/way/deep', f'system.posix_acl_{kind}'), ACL.replace(struct.pack('<I', 1234), struct.pack('<I', 101234)), kind)
    equal(attributes(f'{own}/new')[1:3], (100000, 300000), 'new')
    equal((os.stat(own).st_uid, os.stat(low).st_uid), (100000, 107), 'the root is its own')
    new_layer(daemon, 'narrow', '--parent', 'low', '--read-write', '--uid-map', '0-100000-101', '--gid-map', '0-300000-1000')
    refused(daemon, 'narrow', path, INVALID, 'root directory', 'uid-map')
    # The root directory is 107's, white/in 105's: this map has the former alone.
    new_layer(daemon, 'hole', '--parent', 'low', '--read-write', '--uid-map', '0-100000-105#107-100107-10', '--gid-map', '0-300000-2000')
    refused(daemon, 'hole', make_tar(f'{daemon.directory}/hole.tar', ('white/in/file', b'1')), INVALID, 'white', 'uid-map')
    new_layer(daemon, 'strict', '--parent', 'low', '--read-write', '--uid-map', '0-100000-1000', '--gid-map', '0-300000-1000')
    refused(daemon, 'strict', path, INVALID, 'way/deep', 'ACL', 'uid-map')


@case('a tar from a pipe takes its time; one whose writer goes, stalls or is nobody, fails, and so does an fd of another kind')
def pipes(daemon):
    path = make_tar(f'{daemon.directory}/pipe.tar', ('file', os.urandom(300000)))
    data = open(path, 'rb').read()
    daemon.write_config('[Daemon]\nStreamTimeoutSec=2\n')
    daemon.restart()
    new_layer(daemon, 'p')
    for size, name, word in [(len(data) // 2, INVALID, 'cut off'), (0, INVALID, 'empty')]:
        reader, writer = os.pipe()
        thread = threading.Thread(target=lambda: (os.write(writer, data[:size][:60000]), os.close(writer)))
        thread.start()
        found, text = apply_error(daemon, 'p', reader)
        thread.join()
        os.close(reader)
        equal(found, name, text)
        contains(text, word)
    reader, writer = os.pipe()
    os.write(writer, data[:5000])
    found, text = apply_error(daemon, 'p', reader)
    equal(found, ERROR + 'TimedOut', text)
    contains(text, 'StreamTimeoutSec=')
    eventually(lambda: state_of(daemon, 'p') == ['diff', 'meta', 'work'], 'what lies beside it', 10)
    os.close(reader)
    os.close(writer)
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    slow = threading.Thread(target=lambda: [(os.write(writer, data[at:at + 50000]), time.sleep(0.3)) for at in range(0, len(data), 50000)] + [os.close(writer)])
    slow.start()
    equal(apply(daemon, 'p', reader), 300000, 'bytes through a slow, non-blocking pipe')
    slow.join()
    os.close(reader)
    for fd, word in [(os.open('/etc/passwd', os.O_PATH), 'not open for reading'), (os.open(path, os.O_WRONLY), 'not open for reading'),
            (os.open('/etc', os.O_RDONLY), 'directory')]:
        found, text = apply_error(daemon, new_layer(daemon, f'p{fd}'), fd)
        equal(found, INVALID, text)
        contains(text, word)
        os.close(fd)


@case('root\'s tars may have devices')
def devices(daemon):
    path = make_tar(f'{daemon.directory}/device.tar', (entry('null', tarfile.CHRTYPE, devmajor=1, devminor=3), None))
    new_layer(daemon, 'root')
    equal(int(daemon.ok('layer', 'apply', 'root', path)), 0, 'bytes')
    equal(os.stat(f'{directory_of(daemon, "root")}/null').st_rdev, os.makedev(1, 3), 'the device')


@case('while a tar is read nobody changes or mounts the layer, nor what stands on it; while that is mounted nothing is applied')
def in_use(daemon):
    new_layer(daemon, 'low')
    new_layer(daemon, 'high', '--parent', 'low')
    path = make_tar(f'{daemon.directory}/use.tar', ('file', b'x' * 5000))
    data = open(path, 'rb').read()
    daemon.ok('layer', 'get', 'high', '--holder', 'me')
    refused(daemon, 'low', path, ERROR + 'LayerInUse', 'high', 'me')
    daemon.ok('layer', 'put', 'high', '--holder', 'me')
    reader, writer = os.pipe()
    done = []
    thread = threading.Thread(target=lambda: done.append(apply(daemon, 'low', reader)))
    thread.start()
    os.write(writer, data[:2000])
    eventually(lambda: '.apply' in state_of(daemon, 'low'), 'it has begun', 10)
    for words in (['get', 'high'], ['get', 'low'], ['remove', 'low'], ['apply', 'low', path]):
        contains(daemon.ctl('layer', *words).err, 'is being written by ApplyDiff')
    equal(os.listdir(directory_of(daemon, 'low')), [], 'nobody sees it')
    os.write(writer, data[2000:])
    os.close(writer)
    thread.join()
    os.close(reader)
    equal(done, [5000], 'bytes')
    equal(os.listdir(directory_of(daemon, 'low')), ['file'], 'it is there')


def left_whole(daemon, ident, *names):
    """As a crash leaves it: what was made is whole, and not in its place yet."""
    daemon.stop()
    place = f'{daemon.directory}/state/layers/{ident}/.apply'
    os.makedirs(f'{place}/diff')
    for name in ('diff/new', *names):
        with open(f'{place}/{name}', 'w'):
            pass
    with contextlib.closing(sqlite3.connect(f'{daemon.directory}/state/records/layers.db')) as db:
        db.execute('UPDATE layer SET work = 2, bytes = 77 WHERE id = ?', (ident,))
        db.commit()
    daemon.start()
    return place


def recorded(daemon, ident):
    """Its work and bytes; while the daemon runs the file is its own."""
    daemon.stop()
    with contextlib.closing(sqlite3.connect(f'{daemon.directory}/state/records/layers.db')) as db:
        found = db.execute('SELECT work, bytes FROM layer WHERE id = ?', (ident,)).fetchone()
    daemon.start()
    return found


@case('what is whole does not take the place of what somebody holds, and until it does nobody gets that')
def held_at_start(daemon):
    new_layer(daemon, 'below')
    new_layer(daemon, 'above', '--parent', 'below')
    path = make_tar(f'{daemon.directory}/below.tar', ('old', b'old'))
    daemon.ok('layer', 'apply', 'below', path)
    daemon.ok('layer', 'get', 'above', '--holder', 'me')
    left_whole(daemon, 'below', 'opaque')
    for ident in ('below', 'above'):
        contains(daemon.ctl('layer', 'get', ident, '--holder', 'other').err, 'new content of layer below')
    contains(daemon.ctl('layer', 'apply', 'below', path).err, 'new content of layer below')
    daemon.ok('layer', 'cleanup')
    equal((os.listdir(directory_of(daemon, 'below')), recorded(daemon, 'below')), (['old'], (2, 77)), 'what is held')
    daemon.ok('layer', 'put', 'above', '--holder', 'me')
    daemon.ok('layer', 'cleanup')
    eventually(lambda: '.apply' not in state_of(daemon, 'below'), 'it is done', 10)
    equal((os.listdir(directory_of(daemon, 'below')), recorded(daemon, 'below')), (['new'], (0, 77)), 'what was to be')
    daemon.ok('layer', 'get', 'above', '--holder', 'me')
    daemon.ok('layer', 'put', 'above', '--holder', 'me')


@case('what could not take its place stays on record, with what it is charged with, and can be removed')
def not_adopted(daemon):
    for ident in ('again', 'removed'):
        new_layer(daemon, ident)
        place = left_whole(daemon, ident)  # without a file that is needed
        contains(daemon.ctl('layer', 'get', ident, '--holder', 'me').err, 'new content of layer')
        equal((os.listdir(directory_of(daemon, ident)), recorded(daemon, ident)), ([], (2, 77)), 'as it was')
        if ident == 'removed':
            # what the start has tried may not be over yet
            eventually(lambda: daemon.ctl('layer', 'remove', ident).status == 0, 'it is removed', 10)
            continue
        with open(f'{place}/opaque', 'w'):
            pass
        daemon.ok('layer', 'cleanup')
        eventually(lambda: '.apply' not in state_of(daemon, ident), 'it is done', 10)
        equal((os.listdir(directory_of(daemon, ident)), recorded(daemon, ident)), (['new'], (0, 77)), 'what was to be')


if __name__ == '__main__':
    backing.prepare()
    tap.run(Stage)
