#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What keeping the mount table costs: the counters that tell, the sweep that is configured, and nothing at rest."""

import os
import signal
import subprocess
import time

from frame import host, specs, storm, tap
from frame.daemon import Daemon, MANAGER
from frame.tap import case, contains, equal, eventually

COSTS = ['TableEvents', 'TableDeltas', 'TableFullReads', 'TableOverflows', 'TableLagLastUSec', 'TableLagWorstUSec',
         'TableEntries', 'TableBytes']


def costs(daemon):
    everything = daemon.call('org.freedesktop.DBus.Properties', 'GetAll', 's', MANAGER)
    return {name: int(everything[name]) for name in COSTS}


def tracking(daemon):
    return str(daemon.call('org.freedesktop.DBus.Properties', 'Get', 'ss', MANAGER, 'Tracking'))


def kernel_entries():
    return host.mount_count()


def make_private(point):
    """A change that neither a notification nor the poll on mountinfo tells of."""
    subprocess.run(['mount', '--make-private', point], check=True)


@case('properties and `status` tell events, deltas, full reads, overflows, lag, entries and bytes')
def told(daemon):
    elsewhere = specs.tree('told', {})
    eventually(lambda: costs(daemon)['TableEntries'] == kernel_entries(), 'as many entries as the kernel has')
    before = costs(daemon)
    equal(before['TableOverflows'], 0, 'overflows')
    equal(before['TableFullReads'] >= 1, True, 'the first reading')
    for _ in range(50):
        subprocess.run(['mount', '-t', 'tmpfs', 'a-source-of-some-length', elsewhere], check=True)
    eventually(lambda: costs(daemon)['TableEntries'] == kernel_entries(), 'as many entries as the kernel has')
    after = costs(daemon)
    equal(after['TableEntries'] - before['TableEntries'], 50, 'entries')
    each = (after['TableBytes'] - before['TableBytes']) / 50
    equal(100 < each < 2000, True, f'{each} bytes a mount')
    how = tracking(daemon)
    if how == 'fanotify':
        equal(after['TableEvents'] - before['TableEvents'], 50, 'events')
        equal(after['TableFullReads'], before['TableFullReads'], 'full reads')
    equal(after['TableDeltas'] > before['TableDeltas'], how == 'listmount', f'deltas with {how}')
    equal(after['TableFullReads'] > before['TableFullReads'], how != 'fanotify', f'full reads with {how}')
    # 2 ms are waited for what belongs together, 70 ms at most between two rounds
    equal(1000 < after['TableLagLastUSec'] <= after['TableLagWorstUSec'] < 10_000_000, True, f'lag {after}')
    for _ in range(50):
        subprocess.run(['umount', elsewhere], check=True)
    eventually(lambda: costs(daemon)['TableEntries'] == before['TableEntries'], 'entries are forgotten')
    equal(costs(daemon)['TableBytes'] < after['TableBytes'], True, 'and so are their bytes')

    shown = daemon.json('status')
    equal([name for name in COSTS if not isinstance(shown.get(name), int)], [], 'missing in --json')
    text = daemon.ok('status')
    for words in ['Table events', 'Table deltas', 'Table full reads', 'Table overflows', 'Table lag, last',
                  'Table lag, worst', 'Table entries', 'Table bytes']:
        contains(text, words, 'status')


def mount_tmpfs(point):
    """Without a process of its own, which takes longer than what is to be seen."""
    if storm.libc.mount(b'x', point.encode(), b'tmpfs', 0, None) < 0:
        raise OSError(f'mount a tmpfs on {point}')


