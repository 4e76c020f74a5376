# SPDX-License-Identifier: LGPL-2.1-or-later
"""A system bus of one's own: the real dbus-daemon with the project's own policy, and calls on it."""

import os
import signal
import subprocess

import dbus
import dbus.bus

from frame import host
from frame.tap import PATIENCE, eventually

CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={directory}/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Introspectable"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Properties"/>
    <allow send_destination="org.freedesktop.PolicyKit1"/>
    <allow send_destination="org.freedesktop.machine1"/>
  </policy>
  <include>{policy}</include>
  <policy user="{front}">
    <allow own="org.podmount1"/>
  </policy>
  <policy user="root">
    <allow own="org.freedesktop.PolicyKit1"/>
    <allow own="org.freedesktop.machine1"/>
    <allow send_destination="org.podmount1.test"/>
  </policy>
  <policy user="{polkitd}">
    <allow own="org.freedesktop.PolicyKit1"/>
  </policy>
</busconfig>
"""


def policy_file():
    for directory in [host.BUILD, host.SOURCE]:
        for name in ['dbus/org.podmount1.conf', 'dbus/org.podmount1.policy.conf']:
            if os.path.exists(f'{directory}/{name}'):
                return f'{directory}/{name}'
    raise AssertionError('the bus policy is not in dbus/')


class Bus:
    def __init__(self, name='bus', start=True):
        self.directory = f'{host.DIRECTORY}/{name}'
        self.address = f'unix:path={self.directory}/bus'
        self.process = None
        os.makedirs(self.directory, exist_ok=True)
        os.chmod(self.directory, 0o755)
        with open(f'{self.directory}/bus.conf', 'w') as file:
            file.write(CONFIG.format(directory=self.directory, policy=policy_file(), front=host.FRONT_NAME, polkitd=host.POLKITD_NAME))
        if start:
            self.start()

    def start(self):
        with open(f'{self.directory}/log', 'ab') as log:
            self.process = subprocess.Popen(['dbus-daemon', '--nofork', '--nopidfile',
                    f'--config-file={self.directory}/bus.conf'], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        eventually(self.accepts, 'dbus-daemon accepts connections')

    def accepts(self):
        try:
            self.connect().close()
            return True
        except dbus.exceptions.DBusException:
            return False

    def running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        if self.running():
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(10 * PATIENCE)
        try:
            os.unlink(f'{self.directory}/bus')
        except FileNotFoundError:
            pass

    def connect(self):
        connection = dbus.bus.BusConnection(self.address)
        connection.set_exit_on_disconnect(False)
        return connection

    def has_owner(self, name):
        try:
            connection = self.connect()
            try:
                return bool(connection.name_has_owner(name))
            finally:
                connection.close()
        except dbus.exceptions.DBusException:
            return False

    def call(self, interface, method, signature, *arguments, path='/org/podmount1', destination='org.podmount1',
            timeout=30, connection=None):
        own = connection or self.connect()
        try:
            return own.call_blocking(destination, path, interface, method, signature, arguments, timeout=timeout * PATIENCE)
        finally:
            if not connection:
                own.close()

    def busctl(self, *words, user=0):
        return host.run(['busctl', f'--address={self.address}', '--no-pager'] + list(words), user=user)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
