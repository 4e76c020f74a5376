# SPDX-License-Identifier: LGPL-2.1-or-later
"""What podmountd asks of machined, answered as the test says: a process of its own that owns org.freedesktop.machine1. The real one is asked in
the system test.

Answers of UnregisterMachine: yes, no (AccessDenied), hang (never answers).
"""

import json
import sys

from frame.mock import Mock

NAME, PATH = 'org.freedesktop.machine1', '/org/freedesktop/machine1'
INTERFACE = 'org.freedesktop.machine1'


class Machined(Mock):
    """The test's side. `machines` are {name: root directory}; what was asked: [method, argument]."""

    def __init__(self, bus):
        self.directory = bus.directory
        self.set({})
        super().__init__(bus, 'machined', NAME)

    def set(self, machines, answer='yes'):
        with open(f'{self.directory}/machined-says', 'w') as file:
            json.dump({'machines': machines, 'answer': answer}, file)


def main(directory):
    """The process."""
    import dbus
    import dbus.mainloop.glib
    import dbus.service
    from gi.repository import GLib

    def says():
        with open(f'{directory}/machined-says') as file:
            return json.load(file)

    def note(*words):
        with open(f'{directory}/machined-calls', 'a') as file:
            file.write(json.dumps([str(word) for word in words]) + '\n')

    class Machine(dbus.service.Object):
        def __init__(self, connection, name):
            super().__init__(connection, f'{PATH}/machine/{name.replace("-", "_")}')
            self.machine = name

        @dbus.service.method('org.freedesktop.DBus.Properties', in_signature='ss', out_signature='v')
        def Get(self, interface, name):
            note('Get', name)
            return says()['machines'][self.machine]

    class Manager(dbus.service.Object):
        machines = {}

        @dbus.service.method(f'{INTERFACE}.Manager', in_signature='s', out_signature='o')
        def GetMachine(self, name):
            note('GetMachine', name)
            if name not in says()['machines']:
                raise dbus.exceptions.DBusException('none', name='org.freedesktop.machine1.NoSuchMachine')
            if name not in self.machines:
                self.machines[name] = Machine(connection, name)
            return self.machines[name].__dbus_object_path__

        @dbus.service.method(f'{INTERFACE}.Manager', in_signature='s', out_signature='', async_callbacks=('reply', 'fail'))
        def UnregisterMachine(self, name, reply, fail):
            note('UnregisterMachine', name)
            answer = says()['answer']
            if answer == 'no':
                fail(dbus.exceptions.DBusException('Access denied', name='org.freedesktop.DBus.Error.AccessDenied'))
            elif answer == 'yes':
                reply()

    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    connection = dbus.SystemBus()
    Manager(connection, PATH)
    name = dbus.service.BusName(NAME, connection)
    GLib.MainLoop().run()
    del name


if __name__ == '__main__':
    main(sys.argv[1])
