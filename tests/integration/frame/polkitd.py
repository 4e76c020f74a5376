# SPDX-License-Identifier: LGPL-2.1-or-later
"""The real polkitd, of whatever root directory, on a bus of the test's own: with the actions of policy/ and the rules that a case writes.

It runs in a throw-away overlay of its root, in which the users are those of these tests, and is gone with the file's mount namespace.
"""

import os
import re
import shutil
import subprocess
import tempfile

from frame import host
from frame.polkit import NAME
from frame.tap import PATIENCE, Skip, eventually

PROGRAM = '/usr/lib/polkit-1/polkitd'
# Who the tests are in there: podmount is the user of the front, and carol's ids are of no file.
GROUP, CAROL = 6001, 3000000001
PASSWD = f'''alice:x:{host.ALICE}:{host.ALICE}::/:/bin/false
bob:x:{host.BOB}:{host.BOB}::/:/bin/false
podmount:x:{host.FRONT}:{host.FRONT}::/:/bin/false
carol:x:{CAROL}:{CAROL}::/:/bin/false
polkitd:x:{host.POLKITD}:{host.POLKITD}::/:/bin/false
'''


def version(root):
    """The number of the polkit of a root directory."""
    if not os.path.exists(f'{root}{PROGRAM}'):
        raise Skip(f'no polkitd in {root}')
    told = subprocess.run(['chroot', root, 'pkaction', '--version'], stdout=subprocess.PIPE, text=True, check=True).stdout
    return int(re.search(r'(\d+)$', told.strip()).group(1))


class Polkitd:
    def __init__(self, bus, base):
        self.bus, self.process = bus, None
        self.version = version(base)
        self.directory = tempfile.mkdtemp(prefix='polkit-', dir=host.DIRECTORY)
        self.root = f'{self.directory}/root'
        for name in ('changes', 'work', 'root'):
            os.mkdir(f'{self.directory}/{name}')
            os.chmod(f'{self.directory}/{name}', 0o755)
        os.chmod(self.directory, 0o755)
        self.mount('-t', 'overlay', '-o', f'lowerdir={base},upperdir={self.directory}/changes,workdir={self.directory}/work', 'overlay', self.root)
        for name in ('/proc', '/dev', bus.directory):
            os.makedirs(self.root + name, exist_ok=True)
            self.mount('--rbind', name, self.root + name)
        self.mount('-t', 'tmpfs', 'tmpfs', f'{self.root}/run')
        self.write_users()
        for place in ('etc/polkit-1/rules.d', 'usr/share/polkit-1/rules.d', 'usr/share/polkit-1/actions'):
            shutil.rmtree(f'{self.root}/{place}', ignore_errors=True)
            os.makedirs(f'{self.root}/{place}')
        shutil.copy(f'{host.SOURCE}/policy/org.podmount1.policy', f'{self.root}/usr/share/polkit-1/actions')
        self.rules('')

    @staticmethod
    def mount(*words):
        subprocess.run(['mount', *words], check=True)

    def write_users(self):
        """Our names come first, so that a user's id is found under ours."""
        for name, text in (('passwd', PASSWD), ('group', f'podmount:x:{GROUP}:alice\n')):
            with open(f'{self.root}/etc/{name}') as file:
                others = [line for line in file if line.split(':')[0] not in ('alice', 'bob', 'carol', 'podmount', 'polkitd')]
            with open(f'{self.root}/etc/{name}', 'w') as file:
                file.write(text + ''.join(others))

    def rules(self, script):
        """Begins anew with these rules: a function's body of (action, subject) for polkit.addRule, or nothing."""
        self.stop()
        with open(f'{self.root}/etc/polkit-1/rules.d/10-case.rules', 'w') as file:
            file.write(f'polkit.addRule(function(action, subject) {{ {script} }});\n' if script else '')
        self.start()

    def ship_rules(self):
        """Begins anew with no rules but those that are installed."""
        shutil.copy(f'{host.SOURCE}/policy/50-podmount.rules', f'{self.root}/usr/share/polkit-1/rules.d')
        self.rules('')

    def start(self):
        environment = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=self.bus.address)
        with open(f'{self.directory}/log', 'ab') as log:
            self.process = subprocess.Popen(['chroot', self.root, PROGRAM], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        eventually(lambda: self.bus.has_owner(NAME) or self.process.poll() is not None, 'polkitd has its name')
        if self.process.poll() is not None:
            raise AssertionError(f'polkitd ended: {self.log()}')

    def log(self):
        with open(f'{self.directory}/log', errors='replace') as file:
            return file.read()

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(10 * PATIENCE)
            eventually(lambda: not self.bus.has_owner(NAME), 'polkitd has left the bus')
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
