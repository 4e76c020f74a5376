# SPDX-License-Identifier: LGPL-2.1-or-later
"""A bare Debian and its packages, got once and kept in the build folder."""

import os
import shutil
import subprocess

from frame import host
from frame.tap import Skip

CACHE = f'{host.BUILD}/debian-root'
ENVIRONMENT = {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'HOME': '/root', 'LC_ALL': 'C.UTF-8', 'DEBIAN_FRONTEND': 'noninteractive'}


def base(cache=CACHE, program='usr', **variables):
    """The bare root, made anew if it is one from before this program was wanted in it."""
    found = f'{cache}/base'
    if not os.path.exists(f'{found}/{program}'):
        if not shutil.which('debootstrap'):
            raise Skip('debootstrap is not installed')
        done = subprocess.run([f'{host.SOURCE}/tests/debian-root', '--fresh', '--base'], env=dict(os.environ, DEBIAN_ROOT_CACHE=cache, **variables),
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise Skip(f'no Debian to be had: {done.stderr.strip()[-200:]}')
    return found


def newer():
    """A bare Debian 13 with systemd's programs and polkit. debootstrap does not choose among packages that provide what these need."""
    return base(f'{host.BUILD}/debian-13', 'usr/lib/polkit-1/polkitd', DEBIAN_ROOT_SUITE='trixie',
            DEBIAN_ROOT_INCLUDE='systemd,dbus,libpam-systemd,polkitd')


def package(name):
    """A package as a file, from where this machine's apt gets Debian's."""
    directory = f'{CACHE}/packages'
    os.makedirs(directory, exist_ok=True)

    def found():
        return sorted(file for file in os.listdir(directory) if file.startswith(f'{name}_') and file.endswith('.deb'))
    if not found():
        if not shutil.which('apt-get'):
            raise Skip('apt-get is not installed')
        done = subprocess.run(['apt-get', 'download', '-q', '-o', 'APT::Sandbox::User=root', name], cwd=directory, stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode or not found():
            raise Skip(f'no package {name} to be had: {done.stderr.strip()[-200:]}')
    return f'{directory}/{found()[-1]}'


def run_in(root, script):
    """What a shell in this root says."""
    done = subprocess.run(['chroot', root, '/bin/sh', '-ec', script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
            check=False, env=ENVIRONMENT)
    if done.returncode:
        raise AssertionError(f'{script}: status {done.returncode}: {done.stdout}')
    return done.stdout
