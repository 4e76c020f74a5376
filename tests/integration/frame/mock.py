# SPDX-License-Identifier: LGPL-2.1-or-later
"""A service of the host that answers as a test says: a process of its own, frame/NAME.py, that owns the service's name on the bus."""

import json
import os
import signal
import subprocess
import sys

from frame.tap import eventually


class Mock:
    """The test's side."""

    def __init__(self, bus, module, name):
        self.bus, self.directory, self.module = bus, bus.directory, module
        with open(self.calls_path(), 'w'):
            pass
        environment = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=bus.address)
        self.process = subprocess.Popen([sys.executable, '-m', f'frame.{module}', self.directory], env=environment, stdin=subprocess.DEVNULL)
        eventually(lambda: bus.has_owner(name), f'the mock {module} has its name')

    def calls_path(self):
        return f'{self.directory}/{self.module}-calls'

    def calls(self):
        """What it was asked, in its own words."""
        with open(self.calls_path()) as file:
            return [json.loads(line) for line in file]

    def forget(self):
        os.truncate(self.calls_path(), 0)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
