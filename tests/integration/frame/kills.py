# SPDX-License-Identifier: LGPL-2.1-or-later
"""Deaths at any instant: processes of the daemon are killed while clients work, who tell what they were told.

PODMOUNT_KILLS is how many, PODMOUNT_SEED which, PODMOUNT_WORKERS how many clients work.
"""

import os
import random
import signal
import threading
import time

import dbus

from frame import tap
from frame.daemon import PATH

KILLS = int(os.environ.get('PODMOUNT_KILLS', '30'))
SEED = int(os.environ.get('PODMOUNT_SEED', str(int(time.time()))))
WORKERS = int(os.environ.get('PODMOUNT_WORKERS', '3'))
KEEPER, FRONT, EXECUTOR = range(3)


class Client:
    """A process that takes one step() after the other until its connection ends, and tells in a file what it was told."""
    interface = None

    def __init__(self, daemon, path, seed):
        self.daemon, self.random = daemon, random.Random(seed)
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.connection = None

    def say(self, *words):
        os.write(self.file, (' '.join(map(str, words)) + '\n').encode())

    def call(self, method, signature, *arguments):
        return self.connection.call_blocking(None, PATH, self.interface, method, signature, arguments, timeout=60 * tap.PATIENCE)

    def run(self):
        try:
            self.connection = self.daemon.connection()
            number = 0
            while True:
                try:
                    self.step(number)
                except dbus.exceptions.DBusException as error:
                    if not error.get_dbus_name().startswith('org.podmount1.'):
                        raise
                number += 1
        except Exception:  # the daemon is gone
            pass
        os._exit(0)


def load(client, daemon, turn, chance):
    """Clients of this class at work; their pids and the files of what they are told."""
    found = []
    for number in range(WORKERS):
        path, seed = f'{daemon.directory}/story-{turn}-{number}', chance.getrandbits(32)
        pid = os.fork()
        if pid == 0:
            client(daemon, path, seed).run()
        found.append((pid, path))
    return found


def kill_one(daemon, chance, executors=2):
    """Kills a process, one of the executors so many times as often as the keeper; whether the daemon goes on."""
    what = chance.choice(['keeper', 'front'] + ['executor'] * executors)
    pids = daemon.executors()
    if what == 'executor' and pids:
        os.kill(chance.choice(pids), signal.SIGKILL)
        return True
    os.kill(daemon.front() if what == 'front' else daemon.keeper(), signal.SIGKILL)
    return False


def kill_until_down(daemon, chance, least=0.0, **more):
    """Kills, with up to 0.15 s between, until the daemon has gone; how many it were."""
    done, goes_on = 0, True
    while goes_on:
        time.sleep(chance.uniform(least, 0.15))
        goes_on = kill_one(daemon, chance, **more)
        done += 1
    daemon.wait()
    return done


def kill_during(daemon, chance, victim, *words, within=0.06, **more):
    """A call of podmountctl, at some instant of which KEEPER, FRONT or an EXECUTOR is killed (a larger number is a turn: each has its
    own); then the daemon is there again."""
    victim %= 3
    # who it is takes longer to find out than many a call takes
    pid = [daemon.keeper, daemon.front, lambda: chance.choice(daemon.executors())][victim]()
    call = threading.Thread(target=daemon.ctl, args=words, kwargs=more)
    call.start()
    time.sleep(chance.random() * within)
    os.kill(pid, signal.SIGKILL)
    call.join()
    if victim != EXECUTOR:
        daemon.wait()
        daemon.start()


def check_log(daemon):
    tap.equal([word for word in ('Sanitizer', 'runtime error') if word in daemon.log()], [], 'reports of a sanitized build')
