# SPDX-License-Identifier: LGPL-2.1-or-later
"""All that there is of a daemon, to be compared: what it tells, what the kernel has, what lies on the disk, what is on record."""

import contextlib
import os
import re
import shutil
import sqlite3

import dbus

from frame import host, own_space
from frame.daemon import LAYERS, MANAGER, POD
from frame.host import unescape

PROPERTIES = 'org.freedesktop.DBus.Properties'
HISTORY = ('daemon', 'history', 'history_pod', 'sqlite_sequence')  # tables that only grow


def told(daemon):
    """Pods with their mounts, and layers, as clients are told."""
    connection, found = daemon.connection(), {}
    try:
        def call(*words, **more):
            return daemon.call(*words, connection=connection, **more)
        for ident, name, owner, state, path in call(MANAGER, 'ListPods', 'a{sv}', {}):
            shown = call(PROPERTIES, 'GetAll', 's', POD, path=path)
            found[f'pod {ident}'] = f'{name} {owner} {state} {bool(shown["Drifted"])} {[str(w) for w in shown["Warnings"]]}'
            for name in shown['Containers']:
                found[f'container {ident} {name}'] = True
            for row in call(MANAGER, 'ListMounts', 'sa{sv}', ident, {}):
                about = ' '.join([str(row[key]) for key in ('Type', 'Source', 'Path', 'Propagation', 'State')] + [str(word) for word in row['Options']])
                key = f'mount {ident} {row["Container"]}:{row["Target"]}'
                found[key] = f'{found[key]} | {about}' if key in found else about
        for row in call(LAYERS, 'ListLayers', 'a{sv}', {}) if os.path.exists(f'{daemon.directory}/state/layers') else []:
            found[f'layer {row["ID"]}'] = f'{row["Parent"]} {row["Path"]} {sorted((str(holder["Name"]), int(holder["Count"])) for holder in row["Holders"])}'
    finally:
        connection.close()
    return found


def is_staging(daemon, path):
    """Whether it is an executor's place to stage trees in, on kernels that need one; not what lies there."""
    return re.fullmatch(r'/staging/\d+(/(layer|mapped|tree))?', path.removeprefix(daemon.runtime)) is not None


def in_kernel(daemon, places):
    """Mounts below the daemon's directories and these places, and loop devices with a file there."""
    found = {}
    with open('/proc/self/mountinfo', encoding='utf-8', errors='surrogateescape') as file:
        lines = [line.split() for line in file]
    for fields in lines:
        point, rest = unescape(fields[4]), fields[fields.index('-') + 1:]
        if not any(point.startswith(f'{top}/') for top in [daemon.directory, *places]) or is_staging(daemon, point):
            continue
        shared = [word.split(':')[0] for word in fields[6:fields.index('-')]]
        root = 'mnt' if fields[3].startswith('mnt:[') else fields[3]  # a pod's own mount namespace is another each time
        about = f'{root} {fields[5]} {shared} {rest[0]}'
        found[f'at {point}'] = f'{found[f"at {point}"]} | {about}' if f'at {point}' in found else about
    for name in os.listdir('/sys/block'):
        try:
            with open(f'/sys/block/{name}/loop/backing_file') as file:
                backing = file.read().strip()
        except OSError:
            continue
        if host.DIRECTORY in backing:
            found[f'loop of {backing}'] = found.get(f'loop of {backing}', 0) + 1
    return found


def in_own_namespaces(daemon):
    """Mounts in the namespaces that pods have to themselves."""
    found, top = {}, f'{daemon.runtime}/ns'
    for name in os.listdir(top) if os.path.isdir(top) else []:
        try:
            lines = own_space.within(f'{top}/{name}', own_space.mountinfo).splitlines()
        except OSError as error:  # not bound yet, not any more, or another kind of namespace
            found[f'namespace {name}'] = error.errno
            continue
        for number, fields in enumerate(sorted(line.split()[3:] for line in lines)):
            rest = fields[fields.index('-') + 1:]
            found[f'in {name} {number}'] = f'{fields[0]} {fields[1]} {fields[2]} {rest[0]}'
    return found


def on_disk(daemon, places):
    """Names in the runtime and the state directory, as far as these are the daemon's own, and all below these places."""
    found = set()
    for top, depth in ((daemon.runtime, 1), (f'{daemon.runtime}/pods', 1), (f'{daemon.runtime}/ns', 1), (f'{daemon.runtime}/layers', 1),
            (f'{daemon.runtime}/staging', 3), (f'{daemon.directory}/state/layers', 2), *((place, 99) for place in places)):
        for base, directories, files in os.walk(top):
            found.update(f'{base}/{name}' for name in directories + files)
            if base[len(top):].count('/') >= depth - 1:
                directories.clear()
    return {f'file {name}': True for name in found if not name.endswith(('-wal', '-shm', '-journal')) and not is_staging(daemon, name)}


def on_record(daemon):
    """How many rows the tables of the stores have: of a copy, for the front lets nobody else read them."""
    found, copy = {}, f'{daemon.directory}/copy.db'
    for path in (f'{daemon.runtime}/state/state.db', f'{daemon.directory}/state/records/layers.db'):
        for end in ('', '-wal'):
            if os.path.exists(path + end):
                shutil.copy(path + end, copy + end)
        try:
            with contextlib.closing(sqlite3.connect(copy)) as base:
                for (table,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                    if table not in HISTORY:
                        found[f'rows of {table}'] = base.execute(f'SELECT count(*) FROM {table}').fetchone()[0]
        except sqlite3.DatabaseError as error:  # the front wrote between the two copies
            found[f'rows in {path}'] = str(error)
        for end in ('', '-wal', '-shm'):
            if os.path.exists(copy + end):
                os.unlink(copy + end)
    return found


def strays(daemon):
    """Processes of podmountd that are no children of the keeper that runs."""
    found = {}
    for entry in os.listdir('/proc'):
        try:
            if entry.isdigit() and os.readlink(f'/proc/{entry}/exe').startswith(f'{host.DIRECTORY}/bin/podmountd') and int(entry) != daemon.keeper():
                parent = host.status_of(entry)['PPid'].strip()
                if int(parent) != daemon.keeper() and host.alive(entry):
                    found[f'process {host.status_of(entry)["Name"]}, child of {parent}'] = entry
        except (OSError, KeyError):
            continue
    return found


def look(daemon, places=()):
    """A dict, in which what cannot be told because it changes meanwhile is an error."""
    try:
        shown = told(daemon)
    except dbus.exceptions.DBusException as error:
        shown = {'error': str(error)}
    return {**shown, **in_kernel(daemon, places), **in_own_namespaces(daemon), **on_disk(daemon, places), **on_record(daemon), **strays(daemon)}


def difference(seen, wanted):
    return {key: (seen.get(key), wanted.get(key)) for key in sorted(seen.keys() | wanted.keys()) if seen.get(key) != wanted.get(key)}
