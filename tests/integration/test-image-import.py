#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""ImportImage: layers of an OCI image layout, every digest verified, shared by chain id; what is wrong is named."""

import io
import json
import os
import pty
import shutil
import subprocess
import tarfile
import threading

from frame import backing, host, tap
from frame.daemon import Stage
from frame.layouts import OCI, Layout, chain_of, digest_of, import_error, import_image, tar_of, umoci, unpack
from frame.layers import call, content, differences, entry
from frame.tap import case, contains, equal, eventually


def layers_of(daemon):
    return {str(layer['ID']): layer for layer in call(daemon, 'ListLayers', 'a{sv}', {})}


def left(daemon):
    """What lies among the layers."""
    return sorted(os.listdir(f'{daemon.directory}/state/layers'))


def fill(root):
    os.makedirs(f'{root}/etc/opaque/old')
    os.makedirs(f'{root}/usr/lib/deep')
    for name in ('etc/passwd', 'etc/gone', 'etc/opaque/old/file', 'usr/lib/big'):
        with open(f'{root}/{name}', 'wb') as file:
            file.write(os.urandom(70000 if name.endswith('big') else 100))
    os.link(f'{root}/usr/lib/big', f'{root}/usr/lib/deep/same')
    os.symlink('../usr/lib', f'{root}/etc/lib')
    os.mkfifo(f'{root}/etc/fifo')
    os.chmod(f'{root}/usr/lib/big', 0o4755)
    os.chown(f'{root}/etc/passwd', 7, 8)
    try:
        os.setxattr(f'{root}/etc/passwd', 'user.note', b'x\x00y')
    except OSError as error:  # a tmpfs before Linux 6.6 has no such attributes
        if error.errno != errno.ENOTSUP:
            raise


def change(root):
    os.unlink(f'{root}/etc/gone')
    shutil.rmtree(f'{root}/etc/opaque')
    os.makedirs(f'{root}/etc/opaque/new')
    os.rename(f'{root}/usr/lib/deep', f'{root}/usr/lib/moved')
    with open(f'{root}/etc/passwd', 'a', encoding='utf-8') as file:
        file.write('more\n')
    os.chmod(f'{root}/usr', 0o700)
    for name in ('etc', 'etc/opaque', 'usr', 'usr/lib'):  # umoci sees no change within a second
        os.utime(f'{root}/{name}', (1600000000, 1600000000))


def umoci_image(directory):
    """An image of three layers by umoci: its layout."""
    layout, bundle = f'{directory}/umoci', f'{directory}/bundle'
    umoci('init', '--layout', layout)
    umoci('new', '--image', f'{layout}:v1')
    for turn, work in enumerate((fill, change, lambda root: os.makedirs(f'{root}/third'))):
        work(unpack(layout, 'v1', f'{bundle}{turn}'))
        umoci('repack', '--image', f'{layout}:v1', f'{bundle}{turn}')
    return layout


@case('the chain of an image that umoci wrote is mounted as umoci unpacks it')
def as_umoci(daemon):
    layout = umoci_image(daemon.directory)
    top = daemon.ok('layer', 'import', f'{layout}:v1').strip()
    where = daemon.ok('layer', 'get', top).strip()
    wanted = content(unpack(layout, 'v1', f'{daemon.directory}/whole'))
    equal(differences(content(where), wanted), {}, 'trees')
    equal(len(wanted) > 8, True, 'there is something to compare')
    info = layers_of(daemon)[top]
    equal((int(info['Depth']), str(info['Metadata']['image-reference'])), (3, 'v1'), 'the top layer')
    with open(f'{layout}/index.json', encoding='utf-8') as file:
        equal(str(info['Metadata']['image-manifest']), json.load(file)['manifests'][0]['digest'], 'manifest')
    daemon.ok('layer', 'put', top)


