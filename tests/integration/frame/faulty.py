# SPDX-License-Identifier: LGPL-2.1-or-later
"""A scene's operation during which one system call, or one allocation, fails: it is done or told not to be, nobody crashes, no fd stays open."""

import collections
import errno
import os
import random
import re

import dbus

from frame import tap
from frame.ambush import Ambush, name_of
from frame.look import difference
from frame.sweep import DONE, LATE, REFUSED, UNTOLD, Sweep, attempt
from frame.tap import diagnose, eventually

# What cannot fail, or leaves behind what no kernel leaves: a close() that fails has closed. exit, brk: the C library has its own way.
NEVER = {'close', 'exit', 'exit_group', 'munmap', 'brk', 'futex', 'madvise', 'getpid', 'gettid', 'getppid', 'getuid', 'geteuid', 'umask', 'restart_syscall', 'wait4',
        'waitid', 'kill', 'rt_sigreturn', 'rt_sigaction', 'rt_sigprocmask', 'clock_nanosleep', 'alarm', 'getrandom', 'set_robust_list', 'rseq', 'arch_prctl'}
ERRORS = {'epoll_wait': ['EINTR'], 'mmap': ['ENOMEM'], 'clone': ['EAGAIN', 'ENOMEM'], 'clone3': ['EAGAIN', 'ENOMEM'], 'fork': ['EAGAIN'], 'poll': ['EINTR', 'ENOMEM'],
        'ppoll': ['EINTR', 'ENOMEM'], 'dup': ['EMFILE'], 'fcntl': ['EMFILE'], 'socketpair': ['EMFILE'], 'openat2': ['EIO', 'EMFILE', 'EAGAIN']}
STAYS = re.compile(r'made.*stays?\b')
UNTIL = re.compile('(stays until|removed at) (a cleanup|the next start)')
# An executor that cannot leave a namespace again ends itself, and another one takes over.
ENDS = 'this process ends, another takes over'
USUAL = ['EIO', 'ENOMEM', 'ENOSPC']
CRASHES = re.compile(r'signal (4|6|7|8|11)\b|Sanitizer|runtime error|stack smashing|[Aa]ssertion')


def open_files(pid):
    return len(os.listdir(f'/proc/{pid}/fd'))


