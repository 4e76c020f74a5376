#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What layers change, told: Diff, Changes, DiffSize and OpenDiff."""

import contextlib
import errno
import io
import os
import signal
import stat
import subprocess
import tarfile
import threading
import time

import dbus
import dbus.lowlevel

from frame import backing, host, tap
from frame.daemon import ERROR, LAYERS, PATH, Stage
from frame.layers import apply, call, changes, content, create, directory_of, error_of, fill, make_tar, open_tar, read_all, size, tar_of
from frame.tap import PATIENCE, case, contains, equal, eventually


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


def workers(daemon):
    """The processes that read layers for this daemon, and their guards."""
    found, parents = [], [daemon.keeper()]
    while parents:
        children = host.processes_of(parents.pop())
        parents += children
        found += [pid for pid, name in children.items() if name == 'podmount-read']
    return found


def kill_workers(daemon):
    for pid in workers(daemon):
        with contextlib.suppress(ProcessLookupError):  # the other one of a pair goes by itself
            os.kill(pid, signal.SIGKILL)


def unread(daemon, ident):
    """The end of a pipe that holds less than the tar of this layer, which is made."""
    create(daemon, ident)
    fill(daemon, ident, *((f'small-{i}', b'x' * 20000) for i in range(400)))
    return open_tar(daemon, ident)


@case('while it is read a layer stays; whoever stops reading ends it, and is the only one who hears of it')
def held(daemon):
    os.close(unread(daemon, 'base'))
    eventually(lambda: 'Diff of layer base ended before its end: nobody reads it any more' in daemon.log(), 'the log tells', 20)
    call(daemon, 'RemoveLayer', 'sa{sv}', 'base', {})


@case('what changes a layer that is being read waits for half a second, is refused then, and keeps nobody else waiting')
def patience(daemon):
    fd = unread(daemon, 'base')
    create(daemon, 'top', 'base')
    path = make_tar(f'{daemon.directory}/new.tar', ('new', b'new'))
    took = {}
    with open(path, 'rb') as tar:
        for method, ident, signature, arguments in (('ApplyDiff', 'base', 'sha{sv}', (dbus.types.UnixFd(tar.fileno()), {})),
                ('RemoveLayer', 'base', 'sa{sv}', ({},))):
            if method == 'RemoveLayer':
                call(daemon, 'RemoveLayer', 'sa{sv}', 'top', {})
            begun = time.monotonic()
            name, text = error_of(daemon, method, signature, ident, *arguments)
            took[method] = time.monotonic() - begun
            equal(name, ERROR + 'LayerInUse', text)
            contains(text, 'Layer base is being read by Diff')
    for method, seconds in took.items():
        equal(0.45 <= seconds <= 0.5 + 2 * PATIENCE, True, f'{method} was refused after {seconds:.3f} s')
    removals = []

    def waits():
        removals.append(threading.Thread(target=daemon.ctl, args=('layer', 'remove', 'base')))
        removals[-1].start()
        time.sleep(0.1)
        call(daemon, 'CreateLayer', 'ssa{sv}', 'other', '', {})
        call(daemon, 'RemoveLayer', 'sa{sv}', 'other', {})
        return removals[-1].is_alive()

    eventually(waits, 'it waits while another layer is removed')
    os.close(fd)
    for removal in removals:
        removal.join()
    equal(bool(call(daemon, 'LayerExists', 's', 'base')), False, 'it has been removed when nobody read it any more')


@case('what waits for the end of a reading goes on when that ends, before its own time is over')
def woken(daemon):
    def goes_on():
        fd = unread(daemon, 'base')
        begun = time.monotonic()
        removal = threading.Thread(target=call, args=(daemon, 'RemoveLayer', 'sa{sv}', 'base', {}))
        removal.start()
        time.sleep(0.1)
        os.close(fd)
        removal.join()
        seconds = time.monotonic() - begun
        call(daemon, 'RemoveLayer', 'sa{sv}', 'base', {})
        return seconds < 0.45

    eventually(goes_on, 'it goes on')


@case('who waits for the end of a reading may leave, or have no more time: then nothing comes of it')
def impatient(daemon):
    fd = unread(daemon, 'base')
    name, text = error_of(daemon, 'RemoveLayer', 'sa{sv}', 'base', {'timeout': dbus.UInt64(100000)})
    equal(name, ERROR + 'TimedOut', text)

    def ends():
        """How many callers left, and how many were refused first: on a slow machine."""
        log = daemon.log()
        return (log.count('The caller of RemoveLayer (uid 0) left: nothing was changed'),
                log.count('RemoveLayer base by uid 0: failed, Layer base is being read'))

    def leaves():
        known = ends()
        own = daemon.connection()
        own.call_blocking(None, PATH, 'org.freedesktop.DBus.Peer', 'Ping', '', ())
        message = dbus.lowlevel.MethodCallMessage(None, PATH, LAYERS, 'RemoveLayer')
        message.append('base', {}, signature='sa{sv}')
        own.send_message(message)
        own.flush()
        time.sleep(0.1)
        own.close()
        eventually(lambda: ends() != known, 'the log tells how it ended')
        return ends()[0] > known[0]

    eventually(leaves, 'its caller left while it waited')
    os.close(fd)
    eventually(lambda: 'Diff of layer base ended before its end: nobody reads it any more' in daemon.log(), 'the reading ends', 20)
    equal(bool(call(daemon, 'LayerExists', 's', 'base')), True, 'the layer is there')
    call(daemon, 'RemoveLayer', 'sa{sv}', 'base', {})


