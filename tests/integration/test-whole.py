#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Strict collection is all or told: a busy pod stays whole, contents included, and the answer names its holders; otherwise all of it is gone.

PODMOUNT_KILLS is how many (30 unless told).
"""

import contextlib
import json
import os
import random
import re
import subprocess

from frame import host, images, specs, tap
from frame.daemon import Stage
from frame.kills import KILLS, SEED, check_log, kill_during
from frame.tap import Skip, case, contains, equal, eventually

TMPFS = ['/mnt', '/mnt/deep', '/tmp', '/private']


def spec():
    lower, upper = specs.tree('whole-lower', {'of-lower': 'lower\n'}), specs.tree('whole-upper', {'u/': '', 'w/': ''})
    return specs.podmount({'main': (specs.rootfs(), False, [
        specs.mount('/mnt', options=['nosuid']), specs.mount('/mnt/deep', options=['noexec', 'size=64k']),
        specs.bind('/etc', '/mnt/deep/nested', 'rbind', 'ro'), specs.bind('/usr', '/data', 'bind', 'ro'), specs.mount('/tmp'),
        specs.mount('/private', options=['private']), specs.mount('/unbindable', options=['unbindable']),
        specs.mount('/over', 'overlay', options=[f'lowerdir={lower}', f'upperdir={upper}/u', f'workdir={upper}/w']),
        specs.mount('/over/deep')])})


def fill(rootfs):
    for place in TMPFS + ['/over', '/over/deep']:
        with open(f'{rootfs}{place}/kept', 'w') as file:
            file.write(f'of before, at {place}\n')


def check_contents(rootfs):
    for place in TMPFS + ['/over', '/over/deep']:
        equal(open(f'{rootfs}{place}/kept').read(), f'of before, at {place}\n', f'what is in {place}')
    equal(open(f'{rootfs}/over/of-lower').read(), 'lower\n', 'what is below')
    equal(os.path.exists(f'{rootfs}/mnt/deep/nested/passwd'), True, 'the nested bind')


def shape(daemon, pod):
    """The pod's mounts without what a new mount gets anew: its ids and those of its peer group."""
    lines = [line.split(' ', 2)[2] for line in host.mount_table() if f'/pods/{pod}' in line]
    return sorted(re.sub(r' shared:\d+', ' shared', line) for line in lines)


def ids(daemon, pod):
    return {key: mount['ID'] for key, mount in daemon.mounts(pod).items()}


def check_whole(daemon, pod, as_it_was):
    equal(shape(daemon, pod), as_it_was, 'mounts')
    check_contents(daemon.rootfs(pod))
    eventually(lambda: daemon.state(pod) == 'ready', 'no drift')
    equal({mount['State'] for mount in daemon.mounts(pod).values()}, {'ok'}, 'states')


def busy(daemon, pod):
    answer = daemon.ctl('--json=short', 'gc', pod)
    found = json.loads(answer.out)[0]
    equal(found['Outcome'], 'busy', f'outcome: {answer}')
    return str(found)


@contextlib.contextmanager
def holder(**more):
    with subprocess.Popen(['sleep', '1000'], **more) as process:
        try:
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def make(daemon):
    before = host.mount_table()
    pod = daemon.create(spec())
    fill(daemon.rootfs(pod))
    yield pod, shape(daemon, pod)
    equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'collection when nobody holds it any more')
    equal(host.mount_table(), before, 'the mount table')
    equal(os.listdir(f'{daemon.runtime}/pods'), [], 'directories')


@case('busy in the deepest, in the middle, at the root: all is there afterwards, with what was in it, and the holder is named')
def whole(daemon):
    with make(daemon) as (pod, as_it_was):
        rootfs = daemon.rootfs(pod)
        for place in ['/mnt/deep/nested', '/mnt/deep', '/mnt', '/data', '/over/deep', '/over', '/private', '/unbindable', '/']:
            with holder(cwd=f'{rootfs}{place}') as process:
                contains(busy(daemon, pod), f'{process.pid}')
                check_whole(daemon, pod, as_it_was)
        with open(f'{rootfs}/mnt/deep/kept'):
            contains(busy(daemon, pod), f'{os.getpid()}')
            check_whole(daemon, pod, as_it_was)
        daemon.restart()
        check_whole(daemon, pod, as_it_was)


