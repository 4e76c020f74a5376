#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""org.podmount1 over varlink: every method, its errors, streams, fds and limits, with a client of our own."""

import array
import json
import os
import socket
import subprocess
import time

from frame import host, specs, tap
from frame.layers import make_tar
from frame.layouts import Layout, tar_of
from frame.tap import case, contains, equal, eventually
from frame.varlink import SERVICE, Description, Refused, Varlink, closed, spec

INVALID = f'{SERVICE}.InvalidParameter'
ERROR = 'org.podmount1.'


@case('org.varlink.service tells who we are and describes itself and us')
def service(daemon):
    with daemon.connect() as c:
        info = c.call(f'{SERVICE}.GetInfo')
        equal((info['product'], info['interfaces']), ('podmountd', [SERVICE, 'org.podmount1']), 'info')
        equal(c.call(f'{SERVICE}.GetInfo', {}), info, 'info, with parameters')
        for name in info['interfaces']:
            text = c.call(f'{SERVICE}.GetInterfaceDescription', {'interface': name})['description']
            equal(Description(text).name, name, 'the interface described')
        service = Description(c.call(f'{SERVICE}.GetInterfaceDescription', {'interface': SERVICE})['description'])
        service.check(info, service.methods['GetInfo'][1], 'GetInfo')
        equal(c.error_of(f'{SERVICE}.GetInterfaceDescription', {'interface': 'org.example'}),
                (f'{SERVICE}.InterfaceNotFound', {'interface': 'org.example'}), 'another interface')
        equal(c.error_of(f'{SERVICE}.GetInterfaceDescription'), (INVALID, {'parameter': 'interface'}), 'no interface')
        equal(c.error_of(f'{SERVICE}.GetInfo', {'x': 1}), (INVALID, {'parameter': 'x'}), 'a parameter too many')
        equal(c.error_of(f'{SERVICE}.Nothing'), (f'{SERVICE}.MethodNotFound', {'method': f'{SERVICE}.Nothing'}), 'no method')
        equal(c.error_of('org.example.Ping'), (f'{SERVICE}.InterfaceNotFound', {'interface': 'org.example'}), 'no interface')
        equal(c.error_of('Ping.'), (f'{SERVICE}.InterfaceNotFound', {'interface': 'Ping'}), 'an odd name')
        equal(c.error_of('Nothing'), (f'{SERVICE}.MethodNotFound', {'method': 'org.podmount1.Nothing'}), 'no method of ours')
        for name in ('Subscribe', 'Get', 'GetAll', 'Introspect', ''):
            equal(c.error_of(name)[0] if name else c.error_of('org.podmount1.')[0], f'{SERVICE}.MethodNotFound', name)


