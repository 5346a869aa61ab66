# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of a run on a cluster's control plane: two runs at a time would undo each other's changes.

It is a file, not a lock that a process holds: a run is many tasks, each with a process of its own on the node. Whether
the run that wrote it still goes on is for the controller to judge, which can see its own processes.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, TextIO

#: Gone with a reboot, and with it whatever a run was doing there.
PATH = "/run/lock/podnet-run.json"
#: Seconds after which the record of another controller's run counts as left behind.
LEFT_BEHIND = 2 * 3600


class Run(NamedTuple):
    """A run of a playbook. ``controller`` tells kernels and PID namespaces apart (boot ID and namespace), ``pid`` is
    ansible-playbook's and ``started`` its start, in clock ticks since boot (proc(5), stat, field 22). ``host``,
    ``user`` and ``playbook`` are for people; ``since`` is in seconds since 1970."""

    controller: str
    pid: int
    started: int
    host: str
    user: str
    playbook: str
    since: int

    def is_same(self, other: Run) -> bool:
        """Whether the two are the same process."""
        return (self.controller, self.pid, self.started) == (other.controller, other.pid, other.started)


def begin(run: Run, instead_of: Run | None = None, path: str = PATH) -> Run | None:
    """Writes the record of ``run``, unless there is another one's, which it returns. ``instead_of`` is one that may be
    replaced. Raises OSError."""
    with _locked(path) as file:
        found = _parse(file.read())
        if found and not found.is_same(run) and not (instead_of and found.is_same(instead_of)):
            return found
        if not found or not found.is_same(run):
            file.seek(0)
            file.truncate()
            file.write(json.dumps(run._asdict()) + "\n")
    return None


def end(run: Run, path: str = PATH) -> bool:
    """Removes the record, if it is that of ``run``; whether it was. Raises OSError."""
    if not os.path.exists(path):
        return False
    with _locked(path) as file:
        found = _parse(file.read())
        if found and not found.is_same(run):
            return False
        os.unlink(path)
        return found is not None


def current(path: str = PATH) -> Run | None:
    """The record that is there. Raises OSError."""
    try:
        with open(path, encoding="utf-8") as file:
            return _parse(file.read())
    except FileNotFoundError:
        return None


def is_over(found: Run, own: Run, started: int | None) -> bool:
    """Whether the run ``found`` has ended. ``started``: when the process with its PID started on the controller of
    ``own``, None where there is none; of another controller only the time says anything."""
    if found.controller == own.controller:
        return started != found.started
    return own.since - found.since > LEFT_BEHIND


@contextmanager
def _locked(path: str) -> Iterator[TextIO]:
    """The file, created where it is missing, and locked; not one that was removed in the meantime."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink:
                yield file
                return


def _parse(text: str) -> Run | None:
    """None for what no run has written, or has not finished writing: the node went down meanwhile."""
    try:
        return Run(**json.loads(text))
    except (ValueError, TypeError):
        return None
