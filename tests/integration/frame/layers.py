# SPDX-License-Identifier: LGPL-2.1-or-later
"""Calls of the layer store on a daemon's private socket."""

from frame.daemon import LAYERS


def call(daemon, method, signature, *arguments, **more):
    return daemon.call(LAYERS, method, signature, *arguments, **more)


def error_of(daemon, method, signature, *arguments):
    return daemon.error_of(method, signature, *arguments, interface=LAYERS)
