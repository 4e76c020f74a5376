#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Replace: a mount takes the place of another with no moment in between, whatever dies on the way."""

import json
import os
import random
import subprocess
import threading

import dbus

from frame import host, specs, tap
from frame.bus import Bus
from frame.daemon import ERROR, POD, Daemon, Stage
from frame.host import ALICE, BOB
from frame.kills import SEED, check_log, kill_until_down
from frame.situation import WithPolkit
from frame.tap import Skip, case, contains, equal, eventually

KILLS = int(os.environ.get('PODMOUNT_REPLACE_KILLS', '12'))


def need_beneath(daemon):
    if 'beneath' not in daemon.json('status')['Features']:
        raise Skip('this kernel cannot put a mount beneath another')


def two_trees(name):
    return [specs.tree(f'{name}-{which}', {'file': which, 'sub/': ''}) for which in 'ab']


class Reader:
    """Opens a file again and again in a thread; what it read, and what it missed."""

    def __init__(self, path):
        self.path, self.seen, self.missed, self.reads, self.ends = path, set(), [], 0, False
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.ends:
            try:
                os.stat(self.path)
                with open(self.path) as file:
                    self.seen.add(file.read())
                self.reads += 1
            except OSError as error:
                self.missed.append(str(error))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ends = True
        self.thread.join()


@case('the target is never bare, however often its mount is replaced')
def never_bare(daemon):
    need_beneath(daemon)
    trees = two_trees('bare')
    pod = daemon.create(specs.oci(mounts=[specs.mount('/mnt')]))
    ids = [int(daemon.ok('bind', pod, trees[0], '/mnt/new/place', '-o', 'bind,ro'))]
    root = daemon.rootfs(pod)
    before = len(host.mount_table())
    with Reader(f'{root}/mnt/new/place/file') as reader:
        for turn in range(200):
            ids.append(int(daemon.manager('Replace', 'sssa{sh}a{sv}', pod, '/mnt/new/place',
                    json.dumps({'type': 'bind', 'source': trees[(turn + 1) % 2], 'options': ['bind', 'ro']}), {}, {})))
    tap.diagnose(f'{reader.reads} reads during {len(ids) - 1} replacements, {len(reader.missed)} missed')
    equal(reader.missed[:3], [], 'what a reader missed')
    equal(reader.seen, {'a', 'b'}, 'what it saw')
    equal(reader.reads > 200, True, f'reads: {reader.reads}')
    equal(len(set(ids)), len(ids), 'ids')
    row = daemon.mounts(pod)['main:/mnt/new/place']
    equal((row['ID'], row['State'], row['Source']), (ids[-1], 'ok', trees[0]), 'the record')
    equal(len(host.mount_table()), before, 'mounts')
    daemon.ok('rescan')
    equal(daemon.state(pod), 'ready', 'drift')
    daemon.restart()
    equal(daemon.mounts(pod)['main:/mnt/new/place']['ID'], ids[-1], 'after a restart')
    equal(daemon.state(pod), 'ready', 'drift after a restart')
    daemon.ok('unmount', pod, '/mnt/new/place')
    equal(os.listdir(f'{root}/mnt'), [], 'the mount point that the first one had made')


@case('any kind replaces any kind; the client says it in words, in JSON and by fd')
def kinds(daemon):
    need_beneath(daemon)
    trees = two_trees('kinds')
    pod = daemon.create(specs.oci(mounts=[specs.bind(trees[0], '/data'), specs.mount('/srv')]))
    root = daemon.rootfs(pod)
    first = daemon.json('replace', pod, '/data', trees[1], '-o', 'ro,nosuid')['ID']
    equal(open(f'{root}/data/file').read(), 'b', 'a bind')
    equal('ro' in daemon.mounts(pod)['main:/data']['Options'], True, 'its options')
    daemon.ok('replace', pod, '/data', json.dumps({'type': 'tmpfs', 'source': 'fresh', 'options': ['size=64k', 'mode=0700']}), '--id', first)
    equal(os.listdir(f'{root}/data'), [], 'a file system')
    contains(daemon.refused('replace', pod, '/data', trees[1], '--id', first), 'Another mount is recorded', 'the id of a mount that was replaced')
    upper, work = specs.tree('kinds-upper', {}), specs.tree('kinds-work', {})
    daemon.ok('replace', pod, '/data', '-', input=json.dumps({'destination': '/data', 'type': 'overlay', 'source': 'overlay', 'options': [
            f'lowerdir={trees[0]}:{trees[1]}', f'upperdir={upper}', f'workdir={work}']}))
    equal(open(f'{root}/data/file').read(), 'a', 'an overlay')
    fd = os.open(trees[1], os.O_PATH)
    daemon.ok('replace', pod, '/data', 'fd:here', '--fd', f'here={fd}', fds=[fd])
    os.close(fd)
    equal(open(f'{root}/data/file').read(), 'b', 'an fd')
    path = daemon.manager('GetPod', 's', pod)
    daemon.call(POD, 'Replace', 'ssa{sh}a{sv}', '/data', json.dumps({'type': 'bind', 'source': trees[0]}), {}, {}, path=path)
    equal(open(f'{root}/data/file').read(), 'a', 'through the object of the pod')
    daemon.ok('rescan')
    equal(daemon.state(pod), 'ready', 'drift')
    equal([row['Target'] for row in daemon.json('show', pod)['Mounts']].count('/data'), 1, 'records of the target')
    equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'collection')


