# SPDX-License-Identifier: LGPL-2.1-or-later
"""Operations with what they begin with and what takes them back, for tests that interrupt them."""

import json
import os
import subprocess

import dbus

from frame import host, links, specs
from frame.daemon import LAYERS, MANAGER, Stage
from frame.images import image
from frame.layouts import Layout, chain_of, packed, tar_of
from frame.look import strays
from frame.tap import Skip, eventually

POD = 'aaaaaaaa-0000-4000-8000-000000000001'
SECONDS = 60


class Refused(Exception):
    """What an answer that is no error says was not done."""


class Scene:
    """A daemon, the directories that its operations may write to, and act() and back(), which takes that back. `turns` says which of them are
    one operation, `collects` which go on after an error, since what they were asked for was begun."""
    turns = ('act', 'back')
    collects = ()
    stage = Stage
    warnings = ''  # of the last answer
    lacks = {}  # what of a look may be missing, or told with more, when it is done, and what the log or the look says then: patterns
    kept = 0  # how many fds the front has while there is what act() made
    config = '[Mounts]\nImageTypes=squashfs\nBusyRetries=20\n'

    def __init__(self):
        self.surround()
        self.daemon = self.stage(config=self.config + f'HostTargets={host.DIRECTORY}/{type(self).__name__}-host\n')
        self.places, self.name = [], type(self).__name__
        self.prepare()

    def place(self, name, files=None):
        """A directory of the scene's own that is compared."""
        path = specs.tree(f'{self.name}-{name}', files or {})
        self.places.append(path)
        return path

    def root(self, name):
        path = specs.rootfs(f'{self.name}-{name}')
        self.places.append(path)
        return path

    def create(self, spec):
        self.call('CreatePod', 'sa{sh}a{sv}', json.dumps(spec), {}, {'id': POD})

    def collect(self, **options):
        rows = self.call('GC', 'asa{sv}', [POD], options)
        self.warnings = '\n'.join(str(warning) for row in rows for warning in row[2].get('Warnings', []))
        if [str(row[1]) for row in rows] != ['removed']:
            raise Refused(f'GC: {[(str(row[1]), str(row[2].get("Reason", ""))) for row in rows]}')

    def call(self, *words, interface=MANAGER):
        return self.daemon.call(interface, *words, timeout=SECONDS)

    def surround(self):
        """What is to be there before the daemon starts."""

    def seen(self):
        """What else is compared: a dict."""
        return {}

    def tidy(self):
        """What somebody does who reads in the log that something stays until then."""

    def end(self):
        self.daemon.__exit__()

    def prepare(self):
        raise NotImplementedError

    def act(self):
        raise NotImplementedError

    def back(self):
        raise NotImplementedError


class Creation(Scene):
    """Two containers: a root that memory lies over, and a writable one with mount points to be made; volumes, binds, an overlay whose
    directories are made, an image, a mount on the host."""
    collects = ('back',)

    def prepare(self):
        self.writable, self.hidden = self.root('root'), self.root('below')
        self.lower, self.store, self.source = self.place('lower', {'file': 'x\n'}), self.place('store'), self.place('source', {'file': 'y\n'})
        self.at = self.place('host', {'bound/': ''})
        self.image = image('squashfs')

    def spec(self):
        return {'podmount': 1, 'name': 'scene', 'mandatoryMounts': False, 'volumes': [specs.volume('shared'), specs.volume('host', 'bind', source=self.source)],
            'containers': [
                {'name': 'over', 'root': {'path': self.hidden, 'readonly': False, 'overlay': 'tmpfs'},
                    'mounts': [specs.bind('volume:shared', '/data'), specs.mount('/dev'), specs.mount('/made/here'), specs.bind(self.source, '/mnt', 'bind', 'ro')]},
                {'name': 'plain', 'root': {'path': self.writable, 'readonly': False},
                    'mounts': [specs.bind('volume:host', '/srv'), specs.bind(f'{self.source}/file', '/new/file'), specs.mount('/new/image', 'squashfs', self.image)],
                    'prepare': {'mounts': [specs.mount('/deep/layers', 'overlay', 'overlay', [f'lowerdir={self.lower}', f'upperdir={self.store}/a/upper',
                        f'workdir={self.store}/a/work'])], 'mkdir': ['/deep/layers/made', '/tmp/made'],
                        'hostMounts': [specs.bind(self.source, f'{self.at}/bound')]}}]}

    def act(self):
        self.create(self.spec())

    def back(self):
        self.collect()


class Lazy(Creation):
    """The same, collected lazily."""
    turns = ('back',)

    def back(self):
        self.collect(lazy=True, wait=True)


class Binding(Scene):
    """A bind into a directory that is there."""
    target = '/mnt'

    def prepare(self):
        self.source = self.place('source', {'file': 'y\n'})
        self.create(specs.oci(self.root('root'), mounts=[specs.mount('/tmp')]))

    def act(self):
        self.call('Bind', 'sssa{sh}a{sv}', POD, self.source, self.target, {}, {'options': dbus.Array(['bind', 'ro'], 's')})

    def back(self):
        self.call('Unmount', 'ssa{sv}', POD, self.target, {})


