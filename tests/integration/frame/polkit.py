# SPDX-License-Identifier: LGPL-2.1-or-later
"""A polkit authority that answers what the test says: a process of its own that owns org.freedesktop.PolicyKit1.

Answers: yes, no, challenge (asks for interaction), hang (never answers), error (fails the call), die (exits).
"""

import json
import os
import signal
import subprocess
import sys

NAME, PATH = 'org.freedesktop.PolicyKit1', '/org/freedesktop/PolicyKit1/Authority'
INTERFACE = 'org.freedesktop.PolicyKit1.Authority'


class Polkit:
    """The test's side."""

    def __init__(self, bus, answer='no'):
        from frame.tap import eventually
        self.bus, self.directory = bus, bus.directory
        self.answer(answer)
        with open(self.calls_path(), 'w'):
            pass
        environment = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=bus.address)
        self.process = subprocess.Popen([sys.executable, '-m', 'frame.polkit', self.directory], env=environment,
                stdin=subprocess.DEVNULL)
        eventually(lambda: bus.has_owner(NAME), 'the mock polkit has its name')

    def calls_path(self):
        return f'{self.directory}/polkit-calls'

    def answer(self, word):
        with open(f'{self.directory}/polkit-answer', 'w') as file:
            file.write(word)

    def calls(self):
        """What was asked: [{subject, action, details, flags}]."""
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
