# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab for tests: its playbooks run as a user runs them, and what they print is kept and read."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
RECAP = re.compile(
    r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)\s+skipped=(\d+)", re.MULTILINE
)


class Recap(NamedTuple):
    """One host's line at the end of a playbook's output."""

    ok: int
    changed: int
    unreachable: int
    failed: int
    skipped: int


class Run(NamedTuple):
    """A playbook that has run: exit status, everything it printed, the hosts' recaps."""

    status: int
    output: str
    recap: dict[str, Recap]

    @property
    def changed_tasks(self) -> set[str]:
        """The names of the tasks that changed something."""
        blocks = re.split(r"^(?:TASK|RUNNING HANDLER) \[(.*?)\] \**$", self.output, flags=re.MULTILINE)
        return {name for name, text in zip(blocks[1::2], blocks[2::2]) if re.search(r"^changed: ", text, re.MULTILINE)}

    @property
    def changed(self) -> dict[str, int]:
        """How many tasks changed something, for each host on which any did."""
        return {host: recap.changed for host, recap in self.recap.items() if recap.changed}


class Lab:
    """A lab as a user has it: playbooks, commands in nodes, kubectl. Every playbook's output goes to ``output``."""

    root = ROOT

    def __init__(self, name: str, output: Path, nodes: int = 3) -> None:
        self.name, self.output = name, output
        self.names = tuple(f"node{number}" for number in range(1, nodes + 1))
        self.runs = itertools.count(1)  # several may go on at a time
        self.broken = ""
        self.environment = {
            **os.environ,
            "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}",
            "PODNET_LAB": name,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_FORCE_COLOR": "0",
        }

    def play(self, book: str, *arguments: str, expect: int | None = 0) -> Run:
        """Run playbooks/BOOK.yml; fail the test if it ends with another status than ``expect`` (None: any)."""
        number = next(self.runs)
        ran = subprocess.run(
            ["ansible-playbook", f"playbooks/{book}.yml", *arguments],
            cwd=ROOT, env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        self.output.mkdir(parents=True, exist_ok=True)
        log = self.output / f"{number:02d}-{book.replace('/', '-')}.log"
        log.write_text(f"$ ansible-playbook playbooks/{book}.yml {' '.join(arguments)}\n{ran.stdout}")
        if expect is not None and ran.returncode != expect:
            tail = "\n".join(ran.stdout.splitlines()[-60:])
            pytest.fail(
                f"{book}: exit {ran.returncode}, expected {expect}; all of it is in {log}\n{tail}", pytrace=False
            )
        recap = {host: Recap(*map(int, counts)) for host, *counts in RECAP.findall(ran.stdout)}
        return Run(ran.returncode, ran.stdout, recap)

    def lab(self, book: str, *arguments: str) -> Run:
        """Run one of playbooks/lab/ for this lab."""
        return self.play(f"lab/{book}", "-e", f"lab_name={self.name}", *arguments)

    def node(self, name: str, *command: str, check: bool = True) -> str:
        """What a command prints in a node. A string alone is a shell's."""
        words = ["sh", "-c", command[0]] if len(command) == 1 else list(command)
        ran = subprocess.run(
            [ROOT / "inventories/lab/nodes.py", "--exec", name, "--", *words],
            env=self.environment, text=True, capture_output=True, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        if check and ran.returncode:
            pytest.fail(f"{name}: {' '.join(words)}: exit {ran.returncode}\n{ran.stdout}{ran.stderr}", pytrace=False)
        return ran.stdout

    def kubectl(self, *arguments: str) -> str:
        return self.node("node1", "kubectl", *arguments)

    def objects(self, what: str, *arguments: str) -> list[dict]:
        """``kubectl get WHAT`` as parsed JSON."""
        return json.loads(self.kubectl("get", what, *arguments, "--output", "json"))["items"]

    def verify(self, *arguments: str) -> dict:
        """Run playbooks/verify.yml, leave its workload, and return its report."""
        result = self.output / "verify.json"
        result.unlink(missing_ok=True)
        self.play("verify", "-e", "verify_keep=true", "-e", f"verify_result={result}", *arguments)
        return json.loads(result.read_text())

    def until(self, what: str, true, seconds: float) -> None:
        """Wait until ``true()`` holds; fail, saying what was waited for, when it does not within the bound."""
        end = time.monotonic() + seconds
        while not true():
            if time.monotonic() > end:
                pytest.fail(f"{what}: not within {seconds:.0f} s", pytrace=False)
            time.sleep(1)
