#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every error name of the contract, provoked once: its name and its sentence."""

import json
import os
import re
import subprocess

import dbus

from frame import host, specs, tap
from frame.bus import Bus
from frame.daemon import ERROR, LAYERS, MANAGER
from frame.host import ALICE, UserError, as_user
from frame.situation import WithPolkit
from frame.tap import case, equal, eventually

bus = None
DBUS_ERROR = 'org.freedesktop.DBus.Error.'
SEEN = set()


class Situation(WithPolkit):
    """A daemon on a bus where polkit says yes, a pod of root's and one of Alice's."""

    def __init__(self):
        super().__init__(bus, 'yes', '[Limits]\nPodsPerUser=1\n')
        self.pod = self.daemon.create(specs.oci(), '--name', 'web')
        self.inside = self.daemon.rootfs(self.pod)
        self.hers = as_user(ALICE, lambda: str(bus.call(MANAGER, 'CreatePod', 'sa{sh}a{sv}',
                json.dumps(specs.oci(self.root)), {}, {})[0]))

    def expect(self, name, pattern, method, signature, *arguments, user=0, interface=MANAGER):
        """The call fails with this name, and the sentence is this (a regular expression for the whole of it)."""
        def call():
            return repr(bus.call(interface, method, signature, *arguments))
        before = host.mount_table()
        try:
            result = as_user(user, call)
        except UserError as error:
            found = (error.name, error.text)
        else:
            raise AssertionError(f'{method} was not refused: {result}')
        full = name if '.' in name else ERROR + name
        text = found[1].removeprefix(f'{found[0]}: ')
        equal(found[0], full, f'name (the sentence is {text!r})')
        equal(bool(re.fullmatch(pattern, text)), True, f'the sentence\n  {text!r}\n  as\n  {pattern!r}\n ')
        equal(host.mount_table(), before, 'mount table')
        SEEN.add(full)

    def bind(self, name, pattern, source, target, options=('rbind',), more=None, user=0, pod=None):
        values = {'options': dbus.Array(options, signature='s')} | (more or {})
        self.expect(name, pattern, 'Bind', 'sssa{sh}a{sv}', pod or self.pod, source, target, {}, values, user=user)


@case('NoSuchPod')
def no_such_pod(s):
    s.expect('NoSuchPod',
            r'There is no pod "nope"; podmountctl list shows those that there are|'
            r'No pod "nope" is known; podmountctl list shows those there are\.',
             'GetPod', 's', 'nope')


@case('NoSuchContainer')
def no_such_container(s):
    s.bind('NoSuchContainer', rf'Pod {s.pod} has no container "nope"; it has: main\.', '/etc', '/mnt',
            more={'container': 'nope'})


@case('PodExists')
def pod_exists(s):
    s.expect('PodExists',
            rf'A pod of yours is named "web" already \({s.pod}\); choose another name, or '
            r'collect it with podmountctl gc web\.',
             'CreatePod', 'sa{sh}a{sv}', json.dumps(specs.oci()), {}, {'name': 'web'})


@case('InvalidSpec')
def invalid_spec(s):
    s.expect('InvalidSpec', r'/mounts/0/destination: it is missing; give the absolute path inside the container',
             'CreatePod', 'sa{sh}a{sv}', json.dumps(specs.oci(mounts=[{'type': 'tmpfs'}])), {}, {})


@case('InvalidOption')
def invalid_option(s):
    s.bind('InvalidOption',
            r'/options/1: option nonsense of a bind: it is unknown; podmount-spec\(5\) lists the options that '
            r'there are', '/etc', '/mnt', ['rbind', 'nonsense'])


@case('InvalidTarget')
def invalid_target(s):
    s.bind('InvalidTarget', r'.*target /etc/hostname of container main is a file where a directory is needed.*', '/etc',
            '/etc/hostname')


@case('TargetInUse')
def target_in_use(s):
    ident = s.daemon.ok('bind', s.pod, '/etc', '/mnt', '-o', 'rbind,ro').strip()
    s.bind('TargetInUse',
            rf'/mnt is in use: mount {ident} \(bind\) is there; unmount it first, or mount over it with '
            r'the option "stack"\.', '/usr', '/mnt')


@case('EscapesRoot')
def escapes_root(s):
    s.daemon.ok('mount', s.pod, json.dumps(specs.mount('/proc', 'proc', 'proc')))
    os.symlink('/proc/self/root/tmp', f'{s.inside}/srv/out')
    try:
        s.bind('EscapesRoot',
                r'target /srv/out leads through a magic link or out of the root of container main; '
                r'name a place inside it.*', '/etc', '/srv/out')
    finally:
        os.unlink(f'{s.inside}/srv/out')


@case('SourceDenied')
def source_denied(s):
    secret = specs.tree('secret', {'open/file': 'x'})
    os.chmod(secret, 0o700)
    s.bind('SourceDenied',
            rf'source {secret}/open cannot be reached by the caller; it needs search permission on each '
            r'directory of the path.*',
           f'{secret}/open', '/mnt', user=ALICE, pod=s.hers)


@case('NoSuchSource')
def no_such_source(s):
    s.bind('NoSuchSource', r'source /nonexistent/source does not exist on the host.*', '/nonexistent/source', '/mnt')


