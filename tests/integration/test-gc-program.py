#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The program of a pod that runs before it is collected: as whom, with what, and what its failures come to."""

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import time

from frame import host, specs, tap
from frame.bus import Bus
from frame.daemon import Daemon, Stage
from frame.host import ALICE
from frame.situation import WithPolkit
from frame.tap import case, contains, equal, eventually

bus = None
IN_ROOT_PODS = '[Collection]\nGcInPods=yes\nGcInRootPods=yes\n'


class Situation(WithPolkit):
    """polkit says yes to everybody."""

    def __init__(self, config='[Collection]\nGcInPods=yes\n'):
        super().__init__(bus, 'yes', config)

    def ok(self, *words, **more):
        return self.daemon.ok(*words, user=ALICE, over_bus=True, **more)

    def create(self, spec):
        return self.ok('create', '-', input=json.dumps(spec)).strip()

    def gc(self, *words):
        return json.loads(self.ok('--json=short', 'gc', *words))[0]


def pod_of(script, name, owner=0, interpreter='/bin/sh', mode=0o755, **gc):
    """(spec, directory of the host that is /data): of a root in which /gc is this script."""
    root = specs.rootfs(f'root-{name}', owner=owner)
    data = specs.tree(f'data-{name}', {}, owner=owner)
    with open(f'{root}/gc', 'w') as file:
        file.write(f'#!{interpreter}\n{script}\n')
    os.chmod(f'{root}/gc', mode)
    return {'podmount': 1, 'gc': dict({'path': '/gc'}, **gc), 'containers': [{'name': 'main', 'root': {'path': root},
            'mounts': [specs.bind(data, '/data')]}]}, data


def read(path):
    with open(path) as file:
        return file.read()


def warnings(answer):
    equal(answer['Outcome'], 'removed', f'{answer}')
    return answer['Details'].get('Warnings', [])


def collect(daemon, pod, *words):
    return daemon.json('gc', pod, *words)[0]


def failure(daemon, spec):
    """The warning that the collection of such a pod ends with, which is complete all the same."""
    pod = daemon.create(spec)
    found = warnings(collect(daemon, pod))
    equal(len(found), 1, f'{found}')
    equal([point for point in host.mounts_below(f'{daemon.runtime}/pods') if pod in point], [], 'mounts')
    contains(found[0], 'the gc program ')
    contains(daemon.log(), f'of pod {pod} failed')
    return found[0]