def each_call(daemon, data):
    """What to call each method with: parameters, and the paths of the fds that go with it."""
    layout = Layout(f'{daemon.directory}/image')
    layout.image([tar_of(('file', b'hello'))])
    tar = make_tar(f'{daemon.directory}/tar', ('applied', b'content'))
    named = {'id': 'all'}
    prepared = json.dumps(dict(json.loads(spec(specs.mount('/tmp'))), prepare={'bindNS': {'net': f'{daemon.runtime}/ns/all'}}))
    yield 'CreatePod', {'spec': prepared, 'options': {'name': 'all', 'lease': 'ttl:10000', 'timeout': 60000000}}, []
    yield 'Plan', {'spec': spec(), 'fds': {}, 'options': None}, []
    yield 'GetPod', named, []
    yield 'ListPods', {}, []
    yield 'Describe', {}, []
    yield 'List', named, []
    yield 'Bind', {**named, 'source': 'fd:data', 'target': '/mnt', 'fds': {'data': 0}, 'options': {'options': ['ro', 'rbind']}}, [data]
    yield 'Mount', {**named, 'mounts': json.dumps(specs.mount('/srv')), 'options': {'stack': False}}, []
    yield 'Replace', {**named, 'target': '/srv', 'mount': json.dumps({'type': 'tmpfs', 'source': 'tmpfs'})}, []
    yield 'ListMounts', {**named, 'options': {'limit': 100, 'after': 0}}, []
    yield 'Unmount', {**named, 'target': '/srv', 'options': {'missing_ok': True}, 'allowInteractiveAuthentication': True}, []
    yield 'AddContainer', {**named, 'name': 'second', 'spec': spec()}, []
    yield 'RemoveContainer', {**named, 'name': 'second'}, []
    yield 'SetNamespaces', {**named, 'namespaces': {'net': 0}}, ['/proc/self/ns/net']
    process = subprocess.Popen(['unshare', '--net', 'sh', '-c', 'echo; exec sleep 1000'], stdout=subprocess.PIPE)
    process.stdout.readline()
    yield 'PrepareProcess', {**named, 'options': {'pid': process.pid}}, []
    process.kill()
    process.wait()
    yield 'Repair', {**named, 'options': {'dry_run': True}}, []
    yield 'Renew', named, []
    held = os.open(daemon.rootfs(daemon.pods()[0]['UUID']), os.O_RDONLY)
    yield 'Holders', {**named, 'target': '/', 'options': {'container': 'main'}}, []
    os.close(held)
    yield 'History', {**named, 'options': {'limit': 100}}, []
    yield 'Metrics', {}, []
    yield 'Export', named, []
    yield 'OpenTree', {**named, 'container': '', 'path': '/tmp'}, []
    yield 'ResolveExecutable', {**named, 'container': '', 'argv0': 'sh', 'path': '', 'cwd': ''}, []
    yield 'PathInfo', {'id': '', 'container': '', 'path': '/'}, []
    yield 'Rescan', {}, []
    yield 'GC', {'ids': ['nobody'], 'options': {'dry_run': True}}, []
    yield 'Collect', named, []
    yield 'Restore', {'export': daemon.exported, 'fds': {'data': 0}, 'options': {'name': 'again'}}, [data]
    yield 'Collect', {'id': 'again', 'options': {'lazy': True}}, []
    yield 'Status', {}, []
    yield 'CreateLayer', {'id': 'one', 'parent': '', 'options': {'metadata': {'a-b': 'c_d'}}}, []
    yield 'ApplyDiff', {'id': 'one', 'tar': 0}, [tar]
    yield 'HasLayer', {'id': 'one'}, []
    yield 'LayerInfo', {'id': 'one'}, []
    yield 'ListLayers', {}, []
    yield 'Changes', {'id': 'one', 'parent': ''}, []
    yield 'DiffSize', {'id': 'one', 'parent': ''}, []
    yield 'Diff', {'id': 'one', 'parent': ''}, []
    yield 'OpenDiff', {'id': 'one'}, []
    yield 'GetLayer', {'id': 'one', 'options': {'holder': 'me', 'connection_bound': True}}, []
    yield 'PutLayer', {'id': 'one', 'options': {'holder': 'me', 'connection_bound': True}}, []
    yield 'ImportImage', {'layout': 0, 'reference': ''}, [layout.path]
    yield 'Cleanup', {}, []
    yield 'RemoveLayer', {'id': 'one'}, []


@case('every method can be called, and answers what the interface describes')
def every_method(daemon):
    description, called = daemon.description(), set()
    beneath = 'beneath' in daemon.json('status')['Features']
    data = specs.tree('varlink-data', {'file': 'content'})
    daemon.exported = json.dumps(specs.oci())  # replaced by Export's answer, before it is looked at
    with daemon.connect() as c:
        for name, parameters, paths in each_call(daemon, data):
            given, returned = description.methods[name]
            if name == 'Restore':
                parameters['export'] = daemon.exported
            description.check(parameters, given, name)
            if name == 'Replace' and not beneath:
                equal(c.error_of(name, parameters)[0], 'org.podmount1.NotSupported', 'a kernel without')
                called.add(name)
                continue
            fds = [os.open(path, os.O_RDONLY) for path in paths]
            try:
                answer = c.call(name, parameters, fds)
            except Refused as error:
                raise AssertionError(f'{name}: {error}') from error
            finally:
                for fd in fds:
                    os.close(fd)
            description.check(answer, returned, name)
            called.add(name)
            if name == 'Export':
                daemon.exported = answer['export']
            if name == 'ListMounts':
                equal([m['Target'] for m in answer['mounts']].count('/mnt'), 1, 'the bind')
            if name == 'Holders':
                equal(os.getpid() in [holder['PID'] for holder in answer['holders']], True, f'ourselves among {answer}')
            if name == 'LayerInfo':
                equal(answer['info']['Metadata'], {'a-b': 'c_d'}, 'metadata as it was given')
            if name in ('OpenTree', 'OpenDiff'):
                equal((answer['tree' if name == 'OpenTree' else 'directory'], len(c.fds)), (0, 1), 'one fd, at place 0')
                equal(os.listdir(f'/proc/self/fd/{c.fds[0]}'), [] if name == 'OpenTree' else ['applied'], 'what it shows')
            if name == 'Diff':
                with os.fdopen(c.fds.pop(), 'rb') as file:
                    contains(file.read(), b'applied', 'the tar')
            while c.fds:
                os.close(c.fds.pop())
    equal(sorted(set(description.methods) - called), ['Monitor'], 'methods that were not called')


