#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may call what: every method that the daemon says it has, by every kind of caller, with a polkit of every kind, from one table.

What there is to call is read from the daemon (introspection, which tests/unit/api/test-contract compares with the methods that are served), and one
that the table does not judge fails the test.
"""

import ctypes
import json
import os
import xml.etree.ElementTree

import dbus
import dbus.lowlevel

from frame import host, specs, tap
from frame.bus import Bus
from frame.daemon import LAYERS, MANAGER, NAME, PATH, POD
from frame.host import ALICE, BOB, as_user, drop_to
from frame.polkit import Polkit
from frame.situation import WithPolkit
from frame.tap import case, diagnose, equal, eventually

ERROR = 'org.podmount1.Error.'
PEER, PROPERTIES = 'org.freedesktop.DBus.Peer', 'org.freedesktop.DBus.Properties'
INTROSPECTABLE, OBJECTS = 'org.freedesktop.DBus.Introspectable', 'org.freedesktop.DBus.ObjectManager'
FRIEND = 6  # of Alice's group
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
LIBC = ctypes.CDLL(None, use_errno=True)
bus = None

# What each method is: for everybody; a look at a pod, for who may see it; or an action that polkit is asked for, of a pod or of none.
ANYBODY, LOOKS = 'anybody', 'looks'
CREATE, MANAGE, REPAIR, OPEN_TREE, RESCAN, LAYER = (f'org.podmount1.{word}' for word in (
    'create', 'manage', 'repair', 'open-tree', 'rescan', 'manage-layers'))
TABLE = {
    MANAGER: {
        'Plan': ANYBODY, 'ListPods': ANYBODY, 'Metrics': ANYBODY, 'Subscribe': ANYBODY, 'Unsubscribe': ANYBODY,
        'GetPod': LOOKS, 'Export': LOOKS, 'ListMounts': LOOKS, 'ResolveExecutable': LOOKS, 'PathInfo': LOOKS, 'Holders': LOOKS, 'History': LOOKS,
        'CreatePod': CREATE, 'Restore': CREATE, 'Rescan': RESCAN, 'Repair': REPAIR, 'OpenTree': OPEN_TREE,
        **{name: MANAGE for name in ('Bind', 'Mount', 'Unmount', 'Replace', 'AddContainer', 'RemoveContainer', 'SetNamespaces', 'PrepareProcess', 'GC',
                                     'Renew')},
    },
    POD: {
        'ListMounts': LOOKS, 'Holders': LOOKS, 'Repair': REPAIR, 'OpenTree': OPEN_TREE,
        **{name: MANAGE for name in ('Bind', 'Mount', 'Unmount', 'Replace', 'AddContainer', 'RemoveContainer', 'SetNamespaces', 'PrepareProcess', 'Renew',
                                     'Collect')},
    },
    LAYERS: {
        **{name: ANYBODY for name in ('LayerExists', 'ListLayers', 'LayerInfo', 'Status')},
        **{name: LAYER for name in ('CreateLayer', 'RemoveLayer', 'GetLayer', 'PutLayer', 'ApplyDiff', 'ImportImage', 'Diff', 'OpenDiff', 'DiffSize', 'Changes',
                                    'Cleanup')},
    },
    PEER: {'Ping': ANYBODY, 'GetMachineId': ANYBODY},
    INTROSPECTABLE: {'Introspect': ANYBODY},
    OBJECTS: {'GetManagedObjects': ANYBODY},
    PROPERTIES: {'Get': ANYBODY, 'GetAll': ANYBODY, 'Set': ANYBODY},
}
DENIED, HIDDEN, ALLOWED, INTERACTIVE, BROKEN = 'denied', 'hidden', 'allowed', 'asks for a person', 'broken'
# What nobody who serves a method says of it.
UNSERVED = [f'org.freedesktop.DBus.Error.{word}' for word in (
    'NoReply', 'Timeout', 'TimedOut', 'Disconnected', 'UnknownMethod', 'UnknownInterface', 'ServiceUnknown', 'NameHasNoOwner')]
# Arguments by name; the others by type. None of them changes much if the call is carried out.
VALUES = {'source': '/etc', 'target': '/mnt', 'mounts': '[]', 'container': 'main', 'interface_name': MANAGER, 'property_name': 'Version', 'path': '/'}


class Method:
    def __init__(self, interface, name, path, signatures):
        self.interface, self.name, self.path = interface, name, path
        self.signatures = signatures  # (name, type) of each argument that goes in

    @property
    def of_pod(self):
        return self.path != PATH

    def judged(self):
        kind = TABLE[self.interface][self.name]
        if self.of_pod and self.interface in (INTROSPECTABLE, PROPERTIES):
            return LOOKS
        return kind

    def names_pod(self):
        return self.of_pod or any(name in ('id', 'ids') for name, _ in self.signatures) and self.interface == MANAGER

    def arguments(self, pod):
        def value(name, type):
            if name == 'id' and self.interface == MANAGER:
                return pod
            if type == 'as':
                return dbus.Array([pod] if name == 'ids' else ['x'], 's')
            if type == 'h':
                return dbus.types.UnixFd(os.pidfd_open(os.getpid()) if name == 'process' else os.open('/etc', os.O_RDONLY))
            if type == 'a{sv}':
                return dbus.Dictionary({'dry-run': True} if self.name in ('GC', 'Collect', 'Repair') else {}, 'sv')
            if type.startswith('a{'):
                return dbus.Dictionary({}, type[2:-1])
            if type == 'v':
                return dbus.String('x', variant_level=1)
            if name == 'interface_name' and self.of_pod:
                return POD
            if name == 'property_name' and self.of_pod:
                return 'State'
            return VALUES.get(name, 'x')
        return [value(*pair) for pair in self.signatures]

    def __repr__(self):
        return f'{self.interface.rsplit(".", 1)[1]}.{self.name}{" of a pod" if self.of_pod else ""}'


def introspect(path):
    document = xml.etree.ElementTree.fromstring(str(bus.call(INTROSPECTABLE, 'Introspect', '', path=path)))
    found = []
    for interface in document.iter('interface'):
        for method in interface.iter('method'):
            pairs = [(arg.get('name'), arg.get('type')) for arg in method.iter('arg') if arg.get('direction', 'in') == 'in']
            found.append(Method(interface.get('name'), method.get('name'), path, pairs))
    return found


def outcome(connection, method, pod, destination=NAME):
    """What station 4 made of the call, and the whole answer."""
    signature = ''.join(type for _, type in method.signatures)
    try:
        result = connection.call_blocking(destination, method.path, method.interface, method.name, signature, method.arguments(pod), timeout=30 * tap.PATIENCE)
    except dbus.exceptions.DBusException as error:
        name, text = error.get_dbus_name(), error.get_dbus_message()
        if name.endswith('.AccessDenied') and 'may not call' in text:
            return DENIED, f'{name}: {text}'
        if name.endswith('.InteractiveAuthorizationRequired'):
            return INTERACTIVE, f'{name}: {text}'
        if name in (f'{ERROR}NoSuchPod', 'org.freedesktop.DBus.Error.UnknownObject'):
            return HIDDEN, f'{name}: {text}'
        if name in UNSERVED:
            return BROKEN, f'{name}: {text}'
        return ALLOWED, f'{name}: {text}'
    if method.name == 'GC' and str(result[0][1]) == 'not-found':
        return HIDDEN, str([str(result[0][0]), 'not-found'])
    return ALLOWED, ''


class Situation(WithPolkit):
    """Alice has a pod; its methods and the manager's are known."""

    def __init__(self):
        super().__init__(bus, 'yes')
        self.pod, path = as_user(ALICE, lambda: [str(part) for part in bus.call(
            MANAGER, 'CreatePod', 'sa{sh}a{sv}', json.dumps(specs.oci(self.root)), dbus.Dictionary({}, 'sh'), dbus.Dictionary({}, 'sv'))])
        self.methods = introspect(PATH) + [method for method in introspect(path) if method.interface != PEER]
        self.polkit.forget()

    def call_all(self, become, methods=None, connect=None):
        """{method: (outcome, answer)} of a child that has become somebody."""
        def child():
            connection = (connect or bus.connect)()
            become()
            return {repr(method): outcome(connection, method, self.pod) for method in methods or self.methods}
        return as_user(0, child)

    def asked(self):
        return sorted((call['action'], call['details']['verb']) for call in self.polkit.calls())


