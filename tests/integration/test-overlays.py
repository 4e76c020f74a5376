#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is mounted over what: overlays that keep sources as they are, stubs, hidden and read-only paths."""

import json
import os
import stat
import subprocess

from frame import host, specs, tap
from frame.daemon import Daemon, ERROR
from frame.tap import case, contains, equal


def listing(path):
    """Every file below a path with mode, owner, size and times of modification."""
    found = []
    for base, directories, files in os.walk(path):
        for name in [''] + files:
            status = os.lstat(os.path.join(base, name))
            found.append((os.path.join(base, name), status.st_mode, status.st_uid, status.st_size, status.st_mtime_ns))
    return sorted(found)


def own(root, mounts=(), **more):
    return {'podmount': 1, 'mandatoryMounts': False,
            'containers': [{'name': 'main', 'root': root, 'mounts': list(mounts), **more}]}


@case('overlay "all": what is written into root, directories and single files stays out of the sources')
def overlay_all(daemon):
    root = specs.rootfs('all-root')
    source = specs.tree('all-source', {'kept': 'of the source\n', 'sub/deep': 'deep\n'})
    single = specs.tree('all-single', {'file': 'one file\n'})
    os.chmod(f'{single}/file', 0o640)
    os.chown(f'{single}/file', host.ALICE, host.BOB)
    before = [listing(path) for path in (root, source, single)]
    spec = own({'path': root, 'overlay': 'all'}, [specs.bind(source, '/data'), specs.bind(f'{single}/file', '/srv/file'),
            specs.bind(source, '/mnt', 'bind', 'ro'), specs.bind('/dev/null', '/srv/null')])
    pod = daemon.create(spec)
    rootfs = daemon.rootfs(pod)
    for path in ('new', 'data/new', 'data/sub/deep', 'srv/file', 'data/kept'):
        with open(f'{rootfs}/{path}', 'a') as file:
            file.write('written\n')
    equal(open(f'{rootfs}/data/kept').read(), 'of the source\nwritten\n', 'a file of the overlay')
    equal(open(f'{rootfs}/srv/file').read(), 'one file\nwritten\n', 'the single file')
    status = os.stat(f'{rootfs}/srv/file')
    equal((stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid), (0o640, host.ALICE, host.BOB), 'the copy')
    assert stat.S_ISCHR(os.stat(f'{rootfs}/srv/null').st_mode)
    assert os.statvfs(f'{rootfs}/mnt').f_flag & os.ST_RDONLY
    equal([listing(path) for path in (root, source, single)], before, 'the sources')
    equal(daemon.state(pod), 'ready', 'state')
    daemon.ok('gc', pod)
    equal([listing(path) for path in (root, source, single)], before, 'the sources')


@case('overlay "all" holds for what comes to the living pod: bound, mounted, put in place of another, made writable, exported')
def overlay_all_live(daemon):
    root = specs.rootfs('live-root')
    source = specs.tree('live-source', {'kept': 'of the source\n', 'file': 'one file\n'})
    before = [listing(path) for path in (root, source)]
    pod = daemon.create(own({'path': root, 'overlay': 'all'}, [specs.bind(source, '/data'), specs.bind(source, '/srv', 'bind', 'ro')]))
    daemon.ok('add-container', pod, 'more', '-', input=json.dumps(own({'path': root, 'overlay': 'all'}, name='more')))
    for container in ('main', 'more'):
        daemon.ok('bind', pod, source, '/late', '--container', container)
        daemon.ok('bind', pod, f'{source}/file', '/etc/file', '--container', container)
        daemon.ok('mount', pod, '-', '--container', container, input=json.dumps([specs.bind(source, '/mnt'), specs.bind(source, '/ro', 'bind', 'ro')]))
    if 'beneath' in daemon.json('status')['Features']:
        daemon.ok('replace', pod, '/data', '-', '--container', 'main', input=json.dumps(specs.bind(source, '/data')))
    contains(daemon.refused('mount', pod, '-', '--container', 'main', input=json.dumps([{'destination': '/srv', 'options': ['remount', 'rw']}])), 'would go to the source')

    def write(rootfs, paths):
        for path in paths:
            with open(f'{rootfs}/{path}', 'a') as file:
                file.write('written\n')
        for path in ('ro', 'srv')[:1 if 'more' in rootfs else 2]:
            assert os.statvfs(f'{rootfs}/{path}').f_flag & os.ST_RDONLY, path
        equal([listing(path) for path in (root, source)], before, 'the sources')

    late = ('new', 'late/kept', 'etc/file', 'mnt/new')
    write(daemon.rootfs(pod), (*late, 'data/kept'))
    write(daemon.rootfs(pod, 'more'), late)
    # writable, read-only and writable again is what it was
    for option in ('ro', 'rw'):
        daemon.ok('mount', pod, '-', '--container', 'main', input=json.dumps([{'destination': '/mnt', 'options': ['remount', option]}]))
    write(daemon.rootfs(pod), late)
    shapes = {key: (mount['Type'], sorted(mount['Options'])) for key, mount in daemon.mounts(pod).items()}
    document = daemon.ok('export', pod)
    daemon.ok('gc', pod)
    daemon.ok('restore', '-', input=document)
    equal({key: (mount['Type'], sorted(mount['Options'])) for key, mount in daemon.mounts(pod).items()}, shapes, 'what was restored')
    daemon.ok('bind', pod, source, '/later', '--container', 'more')
    write(daemon.rootfs(pod), (*late, 'data/kept'))
    write(daemon.rootfs(pod, 'more'), (*late, 'later/kept'))
    daemon.ok('gc', pod)
    equal([listing(path) for path in (root, source)], before, 'the sources')


