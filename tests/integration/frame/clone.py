# SPDX-License-Identifier: LGPL-2.1-or-later
"""Mounts by the raw calls: open_tree(2), mount_setattr(2), move_mount(2)."""

import ctypes
import os
import struct

LIBC = ctypes.CDLL(None, use_errno=True)
OPEN_TREE, MOVE_MOUNT, MOUNT_SETATTR = 428, 429, 442
CLONE, CLOEXEC, AT_EMPTY_PATH, AT_RECURSIVE, AT_FDCWD = 1, os.O_CLOEXEC, 0x1000, 0x8000, -100
RDONLY, NOSUID, NODEV, NOEXEC = 1, 2, 4, 8
ATIME, RELATIME, NOATIME, STRICTATIME, NODIRATIME, NOSYMFOLLOW = 0x70, 0, 0x10, 0x20, 0x80, 0x200000
IDMAP = 0x100000

# What each word sets and clears, from mount(8) and mount_setattr(2).
WORDS = {
    'ro': (RDONLY, 0), 'rw': (0, RDONLY), 'nosuid': (NOSUID, 0), 'suid': (0, NOSUID), 'nodev': (NODEV, 0),
    'dev': (0, NODEV), 'noexec': (NOEXEC, 0), 'exec': (0, NOEXEC), 'noatime': (NOATIME, ATIME),
    'atime': (RELATIME, ATIME), 'strictatime': (STRICTATIME, ATIME), 'nostrictatime': (RELATIME, ATIME),
    'relatime': (RELATIME, ATIME), 'norelatime': (0, 0), 'nodiratime': (NODIRATIME, 0), 'diratime': (0, NODIRATIME),
    'nosymfollow': (NOSYMFOLLOW, 0), 'symfollow': (0, NOSYMFOLLOW),
}
# These take back one word, and say nothing where another one holds.
TAKES_BACK = {'atime': 'noatime', 'nostrictatime': 'strictatime', 'norelatime': None}


def call(number, *arguments):
    result = LIBC.syscall(number, *arguments)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def attributes(fd, recursive, set_bits, clear_bits, userns=0):
    data = struct.pack('<QQQQ', set_bits, clear_bits, 0, userns)
    call(MOUNT_SETATTR, fd, b'', AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0), data, ctypes.c_size_t(len(data)))


def bind(source, target, words):
    """A recursive clone with each word applied in its order by a call of its own."""
    fd = call(OPEN_TREE, AT_FDCWD, source.encode(), CLONE | CLOEXEC | AT_RECURSIVE)
    try:
        before = None
        for word in words:
            recursive = word[0] == 'r' and word[1:] in WORDS
            plain = word[1:] if recursive else word
            if plain not in TAKES_BACK or before in (None, TAKES_BACK[plain]):
                attributes(fd, recursive, *WORDS[plain])
            before = plain
        call(MOVE_MOUNT, fd, b'', AT_FDCWD, target.encode(), 4)
    finally:
        os.close(fd)


def idmap(source, userns):
    """A clone that is mapped by a user namespace, and given up again."""
    fd = call(OPEN_TREE, AT_FDCWD, source.encode(), CLONE | CLOEXEC)
    try:
        attributes(fd, False, IDMAP, 0, userns)
    finally:
        os.close(fd)
