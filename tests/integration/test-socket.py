#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The main job on the private socket, without a bus: a pod is created, bound into and collected."""

import errno
import json
import os
import socket
import subprocess

from frame import host, specs, tap
from frame.daemon import Daemon
from frame.raw import HANDSHAKE, marshal
from frame.tap import case, contains, equal


def write_refused(path):
    try:
        with open(path, 'w'):
            pass
    except OSError as error:
        return error.errno
    return 0


@case('a bundle of `runc spec` becomes a pod, and the mount table is the same after its collection')
def runc_bundle(daemon):
    bundle_comes_and_goes(daemon, 'runc')


@case('a bundle of `crun spec` becomes a pod, and the mount table is the same after its collection')
def crun_bundle(daemon):
    bundle_comes_and_goes(daemon, 'crun')


def bundle_comes_and_goes(daemon, tool):
    bundle = specs.generated(tool, f'{tool}-bundle')
    before = host.mount_table()
    pod = daemon.create(bundle)
    root = daemon.rootfs(pod)
    with open(f'{bundle}/config.json') as file:
        wanted = [mount['destination'] for mount in json.load(file)['mounts']]
    points = host.mounts_below(root)
    for destination in wanted:
        tap.equal(root + destination in points, True, f'a mount at {destination}')
    equal(points[f'{root}/proc'][points[f'{root}/proc'].index('-') + 1], 'proc', 'type of /proc')
    equal(write_refused(f'{root}/etc/new'), errno.EROFS, 'writing to a read-only root')
    equal(daemon.state(pod), 'ready', 'state')
    equal(host.run(['chroot', root, '/bin/echo', 'inside']).out, 'inside\n', 'a program run in the root')
    warnings = ' '.join(daemon.json('show', pod)['Warnings'])
    contains(warnings, '/process', 'warnings')
    daemon.ok('gc', pod)
    equal(host.mount_table(), before, 'mount table')


@case('a config.json alone, with relative paths, is taken from its own directory')
def config_file(daemon):
    bundle = specs.tree('own-bundle', {'data/file': 'hello\n'})
    if not os.path.exists(f'{bundle}/rootfs'):
        os.rename(specs.rootfs('own-bundle-rootfs'), f'{bundle}/rootfs')
    with open(f'{bundle}/config.json', 'w') as file:
        json.dump({'ociVersion': '1.0.2', 'mandatoryMounts': False, 'root': {'path': 'rootfs'},
                'mounts': [specs.bind('data', '/data', 'rbind', 'ro')]}, file)
    for place, cwd in [('config.json', bundle), ('.', bundle), (f'{bundle}/config.json', '/'), (bundle, '/')]:
        pod = daemon.ok('create', place, cwd=cwd).strip()
        with open(f'{daemon.rootfs(pod)}/data/file') as file:
            equal(file.read(), 'hello\n', 'content')
        daemon.ok('gc', pod)


@case("podmount's own format with two containers, one root writable and one with a tmpfs over it")
def own_format(daemon):
    before = host.mount_table()
    data = specs.tree('shared-data', {'file': 'shared\n'})
    spec = specs.podmount({'web': (specs.rootfs('web-root'), False, [specs.bind(data, '/data', 'rbind')]),
                           'log': (specs.rootfs('log-root'), False,
                           [specs.bind(data, '/srv', 'rbind', 'ro'), specs.mount('/cache', options=['size=1m'])])},
                          name='pair')
    spec['containers'][1]['root']['overlay'] = 'tmpfs'
    pod = daemon.create(spec)
    shown = daemon.json('show', 'pair')
    equal((shown['UUID'], shown['Name'], shown['Containers'], shown['State']), (pod, 'pair', ['web', 'log'], 'ready'),
            'properties')
    web, log = daemon.rootfs(pod, 'web'), daemon.rootfs(pod, 'log')
    with open(f'{web}/data/from-web', 'w') as file:
        file.write('x')
    equal(os.path.exists(f'{log}/srv/from-web'), True, 'the shared directory')
    equal(write_refused(f'{log}/srv/from-log'), errno.EROFS, 'writing to the read-only bind')
    equal(write_refused(f'{log}/etc/scratch'), 0, 'writing to the overlaid root')
    equal(os.path.exists(f'{host.DIRECTORY}/log-root/etc/scratch'), False,
            'the source of an overlaid root was written to')
    os.unlink(f'{data}/from-web')
    daemon.ok('gc', 'pair')
    equal(host.mount_table(), before, 'mount table')


