# SPDX-License-Identifier: LGPL-2.1-or-later
"""Roots and specs, made by the real tools where there is one."""

import json
import os
import shutil
import subprocess

from frame import host

DIRECTORIES = ['bin', 'dev', 'etc', 'proc', 'sys', 'tmp', 'data', 'mnt', 'srv']


def rootfs(name='rootfs', owner=0):
    """A root file system with busybox in it; the same one for the same name."""
    path = f'{host.DIRECTORY}/{name}'
    if not os.path.exists(path):
        for directory in DIRECTORIES:
            os.makedirs(f'{path}/{directory}')
        shutil.copy(shutil.which('busybox'), f'{path}/bin/busybox')
        for applet in ['sh', 'cat', 'echo', 'ls', 'touch', 'mount', 'true']:
            os.symlink('busybox', f'{path}/bin/{applet}')
        with open(f'{path}/etc/hostname', 'w') as file:
            file.write('pod\n')
        if owner:
            for base, directories, files in os.walk(path):
                for entry in [base] + [f'{base}/{f}' for f in files]:
                    os.chown(entry, owner, owner, follow_symlinks=False)
    return path


def tree(name, files, owner=0):
    """A directory with these files ({relative path: text}); a path that ends in / is a directory."""
    path = f'{host.DIRECTORY}/{name}'
    os.makedirs(path, exist_ok=True)
    for relative, text in files.items():
        if relative.endswith('/'):
            os.makedirs(f'{path}/{relative}', exist_ok=True)
            continue
        os.makedirs(os.path.dirname(f'{path}/{relative}'), exist_ok=True)
        with open(f'{path}/{relative}', 'w') as file:
            file.write(text)
    for base, directories, names in os.walk(path):
        for entry in [base] + [f'{base}/{n}' for n in names]:
            os.chown(entry, owner, owner, follow_symlinks=False)
    return path


def mount(destination, type='tmpfs', source=None, options=None):
    found = {'destination': destination, 'type': type}
    if source is not None:
        found['source'] = source
    if options is not None:
        found['options'] = options
    return found


def bind(source, destination, *options):
    return mount(destination, 'bind', source, list(options) or ['bind'])


def oci(root=None, mounts=(), readonly=False, mandatory=False):
    """A small OCI document; with nothing but these mounts unless `mandatory`."""
    return {'ociVersion': '1.0.2', 'mandatoryMounts': mandatory,
            'root': {'path': root or rootfs(), 'readonly': readonly}, 'mounts': list(mounts)}


def podmount(containers, name=None, mandatory=False):
    """podmount's own format: {container: (root, readonly, mounts)}; with nothing but these unless `mandatory`."""
    spec = {'podmount': 1, 'mandatoryMounts': mandatory, 'containers': [{'name': key, 'root': {'path': root, 'readonly': readonly},
            'mounts': list(mounts)}
                                          for key, (root, readonly, mounts) in containers.items()]}
    if name:
        spec['name'] = name
    return spec


def generated(tool, name, readonly=True, mandatory=False):
    """A bundle whose config.json `runc spec` or `crun spec` wrote."""
    from frame.tap import Skip
    if not shutil.which(tool):
        raise Skip(f'{tool} is not installed')
    bundle = f'{host.DIRECTORY}/{name}'
    if not os.path.exists(bundle):
        os.mkdir(bundle)
        subprocess.run([tool, 'spec'], cwd=bundle, check=True, stdout=subprocess.DEVNULL)
        os.rename(rootfs(f'{name}-rootfs'), f'{bundle}/rootfs')
        with open(f'{bundle}/config.json') as file:
            config = json.load(file)
        config['root']['readonly'] = readonly
        config['mandatoryMounts'] = mandatory
        with open(f'{bundle}/config.json', 'w') as file:
            json.dump(config, file)
    return bundle


def volume(name, type='tmpfs', **members):
    return {'name': name, 'type': type, **members}


def shared(volumes, containers, root=None, **more):
    """A spec with these volumes; containers by name: their mounts."""
    spec = podmount({name: (root or rootfs(), True, mounts) for name, mounts in containers.items()}, **more)
    return {**spec, 'volumes': list(volumes)}
