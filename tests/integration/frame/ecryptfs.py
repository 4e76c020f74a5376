# SPDX-License-Identifier: LGPL-2.1-or-later
"""An ecryptfs, mounted as the kernel has it: by a key in the keyring of the caller's session, without a helper of user space."""

import ctypes
import errno
import os
import struct
import subprocess

from frame import clone
from frame.tap import Skip

FSOPEN = 430
ADD_KEY, KEYCTL = {'x86_64': (248, 250)}.get(os.uname().machine, (217, 219))
JOIN_SESSION_KEYRING, SESSION_KEYRING = 1, -3
VERSION, PASSWORD, KEY_IS_SET, SHA512 = 4, 0, 2, 10  # of the layout; the token's type; that it holds the key; how that was made
KEY_SIZE = 16
# struct ecryptfs_auth_tok of linux/ecryptfs.h: what it is, the session key (none yet), what is reserved, and the password's key.
TOKEN = struct.Struct('=HHI 3I512s64s 32s IiIII64s17s8s 3x')


def needed():
    """Skips the case on a kernel without ecryptfs; a module is loaded."""
    try:
        os.close(clone.call(FSOPEN, b'ecryptfs', 1))
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise
        raise Skip('this kernel has no ecryptfs') from error


def add_key():
    """A key in a session keyring that this process and its children alone have, and its signature."""
    signature, key = os.urandom(8).hex(), os.urandom(KEY_SIZE)
    token = TOKEN.pack(VERSION, PASSWORD, 0, 0, 0, 0, b'', b'', b'', 0, SHA512, 0, KEY_SIZE, KEY_IS_SET, key, signature.encode(), b'')
    clone.call(KEYCTL, JOIN_SESSION_KEYRING, None)
    clone.call(ADD_KEY, b'user', signature.encode(), token, ctypes.c_size_t(len(token)), SESSION_KEYRING)
    return signature


def mount(lower, point):
    """Mounts what is to be kept encrypted in one directory at another one."""
    options = f'ecryptfs_sig={add_key()},ecryptfs_cipher=aes,ecryptfs_key_bytes={KEY_SIZE}'
    subprocess.run(['mount', '-i', '-t', 'ecryptfs', '-o', options, lower, point], check=True)
