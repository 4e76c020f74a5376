#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""All that a file system can hold, through ApplyDiff and Diff, beside what tar(1) and bsdtar(1) make of the same archives."""

import errno
import io
import os
import shutil
import socket
import stat
import struct
import subprocess
import tarfile

import dbus

from frame import backing, host, tap
from frame.bus import Bus
from frame.daemon import LAYERS, Stage
from frame.host import ALICE, as_user
from frame.layers import apply_file, content, create, differences, directory_of, get, put, read_all, tar_of
from frame.situation import WithPolkit
from frame.tap import case, equal

bus = None
MEG = 1 << 20
WRITERS = {
    'bsdtar': ['bsdtar', '--format=pax', '--xattrs', '--acls', '-c'],
    'GNU tar': ['tar', '--format=posix', '--xattrs', '--xattrs-include=*', '--acls', '--sparse', '--sort=name', '-c'],
}
READERS = {
    'bsdtar': ['bsdtar', '-p', '--xattrs', '--acls', '--numeric-owner', '-x'],
    'GNU tar': ['tar', '-p', '--xattrs', '--xattrs-include=*', '--acls', '--numeric-owner', '-x'],
}


class Situation(WithPolkit):
    def __init__(self):
        super().__init__(bus, 'yes')


def acl(*entries):
    """An ACL as the kernel has it: (tag, permissions, id)."""
    return struct.pack('<I', 2) + b''.join(struct.pack('<HHI', tag, permissions, ident) for tag, permissions, ident in entries)


NOBODY = 0xffffffff
ACCESS = acl((1, 7, NOBODY), (2, 5, 1234), (2, 6, 3000000), (4, 4, NOBODY), (8, 1, 77), (16, 7, NOBODY), (32, 0, NOBODY))
DEFAULT = acl((1, 7, NOBODY), (2, 7, 4321), (4, 5, NOBODY), (16, 5, NOBODY), (32, 4, NOBODY))
# cap_net_raw,cap_net_bind_service=ep, of all user namespaces
CAPABILITY = struct.pack('<IIIII', 0x02000001, 1 << 13 | 1 << 10, 0, 0, 0)


def node(path, data=b''):
    with open(path, 'wb') as file:
        file.write(data)
    return path


def extents(path):
    """What of a file is no hole."""
    found, at = [], 0
    with open(path, 'rb') as file:
        while True:
            try:
                at = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError as error:
                equal(error.errno, errno.ENXIO, 'seeking data')
                return found
            end = os.lseek(file.fileno(), at, os.SEEK_HOLE)
            found.append((at, end))
            at = end


def holes(directory):
    """Of each regular file below a directory: its extents, and the blocks that it takes."""
    found = {}
    for top, _, names in os.walk(os.fsencode(directory)):
        for name in names:
            path = os.path.join(top, name)
            st = os.lstat(path)
            if stat.S_ISREG(st.st_mode) and st.st_size >= MEG:
                found[os.path.relpath(path, os.fsencode(directory))] = (st.st_size, st.st_blocks, extents(path))
    return found


def sparse(top):
    os.mkdir(f'{top}/sparse')
    for name, size, parts in [('front', 3 * MEG, [2 * MEG]), ('middle', 3 * MEG, [0, 2 * MEG + 4096 * 7]), ('end', 5 * MEG, [0]), ('all', 2 * MEG, []),
            ('many', 2 * MEG, range(0, 2 * MEG, 65536)), ('dense', MEG, range(0, MEG, 4096)), ('huge', 9 << 30, [0, 5 << 30, (9 << 30) - 4096]),
            ('odd', 2 * MEG + 17, [MEG])]:
        with open(f'{top}/sparse/{name}', 'wb') as file:
            os.truncate(file.fileno(), size)
            for at in parts:
                os.pwrite(file.fileno(), os.urandom(4096), at)