def fill_private(root):
    """Directories that a layer will have nothing to say of."""
    os.makedirs(f'{root}/var/mail/box')
    for name in ('var/mail/box/one', 'var/mail/other'):
        with open(f'{root}/{name}', 'wb') as file:
            file.write(os.urandom(100))
    os.chown(f'{root}/var/mail', 8, 12)
    os.chmod(f'{root}/var/mail', 0o2750)
    os.chown(f'{root}/var/mail/box', 1000, 1001)
    os.chmod(f'{root}/var/mail/box', 0o1770)
    os.setxattr(f'{root}/var/mail/box', 'user.note', b'of the box')
    for name in ('var/mail/box', 'var/mail', 'var', ''):
        os.utime(f'{root}/{name}', ns=(1, 1500000000000000000))


def change_private(root):
    with open(f'{root}/var/mail/box/one', 'r+b') as file:
        file.write(b'changed, and no longer than it was')


@case('directories that a layer of umoci only leads through are as they are below it')
def led_through(daemon):
    layout, bundle = f'{daemon.directory}/led', f'{daemon.directory}/led-bundle'
    umoci('init', '--layout', layout)
    umoci('new', '--image', f'{layout}:v1')
    for turn, work in enumerate((fill_private, change_private)):
        work(unpack(layout, 'v1', f'{bundle}{turn}'))
        umoci('repack', '--image', f'{layout}:v1', f'{bundle}{turn}')
    top = import_image(daemon, layout, 'v1')
    info = layers_of(daemon)[top]
    with os.fdopen(call(daemon, 'Diff', 'ssa{sv}', top, info['Parent'], {}).take(), 'rb') as tar:
        data = tar.read()
    equal(digest_of(data), str(info['Metadata']['diff-id']), 'the diff')
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        equal([name.removeprefix('./') for name in tar.getnames()], ['var/mail/box/one'], 'what the layer has')
    where = daemon.ok('layer', 'get', top).strip()
    equal(differences(content(where), content(unpack(layout, 'v1', f'{daemon.directory}/led-whole'))), {}, 'trees')
    equal(os.stat(f'{where}/var/mail/box').st_mode & 0o7777, 0o1770, 'the mode')
    daemon.ok('layer', 'put', top)
    equal([list(map(str, change)) for change in call(daemon, 'Changes', 'ss', top, info['Parent'])][0][1], 'var/mail/box/one', 'what is changed')
    equal(len(call(daemon, 'Changes', 'ss', top, info['Parent'])), 1, 'changes')


@case('each layer of an image that umoci wrote gives the very stream of its diff-id again')
def reproduced(daemon):
    import_image(daemon, umoci_image(daemon.directory), 'v1')
    layers = layers_of(daemon)
    equal(len(layers), 3, 'layers')
    for ident, info in layers.items():
        with os.fdopen(call(daemon, 'Diff', 'ssa{sv}', ident, info['Parent'], {}).take(), 'rb') as tar:
            equal(digest_of(tar.read()), str(info['Metadata']['diff-id']), f'the diff of layer {ident[:12]}')


@case('layers are called by their chain ids, say what blob they are of, and are imported once')
def names(daemon):
    layout = Layout(f'{daemon.directory}/names')
    base, one, two = (tar_of((name, name.encode() * 1000)) for name in ('base', 'one', 'two'))
    layout.image([base, one])
    layout.image([base, two], 'v2')
    first = import_image(daemon, layout.path, 'v1')
    equal(f'sha256:{first}', chain_of(base, one), 'id')
    bottom = str(layers_of(daemon)[first]['Parent'])
    equal(f'sha256:{bottom}', chain_of(base), 'id of the base')
    equal(str(layers_of(daemon)[bottom]['Metadata']['diff-id']), digest_of(base), 'diff-id')
    equal(str(layers_of(daemon)[bottom]['ChainID']), chain_of(base), 'chain id')
    equal('image-config' in layers_of(daemon)[bottom]['Metadata'], False, 'only the top one is an image')
    n = len(layers_of(daemon))
    equal(import_image(daemon, layout.path, 'v1'), first, 'again')
    equal(len(layers_of(daemon)), n, 'nothing new')
    second = import_image(daemon, layout.path, 'v2')
    equal((str(layers_of(daemon)[second]['Parent']), len(layers_of(daemon))), (bottom, n + 1), 'the base is shared')
    daemon.restart()
    equal(import_image(daemon, layout.path, digest_of(json.dumps(layout.image([base, two], 'v3')).encode())), second, 'by digest, after a restart')
    equal(str(layers_of(daemon)[second]['Metadata']['image-reference']), 'v2', 'the first of its names')


