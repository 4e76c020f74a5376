#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may, with a polkit that answers what the case says; and what callers see of each other's pods."""

import json
import os
import pickle
import subprocess
import time

from frame import host, specs, tap
from frame.bus import Bus
from frame.daemon import MANAGER, NAME, PATH, POD
from frame.host import ALICE, BOB, UserError, as_user
from frame.situation import WithPolkit
from frame.tap import case, contains, equal, eventually

DENIED = 'org.freedesktop.DBus.Error.AccessDenied'
INTERACTIVE = 'org.freedesktop.DBus.Error.InteractiveAuthorizationRequired'
PROPERTIES, OBJECTS = 'org.freedesktop.DBus.Properties', 'org.freedesktop.DBus.ObjectManager'
INTROSPECTABLE = 'org.freedesktop.DBus.Introspectable'
bus = None


class Situation(WithPolkit):
    """A daemon on the bus and a polkit that says no until it is told otherwise."""

    def __init__(self):
        super().__init__(bus)

    def create(self, uid, options=None):
        """(uuid, path) of a pod that this user makes."""
        spec = json.dumps(specs.oci(self.root))
        return as_user(uid, lambda: [str(part) for part in bus.call(MANAGER, 'CreatePod', 'sa{sh}a{sv}', spec, {},
                options or {})])

    def refused(self, uid, method, signature, *arguments, path=PATH, interface=MANAGER):
        """The error's name of a call that must fail."""
        try:
            result = as_user(uid, lambda: str(bus.call(interface, method, signature, *arguments, path=path)))
        except UserError as error:
            return error.name
        raise AssertionError(f'{method} by uid {uid} was not refused: {result}')


def create_refused(s, uid=ALICE):
    before = host.mount_table()
    name = s.refused(uid, 'CreatePod', 'sa{sh}a{sv}', json.dumps(specs.oci(s.root)), {}, {})
    equal(host.mount_table(), before, 'mount table after the refusal')
    equal(s.daemon.pods(), [], 'pods after the refusal')
    return name


@case('yes: the pod is made, for this caller, and polkit saw action, subject and details')
def yes(s):
    s.polkit.answer('yes')
    uuid, _ = s.create(ALICE)
    equal([(pod['UUID'], pod['Owner']) for pod in s.daemon.pods()], [(uuid, ALICE)], 'pods')
    call = s.polkit.calls()[0]
    equal((call['action'], call['subject'][0]), ('org.podmount1.create', 'system-bus-name'), 'what polkit was asked')


@case('no: AccessDenied, nothing changed')
def no(s):
    equal(create_refused(s), DENIED, 'error')
    equal(len(s.polkit.calls()), 1, 'questions')


@case('challenge: InteractiveAuthorizationRequired without the flag; with it polkit may interact')
def challenge(s):
    s.polkit.answer('challenge')
    equal(create_refused(s), INTERACTIVE, 'error')
    equal(s.polkit.calls()[0]['flags'] & 1, 0, 'AllowUserInteraction without the flag')
    s.polkit.forget()
    s.polkit.answer('yes')
    done = s.daemon.ctl('create', '-', user=ALICE, over_bus=True, input=json.dumps(specs.oci(s.root)))
    equal(done.status, 0, f'create with the flag: {done}')
    equal(s.polkit.calls()[0]['flags'] & 1, 1, 'AllowUserInteraction with the flag')
    s.polkit.forget()
    s.daemon.ctl('--no-ask-password', 'create', '-', user=ALICE, over_bus=True, input=json.dumps(specs.oci(s.root)))
    equal(s.polkit.calls()[0]['flags'] & 1, 0, 'AllowUserInteraction with --no-ask-password')


@case('polkit fails the call: AccessDenied')
def failing(s):
    s.polkit.answer('error')
    equal(create_refused(s), DENIED, 'error')


@case('polkit dies over the question: AccessDenied')
def dying(s):
    s.polkit.answer('die')
    equal(create_refused(s), DENIED, 'error')