@case('NoSuchMount')
def no_such_mount(s):
    s.expect('NoSuchMount',
            rf'Nothing is recorded at /mnt in container main of pod {s.pod}; podmountctl tree {s.pod} shows what is\.',
            'Unmount', 'ssa{sv}', s.pod, '/mnt', {})


@case('Busy')
def busy(s):
    s.daemon.ok('mount', s.pod, json.dumps(specs.mount('/tmp')))
    sleeper = subprocess.Popen(['sleep', '600'], cwd=f'{s.inside}/tmp')
    eventually(lambda: os.readlink(f'/proc/{sleeper.pid}/cwd').startswith(s.inside), 'the mount is in use')
    s.expect('Busy', rf'the mount at {s.pod}/main/rootfs/tmp is in use; .*unmount lazily.*', 'Unmount', 'ssa{sv}',
            s.pod, '/tmp', {})
    sleeper.kill()
    sleeper.wait()


@case('NotSupported')
def not_supported(s):
    s.expect('NotSupported', r'/type: .*"nosuchfs".*', 'Mount', 'ssa{sh}a{sv}', s.pod,
            json.dumps(specs.mount('/mnt', 'nosuchfs', 'x')), {}, {})


@case('QuotaExceeded')
def quota_exceeded(s):
    s.expect('QuotaExceeded', r'pods per user \(PodsPerUser=\): 1 of 1 in use, 1 more asked for; collect some with podmountctl gc',
            'CreatePod', 'sa{sh}a{sv}', json.dumps(specs.oci(s.root)), {}, {}, user=ALICE)


@case('TimedOut')
def timed_out(s):
    for pid in s.daemon.executors():
        os.kill(pid, 19)
    try:
        s.bind('TimedOut', r'Not begun within 300000 µs: nothing was changed', '/etc', '/mnt',
                more={'timeout': dbus.UInt64(300000)})
    finally:
        for pid in s.daemon.executors():
            os.kill(pid, 18)


@case("MountFailed, with the errno's name")
def mount_failed(s):
    base = specs.tree('overlay', {'lower/': '', 'upper/': '', 'other/': ''})
    subprocess.run(['mount', '-t', 'tmpfs', 'other', f'{base}/other'], check=True)
    os.mkdir(f'{base}/other/work')
    mount = specs.mount('/mnt', 'overlay', 'overlay', [f'lowerdir={base}/lower', f'upperdir={base}/upper',
            f'workdir={base}/other/work'])
    try:
        s.expect('MountFailed', r'the overlay of /mnt: making it failed: EINVAL \(Invalid argument\)',
                 'Mount', 'ssa{sh}a{sv}', s.pod, json.dumps(mount), {}, {})
    finally:
        subprocess.run(['umount', f'{base}/other'], check=True)


@case('NoSuchLayer, LayerExists and LayerInUse')
def layers(s):
    s.expect('NoSuchLayer', r'No layer "none" is known; podmountctl layer list shows those there are', 'LayerInfo', 's', 'none',
             interface=LAYERS)
    s.daemon.ok('layer', 'create', '--id', 'base')
    s.daemon.ok('layer', 'create', '--id', 'top', '--parent', 'base')
    s.expect('LayerExists', r'There is a layer base already, made with other arguments; choose another id', 'CreateLayer', 'ssa{sv}', 'base',
             'top', {}, interface=LAYERS)
    s.expect('LayerInUse', r'1 layers stand on layer base \(top\); remove those first', 'RemoveLayer', 'sa{sv}', 'base', {},
             interface=LAYERS)


@case('AccessDenied')
def access_denied(s):
    s.polkit.answer('no')
    s.expect(DBUS_ERROR + 'AccessDenied',
            rf'User {ALICE} may not call CreatePod: polkit refused org\.podmount1\.create; ask an administrator for '
            r'a polkit rule, or to be put '
             r'into the group podmount', 'CreatePod', 'sa{sh}a{sv}', json.dumps(specs.oci(s.root)), {}, {}, user=ALICE)


@case('InvalidArgs')
def invalid_args(s):
    s.bind(DBUS_ERROR + 'InvalidArgs', r'.*"nonsense".*', '/etc', '/mnt', more={'nonsense': True})


@case('InteractiveAuthorizationRequired')
def interactive(s):
    s.polkit.answer('challenge')
    s.expect(DBUS_ERROR + 'InteractiveAuthorizationRequired',
            rf'CreatePod by user {ALICE} needs authentication \(org\.podmount1\.create\): call again with interactive '
             r'authorisation allowed.*', 'CreatePod', 'sa{sh}a{sv}', json.dumps(specs.oci(s.root)), {}, {}, user=ALICE)


@case('no name of the contract was left out', alone=True)
def complete():
    with open(f'{host.SOURCE}/dbus/names.h') as file:
        names = {ERROR + name for name in re.findall(r'PODMOUNT_ERROR\("(\w+)"\)', file.read())}
    names |= {DBUS_ERROR + name for name in ('AccessDenied', 'InvalidArgs', 'InteractiveAuthorizationRequired')}
    equal(sorted(names - SEEN), [], 'names without a case that passed')


if __name__ == '__main__':
    host.prepare()
    bus = Bus()
    tap.run(Situation)
