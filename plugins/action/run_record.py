# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import socket
import time
from getpass import getuser
from typing import Any

from ansible import context
from ansible.plugins.action import ActionBase

from ..module_utils.findings import render
from ..module_utils.findings.codes import Code
from ..module_utils.findings.finding import Finding
from ..module_utils.provision.run_record import PATH, Run, is_over


class ActionModule(ActionBase):
    """Let one playbook at a time change a cluster; documented in plugins/modules/run_record.py. What the controller
    knows is added here: which process this run is, and whether the other one still is there."""

    _supports_check_mode = True
    _VALID_ARGS = frozenset({"state"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        own = this_run(" ".join(context.CLIARGS.get("args") or ()))
        given = {"state": self._task.args.get("state", "begun"), "run": own._asdict()}
        result = self._execute_module(module_args=given, task_vars=task_vars)
        other = Run(**result["other"]) if result.get("other") else None
        if other and is_over(other, own, started(other.pid)):
            given["instead_of"] = other._asdict()
            result = self._execute_module(module_args=given, task_vars=task_vars)
            other = Run(**result["other"]) if result.get("other") else None
        if other:
            node = self._task.delegate_to or (task_vars or {}).get("inventory_hostname", "")
            finding = _active(other, node)
            result.update(failed=True, msg=render.line(finding), findings=[render.as_json(finding)])
        return result


def this_run(playbook: str) -> Run:
    """The run of which this process is a worker: ansible-playbook is its parent."""
    pid = os.getppid()
    return Run(_controller(), pid, started(pid) or 0, socket.gethostname(), getuser(), playbook, int(time.time()))


def _controller() -> str:
    """Where a PID means one process: this boot of the kernel and the PID namespace; without /proc (macOS) the host."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return f"{file.read().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def started(pid: int) -> int | None:
    """When a process started, in ticks since boot (proc(5), stat, field 22), 0 without /proc; None if there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return int(file.read().rpartition(")")[2].split()[19])
    except OSError:
        pass
    if os.path.exists("/proc/self"):
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass  # another user's
    return 0


def _active(other: Run, node: str) -> Finding:
    since = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(other.since))
    values = {"playbook": other.playbook, "since": since, "pid": other.pid, "user": other.user, "path": PATH}
    return Finding(Code.RUN_ACTIVE, node, other.host, values)
