#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""File systems that never answer, served by a real FUSE server: who waits for them, what is told of it, and what is left."""

import json
import os
import subprocess
import time

import dbus

from frame import host, openmetrics, specs, tap
from frame.bus import Bus
from frame.daemon import MANAGER
from frame.fuse import LOOKUP, Hanging
from frame.host import ALICE, BOB, UserError, as_user
from frame.situation import WithPolkit
from frame.tap import case, contains, diagnose, equal, eventually

bus = None
DEADLINE = int(6 * tap.PATIENCE)
CONFIG = f'[Daemon]\nJobTimeoutSec={DEADLINE}\nExecutors=2\n'
FIELDS = ['Container', 'Deadline', 'Operation', 'Pod', 'Since', 'Step', 'Target']


class Never(Hanging):
    """Does not answer when a file is looked for."""

    def answer(self, code, node, body):
        return None if code == LOOKUP else super().answer(code, node, body)


class Situation(WithPolkit):
    def __init__(self):
        super().__init__(bus, 'yes', CONFIG)
        self.where = f'{self.daemon.directory}/fuse'
        os.mkdir(self.where)
        spec = json.dumps(specs.oci(self.root))
        self.pod = as_user(ALICE, lambda: str(bus.call(MANAGER, 'CreatePod', 'sa{sh}a{sv}', spec, dbus.Dictionary({}, 'sh'), dbus.Dictionary({}, 'sv'))[0]))

    def hangs(self, user=0):
        return self.daemon.json('status', user=user)['Hangs']

    def bind(self, source):
        """Alice's podmountctl, which waits for its answer."""
        return subprocess.Popen(['setpriv', f'--reuid={ALICE}', f'--regid={ALICE}', '--clear-groups', f'{host.DIRECTORY}/bin/podmountctl', 'bind', self.pod,
                                 source, '/mnt'], env=self.daemon.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def metric(s, name, suffix=''):
    return openmetrics.value(openmetrics.parse(s.daemon.json('metrics')['Metrics']), f'podmount_{name}', suffix)


@case('status lists the job that hangs: pod, operation, step, since when and until when; it is answered at its deadline, and the list is empty')
def listed(s):
    other = s.daemon.create(specs.oci())
    before = host.mount_table()
    executors = s.daemon.executors()
    equal((s.hangs(), metric(s, 'jobs_hanging')), ([], 0), 'before')
    with Never(s.where):
        begin = time.time()
        waiting = s.bind(f'{s.where}/never')
        eventually(s.hangs, 'it is listed', DEADLINE)
        found = s.hangs()
        equal([sorted(row) for row in found], [FIELDS], f'fields of {found}')
        row = found[0]
        equal([row[key] for key in ('Pod', 'Operation', 'Step', 'Container', 'Target')], [s.pod, 'mount', 'bind', 'main', '/mnt'], 'what hangs')
        equal(begin - 0.1 <= row['Since'] / 1e6 <= begin + 2 * tap.PATIENCE, True, f'since {row["Since"] / 1e6 - begin:.2f} s after the call')
        equal(round((row['Deadline'] - row['Since']) / 1e6), DEADLINE, 'the deadline')
        equal(metric(s, 'jobs_hanging'), 1, 'metrics')
        equal([hang['Pod'] for hang in s.hangs(ALICE)], [s.pod], 'what its owner sees')
        equal(s.hangs(BOB), [], 'what a stranger sees')
        table = s.daemon.ok('status')
        contains(table, 'Jobs that hang:', 'the table')
        contains(table[table.index('Jobs that hang:'):], s.pod, 'the table')
        fast = time.monotonic()
        s.daemon.ok('bind', other, '/etc', '/mnt')
        s.daemon.ok('unmount', other, '/mnt')
        diagnose(f'a bind and an unmount of another pod meanwhile: {time.monotonic() - fast:.2f} s')
        equal(time.monotonic() - fast < DEADLINE / 2, True, 'another pod is served')
        equal(len(s.hangs()), 1, 'it still hangs')
        _, err = waiting.communicate(timeout=60 * tap.PATIENCE)
        diagnose(err.strip())
        took = time.time() - begin
        equal(DEADLINE - 1 < took < DEADLINE + 10 * tap.PATIENCE, True, f'answered after {took:.1f} s')
        contains(err, '/mnt', 'the answer')
        contains(err, 'step bind at /mnt: ', 'the step in the answer')
        contains(err, 'took too long', 'the reason')
        eventually(lambda: s.hangs() == [], 'the list is empty')
        equal((metric(s, 'jobs_hanging'), metric(s, 'executors_hung', '_total')), (0, 1), 'metrics')
        eventually(lambda: len(s.daemon.executors()) == len(executors) and s.daemon.executors() != executors, 'another executor')
    s.daemon.ok('bind', s.pod, '/etc', '/mnt', '-o', 'rbind,ro')
    s.daemon.ok('unmount', s.pod, '/mnt')
    s.daemon.ok('gc', other)
    after = [line for line in host.mount_table() if other not in line]
    equal(after, [line for line in before if other not in line], 'the mount table')


@case('a job that ends in time is never listed, and what waits for a turn behind one that hangs is not said to hang')
def waits(s):
    with Never(s.where):
        first = s.bind(f'{s.where}/never')
        eventually(s.hangs, 'it hangs', DEADLINE)
        second = s.bind('/etc')
        seen = []
        while second.poll() is None:
            seen.append(len(s.hangs()))
        equal(max(seen), 1, 'listed at one time')
        _, err = first.communicate(timeout=60 * tap.PATIENCE)
        equal(first.returncode != 0, True, f'the one that hung fails: {err}')
        contains(err, 'took too long', 'the reason')
        _, err = second.communicate(timeout=60 * tap.PATIENCE)
        equal(second.returncode, 0, f'its turn comes: {err}')
        eventually(lambda: s.hangs() == [], 'nothing hangs afterwards')


@case('who calls is answered with MountFailed, the step and the reason, also where the file system hangs at the end of a path')
def error(s):
    with Never(s.where):
        for source in (f'{s.where}/never', f'{s.where}/never/further'):
            try:
                as_user(ALICE, lambda: int(bus.call(MANAGER, 'Bind', 'sssa{sh}a{sv}', s.pod, source, '/mnt', dbus.Dictionary({}, 'sh'),
                                                    dbus.Dictionary({}, 'sv'), timeout=60)))
            except UserError as refusal:
                equal(refusal.name, 'org.podmount1.Error.MountFailed', refusal.text)
                contains(refusal.text, 'step bind at /mnt: the operation took too long', 'the answer')
                continue
            raise AssertionError(f'{source} was bound')
        equal(s.daemon.state(s.pod), 'ready', 'the pod')


if __name__ == '__main__':
    host.prepare()
    bus = Bus()
    tap.run(Situation)
