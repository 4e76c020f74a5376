#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Questions: which file a program's name means in a container."""

import os

from frame import host, specs, tap
from frame.bus import Bus
from frame.daemon import ERROR, Daemon
from frame.host import ALICE, BOB
from frame.situation import WithPolkit
from frame.tap import case, contains, equal


def program(path, mode=0o755):
    with open(path, 'w') as file:
        file.write('#!/bin/sh\n')
    os.chmod(path, mode)


def root_of_programs(name, owner=0):
    root = specs.tree(name, {'usr/bin/': '', 'bin/': '', 'opt/': '', 'tmp/': '', 'work/': '', 'usr/bin/dir/': ''}, owner)
    program(f'{root}/usr/bin/tool')
    program(f'{root}/bin/tool')
    program(f'{root}/usr/bin/plain', 0o644)
    program(f'{root}/bin/plain', 0o711)
    program(f'{root}/work/own')
    os.symlink('/usr/bin/tool', f'{root}/opt/absolute')
    os.symlink('../../../../../../usr/bin/tool', f'{root}/opt/above')
    os.symlink('loop', f'{root}/opt/loop')
    return root


@case('programs are found along the path and from the working directory, links followed inside the root')
def found(daemon):
    root = root_of_programs('found')
    pod = daemon.create(specs.oci(root, mounts=[specs.bind(f'{root}/work', '/tmp', 'bind', 'noexec')]))
    before = host.mount_table()
    for name, words, expected in [
            ('tool', [], '/usr/bin/tool'), ('tool', ['--path', '/bin:/usr/bin'], '/bin/tool'), ('plain', [], '/bin/plain'),
            ('tool', ['--path', ':.:bin:/nowhere:/bin'], '/bin/tool'), ('/bin/tool', [], '/bin/tool'), ('bin/tool', [], '/bin/tool'),
            ('./own', ['--cwd', '/work'], '/work/./own'), ('../bin/tool', ['--cwd', '/work'], '/work/../bin/tool'),
            ('absolute', ['--path', '/opt'], '/opt/absolute'), ('above', ['--path', '/opt'], '/opt/above'),
            ('../../../bin/tool', [], '/../../../bin/tool')]:
        equal(daemon.ok('which', pod, name, *words).strip(), expected, f'{name} {words}')
    equal(daemon.json('which', f'{pod}:main', 'tool'), {'Path': '/usr/bin/tool'}, 'JSON')
    equal(host.mount_table(), before, 'the mount table')


@case('what is no program is refused with what was tried')
def refused(daemon):
    root = root_of_programs('refused')
    pod = daemon.create(specs.oci(root, mounts=[specs.bind(f'{root}/work', '/tmp', 'bind', 'noexec')]))
    invalid = 'org.freedesktop.DBus.Error.InvalidArgs'
    for name, path, cwd, error, words in [
            ('none', '/bin:/usr/bin', '', ERROR + 'NoSuchSource', '/bin/none does not exist, /usr/bin/none does not exist'),
            ('plain', '/usr/bin', '', ERROR + 'NoSuchSource', '/usr/bin/plain has no execute permission'),
            ('dir', '/usr/bin', '', ERROR + 'NoSuchSource', '/usr/bin/dir is no regular file'),
            ('own', '/tmp', '', ERROR + 'NoSuchSource', '/tmp/own lies on a mount with noexec'),
            ('loop', '/opt', '', ERROR + 'NoSuchSource', '/opt/loop'), ('/etc/passwd', '', '', ERROR + 'NoSuchSource', 'does not exist'),
            ('x', ':'.join(f'/d{i}' for i in range(20)), '', ERROR + 'NoSuchSource', 'and more'), ('', '', '', invalid, 'no name'),
            ('x', 'bin:.', '', invalid, 'absolute'), ('./x', '', 'work', invalid, 'not absolute'),
            ('x' * 5000, '', '', invalid, 'longer'), ('x', ':'.join(['/d'] * 300), '', invalid, 'more than 256')]:
        found, text = daemon.error_of('ResolveExecutable', 'sssss', pod, 'main', name, path, cwd)
        equal(found, error, f'{name:.20} ({text:.200})')
        contains(text, words, 'words')
    equal(daemon.error_of('ResolveExecutable', 'sssss', pod, 'other', 'tool', '', '')[0], ERROR + 'NoSuchContainer', 'container')


@case('the caller sees what it may reach itself, and strangers see no pod', alone=True)
def rights():
    with Bus() as bus, WithPolkit(bus, 'yes') as situation:
        daemon, root = situation.daemon, root_of_programs('rights', ALICE)
        os.mkdir(f'{root}/closed', 0o700)
        program(f'{root}/closed/tool')
        pod = daemon.create(specs.oci(root), user=ALICE, over_bus=True)
        equal(daemon.ok('which', pod, 'tool', user=ALICE, over_bus=True).strip(), '/usr/bin/tool', 'its own')
        contains(daemon.refused('which', pod, '/closed/tool', user=ALICE, over_bus=True), 'Permission denied', 'a closed directory')
        equal(daemon.ok('which', pod, '/closed/tool').strip(), '/closed/tool', 'root')
        daemon.refused('which', pod, 'tool', user=BOB, over_bus=True)


if __name__ == '__main__':
    host.prepare()
    tap.run(Daemon)
