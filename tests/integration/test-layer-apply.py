#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""ApplyDiff: what a tar has becomes what a layer has, all of it or nothing, whatever the tar is made of."""

import os
import stat
import subprocess
import tarfile

from frame import host, tap
from frame.daemon import Stage
from frame.layers import apply, apply_error, content, differences, entry, make_tar
from frame.tap import case, contains, equal


@case('files, directories, links, FIFOs and attributes of a tar are what the layer has, compressed or not')
def plain(daemon):
    source = f'{daemon.directory}/source'
    os.makedirs(f'{source}/usr/bin')
    with open(f'{source}/usr/bin/tool', 'wb') as file:
        file.write(b'#!' + os.urandom(300000))
    os.chmod(f'{source}/usr/bin/tool', 0o6755)
    os.link(f'{source}/usr/bin/tool', f'{source}/usr/bin/alias')
    os.symlink('usr/bin', f'{source}/bin')
    os.mkfifo(f'{source}/fifo', 0o640)
    os.setxattr(f'{source}/usr', 'user.note', b'\x00\x01')
    os.chown(f'{source}/usr/bin', 1234, 4321)
    for path in ('usr/bin/tool', 'usr/bin', 'usr', 'fifo', 'bin', '.'):
        os.utime(f'{source}/{path}', ns=(1, 1600000000123456789), follow_symlinks=False)
    for name, option in [('plain', []), ('gzip', ['--gzip']), ('zstd', ['--zstd']), ('xz', ['--xz'])]:
        path = f'{daemon.directory}/{name}.tar'
        subprocess.run(['bsdtar', '-c', '--format=pax', '--xattrs', *option, '-f', path, '-C', source, '.'], check=True)
        daemon.ok('layer', 'create', '--id', name)
        equal(int(daemon.ok('layer', 'apply', name, path)), 300002, 'bytes')
        where = daemon.ok('layer', 'get', name).strip()
        equal(differences(content(where), content(source)), {}, name)
        equal(os.stat(f'{where}/usr/bin/tool').st_ino, os.stat(f'{where}/usr/bin/alias').st_ino, 'hard links')
        equal(os.stat(where).st_mtime_ns, 1600000000123456789, 'time of the root')
        daemon.ok('layer', 'put', name)


if __name__ == '__main__':
    host.prepare()
    tap.run(Stage)
