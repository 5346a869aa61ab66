# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The backups that this node's timer makes (role backup, ``backup_timer``): whether they are made."""

from __future__ import annotations

import calendar
import glob
import os
import re
import shlex
import time

from ..converge import files
from ..converge.units import systemctl
from ..findings.codes import Code
from ..findings.finding import Finding

SERVICE, TIMER = "podnet-backup.service", "podnet-backup.timer"
UNITS = "/etc/systemd/system"
#: Seconds from the timer's turn until a backup counts as missing: the snapshot, and etcd's defragmentation after it.
LONGEST = 3600
_PROPERTIES = "Id,LoadState,ActiveState,LastTriggerUSec"
#: As systemd prints a time: Mon 2026-11-30 12:00:00 UTC.
_TIME = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC")


def findings(node: str, now: float) -> list[Finding]:
    """What stands against the next loss of the cluster; nothing where no timer is configured. ``now`` is in seconds
    since the epoch. Raises StateError where systemd does not answer."""
    text = systemctl("show", f"--property={_PROPERTIES}", "--", SERVICE, TIMER, TZ="UTC")
    service, timer = (dict(line.split("=", 1) for line in block.splitlines()) for block in text.strip().split("\n\n"))
    if timer["LoadState"] != "loaded":
        return []
    if service["ActiveState"] == "failed":
        return [Finding(Code.BACKUP_FAILED, node, SERVICE)]
    if timer["ActiveState"] != "active":
        return [Finding(Code.BACKUP_TIMER_STOPPED, node, TIMER)]
    directory, due = _directory(), _seconds(timer.get("LastTriggerUSec", ""))
    newest = max((os.path.getmtime(path) for path in glob.glob(f"{directory}/podnet-*.tar.gz*")), default=0)
    # systemd takes the first start of a timer for its turn once the node has booted again
    if due <= max(newest, os.path.getmtime(f"{UNITS}/{TIMER}") + LONGEST) or now < due + LONGEST:
        return []
    return [Finding(Code.BACKUP_OLD, node, directory, {"newest": _text(newest) or None, "due": _text(due)})]


def _directory() -> str:
    """Where the service puts them; "" where its file does not tell."""
    match = re.search(r"^ExecStart=(.*)$", files.read(f"{UNITS}/{SERVICE}") or "", re.MULTILINE)
    words = shlex.split(match[1]) if match else []
    return words[words.index("--directory") + 1] if "--directory" in words[:-1] else ""


def _seconds(text: str) -> float:
    """0 for a timer whose turn has not come yet."""
    match = _TIME.search(text)
    return calendar.timegm(time.strptime(match[1], "%Y-%m-%d %H:%M:%S")) if match else 0


def _text(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds)) if seconds else ""
