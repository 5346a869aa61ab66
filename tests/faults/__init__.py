# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults as data, for every harness: clusters between network namespaces and the lab. paths.yml tells the form."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
#: Between network namespaces and in the lab; in the lab alone, for they need what a namespace has not.
PATHS, OTHERS, FOREIGN, LAB, ROUNDS = "paths.yml", "paths_others.yml", "paths_foreign.yml", "lab.yml", "rounds.yml"
#: Of network policies, in a lab that enforces them.
POLICIES = "policies.yml"
#: Of Services, between network namespaces whose rules are as kube-proxy's.
SERVICES = "services.yml"
#: Of Services and DNS, in a lab with the real kube-proxy.
SERVICES_LAB = "services_lab.yml"
#: In a cluster of both IP versions, between network namespaces alone.
IPV6 = "paths_ipv6.yml"
#: The words that stand for something of the cluster at hand, all of them told in paths.yml.
SYMBOL = re.compile(r"\b(?:node[1-3]|[A-Z][1-3]B?)\b")


def load(*files: str) -> list[Any]:
    """The entries of these files, in their order."""
    return [entry for file in files for entry in yaml.safe_load((HERE / file).read_text(encoding="utf-8"))]


def filled(text: str, known: dict[str, str]) -> str:
    """``text`` with its symbols replaced by what they stand for. Raises KeyError for one that is not known."""
    return SYMBOL.sub(lambda found: known[found[0]], text)


def run(fault: dict, steps: list[str], known: dict[str, str], at: Callable[[str, str], None]) -> None:
    """Have ``at(place, script)`` run a fault's commands, ``inject`` or ``fix``, each in one shell with those before it
    at the same place; the script is "apply" where the node is to put itself right."""
    before, gathered = fault["at"], []
    for step in [*steps, ""]:
        place, _blank, command = step[1:].partition(" ") if step.startswith("@") else (fault["at"], " ", step)
        if gathered and (place != before or not step or step == "apply"):
            at(before, "\n".join(gathered))
            gathered = []
        if step == "apply":
            at(place, step)
        elif step:
            before = place
            gathered.append(filled(command, known))


def named(wanted: dict, found: dict, known: dict[str, str]) -> bool:
    """Whether a finding (as JSON) is the ``wanted`` one: its code, and subject and parameters as far as they are given;
    of a parameter a part does."""
    if found["code"] != wanted["code"]:
        return False
    if "subject" in wanted and found["subject"] != filled(wanted["subject"], known):
        return False
    return all(
        filled(str(value), known) in _shown(found["parameters"][name])
        for name, value in wanted.get("parameters", {}).items()
    )


def judged(wanted: dict, verdict: dict, known: dict[str, str]) -> bool:
    """Whether a trace's verdict (as JSON) names what is wanted, first or among others that it suspects at that hop, by
    the evidence that is wanted."""
    by = wanted.get("evidence")
    proven = by is None or (verdict["evidence"] is not None and named(by, verdict["evidence"], known))
    return proven and any(named(wanted, each, known) for each in [verdict, *verdict["suspected"]])


def _shown(value: object) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
