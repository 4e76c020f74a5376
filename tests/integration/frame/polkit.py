# SPDX-License-Identifier: LGPL-2.1-or-later
"""A polkit authority that answers what the test says: a process of its own that owns org.freedesktop.PolicyKit1.

Answers: yes, no, challenge (asks for interaction), hang (never answers), error (fails the call), die (exits).
"""

import json
import os
import sys

from frame.mock import Mock

NAME, PATH = 'org.freedesktop.PolicyKit1', '/org/freedesktop/PolicyKit1/Authority'
INTERFACE = 'org.freedesktop.PolicyKit1.Authority'


class Polkit(Mock):
    """The test's side. What was asked: {subject, action, details, flags}."""

    def __init__(self, bus, answer='no'):
        self.directory = bus.directory
        self.answer(answer)
        super().__init__(bus, 'polkit', NAME)

    def answer(self, word):
        with open(f'{self.directory}/polkit-answer', 'w') as file:
            file.write(word)


def process_of(fd):
    """The process that a pidfd in a message means."""
    number = fd.take()
    with open(f'/proc/self/fdinfo/{number}') as file:
        pid = [line.split()[1] for line in file if line.startswith('Pid:')][0]
    os.close(number)
    return pid


def main(directory):
    """The process."""
    import dbus
    import dbus.mainloop.glib
    import dbus.service
    from gi.repository import GLib

    class Authority(dbus.service.Object):
        @dbus.service.method(INTERFACE, in_signature='(sa{sv})sa{ss}us', out_signature='(bba{ss})',
                async_callbacks=('reply', 'fail'))
        def CheckAuthorization(self, subject, action, details, flags, cancellation, reply, fail):
            with open(f'{directory}/polkit-calls', 'a') as file:
                subject_details = {str(key): str(process_of(value) if key == 'pidfd' else value) for key, value in subject[1].items()}
                file.write(json.dumps({'subject': [str(subject[0]), subject_details], 'action': str(action),
                        'flags': int(flags),
                                       'details': {str(key): str(value) for key, value in details.items()}}) + '\n')
            with open(f'{directory}/polkit-answer') as file:
                word = file.read()
            if word == 'die':
                os._exit(1)
            elif word == 'error':
                fail(dbus.exceptions.DBusException('out of order', name='org.freedesktop.PolicyKit1.Error.Failed'))
            elif word != 'hang':
                reply((word == 'yes', word == 'challenge', dbus.Dictionary({}, signature='ss')))

        @dbus.service.method(INTERFACE, in_signature='s', out_signature='')
        def CancelCheckAuthorization(self, cancellation):
            pass

    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    connection = dbus.SystemBus()
    Authority(connection, PATH)
    name = dbus.service.BusName(NAME, connection)
    GLib.MainLoop().run()
    del name


if __name__ == '__main__':
    main(sys.argv[1])
