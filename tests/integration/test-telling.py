#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is told of pods afterwards: their history, also when they are gone, and the counters."""

import json
import os
import signal
import subprocess
import time

import dbus

from frame import host, openmetrics, specs, tap
from frame.bus import Bus
from frame.daemon import MANAGER, Stage
from frame.host import ALICE, BOB, UserError, as_user
from frame.situation import WithPolkit
from frame.tap import case, contains, equal, eventually

bus = None
MANAGE = 'org.podmount1.manage'


def spec(*mounts):
    return specs.oci(specs.rootfs(), mounts)


def history(daemon, pod, **more):
    return daemon.json('history', pod, **more)


def told(rows):
    """What matters to most cases."""
    return [(row['Event'], row.get('Outcome')) for row in rows]


def metrics(daemon, **more):
    return openmetrics.parse(daemon.ok('metrics', **more))


@case('history says what was done to a pod, by whom, which mounts, and what failed')
def what_was_done(s):
    data = specs.tree('telling-data', {'file': 'content'})
    before = int(time.time() * 1000000)
    pod = s.create(spec(), '--name', 'web')
    bound = int(s.ok('bind', pod, data, '/mnt'))
    contains(s.refused('bind', pod, specs.tree('telling-other', {}), '/mnt'), 'in use')
    s.ok('unmount', 'web', '/mnt')
    rows = history(s, 'web')
    equal(told(rows), [('CreatePod', 'done'), ('Bind', 'done'), ('Bind', 'failed'), ('Unmount', 'done')], 'rows')
    equal([row['UID'] for row in rows], [0] * 4, 'who')
    equal([row.get('MountID') for row in rows[1:]], [bound, None, bound], 'mounts')
    equal([row.get('Target') for row in rows[1:]], ['/mnt'] * 3, 'targets')
    contains(rows[2]['Detail'], 'is in use')
    times = [row['Timestamp'] for row in rows]
    equal(times == sorted(times) and before <= times[0] and times[-1] <= time.time() * 1000000, True, f'the times {times}')
    equal(history(s, pod), rows, 'by UUID')
    text = s.ok('history', pod)
    equal([word in text for word in ('TIME', 'EVENT', 'Unmount', 'root', str(bound))], [True] * 5, text)
    both = s.manager('Mount', 'ssa{sh}a{sv}', pod, json.dumps([specs.mount('/srv'), specs.mount('/tmp')]), {}, {})
    last = history(s, pod)[-1]
    equal((last['Event'], last['MountID']), ('Mount', int(both[0])), 'several mounts')
    contains(last['Detail'], '2 mounts')


@case('a dry run, a question and a call on no pod leave no row')
def no_row(s):
    pod = s.create(spec())
    for words in (['show', pod], ['gc', '--dry-run', pod], ['repair', '--dry-run', pod], ['holders', pod], ['history', pod]):
        s.ok(*words)
    s.ctl('bind', 'nobody', '/', '/mnt')
    equal(told(history(s, pod)), [('CreatePod', 'done')], 'rows')


@case('the newest 128 rows stay, and the option limit takes the newest of them')
def bounded(s):
    pod = s.create(spec())
    connection = s.connection()
    for i in range(140):
        s.call(MANAGER, 'Unmount', 'ssa{sv}', pod, f'/nothing{i}', {'missing-ok': True}, connection=connection)
    rows = history(s, pod)
    equal((len(rows), rows[0].get('Target'), rows[-1].get('Target')), (128, '/nothing12', '/nothing139'), 'rows')
    some = s.manager('History', 'sa{sv}', pod, {'limit': dbus.UInt32(3)})
    equal([str(row['Target']) for row in some], ['/nothing137', '/nothing138', '/nothing139'], 'the last three')


@case('a restart keeps it, and a pod that is gone has its own, with the reason')
def kept(s):
    pod = s.create(spec(), '--name', 'web')
    s.restart()
    equal(told(history(s, pod)), [('CreatePod', 'done')], 'after a restart')
    s.ok('gc', pod)
    for name in (pod, pod.replace('-', '').upper(), 'web'):
        rows = history(s, name)
        equal(told(rows), [('CreatePod', 'done'), ('pod-removed', None), ('GC', 'done')], f'rows of {name}')
    equal((rows[1]['Detail'], 'UID' in rows[1]), ('collected', False), 'why it is gone')
    s.restart()
    equal(told(history(s, 'web')), told(rows), 'after another restart')
    contains(s.refused('show', pod).lower(), 'no pod')
    contains(s.refused('history', 'nobody').lower(), 'no pod')
    again = s.create(spec(), '--name', 'web')
    equal(told(history(s, 'web')), [('CreatePod', 'done')], 'of the name that another pod has now')
    equal(history(s, again) == history(s, pod), False, 'the two are told apart')