@case('what is done over one transport is there over the other')
def both(daemon):
    with daemon.connect() as c:
        uuid = c.call('CreatePod', {'spec': spec(specs.mount('/tmp')), 'options': {'name': 'both'}})['uuid']
        equal([(pod['UUID'], pod['Name']) for pod in daemon.pods()], [(uuid, 'both')], 'pods over D-Bus')
        target = daemon.ok('bind', 'both', '/etc', '/mnt')
        equal([m['ID'] for m in c.call('ListMounts', {'id': uuid})['mounts'] if m['Target'] == '/mnt'], [int(target)], 'the bind')
        shown = daemon.json('show', 'both')
        pod = c.call('List', {'id': 'both'})['pod']
        for key in pod:
            equal(pod[key], shown[key], key)
        equal(c.call('GC', {'ids': [uuid]})['outcomes'][0]['outcome'], 'removed', 'outcome')
    equal(daemon.pods(), [], 'pods in the end')


@case('errors have the names of the interface, and say what to do')
def errors(daemon):
    description = daemon.description()
    calls = [('NoSuchPod', 'GetPod', {'id': 'nobody'}), ('NoSuchPod', 'Collect', {'id': 'nobody'}), ('NoSuchPod', 'List', {'id': ''}),
             ('InvalidSpec', 'CreatePod', {'spec': '{'}), ('NoSuchLayer', 'LayerInfo', {'id': 'nothing'}),
             ('InvalidArgs', 'CreatePod', {'spec': spec(), 'fds': {'x': 0}})]
    with daemon.connect() as c:
        c.call('CreatePod', {'spec': spec(), 'options': {'name': 'here'}})
        calls += [('PodExists', 'CreatePod', {'spec': spec(), 'options': {'name': 'here'}}),
                  ('NoSuchMount', 'Unmount', {'id': 'here', 'target': '/nothing'}),
                  ('NoSuchSource', 'Bind', {'id': 'here', 'source': '/nowhere', 'target': '/mnt'}),
                  ('InvalidTarget', 'Bind', {'id': 'here', 'source': '/etc', 'target': 'relative'}),
                  ('NoSuchContainer', 'Bind', {'id': 'here', 'source': '/etc', 'target': '/mnt', 'options': {'container': 'other'}})]
        for error, method, parameters in calls:
            with open('/etc/hostname') as file:
                name, told = c.error_of(method, parameters, [file.fileno()] if 'fds' in parameters else [])
            equal(name, ERROR + error, f'{method} {parameters} ({told})')
            description.check(told, description.errors[error], error)
        c.call('GC', {'ids': ['here']})


