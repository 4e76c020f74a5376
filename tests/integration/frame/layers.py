# SPDX-License-Identifier: LGPL-2.1-or-later
"""Layers of a daemon: made, filled and read by calls on its private socket or by podmountctl, and what they hold, to be compared."""

import hashlib
import io
import os
import stat
import tarfile

import dbus

from frame.daemon import LAYERS
from frame.tap import equal


def call(daemon, method, signature, *arguments, **more):
    return daemon.call(LAYERS, method, signature, *arguments, **more)


def error_of(daemon, method, signature, *arguments):
    return daemon.error_of(method, signature, *arguments, interface=LAYERS)


def apply(daemon, ident, fd, **options):
    """ApplyDiff of an open file; the bytes that it returns."""
    return int(call(daemon, 'ApplyDiff', 'sha{sv}', ident, dbus.types.UnixFd(fd), options))


def apply_error(daemon, ident, fd):
    return error_of(daemon, 'ApplyDiff', 'sha{sv}', ident, dbus.types.UnixFd(fd), {})


def directory_of(daemon, ident):
    """A layer's own directory in the store."""
    return f'{daemon.directory}/state/layers/{ident}/diff'


def write(path, text=''):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w') as file:
        file.write(text)


def write_bytes(path, data):
    with open(path, 'wb') as file:
        file.write(data)


def read(path):
    with open(path) as file:
        return file.read()


def create(daemon, ident, parent=None, *words, **files):
    """Makes a layer, with files put into its directory past the daemon."""
    equal(daemon.ok('layer', 'create', '--id', ident, *(['--parent', parent] if parent else []), *words).strip(), ident, 'the id')
    for name, text in files.items():
        write(f'{directory_of(daemon, ident)}/{name}', text)


def fill(daemon, ident, *members):
    """Applies a tar of these members, whose path is returned."""
    path = make_tar(f'{daemon.directory}/{ident}.tar', *members)
    apply_file(daemon, ident, path)
    return path


def apply_file(daemon, ident, path):
    with open(path, 'rb') as tar:
        return apply(daemon, ident, tar.fileno())


def get(daemon, ident, holder='h'):
    return daemon.ok('layer', 'get', ident, '--holder', holder).strip()


def put(daemon, ident, holder='h', *words):
    daemon.ok('layer', 'put', ident, '--holder', holder, *words)


def read_all(fd, most=1 << 29):
    """All that comes out of a pipe, which is not more than this."""
    with os.fdopen(fd, 'rb') as stream:
        found = stream.read(most)
    equal(len(found) < most, True, f'it ends before {most} bytes')
    return found


def open_tar(daemon, ident, parent='', **more):
    """The end of a pipe that Diff gives."""
    return call(daemon, 'Diff', 'ssa{sv}', ident, parent, {}, **more).take()


def tar_of(daemon, ident, parent=''):
    return read_all(open_tar(daemon, ident, parent))


def changes(daemon, ident, parent=''):
    return [tuple(str(text) for text in one) for one in call(daemon, 'Changes', 'ss', ident, parent)]


def size(daemon, ident, parent=''):
    return int(call(daemon, 'DiffSize', 'ss', ident, parent))


def make_tar(path, *members):
    """A tar of members: a name, or a tarfile.TarInfo, and its content."""
    with tarfile.open(path, 'w', format=tarfile.PAX_FORMAT) as tar:
        for member, data in members:
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            if data:
                info.size = len(data)
            tar.addfile(info, io.BytesIO(data or b''))
    return path


def entry(name, kind=tarfile.REGTYPE, **more):
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in more.items():
        setattr(info, key, value)
    return info


def paths_below(directory):
    paths = ['']
    for top, directories, files in os.walk(directory):
        paths += [os.path.relpath(os.path.join(top, name), directory) for name in directories + files]
    return sorted(paths)


def hash_of(path):
    """Of a file's bytes, those in holes left out as are zeros elsewhere, so that huge ones cost what they hold."""
    found, at = hashlib.sha256(), 0
    with open(path, 'rb') as file:
        while True:
            try:
                at = os.lseek(file.fileno(), at, os.SEEK_DATA) & ~0xffff
            except OSError:
                return found.hexdigest()
            data = os.pread(file.fileno(), 0x10000, at)
            if data.count(0) != len(data):
                found.update(at.to_bytes(8, 'big') + data)
            at += 0x10000


def content(directory):
    """All that there is below a directory, to be compared: a text for each name."""
    found, inodes = {}, {}
    for name in paths_below(directory):
        path = os.path.join(directory, name) if name else directory
        st = os.lstat(path)
        kind = stat.S_IFMT(st.st_mode)
        about = [stat.filemode(st.st_mode), st.st_uid, st.st_gid, st.st_mtime_ns]
        if kind == stat.S_IFLNK:
            about.append(os.readlink(path))
        elif kind == stat.S_IFREG:
            about += [st.st_size, hash_of(path)]
        elif kind in (stat.S_IFCHR, stat.S_IFBLK):
            about.append(st.st_rdev)
        about += [(key, os.getxattr(path, key, follow_symlinks=False)) for key in sorted(os.listxattr(path, follow_symlinks=False))]
        if kind != stat.S_IFDIR:
            about.append(inodes.setdefault(st.st_ino, name))
        found[name] = ' '.join(map(str, about))
    return found


def differences(seen, wanted):
    """What two contents do not have in common."""
    return {name: (seen.get(name), wanted.get(name)) for name in seen.keys() | wanted.keys() if seen.get(name) != wanted.get(name)}


def on_disk(daemon):
    """The names in the directory of layers."""
    return sorted(os.listdir(f'{daemon.directory}/state/layers'))


def listed(daemon):
    return sorted(layer['ID'] for layer in daemon.json('layer', 'list'))


def tried(function, *arguments):
    """None, or what it failed with; the daemon is there afterwards in any case."""
    try:
        function(*arguments)
        return None
    except dbus.exceptions.DBusException as error:
        return f'{error.get_dbus_name()}: {error.get_dbus_message()}'
