#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The disk is full at some point of CreateLayer, ApplyDiff, RemoveLayer and ImportImage: the answer says so, a layer is whole or not there, all works
again when there is room, and after a restart nothing lies below the state directory that no record names.

PODMOUNT_ROOMS is how many sizes of what is left are tried for each (12 unless told)."""

import contextlib
import errno
import itertools
import os
import subprocess

from frame import backing, host, tap
from frame.daemon import Stage
from frame.layers import apply_file, call, content, create, differences, directory_of, entry, listed, make_tar, on_disk, tried
from frame.layouts import Layout, import_image, tar_of
from frame.tap import case, equal, eventually

ROOMS = int(os.environ.get('PODMOUNT_ROOMS', '12'))
PAGE = 4096
SIZE, INODES = 8 << 20, 2000


class Small(Stage):
    """A daemon whose state directory is a small tmpfs."""

    def __init__(self):
        super().__init__(start=False)
        self.disk = f'{self.directory}/state'
        os.mkdir(self.disk)
        subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={SIZE},nr_inodes={INODES},mode=0700', 'tmpfs', self.disk], check=True)
        self.start()

    @contextlib.contextmanager
    def left(self, pages=None, inodes=None):
        """No more than this can be used meanwhile."""
        path, numbers = f'{self.disk}/filler', itertools.count()
        os.mkdir(path)

        def fill():
            with open(f'{path}/file', 'wb') as file:
                if pages is not None:
                    st = os.statvfs(self.disk)
                    os.posix_fallocate(file.fileno(), 0, max(PAGE, st.f_bavail * st.f_frsize - pages * PAGE))
            if inodes is not None:
                for _ in range(os.statvfs(self.disk).f_favail - inodes):
                    os.mknod(f'{path}/{next(numbers)}')

        def filled():
            """Not if the daemon has taken something of what was left since that was asked for: what it does after an answer."""
            try:
                fill()
                return True
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                return False
        try:
            eventually(filled, 'the disk is filled')
            yield
        finally:
            subprocess.run(['rm', '-r', path], check=True)


def works(function, *arguments):
    last = []

    def done():
        last[:] = [tried(function, *arguments)]
        return last == [None]
    try:
        eventually(done, 'it works again', 10, 0.2)
    except AssertionError as error:
        raise AssertionError(f'{error}: {last[0]}') from None


def restarted(daemon):
    daemon.restart()
    eventually(lambda: daemon.json('layer', 'status')['Removing'] == 0, 'removals have come to their end', 20)
    eventually(lambda: on_disk(daemon) == listed(daemon), 'what is on the disk is on record', 20)


def remove(daemon, ident):
    call(daemon, 'RemoveLayer', 'sa{sv}', ident, {})


def remove_all(daemon):
    for layer in reversed(daemon.json('layer', 'list')):
        remove(daemon, layer['ID'])
    eventually(lambda: on_disk(daemon) == [], 'all are removed', 20)


def undated(directory):
    """What lies there, without what the clock says of directories."""
    return {name: text if not text.startswith('d') else text[:10] for name, text in content(directory).items()}


def rooms(most):
    """What is left, from nothing to enough."""
    return sorted({round(most * number / (ROOMS - 1)) for number in range(ROOMS)})


def every(daemon, what, check, most_pages, most_inodes):
    """Tries it with each room; `check` sees what it came to, before and after a restart."""
    told = {}
    for kind, most in (('pages', most_pages), ('inodes', most_inodes)):
        for number, room in enumerate(rooms(most)):
            with daemon.left(**{kind: room}):
                result = tried(what)
            told[result is None] = told.get(result is None, 0) + 1
            try:
                equal(result is None or 'QuotaExceeded' in result, True, 'it says that there is no room')
                if number % 2:
                    restarted(daemon)
                check(result is None)
                if result:
                    works(what)
                    check(True)
                remove_all(daemon)
            except BaseException:
                tap.diagnose(f'with {room} {kind} left: {result}')
                raise
    restarted(daemon)
    tap.diagnose(f'no room: {told.get(False, 0)}, enough: {told.get(True, 0)}')
    equal(told.get(False, 0) > 1 and told.get(True, 0) > 1, True, 'some fail, some do not')


@case('CreateLayer')
def creating(daemon):
    def check(done):
        equal(('one' in listed(daemon)) in ([True] if done else [True, False]), True, 'it is there')
        if 'one' in listed(daemon):
            equal(sorted(os.listdir(f'{daemon.directory}/state/layers/one')), ['diff', 'meta', 'work'], 'what there is')
    every(daemon, lambda: call(daemon, 'CreateLayer', 'ssa{sv}', 'one', '', {}), check, 40, 12)


@case('ApplyDiff and RemoveLayer')
def applying(daemon):
    attributes = {'SCHILY.xattr.user.x': 'y' * 3000} if backing.knows_attributes(daemon.disk) else {}
    tar = make_tar(f'{daemon.directory}/it.tar', ('d/', None), *[(f'd/{number}', os.urandom(9000)) for number in range(12)],
            (entry('d/attributes', pax_headers=attributes), b'x'), ('g/h/i', b'i'))
    create(daemon, 'wanted')
    apply_file(daemon, 'wanted', tar)
    wanted = undated(directory_of(daemon, 'wanted'))
    remove_all(daemon)

    def what():
        if 'one' not in listed(daemon):
            call(daemon, 'CreateLayer', 'ssa{sv}', 'one', '', {})
        apply_file(daemon, 'one', tar)

    def check(done):
        if done or ('one' in listed(daemon) and len(undated(directory_of(daemon, 'one'))) > 1):
            equal(differences(undated(directory_of(daemon, 'one')), wanted), {}, 'what is applied')
        if done:
            with daemon.left(pages=0, inodes=0):
                result = tried(remove, daemon, 'one')
            equal(result is None or 'QuotaExceeded' in result, True, f'removed: {result}')
            equal('one' in listed(daemon), result is not None, f'it is there: {result}')
            works(remove, daemon, 'one')
    every(daemon, what, check, 120, 60)


@case('ImportImage')
def importing(daemon):
    layout = Layout(f'{host.DIRECTORY}/image')
    layout.image([tar_of(*[(f'a{number}', os.urandom(9000)) for number in range(8)]), tar_of(('.wh.a1', b''), ('c', os.urandom(70000)))])
    import_image(daemon, layout.path)
    wanted = {ident: undated(directory_of(daemon, ident)) for ident in listed(daemon)}
    remove_all(daemon)

    def check(done):
        there = listed(daemon)
        equal(len(there) == len(wanted) or not done, True, f'{there}')
        for ident in there:
            equal(differences(undated(directory_of(daemon, ident)), wanted[ident]), {}, ident)
    every(daemon, lambda: import_image(daemon, layout.path), check, 140, 60)


if __name__ == '__main__':
    backing.prepare()
    tap.run(Small)