@case('the lag is what the table was behind: a front that is stopped with a change in sight tells how long')
def lag(daemon):
    elsewhere, front = specs.tree('lag', {}), daemon.front()
    for _ in range(20):
        for _ in range(3):  # the round of the second waits for the end of the pause after the first's
            (storm.unmount if os.path.ismount(elsewhere) else mount_tmpfs)(elsewhere)
        os.kill(front, signal.SIGSTOP)
        time.sleep(0.3)
        os.kill(front, signal.SIGCONT)
        time.sleep(0.1)
        seen = costs(daemon)
        if seen['TableLagLastUSec'] >= 290_000:
            break
    if os.path.ismount(elsewhere):
        storm.unmount(elsewhere)
    # Seen apart: one that comes in the place of another, with its id, is no change where a reading is all that there is.
    eventually(lambda: costs(daemon)['TableEntries'] == kernel_entries(), 'no mount')
    equal(290_000 <= seen['TableLagLastUSec'] <= seen['TableLagWorstUSec'] < 10_000_000, True, f'lag {seen}')
    subprocess.run(['mount', '-t', 'tmpfs', 'x', elsewhere], check=True)
    eventually(lambda: costs(daemon)['TableEntries'] == kernel_entries(), 'the mount')
    eventually(lambda: costs(daemon)['TableLagLastUSec'] < 290_000, 'the next lag is small again')
    equal(costs(daemon)['TableLagWorstUSec'] >= 290_000, True, 'the worst one stays')
    subprocess.run(['umount', elsewhere], check=True)


@case('SweepSec= finds what nobody tells of, in time, and makes it drift', alone=True)
def sweep():
    with Daemon(config='[Daemon]\nSweepSec=1\n') as daemon:
        pod = daemon.create(specs.oci(mounts=[specs.mount('/tmp')]))
        time.sleep(0.3)  # whatever the creation has put off is done
        point = f'{daemon.rootfs(pod)}/tmp'
        begin = time.monotonic()
        make_private(point)
        eventually(lambda: daemon.state(pod) == 'degraded', 'the propagation is seen', 3, 0.01)
        equal(time.monotonic() - begin < 1.7, True, f'after {time.monotonic() - begin:.2f} s')
        equal(daemon.mounts(pod)['main:/tmp']['State'], 'changed', 'state of the mount')
        # turned off, and on again, by a reload
        daemon.write_config('')
        daemon.process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        other = daemon.create(specs.oci(mounts=[specs.mount('/tmp')]))
        time.sleep(0.3)
        make_private(f'{daemon.rootfs(other)}/tmp')
        time.sleep(1.7)
        equal(states(daemon)[other], 'ready', 'off: nobody looks')
        daemon.write_config('[Daemon]\nSweepSec=200ms\n')
        daemon.process.send_signal(signal.SIGHUP)
        eventually(lambda: states(daemon)[other] == 'degraded', 'on again', 2)
        daemon.ok('gc', pod, other)


def states(daemon):
    """By ListPods, which looks at no mount."""
    return {str(uuid): str(state) for uuid, _, _, state, _ in daemon.manager('ListPods', 'a{sv}', {})}


def wakeups(pids):
    return {pid: int(host.status_of(pid)['voluntary_ctxt_switches']) for pid in pids}


def idle_for(daemon, seconds):
    """How often each process woke up; the least of some tries, for others may mount something here meanwhile."""
    pids = {'keeper': daemon.keeper(), 'front': daemon.front()}
    pids.update({f'executor {i}': pid for i, pid in enumerate(daemon.executors())})
    seen = []
    for _ in range(3):
        time.sleep(0.5)
        before = wakeups(pids.values())
        time.sleep(seconds)
        after = wakeups(pids.values())
        seen.append({name: after[pid] - before[pid] for name, pid in pids.items()})
        if not any(seen[-1].values()):
            break
    return min(seen, key=lambda counts: sum(counts.values()))


@case('at rest, with a pod, nobody wakes up; with a sweep the front alone does')
def idle(daemon):
    pod = daemon.create(specs.oci(mounts=[specs.mount('/tmp')]))
    time.sleep(6)  # the longest that anything is put off
    seen = idle_for(daemon, 5)
    equal(len(seen) >= 4, True, f'processes {seen}')
    equal([f'{name}: {n}' for name, n in seen.items() if n > 0], [], 'wake-ups in 5 s')
    daemon.write_config('[Daemon]\nSweepSec=1\n')
    daemon.process.send_signal(signal.SIGHUP)
    time.sleep(1)
    seen = idle_for(daemon, 2.5)
    equal([name for name, n in seen.items() if n > 0], ['front'], f'who wakes up with a sweep: {seen}')
    equal(2 <= seen['front'] <= 6, True, f'wake-ups of the front: {seen}')
    daemon.ok('gc', pod)


if __name__ == '__main__':
    host.prepare()
    tap.run(Daemon)