def processes(word):
    """Whose command line has this word."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        with contextlib.suppress(OSError):
            if word in read(f'/proc/{pid}/cmdline').split('\0'):
                found.append(int(pid))
    return found


SEEN = '''
echo "args $*" >/data/seen
echo "program $0" >>/data/seen
echo "ids $(busybox id -u) $(busybox id -g)" >>/data/seen
echo here $(ls -d main 2>&1) $(ls main/rootfs/etc 2>&1) >>/data/seen
echo above $(ls -d ../../../../../main 2>&1) $(ls -d ../../run 2>&1) >>/data/seen
echo root $(ls -d /etc/hostname /main 2>&1) >>/data/seen
busybox env >/data/env
echo to-stdout
echo "one line" >&2
echo "another $(busybox printf '\\033[1m') one" >&2
'''


@case('it runs as the owner of the pod in the pod alone, with --debug and the UUID, and its stderr is logged')
def as_owner():
    with Situation() as s:
        spec, data = pod_of(SEEN, 'alice', ALICE)
        pod = s.create(spec)
        equal(warnings(s.gc(pod)), [], 'warnings')
        seen = dict(line.split(' ', 1) for line in read(f'{data}/seen').splitlines())
        equal(seen['args'], f'--debug {pod}', 'arguments')
        equal(seen['program'], '/gc', 'name')
        equal(seen['ids'], f'{ALICE} {ALICE}', 'ids')
        equal(os.stat(f'{data}/seen').st_uid, ALICE, 'whose its file is')
        equal(seen['here'], 'main hostname', 'working directory')
        contains(seen['above'], 'main ', 'above the pod is nothing')
        contains(seen['above'], '../../run: No such file', 'above the pod is nothing')
        contains(seen['root'], '/etc/hostname', 'its root is the container')
        contains(seen['root'], '/main: No such file', 'its root is the container')
        names = {line.split('=')[0] for line in read(f'{data}/env').splitlines()}
        equal(names - {'PWD', 'SHLVL', 'OLDPWD', '_'}, {'PATH'}, 'environment, but for what the shell sets')
        log = s.daemon.log()
        contains(log, f'The gc program of pod {pod}: one line')
        contains(log, f'The gc program of pod {pod}: another \\x1b[1m one')
        equal('to-stdout' in log, False, 'stdout')


@case('of root\'s own pods it runs as root if the configuration says so: without capabilities, fds and privileges to gain')
def of_root():
    with Daemon(config=IN_ROOT_PODS) as daemon:
        spec, data = pod_of('while read -r line; do echo "$line"; done </proc/self/status >/data/status\nls -l /proc/self/fd >/data/fds\n'
                'busybox unshare -U true 2>/data/user; busybox unshare -m true 2>/data/mount; mount -t tmpfs x /tmp 2>>/data/mount\n'
                'busybox id -u >/data/id; busybox ifconfig -a >/data/socket 2>&1; busybox cat /proc/self/net/dev >/data/net', 'root')
        pod = daemon.create(spec)
        equal(warnings(collect(daemon, pod)), [], 'warnings')
        status = dict(line.split(':', 1) for line in read(f'{data}/status').splitlines())
        equal({status[name].strip() for name in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb')}, {'0' * 16}, 'capabilities')
        equal((status['NoNewPrivs'].strip(), status['Seccomp'].strip(), status['Groups'].strip()), ('1', '2', ''), 'privileges')
        equal(status['NSpid'].split()[-1], '2', 'the second process of its namespace')
        equal(read(f'{data}/id'), '0\n', 'uid')
        links = dict(re.findall(r'(\d+) -> (\S+)', read(f'{data}/fds')))
        equal(sorted(links), ['0', '1', '2'], 'fds')
        equal((links['0'], links['2'].split(':')[0]), ('/null', 'pipe'), 'stdio') # of a /dev that is not in sight
        contains(read(f'{data}/user'), 'not permitted')
        equal(read(f'{data}/mount').count('not permitted') + read(f'{data}/mount').count('denied'), 2, read(f'{data}/mount'))
        equal(re.findall(r'^ *(\w+):', read(f'{data}/net'), re.M), ['lo'], 'network')
        contains(read(f'{data}/socket'), 'not permitted', 'no socket, so that nobody passes it anything')


@case('of root\'s own pods it does not run as root otherwise, and the pod says so at once')
def not_as_root():
    with Daemon(config='[Collection]\nGcInPods=yes\n') as daemon:
        spec, data = pod_of('touch /data/ran', 'root-refused')
        pod = daemon.create(spec)
        contains(' '.join(daemon.json('show', pod)['Warnings']), 'the gc program /gc will not run: as root run only programs on GcPrograms=')
        contains(warnings(collect(daemon, pod))[0], 'as root run only programs on GcPrograms=')
        equal(os.path.exists(f'{data}/ran'), False, 'it ran')


@case('none of a pod\'s own runs where GcInPods= says no')
def not_in_pods():
    with Situation('[Collection]\nGcInPods=no\n') as s:
        spec, data = pod_of('touch /data/ran', 'no-pods', ALICE)
        pod = s.create(spec)
        contains(warnings(s.gc(pod))[0], 'GcInPods=')
        equal(os.path.exists(f'{data}/ran'), False, 'it ran')


@case('a program on GcPrograms= is the host\'s, and runs as the owner in the pod\'s directory of the host')
def listed():
    program, out = f'{host.DIRECTORY}/listed', specs.tree('listed-out', {}, owner=ALICE)
    with open(program, 'w') as file:
        file.write(f'#!/bin/sh\npwd >{out}/pwd\ncat /proc/self/status >{out}/status\necho "$*" >{out}/args\nls -l /proc/self/fd >{out}/fds\n')
    os.chmod(program, 0o755)
    with Situation(f'[Collection]\nGcPrograms=/never {program}\nGcInPods=no\n') as s:
        spec, _ = pod_of('', 'listed', ALICE, path=program)
        pod = s.create(spec)
        equal(warnings(s.gc(pod)), [], 'warnings')
        equal(read(f'{out}/pwd'), f'{s.daemon.runtime}/pods/{pod}\n', 'working directory')
        equal(read(f'{out}/args'), f'--debug {pod}\n', 'arguments')
        status = dict(line.split(':', 1) for line in read(f'{out}/status').splitlines())
        equal(set(status['Uid'].split() + status['Gid'].split()), {str(ALICE)}, 'ids')
        equal({status[name].strip() for name in ('CapPrm', 'CapEff', 'CapBnd')}, {'0' * 16}, 'capabilities')
        equal(sorted(dict(re.findall(r'(\d+) -> (\S+)', read(f'{out}/fds')))), ['0', '1', '2', '3'], 'fds')
        # Root's own pods have it run as root.
        for name in os.listdir(out):
            os.unlink(f'{out}/{name}')
        os.chown(out, 0, 0)
        spec, _ = pod_of('', 'listed-root', path=program)
        equal(warnings(collect(s.daemon, s.daemon.create(spec))), [], 'warnings of root\'s')
        contains(read(f'{out}/status'), 'Uid:\t0\t0\t0\t0')
        contains(read(f'{out}/status'), 'CapEff:\t0000000000000000')


@case('what takes too long is ended with all that it started, in the background, too')
def time_limit():
    with Daemon(config=IN_ROOT_PODS + 'GcTimeoutSec=500ms\n') as daemon:
        spec, data = pod_of('busybox setsid busybox sleep 7731 >/dev/null 2>&1 &\n(busybox sleep 7732 &) \ntouch /data/began; busybox sleep 7733', 'slow')
        began = time.monotonic()
        contains(failure(daemon, spec), 'it took longer than 0.5 s (GcTimeoutSec=) and was ended')
        equal(0.5 <= time.monotonic() - began < 8 * tap.PATIENCE, True, 'the time')
        equal(os.path.exists(f'{data}/began'), True, 'it began')
        equal([processes(str(number)) for number in (7731, 7732, 7733)], [[], [], []], 'what it started')


@case('what it leaves in the background ends with it')
def background():
    with Daemon(config=IN_ROOT_PODS) as daemon:
        spec, data = pod_of('busybox setsid busybox sleep 7741 >/dev/null 2>&1 &\ncd /data; touch began', 'background')
        equal(warnings(collect(daemon, daemon.create(spec))), [], 'warnings')
        equal((os.path.exists(f'{data}/began'), processes('7741')), (True, []), 'what it started')


@case('what cannot run, or ends badly, is a warning in the answer, the journal and the history')
def failures():
    with Daemon(config=IN_ROOT_PODS) as daemon:
        spec, _ = pod_of('exit 3', 'status')
        pod = daemon.create(spec)
        contains(warnings(collect(daemon, pod))[0], 'the gc program /gc failed: it ended with status 3')
        rows = [row for row in daemon.json('history', pod) if row['Event'] == 'gc-program-failed']
        equal([(row['Target'], row['Detail']) for row in rows], [('/gc', 'it ended with status 3')], 'history')
        contains(failure(daemon, pod_of('busybox kill -9 $$', 'signal')[0]), 'signal 9 (SIGKILL)')
        contains(failure(daemon, pod_of('', 'mode', mode=0o644)[0]), 'EACCES')
        contains(failure(daemon, pod_of('', 'missing', path='/no/such')[0]), 'ENOENT')
        contains(failure(daemon, pod_of('', 'directory', path='/etc')[0]), 'it is no program: EACCES')
        contains(failure(daemon, pod_of('', 'interpreter', interpreter='/usr/bin/python3')[0]), 'it could not be executed: ENOENT')
        spec, _ = pod_of('', 'noexec')
        spec['containers'][0]['mounts'].append(specs.mount('/opt', options=['noexec', 'mode=0777']))
        spec['gc']['path'] = '/opt/gc'
        pod = daemon.create(spec)
        with open(f'{daemon.rootfs(pod)}/opt/gc', 'w') as file:
            file.write('#!/bin/sh\n')
            os.fchmod(file.fileno(), 0o755)
        contains(warnings(collect(daemon, pod))[0], 'EACCES')


@case('a symbolic link stays in the root: out of it, and through /proc, leads none')
def links():
    outside = f'{host.DIRECTORY}/outside'
    with open(outside, 'w') as file:
        file.write('#!/bin/sh\ntouch /data/ran\n')
    os.chmod(outside, 0o755)
    with Daemon(config=IN_ROOT_PODS) as daemon:
        for name, target, words in [('absolute', outside, 'ENOENT'), ('up', f'../../../../../../..{outside}', 'ENOENT'),
                ('magic', '/proc/self/root/gc', 'it is no program: ELOOP')]:
            spec, data = pod_of('', f'link-{name}', path='/link')
            root = spec['containers'][0]['root']['path']
            os.symlink(target, f'{root}/link')
            contains(failure(daemon, spec), words, name)
            equal(os.path.exists(f'{data}/ran'), False, f'{name} ran')
        spec, data = pod_of('touch /data/ran', 'link-inside', path='/link')
        os.symlink('/gc', f"{spec['containers'][0]['root']['path']}/link")
        equal(warnings(collect(daemon, daemon.create(spec))), [], 'a link that stays inside')
        equal(os.path.exists(f'{data}/ran'), True, 'it ran')


@case('it runs before anything is unmounted, strictly and lazily, once for each request however often what is busy is tried again')
def once():
    with Daemon(config=IN_ROOT_PODS + '[Mounts]\nBusyRetries=3\nBusyIntervalMSec=50\n') as daemon:
        spec, data = pod_of('read -r x </data/file; echo "$x" >>/data/out', 'once')
        with open(f'{data}/file', 'w') as file:
            file.write('content\n')
        pod = daemon.create(spec)
        with subprocess.Popen(['sleep', '1000'], cwd=f'{daemon.rootfs(pod)}/data') as holder:
            try:
                done = daemon.ctl('--json=short', 'gc', pod)
                equal(json.loads(done.out)[0]['Outcome'], 'busy', f'{done}')
                equal(daemon.state(pod), 'ready', 'state')
                equal(read(f'{data}/out'), 'content\n', 'once, with the mount there')
                daemon.ctl('gc', '--dry-run', pod)
                equal(read(f'{data}/out'), 'content\n', 'not in a dry run')
            finally:
                holder.kill()
        equal(warnings(collect(daemon, pod, '--lazy')), [], 'warnings')
        equal(read(f'{data}/out'), 'content\n' * 2, 'once more')
        # A request that waits is one, too, and its answer has what was told at first.
        spec, data = pod_of('echo x >>/data/out; exit 7', 'once-waiting')
        pod = daemon.create(spec)
        with subprocess.Popen(['sleep', '1000'], cwd=f'{daemon.rootfs(pod)}/data') as holder, subprocess.Popen(
                [f'{host.DIRECTORY}/bin/podmountctl', '--socket', daemon.socket, '--json=short', 'gc', '--wait', pod], stdout=subprocess.PIPE,
                text=True) as gc:
            eventually(lambda: os.path.exists(f'{data}/out'), 'it runs')
            time.sleep(1.2)
            holder.kill()
            found = warnings(json.loads(gc.communicate(timeout=30)[0])[0])
            equal((len(found), read(f'{data}/out')), (1, 'x\n'), f'{found}')
            contains(found[0], 'status 7')


@case('others do not wait for it, and it has the pod to itself')
def others():
    with Daemon(config=IN_ROOT_PODS) as daemon:
        spec, data = pod_of('touch /data/began; while ! [ -e /data/go ]; do busybox usleep 20000; done', 'others')
        pod = daemon.create(spec)
        with subprocess.Popen([f'{host.DIRECTORY}/bin/podmountctl', '--socket', daemon.socket, '--json=short', 'gc', pod], stdout=subprocess.PIPE,
                text=True) as gc:
            eventually(lambda: os.path.exists(f'{data}/began'), 'it runs')
            equal(daemon.state(pod), 'stopping', 'state')
            other = daemon.create(specs.oci(specs.rootfs()))
            daemon.ok('bind', other, data, '/mnt')
            daemon.ok('gc', other)
            equal(gc.poll(), None, 'the collection')
            with open(f'{data}/go', 'w'):
                pass
            equal(json.loads(gc.communicate(timeout=30)[0])[0]['Outcome'], 'removed', 'outcome')


@case('a program that says a lot, or forks without end, hurts nobody but itself')
def greedy():
    with Daemon(config=IN_ROOT_PODS) as daemon:
        spec, _ = pod_of('i=0; while [ $i -lt 3000 ]; do echo "line $i $(busybox seq 20)" >&2; i=$((i+1)); done', 'talkative')
        pod = daemon.create(spec)
        collect(daemon, pod)
        log = daemon.log()
        equal(log.count(f'The gc program of pod {pod}: '), 1000, 'lines')
        contains(log, 'are left out')
    with Situation() as s:
        spec, data = pod_of('i=0; while [ $i -lt 100 ]; do busybox sleep 7751 >/dev/null 2>&1 & i=$((i+1)); echo $i >/data/count; done', 'bomb', ALICE)
        contains(warnings(s.gc(s.create(spec)))[0], 'it ended with status', 'the shell that cannot fork')
        equal(20 < int(read(f'{data}/count')) < 32, True, read(f'{data}/count'))
        equal(processes('7751'), [], 'what is left of it')


@case('two of a user run at the same time, and the others in their turn')
def in_turn():
    with Situation() as s:
        pods, spec, data = [], None, None
        for number in range(5):
            spec, data = pod_of('own=$(busybox mktemp /data/running.XXXXXX); ls /data | busybox grep -c running >>/data/counts; busybox usleep 200000; '
                    'busybox rm -f $own', 'turns', ALICE)
            pods.append(s.create(spec))
        answers = json.loads(s.ok('--json=short', 'gc', *pods))
        equal([(answer['Outcome'], answer['Details'].get('Warnings')) for answer in answers], [('removed', None)] * 5, 'outcomes')
        equal((len(read(f'{data}/counts').split()), set(read(f'{data}/counts').split()) <= {'1', '2'}), (5, True), read(f'{data}/counts'))


@case('who waits for its turn gets it in order, before those who come later, and at once', alone=True)
def queue():
    with Situation() as s:
        pods, spec, data = [], None, None
        for number in range(6):
            spec, data = pod_of('for last; do :; done; echo $last >>/data/order; until [ -e /data/go ]; do busybox usleep 10000; done; busybox usleep 50000',
                    'queue', ALICE)
            pods.append(s.create(spec))
        calls = []
        for pod in pods:
            calls.append(subprocess.Popen([f'{host.DIRECTORY}/bin/podmountctl', '--socket', s.daemon.socket, 'gc', pod], stdout=subprocess.PIPE))
            eventually(lambda: s.daemon.state(pod) == 'stopping', 'it is begun')
            time.sleep(0.1 * tap.PATIENCE)  # machined is asked before
        eventually(lambda: len(read(f'{data}/order').split()) == 2, 'two run')
        with open(f'{data}/go', 'w'):
            pass
        equal([call.wait(30 * tap.PATIENCE) for call in calls], [0] * 6, 'statuses')
        places = [pods.index(pod) for pod in read(f'{data}/order').split()]
        equal(sorted(places), list(range(6)), 'each ran once')
        # Two that begin side by side may write in any order.
        equal(max(abs(place - at) for at, place in enumerate(places)) <= 1, True, f'the order: {places}')


@case('what a crash interrupts is done at the restart, from the beginning; an executor that dies is a warning', alone=True)
def crashes():
    with Stage(config=IN_ROOT_PODS) as daemon:
        spec, data = pod_of('echo x >>/data/out; while ! [ -e /data/go ]; do busybox usleep 20000; done', 'crash')
        for number, (kill, word) in enumerate([(lambda: daemon.process.send_signal(signal.SIGKILL), 'restart'),
                (lambda: [os.kill(pid, signal.SIGKILL) for pid in daemon.executors()], 'executor')]):
            pod = daemon.create(spec)
            with subprocess.Popen([f'{host.DIRECTORY}/bin/podmountctl', '--socket', daemon.socket, '--json=short', 'gc', pod],
                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as gc:
                eventually(lambda: os.path.exists(f'{data}/out'), 'it runs')
                kill()
                if number == 0:
                    gc.wait(30)
                    daemon.wait()
                    eventually(lambda: not processes('/gc'), 'the program ends')
                    daemon.start()
                    eventually(lambda: read(f'{data}/out') == 'x\nx\n', 'it runs again')
                    with open(f'{data}/go', 'w'):
                        pass
                    eventually(lambda: daemon.pods() == [], 'the pod is collected')
                else:
                    contains(warnings(json.loads(gc.communicate(timeout=30)[0])[0])[0], 'ended before it was done', word)
                    eventually(lambda: not processes('/gc'), 'the program ends')
            for name in os.listdir(data):
                os.unlink(f'{data}/{name}')


@case('what is left of a creation that failed has none, also when its collection is begun once more', alone=True)
def of_failed():
    for failed in (True, False):
        with Stage(config=IN_ROOT_PODS) as daemon:
            spec, data = pod_of('echo x >>/data/out', f'failed-{failed}')
            pod = daemon.create(spec)
            daemon.stop()
            with contextlib.closing(sqlite3.connect(f'{daemon.runtime}/state.db')) as store, store:
                store.execute('UPDATE pod SET state = 2 WHERE uuid = ?', (pod,))  # stopping
                if failed:  # its mounts come on record when it is ready
                    store.execute('DELETE FROM mount')
            daemon.start()
            eventually(lambda: daemon.pods() == [], 'the pod is collected')
            equal(os.path.exists(f'{data}/out'), not failed, f'it ran, failed: {failed}')


@case('a stop waits for it, but not for the collection: that is the next start\'s', alone=True)
def stops():
    with Stage(config=IN_ROOT_PODS + 'GcTimeoutSec=1\n') as daemon:
        spec, data = pod_of('echo x >>/data/out; while ! [ -e /data/go ]; do busybox usleep 20000; done', 'stops')
        pod = daemon.create(spec)
        with subprocess.Popen([f'{host.DIRECTORY}/bin/podmountctl', '--socket', daemon.socket, '--json=short', 'gc', pod], stdout=subprocess.PIPE,
                text=True) as gc:
            eventually(lambda: os.path.exists(f'{data}/out'), 'it runs')
            equal(daemon.stop(), 0, 'exit status')
            answer = json.loads(gc.communicate(timeout=30)[0])[0]
        contains(answer['Details']['Message'], 'podmountd is stopping')
        equal((answer['Outcome'], processes('/gc')), ('failed', []), 'outcome')
        equal(len([point for point in host.mounts_below(f'{daemon.runtime}/pods') if pod in point]) > 0, True, 'mounts')
        with open(f'{data}/go', 'w'):
            pass
        daemon.start()
        eventually(lambda: daemon.pods() == [], 'the pod is collected')
        equal(read(f'{data}/out'), 'x\nx\n', 'it ran again')


@case('of several containers it names one; it is in exports; what is no path of a file is refused')
def specs_of_it():
    with Daemon(config=IN_ROOT_PODS) as daemon:
        spec, data = pod_of('touch /data/ran', 'several', container='main')
        spec['containers'].append({'name': 'side', 'root': {'path': specs.rootfs()}})
        pod = daemon.create(spec)
        document = json.loads(daemon.ok('export', pod))
        equal(document['gc'], {'path': '/gc', 'container': 'main'}, 'in the export')
        collect(daemon, pod)
        equal(os.path.exists(f'{data}/ran'), True, 'it ran')
        os.unlink(f'{data}/ran')
        pod = daemon.ok('restore', '-', input=json.dumps(document)).strip()
        equal(json.loads(daemon.ok('export', pod))['gc'], document['gc'], 'exported again')
        daemon.restart()
        collect(daemon, pod)
        equal(os.path.exists(f'{data}/ran'), True, 'it ran after a restore and a restart')
        for gc, words in [({}, '/gc/path: it is missing'), ({'path': 'gc'}, 'no absolute path of a file'), ({'path': '/a/../b'}, 'without ".."'),
                ({'path': '/'}, 'of a file'), ({'path': '/' + 'x/' * 2048}, 'no absolute path'), ({'path': '/gc', 'args': []}, '/gc/args'),
                ({'path': '/gc', 'container': 'other'}, 'no container "other"'), ({'path': '/gc'}, '/gc/container: it is missing'), ('/gc', '/gc')]:
            contains(daemon.refused('create', '-', input=json.dumps(dict(spec, gc=gc))), words, f'{gc!r:.80}')


if __name__ == '__main__':
    host.prepare()
    bus = Bus()
    tap.run()
