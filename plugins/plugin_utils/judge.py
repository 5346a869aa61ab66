# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the preflight's action plugins have in common: they judge on the controller, and report all findings at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.findings import render
from ..module_utils.findings.finding import Finding


class Judge(ActionBase):
    """An action without a connection: neither a host nor the controller runs a module, so become is of no matter."""

    _requires_connection = False
    _supports_check_mode = True

    def verdict(
        self,
        findings: Sequence[Finding],
        about: str,
        warnings: Sequence[Finding] = (),
        outcome: str = "no node was changed",
    ) -> dict[str, Any]:
        """The action's result: failed where there are ``findings``, which ``about`` introduces ("the inventory");
        ``outcome`` says what that means for the nodes."""
        for warning in warnings:
            Display().warning(render.line(warning))
        result: dict[str, Any] = {
            "changed": False,
            "findings": [render.as_json(each) for each in findings],
            "warned": [render.as_json(each) for each in warnings],
        }
        if findings:
            count = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
            lines = "".join(f"\n  {render.line(each)}" for each in findings)
            result.update(failed=True, msg=f"{count} in {about}; {outcome}:{lines}")
        return result
