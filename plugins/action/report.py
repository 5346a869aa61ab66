# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.color import ANSIBLE_COLOR
from ansible.utils.display import Display

from ..module_utils import install
from ..module_utils.cli.render_report import report_as_json
from ..module_utils.records.codec import from_json
from ..module_utils.verify.checks.report import report
from ..module_utils.verify.cluster.api import cluster
from ..module_utils.verify.cluster.policies import Policies
from ..module_utils.verify.model.answer import answer_from
from ..module_utils.verify.model.request import TraceRequest
from ..module_utils.verify.model.state import NodeState, state_from
from ..module_utils.verify.model.trace import Trace
from ..module_utils.verify.trace import verdict
from ..plugin_utils import junit, page
from ..plugin_utils.arguments import arguments

#: A pipe has no width; these columns hold the tables of a small cluster.
COLUMNS = 110


class ActionModule(ActionBase):
    """Judge the answers of the nodes' probe module. Runs on the controller only; documented in
    plugins/modules/report.py.
    """

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        wanted = arguments(self)
        try:
            from ..plugin_utils import table
        except ImportError as error:
            table = None
            if wanted["svg"]:
                raise AnsibleActionFail(f"svg: the controller lacks rich ({error}): pip install rich") from error
        try:
            answers = [answer_from(entry) for entry in wanted["found"] if "node" in entry]
            there = cluster(wanted["items"])
            judged = report(
                there,
                {answer.node: answer for answer in answers},
                wanted["namespace"],
                wanted["port"],
                wanted["tunnel"],
                _traces(wanted["requests"], wanted["inspected"]),
                wanted["sample"],
                _library(),
                Policies(wanted["items"], there),
            )
        except ValueError as error:
            raise AnsibleActionFail(str(error)) from error
        found = report_as_json(judged)
        if wanted["path"]:
            _write(wanted["path"], json.dumps(found, indent=2, ensure_ascii=False) + "\n")
        if wanted["svg"]:
            _write(wanted["svg"], table.export_svg(found, wanted["title"]))
        if wanted["html"]:
            _write(wanted["html"], page.render(found, wanted["title"], time.strftime("%Y-%m-%d %H:%M:%S %z")))
        if wanted["junit"]:
            _write(wanted["junit"], junit.render(found))
        display = Display()
        if table:
            display.display(table.render(found, max(display.columns, COLUMNS), bool(ANSIBLE_COLOR)))
        else:
            display.display(_lines(found))
        texts = [failure["text"] for failure in found["failures"]]
        result.update(changed=False, ok=found["ok"], summary=found["summary"], failures=texts)
        facts = {key: found[key] for key in ("ok", "summary", "coverage", "failures")}
        result["ansible_facts"] = {"podnet_verify": facts}
        if not found["ok"]:
            result.update(failed=True, msg=f"{len(texts)} failures; the first: {texts[0]}")
        return result


def _lines(found: dict[str, Any]) -> str:
    """The report without tables, for a controller without rich."""
    lines = [f"✗ {failure['text']}" for failure in found["failures"]]
    if not lines:
        lines = [f"All {len(found['probes'])} probes arrived, all {len(found['checks'])} checks hold."]
    return "\n".join([*lines, "Tables need the Python library rich on the controller: pip install rich"])


def _library() -> str:
    """The version that this collection installs on nodes."""
    return install.version_name(install.digest(install.own_tree()))


def _traces(requests: list[dict], inspected: list[dict]) -> list[Trace]:
    """Each path judged by the states of its nodes. Raises ValueError for another version's."""
    asked = [from_json(TraceRequest, request) for request in requests]
    by_mark: dict[str, list[NodeState]] = {request.mark: [] for request in asked}
    for node in inspected:
        for state in map(state_from, node.get("states", [])):
            if state.evidence and state.evidence.mark in by_mark:
                by_mark[state.evidence.mark].append(state)
    return [
        verdict.judge(request.source, request.target, by_mark[request.mark])
        for request in asked
        if any(state.node == request.source.node for state in by_mark[request.mark])
    ]


def _write(path: str, text: str) -> None:
    """Write a file of the controller, making its directory. Raises AnsibleActionFail with the reason."""
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(target.name + ".new")
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, target)
    except OSError as error:
        raise AnsibleActionFail(f"cannot write {path}: {error.strerror}") from error
