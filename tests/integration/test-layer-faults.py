#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each system call that executors and workers make for CreateLayer, ApplyDiff, RemoveLayer and ImportImage fails once, and the disk is full at each point:
a layer is whole or not there, what failed can be done again, and after a restart nothing lies below the state directory that no record names."""

import os
import subprocess

import dbus

from frame import backing, tap
from frame.daemon import Stage
from frame.faults import SEED, failing, faults
from frame.kills import check_log
from frame.layers import apply_file, call, content, create, differences, directory_of, entry, listed, make_tar, on_disk, tried
from frame.layouts import Layout, chain_of, import_image, tar_of
from frame.tap import case, equal, eventually

BATCH = 6


def again(daemon, function, *arguments):
    """What failed works when nothing fails."""
    last = []

    def works():
        last[:] = [tried(function, daemon, *arguments)]
        return last == [None]
    try:
        eventually(works, 'it works again', 20, 0.2)
    except AssertionError as error:
        raise AssertionError(f'{error}: {last[0]}') from None


def restarted(daemon):
    daemon.restart()
    eventually(lambda: daemon.json('layer', 'status')['Removing'] == 0, 'removals have come to their end', 20)
    eventually(lambda: on_disk(daemon) == listed(daemon), 'what is on the disk is on record', 20)


def remove_all(daemon):
    for layer in reversed(daemon.json('layer', 'list')):
        call(daemon, 'RemoveLayer', 'sa{sv}', layer['ID'], {})
    eventually(lambda: on_disk(daemon) == [], 'all are removed', 20)


class Operation:
    """What is tried, on a layer of its own each time."""

    def __init__(self, daemon):
        self.daemon = daemon

    def prepare(self, ident):
        pass

    def do(self, daemon, ident):
        raise NotImplementedError

    def check(self, ident, done, restarted=True):
        """After a restart: all of it, or nothing; all of it if it was done."""
        raise NotImplementedError

    def finish(self, ident):
        """Does again what was not done; then it is there."""
        again(self.daemon, self.do, ident)


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


def run(daemon, kind, batch=BATCH):
    """Faults in batches, each followed by a restart; every other batch is done again before that."""
    operation = kind(daemon)
    operation.prepare('first')
    todo = faults(daemon, lambda: operation.do(daemon, 'first'))
    remove_all(daemon)
    seen = {}
    for at in range(0, len(todo), batch):
        results = {}
        for number, fault in enumerate(todo[at:at + batch], at):
            ident = f'l{number}'
            operation.prepare(ident)
            with failing(daemon, fault):
                results[ident] = tried(operation.do, daemon, ident)
            tap.diagnose(f'{fault}: {results[ident]}')
            seen[results[ident] is None] = seen.get(results[ident] is None, 0) + 1
            tap.equal(daemon.process.poll(), None, f'podmountd is there after {fault}')
        try:
            if at // batch % 2:
                for ident in results:
                    if kind is not Import and results[ident]:
                        operation.check(ident, False, False)
                        operation.finish(ident)
                        results[ident] = None
            restarted(daemon)
            for ident, error in results.items():
                operation.check(ident, error is None)
                operation.finish(ident)
        except BaseException:
            tap.diagnose(f'PODMOUNT_SEED={SEED}: after {todo[at:at + batch]}: {results}')
            raise
        remove_all(daemon)
    check_log(daemon)
    tap.diagnose(f'{len(todo)} faults: {seen.get(False, 0)} told, {seen.get(True, 0)} without consequence')
    equal(seen.get(False, 0) > 0, True, 'some fail')


@case(f'CreateLayer, PODMOUNT_SEED={SEED}')
def creating(daemon):
    run(daemon, Create)


@case('ApplyDiff')
def applying(daemon):
    run(daemon, Apply)


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
    run(daemon, Remove)


@case('ImportImage')
def importing(daemon):
    run(daemon, Import, 1)


if __name__ == '__main__':
    backing.prepare()
    tap.run(Stage)
