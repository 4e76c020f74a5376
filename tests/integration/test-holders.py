#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holders: who keeps a pod's mounts alive, each way to do so alone, told to root, owner and stranger, and in busy answers."""

import glob
import json
import os
import shutil
import signal
import subprocess
import threading
import time

from frame import host, specs, tap
from frame.bus import Bus
from frame.daemon import ERROR, Daemon
from frame.host import ALICE, BOB
from frame.situation import WithPolkit
from frame.tap import Skip, case, contains, equal, eventually

BUSYBOX = shutil.which('busybox')


class Holder:
    """A process that holds what its Python code takes, from when it says so until the end."""

    def __init__(self, code, user=0, before=()):
        program = f'import ctypes, mmap, os, sys, threading, time\n{code}\nprint("here", flush=True)\ntime.sleep(1000)\n'
        self.process = subprocess.Popen([*before, 'python3', '-c', program], stdout=subprocess.PIPE, text=True,
            preexec_fn=lambda: host.drop_to(user) if user else None)
        self.pid = self.process.pid
        equal(self.process.stdout.readline(), 'here\n', 'the holder')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def make_pod(daemon, name, owner=0, **more):
    root, source = specs.tree(name, {'data/': '', 'etc/file': 'x', 'tmp/': ''}, owner), specs.tree(f'{name}-source', {'file': 'inside', 'sub/x': ''}, owner)
    shutil.copy(BUSYBOX, f'{source}/busybox')
    pod = daemon.create(specs.oci(root, mounts=[specs.bind(source, '/data'), specs.mount('/tmp', 'tmpfs')]), **more)
    return pod, daemon.rootfs(pod)


def rows(daemon, pod, *target, **more):
    return daemon.json('holders', pod, *target, **more)


def of(found, pid):
    return sorted((row['Kind'], row['Detail']) for row in found if row['PID'] == pid)


@case('each way in which a process holds a mount is found alone, on the mount that it holds and on no other')
def kinds(daemon):
    pod, inside = make_pod(daemon, 'kinds')
    data = f'{inside}/data'
    for what, code, expected in [
            ('cwd', f'os.chdir({data!r} + "/sub")', [('cwd', f'{data}/sub')]),
            ('root', f'os.chroot({data!r})', [('root', data)]),
            ('fd', f'f = open({data!r} + "/file")', [('fd', f'{data}/file')]),
            ('O_PATH', f'f = os.open({data!r}, os.O_PATH)', [('fd', data)]),
            ('two fds of a file', f'f = open({data!r} + "/file"); g = os.dup(f.fileno())', [('fd', f'{data}/file')]),
            ('deleted', f'f = open({data!r} + "/gone", "w"); os.unlink({data!r} + "/gone")', [('fd', f'{data}/gone (deleted)')]),
            ('mapped', f'f = open({data!r} + "/file"); m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)\n'
             'for n in os.listdir("/proc/self/fd"):\n    int(n) > 2 and os.path.exists(f"/proc/self/fd/{n}") and os.close(int(n))', [('map', f'{data}/file')]),
            ('thread', f'''
def own():
    ctypes.CDLL(None).unshare(0x200)
    os.chdir({data!r})
    ready.set()
    time.sleep(1000)
ready = threading.Event()
threading.Thread(target=own, daemon=True).start()
ready.wait()''', [('cwd', data)]),
            ('thread with its own fds', f'''
def own():
    ctypes.CDLL(None).unshare(0x400)
    globals()["kept"] = os.open({data!r} + "/file", 0)
    ready.set()
    time.sleep(1000)
ready = threading.Event()
threading.Thread(target=own, daemon=True).start()
ready.wait()''', [('fd', f'{data}/file')])]:
        with Holder(code) as holder:
            equal(of(rows(daemon, pod, '/data'), holder.pid), expected, what)
            equal(of(rows(daemon, pod), holder.pid), expected, f'{what}, of the whole pod')
            equal(of(rows(daemon, pod, '/tmp'), holder.pid), [], f'{what}, of another mount')
        equal(of(rows(daemon, pod), holder.pid), [], f'{what}, after its end')
    process = subprocess.Popen([f'{data}/busybox', 'sleep', '1000'])
    equal(('exe', f'{data}/busybox') in of(rows(daemon, pod, '/data'), process.pid), True, 'exe')
    found = next(row for row in rows(daemon, pod) if row['PID'] == process.pid)
    equal((found['UID'], found['Command']), (0, 'busybox'), 'who')
    process.kill()
    process.wait()
    daemon.ok('gc', pod)


