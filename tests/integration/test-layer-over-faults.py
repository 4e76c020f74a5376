#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each system call that executors and workers make for ApplyDiff into a layer that has content fails once: the layer has what it had, or all of both,
and nothing lies beside it after a restart."""

import os
import tarfile

from frame import backing, tap
from frame.daemon import Stage
from frame.faults import SEED
from frame.layer_faults import Operation, again, remove_all, run
from frame.layers import apply_file, content, create, differences, directory_of, entry, listed, make_tar
from frame.tap import case, equal, eventually


def directory(name, mtime):
    return entry(name, tarfile.DIRTYPE, mode=0o751, mtime=mtime), None


FIRST = [
        directory('.', 1), directory('d', 2), directory('d/e', 3), directory('gone', 4), directory('hidden', 5), directory('kept', 6),
        (entry('d/a', mtime=7), b'a' * 70000), (entry('d/b', mtime=8, mode=0o4755), b'b'), (entry('d/c', tarfile.LNKTYPE, linkname='d/b'), None),
        (entry('d/e/f', mtime=9, pax_headers={'SCHILY.xattr.user.x': 'y'}), b'f'), (entry('gone/file', mtime=10), b'g'),
        (entry('hidden/file', mtime=11), b'h'), (entry('kept/link', tarfile.SYMTYPE, linkname='file'), None), (entry('kept/file', mtime=12), b'k'),
]
# A file replaced, one that a directory takes the place of, whiteouts of what the layer has and of what is below, links to what only the layer has.
SECOND = [
        (entry('d/a', mtime=20, uid=5), b'another'), directory('d/b', 21), (entry('d/b/in', mtime=22), b'in'), (entry('d/e/more', mtime=23), b'm' * 70000),
        (entry('.wh.gone'), b''), (entry('hidden/.wh..wh..opq'), b''), (entry('hidden/new', mtime=24), b'n'), (entry('.wh.below'), b''),
        (entry('kept/hard', tarfile.LNKTYPE, linkname='kept/file'), None), (entry('kept/hard-too', tarfile.LNKTYPE, linkname='d/c'), None),
]


class Over(Operation):
    """On another layer, so that what is deleted there stays so."""

    def __init__(self, daemon):
        super().__init__(daemon)
        self.first, self.second = (make_tar(f'{daemon.directory}/{name}.tar', *members) for name, members in (('first', FIRST), ('second', SECOND)))
        self.below = make_tar(f'{daemon.directory}/below.tar', ('below', b'x'), ('stays', b'y'))
        self.prepare('wanted')
        self.before = self.content('wanted')
        self.do(daemon, 'wanted')
        self.after = self.content('wanted')
        equal(sorted(self.after.keys() - self.before.keys()), ['below', 'd/b/in', 'd/e/more', 'hidden/new', 'kept/hard', 'kept/hard-too'], 'what is new')
        equal(sorted(self.before.keys() - self.after.keys()), ['gone', 'gone/file', 'hidden/file'], 'what is gone')
        remove_all(daemon)

    def content(self, ident):
        found = content(directory_of(self.daemon, ident))
        for name in ('', 'd', 'd/e', 'hidden', 'kept'):  # the second tar leaves these to the clock
            found[name] = found[name][:10]
        return found

    def prepare(self, ident):
        if 'under' not in listed(self.daemon):
            create(self.daemon, 'under')
            apply_file(self.daemon, 'under', self.below)
        create(self.daemon, ident, 'under')
        apply_file(self.daemon, ident, self.first)

    def do(self, daemon, ident):
        apply_file(daemon, ident, self.second)

    def check(self, ident, done, restarted=True):
        found = self.content(ident)
        wanted = self.after if done or differences(found, self.before) else self.before
        equal(differences(found, wanted), {}, f'{ident}, applied: {done}')
        beside = {'diff', 'meta', 'work'} | ({'tar-split'} if wanted is self.before else set())  # of one tar alone
        place = f'{self.daemon.directory}/state/layers/{ident}'
        try:
            eventually(lambda: set(os.listdir(place)) == beside or not restarted, f'nothing beside {ident}', 20)
        except AssertionError as error:
            raise AssertionError(f'{error}: {sorted(os.listdir(place))}, applied: {done}') from None

    def finish(self, ident):
        if not differences(self.content(ident), self.before):
            again(self.daemon, self.do, ident)
        equal(differences(self.content(ident), self.after), {}, f'{ident}, applied again')


@case(f'ApplyDiff over what a layer has, PODMOUNT_SEED={SEED}')
def over(daemon):
    run(daemon, Over(daemon))


if __name__ == '__main__':
    backing.prepare()
    tap.run(Stage)
