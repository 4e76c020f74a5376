#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""State directories on file systems that cannot carry layers: Status says which it is and what it lacks, what would write a layer is refused
with what to change, and so is what would mount layers on each other."""

import io
import json
import os
import subprocess
import tarfile

from frame import ecryptfs, host, tap
from frame.daemon import ERROR, Stage
from frame.layers import apply_error, create, directory_of, error_of, get, listed, make_tar, put, read, write
from frame.layers import tar_of as tar_of_layer
from frame.layouts import Layout, import_error, tar_of
from frame.tap import case, contains, equal, eventually


class Moved(Stage):
    """A daemon whose state directory, with layers in it, was moved to what `mount` mounts at the path that it is given."""

    def __init__(self, mount):
        super().__init__(start=False)
        self.state = f'{self.directory}/state'
        try:
            self.start()
            create(self, 'base', a='a')
            create(self, 'child', 'base', b='b')
            create(self, 'work', 'child', '--read-write', c='c')
            create(self, 'lone', None, '--read-write', d='d')
            self.stop()
            os.rename(self.state, f'{self.directory}/before')
            os.mkdir(self.state, 0o700)
            mount(self.state)
            subprocess.run(['cp', '-a', f'{self.directory}/before/.', self.state], check=True)
            self.start()
        except BaseException:
            self.__exit__()
            raise


def checked(daemon, name, missing, **found):
    """What Status says of this file system; each call that would make a layer or an overlay says the same, and changes nothing."""
    status = daemon.json('layer', 'status')
    equal({key: status[key] for key in ('FileSystem', 'Usable', *found)}, {'FileSystem': name, 'Usable': False, **found}, 'status')
    reason = f'{daemon.state} lies on {name}, which {missing}: let --state-dir lie on ext4, xfs, btrfs or tmpfs'
    equal(status['Reason'], reason, 'status')
    refusal = (ERROR + 'NotSupported', reason)
    equal(error_of(daemon, 'CreateLayer', 'ssa{sv}', 'new', '', {}), refusal, 'CreateLayer')
    with open(make_tar(f'{daemon.directory}/x.tar', ('x', b'x')), 'rb') as tar:
        equal(apply_error(daemon, 'base', tar.fileno()), refusal, 'ApplyDiff')
    layout = Layout(f'{daemon.directory}/layout')
    layout.image([tar_of(('x', b'x'))])
    equal(import_error(daemon, layout.path), ': '.join(refusal), 'ImportImage')
    for ident in ('work', 'child'):
        equal(error_of(daemon, 'GetLayer', 'sa{sv}', ident, {}), refusal, f'GetLayer of {ident}')
        spec = {'podmount': 1, 'containers': [{'name': 'main', 'root': {'layer': ident}, 'mounts': []}]}
        contains(daemon.refused('create', '-', input=json.dumps(spec)), reason, f'a pod on {ident}')
    equal(listed(daemon), ['base', 'child', 'lone', 'work'], 'layers')
    equal(list(host.mounts_below(f'{daemon.runtime}/layers')), [], 'mounts')


def still_had(daemon):
    """What stands on nothing is a bind, and differences are read as ever."""
    equal(read(f'{get(daemon, "base")}/a'), 'a', 'the layer')
    put(daemon, 'base')
    path = get(daemon, 'lone')
    write(f'{path}/more', 'm')
    equal((read(f'{path}/d'), read(f'{directory_of(daemon, "lone")}/more')), ('d', 'm'), 'the read-write layer')
    put(daemon, 'lone')
    with tarfile.open(fileobj=io.BytesIO(tar_of_layer(daemon, 'work', 'child'))) as tar:
        equal([name for name in tar.getnames() if name != '.'], ['c'], 'its diff')


def removable(daemon):
    """What is there can be removed, however deep it is, also where the file system renames without flags alone."""
    write(f'{get(daemon, "lone")}/other', 'o')
    put(daemon, 'lone')
    os.makedirs(f'{directory_of(daemon, "lone")}/a/b/c/d')
    write(f'{directory_of(daemon, "lone")}/a/b/c/d/file', 'x')
    os.makedirs(f'{directory_of(daemon, "work")}/1/2/1/2')
    for ident in ('lone', 'work', 'child'):
        daemon.ok('layer', 'remove', ident)
    eventually(lambda: daemon.json('layer', 'status')['Removing'] == 0, 'all of them are gone')
    daemon.ok('layer', 'cleanup')
    equal(listed(daemon), ['base'], 'layers')
    equal(os.listdir(f'{daemon.state}/layers'), ['base'], 'their directories')
    daemon.stop()
    daemon.start()
    equal((listed(daemon), os.listdir(f'{daemon.state}/layers')), (['base'], ['base']), 'after a restart')


@case('on a ramfs, which keeps no attributes')
def on_ramfs():
    with Moved(lambda path: subprocess.run(['mount', '-t', 'ramfs', '-o', 'mode=0700', 'ramfs', path], check=True)) as daemon:
        checked(daemon, 'ramfs', 'does not keep trusted.overlay attributes', TellsTypes=True, Attributes=False)
        still_had(daemon)
        removable(daemon)


@case('on an ecryptfs, which makes no whiteouts and is no upper directory')
def on_ecryptfs():
    ecryptfs.needed()

    def mount(path):
        os.mkdir(f'{path}-encrypted', 0o700)
        ecryptfs.mount(f'{path}-encrypted', path)

    with Moved(mount) as daemon:
        checked(daemon, 'ecryptfs', 'cannot leave a whiteout behind when it renames', TellsTypes=True, Attributes=True, Whiteouts=False, Upper=False)
        still_had(daemon)
        removable(daemon)


if __name__ == '__main__':
    host.prepare()
    tap.run()