@case('a read-only tmpfs has the mount points of what lies on it, whichever way it came')
def readonly_tmpfs(daemon):
    root = specs.rootfs('tmpfs-root')
    source = specs.tree('tmpfs-source', {'file': 'x\n'})
    mounts = [specs.mount('/srv', options=['ro', 'mode=0711']), specs.bind(source, '/srv/a/b'), specs.bind(f'{source}/file', '/srv/file'),
            specs.mount('/srv/a/b/c'), specs.mount('/etc', options=['ro', 'tmpcopyup']), specs.mount('/etc/more/deep')]
    os.mkdir(f'{source}/c')
    old = os.umask(0o077)
    try:
        pod = daemon.create(own({'path': root, 'readonly': True}, mounts))
        daemon.ok('mount', pod, '-', input=json.dumps([specs.mount('/mnt', options=['ro']), specs.bind(source, '/mnt/x')]))
    finally:
        os.umask(old)
    rootfs = daemon.rootfs(pod)
    for path in ('srv', 'etc', 'mnt'):
        assert os.statvfs(f'{rootfs}/{path}').f_flag & os.ST_RDONLY, path
    equal(stat.S_IMODE(os.stat(f'{rootfs}/srv').st_mode), 0o711, 'the mode that was asked for')
    for path in ('srv/a', 'etc/more'):
        equal(stat.S_IMODE(os.stat(f'{rootfs}/{path}').st_mode), 0o755, f'the mode of {path}')
    for path in ('srv/a/b/file', 'srv/file', 'mnt/x/file'):
        equal(open(f'{rootfs}/{path}').read(), 'x\n', path)
    assert sorted(os.listdir(f'{rootfs}/etc')) == sorted(os.listdir(f'{root}/etc') + ['more'])
    equal(sorted(os.listdir(f'{rootfs}/srv')), ['a', 'file'], 'what was made')
    # one that became read-only later is restored with them, too
    daemon.ok('mount', pod, '-', input=json.dumps([specs.mount('/tmp'), specs.bind(source, '/tmp/z')]))
    daemon.ok('mount', pod, '-', input=json.dumps([{'destination': '/tmp', 'options': ['remount', 'ro']}]))
    document = daemon.ok('export', pod)
    table = sorted(daemon.mounts(pod))
    daemon.ok('gc', pod)
    daemon.ok('restore', '-', input=document)
    equal(sorted(daemon.mounts(pod)), table, 'what was restored')
    daemon.ok('gc', pod)


@case('the root of an OCI document has its overlay, too')
def overlay_oci(daemon):
    root, source = specs.rootfs('oci-root'), specs.tree('oci-source', {'kept': 'x\n'})
    before = [listing(path) for path in (root, source)]
    for overlay in ('tmpfs', 'all'):
        spec = specs.oci(root, [specs.bind(source, '/srv/made')])
        spec['root'].update(overlay=overlay, overlaySize=1 << 20)
        pod = daemon.create(spec)
        daemon.ok('bind', pod, source, '/data')
        with open(f'{daemon.rootfs(pod)}/new', 'w') as file:
            file.write('x')
        if overlay == 'all':
            for path in ('srv/made/kept', 'data/new'):
                with open(f'{daemon.rootfs(pod)}/{path}', 'a') as file:
                    file.write('written\n')
        equal(daemon.json('show', pod)['Warnings'], [], 'warnings')
        daemon.ok('gc', pod)
        equal([listing(path) for path in (root, source)], before, 'the sources')
    spec['root']['overlay'] = 'tmpsf'
    contains(daemon.refused('create', '-', input=json.dumps(spec)), '/root/overlay')