@case('mount points that a root lacks are made, recorded and taken away again; a read-only source is never touched')
def mount_points(daemon):
    data = specs.tree('mount-point-data', {'file': 'x'})
    for readonly in (False, True):
        root = specs.rootfs(f'mount-points-{readonly}')
        before = sorted(os.listdir(root))
        pod = daemon.create(specs.oci(root, [specs.bind(data, '/new/deep/dir', 'rbind'),
                specs.bind(f'{data}/file', '/etc/new-file')], readonly=readonly))
        inside = daemon.rootfs(pod)
        equal(os.listdir(f'{inside}/new/deep/dir'), ['file'], 'the bound directory')
        with open(f'{inside}/etc/new-file') as file:
            equal(file.read(), 'x', 'the bound file')
        if readonly:
            equal(sorted(os.listdir(root)), before, 'a read-only root, while mounted')
        daemon.ok('gc', pod)
        equal(sorted(os.listdir(root)), before, 'the root after the collection')
        equal(os.path.exists(f'{root}/etc/new-file'), False, 'the file that was made')


@case('bind read-only: writing gives EROFS, the id is the same on a retry, unmount takes it away')
def bind_read_only(daemon):
    data = specs.tree('bind-data', {'file': 'x'})
    pod = daemon.create(specs.oci())
    inside = f'{daemon.rootfs(pod)}/data'
    ident = daemon.ok('bind', pod, data, '/data', '-o', 'ro').strip()
    equal(os.listdir(inside), ['file'], 'the bound directory')
    equal(write_refused(f'{inside}/file'), errno.EROFS, 'writing')
    equal(daemon.ok('bind', pod, data, '/data', '-o', 'ro').strip(), ident, 'id of an equal bind')
    mount = daemon.mounts(pod)['main:/data']
    equal((str(mount['ID']), mount['Source'], mount['State'], mount['Path']), (ident, data, 'ok', inside),
            'the listed mount')
    contains(mount['Options'], 'ro', 'options')
    daemon.ok('unmount', pod, '/data')
    equal(os.listdir(inside), [], 'after the unmount')
    contains(daemon.refused('unmount', pod, '/data'), '/data')
    daemon.ok('unmount', pod, '/data', '--missing-ok')
    daemon.ok('gc', pod)


@case('a bind at an occupied target is refused, with --stack it lies on top, and --id unmounts the one that is meant')
def stacked(daemon):
    one, two = specs.tree('stack-one', {'one': ''}), specs.tree('stack-two', {'two': ''})
    pod = daemon.create(specs.oci())
    inside = f'{daemon.rootfs(pod)}/mnt'
    lower = daemon.ok('bind', pod, one, '/mnt').strip()
    contains(daemon.refused('bind', pod, two, '/mnt'), '/mnt')
    equal(os.listdir(inside), ['one'], 'after the refusal')
    upper = daemon.ok('bind', pod, two, '/mnt', '--stack').strip()
    equal(os.listdir(inside), ['two'], 'on top')
    daemon.ok('unmount', pod, '--id', upper)
    equal(os.listdir(inside), ['one'], 'after unmounting the upper one')
    daemon.ok('unmount', pod, '/mnt', '--id', lower)
    equal(os.listdir(inside), [], 'after both')
    daemon.ok('gc', pod)


@case('an array of mounts is made whole or not at all')
def all_or_nothing(daemon):
    data = specs.tree('array-data', {'file': 'x'})
    pod = daemon.create(specs.oci())
    before = host.mount_table()
    good = [specs.bind(data, '/data', 'rbind'), specs.mount('/tmp', options=['size=1m', 'mode=1777'])]
    contains(daemon.refused('mount', pod, json.dumps(good + [specs.bind('/nonexistent/source', '/mnt')])),
            '/nonexistent/source')
    equal(host.mount_table(), before, 'mount table after the refusal')
    equal(daemon.state(pod), 'ready', 'state after the refusal')
    idents = daemon.ok('mount', pod, json.dumps(good)).split()
    mounts = daemon.mounts(pod)
    equal([str(mounts['main:/data']['ID']), str(mounts['main:/tmp']['ID'])], idents, 'ids in the order of the array')
    daemon.ok('mount', pod, '-', input=json.dumps(specs.mount('/srv', options=['ro', 'size=1m'])))
    equal(write_refused(f'{daemon.rootfs(pod)}/srv/x'), errno.EROFS, 'a read-only tmpfs')
    daemon.ok('gc', pod)


