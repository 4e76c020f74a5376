#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Over a bus: busctl, a python3-dbus client with fds and signals, ObjectManager, and a bus that comes and goes."""

import json
import os

import dbus
import dbus.mainloop.glib
from gi.repository import GLib

from frame import host, specs, tap
from frame.bus import Bus
from frame.daemon import MANAGER, NAME, PATH, POD, Daemon
from frame.tap import case, contains, equal, eventually

dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
PROPERTIES, OBJECTS = 'org.freedesktop.DBus.Properties', 'org.freedesktop.DBus.ObjectManager'
bus = None


class Listener:
    """A subscriber: every signal of the daemon in the order of arrival."""

    def __init__(self):
        self.connection = bus.connect()
        self.seen = []
        self.connection.add_signal_receiver(self.receive, sender_keyword='sender', member_keyword='member',
                path_keyword='path', interface_keyword='interface')
        self.manager('Subscribe', '')

    def receive(self, *arguments, sender, member, path, interface):
        if interface.startswith('org.podmount1') or path.startswith(PATH):
            self.seen.append((str(member), str(path), arguments))

    def manager(self, method, signature, *arguments, path=PATH, interface=MANAGER):
        return self.connection.call_blocking(NAME, path, interface, method, signature, arguments)

    def turn(self):
        """Handles what has arrived, without waiting."""
        while GLib.MainContext.default().iteration(False):
            pass

    def wait_for(self, member):
        def arrived():
            self.turn()
            return [entry for entry in self.seen if entry[0] == member]
        return eventually(arrived, f'signal {member}, seen {self.seen}')

    def forget(self):
        self.turn()
        self.seen.clear()


def create(spec=None, options=None, caller=None):
    call = caller.manager if caller else lambda *arguments: bus.call(MANAGER, *arguments)
    uuid, path = call('CreatePod', 'sa{sh}a{sv}', json.dumps(spec or specs.oci()), {}, options or {})
    return str(uuid), str(path)


def gc(uuid):
    return bus.call(MANAGER, 'GC', 'asa{sv}', [uuid], {})


@case('busctl shows the interfaces and the pods as objects, and calls them')
def busctl(daemon):
    text = bus.busctl('introspect', NAME, PATH).out
    for word in ['CreatePod', 'Plan', 'GetPod', 'ListPods', 'Bind', 'Mount', 'Unmount', 'GC', 'ListMounts', 'Rescan',
            'Subscribe', 'Unsubscribe', 'Version', 'Features',
                 'Tracking', 'PodCount', 'MountCount', 'Generation', 'PodNew', 'PodRemoved', 'DriftDetected',
                 'GetManagedObjects']:
        contains(text, word, 'introspection of the manager')
    uuid, path = create()
    contains(bus.busctl('tree', NAME).out, path, 'busctl tree')
    text = bus.busctl('introspect', NAME, path).out
    for word in ['Bind', 'Mount', 'Unmount', 'Collect', 'ListMounts', 'UUID', 'Name', 'Owner', 'State', 'RootDirectory',
            'Containers', 'Warnings', 'Drifted', 'MountCount', 'Cgroups',
                 'CreatedTimestamp', 'MountsAdded', 'MountsRemoved']:
        contains(text, word, 'introspection of a pod')
    data = specs.tree('busctl-data', {'file': 'x'})
    done = bus.busctl('call', NAME, PATH, MANAGER, 'Bind', 'sssa{sh}a{sv}', uuid, data, '/data', '0', '1', 'options',
            'as', '1', 'ro')
    equal(done.out.split()[0], 't', f'reply of Bind ({done})')
    equal(os.listdir(f'{daemon.rootfs(uuid)}/data'), ['file'], 'the bound directory')
    done = bus.busctl('call', NAME, path, POD, 'Unmount', 'sa{sv}', '/data', '0')
    equal(done.status, 0, f'Unmount: {done}')
    contains(bus.busctl('call', NAME, PATH, MANAGER, 'ListPods', 'a{sv}', '0').out, uuid, 'ListPods')
    contains(bus.busctl('call', NAME, path, POD, 'Collect', 'a{sv}', '0').out, '"removed"', 'Collect')


@case('a python3-dbus client: fds in a{sh}, and each signal before its reply')
def python_client(daemon):
    data = specs.tree('python-data', {'file': 'by fd'})
    client = Listener()
    uuid, path = create(caller=client)
    client.turn()
    equal([(member, [str(a) for a in arguments]) for member, _, arguments in client.seen if member == 'PodNew'],
            [('PodNew', [uuid, path])], 'PodNew with the reply')
    client.forget()

    descriptor = os.open(data, os.O_PATH | os.O_DIRECTORY)
    ident = client.manager('Bind', 'sssa{sh}a{sv}', uuid, 'fd:data', '/data', {'data': dbus.types.UnixFd(descriptor)},
            {'options': ['ro']})
    os.close(descriptor)
    client.turn()
    added = [(str(p), [(int(i), str(c), str(t)) for i, c, t in arguments[0]]) for member, p,
            arguments in client.seen if member == 'MountsAdded']
    equal(added, [(path, [(int(ident), 'main', '/data')])], 'MountsAdded with the reply')
    with open(f'{daemon.rootfs(uuid)}/data/file') as file:
        equal(file.read(), 'by fd', 'content')

    client.forget()
    client.manager('Unmount', 'sa{sv}', '/data', {}, path=path, interface=POD)
    client.turn()
    removed = [[(int(i), str(c), str(t)) for i, c, t in arguments[0]] for member, _,
            arguments in client.seen if member == 'MountsRemoved']
    equal(removed, [[(int(ident), 'main', '/data')]], 'MountsRemoved with the reply')

    client.forget()
    client.manager('GC', 'asa{sv}', [uuid], {})
    client.turn()
    gone = [[str(a) for a in arguments] for member, _, arguments in client.seen if member == 'PodRemoved']
    equal(gone, [[uuid, path, 'collected']], 'PodRemoved with the reply')
    client.connection.close()


