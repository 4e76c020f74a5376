#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Restarts: what was recorded is compared with the kernel, what was cut off is undone or done, ids stay."""

import contextlib
import errno
import json
import os
import re
import signal
import sqlite3
import subprocess
import time

from frame import host, specs, tap
from frame.ambush import Ambush, number_of
from frame.daemon import MANAGER, PATH, Stage
from frame.fuse import LOOKUP, Hanging
from frame.tap import PATIENCE, case, contains, equal, eventually


def start_create(daemon, spec, ident):
    call = subprocess.Popen([f'{host.DIRECTORY}/bin/podmountctl', '--socket', daemon.socket, 'create', '--id', ident,
            '-'], stdin=subprocess.PIPE,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    call.stdin.write(json.dumps(spec).encode())
    call.stdin.close()
    return call


def kill_all(daemon):
    os.kill(daemon.keeper(), signal.SIGKILL)
    daemon.wait()


def assert_no_leaks(daemon):
    """Every mount below pods/ belongs to a pod that is there, and every directory does."""
    pods = {pod['UUID'] for pod in daemon.pods()}
    for point in host.mounts_below(f'{daemon.runtime}/pods'):
        uuid = point[len(f'{daemon.runtime}/pods/'):].split('/')[0]
        equal(uuid in pods, True, f'an owner of {point}')
    equal(set(os.listdir(f'{daemon.runtime}/pods')) <= pods, True,
            f"directories in pods/: {os.listdir(f'{daemon.runtime}/pods')}, pods: {pods}")


@case('three pods: one lost a mount, one got a foreign one, one was cut off: degraded, degraded, collected')
def three_pods(daemon):
    third = '33333333-2222-4333-8444-555555555555'
    spec = specs.oci(mounts=[specs.mount('/tmp'), specs.mount('/srv')])
    first, second = daemon.create(spec), daemon.create(spec)
    before = {pod: daemon.mounts(pod) for pod in (first, second)}
    connection = daemon.connection()
    daemon.manager('ListPods', 'a{sv}', {},
            connection=connection)  # who we are is known from here on, without an executor
    for pid in daemon.executors():
        os.kill(pid, signal.SIGSTOP)
    connection.call_async(None, PATH, MANAGER, 'CreatePod', 'sa{sh}a{sv}', (json.dumps(spec), {}, {'id': third}), None,
            None)
    connection.flush()

    def creating():
        return any((str(row[0]), str(row[3])) == (third, 'creating') for row in daemon.manager('ListPods', 'a{sv}', {},
                connection=connection))
    eventually(creating, 'the third creation runs')
    kill_all(daemon)
    connection.close()
    subprocess.run(['umount', f'{daemon.rootfs(first)}/srv'], check=True)
    subprocess.run(['mount', '-t', 'tmpfs', 'foreign', f'{daemon.rootfs(second)}/mnt'], check=True)
    daemon.start()
    eventually(lambda: third not in [pod['UUID'] for pod in daemon.pods()], 'the third pod is collected')
    equal({pod['UUID']: pod['State'] for pod in daemon.pods()}, {first: 'degraded', second: 'degraded'}, 'states')
    assert_no_leaks(daemon)
    for pod, touched in ((first, 'main:/srv'), (second, 'main:/mnt')):
        after = daemon.mounts(pod)
        for key, mount in before[pod].items():
            if key != touched:
                equal(after[key]['ID'], mount['ID'], f'id of {key}')
    equal(daemon.mounts(first)['main:/srv']['State'], 'missing', 'the removed mount')
    equal(daemon.mounts(second)['main:/mnt']['State'], 'extra', 'the foreign mount')
    contains(daemon.ok('show', first), 'missing main:/srv', 'show')
    contains(daemon.ok('show', second), 'extra main:/mnt', 'show')
    for pod in (first, second):
        equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'collection')
    equal(host.mounts_below(f'{daemon.runtime}/pods'), {}, 'mounts that are left')


