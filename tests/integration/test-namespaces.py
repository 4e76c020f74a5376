#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""File systems that show namespaces: those that a spec names by fd, and those that are named later for what waits."""

import json
import os
import signal
import threading

import dbus

from frame import host, specs, tap
from frame.bus import Bus
from frame.container import Container, read
from frame.daemon import MANAGER, Daemon
from frame.host import ALICE, BOB, UserError, as_user
from frame.situation import WithPolkit
from frame.tap import case, contains, equal, eventually

bus = None


class Situation(WithPolkit):
    """polkit says yes."""

    def __init__(self):
        super().__init__(bus, 'yes')


def options_of(point):
    return host.mounts_below(point)[point][5].split(',')


def own_spec(root, mounts):
    spec = specs.podmount({'main': (root, False, mounts)})
    spec['containers'][0]['namespaces'] = {name: f'fd:{name}' for name in ('pid', 'net', 'ipc', 'cgroup')}
    return spec


SYSTEM = [('/proc', 'proc'), ('/sys', 'sysfs'), ('/dev/mqueue', 'mqueue'), ('/sys/fs/cgroup', 'cgroup2')]


def check_system(inside):
    pids = [name for name in os.listdir(f'{inside}/proc') if name.isdigit()]
    equal(pids, ['1'], 'processes')
    equal(read(f'{inside}/proc/1/comm'), 'busybox\n', 'which')
    equal(os.listdir(f'{inside}/sys/class/net'), ['lo'], 'network links')
    equal(os.listdir(f'{inside}/dev/mqueue'), [], 'message queues')


@case("proc, sysfs, mqueue and cgroup2 show the namespaces that a spec names by fd, to root's and to a user's container")
def spaces(s):
    for uid in (0, ALICE):
        with Container(uid) as container:
            fds = container.fds()
            spec = json.dumps(own_spec(s.root, [specs.mount(*pair) for pair in SYSTEM]))
            named = {name: dbus.types.UnixFd(fd) for name, fd in fds.items()}
            pod = as_user(uid, lambda: str(bus.call(MANAGER, 'CreatePod', 'sa{sh}a{sv}', spec, named, {})[0]))
            check_system(s.daemon.rootfs(pod))
            equal(s.daemon.state(pod), 'ready', 'state')
            for fd in fds.values():
                os.close(fd)
            s.daemon.ok('gc', pod)


@case("namespaces of somebody else's, of the host or of another kind are refused")
def foreign(s):
    mounts = [specs.mount('/proc', 'proc')]
    def create(uid, fd):
        spec = specs.podmount({'main': (s.root, False, mounts)})
        spec['namespaces'] = {'pid': 'fd:pid'}
        text, before = json.dumps(spec), host.mount_table()
        try:
            as_user(uid, lambda: bus.call(MANAGER, 'CreatePod', 'sa{sh}a{sv}', text, {'pid': dbus.types.UnixFd(fd)}, {}))
        except UserError as error:
            equal(host.mount_table(), before, 'the table')
            said.append(error.text)
            return error.name.rsplit('.', 1)[1]
        raise AssertionError('not refused')
    said = []
    with Container(BOB) as bobs, Container(ALICE) as own:
        fds, alices = bobs.fds(), own.fds()
        equal(create(ALICE, fds['pid']), 'AccessDenied', "Bob's")
        equal(create(ALICE, os.open('/proc/self/ns/pid', os.O_RDONLY)), 'AccessDenied', "the host's")
        equal(create(ALICE, alices['net']), 'InvalidArgs', 'of another kind')
        equal(create(ALICE, os.open('/etc/passwd', os.O_RDONLY)), 'InvalidArgs', 'no namespace')
        contains(said[-1], 'fd "pid", which names the namespace of proc at /proc, is no namespace', 'which fd')
        user = os.open(f'/proc/{bobs.pid}/ns/user', os.O_RDONLY)
        equal(create(ALICE, user), 'InvalidArgs', 'a user namespace')


def set_namespaces(s, pod, uid, fds, container=None):
    """(name without prefix, text) of a refusal, or None."""
    named = {name: dbus.types.UnixFd(fd) for name, fd in fds.items()}
    options = {'container': container} if container else {}
    try:
        as_user(uid, lambda: bus.call(MANAGER, 'SetNamespaces', 'sa{sh}a{sv}', pod, named, options) and None)
    except UserError as error:
        return error.name.rsplit('.', 1)[1], error.text
    return None


