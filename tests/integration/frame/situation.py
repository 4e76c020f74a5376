# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a test file that asks polkit begins with."""

from frame import specs
from frame.daemon import Daemon
from frame.host import ALICE
from frame.polkit import Polkit


class WithPolkit:
    """A daemon on the bus, a polkit that gives this answer, and a root file system of Alice's."""

    def __init__(self, bus, answer='no', config=''):
        self.polkit = Polkit(bus, answer)
        self.daemon = Daemon(bus, config)
        self.root = specs.rootfs('alice-root', owner=ALICE)

    def diagnose(self):
        return self.daemon.diagnose()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.polkit.stop()
        self.daemon.__exit__(*exception)