def attributes(top):
    os.mkdir(f'{top}/acl')
    os.setxattr(f'{top}/acl', 'system.posix_acl_access', ACCESS)
    os.setxattr(f'{top}/acl', 'system.posix_acl_default', DEFAULT)
    os.mkdir(f'{top}/acl-default')
    os.setxattr(f'{top}/acl-default', 'system.posix_acl_default', DEFAULT)
    node(f'{top}/acl-default/within', b'inherits')
    os.setxattr(node(f'{top}/acl/file', b'x'), 'system.posix_acl_access', ACCESS)
    os.setxattr(node(f'{top}/capable', b'#!'), 'security.capability', CAPABILITY)
    os.chmod(f'{top}/capable', 0o755)
    noted = node(f'{top}/noted', b'n')
    os.setxattr(noted, 'user.empty', b'')
    os.setxattr(noted, 'user.zero', b'\x00a\x00=\n\xff')
    os.setxattr(noted, 'user.large', bytes(range(256)) * 8)
    os.setxattr(f'{top}/acl', 'user.of-directory', b'd')


def names(top):
    raw = os.fsencode(top)
    for name in [b'n' * 101, b'x' * 255, b'\xff\xfe\x80', 'ümlaut-日本'.encode(), b'new\nline', b'back\\slash', b'-dash', b' space ', b'tab\t', b'd\xe9j\xe0',
            b'"quote"', b'%25', b'star*']:
        node(os.path.join(raw, name), name)
    deep = raw
    for part in [b'p' * 120, b'q' * 130, b'\xe9' * 100, b'r' * 255]:
        deep = os.path.join(deep, part)
        os.mkdir(deep)
    node(os.path.join(deep, b'end'), b'deep')
    os.symlink(b'long/' * 80 + b'target', os.path.join(raw, b'link-long'))
    os.symlink(b'\xff\xfe', os.path.join(raw, b'link-odd'))
    os.symlink(b'/absolute/../out', os.path.join(raw, b'link-out'))
    os.link(os.path.join(deep, b'end'), os.path.join(raw, b'l' * 200))


def groups(top):
    """Hard links over directories, of all kinds; owners and modes."""
    for name in ('g1', 'g2', 'g2/inner', 'empty', 'empty/more'):
        os.mkdir(f'{top}/{name}')
    node(f'{top}/g2/inner/first', b'linked' * 1000)
    for name in ('g1/second', 'g2/third', 'a-first-in-order'):
        os.link(f'{top}/g2/inner/first', f'{top}/{name}')
    os.mkfifo(f'{top}/g1/fifo', 0o622)
    os.symlink('nowhere', f'{top}/g1/link')
    os.link(f'{top}/g1/link', f'{top}/g2/link', follow_symlinks=False)
    for name, mode in [('suid', 0o4755), ('sgid', 0o2711), ('both', 0o6511), ('none', 0)]:
        os.chmod(node(f'{top}/{name}', name.encode()), mode)
    for name, mode in [('sticky', 0o1777), ('sgid-dir', 0o2775), ('closed', 0)]:
        os.mkdir(f'{top}/{name}')
        os.chmod(f'{top}/{name}', mode)
    for name, uid, gid in [('own-1', 1234, 4321), ('own-2', 3000000, 2100000), ('own-3', 2 ** 31 + 5, 2 ** 32 - 2)]:
        os.chown(node(f'{top}/{name}', b'o'), uid, gid)
    os.symlink('own-1', f'{top}/own-link')
    os.chown(f'{top}/own-link', 3000000, 7, follow_symlinks=False)
    os.chown(f'{top}/suid', 3000001, 3000002)
    os.chmod(f'{top}/suid', 0o6755)
    os.chown(f'{top}/g1/fifo', 9, 10)


