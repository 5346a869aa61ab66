# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The agent's log: a line each on standard error, which systemd's journal takes with its level (sd-daemon(3))."""

from __future__ import annotations

import os
import sys
import time
from typing import TextIO

ERROR, WARNING, INFO, DEBUG = 3, 4, 6, 7


class Log:
    """Writes lines. What is said again within ``every`` seconds is not written but counted, and the count told with
    the next one."""

    def __init__(self, stream: TextIO | None = None, every: float = 60.0) -> None:
        self.stream = stream or sys.stderr
        self.every = every
        self.levels = bool(os.environ.get("JOURNAL_STREAM"))
        self._said: dict[str, tuple[float, int]] = {}

    def error(self, text: str) -> None:
        """What could not be done."""
        self._limited(ERROR, text)

    def warning(self, text: str) -> None:
        """What somebody should look at."""
        self._limited(WARNING, text)

    def info(self, text: str) -> None:
        """What was done."""
        self._write(INFO, text)

    def changes(self, reason: str, lines: list[str], total: int) -> None:
        """What a movement of ``total`` changes does, of which ``lines`` are the first, and why."""
        for line in lines:
            self._write(INFO, f"{line} ({reason})")
        if total > len(lines):
            self._write(INFO, f"and {total - len(lines)} more ({reason})")

    def _limited(self, level: int, text: str) -> None:
        now = time.monotonic()
        last, kept_back = self._said.get(text, (-self.every, 0))
        if now - last < self.every:
            self._said[text] = last, kept_back + 1
            return
        if len(self._said) > 1000:  # of what was said long ago nothing needs to be known
            self._said = {key: entry for key, entry in self._said.items() if now - entry[0] < self.every}
        self._said[text] = now, 0
        self._write(level, f"{text} [{kept_back} more times]" if kept_back else text)

    def _write(self, level: int, text: str) -> None:
        text = text.replace("\n", " ")
        try:
            self.stream.write(f"<{level}>{text}\n" if self.levels else f"{text}\n")
            self.stream.flush()
        except (OSError, ValueError):
            pass  # nobody reads it; the node is more important
