#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What bad input gets: a clear error, nothing changed, the daemon alive."""

import json
import os
import socket
import struct
import subprocess

import dbus

from frame import host, specs, tap
from frame.daemon import ERROR, MANAGER, PATH, Daemon
from frame.raw import marshal, raw_connection
from frame.tap import case, contains, equal, eventually

INVALID_ARGS = 'org.freedesktop.DBus.Error.InvalidArgs'


class Victim(Daemon):
    """A daemon with one pod, and the check that nothing came of a call."""

    def __init__(self):
        super().__init__()
        self.pod = self.create(specs.oci(), '--name', 'victim')
        self.root = self.rootfs(self.pod)
        self.processes = [self.keeper(), self.front()]

    def refused_call(self, names, method, signature, *arguments, says=(), **more):
        """The call fails with one of these names and a sentence with these words; nothing changed, nobody died."""
        before, pods = host.mount_table(), self.pods()
        name, text = self.error_of(method, signature, *arguments, **more)
        expected = [n if '.' in n else ERROR + n for n in ([names] if isinstance(names, str) else names)]
        equal(name in expected, True, f'{method}: {name}: {text}\n  expected one of {expected}')
        equal(len(text) > 10 and '\n' not in text, True, f'a sentence: {text!r}')
        for word in [says] if isinstance(says, str) else says:
            contains(text, word, name)
        equal(host.mount_table(), before, f'mount table after {name}')
        equal(self.pods(), pods, f'pods after {name}')
        equal([self.keeper(), self.front()], self.processes, 'processes')
        return text

    def bad_spec(self, text, names='InvalidSpec', says=()):
        text = text if isinstance(text, str) else json.dumps(text)
        for method in ('Plan', 'CreatePod'):
            said = self.refused_call(names, method, 'sa{sh}a{sv}', text, {}, {}, says=says)
        return said

    def bad_bind(self, names, source, target, says=(), options=None, fds=None):
        return self.refused_call(names, 'Bind', 'sssa{sh}a{sv}', self.pod, source, target,
                dbus.Dictionary(fds or {}, signature='sh'),
                                 dbus.Dictionary(options or {}, signature='sv'), says=says)


@case('a spec that is not JSON: the line and column')
def not_json(v):
    for text in ['', 'x', '{', '{"root": }', '[1,2', '{} trailing', '{"a":1,}', "{'a': 1}", '"text"', 'null', '42',
            '[]', 'NaN', '{"ociVersion":"1.0.2"']:
        v.bad_spec(text)
    contains(v.bad_spec('{\n  "root": nonsense\n}'), 'line 2', 'the place')


@case('a spec over the limit, one of 64 MiB, and one that nests 10,000 deep')
def big(v):
    v.bad_spec(json.dumps(specs.oci() | {'annotations': {'x': 'y' * (1024 * 1024)}}), 'QuotaExceeded', says='1048576')
    v.bad_spec('{"x":"' + 'y' * (64 * 1024 * 1024) + '"}', 'QuotaExceeded', says='1048576')
    v.bad_spec('[' * 10000 + ']' * 10000)
    v.bad_spec('{"a":' * 10000 + '1' + '}' * 10000)


@case('wrong types and missing members, with the JSON pointer to the place')
def wrong_types(v):
    good = specs.oci()
    for change, pointer in [({'root': 7}, '/root'), ({'root': {}}, '/root/path'), ({'root': {'path': 7}}, '/root/path'),
            ({'root': {'path': 'relative'}}, '/root/path'),
                            ({'root': {'path': good['root']['path'], 'readonly': 'yes'}}, '/root/readonly'),
                            ({'mounts': {}}, '/mounts'), ({'mounts': [7]}, '/mounts/0'),
                            ({'mounts': [specs.mount('/tmp'), {'type': 'tmpfs'}]}, '/mounts/1/destination'),
                            ({'mounts': [{'destination': 7}]}, '/mounts/0/destination'),
                            ({'mounts': [{'destination': '/x', 'options': 'ro'}]}, '/mounts/0/options'),
                            ({'mounts': [{'destination': '/x', 'options': ['ro', 7]}]}, '/mounts/0/options/1'),
                            ({'ociVersion': 1}, '/ociVersion')]:
        v.bad_spec(good | change, says=pointer)