@case('whoever has read a tar to its end can remove the layer, or apply another one to it, at once; also after the end of a worker that was killed')
def at_once(daemon):
    own = daemon.connection()
    path = make_tar(f'{daemon.directory}/some.tar', ('a', b'a' * 100000))
    with open(path, 'rb') as tar:
        def add(ident):
            tar.seek(0)
            call(daemon, 'ApplyDiff', 'sha{sv}', ident, dbus.types.UnixFd(tar.fileno()), {}, connection=own)

        for number in range(30):
            ident = f'r{number}'
            call(daemon, 'CreateLayer', 'ssa{sv}', ident, '', {}, connection=own)
            add(ident)
            for change in (add, lambda ident: call(daemon, 'RemoveLayer', 'sa{sv}', ident, {}, connection=own)):
                read_all(open_tar(daemon, ident, connection=own))
                change(ident)
    own.close()
    fd = unread(daemon, 'base')
    kill_workers(daemon)
    read_all(fd)
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


@case('a worker that is killed leaves a tar without an end, and nothing else')
def killed(daemon):
    create(daemon, 'base')
    fill(daemon, 'base', ('big', b'x' * 8000000))
    fd = open_tar(daemon, 'base')
    eventually(lambda: len(workers(daemon)) >= 1, 'it works')
    kill_workers(daemon)
    data = read_all(fd)
    assert len(data) < 8000000, len(data)
    eventually(lambda: 'Diff of layer base ended before its end' in daemon.log(), 'the log tells', 20)
    equal(len(tar_of(daemon, 'base')) > 8000000, True, 'the next one is whole')
    eventually(lambda: workers(daemon) == [], 'no worker is left')


@case('what cannot be told in a tar leaves one without an end, and its reader is told why: the user who read it, until the next one')
def told_why(daemon):
    path = stack(daemon)
    out = f'{daemon.directory}/cut.tar'
    equal(daemon.json('layer', 'info', 'work')['LastDiffError'], '', 'before')
    for name in ('.wh.x', b'a\xffb'):
        os.mkdir(f'{path}/wrong')
        name = os.fsencode(name)
        open(os.path.join(os.fsencode(path), b'wrong', name if name.startswith(b'.wh.') else b'.wh.' + name), 'w').close()
        for words in ((out,), ()):
            said = daemon.refused('layer', 'diff', 'work', *words, '--parent', 'base')
            contains(said, 'The tar is incomplete, and nothing to use: /wrong/.wh.', 'why')
            contains(said, 'rename it', 'what to do')
        contains(daemon.json('layer', 'info', 'work')['LastDiffError'], '/wrong/.wh.', 'kept')
        subprocess.run(['rm', '-r', f'{path}/wrong'], check=True)
    daemon.ok('layer', 'diff', 'work', out, '--parent', 'base')
    equal(daemon.json('layer', 'info', 'work')['LastDiffError'], '', 'after one that is whole')


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
    equal(['modified', '/', 'time'] in [line.split() for line in text.splitlines()], True, text)
    equal([one['Path'] for one in daemon.json('layer', 'changes', 'work', '--parent', 'base')][0], '', 'the root in JSON')
    equal(daemon.ok('layer', 'size', 'work', '--parent', 'base').strip(), '10', 'size')


@case('names in tables turn nothing around and steer nothing, in any locale')
def hostile_names(daemon):
    create(daemon, 'base')
    fill(daemon, 'base', ('gpj.\u202eexe', b'1'), ('a\u2066b', b'2'), ('c\x1b[31m', b'3'), ('d\\x41', b'4'), ('über', b'5'))
    found = {}
    for locale in ('C.UTF-8', 'C'):
        os.environ['LC_ALL'] = locale
        text = daemon.ok('layer', 'changes', 'base')
        found[locale] = [line.split()[1] for line in text.splitlines()[1:]]
    equal(found['C.UTF-8'], ['/', 'a\\xe2\\x81\\xa6b', 'c\\x1b[31m', 'd\\x5cx41', 'gpj.\\xe2\\x80\\xaeexe', 'über'], 'UTF-8')
    equal(found['C'], found['C.UTF-8'][:-1] + ['\\xc3\\xbcber'], 'ASCII')


if __name__ == '__main__':
    backing.prepare()
    tap.run(Stage)