@case('of many in one directory, which go together, one is busy')
def together(daemon):
    with make(daemon) as (pod, _):
        rootfs = daemon.rootfs(pod)
        daemon.ok('mount', pod, '-', input=json.dumps([specs.bind('/usr', f'/mnt/many/{i}', 'bind') for i in range(200)]))
        as_it_was = shape(daemon, pod)
        for place in ['/mnt/many/0', '/mnt/many/100', '/mnt/many/199', '/mnt']:
            with holder(cwd=rootfs + place) as process:
                contains(busy(daemon, pod), f'{process.pid}')
                check_whole(daemon, pod, as_it_was)


@case('what a crash between mounting again and cutting off left shared comes back as its record has it')
def cut_off(daemon):
    with make(daemon) as (pod, as_it_was):
        for place in ['/private', '/unbindable']:
            subprocess.run(['mount', '--make-shared', daemon.rootfs(pod) + place], check=True)
        daemon.ok('rescan')
        eventually(lambda: daemon.state(pod) == 'degraded', 'drift')
        with holder(cwd=daemon.rootfs(pod)):
            busy(daemon, pod)
            check_whole(daemon, pod, as_it_was)


@case('what was never taken off keeps its id, what was has another one, and ListMounts knows it')
def known(daemon):
    with make(daemon) as (pod, _):
        before = ids(daemon, pod)
        with holder(cwd=f'{daemon.rootfs(pod)}/mnt'):
            busy(daemon, pod)
        after = ids(daemon, pod)
        changed = {key for key in before if before[key] != after[key]}
        equal(set(after), set(before), 'mounts')
        equal({'main:/mnt', 'main:/'} & changed, set(), 'what stayed')
        equal('main:/over/deep' in changed, True, f'what changed: {changed}')


@case('whoever watches is told what went and what came in its place, and of no drift')
def watched(daemon):
    daemon.write_config('[Mounts]\nBusyRetries=0\n')
    daemon.restart()
    with make(daemon) as (pod, _):
        before = ids(daemon, pod)
        watch = subprocess.Popen([f'{host.DIRECTORY}/bin/podmountctl', '--socket', daemon.socket, '--json=short', 'watch'], stdout=subprocess.PIPE)
        records = [json.loads(watch.stdout.readline().lstrip(b'\x1e'))]
        with holder(cwd=f'{daemon.rootfs(pod)}/mnt'):
            busy(daemon, pod)
        after = ids(daemon, pod)
        last = daemon.create(specs.oci())
        daemon.ok('gc', last)
        while records[-1]['Signal'] != 'PodRemoved':
            records.append(json.loads(watch.stdout.readline().lstrip(b'\x1e')))
        watch.kill()
        watch.wait()
        told = {}
        for record in records:
            equal(record['Signal'] == 'DriftDetected', False, f'drift: {record}')
            if record['Signal'] in ('MountsRemoved', 'MountsAdded') and record['UUID'] == pod:
                told.setdefault(record['Signal'], {}).update({f"{one['Container']}:{one['Target']}": one['ID'] for one in record['Mounts']})
        changed = {key for key in before if before[key] != after[key]}
        equal(told.get('MountsRemoved'), {key: before[key] for key in changed}, 'what went')
        equal(told.get('MountsAdded'), {key: after[key] for key in changed}, 'what came')