@case('an overlay has its size and no more, and its flags')
def size(daemon):
    spec = own({'path': specs.rootfs(), 'overlay': 'all', 'overlaySize': 1 << 20},
            [specs.bind(specs.tree('sized', {'x': ''}), '/data', 'bind', 'noexec')])
    pod = daemon.create(spec)
    assert os.statvfs(f'{daemon.rootfs(pod)}/data').f_flag & os.ST_NOEXEC
    # what the sources allow, and no less: set-user-ID programs and devices are root's to have
    assert not os.statvfs(daemon.rootfs(pod)).f_flag & (os.ST_NOSUID | os.ST_NODEV), os.statvfs(daemon.rootfs(pod))
    try:
        with open(f'{daemon.rootfs(pod)}/data/big', 'wb') as file:
            file.write(b'x' * (2 << 20))
        raise AssertionError('2 MiB fit in an overlay of one')
    except OSError:
        pass
    big = specs.tree('big', {'file': 'x' * (2 << 20)})
    spec['containers'][0]['mounts'] = [specs.bind(f'{big}/file', '/srv/file')]
    before = host.mount_table()
    contains(daemon.refused('create', '-', input=json.dumps(spec)), 'EFBIG')
    equal(host.mount_table(), before, 'the mount table')


@case('a read-only bind without the mount points below it gets stubs, 0755 whatever the umask, and its source nothing')
def stubs(daemon):
    source = specs.tree('stubbed', {'there/': '', 'file': 'x\n'})
    inner = specs.tree('stubbed-inner', {'hello': 'hello\n'})
    before = listing(source)
    spec = own({'path': specs.rootfs(), 'readonly': True}, [specs.bind(source, '/data', 'bind', 'ro'),
            specs.bind(inner, '/data/made/deep'), specs.bind(inner, '/data/there'),
            specs.bind(f'{inner}/hello', '/data/made/file')])
    old = os.umask(0o077)
    try:
        pod = daemon.create(spec)
    finally:
        os.umask(old)
    data = f'{daemon.rootfs(pod)}/data'
    equal(stat.S_IMODE(os.stat(f'{data}/made').st_mode), 0o755, 'mode of a stub')
    equal(sorted(os.listdir(data)), ['file', 'made', 'there'], 'entries')
    for path in ('made/deep/hello', 'there/hello', 'made/file'):
        equal(open(f'{data}/{path}').read(), 'hello\n', path)
    remount = json.dumps([{'destination': '/data', 'options': ['remount', 'rw']}])
    contains(daemon.refused('mount', pod, '-', input=remount), 'unmount it and bind it anew')
    daemon.ok('mount', pod, '-', input=remount.replace('rw', 'noexec'))
    assert os.statvfs(data).f_flag & (os.ST_RDONLY | os.ST_NOEXEC) == os.ST_RDONLY | os.ST_NOEXEC
    equal(listing(source), before, 'the source')
    daemon.ok('gc', pod)


def layers(name):
    """Two lower layers, an upper and a work directory, and what is bound into overlays of them."""
    trees = {which: specs.tree(f'{name}-{which}', files) for which, files in (
            ('low', {'there/low': 'x\n', 'both/low': 'x\n'}), ('high', {'both/high': 'x\n', 'file': 'x\n'}), ('upper', {'both/upper': 'x\n'}),
            ('work', {}), ('inner', {'hello': 'hello\n'}))}
    os.chmod(f"{trees['low']}/there", 0o700)
    os.chmod(f"{trees['high']}/both", 0o711)
    return trees


MISSING = ['/made/deep', '/there/in/it', '/both/new', '/both/word', '/there']


def on_overlay(trees, *options, targets=MISSING):
    inner = trees['inner']
    data = specs.mount('/data', 'overlay', 'overlay', [f"lowerdir={trees['high']}:{trees['low']}", *options])
    return own({'path': specs.rootfs()}, [data, *(specs.bind(f'{inner}/hello' if target.endswith('word') else inner, f'/data{target}')
            for target in targets)])


