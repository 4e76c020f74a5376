#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""varlinkctl of a real Debian 13, run beside this machine's own libraries: info, introspect, validate-idl, call, --more."""

import json
import os
import subprocess

from frame import debian, host, specs, tap
from frame.tap import PATIENCE, case, contains, equal
from frame.varlink import SERVICE, Varlink, spec


def varlinkctl():
    """How to run it: Debian 13's, by its own loader, in this machine's root directory, so that it is root to podmountd."""
    base = debian.newer()
    library, = [name for name in os.listdir(f'{base}/usr/lib') if os.path.isdir(f'{base}/usr/lib/{name}/systemd')]
    loader = [name for name in os.listdir(f'{base}/usr/lib/{library}') if name.startswith('ld-linux')][0]
    libraries = f'{base}/usr/lib/{library}'
    return [f'{libraries}/{loader}', '--library-path', f'{libraries}:{libraries}/systemd', f'{base}/usr/bin/varlinkctl', '--no-pager']


def run(*words, status=0):
    done = host.run(varlinkctl() + [str(word) for word in words])
    equal(done.status, status, f'varlinkctl {words}: {done}')
    return done


def call(daemon, method, parameters, *options):
    return json.loads(run(*options, '--json=short', 'call', daemon.varlink, f'org.podmount1.{method}', json.dumps(parameters)).out)


@case('info and introspect: it reads what we say of ourselves')
def info(daemon):
    contains(run('info', daemon.varlink).out, 'podmountd', 'info')
    equal(run('list-interfaces', daemon.varlink).out.split(), ['org.podmount1', SERVICE], 'interfaces')
    contains(run('introspect', daemon.varlink, 'org.podmount1').out, 'method CreatePod', 'the description')
    contains(run('introspect', daemon.varlink, SERVICE).out, 'GetInfo', 'the description of the service')
    contains(run('list-methods', daemon.varlink).out, 'org.podmount1.Bind', 'methods')


@case('validate-idl: both files are valid')
def valid(_):
    for name in ('org.podmount1', SERVICE):
        run('validate-idl', f'{host.SOURCE}/dbus/{name}.varlink')


@case('call: a pod is made, bound into, listed and collected, and errors are told')
def calls(daemon):
    uuid = call(daemon, 'CreatePod', {'spec': spec(specs.mount('/tmp')), 'options': {'name': 'web'}})['uuid']
    ident = call(daemon, 'Bind', {'id': 'web', 'source': '/etc', 'target': '/mnt', 'options': {'options': ['ro']}})['mount_id']
    equal([m['Target'] for m in call(daemon, 'ListMounts', {'id': uuid})['mounts'] if m['ID'] == ident], ['/mnt'], 'the bind')
    equal(call(daemon, 'Unmount', {'id': 'web', 'target': '/mnt'}), {}, 'an empty answer')
    done = run('call', daemon.varlink, 'org.podmount1.GetPod', '{"id": "nobody"}', status=1)
    contains(done.err + done.out, 'org.podmount1.NoSuchPod', 'the error')
    done = run('call', daemon.varlink, 'org.podmount1.GetPod', '{"uuid": "nobody"}', status=1)
    contains(done.err + done.out, 'nvalid', 'the error of a parameter')
    run('--oneway', 'call', daemon.varlink, 'org.podmount1.ListPods', '{}')
    equal(call(daemon, 'GC', {'ids': ['web']})['outcomes'][0]['outcome'], 'removed', 'the outcome')


@case('--more: the pods one by one, and changes as they come')
def more(daemon):
    pods = sorted(daemon.create(specs.oci()) for _ in range(3))
    out = run('--more', '--json=short', 'call', daemon.varlink, 'org.podmount1.List', '{}').out
    equal(sorted(json.loads(text.lstrip('\x1e'))['pod']['UUID'] for text in out.splitlines() if text.strip('\x1e')), pods, 'pods')
    watch = subprocess.Popen(varlinkctl() + ['--more', '--json=short', '--timeout=infinity', 'call', daemon.varlink, 'org.podmount1.Monitor', '{}'],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def until(event):
        while True:
            text = watch.stdout.readline()
            if not text:
                raise AssertionError(f'the end before {event}')
            if text.strip('\x1e\n') and json.loads(text.lstrip('\x1e'))['event'] == event:
                return json.loads(text.lstrip('\x1e'))
    until('Ready')
    daemon.ok('gc', *pods)
    equal(sorted(until('PodRemoved')['uuid'] for _ in pods), pods, 'pods that went')
    watch.terminate()
    watch.wait(10 * PATIENCE)


if __name__ == '__main__':
    host.prepare()
    tap.run(Varlink)
