#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Questions: which file a program's name means in a container, and what a path lies on."""

import os
import shutil
import subprocess

from frame import host, specs, tap
from frame.bus import Bus
from frame.daemon import ERROR, MANAGER, Daemon
from frame.host import ALICE, BOB, UserError, as_user
from frame.situation import WithPolkit
from frame.tap import Skip, case, contains, equal, eventually


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


def numbers(path):
    device = os.stat(path).st_dev
    return f'{os.major(device)}:{os.minor(device)}'


@case('what a path in a container lies on: tmpfs, bind, root, proc and sysfs, device nodes, through symlinks, by fd alone')
def path_info(daemon):
    root = specs.tree('info', {'proc/': '', 'proc-like/': '', 'sys/': '', 'tmp/': '', 'data/': '', 'dev/': '', 'etc/file': 'x'})
    source = specs.tree('info-source', {'below/file': 'x'})
    for name, target in [('to-tmp', '/tmp'), ('out', '../../../../proc'), ('dangling', '/none')]:
        if not os.path.islink(f'{root}/{name}'):
            os.symlink(target, f'{root}/{name}')
    pod = daemon.create(specs.oci(root, mounts=[
        specs.mount('/proc', 'proc', 'proc'), specs.mount('/sys', 'sysfs', 'sysfs'), specs.mount('/tmp', 'tmpfs', 'scratch'),
        specs.mount('/dev', 'devtmpfs'), specs.bind(source, '/data')]))
    inside, before, mounts = daemon.rootfs(pod), host.mount_table(), daemon.mounts(pod)
    for path, target, type, system, device in [
            ('/tmp', '/tmp', 'tmpfs', False, False), ('/to-tmp/..', '/', None, False, False), ('/to-tmp', '/tmp', 'tmpfs', False, False),
            ('/data/below/file', '/data', None, False, False), ('/etc/file', '/', None, False, False),
            ('/proc', '/proc', 'proc', True, False), ('/proc/1/status', '/proc', 'proc', True, False), ('/out/1', '/proc', 'proc', True, False),
            ('/sys/kernel', '/sys', 'sysfs', True, False), ('/proc-like', '/', None, False, False), ('/dev', '/dev', 'tmpfs', False, False),
            ('/dev/null', '/dev/null', 'devtmpfs', False, True)]:
        found = daemon.json('path-info', f'{pod}:main', path)
        where = os.path.normpath(inside + target)
        equal((found['MountPoint'], found['SystemMount'], found['HostDevice']), (where, system, device), f'{path}: {found}')
        if path != '/dev/null':  # one of the nodes that come with /dev
            equal(found['MountID'], mounts[f'main:{target}']['ID'], f'{path}: the id of ListMounts')
            equal(found['Device'], mounts[f'main:{target}']['Device'], f'{path}: the device of ListMounts')
        if type:  # the others lie where the test's own directory does
            equal((found['Type'], found['BackingDevice'], found['DeviceMapper']), (type, '', ''), f'{path}: no block device')
    equal(daemon.json('path-info', pod, '/tmp')['Source'], 'scratch', 'source')
    equal(sorted(daemon.json('path-info', pod, '/tmp')), ['BackingDevice', 'Device', 'DeviceMapper', 'HostDevice', 'MountID',
            'MountPoint', 'Source', 'SystemMount', 'Type'], 'keys')
    contains(daemon.ok('path-info', pod, '/proc/1'), 'System mount: yes', 'for people')
    for container, path, error in [('', '/none', 'NoSuchSource'), ('', '/dangling', 'NoSuchSource'), ('', '/etc/file/x', 'NoSuchSource'),
            ('', '/proc/self/root', 'SourceDenied'), ('other', '/', 'NoSuchContainer')]:
        equal(daemon.error_of('PathInfo', 'sss', pod, container, path)[0], ERROR + error, path)
    for id, container, path in [(pod, '', 'tmp'), (pod, '', ''), (pod, '', '/' + 'x' * 5000), ('', 'main', '/'), ('', '', 'etc')]:
        equal(daemon.error_of('PathInfo', 'sss', id, container, path)[0], 'org.freedesktop.DBus.Error.InvalidArgs', f'{path:.20}')
    equal(daemon.error_of('PathInfo', 'sss', 'nobody', '', '/')[0], ERROR + 'NoSuchPod', 'no pod')
    equal(daemon.ctl('path-info', ':main', '/').status, 2, 'a container without a pod')
    equal(host.mount_table(), before, 'the mount table')