class Making(Binding):
    """The same at a mount point that is made on a writable root."""
    target = '/made/for/it'


class Mounting(Scene):
    """An array of mounts of several kinds, one of them below another."""
    turns = ('act',)
    targets = ('/etc/hostname', '/mnt', '/srv', '/tmp')

    def prepare(self):
        self.source, self.lower = self.place('source', {'file': 'y\n'}), self.place('lower', {'file': 'x\n'})
        self.image = image('squashfs')
        self.create(specs.oci(self.root('root')))

    def act(self):
        self.call('Mount', 'ssa{sh}a{sv}', POD, json.dumps([specs.mount(self.targets[-1], 'tmpfs', 'tmpfs', ['size=1m']), specs.bind(self.source, f'{self.targets[-1]}/below'),
            specs.mount(self.targets[2], 'overlay', 'overlay', [f'lowerdir={self.lower}:{self.source}']), specs.mount(self.targets[1], 'squashfs', self.image),
            specs.bind(f'{self.source}/file', self.targets[0])]), {}, {})

    def back(self):
        for target in (*self.targets[:3], f'{self.targets[-1]}/below', self.targets[-1]):
            self.call('Unmount', 'ssa{sv}', POD, target, {})


class Pointing(Mounting):
    """The same at mount points that are made."""
    targets = ('/four', '/three', '/two/deep', '/one')


class Replacing(Scene):
    """A bind in the place of another."""

    def prepare(self):
        if 'beneath' not in self.daemon.json('status')['Features']:
            self.daemon.stop()
            raise Skip('this kernel cannot put a mount beneath another')
        self.first, self.second = self.place('first', {'file': '1\n'}), self.place('second', {'file': '2\n'})
        self.create(specs.oci(self.root('root'), mounts=[specs.bind(self.first, '/made')]))

    def replace(self, source):
        self.call('Replace', 'sssa{sh}a{sv}', POD, '/made', json.dumps({'type': 'bind', 'source': source, 'options': ['bind', 'ro']}), {}, {})

    def act(self):
        self.replace(self.second)

    def back(self):
        self.replace(self.first)


class Adding(Scene):
    """A container that is added with what is prepared for it, and removed."""

    def prepare(self):
        self.side, self.lower, self.store = self.root('side'), self.place('lower', {'file': 'x\n'}), self.place('store')
        self.create(specs.podmount({'main': (self.root('root'), True, ())}))

    def act(self):
        spec = dict(specs.oci(self.side), prepare={'mounts': [specs.mount('/tmp/run'), specs.mount('/srv', 'overlay', 'overlay', ['rw', f'lowerdir={self.lower}',
            f'upperdir={self.store}/a/upper', f'workdir={self.store}/a/work']), specs.mount('/new/point')], 'mkdir': ['/tmp/run/made', '/srv/made', '/data/deep/er']})
        self.call('AddContainer', 'sssa{sh}a{sv}', POD, 'side', json.dumps(spec), {}, {})

    def back(self):
        self.call('RemoveContainer', 'ssa{sv}', POD, 'side', {})


class Process(Scene):
    """Namespaces of a process that are bound to files, and the pod that they go with."""
    turns = ('act',)
    kinds = ('net', 'uts', 'ipc')

    def prepare(self):
        self.at = self.place('host', {kind: '' for kind in self.kinds})
        self.child = subprocess.Popen(['unshare', '-nui', 'sh', '-c', 'echo; exec sleep 100000'], stdout=subprocess.PIPE)
        self.child.stdout.readline()
        self.renew()

    def renew(self):
        self.create(dict(specs.oci(specs.rootfs()), prepare={'bindNS': {kind: f'{self.at}/{kind}' for kind in self.kinds}}))

    def act(self):
        self.call('PrepareProcess', 'sa{sh}a{sv}', POD, {}, {'pid': dbus.UInt32(self.child.pid)})

    def back(self):
        self.collect()
        self.renew()


class Private(Creation):
    """A pod in a mount namespace of its own, with cgroups."""
    kept = 1
    lacks = {'^pod ': "'cgroup scene is not in every hierarchy: [^']*'"}
    config = f'[Prepare]\nCgroupParent=/podmount-scene-{os.getpid()}\n' + Scene.config

    def spec(self):
        spec = dict(super().spec(), visibility='private')
        spec['containers'][1]['prepare']['cgroups'] = ['scene']
        return spec

    def cgroups(self):
        """Its parent's and below, the innermost first."""
        found = subprocess.run(['find', '/sys/fs/cgroup', '-depth', '-type', 'd', '-path', f'*/podmount-scene-{os.getpid()}*'], stdout=subprocess.PIPE, text=True)
        return found.stdout.splitlines()

    def seen(self):
        # a hierarchy that refuses is a warning: in how many it is told apart by that
        return {f'cgroup {os.path.basename(path)}': True for path in self.cgroups()}

    def end(self):
        super().end()
        for path in self.cgroups():
            os.rmdir(path)


