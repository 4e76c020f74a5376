#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""machined, which is told before a pod is collected if it knows the pod, and what its silence comes to."""

import json
import os
import signal
import subprocess
import time

from frame import host, specs, tap
from frame.bus import Bus
from frame.daemon import Daemon
from frame.machined import Machined
from frame.tap import case, contains, equal, eventually

bus = None


class Situation:
    def __init__(self):
        self.machined, self.daemon = Machined(bus), Daemon(bus, '[Collection]\nGcInPods=yes\nGcInRootPods=yes\n')

    def create(self, program=None):
        root = specs.rootfs()
        spec = {'podmount': 1, 'containers': [{'name': 'main', 'root': {'path': root}}]}
        if program:
            root = specs.rootfs('root-program')
            with open(f'{root}/gc', 'w') as file:
                file.write(f'#!/bin/sh\n{program}\n')
            os.chmod(f'{root}/gc', 0o755)
            spec = {'podmount': 1, 'gc': {'path': '/gc'}, 'containers': [{'name': 'main', 'root': {'path': root}, 'mounts': [
                    specs.bind(self.machined.directory, '/mnt')]}]}
        return self.daemon.create(spec)

    def root(self, pod):
        return f'{self.daemon.runtime}/pods/{pod}/main/rootfs'

    def collect(self, pod, *words):
        answer = self.daemon.json('gc', pod, *words)[0]
        equal(answer['Outcome'], 'removed', f'{answer}')
        return answer['Details'].get('Warnings', [])

    def asked(self, pod):
        return [method for method, name in self.machined.calls() if name in (pod, 'RootDirectory')]

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.daemon.__exit__(*exception)
        self.machined.stop()

    def diagnose(self):
        return self.daemon.diagnose()


@case('a machine with the UUID of the pod and its root directory in there is unregistered, before the gc program runs')
def known(s):
    pod = s.create('echo \'["program", "RootDirectory"]\' >>/mnt/machined-calls')
    s.machined.set({pod: s.root(pod)})
    equal(s.collect(pod), [], 'warnings')
    equal(s.asked(pod), ['GetMachine', 'Get', 'UnregisterMachine', 'program'], 'order')
    pod = s.create()
    s.machined.set({pod: f'{s.daemon.runtime}/pods/{pod}'})
    s.daemon.ok('gc', '--dry-run', pod)
    equal(pod in str(s.machined.calls()), False, 'asked in a dry run')
    equal(s.collect(pod, '--lazy'), [], 'warnings of a lazy one')
    equal(s.asked(pod)[-3:], ['GetMachine', 'Get', 'UnregisterMachine'], 'lazily')


@case('of what machined does not know nothing is said, and a machine of that name elsewhere is another one')
def unknown(s):
    pod = s.create()
    equal(s.collect(pod), [], 'warnings')
    equal(s.asked(pod), ['GetMachine'], 'calls')
    for root in ['/', '', s.root(pod).replace('/pods/', '/pods-'), f'{s.daemon.runtime}/pods']:
        pod = s.create()
        s.machined.set({pod: root})
        equal(s.collect(pod), [], f'warnings, {root}')
        equal('UnregisterMachine' in s.asked(pod), False, f'{root}')
    pod = s.create()
    s.machined.set({pod: f'{s.root(pod)}-2/../../../..'})
    s.collect(pod)
    equal(['UnregisterMachine', pod] in s.machined.calls(), False, 'a path with ..')


@case('a refusal is a warning in the answer, the journal and the history, once for a request that waits')
def refused(s):
    pod = s.create()
    s.machined.set({pod: s.root(pod)}, 'no')
    with subprocess.Popen(['sleep', '1000'], cwd=s.root(pod)) as holder, subprocess.Popen(
            [f'{host.DIRECTORY}/bin/podmountctl', '--socket', s.daemon.socket, '--json=short', 'gc', '--wait', pod], stdout=subprocess.PIPE,
            text=True) as gc:
        time.sleep(1.5)
        holder.kill()
        answer = json.loads(gc.communicate(timeout=30)[0])[0]
    equal(answer['Details'].get('Warnings'), ["the pod's registry was not told: machined does not unregister it: Access denied"], f'{answer}')
    equal(s.asked(pod).count('UnregisterMachine'), 1, 'once')
    contains(s.daemon.log(), f'The registry was not told that pod {pod} goes')
    contains(s.daemon.ok('history', pod), 'registry-not-told')