@case('files, private mounts and recursive binds with what came along')
def shapes(daemon):
    need_beneath(daemon)
    trees = two_trees('shapes')
    subprocess.run(['mount', '-t', 'tmpfs', 'below', f'{trees[1]}/sub'], check=True)
    pod = daemon.create(specs.oci(mounts=[specs.bind(f'{trees[0]}/file', '/mnt/file'), specs.bind(trees[0], '/data', 'rbind', 'private')]))
    root = daemon.rootfs(pod)
    daemon.ok('replace', pod, '/mnt/file', f'{trees[1]}/file')
    equal(open(f'{root}/mnt/file').read(), 'b', 'a file')
    for turn, source in enumerate([trees[1], trees[1], trees[0]]):
        daemon.ok('replace', pod, '/data', source, '-o', 'rbind,private')
        daemon.ok('rescan')
        equal('main:/data/sub' in daemon.mounts(pod), source == trees[1], f'what came along, {turn}')
        equal(daemon.mounts(pod)['main:/data']['Propagation'], 'private', 'propagation')
        equal(daemon.state(pod), 'ready', f'drift, {turn}')
    subprocess.run(['umount', f'{trees[1]}/sub'], check=True)
    equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'collection')


@case('copies in the mount namespaces of others are replaced, too')
def copies(daemon):
    need_beneath(daemon)
    trees = two_trees('copies')
    pod = daemon.create(specs.oci(mounts=[specs.bind(trees[0], '/data'), specs.bind(trees[0], '/mnt', 'bind', 'private')]))
    root = daemon.rootfs(pod)
    other = subprocess.Popen(['unshare', '-m', '--propagation', 'unchanged', 'sleep', '600'])
    try:
        eventually(lambda: os.readlink(f'/proc/{other.pid}/ns/mnt') != os.readlink('/proc/self/ns/mnt'), 'a namespace')
        for target in ['data', 'mnt']:
            daemon.ok('replace', pod, f'/{target}', trees[1], *(['-o', 'bind,private'] if target == 'mnt' else []))
            lines = [line for line in open(f'/proc/{other.pid}/mountinfo') if f' {root}/{target} ' in line]
            equal(len(lines), 1, f'mounts on the copy of {target}: {lines}')
            equal(open(f'/proc/{other.pid}/root{root}/{target}/file').read(), 'b', f'content of the copy of {target}')
    finally:
        other.kill()
        other.wait()
    equal(daemon.state(pod), 'ready', 'drift')


