# SPDX-License-Identifier: LGPL-2.1-or-later
"""A strict reader of OpenMetrics text (https://openmetrics.io, version 1.0): what it does not know is an error."""

import re

NAME = r'[a-zA-Z_:][a-zA-Z0-9_:]*'
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
SAMPLE = re.compile(rf'({NAME})(?:\{{(.*)\}})? ([^ ]+)')
NUMBER = re.compile(r'[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?|\+Inf')
SUFFIXES = {'counter': ['_total', '_created'], 'gauge': [''], 'info': ['_info'],
        'histogram': ['_bucket', '_count', '_sum', '_created']}


class Bad(Exception):
    """What is wrong with the text."""


class Family:
    def __init__(self, name):
        self.name, self.type, self.unit, self.help, self.samples = name, None, None, None, {}


def check(condition, text):
    if not condition:
        raise Bad(text)


def labels_of(text):
    found, at = {}, 0
    while at < len(text):
        match = LABEL.match(text, at)
        check(match, f'labels {text!r}')
        check(match[1] not in found, f'the label {match[1]} twice')
        check(match[3] != ',' or match.end() < len(text), f'a comma at the end of {text!r}')
        found[match[1]] = match[2]
        at = match.end()
    return found


def metadata(family, word, value):
    attribute = word.lower()
    check(not family.samples, f'{word} of {family.name} after its samples')
    check(getattr(family, attribute) is None, f'a second {word} of {family.name}')
    if word == 'TYPE':
        check(value in SUFFIXES, f'type {value}')
    if word == 'UNIT':
        check(family.name.endswith(f'_{value}'), f'{family.name} does not end in its unit {value}')
    setattr(family, attribute, value)


def sample(family, line):
    match = SAMPLE.fullmatch(line)
    check(match, f'line {line!r}')
    check(family and family.type and family.help, f'{match[1]} without a type and a help before it')
    suffix = match[1].removeprefix(family.name)
    check(match[1].startswith(family.name) and suffix in SUFFIXES[family.type], f'{match[1]} in the {family.type} {family.name}')
    labels = labels_of(match[2] or '')
    check(match[2] != '', 'braces without labels')
    check(NUMBER.fullmatch(match[3]), f'number {match[3]!r}')
    key = (suffix, tuple(sorted(labels.items())))
    check(key not in family.samples, f'{line!r} a second time')
    check(('le' in labels) == (suffix == '_bucket'), f'le in {line!r}')
    check(family.type != 'info' or match[3] == '1', 'an info that is not 1')
    family.samples[key] = float(match[3])


def check_histogram(family):
    series = {}
    for (suffix, labels), value in family.samples.items():
        rest = tuple(pair for pair in labels if pair[0] != 'le')
        series.setdefault(rest, {}).setdefault(suffix, []).append((dict(labels).get('le'), value))
    for labels, parts in series.items():
        bounds = [float(bound) for bound, _ in parts['_bucket']]
        counts = [count for _, count in parts['_bucket']]
        check(bounds == sorted(bounds) and len(set(bounds)) == len(bounds), f'bounds {bounds} of {labels}')
        check(bounds[-1] == float('inf'), f'no last bucket of {labels}')
        check(counts == sorted(counts), f'buckets of {labels} that do not add up: {counts}')
        check(parts['_count'][0][1] == counts[-1], f'count of {labels}')
        check('_sum' in parts, f'no sum of {labels}')


def parse(text):
    """{family: Family}; raises Bad."""
    check(text.endswith('# EOF\n'), 'no # EOF at the end')
    families, current = {}, None
    for line in text[:-len('# EOF\n')].split('\n')[:-1]:
        match = re.fullmatch(rf'# (TYPE|UNIT|HELP) ({NAME}) (.+)', line)
        if not match:
            check(line and not line.startswith('#'), f'line {line!r}')
            sample(current, line)
            continue
        if not current or current.name != match[2]:
            check(match[2] not in families, f'{match[2]} is in two places')
            current = families[match[2]] = Family(match[2])
        metadata(current, match[1], match[3])
    for family in families.values():
        check(family.samples, f'{family.name} without samples')
        if family.type == 'histogram':
            check_histogram(family)
    return families


def value(families, name, suffix='', **labels):
    return families[name].samples[(suffix, tuple(sorted(labels.items())))]
