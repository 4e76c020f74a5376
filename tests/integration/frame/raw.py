# SPDX-License-Identifier: LGPL-2.1-or-later
"""D-Bus by hand: bytes that no library would send."""

import socket
import struct

from frame.daemon import MANAGER, PATH
from frame.tap import PATIENCE


def handshake(uid=0):
    return b'\0AUTH EXTERNAL ' + str(uid).encode().hex().encode() + b'\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n'


HANDSHAKE = handshake()


def raw_connection(path, uid=0):
    """A connection of this user after the handshake, to send bytes of one's own."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    connection.settimeout(10 * PATIENCE)
    connection.sendall(handshake(uid))
    data = b''
    while data.count(b'\r\n') < 2:
        data += connection.recv(4096)
    return connection


def marshal(body, serial=1, member='Bind', signature='sssa{sh}a{sv}', fds=0):
    """A method call, little-endian, by hand."""
    def field(code, kind, value):
        raw = value.encode()
        text = struct.pack('<I', len(raw)) + raw + b'\0' if kind != 'g' else bytes([len(raw)]) + raw + b'\0'
        return bytes([code, 1]) + kind.encode() + b'\0' + text
    fields = b''
    for code, kind, value in [(1, 'o', PATH), (3, 's', member), (2, 's', MANAGER), (8, 'g', signature)]:
        fields += b'\0' * (-len(fields) % 8) + field(code, kind, value)
    if fds:
        fields += b'\0' * (-len(fields) % 8) + bytes([9, 1]) + b'u\0' + struct.pack('<I', fds)
    head = b'l\1\0\1' + struct.pack('<III', len(body), serial, len(fields)) + fields
    return head + b'\0' * (-len(head) % 8) + body