@case('an overlay that nobody can write to gets stubs below its layers, and none of these anything')
def overlay_stubs(daemon):
    for upper, kind in ((False, []), (True, ['ro']), (True, ['ro', 'volatile'])):
        trees = layers(f"under-{upper}-{'-'.join(kind)}")
        directories = [f"upperdir={trees['upper']}", f"workdir={trees['work']}"] if upper else []
        before = [listing(trees[which]) for which in ('low', 'high', 'upper')]
        old = os.umask(0o077)
        try:
            pod = daemon.create(on_overlay(trees, *directories, *kind, 'suid', targets=MISSING[:-1]))
        finally:
            os.umask(old)
        data = f'{daemon.rootfs(pod)}/data'
        for path in ('made/deep/hello', 'there/in/it/hello', 'both/new/hello', 'both/word'):
            equal(open(f'{data}/{path}').read(), 'hello\n', path)
        equal([oct(stat.S_IMODE(os.stat(f'{data}/{path}').st_mode)) for path in ('made', 'there/in', 'there', 'both')],
                ['0o755', '0o755', '0o700', '0o755' if upper else '0o711'], 'modes')
        equal(sorted(os.listdir(f'{data}/both')), sorted(['high', 'low', 'new', 'word'] + ['upper'] * upper), 'what is in it')
        equal(os.statvfs(data).f_flag & os.ST_NOSUID, 0, 'suid is taken away')
        equal(daemon.state(pod), 'ready', 'state')
        daemon.ok('gc', pod)
        equal([listing(trees[which]) for which in ('low', 'high', 'upper')], before, 'the layers')
    # where nothing is missing, there is no other layer
    trees = layers('under-none')
    pod = daemon.create(on_overlay(trees, targets=['/there', '/both']))
    line = [line for line in open('/proc/self/mountinfo') if f'{pod}/main/rootfs/data ' in line][0]
    equal(line.count('lowerdir'), 1 if 'lowerdir=' in line else 2, line)
    equal(os.listdir(f'{daemon.rootfs(pod)}/data/there'), ['hello'], 'bound')
    daemon.ok('gc', pod)


@case('a work directory that a volatile overlay has used is named as what it is, and good again without the mark')
def used_volatile(daemon):
    trees = layers('volatile')
    directories = [f"upperdir={trees['upper']}", f"workdir={trees['work']}"]
    pod = daemon.create(on_overlay(trees, *directories, 'volatile', targets=['/there']))
    daemon.ok('gc', pod)
    before = host.mount_table()
    for more in ([], ['volatile'], ['ro']):
        said = daemon.refused('create', '-', input=json.dumps(on_overlay(trees, *directories, *more, targets=['/there'])))
        contains(said, 'an overlay with the option volatile has used its work directory', more)
        contains(said, 'EINVAL', more)
    equal(host.mount_table(), before, 'the mount table')
    subprocess.run(['rm', '-r', os.path.join(trees['work'], 'work', 'incompat')], check=True)
    daemon.ok('gc', daemon.create(on_overlay(trees, *directories, targets=['/there'])))
    # and what is wrong with another one is not that
    contains(daemon.refused('create', '-', input=json.dumps(on_overlay(trees, *directories, 'xino=maybe', targets=['/there']))), 'xino')


@case('what a layer hides stays hidden: a mount point below a whiteout is refused by name, and nothing is left')
def overlay_hidden(daemon):
    trees = layers('hiding')
    os.mknod(f"{trees['high']}/made", stat.S_IFCHR, 0)
    before = listing(trees['high']), listing(trees['low']), host.mount_table()
    contains(daemon.refused('create', '-', input=json.dumps(on_overlay(trees))), '/data/made/deep does not exist')
    equal((listing(trees['high']), listing(trees['low']), host.mount_table()), before, 'layers and table')


@case('a writable bind without the mount point is refused, and its source stays as it is')
def no_stubs(daemon):
    source = specs.tree('unstubbed', {'file': 'x\n'})
    before = listing(source), host.mount_table()
    spec = own({'path': specs.rootfs()}, [specs.bind(source, '/data'), specs.mount('/data/made')])
    contains(daemon.refused('create', '-', input=json.dumps(spec)), '/data/made')
    equal((listing(source), host.mount_table()), before, 'source and table')


def masked_paths(bundle):
    config = json.load(open(f'{bundle}/config.json'))
    return config['linux']['maskedPaths'], config['linux']['readonlyPaths']


@case('masked and read-only paths of `runc spec` are what they are in a container of runc')
def paths(daemon):
    bundle = specs.generated('runc', 'masked-bundle')
    pod = daemon.create(bundle)
    masked, readonly = masked_paths(bundle)
    rootfs, seen = daemon.rootfs(pod), 0
    for path in masked:
        if not os.path.exists(path):
            continue
        seen += 1
        if os.path.isdir(rootfs + path):
            equal(os.listdir(rootfs + path), [], path)
            assert os.statvfs(rootfs + path).f_flag & os.ST_RDONLY, path
        else:
            equal(open(rootfs + path).read(), '', path)
    for path in readonly:
        if os.path.exists(path):
            seen += 1
            assert os.statvfs(rootfs + path).f_flag & os.ST_RDONLY, path
    assert seen > 5, seen
    equal(daemon.state(pod), 'ready', 'state')
    assert not any('askedPaths' in text or 'onlyPaths' in text for text in daemon.json('show', pod)['Warnings'])
    daemon.restart()
    equal(daemon.state(pod), 'ready', 'state')
    before = host.mounts_below(f'{daemon.runtime}/pods/{pod}')
    assert before
    daemon.ok('gc', pod)
    equal(host.mounts_below(f'{daemon.runtime}/pods/{pod}'), {}, 'mounts')