def as_uid(uid, gid=None):
    def become():
        os.setgroups([])
        os.setresgid(gid or uid, gid or uid, gid or uid)
        os.setresuid(uid, uid, uid)
    return become


def unshared(flag, then=lambda: None):
    def become():
        if LIBC.unshare(flag) != 0:
            raise OSError(ctypes.get_errno(), 'unshare')
        if flag == CLONE_NEWUSER:
            for name, text in (('setgroups', 'deny'), ('uid_map', '0 0 1'), ('gid_map', '0 0 1')):
                with open(f'/proc/self/{name}', 'w') as file:
                    file.write(text)
        then()
    return become


def chrooted():
    os.chroot(specs.rootfs())
    os.chdir('/')


# A caller, as who it counts, and whether polkit is asked about it. The connection is made by who connects: the bus takes the uid from there.
CALLERS = [
    ('root', 0, 'root', lambda: None),
    ('the owner', ALICE, 'owner', lambda: None),
    ('the owner in another mount namespace', ALICE, 'owner', unshared(CLONE_NEWNS)),
    ("somebody of the owner's group", FRIEND, 'stranger', lambda: None),
    ('a stranger', BOB, 'stranger', lambda: None),
    ('uid 0 in another mount namespace', 0, 'elsewhere', unshared(CLONE_NEWNS)),
    ('uid 0 in another user namespace', 0, 'elsewhere', unshared(CLONE_NEWUSER)),
    ('uid 0 with another root directory', 0, 'elsewhere', chrooted),
]


