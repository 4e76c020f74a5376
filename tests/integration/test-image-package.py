#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The whole way of an image: a real Debian that umoci made one of, imported; a package installed in a pod on it; what that changed put onto the image by umoci as
a layer more, and that imported. All that have it are alike: the layer that was written to, one that the diff was applied to, the image's, and umoci's own tree."""

import subprocess

from frame import backing, debian, tap
from frame.daemon import Stage
from frame.layers import apply_file, content, create, differences, get, put, tar_of, write_bytes
from frame.layouts import umoci, unpack
from frame.tap import case, contains, equal


def make_image(directory):
    layout, tar = f'{directory}/image', f'{directory}/base.tar'
    subprocess.run(['tar', '-c', '--xattrs', '--numeric-owner', '-f', tar, '-C', debian.base(), '.'], check=True, stderr=subprocess.DEVNULL)
    umoci('init', '--layout', layout)
    umoci('new', '--image', f'{layout}:v1')
    umoci('raw', 'add-layer', '--image', f'{layout}:v1', tar)
    return layout


def pod_on(daemon, name, layer):
    return daemon.create({'podmount': 1, 'name': name, 'containers': [{'name': 'main', 'root': {'layer': layer}}]})


def install(daemon, package):
    pod = pod_on(daemon, 'working', 'work')
    root = daemon.rootfs(pod)
    subprocess.run(['cp', package, f'{root}/root/it.deb'], check=True)
    debian.run_in(root, 'dpkg -i /root/it.deb; rm /root/it.deb; dpkg --purge --force-depends tzdata; rm -r /usr/share/doc; mkdir /usr/share/doc')
    daemon.ok('gc', pod)


def seen(daemon, layer):
    found = content(get(daemon, layer))
    put(daemon, layer)
    return found


@case('a package installed in a pod on an image that umoci made is a layer of the next image, and the same everywhere')
def whole_way(daemon):
    layout = make_image(daemon.directory)
    base = daemon.ok('layer', 'import', f'{layout}:v1').strip()
    create(daemon, 'work', base, '--read-write')
    install(daemon, debian.package('hello'))
    wanted, diff = seen(daemon, 'work'), f'{daemon.directory}/diff.tar'
    write_bytes(diff, tar_of(daemon, 'work', base))
    create(daemon, 'other', base, '--read-write')
    apply_file(daemon, 'other', diff)
    equal(differences(seen(daemon, 'other'), wanted), {}, 'a layer that the diff was applied to')
    umoci('raw', 'add-layer', '--image', f'{layout}:v1', '--tag', 'v2', diff)
    top = daemon.ok('layer', 'import', f'{layout}:v2').strip()
    equal(daemon.json('layer', 'info', top)['Parent'], base, 'the layer below is shared')
    equal(differences(seen(daemon, top), wanted), {}, 'the image with a layer more')
    with open(diff, 'rb') as file:
        equal(tar_of(daemon, top, base) == file.read(), True, 'its diff is the same tar')
    equal(differences(content(unpack(layout, 'v2', f'{daemon.directory}/bundle')), wanted), {}, "umoci's tree of that")
    pod = pod_on(daemon, 'running', top)
    said = debian.run_in(daemon.rootfs(pod), 'hello; dpkg -V hello; dpkg -l tzdata 2>&1 | tail -1; ls /usr/share/doc')
    contains(said, 'Hello, world!', 'what runs')
    equal(said.rstrip('\n').split('\n')[-1], 'dpkg-query: no packages found matching tzdata', 'what is gone, and that nothing has changed')
    daemon.ok('gc', pod)


if __name__ == '__main__':
    backing.prepare()
    tap.run(Stage)