@case('a creation killed at any instant leaves a whole pod or none')
def killed_creation(daemon):
    spec = specs.oci(mounts=[specs.mount(f'/mnt/{i}') for i in range(300)])
    keep = daemon.create(specs.oci())
    for turn, delay in enumerate([0, 2, 5, 10, 20, 35, 60, 100]):
        ident = f'44444444-2222-4333-8444-{turn:012}'
        call = start_create(daemon, spec, ident)
        time.sleep(delay / 1000)
        kill_all(daemon)
        call.wait()
        daemon.start()
        eventually(lambda: all(pod['State'] in ('ready', 'degraded') for pod in daemon.pods()), 'recovery ends')
        assert_no_leaks(daemon)
        equal(daemon.state(keep), 'ready', 'the other pod')
        if ident in [pod['UUID'] for pod in daemon.pods()]:
            equal(daemon.state(ident), 'ready', f'state after {delay} ms')
            equal(len([m for m in daemon.mounts(ident).values() if m['Target'].startswith('/mnt/')]), 300, 'mounts')
            equal(daemon.create(spec, '--id', ident), ident, 'the retry of a call whose reply was lost')
            equal(daemon.json('gc', ident)[0]['Outcome'], 'removed', 'collection')
    equal(daemon.json('gc', keep)[0]['Outcome'], 'removed', 'collection')


@case('a collection killed at any instant is finished after the start, or the pod is still whole')
def killed_collection(daemon):
    spec = specs.oci(mounts=[specs.mount(f'/mnt/{i}') for i in range(300)])
    for turn, delay in enumerate([0, 5, 15, 40]):
        ident = daemon.create(spec, '--id', f'55555555-2222-4333-8444-{turn:012}')
        call = subprocess.Popen([f'{host.DIRECTORY}/bin/podmountctl', '--socket', daemon.socket, 'gc', ident],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay / 1000)
        kill_all(daemon)
        call.wait()
        daemon.start()
        eventually(lambda: all(pod['State'] in ('ready', 'degraded') for pod in daemon.pods()), 'recovery ends')
        assert_no_leaks(daemon)
        if ident in [pod['UUID'] for pod in daemon.pods()]:
            equal(daemon.state(ident), 'ready', f'state after {delay} ms')
            equal(daemon.json('gc', ident)[0]['Outcome'], 'removed', 'collection')


@case('an array of mounts killed at any instant is there whole or not at all')
def killed_mounts(daemon):
    pod = daemon.create(specs.oci())
    mounts = json.dumps([specs.mount(f'/mnt/{i}') for i in range(300)])
    clean = sorted(host.mounts_below(daemon.rootfs(pod)))
    for delay in [1, 5, 15, 40]:
        call = subprocess.Popen([f'{host.DIRECTORY}/bin/podmountctl', '--socket', daemon.socket, 'mount', pod, mounts],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay / 1000)
        kill_all(daemon)
        call.wait()
        daemon.start()
        found = []

        def settled():
            found[:] = [m for m in daemon.mounts(pod).values() if m['Target'].startswith('/mnt/')]
            there = sorted(host.mounts_below(daemon.rootfs(pod)))
            return daemon.state(pod) == 'ready' and (len(found), len(there) - len(clean)) in ((0, 0), (300, 300))
        eventually(settled, f'all or nothing after {delay} ms')
        for mount in found:
            daemon.ok('unmount', pod, mount['Target'])
    equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'collection')


@case('an orderly stop and start keeps pods, ids, names, warnings and the time of creation')
def orderly(daemon):
    pod = daemon.create(specs.oci(mounts=[specs.mount('/tmp'), specs.mount('/proc', 'proc', 'proc')]), '--name', 'kept')
    before = daemon.json('show', pod)
    daemon.restart()
    equal(daemon.json('show', 'kept'), before, 'the pod')
    equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'collection')