@case('blobs of tar alone, gzip, zstd and in several parts are the same layer')
def compressed(daemon):
    tar = tar_of(('file', b'x' * 100000))
    kinds = [('layer.v1.tar', bytes), ('layer.v1.tar+zstd', lambda data: subprocess.run(['zstd', '-c'], input=data, check=True, capture_output=True).stdout),
             ('layer.v1.tar+gzip', lambda data: subprocess.run(['gzip', '-c'], input=data[:5000], check=True, capture_output=True).stdout +
              subprocess.run(['gzip', '-c'], input=data[5000:], check=True, capture_output=True).stdout)]
    for turn, (kind, compress) in enumerate(kinds):
        layout = Layout(f'{daemon.directory}/kind{turn}')
        layout.image([tar], kind=kind, compress=compress)
        equal(f'sha256:{import_image(daemon, layout.path)}', chain_of(tar), kind)
        daemon.ok('layer', 'remove', chain_of(tar).partition(':')[2])


BROKEN = []


def broken(error, words):
    """A function that makes a layout of one image, of a base and one more layer, wrong."""
    def add(function):
        BROKEN.append((function.__name__, error, words, function))
        return function
    return add


@broken('InvalidSpec', 'has another digest')
def wrong_digest(layout, manifest):
    path = layout.where(manifest['layers'][1]['digest'])
    with open(path, 'r+b') as file:
        file.seek(4)  # the time in the head of gzip
        file.write(b'\x01')


@broken('InvalidSpec', 'has the diff-id sha256:')
def wrong_diff_id(layout, _):
    tar, other = tar_of(('base', b'base')), tar_of(('other', b'other'))
    layout.manifests.clear()
    layout.image([tar, other], diff_ids=[digest_of(tar), digest_of(tar)])


@broken('InvalidSpec', 'bytes, and its descriptor says')
def wrong_size(layout, manifest):
    with open(layout.where(manifest['layers'][1]['digest']), 'ab') as file:
        file.write(b'\0')


@broken('InvalidSpec', 'bytes, and its descriptor says')
def truncated(layout, manifest):
    path = layout.where(manifest['layers'][1]['digest'])
    os.truncate(path, os.stat(path).st_size - 10)


@broken('InvalidSpec', 'has another digest')
def damaged(layout, manifest):
    with open(layout.where(manifest['layers'][1]['digest']), 'r+b') as file:
        file.seek(-40, os.SEEK_END)
        file.write(b'\xff' * 30)


@broken('InvalidSpec', 'has another digest')
def overwritten(layout, manifest):
    path = layout.where(manifest['layers'][1]['digest'])
    with open(path, 'r+b') as file:
        file.write(b'no tar, and no gzip'.ljust(os.stat(path).st_size, b'.'))


@broken('SourceDenied', 'is a symbolic link')
def linked(layout, manifest):
    path = layout.where(manifest['layers'][1]['digest'])
    os.rename(path, f'{layout.path}/elsewhere')
    os.symlink(f'{layout.path}/elsewhere', path)


@broken('NoSuchSource', 'no file blobs/sha256/')
def missing(layout, manifest):
    os.unlink(layout.where(manifest['layers'][1]['digest']))


@broken('InvalidSpec', 'is no regular file')
def fifo(layout, manifest):
    os.unlink(layout.where(manifest['layers'][1]['digest']))
    os.mkfifo(layout.where(manifest['layers'][1]['digest']))