@case('hidden paths follow the container\'s own symlinks inside it, and files, directories and nothing are all right')
def symlinks(daemon):
    root = specs.rootfs('masked-root')
    os.makedirs(f'{root}/secret/sub', exist_ok=True)
    for name, target in [('link', '/secret'), ('out', '/../../../../../etc')]:
        if not os.path.lexists(f'{root}/{name}'):
            os.symlink(target, f'{root}/{name}')
    host_etc = listing('/etc/default')
    pod = daemon.create(own({'path': root}, maskedPaths=['/link', '/out/hostname', '/nothing/here', '/bin/sh'],
            readonlyPaths=['/etc']))
    rootfs = daemon.rootfs(pod)
    equal(os.listdir(f'{rootfs}/secret'), [], 'what is hidden')
    equal(open(f'{rootfs}/etc/hostname').read(), '', 'a hidden file')
    assert os.statvfs(f'{rootfs}/etc').f_flag & os.ST_RDONLY
    assert os.path.getsize('/etc/hostname') >= 0 and listing('/etc/default') == host_etc
    equal(sorted(mount['Type'] for mount in daemon.mounts(pod).values()), ['bind', 'mask', 'mask', 'mask', 'readonly'],
            'types')
    # None can be taken away from over what it hides, nor be replaced by what does not.
    for mount in daemon.mounts(pod).values():
        what = {'mask': 'is a hidden path', 'readonly': 'is a read-only path', 'bind': 'is the root of a container'}[mount['Type']]
        contains(daemon.refused('unmount', pod, mount['Target']), what, mount)
        contains(daemon.refused('replace', pod, mount['Target'], '{"type": "tmpfs"}'),
                what if mount['Target'] != '/' else "is the container's root", mount)
    equal(os.listdir(f'{rootfs}/secret'), [], 'what is still hidden')
    daemon.ok('gc', pod)


@case('rootfsPropagation is the root\'s')
def propagation(daemon):
    for word, shown in [('shared', 'shared'), ('rprivate', 'private'), ('unbindable', 'unbindable')]:
        spec = specs.oci()
        spec['linux'] = {'rootfsPropagation': word}
        pod = daemon.create(spec)
        equal(daemon.mounts(pod)['main:/']['Propagation'], shown, word)
        equal(daemon.state(pod), 'ready', word)
        daemon.ok('gc', pod)


@case('paths, sizes and propagations that are none are refused with their place')
def refused(daemon):
    root = {'path': specs.rootfs()}
    rows = [(own(root, maskedPaths=['/a/../b']), 'InvalidTarget', '/containers/0/maskedPaths/0'),
            (own(root, maskedPaths=['/a', 'b']), 'InvalidTarget', '/containers/0/maskedPaths/1'),
            (own(root, readonlyPaths=['/']), 'InvalidTarget', '/containers/0/readonlyPaths/0'),
            (own(root, readonlyPaths=[1]), 'InvalidSpec', '/containers/0/readonlyPaths/0'),
            (own(root, maskedPaths=['/x'] * 2000), 'InvalidSpec', '/containers/0/maskedPaths'),
            (own({**root, 'overlay': 'all', 'overlaySize': -1}), 'InvalidSpec', '/containers/0/root/overlaySize'),
            (own({**root, 'overlaySize': 1 << 20}), 'InvalidSpec', '/containers/0/root/overlaySize'),
            (own({**root, 'propagation': 'sideways'}), 'InvalidSpec', '/containers/0/root/propagation'),
            ({**specs.oci(), 'linux': {'rootfsPropagation': 'bind'}}, 'InvalidSpec', '/linux/rootfsPropagation'),
            ({**specs.oci(), 'linux': {'maskedPaths': ['..']}}, 'InvalidTarget', '/linux/maskedPaths/0')]
    for spec, name, pointer in rows:
        found, text = daemon.error_of('CreatePod', 'sa{sh}a{sv}', json.dumps(spec), {}, {})
        equal(found, ERROR + name, pointer)
        contains(text, pointer)


if __name__ == '__main__':
    host.prepare()
    tap.run(Daemon)
