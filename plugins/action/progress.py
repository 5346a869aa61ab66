# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole of the module progress: it runs on the controller, where its messages can be shown as they come."""

from __future__ import annotations

import os
import subprocess
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleActionSkip
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..plugin_utils.arguments import arguments


class ActionModule(ActionBase):
    """Runs a program and passes on each line of its standard error."""

    _supports_check_mode = True
    _requires_connection = False
    _VALID_ARGS = frozenset({"argv", "environment"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        given = arguments(self)
        if self._task.check_mode:
            raise AnsibleActionSkip("nothing is run in check mode")
        environment = {**os.environ, **{name: str(value) for name, value in given["environment"].items()}}
        lines = []
        try:
            with subprocess.Popen(
                given["argv"],
                env=environment,
                text=True,
                errors="replace",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            ) as program:
                for line in program.stderr:
                    lines.append(line.rstrip("\n"))
                    Display().display(f"  {lines[-1]}")
                output = program.stdout.read().strip()
        except OSError as error:
            raise AnsibleActionFail(f"{given['argv'][0]}: {error.strerror}") from None
        if program.returncode:
            raise AnsibleActionFail(f"{given['argv'][0]}: status {program.returncode}; its messages stand above")
        return {"changed": False, "stdout": output, "stdout_lines": output.splitlines(), "stderr_lines": lines}
