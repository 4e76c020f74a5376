#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What layers change, told: Diff, Changes, DiffSize and OpenDiff."""

import errno
import io
import os
import signal
import stat
import subprocess
import tarfile

from frame import backing, tap
from frame.daemon import ERROR, Stage
from frame.layers import apply, call, changes, content, create, directory_of, error_of, fill, open_tar, read_all, size, tar_of
from frame.tap import case, contains, equal, eventually


def names(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return [member.name for member in tar]


def stack(daemon):
    """A base of one tar, and a layer that was written to on it."""
    create(daemon, 'base')
    fill(daemon, 'base', ('etc/', None), ('etc/kept', b'kept'), ('etc/gone', b'gone'), ('etc/changed', b'one'), ('old/x', b'x'))
    create(daemon, 'work', 'base', '--read-write')
    path = str(call(daemon, 'GetLayer', 'sa{sv}', 'work', {}))
    os.unlink(f'{path}/etc/gone')
    with open(f'{path}/etc/changed', 'w') as file:
        file.write('another')
    os.mkdir(f'{path}/new')
    with open(f'{path}/new/file', 'w') as file:
        file.write('new')
    os.link(f'{path}/new/file', f'{path}/new/link')
    subprocess.run(['rm', '-r', f'{path}/old'], check=True)
    os.mkdir(f'{path}/old')
    return path


@case('a layer of one tar gives that tar again, bit for bit, compressed or not; everything of it is added')
def played_back(daemon):
    create(daemon, 'base')
    path = fill(daemon, 'base', ('a/', None), ('a/b', b'content'), ('c', b'x' * 100000))
    with open(path, 'rb') as tar:
        equal(tar_of(daemon, 'base') == tar.read(), True, 'the same bytes')
    create(daemon, 'zipped')
    subprocess.run(['gzip', '-k', path], check=True)
    with open(f'{path}.gz', 'rb') as tar:
        apply(daemon, 'zipped', tar.fileno())
    with open(path, 'rb') as tar:
        equal(tar_of(daemon, 'zipped') == tar.read(), True, 'the same bytes, which were compressed')
    equal([one[:2] for one in changes(daemon, 'base') if one[1]], [('added', 'a'), ('added', 'a/b'), ('added', 'c')], 'changes')
    equal(size(daemon, 'base'), 100007, 'size')


@case('what was written to a layer is told beside its parent: as a tar, as a list, and as a number')
def written(daemon):
    stack(daemon)
    data = tar_of(daemon, 'work', 'base')
    equal(data == tar_of(daemon, 'work', 'base'), True, 'the same layer gives the same bytes')
    found = names(data)
    for name in ('etc/.wh.gone', 'etc/changed', 'new/file', 'new/link', 'old/.wh..wh..opq'):
        assert name in found, (name, found)
    assert 'etc/kept' not in found, found
    told = {path: kind for kind, path, _ in changes(daemon, 'work', 'base')}
    equal({path: told.get(path) for path in ('etc/gone', 'etc/changed', 'new/file', 'old/x', 'etc/kept')},
          {'etc/gone': 'deleted', 'etc/changed': 'modified', 'new/file': 'added', 'old/x': told.get('old/x'), 'etc/kept': None}, 'changes')
    equal(size(daemon, 'work', 'base'), len('another') + len('new'), 'hard links count once')


@case('a diff that is applied to another layer on the same parent shows the same tree, and gives the same tar')
def again(daemon):
    path = stack(daemon)
    data = tar_of(daemon, 'work', 'base')
    create(daemon, 'copy', 'base')
    with open(f'{daemon.directory}/diff.tar', 'w+b') as tar:
        tar.write(data)
        tar.flush()
        tar.seek(0)
        apply(daemon, 'copy', tar.fileno())
    equal(tar_of(daemon, 'copy', 'base') == data, True, 'the same tar')
    equal(content(str(call(daemon, 'GetLayer', 'sa{sv}', 'copy', {}))), content(path), 'what is seen')


@case('beside nothing a layer is all that it shows; beside another one, what differs of two trees')
def trees(daemon):
    stack(daemon)
    found = names(tar_of(daemon, 'work'))
    assert 'etc/kept' in found and 'etc/changed' in found and 'etc/gone' not in found and not [one for one in found if '.wh.' in one], found
    create(daemon, 'other')
    fill(daemon, 'other', ('etc/', None), ('etc/kept', b'kept'), ('more', b'more'))
    told = {path: kind for kind, path, _ in changes(daemon, 'work', 'other')}
    equal((told.get('more'), told.get('etc/changed'), told.get('etc/kept')), ('deleted', 'added', None), 'changes')
    assert '.wh.more' in names(tar_of(daemon, 'work', 'other'))
    equal(changes(daemon, 'base', 'base'), [], 'a layer beside itself')


@case('chains: what lies below is what they show together')
def chains(daemon):
    create(daemon, 'l0')
    fill(daemon, 'l0', ('a', b'0'), ('b', b'0'))
    for number in range(1, 5):
        create(daemon, f'l{number}', f'l{number - 1}')
        fill(daemon, f'l{number}', ('a', str(number).encode()), ('.wh.b', b'') if number == 2 else (f'f{number}', b'y'))
    equal([one[:2] for one in changes(daemon, 'l4', 'l3') if one[1]], [('modified', 'a'), ('added', 'f4')], 'beside its parent')
    equal(sorted(one for one in names(tar_of(daemon, 'l4')) if one not in ('.', './')), ['a', 'f1', 'f3', 'f4'], 'all of it')
    told = {path: kind for kind, path, _ in changes(daemon, 'l4', 'l0')}
    equal((told['a'], told['b'], told['f1']), ('modified', 'deleted', 'added'), 'beside the lowest')


@case('while it is read a layer stays; whoever stops reading ends it, and is the only one who hears of it')
def held(daemon):
    create(daemon, 'base')
    fill(daemon, 'base', *((f'small-{i}', b'x' * 20000) for i in range(400)))
    fd = open_tar(daemon, 'base')
    name, text = error_of(daemon, 'RemoveLayer', 'sa{sv}', 'base', {})
    equal(name, ERROR + 'LayerInUse', text)
    contains(text, 'is being read by Diff')
    os.close(fd)
    eventually(lambda: 'Diff of layer base ended before its end: nobody reads it any more' in daemon.log(), 'the log tells', 20)
    call(daemon, 'RemoveLayer', 'sa{sv}', 'base', {})


@case('names that are no text are told with escapes, and are themselves in a tar')
def bytes_names(daemon):
    create(daemon, 'base')
    create(daemon, 'odd', 'base', '--read-write')
    name = b'bad\xff'
    with open(os.path.join(os.fsencode(directory_of(daemon, 'odd')), name), 'wb'):
        pass
    equal([one[:2] for one in changes(daemon, 'odd', 'base') if one[1]], [('added', 'bad\\xff')], 'changes')
    contains(daemon.ok('layer', 'changes', 'odd'), 'bad')
    assert os.fsdecode(name) in names(tar_of(daemon, 'odd', 'base')), names(tar_of(daemon, 'odd', 'base'))


@case('deep trees are told to their end')
def deep(daemon):
    depth = 300
    create(daemon, 'base')
    create(daemon, 'deep', 'base', '--read-write')
    where = os.open(directory_of(daemon, 'deep'), os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(depth):
        os.mkdir('d', dir_fd=where)
        inner = os.open('d', os.O_RDONLY | os.O_DIRECTORY, dir_fd=where)
        os.close(where)
        where = inner
    os.close(where)
    equal(len([one for one in changes(daemon, 'deep', 'base') if one[1]]), depth, 'changes')
    equal(max(name.count('d') for name in names(tar_of(daemon, 'deep', 'base'))), depth, 'the deepest')


def workers():
    found = subprocess.run(['pgrep', '-x', 'podmount-read'], stdout=subprocess.PIPE, text=True, check=False).stdout.split()
    return [int(pid) for pid in found]


@case('a worker that is killed leaves a tar without an end, and nothing else')
def killed(daemon):
    create(daemon, 'base')
    fill(daemon, 'base', ('big', b'x' * 8000000))
    fd = open_tar(daemon, 'base')
    eventually(lambda: len(workers()) >= 1, 'it works')
    for pid in workers():
        os.kill(pid, signal.SIGKILL)
    data = read_all(fd)
    assert len(data) < 8000000, len(data)
    eventually(lambda: 'Diff of layer base ended before its end' in daemon.log(), 'the log tells', 20)
    equal(len(tar_of(daemon, 'base')) > 8000000, True, 'the next one is whole')
    eventually(lambda: workers() == [], 'no worker is left')


@case('the directory of a layer, to be read file by file, and nothing else')
def opened(daemon):
    stack(daemon)
    fd = call(daemon, 'OpenDiff', 's', 'work').take()
    equal(sorted(os.listdir(fd)), ['etc', 'new', 'old'], 'what is in it')
    assert stat.S_ISCHR(os.stat('etc/gone', dir_fd=fd, follow_symlinks=False).st_mode)
    try:
        os.open('written', os.O_CREAT | os.O_WRONLY, dir_fd=fd)
        raise AssertionError('it can be written to')
    except OSError as error:
        equal(error.errno, errno.EROFS, 'error')
    os.close(fd)


@case('what is not there is refused by name')
def refused(daemon):
    create(daemon, 'base')
    for method, signature, arguments in (('Diff', 'ssa{sv}', ('base', 'none', {})), ('Changes', 'ss', ('none', '')), ('DiffSize', 'ss', ('base', 'none')),
            ('OpenDiff', 's', ('none',))):
        name, text = error_of(daemon, method, signature, *arguments)
        equal(name, ERROR + 'NoSuchLayer', text)
        contains(text, 'none')


@case('podmountctl: to a file or through a pipe, a table, JSON, a number')
def client(daemon):
    stack(daemon)
    out = f'{daemon.directory}/out.tar'
    daemon.ok('layer', 'diff', 'work', out, '--parent', 'base')
    with open(out, 'rb') as tar:
        equal(tar.read() == tar_of(daemon, 'work', 'base'), True, 'the file')
    text = daemon.ok('layer', 'changes', 'work', '--parent', 'base')
    contains(text, 'deleted')
    contains(text, 'etc/gone')
    equal({one['Path']: one['Kind'] for one in daemon.json('layer', 'changes', 'work', '--parent', 'base')}['etc/gone'], 'deleted', 'JSON')
    equal(daemon.ok('layer', 'size', 'work', '--parent', 'base').strip(), '10', 'size')


if __name__ == '__main__':
    backing.prepare()
    tap.run(Stage)
