# SPDX-License-Identifier: LGPL-2.1-or-later
"""OCI image layouts for tests: those that umoci writes, and ones that are written here byte by byte."""

import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile

import dbus

from frame.layers import call, error_of

OCI = 'application/vnd.oci.image.'


def umoci(*arguments):
    subprocess.run(['umoci', *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def unpack(layout, reference, bundle):
    umoci('unpack', '--image', f'{layout}:{reference}', bundle)
    return f'{bundle}/rootfs'


def tar_of(*members):
    """The bytes of a tar of names, or tarfile.TarInfo, with their content."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w', format=tarfile.PAX_FORMAT) as tar:
        for member, data in members:
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            info.size = len(data or b'')
            tar.addfile(info, io.BytesIO(data or b''))
    return out.getvalue()


def digest_of(data):
    return 'sha256:' + hashlib.sha256(data).hexdigest()


def packed(data):
    return gzip.compress(data, mtime=0)


class Layout:
    """A layout in a new directory, of images with layers given as tars."""

    def __init__(self, path):
        self.path = path
        self.manifests = []
        os.makedirs(f'{path}/blobs/sha256')
        with open(f'{path}/oci-layout', 'w', encoding='utf-8') as file:
            json.dump({'imageLayoutVersion': '1.0.0'}, file)

    def where(self, digest):
        return f'{self.path}/blobs/{digest.replace(":", "/")}'

    def blob(self, data, kind):
        if not isinstance(data, bytes):
            data = json.dumps(data).encode()
        descriptor = {'mediaType': kind, 'digest': digest_of(data), 'size': len(data)}
        with open(self.where(descriptor['digest']), 'wb') as file:
            file.write(data)
        return descriptor

    def image(self, tars, reference='v1', diff_ids=None, architecture='amd64', compress=packed, kind='layer.v1.tar+gzip', **config):
        layers = [self.blob(compress(tar), OCI + kind) for tar in tars]
        config = {'os': 'linux', 'architecture': architecture, 'rootfs': {'type': 'layers', 'diff_ids': diff_ids or [digest_of(tar) for tar in tars]}} | config
        manifest = {'schemaVersion': 2, 'config': self.blob(config, OCI + 'config.v1+json'), 'layers': layers}
        self.add(self.blob(manifest, OCI + 'manifest.v1+json'), reference)
        return manifest

    def add(self, descriptor, reference):
        if reference is not None:
            descriptor = descriptor | {'annotations': {'org.opencontainers.image.ref.name': reference}}
        self.manifests.append(descriptor)
        self.index()
        return descriptor

    def index(self):
        with open(f'{self.path}/index.json', 'w', encoding='utf-8') as file:
            json.dump({'schemaVersion': 2, 'manifests': self.manifests}, file)


def chain_of(*tars):
    """The chain id of layers of these tars."""
    chain = digest_of(tars[0])
    for tar in tars[1:]:
        chain = digest_of(f'{chain} {digest_of(tar)}'.encode())
    return chain


def import_image(daemon, path, reference='', **options):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return str(call(daemon, 'ImportImage', 'hsa{sv}', dbus.types.UnixFd(fd), reference, options))
    finally:
        os.close(fd)


def import_error(daemon, path, reference='', **options):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return ': '.join(error_of(daemon, 'ImportImage', 'hsa{sv}', dbus.types.UnixFd(fd), reference, options))
    finally:
        os.close(fd)