@case('parameters that are unknown, missing or of another type are named')
def parameters(daemon):
    good = {'id': 'x', 'source': '/etc', 'target': '/mnt'}
    with daemon.connect() as c, open('/etc/hostname') as file:
        for wrong, name in [({'more': 1}, 'more'), ({'source': 5}, 'source'), ({'source': None}, 'source'), ({'target': ['/mnt']}, 'target'),
                            ({'options': []}, 'options'), ({'options': {'stak': True}}, 'options.stak'), ({'fds': {'a': 0}}, 'fds'),
                            ({'options': {'stack': 1}}, 'options.stack'), ({'options': {'timeout': -1}}, 'options.timeout'),
                            ({'options': {'timeout': 1.5}}, 'options.timeout'), ({'options': {'options': ['ro', 1]}}, 'options.options'),
                            ({'allowInteractiveAuthentication': 'yes'}, 'allowInteractiveAuthentication'), ({'fds': {'a': '0'}}, 'fds')]:
            equal(c.error_of('Bind', {**good, **wrong}), (INVALID, {'parameter': name}), f'{wrong}')
        for method, wrong, name in [('Unmount', {'id': 'x'}, 'target'), ('Collect', {}, 'id'), ('Collect', {'id': 1}, 'id'),
                                    ('Collect', {'id': 'x', 'ids': []}, 'ids'), ('GC', {}, 'ids'), ('GC', {'ids': 'all'}, 'ids'),
                                    ('Describe', {'id': 'x'}, 'id'), ('Describe', {'interface_name': 'x'}, 'interface_name'),
                                    ('ListPods', {'allowInteractiveAuthentication': True}, 'allowInteractiveAuthentication'),
                                    ('Unmount', {'id': 'x', 'target': '/', 'options': {'mount-id': 1}}, 'options.mount-id'),
                                    ('ListMounts', {'id': 'x', 'options': {'limit': 1 << 32}}, 'options.limit'),
                                    ('CreateLayer', {'id': '', 'parent': '', 'options': {'metadata': {'a': 1}}}, 'options.metadata')]:
            equal(c.error_of(method, wrong), (INVALID, {'parameter': name}), f'{method} {wrong}')
        equal(c.error_of('Describe', {}, [file.fileno()]), (INVALID, {'parameter': 'fds'}), 'an fd that nothing names')
        equal(c.call('ListPods', {'options': {'timeout': 10**18 - 1}}), {'pods': []}, 'the largest number')


@case('what is no call ends the connection, and no other')
def no_calls(daemon):
    with daemon.connect() as other:
        for data in [b'\0', b'{}\0', b'[]\0', b'{"method": 5}\0', b'{"method": "org.podmount1.ListPods", "parameters": []}\0', b'null\0', b'{\0',
                     b'{"method": "org.podmount1.ListPods", "method": "org.podmount1.ListPods"}\0', b'\xff\xfe\0',
                     b'{"method": "org.podmount1.ListPods", "parameters": {"a": "\xff"}}\0', b'{"method": "a\\u0000b"}\0',
                     b'{"method": "org.podmount1.ListPods", "parameters": ' + b'[' * 70 + b']' * 70 + b'}\0',
                     b'{"method": "org.podmount1.ListPods", "more": 1}\0', b'{"method": "org.podmount1.ListPods", "extra": 1}\0',
                     b'{"method": "org.podmount1.ListPods", "more": true, "oneway": true}\0',
                     b'{"method": "org.podmount1.ListPods"} {}\0', b'GET / HTTP/1.1\r\n\r\n\0']:
            with daemon.connect() as c:
                c.send_bytes(data)
                equal(closed(c), True, f'{data[:80]!r}')
        equal(other.call('ListPods'), {'pods': []}, 'the other connection')
        equal(other.error_of('ListPods', upgrade=True)[0], f'{SERVICE}.MethodNotImplemented', 'an upgrade')


@case('bytes one by one, several calls in one write, an empty end: the framing is NUL bytes alone')
def framing(daemon):
    call = json.dumps({'method': 'org.podmount1.ListPods'}).encode() + b'\0'
    with daemon.connect() as c:
        for position in range(len(call)):
            c.send_bytes(call[position:position + 1])
        equal(c.answer(), {'pods': []}, 'bytes one by one')
        c.send_bytes(call * 500)
        for _ in range(500):
            equal(c.answer(), {'pods': []}, 'an answer')
        c.send_bytes(call + call[:10])
        equal(c.answer(), {'pods': []}, 'the whole one')
        c.socket.shutdown(socket.SHUT_WR)
        equal(closed(c), True, 'after the end of writing')
    with daemon.connect() as c:
        c.send_bytes(call * 3)
        c.socket.shutdown(socket.SHUT_WR)
        equal([c.answer() for _ in range(3)], [{'pods': []}] * 3, 'answers to who writes no more')
        equal(closed(c), True, 'the end')


