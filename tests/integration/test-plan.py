#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plan: what create would do, as a table, a tree and JSON, and what it would take of what there is."""

import json

from frame import host, specs, tap
from frame.bus import Bus
from frame.host import ALICE
from frame.situation import WithPolkit
from frame.tap import case, contains, equal

bus = None


class Situation(WithPolkit):
    def __init__(self):
        super().__init__(bus, 'yes', '[Limits]\nPodsPerUser=3\nMountsPerPod=40\nMountsPerUser=60\n')

    def plan(self, *words, mounts=(), user=ALICE):
        spec = specs.oci(self.root, mounts=mounts)
        return self.daemon.ok(*words, '-', input=json.dumps(spec), user=user, over_bus=bool(user))


MOUNTS = [specs.mount('/tmp', options=['size=1m']), specs.mount('/tmp/below', options=['size=1m']), specs.mount('/proc', 'proc', 'proc')]


@case('as JSON: steps in order, the final tree, what waits, who is asked, what it takes')
def as_json(s):
    s.daemon.create(specs.oci(s.root, mounts=[specs.mount('/tmp', options=['size=1m'])]), user=ALICE, over_bus=True)
    before = host.mount_table()
    plan = json.loads(s.plan('--json=short', 'plan', mounts=MOUNTS))
    equal([step['step'] for step in plan['steps']], ['tree', 'root', 'filesystem', 'filesystem', 'publish'], 'steps')
    equal(plan['tree'][0]['mounts'][0]['mounts'][0]['target'], '/tmp/below', 'the tree')
    equal(plan['deferred'][0]['target'], '/proc', 'what waits')
    equal(plan['actions'], ['org.podmount1.create'], 'actions')
    quota = {row['limit']: (row['used'], row['asked'], row['maximum']) for row in plan['quota']}
    equal(quota['PodsPerUser'], (1, 1, 3), 'pods')
    equal(quota['MountsPerPod'], (0, 5, 40), 'mounts of the pod')
    equal(quota['MountsPerUser'][1:], (5, 60), 'mounts of the user')
    assert quota['fs.mount-max'][0] > 10, quota
    equal(host.mount_table(), before, 'the mount table')
    plan = json.loads(s.plan('--json=short', 'plan', mounts=MOUNTS, user=0))
    equal(plan['actions'], [], 'nobody is asked about root')
    equal([row['limit'] for row in plan['quota']], ['MountsPerPod', 'fs.mount-max'], 'what holds for root')


@case('an image is asked about on its own')
def images(s):
    image = s.root + '/etc/hostname'
    plan = json.loads(s.plan('--json=short', 'plan', mounts=[specs.mount('/mnt', 'erofs', image)]))
    equal(plan['actions'], ['org.podmount1.create', 'org.podmount1.mount-image'], 'actions')


@case('as a table, and as a tree')
def for_people(s):
    table = s.plan('plan', mounts=MOUNTS)
    for word in ('STEP', 'publish', '/tmp/below', 'close-tree', 'WAITING IN', '/proc', 'LIMIT', 'MountsPerPod', 'org.podmount1.create'):
        contains(table, word, 'table')
    lines = s.plan('plan', '--tree', mounts=MOUNTS).splitlines()
    contains(lines[0], 'TARGET', 'heading')
    contains(lines[1], 'main:/ ', 'the root')
    contains(lines[2], 'main:/tmp ', 'a mount on it')
    contains(lines[3], 'main:/tmp/below', 'a mount on that')
    assert lines[3].index('main:') > lines[2].index('main:') > lines[1].index('main:'), lines
    equal(len(lines), 4, 'lines')


if __name__ == '__main__':
    host.prepare()
    bus = Bus()
    tap.run(Situation)