@broken('InvalidSpec', '/rootfs/diff_ids: it has 1 diff-ids, and the manifest has 2 layers')
def fewer(layout, _):
    layout.manifests.clear()
    layout.image([tar_of(('base', b'base')), tar_of(('more', b'more'))], diff_ids=[digest_of(tar_of(('base', b'base')))])


@broken('InvalidSpec', 'has another digest than its name')
def itself(layout, _):
    digest = digest_of(b'')
    text = json.dumps({'schemaVersion': 2, 'manifests': [{'mediaType': OCI + 'index.v1+json', 'digest': digest, 'size': 999}]}).ljust(999)
    with open(layout.where(digest), 'w', encoding='utf-8') as file:
        file.write(text)
    layout.manifests[:] = [{'mediaType': OCI + 'index.v1+json', 'digest': digest, 'size': 999}]
    layout.index()


@broken('InvalidSpec', 'more values')
def bomb(layout, _):
    layout.manifests.clear()
    layout.add(layout.blob(b'[' + b'[],' * 1000000 + b'[]]', OCI + 'manifest.v1+json'), 'v1')


@broken('InvalidArgs', 'several images could be meant; say which one as the reference: v1, v2')
def ambiguous(layout, _):
    layout.image([tar_of(('other', b'other'))], 'v2')


@broken('NoSuchSource', 'for the platform linux/riscv64, not for linux/amd64')
def other_platform(layout, _):
    layout.manifests.clear()
    layout.image([tar_of(('base', b'base'))], architecture='riscv64')


@broken('NotSupported', 'nondistributable.v1.tar+gzip is a foreign (non-distributable) layer')
def foreign(layout, _):
    layout.manifests.clear()
    layout.image([tar_of(('base', b'base'))], kind='layer.nondistributable.v1.tar+gzip')


@broken('InvalidArgs', 'layer 2 of 2 of the image (sha256:')
def hostile_tar(layout, _):
    layout.manifests.clear()
    layout.image([tar_of(('base', b'base')), tar_of(('../../etc/evil', b'evil'))])


@case('what is wrong with a layout or an image is named, and leaves no layer but whole ones below it')
def refused(daemon):
    base = tar_of(('base', b'base'))
    for name, error, words, function in BROKEN:
        layout = Layout(f'{daemon.directory}/{name}')
        function(layout, layout.image([base, tar_of(('more', b'more'))]))
        seen = import_error(daemon, layout.path, platform='linux/amd64')
        contains(seen, error, name)
        contains(seen, words, name)
        known = layers_of(daemon)
        for layer in known.values():
            equal(str(layer['ChainID']), chain_of(base), f'{name}: the base alone')
        eventually(lambda: left(daemon) == sorted(layers_of(daemon)), f'{name}: nothing half made')
        for ident in known:
            daemon.ok('layer', 'remove', ident)


@case('options that are none, references that are not there, and directories that are no layout are refused')
def arguments(daemon):
    layout = Layout(f'{daemon.directory}/arguments')
    layout.image([tar_of(('base', b'base'))])
    contains(import_error(daemon, layout.path, platform='linux'), 'InvalidOption', 'platform')
    contains(import_error(daemon, layout.path, flavour='x'), 'flavour', 'unknown option')
    contains(import_error(daemon, layout.path, 'v9'), 'no image "v9", but v1', 'reference')
    contains(import_error(daemon, daemon.directory), 'no file oci-layout', 'no layout')
    contains(daemon.refused('layer', 'import', '/nowhere'), 'Cannot open the image layout', 'client')


@case('a layer of an image is what its digest says: no tar is added to it')
def sealed(daemon):
    layout = Layout(f'{daemon.directory}/sealed')
    layout.image([tar_of()])
    ident = daemon.ok('layer', 'import', layout.path).strip()
    with open(f'{daemon.directory}/more.tar', 'wb') as file:
        file.write(tar_of(('more', b'more')))
    contains(daemon.refused('layer', 'apply', ident, f'{daemon.directory}/more.tar'), 'is a layer of an image', 'apply')


