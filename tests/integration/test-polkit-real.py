#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The real polkit of Debian 13 (126), and this machine's own where that is older: rules in JavaScript judge callers of the bus by their unique
name, and those of varlink by a pidfd of the process that connected."""

import json
import os
import signal

import dbus

from frame import debian, host, specs, tap
from frame.bus import Bus
from frame.daemon import MANAGER, Daemon
from frame.host import ALICE, BOB, as_user
from frame.polkitd import CAROL, GROUP, Polkitd
from frame.tap import Skip, case, contains, equal, eventually
from frame.varlink import Connection, Refused, tells_peers

DENIED, INTERACTIVE = 'AccessDenied', 'InteractiveAuthorizationRequired'
PIDFD_SINCE = 124  # the first polkit that takes a pidfd
bus = None


class Situation:
    """A daemon that asks the polkit of this root directory."""

    def __init__(self, base=None):
        if not tells_peers():
            raise Skip('this kernel does not give a pidfd of who is at the other end of a socket: Linux 6.5 does')
        self.polkit = Polkitd(bus, base or debian.newer())
        self.daemon = Daemon(bus)
        self.varlink = f'{self.daemon.runtime}/varlink'
        self.root = specs.rootfs('alice-root', owner=ALICE)
        os.chmod(f'{self.root}/mnt', 0o755)

    def over_bus(self, uid, method, signature, *arguments, groups=()):
        """What a user's call came to: 'done', or the last part of the error's name; and the whole."""
        return self.tell(uid, groups, lambda: bus.call(MANAGER, method, signature, *arguments))

    def over_varlink(self, uid, method, parameters, groups=()):
        def call():
            with Connection(self.varlink) as c:
                return c.call(method, parameters)
        return self.tell(uid, groups, call)

    @staticmethod
    def tell(uid, groups, call):
        def child():
            os.setgroups(groups)
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            try:
                return 'done', str(call())
            except dbus.exceptions.DBusException as error:
                return error.get_dbus_name().rsplit('.', 1)[1], error.get_dbus_message()
            except Refused as error:
                return error.name.rsplit('.', 1)[1], str(error.parameters)
        return as_user(0, child)

    def create(self, uid, name, groups=(), **parameters):
        """(outcome over the bus, outcome over varlink) of making a pod; one that was made is collected."""
        spec = json.dumps(specs.oci(self.root))
        found = (self.over_bus(uid, 'CreatePod', 'sa{sh}a{sv}', spec, dbus.Dictionary({}, 'sh'), {'name': name}, groups=groups),
                 self.over_varlink(uid, 'CreatePod', {'spec': spec, 'options': {'name': f'{name}-varlink'}, **parameters}, groups=groups))
        for pod in self.daemon.pods():
            self.daemon.ok('gc', pod['UUID'])
        return found

    def outcomes(self, *arguments, **more):
        return tuple(outcome for outcome, _ in self.create(*arguments, **more))

    def diagnose(self):
        return f'{self.daemon.diagnose()}\npolkitd:\n{self.polkit.log()}'

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.daemon.__exit__(*exception)
        self.polkit.stop()


@case('a rule by subject.user: the one is let in, the other not, over the bus and over varlink')
def user(s):
    s.polkit.rules('return subject.user == "alice" ? polkit.Result.YES : polkit.Result.NO;')
    tap.diagnose(f'polkit {s.polkit.version}')
    equal(s.outcomes(ALICE, 'web'), ('done', 'done'), 'Alice')
    equal(s.outcomes(BOB, 'web'), (DENIED, DENIED), 'Bob')
    s.polkit.rules('return subject.user == "carol" ? polkit.Result.YES : polkit.Result.NO;')
    found = s.over_varlink(CAROL, 'CreatePod', {'spec': json.dumps(specs.oci(specs.rootfs('carol-root', owner=CAROL)))})
    equal(found[0], 'done', f'a uid of more than 31 bits, whom the bus would not take: {found}')
    equal(s.outcomes(ALICE, 'web'), (DENIED, DENIED), 'Alice then')


@case('the installed rules, subject.isInGroup: of the bus polkit takes the groups that the process has, of varlink those that the user has')
def group(s):
    s.polkit.ship_rules()
    equal(s.outcomes(ALICE, 'web', groups=[GROUP]), ('done', 'done'), 'a member, with the group')
    equal(s.outcomes(ALICE, 'web'), (INTERACTIVE, 'done'), 'a member, without the group')
    equal(s.outcomes(BOB, 'web', groups=[GROUP]), ('done', INTERACTIVE), 'no member, with the group')
    equal(s.outcomes(BOB, 'web'), (INTERACTIVE, INTERACTIVE), 'no member, without the group')


@case('no rule and rules that ask for an administrator: a challenge that nobody can meet; what is "no" by default stays no')
def challenge(s):
    for script in ('', 'return polkit.Result.AUTH_ADMIN;', 'return polkit.Result.AUTH_SELF_KEEP;'):
        s.polkit.rules(script)
        equal(s.outcomes(ALICE, 'web'), (INTERACTIVE, INTERACTIVE), f'{script!r}')
        equal(s.outcomes(ALICE, 'web', allowInteractiveAuthentication=True)[1], INTERACTIVE, f'{script!r}, with nobody to interact with')
    s.polkit.rules('if (action.id == "org.podmount1.create") return polkit.Result.YES;')
    with open(f'{s.daemon.directory}/image', 'wb') as file:
        file.truncate(1 << 20)
    os.chown(file.name, ALICE, ALICE)
    spec = json.dumps(specs.oci(s.root, [specs.mount('/mnt', 'ext4', file.name, ['loop'])]))
    found = s.over_varlink(ALICE, 'CreatePod', {'spec': spec})
    equal(found[0], DENIED, f'an image: {found}')
    contains(found[1], 'org.podmount1.mount-image', 'what was asked')


@case('the details reach the rule: verb, pod, name, owner, source, target; a yes to one is none to another')
def details(s):
    s.polkit.rules('return polkit.Result.YES;')
    spec = json.dumps(specs.oci(s.root))
    equal(s.over_varlink(ALICE, 'CreatePod', {'spec': spec, 'options': {'name': 'web'}})[0], 'done', 'the pod')
    uuid = s.daemon.pods()[0]['UUID']
    s.polkit.rules(f'''
        if (action.id != "org.podmount1.manage") return polkit.Result.NO;
        return action.lookup("pod") == "{uuid}" && action.lookup("name") == "web" && action.lookup("owner") == "{ALICE}" &&
            action.lookup("verb") == "Bind" && action.lookup("source") == "/etc" && action.lookup("target") == "/mnt"
            ? polkit.Result.YES : polkit.Result.NO;''')
    for target, outcome in (('/srv', DENIED), ('/mnt', 'done')):
        found = s.over_varlink(ALICE, 'Bind', {'id': 'web', 'source': '/etc', 'target': target})
        equal(found[0], outcome, f'{target} over varlink: {found}')
    s.daemon.ok('unmount', uuid, '/mnt')
    for target, outcome in (('/srv', DENIED), ('/mnt', 'done')):
        found = s.over_bus(ALICE, 'Bind', 'sssa{sh}a{sv}', 'web', '/etc', target, dbus.Dictionary({}, 'sh'), dbus.Dictionary({}, 'sv'))
        equal(found[0], outcome, f'{target} over the bus: {found}')
    equal(s.over_varlink(ALICE, 'Unmount', {'id': 'web', 'target': '/mnt'})[0], DENIED, 'another verb')


@case('who has connected is who is judged: no parameter, no later uid, no other holder of the socket changes it')
def lies(s):
    s.polkit.rules('return subject.user == "bob" ? polkit.Result.YES : polkit.Result.NO;')
    spec = json.dumps(specs.oci(s.root))

    def child():
        os.setresuid(ALICE, ALICE, 0)
        found = []
        with Connection(s.varlink) as c:
            for more in ({'uid': BOB}, {'pid': 1}, {'start-time': 1}, {'pidfd': 0}):
                found.append(c.error_of('CreatePod', {'spec': spec, **more})[0].rsplit('.', 1)[1])
            found.append(c.error_of('CreatePod', {'spec': spec})[0].rsplit('.', 1)[1])
            for uid in (BOB, 0):
                os.setresuid(0, 0, 0)
                os.setresuid(uid, uid, 0)
                found.append(c.error_of('CreatePod', {'spec': spec})[0].rsplit('.', 1)[1])
        return found
    equal(as_user(0, child), ['InvalidParameter'] * 4 + [DENIED] * 3, 'lies')
    equal(s.outcomes(BOB, 'web'), ('done', 'done'), 'Bob himself')
    equal(s.daemon.pods(), [], 'pods')


def reuse(pid):
    """A process of root with this number, until what is returned is closed. None if another was faster."""
    read_end, write_end = os.pipe()
    with open('/proc/sys/kernel/ns_last_pid', 'w') as file:
        file.write(str(pid - 1))
    child = os.fork()
    if child == 0:
        os.close(write_end)
        os.read(read_end, 1)
        os._exit(0)
    os.close(read_end)
    if child != pid:
        os.close(write_end)
        os.waitpid(child, 0)
        return None
    return write_end


class Ghost:
    """A process of Alice's connects over varlink and leaves the connection to a child, which makes a call when it is told to."""

    def __init__(self, s):
        self.until_end, self.until_call, self.told = os.pipe(), os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            host.drop_to(ALICE)
            c = Connection(s.varlink)
            c.call('ListPods')
            if os.fork() == 0:
                os.read(self.until_call[0], 1)
                try:
                    answer = c.error_of('CreatePod', {'spec': json.dumps(specs.oci(s.root)), 'options': {'name': 'ghost'}})
                except AssertionError as error:
                    answer = str(error), {'message': ''}
                os.write(self.told[1], json.dumps(answer).encode())
            else:
                os.read(self.until_end[0], 1)
            os._exit(0)

    def end(self):
        os.write(self.until_end[1], b'x')
        os.waitpid(self.pid, 0)

    def call(self):
        os.write(self.until_call[1], b'x')

    def answer(self):
        name, parameters = json.loads(os.read(self.told[0], 65536))
        for fd in (*self.until_end, *self.until_call, *self.told):
            os.close(fd)
        return name, parameters['message']