@case('a table for people, JSON, a pod without holders, and what is refused')
def client(daemon):
    pod, inside = make_pod(daemon, 'client')
    with Holder(f'os.chdir({inside!r} + "/data")') as holder:
        text = daemon.ok('holders', pod, '/data')
        contains(text, 'COMMAND', 'the heading')
        contains(text, str(holder.pid), 'the pid')
        equal(sorted(rows(daemon, pod, '/data')[0]), ['Command', 'Detail', 'Kind', 'PID', 'UID', 'Unit'], 'keys')
        equal(of(rows(daemon, pod, '--container', 'main'), holder.pid), [('cwd', f'{inside}/data')], 'of a container')
    for target, options, error in [('/none', {}, 'NoSuchMount'), ('/data', {'container': 'x'}, 'NoSuchContainer')]:
        equal(daemon.error_of('Holders', 'ssa{sv}', pod, target, options)[0], ERROR + error, target)
    equal(daemon.error_of('Holders', 'ssa{sv}', 'nobody', '', {})[0], ERROR + 'NoSuchPod', 'no pod')
    daemon.ok('gc', pod)


@case('busy answers name the holder: Unmount, RemoveContainer, Collect and gc, with all of them in the details')
def busy(daemon):
    pod, inside = make_pod(daemon, 'busy')
    with Holder(f'os.chdir({inside!r} + "/data")') as holder:
        name, text = daemon.error_of('Unmount', 'ssa{sv}', pod, '/data', {})
        equal(name, ERROR + 'Busy', 'Unmount')
        contains(text, f'pid {holder.pid}', 'Unmount names it')
        contains(daemon.error_of('Unmount', 'ssa{sv}', pod, '/data//', {})[1], f'pid {holder.pid}', 'by another spelling, too')
        equal(of(rows(daemon, pod, '/data/.'), holder.pid), [('cwd', f'{inside}/data')], 'Holders of another spelling')
        done = daemon.ctl('--json=short', 'gc', pod)
        equal(done.status, 1, 'gc')
        answer = json.loads(done.out)[0]
        equal(answer['Outcome'], 'busy', 'outcome')
        contains(answer['Details']['Message'], f'pid {holder.pid}', 'its message')
        equal(of(answer['Details']['Holders'], holder.pid), [('cwd', f'{inside}/data')], 'its holders')
        contains(daemon.ctl('gc', pod).out, f'pid {holder.pid}', 'for people')
    daemon.ok('gc', pod)


@case('a copy in another mount namespace is found, with a process that lives there, and what that does on its copy')
def copies(daemon):
    pod, inside = make_pod(daemon, 'copies')
    data = f'{inside}/data'
    with Holder(f'os.chdir({data!r})', before=['unshare', '-m', '--propagation', 'private']) as holder:
        found = of(rows(daemon, pod, '/data'), holder.pid)
        equal(found, [('cwd', data), ('namespace', data)], 'its cwd on the copy, and the namespace')
        # The mount is not busy: who has cut itself off has a copy of its own.
        daemon.ok('gc', pod)


