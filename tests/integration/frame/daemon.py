# SPDX-License-Identifier: LGPL-2.1-or-later
"""A podmountd of one's own, below the test's directory, and podmountctl and D-Bus calls on its private socket."""

import json
import os
import shutil
import signal
import subprocess
import tempfile

import dbus
import dbus.connection

from frame import host
from frame.tap import PATIENCE, eventually

MANAGER, POD, LAYERS = 'org.podmount1.Manager', 'org.podmount1.Pod', 'org.podmount1.LayerStore'
NAME, PATH = 'org.podmount1', '/org/podmount1'
ERROR = 'org.podmount1.Error.'


class Daemon:
    """`bus` is a frame.bus.Bus or None; `config` the text of podmountd.conf."""

    def __init__(self, bus=None, config='', directory=None, start=True):
        self.directory = directory or tempfile.mkdtemp(prefix='d-', dir=host.DIRECTORY)
        os.chmod(self.directory, 0o755)
        self.runtime = f'{self.directory}/run'
        self.socket = f'{self.runtime}/socket'
        self.log_path = f'{self.directory}/log'
        self.bus, self.process = bus, None
        self.write_config(config)
        if start:
            self.start()

    def write_config(self, text):
        with open(f'{self.directory}/podmountd.conf', 'w') as file:
            file.write(text)

    def command(self):
        return [f'{host.DIRECTORY}/bin/podmountd', '--runtime-dir', self.runtime, '--state-dir',
                f'{self.directory}/state', '--config',
                f'{self.directory}/podmountd.conf', '--user', host.FRONT_NAME, '--bus',
                'system' if self.bus else 'none', '--log-level', 'debug'] + [
                        f'--disable-feature={name}' for name in host.WITHOUT]

    def environment(self):
        environment = dict(os.environ)
        environment['DBUS_SYSTEM_BUS_ADDRESS'] = self.bus.address if self.bus else 'unix:path=/nonexistent/bus'
        return environment

    def launch(self):
        """Starts the process without waiting for it."""
        with open(self.log_path, 'ab') as log:
            self.process = subprocess.Popen(self.command(), env=self.environment(), stdin=subprocess.DEVNULL,
                    stdout=log, stderr=log)

    def start(self):
        self.launch()
        eventually(self.answers, f'podmountd answers on {self.socket}\n{self.log()}', 30)
        if self.bus and self.bus.running():
            eventually(lambda: self.bus.has_owner(NAME), 'podmountd has its name', 10)

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f'podmountd exited with {self.process.returncode}\n{self.log()}')
        if not os.path.exists(self.socket):
            return False
        try:
            self.call('org.freedesktop.DBus.Peer', 'Ping', '', timeout=5)
            return True
        except dbus.exceptions.DBusException:
            return False

    def stop(self, number=signal.SIGTERM):
        """Ends it and returns its exit status."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait()

    def wait(self, seconds=30):
        return self.process.wait(seconds * PATIENCE) if self.process else None

    def restart(self):
        self.stop()
        self.start()

    def log(self):
        try:
            with open(self.log_path, errors='replace') as file:
                return file.read()
        except OSError:
            return ''

    def diagnose(self):
        return '\n'.join(['podmountd said last:'] + self.log().splitlines()[-60:])

    # processes: the keeper is what was started; the front has the other uid, executors are root
    def keeper(self):
        return self.process.pid

    def front(self):
        for pid in host.processes_of(self.keeper()):
            if host.alive(pid) and host.status_of(pid)['Uid'].split()[0] == str(host.FRONT):
                return pid
        raise AssertionError('no front')

    def executors(self):
        found = []
        for pid in host.processes_of(self.keeper()):
            try:
                if host.alive(pid) and host.status_of(pid)['Uid'].split()[0] == '0':
                    found.append(pid)
            except OSError:
                continue
        return sorted(found)

    # podmountctl
    def ctl(self, *words, user=0, over_bus=False, check=False, **more):
        where = [] if over_bus else ['--socket', self.socket]
        done = host.run([f'{host.DIRECTORY}/bin/podmountctl'] + where + [str(word) for word in words], user=user,
                env=self.environment(), **more)
        if check and done.status != 0:
            raise AssertionError(f'podmountctl {" ".join(map(str, words))}: {done}')
        return done

    def ok(self, *words, **more):
        """stdout of a call that must succeed."""
        return self.ctl(*words, check=True, **more).out

    def json(self, *words, **more):
        return json.loads(self.ok('--json=short', *words, **more))

    def create(self, spec, *words, **more):
        """Creates a pod of a spec (a dict, or the path of a file or bundle) and returns its UUID."""
        if isinstance(spec, dict):
            return self.ok('create', *words, '-', input=json.dumps(spec), **more).strip()
        return self.ok('create', *words, spec, **more).strip()

    def refused(self, *words, **more):
        """stderr of a call that must be refused."""
        done = self.ctl(*words, **more)
        if done.status != 1:
            raise AssertionError(f'podmountctl {" ".join(map(str, words))} was not refused: {done}')
        return done.err

    def pods(self):
        return self.json('list')

    def state(self, pod):
        return self.json('show', pod)['State']

    def mounts(self, pod):
        """{container:target: mount} as ListMounts has them; the last of stacked ones."""
        return {f"{mount['Container']}:{mount['Target']}": mount for mount in self.json('show', pod)['Mounts']}

    def rootfs(self, pod, container='main'):
        return f'{self.runtime}/pods/{pod}/{container}/rootfs'

    # D-Bus on the private socket
    def connection(self):
        return dbus.connection.Connection(f'unix:path={self.socket}')

    def call(self, interface, method, signature, *arguments, path=PATH, timeout=30, connection=None):
        own = connection or self.connection()
        try:
            if 'h' in signature:  # libdbus knows only after its handshake that it may send fds
                own.call_blocking(None, PATH, 'org.freedesktop.DBus.Peer', 'Ping', '', ())
            return own.call_blocking(None, path, interface, method, signature, arguments, timeout=timeout * PATIENCE)
        finally:
            if not connection:
                own.close()

    def manager(self, method, signature, *arguments, **more):
        return self.call(MANAGER, method, signature, *arguments, **more)

    def error_of(self, method, signature, *arguments, interface=MANAGER, **more):
        """(name, text) of a call that must fail."""
        try:
            result = self.call(interface, method, signature, *arguments, **more)
        except dbus.exceptions.DBusException as error:
            return error.get_dbus_name(), error.get_dbus_message()
        raise AssertionError(f'{method}{arguments!r:.200} was not refused: {result!r}')

    # a context for frame.tap.run()
    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            for pod in self.pods():
                self.ctl('gc', '--lazy', pod['UUID'])
            self.stop()
        elif self.process:
            for pid in host.processes_of(self.process.pid):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.directory, ignore_errors=True)


class Stage(Daemon):
    """A daemon whose directory goes whatever a case left mounted below it: for cases that kill things."""

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.stop(signal.SIGKILL)
        for point in sorted(host.mounts_below(self.directory), reverse=True):
            subprocess.run(['umount', '-l', point], stderr=subprocess.DEVNULL)
        shutil.rmtree(self.directory, ignore_errors=True)