def expected(method, standing, answer):
    """What is to come of a call, and whether polkit is asked."""
    kind = method.judged()
    if standing == 'root' or kind == ANYBODY:
        return ALLOWED, False
    if standing in ('stranger', 'elsewhere') and method.names_pod():
        return HIDDEN, False
    if kind == LOOKS:
        return ALLOWED, False
    if standing == 'elsewhere':
        return DENIED, False
    return {'yes': ALLOWED, 'challenge': INTERACTIVE}.get(answer, DENIED), answer != 'absent'


def connect_as(uid, become):
    """For a child: becomes the caller before it connects, so that the bus knows it by its uid; but for what would hide the bus, for which
    there is the second function."""
    late = become is chrooted

    def connect():
        if not late:
            become()
        if uid:
            as_uid(uid, ALICE if uid == FRIEND else None)()
        return bus.connect()
    return connect, become if late else lambda: None


def check(s, uid, standing, become, answer):
    connect, then = connect_as(uid, become)
    s.polkit.forget()
    seen = s.call_all(then, connect=connect)
    wrong, asked, counts = [], [], {}
    for method in s.methods:
        wanted, asks = expected(method, standing, answer)
        found, text = seen[repr(method)]
        counts[found] = counts.get(found, 0) + 1
        if found != wanted:
            wrong.append(f'{method}: {found}, not {wanted} ({text})')
        if asks:
            asked.append((method.judged(), method.name))
        if found == HIDDEN and s.pod in text.replace('_', '-') and method.name != 'GC' and not method.of_pod:
            other = '0a0b0c0d-1111-4222-8333-444455556666'
            same = as_user(0, lambda: (lambda c: outcome(c, method, other))((connect(), then())[0]))
            if same[1].replace(other, s.pod) != text:
                wrong.append(f'{method}: a pod of another is told from none: {text} / {same[1]}')
    equal(wrong, [], f'{standing}, polkit {answer}')
    if answer != 'absent':
        equal(s.asked(), sorted(asked), 'what polkit was asked')
    return counts


@case('the table above judges every method that the daemon has, and no other')
def complete(s):
    served = {(method.interface, method.name) for method in s.methods}
    judged = {(interface, name) for interface, methods in TABLE.items() for name in methods}
    equal(sorted(served - judged), [], 'methods without a judgement')
    equal(sorted(judged - served), [], 'judgements without a method')
    diagnose(f'{len(served)} methods')


for title, uid, standing, become in CALLERS:
    def matrix(s, uid=uid, standing=standing, become=become):
        counts = check(s, uid, standing, become, 'yes')
        diagnose(', '.join(f'{n} {what}' for what, n in sorted(counts.items())))
    case(f'every method by {title}, polkit saying yes')(matrix)