@case('pipelined calls are answered in their order, one after the other')
def pipelining(daemon):
    with daemon.connect() as c:
        c.send('CreatePod', {'spec': spec(specs.mount('/tmp')), 'options': {'name': 'pipe'}})
        c.send('Bind', {'id': 'pipe', 'source': '/etc', 'target': '/mnt'})
        c.send('Nothing')
        c.send('Unmount', {'id': 'pipe', 'target': '/mnt'})
        c.send('GC', {'ids': ['pipe']})
        c.send('ListPods')
        contains(c.answer(), 'uuid', 'the first answer')
        contains(c.answer(), 'mount_id', 'the second')
        equal(c.receive()['error'], f'{SERVICE}.MethodNotFound', 'the third')
        equal(c.answer(), {}, 'the fourth')
        equal(c.answer()['outcomes'][0]['outcome'], 'removed', 'the fifth')
        equal(c.answer(), {'pods': []}, 'the last')


@case('a oneway call is done and not answered, whether it succeeds or fails')
def oneway(daemon):
    with daemon.connect() as c:
        c.send('CreatePod', {'spec': spec(), 'options': {'name': 'quiet'}}, oneway=True)
        c.send('GetPod', {'id': 'nobody'}, oneway=True)
        c.send('Nothing', oneway=True)
        c.send(f'{SERVICE}.GetInfo', oneway=True)
        c.send('Bind', {'id': 5}, oneway=True)
        equal([pod['name'] for pod in c.call('ListPods')['pods']], ['quiet'], 'the pods, in the first answer')
        c.call('GC', {'ids': ['quiet']})


@case('List: one pod an answer, one without a pod when there is none, and only with "more"')
def listing(daemon):
    description = daemon.description()
    with daemon.connect() as c:
        equal(list(c.stream('List')), [{}], 'without pods')
        equal(c.error_of('List'), (f'{SERVICE}.ExpectedMore', {}), 'without more')
        for name in 'abc':
            c.call('CreatePod', {'spec': spec(), 'options': {'name': name}})
        found = list(c.stream('List'))
        for answer in found:
            description.check(answer, description.methods['List'][1], 'List')
        equal(sorted(answer['pod']['Name'] for answer in found), ['a', 'b', 'c'], 'pods')
        equal(list(c.stream('List', {'id': 'b'}))[0]['pod']['Name'], 'b', 'one pod, with more')
        equal(len(list(c.stream('ListPods'))[0]['pods']), 3, 'more of a method with one answer')
        c.call('GC', {'ids': ['a', 'b', 'c']})


def next_event(stream, description, *wanted):
    """The next event that is one of these, checked."""
    for event in stream:
        description.check(event, description.methods['Monitor'][1], 'Monitor')
        if event['event'] in wanted:
            return event
    raise AssertionError(f'no {wanted}')


@case('Monitor: first the state, then each change, until the client goes')
def monitor(daemon):
    description = daemon.description()
    with daemon.connect() as c, daemon.connect() as m:
        equal(m.error_of('Monitor'), (f'{SERVICE}.ExpectedMore', {}), 'without more')
        old = c.call('CreatePod', {'spec': spec(), 'options': {'name': 'old'}})['uuid']
        stream = m.stream('Monitor')
        first = next(stream)
        equal((first['event'], first['uuid'], first['pod']['Name']), ('State', old, 'old'), 'the state')
        equal(next(stream), {'event': 'Ready'}, 'the end of the state')
        new = c.call('CreatePod', {'spec': spec(specs.mount('/tmp')), 'options': {'name': 'new'}})['uuid']
        event = next_event(stream, description, 'PodNew')
        equal((event['uuid'], event['pod']['Name']), (new, 'new'), 'the new pod')
        c.call('Bind', {'id': 'new', 'source': '/etc', 'target': '/mnt'})
        event = next_event(stream, description, 'MountsAdded')
        while event['mounts'][0]['target'] != '/mnt':
            event = next_event(stream, description, 'MountsAdded')
        equal((event['uuid'], event['mounts'][0]['container']), (new, 'main'), 'the bind')
        subprocess.run(['umount', f'{daemon.rootfs(new)}/mnt'], check=True)
        event = next_event(stream, description, 'DriftDetected')
        equal((event['uuid'], event['target'], event['kind']), (new, '/mnt', 'missing'), 'drift')
        event = next_event(stream, description, 'PodChanged')
        while 'Drifted' not in event['changed']:
            event = next_event(stream, description, 'PodChanged')
        equal((event['uuid'], event['changed']['State']), (new, 'degraded'), 'the change')
        c.call('GC', {'ids': ['new', 'old']})
        gone = {next_event(stream, description, 'PodRemoved')['uuid'] for _ in range(2)}
        equal(gone, {old, new}, 'pods that went')
        m.send('ListPods')  # nothing is answered any more but the stream
        c.call('CreatePod', {'spec': spec(), 'options': {'name': 'last'}})
        equal(next_event(stream, description, 'PodNew')['pod']['Name'], 'last', 'the stream goes on')
    with daemon.connect() as c:
        c.call('GC', {'ids': ['last']})