@case('a loop device is there while the pod is busy, and free when the answer comes that it is gone')
def freed(daemon):
    daemon.write_config(images.CONFIG)
    daemon.restart()
    image, before = images.image('ext4'), images.loops()
    pod = daemon.create(specs.oci(mounts=[specs.mount('/mnt'), specs.mount('/data', 'ext4', image, ['ro'])]))
    equal(len(images.loops()), len(before) + 1, 'loop devices')
    with holder(cwd=f'{daemon.rootfs(pod)}/mnt'):
        busy(daemon, pod)
        equal(open(f'{daemon.rootfs(pod)}/data/hello').read(), 'from the image\n', 'what is in it')
    equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'outcome')
    equal(images.loops(), before, 'loop devices')


@case('what cannot come back is told: somebody takes its place away while it is gone')
def told(daemon):
    """A container's owner renames the directory that a mount point lies in, over and over."""
    with make(daemon) as (pod, _):
        rootfs = daemon.rootfs(pod)
        os.makedirs(f'{rootfs}/mnt/a')
        daemon.ok('bind', pod, '/usr', '/mnt/a/b')
        script = f'cd {rootfs}; while :; do mv mnt/a mnt/c 2>/dev/null; mv mnt/c mnt/a 2>/dev/null; done'
        with holder(cwd=f'{rootfs}/data'), subprocess.Popen(['busybox', 'sh', '-c', script]) as noise:
            try:
                for _ in range(3):
                    daemon.ctl('gc', pod)
            finally:
                noise.kill()
                noise.wait()
        eventually(lambda: daemon.state(pod) in ('ready', 'degraded'), 'the collection has ended')
        check_contents(rootfs)
        # In whichever place it is, or told as missing.
        states = {key: mount['State'] for key, mount in daemon.mounts(pod).items()}
        equal({key for key, state in states.items() if state != 'ok'} - {'main:/mnt/a/b'}, set(), f'states: {states}')


@case(f'{KILLS} kills of keeper, front and executors while a collection finds the pod busy: it stays, no mount is left that nobody knows')
def kills(daemon):
    chance = random.Random(SEED)
    tap.diagnose(f'seed {SEED}')
    daemon.write_config('[Mounts]\nBusyRetries=40\nBusyIntervalMSec=1\n')
    daemon.restart()
    if 'unique-id' not in daemon.json('status')['Features']:
        raise Skip('without unique ids a mount that was mounted again may have the id of another one on record (NEWS)')
    whole_ones = 0
    for number in range(KILLS):
        with make(daemon) as (pod, _):
            rootfs, what = daemon.rootfs(pod), f'seed {SEED}, kill {number}'
            daemon.ok('mount', pod, '-', input=json.dumps([specs.bind('/usr', f'/mnt/{i}', 'bind') for i in range(chance.choice([30, 120]))]))  # the more go together
            as_it_was = shape(daemon, pod)
            with holder(cwd=rootfs + chance.choice(['/mnt/deep', '/mnt', '/data', '/'])):
                # It is tried over and over, so that a kill mostly comes between two mounts that go, or come back.
                kill_during(daemon, chance, number, 'gc', pod, within=0.3)
                eventually(lambda: [one['State'] for one in daemon.pods()] in (['ready'], ['degraded']), f'{what}: recovery ends', 30)
                states = {mount['State'] for mount in daemon.mounts(pod).values()}
                equal(states - {'ok', 'missing'}, set(), f'{what}: states')
                now = shape(daemon, pod)
                equal(set(now) - set(as_it_was), set(), f'{what}: mounts that were not there')
                equal(len(now), len(set(now)), f'{what}: mounts that are there twice')
                if daemon.state(pod) == 'ready':
                    equal(now, as_it_was, f'{what}: mounts')
                    whole_ones += 1
                else:  # the clones died with the executor: what was gone then is missing, and can be made anew
                    daemon.ok('repair', pod)
                    eventually(lambda: daemon.state(pod) == 'ready', f'{what}: repaired')
    tap.diagnose(f'{whole_ones} of {KILLS} pods stayed whole')
    check_log(daemon)


if __name__ == '__main__':
    host.prepare()
    tap.run(Stage)
