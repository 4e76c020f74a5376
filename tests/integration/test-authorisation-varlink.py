#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may call what over varlink: every method of the interface's description, by the same callers, judged by the same table as over D-Bus."""

import importlib.machinery
import importlib.util
import os

from frame import host, tap
from frame.bus import Bus
from frame.daemon import LAYERS, MANAGER, POD
from frame.host import ALICE, BOB, as_user
from frame.polkit import Polkit
from frame.tap import case, diagnose, equal, eventually
from frame.varlink import Connection, Description, Refused, tells_peers


def load_table():
    """test-authorisation.py, whose table and callers these are, without its cases."""
    loader = importlib.machinery.SourceFileLoader('authorisation', f'{os.path.dirname(os.path.abspath(__file__))}/test-authorisation.py')
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader('authorisation', loader))
    loader.exec_module(module)
    tap.CASES.clear()
    return module


table = load_table()
DENIED, HIDDEN, ALLOWED, INTERACTIVE = table.DENIED, table.HIDDEN, table.ALLOWED, table.INTERACTIVE
# What only varlink has, or calls otherwise; and the D-Bus methods that these stand for.
OWN = {name: table.ANYBODY for name in ('Describe', 'List', 'Monitor', 'HasLayer')}
ELSEWHERE = ['LayerExists', 'Subscribe', 'Unsubscribe']
STREAMS = ('List', 'Monitor')
OTHER = '0a0b0c0d-1111-4222-8333-444455556666'  # no pod


class Method:
    def __init__(self, name, given):
        self.name, self.given = name, given

    def judged(self):
        return {**table.TABLE[LAYERS], **table.TABLE[POD], **table.TABLE[MANAGER], **OWN}[self.name]

    def names_pod(self):
        return self.name not in table.TABLE[LAYERS] and self.name not in OWN and ('id' in self.given or 'ids' in self.given)

    def parameters(self, pod):
        """Whatever has to be there; an int is an fd that is sent along."""
        def value(name, type):
            if name == 'id':
                return pod if self.names_pod() else 'x'
            return {'int': 0, 'string': table.VALUES.get(name, 'x')}[type] if isinstance(type, str) else [pod]
        found = {name: value(name, type) for name, type in self.given.items() if not (isinstance(type, tuple) and type[0] == '?')}
        return {**found, 'options': {'dry_run': True}} if self.name in ('GC', 'Collect', 'Repair') else found

    def fds(self):
        return [os.open('/etc', os.O_RDONLY)] if 'int' in self.given.values() else []

    def send(self, connection, pod):
        connection.send(self.name, self.parameters(pod), self.fds(), **({'more': True} if self.name in STREAMS else {}))

    def outcome(self, connection, pod):
        """What station 4 made of the call, and the whole answer."""
        self.send(connection, pod)
        try:
            answer = connection.answer()
        except Refused as error:
            name, text = error.name.rsplit('.', 1)[1], str(error)
            if name == 'AccessDenied' and 'may not call' in text:
                return DENIED, text
            if name in ('InterfaceNotFound', 'MethodNotFound', 'MethodNotImplemented'):
                return table.BROKEN, text
            return {'NoSuchPod': HIDDEN, 'InteractiveAuthorizationRequired': INTERACTIVE}.get(name, ALLOWED), text
        hidden = self.name == 'GC' and answer['outcomes'][0]['outcome'] == 'not-found'
        return HIDDEN if hidden else ALLOWED, str(answer)


class Situation(table.Situation):
    """Alice has a pod; the methods are those of the description that is installed."""

    def __init__(self):
        super().__init__()
        self.varlink = f'{self.daemon.runtime}/varlink'
        with open(f'{host.SOURCE}/dbus/org.podmount1.varlink') as file:
            self.methods = [Method(name, given) for name, (given, _) in Description(file.read()).methods.items()]

    def connect_as(self, uid, become):
        """For a child: becomes the caller and connects; but for what would hide the socket, which comes after that."""
        late = become is table.chrooted
        if not late:
            become()
        if uid:
            table.as_uid(uid, ALICE if uid == table.FRIEND else None)()
        connection = Connection(self.varlink)
        if late:
            become()
        return connection

    def call_all(self, uid, become, methods=None):
        """{method: (outcome, answer, answer about a pod that is not)}, of a child that has become the caller."""
        def child():
            connection, found = self.connect_as(uid, become), {}
            for method in sorted(methods or self.methods, key=lambda method: method.name in STREAMS):
                if method.name in STREAMS and become is not table.chrooted:
                    connection = Connection(self.varlink)
                elif method.name == 'Monitor':
                    continue  # on one connection it cannot come after List
                found[method.name] = (*method.outcome(connection, self.pod), method.outcome(connection, OTHER)[1] if method.names_pod() else '')
            return found
        return as_user(0, child)