@case('ImportImage with more tells how far it is, and ends with the id')
def progress(daemon):
    layout = Layout(f'{daemon.directory}/image')
    layout.image([tar_of((f'file{i}', os.urandom(4 << 20))) for i in range(6)])
    description = daemon.description()
    fd = os.open(layout.path, os.O_RDONLY)
    with daemon.connect() as c:
        answers = list(c.stream('ImportImage', {'layout': 0, 'reference': 'v1', 'options': {'progress': 'mine'}}, [fd]))
    os.close(fd)
    for answer in answers:
        description.check(answer, description.methods['ImportImage'][1], 'ImportImage')
    contains(answers[-1], 'id', 'the last answer')
    equal([list(answer) for answer in answers[:-1]], [['progress']] * (len(answers) - 1), 'the others')


@case('fds are of the message that they come with, by their places; each is closed')
def fds(daemon):
    one, two = specs.tree('varlink-one', {'one': ''}), specs.tree('varlink-two', {'two': ''})

    def count():
        return len(os.listdir(f'/proc/{daemon.front()}/fd'))

    with daemon.connect() as c:
        c.call('CreatePod', {'spec': spec(), 'options': {'name': 'fds'}})
        before = count()
        opened = [os.open(path, os.O_PATH) for path in (one, two)]
        both = [specs.bind('fd:a', '/mnt/a'), specs.bind('fd:b', '/mnt/b')]
        c.call('Mount', {'id': 'fds', 'mounts': json.dumps(both), 'fds': {'a': 1, 'b': 0}}, opened)
        root = f"{daemon.rootfs(c.call('List', {'id': 'fds'})['pod']['UUID'])}/mnt"
        equal((os.listdir(f'{root}/a'), os.listdir(f'{root}/b')), (['two'], ['one']), 'which is which')
        for place in (2, -1, 1 << 40):
            equal(c.error_of('Bind', {'id': 'fds', 'source': 'fd:a', 'target': '/srv', 'fds': {'a': place}}, opened)[0], INVALID, f'place {place}')
        # Three calls at once, of which the second has an fd: whatever is read together, it is the second's.
        c.send('ListPods')
        c.send('Bind', {'id': 'fds', 'source': 'fd:x', 'target': '/mnt/c', 'fds': {'x': 0}}, opened[:1])
        c.send('ListPods')
        equal([list(c.answer()) for _ in range(3)], [['pods'], ['mount_id'], ['pods']], 'answers')
        equal(os.listdir(f'{root}/c'), ['one'], 'the second call')
        # fds with the first byte of a call, of which the rest comes later
        text = json.dumps({'method': 'org.podmount1.Bind', 'parameters': {'id': 'fds', 'source': 'fd:x', 'target': '/mnt/d', 'fds': {'x': 0}}})
        c.send_bytes(text[:1].encode(), opened[1:])
        time.sleep(0.1)
        c.send_bytes(text[1:].encode() + b'\0')
        contains(c.answer(), 'mount_id', 'a call in two parts')
        equal(os.listdir(f'{root}/d'), ['two'], 'its fd')
        # an fd that is sent twice is used twice, one that is named twice is one
        equal(c.error_of('Bind', {'id': 'fds', 'source': 'fd:a', 'target': '/srv', 'fds': {'a': 0, 'b': 0}}, opened[:1])[0], ERROR + 'InvalidArgs',
                'a name that no source has')
        c.call('GC', {'ids': ['fds']})
        eventually(lambda: count() <= before, f'as many fds as before ({before}), not {count()}')
        for fd in opened:
            os.close(fd)
    with daemon.connect() as c, open('/etc/hostname') as file:
        c.send_bytes(b'{', [file.fileno()] * 200)
        c.send_bytes(b' ', [file.fileno()] * 200)
        equal(closed(c), True, 'more fds than a message can have')
    eventually(lambda: count() <= before, f'as many fds as before ({before}), not {count()}')