@case('an fd of the call is a source: a directory, a file, and a mount of one\'s own that hangs nowhere')
def fd_sources(daemon):
    data = specs.tree('fd-data', {'file': 'by fd'})
    pod = daemon.create(specs.oci())
    root = daemon.rootfs(pod)
    descriptor = os.open(data, os.O_PATH | os.O_DIRECTORY)
    daemon.ok('bind', pod, 'fd:dir', '/data', '--fd', f'dir={descriptor}', fds=[descriptor])
    os.close(descriptor)
    descriptor = os.open(f'{data}/file', os.O_RDONLY)
    daemon.ok('bind', pod, 'fd:file', '/etc/by-fd', '--fd', f'file={descriptor}', '-o', 'ro', fds=[descriptor])
    os.close(descriptor)
    equal(os.listdir(f'{root}/data'), ['file'], 'the directory')
    with open(f'{root}/etc/by-fd') as file:
        equal(file.read(), 'by fd', 'the file')
    daemon.ok('gc', pod)


@case('the same --id and spec give the same pod; another spec is PodExists')
def retry_of_create(daemon):
    ident = '11111111-2222-4333-8444-555555555555'
    spec = specs.oci(mounts=[specs.mount('/tmp')])
    equal(daemon.create(spec, '--id', ident), ident, 'UUID')
    before = host.mount_table()
    equal(daemon.create(spec, '--id', ident), ident, 'UUID of the retry')
    equal(host.mount_table(), before, 'mount table after the retry')
    contains(daemon.refused('create', '--id', ident, '-', input=json.dumps(specs.oci())), ident)
    equal(len(daemon.pods()), 1, 'pods')
    equal(daemon.json('show', ident[:8])['UUID'], ident, 'a UUID prefix')
    daemon.ok('gc', ident)


@case('plan shows every step and changes nothing')
def plan(daemon):
    before = host.mount_table()
    spec = json.dumps(specs.oci(mounts=[specs.mount('/tmp'),
            specs.bind('/etc/hostname', '/etc/hostname', 'rbind', 'ro')]))
    steps = daemon.json('plan', '-', input=spec)['steps']
    for target in ('/tmp', '/etc/hostname'):
        equal(any(step.get('target') == target for step in steps), True, f'a step for {target}')
    contains(daemon.ok('plan', '-', input=spec), '/etc/hostname', 'the table')
    equal(daemon.pods(), [], 'pods')
    equal(host.mount_table(), before, 'mount table')


@case('gc: --dry-run changes nothing, busy loses nothing, --lazy detaches, not-found does not stop the others')
def collection(daemon):
    before = host.mount_table()
    pod, other = daemon.create(specs.oci(mounts=[specs.mount('/tmp')]), '--name', 'busy'), daemon.create(specs.oci())
    whole = host.mount_table()
    equal([(row['UUID'], row['Outcome']) for row in daemon.json('gc', pod, '--dry-run')], [(pod, 'would-remove')],
            'a dry run')
    equal(host.mount_table(), whole, 'mount table after the dry run')
    sleeper = subprocess.Popen(['sleep', '600'], cwd=f'{daemon.rootfs(pod)}/tmp')
    done = daemon.ctl('--json=short', 'gc', pod, 'no-such-pod', other)
    outcomes = {row['UUID']: row['Outcome'] for row in json.loads(done.out)}
    equal((outcomes[pod], outcomes['no-such-pod'], outcomes[other], done.status), ('busy', 'not-found', 'removed', 1),
            'outcomes')
    equal([p['UUID'] for p in daemon.pods()], [pod], 'pods that are left')
    contains(daemon.mounts(pod), 'main:/tmp', 'what is recorded of the busy pod')
    equal(daemon.json('gc', pod, '--lazy')[0]['Outcome'], 'removed', 'outcome of the lazy collection')
    equal(host.mount_table(), before, 'mount table after the lazy collection')
    sleeper.kill()
    sleeper.wait()
    equal(daemon.ok('gc'), 'Nothing to collect.\n', 'garbage')
    equal(daemon.pods(), [], 'pods')


