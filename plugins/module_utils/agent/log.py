# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The agent's log: a line each on standard error, which systemd's journal takes with its level (sd-daemon(3))."""

from __future__ import annotations

import os
import sys
import time
from typing import TextIO

from ..findings import render
from ..findings.finding import Finding

ERROR, WARNING, INFO = 3, 4, 6


class Log:
    """Writes lines: findings (code, text, fix), and what was done. A line that repeats within ``every`` seconds is
    counted, and the count written with the next one."""

    def __init__(self, stream: TextIO | None = None, every: float = 60.0) -> None:
        self.stream = stream or sys.stderr
        self.every = every
        self.levels = bool(os.environ.get("JOURNAL_STREAM"))
        self._written: dict[str, tuple[float, int]] = {}

    def error(self, finding: Finding) -> None:
        """What could not be done."""
        self._limited(ERROR, f"{finding.code}: {render.text(finding)}")

    def warning(self, finding: Finding) -> None:
        """What an operator should inspect."""
        self._limited(WARNING, f"{finding.code}: {render.warning(finding)}")

    def info(self, text: str) -> None:
        """What was done."""
        self._write(INFO, text)

    def changes(self, reason: str, lines: list[str], total: int) -> None:
        """What a plan of ``total`` changes does, of which ``lines`` are the first, and why."""
        for line in lines:
            self._write(INFO, f"{line} ({reason})")
        if total > len(lines):
            self._write(INFO, f"and {total - len(lines)} more ({reason})")

    def _limited(self, level: int, text: str) -> None:
        now = time.monotonic()
        last, suppressed = self._written.get(text, (-self.every, 0))
        if now - last < self.every:
            self._written[text] = last, suppressed + 1
            return
        if len(self._written) > 1000:  # forget what was written long ago
            self._written = {key: entry for key, entry in self._written.items() if now - entry[0] < self.every}
        self._written[text] = now, 0
        self._write(level, f"{text} [repeated {suppressed} times]" if suppressed else text)

    def _write(self, level: int, text: str) -> None:
        text = text.replace("\n", " ")
        try:
            self.stream.write(f"<{level}>{text}\n" if self.levels else f"{text}\n")
            self.stream.flush()
        except (OSError, ValueError):
            pass  # standard error is closed; the node is more important