@case('what cannot be replaced is refused by name, and nothing changes')
def refusals(daemon):
    need_beneath(daemon)
    trees = two_trees('refusals')
    pod = daemon.create(specs.oci(mounts=[specs.bind(trees[0], '/data'), specs.mount('/srv'), specs.mount('/srv/on/it'),
            specs.bind(f'{trees[0]}/file', '/mnt/file')]))
    root, before = daemon.rootfs(pod), host.mount_table()
    good = {'type': 'bind', 'source': trees[1]}
    fd = dbus.types.UnixFd(os.open('/', os.O_PATH))
    for target, mount, fds, options, error, words in [
            ('/etc', good, {}, {}, ERROR + 'NoSuchMount', 'Nothing is recorded at /etc'),
            ('/', good, {}, {}, ERROR + 'InvalidTarget', "the container's root"),
            ('data', good, {}, {}, ERROR + 'InvalidTarget', 'is relative'),
            ('/srv', good, {}, {}, ERROR + 'Busy', '/srv/on/it'),
            ('/mnt/file', good, {}, {}, ERROR + 'InvalidTarget', 'is a file where a directory'),
            ('/data', {'type': 'bind', 'source': f'{trees[1]}/file'}, {}, {}, ERROR + 'InvalidTarget', 'is a directory where a file'),
            ('/data', {'type': 'bind', 'source': '/nowhere'}, {}, {}, ERROR + 'NoSuchSource', '/nowhere'),
            ('/data', {'type': 'tmpfs', 'options': ['size=x']}, {}, {}, ERROR + 'InvalidOption', 'size'),
            ('/data', {'type': 'devtmpfs'}, {}, {}, ERROR + 'NotSupported', 'devtmpfs'),
            ('/data', dict(good, destination='/srv'), {}, {}, 'org.freedesktop.DBus.Error.InvalidArgs', 'is not the target'),
            ('/data', [dict(good, destination='/data'), dict(good, destination='/srv')], {}, {}, 'org.freedesktop.DBus.Error.InvalidArgs', 'One mount'),
            ('/data', [], {}, {}, ERROR + 'InvalidSpec', 'no mount in it'),
            ('/data', good, {'spare': fd}, {}, 'org.freedesktop.DBus.Error.InvalidArgs', 'spare'),
            ('/data', {'type': 'bind', 'source': 'fd:none'}, {}, {}, 'org.freedesktop.DBus.Error.InvalidArgs', 'none'),
            ('/data', good, {}, {'mount-id': dbus.UInt64(1)}, ERROR + 'NoSuchMount', 'Another mount'),
            ('/data', good, {}, {'container': 'other'}, ERROR + 'NoSuchContainer', 'other'),
            ('/data', good, {}, {'stack': True}, 'org.freedesktop.DBus.Error.InvalidArgs', 'stack')]:
        found, text = daemon.error_of('Replace', 'sssa{sh}a{sv}', pod, target, json.dumps(mount), fds, options)
        equal(found, error, f'{target} {mount} ({text})')
        contains(text, words, 'words')
    subprocess.run(['mount', '-t', 'tmpfs', 'foreign', f'{root}/data'], check=True)
    contains(daemon.refused('replace', pod, '/data', trees[1]), 'lies on it', 'a foreign mount on it')
    subprocess.run(['umount', f'{root}/data'], check=True)
    subprocess.run(['umount', f'{root}/data'], check=True)
    contains(daemon.refused('replace', pod, '/data', trees[1]), 'podmountctl repair', 'a mount that is missing')
    daemon.ok('repair', pod)
    equal(len(host.mount_table()), len(before), 'mounts')
    equal(daemon.state(pod), 'ready', 'state')


@case('a target that is swapped for a symlink meanwhile leads to nothing else')
def swapped(daemon):
    need_beneath(daemon)
    trees = two_trees('swapped')
    base = specs.tree('swapped-root', {'way/in/': '', 'else/in/': '', 'mine/': ''})
    pod = daemon.create(specs.oci(base, mounts=[specs.bind(trees[0], '/way/in'), specs.bind(trees[0], '/else/in'), specs.mount('/mine')]))
    root, ends = daemon.rootfs(pod), threading.Event()
    os.symlink('else', f'{root}/other')

    def swap():
        while not ends.is_set():
            for names in [('way', 'away'), ('other', 'way'), ('way', 'other'), ('away', 'way')]:
                try:
                    os.rename(f'{root}/{names[0]}', f'{root}/{names[1]}')
                except OSError:
                    pass
    thread = threading.Thread(target=swap)
    thread.start()
    done = refused = 0
    try:
        for turn in range(150):
            answer = daemon.ctl('replace', pod, '/way/in', trees[turn % 2])
            done, refused = done + (answer.status == 0), refused + (answer.status == 1)
    finally:
        ends.set()
        thread.join()
    tap.diagnose(f'{done} replaced, {refused} refused')
    for name in ['way', 'away']:
        if os.path.isdir(f'{root}/{name}') and not os.path.islink(f'{root}/{name}'):
            os.rename(f'{root}/{name}', f'{root}/way')
    daemon.ok('rescan')
    lines = [line for line in host.mount_table() if f' {root}/else/in ' in line]
    equal(len(lines), 1, f'mounts at the place that the symlink led to: {lines}')
    equal(daemon.mounts(pod)['main:/else/in']['State'], 'ok', 'that mount')
    equal(daemon.json('gc', '--lazy', pod)[0]['Outcome'], 'removed', 'collection')


