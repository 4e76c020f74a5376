#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What layers are for: a real Debian as a base, a package installed in a container that stands on a layer on it and another one removed, and what
that changed applied to a second layer, in which the same is installed."""

import subprocess

from frame import backing, debian, tap
from frame.daemon import Stage
from frame.layers import apply_file, changes, content, create, differences, get, put, tar_of, write_bytes
from frame.tap import case, contains, equal


def pod_on(daemon, layer):
    return daemon.create({'podmount': 1, 'name': f'on-{layer}', 'containers': [{'name': 'main', 'root': {'layer': layer}}]})


def base(daemon):
    tar = f'{daemon.directory}/base.tar'
    subprocess.run(['tar', '-c', '--format=posix', '--xattrs', '--numeric-owner', '-f', tar, '-C', debian.base(), '.'], check=True, stderr=subprocess.DEVNULL)
    create(daemon, 'base')
    apply_file(daemon, 'base', tar)
    equal(differences(content(get(daemon, 'base')), content(debian.base())), {}, 'the base')
    put(daemon, 'base')


def install(daemon, package):
    """In a pod on the layer `work`, which is gone afterwards."""
    pod = pod_on(daemon, 'work')
    root = daemon.rootfs(pod)
    subprocess.run(['cp', package, f'{root}/root/it.deb'], check=True)
    debian.run_in(root, 'dpkg -i /root/it.deb; rm /root/it.deb; dpkg --purge --force-depends tzdata; rm -r /usr/share/doc; mkdir /usr/share/doc')
    contains(debian.run_in(root, 'hello'), 'Hello, world!')
    daemon.ok('gc', pod)


def check_changes(daemon):
    told = {path: kind for kind, path, _ in changes(daemon, 'work', 'base')}
    wanted = {'usr/bin/hello': 'added', 'var/lib/dpkg/info/hello.list': 'added', 'var/lib/dpkg/status': 'modified', 'usr/share/zoneinfo': 'deleted',
            'var/lib/dpkg/info/tzdata.list': 'deleted', 'usr/share/doc/dpkg': 'deleted', 'root/it.deb': None, 'usr/bin/dpkg': None}
    equal({path: told.get(path) for path in wanted}, wanted, 'changes')


@case('what a package and its removal change in a container is told, and is installed where that is applied')
def installed(daemon):
    package = debian.package('hello')
    base(daemon)
    create(daemon, 'work', 'base', '--read-write')
    install(daemon, package)
    data = tar_of(daemon, 'work', 'base')
    tap.diagnose(f'a diff of {len(data)} bytes')
    check_changes(daemon)
    create(daemon, 'other', 'base', '--read-write')
    write_bytes(f'{daemon.directory}/diff.tar', data)
    apply_file(daemon, 'other', f'{daemon.directory}/diff.tar')
    equal(differences(content(get(daemon, 'other')), content(get(daemon, 'work'))), {}, 'the two')
    put(daemon, 'other')
    put(daemon, 'work')
    equal(tar_of(daemon, 'other', 'base') == data, True, 'the same tar')
    pod = pod_on(daemon, 'other')
    said = debian.run_in(daemon.rootfs(pod), 'dpkg -l hello | tail -1; hello; dpkg -V hello; dpkg -l tzdata 2>&1 | tail -1; ls /usr/share/doc')
    contains(said, 'ii  hello ', 'what dpkg knows')
    contains(said, 'Hello, world!', 'what runs')
    contains(said, 'no packages found matching tzdata', 'what is gone')
    equal(said.rstrip('\n').split('\n')[-1].startswith('dpkg-query: '), True, 'nothing else: no file of it has changed, and nothing has documents')
    daemon.ok('gc', pod)


if __name__ == '__main__':
    backing.prepare()
    tap.run(Stage)