@case('an id that is taken is no hindrance: the layer gets another, and is shared all the same')
def taken(daemon):
    layout = Layout(f'{daemon.directory}/taken')
    tar = tar_of(('taken', b'taken'))
    layout.image([tar])
    daemon.ok('layer', 'create', '--id', chain_of(tar).partition(':')[2])
    ident = import_image(daemon, layout.path)
    equal(f'sha256:{ident}' == chain_of(tar), False, 'another id')
    equal(import_image(daemon, layout.path), ident, 'shared')


@case('two images at one time make what they share once')
def together(daemon):
    layout = Layout(f'{daemon.directory}/together')
    base = tar_of(('base', os.urandom(3000000)))
    tops = [tar_of((f'top{turn}', b'top')) for turn in range(3)]
    for turn, top in enumerate(tops):
        layout.image([base, top], f'v{turn}')
    said = []
    threads = [threading.Thread(target=lambda name=f'v{turn}': said.append(daemon.ctl('layer', 'import', f'{layout.path}:{name}'))) for turn in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal([done.err for done in said], [''] * 3, 'failures')
    equal(sorted(done.out.strip() for done in said), sorted(chain_of(base, top).partition(':')[2] for top in tops), 'ids')
    equal(len(layers_of(daemon)), 4, 'layers')


@case('a layout is read without the powers of root')
def rights(daemon):
    layout = Layout(f'{daemon.directory}/rights')
    blob = layout.where(layout.image([tar_of(('base', b'base'))])['layers'][0]['digest'])
    os.chmod(blob, 0o600)
    os.chown(blob, 4711, 4711)
    contains(import_error(daemon, layout.path), 'cannot be opened for reading by whoever imports it', 'a blob of somebody else')
    os.chown(blob, 0, 0)
    import_image(daemon, layout.path)


@case('--platform of podmountctl chooses among the images of an index')
def platforms(daemon):
    layout = Layout(f'{daemon.directory}/platforms')
    layout.image([tar_of(('for-riscv', b'riscv'))], architecture='riscv64')
    contains(daemon.refused('layer', 'import', layout.path), 'riscv64')
    ident = daemon.ok('layer', 'import', layout.path, '--platform', 'linux/riscv64').strip()
    equal(ident in daemon.ok('layer', 'list'), True, 'it is a layer')
    contains(daemon.ctl('layer', 'list', '--platform', 'linux/riscv64').err, '--platform')


@case('on a terminal podmountctl shows how many bytes are done with, over D-Bus and over varlink')
def progress(daemon):
    layout = Layout(f'{daemon.directory}/progress')
    for version, way in (('v1', ('--socket', daemon.socket)), ('v2', ('--varlink', f'{daemon.runtime}/varlink'))):
        manifest = layout.image([tar_of((f'file{turn}', os.urandom(400000))) for turn in range(3)], version)
        total = sum(layer['size'] for layer in manifest['layers'])
        ours, theirs = pty.openpty()
        done = subprocess.run([f'{host.DIRECTORY}/bin/podmountctl', *way, 'layer', 'import', f'{layout.path}:{version}'],
                              env=daemon.environment(), stderr=theirs, stdout=subprocess.PIPE, check=True)
        os.close(theirs)
        shown = ''
        try:
            while True:  # the end of a terminal is an error
                shown += os.read(ours, 65536).decode()
        except OSError:
            os.close(ours)
        whole = f'{total / 1024 / 1024:.1f} of {total / 1024 / 1024:.1f} MiB'
        contains(shown, whole, f'progress of {version}')
        equal(len(done.stdout.strip()), 64, 'the id alone on stdout')


if __name__ == '__main__':
    backing.prepare()
    tap.run(Stage)