@case('duplicate destinations, with the pointer to the second')
def duplicates(v):
    v.bad_spec(specs.oci(mounts=[specs.mount('/tmp'), specs.mount('/tmp')]), ['InvalidSpec', 'TargetInUse'],
            says='/mounts/1')
    v.bad_spec(specs.oci(mounts=[specs.mount('/tmp'), specs.mount('//tmp/.')]), ['InvalidSpec', 'TargetInUse'],
            says='/mounts/1')


@case("podmount's own format: unknown versions, members, no containers, names twice, bad names")
def own_format(v):
    root = {'path': specs.rootfs()}
    for spec in [{'podmount': 2, 'containers': [{'name': 'a', 'root': root}]}, {'podmount': 1},
            {'podmount': 1, 'containers': []},
                 {'podmount': 1, 'containers': [{'name': 'a', 'root': root}, {'name': 'a', 'root': root}]},
                 {'podmount': 1, 'containers': [{'name': 'a/b', 'root': root}]},
                 {'podmount': 1, 'containers': [{'name': '..', 'root': root}]},
                 {'podmount': 1, 'containers': [{'root': root}]},
                 {'podmount': 1, 'containers': [{'name': 'a', 'root': root, 'nonsense': 1}]},
                 {'podmount': 1, 'name': 'x' * 10000, 'containers': [{'name': 'a', 'root': root}]},
                 {'podmount': 1, 'containers': [{'name': f'c{i}', 'root': root} for i in range(100)]}]:
        v.bad_spec(spec)


@case('unknown options, options of another type, values that do not fit')
def options(v):
    for mount in [specs.mount('/mnt', options=['nonsense']), specs.mount('/mnt', options=['size=many']),
            specs.mount('/mnt', options=['size']),
                  specs.mount('/mnt', options=['lowerdir=/etc']), specs.mount('/mnt', options=['mode=9']),
                  specs.mount('/mnt', options=['x' * 5000]), specs.mount('/mnt', options=['ro'] * 1000),
                  specs.mount('/proc', 'proc', 'proc', ['hidepid=nonsense'])]:
        v.bad_spec(specs.oci(mounts=[mount]), 'InvalidOption', says='/mounts/0')
    v.bad_bind('InvalidOption', '/etc', '/mnt', options={'options': dbus.Array(['nonsense'], signature='s')},
            says='nonsense')
    for kind in ('nonsense', 'ntfs3', 'nfs', 'xfs'):
        v.bad_spec(specs.oci(mounts=[specs.mount('/mnt', kind, 'x')]), 'NotSupported', says=kind)
    v.bad_spec(specs.oci(mounts=[specs.mount('/mnt', 'ext4', 'x')]), 'InvalidSpec', says='/mounts/0/source')
    v.bad_spec(specs.oci(mounts=[specs.mount('/mnt', 'fuse', 'x')]), 'InvalidOption', says='fd=fd:NAME')
    text = json.dumps(specs.oci(mounts=[specs.mount('/mnt', 'ext4', '/etc/hostname')]))
    v.refused_call('NotSupported', 'CreatePod', 'sa{sh}a{sv}', text, {}, {}, says='ImageTypes=')


@case('targets with `..`, relative ones, the root itself, /proc and /sys')
def targets(v):
    for target in ['..', '/..', '/mnt/..', '/mnt/../../etc', 'relative', '', '/', '//', '/.', '/mnt/' + 'x' * 300,
            '/' + 'd/' * 3000, '/proc', '/proc/self', '/proc/1/root', '/sys',
                   '/sys/kernel']:
        v.bad_bind(['InvalidTarget', 'EscapesRoot', INVALID_ARGS], '/etc', target)
        v.bad_spec(specs.oci(mounts=[specs.bind('/etc', target, 'rbind')]),
                ['InvalidTarget', 'InvalidSpec', 'EscapesRoot'], says='/mounts/0')