@case('every method by the owner and by a stranger, polkit saying no, asking for a person, failing, and not being there')
def refusals(s):
    for answer in ('no', 'challenge', 'error', 'absent'):
        if answer == 'absent':
            s.polkit.stop()
        else:
            s.polkit.answer(answer)
        before = host.mount_table()
        for uid, standing in ((ALICE, 'owner'), (BOB, 'stranger'), (0, 'root')):
            counts = check(s, uid, standing, lambda: None, answer)
            diagnose(f'{answer}, {standing}: ' + ', '.join(f'{n} {what}' for what, n in sorted(counts.items())))
            if uid != 0:
                equal(host.mount_table(), before, f'the mount table after what {standing} was refused')


def asking(s):
    return [method for method in s.methods if method.judged() not in (ANYBODY, LOOKS)]


@case('every method that polkit is asked for, polkit dying over the question')
def dying(s):
    before = host.mount_table()
    for method in asking(s):
        s.polkit.stop()
        s.polkit = Polkit(bus, 'die')
        seen = s.call_all(lambda: None, [method], connect_as(ALICE, lambda: None)[0])
        equal(seen[repr(method)][0], DENIED, f'{method}: {seen}')
    equal(host.mount_table(), before, 'the mount table')
    diagnose(f'{len(asking(s))} questions')


@case('every method that polkit is asked for, polkit never answering: nothing is done, others are served, and nothing is left when the caller goes')
def hanging(s):
    before, methods = host.mount_table(), asking(s)
    s.polkit.answer('hang')

    def ask():
        connection = bus.connect()
        connection.call_blocking(NAME, PATH, MANAGER, 'ListPods', 'a{sv}', [dbus.Dictionary({}, 'sv')])
        for method in methods:
            message = dbus.lowlevel.MethodCallMessage(NAME, method.path, method.interface, method.name)
            arguments = method.arguments(s.pod)
            if arguments:
                message.append(*arguments, signature=''.join(type for _, type in method.signatures))
            connection.send_message(message)
        connection.flush()
        return connection
    let_go = host.staying(lambda: drop_to(ALICE), ask)
    eventually(lambda: len(s.polkit.calls()) == len(methods), 'polkit is asked about all')
    equal(s.asked(), sorted((method.judged(), method.name) for method in methods), 'what polkit was asked')
    row = [row for row in s.daemon.json('status')['Quotas'] if row['Limit'] == 'RequestsPerUser']
    equal([row[0]['Used'], row[0]['Name']], [len(methods), str(ALICE)], 'requests that wait')
    equal(s.call_all(lambda: None, [s.methods[0]], connect_as(BOB, lambda: None)[0])[repr(s.methods[0])][0], ALLOWED, 'another one is served')
    let_go()
    eventually(lambda: [r for r in s.daemon.json('status')['Quotas'] if r['Limit'] == 'RequestsPerUser'] == [], 'nothing waits')
    s.polkit.answer('yes')
    equal((host.mount_table(), s.daemon.state(s.pod)), (before, 'ready'), 'the mount table and the pod')


@case('on the private socket nobody can be asked: what polkit would be asked for is refused')
def on_the_socket(s):
    wrong = []

    def all_of(uid):
        def child():
            if uid:
                as_uid(uid)()
            connection = s.daemon.connection()
            without_fds = [method for method in s.methods if 'h' not in ''.join(type for _, type in method.signatures)]
            return {repr(method): outcome(connection, method, s.pod, None) for method in without_fds}
        return as_user(0, child)
    for uid, standing in ((0, 'root'), (ALICE, 'owner'), (BOB, 'stranger')):
        for name, (found, text) in all_of(uid).items():
            method = next(m for m in s.methods if repr(m) == name)
            wanted, _ = expected(method, standing, 'absent')
            if found != wanted:
                wrong.append(f'{standing}: {name}: {found}, not {wanted} ({text})')
    equal(wrong, [], 'outcomes')
    equal(s.asked(), [], 'what polkit was asked')


if __name__ == '__main__':
    host.prepare()
    bus = Bus()
    tap.run(Situation)