@case('a process that has ended is refused, whoever holds its connection')
def ended(s):
    s.polkit.rules('return polkit.Result.YES;')
    ghost = Ghost(s)
    ghost.end()
    ghost.call()
    name, text = ghost.answer()
    equal(name, f'org.podmount1.{DENIED}', 'ended before the call')
    contains(text, 'has ended', 'the reason')
    ghost = Ghost(s)
    s.polkit.process.send_signal(signal.SIGSTOP)
    ghost.call()
    eventually(lambda: [row for row in s.daemon.json('status')['Quotas'] if row['Limit'] == 'RequestsPerUser'], 'polkit is asked')
    ghost.end()
    s.polkit.process.send_signal(signal.SIGCONT)
    name, text = ghost.answer()
    equal(name, f'org.podmount1.{DENIED}', 'ended before polkit looked')
    contains(text, 'polkit cannot say', 'the reason')
    ghost = Ghost(s)
    ghost.call()
    contains(ghost.answer()[0], 'was not refused', 'one that lives')
    os.kill(ghost.pid, signal.SIGKILL)
    os.waitpid(ghost.pid, 0)
    equal(len(s.daemon.pods()), 1, 'pods: only that of who lived')


@case('a yes is void if the process that it is for ends before it comes')
def too_late(s):
    s.polkit.rules('polkit.spawn(["/bin/sh", "-c", "touch /run/asked; while test -e /run/asked; do sleep 0.1; done"]); return polkit.Result.YES;')
    asked = f'{s.polkit.root}/run/asked'
    for lives in (False, True):
        ghost = Ghost(s)
        ghost.call()
        eventually(lambda: os.path.exists(asked), 'the rule is run')
        if not lives:
            ghost.end()
        os.unlink(asked)
        name, text = ghost.answer()
        if lives:
            contains(name, 'was not refused', 'one that lives')
            os.kill(ghost.pid, signal.SIGKILL)
            os.waitpid(ghost.pid, 0)
        else:
            equal(name, f'org.podmount1.{DENIED}', 'ended before the answer')
            contains(text, 'has ended', 'the reason')
            equal(s.daemon.pods(), [], 'pods')


