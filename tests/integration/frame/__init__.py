# SPDX-License-Identifier: LGPL-2.1-or-later
"""The frame of the integration tests: cases and TAP, a daemon of one's own, a bus of one's own, a polkit that obeys."""