def devices(top):
    os.mknod(f'{top}/null', stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(f'{top}/disk', stat.S_IFBLK | 0o640, os.makedev(259, 300000))
    os.chmod(f'{top}/disk', 0o640)


# Before 1970, long after it, and all nine digits. Parts of seconds before 1970 are a matter of their own: case `early`.
TIMES = [0, 1, 999999999, -10 ** 9, -86400 * 365 * 30 * 10 ** 9, 1600000000123456789, 4102444800 * 10 ** 9 + 987654321, 2 ** 31 * 10 ** 9 + 1]


def times(top):
    """Each file gets a time: those of directories last, from the innermost on."""
    os.mkdir(f'{top}/times')
    for number, _ in enumerate(TIMES):
        node(f'{top}/times/{number}', b't')
        os.mkdir(f'{top}/times/d{number}')
        os.symlink('x', f'{top}/times/l{number}')
    below = sorted(os.path.join(where, name) for where, inner, files in os.walk(os.fsencode(top)) for name in inner + files)
    for at, path in enumerate(reversed([os.fsencode(top)] + below)):
        os.utime(path, ns=(0, 1500000000000000000 + at * 1000003), follow_symlinks=False)
    for number, time in enumerate(TIMES):
        for name in ('', 'd', 'l'):
            os.utime(f'{top}/times/{name}{number}', ns=(0, time), follow_symlinks=False)
    os.utime(f'{top}/times', ns=(0, -123 * 10 ** 9))


def everything(top, by_root=True):
    os.makedirs(top)
    for make in [sparse, attributes, names, groups] + ([devices] if by_root else []) + [times]:
        make(top)
    return top


def run(words, path, directory):
    done = subprocess.run(words + ['-f', path, '-C', directory] + (['.'] if words[-1] == '-c' else []), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors='replace', check=False, env=os.environ | {'LC_ALL': 'C.UTF-8'})
    equal(done.returncode, 0, f'{words}: {done.stdout}')  # warnings are of names that are no UTF-8
    return path


def extract(daemon, reader, path, name):
    directory = f'{daemon.directory}/{name}'
    os.mkdir(directory)
    run(READERS[reader], path, directory)
    os.utime(directory, ns=(0, 0))  # not all of them set that
    return directory


def same_tree(seen, wanted, what):
    equal(differences(content(seen), content(wanted)), {}, what)
    equal(differences(holes(seen), holes(wanted)), {}, f'{what}: holes')


def same_bytes(a, b, what):
    if a != b:
        at = next((number for number, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
        raise AssertionError(f'{what}: {len(a)} and {len(b)} bytes, not the same at {at}: {a[at & ~511:][:512]!r}, {b[at & ~511:][:512]!r}')


def keep(daemon, data, name):
    path = f'{daemon.directory}/{name}.tar'
    node(path, data)
    return path


def through(daemon, path, name, wanted, *options):
    """Applies a tar, compares the tree, and has its diff applied and told again; the diff."""
    create(daemon, name, None, *options)
    apply_file(daemon, name, path)
    same_tree(get(daemon, name), wanted, f'{name} {options}')
    put(daemon, name)
    data = tar_of(daemon, name)
    create(daemon, f'{name}-copy', None, *options)
    apply_file(daemon, f'{name}-copy', keep(daemon, data, f'{name}-diff'))
    same_tree(get(daemon, f'{name}-copy'), wanted, f'the copy of {name} {options}')
    put(daemon, f'{name}-copy')
    same_bytes(tar_of(daemon, f'{name}-copy'), data, f'the tar of the copy of {name} {options}')
    return data


def without_acls(directory):
    for top, inner, files in os.walk(os.fsencode(directory)):
        for path in [top] + [os.path.join(top, name) for name in inner + files]:
            for name in os.listxattr(path, follow_symlinks=False):
                if name.startswith('system.posix_acl_'):
                    st = os.lstat(path)
                    os.removexattr(path, name)
                    os.chmod(path, stat.S_IMODE(st.st_mode))
                    os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))


def whole_content(daemon):
    source = everything(f'{daemon.directory}/source')
    diffs = []
    for number, (writer, words) in enumerate(WRITERS.items()):
        path = run(words, f'{daemon.directory}/w{number}.tar', source)
        through(daemon, path, f'r{number}', source)
        diffs.append(through(daemon, path, f'w{number}', source, '--read-write'))
    same_bytes(diffs[1], diffs[0], 'the diff of one tree, whatever tar it came by')
    # ACLs are attributes there, as umoci has them, which neither of the two takes for any.
    bare = f'{daemon.directory}/bare'
    subprocess.run(['cp', '-a', '--sparse=always', source, bare], check=True)
    without_acls(bare)
    os.utime(bare, ns=(0, 0))
    for reader in READERS:
        same_tree(extract(daemon, reader, keep(daemon, diffs[0], 'diff'), reader), bare, f'{reader} of our diff')


@case('what bsdtar and GNU tar write of all kinds of files comes to a layer, to its diff, and to a layer of that')
def whole(daemon):
    whole_content(daemon)


@case('the same where the store lies on ext4', alone=True)
def on_ext4():
    if not shutil.which('mkfs.ext4'):
        raise tap.Skip('mkfs.ext4 is not installed')
    point = f'{host.DIRECTORY}/ext4'
    os.mkdir(point)
    os.truncate(node(f'{point}.image'), 256 * MEG)
    subprocess.run(['mkfs.ext4', '-q', '-F', '-b', '4096', '-O', '^has_journal', f'{point}.image'], check=True)
    subprocess.run(['mount', '-o', 'loop', f'{point}.image', point], check=True)
    os.mkdir(f'{point}/d')
    with Stage(directory=f'{point}/d') as daemon:
        try:
            whole_content(daemon)
        except BaseException:
            tap.diagnose(daemon.diagnose())
            raise
    subprocess.run(['umount', point], check=True)


@case('a user\'s layer has all of it, too, but for devices', alone=True)
def of_a_user():
    with Situation() as s:
        source = everything(f'{s.daemon.directory}/source', by_root=False)

        def alices(ident, path):
            as_user(ALICE, lambda: str(bus.call(LAYERS, 'CreateLayer', 'ssa{sv}', ident, '', {'read-write': True})))
            with open(path, 'rb') as file:
                as_user(ALICE, lambda: int(bus.call(LAYERS, 'ApplyDiff', 'sha{sv}', ident, dbus.types.UnixFd(file.fileno()), {})))
            same_tree(directory_of(s.daemon, ident), source, ident)
            return as_user(ALICE, lambda: read_all(bus.call(LAYERS, 'Diff', 'ssa{sv}', ident, '', {}).take()))
        data = alices('hers', run(WRITERS['GNU tar'], f'{s.daemon.directory}/source.tar', source))
        same_bytes(alices('copy', keep(s.daemon, data, 'hers')), data, 'the tar of the copy')


@case('ids of a layer with maps are those of the tar in its diff, in ACLs and capabilities, too')
def mapped(daemon):
    source = everything(f'{daemon.directory}/source')
    os.unlink(f'{source}/own-3')
    path = run(WRITERS['GNU tar'], f'{daemon.directory}/source.tar', source)
    data = through(daemon, path, 'plain', source, '--read-write')
    create(daemon, 'shifted', None, '--read-write', '--uid-map', '0-100000-4000000', '--gid-map', '0-200000-4000000')
    apply_file(daemon, 'shifted', path)
    found = os.stat(f'{directory_of(daemon, "shifted")}/own-2')
    equal((found.st_uid, found.st_gid), (3100000, 2300000), 'owners on the disk')
    value = os.getxattr(f'{directory_of(daemon, "shifted")}/acl/file', 'system.posix_acl_access')
    equal(value, acl((1, 7, NOBODY), (2, 5, 101234), (2, 6, 3100000), (4, 4, NOBODY), (8, 1, 200077), (16, 7, NOBODY), (32, 0, NOBODY)), 'the ACL on the disk')
    same_bytes(tar_of(daemon, 'shifted'), data, 'its tar')


@case('a layer is compared with one that has maps by the ids that containers see, whichever of them is asked for')
def mapped_beside(daemon):
    def owned(ident, owner, *words):
        member = tarfile.TarInfo('f')
        member.uid = member.gid = owner
        with tarfile.open(f'{daemon.directory}/{ident}.tar', 'w') as tar:
            tar.addfile(member)
        create(daemon, ident, 'low', *words)
        apply_file(daemon, ident, f'{daemon.directory}/{ident}.tar')

    create(daemon, 'low')
    maps = [('--read-write', '--uid-map', f'0-{base}-65536', '--gid-map', f'0-{base}-65536') for base in (100000, 300000)]
    owned('seen', 9)
    owned('other', 100009)
    owned('first', 9, *maps[0])
    owned('second', 9, *maps[1])

    def changes(ident, parent):
        return daemon.json('layer', 'changes', ident, '--parent', parent)

    for ident, parent in ('seen', 'first'), ('first', 'seen'), ('second', 'first'), ('first', 'second'):
        equal([change for change in changes(ident, parent) if change['Path'] == 'f'], [], f'changes of {ident} beside {parent}')
    for ident, parent in ('other', 'first'), ('first', 'other'):
        found = [(change['Kind'], change['Detail']) for change in changes(ident, parent) if change['Path'] == 'f']
        equal(found, [('modified', 'owner')], f'changes of {ident} beside {parent}')
    data = tar_of(daemon, 'other', 'first')
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        equal([(member.name, member.uid) for member in tar if member.isreg()], [('f', 100009)], 'the tar')


@case('what is changed of it in a layer above comes up with all that it has, and to a copy')
def changed(daemon):
    source = everything(f'{daemon.directory}/source')
    create(daemon, 'base')
    apply_file(daemon, 'base', run(WRITERS['GNU tar'], f'{daemon.directory}/source.tar', source))
    create(daemon, 'work', 'base', '--read-write')
    where = get(daemon, 'work')
    for top, _, files in sorted(os.walk(os.fsencode(where))):
        for name in files:
            if name != b'huge':
                os.utime(os.path.join(top, name), ns=(0, 1), follow_symlinks=False)
    for name in ('g1', 'acl', 'times/d3', 'empty'):
        subprocess.run(['rm', '-rf', f'{where}/{name}'], check=True)
    for name in ('g1', 'empty'):
        os.mkdir(f'{where}/{name}', 0o711)
    node(f'{where}/acl', b'no directory any more')
    os.setxattr(f'{where}/empty', 'system.posix_acl_default', DEFAULT)
    os.setxattr(f'{where}/none', 'security.capability', CAPABILITY)
    os.setxattr(f'{where}/sticky', 'user.note', b'up')
    data = tar_of(daemon, 'work', 'base')
    create(daemon, 'copy', 'base', '--read-write')
    apply_file(daemon, 'copy', keep(daemon, data, 'work'))
    same_tree(get(daemon, 'copy'), where, 'the copy')
    same_bytes(tar_of(daemon, 'copy', 'base'), data, 'its tar')


@case('parts of seconds before 1970 are kept, as libarchive tells them')
def early(daemon):
    source = f'{daemon.directory}/early'
    os.mkdir(source)
    for number, time in enumerate([-1, -500000000, -10 ** 9 - 1, -86400 * 365 * 10 * 10 ** 9 - 123456789]):
        os.utime(node(f'{source}/{number}'), ns=(0, time))
    through(daemon, run(WRITERS['bsdtar'], f'{daemon.directory}/early.tar', source), 'early', source, '--read-write')


@case('links of devices, FIFOs and symlinks, their ACLs, and what no tar has: sockets')
def special(daemon):
    create(daemon, 'written', None, '--read-write')
    where = get(daemon, 'written')
    os.mkdir(f'{where}/d')
    for name, kind, device in [('null', stat.S_IFCHR, os.makedev(1, 3)), ('disk', stat.S_IFBLK, os.makedev(7, 300)), ('fifo', stat.S_IFIFO, 0)]:
        os.mknod(f'{where}/{name}', kind | 0o640, device)
        os.link(f'{where}/{name}', f'{where}/d/{name}')
        os.setxattr(f'{where}/{name}', 'system.posix_acl_access', ACCESS)
    os.symlink('x', f'{where}/symlink')
    os.link(f'{where}/symlink', f'{where}/d/symlink', follow_symlinks=False)
    create(daemon, 'copy', None, '--read-write')
    apply_file(daemon, 'copy', keep(daemon, tar_of(daemon, 'written'), 'special'))
    same_tree(get(daemon, 'copy'), where, 'the copy')
    same_bytes(tar_of(daemon, 'copy'), tar_of(daemon, 'written'), 'its tar')
    socket.socket(socket.AF_UNIX).bind(f'{where}/socket')
    os.utime(where, ns=(0, os.stat(directory_of(daemon, 'copy')).st_mtime_ns))
    os.setxattr(f'{where}/d', 'security.capability', CAPABILITY)
    same_bytes(tar_of(daemon, 'written'), tar_of(daemon, 'copy'), 'with a socket, and with capabilities of what is no file')


if __name__ == '__main__':
    backing.prepare()
    bus = Bus()
    tap.run(Stage)