VERSION_1 = """
    CREATE TABLE daemon (job_block INTEGER NOT NULL);
    INSERT INTO daemon VALUES (0);
    CREATE TABLE pod (
     number INTEGER PRIMARY KEY,
     uuid TEXT NOT NULL UNIQUE,
     name TEXT,
     owner INTEGER NOT NULL,
     owner_group INTEGER NOT NULL,
     state INTEGER NOT NULL,
     created_us INTEGER NOT NULL,
     spec TEXT,
     reason TEXT,
     containers BLOB,
     warnings BLOB);
    CREATE TABLE mount (
     row INTEGER PRIMARY KEY,
     pod INTEGER NOT NULL REFERENCES pod (number) ON DELETE CASCADE,
     id INTEGER NOT NULL,
     mount_id INTEGER NOT NULL,
     container TEXT NOT NULL,
     target TEXT NOT NULL,
     source TEXT,
     type TEXT,
     options BLOB,
     request TEXT,
     device INTEGER NOT NULL,
     attributes INTEGER NOT NULL,
     propagation INTEGER NOT NULL,
     made INTEGER NOT NULL,
     nested INTEGER NOT NULL,
     deferred INTEGER NOT NULL);
    CREATE INDEX mount_of_pod ON mount (pod);
    CREATE TABLE intent (
     job INTEGER PRIMARY KEY,
     uuid TEXT NOT NULL,
     verb INTEGER NOT NULL,
     lazy INTEGER NOT NULL,
     detail TEXT);
    PRAGMA application_id = 0x706d6e74;
    PRAGMA user_version = 1;
"""


def older(path):
    """Makes the file as version 1 would have written it."""
    columns = {table: [] for table in ('daemon', 'pod', 'mount', 'intent')}
    connection = sqlite3.connect(f'{path}.old')
    connection.executescript(VERSION_1)
    for table, names in columns.items():
        names += [row[1] for row in connection.execute(f'PRAGMA table_info({table})')]
    connection.execute('DELETE FROM daemon')
    connection.execute('ATTACH ? AS newer', [path])
    for table, names in columns.items():
        connection.execute(f'INSERT INTO main.{table} SELECT {", ".join(names)} FROM newer.{table}')
    connection.commit()
    connection.close()
    for name in [path, f'{path}-wal', f'{path}-shm']:
        if os.path.exists(name):
            os.unlink(name)
    os.rename(f'{path}.old', path)
    os.chown(path, host.FRONT, host.FRONT)
    os.chmod(path, 0o600)


@case('a state.db of version 1 is migrated: pods, mounts and their ids are as they were')
def migrated(daemon):
    pod = daemon.create(specs.oci(mounts=[specs.mount('/tmp'), specs.bind('/etc', '/mnt', 'rbind', 'ro')]), '--name',
            'old')
    before = daemon.json('show', pod)
    daemon.stop()
    path = f'{daemon.runtime}/state/state.db'
    older(path)
    daemon.start()
    equal(daemon.json('show', 'old'), before, 'the pod')
    daemon.ok('bind', 'old', '/etc', '/srv', '-o', 'rbind,ro')
    equal(daemon.json('gc', 'old')[0]['Outcome'], 'removed', 'collection')
    daemon.stop()
    connection = sqlite3.connect(path)
    equal(connection.execute('PRAGMA user_version').fetchone()[0] > 1, True, 'version')
    connection.close()


@case('a state.db that is newer is refused with a sentence, and left as it is')
def newer(daemon):
    daemon.stop()
    path = f'{daemon.runtime}/state/state.db'
    connection = sqlite3.connect(path)
    connection.execute('PRAGMA user_version = 9999')
    connection.commit()
    connection.close()
    os.chown(path, host.FRONT, host.FRONT)
    daemon.launch()
    equal(daemon.wait() > 0, True, 'exit status')
    contains(daemon.log(), 'newer', 'log')
    connection = sqlite3.connect(path)
    equal(connection.execute('PRAGMA user_version').fetchone()[0], 9999, 'version')
    connection.close()