@case('a message of more than 16 MiB ends the connection; one that is just small enough does not')
def large(daemon):
    with daemon.connect() as c:
        size = 16 << 20
        call = {'method': 'org.podmount1.CreatePod', 'parameters': {'spec': ''}}
        call['parameters']['spec'] = 'x' * (size - len(json.dumps(call)))
        c.send_bytes(json.dumps(call).encode() + b'\0')
        equal(c.receive()['error'], ERROR + 'QuotaExceeded', 'a message of 16 MiB')
    with daemon.connect() as c:
        try:
            for _ in range(18):
                c.send_bytes(b'x' * (1 << 20))
        except (BrokenPipeError, ConnectionResetError):
            pass
        equal(closed(c), True, 'a message without an end')


@case('who does not read gets no more answers, costs little memory, and is in nobody\'s way')
def slow(daemon):
    def memory():
        with open(f'/proc/{daemon.front()}/statm') as file:
            return int(file.read().split()[1]) * 4096

    with daemon.connect() as c, daemon.connect() as slow:
        pods = [c.call('CreatePod', {'spec': spec(), 'options': {'name': f'slow{i}'}})['uuid'] for i in range(20)]
        before = memory()
        call = json.dumps({'method': 'org.podmount1.ListPods'}).encode() + b'\0'
        slow.socket.settimeout(1)
        sent = 0
        try:
            while sent < 64 << 20:
                sent += slow.socket.send(call * 1000)
        except TimeoutError:
            pass
        equal(sent < 16 << 20, True, f'nobody takes {sent} bytes of calls whose answers are not read')
        equal(len(c.call('ListPods')['pods']), 20, 'pods for others')
        equal(memory() - before < 4 << 20, True, f'{memory() - before} bytes more')
        slow.socket.settimeout(30 * tap.PATIENCE)
        for _ in range(sent // len(call)):
            equal(len(slow.answer()['pods']), 20, 'pods for the slow one')
        c.call('GC', {'ids': pods})


@case('a client that dies: what waits is taken back, what executes is finished, its layers are put')
def death(daemon):
    with daemon.connect() as c:
        c.call('CreatePod', {'spec': spec(), 'options': {'name': 'left'}})
        with daemon.connect() as leaving:
            leaving.call('CreateLayer', {'id': 'held', 'parent': ''})
            leaving.call('GetLayer', {'id': 'held', 'options': {'connection_bound': True}})
            equal(len(c.call('LayerInfo', {'id': 'held'})['info']['Holders']), 1, 'holders')
            root = daemon.rootfs(c.call('List', {'id': 'left'})['pod']['UUID'])
            sleeper = subprocess.Popen(['sleep', '600'], cwd=root)
            leaving.send('GC', {'ids': ['left'], 'options': {'wait': True}})
            time.sleep(0.3)
        time.sleep(3)  # longer than a job is tried again by itself
        eventually(lambda: not c.call('LayerInfo', {'id': 'held'})['info']['Holders'], 'nobody holds the layer')
        sleeper.kill()
        sleeper.wait()
        equal([pod['name'] for pod in c.call('ListPods')['pods']], ['left'], 'a collection that waited is over with its client')
        c.call('RemoveLayer', {'id': 'held'})
        for _ in range(20):
            with daemon.connect() as leaving:
                leaving.send('Bind', {'id': 'left', 'source': '/etc', 'target': '/mnt', 'options': {'stack': True}})
        eventually(lambda: c.call('List', {'id': 'left'})['pod']['State'] == 'ready', 'the pod is well')
        c.call('GC', {'ids': ['left']})
    equal(daemon.stop(), 0, 'exit status')


if __name__ == '__main__':
    host.prepare()
    tap.run(Varlink)