def create(uid, spec):
    text = json.dumps(spec)
    return as_user(uid, lambda: str(bus.call(MANAGER, 'CreatePod', 'sa{sh}a{sv}', text, {}, {})[0]))


def states(s, pod):
    return {key: mount['State'] for key, mount in s.daemon.mounts(pod).items()
            if mount['Type'] not in ('bind', 'tmpfs')}


def warnings(s, pod):
    return [text for text in s.daemon.json('show', pod)['Warnings'] if 'is deferred' in text]


WAITING = {f'main:{target}': 'deferred' for target, _ in SYSTEM}
MADE = {key: 'ok' for key in WAITING}


@case('SetNamespaces makes what waited, at once or one by one, on a read-only root and on a writable one; again is a retry')
def later(s):
    for readonly in (True, False):
        with Container(ALICE) as container:
            fds = container.fds()
            mounts = [specs.mount('/dev')] + [specs.mount(*pair) for pair in SYSTEM]
            pod = create(ALICE, specs.podmount({'main': (s.root, readonly, mounts)}))
            equal(states(s, pod), WAITING, 'before')
            equal(len(warnings(s, pod)), 4, 'warnings before')
            equal(set_namespaces(s, pod, ALICE, {'pid': fds['pid']}), None, 'pid alone')
            equal(states(s, pod), {**WAITING, 'main:/proc': 'ok'}, 'proc is made')
            equal(len(warnings(s, pod)), 3, 'warnings of the others')
            equal([name for name in os.listdir(f'{s.daemon.rootfs(pod)}/proc') if name.isdigit()], ['1'], 'processes')
            equal(set_namespaces(s, pod, ALICE, fds), None, 'the rest')
            check_system(s.daemon.rootfs(pod))
            equal(states(s, pod), MADE, 'after')
            equal(warnings(s, pod), [], 'warnings after')
            for key in MADE:
                options = options_of(s.daemon.rootfs(pod) + key.split(':')[1])
                for word in ('nosuid', 'nodev'):
                    contains(options, word, key)
            table = host.mount_table()
            equal(set_namespaces(s, pod, ALICE, fds), None, 'again')
            equal(host.mount_table(), table, 'the table after a retry')
            equal(s.daemon.state(pod), 'ready', 'no drift')
            s.daemon.restart()
            equal(states(s, pod), MADE, 'after a restart')
            equal(s.daemon.state(pod), 'ready', 'no drift after a restart')
            s.daemon.ok('gc', pod)


@case('paths to hide and read-only paths on a mount that waited come with it')
def hidden(s):
    with Container(ALICE) as container:
        spec = specs.podmount({'main': (s.root, True, [specs.mount('/proc', 'proc'), specs.mount('/sys', 'sysfs')])})
        spec['containers'][0]['maskedPaths'] = ['/proc/interrupts', '/proc/none', '/sys/kernel']
        spec['containers'][0]['readonlyPaths'] = ['/proc/sys']
        pod = create(ALICE, spec)
        fds = container.fds()
        equal(set_namespaces(s, pod, ALICE, {'pid': fds['pid']}), None, 'pid')
        inside = s.daemon.rootfs(pod)
        equal(os.stat(f'{inside}/proc/interrupts').st_rdev, os.makedev(1, 3), 'a file is hidden')
        contains(options_of(f'{inside}/proc/sys'), 'ro', '/proc/sys')
        found = s.daemon.mounts(pod)
        assert 'main:/proc/none' not in found, found
        equal(found['main:/sys/kernel']['State'], 'deferred', 'what is on sysfs waits')
        equal(set_namespaces(s, pod, ALICE, {'net': fds['net']}), None, 'net')
        equal(os.listdir(f'{inside}/sys/kernel'), [], 'a directory is hidden')
        equal(s.daemon.state(pod), 'ready', 'no drift')
        s.daemon.ok('gc', pod)