@case('what is mounted below a pod by someone else goes with the pod, and nothing else does')
def foreign_below(daemon):
    before = host.mount_table()
    pod = daemon.create(specs.oci())
    subprocess.run(['mount', '-t', 'tmpfs', 'foreign', f'{daemon.rootfs(pod)}/mnt'], check=True)
    equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'outcome')
    equal(host.mount_table(), before, 'mount table')


@case('gc without a pod collects a mount below the runtime directory that no pod owns')
def stray_mount(daemon):
    before = host.mount_table()
    stray = f'{daemon.runtime}/pods/99999999-2222-4333-8444-555555555555'
    os.mkdir(stray, 0o700)
    subprocess.run(['mount', '-t', 'tmpfs', 'stray', stray], check=True)
    pod = daemon.create(specs.oci())
    equal([row['Outcome'] for row in daemon.json('gc')], ['removed'], 'outcomes')
    equal(os.path.exists(stray), False, 'the stray directory')
    equal([p['UUID'] for p in daemon.pods()], [pod], 'pods')
    daemon.ok('gc', pod)
    equal(host.mount_table(), before, 'mount table')


@case('names in UTF-8, with spaces, tabs, newlines and backslashes work')
def odd_names(daemon):
    pod = daemon.create(specs.oci())
    before = host.mount_table()
    for name in ['Ünïcödé 日本', 'with space', 'tab\there', 'back\\slash', 'line\nfeed', '#hash', '\\040']:
        data = specs.tree(f'odd {name}', {'file': 'x'})
        daemon.ok('bind', pod, data, f'/mnt/{name}', '-o', 'ro')
        equal(os.listdir(f'{daemon.rootfs(pod)}/mnt/{name}'), ['file'], f'{name!r}')
        mount = daemon.mounts(pod)[f'main:/mnt/{name}']
        equal((mount['State'], mount['Source']), ('ok', data), f'listing of {name!r}')
        equal(daemon.state(pod), 'ready', f'state with {name!r}')
        daemon.ok('unmount', pod, f'/mnt/{name}')
    equal(host.mount_table(), before, 'mount table')
    daemon.ok('gc', pod)


@case('a creation that fails at any of its mounts leaves nothing')
def rollback(daemon):
    data = specs.tree('rollback', {'file': 'x'})
    root = specs.rootfs('rollback-root')
    good = [specs.mount('/tmp'), specs.bind(data, '/new/dir', 'rbind', 'ro'), specs.mount('/proc', 'proc', 'proc'),
            specs.bind(f'{data}/file', '/etc/new-file'),
            specs.mount('/tmp/deeper'), specs.mount('/dev/mqueue', 'mqueue', 'mqueue')]
    before, files = host.mount_table(), sorted(os.listdir(root))
    for bad in (specs.bind('/nonexistent', '/srv'), specs.bind(data, '/etc/hostname'),
            specs.mount('/srv', options=['mode=0755', 'size=1m', 'nr_inodes=0', 'huge=never'])):
        for place in range(len(good) + 1):
            done = daemon.ctl('create', '-', input=json.dumps(specs.oci(root, good[:place] + [bad] + good[place:])))
            if done.status == 0:  # nothing wrong with this one on this kernel
                daemon.ok('gc', done.out.strip())
            equal(host.mount_table(), before, f'mount table with {bad} at {place}')
            equal(sorted(os.listdir(root)), files, f'the root with {bad} at {place}')
            equal(daemon.pods(), [], f'pods with {bad} at {place}')
    equal(os.listdir(f'{daemon.runtime}/pods'), [], 'directories in pods/')


