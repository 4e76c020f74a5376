#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A FUSE server stops answering at the first, the second … request that an operation makes of it, until the operation makes no more: each is answered by
its deadline, others go on meanwhile, and nothing is left.

PODMOUNT_HANGS is how many of all are tried (all: 0), PODMOUNT_SEED which; scripts/torture tries all.
"""

import json
import os
import random
import subprocess
import threading
import time

import dbus

from frame import host, images, specs, tap
from frame.daemon import MANAGER, Stage
from frame.fuse import GETATTR, INIT, LOOKUP, Hanging
from frame.kills import SEED
from frame.storm import percentile
from frame.tap import case, contains, diagnose, equal, eventually

HANGS = int(os.environ.get('PODMOUNT_HANGS', '8'))
DEADLINE = int(2 * tap.PATIENCE)
TURNS, BINDS, TIMES = 10, 60, 2
NOTHING = dbus.Dictionary({}, 'sv')


class Silent(Hanging):
    """Answers `left` requests more, and then none. The kernel asks for everything each time."""

    def __init__(self, where):
        self.left, self.asked, self.lock = None, 0, threading.Lock()
        super().__init__(where)

    def from_now(self, left):
        with self.lock:
            self.left, self.asked = left, 0

    def answer(self, code, node, body):
        with self.lock:
            if code != INIT and self.left is not None:
                self.asked += 1
                if self.asked > self.left:
                    return None
        answer = super().answer(code, node, body)
        if answer and code == LOOKUP and answer[1]:
            return 0, answer[1][:16] + bytes(24) + answer[1][40:]
        if answer and code == GETATTR:
            return 0, bytes(16) + answer[1][16:]
        return answer


class Situation(Stage):
    def __init__(self):
        super().__init__(config=f'[Daemon]\nJobTimeoutSec={DEADLINE}\nExecutors=2\n[Mounts]\nBusyRetries=0\nImageTypes=erofs\n')
        self.where = f'{self.directory}/fuse'
        os.mkdir(self.where)
        self.other = self.create(specs.oci())


def on(where, *mounts):
    return specs.oci(mounts=[specs.bind(where, '/data', 'bind'), *mounts])



# What is asked of podmountctl, with POD and WHERE in their places. The pod has the file system at /data.
OPERATIONS = {
    'bind a file': ['bind', 'POD', 'WHERE/file', '/mnt/file'],
    'bind a directory': ['bind', 'POD', 'WHERE', '/mnt'],
    'create': ['create', '-'],
    'create over it': ['create', '-'],
    'mount an image': ['mount', 'POD', '-'],
    'replace': ['replace', 'POD', '/data', '-'],
    'bind below it': ['bind', 'POD', '/etc/hostname', '/data/file'],
    'plan': ['plan', '-'],
    'path-info': ['path-info', 'POD', '/data/file'],
    'which': ['which', 'POD', '/data/file'],
    'holders': ['holders', 'POD'],
    'show': ['show', 'POD'],
    'repair': ['repair', 'POD'],
    'export': ['export', 'POD'],
    'unmount': ['unmount', 'POD', '/data'],
    'gc': ['gc', 'POD'],
    'gc --lazy': ['gc', '--lazy', 'POD'],
}


def input_of(name, where):
    return {
        'create': lambda: json.dumps(on(where, specs.bind(f'{where}/file', '/mnt/file', 'bind'))),
        'create over it': lambda: json.dumps(specs.oci(mounts=[specs.mount('/over', 'overlay', options=[f'lowerdir={where}:/usr'])])),
        'plan': lambda: json.dumps(on(where)),
        'mount an image': lambda: json.dumps([specs.mount('/mnt', 'erofs', f'{where}/file', ['ro'])]),
        'replace': lambda: json.dumps(specs.bind(f'{where}', '/data', 'bind')),
    }.get(name, lambda: None)()


def check_others(daemon):
    """While it hangs: another pod's mounts, and what there is to know."""
    begin = time.monotonic()
    daemon.ok('bind', daemon.other, '/usr', '/mnt')
    daemon.ok('status')
    daemon.ok('unmount', daemon.other, '/mnt')
    took = time.monotonic() - begin
    equal(took < DEADLINE, True, f'others took {took:.2f} s')