@case('whose number another process has by now is refused, too, though that is one of root')
def reused(s):
    """In a PID namespace of its own the numbers could be chosen at leisure, but there polkit would not see the process."""
    s.polkit.rules('return polkit.Result.YES;')
    for _ in range(50):
        ghost = Ghost(s)
        ghost.end()
        same = reuse(ghost.pid)
        user = same and host.status_of(ghost.pid)['Uid'].split()[0]
        ghost.call()
        name, _ = ghost.answer()
        equal(name, f'org.podmount1.{DENIED}', f'number reused: {bool(same)}')
        if same:
            os.close(same)
            os.waitpid(ghost.pid, 0)
            equal(user, '0', 'whose number it was')
            equal(s.daemon.pods(), [], 'pods')
            return
    raise Skip('others were always faster to take the number')


@case("this machine's own polkit, if it is older than 124: over varlink nobody is let in, and is told why; over the bus rules decide", alone=True)
def older():
    with Situation('/') as s:
        if s.polkit.version >= PIDFD_SINCE:
            raise Skip(f'polkit {s.polkit.version} is no older one')
        s.polkit.rules('return subject.user == "alice" ? polkit.Result.YES : polkit.Result.NO;')
        (over_bus, _), (over_varlink, told) = s.create(ALICE, 'web')
        equal((over_bus, over_varlink), ('done', DENIED), 'Alice')
        contains(told, '124', 'the reason')
        equal(s.create(BOB, 'web')[0][0], DENIED, 'Bob')


if __name__ == '__main__':
    host.prepare()
    bus = Bus()
    tap.run(Situation)