@case('without the kernel\'s help nothing is replaced, and nothing lost', alone=True)
def unsupported():
    host.WITHOUT.append('beneath')
    try:
        with Daemon() as daemon:
            trees = two_trees('unsupported')
            pod = daemon.create(specs.oci(mounts=[specs.bind(trees[0], '/data')]))
            before = host.mount_table()
            contains(daemon.refused('replace', pod, '/data', trees[1]), 'cannot put a mount beneath another', 'error')
            equal(host.mount_table(), before, 'the mount table')
            equal(daemon.state(pod), 'ready', 'state')
    finally:
        host.WITHOUT.remove('beneath')


@case('polkit is asked, strangers see no pod, and nobody gets more than their own rights', alone=True)
def permissions():
    with Bus() as bus, WithPolkit(bus, 'yes') as situation:
        daemon, polkit = situation.daemon, situation.polkit
        need_beneath(daemon)
        tree = specs.tree('permissions', {'file': 'x'}, owner=ALICE)
        secret = specs.tree('permissions-secret', {'file': 'x'})
        os.chmod(secret, 0o700)
        pod = daemon.create(specs.oci(situation.root, mounts=[specs.mount('/tmp')]), user=ALICE, over_bus=True)
        daemon.ok('replace', pod, '/tmp', tree, user=ALICE, over_bus=True)
        row = daemon.mounts(pod)['main:/tmp']
        equal([word for word in ['nosuid', 'nodev'] if word not in row['Options']], [], 'what is always set')
        contains(daemon.refused('replace', pod, '/tmp', f'{secret}/file', user=ALICE, over_bus=True), 'cannot be reached by the caller', 'a secret')
        daemon.refused('replace', pod, '/tmp', tree, user=BOB, over_bus=True)
        for text in ['{"type":"erofs","source":"%s/file"}' % tree, '{"type":"er\\u006ffs","source":"%s/file","destination":"/tmp"}' % tree]:
            polkit.forget()
            daemon.refused('replace', pod, '/tmp', text, user=ALICE, over_bus=True)
            equal([call['action'] for call in polkit.calls()], ['org.podmount1.manage', 'org.podmount1.mount-image'],
                    'what polkit is asked about an image')
        polkit.answer('no')
        daemon.refused('replace', pod, '/tmp', tree, user=ALICE, over_bus=True)
        equal(daemon.mounts(pod)['main:/tmp']['ID'], row['ID'], 'the mount after all refusals')


def replacer(daemon, pod, trees):
    """A process that replaces until the daemon is gone."""
    pid = os.fork()
    if pid:
        return pid
    try:
        connection, turn = daemon.connection(), 0
        while True:
            turn += 1
            try:
                daemon.manager('Replace', 'sssa{sh}a{sv}', pod, '/data',
                        json.dumps({'type': 'bind', 'source': trees[turn % 2], 'options': ['rbind']}), {}, {}, connection=connection)
            except dbus.exceptions.DBusException as error:
                if not error.get_dbus_name().startswith('org.podmount1.'):
                    raise
    except BaseException:
        pass
    os._exit(0)


@case(f'{KILLS} kills: exactly one of both is there and recorded, and the target was never bare', alone=True)
def kills():
    chance = random.Random(SEED)
    tap.diagnose(f'seed {SEED}')
    with Stage() as daemon:
        need_beneath(daemon)
        trees = two_trees('kills')
        subprocess.run(['mount', '-t', 'tmpfs', 'below', f'{trees[1]}/sub'], check=True)
        pod = daemon.create(specs.oci(mounts=[specs.bind(trees[0], '/data', 'rbind')]))
        path, done = f'{daemon.rootfs(pod)}/data', 0
        with Reader(f'{path}/file') as reader:
            while done < KILLS:
                pid = replacer(daemon, pod, trees)
                done += kill_until_down(daemon, chance, least=0.01)
                os.waitpid(pid, 0)
                daemon.start()
                eventually(lambda: daemon.state(pod) == 'ready', f'seed {SEED}, kill {done}: ready\n{daemon.ok("show", pod)}')
                points = [line.split()[4] for line in host.mount_table()]
                equal(points.count(path), 1, f'seed {SEED}, kill {done}: mounts at the target')
                equal(points.count(f'{path}/sub'), int(open(f'{path}/file').read() == 'b'), 'what came along')
        tap.diagnose(f'{reader.reads} reads, {len(reader.missed)} missed')
        equal(reader.missed[:3], [], 'what a reader missed')
        daemon.ok('unmount', pod, '/data')
        subprocess.run(['umount', f'{trees[1]}/sub'], check=True)
        equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'collection')
        check_log(daemon)


if __name__ == '__main__':
    host.prepare()
    tap.run(Daemon)
