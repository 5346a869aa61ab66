# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How every Ansible module ends: check mode stops after the plan, diff mode shows it, ``changed`` is "not empty"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..findings import render
from ..findings.finding import Finding
from .failure import failure
from .plan import Plan, StateError

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule  # type: ignore[import-untyped]


def run(module: AnsibleModule, plan: Plan | None = None, **result: Any) -> None:
    """Applies the plan, unless in check mode, and ends the module with ``result`` and what was done. A value that is
    known only then is a dictionary or list which a step fills. Without a plan the module only reads."""
    if plan is None:
        module.exit_json(changed=False, **result)
        return
    errors = _check(plan) if module.check_mode else plan.apply()
    result.update(changed=bool(plan), changes=plan.describe())
    result["diff"] = [
        {"before_header": subject, "after_header": subject, "before": before, "after": after}
        for subject, before, after in plan.diffs()
    ]
    if errors:
        findings = [render.as_json(each) for each in errors]
        module.fail_json(msg="; ".join(map(render.text, errors)), findings=findings, **result)
    module.exit_json(**result)


def _check(plan: Plan) -> list[Finding]:
    """Plans all steps on the node as it is; returns why one cannot be planned."""
    try:
        _all = plan.steps
    except (StateError, OSError) as error:
        return [failure("plan what follows", error)]
    return []