@case('ten clients at once: each pod is whole, and all is gone in the end')
def side_by_side(daemon):
    before = host.mount_table()
    spec = json.dumps(specs.oci(mounts=[specs.mount(f'/mnt/{i}') for i in range(10)]))
    script = f'''set -e
        ctl="{host.DIRECTORY}/bin/podmountctl --socket {daemon.socket}"
        for i in 1 2 3; do
            pod=$($ctl create {host.DIRECTORY}/side-by-side.json)
            $ctl bind $pod /etc /srv -o rbind,ro >/dev/null
            $ctl unmount $pod /mnt/3
            $ctl gc $pod >/dev/null
        done'''
    with open(f'{host.DIRECTORY}/side-by-side.json', 'w') as file:
        file.write(spec)
    clients = [subprocess.Popen(['sh', '-c', script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True) for _ in range(10)]
    for client in clients:
        out, _ = client.communicate(timeout=120 * tap.PATIENCE)
        equal(client.returncode, 0, out)
    equal(daemon.pods(), [], 'pods')
    equal(host.mount_table(), before, 'mount table')


@case('mount points that others make and remove meanwhile are found, or made')
def made_meanwhile(daemon):
    root = specs.rootfs('meanwhile-root')
    targets = [f'/mnt/{i}/here' for i in range(8)]
    others = """
import os, sys
while True:
    for i in range(8):
        for call, path in (os.mkdir, f'{sys.argv[1]}/mnt/{i}'), (os.mkdir, f'{sys.argv[1]}/mnt/{i}/here'), \\
                (os.rmdir, f'{sys.argv[1]}/mnt/{i}/here'), (os.rmdir, f'{sys.argv[1]}/mnt/{i}'):
            try:
                call(path)
            except OSError:
                pass
"""
    made = 0
    busy = subprocess.Popen(['/usr/bin/python3', '-c', others, root])
    try:
        for _ in range(50):
            done = daemon.ctl('create', '-', input=json.dumps(specs.oci(root, [specs.mount(target) for target in targets])))
            if done.status == 0:
                made += 1
                daemon.ok('gc', done.out.strip())
            else:
                contains(done.err, 'was removed meanwhile; try again')
    finally:
        busy.kill()
        busy.wait()
    equal(made > 0, True, f'{made} of 50 made')
    equal(daemon.pods(), [], 'pods')


@case('creations of one id at the same time give one pod')
def joined(daemon):
    ident = '66666666-2222-4333-8444-555555555555'
    spec = json.dumps(specs.oci(mounts=[specs.mount(f'/mnt/{i}') for i in range(200)]))
    clients = [subprocess.Popen([f'{host.DIRECTORY}/bin/podmountctl', '--socket', daemon.socket, 'create', '--id',
            ident, '-'], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for client in clients:
        client.stdin.write(spec)
        client.stdin.close()
    for client in clients:
        equal((client.stdout.read().strip(), client.wait(60 * tap.PATIENCE)), (ident, 0), client.stderr.read())
    equal([(pod['UUID'], pod['State']) for pod in daemon.pods()], [(ident, 'ready')], 'pods')
    equal(len([m for m in daemon.mounts(ident).values() if m['Target'].startswith('/mnt/')]), 200, 'mounts')
    daemon.ok('gc', ident)


@case('calls that come in one piece with the handshake are answered')
def pipelined(daemon):
    calls = b''.join(marshal(b'', serial=serial, member='Rescan', signature='') for serial in range(1, 6))
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(daemon.socket)
    connection.settimeout(10 * tap.PATIENCE)
    connection.sendall(HANDSHAKE + calls)
    data = b''
    while data.count(b'l\2\1\1') < 5:  # five method returns
        data += connection.recv(4096)
    connection.close()


@case('tree draws each mount below the one that it lies on')
def tree(daemon):
    pod = daemon.create(specs.oci(mounts=[specs.mount('/tmp'), specs.mount('/tmp/deeper')]), '--name', 'drawn')
    lines = daemon.ok('tree', 'drawn').splitlines()
    depth = {key: next(line.index(key) for line in lines if f'{key} ' in line) for key in ('main:/', 'main:/tmp',
            'main:/tmp/deeper')}
    equal(depth['main:/'] < depth['main:/tmp'] < depth['main:/tmp/deeper'], True,
            f'indentation in\n{chr(10).join(lines)}')
    contains(daemon.ok('tree'), 'drawn', 'the tree of all pods')
    daemon.ok('gc', pod)


if __name__ == '__main__':
    host.prepare()
    tap.run(Daemon)