@case('loop devices are found by the file that they are of')
def loop(daemon):
    if not os.path.exists('/dev/loop-control'):
        raise Skip('no loop devices here')
    pod, inside = make_pod(daemon, 'loop')
    with open(f'{inside}/tmp/image', 'wb') as file:
        file.truncate(1 << 20)
    device = subprocess.run(['losetup', '-f', '--show', f'{inside}/tmp/image'], capture_output=True, text=True)
    if device.returncode != 0:
        raise Skip(f'losetup: {device.stderr}')
    try:
        found = [(row['Kind'], row['PID']) for row in rows(daemon, pod, '/tmp') if row['Kind'] == 'loop']
        equal(found, [('loop', 0)], 'the loop device')
        equal([row for row in rows(daemon, pod, '/data') if row['Kind'] == 'loop'], [], 'not of another mount')
        os.unlink(f'{inside}/tmp/image')
        equal(len([row for row in rows(daemon, pod) if row['Kind'] == 'loop']), 1, 'a deleted file')
    finally:
        subprocess.run(['losetup', '-d', device.stdout.strip()], check=True)
    daemon.ok('gc', pod)


@case('overlays are found by their layers')
def overlay(daemon):
    pod, inside = make_pod(daemon, 'overlay')
    for name in ['upper', 'work', 'low,er:1', 'merged']:
        os.mkdir(f'{inside}/tmp/{name}')
    merged = specs.tree('merged', {})
    for words in [f'lowerdir={specs.tree("below", {})}:{inside}/data', f'lowerdir={specs.tree("below", {})},upperdir={inside}/tmp/upper,workdir={inside}/tmp/work']:
        subprocess.run(['mount', '-t', 'overlay', 'overlay', '-o', words, merged], check=True)
        try:
            found = [row['Detail'] for row in rows(daemon, pod) if row['Kind'] == 'overlay']
            equal(len(found), 1, f'{words}: {found}')
            contains(found[0], merged, 'where it is')
        finally:
            subprocess.run(['umount', merged], check=True)
    equal([row for row in rows(daemon, pod) if row['Kind'] == 'overlay'], [], 'none')
    daemon.ok('gc', pod)


@case('swap files are found')
def swap(daemon):
    pod, inside = make_pod(daemon, 'swap')
    source = specs.tree('swap-source', {'x': ''})
    path = f'{source}/swap'
    with open(path, 'wb') as file:
        file.write(b'\0' * (4 << 20))
    os.chmod(path, 0o600)
    for words in [['mkswap', path], ['swapon', path]]:
        if not shutil.which(words[0]) or subprocess.run(words, capture_output=True).returncode != 0:
            raise Skip(f'{words[0]} does not work here: a tmpfs holds no swap file, and no other file system may be at hand')
    try:
        daemon.ok('bind', pod, source, '/data', '-o', 'bind')
        equal([row['Kind'] for row in rows(daemon, pod) if row['Kind'] == 'swap'], ['swap'], 'swap')
    finally:
        subprocess.run(['swapoff', path], check=True)


@case('an owner learns all of its own processes and little of others, a stranger nothing', alone=True)
def rights():
    with Bus() as bus, WithPolkit(bus, 'yes') as situation:
        daemon = situation.daemon
        pod, inside = make_pod(daemon, 'rights', ALICE, user=ALICE, over_bus=True)
        with Holder(f'os.chdir({inside!r} + "/data")') as roots:
            seen = rows(daemon, pod, user=ALICE, over_bus=True)
            equal([(row['PID'], row['UID'], row['Command'], row['Unit'], row['Kind'], row['Detail']) for row in seen if row['PID'] == roots.pid],
                [(roots.pid, 0, '', '', 'cwd', '')], "root's process")
            contains(daemon.ctl('gc', pod, user=ALICE, over_bus=True).out,
                f'a process of uid 0 (pid {roots.pid}, cwd)', 'a busy answer')
        with Holder(f'f = os.open({specs.tree("rights-source", {}, ALICE)!r}, 0)', ALICE):
            equal(rows(daemon, pod, user=ALICE, over_bus=True), rows(daemon, pod, user=ALICE, over_bus=True), 'the source itself is no holder')
        daemon.refused('holders', pod, user=BOB, over_bus=True)
        daemon.ok('gc', pod, user=ALICE, over_bus=True)


