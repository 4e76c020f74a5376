# SPDX-License-Identifier: LGPL-2.1-or-later
"""A varlink client of one's own: raw JSON over the socket, and the interface description read well enough to judge answers by it."""

import array
import json
import os
import re
import socket

from frame import specs
from frame.daemon import Stage
from frame.tap import PATIENCE

INTERFACE = 'org.podmount1'
SERVICE = 'org.varlink.service'


class Closed(Exception):
    """The other side ended the connection."""


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, name, parameters):
        super().__init__(f'{name} {parameters!r}')
        self.name, self.parameters = name, parameters


class Connection:
    def __init__(self, path, timeout=30):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout * PATIENCE)
        self.socket.connect(path)
        self.buffer, self.fds = b'', []

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send_bytes(self, data, fds=()):
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))] if fds else []
        sent = self.socket.sendmsg([data], control)
        if sent < len(data):
            self.socket.sendall(data[sent:])

    def send(self, method, parameters=None, fds=(), **flags):
        """One call; a name without a dot is of org.podmount1."""
        call = {'method': method if '.' in method else f'{INTERFACE}.{method}', **flags}
        if parameters is not None:
            call['parameters'] = parameters
        self.send_bytes(json.dumps(call).encode() + b'\0', fds)

    def receive(self):
        """The next message, whatever it is. fds that came go to self.fds."""
        while b'\0' not in self.buffer:
            data, control, _, _ = self.socket.recvmsg(1 << 16, socket.CMSG_SPACE(253 * 4))
            for level, kind, content in control:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    received = array.array('i')
                    received.frombytes(content[:len(content) - len(content) % received.itemsize])
                    self.fds += received
            if not data:
                raise Closed()
            self.buffer += data
        text, self.buffer = self.buffer.split(b'\0', 1)
        return json.loads(text)

    def answer(self):
        """The parameters of the next answer; Refused if it is an error."""
        message = self.receive()
        if 'error' in message:
            raise Refused(message['error'], message.get('parameters', {}))
        return message['parameters']

    def call(self, method, parameters=None, fds=(), **flags):
        self.send(method, parameters, fds, **flags)
        return self.answer()

    def error_of(self, method, parameters=None, fds=(), **flags):
        """(name, parameters) of a call that must be refused."""
        try:
            result = self.call(method, parameters, fds, **flags)
        except Refused as error:
            return error.name, error.parameters
        raise AssertionError(f'{method} {parameters!r:.200} was not refused: {result!r}')

    def stream(self, method, parameters=None, fds=()):
        """The parameters of all answers to a call with "more"."""
        self.send(method, parameters, fds, more=True)
        while True:
            message = self.receive()
            if 'error' in message:
                raise Refused(message['error'], message.get('parameters', {}))
            yield message['parameters']
            if not message.get('continues'):
                return


class Description:
    """Types, methods and errors of an interface, from its description."""

    def __init__(self, text):
        self.tokens = re.findall(r'->|\[\]|\[string\]|[?(),:]|[A-Za-z][A-Za-z0-9_.-]*', re.sub(r'#.*', '', text))
        self.types, self.methods, self.errors = {}, {}, {}
        self.next('interface')
        self.name = self.next()
        while self.tokens:
            kind, name = self.next(), self.next()
            if kind == 'type':
                self.types[name] = self.structure()
            elif kind == 'method':
                given = self.structure()
                self.next('->')
                self.methods[name] = (given, self.structure())
            elif kind == 'error':
                self.errors[name] = self.structure()
            else:
                raise AssertionError(f'{kind} is nothing of varlink')

    def next(self, expected=None):
        token = self.tokens.pop(0)
        if expected and token != expected:
            raise AssertionError(f'{token} instead of {expected}')
        return token

    def structure(self):
        """{member: type}; a type is a name, or a tuple of what it is made of and one."""
        members = {}
        self.next('(')
        while self.tokens[0] != ')':
            name = self.next()
            self.next(':')
            members[name] = self.type()
            if self.tokens[0] == ',':
                self.next()
        self.next(')')
        return members

    def type(self):
        token = self.next()
        return (token, self.type()) if token in ('?', '[]', '[string]') else token

    def check(self, value, wanted, place):
        """Whether the value is of this type, no more and no less."""
        if isinstance(wanted, dict):
            self.check_structure(value, wanted, place)
        elif wanted in self.types:
            self.check_structure(value, self.types[wanted], place)
        elif isinstance(wanted, tuple):
            self.check_made(value, wanted, place)
        else:
            kind = {'string': str, 'int': int, 'bool': bool}[wanted]
            if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
                raise AssertionError(f'{place} is no {wanted}: {value!r}')

    def check_made(self, value, wanted, place):
        how, inner = wanted
        if how == '?':
            if value is not None:
                self.check(value, inner, place)
        elif how == '[]':
            if not isinstance(value, list):
                raise AssertionError(f'{place} is no array: {value!r}')
            for number, element in enumerate(value):
                self.check(element, inner, f'{place}[{number}]')
        else:
            if not isinstance(value, dict):
                raise AssertionError(f'{place} is no map: {value!r}')
            for key, element in value.items():
                self.check(element, inner, f'{place}[{key}]')

    def check_structure(self, value, members, place):
        if not isinstance(value, dict):
            raise AssertionError(f'{place} is no object: {value!r}')
        for name in value:
            if name not in members:
                raise AssertionError(f'{place} has "{name}", which is not described')
        for name, wanted in members.items():
            if name not in value and not (isinstance(wanted, tuple) and wanted[0] == '?'):
                raise AssertionError(f'{place} lacks "{name}"')
            if name in value:
                self.check(value[name], wanted, f'{place}.{name}')


class Varlink(Stage):
    @property
    def varlink(self):
        return f'{self.runtime}/varlink'

    def connect(self, **more):
        return Connection(self.varlink, **more)

    def description(self):
        with self.connect() as c:
            return Description(c.call(f'{SERVICE}.GetInterfaceDescription', {'interface': 'org.podmount1'})['description'])


def spec(*mounts):
    return json.dumps(specs.oci(mounts=list(mounts)))


def closed(c):
    """Whether the daemon ends the connection, instead of saying anything."""
    try:
        raise AssertionError(f'an answer: {c.receive()!r:.300}')
    except (Closed, ConnectionResetError, BrokenPipeError):
        return True


def tells_peers():
    """Whether this kernel gives a pidfd of who is at the other end of a socket: Linux 6.5 does."""
    ours, theirs = socket.socketpair()
    try:
        os.close(ours.getsockopt(socket.SOL_SOCKET, 77))  # SO_PEERPIDFD
    except OSError:
        return False
    finally:
        ours.close()
        theirs.close()
    return True
