# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images of file systems, by the tools that make them."""

import os
import shutil
import subprocess

from frame import host, specs
from frame.tap import Skip

CONFIG = '[Mounts]\nImageTypes=erofs squashfs ext4\nDeviceTypes=ext4\n'
MAKERS = {
    'erofs': ['mkfs.erofs', '--quiet', '{image}', '{tree}'],
    'squashfs': ['mksquashfs', '{tree}', '{image}', '-quiet', '-no-progress', '-noappend'],
    'ext4': ['mkfs.ext4', '-q', '-F', '-d', '{tree}', '{image}', '2M'],
}


def image(type):
    """An image of this type with a file `hello` in it."""
    path = f'{host.DIRECTORY}/image.{type}'
    if not shutil.which(MAKERS[type][0]):
        raise Skip(f'{MAKERS[type][0]} is not installed')
    if not os.path.exists(path):
        tree = specs.tree('image-tree', {'hello': 'from the image\n'})
        with open(f'{tree}/noise', 'wb') as file:
            file.write(os.urandom(200000))
        words = [word.format(image=path, tree=tree) for word in MAKERS[type]]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.chmod(path, 0o644)
    return path


def loops():
    """The loop devices in use."""
    found = []
    for name in os.listdir('/sys/block'):
        try:
            with open(f'/sys/block/{name}/loop/backing_file') as file:
                file.read()
            found.append(name)
        except OSError:
            continue
    return sorted(found)
