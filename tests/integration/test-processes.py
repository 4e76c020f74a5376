#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Three kinds of process: what each may, and what the loss of each comes to."""

import json
import os
import signal
import subprocess
import threading
import time

from frame import host, specs, tap
from frame.daemon import MANAGER, PATH, Stage
from frame.tap import case, contains, equal, eventually


@case('the front has no capability, no uid 0, no new privileges, and no fd to a directory of the host')
def front(daemon):
    daemon.create(specs.oci())
    status = host.status_of(daemon.front())
    for field in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'):
        equal(int(status[field], 16), 0, field)
    equal(status['NoNewPrivs'], '1', 'NoNewPrivs')
    equal(status['Uid'].split(), [str(host.FRONT)] * 4, 'uids')
    equal('0' in status['Gid'].split(), False, 'gids')
    equal(status['Groups'].split(), [], 'supplementary groups')


@case('nothing is written to stdout, and no fd of the keeper leaks into the others')
def descriptors(daemon):
    def leaked():
        found = subprocess.run(['readlink'] + [f'/proc/{pid}/fd/{number}' for pid in [daemon.front()] + daemon.executors()
                                               for number in os.listdir(f'/proc/{pid}/fd')], stdout=subprocess.PIPE, text=True, check=False)
        return [where for where in found.stdout.splitlines() if where.endswith('/lock')]

    eventually(lambda: not leaked(), 'no process but the keeper holds the lock', 2)  # an executor that has just begun has not closed it yet


@case('the loss of an executor is repaired, at rest and in the middle of a job, with nothing lost')
def executor_lost(daemon):
    pod = daemon.create(specs.oci())
    n = len(daemon.executors())
    for pid in daemon.executors():
        os.kill(pid, signal.SIGKILL)
        eventually(lambda gone=pid: gone not in daemon.executors() and len(daemon.executors()) == n, 'another executor')
        daemon.ok('bind', pod, '/etc', '/mnt', '-o', 'rbind,ro')
        daemon.ok('unmount', pod, '/mnt')
    before = host.mount_table()
    for pid in daemon.executors():
        os.kill(pid, signal.SIGSTOP)
    stopped = daemon.executors()
    call = subprocess.Popen([f'{host.DIRECTORY}/bin/podmountctl', '--socket', daemon.socket, 'bind', pod, '/etc',
            '/mnt', '-o', 'rbind,ro'], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)
    time.sleep(0.3)
    for pid in stopped:
        os.kill(pid, signal.SIGKILL)
    out, err = call.communicate(timeout=60 * tap.PATIENCE)
    if call.returncode == 0:
        contains(daemon.mounts(pod), 'main:/mnt', 'a bind that was done')
        daemon.ok('unmount', pod, '/mnt')
    else:
        contains(err, 'Next:', 'the refusal')
    equal(host.mount_table(), before, 'mount table')
    equal(daemon.state(pod), 'ready', f'state ({out}{err})')
    equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'collection')


def collect_while_executors_die(daemon, pod, deaths):
    """The outcome of a collection of which so many executors die, one after the other: there is one alone at a time."""
    connection, answers = daemon.connection(), []
    connection.call_blocking(None, PATH, MANAGER, 'GetPod', 's', (pod,))  # an executor says who calls, once
    call = threading.Thread(target=lambda: answers.append(connection.call_blocking(None, PATH, MANAGER, 'GC', 'asa{sv}', ([pod], {}))))
    victim, before = daemon.executors()[0], daemon.log().count('is tried again: ')
    os.kill(victim, signal.SIGSTOP)
    call.start()
    for number in range(1, deaths + 1):
        time.sleep(0.7 * tap.PATIENCE)  # by now it has the job
        os.kill(victim, signal.SIGKILL)
        victim = eventually(lambda gone=victim: [pid for pid in daemon.executors() if pid != gone], 'another executor')[0]
        if number < deaths:
            eventually(lambda seen=before + number: daemon.log().count('is tried again: ') == seen, f'try {number + 1}')
            os.kill(victim, signal.SIGSTOP)
    call.join(30 * tap.PATIENCE)
    return answers[0][0][1]


