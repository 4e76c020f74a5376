# SPDX-License-Identifier: LGPL-2.1-or-later
"""Cases and TAP. A case is a function with @case; it fails by an exception."""

import os
import sys
import time
import traceback

CASES = []
PATIENCE = float(os.environ.get('PODMOUNT_PATIENCE', '1'))  # how many times slower than usual the machine is


class Skip(Exception):
    """Raised by a case that cannot run here, with the reason."""


def case(title, alone=False):
    """Registers a case; one that is `alone` makes what it needs itself."""
    def register(function):
        CASES.append((title, function, alone))
        return function
    return register


def diagnose(text):
    for line in str(text).rstrip('\n').split('\n'):
        print(f'# {line}', flush=True)


def equal(seen, expected, what='value'):
    if seen != expected and isinstance(seen, list) and isinstance(expected, list) and len(expected) > 3:
        more, less = [x for x in seen if x not in expected], [x for x in expected if x not in seen]
        raise AssertionError(f'{what}:\n  too much {more!r}\n  lacking  {less!r}')
    if seen != expected:
        raise AssertionError(f'{what}:\n  seen     {seen!r}\n  expected {expected!r}')


def contains(text, part, what='text'):
    if part not in text:
        raise AssertionError(f'{what} lacks {part!r}:\n  {text!r}')


def eventually(condition, what, seconds=10.0, interval=0.02):
    """Waits until the condition holds and returns what it returned."""
    seconds *= PATIENCE
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f'not within {seconds} s: {what}')
        time.sleep(interval)


def run(setup=None):
    """Runs every case of the file, each with what `setup` (a context manager's factory) yields, and exits."""
    failed = 0
    for number, (title, function, alone) in enumerate(CASES, 1):
        context = None
        try:
            if setup and not alone:
                context = setup()
                function(context.__enter__())
                context.__exit__(None, None, None)
            else:
                function()
        except Skip as reason:
            close(context)
            print(f'ok {number} - {title} # SKIP {reason}', flush=True)
            continue
        except BaseException:
            failed += 1
            print(f'not ok {number} - {title}', flush=True)
            diagnose(traceback.format_exc())
            if context and hasattr(context, 'diagnose'):
                diagnose(context.diagnose())
            close(context)
            continue
        print(f'ok {number} - {title}', flush=True)
    print(f'1..{len(CASES)}', flush=True)
    sys.stdout.flush()
    os._exit(1 if failed else 0)


def close(context):
    try:
        if context:
            context.__exit__(*sys.exc_info())
    except BaseException:
        diagnose(traceback.format_exc())