@case('what a crash right after the answer leaves: the removal is on record with the pod')
def crash(s):
    pod = s.create(spec())
    s.manager('GC', 'asa{sv}', [pod], {})
    os.kill(s.front(), signal.SIGKILL)
    s.wait()
    s.start()
    contains(told(history(s, pod)), ('pod-removed', None), 'history')


@case('drift and its end, and the end of a lease, are in it without a user')
def happened(s):
    pod = s.create(spec(specs.mount('/srv')))
    subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', f'{s.rootfs(pod)}/mnt'], check=True)
    eventually(lambda: s.state(pod) == 'degraded', 'drift')
    subprocess.run(['umount', f'{s.rootfs(pod)}/mnt'], check=True)
    eventually(lambda: s.state(pod) == 'ready', 'no drift')
    rows = history(s, pod)
    equal(told(rows)[1:], [('drift-detected', None), ('drift-ended', None)], 'rows')
    equal((rows[1]['Target'], rows[1]['Detail'].split(':')[0], 'UID' in rows[1]), ('main:/mnt', 'extra', False), 'the drift')
    leased = s.create(spec(), '--lease', 'ttl:1')
    eventually(lambda: 'lease-ended' in [row['Event'] for row in history(s, leased)], 'the lease has ended')


@case('others do not see it, denied calls are in it with the action, and polkit is named where it said yes', alone=True)
def rights():
    with WithPolkit(bus, 'yes') as s:
        pod = as_user(ALICE, lambda: str(bus.call(MANAGER, 'CreatePod', 'sa{sh}a{sv}', json.dumps(specs.oci(s.root)), {}, {})[0]))
        s.polkit.answer('no')
        try:
            as_user(ALICE, lambda: str(bus.call(MANAGER, 'GC', 'asa{sv}', [pod], {})))
        except UserError:
            pass
        try:
            as_user(ALICE, lambda: str(bus.call(MANAGER, 'Unmount', 'ssa{sv}', pod, '/x', {})))
        except UserError as error:
            contains(error.name, 'AccessDenied')
        else:
            raise AssertionError('not refused')
        rows = history(s.daemon, pod, user=ALICE, over_bus=True)
        equal([(row['Event'], row['Outcome'], row['UID'], row['Action']) for row in rows],
                [('CreatePod', 'done', ALICE, 'org.podmount1.create'), ('Unmount', 'denied', ALICE, MANAGE)], 'rows')
        contains(s.daemon.refused('history', pod, user=BOB, over_bus=True).lower(), 'no pod')
        s.daemon.ok('gc', '--lazy', pod)
        equal(told(history(s.daemon, pod, user=ALICE, over_bus=True))[-2:], [('pod-removed', None), ('GC', 'done')], 'hers, gone')
        contains(s.daemon.refused('history', pod, user=BOB, over_bus=True).lower(), 'no pod')
        families = metrics(s.daemon, user=BOB, over_bus=True)  # anybody may read counts
        equal([pod in text for text in (s.daemon.ok('metrics'),)], [False], 'a name among the counts')
        equal(openmetrics.value(families, 'podmount_requests', '_total', outcome='denied') >= 1, True, 'denied requests')


@case('another user who tries the UUID leaves no row in it', alone=True)
def foreign_rows():
    with WithPolkit(bus, 'yes') as s:
        pod = s.daemon.create(specs.oci())
        for method, signature, arguments in [
                ('CreatePod', 'sa{sh}a{sv}', (json.dumps(specs.oci(s.root)), {}, {'id': pod})), ('Unmount', 'ssa{sv}', (pod, '/x', {})),
                ('GC', 'asa{sv}', ([pod], {}))]:
            try:
                as_user(ALICE, lambda m=method, g=signature, a=arguments: str(bus.call(MANAGER, m, g, *a)))
            except UserError:
                pass
        equal(told(history(s.daemon, pod)), [('CreatePod', 'done')], 'rows')