@case('a collection outlives three executors that die of it; after five it stays begun, and the next or a start completes it')
def executors_lost(daemon):
    daemon.write_config(f'[Daemon]\nExecutors=1\n[Mounts]\nBusyIntervalMSec={int(500 * tap.PATIENCE)}\n')
    daemon.restart()
    pods = [daemon.create(specs.oci(mounts=[specs.mount('/tmp')])) for _ in range(3)]
    equal(collect_while_executors_die(daemon, pods[0], 3), 'removed', 'outcome after three')
    for pod in pods[1:]:
        equal(collect_while_executors_die(daemon, pod, 5), 'failed', 'outcome after five')
        equal(daemon.state(pod), 'stopping', 'state')
    contains(daemon.refused('bind', pods[1], '/etc', '/mnt'), 'is being collected', 'a bind')
    equal([item['Outcome'] for item in daemon.json('gc', pods[1])], ['removed'], 'collected again')
    daemon.restart()
    eventually(lambda: daemon.pods() == [], 'the start collects it')


@case('an executor that hangs is replaced when the job has had its time')
def executor_hangs(daemon):
    daemon.write_config('[Daemon]\nJobTimeoutSec=2\nExecutors=1\n')
    daemon.restart()
    pod = daemon.create(specs.oci())
    hanging = daemon.executors()
    for pid in hanging:
        os.kill(pid, signal.SIGSTOP)
    begin = time.monotonic()
    contains(daemon.refused('bind', pod, '/etc', '/mnt', '-o', 'rbind,ro'), 'Next:')
    equal(time.monotonic() - begin < 10, True, 'the answer comes in time')
    eventually(lambda: daemon.executors() and not set(daemon.executors()) & set(hanging), 'another executor')
    daemon.ok('bind', pod, '/etc', '/mnt', '-o', 'rbind,ro')
    equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'collection')


@case('the loss of the front ends the daemon with an error, and nothing is unmounted')
def front_lost(daemon):
    pod = daemon.create(specs.oci(mounts=[specs.mount('/tmp')]))
    mounts, before = daemon.mounts(pod), host.mount_table()
    others = [daemon.front()] + daemon.executors()
    os.kill(daemon.front(), signal.SIGKILL)
    equal(daemon.wait() > 0, True, 'exit status')
    eventually(lambda: not any(host.alive(pid) for pid in others), 'all processes end')
    equal(host.mount_table(), before, 'mount table')
    daemon.start()
    equal(daemon.mounts(pod), mounts, 'mounts after the restart')
    daemon.ok('gc', pod)


@case('front and executors die with the keeper')
def keeper_lost(daemon):
    pod = daemon.create(specs.oci())
    before = host.mount_table()
    others = [daemon.front()] + daemon.executors()
    os.kill(daemon.keeper(), signal.SIGKILL)
    daemon.wait()
    eventually(lambda: not any(host.alive(pid) for pid in others), 'all processes end')
    equal(host.mount_table(), before, 'mount table')
    daemon.start()
    equal(daemon.state(pod), 'ready', 'state after the restart')
    daemon.ok('gc', pod)


@case('SIGTERM ends all in order, with status 0, and unmounts nothing')
def terminated(daemon):
    pod = daemon.create(specs.oci(mounts=[specs.mount('/tmp')]))
    before = host.mount_table()
    others = [daemon.front()] + daemon.executors()
    equal(daemon.stop(), 0, 'exit status')
    equal([pid for pid in others if host.alive(pid)], [], 'processes that are left')
    equal(host.mount_table(), before, 'mount table')
    daemon.start()
    equal(daemon.state(pod), 'ready', 'state after the restart')
    daemon.ok('gc', pod)


@case('SIGHUP reloads the configuration; a bad one is told and the old one stays')
def reload(daemon):
    front, executors = daemon.front(), daemon.executors()
    daemon.write_config('[Limits]\nTmpfsSize=2M\n')
    os.kill(daemon.keeper(), signal.SIGHUP)
    size = 0

    def applied():
        nonlocal size
        pod = daemon.create(specs.oci(mounts=[specs.mount('/tmp')]))
        found = os.statvfs(f'{daemon.rootfs(pod)}/tmp')
        size = found.f_blocks * found.f_frsize
        daemon.ok('gc', pod)
        return size == 2 * 1024 * 1024
    eventually(applied, 'the new TmpfsSize', interval=0.1)
    daemon.write_config('[Limits]\nTmpfsSize=nonsense\n')
    os.kill(daemon.keeper(), signal.SIGHUP)
    eventually(lambda: 'TmpfsSize' in daemon.log(), 'the bad line is told')
    equal(applied(), True, 'the old value')
    equal((daemon.front(), daemon.executors()), (front, executors), 'processes')


