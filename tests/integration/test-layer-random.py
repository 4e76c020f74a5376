#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Random trees and random changes in layers that are mounted, or that a container stands on: Diff, applied to a layer on a copy of the parent,
is what was seen, and gives the same tar again; Changes and DiffSize agree with a plain comparison of the trees.

PODMOUNT_SEED is which, PODMOUNT_ROUNDS how many (4 unless told).
"""

import errno
import os
import random
import shutil
import stat
import struct
import subprocess
import time

from frame import backing, tap
from frame.daemon import Stage
from frame.layers import apply_file, changes, content, create, differences, directory_of, get, put, size, tar_of, write_bytes
from frame.tap import case, equal

SEED = int(os.environ.get('PODMOUNT_SEED', str(int(time.time()))))
ROUNDS = int(os.environ.get('PODMOUNT_ROUNDS', '4'))
NAMES = ['a', 'b', 'c', 'd', 'n' * 120, 'ü']
NOBODY = 0xffffffff


class Changer:
    """Does this and that to a tree. What cannot be done is not: there are others."""

    def __init__(self, chance, top):
        self.chance, self.top = chance, top

    def pick(self, depth=None):
        """One of few names, three directories deep at most, so that they meet."""
        depth = self.chance.randrange(4) if depth is None else depth
        return os.path.join(self.top, *[self.chance.choice(NAMES) for _ in range(depth + 1)])

    def write(self):
        path = self.pick()
        if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
            return  # devices do things when they are opened
        with open(path, self.chance.choice(['wb', 'r+b', 'ab']), opener=lambda path, flags: os.open(path, flags | os.O_NOFOLLOW, 0o666)) as file:
            file.seek(self.chance.choice([0, 0, 100, 70000, 500000]))
            file.write(self.chance.randbytes(self.chance.choice([0, 1, 100, 5000, 70000])))
            if self.chance.random() < 0.2:
                file.truncate(self.chance.choice([0, 50, 100000]))

    def mkdir(self):
        os.mkdir(self.pick(), 0o700 + self.chance.randrange(64))

    def tree(self):
        path = self.pick(self.chance.randrange(2))
        os.makedirs(f'{path}/inner')
        write_bytes(f'{path}/file', b'of a tree')

    def symlink(self):
        """None leads to anything that is there outside: what is written through one is written here."""
        os.symlink(self.chance.choice(['a', './b', '/no/such/place', 'x' * 250, 'c/../' * 50 + 'd']), self.pick())

    def link(self):
        os.link(self.pick(), self.pick(), follow_symlinks=False)

    def node(self):
        kind = self.chance.choice([stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK])
        os.mknod(self.pick(), kind | 0o600, os.makedev(1 + self.chance.randrange(300), self.chance.randrange(300)) if kind != stat.S_IFIFO else 0)

    def rename(self):
        """Also over directories; as mv does it where overlayfs does not move a directory."""
        source, target = self.pick(), self.pick()
        if os.path.isdir(target) and self.chance.random() < 0.5 and not source.startswith(target) and not target.startswith(source) and os.path.lexists(source):
            self.remove_path(target)
        try:
            os.rename(source, target)
        except OSError as error:  # EINVAL: a symlink leads from the target into the source
            if error.errno == errno.EXDEV and not os.path.lexists(target):
                subprocess.run(['mv', source, target], check=True)

    def exchange(self):
        """A directory and what is beside it, by three renames."""
        one, other = self.pick(0), self.pick(0)
        if one != other and os.path.lexists(one) and os.path.lexists(other):
            for source, target in ((one, f'{one}.x'), (other, one), (f'{one}.x', other)):
                subprocess.run(['mv', source, target], check=True)

    def remove_path(self, path):
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)

    def remove(self):
        self.remove_path(self.pick())

    def replace(self):
        """By a directory that hides what is below, with something in it or not."""
        path = self.pick(self.chance.randrange(2))
        self.remove_path(path)
        os.mkdir(path)
        if self.chance.random() < 0.5:
            write_bytes(f'{path}/{self.chance.choice(NAMES)}', b'new')

    def chmod(self):
        path = self.pick()
        if not os.path.islink(path):
            os.chmod(path, self.chance.randrange(0o10000))

    def chown(self):
        os.chown(self.pick(), self.chance.randrange(3000000), self.chance.randrange(70000), follow_symlinks=False)

    def times(self):
        os.utime(self.pick(), ns=(0, self.chance.randrange(-10 ** 9, 2 * 10 ** 9) * 10 ** 9 + self.chance.randrange(10 ** 9)), follow_symlinks=False)

    def attribute(self):
        os.setxattr(self.pick(), self.chance.choice(['user.a', 'user.b']), self.chance.randbytes(self.chance.choice([0, 3, 900])), follow_symlinks=False)

    def no_attribute(self):
        path = self.pick()
        for name in os.listxattr(path, follow_symlinks=False):
            os.removexattr(path, name, follow_symlinks=False)

    def access(self):
        entries = [(1, 7, NOBODY), (2, self.chance.randrange(8), self.chance.randrange(70000)), (4, 4, NOBODY), (16, 6, NOBODY), (32, 0, NOBODY)]
        value = struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *entry) for entry in entries)
        os.setxattr(self.pick(), f'system.posix_acl_{self.chance.choice(["access", "default"])}', value, follow_symlinks=False)

    def capability(self):
        path, value = self.pick(), struct.pack('<IIIII', 0x02000001, 1 << self.chance.randrange(30), 0, 0, 0)
        if stat.S_ISREG(os.lstat(path).st_mode):  # what else has some, has them for nothing
            os.setxattr(path, 'security.capability', value)

    ALL = [write] * 4 + [mkdir] * 2 + [tree, symlink, link, link, node, rename, rename, exchange, remove, replace, chmod, chown, times, attribute, no_attribute,
            access, capability]

    def some(self, count):
        for _ in range(count):
            try:
                self.chance.choice(self.ALL)(self)
            except OSError:
                pass


def compared(now, then):
    """The kinds of changes between two contents, by path. What lies in a directory that is gone, or none any more, goes with it."""
    found = {}
    for path in now.keys() | then.keys():
        above = os.path.dirname(path)
        if path not in then:
            found[path] = 'added'
        elif path in now:
            if now[path] != then[path]:
                found[path] = 'modified'
        elif now.get(above, '').startswith('d'):
            found[path] = 'deleted'
    return found


def groups_of(found):
    """The names that are one file with each, by name."""
    groups = {}
    for path, text in found.items():
        if not text.startswith('d'):
            groups.setdefault(text.rsplit(' ', 1)[1], set()).add(path)
    return {path: group for group in groups.values() for path in group}


def left_alone(now, then):
    """Files that are as they were, but for other names, which are gone or something else by now: whoever does that to those has these as they are."""
    groups, before = groups_of(now), groups_of(then)

    def same(path):
        return now.get(path, '').rsplit(' ', 1)[0] == then[path].rsplit(' ', 1)[0]
    return {path for path in groups.keys() & before.keys()
            if same(path) and groups[path] < before[path] and not any(same(name) for name in before[path] - groups[path])}


def exact(told, now, then):
    """Kinds and paths, without files that are told for being one with others than before: the name that comes first is as it was then."""
    groups, before, alone = groups_of(now), groups_of(then), left_alone(now, then)
    return [(kind, path) for kind, path, detail in told
            if detail != 'links' or path not in alone and (now[path] != then[path] or groups[path] == before[path])]


def size_of(where, paths):
    """Of the regular files among them, one with many names once."""
    found = {}
    for path in paths:
        st = os.lstat(os.path.join(where, path))
        if stat.S_ISREG(st.st_mode):
            found[st.st_ino] = st.st_size
    return sum(found.values())


def base(daemon, chance, name):
    """A random tree as a layer, twice."""
    source = f'{daemon.directory}/source-{name}'
    os.mkdir(source)
    Changer(chance, source).some(100)
    path = f'{source}.tar'
    subprocess.run(['tar', '--format=posix', '--xattrs', '--xattrs-include=*', '--acls', '--sparse', '-cf', path, '-C', source, '.'], check=True,
            stderr=subprocess.DEVNULL)
    create(daemon, name)
    apply_file(daemon, name, path)
    create(daemon, f'{name}-copy')
    whole = f'{source}-again.tar'
    write_bytes(whole, tar_of(daemon, name))
    apply_file(daemon, f'{name}-copy', whole)


class Mounted:
    """A layer that is written to where GetLayer mounts it."""

    def __init__(self, daemon, ident):
        self.daemon, self.ident = daemon, ident
        self.where = get(daemon, ident)

    def end(self):
        put(self.daemon, self.ident)


class Standing:
    """One that is written to as the root of a container."""

    def __init__(self, daemon, ident):
        self.daemon = daemon
        self.pod = daemon.create({'podmount': 1, 'mandatoryMounts': False, 'containers': [{'name': 'main', 'root': {'layer': ident}, 'mounts': []}]})
        self.where = daemon.rootfs(self.pod)

    def end(self):
        self.daemon.ok('gc', self.pod)


def check_changes(daemon, work, parent, now, then, where):
    """Beside another layer of the same content, and beside its own parent, where what was copied up counts, too."""
    wanted = {path: kind for path, kind in compared(now, then).items() if path not in left_alone(now, then)}
    told = exact(changes(daemon, work, f'{parent}-copy'), now, then)
    equal(sorted(told, key=lambda one: one[1]), sorted(((kind, path) for path, kind in wanted.items()), key=lambda one: one[1]), 'changes of two trees')
    equal(size(daemon, work, f'{parent}-copy'), size_of(where, [path for path, kind in wanted.items() if kind != 'deleted']), 'size of the changes')
    own = {path: kind for kind, path, _ in changes(daemon, work, parent)}
    equal({path: (own.get(path), kind) for path, kind in wanted.items() if own.get(path) != kind}, {}, 'changes of the layer')
    equal([path for path in own if path not in wanted and (own[path] != 'modified' or now.get(path, 'd').startswith('d') and not is_opaque(daemon, work, path))],
        [], 'changes that are none')


def is_opaque(daemon, ident, path):
    """Whether it is a directory in the place of another, which may be like it."""
    directory = f'{directory_of(daemon, ident)}/{path}'
    return b'y' in [os.getxattr(directory, name) for name in os.listxattr(directory) if name.endswith('overlay.opaque')]


def one_round(daemon, chance, number):
    parent, work, copy = f'base{number}', f'work{number}', f'copy{number}'
    base(daemon, chance, parent)
    create(daemon, work, parent, '--read-write')
    place = (Standing if number % 2 else Mounted)(daemon, work)
    Changer(chance, place.where).some(120)
    place.end()
    where = get(daemon, work)
    now, then = content(where), content(get(daemon, parent))
    data = tar_of(daemon, work, parent)
    write_bytes(f'{daemon.directory}/{work}.tar', data)
    create(daemon, copy, f'{parent}-copy', *(['--read-write'] if chance.random() < 0.5 else []))
    apply_file(daemon, copy, f'{daemon.directory}/{work}.tar')
    equal(differences(content(get(daemon, copy)), now), {}, 'the copy')
    equal(tar_of(daemon, copy, f'{parent}-copy') == data, True, 'the same tar')
    check_changes(daemon, work, parent, now, then, where)
    for ident in (work, copy, parent):
        put(daemon, ident)


@case(f'random changes are told, applied to a copy, and told again: PODMOUNT_SEED={SEED}')
def changed(daemon):
    chance = random.Random(SEED)
    for number in range(ROUNDS):
        try:
            one_round(daemon, random.Random(chance.getrandbits(32)), number)
        except BaseException:
            tap.diagnose(f'in round {number} of PODMOUNT_SEED={SEED}')
            raise


if __name__ == '__main__':
    backing.prepare()
    tap.run(Stage)