def check(s, uid, standing, become, answer):
    s.polkit.forget()
    wrong, asked, counts = [], [], {}
    seen = s.call_all(uid, become)
    for method in s.methods:
        if method.name not in seen:
            continue
        wanted, asks = table.expected(method, standing, answer if tells_peers() else 'absent')
        found, text, other = seen[method.name]
        counts[found] = counts.get(found, 0) + 1
        if found != wanted:
            wrong.append(f'{method.name}: {found}, not {wanted} ({text})')
        if asks:
            asked.append((method.judged(), method.name))
        if wanted == HIDDEN and other.replace(OTHER, s.pod) != text:
            wrong.append(f'{method.name}: a pod of another is told from none: {text} / {other}')
    equal(wrong, [], f'{standing}, polkit {answer}')
    if answer != 'absent':
        # About the pod that is not there nobody is asked.
        equal(s.asked(), sorted(asked), 'what polkit was asked')
    diagnose(f'{answer}, {standing}: ' + ', '.join(f'{n} {what}' for what, n in sorted(counts.items())))


def asking(s):
    return [method for method in s.methods if method.judged() not in (table.ANYBODY, table.LOOKS)]


@case('the table judges every method of the description, and the description has every method that it judges')
def complete(s):
    served = {method.name for method in s.methods}
    judged = {name for interface in (MANAGER, POD, LAYERS) for name in table.TABLE[interface]}
    equal(sorted(served - judged - set(OWN)), [], 'methods without a judgement')
    equal(sorted((judged | set(OWN)) - served), ELSEWHERE, 'judgements without a method')
    diagnose(f'{len(served)} methods')


for title, uid, standing, become in table.CALLERS:
    def matrix(s, uid=uid, standing=standing, become=become):
        check(s, uid, standing, become, 'yes')
    case(f'every method by {title}, polkit saying yes')(matrix)


@case('every method by the owner, a stranger and root, polkit saying no, asking for a person, failing, and not being there')
def refusals(s):
    before = host.mount_table()
    for answer in ('no', 'challenge', 'error', 'absent'):
        if answer == 'absent':
            s.polkit.stop()
        else:
            s.polkit.answer(answer)
        for uid, standing in ((ALICE, 'owner'), (BOB, 'stranger')):
            check(s, uid, standing, lambda: None, answer)
            equal(host.mount_table(), before, f'the mount table after what {standing} was refused')
    check(s, 0, 'root', lambda: None, 'absent')


@case('every method that polkit is asked for, polkit dying over the question')
def dying(s):
    before = host.mount_table()
    for method in asking(s):
        s.polkit.stop()
        s.polkit = Polkit(table.bus, 'die')
        seen = s.call_all(ALICE, lambda: None, [method])
        equal(seen[method.name][0], DENIED, f'{method.name}: {seen}')
    equal(host.mount_table(), before, 'the mount table')
    diagnose(f'{len(asking(s))} questions')


@case('every method that polkit is asked for, polkit never answering: nothing is done, others are served, and nothing is left when the caller goes')
def hanging(s):
    if not tells_peers():
        raise tap.Skip('polkit cannot be asked about who calls over varlink here')
    before, methods = host.mount_table(), asking(s)
    s.polkit.answer('hang')

    def ask():
        connections = [Connection(s.varlink) for _ in methods]
        for connection, method in zip(connections, methods):
            method.send(connection, s.pod)
        return connections
    let_go = host.staying(lambda: host.drop_to(ALICE), ask)
    eventually(lambda: len(s.polkit.calls()) == len(methods), 'polkit is asked about all')
    equal(s.asked(), sorted((method.judged(), method.name) for method in methods), 'what polkit was asked')

    def waiting():
        return [[row['Used'], row['Name']] for row in s.daemon.json('status')['Quotas'] if row['Limit'] == 'RequestsPerUser']
    equal(waiting(), [[len(methods), str(ALICE)]], 'requests that wait')
    equal(s.call_all(BOB, lambda: None, s.methods[:1])[s.methods[0].name][0], ALLOWED, 'another one is served')
    let_go()
    eventually(lambda: waiting() == [], 'nothing waits')
    s.polkit.answer('yes')
    equal((host.mount_table(), s.daemon.state(s.pod)), (before, 'ready'), 'the mount table and the pod')


if __name__ == '__main__':
    host.prepare()
    table.bus = Bus()
    tap.run(Situation)
