# SPDX-License-Identifier: LGPL-2.1-or-later
"""Calls of the layer store on a daemon's private socket."""

import hashlib
import io
import os
import stat
import tarfile

import dbus

from frame.daemon import LAYERS


def call(daemon, method, signature, *arguments, **more):
    return daemon.call(LAYERS, method, signature, *arguments, **more)


def error_of(daemon, method, signature, *arguments):
    return daemon.error_of(method, signature, *arguments, interface=LAYERS)


def apply(daemon, ident, fd, **options):
    """ApplyDiff of an open file; the bytes that it returns."""
    return int(call(daemon, 'ApplyDiff', 'sha{sv}', ident, dbus.types.UnixFd(fd), options))


def apply_error(daemon, ident, fd):
    return error_of(daemon, 'ApplyDiff', 'sha{sv}', ident, dbus.types.UnixFd(fd), {})


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
            with open(path, 'rb') as file:
                about += [st.st_size, hashlib.sha256(file.read()).hexdigest()]
        elif kind in (stat.S_IFCHR, stat.S_IFBLK):
            about.append(st.st_rdev)
        if kind in (stat.S_IFREG, stat.S_IFDIR):
            about += [(key, os.getxattr(path, key)) for key in sorted(os.listxattr(path))]
        if kind != stat.S_IFDIR:
            about.append(inodes.setdefault(st.st_ino, name))
        found[name] = ' '.join(map(str, about))
    return found


def differences(seen, wanted):
    """What two contents do not have in common."""
    return {name: (seen.get(name), wanted.get(name)) for name in seen.keys() | wanted.keys() if seen.get(name) != wanted.get(name)}
