# SPDX-License-Identifier: LGPL-2.1-or-later
"""A daemon with tests/scarcity.so, whose N-th allocation fails."""

import contextlib
import mmap
import os
import struct

from frame import host
from frame.daemon import Stage
from frame.tap import Skip

LIBRARY = f'{host.BUILD}/tests/scarcity.so'
FORMAT = '4i2q'


class Scarce(Stage):
    def __init__(self, **more):
        if not os.path.exists(LIBRARY):
            raise Skip('tests/scarcity.so is not built: make check TESTS=')
        self.path = f'{host.DIRECTORY}/scarcity-{os.urandom(4).hex()}'
        with open(self.path, 'wb') as file:
            file.write(bytes(struct.calcsize(FORMAT)))
        with open(self.path, 'r+b') as file:
            self.map = mmap.mmap(file.fileno(), struct.calcsize(FORMAT))
        super().__init__(**more)

    def environment(self):
        return dict(super().environment(), LD_PRELOAD=LIBRARY, PODMOUNT_SCARCITY=self.path)

    def write(self, pids, at=0):
        struct.pack_into(FORMAT, self.map, 0, *(list(pids) + [0] * 4)[:4], at, 0)

    def count(self):
        return struct.unpack_from(FORMAT, self.map)[5]

    @contextlib.contextmanager
    def scarce(self, pids, at=0):
        """While it lasts, the allocations of these processes are counted, and this one fails."""
        self.write(pids, at)
        try:
            yield
        finally:
            struct.pack_into('4i', self.map, 0, 0, 0, 0, 0)