@case('what a path of the host lies on')
def path_info_of_host(daemon):
    like = specs.tree('proc', {'file': 'x'})  # a directory with that name, and one with that beginning
    os.makedirs(f'{host.DIRECTORY}/process', exist_ok=True)
    for path, point, system, device in [
            ('/proc/1', '/proc', True, False), ('/sys/kernel', '/sys', True, False), ('/dev/null', '/dev', False, True),
            (f'{like}/file', host.DIRECTORY, False, False), (f'{host.DIRECTORY}/process', host.DIRECTORY, False, False)]:
        found = daemon.json('path-info', path)
        equal((found['MountPoint'], found['SystemMount'], found['HostDevice']), (point, system, device), f'{path}: {found}')
        equal(found['Device'], numbers(path), f'{path}: device')
    if daemon.json('path-info', '/dev')['Type'] == 'devtmpfs':
        equal(daemon.json('path-info', '/dev')['HostDevice'], True, 'a devtmpfs')
    contains(daemon.refused('path-info', '/nowhere'), 'does not exist on the host', 'missing')
    equal(daemon.error_of('PathInfo', 'sss', '', '', '/nowhere')[0], ERROR + 'NoSuchSource', 'missing')


@case('the file system of an image lies on its loop device', alone=True)
def path_info_of_image():
    if not shutil.which('mkfs.ext4'):
        raise Skip('mkfs.ext4 is not installed')
    image = f'{host.DIRECTORY}/info.ext4'
    subprocess.run(['mkfs.ext4', '-q', '-F', image, '2M'], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with Daemon(config='[Mounts]\nImageTypes=ext4\n') as daemon:
        pod = daemon.create(specs.oci(mounts=[specs.mount('/mnt', 'ext4', image)]))
        found = daemon.json('path-info', pod, '/mnt/lost+found')
        name = found['BackingDevice'].removeprefix('/dev/')
        with open(f'/sys/block/{name}/loop/backing_file') as file:
            equal(file.read().strip(), image, 'the image behind the device')
        with open(f'/sys/block/{name}/dev') as file:
            equal(file.read().strip(), found['Device'], 'its number')
        equal((found['Type'], found['DeviceMapper']), ('ext4', ''), 'type')
        daemon.ok('gc', pod)
        eventually(lambda: not os.path.exists(f'/sys/block/{name}/loop/backing_file'), 'the loop device is free')


@case('a path is looked at with the rights of who asks, and strangers see no pod', alone=True)
def path_info_rights():
    with Bus() as bus, WithPolkit(bus, 'yes') as situation:
        daemon, root = situation.daemon, root_of_programs('info-rights', ALICE)
        os.makedirs(f'{root}/closed/in', 0o700, exist_ok=True)
        os.chmod(f'{root}/closed', 0o700)
        pod = daemon.create(specs.oci(root), user=ALICE, over_bus=True)
        equal(daemon.json('path-info', pod, '/opt/absolute', user=ALICE, over_bus=True)['HostDevice'], False, 'its own')
        for words in [(pod, '/closed/in'), (f'{root}/closed/in',)]:
            contains(daemon.refused('path-info', *words, user=ALICE, over_bus=True), 'cannot be reached by the caller', f'{words}')
            equal(daemon.json('path-info', *words)['SystemMount'], False, f'{words}: root')
        contains(daemon.refused('path-info', pod, '/', user=BOB, over_bus=True), 'No pod', 'a stranger')
        equal(daemon.json('path-info', '/proc/self', user=BOB, over_bus=True)['SystemMount'], True, 'of the host')
        equal(daemon.json('path-info', '/proc', user=BOB)['SystemMount'], True, 'of the host, over the socket')
        contains(daemon.refused('path-info', '/proc/self/root/etc', user=BOB, over_bus=True), 'magic link', 'a magic link')
        for uid, arguments, error in [(ALICE, (pod, '', '/closed/in'), 'SourceDenied'), (BOB, (pod, '', '/'), 'NoSuchPod'),
                (ALICE, ('', '', f'{root}/closed/in'), 'SourceDenied')]:
            try:
                as_user(uid, lambda: bus.call(MANAGER, 'PathInfo', 'sss', *arguments))
            except UserError as found:
                equal(found.name, ERROR + error, f'{arguments}')
            else:
                raise AssertionError(f'{arguments} was not refused')


if __name__ == '__main__':
    host.prepare()
    tap.run(Daemon)
