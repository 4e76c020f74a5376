#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kills of any process, workers among them, at any instant while tars are applied: a layer has all of one or nothing of it, also over
what it has.

PODMOUNT_KILLS is how many (30 unless told).
"""

import os
import random
import signal
import time

import dbus

from frame import host, tap
from frame.daemon import LAYERS, Stage
from frame.kills import KILLS, SEED, Client, check_log, kill_until_down, load
from frame.layers import make_tar
from frame.tap import case, equal, eventually

TARS = 4
LEFT = [['diff', 'meta', 'work'], ['diff', 'meta', 'tar-split', 'work']]


def tar_of(daemon, number):
    return f'{daemon.directory}/kill-{number}.tar'


def files_of(number):
    """What a tar has: names and sizes."""
    chance = random.Random(number)
    return {f'd{n % 5}/f{n}': chance.randrange(1, 60000) for n in range(20 * (number + 1))}


def both_of(which):
    """What a layer has that one tar was applied to and then another one."""
    return files_of(which // TARS) | files_of(which % TARS)


class ApplyClient(Client):
    """Makes layers, applies tars to them and removes some."""
    interface = LAYERS

    def step(self, number):
        ident, which = f'{os.getpid()}-{number}', self.random.randrange(TARS)
        self.call('CreateLayer', 'ssa{sv}', ident, '', {})
        self.say('begin', ident, which)
        with open(tar_of(self.daemon, which), 'rb') as file:
            self.call('ApplyDiff', 'sha{sv}', ident, dbus.types.UnixFd(file.fileno()), {})
        self.say('applied', ident, which)
        both = self.random.random() < 0.6
        if both:
            over = self.random.randrange(TARS)
            self.say('over', ident, which * TARS + over)
            with open(tar_of(self.daemon, over), 'rb') as file:
                self.call('ApplyDiff', 'sha{sv}', ident, dbus.types.UnixFd(file.fileno()), {})
            which = which * TARS + over
            self.say('both', ident, which)
        if self.random.random() < 0.3:
            self.say('removing-both' if both else 'removing', ident, which)
            self.call('RemoveLayer', 'sa{sv}', ident, {})


def read_stories(path, stories):
    for line in open(path):
        words = line.split()
        if line.endswith('\n') and len(words) == 3:
            stories[words[1]] = (words[0], int(words[2]))
    os.unlink(path)


def workers_of(daemon):
    found = []
    for pid in host.processes_of(daemon.keeper()):
        try:
            with open(f'/proc/{pid}/comm') as file:
                if file.read().startswith(('podmount-apply', 'podmount-merge')):
                    found.append(pid)
        except OSError:
            continue
    return found


def kill_workers(daemon, chance):
    """A process that kills guards and workers until the daemon is down."""
    pid = os.fork()
    if pid == 0:
        while host.alive(daemon.keeper()):
            time.sleep(chance.random() / 10)
            for worker in workers_of(daemon):
                if chance.random() < 0.5:
                    try:
                        os.kill(worker, signal.SIGKILL)
                    except OSError:
                        pass
        os._exit(0)
    return pid


def has(daemon, ident):
    place = f'{daemon.directory}/state/layers/{ident}/diff'
    return {os.path.relpath(f'{top}/{name}', place): os.stat(f'{top}/{name}').st_size for top, _, files in os.walk(place) for name in files}


def compare(daemon, stories, what):
    layers = f'{daemon.directory}/state/layers'
    listed = {layer['ID'] for layer in daemon.json('layer', 'list')}
    eventually(lambda: set(os.listdir(layers)) == listed, f'{what}: directories and records agree', 20)
    for ident in listed:
        eventually(lambda: sorted(os.listdir(f'{layers}/{ident}')) in LEFT, f'{what}: what lies beside {ident}', 20)
        verb, which = stories.get(ident, ('none', None))
        found = has(daemon, ident)
        if verb in ('applied', 'removing'):
            equal(found == files_of(which), True, f'{what}: {ident} has lost what it was told to have')
        elif verb in ('over', 'both', 'removing-both'):
            wanted = [both_of(which)] + ([files_of(which // TARS)] if verb == 'over' else [])
            equal(found in wanted, True, f'{what}: {ident} has neither what it had nor what it was told to have')
        elif found:
            equal(found == files_of(which), True, f'{what}: {ident} has a part of a tar')
    return sum(1 for ident in listed if has(daemon, ident))


@case(f'{KILLS} kills of keeper, front, executors and workers while tars are applied')
def kills(daemon):
    chance, stories, done, turn = random.Random(SEED), {}, 0, 0
    tap.diagnose(f'seed {SEED}')
    for number in range(TARS):
        make_tar(tar_of(daemon, number), *[(name, os.urandom(size)) for name, size in files_of(number).items()])
    while done < KILLS:
        clients = load(ApplyClient, daemon, turn, chance)
        killer = kill_workers(daemon, random.Random(chance.getrandbits(32)))
        done += kill_until_down(daemon, chance, executors=3)
        os.waitpid(killer, 0)
        for pid, path in clients:
            os.waitpid(pid, 0)
            read_stories(path, stories)
        daemon.start()
        whole = compare(daemon, stories, f'seed {SEED}, kill {done}')
        turn += 1
    tap.diagnose(f'{whole} layers with a tar at the end, of {len(stories)}')
    for layer in daemon.json('layer', 'list'):
        daemon.ok('layer', 'remove', layer['ID'])
    eventually(lambda: os.listdir(f'{daemon.directory}/state/layers') == [], 'directories that are left', 20)
    check_log(daemon)


if __name__ == '__main__':
    host.prepare()
    tap.run(Stage)