@case('metrics are what OpenMetrics says, and move with what is done')
def moving(s):
    def counted(verb, outcome='done'):
        return openmetrics.value(families, 'podmount_operations', '_total', verb=verb, outcome=outcome)

    def lasted(verb):
        return openmetrics.value(families, 'podmount_operation_duration_seconds', '_count', verb=verb)
    families = metrics(s)
    equal((counted('create'), counted('mount'), lasted('mount')), (0, 0, 0), 'at first')
    equal(openmetrics.value(families, 'podmount_pods', state='ready'), 0, 'pods')
    pod = s.create(spec(specs.mount('/srv')))
    data = specs.tree('telling-data', {'file': 'content'})
    s.ok('bind', pod, data, '/mnt')
    s.refused('bind', pod, '/nothing/there', '/tmp')
    s.ok('unmount', pod, '/mnt')
    families = metrics(s)
    equal((counted('create'), counted('mount'), counted('mount', 'failed'), counted('unmount'), lasted('mount')), (1, 1, 1, 1, 2), 'operations')
    equal(openmetrics.value(families, 'podmount_pods', state='ready'), 1, 'pods')
    equal(openmetrics.value(families, 'podmount_mounts'), len(s.mounts(pod)), 'mounts')
    equal(openmetrics.value(families, 'podmount_requests', '_total', outcome='failed'), 1, 'requests that failed')
    equal(openmetrics.value(families, 'podmount_operation_duration_seconds', '_sum', verb='mount') > 0, True, 'a time')
    with subprocess.Popen(['sleep', '1000'], cwd=f'{s.rootfs(pod)}/srv') as holder:
        try:
            contains(s.ctl('--json=short', 'gc', pod).out, 'busy')
        finally:
            holder.kill()
    subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', f'{s.rootfs(pod)}/mnt'], check=True)
    eventually(lambda: s.state(pod) == 'degraded', 'drift')
    families = metrics(s)
    equal((counted('collect', 'busy'), openmetrics.value(families, 'podmount_retries', '_total') > 0), (1, True), 'busy')
    equal(openmetrics.value(families, 'podmount_drifts', kind='extra'), 1, 'drift now')
    equal(openmetrics.value(families, 'podmount_drifts_detected', '_total', kind='extra'), 1, 'drift detected')
    equal(openmetrics.value(families, 'podmount_table_entries') > 0, True, 'the table')
    os.kill(s.executors()[-1], signal.SIGKILL)
    eventually(lambda: openmetrics.value(metrics(s), 'podmount_executors_lost', '_total') == 1, 'an executor died')
    openmetrics.parse(s.json('metrics')['Metrics'])


@case('quota use is that of the user who has most, without a name', alone=True)
def quotas():
    with WithPolkit(bus, 'yes', '[Limits]\nPodsPerUser=2\n') as s:
        for _ in range(2):
            as_user(ALICE, lambda: str(bus.call(MANAGER, 'CreatePod', 'sa{sh}a{sv}', json.dumps(specs.oci(s.root)), {}, {})[0]))
        s.daemon.create(specs.oci())
        try:
            as_user(ALICE, lambda: str(bus.call(MANAGER, 'CreatePod', 'sa{sh}a{sv}', json.dumps(specs.oci(s.root)), {}, {})[0]))
        except UserError as error:
            contains(error.name, 'QuotaExceeded')
        families = metrics(s.daemon)
        equal([openmetrics.value(families, f'podmount_quota_{what}', quota='pods_per_user') for what in ('limit', 'used')], [2, 2], 'pods')
        equal(openmetrics.value(families, 'podmount_quota_refusals', '_total'), 1, 'refusals')


@case('the reader of OpenMetrics is strict', alone=True)
def strict():
    good = '# TYPE a counter\n# HELP a Some.\na_total{x="1"} 1\na_total{x="2"} 2\n# EOF\n'
    equal(sorted(openmetrics.parse(good)), ['a'], 'families')
    histogram = ('# TYPE h histogram\n# HELP h Some.\nh_bucket{le="1.0"} 1\nh_bucket{le="+Inf"} 2\nh_count 2\nh_sum 3.5\n# EOF\n')
    openmetrics.parse(histogram)
    for bad in [good[:-6], good + '\n', good.replace('_total', ''), good.replace('"2"', '"1"'), good.replace('# HELP a Some.\n', ''),
            good.replace('counter', 'gouge'), good.replace(' 2\n', ' two\n'), good.replace('{x="1"}', '{x=1}'), good.replace('# EOF', '\n# EOF'),
            good.replace('# HELP', '# UNIT a seconds\n# HELP'), good.replace('# EOF', '# TYPE b gauge\n# EOF'), good.replace('counter', 'gauge'),
            histogram.replace('"+Inf"} 2', '"+Inf"} 0'), histogram.replace('h_count 2', 'h_count 1'), histogram.replace('h_sum 3.5\n', ''),
            histogram.replace('h_bucket{le="+Inf"} 2\n', '')]:
        try:
            openmetrics.parse(bad)
        except (openmetrics.Bad, KeyError):
            continue
        raise AssertionError(f'taken for good:\n{bad}')


if __name__ == '__main__':
    host.prepare()
    bus = Bus()
    tap.run(Stage)
