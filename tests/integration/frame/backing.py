# SPDX-License-Identifier: LGPL-2.1-or-later
"""A directory for cases whose file system knows id mappings and user attributes: tmpfs has them since Linux 6.3 and 6.6 alone."""

import os
import shutil
import signal
import struct
import subprocess

from frame import clone, host, tap

SIZE = 256 << 20


class Space:
    """A user namespace of this user, with maps written by root."""

    def __init__(self, uid, *triples):
        self.process = subprocess.Popen(['unshare', '--user', 'sleep', '600'] if not uid else
                ['setpriv', f'--reuid={uid}', f'--regid={uid}', '--clear-groups', 'unshare', '--user', 'sleep', '600'])
        own = os.readlink('/proc/self/ns/user')
        tap.eventually(lambda: os.readlink(f'/proc/{self.process.pid}/ns/user') != own, 'a user namespace')
        for name in ('uid_map', 'gid_map') if triples else ():
            with open(f'/proc/{self.process.pid}/{name}', 'w') as file:
                file.write(''.join(f'{c} {h} {s}\n' for c, h, s in triples))
        self.fd = os.open(f'/proc/{self.process.pid}/ns/user', os.O_RDONLY)

    def __enter__(self):
        return self.fd

    def __exit__(self, *exception):
        os.close(self.fd)
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def knows_mappings(path):
    """Whether a mount of this file system can be mapped, by trying it on a clone that is attached nowhere."""
    with Space(0, (0, 1000, 1)) as fd:
        try:
            clone.idmap(path, fd)
        except OSError:
            return False
    return True


def maps_acls(path):
    """Whether this kernel maps the ids of an ACL that is read through a mapped mount of this file system: Linux before 6.2 does not."""
    os.makedirs(f'{path}/acl-probe')
    acl = struct.pack('<I' + 'HHI' * 5, 2, *(word for row in ((1, 7, 2 ** 32 - 1), (2, 5, 1), (4, 5, 2 ** 32 - 1), (16, 5, 2 ** 32 - 1), (32, 0, 2 ** 32 - 1))
            for word in row))
    os.setxattr(f'{path}/acl-probe', 'system.posix_acl_access', acl)
    with Space(0, (1, 0, 1)) as userns:
        mount = clone.call(clone.OPEN_TREE, clone.AT_FDCWD, f'{path}/acl-probe'.encode(), clone.CLONE | clone.CLOEXEC)
        clone.attributes(mount, False, clone.IDMAP, 0, userns)
        inside = os.open('.', os.O_RDONLY, dir_fd=mount)
        seen = os.getxattr(inside, 'system.posix_acl_access')
        os.close(inside)
        os.close(mount)
    os.rmdir(f'{path}/acl-probe')
    return seen != acl


def knows_attributes(path):
    """Whether files there can have user.* attributes."""
    try:
        os.setxattr(path, 'user.probe', b'')
    except OSError:
        return False
    os.removexattr(path, 'user.probe')
    return True


def prepare():
    """host.prepare(), with an image of ext4 over the tmpfs where that knows no mappings or user attributes; both are gone with this mount
    namespace, and the loop device with them. What stands in the way, or None."""
    host.prepare()
    if knows_mappings(host.DIRECTORY) and knows_attributes(host.DIRECTORY):
        return None
    if not shutil.which('mkfs.ext4'):
        return "this kernel's tmpfs knows no id mappings, and mkfs.ext4 is not installed"
    # In no directory: a loop device holds the mount that its file was opened on, and with it all that lies on that.
    fd = os.memfd_create('backing')
    os.truncate(fd, SIZE)
    done = host.run(['mkfs.ext4', '-q', '-F', '-b', '4096', '-O', '^has_journal', f'/proc/self/fd/{fd}'], fds=[fd])
    if done.status == 0:
        done = host.run(['mount', '-t', 'ext4', '-o', 'loop', f'/proc/self/fd/{fd}', host.DIRECTORY], fds=[fd])
    os.close(fd)
    if done.status != 0:
        return f"this kernel's tmpfs knows no id mappings, and ext4 cannot be mounted: {done.err.strip()}"
    host.fill()
    return None if knows_mappings(host.DIRECTORY) else 'neither tmpfs nor ext4 of this kernel knows id mappings'
