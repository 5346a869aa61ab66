# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module as Ansible does, in a process of its own, inside a network namespace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

#: What ansible-core's wrapper does before it calls a module: arguments and their encoding are set, then main() runs.
WRAPPER = """
import importlib, sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = sys.stdin.buffer.read()
basic._ANSIBLE_PROFILE = "legacy"
importlib.import_module("ansible_collections.podnet.cluster.plugins.modules." + sys.argv[1]).main()
"""


@pytest.fixture
def run_module(root) -> Callable[..., dict]:
    """A function (namespace or None, module, check=False, fails=False, **arguments) that tells the module's result."""

    def run(netns, name: str, /, *, check: bool = False, fails: bool = False, **arguments) -> dict:
        wrapped = {**arguments, "_ansible_check_mode": check, "_ansible_diff": True}
        words = [sys.executable, "-c", WRAPPER, name]
        if netns:
            words = ["nsenter", f"--net={netns.path}", "--", *words]
        answer = subprocess.run(
            words,
            input=json.dumps({"ANSIBLE_MODULE_ARGS": wrapped}),
            env={**os.environ, "PYTHONPATH": str(root / "build" / "collections")},
            capture_output=True,
            text=True,
            check=False,
        )
        if not answer.stdout.lstrip().startswith("{"):
            pytest.fail(f"{name} {arguments}: no result\n{answer.stdout}{answer.stderr}", pytrace=False)
        result = json.loads(answer.stdout)
        if bool(result.get("failed")) != fails:
            pytest.fail(f"{name} {arguments}: {json.dumps(result, indent=1)}{answer.stderr}", pytrace=False)
        assert "Traceback" not in answer.stderr
        return result

    return run