@case('a damaged row of an interrupted call keeps no pod from its recovery')
def damaged_row(daemon):
    mount_inside, other = 8, daemon.create(specs.oci())
    for number, detail in enumerate(('', 'x', '{"namespace": 1, "mounts": 7}', '[]')):
        daemon.stop(signal.SIGKILL)
        with contextlib.closing(sqlite3.connect(f'{daemon.runtime}/state/state.db')) as connection, connection:
            connection.execute('INSERT INTO intent (job, uuid, verb, lazy, detail) VALUES (?, ?, ?, 0, ?)', (1000000 + number, other, mount_inside, detail))
        for end in ('', '-wal', '-shm'):
            if os.path.exists(f'{daemon.runtime}/state/state.db{end}'):
                os.chown(f'{daemon.runtime}/state/state.db{end}', host.FRONT, host.FRONT)
        begun = len(daemon.log())
        daemon.start()
        equal(daemon.state(other), 'ready', f'{detail}: state')
        contains(daemon.log()[begun:], 'cannot be told from its record', f'{detail}: log')


@case('a state.db that is no database is refused with a sentence')
def damaged(daemon):
    daemon.stop()
    for name in os.listdir(f'{daemon.runtime}/state'):
        if name.startswith('state.db'):
            os.unlink(f'{daemon.runtime}/state/{name}')
    with open(f'{daemon.runtime}/state/state.db', 'w') as file:
        file.write('this is no database\n' * 100)
    os.chown(f'{daemon.runtime}/state/state.db', host.FRONT, host.FRONT)
    daemon.launch()
    equal(daemon.wait() > 0, True, 'exit status')
    contains(daemon.log(), 'state.db', 'log')


class Never(Hanging):
    """Does not answer when a file is looked for."""

    def answer(self, code, node, body):
        return None if code == LOOKUP else super().answer(code, node, body)


def slot(daemon, number):
    """The process of the executor in that slot, if it lives."""
    pid = int(re.findall(rf'executor {number} is process (\d+)', daemon.log())[-1])
    return pid if host.alive(pid) else None


@case('an executor dies, what it had mounted cannot be put on record, and all die when the next one begins to undo it: a start does')
def unrecorded(daemon):
    daemon.write_config('[Daemon]\nExecutors=2\n')
    daemon.restart()
    pod, where = daemon.create(specs.oci()), f'{daemon.directory}/fuse'
    before = host.mount_table()
    os.mkdir(where)
    with Never(where):
        os.kill(daemon.keeper(), signal.SIGSTOP)  # no other comes in the place of the first
        os.kill(slot(daemon, 0), signal.SIGKILL)
        mounts = json.dumps([specs.mount('/mnt'), specs.bind(f'{where}/never', '/srv', 'bind')])
        call = subprocess.Popen([f'{host.DIRECTORY}/bin/podmountctl', '--socket', daemon.socket, 'mount', pod, mounts],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(lambda: f'{daemon.rootfs(pod)}/mnt' in host.mounts_below(daemon.rootfs(pod)), 'one mount is made, the other one hangs', 10)
        os.kill(daemon.keeper(), signal.SIGCONT)
        second = slot(daemon, 1)
        eventually(lambda: len(daemon.executors()) == 2 and slot(daemon, 0), 'another executor')
        time.sleep(PATIENCE)  # what the front writes beside is written
        with Ambush([slot(daemon, 0)], call=number_of('umount2'), at=1, kill=daemon.keeper()) as undo, \
                Ambush([daemon.front()], call=number_of('pwrite64'), at=1, error=errno.ENOSPC) as full:
            os.kill(second, signal.SIGKILL)
            call.wait(30 * PATIENCE)
        daemon.wait()
        equal((undo.hit, full.hit), (number_of('umount2'), number_of('pwrite64')), 'where all died, and what had failed')
        contains(daemon.log(), 'A crash now would leave mounts in pod', 'the log')
    contains(host.mounts_below(daemon.rootfs(pod)), f'{daemon.rootfs(pod)}/mnt', 'what is left')
    daemon.start()
    eventually(lambda: host.mount_table() == before, 'the mount table is as it was')
    equal(daemon.state(pod), 'ready', 'the pod')
    daemon.ok('gc', pod)


if __name__ == '__main__':
    host.prepare()
    tap.run(Stage)