@case('a second podmountd on the same runtime directory exits naming the first')
def second(daemon):
    done = host.run(daemon.command(), env=daemon.environment())
    equal(done.status > 0, True, 'exit status')
    contains(done.err, str(daemon.keeper()), 'stderr')
    contains(done.err, daemon.runtime, 'stderr')
    equal(done.out, '', 'stdout')
    equal(daemon.ctl('status').status, 0, 'the first one answers')


@case('inside a user namespace it exits with a sentence')
def user_namespace(daemon):
    daemon.stop()
    done = host.run(['unshare', '--user', '--map-root-user'] + daemon.command(), env=daemon.environment())
    equal(done.status > 0, True, 'exit status')
    contains(done.err, 'user namespace', 'stderr')


@case('without root it exits with a sentence')
def without_root(daemon):
    daemon.stop()
    done = host.run(daemon.command(), user=host.ALICE, env=daemon.environment())
    equal(done.status > 0, True, 'exit status')
    contains(done.err, 'root', 'stderr')


@case('wrong options and a bad configuration are told, with exit status and file and line')
def bad_start(daemon):
    daemon.stop()
    done = host.run([daemon.command()[0], '--nonsense'])
    equal(done.status > 0, True, 'exit status')
    daemon.write_config('[Daemon]\nNonsense=1\n')
    done = host.run(daemon.command(), env=daemon.environment())
    equal(done.status > 0, True, 'exit status')
    contains(done.err, 'podmountd.conf:2', 'stderr')
    contains(done.err, 'Nonsense', 'stderr')


@case('the runtime directory covered or unmounted by someone: said so, and nothing planned on top')
def covered(daemon):
    pod = daemon.create(specs.oci())
    subprocess.run(['mount', '-t', 'tmpfs', 'cover', daemon.runtime], check=True)
    before = host.mount_table()
    name, text = daemon.error_of('Bind', 'sssa{sh}a{sv}', pod, '/etc', '/mnt', {}, {'options': ['rbind']},
            connection=daemon.early)
    contains(text, daemon.runtime, f'the sentence of {name}')
    equal(host.mount_table(), before, 'mount table')
    subprocess.run(['umount', daemon.runtime], check=True)
    daemon.ok('bind', pod, '/etc', '/mnt', '-o', 'rbind,ro')
    daemon.ok('gc', pod)


@case('the runtime directory unmounted by someone: said so, until it is started again')
def unmounted(daemon):
    daemon.stop()
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'mode=0755', 'runtime', daemon.runtime], check=True)
    daemon.start()
    pod = daemon.create(specs.oci())
    daemon.manager('ListPods', 'a{sv}', {}, connection=daemon.early)
    subprocess.run(['umount', '--lazy', daemon.runtime], check=True)
    before = host.mount_table()
    for method, signature, arguments in [('Bind', 'sssa{sh}a{sv}', [pod, '/etc', '/mnt', {}, {'options': ['rbind']}]),
                                         ('CreatePod', 'sa{sh}a{sv}', [json.dumps(specs.oci()), {}, {}])]:
        name, text = daemon.error_of(method, signature, *arguments, connection=daemon.early)
        contains(text, daemon.runtime, f'the sentence of {name}')
    equal(host.mount_table(), before, 'mount table')
    daemon.stop()
    daemon.start()
    daemon.ok('gc', daemon.create(specs.oci()))


@case('at rest it does nothing: no wake-up in two seconds')
def idle(daemon):
    daemon.ok('gc', daemon.create(specs.oci()))
    time.sleep(1)

    def switches():
        return {pid: (host.status_of(pid)['voluntary_ctxt_switches'], host.status_of(pid)['nonvoluntary_ctxt_switches'])
                for pid in [daemon.keeper(), daemon.front()] + daemon.executors()}
    before = switches()
    time.sleep(2)
    equal(switches(), before, 'context switches')


class Processes(Stage):
    """Keeps a connection from before the runtime directory is covered."""

    def start(self):
        super().start()
        self.early = self.connection()


if __name__ == '__main__':
    host.prepare()
    tap.run(Processes)