@case('symlinks stay inside the root; magic links and links in a circle are refused')
def symlinks(v):
    os.symlink('/etc', f'{v.root}/srv/absolute')
    os.symlink('../../../../../../etc', f'{v.root}/srv/climbing')
    os.symlink('circle', f'{v.root}/srv/circle')
    v.ok('mount', v.pod, json.dumps(specs.mount('/proc', 'proc', 'proc')))
    for name, link in [('magic', '/proc/1/root/tmp'), ('own', '/proc/self/root'), ('fd', '/proc/self/fd/1')]:
        os.symlink(link, f'{v.root}/srv/{name}')
    data = specs.tree('link-data', {'file': 'x'})
    try:
        for name in ('absolute', 'climbing'):
            v.ok('bind', v.pod, data, f'/srv/{name}')
            equal(os.listdir(f'{v.root}/etc'), ['file'], 'where the link leads, inside')
            v.ok('unmount', v.pod, f'/srv/{name}')
        for name in ('circle', 'magic', 'own', 'fd'):
            v.bad_bind(['EscapesRoot', 'InvalidTarget'], data, f'/srv/{name}')
    finally:
        for name in ('absolute', 'climbing', 'circle', 'magic', 'own', 'fd'):
            os.unlink(f'{v.root}/srv/{name}')


@case('a file where a directory is needed, and the other way round')
def files_and_directories(v):
    data = specs.tree('kinds', {'file': 'x', 'directory/': ''})
    v.bad_bind('InvalidTarget', data, '/etc/hostname', says='/etc/hostname')
    v.bad_bind('InvalidTarget', f'{data}/file', '/mnt', says='/mnt')
    v.bad_bind('InvalidTarget', data, '/etc/hostname/below', says='/etc/hostname')
    v.refused_call('InvalidTarget', 'CreatePod', 'sa{sh}a{sv}',
            json.dumps(specs.oci(mounts=[specs.mount('/etc/hostname')])), {}, {})


@case('sources that are not there, are no mountable thing, or too long')
def sources(v):
    data = specs.tree('sources', {'file': 'x'})
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f'{data}/socket')
    v.bad_bind('NoSuchSource', '/nonexistent/source', '/mnt', says='/nonexistent/source')
    v.bad_bind('NoSuchSource', f'{data}/file/below', '/mnt')
    os.symlink('nowhere', f'{data}/dangling')
    v.bad_bind('NoSuchSource', f'{data}/dangling', '/mnt')
    for source in ['relative', '', '/' + 'd/' * 3000 + 'x', '/' + 'x' * 300]:
        v.bad_bind([INVALID_ARGS, 'NoSuchSource', 'InvalidSpec', 'InvalidTarget', 'InvalidOption'], source, '/mnt')
    for root in ['/nonexistent', '/etc/hostname', f'{data}/file', '/' + 'd/' * 3000]:
        v.refused_call(['NoSuchSource', 'InvalidSpec', 'InvalidTarget'], 'CreatePod', 'sa{sh}a{sv}',
                json.dumps(specs.oci(root)), {}, {})
    listener.close()


@case('pod ids and names: none, slashes, newlines, 10,000 characters, a taken UUID, a name that looks like one')
def ids(v):
    spec = json.dumps(specs.oci())
    for ident in ['', 'x', '../..', 'a/b', 'line\nfeed', 'x' * 10000, v.pod[:7], v.pod[:-1] + 'g', '*', 'Victim']:
        for method, signature, arguments in [('GetPod', 's', [ident]),
                ('Bind', 'sssa{sh}a{sv}', [ident, '/etc', '/mnt', {}, {}]), ('ListMounts', 'sa{sv}', [ident, {}]),
                                             ('Unmount', 'ssa{sv}', [ident, '/mnt', {}])]:
            v.refused_call(['NoSuchPod', INVALID_ARGS], method, signature, *arguments)
    for ident in ['', 'x', v.pod + '0', 'zzzzzzzz-2222-4333-8444-555555555555', '00000000-0000-0000-0000-000000000000',
            '1' * 10000, 'a/b']:
        v.refused_call(INVALID_ARGS, 'CreatePod', 'sa{sh}a{sv}', spec, {}, {'id': ident})
    for name in ['', 'a/b', '..', '.', 'line\nfeed', 'x' * 10000, '-x', 'a b', 'ü', '12345678', 'abcdef01',
            '11111111-2222-4333-8444-555555555555']:
        v.refused_call([INVALID_ARGS, 'InvalidSpec'], 'CreatePod', 'sa{sh}a{sv}', spec, {}, {'name': name})
    v.refused_call('PodExists', 'CreatePod', 'sa{sh}a{sv}', json.dumps(specs.oci(readonly=True)), {}, {'id': v.pod},
            says=v.pod)
    v.refused_call('PodExists', 'CreatePod', 'sa{sh}a{sv}', spec, {}, {'name': 'victim'}, says='victim')


