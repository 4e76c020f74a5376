#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every row of the option table, alone and in each pair that interacts: what a pod has in the end is what crun makes of
the same words, and where crun has none of them or orders them otherwise, what the raw calls make."""

import itertools
import json
import os
import shutil
import subprocess

from frame import clone, host, specs, tap
from frame.daemon import Daemon
from frame.tap import Skip, case, contains, equal

# A value for each data option of the types that need nothing of the host; a row without one fails the test.
SAMPLES = {
    'tmpfs': {'size': '4m', 'nr_blocks': '512', 'nr_inodes': '77', 'mode': '0711', 'uid': '12', 'gid': '34',
              'huge': 'never', 'inode32': None, 'inode64': None, 'noswap': None},
    'devpts': {'newinstance': None, 'ptmxmode': '0640', 'mode': '0601', 'uid': '5', 'gid': '6', 'max': '9'},
    'proc': {'hidepid': '2', 'gid': '44', 'subset': 'pid'},
}
LATER = [('tmpfs', 'noswap')]  # Linux 6.4
PAIRS = [('tmpfs', 'size=4m', 'size=2m'), ('tmpfs', 'size=4m', 'nr_blocks=512'), ('tmpfs', 'nr_blocks=512', 'size=4m'),
         ('tmpfs', 'inode32', 'inode64'), ('tmpfs', 'inode64', 'inode32'), ('tmpfs', 'sync', 'async'),
         ('tmpfs', 'lazytime', 'nolazytime'), ('tmpfs', 'dirsync', 'sync'), ('tmpfs', 'mode=0700', 'mode=0711')]
# crun 1.8 gives mount_setattr(2) the MS_ number of mount(2) for these, which is that of another attribute or of none;
# nosymfollow is lost on its way through a bind.
CRUN_WRONG = {'nosymfollow', 'rrelatime', 'rnorelatime', 'rnodiratime', 'rdiratime', 'rstrictatime', 'rnostrictatime', 'rnoatime',
              'ratime', 'rsymfollow', 'rnosymfollow'}
# Of a flag and its contrary crun sets the flag whatever comes later.
CRUN_ADDS = {('tmpfs', 'sync', 'async'), ('tmpfs', 'lazytime', 'nolazytime')}
SHOWN = {'ro', 'rw', 'nosuid', 'nodev', 'noexec', 'noatime', 'relatime', 'nodiratime', 'nosymfollow'}


def table(daemon):
    return daemon.json('options')


def is_recursive(word):
    return word[0] == 'r' and word[1:] in clone.WORDS


def group(word):
    """Words of one group say something about the same attribute."""
    plain = word[1:] if is_recursive(word) else word
    return 'atime' if plain.replace('no', '', 1) in ('atime', 'relatime', 'strictatime') else plain.replace('no', '', 1)


def shown(fields):
    """The attributes of a mount in mountinfo."""
    return sorted(set(fields[5].split(',')) & SHOWN)


def superblock(fields):
    return sorted(set(fields[-1].split(',')) - {'rw', 'ro', 'seclabel'})


def with_nested():
    """A directory with another mount below it."""
    source = specs.tree('options-source', {'below/': '', 'file': 'x'})
    if not os.path.ismount(f'{source}/below'):
        subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'below', f'{source}/below'], check=True)
    return source



def by_podmount(daemon, root, mounts):
    """mountinfo of each, by its target; the pod stays."""
    pod = daemon.create(specs.oci(root=root, mounts=mounts))
    base = daemon.rootfs(pod)
    return pod, {point[len(base):]: fields for point, fields in host.mounts_below(base).items()}


def by_raw(source, cases):
    """{case: [attributes of the top, of the mount below]}"""
    target, found = specs.tree('options-raw', {}), {}
    for words in cases:
        clone.bind(source, target, words)
        seen = host.mounts_below(target)
        found[words] = [shown(seen[target]), shown(seen[f'{target}/below'])]
        subprocess.run(['umount', '-l', target], check=True)
    return found


def by_crun(root, mounts):
    """The same list of mounts made by crun, or None where it refuses."""
    if not os.path.exists('/sys/fs/cgroup/cgroup.controllers'):
        subprocess.run(['umount', '-R', '/sys/fs/cgroup'], check=True)
        subprocess.run(['mount', '-t', 'cgroup2', 'cgroup2', '/sys/fs/cgroup'], check=True)
    bundle = specs.tree('options-crun', {})
    if not os.path.exists(f'{bundle}/config.json'):
        subprocess.run(['crun', 'spec'], cwd=bundle, check=True, stdout=subprocess.DEVNULL)
        os.rename(f'{bundle}/config.json', f'{bundle}/template.json')
    with open(f'{bundle}/template.json') as file:
        config = json.load(file)
    config['root'] = {'path': root, 'readonly': False}
    config['process']['terminal'] = False
    config['process']['args'] = ['/bin/cat', '/proc/self/mountinfo']
    config['linux'].pop('resources', None)
    config['mounts'] = [specs.mount('/proc', 'proc', 'proc')] + mounts
    with open(f'{bundle}/config.json', 'w') as file:
        json.dump(config, file)
    done = host.run(['crun', '--root', f'{host.DIRECTORY}/crun-state', 'run', '--bundle', bundle,
            f'podmount-options-{os.getpid()}'])
    os.rename(f'{bundle}/config.json', f'{bundle}/last.json')
    shutil.copy(f'{bundle}/template.json', f'{bundle}/config.json')
    if done.status != 0:
        return None
    return {host.unescape(line.split()[4]): line.split() for line in done.out.splitlines()}


def by_crun_each(root, mounts):
    """{target: fields} of what crun can make: a list that it refuses is tried in halves."""
    found = by_crun(root, mounts)
    if found is not None or len(mounts) == 1:
        return found or {}
    half = len(mounts) // 2
    return {**by_crun_each(root, mounts[:half]), **by_crun_each(root, mounts[half:])}


@case('each attribute, alone and in pairs, on a bind with a mount below it')
def attributes(daemon):
    words = [row['Option'] for row in table(daemon) if row['Kind'] == 'attribute']
    equal(sorted(words), sorted(list(clone.WORDS) + [f'r{word}' for word in clone.WORDS]), 'attributes')
    cases = [(word,) for word in words] + [(a, b) for a, b in itertools.permutations(words, 2) if group(a) == group(b)]
    source, root = with_nested(), specs.rootfs('options-rootfs')
    for i in range(len(cases)):
        os.makedirs(f'{root}/t/{i}', exist_ok=True)
    mounts = [specs.mount(f'/t/{i}', 'bind', source, ['rbind', *words]) for i, words in enumerate(cases)]
    before = host.mount_table()
    pod, seen = by_podmount(daemon, root, mounts)
    expected = by_raw(source, cases)
    for i, words in enumerate(cases):
        equal([shown(seen[f'/t/{i}']), shown(seen[f'/t/{i}/below'])], expected[words], f'by the raw calls: {words}')
    equal(daemon.state(pod), 'ready', 'state')
    nested = f'{daemon.rootfs(pod)}/t/{cases.index(("rro",))}/below'
    subprocess.run(['mount', '-o', 'remount,bind,rw', nested], check=True)
    tap.eventually(lambda: daemon.state(pod) == 'degraded', 'a recursive attribute that was taken back is drift')
    daemon.ok('gc', '--lazy', pod)
    equal(host.mount_table(), before, 'mount table')
    if not shutil.which('crun'):
        raise Skip('crun is not installed')
    # crun applies plain words as one set of flags and r... words after them: where that is the same order
    alike = [i for i, words in enumerate(cases) if comparable(words) and not set(words) & CRUN_WRONG]
    theirs = by_crun_each(root, [mounts[i] for i in alike])
    lacking = [cases[i] for i in alike if f'/t/{i}' not in theirs]
    for i in alike:
        if f'/t/{i}' in theirs:
            equal([shown(seen[f'/t/{i}']), shown(seen[f'/t/{i}/below'])],
                  [shown(theirs[f'/t/{i}']), shown(theirs[f'/t/{i}/below'])], f'by crun: {cases[i]}')
    tap.diagnose(f'{len(cases)} cases compared with the raw calls, {len(alike) - len(lacking)} of them with crun, too')
    tap.diagnose(f'crun refuses {lacking}')


def comparable(words):
    """Whether crun applies these as they are written: a flag, once set, is not taken back by its contrary."""
    if len(words) == 1:
        return True
    taken_back = words[0].removeprefix('r') == f'no{words[1].removeprefix("r")}'
    return is_recursive(words[0]) == is_recursive(words[1]) and group(words[0]) != 'atime' and not taken_back


def kernel_takes(kind, word):
    """Whether mount(8) can mount with it."""
    place = specs.tree('options-tried', {})
    taken = host.run(['mount', '-t', kind, '-o', word, kind, place]).status == 0
    if taken:
        subprocess.run(['umount', place], check=True)
    return taken


@case('each data option and flag of tmpfs, devpts and proc, alone and in pairs')
def data(daemon):
    rows = [row for row in table(daemon) if row['Type'] in SAMPLES]
    equal(sorted((row['Type'], row['Option']) for row in rows),
          sorted((kind, option) for kind, samples in SAMPLES.items() for option in samples), 'options with a sample')
    cases = [(kind, option if value is None else f'{option}={value}') for kind, samples in SAMPLES.items()
             for option, value in samples.items()]
    cases += [('tmpfs', row['Option']) for row in table(daemon) if row['Kind'] in ('superblock', 'ignored')] + PAIRS
    lacking = [words for words in LATER if not kernel_takes(*words)]
    for kind, word in lacking:
        cases.remove((kind, word))
        contains(daemon.refused('create', '-', input=json.dumps(specs.oci(mounts=[specs.mount('/mnt', kind, kind, [word])]))),
                word, 'what the kernel has not')
    tap.diagnose(f'this kernel has not {lacking}')
    root = specs.rootfs('options-rootfs')
    for i in range(len(cases)):
        os.makedirs(f'{root}/t/{i}', exist_ok=True)
    # proc's place is /proc alone, for podmount
    mounts = [specs.mount(f'/t/{i}', kind, kind, ['nosuid', 'nodev', *words]) for i, (kind, *words) in enumerate(cases)]
    at_proc = [i for i, words in enumerate(cases) if words[0] == 'proc']
    pod, seen = by_podmount(daemon, root, [mount for i, mount in enumerate(mounts) if i not in at_proc])
    statuses = {i: os.stat(f'{daemon.rootfs(pod)}/t/{i}') for i in range(len(cases)) if i not in at_proc}
    daemon.ok('gc', '--lazy', pod)
    for i in at_proc:
        pod, found = by_podmount(daemon, root, [dict(mounts[i], destination='/proc')])
        seen[f'/t/{i}'] = found['/proc']
        daemon.ok('gc', '--lazy', pod)
    for words, text in [(('tmpfs', 'nr_inodes=77'), 'nr_inodes=77'), (('tmpfs', 'size=4m'), 'size=4096k'),
                        (('tmpfs', 'size=4m', 'nr_blocks=512'), 'size=2048k'), (('devpts', 'mode=0601'), 'mode=601'),
                        (('tmpfs', 'sync'), 'sync'), (('tmpfs', 'inode32', 'inode64'), 'inode64'),
                        (('devpts', 'max=9'), 'max=9'), (('tmpfs', 'noswap'), 'noswap')]:
        if words not in lacking:
            contains(superblock(seen[f'/t/{cases.index(words)}']), text, f'the options of {words}')
    equal(statuses[cases.index(('tmpfs', 'mode=0711'))].st_mode & 0o7777, 0o711, 'mode')
    equal(statuses[cases.index(('tmpfs', 'uid=12'))].st_uid, 12, 'uid')
    if not shutil.which('crun'):
        raise Skip('crun is not installed')
    alike = [i for i, words in enumerate(cases) if tuple(words) not in CRUN_ADDS and i not in at_proc]
    theirs = by_crun_each(root, [mounts[i] for i in alike])
    for i in at_proc:
        found = by_crun(root, [mounts[i]])
        theirs.update({f'/t/{i}': found[f'/t/{i}']} if found else {})
    for i in sorted(alike + at_proc):
        if f'/t/{i}' not in theirs:
            continue
        sized = any(word.startswith(('size=', 'nr_blocks=')) for word in cases[i])
        # without a size crun's is half of the memory, podmount's is TmpfsSize=
        ours, other = ([o for o in superblock(where[f'/t/{i}']) if sized or not o.startswith('size=')]
                       for where in (seen, theirs))
        equal(ours, other, f'by crun: {cases[i]}')
    lacking = [words for i, words in enumerate(cases) if i in alike + at_proc and f'/t/{i}' not in theirs]
    tap.diagnose(f'{len(cases)} cases, {len(theirs)} mounts of crun; it refuses {lacking}')


@case('propagation words, as the pod has them')
def propagation(daemon):
    words = [row['Option'] for row in table(daemon) if row['Kind'] == 'propagation']
    source, root = with_nested(), specs.rootfs('options-rootfs')
    for i in range(len(words)):
        os.makedirs(f'{root}/t/{i}', exist_ok=True)
    pod, seen = by_podmount(daemon, root, [specs.mount(f'/t/{i}', 'bind', source, ['rbind', word])
            for i, word in enumerate(words)])
    for i, word in enumerate(words):
        for place, asked in [(f'/t/{i}', True), (f'/t/{i}/below', word[0] == 'r')]:
            optional = [field.split(':')[0] for field in seen[place][6:seen[place].index('-')]]
            kind = word[1:] if word[0] == 'r' else word
            if asked:
                equal([o for o in optional if o != 'propagate_from'],
                      {'shared': ['shared'], 'slave': [], 'private': [], 'unbindable': ['unbindable']}[kind],
                      f'{word} at {place}')
    daemon.ok('gc', '--lazy', pod)


@case('tmpcopyup: the tmpfs begins with what it covers, whatever that is')
def copy_up(daemon):
    root = specs.rootfs('options-copyup')
    top = f'{root}/data'
    os.makedirs(f'{top}/' + '/'.join('d' * 40), exist_ok=True)
    with open(f'{top}/file', 'w') as file:
        file.write('content')
    os.chmod(f'{top}/file', 0o4751)
    os.chown(f'{top}/file', 12, 34)
    os.chmod(f'{top}/file', 0o4751)
    os.utime(f'{top}/file', (1000, 2000))
    os.link(f'{top}/file', f'{top}/d/linked')
    os.symlink('/etc/passwd', f'{top}/outside')
    os.symlink('nowhere', f'{top}/dangling')
    os.mkfifo(f'{top}/fifo', 0o640)
    os.mknod(f'{top}/null', 0o20666, os.makedev(1, 3))
    with open(f'{top}/sparse', 'wb') as file:
        file.truncate(1 << 30)
        file.seek(1 << 29)
        file.write(b'middle')
    os.setxattr(f'{top}/file', 'security.capability', bytes.fromhex('0000000201000000000000000000000000000000'))
    os.chmod(top, 0o2750)
    os.chown(top, 56, 78)
    os.chmod(top, 0o2750)
    pod = daemon.create(specs.oci(root=root, mounts=[specs.mount('/data', 'tmpfs', options=['size=1m', 'ro', 'tmpcopyup'])]))
    seen = f'{daemon.rootfs(pod)}/data'
    status = os.stat(f'{seen}/file')
    equal((status.st_mode, status.st_uid, status.st_gid, status.st_mtime, status.st_nlink),
          (0o104751, 12, 34, 2000, 2), 'the file')
    equal(os.stat(f'{seen}/d/linked').st_ino, status.st_ino, 'the hard link')
    equal(os.getxattr(f'{seen}/file', 'security.capability'), os.getxattr(f'{top}/file', 'security.capability'),
          'capabilities')
    equal([os.readlink(f'{seen}/outside'), os.readlink(f'{seen}/dangling')], ['/etc/passwd', 'nowhere'], 'symlinks')
    equal(os.stat(f'{seen}/fifo').st_mode, 0o10640, 'the FIFO')
    equal(os.path.exists(f'{seen}/null'), False, 'a device node on a nodev mount')
    status = os.stat(f'{seen}/sparse')
    equal((status.st_size, status.st_blocks < 64), (1 << 30, True), 'the sparse file')
    with open(f'{seen}/sparse', 'rb') as file:
        file.seek(1 << 29)
        equal(file.read(6), b'middle', 'its content')
    equal(os.path.isdir(f'{seen}/' + '/'.join('d' * 40)), True, 'what is deep')
    status = os.stat(seen)
    equal((status.st_mode & 0o7777, status.st_uid, status.st_gid), (0o2750, 56, 78), 'the root directory')
    contains(host.mounts_below(seen)[seen][5], 'ro', 'its attributes')
    with open(f'{top}/file') as file:
        equal(file.read(), 'content', 'the source')
    daemon.ok('gc', pod)
    with open(f'{top}/large', 'wb') as file:
        file.write(b'x' * (2 << 20))
    before = host.mount_table()
    done = daemon.ctl('create', '-', input=json.dumps(specs.oci(root=root,
            mounts=[specs.mount('/data', 'tmpfs', options=['size=1m', 'tmpcopyup'])])))
    equal(done.status, 1, 'a copy that does not fit')
    contains(done.err, 'too small', 'why')
    os.unlink(f'{top}/large')
    os.makedirs(f'{top}/' + '/'.join('e' * 300))
    done = daemon.ctl('create', '-', input=json.dumps(specs.oci(root=root,
            mounts=[specs.mount('/data', 'tmpfs', options=['tmpcopyup'])])))
    contains(done.err, 'deep', 'a tree that is too deep')
    equal(host.mount_table(), before, 'mount table')


@case('src-nofollow, copy-symlink and dest-nofollow take symlinks themselves')
def links(daemon):
    source = specs.tree('options-links', {'file': 'from the source'})
    if not os.path.islink(f'{source}/link'):
        os.symlink('hostname', f'{source}/link')
    root = specs.rootfs('options-linked')
    os.symlink('hostname', f'{root}/etc/place')
    before = host.mount_table()
    mounts = [specs.bind(f'{source}/link', '/etc/one', 'bind', 'copy-symlink'),
              specs.bind(f'{source}/link', '/etc/two', 'bind', 'src-nofollow'),
              specs.bind(f'{source}/file', '/etc/place', 'bind', 'dest-nofollow')]
    pod = daemon.create(specs.oci(root=root, mounts=mounts))
    base = daemon.rootfs(pod)
    for name in ('one', 'two'):
        equal(os.readlink(f'{base}/etc/{name}'), 'hostname', name)
        with open(f'{base}/etc/{name}') as file:
            equal(file.read(), 'pod\n', f'what {name} leads to')
    with open(f'{base}/etc/place') as file:
        equal(file.read(), 'from the source', 'what is on the symlink')
    with open(f'{base}/etc/hostname') as file:
        equal(file.read(), 'pod\n', 'where the symlink led')
    equal(daemon.state(pod), 'ready', 'state')
    daemon.ok('unmount', pod, '/etc/place')
    equal(os.readlink(f'{base}/etc/place'), 'hostname', 'the symlink afterwards')
    daemon.ok('unmount', pod, '/etc/one')
    equal(daemon.json('gc', pod)[0]['Outcome'], 'removed', 'outcome')
    equal(sorted(set(os.listdir(f'{root}/etc')) & {'one', 'two'}), [], 'mount points that were made')
    equal(host.mount_table(), before, 'mount table')


@case('labels are NotSupported without SELinux, and never dropped')
def labels(daemon):
    with open('/proc/filesystems') as file:
        if 'selinuxfs' in file.read():
            raise Skip('this kernel has SELinux')
    for row in table(daemon):
        if row['Kind'] != 'label':
            continue
        done = daemon.ctl('create', '-', input=json.dumps(specs.oci(mounts=[specs.mount('/tmp',
                options=[f'{row["Option"]}=system_u:object_r:tmp_t:s0:c1,c2'])])))
        equal(done.status, 1, row['Option'])
        contains(done.err, 'no SELinux', row['Option'])


@case('a lenient spec does without what is unknown, and says so')
def lenient(daemon):
    spec = dict(specs.oci(mounts=[specs.mount('/tmp', options=['size=1m', 'frobnicate']),
            specs.mount('/srv', 'nosuchfs')]), lenient=True)
    pod = daemon.create(spec)
    told = '\n'.join(daemon.json('show', pod)['Warnings'])
    for word in ('frobnicate', 'nosuchfs'):
        contains(told, word, 'warnings')
    equal(sorted(daemon.mounts(pod)), ['main:/', 'main:/tmp'] if ':' not in daemon.mounts(pod) else
          [':', 'main:/', 'main:/tmp'], 'mounts')
    del spec['lenient']
    equal(daemon.ctl('create', '-', input=json.dumps(spec)).status, 1, 'without lenient')


if __name__ == '__main__':
    host.prepare()
    tap.run(Daemon)
