#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Layers are mounted alike whatever the parameters of the kernel's overlay module have made the defaults."""

import contextlib
import os

from frame import backing, host, tap
from frame.daemon import Stage
from frame.layers import create, directory_of, get, put, read, write
from frame.tap import Skip, case, equal

PARAMETERS = '/sys/module/overlay/parameters'
SETTLED = {'redirect_dir=nofollow', 'metacopy=off', 'index=off', 'nfs_export=off'}


@contextlib.contextmanager
def defaults(**wanted):
    """Other ones, for as short as it can be, for they are the whole host's."""
    before = {}
    try:
        for name, value in wanted.items():
            path = f'{PARAMETERS}/{name}'
            try:
                before[path] = read(path).strip()
                write(path, value)
            except OSError as error:
                raise Skip(f'the default of {name} cannot be changed here: {error.strerror}') from None
        yield
    finally:
        for path, value in reversed(before.items()):
            write(path, value)


def options_of(path):
    """Those of the file system that is mounted there, as the kernel says them: it is silent on what is its default."""
    with open('/proc/self/mountinfo') as file:
        lines = [line.split(' - ') for line in file]
    return set(next(after.split(' ', 2)[2].strip() for before, after in lines if host.unescape(before.split()[4]) == path).split(','))


@case('an overlay of layers is made as ever where the defaults are others: no redirects, metacopy, index and nfs_export')
def others(daemon):
    create(daemon, 'base', file='x')
    create(daemon, 'top', 'base')
    create(daemon, 'written', 'base', '--read-write')
    for ident in ('top', 'written'):
        with defaults(redirect_dir='Y', metacopy='Y', index='Y', nfs_export='Y'):
            path = get(daemon, ident)
            found = options_of(path)
        equal(SETTLED - found, set(), f'of {ident}: {sorted(found)}')
        put(daemon, ident)
    equal(os.path.exists(f'{daemon.directory}/state/layers/written/work/index'), False, 'an index')


@case('a read-write layer is mounted on a copy of what it was first mounted on')
def moved(daemon):
    create(daemon, 'base', file='x')
    create(daemon, 'written', 'base', '--read-write')
    with defaults(index='Y'):
        write(f'{get(daemon, "written")}/file', 'y')
    put(daemon, 'written')
    place = directory_of(daemon, 'base')
    os.rename(place, f'{place}.old')
    os.mkdir(place, 0o755)
    write(f'{place}/file', 'x')
    with defaults(index='Y'):
        path = get(daemon, 'written')
    equal(read(f'{path}/file'), 'y', 'what was written')
    put(daemon, 'written')


if __name__ == '__main__':
    backing.prepare()
    tap.run(Stage)
