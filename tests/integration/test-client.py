#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""podmountctl itself: exit statuses, JSON everywhere, paths, pipes, completion."""

import json
import os
import subprocess

from frame import host, specs, tap
from frame.daemon import Daemon
from frame.tap import Skip, case, contains, equal

CTL = f'{host.DIRECTORY}/bin/podmountctl'


@case('wrong usage is 2 and asks nothing of a daemon; what is refused is 1 with a next step')
def statuses(daemon):
    for words in [[], ['nonsense'], ['list', 'x'], ['show'], ['bind', 'a', 'b'], ['list', '--lazy'],
            ['create', '--fd', 'x=999', 'y'], ['unmount', 'x'], ['unmount', 'x', '--id', '0'],
                  ['--json=nonsense', 'list'], ['--timeout', 'x', 'list'], ['-H', 'a', '-M', 'b', 'list']]:
        done = daemon.ctl(*words) if '-H' not in words else host.run([CTL] + words)
        equal((done.status, done.out), (2, ''), f'{words}: {done}')
        contains(done.err, 'Next:', f'{words}')
    done = daemon.ctl('show', 'no-such-pod')
    equal(done.status, 1, f'{done}')
    equal(done.err.startswith('podmountctl: '), True, f'{done}')
    contains(done.err, '\nNext: `podmountctl list`', 'the next step')
    done = host.run([CTL, '--socket', '/nonexistent/socket', 'list'])
    equal((done.status, '/nonexistent/socket' in done.err), (1, True), f'{done}')
    equal(host.run([CTL, '--help']).status, 0, '--help')
    contains(host.run([CTL, '--version']).out, 'podmountctl ', '--version')


@case('every verb prints JSON on one line with --json=short')
def json_everywhere(daemon):
    spec = json.dumps(specs.oci(mounts=[specs.mount('/tmp')]))
    created = daemon.json('create', '-', input=spec)
    pod = created['UUID']
    equal(sorted(created), ['Object', 'UUID'], 'create')
    for words, kind in [(['list'], list), (['show', pod], dict), (['tree', pod], list), (['tree'], list),
            (['status'], dict), (['rescan'], dict),
                        (['bind', pod, '/etc', '/mnt', '-o', 'rbind,ro'], dict),
                        (['mount', pod, json.dumps(specs.mount('/srv'))], dict), (['unmount', pod, '/srv'], dict),
                        (['gc', pod, '--dry-run'], list), (['gc', pod], list)]:
        out = daemon.ok('--json=short', *words)
        equal((out.count('\n'), type(json.loads(out))), (1, kind), f'{words}')
    for verb in ('plan', 'check'):
        equal(type(json.loads(daemon.ok('--json=short', verb, '-', input=spec))), dict, verb)
    equal(daemon.ok('--json=pretty', 'status').count('\n') > 3, True, 'pretty')


@case('check needs no daemon: exit 0 and a table, or the error with its pointer')
def check(daemon):
    daemon.stop()
    done = host.run([CTL, 'check', '-'], input=json.dumps(specs.oci(mounts=[specs.mount('/tmp', options=['size=1m'])])))
    equal(done.status, 0, f'{done}')
    contains(done.out, '/tmp', 'the table')
    done = host.run([CTL, 'check', '-'], input=json.dumps(specs.oci(mounts=[specs.mount('/tmp',
            options=['nonsense'])])))
    equal(done.status, 1, f'{done}')
    contains(done.err, '/mounts/0', 'the place')


@case('relative sources are taken from the working directory, `..` as the file system has it')
def relative(daemon):
    pod = daemon.create(specs.oci())
    data = specs.tree('relative', {'here/file': 'x', 'sibling/other': 'y'})
    daemon.ok('bind', pod, 'here', '/mnt/a', cwd=data)
    daemon.ok('bind', pod, '../sibling', '/mnt/b', cwd=f'{data}/here')
    daemon.ok('bind', pod, '.', '/mnt/c', cwd=f'{data}/here')
    for name, expected in (('a', ['file']), ('b', ['other']), ('c', ['file'])):
        equal(os.listdir(f'{daemon.rootfs(pod)}/mnt/{name}'), expected, name)
    daemon.ok('mount', pod, json.dumps([specs.bind('here', '/mnt/d')]), cwd=data)
    equal(os.listdir(f'{daemon.rootfs(pod)}/mnt/d'), ['file'], 'd')


@case('a pipe that is closed and a full disk are failures')
def broken_stdout(daemon):
    with open('/dev/full', 'w') as full:
        done = subprocess.run([CTL, '--socket', daemon.socket, 'status'], stdout=full, stderr=subprocess.PIPE,
                text=True)
    equal(done.returncode, 1, done.stderr)


@case('nothing of a spec or an answer can steer the terminal')
def terminal(daemon):
    pod = daemon.create(specs.oci())
    name = 'evil\x1b[31mname'
    data = specs.tree(name, {})
    daemon.ok('bind', pod, data, f'/mnt/{name}')
    for words in (['show', pod], ['tree', pod]):
        equal('\x1b' in daemon.ok(*words), False, f'{words}')
    equal('\x1b' in daemon.refused('unmount', pod, f'/nothing/{name}'), False, 'an error')


@case('completion: verbs, pods by name and UUID, targets of a pod')
def completion(daemon):
    if not os.path.exists('/usr/share/bash-completion/bash_completion'):
        raise Skip('bash-completion is not installed')
    pod = daemon.create(specs.oci(mounts=[specs.mount('/tmp')]), '--name', 'web')

    def complete(*words):
        script = f'''source /usr/share/bash-completion/bash_completion
            source {host.SOURCE}/client/completion/podmountctl
            PATH={host.DIRECTORY}/bin:$PATH
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${{#COMP_LINE}}; COMPREPLY=()
            _podmountctl; printf '%s\\n' "${{COMPREPLY[@]}}"'''
        return host.run(['bash', '-c', script, 'bash', 'podmountctl', '--socket',
                daemon.socket] + list(words)).out.split()
    equal(complete('un'), ['unmount'], 'a verb')
    equal(sorted(complete('show', '')), sorted([pod, 'web']), 'pods')
    contains(complete('unmount', 'web', '/t'), '/tmp', 'targets')
    equal(complete('gc', '--dr'), ['--dry-run'], 'an option')
    daemon.ok('layer', 'create', '--id', 'base')
    equal(complete('layer', 'rem'), ['remove'], 'a verb of layer')
    equal(complete('layer', 'remove', ''), ['base'], 'layers')
    equal(complete('layer', 'create', '--parent', 'b'), ['base'], 'a parent')
    equal(complete('layer', 'create', '--pa'), ['--parent'], 'an option of layer')


if __name__ == '__main__':
    host.prepare()
    tap.run(Daemon)