@case('containers that are not there')
def containers(v):
    for name in ['other', '', '..', 'a/b', 'x' * 10000]:
        v.refused_call(['NoSuchContainer', INVALID_ARGS], 'Bind', 'sssa{sh}a{sv}', v.pod, '/etc', '/mnt', {},
                {'container': name})
        v.refused_call(['NoSuchContainer', INVALID_ARGS], 'Unmount', 'ssa{sv}', v.pod, '/mnt', {'container': name})


@case('fds: an index that is not there, the wrong kind, one that nothing names, a name that nothing sends')
def fds(v):
    null, directory = os.open('/dev/null', os.O_RDONLY), os.open('/etc', os.O_PATH)
    v.bad_bind(INVALID_ARGS, 'fd:x', '/mnt', says='x')
    v.bad_bind(INVALID_ARGS, '/etc', '/mnt', fds={'stray': dbus.types.UnixFd(directory)}, says='stray')
    v.bad_bind(INVALID_ARGS, 'fd:', '/mnt', fds={'': dbus.types.UnixFd(directory)})
    v.refused_call(INVALID_ARGS, 'CreatePod', 'sa{sh}a{sv}', json.dumps(specs.oci()),
            {'stray': dbus.types.UnixFd(directory)}, {})
    ends, pipe, memory = socket.socketpair(), os.pipe(), os.memfd_create('x')
    event = subprocess.Popen(['sleep', '600'])
    process = os.pidfd_open(event.pid)
    for number in (ends[0].fileno(), pipe[0], memory, process):
        v.bad_bind([INVALID_ARGS, 'SourceDenied', 'InvalidTarget', 'NoSuchSource', 'MountFailed'], 'fd:x', '/mnt',
                fds={'x': dbus.types.UnixFd(number)})
    event.kill()
    event.wait()
    for number in (null, directory, pipe[0], pipe[1], memory, process):
        os.close(number)
    index_beyond(v)


def bind_body(v, index):
    """Arguments of Bind() whose fd dictionary names this index."""
    def string(text):
        raw = text.encode()
        return struct.pack('<I', len(raw)) + raw + b'\0'
    body = b''
    for text in (v.pod, 'fd:x', '/mnt'):
        body += b'\0' * (-len(body) % 4) + string(text)
    body += b'\0' * (-len(body) % 4)
    entry = string('x')
    entry += b'\0' * (-len(entry) % 4) + struct.pack('<I', index)
    head = struct.pack('<I', len(entry))
    body += head + b'\0' * (-(len(body) + 4) % 8) + entry
    body += b'\0' * (-len(body) % 4) + struct.pack('<I', 0)
    return body + b'\0' * (-len(body) % 8)


def index_beyond(v):
    """An fd index past the fds that came along: an error or the end of this connection, nothing else."""
    before = host.mount_table()
    for index in (0, 1, 7, 0xffffffff):
        connection = raw_connection(v.socket)
        connection.sendall(marshal(bind_body(v, index)))
        data = connection.recv(65536)
        equal(data == b'' or data[1:2] == b'\3' or b'Error' in data, True, f'the answer to index {index}: {data!r}')
        connection.close()
    equal(host.mount_table(), before, 'mount table')
    equal(v.ctl('status').status, 0, 'the daemon answers')


@case('bytes that are no D-Bus: the connection ends, the daemon goes on')
def no_dbus(v):
    for data in [b'GET / HTTP/1.0\r\n\r\n', b'\0' * 100000, b'\0AUTH ANONYMOUS\r\n',
            b'\0AUTH EXTERNAL 3939\r\nBEGIN\r\n', b'']:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(v.socket)
        try:
            connection.sendall(data)
        except OSError:
            pass
        connection.close()
    for data in [b'\xff' * 1000, marshal(b'\xff' * 64), marshal(b'', signature='a' * 200), b'l\1\0\1' + b'\xff' * 12,
            marshal(b'')[:20]]:
        connection = raw_connection(v.socket)
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(65536)
        except OSError:
            pass
        connection.close()
    equal(v.ctl('status').status, 0, 'the daemon answers')
    equal([v.keeper(), v.front()], v.processes, 'processes')


