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
from ansible_collections.podnet.cluster.plugins.module_utils import install
from ansible_collections.podnet.cluster.plugins.module_utils.verify.checks.report import failures, report
from ansible_collections.podnet.cluster.plugins.module_utils.verify.cluster.api import cluster
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.endpoint import as_end
from ansible_collections.podnet.cluster.plugins.module_utils.verify.trace import verdict

#: A pipe has no width; these columns hold the tables of a small cluster.
COLUMNS = 110


class ActionModule(ActionBase):
    """Judge what the probe module found on the nodes. Runs on the controller only; documented in
    plugins/modules/report.py.
    """

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validation, wanted = self.validate_argument_spec(
            argument_spec={
                "items": {"type": "list", "elements": "dict", "required": True},
                "found": {"type": "list", "elements": "dict", "required": True},
                "namespace": {"type": "str", "required": True},
                "port": {"type": "int", "required": True},
                "tunnel": {"type": "bool", "default": False},
                "path": {"type": "path"},
                "svg": {"type": "path"},
                "html": {"type": "path"},
                "junit": {"type": "path"},
                "looked": {"type": "list", "elements": "dict", "default": []},
                "ways": {"type": "list", "elements": "dict", "default": []},
                "sample": {"type": "int", "default": 0},
                "title": {"type": "str", "default": "podnet.cluster"},
            }
        )
        try:
            from ansible_collections.podnet.cluster.plugins.plugin_utils import junit, page, table
        except ImportError as error:
            raise AnsibleActionFail(
                f"the controller lacks the Python library rich ({error}): pip install rich"
            ) from error
        by_node = {entry["node"]: entry for entry in wanted["found"] if "node" in entry}
        try:
            found = report(
                cluster(wanted["items"]), by_node, wanted["namespace"], wanted["port"], wanted["tunnel"],
                _traces(wanted["ways"], wanted["looked"]), wanted["sample"], _library(),
            )  # fmt: skip
        except ValueError as error:
            raise AnsibleActionFail(str(error)) from error
        if wanted["path"]:
            _write(wanted["path"], json.dumps(found, indent=2, ensure_ascii=False) + "\n")
        if wanted["svg"]:
            _write(wanted["svg"], table.export_svg(found, wanted["title"]))
        if wanted["html"]:
            _write(wanted["html"], page.render(found, wanted["title"], time.strftime("%Y-%m-%d %H:%M:%S %z")))
        if wanted["junit"]:
            _write(wanted["junit"], junit.render(found))
        display = Display()
        display.display(table.render(found, max(display.columns, COLUMNS), bool(ANSIBLE_COLOR)))
        told = failures(found)
        result.update(changed=False, ok=found["ok"], summary=found["summary"], failures=told)
        facts = {key: found[key] for key in ("ok", "summary", "coverage", "failures")}
        result["ansible_facts"] = {"podnet_verify": facts}
        if not found["ok"]:
            result.update(failed=True, msg=f"{len(told)} failures; the first: {told[0]}")
        return result


def _library() -> str:
    """The version that this collection installs on nodes."""
    return install.version_name(install.digest(install.own_tree()))


def _traces(ways: list[dict], looked: list[dict]) -> list[dict]:
    """Each way judged by what the nodes told of it: their states are in the order of the ways that they were given."""
    traces = []
    for way in ways:
        states = [state for node in looked for state in node.get("states", []) if _of(state, way)]
        if any(state["node"] == way["from"]["node"] for state in states):
            traces.append(verdict.judge(as_end(way["from"]), as_end(way["to"]), states))
    return traces


def _of(state: dict, way: dict) -> bool:
    return state.get("evidence", {}).get("mark") == way["mark"]


def _write(path: str, text: str) -> None:
    """Write a file of the controller, its directory too. Raises AnsibleActionFail with the reason."""
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(target.name + ".new")
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, target)
    except OSError as error:
        raise AnsibleActionFail(f"cannot write {path}: {error.strerror}") from error