@case('no polkit at all: AccessDenied, and root still may')
def absent(s):
    s.polkit.stop()
    equal(create_refused(s), DENIED, 'error')
    s.daemon.ok('gc', s.daemon.create(specs.oci(), over_bus=True))


@case('while polkit hangs others are served, and the caller who goes away is forgotten')
def hanging(s):
    s.polkit.answer('hang')
    waiting = subprocess.Popen(['setpriv', f'--reuid={ALICE}', f'--regid={ALICE}', '--clear-groups',
            f'{host.DIRECTORY}/bin/podmountctl', 'create', '-'],
                               env=s.daemon.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    waiting.stdin.write(json.dumps(specs.oci(s.root)).encode())
    waiting.stdin.close()
    eventually(s.polkit.calls, 'polkit is asked')
    begin = time.monotonic()
    pod = s.daemon.create(specs.oci(), over_bus=True)
    s.daemon.ok('gc', pod, over_bus=True)
    equal(time.monotonic() - begin < 5, True, 'others are served at once')
    waiting.kill()
    waiting.wait()
    s.polkit.answer('yes')
    time.sleep(0.3)
    equal(s.daemon.pods(), [], 'pods of a caller that is gone')
    equal(s.daemon.ctl('status').status, 0, 'the daemon answers')


@case('on the private socket there is no polkit: ask is a deny')
def socket_asks_nobody(s):
    s.polkit.answer('yes')
    text = s.daemon.refused('create', '-', user=ALICE, input=json.dumps(specs.oci(s.root)))
    equal(s.polkit.calls(), [], 'questions')
    contains(text, 'Next:', 'the refusal')
    equal(s.daemon.pods(), [], 'pods')


@case('two users see their own pods only: lists, objects, introspection, properties, verbs')
def visibility(s):
    s.polkit.answer('yes')
    mine, mine_path = s.create(ALICE, {'name': 'same'})
    specs.rootfs('bob-root', owner=BOB)
    theirs, theirs_path = s.create(BOB, {'name': 'same'})
    for uid, seen, seen_path, hidden, hidden_path in [(ALICE, mine, mine_path, theirs, theirs_path),
            (BOB, theirs, theirs_path, mine, mine_path)]:
        def look():
            return {
                'list': [str(pod[0]) for pod in bus.call(MANAGER, 'ListPods', 'a{sv}', {})],
                'by name': str(bus.call(MANAGER, 'GetPod', 's', 'same')),
                'objects': [str(p) for p in bus.call(OBJECTS, 'GetManagedObjects', '') if '/pod/' in str(p)],
                'introspection': str(bus.call(INTROSPECTABLE, 'Introspect', '', path=f'{PATH}/pod')),
                'state': str(bus.call(PROPERTIES, 'Get', 'ss', POD, 'State', path=seen_path)),
            }
        found = as_user(uid, look)
        equal((found['list'], found['by name'], found['objects'], found['state']),
                ([seen], seen_path, [seen_path], 'ready'), f'what uid {uid} sees')
        contains(found['introspection'], seen_path.rsplit('/', 1)[1], 'introspection')
        equal(hidden_path.rsplit('/', 1)[1] in found['introspection'], False, "another's pod in the introspection")
        for method, signature, arguments in [('GetPod', 's', [hidden]),
                ('Bind', 'sssa{sh}a{sv}', [hidden, '/etc', '/mnt', {}, {}]),
                                             ('Mount', 'ssa{sh}a{sv}', [hidden, '[]', {}, {}]),
                                             ('Unmount', 'ssa{sv}', [hidden, '/', {}]),
                                             ('ListMounts', 'sa{sv}', [hidden, {}])]:
            equal(s.refused(uid, method, signature, *arguments), 'org.podmount1.Error.NoSuchPod',
                    f'{method} on a pod of another')
        for interface, method, signature, arguments in [(PROPERTIES, 'GetAll', 's', [POD]),
                (PROPERTIES, 'Get', 'ss', [POD, 'State']), (POD, 'ListMounts', 'a{sv}', [{}]),
                                                        (POD, 'Collect', 'a{sv}', [{}])]:
            name = s.refused(uid, method, signature, *arguments, path=hidden_path, interface=interface)
            equal(name in ('org.podmount1.Error.NoSuchPod', 'org.freedesktop.DBus.Error.UnknownObject',
                    'org.freedesktop.DBus.Error.UnknownMethod',
                           'org.freedesktop.DBus.Error.UnknownInterface', 'org.freedesktop.DBus.Error.UnknownProperty'),
                           True, f'{method} on a hidden object: {name}')
        outcome = as_user(uid, lambda: [[str(row[0]), str(row[1])] for row in bus.call(MANAGER, 'GC', 'asa{sv}',
                [hidden], {})])
        equal(outcome, [[hidden, 'not-found']], "GC of another's pod")
    equal(sorted(pod['UUID'] for pod in s.daemon.pods()), sorted([mine, theirs]), 'what root sees')
    contains(s.daemon.refused('show', 'same'), 'same', 'a name of two owners, for root')


@case("signals of one's own pods only")
def signals(s):
    s.polkit.answer('yes')

    def listen():
        import dbus.mainloop.glib
        from gi.repository import GLib
        dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
        connection = bus.connect()
        seen = []
        connection.add_signal_receiver(lambda *a, member, path: seen.append(f'{member} {path} {a}'),
                member_keyword='member', path_keyword='path')
        connection.call_blocking(NAME, PATH, MANAGER, 'Subscribe', '', ())
        with open(f'{host.DIRECTORY}/ready', 'w'):
            pass
        end = time.monotonic() + 3
        while time.monotonic() < end:
            GLib.MainContext.default().iteration(False)
            time.sleep(0.01)
        return [entry for entry in seen if '/org/podmount1' in entry]

    read_end, write_end = os.pipe()
    host.run(['chmod', '0777', host.DIRECTORY])
    pid = os.fork()
    if pid == 0:
        os.close(read_end)
        try:
            result = as_user(BOB, listen)
        except BaseException as error:
            result = [repr(error)]
        with os.fdopen(write_end, 'wb') as file:
            pickle.dump(result, file)
        os._exit(0)
    os.close(write_end)
    eventually(lambda: os.path.exists(f'{host.DIRECTORY}/ready'), 'the listener is there')
    mine, _ = s.create(ALICE)
    theirs, _ = s.create(BOB)
    with os.fdopen(read_end, 'rb') as file:
        seen = pickle.load(file)
    os.waitpid(pid, 0)
    host.run(['chmod', '0755', host.DIRECTORY])
    equal(any(theirs in entry for entry in seen), True, f"one's own PodNew in {seen}")
    equal([entry for entry in seen if mine in entry or mine.replace('-', '_') in entry], [], "another's signals")


@case('an owner manages its own pod, by way of polkit; a pod of root is hidden')
def owner(s):
    s.polkit.answer('yes')
    uuid, path = s.create(ALICE)
    data = specs.tree('alice-data', {'file': 'x'}, owner=ALICE)
    ident = as_user(ALICE, lambda: int(bus.call(POD, 'Bind', 'ssa{sh}a{sv}', data, '/mnt', {}, {}, path=path)))
    mount = s.daemon.mounts(uuid)['main:/mnt']
    equal(mount['ID'], ident, 'id')
    for option in ('nosuid', 'nodev'):
        contains(mount['Options'], option, 'options of a mount of an unprivileged user')
    equal(as_user(ALICE, lambda: str(bus.call(POD, 'Collect', 'a{sv}', {}, path=path)[0])), 'removed', 'Collect')
    mine = s.daemon.create(specs.oci())
    equal(s.refused(ALICE, 'GetPod', 's', mine), 'org.podmount1.Error.NoSuchPod', "root's pod")


if __name__ == '__main__':
    host.prepare()
    bus = Bus()
    tap.run(Situation)
