#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real Debian as an image: written by umoci, changed in two layers, imported, the same tree as umoci unpacks, and a pod that stands on
it, in which its programs run. What an import takes of memory does not grow with the image."""

import os
import shutil
import subprocess
import tempfile
import threading
import time

from frame import backing, debian, host, tap
from frame.daemon import Stage
from frame.layouts import Layout, import_image, tar_of, umoci, unpack
from frame.layers import content, differences
from frame.tap import case, contains, equal


def make_image(directory):
    layout, tar = f'{directory}/image', f'{directory}/base.tar'
    subprocess.run(['tar', '-c', '--xattrs', '--numeric-owner', '-f', tar, '-C', debian.base(), '.'], check=True, stderr=subprocess.DEVNULL)
    umoci('init', '--layout', layout)
    umoci('new', '--image', f'{layout}:v1')
    umoci('raw', 'add-layer', '--image', f'{layout}:v1', tar)
    os.unlink(tar)
    root = unpack(layout, 'v1', f'{directory}/bundle')
    shutil.rmtree(f'{root}/usr/share/doc')
    os.makedirs(f'{root}/usr/share/doc/mine')
    with open(f'{root}/etc/greeting', 'w', encoding='utf-8') as file:
        file.write('hello from the image\n')
    for name in ('', 'etc', 'usr', 'usr/share', 'usr/share/doc'):  # a tar has the directories that changed, and these are to be in it
        os.utime(f'{root}/{name}', (1600000000, 1600000000))
    umoci('repack', '--image', f'{layout}:v1', f'{directory}/bundle')
    shutil.rmtree(f'{directory}/bundle')
    return layout


@case('a Debian that umoci made an image of is imported, and its programs run in a pod on it')
def real(daemon):
    layout = make_image(daemon.directory)
    began = time.monotonic()
    top = daemon.ok('layer', 'import', f'{layout}:v1').strip()
    tap.diagnose(f'imported in {time.monotonic() - began:.1f} s')
    where = daemon.ok('layer', 'get', top).strip()
    equal(differences(content(where), content(unpack(layout, 'v1', f'{daemon.directory}/whole'))), {}, 'trees')
    daemon.ok('layer', 'put', top)
    pod = daemon.create({'podmount': 1, 'name': 'real', 'containers': [{'name': 'main', 'root': {'layer': top, 'overlay': 'tmpfs'}}]})
    done = subprocess.run(['chroot', daemon.rootfs(pod), '/bin/sh', '-c', 'cat /etc/greeting; dpkg --print-architecture; dpkg -l dpkg | tail -1; ls /usr/share/doc'],
                          stdout=subprocess.PIPE, text=True, check=True, env={'PATH': '/usr/sbin:/usr/bin:/sbin:/bin'})
    contains(done.stdout, 'hello from the image\n', 'a file of the second layer')
    contains(done.stdout, '\nii  dpkg ', "dpkg's own data base")
    equal(done.stdout.rstrip().rsplit('\n', 1)[-1], 'mine', 'a directory that hides the one below')
    daemon.ok('gc', pod)


def peaks(pids):
    """The most that processes of these names had in memory, KiB."""
    found = {}
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            status = host.status_of(int(pid))
        except (OSError, KeyError):
            continue
        if status.get('Name', '').strip() in pids and 'VmHWM' in status:
            found[status['Name'].strip()] = max(found.get(status['Name'].strip(), 0), int(status['VmHWM'].split()[0]))
    return found


def import_watched(daemon, size):
    """The most that the worker had in memory while an image of so many MiB was imported; 0 if it was not seen."""
    layout = Layout(tempfile.mkdtemp(dir=daemon.directory) + '/layout')
    layout.image([tar_of((f'file{size}', os.urandom(size * 1024 * 1024)))])
    most, over = [0], threading.Event()

    def watch():
        while not over.wait(0.002):
            most.extend(peaks({'podmount-apply'}).values())
    thread = threading.Thread(target=watch)
    thread.start()
    try:
        import_image(daemon, layout.path)
    finally:
        over.set()
        thread.join()
    return max(most)


@case('what an import takes of memory does not grow with the image')
def flat(daemon):
    seen = {}
    for size in (4, 64):
        daemon.restart()
        worker = next(filter(None, (import_watched(daemon, size) for _ in range(10))))  # a short one may be over before it is seen
        seen[size] = (int(host.status_of(daemon.front())['VmHWM'].split()[0]), worker)
    tap.diagnose(f'KiB of front and worker, by MiB of the image: {seen}')
    for i, name in enumerate(('front', 'worker')):
        equal(seen[64][i] < seen[4][i] + 4096, True, f'{name}: {seen}')


if __name__ == '__main__':
    backing.prepare()
    tap.run(Stage)
