# SPDX-License-Identifier: LGPL-2.1-or-later
"""Places on the host that a pod may have mounts at, and what to mount there."""

import os

from frame import host, specs
from frame.tap import equal


def config(*directories):
    return '[Mounts]\n' + ''.join(f'HostTargets={directory}\n' for directory in directories)


class Places:
    """A directory of the host that mounts may go below, with places in it, and what they are made of."""

    def __init__(self, name, owner=0):
        self.top = specs.tree(f'{name}-places', {'bound/': '', 'memory/': '', 'layers/': '', 'file': 'place\n'})
        self.outside = specs.tree(f'{name}-outside', {'bound/': ''})
        self.source = specs.tree(f'{name}-source', {'hello': 'from the source\n'}, owner)
        self.lower = specs.tree(f'{name}-lower', {'below': 'x\n'}, owner)
        self.store = specs.tree(f'{name}-store', {}, owner)
        self.root = specs.rootfs(f'{name}-root', owner)
        self.bound, self.memory, self.layers = (f'{self.top}/{place}' for place in ('bound', 'memory', 'layers'))

    def mounts(self):
        """One of each kind; the overlay's upper and work directories are not there yet."""
        return [specs.bind(self.source, self.bound), specs.mount(self.memory, 'tmpfs', 'tmpfs', ['size=1m', 'mode=0755']),
                specs.mount(self.layers, 'overlay', 'overlay', [f'lowerdir={self.lower}', f'upperdir={self.store}/service/upper',
                    f'workdir={self.store}/service/work'])]

    def spec(self, mounts=None, **more):
        return dict(specs.oci(self.root), prepare={'hostMounts': self.mounts() if mounts is None else mounts, **more})

    def tops(self):
        """What is mounted at or below the places."""
        return sorted(host.mounts_below(self.top))

    def all(self):
        return sorted([self.bound, self.memory, self.layers])

    def untouched(self):
        equal(self.tops(), [], 'mounts on the host')
        equal(os.listdir(self.store), [], 'directories of the overlay')


def listed(daemon, pod):
    return {target: mount['State'] for target, mount in ((mount['Target'], mount) for mount in daemon.json('show', pod)['Mounts']
            if mount['Container'] == '.host')}