class LazyPrivate(Private):
    """The same, collected lazily."""
    turns = ('back',)

    def back(self):
        self.collect(lazy=True, wait=True)


class PrivateBinding(Binding):
    """A bind into a directory that is there, in such a pod."""

    def create(self, spec):
        super().create(dict(spec, visibility='private'))


class PrivateMaking(PrivateBinding):
    """The same at a mount point that is made on a writable root."""
    target = Making.target


class Linked(Process):
    """A process that gets links, and whose network namespace is bound to a file, with a private pod."""
    kinds = ('net',)

    def surround(self):
        links.enter()

    def renew(self):
        self.create(dict(specs.oci(specs.rootfs()), visibility='private', prepare={'bindNS': {'net': f'{self.at}/net'},
            'interfaces': [{'name': 'eth0', 'add': 'veth', 'peer': 'scene0'}]}))

    def end(self):
        super().end()
        self.child.kill()
        self.child.wait()

    def seen(self):
        return {f'link {name} of {whose}': links.marks(link) for whose, pid in (('host', 0), ('process', self.child.pid)) for name, link in links.links(pid).items()}


class Layers(Scene):
    """A layer that is made."""

    def prepare(self):
        self.call('CreateLayer', 'ssa{sv}', 'base', '', {}, interface=LAYERS)

    def act(self):
        self.call('CreateLayer', 'ssa{sv}', 'top', 'base', {'metadata': dbus.Dictionary({'a': 'b'}, 'ss')}, interface=LAYERS)

    def back(self):
        self.call('RemoveLayer', 'sa{sv}', 'top', {}, interface=LAYERS)

    def tidy(self):
        self.call('Cleanup', '', interface=LAYERS)
        self.daemon.restart()


class Getting(Layers):
    """A layer that is mounted for a holder."""

    def prepare(self):
        super().prepare()
        super().act()

    def act(self):
        self.call('GetLayer', 'sa{sv}', 'top', {'holder': 'h'}, interface=LAYERS)

    def back(self):
        self.call('PutLayer', 'sa{sv}', 'top', {'holder': 'h'}, interface=LAYERS)


class Applying(Layers):
    """The content of a layer, one that is told by its tar."""
    turns = ('act',)
    lacks = {'/tar-split$': 'without the record of the tar'}

    def prepare(self):
        self.tar = f'{host.DIRECTORY}/{self.name}.tar.gz'
        with open(self.tar, 'wb') as file:
            file.write(packed(tar_of(('etc/', b''), ('etc/passwd', b'root\n'), ('etc/.wh.gone', b''), ('usr/bin/long' * 12, os.urandom(9000)))))
        super().prepare()
        super().act()

    def act(self):
        with open(self.tar, 'rb') as file:
            self.call('ApplyDiff', 'sha{sv}', 'top', dbus.types.UnixFd(file.fileno()), {}, interface=LAYERS)

    def back(self):
        super().back()
        super().act()

    def seen(self):
        top = f'{self.daemon.directory}/state/layers/top/diff'
        return {f'content {base.removeprefix(top)}/{name}': True for base, directories, files in os.walk(top) for name in directories + files}


class Importing(Layers):
    """An image of three layers, two of which are there."""
    turns = ('act',)
    lacks = Applying.lacks

    def prepare(self):
        layout = Layout(f'{host.DIRECTORY}/{self.name}-layout-{os.urandom(4).hex()}')
        self.layout, tars = layout.path, [tar_of((name, name.encode())) for name in ('one', 'two', 'three')]
        layout.image(tars[:2], 'base')
        layout.image(tars, 'whole')
        self.fetch('base')

    def fetch(self, reference):
        directory = os.open(self.layout, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.call('ImportImage', 'hsa{sv}', dbus.types.UnixFd(directory), reference, {}, interface=LAYERS)
        finally:
            os.close(directory)
        eventually(lambda: not strays(self.daemon), 'whoever read documents has ended', 10)

    def act(self):
        self.fetch('whole')

    def back(self):
        self.call('RemoveLayer', 'sa{sv}', chain_of(*(tar_of((name, name.encode())) for name in ('one', 'two', 'three'))), {}, interface=LAYERS)


SCENES = {scene.__name__.lower(): scene for scene in (Creation, Lazy, Binding, Making, Mounting, Pointing, Replacing, Adding, Process,
    Private, LazyPrivate, PrivateBinding, PrivateMaking, Linked, Layers, Getting)}
# Those with workers of their own, which tests/ambush cannot kill in the middle; tests/integration/test-layer-apply-kills.py and others do.
WORKING = {scene.__name__.lower(): scene for scene in (Applying, Importing)}