@case('a machined that never answers costs 5 s of that collection alone, one that is not there nothing, and the bus may go meanwhile')
def silent(s):
    pod = s.create()
    s.machined.set({pod: s.root(pod)}, 'hang')
    began = time.monotonic()
    with subprocess.Popen([f'{host.DIRECTORY}/bin/podmountctl', '--socket', s.daemon.socket, '--json=short', 'gc', pod], stdout=subprocess.PIPE,
            text=True) as gc:
        eventually(lambda: ['UnregisterMachine', pod] in s.machined.calls(), 'it is asked')
        other = s.create()
        equal(s.collect(other), [], 'another pod')
        equal(gc.poll(), None, 'the first one')
        contains(json.loads(gc.communicate(timeout=60)[0])[0]['Details']['Warnings'][0], 'machined does not unregister it')
    equal(time.monotonic() - began >= 4.9, True, 'it took its time')
    pod = s.create()
    s.machined.stop()
    equal(s.collect(pod), [], 'without machined')


@case('a program in its place is told as root, without capabilities, before the gc program runs; it is not asked about then')
def program(s):
    path = f'{s.daemon.directory}/registry'
    with open(path, 'w') as file:
        file.write('#!/bin/sh\ncat /proc/self/status >$(dirname $0)/status\necho "[\\"registry\\", \\"RootDirectory\\"]" >>'
                f'{s.machined.calls_path()}\necho "$* $(pwd)" >$(dirname $0)/args\necho told >&2\nexit 4\n')
    os.chmod(path, 0o755)
    s.daemon.write_config(f'[Collection]\nGcInPods=yes\nGcInRootPods=yes\nRegistryProgram={path}\n')
    s.daemon.restart()
    pod = s.create('echo \'["program", "RootDirectory"]\' >>/mnt/machined-calls')
    equal(s.collect(pod), [f'the registry program {path} failed: it ended with status 4'], 'warnings')
    equal(s.asked(pod), ['registry', 'program'], 'order')
    with open(f'{s.daemon.directory}/args') as file:
        equal(file.read(), f'--debug {pod} {s.daemon.runtime}/pods/{pod}\n', 'arguments')
    with open(f'{s.daemon.directory}/status') as file:
        text = file.read()
        contains(text, 'Uid:\t0\t0\t0\t0')
        contains(text, 'CapEff:\t0000000000000000')
    contains(s.daemon.log(), f'The registry program of pod {pod}: told')
    equal([point for point in host.mounts_below(f'{s.daemon.runtime}/pods') if pod in point], [], 'mounts')


@case('a restart while machined is waited for finishes the collection', alone=True)
def restart():
    for number in (signal.SIGKILL, signal.SIGTERM):
        restarted(number)


def restarted(number):
    with Situation() as s:
        pod = s.create()
        s.machined.set({pod: s.root(pod)}, 'hang')
        with subprocess.Popen([f'{host.DIRECTORY}/bin/podmountctl', '--socket', s.daemon.socket, 'gc', pod], stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL) as gc:
            eventually(lambda: ['UnregisterMachine', pod] in s.machined.calls(), 'it is asked')
            s.daemon.process.send_signal(number)
            gc.wait(30)
            s.daemon.wait()
            s.machined.set({pod: s.root(pod)})
            s.daemon.start()
        eventually(lambda: s.daemon.pods() == [], 'it is collected')


if __name__ == '__main__':
    host.prepare()
    bus = Bus()
    tap.run(Situation)