@case("SetNamespaces refuses what is not the caller's, unknown names, what would be hidden, and leaves all as it was")
def later_refused(s):
    with Container(BOB) as bobs, Container(ALICE) as own:
        theirs, fds = bobs.fds(), own.fds()
        spec = specs.podmount({'main': (s.root, False, [specs.mount(*pair) for pair in SYSTEM if pair[0] != '/dev/mqueue'])})
        pod = create(ALICE, spec)
        table, waiting = host.mount_table(), states(s, pod)
        def refused(uid, fds, container=None):
            name, text = set_namespaces(s, pod, uid, fds, container)
            equal(host.mount_table(), table, f'the table after {text}')
            equal(states(s, pod), waiting, 'the record')
            return name
        equal(refused(ALICE, {**fds, 'net': theirs['net']}), 'AccessDenied', "Bob's: none of them is made")
        equal(refused(ALICE, {'pid': os.open('/proc/self/ns/pid', os.O_RDONLY)}), 'AccessDenied', "the host's")
        equal(refused(ALICE, {'pid': fds['net']}), 'InvalidArgs', 'another kind')
        equal(refused(ALICE, {'pid': os.open('/etc/passwd', os.O_RDONLY)}), 'InvalidArgs', 'a file')
        equal(refused(ALICE, {'mnt': fds['net']}), 'InvalidArgs', 'an unknown name')
        equal(refused(ALICE, {}), 'InvalidArgs', 'no name')
        equal(refused(ALICE, {'net': fds['net'], 'network': fds['net']}), 'InvalidArgs', 'twice')
        equal(refused(ALICE, fds, 'other'), 'NoSuchContainer', 'another container')
        equal(refused(ALICE, {'cgroup': fds['cgroup']}), 'InvalidArgs', 'below what waits')
        equal(refused(BOB, fds), 'NoSuchPod', "Alice's pod")
        equal(set_namespaces(s, pod, 0, theirs), None, 'root names any')
        equal(states(s, pod), {key: 'ok' for key in waiting}, 'made for root')
        contains(options_of(f'{s.daemon.rootfs(pod)}/proc'), 'nosuid', 'for a user all the same')
        s.daemon.ok('gc', pod)


@case('set-namespaces by a process, by paths and by an fd, for one container of two')
def client(s):
    spec = specs.podmount({'a': (s.root, False, [specs.mount('/proc', 'proc')]),
            'b': (s.root, False, [specs.mount('/proc', 'proc'), specs.mount('/sys', 'sysfs')])})
    pod = create(ALICE, spec)
    with Container(ALICE) as own:
        s.daemon.ok('set-namespaces', pod, f'pid=/proc/{own.pid}/ns/pid', '--container', 'a', over_bus=True, user=ALICE)
        equal(states(s, pod), {'a:/proc': 'ok', 'b:/proc': 'deferred', 'b:/sys': 'deferred'}, 'one container')
        equal([text.split(': ')[1] for text in warnings(s, pod)], ['proc at /proc of b is deferred', 'sysfs at /sys of b is deferred'],
                'warnings of the other')
        s.daemon.ok('set-namespaces', pod, f'net={own.pid}', over_bus=True, user=ALICE)
        equal(states(s, pod)['b:/sys'], 'ok', 'sysfs')
        equal(json.loads(s.daemon.ok('--json=short', 'set-namespaces', pod, own.pid, over_bus=True, user=ALICE)), {}, 'a process')
        equal(states(s, pod), {'a:/proc': 'ok', 'b:/proc': 'ok', 'b:/sys': 'ok'}, 'all')
        equal(s.daemon.ctl('set-namespaces', pod, 'mnt=1').status, 2, 'an unknown kind')
        equal(s.daemon.ctl('set-namespaces', pod).status, 2, 'none')
        contains(s.daemon.refused('set-namespaces', pod, os.getpid()), 'same', 'our own')


@case('kills while namespaces are named: all is made or none, nothing is left over, and again completes it')
def killed(s):
    spec = specs.podmount({'main': (s.root, False, [specs.mount(*pair) for pair in SYSTEM if pair[0] != '/dev/mqueue'])})
    with Container(ALICE) as own:
        fds = own.fds()
        for turn in range(12):
            pod = create(ALICE, spec)
            eventually(lambda: len(s.daemon.executors()) >= 2, 'lost executors are replaced')
            victim = s.daemon.front() if turn % 3 == 2 else s.daemon.executors()[turn % 3]
            killer = threading.Timer(0.0004 * turn, os.kill, (victim, signal.SIGKILL))
            killer.start()
            try:
                set_namespaces(s, pod, ALICE, fds)
            except Exception:  # the front is gone
                pass
            killer.join()
            if turn % 3 == 2:
                s.daemon.wait()
                s.daemon.start()
            eventually(lambda: s.daemon.state(pod) == 'ready', 'no drift')
            found = set(states(s, pod).values())
            assert len(found) == 1, states(s, pod)
            eventually(lambda: set_namespaces(s, pod, ALICE, fds) is None, 'again')
            equal(set(states(s, pod).values()), {'ok'}, 'made')
            s.daemon.ok('gc', pod)
            equal(host.mounts_below(f'{s.daemon.runtime}/pods/{pod}'), {}, 'left over')