class Faulty(Sweep):
    def __init__(self, scene, turn, seed):
        super().__init__(scene, turn)
        self.random, self.most, self.hits = random.Random(seed), 0, collections.Counter()

    def pids(self, whose):
        return [self.daemon.front()] if whose == 'front' else self.daemon.executors()

    def faults(self, whose):
        """('call', number, which of them, error) and ('memory', which allocation) of everything that can fail."""
        path, found, counts = f'{self.daemon.directory}/calls', [], collections.Counter()
        with Ambush(self.pids(whose), follow=whose == 'executor', listed=path):
            self.function()
        self.again()
        with open(path) as file:
            for number in map(int, file):
                name = name_of(number)
                counts[number] += 1
                if name not in NEVER:
                    found.append(('call', number, counts[number], self.random.choice(ERRORS.get(name, USUAL))))
        os.unlink(path)
        with self.daemon.scarce(self.pids(whose)):
            self.function()
        found += [('memory', number) for number in range(1, self.daemon.count() + 1)]
        self.again()
        return found

    def failing(self, whose, fault):
        if fault[0] == 'memory':
            return self.daemon.scarce(self.pids(whose), fault[1])
        return Ambush(self.pids(whose), call=fault[1], at=fault[2], error=getattr(errno, fault[3]), follow=whose == 'executor')

    def fds(self):
        """How many files front and executors have open; an executor has some from its first job on, so that the most that one had is what counts."""
        return {pid: open_files(pid) for pid in [self.daemon.front(), *self.daemon.executors()]}

    def gone(self):
        """Whether the daemon has ended by itself, as it may if its loop cannot go on."""
        return self.daemon.process.poll() is not None

    def one(self, whose, fault):
        self.scene.warnings = ''
        begun, before = len(self.daemon.log()), self.fds()
        self.most = max(self.most, *(number for pid, number in before.items() if pid != self.daemon.front()))
        with self.failing(whose, fault) as failing:
            said, words = attempt(self.function)
        if fault[0] == 'memory' and self.daemon.count() >= fault[1] or fault[0] == 'call' and failing.hit is not None:
            self.hits[fault[0]] += 1
        what = f'{self.scene.name.lower()} {self.turn}, {whose}: {fault} {name_of(fault[1]) if fault[0] == "call" else ""}; the client was told: {said} {words}'
        if said == LATE:
            raise AssertionError(what)
        if said == UNTOLD:
            try:
                eventually(self.gone, 'it ends', 0.3, 0.05)
            except AssertionError:
                pass
        ended = self.gone()
        if ended:
            self.counts['ended'] += 1
            self.daemon.wait()
            self.daemon.start()
        eventually(lambda: len(self.daemon.executors()) == self.n_executors, f'{what}: executors', 10)
        wanted = {DONE: [self.after], REFUSED: [self.before], UNTOLD: [self.before, self.after]}[said]
        if said == REFUSED and self.turn in self.scene.collects:
            wanted = [self.before, self.after]
        if said != DONE and self.turn == 'back':  # what could not be taken away is still there, or goes at once
            wanted = [self.before, self.after]
        done = self.outcome(what, said, wanted, begun)
        log = self.daemon.log()[begun:]
        crash = CRASHES.search(log.replace('signal 6)', 'its own end)', log.count(ENDS)))
        tap.equal(crash and crash.group(), None, f'{what}: a crash')
        self.check_fds(before, ended, what, self.scene.kept if done and self.turn == 'act' else 0)
        self.counts[f'{said}, {"done" if done else "undone"}'] += 1
        if done:
            self.again()

    def told_to_stay(self, wanted, log):
        """Which of the looks it is but for directories and files of which the log says that they stay; they are removed."""
        for look in wanted if STAYS.search(log) else []:
            left = difference(self.look(), look)
            if all(key.startswith('file ') and seen for key, (seen, _) in left.items()):
                for path in sorted((key.removeprefix('file ') for key in left), reverse=True):
                    os.rmdir(path) if os.path.isdir(path) else os.unlink(path)
                self.counts['told to stay'] += 1
                return look
        return None

    def told_to_lack(self, wanted, log):
        """Which of the looks it is but for what it is done without, as the log or the pod says: `lacks` of the scene."""
        def is_told(key, seen, other):
            return any(pattern.search(key) and re.search(text, f'{log} {seen}') and (not seen or re.sub(text, '', seen) == other) for pattern, text in lacks)
        lacks = [(re.compile(key), text) for key, text in self.scene.lacks.items()]
        for look in wanted:
            if all(is_told(key, seen, other) for key, (seen, other) in difference(self.look(), look).items()):
                self.counts['told to lack'] += 1
                return look
        return None

    def outcome(self, what, said, wanted, begun):
        """Whether it is done. What failed after the kernel had done it, and was told to have failed, is drift until it is done again, and
        an intent until the next start."""
        try:
            return wanted[self.come_to(what, *wanted)] is self.after
        except AssertionError:
            log = self.daemon.log()[begun:] + self.scene.warnings
            if UNTIL.search(log):
                self.scene.tidy()
                self.counts['told to stay'] += 1
                return wanted[self.come_to(f'{what}; and tidied up', *wanted)] is self.after
            look = self.told_to_stay(wanted, log) or self.told_to_lack(wanted, log)
            if look:
                return look is self.after
            if said == DONE or self.turn == 'act':
                raise
            again = attempt(self.function)
            self.daemon.restart()
            self.come_to(f'{what}; then, {again}, and a restart', self.after)
            self.counts['done by another try'] += 1
            return True

    def check_fds(self, before, ended, what, kept):
        """Whoever is still there has no more open than before, but for what the front keeps for what was made."""
        def same():
            return all(number <= max(before[pid] + kept, self.most if pid != self.daemon.front() else 0) for pid, number in self.fds().items() if pid in before)
        if not ended:
            eventually(same, f'{what}: open files: {before}, then {self.fds()}', 5, 0.1)

    def run(self, whose, faults):
        for fault in faults:
            try:
                self.one(whose, fault)
            except (AssertionError, dbus.exceptions.DBusException) as error:
                self.problems.append(str(error))
                diagnose(f'LOST: {error}')
                self.replace()
        return len(faults)

    def renew(self, scene):
        counts, problems, chance = self.counts, self.problems, self.random
        Sweep.__init__(self, scene, self.turn)
        self.counts, self.problems, self.random = counts, problems, chance