def try_one(daemon, name, answered):
    """Whether the operation asked for more than `answered` requests."""
    pod = what = None
    with Silent(daemon.where) as server:
        pod = daemon.create(on(daemon.where))
        what = f'{name}, {answered} requests answered'
        words = [word.replace('POD', pod).replace('WHERE', daemon.where) for word in OPERATIONS[name]]
        server.from_now(answered)
        process = subprocess.Popen([f'{host.DIRECTORY}/bin/podmountctl', '--socket', daemon.socket, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True)
        begin = time.monotonic()
        process.stdin.write(input_of(name, daemon.where) or '')
        process.stdin.close()
        process.stdin = None
        while process.poll() is None and server.asked <= answered:
            time.sleep(0.01)
        if process.poll() is None:
            check_others(daemon)
        out, err = process.communicate(timeout=(2 * DEADLINE + 20) * tap.PATIENCE)
        took = time.monotonic() - begin
        hung = server.asked > answered
        if process.returncode != 0 and hung:
            contains(err, 'too long', f'{what}: the answer ({took:.1f} s)')
        equal(process.returncode in (0, 1), True, f'{what}: {process.returncode} {err}')
        equal(took < 2 * DEADLINE + 3 * tap.PATIENCE, True, f'{what}: answered after {took:.1f} s')
    eventually(lambda: len(daemon.executors()) >= 2 and daemon.json('status')['Hangs'] == [], f'{what}: executors, and nothing that hangs', 20)
    for row in daemon.pods():
        if row['UUID'] != daemon.other:
            eventually(lambda: daemon.ctl('gc', '--lazy', row['UUID']).status == 0 or row['UUID'] not in [one['UUID'] for one in daemon.pods()], f'{what}: collected', 20)
    return hung


def try_all(daemon):
    chance = random.Random(SEED)
    names = list(OPERATIONS)
    chance.shuffle(names)
    before, loops = host.mount_table(), images.loops()
    hangs = 0
    for name in names:
        answered = 0 if HANGS == 0 else chance.randrange(3)
        while try_one(daemon, name, answered):
            hangs += 1
            equal(host.mount_table(), before, f'{name}, {answered} requests answered: the mount table')
            equal(images.loops(), loops, f'{name}, {answered} requests answered: loop devices')
            answered += 1
            if HANGS > 0:
                break
        if 0 < HANGS <= hangs:
            break
    diagnose(f'seed {SEED}: {hangs} times it stopped answering, nothing was lost')
    equal(hangs >= max(HANGS // 2, 1), True, f'{hangs} hangs')


@case('whatever the operation asks of a file system that stops answering: it is answered in time, others go on, and nothing is left')
def everywhere(daemon):
    try_all(daemon)
    equal(daemon.state(daemon.other), 'ready', 'the other pod')


def binds(daemon, connection):
    times = []
    for _ in range(BINDS):
        begin = time.monotonic()
        daemon.call(MANAGER, 'Bind', 'sssa{sh}a{sv}', daemon.other, '/usr', '/mnt', dbus.Dictionary({}, 'sh'), NOTHING, connection=connection)
        times.append(time.monotonic() - begin)
        daemon.call(MANAGER, 'Unmount', 'ssa{sv}', daemon.other, '/mnt', NOTHING, connection=connection)
    return times


def p99s(daemon, pod, connection):
    """In turns, as others use this machine, too."""
    calm, wild = [], []
    for _ in range(TURNS):
        calm += binds(daemon, connection)
        with Silent(daemon.where) as server:
            server.from_now(0)
            waiting = subprocess.Popen([f'{host.DIRECTORY}/bin/podmountctl', '--socket', daemon.socket, 'bind', pod, f'{daemon.where}/file', '/mnt/file'],
                    stderr=subprocess.DEVNULL)
            eventually(lambda: server.asked > 0, 'it hangs')
            wild += binds(daemon, connection)
            equal(waiting.poll(), None, 'it hangs still')
        waiting.wait()
    return percentile(calm, 0.99), percentile(wild, 0.99)


@case(f'the p99 of another pod\'s Bind while one hangs is within {TIMES} times the undisturbed')
def beside(daemon):
    daemon.write_config('[Daemon]\nJobTimeoutSec=600\nExecutors=2\n')
    daemon.restart()
    pod, connection, seen = daemon.create(specs.oci()), daemon.connection(), []
    while len(seen) < 3 and not (seen and seen[-1][1] <= TIMES * seen[-1][0]):
        seen.append(p99s(daemon, pod, connection))
        calm, wild = seen[-1]
        diagnose(f'p99 of {TURNS * BINDS} in us: undisturbed {calm * 1e6:.0f}, while one hangs {wild * 1e6:.0f}: {wild / calm:.2f} times')
    equal(min(wild / calm for calm, wild in seen) <= TIMES, True, f'{seen}')


@case('as many pods hang as there are executors, and more: another pod waits for one more executor, and for nobody\'s deadline')
def many(daemon):
    daemon.write_config('[Daemon]\nJobTimeoutSec=600\nExecutors=2\n')
    daemon.restart()
    pods, before = [daemon.create(specs.oci()) for _ in range(4)], host.mount_table()
    with Silent(daemon.where) as server:
        server.from_now(0)
        waiting = [subprocess.Popen([f'{host.DIRECTORY}/bin/podmountctl', '--socket', daemon.socket, 'bind', pod, f'{daemon.where}/file', '/mnt/file'],
                stderr=subprocess.DEVNULL) for pod in pods]
        eventually(lambda: len(daemon.json('status')['Hangs']) == len(pods), 'all of them hang', 30)
        begin = time.monotonic()
        daemon.ok('bind', daemon.other, '/usr', '/mnt')
        first = time.monotonic() - begin
        daemon.ok('unmount', daemon.other, '/mnt')
        diagnose(f'with {len(pods)} that hang, {len(daemon.executors())} executors, and a bind of another pod in {first:.2f} s')
        equal(first < 3 * tap.PATIENCE, True, f'{first:.2f} s')
        contains(daemon.log(), 'executors are held up while others wait', 'the log')
        equal([process.poll() for process in waiting], [None] * len(pods), 'they hang still')
    for process in waiting:
        process.wait()
    eventually(lambda: daemon.json('status')['Hangs'] == [], 'nothing hangs')
    for pod in pods:
        daemon.ok('unmount', pod, '/mnt/file') if 'main:/mnt/file' in daemon.mounts(pod) else None
    equal(host.mount_table(), before, 'the mount table')


if __name__ == '__main__':
    host.prepare()
    tap.run(Situation)