@case('proc of a named pid namespace by a child, where the kernel has no option for it (proc-pidns)', alone=True)
def by_child():
    host.WITHOUT.append('proc-pidns')
    try:
        with Daemon() as daemon, Container(0) as container:
            assert 'proc-pidns' not in daemon.json('status')['Features']
            spec = specs.podmount({'main': (specs.rootfs(), True, [specs.mount('/proc', 'proc')])})
            spec['namespaces'] = {'pid': 'fd:pid'}
            fd = os.open(f'/proc/{container.pid}/ns/pid', os.O_RDONLY)
            pod = str(daemon.manager('CreatePod', 'sa{sh}a{sv}', json.dumps(spec), {'pid': dbus.types.UnixFd(fd)}, {})[0])
            os.close(fd)
            equal([name for name in os.listdir(f'{daemon.rootfs(pod)}/proc') if name.isdigit()], ['1'], 'processes')
            equal(daemon.state(pod), 'ready', 'no drift')
    finally:
        host.WITHOUT.remove('proc-pidns')


@case('an export names the namespaces that were named later, and Restore takes them anew or says which are missing')
def exported(s):
    with Container(ALICE) as container:
        fds = container.fds()
        spec = specs.podmount({name: (s.root, True, [specs.mount('/proc', 'proc'), specs.mount('/sys', 'sysfs')])
                for name in ('main', 'side')})
        pod = create(ALICE, spec)
        equal(set_namespaces(s, pod, ALICE, fds, 'main'), None, 'main')
        equal(set_namespaces(s, pod, ALICE, {'pid': fds['pid']}, 'side'), None, 'side, in part')
        document = json.loads(s.daemon.ok('export', pod))
        names = {'main': {'pid': 'fd:main.pid', 'net': 'fd:main.net'}, 'side': {'pid': 'fd:side.pid'}}
        equal(document['namespaces'], names, 'namespaces')
        equal(sorted(document['fds']), ['main.net', 'main.pid', 'side.pid'], 'fds')
        s.daemon.ok('gc', pod)
        err = s.daemon.refused('restore', '-', input=json.dumps(document))
        for name in document['fds']:
            contains(err, name, 'what is missing')
        given = {'main.pid': fds['pid'], 'main.net': fds['net'], 'side.pid': fds['pid']}
        words = [word for name, fd in given.items() for word in ('--fd', f'{name}={fd}')]
        equal(s.daemon.ok('restore', *words, '-', input=json.dumps(document), fds=sorted(set(given.values())), user=ALICE,
                over_bus=True).strip(), pod, 'the UUID')
        for name in ('main', 'side'):
            found = [entry for entry in os.listdir(s.daemon.rootfs(pod, name) + '/proc') if entry.isdigit()]
            equal(found, ['1'], f'processes that {name} sees')
        equal({key: mount['State'] for key, mount in s.daemon.mounts(pod).items() if mount['State'] != 'ok'},
                {'side:/sys': 'deferred'}, 'what waits still')
        equal(json.loads(s.daemon.ok('export', pod)), document, 'the export of what was restored')
        s.daemon.ok('gc', pod)
        bad = {**document, 'namespaces': {'other': {'pid': 'fd:x'}}}
        contains(s.daemon.refused('restore', '-', input=json.dumps(bad)), '/namespaces/other')
        bad = {**document, 'namespaces': {'main': {'user': 'fd:x'}}}
        contains(s.daemon.refused('restore', '-', input=json.dumps(bad)), '/namespaces/main/user')
        bad = {**document, 'namespaces': {'main': ['fd:x']}}
        contains(s.daemon.refused('restore', '-', input=json.dumps(bad)), '/namespaces/main')
        del document['namespaces']
        equal(s.daemon.ok('restore', '-', input=json.dumps(document), user=ALICE, over_bus=True).strip(), pod, 'without them')
        equal(s.daemon.mounts(pod)['main:/proc']['State'], 'deferred', 'without them it waits')
        s.daemon.ok('gc', pod)


if __name__ == '__main__':
    host.prepare()
    bus = Bus()
    tap.run(Situation)