@case('options of a call: unknown keys, wrong types, absurd timeouts; arguments of the wrong types')
def call_options(v):
    for bad in [{'nonsense': 1}, {'container': 7}, {'stack': 'yes'}, {'options': 'ro'}, {'timeout': 'soon'}]:
        v.refused_call(INVALID_ARGS, 'Bind', 'sssa{sh}a{sv}', v.pod, '/etc', '/mnt', {}, bad)
    for method, signature, arguments in [('GC', 'asa{sv}', [[v.pod], {'lazy': 'yes'}]),
            ('GC', 'asa{sv}', [[v.pod], {'nonsense': True}]),
                                         ('ListPods', 'a{sv}', [{'nonsense': True}]),
                                         ('ListMounts', 'sa{sv}', [v.pod, {'limit': 'x'}]),
                                         ('Unmount', 'ssa{sv}', [v.pod, '/mnt', {'mount-id': 'x'}]),
                                         ('CreatePod', 'sa{sh}a{sv}', [json.dumps(specs.oci()), {}, {'id': 7}])]:
        v.refused_call(INVALID_ARGS, method, signature, *arguments)
    for method, signature, arguments in [('GetPod', 'u', [7]), ('Bind', 's', [v.pod]), ('GC', 's', ['x']),
            ('CreatePod', '', [])]:
        v.refused_call([INVALID_ARGS, 'org.freedesktop.DBus.Error.InvalidSignature'], method, signature, *arguments)
    name, _ = v.error_of('NoSuchMethod', '')
    equal(name, 'org.freedesktop.DBus.Error.UnknownMethod', 'an unknown method')


@case('Mount: what is no mount, an empty array, one bad among many')
def mounts(v):
    for text in ['', '{}', '7', '"x"', '[7]', '[[]]', '[{}]', '{"destination": "/mnt"', 'null']:
        v.refused_call(['InvalidSpec', INVALID_ARGS], 'Mount', 'ssa{sh}a{sv}', v.pod, text, {}, {})
    many = [specs.mount(f'/mnt/{i}') for i in range(50)]
    v.refused_call('NoSuchSource', 'Mount', 'ssa{sh}a{sv}', v.pod,
            json.dumps(many + [specs.bind('/nonexistent', '/srv')]), {}, {}, says='/50')
    v.refused_call(['InvalidSpec', 'TargetInUse'], 'Mount', 'ssa{sh}a{sv}', v.pod,
            json.dumps(many + [specs.mount('/mnt/7')]), {}, {}, says='/50')
    equal(os.listdir(f'{v.root}/mnt'), [], 'mount points that are left')


@case('a pod that is being collected takes nothing more: an error, and it goes')
def being_collected(v):
    for _ in range(3):
        pod = v.create(specs.oci(mounts=[specs.mount(f'/mnt/{i}') for i in range(300)]))
        connection = v.connection()
        v.manager('ListPods', 'a{sv}', {}, connection=connection)
        connection.call_async(None, PATH, MANAGER, 'GC', 'asa{sv}', ([pod], {}), None, None)
        connection.flush()
        name, text = v.error_of('Bind', 'sssa{sh}a{sv}', pod, '/etc', '/srv', {}, {'options': ['rbind']},
                connection=connection)
        equal(name in (ERROR + 'Busy', ERROR + 'NoSuchPod'), True, f'{name}: {text}')
        contains(text, pod, 'the sentence')
        connection.close()
        eventually(lambda gone=pod: gone not in [p['UUID'] for p in v.pods()], 'the pod goes')


@case('a call by a caller that goes away before the answer comes to nothing bad')
def gone_callers(v):
    for _ in range(20):
        connection = raw_connection(v.socket)
        connection.sendall(marshal(b'', member='Rescan', signature=''))
        connection.close()
    for _ in range(5):
        call = subprocess.Popen([f'{host.DIRECTORY}/bin/podmountctl', '--socket', v.socket, 'create', '-'],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        call.stdin.write(json.dumps(specs.oci(mounts=[specs.mount(f'/mnt/{i}') for i in range(50)])).encode())
        call.stdin.close()
        call.kill()
        call.wait()
    eventually(lambda: all(pod['State'] == 'ready' for pod in v.pods()), 'every pod is whole')
    for pod in v.pods():
        equal(v.json('gc', pod['UUID'])[0]['Outcome'], 'removed', 'outcome')


if __name__ == '__main__':
    host.prepare()
    tap.run(Victim)
