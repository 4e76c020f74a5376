#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each system call that executors and workers make for CreateLayer, ApplyDiff, RemoveLayer and ImportImage fails once, and the disk is full at each point:
a layer is whole or not there, what failed can be done again, and after a restart nothing lies below the state directory that no record names."""

import os
import subprocess

import dbus

from frame import backing, tap
from frame.daemon import Stage
from frame.faults import SEED, failing
from frame.layer_faults import Operation, again, remove_all, restarted, run
from frame.layers import apply_file, call, content, create, differences, directory_of, entry, listed, make_tar, tried
from frame.layouts import Layout, chain_of, import_image, tar_of
from frame.tap import case, equal, eventually


class Create(Operation):
    def do(self, daemon, ident):
        call(daemon, 'CreateLayer', 'ssa{sv}', ident, '', {'metadata': dbus.Dictionary({'a': 'b'}, 'ss')})

    def check(self, ident, done, restarted=True):
        there = ident in listed(self.daemon)
        equal((there, there or not done), (there, True), f'{ident} is there')
        if there:
            equal(sorted(os.listdir(f'{self.daemon.directory}/state/layers/{ident}')), ['diff', 'meta', 'work'], ident)


class Apply(Operation):
    def __init__(self, daemon):
        super().__init__(daemon)
        self.tar = make_tar(f'{daemon.directory}/fault.tar', ('d/', None), ('d/a', b'a' * 100000), ('d/b', b''), (entry('d/c', b'2', linkname='a'), None),
                (entry('d/e', b'1', linkname='d/a'), None), (entry('d/f', pax_headers={'SCHILY.xattr.user.x': 'y'}, mode=0o640, uid=7, mtime=5), b'f'), ('g/h/i', b'i'))
        create(daemon, 'wanted')
        apply_file(daemon, 'wanted', self.tar)
        self.wanted = self.content('wanted')
        remove_all(daemon)

    def content(self, ident):
        found = content(directory_of(self.daemon, ident))
        for name in ('', 'd', 'g', 'g/h'):  # which the tar leaves to the clock
            if name in found:
                found[name] = found[name][:10]
        return found

    def prepare(self, ident):
        create(self.daemon, ident)

    def do(self, daemon, ident):
        apply_file(daemon, ident, self.tar)

    def check(self, ident, done, restarted=True):
        found = self.content(ident)
        if done or len(found) > 1:
            equal(differences(found, self.wanted), {}, f'{ident}, applied: {done}')
        # What lies beside it goes after the answer, or at the next start.
        eventually(lambda: set(os.listdir(f'{self.daemon.directory}/state/layers/{ident}')) <= {'diff', 'meta', 'work', 'tar-split'} or not restarted, ident, 20)

    def finish(self, ident):
        if len(self.content(ident)) == 1:
            again(self.daemon, self.do, ident)
        equal(differences(self.content(ident), self.wanted), {}, f'{ident}, applied again')


class Remove(Apply):
    def prepare(self, ident):
        create(self.daemon, ident)
        apply_file(self.daemon, ident, self.tar)

    def do(self, daemon, ident):
        call(daemon, 'RemoveLayer', 'sa{sv}', ident, {})

    def check(self, ident, done, restarted=True):
        there = ident in listed(self.daemon)
        equal(there and done, False, f'{ident} is there')
        if there:
            super().check(ident, True, restarted)

    def finish(self, ident):
        again(self.daemon, self.do, ident)
        equal(ident in listed(self.daemon), False, f'{ident} is there')


class Import(Operation):
    """All of them bring the same layers, which are removed between."""
    TOGETHER = False
    TARS = [tar_of(('a', b'a' * 5000), ('b', b'b')), tar_of(('.wh.a', b''), ('c', b'c' * 70000)), tar_of(('d/e', b'e'))]

    def __init__(self, daemon):
        super().__init__(daemon)
        layout = Layout(f'{daemon.directory}/image')
        layout.image(self.TARS)
        self.path = layout.path
        self.ids = [chain_of(*self.TARS[:number + 1]).split(':')[1] for number in range(len(self.TARS))]
        import_image(daemon, self.path)
        self.wanted = {ident: self.content(ident) for ident in listed(daemon)}
        equal(sorted(self.wanted), sorted(self.ids), 'ids')
        remove_all(daemon)

    def content(self, ident):
        found = content(directory_of(self.daemon, ident))
        return {name: text if not text.startswith('d') else text[:10] for name, text in found.items()}

    def prepare(self, ident):
        remove_all(self.daemon)

    def do(self, daemon, ident):
        import_image(daemon, self.path)

    def check(self, ident, done, restarted=True):
        there = listed(self.daemon)
        equal(sorted(self.ids[:len(there)]), there, f'layers from the lowest on, all of them if {done}')
        equal(len(there) == len(self.ids) or not done, True, f'all are there: {there}')
        for layer in there:
            equal(differences(self.content(layer), self.wanted[layer]), {}, layer)

    def finish(self, ident):
        super().finish(ident)
        self.check(ident, True)


@case(f'CreateLayer, PODMOUNT_SEED={SEED}')
def creating(daemon):
    run(daemon, Create(daemon))


@case('ApplyDiff')
def applying(daemon):
    run(daemon, Apply(daemon))


@case('in whatever order what lay beside a layer is removed before a crash: the layer keeps what was applied')
def in_any_order(daemon):
    operation = Apply(daemon)
    for number, gone in enumerate(('split-', 'opaque', 'old', 'diff')):
        ident = f'o{number}'
        operation.prepare(ident)
        with failing(daemon, ('unlinkat', 2, 'EIO')):
            equal(tried(operation.do, daemon, ident), None, 'ApplyDiff')
            eventually(lambda: f'beside the content of layer {ident} stays' in daemon.log(), 'it is not removed')
        daemon.stop()
        place = f'{daemon.directory}/state/layers/{ident}/.apply'
        for name in os.listdir(place):
            if name.startswith(gone):
                subprocess.run(['rm', '-r', f'{place}/{name}'], check=True)
        daemon.start()
        operation.check(ident, True)
        restarted(daemon)
        operation.check(ident, True)


@case('RemoveLayer')
def removing(daemon):
    run(daemon, Remove(daemon))


@case('ImportImage')
def importing(daemon):
    run(daemon, Import(daemon))


if __name__ == '__main__':
    backing.prepare()
    tap.run(Stage)