@case('many fds of one process are told as a few and a count, and processes that end meanwhile disturb nobody')
def many(daemon):
    pod, inside = make_pod(daemon, 'many')
    code = f'''
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (11000, 11000))
files = [open({inside!r} + f"/tmp/{{i}}", "w") for i in range(10000)]'''
    with Holder(code) as holder:
        start = time.monotonic()
        found = of(rows(daemon, pod), holder.pid)
        took = time.monotonic() - start
        equal(len([row for row in found if row[0] == 'fd']), 8, 'fds')
        contains([row[1] for row in found if row[0] == 'more'][0], '9992 more', 'the rest')
        print(f'# 10,000 fds, {len(os.listdir("/proc")) - 60} processes: {took * 1000:.0f} ms with podmountctl')
        short = subprocess.Popen(['sh', '-c', f'cd {inside}/data; while :; do cat file >/dev/null; done'])
        for _ in range(10):
            equal(len([row for row in of(rows(daemon, pod), holder.pid) if row[0] == 'fd']), 8, 'among others that end')
        short.kill()
        short.wait()
    daemon.ok('gc', pod)


@case('a thousand processes with ten thousand fds on one mount are all told, in a time that is printed, and others do not wait for it')
def crowd(daemon):
    pod, inside = make_pod(daemon, 'crowd')
    code = f'''
for i in range(1000):
    if os.fork() == 0:
        ctypes.CDLL(None).prctl(1, 9)  # it ends with its parent
        files = [open({inside!r} + f"/tmp/{{i}}-{{j}}", "w") for j in range(10)]
        os.close(os.open({inside!r} + f"/data/ready-{{i}}", os.O_CREAT | os.O_WRONLY))
        time.sleep(1000)
'''
    with Holder(code) as holder:
        eventually(lambda: len(glob.glob(f'{inside}/data/ready-*')) == 1000, 'all of them are there', 60)
        children = set(host.processes_of(holder.pid))
        answer = []
        asking = subprocess.Popen([f'{host.DIRECTORY}/bin/podmountctl', '--socket', daemon.socket, '--json=short', 'holders', pod, '/tmp'],
            stdout=subprocess.PIPE, text=True)
        start = time.monotonic()
        connection = daemon.connection()
        reader = threading.Thread(target=lambda: answer.append(asking.communicate()[0]))
        reader.start()
        waits = []
        while reader.is_alive():
            begin = time.monotonic()
            daemon.call('org.freedesktop.DBus.Peer', 'Ping', '', connection=connection)
            waits.append(time.monotonic() - begin)
        took = time.monotonic() - start
        connection.close()
        found = json.loads(answer[0])
        equal({row['PID'] for row in found}, children, 'processes')
        equal(len([row for row in found if row['Kind'] == 'fd']), 8000, 'fds')
        equal({row['Detail'] for row in found if row['Kind'] == 'more'}, {'and 2 more of the kind fd'}, 'the rest')
        print(f'# 10,000 fds of 1,000 processes: {took * 1000:.0f} ms with podmountctl; Ping meanwhile: {max(waits) * 1000:.1f} ms at most ({len(waits)})')
        equal(took < 20 * tap.PATIENCE, True, f'{took:.1f} s')
    daemon.ok('gc', pod)


@case('the executor and the worker may die of it: the answer comes, or says so, and the pod stays', alone=True)
def killed():
    with Daemon() as daemon:
        pod, inside = make_pod(daemon, 'killed')
        with Holder(f'os.chdir({inside!r})') as holder:
            for _ in range(10):
                asking = subprocess.Popen([f'{host.DIRECTORY}/bin/podmountctl', '--socket', daemon.socket, '--json=short', 'holders', pod],
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                time.sleep(0.01)
                for pid in daemon.executors():
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
                out, error = asking.communicate(timeout=60)
                equal(asking.returncode in (0, 1), True, f'{out} {error}')
            eventually(lambda: of(rows(daemon, pod), holder.pid) == [('cwd', inside)], 'it works again')
            equal(daemon.state(pod), 'ready', 'the pod')
        daemon.ok('gc', pod)


if __name__ == '__main__':
    host.prepare()
    tap.run(Daemon)
