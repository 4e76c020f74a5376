# SPDX-License-Identifier: LGPL-2.1-or-later
"""A FUSE server by hand (fuse(4)): one file, which can be opened; who closes it waits until the server goes."""

import ctypes
import os
import struct
import threading

LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, FLUSH, INIT = 1, 2, 3, 14, 15, 17, 25, 26
ENOSYS, ENOENT = 38, 2
FILE = 2


def attributes(node):
    mode, size = (0o100644, 5) if node == FILE else (0o040755, 0)
    return struct.pack('<6Q10I', node, size, 1, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


class Hanging:
    """Mounted at `where`, with the file `file` in it."""

    def __init__(self, where):
        self.where = where
        self.flushing = threading.Event()
        self.fd = os.open('/dev/fuse', os.O_RDWR)
        self.libc = ctypes.CDLL(None, use_errno=True)
        options = f'fd={self.fd},rootmode=40000,user_id=0,group_id=0,allow_other'.encode()
        if self.libc.mount(b'test', where.encode(), b'fuse', 0, options) != 0:
            raise OSError(ctypes.get_errno(), 'mount')
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                data = os.read(self.fd, 1 << 20)
            except OSError:
                return
            _, code, unique, node = struct.unpack_from('<IIQQ', data)
            answer = self.answer(code, node, data[40:])
            if answer is not None:
                error, body = answer
                os.write(self.fd, struct.pack('<IiQ', 16 + len(body), -error, unique) + body)

    def answer(self, code, node, body):
        if code == FLUSH:
            self.flushing.set()
            return None
        if code == FORGET:
            return None
        if code == INIT:
            return 0, struct.pack('<4I2H2I2H', 7, 31, 0, 0, 0, 0, 65536, 1, 0, 0) + bytes(32)
        if code == LOOKUP:
            if body.rstrip(b'\0') != b'file':
                return ENOENT, b''
            return 0, struct.pack('<4Q2I', FILE, 1, 3600, 3600, 0, 0) + attributes(FILE)
        if code == GETATTR:
            return 0, struct.pack('<Q2I', 3600, 0, 0) + attributes(node)
        if code == OPEN:
            return 0, struct.pack('<Q2I', 1, 0, 0)
        if code == READ:
            return 0, b''
        if code == STATFS:
            return 0, bytes(80)
        return ENOSYS, b''

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.libc.umount2(self.where.encode(), 1 | 2)  # MNT_FORCE ends whatever waits, MNT_DETACH the rest
        os.close(self.fd)
