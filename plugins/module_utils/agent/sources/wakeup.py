# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A flag with a descriptor: a thread sets it, and the agent's loop wakes."""

from __future__ import annotations

import os


class Wakeup:
    """Readable from ``set`` to ``clear``."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def fileno(self) -> int:
        return self._reader

    def set(self) -> None:
        try:
            os.write(self._writer, b"\0")
        except BlockingIOError:
            pass  # the pipe is full already

    def clear(self) -> None:
        try:
            while os.read(self._reader, 4096):
                pass
        except BlockingIOError:
            pass