@case('one MountsAdded for one job of many mounts; none for who did not subscribe or has unsubscribed')
def one_signal(daemon):
    client, silent = Listener(), Listener()
    silent.manager('Unsubscribe', '')
    uuid, _ = create()
    client.wait_for('PodNew')
    client.forget()
    silent.forget()
    idents = client.manager('Mount', 'ssa{sh}a{sv}', uuid, json.dumps([specs.mount(f'/mnt/{i}') for i in range(20)]),
            {}, {})
    client.turn()
    equal([len(arguments[0]) for member, _, arguments in client.seen if member == 'MountsAdded'], [20], 'MountsAdded')
    equal(len(idents), 20, 'ids')
    bus.call('org.freedesktop.DBus.Peer', 'Ping', '')
    silent.turn()
    equal(silent.seen, [], 'signals after Unsubscribe')
    gc(uuid)
    client.connection.close()
    silent.connection.close()


@case('a mount that someone else adds is told by DriftDetected')
def drift_signal(daemon):
    client = Listener()
    uuid, _ = create(caller=client)
    client.forget()
    host.run(['mount', '-t', 'tmpfs', 'foreign', f'{daemon.rootfs(uuid)}/mnt'])
    signal = client.wait_for('DriftDetected')[0]
    equal([str(a) for a in signal[2]], [uuid, 'main', '/mnt', 'extra'], 'arguments')
    equal(str(bus.call(PROPERTIES, 'Get', 'ss', POD, 'State', path=f'{PATH}/pod/{uuid.replace("-", "_")}')), 'degraded',
            'State')
    gc(uuid)
    client.connection.close()


@case('ObjectManager and the properties say what podmountctl says')
def objects(daemon):
    uuid, path = create(specs.oci(mounts=[specs.mount('/tmp')]), {'name': 'objects'})
    managed = bus.call(OBJECTS, 'GetManagedObjects', '')
    equal([str(p) for p in managed if str(p).startswith(f'{PATH}/pod/')], [path], 'managed objects')
    properties = managed[path][POD]
    shown = daemon.json('show', uuid)
    for key in ['UUID', 'Name', 'Owner', 'State', 'RootDirectory', 'Drifted', 'MountCount', 'CreatedTimestamp']:
        equal(type(shown[key])(properties[key]), shown[key], key)
    equal([str(c) for c in properties['Containers']], ['main'], 'Containers')
    equal(str(properties['RootDirectory']), f'{daemon.runtime}/pods/{uuid}', 'RootDirectory')
    manager = bus.call(PROPERTIES, 'GetAll', 's', MANAGER)
    equal(int(manager['PodCount']), 1, 'PodCount')
    equal(str(manager['Tracking']) in ('fanotify', 'listmount', 'mountinfo'), True, 'Tracking')
    before = int(bus.call(PROPERTIES, 'Get', 'ss', MANAGER, 'Generation'))
    equal(int(bus.call(MANAGER, 'Rescan', '')) >= before, True, 'Rescan')
    equal(str(bus.call(MANAGER, 'GetPod', 's', 'objects')), path, 'GetPod by name')
    equal(str(bus.call(MANAGER, 'GetPod', 's', uuid[:8])), path, 'GetPod by prefix')
    gc(uuid)
    equal(len([p for p in bus.call(OBJECTS, 'GetManagedObjects', '') if str(p).startswith(f'{PATH}/pod/')]), 0,
            'objects after the collection')


@case('State and MountCount changes are announced to subscribers')
def property_changes(daemon):
    client = Listener()
    uuid, path = create(caller=client)
    client.forget()
    host.run(['mount', '-t', 'tmpfs', 'foreign', f'{daemon.rootfs(uuid)}/mnt'])

    def state_told():
        client.turn()
        return any(member == 'PropertiesChanged' and p == path and str(arguments[1].get('State',
                '')) == 'degraded' for member, p, arguments in client.seen)
    eventually(state_told, f'PropertiesChanged of State, seen {client.seen}')
    gc(uuid)
    client.connection.close()


@case('the name comes back when the bus comes back, and the pods are there')
def bus_restart(daemon):
    uuid, path = create()
    bus.stop()
    eventually(lambda: daemon.pods()[0]['UUID'] == uuid, 'the socket answers without a bus')
    bus.start()
    eventually(lambda: bus.has_owner(NAME), 'the name is owned again', 30)
    equal(str(bus.call(MANAGER, 'GetPod', 's', uuid)), path, 'the pod')
    gc(uuid)


@case('podmountctl takes the bus when it has the daemon')
def client_over_bus(daemon):
    uuid = daemon.create(specs.oci(), over_bus=True)
    status = daemon.json('status', over_bus=True)
    contains(status['Reached'], 'bus', 'where the client went')
    equal(daemon.json('list', over_bus=True)[0]['UUID'], uuid, 'list')
    daemon.ok('gc', uuid, over_bus=True)


@case('a bus that appears after the daemon is found', alone=True)
def late_bus():
    late = Bus('late-bus', start=False)
    daemon = Daemon(late)
    equal(daemon.pods(), [], 'pods, without a bus')
    late.start()
    eventually(lambda: late.has_owner(NAME), 'the name is owned on the late bus', 30)
    daemon.__exit__(None, None, None)
    late.stop()


class Shared(Daemon):
    """One daemon on the shared bus a case."""

    def __init__(self):
        super().__init__(bus)


if __name__ == '__main__':
    host.prepare()
    bus = Bus()
    tap.run(Shared)
