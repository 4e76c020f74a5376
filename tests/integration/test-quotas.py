#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every limit of podmountd.conf(5) at its edge: what is refused, with which limit, what is used of it and what it is; and that status
and metrics have the same figures."""

import json
import os
import re
import signal
import socket

import dbus
import dbus.lowlevel

from frame import host, openmetrics, specs, tap
from frame.bus import Bus
from frame.daemon import ERROR, LAYERS, MANAGER, NAME, PATH
from frame.dweller import Dweller
from frame.host import ALICE, BOB, UserError, as_user
from frame.layers import make_tar
from frame.raw import raw_connection
from frame.situation import WithPolkit
from frame.tap import Skip, case, contains, diagnose, equal, eventually

bus = None
FDS, OPTIONS = dbus.Dictionary({}, 'sh'), dbus.Dictionary({}, 'sv')
FRIEND = 6  # of Alice's group


def become(uid, gid):
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def as_ids(uid, gid, function, *arguments):
    """as_user() with a group of its own."""
    def drop():
        become(uid, gid)
        return function(*arguments)
    return as_user(0, drop)


def spec(s, *mounts):
    return json.dumps(specs.oci(s.root, list(mounts)))


def tmpfs(name, size=None):
    return specs.mount(f'/mnt/{name}', 'tmpfs', 'tmpfs', [f'size={size}'] if size else [])


def create(s, *mounts):
    return str(bus.call(MANAGER, 'CreatePod', 'sa{sh}a{sv}', spec(s, *mounts), FDS, OPTIONS)[0])


def mount(pod, *mounts):
    return len(bus.call(MANAGER, 'Mount', 'ssa{sh}a{sv}', pod, json.dumps(list(mounts)), FDS, OPTIONS))


def create_layer(ident):
    return str(bus.call(LAYERS, 'CreateLayer', 'ssa{sv}', ident, '', OPTIONS))


def post(connection, interface, method, signature, *arguments):
    """A call whose answer nobody waits for."""
    message = dbus.lowlevel.MethodCallMessage(NAME, PATH, interface, method)
    message.append(*arguments, signature=signature)
    connection.send_message(message)
    connection.flush()


class Situation(WithPolkit):
    def __init__(self, config):
        super().__init__(bus, 'yes', config)
        for i in range(10):
            os.makedirs(f'{self.root}/mnt/{i}', exist_ok=True)

    def quotas(self, user=0):
        return {row['Limit']: (row['Of'], row['Name'], row['Used'], row['Maximum'])
                for row in self.daemon.json('status', user=user)['Quotas']}


def refused(function, *arguments, uid=ALICE, gid=None):
    """The text of the QuotaExceeded that a call must end in."""
    try:
        result = as_ids(uid, gid or ALICE, function, *arguments)
    except UserError as error:
        equal(error.name, ERROR + 'QuotaExceeded', error.text)
        return error.text.split(': ', 1)[1]
    raise AssertionError(f'not refused: {result}')


# Each of these fills its limit up and returns the text of the refusal; what runs on is let go of by the second return value.

def pods(s):
    as_user(ALICE, create, s)
    return refused(create, s), None


def pods_of_group(s):
    as_user(ALICE, create, s)
    return refused(create, s, uid=FRIEND, gid=ALICE), None


def mounts(s):
    pod = as_user(ALICE, create, s)
    return refused(mount, pod, *[tmpfs(i) for i in range(4)]), None


def mounts_of_group(s):
    as_user(ALICE, create, s)
    return refused(create, s, *[tmpfs(i) for i in range(2)], uid=FRIEND, gid=ALICE), None


def mounts_of_host(s):
    pod = as_user(ALICE, create, s)
    with open('/proc/sys/fs/mount-max') as file:
        most = int(file.read())
    used = s.quotas()['MountsHeadroom'][2]
    equal(used, host.mount_count(), 'mounts of the host')
    s.daemon.write_config(f'[Limits]\nMountsHeadroom={most - used - 1}\n')
    os.kill(s.daemon.keeper(), signal.SIGHUP)
    eventually(lambda: s.quotas()['MountsHeadroom'][3] == used + 1, 'the limit holds')
    return refused(mount, pod, tmpfs(1), tmpfs(2)), None


def tmpfs_bytes(s):
    pod = as_user(ALICE, create, s, tmpfs(1, '1M'), tmpfs(2, '512k'))
    as_user(ALICE, mount, pod, tmpfs(3, '512k'))
    as_user(ALICE, lambda: bus.call(MANAGER, 'Unmount', 'ssa{sv}', pod, '/mnt/3', OPTIONS) and None)
    s.daemon.restart()  # the figure is not in the store
    text = refused(lambda: bus.call(MANAGER, 'Mount', 'ssa{sh}a{sv}', pod, json.dumps(
        [{'destination': '/mnt/1', 'options': ['remount', 'size=3M']}]), FDS, OPTIONS) and None)
    equal(text.startswith('bytes of tmpfs per user (TmpfsBytesPerUser=): 1572864 of 2097152 in use, 2097152 more'), True, f'a remount: {text}')
    for size in ('1536k', '1M'):  # what it was, and what it is, counts at once
        as_user(ALICE, lambda: bus.call(MANAGER, 'Mount', 'ssa{sh}a{sv}', pod, json.dumps([{'destination': '/mnt/1', 'options': ['remount', f'size={size}']}]),
            FDS, OPTIONS) and None)
        if size == '1536k':
            contains(refused(mount, pod, tmpfs(4, '1')), '2097152 of 2097152 in use')
    return refused(mount, pod, tmpfs(4, '1M')), None


def tmpfs_bytes_of_group(s):
    as_user(ALICE, create, s, tmpfs(1))
    return refused(create, s, tmpfs(1, '1M'), tmpfs(2, '1M'), uid=FRIEND, gid=ALICE), None


def spec_size(s):
    as_user(ALICE, create, s)
    return refused(create, s, *[tmpfs('x' * 100 + str(i)) for i in range(10)]), None


def hanging(s, uid, gid, function):
    """A child that has something in flight until it is let go."""
    s.polkit.answer('hang')
    s.polkit.forget()
    end = host.staying(lambda: become(uid, gid), function)

    def let_go():
        end()
        s.polkit.answer('yes')
    return let_go


def in_flight(s, n, n_fds):
    def ask():
        connection = bus.connect()
        for i in range(n):
            fds = {f'f{j}': dbus.types.UnixFd(os.open('/etc', os.O_PATH)) for j in range(n_fds)}
            post(connection, MANAGER, 'CreatePod', 'sa{sh}a{sv}', spec(s), dbus.Dictionary(fds, 'sh'), OPTIONS)
        return connection
    let_go = hanging(s, ALICE, ALICE, ask)
    eventually(lambda: len(s.polkit.calls()) == n, 'polkit is asked')
    return let_go


def ask_with_fds(s, n):
    fds = {f'f{j}': dbus.types.UnixFd(os.open('/etc', os.O_PATH)) for j in range(n)}
    return str(bus.call(MANAGER, 'CreatePod', 'sa{sh}a{sv}', spec(s), dbus.Dictionary(fds, 'sh'), OPTIONS)[0])


def requests(s):
    let_go = in_flight(s, 3, 0)
    return refused(create, s), let_go


def long_request(s):
    """An export counts for each mebibyte (SpecSizeMax=) of it."""
    def ask():
        connection = bus.connect()
        post(connection, MANAGER, 'Restore', 'sa{sh}a{sv}', 'x' * ((2 << 20) + 1), dbus.Dictionary({}, 'sh'), OPTIONS)
        return connection
    let_go = hanging(s, ALICE, ALICE, ask)
    eventually(lambda: len(s.polkit.calls()) == 1, 'polkit is asked')
    return refused(create, s), let_go


def requests_of_group(s):
    let_go = in_flight(s, 3, 0)
    return refused(create, s, uid=FRIEND, gid=ALICE), let_go


def fds(s):
    let_go = in_flight(s, 1, 3)
    return refused(ask_with_fds, s, 2), let_go


def fds_of_group(s):
    let_go = in_flight(s, 1, 3)
    return refused(ask_with_fds, s, 2, uid=FRIEND, gid=ALICE), let_go


def connections(s):
    """There is no call yet that could be answered: it is closed."""
    let_go = hanging(s, ALICE, ALICE, lambda: [raw_connection(s.daemon.socket, ALICE) for _ in range(2)])

    def one_more():
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(s.daemon.socket)
        connection.settimeout(10 * tap.PATIENCE)
        return len(connection.recv(1))
    equal(as_user(ALICE, one_more), 0, 'what one more connection gets to read')
    eventually(lambda: 'has 2 connections, the limit (ConnectionsPerUser=)' in s.daemon.log(), 'it is told')
    return None, let_go


def layers(s):
    as_user(ALICE, create_layer, 'a')
    return refused(create_layer, 'b'), None


def layers_of_group(s):
    as_user(ALICE, create_layer, 'a')
    return refused(create_layer, 'b', uid=FRIEND, gid=ALICE), None


def apply(ident, path):
    with open(path, 'rb') as file:
        return int(bus.call(LAYERS, 'ApplyDiff', 'sha{sv}', ident, dbus.types.UnixFd(file.fileno()), OPTIONS))


def filled(s, *members):
    as_user(ALICE, create_layer, 'a')
    as_user(ALICE, create_layer, 'b')
    as_user(ALICE, apply, 'a', make_tar(f'{s.daemon.directory}/a.tar', *members))
    return refused(apply, 'b', make_tar(f'{s.daemon.directory}/b.tar', ('file', b'x')))


def layer_bytes(s):
    return filled(s, ('file', b'x' * 4096)), None


def layer_inodes(s):
    return filled(s, ('one', b''), ('two', b'')), None


def streams(s, uid=ALICE):
    path = make_tar(f'{s.daemon.directory}/b.tar', ('file', b'x'))
    as_user(uid, create_layer, f'c{uid}')
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(writing)
        try:
            as_user(ALICE, create_layer, 'slow')
            as_user(ALICE, lambda: int(bus.call(LAYERS, 'ApplyDiff', 'sha{sv}', 'slow', dbus.types.UnixFd(reading), OPTIONS)))
        except BaseException:
            pass
        os._exit(0)
    os.close(reading)
    eventually(lambda: s.quotas()['LayerStreams'][2] == 1, 'the other one works')
    text = refused(apply, f'c{uid}', path, uid=uid, gid=uid)

    def let_go():
        os.close(writing)
        os.waitpid(pid, 0)
    return text, let_go


def streams_of_host(s):
    return streams(s, BOB)


# setting, value: how it is filled; then what is used and asked for in the refusal, whom status says it is of, and the name in metrics.
TABLE = [
    ('PodsPerUser', 1, pods, 1, 1, 'user', 'pods_per_user'),
    ('PodsPerGroup', 1, pods_of_group, 1, 1, 'group', 'pods_per_group'),
    ('MountsPerPod', 5, mounts, 2, 4, 'pod', 'mounts_per_pod'),
    ('MountsPerUser', 5, mounts, 2, 4, 'user', 'mounts_per_user'),
    ('MountsPerGroup', 5, mounts_of_group, 2, 4, 'group', 'mounts_per_group'),
    ('MountsHeadroom', 0, mounts_of_host, None, 2, 'host', 'mounts_of_host'),
    ('TmpfsBytesPerUser', 2 << 20, tmpfs_bytes, 3 << 19, 1 << 20, 'user', 'tmpfs_bytes_per_user'),
    ('TmpfsBytesPerGroup', 65 << 20, tmpfs_bytes_of_group, 64 << 20, 2 << 20, 'group', 'tmpfs_bytes_per_group'),
    ('SpecSizeMax', 1024, spec_size, 0, None, 'pod', 'spec_size'),
    ('ConnectionsPerUser', 2, connections, 2, None, 'user', 'connections_per_user'),
    ('RequestsPerUser', 3, requests, 3, 1, 'user', 'requests_per_user'),
    ('RequestsPerUser', 3, long_request, 3, 1, 'user', 'requests_per_user'),
    ('RequestsPerGroup', 3, requests_of_group, 3, 1, 'group', 'requests_per_group'),
    ('FdsPerUser', 4, fds, 3, 2, 'user', 'fds_per_user'),
    ('FdsPerGroup', 4, fds_of_group, 3, 2, 'group', 'fds_per_group'),
    ('LayersPerUser', 1, layers, 1, 1, 'user', 'layers_per_user'),
    ('LayersPerGroup', 1, layers_of_group, 1, 1, 'group', 'layers_per_group'),
    ('LayerBytesPerUser', 4096, layer_bytes, 4096, 1, 'user', 'layer_bytes_per_user'),
    ('LayerInodesPerUser', 2, layer_inodes, 2, 1, 'user', 'layer_inodes_per_user'),
    ('LayerStreamsPerUser', 1, streams, 1, 1, 'user', 'layer_streams_per_user'),
    ('LayerStreams', 1, streams_of_host, 1, 1, 'host', 'layer_streams'),
]


def check(setting, value, fill, used, asked, scope, metric):
    with Situation(f'[Limits]\n{setting}={value}\n' if fill != mounts_of_host else '') as s:
        text, let_go = fill(s)
        if fill == mounts_of_host:
            value = s.quotas()['MountsHeadroom'][3]
            used = value - 1
        if text is not None:
            found = re.fullmatch(r'(.*) \((\w+)=\): (\d+) of (\d+) in use, (\d+) more asked for; .*', text)
            if not found:
                raise AssertionError(f'{setting}: {text}')
            equal((found[2], int(found[3]), int(found[4])), (setting, used, value), text)
            if asked is not None:
                equal(int(found[5]), asked, text)
            diagnose(f'{setting}: {text}')
        of, name, shown, maximum = s.quotas()[setting]
        equal((of, maximum), (scope, value), f'status of {setting}')
        if setting == 'SpecSizeMax':
            equal(0 < shown < value, True, f'{shown} bytes')
        elif fill != mounts_of_host:
            equal(shown, used, f'{setting} in status')
        if scope in ('user', 'group'):
            equal(name, str(ALICE), 'whose it is')
            equal(setting in s.quotas(BOB), True, 'another user sees the limit')
            equal(s.quotas(BOB)[setting][1] == name, False, 'another user sees its own')
        families = openmetrics.parse(s.daemon.json('metrics')['Metrics'])
        equal(openmetrics.value(families, 'podmount_quota_limit', quota=metric), value, 'limit in metrics')
        equal(openmetrics.value(families, 'podmount_quota_used', quota=metric), shown, 'use in metrics')
        if let_go:
            let_go()
            eventually(lambda: s.quotas().get(setting, (0, 0, 0))[2] == 0, f'{setting} is free again')


for row in TABLE:
    case(f'{row[0]}: refused with the limit, what is used and what it is; in status and metrics', alone=True)(lambda row=row: check(*row))


def replace(pod, size, fd=None):
    """What Replace of /mnt/1 by a tmpfs of this size answers, in a running container if an fd of its process is given."""
    fds, options = ({'there': dbus.types.UnixFd(fd)}, {'namespace': 'fd:there'}) if fd else ({}, {})
    return int(bus.call(MANAGER, 'Replace', 'sssa{sh}a{sv}', pod, '/mnt/1', json.dumps({'type': 'tmpfs', 'options': [f'size={size}']}),
        dbus.Dictionary(fds, 'sh'), dbus.Dictionary(options, 'sv')))


@case('TmpfsBytesPerUser: a mount that replaces another counts for what it adds, in a running container, too', alone=True)
def replaced():
    with Situation('[Limits]\nTmpfsBytesPerUser=2M\n') as s:
        features = s.daemon.json('status')['Features']
        if 'beneath' not in features:
            raise Skip('this kernel cannot put a mount beneath another')
        pod = as_user(ALICE, create, s, tmpfs(1, '1M'), tmpfs(2, '512k'))
        as_user(ALICE, replace, pod, '1536k')
        equal(s.quotas()['TmpfsBytesPerUser'][2], 2 << 20, 'used')
        contains(refused(replace, pod, '1540k'), '2097152 of 2097152 in use, 4096 more')
        as_user(ALICE, replace, pod, '1M')
        as_user(ALICE, lambda: bus.call(MANAGER, 'Unmount', 'ssa{sv}', pod, '/mnt/1', OPTIONS) and None)
        with Dweller(s.daemon.rootfs(pod), ALICE) as container:
            fd = os.pidfd_open(container.pid)
            as_user(ALICE, lambda: len(bus.call(MANAGER, 'Mount', 'ssa{sh}a{sv}', pod, json.dumps([tmpfs(1, '1M')]), {'there': dbus.types.UnixFd(fd)},
                dbus.Dictionary({'namespace': 'fd:there'}, 'sv'))))
            as_user(ALICE, replace, pod, '1536k', fd)
            equal(s.quotas()['TmpfsBytesPerUser'][2], 2 << 20, 'used')
            contains(refused(replace, pod, '1540k', fd), '2097152 of 2097152 in use, 4096 more')
            os.close(fd)


@case('no limit is missing from the table above', alone=True)
def complete():
    with Situation('') as s:
        families = openmetrics.parse(s.daemon.json('metrics')['Metrics'])
        names = sorted(dict(labels)['quota'] for _, labels in families['podmount_quota_limit'].samples)
        equal(names, sorted({row[6] for row in TABLE}), 'limits in metrics')
        shown = s.daemon.ok('status', user=ALICE)
        equal([row[0] for row in TABLE if not re.search(rf'^{row[0]} ', shown, re.M)], [], f'limits that the table of status lacks:\n{shown}')


if __name__ == '__main__':
    host.prepare()
    bus = Bus()
    tap.run()
